//! The texts of a message's properties: short ones lie in the value itself.
//!
//! Up to 23 bytes are copied, so that a property which all messages share, such as a content type, has no counter that
//! publishers and consumers on different CPUs both change for each message. Longer ones are shared by reference count.

use crate::base::Name;
use smol_str::SmolStr;
use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A text in the properties of a message: what AMQP calls a short string, cheap to clone.
///
/// It reads as a `str` and is made from whatever is one. More than 255 bytes may be in it; publishing refuses that.
///
/// ```
/// use leveret::{Message, ShortStr};
///
/// let json = ShortStr::from("application/json");
/// let message = Message::new("{}").content_type(json.clone()).message_id("o-1");
/// assert_eq!(message.properties().content_type, Some(json));
/// assert_eq!(message.properties().message_id.as_deref(), Some("o-1"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShortStr(SmolStr);

impl ShortStr {
    /// The text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for ShortStr {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ShortStr {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ShortStr {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ShortStr {
    fn eq(&self, other: &str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<&str> for ShortStr {
    fn eq(&self, other: &&str) -> bool {
        self.0 == **other
    }
}

impl From<ShortStr> for Arc<str> {
    fn from(text: ShortStr) -> Self {
        text.0.into()
    }
}

impl From<ShortStr> for String {
    fn from(text: ShortStr) -> Self {
        text.0.into()
    }
}

impl From<Name> for ShortStr {
    fn from(name: Name) -> Self {
        Self(name.into_text())
    }
}

macro_rules! made_from {
    ($($text:ty),+ $(,)?) => {
        $(impl From<$text> for ShortStr {
            #[inline]
            fn from(text: $text) -> Self {
                Self(SmolStr::from(text))
            }
        })+
    };
}

made_from!(&str, &String, String, Box<str>, Arc<str>, Cow<'_, str>);

impl fmt::Debug for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}
