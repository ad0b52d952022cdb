//! Twenty engines in virtual time: a flood, the tree that it leaves, then a repair.
//!
//! ```text
//! cargo run -p quorate-gossip --example broadcast
//! ```
//!
//! Nineteen nodes stand in a ring with chords, and the twentieth hangs by one link. One broadcast
//! reaches all of them in a few hops, with one or two copies over every link; the next one finds the
//! links that brought duplicates lazy, and crosses the others once. Then the twentieth's link is cut, three more broadcasts are made, and the link comes back: the twentieth node gets exactly
//! what it lacks. The output is the same in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_gossip::{Config, Gossip, Message, Output, Verdict};

type Id = [u8; 1];

const NODES: u8 = 20;
const OUTLIER: u8 = NODES - 1;

fn main() -> Result<(), Box<dyn Error>> {
    let mut network = Network::new()?;
    for node in 0..OUTLIER {
        network.link(node, (node + 1) % OUTLIER)?;
        if node % 3 == 0 {
            network.link(node, (node + 8) % OUTLIER)?;
        }
    }
    network.link(0, OUTLIER)?;
    network.run(Duration::from_secs(2))?;

    println!("{NODES} nodes, {} links", network.links.len() / 2);
    network.copies = 0;
    let neighbors = network.broadcast(4, "hello")?;
    network.run(Duration::from_secs(2))?;
    println!("node 4 says \"hello\" to {neighbors} neighbours");
    println!(
        "  reached     {} of {} others",
        network.delivered.len(),
        NODES - 1
    );
    let hops = |hop_count| {
        network
            .delivered
            .iter()
            .filter(|(_, hops)| *hops == hop_count)
            .count()
    };
    for hop_count in 1..=network
        .delivered
        .iter()
        .map(|(_, hops)| *hops)
        .max()
        .unwrap_or(0)
    {
        println!("  after {hop_count} hops {:3} nodes", hops(hop_count));
    }
    println!(
        "  copies      {:.2} for each delivery",
        network.copies as f64 / network.delivered.len() as f64
    );

    (network.copies, network.delivered) = (0, Vec::new());
    network.broadcast(4, "hello again")?;
    network.run(Duration::from_secs(2))?;
    println!("it says \"hello again\"");
    println!(
        "  copies      {:.2} for each delivery",
        network.copies as f64 / network.delivered.len() as f64
    );

    network.unlink(0, OUTLIER)?;
    network.delivered.clear();
    for text in ["one", "two", "three"] {
        network.broadcast(7, text)?;
    }
    network.run(Duration::from_secs(2))?;
    let missed = |network: &Network| {
        3 - network
            .delivered
            .iter()
            .filter(|(node, _)| *node == OUTLIER)
            .count()
    };
    println!("node {OUTLIER} is cut off while node 7 says three things");
    println!("  it lacks    {}", missed(&network));
    network.copies = 0;
    network.link(0, OUTLIER)?;
    network.run(Duration::from_secs(2))?;
    println!("its link comes back");
    println!("  it lacks    {}", missed(&network));
    println!("  copies      {} in all", network.copies);
    Ok(())
}

/// The driver that the engines need, with a map in place of sockets.
struct Network {
    now: Instant,
    engines: BTreeMap<u8, Gossip<Id>>,
    links: BTreeSet<(u8, u8)>,
    /// What is under way, by when it arrives.
    in_flight: BTreeMap<(Instant, u64), (u8, u8, Message)>,
    sent: u64,
    /// How many contents were sent since it was last set to 0.
    copies: u64,
    /// Who was given something, and after how many hops.
    delivered: Vec<(u8, u16)>,
}

impl Network {
    fn new() -> Result<Self, Box<dyn Error>> {
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant has no other origin; only differences matter"
        )]
        let now = Instant::now();
        let mut engines = BTreeMap::new();
        for node in 0..NODES {
            engines.insert(
                node,
                Gossip::new([node], Config::default(), node.into(), now)?,
            );
        }
        let (links, in_flight, delivered) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Ok(Self {
            now,
            engines,
            links,
            in_flight,
            sent: 0,
            copies: 0,
            delivered,
        })
    }

    fn link(&mut self, one: u8, other: u8) -> Result<(), Box<dyn Error>> {
        for (from, to) in [(one, other), (other, one)] {
            self.links.insert((from, to));
            self.with(from, |engine, now| engine.handle_link_up([to], now))?;
        }
        Ok(())
    }

    fn unlink(&mut self, one: u8, other: u8) -> Result<(), Box<dyn Error>> {
        for (from, to) in [(one, other), (other, one)] {
            self.links.remove(&(from, to));
            self.with(from, |engine, now| engine.handle_link_down([to], now))?;
        }
        Ok(())
    }

    fn broadcast(&mut self, node: u8, text: &'static str) -> Result<usize, Box<dyn Error>> {
        let published = self.with(node, |engine, now| {
            let draft = engine.draft(Bytes::from(text))?;
            Ok::<_, Box<dyn Error>>(engine.publish(draft, Bytes::from("a signature"), now))
        })?;
        Ok(published?.neighbors)
    }

    /// Lets time pass: from each arrival or timeout to the next.
    fn run(&mut self, duration: Duration) -> Result<(), Box<dyn Error>> {
        let end = self.now + duration;
        loop {
            let arrival = self.in_flight.first_key_value().map(|((at, _), _)| *at);
            let timeout = self
                .engines
                .iter()
                .filter_map(|(id, engine)| Some((engine.poll_timeout()?, *id)))
                .min();
            let next = arrival.into_iter().chain(timeout.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let Some((_, (from, to, message))) = self.in_flight.pop_first() else {
                    break;
                };
                if self.links.contains(&(from, to)) {
                    self.with(to, |engine, now| {
                        engine.handle_message([from], message, now)
                    })??;
                }
            } else if let Some((_, id)) = timeout {
                self.with(id, |engine, now| engine.handle_timeout(now))?;
            }
        }
        self.now = end;
        Ok(())
    }

    /// Calls an engine, and then does what it asks for.
    fn with<R>(
        &mut self,
        node: u8,
        call: impl FnOnce(&mut Gossip<Id>, Instant) -> R,
    ) -> Result<R, Box<dyn Error>> {
        let engine = self.engines.get_mut(&node).ok_or("no such node")?;
        let result = call(engine, self.now);
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Send { to, message } => {
                    for [to] in to {
                        self.copies += u64::from(matches!(message, Message::Gossip { .. }));
                        // 10 to 30 ms, different on every link and in either direction.
                        let latency = 10 + (u64::from(node) * 7 + u64::from(to) * 13) % 21;
                        let at = self.now + Duration::from_millis(latency);
                        self.in_flight
                            .insert((at, self.sent), (node, to, message.clone()));
                        self.sent += 1;
                    }
                }
                // Everybody is honest here; a real driver verifies the signature.
                Output::Check { check, .. } => {
                    engine.handle_checked(check, Verdict::Accept, self.now)
                }
                Output::Deliver { hop_count, .. } => self.delivered.push((node, hop_count)),
                Output::Gap(gap) => println!("missing: {gap:?}"),
                Output::Silent { peer, silence } => {
                    println!("  node {node} has not heard {peer:?} for {silence:?}")
                }
            }
        }
        Ok(result)
    }
}
