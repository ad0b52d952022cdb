//! Listens to what members say, and notices when one contradicts itself long before that makes a fork.

use std::collections::BTreeMap;

use quorate_node::consensus::assembly::Message as Assembly;
use quorate_node::consensus::succession::{
    Accepted, Evidence, Message as Succession, Place, Promise, Statement,
};
use quorate_node::consensus::{Digest, NetworkId, NodeId, Unproven};
use quorate_node::protocol::Message;
use quorate_node::roles::Frame;

/// What one member said about one decision.
#[derive(Debug, Default)]
struct Words {
    promises: Vec<Promise>,
    accepted: Vec<Accepted>,
}

/// What all members said about all decisions.
#[derive(Debug, Default)]
pub(crate) struct Monitor(BTreeMap<(NodeId, u64, Digest), Words>);

impl Monitor {
    /// How many promises and acceptances a member has made.
    pub(crate) fn count(&self, voter: NodeId) -> usize {
        let own = self.0.iter().filter(|((other, ..), _)| *other == voter);
        own.map(|(_, words)| words.promises.len() + words.accepted.len())
            .sum()
    }

    /// Hears a frame; returns the contradiction that it makes, if it makes one.
    pub(crate) fn hear(&mut self, network: NetworkId, frame: &Frame) -> Option<Evidence> {
        let Frame::Message(Message::Assembly(Assembly::Succession(message))) = frame else {
            return None;
        };
        let Succession::At {
            epoch,
            head,
            statement,
        } = &**message
        else {
            return None;
        };
        let place = Place {
            network,
            epoch: *epoch,
            head: *head,
        };
        let voter = match statement {
            Statement::Promise { promise, .. } => promise.voter,
            Statement::Accepted(accepted) => accepted.voter,
            _ => return None,
        };
        let words = self.0.entry((voter, *epoch, *head)).or_default();
        match statement {
            Statement::Promise { promise, .. } => words.promises.push(promise.clone()),
            Statement::Accepted(accepted) => words.accepted.push(*accepted),
            _ => {}
        }
        let both = words.promises.iter().flat_map(|promise| {
            words.accepted.iter().map(|accepted| Evidence::Promise {
                place,
                promise: promise.clone(),
                accepted: *accepted,
            })
        });
        let twice = words.accepted.iter().flat_map(|first| {
            words.accepted.iter().map(|second| Evidence::Accepted {
                place,
                first: *first,
                second: *second,
            })
        });
        both.chain(twice)
            .find(|evidence| evidence.is_valid(None, &Unproven))
    }
}
