//! A seed's store: standings with their proofs, checked against the seeds that it knows, and its own votes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use quorate_examples::{unix_time, visible};
use quorate_node::SeedLine;
use quorate_node::SeedList;
use quorate_node::consensus::{
    Ed25519, Electorate, Explanation, NetworkId, NodeId, Proof, Roster, Standing, StandingKey, Vote,
};
use quorate_node::store::Restored;

use crate::exporting;
use crate::view::Said;

pub(crate) struct Seeded {
    pub(crate) network: NetworkId,
    pub(crate) electorate: Electorate,
    /// All proofs, those that do not hold included, by node.
    pub(crate) proofs: Vec<Checked>,
    /// Those that hold.
    pub(crate) roster: Roster,
    /// Own votes, when their proposals were opened, and what is wrong with them.
    pub(crate) votes: Vec<(u64, Vote, Option<String>)>,
}

/// A proof, and what is wrong with it.
pub(crate) struct Checked {
    pub(crate) node: NodeId,
    pub(crate) key: StandingKey,
    pub(crate) proof: Arc<Proof>,
    pub(crate) fault: Option<String>,
}

impl Seeded {
    pub(crate) fn new(
        network: NetworkId,
        held: Restored,
        config: Option<&Path>,
    ) -> Result<Self, String> {
        let list = match config {
            Some(path) => SeedList::load(path).map_err(|error| error.to_string())?,
            None => met(&held.seats)?,
        };
        if list.network() != network {
            return Err(match config {
                Some(path) => format!(
                    "the store belongs to network {network}, but {} is that of {}",
                    path.display(),
                    list.network()
                ),
                None => format!(
                    "the seed has met {} seeds, and there are more; name the seed list with --config",
                    list.lines().len()
                ),
            });
        }
        let mut electorate = electorate(&list, &held.seats)?;
        for step in &held.steps {
            if step.epoch() >= electorate.epoch() {
                let next = step.follow(&electorate, &Ed25519);
                electorate = next.map_err(|error| {
                    format!("a stored change of the electorate does not follow: {error}")
                })?;
            }
        }
        let mut this = Self {
            network,
            electorate,
            proofs: Vec::new(),
            roster: Roster::new(),
            votes: Vec::new(),
        };
        this.check(held);
        Ok(this)
    }

    fn check(&mut self, held: Restored) {
        for proof in held.proofs {
            // Nothing else is ever written.
            let Some((node, key)) = proof.claims() else {
                continue;
            };
            let fault = match proof.clone().verify(&self.electorate, &Ed25519) {
                Ok(verified) => {
                    let _new = self.roster.merge(verified);
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            self.proofs.push(Checked {
                node,
                key,
                proof,
                fault,
            });
        }
        self.proofs.sort_by_key(|checked| checked.node);
        for (opened_ms, vote) in held.votes {
            let checked = vote.clone().verify(&self.electorate, &Ed25519);
            let fault = checked.err().map(|error| error.to_string());
            self.votes.push((opened_ms, vote, fault));
        }
    }

    pub(crate) fn known(&self) -> BTreeSet<NodeId> {
        let nodes = self.proofs.iter().map(|checked| checked.node);
        nodes.chain(self.electorate.voters()).collect()
    }

    pub(crate) fn list(&self) -> String {
        let of = |standing| {
            let proofs = self.proofs.iter();
            proofs.filter(|c| c.key.standing == standing).count()
        };
        let mut text = format!(
            "Network {}, epoch {}: {} seeds, {} decide; {} in, {} evicted, {} left\n",
            self.network,
            self.electorate.epoch(),
            self.electorate.seats().len(),
            self.electorate.quorum(),
            of(Standing::Admitted),
            of(Standing::Evicted),
            of(Standing::Left)
        );
        for seat in self.electorate.seats() {
            let voter = seat.voter.map_or("not met".to_owned(), |id| id.to_string());
            // Writing to a text does not fail.
            let _written = writeln!(text, "seed     {:<21}  {voter}", visible(&seat.name));
        }
        for checked in &self.proofs {
            let standing = match checked.key.standing {
                Standing::Admitted => "in",
                Standing::Evicted => "evicted",
                Standing::Left => "left",
            };
            let address = exporting::address(&checked.proof);
            let _written = write!(
                text,
                "{standing:<7}  {:<21}  {}  incarnation {}, {} signatures",
                visible(&address),
                checked.node,
                checked.key.incarnation,
                checked.proof.certificate().votes.len()
            );
            text.push_str(match checked.fault {
                Some(_) => ", NOT PROVEN\n",
                None => "\n",
            });
        }
        text
    }

    pub(crate) fn explain(&self, node: &NodeId) -> String {
        let now_ms = u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX);
        let explanation = Explanation::of(node, &self.roster, &self.electorate, now_ms);
        let fault = self.proofs.iter().find(|checked| checked.node == *node);
        match fault.and_then(|checked| checked.fault.as_ref()) {
            Some(fault) => format!(
                "{}: the store has a proof of its standing, which does not hold: {}",
                node.short(),
                visible(fault)
            ),
            None => explanation.to_string(),
        }
    }

    pub(crate) fn verify(&self) -> Said {
        let mut text = String::new();
        let mut wrong = 0;
        for checked in &self.proofs {
            if let Some(fault) = &checked.fault {
                wrong += 1;
                let (node, fault) = (checked.node, visible(fault));
                let _written = writeln!(text, "the proof of {node} does not hold: {fault}");
            }
        }
        for (_, vote, fault) in &self.votes {
            if let Some(fault) = fault {
                wrong += 1;
                let (proposal, fault) = (vote.proposal, visible(fault));
                let _written = writeln!(text, "the vote on {proposal} does not hold: {fault}");
            }
        }
        let (proofs, votes) = (self.proofs.len(), self.votes.len());
        let _written = writeln!(
            text,
            "{proofs} proofs and {votes} votes checked: {}",
            match wrong {
                0 => "all hold".to_owned(),
                wrong => format!("{wrong} do not hold"),
            }
        );
        Said {
            text,
            is_good: wrong == 0,
        }
    }

    pub(crate) fn export(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&exporting::SeedStore::of(self))
    }
}

/// The seeds that were met, as a list.
fn met(seats: &[(String, NodeId)]) -> Result<SeedList, String> {
    let lines = seats.iter().map(|(address, _)| SeedLine {
        address: address.clone(),
        pin: None,
    });
    SeedList::new(lines).map_err(|_| {
        "the seed has met no seeds, itself included; name the seed list with --config".to_owned()
    })
}

/// Who sits where, as the seed itself has it: what a line pins, or who was met there.
fn electorate(list: &SeedList, seats: &[(String, NodeId)]) -> Result<Electorate, String> {
    let does_not_fit =
        |error: &dyn std::error::Error| format!("the seed list does not fit: {error}");
    let mut electorate = list.electorate().map_err(|error| does_not_fit(&error))?;
    for (address, id) in seats {
        let seat = list.position(address);
        if let Some(seat) = seat.filter(|seat| list.lines()[*seat].pin.is_none()) {
            electorate
                .bind(seat, *id)
                .map_err(|error| does_not_fit(&error))?;
        }
    }
    Ok(electorate)
}
