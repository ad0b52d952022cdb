//! Two members, one of them dead: the other cannot decide anything, says so, and goes on as a new network when told to.

use std::time::Duration;

use crate::scene::{Input, Scene};

#[test]
fn one_of_two_waits_for_the_other_and_refounds_when_told_to() {
    let mut scene = Scene::new();
    let (bootstrap, members) = {
        let bootstrap = scene.bootstrap();
        let by = scene.address(bootstrap);
        let options = ["--bootstrap", &by, "--auto", "allow"];
        let members = [(); 2].map(|()| {
            let member = scene.member(Input::Pipe, &options);
            scene.expect(member, "Welcome to network");
            member
        });
        (bootstrap, members)
    };
    let [left, dead] = members;
    scene.types(left, "/refound");
    scene.expect(left, "Not founded anew: the members that answer can decide");
    scene.kill(dead);
    let port = scene.port(dead);
    scene.expect(
        left,
        &format!("Waiting for {port}: 2 of 2 members are needed"),
    );
    scene.expect_none(&[left], &format!("{port} is gone"), Duration::from_secs(2));
    assert_eq!(scene.members(left).len(), 2);

    scene.types(left, "/refound");
    scene.expect(left, "Founded network ");
    scene.expect_members(&[left], &[left]);
    let by = scene.address(bootstrap);
    let options = ["--bootstrap", &by, "--auto", "allow"];
    let newcomer = scene.member(Input::Pipe, &options);
    scene.expect(newcomer, "Welcome to network");
    scene.expect_members(&[left, newcomer], &[left, newcomer]);
}

/// It need not be given up: the dead one comes back from its store, and nothing is lost.
#[test]
fn one_of_two_that_waits_goes_on_when_the_other_is_back() {
    let mut scene = Scene::new();
    let bootstrap = scene.bootstrap();
    let by = scene.address(bootstrap);
    let start = |scene: &mut Scene, port: u16, data: &str| {
        scene.member_at(
            port,
            Input::Pipe,
            &["--bootstrap", &by, "--auto", "allow", "--data", data],
        )
    };
    let [first, second] = [scene.free_port(), scene.free_port()];
    let left = start(&mut scene, first, "left");
    scene.expect(left, "Welcome to network");
    let dead = start(&mut scene, second, "dead");
    scene.expect(dead, "Welcome to network");
    scene.kill(dead);
    scene.expect(left, &format!("Waiting for {second}"));
    let newcomer = scene.member(Input::Pipe, &["--bootstrap", &by, "--auto", "allow"]);
    scene.expect(newcomer, &format!("Waiting for {second}"));
    let back = start(&mut scene, second, "dead");
    scene.expect(back, "Welcome to network");
    scene.expect(newcomer, "Welcome to network");
    scene.expect_members(&[left, back, newcomer], &[left, back, newcomer]);
}
