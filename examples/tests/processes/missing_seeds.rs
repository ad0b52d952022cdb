//! With a quorum of the seeds peers are admitted; without one they wait, know for whom, and gossip goes on.

use crate::network::{Network, Node};

#[test]
fn one_seed_of_three_may_be_missing() {
    let mut net = Network::planned(3);
    let mut seeds: Vec<Node> = (0..2).map(|line| net.seed(line)).collect();
    net.expect_mesh(&seeds);
    // One was never started.
    let first = net.peer(&[]);
    admitted_by_two(&net, first, &seeds);

    seeds.push(net.seed(2));
    net.expect_mesh(&seeds);
    // The late one catches up.
    net.expect_members(&seeds[2..], &net.first_lives(&[first]));
    let killed = seeds.remove(0);
    net.kill(killed);
    let second = net.peer(&[]);
    admitted_by_two(&net, second, &seeds);
    net.expect_members(&net.alive(), &net.first_lives(&[first, second]));
}

#[test]
fn with_two_seeds_of_three_down_registration_fails_by_name_until_one_is_back() {
    // In a second network two seeds are missing from the start.
    let (mut net, seeds, peers) =
        Network::populated(3, 3, &["--every", "0.2", "--messages", "1000"]);
    let mut other = net.planned_beside(3);
    let lonely = [other.seed(1), other.peer(&[])];

    net.kill(seeds[0]);
    net.kill(seeds[2]);
    for seed in [seeds[0], seeds[2]] {
        net.expect_all(&peers, &format!("Lost seed {}: ", net.address(seed)));
    }
    let newcomer = net.peer(&[]);
    let address = net.address(newcomer).to_owned();
    let asked = net.expect(newcomer, "REGISTER_REQUEST sent for ");
    let silent = format!("no vote from {}", sorted(&net, &[0, 2]).join(", "));
    let refused = net.expect(newcomer, &format!("REGISTER refused for {address}: "));
    assert!(
        refused.text.contains(&silent),
        "expected {silent:?} in {refused}"
    );
    println!("refused after {:?}", refused.at - asked.at);
    let at_seed = net.expect(seeds[1], &format!("REGISTER refused for {address}: "));
    assert!(
        at_seed.text.contains(&silent),
        "expected {silent:?} in {at_seed}"
    );

    let silent = format!("no vote from {}", sorted(&other, &[0, 2]).join(", "));
    for node in lonely {
        let refused = other.expect(node, "REGISTER refused for ");
        assert!(
            refused.text.contains(&silent),
            "expected {silent:?} in {refused}"
        );
    }

    // Meanwhile messages sent after the refusal reach all members.
    for peer in &peers {
        let sent = net.expect_after(*peer, net.mark(*peer), "GOSSIP originated");
        for other in peers.iter().filter(|other| *other != peer) {
            net.expect(
                *other,
                &format!(
                    "GOSSIP received (first time): '{}' from ",
                    sent.originated().unwrap()
                ),
            );
        }
    }
    assert!(net.find(newcomer, "Joined the network").is_none());

    let returned = net.seed(2);
    net.expect_mesh(&[returned]);
    let joined = net.expect(newcomer, "Joined the network (incarnation 1)");
    println!(
        "joined {:?} after the seed was back",
        joined.at - net.expect(returned, "listens at").at
    );
    let mut everybody = peers.clone();
    everybody.push(newcomer);
    net.expect_members(&net.alive(), &net.first_lives(&everybody));

    let returned = other.seed(0);
    other.expect(returned, "listens at");
    other.expect(lonely[1], "Joined the network (incarnation 1)");
}

#[test]
fn a_peer_without_any_seed_is_told_which_it_does_not_reach() {
    let mut net = Network::planned(2);
    let peer = net.peer(&[]);
    let told = net.expect(peer, "No network was found: no seed is reached: ");
    for seed in net.seeds() {
        let cause = format!("{seed}: Connection refused");
        assert!(told.text.contains(&cause), "expected {cause:?} in {told}");
    }
    for line in [0, 1] {
        net.seed(line);
    }
    net.expect(peer, "Joined the network (incarnation 1)");
}

fn sorted(net: &Network, lines: &[usize]) -> Vec<String> {
    let mut seeds: Vec<String> = lines
        .iter()
        .map(|line| net.seeds()[*line].clone())
        .collect();
    seeds.sort();
    seeds
}

fn admitted_by_two(net: &Network, peer: Node, seeds: &[Node]) {
    net.expect(peer, "Joined the network (incarnation 1)");
    let committed = format!(
        "REGISTER committed: {} (incarnation 1) with 2 of 3 votes, quorum 2",
        net.address(peer)
    );
    net.expect_all(seeds, &committed);
}
