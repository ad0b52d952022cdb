//! Sockets: TLS with raw public keys, dialling, framed connections with bounded queues.

pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod ping;
pub(crate) mod tls;
