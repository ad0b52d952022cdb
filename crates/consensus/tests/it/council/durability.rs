//! A vote is written before it is sent, a proof before it is announced, and neither is taken back by a crash.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::council::{Decision, Durable, Message, Output};
use quorate_consensus::{
    Choice, NetworkId, Proof, ProofError, Proposal, QuorumRule, Standing, Unproven,
};

use crate::net::{Disk, Net, Verdict};
use crate::sample::{
    START_MS, admission, certificate, electorate_of, eviction, node, record, signer, vote,
};

#[test]
fn a_vote_never_leaves_before_it_is_written() {
    let mut net = Net::new(3);
    net.stations[0].disk = Disk::Slow;
    let id = net.propose(0, &admission(50)).unwrap();
    net.run_for(Duration::from_secs(2));
    assert_eq!(
        net.stations[0].writes.len(),
        2,
        "the vote and the certificate"
    );
    assert!(net.votes_sent(0).is_empty());
    net.flush(0);
    let sent: Vec<_> = net.votes_sent(0).iter().map(|vote| vote.proposal).collect();
    assert_eq!(sent, [id, id], "one to each other voter");
}

#[test]
fn a_certificate_is_not_announced_before_it_is_written() {
    let mut net = Net::new(3);
    net.stations[0].disk = Disk::Slow;
    let id = net.propose(0, &admission(50)).unwrap();
    net.run();
    assert!(net.council(0).roster().is_empty());
    assert!(net.committed(0).is_empty());
    assert!(net.decisions(0, id).is_empty());
    net.flush(0);
    assert_eq!(net.council(0).roster(), net.council(1).roster());
    assert_eq!(net.committed(0).len(), 1);
    assert!(matches!(net.decisions(0, id)[..], [Decision::Carried(_)]));
}

#[test]
fn a_proof_from_elsewhere_is_not_announced_before_it_is_written() {
    let mut net = Net::new(3);
    net.stations[0].disk = Disk::Slow;
    let proof = Proof::Admission(certificate(&net.electorate, &admission(50), [2, 3]));
    net.council_mut(0).handle_proof(Arc::new(proof)).unwrap();
    net.pump(0);
    assert!(net.committed(0).is_empty());
    net.flush(0);
    assert_eq!(net.committed(0).len(), 1);
}

#[test]
fn a_disk_that_fails_withholds_the_vote() {
    let mut net = Net::new(3);
    net.cut(2);
    net.stations[0].disk = Disk::Broken;
    let id = net.propose(0, &admission(50)).unwrap();
    net.run_for(Duration::from_secs(6));
    assert!(net.votes_sent(0).is_empty());
    let silent = ["seat-1", "seat-3"].map(str::to_owned).to_vec();
    for at in [0, 1] {
        assert_eq!(
            net.decisions(at, id),
            [&Decision::Expired {
                silent: silent.clone()
            }]
        );
    }
}

#[test]
fn a_certificate_that_cannot_be_written_is_not_announced() {
    let mut net = Net::new(3);
    net.stations[0].disk = Disk::Slow;
    let id = net.propose(0, &admission(50)).unwrap();
    net.run();
    for (write, durable) in std::mem::take(&mut net.stations[0].writes) {
        if matches!(durable, Durable::Proof(_)) {
            net.council_mut(0).handle_persist_failed(write);
        }
    }
    net.run_for(Duration::from_secs(40));
    assert_eq!(net.decisions(0, id)[0], &Decision::NotDurable);
    assert!(net.committed(0).is_empty());
    assert!(net.council(0).roster().is_empty());
    assert_eq!(net.committed(1).len(), 1, "the others are not concerned");
}

#[test]
fn a_restarted_council_repeats_its_vote_and_never_the_opposite() {
    let mut net = Net::new(3);
    net.cut(1);
    net.cut(2);
    let proposal = admission(50);
    net.propose(0, &proposal).unwrap();
    let before = net.stations[0].store.votes[&proposal.id()].1.clone();
    net.crash(0);
    net.restart(0);
    net.stations[0].verdict = Verdict::No("changed my mind");
    net.stations[0].log.clear();
    net.propose(0, &proposal).unwrap();
    let sent = net.votes_sent(0);
    assert!(!sent.is_empty() && sent.iter().all(|vote| **vote == before));
    let asked = |output: &Output| matches!(output, Output::Judge { .. });
    assert!(!net.stations[0].log.iter().any(asked));
    net.heal(1);
    net.run();
    assert!(net.council(1).roster().member(&node(50)).is_some());
}

#[test]
fn a_restored_vote_that_decides_decides() {
    let mut net = Net::new(1);
    let proposal = admission(50);
    net.stations[0].disk = Disk::Slow;
    net.propose(0, &proposal).unwrap();
    // Crashed between its vote and its certificate.
    let (_, durable) = net.stations[0].writes.pop_front().unwrap();
    net.stations[0].store.write(durable);
    net.crash(0);
    net.stations[0].disk = Disk::Prompt;
    net.restart(0);
    let id = net.propose(0, &proposal).unwrap();
    assert!(matches!(net.decisions(0, id)[..], [Decision::Carried(_)]));
}

#[test]
fn a_restored_no_that_defeats_is_still_sent_to_who_asks() {
    let mut net = Net::with(
        electorate_of(crate::sample::NETWORK, 0, QuorumRule::Unanimous, 3),
        quorate_consensus::council::Config::default(),
    );
    net.cut(0);
    net.stations[1].verdict = Verdict::No("full");
    net.cut(2);
    let proposal = admission(50);
    net.propose(1, &proposal).unwrap();
    net.crash(1);
    net.restart(1);
    net.heal(0);
    net.propose(0, &proposal).unwrap();
    net.run();
    assert!(matches!(
        net.decisions(0, proposal.id())[..],
        [Decision::Defeated(_)]
    ));
}

#[test]
fn a_restarted_council_keeps_what_it_committed() {
    let mut net = Net::new(3);
    net.propose(0, &admission(50)).unwrap();
    net.propose(1, &admission(51)).unwrap();
    net.run();
    let before = net.council(0).roster().digest();
    for at in net.all() {
        net.crash(at);
    }
    for at in net.all() {
        net.restart(at);
        assert_eq!(net.council(at).roster().digest(), before);
    }
}

#[test]
fn a_store_of_another_network_is_refused() {
    let other = electorate_of(NetworkId::new([8; 32]), 0, QuorumRule::Majority, 3);
    let proof = Arc::new(Proof::Admission(certificate(
        &other,
        &admission(50),
        [1, 2],
    )));
    let mut net = Net::new(3);
    assert!(matches!(
        net.council_mut(0).restore_proof(proof),
        Err(ProofError::Certificate(_))
    ));
}

/// The vote ends while its own voter's disk is still writing, is asked about again, and is judged the other way: only
/// what was written may leave.
#[test]
fn a_vote_that_outlived_its_matter_is_not_taken_for_the_next() {
    let mut net = Net::new(3);
    let proposal = admission(50);
    net.cut(0);
    net.stations[0].disk = Disk::Slow;
    net.stations[0].verdict = Verdict::Yes;
    let id = net.propose(0, &proposal).unwrap();
    net.run_for(Duration::from_secs(6));
    assert!(matches!(
        net.decisions(0, id)[..],
        [Decision::Expired { .. }]
    ));
    // Asked again; whatever it would say now, its word is being written.
    net.stations[0].verdict = Verdict::No("");
    let now = net.now;
    net.council_mut(0)
        .handle_proposal(node(2), proposal, now)
        .unwrap();
    net.pump(0);
    let (write, durable) = net.stations[0].writes.pop_front().unwrap();
    net.stations[0].store.write(durable);
    net.council_mut(0).handle_persisted(write);
    net.pump(0);
    for vote in net.votes_sent(0) {
        assert_eq!(vote, &net.stations[0].store.votes[&id].1);
    }
    assert!(!net.votes_sent(0).is_empty());
}

#[test]
fn a_lesser_proof_never_overwrites_a_larger_one_on_its_way_to_the_disk() {
    let mut net = Net::new(3);
    net.stations[0].disk = Disk::Slow;
    let admitted = Proof::Admission(certificate(&net.electorate, &admission(50), [2, 3]));
    let evicted = Proof::Eviction(certificate(&net.electorate, &eviction(1, 50), [2, 3]));
    for proof in [evicted, admitted] {
        net.council_mut(0).handle_proof(Arc::new(proof)).unwrap();
        net.pump(0);
    }
    net.flush(0);
    let standing = |net: &Net| net.council(0).roster().get(&node(50)).unwrap().key.standing;
    assert_eq!(standing(&net), Standing::Evicted);
    net.crash(0);
    net.restart(0);
    assert_eq!(standing(&net), Standing::Evicted);
}

#[test]
fn what_adds_nothing_is_not_written_again() {
    let mut net = Net::new(3);
    let wide = Proof::Admission(certificate(&net.electorate, &admission(50), [1, 2, 3]));
    let narrow = Proof::Admission(certificate(&net.electorate, &admission(50), [1, 2]));
    for disk in [Disk::Slow, Disk::Prompt] {
        net.stations[0].disk = disk;
        for proof in [&wide, &narrow, &wide] {
            net.council_mut(0)
                .handle_proof(Arc::new(proof.clone()))
                .unwrap();
            net.pump(0);
        }
        net.flush(0);
    }
    let written = |output: &&Output| matches!(output, Output::Persist { .. });
    assert_eq!(net.stations[0].log.iter().filter(written).count(), 1);
}

#[test]
fn a_slow_disk_does_not_turn_a_carried_vote_into_an_expired_one() {
    let mut net = Net::new(3);
    let proposal = admission(50);
    let id = net.propose(0, &proposal).unwrap();
    net.stations[1].disk = Disk::Slow;
    net.run_for(Duration::from_secs(12));
    assert_eq!(net.decisions(1, id), [] as [&Decision; 0]);
    net.flush(1);
    assert!(matches!(net.decisions(1, id)[..], [Decision::Carried(_)]));
    net.run_for(Duration::from_secs(12));
    assert_eq!(net.poll_timeout(), None);
}

#[test]
fn a_vote_written_after_the_vote_has_ended_is_remembered() {
    let mut net = Net::new(3);
    let proposal = Proposal::Admit(record(&signer(50), 1, 1, START_MS));
    net.cut(0);
    net.stations[0].disk = Disk::Slow;
    let id = net.propose(0, &proposal).unwrap();
    net.run_for(Duration::from_secs(6));
    net.flush(0);
    assert!(net.votes_sent(0).is_empty(), "nobody waits for it here");
    net.stations[0].verdict = Verdict::No("");
    net.propose(0, &proposal).unwrap();
    net.flush(0);
    let said: Vec<_> = net.votes_sent(0).iter().map(|vote| vote.choice).collect();
    assert_eq!(said, [Choice::Yes, Choice::Yes]);
    assert_eq!(net.stations[0].store.votes[&id].1.choice, Choice::Yes);
}

#[test]
fn an_unanswered_write_sends_no_vote_with_a_retransmission_either() {
    let mut net = Net::new(3);
    net.stations[0].disk = Disk::Slow;
    let id = net.propose(0, &admission(50)).unwrap();
    net.council_mut(0).handle_voter_up(node(2));
    net.run_for(Duration::from_secs(1));
    let proposals = |output: &&Output| {
        matches!(
            output,
            Output::Send {
                message: Message::Proposal(_),
                ..
            }
        )
    };
    assert!(net.stations[0].log.iter().filter(proposals).count() >= 2);
    assert!(net.votes_sent(0).is_empty());
    // Nor does a vote of another make it count its own.
    let carried = vote(&net.electorate, &admission(50), 3, Choice::Yes);
    assert!(carried.verify(&net.electorate, &Unproven).is_ok());
    assert_eq!(net.decisions(0, id), [] as [&Decision; 0]);
}
