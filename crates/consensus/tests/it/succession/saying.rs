//! What members say, once, and to what of others' they listen.

use quorate_consensus::Choice;
use quorate_consensus::succession::{
    Durable, Grounds, Heard, Message, Output, SayError, Statement, StatementError, To,
};

use super::ring::{Ring, drain, statements};

#[test]
fn an_opinion_is_given_once_per_record_and_is_durable_before_it_leaves() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    let keys = ring.keys(1);
    let asked = |part: &mut quorate_consensus::Succession, choice| {
        part.say_opinion(ring.id(50), choice, "", &keys)
    };
    assert_eq!(
        asked(&mut part, Choice::Yes),
        Err(SayError::NoCandidate(ring.id(50)))
    );
    let record = ring.record(50, 1);
    ring.bring(1, &mut part, &record, &[]);
    asked(&mut part, Choice::Yes).unwrap();
    let allow = ring.allow(1, &record);
    let outputs = drain(&mut part);
    assert!(matches!(
        &outputs[..],
        [
            Output::Persist(Durable::Opinion { opinion, .. }),
            Output::Send { to: To::All, message: Message::Opinion(sent) },
            Output::Counted(counted),
        ] if [opinion, sent, counted] == [&allow; 3]
    ));
    for again in [Choice::Yes, Choice::No] {
        assert_eq!(
            asked(&mut part, again),
            Err(SayError::Answered(Choice::Yes))
        );
    }
    assert_eq!(drain(&mut part), []);
    // Not even when the candidate was away meanwhile.
    part.handle_candidate_gone(&ring.id(50));
    ring.bring(1, &mut part, &record, &[]);
    assert_eq!(
        asked(&mut part, Choice::No),
        Err(SayError::Answered(Choice::Yes))
    );
    // The next attempt is another question.
    ring.bring(1, &mut part, &ring.record(50, 2), &[]);
    assert_eq!(asked(&mut part, Choice::No), Ok(()));
}

#[test]
fn an_accusation_and_a_leave_are_said_once_per_epoch_and_are_durable_before_they_leave() {
    let mut ring = Ring::new(3);
    let mut part = ring.part(1);
    for _ in 0..2 {
        part.say_accuse(ring.id(3), &ring.keys(1)).unwrap();
        part.say_leave(&ring.keys(1)).unwrap();
    }
    let said = drain(&mut part);
    assert!(matches!(
        &said[..],
        [
            Output::Persist(Durable::Accusation(_)),
            Output::Send { to: To::All, .. },
            Output::Persist(Durable::Leave(_)),
            Output::Send { to: To::All, .. },
        ]
    ));
    assert_eq!(
        statements(&said),
        [
            &Statement::Accuse(ring.accusation(1, 3)),
            &Statement::Leave(ring.leave(1))
        ]
    );
    let link = ring.decide(ring.admission(&ring.record(50, 1)));
    part.handle_link(link, &ring.keys(1)).unwrap();
    drain(&mut part);
    part.say_accuse(ring.id(3), &ring.keys(1)).unwrap();
    assert_eq!(
        statements(&drain(&mut part)),
        [&Statement::Accuse(ring.accusation(1, 3))]
    );
}

#[test]
fn who_is_no_member_says_nothing() {
    let mut ring = Ring::new(3);
    let mut evicted = ring.part(3);
    let link = ring.decide(ring.eviction(&[3]));
    evicted.handle_link(link, &ring.keys(3)).unwrap();
    ring.bring(3, &mut evicted, &ring.record(50, 1), &[1, 2]);
    let keys = ring.keys(3);
    let opinion = evicted.say_opinion(ring.id(50), Choice::Yes, "", &keys);
    assert_eq!(opinion, Err(SayError::NotAMember));
    assert_eq!(
        evicted.say_accuse(ring.id(1), &keys),
        Err(SayError::NotAMember)
    );
    assert_eq!(evicted.say_leave(&keys), Err(SayError::NotAMember));
    assert!(evicted.choice().is_some());
    assert!(!evicted.has_cause());
    assert!(!evicted.lead(&keys));
    assert_eq!(drain(&mut evicted), []);
}

/// Its own acceptance would count to a quorum that it is no part of.
#[test]
fn who_is_no_member_decides_nothing() {
    let mut ring = Ring::new(3);
    let mut evicted = ring.part(3);
    let link = ring.decide(ring.eviction(&[3]));
    evicted.handle_link(link, &ring.keys(3)).unwrap();
    drain(&mut evicted);
    let change = ring.admission(&ring.record(50, 1));
    let ballot = ring.ballot(1, 1);
    let promises = [1, 2].map(|voter| ring.promise(voter, ballot, None));
    let said = [
        Statement::Prepare(ballot),
        ring.accept(1, 1, &change, promises.to_vec()),
        Statement::Accepted(ring.accepted(1, ballot, &change)),
    ];
    for statement in said {
        let message = ring.at(statement);
        let _heard = evicted.handle_message(ring.id(1), message, &ring.keys(3));
    }
    assert_eq!(drain(&mut evicted), []);
    assert_eq!(evicted.membership().place(), ring.place());
}

#[test]
fn messages_of_another_moment_are_told_apart() {
    let mut ring = Ring::new(3);
    let mut part = ring.part(1);
    let keys_of = |ring: &Ring| ring.at(Statement::Prepare(ring.ballot(1, 2)));
    let then = keys_of(&ring);
    let link = ring.decide(ring.admission(&ring.record(50, 1)));
    let now = keys_of(&ring);
    let from = ring.id(2);
    let before = part.clone();
    assert_eq!(
        part.handle_message(from, now.clone(), &ring.keys(1)),
        Ok(Heard::Later)
    );
    assert_eq!(part, before);
    part.handle_link(link, &ring.keys(1)).unwrap();
    let before = part.clone();
    assert_eq!(
        part.handle_message(from, then, &ring.keys(1)),
        Ok(Heard::Earlier)
    );
    assert_eq!(part, before);
    // Of this epoch, but of another history.
    let Message::At {
        epoch, statement, ..
    } = now.clone()
    else {
        unreachable!()
    };
    let head = quorate_consensus::Digest::new([9; 32]);
    let other = Message::At {
        epoch,
        head,
        statement,
    };
    assert_eq!(
        part.handle_message(from, other, &ring.keys(1)),
        Ok(Heard::Later)
    );
    assert_eq!(part, before);
    assert_eq!(
        part.handle_message(from, now, &ring.keys(1)),
        Ok(Heard::Now)
    );
    assert_ne!(part, before);
}

#[test]
fn strangers_and_those_who_speak_for_others_are_named_and_change_nothing() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &ring.record(50, 1), &[1, 2, 3]);
    let change = part.choice().unwrap();
    assert!(part.lead(&ring.keys(1)));
    drain(&mut part);
    let before = part.clone();
    let ballot = ring.ballot(2, 2);
    let mut hear = |from: u64, statement: Statement| {
        let heard = part.handle_message(ring.id(from), ring.at(statement), &ring.keys(1));
        assert_eq!(part, before);
        heard
    };
    let stranger = Err(StatementError::NotAMember(ring.id(60)));
    let hearsay = |got| {
        let expected = ring.id(3);
        Err(StatementError::Hearsay {
            expected,
            got: ring.id(got),
        })
    };
    let forged = |who| Err(StatementError::Signature(ring.id(who)));
    assert_eq!(hear(60, Statement::Prepare(ballot)), stranger);
    assert_eq!(hear(2, Statement::Accuse(ring.accusation(60, 3))), stranger);
    assert_eq!(hear(2, Statement::Accuse(ring.accusation(2, 60))), stranger);
    assert_eq!(hear(2, Statement::Leave(ring.leave(60))), stranger);
    assert_eq!(hear(3, Statement::Prepare(ballot)), hearsay(2));
    let promise = ring.promise(2, ring.ballot(1, 1), None);
    assert_eq!(
        hear(
            3,
            Statement::Promise {
                promise,
                change: None,
                grounds: Grounds::default()
            }
        ),
        hearsay(2)
    );
    let promises: Vec<_> = [2, 3].map(|voter| ring.promise(voter, ballot, None)).into();
    assert_eq!(hear(3, ring.accept(2, 2, &change, promises)), hearsay(2));
    let accepted = ring.accepted(2, ballot, &change);
    assert_eq!(hear(3, Statement::Accepted(accepted)), hearsay(2));

    let mut forgery = ring.promise(2, ring.ballot(1, 1), None);
    forgery.signature = ring.promise(3, ring.ballot(1, 1), None).signature;
    assert_eq!(
        hear(
            2,
            Statement::Promise {
                promise: forgery,
                change: None,
                grounds: Grounds::default()
            }
        ),
        forged(2)
    );
    let mut forgery = accepted;
    forgery.change = ring.eviction(&[3]).hash();
    assert_eq!(hear(2, Statement::Accepted(forgery)), forged(2));
    let mut forgery = ring.accusation(2, 3);
    forgery.suspect = ring.id(1);
    assert_eq!(hear(2, Statement::Accuse(forgery)), forged(2));
    let mut forgery = ring.leave(2);
    forgery.member = ring.id(3);
    assert_eq!(hear(2, Statement::Leave(forgery)), forged(3));
}

#[test]
fn an_opinion_that_its_voter_did_not_sign_or_has_outlived_does_not_count() {
    let mut ring = Ring::new(3);
    let record = ring.record(50, 1);
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &record, &[1, 2]);
    let mut forged = ring.opinion(3, &record, Choice::No);
    forged.choice = Choice::Yes;
    let heard = part.handle_message(ring.id(3), Message::Opinion(forged), &ring.keys(1));
    assert_eq!(heard, Err(StatementError::Signature(ring.id(3))));
    let then = ring.allow(3, &record);
    for change in [
        |ring: &Ring| ring.eviction(&[3]),
        |ring: &Ring| ring.admission(&ring.record(3, 2)),
    ] {
        let link = ring.decide(change(&ring));
        part.handle_link(link, &ring.keys(1)).unwrap();
    }
    part.handle_message(ring.id(3), Message::Opinion(then.clone()), &ring.keys(1))
        .unwrap();
    assert_eq!(part.choice(), None);
    assert!(part.undecided_on(&record.hash()).eq([ring.id(3)]));
    // Said again in the new life; the old word does not replace it.
    ring.bring(1, &mut part, &record, &[3]);
    part.handle_message(ring.id(3), Message::Opinion(then), &ring.keys(1))
        .unwrap();
    assert_eq!(part.choice(), Some(ring.admission(&record)));
}
