//! Floor 2, the trace: a session as data, in the format of the conformance traces (`tests/conformance/README.md`).
//!
//! A trace is a list of steps; each says what was done and holds every event that followed anywhere, in a normal order.
//! [`Log`] takes down what is done to a broker and is a pure machine like its siblings: it is told the moment and knows no
//! lock. [`Trace`] is what it wrote, or what was read from a file.

mod document;
mod form;
mod log;
pub(crate) mod names;
pub(crate) mod order;
mod proxy;
pub(crate) mod schema;
pub(crate) mod step;
pub(crate) mod value;

pub use document::{Omitted, Trace, TraceError};
pub(crate) use log::Log;
pub(crate) use proxy::Key;
