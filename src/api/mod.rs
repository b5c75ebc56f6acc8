//! Floor 5, the API: what users touch. It adds no rule of its own; every rule is beneath it.

mod broker;
mod builder;
mod channel;
mod connection;
mod consumer;
mod declare;
mod declare_check;
#[cfg(feature = "serde")]
mod definitions;
#[cfg(feature = "serde")]
mod definitions_error;
#[cfg(feature = "serde")]
mod definitions_json;
#[cfg(feature = "serde")]
mod definitions_read;
#[cfg(feature = "serde")]
mod definitions_write;
mod deliveries;
mod delivery;
#[cfg(feature = "tokio")]
mod drive;
mod exchange;
mod explain;
mod lint;
mod one_off;
mod place;
mod publisher;
mod queue;
mod queue_handle;
mod recorded;
mod recorder;
mod shutdown;
mod source;
mod stats;
mod topology;
mod topology_diff;
mod topology_draw;
mod topology_view;
#[cfg(feature = "serde")]
mod words;

pub use broker::Broker;
pub use builder::Builder;
pub use channel::{
    Acknowledge, Channel, ChannelDelivery, ChannelEvent, ChannelPublishError, Close, Consume, GetOk, NotPublished,
    Publish, Qos, RecvChannelEvent, Requeue, Returned, Scope, Tags, TryRecvError,
};
pub use connection::Connection;
#[cfg(feature = "testing")]
pub(crate) use connection::{ConnectionCell, SHUTDOWN};
pub use consumer::{ConsumeError, Consumer, ConsumerBuilder, Iter};
pub use declare::{Item, Report};
pub use declare_check::{DeclareError, Problem};
#[cfg(feature = "serde")]
pub use definitions::{Definitions, Notice};
#[cfg(feature = "serde")]
pub use definitions_error::DefinitionsError;
pub use deliveries::Deliveries;
pub use delivery::{Delivery, Settled};
pub use exchange::Exchange;
pub use explain::{Cause, DeadLetterEnd, Expiry, ExplainedDeadLetter, ExplainedQueue, Explanation, MadeRoom, Verdict};
pub use lint::{Lint, LintReport, Severity};
pub use place::Place;
pub use publisher::{PublishError, PublishErrorKind, Publisher, Routed, RoutedMany, SendManyError};
pub use queue::Queue;
pub use queue_handle::{Peeked, QueueHandle};
pub use recorder::{
    DropCount, Fate, Forgotten, History, Imbalance, Journey, Ledger, Origin, PublishLedger, QueueLedger, Recorder,
    RecorderBound,
};
pub use shutdown::{Left, Shutdown, ShutdownFuture, ShutdownReport};
pub use stats::{BrokerStats, DeadLetterStats, PublishStats, QueueStats};
pub use topology::{Binding, Topology};
pub use topology_diff::{Difference, FieldDifference, TopologyDiff};
