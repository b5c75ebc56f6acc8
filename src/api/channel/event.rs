//! What a channel receives: deliveries, returns, confirms, cancels, and its end, in one order.

use super::Close;
use super::inbox::Arrival;
use crate::base::Name;
use crate::message::{Envelope, Message, Value};
use crate::queue::effect::Handout;

/// Something that came to a channel.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// A message for one of its consumers.
    Deliver(ChannelDelivery),
    /// A mandatory message of this channel that no queue got. In confirm mode it comes before the publish's ack.
    Return(Returned),
    /// Publishes were taken.
    Ack {
        /// The publish's number: the first after `confirm_select` is 1.
        tag: u64,
        /// Whether it stands for all publishes up to this one that are not answered yet.
        multiple: bool,
    },
    /// A publish was refused by a queue.
    Nack {
        /// The publish's number.
        tag: u64,
        /// Whether it stands for all publishes up to this one that are not answered yet.
        multiple: bool,
    },
    /// The broker cancelled a consumer: its queue is gone.
    Cancel {
        /// The consumer's tag, which is free again.
        consumer_tag: Name,
    },
    /// The broker closed the channel or its connection. The last event. [`Channel::close`](super::Channel::close) and
    /// [`Connection::close`](crate::Connection::close) cause none.
    Closed(Close),
}

/// A message delivered to a consumer of a channel, or fetched by `basic_get`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChannelDelivery {
    /// The consumer's tag; none for `basic_get`.
    pub consumer_tag: Option<Name>,
    /// The tag to settle it by. Counts from 1 on each channel. A direct reply is not to be settled and has the tag that
    /// the next delivery will have.
    pub delivery_tag: u64,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The exchange it was published to.
    pub exchange: Name,
    /// The routing key it was published with.
    pub routing_key: Name,
    /// Properties and body. Headers show the deaths it died, and `x-delivery-count` in a quorum queue.
    pub message: Message,
}

/// What `basic_get` found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GetOk {
    /// The message.
    pub delivery: ChannelDelivery,
    /// How many ready messages are left in the queue.
    pub message_count: u64,
}

/// A mandatory message that no queue got, on its way back to who published it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Returned {
    /// 312.
    pub code: u16,
    /// `NO_ROUTE`.
    pub text: &'static str,
    /// The exchange it was published to.
    pub exchange: Name,
    /// The routing key it was published with.
    pub routing_key: Name,
    /// The message.
    pub message: Message,
}

impl From<Arrival> for ChannelEvent {
    fn from(arrival: Arrival) -> Self {
        match arrival {
            Arrival::Delivery { consumer_tag, delivery_tag, handout } => {
                Self::Deliver(delivery(Some(consumer_tag), delivery_tag, handout))
            }
            Arrival::Reply { consumer_tag, delivery_tag, envelope } => {
                Self::Deliver(reply(consumer_tag, delivery_tag, &envelope))
            }
            Arrival::Return(envelope) => Self::Return(returned(&envelope)),
            Arrival::Ack { number, multiple } => Self::Ack { tag: number, multiple },
            Arrival::Nack { number } => Self::Nack { tag: number, multiple: false },
            Arrival::Cancel(consumer_tag) => Self::Cancel { consumer_tag },
            Arrival::Closed(close) => Self::Closed(close),
        }
    }
}

/// A queue's handout as the channel shows it.
pub(super) fn delivery(consumer_tag: Option<Name>, delivery_tag: u64, handout: Handout) -> ChannelDelivery {
    let Handout { envelope, redelivered, returns, counted, .. } = handout;
    let mut message = envelope.to_message();
    if counted && returns > 0 {
        let headers = message.properties_mut().headers.get_or_insert_default();
        headers.insert("x-delivery-count", Value::I64(returns.into()));
    }
    ChannelDelivery {
        consumer_tag,
        delivery_tag,
        redelivered,
        exchange: envelope.exchange().clone(),
        routing_key: envelope.routing_key().clone(),
        message,
    }
}

/// A direct reply, which is not to be settled.
pub(super) fn reply(consumer_tag: Name, delivery_tag: u64, envelope: &Envelope) -> ChannelDelivery {
    ChannelDelivery {
        consumer_tag: Some(consumer_tag),
        delivery_tag,
        redelivered: false,
        exchange: envelope.exchange().clone(),
        routing_key: envelope.routing_key().clone(),
        message: envelope.to_message(),
    }
}

pub(super) fn returned(envelope: &Envelope) -> Returned {
    Returned {
        code: 312,
        text: "NO_ROUTE",
        exchange: envelope.exchange().clone(),
        routing_key: envelope.routing_key().clone(),
        message: envelope.to_message(),
    }
}
