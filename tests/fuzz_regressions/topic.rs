//! Target `topic`: topic patterns against the naive matcher of the property tests.
//!
//! Each line of the input is a step: `+pattern` adds a binding, `-number` takes one of those held out, all else is a
//! key whose matches are compared.
//!
//! Seen to fail on a planted bug: a `#` that needs a word.

#[path = "../naive/topic.rs"]
mod naive;

use leveret::Name;
use leveret::internals::{Destination, Hit, QueueId, Topic, Walk};

pub(crate) fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let mut topic = Topic::new();
    let mut walk = Walk::default();
    let mut held: Vec<(u64, Name)> = Vec::new();
    for (born, line) in (0..).zip(input.lines().take(200)) {
        if let Some(pattern) = line.strip_prefix('+') {
            let Ok(pattern) = Name::new(pattern) else { continue };
            topic.insert(&pattern, Hit { born, to: Destination::Queue(QueueId(0)) });
            held.push((born, pattern));
        } else if let Some(Ok(number)) = line.strip_prefix('-').map(str::parse::<usize>) {
            if held.is_empty() {
                continue;
            }
            let (born, pattern) = held.remove(number % held.len());
            assert!(topic.remove(&pattern, born), "{pattern} was held");
        } else if line.len() <= Name::MAX_BYTES {
            let before = walk.steps();
            let mut hits = Vec::new();
            topic.matches(line, &mut walk, &mut hits);
            let mut found: Vec<u64> = hits.iter().map(|hit| hit.born).collect();
            found.sort_unstable();
            let fits = held.iter().filter(|(_, pattern)| naive::fits(pattern, line));
            assert_eq!(found, fits.map(|(born, _)| *born).collect::<Vec<_>>(), "key {line:?} of {held:?}");
            let nodes: usize = 1 + held.iter().map(|(_, pattern)| naive::words(pattern).len()).sum::<usize>();
            let words = naive::words(line).len();
            assert!(walk.steps() - before <= ((words + 1) * nodes) as u64, "too much work for {line:?}");
        }
    }
}
