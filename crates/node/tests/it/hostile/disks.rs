//! A disk that fails: what rests on it is not sent, it is tried again, and all goes on when it works.

use std::time::Duration;

use quorate_node::consensus::NodeId;
use quorate_node::consensus::succession::{Ballot, Durable, Statement};
use quorate_node::consensus::{Choice, assembly, succession};
use quorate_node::protocol::{JoinMessage, Message};
use quorate_node::roles::Request;
use quorate_node::store::MemberStored;
use quorate_node::{Admission, Discovery, Event, Options};

use super::puppet::{Puppet, network, record};
use crate::fuzz::{START_MS, open_chain};

fn full() -> Result<(), String> {
    Err("the disk is full".to_owned())
}

fn failures(puppet: &Puppet) -> usize {
    let is_failure = |event: &&Event| matches!(event, Event::StoreFailed(_));
    puppet.events.iter().filter(is_failure).count()
}

/// With a disk that fails every write at once.
fn fail_all(puppet: &mut Puppet, span: Duration) {
    let mut left = span;
    while !left.is_zero() {
        let mut count = 0;
        while !puppet.writes.is_empty() {
            count += 1;
            assert!(count < 20, "a write that is tried again without a pause");
            puppet.written(full());
            puppet.drain();
        }
        let step = left.min(Duration::from_millis(100));
        puppet.wait(step);
        left -= step;
    }
}

#[test]
fn a_disk_that_takes_nothing_is_tried_again_but_not_in_a_tight_loop() {
    let mut puppet = Puppet::on_bad_disk(Discovery::by_founding());
    fail_all(&mut puppet, Duration::from_secs(10));
    let failures = failures(&puppet);
    assert!((10..=40).contains(&failures), "{failures} failures told");
    assert!(puppet.role.assembly().is_none());
    let is_in = |puppet: &Puppet| {
        let mut events = puppet.events.iter();
        events.any(|event| matches!(event, Event::Joined { .. }))
    };
    assert!(!is_in(&puppet));
    puppet.disk_is_good = true;
    while !puppet.writes.is_empty() {
        puppet.written(Ok(()));
        puppet.drain();
    }
    puppet.wait(Duration::from_secs(3));
    assert!(is_in(&puppet), "{}", puppet.told());
    assert!(puppet.role.assembly().is_some());
}

#[test]
fn an_opinion_and_a_promise_that_are_not_durable_are_not_sent() {
    let mut puppet = Puppet::one_of(3, Admission::allow_all(), Options::default());
    let (anna, carl) = (puppet.link(4), puppet.link(6));
    puppet.disk_is_good = false;
    let asking = record(9, 1, START_MS);
    let guest = puppet.apply(&asking);
    let place = open_chain(3).membership().place();
    let leader = NodeId::from(4);
    let ballot = Ballot { counter: 1, leader };
    puppet.state(anna, place, Statement::Prepare(ballot));
    let said = |puppet: &Puppet| {
        let about = puppet.sent.iter().filter(|(_, message)| match message {
            Message::Join(JoinMessage::Opinion(_)) => true,
            Message::Assembly(assembly::Message::Succession(message)) => {
                matches!(
                    &**message,
                    succession::Message::Opinion(_)
                        | succession::Message::At {
                            statement: Statement::Promise { .. },
                            ..
                        }
                )
            }
            _ => false,
        });
        about.count()
    };
    assert!(!puppet.writes.is_empty(), "nothing to be written");
    fail_all(&mut puppet, Duration::from_secs(4));
    assert_eq!(said(&puppet), 0, "said what is not durable");
    assert!(failures(&puppet) >= 3, "{}", puppet.told());
    // It works again: the same is written, and said.
    puppet.wait(Duration::from_secs(2));
    puppet.disk_is_good = true;
    while !puppet.writes.is_empty() {
        puppet.written(Ok(()));
        puppet.drain();
    }
    // What came while the disk did not work was not heard; it is repeated.
    puppet.state(anna, place, Statement::Prepare(ballot));
    let opinion = puppet.opinion(guest).expect("an opinion");
    assert_eq!(opinion.choice, Choice::Yes);
    let promised = puppet.sent_to(anna).any(|message| {
        matches!(message, Message::Assembly(assembly::Message::Succession(message))
            if matches!(&**message, succession::Message::At { statement: Statement::Promise { .. }, .. }))
    });
    assert!(promised, "no promise");
    assert!(puppet.conns.contains_key(&carl));
}

#[test]
fn nothing_of_the_old_network_is_written_over_the_new_one() {
    // Of two members one is dead; the other goes on alone, on a slow disk, while the dead one comes back.
    let mut puppet = Puppet::one_of(2, Admission::ask(), Options::default());
    for _ in 0..100 {
        for (dial, ..) in puppet.dials.clone() {
            puppet.refuse(dial);
        }
        puppet.wait(Duration::from_millis(100));
    }
    assert!(
        puppet
            .events
            .iter()
            .any(|event| matches!(event, Event::Stuck { .. })),
        "{}",
        puppet.told()
    );
    puppet.disk_is_good = false;
    puppet.ask(Request::Refound);
    assert!(
        matches!(&puppet.writes[..], [(_, MemberStored::Chain { .. })]),
        "{:?}",
        puppet.writes
    );
    let anna = puppet.arrive(4, quorate_node::protocol::Purpose::Link, network());
    let place = open_chain(2).membership().place();
    let leader = NodeId::from(4);
    let ballot = Ballot { counter: 1, leader };
    puppet.state(anna, place, Statement::Prepare(ballot));
    let late: Vec<&MemberStored> = puppet.writes[1..]
        .iter()
        .map(|(_, stored)| stored)
        .collect();
    let is_said = |stored: &&&MemberStored| {
        matches!(
            stored,
            MemberStored::Said(Durable::Acceptor(_) | Durable::Link(_))
        )
    };
    assert_eq!(
        late.iter().filter(is_said).count(),
        0,
        "the old network's words come after the new one's chain: {late:?}"
    );
}
