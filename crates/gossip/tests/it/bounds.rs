//! Memory stays within its limits whatever arrives.

use bytes::Bytes;
use quorate_gossip::{Config, Content, Message, MessageId, Verdict};

use crate::support::{
    ANN, BOB, ZOE, accept, bulk, drain, engine, gossip, grafts, ms, offer, pass, start,
};

fn small() -> Config {
    Config {
        payload_max: 1024,
        seen_max: 50,
        origins_max: 10,
        store_count_max: 20,
        store_bytes_max: 12 * 1024,
        unchecked_bytes_max: 40 * 1024,
        unchecked_bytes_per_neighbor_max: 20 * 1024,
        wanted_per_neighbor_max: 30,
        ..Config::default()
    }
}

#[test]
fn accepted_messages_fill_the_lists_to_their_limits_and_no_further() {
    let now = start();
    let config = small();
    let mut engine = engine(config.clone(), &[ANN, BOB], now);
    for number in 0..2000_u64 {
        let origin = [(number % 100) as u8];
        assert!(accept(
            &mut engine,
            ANN,
            &bulk(origin, number / 100, (number % 1024) as usize),
            now
        ));
        let usage = engine.usage();
        assert!(usage.seen <= config.seen_max);
        assert!(usage.origins <= config.origins_max);
        assert!(usage.stored <= config.store_count_max);
        assert!(usage.stored_bytes <= config.store_bytes_max);
    }
    let usage = engine.usage();
    assert_eq!(
        (usage.seen, usage.origins),
        (config.seen_max, config.origins_max)
    );
    assert!(
        usage.stored_bytes > config.store_bytes_max - 2 * 1024,
        "full, not emptied: {usage:?}"
    );
}

#[test]
fn unchecked_contents_are_bounded_in_all_and_per_neighbor() {
    let now = start();
    let config = small();
    let mut engine = engine(config.clone(), &[ANN, BOB, *b"c"], now);
    let mut sequence = 0;
    let mut flood = |engine: &mut crate::support::Engine, from, len| {
        for _ in 0..500 {
            sequence += 1;
            offer(engine, from, &bulk(ZOE, sequence, len), now);
        }
        engine.usage().unchecked_bytes
    };
    let one = flood(&mut engine, ANN, 1000);
    assert!(
        one <= config.unchecked_bytes_per_neighbor_max && one > 15 * 1024,
        "{one}"
    );
    // Empty ones are not free.
    let two = flood(&mut engine, BOB, 0);
    assert!(
        two - one <= config.unchecked_bytes_per_neighbor_max && two - one > 15 * 1024,
        "{two}"
    );
    let three = flood(&mut engine, *b"c", 100);
    assert!(three <= config.unchecked_bytes_max, "{three}");
    assert_eq!(
        engine.counters().dropped_unchecked + engine.usage().unchecked as u64,
        1500
    );

    // A new connection buys no new share.
    engine.handle_link_down(ANN, now);
    engine.handle_link_up(ANN, now);
    assert_eq!(flood(&mut engine, ANN, 1000), three);
}

#[test]
fn room_comes_back_with_the_verdicts_and_what_found_none_is_asked_for_again() {
    let now = start();
    let config = Config {
        unchecked_bytes_per_neighbor_max: 10 * 1024,
        ..small()
    };
    let graft_timeout = config.graft_timeout;
    let mut engine = engine(config, &[ANN, BOB], now);
    let mut checks = Vec::new();
    let mut dropped = None;
    for sequence in 0.. {
        let content = bulk(ZOE, sequence, 1000);
        let Some(check) = offer(&mut engine, ANN, &content, now) else {
            dropped = Some(content);
            break;
        };
        checks.push(check);
    }
    for check in checks {
        engine.handle_checked(check, Verdict::Reject, now);
    }
    drain(&mut engine);
    assert_eq!(
        (engine.usage().unchecked, engine.usage().unchecked_bytes),
        (0, 0)
    );
    let dropped = dropped.unwrap();
    let outputs = pass(&mut engine, &[ANN, BOB], now, now + graft_timeout);
    assert_eq!(grafts(&outputs), [(ANN, vec![dropped.id()])]);
    assert!(accept(&mut engine, ANN, &dropped, now + graft_timeout));
}

#[test]
fn announced_ids_are_bounded_per_neighbor_and_leave_room_for_others() {
    let now = start();
    let config = small();
    let mut engine = engine(config.clone(), &[ANN, BOB], now);
    let ids = |range: std::ops::Range<u8>| {
        range
            .map(|number| MessageId::from_bytes([number; 32]))
            .collect::<Vec<_>>()
    };
    for from in [0, 50, 100] {
        engine
            .handle_message(
                ANN,
                Message::IHave {
                    ids: ids(from..from + 50),
                },
                now,
            )
            .unwrap();
    }
    assert_eq!(engine.usage().wanted, config.wanted_per_neighbor_max);
    assert_eq!(engine.counters().announcements_dropped, 120);
    drain(&mut engine);
    engine
        .handle_message(BOB, Message::IHave { ids: ids(200..210) }, now)
        .unwrap();
    assert_eq!(grafts(&drain(&mut engine)), [(BOB, ids(200..210))]);

    // Nobody ever sends any of it: in the end it is given up.
    pass(&mut engine, &[ANN, BOB], now, now + ms(20_000));
    assert_eq!(engine.usage().wanted, 0);
}

#[test]
fn repeated_ids_do_not_multiply_an_answer() {
    let now = start();
    let mut engine = engine(small(), &[ANN, BOB], now);
    let content = bulk(ZOE, 0, 1000);
    assert!(accept(&mut engine, ANN, &content, now));
    engine
        .handle_message(
            BOB,
            Message::Graft {
                ids: vec![content.id(); 1000],
            },
            now,
        )
        .unwrap();
    assert_eq!(drain(&mut engine).len(), 1);
}

#[test]
fn made_up_ids_do_not_push_real_ones_off_the_list() {
    let now = start();
    let mut engine = engine(small(), &[ANN], now);
    let real = bulk(ZOE, 5000, 1);
    assert!(accept(&mut engine, ANN, &real, now));
    for number in 0..200_u64 {
        // Stale by its number, echo of our own by its origin: neither was ever signed by anybody.
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        for (origin, sequence) in [(ZOE, 0), (crate::support::ME, number)] {
            let payload = payload.clone();
            let lie = Content::Application {
                origin,
                incarnation: 0,
                sequence,
                payload,
                signature: Bytes::new(),
            };
            engine.handle_message(ANN, gossip(&lie, 1), now).unwrap();
        }
    }
    assert_eq!(drain(&mut engine), []);
    assert!(engine.has_seen(&real.id()));
}
