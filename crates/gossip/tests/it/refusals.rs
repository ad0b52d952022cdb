//! What a neighbour may not send.

use bytes::Bytes;
use quorate_gossip::{
    CONTENT_OVERHEAD_MAX, Config, ContentError, IDS_PER_MESSAGE_MAX, Message, MessageError,
    MessageId,
};

use crate::support::{ANN, BOB, ZOE, bulk, drain, engine, gossip, ms, said, start};

#[test]
fn a_bad_message_is_a_typed_error_and_changes_nothing() {
    let now = start();
    let config = Config {
        payload_max: 100,
        ..Config::default()
    };
    let mut engine = engine(config, &[ANN], now);
    let deadline = engine.poll_timeout();
    let usage = engine.usage();
    let ids = vec![MessageId::from_bytes([1; 32]); IDS_PER_MESSAGE_MAX + 1];
    let (count, max) = (ids.len(), IDS_PER_MESSAGE_MAX);
    let blob = Bytes::from(vec![0; 100 + CONTENT_OVERHEAD_MAX + 1]);
    let cases = [
        (BOB, Message::Ping { nonce: 1 }, MessageError::NotANeighbor),
        (
            BOB,
            gossip(&said(ZOE, 0, 0, "hello"), 1),
            MessageError::NotANeighbor,
        ),
        (
            ANN,
            Message::IHave { ids: ids.clone() },
            MessageError::TooManyIds { count, max },
        ),
        (
            ANN,
            Message::Graft { ids },
            MessageError::TooManyIds { count, max },
        ),
        (
            ANN,
            gossip(&bulk(ZOE, 0, 101), 1),
            MessageError::ContentTooLong { len: 101, max: 100 },
        ),
        (
            ANN,
            Message::Gossip {
                hop_count: 1,
                content: blob.clone(),
            },
            MessageError::ContentTooLong {
                len: blob.len(),
                max: blob.len() - 1,
            },
        ),
        (
            ANN,
            Message::Gossip {
                hop_count: 1,
                content: Bytes::from_static(&[7]),
            },
            MessageError::Content(ContentError::UnknownKind { kind: 7 }),
        ),
    ];
    let refused = cases.len() as u64;
    for (from, message, error) in cases {
        assert_eq!(
            engine.handle_message(from, message, now + ms(100)),
            Err(error)
        );
    }
    assert_eq!(drain(&mut engine), []);
    assert_eq!((engine.poll_timeout(), engine.usage()), (deadline, usage));
    assert_eq!(
        (engine.counters().received, engine.counters().refused),
        (0, refused)
    );
}

#[test]
fn a_payload_of_exactly_the_limit_passes() {
    let now = start();
    let mut engine = engine(
        Config {
            payload_max: 100,
            ..Config::default()
        },
        &[ANN],
        now,
    );
    assert!(crate::support::accept(
        &mut engine,
        ANN,
        &bulk(ZOE, 0, 100),
        now
    ));
}

#[test]
fn a_neighbor_that_has_gone_is_no_neighbor() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN], now);
    engine.handle_link_down(ANN, now);
    engine.handle_link_down(ANN, now);
    let refused = engine.handle_message(ANN, Message::Ping { nonce: 1 }, now);
    assert_eq!(refused, Err(MessageError::NotANeighbor));
    assert_eq!((engine.poll_timeout(), engine.usage().neighbors), (None, 0));
}

#[test]
fn a_link_to_oneself_is_no_link() {
    let now = start();
    let mut engine = engine(Config::default(), &[], now);
    engine.handle_link_up(crate::support::ME, now);
    assert_eq!(engine.usage().neighbors, 0);
}
