//! How seeds deal with reports and with questions: what must not be put to the vote, and what must not be put up with.

use quorate_consensus::council;
use quorate_consensus::{DeadReport, Finding, Inquiry, Proposal, Signature, Testimony};
use quorate_node::protocol::Message;
use quorate_node::roles::Frame;
use quorate_sim::checkers::{Bounds, ProofChecker, QUESTIONS_MAX, QUESTIONS_SPAN};
use quorate_sim::fact::Fact;
use quorate_sim::host::HostId;
use quorate_sim::world::World;

use super::small::{SECOND, assert_says, run, seeded, settle, start_all, tell, watch};

const SEED: HostId = HostId(0);
const PEER: HostId = HostId(3);

fn grown() -> World {
    let mut world = seeded(5, 4);
    start_all(&mut world);
    settle(&mut world, SECOND * 60).unwrap();
    run(&mut world, SECOND * 5).unwrap();
    world
}

/// About the death of a peer.
fn inquiry(world: &World, attempt: u64) -> Inquiry {
    Inquiry {
        network: world.view().truth.electorate.as_ref().unwrap().network(),
        suspect: world.host(PEER).id(),
        incarnation: 1,
        attempt,
    }
}

#[test]
fn a_report_with_a_forged_testimony_is_not_put_to_the_vote() {
    let mut world = grown();
    let checker = watch::<ProofChecker>(&mut world, |_| false);
    let witnesses = [4, 5].map(|host| &*world.host(HostId(host)).signer);
    let inquiry = inquiry(&world, 1);
    let good =
        witnesses.map(|witness| Testimony::sign(witness, inquiry, Finding::Unreachable, "no echo"));
    let mut bad = good.clone();
    bad[0].signature = Signature::new([7; 64]);
    let put = |testimonies: [Testimony; 2], by: HostId| {
        let endpoint = "10.0.0.3:5000".to_owned();
        let report = DeadReport::sign(
            witnesses[1],
            inquiry,
            endpoint,
            1,
            testimonies.into(),
            vec![],
        );
        let proposal = Proposal::Evict(report);
        let frame = Frame::Message(Message::Council(council::Message::Proposal(
            proposal.into(),
        )));
        let fact = Fact::Sent {
            host: by,
            to: &[],
            frame: &frame,
            len: 100,
        };
        tell(&checker, &world, &fact)
    };
    assert_eq!(put(good, SEED), Ok(()));
    assert_says(put(bad, SEED), "the report proves nothing");
}

#[test]
fn a_connection_that_brings_ever_more_questions_is_reported() {
    let mut world = grown();
    let checker = watch::<Bounds>(&mut world, |_| false);
    let suspect = world.view().host(SEED).process.as_ref().and_then(|seed| {
        let entry = seed.roster()?.get(&world.host(PEER).id())?;
        Some(entry.proof.clone())
    });
    let question = Frame::Message(Message::SuspectRequest {
        inquiry: inquiry(&world, 2),
        suspect: suspect.unwrap(),
        asker: None,
    });
    let asks = |world: &World, link| {
        let fact = Fact::Arrived {
            from: HostId(5),
            to: SEED,
            link,
            frame: &question,
            len: 100,
        };
        tell(&checker, world, &fact)
    };
    for _ in 0..QUESTIONS_MAX {
        assert_eq!(asks(&world, 1), Ok(()));
        assert_eq!(asks(&world, 2), Ok(()));
    }
    run(&mut world, QUESTIONS_SPAN).unwrap();
    for _ in 0..QUESTIONS_MAX {
        assert_eq!(asks(&world, 1), Ok(()));
    }
    assert_says(asks(&world, 1), "more than 1024 questions");
}
