//! Who is in, who was thrown out and who has left, each with the proof (the documents' PL).
//!
//! Standings are totally ordered by (incarnation, `Admitted` < `Evicted` < `Left`, attempt, record hash, epoch), and merging
//! takes the larger. Merging is therefore commutative, associative and idempotent: nodes exchange proofs in any order
//! and end up equal, without a leader or a log. Digests cover the order's key, never the proof's bytes: two
//! certificates of one decision may carry the signatures of different quorums.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, CertificateError};
use crate::departure::{Departure, Passport};
use crate::electorate::Electorate;
use crate::endorsement::{Endorsed, Endorsement};
use crate::id::{Digest, NodeId};
use crate::proposal::Proposal;
use crate::record::Record;
use crate::scheme::Scheme;
use crate::transcript::Transcript;

/// What a node is to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// A member.
    Admitted,
    /// Thrown out by vote.
    Evicted,
    /// Gone by its own word.
    Left,
}

/// The total order of standings of one node: the larger wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StandingKey {
    /// Which of the node's lives.
    pub incarnation: u64,
    /// What it is.
    pub standing: Standing,
    /// Which attempt was carried.
    pub attempt: u64,
    /// The record's or report's hash.
    pub hash: Digest,
    /// In which epoch it was decided. One question may be put to the voters of two epochs; the later decision counts, so that
    /// all rosters agree on when an end may be forgotten.
    pub decided: u64,
}

impl StandingKey {
    /// The digest of a node's standing for one purpose, which the domain names.
    pub(crate) fn digest(&self, domain: &str, node: &NodeId) -> Digest {
        Transcript::new(domain)
            .bytes(node.as_ref())
            .u64(self.incarnation)
            .u64(self.standing as u64)
            .u64(self.attempt)
            .bytes(self.hash.as_ref())
            .u64(self.decided)
            .finish()
    }

    /// Whether this is the same standing, in whatever epoch it was decided.
    pub fn is_same(&self, other: &Self) -> bool {
        let decided = other.decided;
        *other == Self { decided, ..*self }
    }
}

/// What proves a standing. Means nothing until [verified](Proof::verify).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Proof {
    /// The certificate of an admission: the member's passport.
    Admission(Certificate),
    /// The certificate of an eviction.
    Eviction(Certificate),
    /// The member's own departure.
    Departure(Departure),
    /// Any of these, endorsed by the voters of a later epoch.
    Endorsed(Box<Endorsed>),
}

/// A proof that was checked against an electorate. What a [`Roster`] merges.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifiedProof {
    node: NodeId,
    key: StandingKey,
    proof: Arc<Proof>,
}

/// Why a proof proves no standing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The certificate does not hold, or not yet.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A certificate of one kind presented as another.
    #[error("expected a certificate of {expected}, got one to {got}")]
    AnotherKind {
        /// What was claimed.
        expected: &'static str,
        /// What it decides.
        got: String,
    },
    /// A departure that the member did not sign.
    #[error("the departure of {0} does not carry its signature")]
    Departure(NodeId),
    /// A standing that is not among those that its certificate endorses.
    #[error("the standing of {0} is not the one that its certificate endorses")]
    NotEndorsed(NodeId),
}

impl ProofError {
    /// Whether nobody honest can hold this for true; see [`CertificateError::is_forgery`].
    pub const fn is_forgery(&self) -> bool {
        match self {
            Self::Certificate(error) => error.is_forgery(),
            Self::AnotherKind { .. } | Self::Departure(_) | Self::NotEndorsed(_) => true,
        }
    }
}

impl Proof {
    /// Whose standing it is about, and which; `None` when the certificate inside is of another kind.
    pub fn claims(&self) -> Option<(NodeId, StandingKey)> {
        let of_record = |record: &Record, standing| {
            let key = StandingKey {
                incarnation: record.incarnation,
                standing,
                attempt: record.attempt,
                hash: record.hash(),
                decided: self.certificate().epoch,
            };
            (record.node, key)
        };
        match self {
            Self::Admission(certificate) => match &*certificate.proposal {
                Proposal::Admit(record) => Some(of_record(record, Standing::Admitted)),
                _ => None,
            },
            Self::Departure(departure) => {
                let record = departure.admission.record()?;
                Some(of_record(record, Standing::Left))
            }
            Self::Endorsed(endorsed) => Some((endorsed.node, endorsed.key)),
            Self::Eviction(certificate) => match &*certificate.proposal {
                Proposal::Evict(report) => Some((
                    report.suspect,
                    StandingKey {
                        incarnation: report.incarnation,
                        standing: Standing::Evicted,
                        attempt: report.attempt,
                        hash: report.hash(),
                        decided: certificate.epoch,
                    },
                )),
                _ => None,
            },
        }
    }

    /// The certificate inside.
    pub fn certificate(&self) -> &Certificate {
        match self {
            Self::Admission(certificate) | Self::Eviction(certificate) => certificate,
            Self::Departure(departure) => departure.admission.certificate(),
            Self::Endorsed(endorsed) => endorsed.certificate(),
        }
    }

    /// What shows that its node is a member, if it is about one.
    pub fn passport(&self) -> Option<Passport> {
        match self {
            Self::Admission(certificate) => Some(Passport::Admission(certificate.clone())),
            Self::Endorsed(endorsed) if endorsed.admission().is_some() => {
                Some(Passport::Endorsed(endorsed.clone()))
            }
            Self::Endorsed(_) | Self::Eviction(_) | Self::Departure(_) => None,
        }
    }

    /// The proof of what a certificate decides; `None` for a motion, which concerns no standing.
    pub fn of(certificate: Certificate) -> Option<Self> {
        match *certificate.proposal {
            Proposal::Admit(_) => Some(Self::Admission(certificate)),
            Proposal::Evict(_) => Some(Self::Eviction(certificate)),
            Proposal::Motion(_) => None,
        }
    }

    /// Checks that the electorate (or, for a departure, the member) decided this standing.
    ///
    /// # Errors
    /// Why not; [`CertificateError::Undecided`] when the reader has not met enough of the signers.
    pub fn verify(
        self: Arc<Self>,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Result<VerifiedProof, ProofError> {
        let Some((node, key)) = self.claims() else {
            return Err(ProofError::AnotherKind {
                expected: match *self {
                    Self::Eviction(_) => "eviction",
                    _ => "admission",
                },
                got: self.certificate().proposal.to_string(),
            });
        };
        match &*self {
            Self::Endorsed(endorsed)
            | Self::Departure(Departure {
                admission: Passport::Endorsed(endorsed),
                ..
            }) => endorsed.verify(electorate, scheme)?,
            proof => proof.certificate().verify(electorate, scheme)?,
        }
        if let Self::Departure(departure) = &*self
            && !departure.is_signed(scheme)
        {
            return Err(ProofError::Departure(node));
        }
        // A signer not met yet may be nobody: only signatures that were judged are kept and passed on, or a stranger's
        // extra one would spoil the proof for readers who know all voters.
        let certificate = self.certificate();
        let signed_by = electorate.of_epoch(certificate.epoch, &certificate.electorate);
        let is_judged = |voter: &NodeId| signed_by.unwrap_or(electorate).contains(voter);
        let proof = if self.certificate().votes.keys().all(is_judged) {
            self
        } else {
            let mut judged = Self::clone(&self);
            judged
                .certificate_mut()
                .votes
                .retain(|voter, _| is_judged(voter));
            Arc::new(judged)
        };
        Ok(VerifiedProof { node, key, proof })
    }

    fn certificate_mut(&mut self) -> &mut Certificate {
        match self {
            Self::Admission(certificate)
            | Self::Eviction(certificate)
            | Self::Departure(Departure {
                admission: Passport::Admission(certificate),
                ..
            }) => certificate,
            Self::Endorsed(endorsed)
            | Self::Departure(Departure {
                admission: Passport::Endorsed(endorsed),
                ..
            }) => Arc::make_mut(&mut endorsed.endorsement),
        }
    }

    /// The record that an admission or a departure is about, endorsed or not.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Endorsed(endorsed) => endorsed.record.as_ref(),
            Self::Departure(departure) => departure.admission.record(),
            Self::Admission(certificate) | Self::Eviction(certificate) => {
                match &*certificate.proposal {
                    Proposal::Admit(record) => Some(record),
                    _ => None,
                }
            }
        }
    }

    /// Whether this is worth keeping beside `known`, a proof of the same standing: a later epoch signed it, or it has
    /// signatures on the same statement that `known` lacks.
    pub(crate) fn adds_to(&self, known: &Self) -> bool {
        let (this, known) = (self.certificate(), known.certificate());
        this.epoch > known.epoch
            || (this.epoch, this.electorate, &this.proposal)
                == (known.epoch, known.electorate, &known.proposal)
                && this
                    .votes
                    .keys()
                    .any(|voter| !known.votes.contains_key(voter))
    }

    /// The same decision with the signatures of both, if `other` has any that this lacks, or as a later epoch signed it.
    fn widened(&self, other: &Self) -> Option<Self> {
        if !other.adds_to(self) {
            return None;
        }
        if other.certificate().epoch > self.certificate().epoch {
            return Some(other.clone());
        }
        let mut widened = self.clone();
        let votes = &mut widened.certificate_mut().votes;
        for (voter, signature) in &other.certificate().votes {
            if !votes.contains_key(voter) {
                votes.insert(*voter, *signature);
            }
        }
        Some(widened)
    }
}

impl VerifiedProof {
    /// A proof assembled here from verified votes.
    pub(crate) fn own(proof: Arc<Proof>) -> Option<Self> {
        let (node, key) = proof.claims()?;
        Some(Self { node, key, proof })
    }

    /// Whose standing.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Which standing.
    pub const fn key(&self) -> StandingKey {
        self.key
    }

    /// The proof.
    pub const fn proof(&self) -> &Arc<Proof> {
        &self.proof
    }
}

/// One node's standing and its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which standing.
    pub key: StandingKey,
    /// What proves it.
    pub proof: Arc<Proof>,
}

impl Entry {
    /// Whether a proof that claims this standing of the same node adds nothing to what is known, so that it need not be
    /// checked.
    pub fn outdoes(&self, key: &StandingKey, proof: &Proof) -> bool {
        let worth = |proof: &Proof| {
            let certificate = proof.certificate();
            (certificate.epoch, certificate.votes.len())
        };
        self.key > *key || (self.key == *key && worth(&self.proof) >= worth(proof))
    }
}

/// What a merge did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The standing was news; what it replaced.
    Changed(Option<Entry>),
    /// The standing was known; its proof now carries more signatures, so that readers who know fewer voters can check
    /// it.
    Widened,
    /// Nothing new.
    Known,
    /// A larger standing is known.
    Outdated,
}

/// What an [endorsement](Roster::endorse) did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// The proofs that took the place of earlier ones.
    pub proofs: Vec<Arc<Proof>>,
    /// Whose ends are not known any more.
    pub forgotten: Vec<NodeId>,
}

/// How many buckets the digests of a roster have.
pub const BUCKETS: usize = 256;

/// Every node's standing. It grows only by what a quorum signed, so its size is bounded by the electorate's decisions.
#[derive(Clone)]
pub struct Roster {
    entries: BTreeMap<NodeId, Entry>,
    /// XOR of the entries' hashes, by the id's first byte: O(1) to keep.
    buckets: Vec<[u8; 32]>,
    members: usize,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            buckets: vec![[0; 32]; BUCKETS],
            members: 0,
        }
    }
}

impl fmt::Debug for Roster {
    /// The standings alone: the rest follows from them, and 256 digests are for nobody's eyes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.entries).finish()
    }
}

impl PartialEq for Roster {
    /// By standings, as the digests are: proofs of one decision may differ in whose signatures they carry.
    fn eq(&self, other: &Self) -> bool {
        let keys =
            |roster: &Self| -> Vec<_> { roster.entries.iter().map(|(n, e)| (*n, e.key)).collect() };
        keys(self) == keys(other)
    }
}

impl Eq for Roster {}

impl Roster {
    /// An empty roster.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a proof: the larger standing wins.
    pub fn merge(&mut self, proof: VerifiedProof) -> Merged {
        let VerifiedProof { node, key, proof } = proof;
        let Some(entry) = self.entries.get_mut(&node) else {
            self.replace(node, Entry { key, proof });
            return Merged::Changed(None);
        };
        match compare(&key, &entry.key) {
            Ordering::Less => Merged::Outdated,
            // Decided again in a later epoch.
            Ordering::Greater if key.is_same(&entry.key) => {
                self.replace(node, Entry { key, proof });
                Merged::Widened
            }
            Ordering::Greater => Merged::Changed(self.replace(node, Entry { key, proof })),
            Ordering::Equal => entry
                .proof
                .widened(&proof)
                .map_or(Merged::Known, |widened| {
                    entry.proof = Arc::new(widened);
                    Merged::Widened
                }),
        }
    }

    /// Replaces the proofs of all standings decided before an epoch by what its voters have endorsed, and forgets the ends
    /// that are not kept. `None` when other standings are endorsed than these: rosters that differ have to be compared
    /// first.
    ///
    /// # Errors
    /// When the certificate does not hold.
    pub fn endorse(
        &mut self,
        certificate: &Arc<Certificate>,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Result<Option<Renewed>, CertificateError> {
        certificate.verify(electorate, scheme)?;
        let Some(endorsed) = Endorsement::prove(self, certificate) else {
            return Ok(None);
        };
        let mut proofs = Vec::with_capacity(endorsed.len());
        for endorsed in endorsed {
            let (node, key) = (endorsed.node, endorsed.key);
            let proof = Arc::new(Proof::Endorsed(Box::new(endorsed)));
            proofs.push(proof.clone());
            self.merge(VerifiedProof { node, key, proof });
        }
        let forgotten = self.forget_departed(certificate.epoch);
        Ok(Some(Renewed { proofs, forgotten }))
    }

    /// Forgets the ends that are not kept in `epoch`: those decided three epochs before it, or earlier. Returns whose.
    pub fn forget_departed(&mut self, epoch: u64) -> Vec<NodeId> {
        let is_outdated =
            |(node, entry): (&NodeId, &Entry)| (!entry.key.is_kept(epoch)).then_some(*node);
        let outdated: Vec<NodeId> = self.entries.iter().filter_map(is_outdated).collect();
        for node in &outdated {
            self.forget(node);
        }
        outdated
    }

    /// Forgets one standing, whatever it is: for what nobody believes any more. Returns it.
    pub fn forget(&mut self, node: &NodeId) -> Option<Entry> {
        let entry = self.entries.remove(node)?;
        self.toggle(node, &entry.key);
        self.members -= usize::from(entry.key.standing == Standing::Admitted);
        Some(entry)
    }

    fn replace(&mut self, node: NodeId, entry: Entry) -> Option<Entry> {
        self.toggle(&node, &entry.key);
        self.members += usize::from(entry.key.standing == Standing::Admitted);
        let old = self.entries.insert(node, entry);
        if let Some(old) = &old {
            self.toggle(&node, &old.key);
            self.members -= usize::from(old.key.standing == Standing::Admitted);
        }
        old
    }

    fn toggle(&mut self, node: &NodeId, key: &StandingKey) {
        let hash = key.digest("quorate/standing/1", node);
        let bucket = &mut self.buckets[bucket_of(node)];
        bucket
            .iter_mut()
            .zip(hash.as_bytes())
            .for_each(|(a, b)| *a ^= b);
    }

    /// A node's standing, if it ever had one.
    pub fn get(&self, node: &NodeId) -> Option<&Entry> {
        self.entries.get(node)
    }

    /// The record of a current member.
    pub fn member(&self, node: &NodeId) -> Option<&Record> {
        let entry = self.entries.get(node)?;
        match entry.key.standing {
            Standing::Admitted => entry.proof.record(),
            Standing::Evicted | Standing::Left => None,
        }
    }

    /// The current members' records, by key.
    pub fn members(&self) -> impl Iterator<Item = &Record> {
        self.entries.keys().filter_map(|node| self.member(node))
    }

    /// How many members there are.
    pub const fn member_count(&self) -> usize {
        self.members
    }

    /// All standings, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &Entry)> {
        self.entries.iter()
    }

    /// The standings of one bucket.
    pub fn bucket(&self, bucket: u8) -> impl Iterator<Item = (&NodeId, &Entry)> {
        let mut first = [0; 32];
        first[0] = bucket;
        self.entries
            .range(NodeId::new(first)..)
            .take_while(move |(node, _)| bucket_of(node) == usize::from(bucket))
    }

    /// How many nodes have a standing.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no node has a standing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One digest of all standings: equal rosters have equal digests.
    pub fn digest(&self) -> Digest {
        Transcript::new("quorate/roster/1")
            .list(self.buckets.iter())
            .finish()
    }

    /// A digest per bucket of nodes (by the id's first byte), to find where two rosters differ.
    pub fn bucket_digests(&self) -> impl ExactSizeIterator<Item = Digest> + '_ {
        self.buckets.iter().map(|bucket| Digest::new(*bucket))
    }
}

/// Which of two standings of one node wins: the greater.
fn compare(one: &StandingKey, other: &StandingKey) -> Ordering {
    if planted!(RosterPrefersOlder) {
        return other.cmp(one);
    }
    if planted!(IncarnationIgnored) {
        let rest = |key: &StandingKey| (key.standing, key.attempt, key.hash);
        return rest(one).cmp(&rest(other));
    }
    one.cmp(other)
}

fn bucket_of(node: &NodeId) -> usize {
    usize::from(node.as_bytes()[0])
}
