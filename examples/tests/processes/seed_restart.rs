//! All seeds are killed at once and come back: what they had decided still stands.

use std::fs;
use std::time::Duration;

use crate::network::{ALARMS, Network, Node};

/// A restarted seed gives its members 6 s to come back before it looks after them.
const WATCHED: Duration = Duration::from_secs(7);

#[test]
fn the_peer_list_outlives_a_crash_of_all_seeds() {
    let (mut net, old_seeds, peers) =
        Network::populated(3, 4, &["--every", "0.5", "--messages", "1000"]);
    for seed in &old_seeds {
        net.kill(*seed);
    }
    for seed in &old_seeds {
        net.expect_all(&peers, &format!("Lost seed {}: ", net.address(*seed)));
    }
    let marks: Vec<usize> = peers.iter().map(|peer| net.mark(*peer)).collect();
    let seeds: Vec<Node> = (0..3).map(|line| net.seed(line)).collect();
    net.expect_mesh(&seeds);
    let restarted = net
        .expect_all(&seeds, "listens at")
        .iter()
        .map(|line| line.at)
        .max()
        .unwrap();
    for (peer, mark) in peers.iter().zip(&marks) {
        for seed in &seeds {
            let back = net.expect_after(
                *peer,
                *mark,
                &format!("Connected to seed {}", net.address(*seed)),
            );
            println!("back after {:?}", back.at.saturating_sub(restarted));
        }
    }

    let newcomer = net.peer(&[]);
    net.expect(newcomer, "Joined the network (incarnation 1)");
    let mut everybody = peers.clone();
    everybody.push(newcomer);
    // The newcomer is told of all old members, too.
    net.expect_members(&net.alive(), &net.first_lives(&everybody));
    net.expect(newcomer, "GOSSIP received");

    net.expect_none(&net.alive(), &ALARMS, WATCHED);
    for (peer, mark) in peers.iter().zip(&marks) {
        for line in net.since(*peer, *mark) {
            assert!(!line.text.starts_with("REGISTER_REQUEST"), "{line}");
            assert!(!line.text.starts_with("Joined"), "{line}");
        }
    }
    for seed in &seeds {
        for line in net.lines(*seed) {
            if let Some(candidate) = line.between("REGISTER_REQUEST received from ", " (") {
                assert_eq!(candidate, net.address(newcomer), "{line}");
            }
        }
    }
}

#[test]
fn a_seed_that_lost_its_key_is_told_why_the_others_do_not_take_it() {
    let (mut net, seeds) = Network::running(3);
    let address = net.address(seeds[0]).to_owned();
    net.kill(seeds[0]);
    let (_, port) = address.rsplit_once(':').unwrap();
    fs::remove_dir_all(net.path(&format!("data/seed-{port}"))).unwrap();
    let anew = net.seed(0);
    net.expect_all(
        &seeds[1..],
        &format!("SEED IDENTITY CHANGED at {address}: "),
    );
    for seed in &seeds[1..] {
        let other = net.address(*seed);
        let line = net.expect(
            anew,
            &format!("Refused by {other}: this node is not trusted: "),
        );
        assert!(line.text.contains("pin the new id"), "{line}");
    }
}
