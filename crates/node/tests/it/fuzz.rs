//! Decoding survives any bytes; and the strategies that make every protocol message.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use quorate_node::SeedList;
use quorate_node::consensus::{
    Certificate, Choice, DeadReport, Departure, Digest, Electorate, Finding, Inquiry, Motion,
    NetworkId, NodeId, Proof, Proposal, ProposalId, Record, Standing, StandingKey, Testimony,
    Unproven, UnprovenSigner, Vote, council, succession,
};
use quorate_node::gossip::{Content, Message as Gossip, MessageId};
use quorate_node::protocol::{Goodbye, Hello, Message, Purpose, Refusal, RoleKind, RosterMessage};
use quorate_wire::Format;

/// The wall clock when the story of a role begins.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// Nodes 1 to 3 are the seeds, pinned.
pub(crate) fn seeds() -> SeedList {
    let lines =
        (1..=3).map(|number| format!("127.0.0.1,{},{}\n", 5000 + number, NodeId::from(number)));
    SeedList::parse(&lines.collect::<String>()).unwrap()
}

pub(crate) fn electorate() -> Electorate {
    seeds().electorate().unwrap()
}

pub(crate) fn certify(proposal: Proposal, signers: impl IntoIterator<Item = u64>) -> Certificate {
    let (electorate, id) = (electorate(), proposal.id());
    let sign = |number| Vote::cast(&signer(number), &electorate, id, Choice::Yes, "").signature;
    Certificate {
        proposal,
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes: signers
            .into_iter()
            .map(|number| (NodeId::from(number), sign(number)))
            .collect(),
    }
}

pub(crate) const fn signer_of(id: NodeId) -> UnprovenSigner {
    Unproven::signer(id)
}

fn signer(number: u64) -> UnprovenSigner {
    signer_of(NodeId::from(number))
}

// --- small parts ---

/// Numbers of nodes: few, so that they meet.
pub(crate) fn number() -> BoxedStrategy<u64> {
    prop_oneof![9 => 1..=9_u64, 1 => any::<u64>()].boxed()
}

pub(crate) fn node() -> BoxedStrategy<NodeId> {
    number().prop_map(NodeId::from).boxed()
}

fn count() -> BoxedStrategy<u64> {
    prop_oneof![8 => 0..4_u64, 1 => Just(u64::MAX), 1 => any::<u64>()].boxed()
}

fn network() -> BoxedStrategy<NetworkId> {
    prop_oneof![9 => Just(seeds().network()), 1 => any::<[u8; 32]>().prop_map(NetworkId::new)]
        .boxed()
}

fn digest() -> BoxedStrategy<Digest> {
    any::<[u8; 32]>().prop_map(Digest::new).boxed()
}

fn opened_ms() -> BoxedStrategy<u64> {
    prop_oneof![8 => (0..90_000_u64).prop_map(|later| START_MS + later), 1 => Just(0), 1 => Just(u64::MAX), 1 => any::<u64>()]
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![4 => "[a-z:0-9.]{0,20}", 1 => ".{0,400}"].boxed()
}

pub(crate) fn purpose() -> BoxedStrategy<Purpose> {
    prop_oneof![
        Just(Purpose::Link),
        Just(Purpose::Register),
        Just(Purpose::Probe),
        Just(Purpose::Testify)
    ]
    .boxed()
}

pub(crate) fn role() -> BoxedStrategy<RoleKind> {
    prop_oneof![Just(RoleKind::Seed), Just(RoleKind::Peer)].boxed()
}

fn choice() -> BoxedStrategy<Choice> {
    prop_oneof![Just(Choice::Yes), Just(Choice::No)].boxed()
}

// --- what is signed ---

fn record() -> BoxedStrategy<Record> {
    let endpoints = prop_oneof![
        8 => Just(vec!["127.0.0.1:6000".to_owned()]),
        1 => vec(text(), 0..6),
    ];
    (
        network(),
        number(),
        endpoints,
        count(),
        count(),
        opened_ms(),
        any::<bool>(),
    )
        .prop_map(
            |(network, number, endpoints, incarnation, attempt, opened_ms, is_signed)| {
                let good = vec!["127.0.0.1:6000".to_owned()];
                let signed = Record::sign(
                    &signer(number),
                    network,
                    good,
                    incarnation,
                    attempt,
                    opened_ms,
                );
                let mut record = signed.unwrap();
                if is_signed && endpoints == record.endpoints {
                    return record;
                }
                record.endpoints = endpoints;
                record
            },
        )
        .boxed()
}

fn inquiry() -> BoxedStrategy<Inquiry> {
    (network(), node(), count(), count())
        .prop_map(|(network, suspect, incarnation, attempt)| Inquiry {
            network,
            suspect,
            incarnation,
            attempt,
        })
        .boxed()
}

fn testimony() -> BoxedStrategy<Testimony> {
    (inquiry(), number(), any::<bool>(), text())
        .prop_map(|(inquiry, witness, lives, cause)| {
            let finding = if lives {
                Finding::Alive
            } else {
                Finding::Unreachable
            };
            Testimony::sign(&signer(witness), inquiry, finding, &cause)
        })
        .boxed()
}

fn report() -> BoxedStrategy<DeadReport> {
    let others = (vec(testimony(), 0..3), vec(node(), 0..4), text());
    (
        inquiry(),
        number(),
        opened_ms(),
        btree_set(number(), 0..10),
        others,
    )
        .prop_map(
            |(inquiry, reporter, opened_ms, witnesses, (strays, silent, endpoint))| {
                let say = |witness: u64| {
                    Testimony::sign(&signer(witness), inquiry, Finding::Unreachable, "")
                };
                let mut testimonies: Vec<Testimony> = witnesses.into_iter().map(say).collect();
                if silent.len() > 2 {
                    testimonies.extend(strays);
                }
                DeadReport::sign(
                    &signer(reporter),
                    inquiry,
                    endpoint,
                    opened_ms,
                    testimonies,
                    silent,
                )
            },
        )
        .boxed()
}

fn proposal() -> BoxedStrategy<Proposal> {
    let motion = (network(), text(), count(), opened_ms(), number()).prop_map(
        |(network, topic, attempt, opened_ms, by)| {
            Motion::sign(
                &signer(by),
                network,
                topic,
                vec![1, 2, 3],
                attempt,
                opened_ms,
            )
        },
    );
    prop_oneof![
        4 => record().prop_map(Proposal::Admit),
        4 => report().prop_map(Proposal::Evict),
        1 => motion.prop_map(Proposal::Motion),
    ]
    .boxed()
}

fn certificate() -> BoxedStrategy<Certificate> {
    let signers = prop_oneof![4 => Just([1, 2].into()), 1 => Just([1, 2, 3].into()), 2 => btree_set(number(), 0..5)];
    (proposal(), signers, 0..20_u64)
        .prop_map(|(proposal, signers, epoch)| {
            let mut certificate = certify(proposal, signers);
            if epoch < 2 {
                certificate.epoch = epoch;
            }
            certificate
        })
        .boxed()
}

pub(crate) fn proof() -> BoxedStrategy<Arc<Proof>> {
    let departure = (certificate(), number()).prop_map(|(admission, by)| {
        let own = match &admission.proposal {
            Proposal::Admit(record) => Departure::sign(&signer_of(record.node), admission.clone()),
            _ => None,
        };
        Proof::Departure(own.unwrap_or_else(|| {
            let signature = admission.votes.values().next().copied();
            let signature =
                signature.unwrap_or(quorate_node::consensus::Signature::new([by as u8; 64]));
            Departure {
                admission,
                signature,
            }
        }))
    });
    prop_oneof![
        6 => certificate().prop_map(|certificate| Proof::of(certificate.clone()).unwrap_or(Proof::Admission(certificate))),
        1 => certificate().prop_map(Proof::Admission),
        1 => certificate().prop_map(Proof::Eviction),
        2 => departure,
    ]
    .prop_map(Arc::new)
    .boxed()
}

// --- messages ---

fn goodbye() -> BoxedStrategy<Goodbye> {
    prop_oneof![
        Just(Goodbye::Leaving),
        Just(Goodbye::Done),
        Just(Goodbye::Duplicate),
        Just(Goodbye::TooManyLinks),
        Just(Goodbye::Busy),
        Just(Goodbye::Silent),
        text().prop_map(Goodbye::Mismatch),
        text().prop_map(Goodbye::NoPassport),
        text().prop_map(Goodbye::Undecided),
        text().prop_map(Goodbye::Misbehaved),
        proof().prop_map(Goodbye::NotAMember),
    ]
    .boxed()
}

fn refusal() -> BoxedStrategy<Refusal> {
    prop_oneof![
        text().prop_map(Refusal::Unacceptable),
        vec((node(), text()), 0..4).prop_map(Refusal::Defeated),
        vec(text(), 0..4).prop_map(|silent| Refusal::Expired { silent }),
        proof().prop_map(Refusal::Settled),
    ]
    .boxed()
}

fn vote() -> BoxedStrategy<Vote> {
    (proposal(), number(), choice(), text())
        .prop_map(|(proposal, voter, choice, reason)| {
            Vote::cast(
                &signer(voter),
                &electorate(),
                proposal.id(),
                choice,
                &reason,
            )
        })
        .boxed()
}

fn council_message() -> BoxedStrategy<council::Message> {
    prop_oneof![
        proposal().prop_map(|proposal| council::Message::Proposal(Arc::new(proposal))),
        vote().prop_map(council::Message::Vote),
        (any::<[u8; 32]>(), number(), choice()).prop_map(|(id, voter, choice)| {
            council::Message::Vote(Vote::cast(
                &signer(voter),
                &electorate(),
                ProposalId::new(id),
                choice,
                "",
            ))
        }),
        proof().prop_map(council::Message::Proof),
    ]
    .boxed()
}

fn standing_key() -> BoxedStrategy<StandingKey> {
    let standing = prop_oneof![
        Just(Standing::Admitted),
        Just(Standing::Evicted),
        Just(Standing::Left)
    ];
    (count(), standing, count(), digest())
        .prop_map(|(incarnation, standing, attempt, hash)| StandingKey {
            incarnation,
            standing,
            attempt,
            hash,
        })
        .boxed()
}

fn roster_message() -> BoxedStrategy<RosterMessage> {
    prop_oneof![
        digest().prop_map(RosterMessage::Digest),
        prop_oneof![4 => vec(digest(), 256), 1 => vec(digest(), 0..300)]
            .prop_map(RosterMessage::Buckets),
        (
            vec(any::<u8>(), 0..20),
            vec((node(), standing_key()), 0..20)
        )
            .prop_map(|(buckets, keys)| RosterMessage::Keys { buckets, keys }),
        prop_oneof![9 => vec(node(), 0..20), 1 => vec(node(), 2040..2060)]
            .prop_map(RosterMessage::Want),
        vec(proof(), 0..5).prop_map(RosterMessage::Proofs),
    ]
    .boxed()
}

fn content() -> BoxedStrategy<Bytes> {
    let application = (
        node(),
        count(),
        count(),
        vec(any::<u8>(), 0..50),
        any::<bool>(),
    )
        .prop_map(|(origin, incarnation, sequence, payload, is_signed)| {
            use quorate_node::consensus::{Signer as _, Transcript};
            let unsigned = |signature| Content::Application {
                origin,
                incarnation,
                sequence,
                payload: payload.clone().into(),
                signature,
            };
            let statement = Transcript::new("quorate/message/1")
                .bytes(seeds().network().as_ref())
                .bytes(unsigned(Bytes::new()).id().as_bytes())
                .finish();
            let signature = signer_of(origin).sign(&statement);
            let signature = if is_signed {
                Bytes::copy_from_slice(signature.as_bytes())
            } else {
                Bytes::new()
            };
            unsigned(signature).encode()
        });
    let of_proof = (0..3_u8, proof()).prop_map(|(kind, proof)| {
        let body = Format::Bincode.encode(&*proof).unwrap();
        Content::<NodeId>::Proof { kind, body }.encode()
    });
    prop_oneof![4 => application, 4 => of_proof, 1 => vec(any::<u8>(), 0..60).prop_map(Bytes::from)]
        .boxed()
}

fn gossip() -> BoxedStrategy<Gossip> {
    let ids = || {
        vec(
            (0..20_u8).prop_map(|byte| MessageId::from_bytes([byte; 32])),
            0..20,
        )
    };
    prop_oneof![
        4 => (any::<u16>(), content()).prop_map(|(hop_count, content)| Gossip::Gossip { hop_count, content }),
        1 => ids().prop_map(|ids| Gossip::IHave { ids }),
        1 => ids().prop_map(|ids| Gossip::Graft { ids }),
        1 => any::<u64>().prop_map(|nonce| Gossip::Ping { nonce }),
        1 => any::<u64>().prop_map(|nonce| Gossip::Pong { nonce }),
    ]
    .boxed()
}

/// Every message, well formed; much of it well signed.
pub(crate) fn message() -> BoxedStrategy<Message> {
    prop_oneof![
        1 => goodbye().prop_map(Message::Goodbye),
        2 => proof().prop_map(Message::Passport),
        1 => Just(Message::Welcome),
        2 => record().prop_map(Message::RegisterRequest),
        1 => refusal().prop_map(Message::RegisterRefused),
        3 => council_message().prop_map(Message::Council),
        3 => roster_message().prop_map(Message::Roster),
        1 => any::<u32>().prop_map(Message::LinkCount),
        1 => vec((node(), any::<u32>()), 0..10).prop_map(Message::LinkCounts),
        1 => vec(node(), 0..10).prop_map(Message::Neighbors),
        3 => gossip().prop_map(Message::Gossip),
        1 => any::<u64>().prop_map(|nonce| Message::Probe { nonce }),
        1 => (any::<u64>(), proptest::option::of(digest())).prop_map(|(nonce, record)| Message::Echo { nonce, record }),
        2 => (inquiry(), proof(), proptest::option::of(proof()))
            .prop_map(|(inquiry, suspect, asker)| Message::SuspectRequest { inquiry, suspect, asker }),
        2 => testimony().prop_map(Message::SuspectResponse),
        2 => report().prop_map(Message::DeadReport),
        1 => (node(), count(), text())
            .prop_map(|(suspect, attempt, reason)| Message::DeadReportRefused { suspect, attempt, reason }),
        1 => proof().prop_map(|proof| match &*proof {
            Proof::Departure(departure) => Message::Departure(departure.clone()),
            _ => Message::Passport(proof),
        }),
    ]
    .boxed()
}

pub(crate) fn hello(purpose: Purpose, role: RoleKind) -> Hello {
    let seeds = seeds();
    Hello {
        versions: quorate_node::protocol::VERSIONS,
        network: seeds.network(),
        seeds: seeds.addresses(),
        format: Format::Bincode,
        purpose,
        role,
    }
}

// --- decoding ---

/// Reads bytes as everything that travels or is kept; none of it may panic.
fn read_as_everything(bytes: &[u8]) {
    for format in [Format::Bincode, Format::Json] {
        let _any = format
            .decode::<Hello>(bytes)
            .map(|hello| format.encode(&hello).unwrap());
        let _any = format
            .decode::<Goodbye>(bytes)
            .map(|goodbye| goodbye.to_string());
        let _any = format
            .decode::<Refusal>(bytes)
            .map(|refusal| refusal.describe(|node| node.to_string()));
        let _any = format.decode::<RosterMessage>(bytes);
        let _any = format.decode::<council::Message>(bytes);
        let _any = format.decode::<Gossip>(bytes);
        let _any = format
            .decode::<Proof>(bytes)
            .map(|proof| (proof.claims(), proof.record().cloned()));
        let _any = format.decode::<council::Durable>(bytes);
        let _any = format.decode::<succession::Durable>(bytes);
        let _any = format.decode::<succession::Founding>(bytes);
        if let Ok(message) = format.decode::<Message>(bytes) {
            // What was read can be said again, and means the same.
            let again = format.encode(&message).unwrap();
            assert_eq!(
                format.decode::<Message>(&again).unwrap(),
                message,
                "as {format}"
            );
        }
    }
    let _any = Content::<NodeId>::decode(&Bytes::copy_from_slice(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_as_any_message_without_a_panic(bytes in vec(any::<u8>(), 0..2048)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn a_message_reads_back_as_it_was_written_in_both_formats(message in message()) {
        for format in [Format::Bincode, Format::Json] {
            let body = format.encode(&message).unwrap();
            prop_assert_eq!(&format.decode::<Message>(&body).unwrap(), &message, "as {}", format);
        }
    }

    #[test]
    fn a_damaged_message_is_read_without_a_panic(
        message in message(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        kept in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        for format in [Format::Bincode, Format::Json] {
            let mut body = format.encode(&message).unwrap().to_vec();
            for (place, value) in &flips {
                let place = place.index(body.len());
                body[place] = *value;
            }
            if is_cut {
                body.truncate(kept.index(body.len()));
            }
            read_as_everything(&body);
        }
    }
}
