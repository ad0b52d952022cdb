//! Councils that decide motions. Whatever a council wants judged is right, and whatever it wants durable is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::council::{Config, Decision, Message, Output};
use quorate_consensus::{
    Choice, Council, Ed25519, Ed25519Key, Electorate, Motion, NetworkId, NodeId, Now, Proposal,
    QuorumRule, Scheme, Signer, Unproven,
};

use crate::command;

const NETWORK: NetworkId = NetworkId::new([7; 32]);

/// How much time passes between two decisions. Votes are remembered for two minutes, and so many of them are a limit.
const APART: Duration = Duration::from_millis(5);

/// Some voters, and what is under way between them.
pub(crate) struct Councils {
    voters: Vec<(NodeId, Council)>,
    signer: Arc<dyn Signer>,
    wire: VecDeque<(NodeId, usize, Message)>,
    now: Now,
    decided: usize,
    count: u64,
}

impl Councils {
    pub(crate) fn unsigned(voters: usize) -> Self {
        let signers = (1..=voters as u64).map(|number| {
            let signer: Arc<dyn Signer> = Arc::new(Unproven::signer(NodeId::from(number)));
            signer
        });
        Self::new(signers.collect(), Arc::new(Unproven))
    }

    pub(crate) fn signed(voters: usize) -> Self {
        let signers = (1..=voters as u8).map(|secret| {
            let signer: Arc<dyn Signer> = Arc::new(Ed25519Key::from_secret(&[secret; 32]));
            signer
        });
        Self::new(signers.collect(), Arc::new(Ed25519))
    }

    fn new(mut signers: Vec<Arc<dyn Signer>>, scheme: Arc<dyn Scheme>) -> Self {
        signers.sort_by_key(|signer| signer.id());
        let ids = signers.iter().map(|signer| signer.id());
        let electorate = Electorate::of(NETWORK, QuorumRule::Majority, ids).unwrap();
        let council = |signer: &Arc<dyn Signer>| {
            let (scheme, electorate) = (scheme.clone(), electorate.clone());
            let council = Council::new(signer.clone(), scheme, electorate, Config::default(), 1);
            (signer.id(), council.unwrap())
        };
        Self {
            voters: signers.iter().map(council).collect(),
            signer: signers[0].clone(),
            wire: VecDeque::new(),
            now: Now {
                instant: Instant::now(),
                unix_ms: 1_700_000_000_000,
            },
            decided: 0,
            count: 0,
        }
    }

    /// One motion, until every voter knows that it is carried.
    pub(crate) fn decide(&mut self) {
        self.now = self.now.after(APART);
        let now = self.now;
        let motion = Motion::sign(
            &*self.signer,
            NETWORK,
            "bench",
            command(self.count),
            self.count,
            now.unix_ms,
        );
        self.count += 1;
        self.decided = 0;
        for place in 0..self.voters.len() {
            let council = &mut self.voters[place].1;
            if council.poll_timeout().is_some_and(|at| at <= now.instant) {
                council.handle_timeout(now);
                self.drain(place);
            }
        }
        self.voters[0]
            .1
            .propose(Proposal::Motion(motion), now)
            .unwrap();
        self.drain(0);
        while let Some((from, to, message)) = self.wire.pop_front() {
            let council = &mut self.voters[to].1;
            match message {
                Message::Proposal(proposal) => {
                    let proposal = Arc::unwrap_or_clone(proposal);
                    council.handle_proposal(from, proposal, now).unwrap();
                }
                Message::Vote(vote) => council.handle_vote(vote).unwrap(),
                Message::Proof(proof) => council.handle_proof(proof).unwrap(),
            }
            self.drain(to);
        }
        assert_eq!(self.decided, self.voters.len(), "who has decided");
    }

    fn drain(&mut self, place: usize) {
        let me = self.voters[place].0;
        while let Some(output) = self.voters[place].1.poll_output() {
            match output {
                Output::Send { to, message } => {
                    let to = self.voters.binary_search_by_key(&to, |(id, _)| *id);
                    self.wire.push_back((me, to.unwrap(), message));
                }
                Output::Judge { id, .. } => {
                    let now = self.now;
                    self.voters[place]
                        .1
                        .handle_judgement(id, Choice::Yes, "", now);
                }
                Output::Persist { id, .. } => self.voters[place].1.handle_persisted(id),
                Output::Decided { decision, .. } => {
                    assert!(matches!(decision, Decision::Carried(_)), "{decision:?}");
                    self.decided += 1;
                }
                _ => {}
            }
        }
    }
}
