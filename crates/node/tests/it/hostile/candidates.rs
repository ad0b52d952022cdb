//! Candidates that push, and what candidates are told by liars.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_node::consensus::succession::{Chain, Founding};
use quorate_node::consensus::{Choice, NetworkId, NodeId, Unproven};
use quorate_node::protocol::{
    DiscoveryMessage, JoinMessage, KnownMember, Message, Purpose, RoleKind,
};
use quorate_node::roles::{DialId, Request};
use quorate_node::store::RestoredMember;
use quorate_node::{Admission, Discovery, Event, Options};

use super::puppet::{ME, Puppet, founded, links, network, record};
use crate::fuzz::{START_MS, open_chain, signer_of};

fn listing(numbers: impl IntoIterator<Item = u64>) -> Admission {
    Admission::allow_only(numbers.into_iter().map(NodeId::from))
}

fn small(candidates_max: usize) -> Options {
    let mut options = Options::default();
    options.assembly.candidates_max = candidates_max;
    options
}

fn refusals(puppet: &Puppet, conn: quorate_node::roles::ConnId) -> Vec<String> {
    let said = puppet.sent_to(conn).filter_map(|message| match message {
        Message::Join(JoinMessage::Refused(why)) => Some(why.clone()),
        _ => None,
    });
    said.collect()
}

#[test]
fn candidates_that_were_denied_and_stay_do_not_keep_others_out() {
    let mut puppet = Puppet::one_of(2, listing([77]), small(4));
    let mut guests = Vec::new();
    for number in 100..110 {
        guests.push(puppet.apply(&record(number, 1, START_MS)));
    }
    for guest in guests {
        let said = puppet.opinion(guest).map(|opinion| opinion.choice);
        assert_eq!(said, Some(Choice::No), "{:?}", refusals(&puppet, guest));
    }
    let good = puppet.apply(&record(77, 1, START_MS));
    assert_eq!(refusals(&puppet, good), Vec::<String>::new());
    let said = puppet.opinion(good).map(|opinion| opinion.choice);
    assert_eq!(said, Some(Choice::Yes), "{}", puppet.told());
}

#[test]
fn no_more_candidates_than_there_is_room_for_are_asked_about_and_the_rest_is_told_to_come_back() {
    let mut puppet = Puppet::one_of(2, Admission::ask(), small(4));
    let guests: Vec<_> = (100..140)
        .map(|number| puppet.apply(&record(number, 1, START_MS)))
        .collect();
    let requests = |puppet: &Puppet| {
        let mut asked: BTreeMap<NodeId, usize> = BTreeMap::new();
        for event in &puppet.events {
            if let Event::JoinRequest { candidate, .. } = event {
                *asked.entry(candidate.id).or_default() += 1;
            }
        }
        asked
    };
    assert_eq!(requests(&puppet).len(), 4);
    assert!(refusals(&puppet, guests[20])[0].contains("too many candidates"));
    // One place is free as soon as one is answered, or gone.
    puppet.ask(Request::Deny(NodeId::from(100), "no".to_owned()));
    puppet.close(guests[1]);
    puppet.wait(Duration::from_secs(5));
    puppet.apply(&record(150, 1, START_MS));
    puppet.apply(&record(151, 1, START_MS));
    assert_eq!(requests(&puppet).len(), 6, "{}", puppet.told());
}

#[test]
fn a_candidate_whose_connection_flaps_is_answered_once() {
    let mut puppet = Puppet::one_of(2, Admission::ask(), Options::default());
    let asking = record(9, 1, START_MS);
    for _ in 0..20 {
        let guest = puppet.apply(&asking);
        puppet.wait(Duration::from_millis(50));
        puppet.close(guest);
    }
    let count = |puppet: &Puppet, is_it: &dyn Fn(&Event) -> bool| {
        puppet.events.iter().filter(|event| is_it(event)).count()
    };
    let is_request = |event: &Event| matches!(event, Event::JoinRequest { .. });
    let is_withdrawn = |event: &Event| matches!(event, Event::JoinWithdrawn { .. });
    // The question stands as long as the candidate comes back, and is withdrawn when it stays away.
    assert_eq!(count(&puppet, &is_request), 1, "{}", puppet.told());
    assert_eq!(count(&puppet, &is_withdrawn), 0, "{}", puppet.told());
    puppet.wait(Duration::from_secs(5));
    assert_eq!(count(&puppet, &is_withdrawn), 1, "{}", puppet.told());
    // Who was answered is not asked about again, however often it comes back with that record.
    let guest = puppet.apply(&asking);
    puppet.ask(Request::Allow(NodeId::from(9)));
    assert!(puppet.opinion(guest).is_some(), "{}", puppet.told());
    let before = count(&puppet, &is_request);
    puppet.close(guest);
    for _ in 0..5 {
        let guest = puppet.apply(&asking);
        assert_eq!(
            puppet.opinion(guest).map(|opinion| opinion.choice),
            Some(Choice::Yes)
        );
        puppet.wait(Duration::from_millis(50));
        puppet.close(guest);
    }
    assert_eq!(count(&puppet, &is_request), before, "{}", puppet.told());
}

#[test]
fn records_of_others_old_ones_and_unreachable_ones_are_not_put_to_anybody() {
    let mut puppet = Puppet::one_of(2, Admission::ask(), Options::default());
    // Another's record.
    let guest = puppet.arrive(9, Purpose::Join, NetworkId::NONE);
    let others = Message::Join(JoinMessage::Request(record(10, 1, START_MS)));
    puppet.say(guest, others);
    assert!(puppet.goodbye(guest).is_some());
    // Of long ago, and of another network, and with a signature that is not its own.
    let day = 24 * 3_600_000;
    let mut forged = record(9, 1, START_MS);
    forged.attempt = 2;
    let mut elsewhere = record(9, 1, START_MS);
    elsewhere.network = NetworkId::new([3; 32]);
    for (asking, why) in [
        (record(9, 1, START_MS - day - 1), "opened within"),
        (record(9, 1, START_MS + day + 1), "opened within"),
        (forged, "does not carry its signature"),
        (elsewhere, "expected one for network"),
    ] {
        let guest = puppet.apply(&asking);
        let said = refusals(&puppet, guest);
        assert!(said.len() == 1 && said[0].contains(why), "{said:?}");
        puppet.close(guest);
    }
    // Nobody there, or somebody who means another record.
    let asking = record(9, 5, START_MS);
    let guest = puppet.arrive(9, Purpose::Join, NetworkId::NONE);
    puppet.say(guest, Message::Join(JoinMessage::Request(asking.clone())));
    let (probe, ..) = puppet.dials.last().unwrap().clone();
    puppet.refuse(probe);
    assert!(refusals(&puppet, guest)[0].contains("cannot reach it"));
    puppet.say(guest, Message::Join(JoinMessage::Request(asking)));
    let (probe, ..) = puppet.dials.last().unwrap().clone();
    let probed = puppet.answer(probe, 9, RoleKind::Member, NetworkId::NONE);
    let nonce = puppet.sent_to(probed).find_map(|message| match message {
        Message::Probe { nonce } => Some(*nonce),
        _ => None,
    });
    let nonce = nonce.unwrap();
    let record = Some(record(9, 6, START_MS).hash());
    puppet.say(probed, Message::Echo { nonce, record });
    puppet.wait(Duration::from_secs(3));
    assert_eq!(refusals(&puppet, guest).len(), 2);
    let is_request = |event: &&Event| matches!(event, Event::JoinRequest { .. });
    assert_eq!(puppet.events.iter().filter(is_request).count(), 0);
}

// --- what a candidate is told ---

fn candidate(bootstraps: usize) -> Puppet {
    let addresses = (0..bootstraps).map(|index| format!("127.0.0.1:{}", 7000 + index));
    Puppet::new(
        Discovery::by_bootstraps(addresses),
        Admission::ask(),
        Options::default(),
        RestoredMember::default(),
    )
}

/// A chain that a liar founds by itself.
fn false_chain(liar: u64) -> Chain {
    let endpoints = vec!["127.0.0.1:6666".to_owned()];
    let signer = signer_of(NodeId::from(liar));
    let founding = Founding::sign(&signer, endpoints, 1, START_MS, None).unwrap();
    Chain::found(founding, &Unproven).unwrap()
}

fn known(id: u64, network: NetworkId) -> KnownMember {
    KnownMember {
        id: NodeId::from(id),
        endpoints: vec![format!("10.1.{}.{}:5000", id / 250, id % 250)],
        network,
    }
}

fn answer_of(members: Vec<KnownMember>, may_found: bool) -> Message {
    Message::Discovery(DiscoveryMessage::Known {
        members,
        may_found,
        ask_again: false,
    })
}

fn dial_for(puppet: &Puppet, node: u64) -> Option<DialId> {
    let is_it = |(_, _, expect): &&(DialId, Vec<String>, Option<NodeId>)| {
        *expect == Some(NodeId::from(node))
    };
    puppet.dials.iter().find(is_it).map(|(dial, ..)| *dial)
}

/// The candidate is connected to its bootstraps, which say this.
fn told_by_bootstraps(puppet: &mut Puppet, answers: Vec<Message>) {
    for (index, answer) in answers.into_iter().enumerate() {
        let (dial, ..) = puppet.dials[0].clone();
        let who = 90 + index as u64;
        let conn = puppet.answer(dial, who, RoleKind::Bootstrap, NetworkId::NONE);
        puppet.say(conn, answer);
    }
}

#[test]
fn members_that_are_made_up_do_not_hide_those_that_are_there() {
    // Somebody has registered many nodes that are not there; one member is.
    let liar = false_chain(200).membership().network();
    for fakes in [3, 40] {
        let mut puppet = candidate(1);
        let mut members: Vec<KnownMember> = (100..100 + fakes)
            .map(|number| known(number, liar))
            .collect();
        members.push(known(4, network()));
        told_by_bootstraps(&mut puppet, vec![answer_of(members, false)]);
        let mut found = false;
        for _ in 0..600 {
            if dial_for(&puppet, 4).is_some() {
                found = true;
                break;
            }
            for (dial, ..) in puppet.dials.clone() {
                puppet.refuse(dial);
            }
            puppet.wait(Duration::from_millis(100));
        }
        assert!(
            found,
            "with {fakes} that are made up, nobody else is dialled"
        );
    }
}

#[test]
fn a_candidate_does_not_stay_with_a_network_whose_only_members_are_gone() {
    let mut puppet = candidate(2);
    let lie = false_chain(200);
    let (real, fake) = (network(), lie.membership().network());
    told_by_bootstraps(
        &mut puppet,
        vec![
            answer_of(vec![known(200, fake), known(201, fake)], false),
            answer_of(vec![known(4, real)], false),
        ],
    );
    // The liar shows a chain of its own making, and goes.
    let dial = dial_for(&puppet, 200).expect("a dial to the first that is named");
    let conn = puppet.answer(dial, 200, RoleKind::Member, fake);
    puppet.say(conn, founded(&lie));
    puppet.say(conn, links(Vec::new()));
    puppet.close(conn);
    for _ in 0..900 {
        if let Some(dial) = dial_for(&puppet, 4) {
            let chain = open_chain(1);
            let conn = puppet.answer(dial, 4, RoleKind::Member, real);
            puppet.say(conn, founded(&chain));
            puppet.say(conn, links(Vec::new()));
            let is_asked = puppet
                .sent_to(conn)
                .any(|message| matches!(message, Message::Join(JoinMessage::Request(record)) if record.network == real));
            if is_asked {
                return;
            }
        }
        for (dial, ..) in puppet.dials.clone() {
            puppet.refuse(dial);
        }
        puppet.wait(Duration::from_millis(100));
    }
    panic!("the honest member is never asked: {}", puppet.told());
}

#[test]
fn a_chain_that_does_not_hold_is_not_believed_and_another_member_is_asked() {
    let mut puppet = candidate(1);
    let real = network();
    let members = vec![known(4, real), known(6, real)];
    told_by_bootstraps(&mut puppet, vec![answer_of(members, false)]);
    let dial = dial_for(&puppet, 6).expect("a dial");
    let lying = puppet.answer(dial, 6, RoleKind::Member, real);
    puppet.say(lying, founded(&open_chain(1)));
    // A decision that nobody signed, by which the candidate is in.
    let mut forged = (*open_chain(2).links_from(0)[0]).clone();
    forged.accepted.clear();
    puppet.say(lying, links(vec![Arc::new(forged)]));
    assert!(puppet.role.assembly().is_none());
    assert!(puppet.goodbye(lying).is_some(), "the liar is not sent away");
    // A founding that is not that of the network that the hello named.
    let dial = dial_for(&puppet, 4).expect("a dial");
    let honest = puppet.answer(dial, 4, RoleKind::Member, real);
    puppet.say(honest, founded(&open_chain(1)));
    puppet.say(honest, links(Vec::new()));
    let asked = puppet
        .sent_to(honest)
        .any(|message| matches!(message, Message::Join(JoinMessage::Request(_))));
    assert!(asked, "{:?}", puppet.sent);
    // What it says of the candidate counts only with its signature.
    let is_in = |puppet: &Puppet| puppet.role.assembly().is_some();
    assert!(!is_in(&puppet));
    puppet.say(honest, links(open_chain(2).links_from(0).to_vec()));
    assert!(is_in(&puppet), "{}", puppet.told());
    assert_eq!(
        NodeId::from(ME),
        puppet
            .role
            .assembly()
            .unwrap()
            .membership()
            .members()
            .nth(1)
            .unwrap()
            .node
    );
}

#[test]
fn a_bootstrap_that_lets_two_nodes_found_makes_two_networks_and_one_that_does_not_answer_none() {
    // One bootstrap is believed: that is what it is for.
    let mut networks = Vec::new();
    for _ in 0..2 {
        let mut puppet = candidate(1);
        // The same node would found the same network twice in one moment.
        puppet.wait(Duration::from_millis(5 * networks.len() as u64 + 5));
        told_by_bootstraps(&mut puppet, vec![answer_of(Vec::new(), true)]);
        let assembly = puppet.role.assembly().expect("founded");
        assert_eq!(assembly.membership().len(), 1);
        networks.push(assembly.membership().network());
    }
    assert_ne!(networks[0], networks[1]);
    // Of three, one liar is not enough.
    let mut puppet = candidate(3);
    let answers = vec![
        answer_of(Vec::new(), true),
        answer_of(Vec::new(), false),
        answer_of(Vec::new(), false),
    ];
    told_by_bootstraps(&mut puppet, answers);
    puppet.wait(Duration::from_secs(3));
    assert!(puppet.role.assembly().is_none(), "{}", puppet.told());
}

#[test]
fn a_candidate_whose_record_is_too_old_by_now_signs_another() {
    let mut puppet = candidate(1);
    told_by_bootstraps(
        &mut puppet,
        vec![answer_of(vec![known(4, network())], false)],
    );
    let dial = dial_for(&puppet, 4).expect("a dial");
    let host = puppet.answer(dial, 4, RoleKind::Member, network());
    puppet.say(host, founded(&open_chain(1)));
    puppet.say(host, links(Vec::new()));
    let asked = |puppet: &Puppet| -> Vec<u64> {
        let requests = puppet.sent_to(host).filter_map(|message| match message {
            Message::Join(JoinMessage::Request(record)) => Some(record.attempt),
            _ => None,
        });
        requests.collect()
    };
    assert_eq!(asked(&puppet).len(), 1);
    // Refused for another reason, it asks again with the same.
    let refused = || Message::Join(JoinMessage::Refused("too many candidates".to_owned()));
    puppet.say(host, refused());
    puppet.wait(Duration::from_secs(2));
    let first = asked(&puppet);
    assert!(first.len() == 2 && first[0] == first[1], "{first:?}");
    // A day later nobody takes it up who has not yet.
    let day = Duration::from_secs(24 * 3600 + 60);
    puppet.now.unix_ms += u64::try_from(day.as_millis()).unwrap();
    puppet.say(host, refused());
    puppet.wait(Duration::from_secs(2));
    let all = asked(&puppet);
    assert!(all.last().unwrap() > &first[1], "{all:?}");
}
