//! Actions in words, for those who read a counter-example.

use quorate_consensus::succession::{Ballot, Change, Message, Promise, Statement};

use crate::cast::{name, who};
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
            ", but crashes midway and restarts"
        } else {
            ""
        };
        let line = format!("{} {}{cut}{}", name(at), deed(input), effect(turn));
        lines.push(format!("  {:2}. {line}", lines.len() + 1));
    }
    lines.join("\n")
}

fn deed(input: Input) -> String {
    match input {
        Input::Lead => "leads".to_owned(),
        Input::Restart => "crashes and restarts".to_owned(),
        Input::Meet => "meets everybody".to_owned(),
        Input::Take(envelope) => match &envelope.content {
            Content::Candidate(record) => format!("meets candidate {}", name(who(&record.node))),
            Content::Chain(chain) => {
                format!(
                    "takes the chain that ends: {}",
                    change(&chain.last().change)
                )
            }
            Content::Message { from, message } => {
                format!("hears from {}: {}", name(*from), say(message))
            }
        },
    }
}

/// What the turn sends, once each, and decides.
fn effect(turn: &Turn) -> String {
    let mut said: Vec<String> = Vec::new();
    for envelope in &turn.sent {
        let Content::Message { message, .. } = &envelope.content else {
            continue;
        };
        let one = say(message);
        if !said.contains(&one) {
            said.push(one);
        }
    }
    let mut text = String::new();
    if !said.is_empty() {
        text = format!("; says {}", said.join("; "));
    }
    for (epoch, head) in &turn.decided {
        text += &format!("; DECIDES epoch {epoch}: head {}", &head.to_string()[..8]);
    }
    if let Some(fault) = &turn.fault {
        text += &format!(" ({fault})");
    }
    text
}

fn say(message: &Message) -> String {
    let statement = match message {
        Message::Opinion(_) => return "an opinion".to_owned(),
        Message::At { statement, .. } => statement,
    };
    match statement {
        Statement::Accuse(accusation) => format!("ACCUSE {}", name(who(&accusation.suspect))),
        Statement::Leave(_) => "LEAVE".to_owned(),
        Statement::InTouch(_) => "IN TOUCH".to_owned(),
        Statement::Prepare(one) => format!("PREPARE {}", ballot(one)),
        Statement::Lost(loss) => format!("LOST {}", ballot(&loss.ballot)),
        Statement::Promise {
            promise, change, ..
        } => promised(promise, change.as_deref()),
        Statement::Refused { ballot: one, .. } => format!("REFUSED {}", ballot(one)),
        Statement::Accept {
            proposed,
            change: what,
            ..
        } => format!("ACCEPT {} {}", ballot(&proposed.ballot), change(what)),
        Statement::Accepted(one) => format!("ACCEPTED {}", ballot(&one.ballot)),
    }
}

fn promised(promise: &Promise, what: Option<&Change>) -> String {
    let named = match (promise.accepted, what) {
        (Some((one, _)), Some(what)) => {
            format!("having accepted {} in {}", change(what), ballot(&one))
        }
        _ => "having accepted nothing".to_owned(),
    };
    format!("PROMISE {}, {named}", ballot(&promise.ballot))
}

fn ballot(ballot: &Ballot) -> String {
    format!("{}{}", ballot.counter, name(who(&ballot.leader)))
}

fn change(change: &Change) -> String {
    match change {
        Change::Admit { record, .. } => format!("admit {}", name(who(&record.node))),
        Change::Evict { suspects } => {
            let suspects: Vec<_> = suspects.keys().map(|node| name(who(node))).collect();
            format!("evict {}", suspects.join(", "))
        }
        Change::Leave(leave) => format!("{} leaves", name(who(&leave.member))),
    }
}
