//! How far it is: one line at the foot of a terminal, drawn over and over.
//!
//! Written by hand: a bar and a text on one line need two control sequences, and no crate.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often the line is drawn, at most.
const EVERY: Duration = Duration::from_millis(100);

/// How many characters the line has at most: a narrow terminal's, less the cursor.
const WIDTH: usize = 79;

/// How many of them are the bar.
const BAR: u64 = 20;

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    is_on: bool,
    drawn: Option<Instant>,
}

impl Line {
    /// Only a terminal has such a line: whoever reads errors from a file does not want it.
    pub(super) fn new(is_wanted: bool) -> Self {
        Self {
            is_on: is_wanted && io::stderr().is_terminal(),
            drawn: None,
        }
    }

    /// Draws it, unless it was drawn a moment ago: how much of the whole is done, and what `text` says.
    pub(super) fn draw(&mut self, done: u64, whole: u64, text: impl FnOnce() -> String) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= EVERY);
        if self.is_on && is_due {
            let line: String = format!("[{}] {}", bar(done, whole), text())
                .chars()
                .take(WIDTH)
                .collect();
            // A terminal that is gone is no reason to end.
            let _written = write!(io::stderr(), "\r{line}\x1b[K");
            self.drawn = Some(Instant::now());
        }
    }

    /// Takes it away, so that something else can be written.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _written = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(done: u64, whole: u64) -> String {
    let full = (u128::from(done) * u128::from(BAR) / u128::from(whole.max(1))).min(BAR.into());
    (0..BAR)
        .map(|at| if u128::from(at) < full { '#' } else { '.' })
        .collect()
}

/// How many in a second, in that time.
pub(super) fn rate(number: u64, time: Duration) -> f64 {
    number as f64 / time.as_secs_f64().max(1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_does_not_overflow() {
        assert_eq!(bar(0, 10), "....................");
        assert_eq!(bar(5, 10), "##########..........");
        assert_eq!(bar(99, 10), "####################");
        assert_eq!(bar(1, 0), "####################");
    }
}
