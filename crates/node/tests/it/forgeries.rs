//! What liars say changes nothing, whoever they are and on whatever connection they say it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use quorate_node::client::Client;
use quorate_node::consensus::{
    CREDENTIAL_LEN_MAX, Choice, Departure, Finding, Inquiry, NetworkId, Proof, Proposal, Record,
    Signature, Testimony, Vote, council,
};
use quorate_node::gossip::{Content, Message as Gossip};
use quorate_node::protocol::{Goodbye, Message, Purpose, Refusal, RoleKind, RosterMessage};
use quorate_node::{Event, Identity, NodeId};
use quorate_wire::Format;

use crate::forging::{Accusation, HOUR, departure_by_another, unix_ms, unsigned};
use crate::net::{Net, Plan, key, listener, stranger};
use crate::talk::{End, goodbye, handled, hear};

/// The kind of self-proving gossip that carries a standing.
const KIND_STANDING: u8 = 1;

// --- reports ---

/// Reports a death to the first seed; the reason for which that is refused.
async fn refusal_of(
    net: &Net,
    sender: &Identity,
    report: quorate_node::consensus::DeadReport,
) -> String {
    let mut client = net
        .connect(sender, &net.seeds[0], Purpose::Register, RoleKind::Peer)
        .await;
    client.send(&Message::DeadReport(report)).await.unwrap();
    let refused = hear(&mut client, |message| match message {
        Message::DeadReportRefused { reason, .. } => Some(reason),
        _ => None,
    });
    refused.await
}

#[tokio::test]
async fn a_report_that_is_not_what_the_rules_ask_for_is_refused_with_the_reason_and_evicts_nobody()
{
    // More than a panel of eight, so that there are members who do not sit on it.
    let mut net = Net::start(3, 12).await;
    let target = net.peers[1].id();
    let (panel, others) = net.panel(target);
    let (panel, others): (Vec<Identity>, Vec<Identity>) = (
        panel.into_iter().cloned().collect(),
        others.into_iter().cloned().collect(),
    );
    let off_panel: Vec<&Identity> = others
        .iter()
        .filter(|other| net.peer_ids().contains(&other.id()))
        .collect();
    assert_eq!((panel.len(), off_panel.len()), (8, 3));
    let panel: Vec<&Identity> = panel.iter().collect();
    let seeds: Vec<&Identity> = net.seeds.iter().map(|seed| &seed.identity).collect();
    let strangers: Vec<Identity> = (201..209).map(key).collect();
    let strangers: Vec<&Identity> = strangers.iter().collect();
    let (liar, accomplice) = (panel[0], panel[1]);
    let accuse =
        |attempt, witnesses: &[&Identity]| Accusation::new(&net, target, attempt, witnesses);

    let mut forged = accuse(10, &panel);
    forged
        .testimonies
        .iter_mut()
        .skip(1)
        .for_each(|testimony| testimony.signature = Signature::new([9; 64]));
    let mut by_the_liar = accuse(11, &panel);
    by_the_liar.testimonies = panel
        .iter()
        .map(|witness| {
            let mine = Testimony::sign(
                liar.key(),
                by_the_liar.inquiry,
                Finding::Unreachable,
                "a lie",
            );
            Testimony {
                witness: witness.id(),
                ..mine
            }
        })
        .collect();
    let mut alive = accuse(12, &panel);
    let truth = |witness: &&Identity| {
        Testimony::sign(witness.key(), alive.inquiry, Finding::Alive, "it lives")
    };
    alive.testimonies = panel.iter().map(truth).collect();
    let mut twice = accuse(13, &panel);
    twice.testimonies.truncate(4);
    twice.testimonies.extend(twice.testimonies.clone());
    let mut of_another = accuse(14, &panel);
    of_another.testimonies = accuse(99, &panel).testimonies;
    let mut old = accuse(15, &panel);
    old.opened_ms -= HOUR.as_millis() as u64;
    let mut early = accuse(16, &panel);
    early.opened_ms += HOUR.as_millis() as u64;
    let next_life = Inquiry {
        incarnation: 2,
        ..accuse(17, &panel).inquiry
    };
    let next_panel: Vec<&Identity> = net
        .actors()
        .map(|actor| &actor.identity)
        .filter(|identity| identity.id() != target)
        .collect();
    // With everybody as a witness, whatever the panel of another life is, it is there; sixteen is the most.
    let mut next_life = Accusation::of(next_life, &next_panel);
    next_life.testimonies.truncate(16);
    let mut elsewhere = accuse(18, &panel);
    elsewhere.inquiry.network = NetworkId::new([3; 32]);
    let elsewhere = Accusation {
        opened_ms: elsewhere.opened_ms,
        ..Accusation::of(elsewhere.inquiry, &panel)
    };
    let mut crowd = accuse(19, &panel);
    crowd.testimonies.extend(accuse(19, &strangers).testimonies);
    crowd.testimonies.extend(accuse(19, &seeds).testimonies);
    let mut endless = accuse(20, &panel).sign(liar);
    endless.endpoint = "x".repeat(500);
    let mut altered = accuse(21, &panel).sign(liar);
    altered.endpoint = "127.0.0.1:9".to_owned();

    let nobody = stranger();
    let table = [
        (
            "by a stranger",
            &nobody,
            accuse(1, &panel).sign(&nobody),
            "is no member",
        ),
        (
            "without testimonies",
            liar,
            accuse(2, &[]).sign(liar),
            "testimonies of 5 of its panel of 8, got 0",
        ),
        (
            "its own word only",
            liar,
            accuse(3, &[liar]).sign(liar),
            "got 1",
        ),
        (
            "one too few",
            liar,
            accuse(4, &panel[..4]).sign(liar),
            "got 4",
        ),
        (
            "members off the panel",
            liar,
            accuse(5, &off_panel).sign(liar),
            "got 0",
        ),
        (
            "seeds as witnesses",
            liar,
            accuse(6, &seeds).sign(liar),
            "got 0",
        ),
        (
            "strangers as witnesses",
            liar,
            accuse(7, &strangers).sign(liar),
            "got 0",
        ),
        (
            "forged testimonies",
            liar,
            forged.sign(liar),
            "does not carry its signature",
        ),
        (
            "all signed by the liar",
            liar,
            by_the_liar.sign(liar),
            "does not carry its signature",
        ),
        ("testimonies that it lives", liar, alive.sign(liar), "got 0"),
        (
            "the same witnesses again",
            liar,
            twice.sign(liar),
            "testifies twice",
        ),
        (
            "testimonies of another inquiry",
            liar,
            of_another.sign(liar),
            "is about another",
        ),
        ("an hour old", liar, old.sign(liar), "is a clock off?"),
        ("an hour ahead", liar, early.sign(liar), "is a clock off?"),
        (
            "of a life to come",
            liar,
            next_life.sign(liar),
            "is not known as a member at incarnation 2",
        ),
        (
            "of another network",
            liar,
            elsewhere.sign(liar),
            "expected a proposal of network",
        ),
        (
            "more testimonies than fit",
            liar,
            crowd.sign(liar),
            "at most 16 testimonies",
        ),
        ("an endless endpoint", liar, endless, "at most 300"),
        (
            "altered after it was signed",
            liar,
            altered,
            "does not carry its signature",
        ),
        (
            "another member's",
            accomplice,
            accuse(22, &panel).sign(liar),
            "came from",
        ),
    ];
    for (what, sender, report, why) in table {
        let reason = refusal_of(&net, sender, report).await;
        assert!(
            reason.contains(why),
            "{what}: expected a refusal with {why:?}, got {reason:?}"
        );
    }
    // A life that was never lived, and one's own death: settled, or refused, in silence or not.
    let past = Inquiry {
        incarnation: 0,
        ..accuse(23, &panel).inquiry
    };
    let own = accuse(24, &panel).sign(&net.peers[1].identity);
    for (sender, report) in [
        (liar, Accusation::of(past, &panel).sign(liar)),
        (&net.peers[1].identity, own),
    ] {
        let mut client = net
            .connect(sender, &net.seeds[0], Purpose::Register, RoleKind::Peer)
            .await;
        client.send(&Message::DeadReport(report)).await.unwrap();
        assert_eq!(handled(&mut client).await, None);
    }
    net.assert_untouched("after reports against the rules")
        .await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn peers_take_no_reports() {
    let mut net = Net::start(3, 4).await;
    let target = net.peers[2].id();
    let liar = net.peers[0].identity.clone();
    let report = || Accusation::new(&net, target, 1, &net.panel(target).0).sign(&liar);
    let passport = net.proof_of(liar.id()).await;
    let mut link = net.link(&liar, passport, &net.peers[1]).await;
    let session = net
        .connect(
            &stranger(),
            &net.peers[1],
            Purpose::Register,
            RoleKind::Seed,
        )
        .await;
    let errand = net
        .connect(&stranger(), &net.peers[1], Purpose::Testify, RoleKind::Peer)
        .await;
    link.send(&Message::DeadReport(report())).await.unwrap();
    assert!(matches!(goodbye(&mut link).await, Goodbye::Misbehaved(_)));
    for mut client in [session, errand] {
        client.send(&Message::DeadReport(report())).await.unwrap();
        assert!(matches!(goodbye(&mut client).await, Goodbye::Misbehaved(_)));
    }
    net.assert_untouched("after reports to a peer").await;
    net.assert_gossips().await;
}

// --- certificates ---

/// A way on which a proof can reach a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    SeedMember,
    SeedStranger,
    SeedPassport,
    SeedTestify,
    SeedLink,
    SeedCouncil,
    SeedGoodbye,
    PeerRegister,
    PeerLink,
    PeerPassport,
    PeerGossip,
    PeerTestify,
    PeerGoodbye,
    PeerLinkGoodbye,
}

const ROUTES: [Route; 14] = [
    Route::SeedMember,
    Route::SeedStranger,
    Route::SeedPassport,
    Route::SeedTestify,
    Route::SeedLink,
    Route::SeedCouncil,
    Route::SeedGoodbye,
    Route::PeerRegister,
    Route::PeerLink,
    Route::PeerPassport,
    Route::PeerGossip,
    Route::PeerTestify,
    Route::PeerGoodbye,
    Route::PeerLinkGoodbye,
];

/// Hands a proof to the first seed, or the second peer, on a route; `own` is the first peer's passport.
async fn hand_in(net: &Net, route: Route, proof: Arc<Proof>, own: &Arc<Proof>) {
    let (seed, peer, member) = (&net.seeds[0], &net.peers[1], &net.peers[0].identity);
    let nobody = stranger();
    let proofs = || Message::Roster(RosterMessage::Proofs(vec![proof.clone()]));
    let request = || {
        let suspect = net.peers[2].id();
        let inquiry = Accusation::new(net, suspect, 77, &[]).inquiry;
        Message::SuspectRequest {
            inquiry,
            suspect: proof.clone(),
            asker: Some(own.clone()),
        }
    };
    let to_seed = |identity, purpose, role| net.connect(identity, seed, purpose, role);
    let to_peer = |identity, purpose, role| net.connect(identity, peer, purpose, role);
    let (peer_role, seed_role) = (RoleKind::Peer, RoleKind::Seed);
    let (mut client, message): (Client, Message) = match route {
        Route::SeedMember => (
            to_seed(member, Purpose::Register, peer_role).await,
            proofs(),
        ),
        Route::SeedStranger => (
            to_seed(&nobody, Purpose::Register, peer_role).await,
            proofs(),
        ),
        Route::SeedPassport => {
            let message = Message::Passport(proof.clone());
            (
                to_seed(&nobody, Purpose::Register, peer_role).await,
                message,
            )
        }
        Route::SeedTestify => (
            to_seed(member, Purpose::Testify, peer_role).await,
            request(),
        ),
        Route::SeedLink => (to_seed(&nobody, Purpose::Link, seed_role).await, proofs()),
        Route::SeedCouncil => {
            let message = Message::Council(council::Message::Proof(proof.clone()));
            (to_seed(&nobody, Purpose::Link, seed_role).await, message)
        }
        Route::SeedGoodbye => {
            let message = Message::Goodbye(Goodbye::NotAMember(proof.clone()));
            (
                to_seed(&nobody, Purpose::Register, peer_role).await,
                message,
            )
        }
        Route::PeerRegister => (
            to_peer(&nobody, Purpose::Register, seed_role).await,
            proofs(),
        ),
        Route::PeerLink => (net.link(member, own.clone(), peer).await, proofs()),
        Route::PeerPassport => {
            let message = Message::Passport(proof.clone());
            (to_peer(member, Purpose::Link, peer_role).await, message)
        }
        Route::PeerGossip => {
            let body = Format::Bincode.encode(&*proof).unwrap();
            let content = Content::<NodeId>::Proof {
                kind: KIND_STANDING,
                body,
            }
            .encode();
            let message = Message::Gossip(Gossip::Gossip {
                hop_count: 1,
                content,
            });
            (net.link(member, own.clone(), peer).await, message)
        }
        Route::PeerTestify => (
            to_peer(member, Purpose::Testify, peer_role).await,
            request(),
        ),
        Route::PeerGoodbye => {
            let message = Message::Goodbye(Goodbye::NotAMember(proof.clone()));
            (to_peer(&nobody, Purpose::Probe, peer_role).await, message)
        }
        Route::PeerLinkGoodbye => {
            let message = Message::Goodbye(Goodbye::NotAMember(proof.clone()));
            (net.link(member, own.clone(), peer).await, message)
        }
    };
    client.send(&message).await.unwrap();
    handled(&mut client).await;
}

#[tokio::test]
async fn a_dead_confirmed_that_no_quorum_signed_evicts_nobody_on_whatever_way_it_comes() {
    let mut net = Net::start(3, 4).await;
    let target = net.peers[2].id();
    let own = net.proof_of(net.peers[0].id()).await;
    let (made_up, more) = (key(200), key(201));
    let seed = net.seeds[0].identity.clone();
    let genuine = net.eviction(target, 1, &net.quorum()).certificate().clone();
    let mut altered = genuine.clone();
    if let Proposal::Evict(report) = Arc::make_mut(&mut altered.proposal) {
        report.suspect = net.peers[3].id();
    }
    let mut against = genuine.clone();
    let (electorate, id) = (net.electorate(), genuine.id());
    for signer in &net.seeds {
        let no = Vote::cast(signer.identity.key(), &electorate, id, Choice::No, "");
        against.votes.insert(signer.id(), no.signature);
    }
    let forged: [(&str, Proof); 7] = [
        (
            "made-up keys",
            Proof::clone(&net.eviction(target, 2, &[&made_up, &more])),
        ),
        ("one seed", Proof::clone(&net.eviction(target, 3, &[&seed]))),
        (
            "one seed and a made-up key",
            Proof::clone(&net.eviction(target, 4, &[&seed, &made_up])),
        ),
        (
            "signatures nobody made",
            Proof::Eviction(unsigned(&genuine)),
        ),
        ("another suspect written in", Proof::Eviction(altered)),
        ("votes against it", Proof::Eviction(against)),
        (
            "an admission under its name",
            Proof::Eviction(own.certificate().clone()),
        ),
    ];
    for (what, proof) in forged {
        let proof = Arc::new(proof);
        for route in ROUTES {
            hand_in(&net, route, proof.clone(), &own).await;
            net.assert_untouched(&format!("{what}, {route:?}")).await;
        }
    }
    let evicted =
        |event: &Event| matches!(event, Event::DeadConfirmed { .. } | Event::Evicted { .. });
    net.mark();
    assert!(!net.heard.iter().any(|heard| evicted(&heard.event)));
    net.assert_gossips().await;
}

#[tokio::test]
async fn the_same_ways_carry_a_dead_confirmed_that_a_quorum_signed() {
    // What the test above relies on: the ways lead somewhere.
    let ways = [
        Route::SeedMember,
        Route::SeedTestify,
        Route::PeerLink,
        Route::PeerGossip,
    ];
    for route in ways
        .into_iter()
        .chain([Route::PeerTestify, Route::PeerGoodbye])
    {
        let mut plan = Plan::new(3, 4);
        plan.options.rejoin = false;
        let mut net = plan.start().await;
        let target = net.peers[2].id();
        let own = net.proof_of(net.peers[0].id()).await;
        let from = net.mark();
        hand_in(&net, route, net.eviction(target, 1, &net.quorum()), &own).await;
        let first = if format!("{route:?}").starts_with("Seed") {
            net.seeds[0].id()
        } else {
            net.peers[1].id()
        };
        net.until_dead(from, target, &[first]).await;
    }
}

// --- votes ---

/// A place that accepts connections and says nothing: a probe of it takes its time.
fn tarpit() -> (std::net::TcpListener, String) {
    let (listener, address) = listener(std::net::Ipv4Addr::LOCALHOST.into());
    (listener, address.to_string())
}

/// Registers a candidate nobody can reach, and has `vote` sent to the first seed while that is being found out.
async fn election(
    net: &mut Net,
    mut voter: Client,
    votes: impl Fn(&Record) -> Vec<Vote>,
) -> Refusal {
    let from = net.mark();
    let (_silent, address) = tarpit();
    let candidate = stranger();
    let record = net.record(&candidate, &address, 1);
    let mut session = net
        .connect(&candidate, &net.seeds[0], Purpose::Register, RoleKind::Peer)
        .await;
    session
        .send(&Message::RegisterRequest(record.clone()))
        .await
        .unwrap();
    let is_open = |event: &Event| matches!(event, Event::RegisterProposal { candidate: party, .. } if party.id == candidate.id());
    net.until_event("the proposal", from, net.seeds[0].id(), is_open)
        .await;
    for vote in votes(&record) {
        voter
            .send(&Message::Council(council::Message::Vote(vote.into())))
            .await
            .unwrap();
    }
    assert_eq!(handled(&mut voter).await, None);
    let refused = hear(&mut session, |message| match message {
        Message::RegisterRefused(refusal) => Some(refusal),
        _ => None,
    });
    let refusal = refused.await;
    let is_yes = |event: &Event| matches!(event, Event::RegisterVote { choice: Choice::Yes, candidate: party, .. } if party.id == candidate.id());
    net.mark();
    assert!(
        !net.heard[from..].iter().any(|heard| is_yes(&heard.event)),
        "a forged vote was counted"
    );
    net.assert_untouched("after forged votes").await;
    refusal
}

#[tokio::test]
async fn a_vote_in_a_seeds_name_counts_for_nothing_when_somebody_else_brings_it() {
    let mut net = Net::start(3, 3).await;
    let electorate = net.electorate();
    let seeds: Vec<Identity> = net.seeds.iter().map(|seed| seed.identity.clone()).collect();
    let liar = key(222);
    let link = net
        .connect(&liar, &net.seeds[0], Purpose::Link, RoleKind::Seed)
        .await;
    let refusal = election(&mut net, link, |record| {
        let id = Proposal::Admit(record.clone()).id();
        let forged = seeds.iter().map(|seed| {
            let vote = Vote::cast(liar.key(), &electorate, id, Choice::Yes, "forged");
            Vote {
                voter: seed.id(),
                ..vote
            }
        });
        let own = Vote::cast(liar.key(), &electorate, id, Choice::Yes, "a stranger's");
        // Even ones that the seeds did sign, which only the test can have: a stranger's link is no place for votes.
        let genuine = seeds
            .iter()
            .map(|seed| Vote::cast(seed.key(), &electorate, id, Choice::Yes, "stolen"));
        forged
            .chain([own])
            .chain(genuine.collect::<Vec<_>>())
            .collect()
    });
    let refusal = refusal.await;
    assert!(
        matches!(refusal, Refusal::Defeated(_)),
        "expected a defeat, got {refusal:?}"
    );
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_seed_that_votes_in_another_seeds_name_is_not_believed() {
    // The third seed is played by the test; the list names its key, so the others know it.
    let mut plan = Plan::new(3, 3);
    (plan.is_pinned, plan.absent) = (true, 1);
    let mut net = plan.start().await;
    let electorate = net.electorate();
    let liar = net.absent[0].0.clone();
    let other = net.seeds[1].identity.clone();
    let link = net
        .connect(&liar, &net.seeds[0], Purpose::Link, RoleKind::Seed)
        .await;
    let refusal = election(&mut net, link, |record| {
        let id = Proposal::Admit(record.clone()).id();
        let vote = Vote::cast(liar.key(), &electorate, id, Choice::Yes, "forged");
        let forged = Vote {
            voter: other.id(),
            ..vote
        };
        let for_another = Vote::cast(
            other.key(),
            &electorate,
            quorate_node::consensus::ProposalId::new([4; 32]),
            Choice::Yes,
            "",
        );
        let moved = Vote {
            proposal: id,
            ..for_another
        };
        vec![forged, moved]
    });
    let refusal = refusal.await;
    assert!(
        matches!(refusal, Refusal::Defeated(_)),
        "expected a defeat, got {refusal:?}"
    );
    net.assert_gossips().await;
}

// --- registrations ---

/// Asks the first seed to register a record; the answer.
async fn answer_to(net: &Net, sender: &Identity, record: Record) -> Refusal {
    let mut client = net
        .connect(sender, &net.seeds[0], Purpose::Register, RoleKind::Peer)
        .await;
    client
        .send(&Message::RegisterRequest(record))
        .await
        .unwrap();
    let refused = hear(&mut client, |message| match message {
        Message::RegisterRefused(refusal) => Some(refusal),
        _ => None,
    });
    refused.await
}

#[tokio::test]
async fn a_registration_that_is_not_the_senders_own_or_not_for_this_network_is_refused() {
    let mut net = Net::start(3, 3).await;
    let (liar, owner) = (stranger(), key(222));
    let member = net.peers[2].id();
    let genuine = net.proof_of(member).await.record().unwrap().clone();
    let endpoint = "127.0.0.1:1";
    let mut in_my_name = net.record(&owner, endpoint, 1);
    in_my_name.node = liar.id();
    let mut altered = net.record(&liar, endpoint, 2);
    altered.endpoints = vec!["127.0.0.1:2".to_owned()];
    let elsewhere = Record::sign(
        liar.key(),
        NetworkId::new([3; 32]),
        vec![endpoint.into()],
        1,
        3,
        unix_ms(),
    )
    .unwrap();
    let mut old = net.record(&liar, endpoint, 4);
    old.opened_ms -= HOUR.as_millis() as u64;
    let old = Record::sign(liar.key(), old.network, old.endpoints, 1, 4, old.opened_ms).unwrap();
    let mut early = net.record(&liar, endpoint, 5);
    early.opened_ms += HOUR.as_millis() as u64;
    let early = Record::sign(
        liar.key(),
        early.network,
        early.endpoints,
        1,
        5,
        early.opened_ms,
    )
    .unwrap();
    let mut crowded = net.record(&liar, endpoint, 6);
    crowded.endpoints = vec![endpoint.to_owned(); 5];
    let mut nowhere = net.record(&liar, endpoint, 7);
    nowhere.endpoints = Vec::new();
    let mut strange = net.record(&liar, endpoint, 8);
    strange.endpoints = vec!["x".repeat(1000)];
    let mut decorated = net.record(&liar, endpoint, 9);
    decorated.credential = b"by the way".to_vec();
    let mut laden = net.record(&liar, endpoint, 10);
    laden.credential = vec![0; CREDENTIAL_LEN_MAX + 1];
    let table = [
        (
            "with a credential put in",
            decorated,
            "does not carry its signature",
        ),
        (
            "a long credential",
            laden,
            "expected a credential of at most 512 bytes, got 513",
        ),
        (
            "somebody else's key",
            net.record(&owner, endpoint, 1),
            "came from",
        ),
        ("a replay of a member's own", genuine, "came from"),
        (
            "somebody else's under my name",
            in_my_name,
            "does not carry its signature",
        ),
        ("altered", altered, "does not carry its signature"),
        (
            "another network",
            elsewhere,
            "expected a proposal of network",
        ),
        ("an hour old", old, "is a clock off?"),
        ("an hour ahead", early, "is a clock off?"),
        (
            "five endpoints",
            crowded,
            "expected 1 to 4 endpoints, got 5",
        ),
        ("no endpoint", nowhere, "expected 1 to 4 endpoints, got 0"),
        ("no address at all", strange, "of the form host:port"),
    ];
    for (what, record, why) in table {
        match answer_to(&net, &liar, record).await {
            Refusal::Unacceptable(reason) => assert!(
                reason.contains(why),
                "{what}: expected {why:?}, got {reason:?}"
            ),
            other => panic!("{what}: expected Unacceptable, got {other:?}"),
        }
    }
    net.assert_untouched("after registrations against the rules")
        .await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_candidate_that_cannot_be_reached_at_its_address_is_voted_down_with_the_reason() {
    let mut net = Net::start(3, 3).await;
    let nobody_there = {
        let (_closed_at_once, address) = tarpit();
        address
    };
    let (_silent, says_nothing) = tarpit();
    let somebody_else = net.peers[2].address.clone();
    let table = [
        (1, nobody_there, "refused"),
        (2, says_nothing, "no echo within 1s"),
        (3, somebody_else, "expected"),
        (
            4,
            "no-such-host.invalid:80".to_owned(),
            "no-such-host.invalid",
        ),
    ];
    for (attempt, address, why) in table {
        let record = net.record(&stranger(), &address, attempt);
        match answer_to(&net, &stranger(), record).await {
            Refusal::Defeated(noes) => {
                let voters: BTreeSet<NodeId> = noes.iter().map(|(voter, _)| *voter).collect();
                assert!(
                    voters.len() >= 2
                        && voters.iter().all(|voter| net.electorate().contains(voter))
                );
                for (_, reason) in noes {
                    assert!(
                        reason.contains("cannot be reached") && reason.contains(why),
                        "{address}: expected {why:?}, got {reason:?}"
                    );
                }
            }
            other => panic!("{address}: expected Defeated, got {other:?}"),
        }
    }
    net.assert_untouched("after candidates that cannot be reached")
        .await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_record_that_the_node_at_its_address_does_not_mean_enrols_nobody() {
    // Under the key of a member that lives, in a life to come: its own process answers the probe, for another record.
    let mut net = Net::start(3, 3).await;
    let owner = &net.peers[2];
    let endpoints = vec![owner.address.clone()];
    let record = Record::sign(
        owner.identity.key(),
        net.list.network(),
        endpoints,
        7,
        1,
        unix_ms(),
    )
    .unwrap();
    match answer_to(&net, &owner.identity, record).await {
        Refusal::Defeated(noes) => {
            assert!(
                noes.iter()
                    .all(|(_, reason)| reason.contains("not for this record")),
                "{noes:?}"
            );
        }
        other => panic!("expected Defeated, got {other:?}"),
    }
    net.assert_untouched("after a record nobody means").await;
    net.assert_gossips().await;
}

// --- gossip ---

fn gossip(content: Bytes) -> Message {
    Message::Gossip(Gossip::Gossip {
        hop_count: 1,
        content,
    })
}

fn deliveries(net: &mut Net, from: usize) -> Vec<(NodeId, Bytes)> {
    net.mark();
    let messages = net.heard[from..]
        .iter()
        .filter_map(|heard| match &heard.event {
            Event::Message(delivery) => Some((heard.who, delivery.payload.clone())),
            _ => None,
        });
    messages.collect()
}

#[tokio::test]
async fn a_message_that_its_origin_did_not_sign_is_delivered_nowhere_and_costs_the_link() {
    let mut net = Net::start(3, 4).await;
    let from = net.mark();
    let member = net.peers[0].identity.clone();
    let own = net.proof_of(member.id()).await;
    let (innocent, seed) = (net.peers[2].identity.clone(), net.seeds[0].identity.clone());
    let mut unsigned = net.message(member.id(), 0, "unsigned", &member);
    if let Content::Application { signature, .. } = &mut unsigned {
        *signature = Bytes::new();
    }
    let mut altered = net.message(member.id(), 0, "before", &member);
    if let Content::Application { payload, .. } = &mut altered {
        *payload = Bytes::from_static(b"after");
    }
    let elsewhere = Net::start(1, 0).await;
    let table = [
        ("no signature", unsigned),
        ("an altered payload", altered),
        (
            "another's origin",
            net.message(innocent.id(), 0, "in its name", &member),
        ),
        (
            "a seed's origin",
            net.message(seed.id(), 0, "in its name", &member),
        ),
        (
            "signed for another network",
            elsewhere.message(member.id(), 0, "elsewhere", &member),
        ),
    ];
    for (what, content) in table {
        let mut client = net.link(&member, own.clone(), &net.peers[1]).await;
        client.send(&gossip(content.encode())).await.unwrap();
        let end = handled(&mut client).await;
        let why = "a message that its origin did not sign".to_owned();
        assert_eq!(end, Some(End::Said(Goodbye::Misbehaved(why))), "{what}");
    }
    for (what, content) in [
        ("garbage", Bytes::from_static(b"\xffgarbage")),
        ("nothing", Bytes::new()),
    ] {
        let mut client = net.link(&member, own.clone(), &net.peers[1]).await;
        client.send(&gossip(content)).await.unwrap();
        let end = handled(&mut client).await;
        assert!(
            matches!(end, Some(End::Said(Goodbye::Misbehaved(_)))),
            "{what}: {end:?}"
        );
    }
    assert_eq!(deliveries(&mut net, from), []);
    net.assert_untouched("after forged messages").await;
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_well_signed_message_of_somebody_who_is_no_member_is_not_delivered() {
    let mut net = Net::start(3, 4).await;
    let from = net.mark();
    let member = net.peers[0].identity.clone();
    let own = net.proof_of(member.id()).await;
    let content = net.message(stranger().id(), 0, "from outside", &stranger());
    let mut client = net.link(&member, own, &net.peers[1]).await;
    client.send(&gossip(content.encode())).await.unwrap();
    assert_eq!(handled(&mut client).await, None);
    // The same way, a member's own word: so the way is open, and the stranger's was before it.
    let content = net.message(member.id(), 0, "from inside", &member);
    client.send(&gossip(content.encode())).await.unwrap();
    let others: Vec<NodeId> = net.peer_ids().into_iter().skip(1).collect();
    net.until_all("the member's word", from, &others, |event| {
        matches!(event, Event::Message(_))
    })
    .await;
    net.assert_gossips().await;
    assert!(
        !deliveries(&mut net, from)
            .iter()
            .any(|(_, payload)| payload == "from outside")
    );
}

#[tokio::test]
async fn a_replayed_message_is_not_delivered_again_even_when_its_id_was_forgotten() {
    let mut plan = Plan::new(3, 4);
    // The message list forgets after eight.
    (
        plan.options.gossip.seen_max,
        plan.options.gossip.store_count_max,
    ) = (8, 8);
    let mut net = plan.start().await;
    let from = net.mark();
    let (member, origin) = (net.peers[0].identity.clone(), net.peers[3].id());
    let own = net.proof_of(member.id()).await;
    // The liar hears a message as a neighbour does.
    let mut client = net.link(&member, own.clone(), &net.peers[1]).await;
    let first = net.peers[3].node.broadcast("once").await.unwrap();
    let recorded = hear(&mut client, |message| match message {
        Message::Gossip(Gossip::Gossip { content, .. }) => Content::<NodeId>::decode(&content)
            .is_ok_and(|read| read.id() == first.id)
            .then_some(content),
        Message::Gossip(Gossip::IHave { .. }) => None,
        _ => None,
    });
    let recorded = recorded.await;
    let receiver = net.peers[1].id();
    client.send(&gossip(recorded.clone())).await.unwrap();
    assert_eq!(handled(&mut client).await, None);
    for number in 0..20 {
        net.peers[3]
            .node
            .broadcast(format!("filler {number}"))
            .await
            .unwrap();
    }
    let is_last = |event: &Event| matches!(event, Event::Message(delivery) if delivery.payload == "filler 19");
    net.until_event("the fillers", from, receiver, is_last)
        .await;
    client.send(&gossip(recorded.clone())).await.unwrap();
    assert_eq!(handled(&mut client).await, None);
    drop(client);
    // Over a new link, to another peer too.
    for index in [1, 2] {
        let mut client = net.link(&member, own.clone(), &net.peers[index]).await;
        client.send(&gossip(recorded.clone())).await.unwrap();
        assert_eq!(handled(&mut client).await, None);
    }
    net.assert_gossips().await;
    let mut copies: Vec<NodeId> = deliveries(&mut net, from)
        .into_iter()
        .filter(|(_, payload)| payload == "once")
        .map(|(who, _)| who)
        .collect();
    copies.sort_unstable();
    let others: Vec<NodeId> = net
        .peer_ids()
        .into_iter()
        .filter(|id| *id != origin)
        .collect();
    let is_once = |id: &NodeId| copies.iter().filter(|who| *who == id).count() <= 1;
    assert!(
        others.iter().all(is_once) && copies.contains(&receiver),
        "deliveries of one message: {copies:?}"
    );
}

// --- departures ---

#[tokio::test]
async fn a_departure_that_the_member_did_not_sign_removes_nobody_on_whatever_way_it_comes() {
    let mut net = Net::start(3, 4).await;
    let target = net.peers[2].id();
    let member = net.peers[0].identity.clone();
    let own = net.proof_of(member.id()).await;
    let admission = net.proof_of(target).await;
    let by_another = departure_by_another(&admission, &own, &member);
    let unsigned = Departure {
        signature: Signature::new([5; 64]),
        ..by_another.clone()
    };
    for departure in [by_another, unsigned] {
        let proof = Arc::new(Proof::Departure(departure.clone()));
        for route in ROUTES {
            hand_in(&net, route, proof.clone(), &own).await;
            net.assert_untouched(&format!("a forged departure, {route:?}"))
                .await;
        }
        for identity in [&member, &stranger()] {
            let mut client = net
                .connect(identity, &net.seeds[0], Purpose::Register, RoleKind::Peer)
                .await;
            client
                .send(&Message::Departure(departure.clone()))
                .await
                .unwrap();
            handled(&mut client).await;
            net.assert_untouched("a forged departure, to a seed").await;
        }
    }
    net.assert_gossips().await;
}

#[tokio::test]
async fn a_departure_of_somebody_who_was_never_admitted_is_worth_nothing() {
    let mut net = Net::start(3, 3).await;
    let nobody = stranger();
    let admission = net.admission(&nobody, &[&key(200), &key(201)]);
    let departure = Departure::sign(nobody.key(), admission.certificate().clone()).unwrap();
    let mut client = net
        .connect(&nobody, &net.seeds[0], Purpose::Register, RoleKind::Peer)
        .await;
    client.send(&Message::Departure(departure)).await.unwrap();
    // Signers that a seed does not know are no proof, and no forgery either: it may be the seed that is mistaken.
    handled(&mut client).await;
    let left = |event: &Event| matches!(event, Event::Left(_));
    net.mark();
    assert!(!net.heard.iter().any(|heard| left(&heard.event)));
    net.assert_untouched("after a stranger's departure").await;
    net.assert_gossips().await;
}
