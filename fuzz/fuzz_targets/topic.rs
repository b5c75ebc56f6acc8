//! `cargo fuzz run topic`. What it does, and what was seen to fail: `tests/fuzz_regressions/topic.rs`.

#![no_main]
// A target takes what it needs of what the targets share.
#![allow(dead_code)]

#[path = "../../tests/fuzz_regressions/topic.rs"]
mod topic;

libfuzzer_sys::fuzz_target!(|input: &[u8]| topic::run(input));
