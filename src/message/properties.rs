//! The fourteen basic properties (AMQP 0-9-1 section 1.8.1, class basic).

use super::{ShortStr, Table};
use crate::base::Name;

/// Whether a message survives a restart of the broker, where its queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryMode {
    /// 1: gone with the broker.
    Transient,
    /// 2: kept with a durable queue.
    Persistent,
}

/// The properties of a message. `None` is "not set", which is not the same as set to something empty.
///
/// The short strings (all the text here) may have at most 255 bytes each; publishing refuses longer ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// MIME type of the body.
    pub content_type: Option<ShortStr>,
    /// MIME content encoding of the body.
    pub content_encoding: Option<ShortStr>,
    /// Header fields.
    pub headers: Option<Table>,
    /// Transient or persistent; not set is transient, as on the wire.
    pub delivery_mode: Option<u8>,
    /// Priority, for queues that have priorities.
    pub priority: Option<u8>,
    /// What ties a reply to its request, or an event to its journey.
    pub correlation_id: Option<ShortStr>,
    /// Where a reply should go: mostly a queue name.
    pub reply_to: Option<ShortStr>,
    /// Time to live in whole milliseconds, as decimal digits (RabbitMQ: "Time-To-Live and Expiration").
    pub expiration: Option<ShortStr>,
    /// Identity of the message, given by its publisher.
    pub message_id: Option<ShortStr>,
    /// When it was made, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// What kind of message it is.
    pub kind: Option<ShortStr>,
    /// The user who published it; must be the connection's user (RabbitMQ: "Validated User-ID").
    pub user_id: Option<ShortStr>,
    /// The application that made it.
    pub app_id: Option<ShortStr>,
    /// Deprecated by AMQP and carried unchanged.
    pub cluster_id: Option<ShortStr>,
}

impl Properties {
    /// Whether the message asks to survive a restart.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.delivery_mode == Some(2)
    }

    /// The header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&super::Value> {
        self.headers.as_ref()?.get(name)
    }

    /// The first short string that has more than 255 bytes: its name, and how many it has.
    pub(crate) fn too_long(&self) -> Option<(&'static str, usize)> {
        let excess = |name, text: &Option<ShortStr>| match text {
            Some(text) if text.len() > Name::MAX_BYTES => Some((name, text.len())),
            _ => None,
        };
        excess("content_type", &self.content_type)
            .or_else(|| excess("content_encoding", &self.content_encoding))
            .or_else(|| excess("correlation_id", &self.correlation_id))
            .or_else(|| excess("reply_to", &self.reply_to))
            .or_else(|| excess("expiration", &self.expiration))
            .or_else(|| excess("message_id", &self.message_id))
            .or_else(|| excess("type", &self.kind))
            .or_else(|| excess("user_id", &self.user_id))
            .or_else(|| excess("app_id", &self.app_id))
            .or_else(|| excess("cluster_id", &self.cluster_id))
    }
}
