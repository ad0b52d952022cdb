//! How a network begins, and how one goes on from where another stopped.

use quorate_consensus::succession::{
    Change, ChangeError, Founding, FoundingError, LinkError, Membership, Predecessor,
};
use quorate_consensus::{NetworkId, Record, RecordError};

use crate::sample::START_MS;

use super::ring::Ring;

#[test]
fn a_network_begins_with_its_founder_alone_who_decides_alone() {
    let ring = Ring::real(1);
    assert_eq!(ring.membership.len(), 1);
    assert_eq!(ring.membership.quorum(), 1);
    assert_eq!(ring.place().epoch, 0);
    assert_eq!(ring.place().network, ring.founding.network());
    assert_eq!(ring.place().head, ring.founding.head());
}

#[test]
fn a_founding_that_its_founder_did_not_sign_founds_nothing() {
    let ring = Ring::real(1);
    let founder = ring.id(1);
    let mut moved = ring.founding.clone();
    moved.record.endpoints = vec!["elsewhere:1".into()];
    let forged = FoundingError::Record(RecordError::Signature(founder));
    assert_eq!(Membership::found(&moved, ring.scheme), Err(forged));

    // A record made for joining some network founds none.
    let joining = Founding {
        record: ring.record(1, 1),
        after: None,
    };
    let expected = FoundingError::Birthplace {
        expected: NetworkId::NONE,
        got: ring.membership.network(),
    };
    assert_eq!(Membership::found(&joining, ring.scheme), Err(expected));
}

#[test]
fn a_refounded_network_names_where_the_old_one_stopped_and_takes_nothing_of_its_over() {
    let mut ring = Ring::real(2);
    let place = ring.place();
    let after = Predecessor {
        network: place.network,
        epoch: place.epoch,
        head: place.head,
    };
    let founding = Founding::sign(
        ring.signer(1),
        vec!["founder:1".into()],
        1,
        START_MS,
        Some(after),
    )
    .unwrap();
    let refounded = Membership::found(&founding, ring.scheme).unwrap();
    assert_ne!(refounded.network(), ring.membership.network());
    assert_eq!((refounded.epoch(), refounded.len()), (0, 1));

    let other_end = Founding {
        after: Some(Predecessor { epoch: 7, ..after }),
        ..founding.clone()
    };
    assert!(matches!(
        Membership::found(&other_end, ring.scheme),
        Err(FoundingError::Birthplace { .. })
    ));

    // Records and decisions of the old one mean nothing in the new one.
    let record: Record = ring.record(3, 1);
    assert!(matches!(
        refounded.check_candidate(&record),
        Err(ChangeError::Candidate { .. })
    ));
    let admission: Change = ring.admission(&record);
    let link = ring.decide(admission);
    assert!(matches!(
        link.verify(&refounded, ring.scheme),
        Err(LinkError::Elsewhere { .. })
    ));
}
