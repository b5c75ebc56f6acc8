//! Likeness: how near two texts are that differ, so that a slip is told as one.

use std::fmt;

/// What two different texts have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Likeness {
    /// Only upper and lower case differ.
    Case,
    /// Only white space differs.
    WhiteSpace,
    /// One letter differs, is missing, is too many, or two are swapped; two such slips in a text of eight letters and
    /// more. Digits are no slips, nor is anything in texts of less than four letters.
    Typo,
    /// They are different texts.
    Unlike,
}

impl Likeness {
    /// Compares two texts that are not the same.
    pub(super) fn of(one: &str, other: &str) -> Self {
        let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        let bare = |text: &str| without(text, char::is_whitespace);
        if lower(one) == lower(other) {
            return Self::Case;
        }
        if bare(one) == bare(other) {
            return Self::WhiteSpace;
        }
        let letters = one.chars().count().min(other.chars().count());
        let slips = match letters {
            0..4 => 0,
            4..8 => 1,
            _ => 2,
        };
        let digit = |c: char| c.is_ascii_digit();
        if distance(one, other, slips) <= slips && without(one, digit) != without(other, digit) {
            return Self::Typo;
        }
        Self::Unlike
    }
}

/// What follows a text that says that two things differ; nothing where they are unlike.
impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Case => " (only upper and lower case differ)",
            Self::WhiteSpace => " (only white space differs)",
            Self::Typo => " (mistyped?)",
            Self::Unlike => "",
        })
    }
}

/// How many letters are to be changed, put in, taken out or swapped with their neighbour to make one text of the other.
/// Where that is more than `most`, some number that is more than `most` too.
///
/// What both begin and end with is skipped. Where more than [`COMPARED`] letters are left, their number is told.
pub(super) fn distance(one: &str, other: &str, most: usize) -> usize {
    let before = shared(one.chars(), other.chars());
    let (one, other) = (one.get(before..).unwrap_or_default(), other.get(before..).unwrap_or_default());
    let behind = shared(one.chars().rev(), other.chars().rev());
    let middle = |text: &str| text.get(..text.len() - behind).unwrap_or_default().chars().collect::<Vec<char>>();
    let (one, other) = (middle(one), middle(other));
    let least = one.len().abs_diff(other.len());
    match one.len().max(other.len()) {
        _ if least > most => least,
        longer if longer > COMPARED => longer,
        _ => edits(&one, &other, most),
    }
}

/// How many bytes are the same, letter by letter.
fn shared(one: impl Iterator<Item = char>, other: impl Iterator<Item = char>) -> usize {
    one.zip(other).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

/// The distance, row by row: after each letter of `one`, what each beginning of `other` costs.
fn edits(one: &[char], other: &[char], most: usize) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX / 2);
    for (i, letter) in one.iter().enumerate() {
        let mut row = Vec::with_capacity(other.len() + 1);
        row.push(i + 1);
        for (j, wanted) in other.iter().enumerate() {
            let changed = at(&last, j) + usize::from(letter != wanted);
            let mut least = changed.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && one.get(i - 1) == Some(wanted) && other.get(j - 1) == Some(letter);
            if swapped {
                least = least.min(at(&before_last, j - 1) + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
        // A swap reaches back by two rows, at the cost of one.
        let least = |row: &[usize]| row.iter().min().copied().unwrap_or_default();
        let reached = least(&last).min(least(&before_last) + 1);
        if reached > most {
            return reached;
        }
    }
    last.last().copied().unwrap_or_default()
}

fn without(text: &str, skipped: impl Fn(char) -> bool) -> String {
    text.chars().filter(|c| !skipped(*c)).collect()
}

/// How many letters are compared one by one.
const COMPARED: usize = 24;

#[cfg(test)]
mod tests {
    use super::{COMPARED, Likeness, distance};

    #[test]
    fn slips_are_told_from_other_words() {
        for (one, other, expected) in [
            ("order", "Order", Likeness::Case),
            ("order ", "order", Likeness::WhiteSpace),
            ("order", "odrer", Likeness::Typo),
            ("order", "orders", Likeness::Typo),
            ("orders", "ordres2", Likeness::Unlike),
            ("inventory", "inventroies", Likeness::Unlike),
            ("inventory", "invnetry", Likeness::Typo),
            ("us", "eu", Likeness::Unlike),
            ("lane-1", "lane-2", Likeness::Unlike),
        ] {
            assert_eq!(Likeness::of(one, other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn distance_counts_steps() {
        for (one, other, steps) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
            ("xaby", "xbay", 1),
            ("aa", "aaa", 1),
            ("\u{e9}a", "\u{e8}a", 1),
        ] {
            for most in 0..9 {
                let found = [distance(one, other, most), distance(other, one, most)];
                let is_right = |found: usize| if steps > most { found > most } else { found == steps };
                assert!(found.into_iter().all(is_right), "{one:?} {other:?}, at most {most}: {found:?}");
            }
        }
        assert_eq!(distance(&"a".repeat(300), &"b".repeat(200), 999), 300);
        // As many letters as are compared, and one more.
        for (letters, steps) in [(COMPARED, 2), (COMPARED + 1, COMPARED + 1)] {
            let word = |end: &str| [end, &"a".repeat(letters - 2), end].concat();
            assert_eq!(distance(&word("b"), &word("c"), 999), steps, "{letters} letters");
        }
    }
}
