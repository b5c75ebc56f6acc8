//! Target `queue_ops`: the queue machines against their naive models, over operations read from bytes.
//!
//! The first byte says which kind of queue, the next sixteen its settings, then eight for each operation.
//!
//! Seen to fail on a planted bug: a returned message of a quorum queue that goes behind the new ones.

#[path = "../queue_model/classic.rs"]
mod classic;
#[path = "../queue_model/harness.rs"]
mod harness;
#[path = "../queue_model/ops.rs"]
mod ops;
#[path = "../queue_model/quorum.rs"]
mod quorum;

use leveret::QueueKind;
use ops::{OP_BYTES, Op, SETUP_BYTES, Setup};

/// More of them say nothing new.
const MOST_OPS: usize = 200;

pub(crate) fn run(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    let Some((setup, rest)) = rest.split_first_chunk::<SETUP_BYTES>() else { return };
    let (ops, _) = rest.as_chunks::<OP_BYTES>();
    let kind = if kind % 2 == 0 { QueueKind::Classic } else { QueueKind::Quorum };
    let setup = Setup::from_bytes(kind, setup);
    let ops: Vec<Op> = ops.iter().take(MOST_OPS).map(|bytes| Op::from_bytes(kind, bytes)).collect();
    let difference = match kind {
        QueueKind::Quorum => harness::run::<quorum::Naive>(&setup, &ops).err(),
        _ => harness::run::<classic::Naive>(&setup, &ops).err(),
    };
    assert!(difference.is_none(), "{setup:?}\n{ops:#?}\n{}", difference.unwrap_or_default());
}
