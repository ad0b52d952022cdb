//! Standings that the voters of a later epoch endorse, and what is believed of those of earlier ones.

use std::sync::Arc;

use quorate_consensus::council::{Decision, Output};
use quorate_consensus::{
    Certificate, CertificateError, Choice, Council, Departure, Electorate, Endorsed, Endorsement,
    Handover, Merged, Passport, Proof, ProofError, Proposal, ProposeError, QuorumRule, Record,
    Roster, Seal, Seat, Seating, Standing, Unproven, council, first_life,
};

use crate::sample::{
    NETWORK, START_MS, admission, certificate, departure, electorate, electorate_of, eviction,
    node, signer, start, vote,
};

/// Four voters in each epoch, who know the one before it.
fn epoch(number: u64) -> Electorate {
    let of = |number| electorate_of(NETWORK, number, QuorumRule::Majority, 4);
    match number {
        0 => of(0),
        number => of(number).following(of(number - 1)),
    }
}

fn merge(roster: &mut Roster, proof: Proof, electorate: &Electorate) -> Merged {
    roster.merge(Arc::new(proof).verify(electorate, &Unproven).unwrap())
}

/// Ten members; one is thrown out, one leaves.
fn roster(electorate: &Electorate) -> Roster {
    let mut roster = Roster::new();
    for number in 50..60 {
        let proof = Proof::Admission(certificate(electorate, &admission(number), [1, 2, 3]));
        merge(&mut roster, proof, electorate);
    }
    let evicted = Proof::Eviction(certificate(electorate, &eviction(1, 51), [1, 2, 3]));
    merge(&mut roster, evicted, electorate);
    let left = departure(certificate(electorate, &admission(52), [1, 2, 3]));
    merge(&mut roster, left, electorate);
    roster
}

/// What three voters of an epoch say they hold.
fn endorse(electorate: &Electorate, what: Endorsement) -> Arc<Certificate> {
    let motion = what.motion(&signer(1), electorate, 1, START_MS);
    Arc::new(certificate(
        electorate,
        &Proposal::Motion(motion),
        [1, 2, 3],
    ))
}

fn endorsed(roster: &mut Roster, electorate: &Electorate) {
    let what = Endorsement::of(roster, electorate.epoch());
    let certificate = endorse(electorate, what);
    assert!(
        roster
            .endorse(&certificate, electorate, &Unproven)
            .unwrap()
            .is_some()
    );
    assert!(!Endorsement::is_due(roster, electorate.epoch()));
}

#[test]
fn a_passport_is_believed_in_its_epoch_and_the_next_and_endorsed_in_every_later_one() {
    let old = Arc::new(Proof::Admission(certificate(
        &epoch(0),
        &admission(50),
        [1, 2, 3],
    )));
    assert!(old.clone().verify(&epoch(0), &Unproven).is_ok());
    assert!(old.clone().verify(&epoch(1), &Unproven).is_ok());
    assert!(matches!(
        old.verify(&epoch(2), &Unproven),
        Err(ProofError::Certificate(
            CertificateError::AnotherElectorate { .. }
        ))
    ));
    let mut roster = roster(&epoch(0));
    let digest = roster.digest();
    for number in 1..=2 {
        endorsed(&mut roster, &epoch(number));
        assert_eq!(roster.digest(), digest, "no standing has changed");
    }
    // One who knows only the voters of epoch 2 believes it, and nobody in epoch 4.
    let alone = electorate_of(NETWORK, 2, QuorumRule::Majority, 4);
    for (_, entry) in roster.iter() {
        assert!(entry.proof.clone().verify(&alone, &Unproven).is_ok());
        assert!(entry.proof.clone().verify(&epoch(3), &Unproven).is_ok());
        assert!(entry.proof.clone().verify(&epoch(4), &Unproven).is_err());
    }
    assert_eq!(roster.member(&node(55)).unwrap().node, node(55));
    assert_eq!(roster.member_count(), 8);
}

#[test]
fn an_endorsed_proof_replaces_the_earlier_one_of_the_same_standing_and_not_the_other_way() {
    let (mut one, mut other) = (roster(&epoch(0)), roster(&epoch(0)));
    let earlier = one.get(&node(50)).unwrap().proof.clone();
    endorsed(&mut one, &epoch(1));
    let later = one.get(&node(50)).unwrap().proof.clone();
    assert_eq!(
        merge(&mut other, (*later).clone(), &epoch(1)),
        Merged::Widened
    );
    assert_eq!(other.get(&node(50)).unwrap().proof, later);
    assert_eq!(
        merge(&mut other, (*earlier).clone(), &epoch(1)),
        Merged::Known
    );
    assert_eq!(other.get(&node(50)).unwrap().proof, later);
}

#[test]
fn who_holds_other_standings_does_not_take_an_endorsement_for_its_own() {
    let mut mine = roster(&epoch(0));
    let more = Proof::Admission(certificate(&epoch(0), &admission(70), [1, 2, 3]));
    merge(&mut mine, more, &epoch(0));
    let theirs = endorse(&epoch(1), Endorsement::of(&roster(&epoch(0)), 1));
    let before = mine.clone();
    assert_eq!(mine.endorse(&theirs, &epoch(1), &Unproven), Ok(None));
    assert_eq!(mine, before);
    // Nor one that too few have signed, or that is no endorsement.
    let motion = Endorsement::of(&mine, 1).motion(&signer(1), &epoch(1), 1, START_MS);
    let few = Arc::new(certificate(&epoch(1), &Proposal::Motion(motion), [1, 2]));
    assert!(mine.endorse(&few, &epoch(1), &Unproven).is_err());
    let tea = crate::sample::motion(1, 1);
    let tea = Arc::new(certificate(&epoch(1), &tea, [1, 2, 3]));
    assert_eq!(mine.endorse(&tea, &epoch(1), &Unproven), Ok(None));
}

#[test]
fn nothing_of_an_endorsed_standing_can_be_changed() {
    let mut roster = roster(&epoch(0));
    endorsed(&mut roster, &epoch(1));
    endorsed(&mut roster, &epoch(2));
    let of = |number| match &*roster.get(&node(number)).unwrap().proof {
        Proof::Endorsed(endorsed) => (**endorsed).clone(),
        other => panic!("{other:?}"),
    };
    let verify = |endorsed: &Endorsed| {
        let proof = Arc::new(Proof::Endorsed(Box::new(endorsed.clone())));
        proof.verify(&epoch(2), &Unproven).map(drop)
    };
    let good = of(55);
    assert_eq!(verify(&good), Ok(()));
    let changes: [&dyn Fn(&mut Endorsed); 10] = [
        &|e| e.node = node(56),
        &|e| e.key.incarnation += 1,
        &|e| e.key.standing = Standing::Left,
        &|e| e.key.attempt += 1,
        &|e| e.key.decided = 1,
        &|e| e.index += 1,
        &|e| e.record = None,
        &|e| e.record = of(56).record,
        &|e| {
            let endpoints = vec!["elsewhere:1".to_owned()];
            let moved = Record::sign(&signer(55), NETWORK, endpoints, 1, 1, START_MS);
            e.record = Some(moved.unwrap());
        },
        &|e| e.path.truncate(1),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut forged = good.clone();
        change(&mut forged);
        assert!(verify(&forged).is_err(), "change {index} went unnoticed");
    }
    // The evicted one's standing is no passport.
    let mut revived = of(51);
    assert_eq!(verify(&revived), Ok(()));
    revived.key.standing = Standing::Admitted;
    assert_eq!(verify(&revived), Err(ProofError::NotEndorsed(node(51))));
    // A record with somebody else's signature.
    let mut unsigned = good;
    if let Some(record) = &mut unsigned.record {
        record.signature = quorate_consensus::Signature::new([9; 64]);
    }
    assert!(verify(&unsigned).is_err());
}

#[test]
fn ends_are_forgotten_when_nothing_is_left_that_could_undo_them() {
    let mut all = roster(&epoch(0));
    for number in 1..=2 {
        endorsed(&mut all, &epoch(number));
        assert!(all.get(&node(51)).is_some(), "forgotten in epoch {number}");
    }
    endorsed(&mut all, &epoch(3));
    assert!(all.get(&node(51)).is_none() && all.get(&node(52)).is_none());
    assert_eq!(all.len(), 8);
    // The digest is that of a roster that never knew them.
    let mut fresh = Roster::new();
    for (_, entry) in all.iter() {
        merge(&mut fresh, (*entry.proof).clone(), &epoch(3));
    }
    assert_eq!(fresh.digest(), all.digest());
}

#[test]
fn a_life_whose_end_may_be_forgotten_is_not_entered_again() {
    let now = start();
    let enter = |number, life| {
        let endpoints = vec!["10.0.0.1:1".to_owned()];
        let record = Record::sign(&signer(51), NETWORK, endpoints, life, 9, START_MS).unwrap();
        voter(&epoch(number)).propose(Proposal::Admit(record), now)
    };
    for number in 0..=2 {
        assert!(enter(number, 1).is_ok(), "nothing is forgotten by {number}");
    }
    let Err(refused) = enter(3, 1) else {
        panic!("a life of epoch 0 is entered in epoch 3");
    };
    assert_eq!(
        refused.to_string(),
        "expected an incarnation from 1000000000 to 3999999999 in epoch 3, got 1 (follow the changes of the electorate first)"
    );
    for number in 1..=3 {
        assert!(enter(3, first_life(number)).is_ok(), "of {number}");
    }
    // Nor one that could be entered for too long.
    assert!(enter(3, first_life(4)).is_err());
    assert!(enter(3, u64::MAX).is_err());
}

#[test]
fn a_member_leaves_by_its_endorsed_passport() {
    let mut all = roster(&epoch(0));
    endorsed(&mut all, &epoch(1));
    let entry = all.get(&node(55)).unwrap();
    let passport = entry.proof.passport().unwrap();
    assert!(matches!(passport, Passport::Endorsed(_)));
    assert!(Departure::sign(&signer(56), passport.clone()).is_none());
    let departure = Departure::sign(&signer(55), passport).unwrap();
    let left = Proof::Departure(departure);
    assert!(matches!(
        merge(&mut all, left, &epoch(1)),
        Merged::Changed(_)
    ));
    assert_eq!(all.get(&node(55)).unwrap().key.standing, Standing::Left);
    // Who has ended has no passport to leave by.
    let evicted = all.get(&node(51)).unwrap();
    assert!(evicted.proof.passport().is_none());
}

fn outputs(council: &mut Council) -> Vec<Output> {
    let now = start();
    let mut all = Vec::new();
    while let Some(output) = council.poll_output() {
        if let Output::Persist { id, .. } = &output {
            council.handle_persisted(*id);
        }
        if let Output::Judge { id, .. } = &output {
            council.handle_judgement(*id, Choice::Yes, "", now);
        }
        all.push(output);
    }
    all
}

fn voter(electorate: &Electorate) -> Council {
    let (signer, config) = (Arc::new(signer(1)), council::Config::default());
    Council::new(signer, Arc::new(Unproven), electorate.clone(), config, 1).unwrap()
}

fn votes_sent(outputs: &[Output]) -> usize {
    let is_vote = |output: &&Output| {
        let Output::Send { message, .. } = output else {
            return false;
        };
        matches!(message, council::Message::Vote(_))
    };
    outputs.iter().filter(is_vote).count()
}

#[test]
fn who_has_sealed_votes_no_more_and_lists_what_it_has_voted_for() {
    let now = start();
    let mut council = voter(&electorate(3));
    council.propose(admission(50), now).unwrap();
    assert_eq!(
        votes_sent(&outputs(&mut council)),
        0,
        "nobody asked for its vote"
    );
    council.seal();
    assert_eq!(
        votes_sent(&outputs(&mut council)),
        2,
        "its vote is told to both others"
    );
    let more = council.propose(admission(51), now);
    assert_eq!(more, Err(ProposeError::Sealed));
    // What others bring is counted, without a word of its own.
    council
        .handle_proposal(node(2), admission(51), now)
        .unwrap();
    assert_eq!(votes_sent(&outputs(&mut council)), 0);
    for number in [2, 3] {
        let vote = vote(&electorate(3), &admission(51), number, Choice::Yes);
        council.handle_vote(vote).unwrap();
    }
    let committed =
        |output: &Output| matches!(output, Output::Committed { node: of, .. } if *of == node(51));
    assert!(outputs(&mut council).iter().any(committed));
}

#[test]
fn a_vote_on_its_way_to_the_disk_is_not_given_after_sealing() {
    let now = start();
    let mut council = voter(&electorate(3));
    let id = council.propose(admission(50), now).unwrap();
    council.handle_judgement(id, Choice::Yes, "", now);
    let mut writes = Vec::new();
    while let Some(output) = council.poll_output() {
        if let Output::Persist { id, .. } = output {
            writes.push(id);
        }
    }
    council.seal();
    writes
        .into_iter()
        .for_each(|id| council.handle_persisted(id));
    assert_eq!(votes_sent(&outputs(&mut council)), 0);
    council
        .handle_proposal(node(2), admission(50), now)
        .unwrap();
    assert_eq!(votes_sent(&outputs(&mut council)), 0, "given to who asks");
}

#[test]
fn what_was_open_is_put_to_the_next_electorate() {
    let now = start();
    let first = electorate(3);
    let next = electorate_of(NETWORK, 1, QuorumRule::Majority, 4).following(first.clone());
    let mut council = voter(&first);
    council.propose(admission(50), now).unwrap();
    let _voted = outputs(&mut council);
    council.seal();
    let _sealed = outputs(&mut council);
    council.succeed(next.clone(), now).unwrap();
    let again = outputs(&mut council);
    assert!(
        again
            .iter()
            .any(|output| matches!(output, Output::Judge { .. }))
    );
    // A vote of the old epoch does not count in the new one.
    let old = vote(&first, &admission(50), 2, Choice::Yes);
    assert!(council.handle_vote(old).is_err());
    for number in [2, 3] {
        let vote = vote(&next, &admission(50), number, Choice::Yes);
        council.handle_vote(vote).unwrap();
    }
    let carried = |output: &Output| matches!(output, Output::Decided { decision: Decision::Carried(certificate), .. } if certificate.epoch == 1);
    assert!(outputs(&mut council).iter().any(carried));
    // Who has no seat cannot go on.
    let without = Electorate::of(NETWORK, QuorumRule::Majority, [2, 3].map(node)).unwrap();
    assert!(council.succeed(without, now).is_err());
    assert_eq!(council.electorate().epoch(), 1);
}

#[test]
fn what_two_epochs_decide_is_one_standing_and_the_later_decision_counts() {
    let decide = |number| certificate(&epoch(number), &admission(50), [1, 2, 3]);
    let (mut one, mut other) = (Roster::new(), Roster::new());
    let proofs = [0, 1].map(|number| Proof::Admission(decide(number)));
    for proof in proofs.clone() {
        merge(&mut one, proof, &epoch(1));
    }
    let merged: Vec<Merged> = proofs
        .into_iter()
        .rev()
        .map(|proof| merge(&mut other, proof, &epoch(1)))
        .collect();
    assert_eq!(merged, [Merged::Changed(None), Merged::Outdated]);
    assert_eq!((one.digest(), one.len()), (other.digest(), 1));
    assert_eq!(one.get(&node(50)).unwrap().key.decided, 1);
    // It is no news that it was decided again.
    let mut earlier = Roster::new();
    merge(&mut earlier, Proof::Admission(decide(0)), &epoch(1));
    let again = merge(&mut earlier, Proof::Admission(decide(1)), &epoch(1));
    assert_eq!(again, Merged::Widened);
    assert_eq!(
        (earlier.digest(), earlier.member_count()),
        (one.digest(), 1)
    );
}

#[test]
fn an_endorsement_does_not_follow_a_larger_standing_to_the_disk() {
    let mut council = voter(&epoch(1));
    for number in [50, 51] {
        let proof = Proof::Admission(certificate(&epoch(0), &admission(number), [1, 2, 3]));
        council.handle_proof(Arc::new(proof)).unwrap();
    }
    let _committed = outputs(&mut council);
    let endorsement = council.unendorsed().unwrap();
    // Its proof is on its way to the disk when the endorsement comes.
    let end = Proof::Eviction(certificate(&epoch(1), &eviction(1, 51), [1, 2, 3]));
    council.handle_proof(Arc::new(end)).unwrap();
    let endorsement = endorse(&epoch(1), endorsement);
    assert!(council.endorse(&endorsement).unwrap());
    let mut last = None;
    while let Some(output) = council.poll_output() {
        if let Output::Persist {
            durable: council::Durable::Proof(proof),
            ..
        } = output
            && let Some((of, key)) = proof.claims()
            && of == node(51)
        {
            last = Some(key.standing);
        }
    }
    assert_eq!(last, Some(Standing::Evicted), "the last that is written");
}

#[test]
fn what_was_stored_two_epochs_ago_is_judged_by_the_voters_of_then() {
    let proof = Proof::Admission(certificate(&epoch(0), &admission(50), [1, 2, 3]));
    let mut council = voter(&epoch(2));
    assert_eq!(
        council.restore_proofs(vec![Arc::new(proof.clone())]).len(),
        1
    );
    assert!(council.roster().is_empty());
    let wrong = council.restore_earlier(vec![Arc::new(proof)], &epoch(0));
    assert!(wrong.is_empty());
    assert_eq!(council.roster().member_count(), 1);
    let forged = Proof::Admission(certificate(&epoch(0), &admission(51), [1]));
    let wrong = council.restore_earlier(vec![Arc::new(forged)], &epoch(0));
    assert_eq!(wrong.len(), 1);
    // It is endorsed with the rest; if it is not, nobody believes it any more.
    assert!(council.unendorsed().is_some());
    assert!(council.forget_unbelieved());
    assert!(!council.forget_unbelieved());
    assert!(council.roster().is_empty());
    assert_eq!(council.roster().member_count(), 0);
    let forgets = |output: &Output| matches!(output, Output::Persist { durable: council::Durable::Forgotten(of), .. } if *of == node(50));
    assert!(outputs(&mut council).iter().any(forgets));
}

#[test]
fn who_never_met_a_voter_learns_who_it_was_from_the_handover_and_judges_what_it_signed() {
    let old = epoch(0);
    let proof = Proof::Admission(certificate(&old, &admission(50), [1, 2, 4]));
    // A reader that has met all but the fourth, who is dead; the second gave its seat up.
    let unmet = old.seats().iter().map(|seat| Seat {
        name: seat.name.clone(),
        voter: seat.voter.filter(|voter| *voter != node(4)),
    });
    let reader = Electorate::new(NETWORK, 0, old.rule(), unmet).unwrap();
    assert_eq!((reader.unmet(), reader.id()), (1, old.id()));
    assert!(Arc::new(proof.clone()).verify(&reader, &Unproven).is_err());
    let mut next = Seating::of_electorate(&old).unwrap();
    next.seats.retain(|_, voter| *voter != node(2));
    let seals: Vec<Seal> = [1, 2, 3]
        .map(|number| Seal::sign(&signer(number), &old, next.clone()))
        .into();
    let handover = Handover::assemble(&old, &seals).unwrap();
    let next = handover.verify(&reader, &Unproven).unwrap();
    assert_eq!(next.predecessor().unwrap().unmet(), 0);
    assert!(Arc::new(proof).verify(&next, &Unproven).is_ok());
}
