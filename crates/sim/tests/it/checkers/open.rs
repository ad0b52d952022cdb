//! What must be reported of an open network.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use quorate_consensus::assembly;
use quorate_consensus::succession::{
    Accepted, Accusation, Ballot, Change, Durable, Founding, Grounds, Link, Membership,
    Message as Succession, Opinion, Promise, Statement,
};
use quorate_consensus::{Choice, Digest, Record, Unproven};
use quorate_node::protocol::{JoinMessage, Message};
use quorate_node::roles::{Frame, Request};
use quorate_node::store::{MemberStored, Stored};
use quorate_sim::checkers::{
    Agreement, Checker, Durability, FalseEviction, ProgressChecker, SuccessionChecker,
};
use quorate_sim::fact::Fact;
use quorate_sim::host::HostId;
use quorate_sim::world::{Death, World};

use super::small::{SECOND, assert_says, hosts, open, run, settle, start_all, tell, watch};

const FOUNDER: HostId = HostId(0);

fn everything(_: &Fact<'_>) -> bool {
    true
}

/// Four members, who are all in.
fn grown<C: Checker + Default + 'static>(hears: fn(&Fact<'_>) -> bool) -> (World, Arc<Mutex<C>>) {
    let mut world = open(3, 4);
    let checker = watch::<C>(&mut world, hears);
    start_all(&mut world);
    run(&mut world, SECOND * 30).unwrap();
    (world, checker)
}

fn growing<C: Checker + Default + 'static>(hears: fn(&Fact<'_>) -> bool) -> Result<(), String> {
    let mut world = open(3, 4);
    let _checker = watch::<C>(&mut world, hears);
    start_all(&mut world);
    run(&mut world, SECOND * 30).map_err(|violation| violation.what)
}

fn membership(world: &World, at: HostId) -> Arc<Membership> {
    let process = world.host(at).process.as_ref().unwrap();
    process.assembly().unwrap().membership().clone()
}

fn said(durable: Durable) -> Stored {
    Stored::Member(MemberStored::Said(durable))
}

fn durable(host: HostId, stored: &Stored) -> Fact<'_> {
    Fact::Durable { host, stored }
}

/// What a member says about the decision that its chain has come to.
fn says(world: &World, host: HostId, statement: Statement) -> Frame {
    let place = membership(world, host).place();
    let at = Succession::At {
        epoch: place.epoch,
        head: place.head,
        statement,
    };
    Frame::Message(Message::Assembly(assembly::Message::Succession(Box::new(
        at,
    ))))
}

fn sent(host: HostId, frame: &Frame) -> Fact<'_> {
    Fact::Sent {
        host,
        to: &[],
        frame,
        len: 100,
    }
}

const fn is_opinion(fact: &Fact<'_>) -> bool {
    matches!(
        fact,
        Fact::Durable {
            stored: Stored::Member(MemberStored::Said(Durable::Opinion { .. })),
            ..
        }
    )
}

#[test]
fn an_admission_that_somebody_never_allowed_is_reported() {
    let hears = |fact: &Fact<'_>| {
        !is_opinion(fact)
            && !matches!(
                fact,
                Fact::Sent {
                    frame: Frame::Message(Message::Join(JoinMessage::Opinion(_))),
                    ..
                }
            )
    };
    assert_says(growing::<SuccessionChecker>(hears), "never allowed it");
}

#[test]
fn an_eviction_that_somebody_never_asked_for_is_reported() {
    fn hears(fact: &Fact<'_>) -> bool {
        let is_said = matches!(
            fact,
            Fact::Durable {
                stored: Stored::Member(MemberStored::Said(Durable::Accusation(_))),
                ..
            }
        );
        let is_sent = match fact {
            Fact::Sent {
                frame: Frame::Message(Message::Assembly(assembly::Message::Succession(message))),
                ..
            } => matches!(
                **message,
                Succession::At {
                    statement: Statement::Accuse(_),
                    ..
                }
            ),
            _ => false,
        };
        !is_said && !is_sent
    }
    let (mut world, _checker) = grown::<SuccessionChecker>(hears);
    world.kill(HostId(3), Death::Killed);
    assert_says(run(&mut world, SECOND * 20), "never accused it");
}

#[test]
fn a_leave_that_nobody_asked_for_is_reported() {
    let (mut world, _checker) =
        grown::<SuccessionChecker>(|fact| !matches!(fact, Fact::Asked { .. }));
    world.ask(HostId(3), Request::Leave);
    assert_says(run(&mut world, SECOND * 5), "was not asked to leave");
}

/// A founder's decision to let somebody in, which it alone makes.
fn first_link(world: &World, founding: &Founding, candidate: HostId) -> (Opinion, Link) {
    let founded = Membership::found(founding, &Unproven).unwrap();
    let place = founded.place();
    let (founder, newcomer) = (world.host(FOUNDER), world.host(candidate));
    let record = Record::sign(
        &*newcomer.signer,
        place.network,
        vec![newcomer.address.clone()],
        1,
        1,
        1,
    )
    .unwrap();
    let opinion = Opinion::sign(
        &*founder.signer,
        place.network,
        record.hash(),
        1,
        Choice::Yes,
        "",
    );
    let change = Change::Admit {
        record,
        allows: BTreeMap::from([(founder.id(), opinion.signature)]),
    };
    let ballot = Ballot {
        counter: 1,
        leader: founder.id(),
    };
    let accepted = Accepted::sign(&*founder.signer, &place, ballot, change.hash());
    let link = Link {
        epoch: 0,
        parent: place.head,
        change,
        ballot,
        accepted: BTreeMap::from([(founder.id(), accepted.signature)]),
    };
    (opinion, link)
}

/// Two hosts write down two histories of one network.
fn fork(world: &World, checker: &Arc<Mutex<SuccessionChecker>>) -> Result<(), String> {
    let founder = world.host(FOUNDER);
    let founding =
        Founding::sign(&*founder.signer, vec![founder.address.clone()], 1, 1, None).unwrap();
    for candidate in [HostId(1), HostId(2)] {
        let (opinion, link) = first_link(world, &founding, candidate);
        let opinion = said(Durable::Opinion {
            opened_ms: 1,
            opinion,
        });
        tell(checker, world, &durable(FOUNDER, &opinion))?;
        let chain = Stored::Member(MemberStored::Chain {
            founding: Arc::new(founding.clone()),
            links: vec![Arc::new(link)],
        });
        tell(checker, world, &durable(candidate, &chain))?;
    }
    Ok(())
}

#[test]
fn two_memberships_for_one_epoch_are_reported_unless_somebody_equivocates() {
    let mut world = open(3, 4);
    let checker = watch::<SuccessionChecker>(&mut world, everything);
    assert_says(fork(&world, &checker), "two memberships for epoch 1");
    let mut world = open(3, 4);
    let checker = watch::<SuccessionChecker>(&mut world, everything);
    world.truth_mut().equivocators = 1;
    assert_eq!(fork(&world, &checker), Ok(()));
}

#[test]
fn a_decision_that_too_few_took_is_reported() {
    let world = open(3, 4);
    let checker = Arc::new(Mutex::new(SuccessionChecker::default()));
    let founder = world.host(FOUNDER);
    let founding =
        Founding::sign(&*founder.signer, vec![founder.address.clone()], 1, 1, None).unwrap();
    let (_, mut link) = first_link(&world, &founding, HostId(1));
    link.accepted.clear();
    let chain = Stored::Member(MemberStored::Chain {
        founding: Arc::new(founding),
        links: vec![Arc::new(link)],
    });
    let told = tell(&checker, &world, &durable(FOUNDER, &chain));
    assert_says(told, "it proves nothing");
}

#[test]
fn two_networks_where_one_was_meant_are_reported() {
    let mut world = open(3, 4);
    world.host_mut(HostId(1)).setup.discovery = world.host(FOUNDER).setup.discovery.clone();
    let _checker = watch::<Agreement>(&mut world, everything);
    start_all(&mut world);
    run(&mut world, SECOND * 10).unwrap();
    assert_says(world.settled(), "of network");
}

#[test]
fn an_accusation_of_who_answers_is_reported() {
    let (mut world, checker) = grown::<FalseEviction>(everything);
    let place = membership(&world, FOUNDER).place();
    let accuse = |world: &World| {
        let suspect = world.host(HostId(2)).id();
        let signer = world.host(FOUNDER).signer.clone();
        said(Durable::Accusation(Accusation::sign(
            &*signer, &place, suspect, 1,
        )))
    };
    let told = tell(&checker, &world, &durable(FOUNDER, &accuse(&world)));
    assert_says(told, "which has been answering it");
    world.pause(HostId(2));
    run(&mut world, SECOND).unwrap();
    world.resume(HostId(2));
    run(&mut world, SECOND).unwrap();
    let told = tell(&checker, &world, &durable(FOUNDER, &accuse(&world)));
    assert_eq!(told, Ok(()));
}

#[test]
fn words_that_are_not_on_the_disk_are_reported() {
    let hears = |fact: &Fact<'_>| !is_opinion(fact);
    assert_says(growing::<Durability>(hears), "gives its opinion on record");
    let hears = |fact: &Fact<'_>| {
        !matches!(
            fact,
            Fact::Durable {
                stored: Stored::Member(MemberStored::Said(Durable::Acceptor(_))),
                ..
            }
        )
    };
    assert_says(growing::<Durability>(hears), "what is not on its disk");
    let hears = |fact: &Fact<'_>| {
        !matches!(
            fact,
            Fact::Durable {
                stored: Stored::Member(MemberStored::Said(Durable::Link(_))),
                ..
            }
        )
    };
    assert_says(growing::<Durability>(hears), "decisions on its disk");
}

#[test]
fn contradictions_are_reported() {
    // What is said is on no disk here, so the checker is told first that the decision is over.
    let (world, checker) = grown::<Durability>(everything);
    let place = membership(&world, FOUNDER).place();
    let link = {
        let process = world.host(FOUNDER).process.as_ref().unwrap();
        let chain = process.chain().unwrap();
        let mut link = (**chain.links_from(0).last().unwrap()).clone();
        link.epoch = place.epoch;
        Arc::new(link)
    };
    let over = said(Durable::Link(link));
    tell(&checker, &world, &durable(FOUNDER, &over)).unwrap();
    let signer = world.host(FOUNDER).signer.clone();
    let ballot = |counter| Ballot {
        counter,
        leader: signer.id(),
    };
    let change = |byte| Digest::new([byte; 32]);
    let say = |statement| {
        let frame = says(&world, FOUNDER, statement);
        tell(&checker, &world, &sent(FOUNDER, &frame))
    };
    let accept = |counter, byte| {
        let accepted = Accepted::sign(&*signer, &place, ballot(counter), change(byte));
        say(Statement::Accepted(accepted))
    };
    let promise = |counter, named| {
        let promise = Promise::sign(&*signer, &place, ballot(counter), named);
        say(Statement::Promise {
            promise,
            change: None,
            grounds: Grounds::default(),
        })
    };
    promise(101, None).unwrap();
    accept(101, 1).unwrap();
    accept(101, 1).unwrap();
    promise(102, Some((ballot(101), change(1)))).unwrap();
    assert_says(accept(101, 2), "it has accepted");
    assert_says(promise(103, None), "it has accepted");
    assert_says(promise(102, None), "it has promised");
    assert_says(accept(100, 1), "it has promised");

    let opinion = |choice| {
        let record = change(9);
        let opinion = Opinion::sign(&*signer, place.network, record, 1, choice, "");
        let stored = said(Durable::Opinion {
            opened_ms: 1,
            opinion: opinion.clone(),
        });
        tell(&checker, &world, &durable(FOUNDER, &stored))?;
        let frame = Frame::Message(Message::Join(JoinMessage::Opinion(opinion)));
        tell(&checker, &world, &sent(FOUNDER, &frame))
    };
    opinion(Choice::Yes).unwrap();
    assert_says(opinion(Choice::No), "and has said yes");
}

#[test]
fn a_chain_that_is_taken_back_is_reported() {
    let (mut world, checker) = grown::<Durability>(everything);
    let place = membership(&world, FOUNDER).place();
    let status =
        |epoch, head| Frame::Message(Message::Assembly(assembly::Message::Status { epoch, head }));
    let other = status(place.epoch, Digest::new([7; 32]));
    assert_says(
        tell(&checker, &world, &sent(FOUNDER, &other)),
        "which it does not follow",
    );
    world.kill(FOUNDER, Death::Killed);
    world.start(FOUNDER);
    assert_says(run(&mut world, SECOND), "is back in epoch");
}

#[test]
fn chains_that_differ_and_who_waits_is_reported() {
    let mut world = open(3, 4);
    let _checker = watch::<Agreement>(&mut world, everything);
    let _other = watch::<ProgressChecker>(&mut world, everything);
    (0..3).for_each(|index| world.start(HostId(index)));
    settle(&mut world, SECOND * 30).unwrap();
    world.cut(hosts([2]), hosts([0, 1]));
    world.start(HostId(3));
    run(&mut world, SECOND * 4).unwrap();
    assert_says(world.settled(), "is no member");
    world.mend();
    settle(&mut world, SECOND * 60).unwrap();
    world.pause(HostId(3));
    world.kill(HostId(2), Death::Killed);
    world.truth_mut().gone.insert(HostId(2));
    assert_says(world.settled(), "is gone for good and is still a member");
}
