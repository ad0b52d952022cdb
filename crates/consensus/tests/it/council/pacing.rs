//! What is lost is sent again, ever more slowly, and not for ever.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::council::{Config, Message, Output};
use quorate_consensus::{Choice, Council, NodeId, Unproven};

use crate::net::{Net, Verdict};
use crate::sample::{admission, electorate, node, signer, start, vote};

#[test]
fn pauses_double_up_to_the_limit_and_end_at_the_deadline() {
    let config = Config {
        deadline: Duration::from_secs(20),
        resend_first: Duration::from_millis(300),
        resend_max: Duration::from_secs(2),
        ..Config::default()
    };
    let sendings = sendings(config);
    assert_eq!(sendings[0], Duration::ZERO);
    let mut expected = Duration::from_millis(300);
    for pair in sendings.windows(2) {
        let pause = pair[1].saturating_sub(pair[0]);
        assert!(
            pause >= expected.mul_f64(0.75) && pause <= expected.mul_f64(1.25),
            "expected about {expected:?}, got {pause:?}"
        );
        expected = (expected * 2).min(Duration::from_secs(2));
    }
    let last = sendings[sendings.len() - 1];
    assert!(last < Duration::from_secs(20), "sent at {last:?}");
    assert!((9..=16).contains(&sendings.len()), "{sendings:?}");
}

#[test]
fn only_the_silent_are_asked_again() {
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    net.stations[1].verdict = Verdict::Later;
    net.cut(2);
    let proposal = admission(50);
    net.propose(0, &proposal).unwrap();
    net.run();
    let heard = vote(&net.electorate, &proposal, 2, Choice::Yes);
    net.council_mut(0).handle_vote(heard).unwrap();
    net.stations[0].log.clear();
    net.run_for(Duration::from_secs(1));
    let asked: Vec<NodeId> = asked(&net.stations[0].log).collect();
    assert!(!asked.is_empty() && asked.iter().all(|voter| *voter == node(3)));
}

#[test]
fn one_lost_message_of_each_kind_delays_and_nothing_more() {
    for lost in 0..12 {
        let mut net = Net::new(3);
        net.propose(0, &admission(50)).unwrap();
        let mut carried = 0;
        while let Some(envelope) = net.wire.pop_front() {
            carried += 1;
            if carried - 1 != lost {
                net.deliver(envelope);
            }
        }
        net.run_for(Duration::from_secs(2));
        for at in net.all() {
            let roster = net.council(at).roster();
            assert!(
                roster.member(&node(50)).is_some(),
                "message {lost} lost, and station {at} never learnt"
            );
        }
    }
}

#[test]
fn the_same_seed_sends_at_the_same_moments() {
    assert_eq!(sendings(Config::default()), sendings(Config::default()));
}

#[test]
fn a_vote_that_has_ended_wants_no_more_timers() {
    let mut net = Net::new(3);
    assert_eq!(net.poll_timeout(), None);
    net.propose(0, &admission(50)).unwrap();
    assert!(net.poll_timeout().is_some());
    net.run();
    assert_eq!(net.poll_timeout(), None);
}

/// When a council that hears nobody sends its proposal to voter 2, since it was proposed.
fn sendings(config: Config) -> Vec<Duration> {
    let (begin, signer) = (start(), Arc::new(signer(1)));
    let mut council = Council::new(signer, Arc::new(Unproven), electorate(3), config, 7).unwrap();
    council.propose(admission(50), begin).unwrap();
    let mut sendings = Vec::new();
    let mut now = begin;
    loop {
        let log: Vec<Output> = std::iter::from_fn(|| council.poll_output()).collect();
        let times = asked(&log).filter(|to| *to == node(2)).count();
        sendings.extend([now.instant - begin.instant].repeat(times));
        let Some(due) = council.poll_timeout() else {
            return sendings;
        };
        now = now.after(due - now.instant);
        council.handle_timeout(now);
    }
}

fn asked(log: &[Output]) -> impl Iterator<Item = NodeId> {
    log.iter().filter_map(|output| match output {
        Output::Send {
            to,
            message: Message::Proposal(_),
        } => Some(*to),
        _ => None,
    })
}
