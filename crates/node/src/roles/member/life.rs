//! A member's life: founding, entering, being thrown out, leaving, going on without those who are gone for good.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::assembly::{self, PersistId};
use quorate_consensus::succession::{Chain, Change, Durable, Founding, Predecessor};
use quorate_consensus::{Assembly, NetworkId, NodeId, Now};

use super::Member;
use super::asking::Asking;
use crate::event::Event;
use crate::protocol::Goodbye;
use crate::roles::{ConnId, Output, RequestError, WriteId, earlier};
use crate::store::{MemberStored, Stored};

/// How long a leaver waits for its leave to be decided.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// When what could not be stored is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// A chain by which this node is in, on its way to the disk: nothing is said as a member before.
#[derive(Debug)]
pub(super) struct Entering {
    chain: Chain,
    founded: bool,
    /// When to write it again, after it failed.
    again_at: Option<Instant>,
}

/// The end of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Leaving { until: Instant },
    Ended,
}

/// What a write was for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrote {
    Said(PersistId),
    Chain,
    Run,
}

impl Member {
    pub(super) const fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether it neither is a member nor does anything to become one.
    pub(super) const fn is_idle(&self) -> bool {
        self.asking.is_refused()
            || self.ending.is_some()
            || self.is_shut_out
            || self.entering.is_some()
    }

    /// Founds a network with this node as its only member.
    pub(super) fn found(&mut self, after: Option<Predecessor>, now: Now) {
        let endpoints = self.endpoints.clone();
        let founding = Founding::sign(&*self.signer, endpoints, now.unix_ms, now.unix_ms, after);
        // The endpoints were checked when the member was made, and what was just signed verifies.
        let chain = founding.map(|founding| Chain::found(founding, &*self.scheme));
        if let Ok(Ok(chain)) = chain {
            self.begin_entering(chain, true);
        }
    }

    /// The candidate's chain says that it is in.
    pub(super) fn enter(&mut self, _now: Now) {
        if self.entering.is_none()
            && let Some(chain) = self.asking.chain.take()
        {
            self.begin_entering(chain, false);
        }
    }

    fn begin_entering(&mut self, chain: Chain, founded: bool) {
        let Some(founding) = chain.founding().cloned() else {
            return;
        };
        let stored = MemberStored::Chain {
            founding,
            links: chain.links_from(0).to_vec(),
        };
        self.entering = Some(Entering {
            chain,
            founded,
            again_at: None,
        });
        self.write(stored, Wrote::Chain);
    }

    /// The chain is durable: this node is a member.
    fn entered(&mut self, now: Now) {
        let Some(Entering { chain, founded, .. }) = self.entering.take() else {
            return;
        };
        let network = chain.membership().network();
        let after = chain.founding().and_then(|founding| founding.after);
        self.become_member(chain, now);
        if founded {
            let after = after.map(|after| after.network);
            self.out.event(Event::Founded { network, after });
        }
        self.welcome();
    }

    /// Begins to act as a member, by a chain that is durable.
    pub(super) fn become_member(&mut self, chain: Chain, now: Now) {
        let said = std::mem::take(&mut self.said);
        self.connections.set_network(chain.membership().network());
        let assembly = Assembly::new(
            self.signer.clone(),
            self.scheme.clone(),
            chain,
            said,
            self.options.assembly.clone(),
            self.connections.nonce(),
            now,
        );
        for record in assembly.membership().members() {
            self.overlay.insert_member(record.node);
        }
        self.assembly = Some(assembly);
        self.stop_asking();
        self.gossip.set_incarnation(self.own_life());
        self.looking.has_founded();
        self.looking.hurry(now.instant);
        self.meet_members(now);
        self.wishes_changed = true;
    }

    /// Tells the application that this node is in, once it can broadcast.
    fn welcome(&mut self) {
        let assembly = self.assembly.as_ref();
        let record = assembly.and_then(|assembly| assembly.membership().member(&self.me));
        if let Some(record) = record
            && self.run_is_durable
            && !self.is_welcome
        {
            let incarnation = record.incarnation;
            self.is_welcome = true;
            self.out.event(Event::Joined { incarnation });
        }
    }

    /// This node is no member any more.
    pub(super) fn is_out(&mut self, change: &Change, now: Now) {
        let Some(assembly) = self.assembly.take() else {
            return;
        };
        self.said = assembly.own_opinions();
        self.is_welcome = false;
        let chain = assembly.chain().clone();
        let life = chain.membership().last_life(&self.me).unwrap_or_default();
        self.drop_all(&Goodbye::Leaving, now);
        self.asking = Asking::new(Some(chain));
        self.looking.hurry(now.instant);
        match change {
            Change::Leave(_) if self.is_ending() => self.end(),
            // A leave of an earlier process, which others had heard of, is as an eviction to this one.
            Change::Leave(_) | Change::Admit { .. } | Change::Evict { .. } => {
                self.out.event(Event::Evicted { incarnation: life });
                self.is_shut_out = !self.options.rejoin;
                if self.is_ending() {
                    self.end();
                }
            }
        }
    }

    /// Ends all links and everything about candidates.
    fn drop_all(&mut self, goodbye: &Goodbye, now: Now) {
        let links: Vec<(NodeId, ConnId)> = self
            .links
            .iter()
            .map(|(node, link)| (*node, link.conn))
            .collect();
        for (node, conn) in links {
            self.link_is_down(node, &goodbye.to_string(), now);
            self.connections.close(conn, goodbye.clone(), &mut self.out);
        }
        for dial in std::mem::take(&mut self.dialing).into_keys() {
            self.connections.cancel(dial, &mut self.out);
        }
        let guests: Vec<ConnId> = self
            .connections
            .ready(crate::protocol::Purpose::Join)
            .map(|(conn, _)| conn)
            .collect();
        for conn in guests {
            self.connections.close(conn, goodbye.clone(), &mut self.out);
        }
        let candidates: Vec<NodeId> = self.candidates.keys().copied().collect();
        for node in candidates {
            self.candidate_is_gone(&node, now);
        }
        let members: Vec<NodeId> = self.overlay_members();
        members
            .into_iter()
            .for_each(|node| self.overlay.remove_member(node));
        self.watches.clear();
        self.back_offs.clear();
        self.told_stuck.clear();
    }

    /// Goes on as a new network, whose only member this is.
    pub(super) fn refound(&mut self, now: Now) -> Result<(), RequestError> {
        let assembly = self.assembly.as_ref().ok_or(RequestError::NotInAssembly)?;
        if assembly.stuck().is_none() && assembly.fork().is_none() {
            return Err(RequestError::NotStuck);
        }
        let place = assembly.membership().place();
        let after = Predecessor {
            network: place.network,
            epoch: place.epoch,
            head: place.head,
        };
        // Nothing of the old network is said, or written, after the new one's chain.
        self.said = assembly.own_opinions();
        self.assembly = None;
        let why = "this node has gone on as another network".to_owned();
        self.drop_all(&Goodbye::Mismatch(why), now);
        self.found(Some(after), now);
        Ok(())
    }

    /// Leaves by its own word, or just stops if there is nobody to tell.
    pub(super) fn leave(&mut self, now: Now) {
        if self.is_ending() {
            return;
        }
        match &mut self.assembly {
            // The last member keeps its network, if it has a store, and goes on with it when it is started again.
            Some(assembly) if assembly.membership().len() > 1 => {
                let until = now.instant + LEAVE_PATIENCE;
                self.ending = Some(Ending::Leaving { until });
                assembly.leave(now);
            }
            _ => self.end(),
        }
    }

    pub(super) fn end(&mut self) {
        if self.ending == Some(Ending::Ended) {
            return;
        }
        self.ending = Some(Ending::Ended);
        let all: Vec<ConnId> = self.connections.all().collect();
        for conn in all {
            self.connections
                .close(conn, Goodbye::Leaving, &mut self.out);
        }
        self.out.event(Event::ShuttingDown);
        self.out.push(Output::Exit);
    }

    pub(super) fn life_timeout(&mut self, now: Now) {
        if let Some(Ending::Leaving { until }) = self.ending
            && now.instant >= until
        {
            self.end();
        }
        let is_due = |entering: &Entering| entering.again_at.is_some_and(|at| now.instant >= at);
        if self.entering.as_ref().is_some_and(is_due)
            && let Some(Entering { chain, founded, .. }) = self.entering.take()
        {
            self.begin_entering(chain, founded);
        }
        if self.run_again_at.is_some_and(|at| now.instant >= at) {
            self.run_again_at = None;
            self.write(MemberStored::Run(self.run), Wrote::Run);
        }
    }

    pub(super) fn life_deadline(&self) -> Option<Instant> {
        let leaving = match self.ending {
            Some(Ending::Leaving { until }) => Some(until),
            _ => None,
        };
        let entering = self
            .entering
            .as_ref()
            .and_then(|entering| entering.again_at);
        earlier(earlier(leaving, entering), self.run_again_at)
    }

    pub(super) fn persist(&mut self, id: PersistId, durable: Durable) {
        self.write(MemberStored::Said(durable), Wrote::Said(id));
    }

    pub(super) fn write(&mut self, stored: MemberStored, what: Wrote) {
        let write = WriteId(self.next_write);
        self.next_write += 1;
        self.writes.insert(write, what);
        let stored = Stored::Member(stored);
        self.out.push(Output::Write { write, stored });
    }

    pub(super) fn was_written(&mut self, write: WriteId, result: Result<(), String>, now: Now) {
        let Some(what) = self.writes.remove(&write) else {
            return;
        };
        let is_durable = result.is_ok();
        if let Err(why) = result {
            self.out.event(Event::StoreFailed(why));
        }
        match (what, is_durable) {
            (Wrote::Said(id), is_durable) => {
                if let Some(assembly) = &mut self.assembly {
                    if is_durable {
                        assembly.handle_persisted(id, now);
                    } else {
                        assembly.handle_persist_failed(id, now);
                    }
                }
            }
            (Wrote::Chain, true) => self.entered(now),
            (Wrote::Chain, false) => {
                if let Some(entering) = &mut self.entering {
                    entering.again_at = Some(now.instant + STORE_AGAIN);
                }
            }
            (Wrote::Run, true) => {
                self.run_is_durable = true;
                self.welcome();
            }
            (Wrote::Run, false) => self.run_again_at = Some(now.instant + STORE_AGAIN),
        }
    }

    /// The network that it is a member of.
    pub(super) fn network(&self) -> Option<NetworkId> {
        let assembly: Option<&Assembly> = self.assembly.as_ref();
        assembly.map(|assembly| assembly.membership().network())
    }

    /// Takes the next thing that the assembly wants.
    pub(super) fn poll_assembly(&mut self) -> Option<assembly::Output> {
        self.assembly.as_mut()?.poll_output()
    }

    /// What this member said before it was restarted, while it is no member: for when it is one again.
    pub(super) fn keep_opinions(&mut self, said: Vec<Durable>) {
        let opinions = said
            .into_iter()
            .filter(|said| matches!(said, Durable::Opinion { .. }));
        self.said = opinions.collect();
    }

    /// Checks a stored chain, link by link.
    pub(super) fn restore_chain(
        founding: Founding,
        links: Vec<Arc<quorate_consensus::succession::Link>>,
        scheme: &dyn quorate_consensus::Scheme,
    ) -> Result<Chain, quorate_consensus::succession::LinkError> {
        let mut chain = Chain::found(founding, scheme)?;
        for link in links {
            chain.extend(link, scheme)?;
        }
        Ok(chain)
    }
}
