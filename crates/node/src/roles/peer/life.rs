//! A peer's way in, out and back in: records, attempts, incarnations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{
    Departure, Digest, Entry, NodeId, Now, Proof, Record, Standing, first_life,
};
use rand_chacha::ChaCha8Rng;

use super::Peer;
use crate::config::Options;
use crate::event::{Event, Way};
use crate::protocol::{Goodbye, Message, Purpose, Refusal};
use crate::roles::back_off::BackOff;
use crate::roles::{ConnId, Output, earlier, roster_sync};

/// How long, over the council's own deadline, a seed may take to answer a registration.
const ANSWER_SLACK: Duration = Duration::from_secs(2);

/// The first and the longest pause after a registration failed.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// A life that lasted so long was no mistake.
const LASTING: Duration = Duration::from_secs(60);

/// How long a peer that wants to enter reaches no seed before it says so, and the longest pause before it says so again:
/// each is twice the one before.
const ALONE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// How long a leaver waits for a seed's acknowledgement.
const LEAVE_PATIENCE: Duration = Duration::from_secs(1);

/// How many of its own attempts a peer recognises; older ones it takes for another life's.
const RECORDS_MAX: usize = 64;

/// Where a peer stands with itself.
#[derive(Debug)]
enum Phase {
    /// Not a member; a request may be under way.
    Joining { request: Option<(ConnId, Instant)> },
    /// A member, by this certificate.
    Member(Arc<Proof>),
    /// Evicted, and told not to come back.
    Out,
    /// Its departure is signed and waits for a seed to say it knows.
    Leaving { until: Instant },
    /// It has left.
    Ended,
}

/// One node's lives.
#[derive(Debug)]
pub(super) struct Life {
    endpoints: Vec<String>,
    credential: Vec<u8>,
    pub(super) incarnation: u64,
    attempt: u64,
    /// The digests of this life's records: an admission of another one is an earlier process's.
    records: Vec<Digest>,
    phase: Phase,
    back_off: BackOff,
    joined_at: Option<Instant>,
    /// It wants to enter and reaches no seed: when it says so next, and the pause before that.
    alone: Option<(Instant, Duration)>,
    patience: Duration,
}

impl Life {
    pub(super) fn new(endpoints: Vec<String>, options: &Options) -> Self {
        Self {
            endpoints,
            credential: Vec::new(),
            incarnation: 1,
            attempt: 0,
            records: Vec::new(),
            phase: Phase::Joining { request: None },
            back_off: BackOff::default(),
            joined_at: None,
            alone: None,
            patience: options.council.deadline + ANSWER_SLACK,
        }
    }

    pub(super) fn show(&mut self, credential: Vec<u8>) {
        self.credential = credential;
    }

    /// The certificate by which it is in.
    pub(super) const fn passport(&self) -> Option<&Arc<Proof>> {
        match &self.phase {
            Phase::Member(proof) => Some(proof),
            _ => None,
        }
    }

    /// What probes are answered with: the record it last signed.
    pub(super) fn record(&self) -> Option<Digest> {
        self.records.last().copied()
    }

    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let alone = self.alone.map(|(at, _)| at);
        let phase = match &self.phase {
            Phase::Joining { request: None } => self.back_off.wait(now),
            Phase::Joining {
                request: Some((_, until)),
            }
            | Phase::Leaving { until } => Some(*until),
            Phase::Member(_) | Phase::Out | Phase::Ended => None,
        };
        earlier(alone, phase)
    }

    /// Takes no life that may have been this node's in an epoch whose ends are forgotten by now; returns whether it takes
    /// another.
    fn begin_in(&mut self, epoch: u64) -> bool {
        let first = first_life(epoch);
        let is_before = self.incarnation < first;
        if is_before {
            self.incarnation = first;
            self.records.clear();
        }
        is_before
    }

    /// A life before this one is known to have ended, or to be somebody else's: take the next.
    ///
    /// Lives that end at once come of two processes with one key, each of which ends the other's: they get slower.
    fn begin_after(&mut self, incarnation: u64, rng: &mut ChaCha8Rng, now: Instant) {
        self.incarnation = incarnation.saturating_add(1);
        self.records.clear();
        self.phase = Phase::Joining { request: None };
        let lasted = self.joined_at.take();
        if lasted.is_some_and(|since| now.saturating_duration_since(since) >= LASTING) {
            self.back_off.reset();
        }
        self.back_off.fail(RETRY, rng, now);
    }
}

impl Peer {
    /// Sends a registration when one is due and a seed is there to take it.
    pub(super) fn register_if_due(&mut self, now: Now) {
        if !matches!(self.life.phase, Phase::Joining { request: None })
            || !self.life.back_off.is_due(now.instant)
        {
            return;
        }
        let sessions = self.seed_sessions();
        if sessions.is_empty() {
            return;
        }
        // Attempts go round the seeds, so one that cannot help is not asked twice in a row.
        let turn = usize::try_from(self.life.attempt).unwrap_or_default();
        let conn = sessions[turn % sessions.len()];
        self.life.attempt += 1;
        if self.life.begin_in(self.electorate.epoch()) {
            self.gossip.set_incarnation(self.life.incarnation);
        }
        let signed = Record::sign_showing(
            self.life.credential.clone(),
            &*self.signer,
            self.network,
            self.life.endpoints.clone(),
            self.life.incarnation,
            self.life.attempt,
            now.unix_ms,
        );
        // The endpoints and the credential were checked when the peer was made.
        let Ok(record) = signed else {
            return;
        };
        if self.life.records.len() >= RECORDS_MAX {
            self.life.records.remove(0);
        }
        self.life.records.push(record.hash());
        self.life.phase = Phase::Joining {
            request: Some((conn, now.instant + self.life.patience)),
        };
        self.out.event(Event::RegisterRequest {
            candidate: self.own_party(),
            incarnation: record.incarnation,
            way: Way::Sent,
        });
        self.out.send(conn, Message::RegisterRequest(record));
    }

    /// As long as it wants to enter and reaches no seed, says so, after a while and then ever more rarely.
    pub(super) fn tell_if_alone(&mut self, now: Now) {
        let is_alone = matches!(self.life.phase, Phase::Joining { .. })
            && self.connections.ready(Purpose::Register).next().is_none();
        if !is_alone {
            self.life.alone = None;
            return;
        }
        let (first, max) = ALONE;
        let (at, pause) = *self.life.alone.get_or_insert((now.instant + first, first));
        if now.instant >= at {
            let pause = (pause * 2).min(max);
            self.life.alone = Some((now.instant + pause, pause));
            let seats = self.seats.failures(&self.electorate);
            let reason = format!("no seed is reached: {seats}");
            self.out.event(Event::NoWayIn { reason });
        }
    }

    pub(super) fn own_party(&self) -> crate::event::Party {
        crate::event::Party {
            id: self.me,
            address: self.life.endpoints.first().cloned(),
        }
    }

    pub(super) fn handle_refusal(&mut self, from: NodeId, refusal: Refusal, now: Now) {
        if let Refusal::Settled(proof) = refusal {
            let name = |node| self.party(node).to_string();
            let what = Refusal::Settled(proof.clone()).describe(name);
            if let Some(conn) = self.connections.find(from, Purpose::Register) {
                self.take_in(conn, vec![proof], from, now);
            }
            // Known already, it changed nothing; it still says which life comes next.
            if let Some(entry) = self.roster.get(&self.me).cloned() {
                self.own_standing_changed(&entry, now);
            }
            if matches!(self.life.phase, Phase::Joining { request: Some(_) }) {
                let seed = self.party(from);
                let why = match self.electorate.unmet() {
                    0 => "its proof is of seeds that this node does not know: its seed list may be out of date"
                        .to_owned(),
                    unmet => format!("its proof cannot be judged before {unmet} more seeds are met"),
                };
                self.registration_failed(format!("seed {seed}: {what}; {why}"), now);
            }
        } else {
            let why = refusal.describe(|node| self.party(node).to_string());
            self.registration_failed(format!("seed {}: {why}", self.party(from)), now);
        }
    }

    fn registration_failed(&mut self, reason: String, now: Now) {
        if matches!(self.life.phase, Phase::Joining { .. }) {
            self.life.phase = Phase::Joining { request: None };
            self.life.back_off.fail(RETRY, &mut self.rng, now.instant);
            let candidate = self.own_party();
            self.out.event(Event::RegisterRefused { candidate, reason });
        }
    }

    /// A seed's session is gone: a request on it will not be answered.
    pub(super) fn request_is_lost(&mut self, conn: ConnId, now: Now) {
        if matches!(&self.life.phase, Phase::Joining { request: Some((asked, _)) } if *asked == conn)
        {
            self.registration_failed("the seed's connection was lost".to_owned(), now);
        }
    }

    pub(super) fn own_standing_changed(&mut self, entry: &Entry, now: Now) {
        let (key, proof) = (entry.key, &entry.proof);
        if matches!(self.life.phase, Phase::Ended) || key.incarnation < self.life.incarnation {
            return;
        }
        match key.standing {
            Standing::Left if matches!(self.life.phase, Phase::Leaving { .. }) => self.end(),
            _ if matches!(self.life.phase, Phase::Leaving { .. }) => {}
            Standing::Admitted if self.life.records.contains(&key.hash) => {
                self.joined(proof.clone(), now)
            }
            Standing::Evicted if !self.options.rejoin => {
                self.life.phase = Phase::Out;
                self.drop_all_links(now);
                self.out.event(Event::Evicted {
                    incarnation: key.incarnation,
                });
            }
            standing => {
                // Evicted, or a life of another process with this key: its sequence numbers are not known here.
                self.drop_all_links(now);
                if standing == Standing::Evicted {
                    self.out.event(Event::Evicted {
                        incarnation: key.incarnation,
                    });
                }
                self.life
                    .begin_after(key.incarnation, &mut self.rng, now.instant);
                self.gossip.set_incarnation(self.life.incarnation);
            }
        }
    }

    /// The membership of this life has ended without this peer's knowing: it asks for another.
    pub(super) fn begin_anew(&mut self, incarnation: u64, now: Now) {
        let is_over = matches!(self.life.phase, Phase::Ended | Phase::Leaving { .. });
        if is_over || incarnation != self.life.incarnation {
            return;
        }
        self.drop_all_links(now);
        self.out.event(Event::Evicted { incarnation });
        self.life
            .begin_after(incarnation, &mut self.rng, now.instant);
        self.gossip.set_incarnation(self.life.incarnation);
    }

    fn joined(&mut self, proof: Arc<Proof>, now: Now) {
        let is_news = self.life.passport().is_none();
        self.life.phase = Phase::Member(proof.clone());
        if is_news {
            self.life.joined_at = Some(now.instant);
            let incarnation = self.life.incarnation;
            self.out.event(Event::Joined { incarnation });
            for conn in self.seed_sessions() {
                self.resume_session(conn, now);
            }
            self.open_links(now);
        }
    }

    /// Compares rosters with somebody, if it is time.
    pub(super) fn compare_rosters(&mut self, now: Now) {
        if now.instant < self.comparisons.poll_timeout() {
            return;
        }
        let links = self.links.values().filter(|link| link.is_up);
        let mut partners: Vec<ConnId> = links.map(|link| link.conn).collect();
        partners.extend(self.seed_sessions());
        if self.life.passport().is_none() {
            partners.clear();
        }
        let members = self.roster.member_count();
        let with = self
            .comparisons
            .due(&partners, members, &mut self.rng, now.instant);
        if let Some(with) = with {
            let begin = roster_sync::begin(&self.roster);
            self.out.send(with, Message::Roster(begin));
        }
    }

    /// Shows a seed that this is a member, and is going to compare rosters with it.
    pub(super) fn resume_session(&mut self, conn: ConnId, now: Now) {
        if let Some(proof) = self.life.passport().cloned() {
            self.out.send(conn, Message::Passport(proof));
            let members = self.roster.member_count();
            self.comparisons.next(conn, members, now.instant);
            self.compare_rosters(now);
            let degree = u32::try_from(self.overlay.degree()).unwrap_or(u32::MAX);
            self.out.send(conn, Message::LinkCount(degree));
        }
    }

    fn drop_all_links(&mut self, now: Now) {
        let links: Vec<(NodeId, ConnId)> = self
            .links
            .iter()
            .map(|(node, link)| (*node, link.conn))
            .collect();
        for (node, conn) in links {
            self.link_is_down(node, "this node is no member any more".to_owned(), now);
            self.connections
                .close(conn, Goodbye::Leaving, &mut self.out);
        }
    }

    /// Signs the departure, spreads it, and waits a moment for a seed to know.
    pub(super) fn leave(&mut self, now: Now) {
        if self.is_ending() {
            return;
        }
        let admission = self.life.passport().and_then(|proof| proof.passport());
        let departure = admission.and_then(|admission| Departure::sign(&*self.signer, admission));
        let Some(departure) = departure else {
            self.end();
            return;
        };
        let until = now.instant + LEAVE_PATIENCE;
        self.life.phase = Phase::Leaving { until };
        let sessions = self.seed_sessions();
        let is_alone = sessions.is_empty();
        self.out
            .send_all(sessions, Message::Departure(departure.clone()));
        self.publish_standing(&Proof::Departure(departure), now);
        while let Some(output) = self.gossip.poll_output() {
            self.carry_out(output, now);
        }
        if is_alone {
            self.end();
        }
    }

    fn end(&mut self) {
        if matches!(self.life.phase, Phase::Ended) {
            return;
        }
        self.life.phase = Phase::Ended;
        let all: Vec<ConnId> = self.connections.all().collect();
        for conn in all {
            self.connections
                .close(conn, Goodbye::Leaving, &mut self.out);
        }
        self.out.event(Event::ShuttingDown);
        self.out.push(Output::Exit);
    }

    /// Requests and departures that have waited long enough.
    pub(super) fn life_timeout(&mut self, now: Now) {
        match &self.life.phase {
            Phase::Joining {
                request: Some((conn, until)),
            } if now.instant >= *until => {
                let seed = self
                    .connections
                    .get(*conn)
                    .map(|conn| self.party(conn.remote).to_string());
                let seed = seed.unwrap_or_else(|| "that was asked".to_owned());
                self.registration_failed(format!("the seed {seed} gave no answer in time"), now);
            }
            Phase::Leaving { until } if now.instant >= *until => self.end(),
            _ => {}
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.life.phase, Phase::Leaving { .. } | Phase::Ended)
    }

    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let links = self
            .links
            .values()
            .filter(|link| !link.is_up)
            .map(|link| link.deadline)
            .min();
        let resting = match self.life.phase {
            Phase::Member(_) => BackOff::earliest(self.back_offs.values(), now),
            _ => None,
        };
        [
            self.life.poll_timeout(now),
            links,
            resting,
            self.strangers.poll_timeout(),
            self.list_due(),
            Some(self.comparisons.poll_timeout()),
            self.endorsement.as_ref().map(|(at, _)| *at),
            self.has_epochs().then_some(self.renew_at),
            self.neighbors_changed.then_some(self.neighbors_at),
            self.connections.poll_timeout(),
            self.seats
                .poll_timeout(&self.electorate, &self.connections, now),
            self.probes.poll_timeout(),
            self.suspicions.poll_timeout(),
            self.gossip.poll_timeout(),
        ]
        .into_iter()
        .fold(None, earlier)
    }
}
