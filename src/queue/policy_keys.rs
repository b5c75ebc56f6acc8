//! The keys of RabbitMQ 4.0's policies: what each may be set to, and which queues lack it.

use crate::base::Name;
use crate::message::Value;

/// What a key may be set to.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Text,
    Name,
    Integer,
    AtLeast(i64),
    Version,
    OneOf(&'static [&'static str], &'static str),
}

impl Rule {
    pub(super) fn allows(self, value: &Value) -> bool {
        match self {
            Self::Text => value.as_str().is_some(),
            Self::Name => value.as_str().is_some_and(|text| text.len() <= Name::MAX_BYTES),
            Self::Integer => value.as_integer().is_some(),
            Self::AtLeast(least) => value.as_integer().is_some_and(|number| number >= least),
            Self::Version => matches!(value.as_integer(), Some(1 | 2)),
            Self::OneOf(words, _) => value.as_str().is_some_and(|word| words.contains(&word)),
        }
    }

    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Name => "text of at most 255 bytes",
            Self::Integer => "a whole number",
            Self::AtLeast(1) => "a whole number above 0",
            Self::AtLeast(_) => "a whole number, not negative",
            Self::Version => "1 or 2",
            Self::OneOf(_, words) => words,
        }
    }
}

/// The keys of RabbitMQ 4.0's policies. Those that nothing here reads are taken for the sake of its definitions files.
pub(super) const KEYS: [(&str, Rule); 22] = [
    ("alternate-exchange", Rule::Name),
    ("consumer-timeout", Rule::AtLeast(0)),
    ("dead-letter-exchange", Rule::Name),
    ("dead-letter-routing-key", Rule::Name),
    ("dead-letter-strategy", Rule::OneOf(&["at-most-once", "at-least-once"], "at-most-once or at-least-once")),
    ("delivery-limit", Rule::Integer),
    ("expires", Rule::AtLeast(1)),
    ("initial-cluster-size", Rule::AtLeast(0)),
    ("max-age", Rule::Text),
    ("max-in-memory-bytes", Rule::AtLeast(0)),
    ("max-in-memory-length", Rule::AtLeast(0)),
    ("max-length", Rule::AtLeast(0)),
    ("max-length-bytes", Rule::AtLeast(0)),
    ("message-ttl", Rule::AtLeast(0)),
    ("overflow", Rule::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"], OVERFLOWS)),
    ("queue-leader-locator", Rule::OneOf(&["client-local", "balanced", "random", "least-leaders"], LOCATORS)),
    (
        "queue-master-locator",
        Rule::OneOf(&["min-masters", "client-local", "random"], "min-masters, client-local or random"),
    ),
    ("queue-mode", Rule::OneOf(&["default", "lazy"], "default or lazy")),
    ("queue-version", Rule::Version),
    ("stream-filter-size-bytes", Rule::AtLeast(0)),
    ("stream-max-segment-size-bytes", Rule::AtLeast(0)),
    ("target-group-size", Rule::AtLeast(1)),
];

const OVERFLOWS: &str = "drop-head, reject-publish or reject-publish-dlx";
const LOCATORS: &str = "client-local or balanced";

/// Keys that classic queues do not have.
pub(super) const FOREIGN_TO_CLASSIC: [&str; 8] = [
    "max-age",
    "stream-max-segment-size-bytes",
    "initial-cluster-size",
    "delivery-limit",
    "dead-letter-strategy",
    "max-in-memory-length",
    "max-in-memory-bytes",
    "target-group-size",
];

/// Keys that quorum queues do not have.
pub(super) const FOREIGN_TO_QUORUM: [&str; 5] =
    ["queue-mode", "queue-master-locator", "max-age", "stream-max-segment-size-bytes", "initial-cluster-size"];

/// Whether RabbitMQ's own policies have this key.
#[cfg(feature = "serde")]
pub(crate) fn knows_policy_key(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == key)
}
