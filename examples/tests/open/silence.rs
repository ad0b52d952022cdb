//! Who is dead, who merely does not answer, and who was only stopped.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::common::wait;
use crate::scene::{Input, PATIENCE, Scene, Who};

/// How soon the others do without a member that was killed, and let in who waited for it.
const WITHOUT: Duration = Duration::from_secs(3);

/// A network of three people, the third of whom does not answer; and a newcomer that waits for it.
fn waiting_for_the_third(options: &[&str]) -> (Scene, [Who; 3], Who) {
    let mut scene = Scene::new();
    let bootstrap = scene.bootstrap();
    let by = scene.address(bootstrap);
    let mut all = vec!["--bootstrap", &by];
    all.extend(options);
    let mut members = Vec::new();
    for _ in 0..3 {
        let member = scene.member(Input::Person, &all);
        for other in &members {
            let asks = format!("Join request from peer {}", scene.port(member));
            scene.expect(*other, &asks);
            scene.types(*other, "y");
        }
        scene.expect(member, "Welcome to network");
        members.push(member);
    }
    let newcomer = scene.member(Input::Person, &all);
    let asks = format!("Join request from peer {}", scene.port(newcomer));
    for member in &members {
        scene.expect(*member, &asks);
    }
    for member in &members[..2] {
        scene.types(*member, "y");
        scene.expect(newcomer, &format!("Allowed by {}", scene.port(*member)));
    }
    (scene, [members[0], members[1], members[2]], newcomer)
}

#[test]
fn a_member_killed_while_it_is_waited_for_is_done_without() {
    let (mut scene, [first, second, third], newcomer) = waiting_for_the_third(&[]);
    scene.expect(newcomer, &format!("Waiting for {}", scene.port(third)));
    let killed = scene.kill(third);
    let welcome = scene.expect(newcomer, "Welcome to network");
    let took = welcome.at.duration_since(killed);
    println!("evicted, and the newcomer let in, {took:?} after the kill");
    for member in [first, second] {
        scene.expect(member, &format!("{} is gone", scene.port(third)));
    }
    scene.expect_members(&[first, second, newcomer], &[first, second, newcomer]);
    // The limit is the requirement's.
    assert!(took < WITHOUT, "{took:?}");
}

#[test]
fn a_member_whose_person_does_not_answer_is_waited_for() {
    let (scene, [first, second, third], newcomer) = waiting_for_the_third(&["--silent-after", "2"]);
    scene.expect(newcomer, &format!("Waiting for {}", scene.port(third)));
    // Longer than anybody is waited for whose process does not answer.
    let watched = Duration::from_secs(5);
    scene.expect_none(&[first, second, newcomer], " is gone", watched);
    scene.expect_none(&[newcomer], "Welcome", Duration::ZERO);
    scene.types(third, "y");
    scene.expect(newcomer, "Welcome to network");
}

/// The default is 60 s; here it is 9 s: not minutes, but more than it takes to notice silence at all.
#[test]
fn a_stopped_member_is_thrown_out_after_the_span_and_back_by_itself() {
    let span = Duration::from_secs(9);
    let (scene, [first, second, third], newcomer) = waiting_for_the_third(&["--silent-after", "9"]);
    scene.signal(third, Signal::SIGSTOP);
    let stopped = Instant::now();
    let is_gone = format!("{} is gone", scene.port(third));
    let gone = wait(&is_gone, 2 * PATIENCE, || scene.find(first, &is_gone));
    let took = gone.at.duration_since(stopped);
    println!("thrown out {took:?} after it was stopped, with a span of {span:?}");
    // What it said last may have come a moment before.
    assert!(took > span - Duration::from_millis(500), "{took:?}");
    scene.expect(newcomer, "Welcome to network");

    let marks = [first, second, newcomer].map(|who| (who, scene.mark(who)));
    scene.signal(third, Signal::SIGCONT);
    let resumed = Instant::now();
    scene.expect(third, "The others took this peer for dead");
    let is_in = format!("{} is in: 4 members", scene.port(third));
    for (who, mark) in marks {
        let line = scene.expect_after(who, mark, &is_in);
        println!(
            "back {:?} after it was resumed",
            line.at.duration_since(resumed)
        );
        // By the rule for those that come back; nobody was asked.
        let asked = scene.lines(who).split_off(mark);
        assert!(
            asked.iter().all(|line| !line.text.contains("Join request")),
            "{asked:?}"
        );
    }
    let all = [first, second, third, newcomer];
    scene.expect_members(&all, &all);
}
