//! libFuzzer's door to `deja_tests::fuzz::model_reader`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| deja_tests::fuzz::model_reader(bytes));
