//! What happened, in order: a hash over all of it, the last of it for a failure's report, and all of it on demand.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use quorate_consensus::Digest;
use quorate_node::Event;
use sha2::{Digest as _, Sha256};

use crate::host::HostId;

/// How many of the last entries are kept.
const KEPT: usize = 60;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A frame was sent.
    Sent {
        /// By whom.
        from: HostId,
        /// To how many.
        copies: usize,
        /// What kind.
        name: &'static str,
        /// How long, in bytes.
        len: usize,
        /// All of it, where somebody reads along.
        text: Option<String>,
    },
    /// A frame arrived.
    Arrived {
        /// From whom.
        from: HostId,
        /// Where.
        to: HostId,
        /// What kind.
        name: &'static str,
    },
    /// A node told its application something.
    Told {
        /// Which.
        host: HostId,
        /// What.
        event: Box<Event>,
    },
    /// The world did something to a host, or to several.
    World(String),
}

/// The record of a run.
pub struct Trace {
    hasher: Sha256,
    last: VecDeque<(Duration, Entry)>,
    log: Option<Box<dyn Write + Send>>,
    /// Why the log is not whole.
    unwritten: Option<io::Error>,
    count: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hasher: Sha256::new(),
            last: VecDeque::with_capacity(KEPT),
            log: None,
            unwritten: None,
            count: 0,
        }
    }
}

impl Trace {
    /// Also writes every entry as a line.
    pub fn log_to(&mut self, log: Box<dyn Write + Send>) {
        self.log = Some(log);
    }

    /// Whether somebody reads along.
    pub const fn is_read(&self) -> bool {
        self.log.is_some()
    }

    /// Something happened. `detail` is hashed with it: a frame's bytes, say.
    pub fn note(&mut self, at: Duration, entry: Entry, detail: &[u8]) {
        self.count += 1;
        let mut head = [0_u8; 26];
        head[..8].copy_from_slice(
            &u64::try_from(at.as_nanos())
                .unwrap_or(u64::MAX)
                .to_le_bytes(),
        );
        let (tag, a, b) = match &entry {
            Entry::Sent { from, len, .. } => (0, from.0, *len),
            Entry::Arrived { from, to, .. } => (1, from.0, to.0),
            Entry::Told { host, .. } => (2, host.0, 0),
            Entry::World(_) => (3, 0, 0),
        };
        head[8] = tag;
        head[9..17].copy_from_slice(&(a as u64).to_le_bytes());
        head[17..25].copy_from_slice(&(b as u64).to_le_bytes());
        self.hasher.update(head);
        match &entry {
            Entry::Told { event, .. } => self.hasher.update(event.to_string()),
            Entry::World(what) => self.hasher.update(what),
            _ => self.hasher.update(detail),
        }
        if let Some(log) = &mut self.log
            && let Err(error) = writeln!(log, "{}", Line(at, &entry))
        {
            // No reason to end the run: its outcome is still worth something. But a log with a gap is worth nothing, so
            // no more is written.
            self.unwritten = Some(error);
            self.log = None;
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back((at, entry));
    }

    /// Nothing more is written, and all that was is where it belongs.
    ///
    /// # Errors
    /// The first that kept an entry from being written.
    pub fn end_log(&mut self) -> io::Result<()> {
        let flushed = self.log.take().map_or(Ok(()), |mut log| log.flush());
        self.unwritten.take().map_or(flushed, Err)
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> Digest {
        Digest::new(self.hasher.clone().finalize().into())
    }

    /// How many entries there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The last entries, a line each.
    pub fn last(&self) -> Vec<String> {
        self.last
            .iter()
            .map(|(at, entry)| Line(*at, entry).to_string())
            .collect()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace of {} entries", self.count)
    }
}

struct Line<'a>(Duration, &'a Entry);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at, entry) = self;
        write!(f, "{:>11.6} ", at.as_secs_f64())?;
        match entry {
            Entry::Sent {
                from,
                copies,
                name,
                len,
                text,
            } => {
                write!(f, "{from} sends {name} to {copies} ({len} bytes)")?;
                text.iter().try_for_each(|text| write!(f, ": {text}"))
            }
            Entry::Arrived { from, to, name } => write!(f, "{to} gets {name} from {from}"),
            Entry::Told { host, event } => {
                write!(f, "{host}: {}", on_a_line(&event.to_string()))
            }
            Entry::World(what) => f.write_str(what),
        }
    }
}

/// The longest text of an event on a line, in characters.
const TEXT_MAX: usize = 400;

/// A text without what would break a line in two or steer a terminal: what applications say to each other is random bytes.
fn on_a_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(TEXT_MAX));
    for (at, c) in text.chars().enumerate() {
        if at == TEXT_MAX {
            line.push('…');
            break;
        }
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes more.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_could_not_be_written_says_so_at_the_end_and_the_trace_goes_on() {
        // In the middle of an entry; after some; when the buffer is flushed at last; not at all.
        for (room, entries, is_whole) in
            [(5, 2, false), (40, 9, false), (0, 1, false), (99, 2, true)]
        {
            let (mut trace, mut unread) = (Trace::default(), Trace::default());
            trace.log_to(if room == 0 {
                Box::new(io::BufWriter::new(Disk(0)))
            } else {
                Box::new(Disk(room))
            });
            for number in 0..entries {
                let entry = Entry::World(format!("thing {number}"));
                trace.note(Duration::ZERO, entry.clone(), &[]);
                unread.note(Duration::ZERO, entry, &[]);
            }
            let kind = trace.end_log().err().map(|error| error.kind());
            assert_eq!(kind.is_none(), is_whole, "{room}");
            assert_eq!(
                kind.unwrap_or(io::ErrorKind::StorageFull),
                io::ErrorKind::StorageFull
            );
            assert_eq!(
                (trace.hash(), trace.count()),
                (unread.hash(), unread.count())
            );
            assert!(trace.end_log().is_ok());
        }
    }

    #[test]
    fn what_is_said_stays_on_its_line_and_lets_terminals_be() {
        assert_eq!(on_a_line("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(on_a_line(&"x".repeat(TEXT_MAX)), "x".repeat(TEXT_MAX));
        let long = on_a_line(&"x".repeat(TEXT_MAX + 1));
        assert_eq!(long, "x".repeat(TEXT_MAX) + "…");
    }
}
