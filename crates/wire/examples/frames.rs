//! One value in both formats, through a stream that arrives in crumbs. No network.
//!
//! Run it with `cargo run -p quorate-wire --example frames`. Expect both bodies, smaller in bincode; then, for each
//! format, one line per chunk of 16 bytes and the value back after the last; then three refusals, each with its reason.

use std::error::Error;

use bytes::BytesMut;
use quorate_wire::{Format, FrameCodec};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sighting {
    bird: String,
    count: u32,
    heard_only: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let sighting = Sighting {
        bird: "nightjar".to_owned(),
        count: 300,
        heard_only: true,
    };

    for format in [Format::Bincode, Format::Json] {
        let body = format.encode(&sighting)?;
        println!("{format}: {} bytes: {}", body.len(), body.escape_ascii());

        let mut codec = FrameCodec::new(1024);
        let mut stream = BytesMut::new();
        codec.encode(body, &mut stream)?;

        let mut received = BytesMut::new();
        for chunk in stream.chunks(16) {
            received.extend_from_slice(chunk);
            match codec.decode(&mut received)? {
                None => println!("  {} bytes more: no frame yet", chunk.len()),
                Some(frame) => {
                    let back: Sighting = format.decode(&frame)?;
                    println!(
                        "  {} bytes more: {back:?}, the same: {}",
                        chunk.len(),
                        back == sighting
                    );
                }
            }
        }
    }

    let mut announced = BytesMut::from(&b"\x80\0\0\0"[..]);
    if let Err(refusal) = FrameCodec::new(1024).decode(&mut announced) {
        println!("a header of 2 GiB: {refusal}");
    }
    if let Err(refusal) = Format::Bincode.decode::<String>(b"\xfd\0\0\0\0\0\x01\0\0hello") {
        println!("a text of 2^40 bytes: {refusal}");
    }
    if let Err(refusal) = Format::Json.decode::<u32>(b"5 6") {
        println!("two numbers: {refusal}");
    }
    Ok(())
}
