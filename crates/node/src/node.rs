//! A running node: build, spawn, and the handle to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quorate_consensus::{Ed25519, NodeId};
use quorate_gossip::Published;
use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::config::{Admission, Discovery, Options, SeedList};
use crate::error::StartError;
use crate::event::{Event, MemberInfo};
use crate::identity::Identity;
use crate::roles::{Bootstrap, Member, Peer, Reply, Request, RequestError, Role, Seed};
use crate::runtime::{self, Asked, REQUESTS_MAX, Resources, Written};
use crate::store::{
    Held, Kind, OPENING_THREAD, Restored, RestoredMember, Store, StoreError, Writer,
};
use crate::transport::tls::TlsConfig;

/// How many events may wait for a slow listener before the oldest are dropped and it is told so.
const EVENTS_MAX: usize = 4096;

/// How many connections the kernel may hold before they are accepted.
const BACKLOG: u32 = 1024;

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

/// What a [`Builder`] makes: a peer that registers with these seeds.
#[derive(Debug)]
pub struct PeerKind(SeedList);

/// What a [`Builder`] makes: one of these seeds.
#[derive(Debug)]
pub struct SeedKind(SeedList);

/// What a [`Builder`] makes: a member of an open network.
#[derive(Debug)]
pub struct MemberKind {
    discovery: Discovery,
    admission: Admission,
}

/// What a [`Builder`] makes: a bootstrap.
#[derive(Debug)]
pub struct BootstrapKind;

/// What a node is started with.
#[derive(Debug)]
#[must_use]
pub struct Builder<K> {
    listen: SocketAddr,
    listener: Option<std::net::TcpListener>,
    advertise: Vec<String>,
    identity: Option<Identity>,
    data: Option<PathBuf>,
    options: Options,
    kind: K,
}

impl Node {
    /// A peer that listens at `listen` (port 0 takes a free one) and registers with these seeds.
    pub fn peer(listen: SocketAddr, seeds: SeedList) -> Builder<PeerKind> {
        Builder::new(listen, PeerKind(seeds))
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
        Builder::new(listen, SeedKind(seeds))
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

    /// Whom this node is linked to; nobody when it has stopped.
    pub async fn neighbors(&self) -> Vec<NodeId> {
        match self.ask(Request::Neighbors).await {
            Some(Reply::Neighbors(neighbors)) => neighbors,
            _ => Vec::new(),
        }
    }

    /// Lets a candidate in, as far as this member is concerned; see [`Event::JoinRequest`].
    ///
    /// # Errors
    /// When the candidate is not asking (any more), was answered, or this node is no member of an open network.
    pub async fn allow(&self, candidate: NodeId) -> Result<(), RequestError> {
        self.done(Request::Allow(candidate)).await
    }

    /// Keeps a candidate out, and tells it why.
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

/// A key as a node starts with it.
struct LoadedKey {
    identity: Identity,
    /// It is older than this start.
    is_old: bool,
    /// Keeps other processes from using it.
    lock: Option<std::fs::File>,
}

impl<K> Builder<K> {
    fn new(listen: SocketAddr, kind: K) -> Self {
        Self {
            listen,
            listener: None,
            advertise: Vec::new(),
            identity: None,
            data: None,
            options: Options::default(),
            kind,
        }
    }

    /// The key to be known by. By default the one in the data directory, or without one a new key at every start.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// A socket that listens already, in place of a new one at the address: who lets the system choose ports knows them
    /// before the seed list is written.
    pub fn listener(mut self, listener: std::net::TcpListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// The directory for the key (`key`) and, for a seed or a member of an open network, the store (`store.redb`). Created
    /// if missing.
    pub fn data(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data = Some(directory.into());
        self
    }

    /// Where others reach this node, as `host:port`, up to four in order of preference. By default where it listens.
    /// For a seed the first one is its line of the seed list.
    pub fn advertise(mut self, endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.advertise = endpoints.into_iter().map(Into::into).collect();
        self
    }

    /// Other options than the defaults.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The key, and what else is known of it.
    fn load_identity(&self) -> Result<LoadedKey, StartError> {
        let (identity, is_old, lock) = match (&self.identity, &self.data) {
            (Some(identity), _) => (identity.clone(), false, None),
            (None, Some(data)) => {
                let path = data.join("key");
                let (identity, is_new) = Identity::load_or_create(&path)?;
                (identity, !is_new, Some(Identity::lock(&path)?))
            }
            (None, None) => (Identity::generate()?, false, None),
        };
        Ok(LoadedKey {
            identity,
            is_old,
            lock,
        })
    }

    fn bind(&mut self) -> Result<(TcpListener, SocketAddr), StartError> {
        let given = self.listener.take();
        let bind = || {
            if let Some(given) = given {
                given.set_nonblocking(true)?;
                let listener = TcpListener::from_std(given)?;
                let address = listener.local_addr()?;
                return Ok((listener, address));
            }
            let socket = if self.listen.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            // A port in TIME_WAIT from an earlier run is free to use.
            #[cfg(unix)]
            socket.set_reuseaddr(true)?;
            socket.bind(self.listen)?;
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        bind().map_err(|source| StartError::Listen {
            address: self.listen,
            source,
        })
    }

    fn endpoints(&self, address: SocketAddr) -> Result<Vec<String>, StartError> {
        if !self.advertise.is_empty() {
            Ok(self.advertise.clone())
        } else if address.ip().is_unspecified() {
            Err(StartError::NotDialable(address))
        } else {
            Ok(vec![address.to_string()])
        }
    }
}

impl Builder<PeerKind> {
    /// Starts the peer. It joins by itself, as soon as a quorum of seeds lets it; see [`Event::Joined`].
    ///
    /// # Errors
    /// When it cannot listen, or its key, the seed list or an option cannot be used.
    #[expect(
        clippy::unused_async,
        reason = "spawning needs a runtime, which an async function makes sure of"
    )]
    pub async fn spawn(mut self) -> Result<Node, StartError> {
        let LoadedKey { identity, lock, .. } = self.load_identity()?;
        let tls = TlsConfig::new(&identity)?;
        let (listener, address) = self.bind()?;
        let endpoints = self.endpoints(address)?;
        let role = Peer::new(
            Arc::new(identity.key().clone()),
            Arc::new(Ed25519),
            endpoints,
            &self.kind.0,
            self.options.clone(),
            random_seed()?,
            runtime::start_time(),
        )?;
        Ok(spawn(role, identity.id(), address, |requests, events| {
            Resources {
                listener,
                tls,
                format: self.options.format,
                requests,
                events,
                store: None,
                lock,
            }
        }))
    }
}

impl Builder<SeedKind> {
    /// The line it stands on, as far as that can be told before listening.
    fn line(&self) -> Option<String> {
        let is_told = self.listener.is_none() && !self.listen.ip().is_unspecified();
        is_told.then(|| self.listen.to_string())
    }

    /// Starts the seed, with what its store holds. Without a data directory it keeps nothing.
    ///
    /// # Errors
    /// When it cannot listen or is not on the seed list, or its key, store or an option cannot be used.
    pub async fn spawn(mut self) -> Result<Node, StartError> {
        if let Some(line) = self.advertise.first().cloned().or_else(|| self.line()) {
            // Before a key is made for a seed that is none.
            if self.kind.0.position(&line).is_none() {
                return Err(StartError::NotASeed {
                    address: line,
                    seeds: self.kind.0.addresses().join(", "),
                });
            }
        }
        let LoadedKey {
            identity,
            is_old,
            lock,
        } = self.load_identity()?;
        let tls = TlsConfig::new(&identity)?;
        let (listener, address) = self.bind()?;
        let endpoints = self.endpoints(address)?;
        let network = self.kind.0.network();
        let (store, restored) = match self.data.as_ref().map(|data| data.join("store.redb")) {
            Some(path) => {
                let is_lost = is_old && !path.exists();
                let (store, held) = open_store(path, Kind::Seed(network)).await?;
                let restored = match held {
                    Held::Seed(restored) => restored,
                    Held::Member(_) => Restored::default(),
                };
                (
                    Some(store),
                    Restored {
                        is_lost,
                        ..restored
                    },
                )
            }
            None => (None, Restored::default()),
        };
        let role = Seed::new(
            Arc::new(identity.key().clone()),
            Arc::new(Ed25519),
            &endpoints[0],
            &self.kind.0,
            self.options.clone(),
            restored,
            random_seed()?,
            runtime::start_time(),
        )?;
        let store = store.map(start_writing).transpose()?;
        Ok(spawn(role, identity.id(), address, |requests, events| {
            Resources {
                listener,
                tls,
                format: self.options.format,
                requests,
                events,
                store,
                lock,
            }
        }))
    }
}

impl Builder<MemberKind> {
    /// Whom this member lets in without asking its application.
    pub fn admission(mut self, admission: Admission) -> Self {
        self.kind.admission = admission;
        self
    }

    /// Starts the member. It finds the network by itself, and asks to be let in; see [`Event::Joined`] and
    /// [`Event::JoinRefused`]. With a data directory it goes on as the member that it was.
    ///
    /// A key without its store is not used any more: whose it was may have said what it does not know. It is moved aside,
    /// and a new one made ([`Event::NewIdentity`]). Of a key that the application brings, this cannot be told: it must be
    /// new, or its store be in the data directory.
    ///
    /// # Errors
    /// When it cannot listen, or its key, its store or an option cannot be used, or it is not told where to look.
    pub async fn spawn(mut self) -> Result<Node, StartError> {
        let discovery = &self.kind.discovery;
        let path = self.data.as_ref().map(|data| data.join("store.redb"));
        if self.identity.is_some() && path.is_none() {
            return Err(StartError::KeyWithoutStore);
        }
        // Who was in a network before knows its members.
        let was_in = path.as_ref().is_some_and(|path| path.exists());
        if *discovery == Discovery::default() && !was_in {
            return Err(StartError::NoDiscovery);
        }
        let mut loaded = self.load_identity()?;
        let mut lost = None;
        if let (Some(data), Some(path)) = (&self.data, &path)
            && loaded.is_old
            && !path.exists()
        {
            lost = Some(loaded.identity.id());
            Identity::set_aside(&data.join("key"))?;
            loaded = self.load_identity()?;
        }
        let LoadedKey { identity, lock, .. } = loaded;
        let tls = TlsConfig::new(&identity)?;
        let (listener, address) = self.bind()?;
        let endpoints = self.endpoints(address)?;
        let (store, mut restored) = match path {
            Some(path) => match open_store(path, Kind::Member).await? {
                (store, Held::Member(restored)) => (Some(store), *restored),
                (store, Held::Seed(_)) => (Some(store), RestoredMember::default()),
            },
            None => (None, RestoredMember::default()),
        };
        restored.lost = lost;
        let role = Member::new(
            Arc::new(identity.key().clone()),
            Arc::new(Ed25519),
            endpoints,
            self.kind.discovery,
            self.kind.admission,
            self.options.clone(),
            restored,
            random_seed()?,
            runtime::start_time(),
        )?;
        let store = store.map(start_writing).transpose()?;
        Ok(spawn(role, identity.id(), address, |requests, events| {
            Resources {
                listener,
                tls,
                format: self.options.format,
                requests,
                events,
                store,
                lock,
            }
        }))
    }
}

impl Builder<BootstrapKind> {
    /// Starts the bootstrap.
    ///
    /// # Errors
    /// When it cannot listen, or its key cannot be used.
    #[expect(
        clippy::unused_async,
        reason = "spawning needs a runtime, which an async function makes sure of"
    )]
    pub async fn spawn(mut self) -> Result<Node, StartError> {
        let LoadedKey { identity, lock, .. } = self.load_identity()?;
        let tls = TlsConfig::new(&identity)?;
        let (listener, address) = self.bind()?;
        let (seed, now) = (random_seed()?, runtime::start_time());
        let role = Bootstrap::new(identity.id(), &self.options, seed, now);
        Ok(spawn(role, identity.id(), address, |requests, events| {
            Resources {
                listener,
                tls,
                format: self.options.format,
                requests,
                events,
                store: None,
                lock,
            }
        }))
    }
}

/// Starts a store's writing thread, and says where its answers come.
fn start_writing(store: Store) -> Result<(Writer, mpsc::UnboundedReceiver<Written>), StartError> {
    let (done, written) = mpsc::unbounded_channel();
    let writer = store
        .spawn_writer(move |id, result| {
            // The runtime is gone only when the node has stopped.
            let _told = done.send((id, result));
        })
        .map_err(StartError::Thread)?;
    Ok((writer, written))
}

/// Opens a store off the runtime's threads: it may have to replay a log.
async fn open_store(path: PathBuf, kind: Kind) -> Result<(Store, Held), StartError> {
    let shown = path.clone();
    let (sender, opened) = oneshot::channel();
    std::thread::Builder::new()
        .name(OPENING_THREAD.to_owned())
        .spawn(move || {
            // Nobody waits any more: the store is closed again.
            let _taken = sender.send(Store::open(&path, kind));
        })
        .map_err(StartError::Thread)?;
    match opened.await {
        Ok(opened) => Ok(opened?),
        // The thread ended without a word, which only a panic explains.
        Err(_) => Err(StartError::Store(StoreError::Damaged {
            path: shown,
            reason: "the database gave up on a page".to_owned(),
        })),
    }
}

fn random_seed() -> Result<u64, StartError> {
    SysRng.try_next_u64().map_err(StartError::Randomness)
}

fn spawn<R: Role>(
    role: R,
    id: NodeId,
    address: SocketAddr,
    resources: impl FnOnce(mpsc::Receiver<Asked>, broadcast::Sender<Event>) -> Resources,
) -> Node {
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    let (events, first) = broadcast::channel(EVENTS_MAX);
    let (stop, stopped) = watch::channel(false);
    let weak = events.downgrade();
    let resources = resources(asked, events);
    let task = tokio::spawn(async move {
        runtime::run(role, resources).await;
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
