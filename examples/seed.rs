//! A seed: votes on who enters and who is thrown out.
//!
//! ```text
//! cargo run --release --example seed 127.0.0.1 5010
//! ```
//!
//! Start one per line of `config.csv`, in any order. Expect `Connected to seed …` for each other seed, and, when peers
//! come, `REGISTER_REQUEST`, `REGISTER_PROPOSAL`, `REGISTER_VOTE` and `REGISTER committed`, here and in
//! `outputfile_seed_<port>.txt`. Ctrl+C ends it; what it knows is kept under `--data`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use quorate_examples::{
    Log, StopSignals, exit, hush_the_opening_of_stores, log_to_the_end, trace_as_asked,
};
use quorate_node::store::{Kind, Store};
use quorate_node::{Identity, Node, SeedLine, SeedList};

/// A seed of a Quorate network.
#[derive(Parser)]
struct Args {
    /// The address to listen at, as in the seed list.
    ip: IpAddr,
    /// The port to listen at, as in the seed list.
    port: u16,
    /// The seed list.
    #[arg(long, default_value = "config.csv")]
    config: PathBuf,
    /// Where to keep the key and the store [default: data/seed-<port>].
    #[arg(long)]
    data: Option<PathBuf>,
    /// How the seed list names this seed, as host:port, if not by the address it listens at.
    #[arg(long)]
    advertise: Option<String>,
    /// Write this seed's identity into the seed list, so that nobody has to trust a first contact, and exit.
    #[arg(long)]
    init: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    trace_as_asked();
    hush_the_opening_of_stores();
    exit(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), String> {
    let seeds = SeedList::load(&args.config).map_err(|error| error.to_string())?;
    let data = args
        .data
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("data/seed-{}", args.port)));
    let listen = SocketAddr::new(args.ip, args.port);
    if args.init {
        return init(&args, listen, &data, &seeds);
    }
    let signals = StopSignals::watch()?;
    let node = Node::seed(listen, seeds.clone())
        .data(&data)
        .advertise(args.advertise.clone())
        .spawn()
        .await
        .map_err(|error| error.to_string())?;
    let mut log = Log::open(format!("outputfile_seed_{}.txt", args.port))?;
    let count = seeds.lines().len();
    log.line(format_args!(
        "Seed {} listens at {}; {} of {count} seeds decide",
        node.id(),
        node.address(),
        count / 2 + 1
    ));
    let events = node.events();
    signals.leave(node);
    log_to_the_end(events, &mut log).await;
    Ok(())
}

/// Pins this seed's identity in the seed list.
fn init(
    args: &Args,
    listen: SocketAddr,
    data: &std::path::Path,
    seeds: &SeedList,
) -> Result<(), String> {
    let address = args.advertise.clone().unwrap_or_else(|| listen.to_string());
    if seeds.position(&address).is_none() {
        return Err(format!("{address} is not in {}", args.config.display()));
    }
    let (identity, is_new) =
        Identity::load_or_create(data.join("key")).map_err(|error| error.to_string())?;
    if is_new {
        // A key without a store is taken for one that lost its store, and abstains at first.
        Store::open(&data.join("store.redb"), Kind::Seed(seeds.network()))
            .map_err(|error| error.to_string())?;
    }
    let text = std::fs::read_to_string(&args.config)
        .map_err(|error| format!("cannot read {}: {error}", args.config.display()))?;
    // Only this seed's line changes; comments and order stay.
    let pinned = text.lines().map(|line| match SeedList::parse(line) {
        Ok(list) if list.position(&address) == Some(0) => {
            let line = SeedLine {
                address: address.clone(),
                pin: Some(identity.id()),
            };
            SeedList::new([line]).map_or_else(|_| String::new(), |list| list.to_string())
        }
        _ => format!("{line}\n"),
    });
    let pinned: String = pinned.collect();
    let fresh = args
        .config
        .with_extension(format!("csv.{}", std::process::id()));
    std::fs::write(&fresh, pinned)
        .and_then(|()| std::fs::rename(&fresh, &args.config))
        .map_err(|error| format!("cannot write {}: {error}", args.config.display()))?;
    println!(
        "{address} is {}, pinned in {}",
        identity.id(),
        args.config.display()
    );
    Ok(())
}
