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
        // What comes after the first empty line is the usage, which `--help` has.
        let lines = text.lines().map(str::trim);
        let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        eprintln!("{}", lines.join(" "));
        ExitCode::from(UNUSABLE)
    } else {
        print!("{error}");
        ExitCode::SUCCESS
    }
}
