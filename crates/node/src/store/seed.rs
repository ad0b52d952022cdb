//! A seed's tables: its votes, the proofs of all standings, the identities of the other seeds, how the electorate changed,
//! its operator's words, and the credentials that were used.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use quorate_consensus::conclave::Step;
use quorate_consensus::council::Durable;
use quorate_consensus::succession;
use quorate_consensus::{Digest, NodeId, Proof, Vote};
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, WriteTransaction};

use crate::admission::Answer;

use super::{ABSTAIN_UNTIL, FORMAT, META, ReadError};

/// When the proposal was opened, and its id: so that old votes are a range.
const VOTES: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("votes");
/// By node id.
const PROOFS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("proofs");
/// Identities met, by the line of the seed list.
const SEATS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("seats");
/// What the operator said, by node id.
const ANSWERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("answers");
/// Who was first admitted by a credential, by its digest. The proof of a standing names the credential of its own record
/// only, and that of an eviction none.
const CREDENTIALS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("credentials");

/// How each epoch was followed by the next, by the epoch that ended.
const STEPS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("steps");
/// What was said about the electorate's present change, by what it is. Emptied by the step.
const SAID: TableDefinition<'_, (&str, &[u8]), &[u8]> = TableDefinition::new("said-of-seats");

/// Votes opened so long before the newest are not needed: every clock's voting window has closed, with a wide margin.
const VOTES_KEPT_MS: u64 = 3_600_000;

/// What a seed makes durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedStored {
    /// The council's.
    Council(Durable),
    /// Who was met at a line of the seed list.
    Seat {
        /// The line.
        address: String,
        /// Who.
        id: NodeId,
    },
    /// The conclave's: what was said about the electorate's present change.
    Said(succession::Durable),
    /// The electorate is followed by another. What was said about it, and the votes given in it, are not needed any more.
    Step(Step),
    /// The present epoch began after an earlier store was lost, which does not matter any more.
    Remembers,
    /// What the operator said of a node.
    Answer {
        /// Of whom.
        node: NodeId,
        /// What; `None` when it does not count any more.
        answer: Option<Answer>,
    },
    /// Who was first admitted by a credential.
    Credential {
        /// The credential's digest.
        credential: Digest,
        /// Who.
        node: NodeId,
    },
}

/// What a seed's store held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Own votes and when their proposals were opened.
    pub votes: Vec<(u64, Vote)>,
    /// Every standing's proof.
    pub proofs: Vec<Arc<Proof>>,
    /// Identities met, by line.
    pub seats: Vec<(String, NodeId)>,
    /// How the electorate changed, in order.
    pub steps: Vec<Step>,
    /// What was said about its present change.
    pub said: Vec<succession::Durable>,
    /// What the operator said, by node.
    pub answers: Vec<(NodeId, Answer)>,
    /// Digests of credentials, each with the first node that was admitted by it.
    pub credentials: Vec<(Digest, NodeId)>,
    /// The key is older than the store, and what an earlier one held is lost: until when this seed abstains, in Unix
    /// milliseconds. 0 when nothing was lost, or it does not matter any more.
    pub abstain_until_ms: u64,
}

pub(super) fn create(transaction: &WriteTransaction) -> Result<(), Box<dyn Error>> {
    transaction.open_table(VOTES)?;
    transaction.open_table(PROOFS)?;
    transaction.open_table(SEATS)?;
    transaction.open_table(STEPS)?;
    transaction.open_table(SAID)?;
    transaction.open_table(ANSWERS)?;
    transaction.open_table(CREDENTIALS)?;
    Ok(())
}

pub(super) fn write(
    transaction: &WriteTransaction,
    stored: &SeedStored,
) -> Result<(), Box<dyn Error>> {
    match stored {
        SeedStored::Council(Durable::Vote { opened_ms, vote }) => {
            let mut votes = transaction.open_table(VOTES)?;
            let old = (0, &[][..])..(opened_ms.saturating_sub(VOTES_KEPT_MS), &[][..]);
            votes.retain_in(old, |_, _| false)?;
            let key = (*opened_ms, vote.proposal.as_ref());
            votes.insert(key, FORMAT.encode(vote)?.as_ref())?;
        }
        SeedStored::Council(Durable::Proof(proof)) => {
            let (node, _) = proof.claims().ok_or("a proof of no standing")?;
            let mut proofs = transaction.open_table(PROOFS)?;
            proofs.insert(node.as_ref(), FORMAT.encode(&**proof)?.as_ref())?;
        }
        SeedStored::Council(Durable::Forgotten(node)) => {
            transaction.open_table(PROOFS)?.remove(node.as_ref())?;
        }
        SeedStored::Said(said) => {
            let key: (&str, &[u8]) = match said {
                succession::Durable::Opinion { opinion, .. } => {
                    ("opinion", opinion.record.as_ref())
                }
                succession::Durable::Accusation(of) => ("accusation", of.suspect.as_ref()),
                succession::Durable::Leave(_) => ("leave", &[]),
                succession::Durable::Acceptor(_) => ("acceptor", &[]),
                succession::Durable::Link(_) => ("link", &[]),
                succession::Durable::Fork(_) => ("fork", &[]),
            };
            let mut table = transaction.open_table(SAID)?;
            table.insert(key, FORMAT.encode(said)?.as_ref())?;
        }
        SeedStored::Step(step) => {
            let mut steps = transaction.open_table(STEPS)?;
            let value = FORMAT.encode(step)?;
            let is_news = steps.insert(step.epoch(), value.as_ref())?.is_none();
            if is_news {
                transaction.open_table(SAID)?.retain(|_, _| false)?;
                transaction.open_table(VOTES)?.retain(|_, _| false)?;
            }
        }
        SeedStored::Remembers => {
            transaction.open_table(META)?.remove(ABSTAIN_UNTIL)?;
        }
        SeedStored::Seat { address, id } => {
            let mut seats = transaction.open_table(SEATS)?;
            seats.insert(address.as_str(), id.as_ref())?;
        }
        SeedStored::Answer { node, answer } => {
            let mut answers = transaction.open_table(ANSWERS)?;
            match answer {
                Some(answer) => {
                    answers.insert(node.as_ref(), FORMAT.encode(answer)?.as_ref())?;
                }
                None => {
                    answers.remove(node.as_ref())?;
                }
            }
        }
        SeedStored::Credential { credential, node } => {
            let mut credentials = transaction.open_table(CREDENTIALS)?;
            credentials.insert(credential.as_ref(), node.as_ref())?;
        }
    }
    Ok(())
}

pub(super) fn read(transaction: &ReadTransaction) -> Result<Restored, ReadError> {
    let mut restored = Restored::default();
    if let Some(value) = transaction.open_table(META)?.get(ABSTAIN_UNTIL)? {
        let until_ms = value.value().try_into();
        restored.abstain_until_ms = until_ms
            .map(u64::from_be_bytes)
            .map_err(|_| ReadError::Value("until when to abstain".to_owned()))?;
    }
    for entry in transaction.open_table(VOTES)?.iter()? {
        let (key, value) = entry?;
        let vote = FORMAT
            .decode(value.value())
            .map_err(|error| ReadError::Value(format!("a vote: {error}")))?;
        restored.votes.push((key.value().0, vote));
    }
    for entry in transaction.open_table(PROOFS)?.iter()? {
        let (_, value) = entry?;
        let proof: Proof = FORMAT
            .decode(value.value())
            .map_err(|error| ReadError::Value(format!("a proof: {error}")))?;
        restored.proofs.push(Arc::new(proof));
    }
    for entry in transaction.open_table(STEPS)?.iter()? {
        let step = FORMAT
            .decode(entry?.1.value())
            .map_err(|error| ReadError::Value(format!("a step of the electorate: {error}")))?;
        restored.steps.push(step);
    }
    for entry in transaction.open_table(SAID)?.iter()? {
        let said = FORMAT
            .decode(entry?.1.value())
            .map_err(|error| ReadError::Value(format!("a statement on seats: {error}")))?;
        restored.said.push(said);
    }
    let mut known = BTreeSet::new();
    for entry in transaction.open_table(SEATS)?.iter()? {
        let (address, id) = entry?;
        let id = NodeId::try_from(id.value())
            .map_err(|error| ReadError::Value(format!("a seat: {error}")))?;
        if !known.insert(id) {
            return Err(ReadError::Value(format!("{id} in two seats")));
        }
        restored.seats.push((address.value().to_owned(), id));
    }
    for entry in transaction.open_table(ANSWERS)?.iter()? {
        let (node, answer) = entry?;
        let what = |error: &dyn Error| ReadError::Value(format!("an operator's word: {error}"));
        let node = NodeId::try_from(node.value()).map_err(|error| what(&error))?;
        let answer = FORMAT
            .decode(answer.value())
            .map_err(|error| what(&error))?;
        restored.answers.push((node, answer));
    }
    for entry in transaction.open_table(CREDENTIALS)?.iter()? {
        let (credential, node) = entry?;
        let what = |error| ReadError::Value(format!("a credential: {error}"));
        let credential = Digest::try_from(credential.value()).map_err(what)?;
        let node = NodeId::try_from(node.value()).map_err(what)?;
        restored.credentials.push((credential, node));
    }
    Ok(restored)
}
