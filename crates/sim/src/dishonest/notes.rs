//! What a liar remembers of what passes through its hands, within bounds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_consensus::succession::{self, Change, Opinion, Place, Statement};
use quorate_consensus::{
    Certificate, NetworkId, NodeId, Proof, Record, Standing, assembly, council,
};
use quorate_gossip::{Content, Message as Gossip};
use quorate_node::protocol::{
    Goodbye, JoinMessage, Message, Purpose, Refusal, RoleKind, RosterMessage,
};
use quorate_node::roles::{ConnId, Frame, Output};
use quorate_node::store::{MemberStored, Stored};
use quorate_wire::Format;

/// Of how many nodes proofs are kept, and how many of each.
const NODES_MAX: usize = 512;
const PROOFS_MAX: usize = 8;
/// How many messages are kept.
const MESSAGES_MAX: usize = 256;
/// How many records of its own, and of candidates, are kept.
const RECORDS_MAX: usize = 16;

/// The kind of gossip that carries a standing.
const KIND_STANDING: u8 = 1;

/// A connection of the honest role.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) remote: NodeId,
    pub(super) purpose: Option<Purpose>,
    pub(super) role: Option<RoleKind>,
    is_ready: bool,
}

/// What was said to the liar.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) purpose: Purpose,
    pub(super) message: Message,
}

/// What a liar remembers.
#[derive(Debug)]
pub(super) struct Notes {
    me: NodeId,
    format: Format,
    /// The network that the honest role said it is in.
    pub(super) network: NetworkId,
    conns: BTreeMap<ConnId, Known>,
    proofs: BTreeMap<NodeId, Vec<Arc<Proof>>>,
    heard: VecDeque<Heard>,
    own_records: VecDeque<Record>,
    /// Records that nodes asked to be admitted by, last first to go.
    pub(super) candidates: VecDeque<Record>,
    /// Where the honest role's chain ends, in an open network.
    pub(super) place: Option<Place>,
    /// Members of an open network, with the life they are in, as far as links told.
    pub(super) lives: BTreeMap<NodeId, u64>,
    /// The largest ballot heard of.
    pub(super) counter: u64,
    /// Opinions that passed, genuine for all the liar knows.
    pub(super) opinions: VecDeque<Opinion>,
    /// Changes that somebody proposed, with the epoch whose decision they were for.
    pub(super) changes: VecDeque<(u64, Arc<Change>)>,
}

impl Notes {
    pub(super) const fn new(me: NodeId, format: Format) -> Self {
        Self {
            me,
            format,
            network: NetworkId::NONE,
            conns: BTreeMap::new(),
            proofs: BTreeMap::new(),
            heard: VecDeque::new(),
            own_records: VecDeque::new(),
            candidates: VecDeque::new(),
            place: None,
            lives: BTreeMap::new(),
            counter: 0,
            opinions: VecDeque::new(),
            changes: VecDeque::new(),
        }
    }

    // --- what it knows ---

    /// The honest role's ready connections for a purpose.
    pub(super) fn ready(&self, purpose: Purpose) -> Vec<(ConnId, NodeId)> {
        let is_it = |known: &Known| known.is_ready && known.purpose == Some(purpose);
        let ready = self.conns.iter().filter(|(_, known)| is_it(known));
        ready.map(|(conn, known)| (*conn, known.remote)).collect()
    }

    /// All the honest role's ready connections.
    pub(super) fn all_ready(&self) -> Vec<(ConnId, Purpose)> {
        let ready = self.conns.iter().filter(|(_, known)| known.is_ready);
        ready
            .filter_map(|(conn, known)| Some((*conn, known.purpose?)))
            .collect()
    }

    /// The ready connections with seeds, links and sessions.
    pub(super) fn seeds(&self) -> Vec<(ConnId, NodeId)> {
        let is_lasting = |purpose| matches!(purpose, Some(Purpose::Link | Purpose::Register));
        let is_it = |known: &Known| {
            known.is_ready && known.role == Some(RoleKind::Seed) && is_lasting(known.purpose)
        };
        let ready = self.conns.iter().filter(|(_, known)| is_it(known));
        ready.map(|(conn, known)| (*conn, known.remote)).collect()
    }

    pub(super) fn conn(&self, conn: ConnId) -> Option<&Known> {
        self.conns.get(&conn)
    }

    /// What was said lately, oldest first.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.iter().cloned().collect()
    }

    /// The record that the honest role last signed.
    pub(super) fn record(&self) -> Option<&Record> {
        self.own_records.back()
    }

    /// All that it signed, as far as remembered.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.own_records.iter()
    }

    /// Every proof about a node.
    pub(super) fn proofs_of(&self, node: &NodeId) -> &[Arc<Proof>] {
        self.proofs.get(node).map_or(&[], Vec::as_slice)
    }

    /// Every proof about everybody.
    pub(super) fn proofs(&self) -> Vec<Arc<Proof>> {
        self.proofs.values().flatten().cloned().collect()
    }

    /// The latest proof about a node.
    pub(super) fn standing(&self, node: &NodeId) -> Option<&Arc<Proof>> {
        let key = |proof: &&Arc<Proof>| proof.claims().map(|(_, key)| key);
        self.proofs_of(node).iter().max_by_key(key)
    }

    /// The admission by which the liar itself is in.
    pub(super) fn passport(&self) -> Option<&Arc<Proof>> {
        let proof = self.standing(&self.me)?;
        is_admission(proof).then_some(proof)
    }

    /// The members other than the liar, with their admissions, for all it knows.
    pub(super) fn members(&self) -> Vec<(Record, Arc<Proof>)> {
        let others = self.proofs.keys().filter(|node| **node != self.me);
        others
            .filter_map(|node| {
                let proof = self.standing(node).filter(|proof| is_admission(proof))?;
                Some((proof.record()?.clone(), proof.clone()))
            })
            .collect()
    }

    // --- what it notes ---

    pub(super) fn note_connected(&mut self, conn: ConnId, remote: NodeId) {
        let known = Known {
            remote,
            purpose: None,
            role: None,
            is_ready: false,
        };
        self.conns.insert(conn, known);
    }

    pub(super) fn note_closed(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
    }

    /// Something arrived; on one of the honest role's connections, or on an own one.
    pub(super) fn note_frame(&mut self, conn: Option<ConnId>, frame: &Frame) {
        let known = conn.and_then(|conn| self.conns.get_mut(&conn));
        match frame {
            Frame::Hello(hello) => {
                if let Some(known) = known {
                    known.purpose = Some(hello.purpose);
                    known.role = Some(hello.role);
                }
            }
            Frame::Message(message) => {
                let purpose = known.and_then(|known| known.purpose);
                if let Some(purpose) = purpose {
                    push(
                        &mut self.heard,
                        MESSAGES_MAX,
                        Heard {
                            purpose,
                            message: message.clone(),
                        },
                    );
                }
                if let Message::RegisterRequest(record)
                | Message::Join(JoinMessage::Request(record)) = message
                {
                    push(&mut self.candidates, RECORDS_MAX, record.clone());
                }
                self.note_message(message);
            }
        }
    }

    /// The honest role wants something done.
    pub(super) fn note_output(&mut self, output: &Output) {
        match output {
            Output::Accept(conn) => {
                if let Some(known) = self.conns.get_mut(conn) {
                    known.is_ready = true;
                }
            }
            Output::Close(conn) => self.note_closed(*conn),
            Output::Send { to, frame } => match frame {
                Frame::Hello(hello) => {
                    self.network = hello.network;
                    for conn in to {
                        if let Some(known) = self.conns.get_mut(conn) {
                            known.purpose = Some(hello.purpose);
                        }
                    }
                }
                Frame::Message(message) => {
                    if let Message::RegisterRequest(record)
                    | Message::Join(JoinMessage::Request(record)) = message
                        && self.record() != Some(record)
                    {
                        push(&mut self.own_records, RECORDS_MAX, record.clone());
                    }
                    self.note_place(message);
                    self.note_message(message);
                }
            },
            Output::Write {
                stored: Stored::Member(MemberStored::Chain { founding, links }),
                ..
            } => {
                self.lives.clear();
                self.network = founding.network();
                let founder = &founding.record;
                self.lives.insert(founder.node, founder.incarnation);
                links.iter().for_each(|link| self.note_link(link));
            }
            Output::Write {
                stored: Stored::Member(MemberStored::Said(succession::Durable::Link(link))),
                ..
            } => self.note_link(link),
            _ => {}
        }
    }

    fn note_link(&mut self, link: &succession::Link) {
        match &link.change {
            Change::Admit { record, .. } => {
                self.lives.insert(record.node, record.incarnation);
            }
            Change::Evict { suspects } => {
                self.lives.retain(|node, _| !suspects.contains_key(node));
            }
            Change::Leave(leave) => {
                self.lives.remove(&leave.member);
            }
        }
    }

    /// What the honest role says of its chain.
    fn note_place(&mut self, message: &Message) {
        let Message::Assembly(message) = message else {
            return;
        };
        let said = match message {
            assembly::Message::Status { epoch, head } => Some((*epoch, *head)),
            assembly::Message::Succession(message) => match &**message {
                succession::Message::At { epoch, head, .. } => Some((*epoch, *head)),
                succession::Message::Opinion(_) => None,
            },
            _ => None,
        };
        if let Some((epoch, head)) = said {
            self.place = Some(Place {
                network: self.network,
                epoch,
                head,
            });
        }
    }

    fn note_message(&mut self, message: &Message) {
        if let Message::Assembly(assembly::Message::Succession(said)) = message {
            self.note_said(said);
        }
        if let Message::Council(council::Message::Proposal(proposal)) = message
            && let quorate_consensus::Proposal::Admit(record) = &**proposal
        {
            push(&mut self.candidates, RECORDS_MAX, record.clone());
        }
        for proof in proofs_in(message, self.format) {
            self.note_proof(proof);
        }
    }

    fn note_said(&mut self, said: &succession::Message) {
        match said {
            succession::Message::Opinion(opinion) => {
                // As good a guess as any, where no link told.
                let (voter, incarnation) = (opinion.voter, opinion.incarnation);
                self.lives.entry(voter).or_insert(incarnation);
                if !self.opinions.contains(opinion) {
                    push(&mut self.opinions, MESSAGES_MAX, opinion.clone());
                }
            }
            succession::Message::At {
                epoch, statement, ..
            } => {
                if let Statement::Accept { change, .. }
                | Statement::Promise {
                    change: Some(change),
                    ..
                } = statement
                {
                    push(&mut self.changes, RECORDS_MAX, (*epoch, change.clone()));
                }
                let ballot = match statement {
                    Statement::Prepare(ballot) => Some(*ballot),
                    Statement::Promise { promise, .. } => Some(promise.ballot),
                    Statement::Refused { promised, .. } => Some(*promised),
                    Statement::Accept { proposed, .. } => Some(proposed.ballot),
                    Statement::Accepted(accepted) => Some(accepted.ballot),
                    Statement::Lost(loss) => Some(loss.ballot),
                    Statement::Accuse(_) | Statement::Leave(_) | Statement::InTouch(_) => None,
                };
                let counter = ballot.map_or(0, |ballot| ballot.counter);
                self.counter = self.counter.max(counter);
            }
        }
    }

    fn note_proof(&mut self, proof: Arc<Proof>) {
        let Some((node, _)) = proof.claims() else {
            return;
        };
        if self.proofs.len() >= NODES_MAX && !self.proofs.contains_key(&node) {
            return;
        }
        let of_node = self.proofs.entry(node).or_default();
        if !of_node.contains(&proof) {
            if of_node.len() >= PROOFS_MAX {
                // The first one stays: the oldest is worth most to a liar.
                of_node.remove(1);
            }
            of_node.push(proof);
        }
    }
}

fn is_admission(proof: &Arc<Proof>) -> bool {
    proof
        .claims()
        .is_some_and(|(_, key)| key.standing == Standing::Admitted)
}

fn push<T>(queue: &mut VecDeque<T>, max: usize, item: T) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Every proof that a message carries.
pub(super) fn proofs_in(message: &Message, format: Format) -> Vec<Arc<Proof>> {
    match message {
        Message::Passport(proof)
        | Message::Council(council::Message::Proof(proof))
        | Message::Goodbye(Goodbye::NotAMember(proof))
        | Message::RegisterRefused(Refusal::Settled(proof)) => vec![proof.clone()],
        Message::Roster(RosterMessage::Proofs(proofs)) => proofs.clone(),
        Message::SuspectRequest { suspect, asker, .. } => {
            asker.iter().chain([suspect]).cloned().collect()
        }
        Message::Departure(departure) => vec![Arc::new(Proof::Departure(departure.clone()))],
        Message::Gossip(Gossip::Gossip { content, .. }) => match Content::<NodeId>::decode(content)
        {
            Ok(Content::Proof {
                kind: KIND_STANDING,
                body,
            }) => format
                .decode::<Proof>(&body)
                .map(Arc::new)
                .into_iter()
                .collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The admission inside, if that is what it is.
pub(super) fn admission_in(proof: &Proof) -> Option<&Certificate> {
    match proof {
        Proof::Admission(certificate) => Some(certificate),
        Proof::Eviction(_) | Proof::Departure(_) | Proof::Endorsed(_) => None,
    }
}
