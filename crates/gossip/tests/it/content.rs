//! The bytes and the name of a content.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use quorate_gossip::{
    CONTENT_LEN_MAX, CONTENT_OVERHEAD_MAX, Content, ContentError, MessageId, ParseIdError,
    SIGNATURE_LEN_MAX,
};
use serde::de::IntoDeserializer;
use serde::de::value::{Error, SeqDeserializer, StringDeserializer};
use serde::{Deserialize, Deserializer, Serialize, forward_to_deserialize_any};

use crate::support::{Id, said, signed};

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(content in any_content()) {
        let bytes = content.encode();
        prop_assert!(bytes.len() <= content.payload().len() + CONTENT_OVERHEAD_MAX);
        prop_assert_eq!(Content::decode(&bytes), Ok(content));
    }

    #[test]
    fn no_bytes_make_decoding_panic_and_what_is_read_is_canonical(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = Bytes::from(bytes);
        if let Ok(content) = Content::<Id>::decode(&bytes) {
            prop_assert_eq!(content.encode(), bytes);
        }
    }

    #[test]
    fn no_damage_makes_decoding_panic(
        content in any_content(),
        at in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let mut damaged = content.encode().to_vec();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let damaged = Bytes::from(damaged);
        if let Ok(read) = Content::<Id>::decode(&damaged) {
            prop_assert_eq!(read.encode(), damaged);
        }
    }

    #[test]
    fn every_shorter_or_longer_input_is_refused(content in any_content(), cut in any::<Index>()) {
        let bytes = content.encode();
        let cut = bytes.slice(..cut.index(bytes.len()));
        let refused = Content::<Id>::decode(&cut);
        prop_assert!(matches!(refused, Err(ContentError::Truncated { .. })), "{refused:?}");
        let longer = Bytes::from([bytes.as_ref(), b"!"].concat());
        prop_assert_eq!(Content::<Id>::decode(&longer), Err(ContentError::Trailing { len: 1 }));
    }

    #[test]
    fn ids_differ_exactly_when_something_but_the_signature_does(
        one in any_content(),
        other in any_content(),
    ) {
        let same = one.id() == other.id();
        prop_assert_eq!(same, without_signature(one) == without_signature(other));
    }
}

/// Both are part of the protocol. The ids were computed apart, with Python's hashlib.
#[test]
fn bytes_and_ids_do_not_change_from_release_to_release() {
    let application = signed(*b"a", 1, 2, "hello", "sig");
    let bytes = b"\0\0\0\0\x01a\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x05hello\0\0\0\x03sig";
    assert_eq!(application.encode(), bytes.as_slice());
    let id = "69288969c2f1a331bcaf207528e4b3c3b8abb382137143c3aafc1c6fda1e82a9";
    assert_eq!(application.id().to_string(), id);

    let proof: Content<Id> = Content::Proof {
        kind: 3,
        body: Bytes::from("hello"),
    };
    assert_eq!(proof.encode(), b"\x01\x03\0\0\0\x05hello".as_slice());
    let id = "93302b97e8c3e899a40c38c117d0ae0cdc8732528dd8cf6bbe53d59a3c1a949d";
    assert_eq!(proof.id().to_string(), id);
}

#[test]
fn the_id_leaves_the_signature_out() {
    assert_eq!(
        signed(*b"a", 1, 2, "hello", "good").id(),
        signed(*b"a", 1, 2, "hello", "bad").id()
    );
}

/// With an identity of variable length, bytes could move from the origin to the number after it.
#[test]
fn ids_do_not_depend_on_fields_running_into_each_other() {
    let message = |origin: Name, incarnation, payload: &'static [u8]| Content::Application {
        origin,
        incarnation,
        sequence: 0,
        payload: Bytes::from(payload),
        signature: Bytes::new(),
    };
    let long = message(Name::new(&[7, 0, 0, 0, 0, 0, 0, 0, 0]), 0, b"p");
    let short = message(Name::new(&[7]), 0, b"\0\0\0\0\0\0\0\0p");
    assert_ne!(long.id(), short.id());
    assert_ne!(
        message(Name::new(&[7]), 0, b"").id(),
        message(Name::new(&[]), 7, b"").id()
    );

    let proof = |kind, body: &'static [u8]| Content::<Id>::Proof {
        kind,
        body: Bytes::from(body),
    };
    assert_ne!(proof(1, b"x").id(), proof(2, b"x").id());
    assert_ne!(proof(0, b"\x01x").id(), proof(0, b"x").id());
}

#[test]
fn fields_over_their_limits_and_unknown_kinds_are_refused() {
    let signature = Bytes::from(vec![0; SIGNATURE_LEN_MAX + 1]);
    let content: Content<Id> = Content::Application {
        origin: *b"a",
        incarnation: 0,
        sequence: 0,
        payload: Bytes::new(),
        signature,
    };
    let (len, max) = (SIGNATURE_LEN_MAX as u32 + 1, SIGNATURE_LEN_MAX);
    assert_eq!(
        Content::<Id>::decode(&content.encode()),
        Err(ContentError::FieldTooLong { len, max })
    );

    // A length close to 4 GiB is refused for what it says, without looking for the bytes.
    let boast = Bytes::from_static(b"\x01\x00\xff\xff\xff\xff");
    let (len, max) = (u32::MAX, CONTENT_LEN_MAX);
    assert_eq!(
        Content::<Id>::decode(&boast),
        Err(ContentError::FieldTooLong { len, max })
    );

    let huge = Bytes::from(vec![1; CONTENT_LEN_MAX + 1]);
    let (len, max) = (CONTENT_LEN_MAX + 1, CONTENT_LEN_MAX);
    assert_eq!(
        Content::<Id>::decode(&huge),
        Err(ContentError::TooLong { len, max })
    );

    assert_eq!(
        Content::<Id>::decode(&Bytes::from_static(&[9])),
        Err(ContentError::UnknownKind { kind: 9 })
    );
    let two_byte_origin = Bytes::from([&[0, 0, 0, 0, 2][..], &[0; 26]].concat());
    assert_eq!(
        Content::<Id>::decode(&two_byte_origin),
        Err(ContentError::Origin)
    );
}

#[test]
fn decoding_slices_instead_of_copying() {
    let bytes = said(*b"a", 0, 0, "hello").encode();
    let Ok(Content::<Id>::Application {
        payload, signature, ..
    }) = Content::decode(&bytes)
    else {
        panic!("not read back");
    };
    assert!(bytes.as_ptr_range().contains(&payload.as_ptr()));
    assert!(bytes.as_ptr_range().contains(&signature.as_ptr()));
}

/// An identity that is easy about capitals must not give one content two encodings.
#[test]
fn an_origin_has_one_byte_form() {
    let read = |origin: &[u8]| {
        let encoded = [b"\0\0\0\0\x01", origin, &[0; 24]].concat();
        Content::<Easy>::decode(&Bytes::from(encoded))
    };
    assert!(read(b"a").is_ok());
    assert_eq!(read(b"A"), Err(ContentError::Origin));
}

#[test]
fn an_id_reads_back_from_its_hexadecimal_digits() {
    let id = said(*b"a", 0, 0, "hello").id();
    assert_eq!(id.to_string().len(), 64);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    assert_eq!(
        "".parse::<MessageId>(),
        Err(ParseIdError::Length { len: 0 })
    );
    assert_eq!(
        "g".repeat(64).parse::<MessageId>(),
        Err(ParseIdError::Digit { byte: b'g' })
    );
}

#[test]
fn an_id_is_text_in_formats_for_people_and_32_bytes_in_others() {
    let id = said(*b"a", 0, 0, "hello").id();
    // The standard formatter is serde's smallest human-readable format.
    struct Shown(MessageId);
    impl std::fmt::Display for Shown {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.serialize(formatter)
        }
    }
    assert_eq!(Shown(id).to_string(), id.to_string());
    let text: StringDeserializer<Error> = id.to_string().into_deserializer();
    assert_eq!(MessageId::deserialize(text), Ok(id));
    assert_eq!(MessageId::deserialize(Binary(id.as_bytes())), Ok(id));
    assert!(MessageId::deserialize(Binary(&id.as_bytes()[..31])).is_err());
}

fn any_content() -> impl Strategy<Value = Content<Id>> {
    let bytes = || proptest::collection::vec(0..3_u8, 0..4).prop_map(Bytes::from);
    let application = (0..3_u8, 0..3_u64, 0..3_u64, bytes(), bytes()).prop_map(
        |(origin, incarnation, sequence, payload, signature)| Content::Application {
            origin: [origin],
            incarnation,
            sequence,
            payload,
            signature,
        },
    );
    let proof = (0..3_u8, bytes()).prop_map(|(kind, body)| Content::Proof { kind, body });
    prop_oneof![application, proof]
}

fn without_signature(content: Content<Id>) -> Content<Id> {
    match content {
        Content::Application {
            origin,
            incarnation,
            sequence,
            payload,
            ..
        } => Content::Application {
            origin,
            incarnation,
            sequence,
            payload,
            signature: Bytes::new(),
        },
        proof @ Content::Proof { .. } => proof,
    }
}

/// An identity of up to sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    len: usize,
    bytes: [u8; 16],
}

impl Name {
    fn new(name: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name);
        Self {
            len: name.len(),
            bytes,
        }
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl TryFrom<&[u8]> for Name {
    type Error = ();

    fn try_from(name: &[u8]) -> Result<Self, ()> {
        if name.len() <= 16 {
            Ok(Self::new(name))
        } else {
            Err(())
        }
    }
}

/// An identity that reads capitals as small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Easy([u8; 1]);

impl AsRef<[u8]> for Easy {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Easy {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        <[u8; 1]>::try_from(bytes).map(|byte| Self(byte.map(|byte| byte.to_ascii_lowercase())))
    }
}

/// The smallest binary format that can be read.
struct Binary<'a>(&'a [u8]);

impl<'de> Deserializer<'de> for Binary<'_> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.0.iter().copied()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
