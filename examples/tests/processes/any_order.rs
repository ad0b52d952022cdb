//! Seeds and peers are started in any order.

use std::time::Duration;

use crate::network::{ALARMS, Network, Node};

#[test]
fn seeds_and_peers_may_be_started_in_any_order_without_a_pause() {
    // Each number starts a line of the list, each dot a peer.
    for order in ["...2.0..1.", "0.1..2", "..0.21"] {
        let (net, peers) = started(order);
        for peer in &peers {
            net.expect(*peer, "Joined the network (incarnation 1)");
            net.expect(*peer, "Linked to ");
        }
        net.expect_members(&net.alive(), &net.first_lives(&peers));
        for seed in net.seeds() {
            net.expect_all(&peers, &format!("Connected to seed {seed}"));
        }
        // Who was there before the seeds is missed by none of them.
        net.expect_none(&net.alive(), &ALARMS, Duration::ZERO);
    }
}

fn started(order: &str) -> (Network, Vec<Node>) {
    for _ in 0..3 {
        let mut net = Network::planned(3);
        let mut peers = Vec::new();
        let mut all = Vec::new();
        for next in order.chars() {
            let node = match next.to_digit(10) {
                Some(line) => net.seed(usize::try_from(line).unwrap()),
                None => {
                    let address = net.free_address();
                    let peer = net.launch("peer", &address, &[]);
                    peers.push(peer);
                    peer
                }
            };
            all.push(node);
        }
        if all.iter().all(|node| net.has_its_port(*node)) {
            return (net, peers);
        }
    }
    panic!("free ports were taken again and again");
}
