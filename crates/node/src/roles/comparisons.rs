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

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    const MEMBERS: usize = 30;

    /// When comparisons begin within so many seconds, and with whom of these.
    fn within(
        comparisons: &mut Comparisons,
        partners: &[ConnId],
        from: Instant,
        seconds: u64,
    ) -> Vec<(u64, ConnId)> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut begun = Vec::new();
        while comparisons.poll_timeout() <= from + Duration::from_secs(seconds) {
            let now = comparisons.poll_timeout().max(from);
            let with = comparisons.due(partners, MEMBERS, &mut rng, now);
            let after = u64::try_from((now - from).as_millis()).unwrap_or(u64::MAX);
            begun.extend(with.map(|with| (after, with)));
        }
        begun
    }

    fn begin() -> (Comparisons, Instant) {
        let now = Instant::now();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        (Comparisons::new(&mut rng, now), now)
    }

    const ALL: [ConnId; 5] = [ConnId(1), ConnId(2), ConnId(3), ConnId(4), ConnId(5)];

    #[test]
    fn seeds_have_their_turn_at_once_and_one_after_another() {
        let (mut comparisons, now) = begin();
        for seed in &ALL[..3] {
            comparisons.next(*seed, MEMBERS, now);
        }
        let begun = within(&mut comparisons, &ALL, now, 9);
        assert_eq!(begun, [(0, ALL[0]), (1_000, ALL[1]), (2_000, ALL[2])]);
    }

    #[test]
    fn neighbors_have_their_turn_after_a_moment_once_and_if_they_are_still_there() {
        let (mut comparisons, now) = begin();
        for neighbor in [ALL[0], ALL[1], ALL[0], ALL[2]] {
            comparisons.soon(neighbor, MEMBERS, now);
        }
        let begun = within(&mut comparisons, &[ALL[0], ALL[2], ALL[4]], now, 9);
        assert_eq!(begun, [(1_000, ALL[0]), (2_000, ALL[2])]);
    }

    #[test]
    fn in_a_large_network_turns_are_further_apart() {
        let (mut comparisons, now) = begin();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        comparisons.next(ALL[0], 5_000, now);
        comparisons.next(ALL[1], 5_000, now);
        assert_eq!(comparisons.due(&ALL, 5_000, &mut rng, now), Some(ALL[0]));
        comparisons.soon(ALL[2], 5_000, now);
        assert_eq!(comparisons.poll_timeout(), now + Duration::from_secs(10));
    }

    #[test]
    fn when_nobody_waits_it_is_anybodys_turn_now_and_then_and_nobodys_if_there_is_nobody() {
        let (mut comparisons, now) = begin();
        let begun = within(&mut comparisons, &ALL, now, 300);
        assert!((20..=30).contains(&begun.len()), "{begun:?}");
        assert!(
            ALL.iter()
                .all(|conn| begun.iter().any(|(_, with)| with == conn))
        );
        assert_eq!(within(&mut comparisons, &[], now, 600), []);
    }
}
