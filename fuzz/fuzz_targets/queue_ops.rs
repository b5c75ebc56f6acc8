//! `cargo fuzz run queue_ops`. What it does, and what was seen to fail: `tests/fuzz_regressions/queue_ops.rs`.

#![no_main]
// A target takes what it needs of what the targets share.
#![allow(dead_code)]

#[path = "../../tests/fuzz_regressions/queue_ops.rs"]
mod queue_ops;

libfuzzer_sys::fuzz_target!(|input: &[u8]| queue_ops::run(input));
