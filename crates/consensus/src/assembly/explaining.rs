//! Why a node is in, out or pending in an open network, as one member's chain and what it was told have it.
//!
//! Plain data: it serialises, and prints as lines for people. [`Explanation::of_chain`] needs the chain alone, so it works
//! offline and for candidates too; [`Assembly::explain`] adds opinions, accusations and whom it is in touch with.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Assembly;
use crate::explanation::{Full, OneLine, Said, Span, Who, names};
use crate::id::{NetworkId, NodeId};
use crate::roster::Standing;
use crate::succession::{Chain, Change};
use crate::time::Now;
use crate::vote::Choice;

/// Why a node is in, out or pending, as one member has it. [`of_chain`](Self::of_chain) makes it of a chain alone,
/// [`Assembly::explain`] of all that the member was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whom it is about.
    pub node: Who,
    /// The network: the hash of its founding.
    pub network: NetworkId,
    /// How many decisions were made.
    pub epoch: u64,
    /// How many members there are now.
    pub members: usize,
    /// What the chain last decided about the node; `None` for one that it never names.
    pub decided: Option<Decided>,
    /// Of a candidate that is here, what was said of it.
    pub candidacy: Option<Candidacy>,
    /// Of a member that is accused, by whom.
    pub accused: Option<Accused>,
    /// It said that it leaves, and that is not decided yet.
    pub is_leaving: bool,
    /// Whether whoever explains can talk to it; `None` where only the chain is known.
    pub is_in_touch: Option<bool>,
}

/// What a link of the chain decided about a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What the node is by it.
    pub standing: Standing,
    /// In which of its lives.
    pub incarnation: u64,
    /// Which epoch's members decided it; `None` for the founder, whom nobody let in.
    pub epoch: Option<u64>,
    /// Of an admission, who allowed it; of an eviction, who accused it.
    pub by: Vec<Who>,
    /// Whose acceptance put it in order.
    pub accepted: Vec<Who>,
}

/// A candidate that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidacy {
    /// In which of its lives it wants to come.
    pub incarnation: u64,
    /// When it opened this attempt, in milliseconds since the Unix epoch.
    pub opened_ms: u64,
    /// How long ago that was.
    pub age_ms: u64,
    /// Where it says that it can be reached.
    pub endpoints: Vec<String>,
    /// Each opinion that is held: ALLOW is yes, DENY is no.
    pub opinions: Vec<Said>,
    /// The members whose word is missing.
    pub missing: Vec<Who>,
}

/// A member that is accused. It is thrown out when all who would stay accuse it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accused {
    /// By whom.
    pub by: Vec<Who>,
    /// The other members, who do not, as far as is known here.
    pub not_by: Vec<Who>,
}

impl Explanation {
    /// What a chain alone says of a node.
    pub fn of_chain(node: &NodeId, chain: &Chain) -> Self {
        let membership = chain.membership();
        Self {
            node: who(*node, chain),
            network: membership.network(),
            epoch: membership.epoch(),
            members: membership.len(),
            decided: decided(node, chain),
            candidacy: None,
            accused: None,
            is_leaving: false,
            is_in_touch: None,
        }
    }
}

impl Assembly {
    /// Why a node is in, out or pending. Changes nothing.
    pub fn explain(&self, node: &NodeId, now: Now) -> Explanation {
        let who = |node: NodeId| who(node, &self.chain);
        let record = self.candidates().find(|record| record.node == *node);
        let candidacy = record.map(|record| {
            let hash = record.hash();
            let opinions = self.opinions(&hash).map(|opinion| Said {
                voter: who(opinion.voter),
                choice: opinion.choice,
                reason: opinion.reason.clone(),
            });
            Candidacy {
                incarnation: record.incarnation,
                opened_ms: record.opened_ms,
                age_ms: now.unix_ms.saturating_sub(record.opened_ms),
                endpoints: record.endpoints.clone(),
                opinions: opinions.collect(),
                missing: self.waiting_for(&hash).into_iter().map(who).collect(),
            }
        });
        let by: Vec<NodeId> = self.core.accusers_of(node).collect();
        let accused = (!by.is_empty()).then(|| {
            let members = self.membership().members().map(|record| record.node);
            let not_by = members.filter(|other| other != node && !by.contains(other));
            Accused {
                not_by: not_by.map(who).collect(),
                by: by.iter().copied().map(who).collect(),
            }
        });
        let mut this = Explanation::of_chain(node, &self.chain);
        if let (None, Some(candidacy)) = (&this.node.name, &candidacy) {
            this.node.name = candidacy.endpoints.first().cloned();
        }
        Explanation {
            candidacy,
            accused,
            is_leaving: self.core.is_leaving(node),
            is_in_touch: Some(*node == self.me || self.met.contains(node)),
            ..this
        }
    }
}

fn who(node: NodeId, chain: &Chain) -> Who {
    let record = chain.last_record(&node);
    Who {
        id: node,
        name: record.and_then(|record| record.endpoints.first().cloned()),
    }
}

/// The last link that is about a node.
fn decided(node: &NodeId, chain: &Chain) -> Option<Decided> {
    let names = |nodes: Vec<&NodeId>| nodes.into_iter().map(|node| who(*node, chain)).collect();
    let life = || chain.membership().last_life(node).unwrap_or_default();
    let last = chain.links_from(0).iter().rev().find_map(|link| {
        let (standing, by) = match &link.change {
            Change::Admit { record, allows } if record.node == *node => {
                (Standing::Admitted, allows.keys().collect())
            }
            Change::Evict { suspects } => (Standing::Evicted, suspects.get(node)?.keys().collect()),
            Change::Leave(leave) if leave.member == *node => (Standing::Left, Vec::new()),
            Change::Admit { .. } | Change::Leave(_) => return None,
        };
        Some(Decided {
            standing,
            incarnation: life(),
            epoch: Some(link.epoch),
            by: names(by),
            accepted: names(link.accepted.keys().collect()),
        })
    });
    let is_founder = || {
        let founder = chain.first().member(node)?;
        Some(Decided {
            standing: Standing::Admitted,
            incarnation: founder.incarnation,
            epoch: None,
            by: Vec::new(),
            accepted: Vec::new(),
        })
    };
    last.or_else(is_founder)
}

impl fmt::Display for Explanation {
    /// Lines without a break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = Full(&self.node);
        match &self.decided {
            Some(decided) => write!(f, "{node} {decided}")?,
            None if self.candidacy.is_some() => write!(f, "{node} is not in")?,
            None => write!(
                f,
                "{node} is not in: the chain of {} decisions does not name it",
                self.epoch
            )?,
        }
        if let Some(candidacy) = &self.candidacy {
            write!(f, "\n{candidacy}")?;
        }
        if let Some(accused) = &self.accused {
            write!(
                f,
                "\neviction is pending: accused by {}",
                names(&accused.by)
            )?;
            if !accused.not_by.is_empty() {
                write!(f, "; not accused by {}", names(&accused.not_by))?;
            }
        }
        if self.is_leaving {
            write!(f, "\nit said that it leaves; that is not decided yet")?;
        }
        let is_member = self.decided.as_ref().map(|d| d.standing) == Some(Standing::Admitted);
        if is_member && self.is_in_touch == Some(false) {
            write!(f, "\nit is out of touch with this member")?;
        }
        Ok(())
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let life = self.incarnation;
        let Some(epoch) = self.epoch else {
            return write!(f, "is in: it founded the network, at incarnation {life}");
        };
        let by = names(&self.by);
        match self.standing {
            Standing::Admitted => write!(
                f,
                "is in: a member at incarnation {life}, by the decision of epoch {epoch}\n  allowed by {by}"
            ),
            Standing::Evicted => write!(
                f,
                "is out: evicted at incarnation {life}, by the decision of epoch {epoch}\n  accused by {by}"
            ),
            Standing::Left => write!(
                f,
                "is out: it left by its own signed word at incarnation {life}, by the decision of epoch {epoch}"
            ),
        }?;
        write!(f, "\n  put in order by {}", names(&self.accepted))
    }
}

impl fmt::Display for Candidacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = self.endpoints.iter().map(|endpoint| OneLine(endpoint));
        write!(
            f,
            "admission at incarnation {} is pending: opened {} ago, reachable at {}",
            self.incarnation,
            Span(self.age_ms),
            names(endpoints)
        )?;
        for said in &self.opinions {
            match said.choice {
                Choice::Yes => write!(f, "\n  {} allows it", said.voter)?,
                Choice::No => write!(f, "\n  {} denies it: {}", said.voter, OneLine(&said.reason))?,
            }
        }
        if !self.missing.is_empty() {
            write!(f, "\n  no word yet from {}", names(&self.missing))?;
        }
        Ok(())
    }
}
