//! Members, and strangers that pretend to be, who lie about chains and ballots.

use std::time::Duration;

use quorate_node::consensus::succession::{Ballot, Statement};
use quorate_node::consensus::{Digest, NodeId, assembly, succession};
use quorate_node::protocol::{Goodbye, Message};
use quorate_node::{Admission, Options};

use super::puppet::{Puppet, links, status};
use crate::fuzz::open_chain;

/// Whether the member has asked for links on a connection.
fn has_fetched(puppet: &Puppet, conn: quorate_node::roles::ConnId) -> bool {
    puppet
        .sent_to(conn)
        .any(|message| matches!(message, Message::Assembly(assembly::Message::Fetch { .. })))
}

#[test]
fn who_claims_to_know_more_does_not_keep_a_member_from_what_others_know() {
    // The liar is a stranger, or a member that does not answer, or one that answers with nothing.
    for (liar, answers) in [(9, false), (6, false), (6, true)] {
        let mut puppet = Puppet::one_of(3, Admission::ask(), Options::default());
        let longer = open_chain(4);
        let place = longer.membership().place();
        let mut lying = puppet.link(liar);
        puppet.say(lying, status(u64::MAX, Digest::new([7; 32])));
        let honest = puppet.link(4);
        for tick in 0..1000 {
            if !puppet.conns.contains_key(&lying) {
                lying = puppet.link(liar);
            }
            puppet.say(lying, status(u64::MAX, Digest::new([7; 32])));
            if answers {
                puppet.say(lying, links(Vec::new()));
                puppet.say(lying, status(u64::MAX, Digest::new([7; 32])));
            }
            // An honest member says every 2 s where it is.
            if tick % 200 == 100 {
                puppet.say(honest, status(place.epoch, place.head));
            }
            puppet.say(honest, Message::Probe { nonce: 1 });
            puppet.wait(Duration::from_millis(10));
        }
        assert!(
            has_fetched(&puppet, honest),
            "{liar}, who answers: {answers}, kept the others from being asked"
        );
    }
}

#[test]
fn a_liar_that_drives_one_member_to_high_ballots_does_not_part_it_from_the_others() {
    let mut puppet = Puppet::one_of(3, Admission::ask(), Options::default());
    let honest = puppet.link(4);
    let place = open_chain(3).membership().place();
    let leader = NodeId::from(4);
    // It has heard, from a liar that says nothing here, of ballots as high as nobody has told this member of.
    let ballot = Ballot {
        counter: 300_000,
        leader,
    };
    let is_promise = |message: &Message| {
        matches!(message, Message::Assembly(assembly::Message::Succession(message))
            if matches!(&**message, succession::Message::At { statement: Statement::Promise { promise, .. }, .. }
                if promise.ballot == ballot))
    };
    for _ in 0..6 {
        puppet.state(honest, place, Statement::Prepare(ballot));
        assert_eq!(
            puppet.goodbye(honest),
            None,
            "an honest member is sent away"
        );
    }
    assert!(
        puppet.sent_to(honest).any(is_promise),
        "the honest member is never followed"
    );
}

#[test]
fn nobody_uses_the_ballots_up() {
    let mut puppet = Puppet::one_of(3, Admission::ask(), Options::default());
    let lying = puppet.link(6);
    let place = open_chain(3).membership().place();
    let leader = NodeId::from(6);
    for counter in [u64::MAX, u64::MAX - 1, 1 << 62, 1 << 40] {
        for _ in 0..100 {
            let ballot = Ballot { counter, leader };
            puppet.state(lying, place, Statement::Prepare(ballot));
            let refused = Statement::Refused {
                ballot,
                promised: ballot,
            };
            puppet.state(lying, place, refused);
        }
    }
    // An honest ballot of ordinary height after all that is still followed, or refused by one that can be topped.
    let honest = puppet.link(4);
    let leader = NodeId::from(4);
    let mut counter = 1;
    for _ in 0..2000 {
        let ballot = Ballot { counter, leader };
        let from = puppet.sent.len();
        puppet.state(honest, place, Statement::Prepare(ballot));
        let answer = puppet.sent[from..].iter().find_map(|(to, message)| {
            let Message::Assembly(assembly::Message::Succession(message)) = message else {
                return None;
            };
            match &**message {
                succession::Message::At { statement, .. } if *to == honest => {
                    Some(statement.clone())
                }
                _ => None,
            }
        });
        match answer {
            Some(Statement::Promise { .. }) => return,
            Some(Statement::Refused { promised, .. }) => counter = promised.counter + 1,
            _ => {}
        }
    }
    panic!("no ballot of an honest member is followed any more: {counter}");
}

#[test]
fn statements_of_strangers_and_of_others_end_the_connection_and_change_nothing() {
    let place = open_chain(3).membership().place();
    let prepare = |leader: u64| {
        Statement::Prepare(Ballot {
            counter: 1,
            leader: NodeId::from(leader),
        })
    };
    // A stranger is not heard at all.
    let mut puppet = Puppet::one_of(3, Admission::ask(), Options::default());
    let stranger = puppet.link(9);
    puppet.state(stranger, place, prepare(9));
    assert_eq!(puppet.role.assembly().unwrap().chain(), &open_chain(3));
    puppet.wait(Duration::from_secs(6));
    assert!(
        matches!(
            puppet.goodbye(stranger),
            Some(Goodbye::NotInChain { epoch: 2 } | Goodbye::Silent)
        ),
        "{:?}",
        puppet.goodbye(stranger)
    );
    // A member that leads in another's name is sent away.
    let lying = puppet.link(6);
    puppet.state(lying, place, prepare(4));
    assert!(matches!(
        puppet.goodbye(lying),
        Some(Goodbye::Misbehaved(_))
    ));
}
