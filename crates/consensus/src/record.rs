//! A node's record: who it is and where it says it can be reached, signed by itself.

use serde::{Deserialize, Serialize};

use crate::hexadecimal;
use crate::id::{Digest, NetworkId, NodeId, Signature};
use crate::scheme::{Scheme, Signer};
use crate::transcript::Transcript;

/// How many endpoints a record may list.
pub const ENDPOINTS_MAX: usize = 4;
/// How long an endpoint may be, in bytes: a DNS name of 253, a colon and a port fit.
pub const ENDPOINT_LEN_MAX: usize = 260;
/// How long a credential may be, in bytes: an [`Invitation`](crate::Invitation) fits twice.
pub const CREDENTIAL_LEN_MAX: usize = 512;

/// What a candidate says of itself. Admission votes on this, so a candidate that tries again, or moves, or comes back
/// after an eviction, signs a new record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The network it wants to enter.
    pub network: NetworkId,
    /// The candidate, who signs.
    pub node: NodeId,
    /// Where to reach it, as `host:port`, 1 to [`ENDPOINTS_MAX`], in order of preference.
    pub endpoints: Vec<String>,
    /// Which of its lives this is. A node that was evicted, or has forgotten what it said, takes the next, but none before
    /// the [`first_life`](crate::first_life) of the voters' epoch as far as it knows.
    pub incarnation: u64,
    /// Which try of this life: each is a new question, so a retry never looks like a voter changing its mind.
    pub attempt: u64,
    /// When the candidate opened this attempt, in milliseconds since the Unix epoch. Voters take part only within
    /// [`VOTING_WINDOW_MS`](crate::VOTING_WINDOW_MS) of it.
    pub opened_ms: u64,
    /// What it shows to those who judge it, at most [`CREDENTIAL_LEN_MAX`] bytes: an invitation, say. Most show nothing.
    /// It is seen by everybody who sees the record, so it must not be a secret that admits others.
    #[serde(with = "hexadecimal")]
    pub credential: Vec<u8>,
    /// The candidate's signature over all of the above.
    pub signature: Signature,
}

/// Why a record is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// None, or too many.
    #[error("expected 1 to {ENDPOINTS_MAX} endpoints, got {0}")]
    Endpoints(usize),
    /// Not `host:port`.
    #[error(
        "expected an endpoint of the form host:port of at most {ENDPOINT_LEN_MAX} bytes, got {0:?}"
    )]
    Endpoint(String),
    /// Longer than any credential is.
    #[error("expected a credential of at most {CREDENTIAL_LEN_MAX} bytes, got {0}")]
    Credential(usize),
    /// The signature is not the node's over this record.
    #[error("the record of {0} does not carry its signature")]
    Signature(NodeId),
}

impl Record {
    /// Signs a record of the signer's own that shows no credential.
    ///
    /// # Errors
    /// When the endpoints are not acceptable.
    pub fn sign(
        signer: &dyn Signer,
        network: NetworkId,
        endpoints: Vec<String>,
        incarnation: u64,
        attempt: u64,
        opened_ms: u64,
    ) -> Result<Self, RecordError> {
        let nothing = Vec::new();
        Self::sign_showing(
            nothing,
            signer,
            network,
            endpoints,
            incarnation,
            attempt,
            opened_ms,
        )
    }

    /// As [`sign`](Self::sign), and shows a credential.
    ///
    /// # Errors
    /// When the endpoints are not acceptable, or the credential is too long.
    pub fn sign_showing(
        credential: Vec<u8>,
        signer: &dyn Signer,
        network: NetworkId,
        endpoints: Vec<String>,
        incarnation: u64,
        attempt: u64,
        opened_ms: u64,
    ) -> Result<Self, RecordError> {
        let mut this = Self {
            network,
            node: signer.id(),
            endpoints,
            incarnation,
            attempt,
            opened_ms,
            credential,
            signature: Signature::new([0; 64]),
        };
        this.check_form()?;
        this.signature = signer.sign(&this.hash());
        Ok(this)
    }

    /// The digest of everything but the signature: what the signature is over, and what a probe of the candidate must
    /// echo.
    pub fn hash(&self) -> Digest {
        Transcript::new("quorate/record/2")
            .bytes(self.network.as_ref())
            .bytes(self.node.as_ref())
            .list(self.endpoints.iter())
            .u64(self.incarnation)
            .u64(self.attempt)
            .u64(self.opened_ms)
            .bytes(&self.credential)
            .finish()
    }

    /// Checks form and signature.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, scheme: &dyn Scheme) -> Result<(), RecordError> {
        self.verify_as(&self.hash(), scheme)
    }

    /// As [`verify`](Self::verify), given its [`hash`](Self::hash).
    pub(crate) fn verify_as(&self, hash: &Digest, scheme: &dyn Scheme) -> Result<(), RecordError> {
        self.check_form()?;
        if scheme.verify(&self.node, hash, &self.signature) {
            Ok(())
        } else {
            Err(RecordError::Signature(self.node))
        }
    }

    fn check_form(&self) -> Result<(), RecordError> {
        if self.credential.len() > CREDENTIAL_LEN_MAX {
            return Err(RecordError::Credential(self.credential.len()));
        }
        if !(1..=ENDPOINTS_MAX).contains(&self.endpoints.len()) {
            return Err(RecordError::Endpoints(self.endpoints.len()));
        }
        let bad = self
            .endpoints
            .iter()
            .find(|endpoint| !is_endpoint(endpoint));
        bad.map_or(Ok(()), |endpoint| {
            Err(RecordError::Endpoint(endpoint.chars().take(80).collect()))
        })
    }
}

/// Whether a text has the form `host:port`, with IPv6 hosts in brackets. Does not resolve anything.
fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let host_is_plain = host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let host_is_ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    text.len() <= ENDPOINT_LEN_MAX
        && !host.is_empty()
        && (host_is_plain || host_is_ipv6)
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::Unproven;

    fn sign(endpoints: &[&str]) -> Result<Record, RecordError> {
        let endpoints = endpoints.iter().map(|&e| e.to_owned()).collect();
        Record::sign(
            &Unproven::signer(NodeId::from(1)),
            NetworkId::new([7; 32]),
            endpoints,
            1,
            2,
            3,
        )
    }

    #[test]
    fn endpoints_are_host_and_port() {
        assert!(sign(&["127.0.0.1:5000", "[::1]:5000", "node-1.example:80"]).is_ok());
        for bad in [
            "127.0.0.1",
            ":80",
            "a:0",
            "a:65536",
            "a b:80",
            "::1:80",
            "[::g]:80",
            "a\n:80",
        ] {
            assert!(
                matches!(sign(&[bad]), Err(RecordError::Endpoint(_))),
                "{bad:?} was accepted"
            );
        }
        assert_eq!(sign(&[]), Err(RecordError::Endpoints(0)));
        assert_eq!(sign(&["a:1"; 5]), Err(RecordError::Endpoints(5)));
    }

    fn sign_showing(len: usize) -> Result<Record, RecordError> {
        let (signer, network) = (Unproven::signer(NodeId::from(1)), NetworkId::new([7; 32]));
        let endpoints = vec!["a:1".to_owned(), "b:2".to_owned()];
        Record::sign_showing(vec![9; len], &signer, network, endpoints, 1, 2, 3)
    }

    #[test]
    fn a_credential_has_a_limit() {
        let too_long = CREDENTIAL_LEN_MAX + 1;
        assert!(sign_showing(CREDENTIAL_LEN_MAX).is_ok());
        assert_eq!(
            sign_showing(too_long),
            Err(RecordError::Credential(too_long))
        );
        // Also where somebody signed it all the same.
        let mut record = sign_showing(CREDENTIAL_LEN_MAX).unwrap();
        record.credential.push(9);
        record.signature = Unproven::signer(record.node).sign(&record.hash());
        assert_eq!(
            record.verify(&Unproven),
            Err(RecordError::Credential(too_long))
        );
    }

    #[test]
    fn a_credential_is_hexadecimal_in_json() {
        let record = sign_showing(2).unwrap();
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains("\"credential\":\"0909\""), "{json}");
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }

    #[test]
    fn every_field_is_signed() {
        let good = sign_showing(3).unwrap();
        assert_eq!(good.verify(&Unproven), Ok(()));
        let changes: [fn(&mut Record); 10] = [
            |r| r.network = NetworkId::new([8; 32]),
            |r| r.node = NodeId::from(2),
            |r| r.endpoints = vec!["a:1".into()],
            |r| r.endpoints.swap(0, 1),
            |r| r.incarnation += 1,
            |r| r.attempt += 1,
            |r| r.opened_ms += 1,
            |r| r.credential.clear(),
            |r| r.credential[0] += 1,
            |r| r.credential.push(9),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(
                bad.verify(&Unproven).is_err(),
                "change {index} went unnoticed"
            );
        }
    }
}
