//! Faults that a test asked for, as facts name them.

use std::fmt;

/// A fault that was injected by a test (feature `testing`); found in [`What::Fault`](crate::What::Fault). Without a test
/// double, no broker has any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Injected {
    /// No queue took a publish, as if all were full.
    RefusePublish,
    /// A publish was taken, and its publisher is never told.
    LoseConfirm,
    /// A publish was taken, and its publisher is told later.
    DelayConfirm,
    /// A publish was not taken, and its publisher is told so.
    NackConfirm,
    /// A publish was taken, and its publisher is told that it was not.
    NackTaken,
    /// The queue answered as at its limit.
    FillQueue,
    /// A settlement did not come through, so the message comes again.
    DeliverTwice,
    /// A consumer died when it was about to settle a delivery.
    KillConsumer,
    /// A consumer died right after it had acknowledged a delivery, or between two of its steps.
    KillLater,
    /// A delivery came late.
    DelayDelivery,
}

impl Injected {
    /// What it was, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefusePublish => "the publish is refused",
            Self::LoseConfirm => "the confirm is lost",
            Self::DelayConfirm => "the confirm is delayed",
            Self::NackConfirm => "the publish is not taken, and a nack says so",
            Self::NackTaken => "the publish is taken, and a nack says that it is not",
            Self::FillQueue => "the queue answers as at its limit",
            Self::DeliverTwice => "the acknowledgement is lost, and the message comes again",
            Self::KillConsumer => "the consumer dies before its acknowledgement takes effect",
            Self::KillLater => "the consumer dies between two of its steps",
            Self::DelayDelivery => "the delivery is delayed",
        }
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
