//! What must be reported of seeds that change.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_consensus::{Choice, Electorate, Motion, Proposal, Vote};
use quorate_consensus::{Handover, QuorumRule, Seal, Seating, conclave, council};
use quorate_node::Event;
use quorate_node::protocol::Message;
use quorate_node::roles::{Frame, Request};
use quorate_sim::checkers::{HandoverChecker, ProgressChecker};
use quorate_sim::fact::Fact;
use quorate_sim::host::HostId;
use quorate_sim::reseating::{Change, Wish};
use quorate_sim::world::World;

use super::small::{SECOND, assert_says, run, seeded, settle, start_all, tell, watch};

const SEED: HostId = HostId(0);
const PEERS: usize = 3;

fn first(world: &World) -> Electorate {
    world.view().truth.electorate.clone().unwrap()
}

/// The first seeds without the last of them.
fn without_last(world: &World) -> Seating {
    let electorate = first(world);
    let mut seats: BTreeMap<_, _> = electorate
        .seats()
        .iter()
        .map(|seat| (seat.name.clone(), seat.voter.unwrap()))
        .collect();
    seats.pop_last();
    let rule = QuorumRule::Majority;
    Seating { rule, seats }
}

fn sent(frame: &Frame) -> Fact<'_> {
    Fact::Sent {
        host: SEED,
        to: &[],
        frame,
        len: 100,
    }
}

#[test]
fn a_seat_that_changes_without_its_voters_word_is_reported() {
    for is_heard in [true, false] {
        let mut world = seeded(5, PEERS);
        let hears = if is_heard {
            |_: &Fact<'_>| true
        } else {
            |fact: &Fact<'_>| !matches!(fact, Fact::Asked { .. })
        };
        let _checker = watch::<HandoverChecker>(&mut world, hears);
        start_all(&mut world);
        run(&mut world, SECOND * 10).unwrap();
        world.ask(SEED, Request::Resign);
        let outcome = run(&mut world, SECOND * 10);
        if is_heard {
            outcome.unwrap();
            assert_eq!(world.view().truth.later.len(), 1);
        } else {
            assert_says(outcome, "nobody had asked for that");
        }
    }
}

#[test]
fn a_handover_that_too_few_have_sealed_is_reported() {
    let mut world = seeded(5, PEERS);
    let checker = watch::<HandoverChecker>(&mut world, |_| false);
    let (electorate, next) = (first(&world), without_last(&world));
    let signer = world.host(SEED).signer.clone();
    let seal = Seal::sign(&*signer, &electorate, next.clone());
    let handover = Handover {
        network: electorate.network(),
        epoch: 0,
        electorate: electorate.id(),
        next,
        seals: [(seal.voter, seal.signature)].into(),
    };
    let shown = conclave::Message::Handovers(vec![Arc::new(handover)]);
    let frame = Frame::Message(Message::Electorate(shown));
    assert_says(tell(&checker, &world, &sent(&frame)), "proves nothing");
}

#[test]
fn a_vote_after_the_seal_is_reported() {
    let mut world = seeded(5, PEERS);
    let checker = watch::<HandoverChecker>(&mut world, |_| false);
    start_all(&mut world);
    let electorate = first(&world);
    let signer = world.host(SEED).signer.clone();
    let motion = Motion::sign(&*signer, electorate.network(), "test", vec![1], 1, 1);
    let id = Proposal::Motion(motion).id();
    let vote = Vote::cast(&*signer, &electorate, id, Choice::Yes, "");
    let frame = Frame::Message(Message::Council(council::Message::Vote(vote.into())));
    assert_eq!(tell(&checker, &world, &sent(&frame)), Ok(()));
    let seats = without_last(&world).seats.into_keys().collect();
    let decided = Event::ElectorateDecided { seats };
    let told = Fact::Told {
        host: SEED,
        event: &decided,
    };
    assert_eq!(tell(&checker, &world, &told), Ok(()));
    assert_says(tell(&checker, &world, &sent(&frame)), "has sealed epoch 0");
}

#[test]
fn what_all_want_and_what_does_not_come_to_be_is_reported() {
    let mut world = seeded(5, PEERS);
    let wish = Wish {
        change: Change::Resign(SEED),
        but: None,
        dies: false,
    };
    world.truth_mut().wishes.push(wish);
    let _checker = watch::<ProgressChecker>(&mut world, |_| true);
    start_all(&mut world);
    assert_says(settle(&mut world, SECOND * 30), "all want host 0 resigned");
    world.ask(SEED, Request::Resign);
    settle(&mut world, SECOND * 30).unwrap();
}
