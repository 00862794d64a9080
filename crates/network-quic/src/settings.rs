//! How quinn is set up.

use std::sync::Arc;

use quinn::{
    ClientConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};

use crate::limits::{
    CONNECTION_WINDOW_BYTES, Deadlines, IDLE_SECONDS, KEEP_ALIVE_SECONDS, MAX_EARLY_BYTES, MAX_EARLY_TOTAL_BYTES,
    MAX_HANDSHAKES, STREAM_WINDOW_BYTES, STREAMS,
};

pub(crate) fn server(tls: rustls::ServerConfig, deadlines: Deadlines) -> ServerConfig {
    let tls = QuicServerConfig::try_from(tls).expect("the suite of QUIC's first packets is among the provider's");
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(Arc::new(transport(deadlines)))
        // A peer keeps the address that was reported; where its network changes, it dials again.
        .migration(false)
        .max_incoming(MAX_HANDSHAKES)
        .incoming_buffer_size(MAX_EARLY_BYTES)
        .incoming_buffer_size_total(MAX_EARLY_TOTAL_BYTES);
    config
}

pub(crate) fn client(tls: rustls::ClientConfig, deadlines: Deadlines) -> ClientConfig {
    let tls = QuicClientConfig::try_from(tls).expect("the suite of QUIC's first packets is among the provider's");
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport(deadlines)));
    config
}

fn transport(deadlines: Deadlines) -> TransportConfig {
    let idle = IdleTimeout::try_from(deadlines.idle).expect("an idle timeout is far below 2^62 milliseconds");
    let keep_alive = deadlines.idle * KEEP_ALIVE_SECONDS as u32 / IDLE_SECONDS as u32;
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(CONNECTION_WINDOW_BYTES.into())
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(keep_alive));
    config
}
