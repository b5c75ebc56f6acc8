//! Acknowledgements that wait to be carried out.
//!
//! A plain consumer of a classic queue keeps its messages itself, so to the queue an acknowledgement is a number: one more
//! may be handed over. It is noted here, in order, without the queue's lock, and the next act on the queue carries all of
//! them out before anything else; whoever looks at the queue does the same. A publish leaves them where they cannot matter
//! to it ([`QueueState::needs_acks`](crate::queue::QueueState::needs_acks)), until they are many. Nobody can tell the
//! difference, but that messages go in batches.
//!
//! There are those who would wait for them: a consumer that has nothing left while messages wait in the queue, a publisher
//! that waits for room, time that ends for messages, a consumer whose deliveries are bound by a window that it drains.
//! Whether there are is the flag `prompt`, which acts set under the queue's lock: then whoever notes carries out at once.
//! Flag and list have one lock, so that either he who notes sees the flag, or he who sets it sees the note.
//!
//! Small messages stay here, too, and then in the cell, for each publish to free one: it is the publisher's memory, and
//! given back by the thread that asked for it, it costs a fraction of what it costs from another one. There are few of them,
//! and none once the consumer waits.
//!
//! Three more ends meet here. An acknowledgement that *returned* is in the list or carried out, so an act that begins
//! later, which looks under the queue's lock, has it. A queue that *closes* forgets what is out; what is noted afterwards
//! is forgotten with it. A broker that *comes to rest* says so first and then takes the list by its lock: whoever notes
//! after that lock sees the word, carries his out himself and stirs those who wait (`quiet.rs`); whoever notes before it
//! is counted.

use crate::base::sync::atomic::{AtomicU32, Ordering};
use crate::base::sync::{Mutex, Rank};
use crate::message::SharedEnvelope;
use crate::queue::effect::Done;

/// At so many the one who notes carries them out, so that what waits for them does not wait for long.
const MOST: u32 = 64;

/// At so many a publish carries them out that does not need them.
pub(crate) const SOME: u32 = 8;

/// So many messages are kept at most for publishers to free.
pub(crate) const KEPT: usize = 64;

/// Settlements of more bytes than this, on average, keep no messages.
const KEPT_BYTES: u64 = 1_024;

/// Noted acknowledgements of one queue. Invariant: `count` is that of the list when its lock is free.
#[derive(Debug)]
pub(crate) struct Acks {
    noted: Mutex<Noted>,
    /// Changed under the lock of the list.
    count: AtomicU32,
}

#[derive(Debug, Default)]
struct Noted {
    /// In order. What one consumer acknowledged in a row is one settlement: nobody else is served in between.
    list: Vec<Done>,
    count: u32,
    /// Some of the messages.
    dead: Vec<SharedEnvelope>,
    /// Whether they are to be carried out at once; changed under the queue's lock, too.
    prompt: bool,
}

/// None noted.
impl Default for Acks {
    fn default() -> Self {
        let noted = Mutex::new(Rank::Leaf, Noted::default());
        Self { noted, count: AtomicU32::new(0) }
    }
}

impl Acks {
    /// Says, under the queue's lock, whether acknowledgements are to be carried out at once from now on. True where some
    /// were noted by somebody who had not seen that.
    pub(crate) fn set_prompt(&self, prompt: bool) -> bool {
        let mut noted = self.noted.lock();
        noted.prompt = prompt;
        prompt && noted.count > 0
    }

    /// How many there are, as far as the caller can know.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Notes a settlement, and keeps some of its messages. True where it is time to carry them out.
    #[inline]
    pub(crate) fn note(&self, done: Done, envelopes: &mut impl Iterator<Item = SharedEnvelope>) -> bool {
        let mut noted = self.noted.lock();
        noted.count = noted.count.saturating_add(done.count);
        match noted.list.last_mut().filter(|last| last.consumer == done.consumer) {
            Some(last) => {
                last.count = last.count.saturating_add(done.count);
                last.bytes = last.bytes.saturating_add(done.bytes);
            }
            None => noted.list.push(done),
        }
        if done.bytes <= KEPT_BYTES * u64::from(done.count) {
            let room = KEPT.saturating_sub(noted.dead.len());
            noted.dead.extend(envelopes.take(room));
        }
        self.count.store(noted.count, Ordering::Release);
        noted.count >= MOST || noted.prompt
    }

    /// Takes all, into a list that is empty, and what was kept, which is to be freed without a lock.
    pub(crate) fn take(&self, into: &mut Vec<Done>, dead: &mut Vec<SharedEnvelope>) {
        let mut noted = self.noted.lock();
        std::mem::swap(&mut noted.list, into);
        if dead.is_empty() {
            std::mem::swap(&mut noted.dead, dead);
        } else {
            dead.append(&mut noted.dead);
        }
        noted.count = 0;
        self.count.store(0, Ordering::Release);
    }
}
