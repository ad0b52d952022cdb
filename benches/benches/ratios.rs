//! The same contestants taking turns, and what their speeds are to each other: a noisy machine slows all of a round, so
//! ratios are taken within rounds, and the median of the rounds is shown. Then what of a signed decision is signatures.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here has no speed, and a run without it says nothing"
)]

#[path = "contestants/mod.rs"]
mod contestants;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use contestants::councils::{Councils, NETWORK};
use contestants::{Contestant, VOTERS, omni, raft_rs};
use ed25519_dalek::{Signature as Raw, VerifyingKey, verify_batch};
use quorate_consensus::{
    Digest, Ed25519, Ed25519Key, Electorate, NodeId, QuorumRule, Scheme, Signature, Signer,
    Transcript,
};

/// Rounds of a few milliseconds for each, so that what else the machine does falls on all alike.
const ROUNDS: usize = 101;
const UNSIGNED: usize = 1000;
const SIGNED_ROUNDS: usize = 15;
const SIGNED: usize = 60;
/// Decisions before the clock starts: more than a council remembers.
const WARM_UP: usize = 1000;
/// Signatures, verifications and certificates in one round.
const RAW: usize = 200;

fn main() {
    // `cargo test` builds and starts benches too, without this argument.
    if std::env::args().any(|argument| argument == "--bench") {
        unsigned();
        signed();
    }
}

fn unsigned() {
    println!("\ndecisions/s, unsigned: medians of {ROUNDS} rounds of {UNSIGNED}");
    println!(
        "voters   council  omnipaxos   raft-rs   to omnipaxos         to raft-rs           fastest to raft-rs's"
    );
    for voters in VOTERS {
        let mut rates: [Vec<f64>; 3] = Default::default();
        let mut contestants: [Box<dyn Contestant>; 3] = [
            Box::new(Councils::unsigned(voters)),
            Box::new(omni::Cluster::new(voters)),
            Box::new(raft_rs::Cluster::new(voters)),
        ];
        for contestant in &mut contestants {
            (0..WARM_UP).for_each(|_| contestant.decide());
        }
        for _ in 0..ROUNDS {
            for (contestant, rates) in contestants.iter_mut().zip(&mut rates) {
                rates.push(rate(UNSIGNED, || contestant.decide()));
            }
        }
        let [council, omni, raft] = &rates;
        println!(
            "{voters:>6} {:>9.0} {:>10.0} {:>9.0}   {:<20} {:<20} {:.2}",
            median(council),
            median(omni),
            median(raft),
            ratio(council, omni),
            ratio(council, raft),
            undisturbed(council) / undisturbed(raft),
        );
    }
}

/// What a decision costs, and what the same number of signatures and verifications costs alone.
fn signed() {
    println!(
        "\nsigned with Ed25519: medians of {SIGNED_ROUNDS} rounds; \"rest\" is what an unsigned decision takes"
    );
    println!(
        "voters  decisions/s  signatures, verifications in each  alone/s  to alone             rest    \
         signatures/s  verifications/s"
    );
    for voters in VOTERS {
        let (signatures, verifications) = count(voters);
        let raw = RawQuorum::new(voters);
        let (mut councils, mut unsigned) = (Councils::signed(voters), Councils::unsigned(voters));
        let (mut decisions, mut alone, mut sign, mut verify) = (vec![], vec![], vec![], vec![]);
        let mut rest = vec![];
        for _ in 0..SIGNED_ROUNDS {
            decisions.push(rate(SIGNED, || councils.decide()));
            rest.push(rate(UNSIGNED, || unsigned.decide()));
            let (signing, verifying) = (rate(RAW, || raw.sign()), rate(RAW, || raw.verify()));
            alone.push(1.0 / (signatures / signing + verifications / verifying));
            sign.push(signing);
            verify.push(verifying);
        }
        println!(
            "{voters:>6} {:>12.0}  {signatures:>10} {verifications:>22} {:>8.0}  {:<20} {:.2} % {:>14.0} {:>16.0}",
            median(&decisions),
            median(&alone),
            ratio(&decisions, &alone),
            100.0 * median(&decisions) / median(&rest),
            median(&sign),
            median(&verify),
        );
    }
    println!("\ncertificates verified/s: medians of {SIGNED_ROUNDS} rounds");
    println!(
        "voters  signatures  one by one, alone  as done here  here to alone     dalek's batch"
    );
    for voters in VOTERS {
        let raw = RawQuorum::new(voters);
        let mut councils = Councils::signed(voters);
        councils.decide();
        let certificate = councils.certificate.take().unwrap();
        let (mut here, mut alone, mut batch) = (vec![], vec![], vec![]);
        for _ in 0..SIGNED_ROUNDS {
            here.push(rate(RAW, || {
                black_box(&certificate)
                    .verify(&raw.electorate, &Ed25519)
                    .unwrap();
            }));
            // The motion's own signature is one more.
            alone.push(rate(RAW, || {
                (0..=raw.signatures.len()).for_each(|_| raw.verify())
            }));
            batch.push(rate(RAW, || raw.verify_batch()));
        }
        println!(
            "{voters:>6} {:>11} {:>18.0} {:>13.0}  {:<20} {:>9.0}",
            raw.signatures.len() + 1,
            median(&alone),
            median(&here),
            ratio(&here, &alone),
            median(&batch),
        );
    }
}

fn rate(times: usize, mut what: impl FnMut()) -> f64 {
    let begin = Instant::now();
    (0..times).for_each(|_| what());
    times as f64 / begin.elapsed().as_secs_f64()
}

fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// What one round in ten is faster than.
fn undisturbed(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * 9 / 10]
}

/// One's speed to another's, round by round: the median, and what the middle half of the rounds is between.
fn ratio(one: &[f64], other: &[f64]) -> String {
    let mut ratios: Vec<f64> = one.iter().zip(other).map(|(a, b)| a / b).collect();
    ratios.sort_by(f64::total_cmp);
    let last = ratios.len() - 1;
    let [low, median, high] = [last / 4, last / 2, last * 3 / 4].map(|place| ratios[place]);
    format!("{median:.2} ({low:.2} to {high:.2})")
}

/// A quorum's keys and signatures, and no more.
struct RawQuorum {
    electorate: Electorate,
    key: Ed25519Key,
    statement: Digest,
    keys: Vec<VerifyingKey>,
    signatures: Vec<Raw>,
    verified: Cell<usize>,
}

impl RawQuorum {
    fn new(voters: usize) -> Self {
        let keys: Vec<Ed25519Key> = (1..=voters as u8)
            .map(|secret| Ed25519Key::from_secret(&[secret; 32]))
            .collect();
        let statement = Transcript::new("bench").finish();
        let electorate =
            Electorate::of(NETWORK, QuorumRule::Majority, keys.iter().map(Signer::id)).unwrap();
        let quorum = &keys[..electorate.quorum()];
        let decoded = |key: &Ed25519Key| VerifyingKey::from_bytes(key.id().as_bytes()).unwrap();
        Self {
            key: keys[0].clone(),
            statement,
            keys: quorum.iter().map(decoded).collect(),
            signatures: quorum
                .iter()
                .map(|key| Raw::from_bytes(key.sign(&statement).as_bytes()))
                .collect(),
            electorate,
            verified: Cell::new(0),
        }
    }

    fn sign(&self) {
        black_box(self.key.sign(black_box(&self.statement)));
    }

    /// Strictly, from a key as it travels, since nobody holds it in another form.
    fn verify(&self) {
        // One after another, or the processor learns what one signature needs.
        let which = self.verified.get() % self.keys.len();
        self.verified.set(which + 1);
        let key = VerifyingKey::from_bytes(black_box(self.keys[which].as_bytes())).unwrap();
        let statement = black_box(self.statement.as_bytes());
        key.verify_strict(statement, &self.signatures[which])
            .unwrap();
    }

    /// A quorum's signatures on one statement by the batch equation of dalek, which judges otherwise than its single check.
    fn verify_batch(&self) {
        let statements = vec![&self.statement.as_bytes()[..]; self.keys.len()];
        verify_batch(black_box(&statements), &self.signatures, &self.keys).unwrap();
    }
}

/// How many signatures and verifications a decision takes, as counted.
fn count(voters: usize) -> (f64, f64) {
    const DECISIONS: u64 = 20;
    let [signed, verified] = [0, 1].map(|_| Arc::new(AtomicU64::new(0)));
    let signers = (1..=voters as u8).map(|secret| {
        let signer: Arc<dyn Signer> = Arc::new(Counting {
            of: Ed25519Key::from_secret(&[secret; 32]),
            count: signed.clone(),
        });
        signer
    });
    let scheme = Counting {
        of: Ed25519,
        count: verified.clone(),
    };
    let mut councils = Councils::new(signers.collect(), Arc::new(scheme));
    (0..DECISIONS).for_each(|_| councils.decide());
    let each = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / DECISIONS as f64;
    (each(&signed), each(&verified))
}

#[derive(Debug)]
struct Counting<T> {
    of: T,
    count: Arc<AtomicU64>,
}

impl Scheme for Counting<Ed25519> {
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.of.verify(signer, statement, signature)
    }
}

impl Signer for Counting<Ed25519Key> {
    fn id(&self) -> NodeId {
        self.of.id()
    }

    fn sign(&self, statement: &Digest) -> Signature {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.of.sign(statement)
    }
}
