//! What an application gets from its node.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::time::Duration;

use quorate_node::gossip::BroadcastError;
use quorate_node::protocol::{Message, Purpose, RoleKind};
use quorate_node::store::StoreError;
use quorate_node::{Event, Node, NodeId, Options, RequestError, SeedLine, SeedList, StartError};
use quorate_wire::Format;

use crate::forging::Accusation;
use crate::net::{Actor, Net, PATIENCE, Plan, is_joined, key, listener, stranger};
use crate::talk::handled;

#[tokio::test]
async fn a_json_network_admits_gossips_evicts_and_lets_go_as_any_other() {
    let mut plan = Plan::new(3, 4);
    plan.options.format = Format::Json;
    live_and_die(plan).await;
}

#[tokio::test]
async fn an_ipv6_network_admits_gossips_evicts_and_lets_go_as_any_other() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("passed over: this machine has no IPv6 loopback");
        return;
    }
    let mut plan = Plan::new(3, 4);
    plan.host = Ipv6Addr::LOCALHOST.into();
    live_and_die(plan).await;
}

#[tokio::test]
async fn a_pinned_network_admits_gossips_evicts_and_lets_go_as_any_other() {
    let mut plan = Plan::new(3, 4);
    plan.is_pinned = true;
    live_and_die(plan).await;
}

#[tokio::test]
async fn a_network_of_one_seed_admits_gossips_evicts_and_lets_go_as_any_other() {
    live_and_die(Plan::new(1, 4)).await;
}

/// Everything once: a message, a death, a departure.
async fn live_and_die(plan: Plan) {
    let mut net = plan.start().await;
    net.assert_untouched("at first").await;
    net.assert_gossips().await;
    let from = net.mark();
    let gone = net.kill(0);
    let survivors = net.ids();
    net.until_dead(from, gone.id(), &survivors).await;
    net.assert_gossips().await;
    let leaver = net.peers.remove(0);
    leaver.node.leave().await;
    let others = net.ids();
    let left = |event: &Event| matches!(event, Event::Left(member) if member.id == leaver.id());
    net.until_all("a departure", from, &others, left).await;
    net.assert_untouched("without the two").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_at_the_call_and_one_at_the_limit_arrives() {
    let mut plan = Plan::new(3, 3);
    plan.options.gossip.payload_max = 1000;
    let mut net = plan.start().await;
    let from = net.mark();
    let node = &net.peers[2].node;
    let refused = node.broadcast(vec![1; 1001]).await;
    assert_eq!(
        refused,
        Err(RequestError::Broadcast(BroadcastError::PayloadTooLarge {
            len: 1001,
            max: 1000
        }))
    );
    let published = node.broadcast(vec![1; 1000]).await.unwrap();
    assert_eq!(published.neighbors, 2);
    let others: Vec<NodeId> = net.peer_ids()[..2].to_vec();
    let is_it =
        |event: &Event| matches!(event, Event::Message(delivery) if delivery.payload.len() == 1000);
    net.until_all("the longest message", from, &others, is_it)
        .await;
    let nothing = net.peers[2].node.broadcast("").await.unwrap();
    let is_nothing =
        |event: &Event| matches!(event, Event::Message(delivery) if delivery.id == nothing.id);
    net.until_all("an empty message", from, &others, is_nothing)
        .await;
}

#[tokio::test]
async fn whatever_payload_limit_a_node_starts_with_a_payload_of_that_length_arrives() {
    for format in [Format::Bincode, Format::Json] {
        let options = Options {
            format,
            gossip: quorate_node::gossip::Config {
                payload_max: quorate_node::protocol::FRAME_LEN_MAX,
                ..Default::default()
            },
            ..Options::default()
        };
        let (socket, address) = listener(Ipv4Addr::LOCALHOST.into());
        let list = Net::start(1, 0).await.list;
        let started = Node::peer(address, list)
            .listener(socket)
            .identity(key(1))
            .options(options.clone())
            .spawn()
            .await;
        let Ok(node) = started else {
            // A limit that no frame has room for is an unusable option.
            continue;
        };
        node.abort();
        let mut plan = Plan::new(1, 2);
        plan.options = options;
        let mut net = plan.start().await;
        let from = net.mark();
        let published = net.peers[1]
            .node
            .broadcast(vec![255; quorate_node::protocol::FRAME_LEN_MAX])
            .await;
        let published = published.unwrap();
        let is_it = |event: &Event| matches!(event, Event::Message(delivery) if delivery.id == published.id);
        let what = format!("the longest payload that the options allow, as {format}");
        net.until_event(&what, from, net.peers[0].id(), is_it).await;
    }
}

#[tokio::test]
async fn a_node_that_is_not_admitted_yet_cannot_broadcast_nor_can_a_seed_nor_one_that_has_stopped()
{
    // Nobody listens at the only seed's address: this peer will wait for ever.
    let (closed, address) = listener(Ipv4Addr::LOCALHOST.into());
    drop(closed);
    let list = SeedList::new([SeedLine {
        address: address.to_string(),
        pin: None,
    }])
    .unwrap();
    let (listener, own) = listener(Ipv4Addr::LOCALHOST.into());
    let peer = Node::peer(own, list)
        .listener(listener)
        .identity(key(1))
        .spawn()
        .await
        .unwrap();
    assert_eq!(
        peer.broadcast("let me in").await,
        Err(RequestError::NotAMember)
    );
    assert_eq!(peer.members().await, []);
    peer.leave().await;
    assert_eq!(
        peer.broadcast("let me out").await,
        Err(RequestError::Stopped)
    );

    let net = Net::start(1, 0).await;
    assert_eq!(
        net.seeds[0].node.broadcast("I vote").await,
        Err(RequestError::NotAPeer)
    );
}

#[tokio::test]
async fn a_registration_without_a_quorum_names_the_seeds_that_are_silent() {
    let mut plan = Plan::new(3, 0);
    plan.absent = 2;
    plan.options.council.deadline = Duration::from_millis(800);
    let mut net = plan.start().await;
    net.add_peer(key(1), net.plan.options.clone()).await;
    let silent: Vec<String> = net
        .absent
        .iter()
        .map(|(_, address)| address.clone())
        .collect();
    let named = |event: &Event| {
        matches!(event, Event::RegisterRefused { reason, .. }
            if reason.contains("no quorum") && silent.iter().all(|address| reason.contains(address)))
    };
    net.until_event("the silent seeds by name", 0, net.peers[0].id(), named)
        .await;
    let from = net.mark();
    // It tries again, and is admitted as soon as a quorum is there.
    let (identity, address) = net.absent.remove(0);
    let address = address.parse().unwrap();
    let node = Node::seed(address, net.list.clone())
        .identity(identity)
        .spawn()
        .await
        .unwrap();
    net.listen_to(&node);
    net.until_event("its admission", from, net.peers[0].id(), is_joined)
        .await;
}

#[tokio::test]
async fn members_gossip_on_when_all_seeds_are_gone() {
    let mut net = Net::start(3, 4).await;
    let from = net.mark();
    for seed in net.seeds.drain(..) {
        seed.node.abort();
    }
    let lost = |event: &Event| matches!(event, Event::SeedLost { .. });
    let peers = net.peer_ids();
    net.until_all("the loss of a seed", from, &peers, lost)
        .await;
    net.assert_untouched("without seeds").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_listener_that_is_too_slow_is_told_how_much_it_missed() {
    let net = Net::start(1, 0).await;
    let seed = &net.seeds[0];
    let mut slow = seed.node.events();
    // Each of these is an event at the seed: a stranger's report, refused. One connection may bring only so many.
    let (events_max, more, from_each) = (4096, 104, 200);
    let mut report = Accusation::new(&net, key(1).id(), 1, &[]);
    report.testimonies.clear();
    let report = Message::DeadReport(report.sign(&stranger()));
    for number in 0..(events_max + more) / from_each {
        let stranger = key(150 + u8::try_from(number).unwrap());
        let mut client = net
            .connect(&stranger, seed, Purpose::Register, RoleKind::Peer)
            .await;
        for _ in 0..from_each {
            client.send(&report).await.unwrap();
        }
        assert_eq!(handled(&mut client).await, None);
    }
    assert_eq!(slow.next().await, Some(Event::Lagged(more)));
    for _ in 0..events_max {
        let event = slow.next().await;
        assert!(
            matches!(event, Some(Event::DeadReportRefused { .. })),
            "{event:?}"
        );
    }
    // Heard up, and on it goes.
    let mut client = net
        .connect(&stranger(), seed, Purpose::Register, RoleKind::Peer)
        .await;
    client.send(&report).await.unwrap();
    assert!(matches!(
        slow.next().await,
        Some(Event::DeadReportRefused { .. })
    ));
}

#[tokio::test]
async fn the_first_listener_misses_nothing_and_the_stream_ends_with_the_node() {
    let mut net = Net::start(1, 2).await;
    let (listener, address) = listener(Ipv4Addr::LOCALHOST.into());
    let node = Node::peer(address, net.list.clone())
        .listener(listener)
        .identity(key(9))
        .spawn()
        .await
        .unwrap();
    // By the time somebody listens, it has done a lot: both others know it.
    let ids = net.peer_ids();
    let is_linked = |event: &Event| matches!(event, Event::LinkUp(peer) if peer.id == node.id());
    net.until_all("its links", 0, &ids, is_linked).await;
    let mut first = node.events();
    let mut second = node.events();
    assert!(matches!(
        first.next().await,
        Some(Event::SeedIdentified { .. })
    ));
    let leaving = node.clone();
    leaving.leave().await;
    let mut heard = Vec::new();
    while let Some(event) = first.next().await {
        heard.push(event);
    }
    assert!(heard.iter().any(is_joined));
    assert_eq!(heard.last(), Some(&Event::ShuttingDown));
    let mut later = Vec::new();
    while let Some(event) = second.next().await {
        later.push(event);
    }
    assert_eq!(later.last(), Some(&Event::ShuttingDown));
    assert!(
        node.events().next().await.is_none(),
        "a stopped node has nothing to tell"
    );
}

#[tokio::test]
async fn a_node_whose_last_handle_is_dropped_leaves_the_network_by_its_own_word() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let actor = net.peers.remove(1);
    let id = actor.id();
    let handle = actor.node.clone();
    drop(actor);
    // One handle is left, so it stays.
    net.assert_gossips().await;
    assert_eq!(handle.members().await.len(), 3);
    drop(handle);
    let others = net.ids();
    let left = |event: &Event| matches!(event, Event::Left(member) if member.id == id);
    net.until_all("its departure", from, &others, left).await;
    net.assert_untouched("without the dropped").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn leaving_twice_is_leaving_once() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let leaver = net.peers.remove(1);
    let other = leaver.node.clone();
    tokio::join!(leaver.node.leave(), other.leave());
    leaver.node.leave().await;
    other.stopped().await;
    let others = net.ids();
    let left = |event: &Event| matches!(event, Event::Left(member) if member.id == leaver.id());
    net.until_all("its departure", from, &others, left).await;
    net.assert_gossips().await;
    for who in others {
        let told = net.heard[from..]
            .iter()
            .filter(|heard| heard.who == who && left(&heard.event));
        assert_eq!(
            told.count(),
            1,
            "departures of one member, told by one node"
        );
    }
    let shut = |event: &Event| *event == Event::ShuttingDown;
    let ends = net.heard[from..]
        .iter()
        .filter(|heard| heard.who == leaver.id() && shut(&heard.event));
    assert_eq!(ends.count(), 1);
    // A seed too.
    let seed = net.seeds.remove(0);
    tokio::join!(seed.node.leave(), seed.node.leave());
    net.assert_gossips().await;
}

/// Starts a fourth peer whose list pins a wrong key for the first line; its key, the line's address, the wrong key, and
/// the seed that is really there.
async fn add_mistaken(net: &mut Net) -> (NodeId, String, NodeId, NodeId) {
    let wrong = key(77).id();
    let mut lines = net.list.lines().to_vec();
    lines[0].pin = Some(wrong);
    let address = lines[0].address.clone();
    let found = net
        .seeds
        .iter()
        .find(|seed| seed.address == address)
        .unwrap()
        .id();
    let mistaken = SeedList::new(lines).unwrap();
    assert_eq!(mistaken.network(), net.list.network());
    let right = std::mem::replace(&mut net.list, mistaken);
    net.add_peer(key(8), Options::default()).await;
    net.list = right;
    (key(8).id(), address, wrong, found)
}

#[tokio::test]
async fn a_wrong_pin_is_told_once_and_the_seed_behind_it_is_not_trusted() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let (peer, address, wrong, imposter) = add_mistaken(&mut net).await;
    let changed = |event: &Event| {
        matches!(event, Event::SeedIdentityChanged { address: line, expected, found }
            if *line == address && *expected == wrong && found.contains(&imposter.to_string()))
    };
    net.until_event("the wrong pin", from, peer, changed).await;
    // The others do not mind: it asks them to let it in.
    let asks = |event: &Event| matches!(event, Event::RegisterRequest { .. });
    net.until_event("its request to another seed", from, peer, asks)
        .await;
    let joined =
        |event: &Event| matches!(event, Event::Admitted { member, .. } if member.id == peer);
    let others: Vec<NodeId> = net.ids().into_iter().filter(|id| *id != peer).collect();
    net.until_all("its admission", from, &others, joined).await;
    // Time for some more dials: they come after a tenth of a second, two tenths, four.
    net.listen_for(Duration::from_millis(900)).await;
    let trusted =
        |event: &Event| matches!(event, Event::SeedConnected(seed) if seed.id == imposter);
    assert!(
        !net.heard[from..]
            .iter()
            .any(|heard| heard.who == peer && trusted(&heard.event))
    );
    let told = net.heard[from..]
        .iter()
        .filter(|heard| heard.who == peer && changed(&heard.event));
    assert_eq!(told.count(), 1, "a change is told once, not at every dial");
    net.assert_heard(0).await;
}

#[tokio::test]
async fn a_peer_with_one_wrong_pin_of_three_lives_by_the_two_seeds_it_trusts() {
    // Whether the pin is wrong or the seed an imposter that others trust: fewer than a quorum must not cut anybody off.
    // Certificates that two trusted seeds signed are proof, whoever signed them too.
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let (peer, _, _, imposter) = add_mistaken(&mut net).await;
    net.until_event("its admission", from, peer, is_joined)
        .await;
    net.until_event("a link that stays", from, peer, |event| {
        matches!(event, Event::LinkUp(_))
    })
    .await;
    let blames = |event: &Event| matches!(event, Event::Refused { remote, by_us: true, reason } if remote.id != imposter && !reason.is_empty());
    let blamed = net.heard[from..]
        .iter()
        .find(|heard| heard.who == peer && blames(&heard.event));
    assert!(blamed.is_none(), "it blames an honest node: {blamed:?}");
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_seed_that_has_left_can_be_started_again_at_once_with_its_store() {
    let data = tempfile::tempdir().unwrap();
    let (socket, address) = listener(Ipv4Addr::LOCALHOST.into());
    let list = SeedList::new([SeedLine {
        address: address.to_string(),
        pin: None,
    }])
    .unwrap();
    let seed = |list: &SeedList| {
        Node::seed(address, list.clone())
            .identity(key(100))
            .data(data.path())
    };
    let first = seed(&list).listener(socket).spawn().await.unwrap();
    let (socket, own) = listener(Ipv4Addr::LOCALHOST.into());
    let peer = Node::peer(own, list.clone())
        .listener(socket)
        .identity(key(1))
        .spawn()
        .await
        .unwrap();
    let mut events = peer.events();
    while !is_joined(&events.next().await.unwrap()) {}
    let mut node = first;
    for restart in 0..5 {
        let before = node.members().await;
        assert_eq!(before.len(), 1);
        node.leave().await;
        node = match seed(&list).spawn().await {
            Ok(node) => node,
            Err(error) => panic!("restart {restart}: {error}"),
        };
        assert_eq!(
            node.members().await,
            before,
            "restart {restart}: what the store gave back"
        );
    }
}

#[tokio::test]
async fn a_seed_set_up_anew_is_trusted_again_when_its_new_id_is_pinned_as_the_event_says() {
    let data = tempfile::tempdir().unwrap();
    let mut sockets: Vec<_> = (0..3)
        .map(|_| listener(Ipv4Addr::LOCALHOST.into()))
        .collect();
    let lines = |pin: Option<NodeId>| {
        let line = |(index, address): (usize, &std::net::SocketAddr)| SeedLine {
            address: address.to_string(),
            pin: pin.filter(|_| index == 2),
        };
        let addresses: Vec<_> = sockets.iter().map(|(_, address)| *address).collect();
        SeedList::new(addresses.iter().enumerate().map(line)).unwrap()
    };
    let (list, pinned) = (lines(None), lines(Some(key(66).id())));
    let mut net = Plan::new(1, 0).start().await;
    net.seeds.clear();
    net.list = list.clone();
    let addresses: Vec<_> = sockets.iter().map(|(_, address)| *address).collect();
    for (index, (socket, address)) in sockets.drain(..).enumerate() {
        let builder = Node::seed(address, list.clone()).listener(socket);
        let builder = builder
            .identity(key(100 + index as u8))
            .data(data.path().join(index.to_string()));
        let node = builder.spawn().await.unwrap();
        net.listen_to(&node);
        net.seeds.push(Actor {
            identity: key(100 + index as u8),
            address: address.to_string(),
            node,
        });
    }
    for number in 1..3 {
        net.add_peer(key(number), Options::default()).await;
    }
    net.settled().await;
    // All three have signed, and all three know it.
    for peer in net.peer_ids() {
        let from = 0;
        let votes = |event: &Event, by: NodeId| matches!(event, Event::RegisterVote { candidate, voter, .. } if candidate.id == peer && voter.id == by);
        for by in [100, 101, 102].map(|number| key(number).id()) {
            net.until_event("a vote", from, key(100).id(), |event| votes(event, by))
                .await;
        }
    }
    // The third loses its key, and is set up anew; the operator pins the new one everywhere, and restarts the seeds.
    for seed in net.seeds.drain(..) {
        seed.node.leave().await;
    }
    for (index, (address, number)) in addresses.into_iter().zip([100, 101, 66]).enumerate() {
        let place = if number == 66 {
            "anew".to_owned()
        } else {
            index.to_string()
        };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let node = loop {
            let builder = Node::seed(address, pinned.clone())
                .identity(key(number))
                .data(data.path().join(&place));
            match builder.spawn().await {
                Ok(node) => break node,
                // The test above is about this.
                Err(StartError::Store(StoreError::InUse(_)))
                    if tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => {
                    panic!("seed {index} does not start with the pin that it asked for: {error}")
                }
            }
        };
        net.listen_to(&node);
        net.seeds.push(Actor {
            identity: key(number),
            address: address.to_string(),
            node,
        });
    }
    for seed in &net.seeds[..2] {
        assert_eq!(net.roster(seed).await.len(), 2, "members after the restart");
    }
    // And the network admits on.
    net.list = pinned;
    let from = net.mark();
    net.add_peer(key(7), Options::default()).await;
    net.until_event("an admission", from, key(7).id(), is_joined)
        .await;
}

#[tokio::test]
async fn a_seed_that_comes_back_with_another_key_is_not_trusted_by_those_who_met_the_first() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let old = net.seeds.remove(2);
    old.node.leave().await;
    let address = old.node.address();
    let new = Node::seed(address, net.list.clone())
        .identity(key(66))
        .spawn()
        .await
        .unwrap();
    net.listen_to(&new);
    let changed = |event: &Event| {
        matches!(event, Event::SeedIdentityChanged { address: line, expected, found }
            if *line == old.address && *expected == old.id() && found.contains(&new.id().to_string()))
    };
    // The first peer dials again after a minute only.
    let everybody: Vec<NodeId> = net
        .ids()
        .into_iter()
        .filter(|id| *id != net.peers[0].id())
        .collect();
    net.until_all("the change everywhere", from, &everybody, changed)
        .await;
    let trusted =
        |event: &Event| matches!(event, Event::SeedConnected(seed) if seed.id == new.id());
    assert!(!net.heard[from..].iter().any(|heard| trusted(&heard.event)));
    net.assert_untouched("with an unknown seed").await;
    net.assert_gossips().await;
}
