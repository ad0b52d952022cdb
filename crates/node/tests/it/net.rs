//! A network in one process: its nodes by known keys, and everything that was heard from them.
//!
//! Nothing sleeps and hopes: a test waits for events, or makes a round trip on the connection it used.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use quorate_node::consensus::Electorate;
use quorate_node::{Event, Identity, Node, NodeId, Options, SeedLine, SeedList};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// How long anything may take that must happen. Generous: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// One node.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) identity: Identity,
    pub(crate) address: String,
    pub(crate) node: Node,
}

impl Actor {
    pub(crate) fn id(&self) -> NodeId {
        self.identity.id()
    }
}

/// Something that happened somewhere.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) who: NodeId,
    pub(crate) event: Event,
}

/// What a network is to be.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seeds: usize,
    pub(crate) peers: usize,
    pub(crate) options: Options,
    pub(crate) host: IpAddr,
    /// Whether the list names the seeds' keys.
    pub(crate) is_pinned: bool,
    /// How many of the seeds are not started.
    pub(crate) absent: usize,
}

/// A running network. Peers are sorted by key: the first has the smallest, so that a connection of the test's own
/// under its key replaces the node's link (a node that is dialled by the smaller key gives way), and it does not redial
/// for a minute, so that the connection stays.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) list: SeedList,
    pub(crate) seeds: Vec<Actor>,
    pub(crate) absent: Vec<(Identity, String)>,
    pub(crate) peers: Vec<Actor>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) plan: Plan,
    arrivals: mpsc::UnboundedReceiver<Heard>,
    ears: mpsc::UnboundedSender<Heard>,
}

/// The key with this number; keys of different numbers differ.
pub(crate) fn key(number: u8) -> Identity {
    Identity::from_secret(&[number; 32])
}

/// A key that no node of any network here has.
pub(crate) fn stranger() -> Identity {
    key(250)
}

/// A socket on a free port, and its address.
pub(crate) fn listener(host: IpAddr) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

impl Plan {
    pub(crate) fn new(seeds: usize, peers: usize) -> Self {
        Self {
            seeds,
            peers,
            options: Options::default(),
            host: Ipv4Addr::LOCALHOST.into(),
            is_pinned: false,
            absent: 0,
        }
    }

    /// Starts the network and waits until all rosters are complete and all peers are linked.
    pub(crate) async fn start(self) -> Net {
        let mut sockets: Vec<_> = (0..self.seeds).map(|_| listener(self.host)).collect();
        let keys: Vec<Identity> = (0..self.seeds)
            .map(|index| key(100 + u8::try_from(index).unwrap()))
            .collect();
        let lines = sockets
            .iter()
            .zip(&keys)
            .map(|((_, address), key)| SeedLine {
                address: address.to_string(),
                pin: self.is_pinned.then(|| key.id()),
            });
        let (ears, arrivals) = mpsc::unbounded_channel();
        let mut net = Net {
            list: SeedList::new(lines).unwrap(),
            seeds: Vec::new(),
            absent: Vec::new(),
            peers: Vec::new(),
            heard: Vec::new(),
            plan: self.clone(),
            arrivals,
            ears,
        };
        for ((_, address), identity) in sockets
            .split_off(self.seeds - self.absent)
            .into_iter()
            .zip(&keys[self.seeds - self.absent..])
        {
            net.absent.push((identity.clone(), address.to_string()));
        }
        for ((listener, address), identity) in sockets.into_iter().zip(keys) {
            let builder = Node::seed(address, net.list.clone()).listener(listener);
            let builder = builder
                .identity(identity.clone())
                .options(self.options.clone());
            let node = builder.spawn().await.unwrap();
            net.listen_to(&node);
            let address = address.to_string();
            net.seeds.push(Actor {
                identity,
                address,
                node,
            });
        }
        let mut keys: Vec<Identity> = (1..=self.peers)
            .map(|number| key(u8::try_from(number).unwrap()))
            .collect();
        keys.sort_by_key(Identity::id);
        for identity in keys.iter().skip(1) {
            net.add_peer(identity.clone(), self.options.clone()).await;
        }
        let ids = net.peer_ids();
        net.until("the other peers joined", 0, |heard| {
            everywhere(&ids, heard, is_joined)
        })
        .await;
        if let Some(first) = keys.first() {
            let minute = Duration::from_secs(60);
            let options = Options {
                redial: (minute, minute),
                ..self.options.clone()
            };
            net.add_peer(first.clone(), options).await;
            net.peers.sort_by_key(Actor::id);
        }
        net.settled().await;
        net
    }
}

impl Net {
    /// Seeds and peers with the default options.
    pub(crate) async fn start(seeds: usize, peers: usize) -> Self {
        Plan::new(seeds, peers).start().await
    }

    /// Starts a peer; the last of [`peers`](Self::peers) from then on.
    pub(crate) async fn add_peer(&mut self, identity: Identity, options: Options) {
        let (listener, address) = listener(self.plan.host);
        let builder = Node::peer(address, self.list.clone()).listener(listener);
        let node = builder
            .identity(identity.clone())
            .options(options)
            .spawn()
            .await
            .unwrap();
        self.listen_to(&node);
        let address = address.to_string();
        self.peers.push(Actor {
            identity,
            address,
            node,
        });
    }

    /// Hears everything a node has to say.
    pub(crate) fn listen_to(&self, node: &Node) {
        let (ears, who, mut events) = (self.ears.clone(), node.id(), node.events());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if ears.send(Heard { who, event }).is_err() {
                    break;
                }
            }
        });
    }

    /// Kills a peer without a word, and takes it off the list.
    pub(crate) fn kill(&mut self, index: usize) -> Actor {
        let actor = self.peers.remove(index);
        actor.node.abort();
        actor
    }

    pub(crate) fn peer_ids(&self) -> Vec<NodeId> {
        self.peers.iter().map(Actor::id).collect()
    }

    /// All nodes that run.
    pub(crate) fn actors(&self) -> impl Iterator<Item = &Actor> {
        self.seeds.iter().chain(&self.peers)
    }

    pub(crate) fn ids(&self) -> Vec<NodeId> {
        self.actors().map(Actor::id).collect()
    }

    /// The electorate with all voters known.
    pub(crate) fn electorate(&self) -> Electorate {
        let mut electorate = self.list.electorate().unwrap();
        let present = self.seeds.iter().map(|seed| (seed.id(), &seed.address));
        let absent = self
            .absent
            .iter()
            .map(|(identity, address)| (identity.id(), address));
        for (id, address) in present.chain(absent) {
            electorate
                .bind(self.list.position(address).unwrap(), id)
                .unwrap();
        }
        electorate
    }

    /// How much was heard so far.
    pub(crate) fn mark(&mut self) -> usize {
        while let Ok(heard) = self.arrivals.try_recv() {
            self.heard.push(heard);
        }
        self.heard.len()
    }

    /// Listens until what was heard since `from` is enough.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        from: usize,
        enough: impl Fn(&[Heard]) -> bool,
    ) {
        let deadline = Instant::now() + PATIENCE;
        self.mark();
        while !enough(&self.heard[from..]) {
            match timeout_at(deadline, self.arrivals.recv()).await {
                Ok(Some(heard)) => self.heard.push(heard),
                _ => panic!(
                    "missing after {PATIENCE:?}: {what}; heard since:\n{}",
                    self.transcript(from)
                ),
            }
        }
    }

    /// Listens for a while, for what must not come.
    pub(crate) async fn listen_for(&mut self, span: Duration) {
        let deadline = Instant::now() + span;
        while let Ok(Some(heard)) = timeout_at(deadline, self.arrivals.recv()).await {
            self.heard.push(heard);
        }
    }

    /// Listens until a node has said something.
    pub(crate) async fn until_event(
        &mut self,
        what: &str,
        from: usize,
        who: NodeId,
        pick: impl Fn(&Event) -> bool,
    ) {
        self.until(what, from, |heard| {
            heard
                .iter()
                .any(|heard| heard.who == who && pick(&heard.event))
        })
        .await;
    }

    /// Listens until all these nodes have said something.
    pub(crate) async fn until_all(
        &mut self,
        what: &str,
        from: usize,
        ids: &[NodeId],
        pick: impl Fn(&Event) -> bool,
    ) {
        self.until(what, from, |heard| everywhere(ids, heard, &pick))
            .await;
    }

    /// Everything heard since, for a person.
    pub(crate) fn transcript(&self, from: usize) -> String {
        let lines = self.heard[from..].iter();
        let lines: Vec<String> = lines
            .map(|heard| format!("{}: {}", self.name_of(heard.who), heard.event))
            .collect();
        lines.join("\n")
    }

    fn name_of(&self, id: NodeId) -> String {
        let place = |actors: &[Actor]| actors.iter().position(|actor| actor.id() == id);
        match (place(&self.seeds), place(&self.peers)) {
            (Some(index), _) => format!("seed {index}"),
            (_, Some(index)) => format!("peer {index}"),
            _ => id.short().to_string(),
        }
    }

    /// Waits until every node's roster has every peer, and every peer its links.
    pub(crate) async fn settled(&mut self) {
        let (ids, peers) = (self.ids(), self.peer_ids());
        let links_min = peers.len().saturating_sub(1).min(3);
        self.until("complete rosters and links", 0, |heard| {
            let knows = |who: &NodeId, peer: &NodeId| {
                let is_admitted = |event: &Event| matches!(event, Event::Admitted { member, .. } if member.id == *peer);
                heard.iter().any(|heard| heard.who == *who && is_admitted(&heard.event))
            };
            ids.iter().all(|who| peers.iter().all(|peer| knows(who, peer)))
                && peers.iter().all(|who| links(heard, *who).len() >= links_min)
        })
        .await;
    }

    /// Who is in, by a node's roster.
    pub(crate) async fn roster(&self, actor: &Actor) -> Vec<(NodeId, u64)> {
        let members = actor.node.members().await;
        members
            .iter()
            .map(|member| (member.id, member.incarnation))
            .collect()
    }

    /// Fails unless all rosters are these peers, each at its incarnation.
    pub(crate) async fn assert_members(&self, what: &str, expected: &[(NodeId, u64)]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        for actor in self.actors() {
            assert_eq!(
                self.roster(actor).await,
                expected,
                "{what}: the roster of {}",
                self.name_of(actor.id())
            );
        }
    }

    /// Fails unless all rosters are the running peers in their first life.
    pub(crate) async fn assert_untouched(&self, what: &str) {
        let expected: Vec<(NodeId, u64)> = self.peer_ids().into_iter().map(|id| (id, 1)).collect();
        self.assert_members(what, &expected).await;
    }

    /// Fails unless a message of the last peer reaches every other peer once.
    pub(crate) async fn assert_gossips(&mut self) {
        self.assert_heard(self.peers.len() - 1).await;
    }

    /// Fails unless a message of this peer reaches every other peer once.
    pub(crate) async fn assert_heard(&mut self, origin: usize) {
        let from = self.mark();
        let origin = &self.peers[origin];
        let published = origin.node.broadcast("are you there?").await.unwrap();
        let others: Vec<NodeId> = self
            .peer_ids()
            .into_iter()
            .filter(|id| *id != origin.id())
            .collect();
        let is_it = |event: &Event| matches!(event, Event::Message(delivery) if delivery.id == published.id);
        self.until_all("a message at every peer", from, &others, is_it)
            .await;
        let copies = self.heard[from..]
            .iter()
            // A node that a test took off the list may hear it too.
            .filter(|heard| is_it(&heard.event) && others.contains(&heard.who))
            .count();
        assert_eq!(copies, others.len(), "deliveries of one message");
    }

    /// Waits until these nodes know that a member was evicted.
    pub(crate) async fn until_dead(&mut self, from: usize, who: NodeId, survivors: &[NodeId]) {
        let is_dead = |event: &Event| matches!(event, Event::DeadConfirmed { member, .. } if member.id == who);
        let what = format!("DEAD_CONFIRMED of {} everywhere", who.short());
        self.until_all(&what, from, survivors, is_dead).await;
    }
}

/// Whom a node is linked to, by its events.
pub(crate) fn links(heard: &[Heard], who: NodeId) -> BTreeSet<NodeId> {
    let mut links = BTreeSet::new();
    for heard in heard.iter().filter(|heard| heard.who == who) {
        match &heard.event {
            Event::LinkUp(peer) => {
                links.insert(peer.id);
            }
            Event::LinkDown { peer, .. } => {
                links.remove(&peer.id);
            }
            _ => {}
        }
    }
    links
}

/// Whether all of these nodes have said something.
pub(crate) fn everywhere(ids: &[NodeId], heard: &[Heard], pick: impl Fn(&Event) -> bool) -> bool {
    ids.iter().all(|who| {
        heard
            .iter()
            .any(|heard| heard.who == *who && pick(&heard.event))
    })
}

pub(crate) fn is_joined(event: &Event) -> bool {
    matches!(event, Event::Joined { .. })
}

/// A refusal of one node by this one, for this reason.
pub(crate) fn is_refusal(remote: NodeId, reason: &str) -> impl Fn(&Event) -> bool + '_ {
    move |event| {
        matches!(event, Event::Refused { remote: party, by_us: true, reason: why }
            if party.id == remote && why.contains(reason))
    }
}
