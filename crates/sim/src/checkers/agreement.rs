//! **Agreement**: when faults have stopped, all honest nodes hold the same.
//!
//! Seeded: the rosters of all honest seeds that have a seat and run, and of all honest peers that are members by their own rosters, are
//! equal, by their digests. Open: all honest members that run have the same head, in each network that somebody founded
//! on purpose after another.
//!
//! Two rosters that contradict each other in between are no fault: standings are ordered, and the larger wins. In an open
//! network that somebody forked, agreement is not to be had; `succession` sees to it that the fork shows.

use std::collections::BTreeMap;

use quorate_consensus::{Roster, StandingKey};

use super::Checker;
use crate::fact::{Fact, View};
use crate::host::{Host, HostId, Kind};
use crate::process::Process;

/// Watches that all hold the same in the end.
#[derive(Debug, Default)]
pub struct Agreement;

impl Checker for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn see(&mut self, _fact: &Fact<'_>, _view: View<'_>) -> Result<(), String> {
        Ok(())
    }

    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        rosters(view)?;
        heads(view)
    }
}

fn rosters(view: View<'_>) -> Result<(), String> {
    let is_in = |host: HostId, roster: &Roster| match view.host(host).setup.kind {
        Kind::Seed => view.is_voter(host),
        _ => roster.member(&view.host(host).id()).is_some(),
    };
    let mut first: Option<(HostId, &Roster)> = None;
    for (id, host) in view.all() {
        let roster = host.process.as_ref().and_then(Process::roster);
        let Some(roster) = roster.filter(|roster| host.is_running() && is_in(id, roster)) else {
            continue;
        };
        match first {
            None => first = Some((id, roster)),
            Some((other, known)) if known.digest() != roster.digest() => {
                return Err(difference(view, (other, known), (id, roster)));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The first node of which two rosters do not hold the same.
fn difference(view: View<'_>, a: (HostId, &Roster), b: (HostId, &Roster)) -> String {
    let nodes = a.1.iter().chain(b.1.iter()).map(|(node, _)| node);
    let at = |roster: &Roster, node| roster.get(node).map(|entry| entry.key);
    let differ = nodes.filter(|node| at(a.1, node) != at(b.1, node)).min();
    let words = |key: Option<StandingKey>| match key {
        None => "unknown".to_owned(),
        Some(key) => format!(
            "{:?} in life {} (attempt {}, {})",
            key.standing, key.incarnation, key.attempt, key.hash
        ),
    };
    let (one, two) = (view.name(a.0), view.name(b.0));
    match differ {
        None => format!("{one} and {two} hold the same standings under different digests"),
        Some(node) => format!(
            "{} is {} at {one} and {} at {two}",
            view.name_of(node),
            words(at(a.1, node)),
            words(at(b.1, node))
        ),
    }
}

/// Whether somebody has forked an open network, and somebody is halted by the evidence: an honest member, or a liar that
/// would take part otherwise, which cannot be seen.
pub(super) fn is_forked(view: View<'_>) -> bool {
    let is_halted = |host: &Host| {
        let assembly = host.process.as_ref().and_then(Process::assembly);
        assembly.is_some_and(|assembly| assembly.fork().is_some())
    };
    let is_liar = |host: &Host| host.is_running() && !host.is_honest();
    view.truth.equivocators > 0
        && (view.hosts.iter().any(is_halted)
            || (view.truth.fork_told && view.hosts.iter().any(is_liar)))
}

fn heads(view: View<'_>) -> Result<(), String> {
    let members = || {
        let running = view
            .all()
            .filter(|(_, host)| host.is_honest() && host.is_running());
        running.filter_map(|(id, host)| Some((id, host.process.as_ref()?.assembly()?)))
    };
    if is_forked(view) {
        return Ok(());
    }
    // A network that went on from another, because somebody told it to, is another one.
    let mut first = BTreeMap::new();
    for (id, assembly) in members() {
        let place = assembly.membership().place();
        let founding = assembly.chain().founding();
        let after = founding.and_then(|founding| founding.after);
        let root = after.map(|_| place.network);
        let (other, known) = *first.entry(root).or_insert((id, place));
        if known != place {
            return Err(format!(
                "{} is in epoch {} of network {} with head {}, {} in epoch {} of network {} with head {}",
                view.name(other),
                known.epoch,
                known.network,
                known.head,
                view.name(id),
                place.epoch,
                place.network,
                place.head
            ));
        }
    }
    Ok(())
}
