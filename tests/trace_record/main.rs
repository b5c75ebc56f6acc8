//! Recording and replaying: what was done to one broker, done again to another, leads to the same.
//!
//! The great test is `conformance.rs`: whatever the conformance traces do is recorded just as they have it.
//!
//! Seen to fail with: a full log that goes on, time that passes in a turn and is not written down.

mod conformance;
#[path = "../conformance/files.rs"]
mod files;
mod normal;
mod plain;
mod random;
mod session;
mod threads;
#[path = "../watched/mod.rs"]
mod watched;
