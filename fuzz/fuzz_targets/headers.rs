//! `cargo fuzz run headers`. What it does, and what was seen to fail: `tests/fuzz_regressions/headers.rs`.

#![no_main]
// A target takes what it needs of what the targets share.
#![allow(dead_code)]

#[path = "../../tests/fuzz_regressions/headers.rs"]
mod headers;

libfuzzer_sys::fuzz_target!(|input: &[u8]| headers::run(input));
