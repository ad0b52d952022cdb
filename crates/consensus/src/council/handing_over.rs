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
use crate::proposal::Proposal;
use crate::small_map::SmallMap;
use crate::time::Now;

impl Council {
    /// Gives no more votes in this epoch, and sends those given on what is open, so that whatever they decide is known to
    /// all who seal. Proofs and the votes of others are taken in as before.
    pub fn seal(&mut self) {
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
        let endorsed = renewed.proofs.into_iter().map(Durable::Proof);
        let forgotten = renewed.forgotten.into_iter().map(Durable::Forgotten);
        let writes: Vec<Durable> = endorsed.chain(forgotten).collect();
        for durable in writes {
            // Nothing waits for it: until it is written, the earlier proof is as good.
            self.persist(durable);
        }
        Ok(true)
    }
}
