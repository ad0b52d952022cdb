//! A peer that says old things again, on its connections and on new ones: what others said to it, records of its own and of
//! members, proofs that were overtaken, votes cut out of certificates, departures of those that have come back.
//!
//! Attacks: agreement, that a life entered once is not entered again by its old record, and that no message is delivered
//! twice. Expected: every signed thing names its network, life and attempt, so the old means nothing new; ids and windows
//! keep old messages from the application. What is said in the wrong place costs the liar the connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{Choice, Proof, Vote, council};
use quorate_node::protocol::{Message, Purpose, RosterMessage};
use quorate_node::roles::ConnId;
use rand::RngExt as _;

use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_millis(400);
const LATER: Duration = Duration::from_secs(5);

/// How many connections it opens, at most, to say old things on.
const OWN_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct Replayer {
    beat: Beat,
}

impl Replayer {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, Some(LATER), hands),
        }
    }
}

impl Deviation for Replayer {
    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) {
            return;
        }
        for purpose in [Purpose::Register, Purpose::Link] {
            let conns = hands.notes.ready(purpose);
            if let (Some((conn, _)), Some(message)) =
                (hands.pick(&conns), something_old(purpose, hands))
            {
                hands.send(conn, message);
            }
        }
        if hands.once_in(4) && hands.own_count() < OWN_MAX {
            hands.visit();
        }
        let own: Vec<ConnId> = hands.own_conns().iter().map(|(conn, _)| *conn).collect();
        if hands.once_in(4)
            && let Some(conn) = hands.pick(&own)
        {
            hands.close(conn);
        }
    }

    fn handle_opened(&mut self, conn: ConnId, purpose: Purpose, hands: &mut Hands) {
        // Whoever shows a passport first is listened to.
        if let Some(passport) = hands.notes.passport().cloned()
            && hands.once_in(2)
        {
            hands.send(conn, Message::Passport(passport));
        }
        for _ in 0..3 {
            if let Some(message) = something_old(purpose, hands) {
                hands.send(conn, message);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

/// Something that was said before, for a connection of this kind.
fn something_old(purpose: Purpose, hands: &mut Hands) -> Option<Message> {
    let proofs = hands.notes.proofs();
    match hands.rng.random_range(0..7) {
        // A record of its own; one of a member.
        0 => {
            let records: Vec<_> = hands.notes.records().cloned().collect();
            hands.pick(&records).map(Message::RegisterRequest)
        }
        1 => {
            let records: Vec<_> = proofs
                .iter()
                .filter_map(|proof| proof.record().cloned())
                .collect();
            hands.pick(&records).map(Message::RegisterRequest)
        }
        // Proofs, overtaken or not; and the departures among them.
        2 => {
            let some: Vec<Arc<Proof>> = (0..4).filter_map(|_| hands.pick(&proofs)).collect();
            (!some.is_empty()).then_some(Message::Roster(RosterMessage::Proofs(some)))
        }
        3 => {
            let departures: Vec<_> = proofs
                .iter()
                .filter_map(|proof| match &**proof {
                    Proof::Departure(departure) => Some(departure.clone()),
                    _ => None,
                })
                .collect();
            hands.pick(&departures).map(Message::Departure)
        }
        // A seed's vote, out of a certificate.
        4 if hands.once_in(8) => {
            let proof = hands.pick(&proofs)?;
            let certificate = proof.certificate();
            let (voter, signature) = certificate.votes.first_key_value()?;
            let vote = Vote {
                proposal: certificate.id(),
                voter: *voter,
                choice: Choice::Yes,
                signature: *signature,
                reason: String::new(),
            };
            Some(Message::Council(council::Message::Vote(vote.into())))
        }
        // Whatever was heard on such a connection, said back: gossip, testimonies, echoes.
        _ => {
            let heard = hands.notes.heard();
            let fitting: Vec<Message> = heard
                .into_iter()
                .filter(|heard| heard.purpose == purpose)
                .filter(|heard| !matches!(heard.message, Message::Goodbye(_)))
                .map(|heard| heard.message)
                .collect();
            hands.pick(&fitting)
        }
    }
}
