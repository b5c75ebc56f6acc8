//! How near a binding comes that does not match: so that of many misses those are told that may have been meant.
//!
//! First counts the number of differences, then how much fits, then how many letters differ; of equals the older binding
//! is nearer. Of each exchange the [`MISSES_SHOWN`] nearest are kept.

use super::Asked;
use super::likeness::distance;
use super::miss::{Compared, MatchMode, Miss};
use super::step::{Fit, Matching};
use super::words::{Gap, lay};
use crate::route::spec::{Binding, ExchangeKind};
use std::cmp::Reverse;

/// How many bindings that miss are shown of one exchange.
const MISSES_SHOWN: usize = 8;

/// How many names are shown that are like one that is not there.
const NAMES_SHOWN: usize = 3;

/// How near a miss is: what is less is nearer.
pub(super) type Rank = (usize, Reverse<usize>, usize);

/// A binding that misses.
pub(super) struct Near {
    pub(super) rank: Rank,
    pub(super) place: usize,
    /// The nearest key's place.
    pub(super) key: usize,
    pub(super) binding: Binding,
}

/// The nearest misses of an exchange.
#[derive(Default)]
pub(super) struct Misses {
    /// The nearest first.
    pub(super) nearest: Vec<Near>,
    /// How many there are in all.
    pub(super) count: usize,
}

impl Misses {
    /// What a miss must be nearer than to be told.
    pub(super) fn worst(&self) -> Rank {
        let last = self.nearest.get(MISSES_SHOWN - 1);
        last.map_or((usize::MAX, Reverse(0), usize::MAX), |near| near.rank)
    }

    pub(super) fn add(&mut self, (rank, key): (Rank, usize), place: usize, binding: Binding) {
        self.count += 1;
        let at = self.nearest.partition_point(|known| known.rank <= rank);
        if at < MISSES_SHOWN {
            self.nearest.truncate(MISSES_SHOWN - 1);
            self.nearest.insert(at, Near { rank, place, key, binding });
        }
    }
}

/// Whether a binding matches, and how; or how near it is, by the key of which place. Where that is not nearer than the
/// worst that is told, it is not looked at so closely.
pub(super) fn compare(
    kind: ExchangeKind,
    binding: &Binding,
    asked: Asked<'_>,
    worst: Rank,
) -> Result<Fit, (Rank, usize)> {
    let by_keys = |compare: &dyn Fn(&str) -> Result<Fit, Rank>| {
        let mut nearest: Option<(Rank, usize)> = None;
        for (at, key) in asked.keys.iter().enumerate() {
            match compare(key) {
                Ok(fit) => return Ok(fit),
                Err(rank) if nearest.is_none_or(|(known, _)| rank < known) => nearest = Some((rank, at)),
                Err(_) => {}
            }
        }
        Err(nearest.unwrap_or_default())
    };
    match kind {
        ExchangeKind::Fanout => Ok(Fit::Fanout),
        ExchangeKind::Direct => by_keys(&|key| match *key == *binding.key {
            true => Ok(Fit::Key { key: asked.told(key) }),
            false => Err((1, Reverse(0), distance(&binding.key, key, worst.2))),
        }),
        ExchangeKind::Topic => by_keys(&|key| {
            let beside = lay(&binding.key, key);
            if beside.gaps.is_empty() {
                return Ok(Fit::Pattern { key: asked.told(key), took: beside.took });
            }
            let (differences, same) = (beside.gaps.len(), Reverse(beside.same));
            if (differences, same) > (worst.0, worst.1) {
                return Err((differences, same, usize::MAX));
            }
            let steps = beside.gaps.iter().map(|gap| match gap {
                Gap::Differs { is, wanted, .. } => distance(is, wanted, usize::MAX),
                Gap::Missing { wanted: text, .. } | Gap::Extra { is: text, .. } => text.len(),
            });
            Err((differences, same, steps.sum()))
        }),
        ExchangeKind::Headers => match Compared::new(&binding.arguments, asked.headers) {
            Ok(Compared { mode, matches: true, fitting, .. }) => Ok(Fit::Headers { mode, fitting }),
            // Nothing is asked for, and one has to fit: no message ever will.
            Ok(Compared { misses, .. }) if misses.is_empty() => Err(NEVER),
            Ok(Compared { mode: MatchMode::Any | MatchMode::AnyWithX, misses, .. }) => {
                Err(((1, Reverse(0), misses.len()), 0))
            }
            Ok(Compared { fitting, misses, .. }) => Err(((misses.len(), Reverse(fitting.len()), 0), 0)),
            // No binding of a headers exchange is made with such arguments.
            Err(_) => Err(NEVER),
        },
    }
}

/// The rank of a binding that matches nothing.
const NEVER: (Rank, usize) = ((usize::MAX, Reverse(0), 0), 0);

/// Tells why a binding misses, by the nearest key.
pub(super) fn missed(kind: ExchangeKind, binding: &Binding, key: usize, asked: Asked<'_>) -> Matching {
    let key = asked.keys.get(key).copied().unwrap_or_default();
    let told = match kind {
        ExchangeKind::Topic => Miss::of_topic(&binding.key, key),
        ExchangeKind::Headers => Miss::of_headers(&binding.arguments, asked.headers),
        ExchangeKind::Direct | ExchangeKind::Fanout => Miss::of_key(&binding.key, key),
    };
    let by_key = asked.told(key).filter(|_| kind != ExchangeKind::Headers);
    Matching::Missed { key: by_key, miss: told.unwrap_or(Miss::Words(Vec::new())) }
}

/// The names that are most like this one, the nearest first; none that differ in more than half of their letters.
pub(crate) fn like<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut nearest: Vec<(usize, &str)> = Vec::new();
    for known in names {
        let half = known.chars().count() / 2;
        let steps = if known.eq_ignore_ascii_case(name) { 0 } else { distance(known, name, half) };
        if steps <= half {
            let at = nearest.partition_point(|other| *other <= (steps, known));
            if at < NAMES_SHOWN {
                nearest.truncate(NAMES_SHOWN - 1);
                nearest.insert(at, (steps, known));
            }
        }
    }
    nearest.into_iter().map(|(_, name)| name).collect()
}
