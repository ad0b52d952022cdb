//! Bytes for [`quorate_fuzzed::certificate`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quorate_fuzzed::certificate::run(data));
