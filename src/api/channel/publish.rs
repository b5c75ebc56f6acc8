//! Publishing: checks in RabbitMQ's order, then the route, then the queues; or all but the last, in a transaction.

use super::told::{message_fields, name_parameter};
use super::{Channel, ChannelPublishError, Fault, NotPublished, Publish, State};
use crate::base::{Name, ReplyCode};
use crate::engine::cell::QueueCell;
use crate::engine::replies::REPLY_TO;
use crate::engine::waiter::wake_all;
use crate::engine::{Cells, NoRoute, With};
use crate::message::{Envelope, InvalidMessage, Message, SharedEnvelope};
use crate::queue::QueueKind;
use std::cell::Cell;
use std::sync::Arc;

/// A publish that a transaction holds. Its way is decided already.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) envelope: SharedEnvelope,
    pub(super) cells: Cells,
    mandatory: bool,
    /// Somebody waited for it as a direct reply.
    pub(super) is_reply: bool,
}

impl Channel {
    /// Publishes a message (`basic.publish`).
    ///
    /// It has come to its queues when this returns, or in a transaction with the commit. A mandatory message that no
    /// queue got comes back as a [`ChannelEvent::Return`](super::ChannelEvent::Return). In confirm mode an ack or nack
    /// follows; without, a queue's refusal (`x-overflow`) is silent, as in RabbitMQ.
    ///
    /// # Errors
    ///
    /// [`ChannelPublishError`], and with it the message: a [`Close`](super::Close) of this channel (404 for an exchange
    /// that is not there, 403 for an internal one, 406 for a message the broker cannot carry) or of the connection (540
    /// for `immediate`), or a bound that is met, which leaves the channel open.
    #[allow(clippy::result_large_err)] // The message comes back in it.
    pub fn basic_publish(&self, publish: &Publish, message: Message) -> Result<(), ChannelPublishError> {
        // Read by whoever writes it down, and taken by the publish after that.
        let message = Cell::new(Some(message));
        let with = |with: &mut With| {
            let given = message.take().unwrap_or_else(|| Message::new(""));
            publish_parameters(with, publish, &given);
            message.set(Some(given));
        };
        self.told_plainly("basic.publish", None, with, || self.publish_now(publish, message.take()))
    }

    #[allow(clippy::result_large_err)] // As above.
    fn publish_now(&self, publish: &Publish, message: Option<Message>) -> Result<(), ChannelPublishError> {
        let mut message = message;
        let outcome = self.run("basic.publish", |channel, state| channel.publish(state, publish, &mut message));
        let reason = match outcome {
            Ok(None) => return Ok(()),
            Ok(Some(reason)) => reason,
            Err(close) => NotPublished::Closed(close),
        };
        // Only what is published takes it away.
        debug_assert!(message.is_some(), "a message was refused and not given back");
        Err(ChannelPublishError { message: message.unwrap_or_else(|| Message::new("")), reason })
    }

    /// Publishes what is in `message`, or leaves it there.
    fn publish(
        &self,
        state: &mut State,
        publish: &Publish,
        message: &mut Option<Message>,
    ) -> Result<Option<NotPublished>, Fault> {
        if publish.immediate {
            return Err(Fault::new(ReplyCode::NotImplemented, "immediate=true"));
        }
        let limits = &self.engine().limits;
        if self.cell.inbox.is_full() {
            return Ok(Some(NotPublished::EventsFull));
        }
        if state.session.transaction().is_some_and(|tx| tx.operations() >= limits.transaction_operations) {
            return Ok(Some(NotPublished::TransactionFull));
        }
        let (envelope, cells) = self.prepare(state, publish, message)?;
        state.note_publisher(&cells);
        #[cfg(feature = "testing")]
        if let Some(hit) = self.publish_fault(state, &envelope, &cells) {
            let held = Held { envelope, cells, mandatory: publish.mandatory, is_reply: false };
            self.publish_faulty(state, held, &hit);
            return Ok(None);
        }
        let mut held = Held { envelope, cells, mandatory: publish.mandatory, is_reply: false };
        let is_held = state.session.transaction().is_some();
        if !is_held {
            self.announce(&held);
        }
        held.is_reply = self.engine().reply(&held.envelope);
        if let Some(transaction) = state.session.transaction() {
            transaction.publish(held);
            return Ok(None);
        }
        let number = state.session.confirms().map(crate::session::Confirms::publish);
        let envelope = SharedEnvelope::clone(&held.envelope);
        self.give_back(&held);
        let verdict = self.deliver(held);
        let taken = matches!(verdict, Verdict::Taken | Verdict::Gone);
        if let Some(answer) = number.and_then(|number| state.session.confirms()?.answer(number, taken)) {
            wake_all(self.cell.inbox.put_answer(answer).into_iter().collect());
        } else if verdict == Verdict::Full {
            *message = Some(state.given_back(&envelope));
            return Ok(Some(NotPublished::QueueFull));
        }
        Ok(None)
    }

    /// Checks a message and finds its way. What fails leaves the message where it was.
    fn prepare(
        &self,
        state: &State,
        publish: &Publish,
        message: &mut Option<Message>,
    ) -> Result<(SharedEnvelope, Cells), Fault> {
        let (exchange, routing_key) = names(publish)?;
        if let Some(message) = message
            && self.is_suspicious(state, message)
        {
            self.find_fault(state, exchange, message)?;
        }
        // The message is there: only what is published takes it away.
        let Some(given) = message.take() else { return Err(Fault::precondition("no message")) };
        let mut envelope = match Envelope::freeze(exchange, routing_key, given, &self.engine().limits) {
            Ok(envelope) => envelope,
            Err(refused) => {
                let (invalid, given) = *refused;
                *message = Some(given);
                return Err(self.invalid(exchange, invalid));
            }
        };
        let cells = match self.engine().route(exchange, &envelope) {
            Ok(cells) => cells,
            Err(no_route) => {
                self.engine().unpublished(&envelope, no_route);
                *message = Some(Envelope::give_back(envelope));
                return Err(refused(exchange, no_route));
            }
        };
        if let Some(reply) = &state.reply
            && envelope.properties().reply_to.as_deref() == Some(REPLY_TO)
            // Nobody else has it yet.
            && let Some(envelope) = SharedEnvelope::get_mut(&mut envelope)
        {
            envelope.set_reply_to(reply.address.clone().into());
        }
        Ok((envelope, cells))
    }

    /// Whether a message needs the checks of [`Channel::find_fault`]. Nearly none does.
    fn is_suspicious(&self, state: &State, message: &Message) -> bool {
        let properties = message.properties();
        let foreign = properties.user_id.as_deref().is_some_and(|user| user != self.cell.connection.user());
        foreign || properties.reply_to.as_deref() == Some(REPLY_TO) && state.reply.is_none()
    }

    /// Finds the first fault of a message whose user or reply address is wrong.
    fn find_fault(&self, state: &State, exchange: &Name, message: &Message) -> Result<(), Fault> {
        let limits = &self.engine().limits;
        if message.body().len() > limits.message_bytes {
            return message.check(limits).map_err(Fault::precondition);
        }
        self.engine().publishable(exchange).map_err(|no_route| refused(exchange, no_route))?;
        let properties = message.properties();
        if properties.reply_to.as_deref() == Some(REPLY_TO) && state.reply.is_none() {
            return Err(Fault::precondition("fast reply consumer does not exist"));
        }
        let frozen = Envelope::freeze(exchange, &Name::default(), message.clone(), limits);
        frozen.map_err(|refused| Fault::precondition(refused.0))?;
        match properties.user_id.as_deref() {
            Some(user) if user != self.cell.connection.user() => Err(Fault::precondition(format_args!(
                "user_id property set to '{user}' but authenticated user was '{}'",
                self.cell.connection.user()
            ))),
            _ => Ok(()),
        }
    }

    /// The fault of a message that cannot be carried: a large body comes before a missing exchange, all else after.
    fn invalid(&self, exchange: &Name, invalid: InvalidMessage) -> Fault {
        match self.engine().publishable(exchange) {
            Err(no_route) if !matches!(invalid, InvalidMessage::BodyTooLarge { .. }) => refused(exchange, no_route),
            _ => Fault::precondition(invalid),
        }
    }

    /// Says where a message goes.
    pub(super) fn announce(&self, held: &Held) {
        self.engine().announce(Some(self.cell.inbox.session), &held.envelope, &held.cells);
    }

    /// Gives a mandatory message that no queue gets back to its publisher.
    pub(super) fn give_back(&self, held: &Held) {
        if held.cells.is_empty() && (held.mandatory || !held.is_reply) {
            self.engine().unroutable(&held.envelope, held.mandatory);
        }
        if held.mandatory && held.cells.is_empty() {
            wake_all(self.cell.inbox.put_return(SharedEnvelope::clone(&held.envelope)).into_iter().collect());
        }
    }

    /// Brings a message to its queues.
    pub(super) fn deliver(&self, held: Held) -> Verdict {
        let Held { envelope, cells, .. } = held;
        let outcome = self.engine().deliver(Some(self.cell.inbox.session), &envelope, &cells);
        match outcome {
            _ if outcome.refused > 0 => Verdict::Refused,
            _ if outcome.full > 0 => Verdict::Full,
            _ if outcome.gone > 0 && cells.iter().any(|cell| is_gone_classic(cell)) => Verdict::Gone,
            _ => Verdict::Taken,
        }
    }
}

impl State {
    /// Notes quorum queues: they know their publishers, and are to forget this one when it ends.
    fn note_publisher(&mut self, cells: &[Arc<QueueCell>]) {
        for cell in cells.iter().filter(|cell| cell.spec.kind == QueueKind::Quorum) {
            if self.published.contains_key(&cell.serial) {
                continue;
            }
            self.published.insert(cell.serial, Arc::clone(cell));
            // At each power of two, so that deleted ones never make up more than half.
            if self.published.len().is_power_of_two() {
                self.published.retain(|_, cell| !cell.is_closed());
            }
        }
    }

    /// A message that was not taken, as its publisher gave it.
    fn given_back(&self, envelope: &Envelope) -> Message {
        let message = envelope.as_given();
        let address = self.reply.as_ref().map(|reply| reply.address.as_str());
        if address.is_some() && address == message.properties().reply_to.as_deref() {
            return message.reply_to(REPLY_TO);
        }
        message
    }
}

fn publish_parameters(with: &mut With, publish: &Publish, message: &Message) {
    name_parameter(with, "exchange", &publish.exchange);
    name_parameter(with, "routing_key", &publish.routing_key);
    with.flag("mandatory", publish.mandatory).flag("immediate", publish.immediate);
    message_fields(with, message);
}

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No queue refused it.
    Taken,
    /// A queue refused it, by its `x-overflow`.
    Refused,
    /// A queue is at the broker's own bound.
    Full,
    /// A classic queue was deleted since the route was taken. Only a commit, which is late, makes something of it.
    Gone,
}

/// Of a quorum queue that is gone RabbitMQ thinks nothing of it.
fn is_gone_classic(cell: &QueueCell) -> bool {
    cell.spec.kind == QueueKind::Classic && cell.is_closed()
}

fn names(publish: &Publish) -> Result<(&Name, &Name), Fault> {
    match (&publish.exchange, &publish.routing_key) {
        (Ok(exchange), Ok(routing_key)) => Ok((exchange, routing_key)),
        (Err(too_long), _) | (_, Err(too_long)) => Err(Fault::new(ReplyCode::SyntaxError, too_long)),
    }
}

fn refused(exchange: &Name, no_route: NoRoute) -> Fault {
    match no_route {
        NoRoute::NoExchange => Fault::new(ReplyCode::NotFound, format_args!("no exchange '{exchange}' in vhost '/'")),
        NoRoute::Internal => Fault::new(
            ReplyCode::AccessRefused,
            format_args!("cannot publish to internal exchange '{exchange}' in vhost '/'"),
        ),
    }
}
