//! A virtual network of councils: a queue for the wires, a map for each disk, and clocks that only tests move.
//!
//! Each station answers its council's outputs as its verdict and disk say. Everything a council puts out is logged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::council::{
    Config, Decision, Durable, Message, Output, PersistId, ProposeError,
};
use quorate_consensus::{
    Choice, Council, Electorate, NodeId, Now, Proof, Proposal, ProposalId, Scheme, Signer,
    StandingKey, Unproven, Vote,
};

use crate::sample::{electorate, signer, start};

/// What a station answers when its council asks for a judgement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Yes,
    No(&'static str),
    /// Nothing, until the test answers with [`Net::judge`].
    Later,
}

/// How a station's disk behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Prompt,
    /// Writes wait for [`Net::flush`].
    Slow,
    Broken,
}

/// What a driver keeps of [`Durable`], as its documentation says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    pub(crate) votes: BTreeMap<ProposalId, (u64, Vote)>,
    pub(crate) proofs: BTreeMap<NodeId, Arc<Proof>>,
}

#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) id: NodeId,
    pub(crate) verdict: Verdict,
    pub(crate) disk: Disk,
    /// Cut off: nothing it sends arrives, nothing reaches it.
    pub(crate) is_cut: bool,
    pub(crate) log: Vec<Output>,
    pub(crate) store: Store,
    /// Asked for and not written yet.
    pub(crate) writes: VecDeque<(PersistId, Durable)>,
    /// Asked and not answered yet.
    pub(crate) asked: Vec<ProposalId>,
    signer: Arc<dyn Signer>,
    council: Option<Council>,
}

#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) message: Message,
}

#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) now: Now,
    pub(crate) stations: Vec<Station>,
    pub(crate) wire: VecDeque<Envelope>,
    pub(crate) electorate: Electorate,
    config: Config,
    scheme: Arc<dyn Scheme>,
}

impl Net {
    /// Voters 1 to `voters` at stations 0 onwards, deciding by majority.
    pub(crate) fn new(voters: u64) -> Self {
        Self::with(electorate(voters), Config::default())
    }

    pub(crate) fn with(electorate: Electorate, config: Config) -> Self {
        let voters = electorate.seats().len() as u64;
        let signers = (1..=voters).map(|number| Arc::new(signer(number)) as Arc<dyn Signer>);
        Self::signed(electorate, config, Arc::new(Unproven), signers)
    }

    pub(crate) fn signed(
        electorate: Electorate,
        config: Config,
        scheme: Arc<dyn Scheme>,
        signers: impl IntoIterator<Item = Arc<dyn Signer>>,
    ) -> Self {
        let stations = signers.into_iter().map(|signer| Station {
            id: signer.id(),
            verdict: Verdict::Yes,
            disk: Disk::Prompt,
            is_cut: false,
            log: Vec::new(),
            store: Store::default(),
            writes: VecDeque::new(),
            asked: Vec::new(),
            signer,
            council: None,
        });
        let mut net = Self {
            now: start(),
            stations: stations.collect(),
            wire: VecDeque::new(),
            electorate,
            config,
            scheme,
        };
        for at in net.all() {
            net.restart(at);
        }
        net
    }

    pub(crate) fn all(&self) -> std::ops::Range<usize> {
        0..self.stations.len()
    }

    pub(crate) fn council(&self, at: usize) -> &Council {
        self.stations[at].council.as_ref().unwrap()
    }

    /// For direct calls; [`pump`](Self::pump) or [`run`](Self::run) then carries out what came of them.
    pub(crate) fn council_mut(&mut self, at: usize) -> &mut Council {
        self.stations[at].council.as_mut().unwrap()
    }

    pub(crate) fn is_up(&self, at: usize) -> bool {
        self.stations[at].council.is_some()
    }

    pub(crate) fn propose(
        &mut self,
        at: usize,
        proposal: &Proposal,
    ) -> Result<ProposalId, ProposeError> {
        let now = self.now;
        let proposed = self.council_mut(at).propose(proposal.clone(), now);
        self.pump(at);
        proposed
    }

    /// Answers what a station was asked.
    pub(crate) fn judge(&mut self, at: usize, id: ProposalId, choice: Choice) {
        let now = self.now;
        self.stations[at].asked.retain(|asked| *asked != id);
        self.council_mut(at).handle_judgement(id, choice, "", now);
        self.pump(at);
    }

    /// Writes what a station's disk was asked to, and says so.
    pub(crate) fn flush(&mut self, at: usize) {
        while let Some((id, durable)) = self.stations[at].writes.pop_front() {
            self.stations[at].store.write(durable);
            self.council_mut(at).handle_persisted(id);
            self.pump(at);
        }
    }

    /// Delivers everything under way, and what comes of it, without letting time pass.
    pub(crate) fn run(&mut self) {
        for at in self.all() {
            self.pump(at);
        }
        while let Some(envelope) = self.wire.pop_front() {
            self.deliver(envelope);
        }
    }

    /// As [`run`](Self::run), then lets time pass, timer by timer.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.run();
        let end = self.now.after(duration);
        while let Some(due) = self.poll_timeout().filter(|due| *due <= end.instant) {
            self.now = self.now.after(due.duration_since(self.now.instant));
            self.tick();
            self.run();
        }
        self.now = end;
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let councils = self.stations.iter().flat_map(|station| &station.council);
        councils.filter_map(Council::poll_timeout).min()
    }

    pub(crate) fn tick(&mut self) {
        let now = self.now;
        for station in &mut self.stations {
            if let Some(council) = &mut station.council {
                council.handle_timeout(now);
            }
        }
    }

    /// Cut off from the others, with what is under way to and from it.
    pub(crate) fn cut(&mut self, at: usize) {
        self.stations[at].is_cut = true;
        self.wire
            .retain(|envelope| envelope.from != at && envelope.to != at);
    }

    /// Linked again; both ends of each link notice.
    pub(crate) fn heal(&mut self, at: usize) {
        self.stations[at].is_cut = false;
        let id = self.stations[at].id;
        for other in self.all().filter(|other| *other != at) {
            let other_id = self.stations[other].id;
            for (here, voter) in [(other, id), (at, other_id)] {
                if let Some(council) = &mut self.stations[here].council {
                    council.handle_voter_up(voter);
                    self.pump(here);
                }
            }
        }
    }

    /// Stopped dead: what was not written is lost, and so is what is under way to it.
    pub(crate) fn crash(&mut self, at: usize) {
        let station = &mut self.stations[at];
        station.council = None;
        station.writes.clear();
        station.asked.clear();
        self.wire.retain(|envelope| envelope.to != at);
    }

    /// Up again, with what its disk holds.
    pub(crate) fn restart(&mut self, at: usize) {
        let station = &mut self.stations[at];
        let mut council = Council::new(
            station.signer.clone(),
            self.scheme.clone(),
            self.electorate.clone(),
            self.config.clone(),
            at as u64,
        )
        .unwrap();
        for (opened_ms, vote) in station.store.votes.values() {
            council.restore_vote(*opened_ms, vote.clone());
        }
        for proof in station.store.proofs.values() {
            council.restore_proof(proof.clone()).unwrap();
        }
        station.council = Some(council);
    }

    pub(crate) fn deliver(&mut self, envelope: Envelope) {
        let Envelope { from, to, message } = envelope;
        if self.stations[from].is_cut || self.stations[to].is_cut {
            return;
        }
        let (from, now) = (self.stations[from].id, self.now);
        let Some(council) = &mut self.stations[to].council else {
            return;
        };
        // What a council refuses is tested where it is called directly.
        match message {
            Message::Proposal(proposal) => {
                let _refused = council.handle_proposal(from, proposal, now);
            }
            Message::Vote(vote) => {
                let _refused = council.handle_vote(vote);
            }
            Message::Votes(votes) => {
                let _refused = council.handle_votes(&votes);
            }
            Message::Proof(proof) => council.handle_settled(from, proof).unwrap(),
        }
        self.pump(to);
    }

    /// Carries out what a council wants.
    pub(crate) fn pump(&mut self, at: usize) {
        loop {
            let station = &mut self.stations[at];
            let Some(output) = station.council.as_mut().and_then(Council::poll_output) else {
                return;
            };
            station.log.push(output.clone());
            match output {
                Output::Send { to, message } => {
                    if let Some(to) = self.stations.iter().position(|station| station.id == to) {
                        self.wire.push_back(Envelope {
                            from: at,
                            to,
                            message,
                        });
                    }
                }
                Output::Judge { id, .. } => {
                    let (choice, reason) = match station.verdict {
                        Verdict::Yes => (Choice::Yes, ""),
                        Verdict::No(reason) => (Choice::No, reason),
                        Verdict::Later => {
                            station.asked.push(id);
                            continue;
                        }
                    };
                    let now = self.now;
                    self.council_mut(at)
                        .handle_judgement(id, choice, reason, now);
                }
                Output::Persist { id, durable } => match station.disk {
                    Disk::Prompt => {
                        station.store.write(durable);
                        self.council_mut(at).handle_persisted(id);
                    }
                    Disk::Slow => station.writes.push_back((id, durable)),
                    Disk::Broken => self.council_mut(at).handle_persist_failed(id),
                },
                _ => {}
            }
        }
    }

    /// Exchanges all proofs between all stations that are up, as anti-entropy does.
    pub(crate) fn exchange_proofs(&mut self) {
        let up: Vec<usize> = self.all().filter(|at| self.is_up(*at)).collect();
        for &from in &up {
            let proofs: Vec<_> = self
                .council(from)
                .roster()
                .iter()
                .map(|(_, entry)| entry.proof.clone())
                .collect();
            for &to in up.iter().filter(|to| **to != from) {
                for proof in &proofs {
                    self.council_mut(to).handle_proof(proof.clone()).unwrap();
                }
                self.pump(to);
            }
        }
    }

    /// How votes on a proposal have ended at a station, in order.
    pub(crate) fn decisions(&self, at: usize, id: ProposalId) -> Vec<&Decision> {
        let log = self.stations[at].log.iter();
        log.filter_map(|output| match output {
            Output::Decided { proposal, decision } if proposal.id() == id => Some(decision),
            _ => None,
        })
        .collect()
    }

    pub(crate) fn committed(&self, at: usize) -> Vec<(NodeId, StandingKey)> {
        let log = self.stations[at].log.iter();
        log.filter_map(|output| match output {
            Output::Committed { proof, .. } => proof.claims(),
            _ => None,
        })
        .collect()
    }

    /// The votes of its own that a station has sent, repetitions included.
    pub(crate) fn votes_sent(&self, at: usize) -> Vec<&Vote> {
        let Station { log, id, .. } = &self.stations[at];
        let sent = log.iter().flat_map(|output| match output {
            Output::Send { message, .. } => message.votes(),
            _ => &[],
        });
        let own = sent.filter(|vote| vote.voter == *id);
        own.map(|vote| &**vote).collect()
    }
}

impl Store {
    pub(crate) fn write(&mut self, durable: Durable) {
        match durable {
            Durable::Vote { opened_ms, vote } => {
                let vote = Arc::unwrap_or_clone(vote);
                self.votes.insert(vote.proposal, (opened_ms, vote));
            }
            Durable::Proof(proof) => {
                let (node, _) = proof.claims().unwrap();
                self.proofs.insert(node, proof);
            }
            Durable::Forgotten(node) => {
                self.proofs.remove(&node);
            }
        }
    }
}
