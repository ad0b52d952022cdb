//! A member that contradicts itself, validly signed: in one ballot it tells some members that it accepted one change, and
//! the others that it accepted another; and of a ballot that it leads it proposes two changes, one to each side. Now and
//! then it shows somebody both.
//!
//! Attacks: one chain. Expected: no admission without everyone's ALLOW all the same, since both changes are valid ones; where
//! an epoch is decided twice, those who see it hold evidence that names the liar, and decide nothing more.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_consensus::succession::{
    self, Accepted, Ballot, Change, Leave, Place, Promise, Proposed, Statement,
};
use quorate_consensus::{Digest, NodeId, assembly};
use quorate_node::protocol::Message;
use quorate_node::roles::{ConnId, Frame, Output};

use super::opinion_forger::at;
use super::tampering::{Deviation, Hands};

/// Of how many ballots is remembered what the other side was told.
const BALLOTS_MAX: usize = 64;

/// Once in so many ballots the other side is shown both.
const BOTH_ONCE_IN: u32 = 4;

/// Once in so many ballots it is honest, so that its network gets somewhere.
const HONEST_ONCE_IN: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct Equivocator {
    /// The second change of each ballot; none where it is honest.
    second: BTreeMap<(Digest, Ballot), Option<Arc<Change>>>,
    /// Who is told the second change. Every other one that it meets.
    sides: BTreeMap<NodeId, bool>,
}

impl Equivocator {
    /// The change that the other side is told of in this ballot instead of that one.
    fn second(
        &mut self,
        place: &Place,
        ballot: Ballot,
        first: Digest,
        hands: &mut Hands,
    ) -> Option<Arc<Change>> {
        let key = (place.head, ballot);
        if let Some(known) = self.second.get(&key) {
            return known.clone();
        }
        if self.second.len() >= BALLOTS_MAX {
            self.second.clear();
        }
        let second = (!hands.once_in(HONEST_ONCE_IN)).then(|| another(place, first, hands));
        self.second.insert(key, second.clone());
        second
    }

    /// Those of the receivers who are told the first, and the second.
    fn split(&mut self, to: Vec<ConnId>, hands: &Hands) -> (Vec<ConnId>, Vec<ConnId>) {
        to.into_iter().partition(|conn| {
            let Some(known) = hands.notes.conn(*conn) else {
                return true;
            };
            let next = self.sides.len().is_multiple_of(2);
            *self.sides.entry(known.remote).or_insert(next)
        })
    }

    fn accept(
        &mut self,
        to: Vec<ConnId>,
        place: Place,
        (proposed, change, promises): (Proposed, Arc<Change>, Vec<Promise>),
        hands: &mut Hands,
    ) {
        let is_free = promises.iter().all(|promise| promise.accepted.is_none());
        let ballot = proposed.ballot;
        let second = (is_free && ballot.leader == hands.me)
            .then(|| self.second(&place, ballot, proposed.change, hands))
            .flatten();
        let (one, other) = match second {
            Some(_) => self.split(to, hands),
            None => (to, Vec::new()),
        };
        let accept = |proposed, change| Statement::Accept {
            proposed,
            change,
            promises: promises.clone(),
            return_promises: BTreeMap::new(),
        };
        hands.send_all(one, at(place, accept(proposed, change)));
        if let Some(second) = second {
            let signer = hands.means.signer.clone();
            let proposed = Proposed::sign(&*signer, &place, ballot.counter, second.hash());
            hands.send_all(other, at(place, accept(proposed, second)));
        }
    }

    fn accepted(&mut self, to: Vec<ConnId>, place: Place, accepted: Accepted, hands: &mut Hands) {
        let ballot = accepted.ballot;
        let second = (accepted.voter == hands.me)
            .then(|| self.second(&place, ballot, accepted.change, hands))
            .flatten();
        let (one, other) = match second {
            Some(_) => self.split(to, hands),
            None => (to, Vec::new()),
        };
        hands.send_all(one, at(place, Statement::Accepted(accepted)));
        if let Some(second) = second {
            let signer = hands.means.signer.clone();
            let said = Accepted::sign(&*signer, &place, ballot, second.hash());
            if hands.once_in(BOTH_ONCE_IN) {
                hands.send_all(other.clone(), at(place, Statement::Accepted(accepted)));
            }
            hands.send_all(other, at(place, Statement::Accepted(said)));
        }
    }
}

impl Deviation for Equivocator {
    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        let (to, message) = match output {
            Output::Send {
                to,
                frame: Frame::Message(Message::Assembly(assembly::Message::Succession(message))),
            } => (to, message),
            output => {
                hands.pass(output);
                return;
            }
        };
        match *message {
            succession::Message::At {
                epoch,
                head,
                statement,
            } => {
                let network = hands.network();
                let place = Place {
                    network,
                    epoch,
                    head,
                };
                match statement {
                    Statement::Accept {
                        proposed,
                        change,
                        promises,
                        ..
                    } => self.accept(to, place, (proposed, change, promises), hands),
                    Statement::Accepted(accepted) => self.accepted(to, place, accepted, hands),
                    statement => hands.send_all(to, at(place, statement)),
                }
            }
            opinion @ succession::Message::Opinion(_) => {
                let said = assembly::Message::Succession(Box::new(opinion));
                hands.send_all(to, Message::Assembly(said));
            }
        }
    }
}

/// Another valid change: one that somebody proposed for this decision, or the liar's own leave, which always is one.
fn another(place: &Place, first: Digest, hands: &Hands) -> Arc<Change> {
    let heard = hands.notes.changes.iter().rev();
    let mut fitting =
        heard.filter(|(epoch, change)| *epoch == place.epoch && change.hash() != first);
    let leave = || Arc::new(Change::Leave(Leave::sign(&*hands.means.signer, place)));
    fitting
        .next()
        .map_or_else(leave, |(_, change)| change.clone())
}
