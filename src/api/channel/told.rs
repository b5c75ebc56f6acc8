//! What a recorded channel tells: its operations as steps, with their parameters and replies by the names that AMQP has.
//!
//! What comes to the channel is told by its inbox, under the lock where it comes. Here is the other side: an operation takes
//! its turn, is written down, is carried out, and its reply or its close is written beside it.

use super::inbox::Arrival;
use super::{
    Channel, ChannelDelivery, ChannelPublishError, Close, NotPublished, Requeue, Returned, Scope, Tags, event,
};
use crate::engine::{QueueDeclared, With, Witness};
use crate::message::Message;
use crate::session::Answer;
use std::fmt;

/// What a recorded operation ended with.
pub(super) trait Outcome {
    /// The close that it ended with.
    fn close(&self) -> Option<&Close>;

    /// Why it cannot be told.
    fn unsaid(&self) -> Option<String> {
        None
    }
}

impl<T> Outcome for Result<T, Close> {
    fn close(&self) -> Option<&Close> {
        self.as_ref().err()
    }
}

impl Outcome for Result<(), ChannelPublishError> {
    fn close(&self) -> Option<&Close> {
        match &self.as_ref().err()?.reason {
            NotPublished::Closed(close) => Some(close),
            _ => None,
        }
    }

    fn unsaid(&self) -> Option<String> {
        self.as_ref().err().filter(|_| self.close().is_none()).map(ToString::to_string)
    }
}

impl Channel {
    /// Carries out an operation; with a log, as a step with these parameters and the event that `reply` names.
    #[inline]
    pub(super) fn told<R: Outcome>(
        &self,
        operation: &'static str,
        with: impl FnOnce(&mut With),
        reply: impl FnOnce(&R, &mut With) -> Option<&'static str>,
        work: impl FnOnce() -> R,
    ) -> R {
        match &self.cell.inbox.witness {
            None => work(),
            Some(witness) => self.told_to(witness, operation, with, reply, work),
        }
    }

    /// As [`Channel::told`], with the plain reply or none.
    #[inline]
    pub(super) fn told_plainly<R: Outcome>(
        &self,
        operation: &'static str,
        reply: Option<&'static str>,
        with: impl FnOnce(&mut With),
        work: impl FnOnce() -> R,
    ) -> R {
        self.told(operation, with, |_, _| reply, work)
    }

    #[cold]
    fn told_to<R: Outcome>(
        &self,
        witness: &Witness,
        operation: &'static str,
        with: impl FnOnce(&mut With),
        reply: impl FnOnce(&R, &mut With) -> Option<&'static str>,
        work: impl FnOnce() -> R,
    ) -> R {
        let Witness { recording, label } = witness;
        let _turn = recording.turn(self.engine());
        if self.cell.connection.closed().is_some() {
            // Nothing happens any more, and its name in a trace would mean a new connection.
            return work();
        }
        let mut parameters = With::parameters();
        with(&mut parameters);
        recording.open(label, operation, parameters);
        let outcome = work();
        match outcome.close() {
            None => {
                let mut fields = With::fields();
                if let Some(event) = reply(&outcome, &mut fields) {
                    recording.reply(event, fields);
                }
            }
            // A channel that was closed already has not been told of it by its inbox.
            Some(close) if close.scope == Scope::Channel && !recording.has_seen(label, "channel.close") => {
                recording.event(label, "channel.close", close_fields(close));
            }
            Some(_) => {}
        }
        match outcome.unsaid() {
            None => recording.close(),
            Some(why) => recording.omit_step(&why),
        }
        outcome
    }
}

/// Tells what came to a channel. Answers are told by [`tell_answer`], since one event may stand for several.
#[cold]
pub(super) fn tell(witness: &Witness, arrival: &Arrival) {
    let mut fields = With::fields();
    let event = match arrival {
        Arrival::Delivery { consumer_tag, delivery_tag, handout } => {
            let delivery = event::delivery(Some(consumer_tag.clone()), *delivery_tag, handout.clone());
            deliver_fields(&mut fields, &delivery)
        }
        Arrival::Reply { consumer_tag, delivery_tag, envelope } => {
            let delivery = event::reply(consumer_tag.clone(), *delivery_tag, envelope);
            deliver_fields(&mut fields, &delivery)
        }
        Arrival::Return(envelope) => {
            let Returned { code, text, exchange, routing_key, message } = event::returned(envelope);
            fields.number("code", code.into()).text("text", text);
            fields.text("exchange", &exchange).text("routing_key", &routing_key);
            message_fields(&mut fields, &message);
            "basic.return"
        }
        Arrival::Cancel(tag) => {
            fields.text("consumer_tag", tag);
            "basic.cancel"
        }
        Arrival::Closed(close) if close.scope == Scope::Channel => {
            fields = close_fields(close);
            "channel.close"
        }
        // A connection tells of its own end, once for all its channels.
        Arrival::Closed(_) | Arrival::Ack { .. } | Arrival::Nack { .. } => return,
    };
    witness.event(event, fields);
}

/// Tells the answer to a publish.
#[cold]
pub(super) fn tell_answer(witness: &Witness, answer: Answer) {
    let mut fields = With::fields();
    let (acked, nacked): (&[u64], &[u64]) = (&[answer.number], &[]);
    let (acked, nacked) = if answer.taken { (acked, nacked) } else { (nacked, acked) };
    fields.numbers("acked", acked).numbers("nacked", nacked);
    witness.event("confirms", fields);
}

fn deliver_fields(fields: &mut With, delivery: &ChannelDelivery) -> &'static str {
    fields.text("consumer_tag", delivery.consumer_tag.as_deref().unwrap_or_default());
    delivery_fields(fields, delivery);
    "basic.deliver"
}

/// The fields of a close.
pub(crate) fn close_fields(close: &Close) -> With {
    let mut fields = With::fields();
    fields.number("code", close.code.code().into()).text("method", close.method).text("text", &close.text);
    fields
}

/// The fields of a delivery, but for its consumer's tag.
pub(super) fn delivery_fields(fields: &mut With, delivery: &ChannelDelivery) {
    fields.number("delivery_tag", delivery.delivery_tag).flag("redelivered", delivery.redelivered);
    fields.text("exchange", &delivery.exchange).text("routing_key", &delivery.routing_key);
    message_fields(fields, &delivery.message);
}

/// The fields of a message.
pub(super) fn message_fields(fields: &mut With, message: &Message) {
    fields.message(message.properties(), message.body());
}

/// The fields of `queue.declare-ok`.
pub(crate) fn declared_fields(fields: &mut With, declared: &QueueDeclared) {
    fields.text("queue", &declared.queue);
    fields.number("message_count", declared.message_count).number("consumer_count", declared.consumer_count);
}

/// The parameters of a settlement.
pub(super) fn tags_parameters(with: &mut With, tags: Tags) {
    match tags {
        Tags::One(tag) => with.number("delivery_tag", tag),
        Tags::UpTo(tag) => with.number("delivery_tag", tag).flag("multiple", true),
    };
}

/// The parameter of what gives back.
pub(super) fn requeue_parameter(with: &mut With, requeue: Requeue) {
    with.flag("requeue", requeue == Requeue::Yes);
}

/// A name as a parameter; one that is too long is lost, and another such stands for it.
pub(super) fn name_parameter<E: fmt::Debug>(with: &mut With, name: &str, value: &Result<crate::base::Name, E>) {
    match value {
        Ok(value) => with.text(name, value),
        Err(_) => with.text(name, &"x".repeat(crate::base::Name::MAX_BYTES + 1)),
    };
}
