//! Publishes of the plain API, as a log has them: on a channel in confirm mode, whose ack or nack is what the publish gave.

use super::calls::{CALLS, fail};
use crate::api::channel::{Close, Scope};
use crate::api::publisher::{PublishError, PublishErrorKind, Routed};
use crate::base::{Name, ReplyCode};
use crate::engine::replies::REPLY_TO;
use crate::engine::{Engine, NoRoute, Recording, With};
use crate::message::{Envelope, InvalidMessage, Message, Properties};
use crate::queue::{Overflow, QueueKind, QueueState};

/// A publish as it is asked for.
pub(in crate::api) struct Asked<'a> {
    /// The channel that stands for the publisher; none for what the broker does once.
    pub(in crate::api) label: Option<&'a str>,
    pub(in crate::api) exchange: &'a str,
    pub(in crate::api) routing_key: &'a str,
    pub(in crate::api) properties: &'a Properties,
    pub(in crate::api) body: &'a [u8],
    pub(in crate::api) mandatory: bool,
}

/// Makes one attempt to publish, which is a step where it comes to an end: `ended` tells how.
#[cold]
pub(in crate::api) fn told_attempt<T>(
    engine: &Engine,
    recording: &Recording,
    asked: &Asked<'_>,
    attempt: impl FnOnce() -> T,
    ended: impl FnOnce(&T) -> Option<Result<Routed, &PublishError>>,
) -> T {
    let _turn = recording.turn(engine);
    let label = asked.label.unwrap_or(CALLS);
    if remembers_publishers(engine, asked) {
        recording.renew(label);
    }
    let number = recording.ready_to_publish(label);
    let mut with = With::parameters();
    with.text("exchange", asked.exchange).text("routing_key", asked.routing_key).flag("mandatory", asked.mandatory);
    with.message(asked.properties, asked.body);
    recording.open(label, "basic.publish", with);
    let attempted = attempt();
    let unsaid = special(asked.properties);
    match (ended(&attempted), unsaid) {
        (None, _) => {
            recording.forget_step();
            recording.take_back_publish(label);
        }
        (Some(_), Some(why)) => recording.omit_step(why),
        (Some(Ok(_)), None) => answer(recording, label, number, true),
        (Some(Err(error)), None) => tell_error(engine, recording, asked, number, error),
    }
    attempted
}

/// Whether the message goes to a queue that remembers which channels publish to it, and treats those otherwise.
fn remembers_publishers(engine: &Engine, asked: &Asked<'_>) -> bool {
    let names = Name::new(asked.exchange).and_then(|exchange| Ok((exchange, Name::new(asked.routing_key)?)));
    let Ok((exchange, key)) = names else { return false };
    let message = Message::with_properties(asked.properties.clone(), Vec::new());
    let Ok(envelope) = Envelope::freeze(&exchange, &key, message, &engine.limits) else { return false };
    let Ok(cells) = engine.route(&exchange, &envelope) else { return false };
    cells.iter().any(|cell| {
        let refuses = |state: &QueueState| state.settings().overflow == Overflow::RejectPublish;
        cell.spec.kind == QueueKind::Quorum && cell.look(refuses)
    })
}

/// What a channel looks at in a message, and the plain API does not.
fn special(properties: &Properties) -> Option<&'static str> {
    if properties.reply_to.as_deref() == Some(REPLY_TO) {
        return Some("a channel gives a reply address only to its own consumer");
    }
    let foreign = properties.user_id.as_deref().is_some_and(|user| user != "guest");
    foreign.then_some("a channel takes no other user than its connection's")
}

fn answer(recording: &Recording, label: &str, number: u64, taken: bool) {
    let mut fields = With::fields();
    let (number, none): (&[u64], &[u64]) = (&[number], &[]);
    let (acked, nacked) = if taken { (number, none) } else { (none, number) };
    fields.numbers("acked", acked).numbers("nacked", nacked);
    recording.event(label, "confirms", fields);
    recording.close();
}

fn tell_error(engine: &Engine, recording: &Recording, asked: &Asked<'_>, number: u64, error: &PublishError) {
    let label = asked.label.unwrap_or(CALLS);
    let close = |code| Close::new(Scope::Channel, code, "basic.publish", error.kind());
    match error.kind() {
        PublishErrorKind::Unroutable { .. } => {
            let mut fields = With::fields();
            fields.number("code", 312).text("text", "NO_ROUTE");
            fields.text("exchange", asked.exchange).text("routing_key", asked.routing_key);
            fields.message(asked.properties, asked.body);
            recording.event(label, "basic.return", fields);
            answer(recording, label, number, true);
        }
        PublishErrorKind::Refused { .. } | PublishErrorKind::Full { .. } => answer(recording, label, number, false),
        PublishErrorKind::NoExchange(_) => fail(recording, label, &close(ReplyCode::NotFound)),
        PublishErrorKind::Internal(_) => fail(recording, label, &close(ReplyCode::AccessRefused)),
        PublishErrorKind::Invalid(invalid) => {
            // A channel looks at the exchange before all but the size.
            let code = match engine.publishable(asked.exchange) {
                Err(NoRoute::NoExchange) if !is_size(invalid) => ReplyCode::NotFound,
                Err(NoRoute::Internal) if !is_size(invalid) => ReplyCode::AccessRefused,
                _ => ReplyCode::PreconditionFailed,
            };
            fail(recording, label, &close(code));
        }
        PublishErrorKind::Timeout { .. } | PublishErrorKind::NameTooLong(_) | PublishErrorKind::Closed => {
            recording.take_back_publish(label);
            recording.omit_step(&error.to_string());
        }
    }
}

fn is_size(invalid: &InvalidMessage) -> bool {
    matches!(invalid, InvalidMessage::BodyTooLarge { .. })
}
