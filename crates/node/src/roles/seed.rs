//! A voter: it takes registrations and reports, probes, votes with the other seeds, and tells the members what was
//! decided.

mod admitting;
mod announcing;
mod candidacies;
mod desk;
mod electing;
mod explaining;
mod judging;
mod messages;
mod orphans;
mod requests;
mod restoring;
mod sessions;
mod storing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{
    Certificate, Conclave, Council, DeadReport, Digest, NodeId, Now, Proof, Proposal, ProposalId,
    Scheme, Signer, conclave, council,
};
use rand_chacha::ChaCha8Rng;

use super::connections::Connections;
use super::fetching::Fetching;
use super::probing::{Outcome, ProbeId, Probes};
use super::reputation::Reputation;
use super::seats::Seats;
use super::suspicion::{Surroundings, Suspicions};
use super::testifying::Testifying;
use super::{
    ConnId, DialError, DialId, Frame, Outbox, Output, Request, RequestId, Role, WriteId, earlier,
};
use crate::admission::AdmissionPolicy;
use crate::config::Options;
use crate::event::{Event, Party};
use crate::protocol::{Goodbye, Purpose};
use crate::store::{SeedStored, Stored};
use candidacies::Candidacies;
use desk::Desk;
use orphans::Orphans;
use storing::Storing;

/// A seed that lost its store may have voted on anything still open: it abstains until that has closed everywhere, the
/// voting window on both sides of its clock.
pub const ABSTAIN: Duration = Duration::from_secs(60);

/// How long admissions are gathered before members are told of them again: at least this, and so much for each member,
/// all of whom are told. While a large network forms, there are many, and links need no news: who comes shows its proof.
const NEWS_APART: Duration = Duration::from_millis(100);
const NEWS_APART_PER_MEMBER: Duration = Duration::from_millis(1);

/// And at most this: a newcomer's messages wait at its readers for 5 s until they have heard of it.
const NEWS_APART_MAX: Duration = Duration::from_secs(2);

/// How often rosters are compared with the other seeds, beside when a link comes up.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

/// A voter. See [`Role`] for how it is driven.
#[derive(Debug)]
pub struct Seed {
    me: NodeId,
    signer: Arc<dyn Signer>,
    scheme: Arc<dyn Scheme>,
    options: Options,
    address: String,
    council: Council,
    conclave: Conclave,
    /// The store says that an earlier one was lost.
    lost_store: bool,
    /// What the seeds have endorsed of what was decided before this epoch, and when to ask them (again).
    endorsement: Option<Arc<Certificate>>,
    endorse_at: Instant,
    /// How often an endorsement of this epoch was found to be of other standings than this seed's.
    endorse_misses: u32,
    connections: Connections,
    seats: Seats,
    probes: Probes,
    suspicions: Suspicions,
    testifying: Testifying,
    /// What probes under way will decide.
    judging: BTreeMap<ProbeId, ProposalId>,
    /// Whom this seed lets in.
    policy: Box<dyn AdmissionPolicy>,
    desk: Desk,
    /// Votes held back for the operator's word, and until when.
    held: BTreeMap<ProposalId, Instant>,
    /// Who was first admitted by each credential: no more than there were admissions.
    credentials: BTreeMap<Digest, NodeId>,
    /// Reports that rest on doubted witnesses, until this seed has looked for itself.
    looking: BTreeMap<ProbeId, DeadReport>,
    reputation: Reputation,
    /// Candidates waiting for a vote to end.
    candidates: BTreeMap<NodeId, ConnId>,
    candidacies: Candidacies,
    /// Members without a session, and when to look after them.
    orphans: Orphans,
    link_counts: BTreeMap<NodeId, u32>,
    writes: BTreeMap<WriteId, Persisted>,
    next_write: u64,
    storing: Storing,
    /// Admissions that members were not told yet, and when they may be.
    news: Vec<Arc<Proof>>,
    news_at: Instant,
    compare_at: Instant,
    fetching: Fetching,
    has_ended: bool,
    now: Instant,
    /// What `poll_timeout` promises; settled once after each input.
    due: Option<Instant>,
    rng: ChaCha8Rng,
    out: Outbox,
}

/// Who waits for a write.
#[derive(Debug, Clone, Copy)]
enum Persisted {
    Council(council::PersistId),
    Conclave(conclave::PersistId),
}

impl Seed {
    /// The seed's voter.
    pub const fn council(&self) -> &Council {
        &self.council
    }

    /// Its part in changing who votes.
    pub const fn conclave(&self) -> &Conclave {
        &self.conclave
    }

    /// What must follow every input: outputs of the engines turned into effects, until nothing is left to do.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some(probed) = self.probes.poll_done() {
                if let Some(id) = self.judging.remove(&probed.probe) {
                    self.judge_probed(id, probed.outcome.clone(), now);
                } else if let Some(report) = self.looking.remove(&probed.probe) {
                    self.looked(report, &probed.outcome, now);
                }
                if probed.outcome == Outcome::Alive {
                    self.look_again(probed.target, now);
                }
                self.with_surroundings(now, |suspicions, testifying, with| {
                    testifying.handle_probed(&probed, with);
                    suspicions.handle_probed(&probed, with);
                });
            } else if let Some(report) = self.suspicions.poll_report() {
                self.report(report, now);
            } else if let Some(output) = self.council.poll_output() {
                self.carry_out(output, now);
            } else if let Some(output) = self.conclave.poll_output() {
                self.carry_out_conclave(output, now);
            } else if self.probe_candidates(now) {
                // What was given up at once is told next.
            } else if self.tells_conclave(now) {
                // Who seals waits for others to hold the same.
            } else {
                break;
            }
        }
        if !self.has_ended {
            self.seats.dial_due(
                self.council.electorate(),
                &mut self.connections,
                now.instant,
                &mut self.out,
            );
        }
        self.connections.note_due();
        self.due = self.next_deadline();
    }

    fn with_suspicions<T>(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut Suspicions, &mut Surroundings<'_>) -> T,
    ) -> T {
        self.with_surroundings(now, |suspicions, _, with| act(suspicions, with))
    }

    fn with_surroundings<T>(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut Suspicions, &mut Testifying, &mut Surroundings<'_>) -> T,
    ) -> T {
        act(
            &mut self.suspicions,
            &mut self.testifying,
            &mut Surroundings {
                signer: &*self.signer,
                scheme: &*self.scheme,
                roster: self.council.roster(),
                electorate: self.council.electorate(),
                connections: &mut self.connections,
                probes: &mut self.probes,
                out: &mut self.out,
                now,
            },
        )
    }

    fn party(&self, node: NodeId) -> Party {
        Party::of(node, self.council.roster(), self.council.electorate())
    }

    fn write(&mut self, stored: SeedStored) -> WriteId {
        let stored = Stored::Seed(stored);
        let write = WriteId(self.next_write);
        self.next_write += 1;
        self.out.push(Output::Write { write, stored });
        write
    }

    /// A voter this seed has met, linked.
    fn link_to(&self, voter: NodeId) -> Option<ConnId> {
        self.connections.find(voter, Purpose::Link)
    }

    /// Whom a proposal is about, with the address it names.
    fn subject(&self, proposal: &Proposal) -> Party {
        let id = proposal.subject();
        let address = match proposal {
            Proposal::Admit(record) => record.endpoints.first().cloned(),
            Proposal::Evict(report) => self
                .party(id)
                .address
                .or_else(|| Some(report.endpoint.clone())),
            Proposal::Motion(_) => None,
        };
        Party { id, address }
    }
}

impl Role for Seed {
    fn handle_connected(
        &mut self,
        conn: ConnId,
        dial: Option<DialId>,
        remote: NodeId,
        address: &str,
        now: Now,
    ) {
        self.now = now.instant;
        let (council, conclave) = (&mut self.council, &mut self.conclave);
        let seat = dial.and_then(|dial| {
            let bind = |seat, voter| {
                let is_news = council.bind(seat, voter)?;
                // The two know the same electorate, but for the moment in which it changes.
                let _bound = conclave.bind(seat, voter, now);
                Ok(is_news)
            };
            self.seats.handle_connected(dial, remote, now.instant, bind)
        });
        if let Some(dial) = dial {
            self.suspicions.handle_connected(conn, dial);
            self.probes.handle_connected(conn, dial);
        }
        self.connections
            .handle_connected(conn, dial, remote, address, now, &mut self.out);
        match seat {
            Some((seat, Ok(true))) => {
                let name = self.council.electorate().seats()[seat].name.clone();
                self.out.event(Event::SeedIdentified {
                    address: name.clone(),
                    id: remote,
                });
                self.write(SeedStored::Seat {
                    address: name,
                    id: remote,
                });
                // It may have dialled first: what was refused as a stranger's is a voter's now.
                if let Some(link) = self.link_to(remote) {
                    self.voter_is_linked(link, remote);
                }
            }
            Some((seat, Err(error))) => {
                if self.seats.tells_mismatch(seat, remote) {
                    let seat = &self.council.electorate().seats()[seat];
                    self.out.event(Event::SeedIdentityChanged {
                        address: seat.name.clone(),
                        expected: seat.voter.unwrap_or(remote),
                        found: error.to_string(),
                    });
                }
                self.connections
                    .close(conn, Goodbye::Mismatch(error.to_string()), &mut self.out);
            }
            Some((_, Ok(false))) | None => {}
        }
        self.settle(now);
    }

    fn handle_dial_failed(&mut self, dial: DialId, error: DialError, now: Now) {
        self.now = now.instant;
        self.connections.handle_dial_failed(dial);
        let usurper = match &error {
            DialError::WrongIdentity { found, .. } => Some(*found),
            _ => None,
        };
        let usurper = usurper.filter(|found| self.seats.usurped_by(*found).is_none());

        self.seats.handle_dial_failed(
            dial,
            &error,
            now.instant,
            self.council.electorate(),
            &mut self.out,
        );
        if let Some(found) = usurper {
            self.tell_usurper(found);
        }
        self.probes.handle_dial_failed(dial, &error);
        self.with_suspicions(now, |suspicions, with| {
            suspicions.handle_dial_failed(dial, with)
        });
        self.settle(now);
    }

    fn handle_pinged(&mut self, dial: DialId, answers: bool, now: Now) {
        self.now = now.instant;
        self.probes.handle_pinged(dial, answers);
    }

    fn handle_frame(&mut self, conn: ConnId, frame: Frame, now: Now) {
        self.now = now.instant;
        match frame {
            Frame::Hello(hello) => {
                if let Some(ready) = self
                    .connections
                    .handle_hello(conn, hello, now, &mut self.out)
                {
                    self.handle_ready(&ready, now);
                }
            }
            Frame::Message(message) => {
                let message =
                    self.connections
                        .handle_message(conn, message, None, now, &mut self.out);
                if let Some((purpose, from, message)) = message {
                    self.handle_message(conn, from, purpose, message, now);
                }
            }
        }
        self.settle(now);
    }

    fn handle_closed(&mut self, conn: ConnId, cause: &str, now: Now) {
        self.now = now.instant;
        if let Some(closed) = self.connections.handle_closed(conn) {
            self.connection_is_gone(conn, &closed, cause, now);
        }
        self.probes.handle_closed(conn, cause);
        self.testifying.handle_closed(conn);
        self.fetching.handle_closed(conn);
        self.with_suspicions(now, |suspicions, with| suspicions.handle_closed(conn, with));
        self.settle(now);
    }

    fn handle_written(&mut self, write: WriteId, result: Result<(), String>, now: Now) {
        self.now = now.instant;
        let persist = self.writes.remove(&write);
        if result.is_ok() {
            self.write_succeeded();
        }
        match (persist, result) {
            (Some(Persisted::Council(id)), Ok(())) => self.council.handle_persisted(id),
            (Some(Persisted::Conclave(id)), Ok(())) => self.conclave.handle_persisted(id, now),
            (None, Ok(())) => {}
            (persist, Err(why)) => {
                self.write_failed(why, now.instant);
                match persist {
                    Some(Persisted::Council(id)) => self.council.handle_persist_failed(id),
                    Some(Persisted::Conclave(id)) => self.conclave.handle_persist_failed(id, now),
                    None => {}
                }
            }
        }
        self.settle(now);
    }

    fn handle_request(&mut self, id: RequestId, request: Request, now: Now) {
        self.now = now.instant;
        match self.reply(request, now) {
            Some(reply) => self.out.push(Output::Reply(id, reply)),
            None => self.stop(),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.now = now.instant;
        for (conn, lost) in self.connections.handle_timeout(now, &mut self.out) {
            self.connection_is_gone(conn, &lost, "silent for too long", now);
        }
        self.probes
            .handle_timeout(&mut self.connections, now, &mut self.out);
        self.with_suspicions(now, Suspicions::handle_timeout);
        self.stop_waiting(now);
        self.council.handle_timeout(now);
        self.conclave.handle_timeout(now);
        self.endorse_if_due(now);
        self.look_after_orphans(now);
        self.tell_news(now);
        if now.instant >= self.compare_at {
            self.compare_at = now.instant + COMPARE_EVERY;
            self.compare_rosters();
        }
        self.settle(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

impl Seed {
    /// Only an electorate that followed another has anything to endorse, and who has sealed endorses nothing: it would wake for
    /// it again and again until the next epoch.
    fn endorses(&self) -> bool {
        self.council.electorate().epoch() > 0 && !self.council.is_sealed()
    }

    /// Tells the conclave what this seed holds, as long as it waits for that. Returns whether it had something to say.
    fn tells_conclave(&mut self, now: Now) -> bool {
        if !self.conclave.is_sealed() {
            return false;
        }
        let digest = self.council.roster().digest();
        self.conclave.handle_roster(digest, now)
    }

    fn next_deadline(&self) -> Option<Instant> {
        [
            (!self.news.is_empty()).then_some(self.news_at),
            Some(self.compare_at),
            self.conclave.poll_timeout(),
            self.endorses().then_some(self.endorse_at),
            self.orphans.next(),
            self.held.values().min().copied(),
            self.desk.poll_timeout(),
            self.connections.poll_timeout(),
            self.seats
                .poll_timeout(self.council.electorate(), &self.connections, self.now),
            self.probes.poll_timeout(),
            self.suspicions.poll_timeout(),
            self.council.poll_timeout(),
        ]
        .into_iter()
        .fold(None, earlier)
    }
}
