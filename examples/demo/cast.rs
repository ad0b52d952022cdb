//! Who plays in the demo, and everything that was heard from them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use quorate_node::{Event, Identity, Node, NodeId, SeedLine, SeedList};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

/// One node of the story.
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) address: SocketAddr,
    pub(crate) node: Node,
}

/// Something that happened somewhere.
pub(crate) struct Heard {
    pub(crate) who: NodeId,
    pub(crate) at: Instant,
    pub(crate) event: Event,
}

/// All nodes, and what was heard so far.
pub(crate) struct Cast {
    pub(crate) seeds: SeedList,
    pub(crate) actors: Vec<Actor>,
    pub(crate) heard: Vec<Heard>,
    arrivals: mpsc::UnboundedReceiver<Heard>,
    ears: mpsc::UnboundedSender<Heard>,
}

/// A socket on a free port.
pub(crate) fn listener() -> Result<(TcpListener, SocketAddr), String> {
    let bind = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|error: std::io::Error| format!("cannot listen on 127.0.0.1: {error}"))
}

impl Cast {
    /// Starts the seeds.
    pub(crate) async fn new(count: usize) -> Result<Self, String> {
        let mut sockets = Vec::new();
        for _ in 0..count {
            sockets.push(listener()?);
        }
        let lines = sockets.iter().map(|(_, address)| SeedLine {
            address: address.to_string(),
            pin: None,
        });
        let seeds = SeedList::new(lines).map_err(|error| error.to_string())?;
        let (ears, arrivals) = mpsc::unbounded_channel();
        let mut this = Self {
            seeds,
            actors: Vec::new(),
            heard: Vec::new(),
            arrivals,
            ears,
        };
        for (index, (listener, address)) in sockets.into_iter().enumerate() {
            let identity = Identity::generate().map_err(|error| error.to_string())?;
            let builder = Node::seed(address, this.seeds.clone())
                .listener(listener)
                .identity(identity.clone());
            let node = builder.spawn().await.map_err(|error| error.to_string())?;
            this.add(format!("seed{}", index + 1), identity, address, node);
        }
        Ok(this)
    }

    /// Starts a peer under a name and a key; returns its place in the cast.
    pub(crate) async fn start_peer(
        &mut self,
        name: &str,
        identity: Identity,
    ) -> Result<usize, String> {
        let (listener, address) = listener()?;
        let builder = Node::peer(address, self.seeds.clone())
            .listener(listener)
            .identity(identity.clone());
        let node = builder.spawn().await.map_err(|error| error.to_string())?;
        self.add(name.to_owned(), identity, address, node);
        Ok(self.actors.len() - 1)
    }

    fn add(&mut self, name: String, identity: Identity, address: SocketAddr, node: Node) {
        let (ears, who, mut events) = (self.ears.clone(), node.id(), node.events());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let at = Instant::now();
                if ears.send(Heard { who, at, event }).is_err() {
                    break;
                }
            }
        });
        self.actors.push(Actor {
            name,
            identity,
            address,
            node,
        });
    }

    /// Listens until what was heard since `from` satisfies `enough`, or says what was missing.
    pub(crate) async fn wait(
        &mut self,
        what: &str,
        limit: Duration,
        from: usize,
        enough: impl Fn(&[Heard]) -> bool,
    ) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + limit;
        while !enough(&self.heard[from..]) {
            match timeout_at(deadline, self.arrivals.recv()).await {
                Ok(Some(heard)) => self.heard.push(heard),
                _ => return Err(format!("missing after {limit:?}: {what}")),
            }
        }
        Ok(())
    }

    /// Listens for a while, and forgets nothing.
    pub(crate) async fn listen_for(&mut self, span: Duration) {
        let deadline = tokio::time::Instant::now() + span;
        while let Ok(Some(heard)) = timeout_at(deadline, self.arrivals.recv()).await {
            self.heard.push(heard);
        }
    }

    /// The name of a node.
    pub(crate) fn name_of(&self, id: NodeId) -> &str {
        let of_id = |actor: &&Actor| actor.node.id() == id;
        self.actors
            .iter()
            .rfind(of_id)
            .map_or("?", |actor| actor.name.as_str())
    }
}
