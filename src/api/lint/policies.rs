//! Policies that are laid over something and have no effect on it.

use super::super::place::{Place, Quoted};
use super::super::topology::Topology;
use super::super::topology_view::Origin;
use super::Subject;
use super::finding::Findings;
use crate::queue::Policy;

pub(super) fn lint(topology: &Topology, subject: &Subject<'_>, findings: &mut Findings) {
    for policy in topology.policies() {
        never_in_force(policy, subject, findings);
        unsuited(policy, subject, findings);
    }
}

/// Only one policy is in force for a name; their keys do not add up.
fn never_in_force(policy: &Policy, subject: &Subject<'_>, findings: &mut Findings) {
    let is_this = |other: &&Policy| other.name == policy.name;
    let mut hidden = None;
    for queue in subject.view.queues.iter().filter(|queue| queue.origin == Origin::Wanted) {
        let mut over = subject.view.policies.over_queue(&queue.name, queue.kind);
        let Some(first) = over.find(|other| other.definition.suits(queue.kind)) else { continue };
        if is_this(&first) {
            return;
        }
        if over.filter(|other| other.definition.suits(queue.kind)).any(|other| is_this(&other)) {
            hidden = hidden.or(Some((first, Place::queue(&queue.name))));
        }
    }
    for exchange in subject.view.wanted_exchanges() {
        let mut over = subject.view.policies.over_exchange(&exchange.name);
        let Some(first) = over.next() else { continue };
        if is_this(&first) {
            return;
        }
        if over.any(|other| is_this(&other)) {
            hidden = hidden.or(Some((first, Place::exchange(&exchange.name))));
        }
    }
    let Some((winner, place)) = hidden else { return };
    let problem = format!(
        "it is in force for nothing here: of several policies that fit a name only one counts, as a whole, and for {place} \
         that is policy {}",
        Quoted(&winner.name)
    );
    let remedy = "put its keys into the policy that counts, or give it a higher priority";
    findings.warning("policy-never-in-force", Place::policy(&policy.name), problem, remedy);
}

/// A key that a queue's type lacks keeps the whole policy off that queue.
fn unsuited(policy: &Policy, subject: &Subject<'_>, findings: &mut Findings) {
    let kept_off = subject.view.queues.iter().filter(|queue| queue.origin == Origin::Wanted).find(|queue| {
        let mut over = subject.view.policies.over_queue(&queue.name, queue.kind);
        over.any(|other| other.name == policy.name) && !policy.definition.suits(queue.kind)
    });
    if let Some(queue) = kept_off {
        let problem = format!(
            "it fits {} queue {}, and has a key that {} queues lack; so nothing of it is in force there",
            queue.kind,
            Quoted(&queue.name),
            queue.kind
        );
        let remedy = "say with apply-to for which type of queue it is, and give the other type a policy of its own";
        findings.hint("policy-does-not-suit", Place::policy(&policy.name), problem, remedy);
    }
}
