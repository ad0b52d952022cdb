//! Shared by the tests: one engine handled by itself, and a network of them in virtual time.

pub(crate) mod network;

use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_gossip::{CheckId, Config, Content, Gossip, Message, MessageId, Output, Verdict};

pub(crate) type Id = [u8; 1];
pub(crate) type Engine = Gossip<Id>;

pub(crate) const ME: Id = *b"m";
pub(crate) const ANN: Id = *b"a";
pub(crate) const BOB: Id = *b"b";
pub(crate) const CAT: Id = *b"c";
/// Says things and is nobody's neighbour.
pub(crate) const ZOE: Id = *b"z";

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant has no other origin; only differences matter"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An engine with links to these neighbours, with nothing left to poll.
pub(crate) fn engine(config: Config, neighbors: &[Id], now: Instant) -> Engine {
    let mut engine = Gossip::new(ME, config, 1, now).unwrap();
    for neighbor in neighbors {
        engine.handle_link_up(*neighbor, now);
    }
    assert_eq!(drain(&mut engine), []);
    engine
}

pub(crate) fn drain(engine: &mut Engine) -> Vec<Output<Id>> {
    std::iter::from_fn(|| engine.poll_output()).collect()
}

/// An application message; its signature is good if it says so.
pub(crate) fn said(
    origin: Id,
    incarnation: u64,
    sequence: u64,
    payload: &'static str,
) -> Content<Id> {
    signed(origin, incarnation, sequence, payload, "good")
}

pub(crate) fn signed(
    origin: Id,
    incarnation: u64,
    sequence: u64,
    payload: &'static str,
    signature: &'static str,
) -> Content<Id> {
    let (payload, signature) = (Bytes::from(payload), Bytes::from(signature));
    Content::Application {
        origin,
        incarnation,
        sequence,
        payload,
        signature,
    }
}

/// An application message of this many payload bytes.
pub(crate) fn bulk(origin: Id, sequence: u64, len: usize) -> Content<Id> {
    let payload = Bytes::from(vec![b'x'; len]);
    Content::Application {
        origin,
        incarnation: 0,
        sequence,
        payload,
        signature: Bytes::from("good"),
    }
}

pub(crate) fn proof(body: &'static str) -> Content<Id> {
    Content::Proof {
        kind: 1,
        body: Bytes::from(body),
    }
}

pub(crate) fn gossip(content: &Content<Id>, hop_count: u16) -> Message {
    Message::Gossip {
        hop_count,
        content: content.encode(),
    }
}

/// Hands a content in and returns the check it asks for.
pub(crate) fn offer(
    engine: &mut Engine,
    from: Id,
    content: &Content<Id>,
    now: Instant,
) -> Option<CheckId> {
    engine
        .handle_message(from, gossip(content, 1), now)
        .unwrap();
    let checks = drain(engine).into_iter().filter_map(|output| match output {
        Output::Check { check, .. } => Some(check),
        _ => None,
    });
    let checks: Vec<_> = checks.collect();
    assert!(checks.len() <= 1);
    checks.first().copied()
}

/// Hands a content in and accepts it; true if it came to that and it was delivered.
pub(crate) fn accept(engine: &mut Engine, from: Id, content: &Content<Id>, now: Instant) -> bool {
    let Some(check) = offer(engine, from, content, now) else {
        return false;
    };
    engine.handle_checked(check, Verdict::Accept, now);
    delivered(&drain(engine)) == [content.id()]
}

pub(crate) fn delivered(outputs: &[Output<Id>]) -> Vec<MessageId> {
    let id = |output: &Output<Id>| match output {
        Output::Deliver { id, .. } => Some(*id),
        _ => None,
    };
    outputs.iter().filter_map(id).collect()
}

/// To whom contents were sent.
pub(crate) fn forwarded_to(outputs: &[Output<Id>]) -> Vec<Id> {
    let to = |output: &Output<Id>| match output {
        Output::Send {
            to,
            message: Message::Gossip { .. },
        } => to.clone(),
        _ => Vec::new(),
    };
    outputs.iter().flat_map(to).collect()
}

/// Who was asked to send no more broadcasts unasked.
pub(crate) fn prunes(outputs: &[Output<Id>]) -> Vec<Id> {
    let to = |output: &Output<Id>| match output {
        Output::Send {
            to,
            message: Message::Prune,
        } => to.clone(),
        _ => Vec::new(),
    };
    outputs.iter().flat_map(to).collect()
}

/// Who was told of what.
pub(crate) fn announcements(outputs: &[Output<Id>]) -> Vec<(Id, Vec<MessageId>)> {
    let ihave = |output: &Output<Id>| match output {
        Output::Send {
            to,
            message: Message::IHave { ids },
        } => Some((to[0], ids.clone())),
        _ => None,
    };
    outputs.iter().filter_map(ihave).collect()
}

/// Who was asked for what.
pub(crate) fn grafts(outputs: &[Output<Id>]) -> Vec<(Id, Vec<MessageId>)> {
    let graft = |output: &Output<Id>| match output {
        Output::Send {
            to,
            message: Message::Graft { ids },
        } => Some((to[0], ids.clone())),
        _ => None,
    };
    outputs.iter().filter_map(graft).collect()
}

/// Lets an engine's time pass, calling it exactly when it asks to be called, while every neighbour
/// in `living` answers its pings; returns everything but the pings.
pub(crate) fn pass(
    engine: &mut Engine,
    living: &[Id],
    from: Instant,
    until: Instant,
) -> Vec<Output<Id>> {
    let mut rest = Vec::new();
    let mut steps = 0;
    while let Some(now) = engine.poll_timeout().filter(|deadline| *deadline <= until) {
        let now = now.max(from);
        engine.handle_timeout(now);
        steps += 1;
        assert!(
            steps < 10_000,
            "the engine wants to be called over and over at {now:?}"
        );
        for output in drain(engine) {
            match output {
                Output::Send {
                    to,
                    message: Message::Ping { nonce },
                } => {
                    if living.contains(&to[0]) {
                        engine
                            .handle_message(to[0], Message::Pong { nonce }, now)
                            .unwrap();
                    }
                }
                output => rest.push(output),
            }
        }
    }
    rest
}
