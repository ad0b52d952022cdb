//! Whatever comes over a connection that TLS let in: it is refused, it costs the sender its connection, and nobody else
//! anything.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use quorate_node::client::{Client, ClientError};
use quorate_node::consensus::{Digest, NetworkId};
use quorate_node::gossip::{IDS_PER_MESSAGE_MAX, Message as Gossip, MessageId};
use quorate_node::protocol::{
    FRAME_LEN_MAX, Goodbye, HELLO_LEN_MAX, Hello, LIST_MAX, Message, Purpose, RoleKind,
    RosterMessage, VERSIONS,
};
use quorate_node::{Event, NodeId, SeedLine, SeedList};
use quorate_wire::Format;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::net::{Actor, Net, PATIENCE, Plan, is_refusal, key, stranger};
use crate::raw;
use crate::talk::{End, end, goodbye, handled, hear};

fn hello(net: &Net, purpose: Purpose, role: RoleKind) -> Hello {
    Hello {
        versions: VERSIONS,
        network: net.list.network(),
        seeds: net.list.addresses(),
        format: Format::Bincode,
        purpose,
        role,
    }
}

/// Bytes that look like nothing, the same in every run.
fn noise(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The connection ends without a goodbye, and the node is there for the next.
async fn assert_cut(net: &Net, what: &str, client: &mut Client, node: &Actor) {
    assert_eq!(end(client).await, End::Closed, "{what}");
    let mut next = net
        .connect(&key(240), node, Purpose::Probe, RoleKind::Peer)
        .await;
    assert_eq!(
        handled(&mut next).await,
        None,
        "{what}: the next connection"
    );
}

#[tokio::test]
async fn frames_of_noise_end_the_connection_and_nothing_else() {
    let mut net = Net::start(3, 3).await;
    for node in [&net.seeds[0], &net.peers[1]] {
        for (seed, len) in (0..).zip([0, 1, 2, 3, 17, 300, 5_000, FRAME_LEN_MAX]) {
            // A first byte that names no message: some noise is a message by chance.
            let mut body = BytesMut::from(&noise(seed, len)[..]);
            body.first_mut().into_iter().for_each(|first| *first = 200);
            let mut after = net
                .connect(&stranger(), node, Purpose::Probe, RoleKind::Peer)
                .await;
            after.send_raw(body.clone().freeze()).await.unwrap();
            assert_cut(
                &net,
                &format!("{len} bytes after the hello"),
                &mut after,
                node,
            )
            .await;
            let mut before = Client::open(&stranger(), &node.address).await.unwrap();
            // One that is cut off while it still writes has the same end.
            let _sent = before.send_raw(body.freeze()).await;
            assert_cut(
                &net,
                &format!("{len} bytes in place of the hello"),
                &mut before,
                node,
            )
            .await;
        }
    }
    net.assert_untouched("after noise").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_hello_over_its_limit_is_refused_and_one_at_its_limit_is_read() {
    let mut net = Net::start(3, 3).await;
    for (padding, is_read) in [
        (HELLO_LEN_MAX, true),
        (HELLO_LEN_MAX + 1, false),
        (17 * 1024, false),
    ] {
        let mut body = Format::Json
            .encode(&hello(&net, Purpose::Probe, RoleKind::Peer))
            .unwrap()
            .to_vec();
        body.resize(padding, b' ');
        let mut client = Client::open(&stranger(), &net.seeds[0].address)
            .await
            .unwrap();
        let _sent = client.send_raw(body.into()).await;
        if is_read {
            // The answer is a hello, which is no message.
            assert!(
                matches!(client.receive().await, Err(ClientError::Decode(_))),
                "{padding} bytes"
            );
            assert_eq!(handled(&mut client).await, None, "{padding} bytes");
        } else {
            assert_cut(
                &net,
                &format!("a hello of {padding} bytes"),
                &mut client,
                &net.seeds[0],
            )
            .await;
        }
    }
    net.assert_gossips().await;
}

/// How much memory this process has ever addressed, in KiB; 0 where the system does not say.
fn addressed_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmPeak:"));
    let digits = line.map(|line| {
        line.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    });
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_header_that_announces_two_gibibytes_is_refused_before_room_is_made() {
    let mut net = Net::start(3, 3).await;
    for node in [&net.seeds[0], &net.peers[1]] {
        for says_hello in [true, false] {
            let before = addressed_kib();
            let mut stream = raw::connect(&stranger(), &node.address).await;
            let mut bytes = BytesMut::new();
            if says_hello {
                let body = Format::Json
                    .encode(&hello(&net, Purpose::Probe, RoleKind::Peer))
                    .unwrap();
                bytes.put_u32(u32::try_from(body.len()).unwrap());
                bytes.put_slice(&body);
            }
            bytes.put_u32(2 << 30);
            bytes.put_slice(b"and so on");
            stream.write_all(&bytes).await.unwrap();
            let mut answer = Vec::new();
            let reading = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            reading.unwrap().unwrap();
            assert_eq!(answer.is_empty(), !says_hello, "the node's own hello");
            let grown = addressed_kib().saturating_sub(before);
            assert!(grown < 1 << 20, "{grown} KiB more after a header of 2 GiB");
        }
    }
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_frame_that_stops_in_the_middle_holds_up_nobody() {
    let mut net = Net::start(3, 3).await;
    let mut half = raw::connect(&stranger(), &net.peers[1].address).await;
    let body = Format::Json
        .encode(&hello(&net, Purpose::Probe, RoleKind::Peer))
        .unwrap();
    let mut bytes = BytesMut::new();
    bytes.put_u32(u32::try_from(body.len()).unwrap());
    bytes.put_slice(&body[..body.len() / 2]);
    half.write_all(&bytes).await.unwrap();
    half.flush().await.unwrap();
    net.assert_gossips().await;
    // The other half makes it whole.
    half.write_all(&body[body.len() / 2..]).await.unwrap();
    let answered = timeout(PATIENCE, half.read_u32()).await;
    assert!(answered.unwrap().unwrap() > 0);
    net.assert_untouched("after half a frame").await;
}

#[tokio::test]
async fn whoever_says_no_hello_is_closed_within_the_hello_timeout() {
    let mut plan = Plan::new(3, 3);
    plan.options.hello_timeout = Duration::from_millis(700);
    let mut net = plan.start().await;
    for node in [&net.seeds[0], &net.peers[1]] {
        let since = Instant::now();
        let mut client = Client::open(&stranger(), &node.address).await.unwrap();
        assert_eq!(goodbye(&mut client).await, Goodbye::Silent);
        assert!(
            since.elapsed() < Duration::from_secs(4),
            "after {:?}",
            since.elapsed()
        );
    }
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_message_before_the_hello_and_a_second_hello_end_the_connection() {
    let mut net = Net::start(3, 3).await;
    for node in [&net.seeds[0], &net.peers[1]] {
        for format in [Format::Bincode, Format::Json] {
            let mut client = Client::open(&stranger(), &node.address).await.unwrap();
            client
                .send_raw(format.encode(&Message::Probe { nonce: 1 }).unwrap())
                .await
                .unwrap();
            assert_cut(
                &net,
                &format!("a message before the hello, as {format}"),
                &mut client,
                node,
            )
            .await;
        }
        let mut client = net
            .connect(&stranger(), node, Purpose::Probe, RoleKind::Peer)
            .await;
        let again = Format::Json
            .encode(&hello(&net, Purpose::Link, RoleKind::Seed))
            .unwrap();
        client.send_raw(again).await.unwrap();
        assert_cut(&net, "a second hello", &mut client, node).await;
    }
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_hello_that_does_not_fit_is_told_what_was_expected_and_what_came() {
    let mut net = Net::start(3, 3).await;
    let good = |purpose, role| hello(&net, purpose, role);
    let (peer, seed) = (RoleKind::Peer, RoleKind::Seed);
    let foreign = NetworkId::new([7; 32]);
    let mut elsewhere = good(Purpose::Probe, peer);
    elsewhere.network = foreign;
    elsewhere.seeds = vec![net.list.addresses()[0].clone(), "seed.example:1".to_owned()];
    let mut early = good(Purpose::Probe, peer);
    early.versions = (0, 0);
    let mut late = good(Purpose::Probe, peer);
    late.versions = (2, 9);
    let mut readable = good(Purpose::Probe, peer);
    readable.format = Format::Json;
    let only_here = net.list.addresses()[1..].join(", ");
    let differ = format!(
        "expected network {}, got {foreign}: the seed lists differ; only here: {only_here}; only there: seed.example:1",
        net.list.network()
    );
    let table = [
        (
            0,
            early,
            "expected a protocol version from 1 to 1, got 0 to 0".to_owned(),
        ),
        (
            0,
            late,
            "expected a protocol version from 1 to 1, got 2 to 9".to_owned(),
        ),
        (0, elsewhere, differ),
        (
            0,
            readable,
            "expected the format bincode, got json".to_owned(),
        ),
        (
            0,
            good(Purpose::Link, peer),
            "a Peer and a Seed have no connection for Link".to_owned(),
        ),
        (
            0,
            good(Purpose::Register, seed),
            "a Seed and a Seed have no connection for Register".to_owned(),
        ),
        (
            1,
            good(Purpose::Link, seed),
            "a Seed and a Peer have no connection for Link".to_owned(),
        ),
        (
            1,
            good(Purpose::Register, peer),
            "a Peer and a Peer have no connection for Register".to_owned(),
        ),
    ];
    let nodes = [net.seeds[0].id(), net.peers[1].id()];
    for (node, hello, expected) in table {
        let from = net.mark();
        let address = [&net.seeds[0], &net.peers[1]][node].address.clone();
        let mut client = Client::open(&stranger(), &address).await.unwrap();
        let answer = client.say_hello(&hello).await.unwrap();
        assert_eq!(
            (answer.network, answer.seeds),
            (net.list.network(), net.list.addresses())
        );
        assert_eq!(
            goodbye(&mut client).await,
            Goodbye::Mismatch(expected.clone())
        );
        let refusal = is_refusal(stranger().id(), &expected);
        net.until_event("the refusal", from, nodes[node], refusal)
            .await;
    }
    // What is no hello at all gets no answer.
    for text in [
        "{}",
        "[]",
        "null",
        r#"{"versions":[1,1],"network":"00","seeds":[],"format":"bincode","purpose":"probe","role":"peer"}"#,
        r#"{"versions":[1],"purpose":"dance"}"#,
    ] {
        let mut client = Client::open(&stranger(), &net.seeds[0].address)
            .await
            .unwrap();
        client
            .send_raw(Bytes::from_static(text.as_bytes()))
            .await
            .unwrap();
        assert_cut(&net, text, &mut client, &net.seeds[0]).await;
    }
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_hello_of_a_later_version_that_still_speaks_ours_is_welcome_with_fields_we_do_not_know() {
    let net = Net::start(1, 0).await;
    let text = format!(
        r#"{{"versions":[1,7],"network":"{}","seeds":[],"format":"bincode","purpose":"probe","role":"peer","colour":"red"}}"#,
        net.list.network()
    );
    let mut client = Client::open(&stranger(), &net.seeds[0].address)
        .await
        .unwrap();
    client.send_raw(text.into()).await.unwrap();
    assert!(
        matches!(client.receive().await, Err(ClientError::Decode(_))),
        "the node's hello is no message"
    );
    assert_eq!(handled(&mut client).await, None);
}

#[tokio::test]
async fn nodes_whose_seed_lists_differ_name_the_difference_on_both_sides() {
    let mut net = Net::start(2, 0).await;
    let extra = SeedLine {
        address: "127.0.0.1:9".to_owned(),
        pin: None,
    };
    let missing = net.list.lines()[1].address.clone();
    let mistaken = SeedList::new([net.list.lines()[0].clone(), extra.clone()]).unwrap();
    let right = std::mem::replace(&mut net.list, mistaken);
    net.add_peer(key(1), net.plan.options.clone()).await;
    net.list = right;
    let (peer, kept) = (net.peers[0].id(), net.list.lines()[0].address.clone());
    let seed = net
        .seeds
        .iter()
        .find(|seed| seed.address == kept)
        .unwrap()
        .id();
    let at_seed = format!("only here: {missing}; only there: {}", extra.address);
    let at_peer = format!("only here: {}; only there: {missing}", extra.address);
    net.until_event(
        "the difference, at the seed",
        0,
        seed,
        is_refusal(peer, &at_seed),
    )
    .await;
    net.until_event("the difference, at the peer", 0, peer, |event| {
        matches!(event, Event::Refused { remote, reason, .. } if remote.id == seed && reason.contains(&at_peer))
    })
    .await;
}

#[tokio::test]
async fn lists_over_their_limits_are_misbehaviour() {
    let mut net = Net::start(3, 4).await;
    let member = net.peers[0].identity.clone();
    let own = net.proof_of(member.id()).await;
    let many = |count: usize| -> Vec<NodeId> {
        (0..count)
            .map(|number| NodeId::from(number as u64))
            .collect()
    };
    let digests = |count: usize| vec![Digest::new([1; 32]); count];
    let standing = own.claims().unwrap().1;
    let keys = |count: usize| RosterMessage::Keys {
        buckets: vec![0],
        keys: many(count)
            .into_iter()
            .map(|node| (node, standing))
            .collect(),
    };
    let of_roster = |message: RosterMessage| Message::Roster(message);
    let ids = |count: usize| vec![MessageId::from_bytes([3; 32]); count];
    let roster = [
        (
            "no bucket digests",
            of_roster(RosterMessage::Buckets(Vec::new())),
        ),
        (
            "a bucket digest too few",
            of_roster(RosterMessage::Buckets(digests(255))),
        ),
        (
            "a bucket digest too many",
            of_roster(RosterMessage::Buckets(digests(257))),
        ),
        (
            "more wanted than allowed",
            of_roster(RosterMessage::Want(many(LIST_MAX + 1))),
        ),
        ("more keys than allowed", of_roster(keys(LIST_MAX + 1))),
        (
            "more proofs than allowed",
            of_roster(RosterMessage::Proofs(vec![own.clone(); LIST_MAX + 1])),
        ),
    ];
    let links = [
        (
            "more neighbours than allowed",
            Message::Neighbors(many(LIST_MAX + 1)),
        ),
        (
            "more ids announced than allowed",
            Message::Gossip(Gossip::IHave {
                ids: ids(IDS_PER_MESSAGE_MAX + 1),
            }),
        ),
        (
            "more ids asked for than allowed",
            Message::Gossip(Gossip::Graft {
                ids: ids(IDS_PER_MESSAGE_MAX + 1),
            }),
        ),
    ];
    // Five hundred bytes each: those proofs are no frame that a node takes.
    let fits = |message: &Message| Format::Bincode.encode(message).unwrap().len() <= FRAME_LEN_MAX;
    for (what, message) in roster.iter().chain(&links) {
        if !fits(message) {
            continue;
        }
        let mut client = net.link(&member, own.clone(), &net.peers[1]).await;
        client.send(message).await.unwrap();
        let last = handled(&mut client).await;
        assert!(
            matches!(last, Some(End::Said(Goodbye::Misbehaved(_)))),
            "{what}, to a peer: {last:?}"
        );
    }
    for (what, message) in roster.iter().filter(|(_, message)| fits(message)) {
        let mut client = net
            .connect(&member, &net.seeds[0], Purpose::Register, RoleKind::Peer)
            .await;
        client.send(message).await.unwrap();
        let last = handled(&mut client).await;
        assert!(
            matches!(last, Some(End::Said(Goodbye::Misbehaved(_)))),
            "{what}, to a seed: {last:?}"
        );
    }
    // At the limit, all is well.
    let allowed = [
        of_roster(RosterMessage::Want(many(LIST_MAX))),
        of_roster(keys(LIST_MAX)),
        Message::Neighbors(many(LIST_MAX)),
        Message::Gossip(Gossip::Graft {
            ids: ids(IDS_PER_MESSAGE_MAX),
        }),
    ];
    let mut client = net.link(&member, own.clone(), &net.peers[1]).await;
    for message in allowed {
        client.send(&message).await.unwrap();
        assert_eq!(
            handled(&mut client).await,
            None,
            "at the limit: {}",
            message.name()
        );
    }
    net.assert_untouched("after lists over their limits").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_message_that_has_no_place_on_its_connection_is_misbehaviour() {
    let mut net = Net::start(3, 3).await;
    let passport = net.proof_of(net.peers[0].id()).await;
    let (peer, seed) = (RoleKind::Peer, RoleKind::Seed);
    let table = [
        (
            "gossip to a seed",
            0,
            Purpose::Register,
            peer,
            Message::Gossip(Gossip::Ping { nonce: 1 }),
        ),
        (
            "a link count list to a seed",
            0,
            Purpose::Register,
            peer,
            Message::LinkCounts(Vec::new()),
        ),
        (
            "neighbours to a seed",
            0,
            Purpose::Testify,
            peer,
            Message::Neighbors(Vec::new()),
        ),
        (
            "a passport on a probe",
            0,
            Purpose::Probe,
            peer,
            Message::Passport(passport.clone()),
        ),
        (
            "a passport on a peer's probe",
            1,
            Purpose::Probe,
            peer,
            Message::Passport(passport),
        ),
        (
            "link counts by no seed",
            1,
            Purpose::Register,
            seed,
            Message::LinkCounts(Vec::new()),
        ),
        (
            "gossip on an errand",
            1,
            Purpose::Testify,
            peer,
            Message::Gossip(Gossip::Ping { nonce: 1 }),
        ),
    ];
    for (what, node, purpose, role, message) in table {
        let node = [&net.seeds[0], &net.peers[1]][node];
        let mut client = net.connect(&stranger(), node, purpose, role).await;
        client.send(&message).await.unwrap();
        let last = handled(&mut client).await;
        assert!(
            matches!(last, Some(End::Said(Goodbye::Misbehaved(_)))),
            "{what}: {last:?}"
        );
    }
    net.assert_untouched("after misplaced messages").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn one_key_has_so_many_connections_and_no_more_and_others_are_served() {
    let mut net = Net::start(3, 3).await;
    let max = net.plan.options.connections_max.1;
    for node in [&net.seeds[0], &net.peers[1]] {
        let mut held = Vec::new();
        for _ in 0..max {
            held.push(
                net.connect(&stranger(), node, Purpose::Probe, RoleKind::Peer)
                    .await,
            );
        }
        for _ in 0..3 {
            let mut client = Client::open(&stranger(), &node.address).await.unwrap();
            assert_eq!(
                client.receive().await.unwrap(),
                Message::Goodbye(Goodbye::Busy)
            );
        }
        let mut other = net
            .connect(&key(240), node, Purpose::Probe, RoleKind::Peer)
            .await;
        assert_eq!(handled(&mut other).await, None);
        // Those that are held still work, and one that ends makes room for one.
        let mut last = held.pop().unwrap();
        assert_eq!(handled(&mut last).await, None);
        last.send(&Message::LinkCounts(Vec::new())).await.unwrap();
        assert!(matches!(goodbye(&mut last).await, Goodbye::Misbehaved(_)));
        let mut next = net
            .connect(&stranger(), node, Purpose::Probe, RoleKind::Peer)
            .await;
        assert_eq!(handled(&mut next).await, None);
    }
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_neighbour_that_never_reads_is_cut_at_its_bound_and_the_others_are_served_meanwhile() {
    let mut net = Net::start(3, 4).await;
    let from = net.mark();
    let member = net.peers[0].identity.clone();
    let own = net.proof_of(member.id()).await;
    let server = net.peers[1].id();
    let long = net.peers[3]
        .node
        .broadcast(vec![7; 120 * 1024])
        .await
        .unwrap();
    let has_it =
        |event: &Event| matches!(event, Event::Message(delivery) if delivery.id == long.id);
    net.until_event("a long message", from, server, has_it)
        .await;
    let mut client = net.link(&member, own, &net.peers[1]).await;
    // A small question with a long answer, again and again; the answers are not read. Some megabytes fit into the
    // system's buffers, eight into the queue.
    let ask = Message::Gossip(Gossip::Graft { ids: vec![long.id] });
    let asking = async {
        for _ in 0..400 {
            if client.send(&ask).await.is_err() {
                break;
            }
        }
        client
    };
    let client = asking.await;
    net.assert_gossips().await;
    let is_cut = |event: &Event| matches!(event, Event::LinkDown { peer, cause } if peer.id == member.id() && cause.contains("too slowly"));
    net.until_event("the slow link's end", from, server, is_cut)
        .await;
    drop(client);
    net.assert_gossips().await;
    net.assert_untouched("after a neighbour that never reads")
        .await;
}

#[tokio::test]
async fn a_probe_is_answered_to_anybody_and_says_which_record_the_node_means() {
    let net = Net::start(3, 2).await;
    let record = net
        .proof_of(net.peers[0].id())
        .await
        .record()
        .unwrap()
        .hash();
    for (node, expected) in [(&net.peers[0], Some(record)), (&net.seeds[0], None)] {
        let mut client = net
            .connect(&stranger(), node, Purpose::Probe, RoleKind::Peer)
            .await;
        client.send(&Message::Probe { nonce: 42 }).await.unwrap();
        let echo = hear(&mut client, |message| match message {
            Message::Echo { nonce, record } => Some((nonce, record)),
            _ => None,
        });
        assert_eq!(echo.await, (42, expected));
    }
}
