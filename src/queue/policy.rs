//! Policies: settings that an operator lays over all queues or exchanges whose name fits a pattern.
//!
//! A [`Policy`] is data; [`Policy::check`] says whether RabbitMQ would take it. Which policy is in force for a name is
//! the engine's matter, what follows from it for a queue is in `settings.rs`.

use super::policy_keys::{FOREIGN_TO_CLASSIC, FOREIGN_TO_QUORUM, KEYS};
use super::spec::{Overflow, QueueKind, UnknownWord};
use crate::base::Name;
use crate::message::{Table, Value};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a policy is laid over: RabbitMQ's `apply-to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ApplyTo {
    /// `all`, the default: exchanges and queues.
    #[default]
    All,
    /// `exchanges`.
    Exchanges,
    /// `queues`, of whatever type.
    Queues,
    /// `classic_queues`.
    ClassicQueues,
    /// `quorum_queues`.
    QuorumQueues,
    /// `streams`. Accepted, and over nothing, since there are none here.
    Streams,
}

/// A policy: RabbitMQ's `rabbitmqctl set_policy` as a value.
///
/// Of several that fit, the one of the highest priority is in force; of several of one priority, the first by name. It
/// is in force as a whole: a policy with a key that a queue's type does not have is not for that queue.
///
/// ```
/// use std::time::Duration;
/// use leveret::{ApplyTo, Policy};
///
/// let policy = Policy::new("expire-unrouted", "^unrouted$")
///     .apply_to(ApplyTo::Queues)
///     .priority(1)
///     .message_ttl(Duration::from_secs(86_400))
///     .define("max-length", 100_000_i64);
/// assert!(policy.check().is_ok());
/// assert!(Policy::new("odd", "(").define("max-length", 1_i64).check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Policy {
    /// Its name; setting another of the same name replaces it.
    pub name: String,
    /// A regular expression that must be found somewhere in the name of a queue or exchange.
    pub pattern: String,
    /// What it is laid over.
    #[cfg_attr(feature = "serde", serde(default, rename = "apply-to"))]
    pub apply_to: ApplyTo,
    /// Which goes first of several that fit: the highest.
    #[cfg_attr(feature = "serde", serde(default))]
    pub priority: i64,
    /// What it sets.
    pub definition: PolicyDefinition,
}

/// What a policy sets: keys such as `max-length`, which are queue arguments without their `x-`.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct PolicyDefinition {
    entries: Table,
}

/// Why a policy was not set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InvalidPolicy {
    /// The pattern is no regular expression, or one that is not provided here: `regex-lite` has neither look-around nor
    /// back-references nor Unicode classes.
    Pattern {
        /// The policy.
        policy: String,
        /// The pattern.
        pattern: String,
        /// What the regular expression compiler says.
        reason: String,
    },
    /// The definition is empty.
    Empty {
        /// The policy.
        policy: String,
    },
    /// A key that no policy has.
    UnknownKey {
        /// The policy.
        policy: String,
        /// The key.
        key: String,
    },
    /// A value that its key may not have.
    Value {
        /// The policy.
        policy: String,
        /// The key.
        key: String,
        /// The value.
        value: Value,
        /// What it may be.
        expected: &'static str,
    },
}

impl Policy {
    /// A policy of this name over all names in which `pattern` is found. It sets nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pattern: pattern.into(),
            apply_to: ApplyTo::All,
            priority: 0,
            definition: PolicyDefinition::default(),
        }
    }

    /// Says what it is laid over; all, unless said.
    #[must_use]
    pub const fn apply_to(mut self, apply_to: ApplyTo) -> Self {
        self.apply_to = apply_to;
        self
    }

    /// Says which goes first of several that fit; 0 unless said.
    #[must_use]
    pub const fn priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// Sets a key of the definition by RabbitMQ's name for it.
    #[must_use]
    pub fn define(mut self, key: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.definition.entries.insert(key, value);
        self
    }

    /// Lets messages expire that waited this long. Parts of a millisecond are cut off.
    #[must_use]
    pub fn message_ttl(self, ttl: Duration) -> Self {
        self.define("message-ttl", whole_millis(ttl))
    }

    /// Lets queues go that were unused this long.
    #[must_use]
    pub fn expires(self, unused: Duration) -> Self {
        self.define("expires", whole_millis(unused))
    }

    /// Limits ready messages, and says what a full queue does.
    #[must_use]
    pub fn max_length(self, messages: u64, overflow: Overflow) -> Self {
        self.define("max-length", number(messages)).define("overflow", overflow.as_str())
    }

    /// Sends the dead to this exchange.
    #[must_use]
    pub fn dead_letter_exchange(self, exchange: impl AsRef<str>) -> Self {
        self.define("dead-letter-exchange", exchange.as_ref())
    }

    /// Publishes the dead with this key.
    #[must_use]
    pub fn dead_letter_routing_key(self, key: impl AsRef<str>) -> Self {
        self.define("dead-letter-routing-key", key.as_ref())
    }

    /// Lets a quorum queue's messages die after this many returns.
    #[must_use]
    pub fn delivery_limit(self, returns: u32) -> Self {
        self.define("delivery-limit", i64::from(returns))
    }

    /// Gives exchanges an alternate.
    #[must_use]
    pub fn alternate_exchange(self, exchange: impl AsRef<str>) -> Self {
        self.define("alternate-exchange", exchange.as_ref())
    }

    /// Checks the pattern and the definition.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`]: the pattern does not compile, nothing is defined, or a key or value is not one of RabbitMQ's.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        self.compile().map(|_| ())
    }

    /// Checks it and gives the compiled pattern.
    pub(crate) fn compile(&self) -> Result<regex_lite::Regex, InvalidPolicy> {
        let pattern = regex_lite::Regex::new(&self.pattern).map_err(|error| InvalidPolicy::Pattern {
            policy: self.name.clone(),
            pattern: self.pattern.clone(),
            reason: error.to_string(),
        })?;
        if self.definition.entries.is_empty() {
            return Err(InvalidPolicy::Empty { policy: self.name.clone() });
        }
        for (key, value) in self.definition.entries.iter() {
            let Some((_, rule)) = KEYS.iter().find(|(known, _)| *known == key) else {
                return Err(InvalidPolicy::UnknownKey { policy: self.name.clone(), key: key.into() });
            };
            if !rule.allows(value) {
                let (policy, key, value) = (self.name.clone(), key.into(), value.clone());
                return Err(InvalidPolicy::Value { policy, key, value, expected: rule.expected() });
            }
        }
        Ok(pattern)
    }
}

impl PolicyDefinition {
    /// The keys and values, in the order in which they were set.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter()
    }

    /// Whether a queue of this kind has every key of it. One that it lacks disqualifies the whole policy for it.
    pub(crate) fn suits(&self, kind: QueueKind) -> bool {
        let foreign: &[&str] = match kind {
            QueueKind::Classic => &FOREIGN_TO_CLASSIC,
            QueueKind::Quorum => &FOREIGN_TO_QUORUM,
        };
        !self.entries.iter().any(|(key, _)| foreign.contains(&key))
    }

    /// The whole number that a key is set to.
    pub(crate) fn integer(&self, key: &str) -> Option<i64> {
        self.entries.get(key).and_then(Value::as_integer)
    }

    /// The text that a key is set to.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.entries.get(key).and_then(Value::as_str)
    }

    /// The name that a key is set to.
    pub(crate) fn name(&self, key: &str) -> Option<Name> {
        self.text(key).and_then(|text| Name::new(text).ok())
    }
}

impl From<Table> for PolicyDefinition {
    fn from(entries: Table) -> Self {
        Self { entries }
    }
}

impl ApplyTo {
    /// RabbitMQ's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exchanges => "exchanges",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
        }
    }

    /// Whether queues of this kind are meant.
    pub(crate) const fn covers(self, kind: QueueKind) -> bool {
        match self {
            Self::All | Self::Queues => true,
            Self::ClassicQueues => matches!(kind, QueueKind::Classic),
            Self::QuorumQueues => matches!(kind, QueueKind::Quorum),
            Self::Exchanges | Self::Streams => false,
        }
    }

    /// Whether exchanges are meant.
    pub(crate) const fn covers_exchanges(self) -> bool {
        matches!(self, Self::All | Self::Exchanges)
    }
}

impl FromStr for ApplyTo {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::All, Self::Exchanges, Self::Queues, Self::ClassicQueues, Self::QuorumQueues, Self::Streams]
            .into_iter()
            .find(|known| known.as_str() == word)
            .ok_or(UnknownWord)
    }
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern { policy, pattern, reason } => {
                write!(f, "policy '{policy}': the pattern '{pattern}' cannot be used: {reason}")
            }
            Self::Empty { policy } => write!(f, "policy '{policy}' defines nothing; give it at least one key"),
            Self::UnknownKey { policy, key } => {
                write!(f, "policy '{policy}': '{key}' is not a key of RabbitMQ 4.0's policies")
            }
            Self::Value { policy, key, value, expected } => {
                write!(f, "policy '{policy}': '{key}' is '{value}' but must be {expected}")
            }
        }
    }
}

impl std::error::Error for InvalidPolicy {}

/// Milliseconds as a policy or an argument holds them.
pub(crate) fn whole_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A count as a policy or an argument holds it.
pub(crate) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
