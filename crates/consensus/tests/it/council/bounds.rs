//! Whatever arrives, what a council keeps is bounded.

use std::time::Duration;

use quorate_consensus::council::{Config, ConfigError, Decision, Output, ProposeError};
use quorate_consensus::{Choice, Proposal};

use crate::net::{Net, Verdict};
use crate::sample::{START_MS, admission, electorate, eviction, record, signer, vote};

#[test]
fn more_proposals_than_may_be_open_are_refused_until_one_ends() {
    let mut net = waiting(Config {
        open_max: 2,
        ..Config::default()
    });
    net.propose(0, &admission(50)).unwrap();
    net.propose(0, &admission(51)).unwrap();
    assert_eq!(
        net.propose(0, &admission(52)),
        Err(ProposeError::TooManyOpen)
    );
    // One that is open already is not one more.
    net.propose(0, &admission(51)).unwrap();
    net.run_for(Duration::from_secs(6));
    net.propose(0, &admission(52)).unwrap();
}

#[test]
fn one_node_cannot_fill_the_council() {
    let mut net = waiting(Config {
        open_per_subject_max: 2,
        ..Config::default()
    });
    let attempt = |attempt| Proposal::Admit(record(&signer(50), 1, attempt, START_MS));
    net.propose(0, &attempt(1)).unwrap();
    net.propose(0, &attempt(2)).unwrap();
    assert_eq!(net.propose(0, &attempt(3)), Err(ProposeError::TooManyOpen));
    net.propose(0, &admission(51)).unwrap();
}

#[test]
fn votes_that_overtake_their_proposal_are_kept_up_to_a_number() {
    for (kept, is_kept) in [(2, true), (1, false), (0, false)] {
        let mut net = waiting(Config {
            early_votes_max: kept,
            ..Config::default()
        });
        let voters = electorate(3);
        for candidate in [50, 51] {
            let vote = vote(&voters, &admission(candidate), 2, Choice::Yes);
            net.council_mut(0).handle_vote(vote).unwrap();
        }
        // The oldest goes first, and with no room at all none is kept.
        assert_eq!(
            counts_a_vote(&mut net, &admission(50)),
            is_kept,
            "{kept} kept"
        );
        assert_eq!(
            counts_a_vote(&mut net, &admission(51)),
            kept > 0,
            "{kept} kept"
        );
    }
}

#[test]
fn a_repeated_early_vote_pushes_no_other_out() {
    let mut net = waiting(Config {
        early_votes_max: 2,
        ..Config::default()
    });
    let voters = electorate(3);
    for candidate in [50, 51, 51, 51] {
        let vote = vote(&voters, &admission(candidate), 2, Choice::Yes);
        net.council_mut(0).handle_vote(vote).unwrap();
    }
    assert!(counts_a_vote(&mut net, &admission(50)));
}

#[test]
fn remembered_votes_are_bounded_and_forgotten_in_time() {
    let mut net = Net::with(
        electorate(1),
        Config {
            open_max: 1,
            ..Config::default()
        },
    );
    net.stations[0].verdict = Verdict::No("");
    let propose = |net: &mut Net, attempt| {
        let now_ms = net.now.unix_ms;
        net.propose(0, &Proposal::Admit(record(&signer(50), 1, attempt, now_ms)))
    };
    for attempt in 0..64 {
        let id = propose(&mut net, attempt).unwrap();
        assert!(matches!(net.decisions(0, id)[..], [Decision::Defeated(_)]));
    }
    assert_eq!(propose(&mut net, 64), Err(ProposeError::TooManyOpen));
    net.run_for(Duration::from_secs(121));
    propose(&mut net, 65).unwrap();
}

#[test]
fn a_configuration_that_cannot_work_names_the_field() {
    let default = Config::default();
    assert_eq!(default.validate(), Ok(()));
    let table = [
        (
            "deadline",
            Config {
                deadline: Duration::from_millis(30_001),
                ..default.clone()
            },
        ),
        (
            "deadline",
            Config {
                deadline: Duration::ZERO,
                ..default.clone()
            },
        ),
        (
            "resend_first",
            Config {
                resend_first: Duration::from_secs(3),
                ..default.clone()
            },
        ),
        (
            "resend_first",
            Config {
                resend_first: Duration::ZERO,
                ..default.clone()
            },
        ),
        (
            "open_max",
            Config {
                open_max: 0,
                ..default.clone()
            },
        ),
        (
            "open_per_subject_max",
            Config {
                open_per_subject_max: 0,
                ..default
            },
        ),
    ];
    for (field, config) in table {
        let Err(ConfigError::OutOfRange { field: named, .. }) = config.validate() else {
            panic!("{config:?} was accepted");
        };
        assert_eq!(named, field);
    }
}

#[test]
fn who_has_no_seat_has_no_council() {
    let council = quorate_consensus::Council::new(
        std::sync::Arc::new(signer(9)),
        std::sync::Arc::new(quorate_consensus::Unproven),
        electorate(3),
        Config::default(),
        0,
    );
    assert_eq!(
        council.map(|_| ()).unwrap_err(),
        ConfigError::NotAVoter(crate::sample::node(9))
    );
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let mut net = Net::new(3);
    assert!(net.propose(0, &eviction(1, 50)).is_err());
    assert!(net.stations[0].log.is_empty());
    assert_eq!(net.poll_timeout(), None);
}

/// Three voters of whom none is asked or heard, so what is opened stays open.
fn waiting(config: Config) -> Net {
    let mut net = Net::with(electorate(3), config);
    for at in net.all() {
        net.stations[at].verdict = Verdict::Later;
    }
    net.cut(1);
    net.cut(2);
    net
}

/// Whether opening this finds an early vote on it.
fn counts_a_vote(net: &mut Net, proposal: &Proposal) -> bool {
    net.stations[0].log.clear();
    net.propose(0, proposal).unwrap();
    let counted = |output: &Output| matches!(output, Output::Counted { .. });
    net.stations[0].log.iter().any(counted)
}
