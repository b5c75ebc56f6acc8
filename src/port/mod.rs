//! Floor 3, the ports: what the engine needs from outside, as traits.
//!
//! Time is the first of them. A store that keeps durable queues, and a tap that listens, will stand beside it; the
//! machines are written for both (they say what happened, as effects) and know neither.

mod clock;

pub use clock::{Clock, ManualClock, SystemClock};
