//! Floor 1, the matter: what travels. Values and tables, the fourteen properties, the message a user builds, the
//! envelope that the broker freezes it into, and its deaths.
//!
//! A [`Message`] is the user's: properties and a body, built in the one allocation in which it will travel. Publishing
//! freezes that into an [`Envelope`]: exchange, routing keys, properties, body and death history, immutable and shared
//! ([`SharedEnvelope`]) between all queues that it reaches. A death makes a new envelope; the body stays shared.

mod death;
mod envelope;
mod extent;
mod freeze;
#[allow(clippy::module_inception)]
mod message;
mod nested;
mod properties;
mod short_str;
mod value;
#[cfg(feature = "serde")]
mod value_serde;

pub use death::{Death, Deaths, Reason};
pub use envelope::{Envelope, SharedEnvelope};
pub(crate) use extent::{check_table, table_bytes};
pub use message::{InvalidMessage, Message};
pub use properties::{DeliveryMode, Properties};
pub use short_str::ShortStr;
pub use value::{List, Table, Value};
