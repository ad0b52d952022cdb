//! What a voter does when its electorate is followed by another: it seals, takes its seat in the next, and has the roster
//! endorsed there.

use std::sync::Arc;

use super::ahead::Ahead;
use super::matter::Own;
use super::{ConfigError, Council, Decision, Durable, others};
use crate::certificate::{Certificate, CertificateError};
use crate::electorate::Electorate;
use crate::endorsement::Endorsement;
use crate::explanation::Withheld;
use crate::id::NodeId;
use crate::proposal::Proposal;
use crate::roster::{Proof, ProofError};
use crate::small_map::SmallMap;
use crate::time::Now;

impl Council {
    /// Puts back proofs that were persisted before a restart and that the voters of an epoch before the last signed. This voter
    /// checked them when that was time, and its store is its own: they are endorsed in this epoch, with what the others hold.
    pub fn restore_earlier(
        &mut self,
        proofs: Vec<Arc<Proof>>,
        voters: &Electorate,
    ) -> Vec<ProofError> {
        let mut wrong = Vec::new();
        for proof in Proof::verify_all(proofs, voters, &*self.scheme) {
            match proof {
                Ok(proof) => drop(self.roster.merge(proof)),
                Err(error) => wrong.push(error),
            }
        }
        wrong
    }

    /// Gives no more votes in this epoch, and sends those given on what is open, so that whatever they decide is known to
    /// all who seal. Proofs and the votes of others are taken in as before.
    pub fn seal(&mut self) {
        if planted!(SealIgnored) {
            return;
        }
        let me = self.signer.id();
        self.sealed = true;
        // On their way to the disk: not given.
        self.voting = SmallMap::new();
        for matter in self.matters.values_mut() {
            match matter.own {
                Own::Judging | Own::Persisting => matter.own = Own::Withheld(Withheld::Sealed),
                Own::Cast(_) => {
                    for voter in &self.others {
                        matter.send(*voter, &me, &mut self.outputs);
                    }
                }
                Own::Withheld(_) => {}
            }
        }
    }

    /// Whether this voter has [sealed](Self::seal) its epoch.
    pub const fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Goes on as a voter of the next electorate. What is open is put to the vote there anew, as far as there is time.
    ///
    /// # Errors
    /// When this voter has no seat in it; nothing changes then.
    pub fn succeed(&mut self, electorate: Electorate, now: Now) -> Result<(), ConfigError> {
        if !electorate.contains(&self.signer.id()) {
            return Err(ConfigError::NotAVoter(self.signer.id()));
        }
        self.others = others(&electorate, self.signer.id());
        *self.ahead = Ahead::of(&electorate);
        self.electorate = electorate;
        self.sealed = false;
        self.voting = SmallMap::new();
        self.early.clear();
        self.remembered.clear();
        for (_, matter) in std::mem::take(&mut self.matters).into_entries() {
            if matter.announced {
                continue;
            }
            let proposal = matter.proposal().clone();
            // A motion is its proposer's to bring again.
            let is_motion = matches!(*proposal, Proposal::Motion(_));
            if is_motion || self.propose(proposal.clone(), now).is_err() {
                let silent = Vec::new();
                self.decided(proposal, Decision::Expired { silent });
            }
        }
        Ok(())
    }

    /// What of the roster this epoch's voters are to sign, if there is anything that they have not signed.
    pub fn unendorsed(&self) -> Option<Endorsement> {
        let epoch = self.electorate.epoch();
        Endorsement::is_due(&self.roster, epoch).then(|| Endorsement::of(&self.roster, epoch))
    }

    /// Forgets the standings that nobody believes any more, and that no endorsement has renewed: the others have forgotten them
    /// while this voter was away. Returns whether there were any.
    pub fn forget_unbelieved(&mut self) -> bool {
        let epoch = self.electorate.epoch();
        let unbelieved = Endorsement::unbelieved(&self.roster, epoch).copied();
        let unbelieved: Vec<NodeId> = unbelieved
            .filter(|node| self.committing.about(node).next().is_none())
            .collect();
        for node in &unbelieved {
            self.roster.forget(node);
            self.persist(Durable::Forgotten(*node));
        }
        !unbelieved.is_empty()
    }

    /// Takes in what the voters have endorsed. Returns whether it is this roster's: rosters that differ have to be compared
    /// first.
    ///
    /// # Errors
    /// When the certificate does not hold.
    pub fn endorse(&mut self, certificate: &Arc<Certificate>) -> Result<bool, CertificateError> {
        let taken = self
            .roster
            .endorse(certificate, &self.electorate, &*self.scheme)?;
        let Some(renewed) = taken else {
            return Ok(false);
        };
        // The store keeps what was written last of a node: what is on its way there already, and says more, must stay the last.
        let outdoes = |proof: &Proof| {
            proof.claims().is_some_and(|(node, key)| {
                let mut pending = self.committing.about(&node);
                pending.any(|pending| pending.key() > key)
            })
        };
        let endorsed = renewed.proofs.into_iter().filter(|proof| !outdoes(proof));
        let is_pending = |node: &NodeId| self.committing.about(node).next().is_some();
        let forgotten = renewed.forgotten.into_iter();
        let forgotten = forgotten.filter(|node| !is_pending(node));
        let writes: Vec<Durable> = endorsed
            .map(Durable::Proof)
            .chain(forgotten.map(Durable::Forgotten))
            .collect();
        for durable in writes {
            // Nothing waits for it: until it is written, the earlier proof is as good.
            self.persist(durable);
        }
        Ok(true)
    }
}
