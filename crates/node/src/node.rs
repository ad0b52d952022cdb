//! The handle to a running node.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quorate_consensus::{Digest, NodeId};
use quorate_gossip::Published;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::admission::PendingCandidate;
use crate::builder::{BootstrapKind, Builder, MemberKind, PeerKind, SeedKind};
use crate::config::{Admission, Discovery, SeedList};
use crate::event::{Event, MemberInfo};
use crate::explanation::Explanation;
use crate::limits::REQUESTS_MAX;
use crate::roles::{ElectorateInfo, Reply, Request, RequestError, Role};
use crate::runtime::{self, Asked, Resources};

/// How many events may wait for a slow listener before the oldest are dropped and it is told so.
const EVENTS_MAX: usize = 4096;

/// A running node: a cheap handle that can be cloned. When the last one is dropped, the node leaves.
#[derive(Debug, Clone)]
pub struct Node {
    id: NodeId,
    address: SocketAddr,
    requests: mpsc::Sender<Asked>,
    events: broadcast::WeakSender<Event>,
    /// Taken by the first listener, so that it misses nothing.
    first: Arc<Mutex<Option<broadcast::Receiver<Event>>>>,
    stopped: watch::Receiver<bool>,
    task: AbortHandle,
}

/// A node's events, in order. When the listener is so slow that some were dropped, [`Event::Lagged`] says how many.
#[derive(Debug)]
pub struct Events(Option<broadcast::Receiver<Event>>);

impl Node {
    /// A peer that listens at `listen` (port 0 takes a free one) and registers with these seeds.
    pub fn peer(listen: SocketAddr, seeds: SeedList) -> Builder<PeerKind> {
        Builder::new(listen, PeerKind::new(seeds))
    }

    /// A member of an open network that listens at `listen` (port 0 takes a free one), and finds or founds the network as
    /// `discovery` says. It asks its application about whoever wants to enter, unless told otherwise
    /// ([`Builder::admission`]).
    pub fn member(listen: SocketAddr, discovery: Discovery) -> Builder<MemberKind> {
        let admission = Admission::default();
        let kind = MemberKind {
            discovery,
            admission,
        };
        Builder::new(listen, kind)
    }

    /// A service that listens at `listen` and tells the members of open networks, and who wants to become one, of each
    /// other. It has no vote.
    pub fn bootstrap(listen: SocketAddr) -> Builder<BootstrapKind> {
        Builder::new(listen, BootstrapKind)
    }

    /// The seed that listens at `listen`, which is a line of the list.
    pub fn seed(listen: SocketAddr, seeds: SeedList) -> Builder<SeedKind> {
        Builder::new(listen, SeedKind::new(seeds))
    }

    /// Who it is.
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens. The first listener hears everything since the start, later ones what comes from now on.
    pub fn events(&self) -> Events {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Events(first.or_else(|| self.events.upgrade().map(|events| events.subscribe())))
    }

    /// Sends a payload to all members. Returns the message's id and to how many neighbours it was handed.
    ///
    /// # Errors
    /// When this node is no member (yet), is a seed, or has stopped, or the payload is too long.
    pub async fn broadcast(
        &self,
        payload: impl Into<Bytes> + Send,
    ) -> Result<Published, RequestError> {
        match self.ask(Request::Broadcast(payload.into())).await {
            Some(Reply::Broadcast(published)) => published,
            _ => Err(RequestError::Stopped),
        }
    }

    /// Who is in, by this node's roster; none when it has stopped.
    pub async fn members(&self) -> Vec<MemberInfo> {
        match self.ask(Request::Members).await {
            Some(Reply::Members(members)) => members,
            _ => Vec::new(),
        }
    }

    /// A digest of every standing this node holds, ended ones too: equal at two nodes when their rosters are, whichever
    /// signatures prove them. Of a member of an open network it is its chain's head. `None` before there is one, at a
    /// bootstrap, and when the node has stopped.
    pub async fn roster_digest(&self) -> Option<Digest> {
        match self.ask(Request::RosterDigest).await {
            Some(Reply::RosterDigest(digest)) => digest,
            _ => None,
        }
    }

    /// Whom this node is linked to; nobody when it has stopped.
    pub async fn neighbors(&self) -> Vec<NodeId> {
        match self.ask(Request::Neighbors).await {
            Some(Reply::Neighbors(neighbors)) => neighbors,
            _ => Vec::new(),
        }
    }

    /// Why a node is in, out or pending, as this node has it: certificates, votes with their reasons, witnesses, deadlines.
    /// `None` when it has stopped, or is a bootstrap.
    pub async fn explain(&self, node: NodeId) -> Option<Explanation> {
        match self.ask(Request::Explain(node)).await {
            Some(Reply::Explained(explanation)) => explanation.map(|explanation| *explanation),
            _ => None,
        }
    }

    /// Who waits for this node's word, in the order in which they came: see [`Event::JoinRequest`]. Nobody at a node that
    /// is not asked about candidates, or has stopped.
    pub async fn pending(&self) -> Vec<PendingCandidate> {
        match self.ask(Request::Pending).await {
            Some(Reply::Pending(pending)) => pending,
            _ => Vec::new(),
        }
    }

    /// Lets a candidate in, as far as this member or seed is concerned; see [`Event::JoinRequest`].
    ///
    /// A seed takes it for the node's next admission, within a day, also before the node has asked. It takes back a deny.
    ///
    /// # Errors
    /// Of a member of an open network: when the candidate is not asking (any more), or was answered. Of a seed: when its
    /// policy asks nobody, or the node is a member. Of others: always.
    pub async fn allow(&self, candidate: NodeId) -> Result<(), RequestError> {
        self.done(Request::Allow(candidate)).await
    }

    /// Keeps a candidate out, and tells it why. A seed keeps it out for an hour, however often it asks.
    ///
    /// # Errors
    /// As [`allow`](Self::allow).
    pub async fn deny(
        &self,
        candidate: NodeId,
        reason: impl Into<String> + Send,
    ) -> Result<(), RequestError> {
        self.done(Request::Deny(candidate, reason.into())).await
    }

    /// Asks all members again, after [`Event::JoinRefused`]. They are asked anew: it is another attempt.
    ///
    /// # Errors
    /// When this node was not refused.
    pub async fn join_again(&self) -> Result<(), RequestError> {
        self.done(Request::JoinAgain).await
    }

    /// Goes on as a new network whose only member this is, when too many members do not answer for anything to be decided
    /// (see [`Event::Stuck`]), or the chain has forked. The new network's id names where the old one stopped. Others, also
    /// those that answer, have to ask to enter it.
    ///
    /// # Errors
    /// When the members that answer can decide, or this node is no member of an open network.
    pub async fn refound(&self) -> Result<(), RequestError> {
        self.done(Request::Refound).await
    }

    /// Who votes, and for whom a seat is wanted; `None` when this node is no seed, or has stopped.
    pub async fn electorate(&self) -> Option<ElectorateInfo> {
        match self.ask(Request::Electorate).await {
            Some(Reply::Electorate(info)) => Some(*info),
            _ => None,
        }
    }

    /// Agrees that a node gets a seat among the seeds; see [`Event::SeatWanted`]. It gets it once all seeds agree.
    ///
    /// # Errors
    /// When nobody wants a seat for it, the seeds are changing already, or this node is no seed.
    pub async fn seat(&self, node: NodeId) -> Result<(), RequestError> {
        self.done(Request::Seat(node)).await
    }

    /// Wants a seed unseated: one that is gone for good, or is not to vote any more. It is once all other seeds want it, and
    /// they are a majority.
    ///
    /// # Errors
    /// When it has no seat, the seeds are changing already, or this node is no seed.
    pub async fn unseat(&self, seed: NodeId) -> Result<(), RequestError> {
        self.done(Request::Unseat(seed)).await
    }

    /// Gives up this seed's seat, by its own word; see [`Event::Unseated`]. It goes on until it is stopped.
    ///
    /// # Errors
    /// When it is the last seed, the seeds are changing already, or this node is no seed.
    pub async fn resign(&self) -> Result<(), RequestError> {
        self.done(Request::Resign).await
    }

    async fn done(&self, request: Request) -> Result<(), RequestError> {
        match self.ask(request).await {
            Some(Reply::Done(done)) => done,
            _ => Err(RequestError::Stopped),
        }
    }

    /// Leaves the network by its own word and stops; returns when it has. A seed only stops.
    pub async fn leave(&self) {
        let _answer_never_comes = self.ask(Request::Leave).await;
        self.stopped().await;
    }

    /// Waits until the node has stopped.
    pub async fn stopped(&self) {
        // An error means that the task is gone, which is what is waited for.
        let mut stopped = self.stopped.clone();
        let _stopped = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Stops at once without a word, as a crash would. For tests and demonstrations.
    pub fn abort(&self) {
        self.task.abort();
    }

    async fn ask(&self, request: Request) -> Option<Reply> {
        let (reply, answer) = oneshot::channel();
        self.requests.send((request, reply)).await.ok()?;
        answer.await.ok()
    }
}

impl Events {
    /// The next event; `None` when the node has stopped and all was heard.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.as_mut()?.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Lagged(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Runs a role, and gives the handle to it.
pub(crate) fn spawn<R: Role>(
    role: R,
    id: NodeId,
    address: SocketAddr,
    resources: Resources,
) -> Node {
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    let (events, first) = broadcast::channel(EVENTS_MAX);
    let (stop, stopped) = watch::channel(false);
    let weak = events.downgrade();
    let task = tokio::spawn(async move {
        runtime::run(role, resources, asked, events).await;
        // Nobody may be waiting for it.
        let _told = stop.send(true);
    });
    Node {
        id,
        address,
        requests,
        events: weak,
        first: Arc::new(Mutex::new(Some(first))),
        stopped,
        task: task.abort_handle(),
    }
}
