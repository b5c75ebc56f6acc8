//! The plain API as a log has it.
//!
//! A trace knows connections and channels only, so each handle of the plain API has a channel that stands for it, all of
//! them on the connection `plain`: a publisher `plain/p1`, in confirm mode; a consumer `plain/k1`; what the broker does once
//! `plain/calls`; what it fetches `plain/gets`. What is an error of the plain API closes the channel of the trace, which is
//! opened again before it is used again.

pub(super) mod calls;
pub(super) mod consuming;
pub(super) mod publishing;
pub(super) mod requests;
