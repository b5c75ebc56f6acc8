//! Groups: how the deliveries of one settlement are handed to their queues.
//!
//! RabbitMQ sorts what a channel settles at once by queue name and then by consumer, and gives each group to its queue
//! as one command. A delivery fetched with `basic.get` has no consumer: each is a group of its own, and these come
//! before the consumers' groups, by tag. A consumer's group keeps its order. The order decides which dead letter comes
//! first, and who is served between two requeues.

use crate::base::Name;
use std::cmp::Ordering;

/// The deliveries of one settlement, group by group.
#[derive(Debug)]
pub struct Groups<T> {
    entries: std::iter::Peekable<std::vec::IntoIter<(u64, T)>>,
    owner: fn(&T) -> (&Name, Option<&Name>),
}

impl<T> Groups<T> {
    /// Cuts `entries`, which are in the order in which they were settled. `owner` names the queue and the consumer of
    /// one.
    #[must_use]
    pub fn new(mut entries: Vec<(u64, T)>, owner: fn(&T) -> (&Name, Option<&Name>)) -> Self {
        // Stable, so that a group keeps its order. Mostly there is one group, and the sort is one pass.
        entries.sort_by(|a, b| compare((a.0, owner(&a.1)), (b.0, owner(&b.1))));
        Self { entries: entries.into_iter().peekable(), owner }
    }
}

impl<T> Iterator for Groups<T> {
    type Item = Vec<(u64, T)>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.entries.next()?;
        let mut group = vec![first];
        while let Some(next) = self.entries.next_if(|(_, next)| {
            let (queue, consumer) = (self.owner)(next);
            group.first().is_some_and(|(_, first)| consumer.is_some() && (self.owner)(first) == (queue, consumer))
        }) {
            group.push(next);
        }
        Some(group)
    }
}

type Owned<'a> = (u64, (&'a Name, Option<&'a Name>));

fn compare((a_tag, a): Owned<'_>, (b_tag, b): Owned<'_>) -> Ordering {
    // `None` is less than any consumer. `Name` compares by bytes. Fetched ones are apart by their tags.
    a.cmp(&b).then_with(|| if a.1.is_none() { a_tag.cmp(&b_tag) } else { Ordering::Equal })
}
