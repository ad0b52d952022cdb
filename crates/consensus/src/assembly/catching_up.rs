//! Chains that compare where they end: who is behind fetches, and who sees two histories has evidence of a fork.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Assembly;
use super::output::{Message, MessageError, Output};
use crate::id::{Digest, NodeId};
use crate::succession::{self, Change, Durable, Evidence, Link, LinkError, Membership};
use crate::time::Now;

/// How long an answer to a fetch is waited for before the same node is asked again.
const FETCH_MAX: Duration = Duration::from_secs(2);

/// How long before another member is asked too: who claims to know more and does not answer keeps nobody from the rest.
const FETCH_ALONE: Duration = Duration::from_millis(250);

/// How many bytes of links one message carries, about: well below a frame.
const LINKS_BYTES_MAX: usize = 256 * 1024;

/// Links that were asked for.
#[derive(Debug)]
pub(super) struct Fetching {
    /// When others may be asked too.
    alone_until: Instant,
    /// When the same node may be asked again.
    until: Instant,
}

impl Assembly {
    /// Links for whoever is behind, from that of `epoch` on; as many as one message carries.
    pub fn links_from(&self, epoch: u64) -> Vec<Arc<Link>> {
        let mut bytes = 0;
        self.chain()
            .links_from(epoch)
            .iter()
            .take_while(|link| {
                let is_first = bytes == 0;
                bytes += weight(link);
                is_first || bytes <= LINKS_BYTES_MAX
            })
            .cloned()
            .collect()
    }

    pub(super) fn send_links(&mut self, to: NodeId, epoch: u64) {
        let message = Message::Links(self.links_from(epoch));
        self.push(Output::Send {
            to: vec![to],
            message,
        });
    }

    pub(super) fn handle_status(&mut self, from: NodeId, epoch: u64, head: Digest, now: Now) {
        let own = self.core.membership().epoch();
        if epoch > own {
            self.fetch(from, now);
        } else if self
            .chain()
            .head_at(epoch)
            .is_some_and(|known| known != head)
        {
            // Another history: the links say from where on, and whose word it has.
            self.fetch_from(from, 0, now);
        } else if epoch < own {
            self.tell_status(vec![from]);
        }
    }

    /// Asks for what is missing, unless somebody was asked already.
    pub(super) fn fetch(&mut self, from: NodeId, now: Now) {
        self.fetch_from(from, self.core.membership().epoch(), now);
    }

    fn fetch_from(&mut self, from: NodeId, epoch: u64, now: Now) {
        self.fetching
            .retain(|_, fetching| now.instant < fetching.until);
        let source = self.fetching_from(from);
        let is_busy = |fetching: &Fetching| now.instant < fetching.alone_until;
        if self.fork.is_some()
            || self.fetching.contains_key(&source)
            || self.fetching.values().any(is_busy)
        {
            return;
        }
        let fetching = Fetching {
            alone_until: now.instant + FETCH_ALONE,
            until: now.instant + FETCH_MAX,
        };
        self.fetching.insert(source, fetching);
        let message = Message::Fetch { epoch };
        self.push(Output::Send {
            to: vec![from],
            message,
        });
    }

    /// Whom a fetch counts for: a member for itself, all others, who can be many, as one.
    fn fetching_from(&self, from: NodeId) -> NodeId {
        let is_member = self.membership().member(&from).is_some();
        if is_member { from } else { self.me }
    }

    pub(super) fn handle_links(
        &mut self,
        from: NodeId,
        links: Vec<Arc<Link>>,
        now: Now,
    ) -> Result<(), MessageError> {
        let source = self.fetching_from(from);
        if links.is_empty() {
            // It has no more. Others are asked first now.
            if let Some(fetching) = self.fetching.get_mut(&source) {
                fetching.alone_until = now.instant;
                fetching.until = fetching.until.min(now.instant + FETCH_ALONE);
            }
        } else {
            self.fetching.remove(&source);
        }
        let mut next = None;
        for link in links {
            if self.fork.is_some() || self.gate.is_failing() {
                return Ok(());
            }
            let own = self.core.membership().place();
            if link.epoch > own.epoch {
                break;
            }
            next = Some(link.epoch.saturating_add(1));
            if link.epoch < own.epoch {
                self.compare(&link)?;
            } else if self.is_done() {
                break;
            } else if link.parent == own.head {
                self.with_core(|core, keys| core.handle_link(link, keys))?;
            } else {
                // Another history, which parted from this one earlier.
                self.fetch_from(from, 0, now);
                return Ok(());
            }
        }
        if let Some(epoch) = next {
            self.fetch_from(from, epoch, now);
        }
        Ok(())
    }

    /// A decision of an epoch that is decided here: the same, or evidence of a fork.
    fn compare(&mut self, link: &Link) -> Result<(), MessageError> {
        let Some(held) = self.chain().links_from(link.epoch).first().cloned() else {
            // Decided here, and not durable yet: it comes again.
            return Ok(());
        };
        let is_same = held.head() == link.head() || held.parent != link.parent;
        if is_same || planted!(EvidenceSwallowed) {
            return Ok(());
        }
        let followed = self.chain().membership_at(link.epoch);
        let followed = followed.ok_or(LinkError::Elsewhere {
            expected: held.epoch,
            got: link.epoch,
        })?;
        link.verify(&followed, &*self.scheme)?;
        let evidence = Evidence::Fork {
            first: Box::new((*held).clone()),
            second: Box::new(link.clone()),
        };
        let may_be_of_a_member = evidence.suspects().iter().any(|suspect| {
            let life = |membership: &Membership| {
                membership.member(suspect).map(|record| record.incarnation)
            };
            life(&followed).is_some() && life(&followed) == life(self.membership())
        });
        if !may_be_of_a_member {
            // Whoever did it has no say any more; an old key must not be able to stop those who have.
            self.tell_evidence(evidence);
            return Ok(());
        }
        self.fork = Some(evidence.clone());
        let durable = Durable::Fork(Box::new(evidence.clone()));
        let _held_back = self
            .gate
            .pass(succession::Output::Persist(durable), &mut self.out);
        self.push(Output::Evidence(Box::new(evidence)));
        // Those who hold the same history have not seen the other.
        let message = Message::Links(vec![Arc::new(link.clone())]);
        let to = self.met.iter().copied().collect();
        self.push(Output::Send { to, message });
        Ok(())
    }
}

/// About how many bytes a link takes on the wire.
fn weight(link: &Link) -> usize {
    const SIGNATURE: usize = 100;
    let signatures = link.accepted.len()
        + match &link.change {
            Change::Admit { allows, .. } => allows.len(),
            Change::Evict { suspects } => suspects.values().map(|by| by.len() + 1).sum(),
            Change::Leave(_) => 1,
        };
    let said = match &link.change {
        Change::Admit { record, .. } => {
            let endpoints: usize = record.endpoints.iter().map(String::len).sum();
            // In JSON, a byte is two digits.
            endpoints + 2 * record.credential.len()
        }
        Change::Evict { .. } | Change::Leave(_) => 0,
    };
    1000 + said + SIGNATURE * signatures
}
