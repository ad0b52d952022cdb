//! How a seed takes part in changing who the seeds are: what its conclave wants done, the next epoch, and the endorsement of
//! what was decided before.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::conclave::{self, SeatError, Step};
use quorate_consensus::council::Decision;
use quorate_consensus::{Certificate, Electorate, Endorsement, NodeId, Now, Proposal};
use rand::Rng as _;

use super::{Persisted, Seed};
use crate::event::{Event, Party};
use crate::protocol::{Message, Purpose};
use crate::roles::seats::Seats;
use crate::roles::{ConnId, ElectorateInfo, RequestError, SeatWanted, roster_sync};
use crate::store::SeedStored;

/// How long after an epoch began, or after a try, the seeds are asked to endorse the roster; each waits as long again for
/// every seat before its own, so that one asks.
const ENDORSE_AFTER: Duration = Duration::from_secs(1);

/// How often an endorsement may be of other standings than this seed's, with rosters compared in between, before it forgets
/// those that nobody believes: the other seeds have forgotten them while it was away.
const MISSES_MAX: u32 = 2;

impl Seed {
    pub(super) fn carry_out_conclave(&mut self, output: conclave::Output, now: Now) {
        match output {
            conclave::Output::Persist { id, durable } => {
                let write = self.write(SeedStored::Said(durable));
                self.writes.insert(write, Persisted::Conclave(id));
            }
            conclave::Output::Send { to, message } => {
                let to = to.into_iter().filter_map(|node| self.link_to(node));
                let to: Vec<ConnId> = to.collect();
                self.out.send_all(to, Message::Electorate(message));
            }
            conclave::Output::Nominated { by, record } => {
                let candidate = Party {
                    id: record.node,
                    address: record.endpoints.first().cloned(),
                };
                let by = self.party(by);
                self.out.event(Event::SeatWanted { candidate, by });
            }
            conclave::Output::Challenged { by, voter } => {
                let (seed, by) = (self.party(voter), self.party(by));
                self.out.event(Event::SeatChallenged { seed, by });
            }
            conclave::Output::Decided(next) => {
                self.council.seal();
                let seats = next.seats.into_keys().collect();
                self.out.event(Event::ElectorateDecided { seats });
            }
            conclave::Output::HandedOver {
                handover,
                electorate,
            } => {
                self.write(SeedStored::Step(Step::HandedOver(handover.clone())));
                if self.lost_store && !self.conclave.has_forgotten() {
                    self.lost_store = false;
                    self.write(SeedStored::Remembers);
                }
                let sessions = self.sessions();
                let news = conclave::Message::Handovers(vec![handover]);
                self.out.send_all(sessions, Message::Electorate(news));
                self.begin_epoch(*electorate, now);
            }
            conclave::Output::Widened(handover) => {
                self.write(SeedStored::Step(Step::HandedOver(handover)));
            }
            conclave::Output::Evidence(evidence) => self.out.event(Event::Contradiction(evidence)),
        }
    }

    /// Takes the seat in the next electorate, or goes without.
    fn begin_epoch(&mut self, electorate: Electorate, now: Now) {
        let (epoch, own) = (electorate.epoch(), electorate.seat_of(&self.me));
        let names = electorate.seats().iter().map(|seat| seat.name.clone());
        let seats = names.collect();
        let count = electorate.seats().len();
        if self.council.succeed(electorate, now).is_ok() {
            let redial = self.options.redial;
            let seed = self.rng.next_u64();
            self.seats = Seats::new(Purpose::Link, count, own, redial, seed);
            self.endorsement = None;
            self.endorse_misses = 0;
            self.endorse_at = now.instant + self.endorse_pause();
        }
        self.out.event(Event::ElectorateChanged { epoch, seats });
        if own.is_none() {
            // Told once: who lost its seat goes on following those who vote now.
            if self.council.electorate().epoch().saturating_add(1) == epoch {
                self.council.seal();
                self.out.event(Event::Unseated { epoch });
            }
            return;
        }
        self.connections.set_seeds(self.seat_names());
        let linked: Vec<(ConnId, NodeId)> = self.connections.ready(Purpose::Link).collect();
        for (conn, node) in linked {
            if self.council.electorate().contains(&node) {
                self.voter_is_linked(conn, node);
            }
        }
    }

    fn seat_names(&self) -> Vec<String> {
        let seats = self.council.electorate().seats().iter();
        seats.map(|seat| seat.name.clone()).collect()
    }

    pub(super) fn endorse_pause(&self) -> Duration {
        let before = self.council.electorate().seat_of(&self.me);
        let before = u32::try_from(before.unwrap_or_default()).unwrap_or(u32::MAX);
        ENDORSE_AFTER.saturating_mul(before.saturating_add(1))
    }

    /// A link to another seed, whether or not it has a seat as far as this one knows.
    pub(super) fn seed_is_linked(&mut self, conn: ConnId, node: NodeId, now: Now) {
        self.conclave.handle_linked(node, now);
        if let Some(certificate) = self.endorsement.clone() {
            self.out.send(conn, Message::Endorsed(certificate));
        }
    }

    /// From another seed, on a link.
    pub(super) fn handle_electorate(
        &mut self,
        conn: ConnId,
        from: NodeId,
        message: conclave::Message,
        now: Now,
    ) {
        let differs = match &message {
            conclave::Message::Sealed { roster, .. } => *roster != self.council.roster().digest(),
            _ => false,
        };
        match self.conclave.handle_message(from, message, now) {
            Err(conclave::MessageError::Handover(error)) if error.is_forgery() => {
                let what = format!("a handover that proves nothing: {error}");
                self.connections.misbehaved(conn, what, &mut self.out);
            }
            // What does not count otherwise may come of what either has not heard yet.
            _ => {}
        }
        if differs {
            let begin = roster_sync::begin(self.council.roster());
            self.out.send(conn, Message::Roster(begin));
        }
    }

    /// From a peer, on its session: it says how far it has followed.
    pub(super) fn handle_follower(&mut self, conn: ConnId, message: &conclave::Message) {
        let conclave::Message::Epoch(epoch) = message else {
            let what = "a seed takes nothing but EPOCH of the electorate from a peer".to_owned();
            self.connections.misbehaved(conn, what, &mut self.out);
            return;
        };
        let following = self.conclave.handovers_from(*epoch);
        if !following.is_empty() {
            let news = conclave::Message::Handovers(following);
            self.out.send(conn, Message::Electorate(news));
        }
        if let Some(certificate) = self.endorsement.clone() {
            self.out.send(conn, Message::Endorsed(certificate));
        }
    }

    /// Has the seeds endorse what was decided before this epoch, if it is time.
    pub(super) fn endorse_if_due(&mut self, now: Now) {
        if now.instant < self.endorse_at || self.council.is_sealed() {
            return;
        }
        self.endorse_at = now.instant + self.endorse_pause() * 5;
        if let Some(certificate) = self.endorsement.clone() {
            // It came before what it endorses was all here.
            self.handle_endorsed(certificate, now);
            if self.council.unendorsed().is_some() {
                self.endorse_misses = self.endorse_misses.saturating_add(1);
            }
            if self.endorse_misses >= MISSES_MAX && self.council.forget_unbelieved() {
                self.compare_rosters();
            }
        }
        let Some(endorsement) = self.council.unendorsed() else {
            return;
        };
        let attempt = self.rng.next_u64();
        let electorate = self.council.electorate();
        let motion = endorsement.motion(&*self.signer, electorate, attempt, now.unix_ms);
        // Refused, it is tried again.
        let _proposed = self.council.propose(Proposal::Motion(motion), now);
    }

    /// Whether this seed would sign the same.
    pub(super) fn judges_endorsement(&self, endorsement: &Endorsement) -> Result<(), String> {
        let epoch = self.council.electorate().epoch();
        let own = Endorsement::of(self.council.roster(), epoch);
        if own == *endorsement {
            return Ok(());
        }
        let (count, own) = (endorsement.count, own.count);
        Err(format!(
            "its {own} standings are not the {count} that are to be endorsed"
        ))
    }

    /// Whether a certificate that holds endorses what this seed holds.
    fn judges_endorsement_of(&self, certificate: &Certificate) -> bool {
        let electorate = self.council.electorate();
        let endorsed = Endorsement::of_certificate(certificate);
        certificate.verify(electorate, &*self.scheme).is_ok()
            && endorsed.is_some_and(|endorsed| self.judges_endorsement(&endorsed).is_ok())
    }

    pub(super) fn tell_endorsement(&mut self, decision: Decision, now: Now) {
        match decision {
            Decision::Carried(certificate) => self.handle_endorsed(Arc::new(*certificate), now),
            Decision::Defeated(_) => self.compare_rosters(),
            _ => {}
        }
    }

    /// The seeds have endorsed a roster: this one's, or one that it has to catch up with.
    pub(super) fn handle_endorsed(&mut self, certificate: Arc<Certificate>, now: Now) {
        let epoch = self.council.electorate().epoch();
        if certificate.epoch != epoch || Endorsement::of_certificate(&certificate).is_none() {
            return;
        }
        let Some(due) = self.council.unendorsed() else {
            // Asked for by one who came late to the first: it is what those who come now may hold.
            if self.judges_endorsement_of(&certificate) {
                self.endorsement = Some(certificate);
            }
            return;
        };
        match self.council.endorse(&certificate) {
            Ok(true) => {
                self.endorsement = Some(certificate.clone());
                let standings = due.count;
                self.out.event(Event::Endorsed { epoch, standings });
                let to: Vec<ConnId> = self.connections.all().collect();
                let to = to.into_iter().filter(|conn| {
                    let purpose = self.connections.get(*conn).and_then(|conn| conn.purpose);
                    matches!(purpose, Some(Purpose::Link | Purpose::Register))
                });
                let to = to.collect();
                self.out.send_all(to, Message::Endorsed(certificate));
            }
            Ok(false) => {
                // Kept until the rosters are equal.
                self.endorsement = Some(certificate);
                self.compare_rosters();
                self.endorse_at = self.endorse_at.min(now.instant + ENDORSE_AFTER);
            }
            Err(_) => {}
        }
    }

    fn sessions(&self) -> Vec<ConnId> {
        let sessions = self.connections.ready(Purpose::Register);
        sessions.map(|(conn, _)| conn).collect()
    }

    /// What a person wants of the seats.
    pub(super) fn change_seats(
        &mut self,
        change: impl FnOnce(&mut conclave::Conclave, Now) -> Result<(), SeatError>,
        now: Now,
    ) -> Result<(), RequestError> {
        Ok(change(&mut self.conclave, now)?)
    }

    pub(super) fn electorate_info(&self) -> ElectorateInfo {
        let electorate = self.conclave.electorate();
        let wanted = self.conclave.nominations();
        let wanted = wanted.into_iter().map(|(record, waiting)| SeatWanted {
            candidate: Party::from(record),
            waiting: waiting.into_iter().map(|node| self.party(node)).collect(),
        });
        ElectorateInfo {
            network: electorate.network(),
            epoch: electorate.epoch(),
            quorum: electorate.quorum(),
            seats: electorate
                .seats()
                .iter()
                .map(|seat| (seat.name.clone(), seat.voter))
                .collect(),
            is_changing: self.conclave.is_sealed(),
            wanted: wanted.collect(),
        }
    }
}
