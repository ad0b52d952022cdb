//! Voters that change who they are, over a network that loses, repeats and reorders, with disks and crashes.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use quorate_consensus::conclave::{Message, Output, SeatError};
use quorate_consensus::succession::{self, Ballot, Durable, Membership, Statement};
use quorate_consensus::{
    Electorate, Handover, HandoverError, NodeId, QuorumRule, Seal, Seating, Signer as _, Unproven,
    assembly,
};

use crate::sample::{NETWORK, electorate, electorate_of, node, signer};
use world::{World, digest, record, voters};

#[test]
fn a_seat_is_given_by_the_word_of_every_voter() {
    let mut world = World::new(electorate(3), 1);
    world.seat(1, 4).unwrap();
    world.run(30);
    let told = |output: &Output| matches!(output, Output::Nominated { by, record } if *by == node(1) && record.node == node(4));
    assert!(world.stations[&2].log.iter().any(told));
    let now = world.now;
    world
        .with(2, |conclave| conclave.agree(node(4), now))
        .unwrap();
    world.run(30);
    assert_eq!(world.epochs(), [0, 0, 0], "two of three were enough");
    let (_, waiting) = &world.stations[&1].conclave.nominations()[0];
    assert_eq!(*waiting, [node(3)]);
    world
        .with(3, |conclave| conclave.agree(node(4), now))
        .unwrap();
    world.run(30);
    assert_eq!(world.epochs(), [1, 1, 1]);
    let next = world.electorate(2);
    assert_eq!(voters(next), [1, 2, 3, 4].map(node));
    assert_eq!(
        (next.quorum(), next.seats()[3].name.as_str()),
        (3, "seat-4:1")
    );
    assert_eq!(next.predecessor().unwrap().id(), electorate(3).id());
    // All who sealed are named in everybody's handover, so that those who know only some of them can judge it.
    for station in world.stations.values() {
        assert_eq!(station.handovers[0].seals.len(), 3);
    }

    // The new voter, and anybody else, follows by the handover from the first list alone.
    world.start(4, Vec::new(), Vec::new(), BTreeSet::new());
    world.run(30);
    assert_eq!(world.electorate(4).id(), world.electorate(1).id());
    // It has a say now: without it, nobody else gets in.
    for number in 1..=3 {
        world.seat(number, 5).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [1; 4]);
    world.seat(4, 5).unwrap();
    world.run(60);
    assert_eq!(world.epochs(), [2; 4]);
}

#[test]
fn a_dead_voter_loses_its_seat_by_the_word_of_all_others() {
    let mut world = World::new(electorate(3), 2);
    world.run(5);
    world.kill(3);
    world.run(600);
    assert_eq!(world.epochs(), [0, 0], "nobody's person wanted it");
    world.unseat(1, 3).unwrap();
    world.run(60);
    assert_eq!(world.epochs(), [0, 0], "one of two others was enough");
    world.unseat(2, 3).unwrap();
    world.run(60);
    assert_eq!(world.epochs(), [1, 1]);
    assert_eq!(voters(world.electorate(1)), [1, 2].map(node));
    // It learns it when it is back, and that it has no say.
    world.restart(3);
    world.run(60);
    assert_eq!(world.epochs(), [1, 1, 1]);
    assert_eq!(world.seat(3, 4), Err(SeatError::NotAVoter));
}

#[test]
fn a_voter_that_lives_is_unseated_too_if_all_others_want_it_and_are_a_majority() {
    let mut world = World::new(electorate(4), 3);
    world.run(5);
    for number in [1, 2, 3] {
        world.unseat(number, 4).unwrap();
    }
    world.run(60);
    assert_eq!(voters(world.electorate(1)), [1, 2, 3].map(node));
    assert_eq!(world.epochs(), [1; 4], "the unseated one was not told");

    // One of two cannot throw out the other.
    let mut world = World::new(electorate(2), 4);
    world.run(5);
    world.unseat(1, 2).unwrap();
    world.run(600);
    assert_eq!(world.epochs(), [0, 0]);
}

#[test]
fn a_voter_resigns_by_its_own_word_and_the_last_does_not() {
    let mut world = World::new(electorate(2), 5);
    world.run(5);
    let now = world.now;
    world.with(2, |conclave| conclave.resign(now)).unwrap();
    world.run(60);
    assert_eq!(world.epochs(), [1, 1]);
    assert_eq!(voters(world.electorate(1)), [node(1)]);
    let now = world.now;
    let last = world.with(1, |conclave| conclave.resign(now));
    assert!(matches!(last, Err(SeatError::Needed(_))));
}

#[test]
fn nothing_takes_effect_before_a_quorum_that_sealed_holds_the_same() {
    let mut world = World::new(electorate(3), 6);
    world.run(5);
    world.kill(3);
    let held = BTreeSet::from([7]);
    let now = world.now;
    world.stations.get_mut(&1).unwrap().holds = held.clone();
    world.with(1, |conclave| conclave.handle_roster(digest(&held), now));
    for number in 1..=2 {
        world.unseat(number, 3).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [0, 0], "they hold different rosters");
    // Decided is decided: who restarts meanwhile votes no more in this epoch either.
    world.kill(1);
    world.restart(1);
    for number in 1..=2 {
        assert!(world.stations[&number].conclave.is_sealed());
        assert_eq!(world.seat(number, 4), Err(SeatError::Changing));
    }
    world.run(60);
    assert_eq!(world.epochs(), [0, 0]);
    let now = world.now;
    world.with(2, |conclave| conclave.handle_roster(digest(&held), now));
    world.run(60);
    assert_eq!(world.epochs(), [1, 1]);
}

#[test]
fn one_seat_changes_at_a_time() {
    let mut world = World::new(electorate(1), 9);
    world.seat(1, 4).unwrap();
    world.run(5);
    assert_eq!(voters(world.electorate(1)), [1, 4].map(node));

    let mut world = World::new(electorate(3), 9);
    for number in 1..=3 {
        world.seat(number, 4).unwrap();
        world.seat(number, 5).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [1, 1, 1]);
    assert_eq!(world.electorate(1).seats().len(), 4);
    // What was said in one epoch does not count in the next: the new voter has to agree, and so have all others again.
    world.start(4, Vec::new(), Vec::new(), BTreeSet::new());
    world.run(60);
    assert_eq!(world.epochs(), [1; 4]);
}

#[test]
fn one_who_was_away_for_several_changes_follows_and_a_stranger_cannot_mislead_it() {
    let mut world = World::new(electorate(5), 7);
    world.run(5);
    world.kill(5);
    // Who is away can agree to nothing, so it is unseated first.
    for number in 1..=4 {
        world.unseat(number, 5).unwrap();
    }
    world.run(60);
    for candidate in [6, 7, 8] {
        for number in 1..=4 {
            world.seat(number, candidate).unwrap();
        }
        let seated: Vec<u64> = world.stations.keys().copied().filter(|n| *n > 5).collect();
        for number in seated {
            world.seat(number, candidate).unwrap();
        }
        world.run(60);
        world.start(candidate, Vec::new(), Vec::new(), BTreeSet::new());
        world.run(60);
    }
    assert_eq!(world.electorate(1).epoch(), 4);
    let real = world.electorate(1).id();
    world.restart(5);
    // A handover that nobody signed, or too few.
    let first = electorate(5);
    let next = Seating {
        rule: QuorumRule::Majority,
        seats: BTreeMap::from([("seat-9".to_owned(), node(9))]),
    };
    let seals = [1, 2].map(|number| Seal::sign(&signer(number), &first, next.clone()));
    let forged = Handover {
        network: NETWORK,
        epoch: 0,
        electorate: first.id(),
        next: next.clone(),
        seals: seals
            .iter()
            .map(|seal| (seal.voter, seal.signature))
            .collect(),
    };
    let now = world.now;
    let mislead = Message::Handovers(vec![Arc::new(forged)]);
    let told = world.stations.get_mut(&5).unwrap();
    assert!(told.conclave.handle_message(node(9), mislead, now).is_err());
    world.run(60);
    assert_eq!(world.electorate(5).id(), real);
    assert_eq!(world.epochs(), [4; 8]);
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let mut world = World::new(electorate(3), 8);
    world.run(5);
    assert!(matches!(world.seat(1, 2), Err(SeatError::Taken(name)) if name == "seat-2:1"));
    assert_eq!(world.unseat(1, 9), Err(SeatError::NoSuchVoter(node(9))));
    assert!(matches!(world.unseat(1, 1), Err(SeatError::Needed(_))));
    let now = world.now;
    let nobody = world.with(1, |conclave| conclave.agree(node(9), now));
    assert_eq!(nobody, Err(SeatError::NotNominated(node(9))));
    let mut forged = record(9);
    forged.attempt += 1;
    let unsigned = world.with(1, |conclave| conclave.seat(forged, now));
    assert!(
        matches!(unsigned, Err(SeatError::Candidate(_))),
        "{unsigned:?}"
    );

    // Nodes that want a seat by their own word are held in bounds, and those that a person wants are not pushed out.
    world.seat(1, 4).unwrap();
    let at = &mut world.stations.get_mut(&1).unwrap().conclave;
    for number in 20..60 {
        let wanted = Message::Nominated(Box::new(record(number)));
        at.handle_message(node(number), wanted, now).unwrap();
    }
    let wanted: Vec<NodeId> = at
        .nominations()
        .iter()
        .map(|(record, _)| record.node)
        .collect();
    assert!(wanted.contains(&node(4)) && wanted.contains(&node(59)));
    assert_eq!(wanted.len(), 17);
    let mut forged = record(60);
    forged.attempt += 1;
    let forged = Message::Nominated(Box::new(forged));
    assert!(at.handle_message(node(60), forged, now).is_err());
    let of_another = Message::Nominated(Box::new(record(61)));
    at.handle_message(node(60), of_another, now).unwrap();
    assert_eq!(at.nominations().len(), 17);

    let unmet = Electorate::new(
        NETWORK,
        0,
        QuorumRule::Majority,
        (1..=3).map(|number| crate::sample::seat(number, number < 3)),
    );
    let mut world = World::new(electorate(3), 8);
    world.first = unmet.unwrap();
    world.restart(1);
    assert_eq!(
        world.seat(1, 4),
        Err(SeatError::Unmet(vec!["seat-3".to_owned()]))
    );
}

#[test]
fn who_lost_its_store_leaves_the_change_that_is_under_way_to_the_others() {
    let mut world = World::new(electorate(3), 10);
    world.run(5);
    world.kill(2);
    world.kill(3);
    world.restart_without_disk(3);
    let now = world.now;
    world.with(1, |conclave| conclave.resign(now)).unwrap();
    world.run(60);
    // It may have promised or accepted anything, with the one that is away.
    assert_eq!(world.epochs(), [0, 0]);
    assert!(world.stations[&3].said.is_empty());
    assert!(world.stations[&3].conclave.has_forgotten());

    world.restart(2);
    world.run(60);
    assert_eq!(world.epochs(), [1, 1, 1]);
    // Of this epoch it has seen the beginning.
    assert!(!world.stations[&3].conclave.has_forgotten());
}

#[test]
fn who_lost_its_store_and_takes_part_again_does_so_when_it_is_restarted() {
    let mut world = World::new(electorate(3), 11);
    world.run(5);
    world.kill(3);
    world.restart_without_disk(3);
    world.run(5);
    let said = world.stations[&3].said.clone();
    assert!(matches!(said[..], [Durable::Acceptor(_)]), "{said:?}");
    world.kill(3);
    world.restart_after_loss(3);
    world.kill(2);
    for number in [1, 3] {
        world.unseat(number, 2).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [1, 1]);
}

#[test]
fn of_two_voters_one_that_lost_its_store_takes_part_again() {
    let mut world = World::new(electorate(2), 12);
    world.run(5);
    world.kill(2);
    world.restart_without_disk(2);
    for number in 1..=2 {
        world.seat(number, 4).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [1, 1]);
}

/// Its own signature, which the others hold, says that it has lost more than it knows.
#[test]
fn who_goes_on_with_an_older_store_is_told_so_and_comes_back() {
    let mut world = World::new(electorate(4), 15);
    world.run(5);
    world.kill(3);
    world.restart_without_disk(3);
    world.run(5);
    assert!(!world.stations[&3].said.is_empty(), "it is back");
    world.kill(3);
    world.start(3, Vec::new(), Vec::new(), BTreeSet::new());
    world.kill(4);
    for number in 1..=3 {
        world.unseat(number, 4).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [1; 3]);
}

/// Where no quorum of others is left: of two voters, and of four one of whom is dead.
#[test]
fn who_lost_its_store_completes_what_others_have_accepted_where_they_cannot_without_it() {
    for (count, dead) in [(2, None), (4, Some(4))] {
        let mut world = World::new(electorate(count), 3);
        world.run(5);
        let voters: Vec<u64> = (1..=count).filter(|number| Some(*number) != dead).collect();
        let want = |world: &mut World, at| match dead {
            None => world.seat(at, 9),
            Some(dead) => world.unseat(at, dead),
        };
        dead.into_iter().for_each(|dead| world.kill(dead));
        for number in &voters {
            want(&mut world, *number).unwrap();
        }
        let has_accepted = |world: &World, number: &u64| {
            let mut said = world.stations[number].said.iter();
            said.any(|said| matches!(said, Durable::Acceptor(one) if one.accepted.is_some()))
        };
        let first = |world: &World| voters.iter().copied().find(|one| has_accepted(world, one));
        assert!(world.run_until(60, |world| first(world).is_some()));
        let first = first(&world).unwrap();
        let lost = voters.iter().copied().find(|number| *number != first);
        let lost = lost.unwrap();
        world.kill(lost);
        world.restart_without_disk(lost);
        // In vain, if it is done by then.
        let _wanted = want(&mut world, lost);
        world.run(60);
        assert_eq!(world.epochs(), vec![1; voters.len()], "of {count}");
    }
}

/// A liar says numbers that nobody hears for how far they are ahead, and goes; the others need one that lost its store.
#[test]
fn who_lost_its_store_need_not_go_above_numbers_that_nobody_heard() {
    let mut world = World::new(electorate(4), 7);
    world.run(5);
    world.kill(3);
    let place = Membership::of_seats(world.electorate(1)).unwrap().place();
    let ballot = Ballot {
        counter: u64::MAX,
        leader: node(4),
    };
    let message = Message::Assembly {
        epoch: 0,
        message: assembly::Message::Succession(Box::new(succession::Message::At {
            epoch: place.epoch,
            head: place.head,
            statement: Statement::Prepare(ballot),
        })),
    };
    for to in [1, 2].repeat(10_000) {
        let (message, now) = (message.clone(), world.now);
        world.with(to, |conclave| {
            conclave.handle_message(node(4), message, now).unwrap();
        });
    }
    world.kill(4);
    world.restart_without_disk(3);
    world.run(1);
    for number in 1..=3 {
        world.unseat(number, 4).unwrap();
    }
    world.run(180);
    assert_eq!(world.epochs(), [1; 3]);
}

/// The two who are to go take part in no ballot that a leader chose freely, but in this one they do.
#[test]
fn those_who_are_to_be_unseated_help_one_that_lost_its_store_to_take_part_again() {
    let mut world = World::new(electorate(5), 14);
    world.run(5);
    world.kill(5);
    world.restart_without_disk(5);
    world.run(5);
    for number in [1, 2, 5] {
        for unwanted in [3, 4] {
            world.unseat(number, unwanted).unwrap();
        }
    }
    world.run(200);
    assert_eq!(world.epochs(), [1; 5]);
    assert_eq!(voters(world.electorate(1)), [1, 2, 5].map(node));
}

#[test]
fn who_lost_its_store_after_an_epoch_began_has_forgotten_that_epoch_too() {
    let mut world = World::new(electorate(3), 13);
    world.run(5);
    for number in 1..=3 {
        world.seat(number, 4).unwrap();
    }
    world.run(30);
    world.start(4, Vec::new(), Vec::new(), BTreeSet::new());
    world.run(5);
    world.kill(2);
    world.kill(3);
    // It begins with the first list, and is led to where the others are: nobody says that epoch 0 was undecided.
    world.restart_without_disk(3);
    world.run(1);
    assert_eq!(world.epochs(), [1, 1, 1]);
    assert!(world.stations[&3].conclave.has_forgotten());
    let now = world.now;
    world.with(1, |conclave| conclave.resign(now)).unwrap();
    // Three of four are needed. The two others are enough to take part again, though no quorum without it.
    world.run(60);
    assert_eq!(world.epochs(), [2, 2, 2]);
}

#[test]
fn only_a_quorum_of_known_voters_hands_over() {
    let old = electorate(3);
    let next = Seating {
        rule: QuorumRule::Majority,
        seats: (1..=4)
            .map(|number| (format!("seat-{number}"), node(number)))
            .collect(),
    };
    let seal = |number: u64, next: &Seating| Seal::sign(&signer(number), &old, next.clone());
    assert_eq!(Handover::assemble(&old, [&seal(1, &next)]), None);
    let mut other = next.clone();
    other.seats.remove("seat-2");
    let split = [seal(1, &next), seal(2, &other)];
    assert_eq!(Handover::assemble(&old, &split), None);
    let good = Handover::assemble(&old, &[seal(1, &next), seal(2, &next)]).unwrap();
    let handed = good.verify(&old, &Unproven).unwrap();
    assert_eq!((handed.epoch(), handed.quorum()), (1, 3));

    let forge = |change: &dyn Fn(&mut Handover)| {
        let mut forged = good.clone();
        change(&mut forged);
        forged.verify(&old, &Unproven).unwrap_err()
    };
    let swap = |h: &mut Handover| {
        h.next.seats.insert("seat-2".to_owned(), node(9));
    };
    assert_eq!(forge(&swap), HandoverError::Signature(node(1)));
    let rule = |h: &mut Handover| h.next.rule = QuorumRule::Unanimous;
    assert_eq!(forge(&rule), HandoverError::Signature(node(1)));
    let fewer = |h: &mut Handover| {
        h.seals.remove(&node(2));
    };
    assert_eq!(forge(&fewer), HandoverError::TooFew { quorum: 2, got: 1 });
    let stranger = |h: &mut Handover| {
        h.seals.remove(&node(2));
        let seal = Seal::sign(&signer(9), &old, next.clone());
        h.seals.insert(node(9), seal.signature);
    };
    assert_eq!(forge(&stranger), HandoverError::NotAVoter(node(9)));
    let epoch = |h: &mut Handover| h.epoch = 1;
    assert!(matches!(
        forge(&epoch),
        HandoverError::AnotherElectorate { .. }
    ));
    let nobody = |h: &mut Handover| h.next.seats.clear();
    assert!(matches!(forge(&nobody), HandoverError::Seats(_)));

    // A reader that has met one of the two cannot judge it yet.
    let met = (1..=3).map(|number| crate::sample::seat(number, number == 1));
    let reader = Electorate::new(NETWORK, 0, QuorumRule::Majority, met).unwrap();
    assert_eq!(
        good.verify(&reader, &Unproven),
        Err(HandoverError::Undecided { quorum: 2, got: 1 })
    );
    // `AtLeast` goes along with the number of seats.
    let strict = electorate_of(NETWORK, 0, QuorumRule::AtLeast(3), 3);
    assert_eq!(strict.rule().fitted(2), QuorumRule::AtLeast(2));
    assert_eq!(strict.rule().fitted(7), QuorumRule::AtLeast(4));
    assert_eq!(signer(1).id(), node(1));
}

/// What people and the world do to voters.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// All who have a seat want it.
    SeatBy(u64),
    UnseatBy(u64),
    Seat(u64, u64),
    Unseat(u64, u64),
    Resign(u64),
    Crash(u64),
    /// The disk is lost, the key is not.
    Lose(u64),
    Cut(u64, u64),
    Learn(u64, u64),
    Wait,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let voter = 1..=5_u64;
    let deed = prop_oneof![
        4 => (6..=8_u64).prop_map(Deed::SeatBy),
        3 => voter.clone().prop_map(Deed::UnseatBy),
        2 => (voter.clone(), 6..=8_u64).prop_map(|(at, whom)| Deed::Seat(at, whom)),
        2 => (voter.clone(), voter.clone()).prop_map(|(at, whom)| Deed::Unseat(at, whom)),
        1 => voter.clone().prop_map(Deed::Resign),
        2 => voter.clone().prop_map(Deed::Crash),
        1 => voter.clone().prop_map(Deed::Lose),
        2 => (voter.clone(), voter.clone()).prop_map(|(one, other)| Deed::Cut(one, other)),
        1 => (voter.clone(), 0..4_u64).prop_map(|(at, what)| Deed::Learn(at, what)),
        3 => Just(Deed::Wait),
    ];
    prop::collection::vec(deed, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_there_is_one_history_and_all_follow_it(deeds in deeds(), seed: u64) {
        let mut world = World::new(electorate(5), seed);
        (world.lost, world.repeated) = (50, 50);
        for deed in deeds {
            let now = world.now;
            // People want what cannot be, at times: that is an error and nothing else.
            match deed {
                Deed::SeatBy(whom) => (1..=5).for_each(|at| drop(world.seat(at, whom))),
                Deed::UnseatBy(whom) => (1..=5).for_each(|at| drop(world.unseat(at, whom))),
                Deed::Seat(at, whom) => drop(world.seat(at, whom)),
                Deed::Unseat(at, whom) => drop(world.unseat(at, whom)),
                Deed::Resign(at) => drop(world.with(at, |conclave| conclave.resign(now))),
                Deed::Crash(at) => {
                    world.kill(at);
                    world.restart(at);
                }
                Deed::Lose(at) => {
                    world.kill(at);
                    world.restart_without_disk(at);
                }
                Deed::Cut(one, other) if one != other => world.set_cut(one, other, true),
                Deed::Cut(..) => {}
                Deed::Learn(at, what) => {
                    let holds = &mut world.stations.get_mut(&at).unwrap().holds;
                    holds.insert(what);
                    let held = digest(holds);
                    world.with(at, |conclave| conclave.handle_roster(held, now));
                }
                Deed::Wait => world.run(3),
            }
        }
        world.assert_one_history();
        // Faults end, rosters become equal, whoever has a seat is there.
        (world.lost, world.repeated) = (0, 0);
        for (one, other) in world.cut.clone() {
            world.set_cut(one, other, false);
        }
        let all: BTreeSet<u64> = world.stations.values().flat_map(|s| s.holds.clone()).collect();
        for number in 6..=8 {
            world.start(number, Vec::new(), Vec::new(), all.clone());
        }
        for number in 1..=5 {
            let now = world.now;
            world.with(number, |conclave| conclave.handle_roster(digest(&all), now));
        }
        world.run(120);
        world.assert_one_history();
        let epochs = world.epochs();
        prop_assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
        prop_assert!(world.stations.values().all(|station| !station.conclave.is_sealed()));
        let contradicts = |output: &Output| matches!(output, Output::Evidence(_));
        prop_assert!(!world.stations.values().any(|station| station.log.iter().any(contradicts)));
    }
}
