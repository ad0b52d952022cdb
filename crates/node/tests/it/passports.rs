//! A link between peers opens by an admission certificate of the one who shows it, and by nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::consensus::{Proof, Proposal, Standing};
use quorate_node::protocol::{Goodbye, Message, Purpose, RoleKind};
use quorate_node::{Event, Identity, Options};

use crate::forging::unsigned;
use crate::net::{Net, Plan, is_refusal, key, stranger};
use crate::talk::{goodbye, handled};

#[tokio::test]
async fn a_certificate_of_a_quorum_opens_a_link_though_the_peer_has_never_heard_of_its_owner() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let (newcomer, peer) = (stranger(), net.peers[1].id());
    let passport = net.admission(&newcomer, &net.quorum());
    let _link = net.link(&newcomer, passport, &net.peers[1]).await;
    net.until_event(
        "the link",
        from,
        peer,
        |event| matches!(event, Event::LinkUp(party) if party.id == newcomer.id()),
    )
    .await;
}

#[tokio::test]
async fn a_link_that_begins_with_anything_but_a_passport_is_refused() {
    let mut net = Net::start(3, 3).await;
    let from = net.mark();
    let others = [
        Message::Neighbors(Vec::new()),
        Message::LinkCount(3),
        Message::Roster(quorate_node::protocol::RosterMessage::Want(net.peer_ids())),
        Message::Gossip(quorate_node::gossip::Message::Ping { nonce: 1 }),
    ];
    for message in others {
        let mut client = net
            .connect(&stranger(), &net.peers[1], Purpose::Link, RoleKind::Peer)
            .await;
        client.send(&message).await.unwrap();
        let name = message.name();
        let expected = format!("expected an admission certificate first, got {name}");
        assert_eq!(
            goodbye(&mut client).await,
            Goodbye::NoPassport(expected.clone())
        );
        let refusal = is_refusal(stranger().id(), &expected);
        net.until_event("the refusal", from, net.peers[1].id(), refusal)
            .await;
    }
    net.assert_untouched("after links without passports").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_link_that_shows_nothing_is_closed_within_the_hello_timeout() {
    let hello_timeout = Duration::from_millis(700);
    let mut plan = Plan::new(3, 3);
    plan.options.hello_timeout = hello_timeout;
    let mut net = plan.start().await;
    let from = net.mark();
    let mut client = net
        .connect(&stranger(), &net.peers[1], Purpose::Link, RoleKind::Peer)
        .await;
    let since = Instant::now();
    assert_eq!(
        goodbye(&mut client).await,
        Goodbye::NoPassport("none was shown".to_owned())
    );
    // The span began when the peer heard our hello, a little before we heard its.
    let took = since.elapsed();
    assert!(
        took > hello_timeout / 2 && took < hello_timeout * 5,
        "closed after {took:?}"
    );
    let refusal = is_refusal(stranger().id(), "none was shown");
    net.until_event("the refusal", from, net.peers[1].id(), refusal)
        .await;
    net.assert_untouched("after a silent link").await;
    net.assert_gossips().await;
}

/// Shows a passport under a key; the reason for which it is refused.
async fn refusal(net: &mut Net, identity: &Identity, passport: Proof) -> Goodbye {
    let from = net.mark();
    let peer = net.peers[1].id();
    let mut client = net
        .connect(identity, &net.peers[1], Purpose::Link, RoleKind::Peer)
        .await;
    client
        .send(&Message::Passport(Arc::new(passport)))
        .await
        .unwrap();
    let goodbye = goodbye(&mut client).await;
    let refusal = is_refusal(identity.id(), "");
    net.until_event("the refusal", from, peer, refusal).await;
    let told = net.heard[from..]
        .iter()
        .find_map(|heard| match &heard.event {
            Event::Refused { remote, reason, .. }
                if heard.who == peer && remote.id == identity.id() =>
            {
                Some(reason)
            }
            _ => None,
        });
    assert_eq!(
        told,
        Some(&goodbye.to_string()),
        "what the peer tells and what it says"
    );
    goodbye
}

#[tokio::test]
async fn a_forged_passport_is_refused_with_what_is_wrong_with_it() {
    let mut net = Net::start(3, 3).await;
    let liar = stranger();
    let (made_up, more) = (key(200), key(201));
    let genuine = net.admission(&liar, &net.quorum()).certificate().clone();
    let seed = net.seeds[0].identity.clone();

    let by_nobody = net.admission(&liar, &[&made_up, &more]);
    let by_one = net.admission(&liar, &[&seed]);
    let by_one_and_nobody = net.admission(&liar, &[&seed, &made_up]);
    let nobody_signed = unsigned(&genuine);
    let mut altered = genuine.clone();
    if let Proposal::Admit(record) = Arc::make_mut(&mut altered.proposal) {
        record.endpoints = vec!["127.0.0.1:2".to_owned()];
    }
    let mut re_signed = genuine.clone();
    re_signed.proposal = Proposal::Admit(net.record(&liar, "127.0.0.1:2", 2)).into();
    let mut later = genuine.clone();
    later.epoch += 1;
    let target = net.peers[2].id();
    let eviction = net.eviction(target, 1, &[&made_up]);
    let table: [(&str, Proof, &str); 8] = [
        (
            "signatures of made-up keys",
            Proof::clone(&by_nobody),
            "is not a voter of this electorate",
        ),
        (
            "a seed's and a made-up one's",
            Proof::clone(&by_one_and_nobody),
            "is not a voter of this electorate",
        ),
        (
            "one signature too few",
            Proof::clone(&by_one),
            "expected 2 signatures, got 1",
        ),
        (
            "the seeds' names, not their signatures",
            Proof::Admission(nobody_signed),
            "does not hold for this proposal",
        ),
        (
            "a record that was altered",
            Proof::Admission(altered),
            "does not carry its signature",
        ),
        (
            "another record of the same key",
            Proof::Admission(re_signed),
            "does not hold for this proposal",
        ),
        ("another epoch", Proof::Admission(later), "in epoch 1"),
        (
            "an eviction",
            Proof::clone(&eviction),
            "expected a certificate of an admission",
        ),
    ];
    for (what, passport, why) in table {
        match refusal(&mut net, &liar, passport).await {
            Goodbye::NoPassport(reason) => assert!(
                reason.contains(why),
                "{what}: expected {why:?}, got {reason:?}"
            ),
            other => panic!("{what}: expected NoPassport, got {other:?}"),
        }
    }
    net.assert_untouched("after forged passports").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_passport_of_another_network_is_refused_though_its_owner_holds_the_key() {
    let mut here = Net::start(3, 3).await;
    let there = Net::start(3, 3).await;
    // In both networks the peers have the same keys; this one is of the other only.
    let liar = stranger();
    let passport = there.admission(&liar, &there.quorum());
    // It is a good one there.
    drop(there.link(&liar, passport.clone(), &there.peers[1]).await);
    match refusal(&mut here, &liar, Proof::clone(&passport)).await {
        Goodbye::NoPassport(reason) => assert!(
            reason.contains("expected a certificate of network"),
            "{reason}"
        ),
        other => panic!("expected NoPassport, got {other:?}"),
    }
    here.assert_untouched("after a foreign passport").await;
    here.assert_gossips().await;
}

#[tokio::test]
async fn a_stolen_passport_is_refused_to_whoever_holds_another_key() {
    let mut net = Net::start(3, 3).await;
    let stolen = net.proof_of(net.peers[2].id()).await;
    match refusal(&mut net, &stranger(), Proof::clone(&stolen)).await {
        Goodbye::NoPassport(reason) => {
            let (thief, owner) = (stranger().id(), net.peers[2].id());
            assert_eq!(
                reason,
                format!(
                    "expected one of {}, got one of {}",
                    thief.short(),
                    owner.short()
                )
            );
        }
        other => panic!("expected NoPassport, got {other:?}"),
    }
    net.assert_untouched("after a stolen passport").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn an_evicted_member_is_shown_its_eviction_when_it_comes_with_its_old_passport() {
    let mut net = Net::start(3, 4).await;
    let from = net.mark();
    let old = net.proof_of(net.peers[0].id()).await;
    let gone = net.kill(0);
    let survivors = net.ids();
    net.until_dead(from, gone.id(), &survivors).await;
    match refusal(&mut net, &gone.identity, Proof::clone(&old)).await {
        Goodbye::NotAMember(proof) => {
            let (node, key) = proof.claims().unwrap();
            assert_eq!(
                (node, key.standing, key.incarnation),
                (gone.id(), Standing::Evicted, 1)
            );
            assert!(
                proof
                    .verify(&net.electorate(), &quorate_node::consensus::Ed25519)
                    .is_ok()
            );
        }
        other => panic!("expected NotAMember, got {other:?}"),
    }
    net.assert_untouched("after an evicted member's passport")
        .await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_passport_signed_by_a_seed_that_was_not_met_is_undecided_and_not_refused() {
    let mut plan = Plan::new(3, 3);
    plan.absent = 1;
    plan.options = Options {
        hello_timeout: Duration::from_millis(700),
        ..Options::default()
    };
    let mut net = plan.start().await;
    let newcomer = stranger();
    let passport = net.admission(&newcomer, &[&net.seeds[0].identity, &net.absent[0].0]);
    let mut client = net
        .connect(&newcomer, &net.peers[1], Purpose::Link, RoleKind::Peer)
        .await;
    client.send(&Message::Passport(passport)).await.unwrap();
    assert_eq!(handled(&mut client).await, None, "it was refused at once");
    let last = goodbye(&mut client).await;
    assert!(
        matches!(last, Goodbye::Undecided(_)),
        "expected Undecided, got {last:?}"
    );
    net.assert_untouched("after an undecided passport").await;
    net.assert_gossips().await;
}
