//! What miners earn who do not mine as they should: selfish ones (Eyal and Sirer 2014) and undercutting ones (Carlsten et al. 2016), under
//! both reward rules. What a coinbase takes is checked and booked by the chain's own rule, block by block; blocks themselves are found by
//! chance, in virtual time.

use std::{error::Error, fmt::Write as _, fs, path::Path, sync::Arc};

use health_chain::{
    consensus::{
        ports::{BlockContext, RewardRule},
        verify::BLOCK_VERSION,
    },
    data::{
        Amount, Block, BlockId, Body, Genesis, Hash, Header, Height, Lock, Output, SecretKey, Timestamp, TokenId,
        ports::ChainStore,
        state::{MemoryStore, Overlay},
    },
    incentive::{Funding, IncentiveParameters, Issuance, Ledger, Reward, Rewards, SingleKey, TokenRule, tables},
};
use health_chain_testkit::sim::Random;

use super::output::{Curve, Plot, Style, progress, write};

const TOKEN: TokenId = TokenId(1);
/// Fees that come in while a block is due, in cents.
const FEES_PER_INTERVAL: f64 = 1_000_000.0;
/// All there is: enough for any run.
const SUPPLY: Amount = Amount(u64::MAX / 4);
const SHARES_PERCENT: [u32; 9] = [5, 10, 15, 20, 25, 30, 35, 40, 45];
/// How many of the others mine on the selfish miner's block where two are in a race.
const GAMMAS: [f64; 2] = [0.0, 0.5];
/// The share of undercutting miners; of the others, these shares take whichever of two equal branches leaves more.
const UNDERCUTTER_PERCENT: u32 = 30;
const PETTY_PERCENT: [u32; 6] = [0, 20, 40, 60, 80, 100];

const RULES: [(&str, Reward); 3] = [
    ("immediate", Reward::Immediate),
    ("smoothed 500/100", Reward::Smoothed { alpha_per_mille: 500, window_blocks: 100 }),
    ("smoothed 100/1000", Reward::Smoothed { alpha_per_mille: 100, window_blocks: 1_000 }),
];

pub(crate) fn run(folder: &Path, seed: u64, blocks: u32) -> Result<(), Box<dyn Error>> {
    let points = RULES.len() * (SHARES_PERCENT.len() * GAMMAS.len() + PETTY_PERCENT.len());
    let bar = progress(points as u64);
    let mut csv =
        String::from("miner,rule,share,gamma,petty_share,blocks,block_share,closed_form,fee_share,stale_rate\n");
    let mut plots = Vec::new();
    let mut undercut = Vec::new();
    for (colour, (rule, reward)) in RULES.into_iter().enumerate() {
        let book = Book::new(reward)?;
        let mut curves = Vec::new();
        for (index, gamma) in GAMMAS.into_iter().enumerate() {
            let mut of_fees = Vec::new();
            let mut of_form = Vec::new();
            for percent in SHARES_PERCENT {
                bar.set_message(format!("selfish, {rule}, {percent} %"));
                let share = f64::from(percent) / 100.0;
                let mut random = Random::new(seed ^ (u64::from(percent) << 8) ^ ((index as u64) << 16));
                let earned = selfish(&book, share, gamma, blocks, &mut random)?;
                let form = closed_form(share, gamma);
                let Earned { of_blocks, of_fees: fees, stale } = earned;
                writeln!(
                    csv,
                    "selfish,{rule},{share},{gamma},,{blocks},{of_blocks:.4},{form:.4},{fees:.4},{stale:.4}"
                )?;
                of_fees.push((share, fees));
                of_form.push((share, form));
                bar.inc(1);
            }
            let name = |what: &str| format!("{what}, gamma {gamma}");
            curves.push(Curve { name: name("closed form"), points: of_form, style: Style::Line, colour: index });
            curves.push(Curve { name: name("share of fees"), points: of_fees, style: Style::Dots, colour: index });
        }
        let honest = SHARES_PERCENT.map(|percent| (f64::from(percent) / 100.0, f64::from(percent) / 100.0));
        curves.push(Curve { name: "honest".into(), points: honest.to_vec(), style: Style::Line, colour: 6 });
        plots.push((format!("selfish miner, {rule}"), curves));

        let mut of_fees = Vec::new();
        for percent in PETTY_PERCENT {
            bar.set_message(format!("undercutting, {rule}, {percent} % petty"));
            let (share, petty) = (f64::from(UNDERCUTTER_PERCENT) / 100.0, f64::from(percent) / 100.0);
            let mut random = Random::new(seed ^ (u64::from(percent) << 24));
            let Earned { of_blocks, of_fees: fees, stale } = undercutting(&book, share, petty, blocks, &mut random)?;
            writeln!(csv, "undercutting,{rule},{share},,{petty},{blocks},{of_blocks:.4},,{fees:.4},{stale:.4}")?;
            of_fees.push((petty, fees));
            bar.inc(1);
        }
        undercut.push(Curve { name: rule.into(), points: of_fees, style: Style::JoinedDots, colour });
    }
    bar.finish_and_clear();
    fs::write(folder.join("incentive.csv"), &csv)?;
    let mut drawn: Vec<Plot<'_>> = Vec::new();
    for (title, curves) in &mut plots {
        drawn.push(Plot {
            title,
            labels: ["share of the hash power", "share of what is earned"],
            across: 0.0..0.5,
            up: 0.0..1.0,
            is_logarithmic: false,
            curves: std::mem::take(curves),
        });
    }
    drawn.push(Plot {
        title: "undercutting miners with 30 %",
        labels: ["share of petty miners among the others", "share of what is earned"],
        across: 0.0..1.05,
        up: 0.2..0.6,
        is_logarithmic: false,
        curves: undercut,
    });
    write(&folder.join("incentive.svg"), 2, &drawn)?;
    println!("{blocks} blocks for each point");
    Ok(())
}

/// What a dishonest miner, or a group of them, has of the chain in the end, and how many of all blocks went stale.
#[derive(Debug, Clone, Copy)]
struct Earned {
    of_blocks: f64,
    of_fees: f64,
    stale: f64,
}

/// Eyal and Sirer (2014), equation 8: the selfish miner's share of the chain's blocks.
fn closed_form(share: f64, gamma: f64) -> f64 {
    let a = share;
    let won = a * (1.0 - a).powi(2) * (4.0 * a + gamma * (1.0 - 2.0 * a)) - a.powi(3);
    won / (1.0 - a * (1.0 + (2.0 - a) * a))
}

/// The chain's own reward rule, and the state from which every run begins.
struct Book {
    rewards: Rewards,
    genesis: MemoryStore,
    context: BlockContext,
    lock: Lock,
}

/// A block of a race: what the rule let its maker take, and the counters after it.
#[derive(Clone)]
struct Mined {
    parent: usize,
    height: u32,
    /// Whether the miner under study made it.
    is_ours: bool,
    /// Fees that have come in up to here are in this block or below it, in cents since the beginning.
    fees_until: u64,
    taken: Amount,
    state: MemoryStore,
}

impl Book {
    fn new(reward: Reward) -> Result<Self, Box<dyn Error>> {
        let key = SecretKey::from_bytes(&[7; 32])?;
        let lock = SingleKey::lock(&key.public_key());
        let issuers = vec![key.public_key()];
        let rule = TokenRule { token: TOKEN, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
        let tokens = vec![rule];
        let parameters = IncentiveParameters { fee_token: TOKEN, tokens, coinbase_maturity: 1, reward };
        let genesis = Genesis::new("laboratory", Timestamp(1_000), vec![]).with(&parameters);
        let ledger = Ledger::new(parameters.clone(), Arc::new(SingleKey))?;
        let context = BlockContext { chain: genesis.chain_id(), height: Height(1), median_time_past: Timestamp(1_000) };

        let mut mint = Issuance::mint(TOKEN, 1, vec![Output { token: TOKEN, amount: SUPPLY, lock: lock.clone() }])?;
        let signature = key.sign(&Issuance::message(&context.chain, &mint)?, &[0; 32]);
        Issuance::add_signature(&mut mint, &parameters.tokens[0], &key.public_key(), signature)?;
        let mut store = MemoryStore::default();
        let mut state = Overlay::new(&store);
        ledger.genesis(&mut state, &genesis)?;
        ledger.apply(&mut state, &mint, &mint.id(), &context, Funding::Required, &mut Vec::new())?;
        let changes = state.into_changes()?;
        store.commit(&changes)?;
        Ok(Self { rewards: Rewards::new(&ledger), genesis: store, context, lock })
    }

    fn start(&self) -> Mined {
        let state = self.genesis.clone();
        Mined { parent: 0, height: 0, is_ours: false, fees_until: 0, taken: Amount::ZERO, state }
    }

    /// What the maker of a block with `fees` may take on top of `parent`.
    fn limit(&self, parent: &Mined, fees: u64) -> Result<Amount, Box<dyn Error>> {
        Ok(self.rewards.limit(&parent.state, Amount(fees))?)
    }

    /// A block on top of `tree[parent]` with the fees up to `fees_until`, whose maker takes all that the rule lets it.
    fn mine(&self, tree: &[Mined], parent: usize, is_ours: bool, fees_until: u64) -> Result<Mined, Box<dyn Error>> {
        let below = &tree[parent];
        let fees = Amount(fees_until - below.fees_until);
        let height = below.height + 1;
        let taken = self.rewards.limit(&below.state, fees)?;
        let context = BlockContext { height: Height(height), ..self.context };
        let body = if taken == Amount::ZERO {
            Body::default()
        } else {
            Body(vec![self.rewards.coinbase(context.height, taken, self.lock.clone())])
        };
        let header = Header {
            version: BLOCK_VERSION,
            parent: BlockId::default(),
            root: Hash::ZERO,
            time: self.context.median_time_past,
            seal: vec![],
        };
        let mut state = Overlay::new(&below.state);
        self.rewards.settle(&mut state, &Block { header, body }, fees, &context)?;
        // Who may spend a coin does not matter here, only how much there is.
        let counters = state.into_changes()?;
        let mut kept = health_chain::data::state::Changes::default();
        for (table, key, value) in counters.iter().filter(|(table, ..)| *table == tables::SUPPLY) {
            match value {
                Some(value) => kept.put(table, key, value),
                None => kept.delete(table, key),
            }
        }
        let mut state = below.state.clone();
        state.commit(&kept)?;
        Ok(Mined { parent, height, is_ours, fees_until, taken, state })
    }

    /// What the chain that ends in `tip` has given to the miner under study, where `found` blocks were found in all.
    fn earned(tree: &[Mined], tip: usize, found: u32) -> Earned {
        let (mut ours, mut all, mut our_blocks) = (0_u128, 0_u128, 0);
        let mut at = tip;
        while at != 0 {
            let block = &tree[at];
            all += u128::from(block.taken.0);
            if block.is_ours {
                ours += u128::from(block.taken.0);
                our_blocks += 1;
            }
            at = block.parent;
        }
        let length = f64::from(tree[tip].height);
        Earned {
            of_blocks: f64::from(our_blocks) / length,
            of_fees: ours as f64 / all as f64,
            stale: 1.0 - length / f64::from(found),
        }
    }
}

/// The selfish miner's strategy: keep what is found, and publish just enough to make the others' work void. Everything happens between the
/// two ends of the published and the secret branch; `lead` is by how much the secret one is longer.
fn selfish(book: &Book, share: f64, gamma: f64, blocks: u32, random: &mut Random) -> Result<Earned, Box<dyn Error>> {
    let mut tree = vec![book.start()];
    // The ends of both branches; `race` where both are published and equally long.
    let (mut public, mut secret, mut race) = (0, 0, false);
    let mut clock = 0.0;
    for _ in 0..blocks {
        clock += random.exponential(FEES_PER_INTERVAL);
        let is_ours = random.fraction() <= share;
        let lead = i64::from(tree[secret].height) - i64::from(tree[public].height);
        let parent = match (is_ours, race) {
            (true, _) => secret,
            (false, true) if random.fraction() <= gamma => secret,
            (false, _) => public,
        };
        let block = book.mine(&tree, parent, is_ours, clock as u64)?;
        tree.push(block);
        let new = tree.len() - 1;
        match (is_ours, race) {
            // Whoever finds the next block ends the race; and what the selfish miner finds then is published at once.
            (_, true) => (public, secret, race) = (new, new, false),
            (true, false) => secret = new,
            // Behind: the others' branch is the chain. One ahead: it is published, and the race is on. Two ahead: it is published,
            // and has won. Further ahead: the others' branch can be waited for.
            (false, false) => match lead {
                ..=0 => (public, secret) = (new, new),
                1 => (public, race) = (new, true),
                2 => public = secret,
                _ => public = new,
            },
        }
    }
    let tip = if tree[secret].height > tree[public].height { secret } else { public };
    Ok(Book::earned(&tree, tip, blocks))
}

/// Miners who fork away a rich block and leave half of what it took for others, where they can expect more of that than of going on (the
/// "lazy fork" of the paper, weighed by who would follow). Of the others, petty ones take whichever of equally long branches leaves them more, and honest ones
/// the first. Everybody hears of every block at once.
fn undercutting(
    book: &Book,
    share: f64,
    petty: f64,
    blocks: u32,
    random: &mut Random,
) -> Result<Earned, Box<dyn Error>> {
    let mut tree = vec![book.start()];
    // All blocks of the greatest height, in the order in which they came.
    let mut tips = vec![0];
    // Whoever finds the next block decides which branch is the chain.
    let followed = share + (1.0 - share) * petty;
    let mut clock = 0.0;
    for _ in 0..blocks {
        clock += random.exponential(FEES_PER_INTERVAL);
        let now = clock as u64;
        let is_ours = random.fraction() <= share;
        let is_petty = random.fraction() <= petty;
        let richest = |tips: &[usize]| -> Result<usize, Box<dyn Error>> {
            let mut best = (tips[0], Amount::ZERO);
            for tip in tips {
                let limit = book.limit(&tree[*tip], now - tree[*tip].fees_until)?;
                if limit > best.1 {
                    best = (*tip, limit);
                }
            }
            Ok(best.0)
        };
        let (parent, until) = if is_ours {
            let tip = richest(&tips)?;
            let below = tree[tip].parent;
            let half = (now - tree[below].fees_until) / 2;
            let goes_on = book.limit(&tree[tip], now - tree[tip].fees_until)?;
            let forks = book.limit(&tree[below], half)?;
            if tip != 0 && !tree[tip].is_ours && forks.0 as f64 * followed > goes_on.0 as f64 {
                (below, tree[below].fees_until + half)
            } else {
                (tip, now)
            }
        } else if is_petty {
            (richest(&tips)?, now)
        } else {
            (tips[0], now)
        };
        let block = book.mine(&tree, parent, is_ours, until)?;
        let height = block.height;
        tree.push(block);
        let new = tree.len() - 1;
        if height > tree[tips[0]].height {
            tips = vec![new];
        } else if height == tree[tips[0]].height {
            tips.push(new);
        }
    }
    Ok(Book::earned(&tree, tips[0], blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selfish_miners_earn_what_the_paper_says() {
        let book = Book::new(Reward::Immediate).unwrap();
        for (share, gamma) in [(0.2, 0.0), (0.4, 0.0), (0.3, 0.5), (0.4, 0.5)] {
            let earned = selfish(&book, share, gamma, 20_000, &mut Random::new(3)).unwrap();
            let form = closed_form(share, gamma);
            assert!((earned.of_blocks - form).abs() < 0.02, "{share}, {gamma}: {earned:?}, {form}");
        }
        assert!((closed_form(1.0 / 3.0, 0.0) - 1.0 / 3.0).abs() < 1e-9, "the threshold without a head start");
        assert!((closed_form(0.25, 0.5) - 0.25).abs() < 1e-9, "and with half of the others");
    }

    #[test]
    fn undercutting_pays_under_immediate_fees_and_is_rarer_under_smoothed_ones() {
        let earned = |reward, petty| {
            let book = Book::new(reward).unwrap();
            undercutting(&book, 0.3, petty, 10_000, &mut Random::new(3)).unwrap()
        };
        let alone = earned(RULES[0].1, 1.0);
        assert!(alone.of_fees > 0.32 && alone.stale > 0.05, "all others follow: {alone:?}");
        let (immediate, smoothed) = (earned(RULES[0].1, 0.6), earned(RULES[2].1, 0.6));
        assert!(smoothed.stale * 4.0 < immediate.stale, "{smoothed:?}, {immediate:?}");
    }

    #[test]
    fn nobody_takes_more_than_there_is() {
        for (_, reward) in RULES {
            let book = Book::new(reward).unwrap();
            let tree = [book.start()];
            let block = book.mine(&tree, 0, false, 1_000).unwrap();
            assert!(block.taken <= Amount(1_000));
        }
    }
}
