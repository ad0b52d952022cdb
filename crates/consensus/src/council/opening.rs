//! Which proposals a voter takes part in, and what it remembers of those that are over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::matter::{Matter, Origin, Own};
use super::{Council, Output, ProposeError};
use crate::explanation::Withheld;
use crate::id::ProposalId;
use crate::life::open_lives;
use crate::named::Named;
use crate::proposal::Proposal;
use crate::roster::{Standing, StandingKey};
use crate::time::Now;
use crate::vote::{VerifiedVote, Vote};

/// How many votes and ends are remembered for each proposal that may be open.
const REMEMBERED_PER_OPEN: usize = 64;

impl Council {
    /// Puts a proposal to the vote here.
    pub(super) fn open(
        &mut self,
        named: Named,
        origin: Origin,
        now: Now,
    ) -> Result<(), ProposeError> {
        self.check(&named, origin, now)?;
        let id = named.id();
        let said = self.recall(&id, now)?;
        let proposal = named.proposal().clone();
        let mut matter = Matter::new(
            named,
            origin,
            &self.electorate,
            &self.ahead,
            &self.config,
            now.instant,
        );
        if let Some(vote) = &said {
            matter.own = Own::Cast(vote.choice);
        } else if self
            .voting
            .values()
            .any(|casting| casting.vote.proposal == id)
        {
            matter.own = Own::Persisting;
        } else if let Some(why) = self.abstains(now.instant) {
            matter.own = Own::Withheld(why);
        } else {
            self.outputs.push_back(Output::Judge { id, proposal });
        }
        let statement = said.map(|vote| (matter.statement(vote.choice, &self.electorate), vote));
        self.matters.insert(id, Box::new(matter));
        if let Some((statement, vote)) = statement
            && let Ok(vote) = vote.verify_as(&self.electorate, &*self.scheme, &statement)
        {
            // Its own word, the first in the tally; it may decide alone.
            let _counted = self.count(vote);
        }
        if self.early.iter().any(|vote| vote.vote().proposal == id) {
            let (mine, others) = std::mem::take(&mut self.early)
                .into_iter()
                .partition(|vote| vote.vote().proposal == id);
            self.early = others;
            let mine: VecDeque<VerifiedVote> = mine;
            for vote in mine {
                // An equivocation among them is output as evidence.
                let _counted = self.count(vote);
            }
        }
        Ok(())
    }

    fn check(&self, named: &Named, origin: Origin, now: Now) -> Result<(), ProposeError> {
        let proposal = &**named;
        if proposal.network() != self.electorate.network() {
            return Err(ProposeError::AnotherNetwork {
                expected: self.electorate.network(),
                got: proposal.network(),
            });
        }
        let opened_ms = proposal.opened_ms();
        if !now.is_within_window(opened_ms) {
            return Err(ProposeError::OutsideWindow {
                opened_ms,
                now_ms: now.unix_ms,
            });
        }
        self.check_standing(proposal)?;
        let subject = proposal.subject();
        // Candidates cost nothing to make: they leave a quarter of the room for evictions.
        let open_max = match proposal {
            Proposal::Admit(_) => self.config.open_max - self.config.open_max / 4,
            _ => self.config.open_max,
        };
        let subjects = self.matters.values().map(|open| open.proposal().subject());
        if self.matters.len() >= open_max
            || subjects.filter(|open| *open == subject).count() >= self.config.open_per_subject_max
        {
            return Err(ProposeError::TooManyOpen);
        }
        let verified = match proposal {
            Proposal::Motion(motion) if origin == Origin::Signed => motion.check_len(),
            _ => named.verify(&*self.scheme),
        };
        Ok(verified?)
    }

    pub(super) fn check_standing(&self, proposal: &Proposal) -> Result<(), ProposeError> {
        let entry = self.roster.get(&proposal.subject());
        match proposal {
            Proposal::Admit(record) => {
                // A life is entered by one record: whoever signed another for it is a process that does not remember
                // the first, and takes the next life.
                let is_settled = |key: &StandingKey| key.incarnation >= record.incarnation;
                match entry {
                    Some(entry) if is_settled(&entry.key) => {
                        Err(ProposeError::Settled(entry.proof.clone()))
                    }
                    _ => self.check_life(record.incarnation),
                }
            }
            Proposal::Evict(report) => {
                let admitted = |key: &StandingKey| {
                    (key.incarnation, key.standing) == (report.incarnation, Standing::Admitted)
                };
                match entry {
                    Some(entry) if admitted(&entry.key) => {}
                    Some(entry) if entry.key.incarnation >= report.incarnation => {
                        return Err(ProposeError::Settled(entry.proof.clone()));
                    }
                    _ => {
                        return Err(ProposeError::UnknownSuspect {
                            suspect: report.suspect,
                            incarnation: report.incarnation,
                        });
                    }
                }
                let reporter = report.reporter;
                if self.electorate.contains(&reporter) || self.roster.member(&reporter).is_some() {
                    Ok(())
                } else {
                    Err(ProposeError::NotAReporter(reporter))
                }
            }
            Proposal::Motion(motion) if self.electorate.contains(&motion.proposer) => Ok(()),
            Proposal::Motion(motion) => Err(ProposeError::NotAProposer(motion.proposer)),
        }
    }

    fn check_life(&self, life: u64) -> Result<(), ProposeError> {
        let epoch = self.electorate.epoch();
        let expected = open_lives(epoch);
        if expected.contains(&life) {
            return Ok(());
        }
        Err(ProposeError::AnotherEpochsLife {
            epoch,
            expected,
            got: life,
        })
    }

    /// The own vote, if it is durable and not forgotten yet. If nothing is remembered, whether there is room to remember
    /// what comes of this proposal.
    fn recall(&mut self, id: &ProposalId, now: Now) -> Result<Option<Arc<Vote>>, ProposeError> {
        if let Some(remembered) = self.remembered.of(id) {
            return Ok(remembered.vote.clone());
        }
        let remembered_max = self.config.open_max.saturating_mul(REMEMBERED_PER_OPEN);
        if self.remembered.has_room(remembered_max, now) {
            Ok(None)
        } else {
            Err(ProposeError::TooManyOpen)
        }
    }

    pub(super) fn has_ended(&self, id: &ProposalId) -> bool {
        let remembered = self.remembered.of(id);
        remembered.is_some_and(|remembered| remembered.has_ended)
    }

    /// Why this voter gives no votes now, if it does not.
    pub(super) fn abstains(&self, now: Instant) -> Option<Withheld> {
        if self.sealed {
            return Some(Withheld::Sealed);
        }
        let is_early = self.abstain_until.is_some_and(|until| now < until);
        is_early.then_some(Withheld::Abstaining)
    }
}
