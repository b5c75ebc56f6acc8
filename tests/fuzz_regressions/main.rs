//! What the fuzz targets do, and every input of theirs that is kept, replayed without a fuzzer.
//!
//! Each module is the body of a target of `fuzz/`, which includes it from here: so the oracle that the fuzzer asks and the
//! one of this test are the same lines. The inputs lie in `fuzz/corpus/<target>/`: `seed-*` is a minimised corpus, `bug-*`
//! found a bug once. What a local run of the fuzzer adds there has other names and is not looked at.
//!
//! `fuzz/` is not in the published package. Where it is not there, nothing is replayed; where it is, each target must
//! have inputs.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod broker_ops;
#[cfg(feature = "testing")]
mod conformance;
#[cfg(feature = "serde")]
mod definitions;
mod explain;
mod headers;
#[cfg(feature = "serde")]
mod json;
mod memory;
mod queue_ops;
mod rig;
mod topic;

use std::path::Path;
use std::sync::Mutex;

#[global_allocator]
static COUNTING: memory::Counting = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Allocations are counted for the whole program, so one target at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Gives each kept input of a target to its body.
fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    if !fuzz.exists() {
        println!("no inputs: this is the published package");
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = fuzz.join("corpus").join(target);
    let mut kept: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("readable").path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("seed-") || name.starts_with("bug-")
        })
        .collect();
    kept.sort();
    assert!(!kept.is_empty(), "{target} has no inputs");
    for path in kept {
        println!("{}", path.display());
        run(&std::fs::read(&path).expect("readable"));
    }
}

#[test]
fn topic_patterns() {
    replay("topic", topic::run);
}

#[test]
fn queue_operations() {
    replay("queue_ops", queue_ops::run);
}

#[test]
fn headers_predicates() {
    replay("headers", headers::run);
}

#[test]
fn broker_operations() {
    replay("broker_ops", broker_ops::run);
}

#[test]
fn explanations() {
    replay("explain", explain::run);
}

#[cfg(feature = "serde")]
#[test]
fn definitions_files() {
    replay("definitions", definitions::run);
}

#[cfg(feature = "testing")]
#[test]
fn mutated_traces() {
    replay("conformance", conformance::run);
}
