//! What members of an open network must not undo, nor say against what they have said.

use std::collections::{BTreeMap, BTreeSet};

use quorate_consensus::assembly;
use quorate_consensus::succession::{
    Accepted, Ballot, Durable, Message as Succession, Opinion, Promise, Statement,
};
use quorate_consensus::{Choice, Digest, NetworkId, NodeId};
use quorate_node::protocol::{JoinMessage, Message};
use quorate_node::roles::Frame;
use quorate_node::store::{MemberStored, Stored};

use crate::fact::{Fact, View};
use crate::host::{HostId, Kind};

/// What one member's disk holds.
#[derive(Debug, Default)]
struct Disk {
    /// How many decisions.
    links: u64,
    /// On which records, in which lives.
    opinions: BTreeSet<(Digest, u64)>,
    /// About the decision after those.
    accused: BTreeSet<NodeId>,
    has_left: bool,
    promised: Option<Ballot>,
    accepted: Option<Ballot>,
}

/// Where a statement belongs: to a member, and a decision.
type Place = (HostId, NodeId, u64, Digest);

/// What one member said of one decision.
#[derive(Debug, Default)]
struct Words {
    promises: BTreeMap<Ballot, Option<(Ballot, Digest)>>,
    accepted: BTreeMap<Ballot, Digest>,
    proposed: BTreeMap<Ballot, Digest>,
}

#[derive(Debug, Default)]
pub(super) struct Members {
    disks: BTreeMap<HostId, Disk>,
    opinions: BTreeMap<(HostId, NodeId, Digest), Choice>,
    words: BTreeMap<Place, Words>,
    /// The longest chain that each has shown, by network: its epoch and head.
    shown: BTreeMap<(HostId, NodeId, NetworkId), (u64, Digest)>,
}

impl Members {
    pub(super) fn see(
        &mut self,
        host: HostId,
        fact: &Fact<'_>,
        view: View<'_>,
    ) -> Result<(), String> {
        if view.host(host).setup.kind != Kind::Member {
            return Ok(());
        }
        match fact {
            Fact::Started(_) => self.started(host, view),
            Fact::DiskLost(_) => {
                self.disks.remove(&host);
                Ok(())
            }
            Fact::Durable {
                stored: Stored::Member(stored),
                ..
            } => {
                self.disk(host).write(stored);
                Ok(())
            }
            Fact::MayBeDurable {
                stored: Stored::Member(MemberStored::Said(said)),
                ..
            } => {
                self.disk(host).may_hold(said);
                Ok(())
            }
            Fact::Sent {
                frame: Frame::Message(message),
                ..
            } => self.sent(host, message, view),
            _ => Ok(()),
        }
    }

    fn disk(&mut self, host: HostId) -> &mut Disk {
        self.disks.entry(host).or_default()
    }

    fn started(&mut self, host: HostId, view: View<'_>) -> Result<(), String> {
        let chain = view
            .host(host)
            .process
            .as_ref()
            .and_then(|process| process.chain());
        let Some(chain) = chain else {
            return Ok(());
        };
        // What it read is what its disk holds.
        self.disk(host).links = chain.membership().epoch();
        let place = chain.membership().place();
        let key = (host, view.host(host).id(), place.network);
        match self.shown.get(&key) {
            Some((epoch, head)) if chain.head_at(*epoch) != Some(*head) => Err(format!(
                "{} is back in epoch {} with head {}, and had shown head {head} of epoch {epoch}",
                view.name(host),
                place.epoch,
                place.head
            )),
            _ => Ok(()),
        }
    }

    fn sent(&mut self, host: HostId, message: &Message, view: View<'_>) -> Result<(), String> {
        let me = view.host(host).id();
        match message {
            Message::Join(JoinMessage::Opinion(opinion)) if opinion.voter == me => {
                self.opinion(host, opinion, view)
            }
            Message::Assembly(assembly::Message::Status { epoch, head }) => {
                self.status(host, *epoch, *head, view)
            }
            Message::Assembly(assembly::Message::Succession(message)) => match &**message {
                Succession::Opinion(opinion) if opinion.voter == me => {
                    self.opinion(host, opinion, view)
                }
                Succession::At {
                    epoch,
                    head,
                    statement,
                } => {
                    self.durable(host, *epoch, statement, view)?;
                    self.statement((host, me, *epoch, *head), statement, view)
                }
                Succession::Opinion(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn opinion(&mut self, host: HostId, opinion: &Opinion, view: View<'_>) -> Result<(), String> {
        let (record, life) = (opinion.record, opinion.incarnation);
        if !self.disk(host).opinions.contains(&(record, life)) {
            return Err(format!(
                "{} gives its opinion on record {record} before it is on its disk",
                view.name(host)
            ));
        }
        let first = self
            .opinions
            .entry((host, opinion.voter, record))
            .or_insert(opinion.choice);
        if *first == opinion.choice {
            return Ok(());
        }
        Err(format!(
            "{} says {} to record {record}, and has said {first}",
            view.name(host),
            opinion.choice
        ))
    }

    /// A chain that a member shows is on its disk, and continues what it showed before.
    fn status(
        &mut self,
        host: HostId,
        epoch: u64,
        head: Digest,
        view: View<'_>,
    ) -> Result<(), String> {
        let stored = self.disk(host).links;
        if epoch > stored {
            return Err(format!(
                "{} shows epoch {epoch} and has {stored} decisions on its disk",
                view.name(host)
            ));
        }
        let process = view.host(host).process.as_ref();
        let Some(chain) = process.and_then(|process| process.chain()) else {
            return Ok(());
        };
        let network = chain.membership().network();
        let shown = self
            .shown
            .entry((host, view.host(host).id(), network))
            .or_insert((epoch, head));
        let before = *shown;
        if epoch >= before.0 {
            *shown = (epoch, head);
        }
        let is_held = |(epoch, head): (u64, Digest)| chain.head_at(epoch) == Some(head);
        if epoch < before.0 || !is_held(before) || !is_held((epoch, head)) {
            return Err(format!(
                "{} shows head {head} of epoch {epoch}, and has shown head {} of epoch {}, which it does not follow",
                view.name(host),
                before.1,
                before.0
            ));
        }
        Ok(())
    }

    /// Whether what a member says for itself is on its disk. After the decision, nothing that was said about it matters.
    fn durable(
        &mut self,
        host: HostId,
        epoch: u64,
        statement: &Statement,
        view: View<'_>,
    ) -> Result<(), String> {
        let me = view.host(host).id();
        let disk = self.disk(host);
        let is_stored = epoch < disk.links
            || match statement {
                Statement::Accuse(accusation) if accusation.accuser == me => {
                    disk.accused.contains(&accusation.suspect)
                }
                Statement::Leave(leave) if leave.member == me => disk.has_left,
                Statement::Promise { promise, .. } => disk.promised >= Some(promise.ballot),
                Statement::Accepted(accepted) => disk.accepted >= Some(accepted.ballot),
                _ => true,
            };
        if is_stored {
            return Ok(());
        }
        Err(format!(
            "{} says for epoch {epoch} what is not on its disk: {statement:?}; the disk holds {disk:?}",
            view.name(host)
        ))
    }

    fn statement(
        &mut self,
        place: Place,
        statement: &Statement,
        view: View<'_>,
    ) -> Result<(), String> {
        let me = place.1;
        let contradiction = match statement {
            Statement::Promise { promise, .. } if promise.voter == me => {
                self.words.entry(place).or_default().promise(promise)
            }
            Statement::Accepted(accepted) if accepted.voter == me => {
                self.words.entry(place).or_default().accept(accepted)
            }
            Statement::Accept { proposed, .. } if proposed.ballot.leader == me => {
                let words = self.words.entry(place).or_default();
                let first = *words
                    .proposed
                    .entry(proposed.ballot)
                    .or_insert(proposed.change);
                (first != proposed.change).then(|| format!("it has proposed {first} there"))
            }
            _ => None,
        };
        match contradiction {
            None => Ok(()),
            Some(first) => Err(format!(
                "{} contradicts itself in epoch {}: {statement:?}, but {first}",
                view.name(place.0),
                place.2
            )),
        }
    }
}

impl Words {
    /// A promise must name what was accepted in smaller ballots, and be the same when it is said again.
    fn promise(&mut self, promise: &Promise) -> Option<String> {
        let first = *self
            .promises
            .entry(promise.ballot)
            .or_insert(promise.accepted);
        if first != promise.accepted {
            return Some(format!("it has promised with {first:?} there"));
        }
        let mut hidden = self.accepted.range(..promise.ballot);
        let hidden = hidden
            .next_back()
            .filter(|(ballot, change)| contradict(promise.accepted, **ballot, **change));
        hidden.map(|(ballot, change)| format!("it has accepted {change} in {ballot:?}"))
    }

    /// An acceptance is the only one in its ballot, and no later promise has hidden or forbidden it.
    fn accept(&mut self, accepted: &Accepted) -> Option<String> {
        let first = *self
            .accepted
            .entry(accepted.ballot)
            .or_insert(accepted.change);
        if first != accepted.change {
            return Some(format!("it has accepted {first} there"));
        }
        let mut later = self.promises.iter().filter(|(ballot, named)| {
            **ballot > accepted.ballot && contradict(**named, accepted.ballot, accepted.change)
        });
        let later = later.next();
        later.map(|(ballot, named)| format!("it has promised {ballot:?} with {named:?}"))
    }
}

/// Whether a later promise that names this cannot go with an acceptance.
fn contradict(named: Option<(Ballot, Digest)>, ballot: Ballot, change: Digest) -> bool {
    named.is_none_or(|(other, named)| other < ballot || (other == ballot && named != change))
}

impl Disk {
    fn write(&mut self, stored: &MemberStored) {
        match stored {
            MemberStored::Chain { links, .. } => {
                self.forget_words();
                self.links = links.len() as u64;
            }
            MemberStored::Said(Durable::Link(link)) => {
                self.forget_words();
                self.links = link.epoch + 1;
            }
            MemberStored::Said(Durable::Acceptor(acceptor)) => {
                self.promised = Some(acceptor.promised);
                self.accepted = acceptor
                    .accepted
                    .as_ref()
                    .map(|(proposed, _)| proposed.ballot);
            }
            MemberStored::Said(said) => self.may_hold(said),
            MemberStored::Run(_) => {}
        }
    }

    /// Takes in what may be there: what is known to be there stays.
    fn may_hold(&mut self, said: &Durable) {
        match said {
            Durable::Opinion { opinion, .. } => {
                self.opinions.insert((opinion.record, opinion.incarnation));
            }
            Durable::Accusation(accusation) => {
                self.accused.insert(accusation.suspect);
            }
            Durable::Leave(_) => self.has_left = true,
            Durable::Acceptor(acceptor) => {
                let accepted = acceptor.accepted.as_ref();
                self.promised = self.promised.max(Some(acceptor.promised));
                self.accepted = self
                    .accepted
                    .max(accepted.map(|(proposed, _)| proposed.ballot));
            }
            Durable::Link(_) | Durable::Fork(_) => {}
        }
    }

    fn forget_words(&mut self) {
        self.accused.clear();
        self.has_left = false;
        self.promised = None;
        self.accepted = None;
    }
}
