//! A run that never was, told fact by fact, and its numbers by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_consensus::{Digest, NetworkId, NodeId, Record, Unproven};
use quorate_gossip::{self as gossip, Content, MessageId, Published};
use quorate_node::protocol::{Goodbye, JoinMessage, Message, RosterMessage};
use quorate_node::roles::{Bootstrap, Frame, Reply, Request};
use quorate_node::{Admission, Delivery, Discovery, Event, Options, Party};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::spread::percentile;
use super::*;
use crate::clock::Clock;
use crate::dishonest::Conduct;
use crate::fact::Truth;
use crate::host::{Host, Kind, Setup};
use crate::network::{Network, Weather};
use crate::process::Process;

/// Seven hosts: a seed and six peers, the last of which lies.
const SEED: HostId = HostId(0);
const LIAR: HostId = HostId(6);

struct Stage {
    hosts: Vec<Host>,
    network: Network,
    truth: Truth,
    meter: Meter,
    now: Duration,
}

impl Stage {
    fn new() -> Self {
        let clock = || Clock::new(Instant::now());
        let host = |index: usize| {
            let setup = Setup {
                kind: if index == 0 { Kind::Seed } else { Kind::Peer },
                conduct: (index == LIAR.0).then_some(Conduct::Withholder),
                options: Options::default(),
                discovery: Discovery::default(),
                admission: Admission::default(),
            };
            let signer = Arc::new(Unproven::signer(node(HostId(index))));
            Host::new(format!("10.0.0.{index}:5000"), signer, setup, clock())
        };
        let hosts: Vec<Host> = (0..=LIAR.0).map(host).collect();
        let by_id: BTreeMap<NodeId, HostId> = (0..hosts.len())
            .map(|index| (node(HostId(index)), HostId(index)))
            .collect();
        Self {
            hosts,
            network: Network::new(Weather::CALM, 1, ChaCha8Rng::seed_from_u64(1)),
            truth: Truth {
                seeds: None,
                electorate: None,
                later: Vec::new(),
                wishes: Vec::new(),
                scheme: Arc::new(Unproven),
                by_id,
                equivocators: 0,
                fork_told: false,
                gone: BTreeSet::new(),
                unwanted: BTreeSet::new(),
            },
            meter: Meter::default(),
            now: Duration::ZERO,
        }
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.now = Duration::from_millis(ms);
        self
    }

    fn see(&mut self, fact: &Fact<'_>) -> &mut Self {
        let view = View {
            now: self.now,
            hosts: &self.hosts,
            network: &self.network,
            truth: &self.truth,
        };
        self.meter.see(fact, view);
        self
    }

    fn started(&mut self, host: usize) -> &mut Self {
        self.see(&Fact::Started(HostId(host)))
    }

    fn dies(&mut self, host: usize) -> &mut Self {
        let by_itself = false;
        self.see(&Fact::Stopped {
            host: HostId(host),
            by_itself,
        })
    }

    fn told(&mut self, host: usize, event: &Event) -> &mut Self {
        let host = HostId(host);
        self.see(&Fact::Told { host, event })
    }

    fn joined(&mut self, host: usize, incarnation: u64) -> &mut Self {
        self.told(host, &Event::Joined { incarnation })
    }

    fn sent(&mut self, host: usize, copies: usize, message: Message, len: usize) -> &mut Self {
        let to = vec![SEED; copies];
        self.see(&Fact::Sent {
            host: HostId(host),
            to: &to,
            frame: &Frame::Message(message),
            len,
        })
    }

    fn asks(&mut self, host: usize) -> &mut Self {
        let request = Message::RegisterRequest(record(host));
        self.sent(host, 1, request, 100)
    }

    /// An application is told that its broadcast is under way.
    fn says(&mut self, host: usize, id: u8) -> &mut Self {
        let published = Published {
            id: message(id),
            neighbors: 3,
        };
        self.see(&Fact::Replied {
            host: HostId(host),
            request: &Request::Broadcast(Bytes::new()),
            reply: &Reply::Broadcast(Ok(published)),
        })
    }

    /// A copy of a broadcast comes.
    fn gets(&mut self, host: usize, origin: usize) -> &mut Self {
        let content = Content::Application {
            origin: node(HostId(origin)),
            incarnation: 1,
            sequence: 0,
            payload: Bytes::from_static(b"hello"),
            signature: Bytes::new(),
        };
        let message = gossip::Message::Gossip {
            hop_count: 1,
            content: content.encode(),
        };
        self.see(&Fact::Arrived {
            from: SEED,
            to: HostId(host),
            link: 0,
            frame: &Frame::Message(Message::Gossip(message)),
            len: 100,
        })
    }

    fn hears(&mut self, host: usize, id: u8, hop_count: u16) -> &mut Self {
        let event = Event::Message(Delivery {
            id: message(id),
            origin: party(1),
            incarnation: 1,
            sequence: 0,
            payload: Bytes::new(),
            from: party(2),
            hop_count,
        });
        self.told(host, &event)
    }

    fn confirms(&mut self, host: usize, dead: usize, incarnation: u64) -> &mut Self {
        let event = Event::DeadConfirmed {
            member: party(dead),
            incarnation,
            votes: 2,
            quorum: 2,
        };
        self.told(host, &event)
    }

    fn metrics(&self) -> Metrics {
        self.meter.metrics(77)
    }
}

fn node(host: HostId) -> NodeId {
    NodeId::from(host.0 as u64 + 1)
}

fn party(host: usize) -> Party {
    Party {
        id: node(HostId(host)),
        address: None,
    }
}

fn message(id: u8) -> MessageId {
    MessageId::from_bytes([id; 32])
}

fn record(host: usize) -> Record {
    let signer = Unproven::signer(node(HostId(host)));
    let endpoints = vec!["10.0.0.1:5000".to_owned()];
    Record::sign(&signer, NetworkId::NONE, endpoints, 1, 1, 1).unwrap()
}

fn spread(count: u64, median_ms: u64, p95_ms: u64, max_ms: u64) -> Spread {
    Spread {
        count,
        median_us: median_ms * 1_000,
        p95_us: p95_ms * 1_000,
        max_us: max_ms * 1_000,
    }
}

#[test]
fn a_percentile_is_the_nearest_rank() {
    let twenty: Vec<u64> = (1..=20).collect();
    let of = |percent| percentile(&twenty, percent);
    assert_eq!((of(50), of(95), of(100), of(0)), (10, 19, 20, 1));
    assert_eq!(percentile(&[7], 50), 7);
    assert_eq!(percentile(&[], 95), 0);
    // The middle of three, not of two of them.
    assert_eq!(percentile(&[1, 2, 9], 50), 2);
}

#[test]
fn an_admission_takes_from_the_first_request_of_the_process_to_its_word() {
    let mut stage = Stage::new();
    (1..=5).for_each(|host| {
        stage.started(host);
    });
    // Asked twice.
    stage.at(100).asks(1).at(150).asks(1).at(900).joined(1, 1);
    stage.at(1_000).asks(2).asks(3).at(1_400).joined(2, 1);
    // It dies while it asks, and its successor asks again.
    stage.at(1_410).dies(3).at(1_500).started(3);
    stage.at(1_700).asks(3).at(1_800).joined(3, 1);
    // It asks nobody: it founds, or is in from before.
    stage.at(2_000).joined(4, 1);
    // In an open network.
    let request = Message::Join(JoinMessage::Request(record(5)));
    stage.at(2_000).sent(5, 1, request, 100);
    stage.at(2_050).joined(5, 1);
    // What a liar says of itself.
    stage.asks(6).at(9_000).joined(6, 1);
    assert_eq!(stage.metrics().admissions, spread(4, 100, 800, 800));
}

#[test]
fn who_is_put_out_asks_anew() {
    let mut stage = Stage::new();
    stage.started(1).at(100).asks(1).at(200).joined(1, 1);
    stage.at(5_000).told(1, &Event::Evicted { incarnation: 1 });
    stage.at(5_100).asks(1).at(5_150).joined(1, 2);
    assert_eq!(stage.metrics().admissions, spread(2, 50, 100, 100));
}

#[test]
fn evictions_count_once_and_take_from_the_death_to_the_first_and_last_that_hear_of_it() {
    let mut stage = Stage::new();
    for host in 1..=5 {
        stage.started(host).joined(host, 1);
    }
    // Dead for good; heard of by a seed, two members, and a liar.
    stage.at(5_000).dies(3).at(5_100).confirms(0, 3, 1);
    stage
        .at(5_200)
        .confirms(1, 3, 1)
        .at(5_300)
        .confirms(2, 3, 1);
    stage.at(5_400).confirms(6, 3, 1);
    // Dead, but not for good: a later process runs. It is told of the past, late.
    stage.at(5_450).dies(4).at(5_480).confirms(1, 4, 1);
    stage.at(5_500).started(4).joined(4, 2);
    stage.at(6_000).confirms(4, 3, 1);
    // Alive, and evicted all the same.
    stage.at(7_000).confirms(1, 2, 1).confirms(4, 2, 1);
    stage.told(2, &Event::Evicted { incarnation: 1 });
    // Nobody has noticed yet.
    stage.at(8_000).dies(1);
    // It leaves.
    stage.see(&Fact::Stopped {
        host: HostId(5),
        by_itself: true,
    });
    assert_eq!(
        stage.metrics().evictions,
        Evictions {
            count: 3,
            of_running: 1,
            dead_for_good: 2,
            first: spread(1, 100, 100, 100),
            last: spread(1, 300, 300, 300),
        }
    );
}

#[test]
fn broadcasts_are_due_to_those_who_are_in_and_stay() {
    let mut stage = Stage::new();
    for host in 1..=4 {
        stage.started(host).joined(host, 1);
    }
    stage.started(6).joined(6, 1);
    // Due to 2, 3 and 4. 2 gets it twice, and so does the origin once.
    stage.at(2_000).says(1, 7);
    stage
        .at(2_010)
        .gets(2, 1)
        .hears(2, 7, 1)
        .gets(2, 1)
        .gets(1, 1);
    // What liars get and say is not counted.
    stage
        .gets(6, 1)
        .hears(6, 7, 1)
        .says(6, 9)
        .gets(2, 6)
        .hears(2, 9, 1);
    stage.at(2_020).dies(4);
    stage.at(2_030).gets(3, 1).hears(3, 7, 2);
    // It comes again, and gets it then: a delivery that was not due.
    stage.at(3_000).started(4).joined(4, 2).at(3_100);
    stage.gets(4, 1).hears(4, 7, 3);
    // Due to 1, 3 and 4; only the first of them hears it.
    stage.at(4_000).says(2, 8);
    stage.at(4_005).gets(1, 2).hears(1, 8, 3);
    stage.told(
        3,
        &Event::Gap {
            origin: party(2),
            incarnation: 1,
            first: 4,
            last: 6,
        },
    );
    assert_eq!(
        stage.metrics().gossip,
        Gossip {
            broadcasts: 2,
            deliveries: 4,
            expected: 5,
            missing: 2,
            gaps: 3,
            latency: spread(3, 10, 30, 30),
            last_hop: Hops { median: 2, max: 3 },
            copies: 6,
            redundancy_permille: 500,
        }
    );
    // Put out, as one who died: nothing is due to it.
    stage.told(3, &Event::Evicted { incarnation: 1 });
    let gossip = stage.metrics().gossip;
    assert_eq!((gossip.expected, gossip.missing), (4, 1));
}

#[test]
fn frames_count_once_for_each_they_are_for_and_by_kind() {
    let mut stage = Stage::new();
    let proof = Content::<NodeId>::Proof {
        kind: 1,
        body: Bytes::new(),
    };
    let payload = gossip::Message::Gossip {
        hop_count: 1,
        content: proof.encode(),
    };
    let ids = || vec![message(1)];
    stage
        .sent(1, 3, Message::Gossip(payload), 200)
        .sent(
            1,
            1,
            Message::Gossip(gossip::Message::IHave { ids: ids() }),
            40,
        )
        .sent(
            2,
            1,
            Message::Gossip(gossip::Message::Graft { ids: ids() }),
            50,
        )
        .sent(
            2,
            2,
            Message::Gossip(gossip::Message::Ping { nonce: 1 }),
            11,
        )
        .sent(
            2,
            1,
            Message::Gossip(gossip::Message::Pong { nonce: 1 }),
            11,
        )
        .sent(
            0,
            1,
            Message::Roster(RosterMessage::Digest(Digest::new([0; 32]))),
            34,
        )
        .sent(1, 1, Message::Probe { nonce: 1 }, 9)
        .sent(1, 0, Message::Welcome, 1)
        .sent(1, 1, Message::Goodbye(Goodbye::Done), 2)
        .sent(6, 5, Message::Welcome, 1);
    let volume = |frames, bytes| Volume { frames, bytes };
    for host in [0, 1, 6] {
        stage.hosts[host].process = Some(bootstrap(host));
    }
    stage.hosts[1].is_paused = true;
    // One honest node ran for two seconds, then two for one.
    stage.see(&Fact::Tick).see(&Fact::Tick);
    stage.hosts[1].is_paused = false;
    stage.see(&Fact::Tick);
    let expected = Traffic {
        total: volume(11, 768),
        payloads: volume(3, 600),
        ids: volume(2, 90),
        heartbeats: volume(3, 33),
        council: volume(0, 0),
        roster: volume(1, 34),
        suspicion: volume(1, 9),
        others: volume(1, 2),
        by_liars: volume(5, 5),
        node_seconds: 4,
        frames_per_node_second_milli: 2_750,
        bytes_per_node_second: 192,
    };
    assert_eq!(stage.metrics().traffic, expected);
}

#[test]
fn connections_and_steps_are_counted() {
    let mut stage = Stage::new();
    let (from, to) = (HostId(1), HostId(2));
    stage.see(&Fact::Connected { from, to });
    stage.see(&Fact::Connected { from, to });
    stage.see(&Fact::TooSlow { host: from, to });
    stage.see(&Fact::Disconnected { from, to });
    let metrics = stage.metrics();
    let expected = Connections {
        made: 2,
        ended: 1,
        too_slow: 1,
    };
    assert_eq!((metrics.connections, metrics.steps), (expected, 77));
}

#[test]
fn the_table_names_units_and_what_was_not() {
    let mut stage = Stage::new();
    stage.started(1).at(100).asks(1).at(112).joined(1, 1);
    let text = stage.metrics().to_string();
    let line = |name: &str| {
        text.lines()
            .find(|line| line.trim().starts_with(name))
            .unwrap()
    };
    assert!(line("admissions").ends_with("median 12.000 ms, p95 12.000 ms, at most 12.000 ms"));
    assert!(line("known to the last").ends_with("none"));
    assert!(line("sent ").ends_with("100 bytes"));
    assert_eq!(line("steps").split_whitespace().last(), Some("77"));
}

fn bootstrap(host: usize) -> Process {
    let now = Clock::new(Instant::now()).now(Duration::ZERO);
    let bootstrap = Bootstrap::new(node(HostId(host)), &Options::default(), 1, now);
    Process::Bootstrap(Box::new(bootstrap))
}
