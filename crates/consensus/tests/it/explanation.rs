//! Why a node is in, out or pending: what is told follows the votes, and reads as sentences.

use std::time::Duration;

use quorate_consensus::council::{Config, Decision};
use quorate_consensus::explanation::{End, OneLine, OwnVote, Span, Withheld};
use quorate_consensus::{Choice, Explanation, Proof, Standing};

use crate::net::{Disk, Net, Verdict};
use crate::sample::{
    START_MS, admission, certificate, departure, electorate, eviction, motion, node, record, signer,
};

fn explain(net: &Net, at: usize, number: u64) -> Explanation {
    net.council(at).explain(&node(number), net.now)
}

fn lines(explanation: &Explanation) -> Vec<String> {
    explanation.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn of_a_stranger_nothing_is_known() {
    let net = Net::new(3);
    let explanation = explain(&net, 0, 50);
    assert!(explanation.is_empty());
    assert_eq!(
        explanation.to_string(),
        "00000000 is not in: nothing is known of it here"
    );
}

#[test]
fn of_a_voter_its_seat_is_told() {
    let net = Net::new(3);
    let explanation = explain(&net, 0, 2);
    assert_eq!(explanation.seat.as_deref(), Some("seat-2"));
    assert_eq!(
        explanation.to_string(),
        "seat-2 (00000000) is the voter in seat seat-2"
    );
}

#[test]
fn a_candidate_is_pending_while_votes_are_out_and_a_member_by_its_signers() {
    let mut net = Net::new(3);
    net.cut(2);
    net.stations[1].verdict = Verdict::Later;
    net.propose(0, &admission(50)).unwrap();
    net.run();
    net.now = net.now.after(Duration::from_millis(1500));
    assert_eq!(
        lines(&explain(&net, 0, 50)),
        [
            "00000000 is not in, and never was",
            "admission at incarnation 1 is pending: opened 1.5 s ago, given up here in 3.5 s; \
             1 yes, 0 no of 3 seats, 2 needed",
            "  seat-1 says yes",
            "  no vote from seat-2, seat-3",
            "  this voter has voted yes",
        ]
    );
    assert_eq!(explain(&net, 1, 50).open[0].own, OwnVote::Judging);

    net.judge(1, admission(50).id(), Choice::Yes);
    net.run();
    let member = explain(&net, 0, 50);
    assert_eq!(
        lines(&member)[..3],
        [
            "node.example:5000 (00000000) is in: a member at incarnation 1, asked for 1.5 s ago",
            "  certificate of attempt 1 in epoch 0, signed by seat-1, seat-2: 2 of 3 seats, 2 needed",
            "  reachable at node.example:5000",
        ]
    );
    assert!(
        member.open[0].is_carried,
        "the third vote would still widen the certificate"
    );
    // Offline, from the roster alone, the grounds are the same.
    let (council, now_ms) = (net.council(0), net.now.unix_ms);
    let offline = Explanation::of(&node(50), council.roster(), council.electorate(), now_ms);
    assert_eq!(offline.grounds, member.grounds);
    assert!(offline.open.is_empty());
}

#[test]
fn a_candidate_that_was_voted_down_is_told_by_whom_and_why_also_later() {
    let mut net = Net::new(3);
    net.stations[1].verdict = Verdict::No("not on the list");
    net.stations[2].verdict = Verdict::No("line one\nline two\u{1b}[2J");
    net.propose(0, &admission(50)).unwrap();
    net.run_for(Duration::from_secs(60));
    let explanation = explain(&net, 0, 50);
    assert_eq!(
        explanation.ended.as_ref().map(|ended| ended.end),
        Some(End::Defeated)
    );
    let lines = lines(&explanation);
    assert_eq!(
        lines,
        [
            "00000000 is not in, and never was",
            "admission at incarnation 1, opened 60 s ago, was voted down: \
             1 yes, 2 no of 3 seats, 2 needed",
            "  seat-1 says yes",
            "  seat-2 says no: not on the list",
            "  seat-3 says no: line one\\nline two\\u{1b}[2J",
        ]
    );
}

#[test]
fn a_vote_that_expired_names_the_silent_and_is_replaced_by_the_next() {
    let mut net = Net::new(3);
    net.cut(1);
    net.cut(2);
    let first = admission(50);
    net.propose(0, &first).unwrap();
    net.run_for(Duration::from_secs(6));
    let ended = explain(&net, 0, 50).ended.unwrap();
    assert_eq!(ended.end, End::Expired);
    assert_eq!(ended.count.silent, ["seat-2", "seat-3"]);
    assert!(
        explain(&net, 0, 50).to_string().contains(
            "was given up, because too few voted in time: 1 yes, 0 no of 3 seats, 2 needed"
        )
    );
    // A later attempt takes its place.
    net.stations[0].verdict = Verdict::No("the second time");
    let again = quorate_consensus::Proposal::Admit(record(&signer(50), 1, 2, net.now.unix_ms));
    net.propose(0, &again).unwrap();
    net.run_for(Duration::from_secs(6));
    let ended = explain(&net, 0, 50).ended.unwrap();
    assert_eq!(ended.count.votes[0].reason, "the second time");
}

#[test]
fn an_eviction_names_reporter_witnesses_and_what_they_found() {
    let mut net = Net::new(3);
    for subject in [50, 51] {
        net.propose(0, &admission(subject)).unwrap();
        net.run();
    }
    for at in net.all() {
        net.stations[at].verdict = Verdict::Later;
    }
    net.propose(1, &eviction(51, 50)).unwrap();
    net.run();
    assert_eq!(
        lines(&explain(&net, 1, 50))[3..],
        [
            "eviction at incarnation 1 is pending: opened 0 ms ago, given up here in 5.0 s; \
             0 yes, 0 no of 3 seats, 2 needed",
            "  reported by node.example:5000, last seen at node.example:5000",
            "  witness node.example:5000 found it unreachable: no echo within 1 s",
            "  no vote from seat-1, seat-2, seat-3",
            "  this voter is finding out for itself",
        ]
    );
    for at in net.all() {
        net.judge(at, eviction(51, 50).id(), Choice::Yes);
    }
    net.run();
    let explanation = explain(&net, 1, 50);
    let grounds = explanation.grounds.as_ref().unwrap();
    assert_eq!(grounds.standing, Standing::Evicted);
    let report = grounds.report.as_ref().unwrap();
    assert_eq!(report.reporter.id, node(51));
    assert_eq!(report.testimonies[0].cause, "no echo within 1 s");
    assert_eq!(
        lines(&explanation),
        [
            "node.example:5000 (00000000) is out: evicted at incarnation 1, 0 ms ago",
            "  certificate of attempt 1 in epoch 0, signed by seat-1, seat-2, seat-3: 3 of 3 seats, 2 needed",
            "  reported by node.example:5000, last seen at node.example:5000",
            "  witness node.example:5000 found it unreachable: no echo within 1 s",
        ]
    );
}

#[test]
fn who_left_did_so_by_its_own_word() {
    let mut net = Net::new(3);
    let admitted = certificate(&electorate(3), &admission(50), 1..=2);
    let left = std::sync::Arc::new(departure(admitted));
    net.council_mut(0).handle_proof(left).unwrap();
    net.run();
    let text = explain(&net, 0, 50).to_string();
    assert!(
        text.starts_with(
            "node.example:5000 (00000000) is out: it left by its own signed word at incarnation 1"
        ),
        "{text}"
    );
}

#[test]
fn another_electorates_certificate_says_so() {
    let admitted = certificate(&electorate(5), &admission(50), 1..=3);
    let mut net = Net::new(5);
    let proof = std::sync::Arc::new(Proof::Admission(admitted));
    net.council_mut(0).handle_proof(proof).unwrap();
    net.run();
    let council = net.council(0);
    let reader = electorate(3);
    let read = Explanation::of(&node(50), council.roster(), &reader, START_MS);
    assert_eq!(read.grounds.as_ref().unwrap().needed, None);
    assert!(read.to_string().contains("decided by another electorate"));
}

#[test]
fn the_own_vote_is_told_at_each_of_its_stages() {
    let own = |net: &Net, number| explain(net, 0, number).open[0].own.clone();
    let mut net = Net::new(3);
    net.stations[0].verdict = Verdict::Later;
    net.stations[0].disk = Disk::Slow;
    let id = net.propose(0, &admission(50)).unwrap();
    assert_eq!(own(&net, 50), OwnVote::Judging);
    net.judge(0, id, Choice::No);
    assert_eq!(own(&net, 50), OwnVote::Persisting);
    net.flush(0);
    assert_eq!(own(&net, 50), OwnVote::Cast(Choice::No));

    net.stations[0].disk = Disk::Broken;
    let id = net.propose(0, &admission(51)).unwrap();
    net.judge(0, id, Choice::Yes);
    assert_eq!(own(&net, 51), OwnVote::Withheld(Withheld::NotDurable));

    let id = net.propose(0, &admission(52)).unwrap();
    net.council_mut(0).handle_no_judgement(id, "no descriptors");
    assert_eq!(
        own(&net, 52),
        OwnVote::Withheld(Withheld::NoSay("no descriptors".to_owned()))
    );
    assert!(
        explain(&net, 0, 52).to_string().ends_with(
            "this voter gives no vote: it could not find out for itself (no descriptors)"
        )
    );

    let id = net.propose(0, &admission(53)).unwrap();
    let late = quorate_consensus::Now {
        unix_ms: net.now.unix_ms + 40_000,
        ..net.now
    };
    net.council_mut(0)
        .handle_judgement(id, Choice::Yes, "", late);
    assert_eq!(own(&net, 53), OwnVote::Withheld(Withheld::TooLate));

    let until = net.now.instant + Duration::from_secs(60);
    net.council_mut(0).abstain_until(until);
    net.propose(0, &admission(54)).unwrap();
    assert_eq!(own(&net, 54), OwnVote::Withheld(Withheld::Abstaining));
}

#[test]
fn ends_are_remembered_of_so_many_nodes_and_no_more() {
    let mut net = Net::with(
        electorate(1),
        Config {
            open_max: 4096,
            ..Config::default()
        },
    );
    net.stations[0].verdict = Verdict::No("full");
    for number in 100..400 {
        let id = net.propose(0, &admission(number)).unwrap();
        assert!(matches!(net.decisions(0, id)[..], [Decision::Defeated(_)]));
    }
    let is_remembered = |number| explain(&net, 0, number).ended.is_some();
    assert_eq!((100..400).filter(|n| is_remembered(*n)).count(), 256);
    assert!(!is_remembered(143));
    assert!((144..400).all(is_remembered), "the oldest go first");
}

#[test]
fn explanations_travel_as_json_with_ids_in_hexadecimal() {
    let mut net = Net::new(3);
    net.propose(0, &admission(50)).unwrap();
    net.run();
    net.stations[1].verdict = Verdict::No("no tea");
    net.stations[2].verdict = Verdict::No("no tea");
    net.propose(2, &motion(3, 1)).unwrap();
    net.run();
    for number in [3, 50] {
        let explanation = explain(&net, 0, number);
        let json = serde_json::to_string(&explanation).unwrap();
        assert!(json.contains(&node(number).to_string()), "{json}");
        assert_eq!(
            serde_json::from_str::<Explanation>(&json).unwrap(),
            explanation
        );
    }
    let text = explain(&net, 0, 3).to_string();
    assert!(
        text.contains("its motion \"tea\", opened 0 ms ago, was voted down"),
        "{text}"
    );
}

#[test]
fn spans_and_texts_are_told_as_people_would() {
    let spans = [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (9_999, "9.9 s"),
        (10_000, "10 s"),
        (119_999, "119 s"),
        (120_000, "2 min"),
        (7_200_000, "2 h"),
        (172_800_000, "2 days"),
    ];
    for (ms, text) in spans {
        assert_eq!(Span(ms).to_string(), text);
    }
    assert_eq!(OneLine("a\r\nb\u{7f}é").to_string(), "a\\r\\nb\\u{7f}é");
}
