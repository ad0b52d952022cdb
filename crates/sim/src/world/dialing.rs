//! How a connection comes to be, or does not: each endpoint in order, TCP, TLS, the right key, as the runtime dials.

use std::time::Duration;

use quorate_consensus::NodeId;
use quorate_node::limits::{CONNECT_MAX, HANDSHAKE_MAX, PING_AFTER};
use quorate_node::roles::{DialError, DialId};

use super::{Due, World, conn_of};
use crate::fact::Fact;
use crate::host::HostId;
use crate::network::{EndState, Item};

/// How long an ICMP echo is waited for.
const PING_MAX: Duration = Duration::from_millis(500);

/// How often a dialler's kernel looks again at a host that hangs.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A dial under way.
#[derive(Debug)]
pub(super) struct Dialing {
    host: HostId,
    life: u64,
    dial: DialId,
    endpoints: Vec<String>,
    index: usize,
    began: Duration,
    expect: Option<NodeId>,
    /// Whether the host's ICMP answer is wanted and not told yet.
    pings: bool,
    failure: Option<DialError>,
}

/// What happens next to a dial.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// The request to connect is there.
    Syn(HostId),
    /// The handshake is done, if the process there is still this one.
    Handshake(HostId, u64),
    /// Nobody is there.
    Refused,
    /// It took too long.
    NoAnswer,
    /// It hung.
    Hung,
    /// The ICMP echo came, or did not.
    Pinged(bool),
}

impl World {
    pub(super) fn dial(
        &mut self,
        host: HostId,
        dial: DialId,
        endpoints: Vec<String>,
        expect: Option<NodeId>,
        pings: bool,
    ) {
        let number = self.next_dial;
        self.next_dial += 1;
        let life = self.hosts[host.0].life;
        self.hosts[host.0].dials.insert(dial, number);
        if pings {
            let target = endpoints
                .first()
                .and_then(|endpoint| self.by_address.get(endpoint))
                .copied();
            let answers = target.is_some_and(|target| self.reaches(host, target));
            let span = if answers {
                PING_AFTER
            } else {
                PING_AFTER + PING_MAX
            };
            self.queue
                .push(self.now + span, Due::Dial(number, Step::Pinged(answers)));
        }
        self.dials.insert(
            number,
            Dialing {
                host,
                life,
                dial,
                endpoints,
                index: 0,
                began: self.now,
                expect,
                pings,
                failure: None,
            },
        );
        self.try_endpoint(number);
    }

    pub(super) fn cancel_dial(&mut self, host: HostId, dial: DialId) {
        if let Some(number) = self.hosts[host.0].dials.remove(&dial) {
            self.dials.remove(&number);
        }
    }

    fn try_endpoint(&mut self, number: u64) {
        let now = self.now;
        let Some(dialing) = self.dials.get_mut(&number) else {
            return;
        };
        dialing.began = now;
        let from = dialing.host;
        let Some(endpoint) = dialing.endpoints.get(dialing.index) else {
            let error = dialing
                .failure
                .take()
                .unwrap_or_else(|| DialError::Unreachable("no endpoint to dial".to_owned()));
            self.dial_failed(number, error);
            return;
        };
        let (span, step) = match self.by_address.get(endpoint) {
            Some(to) => {
                let to = *to;
                (self.network.latency(from, to), Step::Syn(to))
            }
            // An address where nobody ever listened.
            None => (Duration::from_millis(1), Step::Refused),
        };
        self.queue.push(now + span, Due::Dial(number, step));
    }

    /// Whether packets go from one host to the other and back.
    fn reaches(&self, from: HostId, to: HostId) -> bool {
        self.hosts[to.0].has_power
            && !self.network.is_cut(from, to)
            && !self.network.is_cut(to, from)
    }

    pub(super) fn dial_step(&mut self, number: u64, step: Step) {
        let Some(dialing) = self.dials.get(&number) else {
            return;
        };
        let (from, life, began) = (dialing.host, dialing.life, dialing.began);
        if self.hosts[from.0].life != life {
            self.dials.remove(&number);
            return;
        }
        if self.hosts[from.0].is_paused {
            self.deferred
                .entry(from)
                .or_default()
                .push(Due::Dial(number, step));
            return;
        }
        match step {
            Step::Syn(to) if !self.reaches(from, to) => {
                self.later(number, began + CONNECT_MAX, Step::NoAnswer)
            }
            Step::Syn(to) if !self.hosts[to.0].is_up() => {
                let back = self.network.latency(from, to);
                self.later(number, self.now + back, Step::Refused);
            }
            Step::Syn(to) => {
                let life = self.hosts[to.0].life;
                let span = self.network.latency(from, to) * 2;
                self.later(number, self.now + span, Step::Handshake(to, life));
            }
            Step::Handshake(to, life) => self.handshake(number, to, life),
            Step::Refused => {
                let error = DialError::Refused(self.failed_at(number, "connection refused"));
                self.endpoint_failed(number, error);
            }
            Step::NoAnswer => {
                let error = DialError::Unreachable(self.failed_at(number, "no answer in time"));
                self.endpoint_failed(number, error);
            }
            Step::Hung => {
                let what = "it accepts connections but does not answer";
                let error = DialError::Unreachable(self.failed_at(number, what));
                self.endpoint_failed(number, error);
            }
            Step::Pinged(answers) => self.pinged(number, answers),
        }
    }

    fn handshake(&mut self, number: u64, to: HostId, life: u64) {
        let Some(dialing) = self.dials.get(&number) else {
            return;
        };
        let (from, began, expect, dial) =
            (dialing.host, dialing.began, dialing.expect, dialing.dial);
        if self.hosts[to.0].life != life || !self.hosts[to.0].is_up() {
            let error =
                DialError::Unreachable(self.failed_at(number, "TLS: connection reset by peer"));
            self.endpoint_failed(number, error);
            return;
        }
        if self.hosts[to.0].is_paused || !self.reaches(from, to) {
            let (again, end) = (self.now + LOOK_AGAIN, began + HANDSHAKE_MAX);
            if again < end {
                self.later(number, again, Step::Handshake(to, life));
            } else {
                self.later(number, end.max(self.now), Step::Hung);
            }
            return;
        }
        let found = self.hosts[to.0].id();
        let address = dialing.endpoints[dialing.index].clone();
        if let Some(expected) = expect.filter(|expected| *expected != found) {
            let error = DialError::WrongIdentity {
                address,
                expected,
                found,
            };
            self.endpoint_failed(number, error);
            return;
        }
        self.dials.remove(&number);
        let host = &mut self.hosts[from.0];
        host.dials.remove(&dial);
        let near_life = host.life;
        let link = self.network.connect([(from, near_life), (to, life)]);
        self.hosts[from.0].links.insert(link);
        if let Some(link) = self.network.links.get_mut(&link) {
            link.ends[0].state = EndState::Up;
        }
        self.observe(&Fact::Connected { from, to });
        let now = self.now;
        self.put(link, 0, now, Item::Opened);
        let conn = conn_of(link, 0);
        self.drive(from, |role, now| {
            role.handle_connected(conn, Some(dial), found, &address, now)
        });
    }

    fn pinged(&mut self, number: u64, answers: bool) {
        if let Some(dialing) = self.dials.get_mut(&number).filter(|dialing| dialing.pings) {
            dialing.pings = false;
            let (host, dial) = (dialing.host, dialing.dial);
            self.drive(host, |role, now| role.handle_pinged(dial, answers, now));
        }
    }

    /// One endpoint failed: the next is tried. Nobody is there only if nobody is there at any.
    fn endpoint_failed(&mut self, number: u64, error: DialError) {
        if let Some(dialing) = self.dials.get_mut(&number) {
            let is_gone = |error: &DialError| {
                matches!(
                    error,
                    DialError::Refused(_) | DialError::WrongIdentity { .. }
                )
            };
            if dialing
                .failure
                .as_ref()
                .is_none_or(|worst| is_gone(worst) || !is_gone(&error))
            {
                dialing.failure = Some(error);
            }
            dialing.index += 1;
        }
        self.try_endpoint(number);
    }

    fn dial_failed(&mut self, number: u64, error: DialError) {
        let Some(dialing) = self.dials.get(&number) else {
            return;
        };
        let (host, dial) = (dialing.host, dialing.dial);
        if dialing.pings {
            // What the host answers is found out before the failure is told.
            let target = dialing
                .endpoints
                .first()
                .and_then(|endpoint| self.by_address.get(endpoint))
                .copied();
            let answers = target.is_some_and(|target| self.reaches(host, target));
            self.pinged(number, answers);
        }
        if self.dials.remove(&number).is_some() {
            self.hosts[host.0].dials.remove(&dial);
            self.drive(host, |role, now| role.handle_dial_failed(dial, error, now));
        }
    }

    fn failed_at(&self, number: u64, what: &str) -> String {
        let dialing = self.dials.get(&number);
        let endpoint = dialing.and_then(|dialing| dialing.endpoints.get(dialing.index));
        format!("{}: {what}", endpoint.map_or("", String::as_str))
    }

    fn later(&mut self, number: u64, at: Duration, step: Step) {
        self.queue.push(at, Due::Dial(number, step));
    }
}
