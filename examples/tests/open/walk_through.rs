//! The client's document, step by step: four people at four terminals.

use std::net::TcpListener;
use std::time::Duration;

use crate::scene::{Input, Scene, Who};

const PROMPT: &str = "Allow this peer? (y/n):";

#[test]
fn the_document_word_for_word() {
    let mut scene = Scene::new();
    // The ports that the document names, if nobody else has them; otherwise the same at others.
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let has_ports = [4999, 5000, 5001, 5002, 5003].into_iter().all(is_free);
    println!("at the document's ports: {has_ports}");
    let bootstrap = if has_ports {
        let bootstrap = scene.launch("bootstrap", 4999, Input::None, &[]);
        scene.expect(bootstrap, "The bootstrap listens at 127.0.0.1:4999");
        bootstrap
    } else {
        scene.bootstrap()
    };
    let start = |scene: &mut Scene, port: u16| {
        if has_ports {
            return scene.launch("member", port, Input::Person, &[]);
        }
        let by = scene.address(bootstrap);
        scene.member(Input::Person, &["--bootstrap", &by])
    };

    let first = start(&mut scene, 5000);
    scene.expect(first, "Welcome to network");
    let running = format!("My peer is running on {}", scene.port(first));
    assert_eq!(scene.text(first), [&running, "Welcome to network"]);

    let second = start(&mut scene, 5001);
    allows(&scene, first, second);
    scene.expect(second, "Welcome to network");
    scene.expect(
        second,
        &format!("My peer is running on {}", scene.port(second)),
    );

    let third = start(&mut scene, 5002);
    asked(&scene, first, third);
    asked(&scene, second, third);
    // One is not enough, and the newcomer sees for whom it waits.
    scene.types(first, "y");
    scene.expect(third, &format!("Allowed by {}", scene.port(first)));
    scene.expect(third, &format!("Waiting for {}", scene.port(second)));
    scene.expect_none(&[third], "Welcome", Duration::from_millis(500));
    scene.types(second, "y");
    scene.expect(third, "Welcome to network");

    let fourth = start(&mut scene, 5003);
    let refused = scene.port(fourth);
    for member in [first, second, third] {
        asked(&scene, member, fourth);
    }
    scene.types(first, "y");
    scene.types(second, &format!("n {refused} because I do not know you"));
    let status = scene.exit(fourth);
    assert_eq!(status.code(), Some(1));
    let why = format!(
        "Not allowed: denied by {} (I do not know you)",
        scene.port(second)
    );
    scene.expect(fourth, &why);
    // Who had not answered need not any more.
    scene.expect(third, &format!("{refused} does not ask any more"));

    let again = start(&mut scene, 5003);
    let marks: Vec<(Who, usize)> = [first, second, third]
        .map(|member| (member, scene.mark(member)))
        .to_vec();
    for (member, _) in &marks {
        let asks = format!("Join request from peer {}", scene.port(again));
        // At its old port it asks twice, each time with a prompt of its own.
        let times = if has_ports { 2 } else { 1 };
        crate::common::wait(&asks, crate::scene::PATIENCE, || {
            (scene.count(*member, &asks) == times).then_some(())
        });
        // What is typed right after a question that changed by itself is not taken; this one waited for long enough.
        scene.types(*member, &format!("y {}", scene.port(again)));
    }
    scene.expect(again, "Welcome to network");
    scene.expect_members(
        &[first, second, third, again],
        &[first, second, third, again],
    );
}

fn asked(scene: &Scene, member: Who, newcomer: Who) {
    scene.expect(
        member,
        &format!("Join request from peer {}", scene.port(newcomer)),
    );
    scene.expect(member, PROMPT);
}

fn allows(scene: &Scene, member: Who, newcomer: Who) {
    asked(scene, member, newcomer);
    scene.types(member, "y");
}
