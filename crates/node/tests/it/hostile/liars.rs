//! Members, and strangers that pretend to be, who lie about chains and ballots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_node::consensus::succession::{
    Accusation, Ballot, Change, Opinion, Promise, Proposed, Statement,
};
use quorate_node::consensus::{Choice, Digest, NodeId, assembly, succession};
use quorate_node::protocol::{Goodbye, Message};
use quorate_node::{Admission, Options};

use super::puppet::{Puppet, links, network, record, status};
use crate::fuzz::{START_MS, open_chain, signer_of};

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
fn opinions_on_records_that_nobody_has_are_held_in_bounds_and_do_not_crowd_out_those_on_candidates()
{
    let mut puppet = Puppet::one_of(3, Admission::ask(), Options::default());
    let (honest, lying) = (puppet.link(4), puppet.link(6));
    let asking = record(9, 1, START_MS);
    puppet.apply(&asking);
    let say = |who: u64, record: Digest| {
        let voter = signer_of(NodeId::from(who));
        let said = Opinion::sign(&voter, network(), record, 1, Choice::Yes, "");
        let message = succession::Message::Opinion(said);
        Message::Assembly(assembly::Message::Succession(Box::new(message)))
    };
    puppet.say(honest, say(4, asking.hash()));
    let made_up: Vec<Digest> = (0..3000_u32)
        .map(|number| {
            let mut record = [0; 32];
            record[..4].copy_from_slice(&number.to_be_bytes());
            Digest::new(record)
        })
        .collect();
    for record in &made_up {
        puppet.say(lying, say(6, *record));
    }
    let assembly = puppet.role.assembly().unwrap();
    let is_held = |record: &&Digest| assembly.opinions(record).count() > 0;
    let held = made_up.iter().filter(is_held).count();
    assert!(held <= 1024, "{held} opinions on what nobody asked");
    assert_eq!(assembly.opinions(&asking.hash()).count(), 1);
    assert!(puppet.conns.contains_key(&lying), "it said nothing wrong");
}

#[test]
fn a_member_that_is_back_is_not_thrown_out_by_a_liars_choice() {
    let mut puppet = Puppet::one_of(3, Admission::ask(), Options::default());
    // Carl was away long enough to be accused, by this member and a liar, and is back.
    let lying = puppet.link(4);
    for _ in 0..80 {
        for (dial, ..) in puppet.dials.clone() {
            puppet.refuse(dial);
        }
        puppet.wait(Duration::from_millis(100));
    }
    let place = open_chain(3).membership().place();
    let (liar, carl) = (signer_of(NodeId::from(4)), NodeId::from(6));
    let own = puppet.sent_to(lying).find_map(|message| match message {
        Message::Assembly(assembly::Message::Succession(message)) => match &**message {
            succession::Message::At {
                statement: Statement::Accuse(accusation),
                ..
            } => Some(*accusation),
            _ => None,
        },
        _ => None,
    });
    let own = own.expect("an accusation");
    let back = puppet.link(6);
    let theirs = Accusation::sign(&liar, &place, carl, 1);
    let by = [own, theirs].map(|said| (said.accuser, said.signature));
    let change = Change::Evict {
        suspects: [(carl, by.into())].into(),
    };
    let ballot = Ballot {
        counter: 1,
        leader: NodeId::from(4),
    };
    puppet.state(lying, place, Statement::Prepare(ballot));
    let own = puppet.sent_to(lying).find_map(|message| match message {
        Message::Assembly(assembly::Message::Succession(message)) => match &**message {
            succession::Message::At {
                statement: Statement::Promise { promise, .. },
                ..
            } => Some(promise.clone()),
            _ => None,
        },
        _ => None,
    });
    let own = own.expect("a promise");
    let accept = Statement::Accept {
        proposed: Proposed::sign(&liar, &place, 1, change.hash()),
        promises: vec![own, Promise::sign(&liar, &place, ballot, None)],
        change: Arc::new(change),
        return_promises: BTreeMap::new(),
    };
    puppet.state(lying, place, accept);
    assert_eq!(puppet.role.assembly().unwrap().membership().len(), 3);
    let has_accepted = puppet.sent.iter().any(|(_, message)| {
        matches!(message, Message::Assembly(assembly::Message::Succession(message))
            if matches!(&**message, succession::Message::At { statement: Statement::Accepted(_), .. }))
    });
    assert!(!has_accepted, "it helps to throw out who is there");
    assert!(puppet.conns.contains_key(&back));
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
