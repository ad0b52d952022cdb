//! A peer that floods: messages, questions and connections, as fast as it is let, until its time is up.
//!
//! At most 40 connections of its own at a time, and at most 2000 frames within a second.
//!
//! Attacks: the bounds on memory and queues, and everybody else's service. Expected: it is refused, cut off, or heard within
//! the limits; the others' votes and messages go through all the while; when it stops, nothing of it remains.

use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_consensus::{Digest, Inquiry, NodeId};
use quorate_gossip::{Content, Message as Gossip, MessageId};
use quorate_node::protocol::{Message, Purpose, RosterMessage};
use quorate_node::roles::{ConnId, speech};
use rand::{Rng as _, RngExt as _};

use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_millis(20);

/// Per beat: so many that it makes less than 2000 within a second.
const FRAMES_PER_BEAT: usize = 38;
const OWN_MAX: usize = 40;
const DIALS_PER_BEAT: usize = 4;

/// Once in so many beats all is asked on one connection.
const STUBBORN_ONE_IN: u32 = 3;

/// How much it says in one message, in bytes.
const PAYLOAD_LEN: usize = 2000;

/// How many ids it names in one message.
const IDS: usize = 256;

#[derive(Debug)]
pub(super) struct Flooder {
    beat: Beat,
}

impl Flooder {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, None, hands),
        }
    }
}

impl Deviation for Flooder {
    fn handle_opened(&mut self, conn: ConnId, _purpose: Purpose, hands: &mut Hands) {
        // Dialled before its time was up.
        if hands.now.instant >= hands.means.until {
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
        open(hands);
        let own = hands.own_conns();
        let stubborn = own.iter().find(|(_, purpose)| *purpose == Purpose::Testify);
        if let Some((conn, _)) = stubborn
            && hands.once_in(STUBBORN_ONE_IN)
        {
            for _ in 0..FRAMES_PER_BEAT {
                if let Some(question) = question(hands) {
                    hands.send(*conn, question);
                }
            }
            return;
        }
        let all: Vec<(ConnId, Purpose)> = hands.notes.all_ready().into_iter().chain(own).collect();
        for _ in 0..FRAMES_PER_BEAT {
            if let Some((conn, purpose)) = hands.pick(&all)
                && let Some(message) = costly(purpose, hands)
            {
                hands.send(conn, message);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

/// More connections, to anybody, for anything.
fn open(hands: &mut Hands) {
    let members = hands.notes.members();
    let endpoints = members
        .iter()
        .filter_map(|(record, _)| record.endpoints.first());
    let endpoints: Vec<String> = hands.means.seeds.iter().chain(endpoints).cloned().collect();
    let purposes = [
        Purpose::Register,
        Purpose::Probe,
        Purpose::Testify,
        Purpose::Link,
    ];
    for _ in 0..DIALS_PER_BEAT {
        if hands.own_count() >= OWN_MAX {
            return;
        }
        if let (Some(endpoint), Some(purpose)) = (hands.pick(&endpoints), hands.pick(&purposes)) {
            hands.dial(purpose, endpoint);
        }
    }
}

/// Something that costs its receiver more than the liar.
fn costly(purpose: Purpose, hands: &mut Hands) -> Option<Message> {
    match (purpose, hands.rng.random_range(0..8)) {
        (Purpose::Link, 0 | 1) => Some(gossip(hands)),
        (Purpose::Link, 2) => {
            let ids = std::iter::repeat_with(|| MessageId::from_bytes(random(hands)));
            let ids = ids.take(IDS).collect();
            Some(Message::Gossip(Gossip::IHave { ids }))
        }
        (Purpose::Link, 3) => {
            let nonce = hands.rng.next_u64();
            Some(Message::Gossip(Gossip::Ping { nonce }))
        }
        (Purpose::Link | Purpose::Register, 4) => {
            let nodes = std::iter::repeat_with(|| NodeId::new(random(hands)));
            let nodes = nodes.take(IDS).collect();
            Some(Message::Roster(RosterMessage::Want(nodes)))
        }
        (Purpose::Link | Purpose::Register, 5) => {
            let digest = Digest::new(random(hands));
            Some(Message::Roster(RosterMessage::Digest(digest)))
        }
        (Purpose::Link | Purpose::Register | Purpose::Testify, 6) => question(hands),
        _ => {
            let nonce = hands.rng.next_u64();
            Some(Message::Probe { nonce })
        }
    }
}

/// A message to everybody, well signed, of a sequence far above the honest role's.
fn gossip(hands: &mut Hands) -> Message {
    let mut payload = vec![0; PAYLOAD_LEN];
    hands.rng.fill_bytes(&mut payload);
    let incarnation = hands.notes.record().map_or(1, |record| record.incarnation);
    let (origin, sequence) = (hands.me, (1 << 32) + hands.rng.random_range(0..1 << 16));
    let payload = Bytes::from(payload);
    let content = |signature| Content::Application {
        origin,
        incarnation,
        sequence,
        payload: payload.clone(),
        signature,
    };
    let id = content(Bytes::new()).id();
    let signature = speech::sign(&*hands.means.signer, hands.network(), id);
    Message::Gossip(Gossip::Gossip {
        hop_count: 1,
        content: content(signature).encode(),
    })
}

/// Is this member, who lives, dead?
fn question(hands: &mut Hands) -> Option<Message> {
    let members = hands.notes.members();
    let (record, suspect) = hands.pick(&members)?;
    let inquiry = Inquiry {
        network: hands.network(),
        suspect: record.node,
        incarnation: record.incarnation,
        attempt: hands.rng.next_u64(),
    };
    let asker = hands.notes.passport().cloned();
    Some(Message::SuspectRequest {
        inquiry,
        suspect,
        asker,
    })
}

fn random(hands: &mut Hands) -> [u8; 32] {
    let mut bytes = [0; 32];
    hands.rng.fill_bytes(&mut bytes);
    bytes
}
