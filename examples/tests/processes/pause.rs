//! A peer that stops answering is thrown out; when it goes on, it comes back by itself.

use nix::sys::signal::Signal;
use quorate_examples::unix_time;

use crate::network::{Network, Node};

#[test]
fn a_paused_peer_is_evicted_and_comes_back_as_its_next_incarnation() {
    let options = ["--every", "0.5", "--messages", "1000"];
    let (net, seeds, peers) = Network::populated(3, 4, &options);
    let (paused, others) = peers.split_last().unwrap();
    let (paused, all_others): (Node, Vec<Node>) =
        (*paused, seeds.iter().chain(others).copied().collect());
    let address = net.address(paused).to_owned();

    let at = unix_time();
    net.signal(paused, Signal::SIGSTOP);
    let lines = net.expect_all(
        &all_others,
        &format!("DEAD_CONFIRMED {address} (incarnation 1) with "),
    );
    let last = lines.iter().map(|line| line.at).max().unwrap();
    println!("evicted everywhere after {:?}", last - at);

    let mark = net.mark(paused);
    let at = unix_time();
    net.signal(paused, Signal::SIGCONT);
    net.expect_after(paused, mark, "Evicted by vote (incarnation 1)");
    let joined = net.expect_after(paused, mark, "Joined the network (incarnation 2)");
    println!("back after {:?}", joined.at - at);
    net.expect_all(
        &all_others,
        &format!("REGISTER committed: {address} (incarnation 2) with "),
    );
    let mut everybody = net.first_lives(others);
    everybody.insert(address, 2);
    net.expect_members(&net.alive(), &everybody);

    // It hears the others and is heard.
    let back = net
        .lines(paused)
        .iter()
        .rposition(|line| line.text.starts_with("Joined"))
        .unwrap();
    net.expect_after(paused, back, "Linked to ");
    net.expect_after(paused, back, "GOSSIP received");
    let first = net.expect_after(paused, back, "GOSSIP originated");
    let message = format!(
        "GOSSIP received (first time): '{}' from ",
        first.originated().unwrap()
    );
    net.expect_all(others, &message);
    // Its own pause did not make it take the others for dead.
    for node in net.alive() {
        for other in others {
            let dead = format!("DEAD_CONFIRMED {}", net.address(*other));
            assert!(net.find(node, &dead).is_none(), "{dead}");
        }
    }
}
