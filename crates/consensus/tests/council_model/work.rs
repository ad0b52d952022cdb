//! One turn while it is made: the driver of a real `Council`, its clock, and its disk.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use quorate_consensus::council::{Config, Message, Output, PersistId};
use quorate_consensus::{Choice, Council, Now, Proof, Proposal, Unproven, Vote, VoteError};

use crate::bounds::{Judging, Weakness};
use crate::cast::{ALL, C, WALL_MS, id, who};
use crate::disk::Write;
use crate::face::face;
use crate::node::{Input, Node, Past, Present, Shown, Turning};
use crate::wire::{Content, Envelope};

/// Far longer than all turns between two restarts take together.
const DEADLINE_MS: u64 = 10_000;

pub(crate) struct Work<'a> {
    turning: &'a Turning,
    who: usize,
    council: Council,
    start: Past,
    log: Vec<Input>,
    past: Past,
    clock_ms: u64,
    waiting: VecDeque<(PersistId, Write)>,
    asked: BTreeSet<usize>,
    pub(crate) sent: Vec<Envelope>,
    /// What a crash after each write of this turn would leave, and how much was sent by then.
    moments: Vec<(Past, usize)>,
}

impl<'a> Work<'a> {
    /// A seed starts with what it made durable.
    pub(crate) fn begin(turning: &'a Turning, who: usize, past: Past) -> Self {
        let config = Config {
            deadline: Duration::from_millis(DEADLINE_MS),
            // Due in the turn after, without jitter.
            resend_first: Duration::from_micros(1),
            resend_max: Duration::from_micros(1),
            ..Config::default()
        };
        let signer = Arc::new(Unproven::signer(id(who)));
        let electorate = turning.cast.electorate.clone();
        let mut council = Council::new(signer, Arc::new(Unproven), electorate, config, 0).unwrap();
        for (opened_ms, vote) in past.disk.votes.values() {
            council.restore_vote(*opened_ms, vote.clone());
        }
        let mut fault = None;
        for proof in past.disk.proofs.values() {
            if let Err(error) = council.restore_proof(proof.clone()) {
                fault = Some(format!("a stored proof does not verify: {error}"));
            }
        }
        let mut work = Self {
            turning,
            who,
            council,
            start: past.clone(),
            log: Vec::new(),
            past,
            clock_ms: 0,
            waiting: VecDeque::new(),
            asked: BTreeSet::new(),
            sent: Vec::new(),
            moments: Vec::new(),
        };
        work.past.fault = work.past.fault.take().or(fault);
        work
    }

    /// Where a seed was.
    pub(crate) fn resume(turning: &'a Turning, node: &Node) -> Self {
        let mut work = Self::begin(turning, node.now.who, node.start.clone());
        for input in &node.log {
            work.take(*input);
        }
        debug_assert_eq!(work.present(), node.now, "a replay comes out elsewhere");
        work.sent.clear();
        work.moments.clear();
        work
    }

    pub(crate) fn take(&mut self, input: Input) {
        self.log.push(input);
        self.clock_ms += 1;
        let now = self.now();
        match input {
            Input::Take(envelope) => self.hear(&envelope.content),
            Input::Bring(which) => {
                let proposal = Proposal::clone(&self.turning.cast.proposals[which]);
                // In vain, if it is settled.
                let _brought = self.council.propose(proposal, now);
                // Its vote may reach everybody, and need not: whether they ask for it first makes no difference then.
                self.hear(&Content::Proposal(which));
            }
            Input::Judge(which, choice) => {
                self.asked.remove(&which);
                let id = self.turning.cast.proposals[which].id();
                self.council.handle_judgement(id, choice, "", now);
            }
            Input::Write => {
                let (persist, write) = self.waiting.pop_front().unwrap();
                self.write(write);
                if self.turning.bounds.weakness != Weakness::DurableTooSoon {
                    self.council.handle_persisted(persist);
                }
            }
            Input::Expire => self.clock_ms += DEADLINE_MS,
            Input::Tick | Input::Restart => {}
        }
        self.settle();
        // What may be sent again is sent at once: nothing says when it arrives, if ever.
        self.clock_ms += 1;
        let now = self.now();
        self.council.handle_timeout(now);
        self.settle();
        let (council, cast) = (&self.council, &self.turning.cast);
        self.asked
            .retain(|which| council.is_open(&cast.proposals[*which].id()));
    }

    fn hear(&mut self, content: &Content) {
        let now = self.now();
        match content {
            Content::Proposal(which) => {
                let proposal = Proposal::clone(&self.turning.cast.proposals[*which]);
                for from in self.others() {
                    // Not at odds with anything: it may be settled, or too early.
                    let _taken = self
                        .council
                        .handle_proposal(id(from), proposal.clone(), now);
                }
            }
            Content::Vote(vote) => match self.council.handle_vote(vote.clone()) {
                Ok(()) | Err(VoteError::Equivocation(_)) => {}
                Err(error) => self.fault(format!("a good vote is refused: {error}")),
            },
            Content::Proof(proof, _) => {
                if let Err(error) = self.council.handle_proof(proof.clone()) {
                    self.fault(format!("a good certificate is refused: {error}"));
                }
            }
            Content::Forged(proof) => {
                // Refused, or not even looked at.
                let _refused = self.council.handle_proof(proof.clone());
            }
        }
    }

    fn settle(&mut self) {
        while let Some(output) = self.council.poll_output() {
            self.put_out(output);
        }
    }

    fn put_out(&mut self, output: Output) {
        let bounds = &self.turning.bounds;
        match output {
            Output::Send { to, message } => self.send(who(&to), message),
            Output::Judge { id, .. } => {
                if bounds.judging == Judging::Yes {
                    let now = self.now();
                    self.council.handle_judgement(id, Choice::Yes, "", now);
                } else {
                    self.asked.insert(self.turning.cast.which(&id));
                }
            }
            Output::Persist { id, durable } => {
                if !bounds.are_disks_slow {
                    self.write(durable.into());
                    self.council.handle_persisted(id);
                    return;
                }
                self.waiting.push_back((id, durable.into()));
                if bounds.weakness == Weakness::DurableTooSoon {
                    self.council.handle_persisted(id);
                }
            }
            Output::Committed { node, proof, .. } => {
                let (_, key) = proof.claims().unwrap();
                let before = self.past.committed.insert(node, key);
                if before.is_some_and(|before| before >= key) {
                    self.fault("a committed standing is not greater than the last".to_owned());
                }
                self.tell(&proof);
            }
            Output::Widened { proof, .. } => self.tell(&proof),
            Output::Equivocated(evidence) => {
                self.turning.has_evidence.store(true, Ordering::Relaxed);
                if !(bounds.is_c_a_liar && evidence.first.voter == id(C)) {
                    self.fault(format!("an honest seed signed both ways: {evidence:?}"));
                }
            }
            Output::Counted { .. } | Output::Decided { .. } => {}
        }
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let me = self.who;
        ALL.into_iter().filter(move |who| *who != me)
    }

    /// What any comparison of rosters may from now on bring to the others.
    fn tell(&mut self, proof: &Arc<Proof>) {
        if self.turning.bounds.are_rosters_compared {
            for to in self.others() {
                self.send(to, Message::Proof(proof.clone()));
            }
        }
    }

    fn send(&mut self, to: usize, message: Message) {
        let cast = &self.turning.cast;
        let content = match message {
            // Each may be lost, or come before another, on its own: that is more than can happen. What a seed durably
            // said it knows.
            Message::Votes(votes) => {
                let told = votes.iter().filter(|vote| vote.voter != id(to));
                for vote in told {
                    self.post(to, Content::Vote(Vote::clone(vote)));
                }
                return;
            }
            Message::Proposal(proposal) => Content::Proposal(cast.which(&proposal.id())),
            Message::Vote(vote) => {
                self.past
                    .said
                    .insert((cast.which(&vote.proposal), vote.choice));
                Content::Vote(Arc::unwrap_or_clone(vote))
            }
            Message::Proof(proof) => Content::proof(cast, proof),
        };
        self.post(to, content);
    }

    fn post(&mut self, to: usize, content: Content) {
        let envelope = Envelope { to, content };
        if !self.sent.contains(&envelope) {
            self.sent.push(envelope);
        }
    }

    fn write(&mut self, write: Write) {
        if let Write::Vote(_, vote) = &write {
            let which = self.turning.cast.which(&vote.proposal);
            self.past.said.insert((which, vote.choice));
        }
        self.past.disk.write(write);
        self.moments.push((self.past.clone(), self.sent.len()));
    }

    /// The same turn, ended by a crash after each write but the last.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = (Past, Vec<Envelope>)> {
        let moments = self.moments.split_last().map_or(&[][..], |(_, all)| all);
        let sent = |sent: usize| self.sent[..sent].to_vec();
        moments
            .iter()
            .map(move |(past, count)| (past.clone(), sent(*count)))
    }

    fn fault(&mut self, what: String) {
        self.past.fault.get_or_insert(what);
    }

    fn now(&self) -> Now {
        Now {
            instant: beginning() + Duration::from_millis(self.clock_ms),
            unix_ms: WALL_MS,
        }
    }

    fn present(&self) -> Present {
        Present {
            who: self.who,
            council: face(&self.council),
            waiting: self
                .waiting
                .iter()
                .map(|(_, write)| write.clone())
                .collect(),
            asked: self.asked.clone(),
            past: self.past.clone(),
        }
    }

    pub(crate) fn node(self) -> Node {
        Node {
            now: self.present(),
            shown: self.shown(),
            start: self.start,
            log: self.log,
        }
    }

    fn shown(&self) -> Shown {
        let cast = &self.turning.cast;
        let roster = self.council.roster();
        let entries = roster.iter();
        let entries = entries.map(|(node, entry)| (*node, (entry.key, entry.proof.clone())));
        let on_disk = self.past.disk.proofs.values();
        let waiting = self.waiting.iter().filter_map(|(_, write)| match write {
            Write::Proof(proof) => Some(proof),
            Write::Vote(..) => None,
        });
        let held = roster.iter().map(|(_, entry)| &entry.proof);
        let proofs = held.chain(on_disk).chain(waiting);
        let votes = self.past.disk.votes.values();
        let yes = votes.filter(|(_, vote)| vote.choice == Choice::Yes);
        let questions = cast.proposals.iter().enumerate();
        let open = questions.filter(|(_, proposal)| self.council.is_open(&proposal.id()));
        Shown {
            digest: roster.digest(),
            roster: entries.collect(),
            certificates: proofs.map(|proof| cast.sealed(proof)).collect(),
            yes: yes.fold(0, |yes, (_, vote)| yes | (1 << cast.which(&vote.proposal))),
            open: open.map(|(which, _)| which).collect(),
        }
    }
}

/// Where all monotonic clocks start.
#[expect(
    clippy::disallowed_methods,
    reason = "the standard library has no other way to an Instant; only differences matter"
)]
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now)
}
