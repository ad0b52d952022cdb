//! A running process: one of the product's roles, or one that lies.

use std::fmt;

use quorate_consensus::succession::Chain;
use quorate_consensus::{Assembly, Electorate, Roster};
use quorate_node::roles::{Bootstrap, Member, Peer, Role, Seed};

use crate::applicant::Applicant;

/// What runs on a host.
pub enum Process {
    /// An honest voter.
    Seed(Box<Seed>),
    /// An honest member of a seeded network.
    Peer(Box<Peer>),
    /// An honest member of an open network.
    Member(Box<Member>),
    /// A bootstrap.
    Bootstrap(Box<Bootstrap>),
    /// A node that asks for a seat.
    Applicant(Box<Applicant>),
    /// Somebody who does not keep to the protocol.
    Liar(Box<dyn Role>),
}

impl Process {
    /// The role, to be driven.
    pub fn role_mut(&mut self) -> &mut dyn Role {
        match self {
            Self::Seed(role) => &mut **role,
            Self::Peer(role) => &mut **role,
            Self::Member(role) => &mut **role,
            Self::Bootstrap(role) => &mut **role,
            Self::Applicant(role) => &mut **role,
            Self::Liar(role) => &mut **role,
        }
    }

    /// The role.
    pub fn role(&self) -> &dyn Role {
        match self {
            Self::Seed(role) => &**role,
            Self::Peer(role) => &**role,
            Self::Member(role) => &**role,
            Self::Bootstrap(role) => &**role,
            Self::Applicant(role) => &**role,
            Self::Liar(role) => &**role,
        }
    }

    /// What an honest seed or peer knows of everybody's standing.
    pub fn roster(&self) -> Option<&Roster> {
        match self {
            Self::Seed(seed) => Some(seed.council().roster()),
            Self::Peer(peer) => Some(peer.roster()),
            _ => None,
        }
    }

    /// Who votes, as far as an honest seed or peer knows.
    pub fn electorate(&self) -> Option<&Electorate> {
        match self {
            Self::Seed(seed) => Some(seed.conclave().electorate()),
            Self::Peer(peer) => Some(peer.electorate()),
            _ => None,
        }
    }

    /// What an honest member decides by.
    pub fn assembly(&self) -> Option<&Assembly> {
        match self {
            Self::Member(member) => member.assembly(),
            _ => None,
        }
    }

    /// The chain that an honest member holds.
    pub fn chain(&self) -> Option<&Chain> {
        self.assembly().map(Assembly::chain)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seed(_) => "Seed",
            Self::Peer(_) => "Peer",
            Self::Member(_) => "Member",
            Self::Bootstrap(_) => "Bootstrap",
            Self::Applicant(_) => "Applicant",
            Self::Liar(_) => "Liar",
        })
    }
}
