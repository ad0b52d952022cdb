//! What the world does with connections: it carries frames, and breaks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_node::limits::{FRAME_COST, QUEUE_BYTES_MAX, UNPROVEN_MAX, WRITE_MAX};
use quorate_node::roles::{ConnId, Frame};

use super::{Due, FRAME_MAX, World, conn_of, end_of};
use crate::fact::Fact;
use crate::host::HostId;
use crate::network::{EndState, Item, KERNEL_BUFFER};
use crate::trace::Entry;

impl World {
    pub(super) fn send(&mut self, id: HostId, conns: &[ConnId], frame: Frame) {
        let Some((frame, bytes)) = self.encode(id, frame) else {
            return;
        };
        let to: Vec<HostId> = conns
            .iter()
            .filter_map(|conn| self.far_host(id, *conn))
            .collect();
        let len = bytes.len();
        self.observe(&Fact::Sent {
            host: id,
            to: &to,
            frame: &frame,
            len,
        });
        let sent = Entry::Sent {
            from: id,
            copies: to.len(),
            name: name_of(&frame),
            len,
            text: self.trace.is_read().then(|| text_of(&frame)),
        };
        self.trace.note(self.now, sent, &bytes);
        let frame = Arc::new(frame);
        for conn in conns {
            self.send_one(id, *conn, &frame, len);
        }
    }

    fn send_one(&mut self, id: HostId, conn: ConnId, frame: &Arc<Frame>, len: usize) {
        let (number, end) = end_of(conn);
        let now = self.now;
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        let to = link.ends[1 - end].host;
        let near = &mut link.ends[end];
        if near.state != EndState::Up || near.host != id {
            return;
        }
        let cost = len.max(FRAME_COST);
        let is_full = near.stream.bytes + cost > KERNEL_BUFFER + QUEUE_BYTES_MAX;
        let is_stuck = near.stream.bytes > KERNEL_BUFFER
            && near
                .stream
                .stuck_since
                .is_some_and(|since| now > since + WRITE_MAX);
        if len > FRAME_MAX || is_full || is_stuck {
            let cause = if is_full {
                self.observe(&Fact::TooSlow { host: id, to });
                "it takes messages too slowly".to_owned()
            } else if is_stuck {
                format!("nothing could be sent for {WRITE_MAX:?}")
            } else {
                format!("a frame of {len} bytes is longer than the limit of {FRAME_MAX}")
            };
            // In a turn of its own: what a role wants else at this moment keeps its order.
            self.queue.push(now, Due::Abort(number, end, cause));
            return;
        }
        near.stream.bytes += cost;
        // What is sent waits for what was sent before, over all connections of a host.
        let host = &mut self.hosts[id.0];
        let bandwidth = self.network.weather.bandwidth.max(1);
        let busy =
            Duration::from_nanos((len as u64 + 60).saturating_mul(1_000_000_000) / bandwidth);
        host.sending_until = host.sending_until.max(now) + busy;
        let sent = host.sending_until;
        self.put(number, end, sent, Item::Frame(frame.clone(), len));
    }

    /// Puts something on a stream.
    pub(super) fn put(&mut self, number: u64, end: usize, sent: Duration, item: Item) {
        let (at, is_reset) = self.network.arrival(number, end, sent);
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        link.ends[end].stream.items.push_back((at, item));
        if is_reset {
            // In a turn of its own: what a role wants else at this moment keeps its order.
            self.queue.push(self.now, Due::Reset(number));
        }
        self.schedule(number, end);
    }

    fn schedule(&mut self, number: u64, end: usize) {
        let now = self.now;
        let Some(stream) = self
            .network
            .links
            .get_mut(&number)
            .map(|link| &mut link.ends[end].stream)
        else {
            return;
        };
        if let Some((at, _)) = stream.items.front()
            && !stream.is_scheduled
            && stream.stuck_since.is_none()
        {
            stream.is_scheduled = true;
            self.queue.push((*at).max(now), Due::Arrive(number, end));
        }
    }

    pub(super) fn arrive(&mut self, number: u64, end: usize) {
        let now = self.now;
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        let (from, to) = (link.ends[end].host, link.ends[1 - end].host);
        let far_state = link.ends[1 - end].state;
        link.ends[end].stream.is_scheduled = false;
        let host = &self.hosts[to.0];
        let is_deaf = host.is_paused && far_state != EndState::Vanished;
        if is_deaf || !host.has_power || self.network.is_cut(from, to) {
            self.network.stuck.insert((number, end));
            if let Some(link) = self.network.links.get_mut(&number) {
                link.ends[end].stream.stuck_since.get_or_insert(now);
            }
            return;
        }
        if far_state == EndState::Vanished {
            // The host knows nothing of such a connection.
            self.abort(number, end, "connection reset by peer");
            return;
        }
        if let Some(rate) = host.reads.filter(|_| far_state == EndState::Up) {
            let host = &mut self.hosts[to.0];
            if host.reading_until > now {
                let until = host.reading_until;
                self.queue.push(until, Due::Arrive(number, end));
                if let Some(link) = self.network.links.get_mut(&number) {
                    link.ends[end].stream.is_scheduled = true;
                }
                return;
            }
            let len = self.network.links.get(&number).and_then(|link| {
                match link.ends[end].stream.items.front() {
                    Some((_, Item::Frame(_, len))) => Some(*len as u64),
                    _ => None,
                }
            });
            let busy =
                Duration::from_nanos(len.unwrap_or(0).saturating_mul(1_000_000_000) / rate.max(1));
            self.hosts[to.0].reading_until = now + busy;
        }
        let Some((_, item)) = self
            .network
            .links
            .get_mut(&number)
            .and_then(|link| link.ends[end].stream.items.pop_front())
        else {
            return;
        };
        if far_state == EndState::Closed {
            // Nobody reads it any more.
            if let (Item::Frame(_, len), Some(link)) = (&item, self.network.links.get_mut(&number))
            {
                let stream = &mut link.ends[end].stream;
                stream.bytes = stream.bytes.saturating_sub((*len).max(FRAME_COST));
            }
            if matches!(item, Item::Fin) {
                self.remove(number);
            }
        } else {
            self.deliver(number, end, to, item);
        }
        self.schedule(number, end);
    }

    fn deliver(&mut self, number: u64, end: usize, to: HostId, item: Item) {
        let conn = conn_of(number, 1 - end);
        match item {
            Item::Opened => self.opened(number, end, to, conn),
            Item::Frame(frame, len) => {
                let Some(link) = self.network.links.get_mut(&number) else {
                    return;
                };
                let near = &mut link.ends[end];
                near.stream.bytes = near.stream.bytes.saturating_sub(len.max(FRAME_COST));
                let far = &mut link.ends[1 - end];
                far.came += 1;
                if far.came > 1 && !far.is_accepted {
                    far.held.push_back((frame, len));
                    return;
                }
                let is_refusal = far.came == 1 && matches!(*frame, Frame::Message(_));
                self.hand_over(number, end, to, frame, len);
                if is_refusal {
                    self.end_closed(number, 1 - end, "it was refused");
                }
            }
            Item::Fin => {
                let cause = "the connection was closed";
                self.end_closed(number, 1 - end, cause);
            }
        }
    }

    fn opened(&mut self, number: u64, end: usize, to: HostId, conn: ConnId) {
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        let (from, life) = (link.ends[end].host, link.ends[1 - end].life);
        let host = &self.hosts[to.0];
        // The process that answered the handshake may be dead by now, or have a successor that knows nothing of it.
        if host.life != life || !host.is_up() || host.unproven >= UNPROVEN_MAX {
            self.reset(number);
            return;
        }
        link.ends[1 - end].state = EndState::Up;
        let remote = self.hosts[from.0].id();
        let host = &mut self.hosts[to.0];
        host.unproven += 1;
        host.links.insert(number);
        let ip = self.hosts[from.0]
            .address
            .rsplit_once(':')
            .map_or("", |(ip, _)| ip);
        let address = format!("{ip}:{}", 32_768 + number % 28_000);
        self.drive(to, |role, now| {
            role.handle_connected(conn, None, remote, &address, now)
        });
    }

    fn hand_over(&mut self, number: u64, end: usize, to: HostId, frame: Arc<Frame>, len: usize) {
        let Some(from) = self
            .network
            .links
            .get(&number)
            .map(|link| link.ends[end].host)
        else {
            return;
        };
        let name = name_of(&frame);
        self.trace.note(
            self.now,
            Entry::Arrived { from, to, name },
            &number.to_le_bytes(),
        );
        self.observe(&Fact::Arrived {
            from,
            to,
            link: number,
            frame: &frame,
            len,
        });
        let conn = conn_of(number, 1 - end);
        let frame = Arc::unwrap_or_clone(frame);
        self.drive(to, |role, now| role.handle_frame(conn, frame, now));
    }

    /// The role takes the other end's hello: what came after it is handed over.
    pub(super) fn accept(&mut self, id: HostId, conn: ConnId) {
        let (number, end) = end_of(conn);
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        if link.ends[end].is_accepted || link.ends[end].host != id {
            return;
        }
        link.ends[end].is_accepted = true;
        if end == 1 {
            let host = &mut self.hosts[id.0];
            host.unproven = host.unproven.saturating_sub(1);
        }
        // Put back in front of what is still on its way, so that it is handed over in a turn of its own.
        let held = std::mem::take(&mut link.ends[end].held);
        let now = self.now;
        for (frame, len) in held.into_iter().rev() {
            if let Some(link) = self.network.links.get_mut(&number) {
                let stream = &mut link.ends[1 - end].stream;
                stream.bytes += len.max(FRAME_COST);
                stream.items.push_front((now, Item::Frame(frame, len)));
            }
        }
        self.schedule(number, 1 - end);
    }

    /// A process closes a connection: what it sent before still arrives.
    pub(super) fn close(&mut self, id: HostId, conn: ConnId) {
        let (number, end) = end_of(conn);
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        if link.ends[end].host != id || link.ends[end].state != EndState::Up {
            return;
        }
        self.forget_end(number, end);
        if let Some(link) = self.network.links.get_mut(&number) {
            link.ends[end].state = EndState::Closed;
            if link.ends[1 - end].state == EndState::Closed {
                self.remove(number);
            } else {
                let sent = self.hosts[id.0].sending_until.max(self.now);
                self.put(number, end, sent, Item::Fin);
            }
        }
        // Called while the role's outputs are carried out; what it wants after this comes in the same turn.
        let host = &mut self.hosts[id.0];
        let now = host.clock.now(self.now);
        if let Some(process) = &mut host.process {
            process
                .role_mut()
                .handle_closed(conn, "closed by this node", now);
        }
    }

    /// One end learns that the connection is gone.
    fn end_closed(&mut self, number: u64, end: usize, cause: &str) {
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        let (state, host, life) = (
            link.ends[end].state,
            link.ends[end].host,
            link.ends[end].life,
        );
        self.forget_end(number, end);
        self.remove(number);
        if state == EndState::Up && self.hosts[host.0].life == life {
            let conn = conn_of(number, end);
            self.drive(host, |role, now| role.handle_closed(conn, cause, now));
        }
    }

    /// One end gives the connection up at once; the other learns it as a reset, if it can be reached.
    pub(super) fn abort(&mut self, number: u64, end: usize, cause: &str) {
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        let (near, far) = (&link.ends[end], &link.ends[1 - end]);
        let (host, life, far_host) = (near.host, near.life, far.host);
        let was_up = near.state == EndState::Up;
        let is_told = far.state == EndState::Up && !self.network.is_cut(host, far_host);
        if is_told {
            self.forget_end(number, end);
            if let Some(link) = self.network.links.get_mut(&number) {
                link.ends[end].state = EndState::Closed;
                link.ends[end].stream.items.clear();
                link.ends[end].stream.bytes = 0;
                link.ends[end].stream.stuck_since = None;
            }
            self.network.stuck.remove(&(number, end));
            let now = self.now;
            self.put(number, end, now, Item::Fin);
        } else {
            self.forget_end(number, end);
            self.forget_end(number, 1 - end);
            self.remove(number);
        }
        if was_up && self.hosts[host.0].life == life {
            let conn = conn_of(number, end);
            self.drive(host, |role, now| role.handle_closed(conn, cause, now));
        }
    }

    /// The connection breaks at both ends; what was on its way is lost.
    pub fn reset(&mut self, number: u64) {
        let Some(link) = self.network.links.get(&number) else {
            return;
        };
        let ends = [0, 1].map(|end| {
            (
                link.ends[end].state,
                link.ends[end].host,
                link.ends[end].life,
            )
        });
        self.network.disturb(ends[0].1, ends[1].1, self.now);
        self.forget_end(number, 0);
        self.forget_end(number, 1);
        self.remove(number);
        for (end, (state, host, life)) in ends.into_iter().enumerate() {
            if state == EndState::Up && self.hosts[host.0].life == life {
                let conn = conn_of(number, end);
                self.drive(host, |role, now| {
                    role.handle_closed(conn, "connection reset by peer", now)
                });
            }
        }
    }

    /// The numbers of all connections that both ends use.
    pub fn connections(&self) -> Vec<u64> {
        let is_up =
            |link: &crate::network::Link| link.ends.iter().all(|end| end.state == EndState::Up);
        self.network
            .links
            .iter()
            .filter(|(_, link)| is_up(link))
            .map(|(number, _)| number)
            .collect()
    }

    /// Cuts the wires from some hosts to some others, in that direction.
    pub fn cut(&mut self, from: BTreeSet<HostId>, to: BTreeSet<HostId>) {
        self.network.cut(from, to);
    }

    /// Mends all wires; what stood still flows again after a while.
    pub fn mend(&mut self) {
        self.network.mend(self.now);
        self.flow();
    }

    /// Lets streams flow on that are held up by nothing any more.
    pub(super) fn flow(&mut self) {
        for (number, end) in std::mem::take(&mut self.network.stuck) {
            let Some(link) = self.network.links.get(&number) else {
                continue;
            };
            let (from, to) = (link.ends[end].host, link.ends[1 - end].host);
            let is_paused =
                self.hosts[to.0].is_paused && link.ends[1 - end].state != EndState::Vanished;
            if is_paused || !self.hosts[to.0].has_power || self.network.is_cut(from, to) {
                self.network.stuck.insert((number, end));
                continue;
            }
            let now = self.now;
            let since = link.ends[end].stream.stuck_since.unwrap_or(now);
            let span = self.network.recovery(now.saturating_sub(since));
            self.network.disturb(from, to, now + span);
            if let Some(link) = self.network.links.get_mut(&number) {
                let stream = &mut link.ends[end].stream;
                stream.stuck_since = None;
                if let Some((at, _)) = stream.items.front_mut() {
                    *at = now + span;
                }
            }
            self.schedule(number, end);
        }
    }

    /// A connection's end is its host's no more.
    pub(super) fn forget_end(&mut self, number: u64, end: usize) {
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        let near = &mut link.ends[end];
        near.held.clear();
        let host = &mut self.hosts[near.host.0];
        if host.life == near.life && host.links.remove(&number) && end == 1 && !near.is_accepted {
            host.unproven = host.unproven.saturating_sub(1);
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.network.stuck.remove(&(number, 0));
        self.network.stuck.remove(&(number, 1));
        if let Some(link) = self.network.links.remove(&number) {
            let [from, to] = link.ends.map(|end| end.host);
            self.observe(&Fact::Disconnected { from, to });
        }
    }

    fn far_host(&self, id: HostId, conn: ConnId) -> Option<HostId> {
        let (number, end) = end_of(conn);
        let link = self.network.links.get(&number)?;
        (link.ends[end].host == id).then(|| link.ends[1 - end].host)
    }
}

/// The longest text of a frame, in characters.
const TEXT_MAX: usize = 600;

fn text_of(frame: &Frame) -> String {
    format!("{frame:?}").chars().take(TEXT_MAX).collect()
}

const fn name_of(frame: &Frame) -> &'static str {
    match frame {
        Frame::Hello(_) => "HELLO",
        Frame::Message(message) => message.name(),
    }
}
