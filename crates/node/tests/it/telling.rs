//! What a person is told when something keeps a node from its work: by the pure roles, in virtual time.

use std::time::Duration;

use quorate_node::NodeId;
use quorate_node::protocol::{Goodbye, Purpose};
use quorate_node::roles::DialId;

use crate::driver::{Driver, Input, seed};

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
