//! A peer: is voted in, gossips, and helps to confirm deaths.
//!
//! ```text
//! cargo run --release --example peer 127.0.0.1 6001
//! ```
//!
//! Start seeds before or after it. Expect `REGISTER_REQUEST`, `Joined the network`, links, and from then on
//! `GOSSIP received (first time): '<timestamp>:<IP>:<Msg#>' from <sender>`, here and in `outputfile_peer_<port>.txt`.
//! It originates a message every 5 s, ten in all. Ctrl+C leaves the network.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use quorate_examples::{Log, StopSignals, exit, timestamp, trace_as_asked};
use quorate_node::{Event, Invitation, Node, SeedList};
use tokio::time::{MissedTickBehavior, interval};

/// A peer of a Quorate network.
#[derive(Parser)]
struct Args {
    /// The address to listen at.
    ip: IpAddr,
    /// The port to listen at.
    port: u16,
    /// The seed list.
    #[arg(long, default_value = "config.csv")]
    config: PathBuf,
    /// Where to keep the key; without it, each run is a new node.
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many messages to originate.
    #[arg(long, default_value_t = 10)]
    messages: u32,
    /// How many seconds lie between two of them.
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    every: f64,
    /// How others reach this peer, as host:port, if not where it listens; may be given up to four times.
    #[arg(long)]
    advertise: Vec<String>,
    /// An invitation to show to the seeds, as `seed --invite` prints it.
    #[arg(long, value_name = "TEXT")]
    invitation: Option<Invitation>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.001..=86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("expected 0.001 to 86400 seconds".to_owned())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    trace_as_asked();
    exit(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), String> {
    let seeds = SeedList::load(&args.config).map_err(|error| error.to_string())?;
    let mut builder =
        Node::peer(SocketAddr::new(args.ip, args.port), seeds).advertise(args.advertise);
    if let Some(data) = args.data {
        builder = builder.data(data);
    }
    if let Some(invitation) = &args.invitation {
        builder = builder.invitation(invitation);
    }
    let signals = StopSignals::watch()?;
    let node = builder.spawn().await.map_err(|error| error.to_string())?;
    let port = node.address().port();
    let mut log = Log::open(format!("outputfile_peer_{port}.txt"))?;
    log.line(format_args!(
        "Peer {} listens at {}",
        node.id(),
        node.address()
    ));
    let mut events = node.events();
    signals.leave(node.clone());

    let mut ticks = interval(Duration::from_secs_f64(args.every));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut is_member, mut sent) = (false, 0);
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else {
                    return Ok(());
                };
                match event {
                    Event::Joined { .. } => {
                        is_member = true;
                        ticks.reset();
                    }
                    Event::Evicted { .. } | Event::ShuttingDown => is_member = false,
                    _ => {}
                }
                log.line(event);
            }
            _ = ticks.tick(), if is_member && sent < args.messages => {
                sent += 1;
                let text = format!("{}:{}:{sent}", timestamp(), args.ip);
                match node.broadcast(text.clone()).await {
                    Ok(published) => {
                        log.line(format_args!("GOSSIP originated: '{text}' to {} neighbours", published.neighbors));
                    }
                    Err(error) => log.line(format_args!("GOSSIP not sent: '{text}': {error}")),
                }
            }
        }
    }
}
