//! What a node is started with, and how it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use quorate_consensus::conclave::Step;
use quorate_consensus::{Invitation, NodeId, QuorumRule, Seating, Signer};
use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};

use crate::admission::{AdmissionPolicy, AllowAll};
use crate::checking::Threaded;
use crate::config::{Admission, Discovery, Options, SeedList};
use crate::error::StartError;
use crate::identity::Identity;
use crate::joining::wait_for_seat;
use crate::node::{self, Node};
use crate::roles::seed::ABSTAIN;
use crate::roles::{Bootstrap, Member, Peer, Role, Seed};
use crate::runtime::{self, Resources, Written};
use crate::store::{
    Held, Kind, OPENING_THREAD, Restored, RestoredMember, SeedStored, Store, StoreError, Stored,
    Writer,
};
use crate::transport::tls::TlsConfig;

/// How many connections the kernel may hold before they are accepted.
const BACKLOG: u32 = 1024;

/// What a [`Builder`] makes: a peer that registers with these seeds.
#[derive(Debug)]
pub struct PeerKind {
    seeds: SeedList,
    credential: Vec<u8>,
}

/// What a [`Builder`] makes: one of these seeds.
#[derive(Debug)]
pub struct SeedKind {
    pub(crate) seeds: SeedList,
    policy: Box<dyn AdmissionPolicy>,
    /// It waits for a seat, if it has none.
    joins: bool,
    /// Who votes from now on, by an operator's word.
    recovered: Option<SeedList>,
}

/// What a [`Builder`] makes: a member of an open network.
#[derive(Debug)]
pub struct MemberKind {
    pub(crate) discovery: Discovery,
    pub(crate) admission: Admission,
}

/// What a [`Builder`] makes: a bootstrap.
#[derive(Debug)]
pub struct BootstrapKind;

impl PeerKind {
    pub(crate) const fn new(seeds: SeedList) -> Self {
        Self {
            seeds,
            credential: Vec::new(),
        }
    }
}

impl SeedKind {
    pub(crate) fn new(seeds: SeedList) -> Self {
        Self {
            seeds,
            policy: Box::new(AllowAll),
            joins: false,
            recovered: None,
        }
    }
}

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

/// A key as a node starts with it.
struct LoadedKey {
    identity: Identity,
    /// It is older than this start.
    is_old: bool,
    /// Keeps other processes from using it.
    lock: Option<std::fs::File>,
    /// The file that this start has made for it.
    new: Option<PathBuf>,
}

impl LoadedKey {
    /// Its store could not be made: a later start would take a key without one for that of a node that lost its store.
    fn forget(&self) {
        let new = self.new.as_ref();
        if let Some(path) = new.filter(|path| !path.with_file_name("store.redb").exists()) {
            // Left, it is still a key.
            let _removed = std::fs::remove_file(path);
        }
    }
}

impl<K> Builder<K> {
    pub(crate) fn new(listen: SocketAddr, kind: K) -> Self {
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
        let (identity, is_old, lock, new) = match (&self.identity, &self.data) {
            (Some(identity), _) => (identity.clone(), false, None, None),
            (None, Some(data)) => {
                let (path, store) = (data.join("key"), data.join("store.redb"));
                if store.exists() && !path.exists() {
                    // A new key beside it would be in the way of the one that it belongs to.
                    return Err(StartError::StoreWithoutKey { key: path, store });
                }
                let (identity, is_new) = Identity::load_or_create(&path)?;
                let lock = Identity::lock(&path)?;
                (identity, !is_new, Some(lock), is_new.then_some(path))
            }
            (None, None) => (Identity::generate()?, false, None, None),
        };
        Ok(LoadedKey {
            identity,
            is_old,
            lock,
            new,
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

    /// Listens with this key.
    fn site(&mut self, key: LoadedKey) -> Result<Site, StartError> {
        let tls = TlsConfig::new(&key.identity)?;
        let (listener, address) = self.bind()?;
        Ok(Site {
            key,
            tls,
            listener,
            address,
            options: self.options.clone(),
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

/// What a node stands on before it has a role.
struct Site {
    key: LoadedKey,
    tls: TlsConfig,
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

impl Site {
    fn id(&self) -> NodeId {
        self.key.identity.id()
    }

    fn signer(&self) -> Arc<dyn Signer> {
        Arc::new(self.key.identity.key().clone())
    }

    /// Runs a role here.
    fn run<R: Role>(self, role: R, store: Option<Store>) -> Result<Node, StartError> {
        let resources = Resources {
            listener: self.listener,
            tls: self.tls,
            format: self.options.format,
            store: store.map(start_writing).transpose()?,
            lock: self.key.lock,
        };
        let id = self.key.identity.id();
        Ok(node::spawn(role, id, self.address, resources))
    }
}

impl Builder<PeerKind> {
    /// The invitation that this peer shows to the seeds.
    pub fn invitation(self, invitation: &Invitation) -> Self {
        self.credential(invitation.to_bytes())
    }

    /// What this peer shows to the seeds' policies, at most 512 bytes. It goes into the peer's record, which every node of
    /// the network sees.
    pub fn credential(mut self, credential: impl Into<Vec<u8>>) -> Self {
        self.kind.credential = credential.into();
        self
    }

    /// Starts the peer. It joins by itself, as soon as a quorum of seeds lets it; see [`Event::Joined`](crate::Event::Joined).
    ///
    /// # Errors
    /// When it cannot listen, or its key, the seed list, its credential or an option cannot be used.
    #[expect(
        clippy::unused_async,
        reason = "spawning needs a runtime, which an async function makes sure of"
    )]
    pub async fn spawn(mut self) -> Result<Node, StartError> {
        let key = self.load_identity()?;
        let site = self.site(key)?;
        let endpoints = self.endpoints(site.address)?;
        let role = Peer::new(
            site.signer(),
            Arc::new(Threaded),
            endpoints,
            &self.kind.seeds,
            self.options.clone(),
            random_seed()?,
            runtime::start_time(),
        )?;
        let role = role.showing(self.kind.credential)?;
        site.run(role, None)
    }
}

impl Builder<SeedKind> {
    /// Lets this node become a seed: it asks for a seat, and [`spawn`](Self::spawn) waits until all seeds have agreed
    /// ([`Node::seat`]) and the epoch in which it has one has begun. A node that has a seat is not affected.
    pub fn joins(mut self) -> Self {
        self.kind.joins = true;
        self
    }

    /// Goes on with these seeds alone, by the word of an operator whose quorum is lost for good: the electorate that this
    /// seed knows is followed by this one, without anybody's vote. Every line has to name who sits there, and this seed has
    /// to be among them.
    ///
    /// **This breaks what the network promises**: two halves that are told so each go on alone. Do it at every seed that is
    /// left, with the same list, when all others are lost for good. It is written down, and told at every start from then on
    /// ([`Event::ElectorateRecovered`](crate::Event::ElectorateRecovered)). Nobody else believes it by itself: peers have to
    /// be started with a list of the new epoch (that of [`Node::electorate`]).
    pub fn recover(mut self, seeds: SeedList) -> Self {
        self.kind.recovered = Some(seeds);
        self
    }

    /// Whom this seed votes for; everybody who can be reached by default. See [`admission`](crate::admission).
    pub fn admission(mut self, policy: impl AdmissionPolicy + 'static) -> Self {
        self.kind.policy = Box::new(policy);
        self
    }

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
            let may_have_a_seat = self.kind.joins
                || self.kind.recovered.is_some()
                || self
                    .data
                    .as_ref()
                    .is_some_and(|data| data.join("store.redb").exists());
            if self.kind.seeds.position(&line).is_none() && !may_have_a_seat {
                return Err(StartError::NotASeed {
                    address: line,
                    seeds: self.kind.seeds.addresses().join(", "),
                });
            }
        }
        let key = self.load_identity()?;
        let is_old = key.is_old;
        let site = self.site(key)?;
        let endpoints = self.endpoints(site.address)?;
        let network = self.kind.seeds.network();
        let (store, mut restored) = match self.data.as_ref().map(|data| data.join("store.redb")) {
            Some(path) => {
                let is_lost = is_old && !path.exists();
                let abstain_until_ms = if is_lost {
                    runtime::start_time().after(ABSTAIN).unix_ms
                } else {
                    0
                };
                let opened = open_store(path, Kind::Seed(network), abstain_until_ms).await;
                let (store, held) = opened.inspect_err(|_| site.key.forget())?;
                let restored = match held {
                    Held::Seed(restored) => restored,
                    Held::Member(_) => Restored::default(),
                };
                (Some(store), restored)
            }
            None => (None, Restored::default()),
        };
        let mut writes = Vec::new();
        if let Some(list) = &self.kind.recovered {
            writes.extend(recover(&self.kind.seeds, list, &restored)?.map(SeedStored::Step));
        }
        if self.kind.joins && !self.has_seat(site.id(), &endpoints[0], &restored)? {
            let identity = &site.key.identity;
            let seated = wait_for_seat(identity, &endpoints, &self.kind.seeds, &restored).await?;
            let met = seated
                .met
                .into_iter()
                .filter(|met| !restored.seats.contains(met));
            let met: Vec<_> = met.collect();
            writes.extend(
                met.into_iter()
                    .map(|(address, id)| SeedStored::Seat { address, id }),
            );
            let steps = seated.steps.into_iter().skip(restored.steps.len());
            writes.extend(steps.map(SeedStored::Step));
        }
        if let Some(store) = &store {
            let writes: Vec<Stored> = writes.iter().cloned().map(Stored::Seed).collect();
            store
                .write(writes.iter())
                .map_err(|error| StartError::Recording(error.to_string()))?;
        }
        for write in writes {
            match write {
                SeedStored::Step(step) => restored.steps.push(step),
                SeedStored::Seat { address, id } => restored.seats.push((address, id)),
                _ => {}
            }
        }
        let role = Seed::new(
            site.signer(),
            Arc::new(Threaded),
            &endpoints[0],
            &self.kind.seeds,
            self.options.clone(),
            restored,
            random_seed()?,
            runtime::start_time(),
        )?;
        site.run(role.admitting_by(self.kind.policy), store)
    }
}

impl Builder<MemberKind> {
    /// Whom this member lets in without asking its application.
    pub fn admission(mut self, admission: Admission) -> Self {
        self.kind.admission = admission;
        self
    }

    /// Starts the member. It finds the network by itself, and asks to be let in; see [`Event::Joined`](crate::Event::Joined) and
    /// [`Event::JoinRefused`](crate::Event::JoinRefused). With a data directory it goes on as the member that it was.
    ///
    /// A key without its store is not used any more: whose it was may have said what it does not know. It is moved aside,
    /// and a new one made ([`Event::NewIdentity`](crate::Event::NewIdentity)). Of a key that the application brings, this cannot be told: it must be
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
        let site = self.site(loaded)?;
        let endpoints = self.endpoints(site.address)?;
        let (store, mut restored) = match path {
            Some(path) => {
                let opened = open_store(path, Kind::Member(site.id()), 0).await;
                match opened.inspect_err(|_| site.key.forget())? {
                    (store, Held::Member(restored)) => (Some(store), *restored),
                    (store, Held::Seed(_)) => (Some(store), RestoredMember::default()),
                }
            }
            None => (None, RestoredMember::default()),
        };
        restored.lost = lost;
        let role = Member::new(
            site.signer(),
            Arc::new(Threaded),
            endpoints,
            self.kind.discovery,
            self.kind.admission,
            self.options.clone(),
            restored,
            random_seed()?,
            runtime::start_time(),
        )?;
        site.run(role, store)
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
        let key = self.load_identity()?;
        let site = self.site(key)?;
        let (seed, now) = (random_seed()?, runtime::start_time());
        let role = Bootstrap::new(site.id(), &self.options, seed, now);
        site.run(role, None)
    }
}

impl Builder<SeedKind> {
    /// Whether it has a seat, as far as it knows.
    fn has_seat(&self, me: NodeId, line: &str, restored: &Restored) -> Result<bool, StartError> {
        if let Some(Step::HandedOver(handover)) = restored.steps.last() {
            return Ok(handover.next.seats.values().any(|voter| *voter == me));
        }
        // A list of a later epoch names everybody.
        let electorate = self.kind.seeds.electorate()?;
        Ok(electorate.contains(&me)
            || (electorate.epoch() == 0 && self.kind.seeds.position(line).is_some()))
    }
}

/// What an operator's word makes of the electorate that a seed knows; nothing if that was done before.
fn recover(
    seeds: &SeedList,
    list: &SeedList,
    restored: &Restored,
) -> Result<Option<Step>, StartError> {
    let unnamed = list.lines().iter().find(|line| line.pin.is_none());
    if let Some(line) = unnamed {
        return Err(StartError::RecoveryUnpinned(line.address.clone()));
    }
    let pinned = list.lines().iter();
    let next = Seating {
        rule: QuorumRule::Majority,
        seats: pinned
            .filter_map(|line| Some((line.address.clone(), line.pin?)))
            .collect(),
    };
    let last = restored.steps.last();
    if matches!(last, Some(Step::Recovered { next: done, .. }) if *done == next) {
        return Ok(None);
    }
    let first = seeds.electorate()?.epoch();
    let epoch = last.map_or(first, |step| first.max(step.epoch().saturating_add(1)));
    tracing::warn!(
        epoch = epoch + 1,
        seeds = %list.addresses().join(", "),
        "RECOVERY: going on with these seeds by an operator's word alone, without a vote of the electorate before"
    );
    Ok(Some(Step::Recovered { epoch, next }))
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
async fn open_store(
    path: PathBuf,
    kind: Kind,
    abstain_until_ms: u64,
) -> Result<(Store, Held), StartError> {
    let shown = path.clone();
    let (sender, opened) = oneshot::channel();
    std::thread::Builder::new()
        .name(OPENING_THREAD.to_owned())
        .spawn(move || {
            // Nobody waits any more: the store is closed again.
            let _taken = sender.send(Store::open_or_lost(&path, kind, abstain_until_ms));
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

pub(crate) fn random_seed() -> Result<u64, StartError> {
    SysRng.try_next_u64().map_err(StartError::Randomness)
}
