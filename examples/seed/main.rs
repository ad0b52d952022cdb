//! A seed: votes on who enters and who is thrown out.
//!
//! ```text
//! cargo run --release --example seed 127.0.0.1 5010
//! ```
//!
//! Start one per line of `config.csv`, in any order. Expect `Connected to seed …` for each other seed, and, when peers
//! come, `REGISTER_REQUEST`, `REGISTER_PROPOSAL`, `REGISTER_VOTE` and `REGISTER committed`, here and in
//! `outputfile_seed_<port>.txt`. Ctrl+C ends it; what it knows is kept under `--data`.
//!
//! It votes for everybody who can be reached, unless told otherwise: `--admit ask` asks at the prompt (type `help` there),
//! `--admit invited` wants an invitation, which `--invite` prints. A node that is in no line of the list asks for a seat with
//! `--join`, and gets it when `seat` was typed at every seed; `seeds`, `unseat` and `resign` are typed there, too, where a seed
//! was started with `--prompt`.

mod args;
mod prompt;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use quorate_examples::typing::{self, Line};
use quorate_examples::{
    Log, StopSignals, exit, hush_the_opening_of_stores, log_to_the_end, trace_as_asked,
};
use quorate_node::store::{Kind, Store};
use quorate_node::{
    AdmissionPolicy as _, Events, Identity, Node, RequestError, SeedLine, SeedList,
};

use args::Args;
use prompt::{Command, Prompt};

#[tokio::main]
async fn main() -> ExitCode {
    trace_as_asked();
    hush_the_opening_of_stores();
    exit(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), String> {
    let seeds = SeedList::load(&args.config).map_err(|error| error.to_string())?;
    let data = args.data();
    if args.init {
        return init(&args, &data, &seeds);
    }
    if args.invite {
        return invite(&args, &data, &seeds);
    }
    let policy = args.policy()?;
    let reads = policy.asks() || args.prompt;
    let mut signals = StopSignals::watch()?;
    let mut builder = Node::seed(args.listen(), seeds)
        .data(&data)
        .advertise(args.advertise.clone())
        .admission(policy);
    let mut log = Log::open(format!("outputfile_seed_{}.txt", args.port))?;
    if args.join {
        builder = builder.joins();
        log.line("Waiting for a seat: agree to it at every seed");
    }
    if let Some(file) = &args.recover {
        let list = SeedList::load(file).map_err(|error| error.to_string())?;
        builder = builder.recover(list);
    }
    let node = signals.or_stopped(builder.spawn()).await?;
    let node = node.map_err(|error| error.to_string())?;
    let info = node.electorate().await;
    let (count, quorum) = info.map_or((0, 0), |info| (info.seats.len(), info.quorum));
    log.line(format_args!(
        "Seed {} listens at {}; {quorum} of {count} seeds decide",
        node.id(),
        node.address()
    ));
    let events = node.events();
    signals.leave(node.clone());
    if reads {
        converse(node, events, &mut log).await
    } else {
        drop(node);
        log_to_the_end(events, &mut log).await;
        Ok(())
    }
}

/// Logs events, and does what the operator types, until the node has stopped.
async fn converse(node: Node, mut events: Events, log: &mut Log) -> Result<(), String> {
    let mut prompt = Prompt::default();
    let mut lines = typing::lines()?;
    let mut has_input = true;
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else {
                    return Ok(());
                };
                let line = prompt.handle_event(&event);
                log.line(event);
                line.into_iter().for_each(|line| log.line(line));
            }
            line = lines.recv(), if has_input => match line {
                Some(line) => carry_out(&line, &node, &mut prompt, log).await,
                // Nobody types any more; the seed goes on.
                None => has_input = false,
            },
        }
    }
}

async fn carry_out(line: &Line, node: &Node, prompt: &mut Prompt, log: &mut Log) {
    let info = node.electorate().await;
    // Who is called how may have changed since the last line.
    info.iter().for_each(|info| prompt.know_seats(info));
    prompt.know_members(&node.members().await);
    let command = match prompt.read(&line.text) {
        Ok(command) if !line.is_cut => command,
        Ok(_) => return log.line("Not taken: the line is too long"),
        Err(why) => return log.line(why),
    };
    let (who, done, word) = match command {
        Command::Nothing => return,
        Command::Pending => {
            let pending = node.pending().await;
            return prompt
                .list(&pending)
                .into_iter()
                .for_each(|line| log.line(line));
        }
        Command::Help => return prompt::HELP.iter().for_each(|line| log.line(line)),
        Command::Seeds => {
            let lines = info.as_ref().map(Prompt::show_seats);
            return lines.into_iter().flatten().for_each(|line| log.line(line));
        }
        Command::Config => {
            return match info.and_then(|info| info.seed_list()) {
                Some(list) => list.to_string().lines().for_each(|line| log.line(line)),
                None => log.line("Not all seeds have been met yet"),
            };
        }
        Command::Explain(who) => {
            let explanation = node.explain(who).await;
            let text = explanation.map(|explanation| explanation.to_string());
            let text = text.unwrap_or_default();
            return text.lines().for_each(|line| log.line(line));
        }
        Command::Seat(who) => return tell(node.seat(who).await, "Agreed", log),
        Command::Unseat(who) => return tell(node.unseat(who).await, "Wanted", log),
        Command::Resign => return tell(node.resign().await, "Given up", log),
        Command::Allow(who) => (who, node.allow(who).await, "Allowed"),
        Command::Deny(who, why) => (who, node.deny(who, why).await, "Denied"),
    };
    let name = prompt.answered(&who);
    match done {
        Ok(()) => log.line(format_args!("{word}: {name}")),
        Err(error) => log.line(format_args!("{name} is not answered: {error}")),
    }
}

fn tell(done: Result<(), RequestError>, word: &str, log: &mut Log) {
    match done {
        Ok(()) => log.line(word),
        Err(error) => log.line(format_args!("Not done: {error}")),
    }
}

/// Prints an invitation signed with this seed's key; beside it, whose that is.
fn invite(args: &Args, data: &Path, seeds: &SeedList) -> Result<(), String> {
    let identity = own_identity(data, seeds)?;
    let invitation = identity
        .invite(seeds.network(), args.guest, args.valid)
        .map_err(|error| error.to_string())?;
    let line = args.line();
    if seeds.position(&line).is_none() {
        eprintln!("warning: {line} is not in {}", args.config.display());
    }
    eprintln!(
        "signed by {0}; where no seed has this key, with --operator {0} it counts",
        identity.id()
    );
    println!("{invitation}");
    Ok(())
}

/// The key of this seed, made if there is none yet.
fn own_identity(data: &Path, seeds: &SeedList) -> Result<Identity, String> {
    let key = data.join("key");
    let (identity, is_new) = Identity::load_or_create(&key).map_err(|error| error.to_string())?;
    if is_new {
        // A key without a store is taken for one that lost its store, and abstains at first.
        let path = data.join("store.redb");
        let store = Store::open(&path, Kind::Seed(seeds.network()));
        store.map_err(|error| {
            if !path.exists() {
                // Left, it is still a key.
                let _removed = std::fs::remove_file(&key);
            }
            error.to_string()
        })?;
    }
    Ok(identity)
}

/// Pins this seed's identity in the seed list.
fn init(args: &Args, data: &Path, seeds: &SeedList) -> Result<(), String> {
    let address = args.line();
    let Some(position) = seeds.position(&address) else {
        return Err(format!("{address} is not in {}", args.config.display()));
    };
    if let Some(pinned) = seeds.lines()[position].pin {
        // No key is made for a seat that is another's.
        let key = data.join("key");
        let own = if key.exists() {
            Some(own_identity(data, seeds)?.id())
        } else {
            None
        };
        if own != Some(pinned) {
            let own = own.map_or("there is none".to_owned(), |own| {
                format!("that is the key of {own}")
            });
            return Err(format!(
                "{address} is pinned to {pinned} in {} already; expected its key in {}, but {own}: remove the pin to \
                 replace it",
                args.config.display(),
                key.display()
            ));
        }
    }
    let identity = own_identity(data, seeds)?;
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
