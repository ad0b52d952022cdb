//! The roles: what a seed and a peer do, as pure state machines.
//!
//! A role never touches a socket, a clock or a disk. The runtime (or a simulator) tells it what happened through
//! `handle_…` with the time, and carries out what it finds in [`Role::poll_output`], in order. After any `handle_…`,
//! drain the outputs, then read [`Role::poll_timeout`] anew.

pub mod back_off;
pub mod bootstrap;
pub mod comparisons;
pub mod connections;
pub mod fetching;
pub mod member;
pub mod peer;
pub mod probing;
pub mod reputation;
pub mod roster_sync;
pub mod seats;
pub mod seed;
pub mod speech;
pub mod suspicion;
pub mod testifying;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use quorate_consensus::conclave::SeatError;
use quorate_consensus::succession::SayError;
use quorate_consensus::{Digest, NetworkId, NodeId, Now};
use quorate_gossip::{BroadcastError, Published};

pub use bootstrap::Bootstrap;
pub use member::Member;
pub use peer::Peer;
pub use seed::Seed;

use crate::admission::PendingCandidate;
use crate::config::{SeedLine, SeedList};
use crate::event::{Event, MemberInfo, Party};
use crate::explanation::Explanation;
use crate::protocol::{Hello, Message};
use crate::store::Stored;

/// Names one connection; the runtime numbers them as they come up, and never reuses a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Names one dial until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// Names one write until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Names one application request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A role: driven by `handle_…`, polled for outputs and its next deadline.
pub trait Role: Send + 'static {
    /// A connection is up under TLS: `remote` is proven. `dial` says which dial it answers; `None`, it was accepted.
    fn handle_connected(
        &mut self,
        conn: ConnId,
        dial: Option<DialId>,
        remote: NodeId,
        address: &str,
        now: Now,
    );

    /// A dial failed at every endpoint.
    fn handle_dial_failed(&mut self, dial: DialId, error: DialError, now: Now);

    /// The host behind a dial that asked for it answers ICMP, or does not.
    fn handle_pinged(&mut self, dial: DialId, answers: bool, now: Now);

    /// A frame arrived: one hello, then messages.
    fn handle_frame(&mut self, conn: ConnId, frame: Frame, now: Now);

    /// A connection is gone. Also called after [`Output::Close`].
    fn handle_closed(&mut self, conn: ConnId, cause: &str, now: Now);

    /// A write is durable, or failed and why.
    fn handle_written(&mut self, write: WriteId, result: Result<(), String>, now: Now);

    /// The application asks.
    fn handle_request(&mut self, id: RequestId, request: Request, now: Now);

    /// The deadline that [`poll_timeout`](Self::poll_timeout) gave has come.
    fn handle_timeout(&mut self, now: Now);

    /// What to do next.
    fn poll_output(&mut self) -> Option<Output>;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// What travels in one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first each way.
    Hello(Hello),
    /// All others.
    Message(Message),
}

/// Why a dial failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// No endpoint accepted a connection.
    #[error("{0}")]
    Unreachable(String),
    /// Nobody of that key is there: every endpoint refused the connection, or another node answered.
    #[error("{0}")]
    Refused(String),
    /// This node could not even try: out of file descriptors or ports, say.
    #[error("this node could not dial: {0}")]
    Local(String),
    /// Somebody answered, but with another key.
    #[error("expected {expected} at {address}, got {found}")]
    WrongIdentity {
        /// Where.
        address: String,
        /// Whom the dial was for.
        expected: NodeId,
        /// Who answered.
        found: NodeId,
    },
}

/// What the runtime is to do.
#[derive(Debug)]
#[must_use]
pub enum Output {
    /// Connect to one of the endpoints, tried in order; answer with `handle_connected` or `handle_dial_failed`.
    Dial {
        /// What to name in the answer.
        dial: DialId,
        /// `host:port` each; names are resolved anew.
        endpoints: Vec<String>,
        /// Whose key must answer, if known.
        expect: Option<NodeId>,
        /// Whether to see if the host answers ICMP, if the node does not at once.
        ping: bool,
    },
    /// Give a dial up; nothing more is heard of it.
    CancelDial(DialId),
    /// The other end's hello is accepted: frames may be longer now, and reading goes on.
    Accept(ConnId),
    /// Send to each of these; encoded once. A connection that cannot take more is closed as too slow.
    Send {
        /// To whom.
        to: Vec<ConnId>,
        /// What.
        frame: Frame,
    },
    /// Send what is queued, then close.
    Close(ConnId),
    /// Make durable, then call `handle_written`.
    Write {
        /// What to name in the answer.
        write: WriteId,
        /// What.
        stored: Stored,
    },
    /// Tell the application.
    Event(Event),
    /// Answer a request.
    Reply(RequestId, Reply),
    /// The role has ended: flush, close everything, stop.
    Exit,
}

/// What an application asks of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Send a payload to all members.
    Broadcast(Bytes),
    /// Who is in.
    Members,
    /// What names all that this node holds of who is in and out.
    RosterDigest,
    /// Whom this node is linked to.
    Neighbors,
    /// Leave the network and stop.
    Leave,
    /// Let a candidate in.
    Allow(NodeId),
    /// Keep a candidate out, and why.
    Deny(NodeId, String),
    /// Who waits for the application's word.
    Pending,
    /// Why a node is in, out or pending.
    Explain(NodeId),
    /// Ask the members again, after they refused.
    JoinAgain,
    /// Go on as a new network, without the members that do not answer.
    Refound,
    /// Who votes, and for whom a seat is wanted.
    Electorate,
    /// Agree to a seat for this node.
    Seat(NodeId),
    /// Want this seed unseated.
    Unseat(NodeId),
    /// Give up this seed's seat.
    Resign,
}

/// Who votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectorateInfo {
    /// The network.
    pub network: NetworkId,
    /// Which electorate of the network this is, counted from 0.
    pub epoch: u64,
    /// How many votes carry a proposal.
    pub quorum: usize,
    /// Each seat's name, and who sits there, if that is known.
    pub seats: Vec<(String, Option<NodeId>)>,
    /// The next electorate is decided, and not in office yet.
    pub is_changing: bool,
    /// For whom a seat is wanted.
    pub wanted: Vec<SeatWanted>,
}

impl ElectorateInfo {
    /// The seed list of this epoch, for nodes that start with it; `None` while not all seeds are known.
    pub fn seed_list(&self) -> Option<SeedList> {
        let line = |(address, pin): &(String, Option<NodeId>)| SeedLine {
            address: address.clone(),
            pin: *pin,
        };
        let list = SeedList::new(self.seats.iter().map(line)).ok()?;
        list.of_epoch(self.network, self.epoch).ok()
    }
}

/// A node for which a seat is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatWanted {
    /// Who.
    pub candidate: Party,
    /// The seeds that have not agreed, as far as is known.
    pub waiting: Vec<Party>,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// To `Broadcast`.
    Broadcast(Result<Published, RequestError>),
    /// To `Members`.
    Members(Vec<MemberInfo>),
    /// To `RosterDigest`; `None` from who has no roster.
    RosterDigest(Option<Digest>),
    /// To `Neighbors`.
    Neighbors(Vec<NodeId>),
    /// To `Pending`.
    Pending(Vec<PendingCandidate>),
    /// To `Electorate`.
    Electorate(Box<ElectorateInfo>),
    /// To `Explain`; `None` from a bootstrap, which knows of no decisions.
    Explained(Option<Box<Explanation>>),
    /// To `Allow`, `Deny`, `JoinAgain`, `Refound`, `Seat`, `Unseat` and `Resign`.
    Done(Result<(), RequestError>),
}

/// Why a request cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Only members broadcast.
    #[error("this node is not admitted (yet); it cannot broadcast")]
    NotAMember,
    /// Seeds vote; they do not gossip.
    #[error("a seed does not broadcast")]
    NotAPeer,
    /// The payload is not acceptable.
    #[error(transparent)]
    Broadcast(#[from] BroadcastError),
    /// Only members of open networks, and seeds, are asked about candidates; only the former found networks.
    #[error("this node is no member of an open network")]
    NotInAssembly,
    /// The seed decides by a policy that needs nobody's word.
    #[error("this seed's policy asks no operator")]
    AsksNobody,
    /// There is nothing to decide about who is in.
    #[error("{0} is a member already")]
    AlreadyIn(NodeId),
    /// The candidate is not here (any more), or was answered.
    #[error(transparent)]
    Opinion(#[from] SayError),
    /// Only seeds change who the seeds are.
    #[error("this node is no seed")]
    NotASeed,
    /// Why the seats stay as they are.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// Those who answer can decide.
    #[error("the members that answer can decide; there is nothing to found anew for")]
    NotStuck,
    /// Only who was refused asks again.
    #[error("this node was not refused")]
    NotRefused,
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Outputs waiting to be carried out. Drained after every input, so as long as one input makes it.
#[derive(Debug, Default)]
pub struct Outbox(VecDeque<Output>);

impl Outbox {
    /// Adds one.
    pub fn push(&mut self, output: Output) {
        self.0.push_back(output);
    }

    /// Sends one message to one connection.
    pub fn send(&mut self, to: ConnId, message: Message) {
        self.send_all(vec![to], message);
    }

    /// Sends one message to several connections.
    pub fn send_all(&mut self, to: Vec<ConnId>, message: Message) {
        if !to.is_empty() {
            let frame = Frame::Message(message);
            self.push(Output::Send { to, frame });
        }
    }

    /// Tells the application.
    pub fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    /// Takes the next.
    pub fn pop(&mut self) -> Option<Output> {
        self.0.pop_front()
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The earlier of two deadlines, where either may be missing.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
