//! Policies that are laid over something and have no effect on it.

use super::super::place::{Place, Quoted};
use super::super::topology::Topology;
use super::super::topology_view::{Origin, QueueView};
use super::Subject;
use super::finding::Findings;
use crate::queue::Policy;
use hashbrown::{HashMap, HashSet};

pub(super) fn lint(topology: &Topology, subject: &Subject<'_>, findings: &mut Findings) {
    let effects = Effects::of(subject);
    let mut told = HashSet::new();
    for policy in topology.policies().filter(|policy| told.insert(policy.name.as_str())) {
        if let Some((winner, place)) = effects.hidden.get(policy.name.as_str())
            && !effects.in_force.contains(policy.name.as_str())
        {
            never_in_force(policy, winner, place, findings);
        }
        if let Some(queue) = effects.kept_off.get(policy.name.as_str()) {
            unsuited(policy, queue, findings);
        }
    }
}

/// What becomes of each policy, by its name.
#[derive(Default)]
struct Effects<'v> {
    /// Those that are in force for something.
    in_force: HashSet<&'v str>,
    /// Those that fit something for which a better one is in force: that one, and the first such thing.
    hidden: HashMap<&'v str, (&'v Policy, Place)>,
    /// Those that fit a queue whose type lacks one of their keys: the first such queue.
    kept_off: HashMap<&'v str, &'v QueueView<'v>>,
}

impl<'v> Effects<'v> {
    fn of(subject: &Subject<'v>) -> Self {
        let mut effects = Self::default();
        for queue in subject.view.queues.iter().filter(|queue| queue.origin == Origin::Wanted) {
            let mut suited = Vec::new();
            for policy in subject.view.policies.over_queue(&queue.name, queue.kind) {
                if policy.definition.suits(queue.kind) {
                    suited.push(policy);
                } else {
                    effects.kept_off.entry(&policy.name).or_insert(queue);
                }
            }
            effects.rank(&suited, || Place::queue(&queue.name));
        }
        for exchange in subject.view.wanted_exchanges() {
            let over: Vec<_> = subject.view.policies.over_exchange(&exchange.name).collect();
            effects.rank(&over, || Place::exchange(&exchange.name));
        }
        effects
    }

    /// Policies over one thing, the best first.
    fn rank(&mut self, over: &[&'v Policy], place: impl Fn() -> Place) {
        let Some((winner, others)) = over.split_first() else { return };
        self.in_force.insert(&winner.name);
        for other in others {
            self.hidden.entry(&other.name).or_insert_with(|| (winner, place()));
        }
    }
}

/// Only one policy is in force for a name; their keys do not add up.
fn never_in_force(policy: &Policy, winner: &Policy, place: &Place, findings: &mut Findings) {
    let problem = format!(
        "it is in force for nothing here: of several policies that fit a name only one counts, as a whole, and for \
         {place} that is policy {}",
        Quoted(&winner.name)
    );
    let remedy = "put its keys into the policy that counts, or give it a higher priority";
    findings.warning("policy-never-in-force", Place::policy(&policy.name), problem, remedy);
}

/// A key that a queue's type lacks keeps the whole policy off that queue.
fn unsuited(policy: &Policy, queue: &QueueView<'_>, findings: &mut Findings) {
    let problem = format!(
        "it fits {} queue {}, and has a key that {} queues lack; so nothing of it is in force there",
        queue.kind,
        Quoted(&queue.name),
        queue.kind
    );
    let remedy = "say with apply-to for which type of queue it is, and give the other type a policy of its own";
    findings.hint("policy-does-not-suit", Place::policy(&policy.name), problem, remedy);
}
