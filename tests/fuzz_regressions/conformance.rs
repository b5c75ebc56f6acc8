//! Target `conformance`: traces that were changed, read and replayed.
//!
//! An input that begins with `{` is a trace itself; any other says which recorded trace is changed, and how. One that is
//! read can be written and read again. Its replay either goes through or names a step; what was seen there is then
//! put in the place of what was expected (or the step is left out, where it could not be done), and a new replay must get
//! past it: so the replay is deterministic, what is seen can be said in a trace, and steps behind a change are reached.
//!
//! Seen to fail: a count of repetitions taken as it stood, which was a bug; and on a planted one, a second replay that began
//! with a queue already there.

use super::json;
use super::memory::Watch;
use leveret::{Broker, Limits, Trace};
use serde_json::{Value as Json, json};

/// The traces that are changed. What their numbers mean in a kept input is their order here.
const BASES: [&str; 12] = [
    include_str!("../conformance/cases/limits/drop-head-confirms.json"),
    include_str!("../conformance/cases/limits/reject-one-of-two.json"),
    include_str!("../conformance/cases/consuming/exclusive-freed.json"),
    include_str!("../conformance/cases/consuming/push-order.json"),
    include_str!("../conformance/cases/transactions/routing-time.json"),
    include_str!("../conformance/cases/quorum/delivery-count.json"),
    include_str!("../conformance/cases/quorum/recover.json"),
    include_str!("../conformance/cases/queues/server-named.json"),
    include_str!("../conformance/cases/queues/expires-renewed.json"),
    include_str!("../conformance/cases/request-reply/direct-confirm.json"),
    include_str!("../conformance/cases/acks/requeue-to-next.json"),
    include_str!("../conformance/cases/acks/recover-cancelled.json"),
];

/// Words of the format.
const WORDS: [&str; 48] = [
    "c1",
    "c1/a",
    "c1/b",
    "c2/a",
    "q",
    "$q1",
    "$t1",
    "$r1",
    "$x9",
    "on",
    "do",
    "with",
    "then",
    "queue.declare",
    "queue.delete",
    "queue.bind",
    "exchange.declare",
    "exchange.bind",
    "basic.publish",
    "basic.consume",
    "basic.get",
    "basic.ack",
    "basic.nack",
    "basic.qos",
    "basic.cancel",
    "channel.open",
    "channel.close",
    "connection.close",
    "clock.advance",
    "confirm.select",
    "tx.select",
    "tx.commit",
    "ms",
    "arguments",
    "properties",
    "headers",
    "body",
    "x-message-ttl",
    "x-expires",
    "x-dead-letter-exchange",
    "x-dead-letter-strategy",
    "at-least-once",
    "x-queue-type",
    "quorum",
    "amq.fanout",
    "amq.rabbitmq.reply-to",
    "delivery_tag",
    "",
];

/// More changes, or more steps, say nothing new.
const MOST_CHANGES: usize = 12;
const MOST_STEPS: usize = 40;
/// Longer spans take longer, by what is done again and again in them: a kept dead letter is tried each three minutes.
const MOST_MILLIS: u64 = 366 * 24 * 3600 * 1000;
/// What one replay may allocate in all: for each byte of the trace, and whatever it holds.
const BYTES_PER_BYTE: usize = 8 << 10;
const STANDING_BYTES: usize = 4 << 20;

pub(crate) fn run(input: &[u8]) {
    let text = json::text(input, &BASES, &WORDS, MOST_CHANGES);
    let watch = Watch::new();
    let parsed = Trace::parse(&text);
    watch.assert_allocated_at_most(STANDING_BYTES + BYTES_PER_BYTE * text.len(), "reading a trace");
    match parsed {
        Ok(trace) => replay(&trace),
        Err(error) => assert!(error.to_string().starts_with("this is no trace: ")),
    }
}

/// Replays a trace until all of it goes through.
fn replay(trace: &Trace) {
    let written = trace.to_json();
    let again = Trace::parse(&written).unwrap_or_else(|error| panic!("{error}, though it was written:\n{written}"));
    assert_eq!(again, *trace, "it was written otherwise than read:\n{written}");
    let mut tree: Json = serde_json::from_str(&written).expect("it was read just now");
    steps(&mut tree).truncate(MOST_STEPS);
    for step in steps(&mut tree) {
        if let Some(millis) = step.pointer_mut("/with/ms") {
            *millis = json!(millis.as_u64().unwrap_or_default().min(MOST_MILLIS));
        }
    }
    let mut past = 0;
    loop {
        if steps(&mut tree).is_empty() {
            return;
        }
        let text = tree.to_string();
        let trace = Trace::parse(&text).unwrap_or_else(|error| panic!("{error}: what was seen is no trace:\n{text}"));
        let watch = Watch::new();
        let replayed = trace.replay(Broker::builder().limits(limits()));
        watch.assert_allocated_at_most(STANDING_BYTES + BYTES_PER_BYTE * text.len(), "replaying a trace");
        let Err(divergence) = replayed else { return };
        assert!(!divergence.to_string().is_empty());
        let step = divergence.step() - 1;
        assert!(step >= past, "step {} went otherwise than just now: {divergence}\n{text}", step + 1);
        if divergence.seen().is_empty() && divergence.expected().is_empty() {
            steps(&mut tree).remove(step);
            past = step;
            continue;
        }
        let seen: Result<Vec<Json>, _> = divergence.seen().iter().map(|seen| serde_json::from_str(seen)).collect();
        let seen = seen.unwrap_or_else(|error| panic!("{error}: {:?}", divergence.seen()));
        let here = &mut steps(&mut tree)[step];
        // A step that could not be done has nothing seen, and its events are left out first.
        past = if seen.is_empty() { step } else { step + 1 };
        here["then"] = json!(seen);
    }
}

fn steps(tree: &mut Json) -> &mut Vec<Json> {
    tree.get_mut("steps").and_then(Json::as_array_mut).expect("a trace has steps")
}

/// Small ones, so that they are met.
fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.message_bytes, limits.transaction_operations, limits.channel_events) = (100_000, 20, 100);
    limits
}
