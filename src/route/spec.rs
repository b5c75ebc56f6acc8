//! The words of routing: kinds of exchanges, what an exchange is declared as, bindings and their ends.

use crate::base::{ExchangeId, Name, QueueId};
use crate::message::{Table, Value};
use smallvec::SmallVec;
use std::fmt;
use std::str::FromStr;

/// The queues that a message reaches, each once, in the order in which the bindings that led there were made.
pub type Targets = SmallVec<[QueueId; 4]>;

/// How an exchange compares a message with its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// The routing key equals the binding's.
    Direct,
    /// Every binding matches.
    Fanout,
    /// The routing key fits the binding's pattern of words, `*` and `#`.
    Topic,
    /// The headers fit the binding's arguments.
    Headers,
}

/// The name of an exchange type that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(
    /// The name that was given.
    pub String,
);

/// What an exchange was declared as.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeSpec {
    /// Its name.
    pub name: Name,
    /// How it routes.
    pub kind: ExchangeKind,
    /// Whether it was declared durable.
    pub durable: bool,
    /// Whether it goes with the last binding from it.
    pub auto_delete: bool,
    /// Whether clients may not publish to it. The graph only keeps this; refusing is the caller's business.
    pub internal: bool,
    /// The arguments of its declaration.
    pub arguments: Table,
    /// The exchange that takes what matches no binding here. The effective one: argument or policy.
    pub alternate: Option<Name>,
}

/// Where a binding leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Destination {
    /// To a queue.
    Queue(QueueId),
    /// To another exchange.
    Exchange(ExchangeId),
}

/// A binding of some exchange. All three parts together are its identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Where it leads.
    pub destination: Destination,
    /// The routing key, or the pattern of a topic exchange.
    pub key: Name,
    /// The arguments; a headers exchange compares by them, the other kinds only tell bindings apart by them.
    pub arguments: Table,
}

/// The identity of a binding, borrowed: what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'b> {
    /// Where it leads.
    pub destination: Destination,
    /// As in [`Binding`]; at most as long as a name.
    pub key: &'b str,
    /// As in [`Binding`].
    pub arguments: &'b Table,
}

impl<'b> From<&'b Binding> for Bound<'b> {
    fn from(binding: &'b Binding) -> Self {
        Self { destination: binding.destination, key: &binding.key, arguments: &binding.arguments }
    }
}

/// What an unbind did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unbound {
    /// Whether there was such a binding.
    pub existed: bool,
    /// The auto-delete exchanges that went in consequence, in the order in which they went.
    pub deleted: Vec<ExchangeSpec>,
}

/// Why a binding was refused. The first two say it in RabbitMQ's words.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BindError {
    /// `x-match` is a string, but none of the four.
    MatchValue(Value),
    /// `x-match` is no string.
    MatchType(Value),
    /// There is no such exchange to bind from.
    NoSource(ExchangeId),
    /// There is no such queue or exchange to bind to.
    NoDestination(Destination),
}

impl ExchangeKind {
    /// The name of the type, as in a declaration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
        }
    }
}

impl FromStr for ExchangeKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text {
            "direct" => Ok(Self::Direct),
            "fanout" => Ok(Self::Fanout),
            "topic" => Ok(Self::Topic),
            "headers" => Ok(Self::Headers),
            _ => Err(UnknownKind(text.to_owned())),
        }
    }
}

impl fmt::Display for ExchangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown exchange type '{}'", self.0)
    }
}

impl std::error::Error for UnknownKind {}

impl ExchangeSpec {
    /// A durable exchange without arguments.
    #[must_use]
    pub fn new(name: Name, kind: ExchangeKind) -> Self {
        Self {
            name,
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: Table::new(),
            alternate: None,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MatchValue(value) => {
                write!(f, "Invalid x-match field value {}; expected all, any, all-with-x, or any-with-x", Term(value))
            }
            Self::MatchType(value) => {
                write!(f, "Invalid x-match field type {} (value {}); expected longstr", value.type_name(), Term(value))
            }
            Self::NoSource(id) => write!(f, "there is no exchange {id:?} to bind from"),
            Self::NoDestination(to) => write!(f, "there is no {to:?} to bind to"),
        }
    }
}

impl std::error::Error for BindError {}

/// A value as Erlang prints it, which is what RabbitMQ's texts about bindings show.
struct Term<'a>(&'a Value);

impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::LongString(bytes) | Value::ByteArray(bytes) => write_binary(f, bytes),
            Value::Array(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{{{},{}}}", value.type_name(), Term(value))?;
                }
                f.write_str("]")
            }
            Value::Table(table) => {
                f.write_str("[")?;
                for (at, (name, value)) in table.iter().enumerate() {
                    f.write_str(if at == 0 { "{" } else { ",{" })?;
                    write_binary(f, name.as_bytes())?;
                    write!(f, ",{},{}}}", value.type_name(), Term(value))?;
                }
                f.write_str("]")
            }
            plain => write!(f, "{plain}"),
        }
    }
}

/// An Erlang binary: as text where it is text, else as numbers.
fn write_binary(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => {
            let utf8 = if text.is_ascii() { "" } else { "/utf8" };
            write!(f, "<<\"{}\"{utf8}>>", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => {
            let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
            write!(f, "<<{}>>", numbers.join(","))
        }
    }
}
