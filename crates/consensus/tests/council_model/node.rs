//! One seed between two turns: what it is, and how to get there again. A `Council` cannot be cloned, so that a turn begins
//! with a new one, which is told all that was told since the last start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use quorate_consensus::{Choice, Digest, NodeId, Proof, StandingKey};

use crate::bounds::Bounds;
use crate::cast::{ALL, Cast, Sealed};
use crate::disk::{Disk, Write};
use crate::held::{Held, Pool};
use crate::wire::Envelope;
use crate::work::Work;

/// Equal to all that will do the same from now on.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) now: Present,
    /// At the last start.
    pub(crate) start: Past,
    pub(crate) log: Vec<Input>,
    pub(crate) shown: Shown,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Present {
    pub(crate) who: usize,
    pub(crate) council: Digest,
    /// Asked for and not written yet.
    pub(crate) waiting: Vec<Write>,
    /// Asked to judge, and not answered yet.
    pub(crate) asked: BTreeSet<usize>,
    pub(crate) past: Past,
}

/// What outlasts a crash: the disk, and what others may remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    pub(crate) disk: Disk,
    /// Every own vote that was ever durable or sent.
    pub(crate) said: BTreeSet<(usize, Choice)>,
    /// The greatest standing of each node that was ever committed.
    pub(crate) committed: BTreeMap<NodeId, StandingKey>,
    /// What no run may show.
    pub(crate) fault: Option<String>,
}

/// What follows from the rest, for promises to look at.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) digest: Digest,
    pub(crate) roster: BTreeMap<NodeId, (StandingKey, Arc<Proof>)>,
    /// Of the roster, the disk, and what is to be written.
    pub(crate) certificates: BTreeSet<Sealed>,
    /// Which questions it durably said yes to, a bit for each.
    pub(crate) yes: u8,
    /// Which questions are open.
    pub(crate) open: Vec<usize>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.now == other.now
    }
}

impl Eq for Node {}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.now.hash(state);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    Take(Held<Envelope>),
    /// Somebody asks this seed to bring a question.
    Bring(usize),
    Judge(usize, Choice),
    /// What waits longest reaches the disk.
    Write,
    /// Nothing but timers that send again, which every turn ends with.
    Tick,
    /// The deadline of all that is open passes.
    Expire,
    Restart,
}

/// What an input leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) node: Held<Node>,
    pub(crate) sent: Vec<Held<Envelope>>,
}

/// An input with all that follows; and cut short by a crash with restart between two writes. Before the first, nothing has
/// left, as if the crash had come first; after the last, what leaves may just as well be lost on the way.
#[derive(Debug)]
pub(crate) struct Turns {
    pub(crate) whole: Turn,
    pub(crate) cut: Vec<Turn>,
}

/// Computes what inputs do, each once per state of a seed.
#[derive(Debug)]
pub(crate) struct Turning {
    pub(crate) cast: Cast,
    pub(crate) bounds: Bounds,
    pub(crate) nodes: Pool<Node>,
    pub(crate) envelopes: Pool<Envelope>,
    /// Whether any seed was ever shown that C signs both ways. Seeing it changes nothing in a council, so that no state
    /// tells.
    pub(crate) has_evidence: AtomicBool,
    known: Mutex<HashMap<(u32, Input), &'static Turns>>,
}

impl Turning {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            cast: Cast::new(&bounds),
            bounds,
            nodes: Pool::new(),
            envelopes: Pool::new(),
            has_evidence: AtomicBool::new(false),
            known: Mutex::default(),
        }
    }

    /// Everybody when the exploration begins.
    pub(crate) fn first(&self) -> [Held<Node>; 3] {
        let mut past = Past::default();
        if let Some(proof) = &self.cast.before {
            past.disk.write(Write::Proof(proof.clone()));
            past.committed.extend(proof.claims());
        }
        ALL.map(|who| self.nodes.hold(Work::begin(self, who, past.clone()).node()))
    }

    pub(crate) fn turns(&self, node: Held<Node>, input: Input) -> &'static Turns {
        let key = (node.index(), input);
        if let Some(turns) = self.known.lock().unwrap().get(&key) {
            return turns;
        }
        let turns = Box::leak(Box::new(self.compute(&node, input)));
        self.known.lock().unwrap().insert(key, turns);
        turns
    }

    fn compute(&self, node: &Node, input: Input) -> Turns {
        let who = node.now.who;
        if input == Input::Restart {
            let work = Work::begin(self, who, node.now.past.clone());
            return Turns {
                whole: self.turn(work),
                cut: Vec::new(),
            };
        }
        let mut work = Work::resume(self, node);
        work.take(input);
        let cut = work.cuts().map(|(past, sent)| {
            let mut begun = Work::begin(self, who, past);
            begun.sent = sent;
            self.turn(begun)
        });
        Turns {
            cut: cut.collect(),
            whole: self.turn(work),
        }
    }

    fn turn(&self, mut work: Work<'_>) -> Turn {
        let sent = std::mem::take(&mut work.sent).into_iter();
        Turn {
            sent: sent.map(|envelope| self.envelopes.hold(envelope)).collect(),
            node: self.nodes.hold(work.node()),
        }
    }
}
