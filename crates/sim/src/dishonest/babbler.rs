//! A peer that says the wrong thing at the wrong time: well-formed messages that do not belong on the connection, or not now,
//! on every kind of connection; a second hello, one of another network, one of a role that it does not have.
//!
//! Attacks: that nothing from outside panics, or takes a node where it should not be. Expected: it is told what was expected
//! and cut off, connection by connection; everybody else goes on.

use std::time::{Duration, Instant};

use quorate_consensus::{
    Choice, DeadReport, Digest, Finding, Inquiry, NetworkId, NodeId, Record, Testimony, assembly,
};
use quorate_gossip::{Message as Gossip, MessageId};
use quorate_node::protocol::{
    DiscoveryMessage, Goodbye, Hello, JoinMessage, Message, NeighborMessage, Purpose, Refusal,
    RoleKind, RosterMessage, VERSIONS,
};
use quorate_node::roles::{ConnId, Frame, Output};
use rand::{Rng as _, RngExt as _};

use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_millis(300);
const OWN_MAX: usize = 8;

const PURPOSES: [Purpose; 6] = [
    Purpose::Link,
    Purpose::Register,
    Purpose::Probe,
    Purpose::Testify,
    Purpose::Join,
    Purpose::Discover,
];

#[derive(Debug)]
pub(super) struct Babbler {
    beat: Beat,
}

impl Babbler {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, None, hands),
        }
    }
}

impl Deviation for Babbler {
    fn handle_opened(&mut self, conn: ConnId, _purpose: Purpose, hands: &mut Hands) {
        if hands.now.instant < hands.means.until {
            babble(conn, hands);
        } else {
            hands.close(conn);
        }
    }

    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) {
            return;
        }
        if hands.now.instant >= hands.means.until {
            for (conn, _) in hands.own_conns() {
                hands.close(conn);
            }
            return;
        }
        // On its own connections far more often than on the honest role's, which would never come to anything.
        let honest = hands.notes.all_ready();
        if hands.once_in(10)
            && let Some((conn, _)) = hands.pick(&honest)
        {
            babble(conn, hands);
        }
        let own = hands.own_conns();
        if let Some((conn, _)) = hands.pick(&own) {
            babble(conn, hands);
        }
        let members = hands.notes.members();
        let endpoints = members
            .iter()
            .filter_map(|(record, _)| record.endpoints.first());
        let endpoints: Vec<String> = hands.means.seeds.iter().chain(endpoints).cloned().collect();
        if hands.own_count() < OWN_MAX
            && let (Some(endpoint), Some(purpose)) = (hands.pick(&endpoints), hands.pick(&PURPOSES))
        {
            hands.dial(purpose, endpoint);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

fn babble(conn: ConnId, hands: &mut Hands) {
    if hands.once_in(6) {
        let hello = hello(hands);
        hands.pass(Output::Send {
            to: vec![conn],
            frame: Frame::Hello(hello),
        });
    } else {
        let message = message(hands);
        hands.send(conn, message);
    }
}

/// A hello that fits nobody, or comes too late.
fn hello(hands: &mut Hands) -> Hello {
    let roles = [
        RoleKind::Seed,
        RoleKind::Peer,
        RoleKind::Member,
        RoleKind::Bootstrap,
    ];
    let network = if hands.once_in(2) {
        NetworkId::NONE
    } else {
        hands.network()
    };
    Hello {
        versions: VERSIONS,
        network,
        seeds: Vec::new(),
        format: hands.means.format,
        purpose: hands.pick(&PURPOSES).unwrap_or(Purpose::Link),
        role: hands.pick(&roles).unwrap_or(RoleKind::Seed),
    }
}

/// Any message at all.
fn message(hands: &mut Hands) -> Message {
    let signer = hands.means.signer.clone();
    let members = hands.notes.members();
    let suspect = hands
        .pick(&members)
        .map_or_else(|| NodeId::from(1), |(record, _)| record.node);
    let mut bytes = [0; 32];
    hands.rng.fill_bytes(&mut bytes);
    let number = hands.rng.next_u64();
    let digest = Digest::new(bytes);
    let inquiry = Inquiry {
        network: hands.network(),
        suspect,
        incarnation: 1,
        attempt: number,
    };
    let endpoints = vec![hands.means.address.clone()];
    let unix_ms = hands.now.unix_ms;
    let record = || Record::sign(&*signer, inquiry.network, endpoints, number, 1, unix_ms).ok();
    match hands.rng.random_range(0..24) {
        0 => Message::Welcome,
        1 => Message::Neighbors(vec![suspect, NodeId::new(bytes)]),
        2 => Message::LinkCount(u32::MAX),
        3 => Message::LinkCounts(vec![(suspect, u32::MAX)]),
        4 => Message::Echo {
            nonce: number,
            record: Some(digest),
        },
        5 => Message::Probe { nonce: number },
        6 => Message::Gossip(Gossip::Pong { nonce: number }),
        7 => Message::Gossip(Gossip::Gossip {
            hop_count: u16::MAX,
            content: bytes.to_vec().into(),
        }),
        8 => {
            let ids = vec![MessageId::from_bytes(bytes)];
            Message::Gossip(Gossip::Graft { ids })
        }
        9 => Message::Roster(RosterMessage::Buckets(vec![digest; 3])),
        10 => Message::Roster(RosterMessage::Keys {
            buckets: vec![0, 0, 255],
            keys: Vec::new(),
        }),
        11 => Message::Roster(RosterMessage::Proofs(Vec::new())),
        12 => Message::RegisterRefused(Refusal::Unacceptable("no".to_owned())),
        13 => {
            let testimony = Testimony::sign(&*signer, inquiry, Finding::Alive, "");
            Message::SuspectResponse(testimony)
        }
        14 => {
            let none = (Vec::new(), Vec::new());
            let report = DeadReport::sign(&*signer, inquiry, String::new(), 0, none.0, none.1);
            Message::DeadReport(report)
        }
        15 => Message::DeadReportRefused {
            suspect,
            attempt: number,
            reason: "no".to_owned(),
        },
        16 => Message::Assembly(assembly::Message::Fetch { epoch: number }),
        17 => Message::Assembly(assembly::Message::OpinionsOn(digest)),
        18 => Message::Neighbor(NeighborMessage::Accept),
        19 => Message::Discovery(DiscoveryMessage::Known {
            members: Vec::new(),
            may_found: true,
            ask_again: true,
        }),
        20 => Message::Join(JoinMessage::Refused("no".to_owned())),
        21 => Message::Goodbye(Goodbye::Busy),
        22 => {
            let opinion = quorate_consensus::succession::Opinion::sign(
                &*signer,
                inquiry.network,
                digest,
                number,
                Choice::Yes,
                "",
            );
            Message::Join(JoinMessage::Opinion(opinion))
        }
        _ => record().map_or(Message::Welcome, Message::RegisterRequest),
    }
}
