//! The queue machines against naive models of RabbitMQ's rules, over random operations.
//!
//! A model is a restatement of the rules with lists and linear scans; after every verb all that can be seen (who got
//! what, who died of what, counts, the next deadline) must be the same, the machine's own invariants must hold, and
//! the same operations must have the same effects again.
//!
//! Seen to fail with: a rejection that is taken for an acknowledgement, a returned message that goes behind the new ones.

mod classic;
mod harness;
mod ops;
mod quorum;

use harness::{Model, run};
use leveret::QueueKind;
use ops::{OP_BYTES, Op, SETUP_BYTES, Setup};
use proptest::prelude::*;

fn compare<M: Model>(
    kind: QueueKind,
    setup: &[u8; SETUP_BYTES],
    bytes: &[[u8; OP_BYTES]],
) -> Result<(), TestCaseError> {
    let setup = Setup::from_bytes(kind, setup);
    let ops: Vec<Op> = bytes.iter().map(|bytes| Op::from_bytes(kind, bytes)).collect();
    let said = |difference: String| {
        let story: Vec<String> = ops.iter().map(|op| format!("  {op:?}")).collect();
        TestCaseError::fail(format!("{setup:?}\n{}\n{difference}", story.join("\n")))
    };
    let once = run::<M>(&setup, &ops).map_err(said)?;
    let again = run::<M>(&setup, &ops).map_err(said)?;
    prop_assert_eq!(once, again, "the same operations had other effects");
    Ok(())
}

proptest! {
    #[test]
    fn classic_queues_do_as_the_rules_say(setup: [u8; SETUP_BYTES], ops in prop::collection::vec(any::<[u8; OP_BYTES]>(), 1..200)) {
        compare::<classic::Naive>(QueueKind::Classic, &setup, &ops)?;
    }

    #[test]
    fn quorum_queues_do_as_the_rules_say(setup: [u8; SETUP_BYTES], ops in prop::collection::vec(any::<[u8; OP_BYTES]>(), 1..200)) {
        compare::<quorum::Naive>(QueueKind::Quorum, &setup, &ops)?;
    }
}
