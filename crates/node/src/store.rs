//! What a seed keeps on disk: its votes, the proofs of all standings, the identities of the other seeds.
//!
//! An embedded database (redb), written by a thread of its own: all writes that have gathered while one transaction was
//! being synced go into the next. A file that is damaged, foreign, locked or of another network is an error that says
//! so; it is never replaced by a fresh one.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use quorate_consensus::council::Durable;
use quorate_consensus::{NetworkId, NodeId, Proof, Vote};
use quorate_wire::Format;
use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::roles::WriteId;

/// The layout of the tables below. A file of another is refused.
const SCHEMA: u32 = 1;

/// Values are in this format whatever the network speaks.
const FORMAT: Format = Format::Bincode;

/// `schema`, `network`.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// When the proposal was opened, and its id: so that old votes are a range.
const VOTES: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("votes");
/// By node id.
const PROOFS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("proofs");
/// Identities met, by the line of the seed list.
const SEATS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("seats");

/// Votes opened so long before the newest are not needed: every clock's voting window has closed, with a wide margin.
const VOTES_KEPT_MS: u64 = 3_600_000;

/// The thread that opens stores. The database (redb 4.6) panics on some damaged pages instead of returning an error; on
/// this thread that is caught and becomes [`StoreError::Damaged`].
pub const OPENING_THREAD: &str = "quorate-store-opening";

/// What a seed makes durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// The council's.
    Council(Durable),
    /// Who was met at a line of the seed list.
    Seat {
        /// The line.
        address: String,
        /// Who.
        id: NodeId,
    },
}

/// What a store held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Own votes and when their proposals were opened.
    pub votes: Vec<(u64, Vote)>,
    /// Every standing's proof.
    pub proofs: Vec<Arc<Proof>>,
    /// Identities met, by line.
    pub seats: Vec<(String, NodeId)>,
    /// The key is older than the store: what the store held is lost.
    pub is_lost: bool,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store {0} is in use by another process")]
    InUse(PathBuf),
    /// Not a store, or a damaged one.
    #[error(
        "the store {path} is damaged or not a store ({reason}); put back a copy, or move it away to start as a seed \
             that lost its store"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Written by another version.
    #[error(
        "the store {path} has schema {found}, expected {SCHEMA}; use the version that wrote it"
    )]
    Schema {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: u32,
    },
    /// Of another network.
    #[error(
        "the store {path} belongs to network {found}, expected {expected}; is config.csv another one?"
    )]
    AnotherNetwork {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: NetworkId,
    },
    /// The file system refuses.
    #[error("cannot use the store {path}: {reason}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    database: Database,
}

/// The writing thread of a store.
#[derive(Debug)]
pub struct Writer {
    /// Where writes go.
    pub sender: Sender<(WriteId, Stored)>,
    /// The thread.
    pub thread: JoinHandle<()>,
}

impl Store {
    /// Opens a store, or creates it, and reads what it holds.
    ///
    /// # Errors
    /// When the file is not this network's store, or cannot be read or written.
    pub fn open(path: &Path, network: NetworkId) -> Result<(Self, Restored), StoreError> {
        if !path.exists() {
            Self::create(path, network)?;
        }
        let mut database = Database::open(path).map_err(|error| open_error(path, error))?;
        // Checksums tell a page that was changed behind the database's back before anything is read from it.
        database
            .check_integrity()
            .map_err(|error| open_error(path, error))?;
        let this = Self { database };
        this.check_meta(path, network)?;
        let restored = this.read().map_err(|error| match error {
            ReadError::Database(error) => damaged(path, &*error),
            ReadError::Value(what) => damaged(path, &what),
        })?;
        Ok((this, restored))
    }

    /// Creates a store beside its place and moves it there when it is whole: a file that is there but not a store was
    /// one once, and is never taken for a new one.
    fn create(path: &Path, network: NetworkId) -> Result<(), StoreError> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| io_error(path, &error))?;
        }
        let fresh = path.with_extension("new");
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&fresh, &error));
            }
            _ => {}
        }
        let database = Database::create(&fresh).map_err(|error| open_error(&fresh, error))?;
        write_meta(&database, network).map_err(|error| StoreError::Io {
            path: fresh.clone(),
            reason: error.to_string(),
        })?;
        drop(database);
        std::fs::rename(&fresh, path).map_err(|error| io_error(path, &error))
    }

    /// Starts the writing thread. Each write is answered by a call of `done`, in order. The thread ends, and the file is
    /// free, when the sender is dropped and all is written.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn_writer(
        self,
        done: impl Fn(WriteId, Result<(), String>) + Send + 'static,
    ) -> io::Result<Writer> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("quorate-store".to_owned())
            .spawn(move || self.write_all(&receiver, done))?;
        Ok(Writer { sender, thread })
    }

    fn write_all(
        self,
        receiver: &Receiver<(WriteId, Stored)>,
        done: impl Fn(WriteId, Result<(), String>),
    ) {
        while let Ok(first) = receiver.recv() {
            let batch: Vec<(WriteId, Stored)> =
                std::iter::once(first).chain(receiver.try_iter()).collect();
            let result = self
                .write(batch.iter().map(|(_, stored)| stored))
                .map_err(|error| error.to_string());
            for (id, _) in batch {
                done(id, result.clone());
            }
        }
    }

    fn write<'a>(
        &self,
        batch: impl Iterator<Item = &'a Stored>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let transaction = self.database.begin_write()?;
        {
            let mut votes = transaction.open_table(VOTES)?;
            let mut proofs = transaction.open_table(PROOFS)?;
            let mut seats = transaction.open_table(SEATS)?;
            for stored in batch {
                match stored {
                    Stored::Council(Durable::Vote { opened_ms, vote }) => {
                        let old = (0, &[][..])..(opened_ms.saturating_sub(VOTES_KEPT_MS), &[][..]);
                        votes.retain_in(old, |_, _| false)?;
                        let key = (*opened_ms, vote.proposal.as_ref());
                        votes.insert(key, FORMAT.encode(vote)?.as_ref())?;
                    }
                    Stored::Council(Durable::Proof(proof)) => {
                        let (node, _) = proof.claims().ok_or("a proof of no standing")?;
                        proofs.insert(node.as_ref(), FORMAT.encode(&**proof)?.as_ref())?;
                    }
                    Stored::Seat { address, id } => {
                        seats.insert(address.as_str(), id.as_ref())?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn check_meta(&self, path: &Path, network: NetworkId) -> Result<(), StoreError> {
        let (schema, stored_network) = self.meta().map_err(|error| damaged(path, &*error))?;
        if schema != SCHEMA.to_be_bytes() {
            let found = schema.try_into().map_or(0, u32::from_be_bytes);
            return Err(StoreError::Schema {
                path: path.to_owned(),
                found,
            });
        }
        if stored_network != network.as_ref() {
            let found = NetworkId::try_from(&stored_network[..]);
            return Err(StoreError::AnotherNetwork {
                path: path.to_owned(),
                found: found.map_or_else(|error| error.to_string(), |network| network.to_string()),
                expected: network,
            });
        }
        Ok(())
    }

    /// Schema and network as stored.
    fn meta(&self) -> Result<(Vec<u8>, Vec<u8>), Box<dyn std::error::Error>> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let get = |key: &str| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
            let value = meta.get(key)?;
            Ok(value
                .map(|value| value.value().to_vec())
                .unwrap_or_default())
        };
        Ok((get("schema")?, get("network")?))
    }

    fn read(&self) -> Result<Restored, ReadError> {
        let transaction = self.database.begin_read()?;
        let mut restored = Restored::default();
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
        Ok(restored)
    }
}

/// Makes an empty database a store: all tables, schema and network in one transaction.
fn write_meta(database: &Database, network: NetworkId) -> Result<(), Box<dyn std::error::Error>> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("schema", &SCHEMA.to_be_bytes()[..])?;
        meta.insert("network", network.as_ref())?;
    }
    transaction.open_table(VOTES)?;
    transaction.open_table(PROOFS)?;
    transaction.open_table(SEATS)?;
    transaction.commit()?;
    Ok(())
}

enum ReadError {
    Database(Box<dyn std::error::Error>),
    Value(String),
}

impl<E: std::error::Error + 'static> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error))
    }
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.to_owned()),
        DatabaseError::Storage(redb::StorageError::Io(error))
            if !matches!(error.kind(), InvalidData | UnexpectedEof) =>
        {
            io_error(path, &error)
        }
        error => damaged(path, &error),
    }
}

fn damaged(path: &Path, reason: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn io_error(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
