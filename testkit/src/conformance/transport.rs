//! The suite of [`Transport`].

use std::time::Duration;

use health_chain::network::{
    Address, Direction, Event, PeerId, Priority, Transport, TransportError,
    limits::{MAX_FRAME_BYTES, PEER_QUEUE_BYTES},
};

/// Only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

const PRIORITIES: [Priority; 3] = [Priority::Revocation, Priority::Chain, Priority::Bulk];

/// A node on the transport under test.
struct Node {
    transport: Box<dyn Transport>,
    address: Address,
}

impl Node {
    fn id(&self) -> PeerId {
        self.transport.local()
    }

    fn next(&mut self) -> Event {
        self.transport.poll(PATIENCE).expect("what has happened is reported")
    }

    fn next_frame(&mut self, from: PeerId) -> Vec<u8> {
        match self.next() {
            Event::Received { peer, frame } => {
                assert_eq!(peer, from, "a frame comes from the peer that sent it");
                frame
            }
            _ => panic!("nothing but a frame has happened"),
        }
    }

    fn send(&mut self, to: PeerId, priority: Priority, frame: Vec<u8>) {
        self.transport.send(&to, priority, frame).expect("a connected peer with an empty queue takes a frame");
    }

    /// Nothing is left to report. A wake-up keeps the transport from waiting for it.
    fn is_silent(&mut self) -> bool {
        self.transport.waker()();
        self.transport.poll(PATIENCE).is_none()
    }
}

/// Lets pairs of nodes connect, talk, fall silent and end. `join` makes the node with the given number, and says where the others reach
/// it; every node is made once, with a number and an id of its own.
///
/// # Panics
/// With the rule that the transport breaks.
pub fn transport(mut join: impl FnMut(u8) -> (Box<dyn Transport>, Address)) {
    let mut number = 0;
    let mut pair = || {
        number += 2;
        [number - 1, number].map(|number| {
            let (transport, address) = join(number);
            Node { transport, address }
        })
    };
    connects_and_names_both_sides(pair());
    delivers_whole_frames_in_order(pair());
    refuses_what_it_cannot_take(pair());
    holds_what_a_slow_peer_leaves_and_no_more(pair());
    keeps_one_connection_per_peer(pair());
    closes_for_good_and_opens_again(pair());
    ends_with_its_node(pair());
    ends_a_wait_when_woken(pair());
}

fn connect(dialler: &mut Node, acceptor: &mut Node) {
    dialler.transport.dial(&acceptor.address).expect("an address of this transport is dialled");
    let (peer, address) = (acceptor.id(), acceptor.address.clone());
    let expected = Event::Connected { peer, address, direction: Direction::Outbound };
    assert_eq!(dialler.next(), expected, "who dialled is told, with the address as it was dialled");
    match acceptor.next() {
        Event::Connected { peer, direction, .. } => {
            assert_eq!((peer, direction), (dialler.id(), Direction::Inbound), "who was dialled is told by whom");
        }
        other => panic!("who was dialled is told, before anything else: {other:?}"),
    }
}

fn connects_and_names_both_sides([mut a, mut b]: [Node; 2]) {
    assert_ne!(a.id(), b.id(), "nodes have ids of their own");
    assert!(a.is_silent(), "nothing happens by itself");
    connect(&mut a, &mut b);
    assert!(a.is_silent() && b.is_silent(), "a connection is reported once");
}

fn delivers_whole_frames_in_order([mut a, mut b]: [Node; 2]) {
    connect(&mut a, &mut b);
    let (a_id, b_id) = (a.id(), b.id());
    for priority in PRIORITIES {
        for bytes in [0, 1, 70_000, MAX_FRAME_BYTES] {
            let frame: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
            a.send(b_id, priority, frame.clone());
            assert!(b.next_frame(a_id) == frame, "a frame of {bytes} bytes arrives as it was sent");
            b.send(a_id, priority, frame.clone());
            assert!(a.next_frame(b_id) == frame, "a frame of {bytes} bytes arrives in the other direction");
        }
        for number in 0..200 {
            a.send(b_id, priority, vec![number; 1 + usize::from(number)]);
        }
        for number in 0..200 {
            let expected = vec![number; 1 + usize::from(number)];
            assert_eq!(b.next_frame(a_id), expected, "frames of one priority keep their order");
        }
    }
    assert!(a.is_silent() && b.is_silent(), "a frame arrives once");
}

fn refuses_what_it_cannot_take([mut a, mut b]: [Node; 2]) {
    let b_id = b.id();
    for priority in PRIORITIES {
        let refused = a.transport.send(&b_id, priority, vec![1]);
        assert_eq!(refused, Err(TransportError::NotConnected), "nothing is sent to a stranger");
    }
    a.transport.close(&b_id);
    connect(&mut a, &mut b);
    let bytes = MAX_FRAME_BYTES + 1;
    let refused = a.transport.send(&b_id, Priority::Chain, vec![0; bytes]);
    assert_eq!(refused, Err(TransportError::FrameTooLong { bytes }), "the limit of a frame holds");
    a.send(b_id, Priority::Chain, vec![2]);
    assert_eq!(b.next_frame(a.id()), [2], "a refusal does no harm to the connection");
}

fn holds_what_a_slow_peer_leaves_and_no_more([mut a, mut b]: [Node; 2]) {
    /// Far more than any transport may hold for one peer.
    const TOO_MUCH_BYTES: usize = 16 * PEER_QUEUE_BYTES;
    const FRAME_BYTES: usize = 50_000;
    connect(&mut a, &mut b);
    let b_id = b.id();
    let mut taken = 0;
    let refusal = loop {
        assert!(taken * FRAME_BYTES < TOO_MUCH_BYTES, "a peer that does not read is not waited for without end");
        match a.transport.send(&b_id, Priority::Bulk, vec![3; FRAME_BYTES]) {
            Ok(()) => taken += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal, TransportError::QueueFull, "a full queue is called so");
    assert!((taken + 1) * FRAME_BYTES > PEER_QUEUE_BYTES, "what the network counts on is held");
    for _ in 0..taken {
        assert_eq!(b.next_frame(a.id()).len(), FRAME_BYTES, "what was taken arrives");
    }
    a.send(b_id, Priority::Bulk, vec![4]);
    assert_eq!(b.next_frame(a.id()), [4], "a queue that has been emptied takes frames again");
}

fn keeps_one_connection_per_peer([mut a, mut b]: [Node; 2]) {
    connect(&mut a, &mut b);
    for (from, to) in [(0, 1), (1, 0), (0, 0)] {
        let address = [&a, &b][to].address.clone();
        let dialler = [&mut a, &mut b].into_iter().nth(from).expect("there are two");
        dialler.transport.dial(&address).expect("an address of this transport is dialled");
        let failed = Event::DialFailed { address };
        assert_eq!(dialler.next(), failed, "who is connected already, or oneself, is not connected to");
    }
    let (a_id, b_id) = (a.id(), b.id());
    a.send(b_id, Priority::Chain, vec![5]);
    assert_eq!(b.next_frame(a_id), [5], "the connection that was there stays");
    assert!(a.is_silent() && b.is_silent(), "and nothing else has happened");
}

fn closes_for_good_and_opens_again([mut a, mut b]: [Node; 2]) {
    let (a_id, b_id) = (a.id(), b.id());
    for _ in 0..3 {
        connect(&mut a, &mut b);
        a.send(b_id, Priority::Chain, vec![6]);
        b.send(a_id, Priority::Chain, vec![7]);
        assert_eq!(b.next_frame(a_id), [6], "frames travel before the connection is closed");
        a.transport.close(&b_id);
        let refused = a.transport.send(&b_id, Priority::Chain, vec![8]);
        assert_eq!(refused, Err(TransportError::NotConnected), "a closed connection takes nothing");
        assert_eq!(b.next(), Event::Closed { peer: a_id }, "the other side is told");
        let refused = b.transport.send(&a_id, Priority::Chain, vec![9]);
        assert_eq!(refused, Err(TransportError::NotConnected), "a connection that was closed there takes nothing");
        assert!(a.is_silent() && b.is_silent(), "who closes hears no more of the connection");
    }
}

fn ends_with_its_node([mut a, mut b]: [Node; 2]) {
    connect(&mut a, &mut b);
    let a_id = a.id();
    drop(a);
    assert_eq!(b.next(), Event::Closed { peer: a_id }, "a node that ends takes its connections with it");
}

fn ends_a_wait_when_woken([mut a, _]: [Node; 2]) {
    let waker = a.transport.waker();
    let thread = std::thread::spawn(move || waker());
    assert_eq!(a.transport.poll(Duration::MAX), None, "a wake-up ends a wait, however long it was meant to be");
    thread.join().expect("a waker does not panic");
}
