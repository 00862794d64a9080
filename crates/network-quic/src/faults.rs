//! Strangers that break the rules, each against a node that must lose nothing but their connection. They are made of this
//! crate's own parts, so that each breaks exactly one rule.

use std::{
    cell::RefCell,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use health_chain_data::SecretKey;
use health_chain_network::ports::{Address, Event, PeerId, Priority, Transport};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use quinn::{
    ApplicationClose, Connection, ConnectionError, Endpoint, EndpointConfig, SendStream, TokioRuntime, VarInt,
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    error::LinkError,
    handshake::{INSTANCE_BYTES, decides},
    identity::{Identity, peer_id},
    limits::{Deadlines, MAX_FRAME_BYTES, MAX_HANDSHAKES, MAX_HANDSHAKES_PER_HOST, MAX_INBOUND_CONNECTIONS},
    settings, tls,
    transport::{QuicConfig, QuicTransport},
};

const PATIENCE: Duration = Duration::from_secs(20);
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn identity(seed: u8) -> Identity {
    Identity::new(SecretKey::from_bytes(&[seed; 32]).unwrap())
}

fn id(seed: u8) -> PeerId {
    identity(seed).peer
}

fn node(seed: u8) -> QuicTransport {
    let node_key = SecretKey::from_bytes(&[seed; 32]).unwrap();
    QuicTransport::bind(QuicConfig { listen: LOOPBACK, node_key }).unwrap()
}

fn hurried_node(seed: u8, deadlines: Deadlines) -> QuicTransport {
    QuicTransport::bind_with(identity(seed), LOOPBACK, deadlines).unwrap()
}

fn next(node: &mut QuicTransport) -> Event {
    node.poll(PATIENCE).expect("an event within the patience")
}

/// A client with a mind of its own.
struct Stranger {
    runtime: Runtime,
    endpoint: Endpoint,
}

impl Stranger {
    /// `bend` may change what a proper node would be set up with.
    fn new(identity: Identity, bend: impl FnOnce(&mut rustls::ClientConfig)) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _context = runtime.enter();
        let socket = std::net::UdpSocket::bind(LOOPBACK).unwrap();
        let mut endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime)).unwrap();
        let mut config = tls::client(&Arc::new(identity));
        bend(&mut config);
        endpoint.set_default_client_config(settings::client(config, Deadlines::default()));
        drop(_context);
        Self { runtime, endpoint }
    }

    fn with_key(seed: u8) -> Self {
        Self::new(identity(seed), |_| {})
    }

    fn connect(&self, node: &QuicTransport) -> Result<Connection, ConnectionError> {
        self.runtime.block_on(async { self.endpoint.connect(node.local_address(), "node.invalid").unwrap().await })
    }

    /// Why the node has closed the connection, or refused it.
    fn fate(&self, connection: &Connection) -> ConnectionError {
        self.runtime.block_on(connection.closed())
    }

    /// Opens the streams of a proper node, and is greeted. Where the stranger's id is the smaller one, it also has to
    /// say that the connection is kept.
    fn greet(&self, node: &QuicTransport, connection: &Connection, own: PeerId) -> [SendStream; 3] {
        self.runtime.block_on(async {
            let mut streams = Vec::new();
            for number in 0..3 {
                let mut stream = connection.open_uni().await.unwrap();
                stream.write_all(&[number]).await.unwrap();
                streams.push(stream);
            }
            streams[0].write_all(&[7; INSTANCE_BYTES]).await.unwrap();
            if decides(&own, &node.local()) {
                streams[0].write_all(&[1]).await.unwrap();
            }
            streams.try_into().unwrap()
        })
    }

    /// Its packets do not move any more.
    fn freeze(self) {
        self.runtime.shutdown_background();
    }

    fn write(&self, stream: &mut SendStream, bytes: &[u8]) {
        self.runtime.block_on(stream.write_all(bytes)).unwrap();
    }
}

/// Whether the node has said why it closed the connection, and that it was for this reason.
fn closed_for(fate: &ConnectionError, reason: &LinkError) -> bool {
    matches!(fate, ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. }) if *error_code == reason.code())
}

/// Whether TLS has ended the handshake, with this alert (RFC 9001, section 4.8) where one is given.
fn refused_by_tls(fate: &ConnectionError, alert: Option<u8>) -> bool {
    let code = match fate {
        ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
        ConnectionError::TransportError(error) => u64::from(error.code),
        _ => return false,
    };
    code >> 8 == 1 && alert.is_none_or(|alert| code & 0xff == u64::from(alert))
}

/// Shows that the node still serves: a proper node connects and is heard, and nothing is left over.
fn still_serves(victim: &mut QuicTransport) {
    let mut friend = node(99);
    friend.dial(&Address(victim.local_address().to_string())).unwrap();
    assert!(matches!(next(&mut friend), Event::Connected { .. }));
    assert!(matches!(next(victim), Event::Connected { peer, .. } if peer == friend.local()));
    friend.send(&victim.local(), Priority::Chain, b"hello".to_vec()).unwrap();
    assert_eq!(next(victim), Event::Received { peer: friend.local(), frame: b"hello".to_vec() });
    drop(friend);
    assert_eq!(next(victim), Event::Closed { peer: id(99) });
}

#[test]
fn who_shows_a_key_that_is_not_his_is_refused() {
    let mut victim = node(1);
    let forged = Identity { public_key_info: identity(3).public_key_info, ..identity(2) };
    let stranger = Stranger::new(forged, |_| {});
    // His own handshake ends before the node has judged him.
    let connection = stranger.connect(&victim).unwrap();
    assert!(refused_by_tls(&stranger.fate(&connection), None));
    still_serves(&mut victim);
}

#[test]
fn a_server_that_shows_a_key_that_is_not_its_own_is_refused() {
    let mut forger = QuicTransport::bind_with(
        Identity { public_key_info: identity(3).public_key_info, ..identity(2) },
        LOOPBACK,
        Deadlines::default(),
    )
    .unwrap();
    let mut victim = node(1);
    let address = Address(forger.local_address().to_string());
    victim.dial(&address).unwrap();
    assert_eq!(next(&mut victim), Event::DialFailed { address });
    assert_eq!(forger.poll(Duration::ZERO), None);
}

#[test]
fn keys_that_are_none_are_refused() {
    let mut victim = node(1);
    let mut off_the_curve = identity(2).public_key_info;
    let x = off_the_curve.len() - 32;
    off_the_curve[x..].fill(0xff);
    for public_key_info in [vec![], vec![0x30], off_the_curve, identity(1).public_key_info] {
        let stranger = Stranger::new(Identity { public_key_info, ..identity(2) }, |_| {});
        let fate = match stranger.connect(&victim) {
            Ok(connection) => stranger.fate(&connection),
            Err(error) => error,
        };
        assert!(matches!(fate, ConnectionError::ConnectionClosed(_)), "{fate:?}");
    }
    still_serves(&mut victim);
}

#[test]
fn who_speaks_another_protocol_is_refused() {
    const NO_APPLICATION_PROTOCOL: u8 = 120;
    let mut victim = node(1);
    for protocols in [vec![b"health-chain/2".to_vec()], vec![b"h3".to_vec()], vec![]] {
        let stranger = Stranger::new(identity(2), |config| config.alpn_protocols = protocols.clone());
        let fate = stranger.connect(&victim).unwrap_err();
        assert!(refused_by_tls(&fate, Some(NO_APPLICATION_PROTOCOL)), "{protocols:?}: {fate:?}");
    }
    still_serves(&mut victim);
}

#[test]
fn who_shows_no_key_is_refused() {
    let mut victim = node(1);
    let stranger = Stranger::new(identity(2), |config| {
        config.client_auth_cert_resolver = Arc::new(NoKey);
    });
    let fate = match stranger.connect(&victim) {
        Ok(connection) => stranger.fate(&connection),
        Err(error) => error,
    };
    assert!(refused_by_tls(&fate, None), "{fate:?}");
    still_serves(&mut victim);

    #[derive(Debug)]
    struct NoKey;

    impl rustls::client::ResolvesClientCert for NoKey {
        fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }

        fn only_raw_public_keys(&self) -> bool {
            true
        }

        fn has_certs(&self) -> bool {
            false
        }
    }
}

#[test]
fn an_overlong_frame_ends_its_connection_only() {
    let mut victim = node(1);
    let mut friend = node(4);
    friend.dial(&Address(victim.local_address().to_string())).unwrap();
    assert!(matches!(next(&mut victim), Event::Connected { peer, .. } if peer == id(4)));
    let stranger = Stranger::with_key(2);
    let connection = stranger.connect(&victim).unwrap();
    let mut streams = stranger.greet(&victim, &connection, id(2));
    stranger.write(&mut streams[0], &[0, 0, 0, 1, 42]);
    assert!(matches!(next(&mut victim), Event::Connected { peer, .. } if peer == id(2)));
    assert_eq!(next(&mut victim), Event::Received { peer: id(2), frame: vec![42] });
    let bytes = MAX_FRAME_BYTES + 1;
    stranger.write(&mut streams[0], &(bytes as u32).to_be_bytes());
    assert!(closed_for(&stranger.fate(&connection), &LinkError::FrameTooLong { bytes }));
    assert_eq!(next(&mut victim), Event::Closed { peer: id(2) });
    victim.send(&id(4), Priority::Chain, vec![1]).unwrap();
    assert!(matches!(next(&mut friend), Event::Connected { .. }));
    assert_eq!(next(&mut friend), Event::Received { peer: id(1), frame: vec![1] });
}

#[test]
fn who_ends_a_stream_ends_his_connection() {
    let mut victim = node(1);
    let stranger = Stranger::with_key(2);
    for number in 0..3 {
        let connection = stranger.connect(&victim).unwrap();
        let mut streams = stranger.greet(&victim, &connection, id(2));
        assert!(matches!(next(&mut victim), Event::Connected { .. }));
        streams[number].finish().unwrap();
        assert!(closed_for(&stranger.fate(&connection), &LinkError::StreamEnded));
        assert_eq!(next(&mut victim), Event::Closed { peer: id(2) });
    }
    still_serves(&mut victim);
}

#[test]
fn who_opens_the_streams_in_another_order_is_refused() {
    let mut victim = node(1);
    let stranger = Stranger::with_key(2);
    let connection = stranger.connect(&victim).unwrap();
    stranger.runtime.block_on(async {
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(&[2]).await.unwrap();
    });
    assert!(closed_for(&stranger.fate(&connection), &LinkError::Preface { expected: 0, found: 2 }));
    still_serves(&mut victim);
}

#[test]
fn who_decides_must_say_so_in_the_words_agreed() {
    let follower = if id(1) < id(2) { 2 } else { 1 };
    let decider = 3 - follower;
    let mut victim = node(follower);
    let stranger = Stranger::with_key(decider);
    let connection = stranger.connect(&victim).unwrap();
    stranger.runtime.block_on(async {
        for number in 0..3 {
            let mut stream = connection.open_uni().await.unwrap();
            stream.write_all(&[number]).await.unwrap();
            if number == 0 {
                stream.write_all(&[7; INSTANCE_BYTES]).await.unwrap();
                stream.write_all(&[9]).await.unwrap();
            }
            // Kept open while the node looks at it.
            std::mem::forget(stream);
        }
    });
    assert!(closed_for(&stranger.fate(&connection), &LinkError::Verdict { found: 9 }));
    still_serves(&mut victim);
}

#[test]
fn who_says_nothing_after_the_handshake_is_dropped() {
    let deadlines = Deadlines { handshake: Duration::from_millis(200), ..Deadlines::default() };
    let mut victim = hurried_node(1, deadlines);
    let stranger = Stranger::with_key(2);
    let connection = stranger.connect(&victim).unwrap();
    assert!(closed_for(&stranger.fate(&connection), &LinkError::Deadline));
    assert_eq!(victim.poll(Duration::ZERO), None);
    still_serves(&mut victim);
}

#[test]
fn who_never_ends_a_frame_is_dropped() {
    let deadlines = Deadlines { frame: Duration::from_millis(200), ..Deadlines::default() };
    let mut victim = hurried_node(1, deadlines);
    let stranger = Stranger::with_key(2);
    for beginning in [&[0][..], &[0, 0, 1, 0, 5]] {
        let connection = stranger.connect(&victim).unwrap();
        let mut streams = stranger.greet(&victim, &connection, id(2));
        assert!(matches!(next(&mut victim), Event::Connected { .. }));
        stranger.write(&mut streams[0], beginning);
        assert!(closed_for(&stranger.fate(&connection), &LinkError::Deadline));
        assert_eq!(next(&mut victim), Event::Closed { peer: id(2) });
    }
}

#[test]
fn who_takes_no_more_packets_is_dropped() {
    let deadlines = Deadlines { idle: Duration::from_millis(200), ..Deadlines::default() };
    let mut victim = hurried_node(1, deadlines);
    let stranger = Stranger::with_key(2);
    let connection = stranger.connect(&victim).unwrap();
    let _streams = stranger.greet(&victim, &connection, id(2));
    assert!(matches!(next(&mut victim), Event::Connected { .. }));
    stranger.freeze();
    assert_eq!(next(&mut victim), Event::Closed { peer: id(2) });
    still_serves(&mut victim);
}

#[test]
fn a_pause_shorter_than_the_idle_timeout_is_bridged() {
    let deadlines = Deadlines { idle: Duration::from_millis(200), ..Deadlines::default() };
    let (mut a, mut b) = (hurried_node(1, deadlines), hurried_node(2, deadlines));
    a.dial(&Address(b.local_address().to_string())).unwrap();
    assert!(matches!(next(&mut a), Event::Connected { .. }));
    assert!(matches!(next(&mut b), Event::Connected { .. }));
    // Nothing is sent for several timeouts; the pings keep the connection.
    assert_eq!(a.poll(4 * deadlines.idle), None);
    a.send(&id(2), Priority::Chain, vec![1]).unwrap();
    assert_eq!(next(&mut b), Event::Received { peer: id(1), frame: vec![1] });
}

#[test]
fn a_node_takes_no_more_than_its_share_of_connections() {
    let mut victim = node(1);
    let strangers: Vec<_> = (0..=MAX_INBOUND_CONNECTIONS)
        .map(|number| {
            let seed = u8::try_from(number).unwrap() + 100;
            let stranger = Stranger::with_key(seed);
            let connection = stranger.connect(&victim).unwrap();
            let streams = stranger.greet(&victim, &connection, id(seed));
            if number < MAX_INBOUND_CONNECTIONS {
                assert!(matches!(next(&mut victim), Event::Connected { peer, .. } if peer == id(seed)));
            }
            (stranger, connection, streams)
        })
        .collect();
    let (stranger, connection, _) = strangers.last().unwrap();
    assert!(closed_for(&stranger.fate(connection), &LinkError::Full));
    // A slot is free again when the end of its connection has been polled.
    strangers[0].1.close(VarInt::from_u32(0), b"");
    assert_eq!(next(&mut victim), Event::Closed { peer: id(100) });
    still_serves(&mut victim);
}

#[test]
fn a_flood_of_first_packets_keeps_nobody_out() {
    let mut victim = node(1);
    // The runtime runs just long enough for a first packet to leave; what answers it is never read.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let strangers: Vec<_> = (0..4 * MAX_HANDSHAKES)
        .map(|_| {
            let socket = std::net::UdpSocket::bind(LOOPBACK).unwrap();
            let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime)).unwrap();
            let config = settings::client(tls::client(&Arc::new(identity(2))), Deadlines::default());
            let connecting = endpoint.connect_with(config, victim.local_address(), "node.invalid").unwrap();
            (endpoint, connecting)
        })
        .collect();
    runtime.block_on(tokio::task::yield_now());
    still_serves(&mut victim);
    drop(strangers);
}

/// Linux has a whole network of loopback addresses.
#[cfg(target_os = "linux")]
#[test]
fn a_host_that_begins_many_handshakes_keeps_no_other_out() {
    let mut victim = node(1);
    let stranger = Stranger::with_key(2);
    // Each shows its address and its key, and then says nothing more.
    let silent: Vec<_> = (0..4 * MAX_HANDSHAKES).filter_map(|_| stranger.connect(&victim).ok()).collect();
    assert!(silent.len() > MAX_HANDSHAKES_PER_HOST);
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], 0));
    let mut friend = QuicTransport::bind_with(identity(3), elsewhere, Deadlines::default()).unwrap();
    friend.dial(&Address(victim.local_address().to_string())).unwrap();
    assert!(matches!(next(&mut friend), Event::Connected { .. }));
    assert!(matches!(next(&mut victim), Event::Connected { peer, .. } if peer == id(3)));
}

#[test]
fn garbage_in_streams_ends_nothing_but_its_connection() {
    // Behind a proper greeting, or instead of it; then the streams end, so that every connection comes to its end.
    let script = proptest::collection::vec((0..3usize, proptest::collection::vec(any::<u8>(), 1..64)), 1..6);
    let codes = [LinkError::StreamEnded, LinkError::Verdict { found: 0 }, LinkError::FrameTooLong { bytes: 0 }];
    let codes = codes.map(|reason| reason.code());
    let stranger = Stranger::with_key(2);
    let victim = RefCell::new((node(1), false));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    runner
        .run(&(script, any::<bool>()), |(script, greeted)| {
            let (victim, connected) = &mut *victim.borrow_mut();
            let connection = stranger.connect(victim).unwrap();
            stranger.runtime.block_on(async {
                let mut streams = Vec::new();
                for number in 0..3u8 {
                    let mut stream = connection.open_uni().await.unwrap();
                    if greeted {
                        let instance = if number == 0 { [1; INSTANCE_BYTES].as_slice() } else { &[] };
                        let _ = stream.write_all(&[&[number], instance].concat()).await;
                    }
                    streams.push(stream);
                }
                for (number, bytes) in &script {
                    let _ = streams[*number].write_all(bytes).await;
                }
                for stream in &mut streams {
                    let _ = stream.finish();
                }
            });
            match stranger.fate(&connection) {
                ConnectionError::ApplicationClosed(close) => prop_assert!(codes.contains(&close.error_code)),
                other => prop_assert!(false, "{other:?}"),
            }
            while let Some(event) = victim.poll(Duration::ZERO) {
                follow(connected, &event);
            }
            Ok(())
        })
        .unwrap();
    let (mut victim, mut connected) = victim.into_inner();
    while connected {
        follow(&mut connected, &next(&mut victim));
    }
    still_serves(&mut victim);

    /// A peer's events in their only order: connected, frames, closed.
    fn follow(connected: &mut bool, event: &Event) {
        let (before, after) = match event {
            Event::Connected { .. } => (false, true),
            Event::Received { .. } => (true, true),
            Event::Closed { .. } => (true, false),
            other => panic!("{other:?}"),
        };
        assert_eq!(*connected, before, "{event:?}");
        *connected = after;
    }
}

#[test]
fn garbage_in_datagrams_is_ignored() {
    let mut victim = node(1);
    let socket = std::net::UdpSocket::bind(LOOPBACK).unwrap();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    runner
        .run(&proptest::collection::vec(any::<u8>(), 0..1400), |mut datagram| {
            socket.send_to(&datagram, victim.local_address()).unwrap();
            // The same again, with the head of a first packet of QUIC version 1.
            for (byte, head) in datagram.iter_mut().zip([0xc3, 0, 0, 0, 1, 8]) {
                *byte = head;
            }
            socket.send_to(&datagram, victim.local_address()).unwrap();
            Ok(())
        })
        .unwrap();
    still_serves(&mut victim);
}

#[test]
fn the_node_key_is_not_printed() {
    let config = QuicConfig { listen: LOOPBACK, node_key: SecretKey::from_bytes(&[0xab; 32]).unwrap() };
    assert!(!format!("{config:?}").contains("abab"));
    assert_eq!(format!("{:?}", identity(1)), format!("Identity(of {})", peer_id(&identity(1).secret.public_key())));
}
