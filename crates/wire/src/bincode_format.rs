//! The one place that calls `bincode`, so that another compact format can take its place.
//!
//! Its own `with_limit` is not used. It counts integers at their full width, so the limit would have to be 16 times the
//! body to let every honest value through, and it does not see lists, depth or elements without bytes at all.
//! [`Bounded`] sees them all and is exact.

use std::cell::Cell;
use std::marker::PhantomData;

use bincode::config::standard;
use bincode::error::DecodeError as BincodeError;
use bincode::serde::{encode_to_vec, seed_decode_from_slice};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bounds::{Bounded, Bounds};
use crate::error::Reason;
use crate::format::{Decoded, Failure};

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Reason> {
    encode_to_vec(value, standard()).map_err(Reason::from)
}

pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<Decoded<T>, Failure> {
    let elements_left = Cell::new(body.len());
    let seed = Bounded::new(PhantomData::<T>, Bounds::new(&elements_left));
    let (value, len) = seed_decode_from_slice(seed, body, standard()).map_err(failure)?;
    Ok(Decoded {
        value,
        len,
        trailing: len < body.len(),
    })
}

fn failure(error: BincodeError) -> Failure {
    match error {
        BincodeError::UnexpectedEnd { .. } => Failure::UnexpectedEnd,
        // Bare words read better than bincode's debug print around them.
        BincodeError::OtherString(words) => Failure::Malformed(words.into()),
        BincodeError::Other(words) => Failure::Malformed(words.into()),
        other => Failure::Malformed(other.into()),
    }
}
