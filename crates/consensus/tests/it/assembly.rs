//! One assembly against those who mean it no good, and a disk that is full.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::assembly::{Config, Message, Output};
use quorate_consensus::succession::{
    self, Accepted, Ballot, Chain, Change, Founding, Leave, Link, Opinion,
};
use quorate_consensus::{
    Assembly, Choice, Ed25519, Ed25519Key, Now, Record, Signer, Standing, assembly,
};

use crate::sample::{START_MS, start};

fn key(number: u8) -> Arc<Ed25519Key> {
    Arc::new(Ed25519Key::from_secret(&[number; 32]))
}

/// A decision with the signatures of these.
fn link(chain: &Chain, change: Change, by: &[&Ed25519Key]) -> Arc<Link> {
    let place = chain.membership().place();
    let ballot = Ballot {
        counter: 1,
        leader: by[0].id(),
    };
    let accept = |key: &&Ed25519Key| {
        let accepted = Accepted::sign(*key, &place, ballot, change.hash());
        (key.id(), accepted.signature)
    };
    Arc::new(Link {
        epoch: place.epoch,
        parent: place.head,
        accepted: by.iter().map(accept).collect(),
        change,
        ballot,
    })
}

fn admission(chain: &Chain, who: &Ed25519Key, by: &[&Ed25519Key]) -> Arc<Link> {
    let network = chain.membership().network();
    let record = Record::sign(who, network, vec!["h:1".into()], 1, 1, START_MS).unwrap();
    let hash = record.hash();
    let allow = |key: &&Ed25519Key| {
        let opinion = Opinion::sign(*key, network, hash, 1, Choice::Yes, "");
        (key.id(), opinion.signature)
    };
    let allows = by.iter().map(allow).collect();
    link(chain, Change::Admit { record, allows }, by)
}

/// A founder, and two that it let in.
fn three() -> (Chain, [Arc<Ed25519Key>; 3]) {
    let [first, second, third] = [1, 2, 3].map(key);
    let founding = Founding::sign(&*first, vec!["f:1".into()], 1, START_MS, None).unwrap();
    let mut chain = Chain::found(founding, &Ed25519).unwrap();
    let next = admission(&chain, &second, &[&first]);
    chain.extend(next, &Ed25519).unwrap();
    let next = admission(&chain, &third, &[&first, &second]);
    chain.extend(next, &Ed25519).unwrap();
    (chain, [first, second, third])
}

fn member(chain: &Chain, key: &Arc<Ed25519Key>, now: Now) -> Assembly {
    let (chain, config) = (chain.clone(), Config::default());
    Assembly::new(key.clone(), Arc::new(Ed25519), chain, [], config, 1, now)
}

fn outputs(member: &mut Assembly) -> Vec<Output> {
    std::iter::from_fn(|| member.poll_output()).collect()
}

/// Called when it asked to be, it does not ask for the same moment again and again.
fn assert_rests(member: &mut Assembly, mut now: Now) {
    for _ in 0..50 {
        let due = member.poll_timeout().unwrap();
        now = now.after(due.saturating_duration_since(now.instant));
        member.handle_timeout(now);
        for output in outputs(member) {
            if let Output::Persist { id, .. } = output {
                member.handle_persist_failed(id, now);
            }
        }
        assert!(member.poll_timeout().unwrap() > now.instant);
    }
}

#[test]
fn an_old_key_that_decides_an_old_epoch_again_is_shown_and_stops_nobody() {
    let (mut chain, [first, second, third]) = three();
    let start_of_all = Chain::found((**chain.founding().unwrap()).clone(), &Ed25519).unwrap();
    let forged = admission(&start_of_all, &key(9), &[&first]);
    // As long as it is a member, it makes a fork.
    let now = start();
    let mut stopped = member(&chain, &second, now);
    let links = Message::Links(vec![forged.clone()]);
    stopped
        .handle_message(first.id(), links.clone(), now)
        .unwrap();
    assert!(stopped.fork().is_some());
    assert_rests(&mut stopped, now);

    let leave = Change::Leave(Leave::sign(&*first, &chain.membership().place()));
    let next = link(&chain, leave, &[&first, &second, &third]);
    chain.extend(next, &Ed25519).unwrap();
    let mut member = member(&chain, &second, now);
    member.handle_message(first.id(), links, now).unwrap();
    assert!(member.fork().is_none());
    let is_shown = |output: &Output| matches!(output, Output::Evidence(_));
    assert!(outputs(&mut member).iter().any(is_shown));
}

#[test]
fn who_is_in_touch_again_with_one_that_it_accused_takes_that_back_everywhere() {
    let (chain, [first, second, third]) = three();
    let now = start();
    let mut accuser = member(&chain, &first, now);
    let mut other = member(&chain, &second, now);
    accuser.handle_met(second.id(), now);
    other.handle_met(first.id(), now);
    let carry = |from: &mut Assembly, to: &mut Assembly, by: &Ed25519Key| {
        for output in outputs(from) {
            match output {
                Output::Persist { id, .. } => from.handle_persisted(id, now),
                Output::Send { message, .. } => {
                    // What the other has no use for says nothing here.
                    let _heard = to.handle_message(by.id(), message, now);
                }
                _ => {}
            }
        }
    };
    let settle = |accuser: &mut Assembly, other: &mut Assembly| {
        for _ in 0..4 {
            carry(accuser, other, &first);
            carry(other, accuser, &second);
        }
    };
    accuser.handle_dead(third.id(), now);
    settle(&mut accuser, &mut other);
    accuser.handle_met(third.id(), now);
    settle(&mut accuser, &mut other);
    accuser.handle_lost(third.id(), now);
    other.handle_dead(third.id(), now);
    settle(&mut accuser, &mut other);
    let mut later = now;
    for _ in 0..100 {
        later = later.after(Duration::from_millis(100));
        accuser.handle_timeout(later);
        other.handle_timeout(later);
        settle(&mut accuser, &mut other);
    }
    assert_eq!(other.membership().len(), 3);
    assert_eq!(accuser.membership().len(), 3);
}

#[test]
fn a_disk_that_stays_full_is_asked_for_no_more_and_more() {
    let (chain, [first, second, third]) = three();
    let mut now = start();
    let mut member = member(&chain, &second, now);
    for other in [&first, &third] {
        member.handle_met(other.id(), now);
    }
    let candidate = key(9);
    let network = chain.membership().network();
    let record = Record::sign(&*candidate, network, vec!["h:1".into()], 1, 1, START_MS).unwrap();
    let record = Arc::new(record);
    member.handle_candidate(record.clone(), now).unwrap();
    member
        .give_opinion(candidate.id(), Choice::Yes, "", now)
        .unwrap();
    for other in [&first, &third] {
        let opinion = Opinion::sign(&**other, network, record.hash(), 1, Choice::Yes, "");
        let message = quorate_consensus::succession::Message::Opinion(opinion);
        let message = Message::Succession(Box::new(message));
        member.handle_message(other.id(), message, now).unwrap();
    }
    let mut most = 0;
    for _ in 0..9_000 {
        now = now.after(Duration::from_millis(100));
        member.handle_timeout(now);
        let mut writes = 0;
        for output in outputs(&mut member) {
            if let Output::Persist { id, .. } = output {
                writes += 1;
                member.handle_persist_failed(id, now);
            }
        }
        most = most.max(writes);
    }
    assert!(
        most <= 4,
        "{most} writes at once after a quarter of an hour"
    );
    member.handle_lost(third.id(), now);
    member.handle_dead(third.id(), now);
    member.handle_met(third.id(), now);
    assert_rests(&mut member, now);
}

/// What is said of a record in these outputs, by this member.
fn opinions_said(outputs: &[Output], me: &Ed25519Key) -> usize {
    let is_own = |output: &&Output| match output {
        Output::Send {
            message: Message::Succession(message),
            ..
        } => {
            matches!(&**message, succession::Message::Opinion(opinion) if opinion.voter == me.id())
        }
        _ => false,
    };
    outputs.iter().filter(is_own).count()
}

#[test]
fn an_opinion_that_is_asked_for_is_told_when_it_is_durable_and_not_before() {
    let (chain, [first, second, _]) = three();
    let now = start();
    let mut member = member(&chain, &first, now);
    member.handle_met(second.id(), now);
    let candidate = key(9);
    let network = chain.membership().network();
    let record = Record::sign(&*candidate, network, vec!["c:1".into()], 1, 1, START_MS).unwrap();
    let hash = record.hash();
    member.handle_candidate(Arc::new(record), now).unwrap();
    member
        .give_opinion(candidate.id(), Choice::Yes, "", now)
        .unwrap();
    member
        .handle_message(second.id(), Message::OpinionsOn(hash), now)
        .unwrap();
    let said = outputs(&mut member);
    assert_eq!(opinions_said(&said, &first), 0);
    assert_eq!(member.own_opinion(&hash), None);
    for output in said {
        if let Output::Persist { id, .. } = output {
            member.handle_persisted(id, now);
        }
    }
    // To all, and to who asked.
    assert_eq!(opinions_said(&outputs(&mut member), &first), 2);
    assert!(member.own_opinion(&hash).is_some());
}

#[test]
fn who_waits_for_a_person_says_what_it_has_said_ever_more_rarely() {
    let (chain, [first, second, third]) = three();
    let mut now = start();
    let mut member = member(&chain, &first, now);
    for other in [&second, &third] {
        member.handle_met(other.id(), now);
    }
    let candidate = key(9);
    let network = chain.membership().network();
    let record = Record::sign(&*candidate, network, vec!["c:1".into()], 1, 1, START_MS).unwrap();
    member.handle_candidate(Arc::new(record), now).unwrap();
    member
        .give_opinion(candidate.id(), Choice::Yes, "", now)
        .unwrap();
    let mut said = 0;
    let end = now.instant + Duration::from_secs(600);
    while now.instant < end {
        for output in outputs(&mut member) {
            said += opinions_said(std::slice::from_ref(&output), &first);
            if let Output::Persist { id, .. } = output {
                member.handle_persisted(id, now);
            }
        }
        let due = member.poll_timeout().unwrap();
        now = now.after(due.saturating_duration_since(now.instant));
        member.handle_timeout(now);
    }
    // Three hundred comparisons in that time; each repetition goes to both, and once more to one of them.
    assert!((10..=90).contains(&said), "{said}");
}

#[test]
fn a_member_explains_by_which_link_others_are_in_who_is_waited_for_and_who_is_accused() {
    let (chain, [first, second, third]) = three();
    let now = start();
    let mut member = member(&chain, &first, now);
    member.handle_met(second.id(), now);
    let of_founder = member.explain(&first.id(), now);
    let founder = of_founder.decided.as_ref().unwrap();
    assert_eq!((founder.epoch, founder.by.len()), (None, 0));
    assert!(
        of_founder
            .to_string()
            .ends_with("is in: it founded the network, at incarnation 1")
    );
    let of_third = member.explain(&third.id(), now).decided.unwrap();
    let by: Vec<_> = of_third.by.iter().map(|who| who.id).collect();
    assert_eq!(of_third.epoch, Some(1));
    assert!(by.contains(&first.id()) && by.contains(&second.id()));

    // A candidate that one allows and one has not answered.
    let fourth = key(4);
    let network = chain.membership().network();
    let record = Record::sign(&*fourth, network, vec!["g:1".into()], 1, 1, now.unix_ms).unwrap();
    member.handle_candidate(Arc::new(record), now).unwrap();
    member
        .give_opinion(fourth.id(), Choice::No, "not today", now)
        .unwrap();
    let of_fourth = member.explain(&fourth.id(), now);
    let candidacy = of_fourth.candidacy.as_ref().unwrap();
    assert_eq!(candidacy.opinions.len(), 1);
    assert_eq!(candidacy.missing.len(), 2);
    let text = of_fourth.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("g:1 (") && lines[0].ends_with(") is not in"),
        "{text}"
    );
    assert_eq!(
        lines[1..3],
        [
            "admission at incarnation 1 is pending: opened 0 ms ago, reachable at g:1",
            "  f:1 denies it: not today"
        ]
    );
    assert!(
        lines[3].starts_with("  no word yet from h:1, h:1"),
        "{text}"
    );

    member.handle_dead(third.id(), now);
    let of_third = member.explain(&third.id(), now);
    let accused = of_third.accused.as_ref().unwrap();
    assert_eq!(accused.by[0].id, first.id());
    let not_by: Vec<_> = accused.not_by.iter().map(|who| who.id).collect();
    assert_eq!(not_by, [second.id()]);
    assert_eq!(of_third.is_in_touch, Some(false));
    let text = of_third.to_string();
    assert!(
        text.contains("eviction is pending: accused by f:1; not accused by h:1"),
        "{text}"
    );
    assert!(
        text.ends_with("it is out of touch with this member"),
        "{text}"
    );

    let stranger = member.explain(&key(9).id(), now).to_string();
    assert!(
        stranger.ends_with("is not in: the chain of 2 decisions does not name it"),
        "{stranger}"
    );
}

#[test]
fn the_chain_alone_explains_who_was_thrown_out_and_who_left() {
    let (mut chain, [first, second, third]) = three();
    let leave = Change::Leave(Leave::sign(&*second, &chain.membership().place()));
    let next = link(&chain, leave, &[&first, &second, &third]);
    chain.extend(next, &Ed25519).unwrap();
    let of_second = assembly::Explanation::of_chain(&second.id(), &chain);
    let decided = of_second.decided.as_ref().unwrap();
    assert_eq!((decided.standing, decided.epoch), (Standing::Left, Some(2)));
    assert!(
        of_second
            .to_string()
            .contains("is out: it left by its own signed word")
    );
    assert_eq!(of_second.is_in_touch, None);
    let json = serde_json::to_string(&of_second).unwrap();
    assert_eq!(
        serde_json::from_str::<assembly::Explanation>(&json).unwrap(),
        of_second
    );
}
