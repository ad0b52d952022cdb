//! The strategies that make what is said of who votes, and of what later voters have endorsed.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use quorate_node::consensus::conclave::{Message, Step};
use quorate_node::consensus::{
    Certificate, Endorsed, Endorsement, Handover, NodeId, Proof, Proposal, QuorumRule, Roster,
    Seal, Seating, Standing, Unproven,
};

use crate::fuzz::{
    START_MS, assembly_message, certificate, certify, count, digest, electorate, node, number,
    record, signer, standing_key, text,
};

fn rule() -> BoxedStrategy<QuorumRule> {
    prop_oneof![
        6 => Just(QuorumRule::Majority),
        1 => Just(QuorumRule::Unanimous),
        1 => any::<usize>().prop_map(QuorumRule::AtLeast),
    ]
    .boxed()
}

fn seating() -> BoxedStrategy<Seating> {
    let voters = prop_oneof![6 => btree_set(number(), 1..5), 1 => btree_set(number(), 0..9)];
    (rule(), voters, text())
        .prop_map(|(rule, voters, name)| {
            let name = |number: u64| match number {
                9 => name.clone(),
                number => format!("127.0.0.1:{}", number.wrapping_add(5000)),
            };
            Seating {
                rule,
                seats: voters
                    .into_iter()
                    .map(|number| (name(number), NodeId::from(number)))
                    .collect(),
            }
        })
        .boxed()
}

fn seal() -> BoxedStrategy<Seal> {
    (number(), seating(), prop_oneof![6 => Just(0), 1 => count()])
        .prop_map(|(by, next, epoch)| {
            let mut seal = Seal::sign(&signer(by), &electorate(), next);
            seal.epoch = epoch;
            seal
        })
        .boxed()
}

fn handover() -> BoxedStrategy<Arc<Handover>> {
    let by = prop_oneof![4 => Just(BTreeSet::from([1, 2])), 1 => btree_set(number(), 0..5)];
    (seating(), by, prop_oneof![6 => Just(0), 1 => count()])
        .prop_map(|(next, by, epoch)| {
            let of = electorate();
            let seals = by
                .into_iter()
                .map(|number| Seal::sign(&signer(number), &of, next.clone()))
                .map(|seal| (seal.voter, seal.signature))
                .collect();
            Arc::new(Handover {
                network: of.network(),
                epoch,
                electorate: of.id(),
                next,
                seals,
            })
        })
        .boxed()
}

/// What a conclave may be told.
pub(crate) fn electorate_message() -> BoxedStrategy<Message> {
    prop_oneof![
        1 => count().prop_map(Message::Epoch),
        3 => vec(handover(), 0..3).prop_map(Message::Handovers),
        2 => record().prop_map(|record| Message::Nominated(Box::new(record))),
        1 => node().prop_map(Message::Challenged),
        4 => (prop_oneof![6 => Just(0), 1 => count()], assembly_message())
            .prop_map(|(epoch, message)| Message::Assembly { epoch, message }),
        3 => (seal(), digest()).prop_map(|(seal, roster)| Message::Sealed { seal, roster }),
    ]
    .boxed()
}

/// What a seed's store may hold of it.
pub(crate) fn step() -> BoxedStrategy<Step> {
    prop_oneof![
        handover().prop_map(Step::HandedOver),
        (count(), seating()).prop_map(|(epoch, next)| Step::Recovered { epoch, next }),
    ]
    .boxed()
}

/// The certificate of an endorsement, of a roster of some nodes or of anything.
pub(crate) fn endorsement() -> BoxedStrategy<Arc<Certificate>> {
    let of_nodes = btree_set(4..9_u64, 0..4).prop_map(|nodes| {
        let mut roster = Roster::new();
        for number in nodes {
            let record = quorate_node::consensus::Record::sign(
                &signer(number),
                electorate().network(),
                vec!["127.0.0.1:6000".to_owned()],
                1,
                1,
                START_MS,
            );
            let proof = Proof::Admission(certify(Proposal::Admit(record.unwrap()), [1, 2]));
            roster.merge(Arc::new(proof).verify(&electorate(), &Unproven).unwrap());
        }
        let what = Endorsement::of(&roster, 1);
        let motion = what.motion(&signer(1), &electorate(), 1, START_MS);
        certify(Proposal::Motion(motion), [1, 2])
    });
    prop_oneof![3 => of_nodes, 1 => certificate()]
        .prop_map(Arc::new)
        .boxed()
}

/// An endorsed standing, rarely one that holds.
pub(crate) fn endorsed() -> BoxedStrategy<Endorsed> {
    let place = (count(), vec(digest(), 0..5));
    let record = proptest::option::of(record());
    (node(), standing_key(), record, place, endorsement())
        .prop_map(|(node, mut key, record, (index, path), endorsement)| {
            let mut node = node;
            if let Some(record) = record
                .as_ref()
                .filter(|_| key.standing == Standing::Admitted)
            {
                node = record.node;
                (key.incarnation, key.attempt) = (record.incarnation, record.attempt);
                key.hash = record.hash();
            }
            Endorsed {
                node,
                key,
                record,
                index,
                path,
                endorsement,
            }
        })
        .boxed()
}
