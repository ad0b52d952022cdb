//! A seed that votes both ways: on every proposal it says yes to some of the other seeds and no to the others, validly
//! signed, and now and then both to one of them.
//!
//! Attacks: agreement, and that nobody votes both ways unnoticed. Expected: as long as the liars are fewer than a quorum,
//! rosters become equal: any two quorums share an honest voter, and certificates prove themselves to whoever counted
//! otherwise. Who sees both votes holds evidence against it and counts the first.

use std::collections::BTreeMap;

use quorate_consensus::{Choice, NodeId, ProposalId, Vote, council};
use quorate_node::protocol::Message;
use quorate_node::roles::{ConnId, Frame, Output};

use super::tampering::{Deviation, Hands};

/// On how many proposals is remembered what was said to whom.
const PROPOSALS_MAX: usize = 256;

/// Once in so many times somebody is shown both votes.
const BOTH_ONCE_IN: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct DoubleVoter {
    /// What each was told, and what was told last.
    said: BTreeMap<ProposalId, (BTreeMap<NodeId, Choice>, Choice)>,
}

impl DoubleVoter {
    /// What one of the others is told of a proposal: the opposite of what the one before was told.
    fn choice_for(&mut self, proposal: ProposalId, voter: NodeId, hands: &mut Hands) -> Choice {
        if self.said.len() >= PROPOSALS_MAX && !self.said.contains_key(&proposal) {
            self.said.clear();
        }
        let (said, last) = self.said.entry(proposal).or_insert_with(|| {
            let first = if hands.once_in(2) {
                Choice::Yes
            } else {
                Choice::No
            };
            (BTreeMap::new(), first)
        });
        *said.entry(voter).or_insert_with(|| {
            *last = opposite(*last);
            *last
        })
    }
}

impl Deviation for DoubleVoter {
    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        let (to, vote) = match output {
            Output::Send {
                to,
                frame: Frame::Message(Message::Council(council::Message::Vote(vote))),
            } if vote.voter == hands.me => (to, vote),
            output => {
                hands.pass(output);
                return;
            }
        };
        for conn in to {
            let Some(voter) = hands.notes.conn(conn).map(|known| known.remote) else {
                continue;
            };
            let choice = self.choice_for(vote.proposal, voter, hands);
            say(conn, &vote, choice, hands);
            if hands.once_in(BOTH_ONCE_IN) {
                say(conn, &vote, opposite(choice), hands);
            }
        }
    }
}

/// Sends a vote as it was meant, or the other one.
fn say(conn: ConnId, vote: &Vote, choice: Choice, hands: &mut Hands) {
    let said = if choice == vote.choice {
        Some(vote.clone())
    } else {
        let signer = hands.means.signer.clone();
        let electorate = hands.electorate();
        electorate.map(|electorate| Vote::cast(&*signer, &electorate, vote.proposal, choice, ""))
    };
    if let Some(said) = said {
        hands.send(conn, Message::Council(council::Message::Vote(said.into())));
    }
}

const fn opposite(choice: Choice) -> Choice {
    match choice {
        Choice::Yes => Choice::No,
        Choice::No => Choice::Yes,
    }
}
