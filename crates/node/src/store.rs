//! What a node keeps on disk: a seed its votes, proofs, the other seeds' identities and its operator's words; a member of an open network its
//! chain, and what it has said.
//!
//! An embedded database (redb), written by a thread of its own: all writes that have gathered while one transaction was
//! being synced go into the next. A file that is damaged, foreign, locked or of another network is an error that says
//! so; it is never replaced by a fresh one.

mod inspecting;
mod member;
mod seed;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use quorate_consensus::{NetworkId, NodeId};
use quorate_wire::Format;
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase as _, TableDefinition,
    WriteTransaction,
};

pub use member::{MemberStored, RestoredMember};
pub use redb::StorageBackend;
pub use seed::{Restored, SeedStored};

use crate::roles::WriteId;

/// The layout of the tables below. A file of another is refused.
const SCHEMA: u32 = 5;

/// Values are in this format whatever the network speaks.
const FORMAT: Format = Format::Bincode;

/// `schema`, `kind`, and `network` of a seed or `node` of a member; `abstain` of a seed that lost an earlier store.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Until when a seed abstains, in Unix milliseconds.
const ABSTAIN_UNTIL: &str = "abstain";

/// The thread that opens stores. The database (redb 4.6) panics on some damaged pages instead of returning an error; on
/// this thread that is caught and becomes [`StoreError::Damaged`].
pub const OPENING_THREAD: &str = "quorate-store-opening";

/// What a node makes durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// A seed.
    Seed(SeedStored),
    /// A member of an open network.
    Member(MemberStored),
}

/// What a store is for, and how it is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A seed of this network.
    Seed(NetworkId),
    /// This member of an open network, which the chain inside names.
    Member(NodeId),
}

/// What a store held.
#[derive(Debug)]
pub enum Held {
    /// A seed's.
    Seed(Restored),
    /// A member's.
    Member(Box<RestoredMember>),
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
        "the store {path} is damaged or not a store ({reason}); put back a copy, or move it away to start as one \
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
    /// Of another kind of node.
    #[error("the store {path} is that of a {found}, expected that of a {expected}")]
    AnotherKind {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: &'static str,
    },
    /// Of another node: a member's key and what it has said belong together.
    #[error(
        "the store {path} belongs to {found}, but the key is {expected}'s; put the key back, or move the store away"
    )]
    AnotherNode {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose the key is.
        expected: NodeId,
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
    /// Where it can be opened again, if it is a file.
    path: Option<PathBuf>,
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
    /// When the file is not a store of this kind and network, or cannot be read or written.
    pub fn open(path: &Path, kind: Kind) -> Result<(Self, Held), StoreError> {
        Self::open_or_lost(path, kind, 0)
    }

    /// As [`open`](Self::open); a store that has to be created because a seed lost its own says until when the seed
    /// abstains, in Unix milliseconds, from its first moment on: killed again meanwhile, the seed still knows it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_or_lost(
        path: &Path,
        kind: Kind,
        abstain_until_ms: u64,
    ) -> Result<(Self, Held), StoreError> {
        if !path.exists() {
            Self::create(path, kind, abstain_until_ms)?;
        }
        let database = Database::open(path).map_err(|error| open_error(path, error))?;
        let (mut this, held) = Self::check_and_read(database, path, kind)?;
        this.path = Some(path.to_owned());
        Ok((this, held))
    }

    /// Opens a store on any storage, in place of a file: that of a simulator, say. Storage of no length becomes a new
    /// store, with what [`open_or_lost`](Self::open_or_lost) says of one.
    ///
    /// # Errors
    /// As [`open`](Self::open); the storage is named `<storage>`.
    pub fn open_on(
        storage: impl StorageBackend,
        kind: Kind,
        abstain_until_ms: u64,
    ) -> Result<(Self, Held), StoreError> {
        let path = Path::new("<storage>");
        let len = storage.len().map_err(|error| io_error(path, &error))?;
        let database = Database::builder()
            .create_with_backend(storage)
            .map_err(|error| open_error(path, error))?;
        if len == 0 {
            write_meta(&database, kind, abstain_until_ms)
                .map_err(|error| io_error(path, &*error))?;
        }
        Self::check_and_read(database, path, kind)
    }

    fn check_and_read(
        database: Database,
        path: &Path,
        kind: Kind,
    ) -> Result<(Self, Held), StoreError> {
        let this = Self::check_integrity(database, path)?;
        this.check_meta(path, kind)?;
        let held = this.read_as(path, kind)?;
        Ok((this, held))
    }

    /// Checksums tell a page that was changed behind the database's back before anything is read from it.
    fn check_integrity(mut database: Database, path: &Path) -> Result<Self, StoreError> {
        database
            .check_integrity()
            .map_err(|error| open_error(path, error))?;
        Ok(Self {
            database,
            path: None,
        })
    }

    fn read_as(&self, path: &Path, kind: Kind) -> Result<Held, StoreError> {
        self.read(kind).map_err(|error| match error {
            ReadError::Database(error) => damaged(path, &*error),
            ReadError::Value(what) => damaged(path, &what),
        })
    }

    /// Creates a store beside its place and moves it there when it is whole: a file that is there but not a store was
    /// one once, and is never taken for a new one.
    fn create(path: &Path, kind: Kind, abstain_until_ms: u64) -> Result<(), StoreError> {
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
        let created = Self::create_at(&fresh, kind, abstain_until_ms)
            .and_then(|()| std::fs::rename(&fresh, path).map_err(|error| io_error(path, &error)));
        if created.is_err() {
            // It may not even have been made.
            let _removed = std::fs::remove_file(&fresh);
        }
        created
    }

    fn create_at(path: &Path, kind: Kind, abstain_until_ms: u64) -> Result<(), StoreError> {
        let database = Database::create(path).map_err(|error| open_error(path, error))?;
        write_meta(&database, kind, abstain_until_ms).map_err(|error| io_error(path, &*error))
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
        let path = self.path.clone();
        let mut open = Some(self);
        while let Ok(first) = receiver.recv() {
            let batch: Vec<(WriteId, Stored)> =
                std::iter::once(first).chain(receiver.try_iter()).collect();
            let result = match open
                .take()
                .map_or_else(|| Self::reopen(path.as_deref()), Ok)
            {
                Ok(store) => {
                    let result = store.write(batch.iter().map(|(_, stored)| stored));
                    if result.is_ok() || path.is_none() {
                        open = Some(store);
                    }
                    result.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            for (id, _) in batch {
                done(id, result.clone());
            }
        }
    }

    /// Opens the file again: after a write that failed, a database takes no more until then, though the disk may have
    /// room again.
    fn reopen(path: Option<&Path>) -> Result<Self, StoreError> {
        let path = path.unwrap_or_else(|| Path::new(""));
        let database = Database::open(path).map_err(|error| open_error(path, error))?;
        Ok(Self {
            database,
            path: Some(path.to_owned()),
        })
    }

    /// Makes a batch durable, all of it or nothing.
    ///
    /// # Errors
    /// When the database cannot; whether the batch is kept shows when the store is opened again.
    pub fn write<'a>(
        &self,
        batch: impl Iterator<Item = &'a Stored>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let transaction = self.database.begin_write()?;
        for stored in batch {
            match stored {
                Stored::Seed(stored) => seed::write(&transaction, stored)?,
                Stored::Member(stored) => member::write(&transaction, stored)?,
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn check_meta(&self, path: &Path, kind: Kind) -> Result<(), StoreError> {
        let meta = self.meta().map_err(|error| damaged(path, &*error))?;
        meta.check_schema(path)?;
        if meta.kind != kind.name().as_bytes() {
            return Err(StoreError::AnotherKind {
                path: path.to_owned(),
                found: String::from_utf8_lossy(&meta.kind).into_owned(),
                expected: kind.name(),
            });
        }
        match kind {
            Kind::Seed(expected) if meta.network != expected.as_ref() => {
                let found = NetworkId::try_from(&meta.network[..]);
                Err(StoreError::AnotherNetwork {
                    path: path.to_owned(),
                    found: found
                        .map_or_else(|error| error.to_string(), |network| network.to_string()),
                    expected,
                })
            }
            Kind::Member(expected) if meta.node != expected.as_ref() => {
                let found = NodeId::try_from(&meta.node[..]);
                Err(StoreError::AnotherNode {
                    path: path.to_owned(),
                    found: found.map_or_else(|error| error.to_string(), |node| node.to_string()),
                    expected,
                })
            }
            Kind::Seed(_) | Kind::Member(_) => Ok(()),
        }
    }

    fn meta(&self) -> Result<Meta, Box<dyn std::error::Error>> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let get = |key: &str| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
            let value = meta.get(key)?;
            Ok(value
                .map(|value| value.value().to_vec())
                .unwrap_or_default())
        };
        Ok(Meta {
            schema: get("schema")?,
            network: get("network")?,
            node: get("node")?,
            kind: get("kind")?,
        })
    }

    fn read(&self, kind: Kind) -> Result<Held, ReadError> {
        let transaction: ReadTransaction = self.database.begin_read()?;
        Ok(match kind {
            Kind::Seed(_) => Held::Seed(seed::read(&transaction)?),
            Kind::Member(_) => Held::Member(Box::new(member::read(&transaction)?)),
        })
    }
}

/// The meta table as it is stored.
struct Meta {
    schema: Vec<u8>,
    network: Vec<u8>,
    node: Vec<u8>,
    kind: Vec<u8>,
}

impl Meta {
    fn check_schema(&self, path: &Path) -> Result<(), StoreError> {
        if self.schema == SCHEMA.to_be_bytes() {
            return Ok(());
        }
        let found = self.schema[..].try_into().map_or(0, u32::from_be_bytes);
        Err(StoreError::Schema {
            path: path.to_owned(),
            found,
        })
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Seed(_) => "seed",
            Self::Member(_) => "member",
        }
    }
}

/// Makes an empty database a store: all tables and what it is for in one transaction.
fn write_meta(
    database: &Database,
    kind: Kind,
    abstain_until_ms: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let transaction: WriteTransaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("schema", &SCHEMA.to_be_bytes()[..])?;
        meta.insert("kind", kind.name().as_bytes())?;
        if abstain_until_ms > 0 {
            meta.insert(ABSTAIN_UNTIL, &abstain_until_ms.to_be_bytes()[..])?;
        }
        match kind {
            Kind::Seed(network) => meta.insert("network", network.as_ref())?,
            Kind::Member(node) => meta.insert("node", node.as_ref())?,
        };
    }
    match kind {
        Kind::Seed(_) => seed::create(&transaction)?,
        Kind::Member(_) => member::create(&transaction)?,
    }
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

fn io_error(path: &Path, error: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
