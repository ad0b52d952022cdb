//! A peer that reports the deaths of members that live, to all seeds, again and again.
//!
//! Its reports rest on its own word alone; on its own word with everybody else called silent; on testimonies in others'
//! names that nobody signed; and on its own signature under others' names.
//!
//! Attacks: no false eviction. Expected: a report that the suspect's panel does not bear out is refused; one that it does,
//! because the panel is small or shares the liar's view, opens a vote that every seed's own probe ends. Nobody that
//! answers is evicted, however long it goes on.

use std::time::{Duration, Instant};

use quorate_consensus::{DeadReport, Finding, Inquiry, NodeId, Record, Testimony};
use quorate_gossip::{PANEL_SIZE, panel_order};
use quorate_node::protocol::{Message, Purpose};
use rand::{Rng as _, RngExt as _};

use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_millis(700);
const LATER: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Accuser {
    beat: Beat,
}

impl Accuser {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, Some(LATER), hands),
        }
    }
}

impl Deviation for Accuser {
    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) || hands.notes.passport().is_none() {
            return;
        }
        let members = hands.notes.members();
        let Some((suspect, _)) = hands.pick(&members) else {
            return;
        };
        let others = members.iter().map(|(record, _)| record.node);
        let report = report(&suspect, others.collect(), hands);
        let sessions = hands.notes.ready(Purpose::Register);
        let seeds = sessions.into_iter().map(|(conn, _)| conn).collect();
        hands.send_all(seeds, Message::DeadReport(report));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

/// A report of a suspect that rests on nothing but the liar.
pub(super) fn report(suspect: &Record, others: Vec<NodeId>, hands: &mut Hands) -> DeadReport {
    let inquiry = Inquiry {
        network: hands.network(),
        suspect: suspect.node,
        incarnation: suspect.incarnation,
        attempt: hands.rng.next_u64(),
    };
    let me = hands.me;
    let signer = hands.means.signer.clone();
    let members = others.into_iter().chain([me]);
    let order = panel_order(&suspect.node, suspect.incarnation, members);
    let own = Testimony::sign(&*signer, inquiry, Finding::Unreachable, "no echo");
    let mut panel = order.iter().filter(|node| **node != me).take(PANEL_SIZE);
    let (testimonies, silent) = match hands.rng.random_range(0..4) {
        0 => (vec![own], Vec::new()),
        1 => (vec![own], panel.copied().collect()),
        2 => {
            let forged = panel.by_ref().map(|witness| Testimony {
                witness: *witness,
                signature: hands.garbage(),
                ..own.clone()
            });
            let forged: Vec<Testimony> = forged.collect();
            (forged.into_iter().chain([own]).collect(), Vec::new())
        }
        _ => {
            let borrowed = panel.map(|witness| Testimony {
                witness: *witness,
                ..own.clone()
            });
            (borrowed.chain([own.clone()]).collect(), Vec::new())
        }
    };
    let endpoint = suspect.endpoints.first().cloned().unwrap_or_default();
    DeadReport::sign(
        &*signer,
        inquiry,
        endpoint,
        hands.now.unix_ms,
        testimonies,
        silent,
    )
}
