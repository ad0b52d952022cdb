//! Planted faults: what each breaks holds without it.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::assembly::{self, Config};
use quorate_consensus::council::Output;
use quorate_consensus::succession::{self, Chain, Change, Message, Statement};
use quorate_consensus::{
    Assembly, Choice, DeadReport, Finding, Inquiry, Merged, NetworkId, Proof, Proposal, QuorumRule,
    Roster, Signature, Standing, Testimony, Unproven,
};
use quorate_planted::{Fault, with};

use crate::net::{Disk, Net};
use crate::sample::{
    NETWORK, START_MS, admission, certificate, electorate, electorate_of, eviction, node, record,
    signer, start, vote,
};
use crate::succession::ring::{Ring, drain, statements};

/// Whether something goes wrong with the fault, and only then.
fn assert_breaks(fault: Fault, goes_wrong: impl Fn() -> bool) {
    assert!(!with(None, &goes_wrong), "without {fault}");
    assert!(with(Some(fault), &goes_wrong), "with {fault}");
}

/// Three councils, the first with a disk that takes its time, and a candidate that all of them like.
fn on_slow_disk() -> Net {
    let mut net = Net::new(3);
    net.stations[0].disk = Disk::Slow;
    net.propose(0, &admission(50)).unwrap();
    net.run();
    net
}

#[test]
fn vote_before_persist() {
    assert_breaks(Fault::VoteBeforePersist, || {
        !on_slow_disk().votes_sent(0).is_empty()
    });
}

#[test]
fn store_ignored() {
    assert_breaks(Fault::StoreIgnored, || {
        let net = on_slow_disk();
        net.votes_sent(0).is_empty() && net.committed(0).len() == 1
    });
}

#[test]
fn electorate_by_who_is_up() {
    assert_breaks(Fault::ElectorateByWhoIsUp, || {
        let mut net = Net::new(3);
        net.cut(1);
        net.cut(2);
        net.propose(0, &admission(50)).unwrap();
        net.run();
        assert!(
            net.council(0).roster().is_empty(),
            "before it repeats itself"
        );
        net.run_for(Duration::from_secs(2));
        net.council(0).roster().member(&node(50)).is_some()
    });
    // What a minority decided is accepted when the others are back.
    with(Some(Fault::ElectorateByWhoIsUp), || {
        let alone = certificate(&electorate(3), &admission(50), [1]);
        assert_eq!(alone.verify(&electorate(3), &Unproven), Ok(()));
    });
}

#[test]
fn certificate_one_short() {
    let is_accepted = |voters: &[u64]| {
        let certificate = certificate(&electorate(5), &admission(50), voters.iter().copied());
        certificate.verify(&electorate(5), &Unproven).is_ok()
    };
    assert_breaks(Fault::CertificateOneShort, || is_accepted(&[1, 2]));
    with(Some(Fault::CertificateOneShort), || {
        assert!(!is_accepted(&[1]));
    });
}

#[test]
fn network_id_unchecked() {
    let network = NetworkId::new([8; 32]);
    let here = electorate_of(network, 0, QuorumRule::Majority, 3);
    let elsewhere = certificate(&electorate(3), &admission(50), [1, 2]);
    assert_breaks(Fault::NetworkIdUnchecked, || {
        elsewhere.verify(&here, &Unproven).is_ok()
    });
    with(Some(Fault::NetworkIdUnchecked), || {
        let strangers = certificate(&electorate(9), &admission(50), [8, 9]);
        assert!(strangers.verify(&here, &Unproven).is_err());
        let own = certificate(&electorate(3), &admission(50), [1, 2]);
        assert_eq!(own.verify(&electorate(3), &Unproven), Ok(()));
    });
}

/// What a roster holds of node 50 after these.
fn merged(proposals: &[Proposal]) -> (u64, Standing) {
    let electorate = electorate(3);
    let mut roster = Roster::new();
    for proposal in proposals {
        let proof = Proof::of(certificate(&electorate, proposal, [1, 2])).unwrap();
        let proof = Arc::new(proof).verify(&electorate, &Unproven).unwrap();
        let _merged: Merged = roster.merge(proof);
    }
    let key = roster.get(&node(50)).unwrap().key;
    (key.incarnation, key.standing)
}

#[test]
fn incarnation_ignored() {
    let next_life = Proposal::Admit(record(&signer(50), 2, 1, START_MS));
    let lives = [admission(50), eviction(9, 50), next_life];
    assert_eq!(with(None, || merged(&lives)), (2, Standing::Admitted));
    assert_breaks(Fault::IncarnationIgnored, || {
        merged(&lives) == (1, Standing::Evicted)
    });
}

#[test]
fn roster_prefers_older() {
    let life = [admission(50), eviction(9, 50)];
    assert_eq!(with(None, || merged(&life)), (1, Standing::Evicted));
    assert_breaks(Fault::RosterPrefersOlder, || {
        merged(&life) == (1, Standing::Admitted)
    });
}

#[test]
fn witness_signatures_unchecked() {
    let inquiry = Inquiry {
        network: NETWORK,
        suspect: node(50),
        incarnation: 1,
        attempt: 1,
    };
    let mut forged = Testimony::sign(&signer(8), inquiry, Finding::Unreachable, "");
    forged.signature = Signature::new([1; 64]);
    let endpoint = "node.example:5000".to_owned();
    let report = DeadReport::sign(
        &signer(9),
        inquiry,
        endpoint,
        START_MS,
        vec![forged],
        vec![],
    );
    assert_breaks(Fault::WitnessSignaturesUnchecked, || {
        report.verify(&Unproven).is_ok()
    });
}

#[test]
fn evidence_swallowed() {
    assert_breaks(Fault::EvidenceSwallowed, || {
        let mut net = Net::new(3);
        let proposal = admission(50);
        net.cut(1);
        net.propose(0, &proposal).unwrap();
        for choice in [Choice::Yes, Choice::No] {
            let vote = vote(&net.electorate, &proposal, 2, choice);
            let _both_ways = net.council_mut(0).handle_vote(vote);
        }
        net.pump(0);
        let is_evidence = |output: &Output| matches!(output, Output::Equivocated(_));
        !net.stations[0].log.iter().any(is_evidence)
    });
    assert_breaks(Fault::EvidenceSwallowed, || {
        let (ring, mut member) = second_of_three();
        let candidate = ring.record(50, 1);
        for choice in [Choice::Yes, Choice::No] {
            let opinion = Message::Opinion(ring.opinion(1, &candidate, choice));
            hear(&ring, &mut member, opinion);
        }
        let is_evidence =
            |output: &assembly::Output| matches!(output, assembly::Output::Evidence(_));
        !outputs(&mut member).iter().any(is_evidence)
    });
    assert_breaks(Fault::EvidenceSwallowed, || {
        let (ring, mut member) = second_of_three();
        // The founder has let in somebody else first.
        let alone = Ring::new(1);
        let other = alone.link(alone.admission(&alone.record(9, 1)), &[1]);
        let links = assembly::Message::Links(vec![Arc::new(other)]);
        member.handle_message(ring.id(1), links, start()).unwrap();
        member.fork().is_none()
    });
}

/// Member 2 of three, linked with member 1.
fn second_of_three() -> (Ring, Assembly) {
    let ring = Ring::new(3);
    let mut chain = Chain::found(ring.founding.clone(), ring.scheme).unwrap();
    for link in &ring.links {
        chain.extend(link.clone(), ring.scheme).unwrap();
    }
    let (signer, scheme) = (Arc::new(signer(2)), Arc::new(Unproven));
    let mut member = Assembly::new(signer, scheme, chain, [], Config::default(), 1, start());
    member.handle_met(ring.id(1), start());
    outputs(&mut member);
    (ring, member)
}

fn hear(ring: &Ring, member: &mut Assembly, message: succession::Message) {
    let message = assembly::Message::Succession(Box::new(message));
    member.handle_message(ring.id(1), message, start()).unwrap();
}

fn outputs(member: &mut Assembly) -> Vec<assembly::Output> {
    std::iter::from_fn(|| member.poll_output()).collect()
}

#[test]
fn acceptance_before_persist() {
    assert_breaks(Fault::AcceptanceBeforePersist, || {
        let (ring, mut member) = second_of_three();
        let prepare = Statement::Prepare(ring.ballot(1, 1));
        hear(&ring, &mut member, ring.at(prepare));
        let is_promise = |output: &assembly::Output| {
            let assembly::Output::Send {
                message: assembly::Message::Succession(message),
                ..
            } = output
            else {
                return false;
            };
            let Message::At { statement, .. } = &**message else {
                return false;
            };
            matches!(statement, Statement::Promise { .. })
        };
        // Nobody has said that anything is durable.
        outputs(&mut member).iter().any(is_promise)
    });
}

#[test]
fn allow_of_most() {
    let ring = Ring::new(3);
    let candidate = ring.record(50, 1);
    let allowed_by = |voters: &[u64]| {
        let Change::Admit { record, mut allows } = ring.admission(&candidate) else {
            return false;
        };
        allows.retain(|voter, _| voters.iter().any(|number| ring.id(*number) == *voter));
        let change = Change::Admit { record, allows };
        change.verify(&ring.membership, ring.scheme).is_ok()
    };
    assert_breaks(Fault::AllowOfMost, || allowed_by(&[1, 3]));
    assert_breaks(Fault::AllowOfMost, || {
        let mut part = ring.part(1);
        ring.bring(1, &mut part, &candidate, &[1, 2]);
        part.choice().is_some()
    });
    with(Some(Fault::AllowOfMost), || {
        assert!(allowed_by(&[1, 2, 3]));
        assert!(!allowed_by(&[1]));
    });
}

#[test]
fn promise_ignored() {
    let ring = Ring::new(3);
    let says = |wanted: fn(&Statement) -> bool, second: Statement| {
        let mut part = ring.part(1);
        for (from, statement) in [(2, Statement::Prepare(ring.ballot(5, 2))), (3, second)] {
            drain(&mut part);
            let message = ring.at(statement);
            part.handle_message(ring.id(from), message, &ring.keys(1))
                .unwrap();
        }
        statements(&drain(&mut part)).into_iter().any(wanted)
    };
    assert_breaks(Fault::PromiseIgnored, || {
        let is_promise = |said: &Statement| matches!(said, Statement::Promise { .. });
        says(is_promise, Statement::Prepare(ring.ballot(4, 3)))
    });
    assert_breaks(Fault::PromiseIgnored, || {
        let change = Change::Leave(ring.leave(3));
        let promises = [2, 3].map(|voter| ring.promise(voter, ring.ballot(4, 3), None));
        let is_acceptance = |said: &Statement| matches!(said, Statement::Accepted(_));
        says(is_acceptance, ring.accept(3, 4, &change, promises.to_vec()))
    });
}
