//! What becomes of a state when the weather clears: all that was under way is lost, which is the worst, for what may arrive
//! has arrived in other states; then nothing more is lost, nobody crashes, all say yes, timers run, and in the end rosters
//! are compared.

use std::sync::Arc;

use quorate_consensus::{Choice, StandingKey};

use crate::bounds::Weakness;
use crate::held::Held;
use crate::model::{State, Whole};
use crate::node::{Input, Node, Past};
use crate::wire::{Content, Envelope, Wire};

/// How the end turned out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) are_equal: bool,
    pub(crate) is_over: bool,
    pub(crate) is_answered: bool,
}

struct Calm<'a> {
    whole: &'a Whole,
    nodes: [Held<Node>; 3],
    /// All that was sent since.
    seen: Wire,
    waiting: Vec<Held<Envelope>>,
}

impl Whole {
    pub(crate) fn end(&self, state: &State) -> End {
        let key = state.nodes.map(|node| node.index());
        if let Some(end) = self.ends.lock().unwrap().get(&key) {
            return *end;
        }
        let mut calm = Calm {
            whole: self,
            nodes: state.nodes,
            seen: Wire::new(),
            waiting: Vec::new(),
        };
        calm.wait();
        calm.expire();
        let end = calm.look(state);
        self.ends.lock().unwrap().insert(key, end);
        end
    }
}

impl Calm<'_> {
    fn honest(&self) -> impl Iterator<Item = usize> + use<> {
        self.whole.bounds().honest()
    }

    fn turn(&mut self, who: usize, input: Input) {
        let turn = &self.whole.turning.turns(self.nodes[who], input).whole;
        self.nodes[who] = turn.node;
        for envelope in &turn.sent {
            let is_to_council = self.honest().any(|honest| honest == envelope.to);
            if is_to_council && self.seen.insert(*envelope) {
                self.waiting.push(*envelope);
            }
        }
    }

    /// Until nothing that was sent since, and no timer before a deadline, makes a difference any more.
    fn wait(&mut self) {
        loop {
            let before = (self.nodes, self.waiting.len());
            for who in self.honest() {
                self.turn(who, Input::Tick);
                self.work_off(who);
            }
            self.deliver();
            if before == (self.nodes, self.waiting.len()) {
                return;
            }
        }
    }

    fn deliver(&mut self) {
        let mut next = 0;
        while let Some(envelope) = self.waiting.get(next).copied() {
            self.turn(envelope.to, Input::Take(envelope));
            self.work_off(envelope.to);
            next += 1;
        }
    }

    /// Everything a seed was asked is answered, everything to be written is.
    fn work_off(&mut self, who: usize) {
        loop {
            let now = &self.nodes[who].value().now;
            if let Some(which) = now.asked.first() {
                self.turn(who, Input::Judge(*which, Choice::Yes));
            } else if !now.waiting.is_empty() {
                self.turn(who, Input::Write);
            } else {
                return;
            }
        }
    }

    /// The deadline of all passes, and nobody asks again; then everybody gets to know all that anybody has.
    fn expire(&mut self) {
        for who in self.honest() {
            self.turn(who, Input::Expire);
            self.work_off(who);
        }
        self.waiting.clear();
        if self.whole.bounds().weakness == Weakness::NobodyCompares {
            return;
        }
        for from in self.honest() {
            for (_, proof) in self.nodes[from].value().shown.roster.values() {
                let content = Content::proof(&self.whole.turning.cast, Arc::clone(proof));
                for to in self.honest().filter(|to| *to != from) {
                    let content = content.clone();
                    let envelope = Envelope { to, content };
                    self.waiting
                        .push(self.whole.turning.envelopes.hold(envelope));
                }
            }
        }
        self.deliver();
    }

    fn look(&self, begun: &State) -> End {
        let nodes: Vec<&Node> = self.honest().map(|who| self.nodes[who].value()).collect();
        let cast = &self.whole.turning.cast;
        let is_as_great = |node: &Node, past: &Past| {
            past.committed.iter().all(|(of, committed)| {
                let held = node.shown.roster.get(of);
                held.is_some_and(|(held, _)| held >= committed)
            })
        };
        let are_equal = nodes.iter().all(|node| {
            node.shown.digest == nodes[0].shown.digest
                && nodes.iter().all(|other| is_as_great(node, &other.now.past))
        });
        let is_over = nodes.iter().all(|node| {
            let held = self.nodes[node.now.who];
            let again = &self.whole.turning.turns(held, Input::Restart).whole;
            node.shown.open.is_empty()
                && node.now.waiting.is_empty()
                && again.node.shown.digest == node.shown.digest
        });
        let begun = self
            .honest()
            .flat_map(|who| &begun.nodes[who].value().shown.open);
        let is_answered = begun.into_iter().all(|which| {
            // By whichever record: a life is entered by one, and ended by one report.
            let (of, asked) = cast.asked(*which);
            let answer = |key: &StandingKey| (key.incarnation, key.standing);
            nodes.iter().all(|node| {
                let held = node.shown.roster.get(&of);
                held.is_some_and(|(held, _)| answer(held) >= answer(&asked))
            })
        });
        End {
            are_equal,
            is_over,
            is_answered,
        }
    }
}
