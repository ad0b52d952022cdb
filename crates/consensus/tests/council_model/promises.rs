//! What must hold in every state.

use quorate_consensus::Choice;

use crate::cast::{C, Sealed};
use crate::model::{State, Whole};
use crate::node::Node;
use crate::wire::Content;

impl Whole {
    /// Whoever's signature a certificate carries has durably said yes, and they are a quorum.
    pub(crate) fn is_proven(&self, state: &State) -> bool {
        let on_wire = state.wire.iter().filter_map(|envelope| {
            let Content::Proof(_, sealed) = &envelope.value().content else {
                return None;
            };
            Some(sealed)
        });
        let honest = self.turning.bounds.honest();
        let held = honest.flat_map(|who| &state.nodes[who].value().shown.certificates);
        let has_given = |who: usize, which: usize| {
            let is_liar = self.turning.bounds.is_c_a_liar && who == C;
            is_liar || state.nodes[who].shown.yes >> which & 1 == 1
        };
        on_wire.chain(held).all(|Sealed { which, signers }| {
            let is_signer = |who: &usize| signers >> who & 1 == 1;
            let quorum = self.turning.cast.electorate.quorum() as u32;
            let gave = |who| which.is_none_or(|which| has_given(who, which));
            signers.count_ones() >= quorum && (0..8).filter(is_signer).all(gave)
        })
    }

    /// What was committed is in the roster, and would be after a restart, unless a greater standing is.
    pub(crate) fn is_kept(&self, state: &State) -> bool {
        let mut honest = self.turning.bounds.honest();
        honest.all(|who| {
            let Node { now, shown, .. } = &*state.nodes[who];
            now.past.committed.iter().all(|(node, committed)| {
                let held = shown.roster.get(node).map(|(key, _)| *key);
                let stored = now.past.disk.proofs.get(node);
                let stored = stored.and_then(|proof| proof.claims()).map(|(_, key)| key);
                held >= Some(*committed) && stored >= Some(*committed)
            })
        })
    }

    /// No honest seed has said both yes and no to one question, in all its lives.
    pub(crate) fn is_of_one_word(&self, state: &State) -> bool {
        let mut honest = self.turning.bounds.honest();
        honest.all(|who| {
            let said = &state.nodes[who].now.past.said;
            let mut yes = said.iter().filter(|(_, choice)| *choice == Choice::Yes);
            yes.all(|(which, _)| !said.contains(&(*which, Choice::No)))
        })
    }

    pub(crate) fn do_votes_differ(state: &State) -> bool {
        let said = state.nodes.iter().flat_map(|node| &node.now.past.said);
        let said: Vec<_> = said.collect();
        let contradicts = |(which, choice): &(usize, Choice)| {
            said.iter()
                .any(|(other, another)| other == which && another != choice)
        };
        said.iter().any(|one| contradicts(one))
    }
}

/// Of a fault in what the driver was told, first come.
pub(crate) fn fault(state: &State) -> Option<&'static str> {
    let faults = state.nodes.iter().map(|node| &node.value().now.past.fault);
    faults.flatten().next().map(String::as_str)
}
