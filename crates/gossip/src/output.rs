//! What the engine wants done, and how the driver answers.

use std::time::Duration;

use crate::content::Content;
use crate::gap::Gap;
use crate::id::MessageId;
use crate::message::Message;

/// Something for the driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output<P> {
    /// Send a message to neighbours. With several of them it is the same message, to be encoded
    /// once.
    Send {
        /// To whom; at least one, without repetition.
        to: Vec<P>,
        /// What.
        message: Message,
    },
    /// Check a content, now or later, and answer with
    /// [`Gossip::handle_checked`](crate::Gossip::handle_checked). It is neither delivered nor
    /// forwarded before.
    Check {
        /// Goes into the answer.
        check: CheckId,
        /// The neighbour that brought it first.
        from: P,
        /// What the origin of an application message has signed.
        id: MessageId,
        /// What is to be checked.
        content: Content<P>,
    },
    /// Hand a content to the application: once, after its check came back good, and never one that
    /// this node has published itself.
    Deliver {
        /// The neighbour that brought it first.
        from: P,
        /// Its name.
        id: MessageId,
        /// What it says.
        content: Content<P>,
        /// How many links it has crossed, if all on the way were honest.
        hop_count: u16,
    },
    /// Tell the application what it has missed.
    Gap(Gap<P>),
    /// Nothing has been heard from a neighbour for too long. Close the link, call
    /// [`Gossip::handle_link_down`](crate::Gossip::handle_link_down), and have the neighbour
    /// investigated. It is said once, and again only if the link is left open and falls silent
    /// anew.
    Silent {
        /// Who.
        peer: P,
        /// For how long, without the time during which this node itself stood still.
        silence: Duration,
    },
}

/// Names one check of one copy of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub(crate) u64);

/// The driver's answer to a [`Check`](Output::Check).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Good and new: deliver it, and forward it to the eager neighbours except those known to hold it, and announce
    /// it to the lazy ones.
    Accept,
    /// Good but known to the driver already, as a proof can be whose id has been forgotten: mark it
    /// as seen, and neither deliver nor forward it.
    Ignore,
    /// Bad: forget it. Its id stays open, because it may be a genuine message under a wrong
    /// signature.
    Reject,
}
