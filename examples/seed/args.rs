//! The program's arguments, and the admission policy that they make.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use quorate_node::NodeId;
use quorate_node::admission::{
    All, AllowAll, AllowList, Any, AskOperator, Invited, PerAddress, Rate, Returning,
};

/// A seed of a Quorate network.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The address to listen at, as in the seed list.
    ip: IpAddr,
    /// The port to listen at, as in the seed list.
    pub(crate) port: u16,
    /// The seed list.
    #[arg(long, default_value = "config.csv")]
    pub(crate) config: PathBuf,
    /// Where to keep the key and the store [default: data/seed-<port>].
    #[arg(long)]
    data: Option<PathBuf>,
    /// How the seed list names this seed, as host:port, if not by the address it listens at.
    #[arg(long)]
    pub(crate) advertise: Option<String>,
    /// Write this seed's identity into the seed list, so that nobody has to trust a first contact, and exit.
    #[arg(long)]
    pub(crate) init: bool,
    /// Whom to vote for: all, ask (at the prompt, about who was no member before), list:FILE (a file with a node id in each
    /// line), invited (who shows an invitation). Of several, one is enough.
    #[arg(long, value_name = "WHOM", default_value = "all")]
    admit: Vec<Whom>,
    /// Whose invitations count beside those of seeds, by the key of 64 hexadecimal digits; may be repeated.
    #[arg(long, value_name = "ID", value_parser = node_id)]
    operator: Vec<NodeId>,
    /// How many nodes at one address to vote for at most.
    #[arg(long, value_name = "N", value_parser = count)]
    per_address: Option<usize>,
    /// How many nodes per time to vote for at most, as in 5/60s.
    #[arg(long, value_name = "N/TIME", value_parser = count_per_time)]
    rate: Option<(u32, Duration)>,
    /// Read what is typed: `help` says what there is. A seed that asks its operator does so anyway.
    #[arg(long)]
    pub(crate) prompt: bool,
    /// Ask for a seat, if this node has none, and wait until every seed has agreed to it (`seat` at its prompt).
    #[arg(long)]
    pub(crate) join: bool,
    /// Go on with the seeds of this list alone, without a vote: when a majority is lost for good, at every seed that is left.
    #[arg(long, value_name = "FILE", conflicts_with = "join")]
    pub(crate) recover: Option<PathBuf>,
    /// Print an invitation, which `peer --invitation` takes, and exit.
    #[arg(long)]
    pub(crate) invite: bool,
    /// With --invite: for how long it is good, as in 90s, 30m, 24h or 7d.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time, requires = "invite")]
    pub(crate) valid: Duration,
    /// With --invite: whom it is for, by the key; whoever shows it first by default.
    #[arg(long, value_name = "ID", value_parser = node_id, requires = "invite")]
    pub(crate) guest: Option<NodeId>,
}

/// Whom `--admit` names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    All,
    Ask,
    Listed(PathBuf),
    Invited,
}

impl FromStr for Whom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("list:")) {
            ("all", _) => Ok(Self::All),
            ("ask", _) => Ok(Self::Ask),
            ("invited", _) => Ok(Self::Invited),
            (_, Some(file)) if !file.is_empty() => Ok(Self::Listed(file.into())),
            _ => Err("expected all, ask, list:FILE or invited".to_owned()),
        }
    }
}

impl Args {
    pub(crate) const fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// How the seed list names this seed.
    pub(crate) fn line(&self) -> String {
        let address = self.advertise.clone();
        address.unwrap_or_else(|| self.listen().to_string())
    }

    pub(crate) fn data(&self) -> PathBuf {
        let usual = || PathBuf::from(format!("data/seed-{}", self.port));
        self.data.clone().unwrap_or_else(usual)
    }

    /// One of those that `--admit` names, and all of the limits.
    pub(crate) fn policy(&self) -> Result<All, String> {
        let mut any = Any::default();
        for whom in &self.admit {
            any = match whom {
                Whom::All => any.or(AllowAll),
                Whom::Ask => any.or(Returning).or(AskOperator),
                Whom::Listed(file) => any.or(AllowList::of(listed(file)?)),
                Whom::Invited => any.or(Invited::by_seeds_and(self.operator.iter().copied())),
            };
        }
        if !self.operator.is_empty() && !self.admit.contains(&Whom::Invited) {
            return Err("--operator is for the invitations of --admit invited".to_owned());
        }
        let mut all = All::default().and(any);
        if let Some(max) = self.per_address {
            all = all.and(PerAddress::new(max));
        }
        if let Some((count, per)) = self.rate {
            all = all.and(Rate::new(count, per).map_err(|error| error.to_string())?);
        }
        Ok(all)
    }
}

/// The nodes that a file lists, one in each line. Empty lines and lines that start with `#` are passed over.
fn listed(file: &Path) -> Result<Vec<NodeId>, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let id = node_id(line);
            id.map_err(|error| format!("{}: line {number}: {error}", file.display()))
        })
        .collect()
}

fn node_id(text: &str) -> Result<NodeId, String> {
    let id = text.parse();
    id.map_err(|error: quorate_node::consensus::HexError| error.to_string())
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a number of nodes, at least 1".to_owned())
}

fn count_per_time(text: &str) -> Result<(u32, Duration), String> {
    let (count, per) = text.split_once('/').unwrap_or((text, ""));
    let count = count.parse().ok().filter(|count| *count > 0);
    match (count, time(per)) {
        (Some(count), Ok(per)) => Ok((count, per)),
        _ => Err("expected a number of nodes and a time, as in 5/60s".to_owned()),
    }
}

/// The longest time that can be named: a century.
const TIME_MAX: u64 = 100 * 366 * 86_400;

fn time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let seconds = units.into_iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        number.parse::<u64>().ok()?.checked_mul(seconds)
    });
    seconds
        .filter(|seconds| (1..=TIME_MAX).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a time, as in 90s, 30m, 24h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use quorate_node::AdmissionPolicy as _;

    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        let all = ["seed", "127.0.0.1", "5010"].iter().chain(args);
        Args::try_parse_from(all).map_err(|error| error.to_string())
    }

    #[test]
    fn only_who_asks_reads_what_is_typed() {
        let asks = |args: &[&str]| parse(args).unwrap().policy().unwrap().asks();
        assert!(!asks(&[]) && !asks(&["--admit", "invited", "--rate", "5/60s"]));
        assert!(asks(&["--admit", "ask"]));
        assert!(asks(&[
            "--admit",
            "invited",
            "--admit",
            "ask",
            "--per-address",
            "3"
        ]));
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_is_expected() {
        let table: [(&[&str], &str); 10] = [
            (
                &["--admit", "some"],
                "expected all, ask, list:FILE or invited",
            ),
            (
                &["--admit", "list:"],
                "expected all, ask, list:FILE or invited",
            ),
            (
                &["--per-address", "0"],
                "expected a number of nodes, at least 1",
            ),
            (
                &["--per-address", "none"],
                "expected a number of nodes, at least 1",
            ),
            (&["--rate", "5"], "expected a number of nodes and a time"),
            (
                &["--rate", "0/60s"],
                "expected a number of nodes and a time",
            ),
            (
                &["--operator", "12ab"],
                "expected 64 hexadecimal digits, got \"12ab\"",
            ),
            (&["--invite", "--valid", "1w"], "expected a time, as in"),
            (
                &["--invite", "--valid", "99999999999999999999d"],
                "expected a time, as in",
            ),
            (&["--guest", &"ab".repeat(32)], "--invite"),
        ];
        for (args, expected) in table {
            let error = parse(args).unwrap_err();
            assert!(error.contains(expected), "{args:?}: {error}");
        }
        let refused = |args: &[&str]| parse(args).unwrap().policy().unwrap_err();
        let error = refused(&["--operator", &"ab".repeat(32)]);
        assert!(error.contains("--admit invited"), "{error}");
        let error = refused(&["--admit", "list:no-such-file"]);
        assert!(error.starts_with("cannot read no-such-file"), "{error}");
        let error = refused(&["--rate", "5/1000d"]);
        assert!(error.contains("at most 366 days"), "{error}");
    }

    #[test]
    fn a_list_names_the_line_that_is_wrong() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let id = NodeId::from(7);
        std::fs::write(file.path(), format!("# known\n\n{id}\n")).unwrap();
        assert_eq!(listed(file.path()), Ok(vec![id]));
        std::fs::write(file.path(), format!("{id}\nanna\n")).unwrap();
        let error = listed(file.path()).unwrap_err();
        assert!(error.ends_with("line 2: expected 64 hexadecimal digits, got \"anna\""));
    }
}
