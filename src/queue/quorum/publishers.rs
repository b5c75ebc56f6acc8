//! Publishers of a quorum queue with `reject-publish`: who is refused.
//!
//! The limit is soft, as in RabbitMQ. A publisher's first message asks; whoever is known is refused from the moment
//! the queue went over its length until it is down to four fifths of it. So the message that goes over is taken, and
//! all known publishers are closed together and opened together.

use crate::base::SessionId;
use crate::queue::spec::Settings;
use hashbrown::HashMap;

/// The publishers that a queue knows, and whether each is refused. Invariant: `refused` counts those that are.
#[derive(Debug)]
pub(crate) struct Publishers {
    known: HashMap<SessionId, bool>,
    refused: usize,
    below: bool,
}

impl Publishers {
    /// None known.
    pub(crate) fn new() -> Self {
        Self { known: HashMap::new(), refused: 0, below: true }
    }

    /// Whether a publish is refused. One without a session (not through a channel) asks each time.
    pub(crate) fn refuses(&mut self, session: Option<SessionId>, over: bool) -> bool {
        let Some(session) = session else { return over };
        let refused = &mut self.refused;
        *self.known.entry(session).or_insert_with(|| {
            *refused += usize::from(over);
            over
        })
    }

    /// Forgets a session.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.refused -= usize::from(self.known.remove(&session) == Some(true));
    }

    /// Looks at the length after a command: over closes all, coming down to four fifths opens all.
    pub(crate) fn look(&mut self, settings: &Settings, ready: usize, bytes: u64, over: bool) {
        let within = |max: Option<u64>, is: u64| max.is_none_or(|max| is <= four_fifths(max));
        let below = within(settings.max_length, ready as u64) && within(settings.max_length_bytes, bytes);
        if over {
            self.set_all(true);
        } else if below && !self.below {
            self.set_all(false);
        }
        self.below = below;
    }

    /// Closes or opens all, unless they are. This is asked after every command.
    fn set_all(&mut self, refused: bool) {
        let count = if refused { self.known.len() } else { 0 };
        if self.refused != count {
            self.refused = count;
            self.known.values_mut().for_each(|known| *known = refused);
        }
    }
}

/// Four fifths, rounded down, without overflow.
fn four_fifths(max: u64) -> u64 {
    max / 5 * 4 + max % 5 * 4 / 5
}
