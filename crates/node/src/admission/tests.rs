//! What policies allow, what they count, and the laws of their combinations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use quorate_consensus::{
    Certificate, Choice, Electorate, Invitation, NetworkId, Proof, Proposal, QuorumRule, Unproven,
    Vote,
};

use super::*;

const NETWORK: NetworkId = NetworkId::new([7; 32]);
const START_MS: u64 = 1_700_000_000_000;

/// The seeds are 1, 2 and 3.
struct World {
    roster: Roster,
    electorate: Electorate,
    used: BTreeMap<Vec<u8>, NodeId>,
    start: Now,
}

impl World {
    fn new() -> Self {
        let seats = (1..=3).map(NodeId::from);
        Self {
            roster: Roster::new(),
            electorate: Electorate::of(NETWORK, QuorumRule::Majority, seats).unwrap(),
            used: BTreeMap::new(),
            start: Now {
                instant: Instant::now(),
                unix_ms: START_MS,
            },
        }
    }

    fn at(&self, seconds: f64) -> Now {
        self.start.after(Duration::from_secs_f64(seconds))
    }

    fn candidate<'a>(&'a self, record: &'a Record) -> Candidate<'a> {
        Candidate {
            credential_used_by: self.used.get(&record.credential).copied(),
            ..Candidate::new(record, &self.roster, &self.electorate, &Unproven)
        }
    }

    fn judge(&self, policy: &dyn AdmissionPolicy, record: &Record, seconds: f64) -> Verdict {
        policy.judge(&self.candidate(record), self.at(seconds))
    }

    fn allows(&self, policy: &dyn AdmissionPolicy, record: &Record, seconds: f64) -> bool {
        self.judge(policy, record, seconds) == Verdict::Allow
    }

    /// Votes yes if the policy allows it; whether it does.
    fn vote(&self, policy: &mut dyn AdmissionPolicy, record: &Record, seconds: f64) -> bool {
        let allows = self.allows(policy, record, seconds);
        if allows {
            policy.note_yes(&self.candidate(record), self.at(seconds));
        }
        allows
    }

    fn admit(&mut self, record: &Record) {
        let proposal = Proposal::Admit(record.clone());
        let id = proposal.id();
        let sign = |number| {
            let voter = Unproven::signer(NodeId::from(number));
            let vote = Vote::cast(&voter, &self.electorate, id, Choice::Yes, "");
            (vote.voter, vote.signature)
        };
        let certificate = Certificate {
            proposal: proposal.into(),
            epoch: self.electorate.epoch(),
            electorate: self.electorate.id(),
            votes: (1..=2).map(sign).collect(),
        };
        let proof = Arc::new(Proof::of(certificate).unwrap());
        let proof = proof.verify(&self.electorate, &Unproven).unwrap();
        self.roster.merge(proof);
        if !record.credential.is_empty() {
            let first = self.used.entry(record.credential.clone());
            first.or_insert(record.node);
        }
    }
}

fn record_at(number: u64, endpoints: &[&str]) -> Record {
    let endpoints = endpoints.iter().map(|&at| at.to_owned()).collect();
    let signer = Unproven::signer(NodeId::from(number));
    Record::sign(&signer, NETWORK, endpoints, 1, 1, START_MS).unwrap()
}

fn record(number: u64) -> Record {
    record_at(number, &["10.0.0.1:1"])
}

fn showing(number: u64, credential: Vec<u8>) -> Record {
    let signer = Unproven::signer(NodeId::from(number));
    let endpoints = vec!["10.0.0.1:1".to_owned()];
    Record::sign_showing(credential, &signer, NETWORK, endpoints, 1, 1, START_MS).unwrap()
}

fn denied(verdict: Verdict) -> String {
    match verdict {
        Verdict::Deny(reason) => reason,
        other => panic!("expected a deny, got {other:?}"),
    }
}

// --- lists and earlier lives ---

#[test]
fn who_is_listed_or_was_in_before_is_allowed() {
    let mut world = World::new();
    let list = AllowList::of([NodeId::from(5)]);
    assert!(world.allows(&AllowAll, &record(6), 0.0));
    assert!(world.allows(&list, &record(5), 0.0));
    let reason = denied(world.judge(&list, &record(6), 0.0));
    assert_eq!(reason, "it is not on this seed's list");
    let reason = denied(world.judge(&Returning, &record(6), 0.0));
    assert_eq!(reason, "it was no member before");
    world.admit(&record(6));
    assert!(world.allows(&Returning, &record(6), 0.0));
    assert!(!world.allows(&Returning, &record(5), 0.0));
}

// --- invitations ---

fn invitation(issuer: u64, guest: Option<u64>, nonce: u8) -> Invitation {
    let issuer = Unproven::signer(NodeId::from(issuer));
    let expires_ms = START_MS + 3_600_000;
    Invitation::sign(
        &issuer,
        NETWORK,
        guest.map(NodeId::from),
        [nonce; 16],
        expires_ms,
    )
}

#[test]
fn invitations_are_by_seeds_and_operators_only() {
    let world = World::new();
    let policy = Invited::by_seeds_and([NodeId::from(9)]);
    for (issuer, is_good) in [(1, true), (3, true), (9, true), (8, false)] {
        let record = showing(5, invitation(issuer, None, 1).to_bytes());
        assert_eq!(world.allows(&policy, &record, 0.0), is_good, "by {issuer}");
    }
    let record = showing(5, invitation(9, None, 1).to_bytes());
    let reason = denied(world.judge(&Invited::by_seeds(), &record, 0.0));
    assert!(reason.starts_with("expected an invitation by a seed or an operator, got one by"));
}

#[test]
fn an_invitation_that_is_no_good_is_refused_by_name() {
    let world = World::new();
    let policy = Invited::by_seeds();
    let elsewhere = {
        let issuer = Unproven::signer(NodeId::from(1));
        Invitation::sign(&issuer, NetworkId::new([8; 32]), None, [1; 16], u64::MAX)
    };
    let forged = Invitation {
        expires_ms: u64::MAX,
        ..invitation(1, None, 1)
    };
    let mut cut = invitation(1, None, 1).to_bytes();
    cut.pop();
    let table: [(Vec<u8>, f64, &str); 7] = [
        (Vec::new(), 0.0, "expected an invitation, got none"),
        (
            b"please".to_vec(),
            0.0,
            "which begins with quorate-invite-1-, got \"please\"",
        ),
        (cut, 0.0, "was all of it copied?"),
        (
            elsewhere.to_bytes(),
            0.0,
            "expected an invitation into network 0707",
        ),
        (
            forged.to_bytes(),
            0.0,
            "does not carry the signature of 00000000",
        ),
        (
            invitation(1, Some(6), 1).to_bytes(),
            0.0,
            "expected an invitation for",
        ),
        (
            invitation(1, None, 1).to_bytes(),
            3610.0,
            "the invitation expired 10 s ago",
        ),
    ];
    for (credential, seconds, why) in table {
        let reason = denied(world.judge(&policy, &showing(5, credential), seconds));
        assert!(reason.contains(why), "expected {why:?}, got {reason:?}");
    }
}

#[test]
fn an_invitation_is_good_for_one_node_which_may_come_back() {
    let mut world = World::new();
    let mut policy = Invited::by_seeds();
    let bytes = invitation(1, None, 1).to_bytes();
    let (first, second) = (showing(5, bytes.clone()), showing(6, bytes));
    // Judging uses nothing up.
    assert!(world.allows(&policy, &first, 0.0) && world.allows(&policy, &second, 0.0));
    assert!(world.vote(&mut policy, &first, 0.0));
    assert!(world.vote(&mut policy, &first, 1.0), "another attempt");
    let reason = denied(world.judge(&policy, &second, 1.0));
    assert!(reason.contains("in use by"), "{reason}");
    // The vote came to nothing.
    assert!(world.allows(&policy, &second, 62.0));
    assert!(world.vote(&mut policy, &first, 62.0));
    world.admit(&first);
    let reason = denied(world.judge(&policy, &second, 3000.0));
    assert!(reason.contains("was used by"), "{reason}");
    assert!(world.allows(&policy, &first, 3000.0));
    // Also when nobody new could come with it any more.
    assert!(world.allows(&policy, &first, 1e6));
    assert!(world.allows(
        &policy,
        &showing(6, invitation(1, None, 2).to_bytes()),
        3000.0
    ));
}

// --- addresses ---

#[test]
fn so_many_nodes_are_at_one_address_and_no_more() {
    let mut world = World::new();
    let mut policy = PerAddress::new(2);
    world.admit(&record_at(5, &["10.0.0.1:5"]));
    assert!(world.vote(&mut policy, &record_at(6, &["10.0.0.1:6"]), 0.0));
    let third = record_at(7, &["10.0.0.9:1", "[::ffff:10.0.0.1]:7"]);
    let reason = denied(world.judge(&policy, &third, 0.0));
    assert_eq!(reason, "expected at most 2 nodes at 10.0.0.1, where 2 are");
    // Itself it does not count, whether it was voted for or is in; and elsewhere there is room.
    for (number, at) in [(5, "10.0.0.1:9"), (6, "10.0.0.1:6"), (8, "10.0.0.2:1")] {
        assert!(
            world.allows(&policy, &record_at(number, &[at]), 0.0),
            "{number}"
        );
    }
    // Admitted, it is counted once; not admitted, no more.
    world.admit(&record_at(6, &["10.0.0.1:6"]));
    assert!(!world.allows(&policy, &third, 0.0) && !world.allows(&policy, &third, 100.0));
    assert!(world.allows(&PerAddress::new(3), &third, 0.0));
    assert!(world.vote(&mut policy, &record_at(9, &["10.0.0.3:1"]), 0.0));
    assert!(world.vote(&mut policy, &record_at(10, &["10.0.0.3:2"]), 0.0));
    assert!(!world.allows(&policy, &record_at(11, &["10.0.0.3:3"]), 59.0));
    assert!(world.allows(&policy, &record_at(11, &["10.0.0.3:3"]), 61.0));
}

#[test]
fn names_count_as_they_are_or_are_kept_out() {
    let world = World::new();
    let (name, number) = (
        record_at(5, &["a.example:1"]),
        record_at(5, &["0x7f000001:1"]),
    );
    assert!(world.allows(&PerAddress::new(1), &name, 0.0));
    assert!(!world.allows(&PerAddress::new(1), &number, 0.0));
    assert!(!world.allows(&PerAddress::new(1).addresses_only(), &name, 0.0));
    assert!(!world.allows(&PerAddress::new(0), &record(5), 0.0));
}

// --- rates ---

#[test]
fn a_rate_lets_so_many_in_at_once_and_one_more_as_each_token_comes_back() {
    let world = World::new();
    let mut policy = Rate::new(3, Duration::from_secs(60)).unwrap();
    for number in 5..8 {
        assert!(world.vote(&mut policy, &record(number), 0.0), "{number}");
    }
    let reason = denied(world.judge(&policy, &record(8), 0.0));
    assert!(reason.contains("one more in 20 s"), "{reason}");
    assert!(!world.allows(&policy, &record(8), 19.9));
    assert!(world.vote(&mut policy, &record(8), 20.1));
    assert!(!world.allows(&policy, &record(9), 39.9));
    // Long after, it is full again, and no fuller.
    let later = (10..20).filter(|number| world.vote(&mut policy, &record(*number), 1e6));
    assert_eq!(later.count(), 3);
}

#[test]
fn a_rate_counts_a_life_once_however_often_it_has_to_ask() {
    let world = World::new();
    let mut policy = Rate::new(1, Duration::from_secs(1000)).unwrap();
    for attempt in 0..20 {
        assert!(world.vote(&mut policy, &record(5), f64::from(attempt) * 30.0));
    }
    let endpoints = vec!["10.0.0.1:1".to_owned()];
    let signer = Unproven::signer(NodeId::from(5));
    let next_life = Record::sign(&signer, NETWORK, endpoints, 2, 1, START_MS).unwrap();
    assert!(!world.allows(&policy, &next_life, 600.0));
    assert!(world.allows(&policy, &next_life, 1000.1));
}

#[test]
fn rates_that_cannot_be_kept_are_refused() {
    let (second, year) = (Duration::from_secs(1), Duration::from_secs(366 * 86_400));
    assert_eq!(Rate::new(0, second).unwrap_err(), RateError::Zero);
    for (count, per) in [(1, Duration::ZERO), (1, Duration::MAX), (u32::MAX, second)] {
        let refused = Rate::new(count, per).unwrap_err();
        assert_eq!(refused, RateError::Per { count, per });
    }
    assert!(Rate::new(u32::MAX, year).is_ok() && Rate::new(1, year).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// In any span of time, a rate lets in at most what a full bucket and what comes back in the span are.
    #[test]
    fn a_rate_is_kept_whenever_candidates_come(
        count in prop_oneof![1..20_u32, Just(u32::MAX)],
        per_ms in prop_oneof![1..100_000_u64, Just(366 * 86_400_000)],
        pauses in vec(prop_oneof![4 => 0..2_000_u64, 1 => 0..10_000_000_u64], 1..60),
    ) {
        let world = World::new();
        let Ok(mut policy) = Rate::new(count, Duration::from_millis(per_ms)) else {
            return Ok(());
        };
        let mut yes_ms = Vec::new();
        let mut ms = 0;
        for (number, pause) in (100..).zip(pauses) {
            ms += pause;
            if world.vote(&mut policy, &record(number), ms as f64 / 1000.0) {
                yes_ms.push(ms);
            }
        }
        for (index, from) in yes_ms.iter().enumerate() {
            for (more, to) in yes_ms[index..].iter().enumerate() {
                let span = (to - from) as f64 / per_ms as f64;
                let allowed = f64::from(count) * (1.0 + span) * 1.001 + 1e-6;
                prop_assert!((more + 1) as f64 <= allowed.ceil(), "{} in {span} spans", more + 1);
            }
        }
    }
}

// --- combinations ---

/// Says always the same, and counts what it is told.
#[derive(Debug, Clone)]
struct Says(Verdict, Arc<AtomicUsize>);

impl AdmissionPolicy for Says {
    fn judge(&self, _candidate: &Candidate<'_>, _now: Now) -> Verdict {
        self.0.clone()
    }

    fn note_yes(&mut self, _candidate: &Candidate<'_>, _now: Now) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    fn asks(&self) -> bool {
        self.0 == Verdict::Ask
    }
}

fn says(verdicts: &[Verdict]) -> (Vec<Box<dyn AdmissionPolicy>>, Vec<Arc<AtomicUsize>>) {
    let counters: Vec<Arc<AtomicUsize>> = verdicts.iter().map(|_| Arc::default()).collect();
    let policies = verdicts.iter().zip(&counters).map(|(verdict, counter)| {
        Box::new(Says(verdict.clone(), counter.clone())) as Box<dyn AdmissionPolicy>
    });
    (policies.collect(), counters)
}

fn counts(counters: &[Arc<AtomicUsize>]) -> Vec<usize> {
    let count = |counter: &Arc<AtomicUsize>| counter.load(Ordering::Relaxed);
    counters.iter().map(count).collect()
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Allow),
        Just(Verdict::Ask),
        "[a-z]".prop_map(Verdict::Deny),
    ]
}

/// Deny, ask, allow, in this order.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Deny(_) => 0,
        Verdict::Ask => 1,
        Verdict::Allow => 2,
    }
}

proptest! {
    #[test]
    fn all_is_the_least_of_its_policies_and_any_the_greatest(verdicts in vec(verdict(), 0..6)) {
        let (world, record) = (World::new(), record(5));
        let all = world.judge(&All::of(says(&verdicts).0), &record, 0.0);
        let any = world.judge(&Any::of(says(&verdicts).0), &record, 0.0);
        prop_assert_eq!(rank(&all), verdicts.iter().map(rank).min().unwrap_or(2));
        prop_assert_eq!(rank(&any), verdicts.iter().map(rank).max().unwrap_or(0));
        if let Verdict::Deny(_) = all {
            let first = verdicts.iter().find(|verdict| rank(verdict) == 0);
            prop_assert_eq!(Some(&all), first);
        }
        let asks = verdicts.contains(&Verdict::Ask);
        prop_assert_eq!(All::of(says(&verdicts).0).asks(), asks);
        prop_assert_eq!(Any::of(says(&verdicts).0).asks(), asks);
    }

    #[test]
    fn the_order_of_policies_changes_no_more_than_reasons(
        (verdicts, shuffled) in vec(verdict(), 0..6)
            .prop_flat_map(|verdicts| (Just(verdicts.clone()), Just(verdicts).prop_shuffle())),
    ) {
        let (world, record) = (World::new(), record(5));
        let all = |of: &[Verdict]| rank(&world.judge(&All::of(says(of).0), &record, 0.0));
        let any = |of: &[Verdict]| rank(&world.judge(&Any::of(says(of).0), &record, 0.0));
        prop_assert_eq!(all(&verdicts), all(&shuffled));
        prop_assert_eq!(any(&verdicts), any(&shuffled));
    }

    /// The operator's word may stand for every `Ask` inside, or for that of the whole: it comes to the same.
    #[test]
    fn what_the_operator_says_of_the_whole_is_what_it_says_of_each_part(
        groups in vec(vec(verdict(), 1..4), 1..4),
        word in prop_oneof![Just(Verdict::Allow), Just(Verdict::Deny("no".to_owned()))],
        of_all in any::<bool>(),
    ) {
        let (world, record) = (World::new(), record(5));
        let whole = |groups: &[Vec<Verdict>]| {
            let inner = |group: &Vec<Verdict>| -> Box<dyn AdmissionPolicy> {
                let policies = says(group).0;
                if of_all { Box::new(Any::of(policies)) } else { Box::new(All::of(policies)) }
            };
            let inner: Vec<_> = groups.iter().map(inner).collect();
            if of_all {
                world.judge(&All::of(inner), &record, 0.0)
            } else {
                world.judge(&Any::of(inner), &record, 0.0)
            }
        };
        let put = |verdict: &Verdict| match verdict {
            Verdict::Ask => word.clone(),
            other => other.clone(),
        };
        let inside: Vec<Vec<Verdict>> =
            groups.iter().map(|group| group.iter().map(put).collect()).collect();
        prop_assert_eq!(rank(&whole(&inside)), rank(&put(&whole(&groups))));
    }

    #[test]
    fn all_counts_with_each_policy_and_any_with_the_first_that_allows(
        verdicts in vec(verdict(), 1..6),
    ) {
        let (world, record) = (World::new(), record(5));
        let (policies, counters) = says(&verdicts);
        All::of(policies).note_yes(&world.candidate(&record), world.at(0.0));
        prop_assert_eq!(counts(&counters), vec![1; verdicts.len()]);

        let (policies, counters) = says(&verdicts);
        Any::of(policies).note_yes(&world.candidate(&record), world.at(0.0));
        let first = verdicts.iter().position(|verdict| *verdict == Verdict::Allow);
        let expected: Vec<usize> = verdicts.iter().enumerate().map(|(index, verdict)| {
            usize::from(first.map_or(*verdict == Verdict::Ask, |first| first == index))
        }).collect();
        prop_assert_eq!(counts(&counters), expected);
    }
}

#[test]
fn an_invited_guest_uses_up_no_rate_that_only_others_need() {
    let world = World::new();
    let rate = Rate::new(1, Duration::from_secs(60)).unwrap();
    let mut policy = Any::of([
        Box::new(Invited::by_seeds()) as Box<dyn AdmissionPolicy>,
        Box::new(rate),
    ]);
    for number in 5..9 {
        let bytes = invitation(1, None, number).to_bytes();
        assert!(world.vote(&mut policy, &showing(number.into(), bytes), 0.0));
    }
    assert!(world.vote(&mut policy, &record(10), 0.0));
    assert!(!world.allows(&policy, &record(11), 0.0));
}
