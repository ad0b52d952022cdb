//! An open network in one process, its messages carried by hand and its clock turned by hand: ash founds it, birch and cedar
//! are let in by everybody, and cedar, which answers no more, is thrown out by the others. No network.
//!
//! Run it with `cargo run -p quorate-consensus --example assembly`. Expect each member's opinion as the others count it, one
//! decision after another, the same at all members, and at the end the chain of decisions.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use quorate_consensus::assembly::{Config, Message, Output};
use quorate_consensus::succession::{Chain, Change, Founding};
use quorate_consensus::{Assembly, Choice, Ed25519, Ed25519Key, NodeId, Now, Record, Signer};

fn main() -> Result<(), Box<dyn Error>> {
    // Secrets of real nodes come from a cryptographic generator.
    let [ash, birch, cedar] =
        [1, 2, 3].map(|secret| Arc::new(Ed25519Key::from_secret(&[secret; 32])));
    let mut world = World {
        names: [
            (ash.id(), "ash"),
            (birch.id(), "birch"),
            (cedar.id(), "cedar"),
        ]
        .into(),
        members: BTreeMap::new(),
        wire: VecDeque::new(),
        now: now()?,
    };

    let endpoints = vec!["ash.example:5000".to_owned()];
    let founding = Founding::sign(&*ash, endpoints, 1, world.now.unix_ms, None)?;
    println!("ash founds network {}.", founding.network());
    world.start(ash, Chain::found(founding, &Ed25519)?);
    for candidate in [birch, cedar.clone()] {
        world.join(&candidate)?;
    }

    println!("\ncedar answers nobody any more.");
    world.members.remove(&cedar.id());
    for member in world.members.values_mut() {
        member.handle_lost(cedar.id(), world.now);
        member.handle_dead(cedar.id(), world.now);
    }
    world.run(2)?;

    println!("\nThe chain, as everybody holds it:");
    let member = world.members.values().next().ok_or("nobody is left")?;
    for link in member.chain().links_from(0) {
        let by = link.accepted.len();
        println!(
            "  epoch {}: {} (accepted by {by})",
            link.epoch,
            world.tell(&link.change)
        );
    }
    Ok(())
}

struct World {
    names: BTreeMap<NodeId, &'static str>,
    members: BTreeMap<NodeId, Assembly>,
    wire: VecDeque<(NodeId, NodeId, Message)>,
    now: Now,
}

impl World {
    /// A new member begins with the chain that made it one.
    fn start(&mut self, key: Arc<Ed25519Key>, chain: Chain) {
        let (id, config) = (key.id(), Config::default());
        let mut assembly = Assembly::new(key, Arc::new(Ed25519), chain, [], config, 0, self.now);
        for (other, member) in &mut self.members {
            assembly.handle_met(*other, self.now);
            member.handle_met(id, self.now);
        }
        self.members.insert(id, assembly);
    }

    /// A candidate asks everybody, and everybody allows it.
    fn join(&mut self, key: &Arc<Ed25519Key>) -> Result<(), Box<dyn Error>> {
        let name = self.names[&key.id()];
        println!("\n{name} asks to be let in.");
        let any = self.members.values().next().ok_or("nobody to ask")?;
        let network = any.membership().network();
        let endpoints = vec![format!("{name}.example:5000")];
        let record = Record::sign(&**key, network, endpoints, 1, 1, self.now.unix_ms)?;
        let record = Arc::new(record);
        for member in self.members.values_mut() {
            member.handle_candidate(record.clone(), self.now)?;
            member.give_opinion(key.id(), Choice::Yes, "", self.now)?;
        }
        self.run(self.members.len())?;
        let any = self.members.values().next().ok_or("nobody is left")?;
        let chain = any.chain().clone();
        self.start(key.clone(), chain);
        Ok(())
    }

    /// Carries messages, and turns the clock when there are none, until so many members have decided.
    fn run(&mut self, decisions: usize) -> Result<(), Box<dyn Error>> {
        let mut decided = 0;
        while decided < decisions {
            for id in self.members.keys().copied().collect::<Vec<_>>() {
                decided += self.drain(id);
            }
            if let Some((from, to, message)) = self.wire.pop_front() {
                if let Some(member) = self.members.get_mut(&to) {
                    member.handle_message(from, message, self.now)?;
                }
            } else if decided < decisions {
                self.now = self.now.after(Duration::from_millis(10));
                let due = self.members.values_mut();
                due.for_each(|member| member.handle_timeout(self.now));
            }
        }
        Ok(())
    }

    /// Does what a member wants done. This disk is quick.
    fn drain(&mut self, id: NodeId) -> usize {
        let name = self.names[&id];
        let mut decided = 0;
        while let Some(output) = self.members.get_mut(&id).and_then(Assembly::poll_output) {
            match output {
                Output::Send { to, message } => {
                    let copies = to.into_iter().map(|to| (id, to, message.clone()));
                    self.wire.extend(copies);
                }
                Output::Persist { id: write, .. } => {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.handle_persisted(write, self.now);
                    }
                }
                Output::Counted(opinion) => {
                    let (voter, choice) = (self.names[&opinion.voter], opinion.choice);
                    println!("  {name} counts: {voter} says {choice}");
                }
                Output::Decided(link) => {
                    decided += 1;
                    println!("  {name}: {}", self.tell(&link.change));
                }
                Output::Evidence(evidence) => println!("  {name}: {evidence}"),
            }
        }
        decided
    }

    fn tell(&self, change: &Change) -> String {
        match change {
            Change::Admit { record, .. } => format!("{} is in", self.names[&record.node]),
            Change::Evict { suspects } => {
                let names: Vec<_> = suspects.keys().map(|node| self.names[node]).collect();
                format!("{} is out", names.join(", "))
            }
            Change::Leave(leave) => format!("{} has left", self.names[&leave.member]),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program reads the clocks; the library is told"
)]
fn now() -> Result<Now, Box<dyn Error>> {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Now {
        instant: Instant::now(),
        unix_ms: unix.as_millis().try_into()?,
    })
}
