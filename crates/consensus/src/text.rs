//! Texts for people, kept within their limits.

/// As much of a text as fits `max` bytes, without splitting a character.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
