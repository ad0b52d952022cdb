//! What is shown. On a terminal a question stays the last thing on the screen: what comes meanwhile is put before it.

use std::io::{self, IsTerminal as _, Write as _};

use quorate_examples::visible;

use crate::console::Question;

/// The standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    is_terminal: bool,
    /// The question that was asked last.
    asked: Option<u64>,
    /// The cursor stands behind it.
    is_open: bool,
    /// Whoever listened has gone: there is nobody to write to, and no reason to stop.
    is_gone: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            is_terminal: io::stdout().is_terminal(),
            asked: None,
            is_open: false,
            is_gone: false,
        }
    }

    /// A line by itself.
    pub(crate) fn line(&mut self, text: &str) {
        self.update(&[text.to_owned()], None);
    }

    /// The person has ended the line at the terminal, which shows what is typed.
    pub(crate) fn line_was_ended(&mut self) {
        self.is_open = false;
    }

    /// New lines, and the question that is open now. Control characters are made visible: parts come from other peers.
    pub(crate) fn update(&mut self, lines: &[String], question: Option<Question>) {
        let is_known = question.as_ref().map(|question| question.number) == self.asked;
        if lines.is_empty() && is_known && (self.is_open || !self.is_terminal) {
            return;
        }
        let mut text = String::new();
        if std::mem::take(&mut self.is_open) {
            text.push('\n');
        }
        for line in lines {
            text.push_str(&visible(line));
            text.push('\n');
        }
        self.asked = question.as_ref().map(|question| question.number);
        if let Some(Question { name, .. }) = question {
            let name = visible(&name);
            if !is_known {
                text.push_str(&format!(
                    "Join request from peer {name}\nAllow this peer? (y/n):"
                ));
            } else if self.is_terminal {
                text.push_str(&format!("Allow peer {name}? (y/n):"));
            }
            if self.is_terminal {
                text.push(' ');
                self.is_open = true;
            } else if !is_known {
                text.push('\n');
            }
        }
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        if !self.is_gone && !text.is_empty() {
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            self.is_gone = written.is_err();
        }
    }
}
