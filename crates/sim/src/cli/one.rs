//! One run.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::time::Instant;

use quorate_sim::run::Progress;

use super::args::{One, Trace};
use super::panics;
use super::progress::{Line, rate};
use super::report::{Ended, write_out};

/// Makes it and reports it; tells whether all promises held.
///
/// # Errors
/// When the trace cannot be written where it should be, even if that shows only after the run: it is reported before.
pub(super) fn run(one: One) -> Result<bool, String> {
    let log = one.trace.as_ref().map(open).transpose()?;
    // A trace on the terminal and a line at its foot would write over each other.
    let mut line = Line::new(!one.json && one.trace != Some(Trace::Stdout));
    let began = Instant::now();
    let outcome = panics::run(&one.options, log, &mut |progress| {
        let (done, whole) = (progress.now, progress.faults_end);
        line.draw(done.as_millis() as u64, whole.as_millis() as u64, || {
            describe(&progress, began)
        });
    });
    line.clear();
    let mut ended = Ended {
        number: None,
        outcome,
        real: began.elapsed(),
    };
    let text = if one.json {
        ended.json() + "\n"
    } else {
        ended.full()
    };
    write_out(&text);
    let unwritten = ended.outcome.log_error.take();
    if let (Some(trace), Some(error)) = (&one.trace, unwritten)
        && !has_gone_away(trace, &error)
    {
        return Err(unwritable(trace, &error));
    }
    Ok(ended.outcome.violation.is_none())
}

fn open(trace: &Trace) -> Result<Box<dyn Write + Send>, String> {
    match trace {
        Trace::Stdout => Ok(Box::new(BufWriter::new(io::stdout()))),
        Trace::File(path) => {
            let file = File::create(path).map_err(|error| unwritable(trace, &error))?;
            Ok(Box::new(BufWriter::new(file)))
        }
    }
}

/// A reader of the standard output that has gone away has seen enough.
fn has_gone_away(trace: &Trace, error: &io::Error) -> bool {
    *trace == Trace::Stdout && error.kind() == ErrorKind::BrokenPipe
}

fn unwritable(trace: &Trace, error: &io::Error) -> String {
    match trace {
        Trace::Stdout => format!("cannot write the trace to the standard output: {error}"),
        Trace::File(path) => format!("cannot write {}: {error}", path.display()),
    }
}

fn describe(progress: &Progress, began: Instant) -> String {
    let real = began.elapsed();
    let (now, end) = (progress.now.as_secs_f64(), progress.faults_end.as_secs());
    let what = if progress.now < progress.faults_end {
        ""
    } else {
        ", settling"
    };
    format!(
        "{now:.1} of {end} s{what}, x{:.0}, {:.0} steps/s, {} up, {} in",
        now / real.as_secs_f64().max(1e-6),
        rate(progress.steps, real),
        progress.running,
        progress.joined
    )
}
