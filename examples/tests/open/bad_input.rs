//! What cannot work ends at once with one line that says why.

use std::fs;

use crate::scene::{Input, Scene};

/// How `clap` exits, and how everything else does.
const USAGE: i32 = 2;
const FAILURE: i32 = 1;

#[test]
fn arguments_that_cannot_be_used_are_told_on_one_line() {
    let mut scene = Scene::new();
    let table: [(&str, &[&str], &str); 8] = [
        (
            "member",
            &["--join", "nowhere"],
            "expected a host and a port",
        ),
        (
            "member",
            &["--bootstrap", "127.0.0.1:99999"],
            "expected a host and a port",
        ),
        (
            "member",
            &["--advertise", "127.0.0.1"],
            "expected a host and a port",
        ),
        ("member", &["--listen", "5000"], "invalid socket address"),
        (
            "member",
            &["--allow", "5001"],
            "expected a key of 64 hexadecimal digits",
        ),
        (
            "member",
            &["--auto", "maybe"],
            "invalid value 'maybe' for '--auto <AUTO>'",
        ),
        ("member", &["--what"], "unexpected argument '--what' found"),
        (
            "bootstrap",
            &["--listen", "nowhere"],
            "invalid socket address",
        ),
    ];
    for (program, options, expected) in table {
        let error = scene.error_of(program, options, USAGE);
        assert!(
            error.contains(expected),
            "expected {expected:?}, got {error:?}"
        );
    }
}

#[test]
fn a_port_in_use_is_told() {
    let mut scene = Scene::new();
    let bootstrap = scene.bootstrap();
    let taken = scene.address(bootstrap);
    for program in ["bootstrap", "member"] {
        let error = scene.error_of(program, &["--listen", &taken], FAILURE);
        let expected = format!("cannot listen on {taken}: Address already in use");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_data_directory_in_use_is_told_and_a_damaged_store_too() {
    let mut scene = Scene::new();
    let member = scene.member(Input::None, &["--found", "--data", "mine"]);
    scene.expect(member, "Welcome to network");
    let listen = format!("127.0.0.1:{}", scene.free_port());
    let same = ["--listen", &listen, "--found", "--data", "mine"];
    let error = scene.error_of("member", &same, FAILURE);
    assert_eq!(error, "the key file mine/key is in use by another process");

    scene.kill(member);
    fs::write(scene.path("mine/store.redb"), [0xa5; 9000]).unwrap();
    let error = scene.error_of("member", &same, FAILURE);
    assert!(
        error.starts_with("the store mine/store.redb is damaged or not a store ("),
        "{error}"
    );
}

/// Its members know it at its old address, and it finds that by itself; only who insists on another is told.
#[test]
fn a_member_that_comes_back_is_where_it_was() {
    let mut scene = Scene::new();
    let by = {
        let bootstrap = scene.bootstrap();
        scene.address(bootstrap)
    };
    let options = ["--bootstrap", &by, "--auto", "allow"];
    let stays = scene.member(Input::None, &options);
    scene.expect(stays, "Welcome to network");
    let port = scene.free_port();
    let kept = ["--bootstrap", &by, "--auto", "allow", "--data", "kept"];
    let before = scene.member_at(port, Input::None, &kept);
    scene.expect(before, "Welcome to network");
    scene.kill(before);

    let elsewhere = format!("127.0.0.1:{}", scene.free_port());
    let error = scene.error_of(
        "member",
        &["--listen", &elsewhere, "--data", "kept"],
        FAILURE,
    );
    assert_eq!(
        error,
        format!(
            "this member is known at 127.0.0.1:{port}, and cannot go on at {elsewhere}; listen there, or start as a new node"
        )
    );
    let again = scene.launch("member", port, Input::None, &kept);
    scene.expect(again, &format!("My peer is running on {port}"));
    scene.expect(again, "Welcome to network");
    assert_eq!(scene.count(again, "Waiting for"), 0);
}
