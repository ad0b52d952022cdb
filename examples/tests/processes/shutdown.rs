//! Ctrl+C and SIGTERM end a node in order: it says so, the others see it leave, and nobody takes it for dead.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::network::{ALARMS, Network, Node, PATIENCE};

/// How soon a node ends that was asked to.
const END_MAX: Duration = Duration::from_secs(5);

/// Longer than the seeds wait before they look after a member without a session, and then probe it.
const WATCHED: Duration = Duration::from_secs(4);

#[test]
fn who_is_asked_to_stop_leaves_and_nobody_suspects_it() {
    let (mut net, mut seeds, mut peers) = Network::populated(3, 4, &["--every", "0.2"]);
    let everybody = net.alive();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let leaver = peers.pop().unwrap();
        stops(&mut net, leaver, signal);
        let has_left = format!("{} has left", net.address(leaver));
        let others: Vec<Node> = seeds.iter().chain(&peers).copied().collect();
        net.expect_all(&others, &has_left);
    }
    let rest = net.first_lives(&peers);
    net.expect_members(&net.alive(), &rest);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let leaver = seeds.pop().unwrap();
        stops(&mut net, leaver, signal);
        let lost = format!("Lost seed {}: it is leaving", net.address(leaver));
        let others: Vec<Node> = seeds.iter().chain(&peers).copied().collect();
        net.expect_all(&others, &lost);
    }
    net.expect_none(&everybody, &ALARMS, WATCHED);
}

#[test]
fn when_all_are_asked_to_stop_at_once_all_end_in_order() {
    let (mut net, _, _) = Network::populated(3, 5, &["--every", "0.2", "--messages", "1000"]);
    let everybody = net.alive();
    // As one Ctrl+C does to all programs of a terminal.
    for node in &everybody {
        net.ask_to_stop(*node, Signal::SIGINT);
    }
    for node in &everybody {
        ends(&mut net, *node);
    }
    net.expect_none(&everybody, &ALARMS, Duration::ZERO);
}

#[test]
fn a_node_that_waits_for_absent_seeds_stops_too() {
    let mut net = Network::planned(3);
    let peer = net.peer(&[]);
    let seed = net.seed(0);
    for node in [peer, seed] {
        net.expect(node, "REGISTER_REQUEST ");
    }
    for node in [peer, seed] {
        stops(&mut net, node, Signal::SIGINT);
    }
}

/// Whoever starts a node and waits for this line may stop it at once; it must not die of the signal.
#[test]
fn a_node_that_says_it_listens_can_be_stopped() {
    let mut net = Network::planned(1);
    let seed = net.seeds()[0].clone();
    for _ in 0..15 {
        let peer = net.free_address();
        for (program, address) in [("seed", &seed), ("peer", &peer)] {
            let node = net.launch(program, address, &[]);
            let deadline = Instant::now() + PATIENCE;
            // Without a pause: what is looked for happens right after the line.
            while net.find(node, "listens at").is_none() {
                assert!(
                    Instant::now() < deadline,
                    "{program} {address} does not listen"
                );
            }
            stops(&mut net, node, Signal::SIGTERM);
        }
    }
}

fn stops(net: &mut Network, node: Node, signal: Signal) {
    net.ask_to_stop(node, signal);
    ends(net, node);
}

fn ends(net: &mut Network, node: Node) {
    let status = net.exit(node, END_MAX);
    assert_eq!(status.code(), Some(0), "{status}");
    let lines = net.lines(node);
    assert_eq!(
        lines.last().map(|line| line.text.as_str()),
        Some("Shutting down.")
    );
    assert_eq!(net.console(node), lines);
    assert_eq!(net.stderr(node), "");
}
