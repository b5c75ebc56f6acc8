//! `cargo fuzz run definitions`. What it does, and what was seen to fail: `tests/fuzz_regressions/definitions.rs`.

#![no_main]
// A target takes what it needs of what the targets share.
#![allow(dead_code)]

#[path = "../../tests/fuzz_regressions/definitions.rs"]
mod definitions;
#[path = "../../tests/fuzz_regressions/json.rs"]
mod json;
#[path = "../../tests/fuzz_regressions/memory.rs"]
mod memory;

#[global_allocator]
static COUNTING: memory::Counting = &stats_alloc::INSTRUMENTED_SYSTEM;

libfuzzer_sys::fuzz_target!(|input: &[u8]| definitions::run(input));
