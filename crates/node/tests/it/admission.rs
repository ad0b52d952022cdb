//! What comes of seeds' policies: who gets in, who is told what, and who is not even dialled.

use std::time::Duration;

use quorate_node::admission::{
    AdmissionPolicy, AllowAll, AllowList, Answer, Any, AskOperator, Invited, Rate, Returning,
};
use quorate_node::consensus::{Digest, Invitation, Proposal, Record, council};
use quorate_node::roles::{Request, RequestError};
use quorate_node::store::{Held, Kind, Restored, SeedStored, Store, Stored};
use quorate_node::{Event, NodeId, Options};

use crate::fuzz::{START_MS, seeds, signer_of};
use crate::small_world::{World, address, id};

type Policy = Box<dyn AdmissionPolicy>;

const SECOND: Duration = Duration::from_secs(1);

fn nobody() -> Policy {
    Box::new(AllowList::default())
}

fn everybody() -> Policy {
    Box::new(AllowAll)
}

fn is_join_request(event: &Event) -> bool {
    matches!(event, Event::JoinRequest { .. })
}

fn is_withdrawn(event: &Event) -> bool {
    matches!(event, Event::JoinWithdrawn { .. })
}

#[test]
fn a_denied_candidate_is_told_by_which_seed_and_why_and_is_not_dialled() {
    let mut world = World::new([nobody(), nobody(), nobody()]);
    world.add_peer(5, Vec::new());
    world.run(SECOND);
    let refusals = world.refusals(5);
    let words = "127.0.0.1:5001 says: it is not on this seed's list";
    assert!(refusals[0].contains(words), "{refusals:?}");
    assert_eq!((1..=3).map(|seed| world.dialled(seed, 5)).sum::<usize>(), 0);
    assert_eq!(world.members(1), []);
}

#[test]
fn one_host_has_so_many_candidates_at_once_and_the_others_come_back() {
    let options = Options {
        // Three seeds: two at each.
        candidates_per_host_max: 8,
        ..Options::default()
    };
    let mut world = World::with(options, [AskOperator; 3]);
    for peer in 5..=7 {
        world.add_peer(peer, Vec::new());
    }
    world.run(SECOND);
    let words = "expected at most 2 candidates of 10.9.9.9 at once";
    let told = |world: &World, peer| {
        let refusals = world.refusals(peer);
        refusals.iter().any(|why| why.contains(words))
    };
    let [at_once, late]: [Vec<u64>; 2] = [false, true].map(|is_late| {
        (5..=7)
            .filter(|peer| told(&world, *peer) == is_late)
            .collect()
    });
    assert_eq!((at_once.len(), late.len()), (2, 1));
    for peer in at_once.iter().chain(&late) {
        for seed in 1..=2 {
            world.allow(seed, *peer).unwrap();
        }
        world.run(SECOND * 5);
    }
    assert_eq!(world.members(1).len(), 3);
}

#[test]
fn candidates_who_were_not_looked_at_for_want_of_time_get_no_vote() {
    let mut options = Options::default();
    options.council.deadline = SECOND;
    options.candidates_per_host_max = 1000;
    let mut world = World::with(options, [everybody(), everybody(), everybody()]);
    let candidates = 10..210;
    for peer in candidates.clone() {
        world.silent.insert(id(peer));
        world.add_peer(peer, Vec::new());
    }
    world.run(SECOND / 2);
    let looked_at = |world: &World, peer| world.dialled(1, peer) > 0;
    let waiting: Vec<u64> = candidates
        .filter(|peer| !looked_at(&world, *peer))
        .collect();
    assert!(waiting.len() > 100, "{}", waiting.len());
    // The vote on each closes in the first second.
    world.run(SECOND);
    let abstained = world.told(1, |event| {
        matches!(event, Event::Abstained { reason, .. } if reason == "too many candidates at once")
    });
    assert!(abstained > 100, "{abstained}");
    let last = *waiting.last().unwrap();
    let refusals = world.refusals(last);
    assert!(
        refusals[0].contains("no quorum by the deadline"),
        "{refusals:?}"
    );
}

#[test]
fn a_majority_of_seeds_that_deny_keeps_a_candidate_out_and_a_minority_does_not() {
    let mut world = World::new([nobody(), everybody(), everybody()]);
    world.add_peer(5, Vec::new());
    world.run(SECOND);
    assert_eq!(world.members(1), [id(5)], "{:?}", world.refusals(5));
    assert_eq!((world.dialled(1, 5), world.dialled(2, 5)), (0, 1));
    let mut world = World::new([nobody(), nobody(), everybody()]);
    world.add_peer(5, Vec::new());
    world.run(SECOND * 30);
    assert_eq!(world.members(3), []);
    assert!(world.refusals(5).len() > 3);
}

#[test]
fn whom_the_operators_allow_while_it_waits_is_in_by_the_same_attempt() {
    let mut world = World::new([AskOperator; 3]);
    world.add_peer(5, Vec::new());
    world.run(SECOND);
    for seed in 1..=3 {
        assert_eq!(world.told(seed, is_join_request), 1);
        let pending = world.pending(seed);
        assert_eq!(pending.len(), 1);
        assert_eq!(pending[0].candidate.id, id(5));
        assert_eq!(pending[0].record.endpoints, [address(5)]);
        assert_eq!(world.dialled(seed, 5), 0, "not before the operator's word");
    }
    world.allow(1, 5).unwrap();
    assert_eq!((world.dialled(1, 5), world.pending(1)), (1, Vec::new()));
    world.allow(2, 5).unwrap();
    assert_eq!(world.members(1), [id(5)]);
    assert_eq!(world.refusals(5), Vec::<String>::new());
    // The third operator was not needed.
    assert_eq!(world.pending(3), []);
    assert_eq!(world.told(3, is_withdrawn), 1);
    assert_eq!(world.allow(1, 5), Err(RequestError::AlreadyIn(id(5))));
}

#[test]
fn whom_the_operators_deny_is_told_so_and_stays_out_until_they_think_better_of_it() {
    let mut world = World::new([AskOperator; 3]);
    world.add_peer(5, Vec::new());
    world.run(SECOND);
    world.deny(1, 5, "who are you?").unwrap();
    world.deny(2, 5, "").unwrap();
    let refusals = world.refusals(5);
    assert_eq!(refusals.len(), 1, "at once");
    for words in [
        "127.0.0.1:5001 says: its operator denies it: who are you?",
        "127.0.0.1:5002 says: its operator denies it",
    ] {
        assert!(refusals[0].contains(words), "{refusals:?}");
    }
    world.run(SECOND * 120);
    assert!(world.refusals(5).len() > 5);
    assert_eq!(world.told(1, is_join_request), 1);
    assert_eq!((world.dialled(1, 5), world.pending(1)), (0, Vec::new()));
    for seed in [1, 2] {
        world.allow(seed, 5).unwrap();
    }
    world.run(SECOND * 15);
    assert_eq!(world.members(1), [id(5)]);
}

#[test]
fn a_candidate_that_waits_long_knows_for_whom_and_is_in_soon_after_the_word() {
    let mut world = World::new([AskOperator; 3]);
    world.add_peer(5, Vec::new());
    world.run(SECOND * 300);
    let refusals = world.refusals(5);
    assert!(refusals.len() > 15, "{}", refusals.len());
    for refusal in &refusals {
        let words = "127.0.0.1:5002 says: waiting for the operator of seed 127.0.0.1:5002";
        assert!(
            refusal.contains(words) || refusal.contains("5001"),
            "{refusal}"
        );
        assert!(!refusal.contains("no vote from"), "{refusal}");
    }
    for seed in 1..=3 {
        assert_eq!(world.told(seed, is_join_request), 1);
        assert_eq!(world.told(seed, is_withdrawn), 0);
        assert_eq!(world.pending(seed).len(), 1);
    }
    world.allow(1, 5).unwrap();
    world.allow(3, 5).unwrap();
    world.run(SECOND * 2);
    assert_eq!(world.members(2), [id(5)], "{:?}", world.refusals(5).last());
}

#[test]
fn a_candidate_that_goes_away_is_not_asked_about_any_more() {
    let mut world = World::new([AskOperator; 3]);
    world.add_peer(5, Vec::new());
    world.run(SECOND);
    world.kill(5);
    world.run(SECOND * 90);
    assert_eq!(world.pending(1), []);
    assert_eq!(world.told(1, is_withdrawn), 1);
}

#[test]
fn an_allow_is_used_up_by_an_admission_and_who_returns_may_be_spared_the_question() {
    for spares in [false, true] {
        let policy = || -> Policy {
            if spares {
                Box::new(Any::default().or(Returning).or(AskOperator))
            } else {
                Box::new(AskOperator)
            }
        };
        let mut world = World::new([policy(), policy(), policy()]);
        for seed in 1..=3 {
            world.allow(seed, 5).unwrap();
        }
        // Allowed before it came.
        world.add_peer(5, Vec::new());
        world.run(SECOND);
        assert_eq!(world.members(1), [id(5)]);
        // Another process with its key: another life.
        world.kill(5);
        world.unreachable.clear();
        world.add_peer(5, Vec::new());
        world.run(SECOND * 3);
        assert_eq!(world.told(1, is_join_request), usize::from(!spares));
        assert_eq!(world.pending(1).len(), usize::from(!spares));
    }
}

#[test]
fn a_seed_whose_policy_asks_nobody_says_so() {
    let mut world = World::new([everybody(), nobody(), everybody()]);
    assert_eq!(world.allow(1, 5), Err(RequestError::AsksNobody));
    assert_eq!(world.deny(2, 5, ""), Err(RequestError::AsksNobody));
    assert_eq!(world.pending(1), []);
}

#[test]
fn words_and_used_credentials_survive_a_restart() {
    let (allow, deny) = (None, Some("no".to_owned()));
    let word = |denied: &Option<String>| Answer {
        denied: denied.clone(),
        until_ms: START_MS + 3_000_000,
    };
    let answer = |node, answer| Stored::Seed(SeedStored::Answer { node, answer });
    let credential = Digest::new([4; 32]);
    let used = SeedStored::Credential {
        credential,
        node: id(9),
    };
    let written = [
        answer(id(5), Some(word(&allow))),
        answer(id(6), Some(word(&deny))),
        answer(id(7), Some(word(&deny))),
        answer(id(7), None),
        Stored::Seed(used),
    ];
    let dir = tempfile::tempdir().unwrap();
    let (path, kind) = (dir.path().join("store.redb"), Kind::Seed(seeds().network()));
    let (store, _) = Store::open(&path, kind).unwrap();
    store.write(written.iter()).unwrap();
    drop(store);
    let (_store, held) = Store::open(&path, kind).unwrap();
    let Held::Seed(restored) = held else {
        panic!("expected a seed's store");
    };
    let answers = [(id(5), word(&allow)), (id(6), word(&deny))];
    assert_eq!(restored.answers, answers);
    assert_eq!(restored.credentials, [(credential, id(9))]);

    let mut world = World::default();
    for seed in 1..=3 {
        let restored = Restored {
            answers: restored.answers.clone(),
            ..Restored::default()
        };
        world.add_seed(seed, AskOperator, restored);
    }
    for number in [5, 6] {
        world.add_peer(number, Vec::new());
    }
    world.run(SECOND * 3);
    assert_eq!(world.members(1), [id(5)]);
    assert!(world.refusals(6)[0].contains("its operator denies it: no"));
    assert_eq!(world.told(1, is_join_request), 0);
    // The word was used, and its place in the store is free.
    let forgotten = SeedStored::Answer {
        node: id(5),
        answer: None,
    };
    assert!(world.stored.contains(&(id(1), forgotten)));
}

fn invitation(guest: Option<NodeId>) -> Invitation {
    let network = seeds().network();
    let expires_ms = START_MS + 3_600_000;
    Invitation::sign(&signer_of(id(2)), network, guest, [5; 16], expires_ms)
}

#[test]
fn an_invitation_brings_one_guest_in_also_after_it_was_thrown_out_and_seeds_restarted() {
    let mut world = World::new([(); 3].map(|()| Invited::by_seeds()));
    let bytes = invitation(None).to_bytes();
    world.add_peer(5, bytes.clone());
    world.run(SECOND);
    world.add_peer(6, bytes.clone());
    world.add_peer(7, invitation(Some(id(5))).to_bytes());
    world.add_peer(8, Vec::new());
    world.run(SECOND);
    assert_eq!(world.members(1), [id(5)]);
    for (number, words) in [
        (6, "the invitation was used by 00000000"),
        (
            7,
            "expected an invitation for 00000000, got one for 00000000",
        ),
        (8, "expected an invitation, got none"),
    ] {
        let refusals = world.refusals(number);
        assert!(refusals[0].contains(words), "{refusals:?}");
        assert_eq!(world.dialled(1, number), 0);
    }
    // The guest dies and is thrown out: its standing names its invitation no more.
    world.kill(5);
    world.run(SECOND * 60);
    assert_eq!(world.members(1), []);
    let credentials = |seed| {
        let of = world.stored.iter().filter(move |(who, _)| *who == id(seed));
        let of = of.filter_map(|(_, stored)| match stored {
            SeedStored::Credential { credential, node } => Some((*credential, *node)),
            _ => None,
        });
        of.collect::<Vec<_>>()
    };
    let mut restarted = World::default();
    for seed in 1..=3 {
        assert_eq!(credentials(seed).len(), 1);
        let restored = Restored {
            credentials: credentials(seed),
            ..Restored::default()
        };
        restarted.add_seed(seed, Invited::by_seeds(), restored);
    }
    restarted.add_peer(6, bytes.clone());
    restarted.run(SECOND);
    assert!(restarted.refusals(6)[0].contains("was used by"));
    restarted.add_peer(5, bytes);
    restarted.run(SECOND);
    assert_eq!(restarted.members(1), [id(5)]);
}

#[test]
fn who_cannot_be_reached_uses_nothing_up_and_of_two_at_once_one_is_in() {
    let rate = || Rate::new(1, SECOND * 3600).unwrap();
    let mut world = World::new([rate(), rate(), rate()]);
    world.unreachable.insert(id(5));
    world.add_peer(5, Vec::new());
    world.run(SECOND * 5);
    assert!(world.refusals(5)[0].contains("cannot be reached"));
    // Both are let through to the probe before either has answered it.
    world.add_peer(6, Vec::new());
    world.add_peer(7, Vec::new());
    world.run(SECOND * 20);
    assert_eq!(world.members(1).len(), 1);
    let [of_6, of_7] = [6, 7].map(|number| world.refusals(number));
    let refused = if of_6.is_empty() { &of_7 } else { &of_6 };
    assert!(refused[0].contains("too many at once"), "{refused:?}");
    assert!(world.dialled(1, 6) > 0 && world.dialled(1, 7) > 0);
}

#[test]
fn a_flood_of_candidates_fills_the_list_of_those_who_wait_and_no_more() {
    let mut world = World::default();
    world.add_seed(1, AskOperator, Restored::default());
    for round in 0..4 {
        let now = world.now();
        let propose = |number: u64| {
            let endpoints = vec![address(number)];
            let signer = signer_of(id(number));
            let network = seeds().network();
            let record = Record::sign(&signer, network, endpoints, 1, 1, now.unix_ms);
            council::Message::Proposal(Proposal::Admit(record.unwrap()).into())
        };
        let first = 1000 + 700 * round;
        world.propose(1, 2, (first..first + 700).map(propose).collect());
        world.run(SECOND * 6);
    }
    assert_eq!(world.told(1, is_join_request), 1024);
    assert_eq!(world.pending(1).len(), 1024);
    world.run(SECOND * 60);
    assert_eq!(world.pending(1), []);
    assert_eq!(world.told(1, is_withdrawn), 1024);
}

#[test]
fn others_than_seeds_and_members_of_open_networks_have_nobody_waiting() {
    let mut world = World::new([AllowAll; 3]);
    world.add_peer(5, Vec::new());
    world.run(SECOND);
    assert_eq!(world.pending(5), []);
    assert_eq!(world.allow(5, 6), Err(RequestError::NotInAssembly));
    let left = world.ask(5, Request::Members);
    assert!(matches!(left, quorate_node::roles::Reply::Members(_)));
}
