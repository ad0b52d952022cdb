//! Members that are killed at any moment, all of them, and started again: what was decided stays, what was said is not
//! said again, and there is one chain.
//!
//! Who kills and when is drawn from a seed, which is printed; `QUORATE_SEED=<seed>` draws the same again, though the
//! processes' own timing is never the same.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use quorate_node::Identity;
use quorate_node::consensus::Ed25519;
use quorate_node::consensus::succession::{Chain, Change, Durable};
use quorate_node::store::{Held, Kind, Store};

use crate::scene::{Input, Scene, Who};

/// How often all members are killed.
const ROUNDS: usize = 50;

/// Within how many milliseconds of a newcomer's start: undisturbed, it is let in after 50 to 100.
const MOMENTS: u64 = 120;

const MEMBERS: usize = 3;

#[test]
fn what_was_decided_and_said_outlives_all_who_are_killed_at_any_moment() {
    let mut chance = Chance::new();
    let mut scene = Scene::new();
    let bootstrap = scene.bootstrap();
    let by = scene.address(bootstrap);
    let ports: [u16; MEMBERS] = std::array::from_fn(|_| scene.free_port());
    let start = |scene: &mut Scene, number: usize| {
        let data = format!("member-{number}");
        let options = ["--bootstrap", &by, "--auto", "allow", "--data", &data];
        scene.member_at(ports[number], Input::Pipe, &options)
    };
    let mut runs: Vec<Vec<Who>> = Vec::new();
    for number in 0..MEMBERS {
        let member = start(&mut scene, number);
        scene.expect(member, "Welcome to network");
        runs.push(vec![member]);
    }

    let begun = Instant::now();
    let mut newcomers = Vec::new();
    let mut early = 0;
    for _ in 0..ROUNDS {
        let newcomer = scene.member(Input::None, &["--bootstrap", &by, "--auto", "allow"]);
        let started = Instant::now();
        let mut moments: Vec<(u64, usize)> = (0..MEMBERS)
            .map(|number| (chance.below(MOMENTS), number))
            .collect();
        moments.sort_unstable();
        let mut kills = Vec::new();
        for (moment, number) in moments {
            // Time passes here on purpose: the moment is what is tried.
            sleep(Duration::from_millis(moment).saturating_sub(started.elapsed()));
            let now = *runs[number].last().unwrap();
            kills.push(scene.kill(now));
            let again = start(&mut scene, number);
            runs[number].push(again);
        }
        let welcome = scene.expect(newcomer, "Welcome to network");
        early += kills.iter().filter(|kill| **kill < welcome.at).count();
        let members: Vec<Who> = runs.iter().map(|runs| *runs.last().unwrap()).collect();
        let with_newcomer: Vec<Who> = members.iter().copied().chain([newcomer]).collect();
        scene.expect_members(&members, &with_newcomer);
        scene.signal(newcomer, Signal::SIGINT);
        assert_eq!(scene.exit(newcomer).code(), Some(0));
        scene.expect_members(&members, &members);
        newcomers.push(newcomer);
    }
    let kills = ROUNDS * MEMBERS;
    println!(
        "{ROUNDS} rounds in {:?}; {early} of {kills} kills came before the newcomer was in",
        begun.elapsed()
    );

    let names: Vec<String> = newcomers
        .iter()
        .map(|newcomer| scene.port(*newcomer))
        .collect();
    let mut repeated = Vec::new();
    for name in &names {
        let said = format!("You allow {name}");
        for runs in &runs {
            let times: usize = runs
                .iter()
                .map(|run| {
                    scene
                        .text(*run)
                        .iter()
                        .filter(|line| **line == said)
                        .count()
                })
                .sum();
            if times > 1 {
                repeated.push(format!("{said} x{times}"));
            }
        }
    }
    assert!(repeated.is_empty(), "{repeated:?}");
    for runs in &runs {
        scene.kill(*runs.last().unwrap());
    }
    same_chain(&scene, &newcomers);
}

/// The stores hold one chain, in which every newcomer was let in once, by all; and nobody said two things about one record.
fn same_chain(scene: &Scene, newcomers: &[Who]) {
    let addresses: BTreeSet<String> = newcomers
        .iter()
        .map(|newcomer| scene.address(*newcomer))
        .collect();
    let mut heads = BTreeSet::new();
    for number in 0..MEMBERS {
        let data = scene.path(&format!("member-{number}"));
        let kind = Kind::Member(Identity::load(data.join("key")).unwrap().id());
        let (_store, Held::Member(held)) = Store::open(&data.join("store.redb"), kind).unwrap()
        else {
            panic!("expected a member's store");
        };
        let mut chain = Chain::found(held.founding.unwrap(), &Ed25519).unwrap();
        let mut admitted = Vec::new();
        for link in held.links {
            if let Change::Admit { record, allows } = &link.change {
                let members: BTreeSet<_> = chain
                    .membership()
                    .members()
                    .map(|record| record.node)
                    .collect();
                assert_eq!(allows.keys().copied().collect::<BTreeSet<_>>(), members);
                admitted.extend(
                    record
                        .endpoints
                        .iter()
                        .filter(|at| addresses.contains(*at))
                        .cloned(),
                );
            }
            // Every signature is checked again here.
            chain.extend(Arc::clone(&link), &Ed25519).unwrap();
        }
        assert_eq!(chain.membership().len(), MEMBERS);
        assert_eq!(admitted.len(), newcomers.len(), "each newcomer once");
        assert_eq!(admitted.into_iter().collect::<BTreeSet<_>>(), addresses);
        let epoch = chain.membership().epoch();
        heads.insert((epoch, chain.head_at(epoch)));
        let about = held.said.iter().filter_map(|said| match said {
            Durable::Opinion { opinion, .. } => Some(opinion.record),
            _ => None,
        });
        let about: Vec<_> = about.collect();
        assert_eq!(about.iter().collect::<BTreeSet<_>>().len(), about.len());
    }
    assert_eq!(heads.len(), 1, "{heads:?}");
}

/// A stream of numbers from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let given = std::env::var("QUORATE_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let fresh = || {
            std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish()
        };
        let seed = given.unwrap_or_else(fresh);
        println!("QUORATE_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
