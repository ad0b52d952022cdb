//! What becomes of a state when the weather clears: C is dead for good, nobody else crashes, everything sent arrives, and
//! whoever has cause leads, one at a time.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::cast::{A, ALL, B, C, D, E, id};
use crate::held::Held;
use crate::model::{State, Whole};
use crate::node::{Input, Node};
use crate::wire::{Envelope, Wire};

/// How many ballots may be led before an end is called dead. Three decisions need three.
const BALLOTS_MAX: usize = 16;

const LIVE: [usize; 4] = [A, B, D, E];

struct Calm<'a> {
    whole: &'a Whole,
    nodes: [Held<Node>; 5],
    seen: Wire,
    waiting: Vec<Held<Envelope>>,
}

impl Whole {
    /// Whether both candidates come in and C goes, and all who live hold the same chain.
    pub(crate) fn ends_well(&self, state: &State) -> bool {
        let mut calm = Calm {
            whole: self,
            nodes: state.nodes,
            seen: state.wire.clone(),
            waiting: state.wire.iter().collect(),
        };
        calm.deliver();
        let mut passed = Vec::new();
        for turn in 0..BALLOTS_MAX {
            let here = calm.hash();
            if calm.is_done() || self.ends_well.lock().unwrap().contains(&here) {
                self.ends_well.lock().unwrap().extend(passed);
                return true;
            }
            passed.push(here);
            for who in LIVE {
                calm.turn(who, Input::Meet);
            }
            calm.deliver();
            let leader = (0..LIVE.len())
                .map(|after| LIVE[(turn + after) % LIVE.len()])
                .find(|who| calm.nodes[*who].has_cause);
            if let Some(leader) = leader {
                calm.turn(leader, Input::Lead);
            }
            calm.deliver();
        }
        calm.is_done()
    }
}

impl Calm<'_> {
    fn turn(&mut self, who: usize, input: Input) {
        let turn = &self.whole.turning.turns(who, self.nodes[who], input).whole;
        self.nodes[who] = turn.node;
        for envelope in &turn.sent {
            if self.seen.insert(*envelope) {
                self.waiting.push(*envelope);
            }
        }
    }

    /// Until nothing that was ever sent makes a difference any more: some of it makes one only after a link.
    fn deliver(&mut self) {
        loop {
            let mut next = 0;
            let before = self.nodes;
            while let Some(envelope) = self.waiting.get(next).copied() {
                if envelope.to != C {
                    self.turn(envelope.to, Input::Take(envelope));
                }
                next += 1;
            }
            if self.nodes == before {
                return;
            }
            let nodes = self.nodes;
            self.waiting.retain(|envelope| {
                let at = nodes[envelope.to].succession.membership().epoch();
                envelope.to != C && envelope.epoch().is_none_or(|about| about >= at)
            });
        }
    }

    fn is_done(&self) -> bool {
        let held = |who: usize| self.nodes[who].succession.membership();
        let members = held(A).members().map(|member| member.node);
        members.eq(LIVE.map(id)) && LIVE.iter().all(|who| held(*who) == held(A))
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for who in ALL.into_iter().filter(|who| *who != C) {
            self.nodes[who].hash(&mut hasher);
        }
        for envelope in &self.waiting {
            envelope.hash(&mut hasher);
        }
        hasher.finish()
    }
}
