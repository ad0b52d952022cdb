//! A member that has lost what it said: when it takes part again, with what, and which of its promises are void.

use std::collections::BTreeMap;

use quorate_consensus::Succession;
use quorate_consensus::succession::{
    Ballot, Change, Durable, Grounds, Loss, Lost, Output, Promise, Statement, StatementError, To,
};

use super::ring::{Ring, drain, statements};

/// A member that lost its store, and can ask so many.
fn forgetful(ring: &Ring, number: u64, others: usize) -> Succession {
    let mut part = ring.part(number);
    part.forget();
    part.set_asked(others);
    part
}

fn hear(ring: &Ring, me: u64, part: &mut Succession, from: u64, said: Statement) -> Vec<Output> {
    let said = ring.at(said);
    let heard = part.handle_message(ring.id(from), said, &ring.keys(me));
    heard.unwrap();
    drain(part)
}

/// Leads, and returns the question.
fn lead(ring: &Ring, number: u64, part: &mut Succession) -> Statement {
    assert!(part.lead(&ring.keys(number)));
    let outputs = drain(part);
    statements(&outputs)[0].clone()
}

/// Asks another, hears the answer, and returns what follows.
fn ask(
    ring: &Ring,
    (me, part): (u64, &mut Succession),
    (number, other): (u64, &mut Succession),
    question: &Statement,
) -> Vec<Output> {
    let answer = hear(ring, number, other, me, question.clone());
    let answers = statements(&answer);
    let heard = answers
        .into_iter()
        .flat_map(|statement| hear(ring, me, part, number, statement.clone()));
    heard.collect()
}

fn promise_of(outputs: &[Output]) -> Promise {
    match statements(outputs)[..] {
        [Statement::Promise { promise, .. }] => promise.clone(),
        ref other => panic!("{other:?}"),
    }
}

/// Has somebody accept a change in a ballot that 2, 3 and it have promised.
fn accept(ring: &Ring, number: u64, part: &mut Succession, ballot: Ballot, change: &Change) {
    let others = [2, 3].into_iter().filter(|other| *other != number);
    let promises = others.chain([number]);
    let promises: Vec<Promise> = promises
        .map(|voter| ring.promise(voter, ballot, None))
        .collect();
    let accept = ring.accept(2, ballot.counter, change, promises);
    hear(ring, number, part, 2, accept);
}

#[test]
fn it_takes_part_again_by_so_many_others_that_no_quorum_goes_without_one_of_them() {
    let ring = Ring::new(5);
    let mut part = forgetful(&ring, 5, 2);
    assert!(!part.has_cause(), "two others are too few");
    part.set_asked(3);
    let prepare = Statement::Prepare(ring.ballot(1, 2));
    let answer = hear(&ring, 5, &mut part, 2, prepare.clone());
    let is_refusal = |outputs: &[Output]| {
        let said = statements(outputs);
        matches!(said[..], [Statement::Refused { .. }])
    };
    assert!(is_refusal(&answer));
    let question = lead(&ring, 5, &mut part);
    let ballot = part.leads().unwrap();
    for number in 1..=3 {
        assert!(part.has_forgotten());
        let other = (number, &mut ring.part(number));
        ask(&ring, (5, &mut part), other, &question);
    }
    assert!(!part.has_forgotten());
    assert_eq!((part.leads(), part.promised()), (None, Some(ballot)));
    // What comes below is refused, and above it promises as others do, and says what it lost.
    assert!(is_refusal(&hear(&ring, 5, &mut part, 2, prepare)));
    let above = Statement::Prepare(ring.ballot(ballot.counter + 1, 2));
    let promise = promise_of(&hear(&ring, 5, &mut part, 2, above));
    assert_eq!(promise.since(), Some(ballot));
}

#[test]
fn what_others_have_accepted_it_leads_to_its_end() {
    let ring = Ring::new(5);
    let change = ring.admission(&ring.record(50, 1));
    let mut accepting = ring.part(1);
    accept(&ring, 1, &mut accepting, ring.ballot(1, 2), &change);
    let mut part = forgetful(&ring, 5, 4);
    let question = lead(&ring, 5, &mut part);
    let ballot = part.leads().unwrap();
    ask(&ring, (5, &mut part), (1, &mut accepting), &question);
    let mut others = [2, 3].map(|number| (number, ring.part(number)));
    let mut last = Vec::new();
    for (number, other) in &mut others {
        assert!(part.has_forgotten(), "of three, one has accepted");
        last = ask(&ring, (5, &mut part), (*number, other), &question);
    }
    let said = statements(&last);
    assert!(
        matches!(said[..], [Statement::Accept { proposed, .. }, Statement::Accepted(accepted)]
            if proposed.change == change.hash() && accepted.ballot == ballot),
        "{said:?}"
    );
    assert!(!part.has_forgotten());
    // The others take it on its word and theirs.
    let accepted = hear(&ring, 3, &mut others[1].1, 5, said[0].clone());
    assert!(matches!(
        statements(&accepted)[..],
        [Statement::Accepted(_)]
    ));
}

/// Of two, no quorum of others is to be had.
#[test]
fn where_the_others_are_no_quorum_it_completes_one() {
    let ring = Ring::new(2);
    let change = ring.admission(&ring.record(50, 1));
    let ballot = ring.ballot(1, 1);
    let mut other = ring.part(1);
    let promises = [1, 2].map(|voter| ring.promise(voter, ballot, None));
    let accept = ring.accept(1, 1, &change, promises.to_vec());
    hear(&ring, 1, &mut other, 1, accept);
    let mut part = forgetful(&ring, 2, 1);
    let mut said = Vec::new();
    // One ballot may come too late, the next does not.
    for _ in 0..2 {
        if !part.has_forgotten() {
            break;
        }
        let question = lead(&ring, 2, &mut part);
        said = ask(&ring, (2, &mut part), (1, &mut other), &question);
    }
    assert_eq!(part.membership().epoch(), ring.place().epoch, "not alone");
    for said in statements(&said) {
        hear(&ring, 1, &mut other, 2, said.clone());
    }
    assert_eq!(
        other.membership().member(&ring.id(50)).unwrap().incarnation,
        1
    );
}

/// It is told by nobody what it had accepted: who knows it comes late.
#[test]
fn what_it_lost_is_held_against_nobody() {
    let ring = Ring::new(4);
    let change = ring.admission(&ring.record(50, 1));
    let early = ring.ballot(1, 3);
    let mut witness = ring.part(3);
    let promises = [1, 3, 4].map(|voter| ring.promise(voter, early, None));
    let accept = ring.accept(3, 1, &change, promises.to_vec());
    hear(&ring, 3, &mut witness, 3, accept);
    let lost = ring.accepted(4, early, &change);
    hear(&ring, 3, &mut witness, 4, Statement::Accepted(lost));

    let mut part = forgetful(&ring, 4, 2);
    let question = lead(&ring, 4, &mut part);
    let mut others = [1, 2].map(|number| (number, ring.part(number)));
    for (number, other) in &mut others {
        ask(&ring, (4, &mut part), (*number, other), &question);
    }
    assert!(!part.has_forgotten());
    // 1 leads with the promises of 2 and 4, and the witness hears of it.
    let [(_, leader), (_, second)] = &mut others;
    ring.bring(1, leader, &ring.record(51, 1), &[1, 2, 3, 4]);
    assert!(leader.lead(&ring.keys(1)));
    let said = drain(leader);
    let prepare = statements(&said)
        .into_iter()
        .find(|said| matches!(said, Statement::Prepare(_)));
    let prepare = prepare.unwrap().clone();
    ask(&ring, (1, leader), (2, second), &prepare);
    let proposed = ask(&ring, (1, leader), (4, &mut part), &prepare);
    let accept = statements(&proposed)[0].clone();
    let heard = hear(&ring, 3, &mut witness, 1, accept);
    let has_accepted = |said: &&Statement| matches!(said, Statement::Accepted(_));
    assert!(
        statements(&heard)
            .into_iter()
            .any(|said| has_accepted(&said))
    );
    let is_evidence = |output: &Output| matches!(output, Output::Evidence(_));
    assert!(!heard.iter().any(is_evidence), "{heard:?}");
}

/// A promise that was under way when its voter lost its store, for a ballot above that by which it came back.
#[test]
fn a_promise_from_before_the_loss_counts_for_nothing() {
    let ring = Ring::new(5);
    let far = ring.ballot(100, 4);
    let under_way = promise_of(&hear(
        &ring,
        5,
        &mut ring.part(5),
        4,
        Statement::Prepare(far),
    ));
    let mut part = forgetful(&ring, 5, 3);
    let question = lead(&ring, 5, &mut part);
    let mut others = [1, 2, 3].map(|number| (number, ring.part(number)));
    for (number, other) in &mut others {
        ask(&ring, (5, &mut part), (*number, other), &question);
    }
    assert!(part.promised().unwrap() < far);
    let knowing = promise_of(&hear(
        &ring,
        1,
        &mut others[0].1,
        4,
        Statement::Prepare(far),
    ));
    assert_eq!(
        knowing.lost,
        Lost::from([(ring.id(5), part.promised().unwrap())])
    );
    // No acceptor takes the two together, whether it has heard of the loss or not.
    let change = ring.admission(&ring.record(50, 1));
    let own = ring.promise(4, far, None);
    let accept = ring.accept(4, 100, &change, vec![own, knowing, under_way]);
    for number in [2, 4] {
        let mut acceptor = ring.part(number);
        let said = ring.at(accept.clone());
        let heard = acceptor.handle_message(ring.id(4), said, &ring.keys(number));
        assert_eq!(
            heard,
            Err(StatementError::Promises(
                "one is from before its voter lost what it said"
            ))
        );
    }
    // And its leader asks again who promised it.
    let mut leader = ring.part(4);
    ring.bring(4, &mut leader, &ring.record(50, 1), &[1, 2, 3, 4, 5]);
    let second = ring.ballot(99, 3);
    hear(&ring, 4, &mut leader, 3, Statement::Prepare(second));
    assert!(leader.lead(&ring.keys(4)));
    assert_eq!(leader.leads(), Some(far));
    drain(&mut leader);
    let mut stale = ring.part(5);
    ask(
        &ring,
        (4, &mut leader),
        (5, &mut stale),
        &Statement::Prepare(far),
    );
    let said = ask(
        &ring,
        (4, &mut leader),
        (1, &mut others[0].1),
        &Statement::Prepare(far),
    );
    let said = statements(&said);
    assert!(
        matches!(said[..], [Statement::Lost(_)]),
        "two of three are not void, and its voter is told: {said:?}"
    );
    leader.repeat();
    let said = drain(&mut leader);
    let asked = said.iter().filter(
        |output| matches!(output, Output::Send { to: To::One(node), .. } if *node == ring.id(5)),
    );
    assert_eq!(asked.count(), 1);
    let said = ask(
        &ring,
        (4, &mut leader),
        (5, &mut part),
        &Statement::Prepare(far),
    );
    let said = statements(&said);
    assert!(matches!(said[0], Statement::Accept { .. }), "{said:?}");
    // With what shows that 5 has come back.
    let mut acceptor = ring.part(3);
    let accepted = hear(&ring, 3, &mut acceptor, 4, said[0].clone());
    assert!(
        statements(&accepted)
            .iter()
            .any(|said| matches!(said, Statement::Accepted(_)))
    );
}

#[test]
fn who_only_says_that_it_has_lost_something_has_not_come_back() {
    let ring = Ring::new(3);
    let change = ring.admission(&ring.record(50, 1));
    let early = ring.ballot(1, 1);
    let since = ring.ballot(2, 3);
    let late = ring.ballot(3, 2);
    let of = |voter: u64, ballot, accepted: Option<(Ballot, &Change)>, lost: Lost| {
        let accepted = accepted.map(|(ballot, change)| (ballot, change.hash()));
        Promise::sign_knowing(lost, ring.signer(voter), &ring.place(), ballot, accepted)
    };
    let lost = Lost::from([(ring.id(3), since)]);
    let hear = |promise: Promise, returns: Vec<Promise>| {
        let own = ring.promise(2, late, None);
        let accept = match ring.accept(2, 3, &change, vec![own, promise]) {
            Statement::Accept {
                proposed,
                change,
                promises,
                ..
            } => Statement::Accept {
                proposed,
                change,
                promises,
                return_promises: if returns.is_empty() {
                    BTreeMap::new()
                } else {
                    BTreeMap::from([(ring.id(3), returns)])
                },
            },
            other => other,
        };
        let mut part = ring.part(1);
        part.handle_message(ring.id(2), ring.at(accept), &ring.keys(1))
            .map(drop)
    };
    let own = || of(3, late, None, lost.clone());
    let returns = || {
        vec![
            of(1, since, None, lost.clone()),
            of(2, since, None, lost.clone()),
        ]
    };
    assert_eq!(hear(own(), returns()), Ok(()));
    let mut bad: Vec<(&str, Promise, Vec<Promise>)> = vec![
        ("nobody's", own(), Vec::new()),
        ("one's", own(), returns()[..1].to_vec()),
        (
            "one's, twice",
            own(),
            vec![returns()[0].clone(), returns()[0].clone()],
        ),
        (
            "its own",
            own(),
            vec![returns()[0].clone(), of(3, since, None, lost.clone())],
        ),
        (
            "of one who knew of no loss",
            own(),
            vec![returns()[0].clone(), ring.promise(2, since, None)],
        ),
        (
            "of another ballot",
            own(),
            vec![
                returns()[0].clone(),
                of(2, ring.ballot(1, 3), None, lost.clone()),
            ],
        ),
        (
            "of who accepted something that it does not name",
            own(),
            vec![
                returns()[0].clone(),
                of(2, since, Some((early, &change)), lost.clone()),
            ],
        ),
    ];
    let mut forged = returns();
    forged[1].accepted = Some((early, change.hash()));
    bad.push(("forged", own(), forged));
    let ahead = Lost::from([(ring.id(3), ring.ballot(4, 3))]);
    bad.push(("after its own ballot", of(3, late, None, ahead), returns()));
    let another = Lost::from([(ring.id(3), ring.ballot(2, 1))]);
    bad.push(("another's ballot", of(3, late, None, another), returns()));
    for (number, ballot) in [(1, ring.ballot(9, 1)), (2, early), (9, ring.ballot(1, 9))] {
        let mut lost = lost.clone();
        lost.insert(ring.id(number), ballot);
        bad.push(("of somebody else", of(3, late, None, lost), returns()));
    }
    for (what, promise, returns) in bad {
        assert!(
            matches!(hear(promise, returns), Err(StatementError::Promises(_))),
            "by {what}"
        );
    }
}

#[test]
fn a_loss_that_is_not_shown_is_not_believed() {
    let ring = Ring::new(3);
    let mut leader = ring.part(1);
    ring.bring(1, &mut leader, &ring.record(50, 1), &[1, 2, 3]);
    hear(
        &ring,
        1,
        &mut leader,
        2,
        Statement::Prepare(ring.ballot(1, 2)),
    );
    assert!(leader.lead(&ring.keys(1)));
    drain(&mut leader);
    let ballot = leader.leads().unwrap();
    let place = ring.place();
    let lost = Lost::from([(ring.id(3), ring.ballot(1, 3))]);
    let promise = Promise::sign_knowing(lost, ring.signer(2), &place, ballot, None);
    let mut hear_with = |loss: Option<Loss>| {
        let said = Statement::Promise {
            promise: promise.clone(),
            change: None,
            grounds: Grounds {
                losses: loss.into_iter().collect(),
                return_promises: Vec::new(),
            },
        };
        leader.handle_message(ring.id(2), ring.at(said), &ring.keys(1))
    };
    let mut forged = Loss::sign(ring.signer(3), &place, 2);
    forged.ballot.counter = 1;
    let of_another = Loss::sign(ring.signer(2), &place, 1);
    for loss in [None, Some(of_another), Some(forged)] {
        let heard = hear_with(loss);
        assert!(
            matches!(heard, Err(StatementError::Promises(_))),
            "{heard:?}"
        );
    }
    assert!(hear_with(Some(Loss::sign(ring.signer(3), &place, 1))).is_ok());
    let said = drain(&mut leader);
    assert!(matches!(statements(&said)[0], Statement::Accept { .. }));
    let not_its_own = Statement::Lost(Loss::sign(ring.signer(2), &place, 1));
    let heard = leader.handle_message(ring.id(3), ring.at(not_its_own), &ring.keys(1));
    assert!(matches!(heard, Err(StatementError::Hearsay { .. })));
    let mut forged = Loss::sign(ring.signer(3), &place, 1);
    forged.ballot.counter = 9;
    let heard = leader.handle_message(ring.id(3), ring.at(Statement::Lost(forged)), &ring.keys(1));
    assert_eq!(heard, Err(StatementError::Signature(ring.id(3))));
}

/// What a promise of one who has lost nothing came with, and then the promise alone.
#[test]
fn a_leader_does_not_pass_on_what_a_liar_shows_for_nothing() {
    let ring = Ring::new(3);
    let mut leader = ring.part(1);
    ring.bring(1, &mut leader, &ring.record(50, 1), &[1, 2, 3]);
    assert!(leader.lead(&ring.keys(1)));
    drain(&mut leader);
    let promise = ring.promise(3, leader.leads().unwrap(), None);
    let said = |return_promises: Vec<Promise>| Statement::Promise {
        promise: promise.clone(),
        change: None,
        grounds: Grounds {
            losses: Vec::new(),
            return_promises,
        },
    };
    let stuffed = ring.at(said(vec![promise.clone(); 10]));
    let heard = leader.handle_message(ring.id(3), stuffed, &ring.keys(1));
    assert!(
        matches!(heard, Err(StatementError::Promises(_))),
        "{heard:?}"
    );
    let outputs = hear(&ring, 1, &mut leader, 3, said(Vec::new()));
    let accept = statements(&outputs)[0].clone();
    let accepted = hear(&ring, 2, &mut ring.part(2), 1, accept);
    assert!(!accepted.is_empty());
    // And nothing else is taken that belongs to none of the promises.
    let change = ring.admission(&ring.record(50, 1));
    let ballot = ring.ballot(1, 1);
    let promises = [1, 3].map(|voter| ring.promise(voter, ballot, None));
    let Statement::Accept {
        proposed,
        change,
        promises,
        ..
    } = ring.accept(1, 1, &change, promises.to_vec())
    else {
        panic!("no ACCEPT")
    };
    let accept = Statement::Accept {
        proposed,
        change,
        promises,
        return_promises: BTreeMap::from([(ring.id(2), vec![promise.clone()])]),
    };
    let heard = ring
        .part(2)
        .handle_message(ring.id(1), ring.at(accept), &ring.keys(2));
    assert!(
        matches!(heard, Err(StatementError::Promises(_))),
        "{heard:?}"
    );
}

/// A helper accepted something, and told one who comes back that it had not.
#[test]
fn who_hides_an_acceptance_from_one_who_comes_back_is_found_out() {
    let ring = Ring::new(5);
    let (one, other) = (
        ring.admission(&ring.record(50, 1)),
        ring.admission(&ring.record(51, 1)),
    );
    let (early, since, late) = (ring.ballot(1, 2), ring.ballot(2, 5), ring.ballot(3, 1));
    let mut knowing = ring.part(3);
    let accepted = ring.accepted(4, early, &one);
    hear(&ring, 3, &mut knowing, 4, Statement::Accepted(accepted));
    let lost = Lost::from([(ring.id(5), since)]);
    let of = |voter: u64, ballot| {
        Promise::sign_knowing(
            lost.clone(),
            ring.signer(voter),
            &ring.place(),
            ballot,
            None,
        )
    };
    let promises = [1, 2, 5].map(|voter| of(voter, late)).to_vec();
    let Statement::Accept {
        proposed,
        change,
        promises,
        ..
    } = ring.accept(1, 3, &other, promises)
    else {
        panic!("no ACCEPT")
    };
    let returns = [1, 2, 4].map(|voter| of(voter, since)).to_vec();
    let accept = Statement::Accept {
        proposed,
        change,
        promises,
        return_promises: BTreeMap::from([(ring.id(5), returns)]),
    };
    let outputs = hear(&ring, 3, &mut knowing, 1, accept);
    let evidence = outputs.iter().find_map(|output| match output {
        Output::Evidence(evidence) => Some(evidence),
        _ => None,
    });
    assert_eq!(evidence.unwrap().suspects(), [ring.id(4)]);
    assert!(matches!(
        statements(&outputs)[..],
        [Statement::Refused { .. }]
    ));
}

/// The question of an earlier process reached one who does not help this one.
#[test]
fn who_came_back_below_what_it_asked_before_is_told_and_comes_back_above() {
    let ring = Ring::new(4);
    let mut others = [1, 2, 3].map(|number| (number, ring.part(number)));
    let mut first = forgetful(&ring, 4, 2);
    for _ in 0..2 {
        let question = lead(&ring, 4, &mut first);
        hear(&ring, 2, &mut others[1].1, 4, question);
    }
    let mut part = forgetful(&ring, 4, 3);
    let question = lead(&ring, 4, &mut part);
    for (number, other) in &mut others {
        ask(&ring, (4, &mut part), (*number, other), &question);
    }
    assert!(!part.has_forgotten());
    let [(_, leader), (_, knowing), _] = &mut others;
    ring.bring(1, leader, &ring.record(51, 1), &[1, 2, 3, 4]);
    // Its first ballot comes too late for 2.
    for _ in 0..2 {
        assert!(leader.lead(&ring.keys(1)));
        drain(leader);
        let prepare = Statement::Prepare(leader.leads().unwrap());
        ask(&ring, (1, leader), (4, &mut part), &prepare);
        let told = ask(&ring, (1, leader), (2, knowing), &prepare);
        for said in statements(&told) {
            assert!(matches!(said, Statement::Lost(_)), "{said:?}");
            hear(&ring, 4, &mut part, 1, said.clone());
        }
    }
    assert!(part.has_forgotten() && part.has_cause());
    for _ in 0..2 {
        if part.has_forgotten() {
            let question = lead(&ring, 4, &mut part);
            ask(&ring, (4, &mut part), (1, leader), &question);
            ask(&ring, (4, &mut part), (2, knowing), &question);
        }
    }
    assert!(!part.has_forgotten());
}

#[test]
fn who_loses_its_store_again_is_answered_above_what_it_asked_before() {
    let ring = Ring::new(3);
    let mut others = [1, 2].map(|number| (number, ring.part(number)));
    let mut first = forgetful(&ring, 3, 2);
    let question = lead(&ring, 3, &mut first);
    let [(_, one), (_, two)] = &mut others;
    ask(&ring, (3, &mut first), (1, one), &question);
    // The second process asks with the same number.
    let mut second = forgetful(&ring, 3, 2);
    let same = lead(&ring, 3, &mut second);
    assert_eq!(same, question);
    ask(&ring, (3, &mut second), (1, one), &same);
    ask(&ring, (3, &mut second), (2, two), &same);
    assert!(second.has_forgotten());
    let above = lead(&ring, 3, &mut second);
    for (number, other) in [(1, one), (2, two)] {
        ask(&ring, (3, &mut second), (number, other), &above);
    }
    assert!(!second.has_forgotten());
    assert!(second.promised() > first.leads());
}

/// The process that lost the store led a ballot of the same number, and may have proposed something in it.
#[test]
fn an_answer_to_an_earlier_process_does_not_count() {
    let ring = Ring::new(3);
    let mut part = forgetful(&ring, 3, 2);
    let question = lead(&ring, 3, &mut part);
    let same = Statement::Prepare(part.leads().unwrap());
    for late in hear(&ring, 1, &mut ring.part(1), 3, same) {
        if let Output::Send { message, .. } = late {
            let heard = part.handle_message(ring.id(1), message, &ring.keys(3));
            heard.unwrap();
        }
    }
    ask(&ring, (3, &mut part), (2, &mut ring.part(2)), &question);
    assert!(part.has_forgotten());
}

#[test]
fn who_has_promised_and_is_asked_again_has_not_refused() {
    let ring = Ring::new(3);
    let mut part = forgetful(&ring, 3, 2);
    let question = lead(&ring, 3, &mut part);
    let mut other = ring.part(1);
    for _ in 0..2 {
        ask(&ring, (3, &mut part), (1, &mut other), &question);
    }
    assert!(part.leads().is_some());
}

/// It has heard an acceptance of 2, which promises as if there were none.
#[test]
fn it_does_not_come_back_by_a_promise_that_hides_something() {
    let ring = Ring::new(3);
    let change = ring.admission(&ring.record(50, 1));
    let mut accepting = ring.part(1);
    accept(&ring, 1, &mut accepting, ring.ballot(1, 2), &change);
    let mut part = forgetful(&ring, 3, 2);
    let lie = ring.accepted(2, ring.ballot(1, 1), &change);
    hear(&ring, 3, &mut part, 2, Statement::Accepted(lie));
    let question = lead(&ring, 3, &mut part);
    ask(&ring, (3, &mut part), (1, &mut accepting), &question);
    let ballot = part.leads().unwrap();
    let lost = Lost::from([(ring.id(3), ballot)]);
    let promise = Promise::sign_knowing(lost, ring.signer(2), &ring.place(), ballot, None);
    let said = Statement::Promise {
        promise,
        change: None,
        grounds: Grounds::default(),
    };
    let outputs = hear(&ring, 3, &mut part, 2, said);
    let is_evidence = |output: &Output| matches!(output, Output::Evidence(_));
    assert!(outputs.iter().any(is_evidence));
    assert!(part.has_forgotten() && part.promised().is_none());
}

#[test]
fn what_it_came_back_by_outlives_a_restart() {
    let ring = Ring::new(3);
    let mut part = forgetful(&ring, 3, 2);
    let question = lead(&ring, 3, &mut part);
    let mut said = Vec::new();
    for number in [1, 2] {
        let other = (number, &mut ring.part(number));
        said = ask(&ring, (3, &mut part), other, &question);
    }
    let durable = said.into_iter().find_map(|output| match output {
        Output::Persist(durable @ Durable::Acceptor(_)) => Some(durable),
        _ => None,
    });
    let mut again = ring.part(3);
    again.restore(durable.unwrap(), &ring.keys(3));
    again.forget();
    assert!(!again.has_forgotten());
    let above = Statement::Prepare(ring.ballot(9, 2));
    let outputs = hear(&ring, 3, &mut again, 2, above);
    assert_eq!(promise_of(&outputs).since(), part.promised());
}

/// An older store that somebody put back: its own signature tells it so.
#[test]
fn who_is_shown_a_loss_that_it_does_not_know_of_has_forgotten_that_too() {
    let ring = Ring::new(3);
    let loss = Loss::sign(ring.signer(3), &ring.place(), 7);
    let mut knowing = ring.part(1);
    hear(&ring, 1, &mut knowing, 3, Statement::Lost(loss));
    let mut part = ring.part(3);
    ring.bring(3, &mut part, &ring.record(50, 1), &[1, 2, 3]);
    hear(
        &ring,
        3,
        &mut part,
        2,
        Statement::Prepare(ring.ballot(8, 2)),
    );
    let question = lead(&ring, 3, &mut part);
    let said = ask(&ring, (3, &mut part), (1, &mut knowing), &question);
    assert!(said.is_empty(), "{said:?}");
    assert!(part.has_forgotten() && part.leads().is_none());
}

#[test]
fn lower_ballots_do_not_stop_it_and_higher_ones_do() {
    let ring = Ring::new(5);
    let mut part = forgetful(&ring, 5, 3);
    for _ in 0..3 {
        let _question = lead(&ring, 5, &mut part);
    }
    let own = part.leads().unwrap();
    for counter in [1, 1, 2] {
        let lower = Statement::Prepare(ring.ballot(counter, 4));
        let outputs = hear(&ring, 5, &mut part, 4, lower);
        assert!(!outputs.contains(&Output::Refused));
        assert_eq!(part.leads(), Some(own));
    }
    let higher = Statement::Prepare(ring.ballot(own.counter + 1, 4));
    let outputs = hear(&ring, 5, &mut part, 4, higher);
    assert!(outputs.contains(&Output::Refused));
    assert_eq!(part.leads(), None);
}

#[test]
fn who_is_refused_by_too_many_does_not_count_on_itself() {
    let ring = Ring::new(3);
    let mut part = forgetful(&ring, 3, 2);
    let _question = lead(&ring, 3, &mut part);
    let ballot = part.leads().unwrap();
    let promised = ring.ballot(ballot.counter + 1, 1);
    let refused = Statement::Refused { ballot, promised };
    let outputs = hear(&ring, 3, &mut part, 1, refused);
    assert!(outputs.contains(&Output::Refused), "both are needed");
}
