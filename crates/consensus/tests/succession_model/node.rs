//! One node: the real `Succession`, what it made durable, and what one input does to both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use quorate_consensus::succession::{
    Acceptor, Accusation, Change, Durable, Grounds, Membership, Message, Output, Promise,
    Statement, To,
};
use quorate_consensus::{Digest, Succession, Unproven};

use crate::bounds::{Bounds, Weakness};
use crate::cast::{A, ALL, B, C, Cast, D, id, who, with_keys};
use crate::held::{Held, Pool};
use crate::wire::{Acceptance, Chain, Content, Envelope};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) succession: Succession,
    store: Store,
    /// How many ballots it has led in this epoch.
    pub(crate) led: u8,
    pub(crate) has_cause: bool,
}

impl Node {
    /// Whether it has lost what it said and takes part again.
    pub(crate) fn has_come_back(&self) -> bool {
        let acceptor = self.store.acceptor.as_ref();
        acceptor.is_some_and(|acceptor| !acceptor.grounds.return_promises.is_empty())
    }
}

/// What a restart finds. Links make the rest void.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Store {
    chain: Chain,
    membership: Arc<Membership>,
    accusation: Option<Accusation>,
    acceptor: Option<Acceptor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Take(Held<Envelope>),
    Lead,
    Restart,
    /// Tell everybody what the present decision needs.
    Meet,
}

/// What an input leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) node: Held<Node>,
    pub(crate) sent: Vec<Held<Envelope>>,
    pub(crate) accepted: Vec<Held<Acceptance>>,
    pub(crate) decided: Vec<(u64, Digest)>,
    /// What no honest run may show.
    pub(crate) fault: Option<String>,
}

/// An input with all that follows; and cut short by a crash with restart: before anything is durable, and after each thing
/// that is, before anything else leaves.
#[derive(Debug)]
pub(crate) struct Turns {
    pub(crate) whole: Turn,
    pub(crate) cut: Vec<Turn>,
}

/// Computes what inputs do, each once per state of a node.
#[derive(Debug)]
pub(crate) struct Turning {
    cast: Cast,
    bounds: Bounds,
    pub(crate) nodes: Pool<Node>,
    pub(crate) envelopes: Pool<Envelope>,
    acceptances: Pool<Acceptance>,
    known: Vec<Mutex<Known>>,
}

/// By the node's state and the input.
type Known = HashMap<(u32, u64), &'static Turns>;

impl Turning {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            cast: Cast::new(),
            bounds,
            nodes: Pool::new(),
            envelopes: Pool::new(),
            acceptances: Pool::new(),
            known: (0..64).map(|_| Mutex::default()).collect(),
        }
    }

    pub(crate) const fn start(&self) -> &Arc<Membership> {
        &self.cast.start
    }

    /// Everybody, and what is under way, when the exploration begins.
    pub(crate) fn first(&self) -> ([Held<Node>; 5], Vec<Held<Envelope>>) {
        let mut sent = Vec::new();
        if self.bounds.are_views_apart {
            let content = Content::Candidate(self.cast.candidates[0].clone());
            sent.push(Envelope { to: B, content });
        }
        let nodes = ALL.map(|who| {
            let store = Store {
                chain: Chain(Vec::new()),
                membership: self.cast.start.clone(),
                accusation: None,
                acceptor: None,
            };
            let mut work = Work::begin(self, who, store, 0);
            work.settle();
            match who {
                A => work.hear_accusation_of(B),
                B if !self.bounds.are_views_apart => work.hear_accusation_of(A),
                _ => {}
            }
            sent.append(&mut work.sent);
            work.node
        });
        let sent = sent
            .into_iter()
            .map(|envelope| self.envelopes.hold(envelope));
        let sent = sent.collect();
        (nodes.map(|node| self.nodes.hold(node)), sent)
    }

    pub(crate) fn turns(&self, who: usize, node: Held<Node>, input: Input) -> &'static Turns {
        // A node's state tells whose it is.
        let code = match input {
            Input::Lead => 0,
            Input::Restart => 1,
            Input::Meet => 2,
            Input::Take(envelope) => u64::from(envelope.index()) + 3,
        };
        let shelf = &self.known[node.index() as usize % self.known.len()];
        if let Some(turns) = shelf.lock().unwrap().get(&(node.index(), code)) {
            return turns;
        }
        let turns = Box::leak(Box::new(self.compute(who, &node, input)));
        shelf.lock().unwrap().insert((node.index(), code), turns);
        turns
    }

    fn compute(&self, who: usize, node: &Node, input: Input) -> Turns {
        let mut work = Work {
            turning: self,
            who,
            node: node.clone(),
            stores: vec![Stored::first(&node.store)],
            sent: Vec::new(),
            accepted: Vec::new(),
            decided: Vec::new(),
            fault: None,
        };
        match input {
            Input::Take(envelope) => work.take(&envelope.content),
            Input::Lead => {
                work.node.led += 1;
                let leads = with_keys(who, |keys| work.node.succession.lead(keys));
                work.check(leads, "a node with cause to lead does not");
            }
            Input::Restart => {
                work = Work::restart(self, who, node.store.clone(), node.led);
                work.meet();
            }
            Input::Meet => work.meet(),
        }
        work.settle();
        let cut = match input {
            Input::Restart | Input::Meet => Vec::new(),
            Input::Take(_) => work.cuts(node.led),
            Input::Lead => work.cuts(node.led + 1),
        };
        Turns {
            cut,
            whole: self.turn(work),
        }
    }

    /// Whether a message is not even put on the wire: because it is lost in these bounds, or because it would make no
    /// difference. Opinions are known to all from the beginning, and the accused does nothing about an accusation.
    fn is_lost(&self, to: usize, message: &Message) -> bool {
        let statement = match message {
            Message::Opinion(_) => return true,
            Message::At { statement, .. } => statement,
        };
        match statement {
            Statement::Accuse(_) => to == C,
            Statement::Refused { .. } => self.bounds.are_refusals_lost,
            Statement::Accepted(_) => !self.bounds.who_counts.contains(&to),
            _ => false,
        }
    }

    fn turn(&self, work: Work<'_>) -> Turn {
        let sent = work.sent.into_iter();
        let accepted = work.accepted.into_iter();
        Turn {
            node: self.nodes.hold(work.node),
            sent: sent.map(|envelope| self.envelopes.hold(envelope)).collect(),
            accepted: accepted.map(|one| self.acceptances.hold(one)).collect(),
            decided: work.decided,
            fault: work.fault,
        }
    }
}

/// One turn while it is made.
struct Work<'a> {
    turning: &'a Turning,
    who: usize,
    node: Node,
    /// Before the turn, and after each thing made durable.
    stores: Vec<Stored>,
    sent: Vec<Envelope>,
    accepted: Vec<Acceptance>,
    decided: Vec<(u64, Digest)>,
    fault: Option<String>,
}

/// What was durable at one moment of a turn, and how much was sent and decided by then.
struct Stored {
    store: Store,
    sent: usize,
    accepted: usize,
    decided: usize,
}

impl Stored {
    fn first(store: &Store) -> Self {
        Self {
            store: store.clone(),
            sent: 0,
            accepted: 0,
            decided: 0,
        }
    }
}

impl<'a> Work<'a> {
    /// A node starts with what it made durable; the candidates come to it, with all opinions.
    fn begin(turning: &'a Turning, who: usize, store: Store, led: u8) -> Self {
        let mut succession = Succession::new(id(who), store.membership.clone());
        with_keys(who, |keys| {
            for allow in turning.cast.allows_in(&store.membership) {
                if allow.voter == id(who) {
                    let opinion = allow.clone();
                    let said = Durable::Opinion {
                        opened_ms: 1,
                        opinion,
                    };
                    succession.restore(said, keys);
                }
            }
            if let Some(accusation) = store.accusation {
                succession.restore(Durable::Accusation(accusation), keys);
            }
            if let Some(acceptor) = &store.acceptor
                && turning.bounds.weakness != Weakness::AcceptorForgotten
            {
                succession.restore(Durable::Acceptor(Box::new(acceptor.clone())), keys);
            }
            for record in &turning.cast.candidates {
                let is_later = turning.bounds.are_views_apart && who == B && record.node == id(D);
                if !is_later && store.membership.check_candidate(record).is_ok() {
                    succession.handle_candidate(record.clone(), keys).unwrap();
                }
            }
        });
        Self {
            turning,
            who,
            stores: vec![Stored::first(&store)],
            node: Node {
                succession,
                store,
                led,
                has_cause: false,
            },
            sent: Vec::new(),
            accepted: Vec::new(),
            decided: Vec::new(),
            fault: None,
        }
    }

    /// As [`begin`](Self::begin), after a crash. What was decided, a node that lost its store has again from others.
    fn restart(turning: &'a Turning, who: usize, mut store: Store, led: u8) -> Self {
        if !turning.bounds.are_stores_lost {
            return Self::begin(turning, who, store, led);
        }
        (store.accusation, store.acceptor) = (None, None);
        let mut work = Self::begin(turning, who, store, led);
        work.node.succession.forget();
        let others = work.node.succession.membership().len() - 1;
        work.node.succession.set_asked(others);
        work
    }

    fn take(&mut self, content: &Content) {
        let epoch = self.node.succession.membership().epoch();
        let who = self.who;
        match content {
            Content::Message { from, message } => {
                let message = match &**message {
                    Message::At {
                        epoch,
                        head,
                        statement: Statement::Promise { promise, .. },
                    } if self.turning.bounds.weakness == Weakness::PromisesIgnored => Message::At {
                        epoch: *epoch,
                        head: *head,
                        statement: self.emptied(promise),
                    },
                    other => other.clone(),
                };
                let heard = with_keys(who, |keys| {
                    self.node
                        .succession
                        .handle_message(id(*from), message, keys)
                });
                if let Err(error) = heard {
                    self.fault = Some(format!("an honest statement is refused: {error}"));
                }
            }
            Content::Chain(chain) => {
                let lacking = chain.0.iter().filter(|link| link.epoch >= epoch);
                for link in lacking {
                    let taken = with_keys(who, |keys| {
                        self.node.succession.handle_link(link.clone(), keys)
                    });
                    if let Err(error) = taken {
                        self.fault = Some(format!("a decided link does not follow: {error}"));
                        return;
                    }
                }
            }
            Content::Candidate(record) => {
                // In vain, if it was admitted meanwhile.
                let _here = with_keys(who, |keys| {
                    self.node.succession.handle_candidate(record.clone(), keys)
                });
            }
        }
    }

    /// Whoever meets others compares chains with them, and tells them what the present decision needs.
    fn meet(&mut self) {
        self.tell_chain();
        let members: Vec<_> = self.node.succession.membership().members().collect();
        let others: Vec<_> = members
            .iter()
            .map(|member| member.node)
            .filter(|node| *node != id(self.who))
            .collect();
        for other in others {
            self.node.succession.handle_met(other);
        }
    }

    /// Does all outputs, and what everybody does by itself in a new epoch: count the ALLOWs that the candidates hand on,
    /// and accuse C.
    fn settle(&mut self) {
        let mut epoch = None;
        loop {
            while let Some(output) = self.node.succession.poll_output() {
                self.put_out(output);
            }
            let membership = self.node.succession.membership().clone();
            if epoch == Some(membership.epoch()) {
                break;
            }
            epoch = Some(membership.epoch());
            let is_same = self.node.store.membership == membership;
            self.check(is_same, "what is durable is not what is held");
            let who = self.who;
            with_keys(who, |keys| {
                for allow in self.turning.cast.allows_in(&membership) {
                    let allow = Message::Opinion(allow.clone());
                    let succession = &mut self.node.succession;
                    let _counted = succession.handle_message(id(who), allow, keys);
                }
                let are_both_members =
                    membership.member(&id(who)).is_some() && membership.member(&id(C)).is_some();
                if who != C && are_both_members {
                    self.node.succession.say_accuse(id(C), keys).unwrap();
                }
            });
        }
        self.node.has_cause = self.node.succession.has_cause();
    }

    fn put_out(&mut self, output: Output) {
        match output {
            Output::Persist(durable) => {
                self.persist(durable);
                self.stores.push(Stored {
                    store: self.node.store.clone(),
                    sent: self.sent.len(),
                    accepted: self.accepted.len(),
                    decided: self.decided.len(),
                });
            }
            Output::Send { to, message } => {
                self.note_acceptance(&message);
                // Not those of the next epoch, which may have been decided in the same turn.
                let members = self.node.store.membership.members();
                let to: Vec<usize> = match to {
                    To::All => members.map(|member| who(&member.node)).collect(),
                    To::One(node) => vec![who(&node)],
                };
                let from = self.who;
                for to in to
                    .into_iter()
                    .filter(|to| *to != from && !self.turning.is_lost(*to, &message))
                {
                    let message = Box::new(message.clone());
                    let content = Content::Message { from, message };
                    self.sent.push(Envelope { to, content });
                }
            }
            Output::Decided(_) => self.tell_chain(),
            Output::Counted(_) | Output::Refused => {}
            Output::Evidence(evidence) => self.fault = Some(format!("evidence: {evidence}")),
        }
    }

    fn note_acceptance(&mut self, message: &Message) {
        if let Message::At {
            epoch,
            statement: Statement::Accepted(accepted),
            ..
        } = message
        {
            self.accepted.push(Acceptance {
                epoch: *epoch,
                quorum: self.node.store.membership.quorum(),
                accepted: *accepted,
            });
        }
    }

    /// To all who are members, and those who are no longer since the last decision.
    fn tell_chain(&mut self) {
        let store = &self.node.store;
        let Some(last) = store.chain.0.last() else {
            return;
        };
        let members = store.membership.members().map(|member| &member.node);
        let evicted = match &last.change {
            Change::Evict { suspects } => Some(suspects.keys()),
            Change::Admit { .. } | Change::Leave(_) => None,
        };
        let told = members.chain(evicted.into_iter().flatten()).map(who);
        for to in told.filter(|to| *to != self.who) {
            let content = Content::Chain(store.chain.clone());
            self.sent.push(Envelope { to, content });
        }
    }

    fn persist(&mut self, durable: Durable) {
        let store = &mut self.node.store;
        match durable {
            Durable::Accusation(accusation) => store.accusation = Some(accusation),
            Durable::Acceptor(acceptor) => store.acceptor = Some(*acceptor),
            Durable::Link(link) => {
                let verified = link.verify(&store.membership, &Unproven);
                let membership = Arc::new(store.membership.apply(&link));
                store.chain.0.push(link.clone());
                store.accusation = None;
                store.acceptor = None;
                store.membership = membership;
                self.node.led = 0;
                self.decided.push((link.epoch, link.head()));
                if let Err(error) = verified {
                    self.fault = Some(format!("a decided link does not verify: {error}"));
                }
            }
            Durable::Opinion { .. } | Durable::Leave(_) | Durable::Fork(_) => {
                self.fault = Some(format!("nobody said this: {durable:?}"));
            }
        }
    }

    fn hear_accusation_of(&mut self, accuser: usize) {
        let place = self.node.succession.membership().place();
        let accusation = with_keys(accuser, |keys| {
            Accusation::sign(keys.signer, &place, id(C), 1)
        });
        self.take(&Content::Message {
            from: accuser,
            message: Box::new(Message::At {
                epoch: place.epoch,
                head: place.head,
                statement: Statement::Accuse(accusation),
            }),
        });
    }

    /// A promise as it were if its voter had accepted nothing.
    fn emptied(&self, promise: &Promise) -> Statement {
        let place = self.node.succession.membership().place();
        let promise = with_keys(who(&promise.voter), |keys| {
            Promise::sign(keys.signer, &place, promise.ballot, None)
        });
        Statement::Promise {
            promise,
            change: None,
            grounds: Grounds::default(),
        }
    }

    fn check(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.fault = Some(otherwise.to_owned());
        }
    }

    /// The same turn, ended by a crash just before or just after something became durable.
    fn cuts(&self, led: u8) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        for pair in self.stores.windows(2) {
            let sent = pair[1].sent;
            for Stored { store, decided, .. } in pair {
                let is_same_epoch = store.membership == self.stores[0].store.membership;
                let led = if is_same_epoch { led } else { 0 };
                let mut begun = Work::restart(self.turning, self.who, store.clone(), led);
                begun.sent = self.sent[..sent].to_vec();
                begun.accepted = self.accepted[..pair[1].accepted].to_vec();
                begun.decided = self.decided[..*decided].to_vec();
                begun.meet();
                begun.settle();
                let turn = self.turning.turn(begun);
                if turns.last() != Some(&turn) {
                    turns.push(turn);
                }
            }
        }
        turns
    }
}
