//! Actions in words, for those who read a counter-example.

use quorate_consensus::{Choice, Vote};

use crate::cast::{Sealed, name, who};
use crate::model::{Action, State, Whole};
use crate::node::{Input, Turn};
use crate::wire::Content;

/// One line per action.
pub(crate) fn tell(whole: &Whole, path: Vec<(State, Option<Action>)>) -> String {
    let mut lines = Vec::new();
    for (state, action) in path {
        let Some(action) = action else { continue };
        let (at, input, is_cut) = match action {
            Action::Do { who, input } => (who, input, false),
            Action::Cut { who, input, .. } => (who, input, true),
        };
        let turn = whole.turn(&state, action);
        let cut = if is_cut {
            ", but crashes between two writes and restarts"
        } else {
            ""
        };
        let line = format!(
            "{} {}{cut}{}",
            name(at),
            deed(whole, input),
            effect(whole, &state, at, turn)
        );
        lines.push(format!("  {:2}. {line}", lines.len() + 1));
    }
    lines.join("\n")
}

fn question(whole: &Whole, which: usize) -> String {
    format!("\"{}\"", whole.turning.cast.questions[which])
}

fn deed(whole: &Whole, input: Input) -> String {
    match input {
        Input::Bring(which) => format!("brings {}", question(whole, which)),
        Input::Judge(which, choice) => format!("judges {choice} to {}", question(whole, which)),
        Input::Write => "finishes a write".to_owned(),
        Input::Tick => "waits".to_owned(),
        Input::Expire => "waits until the deadline of all that is open".to_owned(),
        Input::Restart => "crashes and restarts".to_owned(),
        Input::Take(envelope) => format!("hears {}", say(whole, &envelope.content)),
    }
}

/// What the turn sends, once each, commits, and queues for the disk.
fn effect(whole: &Whole, state: &State, at: usize, turn: &Turn) -> String {
    let mut said: Vec<String> = Vec::new();
    for envelope in &turn.sent {
        let one = say(whole, &envelope.content);
        if !said.contains(&one) {
            said.push(one);
        }
    }
    let mut text = String::new();
    if !said.is_empty() {
        text = format!("; says {}", said.join("; "));
    }
    let (before, after) = (state.nodes[at].value(), turn.node.value());
    for (node, key) in &after.now.past.committed {
        if before.now.past.committed.get(node) != Some(key) {
            let (what, life) = (key.standing, key.incarnation);
            text += &format!("; COMMITS {} {what:?} in life {life}", name(who(node)));
        }
    }
    if !after.now.waiting.is_empty() {
        text += &format!("; {} writes wait", after.now.waiting.len());
    }
    if let Some(fault) = &after.now.past.fault {
        text += &format!(" ({fault})");
    }
    text
}

fn say(whole: &Whole, content: &Content) -> String {
    match content {
        Content::Proposal(which) => format!("the proposal of {}", question(whole, *which)),
        Content::Vote(vote) => voted(whole, vote),
        Content::Proof(_, sealed) => format!("a certificate {}", sealed_by(whole, sealed)),
        Content::Forged(_) => "a forged certificate".to_owned(),
    }
}

fn voted(whole: &Whole, vote: &Vote) -> String {
    let which = whole.turning.cast.which(&vote.proposal);
    let choice = match vote.choice {
        Choice::Yes => "YES",
        Choice::No => "NO",
    };
    let voter = name(who(&vote.voter));
    format!("{voter}'s {choice} to {}", question(whole, which))
}

fn sealed_by(whole: &Whole, sealed: &Sealed) -> String {
    let which = sealed.which.map(|which| question(whole, which));
    let signers = (0..3).filter(|who| sealed.signers >> who & 1 == 1);
    let signers: Vec<_> = signers.map(name).collect();
    let what = which.unwrap_or_else(|| "of before".to_owned());
    format!("{what} by {}", signers.join(", "))
}
