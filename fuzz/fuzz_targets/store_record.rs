//! Bytes for [`quorate_fuzzed::store_record`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quorate_fuzzed::store_record::run(data));
