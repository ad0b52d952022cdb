//! A killed peer is noticed by its neighbours, confirmed by its panel, voted out by the seeds, and gone from every list.

use std::time::Duration;

use nix::sys::signal::Signal;
use quorate_examples::unix_time;

use crate::log::{Line, are_in_order, timestamp};
use crate::network::{Network, Node};

/// The documents: the whole pipeline executes in less than this.
const LIMIT: Duration = Duration::from_secs(2);

#[test]
fn a_killed_peer_is_confirmed_dead_everywhere_within_two_seconds() {
    let options = ["--every", "0.2", "--messages", "1000"];
    let (mut net, seeds, mut peers) = Network::populated(3, 5, &options);
    net.expect_all(&peers, "GOSSIP received");
    let victim = peers.pop().unwrap();
    let address = net.address(victim).to_owned();
    let others: Vec<Node> = seeds.iter().chain(&peers).copied().collect();
    let before = unix_time();
    let killed = net.kill(victim);

    let confirmed = format!("DEAD_CONFIRMED {address} (incarnation 1) with ");
    let lines = net.expect_all(&others, &confirmed);
    for line in &lines {
        let votes = line.between(&confirmed, " votes, quorum 2");
        assert!(matches!(votes, Some("2" | "3")), "{line}");
    }
    let took: Vec<Duration> = lines
        .iter()
        .map(|line| line.at.saturating_sub(killed))
        .collect();
    println!("confirmed after {took:?}");
    assert!(took.iter().all(|took| *took < LIMIT), "{took:?}");

    // The six steps: in order where one log tells several.
    let steps = [
        format!("Link to {address} is down: "),
        format!("SUSPECTED {address}: "),
        format!("SUSPECT_REQUEST about {address} sent to "),
        format!("SUSPECT_RESPONSE about {address} received from "),
        format!("DEAD_REPORT sent to the seeds: Dead Node:{address}:"),
        confirmed.clone(),
    ];
    let logs: Vec<Vec<Line>> = peers.iter().map(|peer| net.lines(*peer)).collect();
    let reporter = logs.iter().position(|log| are_in_order(log, &steps));
    let reporter = reporter.unwrap_or_else(|| panic!("no peer went through {steps:#?}"));
    let asked = format!(
        "SUSPECT_REQUEST about {address} received from {}",
        net.address(peers[reporter])
    );
    let answered = format!("SUSPECT_RESPONSE about {address} sent: unreachable (");
    assert!(
        logs.iter()
            .any(|log| are_in_order(log, &[asked.clone(), answered.clone()]))
    );
    let report = format!(
        "DEAD_REPORT received from {}: Dead Node:{address}:",
        net.address(peers[reporter])
    );
    let steps = [
        report.clone(),
        format!("DEAD_PROPOSAL for {address} by seed "),
        format!("DEAD_VOTE on {address} from seed "),
        format!("DEAD_VOTE on {address} from seed "),
        confirmed,
    ];
    assert!(
        seeds
            .iter()
            .any(|seed| are_in_order(&net.lines(*seed), &steps)),
        "no seed went through {steps:#?}"
    );
    for seed in &seeds {
        for voter in &seeds {
            let vote = format!(
                "DEAD_VOTE on {address} from seed {}: yes (",
                net.address(*voter)
            );
            assert!(
                net.find(*seed, &vote).is_some() || *seed != *voter,
                "{vote}"
            );
        }
        check_report(&net.expect(*seed, &report), before);
    }

    // Purged: no list has it any more, and nobody else was thrown out.
    let expected = net.first_lives(&peers);
    net.expect_members(&others, &expected);
    let fresh = net.peer(&[]);
    net.expect(fresh, "Joined the network");
    let mut everybody = peers.clone();
    everybody.push(fresh);
    net.expect_members(&net.alive(), &net.first_lives(&everybody));
    for line in net.lines(fresh) {
        let list = line.peer_list().unwrap_or_default();
        assert!(!list.contains(&&*address), "{line}");
    }
    // Those that live go on as before.
    let mark = net.mark(peers[0]);
    net.expect_after(peers[0], mark, "GOSSIP received");
    net.ask_to_stop(fresh, Signal::SIGTERM);
}

/// `Dead Node:<DeadNode.IP>:<DeadNode.Port>:<timestamp>:<reporter.IP>`.
fn check_report(line: &Line, killed_after: Duration) {
    let (_, report) = line.text.split_once(": Dead Node:").unwrap();
    let fields: Vec<&str> = report.split(':').collect();
    let [ip, port, at, reporter] = fields[..] else {
        panic!("expected four fields, got {report}");
    };
    assert_eq!((ip, reporter), ("127.0.0.1", "127.0.0.1"), "{report}");
    assert!(port.parse::<u16>().is_ok(), "{report}");
    let at = timestamp(at).unwrap_or_else(|| panic!("no timestamp in {report}"));
    // To the millisecond, rounded down.
    let since = at.checked_sub(killed_after.saturating_sub(Duration::from_millis(1)));
    assert!(since.is_some_and(|since| since < LIMIT), "{report}");
}
