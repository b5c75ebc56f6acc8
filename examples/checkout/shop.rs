//! The shop: what its services share. The broker, the pace, the house, and the books that are kept of it all.

use crate::account::{Account, Sign};
use crate::house::{Gate, House};
use crate::journey::Journeys;
use crate::names::SERVICES;
use crate::pace::Pace;
use crate::retry::Crashes;
use crate::topology;
use leveret::Broker;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What all services share.
#[derive(Debug)]
pub(crate) struct Shop {
    /// The bus.
    pub(crate) broker: Broker,
    /// How fast everything takes place.
    pub(crate) pace: Pace,
    /// How long payment waits for the fraud check at the least, however fast the shop: a busy machine is no reason to
    /// ask again.
    pub(crate) least_patience: Duration,
    /// The orders inside.
    pub(crate) house: House,
    /// Where a service is made to stand still.
    pub(crate) gate: Gate,
    /// Which orders crashed which service.
    pub(crate) crashes: Crashes,
    /// The events of each order.
    pub(crate) journeys: Mutex<Journeys>,
    /// What the services did.
    pub(crate) tallies: [(&'static str, Tally); SERVICES.len()],
    /// Orders that were sent to the shop.
    pub(crate) sent: AtomicUsize,
    opened: Instant,
    account: Mutex<Account>,
    ended: Condvar,
}

/// What a service did, in numbers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Messages it did its work for.
    pub(crate) done: AtomicU64,
    /// Messages it had done its work for before.
    pub(crate) duplicates: AtomicU64,
    /// Messages it sent to wait for another try.
    pub(crate) retries: AtomicU64,
    /// Times it panicked and was started again.
    pub(crate) crashes: AtomicU64,
    /// Messages it gave up.
    pub(crate) given_up: AtomicU64,
}

impl Shop {
    /// Opens a shop at this pace, with this patience, and with journeys kept as said.
    ///
    /// # Errors
    ///
    /// What is wrong with the definitions.
    pub(crate) fn open(pace: Pace, least_patience: Duration, journeys: Journeys) -> Result<Self, String> {
        Ok(Self {
            broker: topology::open()?,
            pace,
            least_patience,
            house: House::new(topology::HOUSE),
            gate: Gate::default(),
            crashes: Crashes::default(),
            journeys: Mutex::new(journeys),
            tallies: SERVICES.map(|service| (service, Tally::default())),
            sent: AtomicUsize::new(0),
            opened: Instant::now(),
            account: Mutex::default(),
            ended: Condvar::new(),
        })
    }

    /// How long it is open.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Adds one to a number in a service's tally.
    pub(crate) fn count(&self, service: &str, which: impl Fn(&Tally) -> &AtomicU64) {
        if let Some((_, tally)) = self.tallies.iter().find(|(name, _)| *name == service) {
            which(tally).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Enters a sign of an order into the account. One that came to its end leaves the house.
    pub(crate) fn record(&self, line: u32, sign: Sign) {
        let ended = lock(&self.account).record(line, sign);
        self.after(line, ended);
    }

    /// Enters a letter into the account.
    pub(crate) fn letter(&self, line: Option<u32>, queue: &'static str, reason: &str) {
        let ended = lock(&self.account).letter(line, queue, reason);
        self.after(line.unwrap_or_default(), ended);
    }

    fn after(&self, line: u32, ended: bool) {
        if ended {
            self.house.leave(line);
            self.ended.notify_all();
        }
    }

    /// Waits until `orders` orders came to their end, or until `span` is over. How many have.
    pub(crate) fn wait_for_end(&self, orders: usize, span: Duration) -> usize {
        let open = |account: &mut Account| account.ended() < orders;
        let waited = self.ended.wait_timeout_while(lock(&self.account), span, open);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended()
    }

    /// The account as it stands.
    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.account)
    }
}

/// Orders that a service has done, or has in hand: what makes it do each of them once.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Whether it is done, by order id.
    orders: Mutex<HashMap<String, bool>>,
}

/// An order in hand. Let go of before it is [`done`](Claim::done), it may be claimed again.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    seen: &'a Seen,
    order: String,
}

impl Seen {
    /// Takes an order in hand; `None` where it is done, or where another thread has it.
    ///
    /// Whoever has it sees it through: a failure goes its own way to another try, a panic puts its message back. So the
    /// second message of the order has nothing to add and may be acknowledged.
    pub(crate) fn claim(&self, order: &str) -> Option<Claim<'_>> {
        let mut orders = lock(&self.orders);
        if orders.contains_key(order) {
            return None;
        }
        orders.insert(order.to_owned(), false);
        Some(Claim { seen: self, order: order.to_owned() })
    }
}

impl Claim<'_> {
    /// The work is done, and nobody is to do it again.
    pub(crate) fn done(self) {
        lock(&self.seen.orders).insert(self.order.clone(), true);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut orders = lock(&self.seen.orders);
        if orders.get(&self.order) == Some(&false) {
            orders.remove(&self.order);
        }
    }
}

/// Locks. Services panic on purpose here, but never while they change something under a lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_claimed_once() {
        let seen = Seen::default();
        let claim = seen.claim("A-1").expect("free");
        assert!(seen.claim("A-1").is_none());
        drop(claim);
        seen.claim("A-1").expect("free again").done();
        assert!(seen.claim("A-1").is_none());
        assert!(seen.claim("A-2").is_some());
    }
}
