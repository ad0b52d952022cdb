//! A vote, as a council's message brings it: decoded, checked, counted.

use quorate_consensus::{
    Choice, Counted, Ed25519, NodeId, Outcome, Proposal, Tally, Unproven, Vote, VoteError, council,
};
use quorate_wire::Format;

use crate::Sample;
use crate::cast::{electorate, formatted, record, sample};

/// Bytes are a vote, or some, or none. None counts that does not verify; one that does counts once, and its voter cannot
/// take it back.
pub fn run(data: &[u8]) {
    let (Some((format, body)), Ok(electorate)) = (formatted(data), electorate()) else {
        return;
    };
    if let Ok(message) = format.decode::<council::Message>(body) {
        let again = format.encode(&message);
        assert!(again.is_ok(), "what was decoded cannot be encoded");
    }
    let Ok(vote) = format.decode::<Vote>(body) else {
        return;
    };
    // By chance nobody signs anything with a real key.
    assert!(vote.clone().verify(&electorate, &Ed25519).is_err());
    let mut signed = vote.clone();
    signed.signature = Vote::cast(
        &Unproven::signer(vote.voter),
        &electorate,
        vote.proposal,
        vote.choice,
        "",
    )
    .signature;
    for vote in [vote, signed] {
        let Ok(verified) = vote.clone().verify(&electorate, &Unproven) else {
            continue;
        };
        assert!(electorate.contains(&vote.voter));
        let mut tally = Tally::new(vote.proposal);
        assert_eq!(tally.count(verified.clone()), Ok(Counted::New));
        assert_eq!(tally.count(verified), Ok(Counted::Duplicate));
        // One of three decides nothing.
        assert_eq!(tally.outcome(&electorate), Outcome::Open);
        let other = match vote.choice {
            Choice::Yes => Choice::No,
            Choice::No => Choice::Yes,
        };
        let voter = Unproven::signer(vote.voter);
        let turned = Vote::cast(&voter, &electorate, vote.proposal, other, "");
        if let Ok(turned) = turned.verify(&electorate, &Unproven) {
            let counted = tally.count(turned);
            assert!(matches!(counted, Err(VoteError::Equivocation(_))));
        }
        assert_eq!(tally.votes().count(), 1);
    }
}

/// Votes that count, votes that do not, and a message around one.
pub fn samples() -> Vec<Sample> {
    let (Ok(electorate), Some(record)) = (electorate(), record(5, 1, 1)) else {
        return Vec::new();
    };
    let id = Proposal::Admit(record).id();
    let cast = |voter: u64, choice, reason: &str| {
        let voter = Unproven::signer(NodeId::from(voter));
        Vote::cast(&voter, &electorate, id, choice, reason)
    };
    let yes = cast(1, Choice::Yes, "it answered");
    let no = cast(3, Choice::No, "cannot be reached: \u{1b}[2J");
    let stranger = cast(9, Choice::Yes, "");
    let message = council::Message::Vote(yes.clone().into());
    let several = [&yes, &no, &stranger].map(|vote| vote.clone().into());
    let several = council::Message::Votes(Vec::from(several).into());
    let values = [
        ("yes", Format::Bincode.encode(&yes), Format::Bincode),
        ("no-json", Format::Json.encode(&no), Format::Json),
        (
            "stranger",
            Format::Bincode.encode(&stranger),
            Format::Bincode,
        ),
        ("message", Format::Bincode.encode(&message), Format::Bincode),
        ("several", Format::Bincode.encode(&several), Format::Bincode),
    ];
    let encoded = values
        .into_iter()
        .filter_map(|(name, body, format)| Some((name, sample(format, &body.ok()?))));
    encoded.collect()
}
