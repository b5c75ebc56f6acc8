//! Target `broker_ops`: operations on the public API, over several connections, channels, consumers and publishers, with
//! policies and a clock that only they move.
//!
//! After each, the broker's invariants hold and the recorder's ledger closes; what is held in memory is bounded by the
//! number of operations; and at the end nothing is in any queue, and all memory is given back.
//!
//! Seen to fail on planted bugs: purges that the recorder did not count (the ledger), a requeued message that did not come
//! back (the invariants), a broker that was kept (the end), and 70,000 bytes that were (the memory).
//! Found by it: dead letters on their way, of which nobody was told when the broker ended (`bug-letters-on-their-way-…`).

use super::memory::Watch;
use super::rig::{self, Op, Rig};
use leveret::{Recorder, RecorderBound};

/// More of them say nothing new.
const MOST_OPS: usize = 150;
/// What a broker may hold whatever is done: its tables, and what one span of ten minutes notes of some letters tried again
/// each second, which was seen to be 3 MB.
const STANDING_BYTES: usize = 16 << 20;
/// What one operation may add, its records included.
const BYTES_PER_OP: usize = 32 << 10;
/// What may be kept for the thread after a broker has gone.
const REMAINING_BYTES: usize = 64 << 10;

pub(crate) fn run(input: &[u8]) {
    let ops = rig::operations(input, MOST_OPS);
    let watch = Watch::new();
    carry_out(&ops, &watch);
    watch.assert_alive_at_most(REMAINING_BYTES, "after the broker has gone");
}

fn carry_out(ops: &[Op], watch: &Watch) {
    let mut bound = RecorderBound::messages(64);
    (bound.facts, bound.bytes) = (2_000, 256 << 10);
    let recorder = Recorder::new(bound);
    let mut rig = Rig::new(recorder.clone());
    for (at, op) in ops.iter().enumerate() {
        rig.act(op);
        if let Err(what) = rig.broker.check_invariants() {
            panic!("at {at}, {op:?}: {what}\n{:#?}", &ops[..=at]);
        }
        if let Err(what) = recorder.ledger().check() {
            panic!("at {at}, {op:?}: {what}\n{:#?}", &ops[..=at]);
        }
        watch.assert_alive_at_most(STANDING_BYTES + BYTES_PER_OP * (at + 1), "with a broker");
    }
    drop(rig);
    let ledger = recorder.ledger();
    assert!(ledger.check().is_ok(), "{ledger}");
    assert_eq!((ledger.total.ready, ledger.total.unacked, ledger.total.dying), (0, 0, 0), "{ledger}");
}
