//! Names: immutable, at most 255 bytes, checked once.
//!
//! A name of up to 23 bytes lies in the value itself, so that a clone is a copy; a longer one is shared by reference
//! count. Most names are short, and each message carries clones of two: a counter that publishers and consumers on
//! different CPUs all change would cost more than the copies.

use smol_str::SmolStr;
use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of an exchange, a queue or a consumer, or a routing key: UTF-8 of at most 255 bytes, cheap to clone.
///
/// The bound is that of AMQP's short string (AMQP 0-9-1 section 4.2.5.3).
///
/// ```
/// use leveret::Name;
///
/// let name = Name::new("orders")?;
/// assert_eq!(&*name, "orders");
/// assert!(Name::new("x".repeat(256)).is_err());
/// # Ok::<(), leveret::NameTooLong>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(SmolStr);

/// A name or key of more than 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameTooLong {
    /// The first characters of what was given.
    pub start: String,
    /// How many bytes it has.
    pub bytes: usize,
}

impl Name {
    /// The most bytes a name may have.
    pub const MAX_BYTES: usize = 255;

    /// Checks and copies `text`.
    ///
    /// # Errors
    ///
    /// [`NameTooLong`] where it has more than 255 bytes.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameTooLong> {
        let text = text.as_ref();
        Self::check(text)?;
        Ok(Self(SmolStr::new(text)))
    }

    /// Whether a text is short enough for a name.
    pub(crate) fn check(text: &str) -> Result<(), NameTooLong> {
        if text.len() > Self::MAX_BYTES {
            return Err(NameTooLong { start: text.chars().take(32).collect(), bytes: text.len() });
        }
        Ok(())
    }

    /// Copies text known to be short enough: the crate's own constants and what was checked before.
    pub(crate) fn known(text: &str) -> Self {
        debug_assert!(text.len() <= Self::MAX_BYTES);
        Self(SmolStr::new(text))
    }

    /// The text, as it lies here.
    pub(crate) fn into_text(self) -> SmolStr {
        self.0
    }

    /// The text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The empty name.
impl Default for Name {
    #[inline]
    fn default() -> Self {
        Self(SmolStr::new_static(""))
    }
}

impl Deref for Name {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.0 == **other
    }
}

impl From<Name> for Arc<str> {
    fn from(name: Name) -> Self {
        name.0.into()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name '{}…' has {} bytes; at most {} are allowed", self.start, self.bytes, Name::MAX_BYTES)
    }
}

impl std::error::Error for NameTooLong {}

#[cfg(test)]
mod tests {
    use super::Name;
    use std::collections::{BTreeSet, HashSet};

    /// In the value itself, at its end, beyond it, and as long as can be; spaces may be kept in yet another way.
    #[test]
    fn a_name_is_its_text_wherever_it_lies() {
        let texts = [0, 1, 22, 23, 24, 255].map(|length| ["x", " "].map(|letter| letter.repeat(length)));
        let texts: BTreeSet<String> = texts.into_iter().flatten().collect();
        let names: Vec<Name> = texts.iter().map(|text| Name::new(text).expect("short enough")).collect();
        assert!(names.is_sorted(), "as the texts are");
        let hashed: HashSet<Name> = names.iter().cloned().collect();
        let sorted: BTreeSet<Name> = names.iter().cloned().collect();
        for (text, name) in texts.iter().zip(&names) {
            assert_eq!((name.as_str(), &name.to_string(), name), (text.as_str(), text, &Name::known(text)));
            assert!(hashed.contains(text.as_str()) && sorted.contains(text.as_str()), "{text:?}");
        }
        assert_eq!(Name::default(), Name::known(""));
        assert!(hashed.contains(&Name::default()));
    }
}
