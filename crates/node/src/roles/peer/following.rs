//! How a peer follows who votes: handovers, and what later voters have endorsed.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::{
    Certificate, Electorate, Endorsement, Entry, Handover, NodeId, Now, Standing, conclave,
};
use rand::{Rng as _, RngExt as _};

use super::Peer;
use crate::event::Event;
use crate::protocol::{Goodbye, Message, Purpose, RosterMessage};
use crate::roles::ConnId;
use crate::roles::seats::Seats;

/// How long after an endorsement of other standings than this peer's it is looked at again: rosters are compared meanwhile.
const ENDORSE_AGAIN: Duration = Duration::from_secs(2);

/// How long after an epoch began, and after each look, a peer looks for standings that it holds by the word of earlier seeds
/// alone, and asks a seed for proofs by those of now. By then most have come by the endorsement.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// How many of them it asks for at a time.
const RENEW_MAX: usize = 256;

impl Peer {
    /// Tells a seed how far this peer has followed.
    pub(super) fn tell_epoch(&mut self, conn: ConnId) {
        let epoch = conclave::Message::Epoch(self.electorate.epoch());
        self.out.send(conn, Message::Electorate(epoch));
    }

    /// Handovers speak for themselves, whoever brings them.
    pub(super) fn follow(&mut self, conn: ConnId, handovers: &[Arc<Handover>], now: Now) {
        for handover in handovers {
            if handover.epoch != self.electorate.epoch() {
                continue;
            }
            match handover.verify(&self.electorate, &*self.scheme) {
                Ok(electorate) => self.begin_epoch(electorate, now),
                Err(error) if error.is_forgery() => {
                    let what = format!("a handover that proves nothing: {error}");
                    self.connections.misbehaved(conn, what, &mut self.out);
                    return;
                }
                // Not all who signed are known yet. Whoever is met next is asked again.
                Err(_) => return,
            }
        }
    }

    fn begin_epoch(&mut self, electorate: Electorate, now: Now) {
        self.electorate = electorate;
        self.endorsement = None;
        self.renew_at = now.instant + RENEW_EVERY;
        self.renewing.clear();
        let names: Vec<String> = self
            .electorate
            .seats()
            .iter()
            .map(|seat| seat.name.clone())
            .collect();
        let (count, redial) = (names.len(), self.options.redial);
        let seed = self.rng.next_u64();
        self.seats = Seats::new(Purpose::Register, count, None, redial, seed);
        self.connections.set_seeds(names.clone());
        let epoch = self.electorate.epoch();
        self.out.event(Event::ElectorateChanged {
            epoch,
            seats: names,
        });
        let sessions: Vec<(ConnId, NodeId)> = self.connections.ready(Purpose::Register).collect();
        for (conn, node) in sessions {
            if !self.electorate.contains(&node) {
                self.connections.close(conn, Goodbye::Done, &mut self.out);
            }
        }
        self.judge_undecided(now);
    }

    /// The seeds of this epoch have endorsed a roster: this peer's, or one that it has to catch up with.
    pub(super) fn handle_endorsed(&mut self, certificate: Arc<Certificate>, now: Now) {
        let epoch = self.electorate.epoch();
        if certificate.epoch != epoch || !Endorsement::is_due(&self.roster, epoch) {
            self.endorsement = None;
            return;
        }
        match self
            .roster
            .endorse(&certificate, &self.electorate, &*self.scheme)
        {
            Ok(Some(renewed)) => {
                self.endorsement = None;
                let standings = renewed.proofs.len() as u64;
                self.out.event(Event::Endorsed { epoch, standings });
                if let Some(own) = self.roster.get(&self.me).cloned() {
                    // The endorsed passport is the one to show from now on.
                    self.own_standing_changed(&own, now);
                }
            }
            Ok(None) => {
                self.endorsement = Some((now.instant + ENDORSE_AGAIN, certificate));
                if let Some(session) = self.seed_sessions().first() {
                    let members = self.roster.member_count();
                    self.comparisons.next(*session, members, now.instant);
                }
            }
            Err(_) => self.endorsement = None,
        }
    }

    /// Only an electorate that followed another has endorsed anything.
    pub(super) const fn has_epochs(&self) -> bool {
        self.electorate.epoch() > 0
    }

    /// Asks for what an endorsement did not renew. Who comes to it late may hold more than was endorsed: what the seeds have
    /// decided since takes the place of a standing that counts towards the root, and then the root is not to be had any more.
    /// And a seed that was started anew shows no endorsement.
    pub(super) fn renew_if_due(&mut self, now: Now) {
        if !self.has_epochs() || now.instant < self.renew_at {
            return;
        }
        self.renew_at = now.instant + RENEW_EVERY;
        let epoch = self.electorate.epoch();
        let is_old = |entry: &Entry| entry.proof.certificate().epoch < epoch;
        let old = self.roster.iter().filter(|(_, entry)| is_old(entry));
        let old: Vec<NodeId> = old
            .filter(|(_, entry)| entry.key.is_kept(epoch))
            .map(|(node, _)| *node)
            .take(RENEW_MAX)
            .collect();
        if old.is_empty() {
            // As the seeds did when they endorsed all that is left.
            self.roster.forget_departed(epoch);
            return;
        }
        let asked = std::mem::take(&mut self.renewing);
        let unbelieved = Endorsement::unbelieved(&self.roster, epoch);
        let unknown = unbelieved.filter(|node| asked.contains(*node)).copied();
        let unknown: Vec<NodeId> = unknown.collect();
        for node in unknown {
            self.forget_unbelieved(node, now);
        }
        let sessions = self.seed_sessions();
        if let Some(session) = sessions.get(self.rng.random_range(0..sessions.len().max(1))) {
            self.renewing = old.iter().copied().collect();
            let want = RosterMessage::Want(old);
            self.out.send(*session, Message::Roster(want));
        }
    }

    /// Nobody believes this standing any more, and a seed that was asked has none to show in its place: it ended while this
    /// peer was away, and its end is forgotten.
    fn forget_unbelieved(&mut self, node: NodeId, now: Now) {
        let Some(entry) = self.roster.forget(&node) else {
            return;
        };
        self.wishes_changed = true;
        if node == self.me {
            let life = entry.key.incarnation;
            if entry.key.standing == Standing::Admitted {
                self.begin_anew(life, now);
            }
            return;
        }
        let goodbye = Goodbye::NoPassport("nobody believes its signers any more".to_owned());
        self.forget_member(node, goodbye, now);
    }

    /// Looks again at an endorsement of other standings than this peer's, if it is time.
    pub(super) fn endorse_again(&mut self, now: Now) {
        let due = self.endorsement.take_if(|(at, _)| now.instant >= *at);
        if let Some((_, certificate)) = due {
            self.handle_endorsed(certificate, now);
        }
    }
}
