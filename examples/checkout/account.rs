//! The account: what became of every order, told only by what came over the bus (events in the queue `audit`, letters in
//! the dead-letter queues) and never by the services themselves. Pure: it is given signs and says what they add up to.
//!
//! An order is one line of the input. It has come to its end when nothing of it is under way any more, and that end is
//! exactly one of: completed (captured, mailed and dispatched), cancelled with a reason, or in a dead-letter queue. A
//! letter decides if the work that it asked for was never done; if there are several, the first does, as
//! [`crate::names::DECIDING`] lists their queues. The letter of a duplicate, whose work was done or which lies beside
//! another, is counted and decides nothing. What cannot be, such as two dispatches or a cancelled order that was
//! dispatched, is listed as double.

use crate::closing::Closing;
use crate::names::{DECIDING, EMAIL, INVENTORY, ORDER, PAYMENT, SHIPPING};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What is seen of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It was taken in.
    Created,
    /// Its goods were put aside.
    Reserved,
    /// Its money was taken.
    Captured,
    /// It will not be carried out, for this reason. The customer is mailed.
    Cancelled(Arc<str>),
    /// It carries an id that an earlier line has. Nobody is mailed.
    Repeated,
    /// The customer was mailed.
    Mailed,
    /// The parcel is on its way.
    Dispatched,
    /// A service gave it up, for this reason; the letter follows.
    Failed(String, Arc<str>),
    /// Anything else: it changes nothing.
    Other,
}

impl Sign {
    /// What an event says: its routing key in the exchange `events`, and its reason if it has one.
    pub(crate) fn of(key: &str, reason: Option<&str>) -> Self {
        let reason = || Arc::from(reason.unwrap_or("no reason was given"));
        let words: Vec<&str> = key.split('.').collect();
        match words.as_slice() {
            ["order", _, "created"] => Self::Created,
            ["order", _, "cancelled"] => Self::Cancelled(reason()),
            ["order", _, "repeated"] => Self::Repeated,
            ["inventory", "reserved"] => Self::Reserved,
            ["payment", "captured"] => Self::Captured,
            ["email", "sent"] => Self::Mailed,
            ["shipping", "dispatched"] => Self::Dispatched,
            [service, "failed"] => Self::Failed((*service).to_owned(), reason()),
            _ => Self::Other,
        }
    }
}

/// Why a repeated order is cancelled.
pub(crate) const REPEATED: &str = "an earlier order has its id";

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Something of it is still under way, or lost.
    Open,
    /// Captured, mailed and dispatched.
    Completed,
    /// Cancelled, for this reason.
    Cancelled(Arc<str>),
    /// In this dead-letter queue, for this reason.
    Dead(&'static str, Arc<str>),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Completed => f.write_str("completed"),
            Self::Cancelled(reason) => write!(f, "cancelled: {reason}"),
            Self::Dead(queue, reason) => write!(f, "in {queue}: {reason}"),
        }
    }
}

/// What was seen of one order, in counts: more than one is too many for most of them.
#[derive(Clone, Debug, Default)]
struct Entry {
    created: u32,
    reserved: u32,
    captured: u32,
    mailed: u32,
    dispatched: u32,
    cancelled: Vec<Arc<str>>,
    repeated: bool,
    failed: Vec<(String, Arc<str>)>,
    /// Its letters: the place of the queue in `DECIDING`, and the broker's reason.
    letters: Vec<(usize, Arc<str>)>,
    ended: bool,
}

/// The account of all orders, by line number.
#[derive(Debug, Default)]
pub(crate) struct Account {
    entries: BTreeMap<u32, Entry>,
    ended: usize,
    letters_aside: BTreeMap<(&'static str, Arc<str>), u64>,
}

impl Account {
    /// Enters a sign. `true` if the order is at its end.
    pub(crate) fn record(&mut self, line: u32, sign: Sign) -> bool {
        let entry = self.entries.entry(line).or_default();
        match sign {
            Sign::Created => entry.created += 1,
            Sign::Reserved => entry.reserved += 1,
            Sign::Captured => entry.captured += 1,
            Sign::Mailed => entry.mailed += 1,
            Sign::Dispatched => entry.dispatched += 1,
            Sign::Cancelled(reason) => entry.cancelled.push(reason),
            Sign::Repeated => entry.repeated = true,
            Sign::Failed(service, reason) => entry.failed.push((service, reason)),
            Sign::Other => {}
        }
        self.look(line)
    }

    /// Enters a letter: found in this dead-letter queue, where the broker put it for `reason`. `true` if the order is at
    /// its end.
    pub(crate) fn letter(&mut self, line: Option<u32>, queue: &'static str, reason: &str) -> bool {
        let (Some(place), Some(line)) = (DECIDING.iter().position(|known| *known == queue), line) else {
            *self.letters_aside.entry((queue, Arc::from(reason))).or_default() += 1;
            return false;
        };
        self.entries.entry(line).or_default().letters.push((place, Arc::from(reason)));
        self.look(line)
    }

    /// How many orders are at their end.
    pub(crate) fn ended(&self) -> usize {
        self.ended
    }

    /// What became of an order.
    pub(crate) fn fate(&self, line: u32) -> Fate {
        self.entries.get(&line).map_or(Fate::Open, Entry::fate)
    }

    /// Adds up, for the lines from 1 to `orders`.
    pub(crate) fn close(&self, orders: u32) -> Closing {
        let mut closing = Closing { orders, aside: self.letters_aside.clone(), ..Closing::default() };
        let nothing = Entry::default();
        for line in 1..=orders {
            let entry = self.entries.get(&line).unwrap_or(&nothing);
            match entry.fate() {
                Fate::Open => closing.missing.push((line, entry.seen())),
                Fate::Completed => closing.completed += 1,
                Fate::Cancelled(reason) => *closing.cancelled.entry(reason).or_default() += 1,
                Fate::Dead(queue, reason) => {
                    let place = DECIDING.iter().position(|known| *known == queue).unwrap_or_default();
                    *closing.dead.entry((place, reason)).or_default() += 1;
                }
            }
            for (place, why) in entry.letters_aside() {
                let queue = DECIDING.get(place).copied().unwrap_or_default();
                *closing.aside.entry((queue, Arc::clone(why))).or_default() += 1;
            }
            closing.double.extend(entry.contradiction().map(|what| (line, what)));
        }
        let strangers = self.entries.keys().filter(|line| !(1..=orders).contains(*line));
        closing.double.extend(strangers.map(|line| (*line, "no such line in the input".to_owned())));
        closing
    }

    /// Whether the order is at its end. It may leave it again: one of two equal messages died, and the other goes on.
    fn look(&mut self, line: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&line) else { return false };
        let ends = entry.fate() != Fate::Open;
        match (entry.ended, ends) {
            (false, true) => self.ended += 1,
            (true, false) => self.ended -= 1,
            _ => {}
        }
        entry.ended = ends;
        ends
    }
}

impl Entry {
    fn fate(&self) -> Fate {
        if !self.has_ended() {
            return Fate::Open;
        }
        if let Some((place, why)) = self.decisive().and_then(|at| self.letters.get(at)) {
            let queue = DECIDING.get(*place).copied().unwrap_or_default();
            return Fate::Dead(queue, self.reason_in(queue, why));
        }
        match self.cancelled.first() {
            _ if self.repeated => Fate::Cancelled(Arc::from(REPEATED)),
            Some(reason) => Fate::Cancelled(Arc::clone(reason)),
            None => Fate::Completed,
        }
    }

    /// Whether nothing of it is under way. A letter before the money was taken ends it; after that, and after it was
    /// cancelled, mail and parcel each come to an end of their own.
    fn has_ended(&self) -> bool {
        let [intake, inventory, payment, shipping, email] = [0, 1, 2, 3, 4].map(|place| self.is_dead_at(place));
        let mailed = self.mailed > 0 || email;
        let dispatched = self.dispatched > 0 || shipping;
        let carried_out = self.captured > 0 && mailed && dispatched;
        let refused = self.repeated || (!self.cancelled.is_empty() && mailed);
        intake || inventory || payment || refused || carried_out
    }

    /// Whether there is a letter in this deciding queue, and the work that it asked for was not done.
    fn is_dead_at(&self, place: usize) -> bool {
        let cancelled = !self.cancelled.is_empty();
        let done = match place {
            0 => self.created > 0 || self.repeated,
            1 => self.reserved > 0 || cancelled,
            2 => self.captured > 0 || cancelled,
            3 => self.dispatched > 0,
            _ => self.mailed > 0,
        };
        !done && self.letters.iter().any(|(other, _)| *other == place)
    }

    /// Which of its letters decides.
    fn decisive(&self) -> Option<usize> {
        let place = (0..DECIDING.len()).find(|place| self.is_dead_at(*place))?;
        self.letters.iter().position(|(other, _)| *other == place)
    }

    /// The letters that decide nothing.
    fn letters_aside(&self) -> impl Iterator<Item = (usize, &Arc<str>)> {
        let decisive = self.decisive();
        let aside = self.letters.iter().enumerate().filter(move |(at, _)| Some(*at) != decisive);
        aside.map(|(_, (place, why))| (*place, why))
    }

    /// What the service that gave it up said, or else the broker's word.
    fn reason_in(&self, queue: &str, why: &Arc<str>) -> Arc<str> {
        let service = match queue.strip_suffix(".dlq") {
            Some(service) => service,
            None => ORDER,
        };
        if &**why != "rejected" {
            return Arc::clone(why);
        }
        let said = self.failed.iter().find(|(failed, _)| failed == service);
        said.map_or_else(|| Arc::clone(why), |(_, reason)| Arc::clone(reason))
    }

    /// What of it cannot be: work that was done twice, or that should not have been done.
    fn contradiction(&self) -> Option<String> {
        let once = [
            (self.captured, "captured"),
            (self.mailed, "mailed"),
            (self.dispatched, "dispatched"),
            (self.cancelled.len() as u32, "cancelled"),
        ];
        if let Some((times, what)) = once.iter().find(|(times, _)| *times > 1) {
            return Some(format!("{what} {times} times"));
        }
        let carried_out = self.captured + self.dispatched > 0;
        (carried_out && !self.cancelled.is_empty()).then(|| "cancelled, and carried out too".into())
    }

    /// What was seen of it.
    fn seen(&self) -> String {
        let signs = [
            (self.created, ORDER, "created"),
            (self.reserved, INVENTORY, "reserved"),
            (self.captured, PAYMENT, "captured"),
            (self.mailed, EMAIL, "sent"),
            (self.dispatched, SHIPPING, "dispatched"),
            (self.cancelled.len() as u32, ORDER, "cancelled"),
        ];
        let seen: Vec<String> = signs
            .iter()
            .filter(|(times, ..)| *times > 0)
            .map(|(_, service, what)| format!("{service}.{what}"))
            .chain(self.failed.iter().map(|(service, reason)| format!("{service}.failed ({reason})")))
            .collect();
        if seen.is_empty() { "nothing was seen of it".into() } else { format!("seen: {}", seen.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(account: &mut Account, line: u32, keys: &[&str]) -> bool {
        keys.iter().any(|key| account.record(line, Sign::of(key, Some("why"))))
    }

    #[test]
    fn every_end_is_counted_once() {
        let mut account = Account::default();
        let paid = ["order.eu.created", "inventory.reserved", "payment.captured"];
        assert!(!signs(&mut account, 1, &paid));
        assert!(!signs(&mut account, 1, &["email.sent"]));
        assert!(signs(&mut account, 1, &["shipping.dispatched"]));
        assert!(signs(&mut account, 2, &["order.us.created", "order.us.cancelled", "email.sent"]));
        assert!(signs(&mut account, 3, &["order.us.repeated"]));
        assert!(!signs(&mut account, 4, &["order.failed"]));
        assert!(account.letter(Some(4), "order-processing-dlq", "rejected"));
        signs(&mut account, 5, &paid);
        assert!(!account.letter(Some(5), "email.dlq", "expired"));
        assert!(account.letter(Some(5), "shipping.dlq", "expired"));
        account.letter(Some(5), "analytics.dlq", "expired");
        let closing = account.close(5);
        assert!(closing.closes(), "{closing}");
        assert_eq!((closing.completed, closing.cancelled_sum(), closing.dead_sum()), (1, 2, 2));
        assert_eq!(account.fate(4), Fate::Dead("order-processing-dlq", Arc::from("why")));
        assert_eq!(account.fate(5), Fate::Dead("shipping.dlq", Arc::from("expired")));
        assert!(
            closing
                .to_string()
                .ends_with("account closes: 5 orders = 1 completed + 2 cancelled + 2 in dead-letter queues")
        );
    }

    #[test]
    fn what_is_missing_or_double_is_listed() {
        let mut account = Account::default();
        let paid = ["order.eu.created", "payment.captured", "email.sent", "shipping.dispatched"];
        signs(&mut account, 1, &paid);
        signs(&mut account, 1, &["shipping.dispatched"]);
        signs(&mut account, 2, &["order.eu.created"]);
        signs(&mut account, 3, &["order.eu.cancelled", "payment.captured"]);
        signs(&mut account, 9, &paid);
        let closing = account.close(4);
        assert!(!closing.closes());
        let missing: Vec<(u32, &str)> = closing.missing.iter().map(|(line, why)| (*line, why.as_str())).collect();
        let third = "seen: payment.captured, order.cancelled";
        assert_eq!(missing, [(2, "seen: order.created"), (3, third), (4, "nothing was seen of it")]);
        assert_eq!(closing.double.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 9]);
        assert!(closing.to_string().contains("account does NOT close (3 missing, 3 double): 4 orders"));
    }

    #[test]
    fn the_letter_of_a_duplicate_decides_nothing() {
        let mut account = Account::default();
        // Sent twice: the first message expired, the second was taken in and went its way.
        assert!(account.letter(Some(1), "order-processing-dlq", "expired"));
        assert_eq!(account.ended(), 1);
        assert!(!signs(&mut account, 1, &["order.eu.created"]));
        assert_eq!(account.ended(), 0);
        assert!(signs(&mut account, 1, &["payment.captured", "email.sent", "shipping.dispatched"]));
        // Sent twice, and both expired.
        assert!(account.letter(Some(2), "order-processing-dlq", "expired"));
        assert!(account.letter(Some(2), "order-processing-dlq", "expired"));
        let closing = account.close(2);
        assert!(closing.closes(), "{closing}");
        assert_eq!((closing.completed, closing.dead_sum(), account.ended()), (1, 1, 2));
        assert_eq!(closing.aside.values().sum::<u64>(), 2);
    }
}
