//! What is typed: lines of the standard input, read in a thread of their own, each with the moment it came.

use std::io::{self, BufRead, Read as _};
use std::time::Instant;

use tokio::sync::mpsc;

/// How many lines wait to be looked at before reading pauses.
const LINES_MAX: usize = 16;

/// The longest line, in bytes; what is beyond is thrown away.
const LINE_LEN_MAX: u64 = 16 * 1024;

/// A line without its end.
#[derive(Debug)]
pub struct Line {
    /// What was typed.
    pub text: String,
    /// When.
    pub at: Instant,
    /// It was too long, and this is its beginning.
    pub is_cut: bool,
}

/// Reads the standard input to its end. The thread ends with the process: nobody could wake it from reading.
///
/// # Errors
/// When the thread cannot be started.
pub fn lines() -> Result<mpsc::Receiver<Line>, String> {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    let read = move || {
        let mut input = io::stdin().lock();
        // An input that fails is one that has ended.
        while let Ok(Some(line)) = next(&mut input) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("standard input".to_owned())
        .spawn(read)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(lines)
}

fn next(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    if input
        .by_ref()
        .take(LINE_LEN_MAX)
        .read_until(b'\n', &mut bytes)?
        == 0
    {
        return Ok(None);
    }
    let at = Instant::now();
    let is_cut = !bytes.ends_with(b"\n") && bytes.len() as u64 == LINE_LEN_MAX;
    if is_cut {
        input.skip_until(b'\n')?;
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(Line {
        text: text.trim_end_matches(['\r', '\n']).to_owned(),
        at,
        is_cut,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_long_is_cut_and_the_next_one_is_whole() {
        let long = "x".repeat(3 * usize::try_from(LINE_LEN_MAX).unwrap());
        let text = format!("first\r\n{long}\nlast");
        let mut input = text.as_bytes();
        let mut read = || {
            next(&mut input)
                .unwrap()
                .map(|line| (line.text, line.is_cut))
        };
        assert_eq!(read(), Some(("first".to_owned(), false)));
        let (cut, is_cut) = read().unwrap();
        assert!(is_cut && long.starts_with(&cut));
        assert_eq!(read(), Some(("last".to_owned(), false)));
        assert_eq!(read(), None);
    }
}
