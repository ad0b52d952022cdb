//! Three councils in one process, their messages carried by hand: a node is admitted, dies, and is evicted. No network.
//!
//! Run it with `cargo run -p quorate-consensus --example council`. Expect, for the admission and for the eviction, each
//! voter's judgement, each vote as it is counted, and the same decision at all three; then three equal rosters without
//! members, and the certificate of the eviction as JSON.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use quorate_consensus::council::{Config, Decision, Message, Output};
use quorate_consensus::{
    Choice, Council, DeadReport, Ed25519, Ed25519Key, Electorate, Finding, Inquiry, NetworkId,
    NodeId, Now, Proposal, QuorumRule, Record, Signer, Testimony,
};

fn main() -> Result<(), Box<dyn Error>> {
    let network = NetworkId::new([7; 32]);
    // Secrets of real nodes come from a cryptographic generator.
    let keys = [1, 2, 3].map(|secret| Arc::new(Ed25519Key::from_secret(&[secret; 32])));
    let ids = keys.iter().map(|key| key.id());
    let electorate = Electorate::of(network, QuorumRule::Majority, ids)?;
    let mut voters = Vec::new();
    for (key, name) in keys.iter().zip(["ash", "birch", "cedar"]) {
        let (electorate, config) = (electorate.clone(), Config::default());
        voters.push(Voter {
            name,
            id: key.id(),
            council: Council::new(key.clone(), Arc::new(Ed25519), electorate, config, 0)?,
        });
    }
    let now = now()?;

    println!("A node asks ash to be admitted.");
    let node = Ed25519Key::from_secret(&[50; 32]);
    let endpoint = "node.example:5000".to_owned();
    let record = Record::sign(&node, network, vec![endpoint.clone()], 1, 1, now.unix_ms)?;
    voters[0].council.propose(Proposal::Admit(record), now)?;
    run(&mut voters, now)?;

    println!("\nIt answers no more, and birch reports it.");
    let birch = &*keys[1];
    let inquiry = Inquiry {
        network,
        suspect: node.id(),
        incarnation: 1,
        attempt: 1,
    };
    let said = vec![Testimony::sign(
        birch,
        inquiry,
        Finding::Unreachable,
        "connection refused",
    )];
    let report = DeadReport::sign(birch, inquiry, endpoint, now.unix_ms, said, vec![]);
    voters[1].council.propose(Proposal::Evict(report), now)?;
    run(&mut voters, now)?;

    println!("\nAll are of one mind:");
    for Voter { name, council, .. } in &voters {
        let roster = council.roster();
        let (members, digest) = (roster.member_count(), roster.digest());
        println!("  {name}: {members} members, roster {digest}");
    }
    let entry = voters[2].council.roster().get(&node.id());
    let proof = &entry.ok_or("the eviction is in no roster")?.proof;
    println!("\nThe proof: {}", serde_json::to_string_pretty(proof)?);
    Ok(())
}

struct Voter {
    name: &'static str,
    id: NodeId,
    council: Council,
}

/// Carries messages between the voters until none is under way.
fn run(voters: &mut [Voter], now: Now) -> Result<(), Box<dyn Error>> {
    let mut wire = VecDeque::new();
    for voter in &mut *voters {
        drain(voter, &mut wire, now);
    }
    while let Some((from, to, message)) = wire.pop_front() {
        let addressee = voters.iter_mut().find(|voter| voter.id == to);
        let voter = addressee.ok_or("a message to nobody")?;
        let council = &mut voter.council;
        match message {
            Message::Proposal(proposal) => {
                council.handle_proposal(from, proposal, now)?;
            }
            Message::Vote(vote) => council.handle_vote(vote)?,
            Message::Votes(votes) => council.handle_votes(&votes)?,
            Message::Proof(proof) => council.handle_settled(from, proof)?,
        }
        drain(voter, &mut wire, now);
    }
    Ok(())
}

/// Does what a council wants done. This disk is quick, and every judgement is yes.
fn drain(voter: &mut Voter, wire: &mut VecDeque<(NodeId, NodeId, Message)>, now: Now) {
    let Voter { name, id, council } = voter;
    while let Some(output) = council.poll_output() {
        match output {
            Output::Send { to, message } => wire.push_back((*id, to, message)),
            Output::Judge { id, proposal } => {
                println!("  {name} is to judge: {proposal}");
                council.handle_judgement(id, Choice::Yes, "", now);
            }
            Output::Persist { id, .. } => council.handle_persisted(id),
            Output::Counted { vote, .. } => {
                println!(
                    "  {name} counts a {} of {}",
                    vote.choice,
                    vote.voter.short()
                );
            }
            Output::Decided { proposal, decision } => {
                let how = match decision {
                    Decision::Carried(_) => "carried".to_owned(),
                    other => format!("{other:?}"),
                };
                println!("  {name}: {proposal}: {how}");
            }
            Output::Committed { node, .. } => {
                println!("  {name} tells its members about {}", node.short());
            }
            Output::Widened { proof, .. } => {
                let votes = proof.certificate().votes.len();
                println!("  {name} has {votes} signatures now");
            }
            Output::Equivocated(evidence) => println!("  {name}: {evidence:?}"),
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
