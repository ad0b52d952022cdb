//! Three councils through random orders, losses, repetitions, slow and failing disks, crashes and restarts: what may
//! never happen does not, and when it is over all rosters are equal.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use quorate_consensus::council::{Durable, Message, Output};
use quorate_consensus::{
    Certificate, Choice, NodeId, Proof, Proposal, ProposalId, StandingKey, Unproven,
};

use crate::net::{Disk, Net, Verdict};
use crate::sample::{START_MS, admission, eviction, motion, record, signer};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_to_three_councils(steps in prop::collection::vec(arbitrary_step(), 0..300)) {
        let mut net = Net::new(3);
        for station in &mut net.stations {
            (station.verdict, station.disk) = (Verdict::Later, Disk::Slow);
        }
        let mut history = History::default();
        for step in steps {
            step.take(&mut net);
            history.check(&net);
        }
        settle(&mut net, &mut history);
        let first = net.council(0).roster().clone();
        for at in net.all() {
            prop_assert_eq!(net.council(at).roster(), &first);
            prop_assert_eq!(net.council(at).roster().digest(), first.digest());
        }
    }
}

/// One thing that happens. Numbers choose among what there is, whatever its size.
#[derive(Debug, Clone, Copy)]
enum Step {
    Propose {
        at: usize,
        which: usize,
    },
    Judge {
        at: usize,
        choice: Choice,
    },
    Deliver(usize),
    Lose(usize),
    Repeat(usize),
    Write {
        at: usize,
    },
    FailToWrite {
        at: usize,
    },
    /// So many of the waiting writes reach the disk, of which the council never hears.
    Crash {
        at: usize,
        written: usize,
    },
    Restart {
        at: usize,
    },
    Exchange {
        from: usize,
        to: usize,
    },
    Wait {
        ms: u64,
    },
}

fn arbitrary_step() -> impl Strategy<Value = Step> {
    let at = || 0..3usize;
    let choice = prop_oneof![4 => Just(Choice::Yes), 1 => Just(Choice::No)];
    prop_oneof![
        4 => (at(), 0..5usize).prop_map(|(at, which)| Step::Propose { at, which }),
        12 => (at(), choice).prop_map(|(at, choice)| Step::Judge { at, choice }),
        40 => any::<u16>().prop_map(|index| Step::Deliver(index.into())),
        3 => any::<u16>().prop_map(|index| Step::Lose(index.into())),
        5 => any::<u16>().prop_map(|index| Step::Repeat(index.into())),
        20 => at().prop_map(|at| Step::Write { at }),
        1 => at().prop_map(|at| Step::FailToWrite { at }),
        1 => (at(), 0..3usize).prop_map(|(at, written)| Step::Crash { at, written }),
        3 => at().prop_map(|at| Step::Restart { at }),
        1 => (at(), at()).prop_map(|(from, to)| Step::Exchange { from, to }),
        4 => (1..2_000u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

impl Step {
    fn take(self, net: &mut Net) {
        match self {
            Self::Propose { at, which } if net.is_up(at) => {
                // Refused when it is settled, or when there is nobody to evict yet.
                let _refused = net.propose(at, &proposals()[which]);
            }
            Self::Judge { at, choice } => {
                if let Some(id) = net.stations[at].asked.first().copied() {
                    net.judge(at, id, choice);
                }
            }
            Self::Deliver(index) => {
                if let Some(index) = index.checked_rem(net.wire.len()) {
                    let envelope = net.wire.remove(index).unwrap();
                    net.deliver(envelope);
                }
            }
            Self::Lose(index) => {
                if let Some(index) = index.checked_rem(net.wire.len()) {
                    net.wire.remove(index);
                }
            }
            Self::Repeat(index) => {
                if let Some(index) = index.checked_rem(net.wire.len()) {
                    net.wire.push_back(net.wire[index].clone());
                }
            }
            Self::Write { at } => {
                if let Some((id, durable)) = net.stations[at].writes.pop_front() {
                    net.stations[at].store.write(durable);
                    net.council_mut(at).handle_persisted(id);
                    net.pump(at);
                }
            }
            Self::FailToWrite { at } => {
                if let Some((id, _)) = net.stations[at].writes.pop_front() {
                    net.council_mut(at).handle_persist_failed(id);
                    net.pump(at);
                }
            }
            Self::Crash { at, written } => {
                for _ in 0..written {
                    let station = &mut net.stations[at];
                    if let Some((_, durable)) = station.writes.pop_front() {
                        station.store.write(durable);
                    }
                }
                net.crash(at);
            }
            Self::Restart { at } if !net.is_up(at) => {
                net.restart(at);
                net.heal(at);
            }
            Self::Exchange { from, to } if net.is_up(from) && net.is_up(to) => {
                let roster = net.council(from).roster().clone();
                for (_, entry) in roster.iter() {
                    let proof = entry.proof.clone();
                    net.council_mut(to).handle_proof(proof).unwrap();
                }
                net.pump(to);
            }
            Self::Wait { ms } => {
                net.now = net.now.after(Duration::from_millis(ms));
                net.tick();
                for at in net.all() {
                    net.pump(at);
                }
            }
            Self::Propose { .. } | Self::Restart { .. } | Self::Exchange { .. } => {}
        }
    }
}

/// Two candidates, one of whom tries twice, the eviction of that one, and a motion.
fn proposals() -> [Proposal; 5] {
    [
        admission(50),
        Proposal::Admit(record(&signer(50), 1, 2, START_MS)),
        admission(51),
        eviction(1, 50),
        motion(1, 1),
    ]
}

/// Everybody comes back, disks and judges answer, everything is delivered, and every timer runs out.
fn settle(net: &mut Net, history: &mut History) {
    for at in net.all() {
        if !net.is_up(at) {
            net.restart(at);
            net.heal(at);
        }
        // What waits for the disk first: a disk that reorders writes is not one that a council can live with.
        net.flush(at);
        history.check(net);
        (net.stations[at].verdict, net.stations[at].disk) = (Verdict::Yes, Disk::Prompt);
        while let Some(id) = net.stations[at].asked.first().copied() {
            net.judge(at, id, Choice::Yes);
        }
        history.check(net);
    }
    net.run_for(Duration::from_secs(70));
    assert_eq!(net.poll_timeout(), None, "it does not come to rest");
    net.exchange_proofs();
    history.check(net);
    for at in net.all() {
        net.crash(at);
        net.restart(at);
    }
    history.check(net);
}

/// What has been seen so far, and the checks on it.
#[derive(Debug, Default)]
struct History {
    /// How much of each station's log has been looked at.
    seen: BTreeMap<usize, usize>,
    /// What each voter has ever said.
    words: BTreeMap<(NodeId, ProposalId), Choice>,
    /// The largest standing that each station announced of each node.
    committed: BTreeMap<(usize, NodeId), StandingKey>,
}

impl History {
    fn check(&mut self, net: &Net) {
        // First all words, for a certificate of one station has the signatures of others.
        for at in net.all() {
            for output in self.unseen(net, at) {
                if let Output::Send {
                    message: Message::Vote(vote),
                    ..
                }
                | Output::Counted { vote, .. } = output
                    && vote.voter == net.stations[at].id
                {
                    self.spoken(net, at, vote);
                }
            }
        }
        for at in net.all() {
            for output in self.unseen(net, at) {
                match output {
                    Output::Equivocated(evidence) => panic!("an honest voter: {evidence:?}"),
                    Output::Committed { node, proof, .. } => {
                        let (_, key) = proof.claims().unwrap();
                        let largest = self.committed.entry((at, *node)).or_insert(key);
                        assert!(*largest <= key, "a standing went back");
                        *largest = key;
                        self.signed(net, proof.certificate());
                    }
                    Output::Widened { proof, .. } => self.signed(net, proof.certificate()),
                    Output::Decided {
                        decision: quorate_consensus::council::Decision::Carried(certificate),
                        ..
                    } => self.signed(net, certificate),
                    Output::Persist {
                        durable: Durable::Proof(proof),
                        ..
                    } => self.signed(net, proof.certificate()),
                    _ => {}
                }
            }
            self.seen.insert(at, net.stations[at].log.len());
        }
        for ((at, node), key) in &self.committed {
            let written: &Proof = &net.stations[*at].store.proofs[node];
            assert!(
                written.claims().unwrap().1 >= *key,
                "the disk lost {node:?}"
            );
            if net.is_up(*at) {
                let entry = net.council(*at).roster().get(node).unwrap();
                assert!(entry.key >= *key, "the roster lost {node:?}");
            }
        }
    }

    fn unseen<'a>(&self, net: &'a Net, at: usize) -> &'a [Output] {
        &net.stations[at].log[self.seen.get(&at).copied().unwrap_or(0)..]
    }

    /// A vote of a station's own was sent or counted: it must be on its disk, and be its only word.
    fn spoken(&mut self, net: &Net, at: usize, vote: &quorate_consensus::Vote) {
        let (_, written) = &net.stations[at].store.votes[&vote.proposal];
        assert_eq!(written, vote, "not what is on the disk");
        let word = self.words.entry((vote.voter, vote.proposal));
        assert_eq!(
            *word.or_insert(vote.choice),
            vote.choice,
            "voted both ways on {:?}",
            vote.proposal
        );
    }

    fn signed(&self, net: &Net, certificate: &Certificate) {
        assert_eq!(certificate.verify(&net.electorate, &Unproven), Ok(()));
        for voter in certificate.votes.keys() {
            let word = self.words.get(&(*voter, certificate.id()));
            assert_eq!(word, Some(&Choice::Yes), "{voter:?} never said yes");
        }
    }
}
