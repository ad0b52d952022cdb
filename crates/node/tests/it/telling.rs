//! What a person is told when something keeps a node from its work: by the pure roles, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use quorate_node::NodeId;
use quorate_node::consensus::{Proof, Proposal};
use quorate_node::protocol::{Goodbye, Message, Purpose, Refusal};
use quorate_node::roles::DialId;

use crate::driver::{Driver, Input, peer, seed};
use crate::fuzz::certify;

/// Fails the dial that was for this node: another answers there.
fn usurp<R: quorate_node::roles::Role>(driver: &mut Driver<R>, seat: NodeId) {
    let is_it = |dial: &(DialId, Option<NodeId>, Purpose)| dial.1 == Some(seat);
    let dial = driver.dials.iter().position(is_it).expect("a dial");
    driver.step(Input::Fail(dial, true));
}

#[test]
fn a_seed_tells_who_answers_at_anothers_seat_that_it_is_not_trusted_and_why() {
    let usurper = NodeId::from(9);
    // Whichever comes first, its link or this seed's own dial.
    for is_linked_first in [true, false] {
        let mut driver = seed(1);
        if is_linked_first {
            driver.step(Input::Arrive(usurper, Purpose::Link));
            assert_eq!(driver.goodbyes, []);
        }
        usurp(&mut driver, NodeId::from(2));
        if !is_linked_first {
            driver.step(Input::Arrive(usurper, Purpose::Link));
        }
        // Dialled again, it is the same.
        driver.wait(Duration::from_millis(500));
        usurp(&mut driver, NodeId::from(2));
        let [(conn, Goodbye::NotTrusted(why))] = &driver.goodbyes[..] else {
            panic!("{:?}", driver.goodbyes);
        };
        let expected = format!(
            "expected {} at 127.0.0.1:5002, got {usurper}; ",
            NodeId::from(2)
        );
        assert!(why.starts_with(&expected), "{why}");
        assert!(driver.conns.contains(&(*conn, usurper)), "its link stays");
    }
}

#[test]
fn a_peer_whose_seed_list_is_too_old_for_a_proof_is_told_so() {
    let mut driver = peer(1);
    driver.step(Input::Answer(0, None, true));
    let record = driver.record.clone().expect("a request");
    // By seeds that came after those of its list, all of which are named there.
    let mut certificate = certify(Proposal::Admit(record), [1, 2]);
    certificate.epoch = 7;
    let refusal = Refusal::Settled(Arc::new(Proof::Admission(certificate)));
    driver.step(Input::Say(0, Box::new(Message::RegisterRefused(refusal))));
    let told: Vec<String> = driver.events.iter().map(ToString::to_string).collect();
    let refused = told
        .iter()
        .find(|told| told.starts_with("REGISTER refused"));
    let expected =
        "; its proof is of seeds that this node does not know: its seed list may be out of date";
    assert!(
        refused.is_some_and(|told| told.ends_with(expected)),
        "{told:#?}"
    );
}
