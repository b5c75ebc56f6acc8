//! Acknowledgements that wait to be carried out.
//!
//! While nothing waits in a queue, an acknowledgement frees nothing that anybody wants. So it is noted here, without the
//! queue's lock, and the next act on the queue carries all of them out before anything else; whoever looks at the queue
//! does the same. A publish leaves a few where they cannot matter to it: no consumer is full and no message waits. Nobody
//! can tell the difference, but that messages go in batches, and by the thread that made them.
//!
//! Whether it is so is the flag `prompt`, which acts set under the queue's lock. Noting and setting cross over: the one
//! who notes looks at the flag afterwards, the one who sets it looks at the notes afterwards, so one of them sees the
//! other. (Flag and count are sequentially consistent for this.) Both may see it; then one finds nothing to do.
//!
//! Three more ends meet here. An acknowledgement that *returned* is in the list or carried out, so an act that begins
//! later, which looks under the queue's lock, has it. A queue that *closes* forgets what is out; what is noted afterwards
//! is found to be `Gone`, and goes with the queue. A broker that *comes to rest* says so first and then takes the list by
//! its lock: whoever notes after that lock sees the word, carries his out himself and stirs those who wait
//! (`quiet.rs`); whoever notes before it is counted.

use crate::base::sync::{Mutex, Rank};
use crate::queue::effect::DeliveryRef;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// At so many the one who notes carries them out, so that memory is not held for long.
const MOST: usize = 64;

/// At so many a publish carries them out that does not need them.
const SOME: usize = 32;

/// Noted acknowledgements of one queue. Invariant: `count` is the length of the list when its lock is free.
#[derive(Debug)]
pub(crate) struct Acks {
    noted: Mutex<Vec<DeliveryRef>>,
    count: AtomicUsize,
    prompt: AtomicBool,
}

impl Acks {
    /// None noted; `prompt` says whether acknowledgements are carried out at once.
    pub(crate) fn new(prompt: bool) -> Self {
        Self { noted: Mutex::new(Rank::Leaf, Vec::new()), count: AtomicUsize::new(0), prompt: AtomicBool::new(prompt) }
    }

    /// Whether somebody may be waiting for an acknowledgement.
    pub(crate) fn is_prompt(&self) -> bool {
        self.prompt.load(Ordering::SeqCst)
    }

    /// Says whether acknowledgements are to be carried out at once from now on.
    pub(crate) fn set_prompt(&self, prompt: bool) {
        if self.prompt.load(Ordering::Relaxed) != prompt {
            self.prompt.store(prompt, Ordering::SeqCst);
        }
    }

    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Whether there are so many that it is time, for somebody who does not need them.
    pub(crate) fn are_some(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= SOME
    }

    /// Notes one. True where it is time to carry them out.
    pub(crate) fn note(&self, reference: DeliveryRef) -> bool {
        let count = {
            let mut noted = self.noted.lock();
            noted.push(reference);
            let count = noted.len();
            self.count.store(count, Ordering::SeqCst);
            count
        };
        self.is_prompt() || count >= MOST
    }

    /// Takes all, into a list that is empty.
    pub(crate) fn take(&self, into: &mut Vec<DeliveryRef>) {
        let mut noted = self.noted.lock();
        std::mem::swap(&mut *noted, into);
        self.count.store(0, Ordering::SeqCst);
    }
}
