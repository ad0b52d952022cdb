//! The one place that calls `serde_json`.
//!
//! Nothing here bounds what a body may claim, because JSON claims nothing: `serde_json` reserves no memory on the word
//! of its input, and its default limit of 128 nested arrays and objects, which we leave on, keeps the stack small.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Error};

use crate::error::Reason;
use crate::format::{Decoded, Failure};

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Reason> {
    serde_json::to_vec(value).map_err(Reason::from)
}

pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<Decoded<T>, Failure> {
    // A stream of values, of which we take one: unlike `serde_json::from_slice` it tells where the value ended.
    let mut values = Deserializer::from_slice(body).into_iter::<T>();
    let value = match values.next() {
        Some(value) => value.map_err(failure)?,
        None => return Err(Failure::UnexpectedEnd),
    };
    let len = values.byte_offset();
    let trailing = body.iter().skip(len).any(|byte| !is_whitespace(*byte));
    Ok(Decoded {
        value,
        len,
        trailing,
    })
}

fn failure(error: Error) -> Failure {
    if error.is_eof() {
        Failure::UnexpectedEnd
    } else {
        Failure::Malformed(error.into())
    }
}

/// JSON's own four, fewer than what `u8::is_ascii_whitespace` takes.
fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
