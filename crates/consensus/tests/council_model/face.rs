//! All that a council holds, as one digest, so that councils which will do the same from now on are one state.
//!
//! It is taken from the `Debug` text, which leaves out nothing, less what must not tell states apart: clock readings, which
//! are always such that timers are due or not as the exploration says; the dice, which only spread timers; the numbers of
//! writes, whose order the queue of writes tells; and how votes ended, which is kept for explanations alone.

use quorate_consensus::{Council, Digest, Transcript};

/// What is cut, with its value.
const LEFT_OUT: [&str; 6] = [
    "PersistId(",
    "deadline: ",
    "ends: ",
    "next_persist: ",
    "resend_at: ",
    "since: ",
];

pub(crate) fn face(council: &Council) -> Digest {
    let text = format!("{council:?}");
    // What comes before never changes, save the dice.
    let (_, text) = text.split_once("roster: ").unwrap();
    Transcript::new("face").bytes(cut(text).as_bytes()).finish()
}

fn cut(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let begins_word = !kept.ends_with(|c: char| c.is_ascii_alphabetic());
        let left_out = LEFT_OUT.iter().find(|name| rest.starts_with(**name));
        if let Some(name) = left_out.filter(|_| begins_word) {
            rest = after_value(&rest[name.len()..]);
        } else {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    kept
}

fn after_value(text: &str) -> &str {
    let mut depth = 0;
    let end = text.find(|c| {
        let is_end = depth == 0 && matches!(c, ',' | '}' | ')' | ']');
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        is_end
    });
    &text[end.unwrap_or(text.len())..]
}

#[test]
fn clocks_are_cut_and_all_else_is_kept() {
    let text = "A(01…) { deadline: I { s: 1, n: 2 }, own: Cast(V), since: Some(I { s: 3 }), q: {PersistId(4): 5} }";
    assert_eq!(cut(text), "A(01…) { , own: Cast(V), , q: {): 5} }");
}
