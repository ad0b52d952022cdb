//! Promises of before a loss, what shows that somebody has come back from one, and who lies about either.

use std::collections::BTreeMap;

use quorate_consensus::succession::{
    Ballot, Change, Grounds, Loss, Lost, Output, Promise, Statement, StatementError, To,
};

use super::forgetting::{ask, forgetful, hear, lead, promise_of};
use super::ring::{Ring, drain, statements};

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
