//! One network is founded, not two; and none by who was told to join one.

use std::time::{Duration, Instant};

use crate::scene::{Input, Scene, Who};

#[test]
fn two_first_starters_at_one_moment_found_one_network() {
    for bootstraps in [1, 2, 3] {
        let mut scene = Scene::new();
        let addresses: Vec<String> = (0..bootstraps)
            .map(|_| {
                let bootstrap = scene.bootstrap();
                scene.address(bootstrap)
            })
            .collect();
        // Each looks at them in an order of its own.
        let orders: [Vec<&String>; 2] =
            [addresses.iter().collect(), addresses.iter().rev().collect()];
        let both: Vec<Who> = orders
            .iter()
            .map(|order| {
                let mut options = vec!["--auto", "allow"];
                for address in order {
                    options.extend(["--bootstrap", address]);
                }
                scene.member(Input::Pipe, &options)
            })
            .collect();
        for member in &both {
            scene.expect(*member, "Welcome to network");
        }
        scene.expect_members(&both, &both);
        println!("{bootstraps} bootstraps: one network");
    }
}

/// There is no network, and there will be none by this: who was told to join must not be alone in one of its own.
#[test]
fn who_is_told_to_join_never_founds() {
    let mut scene = Scene::new();
    let bootstrap = scene.bootstrap();
    let (by, nobody) = (
        scene.address(bootstrap),
        format!("127.0.0.1:{}", scene.free_port()),
    );
    let beside = scene.member(Input::None, &["--bootstrap", &by, "--join", &nobody]);
    scene.expect(beside, "Still looking for the network: ");
    assert_eq!(scene.count(beside, "Welcome"), 0);
    // A network that comes to be is found all the same.
    let founder = scene.member(Input::None, &["--bootstrap", &by, "--auto", "allow"]);
    scene.expect(founder, "Welcome to network");
    scene.expect(beside, "Welcome to network");
    scene.expect(founder, &format!("{} is in: 2 members", scene.port(beside)));
}

#[test]
fn who_finds_nobody_says_what_there_is_to_do() {
    let mut scene = Scene::new();
    let nobody = format!("127.0.0.1:{}", scene.free_port());
    let listen = format!("127.0.0.1:{}", scene.free_port());
    for by in ["--join", "--bootstrap"] {
        let begun = Instant::now();
        let error = scene.error_of("member", &["--listen", &listen, by, &nobody], 1);
        assert!(error.starts_with("no network was found ("), "{error}");
        assert!(error.contains(&nobody), "{error}");
        assert!(
            error.ends_with("start a bootstrap (--bootstrap), enter by a member (--join), or found a network alone (--found)"),
            "{error}"
        );
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn who_is_told_to_found_does_so_without_anybody() {
    let mut scene = Scene::new();
    let founder = scene.member(Input::Pipe, &["--found", "--auto", "allow"]);
    scene.expect(founder, "Welcome to network");
    let join = scene.address(founder);
    let second = scene.member(Input::Pipe, &["--join", &join, "--auto", "allow"]);
    scene.expect(second, "Welcome to network");
    scene.expect_members(&[founder, second], &[founder, second]);
}
