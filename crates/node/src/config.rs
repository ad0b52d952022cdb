//! The seed list (`config.csv`) and the options of a node.

mod open;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use open::{Admission, Discovery, Others};
use quorate_consensus::{
    Electorate, NetworkId, NodeId, QuorumRule, Seat, Transcript, assembly, council,
};
use quorate_gossip as gossip;
use quorate_overlay as overlay;
use quorate_wire::Format;

use crate::protocol::FRAME_LEN_MAX;

/// What a frame holds beside a payload, in bytes, rather more than less.
const MESSAGE_OVERHEAD: usize = 4096;

/// How many seeds a list may name.
pub const SEEDS_MAX: usize = 64;

/// One line of `config.csv`: where a seed listens and, if pinned, who it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeedLine {
    /// `host:port`, IPv6 hosts in brackets.
    pub address: String,
    /// The seed's identity, if the line pins it.
    pub pin: Option<NodeId>,
}

/// The seeds of a network: the electorate's seats. Sorted by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedList {
    lines: Vec<SeedLine>,
    /// The network and the epoch, if these are not the seeds that the network began with.
    later: Option<(NetworkId, u64)>,
}

/// Why a seed list cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeedListError {
    /// The file cannot be read.
    #[error("cannot read the seed list {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not `ip,port` or `ip,port,node-id`.
    #[error("line {line}: expected {expected}, got {got:?}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
    /// One address on two lines.
    #[error("line {line}: the seed {address} is listed twice")]
    Duplicate {
        /// The second line's number, from 1.
        line: usize,
        /// Whose.
        address: String,
    },
    /// A list of a later epoch names every seed's identity.
    #[error(
        "expected an identity on every line of a list of epoch {epoch}, got none for {address}"
    )]
    Unpinned {
        /// Which epoch's.
        epoch: u64,
        /// Whose line.
        address: String,
    },
    /// No seed, or too many.
    #[error("expected 1 to {SEEDS_MAX} seeds, got {0}")]
    Count(usize),
    /// What is wrong, in which file.
    #[error("{path}: {source}")]
    InFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Self>,
    },
}

impl SeedList {
    /// Reads a `config.csv`: a line `ip,port` or `ip,port,node-id` per seed. Empty lines and lines that start with `#`
    /// are passed over. Where the seeds are not those that the network began with, a line `network,network-id,epoch` says
    /// which network's they are, and since which epoch; all of them are named then.
    ///
    /// # Errors
    /// When the file cannot be read, or the first line that is wrong, with its number.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SeedListError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| SeedListError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|source| SeedListError::InFile {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Parses the text of a `config.csv`.
    ///
    /// # Errors
    /// The first line that is wrong, with its number.
    pub fn parse(text: &str) -> Result<Self, SeedListError> {
        let mut lines = Vec::new();
        let mut seen = BTreeSet::new();
        let mut later = None;
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            // A byte-order mark is what some editors put before the first line.
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Some(named) = parse_network(text) {
                later = Some(named);
                continue;
            }
            let parsed = parse_line(text).map_err(|(expected, got)| SeedListError::Line {
                line,
                expected,
                got: got.chars().take(80).collect(),
            })?;
            if !seen.insert(parsed.address.clone()) {
                let address = parsed.address;
                return Err(SeedListError::Duplicate { line, address });
            }
            lines.push(parsed);
        }
        let list = Self::new(lines)?;
        match later {
            Some((network, epoch)) => list.of_epoch(network, epoch),
            None => Ok(list),
        }
    }

    /// This list as that of a later epoch of a network that began with other seeds.
    ///
    /// # Errors
    /// When a line does not name who sits there.
    pub fn of_epoch(self, network: NetworkId, epoch: u64) -> Result<Self, SeedListError> {
        if let Some(line) = self.lines.iter().find(|line| line.pin.is_none()) {
            let address = line.address.clone();
            return Err(SeedListError::Unpinned { epoch, address });
        }
        Ok(Self {
            later: Some((network, epoch)),
            ..self
        })
    }

    /// A list of these lines.
    ///
    /// # Errors
    /// When there are none, or too many.
    pub fn new(lines: impl IntoIterator<Item = SeedLine>) -> Result<Self, SeedListError> {
        let mut lines: Vec<SeedLine> = lines.into_iter().collect();
        lines.sort();
        if (1..=SEEDS_MAX).contains(&lines.len()) {
            Ok(Self { lines, later: None })
        } else {
            Err(SeedListError::Count(lines.len()))
        }
    }

    /// The lines, sorted by address.
    pub fn lines(&self) -> &[SeedLine] {
        &self.lines
    }

    /// The addresses, sorted.
    pub fn addresses(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.address.clone()).collect()
    }

    /// The line of an address.
    pub fn position(&self, address: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.address == address)
    }

    /// The network these seeds found: a hash of their addresses. Pins are left out, so that those who pin and those
    /// who do not are in one network. A list of a later epoch says itself whose it is.
    pub fn network(&self) -> NetworkId {
        if let Some((network, _)) = self.later {
            return network;
        }
        let digest = Transcript::new("quorate/seeded-network/1")
            .list(self.lines.iter().map(|line| &line.address))
            .finish();
        NetworkId::new(*digest.as_bytes())
    }

    /// The electorate: a seat per line, ⌊n/2⌋+1 decide.
    ///
    /// # Errors
    /// When one identity is pinned on two lines.
    pub fn electorate(&self) -> Result<Electorate, quorate_consensus::ElectorateError> {
        let seats = self.lines.iter().map(|line| Seat {
            name: line.address.clone(),
            voter: line.pin,
        });
        let epoch = self.later.map_or(0, |(_, epoch)| epoch);
        Electorate::new(self.network(), epoch, QuorumRule::Majority, seats)
    }
}

impl fmt::Display for SeedList {
    /// As `config.csv`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((network, epoch)) = self.later {
            writeln!(f, "network,{network},{epoch}")?;
        }
        self.lines.iter().try_for_each(|line| {
            let (host, port) = line.address.rsplit_once(':').unwrap_or((&line.address, ""));
            let host = host.trim_start_matches('[').trim_end_matches(']');
            write!(f, "{host},{port}")?;
            match line.pin {
                Some(pin) => writeln!(f, ",{pin}"),
                None => writeln!(f),
            }
        })
    }
}

/// `network,network-id,epoch`; a host of that name has a port, not an id.
fn parse_network(text: &str) -> Option<(NetworkId, u64)> {
    let mut fields = text.split(',').map(str::trim);
    let named = (fields.next()?, fields.next()?, fields.next()?);
    let is_whole = named.0 == "network" && fields.next().is_none();
    let (network, epoch) = (named.1.parse().ok()?, named.2.parse().ok()?);
    is_whole.then_some((network, epoch))
}

fn parse_line(text: &str) -> Result<SeedLine, (&'static str, &str)> {
    let mut fields = text.split(',').map(str::trim);
    let (Some(host), Some(port), pin, None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(("ip,port or ip,port,node-id", text));
    };
    let is_name = |host: &str| {
        !host.is_empty()
            && host.len() <= 253
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    if host == "network" && pin.is_some() && port.parse::<u16>().is_err() {
        return Err((
            "network,network-id,epoch with an id of 64 hexadecimal digits",
            text,
        ));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let host = match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) if is_name(host) => host.to_ascii_lowercase(),
        Err(_) => return Err(("an IP address or a host name", host)),
    };
    let port = match port.parse::<u16>() {
        Ok(port) if port != 0 => port,
        _ => return Err(("a port from 1 to 65535", port)),
    };
    let pin = match pin {
        None | Some("") => None,
        Some(pin) => Some(
            pin.parse()
                .map_err(|_| ("a node id of 64 hexadecimal digits", pin))?,
        ),
    };
    Ok(SeedLine {
        address: format!("{host}:{port}"),
        pin,
    })
}

/// What all roles can be told. The defaults suit a LAN.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How frames after the hello are encoded; the same for all nodes of a network. Default bincode.
    pub format: Format,
    /// How long a probed node has to echo. Longer spares slow nodes and slows evictions. Default 1 s.
    pub probe_timeout: Duration,
    /// How long the other end of a new connection has for its hello. Default 5 s.
    pub hello_timeout: Duration,
    /// The first and the longest pause before a failed dial is tried again; it doubles in between, with jitter.
    /// Default 100 ms and 2 s.
    pub redial: (Duration, Duration),
    /// How often a session between a peer and a seed, or two seeds, is checked for life; silent for five such spans, it
    /// is closed. Default 1 s.
    pub session_ping: Duration,
    /// How long a seed waits for a member's session before it probes the member itself. It gives its neighbours time
    /// to report first. Default 2 s.
    pub orphan_after: Duration,
    /// How many connections may be open at once, and with one node. Each takes a file descriptor, of which many systems
    /// give a process 1024: raise both together for larger networks. Default 900 and 16.
    pub connections_max: (usize, usize),
    /// How many candidates of one host, by the addresses that they connect from, the seeds have votes open on at once. Each seed
    /// takes its share of them, so many for each seat, at least one; more are told so and try again. Fewer stop a flood of keys
    /// earlier, but all nodes behind one NAT are one host. `council.open_max` bounds those of all hosts. Default 256.
    pub candidates_per_host_max: usize,
    /// The council of a seed.
    pub council: council::Config,
    /// The links of a peer.
    pub overlay: overlay::Config,
    /// Dissemination and heartbeats.
    pub gossip: gossip::Config,
    /// Investigations of suspected deaths.
    pub inquiry: gossip::InquiryConfig,
    /// Whether a peer or member that finds itself evicted takes the next incarnation and asks again. Default yes.
    pub rejoin: bool,
    /// The assembly of a member.
    pub assembly: assembly::Config,
    /// For how long a member's host must have refused connections before another member accuses it: time for a restart.
    /// Default 1 s.
    pub gone_after: Duration,
    /// For how long a member must have been silent, neither answering nor refusing, before another accuses it: time for
    /// a suspended process, or an interrupted network. Default 60 s.
    pub silent_after: Duration,
    /// How long a bootstrap keeps a node that does not renew its registration; nodes renew it three times as often.
    /// Default 9 s.
    pub lease: Duration,
}

impl Options {
    /// The longest payload that fits a frame in this format, in bytes. JSON writes a byte as up to four.
    pub const fn payload_limit(&self) -> usize {
        let room = FRAME_LEN_MAX - MESSAGE_OVERHEAD;
        match self.format {
            Format::Bincode => room,
            Format::Json => room / 4,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: Format::default(),
            probe_timeout: Duration::from_secs(1),
            hello_timeout: Duration::from_secs(5),
            redial: (Duration::from_millis(100), Duration::from_secs(2)),
            session_ping: Duration::from_secs(1),
            orphan_after: Duration::from_secs(2),
            connections_max: (900, 16),
            candidates_per_host_max: 256,
            council: council::Config::default(),
            overlay: overlay::Config::default(),
            gossip: gossip::Config::default(),
            // The next in rank acts when the first has had time for its probe and its panel's.
            inquiry: gossip::InquiryConfig {
                rank_delay: Duration::from_millis(1500),
                ..gossip::InquiryConfig::default()
            },
            rejoin: true,
            assembly: assembly::Config::default(),
            gone_after: Duration::from_secs(1),
            silent_after: Duration::from_secs(60),
            lease: Duration::from_secs(9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_as_it_prints() {
        let pin = NodeId::from(9);
        let text = format!("# seeds\n\n127.0.0.1, 5010\n::1,5011\r\nSeed.Example,5012,{pin}\n");
        let list = SeedList::parse(&text).unwrap();
        assert_eq!(
            list.addresses(),
            ["127.0.0.1:5010", "[::1]:5011", "seed.example:5012"]
        );
        assert_eq!(list.lines()[2].pin, Some(pin));
        assert_eq!(SeedList::parse(&list.to_string()).unwrap(), list);
    }

    #[test]
    fn order_and_pins_do_not_change_the_network() {
        let a = SeedList::parse("a,1\nb,2\n").unwrap();
        let b = SeedList::parse(&format!("b,2,{}\na,1\n", NodeId::from(1))).unwrap();
        assert_eq!(a.network(), b.network());
        assert_ne!(
            a.network(),
            SeedList::parse("a,1\nb,3\n").unwrap().network()
        );
    }

    #[test]
    fn a_bad_line_is_named_with_its_number() {
        let table = [
            (
                "127.0.0.1\n",
                "line 1: expected ip,port or ip,port,node-id, got \"127.0.0.1\"",
            ),
            (
                "a,1\nb,70000",
                "line 2: expected a port from 1 to 65535, got \"70000\"",
            ),
            (
                "a,1\na b,2",
                "line 2: expected an IP address or a host name, got \"a b\"",
            ),
            (
                "network,abcd,3",
                "line 1: expected network,network-id,epoch with an id of 64 hexadecimal digits, got \"network,abcd,3\"",
            ),
            (
                "a,1,zz",
                "line 1: expected a node id of 64 hexadecimal digits, got \"zz\"",
            ),
            (
                "a,1,,x",
                "line 1: expected ip,port or ip,port,node-id, got \"a,1,,x\"",
            ),
            ("a,1\n\na,1", "line 3: the seed a:1 is listed twice"),
            ("# none", "expected 1 to 64 seeds, got 0"),
        ];
        for (text, error) in table {
            assert_eq!(SeedList::parse(text).unwrap_err().to_string(), error);
        }
    }
}
