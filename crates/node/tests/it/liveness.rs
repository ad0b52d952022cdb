//! The dead go, the living stay, and the evicted are cut off.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_node::consensus::Standing;
use quorate_node::explanation::Decided;
use quorate_node::protocol::{Goodbye, Message, Purpose, RoleKind, RosterMessage};
use quorate_node::{Event, Identity, NodeId, Options};

use crate::forging::Accusation;
use crate::net::{Net, Plan, links};
use crate::talk::{handled, hear};

#[tokio::test]
async fn no_number_of_reports_with_a_whole_panel_of_liars_evicts_a_member_that_lives() {
    let mut net = Net::start(3, 6).await;
    let from = net.mark();
    let target = net.peers[0].id();
    let panel = net.panel(target).0;
    assert_eq!(panel.len(), 5);
    let mut sessions = Vec::new();
    for liar in &panel {
        for seed in &net.seeds {
            sessions.push((
                *liar,
                net.connect(liar, seed, Purpose::Register, RoleKind::Peer)
                    .await,
            ));
        }
    }
    // Twenty reports by five reporters to three seeds, as fast as they can be said.
    for (attempt, place) in (0..20).zip((0..sessions.len()).cycle()) {
        let (liar, client) = &mut sessions[place];
        let report = Accusation::new(&net, target, attempt, &panel).sign(liar);
        client.send(&Message::DeadReport(report)).await.unwrap();
    }
    let mut reasons = Vec::new();
    for (place, (_, client)) in sessions.iter_mut().enumerate() {
        for _ in 0..(20 + 14 - place) / 15 {
            let refused = hear(client, |message| match message {
                Message::DeadReportRefused {
                    suspect, reason, ..
                } if suspect == target => Some(reason),
                _ => None,
            });
            reasons.push(refused.await);
        }
    }
    assert_eq!(reasons.len(), 20);
    assert!(
        reasons.iter().any(|reason| !reason.contains("too many")),
        "none came to a vote: {reasons:?}"
    );
    let voted = |event: &Event| matches!(event, Event::DeadVote { suspect, choice: quorate_node::consensus::Choice::Yes, .. } if suspect.id == target);
    net.mark();
    assert!(
        !net.heard[from..].iter().any(|heard| voted(&heard.event)),
        "a seed took the living for dead"
    );
    net.assert_untouched("after twenty false reports").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_killed_member_is_evicted_everywhere_and_returns_in_its_next_life() {
    let mut net = Net::start(3, 5).await;
    let from = net.mark();
    let gone = net.kill(1);
    let survivors = net.ids();
    net.until_dead(from, gone.id(), &survivors).await;
    net.assert_untouched("without the dead").await;
    assert_eq!(gone.node.members().await, [], "a stopped node knows nobody");
    assert_eq!(gone.node.explain(gone.id()).await, None);
    // Everybody can say why it is out: who signed, who found what.
    for actor in net.actors() {
        let explanation = actor.node.explain(gone.id()).await.unwrap();
        let Decided::BySeeds(decided) = &explanation.decided else {
            panic!("{explanation}");
        };
        let grounds = decided.grounds.as_ref().unwrap();
        assert_eq!(grounds.standing, Standing::Evicted, "{explanation}");
        assert!(grounds.signers.len() >= 2, "{explanation}");
        let report = grounds.report.as_ref().unwrap();
        assert!(report.testimonies.len() >= 2, "{explanation}");
        assert_eq!(explanation.connections, []);
    }

    let from = net.mark();
    net.add_peer(gone.identity.clone(), Options::default())
        .await;
    let everybody = net.ids();
    let is_back = |event: &Event| matches!(event, Event::Admitted { member, incarnation: 2, .. } if member.id == gone.id());
    net.until_all("its next life everywhere", from, &everybody, is_back)
        .await;
    let is_joined = |event: &Event| matches!(event, Event::Joined { incarnation: 2 });
    net.until_event("its own word for it", from, gone.id(), is_joined)
        .await;
    let lives: Vec<(NodeId, u64)> = net
        .peer_ids()
        .into_iter()
        .map(|id| (id, 1 + u64::from(id == gone.id())))
        .collect();
    net.assert_members("with the returned", &lives).await;
    let is_linked = |heard: &[crate::net::Heard]| !links(heard, gone.id()).is_empty();
    net.until("a link of the returned", from, is_linked).await;
    // It is the last of the peers now, so it is the one who speaks.
    net.assert_gossips().await;
}

#[tokio::test]
async fn every_restart_is_a_new_life_however_quick_it_is_so_that_its_messages_are_no_replays() {
    // A process that starts anew counts its messages from 0. In the life of the one before it, those numbers are used
    // up: whatever it says is dropped as a replay. Each of the six is restarted once, because chance has a part in it:
    // of two records of one life and attempt, the one with the larger hash stands.
    let mut net = Net::start(3, 6).await;
    for restart in 1..=6 {
        // The first in the list has not been restarted yet; it has said something.
        net.assert_heard(0).await;
        let from = net.mark();
        let gone = net.kill(0);
        let others = net.peer_ids();
        net.add_peer(gone.identity.clone(), Options::default())
            .await;
        let id = gone.id();
        let is_joined = |event: &Event| matches!(event, Event::Joined { .. });
        net.until_event("its admission", from, id, is_joined).await;
        let joined = net.heard[from..]
            .iter()
            .rev()
            .find_map(|heard| match heard.event {
                Event::Joined { incarnation } if heard.who == id => Some(incarnation),
                _ => None,
            });
        assert!(
            joined >= Some(2),
            "restart {restart}: joined at {joined:?}, in the life of the process before it"
        );
        let linked = |heard: &[crate::net::Heard]| {
            others
                .iter()
                .any(|other| links(heard, *other).contains(&id))
        };
        net.until("a link", from, linked).await;
        net.assert_gossips().await;
    }
}

#[tokio::test]
async fn half_of_the_members_killed_in_one_moment_are_all_evicted() {
    let mut net = Net::start(3, 8).await;
    let from = net.mark();
    let gone: Vec<NodeId> = [6, 4, 2, 0].map(|index| net.kill(index).id()).to_vec();
    let survivors = net.ids();
    for dead in gone {
        net.until_dead(from, dead, &survivors).await;
    }
    net.assert_untouched("without the dead half").await;
    let linked = |heard: &[crate::net::Heard]| {
        survivors[3..].iter().all(|who| {
            survivors[3..]
                .iter()
                .filter(|other| *other != who)
                .all(|other| links(heard, *who).contains(other))
        })
    };
    net.until("links among the four that are left", 0, linked)
        .await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn two_neighbours_killed_together_are_both_evicted() {
    let mut net = Net::start(3, 6).await;
    let from = net.mark();
    let first = net.peers[1].id();
    let second = *links(&net.heard, first).first().unwrap();
    let place = |net: &Net, id| net.peers.iter().position(|peer| peer.id() == id).unwrap();
    for id in [first, second] {
        let index = place(&net, id);
        drop(net.kill(index));
    }
    let survivors = net.ids();
    net.until_dead(from, first, &survivors).await;
    net.until_dead(from, second, &survivors).await;
    net.assert_untouched("without the two").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn the_last_two_members_are_evicted_too_with_seeds_for_witnesses() {
    let mut net = Net::start(3, 2).await;
    let from = net.mark();
    let gone = [net.kill(1).id(), net.kill(0).id()];
    let seeds = net.ids();
    for dead in gone {
        net.until_dead(from, dead, &seeds).await;
    }
    net.assert_untouched("without anybody").await;
}

/// Has a quorum of seeds, in the test's hands, evict the third peer while it lives.
async fn evict(net: &mut Net) -> (NodeId, usize) {
    let from = net.mark();
    let target = net.peers[2].id();
    let proof = net.eviction(target, 1, &net.quorum());
    let liar: Identity = net.peers[0].identity.clone();
    for seed in &net.seeds {
        let mut session = net
            .connect(&liar, seed, Purpose::Register, RoleKind::Peer)
            .await;
        session
            .send(&Message::Roster(RosterMessage::Proofs(vec![proof.clone()])))
            .await
            .unwrap();
        assert_eq!(handled(&mut session).await, None);
    }
    // A seed may hear of its next life before it hears of this one's end, and then has no use for that.
    let others: Vec<NodeId> = net
        .peer_ids()
        .into_iter()
        .filter(|id| *id != target)
        .collect();
    net.until_dead(from, target, &others).await;
    (target, from)
}

#[tokio::test]
async fn a_member_that_is_evicted_alive_is_cut_off_by_all_its_neighbours_and_told_why() {
    let mut plan = Plan::new(3, 5);
    plan.options.rejoin = false;
    let mut net = plan.start().await;
    let target = net.peers[2].id();
    let neighbors = links(&net.heard, target);
    // A connection under its key that is no link, to each node: those are cut too.
    let key = net.peers[2].identity.clone();
    let mut errands = Vec::new();
    for actor in net.actors().filter(|actor| actor.id() != target) {
        errands.push(
            net.connect(&key, actor, Purpose::Testify, RoleKind::Peer)
                .await,
        );
    }
    let (target, from) = evict(&mut net).await;
    let told = |event: &Event| matches!(event, Event::Evicted { incarnation: 1 });
    net.until_event("its own eviction", from, target, told)
        .await;
    let down = |event: &Event| matches!(event, Event::LinkDown { peer, .. } if peer.id == target);
    let neighbors: Vec<NodeId> = neighbors.into_iter().collect();
    assert!(!neighbors.is_empty());
    net.until_all("its links down", from, &neighbors, down)
        .await;
    net.until("its own links down", from, |_| true).await;
    for actor in &net.peers {
        let has = actor.node.neighbors().await.contains(&target);
        assert!(!has, "{} is linked to the evicted", actor.id().short());
    }
    for errand in &mut errands {
        let last = crate::talk::goodbye(errand).await;
        let Goodbye::NotAMember(proof) = &last else {
            panic!("expected NotAMember, got {last:?}");
        };
        assert_eq!(proof.claims().unwrap().0, target);
    }
    // It may listen and ask, but is heard no more: its broadcast is refused at the call.
    let evicted = &net.peers[2].node;
    let refused = evicted.broadcast("I am still here").await;
    assert_eq!(refused, Err(quorate_node::RequestError::NotAMember));
    assert_eq!(evicted.neighbors().await, []);
    net.peers.remove(2);
    net.assert_untouched("without the evicted").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_member_that_is_evicted_alive_comes_back_in_its_next_life() {
    let mut net = Net::start(3, 4).await;
    let (target, from) = evict(&mut net).await;
    let everybody = net.ids();
    let is_back = |event: &Event| matches!(event, Event::Admitted { member, incarnation: 2, .. } if member.id == target);
    net.until_all("its next life everywhere", from, &everybody, is_back)
        .await;
    let lives: Vec<(NodeId, u64)> = net
        .peer_ids()
        .into_iter()
        .map(|id| (id, 1 + u64::from(id == target)))
        .collect();
    net.assert_members("with the returned", &lives).await;
    let rejoined: Vec<NodeId> = vec![target];
    net.until_all("its link", from, &rejoined, |event| {
        matches!(event, Event::LinkUp(_))
    })
    .await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_member_that_leaves_is_suspected_by_nobody() {
    let mut net = Net::start(3, 4).await;
    let from = net.mark();
    let leaver = net.peers.remove(1);
    leaver.node.leave().await;
    let others = net.ids();
    let left = |event: &Event| matches!(event, Event::Left(member) if member.id == leaver.id());
    net.until_all("its departure everywhere", from, &others, left)
        .await;
    net.assert_untouched("without the leaver").await;
    net.assert_gossips().await;
    let suspected = |event: &Event| {
        matches!(
            event,
            Event::Suspected { .. } | Event::DeadConfirmed { .. } | Event::DeadReport { .. }
        )
    };
    let suspicion = net.heard[from..]
        .iter()
        .find(|heard| suspected(&heard.event));
    assert!(
        suspicion.is_none(),
        "a departure was taken for a death: {suspicion:?}"
    );
}

#[tokio::test]
async fn a_member_lives_as_long_as_its_process_when_all_its_links_are_cut() {
    // A neighbour's word that the link is over is not the end of anybody.
    let mut net = Net::start(3, 4).await;
    let from = net.mark();
    let target = net.peers[0].identity.clone();
    let passport = net.proof_of(target.id()).await;
    for index in 1..4 {
        // Takes the place of its link, and breaks it off without a word.
        let link = net
            .link(&target, Arc::clone(&passport), &net.peers[index])
            .await;
        drop(link);
    }
    let broken =
        |event: &Event| matches!(event, Event::LinkDown { peer, .. } if peer.id == target.id());
    let others: Vec<NodeId> = net.peer_ids().into_iter().skip(1).collect();
    net.until_all("its links down", from, &others, broken).await;
    let back = |heard: &[crate::net::Heard]| links(heard, target.id()).len() == 3;
    net.until("its links up again", 0, back).await;
    net.assert_untouched("after its links were cut").await;
    net.assert_gossips().await;
    let reporters: BTreeSet<NodeId> = net.heard[from..]
        .iter()
        .filter(|heard| matches!(&heard.event, Event::DeadReport { .. }))
        .map(|heard| heard.who)
        .collect();
    assert_eq!(
        reporters,
        BTreeSet::new(),
        "a live member was reported dead"
    );
}

#[tokio::test]
async fn two_processes_with_one_key_slow_each_other_down() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let twin = net.peers[0].identity.clone();
    net.add_peer(twin.clone(), net.plan.options.clone()).await;
    // Without a pause each ends the other's life some eighty times a second.
    net.listen_for(std::time::Duration::from_secs(3)).await;
    let lives = net.heard[from..]
        .iter()
        .filter(|heard| heard.who == twin.id())
        .filter(|heard| matches!(heard.event, Event::Joined { .. }))
        .count();
    assert!((2..=16).contains(&lives), "{lives} lives in 3 s");
}
