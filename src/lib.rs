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
}
