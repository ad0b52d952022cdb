//! A member that speaks of epochs that never were: it says that its chain is longer, names heads that it made up, states
//! things about decisions far ahead, and shows links that continue such a chain, or the real one, with nobody's acceptance
//! but its own.
//!
//! Attacks: one chain, and that everybody catches up. Expected: whoever hears of a longer chain asks for it, gets nothing
//! that holds, and still asks the others; no made-up link is taken in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::succession::{
    Accepted, Ballot, Change, Grounds, Leave, Link, Place, Promise, Statement,
};
use quorate_consensus::{Digest, assembly};
use quorate_node::protocol::{Message, Purpose};
use rand::{Rng as _, RngExt as _};

use super::opinion_forger::at;
use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_millis(300);
const LATER: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct EpochInventor {
    beat: Beat,
}

impl EpochInventor {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, Some(LATER), hands),
        }
    }
}

impl Deviation for EpochInventor {
    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) {
            return;
        }
        let Some(real) = hands.notes.place else {
            return;
        };
        let invented = invent(real, hands);
        let message = match hands.rng.random_range(0..6) {
            0 | 1 => Message::Assembly(assembly::Message::Status {
                epoch: invented.epoch,
                head: invented.head,
            }),
            2 => at(invented, statement(&invented, hands)),
            // Of the epoch that is, after a head that never was.
            3 => {
                let elsewhere = Place {
                    epoch: real.epoch,
                    ..invented
                };
                at(elsewhere, statement(&elsewhere, hands))
            }
            4 => links(&[invented], hands),
            _ => links(&[real, invented], hands),
        };
        let members = hands.notes.ready(Purpose::Link);
        if let Some((conn, _)) = hands.pick(&members) {
            hands.send(conn, message);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

/// A place that no chain comes by.
fn invent(real: Place, hands: &mut Hands) -> Place {
    let mut head = [0; 32];
    hands.rng.fill_bytes(&mut head);
    let epoch = if hands.once_in(8) {
        u64::MAX
    } else {
        real.epoch + hands.rng.random_range(1..20)
    };
    Place {
        epoch,
        head: Digest::new(head),
        ..real
    }
}

/// Something about a decision there, validly signed.
fn statement(place: &Place, hands: &mut Hands) -> Statement {
    let signer = hands.means.signer.clone();
    let ballot = Ballot {
        counter: hands.rng.random_range(1..100),
        leader: hands.me,
    };
    match hands.rng.random_range(0..4) {
        0 => Statement::Prepare(ballot),
        1 => Statement::Promise {
            promise: Promise::sign(&*signer, place, ballot, None),
            change: None,
            grounds: Grounds::default(),
        },
        2 => Statement::Leave(Leave::sign(&*signer, place)),
        _ => {
            let change = Digest::new([7; 32]);
            Statement::Accepted(Accepted::sign(&*signer, place, ballot, change))
        }
    }
}

/// A decision at each of these places, accepted by nobody but the liar.
fn links(places: &[Place], hands: &mut Hands) -> Message {
    let signer = hands.means.signer.clone();
    let others: Vec<_> = hands.notes.lives.keys().copied().collect();
    let links = places.iter().map(|place| {
        // Its own leave needs nobody's word but its own.
        let change = Change::Leave(Leave::sign(&*signer, place));
        let ballot = Ballot {
            counter: 1,
            leader: hands.me,
        };
        let mut accepted: BTreeMap<_, _> =
            others.iter().map(|node| (*node, hands.garbage())).collect();
        // At an invented place its own acceptance holds, and contradicts nothing that the honest role says. At the real
        // one it would, some day: there it puts none of its own.
        if Some(*place) != hands.notes.place {
            let own = Accepted::sign(&*signer, place, ballot, change.hash());
            accepted.insert(hands.me, own.signature);
        }
        Arc::new(Link {
            epoch: place.epoch,
            parent: place.head,
            change,
            ballot,
            accepted,
        })
    });
    Message::Assembly(assembly::Message::Links(links.collect()))
}
