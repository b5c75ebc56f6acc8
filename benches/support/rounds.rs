//! Interleaved rounds: every candidate runs once in every round, and is compared with the base line of that round.
//!
//! The machine may change its pace in the middle of a run (a cloud's CPUs do), so nanoseconds of different minutes say
//! nothing about each other, while ratios within one round do. The first candidate is the base line. The order within
//! a round rotates, so that nobody is always the one after the same other. A base line that spreads too far is a sign
//! of a noisy time: then all is run again, and the steadiest try is kept.

use std::time::Duration;

/// How many rounds, and how long each candidate runs in one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    rounds: usize,
    /// How often all is run at most, while the base line spreads too far.
    tries: usize,
    /// How long one candidate should run in one round; `None` is a handful of operations.
    span: Option<Duration>,
}

/// A candidate: runs that many operations, and says how long they took.
pub(crate) struct Candidate<'a> {
    name: &'static str,
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
    operations: u64,
    /// Whether the span says how many operations a run has.
    by_span: bool,
}

/// What a candidate took: medians over the rounds.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// Nanoseconds of one operation.
    pub(crate) ns: f64,
    /// Times the base line of the same round.
    pub(crate) ratio: f64,
    /// Interquartile range of the nanoseconds, in percent of their median.
    pub(crate) spread: f64,
}

impl Plan {
    /// For numbers.
    pub(crate) const MEASURE: Self = Self { rounds: 9, tries: 3, span: Some(Duration::from_millis(25)) };
    /// For seeing that it runs.
    pub(crate) const ONCE: Self = Self { rounds: 1, tries: 1, span: None };
    /// The base line's spread, in percent, above which all is run again.
    const SPREAD: f64 = 30.0;
    /// How many operations a candidate runs where no span is given.
    const HANDFUL: u64 = 64;
}

impl<'a> Candidate<'a> {
    /// A candidate of this name.
    pub(crate) fn new(name: &'static str, run: impl FnMut(u64) -> Duration + 'a) -> Self {
        Self { name, run: Box::new(run), operations: Plan::HANDFUL, by_span: true }
    }

    /// A candidate that does so many operations in each run, however long they take: as often through its data as the
    /// others, so that none finds its own in the caches where the others do not.
    pub(crate) fn of_operations(mut self, operations: u64) -> Self {
        (self.operations, self.by_span) = (operations, false);
        self
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Runs that many operations, for criterion.
    pub(crate) fn run(&mut self, operations: u64) -> Duration {
        (self.run)(operations)
    }

    /// Finds how many operations fill the span; the runs for it are the warm-up.
    fn calibrate(&mut self, span: Duration) {
        // The first run makes what is reused later, which is no measure for the others.
        (self.run)(self.operations);
        while self.by_span {
            let took = (self.run)(self.operations);
            if took * 4 >= span {
                let fill = span.as_secs_f64() / took.as_secs_f64() * self.operations as f64;
                self.operations = (fill as u64).max(1);
                return;
            }
            self.operations *= 4;
        }
    }

    /// Nanoseconds of one operation.
    fn once(&mut self) -> f64 {
        (self.run)(self.operations).as_nanos() as f64 / self.operations as f64
    }
}

/// Runs all candidates, the first of which is the base line, round by round.
pub(crate) fn interleave(plan: Plan, mut candidates: Vec<Candidate<'_>>) -> Vec<Measured> {
    if let Some(span) = plan.span {
        candidates.iter_mut().for_each(|candidate| candidate.calibrate(span));
    }
    let mut best: Option<Vec<Measured>> = None;
    for _ in 0..plan.tries {
        let measured = rounds(plan.rounds, &mut candidates);
        let steadier = best.as_ref().is_none_or(|best| measured[0].spread < best[0].spread);
        let steady = measured[0].spread <= Plan::SPREAD;
        if steadier {
            best = Some(measured);
        }
        if steady {
            break;
        }
    }
    best.unwrap_or_default()
}

fn rounds(rounds: usize, candidates: &mut [Candidate<'_>]) -> Vec<Measured> {
    let count = candidates.len();
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); count];
    for round in 0..rounds {
        for turn in 0..count {
            let at = (round + turn) % count;
            let ns = candidates[at].once();
            taken[at].push(ns);
        }
    }
    let base = taken[0].clone();
    let measure = |(candidate, ns): (&Candidate<'_>, &Vec<f64>)| {
        let ratios = ns.iter().zip(&base).map(|(ns, base)| ns / base).collect();
        Measured { name: candidate.name, ns: median(ns.clone()), ratio: median(ratios), spread: spread(ns.clone()) }
    };
    candidates.iter().zip(&taken).map(measure).collect()
}

/// The one of this name.
pub(crate) fn of<'m>(measured: &'m [Measured], name: &str) -> &'m Measured {
    measured.iter().find(|one| one.name == name).expect("a candidate of this name ran")
}

/// The middle of the values.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// Interquartile range in percent of the median.
fn spread(values: Vec<f64>) -> f64 {
    let middle = median(values.clone());
    (quantile(values.clone(), 0.75) - quantile(values, 0.25)) / middle * 100.0
}

/// The value below which this part of the values lies.
pub(crate) fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() - 1) as f64 * part;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}
