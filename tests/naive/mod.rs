//! Naive restatements of the router, which its tests compare it with.

pub mod graph;
pub mod headers;
pub mod topic;
