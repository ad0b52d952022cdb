//! What holds a succession's outputs back until what they rest on is durable.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use super::output::{Output, PersistId};
use crate::id::Digest;
use crate::succession::{self, Durable};

/// Outputs in the order in which the core made them; nothing passes a write that is not durable yet.
#[derive(Debug, Default)]
pub(super) struct Gate {
    next: u64,
    held: VecDeque<Held>,
    done: BTreeSet<PersistId>,
    retry_at: Option<Instant>,
    /// Since the last failure, nothing was written.
    is_failing: bool,
}

#[derive(Debug)]
enum Held {
    Persist(PersistId, Durable),
    Output(Box<succession::Output>),
}

impl Gate {
    /// Lets an output through, or holds it back. A write is asked for at once.
    pub(super) fn pass(
        &mut self,
        output: succession::Output,
        out: &mut VecDeque<Output>,
    ) -> Option<succession::Output> {
        match output {
            succession::Output::Persist(durable) => {
                let id = self.ask(durable.clone(), out);
                self.held.push_back(Held::Persist(id, durable));
                None
            }
            output if self.held.is_empty() => Some(output),
            output if planted!(AcceptanceBeforePersist) && is_acceptors(&output) => Some(output),
            output => {
                self.held.push_back(Held::Output(Box::new(output)));
                None
            }
        }
    }

    /// A write is durable. Returns what it held back.
    pub(super) fn handle_persisted(&mut self, id: PersistId) -> Vec<succession::Output> {
        let is_awaited = |held: &Held| matches!(held, Held::Persist(awaited, _) if *awaited == id);
        if self.held.iter().any(is_awaited) {
            self.done.insert(id);
            self.is_failing = false;
        }
        let mut released = Vec::new();
        while let Some(held) = self.held.pop_front() {
            match held {
                Held::Persist(id, durable) if !self.done.remove(&id) => {
                    self.held.push_front(Held::Persist(id, durable));
                    break;
                }
                Held::Persist(..) => {}
                Held::Output(output) => released.push(*output),
            }
        }
        released
    }

    /// A write failed: all that wait are asked for again then, in order, so that a later one is not overtaken by an
    /// earlier one that it replaces.
    pub(super) fn handle_failed(&mut self, id: PersistId, again: Instant) {
        let is_awaited = |held: &Held| matches!(held, Held::Persist(awaited, _) if *awaited == id);
        if self.held.iter().any(is_awaited) {
            self.retry_at.get_or_insert(again);
            self.is_failing = true;
        }
    }

    /// Whether this member's opinion on a record is not durable yet.
    pub(super) fn awaits_opinion(&self, record: &Digest) -> bool {
        let is_on = |held: &Held| matches!(held, Held::Persist(_, Durable::Opinion { opinion, .. }) if opinion.record == *record);
        self.held.iter().any(is_on)
    }

    /// Whether writes fail.
    pub(super) const fn is_failing(&self) -> bool {
        self.is_failing
    }

    pub(super) fn retry_is_due(&self, now: Instant) -> bool {
        self.retry_at.is_some_and(|at| now >= at)
    }

    pub(super) fn retry(&mut self, out: &mut VecDeque<Output>) {
        self.retry_at = None;
        self.done.clear();
        for held in &mut self.held {
            if let Held::Persist(id, durable) = held {
                *id = PersistId(self.next);
                self.next += 1;
                out.push_back(Output::Persist {
                    id: *id,
                    durable: durable.clone(),
                });
            }
        }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    fn ask(&mut self, durable: Durable, out: &mut VecDeque<Output>) -> PersistId {
        let id = PersistId(self.next);
        self.next += 1;
        out.push_back(Output::Persist { id, durable });
        id
    }
}

/// Whether this is an acceptor's word, PROMISE or ACCEPTED: what a planted fault does not hold back.
fn is_acceptors(output: &succession::Output) -> bool {
    let succession::Output::Send {
        message: succession::Message::At { statement, .. },
        ..
    } = output
    else {
        return false;
    };
    matches!(
        statement,
        succession::Statement::Promise { .. } | succession::Statement::Accepted(_)
    )
}
