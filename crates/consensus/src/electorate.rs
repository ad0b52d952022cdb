//! Who may vote, in which epoch, under which rule.
//!
//! An electorate is a list of *seats*. A seat has a name that never changes within an epoch (a seed's line in the
//! configuration, or the voter's key itself) and the key of the voter who sits there, once it is known. The number of
//! seats is the denominator of every quorum, whether or not all voters are known or up. A reader that has not met a
//! voter yet cannot judge its signature: such a certificate is undecided, not false.

use std::collections::BTreeMap;

use crate::id::{Digest, NetworkId, NodeId};
use crate::quorum::{QuorumError, QuorumRule};
use crate::transcript::Transcript;

/// One voter's place in the electorate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seat {
    /// What the seat is called, the same at every node.
    pub name: String,
    /// The key of the voter who sits there; `None` until met.
    pub voter: Option<NodeId>,
}

/// The voters of one epoch of a network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Electorate {
    network: NetworkId,
    epoch: u64,
    rule: QuorumRule,
    quorum: usize,
    seats: Vec<Seat>,
    voters: BTreeMap<NodeId, usize>,
    id: Digest,
    /// Who voted in the epoch before, while what it signed is still believed.
    predecessor: Option<Box<Self>>,
}

/// Why an electorate cannot be, or a voter cannot take a seat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElectorateError {
    /// The rule does not fit the number of seats.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// Two seats of one name.
    #[error("seat {0} is listed twice")]
    DuplicateSeat(String),
    /// One voter in two seats.
    #[error("voter {voter} sits in seat {first} already and cannot sit in {second} too")]
    DuplicateVoter {
        /// The voter.
        voter: NodeId,
        /// Where it sits.
        first: String,
        /// Where it was to sit too.
        second: String,
    },
    /// The seat's voter is known and is another one.
    #[error("seat {seat} belongs to {expected}, got {got}")]
    SeatTaken {
        /// The seat's name.
        seat: String,
        /// Its voter.
        expected: NodeId,
        /// Who was to sit there.
        got: NodeId,
    },
    /// No seat of this number.
    #[error("expected a seat below {seats}, got {seat}")]
    NoSuchSeat {
        /// The number asked for.
        seat: usize,
        /// How many there are.
        seats: usize,
    },
}

impl Electorate {
    /// An electorate of named seats, in any order. Two nodes with the same names, rule, network and epoch have the
    /// same electorate, even while they know different voters of it.
    ///
    /// # Errors
    /// When the rule does not fit, or a name or a voter appears twice.
    pub fn new(
        network: NetworkId,
        epoch: u64,
        rule: QuorumRule,
        seats: impl IntoIterator<Item = Seat>,
    ) -> Result<Self, ElectorateError> {
        let mut seats: Vec<Seat> = seats.into_iter().collect();
        seats.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = seats.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(ElectorateError::DuplicateSeat(pair[0].name.clone()));
        }
        let quorum = rule.threshold(seats.len())?;
        let id = Transcript::new("quorate/electorate/1")
            .bytes(network.as_ref())
            .u64(epoch)
            .u64(quorum as u64)
            .list(seats.iter().map(|seat| &seat.name))
            .finish();
        let mut this = Self {
            network,
            epoch,
            rule,
            quorum,
            voters: BTreeMap::new(),
            id,
            predecessor: None,
            seats: Vec::with_capacity(seats.len()),
        };
        this.seats.extend(seats.iter().map(|seat| Seat {
            name: seat.name.clone(),
            voter: None,
        }));
        for (index, seat) in seats.iter().enumerate() {
            if let Some(voter) = seat.voter {
                this.bind(index, voter)?;
            }
        }
        Ok(this)
    }

    /// An electorate of known voters, each seat named after its voter, in epoch 0.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(
        network: NetworkId,
        rule: QuorumRule,
        voters: impl IntoIterator<Item = NodeId>,
    ) -> Result<Self, ElectorateError> {
        let seats = voters.into_iter().map(|voter| Seat {
            name: voter.to_string(),
            voter: Some(voter),
        });
        Self::new(network, 0, rule, seats)
    }

    /// Learns who sits in a seat. Repeating it is harmless; returns whether it was news.
    ///
    /// # Errors
    /// When the seat has another voter, or the voter another seat; nothing changes then.
    pub fn bind(&mut self, seat: usize, voter: NodeId) -> Result<bool, ElectorateError> {
        let seats = self.seats.len();
        let Some(place) = self.seats.get(seat) else {
            return Err(ElectorateError::NoSuchSeat { seat, seats });
        };
        match place.voter {
            Some(sitting) if sitting == voter => return Ok(false),
            Some(expected) => {
                return Err(ElectorateError::SeatTaken {
                    seat: place.name.clone(),
                    expected,
                    got: voter,
                });
            }
            None => {}
        }
        if let Some(&first) = self.voters.get(&voter) {
            return Err(ElectorateError::DuplicateVoter {
                voter,
                first: self.seats[first].name.clone(),
                second: place.name.clone(),
            });
        }
        self.seats[seat].voter = Some(voter);
        self.voters.insert(voter, seat);
        Ok(true)
    }

    /// This electorate as the one that follows `predecessor`, whose certificates its readers still believe; those of still
    /// earlier ones they do not.
    #[must_use]
    pub fn following(mut self, predecessor: Self) -> Self {
        self.predecessor = Some(Box::new(Self {
            predecessor: None,
            ..predecessor
        }));
        self
    }

    /// Who voted in the epoch before, if that is known.
    pub fn predecessor(&self) -> Option<&Self> {
        self.predecessor.as_deref()
    }

    /// This electorate or its predecessor, whichever has this epoch and id.
    pub fn of_epoch(&self, epoch: u64, id: &Digest) -> Option<&Self> {
        let is_it = |electorate: &&Self| (electorate.epoch, &electorate.id) == (epoch, id);
        [Some(self), self.predecessor()]
            .into_iter()
            .flatten()
            .find(is_it)
    }

    /// The network this electorate decides for.
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// Which electorate of the network this is, counted from 0.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The rule.
    pub const fn rule(&self) -> QuorumRule {
        self.rule
    }

    /// How many yes votes carry a proposal.
    pub const fn quorum(&self) -> usize {
        self.quorum
    }

    /// What votes and certificates name it by: a digest of network, epoch, quorum and seat names.
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// The seats, sorted by name.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The voters met so far, sorted by key.
    pub fn voters(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voters.keys().copied()
    }

    /// Whether `node` is a voter met so far.
    #[inline]
    pub fn contains(&self, node: &NodeId) -> bool {
        self.voters.contains_key(node)
    }

    /// Where a voter sits.
    pub fn seat_of(&self, node: &NodeId) -> Option<usize> {
        self.voters.get(node).copied()
    }

    /// What a voter's seat is called.
    pub fn name_of(&self, node: &NodeId) -> Option<&str> {
        self.seat_of(node)
            .map(|seat| self.seats[seat].name.as_str())
    }

    /// A planted fault: these voters alone, under the name of all.
    #[cfg(feature = "planted")]
    pub(crate) fn among(&self, up: &[NodeId]) -> Option<Self> {
        let seats = up.iter().filter_map(|voter| self.voters.get(voter));
        let seats = seats.map(|seat| self.seats[*seat].clone());
        let mut among = Self::new(self.network, self.epoch, self.rule, seats).ok()?;
        among.id = self.id;
        Some(among)
    }

    /// How many seats have a voter that is not known yet.
    pub fn unmet(&self) -> usize {
        self.seats.len() - self.voters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(name: &str) -> Seat {
        Seat {
            name: name.to_owned(),
            voter: None,
        }
    }

    fn network() -> NetworkId {
        NetworkId::new([7; 32])
    }

    #[test]
    fn order_of_seats_and_known_voters_do_not_change_its_id() {
        let a = Electorate::new(
            network(),
            0,
            QuorumRule::Majority,
            ["x", "y", "z"].map(seat),
        )
        .unwrap();
        let mut b = Electorate::new(
            network(),
            0,
            QuorumRule::Majority,
            ["z", "x", "y"].map(seat),
        )
        .unwrap();
        assert_eq!(b.bind(1, NodeId::from(1)), Ok(true));
        assert_eq!(b.bind(1, NodeId::from(1)), Ok(false));
        assert_eq!(a.id(), b.id());
        assert_eq!((b.quorum(), b.unmet()), (2, 2));
        let later = Electorate::new(
            network(),
            1,
            QuorumRule::Majority,
            ["x", "y", "z"].map(seat),
        )
        .unwrap();
        let other = Electorate::new(
            NetworkId::new([8; 32]),
            0,
            QuorumRule::Majority,
            ["x", "y", "z"].map(seat),
        );
        let stricter = Electorate::new(
            network(),
            0,
            QuorumRule::Unanimous,
            ["x", "y", "z"].map(seat),
        );
        assert_ne!(a.id(), later.id());
        assert_ne!(a.id(), other.unwrap().id());
        assert_ne!(a.id(), stricter.unwrap().id());
    }

    #[test]
    fn a_seat_keeps_its_voter_and_a_voter_its_seat() {
        let mut seats =
            Electorate::new(network(), 0, QuorumRule::Majority, ["x", "y"].map(seat)).unwrap();
        seats.bind(0, NodeId::from(1)).unwrap();
        assert!(matches!(
            seats.bind(0, NodeId::from(2)),
            Err(ElectorateError::SeatTaken { .. })
        ));
        assert!(matches!(
            seats.bind(1, NodeId::from(1)),
            Err(ElectorateError::DuplicateVoter { .. })
        ));
        assert!(matches!(
            seats.bind(2, NodeId::from(3)),
            Err(ElectorateError::NoSuchSeat { .. })
        ));
        assert_eq!(seats.unmet(), 1);
        assert!(matches!(
            Electorate::new(network(), 0, QuorumRule::Majority, ["x", "x"].map(seat)),
            Err(ElectorateError::DuplicateSeat(_))
        ));
    }
}
