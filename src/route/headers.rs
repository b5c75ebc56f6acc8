//! Headers: a message's headers are compared with each binding's arguments.
//!
//! `x-match` says how. `all` (also without it): every considered argument fits; with none to consider, everything
//! matches. `any`: some considered argument fits; with none, nothing matches. Both skip arguments whose names start
//! with `x-`; `all-with-x` and `any-with-x` skip only `x-match` itself. When a value fits is told in `compare.rs`.
//!
//! The bindings are tried one by one, as RabbitMQ does.

use super::compare::fits;
use super::hits::Hit;
use super::spec::BindError;
use crate::message::{Table, Value};
use smallvec::SmallVec;

/// What one binding of a headers exchange asks for.
#[derive(Clone, Debug)]
pub struct Predicate {
    any: bool,
    wanted: Box<[(Box<str>, Value)]>,
}

/// The bindings of a headers exchange, ascending by creation.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// A removed binding leaves `None` until half of them are.
    bindings: Vec<(u64, Option<Entry>)>,
    removed: usize,
}

#[derive(Debug)]
struct Entry {
    hit: Hit,
    predicate: Predicate,
}

impl Predicate {
    /// Reads the arguments of a binding.
    ///
    /// # Errors
    ///
    /// [`BindError::MatchType`] where `x-match` is no string, [`BindError::MatchValue`] where it is none of the four.
    pub fn new(arguments: &Table) -> Result<Self, BindError> {
        let (any, with_x) = match arguments.get("x-match") {
            None => (false, false),
            Some(value @ Value::LongString(text)) => match &**text {
                b"all" => (false, false),
                b"any" => (true, false),
                b"all-with-x" => (false, true),
                b"any-with-x" => (true, true),
                _ => return Err(BindError::MatchValue(value.clone())),
            },
            Some(value) => return Err(BindError::MatchType(value.clone())),
        };
        let considered = |name: &str| if with_x { name != "x-match" } else { !name.starts_with("x-") };
        let wanted = arguments.iter().filter(|(name, _)| considered(name));
        Ok(Self { any, wanted: wanted.map(|(name, value)| (name.into(), value.clone())).collect() })
    }

    /// Whether a message with these headers matches.
    #[must_use]
    pub fn matches(&self, headers: Option<&Table>) -> bool {
        self.holds(&Fields::new(headers))
    }

    /// Whether one fitting argument is enough.
    pub(super) fn is_any(&self) -> bool {
        self.any
    }

    /// What it looks at: names and values, in the order of the arguments.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.wanted.iter().map(|(name, value)| (&**name, value))
    }

    fn holds(&self, fields: &Fields<'_>) -> bool {
        let mut wanted = self.wanted.iter().map(|(name, value)| fields.get(name).is_some_and(|v| fits(value, v)));
        if self.any { wanted.any(|fits| fits) } else { wanted.all(|fits| fits) }
    }
}

impl Headers {
    /// Adds a binding, which must be the youngest.
    pub(super) fn insert(&mut self, predicate: Predicate, hit: Hit) {
        self.bindings.push((hit.born, Some(Entry { hit, predicate })));
    }

    /// Takes out the binding born under this number.
    pub(super) fn remove(&mut self, born: u64) {
        let Ok(at) = self.bindings.binary_search_by_key(&born, |(born, _)| *born) else { return };
        if self.bindings.get_mut(at).and_then(|(_, entry)| entry.take()).is_none() {
            return;
        }
        self.removed += 1;
        if self.removed * 2 > self.bindings.len() {
            self.bindings.retain(|(_, entry)| entry.is_some());
            self.bindings.shrink_to(self.bindings.len() * 2);
            self.removed = 0;
        }
    }

    /// Appends the bindings that match these headers.
    pub(super) fn collect(&self, headers: Option<&Table>, out: &mut Vec<Hit>) {
        let fields = Fields::new(headers);
        let entries = self.bindings.iter().filter_map(|(_, entry)| entry.as_ref());
        out.extend(entries.filter(|entry| entry.predicate.holds(&fields)).map(|entry| entry.hit));
    }
}

/// A message's headers, ready to be asked for by every binding.
struct Fields<'a> {
    table: Option<&'a Table>,
    /// The same, sorted by name, where they are more than a few.
    sorted: SmallVec<[(&'a str, &'a Value); 16]>,
}

impl<'a> Fields<'a> {
    fn new(table: Option<&'a Table>) -> Self {
        let many = table.into_iter().filter(|table| table.len() > FEW);
        let mut sorted: SmallVec<_> = many.flat_map(Table::iter).collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        Self { table, sorted }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        if self.sorted.is_empty() {
            return self.table?.get(name);
        }
        let at = self.sorted.binary_search_by_key(&name, |(known, _)| *known).ok()?;
        self.sorted.get(at).map(|(_, value)| *value)
    }
}

/// Up to so many headers, looking through them costs less than sorting.
const FEW: usize = 8;
