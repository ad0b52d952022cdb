//! A certificate, as a passport shows it: decoded, then checked alone and together with others.

use std::sync::Arc;

use quorate_consensus::{Certificate, Ed25519, Proof, Proposal, Unproven};
use quorate_wire::Format;

use crate::Sample;
use crate::cast::{admission, certify, electorate, eviction, formatted, record, sample, sign_anew};

/// Bytes are a certificate or not. One that verifies has a quorum of voters, reads back as it is written, and is judged
/// together with others as it is alone.
pub fn run(data: &[u8]) {
    let (Some((format, body)), Ok(electorate)) = (formatted(data), electorate()) else {
        return;
    };
    let Ok(certificate) = format.decode::<Certificate>(body) else {
        return;
    };
    // By chance nobody signs anything with a real key.
    assert!(certificate.verify(&electorate, &Ed25519).is_err());
    let signed = sign_anew(certificate.clone());
    for certificate in [Some(certificate), signed].into_iter().flatten() {
        let verified = certificate.verify(&electorate, &Unproven);
        if verified.is_ok() {
            let voters = certificate.votes.keys();
            let known = voters.filter(|voter| electorate.contains(voter)).count();
            assert!(known >= electorate.quorum());
            for format in [Format::Bincode, Format::Json] {
                let bytes = format.encode(&certificate);
                let again = bytes.ok().and_then(|bytes| format.decode(&bytes).ok());
                assert_eq!(again.as_ref(), Some(&certificate), "{format}");
            }
        }
        let claimed = [
            Proof::Admission(certificate.clone()),
            Proof::Eviction(certificate.clone()),
        ];
        let proofs: Vec<Arc<Proof>> = claimed.into_iter().map(Arc::new).collect();
        let together = Proof::verify_all(proofs.clone(), &electorate, &Unproven);
        let alone: Vec<_> = proofs
            .into_iter()
            .map(|proof| proof.verify(&electorate, &Unproven))
            .collect();
        assert_eq!(together, alone);
        assert!(alone.iter().all(|proof| proof.is_err() || verified.is_ok()));
    }
}

/// Certificates that hold, one that is short of a signature, and one in the other format.
pub fn samples() -> Vec<Sample> {
    let short = record(5, 1, 1).and_then(|record| certify(Proposal::Admit(record), 1));
    let values = [
        ("admission", admission(5, 1), Format::Bincode),
        ("eviction", eviction(6, 2), Format::Bincode),
        ("short", short, Format::Bincode),
        ("admission-json", admission(5, 3), Format::Json),
    ];
    let encoded = values
        .into_iter()
        .filter_map(|(name, certificate, format)| {
            let body = format.encode(&certificate?).ok()?;
            Some((name, sample(format, &body)))
        });
    encoded.collect()
}
