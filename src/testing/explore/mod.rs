//! Exploring: one test under many orders of events and many faults.
//!
//! A consumer that is wrong is mostly right: only when two of them meet in the wrong order, or one dies between two of its
//! steps, is something lost, or done twice. [`explore()`] runs a test again and again on a broker of its own, and each time a
//! seed chooses which consumer acts next and what goes wrong. A run that fails is made as simple as can be found, told step
//! by step, and can be run again with [`replay`].
//!
//! **What may go wrong**, unless [`Explorer::faults`] says otherwise: an acknowledgement is lost, so that the message comes
//! again; a consumer dies before its acknowledgement takes effect; a consumer dies right after it, or a program between two of
//! its steps. At most three times in one run ([`Explorer::most_faults`]), and only while [`Exploration::run`] is at work: what the
//! test itself does always succeeds. The test's own rules ([`TestBroker::faults`](super::TestBroker::faults)) hold as well.
//!
//! **What a test must be**: the same each time. No time but the broker's, no thread, no order of a hash map; else a seed is
//! not the same run twice. It makes its state anew in each run.
//!
//! ```
//! use leveret::testing::{explore, try_explore};
//! use leveret::{Message, Queue, Topology};
//! use std::cell::{Cell, RefCell};
//! use std::collections::BTreeSet;
//! use std::rc::Rc;
//!
//! let orders = Topology::new().queue(Queue::new("orders"));
//!
//! // Counts an order each time that it comes.
//! let failure = try_explore(0..100, |t| {
//!     t.declare(&orders).unwrap();
//!     let counted = Rc::new(Cell::new(0));
//!     let count = Rc::clone(&counted);
//!     t.on("orders", move |order, _| {
//!         count.set(count.get() + 1);
//!         order.ack();
//!     });
//!     t.publish("", "orders", Message::new("one").message_id("1")).unwrap();
//!     t.run();
//!     assert_eq!(counted.get(), 1);
//! })
//! .unwrap_err();
//! assert_eq!(failure.choices(), [1]);
//!
//! // Knows those that it has counted.
//! explore(0..100, |t| {
//!     t.declare(&orders).unwrap();
//!     let counted = Rc::new(RefCell::new(BTreeSet::new()));
//!     let count = Rc::clone(&counted);
//!     t.on("orders", move |order, _| {
//!         count.borrow_mut().insert(order.properties().message_id.clone().unwrap().to_string());
//!         order.ack();
//!     });
//!     t.publish("", "orders", Message::new("one").message_id("1")).unwrap();
//!     t.run();
//!     assert_eq!(counted.borrow().len(), 1);
//! });
//! ```

mod actors;
mod choices;
mod control;
mod exploration;
mod explorer;
mod failure;
mod panics;
mod run;
mod shrink;

pub use actors::Worker;
pub use exploration::Exploration;
pub use explorer::Explorer;
pub use failure::{Explored, Failure};

use std::fmt;

/// Runs a test once for each seed; see the [module](self). Ends at the first that fails.
///
/// # Panics
///
/// Where a run fails, with the text of the [`Failure`].
#[track_caller]
pub fn explore<V: Verdict>(seeds: impl IntoIterator<Item = u64>, test: impl Fn(&Exploration) -> V) -> Explored {
    Explorer::new().explore(seeds, test)
}

/// As [`explore()`], giving a failure back.
///
/// # Errors
///
/// The [`Failure`] of the first seed that fails, made simple. A simpler run need not fail for the same reason, only fail; its
/// [`message`](Failure::message) is its own.
pub fn try_explore<V: Verdict>(
    seeds: impl IntoIterator<Item = u64>,
    test: impl Fn(&Exploration) -> V,
) -> Result<Explored, Failure> {
    Explorer::new().try_explore(seeds, test)
}

/// Runs a test once, with the choices that a failure told, or with a seed: to look at it, and as a test that the bug stays
/// mended.
///
/// # Panics
///
/// Where it fails, with the text of the [`Failure`]; it is told as it is, and not made simpler, and what the test panics with
/// is printed as it happens, with its backtrace. Where the text is not one of choices.
///
/// ```
/// use leveret::testing::explore::replay;
///
/// replay("0x3.1", |t| t.run());
/// replay(42_u64, |t| t.run());
/// ```
#[track_caller]
pub fn replay<V: Verdict>(which: impl Into<Which>, test: impl Fn(&Exploration) -> V) {
    Explorer::new().replay(which, test);
}

/// As [`replay`], giving a failure back.
///
/// # Errors
///
/// The [`Failure`], as it is.
pub fn try_replay<V: Verdict>(which: impl Into<Which>, test: impl Fn(&Exploration) -> V) -> Result<Explored, Failure> {
    Explorer::new().try_replay(which, test)
}

/// Which run is to be made again: a seed, or the text of choices.
#[derive(Clone, Debug)]
pub struct Which(Chosen);

#[derive(Clone, Debug)]
enum Chosen {
    Seed(u64),
    List(String),
}

impl From<u64> for Which {
    fn from(seed: u64) -> Self {
        Self(Chosen::Seed(seed))
    }
}

impl From<&str> for Which {
    fn from(choices: &str) -> Self {
        Self(Chosen::List(choices.to_owned()))
    }
}

impl From<String> for Which {
    fn from(choices: String) -> Self {
        Self(Chosen::List(choices))
    }
}

/// What a test says at its end: nothing, or whether it succeeded.
pub trait Verdict {
    /// Why it failed, if it did.
    ///
    /// # Errors
    ///
    /// The error of the test, as text.
    fn verdict(self) -> Result<(), String>;
}

impl Verdict for () {
    fn verdict(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: fmt::Display> Verdict for Result<(), E> {
    fn verdict(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}
