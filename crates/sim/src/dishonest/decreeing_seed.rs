//! A seed that decides alone: it announces admissions and evictions that no quorum voted, with its own signature only or
//! with signatures in the others' names that nobody made; it brings evictions of members that live to the vote, and votes
//! yes on every eviction without a probe.
//!
//! Attacks: nobody is in or out without a quorum's signatures, and no false eviction. Expected: its certificates prove
//! nothing to anybody, and cost it the connection where they are forged; its one yes is never a quorum.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{
    Certificate, Choice, NodeId, Proof, Proposal, ProposalId, Record, SmallMap, Vote, council,
};
use quorate_node::protocol::{Message, Purpose, RosterMessage};
use quorate_node::roles::{ConnId, Frame, Output};

use super::accuser;
use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(10);

/// How many evictions it remembers having voted on.
const EVICTIONS_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct DecreeingSeed {
    beat: Beat,
    evictions: BTreeSet<ProposalId>,
}

impl DecreeingSeed {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, Some(LATER), hands),
            evictions: BTreeSet::new(),
        }
    }

    fn vote_yes(&mut self, proposal: ProposalId, to: Vec<ConnId>, hands: &mut Hands) {
        if let Some(electorate) = hands.electorate() {
            if self.evictions.len() >= EVICTIONS_MAX {
                self.evictions.pop_first();
            }
            self.evictions.insert(proposal);
            let signer = hands.means.signer.clone();
            let yes = Vote::cast(&*signer, &electorate, proposal, Choice::Yes, "");
            hands.send_all(to, Message::Council(council::Message::Vote(yes.into())));
        }
    }
}

impl Deviation for DecreeingSeed {
    fn handle_frame(&mut self, _conn: ConnId, frame: Frame, hands: &mut Hands) -> Option<Frame> {
        if let Frame::Message(Message::Council(council::Message::Proposal(proposal))) = &frame
            && matches!(**proposal, Proposal::Evict(_))
        {
            let links = conns(Purpose::Link, hands);
            self.vote_yes(proposal.id(), links, hands);
        }
        Some(frame)
    }

    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        match output {
            // What the honest role found on its own probe.
            Output::Send {
                to,
                frame: Frame::Message(Message::Council(council::Message::Vote(vote))),
            } if self.evictions.contains(&vote.proposal) => {
                self.vote_yes(vote.proposal, to, hands);
            }
            Output::Send {
                to,
                frame: Frame::Message(Message::Council(council::Message::Votes(votes))),
            } if votes
                .iter()
                .any(|vote| self.evictions.contains(&vote.proposal)) =>
            {
                let about: BTreeSet<ProposalId> = votes.iter().map(|vote| vote.proposal).collect();
                for proposal in about {
                    self.vote_yes(proposal, to.clone(), hands);
                }
            }
            Output::Send {
                to,
                frame: Frame::Message(Message::Council(council::Message::Proposal(proposal))),
            } => {
                if matches!(*proposal, Proposal::Evict(_)) {
                    self.vote_yes(proposal.id(), to.clone(), hands);
                }
                let proposal = council::Message::Proposal(proposal);
                hands.send_all(to, Message::Council(proposal));
            }
            output => hands.pass(output),
        }
    }

    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) {
            return;
        }
        let members = hands.notes.members();
        let links = conns(Purpose::Link, hands);
        if let Some((suspect, _)) = hands.pick(&members) {
            let others = members.iter().map(|(record, _)| record.node).collect();
            let report = accuser::report(&suspect, others, hands);
            let proposal = Proposal::Evict(report);
            let brought = council::Message::Proposal(proposal.clone().into());
            hands.send_all(links, Message::Council(brought));
            announce(proposal, hands);
        }
        let candidates: Vec<Record> = hands.notes.candidates.iter().cloned().collect();
        if let Some(record) = hands.pick(&candidates) {
            announce(Proposal::Admit(record), hands);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

fn conns(purpose: Purpose, hands: &Hands) -> Vec<ConnId> {
    let ready = hands.notes.ready(purpose);
    ready.into_iter().map(|(conn, _)| conn).collect()
}

/// A decision that nobody took, to all seeds and peers.
fn announce(proposal: Proposal, hands: &mut Hands) {
    let Some(proof) = certify(proposal, hands) else {
        return;
    };
    let proof = Arc::new(proof);
    let links = conns(Purpose::Link, hands);
    if hands.once_in(2) {
        let settled = council::Message::Proof(proof.clone());
        hands.send_all(links, Message::Council(settled));
    } else {
        let news = RosterMessage::Proofs(vec![proof.clone()]);
        hands.send_all(links, Message::Roster(news));
    }
    let sessions = conns(Purpose::Register, hands);
    let news = RosterMessage::Proofs(vec![proof]);
    hands.send_all(sessions, Message::Roster(news));
}

/// A certificate with the liar's own signature, and perhaps what looks like the others'.
fn certify(proposal: Proposal, hands: &mut Hands) -> Option<Proof> {
    let electorate = hands.electorate()?;
    let signer = hands.means.signer.clone();
    let own = Vote::cast(&*signer, &electorate, proposal.id(), Choice::Yes, "");
    let mut votes = SmallMap::from_iter([(hands.me, own.signature)]);
    if hands.once_in(2) {
        let seeds: BTreeSet<NodeId> = hands.notes.seeds().into_iter().map(|(_, id)| id).collect();
        for seed in seeds {
            let garbage = hands.garbage();
            votes.insert(seed, garbage);
        }
    }
    Proof::of(Certificate {
        proposal: proposal.into(),
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes,
    })
}
