//! `cargo fuzz run broker_ops`. What it does, and what was seen to fail: `tests/fuzz_regressions/broker_ops.rs`.

#![no_main]
// A target takes what it needs of what the targets share.
#![allow(dead_code)]

#[path = "../../tests/fuzz_regressions/broker_ops.rs"]
mod broker_ops;
#[path = "../../tests/fuzz_regressions/memory.rs"]
mod memory;
#[path = "../../tests/fuzz_regressions/rig.rs"]
mod rig;

#[global_allocator]
static COUNTING: memory::Counting = &stats_alloc::INSTRUMENTED_SYSTEM;

libfuzzer_sys::fuzz_target!(|input: &[u8]| broker_ops::run(input));
