//! What a neighbour lacks, it gets.

use std::collections::BTreeSet;

use bytes::Bytes;
use quorate_gossip::{Config, IDS_PER_MESSAGE_MAX, Message, MessageId, Output, Verdict};

use crate::support::network::Network;
use crate::support::{
    ANN, BOB, CAT, Id, ZOE, accept, bulk, drain, engine, forwarded_to, grafts, ms, offer, pass,
    said, signed, start,
};

#[test]
fn a_healed_partition_loses_nothing() {
    let mut network = Network::new(10, &Config::default(), 11);
    for half in [0..5_u8, 5..10] {
        for node in half.clone() {
            network.link(
                node,
                if node + 1 < half.end {
                    node + 1
                } else {
                    half.start
                },
            );
        }
    }
    network.link(4, 5);
    network.run(ms(1000));
    network.unlink(4, 5);
    let mut published = Vec::new();
    for round in 0..400_u16 {
        let node = (round % 10) as u8;
        published.push((
            node,
            network
                .broadcast(node, Bytes::copy_from_slice(&round.to_be_bytes()))
                .id,
        ));
        network.run(ms(3));
    }
    network.run(ms(1000));
    assert!(
        network
            .delivered
            .values()
            .all(|delivered| delivered.len() == 160),
        "each half has its own"
    );
    network.link(0, 9);
    network.run(ms(5000));
    network.assert_delivered_exactly_once(&published);
}

#[test]
fn a_new_neighbor_is_told_everything_in_the_store_oldest_first_in_chunks() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN], now);
    let contents: Vec<_> = (0..IDS_PER_MESSAGE_MAX as u64 + 5)
        .map(|sequence| bulk(ZOE, sequence, 1))
        .collect();
    for content in &contents {
        assert!(accept(&mut engine, ANN, content, now));
    }
    engine.handle_link_up(BOB, now);
    let outputs = drain(&mut engine);
    let ids = |output: &Output<_>| match output {
        Output::Send {
            to,
            message: Message::IHave { ids },
        } if *to == [BOB] => ids.clone(),
        other => panic!("{other:?}"),
    };
    let chunks: Vec<_> = outputs.iter().map(ids).collect();
    assert_eq!(
        chunks.iter().map(Vec::len).collect::<Vec<_>>(),
        [IDS_PER_MESSAGE_MAX, 5]
    );
    assert_eq!(
        chunks.concat(),
        contents
            .iter()
            .map(|content| content.id())
            .collect::<Vec<_>>()
    );
}

#[test]
fn only_what_is_lacking_is_asked_for_and_only_once() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let (seen, waiting, lacking) = (
        said(ZOE, 0, 0, "seen"),
        said(ZOE, 0, 1, "waiting"),
        said(ZOE, 0, 2, "lacking"),
    );
    assert!(accept(&mut engine, ANN, &seen, now));
    offer(&mut engine, ANN, &waiting, now).unwrap();
    let ids = vec![seen.id(), lacking.id(), waiting.id(), lacking.id()];
    engine
        .handle_message(ANN, Message::IHave { ids: ids.clone() }, now)
        .unwrap();
    assert_eq!(grafts(&drain(&mut engine)), [(ANN, vec![lacking.id()])]);
    engine
        .handle_message(BOB, Message::IHave { ids }, now)
        .unwrap();
    assert_eq!(drain(&mut engine), []);
}

#[test]
fn a_request_is_answered_from_the_store_and_unknown_ids_are_skipped() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let content = said(ZOE, 0, 0, "hello");
    assert!(accept(&mut engine, ANN, &content, now));
    let ids = vec![MessageId::from_bytes([1; 32]), content.id()];
    engine
        .handle_message(BOB, Message::Graft { ids }, now)
        .unwrap();
    let message = Message::Gossip {
        hop_count: 2,
        content: content.encode(),
    };
    assert_eq!(
        drain(&mut engine),
        [Output::Send {
            to: vec![BOB],
            message
        }]
    );
}

#[test]
fn what_does_not_come_is_asked_of_another_and_in_the_end_given_up() {
    let now = start();
    let config = Config::default();
    let timeout = config.graft_timeout;
    let mut engine = engine(config, &[ANN, BOB], now);
    let id = said(ZOE, 0, 0, "lost").id();
    for holder in [ANN, BOB] {
        engine
            .handle_message(holder, Message::IHave { ids: vec![id] }, now)
            .unwrap();
    }
    assert_eq!(grafts(&drain(&mut engine)), [(ANN, vec![id])]);
    let early = pass(&mut engine, &[ANN, BOB], now, now + timeout - ms(1));
    assert_eq!(grafts(&early), []);
    let on_time = pass(&mut engine, &[ANN, BOB], now, now + timeout);
    assert_eq!(grafts(&on_time), [(BOB, vec![id])]);
    // A lost answer of the only holder left is asked for again too, but not for ever.
    let rest = pass(&mut engine, &[ANN, BOB], now + timeout, now + timeout * 20);
    assert_eq!(
        grafts(&rest)
            .iter()
            .map(|(holder, _)| *holder)
            .collect::<Vec<_>>(),
        [ANN, BOB, ANN]
    );
    assert_eq!(engine.usage().wanted, 0);
}

#[test]
fn announcing_the_same_again_does_not_crowd_out_others() {
    let now = start();
    let config = Config::default();
    let timeout = config.graft_timeout;
    let mut engine = engine(config, &[ANN, BOB], now);
    let id = said(ZOE, 0, 0, "lost").id();
    for holder in [ANN, ANN, ANN, ANN, ANN, BOB] {
        engine
            .handle_message(holder, Message::IHave { ids: vec![id] }, now)
            .unwrap();
    }
    assert_eq!(grafts(&drain(&mut engine)), [(ANN, vec![id])]);
    let outputs = pass(&mut engine, &[ANN, BOB], now, now + timeout);
    assert_eq!(grafts(&outputs), [(BOB, vec![id])]);
}

#[test]
fn what_a_lost_neighbor_was_asked_for_is_asked_of_another_at_once() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let id = said(ZOE, 0, 0, "lost").id();
    for holder in [ANN, BOB] {
        engine
            .handle_message(holder, Message::IHave { ids: vec![id] }, now)
            .unwrap();
    }
    drain(&mut engine);
    engine.handle_link_down(ANN, now);
    assert_eq!(engine.poll_timeout(), Some(now));
    engine.handle_timeout(now);
    assert_eq!(grafts(&drain(&mut engine)), [(BOB, vec![id])]);
    engine.handle_link_down(BOB, now);
    assert_eq!(engine.usage().wanted, 0);
}

#[test]
fn a_bad_answer_is_followed_by_asking_another_and_not_the_liar() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB, CAT], now);
    let (bad, good) = (signed(ZOE, 0, 0, "hello", "bad"), said(ZOE, 0, 0, "hello"));
    for holder in [ANN, BOB] {
        engine
            .handle_message(
                holder,
                Message::IHave {
                    ids: vec![good.id()],
                },
                now,
            )
            .unwrap();
    }
    drain(&mut engine);
    let check = offer(&mut engine, ANN, &bad, now).unwrap();
    engine.handle_checked(check, Verdict::Reject, now);
    engine.handle_timeout(now);
    assert_eq!(grafts(&drain(&mut engine)), [(BOB, vec![good.id()])]);
    let check = offer(&mut engine, BOB, &good, now).unwrap();
    engine.handle_checked(check, Verdict::Accept, now);
    // Ann has shown that she does not hold the good one.
    assert_eq!(forwarded_to(&drain(&mut engine)), [ANN, CAT]);
    assert_eq!(engine.usage().wanted, 0);
}

#[test]
fn a_bad_copy_under_check_does_not_hide_where_the_good_one_is() {
    let now = start();
    let config = Config::default();
    let timeout = config.graft_timeout;
    let mut engine = engine(config, &[ANN, BOB], now);
    let (bad, good) = (signed(ZOE, 0, 0, "hello", "bad"), said(ZOE, 0, 0, "hello"));
    let check = offer(&mut engine, ANN, &bad, now).unwrap();
    engine
        .handle_message(
            BOB,
            Message::IHave {
                ids: vec![good.id()],
            },
            now,
        )
        .unwrap();
    // As long as the check runs, there is nothing to ask for.
    assert_eq!(
        grafts(&pass(&mut engine, &[ANN, BOB], now, now + timeout * 3)),
        []
    );
    engine.handle_checked(check, Verdict::Reject, now + timeout * 3);
    let outputs = pass(
        &mut engine,
        &[ANN, BOB],
        now + timeout * 3,
        now + timeout * 4,
    );
    assert_eq!(grafts(&outputs), [(BOB, vec![good.id()])]);
}

#[test]
fn whoever_has_announced_it_is_asked_once_before_anybody_is_asked_twice() {
    let now = start();
    let liars: Vec<Id> = (0..6).map(|number| [b'0' + number]).collect();
    let all: Vec<Id> = liars.iter().copied().chain([BOB]).collect();
    let mut engine = engine(Config::default(), &all, now);
    let content = bulk(ZOE, 1, 10);
    let ids = vec![content.id()];
    for liar in liars {
        let ids = ids.clone();
        engine
            .handle_message(liar, Message::IHave { ids }, now)
            .unwrap();
    }
    let later = now + ms(300);
    engine
        .handle_message(BOB, Message::IHave { ids }, later)
        .unwrap();
    let first = grafts(&drain(&mut engine)).into_iter();
    let rest = grafts(&pass(&mut engine, &all, later, later + ms(60_000)));
    let asked: Vec<Id> = first.chain(rest).map(|(peer, _)| peer).collect();
    assert_eq!(asked.len(), all.len());
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert_eq!(engine.usage().wanted, 0);
}
