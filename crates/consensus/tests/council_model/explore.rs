//! The explorations, and what each must find, and not find. A debug build explores fewer, and less.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Instant;

use stateright::{Checker, Expectation, Model};

use crate::bounds::{Bounds, Judging, Question, Weakness};
use crate::cast::{A, ALL, B};
use crate::model::{EQUAL, KEPT, ONE_WORD, PROVEN, Whole};
use crate::telling::tell;

const IS_SHORT: bool = cfg!(debug_assertions);

/// Explorations take turns, so that their counts and times mean something.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn whoever_brings_a_candidate_and_whoever_crashes() {
    holds(Bounds {
        questions: vec![(Question::AdmitX, &ALL)],
        judging: Judging::Any,
        are_rosters_compared: !IS_SHORT,
        crashes: 1,
        expiries: u8::from(!IS_SHORT),
        ..everything()
    });
}

/// A crash may come between judging and writing, and between writing and saying.
#[test]
#[cfg_attr(debug_assertions, ignore = "too much without optimisation")]
fn a_candidate_and_disks_that_take_their_time() {
    holds(Bounds {
        questions: vec![(Question::AdmitX, &[A])],
        judging: Judging::YesLater,
        are_disks_slow: true,
        are_votes_early: false,
        crashes: 1,
        ..everything()
    });
}

#[test]
#[cfg_attr(debug_assertions, ignore = "too much without optimisation")]
fn two_candidates_at_once() {
    holds(Bounds {
        questions: vec![(Question::AdmitX, &ALL), (Question::AdmitY, &ALL)],
        ..everything()
    });
}

#[test]
#[cfg_attr(debug_assertions, ignore = "too much without optimisation")]
fn two_records_of_one_life_and_a_crash() {
    holds(Bounds {
        questions: vec![(Question::AdmitX, &[A]), (Question::AdmitXAgain, &[B])],
        crashes: 1,
        ..thinned()
    });
}

#[test]
#[cfg_attr(debug_assertions, ignore = "too much without optimisation")]
fn an_eviction_against_the_next_life_and_a_crash() {
    holds(Bounds {
        questions: vec![(Question::EvictX, &[A]), (Question::AdmitXReborn, &[B])],
        crashes: 1,
        ..thinned()
    });
}

#[test]
fn a_candidate_and_a_seed_that_signs_both_ways() {
    holds(Bounds {
        questions: vec![(Question::AdmitX, &[A, B])],
        judging: Judging::Any,
        is_c_a_liar: true,
        are_rosters_compared: true,
        crashes: 1,
        expiries: u8::from(!IS_SHORT),
        ..everything()
    });
}

#[test]
#[cfg_attr(debug_assertions, ignore = "too much without optimisation")]
fn two_candidates_and_a_seed_that_signs_both_ways() {
    holds(Bounds {
        questions: vec![(Question::AdmitX, &[A]), (Question::AdmitY, &[B])],
        is_c_a_liar: true,
        ..thinned()
    });
}

#[test]
#[cfg_attr(debug_assertions, ignore = "too much without optimisation")]
fn an_eviction_and_a_seed_that_signs_both_ways() {
    holds(Bounds {
        questions: vec![(Question::EvictX, &[A]), (Question::AdmitXReborn, &[B])],
        is_c_a_liar: true,
        crashes: 1,
        ..thinned()
    });
}

#[test]
fn drivers_that_promise_too_soon_are_found_out() {
    let bounds = Bounds {
        questions: vec![(Question::AdmitX, &[A])],
        judging: Judging::Any,
        are_disks_slow: true,
        crashes: 1,
        weakness: Weakness::DurableTooSoon,
        ..everything()
    };
    refutes(bounds, &[PROVEN, KEPT, ONE_WORD]);
}

#[test]
fn rosters_that_nobody_compares_are_found_out() {
    let bounds = Bounds {
        questions: vec![(Question::AdmitX, &[A])],
        crashes: 1,
        weakness: Weakness::NobodyCompares,
        ..everything()
    };
    refutes(bounds, &[EQUAL]);
}

fn everything() -> Bounds {
    Bounds {
        questions: Vec::new(),
        judging: Judging::Yes,
        are_disks_slow: false,
        is_c_a_liar: false,
        are_rosters_compared: false,
        are_votes_early: true,
        is_one_certificate_enough: false,
        crashes: 0,
        expiries: 0,
        weakness: Weakness::None,
    }
}

/// Far fewer states, and as many ways for two questions to get into each other's way: what only concerns one question is
/// explored with one.
fn thinned() -> Bounds {
    Bounds {
        are_votes_early: false,
        is_one_certificate_enough: true,
        ..everything()
    }
}

fn holds(bounds: Bounds) {
    let _turn = ONE_AT_A_TIME.lock();
    println!("\n{bounds}");
    let begun = now();
    let whole = Whole::new(bounds.clone(), None);
    let checker = whole.checker().spawn_bfs().join();
    let seconds = begun.elapsed().as_secs_f32();
    let whole = checker.model();
    println!(
        "  every state within: {} unique of {} reached, {} deep, in {seconds:.1} s; {} states of single seeds, \
         {} messages, {} ends",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        whole.turning.nodes.len(),
        whole.turning.envelopes.len(),
        whole.ends.lock().unwrap().len(),
    );
    let found = checker.discoveries();
    for property in whole.properties() {
        let is_found = found.contains_key(property.name);
        match (&property.expectation, is_found) {
            (Expectation::Sometimes, true) => println!("  found: {}", property.name),
            (Expectation::Sometimes, false) => println!("  NEVER {}", property.name),
            (_, false) => println!("  in every state: {}", property.name),
            (_, true) => println!("{}", refutation(bounds.clone(), property.name)),
        }
    }
    checker.assert_properties();
    whole.check_all_carried();
    println!("  found: every question carried at every honest seed");
    let has_evidence = whole.turning.has_evidence.load(Ordering::Relaxed);
    assert_eq!(has_evidence, whole.bounds().is_c_a_liar);
}

fn refutes(bounds: Bounds, promises: &[&'static str]) {
    let _turn = ONE_AT_A_TIME.lock();
    println!("\n{bounds}");
    for promise in promises {
        println!("{}", refutation(bounds.clone(), promise));
    }
}

/// A shortest way to break a promise.
fn refutation(bounds: Bounds, promise: &'static str) -> String {
    let checker = Whole::new(bounds, Some(promise)).checker();
    let checker = checker.spawn_bfs().join();
    let path = checker
        .discovery(promise)
        .expect("a way to break a promise");
    let whole = checker.model();
    let states = checker.unique_state_count();
    let path = tell(whole, path.into_vec());
    format!("  refuted after {states} unique states: NOT {promise}:\n{path}")
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it took, for who reads the output; nothing depends on it"
)]
fn now() -> Instant {
    Instant::now()
}
