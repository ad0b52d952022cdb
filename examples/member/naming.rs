//! How peers are called: by their port alone where that says it all, on one computer.

use std::net::{IpAddr, SocketAddr};

use quorate_node::Party;

/// How peers are called here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Naming {
    /// The loopback address that this peer is reached at, if it is.
    home: Option<IpAddr>,
}

impl Naming {
    /// As a peer does that is reached at this address.
    pub(crate) fn at(address: &str) -> Self {
        let ip = address.parse().map(|address: SocketAddr| address.ip());
        Self {
            home: ip.ok().filter(IpAddr::is_loopback),
        }
    }

    /// What to call who listens at `address`.
    pub(crate) fn of_address(self, address: &str) -> String {
        match address.parse::<SocketAddr>() {
            Ok(parsed) if Some(parsed.ip()) == self.home => parsed.port().to_string(),
            _ => address.to_owned(),
        }
    }

    /// What to call a peer. One that no address is known of is called by the beginning of its key.
    pub(crate) fn of(self, party: &Party) -> String {
        match &party.address {
            Some(address) => self.of_address(address),
            None => party.id.short().to_string(),
        }
    }

    /// What to call several, in the order of their names.
    pub(crate) fn of_all(self, parties: &[Party]) -> String {
        let mut names: Vec<String> = parties.iter().map(|party| self.of(party)).collect();
        names.sort();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_neighbours_on_this_computer_are_called_by_their_ports() {
        let here = Naming::at("127.0.0.1:5000");
        assert_eq!(here.of_address("127.0.0.1:5001"), "5001");
        assert_eq!(here.of_address("127.0.0.2:5001"), "127.0.0.2:5001");
        assert_eq!(here.of_address("example.org:5001"), "example.org:5001");
        let there = Naming::at("10.0.0.1:5000");
        assert_eq!(there.of_address("10.0.0.1:5000"), "10.0.0.1:5000");
        assert_eq!(there.of_address("127.0.0.1:5001"), "127.0.0.1:5001");
        assert_eq!(Naming::at("[::1]:5000").of_address("[::1]:5001"), "5001");
    }
}
