//! Invitations.

use std::collections::BTreeSet;

use quorate_consensus::{Digest, Invitation, NodeId, Now};

use super::reservations::Reservations;
use super::{AdmissionPolicy, Candidate, Verdict};

/// Allows who shows an [`Invitation`] by a seed of the network or by an operator.
///
/// Each is good for one node, as far as this seed knows: who was admitted by it may come back with it in its next lives, also
/// when it has expired, and nobody else. A node that this seed has voted for holds its invitation for a minute, admitted or not. An
/// admission that this seed learned of only when the member had been thrown out again, it knows nothing of.
#[derive(Debug)]
pub struct Invited {
    operators: BTreeSet<NodeId>,
    reserved: Reservations<Digest, NodeId>,
}

impl Invited {
    /// Invitations by seeds.
    pub const fn by_seeds() -> Self {
        Self {
            operators: BTreeSet::new(),
            reserved: Reservations::new(),
        }
    }

    /// Invitations by seeds, and by whoever has one of these keys.
    pub fn by_seeds_and(operators: impl IntoIterator<Item = NodeId>) -> Self {
        Self {
            operators: operators.into_iter().collect(),
            ..Self::by_seeds()
        }
    }

    /// The invitation that a candidate shows, if it is good.
    fn check(&self, candidate: &Candidate<'_>, now: Now) -> Result<Invitation, String> {
        let record = candidate.record;
        if record.credential.is_empty() {
            return Err("expected an invitation, got none".to_owned());
        }
        let invitation =
            Invitation::from_bytes(&record.credential).map_err(|error| error.to_string())?;
        let has_come_in_time = candidate.credential_used_by == Some(record.node);
        let now_ms = if has_come_in_time { 0 } else { now.unix_ms };
        invitation
            .verify(record.network, record.node, now_ms, candidate.scheme)
            .map_err(|error| error.to_string())?;
        let (issuer, electorate) = (invitation.issuer, candidate.electorate);
        if !electorate.contains(&issuer) && !self.operators.contains(&issuer) {
            let unmet = match electorate.unmet() {
                0 => String::new(),
                unmet => format!("; {unmet} seeds are not known yet"),
            };
            return Err(format!(
                "expected an invitation by a seed or an operator, got one by {}{unmet}",
                issuer.short()
            ));
        }
        let is_another = |node: &&NodeId| **node != record.node;
        if let Some(other) = candidate.credential_used_by.as_ref().filter(is_another) {
            return Err(format!("the invitation was used by {}", other.short()));
        }
        let reserved = self.reserved.get(&invitation.hash(), now);
        if let Some(other) = reserved.filter(is_another) {
            return Err(format!("the invitation is in use by {}", other.short()));
        }
        if reserved.is_none() && self.reserved.is_full(now) {
            return Err("too many candidates at once".to_owned());
        }
        Ok(invitation)
    }
}

impl AdmissionPolicy for Invited {
    fn judge(&self, candidate: &Candidate<'_>, now: Now) -> Verdict {
        match self.check(candidate, now) {
            Ok(_) => Verdict::Allow,
            Err(why) => Verdict::Deny(why),
        }
    }

    fn note_yes(&mut self, candidate: &Candidate<'_>, now: Now) {
        if let Ok(invitation) = self.check(candidate, now) {
            let node = candidate.record.node;
            self.reserved.reserve(invitation.hash(), node, now);
        }
    }
}
