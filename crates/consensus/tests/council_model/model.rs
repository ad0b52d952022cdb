//! The whole as the checker sees it: states, actions, and what must hold.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use quorate_consensus::{Choice, StandingKey};
use stateright::{Model, Property};

use crate::bounds::{Bounds, Judging};
use crate::calm::End;
use crate::cast::{C, name};
use crate::held::Held;
use crate::liar;
use crate::node::{Input, Node, Turn, Turning};
use crate::promises::fault;
use crate::wire::{Content, Envelope, Wire};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) nodes: [Held<Node>; 3],
    pub(crate) wire: Wire,
    crashes: u8,
    expiries: u8,
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
    pub(crate) turning: Turning,
    /// The one promise that is looked at, if not all are. The checker then stops at the first state that breaks it, which is
    /// one of those that are nearest.
    pub(crate) only: Option<&'static str>,
    /// What becomes of these when the weather clears.
    pub(crate) ends: Mutex<HashMap<[u32; 3], End>>,
    /// Each standing that was ever committed, and at which seed. The hash in its key tells whose it is.
    committed: Mutex<BTreeSet<(usize, StandingKey)>>,
}

pub(crate) const PROVEN: &str = "every certificate is of a quorum that durably said yes";
pub(crate) const KEPT: &str = "nothing committed is undone, nor would be by a restart";
pub(crate) const ONE_WORD: &str = "no honest seed ever says yes and no to one question";
pub(crate) const EQUAL: &str = "in the end all rosters are equal, and as great as any ever was";
const OVER: &str = "in the end nothing is open, and a restart changes nothing";
const ANSWERED: &str = "what was open when the weather cleared, and has only friends, is decided";
const NO_FAULT: &str = "honest seeds take each other's word, and none seems to contradict itself";
const VOTES_DIFFER: &str = "votes on one question differ";

impl Whole {
    pub(crate) fn new(bounds: Bounds, only: Option<&'static str>) -> Self {
        Self {
            turning: Turning::new(bounds),
            only,
            ends: Mutex::default(),
            committed: Mutex::default(),
        }
    }

    pub(crate) const fn bounds(&self) -> &Bounds {
        &self.turning.bounds
    }

    pub(crate) fn turn(&self, state: &State, action: Action) -> &'static Turn {
        match action {
            Action::Do { who, input } => &self.turning.turns(state.nodes[who], input).whole,
            Action::Cut { who, input, which } => {
                &self.turning.turns(state.nodes[who], input).cut[which]
            }
        }
    }

    /// Puts something on the wire. The liar has nothing else to do with what it hears than to answer it.
    fn post(&self, wire: &mut Wire, envelope: Held<Envelope>) {
        if self.is_known(wire, envelope) {
            return;
        }
        wire.insert(envelope);
        if self.bounds().is_c_a_liar && envelope.to == C {
            for answer in liar::answers(&self.turning.cast, self.bounds(), &envelope.content) {
                wire.insert(self.turning.envelopes.hold(answer));
            }
        }
    }

    /// Whether it is a vote that these bounds keep on the wire until its question is open.
    fn is_early(&self, state: &State, envelope: Held<Envelope>) -> bool {
        let Content::Vote(vote) = &envelope.content else {
            return false;
        };
        let which = self.turning.cast.which(&vote.proposal);
        !self.bounds().are_votes_early && !is_open(state, envelope.to, which)
    }

    fn is_known(&self, wire: &Wire, envelope: Held<Envelope>) -> bool {
        let Content::Proof(_, sealed) = &envelope.content else {
            return wire.contains(envelope);
        };
        let is_same = |other: Held<Envelope>| {
            let is_one_enough = self.bounds().is_one_certificate_enough;
            matches!(&other.content, Content::Proof(_, another)
                if other.to == envelope.to && is_one_enough && another.which == sealed.which)
        };
        wire.contains(envelope) || wire.iter().any(is_same)
    }
}

impl Model for Whole {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut wire = Wire::new();
        if self.bounds().is_c_a_liar {
            for envelope in liar::says(&self.turning.cast, self.bounds()) {
                wire.insert(self.turning.envelopes.hold(envelope));
            }
        }
        vec![State {
            nodes: self.turning.first(),
            wire,
            crashes: 0,
            expiries: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = self.bounds();
        let honest: Vec<usize> = bounds.honest().collect();
        let taken = state.wire.iter();
        let mut inputs: Vec<(usize, Input)> = taken
            .filter(|envelope| honest.contains(&envelope.to) && !self.is_early(state, *envelope))
            .map(|envelope| (envelope.to, Input::Take(envelope)))
            .collect();
        for (which, (_, by)) in bounds.questions.iter().enumerate() {
            let by = by.iter().filter(|who| !is_open(state, **who, which));
            inputs.extend(by.map(|who| (*who, Input::Bring(which))));
        }
        for who in bounds.honest() {
            let node = state.nodes[who].value();
            for which in &node.now.asked {
                inputs.push((who, Input::Judge(*which, Choice::Yes)));
                if bounds.judging == Judging::Any {
                    inputs.push((who, Input::Judge(*which, Choice::No)));
                }
            }
            if !node.now.waiting.is_empty() {
                inputs.push((who, Input::Write));
            }
            if state.expiries < bounds.expiries && !node.shown.open.is_empty() {
                inputs.push((who, Input::Expire));
            }
        }
        actions.extend(inputs.iter().map(|(who, input)| Action::Do {
            who: *who,
            input: *input,
        }));
        if state.crashes == bounds.crashes {
            return;
        }
        for (who, input) in inputs {
            let cut = &self.turning.turns(state.nodes[who], input).cut;
            actions.extend((0..cut.len()).map(|which| Action::Cut { who, input, which }));
        }
        actions.extend(bounds.honest().map(|who| Action::Do {
            who,
            input: Input::Restart,
        }));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let (who, input, is_cut) = match action {
            Action::Do { who, input } => (who, input, false),
            Action::Cut { who, input, .. } => (who, input, true),
        };
        let turn = self.turn(state, action);
        let is_known = |envelope: &Held<Envelope>| self.is_known(&state.wire, *envelope);
        if turn.node == state.nodes[who] && turn.sent.iter().all(is_known) {
            return None;
        }
        self.note_committed(&state.nodes[who], &turn.node);
        let mut next = state.clone();
        next.nodes[who] = turn.node;
        next.crashes += u8::from(is_cut || input == Input::Restart);
        next.expiries += u8::from(input == Input::Expire);
        for envelope in &turn.sent {
            self.post(&mut next.wire, *envelope);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let bounds = self.bounds();
        let mut properties = vec![
            Property::always(PROVEN, Self::is_proven),
            Property::always(KEPT, Self::is_kept),
            Property::always(ONE_WORD, Self::is_of_one_word),
            Property::always(EQUAL, |whole: &Self, state| whole.end(state).are_equal),
            Property::always(OVER, |whole: &Self, state| whole.end(state).is_over),
            Property::always(NO_FAULT, |_, state| fault(state).is_none()),
        ];
        if bounds.judging != Judging::Any {
            properties.push(Property::always(ANSWERED, |whole: &Self, state| {
                whole.end(state).is_answered
            }));
        } else if !bounds.is_c_a_liar {
            properties.push(Property::sometimes(VOTES_DIFFER, |_, state| {
                Self::do_votes_differ(state)
            }));
        }
        let only = |property: &Property<Self>| self.only.is_none_or(|only| property.name == only);
        properties.into_iter().filter(only).collect()
    }
}

fn is_open(state: &State, who: usize, which: usize) -> bool {
    state.nodes[who].shown.open.contains(&which)
}

impl Whole {
    fn note_committed(&self, before: &Node, after: &Node) {
        let (before, committed) = (&before.now.past.committed, &after.now.past.committed);
        let news = committed
            .iter()
            .filter(|(node, key)| before.get(node) != Some(key));
        let news: Vec<_> = news.map(|(_, key)| (after.now.who, *key)).collect();
        if !news.is_empty() {
            self.committed.lock().unwrap().extend(news);
        }
    }

    /// What shows that promises were not kept for want of anything to promise.
    pub(crate) fn check_all_carried(&self) {
        let committed = self.committed.lock().unwrap();
        for (which, (what, _)) in self.bounds().questions.iter().enumerate() {
            let (_, key) = self.turning.cast.asked(which);
            for who in self.bounds().honest() {
                let is_carried = committed.contains(&(who, key));
                assert!(is_carried, "{what}: never carried at {}", name(who));
            }
        }
    }
}
