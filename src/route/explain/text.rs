//! Names and values within a sentence: quoted, on one line, and not longer than can be read.

use crate::base::Name;
use crate::message::{Table, Value};
use std::fmt;

/// A name or word in quotes, cut where it is longer than any name may be. What would break the line is escaped.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

/// A value, in quotes where it is text, cut where it is long.
pub(crate) struct Short<'a>(pub(crate) &'a Value);

/// Arguments in braces, in their order.
pub(crate) struct Arguments<'a>(pub(crate) &'a Table);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quoted(f, self.0, Name::MAX_BYTES)
    }
}

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Value::LongString(bytes) | Value::ByteArray(bytes)) = self.0 else { return write!(f, "{}", self.0) };
        // A letter has at most four bytes, so what is cut off here would not be shown anyway; one more letter tells that there
        // are more.
        let text = String::from_utf8_lossy(bytes.get(..(SHOWN + 1) * 4).unwrap_or(bytes));
        quoted(f, &text, SHOWN)
    }
}

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            plain(f, name)?;
            write!(f, ": {}", Short(value))?;
        }
        f.write_str("}")
    }
}

/// Text in quotes, of at most so many letters.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str, most: usize) -> fmt::Result {
    let end = text.char_indices().nth(most).map(|(end, _)| end);
    f.write_str("'")?;
    plain(f, end.and_then(|end| text.get(..end)).unwrap_or(text))?;
    f.write_str(if end.is_some() { "...'" } else { "'" })
}

fn plain(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if c.is_control() { write!(f, "{}", c.escape_default())? } else { fmt::Write::write_char(f, c)? }
    }
    Ok(())
}

/// How many letters of a value are shown.
const SHOWN: usize = 64;
