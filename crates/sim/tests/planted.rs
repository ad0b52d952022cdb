//! Every planted fault is seen by the checker whose promise it breaks, within a few seeds; and without the fault the same run
//! holds, so it is the fault that was seen.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use quorate_planted::Fault;
use quorate_sim::dishonest::Conduct;
use quorate_sim::fact::Violation;
use quorate_sim::options::{FaultKind, NetworkKind, Options, Story};
use quorate_sim::run::run;

/// So many seeds are tried.
const SEEDS_MAX: u64 = 12;

/// Where a fault shows.
struct Row {
    network: NetworkKind,
    story: Story,
    nodes: usize,
    seconds: u64,
    faults: &'static [FaultKind],
    liars: &'static [Conduct],
    /// The checker that speaks of it.
    checker: &'static str,
}

/// What came of a row.
struct Found {
    seed: u64,
    violation: Violation,
    took: Duration,
}

impl Row {
    /// Seeds and peers.
    const fn seeded(nodes: usize, seconds: u64, checker: &'static str) -> Self {
        Self {
            network: NetworkKind::Seeded,
            story: Story::Mixed,
            nodes,
            seconds,
            faults: &[],
            liars: &[],
            checker,
        }
    }

    /// Members only.
    const fn open(nodes: usize, seconds: u64, checker: &'static str) -> Self {
        Self {
            network: NetworkKind::Open,
            ..Self::seeded(nodes, seconds, checker)
        }
    }

    /// Seeds that change, and peers.
    const fn reseating(nodes: usize, seconds: u64, checker: &'static str) -> Self {
        Self {
            story: Story::Reseating,
            ..Self::seeded(nodes, seconds, checker)
        }
    }

    const fn faults(self, faults: &'static [FaultKind]) -> Self {
        Self { faults, ..self }
    }

    const fn liars(self, liars: &'static [Conduct]) -> Self {
        Self { liars, ..self }
    }

    fn options(&self, seed: u64, fault: Option<Fault>) -> Options {
        Options {
            story: self.story,
            nodes: self.nodes,
            duration: Duration::from_secs(self.seconds),
            faults: self.faults.iter().copied().collect(),
            liars: self.liars.to_vec(),
            planted: fault.map(|fault| fault.name().to_owned()),
            ..Options::new(self.network, seed)
        }
    }
}

/// Where each fault shows. A new fault needs a row.
const fn row(fault: Fault) -> Row {
    use FaultKind::{Crash, Partition, Pause};
    match fault {
        Fault::VoteBeforePersist => Row::seeded(6, 20, "durability"),
        Fault::CertificateOneShort => Row::seeded(6, 20, "proof").liars(&[Conduct::DecreeingSeed]),
        Fault::ElectorateByWhoIsUp => Row::seeded(8, 40, "proof").faults(&[Partition]),
        Fault::IncarnationIgnored => Row::seeded(8, 30, "durability").faults(&[Crash, Pause]),
        Fault::RosterPrefersOlder => Row::seeded(6, 30, "durability").faults(&[Crash]),
        Fault::EvictionWithoutProbe => {
            Row::seeded(10, 60, "no false eviction").faults(&[Partition])
        }
        Fault::WitnessSignaturesUnchecked => Row::seeded(6, 20, "proof").liars(&[Conduct::Accuser]),
        Fault::NetworkIdUnchecked => Row::seeded(12, 20, "proof").liars(&[Conduct::Impostor; 3]),
        Fault::StoreIgnored => Row::seeded(6, 20, "durability"),
        Fault::SealIgnored => Row::reseating(8, 40, "handover").faults(&[Partition, Pause]),
        Fault::HandoverOneShort => Row::reseating(6, 30, "handover"),
        Fault::EvidenceSwallowed => Row::seeded(6, 20, "evidence").liars(&[Conduct::DoubleVoter]),
        Fault::AcceptanceBeforePersist => Row::open(6, 20, "durability"),
        Fault::AllowOfMost => Row::open(6, 20, "succession"),
        Fault::PromiseIgnored => Row::open(10, 60, "durability").faults(&[Crash, Partition, Pause]),
        Fault::MessageListForgets => Row::seeded(6, 20, "delivery"),
        Fault::RepairOff => Row::seeded(8, 40, "delivery").faults(&[Partition]),
        Fault::ForwardingOff => Row::seeded(10, 20, "delivery"),
        Fault::MessageUnchecked => Row::seeded(6, 20, "delivery").liars(&[Conduct::Ventriloquist]),
        Fault::EvictedNotCut => Row::seeded(6, 40, "delivery").liars(&[Conduct::Lingerer]),
        Fault::ConnectionsUnlimited => Row::seeded(6, 20, "bounds").liars(&[Conduct::Flooder]),
        Fault::QuestionsUnlimited => Row::seeded(6, 20, "bounds").liars(&[Conduct::Flooder]),
    }
}

/// Tries one seed after the other until a checker speaks.
fn find(fault: Fault) -> Result<Found, String> {
    let (row, began) = (row(fault), Instant::now());
    for seed in 1..=SEEDS_MAX {
        let options = row.options(seed, Some(fault));
        let Some(violation) = run(&options, None, &mut |_| {}).violation else {
            continue;
        };
        if violation.checker != row.checker {
            let expected = row.checker;
            return Err(format!("{options}: expected {expected}, got {violation}"));
        }
        let sound = row.options(seed, None);
        return match run(&sound, None, &mut |_| {}).violation {
            None => Ok(Found {
                seed,
                violation,
                took: began.elapsed(),
            }),
            Some(violation) => Err(format!("{sound}: nothing is planted, and {violation}")),
        };
    }
    Err(format!("{fault}: nobody speaks of it in {SEEDS_MAX} seeds"))
}

#[test]
fn every_planted_fault_is_seen() {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some(fault) = Fault::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = find(*fault);
            found.lock().unwrap().push((*fault, one));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|(fault, _)| *fault);
    println!("| fault | checker | seeds tried | virtual s | real s | run |");
    println!("|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for (fault, one) in found {
        match one {
            Err(what) => failed.push(what),
            Ok(Found {
                seed,
                violation,
                took,
            }) => println!(
                "| `{fault}` | {} | {seed} | {:.1} | {:.1} | `{}` |",
                violation.checker,
                violation.at.as_secs_f64(),
                took.as_secs_f64(),
                row(fault).options(seed, None)
            ),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
