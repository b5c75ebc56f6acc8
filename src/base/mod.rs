//! Floor 0, the ground: names, ids, moments, limits, reply codes and locks.
//!
//! Nothing here imports anything of the crate; everything above may import this.

mod credit;
#[cfg(any(leveret_loom, leveret_shuttle))]
mod explored;
mod generated;
mod id;
mod limits;
mod moment;
mod name;
mod reply;
pub(crate) mod sync;

pub use credit::Credit;
pub use id::{ExchangeId, QueueId, SessionId};
pub use limits::Limits;
pub use moment::Moment;
pub use name::{Name, NameTooLong};
pub use reply::ReplyCode;
