//! A voter: it takes registrations and reports, probes, votes with the other seeds, and tells the members what was
//! decided.

mod judging;
mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{
    Council, NodeId, Now, Proof, Proposal, ProposalId, Scheme, Signer, Standing, council,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::connections::Connections;
use super::probing::{ProbeId, Probes};
use super::seats::Seats;
use super::suspicion::{Surroundings, Suspicions, address_of, party};
use super::{
    ConnId, DialError, DialId, Frame, Outbox, Output, Reply, Request, RequestError, RequestId,
    Role, WriteId, earlier, roster_sync,
};
use crate::config::{Options, SeedList};
use crate::error::StartError;
use crate::event::{Event, MemberInfo, Party};
use crate::protocol::{Goodbye, Message, Purpose, Refusal, RoleKind, RosterMessage};
use crate::store::{Restored, Stored};

/// A seed that lost its store may have voted on anything still open: it abstains until that has closed everywhere, the
/// voting window on both sides of its clock.
const ABSTAIN: Duration = Duration::from_secs(60);

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
    connections: Connections,
    seats: Seats,
    probes: Probes,
    suspicions: Suspicions,
    /// What probes under way will decide.
    judging: BTreeMap<ProbeId, ProposalId>,
    /// Candidates waiting for a vote to end.
    candidates: BTreeMap<NodeId, ConnId>,
    /// Members without a session, and when to look after them.
    orphans: BTreeMap<NodeId, Instant>,
    link_counts: BTreeMap<NodeId, u32>,
    writes: BTreeMap<WriteId, council::PersistId>,
    next_write: u64,
    compare_at: Instant,
    has_ended: bool,
    now: Instant,
    out: Outbox,
}

impl Seed {
    /// The seed at `address`, a line of the list, with what its store held. `seed` feeds every random choice.
    ///
    /// # Errors
    /// When the address is not on the list, an option cannot be used, or the store holds what this network's seeds
    /// never signed.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a plain fact of the one call that makes a seed"
    )]
    pub fn new(
        signer: Arc<dyn Signer>,
        scheme: Arc<dyn Scheme>,
        address: &str,
        seeds: &SeedList,
        options: Options,
        restored: Restored,
        seed: u64,
        now: Now,
    ) -> Result<Self, StartError> {
        let me = signer.id();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let own = seeds
            .position(address)
            .ok_or_else(|| StartError::NotASeed {
                address: address.to_owned(),
                seeds: seeds.addresses().join(", "),
            })?;
        let mut electorate = seeds.electorate()?;
        electorate.bind(own, me)?;
        for (seat, id) in &restored.seats {
            // A line that is gone from the list binds nothing; one that pins another identity now is told.
            if let Some(seat) = seeds.position(seat) {
                electorate.bind(seat, *id)?;
            }
        }
        let count = electorate.seats().len();
        let mut council = Council::new(
            signer.clone(),
            scheme.clone(),
            electorate,
            options.council.clone(),
            rng.next_u64(),
        )?;
        if restored.is_lost {
            council.abstain_until(now.instant + ABSTAIN);
        }
        for (opened_ms, vote) in restored.votes {
            council.restore_vote(opened_ms, vote);
        }
        for proof in restored.proofs {
            council.restore_proof(proof)?;
        }
        // Everybody lost the session when this seed went down: time to come back before anyone is missed.
        let missed_at = now.instant + options.orphan_after + options.redial.1 * 2;
        let orphans = council
            .roster()
            .members()
            .map(|record| (record.node, missed_at))
            .collect();
        let mut this = Self {
            me,
            connections: Connections::new(me, RoleKind::Seed, seeds, &options, rng.next_u64()),
            seats: Seats::new(
                Purpose::Link,
                count,
                Some(own),
                options.redial,
                rng.next_u64(),
            ),
            probes: Probes::new(options.probe_timeout),
            suspicions: Suspicions::new(options.inquiry.clone()),
            address: address.to_owned(),
            council,
            judging: BTreeMap::new(),
            candidates: BTreeMap::new(),
            orphans,
            link_counts: BTreeMap::new(),
            writes: BTreeMap::new(),
            next_write: 0,
            compare_at: now.instant + COMPARE_EVERY,
            has_ended: false,
            now: now.instant,
            options,
            signer,
            scheme,
            out: Outbox::default(),
        };
        if restored.seats.iter().all(|(_, id)| *id != me) {
            let address = this.address.clone();
            this.write(Stored::Seat { address, id: me });
        }
        this.settle(now);
        Ok(this)
    }

    /// The seed's voter.
    pub const fn council(&self) -> &Council {
        &self.council
    }

    /// What must follow every input: outputs of the engines turned into effects, until nothing is left to do.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some(probed) = self.probes.poll_done() {
                if let Some(id) = self.judging.remove(&probed.probe) {
                    self.judge_probed(id, &probed.result, now);
                }
                if probed.result.is_ok() {
                    self.look_again(probed.target, now);
                }
                self.with_suspicions(now, |suspicions, with| {
                    suspicions.handle_probed(&probed, with)
                });
            } else if let Some(report) = self.suspicions.poll_report() {
                self.report(report, now);
            } else if let Some(output) = self.council.poll_output() {
                self.carry_out(output, now);
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
    }

    fn with_suspicions<T>(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut Suspicions, &mut Surroundings<'_>) -> T,
    ) -> T {
        act(
            &mut self.suspicions,
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
        party(self.council.roster(), self.council.electorate(), node)
    }

    fn write(&mut self, stored: Stored) -> WriteId {
        let write = WriteId(self.next_write);
        self.next_write += 1;
        self.out.push(Output::Write { write, stored });
        write
    }

    /// A voter this seed has met, linked.
    fn link_to(&self, voter: NodeId) -> Option<ConnId> {
        self.connections.find(voter, Purpose::Link)
    }

    // --- messages ---

    fn handle_message(
        &mut self,
        conn: ConnId,
        from: NodeId,
        purpose: Purpose,
        message: Message,
        now: Now,
    ) {
        match (purpose, message) {
            (_, Message::Goodbye(_)) => {}
            (_, Message::Echo { nonce, record }) => {
                self.probes
                    .handle_echo(conn, nonce, record, &mut self.connections, &mut self.out);
            }
            // Until this seed's own dial has met the voter, its word counts for nothing; it sends again.
            (Purpose::Link, _) if !self.council.electorate().contains(&from) => {}
            (Purpose::Link, Message::Council(message)) => self.handle_council(from, message, now),
            (Purpose::Link, Message::Roster(message)) => self.handle_roster(conn, message),
            (Purpose::Register, Message::RegisterRequest(record)) => {
                self.handle_register(conn, from, record, now)
            }
            (Purpose::Register, Message::Passport(proof)) => {
                self.handle_passport(conn, from, proof)
            }
            (Purpose::Register, Message::Departure(departure)) => {
                self.handle_proof(conn, Arc::new(Proof::Departure(departure)));
            }
            (Purpose::Register, message) if self.council.roster().member(&from).is_some() => {
                self.handle_member(conn, from, message, now);
            }
            (
                Purpose::Link | Purpose::Testify,
                Message::SuspectRequest {
                    inquiry,
                    suspect,
                    asker,
                },
            ) => {
                for proof in asker.into_iter().chain([suspect]) {
                    self.handle_proof(conn, proof);
                }
                self.handle_suspect_request(conn, from, inquiry, now);
            }
            (_, Message::SuspectResponse(testimony)) => {
                self.handle_testimony(conn, from, testimony, now)
            }
            // Members whose session outlived their membership, or began before this seed knew of it: no fault.
            (Purpose::Register, Message::Roster(_) | Message::LinkCount(_)) => {}
            (Purpose::Register, Message::DeadReport(report)) => {
                let reason = format!("{} is no member", from.short());
                self.refuse_report(&report, reason);
            }
            (_, message) => {
                let what = format!(
                    "a seed does not take {} on a connection for {purpose:?}",
                    message.name()
                );
                self.connections.misbehaved(conn, what, &mut self.out);
            }
        }
    }

    /// From a member, on its session.
    fn handle_member(&mut self, conn: ConnId, from: NodeId, message: Message, now: Now) {
        match message {
            Message::Roster(message) => self.handle_roster(conn, message),
            Message::LinkCount(count) => {
                self.link_counts.insert(from, count);
            }
            Message::DeadReport(report) => self.handle_report(from, report, now),
            Message::SuspectRequest {
                inquiry, suspect, ..
            } => {
                self.handle_proof(conn, suspect);
                self.handle_suspect_request(conn, from, inquiry, now);
            }
            Message::SuspectResponse(testimony) => {
                self.handle_testimony(conn, from, testimony, now)
            }
            message => {
                let what = format!("a seed does not take {} from a member", message.name());
                self.connections.misbehaved(conn, what, &mut self.out);
            }
        }
    }

    fn handle_council(&mut self, from: NodeId, message: council::Message, now: Now) {
        match message {
            council::Message::Proposal(proposal) => {
                let proposal = Arc::unwrap_or_clone(proposal);
                let is_news = !self.council.is_open(&proposal.id());
                let (subject, proposer) = (self.subject(&proposal), self.party(from));
                let event = match &proposal {
                    Proposal::Admit(_) => Some(Event::RegisterProposal {
                        candidate: subject,
                        proposer,
                    }),
                    Proposal::Evict(_) => Some(Event::DeadProposal {
                        suspect: subject,
                        proposer,
                    }),
                    Proposal::Motion(_) => None,
                };
                // What is not acceptable here gets no vote; the proposer's deadline names this seed as silent, and
                // a standing that settles it was sent back.
                if self.council.handle_proposal(from, proposal, now).is_ok()
                    && is_news
                    && let Some(event) = event
                {
                    self.out.event(event);
                }
            }
            // A vote that does not hold counts for nothing; evidence of a double vote is an output.
            council::Message::Vote(vote) => drop(self.council.handle_vote(vote)),
            council::Message::Proof(proof) => drop(self.council.handle_proof(proof)),
        }
    }

    fn handle_roster(&mut self, conn: ConnId, message: RosterMessage) {
        match roster_sync::answer(self.council.roster(), message) {
            Ok((answers, proofs)) => {
                answers
                    .into_iter()
                    .for_each(|answer| self.out.send(conn, Message::Roster(answer)));
                proofs
                    .into_iter()
                    .for_each(|proof| self.handle_proof(conn, proof));
            }
            Err(what) => self.connections.misbehaved(conn, what, &mut self.out),
        }
    }

    /// A proof from anybody: worth what it proves. One that cannot be judged yet comes again by comparison.
    fn handle_proof(&mut self, conn: ConnId, proof: Arc<Proof>) {
        match self.council.handle_proof(proof) {
            Err(error) if !council::is_undecided(&error) => {
                self.connections.misbehaved(
                    conn,
                    format!("a proof that proves nothing: {error}"),
                    &mut self.out,
                );
            }
            _ => {}
        }
    }

    fn handle_suspect_request(
        &mut self,
        conn: ConnId,
        from: NodeId,
        inquiry: quorate_consensus::Inquiry,
        now: Now,
    ) {
        if self.council.roster().member(&from).is_none()
            && !self.council.electorate().contains(&from)
        {
            let goodbye = Goodbye::NoPassport("only members ask about members".to_owned());
            self.connections.refuse(conn, goodbye, &mut self.out);
            return;
        }
        // Without an answer the asker takes this panelist for silent and asks the next: nothing to say here.
        let _answered = self.with_suspicions(now, |suspicions, with| {
            suspicions.handle_request(conn, inquiry, with)
        });
    }

    fn handle_testimony(
        &mut self,
        conn: ConnId,
        from: NodeId,
        testimony: quorate_consensus::Testimony,
        now: Now,
    ) {
        let counted = self.with_suspicions(now, |suspicions, with| {
            suspicions.handle_response(conn, from, testimony, with)
        });
        if let Err(what) = counted {
            self.connections.misbehaved(conn, what, &mut self.out);
        }
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

    // --- the council's outputs ---

    fn carry_out(&mut self, output: council::Output, now: Now) {
        match output {
            council::Output::Send { to, message } => {
                // Not linked: the council sends again, and tells all when the link is up.
                if let Some(conn) = self.link_to(to) {
                    self.out.send(conn, Message::Council(message));
                }
            }
            council::Output::Judge { id, proposal } => self.judge(id, &proposal, now),
            council::Output::Persist { id, durable } => {
                let write = self.write(Stored::Council(durable));
                self.writes.insert(write, id);
            }
            council::Output::Counted { proposal, vote } => self.tell_vote(&proposal, vote),
            council::Output::Decided { proposal, decision } => {
                self.tell_decision(&proposal, decision)
            }
            council::Output::Committed {
                node,
                proof,
                previous,
            } => {
                let was = previous.map(|entry| (entry.key.incarnation, entry.key.standing));
                self.announce(node, &proof, was, now);
            }
            council::Output::Widened { node, proof } => {
                // So that those who know other seeds than the first signers can check it too.
                let sessions = self.connections.to(node).collect();
                self.out.send_all(
                    sessions,
                    Message::Roster(RosterMessage::Proofs(vec![proof])),
                );
            }
            council::Output::Equivocated(evidence) => self.out.event(Event::Equivocation(evidence)),
        }
    }

    fn tell_vote(&mut self, proposal: &Proposal, vote: quorate_consensus::Vote) {
        let (subject, voter) = (self.subject(proposal), self.party(vote.voter));
        let (choice, reason) = (vote.choice, vote.reason);
        match proposal {
            Proposal::Admit(_) => self.out.event(Event::RegisterVote {
                candidate: subject,
                voter,
                choice,
                reason,
            }),
            Proposal::Evict(_) => self.out.event(Event::DeadVote {
                suspect: subject,
                voter,
                choice,
                reason,
            }),
            Proposal::Motion(_) => {}
        }
    }

    fn tell_decision(&mut self, proposal: &Proposal, decision: council::Decision) {
        let refusal = match decision {
            // What follows from it is announced with the standing.
            council::Decision::Carried(_) => return,
            council::Decision::Defeated(noes) => Refusal::Defeated(noes),
            council::Decision::Expired { silent } => Refusal::Expired { silent },
            council::Decision::Superseded(proof) => Refusal::Settled(proof),
            council::Decision::NotDurable => {
                Refusal::Unacceptable("this seed cannot store the decision".to_owned())
            }
        };
        let reason = refusal.describe(|node| self.party(node).to_string());
        match proposal {
            Proposal::Admit(record) => {
                if let Some(conn) = self.candidates.remove(&record.node) {
                    self.out.event(Event::RegisterRefused {
                        candidate: self.subject(proposal),
                        reason,
                    });
                    self.out.send(conn, Message::RegisterRefused(refusal));
                }
            }
            Proposal::Evict(report) => self.refuse_report(report, reason),
            Proposal::Motion(_) => {}
        }
    }

    /// A standing changed, durably: the members are told, and a node that is out is cut off.
    fn announce(
        &mut self,
        node: NodeId,
        proof: &Arc<Proof>,
        was: Option<(u64, Standing)>,
        now: Now,
    ) {
        let Some((_, key)) = proof.claims() else {
            return;
        };
        if was == Some((key.incarnation, key.standing)) && key.standing != Standing::Admitted {
            // The same end, by another report: no news to anybody.
            return;
        }
        let was_member = was.is_some_and(|(_, standing)| standing == Standing::Admitted);
        self.suspicions
            .handle_standing(&node, self.council.roster());
        let member = Party {
            id: node,
            address: address_of(proof),
        };
        let electorate = self.council.electorate();
        let (votes, quorum) = (proof.certificate().votes.len(), electorate.quorum());
        let seeds = electorate.seats().len();
        self.out.event(match key.standing {
            Standing::Admitted => Event::Admitted {
                member,
                incarnation: key.incarnation,
                votes,
                quorum,
                seeds,
            },
            Standing::Evicted => Event::DeadConfirmed {
                member,
                incarnation: key.incarnation,
                votes,
                quorum,
            },
            Standing::Left => Event::Left(member),
        });
        self.tell_members(proof);
        match key.standing {
            Standing::Admitted => {
                self.candidates.remove(&node);
                let has_session = self.connections.find(node, Purpose::Register).is_some();
                if has_session {
                    self.greet(node);
                } else {
                    self.orphans
                        .insert(node, now.instant + self.options.orphan_after);
                }
            }
            Standing::Evicted | Standing::Left => {
                self.orphans.remove(&node);
                self.link_counts.remove(&node);
                if was_member {
                    self.cut(node, proof);
                }
            }
        }
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
        let council = &mut self.council;
        let seat = dial.and_then(|dial| {
            let bind = |seat, voter| council.bind(seat, voter);
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
                self.write(Stored::Seat {
                    address: name,
                    id: remote,
                });
                // It may have dialled first: what was refused as a stranger's is a voter's now.
                if let Some(link) = self.link_to(remote) {
                    self.voter_is_linked(link, remote);
                }
            }
            Some((seat, Err(error))) => {
                let seat = &self.council.electorate().seats()[seat];
                self.out.event(Event::SeedIdentityChanged {
                    address: seat.name.clone(),
                    expected: seat.voter.unwrap_or(remote),
                    found: error.to_string(),
                });
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
        self.seats.handle_dial_failed(
            dial,
            &error,
            now.instant,
            self.council.electorate(),
            &mut self.out,
        );
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
                    self.handle_ready(ready, now);
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
        self.with_suspicions(now, |suspicions, with| suspicions.handle_closed(conn, with));
        self.settle(now);
    }

    fn handle_written(&mut self, write: WriteId, result: Result<(), String>, now: Now) {
        self.now = now.instant;
        let persist = self.writes.remove(&write);
        match (persist, result) {
            (Some(id), Ok(())) => self.council.handle_persisted(id),
            (None, Ok(())) => {}
            (persist, Err(why)) => {
                self.out.event(Event::StoreFailed(why));
                if let Some(id) = persist {
                    self.council.handle_persist_failed(id);
                }
            }
        }
        self.settle(now);
    }

    fn handle_request(&mut self, id: RequestId, request: Request, now: Now) {
        self.now = now.instant;
        let reply = match request {
            Request::Broadcast(_) => Some(Reply::Broadcast(Err(RequestError::NotAPeer))),
            Request::Members => {
                let members = self
                    .council
                    .roster()
                    .members()
                    .map(MemberInfo::of)
                    .collect();
                Some(Reply::Members(members))
            }
            Request::Neighbors => {
                let links = self.connections.ready(Purpose::Link).map(|(_, node)| node);
                Some(Reply::Neighbors(links.collect()))
            }
            Request::Leave => None,
        };
        match reply {
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
        self.council.handle_timeout(now);
        self.look_after_orphans(now);
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
        [
            Some(self.compare_at),
            self.orphans.values().min().copied(),
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
