//! What a run costs and how fast it is: counted from the same facts that checkers see, and never judged.
//!
//! Only what honest nodes do and are told is counted, but for what liars send, which is a number of its own. All times are
//! virtual. What each number means is said where it is: in [`Metrics`].

mod lives;
mod metrics;
mod speech;
mod spread;
#[cfg(test)]
mod tests;
mod text;
mod traffic;

use crate::fact::{Fact, View};
use crate::host::HostId;

pub use metrics::{Connections, Evictions, Gossip, Metrics, Traffic, Volume};
pub use spread::{Hops, Spread};

use lives::Lives;
use speech::Speech;

/// Watches a run from its start and counts.
#[derive(Debug, Default)]
pub struct Meter {
    lives: Lives,
    speech: Speech,
    traffic: Traffic,
    connections: Connections,
}

impl Meter {
    /// Something happened.
    pub fn see(&mut self, fact: &Fact<'_>, view: View<'_>) {
        let now = view.now;
        match fact {
            Fact::Started(host) => self.lives.started(*host),
            Fact::Stopped { host, by_itself } => {
                self.lives.stopped(*host, *by_itself, now);
                self.speech.gone(*host);
            }
            Fact::Told { host, event } if is_honest(*host, view) => {
                self.lives.told(*host, event, view);
                self.speech.told(*host, event, view);
            }
            Fact::Replied {
                host,
                request,
                reply,
            } if is_honest(*host, view) => {
                self.speech.replied(*host, request, reply, &self.lives, now);
            }
            Fact::Sent {
                host,
                to,
                frame,
                len,
            } => {
                if is_honest(*host, view) {
                    self.lives.sent(*host, frame, now);
                    traffic::count(&mut self.traffic, frame, to.len(), *len);
                } else {
                    self.traffic.by_liars.add(to.len(), *len);
                }
            }
            Fact::Arrived { to, frame, .. } if is_honest(*to, view) => {
                self.speech.arrived(frame, view);
            }
            Fact::Connected { .. } => self.connections.made += 1,
            Fact::Disconnected { .. } => self.connections.ended += 1,
            Fact::TooSlow { .. } => self.connections.too_slow += 1,
            Fact::Tick => {
                let running = view
                    .all()
                    .filter(|(_, host)| host.is_honest() && host.is_running());
                self.traffic.node_seconds += running.count() as u64;
            }
            _ => {}
        }
    }

    /// The numbers so far. `steps` is how many inputs roles were given.
    pub fn metrics(&self, steps: u64) -> Metrics {
        let mut traffic = self.traffic;
        let per_second = |number: u64| number / traffic.node_seconds.max(1);
        let total = traffic.total;
        traffic.frames_per_node_second_milli = per_second(total.frames.saturating_mul(1_000));
        traffic.bytes_per_node_second = per_second(total.bytes);
        Metrics {
            admissions: self.lives.admissions(),
            evictions: self.lives.evictions(),
            gossip: self.speech.gossip(),
            traffic,
            connections: self.connections,
            steps,
        }
    }
}

fn is_honest(host: HostId, view: View<'_>) -> bool {
    view.host(host).is_honest()
}
