//! What the benches share: how they are told what to do, how rounds are interleaved, the bus that is measured, the
//! floors and peers beside it, memory, and figures. Each bench uses a part of it.

// Every bench compiles all of this and uses what it needs.
#![allow(dead_code)]

pub(crate) mod bus;
pub(crate) mod figure;
pub(crate) mod floors;
pub(crate) mod memory;
pub(crate) mod mode;
pub(crate) mod patterns;
pub(crate) mod pin;
pub(crate) mod rounds;
pub(crate) mod row;
pub(crate) mod tails;
pub(crate) mod threads;
