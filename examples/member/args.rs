//! The program's arguments, and what they mean to the library.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use quorate_node::{Admission, Discovery, NodeId, Options, Others};

/// Where a bootstrap is looked for by who is told nothing else.
const BOOTSTRAP: &str = "127.0.0.1:4999";

/// A peer of an open network, in which all are equal: whoever wants to enter needs everybody's word.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The address to listen at [default: 127.0.0.1 and the first free port from 5000 up].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// How others reach this peer, if not where it listens; may be given up to four times.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) advertise: Vec<String>,
    /// A bootstrap to find the network by; may be repeated [default: 127.0.0.1:4999, unless --join or --found is given].
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    bootstrap: Vec<String>,
    /// A member to enter the network by; may be repeated. With it, no network is founded.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    join: Vec<String>,
    /// Found a network, without looking for one.
    #[arg(long, conflicts_with = "join")]
    found: bool,
    /// Where to keep the key and what was said and decided; without it, each run is a new peer.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Answer for you when a new peer asks to be let in.
    #[arg(long)]
    auto: Option<Auto>,
    /// A peer to let in without asking you, by its key of 64 hexadecimal digits; may be repeated.
    #[arg(long, value_name = "ID", value_parser = node_id)]
    allow: Vec<NodeId>,
    /// For how many seconds a member that neither answers nor refuses is waited for before it is taken for dead.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    silent_after: f64,
    /// Also tell what is only of interest when something goes wrong.
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// What to answer without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Auto {
    Allow,
    Deny,
}

impl Args {
    pub(crate) fn discovery(&self) -> Discovery {
        let mut bootstraps = self.bootstrap.clone();
        if bootstraps.is_empty() && self.join.is_empty() && !self.found {
            bootstraps.push(BOOTSTRAP.to_owned());
        }
        Discovery {
            bootstraps,
            join: self.join.clone(),
            found: self.found,
        }
    }

    pub(crate) fn admission(&self) -> Admission {
        let others = match self.auto {
            None => Others::Ask,
            Some(Auto::Allow) => Others::Allow,
            Some(Auto::Deny) => Others::Deny,
        };
        Admission {
            allowed: self.allow.iter().copied().collect(),
            others,
            ..Admission::default()
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            silent_after: Duration::from_secs_f64(self.silent_after),
            ..Options::default()
        }
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
    let is_good = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_one_host = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
        is_one_host && !host.contains(char::is_whitespace) && is_port(port)
    });
    if is_good {
        Ok(text.to_owned())
    } else {
        Err("expected a host and a port from 1 to 65535, as in 127.0.0.1:5000".to_owned())
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port != 0)
}

fn node_id(text: &str) -> Result<NodeId, String> {
    let id = text.parse();
    id.map_err(|_| "expected a key of 64 hexadecimal digits".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    seconds
        .filter(|seconds| (0.1..=86_400.0).contains(seconds))
        .ok_or_else(|| "expected 0.1 to 86400 seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        let all = std::iter::once("member").chain(args.iter().copied());
        Args::try_parse_from(all).map_err(|error| error.to_string())
    }

    #[test]
    fn a_bootstrap_is_assumed_only_where_nothing_else_is_said() {
        let of = |args: &[&str]| parse(args).unwrap().discovery();
        assert_eq!(of(&[]), Discovery::by_bootstraps([BOOTSTRAP]));
        assert_eq!(
            of(&["--bootstrap", "a:1"]),
            Discovery::by_bootstraps(["a:1"])
        );
        assert_eq!(of(&["--join", "a:1"]), Discovery::by_members(["a:1"]));
        assert_eq!(of(&["--found"]), Discovery::by_founding());
        let both = of(&["--join", "a:1", "--bootstrap", "b:2"]);
        assert_eq!((both.join.len(), both.bootstraps.len()), (1, 1));
    }

    #[test]
    fn who_is_listed_is_allowed_whatever_becomes_of_others() {
        let id = NodeId::from(7);
        let deny = parse(&["--auto", "deny", "--allow", &id.to_string()]).unwrap();
        assert_eq!(deny.admission(), Admission::allow_only([id]));
        assert_eq!(parse(&[]).unwrap().admission(), Admission::ask());
        assert_eq!(
            parse(&["--auto", "allow"]).unwrap().admission(),
            Admission::allow_all()
        );
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_is_expected() {
        let table: [(&[&str], &str); 7] = [
            (&["--join", "nowhere"], "expected a host and a port"),
            (&["--join", ":5000"], "expected a host and a port"),
            (&["--bootstrap", "a:0"], "expected a host and a port"),
            (&["--advertise", "::1:5000"], "expected a host and a port"),
            (
                &["--allow", "12ab"],
                "expected a key of 64 hexadecimal digits",
            ),
            (&["--silent-after", "0"], "expected 0.1 to 86400 seconds"),
            (&["--found", "--join", "a:1"], "cannot be used with"),
        ];
        for (args, expected) in table {
            let error = parse(args).unwrap_err();
            let first = error.lines().next().unwrap();
            assert!(first.contains(expected), "{args:?}: {error}");
        }
        assert!(parse(&["--join", "[::1]:5000"]).is_ok());
    }
}
