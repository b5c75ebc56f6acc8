//! Failing: what a service says when it did not succeed, and what is then done with the message.
//!
//! What may be tried again waits in the service's retry queue as a copy that counts the attempts; it expires there and
//! comes back. After [`TRIES`] attempts, or where trying again is no use, the message is rejected: its queue's
//! dead-letter exchange takes it to the dead-letter queue, and an event says why. A service that panics is counted by
//! [`Crashes`], since a classic queue would give it the same message for ever.

use crate::shop::lock;
use leveret::{Delivery, Message};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// How often an order is tried at one service.
pub(crate) const TRIES: u32 = 4;

/// How often a message may crash a service.
pub(crate) const CRASHES: u32 = 3;

/// What a service did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handled {
    /// Its work.
    Done,
    /// Nothing: it had done it before.
    Duplicate,
}

/// Why it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something was away. Worth another try.
    Again(String),
    /// It will never work.
    Never(String),
    /// The shop is closing: the message stays where it is.
    Closing,
}

/// The message that waits to be tried again: the same body, on its next attempt.
///
/// Its routing key will be its queue's name when it comes back, so it carries the event's key along.
pub(crate) fn next_try(delivery: &Delivery, key: &str, attempt: u32, error: &str, wait: Duration) -> Message {
    let mut message = Message::new(delivery.body().clone())
        .header("event", key)
        .header("attempt", i64::from(attempt) + 1)
        .header("last-error", error)
        // The lower of this and the queue's own time to live holds.
        .expires_in(wait.max(Duration::from_millis(1)));
    let known = delivery.properties();
    let properties = message.properties_mut();
    properties.content_type = known.content_type.clone();
    properties.correlation_id = known.correlation_id.clone();
    properties.message_id = known.message_id.clone();
    properties.app_id = known.app_id.clone();
    if let (Some(reason), Some(headers)) = (delivery.header("reason"), properties.headers.as_mut()) {
        headers.insert("reason", reason.clone());
    }
    message
}

/// How often each order crashed each service.
#[derive(Debug, Default)]
pub(crate) struct Crashes {
    counts: Mutex<HashMap<(&'static str, u32), u32>>,
}

impl Crashes {
    /// How often it did.
    pub(crate) fn of(&self, service: &'static str, line: u32) -> u32 {
        lock(&self.counts).get(&(service, line)).copied().unwrap_or_default()
    }

    /// Counts a crash if the thread panics while the watch is held.
    pub(crate) fn watch(&self, service: &'static str, line: u32) -> CrashWatch<'_> {
        CrashWatch { crashes: self, service, line }
    }
}

/// Held while a service works at an order.
#[derive(Debug)]
pub(crate) struct CrashWatch<'a> {
    crashes: &'a Crashes,
    service: &'static str,
    line: u32,
}

impl Drop for CrashWatch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *lock(&self.crashes.counts).entry((self.service, self.line)).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_panics_are_counted_as_crashes() {
        let crashes = Crashes::default();
        drop(crashes.watch("inventory", 7));
        assert_eq!(crashes.of("inventory", 7), 0);
        let crash = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _watch = crashes.watch("inventory", 7);
            std::panic::resume_unwind(Box::new("on purpose"));
        }));
        assert!(crash.is_err());
        assert_eq!((crashes.of("inventory", 7), crashes.of("shipping", 7)), (1, 0));
    }
}
