//! ICMP echo: does a host answer, whatever its processes do?
//!
//! Told, it tells people a dead host from a dead process; it decides nothing. Where the system gives no ICMP socket
//! (neither the unprivileged kind nor a raw one), nothing is known.

use std::net::IpAddr;
use std::time::Duration;

use socket2::Type;
use surge_ping::{Client, Config, ICMP, PingIdentifier, PingSequence};

/// How long a host has for its answer.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// Whether the host of an endpoint answers; `None` when this cannot be found out.
pub(crate) async fn ping(endpoint: &str) -> Option<bool> {
    let address = tokio::net::lookup_host(endpoint).await.ok()?.next()?.ip();
    let client = client(address, Type::DGRAM).or_else(|| client(address, Type::RAW))?;
    let mut pinger = client.pinger(address, PingIdentifier(rand::random())).await;
    pinger.timeout(ANSWER_MAX);
    match pinger.ping(PingSequence(0), b"quorate").await {
        Ok(_) => Some(true),
        Err(surge_ping::SurgeError::Timeout { .. }) => Some(false),
        Err(_) => None,
    }
}

fn client(address: IpAddr, kind: Type) -> Option<Client> {
    let family = if address.is_ipv4() {
        ICMP::V4
    } else {
        ICMP::V6
    };
    Client::new(&Config::builder().kind(family).sock_type_hint(kind).build()).ok()
}
