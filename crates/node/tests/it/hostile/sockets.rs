//! Attacks over real sockets: a liar with a member's key, crowds of strangers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_node::client::Client;
use quorate_node::consensus::succession::{
    Accusation, Ballot, Change, Link, Opinion, Place, Promise, Proposed, Statement,
};
use quorate_node::consensus::{Choice, Digest, NetworkId, Record, Signature, assembly, succession};
use quorate_node::protocol::{
    DiscoveryMessage, Goodbye, Hello, JoinMessage, Message, Purpose, RoleKind, VERSIONS,
};
use quorate_node::{Admission, Discovery, Event, Events, Identity, Node, NodeId, Options};
use quorate_wire::Format;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::forging::unix_ms;
use crate::net::{PATIENCE, key, listener, stranger};
use crate::talk::{End, end, goodbye, handled, hear};

const HOST: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A member that runs.
struct Actor {
    identity: Identity,
    node: Node,
    address: String,
    events: Events,
    _data: TempDir,
}

/// Spans that make refusals quick, and the liar's absence no reason to throw it out.
fn options() -> Options {
    Options {
        hello_timeout: Duration::from_millis(700),
        gone_after: Duration::from_secs(60),
        ..Options::default()
    }
}

async fn member(number: u8, discovery: Discovery) -> Actor {
    let data = tempfile::tempdir().unwrap();
    let (socket, address) = listener(HOST);
    let identity = key(number);
    let node = Node::member(address, discovery)
        .listener(socket)
        .identity(identity.clone())
        .data(data.path())
        .admission(Admission::allow_all())
        .options(options())
        .spawn()
        .await
        .unwrap();
    let mut events = node.events();
    until(&mut events, "joined", |event| {
        matches!(event, Event::Joined { .. })
    })
    .await;
    Actor {
        identity,
        node,
        address: address.to_string(),
        events,
        _data: data,
    }
}

async fn until(events: &mut Events, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
    let found = timeout(PATIENCE, async {
        loop {
            match events.next().await {
                Some(event) if is_it(&event) => return event,
                Some(_) => {}
                None => panic!("the node stopped before {what}"),
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what} never came"))
}

/// Founder, and others who joined it one after the other.
async fn members(count: u8) -> Vec<Actor> {
    let mut all = vec![member(1, Discovery::by_founding()).await];
    for number in 2..=count {
        let discovery = Discovery::by_members([all[0].address.clone()]);
        let next = member(number, discovery).await;
        all.push(next);
    }
    for actor in &mut all {
        wait_for_members(actor, usize::from(count)).await;
    }
    all
}

async fn wait_for_members(actor: &Actor, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while actor.node.members().await.len() != count {
        assert!(Instant::now() < deadline, "not {count} members in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Connects under a key and says a member's hello.
async fn connect(identity: &Identity, to: &str, purpose: Purpose, network: NetworkId) -> Client {
    let mut client = Client::open(identity, to).await.unwrap();
    let hello = Hello {
        versions: VERSIONS,
        network,
        seeds: Vec::new(),
        format: Format::default(),
        purpose,
        role: RoleKind::Member,
    };
    client.say_hello(&hello).await.unwrap();
    client
}

/// Where a member's chain ends, and which network it is.
async fn place_of(actor: &Actor) -> Place {
    let mut client = connect(&stranger(), &actor.address, Purpose::Join, NetworkId::NONE).await;
    let founding = hear(&mut client, |message| match message {
        Message::Join(JoinMessage::Founded(founding)) => Some(founding),
        _ => None,
    })
    .await;
    let (network, mut epoch, mut head) = (founding.network(), 0, founding.head());
    loop {
        let fetch = assembly::Message::Fetch { epoch };
        client.send(&Message::Assembly(fetch)).await.unwrap();
        let links: Vec<Arc<Link>> = hear(&mut client, |message| match message {
            Message::Assembly(assembly::Message::Links(links)) => Some(links),
            _ => None,
        })
        .await;
        let Some(last) = links.last() else {
            break;
        };
        (epoch, head) = (last.epoch + 1, last.head());
    }
    Place {
        network,
        epoch,
        head,
    }
}

fn at(place: Place, statement: Statement) -> Message {
    let message = succession::Message::At {
        epoch: place.epoch,
        head: place.head,
        statement,
    };
    Message::Assembly(assembly::Message::Succession(Box::new(message)))
}

fn status(epoch: u64) -> Message {
    let head = Digest::new([9; 32]);
    Message::Assembly(assembly::Message::Status { epoch, head })
}

fn record_of(identity: &Identity, network: NetworkId, endpoint: &str, attempt: u64) -> Record {
    let endpoints = vec![endpoint.to_owned()];
    Record::sign(identity.key(), network, endpoints, 1, attempt, unix_ms()).unwrap()
}

/// Fails unless a message of the first reaches the second, and both answer at once.
async fn assert_well(actors: &mut [Actor], count: usize) {
    for actor in &*actors {
        let asked = Instant::now();
        assert_eq!(actor.node.members().await.len(), count);
        assert!(asked.elapsed() < Duration::from_secs(2), "slow to answer");
    }
    let published = actors[0].node.broadcast("hello").await.unwrap();
    until(
        &mut actors[1].events,
        "the message",
        |event| matches!(event, Event::Message(delivery) if delivery.id == published.id),
    )
    .await;
}

#[tokio::test]
async fn a_member_that_lies_in_every_way_is_sent_away_and_throws_nobody_out() {
    let mut actors = members(3).await;
    let liar = actors.pop().unwrap();
    let place = place_of(&actors[0]).await;
    liar.node.abort();
    let me = liar.identity.key();
    let victims: Vec<NodeId> = actors.iter().map(|actor| actor.identity.id()).collect();
    let stranger_record = record_of(&stranger(), place.network, "127.0.0.1:1", 1);
    let change = Arc::new(Change::Admit {
        record: stranger_record.clone(),
        allows: BTreeMap::new(),
    });
    let ballot = Ballot {
        counter: 1,
        leader: liar.identity.id(),
    };
    let accept = |promises: Vec<Promise>| Statement::Accept {
        proposed: Proposed::sign(me, &place, 1, change.hash()),
        change: change.clone(),
        promises,
        return_promises: BTreeMap::new(),
    };
    let forged_promise = |voter: NodeId| Promise {
        voter,
        ..Promise::sign(me, &place, ballot, None)
    };
    let forged_opinion = Opinion {
        voter: victims[1],
        ..Opinion::sign(
            me,
            place.network,
            stranger_record.hash(),
            1,
            Choice::Yes,
            "",
        )
    };
    let forged_accusation = Accusation {
        accuser: victims[1],
        ..Accusation::sign(me, &place, victims[0], 1)
    };
    let forged_link = Link {
        epoch: place.epoch,
        parent: place.head,
        change: (*change).clone(),
        ballot,
        accepted: victims
            .iter()
            .map(|victim| (*victim, Signature::new([5; 64])))
            .collect(),
    };
    let opinion = |opinion| {
        let message = succession::Message::Opinion(opinion);
        Message::Assembly(assembly::Message::Succession(Box::new(message)))
    };
    let prepare = |counter, leader| at(place, Statement::Prepare(Ballot { counter, leader }));
    let links = |links: Vec<Link>| {
        let links = links.into_iter().map(Arc::new).collect();
        Message::Assembly(assembly::Message::Links(links))
    };
    // What ends the connection, and what does not.
    let table = [
        ("an opinion of another", opinion(forged_opinion), true),
        (
            "an accusation of another",
            at(place, Statement::Accuse(forged_accusation)),
            true,
        ),
        ("another's ballot", prepare(1, victims[1]), true),
        ("no promises", at(place, accept(Vec::new())), true),
        (
            "its own promise only",
            at(place, accept(vec![Promise::sign(me, &place, ballot, None)])),
            true,
        ),
        (
            "forged promises",
            at(
                place,
                accept(
                    victims
                        .iter()
                        .map(|victim| forged_promise(*victim))
                        .collect(),
                ),
            ),
            true,
        ),
        (
            "a decision that nobody signed",
            links(vec![forged_link.clone()]),
            true,
        ),
        (
            "the same many times",
            links(vec![forged_link.clone(); 500]),
            true,
        ),
        (
            "of another history",
            links(vec![Link {
                parent: Digest::new([8; 32]),
                ..forged_link.clone()
            }]),
            false,
        ),
        (
            "out of order",
            links(vec![Link {
                epoch: u64::MAX,
                ..forged_link
            }]),
            false,
        ),
        ("the last epoch there can be", status(u64::MAX), false),
        (
            "a ballot beyond all others",
            prepare(u64::MAX, liar.identity.id()),
            false,
        ),
    ];
    for (index, actor) in actors.iter().enumerate() {
        for (what, message, is_end) in &table {
            let mut link =
                connect(&liar.identity, &actor.address, Purpose::Link, place.network).await;
            link.send(message).await.unwrap();
            let ended = handled(&mut link).await;
            let said = matches!(&ended, Some(End::Said(Goodbye::Misbehaved(_))));
            assert_eq!(said, *is_end, "{what}, to {index}: {ended:?}");
        }
    }
    assert_well(&mut actors, 3).await;

    // It accuses each of the two to the other, floods both, and falls silent.
    let mut held = Vec::new();
    for (index, actor) in actors.iter().enumerate() {
        let mut link = connect(&liar.identity, &actor.address, Purpose::Link, place.network).await;
        let accusation = Accusation::sign(me, &place, victims[1 - index], 1);
        link.send(&at(place, Statement::Accuse(accusation)))
            .await
            .unwrap();
        for number in 0..3000_u32 {
            let mut record = [0; 32];
            record[..4].copy_from_slice(&number.to_be_bytes());
            let said = Opinion::sign(me, place.network, Digest::new(record), 1, Choice::Yes, "");
            link.send(&opinion(said)).await.unwrap();
            if number % 10 == 0 {
                let fetch = assembly::Message::Fetch { epoch: 0 };
                link.send(&Message::Assembly(fetch)).await.unwrap();
            }
        }
        assert_eq!(handled(&mut link).await, None, "to {index}");
        held.push(link);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(held);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_well(&mut actors, 3).await;
    assert_eq!(place_of(&actors[0]).await, place);
    assert_eq!(place_of(&actors[1]).await, place);
}

#[tokio::test]
async fn who_links_without_being_in_the_chain_is_told_so_and_is_not_heard() {
    let mut actors = members(2).await;
    let place = place_of(&actors[0]).await;
    let mut link = connect(
        &stranger(),
        &actors[0].address,
        Purpose::Link,
        place.network,
    )
    .await;
    let ballot = Ballot {
        counter: 1,
        leader: stranger().id(),
    };
    link.send(&at(place, Statement::Prepare(ballot)))
        .await
        .unwrap();
    link.send(&Message::Neighbors(vec![actors[0].identity.id(); 2000]))
        .await
        .unwrap();
    assert_eq!(
        goodbye(&mut link).await,
        Goodbye::NotInChain { epoch: place.epoch }
    );
    assert_well(&mut actors, 2).await;
    assert_eq!(place_of(&actors[0]).await, place);
}

#[tokio::test]
async fn a_crowd_of_candidates_neither_stops_the_members_nor_keeps_a_good_one_out() {
    let mut actors = members(2).await;
    let place = place_of(&actors[0]).await;
    let mut crowd = Vec::new();
    for number in 0..300_u32 {
        let mut secret = [77; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        let identity = Identity::from_secret(&secret);
        let to = &actors[(number % 2) as usize].address;
        let mut guest = connect(&identity, to, Purpose::Join, NetworkId::NONE).await;
        // One third idles, one third is nowhere, one third is where somebody else is.
        let endpoint = match number % 3 {
            0 => None,
            1 => Some("127.0.0.1:1".to_owned()),
            _ => Some(actors[0].address.clone()),
        };
        if let Some(endpoint) = endpoint {
            let record = record_of(&identity, place.network, &endpoint, 1);
            let request = Message::Join(JoinMessage::Request(record));
            guest.send(&request).await.unwrap();
        }
        crowd.push(guest);
    }
    assert_well(&mut actors, 2).await;
    let begun = Instant::now();
    let discovery = Discovery::by_members(actors.iter().map(|actor| actor.address.clone()));
    let good = member(3, discovery).await;
    assert!(begun.elapsed() < PATIENCE);
    wait_for_members(&good, 3).await;
    wait_for_members(&actors[0], 3).await;
    // Whose endpoints do not answer was told so.
    let refused = hear(&mut crowd[1], |message| match message {
        Message::Join(JoinMessage::Refused(why)) => Some(why),
        _ => None,
    });
    assert!(refused.await.contains("cannot reach it"));
    drop(crowd);
    assert_eq!(actors[0].node.members().await.len(), 3);
}

#[tokio::test]
async fn a_request_that_is_not_the_candidates_own_ends_the_connection_and_nobody_is_in() {
    let actors = members(2).await;
    let place = place_of(&actors[0]).await;
    let mut guest = connect(
        &stranger(),
        &actors[0].address,
        Purpose::Join,
        NetworkId::NONE,
    )
    .await;
    let record = record_of(&key(251), place.network, &actors[1].address, 1);
    guest
        .send(&Message::Join(JoinMessage::Request(record)))
        .await
        .unwrap();
    let said = goodbye(&mut guest).await;
    assert!(matches!(said, Goodbye::Misbehaved(_)), "{said:?}");
    // More questions than any candidate has.
    let mut guest = connect(
        &stranger(),
        &actors[0].address,
        Purpose::Join,
        NetworkId::NONE,
    )
    .await;
    for _ in 0..1000 {
        let fetch = assembly::Message::Fetch { epoch: 0 };
        if guest.send(&Message::Assembly(fetch)).await.is_err() {
            break;
        }
    }
    assert!(matches!(
        end(&mut guest).await,
        End::Said(Goodbye::Misbehaved(_)) | End::Closed
    ));
    assert_eq!(actors[0].node.members().await.len(), 2);
}

#[tokio::test]
async fn a_bootstrap_under_a_flood_still_brings_nodes_together() {
    let bootstrap = Node::bootstrap("127.0.0.1:0".parse().unwrap())
        .spawn()
        .await
        .unwrap();
    let address = bootstrap.address().to_string();
    let mut crowd = Vec::new();
    for number in 0..300_u32 {
        let mut secret = [78; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        let identity = Identity::from_secret(&secret);
        let mut client = connect(&identity, &address, Purpose::Discover, NetworkId::NONE).await;
        let endpoints = match number % 3 {
            0 => None,
            1 => Some(vec!["x".repeat(10_000)]),
            // Made up members of made up networks.
            _ => Some(vec![format!("127.0.0.1:{}", number % 100 + 1)]),
        };
        if let Some(endpoints) = endpoints {
            let register = DiscoveryMessage::Register {
                endpoints,
                network: Some(NetworkId::new([number as u8; 32])),
                would_found: true,
            };
            client.send(&Message::Discovery(register)).await.unwrap();
        }
        crowd.push(client);
    }
    assert!(matches!(
        goodbye(&mut crowd[1]).await,
        Goodbye::Misbehaved(_)
    ));
    // One that founds by its own word, and one that finds it among all that is made up.
    let discovery = Discovery {
        bootstraps: vec![address.clone()],
        join: Vec::new(),
        found: true,
    };
    let founder = member(1, discovery).await;
    let second = member(2, Discovery::by_bootstraps([address])).await;
    wait_for_members(&second, 2).await;
    wait_for_members(&founder, 2).await;
    drop(crowd);
    bootstrap.leave().await;
}
