//! What C says when it is no council: yes and no on everything, to everybody, from the beginning; proposals; certificates
//! that prove nothing; and, whenever an honest yes reaches it, one that does.

use quorate_consensus::Choice;

use crate::bounds::Bounds;
use crate::cast::{C, Cast, id};
use crate::wire::{Content, Envelope};

/// Whatever it is answered.
pub(crate) fn says(cast: &Cast, bounds: &Bounds) -> Vec<Envelope> {
    let mut said = Vec::new();
    for which in 0..cast.proposals.len() {
        let own = cast.vote(which, C, Choice::Yes);
        for to in bounds.honest() {
            let alone = [(own.voter, own.signature)];
            // With its own signature in the other's place.
            let stuffed = [(own.voter, own.signature), (id(to), own.signature)];
            let against = cast.vote(which, C, Choice::No);
            let contents = [
                Content::Proposal(which),
                Content::Vote(own.clone()),
                Content::Vote(against),
                Content::Forged(cast.certificate(which, alone)),
                Content::Forged(cast.certificate(which, stuffed)),
            ];
            said.extend(contents.map(|content| Envelope { to, content }));
        }
    }
    said
}

/// What it makes of an honest seed's message: from a yes and its own, a certificate to give to whom it likes.
pub(crate) fn answers(cast: &Cast, bounds: &Bounds, heard: &Content) -> Vec<Envelope> {
    let Content::Vote(vote) = heard else {
        return Vec::new();
    };
    let which = cast.which(&vote.proposal);
    let own = cast.vote(which, C, Choice::Yes);
    // Votes that are passed on may be its own.
    if vote.choice == Choice::No || vote.voter == own.voter {
        return Vec::new();
    }
    let votes = [vote, &own].map(|vote| (vote.voter, vote.signature));
    let proof = cast.certificate(which, votes);
    let told = bounds.honest().map(|to| Envelope {
        to,
        content: Content::proof(cast, proof.clone()),
    });
    told.collect()
}
