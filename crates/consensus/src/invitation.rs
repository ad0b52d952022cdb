//! An invitation: a word that somebody signs for a candidate to show, until it expires.
//!
//! Whose word counts, and how often, is for those who judge the candidate. An invitation that names no guest admits whoever
//! shows it first, and is seen by all who see the guest's record: who passes one on by an open channel names the guest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hexadecimal;
use crate::id::{Digest, NetworkId, NodeId, Signature};
use crate::scheme::{Scheme, Signer};
use crate::transcript::Transcript;

/// What the bytes of an invitation begin with, and its text, there with a `-` behind it.
const MARK: &str = "quorate-invite-1";

/// How many bytes follow the mark when no guest is named, and when one is: the length tells which.
const LEN: usize = 32 + 32 + 16 + 8 + 64;
const LEN_WITH_GUEST: usize = LEN + 32;

/// More than the longest text of one, line breaks included that came with copying.
const TEXT_LEN_MAX: usize = 1024;

/// A signed invitation into a network. As text ([`Display`](fmt::Display), [`FromStr`]) it can be copied and pasted; as bytes
/// it goes into a [record](crate::Record::credential).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Invitation {
    /// Where to.
    pub network: NetworkId,
    /// Who invites, and signs.
    pub issuer: NodeId,
    /// Who may come; whoever shows it if none is named.
    pub guest: Option<NodeId>,
    /// Tells invitations apart.
    pub nonce: [u8; 16],
    /// The last moment at which it is good, in milliseconds since the Unix epoch, by the clock of whoever judges.
    pub expires_ms: u64,
    /// The issuer's signature over all of the above.
    pub signature: Signature,
}

/// Why an invitation invites nobody, or not this one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvitationError {
    /// Into another network.
    #[error("expected an invitation into network {expected}, got one into {got}")]
    AnotherNetwork {
        /// The network that the candidate asks to enter.
        expected: NetworkId,
        /// The one that the invitation names.
        got: NetworkId,
    },
    /// For another guest.
    #[error("expected an invitation for {}, got one for {}", .expected.short(), .got.short())]
    AnotherGuest {
        /// Who shows it.
        expected: NodeId,
        /// Whom it names.
        got: NodeId,
    },
    /// It was good once.
    #[error("the invitation expired {} s ago", .now_ms.saturating_sub(*.expires_ms) / 1000)]
    Expired {
        /// Until when it was good.
        expires_ms: u64,
        /// When it was shown.
        now_ms: u64,
    },
    /// Altered, or made up.
    #[error("the invitation does not carry the signature of {}, who is to have issued it", .0.short())]
    Signature(NodeId),
}

/// A text, or bytes, that are no invitation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnInvitation {
    /// Something else altogether.
    #[error("expected an invitation, which begins with {MARK}-, got {0:?}")]
    Mark(String),
    /// A character that does not belong there.
    #[error("expected hexadecimal digits after {MARK}-, got {0:?}")]
    Digits(String),
    /// Not all of it, or more.
    #[error(
        "expected {LEN} or {LEN_WITH_GUEST} bytes after {MARK}, got {0}; was all of it copied?"
    )]
    Length(usize),
}

impl Invitation {
    /// Signs an invitation. `nonce` must come from a generator that does not repeat itself.
    pub fn sign(
        signer: &dyn Signer,
        network: NetworkId,
        guest: Option<NodeId>,
        nonce: [u8; 16],
        expires_ms: u64,
    ) -> Self {
        let mut this = Self {
            network,
            issuer: signer.id(),
            guest,
            nonce,
            expires_ms,
            signature: Signature::new([0; 64]),
        };
        this.signature = signer.sign(&this.hash());
        this
    }

    /// The digest of everything but the signature: what the signature is over, and the invitation's name.
    pub fn hash(&self) -> Digest {
        Transcript::new("quorate/invitation/1")
            .bytes(self.network.as_ref())
            .bytes(self.issuer.as_ref())
            .list(self.guest.iter())
            .bytes(&self.nonce)
            .u64(self.expires_ms)
            .finish()
    }

    /// Checks that it invites this candidate into this network now. Not who the issuer is, nor whether it was used.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn verify(
        &self,
        network: NetworkId,
        candidate: NodeId,
        now_ms: u64,
        scheme: &dyn Scheme,
    ) -> Result<(), InvitationError> {
        if self.network != network {
            return Err(InvitationError::AnotherNetwork {
                expected: network,
                got: self.network,
            });
        }
        if let Some(got) = self.guest.filter(|guest| *guest != candidate) {
            return Err(InvitationError::AnotherGuest {
                expected: candidate,
                got,
            });
        }
        if now_ms > self.expires_ms {
            return Err(InvitationError::Expired {
                expires_ms: self.expires_ms,
                now_ms,
            });
        }
        if scheme.verify(&self.issuer, &self.hash(), &self.signature) {
            Ok(())
        } else {
            Err(InvitationError::Signature(self.issuer))
        }
    }

    /// As bytes, for a record.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MARK.as_bytes().to_vec();
        bytes.extend(self.body());
        bytes
    }

    /// Reads the bytes of one; each invitation has one form only.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAnInvitation> {
        match bytes.strip_prefix(MARK.as_bytes()) {
            Some(body) => Self::read(body),
            None => {
                let text = String::from_utf8_lossy(bytes);
                Err(NotAnInvitation::Mark(beginning(&text)))
            }
        }
    }

    /// Everything behind the mark: network, issuer, the guest if there is one, nonce, expiry, signature.
    fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(LEN_WITH_GUEST);
        body.extend(self.network.as_bytes());
        body.extend(self.issuer.as_bytes());
        body.extend(self.guest.iter().flat_map(|guest| *guest.as_bytes()));
        body.extend(self.nonce);
        body.extend(self.expires_ms.to_be_bytes());
        body.extend(self.signature.as_bytes());
        body
    }

    fn read(body: &[u8]) -> Result<Self, NotAnInvitation> {
        let mut rest = Reader(body);
        let read = |rest: &mut Reader<'_>| {
            let this = Self {
                network: NetworkId::new(rest.take()?),
                issuer: NodeId::new(rest.take()?),
                guest: match body.len() {
                    LEN_WITH_GUEST => Some(NodeId::new(rest.take()?)),
                    _ => None,
                },
                nonce: rest.take()?,
                expires_ms: u64::from_be_bytes(rest.take()?),
                signature: Signature::new(rest.take()?),
            };
            rest.0.is_empty().then_some(this)
        };
        read(&mut rest).ok_or(NotAnInvitation::Length(body.len()))
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}-{}", hexadecimal::write(&self.body()))
    }
}

impl FromStr for Invitation {
    type Err = NotAnInvitation;

    /// Spaces and line breaks are passed over: they come with copying.
    fn from_str(text: &str) -> Result<Self, NotAnInvitation> {
        let text: String = text
            .chars()
            .take(TEXT_LEN_MAX)
            .filter(|c| !c.is_whitespace())
            .collect();
        let digits = text
            .strip_prefix(MARK)
            .and_then(|rest| rest.strip_prefix('-'))
            .ok_or_else(|| NotAnInvitation::Mark(beginning(&text)))?;
        if let Some(at) = digits.find(|c: char| !c.is_ascii_hexdigit()) {
            return Err(NotAnInvitation::Digits(beginning(&digits[at..])));
        }
        let body = hexadecimal::read(digits).ok_or(NotAnInvitation::Length(digits.len() / 2))?;
        Self::read(&body)
    }
}

/// Enough of a text to see what it is.
fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::CREDENTIAL_LEN_MAX;
    use crate::scheme::Unproven;

    const NETWORK: NetworkId = NetworkId::new([7; 32]);

    fn invite(guest: Option<u64>) -> Invitation {
        let issuer = Unproven::signer(NodeId::from(1));
        Invitation::sign(&issuer, NETWORK, guest.map(NodeId::from), [3; 16], 1000)
    }

    fn check(invitation: &Invitation, candidate: u64, now_ms: u64) -> Result<(), InvitationError> {
        invitation.verify(NETWORK, NodeId::from(candidate), now_ms, &Unproven)
    }

    #[test]
    fn it_reads_back_as_text_and_as_bytes() {
        for invitation in [invite(None), invite(Some(2))] {
            let (text, bytes) = (invitation.to_string(), invitation.to_bytes());
            assert_eq!(text.parse(), Ok(invitation.clone()));
            assert_eq!(Invitation::from_bytes(&bytes), Ok(invitation.clone()));
            assert!(2 * bytes.len() <= CREDENTIAL_LEN_MAX);
            // As a mail program breaks it.
            let (a, b) = text.split_at(70);
            assert_eq!(format!("\n {a}\r\n{b}  ").parse(), Ok(invitation));
        }
    }

    #[test]
    fn whatever_else_is_pasted_is_named() {
        let text = invite(Some(2)).to_string();
        let table = [
            (
                "hello".to_owned(),
                "expected an invitation, which begins with quorate-invite-1-, got \"hello\"",
            ),
            (
                "x".repeat(5000),
                "expected an invitation, which begins with quorate-invite-1-, got \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
            ),
            (
                format!("{MARK}-12é4"),
                "expected hexadecimal digits after quorate-invite-1-, got \"é4\"",
            ),
            (
                text[..text.len() - 1].to_owned(),
                "expected 152 or 184 bytes after quorate-invite-1, got 183; was all of it copied?",
            ),
            (
                format!("{text}00"),
                "expected 152 or 184 bytes after quorate-invite-1, got 185; was all of it copied?",
            ),
            (
                format!("{MARK}-"),
                "expected 152 or 184 bytes after quorate-invite-1, got 0; was all of it copied?",
            ),
        ];
        for (text, error) in table {
            assert_eq!(
                text.parse::<Invitation>().unwrap_err().to_string(),
                error,
                "{text}"
            );
        }
        let bytes = invite(None).to_bytes();
        for len in 0..bytes.len() {
            assert!(Invitation::from_bytes(&bytes[..len]).is_err(), "{len}");
        }
        assert_eq!(
            Invitation::from_bytes(b"\xff\xff"),
            Err(NotAnInvitation::Mark("\u{fffd}\u{fffd}".to_owned()))
        );
    }

    #[test]
    fn it_is_good_for_its_guest_in_its_network_until_it_expires() {
        assert_eq!(check(&invite(None), 2, 1000), Ok(()));
        assert_eq!(check(&invite(Some(2)), 2, 0), Ok(()));
        let (two, three) = (NodeId::from(2), NodeId::from(3));
        assert_eq!(
            check(&invite(Some(2)), 3, 0),
            Err(InvitationError::AnotherGuest {
                expected: three,
                got: two
            })
        );
        let late = check(&invite(None), 2, 61_001).unwrap_err();
        assert_eq!(late.to_string(), "the invitation expired 60 s ago");
        let elsewhere = NetworkId::new([8; 32]);
        let refused = invite(None).verify(elsewhere, two, 0, &Unproven);
        assert!(matches!(
            refused,
            Err(InvitationError::AnotherNetwork { expected, got: NETWORK }) if expected == elsewhere
        ));
    }

    #[test]
    fn every_field_is_signed() {
        let changes: [fn(&mut Invitation); 5] = [
            |i| i.issuer = NodeId::from(9),
            |i| i.guest = None,
            |i| i.nonce[0] += 1,
            |i| i.expires_ms += 1,
            |i| i.signature = Signature::new([1; 64]),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut forged = invite(Some(2));
            change(&mut forged);
            assert_eq!(
                check(&forged, 2, 0),
                Err(InvitationError::Signature(forged.issuer)),
                "change {index} went unnoticed"
            );
        }
        let mut moved = invite(Some(2));
        moved.network = NetworkId::new([8; 32]);
        let refused = moved.verify(moved.network, NodeId::from(2), 0, &Unproven);
        assert_eq!(refused, Err(InvitationError::Signature(moved.issuer)));
    }
}
