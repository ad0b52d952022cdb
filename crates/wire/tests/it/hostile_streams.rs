//! Streams that break the framing, or announce what they never send.

use std::io;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use quorate_wire::{FrameCodec, FrameError, HEADER_LEN};
use tokio_util::codec::Decoder;

/// What the codec promises to reserve at most, ahead of what has arrived.
const RESERVE_AHEAD_MAX: usize = 64 * 1024;

proptest! {
    #[test]
    fn random_bytes_never_panic_nor_pass_the_limit(
        // Mostly zeros, or no header would ever be small.
        bytes in vec(prop_oneof![3 => Just(0), 2 => 0_u8..40, 1 => any::<u8>()], 0..600),
        chunk_len in 1_usize..100,
        limit in 0_usize..50,
    ) {
        let mut codec = FrameCodec::new(limit);
        let mut received = BytesMut::new();
        let mut taken = 0;
        'stream: for chunk in bytes.chunks(chunk_len) {
            received.extend_from_slice(chunk);
            loop {
                match codec.decode(&mut received) {
                    Ok(Some(frame)) => {
                        prop_assert!(frame.len() <= limit);
                        taken += HEADER_LEN + frame.len();
                    }
                    Ok(None) => break,
                    Err(FrameError::TooLong { len, max }) => {
                        prop_assert!(len > limit && max == limit);
                        break 'stream;
                    }
                    Err(other) => prop_assert!(false, "{other}"),
                }
            }
        }
        prop_assert!(bytes[taken..].starts_with(&received));
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_at_its_header_and_nothing_reserved() {
    let mut stream = BytesMut::from(&0x8000_0000_u32.to_be_bytes()[..]);
    let capacity = stream.capacity();
    let error = FrameCodec::default().decode(&mut stream).unwrap_err();
    assert!(
        matches!(
            error,
            FrameError::TooLong {
                len: 0x8000_0000,
                max: 0x10_0000
            }
        ),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "expected a frame of at most 1048576 bytes, but its body has 2147483648"
    );
    assert_eq!(stream.capacity(), capacity);
}

#[test]
fn room_is_reserved_in_steps_as_the_body_comes() {
    const PIECE: [u8; 10_000] = [7; 10_000];
    let mut codec = FrameCodec::new(usize::MAX);
    let mut stream = BytesMut::from(&0x8000_0000_u32.to_be_bytes()[..]);
    for _ in 0..100 {
        assert_eq!(codec.decode(&mut stream).unwrap(), None);
        // Twice, because `BytesMut` doubles what it has when it has to grow.
        let bound = 2 * (stream.len() + RESERVE_AHEAD_MAX);
        assert!(
            stream.capacity() <= bound,
            "{} over {bound}",
            stream.capacity()
        );
        stream.extend_from_slice(&PIECE);
    }
}

#[test]
fn room_for_a_short_rest_is_all_that_is_reserved() {
    let mut stream = BytesMut::from(&b"\0\0\x20\0"[..]);
    assert_eq!(FrameCodec::default().decode(&mut stream).unwrap(), None);
    assert!(
        (0x2004..=0x2100).contains(&stream.capacity()),
        "{}",
        stream.capacity()
    );
}

#[test]
fn after_a_frame_over_the_limit_the_same_error_comes_again() {
    let mut codec = FrameCodec::new(3);
    let mut stream = BytesMut::from(&b"\0\0\0\x04"[..]);
    codec.decode(&mut stream).unwrap_err();

    codec.set_max_frame_len(100);
    let mut good = BytesMut::from(&b"\0\0\0\x01a"[..]);
    for error in [codec.decode(&mut good), codec.decode_eof(&mut good)] {
        assert!(
            matches!(error, Err(FrameError::TooLong { len: 4, max: 3 })),
            "{error:?}"
        );
    }
    assert_eq!(good, "\0\0\0\x01a", "nothing was taken");
}

#[test]
fn a_stream_that_ends_inside_a_frame_is_truncated() {
    for (bytes, have, need) in [
        (&b"\0"[..], 1, 4),
        (b"\0\0\0\x05", 4, 9),
        (b"\0\0\0\x05abcd", 8, 9),
    ] {
        let error = FrameCodec::default()
            .decode_eof(&mut BytesMut::from(bytes))
            .unwrap_err();
        assert!(
            matches!(error, FrameError::Truncated { have: h, need: n } if (h, n) == (have, need)),
            "{error}"
        );
    }
}

#[test]
fn after_a_truncated_frame_the_same_error_comes_again() {
    let mut codec = FrameCodec::default();
    let mut stream = BytesMut::from(&b"\0\0\0\x05ab"[..]);
    codec.decode_eof(&mut stream).unwrap_err();
    stream.extend_from_slice(b"cde");
    for error in [codec.decode(&mut stream), codec.decode_eof(&mut stream)] {
        assert!(
            matches!(error, Err(FrameError::Truncated { have: 6, need: 9 })),
            "{error:?}"
        );
    }
}

#[test]
fn a_failed_transport_is_told_apart() {
    let error = FrameError::from(io::Error::from(io::ErrorKind::ConnectionReset));
    assert!(matches!(error, FrameError::Io(_)));
    assert_eq!(error.to_string(), "the stream failed: connection reset");
}
