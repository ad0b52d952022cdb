//! The seeds as a node dials them: one seat each, redialled for ever.
//!
//! A seat whose identity is not pinned takes the one met by this node's own first dial to that line; hearsay binds
//! nothing, and a later change is an error. Host names are resolved anew at every dial.

use std::time::{Duration, Instant};

use quorate_consensus::{Electorate, ElectorateError, NodeId};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::back_off::BackOff;
use super::connections::Connections;
use super::{DialError, DialId, Outbox};
use crate::event::Event;
use crate::protocol::Purpose;

#[derive(Debug, Default)]
struct Seat {
    dial: Option<DialId>,
    back_off: BackOff,
    /// What came of the last dial, as long as that came to nothing.
    failure: Option<String>,
    /// Who answered in place of who belongs there: told once per change, not at every dial.
    usurper: Option<NodeId>,
}

/// The seats of the electorate, in its order.
#[derive(Debug)]
pub struct Seats {
    purpose: Purpose,
    own: Option<usize>,
    redial: (Duration, Duration),
    seats: Vec<Seat>,
    rng: ChaCha8Rng,
    /// With these [changes](Connections::changes) of connections nothing is to be dialled before then. Forgotten whenever a
    /// seat changes.
    idle: Option<(u64, Option<Instant>)>,
}

impl Seats {
    /// Seats to dial for a purpose; `own` is not dialled.
    pub fn new(
        purpose: Purpose,
        count: usize,
        own: Option<usize>,
        redial: (Duration, Duration),
        seed: u64,
    ) -> Self {
        Self {
            purpose,
            own,
            redial,
            seats: std::iter::repeat_with(Seat::default).take(count).collect(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            idle: None,
        }
    }

    /// Dials every seat that is not connected and whose pause is over.
    pub fn dial_due(
        &mut self,
        electorate: &Electorate,
        connections: &mut Connections,
        now: Instant,
        out: &mut Outbox,
    ) {
        let is_idle = |(changes, until): (u64, Option<Instant>)| {
            changes == connections.changes() && until.is_none_or(|until| now < until)
        };
        if self.idle.is_some_and(is_idle) {
            return;
        }
        for (index, (seat, place)) in self.seats.iter_mut().zip(electorate.seats()).enumerate() {
            let is_connected = place
                .voter
                .is_some_and(|voter| connections.find(voter, self.purpose).is_some());
            if self.own != Some(index)
                && seat.dial.is_none()
                && !is_connected
                && seat.back_off.is_due(now)
            {
                let endpoints = vec![place.name.clone()];
                seat.dial = Some(connections.dial(self.purpose, endpoints, place.voter, out));
            }
        }
        let until = self.waits_until(electorate, connections, now);
        self.idle = Some((connections.changes(), until));
    }

    /// Dials seats with unknown voters now: one of them may just have dialled this node.
    pub fn hurry(&mut self, electorate: &Electorate) {
        self.idle = None;
        for (seat, place) in self.seats.iter_mut().zip(electorate.seats()) {
            if place.voter.is_none() {
                seat.back_off.reset();
            }
        }
    }

    /// Whether a dial is one of these; if so, which seat answered and whether that binds it anew.
    pub fn handle_connected(
        &mut self,
        dial: DialId,
        remote: NodeId,
        now: Instant,
        mut bind: impl FnMut(usize, NodeId) -> Result<bool, ElectorateError>,
    ) -> Option<(usize, Result<bool, ElectorateError>)> {
        let (index, seat) = self.of(dial)?;
        seat.dial = None;
        seat.failure = None;
        self.idle = None;
        let bound = bind(index, remote);
        // Paces reconnecting to a seed that closes at once; `connected` lifts it.
        let redial = self.redial;
        self.seats[index].back_off.fail(redial, &mut self.rng, now);
        Some((index, bound))
    }

    /// Dials that were given up for a link that came the other way.
    pub fn handle_cancelled(&mut self, cancelled: &[DialId]) {
        self.idle = None;
        for seat in &mut self.seats {
            seat.dial.take_if(|dial| cancelled.contains(dial));
        }
    }

    /// The seat's session is ready.
    pub fn handle_ready(&mut self, index: usize) {
        self.idle = None;
        self.seats[index].back_off.reset();
        self.seats[index].usurper = None;
        self.seats[index].failure = None;
    }

    /// Whether a wrong identity at a seat is to be told: once per change, not at every dial.
    pub fn tells_mismatch(&mut self, index: usize, found: NodeId) -> bool {
        self.seats[index].usurper.replace(found) != Some(found)
    }

    /// The seat at whose address this node answered, though another belongs there.
    pub fn usurped_by(&self, node: NodeId) -> Option<usize> {
        let mut seats = self.seats.iter();
        seats.position(|seat| seat.usurper == Some(node))
    }

    /// A seat's session is gone: a pause before the next dial, so that a seed that closes at once is not hammered.
    pub fn handle_lost(&mut self, index: usize, now: Instant) {
        self.idle = None;
        self.seats[index]
            .back_off
            .fail(self.redial, &mut self.rng, now);
    }

    /// Whether a failed dial was one of these.
    pub fn handle_dial_failed(
        &mut self,
        dial: DialId,
        error: &DialError,
        now: Instant,
        electorate: &Electorate,
        out: &mut Outbox,
    ) -> bool {
        let redial = self.redial;
        let Some((index, seat)) = self.of(dial) else {
            return false;
        };
        seat.dial = None;
        seat.failure = Some(error.to_string());
        if let DialError::WrongIdentity {
            expected, found, ..
        } = error
            && seat.usurper.replace(*found) != Some(*found)
        {
            out.event(Event::SeedIdentityChanged {
                address: electorate.seats()[index].name.clone(),
                expected: *expected,
                found: found.to_string(),
            });
        }
        self.idle = None;
        self.seats[index].back_off.fail(redial, &mut self.rng, now);
        true
    }

    /// What keeps this node from each seat, as far as that is known.
    pub fn failures(&self, electorate: &Electorate) -> String {
        let seats = self.seats.iter().zip(electorate.seats());
        let failures = seats.map(|(seat, place)| seat.failure.as_ref().unwrap_or(&place.name));
        failures.cloned().collect::<Vec<_>>().join("; ")
    }

    /// When a seat that is not connected may be dialled.
    pub fn poll_timeout(
        &self,
        electorate: &Electorate,
        connections: &Connections,
        now: Instant,
    ) -> Option<Instant> {
        match self.idle {
            Some((changes, until)) if changes == connections.changes() => {
                until.filter(|until| *until > now)
            }
            _ => self.waits_until(electorate, connections, now),
        }
    }

    fn waits_until(
        &self,
        electorate: &Electorate,
        connections: &Connections,
        now: Instant,
    ) -> Option<Instant> {
        let waiting = self
            .seats
            .iter()
            .zip(electorate.seats())
            .filter(|(seat, place)| {
                let is_connected = |voter| connections.find(voter, self.purpose).is_some();
                seat.dial.is_none() && !place.voter.is_some_and(is_connected)
            })
            .map(|(seat, _)| &seat.back_off);
        BackOff::earliest(waiting, now)
    }

    fn of(&mut self, dial: DialId) -> Option<(usize, &mut Seat)> {
        self.seats
            .iter_mut()
            .enumerate()
            .find(|(_, seat)| seat.dial == Some(dial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, SeedList};
    use crate::protocol::RoleKind;
    use crate::roles::connections::Realm;
    use quorate_consensus::Now;

    #[test]
    fn a_seat_whose_dial_was_given_up_for_a_link_is_dialled_again() {
        let now = Now {
            instant: Instant::now(),
            unix_ms: 0,
        };
        let pin = NodeId::from(2);
        let list = SeedList::parse(&format!("127.0.0.1,1\n127.0.0.1,2,{pin}\n")).unwrap();
        let electorate = list.electorate().unwrap();
        let (me, options) = (NodeId::from(1), Options::default());
        let mut connections =
            Connections::new(me, RoleKind::Seed, Realm::seeded(&list), &options, 1, now);
        let mut seats = Seats::new(Purpose::Link, 2, Some(0), options.redial, 1);
        let mut out = Outbox::default();
        let mut dials = |seats: &mut Seats| {
            seats.dial_due(&electorate, &mut connections, now.instant, &mut out);
            std::iter::from_fn(|| out.pop())
                .filter_map(|output| match output {
                    super::super::Output::Dial { dial, .. } => Some(dial),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        let first = dials(&mut seats);
        assert_eq!(first.len(), 1);
        assert_eq!(dials(&mut seats), [], "it is under way");
        seats.handle_cancelled(&first);
        assert_eq!(dials(&mut seats).len(), 1, "its link is gone again");
    }
}
