//! Votes go to whoever brought the question, which tells the others how it ends; and of a standing they learn without it.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::council::{Decision, Message, Output};
use quorate_consensus::{Choice, Named, ProposalId, Signature, Vote, VoteError};

use crate::net::{Envelope, Net, Verdict};
use crate::sample::{admission, motion, vote};

/// Delivers everything that is not lost, with no time passing; returns what was delivered.
fn run_but(net: &mut Net, is_lost: impl Fn(&Envelope) -> bool) -> Vec<Envelope> {
    let mut delivered = Vec::new();
    while let Some(envelope) = net.wire.pop_front() {
        if !is_lost(&envelope) {
            delivered.push(envelope.clone());
            net.deliver(envelope);
        }
    }
    delivered
}

fn run(net: &mut Net) -> Vec<Envelope> {
    run_but(net, |_| false)
}

/// The votes that whoever brought it passes on.
fn passes_on(envelope: &Envelope) -> bool {
    matches!(envelope.message, Message::Votes(_))
}

fn assert_carried(net: &Net, id: ProposalId, stations: impl IntoIterator<Item = usize>) {
    for at in stations {
        let decisions = net.decisions(at, id);
        assert!(
            matches!(decisions[..], [Decision::Carried(_)]),
            "station {at}: {decisions:?}"
        );
    }
}

fn counted(net: &Net, at: usize) -> usize {
    let is_count = |output: &&Output| matches!(output, Output::Counted { .. });
    net.stations[at].log.iter().filter(is_count).count()
}

#[test]
fn a_question_takes_three_or_four_messages_for_each_other_voter() {
    for (proposal, members) in [(motion(1, 1), 0), (admission(50), 1)] {
        let mut net = Net::new(5);
        let id = net.propose(0, &proposal).unwrap();
        let delivered = run(&mut net);
        assert_carried(&net, id, net.all());
        assert_eq!(net.poll_timeout(), None);
        let is_to_or_from_0 = |envelope: &Envelope| envelope.from == 0 || envelope.to == 0;
        assert!(delivered.iter().all(is_to_or_from_0));
        // The last late vote comes, and a standing's certificate is widened.
        assert_eq!(delivered.len(), (3 + members) * 4, "{delivered:?}");
        for at in net.all() {
            let entries = net.council(at).roster().iter();
            let votes = entries.map(|(_, entry)| entry.proof.certificate().votes.len());
            assert!(votes.eq((members > 0).then_some(5)), "station {at}");
        }
    }
}

#[test]
fn a_defeat_is_told_at_once_with_everybodys_reasons() {
    let mut net = Net::new(5);
    for at in 2..5 {
        net.stations[at].verdict = Verdict::No("not on the list");
    }
    let id = net.propose(0, &admission(50)).unwrap();
    run(&mut net);
    for at in net.all() {
        let [Decision::Defeated(reasons)] = net.decisions(at, id)[..] else {
            panic!("station {at}: {:?}", net.decisions(at, id));
        };
        assert_eq!(reasons.len(), 3);
        assert!(reasons.iter().all(|(_, why)| why == "not on the list"));
    }
}

#[test]
fn who_brings_it_too_hears_the_votes_itself() {
    let mut net = Net::new(3);
    let proposal = admission(50);
    let id = net.propose(0, &proposal).unwrap();
    net.propose(1, &proposal).unwrap();
    let is_vote = |envelope: &&Envelope| matches!(envelope.message, Message::Vote(_));
    let delivered = run(&mut net);
    let mut votes: Vec<(usize, usize)> = delivered
        .iter()
        .filter(is_vote)
        .map(|envelope| (envelope.from, envelope.to))
        .collect();
    votes.sort_unstable();
    votes.dedup();
    assert_eq!(votes, [(0, 1), (1, 0), (2, 0), (2, 1)]);
    assert_carried(&net, id, net.all());
}

#[test]
fn they_decide_without_who_brought_it() {
    for proposal in [motion(1, 1), admission(50)] {
        let mut net = Net::new(5);
        let id = net.propose(0, &proposal).unwrap();
        // It has all votes, and tells nobody.
        run_but(&mut net, passes_on);
        net.cut(0);
        assert!((1..5).all(|at| net.decisions(at, id).is_empty()));
        net.run_for(Duration::from_millis(400));
        assert_carried(&net, id, 1..5);
    }
}

#[test]
fn who_has_no_link_with_who_brought_it_hears_of_a_standing_from_others() {
    let proposal = admission(50);
    let mut net = Net::new(5);
    let id = net.propose(0, &proposal).unwrap();
    for _ in 0..4 {
        run_but(&mut net, |envelope| {
            [(0, 4), (4, 0)].contains(&(envelope.from, envelope.to))
        });
        net.now = net.now.after(Duration::from_millis(400));
        net.tick();
        net.all().for_each(|at| net.pump(at));
    }
    assert_carried(&net, id, [4]);
}

#[test]
fn a_standing_that_one_other_was_told_of_is_known_to_all() {
    let proposal = admission(50);
    let mut net = Net::new(5);
    net.stations[3].verdict = Verdict::No("");
    net.stations[4].verdict = Verdict::No("");
    let id = net.propose(0, &proposal).unwrap();
    run_but(&mut net, |envelope| passes_on(envelope) && envelope.to != 1);
    net.cut(0);
    // The first time that they ask is enough.
    net.run_for(Duration::from_millis(400));
    assert_carried(&net, id, 1..5);
}

#[test]
fn who_missed_the_votes_on_a_standing_asks_for_them_once() {
    let mut net = Net::new(5);
    net.propose(0, &admission(50)).unwrap();
    run_but(&mut net, |envelope| passes_on(envelope) && envelope.to == 1);
    net.run_for(Duration::from_millis(400));
    assert_eq!(net.council(1).roster().member_count(), 1);
    assert_eq!(net.poll_timeout(), None, "nobody waits for anything");
}

#[test]
fn votes_passed_on_are_looked_at_like_any() {
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    let proposal = admission(50);
    let id = net.propose(0, &proposal).unwrap();
    net.wire.clear();
    let electorate = net.electorate.clone();
    let good = |voter| Arc::new(vote(&electorate, &proposal, voter, Choice::Yes));
    let forged = Vote {
        signature: Signature::new([9; 64]),
        ..Vote::clone(&good(2))
    };
    let bundle = [Arc::new(forged), good(3)];
    assert!(matches!(
        net.council_mut(0).handle_votes(&bundle),
        Err(VoteError::Signature(_))
    ));
    net.pump(0);
    assert_eq!(counted(&net, 0), 1, "the good one counts all the same");
    let many = [good(2), good(2), good(2), good(2)];
    assert_eq!(
        net.council_mut(0).handle_votes(&many),
        Err(VoteError::TooMany { seats: 3, got: 4 })
    );
    net.pump(0);
    assert_eq!(counted(&net, 0), 1, "too many count for nothing");
    assert_eq!(net.council_mut(0).handle_votes(&[good(2)]), Ok(()));
    net.pump(0);
    assert_eq!(counted(&net, 0), 2);
    assert!(matches!(net.decisions(0, id)[..], [Decision::Carried(_)]));
}

#[test]
fn who_lost_its_store_takes_its_own_word_from_nobody() {
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    let proposal = admission(50);
    let id = net.propose(0, &proposal).unwrap();
    let electorate = net.electorate.clone();
    let said = |choice| Arc::new(vote(&electorate, &proposal, 1, choice));
    for choice in [Choice::Yes, Choice::No] {
        assert_eq!(net.council_mut(0).handle_votes(&[said(choice)]), Ok(()));
        assert_eq!(net.council_mut(0).handle_vote(said(choice)), Ok(()));
    }
    net.pump(0);
    assert_eq!(counted(&net, 0), 0);
    net.judge(0, id, Choice::Yes);
    assert_eq!(counted(&net, 0), 1);
}

#[test]
fn votes_passed_on_may_come_before_their_proposal() {
    let mut net = Net::new(3);
    let proposal = motion(1, 1);
    let electorate = net.electorate.clone();
    let votes = [1, 3].map(|voter| Arc::new(vote(&electorate, &proposal, voter, Choice::Yes)));
    assert_eq!(net.council_mut(1).handle_votes(&votes), Ok(()));
    let from = net.stations[0].id;
    let now = net.now;
    net.council_mut(1)
        .handle_proposal(from, proposal.clone(), now)
        .unwrap();
    net.pump(1);
    assert!(matches!(
        net.decisions(1, proposal.id())[..],
        [Decision::Carried(_)]
    ));
}

#[test]
fn a_named_proposal_travels_as_the_proposal_alone() {
    for proposal in [motion(1, 1), admission(50)] {
        let named = Named::from(proposal.clone());
        assert_eq!(named.id(), proposal.id());
        let json = serde_json::to_string(&named).unwrap();
        assert_eq!(json, serde_json::to_string(&proposal).unwrap());
        let read: Named = serde_json::from_str(&json).unwrap();
        assert_eq!(read, named);
    }
}
