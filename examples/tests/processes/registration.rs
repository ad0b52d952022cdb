//! A peer gets in by a quorum of the seeds, and the output files tell it in the documents' words.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::log::{Line, are_in_order, position};
use crate::network::{Network, PATIENCE};

/// How soon after a node knows all members its log shows the list.
const LIST_MAX: Duration = Duration::from_secs(3);

#[test]
fn a_peer_is_registered_by_a_quorum_of_the_seeds() {
    let (mut net, seeds) = Network::running(3);
    let peer = net.peer(&[]);
    let address = net.address(peer).to_owned();
    net.expect(peer, "Joined the network (incarnation 1)");

    let request = format!("REGISTER_REQUEST received from {address} (incarnation 1)");
    let asked = net.wait("a seed to be asked", PATIENCE, || {
        seeds
            .iter()
            .copied()
            .find(|seed| net.find(*seed, &request).is_some())
    });
    let by_asked = net.address(asked).to_owned();
    let proposal = format!("REGISTER_PROPOSAL for {address} by seed {by_asked}");
    let commit = format!("REGISTER committed: {address} (incarnation 1) with ");
    for seed in &seeds {
        net.expect(*seed, &proposal);
        net.expect(*seed, &commit);
        let vote = format!(
            "REGISTER_VOTE on {address} from seed {}: yes (it answered at its address)",
            net.address(*seed)
        );
        net.expect(asked, &vote);
        net.expect(*seed, &vote);
    }
    let log = net.lines(asked);
    let vote = format!("REGISTER_VOTE on {address} from seed ");
    let steps = [
        request,
        proposal,
        vote.clone(),
        vote.clone(),
        commit.clone(),
    ];
    assert!(are_in_order(&log, &steps), "expected {steps:#?}");
    for node in seeds.iter().copied().chain([peer]) {
        let line = net.expect(node, &commit);
        let votes = line.between(&commit, " of 3 votes, quorum 2");
        assert!(matches!(votes, Some("2" | "3")), "{line}");
    }
    // Asked once, decided once.
    for node in &seeds {
        let lines = net.lines(*node);
        let count = |beginning: &str| {
            lines
                .iter()
                .filter(|line| line.text.starts_with(beginning))
                .count()
        };
        assert_eq!(count("REGISTER_REQUEST "), usize::from(*node == asked));
        assert_eq!(count("REGISTER_PROPOSAL "), 1);
        assert_eq!(count("REGISTER committed"), 1);
    }

    let list = net.expect(peer, "Peer list received from ");
    assert_eq!(list.peer_list(), Some(vec![&*address]), "{list}");
    let sender = list.between("Peer list received from ", ": [").unwrap();
    assert!(net.seeds().iter().any(|seed| seed == sender), "{list}");
    let log = net.lines(peer);
    let sent = position(
        &log,
        &format!("REGISTER_REQUEST sent for {address} (incarnation 1)"),
    );
    assert!(sent.is_some_and(|sent| sent < position(&log, "Joined the network").unwrap()));

    let found: BTreeSet<String> = std::fs::read_dir(net.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("outputfile"))
        .collect();
    let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
    let mut expected: BTreeSet<String> = net
        .seeds()
        .iter()
        .map(|seed| format!("outputfile_seed_{}.txt", port(seed)))
        .collect();
    expected.insert(format!("outputfile_peer_{}.txt", port(&address)));
    assert_eq!(found, expected);

    // The console shows the same.
    for node in net.alive() {
        let lines = net.lines(node);
        assert_eq!(net.console(node)[..lines.len()], lines);
        assert_eq!(net.stderr(node), "");
    }
}

/// The documents: the peer's output file shows the received peer lists. Which node is the first to tell a newcomer of the
/// others, a seed or a peer that links to it at once, is a matter of milliseconds; so several try.
#[test]
fn a_newcomer_shows_the_whole_peer_list_whoever_told_it() {
    const NEWCOMERS: usize = 15;
    let (mut net, _, peers) = Network::populated(3, 4, &["--messages", "0"]);
    for _ in 0..NEWCOMERS {
        let newcomer = net.peer(&["--messages", "0"]);
        let mut everybody = peers.clone();
        everybody.push(newcomer);
        net.expect_members(&[newcomer], &net.first_lives(&everybody));
        let names = net.addresses(&everybody);
        let lists = || -> Vec<Line> {
            let lines = net.lines(newcomer).into_iter();
            lines.filter(|line| line.peer_list().is_some()).collect()
        };
        let names_all = |line: &Line| {
            let list = line.peer_list().unwrap_or_default();
            names.iter().map(String::as_str).eq(list)
        };
        let what =
            format!("the peer list of {names:?} in the log of the newcomer, which knows them");
        net.wait(&what, LIST_MAX, || {
            lists().iter().any(names_all).then_some(())
        });
        net.ask_to_stop(newcomer, Signal::SIGTERM);
        let has_left = format!("{} has left", net.address(newcomer));
        net.expect_all(&net.alive(), &has_left);
    }
}

/// A seed that `--init` gave its key has no store to have lost: it votes from the first moment.
#[test]
fn seeds_that_were_pinned_by_init_admit_at_once() {
    let mut net = Network::planned(1);
    let seed = net.seeds()[0].clone();
    let pinning = net.launch("seed", &seed, &["--init"]);
    net.exit(pinning, PATIENCE);
    let node = net.seed(0);
    net.expect(node, "listens at");
    let peer = net.peer(&[]);
    net.expect(peer, "Joined the network");
    assert!(net.find(node, "gives no votes").is_none());
}

#[test]
fn a_pin_is_not_replaced_by_that_of_another_key() {
    let mut net = Network::planned(1);
    let seed = net.seeds()[0].clone();
    let pinning = net.launch("seed", &seed, &["--init"]);
    assert!(net.exit(pinning, PATIENCE).success());
    let list = fs::read_to_string(net.path("config.csv")).unwrap();
    let (_, id) = list.trim().rsplit_once(',').unwrap();
    let told = format!(
        "{seed} is pinned to {id} in config.csv already; expected its key in other/key, but "
    );

    let error = net.error_of("seed", &seed, &["--init", "--data", "other"]);
    assert!(
        error.starts_with(&format!("{told}there is none: ")),
        "{error}"
    );
    assert!(!net.path("other").exists(), "a key was made");
    let inviting = net.launch("seed", &seed, &["--invite", "--data", "other"]);
    assert!(net.exit(inviting, PATIENCE).success());
    let error = net.error_of("seed", &seed, &["--init", "--data", "other"]);
    assert!(
        error.starts_with(&format!("{told}that is the key of ")),
        "{error}"
    );
    // The same once more is no mistake.
    let again = net.launch("seed", &seed, &["--init"]);
    assert!(net.exit(again, PATIENCE).success());
    assert_eq!(fs::read_to_string(net.path("config.csv")).unwrap(), list);
}
