//! Custody against a plain model, and that whatever it does can be undone and done again.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_contract::{
    custody::{
        Assign, Code, Consume, Custody, CustodyParameters, Fate, HandOver, Make, Move, Operation, Recall, Scope,
        SerialDigest, UnitId,
    },
    ports::Program,
    quorum::SignerSignature,
};
use health_chain_data::{
    ChainId, Height, PublicKey, SecretKey, Signature, Timestamp, Transaction,
    ports::ChainStore,
    state::{MemoryStore, Overlay},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

const PRODUCTS: [&str; 2] = ["1", "11"];
const LOTS: [&str; 2] = ["L", "LL"];
const SERIALS: usize = 3;
const NOBODY: Signature = Signature([0; 64]);

fn public(index: usize) -> PublicKey {
    static KEYS: LazyLock<Vec<PublicKey>> =
        LazyLock::new(|| (1..=4).map(|seed| SecretKey::from_bytes(&[seed; 32]).unwrap().public_key()).collect());
    KEYS[index]
}

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

/// A unit by numbers: product and serial number.
type Name = (usize, usize);

fn unit(name: Name) -> UnitId {
    UnitId::of(&code(PRODUCTS[name.0]), &name.1.to_string())
}

/// In an act as it is drawn: whoever may do it, and the step that is next. So most acts are sound, and not too many.
const RIGHT: usize = 4;
const NEXT: u32 = 4;

#[derive(Debug, Clone)]
enum Act {
    Assign { product: usize, step: u32, maker: usize },
    Make { product: usize, lot: usize, maker: usize, serials: BTreeSet<usize> },
    HandOver { units: BTreeMap<Name, u32>, giver: usize, receiver: usize },
    Consume { units: BTreeMap<Name, u32>, holder: usize, used: bool },
    RecallLot { product: usize, lot: usize, maker: usize },
    RecallUnits { units: BTreeSet<Name>, maker: usize },
}

fn act() -> impl Strategy<Value = Act> {
    let name = || (0..PRODUCTS.len(), 0..SERIALS);
    let names = || prop::collection::btree_set(name(), 0..3);
    let steps = || prop::collection::btree_map(name(), prop_oneof![1 => 1..4_u32, 9 => Just(NEXT)], 0..3);
    let (product, lot) = (|| 0..PRODUCTS.len(), || 0..LOTS.len());
    let who = || prop_oneof![1 => 0..RIGHT, 4 => Just(RIGHT)];
    prop_oneof![
        1 => (product(), 0..3_u32, 0..RIGHT).prop_map(|(product, step, maker)| Act::Assign {
            product,
            step,
            maker
        }),
        4 => (product(), lot(), who(), prop::collection::btree_set(0..SERIALS, 0..3))
            .prop_map(|(product, lot, maker, serials)| Act::Make { product, lot, maker, serials }),
        8 => (steps(), who(), 0..RIGHT).prop_map(|(units, giver, receiver)| Act::HandOver { units, giver, receiver }),
        2 => (steps(), who(), any::<bool>()).prop_map(|(units, holder, used)| Act::Consume { units, holder, used }),
        1 => (product(), lot(), who()).prop_map(|(product, lot, maker)| Act::RecallLot { product, lot, maker }),
        1 => (names(), who()).prop_map(|(units, maker)| Act::RecallUnits { units, maker }),
    ]
}

fn sorted(units: &BTreeSet<Name>) -> Vec<UnitId> {
    let mut units: Vec<UnitId> = units.iter().copied().map(unit).collect();
    units.sort();
    units
}

fn moves(units: &BTreeMap<Name, u32>) -> Vec<Move> {
    let mut moves: Vec<Move> = units.iter().map(|(name, step)| Move { unit: unit(*name), step: *step }).collect();
    moves.sort_by_key(|step| step.unit);
    moves
}

fn transaction(act: &Act) -> Transaction {
    let document = None;
    match act {
        Act::Assign { product, step, maker } => {
            let operation = Assign { product: code(PRODUCTS[*product]), step: *step, maker: public(*maker) };
            operation.transaction_by(&[SignerSignature { signer: 0, signature: NOBODY }])
        }
        Act::Make { product, lot, maker, serials } => {
            let (product, lot) = (code(PRODUCTS[*product]), code(LOTS[*lot]));
            let digest = |serial: &usize| SerialDigest::of(&product, &serial.to_string());
            let mut serials: Vec<SerialDigest> = serials.iter().map(digest).collect();
            serials.sort();
            Make { product, lot, maker: public(*maker), serials, document }.transaction(&[NOBODY])
        }
        Act::HandOver { units, giver, receiver } => {
            let (giver, receiver) = (public(*giver), public(*receiver));
            HandOver { units: moves(units), giver, receiver, document }.transaction(&[NOBODY; 2])
        }
        Act::Consume { units, holder, used } => {
            let fate = if *used { Fate::Used } else { Fate::Destroyed };
            Consume { units: moves(units), holder: public(*holder), fate, document }.transaction(&[NOBODY])
        }
        Act::RecallLot { product, lot, maker } => {
            let scope = Scope::Lot { product: code(PRODUCTS[*product]), lot: code(LOTS[*lot]) };
            Recall { maker: public(*maker), scope, document }.transaction(&[NOBODY])
        }
        Act::RecallUnits { units, maker } => {
            let scope = Scope::Units(sorted(units));
            Recall { maker: public(*maker), scope, document }.transaction(&[NOBODY])
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Thing {
    lot: usize,
    holders: Vec<usize>,
    over: bool,
    recalled: bool,
}

/// What the rules come to, in plain words.
#[derive(Clone, Default)]
struct Model {
    makers: BTreeMap<usize, Vec<usize>>,
    things: BTreeMap<Name, Thing>,
    lots: BTreeMap<(usize, usize), bool>,
}

impl Model {
    fn makes(&self, maker: usize, product: usize) -> bool {
        self.makers.get(&product).is_some_and(|makers| makers.last() == Some(&maker))
    }

    /// The act with whoever may do it and the steps that are next filled in.
    fn aimed(&self, mut act: Act) -> Act {
        let makes = |product| self.makers.get(&product).and_then(|makers| makers.last()).copied().unwrap_or(0);
        let holds = |name: Option<&Name>| {
            name.and_then(|name| self.things.get(name)).map_or(0, |thing| *thing.holders.last().unwrap())
        };
        let (who, right) = match &mut act {
            Act::Assign { .. } => return act,
            Act::Make { product, maker, .. } | Act::RecallLot { product, maker, .. } => (maker, makes(*product)),
            Act::RecallUnits { units, maker } => (maker, units.first().map_or(0, |name| makes(name.0))),
            Act::HandOver { units, giver: holder, .. } | Act::Consume { units, holder, .. } => {
                for (name, step) in units.iter_mut().filter(|(_, step)| **step == NEXT) {
                    *step = self.things.get(name).map_or(1, |thing| thing.holders.len() as u32);
                }
                (holder, holds(units.keys().next()))
            }
        };
        if *who == RIGHT {
            *who = right;
        }
        act
    }

    fn is_recalled(&self, name: Name) -> bool {
        let thing = &self.things[&name];
        thing.recalled || self.lots[&(name.0, thing.lot)]
    }

    fn can_move(&self, units: &BTreeMap<Name, u32>, holder: usize) -> bool {
        let ready = |(name, step): (&Name, &u32)| {
            let thing = self.things.get(name);
            thing.is_some_and(|it| !it.over && it.holders.last() == Some(&holder) && it.holders.len() == *step as usize)
        };
        !units.is_empty() && units.iter().all(ready)
    }

    /// Whether the act is allowed; if so it is done.
    fn allows(&mut self, act: &Act) -> bool {
        match act {
            Act::Assign { product, step, maker } => {
                let makers = self.makers.entry(*product).or_default();
                let next = makers.len() == *step as usize;
                makers.extend(next.then_some(*maker));
                next
            }
            Act::Make { product, lot, maker, serials } => {
                let units: Vec<Name> = serials.iter().map(|serial| (*product, *serial)).collect();
                let fine = !units.is_empty()
                    && units.iter().all(|name| !self.things.contains_key(name))
                    && self.makes(*maker, *product)
                    && self.lots.get(&(*product, *lot)) != Some(&true);
                if fine {
                    self.lots.insert((*product, *lot), false);
                    let thing = Thing { lot: *lot, holders: vec![*maker], over: false, recalled: false };
                    self.things.extend(units.iter().map(|name| (*name, thing.clone())));
                }
                fine
            }
            Act::HandOver { units, giver, receiver } => {
                let fine = giver != receiver && self.can_move(units, *giver);
                if fine {
                    units.keys().for_each(|name| self.things.get_mut(name).unwrap().holders.push(*receiver));
                }
                fine
            }
            Act::Consume { units, holder, used } => {
                let fine =
                    self.can_move(units, *holder) && !(*used && units.keys().any(|name| self.is_recalled(*name)));
                if fine {
                    for name in units.keys() {
                        let thing = self.things.get_mut(name).unwrap();
                        thing.holders.push(*holder);
                        thing.over = true;
                    }
                }
                fine
            }
            Act::RecallLot { product, lot, maker } => {
                let fine = self.makes(*maker, *product) && self.lots.get(&(*product, *lot)) == Some(&false);
                if fine {
                    self.lots.insert((*product, *lot), true);
                }
                fine
            }
            Act::RecallUnits { units, maker } => {
                let open = |name: &Name| {
                    self.things.get(name).is_some_and(|thing| !thing.recalled) && self.makes(*maker, name.0)
                };
                let fine = !units.is_empty() && units.iter().all(open);
                if fine {
                    units.iter().for_each(|name| self.things.get_mut(name).unwrap().recalled = true);
                }
                fine
            }
        }
    }
}

fn check(store: &MemoryStore, model: &Model) {
    for name in (0..PRODUCTS.len()).flat_map(|product| (0..SERIALS).map(move |serial| (product, serial))) {
        let found = Custody::unit(store, &unit(name)).unwrap();
        let history = Custody::history(store, &unit(name)).unwrap();
        let Some(thing) = model.things.get(&name) else {
            assert!(found.is_none() && history.is_empty());
            continue;
        };
        let found = found.unwrap();
        let holders: Vec<PublicKey> = history.iter().map(|step| step.holder).collect();
        assert_eq!(holders, thing.holders.iter().map(|holder| public(*holder)).collect::<Vec<_>>());
        assert_eq!(Some(&found.holder), holders.last());
        assert_eq!(found.step as usize + 1, holders.len());
        assert_eq!((found.lot.as_str(), found.fate.is_some()), (LOTS[thing.lot], thing.over));
        assert_eq!(Custody::recalled_since(store, &unit(name)).unwrap().is_some(), model.is_recalled(name));
    }
    for (product, text) in PRODUCTS.iter().enumerate() {
        let recalled = Custody::recalled(store, &code(text)).unwrap();
        let found: BTreeSet<UnitId> = recalled.iter().map(|recalled| recalled.id).collect();
        let named = model.things.keys().filter(|name| name.0 == product && model.is_recalled(**name));
        assert_eq!(found, named.copied().map(unit).collect());
        assert_eq!(found.len(), recalled.len());
    }
}

/// What comes before the acts that are drawn: each product has a maker.
fn begun() -> [Act; 2] {
    [0, 1].map(|product| Act::Assign { product, step: 0, maker: product })
}

/// The acts that are drawn are often allowed and often not, each kind of them.
#[test]
fn the_model_goes_everywhere() {
    let mut runner = TestRunner::deterministic();
    let (mut allowed, mut refused) = ([0_usize; 6], [0_usize; 6]);
    for _ in 0..100 {
        let mut model = Model::default();
        let drawn = prop::collection::vec(act(), 1..60).new_tree(&mut runner).unwrap().current();
        for act in begun().into_iter().chain(drawn) {
            let act = model.aimed(act);
            let kind = match act {
                Act::Assign { .. } => 0,
                Act::Make { .. } => 1,
                Act::HandOver { .. } => 2,
                Act::Consume { .. } => 3,
                Act::RecallLot { .. } => 4,
                Act::RecallUnits { .. } => 5,
            };
            let counts = if model.allows(&act) { &mut allowed } else { &mut refused };
            counts[kind] += 1;
        }
    }
    assert!(allowed.iter().chain(&refused).all(|count| *count >= 20), "allowed {allowed:?}, refused {refused:?}");
}

proptest! {
    #[test]
    fn custody_is_what_the_model_says(acts in prop::collection::vec(act(), 1..60)) {
        let parameters = CustodyParameters { threshold: 1, registrars: vec![public(0)] };
        let custody = Custody::new(parameters).unwrap();
        let (mut store, mut model) = (MemoryStore::default(), Model::default());
        let mut states = vec![];
        for (height, act) in (1..).zip(begun().into_iter().chain(acts)) {
            let act = model.aimed(act);
            let transaction = transaction(&act);
            let context = BlockContext { chain: ChainId::default(), height: Height(height), median_time_past: Timestamp(9) };
            let (mut state, mut claims) = (Overlay::new(&store), vec![]);
            let outcome = custody.apply(&mut state, &transaction, &transaction.id(), &context, &mut claims);
            let changes = state.into_changes().unwrap();
            let allowed = model.allows(&act);
            match outcome {
                Ok(()) => {
                    prop_assert!(allowed, "{:?}", act);
                    prop_assert_eq!(claims.len(), custody.signature_checks(&transaction) as usize);
                    let before = store.clone();
                    let undo = changes.undo(&store).unwrap();
                    store.commit(&changes).unwrap();
                    states.push((before, changes, undo, store.clone()));
                }
                Err(ExecuteError::Rejected(rejection)) => {
                    prop_assert!(!allowed, "{:?}: {}", act, rejection.source);
                    prop_assert!(claims.is_empty() && changes.is_empty());
                }
                Err(other) => panic!("{other}"),
            }
        }
        check(&store, &model);
        // All the way back, and all the way forward again.
        for (before, _, undo, _) in states.iter().rev() {
            store.commit(undo).unwrap();
            prop_assert!(store == *before);
        }
        prop_assert!(store == MemoryStore::default());
        for (_, changes, _, after) in &states {
            store.commit(changes).unwrap();
            prop_assert!(store == *after);
        }
    }
}
