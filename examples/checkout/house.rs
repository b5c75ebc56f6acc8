//! The house: how many orders are inside the shop at once, and the gate at which a service can be made to stand still.
//!
//! The broker's own bound makes publishers wait where a queue is full. That alone does not do for queues that take dead
//! letters: a retry that comes back finds a full queue as nobody can make it wait. So no more orders are let in than
//! every queue behind the intake has room for.

use crate::shop::lock;
use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

/// The orders inside, by line.
#[derive(Debug)]
pub(crate) struct House {
    room: usize,
    inside: Mutex<(HashSet<u32>, bool)>,
    left: Condvar,
}

impl House {
    /// A house with room for this many.
    pub(crate) fn new(room: usize) -> Self {
        Self { room, inside: Mutex::default(), left: Condvar::new() }
    }

    /// Lets an order in, once there is room. One that is inside needs no more room. `false` if the house was closed.
    pub(crate) fn enter(&self, line: u32) -> bool {
        let full = |(inside, closed): &mut (HashSet<u32>, bool)| {
            !*closed && inside.len() >= self.room && !inside.contains(&line)
        };
        let mut inside = self.left.wait_while(lock(&self.inside), full).unwrap_or_else(PoisonError::into_inner);
        let open = !inside.1;
        if open {
            inside.0.insert(line);
        }
        open
    }

    /// An order came to its end.
    pub(crate) fn leave(&self, line: u32) {
        lock(&self.inside).0.remove(&line);
        self.left.notify_all();
    }

    /// How many are inside.
    pub(crate) fn len(&self) -> usize {
        lock(&self.inside).0.len()
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        lock(&self.inside).1 = true;
        self.left.notify_all();
    }
}

/// Makes one service stand still.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    still: Mutex<Option<String>>,
    opened: Condvar,
}

impl Gate {
    /// This service stands still from its next message on.
    pub(crate) fn shut(&self, service: &str) {
        *lock(&self.still) = Some(service.to_owned());
    }

    /// All go on.
    pub(crate) fn open(&self) {
        *lock(&self.still) = None;
        self.opened.notify_all();
    }

    /// Waits while this service is to stand still.
    pub(crate) fn pass(&self, service: &str) {
        let shut = |still: &mut Option<String>| still.as_deref() == Some(service);
        drop(self.opened.wait_while(lock(&self.still), shut).unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_enters_a_full_house_until_somebody_leaves() {
        let house = House::new(2);
        assert!(house.enter(1) && house.enter(2) && house.enter(2));
        std::thread::scope(|scope| {
            let third = scope.spawn(|| house.enter(3));
            house.leave(1);
            assert!(third.join().expect("no panic"));
        });
        assert_eq!(house.len(), 2);
        house.close();
        assert!(!house.enter(4));
    }
}
