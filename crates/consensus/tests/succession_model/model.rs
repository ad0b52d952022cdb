//! The whole as the checker sees it: states, actions, and what must hold.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;

use quorate_consensus::Digest;
use quorate_consensus::succession::{Ballot, Message, Statement};
use stateright::{Model, Property};

use crate::bounds::{Bounds, Weakness};
use crate::cast::{ALL, id};
use crate::held::{Held, HeldSet};
use crate::node::{Input, Node, Turn, Turning};
use crate::wire::{Acceptance, Content, Envelope, Wire};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) nodes: [Held<Node>; 5],
    pub(crate) wire: Wire,
    /// Every acceptance that ever left its voter.
    accepted: HeldSet<Acceptance>,
    crashes: u8,
    /// Every decision that any node ever made: the epoch, and the head after it.
    decided: BTreeSet<(u64, Digest)>,
    /// The first thing that went wrong.
    pub(crate) fault: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Do {
        who: usize,
        input: Input,
    },
    /// A crash within a turn, and a restart: the which of [`Turns::cut`](crate::node::Turns).
    Cut {
        who: usize,
        input: Input,
        which: usize,
    },
}

#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bounds: Bounds,
    pub(crate) turning: Turning,
    /// Hashes of states from which all that can be decided is decided.
    pub(crate) ends_well: Mutex<HashSet<u64>>,
}

pub(crate) const ONE_MEMBERSHIP: &str = "one membership per epoch";
pub(crate) const NO_FAULT: &str = "no evidence, no refusal, no bad link among honest nodes";
pub(crate) const NO_DEAD_END: &str = "no dead end";
const ONE_CHANGE: &str = "one change accepted by a quorum per epoch";
const TWO_LEAD: &str = "two members lead at once";
const REFUSED: &str = "a ballot comes too late";
const REMEMBERED: &str = "one that forgot leads a ballot to take part again";
const CARRIED_OVER: &str = "a quorum accepts what an earlier ballot left";

impl Whole {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            turning: Turning::new(bounds.clone()),
            bounds,
            ends_well: Mutex::default(),
        }
    }

    pub(crate) fn turn(&self, state: &State, action: Action) -> &'static Turn {
        match action {
            Action::Do { who, input } => &self.turning.turns(who, state.nodes[who], input).whole,
            Action::Cut { who, input, which } => {
                &self.turning.turns(who, state.nodes[who], input).cut[which]
            }
        }
    }

    fn is_within(&self, epoch: u64) -> bool {
        let explored = epoch - self.turning.start().epoch();
        explored < self.bounds.ballots.len() as u64
    }

    fn may_lead(&self, who: usize, node: &Node) -> bool {
        let epoch = node.succession.membership().epoch();
        let explored = (epoch - self.turning.start().epoch()) as usize;
        self.bounds
            .ballots
            .get(explored)
            .is_some_and(|ballots| node.led < ballots[who])
            && node.has_cause
    }
}

impl Model for Whole {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let (nodes, sent) = self.turning.first();
        let mut wire = Wire::new();
        for envelope in sent {
            wire.insert(envelope);
        }
        vec![State {
            nodes,
            wire,
            accepted: HeldSet::new(),
            crashes: 0,
            decided: BTreeSet::new(),
            fault: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let mut inputs: Vec<(usize, Input)> = state
            .wire
            .iter()
            .map(|envelope| (envelope.to, Input::Take(envelope)))
            .collect();
        for who in ALL {
            if self.may_lead(who, &state.nodes[who]) {
                inputs.push((who, Input::Lead));
            }
        }
        actions.extend(inputs.iter().map(|(who, input)| Action::Do {
            who: *who,
            input: *input,
        }));
        if state.crashes == self.bounds.crashes {
            return;
        }
        // Without its store it does not matter how much of it was written.
        let cut_short = inputs.into_iter().filter(|_| !self.bounds.are_stores_lost);
        for (who, input) in cut_short {
            let cut = &self.turning.turns(who, state.nodes[who], input).cut;
            actions.extend((0..cut.len()).map(|which| Action::Cut { who, input, which }));
        }
        for who in ALL {
            let membership = state.nodes[who].succession.membership();
            if membership.member(&id(who)).is_some() && self.is_within(membership.epoch()) {
                let input = Input::Restart;
                actions.push(Action::Do { who, input });
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let (who, is_crash) = match action {
            Action::Do { who, input } => (who, input == Input::Restart),
            Action::Cut { who, .. } => (who, true),
        };
        let turn = self.turn(state, action);
        let fresh = |envelope: &&Held<Envelope>| {
            let about = envelope.epoch();
            about.is_none_or(|about| {
                let at = state.nodes[envelope.to].succession.membership().epoch();
                about >= at && self.is_within(about) && !state.wire.contains(**envelope)
            })
        };
        let sent: Vec<_> = turn.sent.iter().filter(fresh).collect();
        let is_said = |acceptance: &Held<Acceptance>| state.accepted.contains(*acceptance);
        let is_nothing_new = turn.node == state.nodes[who]
            && sent.is_empty()
            && turn.accepted.iter().all(is_said)
            && turn.fault.is_none();
        if is_nothing_new {
            return None;
        }
        let mut next = state.clone();
        next.nodes[who] = turn.node;
        next.crashes += u8::from(is_crash);
        for acceptance in &turn.accepted {
            next.accepted.insert(*acceptance);
        }
        next.decided.extend(turn.decided.iter().copied());
        next.fault = next.fault.or_else(|| turn.fault.clone());
        for envelope in sent {
            next.wire.insert(*envelope);
        }
        let epoch = turn.node.succession.membership().epoch();
        if epoch != state.nodes[who].succession.membership().epoch() {
            next.wire.forget_before(who, epoch);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONE_MEMBERSHIP, |_, state: &State| {
                let mut epochs = BTreeSet::new();
                state.decided.iter().all(|(epoch, _)| epochs.insert(epoch))
            }),
            Property::always(ONE_CHANGE, |_, state: &State| {
                let mut epochs = BTreeMap::new();
                chosen(state)
                    .all(|(epoch, _, change)| *epochs.entry(epoch).or_insert(change) == change)
            }),
            Property::sometimes(TWO_LEAD, |_, state: &State| {
                let leading = state.nodes.iter().filter_map(|node| {
                    let succession = &node.succession;
                    Some((succession.membership().epoch(), succession.leads()?))
                });
                let leading: Vec<_> = leading.collect();
                leading.iter().any(|(epoch, ballot)| {
                    leading
                        .iter()
                        .any(|(other, another)| epoch == other && ballot != another)
                })
            }),
            Property::sometimes(CARRIED_OVER, |_, state: &State| {
                statements(state).any(|statement| {
                    matches!(statement, Statement::Accept { proposed, promises, .. }
                        if promises.iter().any(|promise| promise.accepted.is_some())
                            && chosen(state).any(|(_, ballot, _)| ballot == proposed.ballot))
                })
            }),
        ];
        if self.bounds.are_stores_lost {
            properties.push(Property::sometimes(REMEMBERED, |_, state: &State| {
                state.nodes.iter().any(|node| node.has_come_back())
            }));
        }
        if !self.bounds.are_refusals_lost {
            properties.push(Property::sometimes(REFUSED, |_, state: &State| {
                statements(state).any(|statement| matches!(statement, Statement::Refused { .. }))
            }));
        }
        // A forged promise is evidence, and a broken node may well be stuck.
        if self.bounds.weakness == Weakness::None {
            properties.push(Property::always(NO_FAULT, |_, state: &State| {
                state.fault.is_none()
            }));
            // Who has forgotten leaves it to others, who may be too few.
            if !self.bounds.are_stores_lost {
                properties.push(Property::always(NO_DEAD_END, Self::ends_well));
            }
        }
        properties
    }
}

fn statements(state: &State) -> impl Iterator<Item = &'static Statement> {
    state.wire.iter().filter_map(|envelope| {
        let Content::Message { message, .. } = &envelope.value().content else {
            return None;
        };
        match &**message {
            Message::At { statement, .. } => Some(statement),
            Message::Opinion(_) => None,
        }
    })
}

/// What a quorum has accepted in one ballot: decided, whether or not anybody knows it yet.
fn chosen(state: &State) -> impl Iterator<Item = (u64, Ballot, Digest)> {
    let mut voters: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for acceptance in state.accepted.iter() {
        let accepted = acceptance.accepted;
        voters
            .entry((acceptance.epoch, accepted.ballot, accepted.change))
            .or_default()
            .insert((accepted.voter, acceptance.quorum));
    }
    voters.into_iter().filter_map(|(what, voters)| {
        let quorum = voters.first().map(|(_, quorum)| *quorum);
        quorum
            .filter(|quorum| voters.len() >= *quorum)
            .map(|_| what)
    })
}
