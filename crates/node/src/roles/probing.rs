//! Probes: does a node live, and is it who and what it says?
//!
//! Accepting a TCP connection is no sign of life, nor is a TLS handshake: a probe is answered by echoing a nonce on an
//! authenticated connection. It goes out on a fresh dial and on every connection there is; one echo anywhere is life.
//! It has failed as soon as no way is left, at the latest at the timeout. Members are probed at once; candidates wait for
//! one another (`waiting`).

mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use quorate_consensus::{Digest, NodeId, Now};

use super::connections::Connections;
use super::{ConnId, DialError, DialId, Outbox, earlier};
use crate::protocol::{Goodbye, Message, Purpose};
pub use waiting::Wanted;
use waiting::{Next, Waiter, Waiting};

/// How many probes may be under way or waiting at once; of more, nothing is known.
const PROBES_MAX: usize = 1024;

/// Why nothing is known of a candidate whose turn did not come.
const TOO_MANY: &str = "too many candidates at once";

/// Names one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(u64);

#[derive(Debug)]
struct Probe {
    target: NodeId,
    nonce: u64,
    record: Option<Digest>,
    dial: Option<DialId>,
    conns: BTreeSet<ConnId>,
    deadline: Instant,
    cause: String,
    /// The dial failed for a reason on this side.
    is_own_fault: bool,
    /// Nobody of that key is where the node should be.
    is_refused: bool,
    /// The dial that the host's answer to ICMP comes with, and the answer.
    pinged: Option<(DialId, Option<bool>)>,
}

/// A probe's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Which.
    pub probe: ProbeId,
    /// Of whom.
    pub target: NodeId,
    /// What was found.
    pub outcome: Outcome,
}

/// What a probe found. Only [`Outcome::Silent`] and [`Outcome::Gone`] speak against the node: that this node could not
/// look is no sign of anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It answered as it should.
    Alive,
    /// It did not, and how that showed.
    Silent(String),
    /// It did not, and its host says that nobody listens there, or somebody else does.
    Gone(String),
    /// This node could not find out, and why.
    NotKnown(String),
}

/// All probes, under way and waiting.
#[derive(Debug)]
pub struct Probes {
    timeout: Duration,
    probes: BTreeMap<ProbeId, Probe>,
    waiting: Waiting,
    next: u64,
    done: Vec<Probed>,
}

impl Probes {
    /// None yet.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            probes: BTreeMap::new(),
            waiting: Waiting::new(timeout),
            next: 0,
            done: Vec::new(),
        }
    }

    /// Probes a node at its endpoints, and on the connections that there are with it.
    pub fn start(
        &mut self,
        target: NodeId,
        endpoints: Vec<String>,
        connections: &mut Connections,
        now: Now,
        out: &mut Outbox,
    ) -> ProbeId {
        let id = self.next_id();
        if self.probes.len() >= PROBES_MAX {
            let why = "too many probes under way".to_owned();
            self.finish(id, target, Outcome::NotKnown(why));
        } else {
            self.begin(id, target, endpoints, None, connections, now, out);
        }
        id
    }

    /// Probes a candidate when its turn comes, and until then. The candidate must echo its record's digest, and only a
    /// fresh dial counts: it must be reachable where it says, and mean this record.
    ///
    /// [`start_waiting`](Self::start_waiting) is to be called next.
    pub fn queue(
        &mut self,
        target: NodeId,
        endpoints: Vec<String>,
        record: Digest,
        until: Instant,
    ) -> ProbeId {
        let id = self.next_id();
        // Candidates, who cost nothing to make, leave room for the probes of members.
        if self.probes.len() + self.waiting.len() >= PROBES_MAX / 2 {
            self.finish(id, target, Outcome::NotKnown(TOO_MANY.to_owned()));
        } else {
            self.waiting.push(Waiter {
                id,
                target,
                endpoints,
                record,
                until,
            });
        }
        id
    }

    /// Begins with candidates whose turn it is, and gives those up that nobody wants any more or that waited for too long.
    /// To be called after every other input; returns whether it did anything.
    pub fn start_waiting(
        &mut self,
        wanted: impl Fn(ProbeId, NodeId) -> Wanted,
        connections: &mut Connections,
        now: Now,
        out: &mut Outbox,
    ) -> bool {
        let mut acted = false;
        while let Some(next) = self.waiting.take_next(&wanted, now.instant) {
            acted = true;
            match next {
                Next::Begin(Waiter {
                    id,
                    target,
                    endpoints,
                    record,
                    ..
                }) => self.begin(id, target, endpoints, Some(record), connections, now, out),
                Next::GiveUp(Waiter { id, target, .. }) => {
                    self.finish(id, target, Outcome::NotKnown(TOO_MANY.to_owned()));
                }
            }
        }
        acted
    }

    const fn next_id(&mut self) -> ProbeId {
        let id = ProbeId(self.next);
        self.next += 1;
        id
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a probe is, and what it needs to begin"
    )]
    fn begin(
        &mut self,
        id: ProbeId,
        target: NodeId,
        endpoints: Vec<String>,
        record: Option<Digest>,
        connections: &mut Connections,
        now: Now,
        out: &mut Outbox,
    ) {
        let nonce = connections.nonce();
        let conns: BTreeSet<ConnId> = match record {
            Some(_) => BTreeSet::new(),
            None => connections.to(target).collect(),
        };
        out.send_all(conns.iter().copied().collect(), Message::Probe { nonce });
        let dial = (!endpoints.is_empty())
            .then(|| connections.dial(Purpose::Probe, endpoints, Some(target), out));
        let probe = Probe {
            target,
            nonce,
            record,
            dial,
            conns,
            deadline: now.instant + self.timeout,
            cause: "no known endpoint".to_owned(),
            is_own_fault: false,
            is_refused: false,
            pinged: dial.map(|dial| (dial, None)),
        };
        self.probes.insert(id, probe);
        self.fail_if_hopeless(id);
    }

    /// A dial of ours failed.
    pub fn handle_dial_failed(&mut self, dial: DialId, error: &DialError) {
        let id = self.find(|probe| probe.dial == Some(dial));
        if let Some((id, probe)) = id {
            probe.dial = None;
            probe.cause = error.to_string();
            probe.is_own_fault = matches!(error, DialError::Local(_));
            probe.is_refused = matches!(
                error,
                DialError::Refused(_) | DialError::WrongIdentity { .. }
            );
            self.fail_if_hopeless(id);
        }
    }

    /// The host behind a dial of ours answers ICMP, or does not: worth telling, never decisive.
    pub fn handle_pinged(&mut self, dial: DialId, answers: bool) {
        let is_ours = |probe: &Probe| probe.pinged.is_some_and(|(pinged, _)| pinged == dial);
        if let Some((_, probe)) = self.find(is_ours) {
            probe.pinged = Some((dial, Some(answers)));
        }
    }

    /// A dial of ours is connected.
    pub fn handle_connected(&mut self, conn: ConnId, dial: DialId) {
        if let Some((_, probe)) = self.find(|probe| probe.dial == Some(dial)) {
            probe.dial = None;
            probe.conns.insert(conn);
        }
    }

    /// A connection for a probe is ready.
    pub fn handle_ready(&self, conn: ConnId, out: &mut Outbox) {
        if let Some(probe) = self
            .probes
            .values()
            .find(|probe| probe.conns.contains(&conn))
        {
            out.send(conn, Message::Probe { nonce: probe.nonce });
        }
    }

    /// An echo came.
    pub fn handle_echo(
        &mut self,
        conn: ConnId,
        nonce: u64,
        record: Option<Digest>,
        connections: &mut Connections,
        out: &mut Outbox,
    ) {
        let Some((id, probe)) =
            self.find(|probe| probe.nonce == nonce && probe.conns.contains(&conn))
        else {
            return;
        };
        let outcome = match probe.record {
            Some(expected) if record != Some(expected) => {
                Outcome::Silent("it answers the probe, but not for this record".to_owned())
            }
            _ => Outcome::Alive,
        };
        let target = probe.target;
        if let Some(probe) = self.probes.remove(&id) {
            close(probe, connections, out);
        }
        self.finish(id, target, outcome);
    }

    /// A connection is gone. Several probes of one node may have used it.
    pub fn handle_closed(&mut self, conn: ConnId, cause: &str) {
        let using: Vec<ProbeId> = self
            .probes
            .iter_mut()
            .filter_map(|(id, probe)| probe.conns.remove(&conn).then_some((id, probe)))
            .map(|(id, probe)| {
                cause.clone_into(&mut probe.cause);
                *id
            })
            .collect();
        using.into_iter().for_each(|id| self.fail_if_hopeless(id));
    }

    /// Probes that have waited long enough.
    pub fn handle_timeout(&mut self, connections: &mut Connections, now: Now, out: &mut Outbox) {
        let late: Vec<ProbeId> = self
            .probes
            .iter()
            .filter(|(_, probe)| now.instant >= probe.deadline)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(probe) = self.probes.remove(&id) {
                let target = probe.target;
                // A node that was itself stopped meanwhile has not been listening.
                let late = now.instant.saturating_duration_since(probe.deadline);
                let outcome = if late > self.timeout / 2 {
                    Outcome::NotKnown("this node itself ran late".to_owned())
                } else {
                    Outcome::Silent(probe.with_host(&format!("no echo within {:?}", self.timeout)))
                };
                close(probe, connections, out);
                self.finish(id, target, outcome);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout), and then [`start_waiting`](Self::start_waiting), want to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.probes.values().map(|probe| probe.deadline).min();
        earlier(deadline, self.waiting.poll_timeout())
    }

    /// Takes a probe that ended.
    pub fn poll_done(&mut self) -> Option<Probed> {
        self.done.pop()
    }

    fn find(&mut self, matches: impl Fn(&Probe) -> bool) -> Option<(ProbeId, &mut Probe)> {
        let found = self.probes.iter_mut().find(|(_, probe)| matches(probe));
        found.map(|(id, probe)| (*id, probe))
    }

    fn fail_if_hopeless(&mut self, id: ProbeId) {
        let is_hopeless = |probe: &&Probe| probe.dial.is_none() && probe.conns.is_empty();
        if self.probes.get(&id).as_ref().is_some_and(is_hopeless)
            && let Some(probe) = self.probes.remove(&id)
        {
            let outcome = if probe.is_own_fault {
                Outcome::NotKnown(probe.cause)
            } else if probe.is_refused {
                Outcome::Gone(probe.with_host(&probe.cause))
            } else {
                Outcome::Silent(probe.with_host(&probe.cause))
            };
            self.finish(id, probe.target, outcome);
        }
    }

    fn finish(&mut self, probe: ProbeId, target: NodeId, outcome: Outcome) {
        self.waiting.ended(probe);
        self.done.push(Probed {
            probe,
            target,
            outcome,
        });
    }
}

impl Probe {
    /// A cause, with what is known of the host.
    fn with_host(&self, cause: &str) -> String {
        match self.pinged {
            Some((_, Some(true))) => format!("{cause}; its host answers ICMP"),
            Some((_, Some(false))) => format!("{cause}; its host does not answer ICMP"),
            _ => cause.to_owned(),
        }
    }
}

/// Ends what was opened for the probe; connections that serve other ends stay.
fn close(probe: Probe, connections: &mut Connections, out: &mut Outbox) {
    if let Some(dial) = probe.dial {
        connections.cancel(dial, out);
    }
    for conn in probe.conns {
        let is_ours =
            |conn: &super::connections::Conn| conn.purpose == Some(Purpose::Probe) && conn.dialed;
        if connections.get(conn).is_some_and(is_ours) {
            connections.close(conn, Goodbye::Done, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, SeedList};
    use crate::protocol::RoleKind;
    use crate::roles::Output;
    use crate::roles::connections::Realm;
    use waiting::{YOUNG_MAX, YOUNG_PER_HOST_MAX};

    const TIMEOUT: Duration = Duration::from_secs(1);

    struct Probing {
        probes: Probes,
        connections: Connections,
        out: Outbox,
        now: Now,
    }

    impl Probing {
        fn new() -> Self {
            let now = Now {
                instant: Instant::now(),
                unix_ms: 0,
            };
            let seeds = SeedList::parse("127.0.0.1,1").unwrap();
            let (me, options) = (NodeId::from(1), Options::default());
            Self {
                probes: Probes::new(TIMEOUT),
                connections: Connections::new(
                    me,
                    RoleKind::Seed,
                    Realm::seeded(&seeds),
                    &options,
                    1,
                    now,
                ),
                out: Outbox::default(),
                now,
            }
        }

        fn start(&mut self, target: u64) {
            self.probes.start(
                NodeId::from(target),
                vec!["127.0.0.1:2".to_owned()],
                &mut self.connections,
                self.now,
                &mut self.out,
            );
        }

        /// Queues a candidate at an address, for a vote that is open for 5 s.
        fn queue(&mut self, target: u64, address: &str) -> ProbeId {
            let (endpoints, record) = (vec![address.to_owned()], Digest::new([1; 32]));
            let until = self.now.instant + TIMEOUT * 5;
            let id = self
                .probes
                .queue(NodeId::from(target), endpoints, record, until);
            self.turn(|_| Wanted::Now);
            id
        }

        /// Candidates whose turn it is are dialled; returns how many dials there were since this was last asked.
        fn turn(&mut self, wanted: impl Fn(ProbeId) -> Wanted) {
            self.probes.start_waiting(
                |id, _| wanted(id),
                &mut self.connections,
                self.now,
                &mut self.out,
            );
        }

        /// The dials since this was last asked, in their order.
        fn dials(&mut self) -> Vec<DialId> {
            let outputs = std::iter::from_fn(|| self.out.pop());
            let dial = |output| match output {
                Output::Dial { dial, .. } => Some(dial),
                _ => None,
            };
            outputs.filter_map(dial).collect()
        }

        fn done(&mut self) -> Vec<(u64, Outcome)> {
            let done = std::iter::from_fn(|| self.probes.poll_done());
            done.map(|probed| (probed.probe.0, probed.outcome))
                .collect()
        }

        fn time_out(&mut self, after: Duration) -> Vec<Outcome> {
            let now = self.now.after(after);
            self.probes
                .handle_timeout(&mut self.connections, now, &mut self.out);
            std::iter::from_fn(|| self.probes.poll_done())
                .map(|probed| probed.outcome)
                .collect()
        }
    }

    #[test]
    fn a_probe_that_was_not_made_says_nothing_of_the_node() {
        let mut probing = Probing::new();
        for target in 0..PROBES_MAX as u64 {
            probing.start(target);
        }
        assert_eq!(probing.probes.poll_done(), None);
        probing.start(5000);
        let refused = probing.probes.poll_done().unwrap();
        assert!(
            matches!(refused.outcome, Outcome::NotKnown(_)),
            "{refused:?}"
        );
    }

    #[test]
    fn candidates_leave_room_for_the_probes_of_members() {
        let mut probing = Probing::new();
        for target in 0..PROBES_MAX as u64 {
            probing.queue(target, "127.0.0.1:2");
        }
        let refused = std::iter::from_fn(|| probing.probes.poll_done()).count();
        assert_eq!(refused, PROBES_MAX / 2);
        probing.start(5000);
        assert_eq!(probing.probes.poll_done(), None);
    }

    #[test]
    fn candidates_wait_for_a_place_in_their_order_and_members_do_not() {
        let mut probing = Probing::new();
        let own_host = |number: usize| format!("10.0.0.{number}:1");
        let ids: Vec<ProbeId> = (0..YOUNG_MAX + 3)
            .map(|number| probing.queue(number as u64, &own_host(number)))
            .collect();
        let dials = probing.dials();
        assert_eq!(dials.len(), YOUNG_MAX);
        probing.start(5000);
        assert_eq!(probing.dials().len(), 1);
        // Two ended: the two that have waited longest are next.
        for dial in &dials[..2] {
            let refused = DialError::Refused("nobody".to_owned());
            probing.probes.handle_dial_failed(*dial, &refused);
        }
        let asked = std::cell::RefCell::new(Vec::new());
        probing.turn(|id| {
            asked.borrow_mut().push(id);
            Wanted::Now
        });
        assert_eq!(probing.dials().len(), 2);
        assert_eq!(asked.into_inner(), ids[YOUNG_MAX..YOUNG_MAX + 2]);
    }

    #[test]
    fn a_candidate_has_its_whole_time_from_when_its_turn_comes() {
        let mut probing = Probing::new();
        for number in 0..YOUNG_PER_HOST_MAX + 1 {
            probing.queue(number as u64, "127.0.0.1:2");
        }
        assert_eq!(probing.dials().len(), YOUNG_PER_HOST_MAX);
        // The first say nothing, and give up their places long before they are given up.
        let wakes = probing.probes.poll_timeout().unwrap();
        let waited = wakes - probing.now.instant;
        assert!(waited < TIMEOUT, "{waited:?}");
        probing.now = probing.now.after(waited);
        probing.turn(|_| Wanted::Now);
        assert_eq!(probing.dials().len(), 1);
        assert_eq!(probing.time_out(TIMEOUT - waited).len(), YOUNG_PER_HOST_MAX);
        assert_eq!(
            probing.time_out(TIMEOUT - Duration::from_millis(1)).len(),
            0
        );
        assert_eq!(probing.time_out(TIMEOUT).len(), 1);
    }

    #[test]
    fn one_host_leaves_places_to_others() {
        let mut probing = Probing::new();
        for number in 0..100 {
            probing.queue(number, &format!("10.0.0.1:{}", number + 1));
        }
        assert_eq!(probing.dials().len(), YOUNG_PER_HOST_MAX);
        probing.queue(100, "10.0.0.2:1");
        assert_eq!(probing.dials().len(), 1);
    }

    #[test]
    fn who_is_not_wanted_any_more_is_not_probed_and_who_is_spare_comes_last() {
        let mut probing = Probing::new();
        for number in 0..YOUNG_PER_HOST_MAX as u64 {
            probing.queue(number, "127.0.0.1:2");
        }
        let [gone, spare, wanted] =
            [100, 101, 102].map(|number| probing.queue(number, "127.0.0.1:2"));
        let dials = probing.dials();
        let how = |id| match id {
            id if id == gone => Wanted::No,
            id if id == spare => Wanted::Spare,
            _ => Wanted::Now,
        };
        let refused = DialError::Refused("nobody".to_owned());
        probing.probes.handle_dial_failed(dials[0], &refused);
        assert_eq!(probing.done().len(), 1);
        probing.turn(how);
        assert_eq!(probing.dials().len(), 1);
        let given_up = probing.done();
        assert!(
            matches!(&given_up[..], [(id, Outcome::NotKnown(_))] if *id == gone.0),
            "{given_up:?}"
        );
        for (dial, id) in [(1, wanted), (2, spare)] {
            assert!(probing.probes.probes.contains_key(&wanted), "{id:?}");
            assert_eq!(probing.probes.probes.contains_key(&spare), id == spare);
            probing.probes.handle_dial_failed(dials[dial], &refused);
            probing.turn(how);
        }
    }

    #[test]
    fn a_turn_that_does_not_come_in_time_says_nothing_of_the_candidate() {
        let mut probing = Probing::new();
        for number in 0..=500 {
            probing.queue(number, "127.0.0.1:2");
        }
        let mut outcomes = Vec::new();
        while outcomes.len() <= 500 {
            let wakes = probing.probes.poll_timeout().unwrap();
            probing.now = probing.now.after(wakes - probing.now.instant);
            outcomes.extend(probing.time_out(Duration::ZERO));
            probing.turn(|_| Wanted::Now);
            outcomes.extend(probing.done().into_iter().map(|(_, outcome)| outcome));
        }
        let places = YOUNG_PER_HOST_MAX * 20;
        let is_silent = |outcome: &&Outcome| matches!(outcome, Outcome::Silent(_));
        assert_eq!(outcomes.iter().filter(is_silent).count(), places);
        let is_not_known = |outcome: &&Outcome| **outcome == Outcome::NotKnown(TOO_MANY.to_owned());
        let not_known = outcomes.iter().filter(is_not_known).count();
        assert_eq!(not_known, outcomes.len() - places);
    }

    #[test]
    fn silence_counts_only_while_this_node_was_listening() {
        for (after, is_silence) in [(TIMEOUT, true), (TIMEOUT * 3, false)] {
            let mut probing = Probing::new();
            probing.start(2);
            let outcomes = probing.time_out(after);
            let is_as_expected = match &outcomes[..] {
                [Outcome::Silent(_)] => is_silence,
                [Outcome::NotKnown(_)] => !is_silence,
                _ => false,
            };
            assert!(is_as_expected, "after {after:?}: {outcomes:?}");
        }
    }
}
