//! Traces replayed: a session that was recorded, done again on a fresh broker and compared with what followed then.
//!
//! `run.rs` does the steps and collects what follows; `adapter.rs` is where a step meets the API; `compare.rs` says whether
//! it was expected. The conformance tests of this crate run the same files over what RabbitMQ was seen to do.

mod adapter;
mod compare;
mod names;
mod replay;
mod run;

pub use replay::{Divergence, ReplayReport};
