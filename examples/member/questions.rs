//! Who asks to be let in, in the order in which they came: the first of them is asked about, the others wait.
//!
//! An answer without a name is meant for the one that the person sees. When that one goes away by itself, the next takes
//! its place on the screen, and what was typed for the one must not be taken for the other: for [`GUARD`] after such a
//! change, answers without a name are not taken.
//!
//! What does not come from a terminal is not typed in view of a question, and may have been written before anybody asked:
//! such answers are kept for the requests to come, one each, and nothing is guarded.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use quorate_node::NodeId;

use crate::answer::Answer;

/// How long a changed question is not answered by a bare yes or no: people do not read faster.
pub(crate) const GUARD: Duration = Duration::from_secs(1);

/// How many answers are kept for requests to come.
const HELD_MAX: usize = 16;

/// A candidate that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Tells apart several requests, also of one candidate.
    pub(crate) number: u64,
    pub(crate) candidate: NodeId,
    pub(crate) name: String,
}

/// Why an answer is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Nobody waits for one, or nobody of that name.
    Nobody,
    /// The question changed a moment ago.
    JustChanged,
    /// More than one candidate is called so; their keys.
    Several(Vec<String>),
}

/// All that wait.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    waiting: VecDeque<Question>,
    held: VecDeque<Answer>,
    guarded_until: Option<Instant>,
    next: u64,
}

impl Questions {
    /// The one that is asked about.
    pub(crate) fn shown(&self) -> Option<&Question> {
        self.waiting.front()
    }

    /// How many wait behind it.
    pub(crate) fn behind(&self) -> usize {
        self.waiting.len().saturating_sub(1)
    }

    /// Whether more answers can be kept.
    pub(crate) fn has_room(&self) -> bool {
        self.held.len() < HELD_MAX
    }

    /// A candidate asks. Returns the answer that was kept for it, if any; then it does not wait.
    pub(crate) fn ask(&mut self, candidate: NodeId, name: String, now: Instant) -> Option<Answer> {
        let key = candidate.to_string();
        let held = self
            .held
            .iter()
            .position(|answer| answer.is_about(&name, &key));
        if let Some(answer) = held.and_then(|held| self.held.remove(held)) {
            return Some(answer);
        }
        if self.waiting.is_empty() && self.is_guarded(now) {
            // It takes the place of one that has just gone.
            self.guarded_until = Some(now + GUARD);
        }
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Question {
            number,
            candidate,
            name,
        });
        None
    }

    /// Nobody has to answer a candidate any more. Returns its request, and whether it was the one asked about.
    pub(crate) fn withdraw(&mut self, candidate: NodeId, now: Instant) -> Option<(Question, bool)> {
        let place = self
            .waiting
            .iter()
            .position(|question| question.candidate == candidate)?;
        let was_shown = place == 0;
        if was_shown {
            self.guarded_until = Some(now + GUARD);
        }
        Some((self.waiting.remove(place)?, was_shown))
    }

    /// An answer typed at `at` in view of the screen. Returns which request it ends.
    pub(crate) fn answer(&mut self, answer: &Answer, at: Instant) -> Result<Question, NotTaken> {
        if answer.name.is_none() && self.is_guarded(at) {
            return Err(NotTaken::JustChanged);
        }
        self.take(answer)
    }

    /// An answer that may come before its request, for which it is kept. Returns which request it ends.
    pub(crate) fn answer_or_hold(&mut self, answer: Answer) -> Option<Question> {
        let taken = self.take(&answer).ok();
        if taken.is_none() && self.has_room() {
            self.held.push_back(answer);
        }
        taken
    }

    fn take(&mut self, answer: &Answer) -> Result<Question, NotTaken> {
        let is_meant =
            |question: &Question| answer.is_about(&question.name, &question.candidate.to_string());
        let meant: Vec<usize> = if answer.name.is_none() {
            (0..self.waiting.len().min(1)).collect()
        } else {
            let all = self.waiting.iter().enumerate();
            all.filter(|(_, question)| is_meant(question))
                .map(|(place, _)| place)
                .collect()
        };
        match meant[..] {
            [place] => self.waiting.remove(place).ok_or(NotTaken::Nobody),
            [] => Err(NotTaken::Nobody),
            _ => {
                let of = |place: &usize| {
                    self.waiting
                        .get(*place)
                        .map(|question| question.candidate.short().to_string())
                };
                Err(NotTaken::Several(meant.iter().filter_map(of).collect()))
            }
        }
    }

    fn is_guarded(&self, at: Instant) -> bool {
        self.guarded_until.is_some_and(|until| at < until)
    }
}
