//! Why a node is in, out or pending, as one node has it: what was and is being decided, and what this node sees itself.
//!
//! One type for all roles. A seed answers from its council, its sessions, its suspicions and what it remembers of false
//! reports; a peer from its roster and suspicions; a member of an open network from its assembly, and a candidate from the
//! chain that it was shown. Printed, it is sentences; it also serialises.

use std::fmt;
use std::time::{Duration, Instant};

use quorate_consensus::explanation::{OneLine, Span, Who};
use quorate_consensus::{Finding, assembly};
use serde::{Deserialize, Serialize};

use crate::event::Party;
use crate::protocol::Purpose;

/// Why a node is in, out or pending. See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was decided of it, and is being decided.
    pub decided: Decided,
    /// What this node's connections with it are for; empty for itself.
    pub connections: Vec<Purpose>,
    /// Of a member that a seed has no session with: in how many milliseconds the seed looks after it.
    pub missed_for_ms: Option<u64>,
    /// A suspicion of it that is under way here.
    pub suspicion: Option<Suspicion>,
    /// What a seed holds against it as a reporter or a witness.
    pub refuted: Option<Refuted>,
}

/// What was decided, by whichever electorate the network has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decided {
    /// By the seeds of a seeded network.
    BySeeds(Box<quorate_consensus::Explanation>),
    /// By the members of an open network.
    ByMembers(Box<assembly::Explanation>),
    /// Nothing is known: this node has not found the open network that it looks for.
    Nothing(Who),
}

/// What a node does about another that it lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspicion {
    /// What was noticed.
    pub cause: String,
    /// How often it came to nothing before.
    pub tries: u32,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a suspicion has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// This node probes the suspect itself.
    Probing,
    /// The own probe failed, and the panel is asked.
    Asking {
        /// How the own probe failed.
        own_cause: String,
        /// Everybody who was asked; nobody yet, as long as another neighbour's turn comes first.
        asked: Vec<Asked>,
        /// In how many milliseconds the next step is due: somebody's turn, or somebody's answer.
        next_in_ms: Option<u64>,
        /// In how many milliseconds it is given up.
        given_up_in_ms: Option<u64>,
    },
    /// It came to nothing, or was reported; the suspect is probed again in so many milliseconds.
    Waiting {
        /// In how many milliseconds.
        again_in_ms: u64,
    },
    /// A member of an open network without a link: it is accused when this has lasted long enough.
    Watched {
        /// For how many milliseconds nothing was heard of it.
        silent_for_ms: u64,
        /// For how many of these its host has refused connections.
        refused_for_ms: Option<u64>,
    },
}

/// Somebody on the panel, and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who.
    pub panelist: Who,
    /// The answer.
    pub answer: Answer,
}

/// What came of a question to a panelist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Nothing yet.
    Awaited,
    /// What it found.
    Found(Finding),
    /// Nothing in time: it was replaced.
    Silent,
}

/// What a seed holds against a reporter or a witness; see [`Event::FalseReport`](crate::Event::FalseReport).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refuted {
    /// How many of its last reports were refuted by this seed.
    pub reports: usize,
    /// How many of its last testimonies were.
    pub testimonies: usize,
    /// For how many milliseconds its reports are not taken up.
    pub pause_ms: Option<u64>,
}

impl Explanation {
    /// What was decided, and nothing that this node sees itself.
    pub const fn of(decided: Decided) -> Self {
        Self {
            decided,
            connections: Vec::new(),
            missed_for_ms: None,
            suspicion: None,
            refuted: None,
        }
    }
}

/// A span in whole milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// How long it is until then.
pub(crate) fn until(then: Instant, now: Instant) -> u64 {
    millis(then.saturating_duration_since(now))
}

impl From<Party> for Who {
    fn from(party: Party) -> Self {
        Self {
            id: party.id,
            name: party.address,
        }
    }
}

impl fmt::Display for Explanation {
    /// Lines without a break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.decided {
            Decided::BySeeds(decided) => decided.fmt(f)?,
            Decided::ByMembers(decided) => decided.fmt(f)?,
            Decided::Nothing(who) => {
                write!(
                    f,
                    "{who} is not in: this node has not found its network yet"
                )?;
            }
        }
        if !self.connections.is_empty() {
            let purposes: Vec<String> = self
                .connections
                .iter()
                .map(|purpose| format!("{purpose:?}").to_lowercase())
                .collect();
            write!(f, "\nconnected to this node, to {}", purposes.join(", "))?;
        }
        if let Some(ms) = self.missed_for_ms {
            write!(
                f,
                "\nwithout a session with this seed, which looks after it in {}",
                Span(ms)
            )?;
        }
        if let Some(suspicion) = &self.suspicion {
            write!(f, "\n{suspicion}")?;
        }
        if let Some(refuted) = &self.refuted {
            write!(f, "\n{refuted}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "suspected by this node: {}", OneLine(&self.cause))?;
        if self.tries > 0 {
            write!(f, "; taken up {} times before", self.tries)?;
        }
        match &self.stage {
            Stage::Probing => f.write_str("\n  it is being probed"),
            Stage::Asking {
                own_cause,
                asked,
                next_in_ms,
                given_up_in_ms,
            } => {
                write!(f, "\n  it did not answer this node: {}", OneLine(own_cause))?;
                if let (true, Some(ms)) = (asked.is_empty(), next_in_ms) {
                    write!(
                        f,
                        "\n  its panel is asked in {}, unless another neighbour's report comes first",
                        Span(*ms)
                    )?;
                }
                for Asked { panelist, answer } in asked {
                    let answer = match answer {
                        Answer::Awaited => "has not answered yet",
                        Answer::Found(Finding::Unreachable) => "found it unreachable",
                        Answer::Found(Finding::Alive) => "found it alive",
                        Answer::Silent => "did not answer in time and was replaced",
                    };
                    write!(f, "\n  {panelist} on its panel {answer}")?;
                }
                if let Some(ms) = given_up_in_ms {
                    write!(f, "\n  given up in {}", Span(*ms))?;
                }
                Ok(())
            }
            Stage::Waiting { again_in_ms } => {
                write!(f, "\n  it is probed again in {}", Span(*again_in_ms))
            }
            Stage::Watched {
                silent_for_ms,
                refused_for_ms,
            } => {
                write!(
                    f,
                    "\n  nothing was heard of it for {}",
                    Span(*silent_for_ms)
                )?;
                match refused_for_ms {
                    Some(ms) => write!(f, "; its host has refused connections for {}", Span(*ms)),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Refuted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut what = Vec::new();
        if self.reports > 0 {
            what.push(format!("its last {} reports", self.reports));
        }
        if self.testimonies > 0 {
            what.push(format!("its last {} testimonies", self.testimonies));
        }
        write!(f, "{} were refuted by this seed", what.join(" and "))?;
        match self.pause_ms {
            Some(ms) => write!(f, "; its reports are taken up again in {}", Span(ms)),
            None => Ok(()),
        }
    }
}
