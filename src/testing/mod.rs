//! Floor 6, feature `testing`: a broker for tests, with RabbitMQ's rules and a clock that the test moves.
//!
//! A [`TestBroker`] is a [`Broker`](crate::Broker) of its own: it shares nothing with any other, and its time stands still
//! until the test moves it. What follows is the guide (`guide.md`).
//!
#![doc = include_str!("guide.md")]

mod activity;
mod ending;
pub mod explore;
mod faults;
mod known;
mod not_settled;
mod selected;
mod selections;
mod settle;
mod shutdown;
mod story;
mod test_broker;
mod time;
mod trace;
mod watch;

pub use activity::Activity;
pub use ending::{RestartReport, RestartedQueue};
pub use explore::{Exploration, Explored, Explorer, Failure, Worker, explore, try_explore};
pub use faults::{FaultReport, Faults, Rates, Rule, RuleReport, Select};
pub use not_settled::{GivenUp, NotSettled, Outstanding};
pub use selected::{Once, Selection};
pub use shutdown::{TestShutdown, TestShutdownFuture};
pub use story::Story;
pub use test_broker::TestBroker;
pub use time::Fired;
pub use trace::{Divergence, ReplayReport};
