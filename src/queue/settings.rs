//! What is in force for a queue: its arguments and, over them, its policy.
//!
//! Where both say something, RabbitMQ 4.0 takes the lesser of two numbers and the argument's word, except that a quorum
//! queue takes the policy's word for `overflow` and the dead-letter strategy. A delivery limit below zero means no limit,
//! and then the greater of two counts, that is: a limit beats none.

use super::policy::PolicyDefinition;
use super::spec::{DeadLetter, Overflow, QueueKind, QueueSpec, Settings, Strategy};
use crate::base::Name;
use crate::message::Value;
use std::str::FromStr;

/// RabbitMQ 4.0's limit where nobody set one.
const DEFAULT_DELIVERY_LIMIT: i64 = 20;

impl QueueSpec {
    /// What is in force under this policy, or without one.
    #[must_use]
    pub fn settings(&self, policy: Option<&PolicyDefinition>) -> Settings {
        let both = Both { spec: self, policy };
        let mut settings = Settings {
            message_ttl_millis: both.lesser("message-ttl"),
            expires_millis: both.lesser("expires"),
            max_length: both.lesser("max-length"),
            max_length_bytes: both.lesser("max-length-bytes"),
            overflow: both.word("overflow"),
            dead_letter: both
                .name("dead-letter-exchange")
                .map(|exchange| DeadLetter { exchange, routing_key: both.name("dead-letter-routing-key") }),
            strategy: Strategy::AtMostOnce,
            max_priority: both.argument("max-priority").and_then(Value::as_integer).and_then(|n| u8::try_from(n).ok()),
            single_active: both.argument("single-active-consumer").and_then(Value::as_bool).unwrap_or(false),
            delivery_limit: None,
        };
        if self.kind == QueueKind::Quorum {
            settings.delivery_limit = both.delivery_limit();
            if settings.overflow == Overflow::RejectPublishDlx {
                // Quorum queues accept the word and do not know it.
                settings.overflow = Overflow::DropHead;
            }
            // Nothing may be dropped from a queue that promises its dead letters arrive.
            if settings.overflow == Overflow::RejectPublish && settings.dead_letter.is_some() {
                settings.strategy = both.word("dead-letter-strategy");
            }
        }
        settings
    }
}

/// A queue's arguments and the policy over them.
struct Both<'a> {
    spec: &'a QueueSpec,
    policy: Option<&'a PolicyDefinition>,
}

impl Both<'_> {
    fn argument(&self, key: &str) -> Option<&Value> {
        self.spec.arguments.get(&format!("x-{key}"))
    }

    /// The lesser of two numbers.
    fn lesser(&self, key: &str) -> Option<u64> {
        let argument = self.argument(key).and_then(Value::as_integer);
        let policy = self.policy.and_then(|policy| policy.integer(key));
        argument.into_iter().chain(policy).min().and_then(|number| u64::try_from(number).ok())
    }

    /// The argument's name before the policy's.
    fn name(&self, key: &str) -> Option<Name> {
        let argument = self.argument(key).and_then(Value::as_str).and_then(|text| Name::new(text).ok());
        argument.or_else(|| self.policy.and_then(|policy| policy.name(key)))
    }

    /// The word in force: a classic queue's argument goes before the policy, a quorum queue's behind it.
    fn word<T: FromStr + Default>(&self, key: &str) -> T {
        let argument = self.argument(key).and_then(Value::as_str);
        let policy = self.policy.and_then(|policy| policy.text(key));
        let word = match self.spec.kind {
            QueueKind::Classic => argument.or(policy),
            QueueKind::Quorum => policy.or(argument),
        };
        word.and_then(|word| word.parse().ok()).unwrap_or_default()
    }

    /// `None` is a limit below zero. An argument that is no number is let through by RabbitMQ and never reached, since
    /// Erlang sorts every number before it.
    fn delivery_limit(&self) -> Option<u64> {
        let argument = self.argument("delivery-limit").map(|value| value.as_integer().unwrap_or(i64::MAX));
        let policy = self.policy.and_then(|policy| policy.integer("delivery-limit"));
        let limit = match (argument, policy) {
            (Some(a), Some(p)) if a < 0 || p < 0 => a.max(p),
            (Some(a), Some(p)) => a.min(p),
            (one, other) => one.or(other).unwrap_or(DEFAULT_DELIVERY_LIMIT),
        };
        match limit {
            i64::MAX => Some(u64::MAX),
            limit => u64::try_from(limit).ok(),
        }
    }
}
