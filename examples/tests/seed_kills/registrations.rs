//! Peers that register, a few at a time, and what they were told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::{Event, Node, NodeId, SeedList};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::common::PATIENCE;

/// How many peers register at once.
const AT_ONCE: usize = 10;

/// Peers on their way in, or in.
pub(crate) struct Registrations {
    news: mpsc::UnboundedReceiver<News>,
    nodes: Vec<Node>,
    release: watch::Sender<bool>,
    /// When the last peer was told of its own admission.
    pub(crate) last: Option<Instant>,
    /// How many peers were told of theirs.
    pub(crate) joined: usize,
    /// Every admission that any peer was told of: whose, and the latest of its lives.
    pub(crate) told: BTreeMap<NodeId, u64>,
}

enum News {
    Started(Node),
    Joined(Instant),
    Admitted(NodeId, u64),
    Ended(NodeId),
}

impl Registrations {
    /// Starts so many peers, one after another as others get in; the last quarter when [`release`](Self::release)d.
    pub(crate) fn start(count: usize, list: &SeedList) -> Self {
        let (sender, news) = mpsc::unbounded_channel();
        let list = list.clone();
        let (release, mut is_released) = watch::channel(false);
        tokio::spawn(async move {
            let turns = Arc::new(Semaphore::new(AT_ONCE));
            for number in 0..count {
                if number >= count - count / 4 {
                    // An error means that the round has ended.
                    let _released = is_released.wait_for(|released| *released).await;
                }
                let Ok(turn) = turns.clone().acquire_owned().await else {
                    return;
                };
                let (sender, list) = (sender.clone(), list.clone());
                tokio::spawn(async move {
                    let listen = "127.0.0.1:0".parse().unwrap();
                    let node = Node::peer(listen, list).spawn().await.unwrap();
                    let mut events = node.events();
                    let _kept = sender.send(News::Started(node));
                    let mut turn = Some(turn);
                    while let Some(event) = events.next().await {
                        let news = match event {
                            Event::Joined { .. } => {
                                turn.take();
                                News::Joined(Instant::now())
                            }
                            Event::Admitted {
                                member,
                                incarnation,
                                ..
                            } => News::Admitted(member.id, incarnation),
                            Event::DeadConfirmed { member, .. } => News::Ended(member.id),
                            _ => continue,
                        };
                        if sender.send(news).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            news,
            nodes: Vec::new(),
            release,
            last: None,
            joined: 0,
            told: BTreeMap::new(),
        }
    }

    /// Lets the last ones start.
    pub(crate) fn release(&self) {
        self.release.send_replace(true);
    }

    /// Waits until so many peers were told of their own admission.
    pub(crate) async fn until(&mut self, joined: usize) {
        while self.joined < joined {
            self.hear().await;
        }
    }

    /// Waits until a peer is told of its own admission, and says when, and how long after the one before.
    pub(crate) async fn next(&mut self) -> (Instant, Duration) {
        let before = self.last;
        self.until(self.joined + 1).await;
        let now = self.last.unwrap();
        (now, before.map_or(Duration::ZERO, |before| now - before))
    }

    /// Hears what was said meanwhile, and waits for nothing.
    pub(crate) fn catch_up(&mut self) {
        while let Ok(news) = self.news.try_recv() {
            self.take(news);
        }
    }

    /// Ends all peers, as a crash would.
    pub(crate) fn abort(&self) {
        self.nodes.iter().for_each(Node::abort);
    }

    async fn hear(&mut self) {
        let news = timeout(PATIENCE, self.news.recv()).await;
        let news =
            news.unwrap_or_else(|_| panic!("nobody was told of anything; {} are in", self.joined));
        self.take(news.expect("peers go on as long as they are not aborted"));
    }

    fn take(&mut self, news: News) {
        match news {
            News::Started(node) => self.nodes.push(node),
            News::Joined(at) => {
                self.joined += 1;
                self.last = Some(at);
            }
            News::Admitted(node, incarnation) => {
                let told = self.told.entry(node).or_default();
                *told = incarnation.max(*told);
            }
            News::Ended(node) => panic!("{node} was thrown out, but it lives"),
        }
    }
}
