//! Who takes part in a run: it makes the hosts that the options ask for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::{
    Certificate, Choice, Ed25519, Ed25519Key, Electorate, NetworkId, NodeId, Proof, Proposal,
    QuorumRule, Record, Scheme, Seat, Signer, Unproven, Vote,
};
use quorate_gossip::InquiryConfig;
use quorate_node::protocol::RoleKind;
use quorate_node::{Admission, Discovery, Options as NodeOptions, SeedList};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::dice::Dice as _;
use crate::dishonest::Conduct;
use crate::host::{HostId, Kind, Setup};
use crate::memo::Memo;
use crate::options::{FaultKind, NetworkKind, Options, Signatures, Story};
use crate::reseating::{self, Wish};
use crate::world::World;

/// The other network that the seeds' keys have signed for.
const FOREIGN: NetworkId = NetworkId::new([0xf0; 32]);

/// How many members a newcomer of an open network is told of.
const KNOWN: usize = 3;

/// Who takes part.
#[derive(Debug, Default)]
pub(crate) struct Cast {
    /// Voters, or bootstraps.
    pub(crate) servers: Vec<HostId>,
    /// Peers, or members.
    pub(crate) nodes: Vec<HostId>,
    /// Nodes that are to ask for a seat, and have not begun to.
    pub(crate) candidates: BTreeSet<HostId>,
    /// What persons want of the seats, and how few of them there may be meanwhile.
    pub(crate) wishes: Vec<Wish>,
    pub(crate) seats_min: usize,
    /// Dead for good.
    pub(crate) gone: BTreeSet<HostId>,
    /// Have lost their disks.
    pub(crate) lost: BTreeSet<HostId>,
}

/// The scheme of a run.
pub(crate) fn scheme(signatures: Signatures) -> Arc<dyn Scheme> {
    match signatures {
        Signatures::Ed25519 => Arc::new(Memo::new(Arc::new(Ed25519))),
        Signatures::Unproven => Arc::new(Unproven),
    }
}

/// A fresh key.
pub(crate) fn key(signatures: Signatures, rng: &mut ChaCha8Rng) -> Arc<dyn Signer> {
    let mut secret = [0; 32];
    rng.fill(&mut secret);
    match signatures {
        Signatures::Ed25519 => Arc::new(Ed25519Key::from_secret(&secret)),
        Signatures::Unproven => Arc::new(Unproven::signer(NodeId::new(secret))),
    }
}

/// Makes all hosts of a run. None is started.
///
/// # Errors
/// When the options cannot be met.
pub(crate) fn assemble(
    world: &mut World,
    options: &Options,
    rng: &mut ChaCha8Rng,
) -> Result<Cast, String> {
    match options.network {
        NetworkKind::Seeded => seeded(world, options, rng),
        NetworkKind::Open => open(world, options, rng),
    }
}

fn seeded(world: &mut World, options: &Options, rng: &mut ChaCha8Rng) -> Result<Cast, String> {
    let addresses: Vec<String> = (0..options.seeds)
        .map(|index| format!("10.255.0.{}:5010", index + 1))
        .collect();
    let lines = addresses
        .iter()
        .map(|address| address.replace(':', ",") + "\n");
    let seeds = SeedList::parse(&lines.collect::<String>()).map_err(|error| error.to_string())?;
    let mut liars = Liars::new(options);
    let mut cast = Cast::default();
    for address in addresses {
        let setup = setup(world, Kind::Seed, liars.next(RoleKind::Seed), options);
        cast.servers
            .push(world.add(address, key(options.signatures, rng), setup));
    }
    let mut electorate = seeds.electorate().map_err(|error| error.to_string())?;
    for id in &cast.servers {
        let host = world.host(*id);
        let seat = seeds
            .position(&host.address)
            .ok_or("a seed without a line")?;
        electorate
            .bind(seat, host.id())
            .map_err(|error| error.to_string())?;
    }
    let truth = world.truth_mut();
    truth.seeds = Some(seeds);
    truth.electorate = Some(electorate);
    for index in 0..options.nodes {
        let setup = setup(world, Kind::Peer, liars.next(RoleKind::Peer), options);
        cast.nodes
            .push(world.add(address_of(index), key(options.signatures, rng), setup));
    }
    liars.check()?;
    cast.seats_min = options.seeds;
    if options.story == Story::Reseating {
        reseating(world, options, &mut cast, rng);
    }
    for id in cast.nodes.clone() {
        if !world.host(id).is_honest() {
            let foreign = foreign_admission(world, &cast, id)?;
            world.foreign.insert(id, Arc::new(foreign));
        }
    }
    Ok(cast)
}

/// What persons are going to want of the seats, and the nodes that are to ask for one.
fn reseating(world: &mut World, options: &Options, cast: &mut Cast, rng: &mut ChaCha8Rng) {
    let seeds = cast.servers.clone();
    let is_liar = |seed: &HostId| !world.host(*seed).is_honest();
    let liars: Vec<HostId> = seeds.iter().copied().filter(is_liar).collect();
    let kills = options.faults.contains(&FaultKind::Crash)
        || options.faults.contains(&FaultKind::PowerLoss);
    let candidates = &mut cast.candidates;
    let wishes = reseating::wishes(&seeds, &liars, kills, rng, |rng| {
        let address = format!("10.254.0.{}:5010", candidates.len() + 1);
        let setup = setup(world, Kind::Seed, None, options);
        let host = world.add(address, key(options.signatures, rng), setup);
        candidates.insert(host);
        host
    });
    cast.seats_min = reseating::seats_min(seeds.len(), &wishes);
    world.truth_mut().wishes.clone_from(&wishes);
    cast.wishes = wishes;
}

fn open(world: &mut World, options: &Options, rng: &mut ChaCha8Rng) -> Result<Cast, String> {
    let mut cast = Cast::default();
    let bootstrap = "10.255.0.1:4999".to_owned();
    let mut liars = Liars::new(options);
    cast.servers.push(world.add(
        bootstrap.clone(),
        key(options.signatures, rng),
        setup(world, Kind::Bootstrap, None, options),
    ));
    // How long a silent member is waited for, the same for all.
    let silent_after = rng.span(Duration::from_secs(4), Duration::from_secs(15));
    for index in 0..options.nodes {
        // The first is honest: it founds.
        let conduct = if index == 0 {
            None
        } else {
            liars.next(RoleKind::Member)
        };
        let mut setup = setup(world, Kind::Member, conduct, options);
        setup.options.silent_after = silent_after;
        setup.discovery = Discovery {
            bootstraps: vec![bootstrap.clone()],
            // One who knows members joins, whatever a bootstrap says that was just started.
            join: (0..index.min(KNOWN)).map(address_of).collect(),
            found: false,
        };
        setup.admission = if rng.one_in(3) {
            Admission::ask()
        } else {
            Admission::allow_all()
        };
        cast.nodes
            .push(world.add(address_of(index), key(options.signatures, rng), setup));
    }
    liars.check()?;
    world.truth_mut().equivocators = options
        .liars
        .iter()
        .filter(|conduct| conduct.equivocates())
        .count();
    Ok(cast)
}

fn setup(world: &World, kind: Kind, conduct: Option<Conduct>, options: &Options) -> Setup {
    let connections = options.nodes * 4 + options.seeds * 4 + 200;
    // A first probe of a node takes some eight trips; who runs nodes this far apart has to allow for that.
    let probe_timeout = Duration::from_secs(1) + world.view().network.weather.latency.1 * 10;
    let defaults = NodeOptions::default();
    Setup {
        kind,
        conduct,
        options: NodeOptions {
            connections_max: (connections, 16),
            probe_timeout,
            inquiry: InquiryConfig {
                rank_delay: probe_timeout + Duration::from_millis(500),
                ..defaults.inquiry.clone()
            },
            ..defaults
        },
        discovery: Discovery::default(),
        admission: Admission::default(),
    }
}

fn address_of(index: usize) -> String {
    format!(
        "10.{}.{}.{}:5000",
        index / 65_536,
        index / 256 % 256,
        index % 256
    )
}

/// Hands out the liars to the roles that they play.
struct Liars(Vec<Conduct>);

impl Liars {
    fn new(options: &Options) -> Self {
        Self(options.liars.clone())
    }

    fn next(&mut self, role: RoleKind) -> Option<Conduct> {
        let index = self.0.iter().position(|conduct| conduct.role() == role)?;
        Some(self.0.remove(index))
    }

    fn check(&self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some(conduct) => Err(format!(
                "nobody is left to play the {conduct}: it is a {:?}",
                conduct.role()
            )),
        }
    }
}

/// An admission to another network, by the same seeds: whoever runs two networks with one set of keys signs such things.
fn foreign_admission(world: &World, cast: &Cast, id: HostId) -> Result<Proof, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let host = world.host(id);
    let seats = cast.servers.iter().map(|seed| Seat {
        name: world.host(*seed).address.clone(),
        voter: Some(world.host(*seed).id()),
    });
    let electorate =
        Electorate::new(FOREIGN, 0, QuorumRule::Majority, seats).map_err(|error| text(&error))?;
    let opened_ms = host.clock.now(Duration::ZERO).unix_ms;
    let record = Record::sign(
        &*host.signer,
        FOREIGN,
        vec![host.address.clone()],
        1,
        1,
        opened_ms,
    )
    .map_err(|error| text(&error))?;
    let proposal = Proposal::Admit(record);
    let votes = cast.servers.iter().map(|seed| {
        let vote = Vote::cast(
            &*world.host(*seed).signer,
            &electorate,
            proposal.id(),
            Choice::Yes,
            "",
        );
        (vote.voter, vote.signature)
    });
    Ok(Proof::Admission(Certificate {
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes: votes.collect(),
        proposal: proposal.into(),
    }))
}
