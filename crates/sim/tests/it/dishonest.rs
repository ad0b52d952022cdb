//! Liars really lie, and change nothing that is promised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_consensus::succession::{self, Change, Evidence, Place, Statement};
use quorate_consensus::{
    Choice, Equivocation, Finding, NetworkId, NodeId, Proof, Proposal, Unproven, Vote, assembly,
    council,
};
use quorate_gossip::{Content, Message as Gossip};
use quorate_node::protocol::{Goodbye, JoinMessage, Message, Purpose, RosterMessage};
use quorate_node::roles::{Frame, Request};
use quorate_node::{Admission, Event};
use quorate_sim::dishonest::Conduct;

use crate::stage::{Said, Stage, foreign};

const LONG: Duration = Duration::from_secs(30);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Everybody honest has one and the same list, with every honest peer on it; no life of theirs was ended.
#[track_caller]
fn assert_untouched(stage: &mut Stage) {
    let honest = stage.honest();
    let peers: BTreeSet<NodeId> = honest
        .iter()
        .filter(|at| **at >= 3)
        .map(|at| stage.id(*at))
        .collect();
    let lists: Vec<BTreeSet<NodeId>> = honest.iter().map(|at| stage.members(*at)).collect();
    for list in &lists {
        assert_eq!(list, &lists[0]);
        assert!(list.is_superset(&peers), "{list:?} lacks some of {peers:?}");
    }
    for (at, event) in &stage.told {
        assert!(
            stage.actors[*at].is_liar || !matches!(event, Event::Evicted { .. }),
            "{at} was thrown out"
        );
    }
}

/// Has an honest peer say something, which all honest peers must hear once.
#[track_caller]
fn assert_heard(stage: &mut Stage) {
    let peers: Vec<usize> = stage.honest().into_iter().filter(|at| *at >= 3).collect();
    let payload = format!("number {}", stage.told.len());
    stage.ask(peers[0], Request::Broadcast(payload.clone().into()));
    stage.run(secs(5));
    for at in &peers[1..] {
        let is_it = |(who, event): &&(usize, Event)| {
            who == at && matches!(event, Event::Message(told) if told.payload == payload)
        };
        assert_eq!(stage.told.iter().filter(is_it).count(), 1, "{at}");
    }
}

/// Ready for a liar as a peer, the last of five.
fn among_peers(conduct: Conduct, until: Duration) -> (Stage, usize) {
    (Stage::seeded(5, &[(7, conduct)], until), 7)
}

fn council_said(message: &Message) -> Option<&council::Message> {
    match message {
        Message::Council(message) => Some(message),
        _ => None,
    }
}

/// What is said about a decision, and about which one.
fn statement(network: NetworkId, message: &Message) -> Option<(Place, &Statement)> {
    match message {
        Message::Assembly(assembly::Message::Succession(message)) => match &**message {
            succession::Message::At {
                epoch,
                head,
                statement,
            } => {
                let place = Place {
                    network,
                    epoch: *epoch,
                    head: *head,
                };
                Some((place, statement))
            }
            succession::Message::Opinion(_) => None,
        },
        _ => None,
    }
}

#[test]
fn every_conduct_is_found_by_its_name() {
    for conduct in Conduct::ALL {
        assert_eq!(conduct.name().parse(), Ok(conduct));
        assert!(!conduct.description().is_empty());
    }
    let error = "saint".parse::<Conduct>().unwrap_err().to_string();
    assert!(
        error.contains("accuser, ") && error.contains("saint"),
        "{error}"
    );
}

#[test]
fn a_liar_lies_the_same_every_time() {
    let story = |conduct: Conduct| {
        let mut stage = if conduct.role() == quorate_node::protocol::RoleKind::Member {
            let mut stage = Stage::new(secs(5));
            for at in 0..4 {
                stage.add_member(Admission::allow_all(), (at == 1).then_some(conduct));
                stage.run(secs(2));
            }
            stage
        } else {
            let liar = if conduct.role() == quorate_node::protocol::RoleKind::Seed {
                1
            } else {
                6
            };
            Stage::seeded(4, &[(liar, conduct)], secs(5))
        };
        stage.run(secs(6));
        format!("{:?}", stage.said)
    };
    for conduct in Conduct::ALL {
        assert!(story(conduct) == story(conduct), "{conduct}");
    }
}

#[test]
fn an_accuser_reports_the_living_and_nobody_goes() {
    let (mut stage, liar) = among_peers(Conduct::Accuser, LONG);
    stage.run(LONG);
    let me = stage.id(liar);
    let mut kinds = BTreeSet::new();
    for (_, message) in stage.by(liar) {
        if let Message::DeadReport(report) = message {
            let forged = report.testimonies.iter().filter(|said| said.witness != me);
            let does_hold = report.verify(&Unproven).is_ok();
            kinds.insert((forged.count() > 0, report.silent.is_empty(), does_hold));
        }
    }
    // In others' names, and none of those holds; its own word alone, which holds, with and without the others called silent.
    let expected = [
        (false, false, true),
        (false, true, true),
        (true, true, false),
    ];
    assert_eq!(kinds, expected.into());
    // Every seed shows who it is, and nobody else; after the third false report it is not heard any more for a while.
    let (mut shown, mut unheard) = (BTreeMap::new(), 0);
    for (at, event) in &stage.told {
        match event {
            Event::FalseReport {
                reporter, count, ..
            } => {
                assert_eq!(reporter.id, me);
                shown.insert(*at, *count);
            }
            Event::DeadReportRefused { reason, .. } => {
                unheard += usize::from(reason.contains("3 reports were refuted by this seed"));
            }
            _ => {}
        }
    }
    assert_eq!(shown, BTreeMap::from([(0, 3), (1, 3), (2, 3)]));
    assert!(unheard > 0);
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
}

#[test]
fn a_false_witness_says_dead_of_the_living_and_alive_of_the_dead() {
    let found = |stage: &Stage, dead: NodeId, finding, of_dead: bool| {
        let is_it = |(_, message): &(&Said, &Message)| {
            matches!(message, Message::SuspectResponse(said)
                if said.finding == finding && (said.suspect == dead) == of_dead
                    && said.verify(&Unproven).is_ok())
        };
        stage.by(7).filter(is_it).count()
    };
    // Half of the time it answers without looking, "dead" of anybody: it takes a few deaths until it lies about one.
    let (mut of_living, mut of_dead) = (0, 0);
    for seed in 0..8 {
        let mut stage = Stage::new(secs(10));
        stage.seed = seed * 100;
        for at in 0..8 {
            // The flooder is the one who asks about the living.
            stage.add_seeded(match at {
                7 => Some(Conduct::FalseWitness),
                6 => Some(Conduct::Flooder),
                _ => None,
            });
        }
        stage.run(secs(10));
        let dead = stage.id(3);
        stage.kill(3);
        stage.run(secs(40));
        of_living += found(&stage, dead, Finding::Unreachable, false);
        of_dead += found(&stage, dead, Finding::Alive, true);
        assert_untouched(&mut stage);
        assert!(!stage.members(0).contains(&dead), "the dead stays");
        if of_living > 0 && of_dead > 0 {
            return;
        }
    }
    panic!("{of_living} lies about the living, {of_dead} about the dead");
}

#[test]
fn a_replayer_brings_nothing_back() {
    let (mut stage, liar) = among_peers(Conduct::Replayer, LONG);
    stage.run(secs(8));
    let gone = stage.id(4);
    stage.ask(4, Request::Leave);
    assert_heard(&mut stage);
    stage.run(secs(60));
    let replayed = |stage: &Stage, is_it: &dyn Fn(&Message) -> bool| {
        stage.by(liar).filter(|(_, message)| is_it(message)).count()
    };
    let of_gone = |message: &Message| match message {
        Message::RegisterRequest(record) => record.node == gone,
        Message::Departure(departure) => Proof::Departure(departure.clone())
            .claims()
            .is_some_and(|(node, _)| node == gone),
        _ => false,
    };
    assert!(replayed(&stage, &of_gone) > 1);
    let own = stage.id(liar);
    let of_itself = |message: &Message| matches!(message, Message::RegisterRequest(record) if record.node == own);
    assert!(replayed(&stage, &of_itself) > 2);
    assert!(!stage.members(0).contains(&gone));
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
}

#[test]
fn a_flooder_keeps_to_its_measure_stops_in_time_and_stops_nobody() {
    let (mut stage, liar) = among_peers(Conduct::Flooder, secs(12));
    stage.run(secs(6));
    assert_heard(&mut stage);
    let late = stage.add_seeded(None);
    stage.run(secs(6));
    assert!(stage.members(0).contains(&stage.id(late)), "no admission");
    let mut frames: BTreeMap<u64, usize> = BTreeMap::new();
    let mut conns = BTreeSet::new();
    for (said, _) in stage.by(liar) {
        *frames.entry(said.at.as_secs()).or_default() += 1;
        conns.insert(said.conn);
    }
    let most = frames.values().max().copied().unwrap_or_default();
    assert!((1000..=2100).contains(&most), "{most} frames in a second");
    assert!(conns.len() > 40, "{} connections", conns.len());
    stage.run(secs(10));
    let after = stage.by(liar);
    let after = after.filter(|(said, _)| said.at > secs(20) && said.at < secs(21));
    assert!(after.count() < 50, "it goes on");
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
}

#[test]
fn a_flooder_is_cut_off_for_asking_too_much() {
    let (mut stage, liar) = among_peers(Conduct::Flooder, secs(12));
    stage.run(secs(12));
    let mut asked: BTreeMap<(usize, _), usize> = BTreeMap::new();
    for (said, message) in stage.by(liar) {
        if matches!(message, Message::SuspectRequest { .. }) {
            *asked.entry((said.to, said.conn)).or_default() += 1;
        }
    }
    assert!(asked.values().any(|count| *count > 256), "{asked:?}");
    let cut = stage.said.iter().filter(|said| {
        said.to == liar
            && matches!(&said.frame, Frame::Message(Message::Goodbye(Goodbye::Misbehaved(what)))
                if what.contains("questions within"))
    });
    assert!(cut.count() > 0, "nobody minds");
}

#[test]
fn a_withholder_passes_nothing_on_and_everybody_hears_all_the_same() {
    let (mut stage, liar) = among_peers(Conduct::Withholder, LONG);
    stage.run(secs(8));
    let from = stage.said.len();
    assert_heard(&mut stage);
    let is_gossip = |said: &&Said| {
        matches!(
            said.frame,
            Frame::Message(Message::Gossip(
                Gossip::Gossip { .. } | Gossip::IHave { .. }
            ))
        )
    };
    let reached = |said: &&Said| said.to == liar && is_gossip(said);
    assert!(stage.said[from..].iter().any(|said| reached(&said)));
    assert_eq!(
        stage
            .said
            .iter()
            .filter(|said| said.from == liar)
            .filter(is_gossip)
            .count(),
        0
    );
    // Its own word goes out.
    stage.ask(liar, Request::Broadcast("mine".into()));
    stage.run(secs(2));
    let heard = stage
        .told
        .iter()
        .filter(|(_, event)| matches!(event, Event::Message(told) if told.payload == "mine"));
    assert_eq!(heard.count(), 4);
    assert_untouched(&mut stage);
}

#[test]
fn an_impostors_passports_open_nothing_and_enter_no_roster() {
    let (mut stage, liar) = among_peers(Conduct::Impostor, LONG);
    stage.run(LONG);
    let me = stage.id(liar);
    let foreign = foreign(me);
    let electorate = stage.list.electorate().unwrap();
    let quorum = electorate.quorum();
    let mut shown = [0; 3];
    for (_, message) in stage.by(liar) {
        if let Message::Passport(proof) = message {
            let of = proof.claims().map(|(node, _)| node);
            shown[0] += usize::from(of != Some(me));
            shown[1] += usize::from(*proof == foreign);
            shown[2] += usize::from(proof.certificate().votes.len() < quorum);
        }
    }
    assert!(shown.iter().all(|count| *count > 0), "{shown:?}");
    let is_spread = |(_, message): (&Said, &Message)| matches!(message, Message::Roster(RosterMessage::Proofs(proofs)) if proofs.contains(&foreign));
    assert!(stage.by(liar).any(is_spread));
    for at in stage.honest() {
        assert!(!stage.by(at).any(is_spread), "{at} passes it on");
    }
    assert!(stage.dismissals_of(liar) > 0);
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
}

#[test]
fn a_ventriloquist_is_not_heard_in_others_names() {
    let (mut stage, liar) = among_peers(Conduct::Ventriloquist, LONG);
    stage.run(secs(4));
    assert_heard(&mut stage);
    stage.run(LONG);
    let me = stage.id(liar);
    let mut origins: BTreeSet<NodeId> = BTreeSet::new();
    for (_, message) in stage.by(liar) {
        if let Message::Gossip(Gossip::Gossip { content, .. }) = message
            && let Ok(Content::Application { origin, .. }) = Content::decode(content)
        {
            origins.insert(origin);
        }
    }
    origins.remove(&me);
    assert!(origins.len() > 2, "it speaks for {origins:?} only");
    // What was said on purpose is all that was ever delivered.
    for (_, event) in &stage.told {
        if let Event::Message(told) = event {
            assert!(told.payload.starts_with(b"number "), "{told:?}");
        }
    }
    let is_cut = |said: &&Said| {
        said.to == liar
            && matches!(&said.frame, Frame::Message(Message::Goodbye(Goodbye::Misbehaved(what)))
                if what.contains("did not sign"))
    };
    assert!(stage.said.iter().any(|said| is_cut(&said)), "nobody minds");
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
}

#[test]
fn a_lingerer_is_thrown_out_and_cut_off() {
    let (mut stage, liar) = among_peers(Conduct::Lingerer, LONG);
    stage.run(LONG);
    let me = stage.id(liar);
    for at in stage.honest() {
        assert!(
            !stage.members(at).contains(&me),
            "{at} takes it for a member"
        );
    }
    let from = stage.told.len();
    let speaks = |message: &Message| matches!(message, Message::Gossip(Gossip::Gossip { .. }));
    assert!(
        stage
            .by(liar)
            .any(|(said, message)| said.at < secs(5) && speaks(message))
    );
    stage.run(LONG);
    let hears = |(at, event): &(usize, Event)| {
        !stage.actors[*at].is_liar && matches!(event, Event::Message(told) if told.origin.id == me)
    };
    assert!(!stage.told[from..].iter().any(hears), "it is still heard");
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
}

#[test]
fn a_babbler_is_sent_away_and_the_others_go_on() {
    let (mut stage, liar) = among_peers(Conduct::Babbler, LONG);
    stage.run(LONG);
    let names: BTreeSet<&str> = stage.by(liar).map(|(_, message)| message.name()).collect();
    assert!(names.len() > 15, "{names:?}");
    assert!(stage.dismissals_of(liar) > 10);
    let purposes: BTreeSet<Purpose> = stage
        .said
        .iter()
        .filter(|said| said.from == liar)
        .filter_map(|said| match &said.frame {
            Frame::Hello(hello) => Some(hello.purpose),
            Frame::Message(_) => None,
        })
        .collect();
    assert_eq!(purposes.len(), 6);
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
}

#[test]
fn a_double_voter_signs_both_ways_and_the_rosters_are_equal() {
    let liar = 1;
    let mut stage = Stage::seeded(5, &[(liar, Conduct::DoubleVoter)], LONG);
    stage.run(secs(10));
    stage.kill(4);
    stage.run(LONG);
    let mut votes: BTreeMap<_, Vec<(usize, Vote)>> = BTreeMap::new();
    for (said, message) in stage.by(liar) {
        if let Some(council::Message::Vote(vote)) = council_said(message) {
            let of_proposal = votes.entry(vote.proposal).or_default();
            of_proposal.push((said.to, Vote::clone(vote)));
        }
    }
    let mut electorate = stage.list.electorate().unwrap();
    (0..3).for_each(|seat| drop(electorate.bind(seat, stage.id(seat))));
    let mut both = 0;
    for cast in votes.values() {
        let yes = cast.iter().find(|(_, vote)| vote.choice == Choice::Yes);
        let no = cast.iter().find(|(_, vote)| vote.choice == Choice::No);
        let (Some((to_one, first)), Some((to_other, second))) = (yes, no) else {
            continue;
        };
        let evidence = Equivocation {
            first: first.clone(),
            second: second.clone(),
        };
        assert_eq!(evidence.verify(&electorate, &Unproven), Ok(()));
        both += usize::from(to_one != to_other);
    }
    assert!(both >= 3, "both ways on {both} proposals");
    assert_untouched(&mut stage);
    assert!(!stage.members(0).contains(&stage.id(4)));
    // With a seed down, the liar's word is needed: who is shown both has evidence.
    stage.kill(2);
    for _ in 0..4 {
        stage.add_seeded(None);
    }
    stage.run(LONG);
    let has_evidence = |(_, event): &(usize, Event)| matches!(event, Event::Equivocation(_));
    assert!(stage.told.iter().any(has_evidence));
}

#[test]
fn a_mute_seed_says_hello_and_the_others_decide_without_it() {
    let liar = 2;
    let mut stage = Stage::seeded(4, &[(liar, Conduct::MuteSeed)], LONG);
    stage.run(secs(40));
    assert_eq!(stage.by(liar).count(), 0);
    let is_hello = |said: &&Said| said.from == liar && matches!(said.frame, Frame::Hello(_));
    assert!(stage.said.iter().filter(is_hello).count() > 2);
    stage.kill(4);
    stage.run(secs(40));
    assert!(!stage.members(0).contains(&stage.id(4)));
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
}

#[test]
fn what_a_seed_decides_alone_is_not_decided() {
    let liar = 0;
    let mut stage = Stage::seeded(5, &[(liar, Conduct::DecreeingSeed)], LONG);
    stage.run(LONG);
    let electorate = stage.list.electorate().unwrap();
    let me = stage.id(liar);
    let mut seen = BTreeSet::new();
    for (_, message) in stage.by(liar) {
        match message {
            Message::Roster(RosterMessage::Proofs(proofs)) => {
                for proof in proofs {
                    let votes = &proof.certificate().votes;
                    let genuine = |(voter, signature): (&NodeId, &_)| {
                        let signer = Unproven::signer(*voter);
                        let id = proof.certificate().id();
                        let vote = Vote::cast(&signer, &electorate, id, Choice::Yes, "");
                        vote.signature == *signature
                    };
                    if votes.iter().filter(|vote| genuine(*vote)).count() == 1 {
                        let is_eviction = matches!(**proof, Proof::Eviction(_));
                        assert!(genuine((&me, &votes[&me])));
                        seen.insert((is_eviction, votes.len() > 1));
                    }
                }
            }
            Message::Council(council::Message::Proposal(proposal)) => {
                if matches!(**proposal, Proposal::Evict(_)) {
                    seen.insert((true, true));
                }
            }
            _ => {}
        }
    }
    let all = [(true, true), (true, false), (false, true), (false, false)];
    assert_eq!(seen, all.into());
    assert_untouched(&mut stage);
    assert_heard(&mut stage);
    // A candidate that is not reachable is not let in by decree; one that is, by vote.
    let late = stage.add_seeded(None);
    stage.run(secs(10));
    assert!(stage.members(1).contains(&stage.id(late)));
}

/// Three members, one of whom lies; who comes next is asked about.
fn three_members(conduct: Conduct, seed: u64) -> (Stage, usize) {
    let mut stage = Stage::new(LONG);
    stage.seed = seed;
    // Another moment, another founding record: its hash says who leads.
    stage.now.unix_ms += seed;
    let liar = 1;
    for at in 0..3 {
        let admission = Admission {
            allowed: (1..=3).map(NodeId::from).collect(),
            ..Admission::ask()
        };
        stage.add_member(admission, (at == liar).then_some(conduct));
        stage.run(secs(3));
    }
    (stage, liar)
}

#[test]
fn nobody_is_in_by_forged_opinions() {
    let (mut stage, liar) = three_members(Conduct::OpinionForger, 0);
    assert_eq!(stage.members(0).len(), 3);
    let newcomer = stage.add_member(Admission::ask(), None);
    let asking = stage.id(newcomer);
    stage.run(secs(2));
    // Two allow it. The third is never asked by anybody but the candidate, and says nothing.
    stage.ask(0, Request::Allow(asking));
    stage.ask(liar, Request::Allow(asking));
    stage.run(LONG);
    let mut seen = BTreeSet::new();
    for (_, message) in stage.by(liar) {
        match message {
            Message::Join(JoinMessage::Opinion(opinion)) if opinion.voter == stage.id(2) => {
                seen.insert("to the candidate");
            }
            Message::Assembly(assembly::Message::Links(links))
                if links.iter().any(|link| matches!(&link.change, Change::Admit { record, .. } if record.node == asking)) =>
            {
                seen.insert("as decided");
            }
            Message::Assembly(assembly::Message::Succession(said)) => match &**said {
                succession::Message::Opinion(opinion) if opinion.voter == stage.id(2) => {
                    seen.insert("to a member");
                }
                succession::Message::At { statement: Statement::Accept { change, .. }, .. }
                    if matches!(&**change, Change::Admit { record, .. } if record.node == asking) =>
                {
                    seen.insert("to be accepted");
                }
                _ => {}
            },
            _ => {}
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(stage.dismissals_of(liar) > 0);
    for at in [0, 2] {
        assert_eq!(stage.members(at).len(), 3);
    }
    assert_eq!(stage.members(newcomer).len(), 0);
    let is_evidence = |(_, event): &(usize, Event)| matches!(event, Event::Contradiction(_));
    assert!(!stage.told.iter().any(is_evidence), "it contradicts itself");
    // By a word that is genuine, it is in.
    stage.ask(2, Request::Allow(asking));
    stage.run(LONG);
    for at in [0, 2, newcomer] {
        assert_eq!(stage.members(at).len(), 4, "{at}");
    }
}

/// Every statement of a member that is one of two in its ballot.
fn contradictions(stage: &Stage, liar: usize) -> (usize, usize) {
    let network = stage.network();
    let mut accepted: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut proposed: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (_, message) in stage.by(liar) {
        match statement(network, message) {
            Some((place, Statement::Accepted(said))) => {
                assert!(said.is_valid(&place, &Unproven));
                let of_ballot = accepted.entry((place, said.ballot)).or_default();
                of_ballot.insert(said.change);
            }
            Some((place, Statement::Accept { proposed: said, .. })) => {
                assert!(said.is_valid(&place, &Unproven));
                let of_ballot = proposed.entry((place, said.ballot)).or_default();
                of_ballot.insert(said.change);
            }
            _ => {}
        }
    }
    let both = |of: BTreeMap<_, BTreeSet<_>>| of.values().filter(|of| of.len() > 1).count();
    (both(accepted), both(proposed))
}

#[test]
fn an_equivocator_signs_two_acceptances_of_one_ballot_and_leaves_evidence() {
    let (mut total, mut forks, mut noticed) = ((0, 0), 0, 0);
    for seed in 0..20 {
        let (mut stage, liar) = three_members(Conduct::Equivocator, seed * 100);
        for _ in 0..2 {
            let newcomer = stage.add_member(Admission::ask(), None);
            stage.run(secs(2));
            for at in 0..newcomer {
                stage.ask(at, Request::Allow(stage.id(newcomer)));
            }
            stage.run(secs(10));
        }
        let found = contradictions(&stage, liar);
        total = (total.0 + found.0, total.1 + found.1);
        let shown: Vec<&Evidence> = stage
            .told
            .iter()
            .filter(|(at, _)| *at != liar)
            .filter_map(|(_, event)| match event {
                Event::Contradiction(evidence) => Some(&**evidence),
                _ => None,
            })
            .collect();
        for evidence in &shown {
            assert!(evidence.suspects().contains(&stage.id(liar)));
        }
        let is_noticed = !shown.is_empty();
        // Who tells of two decisions of one epoch was told of both.
        let mut heads: BTreeMap<u64, BTreeSet<_>> = BTreeMap::new();
        for at in stage.honest() {
            for (_, message) in stage.by(at) {
                if let Message::Assembly(assembly::Message::Status { epoch, head }) = message {
                    heads.entry(*epoch).or_default().insert(*head);
                }
            }
        }
        let is_forked = heads.values().any(|heads| heads.len() > 1);
        assert!(
            !is_forked || is_noticed,
            "a fork without evidence, seed {seed}"
        );
        forks += usize::from(is_forked);
        noticed += usize::from(is_noticed);
    }
    assert!(total.0 > 4 && total.1 > 2, "{total:?}");
    assert!(forks > 0 && noticed > 0, "{forks} forks, {noticed} noticed");
}

#[test]
fn epochs_that_never_were_lead_nobody_astray() {
    let (mut stage, liar) = three_members(Conduct::EpochInventor, 0);
    stage.run(secs(20));
    let network = stage.network();
    let mut seen = [0; 3];
    let ahead = stage.members(0).len() as u64;
    for (_, message) in stage.by(liar) {
        match message {
            Message::Assembly(assembly::Message::Status { epoch, .. }) => {
                seen[0] += usize::from(*epoch > ahead);
            }
            Message::Assembly(assembly::Message::Links(links)) => {
                let is_made_up = |link: &std::sync::Arc<succession::Link>| link.epoch > ahead;
                seen[1] += usize::from(links.iter().any(is_made_up));
            }
            message => {
                let is_ahead =
                    statement(network, message).is_some_and(|(place, _)| place.epoch > ahead);
                seen[2] += usize::from(is_ahead);
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    let newcomer = stage.add_member(Admission::ask(), None);
    stage.run(secs(2));
    for at in 0..3 {
        stage.ask(at, Request::Allow(stage.id(newcomer)));
    }
    stage.run(LONG);
    for at in [0, 2, newcomer] {
        assert_eq!(stage.members(at).len(), 4, "{at}");
    }
    let is_evidence = |(_, event): &(usize, Event)| matches!(event, Event::Contradiction(_));
    assert!(!stage.told.iter().any(is_evidence), "it contradicts itself");
    // Nor was anything decided on the way but that the four came in.
    let is_undone = |(_, event): &(usize, Event)| {
        matches!(
            event,
            Event::Left(_) | Event::DeadConfirmed { .. } | Event::Evicted { .. }
        )
    };
    assert!(
        !stage.told.iter().any(is_undone),
        "a made-up link was taken in"
    );
}
