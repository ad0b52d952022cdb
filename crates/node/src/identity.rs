//! A node's secret key and where it is kept.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_consensus::{Ed25519Key, Invitation, NetworkId, NodeId, Signer as _};
use rand::TryRng as _;
use rand::rngs::SysRng;

/// Who a node is: its Ed25519 key.
#[derive(Debug, Clone)]
pub struct Identity {
    key: Ed25519Key,
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The operating system gave no randomness.
    #[error("cannot generate a key: {0}")]
    Randomness(rand::rngs::SysError),
    /// The file cannot be read or written.
    #[error("cannot use the key file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("the key file {path} is not a key: expected 64 hexadecimal digits, got {got}")]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// What is in it, without showing it.
        got: String,
    },
    /// Two processes of one node would end each other's lives without end.
    #[error("the key file {path} is in use by another process")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// Others can read the secret.
    #[error("the key file {path} can be read by others: expected permissions 0600, got {mode:04o}")]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Identity {
    /// A new key from the operating system's generator.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, IdentityError> {
        let mut secret = [0; 32];
        SysRng
            .try_fill_bytes(&mut secret)
            .map_err(IdentityError::Randomness)?;
        Ok(Self::from_secret(&secret))
    }

    /// The key with these 32 secret bytes.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self {
            key: Ed25519Key::from_secret(secret),
        }
    }

    /// Reads the key file, or creates it with a new key and permissions 0600. Also tells whether it was created.
    ///
    /// # Errors
    /// When the file cannot be used, is not a key, or can be read by others.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<(Self, bool), IdentityError> {
        let path = path.as_ref();
        match Self::load(path) {
            Err(IdentityError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let this = Self::generate()?;
                this.create(path)?;
                Ok((this, true))
            }
            loaded => Ok((loaded?, false)),
        }
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// When the file cannot be read, is not a key, or can be read by others.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, IdentityError> {
        let path = path.as_ref();
        let file = fs::File::open(path).map_err(|source| io_error(path, source))?;
        check_permissions(&file, path)?;
        let mut text = String::new();
        // A little more than a key, so that something longer is noticed and not read whole.
        let read = file.take(100).read_to_string(&mut text);
        let not_a_key = |got: String| IdentityError::NotAKey {
            path: path.to_owned(),
            got,
        };
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(not_a_key("bytes that are no text".to_owned()));
            }
            Err(source) => return Err(io_error(path, source)),
        }
        let text = text.trim();
        // Hexadecimal of 32 bytes, as a node id is; the type is borrowed only to parse.
        let secret: NodeId = text
            .parse()
            .map_err(|_| not_a_key(format!("{} characters", text.chars().count())))?;
        Ok(Self::from_secret(secret.as_bytes()))
    }

    /// Moves a key file aside, beside itself under another name: `key` becomes `key.lost`, or `key.lost.1` and so on.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub(crate) fn set_aside(path: &Path) -> Result<PathBuf, IdentityError> {
        let name = |number: u32| match number {
            0 => path.with_extension("lost"),
            number => path.with_extension(format!("lost.{number}")),
        };
        // Of so many names one is free, or the directory is not usable anyway.
        let free = (0..10_000).map(name).find(|free| !free.exists());
        let free = free.unwrap_or_else(|| name(0));
        fs::rename(path, &free).map_err(|source| io_error(path, source))?;
        Ok(free)
    }

    /// Takes a key file for this process alone, until the file is dropped.
    ///
    /// # Errors
    /// When another process has it, or it cannot be opened.
    pub(crate) fn lock(path: &Path) -> Result<fs::File, IdentityError> {
        let file = fs::File::open(path).map_err(|source| io_error(path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(IdentityError::InUse {
                path: path.to_owned(),
            }),
            Err(fs::TryLockError::Error(source)) => Err(io_error(path, source)),
        }
    }

    /// Creates the file beside its place and moves it there when it is whole: on a full disk, nothing is left that a later
    /// start would take for a key that was damaged. A file that is there is not replaced.
    fn create(&self, path: &Path) -> Result<(), IdentityError> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| io_error(path, source))?;
        }
        // A name of its own: another process may be at the same.
        let number = SysRng.try_next_u64().map_err(IdentityError::Randomness)?;
        let fresh = path.with_extension(format!("new.{number:016x}"));
        let created = self
            .write_new(&fresh)
            .and_then(|()| move_without_replacing(&fresh, path));
        if created.is_err() {
            // It may not even have been made.
            let _removed = fs::remove_file(&fresh);
        }
        created.map_err(|source| io_error(path, source))
    }

    fn write_new(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(path)?;
        writeln!(file, "{}", NodeId::new(*self.key.secret()))?;
        file.sync_all()
    }

    /// Signs an invitation into a network ([`SeedList::network`](crate::SeedList::network)) that is good for so long, for
    /// this guest or for whoever shows it first.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn invite(
        &self,
        network: NetworkId,
        guest: Option<NodeId>,
        valid: Duration,
    ) -> Result<Invitation, IdentityError> {
        let mut nonce = [0; 16];
        SysRng
            .try_fill_bytes(&mut nonce)
            .map_err(IdentityError::Randomness)?;
        // A clock before 1970 makes one that has expired.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let expires = now.unwrap_or_default().saturating_add(valid);
        let expires_ms = u64::try_from(expires.as_millis()).unwrap_or(u64::MAX);
        Ok(Invitation::sign(
            &self.key, network, guest, nonce, expires_ms,
        ))
    }

    /// The public name.
    pub fn id(&self) -> NodeId {
        self.key.id()
    }

    /// The key.
    pub const fn key(&self) -> &Ed25519Key {
        &self.key
    }
}

/// A second name fails where there is a file, which renaming would replace.
fn move_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        // Some file systems give no file two names.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !to.exists() => {
            fs::rename(from, to)
        }
        Err(error) => Err(error),
    }
}

fn io_error(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(unix)]
fn check_permissions(file: &fs::File, path: &Path) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|source| io_error(path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    // A directory is no secret; reading it says what it is.
    if mode & 0o077 == 0 || metadata.is_dir() {
        Ok(())
    } else {
        Err(IdentityError::Permissions {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn check_permissions(_file: &fs::File, _path: &Path) -> Result<(), IdentityError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_key_is_private_and_loads_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/key");
        let (created, was_created) = Identity::load_or_create(&path).unwrap();
        let (loaded, was_created_again) = Identity::load_or_create(&path).unwrap();
        assert_eq!(created.id(), loaded.id());
        assert!(was_created && !was_created_again);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(
                Identity::load(&path),
                Err(IdentityError::Permissions { mode: 0o644, .. })
            ));
        }
    }

    #[test]
    fn a_key_that_cannot_be_put_in_its_place_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "somebody was faster").unwrap();
        let error = Identity::generate().unwrap().create(&path).unwrap_err();
        let is_there = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        assert!(matches!(&error, IdentityError::Io { source, .. } if is_there(source)));
        assert_eq!(fs::read(&path).unwrap(), b"somebody was faster");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::remove_file(&path).unwrap();
        assert!(Identity::load_or_create(&path).unwrap().1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_key_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        for content in [&b""[..], b"short", &[0xff; 40], &[b'a'; 1000]] {
            let path = dir.path().join("key");
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt as _;
                options.mode(0o600);
            }
            options.open(&path).unwrap().write_all(content).unwrap();
            assert!(matches!(
                Identity::load_or_create(&path),
                Err(IdentityError::NotAKey { .. })
            ));
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }
}
