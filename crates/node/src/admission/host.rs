//! The host of an endpoint, as far as hosts can be told apart without asking anybody.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who is at one host, or at hosts that one hand can have at will.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Host {
    V4(Ipv4Addr),
    /// The first 64 bits: the smallest network that is handed out, in which its owner picks any address.
    V6([u16; 4]),
    /// Lower case, without the dot that may end it. Names are not resolved.
    Name(String),
}

impl Host {
    /// The host of an endpoint in the form `host:port`. `None` for what is neither an address nor a name: resolvers take
    /// `127.1` and `0x7f000001` for addresses, and each has many such spellings.
    pub(crate) fn of(endpoint: &str) -> Option<Self> {
        let (host, _port) = endpoint.rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        match bare.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => Some(Self::V4(ip)),
            Ok(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                Some(Self::V6([a, b, c, d]))
            }
            Err(_) => {
                let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
                let last = name.rsplit('.').next().unwrap_or_default();
                let is_number = last.starts_with(|c: char| c.is_ascii_digit())
                    && (last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x"));
                (!last.is_empty() && !is_number).then_some(Self::Name(name))
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(ip) => write!(f, "{ip}"),
            Self::V6([a, b, c, d]) => {
                write!(f, "{}/64", Ipv6Addr::new(*a, *b, *c, *d, 0, 0, 0, 0))
            }
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_one_hand_has_at_will_are_one() {
        let table = [
            ("10.0.0.1:1", Some("10.0.0.1")),
            ("[::ffff:10.0.0.1]:2", Some("10.0.0.1")),
            ("[2001:db8:1:2:3::4]:1", Some("2001:db8:1:2::/64")),
            ("[2001:db8:1:2::]:1", Some("2001:db8:1:2::/64")),
            ("[2001:db8:1:3::]:1", Some("2001:db8:1:3::/64")),
            ("Node-1.Example.:80", Some("node-1.example")),
            ("peer1:80", Some("peer1")),
            ("3com.example:80", Some("3com.example")),
            ("127.1:80", None),
            ("0x7f000001:80", None),
            ("2130706433:80", None),
            ("a.0x7f:80", None),
            (".:80", None),
            ("no port", None),
        ];
        for (endpoint, host) in table {
            let found = Host::of(endpoint).map(|host| host.to_string());
            assert_eq!(found.as_deref(), host, "{endpoint}");
        }
    }
}
