//! The whole broker against a reference broker, over random operations through the public API.
//!
//! The reference (`broker.rs`, `queue.rs`, and the naive router of the router's tests) restates RabbitMQ's rules as
//! the recorded traces show them, with lists and linear scans and nothing shared; less than 600 lines of code in the first
//! two, and their data beside them (`terms.rs`). After every operation the reply, what every channel receives and in which order,
//! the confirms, all counts and totals, and every message ready in every queue with its death history must be the same,
//! and the engine's own invariants must hold.
//!
//! 64 cases of at most 200 operations for each of four profiles, or as many as `PROPTEST_CASES` says.
//!
//! Seen to fail with: a dead letter that keeps its expiration.

#![allow(unreachable_pub, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod broker;
#[path = "../naive/mod.rs"]
mod naive;
mod ops;
mod queue;
mod rig;
mod terms;

use ops::{Op, World};
use proptest::prelude::*;

fn cases() -> Option<u32> {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok())
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: cases().unwrap_or(64), ..ProptestConfig::default() }
}

fn many(
    (world, op): (impl Strategy<Value = World>, impl Strategy<Value = Op>),
) -> impl Strategy<Value = (World, Vec<Op>)> {
    // The same however many cases there are, so that the seed of one that failed stands for the same operations.
    (world, prop::collection::vec(op, 1..=200))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn deliveries_and_settlements((world, ops) in many(ops::acks())) {
        rig::run(&world, &ops)?;
    }

    #[test]
    fn times_lengths_and_priorities((world, ops) in many(ops::limits())) {
        rig::run(&world, &ops)?;
    }

    #[test]
    fn dead_letters((world, ops) in many(ops::letters())) {
        rig::run(&world, &ops)?;
    }

    #[test]
    fn topologies((world, ops) in many(ops::topology())) {
        rig::run(&world, &ops)?;
    }
}
