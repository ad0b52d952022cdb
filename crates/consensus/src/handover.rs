//! How one electorate hands over to the next: a quorum of the old one signs who the new one is.
//!
//! Which change comes next is decided by the voters among themselves, as an open network decides on its members
//! ([`Succession`](crate::Succession) over [`Membership::of_seats`]); readers need not know that. They follow the chain of
//! handovers: whoever knows one electorate checks offline who follows it.
//!
//! A voter that knows the decision *seals*: it signs a [`Seal`] and votes no more in the old epoch. A quorum of seals is a
//! [`Handover`]. Any certificate of the old epoch has a voter in common with it, so what was decided there is known to one of
//! those who sealed, or will be shown by whoever was told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::electorate::{Electorate, ElectorateError, Seat};
use crate::id::{Digest, NetworkId, NodeId, Signature};
use crate::quorum::QuorumRule;
use crate::scheme::{Scheme, Signer};
use crate::succession::Membership;
use crate::transcript::Transcript;

/// How many seats an electorate that is handed over to may have: voters know one another and answer each other's every
/// question, so there are few.
pub const SEATS_MAX: usize = 1024;

/// How long a seat's name may be, in bytes; an endpoint fits.
pub const SEAT_NAME_LEN_MAX: usize = 260;

/// Who votes, all of them known: what a handover names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seating {
    /// The rule.
    pub rule: QuorumRule,
    /// Each seat's voter, by the seat's name; at most [`SEATS_MAX`].
    pub seats: BTreeMap<String, NodeId>,
}

/// One voter's word that its electorate is followed by another, and that it votes in its own no more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seal {
    /// The epoch that ends.
    pub epoch: u64,
    /// Who votes in the next.
    pub next: Seating,
    /// Who says so, and signs.
    pub voter: NodeId,
    /// The signature over network, ending epoch and electorate, and who votes next.
    pub signature: Signature,
}

/// A quorum's word that an electorate is followed by another. Means nothing until [verified](Handover::verify).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Handover {
    /// The network.
    pub network: NetworkId,
    /// The epoch that ends. The next is one more.
    pub epoch: u64,
    /// The electorate that ends ([`Electorate::id`]).
    pub electorate: Digest,
    /// Who votes in the next.
    pub next: Seating,
    /// Signatures of the ending electorate's voters: a quorum, perhaps more.
    pub seals: BTreeMap<NodeId, Signature>,
}

/// Why a handover proves nothing, or not yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// Of another network, epoch or electorate than the reader's.
    #[error(
        "expected a handover of electorate {expected} in epoch {expected_epoch}, got one of {got} in epoch {got_epoch}"
    )]
    AnotherElectorate {
        /// The reader's.
        expected: Digest,
        /// The reader's.
        expected_epoch: u64,
        /// The handover's.
        got: Digest,
        /// The handover's.
        got_epoch: u64,
    },
    /// Nobody, or too many, or a name too long.
    #[error(
        "expected 1 to {SEATS_MAX} seats with names of at most {SEAT_NAME_LEN_MAX} bytes, got {0}"
    )]
    Seats(String),
    /// The next electorate cannot be.
    #[error(transparent)]
    Electorate(#[from] ElectorateError),
    /// A signature that is not the voter's.
    #[error("the seal of {0} does not hold for this handover")]
    Signature(NodeId),
    /// Sealed by somebody without a seat.
    #[error("{0} sealed, but is not a voter of this electorate")]
    NotAVoter(NodeId),
    /// Fewer seals than the quorum.
    #[error("expected the seals of {quorum} voters, got {got}")]
    TooFew {
        /// The quorum.
        quorum: usize,
        /// How many came.
        got: usize,
    },
    /// Might be a quorum, but the reader has not met all who sealed.
    #[error("expected the seals of {quorum} known voters, got {got}; some have not been met yet")]
    Undecided {
        /// The quorum.
        quorum: usize,
        /// Seals of known voters.
        got: usize,
    },
}

impl HandoverError {
    /// Whether nobody honest can hold this for true. The others may come of what the reader knows, or does not know.
    pub const fn is_forgery(&self) -> bool {
        !matches!(
            self,
            Self::Undecided { .. } | Self::NotAVoter(_) | Self::AnotherElectorate { .. }
        )
    }
}

impl Seating {
    /// The seats that a membership makes, each named after its voter's first endpoint, or after the voter where that name
    /// is taken.
    pub fn of(membership: &Membership, rule: QuorumRule) -> Self {
        let mut seats = BTreeMap::new();
        for record in membership.members() {
            let name = record.endpoints.first().cloned().unwrap_or_default();
            let is_free = !name.is_empty() && !seats.contains_key(&name);
            let name = if is_free {
                name
            } else {
                record.node.to_string()
            };
            seats.insert(name, record.node);
        }
        Self {
            rule: rule.fitted(seats.len()),
            seats,
        }
    }

    /// Who sits in an electorate; `None` while not all of its voters are known.
    pub fn of_electorate(electorate: &Electorate) -> Option<Self> {
        let seats = electorate.seats().iter();
        let seats: Option<BTreeMap<_, _>> = seats
            .map(|seat| Some((seat.name.clone(), seat.voter?)))
            .collect();
        Some(Self {
            rule: electorate.rule(),
            seats: seats?,
        })
    }

    fn check(&self) -> Result<(), HandoverError> {
        let count = self.seats.len();
        if !(1..=SEATS_MAX).contains(&count) {
            return Err(HandoverError::Seats(format!("{count} seats")));
        }
        let longest = self.seats.keys().map(String::len).max().unwrap_or(0);
        if longest > SEAT_NAME_LEN_MAX {
            return Err(HandoverError::Seats(format!("a name of {longest} bytes")));
        }
        Ok(())
    }

    /// The electorate that these make after another one, by whoever's word.
    ///
    /// # Errors
    /// When there cannot be such an electorate.
    pub fn following(&self, electorate: &Electorate) -> Result<Electorate, HandoverError> {
        self.check()?;
        let seats = self.seats.iter().map(|(name, voter)| Seat {
            name: name.clone(),
            voter: Some(*voter),
        });
        let epoch = electorate.epoch().saturating_add(1);
        let next = Electorate::new(electorate.network(), epoch, self.rule, seats)?;
        // A seat that stays has the voter that it had: who never met it, and never can if it is dead, learns of it here, and can
        // judge what it signed.
        let mut before = electorate.clone();
        for (seat, place) in electorate.seats().iter().enumerate() {
            if let (None, Some(voter)) = (place.voter, self.seats.get(&place.name)) {
                // Known in another seat: then this word is not of that electorate's seat.
                let _bound = before.bind(seat, *voter);
            }
        }
        Ok(next.following(before))
    }
}

/// How many voters hand an electorate over: a quorum of it.
fn seals_needed(electorate: &Electorate) -> usize {
    electorate.quorum() - usize::from(planted!(HandoverOneShort))
}

fn statement(network: NetworkId, epoch: u64, electorate: &Digest, next: &Seating) -> Digest {
    let (rule, number) = match next.rule {
        QuorumRule::Majority => (0, 0),
        QuorumRule::Supermajority => (1, 0),
        QuorumRule::Unanimous => (2, 0),
        QuorumRule::AtLeast(number) => (3, number as u64),
    };
    Transcript::new("quorate/seal/1")
        .bytes(network.as_ref())
        .u64(epoch)
        .bytes(electorate.as_ref())
        .u64(rule)
        .u64(number)
        .list(next.seats.keys())
        .list(next.seats.values())
        .finish()
}

impl Seal {
    /// Signs a seal of the signer's own.
    pub fn sign(signer: &dyn Signer, electorate: &Electorate, next: Seating) -> Self {
        let (network, epoch) = (electorate.network(), electorate.epoch());
        let statement = statement(network, epoch, &electorate.id(), &next);
        Self {
            epoch,
            next,
            voter: signer.id(),
            signature: signer.sign(&statement),
        }
    }

    /// Whether a voter of this electorate signed it.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verify(
        &self,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Result<(), HandoverError> {
        self.next.check()?;
        if self.epoch != electorate.epoch() {
            return Err(HandoverError::AnotherElectorate {
                expected: electorate.id(),
                expected_epoch: electorate.epoch(),
                got: electorate.id(),
                got_epoch: self.epoch,
            });
        }
        if !electorate.contains(&self.voter) {
            return Err(HandoverError::NotAVoter(self.voter));
        }
        let statement = statement(
            electorate.network(),
            self.epoch,
            &electorate.id(),
            &self.next,
        );
        if scheme.verify(&self.voter, &statement, &self.signature) {
            Ok(())
        } else {
            Err(HandoverError::Signature(self.voter))
        }
    }
}

impl Handover {
    /// Puts verified seals of one electorate together; `None` while no quorum of them names the same next one.
    pub fn assemble<'a>(
        electorate: &Electorate,
        seals: impl IntoIterator<Item = &'a Seal>,
    ) -> Option<Self> {
        let mut by_next: BTreeMap<Digest, Vec<&Seal>> = BTreeMap::new();
        for seal in seals {
            let of = statement(
                electorate.network(),
                seal.epoch,
                &electorate.id(),
                &seal.next,
            );
            by_next.entry(of).or_default().push(seal);
        }
        let agreed = by_next.into_values().find_map(|seals| {
            let signatures: BTreeMap<_, _> = seals
                .iter()
                .map(|seal| (seal.voter, seal.signature))
                .collect();
            let next = seals.first()?.next.clone();
            (signatures.len() >= seals_needed(electorate)).then_some((next, signatures))
        });
        agreed.map(|(next, seals)| Self {
            network: electorate.network(),
            epoch: electorate.epoch(),
            electorate: electorate.id(),
            next,
            seals,
        })
    }

    /// Checks that a quorum of the electorate hands over, and gives the next, which knows the one before it.
    ///
    /// # Errors
    /// Why it proves nothing; [`HandoverError::Undecided`] when the reader has not met enough of those who sealed.
    pub fn verify(
        &self,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Result<Electorate, HandoverError> {
        let of = (self.network, self.epoch, self.electorate);
        let expected = (electorate.network(), electorate.epoch(), electorate.id());
        if of != expected {
            return Err(HandoverError::AnotherElectorate {
                expected: electorate.id(),
                expected_epoch: electorate.epoch(),
                got: self.electorate,
                got_epoch: self.epoch,
            });
        }
        self.next.check()?;
        let (seats, quorum) = (electorate.seats().len(), seals_needed(electorate));
        let known = self.seals.keys().filter(|voter| electorate.contains(voter));
        let got = known.count();
        let unknown = self.seals.len() - got;
        if self.seals.len() < quorum || self.seals.len() > seats {
            return Err(HandoverError::TooFew {
                quorum,
                got: self.seals.len(),
            });
        }
        if unknown > electorate.unmet()
            && let Some(stranger) = self.seals.keys().find(|voter| !electorate.contains(voter))
        {
            return Err(HandoverError::NotAVoter(*stranger));
        }
        let statement = statement(self.network, self.epoch, &self.electorate, &self.next);
        let is_forged = |(voter, signature): &(&NodeId, &Signature)| {
            !scheme.verify(voter, &statement, signature)
        };
        if let Some((voter, _)) = self.seals.iter().find(is_forged) {
            return Err(HandoverError::Signature(*voter));
        }
        if got < quorum {
            return Err(HandoverError::Undecided { quorum, got });
        }
        self.next.following(electorate)
    }
}
