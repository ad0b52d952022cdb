//! The silent are noticed, the living are left alone.

use std::time::Duration;

use bytes::Bytes;
use quorate_gossip::{Config, Message, Output};

use crate::support::network::Network;
use crate::support::{ANN, BOB, Engine, Id, drain, engine, ms, pass, start};

fn silences(outputs: &[Output<Id>]) -> Vec<(Id, Duration)> {
    let silence = |output: &Output<Id>| match output {
        Output::Silent { peer, silence } => Some((*peer, *silence)),
        _ => None,
    };
    outputs.iter().filter_map(silence).collect()
}

#[test]
fn a_ping_is_answered_with_its_nonce() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN], now);
    engine
        .handle_message(ANN, Message::Ping { nonce: 77 }, now)
        .unwrap();
    assert_eq!(
        drain(&mut engine),
        [Output::Send {
            to: vec![ANN],
            message: Message::Pong { nonce: 77 }
        }]
    );
}

#[test]
fn pings_come_at_the_interval_give_or_take_an_eighth_and_not_in_step() {
    let begin = start();
    let config = Config::default();
    let interval = config.heartbeat_interval;
    let mut engine = engine(config, &[ANN], begin);
    let mut pings = Vec::new();
    while pings.len() < 50 {
        let now = engine.poll_timeout().unwrap();
        engine.handle_timeout(now);
        for output in drain(&mut engine) {
            let Output::Send {
                message: Message::Ping { nonce },
                ..
            } = output
            else {
                panic!("{output:?}")
            };
            engine
                .handle_message(ANN, Message::Pong { nonce }, now)
                .unwrap();
            pings.push(now);
        }
    }
    assert!(pings[0] <= begin + interval);
    let gaps: Vec<_> = pings.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.iter()
            .all(|gap| *gap >= interval - interval / 8 && *gap <= interval + interval / 8),
        "{gaps:?}"
    );
    assert!(gaps.iter().max() > gaps.iter().min());
}

#[test]
fn of_two_neighbors_one_pings_and_both_know_that_the_other_lives() {
    let mut network = Network::new(2, &Config::default(), 5);
    network.link(0, 1);
    network.run(ms(60_000));
    assert_eq!(network.silent, []);
    let pings = network.pings;
    // One in 437 to 562 ms.
    assert!((107..137).contains(&pings), "{pings} pings in 60 s");
}

#[test]
fn a_silent_neighbor_is_reported_once_within_the_bounds() {
    let begin = start();
    let config = Config::default();
    let (min, max) = (config.silence_min, config.silence_max);
    // A regular past earns a short timeout.
    let mut regular = engine(config.clone(), &[ANN, BOB], begin);
    let died = begin + ms(20_000);
    assert_eq!(silences(&pass(&mut regular, &[ANN, BOB], begin, died)), []);
    let reported = silences(&pass(&mut regular, &[BOB], died, died + ms(60_000)));
    let [(ANN, silence)] = reported[..] else {
        panic!("{reported:?}")
    };
    assert!(silence >= min && silence < min + ms(500), "{silence:?}");
    assert_eq!(regular.counters().silences, 1);

    // Without a past, the longest timeout holds.
    let mut new = engine(config, &[ANN], begin);
    assert_eq!(
        silences(&pass(&mut new, &[], begin, begin + ms(60_000))),
        [(ANN, max)]
    );
}

#[test]
fn a_neighbor_reported_silent_that_speaks_again_is_watched_again() {
    let begin = start();
    let mut engine = engine(Config::default(), &[ANN], begin);
    assert_eq!(
        silences(&pass(&mut engine, &[], begin, begin + ms(60_000))).len(),
        1
    );
    assert_eq!(engine.poll_timeout(), None);
    let now = begin + ms(60_000);
    engine
        .handle_message(ANN, Message::Ping { nonce: 1 }, now)
        .unwrap();
    assert_eq!(
        silences(&pass(&mut engine, &[], now, now + ms(60_000))).len(),
        1
    );
}

#[test]
fn a_slow_but_regular_neighbor_is_left_alone() {
    let begin = start();
    let mut engine = engine(Config::default(), &[ANN], begin);
    let mut now = begin;
    for _ in 0..200 {
        let next = now + ms(2200);
        assert_eq!(silences(&pass(&mut engine, &[], now, next - ms(1))), []);
        engine
            .handle_message(ANN, Message::Pong { nonce: 0 }, next)
            .unwrap();
        drain(&mut engine);
        now = next;
    }
    let reported = silences(&pass(&mut engine, &[], now, now + ms(60_000)));
    assert!(
        reported.len() == 1 && reported[0].1 > ms(2200) && reported[0].1 < ms(5000),
        "{reported:?}"
    );
}

#[test]
fn any_arrival_is_a_sign_of_life() {
    let begin = start();
    let mut engine = engine(Config::default(), &[ANN], begin);
    let mut now = begin;
    for _ in 0..60 {
        let next = now + ms(500);
        assert_eq!(silences(&pass(&mut engine, &[], now, next)), []);
        engine
            .handle_message(ANN, Message::IHave { ids: vec![] }, next)
            .unwrap();
        now = next;
    }
}

#[test]
fn what_is_refused_is_no_sign_of_life() {
    let begin = start();
    let mut engine = engine(Config::default(), &[ANN], begin);
    let mut reported = Vec::new();
    for step in 0..60 {
        let (now, next) = (begin + ms(100) * step, begin + ms(100) * (step + 1));
        let garbage = Message::Gossip {
            hop_count: 1,
            content: Bytes::from_static(b"?"),
        };
        assert!(engine.handle_message(ANN, garbage, now).is_err());
        reported.extend(silences(&pass(&mut engine, &[], now, next)));
    }
    assert_eq!(reported, [(ANN, Config::default().silence_max)]);
}

#[test]
fn a_node_that_stood_still_itself_accuses_nobody() {
    let begin = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], begin);
    let paused = begin + ms(20_000);
    pass(&mut engine, &[ANN, BOB], begin, paused);
    for pause in [ms(3_000), ms(30_000), ms(3_600_000)] {
        let mut engine = clone_by_replay(begin, paused);
        let resumed = paused + pause;
        // The clock wins over the network: the timer fires before anything queued is read.
        engine.handle_timeout(resumed);
        assert_eq!(silences(&drain(&mut engine)), []);
        assert_eq!(engine.counters().late_wakeups, 1);
        // Whoever stays silent afterwards is noticed as ever.
        let reported = silences(&pass(&mut engine, &[BOB], resumed, resumed + ms(10_000)));
        assert!(
            reported.len() == 1 && reported[0].0 == ANN && reported[0].1 < ms(2_500),
            "{reported:?}"
        );
    }
}

#[test]
fn a_pause_is_noticed_by_whichever_call_comes_first_and_counted_once() {
    let begin = start();
    let paused = begin + ms(20_000);
    let mut engine = clone_by_replay(begin, paused);
    let resumed = paused + ms(30_000);
    // The network wins over the clock: Ann's queued messages are read before the timer fires.
    for _ in 0..5 {
        engine
            .handle_message(ANN, Message::Pong { nonce: 0 }, resumed)
            .unwrap();
    }
    engine.handle_timeout(resumed);
    assert_eq!(silences(&drain(&mut engine)), []);
    assert_eq!(engine.counters().late_wakeups, 1);
}

#[test]
fn a_driver_that_is_slow_only_with_the_timer_gives_no_reprieve() {
    let begin = start();
    let dies = begin + ms(20_000);
    let mut engine = clone_by_replay(begin, dies);
    // Bob keeps the driver busy, which leaves the timer for later.
    for step in 1..=60 {
        engine
            .handle_message(BOB, Message::Pong { nonce: 0 }, dies + ms(50) * step)
            .unwrap();
    }
    engine.handle_timeout(dies + ms(3000));
    let reported = silences(&drain(&mut engine));
    assert!(reported.len() == 1 && reported[0].0 == ANN, "{reported:?}");
    assert_eq!(engine.counters().late_wakeups, 0);
}

#[test]
fn nobody_is_accused_in_a_quiet_healthy_network() {
    let mut network = Network::new(6, &Config::default(), 5);
    for node in 0..6 {
        network.link(node, (node + 1) % 6);
    }
    network.run(ms(120_000));
    assert_eq!(network.silent, []);
}

/// An engine with two living neighbours and a regular past.
fn clone_by_replay(begin: std::time::Instant, until: std::time::Instant) -> Engine {
    let mut engine = engine(Config::default(), &[ANN, BOB], begin);
    assert_eq!(silences(&pass(&mut engine, &[ANN, BOB], begin, until)), []);
    engine
}
