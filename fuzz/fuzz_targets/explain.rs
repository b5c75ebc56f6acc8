//! `cargo fuzz run explain`. What it does, and what was seen to fail: `tests/fuzz_regressions/explain.rs`.

#![no_main]
// A target takes what it needs of what the targets share.
#![allow(dead_code)]

#[path = "../../tests/fuzz_regressions/explain.rs"]
mod explain;
#[path = "../../tests/fuzz_regressions/rig.rs"]
mod rig;

libfuzzer_sys::fuzz_target!(|input: &[u8]| explain::run(input));
