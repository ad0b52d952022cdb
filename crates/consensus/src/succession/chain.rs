//! The chain of decisions, from the founding record to the present membership.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ballot::{Accepted, Ballot};
use super::change::{Change, ChangeError};
use super::founding::{Founding, FoundingError};
use crate::electorate::{Electorate, Seat};
use crate::id::{Digest, NetworkId, NodeId, Signature};
use crate::quorum::QuorumRule;
use crate::record::Record;
use crate::scheme::Scheme;
use crate::transcript::Transcript;

/// Which decision a statement belongs to: the one that follows this head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The network.
    pub network: NetworkId,
    /// Whose members decide.
    pub epoch: u64,
    /// The hash of the certificate that made that epoch.
    pub head: Digest,
}

impl Place {
    /// Begins a statement that is bound to this place.
    pub(super) fn transcript(&self, domain: &str) -> Transcript {
        let mut this = Transcript::new(domain);
        this.bytes(self.network.as_ref())
            .u64(self.epoch)
            .bytes(self.head.as_ref());
        this
    }
}

/// The members of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Membership {
    place: Place,
    members: BTreeMap<NodeId, Record>,
    /// Everybody who was ever a member, with its latest life.
    lives: BTreeMap<NodeId, u64>,
}

/// One decision with its proof: a change with a quorum's ACCEPTED of one ballot. Means nothing until
/// [verified](Link::verify) against the membership it follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Link {
    /// The epoch whose members decided.
    pub epoch: u64,
    /// The head it follows.
    pub parent: Digest,
    /// What was decided.
    pub change: Change,
    /// In which ballot.
    pub ballot: Ballot,
    /// Who accepted it, a quorum, perhaps more.
    pub accepted: BTreeMap<NodeId, Signature>,
}

/// Why a link does not continue a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It follows something else.
    #[error(
        "expected a decision of epoch {expected}, got one of epoch {got} or of another history"
    )]
    Elsewhere {
        /// The epoch that is to decide.
        expected: u64,
        /// The link's.
        got: u64,
    },
    /// What it decides is not valid.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Too few signatures of members.
    #[error("expected {quorum} signatures of members, got {got}")]
    TooFew {
        /// The quorum.
        quorum: usize,
        /// How many came.
        got: usize,
    },
    /// A signature that is not the member's.
    #[error("the signature of {0} does not hold for this decision")]
    Signature(NodeId),
    /// The chain does not begin with a founding.
    #[error(transparent)]
    Founding(#[from] FoundingError),
}

impl Link {
    /// The head after it: the same at everybody, whichever quorum's signatures prove it.
    pub fn head(&self) -> Digest {
        Transcript::new("quorate/link/1")
            .bytes(self.parent.as_ref())
            .u64(self.epoch)
            .bytes(self.change.hash().as_ref())
            .finish()
    }

    /// Checks that the members of the epoch it follows decided it.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn verify(&self, membership: &Membership, scheme: &dyn Scheme) -> Result<(), LinkError> {
        let place = membership.place();
        if (self.epoch, self.parent) != (place.epoch, place.head) {
            return Err(LinkError::Elsewhere {
                expected: place.epoch,
                got: self.epoch,
            });
        }
        let of_members = self
            .accepted
            .iter()
            .filter(|(voter, _)| membership.member(voter).is_some());
        let (quorum, got) = (membership.quorum(), of_members.clone().count());
        if got < quorum || got != self.accepted.len() {
            return Err(LinkError::TooFew { quorum, got });
        }
        let change = self.change.hash();
        let is_forged = |(voter, signature): &(&NodeId, &Signature)| {
            let accepted = Accepted {
                voter: **voter,
                ballot: self.ballot,
                change,
                signature: **signature,
            };
            !accepted.is_valid(&place, scheme)
        };
        if let Some((voter, _)) = of_members.clone().find(is_forged) {
            return Err(LinkError::Signature(*voter));
        }
        Ok(self.change.verify(membership, scheme)?)
    }
}

impl Membership {
    /// The first membership of a network: its founder.
    ///
    /// # Errors
    /// When the founding is not valid.
    pub fn found(founding: &Founding, scheme: &dyn Scheme) -> Result<Self, FoundingError> {
        founding.verify(scheme)?;
        let record = founding.record.clone();
        Ok(Self {
            place: Place {
                network: founding.network(),
                epoch: 0,
                head: founding.head(),
            },
            lives: BTreeMap::from([(record.node, record.incarnation)]),
            members: BTreeMap::from([(record.node, record)]),
        })
    }

    /// The voters of an electorate as members who decide, as equals, which electorate follows; `None` while not all of them
    /// are known. Their life is the epoch, so what they said of candidates in another does not count in this.
    ///
    /// Nobody signs these records: whoever knows the electorate makes the same.
    pub fn of_seats(electorate: &Electorate) -> Option<Self> {
        let (network, epoch) = (electorate.network(), electorate.epoch());
        let record = |seat: &Seat| {
            Some(Record {
                network,
                node: seat.voter?,
                endpoints: vec![seat.name.clone()],
                incarnation: epoch,
                attempt: 0,
                opened_ms: 0,
                credential: Vec::new(),
                signature: Signature::new([0; 64]),
            })
        };
        let records: Option<Vec<Record>> = electorate.seats().iter().map(record).collect();
        let members: BTreeMap<_, _> = records?
            .into_iter()
            .map(|record| (record.node, record))
            .collect();
        let head = Transcript::new("quorate/seats/1")
            .bytes(electorate.id().as_ref())
            .list(members.keys())
            .finish();
        Some(Self {
            place: Place {
                network,
                epoch,
                head,
            },
            lives: members.keys().map(|node| (*node, epoch)).collect(),
            members,
        })
    }

    /// The membership that a verified link makes.
    #[must_use]
    pub fn apply(&self, link: &Link) -> Self {
        let mut next = self.clone();
        next.place.epoch = self.place.epoch.saturating_add(1);
        next.place.head = link.head();
        match &link.change {
            Change::Admit { record, .. } => {
                next.lives.insert(record.node, record.incarnation);
                next.members.insert(record.node, record.clone());
            }
            Change::Evict { suspects } => {
                next.members.retain(|node, _| !suspects.contains_key(node));
            }
            Change::Leave(leave) => {
                next.members.remove(&leave.member);
            }
        }
        next
    }

    /// Which decision comes next.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The network.
    pub const fn network(&self) -> NetworkId {
        self.place.network
    }

    /// How many decisions were made.
    pub const fn epoch(&self) -> u64 {
        self.place.epoch
    }

    /// The members' records, by id.
    pub fn members(&self) -> impl Iterator<Item = &Record> + Clone {
        self.members.values()
    }

    /// A member's record.
    pub fn member(&self, node: &NodeId) -> Option<&Record> {
        self.members.get(node)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether everybody has left.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// ⌊n/2⌋+1 of the members decide which valid change comes next.
    pub fn quorum(&self) -> usize {
        // Only an empty network has none, and it decides nothing more.
        QuorumRule::Majority
            .threshold(self.members.len())
            .unwrap_or(1)
    }

    /// The latest life of a node that is, or ever was, a member.
    pub fn last_life(&self, node: &NodeId) -> Option<u64> {
        self.lives.get(node).copied()
    }

    /// Whether a record may be put to the members: of this network, of no member, and of a life after all before.
    ///
    /// # Errors
    /// Why not.
    pub fn check_candidate(&self, record: &Record) -> Result<(), ChangeError> {
        let refuse = |reason: String| {
            Err(ChangeError::Candidate {
                node: record.node,
                reason,
            })
        };
        if record.network != self.network() {
            return refuse(format!(
                "expected one for network {}, got one for {}",
                self.network(),
                record.network
            ));
        }
        if self.members.contains_key(&record.node) {
            return refuse("it is a member".to_owned());
        }
        match self.last_life(&record.node) {
            Some(last) if record.incarnation <= last => refuse(format!(
                "expected an incarnation after {last}, got {}",
                record.incarnation
            )),
            _ => Ok(()),
        }
    }
}
