//! Old news stays out, however far back it was.

use quorate_gossip::{Config, SEQUENCE_WINDOW};

use crate::support::{ANN, BOB, ZOE, accept, bulk, engine, offer, proof, said, start};

fn forgetful() -> Config {
    Config {
        seen_max: 4,
        store_count_max: 4,
        ..Config::default()
    }
}

#[test]
fn a_replay_is_refused_after_its_id_has_been_forgotten() {
    let now = start();
    let mut engine = engine(forgetful(), &[ANN, BOB], now);
    let first = bulk(ZOE, 0, 10);
    assert!(accept(&mut engine, ANN, &first, now));
    for sequence in 1..=8 {
        assert!(accept(&mut engine, ANN, &bulk(ZOE, sequence, 10), now));
    }
    assert!(!engine.has_seen(&first.id()));
    assert_eq!(offer(&mut engine, BOB, &first, now), None);
    assert_eq!(engine.counters().stale, 1);
}

#[test]
fn what_is_older_than_the_window_is_refused_even_if_it_never_came() {
    let now = start();
    let mut engine = engine(forgetful(), &[ANN], now);
    assert!(accept(
        &mut engine,
        ANN,
        &bulk(ZOE, SEQUENCE_WINDOW, 1),
        now
    ));
    assert!(accept(&mut engine, ANN, &bulk(ZOE, 1, 1), now));
    assert_eq!(offer(&mut engine, ANN, &bulk(ZOE, 0, 1), now), None);
}

#[test]
fn a_higher_incarnation_makes_lower_ones_stale() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN], now);
    assert!(accept(&mut engine, ANN, &said(ZOE, 1, 7, "before"), now));
    assert!(accept(&mut engine, ANN, &said(ZOE, 2, 0, "after"), now));
    assert_eq!(offer(&mut engine, ANN, &said(ZOE, 1, 8, "late"), now), None);
    assert!(accept(&mut engine, ANN, &said(ZOE, 2, 1, "on"), now));
}

#[test]
fn one_number_delivers_one_content_even_if_its_origin_used_it_twice() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let (one, other) = (said(ZOE, 0, 0, "yes"), said(ZOE, 0, 0, "no"));
    let one_check = offer(&mut engine, ANN, &one, now).unwrap();
    let other_check = offer(&mut engine, BOB, &other, now).unwrap();
    engine.handle_checked(one_check, quorate_gossip::Verdict::Accept, now);
    engine.handle_checked(other_check, quorate_gossip::Verdict::Accept, now);
    assert_eq!(
        (engine.counters().delivered, engine.counters().stale),
        (1, 1)
    );
}

#[test]
fn a_forgotten_proof_is_checked_again_because_it_has_no_number() {
    let now = start();
    let mut engine = engine(forgetful(), &[ANN], now);
    let old = proof("old");
    assert!(accept(&mut engine, ANN, &old, now));
    assert_eq!(offer(&mut engine, ANN, &old, now), None);
    for sequence in 0..4 {
        assert!(accept(&mut engine, ANN, &bulk(ZOE, sequence, 1), now));
    }
    assert!(offer(&mut engine, ANN, &old, now).is_some());
}

#[test]
fn a_forgotten_origin_starts_over_and_is_no_longer_offered() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN], now);
    assert!(accept(&mut engine, ANN, &said(ZOE, 5, 0, "old"), now));
    assert!(accept(&mut engine, ANN, &said(BOB, 0, 0, "other"), now));
    engine.forget_origin(&ZOE);
    assert_eq!((engine.usage().origins, engine.usage().stored), (1, 1));
    assert!(accept(&mut engine, ANN, &said(ZOE, 0, 0, "new"), now));
}
