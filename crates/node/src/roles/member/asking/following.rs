//! The chain that a candidate joins: taken from a member, checked link by link, and given up if it was only hearsay.

use std::sync::Arc;

use quorate_consensus::succession::{Chain, Founding, Link};
use quorate_consensus::{NetworkId, NodeId, Now, assembly};

use super::{ALONE_MAX, Asking, GIVEN_UP_MAX, Target};
use crate::protocol::{Goodbye, KnownMember, Message};
use crate::roles::ConnId;
use crate::roles::member::Member;

impl Member {
    /// Forgets a chain that somebody showed and nobody stands by any more, when there is another network to be asked.
    pub(super) fn give_up_chain(&mut self, now: Now) {
        let Some(chain) = self
            .asking
            .chain
            .as_ref()
            .filter(|_| self.asking.is_hearsay)
        else {
            return;
        };
        if self.asking.has_company() {
            self.asking.alone_since = None;
            return;
        }
        let network = chain.membership().network();
        let since = *self.asking.alone_since.get_or_insert(now.instant);
        let is_another = |member: &KnownMember| member.network != network;
        let is_another_known =
            self.looking.join.len() > 1 || self.looking.known().iter().any(is_another);
        if now.instant.saturating_duration_since(since) < ALONE_MAX || !is_another_known {
            return;
        }
        self.leave_hosts();
        let mut given_up = std::mem::take(&mut self.asking.given_up);
        if given_up.len() >= GIVEN_UP_MAX {
            given_up.clear();
        }
        given_up.insert(network);
        self.asking = Asking {
            attempt: self.asking.attempt,
            back_offs: std::mem::take(&mut self.asking.back_offs),
            given_up,
            ..Asking::default()
        };
        self.connections.set_network(NetworkId::NONE);
    }

    /// How the network began, by one of its members; the chain that follows is fetched.
    pub(super) fn handle_founded(&mut self, conn: ConnId, from: NodeId, founding: &Arc<Founding>) {
        let network = founding.network();
        let named = self.connections.get(conn).map(|conn| conn.network);
        if named != Some(network) {
            let what = "a founding of another network than the hello named".to_owned();
            self.connections.misbehaved(conn, what, &mut self.out);
            return;
        }
        match &self.asking.chain {
            Some(chain) if chain.membership().network() != network => {
                let expected = chain.membership().network();
                let what = format!("expected network {expected}, got {network}");
                self.connections
                    .close(conn, Goodbye::Mismatch(what), &mut self.out);
                self.asking.hosts.remove(&from);
                return;
            }
            Some(_) => {}
            None => match Chain::found((**founding).clone(), &*self.scheme) {
                Ok(chain) => {
                    self.connections.set_network(network);
                    self.asking.chain = Some(chain);
                    self.asking.is_hearsay = true;
                }
                Err(error) => {
                    self.connections
                        .misbehaved(conn, error.to_string(), &mut self.out);
                    return;
                }
            },
        }
        self.fetch_links(conn);
    }

    pub(in crate::roles::member) fn fetch_links(&mut self, conn: ConnId) {
        if let Some(chain) = &self.asking.chain {
            let epoch = chain.membership().epoch();
            let fetch = assembly::Message::Fetch { epoch };
            self.out.send(conn, Message::Assembly(fetch));
        }
    }

    /// Links that a member sent to this candidate.
    pub(in crate::roles::member) fn handle_links(
        &mut self,
        conn: ConnId,
        from: NodeId,
        links: Vec<Arc<Link>>,
        now: Now,
    ) {
        let Some(chain) = &mut self.asking.chain else {
            return;
        };
        let before = chain.membership().epoch();
        let (mut lacks, is_last) = (false, links.is_empty());
        for link in links {
            let epoch = chain.membership().epoch();
            if link.epoch < epoch {
                continue;
            }
            if link.epoch > epoch {
                lacks = true;
                break;
            }
            if let Err(error) = chain.extend(link, &*self.scheme) {
                self.connections
                    .misbehaved(conn, error.to_string(), &mut self.out);
                self.host_is_lost(conn);
                return;
            }
        }
        let grew = chain.membership().epoch() > before;
        let host = self.asking.hosts.get_mut(&from);
        // Links that others brought meanwhile say nothing of what this one still has.
        let is_open = host.as_ref().is_some_and(|host| !host.is_synced);
        if is_last {
            if let Some(host) = host {
                host.is_synced = true;
                // One that only accepts connections, and is no member itself, is not dialled in a tight loop.
                self.asking.back_offs.remove(&Target::Member(from));
            }
        } else if grew || lacks || is_open {
            self.fetch_links(conn);
        }
        if grew {
            self.chain_grew(now);
        }
    }

    /// Others are members now, perhaps this node is.
    fn chain_grew(&mut self, now: Now) {
        let Some(chain) = &self.asking.chain else {
            return;
        };
        // Perhaps by a record of an earlier process, which died before it knew. What a member says is durable first, so a
        // store that knows of nothing that was said is right.
        if chain.membership().member(&self.me).is_some() {
            self.enter(now);
            return;
        }
        self.count_answers();
    }
}
