//! Peers that register, a few at a time, and what they were told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::{Event, Node, NodeId, Options, SeedList};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::common::PATIENCE;

/// How many peers register at once.
const AT_ONCE: usize = 10;

/// How long it may take until the next one gets in, when those who try are refused: they come back after up to 12.5 s.
const ADMISSION_PATIENCE: Duration = Duration::from_secs(60);

/// Members with as few links as make an overlay. What members do among themselves is not what is tried here, and with the
/// usual links two hundred of them in one process take twice the time of the registrations.
fn few_links() -> Options {
    let mut options = Options::default();
    options.overlay.min_degree = 1;
    options.overlay.degree_cutoff = 4;
    options.overlay.exponent = 10.0;
    options
}

/// Peers on their way in, or in.
pub(crate) struct Registrations {
    news: mpsc::UnboundedReceiver<News>,
    nodes: Vec<Node>,
    release: watch::Sender<bool>,
    /// When the last peer was told of its own admission.
    pub(crate) last: Option<Instant>,
    /// How many peers were told of theirs.
    pub(crate) joined: usize,
    /// How often a peer was refused, and the last time why.
    pub(crate) refused: (usize, String),
    /// Every admission that any peer was told of: whose, and the latest of its lives.
    pub(crate) told: BTreeMap<NodeId, u64>,
}

enum News {
    Started(Node),
    Joined(Instant),
    Refused(String),
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
                    let node = Node::peer(listen, list).options(few_links());
                    let node = node.spawn().await.unwrap();
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
                            Event::RegisterRefused { reason, .. } => News::Refused(reason),
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
            refused: (0, String::new()),
            told: BTreeMap::new(),
        }
    }

    /// Lets the last ones start.
    pub(crate) fn release(&self) {
        self.release.send_replace(true);
    }

    /// Waits until so many peers were told of their own admission.
    pub(crate) async fn until(&mut self, joined: usize) {
        let mut progress = (self.joined, Instant::now());
        while self.joined < joined {
            self.hear().await;
            if self.joined > progress.0 {
                progress = (self.joined, Instant::now());
            }
            let (refused, why) = &self.refused;
            assert!(
                progress.1.elapsed() < ADMISSION_PATIENCE,
                "nobody gets in any more; {} are in; {refused} refusals, the last: {why}",
                self.joined
            );
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
        let news = news.unwrap_or_else(|_| {
            let (joined, (refused, why)) = (self.joined, &self.refused);
            panic!(
                "nobody was told of anything; {joined} are in; {refused} refusals, the last: {why}"
            )
        });
        self.take(news.expect("peers go on as long as they are not aborted"));
    }

    fn take(&mut self, news: News) {
        match news {
            News::Started(node) => self.nodes.push(node),
            News::Joined(at) => {
                self.joined += 1;
                self.last = Some(at);
            }
            News::Refused(reason) => {
                self.refused.0 += 1;
                self.refused.1 = reason;
            }
            News::Admitted(node, incarnation) => {
                let told = self.told.entry(node).or_default();
                *told = incarnation.max(*told);
            }
            News::Ended(node) => panic!("{node} was thrown out, but it lives"),
        }
    }
}
