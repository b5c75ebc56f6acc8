//! Turns: who is served next. Higher priorities first; within one, whoever has waited longest.

use super::effect::ConsumerId;
use std::collections::VecDeque;

/// Consumers waiting for their turn, by priority.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// From the highest priority down. A class may be empty: it is kept for whoever comes back to it, so that a lone
    /// consumer costs no allocation at each message, and goes when another class is made.
    classes: Vec<(i64, VecDeque<ConsumerId>)>,
}

impl Turns {
    /// Puts a consumer at the end of its priority.
    pub(crate) fn push(&mut self, priority: i64, consumer: ConsumerId) {
        self.class(priority).push_back(consumer);
    }

    /// Whoever is next, without taking it.
    #[inline]
    pub(crate) fn first(&self) -> Option<ConsumerId> {
        self.classes.iter().find_map(|(_, class)| class.front().copied())
    }

    /// Takes whoever is next.
    pub(crate) fn pop(&mut self) -> Option<ConsumerId> {
        self.classes.iter_mut().find_map(|(_, class)| class.pop_front())
    }

    /// Serves whoever is next and puts it at the end of its priority, in one step.
    #[inline]
    pub(crate) fn rotate(&mut self) {
        let Some((_, class)) = self.classes.iter_mut().find(|(_, class)| !class.is_empty()) else { return };
        // A lone consumer stays where it is.
        if class.len() > 1 {
            class.rotate_left(1);
        }
    }

    /// Takes a consumer out, wherever it is.
    pub(crate) fn remove(&mut self, consumer: ConsumerId) {
        for (_, class) in &mut self.classes {
            class.retain(|waiting| *waiting != consumer);
        }
    }

    /// Whoever waits, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ConsumerId> {
        self.classes.iter().flat_map(|(_, class)| class.iter().copied())
    }

    fn class(&mut self, priority: i64) -> &mut VecDeque<ConsumerId> {
        let mut at = self.classes.partition_point(|(known, _)| *known > priority);
        if self.classes.get(at).is_none_or(|(known, _)| *known != priority) {
            self.classes.retain(|(_, class)| !class.is_empty());
            at = self.classes.partition_point(|(known, _)| *known > priority);
            self.classes.insert(at, (priority, VecDeque::new()));
        }
        // The class was found or has just been put there; the last one is only for the compiler.
        let last = self.classes.len() - 1;
        #[allow(clippy::indexing_slicing)]
        &mut self.classes[at.min(last)].1
    }
}
