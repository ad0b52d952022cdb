//! Looking at a store without owning it: for tools. Nothing is created, and nothing is changed.
//!
//! The file is read into memory as a whole, under a lock that a running node does not share, and what is opened is the copy:
//! the database mends a store whose node was killed before anything can be read from it, and mends the copy.

use std::fs::File;
use std::io::{Error, Read as _};
use std::path::Path;

use quorate_consensus::{NetworkId, NodeId};
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend as _};

use super::{Held, Kind, Meta, OPENING_THREAD, Store, StoreError, damaged, io_error};

/// The longest file that is looked at, in bytes: a million standings and more.
const INSPECTED_LEN_MAX: u64 = 1 << 30;

impl Store {
    /// Reads what a store holds, and finds out whose it is. The file stays as it is, and is not created.
    ///
    /// # Errors
    /// When a process has it open, or it is not a store that this version can read.
    pub fn inspect(path: &Path) -> Result<(Kind, Held), StoreError> {
        let owned = path.to_owned();
        let opening = std::thread::Builder::new()
            .name(OPENING_THREAD.to_owned())
            .spawn(move || inspect(&owned))
            .map_err(|error| io_error(path, &error))?;
        // The database panics on some damaged pages.
        opening
            .join()
            .unwrap_or_else(|_| Err(damaged(path, "the database gave up on a page")))
    }
}

fn inspect(path: &Path) -> Result<(Kind, Held), StoreError> {
    let content = read(path)?;
    let copy = InMemoryBackend::new();
    let len = u64::try_from(content.len()).unwrap_or(u64::MAX);
    copy.set_len(len)
        .and_then(|()| copy.write(0, &content))
        .map_err(|error| io_error(path, &error))?;
    drop(content);
    let store = Database::builder()
        .create_with_backend(copy)
        .map_err(|error| super::open_error(path, error))
        .and_then(|database| Store::check_integrity(database, path))
        .map_err(|error| match error {
            // Memory does not fail: pages that should be there are not.
            StoreError::Io { path, reason } => StoreError::Damaged { path, reason },
            error => error,
        })?;
    let meta = store.meta().map_err(|error| damaged(path, &*error))?;
    let kind = kind_of(&meta, path)?;
    Ok((kind, store.read_as(path, kind)?))
}

/// All bytes of a file that no node has open.
fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let io = |error: Error| io_error(path, &error);
    // Asked before it is opened, which waits for ever at a pipe.
    let metadata = path.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(io_error(path, "it is not a file"));
    }
    let mut file = File::open(path).map_err(io)?;
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(StoreError::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
    }
    let mut content = Vec::new();
    let limit = INSPECTED_LEN_MAX + 1;
    let len = (&mut file).take(limit).read_to_end(&mut content);
    match u64::try_from(len.map_err(io)?).unwrap_or(limit) {
        // The database would make a new one of it.
        0 => Err(damaged(path, "it is empty")),
        len if len > INSPECTED_LEN_MAX => Err(io_error(path, "it is longer than 1 GiB")),
        _ => Ok(content),
    }
}

/// Whose store it is, by its own word.
fn kind_of(meta: &Meta, path: &Path) -> Result<Kind, StoreError> {
    meta.check_schema(path)?;
    let wrong = |error: &dyn std::error::Error| damaged(path, &error.to_string());
    match &meta.kind[..] {
        b"seed" => NetworkId::try_from(&meta.network[..])
            .map(Kind::Seed)
            .map_err(|error| wrong(&error)),
        b"member" => NodeId::try_from(&meta.node[..])
            .map(Kind::Member)
            .map_err(|error| wrong(&error)),
        other => Err(StoreError::AnotherKind {
            path: path.to_owned(),
            found: String::from_utf8_lossy(other).into_owned(),
            expected: "seed or member",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::META;
    use super::*;

    /// A store whose meta table has another value under a key.
    fn with(key: &str, value: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        drop(Store::open(&path, Kind::Member(NodeId::from(1))).unwrap());
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction
            .open_table(META)
            .unwrap()
            .insert(key, value)
            .unwrap();
        transaction.commit().unwrap();
        (dir, path)
    }

    #[test]
    fn a_store_is_known_by_its_own_word_and_stays_as_it_is() {
        let (_dir, path) = with("node", NodeId::from(7).as_ref());
        let before = std::fs::read(&path).unwrap();
        let (kind, held) = Store::inspect(&path).unwrap();
        assert_eq!(kind, Kind::Member(NodeId::from(7)));
        assert!(matches!(held, Held::Member(_)));
        assert!(std::fs::read(&path).unwrap() == before);
    }

    #[test]
    fn a_newer_store_and_one_of_another_kind_are_named() {
        let (_dir, path) = with("schema", &9_u32.to_be_bytes());
        let error = Store::inspect(&path).unwrap_err();
        assert!(
            matches!(error, StoreError::Schema { found: 9, .. }),
            "{error}"
        );
        let (_dir, path) = with("kind", b"peer");
        let error = Store::inspect(&path).unwrap_err().to_string();
        let expected = "is that of a peer, expected that of a seed or member";
        assert!(error.ends_with(expected), "{error}");
        let (_dir, path) = with("node", b"short");
        let error = Store::inspect(&path).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_store_that_was_cut_short_anywhere_is_damaged() {
        let (dir, path) = with("node", NodeId::from(1).as_ref());
        let whole = std::fs::read(&path).unwrap();
        let cut = dir.path().join("cut");
        for len in (0..whole.len()).step_by(64) {
            std::fs::write(&cut, &whole[..len]).unwrap();
            let error = Store::inspect(&cut).unwrap_err();
            let is_damaged = matches!(error, StoreError::Damaged { .. });
            assert!(is_damaged, "{len} of {} bytes: {error}", whole.len());
        }
    }

    #[test]
    fn a_store_in_use_is_named() {
        let (_dir, path) = with("node", NodeId::from(1).as_ref());
        let _in_use = Store::open(&path, Kind::Member(NodeId::from(1))).unwrap();
        let error = Store::inspect(&path).unwrap_err();
        assert!(matches!(error, StoreError::InUse(_)), "{error}");
    }
}
