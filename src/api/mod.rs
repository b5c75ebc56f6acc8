//! Floor 4½, the API: what users touch. It adds no rule of its own; every rule is beneath it.

mod broker;
mod builder;

pub use broker::Broker;
pub use builder::Builder;
