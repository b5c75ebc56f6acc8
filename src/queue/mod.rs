//! Floor 2: the queue, a pure machine.
//!
//! **The walk of a message through a queue.** [`QueueState::offer`] takes it in: the queue refuses it (`spec.rs` says
//! what full means), or hands it straight to a consumer whose turn it is and who has room (`turns.rs`, and
//! `consumers.rs` of each kind), or puts it among the ready ones (`ready.rs` of each kind). Handed out, it is an
//! [`effect::Handout`] for whoever carries effects out, and stands among what is out (`entry.rs`) until it is settled:
//! acknowledged it is gone; requeued it is ready again; rejected, expired, over the length or returned too often it
//! dies, which is one more effect. Every verb ends by serving whoever can be served, so nothing waits that could go.
//!
//! Two kinds share that walk and differ in almost every rule of it, so each is a machine of its own: `classic/` and
//! `quorum/`. `state.rs` is the one face of both. What a queue would do with a message it tells in `forecast.rs`.

mod arguments;
mod classic;
pub mod effect;
mod entry;
mod forecast;
mod policy;
mod policy_keys;
mod quorum;
mod refusal;
mod settings;
mod spec;
mod state;
mod totals;
mod turns;

pub(crate) use entry::FreedEnvelopes;
pub(crate) use forecast::Forecast;
pub use forecast::{Fate, Length};
pub use policy::{ApplyTo, InvalidPolicy, Policy, PolicyDefinition};
pub(crate) use policy::{number, whole_millis};
#[cfg(feature = "serde")]
pub(crate) use policy_keys::knows_policy_key;
pub(crate) use refusal::equivalent;
pub use refusal::{Inequivalent, InvalidQueue, Refusal};
pub use spec::{DeadLetter, Overflow, QueueFlags, QueueKind, QueueSpec, Settings, Strategy, UnknownWord};
pub use state::QueueState;
pub use totals::{Counts, Totals};
