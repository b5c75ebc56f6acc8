//! AMQP field values and tables: what headers and arguments are made of.

use super::nested;
use bytes::Bytes;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A field value, with the type it has on the wire (AMQP 0-9-1 section 4.2.5.5 as RabbitMQ reads it: `b B s u I i l f d
/// t S x T D A F V`).
///
/// Two values are equal when type and content are; the looser rules by which a headers exchange compares are in the
/// router. However deep a value is nested, copying, comparing, showing and dropping it take no stack. The broker takes
/// `Limits::header_depth` levels.
///
/// ```
/// use leveret::Value;
///
/// assert_eq!(Value::from("eu"), Value::text("eu"));
/// assert_eq!(Value::from(1_i32).as_integer(), Some(1));
/// assert_ne!(Value::I32(1), Value::I64(1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `V`: nothing.
    Void,
    /// `t`: a boolean.
    Bool(bool),
    /// `b`: a signed byte.
    I8(i8),
    /// `B`: an unsigned byte.
    U8(u8),
    /// `s`: a signed 16-bit integer.
    I16(i16),
    /// `u`: an unsigned 16-bit integer.
    U16(u16),
    /// `I`: a signed 32-bit integer.
    I32(i32),
    /// `i`: an unsigned 32-bit integer.
    U32(u32),
    /// `l`: a signed 64-bit integer.
    I64(i64),
    /// `f`: a 32-bit float.
    F32(f32),
    /// `d`: a 64-bit float.
    F64(f64),
    /// `D`: a decimal: how many digits are behind the point, and the digits.
    Decimal(u8, u32),
    /// `S`: a long string. On the wire it is bytes; mostly they are UTF-8.
    LongString(Bytes),
    /// `x`: a byte array.
    ByteArray(Bytes),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `A`: a list.
    Array(List),
    /// `F`: a table.
    Table(Table),
}

impl Value {
    /// A long string of this text.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::LongString(Bytes::copy_from_slice(text.as_ref().as_bytes()))
    }

    /// The text of a long string that is UTF-8; `None` for all else.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::LongString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The number of an integer of any width; `None` for all else.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Self::I8(n) => Some(n.into()),
            Self::U8(n) => Some(n.into()),
            Self::I16(n) => Some(n.into()),
            Self::U16(n) => Some(n.into()),
            Self::I32(n) => Some(n.into()),
            Self::U32(n) => Some(n.into()),
            Self::I64(n) => Some(n),
            _ => None,
        }
    }

    /// The boolean; `None` for all else.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// What RabbitMQ calls this type in its error texts.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal(..) => "decimal",
            Self::LongString(_) => "longstr",
            Self::ByteArray(_) => "binary",
            Self::Timestamp(_) => "timestamp",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
        }
    }
}

/// As RabbitMQ prints a value in its error texts: text bare, numbers in digits.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Void => f.write_str("undefined"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::I8(n) => write!(f, "{n}"),
            Self::U8(n) => write!(f, "{n}"),
            Self::I16(n) => write!(f, "{n}"),
            Self::U16(n) => write!(f, "{n}"),
            Self::I32(n) => write!(f, "{n}"),
            Self::U32(n) => write!(f, "{n}"),
            Self::I64(n) => write!(f, "{n}"),
            Self::F32(x) => write!(f, "{x:?}"),
            Self::F64(x) => write!(f, "{x:?}"),
            Self::Decimal(scale, digits) => write!(f, "{{{scale},{digits}}}"),
            Self::LongString(bytes) | Self::ByteArray(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Timestamp(seconds) => write!(f, "{seconds}"),
            Self::Array(_) => f.write_str("[…]"),
            Self::Table(_) => f.write_str("{…}"),
        }
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        })+
    };
}

value_from! {
    bool => Bool, i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64,
    f32 => F32, f64 => F64, List => Array, Table => Table,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::LongString(Bytes::from(text))
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Self::Array(values.into())
    }
}

/// A list of values: what [`Value::Array`] holds. It reads as a slice.
///
/// ```
/// use leveret::{List, Value};
///
/// let list: List = vec![Value::from(1_i64), "two".into()].into();
/// assert_eq!(list.len(), 2);
/// assert_eq!(Value::Array(list.clone()), Value::from(vec![Value::from(1_i64), "two".into()]));
/// ```
#[derive(Default)]
pub struct List {
    pub(super) values: Vec<Value>,
}

impl List {
    /// A list without values.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: Vec::new() }
    }

    /// Puts a value at the end.
    pub fn push(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.values
    }
}

impl From<Vec<Value>> for List {
    fn from(values: Vec<Value>) -> Self {
        Self { values }
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self { values: values.into_iter().collect() }
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.iter()
    }
}

impl Clone for List {
    fn clone(&self) -> Self {
        Self { values: nested::copy_list(&self.values) }
    }
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        nested::equal_lists(self, other)
    }
}

/// Shows 32 levels.
impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        nested::show_list(self, f)
    }
}

impl Drop for List {
    fn drop(&mut self) {
        nested::take_apart(self.values.iter_mut());
    }
}

/// A table: names and values in the order in which they were put in, each name once.
///
/// Two tables are equal when they hold the same entries, in whatever order.
///
/// ```
/// use leveret::Table;
///
/// let table = Table::new().with("x-max-length", 10_i64).with("region", "eu");
/// assert_eq!(table.get("region").and_then(|v| v.as_str()), Some("eu"));
/// assert_eq!(table.len(), 2);
/// ```
#[derive(Default)]
pub struct Table {
    pub(super) entries: Vec<nested::Entry>,
}

impl Table {
    /// A table without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Puts a value in, in the place of one of the same name if there is one, and gives the table back.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.insert(name, value);
        self
    }

    /// Puts a value in, in the place of one of the same name if there is one, which is returned.
    pub fn insert(&mut self, name: impl AsRef<str>, value: impl Into<Value>) -> Option<Value> {
        let name = name.as_ref();
        let value = value.into();
        match self.entries.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, place)) => Some(std::mem::replace(place, value)),
            None => {
                self.entries.push((Arc::from(name), value));
                None
            }
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(known, _)| **known == *name)?;
        Some(self.entries.remove(at).1)
    }

    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// The entries, in the order in which they were put in.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    /// How many entries there are, nested ones not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        nested::equal_tables(self, other)
    }
}

impl Clone for Table {
    fn clone(&self) -> Self {
        Self { entries: nested::copy_table(&self.entries) }
    }
}

/// Shows 32 levels.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        nested::show_table(self, f)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        nested::take_apart(self.entries.iter_mut().map(|(_, value)| value));
    }
}

impl<N: AsRef<str>, V: Into<Value>> FromIterator<(N, V)> for Table {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut table = Self::new();
        for (name, value) in entries {
            table.insert(name, value);
        }
        table
    }
}
