//! `cargo fuzz run conformance`. What it does, and what was seen to fail: `tests/fuzz_regressions/conformance.rs`.

#![no_main]
// A target takes what it needs of what the targets share.
#![allow(dead_code)]

#[path = "../../tests/fuzz_regressions/conformance.rs"]
mod conformance;
#[path = "../../tests/fuzz_regressions/json.rs"]
mod json;
#[path = "../../tests/fuzz_regressions/memory.rs"]
mod memory;

#[global_allocator]
static COUNTING: memory::Counting = &stats_alloc::INSTRUMENTED_SYSTEM;

libfuzzer_sys::fuzz_target!(|input: &[u8]| conformance::run(input));
