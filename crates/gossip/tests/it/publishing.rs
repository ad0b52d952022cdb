//! A node's own broadcasts.

use bytes::Bytes;
use quorate_gossip::{BroadcastError, Config, Content, Message, Output, Verdict};

use crate::support::{
    ANN, BOB, ME, delivered, drain, engine, forwarded_to, gossip, offer, proof, start,
};

#[test]
fn a_draft_takes_the_next_number_and_publishing_sends_it_to_all() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    engine.set_incarnation(3);
    assert_eq!(engine.draft(Bytes::from("first")).unwrap().sequence(), 0);
    let draft = engine.draft(Bytes::from("second")).unwrap();
    assert_eq!(
        (draft.origin(), draft.incarnation(), draft.sequence()),
        (ME, 3, 1)
    );
    let signature = Bytes::copy_from_slice(draft.id().as_bytes());
    let published = engine.publish(draft, signature.clone(), now);
    assert_eq!(published.neighbors, 2);
    let payload = Bytes::from("second");
    let content = Content::Application {
        origin: ME,
        incarnation: 3,
        sequence: 1,
        payload,
        signature,
    };
    assert_eq!(published.id, content.id());
    assert_eq!(
        drain(&mut engine),
        [Output::Send {
            to: vec![ANN, BOB],
            message: gossip(&content, 1)
        }]
    );

    // Its echo is no news, not even to this node.
    assert_eq!(offer(&mut engine, ANN, &content, now), None);
}

#[test]
fn only_a_higher_incarnation_starts_the_numbers_over() {
    let mut engine = engine(Config::default(), &[], start());
    engine.set_incarnation(2);
    assert_eq!(engine.draft(Bytes::new()).unwrap().sequence(), 0);
    for incarnation in [2, 1] {
        engine.set_incarnation(incarnation);
        let draft = engine.draft(Bytes::new()).unwrap();
        assert_eq!(draft.incarnation(), 2);
        assert_ne!(draft.sequence(), 0);
    }
    engine.set_incarnation(3);
    assert_eq!(engine.draft(Bytes::new()).unwrap().sequence(), 0);
}

#[test]
fn a_payload_over_the_limit_is_a_typed_error_and_takes_no_number() {
    let now = start();
    let mut engine = engine(
        Config {
            payload_max: 4,
            ..Config::default()
        },
        &[ANN],
        now,
    );
    let error = BroadcastError::PayloadTooLarge { len: 5, max: 4 };
    assert_eq!(engine.draft(Bytes::from("12345")).unwrap_err(), error);
    assert_eq!(
        engine.publish_proof(1, Bytes::from("12345"), now),
        Err(error)
    );
    assert_eq!(engine.draft(Bytes::from("1234")).unwrap().sequence(), 0);
}

#[test]
fn a_proof_is_published_once_and_not_by_those_who_have_seen_it() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let content = proof("certificate");
    let publish = |engine: &mut crate::support::Engine| {
        engine
            .publish_proof(1, content.payload().clone(), now)
            .unwrap()
    };
    assert_eq!(
        publish(&mut engine).map(|published| published.id),
        Some(content.id())
    );
    assert_eq!(forwarded_to(&drain(&mut engine)), [ANN, BOB]);
    assert_eq!(publish(&mut engine), None);
    assert_eq!(drain(&mut engine), []);
}

#[test]
fn a_proof_that_waits_for_its_check_can_be_published_and_is_then_not_delivered() {
    let now = start();
    let mut engine = engine(Config::default(), &[ANN, BOB], now);
    let content = proof("certificate");
    let check = offer(&mut engine, ANN, &content, now).unwrap();
    let published = engine
        .publish_proof(1, content.payload().clone(), now)
        .unwrap()
        .unwrap();
    assert_eq!(
        (published.neighbors, forwarded_to(&drain(&mut engine))),
        (1, vec![BOB])
    );
    engine.handle_checked(check, Verdict::Accept, now);
    assert_eq!(drain(&mut engine), []);
}

#[test]
fn what_was_published_without_neighbors_reaches_the_first_one() {
    let now = start();
    let mut engine = engine(Config::default(), &[], now);
    let draft = engine.draft(Bytes::from("anybody?")).unwrap();
    let published = engine.publish(draft, Bytes::from("good"), now);
    assert_eq!(published.neighbors, 0);
    engine.handle_link_up(ANN, now);
    let announcement = Output::Send {
        to: vec![ANN],
        message: Message::IHave {
            ids: vec![published.id],
        },
    };
    assert_eq!(drain(&mut engine), [announcement]);
    engine
        .handle_message(
            ANN,
            Message::Graft {
                ids: vec![published.id],
            },
            now,
        )
        .unwrap();
    let outputs = drain(&mut engine);
    assert_eq!(
        (forwarded_to(&outputs), delivered(&outputs)),
        (vec![ANN], vec![])
    );
}
