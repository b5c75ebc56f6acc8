//! leveret: RabbitMQ's model as a message bus inside one process, with no network.

mod base;
mod message;
mod port;
mod queue;
mod route;
mod session;

mod api;
mod engine;

pub use api::{
    Acknowledge, Channel, ChannelDelivery, ChannelEvent, ChannelPublishError, Close, Connection, Consume, GetOk,
    NotPublished, Publish, Qos, RecvChannelEvent, Requeue, Returned, Scope, Tags, TryRecvError,
};
pub use api::{Binding, Broker, Builder, DeclareError, Exchange, Item, Problem, Queue, Report, Topology};
pub use api::{
    BrokerStats, ConsumeError, Consumer, ConsumerBuilder, DeadLetterStats, Delivery, Iter, Left, Peeked, PublishError,
    PublishErrorKind, PublishStats, Publisher, QueueHandle, QueueStats, Routed, Settled, Shutdown, ShutdownFuture,
    ShutdownReport,
};
#[cfg(feature = "serde")]
pub use api::{Definitions, DefinitionsError, Notice};
pub use base::{Limits, Moment, Name, NameTooLong, ReplyCode};
pub use engine::{
    ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDeclared, QueueDelete,
    TopologyError,
};
pub use message::{Death, Deaths, DeliveryMode, Envelope, InvalidMessage, Message, Properties, Reason, Table, Value};
pub use port::{Clock, ManualClock, SystemClock};
pub use queue::{
    ApplyTo, Inequivalent, InvalidPolicy, InvalidQueue, Overflow, Policy, PolicyDefinition, QueueKind, Refusal,
    Strategy, Totals, UnknownWord,
};
pub use route::{ExchangeKind, UnknownKind};

/// The pure machines, for the model tests, fuzz targets and benches of this repository. Exempt from semantic versioning.
#[doc(hidden)]
pub mod internals {
    pub use crate::base::Credit;
    pub use crate::base::{ExchangeId, QueueId, SessionId};
    pub use crate::queue::effect;
    pub use crate::queue::{Counts, DeadLetter, QueueFlags, QueueSpec, QueueState, Settings, Totals};
    pub use crate::route::{
        BindError, Binding, Destination, ExchangeKind, ExchangeSpec, Graph, Hit, Predicate, Scratch, Targets, Topic,
        Unbound, UnknownKind, Walk,
    };
    pub use crate::session::{
        Answer, Committed, Confirms, Groups, Ledger, ModeError, Run, SessionState, Transaction, UnknownTag,
    };

    use crate::message::{Envelope, InvalidMessage, Message, Reason};
    use crate::{Limits, Name};

    /// A message frozen as by a publish.
    ///
    /// # Errors
    ///
    /// What the broker would refuse it for.
    pub fn envelope(
        exchange: Name,
        routing_key: Name,
        message: Message,
        limits: &Limits,
    ) -> Result<Envelope, InvalidMessage> {
        Envelope::freeze(exchange, routing_key, message, limits).map_err(|(invalid, _)| invalid)
    }

    /// The envelope that goes on through a dead-letter exchange after one died in `queue`, `seconds` since 1970.
    #[must_use]
    pub fn died(
        envelope: &Envelope,
        queue: &Name,
        reason: Reason,
        seconds: u64,
        dead_letter: &DeadLetter,
        limits: &Limits,
    ) -> Envelope {
        let (exchange, routing_key) = (dead_letter.exchange.clone(), dead_letter.routing_key.clone());
        envelope.died(queue, reason, seconds, exchange, routing_key, limits)
    }

    /// The keys by which an envelope routes.
    #[must_use]
    pub fn keys(envelope: &Envelope) -> Vec<Name> {
        envelope.keys().cloned().collect()
    }
}
