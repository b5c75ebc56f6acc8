//! Activities: work that no queue knows of, such as what a handler does after it has acknowledged.

use super::TestBroker;
use super::watch::Watch;
use crate::base::Moment;
use crate::base::sync::{Mutex, Rank};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The activities that go on, in the order in which they began.
#[derive(Clone, Debug)]
pub(super) struct Activities(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    going: BTreeMap<u64, (String, Moment)>,
    begun: u64,
}

impl Default for Activities {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Rank::Leaf, List::default())))
    }
}

impl Activities {
    /// Those that go on: their names, and when they began.
    pub(super) fn going(&self) -> Vec<(String, Moment)> {
        self.0.lock().going.values().cloned().collect()
    }
}

/// Work that [`settle`](TestBroker::settle) waits for, until this is dropped. Made by [`TestBroker::activity`].
#[derive(Debug)]
#[must_use = "the activity ends when this is dropped"]
pub struct Activity {
    activities: Activities,
    watch: Watch,
    number: u64,
}

impl TestBroker {
    /// Says that something goes on that no queue knows of: what a consumer does after it has acknowledged, or a request
    /// whose answer is awaited. [`settle`](TestBroker::settle) waits until the value is dropped; `name` is what it is
    /// called where that does not come.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use std::time::Duration;
    ///
    /// let t = TestBroker::new();
    /// t.set_guard(Duration::from_millis(1));
    /// let charging = t.activity("charging the card");
    /// assert!(t.settle_blocking().unwrap_err().to_string().contains("charging the card"));
    /// drop(charging);
    /// t.settle_blocking()?;
    /// # Ok::<(), leveret::testing::NotSettled>(())
    /// ```
    pub fn activity(&self, name: impl Into<String>) -> Activity {
        let shared = self.shared();
        let mut list = shared.activities.0.lock();
        let number = list.begun;
        list.begun += 1;
        list.going.insert(number, (name.into(), self.now()));
        drop(list);
        Activity { activities: shared.activities.clone(), watch: shared.watch.clone(), number }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.activities.0.lock().going.remove(&self.number);
        self.watch.stir();
    }
}
