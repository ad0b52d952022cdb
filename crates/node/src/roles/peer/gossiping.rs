//! A peer's gossip: what the engine wants done, and whether a message is to be believed.

use bytes::Bytes;
use quorate_consensus::{NodeId, Now, Proof, Standing};
use quorate_gossip::{CheckId, Content, MessageId, Output, Published, Verdict};

use super::Peer;
use super::standings::KIND_STANDING;
use crate::event::{Delivery, Event};
use crate::protocol::{Goodbye, Message};
use crate::roles::RequestError;
use crate::roles::speech::{Origin, is_signed, sign};

impl Peer {
    pub(super) fn broadcast(
        &mut self,
        payload: Bytes,
        now: Now,
    ) -> Result<Published, RequestError> {
        if self.life.passport().is_none() {
            return Err(RequestError::NotAMember);
        }
        let draft = self.gossip.draft(payload)?;
        let signature = sign(&*self.signer, self.network, draft.id());
        Ok(self.gossip.publish(draft, signature, now.instant))
    }

    pub(super) fn carry_out(&mut self, output: Output<NodeId>, now: Now) {
        match output {
            Output::Send { to, message } => {
                let up = |node: &NodeId| {
                    self.links
                        .get(node)
                        .filter(|link| link.is_up)
                        .map(|link| link.conn)
                };
                let conns = to.iter().filter_map(up).collect();
                self.out.send_all(conns, Message::Gossip(message));
            }
            Output::Check {
                check,
                from,
                id,
                content,
            } => self.check(check, from, id, content, now),
            Output::Deliver {
                from,
                id,
                content,
                hop_count,
            } => {
                // A proof was taken in when it was checked.
                if let Content::Application {
                    origin,
                    incarnation,
                    sequence,
                    payload,
                    ..
                } = content
                {
                    self.out.event(Event::Message(Delivery {
                        id,
                        origin: self.party(origin),
                        incarnation,
                        sequence,
                        payload,
                        from: self.party(from),
                        hop_count,
                    }));
                }
            }
            Output::Gap(gap) => self.out.event(Event::Gap {
                origin: self.party(gap.origin),
                incarnation: gap.incarnation,
                first: *gap.sequences.start(),
                last: *gap.sequences.end(),
            }),
            Output::Silent { peer, silence } => {
                if let Some(conn) = self.links.get(&peer).map(|link| link.conn) {
                    let cause = format!("silent for {} ms", silence.as_millis());
                    self.link_is_down(peer, cause.clone(), now);
                    self.connections.close(conn, Goodbye::Silent, &mut self.out);
                    self.suspect(peer, &cause, now);
                }
            }
        }
    }

    fn check(
        &mut self,
        check: CheckId,
        from: NodeId,
        id: MessageId,
        content: Content<NodeId>,
        now: Now,
    ) {
        match content {
            Content::Application {
                origin,
                incarnation,
                signature,
                ..
            } => {
                if !is_signed(&*self.scheme, self.network, &origin, id, &signature) {
                    self.reject(check, from, "a message that its origin did not sign", now);
                } else if let Some(verdict) = self.verdict_on(origin, incarnation) {
                    self.gossip.handle_checked(check, verdict, now.instant);
                } else {
                    self.wait_for_admission(check, origin, incarnation, now);
                }
            }
            Content::Proof {
                kind: KIND_STANDING,
                body,
            } => match self.options.format.decode::<Proof>(&body) {
                Ok(proof) => match self.merge(proof.into(), from, false, now) {
                    Ok(true) => self
                        .gossip
                        .handle_checked(check, Verdict::Accept, now.instant),
                    Ok(false) => self
                        .gossip
                        .handle_checked(check, Verdict::Ignore, now.instant),
                    // Roster comparison brings it again once its signers are known.
                    Err(error) if quorate_consensus::council::is_undecided(&error) => {
                        self.gossip
                            .handle_checked(check, Verdict::Ignore, now.instant);
                    }
                    Err(error) if !error.is_forgery() => {
                        self.gossip
                            .handle_checked(check, Verdict::Reject, now.instant);
                    }
                    Err(_) => self.reject(check, from, "a proof that proves nothing", now),
                },
                Err(_) => self.reject(check, from, "a proof that cannot be read", now),
            },
            // A later version's kind: not for us, and not ours to spread unchecked.
            Content::Proof { .. } => {
                self.gossip
                    .handle_checked(check, Verdict::Ignore, now.instant)
            }
        }
    }

    /// Honest neighbours check before they forward, so who brings what is bad is not one of them.
    fn reject(&mut self, check: CheckId, from: NodeId, what: &str, now: Now) {
        self.gossip
            .handle_checked(check, Verdict::Reject, now.instant);
        if let Some(conn) = self.links.get(&from).map(|link| link.conn) {
            self.drop_link(conn, from, Goodbye::Misbehaved(what.to_owned()), now);
        }
    }

    /// What to do with a well-signed message; `None` when its origin's admission may still be on its way.
    fn verdict_on(&self, origin: NodeId, incarnation: u64) -> Option<Verdict> {
        self.standing_of(origin, incarnation)
            .verdict(origin == self.me)
    }

    fn standing_of(&self, origin: NodeId, incarnation: u64) -> Origin {
        let Some(key) = self.roster.get(&origin).map(|entry| entry.key) else {
            return Origin::Unknown;
        };
        match key.standing {
            _ if key.incarnation < incarnation => Origin::Unknown,
            _ if key.incarnation > incarnation => Origin::Gone,
            Standing::Evicted if !planted!(EvictedNotCut) => Origin::Gone,
            // What a member said before it left is still on its way.
            Standing::Admitted | Standing::Left | Standing::Evicted => Origin::Known,
        }
    }

    fn wait_for_admission(&mut self, check: CheckId, origin: NodeId, incarnation: u64, now: Now) {
        let dropped = self.strangers.wait(check, origin, incarnation, now.instant);
        if let Some(dropped) = dropped {
            self.gossip
                .handle_checked(dropped, Verdict::Reject, now.instant);
        }
    }

    /// Looks again at messages whose origin was unknown: the roster has changed, or their time is up.
    pub(super) fn judge_strangers(&mut self, now: Now) {
        for stranger in self.strangers.take() {
            match self.verdict_on(stranger.origin, stranger.incarnation) {
                Some(verdict) => self
                    .gossip
                    .handle_checked(stranger.check, verdict, now.instant),
                None if now.instant >= stranger.deadline => {
                    self.gossip
                        .handle_checked(stranger.check, Verdict::Reject, now.instant);
                }
                None => self.strangers.put_back(stranger),
            }
        }
    }
}
