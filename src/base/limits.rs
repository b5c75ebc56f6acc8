//! Every bound of the crate, with its default and its reason, in one place.

/// The bounds of a broker. Every structure that can grow has one here.
///
/// The defaults are meant never to be met by a healthy program and always to be met before memory runs out. What
/// happens at a bound is said at each field; a message that is refused is always given back in the error.
///
/// What is beside the broker has bounds of its own: a recorder [`RecorderBound`](crate::RecorderBound), a trace log the bytes it
/// is made with, and facts on their way to a tap are 65,536 at most, then whoever causes more waits for the tap. Names are 255
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Exchanges, the predeclared ones included. One more is refused with `LimitReached`. Default 65,536.
    pub exchanges: usize,
    /// Queues. One more is refused with `LimitReached`. Default 1,048,576.
    pub queues: usize,
    /// Bindings over all exchanges. One more is refused with `LimitReached`. Default 4,194,304.
    pub bindings: usize,
    /// Policies. One more is refused with `LimitReached`. Default 1,024.
    pub policies: usize,
    /// Connections that are open at once. One more is refused with 530. Default 65,536.
    pub connections: usize,
    /// Channels of one connection: RabbitMQ's `channel_max`. One more ends the connection with 530. Default 2,047.
    pub channels_per_connection: usize,
    /// Consumers of one queue. One more is refused with `ConsumeError::TooMany`, or with 506 on a channel, which ends the
    /// connection. Default 65,536.
    pub consumers_per_queue: usize,
    /// Ready messages of one queue, beside its own `x-max-length`. At the bound a publish is refused and the message
    /// given back (`send` waits for room instead); a dead letter is dropped and counted. Default 1,000,000.
    pub ready_messages: usize,
    /// Bytes of ready bodies of one queue, beside its own `x-max-length-bytes`; as `ready_messages`. Default 4 GiB.
    pub ready_bytes: u64,
    /// Unsettled deliveries of one consumer that set no prefetch: at the bound the queue waits for settlements. A channel
    /// that holds so many is refused a `basic.get` and further consumers with 506, and a queue that has so many out
    /// refuses `Broker::get` with `LimitReached`. Default 65,536.
    pub unacked_messages: usize,
    /// Deliveries handed to a consumer or channel that it has not yet received. At the bound its queues wait until it
    /// receives; RabbitMQ has the same window of 200 between a queue and a channel. Default 200.
    pub undrained_deliveries: usize,
    /// Returns, confirms, cancels and direct replies waiting on one channel for its poll. At the bound publishes on that
    /// channel are refused until some were received, direct replies are dropped, and starting a consumer is refused
    /// with 506. Default 65,536.
    pub channel_events: usize,
    /// Publishes and settlements held by one open transaction. One more publish is refused and given back; one more
    /// settlement closes the channel with 406, which gives everything back to its queues. Default 65,536.
    pub transaction_operations: usize,
    /// Bytes of one body: RabbitMQ's `max_message_size`. A larger one is refused with 406. Default 16 MiB.
    pub message_bytes: usize,
    /// Header fields of one message, nested ones included, and so with the arguments of a declaration, binding or
    /// consumer. More are refused: a message with 406, arguments with `LimitReached`. Default 4,096.
    pub header_fields: usize,
    /// Bytes of all header names and values of one message, or of arguments, as `header_fields`. Default 131,072,
    /// RabbitMQ's frame size.
    pub header_bytes: usize,
    /// Levels of nesting in a header or argument table; never more than 128. Default 64.
    pub header_depth: usize,
    /// Keys in `CC` and `BCC` together. More are refused with 406. Default 1,024.
    pub carbon_copies: usize,
    /// Dead-letter hops that one call carries itself; the rest goes to the broker's backlog, which the next calls
    /// work off, or the broker's thread. 0 is taken as 1. Default 10,000.
    pub hops_per_call: usize,
    /// Different pairs of queue and reason in one message's `x-death`. At the bound the oldest entry is forgotten.
    /// 0 is taken as 1. Default 1,024.
    pub death_records: usize,
    /// Milliseconds until an at-least-once dead letter that found no taker is tried again; RabbitMQ's
    /// `dead_letter_worker_publisher_confirm_timeout`. 0 is taken as 1. Default 180,000.
    pub dead_letter_retry_millis: u64,
    /// Prefetch of a plain consumer that asks for none. Small, so that work spreads over consumers. Default 64.
    pub default_prefetch: u32,
    /// Entries of one publisher's route cache. Default 1,024.
    pub cached_routes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            exchanges: 65_536,
            queues: 1_048_576,
            bindings: 4_194_304,
            policies: 1_024,
            connections: 65_536,
            channels_per_connection: 2_047,
            consumers_per_queue: 65_536,
            ready_messages: 1_000_000,
            ready_bytes: 4 << 30,
            unacked_messages: 65_536,
            undrained_deliveries: 200,
            channel_events: 65_536,
            transaction_operations: 65_536,
            message_bytes: 16 << 20,
            header_fields: 4_096,
            header_bytes: 131_072,
            header_depth: 64,
            carbon_copies: 1_024,
            hops_per_call: 10_000,
            death_records: 1_024,
            dead_letter_retry_millis: 180_000,
            default_prefetch: 64,
            cached_routes: 1_024,
        }
    }
}
