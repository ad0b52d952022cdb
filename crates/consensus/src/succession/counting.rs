//! An acceptor's part in a ballot, and the count of what others say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ballot::{Accepted, Ballot, Promise, Proposed};
use super::chain::Link;
use super::change::Change;
use super::evidence::{Evidence, contradict};
use super::losses::{are_consistent, check_form, check_return};
use super::message::{Acceptor, Durable, Output, Statement, To};
use super::opinion::{Accusation, Leave, Opinion};
use super::{COUNTER_JUMP_MAX, Keys, OPINIONS_MAX, StatementError, Succession};
use crate::id::{Digest, NodeId};

impl Succession {
    pub(super) fn handle_statement(
        &mut self,
        from: NodeId,
        statement: Statement,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        let own = |got: NodeId| {
            if got == from {
                Ok(())
            } else {
                Err(StatementError::Hearsay {
                    expected: from,
                    got,
                })
            }
        };
        match statement {
            Statement::Accuse(accusation) => self.handle_accusation(accusation, keys),
            Statement::Leave(leave) => self.handle_leave(leave, keys),
            Statement::InTouch(members) => {
                for member in members {
                    self.withdraw_accusation(from, member);
                }
                Ok(())
            }
            Statement::Prepare(ballot) => {
                own(ballot.leader)?;
                self.handle_prepare(from, ballot, keys)
            }
            Statement::Lost(loss) if loss.ballot.leader == self.me => {
                self.handle_own_loss(loss, keys)
            }
            Statement::Lost(loss) => {
                own(loss.ballot.leader)?;
                self.handle_lost(loss, keys)
            }
            Statement::Promise {
                promise,
                change,
                grounds,
            } => {
                own(promise.voter)?;
                self.handle_promise(promise, change, grounds, keys)
            }
            Statement::Refused { ballot, promised } => {
                self.check_counter(promised)?;
                self.handle_refused(from, ballot, promised);
                Ok(())
            }
            Statement::Accept {
                proposed,
                change,
                promises,
                return_promises,
            } => {
                own(proposed.ballot.leader)?;
                self.handle_accept(from, proposed, change, &promises, &return_promises, keys)
            }
            Statement::Accepted(accepted) => {
                own(accepted.voter)?;
                self.handle_accepted(accepted, keys)
            }
        }
    }

    /// Opinions travel by way of others too: the candidate hands them on.
    pub(super) fn handle_opinion(
        &mut self,
        opinion: Opinion,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        let network = self.membership.network();
        if self.membership.last_life(&opinion.voter).is_none() {
            // Of somebody whose admission this member has not heard of, perhaps; it comes again when they meet.
            return Ok(());
        }
        let held = self
            .opinions
            .get(&opinion.record)
            .and_then(|given| given.get(&opinion.voter));
        if held == Some(&opinion) {
            return Ok(());
        }
        if !opinion.is_valid(network, keys.scheme) {
            return Err(StatementError::Signature(opinion.voter));
        }
        match held {
            Some(first) if first.choice != opinion.choice => {
                let evidence = Evidence::Opinions {
                    network,
                    first: first.clone(),
                    second: opinion,
                };
                self.out.push_back(Output::Evidence(evidence));
                return Ok(());
            }
            Some(first) if first.incarnation >= opinion.incarnation => return Ok(()),
            _ => {}
        }
        if !self.has_room_for(&opinion.record) {
            return Ok(());
        }
        let given = self.opinions.entry(opinion.record).or_default();
        given.insert(opinion.voter, opinion.clone());
        self.out.push_back(Output::Counted(opinion));
        Ok(())
    }

    /// Whether an opinion on this record is held. Over the limit, those on candidates that are not here go first: they come
    /// again with the candidate. Own ones never go.
    fn has_room_for(&mut self, record: &Digest) -> bool {
        if self.opinions.contains_key(record) || self.opinions.len() < OPINIONS_MAX {
            return true;
        }
        let here: BTreeSet<Digest> = self
            .candidates
            .values()
            .map(|candidate| candidate.hash())
            .collect();
        let me = self.me;
        self.opinions
            .retain(|record, given| here.contains(record) || given.contains_key(&me));
        here.contains(record) || self.opinions.len() < OPINIONS_MAX
    }

    fn handle_accusation(
        &mut self,
        accusation: Accusation,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        let member = |node: &NodeId| {
            let record = self.membership.member(node);
            record.ok_or(StatementError::NotAMember(*node))
        };
        member(&accusation.accuser)?;
        let incarnation = member(&accusation.suspect)?.incarnation;
        let held = self.accusations.get(&accusation.suspect);
        if held.is_some_and(|by| by.contains_key(&accusation.accuser)) {
            return Ok(());
        }
        let is_of_this_life = accusation.incarnation == incarnation;
        if !is_of_this_life || !accusation.is_valid(&self.membership.place(), keys.scheme) {
            return Err(StatementError::Signature(accusation.accuser));
        }
        let by = self.accusations.entry(accusation.suspect).or_default();
        by.insert(accusation.accuser, accusation);
        Ok(())
    }

    fn handle_leave(&mut self, leave: Leave, keys: &Keys<'_>) -> Result<(), StatementError> {
        if self.membership.member(&leave.member).is_none() {
            return Err(StatementError::NotAMember(leave.member));
        }
        if !self.leaves.contains_key(&leave.member) {
            if !leave.is_valid(&self.membership.place(), keys.scheme) {
                return Err(StatementError::Signature(leave.member));
            }
            self.leaves.insert(leave.member, leave);
        }
        Ok(())
    }

    pub(super) fn handle_prepare(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        self.check_counter(ballot)?;
        if self.has_forgotten {
            self.yield_to(from, ballot);
            return Ok(());
        }
        let promised = self.acceptor.as_ref().map(|acceptor| acceptor.promised);
        if promised > Some(ballot) && !planted!(PromiseIgnored) {
            self.refuse(from, ballot);
            return Ok(());
        }
        let accepted = self
            .acceptor
            .as_ref()
            .and_then(|acceptor| acceptor.accepted.clone());
        if accepted
            .as_ref()
            .is_some_and(|(proposed, _)| proposed.ballot >= ballot)
        {
            // Asked again after it was accepted: the answer to the later question says more.
            self.repeat_accepted(from);
            return Ok(());
        }
        let place = self.membership.place();
        let named = accepted
            .as_ref()
            .map(|(proposed, _)| (proposed.ballot, proposed.change));
        let promise = Promise::sign_knowing(self.lost(), keys.signer, &place, ballot, named);
        let change = accepted.as_ref().map(|(_, change)| change.clone());
        let grounds = self.grounds();
        if promised != Some(ballot) {
            self.become_acceptor(ballot, accepted);
        }
        if from == self.me {
            return self.handle_promise(promise, change, grounds, keys);
        }
        self.send(
            To::One(from),
            self.at(Statement::Promise {
                promise,
                change,
                grounds,
            }),
        );
        Ok(())
    }

    pub(super) fn handle_accept(
        &mut self,
        from: NodeId,
        proposed: Proposed,
        change: Arc<Change>,
        promises: &[Promise],
        return_promises: &BTreeMap<NodeId, Vec<Promise>>,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        let ballot = proposed.ballot;
        self.check_counter(ballot)?;
        let place = self.membership.place();
        if proposed.change != change.hash() || !proposed.is_valid(&place, keys.scheme) {
            return Err(StatementError::Signature(ballot.leader));
        }
        if let Some(acceptor) = &self.acceptor {
            match &acceptor.accepted {
                Some((first, _)) if first.ballot == ballot && first.change == proposed.change => {
                    self.repeat_accepted(from);
                    return Ok(());
                }
                Some((first, _)) if first.ballot == ballot => {
                    let first = *first;
                    self.out.push_back(Output::Evidence(Evidence::Proposed {
                        place,
                        first,
                        second: proposed,
                    }));
                    return Ok(());
                }
                _ if acceptor.promised > ballot && !planted!(PromiseIgnored) => {
                    self.refuse(from, ballot);
                    return Ok(());
                }
                _ => {}
            }
        }
        let demanded = self.check_promises(ballot, promises, return_promises, keys)?;
        let hides = promises
            .iter()
            .filter(|promise| self.is_void(promise) || self.check_against_acceptance(promise))
            .count();
        let returns = return_promises.values().flatten();
        let hides_in_return = returns.filter(|promise| self.check_against_acceptance(promise));
        if hides_in_return.count() + hides > 0 {
            // The leader may not know; this member does, and a fork is what would come of it.
            self.refuse(from, ballot);
            return Ok(());
        }
        let is_free = demanded.is_empty();
        if !is_free && !demanded.contains(&proposed.change) {
            return Err(StatementError::Promises(
                "they demand the change of the highest ballot among them",
            ));
        }
        if is_free
            && let Change::Evict { suspects } = &*change
            && suspects
                .keys()
                .any(|suspect| *suspect == self.me || self.present.contains(suspect))
        {
            // Accused before it came back, or this member itself. Refusing is always safe, and a free choice can be another.
            self.refuse(from, ballot);
            return Ok(());
        }
        change.verify(&self.membership, keys.scheme)?;
        self.changes.insert(proposed.change, change.clone());
        if self.has_forgotten && from != self.me {
            // Knows what the others accept, and counts it.
            self.yield_to(from, ballot);
            return Ok(());
        }
        self.has_forgotten = false;
        self.become_acceptor(ballot, Some((proposed, change)));
        let accepted = Accepted::sign(keys.signer, &place, ballot, proposed.change);
        self.send(To::All, self.at(Statement::Accepted(accepted)));
        self.handle_accepted(accepted, keys)
    }

    /// Checks that these are a quorum's promises for the ballot. Returns the changes that they demand: that of the
    /// highest acceptance named, of which there are two only if somebody lies.
    pub(super) fn check_promises(
        &self,
        ballot: Ballot,
        promises: &[Promise],
        return_promises: &BTreeMap<NodeId, Vec<Promise>>,
        keys: &Keys<'_>,
    ) -> Result<BTreeSet<Digest>, StatementError> {
        let place = self.membership.place();
        let mut voters = BTreeSet::new();
        if promises.len() > self.membership.len() {
            return Err(StatementError::Promises("there are more than members"));
        }
        for promise in promises {
            let voter = promise.voter;
            if self.membership.member(&voter).is_none() {
                return Err(StatementError::NotAMember(voter));
            }
            if promise.ballot != ballot || !promise.is_valid(&place, keys.scheme) {
                return Err(StatementError::Signature(voter));
            }
            if promise
                .accepted
                .is_some_and(|(accepted, _)| accepted >= ballot)
            {
                return Err(StatementError::Promises("one names a later ballot"));
            }
            if !voters.insert(voter) {
                return Err(StatementError::Promises("one member promises twice"));
            }
            check_form(promise, &self.membership)?;
            let returns = return_promises.get(&voter).map_or(&[][..], Vec::as_slice);
            check_return(promise, returns, &self.membership, keys)?;
        }
        if voters.len() < self.membership.quorum() {
            return Err(StatementError::Promises("they are fewer than a quorum"));
        }
        if return_promises.keys().any(|voter| !voters.contains(voter)) {
            return Err(StatementError::Promises("one shows a return of nobody's"));
        }
        if !are_consistent(promises.iter()) {
            return Err(StatementError::Promises(
                "one is from before its voter lost what it said",
            ));
        }
        let named = || promises.iter().filter_map(|promise| promise.accepted);
        let highest = named().map(|(ballot, _)| ballot).max();
        Ok(named()
            .filter(|(ballot, _)| Some(*ballot) == highest)
            .map(|(_, change)| change)
            .collect())
    }

    /// Whether a valid promise hides an acceptance that was heard; that is evidence.
    pub(super) fn check_against_acceptance(&mut self, promise: &Promise) -> bool {
        let accepted = self.accepted.get(&promise.voter);
        let Some(accepted) = accepted.filter(|accepted| contradict(promise, accepted)) else {
            return false;
        };
        self.out.push_back(Output::Evidence(Evidence::Promise {
            place: self.membership.place(),
            promise: promise.clone(),
            accepted: *accepted,
        }));
        true
    }

    pub(super) fn handle_accepted(
        &mut self,
        accepted: Accepted,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        let place = self.membership.place();
        self.check_counter(accepted.ballot)?;
        if !accepted.is_valid(&place, keys.scheme) {
            return Err(StatementError::Signature(accepted.voter));
        }
        match self.accepted.get(&accepted.voter) {
            Some(first) if first.ballot == accepted.ballot && first.change != accepted.change => {
                let evidence = Evidence::Accepted {
                    place,
                    first: *first,
                    second: accepted,
                };
                self.out.push_back(Output::Evidence(evidence));
                return Ok(());
            }
            Some(first) if first.ballot > accepted.ballot => return Ok(()),
            _ => {}
        }
        self.counter = self.counter.max(accepted.ballot.counter);
        self.accepted.insert(accepted.voter, accepted);
        self.count(accepted);
        Ok(())
    }

    /// Decides, if this acceptance made a quorum.
    fn count(&mut self, latest: Accepted) {
        let same = self.accepted.values().filter(|accepted| {
            (accepted.ballot, accepted.change) == (latest.ballot, latest.change)
        });
        let signatures: BTreeMap<_, _> = same
            .map(|accepted| (accepted.voter, accepted.signature))
            .collect();
        // Who has not seen the change itself hears of the decision from those who have.
        let Some(change) = self.changes.get(&latest.change) else {
            return;
        };
        if signatures.len() < self.membership.quorum() {
            return;
        }
        let place = self.membership.place();
        let link = Link {
            epoch: place.epoch,
            parent: place.head,
            change: (**change).clone(),
            ballot: latest.ballot,
            accepted: signatures,
        };
        self.decided(Arc::new(link));
    }

    /// One refusal alone does not stop a leader, or a liar could stop them all: so many do that those who are in touch make
    /// no quorum without them.
    fn handle_refused(&mut self, from: NodeId, ballot: Ballot, promised: Ballot) {
        self.counter = self.counter.max(promised.counter);
        let Some(leading) = self
            .leading
            .as_mut()
            .filter(|leading| leading.ballot == ballot)
        else {
            return;
        };
        if self.has_forgotten && leading.promises.contains_key(&from) {
            // It was asked again, and one who has lost what it said is answered once.
            return;
        }
        leading.refused.insert(from);
        let is_refused = if self.has_forgotten {
            let refused = leading.refused.len();
            self.is_refused_by(refused)
        } else {
            let may_go_along = |node: &NodeId| {
                (*node == self.me || self.present.contains(node)) && !leading.refused.contains(node)
            };
            let members = self.membership.members();
            let left = members.filter(|record| may_go_along(&record.node));
            left.count() < self.membership.quorum()
        };
        if is_refused {
            self.leading = None;
            self.out.push_back(Output::Refused);
        }
    }

    /// Says that this member does not go along with a ballot, and which one it promised, if that is why.
    pub(super) fn refuse(&mut self, from: NodeId, ballot: Ballot) {
        let promised = self.promised().unwrap_or(ballot).max(ballot);
        if from == self.me {
            self.leading = None;
            self.out.push_back(Output::Refused);
        } else {
            self.send(
                To::One(from),
                self.at(Statement::Refused { ballot, promised }),
            );
        }
    }

    fn repeat_accepted(&mut self, to: NodeId) {
        if let Some(accepted) = self.accepted.get(&self.me)
            && to != self.me
        {
            let message = self.at(Statement::Accepted(*accepted));
            self.send(To::One(to), message);
        }
    }

    pub(super) fn become_acceptor(
        &mut self,
        promised: Ballot,
        accepted: Option<(Proposed, Arc<Change>)>,
    ) {
        self.counter = self.counter.max(promised.counter);
        if self.leads().is_some_and(|own| own < promised) {
            // An own ballot that this promise forbids to finish.
            self.leading = None;
        }
        let acceptor = Acceptor {
            epoch: self.membership.epoch(),
            promised,
            accepted,
            grounds: self.grounds(),
        };
        self.acceptor = Some(acceptor.clone());
        self.out
            .push_back(Output::Persist(Durable::Acceptor(Box::new(acceptor))));
    }

    /// A ballot was too far above all that was heard to be followed. Its leader may have been driven there by a liar that
    /// says nothing here, so the limit goes after it, by one jump per message: who repeats itself is followed in the end.
    pub(crate) fn raise_limit(&mut self) {
        self.raised = self.counter_max();
    }

    fn counter_max(&self) -> u64 {
        self.counter
            .max(self.raised)
            .saturating_add(COUNTER_JUMP_MAX)
    }

    pub(super) fn check_counter(&self, ballot: Ballot) -> Result<(), StatementError> {
        let max = self.counter_max();
        if ballot.counter > max {
            return Err(StatementError::Counter {
                max,
                got: ballot.counter,
            });
        }
        Ok(())
    }
}
