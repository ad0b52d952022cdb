//! Bytes for [`quorate_fuzzed::vote`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quorate_fuzzed::vote::run(data));
