//! Shrinking: fewer choices that fail as well.
//!
//! Candidates are what is left when a part of the list is cut out, or made plain, or when a number is made smaller: large
//! parts first. One that fails and is simpler is gone on from, with the choices that it really made. It is not searched
//! for the simplest of all, and it ends at a budget.

use super::choices::List;

/// At most so many runs.
const RUNS: usize = 600;

/// One way in which a list may be made simpler.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// What is behind this place goes.
    End(usize),
    /// This part is made plain.
    Plain(usize, usize),
    /// This part goes.
    Cut(usize, usize),
    /// The number in this place is halved, or made smaller by one.
    Halve(usize),
    Lower(usize),
}

/// Makes a failing list simpler. `run` runs one, and gives the choices that it made and what came of it, where it fails.
pub(super) fn shrink<T>(list: List, found: T, mut run: impl FnMut(&List) -> Option<(List, T)>) -> (List, T) {
    let mut best = (list, found);
    let mut runs = 0;
    loop {
        let before = best.0.measure();
        let (mut edits, mut at) = (edits(best.0.numbers().len()), 0);
        while let Some(edit) = edits.get(at) {
            at += 1;
            let candidate = edit.of(best.0.numbers());
            if candidate.measure() >= best.0.measure() {
                continue;
            }
            if runs >= RUNS {
                return best;
            }
            runs += 1;
            if let Some((made, found)) = run(&candidate)
                && made.measure() < best.0.measure()
            {
                // What is behind this place is tried on the new one.
                best = (made, found);
                edits = self::edits(best.0.numbers().len());
            }
        }
        if best.0.measure() >= before {
            return best;
        }
    }
}

/// What may be tried, the boldest first.
fn edits(length: usize) -> Vec<Edit> {
    let sizes = std::iter::successors(Some(length), |size| Some(size / 2)).take_while(|size| *size > 0);
    let parts: Vec<(usize, usize)> =
        sizes.flat_map(|size| (0..length).step_by(size).map(move |from| (from, (from + size).min(length)))).collect();
    let ends = std::iter::successors(Some(0), |end| Some(if *end == 0 { length / 2 } else { end + end.div_ceil(2) }));
    let ends = ends.take_while(|end| *end < length).take(64).map(Edit::End);
    let plain = parts.iter().map(|(from, to)| Edit::Plain(*from, *to));
    let cut = parts.iter().map(|(from, to)| Edit::Cut(*from, *to));
    let less = (0..length).flat_map(|at| [Edit::Halve(at), Edit::Lower(at)]);
    ends.chain(plain).chain(cut).chain(less).collect()
}

impl Edit {
    fn of(self, numbers: &[u32]) -> List {
        let edited = numbers.iter().enumerate().filter_map(|(at, number)| match self {
            Self::End(end) => (at < end).then_some(*number),
            Self::Plain(from, to) => Some(if (from..to).contains(&at) { 0 } else { *number }),
            Self::Cut(from, to) => (!(from..to).contains(&at)).then_some(*number),
            Self::Halve(place) => Some(if at == place { number / 2 } else { *number }),
            Self::Lower(place) => Some(if at == place { number.saturating_sub(1) } else { *number }),
        });
        List::new(edited.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{List, shrink};

    #[test]
    fn the_smallest_that_still_fails_is_found() {
        // Fails where a 2 or more stands somewhere behind a 1 or more.
        let fails = |list: &List| {
            let first = list.numbers().iter().position(|number| *number >= 1);
            first.is_some_and(|first| list.numbers().iter().skip(first + 1).any(|number| *number >= 2))
        };
        let start = List::new(vec![0, 3, 0, 1, 4, 0, 0, 2, 9, 1, 0, 5]);
        assert!(fails(&start));
        let (found, ()) = shrink(start, (), |list| fails(list).then(|| (list.clone(), ())));
        assert_eq!(found.numbers(), [1, 2]);
    }

    #[test]
    fn what_fails_anyhow_needs_no_choices() {
        let (found, ()) = shrink(List::new(vec![3, 2, 1]), (), |list| Some((list.clone(), ())));
        assert!(found.numbers().is_empty());
    }
}
