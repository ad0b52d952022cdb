//! How the demo looks: headings, checked lines and a table; colour on a terminal, plain when piped.

use std::fmt::Display;
use std::io::{IsTerminal as _, stdout};

use anstyle::{AnsiColor, Style};

/// Prints the story.
pub(crate) struct Show {
    heading: Style,
    good: Style,
    quiet: Style,
}

impl Show {
    pub(crate) fn new() -> Self {
        let has_colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let style = |style: Style| if has_colour { style } else { Style::new() };
        Self {
            heading: style(AnsiColor::Cyan.on_default().bold()),
            good: style(AnsiColor::Green.on_default()),
            quiet: style(Style::new().dimmed()),
        }
    }

    /// A chapter begins.
    pub(crate) fn chapter(&self, title: impl Display) {
        println!(
            "\n{}{title}{}",
            self.heading.render(),
            self.heading.render_reset()
        );
    }

    /// Something was checked and holds.
    pub(crate) fn good(&self, text: impl Display) {
        println!(
            "  {}✓{} {text}",
            self.good.render(),
            self.good.render_reset()
        );
    }

    /// What happened, without a verdict.
    pub(crate) fn note(&self, text: impl Display) {
        println!(
            "    {}{text}{}",
            self.quiet.render(),
            self.quiet.render_reset()
        );
    }

    /// A step that took so long, in milliseconds since the beginning.
    pub(crate) fn step(&self, at_ms: f64, what: impl Display, detail: impl Display) {
        println!(
            "  {}✓{} {at_ms:>7.1} ms  {what:<46} {}{detail}{}",
            self.good.render(),
            self.good.render_reset(),
            self.quiet.render(),
            self.quiet.render_reset()
        );
    }

    /// A table of copies received: a row per origin, a column per receiver.
    pub(crate) fn coverage(&self, names: &[String], copies: impl Fn(usize, usize) -> usize) {
        print!("    from \\ at  ");
        names.iter().for_each(|name| print!("{name:>7}"));
        println!();
        for (origin, name) in names.iter().enumerate() {
            print!("    {name:<10}  ");
            for receiver in 0..names.len() {
                if origin == receiver {
                    print!(
                        "{}{:>7}{}",
                        self.quiet.render(),
                        "·",
                        self.quiet.render_reset()
                    );
                } else {
                    let count = copies(origin, receiver);
                    print!(
                        "{}{count:>7}{}",
                        self.good.render(),
                        self.good.render_reset()
                    );
                }
            }
            println!();
        }
    }
}
