//! The program: its arguments, one run or many, and what is shown of them.

mod args;
mod one;
mod panics;
mod progress;
mod report;
mod swarm;
mod values;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Job};

/// A promise was broken.
const BROKEN: u8 = 1;

/// The arguments cannot be used, or a file cannot be written.
const UNUSABLE: u8 = 2;

/// Does what the command line asks for.
pub(crate) fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    panics::hush();
    let all_held = match args.job() {
        Ok(Job::One(one)) => one::run(one),
        Ok(Job::Swarm(swarm)) => swarm::run(&swarm),
        Err(error) => Err(error),
    };
    match all_held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// An argument that cannot be used is told on one line; the help is as long as it is.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.to_string();
        // The rest is the usage, which `--help` has.
        eprintln!("{}", text.lines().next().unwrap_or_default());
        ExitCode::from(UNUSABLE)
    } else {
        print!("{error}");
        ExitCode::SUCCESS
    }
}
