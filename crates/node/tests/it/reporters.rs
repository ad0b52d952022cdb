//! Whose reports a seed hears: probes that succeed refute them, and who is refuted again and again is heard more rarely. One
//! seed that decides alone, all of whose surroundings are played by the test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::consensus::explanation::End;
use quorate_node::consensus::{
    Certificate, Choice, DeadReport, Finding, Inquiry, NodeId, Now, Proof, Proposal, Record,
    Signature, Standing, Testimony, Unproven, Vote,
};
use quorate_node::explanation::{Decided, Refuted, Stage};
use quorate_node::protocol::{Hello, Message, Purpose, RoleKind, VERSIONS};
use quorate_node::roles::{
    ConnId, DialError, DialId, Frame, Output, Reply, Request, RequestId, Role, Seed,
};
use quorate_node::store::Restored;
use quorate_node::{Event, Explanation, Options, SeedList};

const START_MS: u64 = 1_700_000_000_000;
const SEED: u64 = 1;
const SUSPECT: u64 = 10;
/// With the suspect and its four, five are asked about the sixth: all are on the panel, and three of them confirm.
const OTHERS: [u64; 5] = [11, 12, 13, 14, 15];

fn id(number: u64) -> NodeId {
    NodeId::from(number)
}

fn list() -> SeedList {
    SeedList::parse(&format!("127.0.0.1,5010,{}", id(SEED))).unwrap()
}

fn admission(number: u64) -> Arc<Proof> {
    let electorate = list().electorate().unwrap();
    let endpoints = vec![format!("127.0.0.1:{}", 6000 + number)];
    let signer = Unproven::signer(id(number));
    let record = Record::sign(&signer, list().network(), endpoints, 1, 1, START_MS).unwrap();
    let proposal = Proposal::Admit(record);
    let voter = Unproven::signer(id(SEED));
    let vote = Vote::cast(&voter, &electorate, proposal.id(), Choice::Yes, "");
    Arc::new(Proof::Admission(Certificate {
        proposal: proposal.into(),
        epoch: 0,
        electorate: electorate.id(),
        votes: [(vote.voter, vote.signature)].into_iter().collect(),
    }))
}

/// A seed, and what the test knows of it.
struct Scene {
    seed: Seed,
    now: Now,
    events: Vec<Event>,
    sent: Vec<(ConnId, Message)>,
    /// Dials of the seed that are not answered yet.
    dials: Vec<(DialId, NodeId)>,
    sessions: BTreeMap<u64, ConnId>,
    explained: Option<Explanation>,
    next: u64,
    attempt: u64,
}

impl Scene {
    fn new() -> Self {
        let now = Now {
            instant: Instant::now(),
            unix_ms: START_MS,
        };
        let restored = Restored {
            seats: vec![("127.0.0.1:5010".to_owned(), id(SEED))],
            proofs: OTHERS.into_iter().chain([SUSPECT]).map(admission).collect(),
            ..Restored::default()
        };
        let seed = Seed::new(
            Arc::new(Unproven::signer(id(SEED))),
            Arc::new(Unproven),
            "127.0.0.1:5010",
            &list(),
            Options::default(),
            restored,
            1,
            now,
        );
        let mut this = Self {
            seed: seed.unwrap(),
            now,
            events: Vec::new(),
            sent: Vec::new(),
            dials: Vec::new(),
            sessions: BTreeMap::new(),
            explained: None,
            next: 0,
            attempt: 0,
        };
        this.drain();
        for number in OTHERS.into_iter().chain([SUSPECT]) {
            let conn = this.connect(None, number, Purpose::Register);
            this.sessions.insert(number, conn);
            this.say(conn, Message::Passport(admission(number)));
        }
        this
    }

    fn drain(&mut self) {
        while let Some(output) = self.seed.poll_output() {
            match output {
                Output::Dial { dial, expect, .. } => {
                    self.dials
                        .push((dial, expect.expect("a probe of somebody")));
                }
                Output::CancelDial(dial) => self.dials.retain(|(other, _)| *other != dial),
                Output::Send { to, frame } => {
                    if let Frame::Message(message) = frame {
                        let sent = to.into_iter().map(|conn| (conn, message.clone()));
                        self.sent.extend(sent);
                    }
                }
                Output::Close(conn) => self.seed.handle_closed(conn, "closed", self.now),
                Output::Write { write, .. } => self.seed.handle_written(write, Ok(()), self.now),
                Output::Event(event) => self.events.push(event),
                Output::Reply(_, Reply::Explained(explanation)) => {
                    self.explained = explanation.map(|explanation| *explanation);
                }
                Output::Reply(..) | Output::Accept(_) | Output::Exit => {}
            }
        }
    }

    fn connect(&mut self, dial: Option<DialId>, number: u64, purpose: Purpose) -> ConnId {
        let conn = ConnId(self.next);
        self.next += 1;
        self.seed
            .handle_connected(conn, dial, id(number), "127.0.0.1:1", self.now);
        self.drain();
        let hello = Hello {
            versions: VERSIONS,
            network: list().network(),
            seeds: list().addresses(),
            format: Options::default().format,
            purpose,
            role: RoleKind::Peer,
        };
        self.seed.handle_frame(conn, Frame::Hello(hello), self.now);
        self.drain();
        conn
    }

    fn say(&mut self, conn: ConnId, message: Message) {
        self.seed
            .handle_frame(conn, Frame::Message(message), self.now);
        self.drain();
    }

    /// Lets time pass; all who are connected give signs of life.
    fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        while self.now.instant < end.instant {
            let step = Duration::from_secs(1).min(end.instant - self.now.instant);
            self.now = self.now.after(step);
            for conn in self.sessions.clone().into_values() {
                self.say(conn, Message::Probe { nonce: 1 });
            }
            if self
                .seed
                .poll_timeout()
                .is_some_and(|due| due <= self.now.instant)
            {
                self.seed.handle_timeout(self.now);
                self.drain();
            }
        }
    }

    /// A report of the suspect's death, with these witnesses.
    fn report(&mut self, reporter: u64, witnesses: &[u64]) -> DeadReport {
        self.attempt += 1;
        let inquiry = Inquiry {
            network: list().network(),
            suspect: id(SUSPECT),
            incarnation: 1,
            attempt: self.attempt,
        };
        let testify = |witness: &u64| {
            let signer = Unproven::signer(id(*witness));
            Testimony::sign(&signer, inquiry, Finding::Unreachable, "no echo")
        };
        DeadReport::sign(
            &Unproven::signer(id(reporter)),
            inquiry,
            "127.0.0.1:6010".to_owned(),
            self.now.unix_ms,
            witnesses.iter().map(testify).collect(),
            Vec::new(),
        )
    }

    /// Its reporter brings it. Returns how many probes of the suspect the seed began.
    fn bring(&mut self, report: DeadReport) -> usize {
        let reporter = OTHERS
            .into_iter()
            .find(|number| id(*number) == report.reporter);
        let session = self.sessions[&reporter.unwrap()];
        let before = self.dials.len();
        self.say(session, Message::DeadReport(report));
        self.dials.len() - before
    }

    /// The suspect answers every probe under way.
    fn answer(&mut self) {
        for (dial, of) in std::mem::take(&mut self.dials) {
            assert_eq!(of, id(SUSPECT));
            let conn = self.connect(Some(dial), SUSPECT, Purpose::Probe);
            let nonce = self
                .sent
                .iter()
                .rev()
                .find_map(|(to, message)| match message {
                    Message::Probe { nonce } if *to == conn => Some(*nonce),
                    _ => None,
                });
            let nonce = nonce.expect("a probe");
            self.say(
                conn,
                Message::Echo {
                    nonce,
                    record: None,
                },
            );
        }
    }

    /// The suspect's session breaks off.
    fn lose(&mut self) {
        if let Some(session) = self.sessions.remove(&SUSPECT) {
            self.seed
                .handle_closed(session, "connection reset", self.now);
            self.drain();
        }
    }

    /// Nobody listens where the suspect was.
    fn refuse(&mut self) {
        self.lose();
        for (dial, _) in std::mem::take(&mut self.dials) {
            let error = DialError::Refused("connection refused".to_owned());
            self.seed.handle_dial_failed(dial, error, self.now);
            self.drain();
        }
    }

    /// Why the reporter's last report was refused, as it was told.
    fn refusal(&self, reporter: u64) -> Option<&str> {
        let session = self.sessions[&reporter];
        let mut told = self.sent.iter().rev();
        told.find_map(|(to, message)| match message {
            Message::DeadReportRefused { reason, .. } if *to == session => Some(&**reason),
            _ => None,
        })
    }

    /// How often each false report was shown: its reporter's count.
    fn false_reports(&self) -> Vec<(NodeId, usize)> {
        let events = self.events.iter();
        events
            .filter_map(|event| match event {
                Event::FalseReport {
                    reporter, count, ..
                } => Some((reporter.id, *count)),
                _ => None,
            })
            .collect()
    }

    fn explain(&mut self, number: u64) -> Explanation {
        let request = Request::Explain(id(number));
        self.seed.handle_request(RequestId(1), request, self.now);
        self.drain();
        self.explained.take().unwrap()
    }

    fn standing(&self) -> Standing {
        let roster = self.seed.council().roster();
        roster.get(&id(SUSPECT)).unwrap().key.standing
    }

    /// A reporter whose reports were refuted so often.
    fn refuted(&mut self, reporter: u64, times: usize) {
        for _ in 0..times {
            let report = self.report(reporter, &[reporter, 12, 13]);
            assert_eq!(self.bring(report), 1);
            self.answer();
            self.wait(Duration::from_secs(2));
        }
    }
}

#[test]
fn a_seed_whose_probe_is_answered_votes_no_with_the_reason_and_tells_the_reporter() {
    let mut scene = Scene::new();
    let report = scene.report(11, &[11, 12, 13]);
    assert_eq!(scene.bring(report), 1);
    scene.answer();
    let voted = |event: &Event| {
        matches!(event, Event::DeadVote { suspect, choice: Choice::No, reason, .. }
            if suspect.id == id(SUSPECT) && reason == "it answered this seed's probe")
    };
    assert!(scene.events.iter().any(voted), "{:?}", scene.events);
    let reason = scene.refusal(11).unwrap();
    assert!(reason.contains("it answered this seed's probe"), "{reason}");
    assert_eq!(scene.refusal(12), None, "only the reporter is told");
    assert_eq!(scene.standing(), Standing::Admitted);
    assert_eq!(scene.false_reports(), [(id(11), 1)]);
    // Asked a minute later, the seed still knows why.
    scene.wait(Duration::from_secs(60));
    let explanation = scene.explain(SUSPECT);
    let Decided::BySeeds(decided) = &explanation.decided else {
        panic!("{explanation:?}");
    };
    let ended = decided.ended.as_ref().unwrap();
    assert_eq!(ended.end, End::Defeated);
    assert_eq!(ended.count.votes[0].reason, "it answered this seed's probe");
}

#[test]
fn a_repeated_false_reporter_is_refused_with_the_reason_while_an_honest_one_is_heard() {
    let mut scene = Scene::new();
    scene.refuted(11, 3);
    assert_eq!(
        scene.false_reports(),
        [(id(11), 1), (id(11), 2), (id(11), 3)]
    );

    let report = scene.report(11, &[11, 14, 15]);
    assert_eq!(scene.bring(report), 0, "nobody is probed on its word");
    assert_eq!(
        scene.refusal(11).unwrap(),
        "its last 3 reports were refuted by this seed, which hears it again in 28 s"
    );
    let held = scene.explain(11);
    let refuted = Refuted {
        reports: 3,
        testimonies: 3,
        pause_ms: Some(28_000),
    };
    assert_eq!(held.refuted, Some(refuted));
    assert!(
        held.to_string().ends_with(
            "its last 3 reports and its last 3 testimonies were refuted by this seed; \
             its reports are taken up again in 28 s"
        ),
        "{held}"
    );
    assert_eq!(held.connections, [Purpose::Register]);

    // The suspect dies, and another says so, with the testimonies of those who were not wrong before.
    let report = scene.report(14, &[14, 15, 13]);
    assert!(scene.bring(report) > 0);
    scene.refuse();
    assert_eq!(scene.standing(), Standing::Evicted);
    // So the first was not lying, it seems.
    assert_eq!(scene.explain(11).refuted, None);
}

#[test]
fn a_reporter_is_heard_again_after_its_pause_and_forgiven_with_time() {
    let mut scene = Scene::new();
    scene.refuted(11, 3);
    scene.wait(Duration::from_secs(28));
    let report = scene.report(11, &[11, 14, 15]);
    assert_eq!(scene.bring(report), 1, "{:?}", scene.refusal(11));
    scene.answer();
    // The next pause is twice as long.
    scene.wait(Duration::from_secs(50));
    let report = scene.report(11, &[11, 14, 15]);
    assert_eq!(scene.bring(report), 0);
    assert!(scene.refusal(11).unwrap().contains("its last 4 reports"));
    scene.wait(Duration::from_secs(2 * 3600));
    assert_eq!(scene.explain(11).refuted.map(|held| held.reports), Some(2));
    let report = scene.report(11, &[11, 14, 15]);
    assert!(scene.bring(report) > 0);
}

#[test]
fn a_majority_of_witnesses_that_were_wrong_before_makes_the_seed_look_first() {
    let mut scene = Scene::new();
    // 12 and 13 testify falsely for three different reporters, none of whom is wrong often.
    for reporter in [11, 14, 15] {
        scene.refuted(reporter, 1);
    }
    // Each of the later reporters seconded the earlier, once: that was taken back. Now it stays.
    for reporter in [11, 14, 15] {
        scene.refuted(reporter, 1);
    }
    let doubted = scene.explain(12).refuted.unwrap();
    assert!(doubted.testimonies >= 3, "{doubted:?}");

    // Without them there is no majority: the suspect is looked at, and no vote is opened.
    let votes = |scene: &Scene| {
        let events = scene.events.iter();
        events
            .filter(|event| matches!(event, Event::DeadProposal { .. }))
            .count()
    };
    let before = votes(&scene);
    let report = scene.report(14, &[14, 12, 13]);
    assert_eq!(scene.bring(report), 1);
    assert_eq!(votes(&scene), before);
    scene.answer();
    assert_eq!(votes(&scene), before);
    let reason = scene.refusal(14).unwrap();
    assert!(
        reason.contains("witnesses whose last testimonies were refuted"),
        "{reason}"
    );

    // With a majority of others it is voted on at once.
    let report = scene.report(15, &[15, 14, 11]);
    assert_eq!(scene.bring(report), 1);
    assert_eq!(votes(&scene), before + 1);
    scene.answer();

    // And a suspect that is dead is evicted also on the word of those who are doubted.
    let report = scene.report(15, &[15, 12, 13]);
    assert_eq!(scene.bring(report), 1);
    assert_eq!(scene.standing(), Standing::Admitted);
    scene.refuse();
    // It was looked at; now the vote is open, and this seed probes again.
    scene.refuse();
    assert_eq!(scene.standing(), Standing::Evicted);
}

#[test]
fn a_report_that_its_witnesses_did_not_sign_is_a_false_one_and_says_nothing_of_them() {
    let mut scene = Scene::new();
    for count in 1..=3 {
        let mut report = scene.report(11, &[11, 12, 13]);
        report.testimonies[1].signature = Signature::new([7; 64]);
        let report = DeadReport::sign(
            &Unproven::signer(id(11)),
            report.inquiry(),
            report.endpoint.clone(),
            report.opened_ms,
            report.testimonies,
            Vec::new(),
        );
        assert_eq!(scene.bring(report), 0);
        assert_eq!(scene.false_reports().last(), Some(&(id(11), count)));
        let reason = scene.refusal(11).unwrap();
        assert!(reason.contains("does not carry its signature"), "{reason}");
    }
    assert_eq!(scene.explain(12).refuted, None);
    let report = scene.report(11, &[11, 12, 13]);
    assert_eq!(scene.bring(report), 0, "not even a genuine one for now");
}

#[test]
fn a_report_with_too_few_of_its_panel_is_refused_and_not_held_against_anybody() {
    let mut scene = Scene::new();
    for _ in 0..4 {
        let report = scene.report(11, &[11, 12]);
        assert_eq!(scene.bring(report), 0);
    }
    let reason = scene.refusal(11).unwrap();
    assert!(
        reason.starts_with("expected testimonies of 3 of its panel of 5"),
        "{reason}"
    );
    assert_eq!(scene.false_reports(), []);
    assert_eq!(scene.explain(11).refuted, None);
}

#[test]
fn a_seed_says_how_far_its_own_suspicion_of_a_member_without_a_session_has_come() {
    let mut scene = Scene::new();
    scene.lose();
    let missed = scene.explain(SUSPECT);
    assert!(missed.missed_for_ms.is_some() && missed.connections.is_empty());
    assert_eq!(missed.suspicion, None);
    while scene.dials.is_empty() {
        scene.wait(Duration::from_millis(500));
    }
    let suspected = scene.explain(SUSPECT).suspicion.unwrap();
    assert_eq!(suspected.stage, Stage::Probing);
    scene.refuse();
    let asking = scene.explain(SUSPECT);
    let Stage::Asking { asked, .. } = &asking.suspicion.as_ref().unwrap().stage else {
        panic!("{asking}");
    };
    assert_eq!(asked.len(), OTHERS.len());
    let text = asking.to_string();
    assert!(
        text.contains("it did not answer this node: connection refused"),
        "{text}"
    );
    assert!(
        text.contains("127.0.0.1:6012 on its panel has not answered yet"),
        "{text}"
    );
    assert!(text.contains("given up in "), "{text}");
}
