//! What the person at a seat wants of the seats: one more, one less, or its own no more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Conclave, Message, NOMINATIONS_PER_VOTER, Output, SELF_NOMINATIONS_MAX, SeatError};
use crate::assembly::Assembly;
use crate::handover::SEATS_MAX;
use crate::id::NodeId;
use crate::record::{Record, RecordError};
use crate::succession::SayError;
use crate::time::Now;
use crate::vote::Choice;

impl Conclave {
    /// The records of those for whom a seat is wanted, and which voters' persons have not agreed yet.
    pub fn nominations(&self) -> Vec<(&Record, Vec<NodeId>)> {
        let mut nominations = BTreeMap::new();
        for record in self.nominated.values().flat_map(BTreeMap::values) {
            let hash = record.hash();
            let assembly = self.assembly.as_ref();
            let waiting = assembly.map(|assembly| assembly.waiting_for(&hash));
            nominations.insert(hash, (record, waiting.unwrap_or_default()));
        }
        nominations.into_values().collect()
    }

    /// This voter's person wants a seat for the node that signed this record, or agrees that it gets one. Its first endpoint
    /// names the seat. The other voters' persons are told.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn seat(&mut self, record: Record, now: Now) -> Result<(), SeatError> {
        self.check_nomination(&record)?;
        let me = self.signer.id();
        let node = record.node;
        let own = self.nominated.get(&me);
        let is_known = own.is_some_and(|wanted| wanted.contains_key(&node));
        if !is_known && own.map_or(0, BTreeMap::len) >= NOMINATIONS_PER_VOTER {
            return Err(SeatError::TooMany {
                max: NOMINATIONS_PER_VOTER,
                what: "seats wanted at a time",
            });
        }
        let others = self.linked_voters();
        self.assembly()?
            .handle_candidate(Arc::new(record.clone()), now)?;
        let said = self.assembly()?.give_opinion(node, Choice::Yes, "", now);
        if !matches!(said, Err(SayError::Answered(Choice::Yes))) {
            said?;
        }
        let wanted = self.nominated.entry(me).or_default();
        wanted.insert(node, record.clone());
        self.push_send(others, Message::Nominated(Box::new(record)));
        self.settle(now);
        Ok(())
    }

    /// Agrees to a seat that another voter's person, or a node itself, wants.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn agree(&mut self, node: NodeId, now: Now) -> Result<(), SeatError> {
        let wanted = self.nominated.values().find_map(|of| of.get(&node));
        let record = wanted.ok_or(SeatError::NotNominated(node))?.clone();
        self.seat(record, now)
    }

    /// This voter's person wants another voter unseated. It is when all others want it, and they are a majority.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn unseat(&mut self, voter: NodeId, now: Now) -> Result<(), SeatError> {
        if voter == self.signer.id() {
            return Err(SeatError::Needed("a voter resigns by its own word"));
        }
        if !self.electorate.contains(&voter) {
            return Err(SeatError::NoSuchVoter(voter));
        }
        self.assembly()?;
        self.challenged.insert(voter);
        let others = self.linked_voters();
        self.push_send(others, Message::Challenged(voter));
        self.accuse_the_challenged(now);
        self.settle(now);
        Ok(())
    }

    /// This voter gives up its seat.
    ///
    /// # Errors
    /// When it has none, or is the last.
    pub fn resign(&mut self, now: Now) -> Result<(), SeatError> {
        if self.electorate.seats().len() == 1 {
            return Err(SeatError::Needed("the last voter keeps its seat"));
        }
        self.assembly()?.leave(now);
        self.settle(now);
        Ok(())
    }

    pub(super) fn assembly(&mut self) -> Result<&mut Assembly, SeatError> {
        if self.own_seal.is_some() {
            return Err(SeatError::Changing);
        }
        if !self.electorate.contains(&self.signer.id()) {
            return Err(SeatError::NotAVoter);
        }
        let unmet = self.electorate.seats().iter();
        let unmet = unmet.filter(|seat| seat.voter.is_none());
        let unmet = unmet.map(|seat| seat.name.clone()).collect();
        self.assembly.as_mut().ok_or(SeatError::Unmet(unmet))
    }

    /// Another voter's person wants a seat for a node, or the node itself does.
    pub(super) fn handle_nominated(
        &mut self,
        from: NodeId,
        record: Box<Record>,
    ) -> Result<(), RecordError> {
        if self.check_nomination(&record).is_err() {
            return Ok(());
        }
        record.verify(&*self.scheme)?;
        if !self.electorate.contains(&from) && !self.nominated.contains_key(&from) {
            let strangers = self.nominated.keys();
            let mut strangers = strangers.filter(|by| !self.electorate.contains(by));
            let first = strangers.next().copied();
            if strangers.count() + 1 >= SELF_NOMINATIONS_MAX {
                // Who means it asks again.
                first.and_then(|first| self.nominated.remove(&first));
            }
        }
        let wanted = self.nominated.entry(from).or_default();
        let is_news = wanted.get(&record.node) != Some(&*record);
        let has_room = wanted.len() < NOMINATIONS_PER_VOTER || wanted.contains_key(&record.node);
        if is_news && has_room {
            wanted.insert(record.node, (*record).clone());
            self.out.push_back(Output::Nominated { by: from, record });
        }
        Ok(())
    }

    pub(super) fn check_nomination(&self, record: &Record) -> Result<(), SeatError> {
        let seats = self.electorate.seats();
        let name = record.endpoints.first().cloned().unwrap_or_default();
        if seats.iter().any(|seat| seat.name == name) || self.electorate.contains(&record.node) {
            return Err(SeatError::Taken(name));
        }
        if seats.len() >= SEATS_MAX {
            let what = "seats";
            return Err(SeatError::TooMany {
                max: SEATS_MAX,
                what,
            });
        }
        Ok(())
    }

    /// Whom its person wants unseated, this voter holds for dead, however alive it is.
    pub(super) fn accuse_the_challenged(&mut self, now: Now) {
        let Some(assembly) = &mut self.assembly else {
            return;
        };
        for voter in &self.challenged {
            assembly.handle_lost(*voter, now);
            assembly.handle_dead(*voter, now);
        }
    }
}
