//! Conversations with the console: who is let in by what was typed when.

use std::time::{Duration, Instant};

use quorate_node::consensus::{Choice, Ed25519Key, NetworkId, NodeId, Record};
use quorate_node::{Event, Party};

use crate::console::{Command, Console};
use crate::naming::Naming;
use crate::questions::GUARD;

const ME: u16 = 5000;

/// A console, and the time.
struct Talk {
    console: Console,
    now: Instant,
}

fn id(port: u16) -> NodeId {
    NodeId::from(u64::from(port))
}

fn party(port: u16) -> Party {
    Party {
        id: id(port),
        address: Some(format!("127.0.0.1:{port}")),
    }
}

fn record() -> Box<Record> {
    let key = Ed25519Key::from_secret(&[1; 32]);
    let endpoints = vec!["127.0.0.1:1".to_owned()];
    Box::new(Record::sign(&key, NetworkId::NONE, endpoints, 1, 1, 1).unwrap())
}

impl Talk {
    fn new(is_terminal: bool) -> Self {
        let naming = Naming::at("127.0.0.1:5000");
        Self {
            console: Console::new(id(ME), naming, is_terminal, false),
            now: Instant::now(),
        }
    }

    fn at_terminal() -> Self {
        let mut this = Self::new(true);
        this.happens(&Event::Joined { incarnation: 1 });
        assert_eq!(this.told(), ["Welcome to network"]);
        this
    }

    fn through_pipe() -> Self {
        let mut this = Self::new(false);
        this.happens(&Event::Joined { incarnation: 1 });
        this.told();
        this
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
    }

    fn happens(&mut self, event: &Event) {
        self.console.handle_event(event, self.now);
    }

    fn asks(&mut self, port: u16) {
        let (candidate, record) = (party(port), record());
        self.happens(&Event::JoinRequest { candidate, record });
    }

    fn goes_away(&mut self, port: u16) {
        let candidate = party(port);
        self.happens(&Event::JoinWithdrawn { candidate });
    }

    /// Types a line; returns what is to be done.
    fn types(&mut self, line: &str) -> Vec<String> {
        self.console.handle_line(line, self.now);
        self.commands()
    }

    fn commands(&mut self) -> Vec<String> {
        let commands = std::iter::from_fn(|| self.console.take_command());
        commands
            .map(|command| match command {
                Command::Allow(question) => format!("allow {}", question.name),
                Command::Deny(question, reason) => format!("deny {} {reason}", question.name),
                Command::Say(text) => format!("say {text}"),
                Command::Members => "members".to_owned(),
                Command::Refound => "refound".to_owned(),
                Command::Leave => "leave".to_owned(),
                Command::Refused => "refused".to_owned(),
                Command::Fail(why) => format!("fail {why}"),
            })
            .collect()
    }

    fn told(&mut self) -> Vec<String> {
        self.console.take_lines()
    }

    fn question(&self) -> Option<&str> {
        self.console
            .question()
            .map(|question| question.name.as_str())
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn requests_are_answered_in_the_order_in_which_they_came() {
    let mut talk = Talk::at_terminal();
    for port in [5001, 5002, 5003] {
        talk.asks(port);
    }
    assert_eq!(talk.question(), Some("5001"));
    let told = talk.told();
    assert!(
        told[0].starts_with("5002 asks, too (1 waiting)"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("5003 asks, too (2 waiting)"),
        "{told:?}"
    );
    // The person's own answer changes the question, so it is expected: no pause.
    assert_eq!(talk.types("y"), ["allow 5001"]);
    assert_eq!(talk.types("No"), ["deny 5002 "]);
    assert_eq!(talk.types("yes"), ["allow 5003"]);
    assert_eq!(talk.question(), None);
}

#[test]
fn a_request_that_waits_is_answered_by_name() {
    let mut talk = Talk::at_terminal();
    for port in [5001, 5002, 5003] {
        talk.asks(port);
    }
    assert_eq!(
        talk.types("n 5002 because I do not know you"),
        ["deny 5002 I do not know you"]
    );
    let key = id(5003).to_string();
    assert_eq!(talk.types(&format!("y {key}")), ["allow 5003"]);
    assert_eq!(talk.question(), Some("5001"));
    talk.told();
    assert_eq!(talk.types("y 5002"), NOTHING);
    assert_eq!(talk.told(), ["Nobody called 5002 asks to be let in."]);
}

#[test]
fn two_of_one_name_are_told_apart_by_their_keys() {
    let mut talk = Talk::at_terminal();
    for key in [1_u64 << 60, 2 << 60] {
        let candidate = Party {
            id: NodeId::from(key),
            ..party(5001)
        };
        talk.happens(&Event::JoinRequest {
            candidate,
            record: record(),
        });
    }
    talk.told();
    assert_eq!(talk.types("y 5001"), NOTHING);
    let told = talk.told();
    assert_eq!(
        told,
        ["Several are called 5001. Name one by its key: 10000000, 20000000."]
    );
    assert_eq!(talk.types("n 20000000"), ["deny 5001 "]);
    assert_eq!(
        talk.console.question().unwrap().candidate,
        NodeId::from(1 << 60)
    );
}

/// The person types `y` for 5001 just as 5002 takes its place.
#[test]
fn a_yes_for_one_is_never_taken_for_the_next() {
    let mut talk = Talk::at_terminal();
    talk.asks(5001);
    talk.asks(5002);
    talk.told();
    talk.goes_away(5001);
    assert_eq!(talk.question(), Some("5002"));
    assert_eq!(
        talk.told(),
        [
            "5001 does not ask any more",
            "The question changes: y or n is not taken for 1 s"
        ]
    );
    talk.passes(GUARD - Duration::from_millis(1));
    assert_eq!(talk.types("y"), NOTHING);
    assert_eq!(
        talk.told(),
        ["Not taken: the question has just changed. Answer again."]
    );
    // A name leaves no doubt.
    assert_eq!(talk.types("y 5002"), ["allow 5002"]);
    // And after a moment the person has seen whom it is about.
    talk.asks(5003);
    talk.passes(Duration::from_millis(1));
    assert_eq!(talk.types("y"), NOTHING);
    talk.passes(GUARD);
    assert_eq!(talk.types("y"), ["allow 5003"]);
}

#[test]
fn a_line_counts_from_when_it_was_typed_not_from_when_it_is_looked_at() {
    let mut talk = Talk::at_terminal();
    talk.asks(5001);
    talk.asks(5002);
    let typed = talk.now;
    talk.passes(Duration::from_millis(5));
    talk.goes_away(5001);
    talk.passes(2 * GUARD);
    talk.console.handle_line("y", typed);
    assert_eq!(talk.commands(), NOTHING);
}

#[test]
fn who_asks_right_after_another_has_gone_takes_its_place_on_the_screen() {
    let mut talk = Talk::at_terminal();
    talk.asks(5001);
    talk.goes_away(5001);
    assert_eq!(talk.types("y"), NOTHING);
    let told = talk.told();
    assert_eq!(told[1], "Not taken: the request has just been withdrawn.");
    talk.passes(GUARD / 2);
    talk.asks(5002);
    talk.passes(GUARD - Duration::from_millis(1));
    assert_eq!(talk.types("y"), NOTHING);
    talk.passes(Duration::from_millis(1));
    assert_eq!(talk.types("y"), ["allow 5002"]);
}

/// One that waited is gone: the question on the screen is the same as before.
#[test]
fn what_becomes_of_those_that_wait_does_not_disturb_the_question() {
    let mut talk = Talk::at_terminal();
    talk.asks(5001);
    talk.asks(5002);
    talk.told();
    talk.goes_away(5002);
    assert_eq!(talk.told(), ["5002 does not ask any more"]);
    assert_eq!(talk.types("y"), ["allow 5001"]);
}

#[test]
fn a_candidate_that_asks_again_is_another_question() {
    let mut talk = Talk::at_terminal();
    talk.asks(5001);
    let first = talk.console.question().unwrap().number;
    talk.goes_away(5001);
    talk.asks(5001);
    assert_ne!(talk.console.question().unwrap().number, first);
    assert_eq!(talk.types("y"), NOTHING);
    talk.passes(GUARD);
    assert_eq!(talk.types("y"), ["allow 5001"]);
}

#[test]
fn who_is_in_or_was_answered_otherwise_is_not_asked_about_any_more() {
    let mut talk = Talk::at_terminal();
    talk.asks(5001);
    talk.asks(5002);
    talk.happens(&Event::Opinion {
        candidate: party(5001),
        voter: party(ME),
        choice: Choice::Yes,
        reason: String::new(),
    });
    talk.happens(&Event::Entered {
        member: party(5002),
        incarnation: 1,
        epoch: 4,
        members: 3,
    });
    assert_eq!(talk.question(), None);
    let told = talk.told();
    assert_eq!(
        told[1..],
        ["You allow 5001", "5002 is in: 3 members (epoch 4)"]
    );
}

#[test]
fn a_message_is_not_sent_while_a_question_is_open() {
    let mut talk = Talk::at_terminal();
    assert_eq!(talk.types("hello"), ["say hello"]);
    talk.asks(5001);
    assert_eq!(talk.types("hello"), NOTHING);
    assert_eq!(
        talk.told(),
        ["Not sent. Answer y or n about 5001, or /say it to all."]
    );
    assert_eq!(talk.types("/say hello"), ["say hello"]);
    assert_eq!(talk.types("  "), NOTHING);
    assert_eq!(talk.types("y"), ["allow 5001"]);
    // A late answer is not blurted out.
    assert_eq!(talk.types("y"), NOTHING);
    assert_eq!(
        talk.told(),
        ["Nobody asks to be let in. /say sends a line as it is."]
    );
    assert_eq!(talk.types("/say y"), ["say y"]);
}

#[test]
fn nothing_is_sent_by_who_is_not_in() {
    let mut talk = Talk::new(true);
    for line in ["hello", "/say hello"] {
        assert_eq!(talk.types(line), NOTHING);
        assert_eq!(talk.told(), ["Not sent: you are not in."]);
    }
    talk.happens(&Event::Joined { incarnation: 1 });
    assert_eq!(talk.types("hello"), ["say hello"]);
    talk.happens(&Event::Evicted { incarnation: 1 });
    assert_eq!(talk.types("hello"), NOTHING);
}

#[test]
fn piped_answers_wait_for_their_questions_one_each() {
    let mut talk = Talk::new(false);
    for line in ["y", "n 5003 because of your port", "no"] {
        assert_eq!(talk.types(line), NOTHING);
    }
    talk.happens(&Event::Joined { incarnation: 1 });
    talk.told();
    talk.asks(5001);
    assert_eq!(talk.commands(), ["allow 5001"]);
    assert_eq!(
        talk.told(),
        ["Join request from peer 5001", "Allow this peer? (y/n): y"]
    );
    talk.asks(5002);
    assert_eq!(talk.commands(), ["deny 5002 "]);
    talk.asks(5003);
    assert_eq!(talk.commands(), ["deny 5003 of your port"]);
    // None is left.
    talk.asks(5004);
    assert_eq!(talk.question(), Some("5004"));
    assert_eq!(talk.types("hello"), ["say hello"]);
    assert_eq!(talk.types("y"), ["allow 5004"]);
}

#[test]
fn an_endless_pipe_is_read_only_as_far_as_answers_can_be_kept() {
    let mut talk = Talk::through_pipe();
    let mut kept = 0;
    while talk.console.wants_lines() {
        talk.types("y");
        kept += 1;
        assert!(kept < 1000);
    }
    talk.asks(5001);
    assert_eq!(talk.commands(), ["allow 5001"]);
    assert!(talk.console.wants_lines());
}

#[test]
fn who_is_refused_is_told_by_whom_and_why() {
    let mut talk = Talk::new(true);
    let denied = vec![
        (party(5001), String::new()),
        (party(5002), "I do not know you".to_owned()),
    ];
    talk.happens(&Event::JoinRefused { denied });
    assert_eq!(
        talk.told(),
        ["Not allowed: denied by 5001 (no reason given), 5002 (I do not know you)"]
    );
    assert_eq!(talk.commands(), ["refused"]);
}

#[test]
fn who_finds_nobody_ends_unless_a_bootstrap_answers_or_it_was_in() {
    let lost = Event::NoWayIn {
        reason: "why".to_owned(),
    };
    let mut talk = Talk::new(true);
    talk.happens(&lost);
    let commands = talk.commands();
    assert!(
        commands[0].starts_with("fail no network was found (why); start a bootstrap"),
        "{commands:?}"
    );

    let mut talk = Talk::new(true);
    talk.happens(&Event::BootstrapAnswered {
        address: "a:1".to_owned(),
        members: 0,
    });
    talk.happens(&lost);
    assert_eq!(talk.told(), ["Still looking for the network: why"]);
    assert_eq!(talk.commands(), NOTHING);
    // It is told every half minute; once is enough.
    talk.happens(&lost);
    assert_eq!(talk.commands().len(), 1);

    let mut talk = Talk::at_terminal();
    talk.happens(&Event::Evicted { incarnation: 1 });
    talk.told();
    talk.happens(&lost);
    talk.happens(&lost);
    assert_eq!(talk.commands(), NOTHING);
}

#[test]
fn a_bootstrap_that_comes_and_goes_is_told_once_each_time() {
    let mut talk = Talk::at_terminal();
    let address = "a:1".to_owned();
    let answers = Event::BootstrapAnswered {
        address: address.clone(),
        members: 1,
    };
    let lost = Event::BootstrapLost {
        address,
        cause: "refused".to_owned(),
    };
    talk.happens(&answers);
    talk.happens(&answers);
    assert_eq!(talk.told(), NOTHING);
    talk.happens(&lost);
    talk.happens(&lost);
    assert_eq!(
        talk.told(),
        ["Bootstrap a:1 does not answer; the network goes on without it"]
    );
    talk.happens(&answers);
    assert_eq!(talk.told(), ["Bootstrap a:1 answers again"]);
}
