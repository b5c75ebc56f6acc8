//! Roles: what each queue is for. A topology does not say it; its shape does, and names where the shape leaves it open.
//!
//! - A *delay* is where messages wait: they expire there, and their dead letters go to a queue that is worked on.
//! - A *dead-letter queue* gets the dead of others, and nothing else by a binding.
//! - A queue is *parking* if it gets only what an exchange could not route, or if nothing leads to it and it is called
//!   after another queue: `orders.parked` beside `orders`.
//! - Everything else is *work*: somebody consumes it and settles what it gets.

use super::letters::{DyingOf, Letters};
use super::{Origin, QueueView, View};
use hashbrown::{HashMap, HashSet};

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Role {
    /// Somebody consumes it.
    Work,
    /// Messages wait in it.
    Delay,
    /// The dead of other queues lie in it.
    DeadLetters,
    /// What went astray lies in it.
    Parking,
}

/// Parts of names by which people call the queues where messages wait.
const DELAY_WORDS: [&str; 6] = ["retry", "delay", "wait", "backoff", "schedule", "defer"];

/// The role of every queue.
pub(in crate::api) struct Roles<'v> {
    roles: HashMap<&'v str, Role>,
}

impl<'v> Roles<'v> {
    pub(in crate::api) fn of(view: &'v View<'v>, letters: &Letters<'v>) -> Self {
        let named: HashSet<&str> = letters.iter().map(|dying| dying.dead_letter.exchange.as_str()).collect();
        let delays = letters.iter().filter(|dying| is_delay(view, letters, &named, dying));
        let delays: HashSet<&str> = delays.map(|dying| &*dying.queue.name).collect();
        // Exchanges that carry the dead, and not what waited.
        let dead = letters.iter().filter(|dying| !delays.contains(&*dying.queue.name));
        let (mut dead_exchanges, mut buried) = (HashSet::new(), HashSet::new());
        for dying in dead {
            dead_exchanges.insert(dying.dead_letter.exchange.as_str());
            buried.extend(dying.targets.iter().copied().filter(|target| *target != dying.queue.name));
        }
        let alternates: HashSet<&str> = view.exchanges.iter().filter_map(|one| one.alternate.as_deref()).collect();
        let names: HashSet<&str> = view.queues.iter().map(|queue| &*queue.name).collect();
        let mut roles = HashMap::new();
        for queue in &view.queues {
            let name = &*queue.name;
            let only_from = |sources: &HashSet<&str>| {
                queue.inward.iter().all(|binding| sources.contains(&*super::declared_name(&binding.source)))
            };
            let role = if delays.contains(name) {
                Role::Delay
            } else if buried.contains(name) && only_from(&dead_exchanges) {
                Role::DeadLetters
            } else if !queue.inward.is_empty() && only_from(&alternates) || is_called_after(queue, &names) {
                Role::Parking
            } else {
                Role::Work
            };
            roles.insert(name, role);
        }
        Self { roles }
    }

    pub(in crate::api) fn role(&self, queue: &str) -> Role {
        self.roles.get(queue).copied().unwrap_or(Role::Work)
    }
}

fn is_delay(view: &View<'_>, letters: &Letters<'_>, named: &HashSet<&str>, dying: &DyingOf<'_>) -> bool {
    let queue = dying.queue;
    let expires = queue.settings.as_ref().is_some_and(|settings| settings.message_ttl_millis.is_some());
    let carries_work = |binding: &&super::Binding| !named.contains(&*super::declared_name(&binding.source));
    if !expires || dying.targets.contains(&&*queue.name) || queue.inward.iter().any(carries_work) {
        return false;
    }
    let is_worked_on = |target: &&str| {
        letters.of_queue(target).is_some()
            || view.queue(target).is_some_and(|to| to.origin == Origin::Elsewhere || to.inward.iter().any(carries_work))
    };
    dying.targets.iter().any(is_worked_on) || says_delay(&queue.name)
}

fn says_delay(name: &str) -> bool {
    let name = name.to_lowercase();
    DELAY_WORDS.iter().any(|word| name.contains(word))
}

/// Whether nothing leads to it, nothing leaves it, and the beginning of its name is another queue's name.
fn is_called_after(queue: &QueueView<'_>, names: &HashSet<&str>) -> bool {
    let ends = queue.settings.as_ref().is_some_and(|settings| settings.dead_letter.is_none());
    let mut separators = queue.name.char_indices().filter(|(_, c)| !c.is_alphanumeric());
    ends && queue.inward.is_empty()
        && separators.any(|(at, _)| queue.name.get(..at).is_some_and(|before| names.contains(before)))
}
