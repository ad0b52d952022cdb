//! `roster` over the stores of a network that ran, and over stores that are not what they should be.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use nix::sys::signal::Signal;
use quorate_node::SeedList;
use quorate_node::consensus::council::Durable;
use quorate_node::consensus::succession::{
    Accepted, Ballot, Chain, Change, Founding, Link, Opinion,
};
use quorate_node::consensus::{
    Certificate, Choice, Ed25519, Ed25519Key, Proof, Proposal, Record, Signature, Signer as _, Vote,
};
use quorate_node::store::{Kind, MemberStored, SeedStored, Store, Stored};
use serde_json::Value;

use crate::common::built;
use crate::network::{Network, PATIENCE, csv};

/// Runs `roster` over a store.
fn roster(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(built("roster"));
    command.current_dir(dir).args(arguments);
    command.output().unwrap()
}

/// What it prints, when all is well.
fn told(dir: &Path, arguments: &[&str]) -> String {
    let output = roster(dir, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    assert_eq!(stderr, "");
    String::from_utf8(output.stdout).unwrap()
}

/// Its one line of error, when it cannot look.
fn error(dir: &Path, arguments: &[&str]) -> String {
    let output = roster(dir, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let line = stderr.trim_end().strip_prefix("error: ");
    line.unwrap_or_else(|| panic!("{stderr:?}")).to_owned()
}

/// Everything in a directory, with its content.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn the_store_of_a_killed_seed_is_listed_explained_verified_and_exported_and_stays_as_it_is() {
    let (mut net, seeds, peers) = Network::populated(3, 4, &[]);
    let (_, port) = net.seeds()[0].rsplit_once(':').unwrap();
    let data = format!("data/seed-{port}");
    let dir = net.path("");
    let in_use = error(&dir, &["--store", &data, "list"]);
    assert_eq!(
        in_use,
        format!("the store {data}/store.redb is in use by another process")
    );

    let [dead, left] = [peers[0], peers[1]].map(|peer| net.address(peer).to_owned());
    net.kill(peers[0]);
    net.expect(seeds[0], &format!("DEAD_CONFIRMED {dead}"));
    net.ask_to_stop(peers[1], Signal::SIGTERM);
    net.expect(seeds[0], &format!("{left} has left"));
    net.kill(seeds[0]);
    let before = files(&net.path(&data));

    let list = told(&dir, &["--store", &data, "list"]);
    assert!(
        list.contains("3 seeds, 2 decide; 2 in, 1 evicted, 1 left"),
        "{list}"
    );
    let line_of = |address: &str| list.lines().find(|line| line.contains(address)).unwrap();
    assert!(line_of(&dead).starts_with("evicted"), "{list}");
    assert!(line_of(&left).starts_with("left"), "{list}");
    let id = line_of(&dead).split_whitespace().nth(2).unwrap();

    let explained = told(&dir, &["--store", &data, "explain", id]);
    for fact in [
        &format!("{dead} ({}) is out: evicted at incarnation 1, ", &id[..8]),
        " of 3 seats, 2 needed",
        &format!("last seen at {dead}"),
        " found it unreachable: ",
    ] {
        assert!(explained.contains(fact), "{fact:?} is missing: {explained}");
    }
    // The beginning of the id will do.
    let short = told(
        &dir,
        &["--store", &data, "explain", &id[..16].to_uppercase()],
    );
    assert_eq!(short.lines().nth(1), explained.lines().nth(1));
    let seed = line_of(&net.seeds()[1].clone())
        .split_whitespace()
        .nth(2)
        .unwrap();
    let of_seed = told(&dir, &["--store", &data, "explain", seed]);
    assert!(of_seed.contains("is the voter in seat"), "{of_seed}");

    let verified = told(&dir, &["--store", &data, "verify"]);
    assert!(verified.starts_with("4 proofs and "), "{verified}");
    assert!(verified.ends_with("all hold\n"), "{verified}");

    let exported = told(&dir, &["--store", &data, "export"]);
    let json: Value = serde_json::from_str(&exported).unwrap();
    assert_eq!(json["kind"], "seed");
    assert_eq!(json["seats"].as_array().unwrap().len(), 3);
    let standings = json["standings"].as_array().unwrap();
    let of_dead = standings.iter().find(|s| s["node"] == id).unwrap();
    assert_eq!(of_dead["standing"], "Evicted");
    assert_eq!(of_dead["problem"], Value::Null);
    assert!(of_dead["proof"]["Eviction"]["votes"].is_object());
    told(&dir, &["--store", &data, "export", "--out", "roster.json"]);
    assert_eq!(
        fs::read_to_string(net.path("roster.json")).unwrap(),
        exported
    );

    let store = format!("{data}/store.redb");
    let refused = error(&dir, &["--store", &data, "export", "--out", &store]);
    assert_eq!(refused, format!("{store} is the store itself"));
    // The file itself will do, and the list, though this seed has met everybody.
    told(
        &dir,
        &["--store", &store, "--config", "config.csv", "verify"],
    );
    assert!(files(&net.path(&data)) == before, "the store was touched");
}

#[test]
fn who_reads_no_more_than_the_beginning_is_not_told_of_a_panic() {
    let (net, data) = filled(300);
    let mut command = Command::new(built("roster"));
    let mut child = command
        .current_dir(net.path(""))
        .args(["--store", &data, "export"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut [0; 10]).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn what_does_not_hold_is_told_with_the_reason_and_another_exit_code() {
    let (net, data) = filled(3);
    let dir = net.path("");
    assert!(
        told(&dir, &["--store", &data, "verify"])
            .contains("3 proofs and 1 votes checked: all hold")
    );
    let kind = Kind::Seed(list(&net).network());
    let (store, _) = Store::open(&dir.join(&data).join("store.redb"), kind).unwrap();
    let mut forged = admission(&net, 9);
    forged
        .votes
        .values_mut()
        .for_each(|signature| *signature = Signature::new([7; 64]));
    let who = forged.proposal.subject();
    let forged = Durable::Proof(Arc::new(Proof::Admission(forged)));
    let stored = [Stored::Seed(SeedStored::Council(forged))];
    store.write(stored.iter()).unwrap();
    drop(store);

    let output = roster(&dir, &["--store", &data, "verify"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with(&format!(
            "the proof of {who} does not hold: the signature of "
        )),
        "{text}"
    );
    assert_eq!(lines[1], "4 proofs and 1 votes checked: 1 do not hold");
    let listed = told(&dir, &["--store", &data, "list"]);
    assert_eq!(listed.matches("NOT PROVEN").count(), 1, "{listed}");
    let explained = told(&dir, &["--store", &data, "explain", &who.to_string()]);
    assert!(explained.contains("which does not hold"), "{explained}");
    let json: Value = serde_json::from_str(&told(&dir, &["--store", &data, "export"])).unwrap();
    let problems = json["standings"].as_array().unwrap().iter();
    assert_eq!(problems.filter(|s| s["problem"].is_string()).count(), 1);
}

#[test]
fn what_cannot_be_looked_at_is_told_on_one_line() {
    let (net, data) = filled(1);
    let dir = net.path("");
    let store = format!("{data}/store.redb");
    let good = fs::read(net.path(&store)).unwrap();
    fs::write(net.path("other.csv"), csv("127.0.0.1:9")).unwrap();
    fs::create_dir(net.path("empty")).unwrap();
    fs::write(net.path("text"), "a text that somebody put here\n").unwrap();
    fs::write(net.path("nothing"), "").unwrap();
    fs::write(net.path("cut"), &good[..good.len() / 2]).unwrap();
    let mut pages = good.clone();
    pages[4096..].fill(0xa5);
    fs::write(net.path("pages"), pages).unwrap();
    let table: [(&[&str], &str); 10] = [
        (
            &["--store", "missing", "list"],
            "cannot use the store missing: No such file",
        ),
        (
            &["--store", "empty", "list"],
            "cannot use the store empty/store.redb: No such file",
        ),
        (
            &["--store", "text", "list"],
            "the store text is damaged or not a store (",
        ),
        (
            &["--store", "nothing", "list"],
            "the store nothing is damaged or not a store (it is empty)",
        ),
        (
            &["--store", "cut", "verify"],
            "the store cut is damaged or not a store (",
        ),
        (
            &["--store", "pages", "verify"],
            "the store pages is damaged or not a store (",
        ),
        (
            &["--store", &data, "--config", "other.csv", "list"],
            "the store belongs to network ",
        ),
        (
            &["--store", &data, "--config", "none.csv", "list"],
            "cannot read the seed list none.csv: No such file",
        ),
        (
            &["--store", &data, "explain", "xyz"],
            "expected a node's id or its first hexadecimal digits, got \"xyz\"",
        ),
        (
            &["--store", &data, "explain", "0123456789"],
            "the store knows of no node 0123456789",
        ),
    ];
    for (arguments, expected) in table {
        let error = error(&dir, arguments);
        assert!(
            error.starts_with(expected),
            "expected {expected:?}, got {error:?}"
        );
    }
    let output = roster(&dir, &["--store", &data]);
    assert_eq!(output.status.code(), Some(2), "no command");
    assert!(!net.path("missing").exists());
    assert_eq!(fs::read_dir(net.path("empty")).unwrap().count(), 0);
    assert!(fs::read(net.path(&store)).unwrap() == good);
}

#[test]
fn a_seed_that_has_not_met_all_others_needs_the_list() {
    let mut net = Network::planned(2);
    let seed = net.seed(0);
    net.expect(seed, "listens at");
    net.ask_to_stop(seed, Signal::SIGTERM);
    net.exit(seed, PATIENCE);
    let (_, port) = net.seeds()[0].rsplit_once(':').unwrap();
    let data = format!("data/seed-{port}");
    let dir = net.path("");
    assert_eq!(
        error(&dir, &["--store", &data, "list"]),
        "the seed has met 1 seeds, and there are more; name the seed list with --config"
    );
    let list = told(&dir, &["--store", &data, "--config", "config.csv", "list"]);
    assert!(list.contains("2 seeds, 2 decide; 0 in"), "{list}");
    assert!(list.contains("not met"), "{list}");
}

#[test]
fn two_ids_with_one_beginning_have_to_be_told_apart() {
    let (net, data) = filled(40);
    // Of forty, two begin alike.
    let several = error(
        &net.path(""),
        &["--store", &data, "explain", &common_digit()],
    );
    assert!(several.contains(" may be "), "{several}");
}

#[test]
fn a_members_chain_is_read_too() {
    let net = Network::planned(1);
    let dir = net.path("");
    let [founder, second] = [1, 2].map(|n| Ed25519Key::from_secret(&[n; 32]));
    let founding = Founding::sign(&founder, vec!["127.0.0.1:5000".into()], 1, 1, None).unwrap();
    let chain = Chain::found(founding.clone(), &Ed25519).unwrap();
    let good = link(&chain, &founder, &second);
    let mut forged = good.clone();
    forged.accepted = [(founder.id(), Signature::new([7; 64]))].into();
    for (data, next) in [("good", good), ("forged", forged)] {
        let kind = Kind::Member(founder.id());
        let (store, _) = Store::open(&net.path(data).join("store.redb"), kind).unwrap();
        let chain = Stored::Member(MemberStored::Chain {
            founding: Arc::new(founding.clone()),
            links: vec![Arc::new(next)],
        });
        store.write([chain].iter()).unwrap();
    }
    let list = told(&dir, &["--store", "good", "list"]);
    assert!(list.starts_with("Open network "), "{list}");
    assert!(list.contains("2 members after 1 decisions"), "{list}");
    let id = second.id().to_string();
    let explained = told(&dir, &["--store", "good", "explain", &id]);
    assert!(
        explained.contains("is in: a member at incarnation 1, by the decision of epoch 0\n  allowed by 127.0.0.1:5000"),
        "{explained}"
    );
    let json: Value = serde_json::from_str(&told(&dir, &["--store", "good", "export"])).unwrap();
    assert_eq!(json["kind"], "member");
    assert_eq!(json["members"].as_array().unwrap().len(), 2);
    assert_eq!(
        told(&dir, &["--store", "good", "verify"]),
        "a founding and 1 decisions checked: all hold\n"
    );
    let output = roster(&dir, &["--store", "forged", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with(
            "the decision of epoch 0 does not hold, nor what follows it: the signature of "
        ),
        "{text}"
    );
    let error = error(&dir, &["--store", "good", "--config", "config.csv", "list"]);
    assert!(
        error.ends_with("an open network, which has no seed list"),
        "{error}"
    );
}

/// The second's admission, decided by the founder alone.
fn link(chain: &Chain, founder: &Ed25519Key, second: &Ed25519Key) -> Link {
    let place = chain.membership().place();
    let record = Record::sign(
        second,
        place.network,
        vec!["127.0.0.1:5001".into()],
        1,
        1,
        1,
    )
    .unwrap();
    let allow = Opinion::sign(founder, place.network, record.hash(), 1, Choice::Yes, "");
    let change = Change::Admit {
        record,
        allows: [(founder.id(), allow.signature)].into(),
    };
    let ballot = Ballot {
        counter: 1,
        leader: founder.id(),
    };
    let accepted = Accepted::sign(founder, &place, ballot, change.hash());
    Link {
        epoch: place.epoch,
        parent: place.head,
        change,
        ballot,
        accepted: [(founder.id(), accepted.signature)].into(),
    }
}

/// The one seed of the networks below.
fn seed_key() -> Ed25519Key {
    Ed25519Key::from_secret(&[99; 32])
}

fn list(net: &Network) -> SeedList {
    SeedList::parse(&csv(&net.seeds()[0])).unwrap()
}

fn member_key(number: u16) -> Ed25519Key {
    let mut secret = [1; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    Ed25519Key::from_secret(&secret)
}

fn admission(net: &Network, number: u16) -> Certificate {
    let mut electorate = list(net).electorate().unwrap();
    electorate.bind(0, seed_key().id()).unwrap();
    let endpoints = vec![format!("127.0.0.1:{}", 20_000 + number)];
    let network = list(net).network();
    let record = Record::sign(&member_key(number), network, endpoints, 1, 1, 1).unwrap();
    let proposal = Proposal::Admit(record);
    let vote = Vote::cast(&seed_key(), &electorate, proposal.id(), Choice::Yes, "");
    Certificate {
        proposal: proposal.into(),
        epoch: 0,
        electorate: electorate.id(),
        votes: [(vote.voter, vote.signature)].into_iter().collect(),
    }
}

/// The store of a lone seed, with so many members and a vote.
fn filled(members: u16) -> (Network, String) {
    let net = Network::planned(1);
    let kind = Kind::Seed(list(&net).network());
    let (store, _) = Store::open(&net.path("data").join("store.redb"), kind).unwrap();
    let mut electorate = list(&net).electorate().unwrap();
    electorate.bind(0, seed_key().id()).unwrap();
    let of = |number| Arc::new(Proof::Admission(admission(&net, number)));
    let vote = Vote::cast(
        &seed_key(),
        &electorate,
        admission(&net, 0).id(),
        Choice::Yes,
        "it answered at its address",
    );
    let mut stored = vec![
        SeedStored::Seat {
            address: net.seeds()[0].clone(),
            id: seed_key().id(),
        },
        SeedStored::Council(Durable::Vote {
            opened_ms: 1,
            vote: vote.into(),
        }),
    ];
    stored.extend((100..100 + members).map(|n| SeedStored::Council(Durable::Proof(of(n)))));
    let stored: Vec<Stored> = stored.into_iter().map(Stored::Seed).collect();
    store.write(stored.iter()).unwrap();
    drop(store);
    (net, "data".to_owned())
}

/// The first digit of several of the forty.
fn common_digit() -> String {
    let digits: Vec<char> = (100..140)
        .map(|number| member_key(number).id().to_string().chars().next().unwrap())
        .collect();
    let is_twice = |digit: &&char| digits.iter().filter(|other| other == digit).count() > 1;
    digits.iter().find(is_twice).unwrap().to_string()
}
