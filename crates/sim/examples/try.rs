#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "scratch"
)]
use quorate_sim::options::*;
use std::time::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let kind = if a[1] == "open" {
        NetworkKind::Open
    } else {
        NetworkKind::Seeded
    };
    let mut o = Options::new(kind, a[2].parse().unwrap());
    o.nodes = a[3].parse().unwrap();
    o.duration = Duration::from_secs(a[4].parse().unwrap());
    if a[5] == "all" {
        o.faults = FaultKind::ALL.into_iter().collect();
    } else if a[5] != "none" {
        o.faults = a[5].split(',').map(|x| x.parse().unwrap()).collect();
    }
    if a.len() > 6 && a[6] != "none" {
        o.liars = a[6].split(',').map(|x| x.parse().unwrap()).collect();
    }
    if a.len() > 7 && a[7] == "unproven" {
        o.signatures = Signatures::Unproven
    }
    let log: Option<Box<dyn std::io::Write + Send>> = std::env::var("LOG")
        .ok()
        .map(|p| Box::new(std::io::BufWriter::new(std::fs::File::create(p).unwrap())) as _);
    let t = Instant::now();
    let mut last = Duration::ZERO;
    let out = quorate_sim::run::run(&o, log, &mut |p| {
        if p.now >= last + Duration::from_secs(10) {
            last = p.now;
            eprintln!("{:?} real {:?} {:?}", p.now, t.elapsed(), p)
        }
    });
    println!(
        "{o}\n{} entries {} now {:?} steps {} real {:?}",
        out.hash,
        out.entries,
        out.now,
        out.steps,
        t.elapsed()
    );
    if let Some(v) = out.violation {
        println!("{v}");
        for l in out.last {
            println!("{l}")
        }
    }
}
