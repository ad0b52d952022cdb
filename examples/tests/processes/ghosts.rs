//! A member that died before it was linked to anybody, so that no neighbour can miss it.

use crate::network::{Network, Node};

#[test]
fn a_lone_peer_killed_right_after_it_joined_is_evicted_all_the_same() {
    let (mut net, seeds) = Network::running(3);
    let ghost = net.peer(&[]);
    net.expect(ghost, "Joined the network");
    let killed = net.kill(ghost);
    // Nobody else is a member: the seeds themselves are its panel.
    evicted_at(&net, &seeds, ghost, killed);
    net.expect_members(&seeds, &net.first_lives(&[]));
    // And whoever comes next does not meet it.
    let next = net.peer(&[]);
    net.expect(next, "Joined the network (incarnation 1)");
    net.expect_members(&net.alive(), &net.first_lives(&[next]));
}

#[test]
fn a_ghost_is_evicted_where_a_second_peer_is_present_that_never_met_it() {
    let (mut net, seeds) = Network::running(3);
    let ghost = net.peer(&[]);
    net.expect(ghost, "Joined the network");
    let killed = net.kill(ghost);
    // Starts while the ghost is still a member.
    let second = net.peer(&[]);
    net.expect(second, "Joined the network");
    let others: Vec<Node> = seeds.iter().copied().chain([second]).collect();
    evicted_at(&net, &others, ghost, killed);
    assert!(
        net.find(second, &format!("Linked to {}", net.address(ghost)))
            .is_none()
    );
    net.expect_members(&others, &net.first_lives(&[second]));
}

fn evicted_at(net: &Network, nodes: &[Node], ghost: Node, killed: std::time::Duration) {
    let confirmed = format!(
        "DEAD_CONFIRMED {} (incarnation 1) with ",
        net.address(ghost)
    );
    let lines = net.expect_all(nodes, &confirmed);
    let last = lines.iter().map(|line| line.at).max().unwrap();
    println!("evicted everywhere after {:?}", last - killed);
}
