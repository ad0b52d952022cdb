//! The conversation between a person and the network, as a pure machine: typed lines and events go in, lines to show and
//! commands to carry out come out.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use quorate_node::consensus::{Choice, NetworkId};
use quorate_node::{Event, NodeId, Party};

use crate::answer::{self, Answer, Typed};
use crate::naming::Naming;
pub(crate) use crate::questions::Question;
use crate::questions::{GUARD, NotTaken, Questions};

const HELP: [&str; 3] = [
    "A line is a message to all. While you are asked whether to allow a peer: y or n; about another one that waits:",
    "y 5001, or n 5001 and why not. /say TEXT sends what looks like an answer. /members: who is in. /quit leaves.",
    "/refound goes on as a new network, when too many members are gone for anything to be decided.",
];

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Allow(Question),
    Deny(Question, String),
    Say(String),
    Members,
    Refound,
    Leave,
    /// It was not let in; that has been told.
    Refused,
    /// It cannot go on, and why.
    Fail(String),
}

/// The conversation. After every input, take the lines and the commands.
#[derive(Debug)]
pub(crate) struct Console {
    me: NodeId,
    naming: Naming,
    /// Lines are typed by somebody who sees the screen.
    is_terminal: bool,
    is_verbose: bool,
    questions: Questions,
    is_in: bool,
    was_in: bool,
    /// Bootstraps that answer, and those that did not when they were last tried.
    answering: BTreeSet<String>,
    silent: BTreeSet<String>,
    is_told_to_wait: bool,
    /// The last one told: they repeat themselves.
    refusal: Option<String>,
    lines: Vec<String>,
    commands: VecDeque<Command>,
}

impl Console {
    pub(crate) fn new(me: NodeId, naming: Naming, is_terminal: bool, is_verbose: bool) -> Self {
        Self {
            me,
            naming,
            is_terminal,
            is_verbose,
            questions: Questions::default(),
            is_in: false,
            was_in: false,
            answering: BTreeSet::new(),
            silent: BTreeSet::new(),
            is_told_to_wait: false,
            refusal: None,
            lines: Vec::new(),
            commands: VecDeque::new(),
        }
    }

    /// Something to show.
    pub(crate) fn tell(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    pub(crate) fn take_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Whom the person is asked about.
    pub(crate) fn question(&self) -> Option<&Question> {
        self.questions.shown()
    }

    /// Whether lines are to be read: answers that nobody has asked for yet are kept up to a limit.
    pub(crate) fn wants_lines(&self) -> bool {
        self.questions.has_room()
    }

    pub(crate) const fn was_in(&self) -> bool {
        self.was_in
    }
}

// --- what is typed ---

impl Console {
    /// A line that was typed at `at`.
    pub(crate) fn handle_line(&mut self, line: &str, at: Instant) {
        match answer::read(line) {
            Typed::Nothing => {}
            Typed::Answer(answer) if self.is_terminal => self.answer(&answer, at),
            Typed::Answer(answer) => {
                if let Some(question) = self.questions.answer_or_hold(answer.clone()) {
                    self.give(question, answer);
                }
            }
            Typed::Text(text) => match self.question() {
                Some(question) if self.is_terminal => {
                    let name = question.name.clone();
                    self.tell(format!(
                        "Not sent. Answer y or n about {name}, or /say it to all."
                    ));
                }
                _ => self.say(text),
            },
            Typed::Command(word, rest) => self.command(&word, rest),
        }
    }

    fn answer(&mut self, answer: &Answer, at: Instant) {
        let refusal = match self.questions.answer(answer, at) {
            Ok(question) => return self.give(question, answer.clone()),
            Err(refusal) => refusal,
        };
        let why = match (refusal, &answer.name) {
            (NotTaken::Several(keys), Some(name)) => {
                format!(
                    "Several are called {name}. Name one by its key: {}.",
                    keys.join(", ")
                )
            }
            (NotTaken::JustChanged, _) if self.question().is_some() => {
                "Not taken: the question has just changed. Answer again.".to_owned()
            }
            (NotTaken::JustChanged, _) => {
                "Not taken: the request has just been withdrawn.".to_owned()
            }
            (_, Some(name)) => format!("Nobody called {name} asks to be let in."),
            (_, None) => "Nobody asks to be let in. /say sends a line as it is.".to_owned(),
        };
        self.tell(why);
    }

    fn give(&mut self, question: Question, answer: Answer) {
        self.commands.push_back(match answer.choice {
            Choice::Yes => Command::Allow(question),
            Choice::No => Command::Deny(question, answer.reason),
        });
    }

    fn say(&mut self, text: String) {
        if self.is_in {
            self.commands.push_back(Command::Say(text));
        } else {
            self.tell("Not sent: you are not in.");
        }
    }

    fn command(&mut self, word: &str, rest: String) {
        match word {
            "say" if rest.is_empty() => self.tell("Not sent: there is nothing to say."),
            "say" => self.say(rest),
            "members" => self.commands.push_back(Command::Members),
            "refound" => self.commands.push_back(Command::Refound),
            "quit" => self.commands.push_back(Command::Leave),
            "help" => HELP.into_iter().for_each(|line| self.tell(line)),
            _ => self.tell(format!("There is no /{word}; /help tells what there is.")),
        }
    }
}

// --- what happens ---

impl Console {
    /// Something happened at `now`.
    pub(crate) fn handle_event(&mut self, event: &Event, now: Instant) {
        let name = |party: &Party| self.naming.of(party);
        let names = |parties: &[Party]| self.naming.of_all(parties);
        let line = match event {
            Event::Joined { .. } => {
                (self.is_in, self.was_in) = (true, true);
                "Welcome to network".to_owned()
            }
            Event::JoinRequest { candidate, .. } => return self.asked(candidate, now),
            Event::JoinWithdrawn { candidate } => return self.withdrawn(candidate, now),
            Event::Opinion {
                candidate,
                voter,
                choice,
                reason,
            } => {
                return self.opinion(candidate, voter, *choice, reason, now);
            }
            Event::JoinStatus { waiting, .. } if waiting.is_empty() => return,
            Event::JoinStatus { waiting, .. } => format!("Waiting for {}", names(waiting)),
            Event::JoinHindered { member, reason } => {
                format!("{} does not take up the request: {reason}", name(member))
            }
            Event::JoinRefused { denied } => {
                let of = |(party, reason): &(Party, String)| match reason.as_str() {
                    "" => format!("{} (no reason given)", name(party)),
                    reason => format!("{} ({reason})", name(party)),
                };
                let denied: Vec<String> = denied.iter().map(of).collect();
                self.commands.push_back(Command::Refused);
                format!("Not allowed: denied by {}", denied.join(", "))
            }
            Event::Entered {
                member,
                epoch,
                members,
                ..
            } => {
                // Its request is over, whoever answered it.
                self.questions.withdraw(member.id, now);
                format!("{} is in: {members} members (epoch {epoch})", name(member))
            }
            Event::Left(member) if member.id == self.me => return,
            Event::Left(member) => format!("{} has left", name(member)),
            Event::Suspected { suspect, cause } => {
                format!("{} does not answer: {cause}", name(suspect))
            }
            Event::DeadConfirmed { member, .. } => format!("{} is gone", name(member)),
            Event::Evicted { .. } => {
                self.is_in = false;
                "The others took this peer for dead. It asks to be let in again".to_owned()
            }
            Event::Stuck {
                silent,
                members,
                quorum,
            } => format!(
                "Waiting for {}: {quorum} of {members} members are needed to decide anything. If they are gone for good, \
                 /refound goes on without them",
                names(silent)
            ),
            Event::Founded {
                network,
                after: Some(after),
            } => format!(
                "Founded network {}, which goes on from {}",
                brief(network),
                brief(after)
            ),
            Event::NewIdentity { lost } => format!(
                "What {} said and decided is lost, but not its key: this is a new peer",
                lost.short()
            ),
            Event::Message(delivery) => {
                let text = String::from_utf8_lossy(&delivery.payload);
                format!("<{}> {text}", name(&delivery.origin))
            }
            Event::BootstrapAnswered { address, .. } => {
                self.answering.insert(address.clone());
                if !self.silent.remove(address) {
                    return;
                }
                format!("Bootstrap {address} answers again")
            }
            Event::BootstrapLost { address, .. } => {
                self.silent.insert(address.clone());
                // One that never answered is told of by whatever comes of looking.
                if !self.answering.remove(address) {
                    return;
                }
                format!("Bootstrap {address} does not answer; the network goes on without it")
            }
            Event::NoWayIn { reason } => return self.no_way_in(reason),
            // Most often a node of another network, which is to be known by who waits for it.
            Event::Refused { .. } => {
                let line = event.to_string();
                if self.refusal.replace(line.clone()).as_ref() == Some(&line) {
                    return;
                }
                line
            }
            Event::Gap { .. }
            | Event::Contradiction(_)
            | Event::StoreFailed(_)
            | Event::Lagged(_) => event.to_string(),
            _ if self.is_verbose => event.to_string(),
            _ => return,
        };
        self.tell(line);
    }

    fn asked(&mut self, candidate: &Party, now: Instant) {
        let name = self.naming.of(candidate);
        let had_question = self.question().is_some();
        if let Some(answer) = self.questions.ask(candidate.id, name.clone(), now) {
            let word = if answer.choice == Choice::Yes {
                "y"
            } else {
                "n"
            };
            self.tell(format!("Join request from peer {name}"));
            self.tell(format!("Allow this peer? (y/n): {word}"));
            let question = Question {
                number: 0,
                candidate: candidate.id,
                name,
            };
            self.give(question, answer);
        } else if had_question {
            let behind = self.questions.behind();
            self.tell(format!(
                "{name} asks, too ({behind} waiting). Answer one after the other, or by name: y {name}"
            ));
        }
    }

    fn withdrawn(&mut self, candidate: &Party, now: Instant) {
        let Some((question, was_shown)) = self.questions.withdraw(candidate.id, now) else {
            return;
        };
        self.tell(format!("{} does not ask any more", question.name));
        if was_shown && self.is_terminal && self.question().is_some() {
            let seconds = GUARD.as_secs();
            self.tell(format!(
                "The question changes: y or n is not taken for {seconds} s"
            ));
        }
    }

    fn opinion(
        &mut self,
        candidate: &Party,
        voter: &Party,
        choice: Choice,
        reason: &str,
        now: Instant,
    ) {
        let (about, by) = (self.naming.of(candidate), self.naming.of(voter));
        let why = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        if voter.id == self.me {
            // Answered by a rule, or for an earlier request that the node took for this one.
            self.questions.withdraw(candidate.id, now);
        }
        let is_mine = voter.id == self.me;
        let line = match (candidate.id == self.me, is_mine, choice) {
            (true, _, Choice::Yes) => format!("Allowed by {by}"),
            // Who denied is told when the request ends, which it does at once.
            (true, _, Choice::No) => return,
            (false, true, Choice::Yes) => format!("You allow {about}"),
            (false, true, Choice::No) => format!("You deny {about}{why}"),
            (false, false, Choice::Yes) => format!("{by} allows {about}"),
            (false, false, Choice::No) => format!("{by} denies {about}{why}"),
        };
        self.tell(line);
    }

    /// Nobody is found. Where a bootstrap answers, time may help: others are about to found the network, or those that it
    /// names are dead and will be forgotten.
    fn no_way_in(&mut self, reason: &str) {
        let may_wait = !self.answering.is_empty() && !self.is_told_to_wait;
        if self.was_in || may_wait {
            self.is_told_to_wait = true;
            self.tell(format!("Still looking for the network: {reason}"));
        } else {
            self.commands.push_back(Command::Fail(format!(
                "no network was found ({reason}); start a bootstrap (--bootstrap), enter by a member (--join), or found a \
                 network alone (--found)"
            )));
        }
    }
}

/// The beginning of an id: enough to tell two networks apart.
fn brief(id: &NetworkId) -> String {
    id.to_string().chars().take(8).collect()
}
