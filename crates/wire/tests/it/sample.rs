//! A value with every shape serde knows, to send through the formats.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    key: [u8; 32],
    name: String,
    /// Writes itself as text in a readable format, and as numbers in a compact one.
    address: IpAddr,
    payload: Bytes,
    numbers: (u8, u16, u32, u64, u128),
    signed: (i8, i16, i32, i64, i128),
    seats: Vec<Option<u32>>,
    table: BTreeMap<String, Vec<u16>>,
    shapes: Vec<Shape>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(Wrapped),
    Tuple(char, bool),
    Struct { half: f64, nothing: () },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(Vec<u8>);

pub(crate) fn sample() -> impl Strategy<Value = Sample> {
    (
        any::<[u8; 32]>(),
        any::<(String, IpAddr)>(),
        vec(any::<u8>(), 0..300).prop_map(Bytes::from),
        any::<(u8, u16, u32, u64, u128)>(),
        any::<(i8, i16, i32, i64, i128)>(),
        vec(option::of(any::<u32>()), 0..20),
        btree_map(any::<String>(), vec(any::<u16>(), 0..5), 0..5),
        vec(shape(), 0..10),
    )
        .prop_map(
            |(key, (name, address), payload, numbers, signed, seats, table, shapes)| Sample {
                key,
                name,
                address,
                payload,
                numbers,
                signed,
                seats,
                table,
                shapes,
            },
        )
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Unit),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Shape::Newtype(Wrapped(bytes))),
        any::<(char, bool)>().prop_map(|(letter, flag)| Shape::Tuple(letter, flag)),
        // Halves are exact in both formats; JSON's shortest decimals are not the subject here.
        any::<i32>().prop_map(|n| Shape::Struct {
            half: f64::from(n) / 2.0,
            nothing: ()
        }),
    ]
}
