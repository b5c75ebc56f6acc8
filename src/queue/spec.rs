//! What a queue is declared as, and what follows from it.
//!
//! A [`QueueSpec`] is what its declarer said: name, kind, flags and arguments, checked once. [`Settings`] are what is in
//! force: the arguments, and over them the policy that applies, if one does. The queue machine reads settings only; it
//! gets new ones when a policy comes or goes.

use super::arguments;
use super::refusal::{Inequivalent, InvalidQueue, equivalent};
use crate::base::Name;
use crate::message::{Table, Value};
use std::fmt;
use std::str::FromStr;

/// The type of a queue: RabbitMQ's `x-queue-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueKind {
    /// `classic`, the default.
    #[default]
    Classic,
    /// `quorum`: always durable, counts deliveries, two levels of priority.
    Quorum,
}

/// What a full queue does: RabbitMQ's `x-overflow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// `drop-head`, the default: the message at the head makes room. It dies as `maxlen`.
    #[default]
    DropHead,
    /// `reject-publish`: the new message is refused.
    RejectPublish,
    /// `reject-publish-dlx`: the new message is refused, and dies as `maxlen`. Classic queues only.
    RejectPublishDlx,
}

/// How surely a quorum queue's dead letters arrive: RabbitMQ's `x-dead-letter-strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// `at-most-once`, the default: a dead letter that nobody takes is lost.
    #[default]
    AtMostOnce,
    /// `at-least-once`: the queue keeps it until every target has taken it. Needs `reject-publish`.
    AtLeastOnce,
}

/// Where messages go that die in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeadLetter {
    /// The exchange; the empty name is the default exchange. It need not exist: then the dead are dropped.
    pub exchange: Name,
    /// The key they are published with; `None` keeps their own keys. The empty key is a key.
    pub routing_key: Option<Name>,
}

/// What is in force for a queue: its arguments and, over them, its policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Milliseconds that a message may wait; `Some(0)` lives only if a consumer takes it at once.
    pub message_ttl_millis: Option<u64>,
    /// Milliseconds that the queue may be unused; never `Some(0)`.
    pub expires_millis: Option<u64>,
    /// The most ready messages.
    pub max_length: Option<u64>,
    /// The most bytes of ready bodies.
    pub max_length_bytes: Option<u64>,
    /// What happens at either limit.
    pub overflow: Overflow,
    /// Where the dead go.
    pub dead_letter: Option<DeadLetter>,
    /// How surely they arrive. Quorum queues only.
    pub strategy: Strategy,
    /// The highest priority of a classic queue; `None` is one without priorities.
    pub max_priority: Option<u8>,
    /// Whether only one consumer at a time is served.
    pub single_active: bool,
    /// How often a quorum queue's message may come back before it dies. `None` is a limit below zero: no limit, and
    /// then what comes back goes to the tail. Classic queues have `None` and do not look at it.
    pub delivery_limit: Option<u64>,
}

/// What a queue was declared as.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSpec {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub kind: QueueKind,
    /// Whether it would outlive a restart. As in RabbitMQ, an exclusive queue is kept as not durable.
    pub durable: bool,
    /// Whether it belongs to one connection and goes with it.
    pub exclusive: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments, as they were given.
    pub arguments: Table,
}

impl QueueSpec {
    /// Checks what a new queue is asked to be, in RabbitMQ's order.
    ///
    /// # Errors
    ///
    /// [`InvalidQueue`], displayed as RabbitMQ's text.
    pub fn check(name: Name, flags: QueueFlags, arguments: Table) -> Result<Self, InvalidQueue> {
        if let Some(value) = arguments.get("x-dead-letter-exchange")
            && !matches!(value, Value::LongString(_))
        {
            return Err(InvalidQueue::DeadLetterExchange { queue: name, type_name: value.type_name() });
        }
        let kind = arguments::kind(&name, &arguments)?;
        arguments::check(&name, kind, &arguments)?;
        let QueueFlags { durable, exclusive, auto_delete } = flags;
        // As RabbitMQ keeps it: what goes with its connection does not outlive a restart.
        let spec = Self { name, kind, durable: durable && !exclusive, exclusive, auto_delete, arguments };
        spec.check_flags()?;
        Ok(spec)
    }

    /// A quorum queue is durable, shared and stays.
    fn check_flags(&self) -> Result<(), InvalidQueue> {
        if self.kind == QueueKind::Classic {
            return Ok(());
        }
        let wrong =
            [(self.auto_delete, "auto-delete"), (self.exclusive, "exclusive-owner"), (!self.durable, "non-durable")];
        match wrong.into_iter().find(|(holds, _)| *holds) {
            Some((_, property)) => Err(InvalidQueue::Property { queue: self.name.clone(), property }),
            None => Ok(()),
        }
    }

    /// Whether the broker may choose the name of a queue with these arguments.
    ///
    /// # Errors
    ///
    /// [`InvalidQueue::ServerNamed`] for a quorum queue.
    pub fn check_server_named(arguments: &Table) -> Result<(), InvalidQueue> {
        match arguments::kind(&Name::default(), arguments) {
            Ok(kind @ QueueKind::Quorum) => Err(InvalidQueue::ServerNamed { kind }),
            // A type that is unknown is refused later, with the name that the queue would have had.
            _ => Ok(()),
        }
    }

    /// Compares a redeclaration with the queue there is: `durable`, `auto_delete`, then the arguments that queues of this
    /// kind take. Others are not looked at and nothing is validated. Exclusiveness is the engine's matter.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn check_redeclared(&self, durable: bool, auto_delete: bool, arguments: &Table) -> Result<(), Inequivalent> {
        match self.all_differences(durable, auto_delete, arguments).next() {
            Some(difference) => Err(difference),
            None => Ok(()),
        }
    }

    /// Everything in which a redeclaration differs, in RabbitMQ's order.
    pub fn all_differences(
        &self,
        durable: bool,
        auto_delete: bool,
        arguments: &Table,
    ) -> impl Iterator<Item = Inequivalent> {
        let flags = [("durable", durable, self.durable), ("auto_delete", auto_delete, self.auto_delete)];
        let flags =
            flags.into_iter().map(|(flag, received, current)| (flag, Some(received.into()), Some(current.into())));
        let accepted = arguments::accepted(self.kind).iter();
        let arguments =
            accepted.map(|argument| (*argument, typed(argument, arguments), typed(argument, &self.arguments)));
        flags.chain(arguments).filter(|(_, received, current)| !equivalent(received.as_ref(), current.as_ref())).map(
            |(argument, received, current)| Inequivalent {
                resource: format!("queue '{}' in vhost '/'", self.name),
                argument,
                received,
                current,
            },
        )
    }
}

/// An argument as it is compared: no type given is the classic one.
fn typed(argument: &str, arguments: &Table) -> Option<Value> {
    match arguments.get(argument) {
        None if argument == "x-queue-type" => Some(QueueKind::Classic.as_str().into()),
        given => given.cloned(),
    }
}

/// The flags of a queue that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueFlags {
    /// Whether it is to outlive a restart.
    pub durable: bool,
    /// Whether it is to belong to one connection.
    pub exclusive: bool,
    /// Whether it is to go with its last consumer.
    pub auto_delete: bool,
}

impl QueueKind {
    /// RabbitMQ's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
        }
    }

    /// RabbitMQ's name of the module that implements it, as its error texts say it.
    pub(crate) const fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
        }
    }
}

impl Overflow {
    /// RabbitMQ's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DropHead => "drop-head",
            Self::RejectPublish => "reject-publish",
            Self::RejectPublishDlx => "reject-publish-dlx",
        }
    }
}

impl Strategy {
    /// RabbitMQ's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
        }
    }
}

/// A word that is none of those an argument knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord;

macro_rules! words {
    ($type:ty: $($variant:ident),+) => {
        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                [$(Self::$variant),+].into_iter().find(|known| known.as_str() == word).ok_or(UnknownWord)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(QueueKind: Classic, Quorum);
words!(Overflow: DropHead, RejectPublish, RejectPublishDlx);
words!(Strategy: AtMostOnce, AtLeastOnce);

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of the words known here")
    }
}

impl std::error::Error for UnknownWord {}
