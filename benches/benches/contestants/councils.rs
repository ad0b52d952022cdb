//! Councils that decide motions. Whatever a council wants judged is right, and whatever it wants durable is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::council::{Config, Decision, Message, Output};
use quorate_consensus::{
    Certificate, Choice, Council, Ed25519, Ed25519Key, Electorate, NetworkId, NodeId, Now,
    Proposal, QuorumRule, Scheme, Signer, Unproven,
};

use super::{Contestant, command, number_of};

pub(crate) const NETWORK: NetworkId = NetworkId::new([7; 32]);

/// How much time passes between two decisions. Votes are remembered for two minutes, and so are theirs.
const APART: Duration = Duration::from_secs(1);

/// Some voters, and what is under way between them.
pub(crate) struct Councils {
    voters: Vec<(NodeId, Council)>,
    /// Where a voter is, by the byte in which all names differ, as a transport knows its connections.
    places: [usize; 256],
    differing: usize,
    wire: VecDeque<(usize, usize, Message)>,
    now: Now,
    decided: usize,
    count: u64,
    /// The first voter's of the last decision.
    pub(crate) certificate: Option<Box<Certificate>>,
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

    pub(crate) fn new(mut signers: Vec<Arc<dyn Signer>>, scheme: Arc<dyn Scheme>) -> Self {
        signers.sort_by_key(|signer| signer.id());
        let ids = signers.iter().map(|signer| signer.id());
        let electorate = Electorate::of(NETWORK, QuorumRule::Majority, ids).unwrap();
        let council = |signer: &Arc<dyn Signer>| {
            let (scheme, electorate) = (scheme.clone(), electorate.clone());
            let council = Council::new(signer.clone(), scheme, electorate, Config::default(), 1);
            (signer.id(), council.unwrap())
        };
        let mut places = [0; 256];
        let is_differing = |byte: &usize| {
            let mut seen = [false; 256];
            signers.iter().all(|signer| {
                let was_seen = &mut seen[usize::from(signer.id().as_bytes()[*byte])];
                !std::mem::replace(was_seen, true)
            })
        };
        let differing = (0..32).find(is_differing).unwrap();
        for (place, signer) in signers.iter().enumerate() {
            places[usize::from(signer.id().as_bytes()[differing])] = place;
        }
        Self {
            places,
            differing,
            voters: signers.iter().map(council).collect(),
            wire: VecDeque::new(),
            now: Now {
                instant: Instant::now(),
                unix_ms: 1_700_000_000_000,
            },
            decided: 0,
            count: 0,
            certificate: None,
        }
    }

    fn drain(&mut self, place: usize) {
        let council = &mut self.voters[place].1;
        while let Some(output) = council.poll_output() {
            match output {
                Output::Send { to, message } => {
                    let to = self.places[usize::from(to.as_bytes()[self.differing])];
                    self.wire.push_back((place, to, message));
                }
                Output::Judge { id, .. } => {
                    council.handle_judgement(id, Choice::Yes, "", self.now);
                }
                Output::Persist { id, .. } => council.handle_persisted(id),
                Output::Decided { proposal, decision } => {
                    let Proposal::Motion(motion) = &*proposal else {
                        unreachable!("a motion is decided, not to {proposal}");
                    };
                    assert_eq!(number_of(&motion.body), self.count);
                    let Decision::Carried(certificate) = decision else {
                        unreachable!("all say yes, but it ended so: {decision:?}");
                    };
                    self.decided += 1;
                    if place == 0 {
                        self.certificate = Some(certificate);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Contestant for Councils {
    fn decide(&mut self) {
        self.now = self.now.after(APART);
        let now = self.now;
        self.decided = 0;
        for place in 0..self.voters.len() {
            let council = &mut self.voters[place].1;
            if council.poll_timeout().is_some_and(|at| at <= now.instant) {
                council.handle_timeout(now);
                self.drain(place);
            }
        }
        let proposer = &mut self.voters[0].1;
        let body = command(self.count);
        proposer
            .propose_motion("bench", body, self.count, now)
            .unwrap();
        self.drain(0);
        while let Some((from, to, message)) = self.wire.pop_front() {
            let from = self.voters[from].0;
            let council = &mut self.voters[to].1;
            match message {
                Message::Proposal(proposal) => {
                    council.handle_proposal(from, proposal, now).unwrap();
                }
                Message::Vote(vote) => council.handle_vote(vote).unwrap(),
                Message::Votes(votes) => council.handle_votes(&votes).unwrap(),
                Message::Proof(proof) => council.handle_settled(from, proof).unwrap(),
            }
            self.drain(to);
        }
        assert_eq!(self.decided, self.voters.len(), "who has decided");
        self.count += 1;
    }
}
