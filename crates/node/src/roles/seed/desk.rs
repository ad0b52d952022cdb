//! The operator's desk: who waits for a word, and the words given.
//!
//! A word is about a node, not about one of its attempts: a candidate tries again and again, and whenever the word comes, it
//! counts from the next attempt on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_consensus::{NodeId, Now, REASON_LEN_MAX, Record};

use crate::admission::{Answer, Host, PendingCandidate};
use crate::event::Party;

/// How many candidates may wait, and how many at one host: others are told that there are too many.
const PENDING_MAX: usize = 1024;
const PENDING_PER_HOST_MAX: usize = 64;

/// A candidate that has not asked again for so long has gone away. One that is there asks every 20 s at least.
const PENDING_KEPT: Duration = Duration::from_secs(60);

/// How many words are kept; of more, the one that ends next is dropped.
const ANSWERS_MAX: usize = 4096;

/// How long a word counts.
const ALLOW_KEPT: Duration = Duration::from_secs(86_400);
const DENY_KEPT: Duration = Duration::from_secs(3600);

/// What becomes of a candidate that a policy wants the operator asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It waits from now on.
    News,
    /// It waits already.
    Known,
    /// There is no room for it.
    Full,
}

#[derive(Debug)]
struct Pending {
    record: Record,
    host: Option<Host>,
    since_ms: u64,
    /// When it last asked.
    asked_at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Desk {
    pending: BTreeMap<NodeId, Pending>,
    answers: BTreeMap<NodeId, Answer>,
    /// Nodes whose stored words are to be forgotten.
    outdated: Vec<NodeId>,
}

impl Desk {
    /// Puts back a word from before a restart.
    pub(super) fn restore(&mut self, node: NodeId, mut answer: Answer, now: Now) {
        // By the wall clock, which may have jumped back: but never longer than when it was given.
        let until_ms = kept_until_ms(answer.denied.is_some(), now);
        answer.until_ms = answer.until_ms.min(until_ms);
        self.keep(node, answer, now);
    }

    /// A candidate asks, again or for the first time.
    pub(super) fn ask(&mut self, record: &Record, now: Now) -> Asked {
        if let Some(pending) = self.pending.get_mut(&record.node) {
            pending.asked_at = now.instant;
            // An attempt of before may come late, by another seed.
            let age = |record: &Record| (record.incarnation, record.attempt);
            if age(record) > age(&pending.record) {
                pending.record = record.clone();
                pending.host = host_of(record);
            }
            return Asked::Known;
        }
        let host = host_of(record);
        let at_host = self.pending.values().filter(|other| other.host == host);
        if self.pending.len() >= PENDING_MAX || at_host.count() >= PENDING_PER_HOST_MAX {
            return Asked::Full;
        }
        let pending = Pending {
            record: record.clone(),
            host,
            since_ms: now.unix_ms,
            asked_at: now.instant,
        };
        self.pending.insert(record.node, pending);
        Asked::News
    }

    pub(super) fn is_pending(&self, node: &NodeId) -> bool {
        self.pending.contains_key(node)
    }

    /// Who waits, in the order in which they came.
    pub(super) fn list(&self) -> Vec<PendingCandidate> {
        let info = |pending: &Pending| PendingCandidate {
            candidate: Party::from(&pending.record),
            record: Box::new(pending.record.clone()),
            since_ms: pending.since_ms,
        };
        let mut list: Vec<PendingCandidate> = self.pending.values().map(info).collect();
        list.sort_by_key(|pending| pending.since_ms);
        list
    }

    /// The operator's word on a node: nothing, or why it is to stay out. Returns it as it is kept.
    pub(super) fn answer(&mut self, node: NodeId, denied: Option<&str>, now: Now) -> Answer {
        self.pending.remove(&node);
        let answer = Answer {
            denied: denied.map(|why| cut(why, REASON_LEN_MAX).to_owned()),
            until_ms: kept_until_ms(denied.is_some(), now),
        };
        self.keep(node, answer.clone(), now);
        answer
    }

    /// What the operator said of a node, if that still counts.
    pub(super) fn word_on(&self, node: &NodeId, now: Now) -> Option<&Answer> {
        let answer = self.answers.get(node);
        answer.filter(|answer| now.unix_ms < answer.until_ms)
    }

    /// A node is in: an allow is used up, and nobody waits. Returns the candidate, if it was waiting.
    pub(super) fn admitted(&mut self, node: &NodeId) -> Option<Party> {
        let is_allow = |answer: &Answer| answer.denied.is_none();
        if self.answers.get(node).is_some_and(is_allow) {
            self.forget(*node);
        }
        let pending = self.pending.remove(node)?;
        Some(Party::from(&pending.record))
    }

    /// Candidates that have not asked for too long.
    pub(super) fn take_gone(&mut self, now: Instant) -> Vec<Party> {
        let mut gone = Vec::new();
        self.pending.retain(|_, pending| {
            let is_gone = now >= pending.asked_at + PENDING_KEPT;
            gone.extend(is_gone.then(|| Party::from(&pending.record)));
            !is_gone
        });
        gone
    }

    /// Nodes whose words the store need not keep any more.
    pub(super) fn take_outdated(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.outdated)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let times = self.pending.values().map(|pending| pending.asked_at);
        times.min().map(|first| first + PENDING_KEPT)
    }

    fn keep(&mut self, node: NodeId, answer: Answer, now: Now) {
        self.answers.insert(node, answer);
        let is_over = |answer: &Answer| now.unix_ms >= answer.until_ms;
        let over = self.answers.iter().filter(|(_, answer)| is_over(answer));
        let mut over: Vec<NodeId> = over.map(|(node, _)| *node).collect();
        if self.answers.len() - over.len() > ANSWERS_MAX {
            let next = self.answers.iter().filter(|(_, answer)| !is_over(answer));
            let next = next.min_by_key(|(_, answer)| answer.until_ms);
            over.extend(next.map(|(node, _)| *node));
        }
        over.into_iter().for_each(|node| self.forget(node));
    }

    fn forget(&mut self, node: NodeId) {
        if self.answers.remove(&node).is_some() {
            self.outdated.push(node);
        }
    }
}

fn host_of(record: &Record) -> Option<Host> {
    record.endpoints.first().and_then(|first| Host::of(first))
}

fn kept_until_ms(is_deny: bool, now: Now) -> u64 {
    now.after(if is_deny { DENY_KEPT } else { ALLOW_KEPT })
        .unix_ms
}

/// As much of a text as fits `max` bytes, without splitting a character.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use quorate_consensus::{NetworkId, Unproven};

    use super::*;

    fn start() -> Now {
        Now {
            instant: Instant::now(),
            unix_ms: 1_700_000_000_000,
        }
    }

    fn record(number: u64, attempt: u64) -> Record {
        let signer = Unproven::signer(NodeId::from(number));
        let endpoints = vec![format!("10.0.{}.{}:1", number / 256 % 256, number % 256)];
        Record::sign(&signer, NetworkId::new([7; 32]), endpoints, 1, attempt, 0).unwrap()
    }

    #[test]
    fn a_flood_fills_the_desk_and_no_more() {
        let mut desk = Desk::default();
        let now = start();
        for number in 0..5000 {
            desk.ask(&record(number, 1), now);
        }
        assert_eq!(desk.list().len(), PENDING_MAX);
        assert_eq!(desk.ask(&record(6000, 1), now), Asked::Full);
        assert_eq!(desk.ask(&record(5, 2), now), Asked::Known);
        let mut desk = Desk::default();
        let signer = |number| Unproven::signer(NodeId::from(number));
        for number in 0..200 {
            let endpoints = vec![format!("10.0.0.1:{}", number + 1)];
            let of_one = Record::sign(&signer(number), NetworkId::new([7; 32]), endpoints, 1, 1, 0);
            desk.ask(&of_one.unwrap(), now);
        }
        assert_eq!(desk.list().len(), PENDING_PER_HOST_MAX);
        assert_eq!(desk.ask(&record(300, 1), now), Asked::News);
    }

    #[test]
    fn who_does_not_ask_again_is_forgotten() {
        let mut desk = Desk::default();
        let now = start();
        assert_eq!(desk.ask(&record(1, 1), now), Asked::News);
        desk.ask(&record(2, 1), now);
        assert_eq!(desk.poll_timeout(), Some(now.instant + PENDING_KEPT));
        let later = now.after(Duration::from_secs(30));
        assert_eq!(desk.ask(&record(2, 2), later), Asked::Known);
        // Read late, it is not the newest.
        desk.ask(&record(2, 1), later);
        let gone = desk.take_gone(now.instant + PENDING_KEPT);
        assert_eq!(gone, [Party::from(&record(1, 1))]);
        let list = desk.list();
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].record.attempt, list[0].since_ms), (2, now.unix_ms));
    }

    #[test]
    fn a_word_counts_for_its_time_and_an_allow_for_one_admission() {
        let (mut desk, now) = (Desk::default(), start());
        let [a, b] = [1, 2].map(NodeId::from);
        desk.ask(&record(1, 1), now);
        desk.answer(a, None, now);
        assert!(!desk.is_pending(&a));
        desk.answer(b, Some(&"é".repeat(200)), now);
        let denied = desk.word_on(&b, now).unwrap().denied.clone().unwrap();
        assert_eq!(denied, "é".repeat(REASON_LEN_MAX / 2));
        let later = now.after(DENY_KEPT);
        assert_eq!(desk.word_on(&b, later), None);
        assert!(desk.word_on(&a, later).is_some());
        assert_eq!(desk.admitted(&a), None);
        assert_eq!(desk.word_on(&a, now), None);
        assert_eq!(desk.take_outdated(), [a]);
        desk.answer(a, None, later);
        assert_eq!(desk.take_outdated(), [b]);
    }

    #[test]
    fn words_have_a_limit_and_a_clock_that_jumped_back_prolongs_none() {
        let (mut desk, now) = (Desk::default(), start());
        for number in 0..ANSWERS_MAX as u64 + 10 {
            let now = now.after(Duration::from_millis(number));
            desk.answer(NodeId::from(number), Some(""), now);
        }
        assert_eq!(desk.answers.len(), ANSWERS_MAX);
        assert_eq!(desk.take_outdated().len(), 10);
        let mut desk = Desk::default();
        let far = Answer {
            denied: None,
            until_ms: u64::MAX,
        };
        desk.restore(NodeId::from(1), far, now);
        let later = now.after(ALLOW_KEPT);
        assert_eq!(desk.word_on(&NodeId::from(1), later), None);
        let over = Answer {
            denied: None,
            until_ms: 5,
        };
        desk.restore(NodeId::from(2), over, now);
        assert_eq!(desk.take_outdated(), [NodeId::from(2)]);
    }
}
