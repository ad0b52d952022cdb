//! Values to bodies and back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate_wire::{DecodeError, EncodeError, Format, UnknownFormat};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::sample::{Sample, sample};

const FORMATS: [Format; 2] = [Format::Bincode, Format::Json];

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(value in sample()) {
        for format in FORMATS {
            let body = format.encode(&value).unwrap();
            prop_assert_eq!(format.decode::<Sample>(&body).unwrap(), value.clone());
        }
    }

    #[test]
    fn a_body_cut_anywhere_ends_unexpectedly(value in sample(), cut in any::<prop::sample::Index>()) {
        for format in FORMATS {
            let body = format.encode(&value).unwrap();
            let cut = &body[..cut.index(body.len())];
            match format.decode::<Sample>(cut).unwrap_err() {
                DecodeError::UnexpectedEnd { format: named, body_len, .. } => {
                    prop_assert_eq!((named, body_len), (format, cut.len()));
                }
                // To `serde_json` a number without its digits is wrong, whether or not the body ends there.
                DecodeError::Malformed { format: Format::Json, .. } => {
                    prop_assert!(cut.ends_with(b"-") || cut.ends_with(b"."));
                }
                other => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn bytes_after_the_value_are_refused_and_counted(value in sample(), tail in "[a-z{\"]{1,9}") {
        for format in FORMATS {
            let body = format.encode(&value).unwrap();
            let longer = [&body[..], tail.as_bytes()].concat();
            let error = format.decode::<Sample>(&longer).unwrap_err();
            prop_assert!(
                matches!(error, DecodeError::TrailingBytes { decoded, trailing }
                    if decoded == body.len() && trailing == tail.len()),
                "{error}"
            );
        }
    }
}

#[test]
fn whitespace_may_follow_json_but_nothing_may_follow_bincode() {
    assert_eq!(
        Format::Json.decode::<Vec<u8>>(b" [1, 2] \r\n\t").unwrap(),
        [1, 2]
    );
    assert_eq!(Format::Json.decode::<u8>(b"7\n").unwrap(), 7);
    let error = Format::Bincode.decode::<u8>(b"\x07\n").unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::TrailingBytes {
                decoded: 1,
                trailing: 1
            }
        ),
        "{error}"
    );
}

#[test]
fn a_form_feed_is_no_json_whitespace() {
    let error = Format::Json.decode::<Vec<u8>>(b"[1]\x0c").unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::TrailingBytes {
                decoded: 3,
                trailing: 1
            }
        ),
        "{error}"
    );
}

#[test]
fn what_is_glued_to_a_bare_json_number_spoils_it() {
    let error = Format::Json.decode::<u8>(b"12x").unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
}

#[test]
fn an_empty_body_holds_only_a_value_of_no_bytes() {
    for format in FORMATS {
        let error = format.decode::<u8>(b"").unwrap_err();
        assert!(
            matches!(error, DecodeError::UnexpectedEnd { body_len: 0, .. }),
            "{error}"
        );
    }
    Format::Bincode.decode::<()>(b"").unwrap();
    Format::Json.decode::<()>(b"").unwrap_err();
}

#[test]
fn the_bincode_layout_is_the_documented_one() {
    let body = Format::Bincode
        .encode(&("ab", 250_u32, 300_u32, Some(-1_i16)))
        .unwrap();
    assert_eq!(&body[..], [2, b'a', b'b', 250, 251, 44, 1, 1, 1]);
}

#[test]
fn a_wrong_value_is_refused_with_what_was_expected_and_what_came() {
    let error = Format::Bincode.decode::<bool>(&[7]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a bool, but 1 bytes of bincode are not one: InvalidBooleanValue(7)"
    );
    let error = Format::Json.decode::<bool>(b"7").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a bool, but 1 bytes of json are not one: \
         invalid type: integer `7`, expected a boolean at line 1 column 1"
    );
}

#[test]
fn a_value_the_format_cannot_express_is_refused() {
    let by_pair = BTreeMap::from([((1_u8, 2_u8), 3_u8)]);
    let error = Format::Json.encode(&by_pair).unwrap_err();
    assert!(
        matches!(
            error,
            EncodeError::Unsupported {
                format: Format::Json,
                ..
            }
        ),
        "{error}"
    );
    Format::Bincode.encode(&by_pair).unwrap();

    let error = Format::Bincode.encode(&Unsized).unwrap_err();
    assert!(
        matches!(
            error,
            EncodeError::Unsupported {
                format: Format::Bincode,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(&Format::Json.encode(&Unsized).unwrap()[..], b"[1]");
}

#[test]
fn a_format_goes_by_the_same_name_everywhere() {
    for (format, name) in [(Format::Bincode, "bincode"), (Format::Json, "json")] {
        assert_eq!(format.to_string(), name);
        assert_eq!(name.parse(), Ok(format));
        assert_eq!(Format::Json.encode(&format).unwrap(), format!("\"{name}\""));
    }
    assert_eq!(Format::default(), Format::Bincode);
}

#[test]
fn a_word_that_names_no_format_is_refused() {
    let error = "JSON".parse::<Format>().unwrap_err();
    assert_eq!(
        error,
        UnknownFormat {
            found: "JSON".to_owned()
        }
    );
    assert_eq!(
        error.to_string(),
        "expected the format \"bincode\" or \"json\", but found \"JSON\""
    );
}

/// A list that does not know its length beforehand, which bincode has to write first.
struct Unsized;

impl Serialize for Unsized {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(&1_u8)?;
        list.end()
    }
}
