//! Bodies made to hurt: what they claim must cost nothing.
//!
//! A decoder that believed the claims would not fail an assertion here but abort on allocation, overflow the stack or
//! not come back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use quorate_wire::{DecodeError, Format};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};

use crate::sample::{Sample, sample};

proptest! {
    #[test]
    fn random_bytes_never_panic(body in vec(any::<u8>(), 0..400)) {
        decode_as_anything(&body);
    }

    #[test]
    fn honest_bodies_with_a_few_bytes_changed_never_panic(
        value in sample(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for format in [Format::Bincode, Format::Json] {
            let mut body = format.encode(&value).unwrap().to_vec();
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            decode_as_anything(&body);
        }
    }
}

#[test]
fn claimed_lengths_are_believed_nowhere() {
    // What comes before the claim leads the decoder to it.
    for claim in [41, 1 << 20, 1 << 40, 1 << 62, u64::MAX] {
        ends_unexpectedly::<String>(&[], claim);
        ends_unexpectedly::<Box<str>>(&[], claim);
        ends_unexpectedly::<Bytes>(&[], claim);
        ends_unexpectedly::<Vec<u8>>(&[], claim);
        ends_unexpectedly::<Vec<[u64; 32]>>(&[], claim);
        ends_unexpectedly::<HashSet<u128>>(&[], claim);
        ends_unexpectedly::<BTreeMap<u8, String>>(&[], claim);

        ends_unexpectedly::<Vec<Bytes>>(&[1], claim);
        ends_unexpectedly::<BTreeMap<Bytes, u8>>(&[1], claim);
        ends_unexpectedly::<BTreeMap<u8, Bytes>>(&[1, 0], claim);
        ends_unexpectedly::<Option<Bytes>>(&[1], claim);
        ends_unexpectedly::<(u8, Bytes)>(&[0], claim);
        ends_unexpectedly::<[Bytes; 1]>(&[], claim);
        ends_unexpectedly::<Newtype>(&[], claim);
        ends_unexpectedly::<Pair>(&[0], claim);
        ends_unexpectedly::<Variants>(&[0], claim);
        ends_unexpectedly::<Variants>(&[1, 0], claim);
        ends_unexpectedly::<Variants>(&[2], claim);
    }
}

#[test]
fn lists_are_given_no_size_to_reserve() {
    assert_eq!(
        Format::Bincode.decode::<Hinted>(&[3, 7, 7, 7]).unwrap(),
        Hinted(None)
    );
    let nested = Format::Bincode.decode::<(u8, Option<Vec<Hinted>>)>(&[0, 1, 1, 2, 7, 7]);
    assert_eq!(nested.unwrap(), (0, Some(vec![Hinted(None)])));
}

#[test]
fn elements_of_no_bytes_are_not_counted_to_billions() {
    for claim in [41, 1 << 40, u64::MAX] {
        too_many::<Vec<()>>(&claiming(claim));
        too_many::<HashMap<(), ()>>(&claiming(claim));
    }
}

#[test]
fn nested_lists_share_one_count_of_elements() {
    // 40 bytes: 39 lists, each claiming 20 empty elements, which alone would be within the count.
    let body: Vec<u8> = [vec![39], vec![20; 39]].concat();
    too_many::<Vec<Vec<()>>>(&body);
}

#[test]
fn a_body_that_is_all_elements_is_within_the_count() {
    let tight = vec![vec![Vec::<bool>::new(); 250]; 250];
    let body = Format::Bincode.encode(&tight).unwrap();
    assert_eq!(body.len(), 1 + 250 + 250 * 250);
    assert_eq!(
        Format::Bincode
            .decode::<Vec<Vec<Vec<bool>>>>(&body)
            .unwrap(),
        tight
    );
}

#[test]
fn values_nest_up_to_128_levels_and_no_deeper() {
    // Levels per link: a struct and an option, a struct and a list, ...
    nests_to::<Chain>(128 / 2, &[1], &[0]);
    nests_to::<Tree>(128 / 2, &[1], &[0]);
    nests_to::<Atlas>(128 / 2, &[1, 0], &[0]);
    nests_to::<Branch>(128 / 2, &[0, 1], &[0, 0]);
    nests_to::<Pairs>(128 / 3, &[0, 1], &[0, 0]);
    nests_to::<Onion>(128, &[1], &[0]);
}

#[test]
fn a_value_without_bytes_or_end_is_refused() {
    too_deep::<Loop>(&[]);
}

#[test]
fn endless_nesting_is_refused_in_json_too() {
    let brackets = "[".repeat(1 << 20);
    let error = Format::Json
        .decode::<Tree>(brackets.as_bytes())
        .unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
}

/// A 40-byte body that begins with the claim to hold `claim` of something.
fn claiming(claim: u64) -> Vec<u8> {
    let mut body = Format::Bincode.encode(&claim).unwrap().to_vec();
    body.resize(40, 0);
    body
}

fn ends_unexpectedly<T: DeserializeOwned + fmt::Debug>(before: &[u8], claim: u64) {
    let body = [before, &claiming(claim)].concat();
    let error = Format::Bincode.decode::<T>(&body).unwrap_err();
    assert!(
        matches!(error, DecodeError::UnexpectedEnd { .. }),
        "{claim}: {error}"
    );
}

fn too_many<T: DeserializeOwned + fmt::Debug>(body: &[u8]) {
    let error = Format::Bincode.decode::<T>(body).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("at most one list element per byte of the body"),
        "{error}"
    );
}

/// Checks that `most` values of type `T` may be within each other, the innermost written as `end`.
fn nests_to<T: DeserializeOwned + fmt::Debug>(most: usize, link: &[u8], end: &[u8]) {
    let nested = |count: usize| [link.repeat(count - 1), end.to_vec()].concat();
    Format::Bincode.decode::<T>(&nested(most)).unwrap();
    too_deep::<T>(&nested(most + 1));
    too_deep::<T>(&nested(1 << 20));
}

fn too_deep<T: DeserializeOwned + fmt::Debug>(body: &[u8]) {
    let error = Format::Bincode.decode::<T>(body).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
    assert!(
        error.to_string().ends_with("at most 128 levels of nesting"),
        "{error}"
    );
}

fn decode_as_anything(body: &[u8]) {
    for format in [Format::Bincode, Format::Json] {
        let _ = format.decode::<Sample>(body);
        let _ = format.decode::<Vec<Sample>>(body);
        let _ = format.decode::<HashMap<String, Vec<Bytes>>>(body);
        let _ = format.decode::<Tree>(body);
        let _ = format.decode::<Vec<()>>(body);
    }
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "decoding these must fail")]
struct Newtype(Bytes);

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "decoding these must fail")]
struct Pair(u8, Bytes);

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "decoding these must fail")]
enum Variants {
    Newtype(Bytes),
    Tuple(u8, Bytes),
    Struct { bytes: Bytes },
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its nesting matters")]
struct Chain {
    next: Option<Box<Self>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its nesting matters")]
struct Tree(Vec<Self>);

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its nesting matters")]
struct Atlas(BTreeMap<u8, Self>);

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its nesting matters")]
struct Branch(u8, Vec<Self>);

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its nesting matters")]
struct Pairs((u8, Option<Box<Self>>));

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its nesting matters")]
enum Onion {
    Heart,
    Skin(Box<Self>),
}

/// Takes no bytes at all and never ends.
#[derive(Debug, Deserialize)]
struct Loop {
    #[expect(dead_code, reason = "no value of this type can exist")]
    again: Box<Self>,
}

/// A list of bytes that keeps only the size it was told to expect.
#[derive(Debug, PartialEq)]
struct Hinted(Option<usize>);

impl<'de> Deserialize<'de> for Hinted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hints;

        impl<'de> Visitor<'de> for Hints {
            type Value = Hinted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Hinted, A::Error> {
                let hint = list.size_hint();
                while list.next_element::<u8>()?.is_some() {}
                Ok(Hinted(hint))
            }
        }

        deserializer.deserialize_seq(Hints)
    }
}
