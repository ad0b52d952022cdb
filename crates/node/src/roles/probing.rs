//! Probes: does a node live, and is it who and what it says?
//!
//! Accepting a TCP connection is no sign of life, nor is a TLS handshake: a probe is answered by echoing a nonce on an
//! authenticated connection. It goes out on a fresh dial and on every connection there is; one echo anywhere is life.
//! It has failed as soon as no way is left, at the latest at the timeout.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use quorate_consensus::{Digest, NodeId, Now};

use super::connections::Connections;
use super::{ConnId, DialError, DialId, Outbox};
use crate::protocol::{Goodbye, Message, Purpose};

/// How many probes may be under way at once; more wait for none and fail at once.
const PROBES_MAX: usize = 1024;

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
    /// It lives, or why it seems not to.
    pub result: Result<(), String>,
}

/// All probes under way.
#[derive(Debug)]
pub struct Probes {
    timeout: Duration,
    probes: BTreeMap<ProbeId, Probe>,
    next: u64,
    done: Vec<Probed>,
}

impl Probes {
    /// None yet.
    pub const fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            probes: BTreeMap::new(),
            next: 0,
            done: Vec::new(),
        }
    }

    /// Probes a node at its endpoints. With `record`, the node must echo that record's digest, and only a fresh dial
    /// counts: it must be reachable where it says, and mean this record.
    pub fn start(
        &mut self,
        target: NodeId,
        endpoints: Vec<String>,
        record: Option<Digest>,
        connections: &mut Connections,
        now: Now,
        out: &mut Outbox,
    ) -> ProbeId {
        let id = ProbeId(self.next);
        self.next += 1;
        if self.probes.len() >= PROBES_MAX {
            self.finish(id, target, Err("too many probes under way".to_owned()));
            return id;
        }
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
            pinged: dial.map(|dial| (dial, None)),
        };
        self.probes.insert(id, probe);
        self.fail_if_hopeless(id);
        id
    }

    /// A dial of ours failed.
    pub fn handle_dial_failed(&mut self, dial: DialId, error: &DialError) {
        let id = self.find(|probe| probe.dial == Some(dial));
        if let Some((id, probe)) = id {
            probe.dial = None;
            probe.cause = error.to_string();
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
        let result = match probe.record {
            Some(expected) if record != Some(expected) => {
                Err("it answers the probe, but not for this record".to_owned())
            }
            _ => Ok(()),
        };
        let target = probe.target;
        if let Some(probe) = self.probes.remove(&id) {
            close(probe, connections, out);
        }
        self.finish(id, target, result);
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, conn: ConnId, cause: &str) {
        if let Some((id, probe)) = self.find(|probe| probe.conns.contains(&conn)) {
            probe.conns.remove(&conn);
            cause.clone_into(&mut probe.cause);
            self.fail_if_hopeless(id);
        }
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
                let cause = probe.with_host(&format!("no echo within {:?}", self.timeout));
                close(probe, connections, out);
                self.finish(id, target, Err(cause));
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.probes.values().map(|probe| probe.deadline).min()
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
            let cause = probe.with_host(&probe.cause);
            self.finish(id, probe.target, Err(cause));
        }
    }

    fn finish(&mut self, probe: ProbeId, target: NodeId, result: Result<(), String>) {
        self.done.push(Probed {
            probe,
            target,
            result,
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
