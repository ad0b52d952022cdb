//! With whom a member compares rosters, and when: one after another with whoever is newly connected, and now and then with
//! anybody, which makes good whatever kept the two from hearing the same. What is said then is in
//! [`roster_sync`](super::roster_sync).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::ConnId;

/// How long after a link came up rosters are compared over it, if nobody waits before it: while a network forms, links come
/// up in numbers, and whoever is compared with at once differs in all that is on its way anyhow.
const SOON: Duration = Duration::from_secs(1);

/// How much time lies between two comparisons that a member begins: at least [`SOON`], and so much for each member, each of
/// whom the two may differ in.
const APART_PER_MEMBER: Duration = Duration::from_millis(2);

/// The shortest pause of a member between two comparisons when nobody waits for one, in seconds; the longest is half as
/// long again.
const PAUSE_SECS: u64 = 10;

/// How many connections wait for a comparison.
const WAITING_MAX: usize = 256;

/// Whose turn is next.
#[derive(Debug)]
pub struct Comparisons {
    waiting: VecDeque<ConnId>,
    at: Instant,
    last: Option<Instant>,
}

impl Comparisons {
    /// Nobody waits.
    pub fn new(rng: &mut ChaCha8Rng, now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            at: now + pause(rng),
            last: None,
        }
    }

    /// A neighbour is newly linked: rosters are compared in a moment.
    pub fn soon(&mut self, conn: ConnId, members: usize, now: Instant) {
        self.wait(conn);
        let earliest = self.last.map_or(now, |last| last + apart(members));
        self.at = self.at.min(earliest.max(now + SOON));
    }

    /// A seed is newly connected: rosters are compared at once, unless another has just been compared with.
    pub fn next(&mut self, conn: ConnId, members: usize, now: Instant) {
        self.wait(conn);
        let earliest = self.last.map_or(now, |last| last + apart(members));
        self.at = self.at.min(earliest);
    }

    /// When [`due`](Self::due) has something to say.
    pub const fn poll_timeout(&self) -> Instant {
        self.at
    }

    /// With whom of these to begin a comparison now, if it is time for one.
    pub fn due(
        &mut self,
        partners: &[ConnId],
        members: usize,
        rng: &mut ChaCha8Rng,
        now: Instant,
    ) -> Option<ConnId> {
        if now < self.at {
            return None;
        }
        let next = std::iter::from_fn(|| self.waiting.pop_front())
            .find(|conn| partners.contains(conn))
            .or_else(|| {
                partners
                    .get(rng.random_range(0..partners.len().max(1)))
                    .copied()
            });
        self.last = Some(now);
        self.at = now
            + if self.waiting.is_empty() {
                pause(rng)
            } else {
                apart(members)
            };
        next
    }

    fn wait(&mut self, conn: ConnId) {
        if !self.waiting.contains(&conn) {
            self.waiting.push_back(conn);
        }
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
        }
    }
}

/// How long to wait until rosters are compared again.
fn pause(rng: &mut ChaCha8Rng) -> Duration {
    Duration::from_millis(rng.random_range(PAUSE_SECS * 1_000..=PAUSE_SECS * 1_500))
}

fn apart(members: usize) -> Duration {
    let members = u32::try_from(members).unwrap_or(u32::MAX);
    SOON.max(APART_PER_MEMBER.saturating_mul(members))
}
