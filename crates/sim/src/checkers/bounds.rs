//! **Bounds**: memory and queues stay under their limits, whatever arrives. Of honest hosts:
//!
//! - no frame is longer than [`FRAME_LEN_MAX`], and no hello than [`HELLO_LEN_MAX`];
//! - accepted connections are at most as many as the options allow, in all and with one node, and those before their hello
//!   at most [`UNPROVEN_MAX`]. A node's own dials are not limited by the product, and not counted;
//! - at most [`WRITES_MAX`] writes wait for the disk;
//! - one input makes at most [`FRAMES_MAX`] frames;
//! - no connection brings more than [`QUESTIONS_MAX`] questions about suspects within [`QUESTIONS_SPAN`]: whoever asks more
//!   is cut off by a seed or a peer;
//! - what gossip holds is within its configuration;
//! - a connection is closed for taking too little only where something was amiss between its two ends, or one of them lies,
//!   in the last [`AMISS_MAX`].
//!
//! What a process holds is looked at once a second. Left out: what the council holds, which nothing shows; and which input
//! made a frame, so that two inputs at one moment may be counted as one, which the limit leaves room for.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_gossip::{Config, Usage};
use quorate_node::limits::UNPROVEN_MAX;
use quorate_node::protocol::{FRAME_LEN_MAX, HELLO_LEN_MAX, Message};
use quorate_node::roles::Frame;

use super::Checker;
use crate::fact::{Fact, View};
use crate::host::HostId;
use crate::network::EndState;
use crate::process::Process;

/// How many writes may wait. A seed has at most 1,024 proposals open, each with a vote and a few certificates.
pub const WRITES_MAX: usize = 8_192;

/// How many frames one input may make. One message can ask for 1,024 contents, and a new link brings a few more.
pub const FRAMES_MAX: usize = 10_000;

/// How many questions a connection may bring within how long: four times what the product allows, since its spans follow
/// each other and its clock may be fast.
pub const QUESTIONS_MAX: u32 = 1_024;
/// See [`QUESTIONS_MAX`].
pub const QUESTIONS_SPAN: Duration = Duration::from_secs(10);

/// How long something that was amiss explains that the other end takes too little.
pub const AMISS_MAX: Duration = Duration::from_secs(300);

/// Watches that nothing grows too far.
#[derive(Debug, Default)]
pub struct Bounds {
    /// Who sends, when, and how many frames by now.
    sending: Option<(HostId, Duration, usize)>,
    /// Since when so many questions have come on a connection to somebody.
    asked: BTreeMap<(u64, HostId), (Duration, u32)>,
}

impl Checker for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        match fact {
            Fact::Sent {
                host, frame, len, ..
            } if view.host(*host).is_honest() => self.sent(*host, frame, *len, view),
            Fact::TooSlow { host, to } => too_slow(*host, *to, view),
            Fact::Arrived {
                to,
                link,
                frame: Frame::Message(Message::SuspectRequest { .. }),
                ..
            } if matches!(
                view.host(*to).process,
                Some(Process::Seed(_) | Process::Peer(_))
            ) =>
            {
                self.sending = None;
                self.asked(*link, *to, view)
            }
            Fact::Tick => {
                self.asked
                    .retain(|_, (since, _)| *since + QUESTIONS_SPAN > view.now);
                self.sending = None;
                view.all()
                    .filter(|(_, host)| host.is_honest() && host.is_up())
                    .try_for_each(|(id, _)| look(id, view))
            }
            Fact::Told { .. } | Fact::Replied { .. } => Ok(()),
            // Another input.
            _ => {
                self.sending = None;
                Ok(())
            }
        }
    }
}

impl Bounds {
    /// A question is about to be handled.
    fn asked(&mut self, link: u64, to: HostId, view: View<'_>) -> Result<(), String> {
        let asked = self.asked.entry((link, to)).or_insert((view.now, 0));
        if asked.0 + QUESTIONS_SPAN <= view.now {
            *asked = (view.now, 0);
        }
        asked.1 += 1;
        if asked.1 > QUESTIONS_MAX {
            return Err(format!(
                "{} takes more than {QUESTIONS_MAX} questions within {QUESTIONS_SPAN:?} on one connection",
                view.name(to)
            ));
        }
        Ok(())
    }

    fn sent(
        &mut self,
        host: HostId,
        frame: &Frame,
        len: usize,
        view: View<'_>,
    ) -> Result<(), String> {
        let (what, max) = match frame {
            Frame::Hello(_) => ("a hello", HELLO_LEN_MAX),
            Frame::Message(message) => (message.name(), FRAME_LEN_MAX),
        };
        if len > max {
            return Err(format!(
                "{} sends {what} of {len} bytes; {max} is the limit",
                view.name(host)
            ));
        }
        let count = match self.sending {
            Some((sender, at, count)) if (sender, at) == (host, view.now) => count + 1,
            _ => 1,
        };
        self.sending = Some((host, view.now, count));
        if count > FRAMES_MAX {
            return Err(format!(
                "{} makes more than {FRAMES_MAX} frames of one input, the last {what}",
                view.name(host)
            ));
        }
        Ok(())
    }
}

fn too_slow(host: HostId, to: HostId, view: View<'_>) -> Result<(), String> {
    let is_honest = |id| view.host(id).is_honest();
    let since = view.answers_since(host, to);
    let was_well = since.is_some_and(|since| since + AMISS_MAX <= view.now);
    if is_honest(host) && is_honest(to) && was_well {
        return Err(format!(
            "{} takes {} for too slow, and nothing has been amiss between them since {:.3} s",
            view.name(host),
            view.name(to),
            since.unwrap_or_default().as_secs_f64()
        ));
    }
    Ok(())
}

/// What one host holds.
fn look(id: HostId, view: View<'_>) -> Result<(), String> {
    let host = view.host(id);
    let over = |what: &str, got: usize, max: usize| {
        if got <= max {
            return Ok(());
        }
        Err(format!(
            "{} has {got} {what}; {max} is the limit",
            view.name(id)
        ))
    };
    over("writes waiting", host.pending_writes(), WRITES_MAX)?;
    over("connections without a hello", host.unproven, UNPROVEN_MAX)?;
    let (all_max, each_max) = host.setup.options.connections_max;
    let mut accepted: Vec<HostId> = host
        .links
        .iter()
        .filter_map(|number| {
            let [dialler, acceptor] = &view.network.links.get(number)?.ends;
            let is_ours =
                acceptor.host == id && acceptor.life == host.life && acceptor.state == EndState::Up;
            is_ours.then_some(dialler.host)
        })
        .collect();
    over("accepted connections", accepted.len(), all_max)?;
    accepted.sort_unstable();
    for of_one in accepted.chunk_by(|a, b| a == b) {
        if of_one.len() > each_max {
            return Err(format!(
                "{} has {} accepted connections with {}; {each_max} is the limit",
                view.name(id),
                of_one.len(),
                view.name(of_one[0])
            ));
        }
    }
    let usage = match &host.process {
        Some(Process::Peer(peer)) => peer.gossip_usage(),
        Some(Process::Member(member)) => member.gossip_usage(),
        _ => return Ok(()),
    };
    held(&usage, &host.setup.options.gossip)
        .into_iter()
        .try_for_each(|(what, got, max)| over(what, got, max))
}

/// What gossip holds, with the limit of each.
fn held(usage: &Usage, config: &Config) -> [(&'static str, usize, usize); 6] {
    let wanted_max = usage
        .neighbors
        .saturating_mul(config.wanted_per_neighbor_max);
    [
        ("message ids seen", usage.seen, config.seen_max),
        ("origins known", usage.origins, config.origins_max),
        ("messages stored", usage.stored, config.store_count_max),
        (
            "bytes of messages stored",
            usage.stored_bytes,
            config.store_bytes_max,
        ),
        (
            "bytes of messages unchecked",
            usage.unchecked_bytes,
            config.unchecked_bytes_max,
        ),
        ("messages wanted", usage.wanted, wanted_max),
    ]
}
