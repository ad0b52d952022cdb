//! The bootstrap is only where the first look goes: the network lives without it, and comes back to a new one.

use crate::scene::{Input, Scene};

#[test]
fn the_network_goes_on_when_the_bootstrap_dies_and_comes_back_to_a_new_one() {
    let mut scene = Scene::new();
    let (bootstrap, mut members) = scene.crowd(2);
    let port = scene.port(bootstrap).parse().unwrap();
    let by = scene.address(bootstrap);
    scene.kill(bootstrap);
    for member in &members {
        scene.expect(*member, &format!("Bootstrap {by} does not answer"));
    }

    // A member's address is as good.
    let join = scene.address(members[1]);
    let newcomer = scene.member(Input::None, &["--join", &join, "--auto", "allow"]);
    scene.expect(newcomer, "Welcome to network");
    for member in &members {
        scene.expect(
            *member,
            &format!("{} is in: 3 members", scene.port(newcomer)),
        );
    }

    // A new one at the old port knows nobody, until the members come back to it; nobody founds a second network by it.
    let bootstrap = scene.bootstrap_at(port);
    let late = scene.member(Input::Pipe, &["--bootstrap", &by, "--auto", "allow"]);
    scene.expect(late, "Welcome to network");
    for member in &members {
        scene.expect(*member, &format!("Bootstrap {by} answers again"));
        scene.expect(*member, &format!("{} is in: 4 members", scene.port(late)));
        scene.expect(bootstrap, &format!("REGISTER {}", scene.address(*member)));
    }
    members.extend([newcomer, late]);
    scene.expect_members(&[late], &members);
}

/// All is back at once, as after a power cut: the newcomer is there before the members are.
#[test]
fn who_asks_a_fresh_bootstrap_first_does_not_found_a_second_network() {
    let mut scene = Scene::new();
    let (bootstrap, members) = scene.crowd(2);
    let port = scene.port(bootstrap).parse().unwrap();
    let by = scene.address(bootstrap);
    scene.kill(bootstrap);
    let newcomer = scene.member(Input::None, &["--bootstrap", &by, "--auto", "allow"]);
    scene.bootstrap_at(port);
    scene.expect(newcomer, "Welcome to network");
    for member in &members {
        scene.expect(
            *member,
            &format!("{} is in: 3 members", scene.port(newcomer)),
        );
    }
}
