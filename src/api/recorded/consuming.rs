//! Plain consumers and their deliveries, as a log has them.
//!
//! What is settled at once is `multiple` in AMQP, where it is all that is out up to a tag; else it is carried out one by one.

use crate::api::channel::{Close, Scope, close_fields};
use crate::api::consumer::{ConsumeError, Consumer};
use crate::api::source::Source;
use crate::base::ReplyCode;
use crate::engine::cell::QueueCell;
use crate::engine::proxy::Proxy;
use crate::engine::{Engine, Recording, With};
use crate::message::Table;
use crate::port::Cause;
use crate::queue::effect::{Claim, Done, Handout, Settlement};
use std::sync::Arc;

/// A consumer as it is asked for.
pub(in crate::api) struct Asked<'a> {
    pub(in crate::api) queue: &'a str,
    pub(in crate::api) tag: Option<&'a str>,
    pub(in crate::api) no_ack: bool,
    pub(in crate::api) exclusive: bool,
    pub(in crate::api) priority: i64,
    pub(in crate::api) prefetch: u32,
}

/// Opens a consumer, under a label of its own.
#[cold]
pub(in crate::api) fn told_open(
    recording: &Arc<Recording>,
    engine: &Engine,
    asked: &Asked<'_>,
    open: impl FnOnce(&str) -> Result<Consumer, ConsumeError>,
) -> Result<Consumer, ConsumeError> {
    let _turn = recording.turn(engine);
    let label = recording.next_proxy('k');
    if asked.prefetch > 0 {
        let mut with = With::parameters();
        with.number("prefetch_count", u16::try_from(asked.prefetch).unwrap_or(u16::MAX).into());
        recording.open(&label, "basic.qos", with);
        recording.reply("basic.qos-ok", With::fields());
        recording.close();
    }
    if asked.prefetch > u16::MAX.into() {
        recording.omit(&format!("prefetch {} on {label}: more than AMQP can say", asked.prefetch));
    }
    let mut with = With::parameters();
    with.text("queue", asked.queue).text("consumer_tag", asked.tag.unwrap_or_default());
    with.flag("no_ack", asked.no_ack).flag("exclusive", asked.exclusive);
    if asked.priority != 0 {
        with.arguments(&Table::new().with("x-priority", asked.priority));
    }
    recording.open(&label, "basic.consume", with);
    let opened = open(&label);
    match &opened {
        Ok(consumer) => {
            let mut fields = With::fields();
            fields.text("consumer_tag", consumer.tag());
            recording.reply("basic.consume-ok", fields);
            recording.close();
        }
        Err(error) => match code(error).filter(|code| !code.is_hard() && !asked.queue.is_empty()) {
            None => recording.omit_step(&error.to_string()),
            Some(code) => {
                let close = Close::new(Scope::Channel, code, "basic.consume", error);
                recording.event(&label, "channel.close", close_fields(&close));
                recording.close();
            }
        },
    }
    opened
}

fn code(error: &ConsumeError) -> Option<ReplyCode> {
    match error {
        ConsumeError::Queue(error) => Some(error.reply_code()),
        ConsumeError::ExclusiveUse(_) => Some(ReplyCode::AccessRefused),
        ConsumeError::TooMany(_) | ConsumeError::Tag(_) => None,
    }
}

/// Cancels a consumer.
pub(in crate::api) fn told_cancel(source: &Source, tag: &str, cancel: impl FnOnce()) {
    let Some(proxy) = &source.proxy else { return cancel() };
    let recording = &proxy.witness.recording;
    let _turn = recording.turn(&source.engine);
    let mut with = With::parameters();
    with.text("consumer_tag", tag);
    recording.open(&proxy.witness.label, "basic.cancel", with);
    cancel();
    let mut fields = With::fields();
    fields.text("consumer_tag", tag);
    recording.reply("basic.cancel-ok", fields);
    recording.close();
}

/// Settles one delivery. False where the queue is gone.
#[cold]
pub(in crate::api) fn told_settle(
    engine: &Engine,
    cell: &Arc<QueueCell>,
    proxy: &Proxy,
    handout: Handout,
    (settlement, cause): (Settlement, Cause),
) -> bool {
    let Some(key) = proxy.key(&handout) else { return true };
    let recording = &proxy.witness.recording;
    let _turn = recording.turn(engine);
    let tag = recording.settled(&proxy.witness.label, key);
    let mut with = With::parameters();
    with.number("delivery_tag", tag.unwrap_or_default());
    let operation = match settlement {
        Settlement::Ack => "basic.ack",
        Settlement::Requeue | Settlement::Reject => "basic.reject",
    };
    with.flag("requeue", settlement == Settlement::Requeue);
    recording.open(&proxy.witness.label, operation, with);
    let there = settle(engine, cell, vec![handout], (settlement, cause));
    match tag {
        Some(_) => recording.close(),
        None => recording.omit_step("a delivery that the log has not seen"),
    }
    there
}

/// Settles several deliveries, oldest first. False where the queue is gone.
#[cold]
pub(in crate::api) fn told_settle_many(
    engine: &Engine,
    cell: &Arc<QueueCell>,
    proxy: &Proxy,
    handouts: Vec<Handout>,
    (settlement, cause): (Settlement, Cause),
) -> bool {
    let keys: Vec<_> = handouts.iter().filter_map(|handout| proxy.key(handout)).collect();
    if keys.len() > 1 {
        let recording = &proxy.witness.recording;
        let _turn = recording.turn(engine);
        if let Some(tag) = recording.settled_up_to(&proxy.witness.label, &keys) {
            let operation = if settlement == Settlement::Ack { "basic.ack" } else { "basic.nack" };
            let mut with = With::parameters();
            with.number("delivery_tag", tag).flag("multiple", true);
            with.flag("requeue", settlement == Settlement::Requeue);
            recording.open(&proxy.witness.label, operation, with);
            let there = settle(engine, cell, handouts, (settlement, cause));
            recording.close();
            return there;
        }
    }
    let mut there = true;
    for handout in handouts {
        there &= told_settle(engine, cell, proxy, handout, (settlement, cause));
    }
    there
}

/// Settles deliveries that all are of one consumer, and sees to it that everything follows now.
fn settle(
    engine: &Engine,
    cell: &Arc<QueueCell>,
    handouts: Vec<Handout>,
    (settlement, cause): (Settlement, Cause),
) -> bool {
    let is_kept = handouts.iter().any(|handout| matches!(handout.claim, Claim::Kept(_)));
    if is_kept {
        let refs: Vec<_> = handouts.iter().filter_map(|handout| handout.claim.reference()).collect();
        return engine.settle(cell, &refs, settlement, cause);
    }
    if settlement != Settlement::Ack {
        return engine.give_back(cell, handouts, settlement);
    }
    let bytes = handouts.iter().map(|handout| handout.envelope.body().len() as u64).sum();
    let count = u32::try_from(handouts.len()).unwrap_or(u32::MAX);
    let first = handouts.first().and_then(Handout::done);
    let mut envelopes = handouts.into_iter().map(|handout| handout.envelope);
    let noted = first.is_none_or(|done| engine.ack(cell, Done { count, bytes, ..done }, &mut envelopes));
    noted && engine.act(cell, |_, _| ()).is_some()
}
