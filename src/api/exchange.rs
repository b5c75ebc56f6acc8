//! An exchange as data.

use super::topology::Binding;
use crate::message::{Table, Value};
use crate::route::ExchangeKind;

/// An exchange that a program wants: durable, not auto-deleted and open to publishers unless said.
///
/// ```
/// use leveret::Exchange;
///
/// let events = Exchange::topic("events").alternate("unrouted");
/// let audit = Exchange::fanout("audit").bind("events", "#");
/// assert_eq!(events.name(), "events");
/// assert_eq!(audit.bindings().count(), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Exchange {
    pub(super) name: String,
    #[cfg_attr(feature = "serde", serde(rename = "type", with = "super::words"))]
    pub(super) kind: ExchangeKind,
    #[cfg_attr(feature = "serde", serde(default = "super::words::yes"))]
    pub(super) durable: bool,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) auto_delete: bool,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) internal: bool,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Table::is_empty"))]
    pub(super) arguments: Table,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub(super) bindings: Vec<Binding>,
}

impl Exchange {
    /// An exchange of this name and kind.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: ExchangeKind) -> Self {
        Self {
            name: name.into(),
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: Table::new(),
            bindings: Vec::new(),
        }
    }

    /// One that routes by equal keys (AMQP 0-9-1 section 3.1.3.1).
    #[must_use]
    pub fn direct(name: impl Into<String>) -> Self {
        Self::new(name, ExchangeKind::Direct)
    }

    /// One that routes to all its bindings (AMQP 0-9-1 section 3.1.3.2).
    #[must_use]
    pub fn fanout(name: impl Into<String>) -> Self {
        Self::new(name, ExchangeKind::Fanout)
    }

    /// One that routes by patterns of words between points: `*` is one word, `#` any number of them, none included (AMQP
    /// 0-9-1 section 3.1.3.3).
    #[must_use]
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(name, ExchangeKind::Topic)
    }

    /// One that routes by header fields, all or any of them as a binding's `x-match` says (AMQP 0-9-1 section 3.1.3.4).
    #[must_use]
    pub fn headers(name: impl Into<String>) -> Self {
        Self::new(name, ExchangeKind::Headers)
    }

    /// Sends what finds no binding here to another exchange (RabbitMQ: "Alternate Exchanges"). That one need not exist;
    /// then it is as none at all.
    #[must_use]
    pub fn alternate(self, exchange: impl AsRef<str>) -> Self {
        self.argument("alternate-exchange", exchange.as_ref())
    }

    /// Lets it end with the broker: RabbitMQ's `durable: false`.
    #[must_use]
    pub const fn transient(mut self) -> Self {
        self.durable = false;
        self
    }

    /// Lets it go with the last binding from it.
    #[must_use]
    pub const fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    /// Keeps publishers out: only bindings, alternates and dead letters lead to it.
    #[must_use]
    pub const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Binds it to another exchange: what is published there with a fitting key comes here too.
    #[must_use]
    pub fn bind(self, source: impl Into<String>, key: impl Into<String>) -> Self {
        self.binding(Binding::to(source).key(key))
    }

    /// Binds it to another exchange, with arguments where the binding has them.
    #[must_use]
    pub fn binding(mut self, binding: Binding) -> Self {
        self.bindings.push(binding);
        self
    }

    /// Sets one argument.
    #[must_use]
    pub fn argument(mut self, name: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.arguments.insert(name, value);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ExchangeKind {
        self.kind
    }

    /// Its arguments.
    #[must_use]
    pub const fn arguments(&self) -> &Table {
        &self.arguments
    }

    /// The bindings that lead to it.
    pub fn bindings(&self) -> impl ExactSizeIterator<Item = &Binding> {
        self.bindings.iter()
    }
}
