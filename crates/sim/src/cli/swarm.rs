//! Many runs: each on one thread, several at a time, reported in the order of their numbers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::args::Swarm;
use super::panics;
use super::progress::{Line, rate};
use super::report::{Ended, write_out};

/// How much stack a run's thread has, in bytes: as much as a program's first thread usually has.
const STACK: usize = 8 * 1024 * 1024;

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Makes them; tells whether all promises held in all of them.
///
/// # Errors
/// When no thread can be started.
pub(super) fn run(swarm: &Swarm) -> Result<bool, String> {
    let work = Work {
        swarm,
        next: AtomicU64::new(1),
        is_over: AtomicBool::new(false),
    };
    let threads = u64::try_from(swarm.threads.get()).unwrap_or(u64::MAX);
    thread::scope(|scope| {
        let (ended, all) = channel();
        for _ in 0..threads.min(swarm.runs) {
            let (ended, work) = (ended.clone(), &work);
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, move || work.go_on(&ended))
                .map_err(|error| {
                    work.is_over.store(true, Ordering::Relaxed);
                    format!("cannot start a thread: {error}")
                })?;
        }
        drop(ended);
        Ok(report(swarm, &all, &mut write_out))
    })
}

/// What the threads share.
#[derive(Debug)]
struct Work<'a> {
    swarm: &'a Swarm,
    /// The number of the next run. They are given out in order, so that before a run that fails there is none that was
    /// never made.
    next: AtomicU64,
    is_over: AtomicBool,
}

impl Work<'_> {
    fn go_on(&self, ended: &Sender<Ended>) {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number > self.swarm.runs {
                break;
            }
            let began = Instant::now();
            let outcome = panics::run(&self.swarm.options(number), None, &mut |_| {});
            if self.swarm.fail_fast && outcome.violation.is_some() {
                self.is_over.store(true, Ordering::Relaxed);
            }
            let run = Ended {
                number: Some(number),
                outcome,
                real: began.elapsed(),
            };
            if ended.send(run).is_err() {
                break;
            }
        }
    }
}

/// Reports the runs as they end, in order: one that ends early waits for those before it.
fn report(swarm: &Swarm, all: &Receiver<Ended>, write: &mut dyn FnMut(&str)) -> bool {
    let began = Instant::now();
    let mut line = Line::new(!swarm.json);
    let mut waiting = BTreeMap::new();
    let (mut reported, mut ended, mut failures) = (0, 0, 0_u64);
    loop {
        match all.recv_timeout(LOOK) {
            Ok(run) => {
                ended += 1;
                waiting.insert(run.number.unwrap_or_default(), run);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while let Some(run) = waiting.remove(&(reported + 1)) {
            // What fails first is the same on any number of threads; what else was made until then is not.
            if swarm.fail_fast && failures > 0 {
                break;
            }
            reported += 1;
            failures += u64::from(run.outcome.violation.is_some());
            line.clear();
            write(&shown(swarm, &run));
        }
        line.draw(ended, swarm.runs, || {
            describe(ended, swarm.runs, failures, began.elapsed())
        });
    }
    line.clear();
    if !swarm.json {
        let real = began.elapsed().as_secs_f64();
        write(&format!(
            "{reported} of {} runs in {real:.1} s, {failures} broke a promise\n",
            swarm.runs
        ));
    }
    failures == 0
}

fn shown(swarm: &Swarm, run: &Ended) -> String {
    if swarm.json {
        return run.json() + "\n";
    }
    run.line() + "\n" + &run.failure().unwrap_or_default()
}

fn describe(ended: u64, runs: u64, failures: u64, real: Duration) -> String {
    let rate = rate(ended, real);
    let left = if ended == 0 {
        "?".to_owned()
    } else {
        format!("{:.0}", (runs - ended.min(runs)) as f64 / rate)
    };
    format!("{ended} of {runs} runs, {failures} failed, {rate:.2} runs/s, {left} s left")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use quorate_sim::options::Signatures;

    use super::*;
    use crate::cli::report::tests::ended;

    fn swarm(fail_fast: bool) -> Swarm {
        Swarm {
            runs: 4,
            base: 1,
            network: None,
            nodes: 10,
            signatures: Signatures::Ed25519,
            planted: None,
            threads: NonZeroUsize::MIN,
            fail_fast,
            json: false,
        }
    }

    /// What is written when runs end in this order, and whether all held.
    fn written(swarm: &Swarm, runs: &[(u64, bool)]) -> (Vec<String>, bool) {
        let (sender, all) = channel();
        for (number, held) in runs {
            sender.send(ended(Some(*number), *held)).unwrap();
        }
        drop(sender);
        let mut written = Vec::new();
        let held = report(swarm, &all, &mut |text| written.push(text.to_owned()));
        (written, held)
    }

    fn number(text: &str) -> Option<u64> {
        text.split_whitespace().next()?.parse().ok()
    }

    #[test]
    fn runs_are_told_in_order_whatever_order_they_end_in() {
        let runs = [(3, true), (1, true), (4, true), (2, true)];
        let (written, held) = written(&swarm(false), &runs);
        let numbers: Vec<Option<u64>> = written[..4].iter().map(|text| number(text)).collect();
        assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(4)]);
        assert!(written[4].starts_with("4 of 4 runs in "));
        assert!(held);
    }

    #[test]
    fn a_failure_is_told_at_once_and_others_go_on() {
        let runs = [(1, true), (2, false), (3, true), (4, false)];
        let (written, held) = written(&swarm(false), &runs);
        assert!(written[1].contains("BROKEN: agreement"));
        assert!(written[1].contains("to repeat it:"));
        assert!(!written[2].contains("BROKEN"));
        assert!(written[4].ends_with(" 2 broke a promise\n"));
        assert!(!held);
    }

    #[test]
    fn the_first_failure_is_the_last_run_told_if_one_is_enough() {
        let runs = [(4, false), (3, true), (1, true), (2, false)];
        let (written, held) = written(&swarm(true), &runs);
        let numbers: Vec<Option<u64>> = written[..2].iter().map(|text| number(text)).collect();
        assert_eq!(numbers, [Some(1), Some(2)]);
        assert!(written[2].starts_with("2 of 4 runs in "));
        assert!(!held);
    }
}
