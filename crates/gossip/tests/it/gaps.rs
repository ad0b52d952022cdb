//! What does not come is told, once, and nothing else is.

use bytes::Bytes;
use quorate_gossip::{Config, Gap, Output, SEQUENCE_WINDOW, Verdict};

use crate::support::network::Network;
use crate::support::{ANN, BOB, ZOE, accept, bulk, drain, engine, ms, offer, pass, start};

#[test]
fn a_message_that_does_not_come_is_told_after_the_timeout_and_delivered_if_it_comes_after_all() {
    let now = start();
    let config = Config::default();
    let timeout = config.gap_timeout;
    let mut engine = engine(config, &[ANN, BOB], now);
    for sequence in [0, 1, 4] {
        assert!(accept(&mut engine, ANN, &bulk(ZOE, sequence, 10), now));
    }
    let all = [ANN, BOB];
    let before = pass(&mut engine, &all, now, now + timeout - ms(1));
    assert_eq!(gaps(&before), []);
    let at = now + timeout;
    let told = pass(&mut engine, &all, now + timeout - ms(1), at);
    let missing = Gap {
        origin: ZOE,
        incarnation: 0,
        sequences: 2..=3,
    };
    assert_eq!(gaps(&told), [missing]);
    assert_eq!(engine.counters().missing, 2);
    let after = pass(&mut engine, &all, at, at + timeout * 4);
    assert_eq!(gaps(&after), []);
    let late = at + timeout * 4;
    assert!(accept(&mut engine, BOB, &bulk(ZOE, 3, 10), late));
}

#[test]
fn what_fell_out_of_every_store_while_a_node_was_cut_off_is_told() {
    let config = Config {
        store_count_max: 5,
        gap_timeout: ms(5_000),
        ..Config::default()
    };
    let mut network = Network::new(3, &config, 4);
    network.link(0, 1);
    network.link(1, 2);
    network.broadcast(0, Bytes::from_static(b"first"));
    network.run(ms(1_000));
    network.unlink(1, 2);
    for _ in 0..20 {
        network.broadcast(0, Bytes::from_static(b"meanwhile"));
        network.run(ms(1_000));
    }
    assert_eq!(network.gaps, []);
    network.link(1, 2);
    network.run(ms(12_000));
    // Of numbers 1 to 20 the neighbour held the last five.
    let missing = Gap {
        origin: [0],
        incarnation: 0,
        sequences: 1..=15,
    };
    assert_eq!(network.gaps, [([2], missing)]);
    assert_eq!(network.delivered[&[2]].len(), 6);
}

#[test]
fn a_leap_ahead_leaves_what_the_window_cannot_hold_behind_at_once() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN], now);
    assert!(accept(&mut engine, ANN, &bulk(ZOE, 0, 10), now));
    let far = 1 << 32;
    let check = offer(&mut engine, ANN, &bulk(ZOE, far, 10), now).unwrap();
    engine.handle_checked(check, Verdict::Accept, now);
    let outputs = drain(&mut engine);
    let missing = Gap {
        origin: ZOE,
        incarnation: 0,
        sequences: 1..=far - SEQUENCE_WINDOW,
    };
    // It is told before what shows it.
    assert_eq!(outputs.first(), Some(&Output::Gap(missing)));
    assert_eq!(engine.counters().missing, far - SEQUENCE_WINDOW);
}

fn gaps(outputs: &[Output<[u8; 1]>]) -> Vec<Gap<[u8; 1]>> {
    let gap = |output: &Output<[u8; 1]>| match output {
        Output::Gap(gap) => Some(gap.clone()),
        _ => None,
    };
    outputs.iter().filter_map(gap).collect()
}
