//! Floor 2, the session: what AMQP calls a channel, as pure machines that know no queue and take no lock.
//!
//! - [`Ledger`]: delivery tags, and what each stands for.
//! - [`Groups`]: settled deliveries, cut into the commands that their queues are given.
//! - [`Confirms`]: publish numbers and their answers.
//! - [`Transaction`]: publishes and settlements held until commit.
//! - [`SessionState`]: modes, prefetch and last declared queue.
//!
//! All are generic over what they hold: the floors above put in cells and envelopes.

mod confirms;
mod groups;
mod ledger;
mod state;
mod tx;

pub use confirms::{Answer, Confirms};
pub use groups::Groups;
pub use ledger::{Ledger, UnknownTag};
pub use state::{ModeError, SessionState};
pub use tx::{Committed, Run, Transaction};
