//! What a person is told when something keeps a node from its work: by the pure roles, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use quorate_node::consensus::{Proof, Proposal};
use quorate_node::protocol::{Goodbye, Message, Purpose, Refusal};
use quorate_node::roles::{DialId, Request};
use quorate_node::{Event, NodeId};

use crate::driver::{Driver, Input, peer, seed, strict_seed};
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

#[test]
fn a_peer_that_reaches_no_seed_says_so_ever_more_rarely_until_it_reaches_one() {
    let mut driver = peer(1);
    let is_told = |event: &&Event| matches!(event, Event::NoWayIn { .. });
    // The first two refuse, the third does not answer at all.
    let refuse = |driver: &mut Driver<_>| {
        while let Some(dial) = driver
            .dials
            .iter()
            .position(|dial| dial.1 != Some(NodeId::from(3)))
        {
            driver.step(Input::Fail(dial, false));
        }
    };
    let mut told_at = Vec::new();
    for second in 0..600 {
        refuse(&mut driver);
        driver.events.clear();
        driver.wait(Duration::from_secs(1));
        told_at.extend(driver.events.iter().filter(is_told).map(|_| second + 1));
        if second == 4 {
            let told = driver.events.iter().find(is_told).map(ToString::to_string);
            let expected =
                "No network was found: no seed is reached: refused; refused; 127.0.0.1:5003";
            assert_eq!(told.as_deref(), Some(expected));
        }
    }
    assert_eq!(told_at, [5, 15, 35, 75, 155, 315]);
    driver.events.clear();
    driver.step(Input::Answer(0, None, true));
    driver.events.clear();
    // It was due after 635 s. What falls silent meanwhile is another story.
    driver.step(Input::Pause(60_000));
    driver.wait(Duration::from_secs(1));
    assert_eq!(driver.events.iter().find(is_told), None);
}

#[test]
fn a_seed_that_cannot_write_says_so_once_and_when_it_can_again() {
    let mut driver = strict_seed(1);
    let told = |driver: &mut Driver<_>, is_good: bool| {
        driver.events.clear();
        for number in 4..24 {
            driver.step(Input::Ask(Request::Allow(NodeId::from(number))));
        }
        assert!(driver.writes.len() >= 20);
        while !driver.writes.is_empty() {
            driver.step(Input::Written(is_good));
        }
        std::mem::take(&mut driver.events)
    };
    let failed = Event::StoreFailed("the disk is full".to_owned());
    assert_eq!(told(&mut driver, true), []);
    assert_eq!(
        told(&mut driver, false),
        [failed.clone(), Event::VotingStopped]
    );
    assert_eq!(told(&mut driver, false), []);
    driver.wait(Duration::from_secs(10));
    assert_eq!(told(&mut driver, false), [failed]);
    assert_eq!(told(&mut driver, true), [Event::VotingResumed]);
}
