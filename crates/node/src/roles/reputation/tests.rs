use proptest::prelude::*;
use quorate_consensus::{Inquiry, NetworkId, Testimony, Unproven};

use super::*;

const HOUR: Duration = FORGIVEN_AFTER;

fn node(number: u64) -> NodeId {
    NodeId::from(number)
}

/// Nobody is a voter.
fn nobody(_: &NodeId) -> bool {
    false
}

/// A report of a suspect's first life, with these witnesses.
fn report(reporter: u64, suspect: u64, attempt: u64, witnesses: &[u64]) -> DeadReport {
    let inquiry = Inquiry {
        network: NetworkId::new([7; 32]),
        suspect: node(suspect),
        incarnation: 1,
        attempt,
    };
    let testify = |witness: &u64| {
        Testimony::sign(
            &Unproven::signer(node(*witness)),
            inquiry,
            Finding::Unreachable,
            "",
        )
    };
    DeadReport::sign(
        &Unproven::signer(node(reporter)),
        inquiry,
        String::new(),
        0,
        witnesses.iter().map(testify).collect(),
        Vec::new(),
    )
}

fn counts(reputation: &Reputation, member: u64, now: Instant) -> (usize, usize) {
    let held = reputation.held(&node(member), now);
    held.map_or((0, 0), |held| (held.reports, held.testimonies))
}

fn pause(reputation: &Reputation, member: u64, now: Instant) -> Option<Duration> {
    reputation.held(&node(member), now)?.pause
}

#[test]
fn two_are_free_and_from_the_third_on_the_pause_doubles_up_to_an_hour() {
    let (mut reputation, now) = (Reputation::default(), Instant::now());
    let expected = [
        0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600,
    ];
    for (attempt, secs) in (1..).zip(expected) {
        let told = reputation.refuted(&report(1, 100 + attempt, attempt, &[]), nobody, now);
        let count = usize::try_from(attempt).unwrap().min(REMEMBERED_MAX);
        assert_eq!(told, Some(count));
        let got = pause(&reputation, 1, now).map_or(0, |pause| pause.as_secs());
        assert_eq!(got, secs, "after {attempt}");
    }
    let third = Duration::from_secs(3600);
    assert_eq!(pause(&reputation, 1, now + third), None);
    assert_eq!(pause(&reputation, 2, now), None);
}

#[test]
fn a_pause_runs_from_the_last_refutation_and_ends() {
    let (mut reputation, start) = (Reputation::default(), Instant::now());
    for attempt in 1..=3 {
        reputation.refuted(&report(1, 2, attempt, &[]), nobody, start);
    }
    let at = |secs| start + Duration::from_secs(secs);
    assert_eq!(pause(&reputation, 1, at(29)), Some(Duration::from_secs(1)));
    assert_eq!(pause(&reputation, 1, at(30)), None);
    reputation.refuted(&report(1, 2, 4, &[]), nobody, at(40));
    assert_eq!(pause(&reputation, 1, at(99)), Some(Duration::from_secs(1)));
    assert_eq!(pause(&reputation, 1, at(100)), None);
}

#[test]
fn one_is_forgiven_every_hour() {
    let (mut reputation, start) = (Reputation::default(), Instant::now());
    for attempt in 1..=4 {
        reputation.refuted(&report(1, 2, attempt, &[3]), nobody, start);
    }
    for (hours, left) in [(0, 4), (1, 3), (2, 2), (3, 1), (4, 0), (400, 0)] {
        let now = start + HOUR * hours;
        assert_eq!(counts(&reputation, 1, now), (left, 0));
        assert_eq!(counts(&reputation, 3, now), (0, left));
        assert_eq!(reputation.is_doubted(&node(3), now), left > FREE);
    }
    // What comes later does not wait for its turn behind what is forgiven already.
    let later = start + HOUR * 2;
    reputation.refuted(&report(1, 2, 5, &[3]), nobody, later);
    assert_eq!(counts(&reputation, 1, later), (3, 0));
    assert_eq!(counts(&reputation, 1, later + HOUR), (2, 0));
}

#[test]
fn a_report_counts_once_and_a_testimony_once_however_many_reports_carry_it() {
    let (mut reputation, now) = (Reputation::default(), Instant::now());
    let one = report(1, 2, 1, &[3]);
    assert_eq!(reputation.refuted(&one, nobody, now), Some(1));
    assert_eq!(reputation.refuted(&one, nobody, now), None);
    // Another reports with the very testimony that the first was given.
    let mut other = report(4, 2, 1, &[]);
    other.testimonies = one.testimonies;
    assert_eq!(reputation.refuted(&other, nobody, now), Some(1));
    assert_eq!(counts(&reputation, 3, now), (0, 1));
}

#[test]
fn who_found_the_suspect_alive_and_who_votes_is_not_counted() {
    let (mut reputation, now) = (Reputation::default(), Instant::now());
    let mut honest = report(9, 2, 1, &[3, 4]);
    honest.testimonies[0].finding = Finding::Alive;
    let is_voter = |who: &NodeId| [node(4), node(9)].contains(who);
    assert_eq!(reputation.refuted(&honest, is_voter, now), None);
    assert_eq!(reputation.members.len(), 0, "{reputation:?}");
}

#[test]
fn who_was_right_after_all_has_it_taken_back() {
    let (mut reputation, now) = (Reputation::default(), Instant::now());
    for attempt in 1..=3 {
        reputation.refuted(&report(1, 2, attempt, &[3]), nobody, now);
        reputation.refuted(&report(1, 5, attempt, &[3]), nobody, now);
    }
    reputation.died(&node(2), 0);
    assert_eq!(counts(&reputation, 1, now), (6, 0), "an earlier life ended");
    reputation.died(&node(2), 1);
    assert_eq!(counts(&reputation, 1, now), (3, 0));
    assert_eq!(counts(&reputation, 3, now), (0, 3));
}

#[test]
fn another_report_of_the_same_suspect_clears_it_once() {
    let (mut reputation, now) = (Reputation::default(), Instant::now());
    for attempt in 1..=3 {
        reputation.refuted(&report(1, 2, attempt, &[3]), nobody, now);
    }
    reputation.seconded(&report(1, 2, 4, &[]), now);
    assert_eq!(counts(&reputation, 1, now), (3, 0), "its own word");
    reputation.seconded(&report(6, 7, 1, &[]), now);
    assert_eq!(counts(&reputation, 1, now), (3, 0), "of somebody else");
    reputation.seconded(&report(6, 2, 1, &[]), now);
    assert_eq!(counts(&reputation, 1, now), (0, 0));
    assert_eq!(counts(&reputation, 3, now), (0, 0));
    // Two who lie together cannot go on so.
    reputation.refuted(&report(1, 2, 5, &[]), nobody, now);
    reputation.seconded(&report(6, 2, 2, &[]), now);
    assert_eq!(counts(&reputation, 1, now), (1, 0));
}

#[test]
fn of_too_many_the_one_with_the_least_against_it_is_forgotten() {
    let (mut reputation, now) = (Reputation::default(), Instant::now());
    let members = u64::try_from(MEMBERS_MAX).unwrap();
    for member in 0..members {
        for attempt in 0..if member == 7 { 1 } else { 2 } {
            reputation.refuted(&report(member, 5000, attempt, &[]), nobody, now);
        }
    }
    reputation.refuted(&report(members, 5000, 0, &[]), nobody, now);
    assert_eq!(reputation.members.len(), MEMBERS_MAX);
    assert_eq!(counts(&reputation, 7, now), (0, 0));
    assert_eq!(counts(&reputation, members, now), (1, 0));
    assert_eq!(counts(&reputation, 8, now), (2, 0));
}

#[derive(Debug, Clone)]
enum Act {
    Refuted(u64, u64, u64, Vec<u64>),
    Forged(u64, u64),
    Seconded(u64, u64),
    Died(u64),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    // One of them lies most of the time.
    let member = || prop_oneof![3 => Just(0_u64), 1 => 0..6_u64];
    prop_oneof![
        6 => (member(), 10..14_u64, any::<u64>(), proptest::collection::vec(member(), 0..4))
            .prop_map(|(by, of, attempt, witnesses)| Act::Refuted(by, of, attempt, witnesses)),
        1 => (member(), any::<u64>()).prop_map(|(by, attempt)| Act::Forged(by, attempt)),
        1 => (member(), 10..14_u64).prop_map(|(by, of)| Act::Seconded(by, of)),
        1 => (10..14_u64).prop_map(Act::Died),
        3 => prop_oneof![0..100_u64, 0..20_000_u64].prop_map(Act::Wait),
    ]
}

proptest! {
    #[test]
    fn nothing_grows_beyond_its_limit_and_all_is_forgiven_in_the_end(acts in proptest::collection::vec(act(), 0..80)) {
        let (mut reputation, mut now) = (Reputation::default(), Instant::now());
        let mut refuted = [0; 6];
        for act in acts {
            let before: Vec<_> = (0..6).map(|member| counts(&reputation, member, now)).collect();
            let grows = match act {
                Act::Refuted(by, of, attempt, witnesses) => {
                    refuted[usize::try_from(by).unwrap()] += 1;
                    reputation.refuted(&report(by, of, attempt, &witnesses), nobody, now);
                    true
                }
                Act::Forged(by, attempt) => {
                    refuted[usize::try_from(by).unwrap()] += 1;
                    reputation.forged(&report(by, 13, attempt, &[]), now);
                    true
                }
                Act::Seconded(by, of) => {
                    reputation.seconded(&report(by, of, 1, &[]), now);
                    false
                }
                Act::Died(of) => {
                    reputation.died(&node(of), 1);
                    false
                }
                Act::Wait(secs) => {
                    now += Duration::from_secs(secs);
                    false
                }
            };
            for (member, (reports, testimonies)) in (0..6).zip(before) {
                let after = counts(&reputation, member, now);
                prop_assert!(grows || (after.0 <= reports && after.1 <= testimonies));
                prop_assert!(after.0 <= REMEMBERED_MAX && after.1 <= REMEMBERED_MAX);
                // Nobody pays for what was not refuted, and never for less than three.
                prop_assert!(after.0 <= refuted[usize::try_from(member).unwrap()]);
                if let Some(pause) = pause(&reputation, member, now) {
                    prop_assert!(after.0 > FREE && pause <= PAUSE.1);
                }
                if after.1 <= FREE {
                    prop_assert!(!reputation.is_doubted(&node(member), now));
                }
            }
        }
        let end = now + HOUR * u32::try_from(REMEMBERED_MAX).unwrap();
        for member in 0..6 {
            prop_assert_eq!(reputation.held(&node(member), end), None);
        }
    }
}
