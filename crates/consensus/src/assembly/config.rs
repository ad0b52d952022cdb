//! Every limit and every interval of an assembly.

use std::time::Duration;

/// How one [`Assembly`](crate::Assembly) behaves. Members need not agree on any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long each member waits for those before it in rank to lead a decision. Longer than a round trip spares
    /// ballots that get in each other's way; shorter goes on sooner when the first in rank is dead. Default 50 ms.
    pub rank_delay: Duration,
    /// How long a leader is given before another takes over, at first; it doubles up to 32 times that while an epoch is
    /// not decided. Default 500 ms.
    pub patience: Duration,
    /// How often a leader repeats its question to those who have not answered. Default 500 ms.
    pub repeat: Duration,
    /// The first and the longest pause before a refused leader tries again; doubles in between, with jitter. Default
    /// 50 ms and 2 s.
    pub back_off: (Duration, Duration),
    /// How often members compare where they are, and repeat what is open. Default 2 s.
    pub sync: Duration,
    /// How long after one that was thought dead is back this member chooses to throw out nobody: after an outage all come
    /// back at about the same time. Default 2 s.
    pub heal: Duration,
    /// When a failed write is tried again. Default 1 s.
    pub persist_again: Duration,
    /// How far from an attempt's opening a member takes it up, by its own clock, and so how long its opinions have to be
    /// kept. People take their time: longer than any of them might. Default 24 h.
    pub window: Duration,
    /// How many candidates may ask at once; more are told to come back. Default 64.
    pub candidates_max: usize,
    /// How many own opinions within `window` are kept; more candidates are not taken up. Default 65,536.
    pub opinions_max: usize,
    /// Whether one decision is all: what follows is somebody else's. Default no.
    pub decides_once: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rank_delay: Duration::from_millis(50),
            patience: Duration::from_millis(500),
            repeat: Duration::from_millis(500),
            back_off: (Duration::from_millis(50), Duration::from_secs(2)),
            sync: Duration::from_secs(2),
            heal: Duration::from_secs(2),
            persist_again: Duration::from_secs(1),
            window: Duration::from_secs(24 * 60 * 60),
            candidates_max: 64,
            opinions_max: 65_536,
            decides_once: false,
        }
    }
}
