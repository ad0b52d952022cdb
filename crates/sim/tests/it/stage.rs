//! A little world for liars to play in: every frame takes 5 ms and none is lost, disks take what they are given, and all
//! that was said is on record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{
    Certificate, Choice, Electorate, NetworkId, NodeId, Now, Proof, Proposal, Record, Unproven,
    Vote,
};
use quorate_node::protocol::{Goodbye, Message};
use quorate_node::roles::{
    ConnId, DialError, DialId, Frame, Member, Output, Peer, Reply, Request, RequestId, Role, Seed,
    WriteId,
};
use quorate_node::store::{Restored, RestoredMember};
use quorate_node::{Admission, Discovery, Event, Options, SeedLine, SeedList};
use quorate_sim::dishonest::{Conduct, Means};
use quorate_wire::Format;

const DELAY: Duration = Duration::from_millis(5);
const DIAL_MAX: Duration = Duration::from_secs(1);
const START_MS: u64 = 1_800_000_000_000;

/// More steps than that at one moment are a loop.
const STEPS_MAX: usize = 50_000;

enum Due {
    Dialled(usize, DialId, Option<usize>),
    Frame(usize, ConnId, Box<Frame>),
    Closed(usize, ConnId),
    Written(usize, WriteId),
}

pub(crate) struct Actor {
    pub(crate) id: NodeId,
    pub(crate) is_liar: bool,
    address: String,
    role: Option<Box<dyn Role>>,
    ends: BTreeMap<ConnId, (usize, ConnId)>,
    replies: Vec<Reply>,
}

/// One frame, once per receiver.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) at: Duration,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) conn: ConnId,
    pub(crate) frame: Frame,
}

pub(crate) struct Stage {
    pub(crate) now: Now,
    pub(crate) start: Instant,
    pub(crate) list: SeedList,
    pub(crate) actors: Vec<Actor>,
    pub(crate) said: Vec<Said>,
    pub(crate) told: Vec<(usize, Event)>,
    due: BTreeMap<(Instant, u64), Due>,
    cancelled: BTreeSet<(usize, DialId)>,
    next: u64,
    until: Duration,
    /// Feeds all random choices.
    pub(crate) seed: u64,
}

impl Stage {
    pub(crate) fn new(until: Duration) -> Self {
        let start = Instant::now();
        let lines = (0..3).map(|seed| SeedLine {
            address: address(seed),
            pin: None,
        });
        Self {
            now: Now {
                instant: start,
                unix_ms: START_MS,
            },
            start,
            list: SeedList::new(lines).unwrap(),
            actors: Vec::new(),
            said: Vec::new(),
            told: Vec::new(),
            due: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            next: 0,
            until,
            seed: 0,
        }
    }

    /// Three seeds and some peers. `liars` says who lies, and how.
    pub(crate) fn seeded(peers: usize, liars: &[(usize, Conduct)], until: Duration) -> Self {
        let mut this = Self::new(until);
        for at in 0..3 + peers {
            let conduct = liars.iter().find(|(who, _)| *who == at);
            let conduct = conduct.map(|(_, conduct)| *conduct);
            this.add_seeded(conduct);
        }
        this
    }

    /// The next one on stage: the first three are the seeds, all others peers.
    pub(crate) fn add_seeded(&mut self, conduct: Option<Conduct>) -> usize {
        let at = self.actors.len();
        let id = NodeId::from(at as u64 + 1);
        let signer = Arc::new(Unproven::signer(id));
        let (options, seed) = (Options::default(), self.seed + at as u64);
        let role: Box<dyn Role> = if at < 3 {
            let restored = Restored::default();
            let seed = Seed::new(
                signer,
                Arc::new(Unproven),
                &address(at),
                &self.list,
                options,
                restored,
                seed,
                self.now,
            );
            Box::new(seed.unwrap())
        } else {
            let peer = Peer::new(
                signer,
                Arc::new(Unproven),
                vec![address(at)],
                &self.list,
                options,
                seed,
                self.now,
            );
            Box::new(peer.unwrap())
        };
        self.enter(role, conduct, self.list.network(), self.list.addresses())
    }

    /// A member of an open network, the first of which founds it.
    pub(crate) fn add_member(&mut self, admission: Admission, conduct: Option<Conduct>) -> usize {
        let at = self.actors.len();
        let discovery = if at == 0 {
            Discovery::by_founding()
        } else {
            Discovery::by_members((0..at).map(address))
        };
        let member = Member::new(
            Arc::new(Unproven::signer(NodeId::from(at as u64 + 1))),
            Arc::new(Unproven),
            vec![address(at)],
            discovery,
            admission,
            Options::default(),
            RestoredMember::default(),
            self.seed + at as u64,
            self.now,
        );
        self.enter(
            Box::new(member.unwrap()),
            conduct,
            NetworkId::NONE,
            Vec::new(),
        )
    }

    fn enter(
        &mut self,
        honest: Box<dyn Role>,
        conduct: Option<Conduct>,
        network: NetworkId,
        seeds: Vec<String>,
    ) -> usize {
        let at = self.actors.len();
        let id = NodeId::from(at as u64 + 1);
        let role = match conduct {
            None => honest,
            Some(conduct) => {
                let means = Means {
                    signer: Arc::new(Unproven::signer(id)),
                    address: address(at),
                    network,
                    seeds,
                    format: Format::default(),
                    foreign: Some(foreign(id)),
                    seed: self.seed + at as u64,
                    until: self.start + self.until,
                };
                conduct.corrupt(honest, means, self.now)
            }
        };
        self.actors.push(Actor {
            id,
            is_liar: conduct.is_some(),
            address: address(at),
            role: Some(role),
            ends: BTreeMap::new(),
            replies: Vec::new(),
        });
        self.drain(at);
        at
    }

    /// A process dies.
    pub(crate) fn kill(&mut self, at: usize) {
        self.actors[at].role = None;
        for (_, (peer, conn)) in std::mem::take(&mut self.actors[at].ends) {
            self.after(DELAY, Due::Closed(peer, conn));
        }
    }

    pub(crate) fn ask(&mut self, at: usize, request: Request) -> Option<Reply> {
        let now = self.now;
        let actor = &mut self.actors[at];
        let role = actor.role.as_mut()?;
        role.handle_request(RequestId(0), request, now);
        self.drain(at);
        self.actors[at].replies.pop()
    }

    /// Who is in, as an actor sees it.
    pub(crate) fn members(&mut self, at: usize) -> BTreeSet<NodeId> {
        match self.ask(at, Request::Members) {
            Some(Reply::Members(members)) => members.iter().map(|member| member.id).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Those on stage who do not lie.
    pub(crate) fn honest(&self) -> Vec<usize> {
        let is_honest = |at: &usize| self.actors[*at].role.is_some() && !self.actors[*at].is_liar;
        (0..self.actors.len()).filter(is_honest).collect()
    }

    pub(crate) fn id(&self, at: usize) -> NodeId {
        self.actors[at].id
    }

    /// Every message that somebody said.
    pub(crate) fn by(&self, from: usize) -> impl Iterator<Item = (&Said, &Message)> {
        self.said.iter().filter_map(move |said| match &said.frame {
            Frame::Message(message) if said.from == from => Some((said, message)),
            _ => None,
        })
    }

    /// The open network that was founded.
    pub(crate) fn network(&self) -> NetworkId {
        let founded = self.told.iter().find_map(|(_, event)| match event {
            Event::Founded { network, .. } => Some(*network),
            _ => None,
        });
        founded.expect("a network")
    }

    /// How often honest actors sent somebody away for breaking the protocol.
    pub(crate) fn dismissals_of(&self, liar: usize) -> usize {
        let is_it = |said: &&Said| {
            said.to == liar
                && matches!(
                    said.frame,
                    Frame::Message(Message::Goodbye(
                        Goodbye::Misbehaved(_) | Goodbye::NoPassport(_)
                    ))
                )
        };
        self.said.iter().filter(is_it).count()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now.instant + span;
        let (mut moment, mut steps) = (self.now.instant, 0);
        loop {
            let due = self.due.keys().next().map(|(at, _)| *at);
            let roles = self.actors.iter().filter_map(|actor| actor.role.as_ref());
            let timeouts = roles.filter_map(|role| role.poll_timeout());
            let Some(next) = timeouts.chain(due).min().filter(|next| *next <= end) else {
                break;
            };
            if next > moment {
                (moment, steps) = (next, 0);
            }
            steps += 1;
            assert!(steps < STEPS_MAX, "no progress");
            let ahead = next.saturating_duration_since(self.now.instant);
            self.now = self.now.after(ahead);
            self.step();
        }
        let left = end.saturating_duration_since(self.now.instant);
        self.now = self.now.after(left);
    }

    fn step(&mut self) {
        let now = self.now;
        for at in 0..self.actors.len() {
            if let Some(role) = &mut self.actors[at].role
                && role.poll_timeout().is_some_and(|due| due <= now.instant)
            {
                role.handle_timeout(now);
                self.drain(at);
            }
        }
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > now.instant {
                break;
            }
            let due = entry.remove();
            self.happen(due);
        }
    }

    fn happen(&mut self, due: Due) {
        let now = self.now;
        match due {
            Due::Dialled(from, dial, to) => self.dialled(from, dial, to),
            Due::Frame(to, conn, frame) => {
                let actor = &mut self.actors[to];
                if actor.ends.contains_key(&conn)
                    && let Some(role) = &mut actor.role
                {
                    role.handle_frame(conn, *frame, now);
                    self.drain(to);
                }
            }
            Due::Closed(at, conn) => {
                let actor = &mut self.actors[at];
                if actor.ends.remove(&conn).is_some()
                    && let Some(role) = &mut actor.role
                {
                    role.handle_closed(conn, "closed by the other end", now);
                    self.drain(at);
                }
            }
            Due::Written(at, write) => {
                if let Some(role) = &mut self.actors[at].role {
                    role.handle_written(write, Ok(()), now);
                    self.drain(at);
                }
            }
        }
    }

    fn dialled(&mut self, from: usize, dial: DialId, to: Option<usize>) {
        let now = self.now;
        if self.cancelled.remove(&(from, dial)) || self.actors[from].role.is_none() {
            return;
        }
        let up = to.filter(|to| self.actors[*to].role.is_some());
        let Some(to) = up else {
            if let Some(role) = &mut self.actors[from].role {
                role.handle_dial_failed(dial, DialError::Refused("refused".to_owned()), now);
                self.drain(from);
            }
            return;
        };
        let [near, far] = [0, 1].map(|more| ConnId(self.next + more));
        self.next += 2;
        self.actors[from].ends.insert(near, (to, far));
        self.actors[to].ends.insert(far, (from, near));
        let ids = [self.actors[from].id, self.actors[to].id];
        let address = self.actors[to].address.clone();
        if let Some(role) = &mut self.actors[to].role {
            role.handle_connected(far, None, ids[0], "10.9.9.9:1", now);
            self.drain(to);
        }
        if let Some(role) = &mut self.actors[from].role {
            role.handle_connected(near, Some(dial), ids[1], &address, now);
            self.drain(from);
        }
    }

    fn after(&mut self, span: Duration, due: Due) {
        self.next += 1;
        self.due.insert((self.now.instant + span, self.next), due);
    }

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.actors[at]
            .role
            .as_mut()
            .and_then(|role| role.poll_output())
        {
            self.carry_out(at, output);
        }
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        match output {
            Output::Dial {
                dial,
                endpoints,
                expect,
                ..
            } => {
                let is_there = |actor: &Actor| {
                    endpoints.contains(&actor.address) && expect.is_none_or(|id| id == actor.id)
                };
                let to = self.actors.iter().position(is_there);
                let span = if to.is_some() { DELAY } else { DIAL_MAX };
                self.after(span, Due::Dialled(at, dial, to));
            }
            Output::CancelDial(dial) => {
                self.cancelled.insert((at, dial));
            }
            Output::Send { to, frame } => {
                for conn in to {
                    let Some((peer, far)) = self.actors[at].ends.get(&conn).copied() else {
                        continue;
                    };
                    self.said.push(Said {
                        at: self.now.instant - self.start,
                        from: at,
                        to: peer,
                        conn,
                        frame: frame.clone(),
                    });
                    self.after(DELAY, Due::Frame(peer, far, Box::new(frame.clone())));
                }
            }
            Output::Close(conn) => {
                if let Some((peer, far)) = self.actors[at].ends.remove(&conn) {
                    self.after(DELAY, Due::Closed(peer, far));
                }
                let now = self.now;
                if let Some(role) = &mut self.actors[at].role {
                    role.handle_closed(conn, "closed by this end", now);
                }
            }
            Output::Write { write, .. } => self.after(DELAY, Due::Written(at, write)),
            Output::Event(event) => self.told.push((at, event)),
            Output::Reply(_, reply) => self.actors[at].replies.push(reply),
            Output::Exit => self.kill(at),
            Output::Accept(_) => {}
        }
    }
}

fn address(at: usize) -> String {
    format!("10.0.0.{}:5000", at + 1)
}

/// An admission to a network of the first two seeds.
pub(crate) fn foreign(id: NodeId) -> Arc<Proof> {
    let lines = (0..2).map(|seed| SeedLine {
        address: address(seed),
        pin: None,
    });
    let electorate = SeedList::new(lines).unwrap().electorate().unwrap();
    let endpoints = vec!["10.0.0.99:5000".to_owned()];
    let (signer, network) = (Unproven::signer(id), electorate.network());
    let record = Record::sign(&signer, network, endpoints, 7, 1, START_MS).unwrap();
    Arc::new(Proof::Admission(certify(
        Proposal::Admit(record),
        &electorate,
    )))
}

fn certify(proposal: Proposal, electorate: &Electorate) -> Certificate {
    let sign = |seed: u64| {
        let signer = Unproven::signer(NodeId::from(seed));
        let vote = Vote::cast(&signer, electorate, proposal.id(), Choice::Yes, "");
        (vote.voter, vote.signature)
    };
    Certificate {
        votes: (1..=2).map(sign).collect(),
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        proposal: proposal.into(),
    }
}
