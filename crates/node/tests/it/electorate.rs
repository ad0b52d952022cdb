//! Seeds that are added, replaced and lost while the network goes on.

use quorate_node::{Event, Node, NodeId, Options, SeedLine, SeedList, StartError};

use crate::net::{Actor, Net, Plan, key, listener};

/// Whether a node knows the electorate of this epoch.
fn is_in(epoch: u64) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::ElectorateChanged { epoch: of, .. } if *of == epoch)
}

/// A node that waits for a seat, and how it will be known.
fn newcomer(net: &Net, number: u8) -> (tokio::task::JoinHandle<Result<Node, StartError>>, Actor0) {
    let (socket, address) = listener(net.plan.host);
    let identity = key(number);
    let builder = Node::seed(address, net.list.clone()).listener(socket);
    let builder = builder.identity(identity.clone()).joins();
    let waiting = tokio::spawn(builder.spawn());
    let address = address.to_string();
    (waiting, Actor0 { identity, address })
}

struct Actor0 {
    identity: quorate_node::Identity,
    address: String,
}

/// Has every seed agree to a seat that a node asks for, and waits until it has it.
async fn seat(net: &mut Net, number: u8, epoch: u64) {
    let from = net.mark();
    let (waiting, actor) = newcomer(net, number);
    let id = actor.identity.id();
    let wanted =
        |event: &Event| matches!(event, Event::SeatWanted { candidate, .. } if candidate.id == id);
    let seeds: Vec<NodeId> = net.seeds.iter().map(Actor::id).collect();
    net.until_all("the request for a seat", from, &seeds, wanted)
        .await;
    for seed in &net.seeds {
        let info = seed.node.electorate().await.unwrap();
        assert_eq!(info.epoch + 1, epoch, "before all have agreed");
        seed.node.seat(id).await.unwrap();
    }
    net.until_all("the next epoch", from, &seeds, is_in(epoch))
        .await;
    let node = waiting.await.unwrap().unwrap();
    net.listen_to(&node);
    net.seeds.push(Actor {
        identity: actor.identity,
        address: actor.address,
        node,
    });
}

async fn until_endorsed(net: &mut Net, from: usize, epoch: u64, ids: &[NodeId]) {
    let endorsed =
        |event: &Event| matches!(event, Event::Endorsed { epoch: of, .. } if *of == epoch);
    net.until_all("the endorsement", from, ids, endorsed).await;
}

#[tokio::test]
async fn a_seed_is_added_and_has_a_vote_and_peers_follow() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let old: Vec<NodeId> = net.ids();
    seat(&mut net, 200, 1).await;
    net.until_all("peers that follow", from, &old, is_in(1))
        .await;
    until_endorsed(&mut net, from, 1, &old).await;
    net.assert_gossips().await;
    net.assert_untouched("after a seed was added").await;
    // Four seeds: with one of the first gone, the new one's vote is needed.
    let gone = net.seeds.remove(0);
    gone.node.abort();
    net.add_peer(key(50), Options::default()).await;
    let newest = net.peers.last().unwrap().id();
    net.until_event("a newcomer by the new seeds", from, newest, |event| {
        matches!(event, Event::Joined { .. })
    })
    .await;
    net.settled().await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_dead_seed_is_unseated_and_one_takes_its_place() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let gone = net.seeds.remove(0);
    gone.node.abort();
    for seed in &net.seeds {
        seed.node.unseat(gone.id()).await.unwrap();
    }
    let ids = net.ids();
    net.until_all("the next epoch", from, &ids, is_in(1)).await;
    seat(&mut net, 201, 2).await;
    net.until_all("the one after it", from, &ids, is_in(2))
        .await;
    until_endorsed(&mut net, from, 2, &ids).await;
    // A peer that starts with the present list alone, and shows its passport to those who were there before.
    let info = net.seeds[0].node.electorate().await.unwrap();
    let list = info.seed_list().unwrap();
    assert_eq!(
        (info.epoch, info.quorum, list.network()),
        (2, 2, net.list.network())
    );
    net.list = SeedList::parse(&list.to_string()).unwrap();
    net.add_peer(key(51), Options::default()).await;
    net.settled().await;
    net.assert_gossips().await;
    // A death is confirmed by the seeds of now.
    let from = net.mark();
    let dead = net.kill(0);
    let survivors = net.ids();
    net.until_dead(from, dead.id(), &survivors).await;
}

#[tokio::test]
async fn a_seed_resigns_and_an_endorsed_member_leaves() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let leaver = net.seeds.remove(2);
    leaver.node.resign().await.unwrap();
    let ids = net.ids();
    net.until_all("the next epoch", from, &ids, is_in(1)).await;
    let unseated = |event: &Event| matches!(event, Event::Unseated { epoch: 1 });
    net.until_event("its end", from, leaver.id(), unseated)
        .await;
    until_endorsed(&mut net, from, 1, &ids).await;
    leaver.node.leave().await;
    let member = net.peers.remove(0);
    member.node.leave().await;
    let ids = net.ids();
    let left = |event: &Event| matches!(event, Event::Left(party) if party.id == member.id());
    net.until_all("a departure", from, &ids, left).await;
    net.assert_untouched("without it").await;
}

#[tokio::test]
async fn what_is_asked_of_the_wrong_node_or_cannot_be_is_an_error() {
    let net = Net::start(1, 1).await;
    let (seed, peer) = (&net.seeds[0], &net.peers[0]);
    assert!(peer.node.electorate().await.is_none());
    for error in [
        peer.node.seat(seed.id()).await.unwrap_err(),
        peer.node.unseat(seed.id()).await.unwrap_err(),
        peer.node.resign().await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "this node is no seed");
    }
    let error = seed.node.resign().await.unwrap_err();
    assert_eq!(error.to_string(), "the last voter keeps its seat");
    let error = seed.node.seat(peer.id()).await.unwrap_err();
    assert!(error.to_string().contains("nobody wants a seat"), "{error}");
    let error = seed.node.unseat(peer.id()).await.unwrap_err();
    assert!(error.to_string().contains("has no seat"), "{error}");
}

#[tokio::test]
async fn what_changed_is_kept_and_a_lost_majority_is_recovered_by_an_operator_alone() {
    let directories: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let sockets: Vec<_> = (0..3).map(|_| listener(Plan::new(3, 0).host)).collect();
    let keys = [150, 151, 152].map(key);
    let lines = sockets
        .iter()
        .zip(&keys)
        .map(|((_, address), key)| SeedLine {
            address: address.to_string(),
            pin: Some(key.id()),
        });
    let list = SeedList::new(lines).unwrap();
    let addresses: Vec<_> = sockets.iter().map(|(_, address)| *address).collect();
    let start = |index: usize, recover: Option<SeedList>| {
        let builder = Node::seed(addresses[index], list.clone()).identity(keys[index].clone());
        let builder = builder.data(directories[index].path());
        let builder = match recover {
            Some(with) => builder.recover(with),
            None => builder,
        };
        builder.spawn()
    };
    drop(sockets);
    let first = start(0, None).await.unwrap();
    // The two others are lost for good.
    let alone = SeedList::new([SeedLine {
        address: addresses[0].to_string(),
        pin: Some(keys[0].id()),
    }])
    .unwrap();
    first.leave().await;
    let unnamed = SeedList::new([SeedLine {
        address: addresses[0].to_string(),
        pin: None,
    }]);
    assert!(matches!(
        start(0, Some(unnamed.unwrap())).await,
        Err(StartError::RecoveryUnpinned(_))
    ));
    let recovered = start(0, Some(alone.clone())).await.unwrap();
    let mut events = recovered.events();
    let told = events.next().await.unwrap();
    assert!(
        matches!(&told, Event::ElectorateRecovered { epoch: 1, seats } if seats.len() == 1),
        "{told:?}"
    );
    recovered.leave().await;
    // It is written down, and told again; once is enough.
    let again = start(0, None).await.unwrap();
    let told = again.events().next().await.unwrap();
    assert!(matches!(told, Event::ElectorateRecovered { epoch: 1, .. }));
    again.leave().await;
    let again = start(0, Some(alone)).await.unwrap();
    let info = again.electorate().await.unwrap();
    assert_eq!((info.epoch, info.seats.len(), info.quorum), (1, 1, 1));
    // It admits by itself, those who were told of it.
    let (socket, address) = listener(Plan::new(1, 1).host);
    let peer = Node::peer(address, info.seed_list().unwrap()).listener(socket);
    let peer = peer.identity(key(1)).spawn().await.unwrap();
    let mut events = peer.events();
    while !matches!(events.next().await.unwrap(), Event::Joined { .. }) {}
    // Those who were not told stay with what they knew, and find no quorum; but the stores of the others still start.
    let other = start(1, None).await.unwrap();
    assert_eq!(other.electorate().await.unwrap().epoch, 0);
}
