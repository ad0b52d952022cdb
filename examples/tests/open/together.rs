//! Several candidates at one moment: all become members, and nobody is asked twice about one of them.

use crate::scene::{Input, Scene, Who};

#[test]
fn candidates_at_one_moment_all_become_members() {
    for count in [2, 5] {
        let mut scene = Scene::new();
        let (bootstrap, members) = scene.crowd(3);
        let by = scene.address(bootstrap);
        let options = ["--bootstrap", &by, "--auto", "allow"];
        let newcomers: Vec<Who> = (0..count)
            .map(|_| scene.member(Input::Pipe, &options))
            .collect();
        for newcomer in &newcomers {
            scene.expect(*newcomer, "Welcome to network");
        }
        let all: Vec<Who> = members.iter().chain(&newcomers).copied().collect();
        // Everybody lists the same, and those that saw all of it tell the same decisions in the same order.
        scene.expect_members(&newcomers, &all);
        same_decisions(&scene, &members[2..], &members, 3 + count);
        for newcomer in &newcomers {
            let port = scene.port(*newcomer);
            for member in &members {
                assert_eq!(scene.count(*member, &format!("You allow {port}")), 1);
            }
            for other in &newcomers {
                assert!(scene.count(*other, &format!("You allow {port}")) <= 1);
            }
        }
    }
}

/// The last decisions of all, which are those since the last of them came in, are those of `whole`.
fn same_decisions(scene: &Scene, whole: &[Who], all: &[Who], members: usize) {
    for who in all {
        scene.expect(*who, &format!(": {members} members (epoch "));
    }
    let expected = scene.decisions(whole[0]);
    for who in all {
        let decisions = scene.decisions(*who);
        assert!(
            decisions.ends_with(&expected),
            "{decisions:?} and {expected:?}"
        );
    }
}

/// People, too, and each is asked once about each, though a decision comes between the two answers.
#[test]
fn two_candidates_at_two_prompts_are_answered_by_name() {
    let mut scene = Scene::new();
    let bootstrap = scene.bootstrap();
    let by = scene.address(bootstrap);
    let options = ["--bootstrap", &by];
    let first = scene.member(Input::Person, &options);
    scene.expect(first, "Welcome to network");
    let second = scene.member(Input::Person, &options);
    scene.expect(first, "Allow this peer? (y/n):");
    scene.types(first, "y");
    scene.expect(second, "Welcome to network");

    let newcomers = [(); 2].map(|()| scene.member(Input::Person, &options));
    let [a, b] = newcomers.map(|newcomer| scene.port(newcomer));
    let people = [first, second];
    for person in people {
        // One is asked about, the other waits; which, depends on who was faster.
        scene.expect(person, " asks, too (1 waiting)");
    }
    // In another order at each, so that for one of the two the other's answer comes first.
    scene.types(first, &format!("y {a}"));
    scene.types(first, &format!("y {b}"));
    scene.types(second, &format!("y {b}"));
    scene.expect(newcomers[1], "Welcome to network");
    // The one that is in by now is a member like all others, and is asked about the other.
    scene.types(second, &format!("y {a}"));
    scene.expect(newcomers[1], &format!("Join request from peer {a}"));
    scene.types(newcomers[1], "y");
    scene.expect(newcomers[0], "Welcome to network");

    for person in people {
        for port in [&a, &b] {
            let requests = scene.count(person, &format!("Join request from peer {port}"));
            let notes = scene.count(person, &format!("{port} asks, too"));
            // Who waited behind the other may have been asked about when its turn came; nobody is asked about twice.
            assert!(
                requests <= 1 && notes <= 1 && requests + notes >= 1,
                "{:?}",
                scene.text(person)
            );
            assert_eq!(scene.count(person, &format!("You allow {port}")), 1);
        }
    }
    let all = [first, second, newcomers[0], newcomers[1]];
    scene.expect_members(&all, &all);
}
