//! A member that forges what others say of a candidate: it hands round ALLOWs and DENYs in their names, and leads ballots for
//! admissions, and shows links, in which the opinions that are missing are made up. What it says for itself is what the
//! honest role says.
//!
//! Attacks: nobody is a member without the ALLOW of every member. Expected: no forged opinion counts with anybody, candidates
//! included; no acceptor accepts such a change, whatever promises it comes with; who brings one loses the link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::succession::{
    self, Ballot, Change, Link, Opinion, Place, Promise, Proposed, Statement,
};
use quorate_consensus::{Choice, NodeId, Record, assembly};
use quorate_node::protocol::{JoinMessage, Message, Purpose};
use quorate_node::roles::{ConnId, Frame};
use rand::RngExt as _;

use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(10);

/// How far its ballots are above all others, so that the honest role never leads one of the same number: that would be a
/// contradiction, which is another liar's part.
const COUNTER_AHEAD: u64 = 10_000;

/// A ballot for a change that is not valid.
#[derive(Debug)]
struct Led {
    place: Place,
    ballot: Ballot,
    change: Arc<Change>,
    promises: BTreeMap<NodeId, Promise>,
}

#[derive(Debug)]
pub(super) struct OpinionForger {
    beat: Beat,
    led: Option<Led>,
}

impl OpinionForger {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, Some(LATER), hands),
            led: None,
        }
    }

    /// Asks for promises. Nothing in the question says what they are for.
    fn lead(&mut self, record: Record, place: Place, hands: &mut Hands) {
        let ballot = Ballot {
            counter: hands.notes.counter + COUNTER_AHEAD,
            leader: hands.me,
        };
        hands.notes.counter = ballot.counter;
        let allows = allows(&record, hands);
        self.led = Some(Led {
            place,
            ballot,
            change: Arc::new(Change::Admit { record, allows }),
            promises: BTreeMap::new(),
        });
        tell_all(at(place, Statement::Prepare(ballot)), hands);
    }

    fn handle_promise(&mut self, promise: Promise, hands: &mut Hands) {
        let quorum = hands.notes.lives.len() / 2 + 1;
        let Some(led) = &mut self.led else {
            return;
        };
        if promise.accepted.is_none() {
            led.promises.insert(promise.voter, promise);
        }
        if led.promises.len() == quorum {
            let signer = hands.means.signer.clone();
            let (place, counter) = (led.place, led.ballot.counter);
            let accept = Statement::Accept {
                proposed: Proposed::sign(&*signer, &place, counter, led.change.hash()),
                change: led.change.clone(),
                promises: led.promises.values().cloned().collect(),
                return_promises: BTreeMap::new(),
            };
            tell_all(at(place, accept), hands);
        }
    }
}

impl Deviation for OpinionForger {
    fn handle_frame(&mut self, _conn: ConnId, frame: Frame, hands: &mut Hands) -> Option<Frame> {
        let own = self.led.as_ref().map(|led| led.ballot);
        if let Frame::Message(Message::Assembly(assembly::Message::Succession(said))) = &frame
            && let succession::Message::At { statement, .. } = &**said
        {
            match statement {
                Statement::Promise { promise, .. } if Some(promise.ballot) == own => {
                    self.handle_promise(promise.clone(), hands);
                    return None;
                }
                // The honest role did not ask. That a larger ballot is about, it hears in time.
                Statement::Refused { ballot, .. } if Some(*ballot) == own => return None,
                _ => {}
            }
        }
        Some(frame)
    }

    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) {
            return;
        }
        let (Some(record), Some(place)) = (candidate(hands), hands.notes.place) else {
            return;
        };
        match hands.rng.random_range(0..4) {
            0 => {
                let members = hands.notes.ready(Purpose::Link);
                if let (Some((conn, _)), Some(opinion)) =
                    (hands.pick(&members), forged(&record, hands))
                {
                    let said = succession::Message::Opinion(opinion);
                    let said = assembly::Message::Succession(Box::new(said));
                    hands.send(conn, Message::Assembly(said));
                }
            }
            1 => {
                let guests = hands.notes.ready(Purpose::Join);
                if let (Some((conn, _)), Some(opinion)) =
                    (hands.pick(&guests), forged(&record, hands))
                {
                    hands.send(conn, Message::Join(JoinMessage::Opinion(opinion)));
                }
            }
            2 => {
                let link = link(record, place, hands);
                let members = hands.notes.ready(Purpose::Link);
                if let Some((conn, _)) = hands.pick(&members) {
                    let links = assembly::Message::Links(vec![Arc::new(link)]);
                    hands.send(conn, Message::Assembly(links));
                }
            }
            _ => self.lead(record, place, hands),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

/// Somebody who asks and is not in.
fn candidate(hands: &mut Hands) -> Option<Record> {
    let is_out = |record: &&Record| {
        let life = hands.notes.lives.get(&record.node);
        life.is_none_or(|life| *life < record.incarnation)
    };
    let asking: Vec<Record> = hands
        .notes
        .candidates
        .iter()
        .filter(is_out)
        .cloned()
        .collect();
    hands.pick(&asking)
}

/// An opinion in another member's name.
fn forged(record: &Record, hands: &mut Hands) -> Option<Opinion> {
    let me = hands.me;
    let others = hands.notes.lives.iter().filter(|(node, _)| **node != me);
    let others: Vec<(NodeId, u64)> = others.map(|(node, life)| (*node, *life)).collect();
    let (voter, incarnation) = hands.pick(&others)?;
    let choice = if hands.once_in(4) {
        Choice::No
    } else {
        Choice::Yes
    };
    let signer = hands.means.signer.clone();
    let own = Opinion::sign(
        &*signer,
        hands.network(),
        record.hash(),
        incarnation,
        choice,
        "",
    );
    // Its own signature under another's name, or nobody's.
    let signature = if hands.once_in(2) {
        own.signature
    } else {
        hands.garbage()
    };
    Some(Opinion {
        voter,
        signature,
        ..own
    })
}

/// Everybody's ALLOW of a record: the genuine ones that passed, and the others made up.
fn allows(record: &Record, hands: &mut Hands) -> BTreeMap<NodeId, quorate_consensus::Signature> {
    let hash = record.hash();
    let members: Vec<NodeId> = hands.notes.lives.keys().copied().collect();
    members
        .into_iter()
        .map(|member| {
            let is_genuine = |opinion: &&Opinion| {
                (opinion.record, opinion.voter) == (hash, member) && opinion.choice == Choice::Yes
            };
            let genuine = hands.notes.opinions.iter().find(is_genuine);
            let genuine = genuine.map(|opinion| opinion.signature);
            (member, genuine.unwrap_or_else(|| hands.garbage()))
        })
        .collect()
}

/// The admission as if it had been decided.
fn link(record: Record, place: Place, hands: &mut Hands) -> Link {
    let allows = allows(&record, hands);
    let members: Vec<NodeId> = hands.notes.lives.keys().copied().collect();
    let accepted = members.into_iter().map(|node| (node, hands.garbage()));
    let accepted = accepted.collect();
    Link {
        epoch: place.epoch,
        parent: place.head,
        change: Change::Admit { record, allows },
        ballot: Ballot {
            counter: hands.notes.counter + 1,
            leader: hands.me,
        },
        accepted,
    }
}

/// A statement at a place, as it travels.
pub(super) fn at(place: Place, statement: Statement) -> Message {
    let message = succession::Message::At {
        epoch: place.epoch,
        head: place.head,
        statement,
    };
    Message::Assembly(assembly::Message::Succession(Box::new(message)))
}

/// Sends to all members that there is a link to.
pub(super) fn tell_all(message: Message, hands: &mut Hands) {
    let links = hands.notes.ready(Purpose::Link);
    hands.send_all(links.into_iter().map(|(conn, _)| conn).collect(), message);
}
