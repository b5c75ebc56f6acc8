//! Misses: why a binding does not match a message, as values and in words.

use super::likeness::Likeness;
use super::text::{Quoted, Short};
use super::words::{Gap, lay};
use crate::base::Name;
use crate::message::{Table, Value};
use crate::route::compare::fits;
use crate::route::headers::Predicate;
use crate::route::spec::BindError;
use std::fmt;

/// Why a binding does not match a message. Displayed as a sentence.
///
/// Made by [`Broker::explain`](crate::Broker::explain) for every binding that it shows, and for any two texts by
/// [`of_topic`](Miss::of_topic), [`of_key`](Miss::of_key) and [`of_headers`](Miss::of_headers), which know no broker.
///
/// ```
/// use leveret::Miss;
///
/// let miss = Miss::of_topic("order.eu.*", "order.us.created").ok_or("it does not fit")?;
/// assert_eq!(miss.to_string(), "word 2 is 'us', the binding wants 'eu'");
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Miss {
    /// The routing key is not the binding's.
    Key {
        /// The binding's.
        wanted: String,
        /// The message's.
        is: String,
        /// What they have in common.
        likeness: Likeness,
    },
    /// Words of the routing key do not fit the pattern: the fewest differences that there are, in the key's order.
    Words(Vec<WordMiss>),
    /// Headers do not fit the arguments.
    Headers {
        /// The binding's `x-match`.
        mode: MatchMode,
        /// What does not fit, in the order of the arguments. With `any`, all that is asked for.
        headers: Vec<HeaderMiss>,
    },
    /// The pattern or the key has more bytes than any may have, so it can neither be bound nor published with.
    TooLong {
        /// How many.
        bytes: usize,
    },
}

/// A difference between a routing key and a topic pattern. Words are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WordMiss {
    /// The key has another word here.
    Differs {
        /// Which word of the key.
        number: usize,
        /// The pattern's word.
        wanted: String,
        /// The key's word.
        is: String,
        /// What they have in common.
        likeness: Likeness,
    },
    /// The key has no word for one of the pattern.
    Missing {
        /// Behind how many words of the key it would stand.
        behind: usize,
        /// Which word of the key it would be, with those that are missing in the same place before it.
        number: usize,
        /// The pattern's word, or `*`.
        wanted: String,
    },
    /// The key has a word too many.
    Extra {
        /// Which word of the key.
        number: usize,
        /// That word.
        is: String,
    },
}

/// What the binding of a headers exchange asks for and a message does not have.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HeaderMiss {
    /// The header.
    pub name: String,
    /// What the binding wants it to be; [`Value::Void`] asks only that it is there.
    pub wanted: Value,
    /// What it is; `None` where it is missing.
    pub is: Option<Value>,
}

/// How a binding of a headers exchange matches: its argument `x-match`, in RabbitMQ's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum MatchMode {
    /// `all`, also without `x-match`: every argument fits, but those that begin with `x-`.
    All,
    /// `any`: some argument fits, but those that begin with `x-`.
    Any,
    /// `all-with-x`: every argument fits.
    AllWithX,
    /// `any-with-x`: some argument fits.
    AnyWithX,
}

impl Miss {
    /// Why a routing key does not fit the pattern of a topic binding; `None` where it does.
    ///
    /// ```
    /// use leveret::Miss;
    ///
    /// assert_eq!(Miss::of_topic("order.#", "order.us.created"), None);
    /// let words = |pattern, key| Miss::of_topic(pattern, key).map(|miss| miss.to_string());
    /// assert_eq!(words("order.*", "order").as_deref(), Some("word 2 is missing, the binding wants any word ('*')"));
    /// assert_eq!(words("order.*", "order.us.new").as_deref(), Some("word 3 'new' is one too many"));
    /// ```
    #[must_use]
    pub fn of_topic(pattern: &str, key: &str) -> Option<Self> {
        if let Some(bytes) = too_long(pattern, key) {
            return Some(Self::TooLong { bytes });
        }
        let gaps = lay(pattern, key).gaps;
        (!gaps.is_empty()).then(|| Self::of_gaps(&gaps))
    }

    /// Why a routing key does not match the key of a direct binding; `None` where it does.
    ///
    /// ```
    /// use leveret::Miss;
    ///
    /// let miss = Miss::of_key("orders", "Orders").ok_or("they differ")?;
    /// let text = "the key is 'Orders', the binding wants 'orders' (only upper and lower case differ)";
    /// assert_eq!(miss.to_string(), text);
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn of_key(wanted: &str, is: &str) -> Option<Self> {
        if let Some(bytes) = too_long(wanted, is) {
            return Some(Self::TooLong { bytes });
        }
        let (texts, likeness) = ((wanted.to_owned(), is.to_owned()), || Likeness::of(wanted, is));
        (wanted != is).then(|| Self::Key { wanted: texts.0, is: texts.1, likeness: likeness() })
    }

    /// Why headers do not match the arguments of a binding to a headers exchange; `None` where they do, and where the
    /// arguments have no valid `x-match`, for then no such binding can be made.
    ///
    /// ```
    /// use leveret::{Miss, Table};
    ///
    /// let arguments = Table::new().with("region", "eu").with("x-match", "all");
    /// let miss = Miss::of_headers(&arguments, Some(&Table::new().with("region", "us"))).ok_or("they differ")?;
    /// assert_eq!(miss.to_string(), "x-match all: header 'region' is 'us', the binding wants 'eu'");
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn of_headers(arguments: &Table, headers: Option<&Table>) -> Option<Self> {
        let compared = Compared::new(arguments, headers).ok()?;
        (!compared.matches).then_some(Self::Headers { mode: compared.mode, headers: compared.misses })
    }

    pub(super) fn of_gaps(gaps: &[Gap<'_>]) -> Self {
        Self::Words(gaps.iter().map(WordMiss::from).collect())
    }
}

/// A binding's arguments beside a message's headers.
pub(super) struct Compared {
    pub(super) mode: MatchMode,
    pub(super) matches: bool,
    /// Names of headers that fit.
    pub(super) fitting: Vec<String>,
    pub(super) misses: Vec<HeaderMiss>,
}

impl Compared {
    pub(super) fn new(arguments: &Table, headers: Option<&Table>) -> Result<Self, BindError> {
        let predicate = Predicate::new(arguments)?;
        let (mut fitting, mut misses) = (Vec::new(), Vec::new());
        for (name, wanted) in predicate.wanted() {
            let is = headers.and_then(|headers| headers.get(name));
            match is {
                Some(is) if fits(wanted, is) => fitting.push(name.to_owned()),
                is => misses.push(HeaderMiss { name: name.to_owned(), wanted: wanted.clone(), is: is.cloned() }),
            }
        }
        let matches = if predicate.is_any() { !fitting.is_empty() } else { misses.is_empty() };
        Ok(Self { mode: MatchMode::of(arguments), matches, fitting, misses })
    }
}

impl MatchMode {
    /// That of arguments which are known to be good.
    fn of(arguments: &Table) -> Self {
        match arguments.get("x-match").and_then(Value::as_str) {
            Some("any") => Self::Any,
            Some("all-with-x") => Self::AllWithX,
            Some("any-with-x") => Self::AnyWithX,
            _ => Self::All,
        }
    }

    /// RabbitMQ's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::AllWithX => "all-with-x",
            Self::AnyWithX => "any-with-x",
        }
    }
}

/// The length of the longer text, where that is more than a name may have.
fn too_long(one: &str, other: &str) -> Option<usize> {
    Some(one.len().max(other.len())).filter(|bytes| *bytes > Name::MAX_BYTES)
}

impl From<&Gap<'_>> for WordMiss {
    fn from(gap: &Gap<'_>) -> Self {
        match *gap {
            Gap::Differs { number, is, wanted } => {
                let likeness = Likeness::of(wanted, is);
                Self::Differs { number, wanted: wanted.to_owned(), is: is.to_owned(), likeness }
            }
            Gap::Missing { behind, number, wanted } => Self::Missing { behind, number, wanted: wanted.to_owned() },
            Gap::Extra { number, is } => Self::Extra { number, is: is.to_owned() },
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { wanted, is, likeness } => {
                write!(f, "the key is {}, the binding wants {}{likeness}", Quoted(is), Quoted(wanted))
            }
            Self::Words(words) => listed(f, words),
            Self::Headers { mode, headers } if headers.is_empty() => {
                write!(f, "x-match {mode}: the binding asks for no header, so none fits")
            }
            Self::Headers { mode, headers } => {
                write!(f, "x-match {mode}: ")?;
                listed(f, headers)
            }
            Self::TooLong { bytes } => write!(f, "{bytes} bytes are more than the {} of any name", Name::MAX_BYTES),
        }
    }
}

impl fmt::Display for WordMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs { number, wanted, is, likeness } => {
                write!(f, "word {number} is {}, the binding wants {}{likeness}", Quoted(is), Quoted(wanted))?;
                f.write_str(part_wildcard(wanted))
            }
            Self::Missing { number, wanted, .. } if wanted == "*" => {
                write!(f, "word {number} is missing, the binding wants any word ('*')")
            }
            Self::Missing { number, wanted, .. } => {
                write!(f, "word {number} is missing, the binding wants {}", Quoted(wanted))?;
                f.write_str(part_wildcard(wanted))
            }
            Self::Extra { number, is } => write!(f, "word {number} {} is one too many", Quoted(is)),
        }
    }
}

impl fmt::Display for HeaderMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, wanted, is } = self;
        write!(f, "header {} is ", Quoted(name))?;
        let Some(is) = is else {
            f.write_str("missing, the binding wants ")?;
            return match wanted {
                Value::Void => f.write_str("it with any value"),
                wanted => write!(f, "{}", Short(wanted)),
            };
        };
        write!(f, "{}", Short(is))?;
        // What looks the same differs in its type.
        let types = is.type_name() != wanted.type_name();
        if types {
            write!(f, " ({})", is.type_name())?;
        }
        write!(f, ", the binding wants {}", Short(wanted))?;
        if types { write!(f, " ({})", wanted.type_name()) } else { Ok(()) }
    }
}

impl fmt::Display for MatchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What follows a word of a pattern that may be meant as a wildcard and is none.
fn part_wildcard(wanted: &str) -> &'static str {
    if wanted.contains(['*', '#']) { " ('*' and '#' stand for words only where they are whole words)" } else { "" }
}

fn listed(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if at == 0 { "" } else { "; " })?;
    }
    Ok(())
}
