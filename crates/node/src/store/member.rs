//! A member's tables: the chain, and what the member has said.

use std::error::Error;
use std::sync::Arc;

use quorate_consensus::NodeId;
use quorate_consensus::succession::{Durable, Founding, Link};
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, WriteTransaction};

use super::{FORMAT, ReadError};

/// `founding`, `fork`, `run`.
const ONES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("ones");
/// By epoch.
const LINKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("links");
/// When the record's attempt was opened, and its hash: so that old opinions are a range.
const OPINIONS: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("opinions");
/// What was said about the present decision, by what it is. Emptied by the decision.
const SAID: TableDefinition<'_, (&str, &[u8]), &[u8]> = TableDefinition::new("said");

/// Opinions on attempts opened so long before the newest are not needed: members take up no such attempt any more. Longer
/// than any window that members may be configured with ought to be: seven days.
const OPINIONS_KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// What a member makes durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberStored {
    /// The chain by which this node is in. Replaces any other.
    Chain {
        /// How the network began.
        founding: Arc<Founding>,
        /// What was decided since, from epoch 0 on.
        links: Vec<Arc<Link>>,
    },
    /// The assembly's.
    Said(Durable),
    /// How often this node was started: part of its messages' numbers, so that none is used twice.
    Run(u64),
}

/// What a member's store held.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RestoredMember {
    /// How the network began; none if this node never got into one.
    pub founding: Option<Founding>,
    /// What was decided since.
    pub links: Vec<Arc<Link>>,
    /// What this member has said.
    pub said: Vec<Durable>,
    /// How often it was started before.
    pub runs: u64,
    /// Who the node was before, when the key was older than the store.
    pub lost: Option<NodeId>,
}

pub(super) fn create(transaction: &WriteTransaction) -> Result<(), Box<dyn Error>> {
    transaction.open_table(ONES)?;
    transaction.open_table(LINKS)?;
    transaction.open_table(OPINIONS)?;
    transaction.open_table(SAID)?;
    Ok(())
}

pub(super) fn write(
    transaction: &WriteTransaction,
    stored: &MemberStored,
) -> Result<(), Box<dyn Error>> {
    match stored {
        MemberStored::Chain { founding, links } => {
            let mut ones = transaction.open_table(ONES)?;
            ones.insert("founding", FORMAT.encode(&**founding)?.as_ref())?;
            ones.remove("fork")?;
            let mut table = transaction.open_table(LINKS)?;
            table.retain(|_, _| false)?;
            for link in links {
                table.insert(link.epoch, FORMAT.encode(&**link)?.as_ref())?;
            }
            // Opinions stay: they are kept by record, and a record names its network.
            transaction.open_table(SAID)?.retain(|_, _| false)?;
            Ok(())
        }
        MemberStored::Run(run) => {
            let mut ones = transaction.open_table(ONES)?;
            ones.insert("run", &run.to_be_bytes()[..])?;
            Ok(())
        }
        MemberStored::Said(said) => write_said(transaction, said),
    }
}

fn write_said(transaction: &WriteTransaction, said: &Durable) -> Result<(), Box<dyn Error>> {
    let value = FORMAT.encode(said)?;
    let key: (&str, &[u8]) = match said {
        Durable::Link(link) => {
            let mut links = transaction.open_table(LINKS)?;
            links.insert(link.epoch, FORMAT.encode(&**link)?.as_ref())?;
            transaction.open_table(SAID)?.retain(|_, _| false)?;
            return Ok(());
        }
        Durable::Opinion { opened_ms, opinion } => {
            let mut opinions = transaction.open_table(OPINIONS)?;
            let old = (0, &[][..])..(opened_ms.saturating_sub(OPINIONS_KEPT_MS), &[][..]);
            opinions.retain_in(old, |_, _| false)?;
            opinions.insert((*opened_ms, opinion.record.as_ref()), value.as_ref())?;
            return Ok(());
        }
        Durable::Fork(_) => {
            let mut ones = transaction.open_table(ONES)?;
            ones.insert("fork", value.as_ref())?;
            return Ok(());
        }
        Durable::Accusation(accusation) => ("accusation", accusation.suspect.as_ref()),
        Durable::Leave(_) => ("leave", &[]),
        Durable::Acceptor(_) => ("acceptor", &[]),
    };
    transaction.open_table(SAID)?.insert(key, value.as_ref())?;
    Ok(())
}

pub(super) fn read(transaction: &ReadTransaction) -> Result<RestoredMember, ReadError> {
    let said = |value: &[u8]| -> Result<Durable, ReadError> {
        FORMAT
            .decode(value)
            .map_err(|error| ReadError::Value(format!("a statement: {error}")))
    };
    let mut restored = RestoredMember::default();
    let ones = transaction.open_table(ONES)?;
    if let Some(value) = ones.get("founding")? {
        let founding = FORMAT
            .decode(value.value())
            .map_err(|error| ReadError::Value(format!("the founding: {error}")))?;
        restored.founding = Some(founding);
    }
    if let Some(value) = ones.get("fork")? {
        restored.said.push(said(value.value())?);
    }
    if let Some(value) = ones.get("run")? {
        let run: [u8; 8] = value
            .value()
            .try_into()
            .map_err(|_| ReadError::Value("the run's number".to_owned()))?;
        restored.runs = u64::from_be_bytes(run);
    }
    for entry in transaction.open_table(LINKS)?.iter()? {
        let (_, value) = entry?;
        let link: Link = FORMAT
            .decode(value.value())
            .map_err(|error| ReadError::Value(format!("a link: {error}")))?;
        restored.links.push(Arc::new(link));
    }
    for entry in transaction.open_table(OPINIONS)?.iter()? {
        restored.said.push(said(entry?.1.value())?);
    }
    for entry in transaction.open_table(SAID)?.iter()? {
        restored.said.push(said(entry?.1.value())?);
    }
    Ok(restored)
}
