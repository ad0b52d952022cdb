//! Bytes for [`quorate_fuzzed::roster_merge`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quorate_fuzzed::roster_merge::run(data));
