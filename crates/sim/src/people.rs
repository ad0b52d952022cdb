//! What people and applications do: they say things, answer prompts, leave, and come back.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use quorate_consensus::NodeId;
use quorate_node::Event;
use quorate_node::roles::Request;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::dice::{Dice as _, mix};
use crate::host::HostId;
use crate::reseating;
use crate::world::World;

/// One in so many candidates is disliked by somebody, who denies it at first if he is a member and is asked.
const DENIED_ONE_IN: u64 = 4;

/// The longest thing said, in bytes.
const SAID_MAX: usize = 2_000;

/// What somebody is going to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// A person answers about a candidate.
    Answer(HostId, NodeId, bool),
    /// One who was refused asks again.
    AskAgain(HostId),
    /// Persons at the seeds want this change, by its place in the list of wishes.
    Want(usize),
}

/// What comes of what an application was told, and after how long.
pub(crate) fn react(
    world: &World,
    host: HostId,
    event: &Event,
    seed: u64,
    denied: &mut BTreeSet<NodeId>,
    rng: &mut ChaCha8Rng,
) -> Option<(Duration, Deed)> {
    match event {
        Event::JoinRequest { candidate, .. } => {
            // Whether a candidate is disliked, and by whom, is the candidate's fate; asked again, people relent.
            let mut head = [0; 8];
            head.copy_from_slice(&candidate.id.as_bytes()[..8]);
            let fate = mix(seed, u64::from_le_bytes(head));
            let nodes = world.host_count() as u64;
            let is_denied = fate.is_multiple_of(DENIED_ONE_IN)
                && fate / DENIED_ONE_IN % nodes == host.0 as u64
                && denied.insert(candidate.id);
            let span = rng.span(Duration::from_millis(50), Duration::from_millis(900));
            Some((span, Deed::Answer(host, candidate.id, !is_denied)))
        }
        Event::JoinRefused { .. } => Some((
            rng.span(Duration::from_secs(1), Duration::from_secs(3)),
            Deed::AskAgain(host),
        )),
        _ => None,
    }
}

/// Somebody does what he was going to do. Returns when he does it again, if he does.
pub(crate) fn act(world: &mut World, deed: Deed, rng: &mut ChaCha8Rng) -> Option<Duration> {
    match deed {
        Deed::Want(wish) => return reseating::want(world, wish, rng),
        Deed::Answer(host, candidate, true) => world.ask(host, Request::Allow(candidate)),
        Deed::Answer(host, candidate, false) => {
            world.ask(
                host,
                Request::Deny(candidate, "I do not know you".to_owned()),
            );
        }
        Deed::AskAgain(host) => world.ask(host, Request::JoinAgain),
    }
    None
}

/// One of these says something.
pub(crate) fn speak(world: &mut World, of: &[HostId], rng: &mut ChaCha8Rng) {
    let running: Vec<HostId> = of
        .iter()
        .copied()
        .filter(|id| world.host(*id).is_running())
        .collect();
    if let Some(host) = rng.pick(&running).copied() {
        say(world, host, rng);
    }
}

/// This one says something.
pub(crate) fn say(world: &mut World, host: HostId, rng: &mut ChaCha8Rng) {
    let len = rng.random_range(1..=SAID_MAX);
    let payload: Vec<u8> = (0..len).map(|_| rng.random()).collect();
    world.ask(host, Request::Broadcast(Bytes::from(payload)));
}
