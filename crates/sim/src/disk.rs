//! A disk: it keeps what was synced, may lose or tear what was only written, and can fail.
//!
//! Stores run on it as they do on a file, so their own crash safety is what is tried.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_node::store::StorageBackend;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::dice::Dice as _;

/// A host's disk, of one file.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// What reads see.
    current: Vec<u8>,
    /// What survives a loss of power.
    synced: Vec<u8>,
    /// What was written since the last sync.
    unsynced: Vec<Operation>,
    /// Whoever opened it before has no access any more.
    opened: u64,
    /// So many more operations until the process dies in the middle of what it does.
    left: Option<u32>,
    is_failing: bool,
    syncs: u64,
}

#[derive(Debug)]
enum Operation {
    SetLen(usize),
    Write(usize, Vec<u8>),
}

/// One process's access to a disk.
#[derive(Debug)]
pub struct Access {
    disk: Disk,
    opened: u64,
}

impl Disk {
    /// Opens it for a new process.
    pub fn open(&self) -> Access {
        let mut platter = self.platter();
        platter.opened += 1;
        platter.left = None;
        Access {
            disk: self.clone(),
            opened: platter.opened,
        }
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.platter().current.is_empty()
    }

    /// The process that has it open will die after so many more operations, and leave the rest undone.
    pub fn cut_after(&self, operations: u32) {
        self.platter().left = Some(operations);
    }

    /// Whoever has it open has lost it. What was written is kept: the kernel has it.
    pub fn close(&self) {
        self.platter().opened += 1;
    }

    /// The power is gone: of what was not synced, some is written, in any order, and the last of it torn.
    pub fn lose_power(&self, rng: &mut ChaCha8Rng) {
        let mut platter = self.platter();
        platter.opened += 1;
        let mut operations = std::mem::take(&mut platter.unsynced);
        operations.retain(|_| rng.one_in(2));
        if let Some(Operation::Write(_, data)) = operations.last_mut() {
            let kept = rng.random_range(0..=data.len());
            data.truncate(kept);
        }
        operations
            .iter()
            .for_each(|operation| operation.apply(&mut platter.synced));
        platter.current = platter.synced.clone();
    }

    /// From now on every write fails, or none any more.
    pub fn set_failing(&self, is_failing: bool) {
        self.platter().is_failing = is_failing;
    }

    /// Whether every write fails.
    pub fn is_failing(&self) -> bool {
        self.platter().is_failing
    }

    /// Replaces it with an empty one.
    pub fn replace(&self) {
        let mut platter = self.platter();
        let opened = platter.opened + 1;
        *platter = Platter {
            opened,
            ..Platter::default()
        };
    }

    /// How often something was synced.
    pub fn syncs(&self) -> u64 {
        self.platter().syncs
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operation {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => to.resize(*len, 0),
            Self::Write(offset, data) => {
                let end = offset + data.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(data);
            }
        }
    }
}

impl Access {
    fn platter(&self) -> Result<MutexGuard<'_, Platter>, io::Error> {
        let platter = self.disk.platter();
        if platter.opened == self.opened {
            Ok(platter)
        } else {
            Err(failed("the process that opened it is dead"))
        }
    }

    fn change(&self, operation: Operation) -> Result<(), io::Error> {
        let mut platter = self.platter()?;
        if platter.is_failing {
            return Err(failed("no space left on device"));
        }
        if let Some(left) = &mut platter.left {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| failed("the process is dying"))?;
        }
        operation.apply(&mut platter.current);
        platter.unsynced.push(operation);
        Ok(())
    }
}

impl StorageBackend for Access {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.platter()?.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let platter = self.platter()?;
        let range = place(offset)?..place(offset)? + out.len();
        let data = platter
            .current
            .get(range)
            .ok_or_else(|| failed("read beyond the end"))?;
        out.copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.change(Operation::SetLen(place(len)?))
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut platter = self.platter()?;
        if platter.is_failing {
            return Err(failed("input/output error"));
        }
        if let Some(left) = &mut platter.left {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| failed("the process is dying"))?;
        }
        let operations = std::mem::take(&mut platter.unsynced);
        operations
            .iter()
            .for_each(|operation| operation.apply(&mut platter.synced));
        platter.syncs += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.change(Operation::Write(place(offset)?, data.to_vec()))
    }
}

fn failed(why: &str) -> io::Error {
    io::Error::other(why)
}

fn place(offset: u64) -> Result<usize, io::Error> {
    usize::try_from(offset).map_err(|_| failed("an offset beyond all memory"))
}
