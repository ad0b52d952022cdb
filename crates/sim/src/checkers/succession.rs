//! **Succession** (open network): nobody is a member without everyone's ALLOW, nobody is thrown out but by all who stay, and
//! without equivocation an epoch is decided once.
//!
//! - Every link and every chain that an honest member writes down is verified from its founding on, each distinct one once,
//!   by the product's own code; and the signers are counted again.
//! - Of each ALLOW and each accusation in it: if its signer is honest, this very signature is one that the signer has given,
//!   on its own disk or by its own message. Nobody honest leaves that was not asked to.
//! - Over all honest members ever, whether they run or not: one head for each epoch of a network, unless somebody lies in a
//!   way that may fork it.
//! - In the end: if there are two heads of one epoch all the same, and honest members that run hold both and are members to
//!   each other, at least one of them shows it: it is halted by the evidence, or has told its application. The product
//!   promises that those who see two histories tell the others, not that everybody halts: a fork whose suspects are all
//!   gone, or in another life, is told and nothing more.
//!
//! Left out: what liars hold; the chains that candidates follow, until they enter by them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use quorate_consensus::succession::{
    Change, Durable, Evidence, Founding, Link, Membership, Message as Succession, Statement,
};
use quorate_consensus::{Choice, Digest, NetworkId, NodeId, Signature, assembly};
use quorate_node::Event;
use quorate_node::protocol::{JoinMessage, Message};
use quorate_node::roles::{Frame, Request};
use quorate_node::store::{MemberStored, Stored};

use super::Checker;
use crate::fact::{Fact, View};
use crate::host::HostId;

/// Watches who decides, and how often.
#[derive(Debug, Default)]
pub struct SuccessionChecker {
    /// The membership that follows each head.
    memberships: BTreeMap<Digest, Arc<Membership>>,
    /// Links that were found good. Looked up, never iterated.
    good: HashSet<u64>,
    /// Who held each head first, by network and epoch.
    heads: BTreeMap<(NetworkId, u64), BTreeMap<Digest, HostId>>,
    /// What was really signed. Looked up, never iterated.
    allows: HashSet<(NodeId, Signature)>,
    accusations: HashSet<(NodeId, Signature)>,
    leaving: BTreeSet<HostId>,
    /// Who told of a fork.
    told: BTreeSet<HostId>,
}

impl Checker for SuccessionChecker {
    fn name(&self) -> &'static str {
        "succession"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        match fact {
            Fact::Sent {
                host,
                frame: Frame::Message(message),
                ..
            } => {
                self.hear(&view.host(*host).id(), message);
                Ok(())
            }
            // What a process wrote while it died it had decided, and may hold again.
            Fact::Durable {
                host,
                stored: Stored::Member(stored),
            }
            | Fact::MayBeDurable {
                host,
                stored: Stored::Member(stored),
            } => {
                self.note(stored);
                self.stored(*host, stored, view)
            }
            Fact::Asked {
                host,
                request: Request::Leave,
            } => {
                self.leaving.insert(*host);
                Ok(())
            }
            Fact::Told {
                host,
                event: Event::Contradiction(evidence),
            } => {
                if matches!(**evidence, Evidence::Fork { .. }) {
                    self.told.insert(*host);
                }
                Ok(())
            }
            Fact::Tick => self.look(view),
            _ => Ok(()),
        }
    }

    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        self.look(view)?;
        self.forks(view)
    }
}

impl SuccessionChecker {
    /// Remembers what is really signed, when its signer says it.
    fn hear(&mut self, from: &NodeId, message: &Message) {
        match message {
            Message::Join(JoinMessage::Opinion(opinion))
                if opinion.voter == *from && opinion.choice == Choice::Yes =>
            {
                self.allows.insert((opinion.voter, opinion.signature));
            }
            Message::Assembly(assembly::Message::Succession(message)) => {
                if let Succession::At {
                    statement: Statement::Accuse(accusation),
                    ..
                } = &**message
                    && accusation.accuser == *from
                {
                    self.accusations
                        .insert((accusation.accuser, accusation.signature));
                }
            }
            _ => {}
        }
    }

    /// Remembers what is really signed, when it is written down.
    fn note(&mut self, stored: &MemberStored) {
        match stored {
            MemberStored::Said(Durable::Opinion { opinion, .. })
                if opinion.choice == Choice::Yes =>
            {
                self.allows.insert((opinion.voter, opinion.signature));
            }
            MemberStored::Said(Durable::Accusation(accusation)) => {
                self.accusations
                    .insert((accusation.accuser, accusation.signature));
            }
            _ => {}
        }
    }

    /// What an honest member holds from now on.
    fn stored(
        &mut self,
        host: HostId,
        stored: &MemberStored,
        view: View<'_>,
    ) -> Result<(), String> {
        if !view.host(host).is_honest() {
            return Ok(());
        }
        match stored {
            MemberStored::Chain { founding, links } => {
                self.founding(host, founding, view)?;
                links
                    .iter()
                    .try_for_each(|link| self.link(host, link, view))
            }
            MemberStored::Said(Durable::Link(link)) => self.link(host, link, view),
            _ => Ok(()),
        }
    }

    fn founding(
        &mut self,
        host: HostId,
        founding: &Founding,
        view: View<'_>,
    ) -> Result<(), String> {
        let head = founding.head();
        if let Entry::Vacant(vacant) = self.memberships.entry(head) {
            let membership = Membership::found(founding, &*view.truth.scheme);
            let membership = membership.map_err(|error| {
                let who = view.name(host);
                format!("{who} holds a founding that proves nothing: {error}")
            })?;
            vacant.insert(Arc::new(membership));
        }
        self.head(host, founding.network(), 0, head, view)
    }

    fn link(&mut self, host: HostId, link: &Link, view: View<'_>) -> Result<(), String> {
        let bad = |what: String| {
            Err(format!(
                "{} holds a decision of epoch {} ({}): {what}",
                view.name(host),
                link.epoch,
                change(&link.change, view)
            ))
        };
        let Some(membership) = self.memberships.get(&link.parent).cloned() else {
            return bad(format!(
                "it follows head {}, which nobody came to",
                link.parent
            ));
        };
        let mark = mark(link);
        let head = link.head();
        if !self.good.contains(&mark) {
            if let Err(error) = link.verify(&membership, &*view.truth.scheme) {
                return bad(format!("it proves nothing: {error}"));
            }
            if let Err(what) = self.check(link, &membership, view) {
                return bad(what);
            }
            self.good.insert(mark);
            self.memberships
                .entry(head)
                .or_insert_with(|| Arc::new(membership.apply(link)));
        }
        self.head(host, membership.network(), link.epoch + 1, head, view)
    }

    /// Counts again what the product counted, and asks whether it was ever said.
    fn check(&self, link: &Link, membership: &Membership, view: View<'_>) -> Result<(), String> {
        let members: BTreeSet<NodeId> = membership.members().map(|record| record.node).collect();
        let accepted = link.accepted.keys().filter(|node| members.contains(*node));
        let (got, needed) = (accepted.count(), members.len() / 2 + 1);
        if got < needed {
            return Err(format!("{got} members accepted it, of {needed} needed"));
        }
        match &link.change {
            Change::Admit { record, allows } => {
                if !allows.keys().eq(members.iter()) {
                    return Err(format!(
                        "{} of {} members allow it",
                        allows.len(),
                        members.len()
                    ));
                }
                if members.contains(&record.node) {
                    return Err("it was a member already".to_owned());
                }
                self.all_said(allows, &self.allows, "allowed it", view)
            }
            Change::Evict { suspects } => {
                let stay: Vec<&NodeId> = members
                    .iter()
                    .filter(|node| !suspects.contains_key(*node))
                    .collect();
                if stay.len() < needed {
                    return Err(format!("{} stay, and {needed} decide", stay.len()));
                }
                for (suspect, accusations) in suspects {
                    if !members.contains(suspect) || !accusations.keys().eq(stay.iter().copied()) {
                        return Err(format!(
                            "{} is accused by {} of the {} who stay",
                            view.name_of(suspect),
                            accusations.len(),
                            stay.len()
                        ));
                    }
                    self.all_said(accusations, &self.accusations, "accused it", view)?;
                }
                Ok(())
            }
            Change::Leave(leave) => match view.host_of(&leave.member) {
                Some(host) if view.host(host).is_honest() && !self.leaving.contains(&host) => {
                    Err(format!("{} was not asked to leave", view.name(host)))
                }
                _ => Ok(()),
            },
        }
    }

    /// Whether the honest among the signers have really signed this.
    fn all_said(
        &self,
        signatures: &BTreeMap<NodeId, Signature>,
        said: &HashSet<(NodeId, Signature)>,
        what: &str,
        view: View<'_>,
    ) -> Result<(), String> {
        for (node, signature) in signatures {
            let is_honest = view
                .host_of(node)
                .is_some_and(|host| view.host(host).is_honest());
            if is_honest && !said.contains(&(*node, *signature)) {
                return Err(format!("{} never {what}", view.name_of(node)));
            }
        }
        Ok(())
    }

    /// An honest member holds a head.
    fn head(
        &mut self,
        host: HostId,
        network: NetworkId,
        epoch: u64,
        head: Digest,
        view: View<'_>,
    ) -> Result<(), String> {
        let heads = self.heads.entry((network, epoch)).or_default();
        if heads.contains_key(&head) {
            return Ok(());
        }
        if let (Some((other, first)), 0) = (heads.first_key_value(), view.truth.equivocators) {
            return Err(format!(
                "two memberships for epoch {epoch}: {} holds head {head}, and {} has held {other}",
                view.name(host),
                view.name(*first)
            ));
        }
        heads.insert(head, host);
        Ok(())
    }

    /// What members go by is what they have written down.
    fn look(&mut self, view: View<'_>) -> Result<(), String> {
        for (id, host) in view.all() {
            let Some(assembly) = host.process.as_ref().and_then(|process| process.assembly())
            else {
                continue;
            };
            let place = assembly.membership().place();
            let heads = self.heads.get(&(place.network, place.epoch));
            if !heads.is_some_and(|heads| heads.contains_key(&place.head)) {
                return Err(format!(
                    "{} goes by head {} of epoch {}, which nobody has written down",
                    view.name(id),
                    place.head,
                    place.epoch
                ));
            }
        }
        Ok(())
    }

    /// Who holds two histories between them must come to know.
    fn forks(&self, view: View<'_>) -> Result<(), String> {
        let assemblies: Vec<_> = view
            .all()
            .filter(|(_, host)| host.is_running())
            .filter_map(|(id, host)| Some((id, host.process.as_ref()?.assembly()?)))
            .collect();
        let shows = assemblies
            .iter()
            .any(|(id, assembly)| assembly.fork().is_some() || self.told.contains(id));
        for (index, (one, a)) in assemblies.iter().enumerate() {
            for (other, b) in assemblies.iter().skip(index + 1) {
                let (place, chain) = if a.membership().epoch() <= b.membership().epoch() {
                    (a.membership().place(), b.chain())
                } else {
                    (b.membership().place(), a.chain())
                };
                let is_forked = a.membership().network() == b.membership().network()
                    && chain.head_at(place.epoch) != Some(place.head);
                let know = |of: &assembly::Assembly, node: HostId| {
                    of.membership().member(&view.host(node).id()).is_some()
                };
                if is_forked && know(a, *other) && know(b, *one) && !shows {
                    return Err(format!(
                        "{} and {} hold different histories up to epoch {}, and nobody shows it",
                        view.name(*one),
                        view.name(*other),
                        place.epoch
                    ));
                }
            }
        }
        Ok(())
    }
}

fn change(change: &Change, view: View<'_>) -> String {
    match change {
        Change::Admit { record, .. } => {
            format!(
                "{} enters life {}",
                view.name_of(&record.node),
                record.incarnation
            )
        }
        Change::Evict { suspects } => {
            let names: Vec<String> = suspects.keys().map(|node| view.name_of(node)).collect();
            format!("{} thrown out", names.join(", "))
        }
        Change::Leave(leave) => format!("{} leaves", view.name_of(&leave.member)),
    }
}

/// Tells links apart, by all that they say.
fn mark(link: &Link) -> u64 {
    let mut hasher = DefaultHasher::new();
    link.hash(&mut hasher);
    hasher.finish()
}
