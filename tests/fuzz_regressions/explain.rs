//! Target `explain`: what is told of a message is what happens to it, whatever was done before.
//!
//! The operations are those of `broker_ops`. Before each publish of a message by itself, it is explained, twice; that
//! changes nothing and says the same. Then it is published, and what came of it is compared: the answer to the publisher,
//! and the counts of every queue. Where messages die on the way and come to other queues, those counts are mixed with
//! theirs; then the answer alone is compared.
//!
//! Seen to fail on a planted bug: a forecast that told of no message that makes room.

use super::rig::{self, Op, Rig, Shape};
use leveret::explain::{Fate, Verdict};
use leveret::{BrokerStats, Explanation, PublishErrorKind, QueueStats, Recorder, RecorderBound, Routed};

/// More of them say nothing new.
const MOST_OPS: usize = 100;

pub(crate) fn run(input: &[u8]) {
    let ops = rig::operations(input, MOST_OPS);
    let mut rig = Rig::new(Recorder::new(RecorderBound::messages(0)));
    for (at, op) in ops.iter().enumerate() {
        match op {
            Op::Publish { exchange, key, message } => {
                if let Err(what) = explain(&mut rig, *exchange, *key, message) {
                    panic!("at {at}: {what}\n{:#?}", &ops[..=at]);
                }
            }
            other => rig.act(other),
        }
    }
}

fn explain(rig: &mut Rig, exchange: u8, key: u8, shape: &Shape) -> Result<(), String> {
    let message = rig.message(shape);
    let (exchange, key) = Rig::address(exchange, key);
    let broker = &rig.broker;
    let (before, deadline) = (broker.stats(), broker.next_deadline());
    let told = broker.explain_message(exchange, key, &message);
    let again = broker.explain_message(exchange, key, &message);
    if told != again || told.to_string() != again.to_string() {
        return Err(format!("it is told otherwise: {told}\n{again}"));
    }
    if broker.stats() != before || broker.next_deadline() != deadline {
        return Err(format!("explaining changed something: {told}\n{before:#?}\n{:#?}", broker.stats()));
    }
    let outcome = broker.publish(exchange, key, message).map_err(|error| error.into_parts().0);
    let after = broker.stats();
    let compared = if agrees(&told, &outcome) { compare(&told, &before, &after) } else { Err("the answer".to_owned()) };
    compared.map_err(|what| format!("{what} is another: {told}\n{outcome:?}\n{before:#?}\n{after:#?}"))
}

/// The answer to the publisher.
fn agrees(told: &Explanation, outcome: &Result<Routed, PublishErrorKind>) -> bool {
    let refused = told.queues.iter().filter(|queue| matches!(queue.fate, Fate::Refused { .. })).count();
    let full = told.queues.iter().filter(|queue| matches!(queue.fate, Fate::Full { .. })).count();
    let taken = told.queues.len() - refused - full;
    match (&told.verdict, outcome) {
        (Verdict::Reaches { queues, refusing, .. }, outcome) => {
            let counted = (*queues, *refusing) == (told.queues.len(), refused + full);
            counted
                && match outcome {
                    Ok(routed) => routed.queues == taken && refused + full == 0,
                    Err(PublishErrorKind::Refused { refused: r, taken: t }) => (*r, *t) == (refused, taken),
                    Err(PublishErrorKind::Full { full: f, taken: t }) => refused == 0 && (*f, *t) == (full, taken),
                    Err(_) => false,
                }
        }
        (Verdict::Unroutable { .. }, Ok(routed)) => routed.queues == 0 && told.queues.is_empty(),
        (Verdict::NoExchange { .. }, Err(PublishErrorKind::NoExchange(_)))
        | (Verdict::Internal, Err(PublishErrorKind::Internal(_)))
        | (Verdict::Invalid { .. }, Err(PublishErrorKind::Invalid(_))) => true,
        _ => false,
    }
}

/// The counts of every queue.
fn compare(told: &Explanation, before: &BrokerStats, after: &BrokerStats) -> Result<(), String> {
    let offered = |stats: &BrokerStats| stats.dead_letters.arrived + stats.dead_letters.refused;
    if offered(before) != offered(after) {
        return Ok(());
    }
    for (before, after) in before.queues.iter().zip(&after.queues) {
        match told.queues.iter().find(|queue| *queue.name == *before.name) {
            None if before != after => return Err(format!("queue {}", before.name)),
            None => {}
            Some(queue) => compare_queue(
                &queue.fate,
                queue.makes_room.as_ref().map_or(0, |room| room.dropped),
                queue.expired_first,
                before,
                after,
            )?,
        }
    }
    Ok(())
}

fn compare_queue(
    fate: &Fate,
    dropped: u64,
    expired: u64,
    before: &QueueStats,
    after: &QueueStats,
) -> Result<(), String> {
    let (was, is) = (&before.totals, &after.totals);
    let one = |holds: bool| u64::from(holds);
    let (refused, full) = (matches!(fate, Fate::Refused { .. }), matches!(fate, Fate::Full { .. }));
    let checks = [
        ("enqueued", one(!refused && !full), is.enqueued - was.enqueued),
        ("refused", one(refused), is.refused - was.refused),
        ("full", one(full), is.full - was.full),
        ("delivered", one(matches!(fate, Fate::Delivered { .. })), is.delivered - was.delivered),
        ("expired", expired + one(*fate == Fate::Expired), is.expired - was.expired),
        ("over its length", dropped + one(matches!(fate, Fate::Dropped { .. })), is.max_length - was.max_length),
        ("ready", before.ready + one(matches!(fate, Fate::Ready { .. })), after.ready + expired + dropped),
    ];
    match checks.iter().find(|(_, told, found)| told != found) {
        Some((what, told, found)) => Err(format!("{what} of {}, told {told} and found {found},", before.name)),
        None => Ok(()),
    }
}
