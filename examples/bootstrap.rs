//! A bootstrap of an open network: tells who is there, and has no vote.
//!
//! ```text
//! cargo run --release --example bootstrap
//! ```
//!
//! Expect `The bootstrap listens at 127.0.0.1:4999`, a `REGISTER` for each peer that comes, and a line when one is gone.
//! It keeps nothing: when it is killed the peers go on without it, and find it again when it is started again. Ctrl+C
//! ends it.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use quorate_examples::{StopSignals, exit, one_line_arguments, trace_as_asked, visible};
use quorate_node::{Event, Node};

/// A bootstrap of an open network.
#[derive(Parser)]
struct Args {
    /// The address to listen at.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4999")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    trace_as_asked();
    match one_line_arguments() {
        Ok(args) => exit(run(args).await),
        Err(code) => code,
    }
}

async fn run(args: Args) -> Result<(), String> {
    let signals = StopSignals::watch()?;
    let node = Node::bootstrap(args.listen);
    let node = node.spawn().await.map_err(|error| error.to_string())?;
    println!("The bootstrap listens at {}", node.address());
    let mut events = node.events();
    signals.leave(node);
    while let Some(event) = events.next().await {
        // Refused connections are whoever tried something else here; they are not what it is watched for.
        if matches!(
            event,
            Event::Registered { .. } | Event::LeaseEnded { .. } | Event::ShuttingDown
        ) {
            println!("{}", visible(&event.to_string()));
        }
    }
    Ok(())
}
