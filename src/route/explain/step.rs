//! What is told of each exchange and binding on the way.

use super::miss::{MatchMode, Miss};
use super::text::{Arguments, Quoted};
use super::words::Took;
use crate::message::Table;
use crate::route::spec::ExchangeKind;
use std::fmt;

/// An exchange that a message comes to. Displayed in lines, the first about itself.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExplainedExchange {
    /// Its name; empty is the default exchange.
    pub name: String,
    /// How it routes.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_word"))]
    pub kind: ExchangeKind,
    /// How the message comes to it.
    pub reached: Reached,
    /// Its bindings, in the order in which they were made: all that match, and of those that miss the eight nearest. Of
    /// the default exchange, those that match and, for a key that is no queue's name, the three most like it.
    pub bindings: Vec<ExplainedBinding>,
    /// How many more bindings miss.
    pub more_misses: u64,
    /// Its alternate exchange, where it has one.
    pub alternate: Option<ExplainedAlternate>,
}

/// How a message comes to an exchange. First come, first told: one exchange is walked once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reached {
    /// It is published to it.
    Published,
    /// Over a binding of another exchange.
    Bound {
        /// The name of that exchange.
        from: String,
    },
    /// As the alternate exchange of one where nothing matched.
    Alternate {
        /// The name of that exchange.
        of: String,
    },
}

/// What becomes of an exchange's alternate exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ExplainedAlternate {
    /// Some binding matches, so the alternate exchange of this name does not get the message.
    NotNeeded(String),
    /// Nothing matches, and the alternate exchange of this name gets the message.
    Taken(String),
    /// Nothing matches, and the message came to the exchange of this name before.
    Seen(String),
    /// Nothing matches, and there is no exchange of this name.
    Missing(String),
    /// Nothing matches, and the alternate is the default exchange: as an alternate it finds no queue, in RabbitMQ too.
    Default,
}

/// A binding of an exchange that a message comes to.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExplainedBinding {
    /// The kind of its exchange.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) kind: ExchangeKind,
    /// The routing key, or the pattern of a topic exchange.
    pub key: String,
    /// The arguments.
    pub arguments: Table,
    /// Where it leads.
    pub leads: Leads,
    /// Whether it matches, and why or why not.
    pub matching: Matching,
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Leads {
    /// To the queue of this name.
    Queue(String),
    /// To the exchange of this name.
    Exchange(String),
}

/// Whether a binding matches, and why or why not.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Matching {
    /// It matches.
    Matched(Fit),
    /// It does not.
    Missed {
        /// Which key comes nearest, where the message has several; `None` where headers are compared.
        key: Option<String>,
        /// What is in the way.
        miss: Miss,
    },
}

/// Why a binding matches.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fit {
    /// A fanout exchange asks for nothing.
    Fanout,
    /// The keys are the same.
    Key {
        /// Which key, where the message has several.
        key: Option<String>,
    },
    /// The key fits the pattern.
    Pattern {
        /// Which key, where the message has several.
        key: Option<String>,
        /// What the wildcards took, in their order.
        took: Vec<Took>,
    },
    /// The headers fit the arguments.
    Headers {
        /// The binding's `x-match`.
        mode: MatchMode,
        /// The headers that fit.
        fitting: Vec<String>,
    },
}

impl ExplainedBinding {
    /// Whether it matches.
    #[must_use]
    pub fn is_match(&self) -> bool {
        matches!(self.matching, Matching::Matched(_))
    }

    /// What it is called in a sentence.
    pub(crate) fn name(&self) -> BindingName<'_> {
        BindingName(self)
    }
}

impl fmt::Display for ExplainedExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", ExchangeName(self.kind, &self.name), self.reached)?;
        if self.bindings.is_empty() {
            let what = if self.name.is_empty() { "no queue has a name like that" } else { "it has no bindings" };
            write!(f, "\n  {what}")?;
        }
        for binding in &self.bindings {
            write!(f, "\n  {binding}")?;
        }
        match self.more_misses {
            0 => {}
            1 => f.write_str("\n  and 1 more binding that does not match")?,
            more => write!(f, "\n  and {more} more bindings that do not match")?,
        }
        if let Some(alternate) = &self.alternate {
            write!(f, "\n  {alternate}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published => f.write_str("published to"),
            Self::Bound { from } => write!(f, "bound to exchange {}", Quoted(from)),
            Self::Alternate { of } => write!(f, "the alternate of exchange {}", Quoted(of)),
        }
    }
}

impl fmt::Display for ExplainedAlternate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNeeded(name) => write!(f, "alternate exchange {}: not asked, a binding matches", Quoted(name)),
            Self::Taken(name) => write!(f, "alternate exchange {}: asked, no binding matches", Quoted(name)),
            Self::Seen(name) => write!(f, "alternate exchange {}: asked before", Quoted(name)),
            Self::Missing(name) => write!(f, "alternate exchange {}: there is no such exchange", Quoted(name)),
            Self::Default => f.write_str("alternate exchange '': the default exchange finds no queue as an alternate"),
        }
    }
}

impl fmt::Display for ExplainedBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_match() { "match " } else { "miss  " })?;
        write!(f, "{} -> {}: {}", self.name(), self.leads, self.matching)
    }
}

/// A binding as it is called in a sentence: by its key, and by its arguments where it has any. What a headers exchange
/// does not look at, an empty key, is left out.
pub(crate) struct BindingName<'a>(&'a ExplainedBinding);

impl fmt::Display for BindingName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExplainedBinding { kind, key, arguments, .. } = self.0;
        if *kind == ExchangeKind::Headers && key.is_empty() {
            return write!(f, "{}", Arguments(arguments));
        }
        write!(f, "{}", Quoted(key))?;
        if arguments.is_empty() { Ok(()) } else { write!(f, " {}", Arguments(arguments)) }
    }
}

impl fmt::Display for Leads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) => write!(f, "queue {}", Quoted(name)),
            Self::Exchange(name) => write!(f, "exchange {}", Quoted(name)),
        }
    }
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched(fit) => write!(f, "{fit}"),
            Self::Missed { key, miss } => {
                write!(f, "{miss}")?;
                by(f, key.as_deref())
            }
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fanout => f.write_str("a fanout exchange asks for nothing"),
            Self::Key { key } => {
                f.write_str("the key is the same")?;
                by(f, key.as_deref())
            }
            Self::Pattern { key, took } if took.is_empty() => {
                f.write_str("the key is the same")?;
                by(f, key.as_deref())
            }
            Self::Pattern { key, took } => {
                for (at, took) in took.iter().enumerate() {
                    write!(f, "{}{took}", if at == 0 { "" } else { ", " })?;
                }
                by(f, key.as_deref())
            }
            Self::Headers { mode, fitting } if fitting.is_empty() => {
                write!(f, "x-match {mode}: the binding asks for no header")
            }
            Self::Headers { mode, fitting } => {
                write!(f, "x-match {mode}: header")?;
                for (at, name) in fitting.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { " " } else { " and " }, Quoted(name))?;
                }
                f.write_str(if fitting.len() == 1 { " fits" } else { " fit" })
            }
        }
    }
}

/// By which of several keys.
fn by(f: &mut fmt::Formatter<'_>, key: Option<&str>) -> fmt::Result {
    key.map_or(Ok(()), |key| write!(f, " (by the key {})", Quoted(key)))
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => write!(f, "'{}' took no word", self.wildcard),
            _ => write!(f, "'{}' took {}", self.wildcard, Quoted(&self.words)),
        }
    }
}

/// An exchange as it is called in a sentence.
pub(crate) struct ExchangeName<'a>(pub(crate) ExchangeKind, pub(crate) &'a str);

impl fmt::Display for ExchangeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            "" => f.write_str("default exchange"),
            name => write!(f, "{} exchange {}", self.0, Quoted(name)),
        }
    }
}

#[cfg(feature = "serde")]
fn as_word<S: serde::Serializer>(kind: &ExchangeKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}
