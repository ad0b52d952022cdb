//! Where a peer listens: where it is told to, where it was before, or at the first free port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;

use quorate_node::{Node, StartError};

use crate::args::Args;

/// The ports that are tried one after the other.
const PORTS: RangeInclusive<u16> = 5000..=5999;

/// Starts the peer.
pub(crate) async fn start(args: &Args) -> Result<Node, String> {
    let listener = match args.listen {
        Some(address) => listen(address),
        None => first_free(),
    }?;
    match spawn(args, listener).await {
        // Its members know it elsewhere, and where was not said this time.
        Err(StartError::Moved { expected, .. }) if args.listen.is_none() => {
            let moved = StartError::Moved {
                expected: expected.clone(),
                got: vec!["another address".to_owned()],
            };
            let known = expected.iter().find_map(|address| address.parse().ok());
            let listener = listen(known.ok_or_else(|| moved.to_string())?)?;
            spawn(args, listener).await
        }
        other => other,
    }
    .map_err(|error| error.to_string())
}

async fn spawn(args: &Args, listener: TcpListener) -> Result<Node, StartError> {
    let address = listener.local_addr().map_err(|source| StartError::Listen {
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        source,
    })?;
    let mut builder = Node::member(address, args.discovery())
        .listener(listener)
        .admission(args.admission())
        .options(args.options())
        .advertise(&args.advertise);
    if let Some(data) = &args.data {
        builder = builder.data(data);
    }
    builder.spawn().await
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))
}

fn first_free() -> Result<TcpListener, String> {
    for port in PORTS {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(format!("cannot listen on {address}: {error}")),
            Ok(listener) => return Ok(listener),
        }
    }
    let (first, last) = (PORTS.start(), PORTS.end());
    Err(format!(
        "no port from {first} to {last} is free; choose another with --listen"
    ))
}
