//! Nothing is believed, delivered or passed on before its check came back.

use quorate_gossip::{Config, Message, Output, Verdict};

use crate::support::{
    ANN, BOB, CAT, ZOE, accept, delivered, drain, engine, forwarded_to, gossip, ms, offer, pass,
    proof, prunes, said, signed, start,
};

#[test]
fn a_content_is_forwarded_and_delivered_only_after_it_was_accepted() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB, CAT], now);
    let content = said(ZOE, 0, 0, "hello");
    engine
        .handle_message(ANN, gossip(&content, 4), now)
        .unwrap();
    let outputs = drain(&mut engine);
    let [
        Output::Check {
            check,
            from: ANN,
            id,
            content: asked,
        },
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((*id, asked), (content.id(), &content));

    engine.handle_checked(*check, Verdict::Accept, now);
    let raw = content.encode();
    let expected = [
        Output::Send {
            to: vec![BOB, CAT],
            message: Message::Gossip {
                hop_count: 5,
                content: raw,
            },
        },
        Output::Deliver {
            from: ANN,
            id: *id,
            content,
            hop_count: 4,
        },
    ];
    assert_eq!(drain(&mut engine), expected);
}

#[test]
fn a_rejected_content_goes_nowhere_and_an_ignored_one_is_only_remembered() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let bad = signed(ZOE, 0, 0, "hello", "bad");
    let check = offer(&mut engine, ANN, &bad, now).unwrap();
    engine.handle_checked(check, Verdict::Reject, now);
    assert_eq!(drain(&mut engine), []);
    assert!(!engine.has_seen(&bad.id()));

    let known = proof("known");
    let check = offer(&mut engine, ANN, &known, now).unwrap();
    engine.handle_checked(check, Verdict::Ignore, now);
    assert_eq!(drain(&mut engine), []);
    assert!(engine.has_seen(&known.id()));
    assert_eq!(offer(&mut engine, BOB, &known, now), None);
    assert_eq!(
        (
            engine.counters().rejected,
            engine.counters().ignored,
            engine.usage().stored
        ),
        (1, 1, 0)
    );
}

#[test]
fn a_bad_signature_does_not_poison_the_genuine_message() {
    let now = start();
    let (bad, good) = (signed(ZOE, 0, 0, "hello", "bad"), said(ZOE, 0, 0, "hello"));
    // Rejected before the good one comes.
    let mut first = engine(Config::default(), &[ANN, BOB], now);
    let check = offer(&mut first, ANN, &bad, now).unwrap();
    first.handle_checked(check, Verdict::Reject, now);
    assert!(accept(&mut first, BOB, &good, now));

    // Both wait at once, and the bad verdict comes first.
    let mut second = engine(Config::default(), &[ANN, BOB], now);
    let bad_check = offer(&mut second, ANN, &bad, now).unwrap();
    let good_check = offer(&mut second, BOB, &good, now).unwrap();
    second.handle_checked(bad_check, Verdict::Reject, now);
    second.handle_checked(good_check, Verdict::Accept, now);
    assert_eq!(delivered(&drain(&mut second)), [good.id()]);
}

#[test]
fn accepting_one_copy_drops_the_others_quietly() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let (bad, good) = (signed(ZOE, 0, 0, "hello", "bad"), said(ZOE, 0, 0, "hello"));
    let bad_check = offer(&mut engine, ANN, &bad, now).unwrap();
    let good_check = offer(&mut engine, BOB, &good, now).unwrap();
    engine.handle_checked(good_check, Verdict::Accept, now);
    let outputs = drain(&mut engine);
    assert_eq!(delivered(&outputs), [good.id()]);
    // Ann sent another copy than the accepted one: she is sent the good one.
    assert_eq!(forwarded_to(&outputs), [ANN]);
    assert_eq!(
        (engine.usage().unchecked, engine.counters().superseded),
        (0, 1)
    );
    // Even a driver that takes the bad one for good cannot have it delivered again.
    engine.handle_checked(bad_check, Verdict::Accept, now);
    assert_eq!(drain(&mut engine), []);
}

#[test]
fn whoever_sent_or_announced_it_is_not_sent_it_back() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB, CAT, *b"d"], now);
    let content = said(ZOE, 0, 0, "hello");
    let check = offer(&mut engine, ANN, &content, now).unwrap();
    engine
        .handle_message(BOB, gossip(&content, 1), now)
        .unwrap();
    assert_eq!(prunes(&drain(&mut engine)), [BOB]);
    engine
        .handle_message(
            CAT,
            Message::IHave {
                ids: vec![content.id()],
            },
            now,
        )
        .unwrap();
    engine.handle_checked(check, Verdict::Accept, now);
    assert_eq!(forwarded_to(&drain(&mut engine)), [*b"d"]);
    // Neither is it announced to Bob, whose link is lazy now.
    let quiet = now + Config::default().announce_delay;
    assert_eq!(pass(&mut engine, &[], now, quiet), []);
}

#[test]
fn a_verdict_counts_once_and_a_late_one_not_at_all() {
    let now = start();
    let config = Config::default();
    let timeout = config.check_timeout;
    let mut engine = engine(config, &[ANN, BOB], now);
    let content = said(ZOE, 0, 0, "hello");
    let check = offer(&mut engine, ANN, &content, now).unwrap();
    pass(&mut engine, &[ANN, BOB], now, now + timeout);
    let now = now + timeout;
    assert_eq!(
        (engine.counters().expired, engine.usage().unchecked_bytes),
        (1, 0)
    );
    engine.handle_checked(check, Verdict::Accept, now);
    assert_eq!(drain(&mut engine), []);

    // It was dropped as if it had never come.
    let check = offer(&mut engine, BOB, &content, now).unwrap();
    engine.handle_checked(check, Verdict::Accept, now);
    engine.handle_checked(check, Verdict::Accept, now + ms(1));
    assert_eq!(delivered(&drain(&mut engine)), [content.id()]);
}

#[test]
fn an_unchecked_message_cannot_move_the_window() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN], now);
    for (incarnation, sequence) in [(0, u64::MAX), (9, 0)] {
        let lie = signed(ZOE, incarnation, sequence, "lie", "bad");
        let check = offer(&mut engine, ANN, &lie, now).unwrap();
        engine.handle_checked(check, Verdict::Reject, now);
    }
    assert!(accept(&mut engine, ANN, &said(ZOE, 0, 0, "truth"), now));
}

#[test]
fn the_hop_count_stops_at_its_maximum() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let content = said(ZOE, 0, 0, "far travelled");
    engine
        .handle_message(ANN, gossip(&content, u16::MAX), now)
        .unwrap();
    let Some(Output::Check { check, .. }) = engine.poll_output() else {
        panic!("no check")
    };
    engine.handle_checked(check, Verdict::Accept, now);
    let message = Message::Gossip {
        hop_count: u16::MAX,
        content: content.encode(),
    };
    assert!(drain(&mut engine).contains(&Output::Send {
        to: vec![BOB],
        message
    }));
}
