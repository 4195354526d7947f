//! libFuzzer's door to `deja_tests::fuzz::frame_decoder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| deja_tests::fuzz::frame_decoder(bytes));
