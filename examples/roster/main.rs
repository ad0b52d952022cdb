//! What a seed or a member of an open network keeps on disk, read while it does not run. Changes nothing.
//!
//! ```text
//! cargo run --release --example roster -- --store data/seed-5010 list
//! cargo run --release --example roster -- --store data/seed-5010 explain 3f9a
//! cargo run --release --example roster -- --store data/seed-5010 verify
//! cargo run --release --example roster -- --store data/seed-5010 export --out roster.json
//! ```
//!
//! Expect a line for each standing; why a node is in or out, with who signed; whether every proof holds; all of it as JSON.
//! It exits with 0, with 1 when `verify` found something that does not hold, with 2 when it could not look.

mod exporting;
mod open;
mod seeded;
mod view;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use quorate_examples::{hush_the_opening_of_stores, one_line_arguments};

use view::{Said, View};

/// What a node of a Quorate network keeps on disk, read while it does not run.
#[derive(Parser)]
struct Args {
    /// The store, or the data directory it is in.
    #[arg(long)]
    store: PathBuf,
    /// The seed list, if the seed whose store it is has not met every other seed.
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Who is in and who is out, a line each.
    List,
    /// Why a node is in or out.
    Explain {
        /// Its id, or as much of its beginning as no other has.
        node: String,
    },
    /// Whether every proof holds; what is wrong with those that do not.
    Verify,
    /// All of it as JSON.
    Export {
        /// Where to write it, in place of the console.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    hush_the_opening_of_stores();
    let args: Args = match one_line_arguments() {
        Ok(args) => args,
        Err(code) => return code,
    };
    match run(&args) {
        Ok(Said { text, is_good }) => {
            let told = tell(&text);
            match (told, is_good) {
                (Err(error), _) => fail(&format!("cannot write: {error}")),
                (Ok(()), true) => ExitCode::SUCCESS,
                (Ok(()), false) => ExitCode::FAILURE,
            }
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    // Whoever closed this too does not want to know.
    let _told = writeln!(io::stderr(), "error: {}", quorate_examples::visible(error));
    ExitCode::from(2)
}

fn run(args: &Args) -> Result<Said, String> {
    let store = if args.store.is_dir() {
        args.store.join("store.redb")
    } else {
        args.store.clone()
    };
    let view = View::load(&store, args.config.as_deref())?;
    match &args.command {
        Command::List => Ok(Said::good(view.list())),
        Command::Explain { node } => view.explain(view.find(node)?),
        Command::Verify => Ok(view.verify()),
        Command::Export { out: None } => view.export().map(Said::good),
        Command::Export { out: Some(out) } => {
            let json = view.export()?;
            write(out, &store, &json)?;
            Ok(Said::good(String::new()))
        }
    }
}

/// Writes a file, but not over the store.
fn write(out: &Path, store: &Path, json: &str) -> Result<(), String> {
    let is_store = matches!(
        (out.canonicalize(), store.canonicalize()),
        (Ok(out), Ok(store)) if out == store
    );
    if is_store {
        return Err(format!("{} is the store itself", out.display()));
    }
    std::fs::write(out, json).map_err(|error| format!("cannot write {}: {error}", out.display()))
}

/// Writes to the console. One that was closed, by `head` say, has had enough.
fn tell(text: &str) -> io::Result<()> {
    let mut console = io::stdout().lock();
    let told = console
        .write_all(text.as_bytes())
        .and_then(|()| console.flush());
    match told {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        told => told,
    }
}
