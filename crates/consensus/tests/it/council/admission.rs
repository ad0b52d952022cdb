//! Candidates and motions: carried, defeated, or given up with the reason.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::council::{self, Config, Decision, Message, Output, ProposeError};
use quorate_consensus::{
    Choice, Council, Ed25519, Ed25519Key, Electorate, NodeId, Proof, Proposal, QuorumRule, Signer,
    Unproven,
};

use crate::net::{Disk, Net, Verdict};
use crate::sample::{
    NETWORK, START_MS, admission, certificate, motion, node, record, seat, signer, start, vote,
};

#[test]
fn a_quorum_admits_a_candidate_and_all_rosters_end_equal() {
    for voters in 1..=5 {
        let mut net = Net::new(voters);
        let proposal = admission(50);
        net.propose(0, &proposal).unwrap();
        net.run();
        assert_admitted_everywhere(&net, &proposal);
        assert_eq!(net.poll_timeout(), None, "all have voted: nothing is open");
    }
}

#[test]
fn the_same_with_real_signatures() {
    let keys = [1, 2, 3].map(|secret| Ed25519Key::from_secret(&[secret; 32]));
    let voters = keys.iter().map(Signer::id);
    let electorate = Electorate::of(NETWORK, QuorumRule::Majority, voters).unwrap();
    let signers = keys.clone().map(|key| Arc::new(key) as Arc<dyn Signer>);
    let mut net = Net::signed(electorate, Config::default(), Arc::new(Ed25519), signers);
    let candidate = Ed25519Key::from_secret(&[50; 32]);
    let proposal = Proposal::Admit(record(&candidate, 1, 1, START_MS));
    net.propose(0, &proposal).unwrap();
    net.run();
    let [Decision::Carried(certificate)] = net.decisions(2, proposal.id())[..] else {
        panic!("not carried: {:?}", net.decisions(2, proposal.id()));
    };
    assert_eq!(certificate.verify(&net.electorate, &Ed25519), Ok(()));
    assert!(net.council(2).roster().member(&candidate.id()).is_some());

    let mut forged = record(&candidate, 2, 1, START_MS);
    forged.endpoints = vec!["elsewhere.example:1".to_owned()];
    assert!(matches!(
        net.propose(0, &Proposal::Admit(forged)),
        Err(ProposeError::Content(_))
    ));
}

#[test]
fn two_councils_that_propose_the_same_record_produce_one_decision() {
    let mut net = Net::new(3);
    let proposal = admission(50);
    let first = net.propose(0, &proposal).unwrap();
    let second = net.propose(1, &proposal).unwrap();
    assert_eq!(first, second);
    net.run();
    assert_admitted_everywhere(&net, &proposal);
}

#[test]
fn a_denied_candidate_is_defeated_with_the_reasons() {
    let mut net = Net::new(3);
    net.stations[1].verdict = Verdict::No("not on the list");
    net.stations[2].verdict = Verdict::No("did not echo the nonce");
    let id = net.propose(0, &admission(50)).unwrap();
    net.run();
    let reasons = vec![
        (node(2), "not on the list".to_owned()),
        (node(3), "did not echo the nonce".to_owned()),
    ];
    for at in net.all() {
        assert_eq!(
            net.decisions(at, id),
            [&Decision::Defeated(reasons.clone())]
        );
        assert!(net.council(at).roster().is_empty());
    }
}

#[test]
fn a_defeat_is_told_once_though_votes_were_lost() {
    let mut net = Net::new(3);
    net.stations[1].verdict = Verdict::No("");
    net.stations[2].verdict = Verdict::No("");
    let id = net.propose(0, &admission(50)).unwrap();
    // Voter 2 hears everything and closes; voter 1 misses one of the noes and asks for it again.
    while let Some(envelope) = net.wire.pop_front() {
        let is_lost = matches!(
            (&envelope.message, envelope.from, envelope.to),
            (Message::Vote(_), 2, 0)
        );
        if !is_lost {
            net.deliver(envelope);
        }
    }
    assert_eq!(net.decisions(0, id), [] as [&Decision; 0]);
    net.run_for(Duration::from_secs(40));
    for at in net.all() {
        assert!(
            matches!(net.decisions(at, id)[..], [Decision::Defeated(_)]),
            "station {at}: {:?}",
            net.decisions(at, id)
        );
    }
}

#[test]
fn with_one_of_three_voters_down_it_carries() {
    let mut net = Net::new(3);
    net.cut(2);
    let id = net.propose(0, &admission(50)).unwrap();
    net.run();
    for at in [0, 1] {
        assert!(matches!(net.decisions(at, id)[..], [Decision::Carried(_)]));
    }
    assert!(net.council(2).roster().is_empty());
    net.run_for(Duration::from_secs(6));
    assert_eq!(
        net.poll_timeout(),
        None,
        "the silent are waited for no longer"
    );
}

#[test]
fn with_two_of_three_down_it_expires_naming_the_silent_seats() {
    let mut net = Net::new(3);
    net.cut(1);
    net.cut(2);
    let id = net.propose(0, &admission(50)).unwrap();
    net.run_for(Duration::from_millis(4_999));
    let silent: Vec<_> = net.council(0).pending(&node(50)).collect();
    assert_eq!(silent, [(&admission(50), vec!["seat-2", "seat-3"])]);
    assert_eq!(net.decisions(0, id), [] as [&Decision; 0]);
    net.run_for(Duration::from_millis(1));
    let silent = ["seat-2", "seat-3"].map(str::to_owned).to_vec();
    assert_eq!(net.decisions(0, id), [&Decision::Expired { silent }]);
    assert_eq!(net.council(0).pending(&node(50)).count(), 0);
}

#[test]
fn it_carries_as_soon_as_a_voter_returns() {
    let mut net = Net::new(3);
    net.cut(1);
    net.cut(2);
    let id = net.propose(0, &admission(50)).unwrap();
    net.run_for(Duration::from_secs(2));
    net.heal(1);
    // No time passes: the link's coming up is enough.
    net.run();
    for at in [0, 1] {
        assert!(matches!(net.decisions(at, id)[..], [Decision::Carried(_)]));
    }
}

#[test]
fn a_voter_met_during_the_vote_is_asked_too() {
    let seats = [seat(1, true), seat(2, false)];
    let electorate = Electorate::new(NETWORK, 0, QuorumRule::Majority, seats).unwrap();
    let scheme = Arc::new(Unproven);
    let mut council = Council::new(
        Arc::new(signer(1)),
        scheme,
        electorate,
        Config::default(),
        0,
    )
    .unwrap();
    council.propose(admission(50), start()).unwrap();
    let asked = |council: &mut Council| -> Vec<NodeId> {
        std::iter::from_fn(|| council.poll_output())
            .filter_map(|output| match output {
                Output::Send { to, .. } => Some(to),
                _ => None,
            })
            .collect()
    };
    assert_eq!(asked(&mut council), []);
    assert_eq!(council.bind(1, node(2)), Ok(true));
    council.handle_voter_up(node(2));
    assert_eq!(asked(&mut council), [node(2)]);
}

#[test]
fn a_proof_by_voters_not_met_yet_is_undecided_and_not_false() {
    let seats = [seat(1, true), seat(2, false), seat(3, false)];
    let electorate = Electorate::new(NETWORK, 0, QuorumRule::Majority, seats).unwrap();
    let carried = certificate(&electorate, &admission(50), [2, 3]);
    let proof = Arc::new(Proof::Admission(carried));
    let (scheme, config) = (Arc::new(Unproven), Config::default());
    let mut council = Council::new(Arc::new(signer(1)), scheme, electorate, config, 0).unwrap();
    let undecided = council.handle_proof(proof.clone()).unwrap_err();
    assert!(council::is_undecided(&undecided), "{undecided}");
    assert_eq!(council.poll_output(), None);
    for (at, voter) in [(1, 2), (2, 3)] {
        council.bind(at, node(voter)).unwrap();
    }
    assert_eq!(council.handle_proof(proof), Ok(()));
    assert!(matches!(
        council.poll_output(),
        Some(Output::Persist { .. })
    ));
}

#[test]
fn a_motion_is_decided_and_changes_no_roster() {
    let mut net = Net::new(3);
    let proposal = motion(1, 1);
    net.propose(0, &proposal).unwrap();
    net.run();
    for at in net.all() {
        let [Decision::Carried(certificate)] = net.decisions(at, proposal.id())[..] else {
            panic!("not carried: {:?}", net.decisions(at, proposal.id()));
        };
        assert_eq!(certificate.verify(&net.electorate, &Unproven), Ok(()));
        assert!(net.council(at).roster().is_empty());
    }
    assert_eq!(
        net.propose(0, &motion(9, 1)),
        Err(ProposeError::NotAProposer(node(9)))
    );
}

#[test]
fn a_carried_motion_is_told_once_though_votes_were_lost() {
    let mut net = Net::new(3);
    let proposal = motion(1, 1);
    let id = net.propose(0, &proposal).unwrap();
    while let Some(envelope) = net.wire.pop_front() {
        let is_lost = matches!(
            (&envelope.message, envelope.from, envelope.to),
            (Message::Vote(_), 1 | 2, 0)
        );
        if !is_lost {
            net.deliver(envelope);
        }
    }
    net.run_for(Duration::from_secs(40));
    for at in net.all() {
        assert!(
            matches!(net.decisions(at, id)[..], [Decision::Carried(_)]),
            "station {at}: {:?}",
            net.decisions(at, id)
        );
    }
}

#[test]
fn who_proposes_what_is_settled_gets_the_proof() {
    let mut net = Net::new(3);
    net.cut(2);
    let proposal = admission(50);
    net.propose(0, &proposal).unwrap();
    net.run_for(Duration::from_secs(6));
    net.heal(2);
    net.run();
    assert!(net.council(2).roster().is_empty());

    net.propose(2, &proposal).unwrap();
    net.run();
    assert_eq!(net.council(2).roster(), net.council(0).roster());
    assert!(matches!(
        net.decisions(2, proposal.id())[..],
        [Decision::Carried(_)]
    ));
    let Err(ProposeError::Settled(proof)) = net.propose(0, &proposal) else {
        panic!("a settled candidate was put to the vote");
    };
    assert_eq!(proof.record().unwrap().node, node(50));
}

#[test]
fn an_older_attempt_is_superseded_by_a_later_one() {
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    let older = admission(50);
    let newer = Proposal::Admit(record(&signer(50), 1, 2, START_MS));
    net.cut(0);
    net.propose(0, &older).unwrap();
    net.propose(1, &newer).unwrap();
    net.run();
    let proof = net
        .council(1)
        .roster()
        .get(&node(50))
        .unwrap()
        .proof
        .clone();
    net.council_mut(0).handle_proof(proof.clone()).unwrap();
    net.pump(0);
    assert_eq!(net.decisions(0, older.id()), [&Decision::Superseded(proof)]);
    // The answer comes too late to be a vote.
    net.judge(0, older.id(), Choice::Yes);
    assert!(net.votes_sent(0).is_empty());
}

/// Station 0 alone knows that the first of two attempts was carried.
fn one_knows_of_the_first(net: &mut Net) -> Proposal {
    let older = certificate(&net.electorate, &admission(50), [1, 2]);
    let older = Arc::new(Proof::Admission(older));
    net.council_mut(0).handle_proof(older).unwrap();
    net.pump(0);
    assert_eq!(net.committed(0).len(), 1);
    Proposal::Admit(record(&signer(50), 1, 2, START_MS))
}

#[test]
fn who_knows_of_a_lesser_standing_is_told_of_the_larger() {
    let mut net = Net::new(3);
    let newer = one_knows_of_the_first(&mut net);
    net.cut(0);
    net.propose(1, &newer).unwrap();
    net.run();
    net.stations[0].is_cut = false;
    // The two others ask it for its vote, and it answers that they are late.
    net.run_for(Duration::from_secs(2));
    for at in [1, 2] {
        assert_eq!(net.committed(at).len(), 1);
        assert_eq!(net.council(0).roster(), net.council(at).roster());
    }
}

#[test]
fn a_life_that_is_entered_by_two_attempts_is_one_standing_everywhere() {
    let mut net = Net::new(3);
    let newer = one_knows_of_the_first(&mut net);
    net.stations[1].disk = Disk::Slow;
    net.propose(1, &newer).unwrap();
    net.run();
    // It writes its vote, the first attempt's proof, and the second's.
    net.flush(1);
    assert_eq!(net.committed(1).len(), 2);
    net.run();
    for at in [1, 2] {
        assert_eq!(net.council(0).roster(), net.council(at).roster());
    }
}

#[test]
fn votes_that_overtake_their_proposal_count() {
    let mut net = Net::new(3);
    let proposal = admission(50);
    net.stations[0].verdict = Verdict::Later;
    for voter in [2, 3] {
        let vote = vote(&net.electorate, &proposal, voter, Choice::Yes);
        net.council_mut(0).handle_vote(vote).unwrap();
    }
    net.pump(0);
    assert!(net.stations[0].log.is_empty());
    let now = net.now;
    net.council_mut(0)
        .handle_proposal(node(2), proposal.clone(), now)
        .unwrap();
    net.pump(0);
    assert!(matches!(
        net.decisions(0, proposal.id())[..],
        [Decision::Carried(_)]
    ));
}

#[test]
fn late_votes_widen_the_certificate() {
    let mut net = Net::new(3);
    net.stations[2].verdict = Verdict::Later;
    let id = net.propose(0, &admission(50)).unwrap();
    net.run();
    assert_eq!(signatures(&net, 0), 2);
    net.judge(2, id, Choice::Yes);
    net.run();
    for at in net.all() {
        assert_eq!(signatures(&net, at), 3);
        let widened = net.stations[at].log.iter().any(|output| {
            matches!(output, Output::Widened { node: of, proof }
                if *of == node(50) && proof.certificate().votes.len() == 3)
        });
        assert!(widened, "station {at} did not tell");
        assert_eq!(
            net.stations[at].store.proofs[&node(50)]
                .certificate()
                .votes
                .len(),
            3
        );
        assert!(matches!(net.decisions(at, id)[..], [Decision::Carried(_)]));
    }
}

#[test]
fn a_late_no_changes_nothing() {
    let mut net = Net::new(3);
    net.stations[2].verdict = Verdict::Later;
    let id = net.propose(0, &admission(50)).unwrap();
    net.run();
    net.judge(2, id, Choice::No);
    net.run();
    for at in net.all() {
        assert_eq!(signatures(&net, at), 2);
        assert!(matches!(net.decisions(at, id)[..], [Decision::Carried(_)]));
    }
}

#[test]
fn what_a_proof_has_settled_is_pending_no_longer() {
    let mut net = Net::new(5);
    let proposal = admission(50);
    for at in net.all() {
        net.stations[at].verdict = Verdict::Later;
    }
    let id = net.propose(0, &proposal).unwrap();
    let carried = certificate(&net.electorate, &proposal, [2, 3, 4]);
    let proof = Arc::new(Proof::Admission(carried));
    net.council_mut(0).handle_proof(proof).unwrap();
    net.pump(0);
    assert!(matches!(net.decisions(0, id)[..], [Decision::Carried(_)]));
    assert_eq!(net.council(0).pending(&node(50)).count(), 0);
    let late = vote(&net.electorate, &proposal, 5, Choice::Yes);
    net.council_mut(0).handle_vote(late).unwrap();
    assert_eq!(net.council(0).pending(&node(50)).count(), 0);
}

fn assert_admitted_everywhere(net: &Net, proposal: &Proposal) {
    for at in net.all() {
        let [Decision::Carried(certificate)] = net.decisions(at, proposal.id())[..] else {
            panic!(
                "station {at}: not carried once: {:?}",
                net.decisions(at, proposal.id())
            );
        };
        assert_eq!(certificate.verify(&net.electorate, &Unproven), Ok(()));
        assert_eq!(net.committed(at).len(), 1, "station {at}");
        let roster = net.council(at).roster();
        assert_eq!(roster.digest(), net.council(0).roster().digest());
        let Proposal::Admit(record) = proposal else {
            panic!("{proposal} is no admission");
        };
        assert_eq!(roster.member(&record.node), Some(record));
    }
}

fn signatures(net: &Net, at: usize) -> usize {
    let entry = net.council(at).roster().get(&node(50)).unwrap();
    entry.proof.certificate().votes.len()
}
