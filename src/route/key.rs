//! Words of routing keys and patterns.
//!
//! Words are what stands between dots. The empty key has no words at all; `"."` is two empty ones. A wildcard is a
//! whole word: `a*` is an ordinary word of two characters. Words are compared as bytes.

use memchr::memchr;

/// One word of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// `*`: exactly one word, whatever it is.
    Star,
    /// `#`: any number of words, none included.
    Hash,
    /// This word.
    Word(&'a [u8]),
}

/// The words of a key, in order.
pub(super) struct Words<'a> {
    rest: Option<&'a [u8]>,
}

/// Splits a key into its words.
pub(super) fn words(key: &str) -> Words<'_> {
    Words { rest: if key.is_empty() { None } else { Some(key.as_bytes()) } }
}

/// Splits a pattern into its words.
pub(super) fn parts(pattern: &str) -> impl Iterator<Item = Part<'_>> {
    words(pattern).map(|word| match word {
        b"*" => Part::Star,
        b"#" => Part::Hash,
        word => Part::Word(word),
    })
}

/// Whether some word of the pattern is a wildcard.
pub(super) fn has_wildcard(pattern: &str) -> bool {
    parts(pattern).any(|part| !matches!(part, Part::Word(_)))
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let Some((word, after)) = memchr(b'.', rest).and_then(|dot| rest.split_at_checked(dot)) else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = after.split_first().map(|(_dot, tail)| tail);
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(key: &str) -> Vec<&str> {
        words(key).map(|word| std::str::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn words_stand_between_dots() {
        assert_eq!(split(""), Vec::<&str>::new());
        assert_eq!(split("."), ["", ""]);
        assert_eq!(split("a"), ["a"]);
        assert_eq!(split("a."), ["a", ""]);
        assert_eq!(split(".a..bé"), ["", "a", "", "bé"]);
    }

    #[test]
    fn wildcards_are_whole_words() {
        assert!(has_wildcard("a.*"));
        assert!(has_wildcard("#"));
        assert!(!has_wildcard(""));
        assert!(!has_wildcard("a*.#b.**"));
    }
}
