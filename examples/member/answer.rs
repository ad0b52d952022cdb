//! What a typed line means, as far as the line itself says it.

use quorate_node::consensus::Choice;

/// The fewest digits of a key that name a peer.
const KEY_DIGITS_MIN: usize = 6;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    Nothing,
    Answer(Answer),
    /// To all members.
    Text(String),
    /// A word after a slash, and what follows it.
    Command(String, String),
}

/// Whether a candidate is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) choice: Choice,
    /// Which candidate; the one that is asked about if none is named.
    pub(crate) name: Option<String>,
    /// Why not.
    pub(crate) reason: String,
}

/// Reads a line. Whatever begins with a yes or a no is an answer if it ends there, or a name follows; names are told from
/// other words by their form, so that an answer about somebody who has gone is not sent to all as a message.
pub(crate) fn read(line: &str) -> Typed {
    let line = line.trim();
    if let Some(command) = line.strip_prefix('/') {
        let (word, rest) = split(command);
        return Typed::Command(word.to_ascii_lowercase(), rest.to_owned());
    }
    let (first, rest) = split(line);
    let (name, reason) = split(rest);
    let choice = match first.to_ascii_lowercase().as_str() {
        "" => return Typed::Nothing,
        "y" | "yes" => Choice::Yes,
        "n" | "no" => Choice::No,
        _ => return Typed::Text(line.to_owned()),
    };
    // A yes has no reasons: more words are something else.
    let is_answer =
        name.is_empty() || (is_name(name) && (choice == Choice::No || reason.is_empty()));
    if !is_answer {
        return Typed::Text(line.to_owned());
    }
    let because = split(reason);
    let reason = if because.0.eq_ignore_ascii_case("because") {
        because.1
    } else {
        reason
    };
    Typed::Answer(Answer {
        choice,
        name: (!name.is_empty()).then(|| name.to_owned()),
        reason: reason.to_owned(),
    })
}

impl Answer {
    /// Whether it is about a candidate of this name and key.
    pub(crate) fn is_about(&self, name: &str, key: &str) -> bool {
        self.name.as_ref().is_none_or(|named| {
            let is_key =
                named.len() >= KEY_DIGITS_MIN && key.starts_with(&named.to_ascii_lowercase());
            named == name || is_key
        })
    }
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

/// A port, an address, or the beginning of a key.
fn is_name(word: &str) -> bool {
    let is_port = word.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = word
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let is_key = word.len() >= KEY_DIGITS_MIN && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_port || is_address || is_key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(choice: Choice, name: Option<&str>, reason: &str) -> Typed {
        Typed::Answer(Answer {
            choice,
            name: name.map(str::to_owned),
            reason: reason.to_owned(),
        })
    }

    #[test]
    fn answers_are_told_from_messages_and_commands() {
        let text = |text: &str| Typed::Text(text.to_owned());
        let command = |word: &str, rest: &str| Typed::Command(word.to_owned(), rest.to_owned());
        let (yes, no) = (Choice::Yes, Choice::No);
        let table = [
            ("", Typed::Nothing),
            ("  \t", Typed::Nothing),
            ("y", answer(yes, None, "")),
            (" YES ", answer(yes, None, "")),
            ("n", answer(no, None, "")),
            ("No", answer(no, None, "")),
            ("y 5001", answer(yes, Some("5001"), "")),
            (
                "y example.org:5001",
                answer(yes, Some("example.org:5001"), ""),
            ),
            ("y 3fA9b2", answer(yes, Some("3fA9b2"), "")),
            (
                "n 5002 I do not know you",
                answer(no, Some("5002"), "I do not know you"),
            ),
            (
                "n 5002 because  I do not know you",
                answer(no, Some("5002"), "I do not know you"),
            ),
            // No names follow: somebody talks.
            ("no way", text("no way")),
            ("yes of course", text("yes of course")),
            ("y 5001 is fine with me", text("y 5001 is fine with me")),
            ("yesterday", text("yesterday")),
            ("/say y", command("say", "y")),
            ("/QUIT", command("quit", "")),
            ("/", command("", "")),
        ];
        for (line, expected) in table {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_candidate_is_named_by_its_name_or_enough_of_its_key() {
        let about = |named: &str, name: &str, key: &str| match read(&format!("y {named}")) {
            Typed::Answer(answer) => answer.is_about(name, key),
            other => panic!("{named}: {other:?}"),
        };
        assert!(about("5001", "5001", "ab12cd34ef"));
        assert!(about("AB12CD", "5001", "ab12cd34ef"));
        assert!(!about("5001", "5002", "ab12cd34ef"));
        // So few digits are a port, never a key.
        assert!(!about("5001", "5002", "5001cd34ef"));
    }
}
