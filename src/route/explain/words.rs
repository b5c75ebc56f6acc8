//! Words of a pattern beside words of a key: where they fit, and where they do not, with the fewest differences.
//!
//! A table tells, for each place in the pattern and each place in the key, how many differences are left behind both at
//! least; it is filled from the end. The walk from the beginning then takes, at each place, a step that the table says is
//! among the best: words beside each other first, then a word too many, then a missing one; a `#` takes as few as it can.
//! The table has as many cells as words times words, 128 times 128 at most.

/// What a wildcard of a pattern took of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Took {
    /// `*` or `#`.
    pub wildcard: char,
    /// The words that it took, with the dots between them.
    pub words: String,
    /// How many words that are: one for `*`, any number for `#`.
    pub count: usize,
}

/// One place at which a key does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap<'a> {
    /// The word of this number is another one.
    Differs { number: usize, is: &'a str, wanted: &'a str },
    /// There is no word for this one of the pattern, behind so many words of the key. The number is that which it would
    /// have, with those that are missing in the same place before it.
    Missing { behind: usize, number: usize, wanted: &'a str },
    /// The word of this number is one too many.
    Extra { number: usize, is: &'a str },
}

/// A pattern beside a key.
#[derive(Debug, Default)]
pub(super) struct Beside<'a> {
    /// Where they differ; nowhere, if the key fits.
    pub(super) gaps: Vec<Gap<'a>>,
    /// What the wildcards took, in order.
    pub(super) took: Vec<Took>,
    /// How many words of the pattern are none of the wildcards and fit.
    pub(super) same: usize,
}

/// Lays a pattern beside a key.
pub(super) fn lay<'a>(pattern: &'a str, key: &'a str) -> Beside<'a> {
    let (pattern, key) = (split(pattern), split(key));
    let table = Table::fill(&pattern, &key);
    let mut beside = Beside::default();
    let (mut i, mut j) = (0, 0);
    // Words that are missing in one place are counted on, as if they were there.
    let mut missing = 0;
    while let Some(step) = table.best(&pattern, &key, i, j) {
        let (wanted, is) = (pattern.get(i).copied().unwrap_or(""), key.get(j).copied().unwrap_or(""));
        let number = j + 1;
        match step {
            Step::Fits if wanted == "*" => {
                beside.took.push(Took { wildcard: '*', words: is.to_owned(), count: 1 });
            }
            Step::Fits => beside.same += 1,
            Step::Differs => beside.gaps.push(Gap::Differs { number, is, wanted }),
            Step::Missing => {
                beside.gaps.push(Gap::Missing { behind: j, number: number + missing, wanted });
                missing += 1;
            }
            Step::Extra => beside.gaps.push(Gap::Extra { number, is }),
            Step::Take => {
                let mut end = j;
                while table.at(i + 1, end) != table.at(i, j) && end < key.len() {
                    end += 1;
                }
                let words = key.get(j..end).unwrap_or_default();
                beside.took.push(Took { wildcard: '#', words: words.join("."), count: words.len() });
                j = end;
            }
        }
        if !matches!(step, Step::Missing) {
            missing = 0;
        }
        i += usize::from(!matches!(step, Step::Extra));
        j += usize::from(matches!(step, Step::Fits | Step::Differs | Step::Extra));
    }
    beside
}

/// One step of the walk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Fits,
    Differs,
    Missing,
    Extra,
    /// A `#` takes some words, or none.
    Take,
}

/// How many differences there are behind each pair of places, at least.
struct Table {
    cells: Vec<u16>,
    width: usize,
}

impl Table {
    fn fill(pattern: &[&str], key: &[&str]) -> Self {
        let width = key.len() + 1;
        let mut table = Self { cells: vec![0; width * (pattern.len() + 1)], width };
        for i in (0..=pattern.len()).rev() {
            for j in (0..=key.len()).rev() {
                let least = table.steps(pattern, key, i, j).map(|(_, cost)| cost).min();
                if let Some(cell) = table.cells.get_mut(i * width + j) {
                    *cell = least.unwrap_or(0);
                }
            }
        }
        table
    }

    fn at(&self, i: usize, j: usize) -> u16 {
        self.cells.get(i * self.width + j).copied().unwrap_or(u16::MAX / 2)
    }

    /// The first of the best steps; `None` at the end of both.
    fn best(&self, pattern: &[&str], key: &[&str], i: usize, j: usize) -> Option<Step> {
        let least = self.at(i, j);
        self.steps(pattern, key, i, j).find(|(_, cost)| *cost == least).map(|(step, _)| step)
    }

    /// The steps that can be taken here, and how many differences they lead to.
    fn steps(&self, pattern: &[&str], key: &[&str], i: usize, j: usize) -> impl Iterator<Item = (Step, u16)> {
        let (wanted, is) = (pattern.get(i), key.get(j));
        let steps = match (wanted, is) {
            (None, None) => [None, None, None],
            // Taking one more leaves it at this place of the pattern; that costs nothing.
            (Some(&"#"), None) => [Some((Step::Take, self.at(i + 1, j))), None, None],
            (Some(&"#"), Some(_)) => [Some((Step::Take, self.at(i + 1, j).min(self.at(i, j + 1)))), None, None],
            (Some(_), None) => [Some((Step::Missing, 1 + self.at(i + 1, j))), None, None],
            (None, Some(_)) => [Some((Step::Extra, 1 + self.at(i, j + 1))), None, None],
            (Some(wanted), Some(is)) => {
                let fits = *wanted == "*" || wanted == is;
                let step = if fits { Step::Fits } else { Step::Differs };
                [
                    Some((step, u16::from(!fits) + self.at(i + 1, j + 1))),
                    Some((Step::Extra, 1 + self.at(i, j + 1))),
                    Some((Step::Missing, 1 + self.at(i + 1, j))),
                ]
            }
        };
        steps.into_iter().flatten()
    }
}

/// The words of a key or pattern; the empty one has none.
fn split(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}
