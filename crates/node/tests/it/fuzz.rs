//! Decoding survives any bytes; and the strategies that make every protocol message.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use quorate_node::SeedList;
use quorate_node::consensus::conclave::Step;
use quorate_node::consensus::succession::{
    Accepted, Acceptor, Accusation, Ballot, Chain, Change, Durable, Evidence, Founding, Grounds,
    Leave, Link, Loss, Lost, Opinion, Place, Predecessor, Promise, Proposed, Statement,
};
use quorate_node::consensus::{
    CREDENTIAL_LEN_MAX, Certificate, Choice, DeadReport, Departure, Digest, Electorate, Finding,
    Inquiry, Invitation, Motion, NetworkId, NodeId, Proof, Proposal, ProposalId, Record, Signature,
    Standing, StandingKey, Testimony, Unproven, UnprovenSigner, Vote, assembly, conclave, council,
    succession,
};
use quorate_node::gossip::{Content, Message as Gossip, MessageId};
use quorate_node::protocol::{
    DiscoveryMessage, Goodbye, Hello, JoinMessage, KnownMember, Message, NeighborMessage, Purpose,
    Refusal, RoleKind, RosterMessage,
};
use quorate_wire::Format;

use crate::fuzz_seats::{electorate_message, endorsed, endorsement, step};

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
        proposal: proposal.into(),
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

pub(crate) fn signer(number: u64) -> UnprovenSigner {
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

pub(crate) fn count() -> BoxedStrategy<u64> {
    prop_oneof![8 => 0..4_u64, 1 => Just(u64::MAX), 1 => any::<u64>()].boxed()
}

fn network() -> BoxedStrategy<NetworkId> {
    prop_oneof![9 => Just(seeds().network()), 1 => any::<[u8; 32]>().prop_map(NetworkId::new)]
        .boxed()
}

pub(crate) fn digest() -> BoxedStrategy<Digest> {
    any::<[u8; 32]>().prop_map(Digest::new).boxed()
}

fn opened_ms() -> BoxedStrategy<u64> {
    prop_oneof![8 => (0..90_000_u64).prop_map(|later| START_MS + later), 1 => Just(0), 1 => Just(u64::MAX), 1 => any::<u64>()]
    .boxed()
}

pub(crate) fn text() -> BoxedStrategy<String> {
    prop_oneof![4 => "[a-z:0-9.]{0,20}", 1 => ".{0,400}"].boxed()
}

pub(crate) fn purpose() -> BoxedStrategy<Purpose> {
    prop_oneof![
        Just(Purpose::Link),
        Just(Purpose::Register),
        Just(Purpose::Probe),
        Just(Purpose::Testify),
        Just(Purpose::Join),
        Just(Purpose::Discover),
    ]
    .boxed()
}

pub(crate) fn role() -> BoxedStrategy<RoleKind> {
    prop_oneof![
        Just(RoleKind::Seed),
        Just(RoleKind::Peer),
        Just(RoleKind::Member),
        Just(RoleKind::Bootstrap),
    ]
    .boxed()
}

fn choice() -> BoxedStrategy<Choice> {
    prop_oneof![Just(Choice::Yes), Just(Choice::No)].boxed()
}

// --- what is signed ---

fn credential() -> BoxedStrategy<Vec<u8>> {
    let invitation = (
        network(),
        number(),
        proptest::option::of(node()),
        any::<[u8; 16]>(),
    );
    let invitation = invitation.prop_map(|(network, issuer, guest, nonce)| {
        Invitation::sign(&signer(issuer), network, guest, nonce, START_MS).to_bytes()
    });
    prop_oneof![
        6 => Just(Vec::new()),
        2 => invitation,
        1 => vec(any::<u8>(), 0..40),
        1 => Just(vec![7; CREDENTIAL_LEN_MAX]),
    ]
    .boxed()
}

pub(crate) fn record() -> BoxedStrategy<Record> {
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
        credential(),
        any::<bool>(),
    )
        .prop_map(
            |(
                network,
                number,
                endpoints,
                incarnation,
                attempt,
                opened_ms,
                credential,
                is_signed,
            )| {
                let good = vec!["127.0.0.1:6000".to_owned()];
                let signed = Record::sign_showing(
                    credential.clone(),
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
                if credential.len() == CREDENTIAL_LEN_MAX {
                    record.credential.push(0);
                }
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

pub(crate) fn certificate() -> BoxedStrategy<Certificate> {
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
        let own = match &*admission.proposal {
            Proposal::Admit(record) => Departure::sign(&signer_of(record.node), admission.clone()),
            _ => None,
        };
        Proof::Departure(own.unwrap_or_else(|| {
            let signature = admission.votes.values().next().copied();
            let signature =
                signature.unwrap_or(quorate_node::consensus::Signature::new([by as u8; 64]));
            Departure {
                admission: admission.into(),
                signature,
            }
        }))
    });
    prop_oneof![
        6 => certificate().prop_map(|certificate| Proof::of(certificate.clone()).unwrap_or(Proof::Admission(certificate))),
        1 => certificate().prop_map(Proof::Admission),
        1 => certificate().prop_map(Proof::Eviction),
        1 => endorsed().prop_map(|endorsed| Proof::Endorsed(Box::new(endorsed))),
        2 => departure,
    ]
    .prop_map(Arc::new)
    .boxed()
}

// --- the open network: nodes 4 to 7, in one after the other ---

/// The chain by which nodes 4 to 3 + `members` are in.
pub(crate) fn open_chain(members: u64) -> Chain {
    let endpoints = vec!["127.0.0.1:6000".to_owned()];
    let founding = Founding::sign(&signer(4), endpoints, 0, START_MS, None).unwrap();
    let mut chain = Chain::found(founding, &Unproven).unwrap();
    for number in 5..4 + members {
        let record = open_record_of(&chain, number, 1, START_MS);
        let link = admit(&chain, record);
        chain.extend(Arc::new(link), &Unproven).unwrap();
    }
    chain
}

pub(crate) fn open_record_of(chain: &Chain, number: u64, attempt: u64, opened_ms: u64) -> Record {
    let endpoints = vec!["127.0.0.1:6000".to_owned()];
    let network = chain.membership().network();
    let life = chain.membership().last_life(&NodeId::from(number));
    let incarnation = life.map_or(1, |life| life + 1);
    Record::sign(
        &signer(number),
        network,
        endpoints,
        incarnation,
        attempt,
        opened_ms,
    )
    .unwrap()
}

/// The decision of all members to let a candidate in.
pub(crate) fn admit(chain: &Chain, record: Record) -> Link {
    let membership = chain.membership();
    let (hash, network) = (record.hash(), membership.network());
    let allow = |member: &Record| {
        let voter = signer_of(member.node);
        let opinion = Opinion::sign(&voter, network, hash, member.incarnation, Choice::Yes, "");
        (member.node, opinion.signature)
    };
    let allows = membership.members().map(allow).collect();
    decide(chain, Change::Admit { record, allows })
}

/// A change as all members of the chain's last epoch accept it.
pub(crate) fn decide(chain: &Chain, change: Change) -> Link {
    let place = chain.membership().place();
    let ballot = Ballot {
        counter: 1,
        leader: NodeId::from(4),
    };
    let hash = change.hash();
    let accept = |member: &Record| {
        let accepted = Accepted::sign(&signer_of(member.node), &place, ballot, hash);
        (member.node, accepted.signature)
    };
    Link {
        epoch: place.epoch,
        parent: place.head,
        accepted: chain.membership().members().map(accept).collect(),
        change,
        ballot,
    }
}

/// The chains of one to four members.
fn any_chain() -> BoxedStrategy<Chain> {
    prop_oneof![1 => 1..=4_u64, 4 => Just(3)]
        .prop_map(open_chain)
        .boxed()
}

fn open_place() -> BoxedStrategy<Place> {
    prop_oneof![
        8 => any_chain().prop_map(|chain| chain.membership().place()),
        1 => (count(), digest()).prop_map(|(epoch, head)| Place {
            epoch,
            head,
            ..open_chain(3).membership().place()
        }),
    ]
    .boxed()
}

fn open_record() -> BoxedStrategy<Record> {
    let good = (any_chain(), number(), 0..4_u64, opened_ms()).prop_map(
        |(chain, number, attempt, opened_ms)| open_record_of(&chain, number, attempt, opened_ms),
    );
    prop_oneof![6 => good, 1 => record()].boxed()
}

fn ballot() -> BoxedStrategy<Ballot> {
    let counter = prop_oneof![8 => 0..4_u64, 1 => 60_000..140_000_u64, 1 => Just(u64::MAX), 1 => any::<u64>()];
    (counter, node())
        .prop_map(|(counter, leader)| Ballot { counter, leader })
        .boxed()
}

fn opinion() -> BoxedStrategy<Opinion> {
    (open_record(), number(), 0..3_u64, choice(), text(), 0..8_u8)
        .prop_map(|(record, voter, incarnation, choice, reason, spoilt)| {
            let network = open_chain(1).membership().network();
            let hash = record.hash();
            let voter = signer(voter);
            let mut opinion = Opinion::sign(&voter, network, hash, incarnation, choice, &reason);
            if spoilt == 0 {
                opinion.reason = reason;
                opinion.choice = Choice::No;
            }
            opinion
        })
        .boxed()
}

fn change() -> BoxedStrategy<Change> {
    let valid = (any_chain(), number(), 0..4_u64).prop_map(|(chain, number, attempt)| {
        let record = open_record_of(&chain, number, attempt, START_MS);
        admit(&chain, record).change
    });
    let signatures = || {
        vec((node(), any::<u8>()), 0..5).prop_map(|of| -> BTreeMap<NodeId, Signature> {
            of.into_iter()
                .map(|(node, byte)| (node, Signature::new([byte; 64])))
                .collect()
        })
    };
    let forged =
        (open_record(), signatures()).prop_map(|(record, allows)| Change::Admit { record, allows });
    let evict = (open_place(), btree_set(number(), 0..4), 4..=7_u64, 0..3_u64).prop_map(
        |(place, suspects, accusers, incarnation)| {
            let accuse = |suspect: NodeId| {
                (4..=accusers)
                    .map(NodeId::from)
                    .filter(|accuser| *accuser != suspect)
                    .map(|accuser| {
                        let by = signer_of(accuser);
                        let said = Accusation::sign(&by, &place, suspect, incarnation);
                        (accuser, said.signature)
                    })
                    .collect()
            };
            let suspects = suspects.into_iter().map(NodeId::from);
            Change::Evict {
                suspects: suspects.map(|suspect| (suspect, accuse(suspect))).collect(),
            }
        },
    );
    prop_oneof![
        4 => valid,
        1 => forged,
        2 => evict,
        2 => leave().prop_map(Change::Leave),
    ]
    .boxed()
}

fn leave() -> BoxedStrategy<Leave> {
    (open_place(), number())
        .prop_map(|(place, number)| Leave::sign(&signer(number), &place))
        .boxed()
}

fn link() -> BoxedStrategy<Arc<Link>> {
    let decided = (any_chain(), change()).prop_map(|(chain, change)| decide(&chain, change));
    let spoilt = (decided.clone(), count(), digest(), any::<u8>()).prop_map(
        |(mut link, epoch, parent, what)| {
            match what % 4 {
                0 => link.epoch = epoch,
                1 => link.parent = parent,
                2 => link.accepted.clear(),
                _ => link
                    .accepted
                    .values_mut()
                    .for_each(|signature| *signature = Signature::new([what; 64])),
            }
            link
        },
    );
    prop_oneof![4 => decided, 1 => spoilt]
        .prop_map(Arc::new)
        .boxed()
}

fn links() -> BoxedStrategy<Vec<Arc<Link>>> {
    let chain = any_chain().prop_map(|chain| chain.links_from(0).to_vec());
    prop_oneof![3 => chain, 3 => vec(link(), 0..4), 1 => link().prop_map(|link| vec![link; 40])]
        .boxed()
}

fn founding() -> BoxedStrategy<Founding> {
    let good = Just((**open_chain(1).founding().unwrap()).clone());
    let other = (
        number(),
        count(),
        opened_ms(),
        proptest::option::of(digest()),
    )
        .prop_map(|(number, attempt, opened_ms, after)| {
            let endpoints = vec!["127.0.0.1:6000".to_owned()];
            let after = after.map(|head| Predecessor {
                network: NetworkId::new([3; 32]),
                epoch: attempt,
                head,
            });
            Founding::sign(&signer(number), endpoints, attempt, opened_ms, after).unwrap()
        });
    let forged = record().prop_map(|record| Founding {
        record,
        after: None,
    });
    prop_oneof![4 => good, 2 => other, 1 => forged].boxed()
}

fn promise() -> BoxedStrategy<Promise> {
    let accepted = proptest::option::weighted(0.3, (ballot(), change()));
    (open_place(), number(), ballot(), accepted, lost())
        .prop_map(|(place, voter, ballot, accepted, lost)| {
            let accepted = accepted.map(|(ballot, change)| (ballot, change.hash()));
            Promise::sign_knowing(lost, &signer(voter), &place, ballot, accepted)
        })
        .boxed()
}

/// Mostly nobody.
fn lost() -> BoxedStrategy<Lost> {
    let some = btree_map(node(), ballot(), 0..3);
    prop_oneof![4 => Just(Lost::new()), 1 => some].boxed()
}

fn loss() -> BoxedStrategy<Loss> {
    (open_place(), ballot())
        .prop_map(|(place, ballot)| Loss::sign(&signer_of(ballot.leader), &place, ballot.counter))
        .boxed()
}

fn proposed() -> BoxedStrategy<(Proposed, Change, Vec<Promise>)> {
    let others = (
        change(),
        open_place(),
        ballot(),
        btree_set(4..=7_u64, 0..4),
        vec(promise(), 0..2),
    );
    others
        .prop_map(|(change, place, ballot, voters, strays)| {
            let leader = signer_of(ballot.leader);
            let proposed = Proposed::sign(&leader, &place, ballot.counter, change.hash());
            let promise = |voter| Promise::sign(&signer(voter), &place, ballot, None);
            let mut promises: Vec<Promise> = voters.into_iter().map(promise).collect();
            if promises.len() > 2 {
                promises.extend(strays);
            }
            (proposed, change, promises)
        })
        .boxed()
}

fn accepted() -> BoxedStrategy<Accepted> {
    (open_place(), number(), ballot(), change())
        .prop_map(|(place, voter, ballot, change)| {
            Accepted::sign(&signer(voter), &place, ballot, change.hash())
        })
        .boxed()
}

fn accusation() -> BoxedStrategy<Accusation> {
    (open_place(), number(), node(), 0..3_u64)
        .prop_map(|(place, accuser, suspect, incarnation)| {
            Accusation::sign(&signer(accuser), &place, suspect, incarnation)
        })
        .boxed()
}

fn grounds() -> BoxedStrategy<Grounds> {
    (vec(loss(), 0..3), vec(promise(), 0..3))
        .prop_map(|(losses, return_promises)| Grounds {
            losses,
            return_promises,
        })
        .boxed()
}

fn statement() -> BoxedStrategy<Statement> {
    prop_oneof![
        2 => accusation().prop_map(Statement::Accuse),
        1 => leave().prop_map(Statement::Leave),
        3 => ballot().prop_map(Statement::Prepare),
        1 => loss().prop_map(Statement::Lost),
        2 => (promise(), proptest::option::of(change().prop_map(Arc::new)), grounds())
            .prop_map(|(promise, change, grounds)| Statement::Promise { promise, change, grounds }),
        1 => (ballot(), ballot()).prop_map(|(ballot, promised)| Statement::Refused { ballot, promised }),
        3 => (proposed(), btree_map(node(), vec(promise(), 0..3), 0..2)).prop_map(|((proposed, change, promises), return_promises)| Statement::Accept {
            proposed,
            change: Arc::new(change),
            promises,
            return_promises,
        }),
        2 => accepted().prop_map(Statement::Accepted),
    ]
    .boxed()
}

fn succession_message() -> BoxedStrategy<succession::Message> {
    prop_oneof![
        2 => opinion().prop_map(succession::Message::Opinion),
        5 => (open_place(), statement()).prop_map(|(place, statement)| succession::Message::At {
            epoch: place.epoch,
            head: place.head,
            statement,
        }),
    ]
    .boxed()
}

pub(crate) fn assembly_message() -> BoxedStrategy<assembly::Message> {
    prop_oneof![
        2 => open_place().prop_map(|place| assembly::Message::Status { epoch: place.epoch, head: place.head }),
        1 => (count(), digest()).prop_map(|(epoch, head)| assembly::Message::Status { epoch, head }),
        1 => count().prop_map(|epoch| assembly::Message::Fetch { epoch }),
        3 => links().prop_map(assembly::Message::Links),
        1 => open_record().prop_map(|record| assembly::Message::OpinionsOn(record.hash())),
        6 => succession_message().prop_map(|message| assembly::Message::Succession(Box::new(message))),
    ]
    .boxed()
}

fn join_message() -> BoxedStrategy<JoinMessage> {
    prop_oneof![
        3 => founding().prop_map(|founding| JoinMessage::Founded(Arc::new(founding))),
        3 => open_record().prop_map(JoinMessage::Request),
        2 => opinion().prop_map(JoinMessage::Opinion),
        1 => text().prop_map(JoinMessage::Refused),
    ]
    .boxed()
}

fn discovery_message() -> BoxedStrategy<DiscoveryMessage> {
    let open_network = || {
        prop_oneof![
            4 => Just(open_chain(1).membership().network()),
            1 => network(),
            1 => Just(NetworkId::NONE),
        ]
    };
    let known = (node(), vec(text(), 0..3), open_network()).prop_map(|(id, endpoints, network)| {
        KnownMember {
            id,
            endpoints,
            network,
        }
    });
    let register = (
        prop_oneof![3 => Just(vec!["127.0.0.1:6000".to_owned()]), 1 => vec(text(), 0..6)],
        proptest::option::of(open_network()),
        any::<bool>(),
    );
    prop_oneof![
        register.prop_map(
            |(endpoints, network, would_found)| DiscoveryMessage::Register {
                endpoints,
                network,
                would_found,
            }
        ),
        (vec(known, 0..6), any::<bool>(), any::<bool>()).prop_map(
            |(members, may_found, ask_again)| DiscoveryMessage::Known {
                members,
                may_found,
                ask_again,
            }
        ),
    ]
    .boxed()
}

/// What only nodes of open networks say to each other.
pub(crate) fn open_message() -> BoxedStrategy<Message> {
    prop_oneof![
        6 => assembly_message().prop_map(Message::Assembly),
        2 => join_message().prop_map(Message::Join),
        1 => discovery_message().prop_map(Message::Discovery),
        1 => prop_oneof![
            Just(NeighborMessage::Ask),
            Just(NeighborMessage::Accept),
            Just(NeighborMessage::Refuse),
        ]
        .prop_map(Message::Neighbor),
    ]
    .boxed()
}

/// What a member keeps.
fn durable() -> BoxedStrategy<Durable> {
    let brought = proptest::option::of(proposed());
    let acceptor =
        (count(), ballot(), brought, grounds()).prop_map(|(epoch, promised, accepted, grounds)| {
            Acceptor {
                epoch,
                promised,
                accepted: accepted.map(|(proposed, change, _)| (proposed, Arc::new(change))),
                grounds,
            }
        });
    let evidence = prop_oneof![
        (opinion(), opinion()).prop_map(|(first, second)| Evidence::Opinions {
            network: open_chain(1).membership().network(),
            first,
            second,
        }),
        (link(), link()).prop_map(|(first, second)| Evidence::Fork {
            first: Box::new((*first).clone()),
            second: Box::new((*second).clone()),
        }),
        (open_place(), promise(), accepted()).prop_map(|(place, promise, accepted)| {
            Evidence::Promise {
                place,
                promise,
                accepted,
            }
        }),
    ];
    prop_oneof![
        (count(), opinion())
            .prop_map(|(opened_ms, opinion)| Durable::Opinion { opened_ms, opinion }),
        accusation().prop_map(Durable::Accusation),
        leave().prop_map(Durable::Leave),
        acceptor.prop_map(|acceptor| Durable::Acceptor(Box::new(acceptor))),
        link().prop_map(Durable::Link),
        evidence.prop_map(|evidence| Durable::Fork(Box::new(evidence))),
    ]
    .boxed()
}

/// The hello of a node in an open network, or of one that looks for it.
pub(crate) fn open_hello(purpose: Purpose, role: RoleKind, network: NetworkId) -> Hello {
    Hello {
        network,
        seeds: Vec::new(),
        ..hello(purpose, role)
    }
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
        text().prop_map(Goodbye::NotTrusted),
        text().prop_map(Goodbye::Misbehaved),
        proof().prop_map(Goodbye::NotAMember),
        count().prop_map(|epoch| Goodbye::NotInChain { epoch }),
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
        proposal().prop_map(|proposal| council::Message::Proposal(proposal.into())),
        vote().prop_map(|vote| council::Message::Vote(vote.into())),
        (any::<[u8; 32]>(), number(), choice()).prop_map(|(id, voter, choice)| {
            let vote = Vote::cast(
                &signer(voter),
                &electorate(),
                ProposalId::new(id),
                choice,
                "",
            );
            council::Message::Vote(vote.into())
        }),
        proof().prop_map(council::Message::Proof),
        proptest::collection::vec(vote(), 0..5).prop_map(|votes| {
            let votes: Vec<Arc<Vote>> = votes.into_iter().map(Arc::new).collect();
            council::Message::Votes(votes.into())
        }),
    ]
    .boxed()
}

pub(crate) fn standing_key() -> BoxedStrategy<StandingKey> {
    let standing = prop_oneof![
        Just(Standing::Admitted),
        Just(Standing::Evicted),
        Just(Standing::Left)
    ];
    (count(), standing, count(), digest(), count())
        .prop_map(
            |(incarnation, standing, attempt, hash, decided)| StandingKey {
                incarnation,
                standing,
                attempt,
                hash,
                decided,
            },
        )
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
        3 => electorate_message().prop_map(Message::Electorate),
        1 => endorsement().prop_map(Message::Endorsed),
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
        10 => open_message(),
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
        if let Ok(proof) = format.decode::<Proof>(bytes) {
            let _shown = (proof.claims(), proof.record(), proof.passport());
            let _valid = Arc::new(proof).verify(&electorate(), &Unproven);
        }
        let _any = format.decode::<council::Durable>(bytes);
        let _any = format.decode::<Step>(bytes).map(|step| step.epoch());
        let _any = format.decode::<conclave::Message>(bytes);
        if let Ok(durable) = format.decode::<Durable>(bytes) {
            use_durable(&durable);
        }
        if let Ok(founding) = format.decode::<Founding>(bytes) {
            let _chain = Chain::found(founding, &Unproven);
        }
        let _any = format
            .decode::<Link>(bytes)
            .map(|link| open_chain(3).extend(Arc::new(link), &Unproven));
        let _any = format.decode::<assembly::Message>(bytes);
        let _any = format.decode::<JoinMessage>(bytes);
        let _any = format.decode::<DiscoveryMessage>(bytes);
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

/// What a store may hold is checked, and told, whatever it is.
fn use_durable(durable: &Durable) {
    let membership = open_chain(3).membership().clone();
    match durable {
        Durable::Fork(evidence) => {
            let _valid = evidence.is_valid(Some(&membership), &Unproven);
            assert!(!evidence.to_string().is_empty());
        }
        Durable::Link(link) => {
            let _valid = link.verify(&membership, &Unproven);
        }
        Durable::Acceptor(acceptor) => {
            if let Some((_, change)) = &acceptor.accepted {
                let _valid = change.verify(&membership, &Unproven);
            }
        }
        _ => {}
    }
}

#[test]
fn the_chain_that_is_made_here_holds() {
    let chain = open_chain(4);
    let members: Vec<NodeId> = chain
        .membership()
        .members()
        .map(|record| record.node)
        .collect();
    assert_eq!(members, [4, 5, 6, 7].map(NodeId::from));
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
    fn what_a_member_keeps_reads_back_as_it_was_written(durable in durable()) {
        for format in [Format::Bincode, Format::Json] {
            let body = format.encode(&durable).unwrap();
            prop_assert_eq!(&format.decode::<Durable>(&body).unwrap(), &durable, "as {}", format);
            use_durable(&durable);
        }
    }

    #[test]
    fn how_an_electorate_changed_reads_back_as_it_was_written(step in step()) {
        for format in [Format::Bincode, Format::Json] {
            let body = format.encode(&step).unwrap();
            prop_assert_eq!(&format.decode::<Step>(&body).unwrap(), &step, "as {}", format);
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
