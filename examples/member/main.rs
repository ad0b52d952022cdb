//! A peer of an open network: all are equal, and whoever wants to enter needs everybody's word.
//!
//! ```text
//! cargo run --release --example bootstrap
//! cargo run --release --example member         in as many other terminals as you like
//! ```
//!
//! Expect `My peer is running on 5000` and, at the first one at once, `Welcome to network`. For every next one, all who are
//! in see `Join request from peer 5001` and `Allow this peer? (y/n):`; when all have typed `y`, it sees `Welcome to
//! network`. Other lines are messages to all; `/help` tells the rest. Ctrl+C leaves.
//!
//! Without a bootstrap: `--found` for the first, `--join 127.0.0.1:5000` for the others. `--data DIR` lets a peer be
//! itself again after a restart. `--auto allow` answers for you. From something else than a terminal, answers may come
//! before they are asked for: `echo y | … --example member` allows the first that asks.

mod answer;
mod args;
mod console;
mod naming;
mod questions;
mod screen;
mod starting;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Instant;

use quorate_examples::{
    StopSignals, exit, hush_the_opening_of_stores, one_line_arguments, trace_as_asked, typing,
};
use quorate_node::{Node, RequestError};

use args::Args;
use console::{Command, Console};
use naming::Naming;
use screen::Screen;

/// How a peer that ran has ended.
enum End {
    Left,
    Refused,
    Failed(String),
}

#[tokio::main]
async fn main() -> ExitCode {
    trace_as_asked();
    hush_the_opening_of_stores();
    let args = match one_line_arguments() {
        Ok(args) => args,
        Err(code) => return code,
    };
    match run(&args).await {
        Ok(End::Left) => ExitCode::SUCCESS,
        Ok(End::Refused) => ExitCode::FAILURE,
        Ok(End::Failed(error)) | Err(error) => exit(Err(error)),
    }
}

async fn run(args: &Args) -> Result<End, String> {
    let signals = StopSignals::watch()?;
    let node = starting::start(args).await?;
    let address = node.address().to_string();
    let address = args.advertise.first().unwrap_or(&address);
    let naming = Naming::at(address);
    let mut screen = Screen::new();
    screen.line(&format!(
        "My peer is running on {}",
        naming.of_address(address)
    ));

    let is_terminal = io::stdin().is_terminal();
    let mut console = Console::new(node.id(), naming, is_terminal, args.verbose);
    let mut lines = typing::lines()?;
    let mut has_input = true;
    let mut events = node.events();
    signals.leave(node.clone());
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => console.handle_event(&event, Instant::now()),
                None => break,
            },
            line = lines.recv(), if has_input && console.wants_lines() => match line {
                Some(line) => {
                    if is_terminal {
                        screen.line_was_ended();
                    }
                    if line.is_cut {
                        console.tell("Not taken: the line is too long.");
                    } else {
                        console.handle_line(&line.text, line.at);
                    }
                }
                // Nobody types any more; the peer goes on.
                None => has_input = false,
            },
        }
        while let Some(command) = console.take_command() {
            if let Some(end) = carry_out(command, &node, &mut console, naming).await {
                screen.update(&console.take_lines(), None);
                node.leave().await;
                return Ok(end);
            }
        }
        screen.update(&console.take_lines(), console.question().cloned());
    }
    screen.line(if console.was_in() {
        "Left."
    } else {
        "Stopped."
    });
    Ok(End::Left)
}

async fn carry_out(
    command: Command,
    node: &Node,
    console: &mut Console,
    naming: Naming,
) -> Option<End> {
    match command {
        Command::Allow(question) => {
            let answered = node.allow(question.candidate).await;
            tell_failure(
                console,
                &format!("{} is not answered", question.name),
                answered,
            );
        }
        Command::Deny(question, reason) => {
            let answered = node.deny(question.candidate, reason).await;
            tell_failure(
                console,
                &format!("{} is not answered", question.name),
                answered,
            );
        }
        Command::Say(text) => {
            let sent = node.broadcast(text).await.map(|_| ());
            tell_failure(console, "Not sent", sent);
        }
        Command::Refound => tell_failure(console, "Not founded anew", node.refound().await),
        Command::Members => {
            let members = node.members().await;
            let first = |member: &quorate_node::MemberInfo| {
                member.endpoints.first().map(|at| naming.of_address(at))
            };
            let mut names: Vec<String> = members.iter().filter_map(first).collect();
            names.sort();
            console.tell(format!("{} members: {}", names.len(), names.join(", ")));
        }
        Command::Leave => {
            // Its events are told to the end meanwhile.
            let node = node.clone();
            tokio::spawn(async move { node.leave().await });
        }
        Command::Refused => return Some(End::Refused),
        Command::Fail(why) => return Some(End::Failed(why)),
    }
    None
}

fn tell_failure(console: &mut Console, what: &str, result: Result<(), RequestError>) {
    if let Err(error) = result {
        console.tell(format!("{what}: {error}"));
    }
}
