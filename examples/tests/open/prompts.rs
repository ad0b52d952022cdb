//! Answers at a terminal and from pipes.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::scene::{Input, Scene, Who};

/// A member that is asked, and the options of who asks it.
fn asked(input: Input) -> (Scene, Who, String) {
    let mut scene = Scene::new();
    let member = scene.member(input, &["--found"]);
    let address = scene.address(member);
    (scene, member, address)
}

#[test]
fn the_next_question_follows_the_answer_and_a_name_answers_out_of_turn() {
    let (mut scene, person, join) = asked(Input::Person);
    scene.expect(person, "Welcome to network");
    let options = ["--join", &join, "--auto", "allow"];
    let mut newcomers = Vec::new();
    for _ in 0..3 {
        let newcomer = scene.member(Input::None, &options);
        let asks = match newcomers.len() {
            0 => format!("Join request from peer {}", scene.port(newcomer)),
            waiting => format!("{} asks, too ({waiting} waiting)", scene.port(newcomer)),
        };
        scene.expect(person, &asks);
        newcomers.push(newcomer);
    }
    let [first, second, third] = newcomers[..] else {
        panic!("expected three");
    };
    // What is no answer is not sent, and the question is repeated.
    scene.types(person, "who are you?");
    scene.expect(
        person,
        &format!("Not sent. Answer y or n about {}", scene.port(first)),
    );
    scene.expect(person, &format!("Allow peer {}? (y/n):", scene.port(first)));
    scene.types(person, &format!("n {} not you", scene.port(third)));
    assert_eq!(scene.exit(third).code(), Some(1));
    scene.expect(
        third,
        &format!("Not allowed: denied by {} (not you)", scene.port(person)),
    );
    scene.types(person, "y");
    scene.expect(first, "Welcome to network");
    scene.expect(
        person,
        &format!("Join request from peer {}", scene.port(second)),
    );
    scene.types(person, "y");
    scene.expect(second, "Welcome to network");
}

#[test]
fn a_yes_to_who_has_just_gone_is_not_taken_for_the_next() {
    let (mut scene, person, join) = asked(Input::Person);
    scene.expect(person, "Welcome to network");
    let first = scene.member(Input::None, &["--join", &join]);
    scene.expect(
        person,
        &format!("Join request from peer {}", scene.port(first)),
    );
    let second = scene.member(Input::None, &["--join", &join]);
    scene.expect(person, &format!("{} asks, too", scene.port(second)));
    scene.kill(first);
    scene.expect(
        person,
        &format!("{} does not ask any more", scene.port(first)),
    );
    scene.expect(person, "The question changes");
    scene.types(person, "y");
    scene.expect(person, "Not taken: the question has just changed.");
    scene.expect_none(&[second], "Welcome", Duration::from_secs(1));
    // By now the person has seen whom it is about.
    scene.types(person, "y");
    scene.expect(second, "Welcome to network");
}

#[test]
fn a_piped_answer_waits_for_its_question() {
    let (mut scene, script, join) = asked(Input::Pipe);
    // As in `echo y | member`: typed before anybody asks, and then the input ends.
    scene.types(script, "y");
    scene.closes_input(script);
    scene.expect(script, "Welcome to network");
    let first = scene.member(Input::Pipe, &["--join", &join]);
    scene.expect(first, "Welcome to network");
    scene.expect(script, &format!("You allow {}", scene.port(first)));
    // One answer, one peer: the next one waits.
    scene.types(first, "y");
    let second = scene.member(Input::None, &["--join", &join]);
    scene.expect(second, &format!("Waiting for {}", scene.port(script)));
    scene.expect(
        script,
        &format!("Join request from peer {}", scene.port(second)),
    );
    scene.expect_none(&[second], "Welcome", Duration::from_millis(500));
}

/// `yes n | member`: an endless input is not read further than it is needed, and an input that has ended costs nothing.
#[cfg(target_os = "linux")]
#[test]
fn neither_an_endless_input_nor_one_that_has_ended_keeps_a_member_busy() {
    let (mut scene, endless, join) = asked(Input::Pipe);
    scene.expect(endless, "Welcome to network");
    scene.floods(endless, "y\n");
    let ended = scene.member(Input::Person, &["--join", &join]);
    scene.expect(ended, "Welcome to network");
    scene.types(ended, "\u{4}");
    let third = scene.member(Input::None, &["--join", &join, "--auto", "allow"]);
    scene.expect(ended, "Join request from peer ");
    let before = [endless, ended].map(|who| cpu_time(&scene, who));
    let watched = Duration::from_secs(2);
    scene.expect_none(&[third], "Welcome", watched);
    for (who, before) in [endless, ended].into_iter().zip(before) {
        let used = cpu_time(&scene, who).saturating_sub(before);
        println!("{used:?} of processor time in {watched:?}");
        assert!(
            used < watched / 10,
            "{used:?} of processor time in {watched:?}"
        );
    }
}

/// The processor time a process has used.
#[cfg(target_os = "linux")]
fn cpu_time(scene: &Scene, who: Who) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", scene.id(who))).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: Vec<u64> = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse().unwrap())
        .collect();
    // Linux counts in hundredths of a second.
    Duration::from_millis(ticks.iter().sum::<u64>() * 10)
}

#[test]
fn messages_are_shown_with_their_sender_and_cannot_steer_a_terminal() {
    let (mut scene, first, join) = asked(Input::Pipe);
    scene.expect(first, "Welcome to network");
    let second = scene.member(Input::Person, &["--join", &join]);
    scene.types(second, "too early");
    scene.expect(second, "Not sent: you are not in.");
    scene.expect(first, "Join request from peer ");
    scene.types(first, "y");
    scene.expect(second, "Welcome to network");
    scene.types(second, "hello");
    scene.expect(first, &format!("<{}> hello", scene.port(second)));
    scene.types(first, "bell \u{7} and \u{1b}[2J");
    scene.expect(
        second,
        &format!("<{}> bell \\u{{7}} and \\u{{1b}}[2J", scene.port(first)),
    );
    scene.types(first, "/say y");
    scene.expect(second, &format!("<{}> y", scene.port(first)));
}

#[test]
fn who_is_asked_to_stop_leaves() {
    let (mut scene, first, join) = asked(Input::Person);
    scene.expect(first, "Welcome to network");
    for (signal, input) in [
        (Some(Signal::SIGINT), Input::Person),
        (Some(Signal::SIGTERM), Input::None),
        (None, Input::Pipe),
    ] {
        let leaver = scene.member(input, &["--join", &join]);
        let asks = format!("Join request from peer {}", scene.port(leaver));
        scene.expect(first, &asks);
        scene.types(first, "y");
        scene.expect(leaver, "Welcome to network");
        match signal {
            Some(signal) => scene.signal(leaver, signal),
            None => scene.types(leaver, "/quit"),
        }
        assert_eq!(scene.exit(leaver).code(), Some(0));
        scene.expect(leaver, "Left.");
        scene.expect(first, &format!("{} has left", scene.port(leaver)));
    }
    // And who was never in.
    let waits = scene.member(Input::None, &["--join", &join]);
    scene.expect(waits, "Waiting for ");
    scene.signal(waits, Signal::SIGINT);
    assert_eq!(scene.exit(waits).code(), Some(0));
    scene.expect(waits, "Stopped.");
    scene.expect_none(&[first], " is gone", Duration::ZERO);
}
