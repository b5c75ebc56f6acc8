//! Random operations on a queue, made from bytes: of proptest, of a fuzzer, or of a corpus.
//!
//! Every byte string is a valid list of operations. What an operation picks (a consumer, a delivery) is a number that
//! the harness reads modulo what there is, so that most of them mean something.

use leveret::internals::effect::Settlement;
use leveret::internals::{DeadLetter, Settings};
use leveret::{Name, Overflow, QueueKind, Strategy};

/// Bytes of one operation.
pub(crate) const OP_BYTES: usize = 8;
/// Bytes of a setup.
pub(crate) const SETUP_BYTES: usize = 16;

/// The queue under test.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) kind: QueueKind,
    pub(crate) settings: Settings,
    pub(crate) ready_messages: usize,
    pub(crate) unacked: u32,
    pub(crate) consumers: usize,
    pub(crate) window: usize,
}

/// One thing that happens to it.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// By a channel, or without one, or as a dead letter.
    Offer {
        session: Option<u8>,
        letter: bool,
        priority: Option<u8>,
        expiration: Option<u64>,
        bytes: usize,
    },
    Take {
        session: u8,
        no_ack: bool,
    },
    Attach {
        session: u8,
        tag: u8,
        prefetch: u32,
        priority: i64,
        no_ack: bool,
        exclusive: bool,
    },
    /// Cancels the consumer of this number, which may be long gone.
    Detach {
        consumer: u8,
    },
    /// Settles deliveries of one consumer, as a channel groups them: those that the mask picks.
    Settle {
        out: u8,
        mask: u8,
        settlement: Settlement,
        reverse: bool,
        stale: bool,
    },
    CloseSession {
        session: u8,
    },
    SetLimit {
        session: u8,
        limit: u32,
    },
    /// The session receives what was handed over.
    Drain {
        session: u8,
        count: u32,
    },
    Resume {
        session: u8,
    },
    Touch,
    Purge,
    Close,
    /// Time goes on; with `fire` whoever drives time says so to the queue.
    Wait {
        millis: u64,
        fire: bool,
    },
    Apply {
        settings: Settings,
    },
    Bury {
        letter: u8,
    },
}

impl Setup {
    pub(crate) fn from_bytes(kind: QueueKind, bytes: &[u8; SETUP_BYTES]) -> Self {
        let [a, b, c, d, rest @ ..] = bytes;
        Self {
            kind,
            settings: settings(kind, rest),
            ready_messages: if a % 4 == 1 { 4 } else { 10_000 },
            unacked: if b % 4 == 1 { 3 } else { 10_000 },
            consumers: if c % 4 == 1 { 2 } else { 10_000 },
            window: if d % 2 == 1 { usize::from(d / 2 % 4) + 1 } else { 200 },
        }
    }
}

impl Op {
    pub(crate) fn from_bytes(kind: QueueKind, bytes: &[u8; OP_BYTES]) -> Self {
        let [what, a, b, c, d, e, ..] = *bytes;
        let session = a % 3;
        match what % 32 {
            0..=8 => Self::Offer {
                session: (a % 4 < 3).then_some(session),
                letter: a % 8 == 7,
                priority: (b % 2 == 1).then_some(b / 2 % 8),
                expiration: (c % 4 == 1).then_some(u64::from(c / 4 % 16)),
                bytes: usize::from(d % 4),
            },
            9..=11 => Self::Take { session, no_ack: b % 4 == 1 },
            12..=14 => Self::Attach {
                session,
                tag: b % 4,
                prefetch: u32::from(c % 4),
                priority: i64::from(d % 4) - 1,
                no_ack: e % 8 == 1,
                exclusive: e % 8 == 2,
            },
            15 => Self::Detach { consumer: a },
            16..=21 => Self::Settle {
                out: a,
                mask: b,
                settlement: [Settlement::Ack, Settlement::Requeue, Settlement::Reject][usize::from(c % 3)],
                reverse: d % 8 == 1,
                stale: d % 8 == 2,
            },
            22 => Self::CloseSession { session },
            23 => Self::SetLimit { session, limit: u32::from(b % 4) },
            24 | 25 => Self::Drain { session, count: u32::from(b % 6) },
            26 => Self::Wait { millis: u64::from(a % 32), fire: true },
            27 => Self::Wait { millis: u64::from(a % 32), fire: false },
            28 if b % 2 == 0 => Self::Touch,
            28 => Self::Resume { session },
            29 if b >= 250 => Self::Close,
            29 => Self::Purge,
            30 => Self::Apply { settings: settings(kind, &std::array::from_fn(|at| bytes[1 + at % 7])) },
            _ => Self::Bury { letter: a },
        }
    }
}

/// Settings as a queue of this kind can have them.
fn settings(kind: QueueKind, bytes: &[u8; 12]) -> Settings {
    let some = |byte: u8, below: u8| (byte % 3 == 1).then_some(u64::from(byte / 3 % below));
    let [ttl, expires, length, size, overflow, letter, strategy, levels, single, limit, ..] = *bytes;
    let classic = kind == QueueKind::Classic;
    let overflow = match overflow % 4 {
        1 | 2 if !classic => Overflow::RejectPublish,
        1 => Overflow::RejectPublish,
        2 => Overflow::RejectPublishDlx,
        _ => Overflow::DropHead,
    };
    let dead_letter = (letter % 2 == 1).then(|| DeadLetter { exchange: Name::default(), routing_key: None });
    let sure = !classic && strategy % 2 == 1 && overflow == Overflow::RejectPublish && dead_letter.is_some();
    Settings {
        message_ttl_millis: some(ttl, 16),
        expires_millis: some(expires, 16).map(|millis| millis + 1),
        max_length: some(length, 6),
        max_length_bytes: some(size, 12),
        overflow,
        dead_letter,
        strategy: if sure { Strategy::AtLeastOnce } else { Strategy::AtMostOnce },
        max_priority: some(levels, 4).filter(|_| classic).and_then(|levels| u8::try_from(levels).ok()),
        single_active: single % 4 == 1,
        delivery_limit: if classic || limit % 4 == 1 { None } else { Some(u64::from(limit / 4 % 4)) },
    }
}
