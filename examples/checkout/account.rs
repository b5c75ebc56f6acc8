//! The account: what became of every order, told only by what came over the bus (events in the queue `audit`, letters in
//! the dead-letter queues) and never by the services themselves. Pure: it is given signs and says what they add up to.
//!
//! An order is one line of the input. It has come to its end when nothing of it is under way any more, and that end is
//! exactly one of: completed (captured, mailed and dispatched), cancelled with a reason, or a letter in a deciding
//! dead-letter queue. A letter decides whatever else became of the order, and the first of several queues does, as
//! [`crate::names::DECIDING`] lists them. What cannot be, such as two dispatches or a cancelled order that was
//! dispatched, is listed as double.

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
    failed: Vec<(String, Arc<str>)>,
    /// How many letters, and the broker's reason for the first of them, by the place of the queue in `DECIDING`.
    letters: [Option<(u32, Arc<str>)>; DECIDING.len()],
    ended: bool,
}

/// The account of all orders, by line number.
#[derive(Debug, Default)]
pub(crate) struct Account {
    entries: BTreeMap<u32, Entry>,
    ended: usize,
    letters_aside: BTreeMap<(&'static str, Arc<str>), u64>,
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Lines of the input.
    pub(crate) orders: u32,
    /// Orders that were completed.
    pub(crate) completed: u32,
    /// Orders that were cancelled, by reason.
    pub(crate) cancelled: BTreeMap<Arc<str>, u32>,
    /// Orders in dead-letter queues, by queue (its place in `DECIDING`) and reason.
    pub(crate) dead: BTreeMap<(usize, Arc<str>), u32>,
    /// Letters that decide nothing, by queue and reason.
    pub(crate) aside: BTreeMap<(&'static str, Arc<str>), u64>,
    /// Lines that came to no end, and what was seen of them.
    pub(crate) missing: Vec<(u32, String)>,
    /// Lines of which something was seen that cannot be, and what.
    pub(crate) double: Vec<(u32, String)>,
}

impl Account {
    /// Enters a sign. `true` if the order came to its end by it.
    pub(crate) fn record(&mut self, line: u32, sign: Sign) -> bool {
        let entry = self.entries.entry(line).or_default();
        match sign {
            Sign::Created => entry.created += 1,
            Sign::Reserved => entry.reserved += 1,
            Sign::Captured => entry.captured += 1,
            Sign::Mailed => entry.mailed += 1,
            Sign::Dispatched => entry.dispatched += 1,
            Sign::Cancelled(reason) => entry.cancelled.push(reason),
            Sign::Repeated => entry.cancelled.push(Arc::from(REPEATED)),
            Sign::Failed(service, reason) => entry.failed.push((service, reason)),
            Sign::Other => {}
        }
        self.look(line)
    }

    /// Enters a letter: found in this dead-letter queue, where the broker put it for `reason`. `true` if the order came
    /// to its end by it.
    pub(crate) fn letter(&mut self, line: Option<u32>, queue: &'static str, reason: &str) -> bool {
        let Some(place) = DECIDING.iter().position(|known| *known == queue) else {
            *self.letters_aside.entry((queue, Arc::from(reason))).or_default() += 1;
            return false;
        };
        let Some(line) = line else { return false };
        if let Some(letters) = self.entries.entry(line).or_default().letters.get_mut(place) {
            letters.get_or_insert_with(|| (0, Arc::from(reason))).0 += 1;
        }
        self.look(line)
    }

    /// How many orders came to their end.
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
            closing.double.extend(entry.contradiction().map(|what| (line, what)));
        }
        let strangers = self.entries.keys().filter(|line| !(1..=orders).contains(*line));
        closing.double.extend(strangers.map(|line| (*line, "no such line in the input".to_owned())));
        closing
    }

    /// Whether the order has just come to its end.
    fn look(&mut self, line: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&line) else { return false };
        if entry.ended || entry.fate() == Fate::Open {
            return false;
        }
        entry.ended = true;
        self.ended += 1;
        true
    }
}

impl Entry {
    fn fate(&self) -> Fate {
        if !self.has_ended() {
            return Fate::Open;
        }
        let letters = self.letters.iter().zip(DECIDING);
        if let Some((queue, why)) = letters.filter_map(|(letter, queue)| Some((queue, &letter.as_ref()?.1))).next() {
            return Fate::Dead(queue, self.reason_in(queue, why));
        }
        match self.cancelled.first() {
            Some(reason) => Fate::Cancelled(Arc::clone(reason)),
            None => Fate::Completed,
        }
    }

    /// Whether nothing of it is under way. A letter before the money was taken ends it; after that, and after it was
    /// cancelled, mail and parcel each come to an end of their own.
    fn has_ended(&self) -> bool {
        let [intake, inventory, payment, shipping, email] = &self.letters;
        if intake.is_some() || inventory.is_some() || payment.is_some() {
            return true;
        }
        let mailed = self.mailed > 0 || email.is_some();
        let dispatched = self.dispatched > 0 || shipping.is_some();
        let repeated = self.cancelled.iter().any(|reason| **reason == *REPEATED);
        repeated || (!self.cancelled.is_empty() && mailed) || (self.captured > 0 && mailed && dispatched)
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

    /// What of it cannot be. A service may say things again after a crash: such repeats are seen here too, since it
    /// must not (each is to find out that it has done the work).
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
        if self.captured + self.dispatched > 0 && !self.cancelled.is_empty() {
            return Some("cancelled, and carried out too".into());
        }
        let letters = self.letters.iter().zip(DECIDING);
        letters
            .filter_map(|(letter, queue)| Some((letter.as_ref()?.0, queue)))
            .find(|(times, _)| *times > 1)
            .map(|(times, queue)| format!("{times} letters in {queue}"))
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

impl Closing {
    /// Orders that were cancelled.
    pub(crate) fn cancelled_sum(&self) -> u32 {
        self.cancelled.values().sum()
    }

    /// Orders in dead-letter queues.
    pub(crate) fn dead_sum(&self) -> u32 {
        self.dead.values().sum()
    }

    /// Whether every order is exactly one of completed, cancelled, or in a dead-letter queue.
    pub(crate) fn closes(&self) -> bool {
        let sum = self.completed + self.cancelled_sum() + self.dead_sum();
        self.missing.is_empty() && self.double.is_empty() && sum == self.orders
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8}  completed", self.completed)?;
        for (reason, count) in &self.cancelled {
            writeln!(f, "{count:>8}  cancelled: {reason}")?;
        }
        for ((place, reason), count) in &self.dead {
            writeln!(f, "{count:>8}  in {}: {reason}", DECIDING.get(*place).unwrap_or(&""))?;
        }
        for ((queue, reason), count) in &self.aside {
            writeln!(f, "{:>8}  (and {count} copies in {queue}: {reason})", "")?;
        }
        let list = |f: &mut fmt::Formatter<'_>, what: &str, lines: &[(u32, String)]| {
            lines.iter().take(LISTED).try_for_each(|(line, why)| writeln!(f, "{what} line {line}: {why}"))?;
            match lines.len().checked_sub(LISTED + 1) {
                Some(more) => writeln!(f, "{what} {} more", more + 1),
                None => Ok(()),
            }
        };
        list(f, "missing:", &self.missing)?;
        list(f, "double:", &self.double)?;
        let (completed, cancelled, dead) = (self.completed, self.cancelled_sum(), self.dead_sum());
        if self.closes() {
            write!(f, "account closes: {} orders", self.orders)?;
        } else {
            let (missing, double) = (self.missing.len(), self.double.len());
            write!(f, "account does NOT close ({missing} missing, {double} double): {} orders", self.orders)?;
        }
        let sign = if self.closes() { '=' } else { '≠' };
        write!(f, " {sign} {completed} completed + {cancelled} cancelled + {dead} in dead-letter queues")
    }
}

/// How many lines of a kind are listed.
const LISTED: usize = 50;

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
        account.letter(Some(3), "inventory.dlq", "rejected");
        account.letter(Some(3), "inventory.dlq", "rejected");
        signs(&mut account, 9, &paid);
        let closing = account.close(4);
        assert!(!closing.closes());
        assert_eq!(closing.missing, [(2, "seen: order.created".into()), (4, "nothing was seen of it".into())]);
        assert_eq!(closing.double.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 9]);
        assert!(closing.to_string().contains("account does NOT close (2 missing, 3 double): 4 orders"));
    }
}
