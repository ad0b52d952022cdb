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
mod tests;
