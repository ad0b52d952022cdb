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
        Ok(report(swarm, &all))
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
fn report(swarm: &Swarm, all: &Receiver<Ended>) -> bool {
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
            write_out(&shown(swarm, &run));
        }
        line.draw(ended, swarm.runs, || {
            describe(ended, swarm.runs, failures, began.elapsed())
        });
    }
    line.clear();
    if !swarm.json {
        let real = began.elapsed().as_secs_f64();
        write_out(&format!(
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
