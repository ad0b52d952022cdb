//! The explorations, and what each must find, and not find. A debug build explores less.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::bounds::{Bounds, Weakness};
use crate::cast::{ALL, B, C};
use crate::model::{ONE_MEMBERSHIP, Whole};
use crate::telling::tell;

const THREADS: usize = 2;
const IS_SHORT: bool = cfg!(debug_assertions);

/// Explorations take turns, so that their counts and times mean something.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// In a release build, nothing but ballots and crashes is bounded here: every refusal and every acceptance may reach
/// everybody.
#[test]
fn two_leaders_with_a_crash_at_any_point_decide_one_thing() {
    holds(Bounds {
        ballots: vec![[1, 1, 0, 0, 0]],
        crashes: 1,
        ..if IS_SHORT { thinned() } else { everything() }
    });
}

/// The third change that competes is what makes the views differ: A would evict C, B admit E, and C admit D.
#[test]
fn three_leaders_of_three_changes_decide_one() {
    holds(Bounds {
        ballots: vec![[1, 1, u8::from(!IS_SHORT), 0, 0]],
        are_views_apart: true,
        ..thinned()
    });
}

/// A leader that crashes may lead the same ballot again: that it did so before was not durable yet.
#[test]
fn a_leader_that_crashes_and_leads_again_contradicts_nothing() {
    holds(Bounds {
        ballots: vec![[2 - u8::from(IS_SHORT), 0, 1, 0, 0]],
        crashes: 1,
        ..thinned()
    });
}

/// C is evicted, D comes in, and then D competes with A for who admits E.
#[test]
fn three_decisions_follow_each_other_and_a_newcomer_leads() {
    let later = u8::from(!IS_SHORT);
    holds(Bounds {
        ballots: vec![[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [later, 0, 0, 1, 0]],
        ..thinned()
    });
}

#[test]
fn leaders_that_ignore_promises_are_found_out() {
    refutes(Bounds {
        ballots: vec![[1, 0, 1, 0, 0]],
        weakness: Weakness::PromisesIgnored,
        who_counts: &[B, C],
        ..thinned()
    });
}

#[test]
fn acceptors_that_forget_are_found_out() {
    refutes(Bounds {
        ballots: vec![[1, 0, 1, 0, 0]],
        crashes: 1,
        weakness: Weakness::AcceptorForgotten,
        who_counts: &[B, C],
        ..thinned()
    });
}

/// The same, and more, but for what [`Succession::forget`](quorate_consensus::Succession::forget) keeps them from. One ballot
/// more for A, who leads one to take part again.
#[test]
fn acceptors_that_know_that_they_forget_contradict_nothing() {
    if IS_SHORT {
        // Less than this shows nothing, and takes a debug build minutes.
        println!("explored in a release build");
        return;
    }
    holds(Bounds {
        ballots: vec![[2, 0, 1, 0, 0]],
        crashes: 1,
        are_stores_lost: true,
        ..thinned()
    });
}

fn everything() -> Bounds {
    Bounds {
        ballots: Vec::new(),
        crashes: 0,
        are_stores_lost: false,
        are_views_apart: false,
        are_refusals_lost: false,
        who_counts: &ALL,
        weakness: Weakness::None,
    }
}

/// Only B counts, and no leader hears that it is late: far fewer states, and as many ways to decide.
fn thinned() -> Bounds {
    Bounds {
        are_refusals_lost: true,
        who_counts: &[B],
        ..everything()
    }
}

fn holds(bounds: Bounds) {
    let _turn = ONE_AT_A_TIME.lock();
    println!("\n{bounds}");
    let begun = now();
    let whole = Whole::new(bounds);
    let checker = whole.checker().threads(THREADS).spawn_bfs().join();
    let seconds = begun.elapsed().as_secs_f32();
    let whole = checker.model();
    println!(
        "  every state within: {} unique of {} reached, {} deep, in {seconds:.1} s; {} states of single nodes, \
         {} messages",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        whole.turning.nodes.len(),
        whole.turning.envelopes.len(),
    );
    let mut found = checker.discoveries();
    for property in whole.properties() {
        let path = found.remove(property.name);
        match (&property.expectation, path) {
            (Expectation::Sometimes, Some(_)) => println!("  found: {}", property.name),
            (_, None) => println!("  in every state: {}", property.name),
            (_, Some(path)) => {
                println!("  NOT {}:\n{}", property.name, tell(whole, path.into_vec()));
            }
        }
    }
    checker.assert_properties();
}

fn refutes(bounds: Bounds) {
    let _turn = ONE_AT_A_TIME.lock();
    println!("\n{bounds}");
    let stop = HasDiscoveries::AnyOf(BTreeSet::from([ONE_MEMBERSHIP]));
    // One thread finds a shortest way.
    let whole = Whole::new(bounds);
    let checker = whole.checker().finish_when(stop).spawn_bfs().join();
    let path = checker.discovery(ONE_MEMBERSHIP);
    let path = path.expect("the weakness to break agreement");
    println!(
        "  refuted after {} unique states: not {ONE_MEMBERSHIP}\n{}",
        checker.unique_state_count(),
        tell(checker.model(), path.into_vec()),
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it took, for who reads the output; nothing depends on it"
)]
fn now() -> Instant {
    Instant::now()
}
