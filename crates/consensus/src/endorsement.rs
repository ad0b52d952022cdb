//! Standings endorsed anew by the voters of a later epoch: one vote for all of them.
//!
//! Signatures of an electorate that is gone are worth less with every year: keys leak, and voters that were replaced may have
//! been replaced for a reason. So the voters of each epoch sign one Merkle root over every standing decided before it. A
//! member's passport is then its standing, the path to that root, and the certificate of the root: as self-contained as the
//! first one, and signed by those who vote now. What neither this epoch nor the one before it signed, is not believed any
//! more: its holder is told to renew it.
//!
//! Ends (evictions and departures) are endorsed too, for two epochs after that in which they were decided, and then
//! forgotten. An end decided in epoch d may come to be known in d+1, when the admission that it ends was endorsed once more,
//! and that is believed in d+2: in d+3 nothing is left that could bring its node back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::electorate::Electorate;
use crate::id::{Digest, NodeId};
use crate::merkle::{Tree, root_of};
use crate::proposal::{Motion, Proposal};
use crate::record::Record;
use crate::roster::{Entry, ProofError, Roster, Standing, StandingKey};
use crate::scheme::{Scheme, Signer};

/// The topic of motions to endorse.
const TOPIC: &str = "quorate/endorsement/1";

/// All standings of a roster that were decided before an epoch, in one digest: what its voters endorse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endorsement {
    /// The Merkle root over the standings, by node.
    pub root: Digest,
    /// How many they are.
    pub count: u64,
}

/// A standing with the path to a root that a later electorate endorsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endorsed {
    /// Whose standing.
    pub node: NodeId,
    /// Which.
    pub key: StandingKey,
    /// The record by which the node is, or was, a member; none for an eviction.
    pub record: Option<Record>,
    /// The standing's place among those endorsed.
    pub index: u64,
    /// The way to the root.
    pub path: Vec<Digest>,
    /// The certificate of the root.
    pub endorsement: Arc<Certificate>,
}

/// Whether a reader in `epoch` believes what the voters of another one signed: those of its own and of the one before.
const fn is_believed(signed: u64, epoch: u64) -> bool {
    signed.saturating_add(1) >= epoch
}

impl Endorsement {
    /// The standings of a roster that nobody believes in `epoch`: neither its voters nor those before them signed them.
    pub fn unbelieved(roster: &Roster, epoch: u64) -> impl Iterator<Item = &NodeId> {
        let all = roster.iter();
        all.filter(move |(_, entry)| !is_believed(entry.proof.certificate().epoch, epoch))
            .map(|(node, _)| node)
    }

    /// Whether a roster has a standing that the voters of `epoch` have not signed.
    pub fn is_due(roster: &Roster, epoch: u64) -> bool {
        roster
            .iter()
            .any(|(_, entry)| entry.proof.certificate().epoch < epoch)
    }

    /// What of a roster is to be endorsed in `epoch`.
    pub fn of(roster: &Roster, epoch: u64) -> Self {
        let leaves: Vec<Digest> = endorsable(roster, epoch).map(leaf_of_entry).collect();
        let count = leaves.len() as u64;
        Self {
            root: Tree::of(leaves).root(),
            count,
        }
    }

    /// The motion that puts it to the vote.
    pub fn motion(
        &self,
        signer: &dyn Signer,
        electorate: &Electorate,
        attempt: u64,
        opened_ms: u64,
    ) -> Motion {
        let mut body = self.root.as_ref().to_vec();
        body.extend(self.count.to_be_bytes());
        Motion::sign(
            signer,
            electorate.network(),
            TOPIC,
            body,
            attempt,
            opened_ms,
        )
    }

    /// What a motion asks to endorse; `None` when it is about something else.
    pub fn of_motion(motion: &Motion) -> Option<Self> {
        let (root, count) = motion.body.split_at_checked(32)?;
        Some(Self {
            root: Digest::try_from(root).ok()?,
            count: u64::from_be_bytes(count.try_into().ok()?),
        })
        .filter(|_| motion.topic == TOPIC)
    }

    /// What a certificate endorses; `None` when it is about something else.
    pub fn of_certificate(certificate: &Certificate) -> Option<Self> {
        match &*certificate.proposal {
            Proposal::Motion(motion) => Self::of_motion(motion),
            Proposal::Admit(_) | Proposal::Evict(_) => None,
        }
    }

    /// The proofs of a roster's standings under a certificate that endorses just these; `None` when it endorses others.
    /// The certificate's signatures are not looked at.
    pub fn prove(roster: &Roster, certificate: &Arc<Certificate>) -> Option<Vec<Endorsed>> {
        let endorsed = Self::of_certificate(certificate)?;
        let entries: Vec<_> = endorsable(roster, certificate.epoch).collect();
        let tree = Tree::of(entries.iter().copied().map(leaf_of_entry).collect());
        if entries.len() as u64 != endorsed.count || tree.root() != endorsed.root {
            return None;
        }
        let prove = |(index, (node, entry)): (usize, &(&NodeId, &Entry))| Endorsed {
            node: **node,
            key: entry.key,
            record: entry.proof.record().cloned(),
            index: index as u64,
            path: tree.path(index),
            endorsement: certificate.clone(),
        };
        Some(entries.iter().enumerate().map(prove).collect())
    }
}

impl Endorsed {
    /// The record by which its node is a member; `None` when it is about an end.
    pub fn admission(&self) -> Option<&Record> {
        self.record
            .as_ref()
            .filter(|_| self.key.standing == Standing::Admitted)
    }

    /// The certificate of the root.
    pub const fn certificate(&self) -> &Arc<Certificate> {
        &self.endorsement
    }

    /// Checks that it is what its certificate endorses, and that a quorum of the electorate (or of the one before it)
    /// signed that.
    pub(crate) fn verify(
        &self,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Result<(), ProofError> {
        let is_its_record = self.record.as_ref().map(|record| {
            record.node == self.node
                && (record.incarnation, record.attempt) == (self.key.incarnation, self.key.attempt)
                && record.hash() == self.key.hash
        });
        let is_whole = match self.key.standing {
            Standing::Admitted | Standing::Left => is_its_record == Some(true),
            Standing::Evicted => is_its_record.is_none(),
        };
        let leads_to_root =
            Endorsement::of_certificate(&self.endorsement).is_some_and(|endorsed| {
                let leaf = leaf(&self.node, &self.key);
                root_of(leaf, self.index, endorsed.count, &self.path) == Some(endorsed.root)
            });
        if !is_whole || !leads_to_root || self.key.decided >= self.endorsement.epoch {
            return Err(ProofError::NotEndorsed(self.node));
        }
        if let Some(record) = &self.record {
            record
                .verify(scheme)
                .map_err(|_| ProofError::NotEndorsed(self.node))?;
        }
        Ok(self.endorsement.verify(electorate, scheme)?)
    }
}

/// For how many epochs after the one that decided them ends are kept.
pub(crate) const ENDS_KEPT: u64 = 2;

impl StandingKey {
    /// Whether rosters keep it in `epoch`: an end that nothing is left to undo is forgotten.
    pub fn is_kept(&self, epoch: u64) -> bool {
        self.standing == Standing::Admitted || self.decided.saturating_add(ENDS_KEPT) >= epoch
    }
}

/// The standings that were decided before `epoch`, endorsed already or not, by node: the same in all rosters that are equal.
fn endorsable(roster: &Roster, epoch: u64) -> impl Iterator<Item = (&NodeId, &Entry)> {
    roster
        .iter()
        .filter(move |(_, entry)| entry.key.decided < epoch && entry.key.is_kept(epoch))
}

fn leaf_of_entry((node, entry): (&NodeId, &Entry)) -> Digest {
    leaf(node, &entry.key)
}

fn leaf(node: &NodeId, key: &StandingKey) -> Digest {
    key.digest("quorate/endorsed/1", node)
}
