//! A run that panics has found something: it is told as a broken promise, with the options that lead there.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use quorate_consensus::Digest;
use quorate_node::store::OPENING_THREAD;
use quorate_sim::fact::Violation;
use quorate_sim::meter::Metrics;
use quorate_sim::options::Options;
use quorate_sim::run::{self, Outcome, Progress};

thread_local! {
    static IS_IN_RUN: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics within runs are remembered, not printed: the world survives those of the database on a disk that fails, and what
/// it does not survive is reported.
pub(super) fn hush() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if IS_IN_RUN.get() {
            LAST.replace(info.to_string());
        } else if std::thread::current().name() != Some(OPENING_THREAD) {
            usual(info);
        }
    }));
}

/// Runs a network; a panic is its outcome.
pub(super) fn run(
    options: &Options,
    log: Option<Box<dyn Write + Send>>,
    watch: &mut dyn FnMut(Progress),
) -> Outcome {
    let mut reached = (Duration::ZERO, 0);
    let mut note = |progress: Progress| {
        reached = (progress.now, progress.steps);
        watch(progress);
    };
    IS_IN_RUN.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| run::run(options, log, &mut note)));
    IS_IN_RUN.set(false);
    let (now, steps) = reached;
    outcome.unwrap_or_else(|_| Outcome {
        options: options.clone(),
        // The trace ended with the run.
        hash: Digest::new([0; 32]),
        entries: 0,
        now,
        steps,
        violation: Some(Violation {
            checker: "no panic",
            at: now,
            what: LAST.take(),
        }),
        last: Vec::new(),
        metrics: Metrics::default(),
        log_error: None,
    })
}

#[cfg(test)]
mod tests {
    use quorate_sim::options::NetworkKind;

    use super::*;

    #[test]
    fn a_panic_is_a_broken_promise_at_the_time_that_was_reached() {
        hush();
        let options = Options {
            nodes: 2,
            duration: Duration::from_secs(2),
            ..Options::new(NetworkKind::Seeded, 1)
        };
        let mut looks = 0;
        let outcome = run(&options, None, &mut |_| {
            looks += 1;
            assert!(looks < 3, "enough of this");
        });
        let violation = outcome.violation.unwrap();
        assert_eq!(violation.checker, "no panic");
        assert!(violation.what.contains("enough of this"), "{violation}");
        assert!(violation.at > Duration::ZERO);
        assert_eq!((outcome.now, outcome.options), (violation.at, options));
    }
}
