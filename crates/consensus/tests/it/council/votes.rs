//! Whose votes count, and when a voter gives its own.

use std::time::Duration;

use quorate_consensus::council::{Decision, Output, ProposeError};
use quorate_consensus::{
    Choice, Equivocation, MOTION_LEN_MAX, Motion, NetworkId, Proposal, ProposalError, QuorumRule,
    Unproven, VOTING_WINDOW_MS, VoteError,
};

use crate::net::{Net, Verdict};
use crate::sample::{NETWORK, START_MS, admission, electorate_of, node, record, signer, vote};

const WINDOW: Duration = Duration::from_millis(VOTING_WINDOW_MS);

#[test]
fn a_voter_that_votes_both_ways_is_reported_and_changes_no_outcome() {
    for first in [Choice::Yes, Choice::No] {
        let mut net = Net::new(3);
        net.cut(2);
        let proposal = admission(50);
        for at in net.all() {
            net.stations[at].verdict = Verdict::Later;
        }
        let id = net.propose(0, &proposal).unwrap();
        let second = match first {
            Choice::Yes => Choice::No,
            Choice::No => Choice::Yes,
        };
        let electorate = net.electorate.clone();
        let say = |net: &mut Net, choice| {
            let vote = vote(&electorate, &proposal, 2, choice);
            let handled = net.council_mut(0).handle_vote(vote);
            net.pump(0);
            handled
        };
        assert_eq!(say(&mut net, first), Ok(()));
        assert!(matches!(
            say(&mut net, second),
            Err(VoteError::Equivocation(_))
        ));
        let [evidence] = evidence(&net, 0)[..] else {
            panic!("expected one piece of evidence");
        };
        assert_eq!(evidence.verify(&net.electorate, &Unproven), Ok(()));
        assert_eq!(evidence.first.choice, first);
        // Its first word counts: with that and one more, whichever it is, the vote ends accordingly.
        net.judge(0, id, first);
        let decisions = net.decisions(0, id);
        match first {
            Choice::Yes => assert!(matches!(decisions[..], [Decision::Carried(_)])),
            Choice::No => assert!(matches!(decisions[..], [Decision::Defeated(_)])),
        }
    }
}

#[test]
fn contradicting_votes_that_came_early_are_reported_with_the_proposal() {
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    let proposal = admission(50);
    for choice in [Choice::Yes, Choice::No] {
        let vote = vote(&net.electorate, &proposal, 2, choice);
        assert_eq!(net.council_mut(0).handle_vote(vote), Ok(()));
    }
    net.propose(0, &proposal).unwrap();
    assert_eq!(evidence(&net, 0).len(), 1);
}

#[test]
fn foreign_and_forged_votes_are_refused() {
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    let proposal = admission(50);
    net.propose(0, &proposal).unwrap();
    let here = net.electorate.clone();
    let cast = |electorate, voter| vote(electorate, &proposal, voter, Choice::Yes);
    let stranger = cast(&here, 9);
    assert_eq!(
        net.council_mut(0).handle_vote(stranger),
        Err(VoteError::NotAVoter(node(9)))
    );
    let mut flipped = cast(&here, 2);
    flipped.choice = Choice::No;
    let mut renamed = cast(&here, 3);
    renamed.voter = node(2);
    for forged in [
        cast(
            &electorate_of(NetworkId::new([8; 32]), 0, QuorumRule::Majority, 3),
            2,
        ),
        cast(&electorate_of(NETWORK, 1, QuorumRule::Majority, 3), 2),
        cast(&electorate_of(NETWORK, 0, QuorumRule::Unanimous, 3), 2),
        flipped,
        renamed,
    ] {
        assert_eq!(
            net.council_mut(0).handle_vote(forged),
            Err(VoteError::Signature(node(2)))
        );
    }
    let pending: Vec<_> = net.council(0).pending(&node(50)).collect();
    assert_eq!(pending[0].1.len(), 3, "none of them was counted");
}

#[test]
fn a_voter_takes_part_only_within_thirty_seconds_of_the_opening() {
    for (offset, is_open) in [
        (-30_001, false),
        (-30_000, true),
        (30_000, true),
        (30_001, false),
    ] {
        let opened_ms = START_MS.checked_add_signed(offset).unwrap();
        let proposal = Proposal::Admit(record(&signer(50), 1, 1, opened_ms));
        let expected = if is_open {
            Ok(proposal.id())
        } else {
            Err(ProposeError::OutsideWindow {
                opened_ms,
                now_ms: START_MS,
            })
        };
        let mut net = Net::new(3);
        assert_eq!(
            net.propose(0, &proposal),
            expected,
            "opened {offset} ms off"
        );
        let now = net.now;
        let handled = net.council_mut(1).handle_proposal(node(1), proposal, now);
        assert_eq!(handled, expected.map(|_| ()));
    }
}

#[test]
fn a_judgement_after_the_window_has_closed_is_no_vote() {
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    net.cut(1);
    net.cut(2);
    let opened_ms = START_MS - VOTING_WINDOW_MS + 1000;
    let proposal = Proposal::Admit(record(&signer(50), 1, 1, opened_ms));
    let id = net.propose(0, &proposal).unwrap();
    net.run_for(Duration::from_millis(1001));
    net.judge(0, id, Choice::Yes);
    assert!(net.stations[0].store.votes.is_empty());
    assert!(net.votes_sent(0).is_empty());
}

#[test]
fn who_abstains_casts_no_vote_and_votes_again_afterwards() {
    let mut net = Net::new(3);
    let until = net.now.after(2 * WINDOW);
    net.council_mut(2).abstain_until(until.instant);
    net.propose(0, &admission(50)).unwrap();
    net.run();
    assert!(net.votes_sent(2).is_empty());
    let asked = |output: &Output| matches!(output, Output::Judge { .. });
    assert!(!net.stations[2].log.iter().any(asked));
    // It takes in what the others decided.
    net.exchange_proofs();
    assert!(net.council(2).roster().member(&node(50)).is_some());

    net.run_for(2 * WINDOW);
    let next = Proposal::Admit(record(&signer(51), 1, 1, net.now.unix_ms));
    net.propose(0, &next).unwrap();
    net.run();
    assert!(!net.votes_sent(2).is_empty());
}

#[test]
fn who_begins_to_abstain_gives_no_judgement_it_was_asked_for_before() {
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    let id = net.propose(0, &admission(50)).unwrap();
    let until = net.now.after(2 * WINDOW);
    net.council_mut(0).abstain_until(until.instant);
    net.judge(0, id, Choice::Yes);
    assert!(net.stations[0].store.votes.is_empty());
}

#[test]
fn who_abstains_still_repeats_a_vote_it_remembers() {
    let mut net = Net::new(3);
    let proposal = admission(50);
    net.cut(1);
    net.cut(2);
    net.propose(0, &proposal).unwrap();
    net.crash(0);
    net.restart(0);
    let until = net.now.after(2 * WINDOW);
    net.council_mut(0).abstain_until(until.instant);
    net.stations[0].log.clear();
    net.propose(0, &proposal).unwrap();
    assert_eq!(net.votes_sent(0).len(), 2);
}

#[test]
fn a_wall_clock_that_jumps_does_not_make_a_voter_forget_its_word() {
    let mut net = Net::new(3);
    net.cut(1);
    net.cut(2);
    let proposal = admission(50);
    let id = net.propose(0, &proposal).unwrap();
    let mut jumped = net.now.after(Duration::from_secs(6));
    jumped.unix_ms += 3_600_000;
    net.council_mut(0).handle_timeout(jumped);
    net.pump(0);
    // The clock is put right, and somebody brings the same proposal again within its window.
    net.now = net.now.after(Duration::from_secs(7));
    net.stations[0].verdict = Verdict::No("changed my mind");
    let now = net.now;
    net.council_mut(0)
        .handle_proposal(node(2), proposal, now)
        .unwrap();
    net.pump(0);
    assert!(
        net.votes_sent(0)
            .iter()
            .all(|vote| vote.proposal == id && vote.choice == Choice::Yes)
    );
}

#[test]
fn a_motion_of_ones_own_is_signed_and_decided_as_any_other_and_no_longer_than_it_may_be() {
    let mut net = Net::new(3);
    let now = net.now;
    let id = net
        .council_mut(0)
        .propose_motion("tea", "at five", 7, now)
        .unwrap();
    let signed = Motion::sign(&signer(1), NETWORK, "tea", "at five", 7, now.unix_ms);
    assert_eq!(id, Proposal::Motion(signed).id());
    net.pump(0);
    net.run_for(Duration::from_secs(1));
    for at in net.all() {
        let [Decision::Carried(certificate)] = net.decisions(at, id)[..] else {
            panic!("expected that it is carried at {at}");
        };
        assert_eq!(certificate.verify(&net.electorate, &Unproven), Ok(()));
    }
    let too_long = net
        .council_mut(0)
        .propose_motion("tea", vec![0; MOTION_LEN_MAX], 8, now);
    assert_eq!(
        too_long,
        Err(ProposeError::Content(ProposalError::MotionTooLong(
            MOTION_LEN_MAX + 3
        )))
    );
}

fn evidence(net: &Net, at: usize) -> Vec<&Equivocation> {
    let log = net.stations[at].log.iter();
    log.filter_map(|output| match output {
        Output::Equivocated(evidence) => Some(&**evidence),
        _ => None,
    })
    .collect()
}
