//! The pure roles under any inputs: they never panic, never spin, and stay within their bounds.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use quorate_node::consensus::{
    CAUSE_LEN_MAX, Certificate, Choice, DeadReport, Electorate, Finding, Inquiry, NodeId, Proof,
    Proposal, Roster, SILENT_MAX, TESTIMONIES_MAX, Testimony, Unproven, Vote,
};
use quorate_node::protocol::{FRAME_LEN_MAX, JoinMessage, Message, Purpose, RosterMessage};
use quorate_node::roles::{DialId, Request, roster_sync};
use quorate_node::{SeedLine, SeedList};
use quorate_wire::Format;

use crate::driver::{
    Input, Open, bootstrap, candidate, founder, input, one_of_three, open_input, peer, seed,
    seed_input, strict_seed,
};
use crate::fuzz::{START_MS, signer_of};

#[test]
fn the_inputs_below_can_bring_a_candidate_into_an_open_network() {
    for links in [0, u64::MAX] {
        let mut driver = candidate(1);
        // A bootstrap answers, and names members; one of them answers, and shows the chain.
        driver.step(Input::Answer(0, None, true));
        driver.step(Input::Open(0, Open::Name(false)));
        let is_founder = |dial: &(DialId, Option<NodeId>, Purpose)| dial.1 == Some(NodeId::from(4));
        let dial = driver.dials.iter().position(is_founder);
        driver.step(Input::Answer(dial.expect("a dial"), None, true));
        driver.step(Input::Open(1, Open::Show(links)));
        if links == 0 {
            let record = driver.record.clone().expect("a request");
            assert_eq!(record.node, NodeId::from(5));
            driver.step(Input::Open(1, Open::Show(1)));
        }
        driver.step(Input::Written(true));
        driver.step(Input::Written(true));
        assert!(driver.role.assembly().is_some(), "after {links} links");
    }
}

#[test]
fn the_inputs_below_can_make_a_member_let_others_in() {
    let mut driver = founder(1);
    assert!(driver.role.assembly().is_some());
    driver.step(Input::Open(0, Open::Apply(NodeId::from(6))));
    driver.let_in();
    assert_eq!(driver.admitted, [NodeId::from(6)]);
    // One of three takes part in ballots.
    let mut driver = one_of_three(1);
    driver.step(Input::Arrive(NodeId::from(4), Purpose::Link));
    driver.step(Input::Arrive(NodeId::from(6), Purpose::Link));
    driver.step(Input::Open(0, Open::Prepare(1)));
    assert_eq!(driver.writes.len(), 1, "a promise to be written");
}

#[test]
fn the_inputs_below_can_bring_a_peer_into_the_network() {
    // Otherwise they would only ever knock at the door.
    let mut driver = peer(1);
    for input in [Input::Answer(0, None, true), Input::Admit(0)] {
        driver.step(input);
    }
    assert_eq!(driver.admitted, [NodeId::from(5)]);
    driver.step(Input::Arrive(NodeId::from(6), Purpose::Link));
    assert_eq!(driver.admitted, [NodeId::from(5), NodeId::from(6)]);
    driver.step(Input::Ask(Request::Broadcast("hello".into())));
    assert_eq!(driver.replies, 1);
    driver.wait(Duration::from_secs(30));
    driver.step(Input::Evict(0));
    assert!(!driver.dials.is_empty());
}

/// The longest proof that verifies in an electorate of so many seeds: every list and text at its limit.
fn longest_eviction(number: u64, seeds: u64) -> (Certificate, Electorate) {
    let lines = (1..=seeds).map(|seed| SeedLine {
        address: format!("seed-{seed}.example:5000"),
        pin: Some(NodeId::from(seed)),
    });
    let electorate = SeedList::new(lines).unwrap().electorate().unwrap();
    let network = electorate.network();
    // Spread over all buckets, as keys are.
    let mut suspect = [0x5a; 32];
    (suspect[0], suspect[1]) = (number as u8, (number >> 8) as u8);
    let inquiry = Inquiry {
        network,
        suspect: NodeId::new(suspect),
        incarnation: 1,
        attempt: number,
    };
    let cause = "x".repeat(CAUSE_LEN_MAX);
    let say = |witness| {
        Testimony::sign(
            &signer_of(NodeId::from(witness)),
            inquiry,
            Finding::Unreachable,
            &cause,
        )
    };
    let testimonies = (1000..1000 + TESTIMONIES_MAX as u64).map(say).collect();
    let silent = (2000..2000 + SILENT_MAX as u64).map(NodeId::from).collect();
    let reporter = signer_of(NodeId::from(1));
    let report = DeadReport::sign(
        &reporter,
        inquiry,
        cause.clone(),
        START_MS,
        testimonies,
        silent,
    );
    let proposal = Proposal::Evict(report);
    let id = proposal.id();
    let sign = |seed| {
        Vote::cast(
            &signer_of(NodeId::from(seed)),
            &electorate,
            id,
            Choice::Yes,
            "",
        )
        .signature
    };
    let certificate = Certificate {
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes: (1..=seeds)
            .map(|seed| (NodeId::from(seed), sign(seed)))
            .collect(),
        proposal: proposal.into(),
    };
    (certificate, electorate)
}

#[test]
fn rosters_are_compared_in_messages_that_fit_a_frame_however_long_their_proofs_are() {
    for (seeds, format) in [
        (3, Format::Bincode),
        (3, Format::Json),
        (64, Format::Bincode),
        (64, Format::Json),
    ] {
        let mut roster = Roster::new();
        for number in 0..128 {
            let (certificate, electorate) = longest_eviction(number, seeds);
            let proof = Arc::new(Proof::Eviction(certificate));
            roster.merge(proof.verify(&electorate, &Unproven).unwrap());
        }
        let nodes: Vec<NodeId> = roster.iter().map(|(node, _)| *node).collect();
        let answer = roster_sync::answer(&roster, RosterMessage::Want(nodes)).unwrap();
        for answer in answer.say {
            let len = format.encode(&Message::Roster(answer)).unwrap().len();
            assert!(
                len <= FRAME_LEN_MAX,
                "{seeds} seeds, as {format}: a frame of {len} bytes, over {FRAME_LEN_MAX}"
            );
        }
    }
}

/// What is due and cannot be done yet is not due again at once.
#[test]
fn who_refuses_a_candidate_before_it_is_asked_does_not_keep_it_busy() {
    let mut driver = candidate(1);
    driver.step(Input::Answer(0, None, true));
    driver.step(Input::Open(0, Open::Name(false)));
    let is_founder = |dial: &(DialId, Option<NodeId>, Purpose)| dial.1 == Some(NodeId::from(4));
    let dial = driver.dials.iter().position(is_founder);
    driver.step(Input::Answer(dial.expect("a dial"), None, true));
    // It has not shown its chain, so it was asked nothing.
    let refused = Message::Join(JoinMessage::Refused("not now".to_owned()));
    driver.step(Input::Say(1, Box::new(refused)));
    driver.wait(Duration::from_secs(4));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_peer_survives_any_inputs(number in any::<u64>(), inputs in vec(input(), 0..80)) {
        peer(number).run(inputs);
    }

    #[test]
    fn a_peer_that_is_a_member_survives_any_inputs(number in any::<u64>(), inputs in vec(input(), 0..80)) {
        let mut driver = peer(number);
        driver.step(Input::Answer(0, None, true));
        driver.step(Input::Admit(0));
        driver.run(inputs);
    }

    #[test]
    fn a_candidate_survives_any_inputs(number in any::<u64>(), inputs in vec(open_input(), 0..80)) {
        candidate(number).run(inputs);
    }

    #[test]
    fn a_founder_survives_any_inputs(number in any::<u64>(), inputs in vec(open_input(), 0..80)) {
        founder(number).run(inputs);
    }

    #[test]
    fn a_member_survives_any_inputs(number in any::<u64>(), inputs in vec(open_input(), 0..80)) {
        let mut driver = one_of_three(number);
        driver.step(Input::Arrive(NodeId::from(4), Purpose::Link));
        driver.step(Input::Arrive(NodeId::from(6), Purpose::Link));
        driver.run(inputs);
    }

    #[test]
    fn a_bootstrap_survives_any_inputs(number in any::<u64>(), inputs in vec(open_input(), 0..80)) {
        bootstrap(number).run(inputs);
    }

    #[test]
    fn a_seed_with_every_policy_survives_any_inputs(number in any::<u64>(), inputs in vec(seed_input(), 0..80)) {
        strict_seed(number).run(inputs);
    }

    #[test]
    fn a_seed_survives_any_inputs(number in any::<u64>(), inputs in vec(input(), 0..80)) {
        seed(number).run(inputs);
    }
}
