//! Peers that break rules, one rule per test: each is named, and only the one who broke it pays.

mod common;

use common::{Node, Puppet, ToyChain, World, address, block_on, genesis, peer_id, settings, transaction};
use health_chain_data::{BlockId, ChainId, Kind, Transaction, Witness, codec, codec::CodecError, sha256};
use health_chain_network::{
    Action, EncodedTransaction, Hello, Item, Message, Offence, Priority, Refusal, Report, TipView, Transport,
    limits::{
        BAN_MILLIS, BLOCKS_TIMEOUT_MILLIS, HANDSHAKE_TIMEOUT_MILLIS, HEADERS_COST_BYTES, MAX_ANSWER_BYTES,
        MAX_BURST_MESSAGES, MAX_INBOUND_PEERS, MAX_ITEMS, MAX_SERVED_BURST_BYTES, MAX_STALLS, PAUSE_MILLIS,
        PING_INTERVAL_MILLIS, PING_TIMEOUT_MILLIS, SHARE_ADDRESSES_MILLIS, TRANSACTION_TIMEOUT_MILLIS,
    },
    message::PROTOCOL_VERSION,
};

/// A node named "node", and a puppet that has greeted it.
fn greeted() -> (World, Puppet) {
    let mut world = World::new();
    world.add("node", &[]);
    let mut puppet = Puppet::join(&world.hub, "puppet");
    puppet.greet(&mut world, "node");
    assert_eq!(world.nodes[0].network.peers().len(), 1);
    puppet.heard();
    (world, puppet)
}

fn say(world: &mut World, puppet: &mut Puppet, message: &Message) {
    puppet.send(&peer_id("node"), message);
    world.settle();
}

fn batch(transactions: &[&Transaction]) -> Message {
    Message::Transactions(
        transactions.iter().map(|transaction| EncodedTransaction(codec::encode(*transaction))).collect(),
    )
}

fn hello() -> Hello {
    Hello {
        version: PROTOCOL_VERSION,
        network: common::NETWORK.into(),
        genesis: genesis(),
        tip: BlockId::default(),
        height: health_chain_data::Height(0),
        listen: None,
        nonce: 1,
    }
}

fn offences(node: &Node) -> Vec<(Offence, bool)> {
    let penalised = |action: &Action| match action {
        Action::Report(Report::Penalised { offence, is_banned, .. }) => Some((*offence, *is_banned)),
        _ => None,
    };
    node.rest.iter().filter_map(penalised).collect()
}

fn refusals(node: &Node) -> Vec<Refusal> {
    let refused = |action: &Action| match action {
        Action::Report(Report::Refused { reason, .. }) => Some(reason.clone()),
        _ => None,
    };
    node.rest.iter().filter_map(refused).collect()
}

/// What the node does about a first message.
fn first_message(message: &Message) -> World {
    let mut world = World::new();
    world.add("node", &[]);
    let mut puppet = Puppet::join(&world.hub, "puppet");
    puppet.transport.dial(&address("node")).expect("an address of the hub");
    say(&mut world, &mut puppet, message);
    world
}

fn refused_greeting(hello: Hello) -> Vec<Refusal> {
    let world = first_message(&Message::Hello(hello));
    assert!(!world.hub.is_connected(&peer_id("node"), &peer_id("puppet")));
    assert_eq!(world.nodes[0].network.bans(), [], "a refusal is no ban");
    refusals(&world.nodes[0])
}

fn banned_for(message: &Message, offence: Offence) {
    let (mut world, mut puppet) = greeted();
    say(&mut world, &mut puppet, message);
    assert_banned(&world, offence);
}

fn assert_banned(world: &World, offence: Offence) {
    assert_eq!(offences(&world.nodes[0]), [(offence, true)]);
    assert_eq!(world.nodes[0].network.bans(), [(peer_id("puppet"), world.now.saturating_add(BAN_MILLIS))]);
    assert!(!world.hub.is_connected(&peer_id("node"), &peer_id("puppet")));
}

#[test]
fn greetings_of_others_are_refused_by_name() {
    assert_eq!(refused_greeting(Hello { version: 9, ..hello() }), [Refusal::Version { found: 9 }]);
    let found = String::from("other");
    assert_eq!(refused_greeting(Hello { network: found.clone(), ..hello() }), [Refusal::Network { found }]);
    let found = ChainId(sha256(b"other"));
    assert_eq!(refused_greeting(Hello { genesis: found, ..hello() }), [Refusal::Genesis { found }]);
}

#[test]
fn a_node_that_meets_itself_hangs_up() {
    let mut world = World::new();
    world.add("node", &[]);
    let mut puppet = Puppet::join(&world.hub, "puppet");
    puppet.transport.dial(&address("node")).expect("an address of the hub");
    world.settle();
    let [Message::Hello(echo)] = &puppet.heard()[..] else { panic!("a greeting comes first") };
    say(&mut world, &mut puppet, &Message::Hello(echo.clone()));
    assert_eq!(refusals(&world.nodes[0]), [Refusal::SelfConnection]);
}

#[test]
fn a_greeting_that_does_not_come_ends_the_connection() {
    let mut world = World::new();
    world.add("node", &[]);
    let mut puppet = Puppet::join(&world.hub, "puppet");
    puppet.transport.dial(&address("node")).expect("an address of the hub");
    world.run(HANDSHAKE_TIMEOUT_MILLIS - 1_000);
    assert_eq!(refusals(&world.nodes[0]), []);
    world.run(2_000);
    assert_eq!(refusals(&world.nodes[0]), [Refusal::HandshakeTimeout]);
}

#[test]
fn anything_before_the_greeting_bans() {
    assert_banned(&first_message(&Message::GetPeers), Offence::BeforeHello);
}

#[test]
fn a_second_greeting_bans() {
    banned_for(&Message::Hello(hello()), Offence::SecondHello);
}

#[test]
fn a_frame_that_is_no_message_bans() {
    let (mut world, mut puppet) = greeted();
    puppet.transport.send(&peer_id("node"), Priority::Bulk, vec![0x81, 0x00]).expect("connected");
    world.settle();
    assert_banned(&world, Offence::Malformed(CodecError::NotCanonical));
}

#[test]
fn what_the_engine_blames_on_a_peer_bans() {
    let (mut world, _puppet) = greeted();
    let actions = world.nodes[0].network.blame_engine(world.now, peer_id("puppet"), "signature");
    let now = world.now;
    world.nodes[0].perform(now, actions);
    assert_banned(&world, Offence::InvalidEngineMessage { rule: "signature" });
}

#[test]
fn an_invalid_transaction_bans() {
    banned_for(&batch(&[&transaction(Kind(2), "bad")]), Offence::InvalidTransaction { rule: "payload" });
}

#[test]
fn bytes_that_are_no_transaction_ban() {
    banned_for(
        &Message::Transactions(vec![EncodedTransaction(vec![1, 2, 3])]),
        Offence::Malformed(CodecError::Malformed),
    );
}

#[test]
fn what_follows_an_invalid_transaction_is_not_read() {
    let (mut world, mut puppet) = greeted();
    let bad = transaction(Kind(2), "bad");
    say(&mut world, &mut puppet, &batch(&[&bad, &transaction(Kind(2), "good"), &bad]));
    assert_banned(&world, Offence::InvalidTransaction { rule: "payload" });
    assert_eq!(world.nodes[0].chain.deliveries, 1);
}

#[test]
fn an_invalid_block_bans() {
    let mut block = block_on(BlockId(genesis().0), 7, vec![]);
    block.header.root = sha256(b"another");
    banned_for(&Message::Block(codec::encode(&block)), Offence::InvalidBlock { rule: "root" });
}

#[test]
fn bytes_that_are_no_block_ban() {
    banned_for(&Message::Block(vec![1]), Offence::InvalidBlock { rule: "header" });
}

#[test]
fn invalid_headers_ban() {
    let mut header = block_on(BlockId(genesis().0), 7, vec![]).header;
    header.version = 2;
    banned_for(&Message::Headers(vec![header]), Offence::InvalidHeaders { rule: "version" });
}

#[test]
fn headers_that_are_no_chain_ban() {
    let header = block_on(BlockId(genesis().0), 7, vec![]).header;
    banned_for(&Message::Headers(vec![header.clone(), header]), Offence::InvalidHeaders { rule: "headers-linked" });
}

#[test]
fn pongs_that_answer_nothing_add_up() {
    let (mut world, mut puppet) = greeted();
    for _ in 0..9 {
        say(&mut world, &mut puppet, &Message::Pong { nonce: 1 });
    }
    assert_eq!(offences(&world.nodes[0]), [(Offence::UnaskedPong, false); 9]);
    say(&mut world, &mut puppet, &Message::Pong { nonce: 1 });
    assert_eq!(world.nodes[0].network.bans().len(), 1);
}

#[test]
fn a_flood_is_dropped_and_then_banned() {
    let (mut world, mut puppet) = greeted();
    // One was spent on the greeting.
    for _ in 1..MAX_BURST_MESSAGES {
        say(&mut world, &mut puppet, &Message::GetPeers);
    }
    assert_eq!(offences(&world.nodes[0]), [], "within the budget");
    puppet.heard();
    say(&mut world, &mut puppet, &Message::Ping { nonce: 5 });
    assert_eq!(offences(&world.nodes[0]), [(Offence::OverBudget, false)]);
    assert_eq!(puppet.heard(), [], "dropped");
    for _ in 1..100 {
        say(&mut world, &mut puppet, &Message::GetPeers);
    }
    assert_eq!(world.nodes[0].network.bans().len(), 1);
}

#[test]
fn a_banned_peer_is_refused_until_its_ban_ends() {
    let (mut world, mut puppet) = greeted();
    say(&mut world, &mut puppet, &Message::Block(vec![1]));
    puppet.transport.dial(&address("node")).expect("an address of the hub");
    world.settle();
    assert_eq!(refusals(&world.nodes[0]), [Refusal::Banned]);
    assert!(!world.hub.is_connected(&peer_id("node"), &peer_id("puppet")));
    world.now = world.now.saturating_add(BAN_MILLIS);
    puppet.greet(&mut world, "node");
    assert_eq!(world.nodes[0].network.peers().len(), 1);
}

#[test]
fn valid_data_that_nobody_asked_for_is_taken() {
    let (mut world, mut puppet) = greeted();
    let transaction = transaction(Kind(2), "unasked");
    let block = block_on(BlockId(genesis().0), 7, vec![]);
    say(&mut world, &mut puppet, &batch(&[&transaction]));
    say(&mut world, &mut puppet, &Message::Block(codec::encode(&block)));
    say(&mut world, &mut puppet, &Message::Headers(vec![block.header.clone()]));
    say(&mut world, &mut puppet, &Message::AppResponse { id: 77, body: vec![] });
    assert_eq!(world.nodes[0].chain.accepted, [transaction.id()]);
    assert_eq!(world.nodes[0].chain.tip().0, block.id());
    assert_eq!(offences(&world.nodes[0]), []);
}

#[test]
fn known_and_ignored_never_score() {
    let (mut world, mut puppet) = greeted();
    let known = transaction(Kind(2), "known");
    world.nodes[0].chain.pool.insert(known.id(), codec::encode(&known));
    let orphan = block_on(BlockId(sha256(b"elsewhere")), 7, vec![]);
    say(&mut world, &mut puppet, &batch(&[&known, &known]));
    world.nodes[0].chain.is_full = true;
    say(&mut world, &mut puppet, &batch(&[&transaction(Kind(2), "no room")]));
    for _ in 0..200 {
        say(&mut world, &mut puppet, &Message::Block(codec::encode(&orphan)));
        say(&mut world, &mut puppet, &Message::Headers(vec![orphan.header.clone()]));
    }
    assert_eq!(offences(&world.nodes[0]), []);
    assert_eq!(world.nodes[0].network.peers().len(), 1);
}

#[test]
fn a_silent_peer_is_pinged_and_left() {
    let (mut world, mut puppet) = greeted();
    world.run(1_000);
    let ping = puppet.heard().into_iter().find_map(|message| match message {
        Message::Ping { nonce } => Some(nonce),
        _ => None,
    });
    say(&mut world, &mut puppet, &Message::Pong { nonce: ping.expect("a ping") });
    assert!(world.nodes[0].network.peers()[0].round_trip_millis.is_some());
    world.run(PING_INTERVAL_MILLIS + PING_TIMEOUT_MILLIS + 1_000);
    assert_eq!(refusals(&world.nodes[0]), [Refusal::PingTimeout]);
}

/// Answers pings, and nothing else.
fn keep_alive(puppet: &mut Puppet) {
    for message in puppet.heard() {
        if let Message::Ping { nonce } = message {
            puppet.send(&peer_id("node"), &Message::Pong { nonce });
        }
    }
}

#[test]
fn a_peer_that_withholds_what_it_announces_is_left_and_others_are_asked() {
    let (mut world, mut puppet) = greeted();
    let honest = world.add("honest", &["node"]);
    let blocks: Vec<_> = (0..10).map(|salt| world.nodes[honest].chain.mine(salt)).collect();
    let headers = blocks.iter().map(|block| block.header.clone()).collect();
    // Only the puppet is there to ask.
    say(&mut world, &mut puppet, &Message::Headers(headers));
    let asked = |message: &Message| matches!(message, Message::Request(items) if items.len() == 10);
    assert!(puppet.heard().iter().any(asked));
    world.run(2_000);
    assert_eq!(world.nodes[0].chain.height(), 0, "the blocks are under way from the puppet");
    for _ in 0..BLOCKS_TIMEOUT_MILLIS / 1_000 {
        world.run(1_000);
        keep_alive(&mut puppet);
    }
    assert_eq!(world.nodes[0].chain.height(), 10, "from the other one");
    assert_eq!(world.nodes[0].was_penalised(), []);
    let wait = u64::from(MAX_STALLS) * (BLOCKS_TIMEOUT_MILLIS + PAUSE_MILLIS);
    for _ in 0..wait / 1_000 {
        world.run(1_000);
        keep_alive(&mut puppet);
    }
    assert!(refusals(&world.nodes[0]).contains(&Refusal::Stalled), "its headers don't come either");
    assert_eq!(world.nodes[0].was_penalised(), [], "slow is not dishonest");
}

#[test]
fn a_slow_peer_that_is_the_only_one_is_kept() {
    let (mut world, mut puppet) = greeted();
    let elsewhere = {
        let mut chain = ToyChain::new();
        (0..2 * MAX_STALLS).map(|salt| chain.mine(salt)).collect::<Vec<_>>()
    };
    let headers = elsewhere.iter().map(|block| block.header.clone()).collect();
    say(&mut world, &mut puppet, &Message::Headers(headers));
    for block in &elsewhere {
        // Each takes nearly as long as a whole answer may.
        for _ in 0..BLOCKS_TIMEOUT_MILLIS / 1_000 - 5 {
            world.run(1_000);
            keep_alive(&mut puppet);
        }
        say(&mut world, &mut puppet, &Message::Block(codec::encode(block)));
        // The answer ends with it, and what was asked for behind it is answered now.
        let others = elsewhere.iter().map(|block| Item::Block(block.id())).collect();
        say(&mut world, &mut puppet, &Message::NotFound(others));
        say(&mut world, &mut puppet, &Message::Headers(vec![]));
    }
    assert_eq!(world.nodes[0].chain.height(), 2 * MAX_STALLS);
    assert_eq!((refusals(&world.nodes[0]), offences(&world.nodes[0])), (vec![], vec![]));
}

#[test]
fn what_an_answer_has_no_room_for_is_brought_by_the_next() {
    let mut world = World::new();
    let full = world.add("full", &[]);
    // Together they are too long for two answers.
    let payload = |number: usize| format!("{number:03}{}", "x".repeat(MAX_ANSWER_BYTES / 25));
    for number in 0..50 {
        let transaction = transaction(if number < 25 { common::REVOKE } else { Kind(2) }, &payload(number));
        world.nodes[full].chain.pool.insert(transaction.id(), codec::encode(&transaction));
    }
    let late = world.add("late", &["full"]);
    world.run(3_000);
    assert_eq!(world.nodes[late].chain.pool.len(), 50);
}

#[test]
fn a_withheld_block_keeps_no_other_from_being_announced() {
    let (mut world, mut puppet) = greeted();
    let neighbour = world.add("neighbour", &["node"]);
    world.run(2_000);
    let on_genesis = |salt| block_on(BlockId(genesis().0), salt, vec![]);
    // Its header is the best from then on, and its body never comes.
    say(&mut world, &mut puppet, &Message::Headers(vec![on_genesis(1).header]));
    world.run(2_000);
    let honest = on_genesis(2);
    say(&mut world, &mut puppet, &Message::Block(codec::encode(&honest)));
    assert_eq!(world.nodes[0].chain.tip().0, honest.id());
    assert_eq!(world.nodes[neighbour].chain.tip().0, honest.id());
}

#[test]
fn an_answer_costs_no_more_than_what_is_sent() {
    let (mut world, mut puppet) = greeted();
    let chain = &mut world.nodes[0].chain;
    let many: Vec<Transaction> =
        (0..30).map(|number| transaction(Kind(2), &format!("{number}{}", "x".repeat(45_000)))).collect();
    chain.pool.extend(many.iter().map(|transaction| (transaction.id(), codec::encode(transaction))));
    let mut wanted: Vec<Item> = many.iter().map(|transaction| Item::Transaction(transaction.id())).collect();
    chain.reads.set(0);
    wanted.extend(vec![wanted[0]; MAX_ITEMS - wanted.len()]);
    say(&mut world, &mut puppet, &Message::Request(wanted));
    let sent: usize = puppet
        .heard()
        .iter()
        .map(|message| if let Message::Transactions(sent) = message { sent.len() } else { 0 })
        .sum();
    assert!((10..30).contains(&sent), "the answer was full with {sent}");
    assert_eq!(world.nodes[0].chain.reads.get(), sent);
}

#[test]
fn what_a_peer_may_be_served_no_more_is_not_looked_up() {
    let (mut world, mut puppet) = greeted();
    let newest = Message::GetHeaders { locator: vec![BlockId(genesis().0)] };
    for _ in 0..MAX_SERVED_BURST_BYTES as usize / HEADERS_COST_BYTES {
        say(&mut world, &mut puppet, &newest);
    }
    puppet.heard();
    world.nodes[0].chain.reads.set(0);
    say(&mut world, &mut puppet, &Message::Request(vec![Item::Block(BlockId(genesis().0))]));
    assert!(matches!(puppet.heard()[..], [Message::NotFound(_)]));
    assert_eq!(world.nodes[0].chain.reads.get(), 0);
    world.run(1_000);
    say(&mut world, &mut puppet, &Message::Request(vec![Item::Block(BlockId(genesis().0))]));
    assert!(puppet.heard().iter().any(|message| matches!(message, Message::Block(_))));
}

#[test]
fn a_withheld_transaction_comes_from_somebody_else() {
    let (mut world, mut puppet) = greeted();
    let honest = world.add("honest", &["node"]);
    world.run(500);
    let transaction = transaction(Kind(2), "withheld");
    say(&mut world, &mut puppet, &Message::Announce(vec![Item::Transaction(transaction.id())]));
    let now = world.now;
    world.nodes[honest].submit(now, &transaction);
    world.run(1_000);
    assert_eq!(world.nodes[0].chain.accepted, [], "under way from the puppet");
    world.run(TRANSACTION_TIMEOUT_MILLIS);
    assert_eq!(world.nodes[0].chain.accepted, [transaction.id()]);
}

#[test]
fn a_forged_witness_bans_its_sender_and_spares_those_who_relay_the_true_one() {
    let mut world = World::new();
    world.add("node", &[]);
    world.add("honest", &["node"]);
    world.add("third", &["node", "honest"]);
    world.run(1_000);
    let mut puppet = Puppet::join(&world.hub, "puppet");
    for name in ["node", "honest", "third"] {
        puppet.greet(&mut world, name);
    }
    let good = transaction(Kind(2), "payment");
    let mut forged = good.clone();
    forged.witnesses = vec![Witness::new(["rubbish"])];
    assert_eq!(good.id(), forged.id(), "witnesses are not part of the id");
    // The forgery comes first, and the good one is announced by the puppet too, so it is requested from there.
    for name in ["node", "honest", "third"] {
        puppet.send(&peer_id(name), &Message::Announce(vec![Item::Transaction(good.id())]));
    }
    world.settle();
    let now = world.now;
    world.nodes[1].submit(now, &good);
    world.run(200);
    for name in ["node", "third"] {
        puppet.send(&peer_id(name), &batch(&[&forged]));
    }
    world.run(2_000);
    for (index, node) in world.nodes.iter().enumerate() {
        assert_eq!(node.chain.accepted, [good.id()], "node {index}");
        assert_eq!(node.network.peers().len() - usize::from(index == 1), 2, "the honest ones are still there");
    }
    assert_eq!(world.nodes[0].was_penalised(), [peer_id("puppet")]);
    assert_eq!(world.nodes[2].was_penalised(), [peer_id("puppet")]);
    assert_eq!(world.nodes[1].was_penalised(), [], "it was sent nothing false");
}

#[test]
fn a_body_that_does_not_fit_its_header_bans_its_sender_and_the_true_one_is_fetched() {
    let (mut world, mut puppet) = greeted();
    let honest = world.add("honest", &["node"]);
    let block = world.nodes[honest].chain.mine(1);
    say(&mut world, &mut puppet, &Message::Headers(vec![block.header.clone()]));
    world.run(1_000);
    let mut forged = block.clone();
    forged.body.0.push(transaction(Kind(2), "smuggled"));
    assert_eq!(forged.id(), block.id());
    say(&mut world, &mut puppet, &Message::Block(codec::encode(&forged)));
    assert_eq!(world.nodes[0].was_penalised(), [peer_id("puppet")]);
    world.run(1_000);
    assert_eq!(world.nodes[0].chain.tip().0, block.id());
    assert_eq!(world.nodes[0].network.peers().len(), 1);
}

#[test]
fn addresses_are_taken_only_if_asked_for_and_given_once_in_a_while() {
    let (mut world, mut puppet) = greeted();
    say(&mut world, &mut puppet, &Message::Peers(vec![address("evil-1"), address("evil-2")]));
    assert_eq!(world.nodes[0].network.addresses(), []);
    say(&mut world, &mut puppet, &Message::GetPeers);
    say(&mut world, &mut puppet, &Message::GetPeers);
    assert_eq!(puppet.heard(), [Message::Peers(vec![])]);
    world.now = world.now.saturating_add(SHARE_ADDRESSES_MILLIS);
    say(&mut world, &mut puppet, &Message::GetPeers);
    assert_eq!(puppet.heard(), [Message::Peers(vec![])]);
}

#[test]
fn an_answer_ends_at_its_limit_and_says_so() {
    let (mut world, mut puppet) = greeted();
    let large: Vec<Transaction> =
        (0..60).map(|n| transaction(Kind(2), &format!("{n}{}", "x".repeat(20_000)))).collect();
    for transaction in &large {
        world.nodes[0].chain.pool.insert(transaction.id(), codec::encode(transaction));
    }
    say(&mut world, &mut puppet, &Message::Request(large.iter().map(|t| Item::Transaction(t.id())).collect()));
    let (mut sent, mut missing) = (0, 0);
    for message in puppet.heard() {
        match message {
            Message::Transactions(batch) => sent += batch.len(),
            Message::NotFound(items) => missing += items.len(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sent + missing, 60);
    assert_eq!(sent, MAX_ANSWER_BYTES.div_ceil(codec::encode(&large[10]).len()));
}

#[test]
fn a_full_house_refuses_newcomers() {
    let mut world = World::new();
    world.add("node", &[]);
    let mut puppets: Vec<Puppet> = (0..=MAX_INBOUND_PEERS)
        .map(|number| {
            let mut puppet = Puppet::join(&world.hub, &format!("puppet-{number}"));
            puppet.transport.dial(&address("node")).expect("an address of the hub");
            puppet
        })
        .collect();
    world.settle();
    assert_eq!(refusals(&world.nodes[0]), [Refusal::Full]);
    let last = puppets.pop().expect("one more than fit").transport.local();
    assert!(!world.hub.is_connected(&peer_id("node"), &last));
}

#[test]
fn a_crowd_from_one_network_gives_way_to_somebody_from_elsewhere() {
    use health_chain_network::{Direction, Event, Network};
    let mut network = Network::new(settings("node", &[]));
    let mut chain = common::ToyChain::new();
    let now = health_chain_data::Millis(1);
    let mut connect = |name: &str, from: &str| {
        let event = Event::Connected { peer: peer_id(name), address: address(from), direction: Direction::Inbound };
        network.handle(now, event, &mut chain)
    };
    for number in 0..MAX_INBOUND_PEERS {
        connect(&format!("crowd-{number}"), &format!("81.2.{number}.1:5000"));
    }
    let refused = |actions: &[Action], reason: &Refusal| {
        actions
            .iter()
            .any(|action| matches!(action, Action::Report(Report::Refused { reason: found, .. }) if found == reason))
    };
    assert!(refused(&connect("one more of them", "81.2.99.1:5000"), &Refusal::Full));
    let actions = connect("somebody else", "99.9.9.9:5000");
    assert!(refused(&actions, &Refusal::GaveWay));
    assert!(
        actions.iter().any(|action| matches!(action, Action::Send { peer, .. } if *peer == peer_id("somebody else")))
    );
}
