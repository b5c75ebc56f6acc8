//! Reply codes: how RabbitMQ names a failure on the wire.

use std::fmt;

/// The reply codes of AMQP 0-9-1 (section 1.2) that the broker gives when it closes a channel or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplyCode {
    /// 200: closed because it was asked for.
    Success,
    /// 311: the content was larger than is taken.
    ContentTooLarge,
    /// 320: an operator closed the connection.
    ConnectionForced,
    /// 403: not permitted.
    AccessRefused,
    /// 404: no such exchange or queue.
    NotFound,
    /// 405: held exclusively by another connection.
    ResourceLocked,
    /// 406: something that had to hold did not.
    PreconditionFailed,
    /// 501: a malformed frame.
    FrameError,
    /// 502: a malformed field.
    SyntaxError,
    /// 503: a method that may not come here.
    CommandInvalid,
    /// 504: a channel used before it was opened or after it was closed.
    ChannelError,
    /// 506: not enough of something.
    ResourceError,
    /// 530: not allowed.
    NotAllowed,
    /// 540: not implemented by RabbitMQ.
    NotImplemented,
    /// 541: an error inside the broker.
    InternalError,
}

impl ReplyCode {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Success => 200,
            Self::ContentTooLarge => 311,
            Self::ConnectionForced => 320,
            Self::AccessRefused => 403,
            Self::NotFound => 404,
            Self::ResourceLocked => 405,
            Self::PreconditionFailed => 406,
            Self::FrameError => 501,
            Self::SyntaxError => 502,
            Self::CommandInvalid => 503,
            Self::ChannelError => 504,
            Self::ResourceError => 506,
            Self::NotAllowed => 530,
            Self::NotImplemented => 540,
            Self::InternalError => 541,
        }
    }

    /// Whether it ends the whole connection, not only a channel (AMQP 0-9-1: "hard error").
    #[must_use]
    pub const fn is_hard(self) -> bool {
        self.code() >= 500 || matches!(self, Self::ConnectionForced)
    }

    /// The name that RabbitMQ puts before the text, such as `NOT_FOUND`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "REPLY_SUCCESS",
            Self::ContentTooLarge => "CONTENT_TOO_LARGE",
            Self::ConnectionForced => "CONNECTION_FORCED",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::ResourceError => "RESOURCE_ERROR",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
