//! Floor 6, feature `testing`: a broker for tests, with RabbitMQ's rules and a clock that the test moves.
//!
//! A [`TestBroker`] is a [`Broker`] of its own: it shares nothing with any other, starts no thread, and its time stands
//! still until the test moves it.

mod ending;
mod test_broker;

pub use ending::{RestartReport, RestartedQueue};
pub use test_broker::TestBroker;
