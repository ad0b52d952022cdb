use quorate_consensus::{
    Certificate, Choice, NetworkId, Proposal, QuorumRule, Record, Seat, Unproven, UnprovenSigner,
    Vote,
};

use super::*;
use crate::config::{Options, SeedList};
use crate::protocol::RoleKind;
use crate::roles::connections::Realm;
use crate::roles::{Frame, Output};

const MEMBERS: u64 = 40;
const SEED: u64 = 101;
const ME: u64 = 1;
const SUSPECT: u64 = 2;

fn signer(number: u64) -> UnprovenSigner {
    Unproven::signer(NodeId::from(number))
}

fn electorate() -> Electorate {
    let seat = Seat {
        name: "10.255.0.1:5010".to_owned(),
        voter: Some(NodeId::from(SEED)),
    };
    Electorate::new(NetworkId::new([7; 32]), 0, QuorumRule::Majority, [seat]).unwrap()
}

fn roster(electorate: &Electorate) -> Roster {
    let mut roster = Roster::new();
    for number in 1..=MEMBERS {
        let endpoints = vec![format!("10.0.0.{number}:5000")];
        let network = electorate.network();
        let record = Record::sign(&signer(number), network, endpoints, 1, 1, 1_000).unwrap();
        let proposal = Proposal::Admit(record);
        let vote = Vote::cast(&signer(SEED), electorate, proposal.id(), Choice::Yes, "");
        let proof = Arc::new(Proof::Admission(Certificate {
            epoch: electorate.epoch(),
            electorate: electorate.id(),
            votes: [(vote.voter, vote.signature)].into_iter().collect(),
            proposal: proposal.into(),
        }));
        let _new = roster.merge(proof.verify(electorate, &Unproven).unwrap());
    }
    roster
}

/// A member that lost another. Whomever it dials to ask, it reaches at once, unless `is_cut_off`.
struct Investigator {
    suspicions: Suspicions,
    roster: Roster,
    electorate: Electorate,
    connections: Connections,
    probes: Probes,
    now: Now,
    is_cut_off: bool,
    connected: u64,
    dials: Vec<DialId>,
    /// Who was asked what.
    asked: Vec<(NodeId, Question)>,
    /// Whose testimonies the application was told of.
    witnesses: Vec<NodeId>,
}

impl Investigator {
    fn new() -> Self {
        let (electorate, options) = (electorate(), Options::default());
        let seeds = SeedList::parse("10.255.0.1,5010").unwrap();
        let now = Now {
            instant: Instant::now(),
            unix_ms: 2_000,
        };
        let (me, realm) = (NodeId::from(ME), Realm::seeded(&seeds));
        Self {
            suspicions: Suspicions::new(InquiryConfig::default()),
            roster: roster(&electorate),
            electorate,
            connections: Connections::new(me, RoleKind::Peer, realm, &options, 1, now),
            probes: Probes::new(Duration::from_secs(1)),
            now,
            is_cut_off: false,
            connected: 0,
            dials: Vec::new(),
            asked: Vec::new(),
            witnesses: Vec::new(),
        }
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Suspicions, &mut Surroundings<'_>) -> T) -> T {
        let mut out = Outbox::default();
        let signer = signer(ME);
        let mut with = Surroundings {
            signer: &signer,
            scheme: &Unproven,
            roster: &self.roster,
            electorate: &self.electorate,
            connections: &mut self.connections,
            probes: &mut self.probes,
            out: &mut out,
            now: self.now,
        };
        let acted = act(&mut self.suspicions, &mut with);
        while let Some(output) = out.pop() {
            self.carry_out(output);
        }
        acted
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Dial { dial, .. } if self.suspicions.dials.contains_key(&dial) => {
                self.dials.push(dial);
                if !self.is_cut_off {
                    self.reach();
                }
            }
            Output::Send {
                frame: Frame::Message(Message::SuspectRequest { inquiry, .. }),
                to,
            } => {
                let panelist = self.suspicions.errands[&to[0]].panelist;
                self.asked.push((panelist, inquiry));
            }
            Output::Event(Event::SuspectResponse { witness, .. }) => {
                self.witnesses.push(witness.id);
            }
            _ => {}
        }
    }

    /// All dials come up.
    fn reach(&mut self) {
        for dial in std::mem::take(&mut self.dials) {
            let conn = ConnId(self.connected);
            self.connected += 1;
            self.suspicions.handle_connected(conn, dial);
            self.act(|suspicions, with| suspicions.handle_ready(conn, with));
        }
    }

    fn notice(&mut self) {
        self.act(|suspicions, with| suspicions.notice(NodeId::from(SUSPECT), "lost", 0, with));
        self.fail_probe();
    }

    fn fail_probe(&mut self) {
        let target = NodeId::from(SUSPECT);
        let Stage::Probing(probe) = self.suspicions.cases[&target].stage else {
            panic!("{:?}", self.suspicions);
        };
        let outcome = Outcome::Silent("it did not answer".to_owned());
        let probed = Probed {
            probe,
            target,
            outcome,
        };
        self.act(|suspicions, with| suspicions.handle_probed(&probed, with));
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.act(Suspicions::handle_timeout);
    }

    /// Somebody testifies, on a link of its own.
    fn hear(&mut self, witness: NodeId, question: Question) -> Result<(), String> {
        let signer = Unproven::signer(witness);
        let testimony = Testimony::sign(&signer, question, Finding::Unreachable, "silent");
        self.act(|suspicions, with| {
            suspicions.handle_response(ConnId(u64::MAX), witness, testimony, with)
        })
    }
}

#[test]
fn only_who_was_asked_may_answer_late_and_only_once() {
    let mut investigator = Investigator::new();
    investigator.notice();
    let config = InquiryConfig::default();
    let (first, question) = investigator.asked[0];
    let not_asked = |investigator: &Investigator| {
        let mut others = (3..=MEMBERS).map(NodeId::from);
        others.find(|node| investigator.asked.iter().all(|(asked, _)| asked != node))
    };
    // Whoever was not asked cannot know the question but from one who was.
    let stranger = not_asked(&investigator).unwrap();
    let refused = Err(InquiryError::NotOnPanel.to_string());
    assert_eq!(investigator.hear(stranger, question), refused);
    let panel = investigator.asked.len();
    investigator.wait(config.answer_timeout);
    assert!(investigator.asked.len() > panel, "the silent are replaced");
    assert_eq!(investigator.hear(first, question), Ok(()));
    assert_eq!(investigator.hear(first, question), refused);
    assert_eq!(investigator.witnesses, []);
    let (second, _) = investigator.asked[panel];
    assert_eq!(investigator.hear(second, question), Ok(()));
    assert_eq!(investigator.witnesses, [second]);
    let twice = Err(InquiryError::Duplicate.to_string());
    assert_eq!(investigator.hear(second, question), twice);
    // When the inquiry is over, it does not matter any more who says what.
    let stranger = not_asked(&investigator).unwrap();
    investigator.wait(config.deadline);
    assert_eq!(investigator.hear(stranger, question), Ok(()));
    assert_eq!(investigator.witnesses, [second]);
}

#[test]
fn who_is_reached_by_the_dials_of_two_inquiries_is_asked_once() {
    let mut investigator = Investigator::new();
    investigator.is_cut_off = true;
    investigator.notice();
    let panel = investigator.dials.len();
    investigator.wait(InquiryConfig::default().deadline);
    investigator.wait(RETRY.0);
    investigator.fail_probe();
    assert!(investigator.dials.len() >= panel * 2);
    investigator.reach();
    let mut asked: Vec<NodeId> = investigator.asked.iter().map(|(node, _)| *node).collect();
    asked.sort();
    let times = asked.len();
    asked.dedup();
    assert_eq!(asked.len(), times);
    assert_eq!(times, panel);
    // So each has one answer, and none of them is a fault.
    let (first, question) = investigator.asked[0];
    assert_eq!(investigator.hear(first, question), Ok(()));
}
