//! Floor 3, the ports: what the engine needs from outside, or tells it, as traits.
//!
//! Time, and whoever listens. A store that keeps durable queues will stand beside them; the machines are written for it
//! (they say what happened, as effects) and know none of the three.

mod clock;
mod injected;
mod tap;
mod tap_text;
mod tap_words;

#[cfg(feature = "tokio")]
mod tokio_clock;

pub use clock::{Clock, ManualClock, SystemClock};
pub use injected::Injected;
pub use tap::{Fact, MessageRef, Tap, What};
pub use tap_words::{Cause, Dropping, Leaving, Refusing};
#[cfg(feature = "tokio")]
pub use tokio_clock::TokioClock;
