//! Words of routing keys and patterns.
//!
//! Words are what stands between dots. The empty key has no words at all; `"."` is two empty ones. A wildcard is a
//! whole word: `a*` is an ordinary word of two characters. Words are compared as bytes.
//!
//! Most words are short, so eight bytes are read at once, the dot is found in them by arithmetic, and what is before it
//! is kept as a number: two short words are compared, and told from wildcards, without looking at their text again.

use memchr::{memchr, memchr2};

/// A word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    /// The key from the word on, and the word's length in it.
    rest: &'a [u8],
    length: usize,
    short: u64,
}

/// One word of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// `*`: exactly one word, whatever it is.
    Star,
    /// `#`: any number of words, none included.
    Hash,
    /// This word.
    Word(Word<'a>),
}

/// The words of a key, in order.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    key: &'a [u8],
    /// Where the next word begins; past the end of the key where there is none.
    at: usize,
}

/// Splits a key into its words.
pub(super) fn words(key: &[u8]) -> Words<'_> {
    Words { key, at: usize::from(key.is_empty()) }
}

/// Whether some word of the pattern is a wildcard.
pub(super) fn has_wildcard(pattern: &[u8]) -> bool {
    memchr2(b'*', b'#', pattern).is_some() && words(pattern).any(|word| !matches!(word.part(), Part::Word(_)))
}

/// Whether the words of a key fit a pattern, or one with a `#` before it; `steps` counts the words that were compared.
///
/// Each `#` is given no word at first. Where the words behind it do not fit, it takes one more and they are tried
/// again; earlier ones need not be, since whatever these could take, the last one can. So this ends after at most as
/// many steps as there are words times parts.
pub(super) fn fits(behind_hash: bool, mut pattern: Words<'_>, mut key: Words<'_>, steps: &mut u64) -> bool {
    // Where the pattern goes on behind the last `#`, and the first word of the key that this has not taken.
    let mut last_hash = behind_hash.then_some((pattern.at, key.at));
    loop {
        *steps += 1;
        let fits = match pattern.next() {
            Some(part) if part.short == HASH => {
                last_hash = Some((pattern.at, key.at));
                continue;
            }
            Some(part) => key.next().is_some_and(|word| part.short == STAR || part == word),
            None if key.is_over() => return true,
            None => false,
        };
        if !fits {
            let Some((behind, from)) = &mut last_hash else { return false };
            (pattern.at, key.at) = (*behind, *from);
            if key.next().is_none() {
                return false;
            }
            *from = key.at;
        }
    }
}

impl<'a> Word<'a> {
    pub(super) fn text(self) -> &'a [u8] {
        self.rest.get(..self.length).unwrap_or_default()
    }

    /// What the word is in a pattern.
    pub(super) fn part(self) -> Part<'a> {
        match self.short {
            STAR => Part::Star,
            HASH => Part::Hash,
            _ => Part::Word(self),
        }
    }

    /// The number of a word of at most seven bytes: the bytes, and a one behind them that tells where they end.
    #[inline]
    pub(super) fn short(self) -> Option<u64> {
        (self.short != LONG).then_some(self.short)
    }
}

impl PartialEq for Word<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.short == other.short && (self.short != LONG || self.text() == other.text())
    }
}

impl Eq for Word<'_> {}

impl<'a> Words<'a> {
    /// The words from this place on, where one begins; there are none past the end.
    #[inline]
    pub(super) fn from(key: &'a [u8], at: usize) -> Self {
        Self { key, at }
    }

    /// Where the next word begins; past the end of the key where there is none.
    #[inline]
    pub(super) fn place(&self) -> usize {
        self.at
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.at > self.key.len()
    }

    /// The next eight bytes, the first one lowest; zeros behind the end.
    #[inline]
    fn ahead(&self, rest: &[u8]) -> u64 {
        if let Some(eight) = rest.first_chunk() {
            return u64::from_le_bytes(*eight);
        }
        let missing = (8 - rest.len()) * 8;
        match self.key.last_chunk() {
            Some(eight) => u64::from_le_bytes(*eight).checked_shr(missing as u32).unwrap_or(0),
            None => rest.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    #[inline]
    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.key.get(self.at..)?;
        let ahead = self.ahead(rest);
        let mut length = first_dot(ahead).min(rest.len());
        let mut short = LONG;
        if length < 8 {
            let end = 1 << (length * 8);
            short = ahead & (end - 1) | end;
        } else {
            length = memchr(b'.', rest).unwrap_or(rest.len());
        }
        self.at += length + 1;
        Some(Word { rest, length, short })
    }
}

/// The place of the first dot among eight bytes; eight where there is none.
#[inline]
fn first_dot(bytes: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // A byte that is zero borrows from its highest bit; what that does to later bytes does not matter.
    let zero_at_dots = bytes ^ (ONES * DOT);
    let marks = zero_at_dots.wrapping_sub(ONES) & !zero_at_dots & (ONES << 7);
    marks.trailing_zeros() as usize / 8
}

const DOT: u64 = b'.' as u64;
const STAR: u64 = 1 << 8 | b'*' as u64;
const HASH: u64 = 1 << 8 | b'#' as u64;
/// Stands for every word of more than seven bytes; no short one has this number.
const LONG: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn split(key: &str) -> Vec<&str> {
        words(key.as_bytes()).map(|word| std::str::from_utf8(word.text()).unwrap()).collect()
    }

    #[test]
    fn words_stand_between_dots() {
        assert_eq!(split(""), Vec::<&str>::new());
        assert_eq!(split("."), ["", ""]);
        assert_eq!(split("a"), ["a"]);
        assert_eq!(split("a."), ["a", ""]);
        assert_eq!(split(".a..bé"), ["", "a", "", "bé"]);
        // Every length around eight, at every place, beside bytes next to a dot's.
        for length in 0..20 {
            let word = "./-0".repeat(5).replace('.', "\u{1}")[..length].to_owned();
            for key in [word.clone(), format!("{word}.abc"), format!("abc.{word}"), format!("abcdefgh.{word}.")] {
                let plain: Vec<&str> = if key.is_empty() { Vec::new() } else { key.split('.').collect() };
                assert_eq!(split(&key), plain);
            }
        }
    }

    #[test]
    fn words_are_the_same_where_their_bytes_are() {
        let texts = ["", "a", "b", "a\0", "\0a", "abcdefg", "abcdefgh", "abcdefgi", "abcdefg\u{1}"];
        for one in texts {
            for other in texts {
                let [a, b] = [one, other].map(|text| format!("x.{text}"));
                assert_eq!(words(a.as_bytes()).nth(1) == words(b.as_bytes()).nth(1), one == other);
            }
        }
    }

    #[test]
    fn wildcards_are_whole_words() {
        assert!(has_wildcard(b"a.*"));
        assert!(has_wildcard(b"#"));
        assert!(!has_wildcard(b""));
        assert!(!has_wildcard(b"a*.#b.**"));
    }
}
