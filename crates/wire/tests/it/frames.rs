//! Streams to frames and back.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use quorate_wire::{DEFAULT_MAX_FRAME_LEN, FrameCodec, FrameError, HEADER_LEN};
use tokio_util::codec::{Decoder, Encoder};

proptest! {
    #[test]
    fn frames_survive_any_chunking(
        bodies in vec(vec(any::<u8>(), 0..200), 0..20),
        chunk_lens in vec(1_usize..90, 1..30),
    ) {
        let mut codec = FrameCodec::new(200);
        let mut stream = BytesMut::new();
        for body in &bodies {
            codec.encode(Bytes::copy_from_slice(body), &mut stream).unwrap();
        }

        let mut received = BytesMut::new();
        let mut frames = Vec::new();
        for chunk_len in chunk_lens.iter().cycle() {
            let chunk = stream.split_to(stream.len().min(*chunk_len));
            if chunk.is_empty() {
                break;
            }
            received.extend_from_slice(&chunk);
            while let Some(frame) = codec.decode(&mut received).unwrap() {
                frames.push(frame);
            }
        }
        prop_assert_eq!(codec.decode_eof(&mut received).unwrap(), None);
        prop_assert_eq!(frames, bodies);
    }
}

#[test]
fn a_frame_is_its_length_and_its_body() {
    let mut stream = BytesMut::new();
    FrameCodec::default()
        .encode(Bytes::from(vec![b'x'; 258]), &mut stream)
        .unwrap();
    assert_eq!(stream[..HEADER_LEN], [0, 0, 1, 2]);
    assert_eq!(stream[HEADER_LEN..], [b'x'; 258]);
}

#[test]
fn an_empty_body_is_a_frame() {
    let mut codec = FrameCodec::new(0);
    let mut stream = BytesMut::new();
    codec.encode(Bytes::new(), &mut stream).unwrap();
    assert_eq!(stream[..], [0; HEADER_LEN]);
    assert_eq!(codec.decode(&mut stream).unwrap(), Some(Bytes::new()));
    assert!(stream.is_empty());
}

#[test]
fn a_body_is_not_copied_out_of_the_buffer() {
    let mut stream = BytesMut::from(&b"\0\0\0\x03abc"[..]);
    let body_at = stream[HEADER_LEN..].as_ptr();
    let frame = FrameCodec::default().decode(&mut stream).unwrap().unwrap();
    assert_eq!(frame.as_ptr(), body_at);
}

#[test]
fn the_limit_itself_is_allowed_both_ways() {
    let mut codec = FrameCodec::new(5);
    let mut stream = BytesMut::new();
    codec
        .encode(Bytes::from_static(b"abcde"), &mut stream)
        .unwrap();
    assert_eq!(codec.decode(&mut stream).unwrap().unwrap(), "abcde");
}

#[test]
fn a_body_over_the_limit_is_not_written_and_the_next_one_is() {
    let mut codec = FrameCodec::new(5);
    let mut stream = BytesMut::from(&b"before"[..]);
    let capacity = stream.capacity();

    let error = codec
        .encode(Bytes::from(vec![0; 1 << 16]), &mut stream)
        .unwrap_err();
    assert!(
        matches!(
            error,
            FrameError::TooLong {
                len: 0x1_0000,
                max: 5
            }
        ),
        "{error}"
    );
    assert_eq!(stream, "before");
    assert_eq!(stream.capacity(), capacity);

    codec
        .encode(Bytes::from_static(b"hi"), &mut stream)
        .unwrap();
    assert_eq!(stream, "before\0\0\0\x02hi");
}

#[test]
fn a_raised_limit_holds_for_the_frame_that_waits() {
    let mut codec = FrameCodec::new(4);
    let mut stream = BytesMut::from(&b"\0\0\0"[..]);
    assert_eq!(codec.decode(&mut stream).unwrap(), None);
    codec.set_max_frame_len(5);
    stream.extend_from_slice(b"\x05abcde");
    assert_eq!(codec.decode(&mut stream).unwrap().unwrap(), "abcde");
}

#[test]
fn a_lowered_limit_holds_for_a_frame_half_arrived() {
    let mut codec = FrameCodec::new(5);
    let mut stream = BytesMut::from(&b"\0\0\0\x05ab"[..]);
    assert_eq!(codec.decode(&mut stream).unwrap(), None);
    codec.set_max_frame_len(4);
    let error = codec.decode(&mut stream).unwrap_err();
    assert!(
        matches!(error, FrameError::TooLong { len: 5, max: 4 }),
        "{error}"
    );
}

#[test]
fn the_limit_is_what_was_asked_for_but_no_more_than_a_header_can_say() {
    assert_eq!(FrameCodec::default().max_frame_len(), DEFAULT_MAX_FRAME_LEN);
    let mut codec = FrameCodec::new(usize::MAX);
    assert_eq!(codec.max_frame_len(), 0xffff_ffff);
    codec.set_max_frame_len(7);
    assert_eq!(codec.max_frame_len(), 7);
    codec.set_max_frame_len(usize::MAX);
    assert_eq!(codec.max_frame_len(), 0xffff_ffff);
}

#[test]
fn whole_frames_are_read_at_the_end_of_the_stream() {
    let mut codec = FrameCodec::default();
    let mut stream = BytesMut::from(&b"\0\0\0\x01a\0\0\0\x01b"[..]);
    assert_eq!(codec.decode_eof(&mut stream).unwrap().unwrap(), "a");
    assert_eq!(codec.decode_eof(&mut stream).unwrap().unwrap(), "b");
    assert_eq!(codec.decode_eof(&mut stream).unwrap(), None);
}
