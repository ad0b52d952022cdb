//! The wires: connections whose frames keep their order, and everything that can happen to them.
//!
//! TCP never reorders and never loses a part of a stream. What goes wrong shows as delay (a lost segment is sent again),
//! as silence (a cut wire, a host without power), or as a reset.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quorate_node::roles::Frame;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::dice::{Dice as _, mix};
use crate::host::HostId;

/// How much a kernel holds of a stream that does not flow, in bytes.
pub const KERNEL_BUFFER: usize = 256 * 1024;

/// A delay longer than this is a disturbance.
const DISTURBED_AFTER: Duration = Duration::from_millis(250);

/// For how long the past is remembered.
const REMEMBERED: Duration = Duration::from_secs(120);

/// The first pause before a lost segment is sent again; it doubles.
const RETRANSMIT: Duration = Duration::from_millis(200);

/// How the wires behave when nothing is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// The shortest and the longest time between two hosts; each pair has its own.
    pub latency: (Duration, Duration),
    /// How much longer a single frame may take, in percent of the pair's latency.
    pub jitter_percent: u32,
    /// One in so many frames has a segment lost; 0 for none.
    pub stall_one_in: u32,
    /// One in so many frames meets a reset connection; 0 for none.
    pub reset_one_in: u32,
    /// Bytes in a second that a host can send.
    pub bandwidth: u64,
}

impl Weather {
    /// A quiet local network.
    pub const CALM: Self = Self {
        latency: (Duration::from_micros(200), Duration::from_millis(2)),
        jitter_percent: 20,
        stall_one_in: 0,
        reset_one_in: 0,
        bandwidth: 125_000_000,
    };
}

/// A wire that is cut, in one direction.
#[derive(Debug, Clone)]
struct Cut {
    from: BTreeSet<HostId>,
    to: BTreeSet<HostId>,
    /// When it was mended.
    until: Option<Duration>,
}

impl Cut {
    fn affects(&self, from: HostId, to: HostId) -> bool {
        self.from.contains(&from) && self.to.contains(&to)
    }
}

/// What one end of a connection is to its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndState {
    /// The handshake has not ended here.
    Opening,
    /// In use.
    Up,
    /// Closed here.
    Closed,
    /// Its host lost power: nobody knows of it any more.
    Vanished,
}

/// What travels.
#[derive(Debug)]
pub(crate) enum Item {
    /// The handshake's end.
    Opened,
    /// A frame, and how long it is.
    Frame(Arc<Frame>, usize),
    /// The end of the stream.
    Fin,
}

/// One end of a connection, and the stream that leaves it.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: HostId,
    pub(crate) life: u64,
    pub(crate) state: EndState,
    /// How many frames came; the first is the hello.
    pub(crate) came: u32,
    pub(crate) is_accepted: bool,
    /// Frames that wait for the hello to be accepted.
    pub(crate) held: VecDeque<(Arc<Frame>, usize)>,
    pub(crate) stream: Stream,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) items: VecDeque<(Duration, Item)>,
    /// Bytes sent and not arrived.
    pub(crate) bytes: usize,
    clear_at: Duration,
    /// Whether the first item's arrival is in the queue.
    pub(crate) is_scheduled: bool,
    /// Since when nothing gets through.
    pub(crate) stuck_since: Option<Duration>,
}

/// A connection. The first end dialled.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) ends: [End; 2],
}

/// Connections by their numbers, which count up and are never used again: each is in its place in a list.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Option<Box<Link>>>);

impl Links {
    pub(crate) fn get(&self, number: &u64) -> Option<&Link> {
        self.0.get(usize::try_from(*number).ok()?)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, number: &u64) -> Option<&mut Link> {
        self.0
            .get_mut(usize::try_from(*number).ok()?)?
            .as_deref_mut()
    }

    pub(crate) fn remove(&mut self, number: &u64) -> Option<Box<Link>> {
        let index = usize::try_from(*number).ok()?;
        self.0.get_mut(index)?.take()
    }

    /// All that are there, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Link)> {
        let places = (0..).zip(&self.0);
        places.filter_map(|(number, link)| Some((number, link.as_deref()?)))
    }

    fn push(&mut self, link: Link) -> u64 {
        self.0.push(Some(Box::new(link)));
        self.0.len() as u64 - 1
    }
}

/// All connections, and the state of the wires.
#[derive(Debug)]
pub struct Network {
    /// How the wires behave now.
    pub weather: Weather,
    seed: u64,
    rng: ChaCha8Rng,
    cuts: Vec<Cut>,
    disturbed: BTreeMap<(HostId, HostId), Duration>,
    pub(crate) links: Links,
    pub(crate) stuck: BTreeSet<(u64, usize)>,
}

impl Network {
    /// No connections yet.
    pub(crate) fn new(weather: Weather, seed: u64, rng: ChaCha8Rng) -> Self {
        Self {
            weather,
            seed,
            rng,
            cuts: Vec::new(),
            disturbed: BTreeMap::new(),
            links: Links::default(),
            stuck: BTreeSet::new(),
        }
    }

    /// Cuts the wires from some hosts to some others.
    pub(crate) fn cut(&mut self, from: BTreeSet<HostId>, to: BTreeSet<HostId>) {
        self.cuts.push(Cut {
            from,
            to,
            until: None,
        });
    }

    /// Mends everything.
    pub(crate) fn mend(&mut self, now: Duration) {
        for cut in &mut self.cuts {
            cut.until.get_or_insert(now);
        }
        self.cuts
            .retain(|cut| cut.until.is_none_or(|until| until + REMEMBERED > now));
    }

    /// Whether nothing gets from one host to the other.
    pub fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.cuts
            .iter()
            .any(|cut| cut.until.is_none() && cut.affects(from, to))
    }

    /// Since when frames between two hosts have been coming through in time, both ways; `None` if they do not.
    pub fn clear_since(&self, a: HostId, b: HostId) -> Option<Duration> {
        let mut since = self.disturbed.get(&pair(a, b)).copied().unwrap_or_default();
        for cut in &self.cuts {
            if cut.affects(a, b) || cut.affects(b, a) {
                since = since.max(cut.until?);
            }
        }
        Some(since)
    }

    /// Something unusual happened between two hosts, and lasts until then.
    pub(crate) fn disturb(&mut self, a: HostId, b: HostId, until: Duration) {
        let disturbed = self.disturbed.entry(pair(a, b)).or_default();
        *disturbed = until.max(*disturbed);
    }

    /// How long a frame takes, without what it waits for.
    pub(crate) fn latency(&mut self, a: HostId, b: HostId) -> Duration {
        let (low, high) = self.weather.latency;
        let spread = u64::try_from((high.saturating_sub(low)).as_nanos()).unwrap_or(u64::MAX);
        let of_pair = pair(a, b);
        let drawn = mix(self.seed ^ of_pair.0.0 as u64, of_pair.1.0 as u64);
        let base = low + Duration::from_nanos(if spread == 0 { 0 } else { drawn % spread });
        let jitter = base * self.weather.jitter_percent / 100;
        // A few frames are much later than most.
        let jitter = if self.rng.one_in(64) {
            jitter * 10
        } else {
            jitter
        };
        base + self.rng.span(Duration::ZERO, jitter)
    }

    /// When a frame that leaves at `sent` arrives, on a stream; also whether the connection is reset instead.
    pub(crate) fn arrival(&mut self, link: u64, end: usize, sent: Duration) -> (Duration, bool) {
        let Some((a, b)) = self
            .links
            .get(&link)
            .map(|link| (link.ends[end].host, link.ends[1 - end].host))
        else {
            return (sent, false);
        };
        let mut delay = self.latency(a, b);
        if self.rng.one_in(self.weather.stall_one_in) {
            let doublings = self.rng.random::<u32>().trailing_zeros().min(4);
            delay += RETRANSMIT * (1 << doublings);
        }
        let is_reset = self.rng.one_in(self.weather.reset_one_in);
        let Some(stream) = self
            .links
            .get_mut(&link)
            .map(|link| &mut link.ends[end].stream)
        else {
            return (sent, false);
        };
        stream.clear_at = stream.clear_at.max(sent + delay);
        let at = stream.clear_at;
        if at > sent + DISTURBED_AFTER {
            self.disturb(a, b, at);
        }
        (at, is_reset)
    }

    /// A connection between two processes, the dialler's first.
    pub(crate) fn connect(&mut self, ends: [(HostId, u64); 2]) -> u64 {
        let [near, far] = ends.map(|(host, life)| End {
            host,
            life,
            state: EndState::Opening,
            came: 0,
            is_accepted: false,
            held: VecDeque::new(),
            stream: Stream::default(),
        });
        self.links.push(Link { ends: [near, far] })
    }

    /// How long it takes until a stream that stood still flows again, after its wire was mended.
    pub(crate) fn recovery(&mut self, stood: Duration) -> Duration {
        let longest = (stood / 2).clamp(Duration::from_millis(1), Duration::from_secs(5));
        self.rng.span(Duration::ZERO, longest)
    }
}

fn pair(a: HostId, b: HostId) -> (HostId, HostId) {
    (a.min(b), a.max(b))
}
