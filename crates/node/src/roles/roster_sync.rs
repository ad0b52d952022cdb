//! Rosters that find and mend their difference: digest, buckets, keys, proofs.
//!
//! Stateless: each message is answered from the roster as it is, so it may be lost, repeated or interleaved with others
//! without harm. A small difference is sent at once; a large one is for the other end to fetch, part by part
//! ([`Fetching`](super::fetching::Fetching)). Merging is the roster's; only the talk is here.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_consensus::{BUCKETS, NodeId, Proof, Proposal, Roster, StandingKey, Testimony};

use crate::protocol::{LIST_MAX, RosterMessage};

/// How much goes into one message, in bytes as [`weight`] counts them: JSON takes up to three times as many, which is
/// under the frame limit still.
const MESSAGE_WEIGHT: usize = 256 * 1024;

/// What follows from a message.
#[derive(Debug, Default)]
pub struct Answer {
    /// What to say.
    pub say: Vec<RosterMessage>,
    /// The proofs to take in.
    pub proofs: Vec<Arc<Proof>>,
    /// What the other end knows better, to be fetched from it.
    pub want: Vec<(NodeId, StandingKey)>,
    /// There is more that the other end does not know, which is to be seen to when the rest is fetched.
    pub again: bool,
}

impl Answer {
    fn say(say: Vec<RosterMessage>) -> Self {
        Self {
            say,
            ..Self::default()
        }
    }
}

/// What to say first, to start a comparison.
pub fn begin(roster: &Roster) -> RosterMessage {
    RosterMessage::Digest(roster.digest())
}

/// What to answer.
///
/// # Errors
/// What was wrong with the message.
pub fn answer(roster: &Roster, message: RosterMessage) -> Result<Answer, String> {
    match message {
        RosterMessage::Digest(digest) if digest == roster.digest() => Ok(Answer::default()),
        RosterMessage::Digest(_) => {
            let buckets = roster.bucket_digests().collect();
            Ok(Answer::say(vec![RosterMessage::Buckets(buckets)]))
        }
        RosterMessage::Buckets(theirs) => {
            if theirs.len() != BUCKETS {
                return Err(format!(
                    "expected {BUCKETS} bucket digests, got {}",
                    theirs.len()
                ));
            }
            let differing = roster
                .bucket_digests()
                .zip(theirs)
                .zip(0..=u8::MAX)
                .filter(|((ours, theirs), _)| ours != theirs)
                .map(|(_, bucket)| bucket);
            Ok(Answer::say(keys(roster, differing)))
        }
        RosterMessage::Keys { buckets, keys } => {
            if keys.len() > LIST_MAX.max(roster.len()) {
                return Err(format!(
                    "expected at most {LIST_MAX} keys, got {}",
                    keys.len()
                ));
            }
            Ok(compare(roster, buckets, keys))
        }
        RosterMessage::Want(nodes) => {
            if nodes.len() > LIST_MAX {
                return Err(format!(
                    "expected at most {LIST_MAX} nodes, got {}",
                    nodes.len()
                ));
            }
            // Asked for twice in one message, it is sent once.
            let nodes: BTreeSet<NodeId> = nodes.into_iter().collect();
            Ok(Answer::say(proofs(roster, nodes)))
        }
        RosterMessage::Proofs(proofs) => {
            if proofs.len() > LIST_MAX {
                return Err(format!(
                    "expected at most {LIST_MAX} proofs, got {}",
                    proofs.len()
                ));
            }
            Ok(Answer {
                proofs,
                ..Answer::default()
            })
        }
    }
}

/// The keys of these buckets, whole buckets at a time, as few messages as the limit allows.
fn keys(roster: &Roster, buckets: impl Iterator<Item = u8>) -> Vec<RosterMessage> {
    let mut messages = Vec::new();
    let (mut some, mut keys): (Vec<u8>, Vec<(NodeId, StandingKey)>) = Default::default();
    for bucket in buckets {
        let of_bucket: Vec<_> = roster
            .bucket(bucket)
            .map(|(node, entry)| (*node, entry.key))
            .collect();
        if !some.is_empty() && keys.len() + of_bucket.len() > LIST_MAX {
            let (buckets, keys) = (std::mem::take(&mut some), std::mem::take(&mut keys));
            messages.push(RosterMessage::Keys { buckets, keys });
        }
        some.push(bucket);
        keys.extend(of_bucket);
    }
    if !some.is_empty() {
        messages.push(RosterMessage::Keys {
            buckets: some,
            keys,
        });
    }
    messages
}

fn compare(roster: &Roster, buckets: Vec<u8>, keys: Vec<(NodeId, StandingKey)>) -> Answer {
    let theirs: std::collections::BTreeMap<NodeId, StandingKey> = keys.into_iter().collect();
    let want: Vec<(NodeId, StandingKey)> = theirs
        .iter()
        .filter(|(node, key)| roster.get(node).is_none_or(|entry| entry.key < **key))
        .map(|(node, key)| (*node, *key))
        .collect();
    let buckets: BTreeSet<u8> = buckets.into_iter().collect();
    let give: Vec<&Arc<Proof>> = buckets
        .iter()
        .flat_map(|bucket| roster.bucket(*bucket))
        .filter(|(node, entry)| theirs.get(node).is_none_or(|key| *key < entry.key))
        .map(|(_, entry)| &entry.proof)
        .collect();
    let is_small = give.iter().map(|proof| weight(proof)).sum::<usize>() <= MESSAGE_WEIGHT;
    let say = match (is_small, want.is_empty()) {
        (true, _) => tell(give),
        // The other end learns what there is, and fetches it.
        (false, true) => self::keys(roster, buckets.iter().copied()),
        // Both have much that the other has not: one after the other, or each would answer keys with keys.
        (false, false) => Vec::new(),
    };
    Answer {
        say,
        proofs: Vec::new(),
        again: !is_small && !want.is_empty(),
        want,
    }
}

fn proofs(roster: &Roster, nodes: impl IntoIterator<Item = NodeId>) -> Vec<RosterMessage> {
    let entries = nodes.into_iter().filter_map(|node| roster.get(&node));
    tell(entries.map(|entry| &entry.proof))
}

/// Proofs to be taken in, in as many messages as they need.
pub fn tell<'a>(proofs: impl IntoIterator<Item = &'a Arc<Proof>>) -> Vec<RosterMessage> {
    let mut messages = Vec::new();
    let (mut some, mut total) = (Vec::new(), 0);
    for proof in proofs {
        let weight = weight(proof);
        if !some.is_empty() && (total + weight > MESSAGE_WEIGHT || some.len() >= LIST_MAX) {
            messages.push(RosterMessage::Proofs(std::mem::take(&mut some)));
            total = 0;
        }
        some.push(proof.clone());
        total += weight;
    }
    if !some.is_empty() {
        messages.push(RosterMessage::Proofs(some));
    }
    messages
}

/// About how many bytes a proof takes, rather more than less: its keys and signatures, and every text at its length.
fn weight(proof: &Proof) -> usize {
    const SIGNED: usize = 32 + 64 + 4;
    let certificate = proof.certificate();
    let content = match &*certificate.proposal {
        Proposal::Admit(record) => {
            let endpoints = record.endpoints.iter();
            let endpoints: usize = endpoints.map(|endpoint| endpoint.len() + 4).sum();
            endpoints + record.credential.len()
        }
        Proposal::Evict(report) => {
            let of_testimony = |testimony: &Testimony| testimony.cause.len() + 3 * SIGNED;
            let testimonies: usize = report.testimonies.iter().map(of_testimony).sum();
            testimonies + report.endpoint.len() + 34 * report.silent.len()
        }
        Proposal::Motion(motion) => motion.topic.len() + motion.body.len(),
    };
    let shown = match proof {
        Proof::Endorsed(endorsed) => {
            let record = endorsed.record.iter().flat_map(|record| &record.endpoints);
            let record: usize = record.map(|endpoint| endpoint.len() + 4).sum();
            record + 4 * SIGNED + 33 * endorsed.path.len()
        }
        Proof::Admission(_) | Proof::Eviction(_) | Proof::Departure(_) => 0,
    };
    shown + content + 4 * SIGNED + SIGNED * certificate.votes.len()
}
