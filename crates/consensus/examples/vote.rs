//! Five voters decide a motion by majority; what they decided is then checked by a reader who saw no vote. No network.
//!
//! Run it with `cargo run -p quorate-consensus --example vote`. Expect four votes, carried at the third yes; one
//! contradiction, which is reported and changes nothing; then a certificate with three signatures that holds, and does
//! not hold once a word of the motion was changed.

use std::error::Error;
use std::sync::Arc;

use quorate_consensus::{
    Choice, Ed25519, Ed25519Key, Electorate, Motion, NetworkId, Proposal, QuorumRule, Signer,
    Tally, Vote,
};

fn main() -> Result<(), Box<dyn Error>> {
    // Secrets of real voters come from a cryptographic generator.
    let voters = [1, 2, 3, 4, 5].map(|secret| Ed25519Key::from_secret(&[secret; 32]));
    let network = NetworkId::new([7; 32]);
    let electorate = Electorate::of(network, QuorumRule::Majority, voters.iter().map(Signer::id))?;

    let motion = Motion::sign(&voters[0], network, "tea", "at four", 1, 1_700_000_000_000);
    let proposal = Proposal::Motion(motion.clone());
    println!("{proposal}: {} of 5 must say yes", electorate.quorum());

    let mut tally = Tally::new(proposal.id());
    let word = |voter, choice| Vote::cast(voter, &electorate, proposal.id(), choice, "");
    for (voter, choice) in voters
        .iter()
        .zip([Choice::Yes, Choice::No, Choice::Yes, Choice::Yes])
    {
        let vote = word(voter, choice).verify(&electorate, &Ed25519)?;
        tally.count(vote)?;
        let outcome = tally.outcome(&electorate);
        println!("  {} says {choice}: {outcome:?}", voter.id().short());
    }

    let second_thoughts = word(&voters[1], Choice::Yes).verify(&electorate, &Ed25519)?;
    match tally.count(second_thoughts) {
        Err(refused) => println!("refused: {refused}"),
        Ok(counted) => return Err(format!("an equivocation was counted: {counted:?}").into()),
    }

    let certificate = tally
        .certificate(&proposal, &electorate)
        .ok_or("not carried")?;
    certificate.verify(&electorate, &Ed25519)?;
    println!(
        "the certificate holds, signed by {}",
        certificate.votes.len()
    );

    let mut forged = certificate;
    forged.proposal = Arc::new(Proposal::Motion(Motion::sign(
        &voters[0],
        network,
        "tea",
        "at five",
        1,
        1_700_000_000_000,
    )));
    match forged.verify(&electorate, &Ed25519) {
        Err(refused) => println!("changed to \"at five\": {refused}"),
        Ok(()) => return Err("a forged certificate holds".into()),
    }
    Ok(())
}
