//! What the transport promises, shown over loopback.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::LazyLock,
    time::Duration,
};

use health_chain_data::SecretKey;
use health_chain_network::ports::{Address, Direction, Event, PeerId, Priority, Transport, TransportError};
use health_chain_network_quic::{
    QuicConfig, QuicError, QuicTransport,
    limits::{
        CONNECTION_WINDOW_BYTES, MAX_FRAME_BYTES, MAX_OUTBOUND_CONNECTIONS, MAX_QUEUED_BYTES, MIN_QUEUED_COST_BYTES,
        STREAM_ALLOWANCE_BYTES,
    },
    peer_id,
};

/// Far more than anything here takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn node_key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).expect("a small number is a secret key")
}

/// The ids of the nodes with seeds 1 to 3, made once.
fn id(seed: u8) -> PeerId {
    static IDS: LazyLock<[PeerId; 3]> = LazyLock::new(|| [1, 2, 3].map(|seed| peer_id(&node_key(seed).public_key())));
    IDS[usize::from(seed) - 1]
}

fn node_at(seed: u8, listen: SocketAddr) -> QuicTransport {
    QuicTransport::bind(QuicConfig { listen, node_key: node_key(seed) }).expect("a port is free")
}

fn node(seed: u8) -> QuicTransport {
    node_at(seed, LOOPBACK)
}

fn address(node: &QuicTransport) -> Address {
    Address(node.local_address().to_string())
}

fn next(node: &mut QuicTransport) -> Event {
    node.poll(PATIENCE).expect("an event within the patience")
}

fn next_frame(node: &mut QuicTransport, from: u8) -> Vec<u8> {
    match next(node) {
        Event::Received { peer, frame } if peer == id(from) => frame,
        other => panic!("instead of a frame of {from}: {}", short(&other)),
    }
}

/// An event without a frame's megabytes.
fn short(event: &Event) -> String {
    format!("{event:?}").chars().take(200).collect()
}

/// Lets `dialler` dial `acceptor` and takes the events of both.
fn connect(dialler: &mut QuicTransport, acceptor: &mut QuicTransport) {
    dialler.dial(&address(acceptor)).expect("the address is an address");
    let peer = acceptor.local();
    assert_eq!(next(dialler), Event::Connected { peer, address: address(acceptor), direction: Direction::Outbound });
    let peer = dialler.local();
    assert_eq!(next(acceptor), Event::Connected { peer, address: address(dialler), direction: Direction::Inbound });
}

/// Two seeds, the one whose node decides between duplicate connections first.
fn deciding_and_following() -> (u8, u8) {
    if id(1) < id(2) { (1, 2) } else { (2, 1) }
}

#[test]
fn frames_of_every_priority_and_length_travel_both_ways() {
    let (mut a, mut b) = (node(1), node(2));
    assert_eq!((a.local(), b.local()), (id(1), id(2)));
    connect(&mut a, &mut b);
    let longest: Vec<u8> = (0..MAX_FRAME_BYTES).map(|index| (index % 251) as u8).collect();
    for priority in [Priority::Revocation, Priority::Chain, Priority::Bulk] {
        for frame in [vec![], vec![7], vec![8; 40_000], vec![9; 70_000], longest.clone()] {
            a.send(&id(2), priority, frame.clone()).unwrap();
            assert!(next_frame(&mut b, 1) == frame, "{} bytes there", frame.len());
            b.send(&id(1), priority, frame.clone()).unwrap();
            assert!(next_frame(&mut a, 2) == frame, "{} bytes back", frame.len());
        }
    }
}

#[test]
fn many_frames_of_one_priority_keep_their_order() {
    const FRAMES: u32 = 20_000;
    let (mut a, mut b) = (node(1), node(2));
    connect(&mut a, &mut b);
    let mut received = 0;
    let mut take = |b: &mut QuicTransport| {
        let frame = next_frame(b, 1);
        assert_eq!(frame[..4], received_bytes(received));
        assert_eq!(frame.len(), frame_bytes(received));
        received += 1;
        received
    };
    for number in 0..FRAMES {
        let mut frame = received_bytes(number).to_vec();
        frame.resize(frame_bytes(number), 0);
        while let Err(error) = a.send(&id(2), Priority::Chain, frame.clone()) {
            assert_eq!(error, TransportError::QueueFull);
            take(&mut b);
        }
    }
    while take(&mut b) < FRAMES {}
    assert_eq!(b.poll(Duration::ZERO), None);

    fn received_bytes(number: u32) -> [u8; 4] {
        number.to_be_bytes()
    }

    /// Mostly short, now and then beyond what is gathered or counted as short.
    fn frame_bytes(number: u32) -> usize {
        match number {
            number if number % 1000 == 999 => 100_000,
            number if number % 100 == 99 => 35_000,
            number => 4 + (number % 300) as usize,
        }
    }
}

#[test]
fn a_peer_that_does_not_read_fills_its_own_queue_and_no_other() {
    let (mut a, mut sleeper, mut reader) = (node(1), node(2), node(3));
    connect(&mut a, &mut sleeper);
    connect(&mut a, &mut reader);
    let frame = vec![1; 10_000];
    let mut taken = 0;
    let error = loop {
        match a.send(&id(2), Priority::Bulk, frame.clone()) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, TransportError::QueueFull);
    let bound = MAX_QUEUED_BYTES + STREAM_ALLOWANCE_BYTES + CONNECTION_WINDOW_BYTES as usize + 64 * frame.len();
    assert!(taken * frame.len() <= bound, "{taken} frames were taken");
    // Another peer, and another priority of the same peer, go on.
    a.send(&id(3), Priority::Bulk, b"to the reader".to_vec()).unwrap();
    assert_eq!(next_frame(&mut reader, 1), b"to the reader");
    a.send(&id(2), Priority::Revocation, b"urgent".to_vec()).unwrap();
    // Nothing that was taken is lost.
    let mut bulk = 0;
    let mut urgent = 0;
    while bulk < taken || urgent == 0 {
        let arrived = next_frame(&mut sleeper, 1);
        if arrived == b"urgent" {
            urgent += 1;
        } else {
            assert!(arrived == frame);
            bulk += 1;
        }
    }
    assert_eq!((bulk, urgent), (taken, 1));
}

#[test]
fn a_revocation_overtakes_what_waits() {
    let (mut a, mut b) = (node(1), node(2));
    connect(&mut a, &mut b);
    let mut waiting = 0;
    while a.send(&id(2), Priority::Bulk, vec![0; 60_000]).is_ok() {
        waiting += 1;
    }
    a.send(&id(2), Priority::Revocation, b"withdrawn".to_vec()).unwrap();
    let ahead = (0..).find(|_| next_frame(&mut b, 1) == b"withdrawn").unwrap();
    // What is ahead is what had arrived, or was on its way, when it was sent.
    assert!(ahead * 4 < waiting * 3, "{ahead} of {waiting} frames came first");
}

#[test]
fn empty_frames_are_bounded_too() {
    let (mut a, mut b) = (node(1), node(2));
    connect(&mut a, &mut b);
    let taken = (0..).find(|_| a.send(&id(2), Priority::Bulk, vec![]) == Err(TransportError::QueueFull)).unwrap();
    assert!(taken >= MAX_QUEUED_BYTES / MIN_QUEUED_COST_BYTES);
    for _ in 0..taken {
        assert_eq!(next_frame(&mut b, 1), b"");
    }
}

#[test]
fn an_overlong_frame_is_refused_before_it_is_queued() {
    let (mut a, mut b) = (node(1), node(2));
    connect(&mut a, &mut b);
    let bytes = MAX_FRAME_BYTES + 1;
    assert_eq!(a.send(&id(2), Priority::Chain, vec![0; bytes]), Err(TransportError::FrameTooLong { bytes }));
    a.send(&id(2), Priority::Chain, vec![5]).unwrap();
    assert_eq!(next_frame(&mut b, 1), [5]);
}

#[test]
fn a_closed_connection_can_be_opened_again() {
    let (mut a, mut b) = (node(1), node(2));
    for _ in 0..3 {
        connect(&mut a, &mut b);
        a.send(&id(2), Priority::Chain, vec![1]).unwrap();
        assert_eq!(next_frame(&mut b, 1), [1]);
        b.close(&id(1));
        assert_eq!(b.send(&id(1), Priority::Chain, vec![2]), Err(TransportError::NotConnected));
        assert_eq!(next(&mut a), Event::Closed { peer: id(2) });
        assert_eq!(a.send(&id(2), Priority::Chain, vec![2]), Err(TransportError::NotConnected));
        // Closing what is closed does nothing.
        a.close(&id(2));
        // Who closes hears no more of the connection.
        assert_eq!((a.poll(Duration::ZERO), b.poll(Duration::ZERO)), (None, None));
    }
}

#[test]
fn frames_that_had_arrived_are_dropped_with_the_connection() {
    let (mut a, mut b) = (node(1), node(2));
    connect(&mut a, &mut b);
    a.send(&id(2), Priority::Chain, vec![1]).unwrap();
    a.send(&id(2), Priority::Chain, vec![2]).unwrap();
    assert_eq!(next_frame(&mut b, 1), [1]);
    b.close(&id(1));
    assert_eq!(next(&mut a), Event::Closed { peer: id(2) });
    connect(&mut a, &mut b);
}

#[test]
fn what_is_sent_goes_into_no_later_connection() {
    let (mut a, mut b) = (node(1), node(2));
    connect(&mut a, &mut b);
    drop(b);
    assert_eq!(next(&mut a), Event::Closed { peer: id(2) });
    let mut b = node(2);
    b.dial(&address(&a)).unwrap();
    assert!(matches!(next(&mut b), Event::Connected { .. }));
    // The new connection is there, but this side does not know of it yet.
    assert_eq!(a.send(&id(2), Priority::Chain, vec![1]), Err(TransportError::NotConnected));
    assert!(matches!(next(&mut a), Event::Connected { .. }));
    a.send(&id(2), Priority::Chain, vec![2]).unwrap();
    assert_eq!(next_frame(&mut b, 1), [2]);
}

#[test]
fn a_dropped_node_says_farewell_and_frees_its_port() {
    let (mut a, mut b) = (node(1), node(2));
    connect(&mut a, &mut b);
    let listen = b.local_address();
    drop(b);
    assert_eq!(next(&mut a), Event::Closed { peer: id(2) });
    let mut b = node_at(2, listen);
    connect(&mut a, &mut b);
}

#[test]
fn a_restarted_node_takes_the_place_of_its_former_self() {
    // Whichever side decides, and whichever side dials.
    let (deciding, following) = deciding_and_following();
    for (stays, restarts) in [(deciding, following), (following, deciding)] {
        let (mut a, mut former) = (node(stays), node(restarts));
        connect(&mut former, &mut a);
        // The former self still lives: to the other side it looks as if it had vanished without a word.
        let mut later = node(restarts);
        later.dial(&address(&a)).unwrap();
        assert_eq!(next(&mut a), Event::Closed { peer: id(restarts) });
        assert!(matches!(next(&mut a), Event::Connected { peer, .. } if peer == id(restarts)));
        assert!(matches!(next(&mut later), Event::Connected { peer, .. } if peer == id(stays)));
        a.send(&id(restarts), Priority::Chain, vec![3]).unwrap();
        assert_eq!(next_frame(&mut later, stays), [3]);
    }
}

#[test]
fn of_two_connections_both_sides_keep_the_same() {
    for round in 0..10 {
        let (mut a, mut b) = (node(1), node(2));
        // Both dial at once.
        a.dial(&address(&b)).unwrap();
        b.dial(&address(&a)).unwrap();
        let kept = [dial_outcomes(&mut a, 2), dial_outcomes(&mut b, 1)];
        match kept {
            [Direction::Outbound, Direction::Inbound] | [Direction::Inbound, Direction::Outbound] => {}
            other => panic!("round {round}: the sides keep different connections: {other:?}"),
        }
        // The one that is kept carries frames, and nothing else happens.
        a.send(&id(2), Priority::Chain, vec![round]).unwrap();
        assert_eq!(next_frame(&mut b, 1), [round]);
        b.send(&id(1), Priority::Chain, vec![round]).unwrap();
        assert_eq!(next_frame(&mut a, 2), [round]);
    }

    /// Takes the connection and, where this side's own dial was not the one kept, its failure.
    fn dial_outcomes(node: &mut QuicTransport, peer: u8) -> Direction {
        let mut kept = None;
        let mut failed = false;
        while kept.is_none() || (kept == Some(Direction::Inbound) && !failed) {
            match next(node) {
                Event::Connected { peer: connected, direction, .. } => {
                    assert_eq!(connected, id(peer));
                    assert_eq!(kept.replace(direction), None, "connected twice");
                }
                Event::DialFailed { .. } => failed = true,
                other => panic!("{}", short(&other)),
            }
        }
        kept.unwrap()
    }
}

#[test]
fn dialling_a_connected_peer_fails_and_keeps_the_connection() {
    let (mut a, mut b) = (node(1), node(2));
    connect(&mut a, &mut b);
    for _ in 0..2 {
        a.dial(&address(&b)).unwrap();
        assert_eq!(next(&mut a), Event::DialFailed { address: address(&b) });
        b.dial(&address(&a)).unwrap();
        assert_eq!(next(&mut b), Event::DialFailed { address: address(&a) });
    }
    a.send(&id(2), Priority::Bulk, vec![4]).unwrap();
    assert_eq!(next_frame(&mut b, 1), [4]);
}

#[test]
fn a_node_does_not_connect_to_itself() {
    let mut a = node(1);
    let own = address(&a);
    a.dial(&own).unwrap();
    assert_eq!(next(&mut a), Event::DialFailed { address: own });
    // Nor to another one with its key.
    let twin = node(1);
    a.dial(&address(&twin)).unwrap();
    assert_eq!(next(&mut a), Event::DialFailed { address: address(&twin) });
}

#[test]
fn addresses_at_which_no_node_can_be_are_refused_at_once() {
    let mut a = node(1);
    let long = format!("127.0.0.1:{}1", "0".repeat(300));
    for text in ["", "example.org:7070", "127.0.0.1", "127.0.0.1:0", "0.0.0.0:7070", "[::]:1", "224.0.0.1:1", &long] {
        assert_eq!(a.dial(&Address(text.into())), Err(TransportError::Address), "{text}");
    }
}

#[test]
fn dials_beyond_the_limit_fail() {
    let mut a = node(1);
    // Sockets that never answer.
    let silent: Vec<UdpSocket> = (0..=MAX_OUTBOUND_CONNECTIONS).map(|_| UdpSocket::bind(LOOPBACK).unwrap()).collect();
    let addresses: Vec<Address> =
        silent.iter().map(|socket| Address(socket.local_addr().unwrap().to_string())).collect();
    for address in &addresses {
        a.dial(address).unwrap();
    }
    assert_eq!(next(&mut a), Event::DialFailed { address: addresses.last().unwrap().clone() });
}

#[test]
fn a_taken_port_is_reported() {
    let a = node(1);
    let taken = QuicTransport::bind(QuicConfig { listen: a.local_address(), node_key: node_key(2) });
    assert!(matches!(taken.err(), Some(QuicError::Listen(_))));
}

#[test]
fn a_wake_up_ends_the_wait() {
    let mut a = node(1);
    let waker = a.waker();
    let thread = std::thread::spawn(move || waker());
    assert_eq!(a.poll(Duration::MAX), None);
    thread.join().unwrap();
}
