//! What stands in a store: any bytes as a value of any table, and the store is opened again.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use quorate_consensus::council::Durable;
use quorate_consensus::{Choice, NodeId, Proof, Proposal, Unproven, Vote};
use quorate_node::store::{Held, Kind, SeedStored, StorageBackend, Store, StoreError, Stored};
use quorate_wire::Format;
use redb::{Database, TableDefinition};

use crate::Sample;
use crate::cast::{NETWORK, admission, electorate, eviction, record};

/// The tables whose keys are text.
const BY_NAME: [TableDefinition<'_, &str, &[u8]>; 3] = [
    TableDefinition::new("meta"),
    TableDefinition::new("seats"),
    TableDefinition::new("ones"),
];
const VOTES: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("votes");
const PROOFS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("proofs");
const LINKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("links");
const OPINIONS: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("opinions");
const SAID: TableDefinition<'_, (&str, &[u8]), &[u8]> = TableDefinition::new("said");
const STEPS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("steps");
const SAID_OF_SEATS: TableDefinition<'_, (&str, &[u8]), &[u8]> =
    TableDefinition::new("said-of-seats");
const ANSWERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("answers");
const CREDENTIALS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("credentials");

/// The names used as keys of [`BY_NAME`].
const NAMES: [&str; 9] = [
    "schema",
    "kind",
    "network",
    "node",
    "abstain",
    "founding",
    "fork",
    "run",
    "127.0.0.1:5010",
];

/// The first byte chooses the table, the second a key, the rest is the value. The store opens, or says what is wrong with it.
pub fn run(data: &[u8]) {
    let [table, key, value @ ..] = data else {
        return;
    };
    let table = table % 12;
    let kind = if matches!(table, 2 | 5..8) {
        Kind::Member(NodeId::from(1))
    } else {
        Kind::Seed(NETWORK)
    };
    let Some(memory) = Memory::fresh(kind) else {
        return;
    };
    if insert(memory.clone(), table, *key, value).is_err() {
        return;
    }
    match Store::open_on(memory.clone(), kind, 0) {
        Ok((store, held)) => {
            let Held::Seed(restored) = held else {
                return;
            };
            // What was read can be written again, and read as the same.
            let proofs = restored.proofs.iter().cloned().map(Durable::Proof);
            let votes = restored.votes.iter().cloned();
            let votes = votes.map(|(opened_ms, vote)| Durable::Vote {
                opened_ms,
                vote: vote.into(),
            });
            let stored: Vec<Stored> = proofs
                .chain(votes)
                .map(|durable| Stored::Seed(SeedStored::Council(durable)))
                .collect();
            if store.write(stored.iter()).is_ok() {
                drop(store);
                let again = Store::open_on(memory, kind, 0);
                assert!(again.is_ok(), "{again:?}");
            }
        }
        Err(error) => {
            let is_named = !matches!(error, StoreError::Io { .. } | StoreError::InUse(_));
            assert!(is_named, "a value cannot be the cause of this: {error}");
        }
    }
}

/// Puts a value into a table, as the store would, but whatever it is.
fn insert(
    memory: Memory,
    table: u8,
    key: u8,
    value: &[u8],
) -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::builder().create_with_backend(memory)?;
    let transaction = database.begin_write()?;
    let name = NAMES[usize::from(key) % NAMES.len()];
    let short = [key];
    match table {
        0..3 => {
            let mut table = transaction.open_table(BY_NAME[usize::from(table)])?;
            table.insert(name, value)?;
        }
        3 => drop(
            transaction
                .open_table(VOTES)?
                .insert((u64::from(key), &short[..]), value)?,
        ),
        4 => drop(transaction.open_table(PROOFS)?.insert(&short[..], value)?),
        5 => drop(
            transaction
                .open_table(LINKS)?
                .insert(u64::from(key), value)?,
        ),
        6 => drop(
            transaction
                .open_table(OPINIONS)?
                .insert((u64::from(key), &short[..]), value)?,
        ),
        8 => drop(
            transaction
                .open_table(STEPS)?
                .insert(u64::from(key), value)?,
        ),
        9 => drop(
            transaction
                .open_table(SAID_OF_SEATS)?
                .insert((name, &short[..]), value)?,
        ),
        10 => drop(transaction.open_table(ANSWERS)?.insert(&short[..], value)?),
        11 => drop(
            transaction
                .open_table(CREDENTIALS)?
                .insert(&short[..], value)?,
        ),
        _ => drop(
            transaction
                .open_table(SAID)?
                .insert((name, &short[..]), value)?,
        ),
    }
    transaction.commit()?;
    Ok(())
}

/// A value of every table of a seed that is right, and some that are not.
pub fn samples() -> Vec<Sample> {
    let mut samples = vec![
        ("schema", vec![0, 0, 0, 0, 0, 9]),
        ("kind", b"\0\x01member".to_vec()),
        ("abstain", vec![0, 4, 1, 2, 3]),
        ("run", vec![2, 7, 0, 0, 0, 0, 0, 0, 0, 3]),
        ("link", vec![5, 0, 1, 2, 3]),
        ("said", vec![7, 0, 0]),
        ("step", vec![8, 0, 1, 0, 0, 0]),
        ("said-of-seats", vec![9, 0, 2]),
        ("answer", vec![10, 5, 1]),
        ("credential", vec![11, 5, 1]),
    ];
    let mut seat = vec![1, 8];
    seat.extend(NodeId::from(2).as_bytes());
    samples.push(("seat", seat));
    let mut add = |name, first: [u8; 2], body: Option<Vec<u8>>| {
        if let Some(body) = body {
            samples.push((name, first.into_iter().chain(body).collect()));
        }
    };
    let vote = electorate()
        .ok()
        .zip(record(5, 1, 1))
        .and_then(|(electorate, record)| {
            let voter = Unproven::signer(NodeId::from(1));
            let id = Proposal::Admit(record).id();
            let vote = Vote::cast(&voter, &electorate, id, Choice::Yes, "it answered");
            Format::Bincode.encode(&vote).ok()
        });
    add("vote", [3, 0], vote.map(|body| body.to_vec()));
    for (name, certificate) in [("admission", admission(5, 1)), ("eviction", eviction(6, 1))] {
        let proof = certificate.and_then(Proof::of);
        let body = proof.and_then(|proof| Format::Bincode.encode(&proof).ok());
        add(name, [4, 5], body.map(|body| body.to_vec()));
    }
    samples
}

/// A storage in memory that outlives the database on it.
#[derive(Debug, Clone)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    /// A new store of this kind. Made once, and copied.
    fn fresh(kind: Kind) -> Option<Self> {
        static FRESH: [OnceLock<Vec<u8>>; 2] = [OnceLock::new(), OnceLock::new()];
        let bytes = FRESH[usize::from(matches!(kind, Kind::Member(_)))].get_or_init(|| {
            let memory = Self(Arc::default());
            drop(Store::open_on(memory.clone(), kind, 0));
            memory.lock().clone()
        });
        (!bytes.is_empty()).then(|| Self(Arc::new(Mutex::new(bytes.clone()))))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let bytes = self.lock();
        let begin = usize::try_from(offset).map_err(io::Error::other)?;
        let end = begin.saturating_add(out.len());
        let read = bytes.get(begin..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(read);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.lock().resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut bytes = self.lock();
        let begin = usize::try_from(offset).map_err(io::Error::other)?;
        let end = begin.saturating_add(data.len());
        let place = bytes
            .get_mut(begin..end)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        place.copy_from_slice(data);
        Ok(())
    }
}
