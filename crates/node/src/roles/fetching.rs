//! Fetching what others know better, a bounded part at a time: the next is asked for when the former has come, so that no
//! queue has to hold a whole roster, and what one source is asked for, no other is.
//!
//! What was asked for and never comes is forgotten: rosters are compared again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_consensus::{NodeId, Standing, StandingKey};

use super::ConnId;

/// How much is asked for in one message, in bytes as [`weight`] counts them.
const BATCH_WEIGHT: usize = 128 * 1024;

/// How much may be on its way from one source: as JSON it takes up to three times as many bytes, and has to fit the source's
/// queue for this connection, with whatever else is in it.
const IN_FLIGHT_WEIGHT: usize = 1024 * 1024;

/// How many standings one source may be wanted for. What it knows beyond that is found when rosters are compared again.
const WANTED_MAX: usize = 16 * 1024;

/// After so long without an answer, what was asked for may be asked for again.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What is wanted of whom, and what is on its way.
#[derive(Debug, Default)]
pub struct Fetching {
    sources: BTreeMap<ConnId, Source>,
    /// Of whom each was asked for, and when. As large as what is wanted, at most.
    asked: BTreeMap<NodeId, (ConnId, Instant)>,
}

/// What one connection's other end knows better.
#[derive(Debug, Default)]
struct Source {
    wanted: BTreeMap<NodeId, StandingKey>,
    on_the_way: BTreeMap<NodeId, usize>,
    weight: usize,
    answered: Option<Instant>,
    /// It knows more, or this node does, which did not fit: they compare again when this is done.
    again: bool,
}

/// What to say to a source now.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for these.
    Want(Vec<NodeId>),
    /// All came: compare rosters again, for the rest.
    Compare,
}

impl Fetching {
    /// The other end knows these standings better. `again` if that is not all in which the two differ.
    pub fn want(
        &mut self,
        conn: ConnId,
        wanted: Vec<(NodeId, StandingKey)>,
        again: bool,
        now: Instant,
    ) {
        let source = self.sources.entry(conn).or_default();
        source.again |= again;
        if source.answered.is_none_or(|at| now >= at + ANSWER_MAX) {
            source.on_the_way.clear();
            source.weight = 0;
            source.answered = Some(now);
        }
        for (node, key) in wanted {
            if source.on_the_way.contains_key(&node) {
                continue;
            }
            if source.wanted.len() >= WANTED_MAX {
                source.again = true;
                break;
            }
            source.wanted.insert(node, key);
        }
    }

    /// The other end sent the proof of a node's standing.
    pub fn arrived(&mut self, conn: ConnId, node: &NodeId, now: Instant) {
        if let Some(source) = self.sources.get_mut(&conn)
            && let Some(weight) = source.on_the_way.remove(node)
        {
            source.weight -= weight;
            source.answered = Some(now);
        }
    }

    /// What to ask for now. `holds` says whether a standing, or a larger one, has come meanwhile; `seats` is how many
    /// signatures a proof may carry.
    pub fn next(
        &mut self,
        conn: ConnId,
        seats: usize,
        holds: impl Fn(&NodeId, &StandingKey) -> bool,
        now: Instant,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(source) = self.sources.get_mut(&conn) else {
            return steps;
        };
        let (mut batch, mut batch_weight) = (Vec::new(), 0);
        while source.weight < IN_FLIGHT_WEIGHT
            && let Some((node, key)) = source.wanted.pop_first()
        {
            let is_asked =
                |(other, at): &(ConnId, Instant)| *other != conn && now < *at + ANSWER_MAX;
            if holds(&node, &key) || self.asked.get(&node).is_some_and(is_asked) {
                continue;
            }
            let weight = weight(&key, seats);
            source.on_the_way.insert(node, weight);
            source.weight += weight;
            self.asked.insert(node, (conn, now));
            batch.push(node);
            batch_weight += weight;
            if batch_weight >= BATCH_WEIGHT {
                steps.push(Step::Want(std::mem::take(&mut batch)));
                batch_weight = 0;
            }
        }
        if !batch.is_empty() {
            steps.push(Step::Want(batch));
        }
        if source.wanted.is_empty() && source.on_the_way.is_empty() {
            if source.again {
                steps.push(Step::Compare);
            }
            self.sources.remove(&conn);
            if self.sources.is_empty() {
                self.asked.clear();
            }
        }
        steps
    }

    /// A connection is gone, and with it what was on its way.
    pub fn handle_closed(&mut self, conn: ConnId) {
        if self.sources.remove(&conn).is_some() {
            self.asked.retain(|_, (of, _)| *of != conn);
        }
    }
}

/// About how many bytes the proof of a standing takes, rather more than less.
const fn weight(key: &StandingKey, seats: usize) -> usize {
    const SIGNED: usize = 32 + 64 + 4;
    let content = match key.standing {
        Standing::Admitted | Standing::Left => 4 * SIGNED,
        // With a panel's testimonies.
        Standing::Evicted => 60 * SIGNED,
    };
    content + SIGNED * seats
}

#[cfg(test)]
mod tests {
    use quorate_consensus::Digest;

    use super::*;

    const HERE: ConnId = ConnId(1);
    const THERE: ConnId = ConnId(2);

    fn standings(count: u64) -> Vec<(NodeId, StandingKey)> {
        let key = StandingKey {
            decided: 0,
            incarnation: 1,
            standing: Standing::Admitted,
            attempt: 1,
            hash: Digest::new([0; 32]),
        };
        (0..count).map(|node| (NodeId::from(node), key)).collect()
    }

    fn asked(fetching: &mut Fetching, conn: ConnId, now: Instant) -> Vec<NodeId> {
        let steps = fetching.next(conn, 3, |_, _| false, now);
        let wants = steps.into_iter().filter_map(|step| match step {
            Step::Want(nodes) => Some(nodes),
            Step::Compare => None,
        });
        wants.flatten().collect()
    }

    #[test]
    fn the_next_part_is_asked_for_when_the_former_has_come_and_all_of_it_once() {
        let (mut fetching, now) = (Fetching::default(), Instant::now());
        fetching.want(HERE, standings(10_000), false, now);
        let (mut all, mut most) = (Vec::new(), 0);
        loop {
            let part = asked(&mut fetching, HERE, now);
            if part.is_empty() {
                break;
            }
            most = most.max(part.len());
            for node in &part {
                fetching.arrived(HERE, node, now);
            }
            all.extend(part);
        }
        let expected: Vec<NodeId> = standings(10_000).iter().map(|(node, _)| *node).collect();
        assert_eq!(all, expected);
        assert!(most < 2_000, "{most} at once");
        assert!(fetching.sources.is_empty() && fetching.asked.is_empty());
    }

    #[test]
    fn two_sources_share_the_work_and_one_that_never_answers_hinders_the_other_only_for_a_while() {
        let (mut fetching, now) = (Fetching::default(), Instant::now());
        fetching.want(HERE, standings(2_000), false, now);
        fetching.want(THERE, standings(2_000), false, now);
        let here = asked(&mut fetching, HERE, now);
        let there = asked(&mut fetching, THERE, now);
        assert!(!here.is_empty() && !there.is_empty());
        assert!(there.iter().all(|node| !here.contains(node)));
        // One is silent; what it was asked for is found wanting at the next comparison.
        let later = now + ANSWER_MAX;
        for node in &there {
            fetching.arrived(THERE, node, later);
        }
        fetching.want(THERE, standings(2_000), false, later);
        let again = asked(&mut fetching, THERE, later);
        assert!(here.iter().take(100).all(|node| again.contains(node)));
    }

    #[test]
    fn what_did_not_fit_is_compared_again_and_a_closed_connection_is_forgotten() {
        let (mut fetching, now) = (Fetching::default(), Instant::now());
        fetching.want(HERE, standings(1), true, now);
        let nobody = |_: &NodeId, _: &StandingKey| false;
        assert_eq!(
            fetching.next(HERE, 3, nobody, now),
            [Step::Want(vec![NodeId::from(0)])]
        );
        fetching.arrived(HERE, &NodeId::from(0), now);
        assert_eq!(fetching.next(HERE, 3, nobody, now), [Step::Compare]);
        assert_eq!(fetching.next(HERE, 3, nobody, now), []);
        fetching.want(HERE, standings(10), false, now);
        fetching.next(HERE, 3, nobody, now);
        fetching.handle_closed(HERE);
        assert!(fetching.sources.is_empty() && fetching.asked.is_empty());
    }
}
