//! One node's investigation of one suspect.
//!
//! ```text
//! waiting its rank -> asking the panel -> Report     enough panelists find the suspect unreachable
//!                       |          ^   -> Dismissed  too many find it alive for that to happen
//!                       v          |   -> Failed     the deadline passed, or nobody is left to ask
//!                  the silent are replaced
//! ```
//!
//! Left out: signatures. A testimony is opaque, its driver has verified it, and whoever reads the
//! report verifies it again and recomputes the panel.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::config::InquiryConfig;
use crate::error::InquiryError;
use crate::panel::{Panel, panel_order};
use crate::peer::PeerId;

/// What a panelist has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// Its own probe failed, or its own connection was lost.
    Unreachable,
    /// The suspect has proven to it that it lives.
    Alive,
}

/// How far one who was asked has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It has not answered yet.
    Awaited,
    /// What it found.
    Found(Finding),
    /// It did not answer in time, or could not be reached, and was replaced.
    Silent,
}

/// Something for the driver to do, or how the inquiry ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum InquiryOutput<P, T> {
    /// Ask this panelist for its testimony. It may be this node itself: the driver then answers by
    /// its own probe.
    Ask(P),
    /// The panel confirms the suspicion. The end.
    Report {
        /// The testimonies that say so, in the panel's order.
        testimonies: Vec<T>,
        /// Who was passed over; the panel can be recomputed with this list.
        silent: Vec<P>,
    },
    /// The panel will not confirm the suspicion. The end.
    Dismissed {
        /// Who found the suspect alive.
        alive: Vec<P>,
    },
    /// The inquiry came to no result. The end.
    Failed {
        /// Who did not answer.
        silent: Vec<P>,
    },
}

/// The investigation of one suspect.
///
/// `T` is a signed testimony. The contract is that of the engine: after every `handle_…`, and once
/// after `new`, drain [`poll_output`](Self::poll_output), then read
/// [`poll_timeout`](Self::poll_timeout). It ends exactly once; what comes after the end changes
/// nothing.
#[derive(Debug)]
pub struct Inquiry<P, T> {
    members: Vec<P>,
    fillers: Vec<P>,
    config: InquiryConfig,
    phase: Phase,
    panel: Panel<P>,
    /// Who has been asked and has not answered, and until when they may. `None` is an instant
    /// beyond the clock's range.
    asked: BTreeMap<P, Option<Instant>>,
    unreachable: BTreeMap<P, T>,
    alive: BTreeSet<P>,
    silent: BTreeSet<P>,
    outbox: VecDeque<InquiryOutput<P, T>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting { until: Option<Instant> },
    Asking { deadline: Option<Instant> },
    Ended,
}

impl<P: PeerId, T> Inquiry<P, T> {
    /// Opens an inquiry into `suspect` at `incarnation`, which starts after `rank` times the rank
    /// delay: at once for the node of rank 0 among those who noticed. A node that is asked to
    /// suspect itself knows better, and ends it.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a plain fact of the one call that opens an inquiry"
    )]
    pub fn new(
        me: P,
        suspect: P,
        incarnation: u64,
        members: impl IntoIterator<Item = P>,
        fillers: impl IntoIterator<Item = P>,
        rank: usize,
        config: InquiryConfig,
        now: Instant,
    ) -> Self {
        let members = panel_order(&suspect, incarnation, members);
        let fillers = panel_order(&suspect, incarnation, fillers);
        let silent = BTreeSet::new();
        let delay = config
            .rank_delay
            .saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
        let mut inquiry = Self {
            panel: Panel::select(&members, &fillers, &silent),
            members,
            fillers,
            phase: Phase::Waiting {
                until: now.checked_add(delay),
            },
            config,
            asked: BTreeMap::new(),
            unreachable: BTreeMap::new(),
            alive: BTreeSet::new(),
            silent,
            outbox: VecDeque::new(),
        };
        if me == suspect {
            inquiry.end(InquiryOutput::Dismissed { alive: vec![me] });
        }
        inquiry.handle_timeout(now);
        inquiry
    }

    /// A panelist has testified. Its signature has been verified.
    ///
    /// # Errors
    ///
    /// [`InquiryError`] if nobody has been asked yet, the inquiry has ended, or the witness is not
    /// on the panel or has testified before. The state is unchanged.
    pub fn handle_testimony(
        &mut self,
        witness: P,
        finding: Finding,
        testimony: T,
        now: Instant,
    ) -> Result<(), InquiryError> {
        match self.phase {
            Phase::Waiting { .. } => return Err(InquiryError::NotStarted),
            Phase::Ended => return Err(InquiryError::Ended),
            Phase::Asking { .. } => {}
        }
        if !self.panel.contains(&witness) {
            return Err(InquiryError::NotOnPanel);
        }
        if self.has_testified(&witness) {
            return Err(InquiryError::Duplicate);
        }
        self.asked.remove(&witness);
        match finding {
            Finding::Unreachable => {
                self.unreachable.insert(witness, testimony);
            }
            Finding::Alive => {
                self.alive.insert(witness);
            }
        }
        self.on_change(now);
        Ok(())
    }

    /// The driver could not reach a panelist: it counts as silent at once. Ignored for anybody who
    /// has not been asked or has answered.
    pub fn handle_unavailable(&mut self, panelist: P, now: Instant) {
        if self.asked.remove(&panelist).is_some() {
            self.silent.insert(panelist);
            self.on_change(now);
        }
    }

    /// The instant that [`poll_timeout`](Self::poll_timeout) named has come. Harmless at any other
    /// time.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Waiting { until } => {
                if is_past(until, now) {
                    self.phase = Phase::Asking {
                        deadline: now.checked_add(self.config.deadline),
                    };
                    self.on_change(now);
                }
            }
            Phase::Asking { deadline } => {
                let silent_before = self.silent.len();
                let late = self
                    .asked
                    .iter()
                    .filter(|(_, until)| is_past(**until, now))
                    .map(|(peer, _)| *peer);
                self.silent.extend(late);
                self.asked.retain(|peer, _| !self.silent.contains(peer));
                if is_past(deadline, now) {
                    self.fail();
                } else if self.silent.len() > silent_before {
                    self.on_change(now);
                }
            }
            Phase::Ended => {}
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<InquiryOutput<P, T>> {
        self.outbox.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; `None` after the end.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { until } => until,
            Phase::Asking { deadline } => self
                .asked
                .values()
                .copied()
                .chain([deadline])
                .flatten()
                .min(),
            Phase::Ended => None,
        }
    }

    /// Everybody who was asked, and the answer.
    pub fn answers(&self) -> impl Iterator<Item = (P, Answer)> {
        let awaited = self.asked.keys().map(|peer| (*peer, Answer::Awaited));
        let unreachable = self.unreachable.keys();
        let unreachable = unreachable.map(|peer| (*peer, Answer::Found(Finding::Unreachable)));
        let alive = self.alive.iter();
        let alive = alive.map(|peer| (*peer, Answer::Found(Finding::Alive)));
        let silent = self.silent.iter().map(|peer| (*peer, Answer::Silent));
        awaited.chain(unreachable).chain(alive).chain(silent)
    }

    /// When it ends without a result at the latest; `None` before anybody is asked, and after the end.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Asking { deadline } => deadline,
            Phase::Waiting { .. } | Phase::Ended => None,
        }
    }

    /// The panel as it stands.
    #[must_use]
    pub const fn panel(&self) -> &Panel<P> {
        &self.panel
    }

    fn has_testified(&self, peer: &P) -> bool {
        self.unreachable.contains_key(peer) || self.alive.contains(peer)
    }

    /// Somebody answered or fell silent: seat the panel anew, ask the new ones, and see whether it
    /// is decided.
    ///
    /// Nobody who has answered loses the seat: only the silent are taken off the order, so the
    /// others only move up.
    fn on_change(&mut self, now: Instant) {
        self.panel = Panel::select(&self.members, &self.fillers, &self.silent);
        let threshold = self.panel.threshold();
        if self.unreachable.len() >= threshold {
            let mut unreachable = std::mem::take(&mut self.unreachable);
            let testimonies = self
                .panel
                .iter()
                .filter_map(|peer| unreachable.remove(&peer))
                .collect();
            let silent = self.silent.iter().copied().collect();
            self.end(InquiryOutput::Report {
                testimonies,
                silent,
            });
        } else if self.panel.is_empty() {
            self.fail();
        } else if self.panel.len() - self.alive.len() < threshold {
            let alive = self.alive.iter().copied().collect();
            self.end(InquiryOutput::Dismissed { alive });
        } else {
            self.ask_new(now);
        }
    }

    fn ask_new(&mut self, now: Instant) {
        let until = now.checked_add(self.config.answer_timeout);
        for peer in self.panel.iter() {
            if !self.has_testified(&peer) && !self.asked.contains_key(&peer) {
                self.asked.insert(peer, until);
                self.outbox.push_back(InquiryOutput::Ask(peer));
            }
        }
    }

    fn fail(&mut self) {
        // Those still thinking at the deadline did not answer either.
        let silent = self
            .silent
            .iter()
            .chain(self.asked.keys())
            .copied()
            .collect::<BTreeSet<_>>();
        self.end(InquiryOutput::Failed {
            silent: silent.into_iter().collect(),
        });
    }

    fn end(&mut self, outcome: InquiryOutput<P, T>) {
        self.phase = Phase::Ended;
        self.asked.clear();
        self.outbox.push_back(outcome);
    }
}

fn is_past(instant: Option<Instant>, now: Instant) -> bool {
    instant.is_some_and(|instant| instant <= now)
}
