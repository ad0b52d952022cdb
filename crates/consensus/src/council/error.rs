//! Why a proposal is not put to the vote.

use std::ops::Range;
use std::sync::Arc;

use crate::id::{NetworkId, NodeId};
use crate::proposal::ProposalError;
use crate::roster::{Proof, Standing};
use crate::time::VOTING_WINDOW_MS;

/// Why a proposal is not put to the vote. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// Its form or a signature.
    #[error(transparent)]
    Content(#[from] ProposalError),
    /// Meant for another network.
    #[error("expected a proposal of network {expected}, got one of {got}")]
    AnotherNetwork {
        /// The electorate's.
        expected: NetworkId,
        /// The proposal's.
        got: NetworkId,
    },
    /// Opened too long ago, or in the future: a replay, or a clock that is off.
    #[error(
        "expected a proposal opened within {} s of {now_ms} ms, got one opened at {opened_ms} ms (is a clock off?)",
        VOTING_WINDOW_MS / 1000
    )]
    OutsideWindow {
        /// When it was opened, by its author's clock, in milliseconds since the Unix epoch.
        opened_ms: u64,
        /// This voter's clock.
        now_ms: u64,
    },
    /// The node's standing is that already, or beyond it.
    #[error("{}", settled(.0))]
    Settled(Arc<Proof>),
    /// A life of another epoch: it may have been entered before, and its end forgotten. Whoever follows the changes of the
    /// electorate takes the next after all it knows of, from [`first_life`](crate::first_life) on.
    #[error(
        "expected an incarnation from {} to {} in epoch {epoch}, got {got} (follow the changes of the electorate first)",
        .expected.start, .expected.end.saturating_sub(1)
    )]
    AnotherEpochsLife {
        /// The voters' epoch.
        epoch: u64,
        /// The lives that can be entered in it.
        expected: Range<u64>,
        /// The candidate's.
        got: u64,
    },
    /// An eviction of a node that is not known as a member at that incarnation.
    #[error("{suspect} is not known as a member at incarnation {incarnation}")]
    UnknownSuspect {
        /// Whom it is about.
        suspect: NodeId,
        /// Which life.
        incarnation: u64,
    },
    /// A report by neither a member nor a voter.
    #[error("{0} is neither a member nor a voter and cannot report a death")]
    NotAReporter(NodeId),
    /// A motion by no voter.
    #[error("{0} is not a voter and cannot bring a motion")]
    NotAProposer(NodeId),
    /// The limit of open proposals, in all or about this node, is reached.
    #[error("too many proposals are open; try again later")]
    TooManyOpen,
    /// This electorate gives no more votes: it is followed by another.
    #[error("the voters are changing; try again in a moment")]
    Sealed,
}

fn settled(proof: &Proof) -> String {
    let Some((node, key)) = proof.claims() else {
        return "the proof is of no standing".to_owned();
    };
    let what = match key.standing {
        Standing::Admitted => "was admitted",
        Standing::Evicted => "was evicted",
        Standing::Left => "has left",
    };
    format!(
        "{} {what} at incarnation {} already",
        node.short(),
        key.incarnation
    )
}
