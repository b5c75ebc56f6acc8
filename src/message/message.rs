//! The message as its publisher builds it, and the check that it is one the broker can carry.
//!
//! It is built in the very place in which the broker carries it: an [`Envelope`] that nobody else has yet, so that
//! publishing moves and copies nothing.

use super::{DeliveryMode, Envelope, Properties, ShortStr, Value};
use crate::base::{Limits, Name};
use bytes::Bytes;
use std::fmt;
use std::time::Duration;
use triomphe::UniqueArc;

/// Properties and a body: what is published, and what a delivery carries.
///
/// [`Message::new`] makes a *persistent* message, since "durable everything" is the rule that one regrets breaking;
/// [`Message::transient`] opts out. Nothing is checked while building; publishing checks, and gives the message back
/// with what was wrong.
///
/// ```
/// use std::time::Duration;
/// use leveret::Message;
///
/// let message = Message::new("{\"order\":1}")
///     .content_type("application/json")
///     .message_id("o-1")
///     .correlation_id("checkout-7")
///     .expires_in(Duration::from_secs(30))
///     .header("region", "eu");
/// assert_eq!(message.properties().expiration.as_deref(), Some("30000"));
/// ```
pub struct Message {
    /// Not published: it has properties and a body, and nothing that publishing fills in.
    envelope: UniqueArc<Envelope>,
}

/// Why the broker cannot carry a message. What was wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// A short-string property of more than 255 bytes.
    PropertyTooLong {
        /// Which property.
        property: &'static str,
        /// How many bytes it has.
        bytes: usize,
    },
    /// A body beyond [`Limits::message_bytes`].
    BodyTooLarge {
        /// How many bytes it has.
        bytes: usize,
        /// How many are taken.
        limit: usize,
    },
    /// Headers beyond [`Limits::header_fields`], [`Limits::header_bytes`] or [`Limits::header_depth`], or a header
    /// name of more than 255 bytes.
    Headers {
        /// What there is too much of: `fields`, `bytes`, `levels` or `bytes in a name`.
        what: &'static str,
        /// How many are taken.
        limit: usize,
    },
    /// An `expiration` that is not a whole number of milliseconds (RabbitMQ: "Time-To-Live and Expiration").
    Expiration {
        /// What was given.
        given: String,
        /// RabbitMQ's word for what is wrong with it.
        reason: String,
    },
    /// `CC` or `BCC` that is no list, has a key of more than 255 bytes, or more keys than [`Limits::carbon_copies`]
    /// (RabbitMQ: "Sender-selected Distribution").
    CarbonCopy {
        /// `CC` or `BCC`.
        header: &'static str,
        /// RabbitMQ's word for what is wrong with it.
        reason: String,
    },
}

impl fmt::Display for InvalidMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PropertyTooLong { property, bytes } => {
                write!(f, "property '{property}' has {bytes} bytes; at most 255 are allowed")
            }
            Self::BodyTooLarge { bytes, limit } => {
                write!(f, "message size {bytes} is larger than configured max size {limit}")
            }
            Self::Headers { what, limit } => write!(f, "headers have too many {what}; at most {limit} are taken"),
            Self::Expiration { given, reason } => write!(f, "invalid expiration '{given}': {reason}"),
            Self::CarbonCopy { reason, .. } => write!(f, "invalid message: {reason}"),
        }
    }
}

impl std::error::Error for InvalidMessage {}

impl Message {
    /// A persistent message with this body and no other property.
    #[must_use]
    pub fn new(body: impl Into<Bytes>) -> Self {
        let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
        Self { envelope: UniqueArc::new(Envelope::unpublished(properties, body.into(), false)) }
    }

    /// A message with exactly these properties.
    #[must_use]
    pub fn with_properties(properties: Properties, body: impl Into<Bytes>) -> Self {
        Self { envelope: UniqueArc::new(Envelope::unpublished(properties, body.into(), true)) }
    }

    /// A persistent message whose body is `value` as JSON, with content type `application/json`.
    ///
    /// # Errors
    ///
    /// What serde_json says where `value` cannot be written.
    #[cfg(feature = "serde")]
    pub fn json<T: serde::Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self::new(serde_json::to_vec(value)?).content_type("application/json"))
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// What serde_json says where the body is not JSON of that type.
    #[cfg(feature = "serde")]
    pub fn decode<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.body())
    }

    /// The properties.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        self.envelope.properties()
    }

    /// The properties, to change.
    pub fn properties_mut(&mut self) -> &mut Properties {
        self.envelope.properties_mut()
    }

    /// The body. A clone of it shares the bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.envelope.body()
    }

    /// Properties and body.
    #[must_use]
    pub fn into_parts(self) -> (Properties, Bytes) {
        UniqueArc::into_inner(self.envelope).into_parts()
    }

    /// Asks to survive a restart of the broker (delivery mode 2): the default of [`Message::new`].
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.envelope.set(false).delivery_mode = Some(DeliveryMode::Persistent as u8 + 1);
        self
    }

    /// Need not survive a restart of the broker (delivery mode 1).
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.envelope.set(false).delivery_mode = Some(DeliveryMode::Transient as u8 + 1);
        self
    }

    /// Expires this long after it came to a queue, in whole milliseconds (the rest is cut off).
    #[must_use]
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.envelope.set(true).expiration = Some(span.as_millis().to_string().into());
        self
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.envelope.set(false).priority = Some(priority);
        self
    }

    /// Sets the time of making, in seconds since 1970.
    #[must_use]
    pub fn timestamp(mut self, seconds: u64) -> Self {
        self.envelope.set(false).timestamp = Some(seconds);
        self
    }

    /// Puts a header in.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.envelope.set(true).headers.get_or_insert_default().insert(name, value);
        self
    }

    /// A message that is not published, in the place where it was built.
    pub(super) fn of(envelope: UniqueArc<Envelope>) -> Self {
        Self { envelope }
    }

    /// The place in which it was built.
    pub(super) fn into_envelope(self) -> UniqueArc<Envelope> {
        self.envelope
    }

    /// Checks against the limits, without recursion.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), InvalidMessage> {
        self.envelope.check(limits)
    }
}

/// A message of its own, with the same properties; the bytes of the body are shared.
impl Clone for Message {
    fn clone(&self) -> Self {
        Self { envelope: UniqueArc::new(Envelope::clone(&self.envelope)) }
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.properties() == other.properties() && self.body() == other.body()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("properties", self.properties()).field("body", self.body()).finish()
    }
}

macro_rules! text_setters {
    ($($(#[$doc:meta])* $name:ident => $field:ident),+ $(,)?) => {
        impl Message {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, text: impl Into<ShortStr>) -> Self {
                // Looked at where it lies: taken apart on the way there, a text is slow to put together again.
                let place = &mut self.envelope.set(false).$field;
                *place = Some(text.into());
                let is_long = place.as_ref().is_some_and(|text| text.len() > Name::MAX_BYTES);
                self.envelope.set(is_long);
                self
            })+
        }
    };
}

text_setters! {
    /// Sets the MIME type of the body.
    content_type => content_type,
    /// Sets the MIME content encoding of the body.
    content_encoding => content_encoding,
    /// Sets what ties the message to its journey or request.
    correlation_id => correlation_id,
    /// Sets where a reply should go.
    reply_to => reply_to,
    /// Sets the publisher's identity of the message.
    message_id => message_id,
    /// Sets what kind of message it is: the property `type`.
    kind => kind,
    /// Sets the user; publishing refuses one that is not the connection's.
    user_id => user_id,
    /// Sets the application.
    app_id => app_id,
}
