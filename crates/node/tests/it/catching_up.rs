//! Two seeds whose rosters differ by thousands, over a slow wire: they end equal, and never is more than a few megabytes on
//! its way, however much is missing.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use quorate_node::consensus::{Now, Proof, Proposal, Record, Transcript, Unproven};
use quorate_node::protocol::Message;
use quorate_node::roles::{ConnId, Frame, Output, Role as _, Seed};
use quorate_node::store::Restored;
use quorate_node::{Event, NodeId, Options};
use quorate_wire::Format;

use crate::fuzz::{START_MS, certify, seeds, signer_of};

/// The one connection, at both ends.
const LINK: ConnId = ConnId(1);

/// Half of what a connection may queue.
const QUEUE_MAX: usize = 4 * 1024 * 1024;

/// How many bytes a wire carries while the other end answers what came before: so few that what is asked for comes much more
/// slowly than it is asked for.
const STEP: usize = 16 * 1024;

/// Two linked seeds, and what is on its way to each.
struct Pair {
    seeds: [Seed; 2],
    wires: [VecDeque<(Frame, usize)>; 2],
    queued: [usize; 2],
    most_queued: usize,
    frames: usize,
    format: Format,
    now: Now,
}

/// The admission of a member whose key is spread as real ones are, over all buckets.
fn admission(number: u64) -> Arc<Proof> {
    let key = Transcript::new("member").u64(number).finish();
    let node = signer_of(NodeId::new(*key.as_bytes()));
    let endpoints = vec!["127.0.0.1:6000".to_owned()];
    let record = Record::sign(&node, seeds().network(), endpoints, 1, 1, START_MS).unwrap();
    let certificate = certify(Proposal::Admit(record), [1, 2]);
    Arc::new(Proof::Admission(certificate))
}

impl Pair {
    /// Two seeds that know these members, linked.
    fn of(known: [Range<u64>; 2], format: Format) -> Self {
        let now = Now {
            instant: Instant::now(),
            unix_ms: START_MS,
        };
        let list = seeds();
        let seed = |number: u64, known: Range<u64>| {
            let restored = Restored {
                proofs: known.map(admission).collect(),
                ..Restored::default()
            };
            let options = Options {
                format,
                ..Options::default()
            };
            let signer = Arc::new(signer_of(NodeId::from(number)));
            let address = format!("127.0.0.1:{}", 5000 + number);
            let scheme = Arc::new(Unproven);
            Seed::new(
                signer, scheme, &address, &list, options, restored, number, now,
            )
            .unwrap()
        };
        let [first, second] = known;
        let mut pair = Self {
            seeds: [seed(1, first), seed(2, second)],
            wires: Default::default(),
            queued: [0; 2],
            most_queued: 0,
            frames: 0,
            format,
            now,
        };
        pair.link();
        pair
    }

    /// The first seed's dial to the second succeeds; all other dials stay unanswered.
    fn link(&mut self) {
        let mut dialed = None;
        while let Some(output) = self.seeds[0].poll_output() {
            if let Output::Dial {
                dial, endpoints, ..
            } = output
                && endpoints[0].ends_with(":5002")
            {
                dialed = Some(dial);
            }
        }
        while self.seeds[1].poll_output().is_some() {}
        let (a, b) = (NodeId::from(1), NodeId::from(2));
        self.seeds[0].handle_connected(LINK, dialed, b, "127.0.0.1:5002", self.now);
        self.seeds[1].handle_connected(LINK, None, a, "127.0.0.1:40000", self.now);
        self.carry_out(0);
        self.carry_out(1);
    }

    fn carry_out(&mut self, at: usize) {
        while let Some(output) = self.seeds[at].poll_output() {
            match output {
                Output::Send { to, frame } if to.contains(&LINK) => {
                    let len = match &frame {
                        Frame::Hello(_) => 0,
                        Frame::Message(message) => self.format.encode(message).unwrap().len(),
                    };
                    self.queued[at] += len;
                    self.most_queued = self.most_queued.max(self.queued[at]);
                    self.wires[at].push_back((frame, len));
                }
                Output::Write { write, .. } => {
                    self.seeds[at].handle_written(write, Ok(()), self.now);
                }
                Output::Close(conn) => panic!("{conn:?} was closed"),
                Output::Event(event @ Event::Refused { .. }) => panic!("{event}"),
                _ => {}
            }
        }
    }

    /// Carries bytes both ways, step by step, until there are none.
    fn run(&mut self) {
        let mut carried = [0; 2];
        while self.wires.iter().any(|wire| !wire.is_empty()) {
            for from in [0, 1] {
                carried[from] += STEP;
                let fits = |wire: &VecDeque<(Frame, usize)>, carried| {
                    wire.front().is_some_and(|(_, len)| *len <= carried)
                };
                while fits(&self.wires[from], carried[from])
                    && let Some((frame, len)) = self.wires[from].pop_front()
                {
                    carried[from] -= len;
                    self.queued[from] -= len;
                    self.frames += usize::from(matches!(frame, Frame::Message(Message::Roster(_))));
                    self.seeds[1 - from].handle_frame(LINK, frame, self.now);
                    self.carry_out(1 - from);
                }
                if self.wires[from].is_empty() {
                    carried[from] = 0;
                }
            }
        }
    }

    fn expect_equal(&mut self, members: usize, frames_max: usize) {
        self.run();
        let rosters = [0, 1].map(|at| self.seeds[at].council().roster());
        assert_eq!(rosters[0].digest(), rosters[1].digest());
        assert_eq!(rosters[0].member_count(), members);
        let Self {
            most_queued,
            frames,
            format,
            ..
        } = self;
        println!(
            "{members} members as {format}: {frames} frames, at most {most_queued} bytes queued"
        );
        assert!(*most_queued <= QUEUE_MAX, "{most_queued} bytes were queued");
        assert!(*frames <= frames_max, "{frames} frames");
    }
}

#[test]
fn a_seed_without_a_roster_fetches_ten_thousand_standings_through_a_small_queue() {
    let mut pair = Pair::of([0..0, 0..10_000], Format::Bincode);
    pair.expect_equal(10_000, 200);
}

#[test]
fn a_seed_without_a_roster_fetches_it_as_json_too() {
    let mut pair = Pair::of([0..4_000, 0..0], Format::Json);
    pair.expect_equal(4_000, 100);
}

#[test]
fn two_seeds_that_both_miss_thousands_fetch_them_one_after_the_other() {
    let mut pair = Pair::of([0..6_000, 3_000..9_000], Format::Bincode);
    pair.expect_equal(9_000, 200);
}

#[test]
fn a_small_difference_is_sent_without_being_asked_for() {
    let mut pair = Pair::of([0..500, 0..490], Format::Bincode);
    pair.expect_equal(500, 12);
}
