//! How an open network begins: one node's record, whose hash is the network's id.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, NetworkId};
use crate::record::{Record, RecordError};
use crate::scheme::{Scheme, Signer};
use crate::transcript::Transcript;

/// The first member's record, and what it goes on from, if anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Founding {
    /// The founder's record. Its network is not the one it founds, whose id is this record's hash, but
    /// [`NetworkId::NONE`], or a name made of `after`: so the founder's signature covers both.
    pub record: Record,
    /// The head of the network that this one goes on from, after an operator's `refound`.
    pub after: Option<Predecessor>,
}

/// Where an earlier network stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Predecessor {
    /// Its id.
    pub network: NetworkId,
    /// Its last epoch known to the founder.
    pub epoch: u64,
    /// The head of that epoch.
    pub head: Digest,
}

/// Why nothing is founded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoundingError {
    /// The record is not acceptable in itself.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The record does not name what the network goes on from.
    #[error("expected a founding record that names {expected}, got one that names {got}")]
    Birthplace {
        /// What it should name.
        expected: NetworkId,
        /// What it names.
        got: NetworkId,
    },
}

impl Founding {
    /// Founds a network with the signer as its only member.
    ///
    /// # Errors
    /// When the endpoints are not acceptable.
    pub fn sign(
        signer: &dyn Signer,
        endpoints: Vec<String>,
        attempt: u64,
        opened_ms: u64,
        after: Option<Predecessor>,
    ) -> Result<Self, RecordError> {
        let birthplace = birthplace(after.as_ref());
        let record = Record::sign(signer, birthplace, endpoints, 1, attempt, opened_ms)?;
        Ok(Self { record, after })
    }

    /// The id of the network that this founds.
    pub fn network(&self) -> NetworkId {
        NetworkId::new(*self.head().as_bytes())
    }

    /// The first head of the chain.
    pub fn head(&self) -> Digest {
        Transcript::new("quorate/founding/1")
            .bytes(self.record.hash().as_ref())
            .finish()
    }

    /// Checks that the founder signed all of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, scheme: &dyn Scheme) -> Result<(), FoundingError> {
        let expected = birthplace(self.after.as_ref());
        if self.record.network != expected {
            return Err(FoundingError::Birthplace {
                expected,
                got: self.record.network,
            });
        }
        Ok(self.record.verify(scheme)?)
    }
}

fn birthplace(after: Option<&Predecessor>) -> NetworkId {
    after.map_or(NetworkId::NONE, |after| {
        let name = Transcript::new("quorate/refounding/1")
            .bytes(after.network.as_ref())
            .u64(after.epoch)
            .bytes(after.head.as_ref())
            .finish();
        NetworkId::new(*name.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::scheme::Unproven;

    #[test]
    fn what_a_network_goes_on_from_is_signed() {
        let signer = Unproven::signer(NodeId::from(1));
        let after = Predecessor {
            network: NetworkId::new([1; 32]),
            epoch: 4,
            head: Digest::new([2; 32]),
        };
        let sign = |after| Founding::sign(&signer, vec!["a:1".into()], 1, 2, after).unwrap();
        let (fresh, refounded) = (sign(None), sign(Some(after)));
        assert_eq!(fresh.verify(&Unproven), Ok(()));
        assert_eq!(refounded.verify(&Unproven), Ok(()));
        assert_ne!(fresh.network(), refounded.network());
        let claims = [
            None,
            Some(Predecessor { epoch: 5, ..after }),
            Some(Predecessor {
                head: Digest::new([3; 32]),
                ..after
            }),
            Some(Predecessor {
                network: NetworkId::NONE,
                ..after
            }),
        ];
        for after in claims {
            let forged = Founding {
                after,
                ..refounded.clone()
            };
            assert!(matches!(
                forged.verify(&Unproven),
                Err(FoundingError::Birthplace { .. })
            ));
        }
    }
}
