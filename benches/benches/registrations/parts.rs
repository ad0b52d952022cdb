//! What a registration is made of, timed alone.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use quorate_consensus::council::Durable;
use quorate_consensus::{
    Choice, Ed25519, Ed25519Key, NetworkId, Proposal, Record, Signer as _, Vote,
};
use quorate_node::client::Client;
use quorate_node::protocol::{Purpose, RoleKind};
use quorate_node::store::{Kind, SeedStored, Store, Stored};
use quorate_node::{Identity, Node, SeedLine, SeedList};

/// How often each is done.
const TIMES: u32 = 100;

/// Prints how long each takes, and how often a registration needs it.
pub(crate) async fn print() {
    println!("\nparts, each timed alone; how many of them a registration with three seeds needs:");
    let connect = connect().await;
    line(
        "connection: TCP, TLS, hellos, both ends",
        connect,
        "6: the peer to each seed, each seed's probe back",
    );
    let (sign, verify) = signatures();
    line("signature made", sign, "4: the record, three votes");
    line(
        "signature checked",
        verify,
        "13 at the seeds: the record, two foreign votes each; 4 or more at the peer",
    );
    line(
        "commit of a vote, in the temporary directory",
        commit(&std::env::temp_dir()),
        "6: a vote and a certificate at each seed, fewer where they gather",
    );
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        line("commit of a vote, in memory", commit(memory), "");
    }
}

fn line(what: &str, each: Duration, count: &str) {
    println!("{what:<46} {each:>10.1?}  {count}");
}

/// A connection to a seed, up to the seed's hello.
async fn connect() -> Duration {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let line = SeedLine {
        address: address.to_string(),
        pin: None,
    };
    let list = SeedList::new([line]).expect("a list");
    let seed = Node::seed(address, list.clone()).listener(listener);
    let seed = seed.spawn().await.expect("a seed");
    let begun = Instant::now();
    for _ in 0..TIMES {
        let identity = Identity::generate().expect("randomness");
        let client = Client::connect(
            &identity,
            &address.to_string(),
            &list,
            Purpose::Register,
            RoleKind::Peer,
        )
        .await;
        client.expect("it answers");
    }
    let each = begun.elapsed() / TIMES;
    seed.abort();
    each
}

fn signatures() -> (Duration, Duration) {
    use quorate_consensus::{Scheme as _, Transcript};
    let key = Ed25519Key::from_secret(&[7; 32]);
    let statement = Transcript::new("x").finish();
    let begun = Instant::now();
    let signatures: Vec<_> = (0..TIMES * 10).map(|_| key.sign(&statement)).collect();
    let sign = begun.elapsed() / (TIMES * 10);
    let begun = Instant::now();
    let holds = |signature| Ed25519.verify(&key.id(), &statement, signature);
    assert!(signatures.iter().all(holds));
    (sign, begun.elapsed() / (TIMES * 10))
}

/// A transaction with one vote, synced.
fn commit(parent: &Path) -> Duration {
    let directory = tempfile::tempdir_in(parent).expect("a directory");
    let network = NetworkId::new([7; 32]);
    let path = directory.path().join("store.redb");
    let (store, _) = Store::open(&path, Kind::Seed(network)).expect("a store");
    let voter = Ed25519Key::from_secret(&[1; 32]);
    let seats = [voter.id()];
    let rule = quorate_consensus::QuorumRule::Majority;
    let electorate = quorate_consensus::Electorate::of(network, rule, seats).expect("one voter");
    let begun = Instant::now();
    for attempt in 0..TIMES {
        let endpoints = vec!["192.0.2.1:6000".to_owned()];
        let record = Record::sign(&voter, network, endpoints, 1, u64::from(attempt), 1);
        let id = Proposal::Admit(record.expect("the endpoint is one")).id();
        let vote = Vote::cast(&voter, &electorate, id, Choice::Yes, "it answered");
        let durable = Durable::Vote {
            opened_ms: 1,
            vote: vote.into(),
        };
        let stored = Stored::Seed(SeedStored::Council(durable));
        store
            .write(std::iter::once(&stored))
            .expect("it is written");
    }
    begun.elapsed() / TIMES
}
