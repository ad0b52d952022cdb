//! What must be reported of a network with seeds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_consensus::council::{self, Durable};
use quorate_consensus::{
    Choice, DeadReport, Inquiry, NodeId, Proof, Proposal, QuorumRule, Standing, Vote,
};
use quorate_node::Event;
use quorate_node::protocol::{FRAME_LEN_MAX, Message, RosterMessage};
use quorate_node::roles::{Frame, Request};
use quorate_node::store::{SeedStored, Stored};
use quorate_sim::checkers::{
    Agreement, Bounds, Checker, DeliveryChecker, Durability, EvidenceChecker, FRAMES_MAX,
    FalseEviction, ProgressChecker, ProofChecker,
};
use quorate_sim::fact::Fact;
use quorate_sim::host::HostId;
use quorate_sim::process::Process;
use quorate_sim::world::{Death, World};

use super::small::{
    SECOND, SEEDS, assert_says, hosts, run, seeded, settle, start_all, tell, watch,
};

const PEERS: usize = 4;
const SEED: HostId = HostId(0);
const PEER: HostId = HostId(3);

fn everything(_: &Fact<'_>) -> bool {
    true
}

/// A world that is watched, in which all are members and have been for a while.
fn grown<C: Checker + Default + 'static>(
    hears: fn(&Fact<'_>) -> bool,
) -> (World, std::sync::Arc<std::sync::Mutex<C>>) {
    let mut world = seeded(5, PEERS);
    let checker = watch::<C>(&mut world, hears);
    start_all(&mut world);
    run(&mut world, SECOND * 40).unwrap();
    (world, checker)
}

/// As [`grown`], for checkers that must have spoken by then.
fn growing<C: Checker + Default + 'static>(hears: fn(&Fact<'_>) -> bool) -> Result<(), String> {
    let mut world = seeded(5, PEERS);
    let _checker = watch::<C>(&mut world, hears);
    start_all(&mut world);
    run(&mut world, SECOND * 40).map_err(|violation| violation.what)
}

fn vote(world: &World, by: HostId, proposal: &Proposal, choice: Choice) -> Vote {
    let electorate = world.view().truth.electorate.clone().unwrap();
    let signer = world.host(by).signer.clone();
    Vote::cast(&*signer, &electorate, proposal.id(), choice, "")
}

fn sent(host: HostId, frame: &Frame) -> Fact<'_> {
    Fact::Sent {
        host,
        to: &[],
        frame,
        len: 100,
    }
}

fn council(message: council::Message) -> Frame {
    Frame::Message(Message::Council(message))
}

/// A report of a peer's death, by another.
fn report(world: &World, of: HostId, attempt: u64) -> Proposal {
    let inquiry = Inquiry {
        network: world.view().truth.electorate.as_ref().unwrap().network(),
        suspect: world.host(of).id(),
        incarnation: 1,
        attempt,
    };
    let signer = world.host(HostId(4)).signer.clone();
    let report = DeadReport::sign(&*signer, inquiry, String::new(), 0, Vec::new(), Vec::new());
    Proposal::Evict(report)
}

fn is_vote(fact: &Fact<'_>) -> bool {
    matches!(
        fact,
        Fact::Durable {
            stored: Stored::Seed(SeedStored::Council(Durable::Vote { .. })),
            ..
        } | Fact::Sent {
            frame: Frame::Message(Message::Council(council::Message::Vote(_))),
            ..
        }
    )
}

#[test]
fn a_certificate_that_a_signer_never_voted_for_is_reported() {
    assert_says(
        growing::<ProofChecker>(|fact| !is_vote(fact)),
        "never voted yes on it",
    );
}

#[test]
fn a_certificate_of_others_than_the_voters_is_reported() {
    let (mut world, checker) = grown::<ProofChecker>(is_vote);
    let electorate = world.view().truth.electorate.clone().unwrap();
    let others = (100..103).map(NodeId::from);
    let other =
        quorate_consensus::Electorate::of(electorate.network(), QuorumRule::Majority, others);
    world.truth_mut().electorate = Some(other.unwrap());
    assert_says(tell(&checker, &world, &Fact::Tick), "proves nothing");
}

#[test]
fn a_departure_that_nobody_asked_for_is_reported() {
    let (mut world, _checker) = grown::<ProofChecker>(|fact| !matches!(fact, Fact::Asked { .. }));
    world.ask(PEER, Request::Leave);
    assert_says(run(&mut world, SECOND * 5), "was not asked to leave");
}

#[test]
fn a_vote_against_who_answers_is_reported() {
    let (world, checker) = grown::<FalseEviction>(everything);
    let proposal = report(&world, PEER, 7);
    let asks = council(council::Message::Proposal(proposal.clone().into()));
    tell(&checker, &world, &sent(HostId(4), &asks)).unwrap();
    let no = council(council::Message::Vote(
        vote(&world, SEED, &proposal, Choice::No).into(),
    ));
    tell(&checker, &world, &sent(SEED, &no)).unwrap();
    let yes = council(council::Message::Vote(
        vote(&world, SEED, &proposal, Choice::Yes).into(),
    ));
    assert_says(
        tell(&checker, &world, &sent(SEED, &yes)),
        "has been answering it",
    );
}

#[test]
fn a_vote_against_who_was_away_a_moment_ago_is_not_reported() {
    let (mut world, checker) = grown::<FalseEviction>(everything);
    world.pause(PEER);
    run(&mut world, SECOND).unwrap();
    world.resume(PEER);
    run(&mut world, SECOND * 3).unwrap();
    let proposal = report(&world, PEER, 7);
    let asks = council(council::Message::Proposal(proposal.clone().into()));
    tell(&checker, &world, &sent(HostId(4), &asks)).unwrap();
    let yes = council(council::Message::Vote(
        vote(&world, SEED, &proposal, Choice::Yes).into(),
    ));
    tell(&checker, &world, &sent(SEED, &yes)).unwrap();
}

#[test]
fn a_certificate_against_who_answered_is_reported_whoever_signed_it() {
    let (mut world, checker) = grown::<FalseEviction>(everything);
    run(&mut world, SECOND * 20).unwrap();
    let proposal = report(&world, PEER, 7);
    let electorate = world.view().truth.electorate.clone().unwrap();
    let certificate = quorate_consensus::Certificate {
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes: [0, 1]
            .map(|seed| vote(&world, HostId(seed), &proposal, Choice::Yes))
            .into_iter()
            .map(|vote| (vote.voter, vote.signature))
            .collect(),
        proposal: proposal.into(),
    };
    let stored = Stored::Seed(SeedStored::Council(Durable::Proof(
        Proof::Eviction(certificate).into(),
    )));
    let fact = Fact::Durable {
        host: HostId(2),
        stored: &stored,
    };
    assert_says(tell(&checker, &world, &fact), "are no quorum");
}

#[test]
fn rosters_that_differ_are_reported() {
    let mut world = seeded(5, PEERS);
    let _checker = watch::<Agreement>(&mut world, everything);
    (0..6).for_each(|index| world.start(HostId(index)));
    settle(&mut world, SECOND * 60).unwrap();
    world.cut(hosts([3]), hosts(0..7));
    world.cut(hosts(0..7), hosts([3]));
    world.start(HostId(6));
    run(&mut world, SECOND * 2).unwrap();
    assert_says(world.settled(), "unknown at");
}

#[test]
fn a_vote_that_is_not_on_the_disk_is_reported() {
    assert_says(
        growing::<Durability>(|fact| !matches!(fact, Fact::Durable { .. })),
        "before it is on its disk",
    );
}

#[test]
fn a_standing_that_is_not_on_the_disk_is_reported() {
    let hears = |fact: &Fact<'_>| {
        !matches!(
            fact,
            Fact::Durable {
                stored: Stored::Seed(SeedStored::Council(Durable::Proof(_))),
                ..
            }
        )
    };
    assert_says(growing::<Durability>(hears), "has None on its disk");
}

#[test]
fn a_proof_that_is_shown_before_it_is_on_the_disk_is_reported() {
    let (world, checker) = grown::<Durability>(everything);
    let roster = world.host(SEED).process.as_ref().unwrap().roster().unwrap();
    let mut proof = (*roster.get(&world.host(PEER).id()).unwrap().proof).clone();
    if let Proof::Admission(certificate) = &mut proof
        && let Proposal::Admit(record) = Arc::make_mut(&mut certificate.proposal)
    {
        record.incarnation += 1;
    }
    let shows = Frame::Message(Message::Roster(RosterMessage::Proofs(vec![proof.into()])));
    assert_says(tell(&checker, &world, &sent(SEED, &shows)), "shows host 3");
}

#[test]
fn a_vote_both_ways_is_reported() {
    let (world, checker) = grown::<Durability>(everything);
    let proposal = report(&world, PEER, 7);
    let stores = |choice| {
        let stored = Stored::Seed(SeedStored::Council(Durable::Vote {
            opened_ms: 0,
            vote: vote(&world, SEED, &proposal, choice).into(),
        }));
        let fact = Fact::Durable {
            host: SEED,
            stored: &stored,
        };
        tell(&checker, &world, &fact)
    };
    stores(Choice::Yes).unwrap();
    stores(Choice::Yes).unwrap();
    assert_says(stores(Choice::No), "has voted yes on it");
}

#[test]
fn a_seed_that_comes_back_without_what_it_had_is_reported() {
    let (mut world, _checker) = grown::<Durability>(|fact| !matches!(fact, Fact::DiskLost(_)));
    world.kill(SEED, Death::Killed);
    world.lose_disk(SEED);
    world.start(SEED);
    assert_says(run(&mut world, SECOND), "is back with");
}

#[test]
fn what_a_seed_has_committed_and_others_lack_is_reported() {
    let (world, checker) = grown::<Durability>(everything);
    let roster = world.host(SEED).process.as_ref().unwrap().roster().unwrap();
    let entry = roster.get(&world.host(PEER).id()).unwrap();
    let Proof::Admission(admission) = (*entry.proof).clone() else {
        panic!("a member by something else");
    };
    let signer = world.host(PEER).signer.clone();
    let departure = quorate_consensus::Departure::sign(&*signer, admission).unwrap();
    let stored = Stored::Seed(SeedStored::Council(Durable::Proof(
        Proof::Departure(departure).into(),
    )));
    let fact = Fact::Durable {
        host: SEED,
        stored: &stored,
    };
    tell(&checker, &world, &fact).unwrap();
    let settled = checker.lock().unwrap().settled(world.view());
    assert_says(settled, &format!("{:?}", Standing::Left));
}

#[test]
fn messages_that_nobody_said_and_messages_twice_are_reported() {
    let mut world = seeded(5, PEERS);
    let _checker =
        watch::<DeliveryChecker>(&mut world, |fact| !matches!(fact, Fact::Replied { .. }));
    start_all(&mut world);
    run(&mut world, SECOND * 30).unwrap();
    world.ask(PEER, Request::Broadcast(Bytes::from_static(b"hello")));
    assert_says(run(&mut world, SECOND), "nobody has said that");

    let mut world = seeded(5, PEERS);
    let checker = watch::<DeliveryChecker>(&mut world, everything);
    let keeper = watch::<Keeper>(&mut world, everything);
    start_all(&mut world);
    run(&mut world, SECOND * 30).unwrap();
    world.ask(PEER, Request::Broadcast(Bytes::from_static(b"hello")));
    run(&mut world, SECOND).unwrap();
    let (host, event) = keeper.lock().unwrap().0.clone().unwrap();
    let again = Fact::Told {
        host,
        event: &event,
    };
    assert_says(tell(&checker, &world, &again), "has delivered that before");
    let Event::Message(delivery) = &event else {
        panic!("{event}");
    };
    let gap = |first, last| Event::Gap {
        origin: delivery.origin.clone(),
        incarnation: delivery.incarnation,
        first,
        last,
    };
    let (around, after) = (
        gap(0, delivery.sequence + 5),
        gap(delivery.sequence + 1, u64::MAX),
    );
    let told = |event| Fact::Told { host, event };
    assert_says(
        tell(&checker, &world, &told(&around)),
        "have not come, and has delivered",
    );
    tell(&checker, &world, &told(&after)).unwrap();
    let own = Fact::Told {
        host: PEER,
        event: &event,
    };
    assert_says(tell(&checker, &world, &own), "which is its own");
    let mut other = event.clone();
    if let Event::Message(delivery) = &mut other {
        delivery.payload = Bytes::from_static(b"goodbye");
        delivery.sequence += 1;
    }
    let forged = Fact::Told {
        host: HostId(0),
        event: &other,
    };
    assert_says(tell(&checker, &world, &forged), "or something else");
}

#[test]
fn a_message_that_somebody_does_not_hear_is_reported() {
    fn hears(fact: &Fact<'_>) -> bool {
        !matches!(
            fact,
            Fact::Told {
                host: HostId(5),
                event: Event::Message(_)
            }
        )
    }
    let (mut world, _checker) = grown::<DeliveryChecker>(hears);
    assert_eq!(world.settled(), Ok(()));
    world.ask(PEER, Request::Broadcast(Bytes::from_static(b"hello")));
    run(&mut world, SECOND * 5).unwrap();
    assert_says(world.settled(), "has not heard");
}

#[test]
fn what_is_too_long_too_much_or_too_slow_is_reported() {
    let (mut world, checker) = grown::<Bounds>(everything);
    let frame = Frame::Message(Message::Welcome);
    let long = Fact::Sent {
        host: PEER,
        to: &[],
        frame: &frame,
        len: FRAME_LEN_MAX + 1,
    };
    assert_says(tell(&checker, &world, &long), "is the limit");
    let mut many = (0..FRAMES_MAX + 2).map(|_| tell(&checker, &world, &sent(PEER, &frame)));
    assert_says(many.find(Result::is_err).unwrap_or(Ok(())), "of one input");
    let slow = Fact::TooSlow {
        host: SEED,
        to: PEER,
    };
    tell(&checker, &world, &slow).unwrap();
    run(&mut world, SECOND * 310).unwrap();
    assert_says(tell(&checker, &world, &slow), "too slow");
    world.host_mut(SEED).setup.options.connections_max = (0, 16);
    assert_says(run(&mut world, SECOND * 2), "accepted connections");
}

#[test]
fn who_waits_and_who_is_gone_and_not_out_is_reported() {
    let mut world = seeded(5, PEERS);
    let _checker = watch::<ProgressChecker>(&mut world, everything);
    world.start(SEED);
    world.start(PEER);
    run(&mut world, SECOND * 20).unwrap();
    assert_says(world.settled(), "no vote from");
    start_all(&mut world);
    settle(&mut world, SECOND * 60).unwrap();
    world.kill(PEER, Death::Killed);
    world.truth_mut().gone.insert(PEER);
    assert_says(world.settled(), "is gone for good and is still a member");
    settle(&mut world, SECOND * 60).unwrap();
}

#[test]
fn a_message_of_one_who_was_thrown_out_is_reported() {
    let mut world = seeded(5, PEERS);
    let checker = watch::<DeliveryChecker>(&mut world, everything);
    let keeper = watch::<Keeper>(&mut world, everything);
    start_all(&mut world);
    run(&mut world, SECOND * 30).unwrap();
    world.ask(PEER, Request::Broadcast(Bytes::from_static(b"hello")));
    run(&mut world, SECOND).unwrap();
    let (_, event) = keeper.lock().unwrap().0.clone().unwrap();
    let Event::Message(delivery) = &event else {
        panic!("the keeper keeps messages");
    };
    let confirmed = Event::DeadConfirmed {
        member: delivery.origin.clone(),
        incarnation: delivery.incarnation,
        votes: 2,
        quorum: 2,
    };
    let told = |world: &World, event| tell(&checker, world, &Fact::Told { host: SEED, event });
    told(&world, &confirmed).unwrap();
    run(&mut world, SECOND).unwrap();
    assert_says(told(&world, &event), "which was thrown out of it");
}

#[test]
fn a_double_vote_that_is_not_told_of_is_reported() {
    let mut world = seeded(5, PEERS);
    let checker = watch::<EvidenceChecker>(&mut world, everything);
    (0..SEEDS).for_each(|index| world.start(HostId(index)));
    run(&mut world, SECOND * 5).unwrap();
    // Nobody has had the time to close the vote on the first candidate.
    world.start(PEER);
    let proposal = loop {
        run(&mut world, Duration::from_micros(200)).unwrap();
        let open = world.host(SEED).process.as_ref().and_then(|process| {
            let Process::Seed(seed) = process else {
                return None;
            };
            let id = world.host(PEER).id();
            let pending = seed.council().pending(&id).next();
            pending.map(|(proposal, _)| proposal.clone())
        });
        if let Some(open) = open {
            break open;
        }
    };
    let votes = [Choice::Yes, Choice::No].map(|choice| {
        let vote = vote(&world, HostId(1), &proposal, choice);
        council(council::Message::Vote(vote.into()))
    });
    for frame in &votes {
        let fact = Fact::Arrived {
            from: HostId(1),
            to: SEED,
            link: 0,
            frame,
            len: 100,
        };
        tell(&checker, &world, &fact).unwrap();
    }
    assert_says(
        tell(&checker, &world, &Fact::Tick),
        "two contradicting votes",
    );
}

/// Keeps the first message that was delivered, and where.
#[derive(Default)]
struct Keeper(Option<(HostId, Event)>);

impl Checker for Keeper {
    fn name(&self) -> &'static str {
        "keeper"
    }

    fn see(&mut self, fact: &Fact<'_>, _view: quorate_sim::fact::View<'_>) -> Result<(), String> {
        if let Fact::Told {
            host,
            event: event @ Event::Message(_),
        } = fact
        {
            self.0.get_or_insert((*host, (*event).clone()));
        }
        Ok(())
    }
}
