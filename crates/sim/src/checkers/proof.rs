//! **Proof**: nobody has a standing in an honest roster without a certificate of a quorum of a true electorate.
//!
//! Each distinct proof in honest seeds' and peers' rosters is verified once, with the electorate of which all keys are
//! known: those who voted in the epoch that its certificate names. Beside what the product's own check says:
//!
//! - the entry is where its proof says that it belongs, with the order's key that it claims;
//! - the signers are counted again: of a quorum of the true electorate, for the true network;
//! - an honest seed's signature is on nothing that it did not vote yes for, on its own disk or by its own message;
//! - nobody honest has left whose application did not ask for it.
//!
//! And what an honest seed puts to the vote holds by itself: every signature in a report of a death is good, its reporter's
//! and its witnesses'. Whether the witnesses are the right ones depends on what the seed knew of the members, and is left to
//! the votes.
//!
//! Rosters are looked at in turns, so many entries in a second, hence all of them every second while networks are small.
//!
//! Left out: proofs that come and go between two looks; liars' own rosters; open networks, whose proofs are links.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use quorate_consensus::council::{self, Durable};
use quorate_consensus::{Choice, Entry, NodeId, Proof, Proposal, ProposalId, Vote};
use quorate_node::protocol::Message;
use quorate_node::roles::{Frame, Request};
use quorate_node::store::{SeedStored, Stored};

use super::Checker;
use crate::fact::{Fact, View};
use crate::host::HostId;
use crate::process::Process;

/// How many entries are looked at in a second, about.
const LOOKED_AT: usize = 16_384;

/// Watches that rosters hold nothing unproven.
#[derive(Debug, Default)]
pub struct ProofChecker {
    /// Proofs that were found good. Looked up, never iterated.
    good: HashSet<u64>,
    /// What honest seeds voted yes for.
    yes: BTreeSet<(NodeId, ProposalId)>,
    /// Reports whose signatures are good.
    reports: BTreeSet<ProposalId>,
    /// Whose application asked to leave.
    leaving: BTreeSet<HostId>,
    /// Whose roster is looked at next.
    next: usize,
}

impl Checker for ProofChecker {
    fn name(&self) -> &'static str {
        "proof"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        match fact {
            Fact::Durable {
                stored: Stored::Seed(SeedStored::Council(Durable::Vote { vote, .. })),
                ..
            }
            | Fact::MayBeDurable {
                stored: Stored::Seed(SeedStored::Council(Durable::Vote { vote, .. })),
                ..
            } => self.hear(vote),
            Fact::Sent {
                host,
                frame: Frame::Message(Message::Council(message)),
                ..
            } => {
                let me = view.host(*host).id();
                let own = message.votes().iter().filter(|vote| vote.voter == me);
                own.for_each(|vote| self.hear(vote));
                if let council::Message::Proposal(proposal) = message
                    && view.host(*host).is_honest()
                {
                    return self.proposed(*host, proposal, view);
                }
            }
            Fact::Asked {
                host,
                request: Request::Leave,
            } => {
                self.leaving.insert(*host);
            }
            Fact::Tick => return self.look(view, LOOKED_AT),
            _ => {}
        }
        Ok(())
    }

    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        self.look(view, usize::MAX)
    }
}

impl ProofChecker {
    fn hear(&mut self, vote: &Vote) {
        if vote.choice == Choice::Yes {
            self.yes.insert((vote.voter, vote.proposal));
        }
    }

    /// An honest seed puts something to the vote.
    fn proposed(
        &mut self,
        seed: HostId,
        proposal: &Proposal,
        view: View<'_>,
    ) -> Result<(), String> {
        let Proposal::Evict(report) = proposal else {
            return Ok(());
        };
        if self.reports.insert(proposal.id()) {
            report.verify(&*view.truth.scheme).map_err(|error| {
                format!(
                    "{} puts the eviction of {} to the vote, and the report proves nothing: {error}",
                    view.name(seed),
                    view.name_of(&report.suspect)
                )
            })?;
        }
        Ok(())
    }

    /// Looks at the rosters of some, so many entries in all, and goes on from there the next time.
    fn look(&mut self, view: View<'_>, most: usize) -> Result<(), String> {
        let mut looked_at = 0;
        for _ in 0..view.hosts.len() {
            self.next = (self.next + 1) % view.hosts.len();
            let host = HostId(self.next);
            let roster = view.host(host).process.as_ref().and_then(Process::roster);
            let Some(roster) = roster else {
                continue;
            };
            for (node, entry) in roster.iter() {
                let mark = mark(node, entry);
                if !self.good.contains(&mark) {
                    self.check(node, entry, view).map_err(|what| {
                        let who = view.name(host);
                        format!("{who} holds {} as {:?}: {what}", node.short(), entry.key)
                    })?;
                    self.good.insert(mark);
                }
            }
            looked_at += roster.len();
            if looked_at >= most {
                break;
            }
        }
        Ok(())
    }

    fn check(&self, node: &NodeId, entry: &Entry, view: View<'_>) -> Result<(), String> {
        if entry.proof.claims() != Some((*node, entry.key)) {
            return Err(format!("its proof claims {:?}", entry.proof.claims()));
        }
        let epoch = entry.proof.certificate().epoch;
        let Some(electorate) = view.truth.electorate_of(epoch) else {
            return Err(format!("nobody knows the voters of epoch {epoch}"));
        };
        let verified = entry.proof.clone().verify(electorate, &*view.truth.scheme);
        verified.map_err(|error| format!("its proof proves nothing: {error}"))?;
        let certificate = entry.proof.certificate();
        let voters = certificate.votes.keys();
        let got = voters.filter(|voter| electorate.contains(voter)).count();
        let (quorum, network) = (electorate.quorum(), electorate.network());
        if got < quorum || certificate.proposal.network() != network {
            return Err(format!(
                "its certificate has {got} voters' signatures of {quorum} that are needed, for network {} of {network}",
                certificate.proposal.network()
            ));
        }
        let id = certificate.id();
        for voter in certificate.votes.keys() {
            let seed = view.host_of(voter);
            let is_honest = seed.is_some_and(|seed| view.host(seed).is_honest());
            if is_honest && !self.yes.contains(&(*voter, id)) {
                let who = seed.map(|seed| view.name(seed)).unwrap_or_default();
                return Err(format!("{who} signed it, and never voted yes on it"));
            }
        }
        if let (Proof::Departure(_), Some(member)) = (&*entry.proof, view.host_of(node))
            && view.host(member).is_honest()
            && !self.leaving.contains(&member)
        {
            return Err(format!("{} was not asked to leave", view.name(member)));
        }
        Ok(())
    }
}

/// Tells proofs apart, for this process's lifetime: by their standing and by whose signatures they carry.
fn mark(node: &NodeId, entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    (node, entry.key).hash(&mut hasher);
    for (voter, signature) in &entry.proof.certificate().votes {
        (voter, signature).hash(&mut hasher);
    }
    if let Proof::Departure(departure) = &*entry.proof {
        departure.signature.hash(&mut hasher);
    }
    hasher.finish()
}
