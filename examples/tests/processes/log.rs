//! Reading the programs' lines: `<seconds>.<six decimals> <text>`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One line of an output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// When it was written, since the Unix epoch.
    pub(crate) at: Duration,
    pub(crate) text: String,
}

impl Line {
    /// Panics on a line that does not begin with a timestamp: no output file may hold one.
    pub(crate) fn parse(line: &str) -> Self {
        let parsed = line.split_once(' ').and_then(|(at, text)| {
            let at = timestamp(at)?;
            let text = text.to_owned();
            Some(Self { at, text })
        });
        parsed.unwrap_or_else(|| panic!("expected '<seconds>.<six decimals> <text>', got {line:?}"))
    }

    /// What stands between `before`, at the start of the text, and the first `after`.
    pub(crate) fn between(&self, before: &str, after: &str) -> Option<&str> {
        Some(self.text.strip_prefix(before)?.split_once(after)?.0)
    }

    /// `Peer list received from <seed>: [<address>, …]`.
    pub(crate) fn peer_list(&self) -> Option<Vec<&str>> {
        let (_, list) = self
            .text
            .strip_prefix("Peer list received from ")?
            .split_once(": [")?;
        let list = list.strip_suffix(']')?;
        Some(
            list.split(", ")
                .filter(|address| !address.is_empty())
                .collect(),
        )
    }

    /// `GOSSIP originated: '<message>' to <n> neighbours`.
    pub(crate) fn originated(&self) -> Option<&str> {
        self.between("GOSSIP originated: '", "' to ")
    }

    /// `GOSSIP received (first time): '<message>' from <sender>`: the message and the sender.
    pub(crate) fn received(&self) -> Option<(&str, &str)> {
        self.text
            .strip_prefix("GOSSIP received (first time): '")?
            .split_once("' from ")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:06} {}",
            self.at.as_secs(),
            self.at.subsec_micros(),
            self.text
        )
    }
}

/// Seconds since the Unix epoch with six decimals, as the documents write a time.
pub(crate) fn timestamp(text: &str) -> Option<Duration> {
    let (seconds, micros) = text.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(seconds) || !is_number(micros) || micros.len() != 6 {
        return None;
    }
    Some(Duration::new(
        seconds.parse().ok()?,
        micros.parse::<u32>().ok()? * 1000,
    ))
}

/// The peer list that a log's commits, evictions and departures add up to: incarnations by address.
pub(crate) fn members(lines: &[Line]) -> BTreeMap<String, u64> {
    let mut members = BTreeMap::new();
    for line in lines {
        if let Some(address) = line.between("REGISTER committed: ", " (incarnation ") {
            let incarnation = line
                .text
                .split_once(" (incarnation ")
                .and_then(|(_, rest)| rest.split_once(") with "))
                .and_then(|(incarnation, _)| incarnation.parse().ok());
            let incarnation = incarnation.unwrap_or_else(|| panic!("no incarnation in {line}"));
            members.insert(address.to_owned(), incarnation);
        } else if let Some(address) = line.between("DEAD_CONFIRMED ", " (incarnation ") {
            members.remove(address);
        } else if let Some(address) = line.text.strip_suffix(" has left") {
            members.remove(address);
        }
    }
    members
}

/// The first line that begins so.
pub(crate) fn position(lines: &[Line], beginning: &str) -> Option<usize> {
    lines
        .iter()
        .position(|line| line.text.starts_with(beginning))
}

/// Whether lines that begin so come one after the other.
pub(crate) fn are_in_order(lines: &[Line], beginnings: &[String]) -> bool {
    let mut rest = lines;
    beginnings.iter().all(|beginning| {
        let found = position(rest, beginning);
        rest = found.map_or(&[], |found| &rest[found + 1..]);
        found.is_some()
    })
}
