//! Every message reaches every other peer once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::log::timestamp;
use crate::network::{ALARMS, Network, Node, PATIENCE};

const PEERS: usize = 8;
const MESSAGES: u32 = 10;

#[test]
fn every_peer_receives_every_message_of_the_others_once() {
    let (mut net, seeds) = Network::running(3);
    let options = ["--every", "0.3", "--messages", &MESSAGES.to_string()];
    let peers: Vec<Node> = (0..PEERS).map(|_| net.peer(&options)).collect();

    let originated: BTreeMap<Node, Vec<String>> = peers
        .iter()
        .map(|peer| {
            (
                *peer,
                net.wait("all messages to be sent", PATIENCE, || {
                    originated(&net, *peer)
                }),
            )
        })
        .collect();
    for messages in originated.values() {
        for (message, number) in messages.iter().zip(1..) {
            check_message(message, number);
        }
    }
    let others = |peer: &Node| -> BTreeMap<&str, usize> {
        let others = originated.iter().filter(|(origin, _)| *origin != peer);
        let mut counts = BTreeMap::new();
        // Two peers may write the same text in the same microsecond: then it is to come twice.
        for message in others.flat_map(|(_, messages)| messages) {
            *counts.entry(message.as_str()).or_default() += 1;
        }
        counts
    };
    for peer in &peers {
        let expected = others(peer);
        let what = format!("all {} messages at {}", expected.len(), net.address(*peer));
        net.wait(&what, PATIENCE, || {
            let received = received(&net, *peer);
            expected
                .keys()
                .all(|message| received.contains_key(*message))
                .then_some(())
        });
    }
    // What came twice would come about now; and all this time nobody was suspected of anything.
    let all: Vec<Node> = seeds.iter().chain(&peers).copied().collect();
    net.expect_none(&all, &ALARMS, Duration::from_millis(1500));
    let addresses = net.addresses(&peers);
    for peer in &peers {
        let received = received(&net, *peer);
        let counts: BTreeMap<&str, usize> = received
            .iter()
            .map(|(message, senders)| (message.as_str(), senders.len()))
            .collect();
        assert_eq!(counts, others(peer), "at {}", net.address(*peer));
        let senders: BTreeSet<String> = received.into_values().flatten().collect();
        assert!(
            !senders.contains(net.address(*peer)),
            "{} heard from itself",
            net.address(*peer)
        );
        assert!(senders.is_subset(&addresses), "{senders:?}");
    }
}

/// The messages of a peer, once it has sent all of them.
fn originated(net: &Network, peer: Node) -> Option<Vec<String>> {
    let lines = net.lines(peer);
    let messages: Vec<String> = lines
        .iter()
        .filter_map(|line| line.originated())
        .map(str::to_owned)
        .collect();
    (messages.len() == usize::try_from(MESSAGES).unwrap()).then_some(messages)
}

/// What a peer received, and from whom.
fn received(net: &Network, peer: Node) -> BTreeMap<String, Vec<String>> {
    let mut received: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in net
        .lines(peer)
        .iter()
        .filter(|line| line.text.starts_with("GOSSIP received"))
    {
        let (message, sender) = line
            .received()
            .unwrap_or_else(|| panic!("not as the documents have it: {line}"));
        received
            .entry(message.to_owned())
            .or_default()
            .push(sender.to_owned());
    }
    received
}

/// `<timestamp>:<IP>:<Msg#>`.
fn check_message(message: &str, number: u32) {
    let fields: Vec<&str> = message.split(':').collect();
    let [at, ip, found] = fields[..] else {
        panic!("expected three fields, got {message}");
    };
    assert!(timestamp(at).is_some(), "no timestamp in {message}");
    assert_eq!(
        (ip, found),
        ("127.0.0.1", &*number.to_string()),
        "{message}"
    );
}
