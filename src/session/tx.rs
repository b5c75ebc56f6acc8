//! The transaction: publishes and settlements of a channel, held until commit.
//!
//! A publish is checked and routed when it is made; a settled tag leaves the ledger when it is settled. Only the effect
//! waits. At commit all publishes go first, in order; then the settlements, where consecutive ones of one kind form one
//! run (publishes between them do not part a run). A rollback drops the publishes and gives the tags back.

/// Settlements of one kind, with their tags, in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<K, T> {
    /// What is done to them.
    pub kind: K,
    /// Tags, and what they stood for.
    pub entries: Vec<(u64, T)>,
}

/// What a commit carries out: first the publishes, then the runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<P, K, T> {
    /// Publishes in the order in which they were made.
    pub publishes: Vec<P>,
    /// Settlements in the order in which they were made.
    pub runs: Vec<Run<K, T>>,
}

/// What an open transaction holds: publishes `P`, and deliveries `T` settled in some way `K`.
#[derive(Clone, Debug)]
pub struct Transaction<P, K, T> {
    publishes: Vec<P>,
    runs: Vec<Run<K, T>>,
    settled: usize,
}

impl<P, K, T> Default for Transaction<P, K, T> {
    fn default() -> Self {
        Self { publishes: Vec::new(), runs: Vec::new(), settled: 0 }
    }
}

impl<P, K: PartialEq, T> Transaction<P, K, T> {
    /// How many publishes and settled deliveries it holds.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.publishes.len() + self.settled
    }

    /// Holds a publish.
    pub fn publish(&mut self, publish: P) {
        self.publishes.push(publish);
    }

    /// Holds settled deliveries, which have left the ledger.
    pub fn settle(&mut self, kind: K, entries: impl IntoIterator<Item = (u64, T)>) {
        let entries = entries.into_iter();
        match self.runs.last_mut().filter(|run| run.kind == kind) {
            Some(run) => {
                let before = run.entries.len();
                run.entries.extend(entries);
                self.settled += run.entries.len() - before;
            }
            None => {
                let run = Run { kind, entries: entries.collect() };
                self.settled += run.entries.len();
                self.runs.push(run);
            }
        }
    }

    /// Gives out what it holds and begins anew.
    pub fn commit(&mut self) -> Committed<P, K, T> {
        let Self { publishes, runs, .. } = std::mem::take(self);
        Committed { publishes, runs }
    }

    /// Drops the publishes, gives back the settled deliveries in the order of tags, and begins anew.
    pub fn rollback(&mut self) -> Vec<(u64, T)> {
        let Self { runs, .. } = std::mem::take(self);
        let mut entries: Vec<_> = runs.into_iter().flat_map(|run| run.entries).collect();
        entries.sort_by_key(|(tag, _)| *tag);
        entries
    }
}
