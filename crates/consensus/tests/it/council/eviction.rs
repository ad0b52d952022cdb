//! Evictions: who may report whom, and what overtakes what.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::council::{Decision, ProposeError};
use quorate_consensus::{
    DeadReport, NetworkId, Proof, Proposal, ProposalError, ReportError, Standing,
};

use crate::net::{Net, Verdict};
use crate::sample::{
    NETWORK, START_MS, admission, certificate, departure, eviction, node, record, report, signer,
};

#[test]
fn a_members_report_evicts_with_a_quorum() {
    let mut net = with_members(&[50, 51]);
    let proposal = eviction(51, 50);
    net.propose(1, &proposal).unwrap();
    net.run();
    for at in net.all() {
        assert!(matches!(
            net.decisions(at, proposal.id())[..],
            [Decision::Carried(_)]
        ));
        let roster = net.council(at).roster();
        assert_eq!(
            roster.get(&node(50)).unwrap().key.standing,
            Standing::Evicted
        );
        assert_eq!(roster.member(&node(50)), None);
        assert_eq!(roster.member_count(), 1);
        assert_eq!(roster.digest(), net.council(0).roster().digest());
    }
}

#[test]
fn a_voters_report_will_do() {
    let mut net = with_members(&[50]);
    net.propose(0, &eviction(2, 50)).unwrap();
    net.run();
    assert_eq!(net.council(2).roster().member_count(), 0);
}

#[test]
fn a_suspect_that_answers_the_voters_probes_stays() {
    let mut net = with_members(&[50, 51]);
    net.stations[1].verdict = Verdict::No("it echoed my nonce");
    net.stations[2].verdict = Verdict::No("it echoed my nonce");
    let proposal = eviction(51, 50);
    net.propose(0, &proposal).unwrap();
    net.run();
    for at in net.all() {
        assert!(matches!(
            net.decisions(at, proposal.id())[..],
            [Decision::Defeated(_)]
        ));
        assert!(net.council(at).roster().member(&node(50)).is_some());
    }
}

#[test]
fn reports_that_open_no_vote() {
    let mut net = with_members(&[50, 51]);
    let by = |reporter: u64, suspect: u64, incarnation| {
        Proposal::Evict(report(
            &signer(reporter),
            node(suspect),
            incarnation,
            1,
            START_MS,
        ))
    };
    let unknown = |suspect, incarnation| ProposeError::UnknownSuspect {
        suspect: node(suspect),
        incarnation,
    };
    let signed = |reporter, testimonies| {
        let inquiry = report(&signer(50), node(50), 1, 1, START_MS).inquiry();
        let endpoint = "node.example:5000".to_owned();
        let reporter = signer(reporter);
        let report = DeadReport::sign(&reporter, inquiry, endpoint, START_MS, testimonies, vec![]);
        Proposal::Evict(report)
    };
    let own_word = report(&signer(50), node(50), 1, 1, START_MS).testimonies;
    let suspect_testifies = || {
        ProposeError::Content(ProposalError::Report(ReportError::SuspectTestifies(node(
            50,
        ))))
    };
    let mut foreign = report(&signer(51), node(50), 1, 1, START_MS);
    foreign.network = NetworkId::new([8; 32]);
    let mut forged = report(&signer(51), node(50), 1, 1, START_MS);
    forged.silent.push(node(52));
    let table = [
        (
            "a stranger's",
            by(99, 50, 1),
            ProposeError::NotAReporter(node(99)),
        ),
        ("of a stranger", by(51, 99, 1), unknown(99, 1)),
        ("of a life not lived yet", by(51, 50, 2), unknown(50, 2)),
        (
            "of a life before",
            by(51, 50, 0),
            ProposeError::Settled(
                net.council(0)
                    .roster()
                    .get(&node(50))
                    .unwrap()
                    .proof
                    .clone(),
            ),
        ),
        ("its own", signed(50, vec![]), suspect_testifies()),
        (
            "with the suspect as witness",
            signed(51, own_word),
            suspect_testifies(),
        ),
        (
            "of another network",
            Proposal::Evict(foreign),
            ProposeError::AnotherNetwork {
                expected: NETWORK,
                got: NetworkId::new([8; 32]),
            },
        ),
        (
            "changed on the way",
            Proposal::Evict(forged),
            ProposeError::Content(ProposalError::Report(ReportError::Signature {
                what: "report",
                by: node(51),
            })),
        ),
    ];
    for (what, proposal, expected) in table {
        assert_eq!(net.propose(0, &proposal), Err(expected), "{what}");
    }
    assert_eq!(net.poll_timeout(), None);
}

#[test]
fn an_evicted_member_can_report_nobody() {
    let mut net = with_members(&[50, 51]);
    net.propose(0, &eviction(51, 50)).unwrap();
    net.run();
    assert_eq!(
        net.propose(0, &eviction(50, 51)),
        Err(ProposeError::NotAReporter(node(50)))
    );
    let Err(ProposeError::Settled(proof)) = net.propose(0, &eviction(51, 50)) else {
        panic!("an evicted member was put to the vote again");
    };
    assert!(matches!(*proof, Proof::Eviction(_)));
}

#[test]
fn an_evicted_member_returns_in_its_next_life_only() {
    let mut net = with_members(&[50, 51]);
    net.propose(0, &eviction(51, 50)).unwrap();
    net.run();
    let same_life = Proposal::Admit(record(&signer(50), 1, 2, START_MS));
    assert!(matches!(
        net.propose(0, &same_life),
        Err(ProposeError::Settled(_))
    ));
    net.propose(0, &Proposal::Admit(record(&signer(50), 2, 1, START_MS)))
        .unwrap();
    net.run();
    for at in net.all() {
        assert_eq!(net.council(at).roster().member_count(), 2);
    }
}

#[test]
fn a_departure_overtakes_the_eviction() {
    let mut net = with_members(&[50, 51]);
    for at in net.all() {
        net.stations[at].verdict = Verdict::Later;
    }
    let proposal = eviction(51, 50);
    let id = net.propose(0, &proposal).unwrap();
    net.run();
    let admitted = net.council(0).roster().get(&node(50)).unwrap();
    let left = Arc::new(departure(admitted.proof.certificate().clone()));
    for at in net.all() {
        net.council_mut(at).handle_proof(left.clone()).unwrap();
    }
    net.run();
    for at in net.all() {
        assert_eq!(net.decisions(at, id), [&Decision::Superseded(left.clone())]);
        assert_eq!(
            net.council(at)
                .roster()
                .get(&node(50))
                .unwrap()
                .key
                .standing,
            Standing::Left
        );
    }
    assert!(matches!(
        net.propose(
            0,
            &Proposal::Evict(report(&signer(51), node(50), 1, 2, START_MS))
        ),
        Err(ProposeError::Settled(_))
    ));
}

#[test]
fn two_reports_of_one_death_evict_once() {
    let mut net = with_members(&[50, 51, 52]);
    let by = |reporter, attempt| {
        let report = report(&signer(reporter), node(50), 1, attempt, START_MS);
        Proposal::Evict(report)
    };
    let (first, second) = (by(51, 1), by(52, 2));
    net.stations[0].verdict = Verdict::Later;
    net.propose(0, &first).unwrap();
    net.propose(0, &second).unwrap();
    let carried = certificate(&net.electorate, &first, [2, 3]);
    let proof = Arc::new(Proof::Eviction(carried));
    net.council_mut(0).handle_proof(proof.clone()).unwrap();
    net.pump(0);
    assert!(matches!(
        net.decisions(0, first.id())[..],
        [Decision::Carried(_)]
    ));
    assert_eq!(
        net.decisions(0, second.id()),
        [&Decision::Superseded(proof)]
    );
}

/// The admission waits for voter 3's late vote when the member leaves again.
#[test]
fn what_has_been_decided_is_not_superseded_afterwards() {
    let mut net = Net::new(3);
    net.cut(2);
    let id = net.propose(0, &admission(50)).unwrap();
    net.run_for(Duration::from_secs(1));
    let admitted = certificate(&net.electorate, &admission(50), [1, 2]);
    let left = Arc::new(departure(admitted));
    net.council_mut(0).handle_proof(left).unwrap();
    net.pump(0);
    net.run_for(Duration::from_secs(10));
    assert!(matches!(net.decisions(0, id)[..], [Decision::Carried(_)]));
    assert_eq!(net.council(0).roster().member_count(), 0);
}

/// Three voters and these members.
fn with_members(members: &[u64]) -> Net {
    let mut net = Net::new(3);
    for member in members {
        net.propose(0, &admission(*member)).unwrap();
    }
    net.run();
    assert_eq!(net.council(2).roster().member_count(), members.len());
    net
}
