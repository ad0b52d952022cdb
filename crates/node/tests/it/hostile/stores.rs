//! A member's directory that is not what it should be: a named error, or a new node, never a forgetful old one.

use std::fs;
use std::path::Path;
use std::time::Duration;

use quorate_node::store::{Held, Kind, SeedStored, Store, StoreError, Stored};
use quorate_node::{
    Admission, Discovery, Event, Identity, IdentityError, Node, SeedList, StartError,
};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::net::{PATIENCE, listener};

const ANY: &str = "127.0.0.1:0";

async fn start(data: &Path, listen: &str) -> Result<Node, StartError> {
    Node::member(listen.parse().unwrap(), Discovery::by_founding())
        .admission(Admission::allow_all())
        .data(data)
        .spawn()
        .await
}

async fn until_joined(node: &Node) -> Vec<Event> {
    let mut events = node.events();
    let mut seen = Vec::new();
    let joined = timeout(PATIENCE, async {
        while let Some(event) = events.next().await {
            let is_it = matches!(event, Event::Joined { .. });
            seen.push(event);
            if is_it {
                return;
            }
        }
    });
    joined.await.expect("joined in time");
    seen
}

/// The directory of a member that founded a network and stopped, and its address.
async fn left_behind() -> (TempDir, String) {
    let data = tempfile::tempdir().unwrap();
    let node = start(data.path(), ANY).await.unwrap();
    until_joined(&node).await;
    let address = node.address().to_string();
    node.leave().await;
    (data, address)
}

fn is_damaged(error: &StartError) -> bool {
    matches!(error, StartError::Store(StoreError::Damaged { .. }))
}

#[tokio::test]
async fn a_damaged_store_of_a_member_is_named_and_never_begun_anew() {
    let (data, address) = left_behind().await;
    let path = data.path().join("store.redb");
    let whole = fs::read(&path).unwrap();
    let mut foreign = whole.clone();
    foreign.iter_mut().for_each(|byte| *byte ^= 0x55);
    let cut = |len: usize| whole[..len].to_vec();
    let table = [
        ("empty", Vec::new()),
        ("a text", b"this is no store".to_vec()),
        ("the first page only", cut(4096)),
        ("half", cut(whole.len() / 2)),
        ("other bytes", foreign),
    ];
    for (what, bytes) in table {
        fs::write(&path, &bytes).unwrap();
        let error = start(data.path(), &address).await.unwrap_err();
        assert!(is_damaged(&error), "{what}: {error}");
        assert!(error.to_string().contains("store.redb"), "{error}");
        assert_eq!(fs::read(&path).unwrap().len(), bytes.len(), "{what}");
        assert!(!data.path().join("key.lost").exists());
    }
    // Some bytes anywhere: what was kept comes back, or an error does, but no other chain.
    let network = {
        fs::write(&path, &whole).unwrap();
        network_at(data.path(), &address).await
    };
    for place in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        let end = (place + 16).min(bytes.len());
        bytes[place..end].iter_mut().for_each(|byte| *byte ^= 0xff);
        fs::write(&path, &bytes).unwrap();
        match start(data.path(), &address).await {
            Err(error) => assert!(
                matches!(error, StartError::Store(_) | StartError::StoredChain(_)),
                "at {place}: {error}"
            ),
            Ok(node) => {
                let seen = until_joined(&node).await;
                let founded = seen
                    .iter()
                    .any(|event| matches!(event, Event::Founded { .. }));
                assert!(!founded, "at {place}: began anew");
                assert_eq!(node.members().await.len(), 1, "at {place}");
                node.leave().await;
            }
        }
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(network_at(data.path(), &address).await, network);
}

/// Starts, and says which member the chain has, and since when.
async fn network_at(data: &Path, address: &str) -> Vec<quorate_node::MemberInfo> {
    let node = start(data, address).await.unwrap();
    until_joined(&node).await;
    let members = node.members().await;
    node.leave().await;
    members
}

#[tokio::test]
async fn a_seeds_store_is_no_members_store_and_the_other_way_round() {
    let data = tempfile::tempdir().unwrap();
    let (socket, address) = listener("127.0.0.1".parse().unwrap());
    let list = SeedList::parse(&format!("127.0.0.1,{}\n", address.port())).unwrap();
    let seed = Node::seed(address, list.clone())
        .listener(socket)
        .data(data.path())
        .spawn()
        .await
        .unwrap();
    seed.leave().await;
    let error = start(data.path(), &address.to_string()).await.unwrap_err();
    assert!(
        matches!(error, StartError::Store(StoreError::AnotherKind { .. })),
        "{error}"
    );
    let (data, address) = left_behind().await;
    let list = SeedList::parse(&address.replace(':', ",")).unwrap();
    let error = Node::seed(address.parse().unwrap(), list)
        .data(data.path())
        .spawn()
        .await
        .unwrap_err();
    assert!(
        matches!(error, StartError::Store(StoreError::AnotherKind { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_member_does_not_go_on_with_what_another_has_said() {
    let ((data, address), (other, _)) = (left_behind().await, left_behind().await);
    // Moved, so that nobody else may read it meanwhile.
    let [key, own] = ["key", "own"].map(|name| data.path().join(name));
    fs::rename(&key, &own).unwrap();
    fs::copy(other.path().join("key"), &key).unwrap();
    let error = start(data.path(), &address).await.unwrap_err();
    assert!(
        matches!(error, StartError::Store(StoreError::AnotherNode { .. })),
        "{error}"
    );
    // Nor with that of a key that is gone, and no other takes its place.
    fs::remove_file(&key).unwrap();
    let error = start(data.path(), &address).await.unwrap_err();
    assert!(
        matches!(error, StartError::StoreWithoutKey { .. }),
        "{error}"
    );
    assert!(!key.exists());
    // With its own key all is as it was.
    fs::rename(&own, &key).unwrap();
    let node = start(data.path(), &address).await.unwrap();
    let seen = until_joined(&node).await;
    let founded = |event: &Event| matches!(event, Event::Founded { .. });
    assert!(!seen.iter().any(founded), "{seen:?}");
    node.leave().await;
}

#[tokio::test]
async fn a_key_without_its_store_is_set_aside_and_the_node_is_a_new_one() {
    let (data, address) = left_behind().await;
    let old = Identity::load(data.path().join("key")).unwrap().id();
    fs::remove_file(data.path().join("store.redb")).unwrap();
    let node = start(data.path(), &address).await.unwrap();
    assert_ne!(node.id(), old);
    let seen = until_joined(&node).await;
    assert!(seen.contains(&Event::NewIdentity { lost: old }), "{seen:?}");
    let kept = Identity::load(data.path().join("key.lost")).unwrap().id();
    assert_eq!(kept, old);
    let second = node.id();
    node.leave().await;
    // And again, without losing the first.
    fs::remove_file(data.path().join("store.redb")).unwrap();
    let node = start(data.path(), &address).await.unwrap();
    assert!(node.id() != second && node.id() != old);
    let kept = Identity::load(data.path().join("key.lost.1")).unwrap().id();
    assert_eq!(kept, second);
    node.leave().await;
}

#[tokio::test]
async fn one_directory_is_one_process_and_a_copy_of_it_cannot_go_on_elsewhere() {
    let data = tempfile::tempdir().unwrap();
    let node = start(data.path(), ANY).await.unwrap();
    until_joined(&node).await;
    let error = start(data.path(), ANY).await.unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Identity(IdentityError::InUse { .. })
                | StartError::Store(StoreError::InUse(_))
        ),
        "{error}"
    );
    // A copy, at another address.
    let copy = tempfile::tempdir().unwrap();
    let address = node.address().to_string();
    node.leave().await;
    for name in ["key", "store.redb"] {
        fs::copy(data.path().join(name), copy.path().join(name)).unwrap();
    }
    let node = start(data.path(), &address).await.unwrap();
    let error = start(copy.path(), ANY).await.unwrap_err();
    assert!(matches!(error, StartError::Moved { .. }), "{error}");
    // And at the same one there is room for one.
    let error = start(copy.path(), &address).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    node.leave().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// What a seed at this directory is told it held.
fn abstains_until_ms(data: &Path, network: quorate_node::consensus::NetworkId) -> u64 {
    match Store::open(&data.join("store.redb"), Kind::Seed(network)).unwrap() {
        (_store, Held::Seed(restored)) => restored.abstain_until_ms,
        (_store, Held::Member(_)) => panic!("a member's store"),
    }
}

#[tokio::test]
async fn a_seed_that_lost_its_store_still_knows_it_when_it_is_started_again() {
    let data = TempDir::new().unwrap();
    let (listener, address) = listener("127.0.0.1".parse().unwrap());
    drop(listener);
    let seeds = SeedList::parse(&format!("127.0.0.1,{}", address.port())).unwrap();
    let start = || async {
        let seed = Node::seed(address, seeds.clone()).data(data.path());
        seed.spawn().await.unwrap().leave().await;
    };
    start().await;
    assert_eq!(abstains_until_ms(data.path(), seeds.network()), 0);
    fs::remove_file(data.path().join("store.redb")).unwrap();
    start().await;
    let until_ms = abstains_until_ms(data.path(), seeds.network());
    assert!(until_ms > 0);
    start().await;
    assert_eq!(abstains_until_ms(data.path(), seeds.network()), until_ms);
    // Until an epoch has begun that it cannot have been in before.
    let kind = Kind::Seed(seeds.network());
    let (store, _) = Store::open(&data.path().join("store.redb"), kind).unwrap();
    let remembers = Stored::Seed(SeedStored::Remembers);
    store.write([&remembers].into_iter()).unwrap();
    drop(store);
    assert_eq!(abstains_until_ms(data.path(), seeds.network()), 0);
}
