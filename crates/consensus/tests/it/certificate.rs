//! A certificate verifies exactly when a quorum of known voters signed exactly this.

use proptest::prelude::*;
use quorate_consensus::{
    Certificate, CertificateError, Choice, Ed25519, Ed25519Key, Electorate, NetworkId, NodeId,
    Proof, Proposal, ProposalError, QuorumRule, Record, Seat, Signature, Signer, Tally, Unproven,
    Vote,
};

use crate::sample::{
    NETWORK, START_MS, admission, certificate, departure, electorate, electorate_of, eviction,
    motion, node, record, seat, signer, vote,
};

proptest! {
    #[test]
    fn it_verifies_exactly_when_a_quorum_of_known_voters_signed(
        (rule, seats, strangers) in arbitrary_electorate(),
    ) {
        let met = |number: u64| seats[number as usize - 1].0;
        let size = seats.len() as u64;
        let electorate = Electorate::new(
            NETWORK, 0, rule, (1..=size).map(|number| seat(number, met(number))),
        ).unwrap();
        let signers: Vec<u64> = (1..=size)
            .filter(|number| seats[*number as usize - 1].1)
            .chain(101..101 + strangers)
            .collect();
        let got = certificate(&electorate, &admission(50), signers.clone())
            .verify(&electorate, &Unproven);

        let (quorum, unmet) = (electorate.quorum(), electorate.unmet());
        let unknown: Vec<NodeId> = signers
            .iter()
            .filter(|number| **number > size || !met(**number))
            .map(|number| node(*number))
            .collect();
        let known = signers.len() - unknown.len();
        let expected = if signers.len() > seats.len() {
            Err(CertificateError::TooManySignatures { seats: seats.len(), got: signers.len() })
        } else if signers.len() < quorum {
            Err(CertificateError::TooFew { quorum, got: signers.len() })
        } else if known + unknown.len().min(unmet) < quorum {
            Err(CertificateError::NotAVoter(unknown[0]))
        } else if known < quorum {
            Err(CertificateError::Undecided { quorum, got: known, unknown })
        } else {
            Ok(())
        };
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn it_is_the_same_in_whatever_order_the_votes_came(
        order in Just((1..=5).collect::<Vec<u64>>()).prop_shuffle(),
        noes in 0..3usize,
    ) {
        let electorate = electorate(5);
        let proposal = admission(50);
        let count = |voters: &[u64]| {
            let mut tally = Tally::new(proposal.id());
            for voter in voters {
                let choice = if *voter <= noes as u64 { Choice::No } else { Choice::Yes };
                let vote = vote(&electorate, &proposal, *voter, choice);
                tally.count(vote.verify(&electorate, &Unproven).unwrap()).unwrap();
            }
            tally.certificate(&proposal, &electorate)
        };
        let certificate = count(&order);
        prop_assert_eq!(&certificate, &count(&[1, 2, 3, 4, 5]));
        prop_assert_eq!(certificate.unwrap().verify(&electorate, &Unproven), Ok(()));
    }

    #[test]
    fn json_reads_back_as_the_same_proof(
        kind in 0..3usize, voters in 3..=5u64, incarnation: u64, attempt: u64,
    ) {
        let electorate = electorate(5);
        let admit = Proposal::Admit(record(&signer(50), incarnation, attempt, START_MS));
        let admission = certificate(&electorate, &admit, 1..=voters);
        let proof = match kind {
            0 => Proof::Admission(admission),
            1 => Proof::Eviction(certificate(&electorate, &eviction(1, 50), 1..=voters)),
            _ => departure(admission),
        };
        let json = serde_json::to_string(&proof).unwrap();
        let back: Proof = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&back, &proof);
        prop_assert!(std::sync::Arc::new(back).verify(&electorate, &Unproven).is_ok());
    }
}

#[test]
fn a_motions_certificate_reads_back_from_json() {
    let electorate = electorate(3);
    let carried = certificate(&electorate, &motion(1, 1), 1..=2);
    let json = serde_json::to_string(&carried).unwrap();
    assert_eq!(serde_json::from_str::<Certificate>(&json).unwrap(), carried);
}

#[test]
fn an_undecided_certificate_is_decided_once_the_signers_are_met() {
    let mut reader = Electorate::new(
        NETWORK,
        0,
        QuorumRule::Majority,
        [seat(1, true), seat(2, false), seat(3, false)],
    )
    .unwrap();
    let carried = certificate(&electorate(3), &admission(50), [1, 3]);
    assert_eq!(
        carried.verify(&reader, &Unproven),
        Err(CertificateError::Undecided {
            quorum: 2,
            got: 1,
            unknown: vec![node(3)]
        })
    );
    reader.bind(2, node(3)).unwrap();
    assert_eq!(carried.verify(&reader, &Unproven), Ok(()));
}

#[test]
fn a_forgery_by_a_signer_not_met_yet_is_a_forgery_already() {
    let reader = Electorate::new(
        NETWORK,
        0,
        QuorumRule::Majority,
        [seat(1, true), seat(2, false), seat(3, false)],
    )
    .unwrap();
    let mut forged = certificate(&electorate(3), &admission(50), [1, 3]);
    forged.votes.insert(node(3), forged.votes[&node(1)]);
    assert_eq!(
        forged.verify(&reader, &Unproven),
        Err(CertificateError::Signature(node(3)))
    );
}

#[test]
fn a_strangers_extra_signature_does_not_outlive_the_first_reader() {
    let everyone = electorate(3);
    let halfway = Electorate::new(
        NETWORK,
        0,
        QuorumRule::Majority,
        [seat(1, true), seat(2, true), seat(3, false)],
    )
    .unwrap();
    let padded = certificate(&everyone, &admission(50), [1, 2, 99]);
    // Two voters signed, whoever else did: a reader who mistakes one voter still lives by the others.
    assert_eq!(padded.verify(&everyone, &Unproven), Ok(()));
    for padded in [
        Proof::Admission(padded.clone()),
        departure(padded),
        Proof::Eviction(certificate(&everyone, &eviction(1, 50), [1, 2, 99])),
    ] {
        let kept = std::sync::Arc::new(padded)
            .verify(&halfway, &Unproven)
            .unwrap();
        let votes = &kept.proof().certificate().votes;
        assert!(votes.keys().copied().eq([node(1), node(2)]));
        let passed_on = kept.proof().clone();
        assert!(passed_on.verify(&everyone, &Unproven).is_ok());
    }
}

/// Real signatures: with the cheap scheme anybody could forge.
#[test]
fn one_field_changed_and_it_proves_nothing() {
    let here = ed25519_electorate(NETWORK, 0, "line");
    let valid = ed25519_certificate(&here);
    assert_eq!(valid.verify(&here, &Ed25519), Ok(()));

    let forged_for = |voter: u8| CertificateError::Signature(key(voter).id());
    let with_vote_of_2 = |electorate: &Electorate, proposal: &Proposal, choice| {
        let vote = Vote::cast(&key(2), electorate, proposal.id(), choice, "");
        let mut certificate = valid.clone();
        certificate.votes.insert(vote.voter, vote.signature);
        certificate
    };
    let other_network = NetworkId::new([8; 32]);
    let mut next_record = ed25519_record();
    next_record.incarnation += 1;
    let next_life = Proposal::Admit(resigned(next_record.clone()));
    let other_candidate = Proposal::Admit(record(&key(9), 1, 1, START_MS));

    let table: Vec<(&str, Certificate, CertificateError)> = vec![
        (
            "a flipped bit in a signature",
            {
                let mut bad = valid.clone();
                let mut bytes = *bad.votes[&key(2).id()].as_bytes();
                bytes[40] ^= 1;
                bad.votes.insert(key(2).id(), Signature::new(bytes));
                bad
            },
            forged_for(2),
        ),
        (
            "another voter's signature",
            {
                let mut bad = valid.clone();
                let borrowed = bad.votes[&key(1).id()];
                bad.votes.insert(key(2).id(), borrowed);
                bad
            },
            forged_for(2),
        ),
        (
            "a vote signed in another network",
            with_vote_of_2(
                &ed25519_electorate(other_network, 0, "line"),
                &valid.proposal,
                Choice::Yes,
            ),
            forged_for(2),
        ),
        (
            "a vote signed in another epoch",
            with_vote_of_2(
                &ed25519_electorate(NETWORK, 1, "line"),
                &valid.proposal,
                Choice::Yes,
            ),
            forged_for(2),
        ),
        (
            "a vote signed in another electorate",
            with_vote_of_2(
                &ed25519_electorate(NETWORK, 0, "row"),
                &valid.proposal,
                Choice::Yes,
            ),
            forged_for(2),
        ),
        (
            "a vote on another proposal",
            with_vote_of_2(&here, &other_candidate, Choice::Yes),
            forged_for(2),
        ),
        (
            "a vote on another incarnation",
            with_vote_of_2(&here, &next_life, Choice::Yes),
            forged_for(2),
        ),
        (
            "a vote against",
            with_vote_of_2(&here, &valid.proposal, Choice::No),
            forged_for(2),
        ),
        (
            "another proposal under the signatures",
            Certificate {
                proposal: other_candidate.into(),
                ..valid.clone()
            },
            forged_for_first(&valid),
        ),
        (
            "another incarnation under the signatures",
            Certificate {
                proposal: next_life.into(),
                ..valid.clone()
            },
            forged_for_first(&valid),
        ),
        (
            "a record that its node did not sign",
            Certificate {
                proposal: Proposal::Admit(next_record.clone()).into(),
                ..valid.clone()
            },
            CertificateError::Proposal(ProposalError::Record(
                quorate_consensus::RecordError::Signature(next_record.node),
            )),
        ),
        (
            "one signature taken away",
            {
                let mut bad = valid.clone();
                bad.votes.pop_first();
                bad
            },
            CertificateError::TooFew { quorum: 2, got: 1 },
        ),
    ];
    for (change, bad, expected) in table {
        assert_eq!(bad.verify(&here, &Ed25519), Err(expected), "{change}");
    }
}

#[test]
fn another_electorates_certificate_says_whose_it_is() {
    let here = ed25519_electorate(NETWORK, 0, "line");
    let foreign = ed25519_certificate(&here).verify(
        &ed25519_electorate(NetworkId::new([8; 32]), 0, "line"),
        &Ed25519,
    );
    assert_eq!(
        foreign,
        Err(CertificateError::AnotherNetwork {
            expected: NetworkId::new([8; 32]),
            got: NETWORK
        })
    );
    for reader in [
        ed25519_electorate(NETWORK, 1, "line"),
        ed25519_electorate(NETWORK, 0, "row"),
    ] {
        let certificate = ed25519_certificate(&here);
        let expected = CertificateError::AnotherElectorate {
            expected: reader.id(),
            expected_epoch: reader.epoch(),
            got: here.id(),
            got_epoch: 0,
        };
        assert_eq!(certificate.verify(&reader, &Ed25519), Err(expected));
        // Claiming to be of the reader's electorate does not help: the signatures are over the real one.
        let claimed = Certificate {
            epoch: reader.epoch(),
            electorate: reader.id(),
            ..certificate
        };
        assert!(matches!(
            claimed.verify(&reader, &Ed25519),
            Err(CertificateError::Signature(_))
        ));
    }
    // Of this electorate by id, but of an epoch it never had.
    let mut later = certificate(&electorate(3), &admission(50), [1, 2]);
    later.epoch = 1;
    assert!(matches!(
        later.verify(&electorate(3), &Unproven),
        Err(CertificateError::AnotherElectorate { .. })
    ));
    let other = electorate_of(NETWORK, 0, QuorumRule::Unanimous, 3);
    assert!(matches!(
        certificate(&electorate(3), &admission(50), [1, 2, 3]).verify(&other, &Unproven),
        Err(CertificateError::AnotherElectorate { .. })
    ));
}

/// A rule, for each of 1 to 7 seats whether its voter is met and whether it signed, and how many strangers signed.
fn arbitrary_electorate() -> impl Strategy<Value = (QuorumRule, Vec<(bool, bool)>, u64)> {
    let rule = prop_oneof![
        Just(QuorumRule::Majority),
        Just(QuorumRule::Supermajority),
        Just(QuorumRule::Unanimous),
    ];
    let seat = (prop::bool::weighted(0.7), prop::bool::weighted(0.7));
    let strangers = prop_oneof![3 => Just(0u64), 1 => 1..3u64];
    (rule, prop::collection::vec(seat, 1..=7), strangers)
}

fn key(number: u8) -> Ed25519Key {
    Ed25519Key::from_secret(&[number; 32])
}

fn ed25519_electorate(network: NetworkId, epoch: u64, street: &str) -> Electorate {
    let seats = (1..=3).map(|number| Seat {
        name: format!("{street} {number}"),
        voter: Some(key(number).id()),
    });
    Electorate::new(network, epoch, QuorumRule::Majority, seats).unwrap()
}

fn ed25519_record() -> Record {
    record(&key(50), 1, 1, START_MS)
}

fn resigned(record: Record) -> Record {
    let signature = key(50).sign(&record.hash());
    Record {
        signature,
        ..record
    }
}

/// The admission of node 50 by voters 1 and 2.
fn ed25519_certificate(electorate: &Electorate) -> Certificate {
    let proposal = Proposal::Admit(ed25519_record());
    let votes = [1, 2].map(|voter| {
        let vote = Vote::cast(&key(voter), electorate, proposal.id(), Choice::Yes, "");
        (vote.voter, vote.signature)
    });
    Certificate {
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes: votes.into_iter().collect(),
        proposal: proposal.into(),
    }
}

/// When no signature fits, the first in order is named.
fn forged_for_first(certificate: &Certificate) -> CertificateError {
    CertificateError::Signature(*certificate.votes.keys().next().unwrap())
}
