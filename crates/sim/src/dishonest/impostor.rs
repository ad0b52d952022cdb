//! A peer that shows passports that are not its own, or not good any more: another member's admission, its own of an
//! earlier life, one of another network that the same seeds' keys signed, one with too few signatures. It also spreads
//! them, as news, to peers and seeds.
//!
//! Attacks: nobody is a member in any roster without a certificate for this network, and nobody links as somebody else.
//! Expected: such a passport opens no link; the certificate of another network enters no roster; one that is cut short is
//! refused wherever it is shown, and passed on by nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{Proof, Signature};
use quorate_node::protocol::{Message, Purpose, RosterMessage};
use quorate_node::roles::{ConnId, Frame, Output};
use rand::RngExt as _;

use super::notes::admission_in;
use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Impostor {
    beat: Beat,
}

impl Impostor {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, Some(LATER), hands),
        }
    }
}

impl Deviation for Impostor {
    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        match output {
            Output::Send {
                to,
                frame: Frame::Message(Message::Passport(own)),
            } => {
                // Now and then its own, or it would never be near enough to spread the others.
                let shown = if hands.once_in(3) {
                    None
                } else {
                    another(&own, hands)
                };
                hands.send_all(to, Message::Passport(shown.unwrap_or(own)));
            }
            output => hands.pass(output),
        }
    }

    fn handle_opened(&mut self, conn: ConnId, purpose: Purpose, hands: &mut Hands) {
        let own = hands.notes.passport().cloned();
        if let Some(shown) = own.and_then(|own| another(&own, hands)) {
            hands.send(conn, Message::Passport(shown));
            // As if it had been let in.
            if purpose == Purpose::Link {
                hands.send(conn, Message::Welcome);
            }
        }
    }

    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) {
            return;
        }
        for (conn, _) in hands.own_conns() {
            hands.close(conn);
        }
        hands.visit();
        let Some(own) = hands.notes.passport().cloned() else {
            return;
        };
        let foreign = hands.means.foreign.clone();
        let Some(proof) = foreign
            .filter(|_| hands.once_in(2))
            .or_else(|| another(&own, hands))
        else {
            return;
        };
        let (links, sessions) = (
            hands.notes.ready(Purpose::Link),
            hands.notes.ready(Purpose::Register),
        );
        let told = hands.pick(&links).into_iter().chain(hands.pick(&sessions));
        let told = told.map(|(conn, _)| conn).collect();
        let proofs = RosterMessage::Proofs(vec![proof]);
        hands.send_all(told, Message::Roster(proofs));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

/// A passport that is not good.
fn another(own: &Arc<Proof>, hands: &mut Hands) -> Option<Arc<Proof>> {
    match hands.rng.random_range(0..5) {
        0 => {
            let members = hands.notes.members();
            hands.pick(&members).map(|(_, proof)| proof)
        }
        1 => {
            let me = hands.me;
            let old = |proof: &&Arc<Proof>| *proof != own && admission_in(proof).is_some();
            let old: Vec<_> = hands.notes.proofs_of(&me).iter().filter(old).collect();
            let old: Vec<Arc<Proof>> = old.into_iter().cloned().collect();
            hands.pick(&old)
        }
        2 => hands.means.foreign.clone(),
        3 => {
            // One signature fewer than the seeds' quorum.
            let mut cut = admission_in(own)?.clone();
            let enough = hands.electorate()?.quorum();
            while cut.votes.len() >= enough {
                cut.votes.pop_last();
            }
            Some(Arc::new(Proof::Admission(cut)))
        }
        _ => {
            // Half a signature.
            let mut cut = admission_in(own)?.clone();
            for signature in cut.votes.values_mut() {
                let mut bytes = *signature.as_bytes();
                bytes[32..].fill(0);
                *signature = Signature::new(bytes);
            }
            Some(Arc::new(Proof::Admission(cut)))
        }
    }
}
