//! Cycles: dead letters that come round to a queue in which they died before.
//!
//! RabbitMQ drops a dead letter that comes back to a queue it died in, if nobody rejected it since: not as another
//! death, but silently. So a cycle of expiries loses messages; and one in which a consumer rejects has no end in the
//! broker, since every rejection lets the next round begin. A delivery limit does not help: each round is a new message
//! to the queue.

use super::super::place::{Place, Quoted};
use super::super::topology_view::{QueueView, Role};
use super::Subject;
use super::finding::Findings;
use crate::queue::{Overflow, QueueKind, Settings};
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    let mut told = HashSet::new();
    // A cycle is told of from where somebody works, if anybody does.
    let is_work = |name: &str| subject.role(name) == Role::Work;
    let (first, then): (Vec<_>, Vec<_>) =
        subject.letters.iter().map(|dying| &*dying.queue.name).partition(|name| is_work(name));
    for start in first.into_iter().chain(then) {
        if told.contains(start) {
            continue;
        }
        if let Some(path) = cycle_from(subject, start) {
            told.extend(path.iter().copied());
            drops(subject, &path, findings);
            has_no_end(subject, &path, findings);
        }
    }
}

/// The shortest way of dead letters from a queue back to it, over at least one other.
fn cycle_from<'v>(subject: &Subject<'v>, start: &'v str) -> Option<Vec<&'v str>> {
    let mut before: HashMap<&str, &str> = HashMap::new();
    let mut left = VecDeque::from([start]);
    while let Some(at) = left.pop_front() {
        let Some(dying) = subject.letters.of_queue(at) else { continue };
        for target in dying.targets.iter().copied() {
            if target == start && at != start {
                let mut path = vec![at];
                let mut step = at;
                while let Some(earlier) = before.get(step).copied() {
                    path.push(earlier);
                    step = earlier;
                }
                path.reverse();
                return Some(path);
            }
            if target != start && !before.contains_key(target) {
                before.insert(target, at);
                left.push_back(target);
            }
        }
    }
    None
}

/// Why a message can die here though nobody rejected it.
fn dies_alone(queue: &QueueView<'_>, settings: &Settings) -> Option<&'static str> {
    let bounded = settings.max_length.is_some() || settings.max_length_bytes.is_some();
    if settings.message_ttl_millis.is_some() {
        Some("expires")
    } else if bounded && settings.overflow != Overflow::RejectPublish {
        Some("is over the length")
    } else if queue.kind == QueueKind::Quorum && settings.delivery_limit.is_some() {
        Some("comes back more often than the delivery limit")
    } else {
        None
    }
}

fn written(path: &[&str]) -> String {
    let mut text = String::new();
    for name in path.iter().chain(path.first()) {
        let arrow = if text.is_empty() { "" } else { " → " };
        text.push_str(&format!("{arrow}{}", Quoted(name)));
    }
    text
}

/// Every queue of the cycle can send a message on without anybody rejecting it.
fn drops(subject: &Subject<'_>, path: &[&str], findings: &mut Findings) {
    let why = |name: &&str| {
        let queue = subject.view.queue(name)?;
        dies_alone(queue, queue.settings.as_ref()?)
    };
    let reasons: Option<Vec<_>> = path.iter().map(why).collect();
    let (Some(reasons), Some(start)) = (reasons, path.first()) else { return };
    let reason = reasons.first().copied().unwrap_or_default();
    let problem = format!(
        "what {reason} here goes {} and is dropped when it comes back: RabbitMQ ends a cycle in which nobody rejected \
         the message, and tells nobody",
        written(path)
    );
    let place = Place::queue(start);
    if subject.role(start) == Role::Work {
        let remedy =
            "take that cause of death from the queue, or let it dead-letter to a queue that is not on the cycle";
        findings.warning("cycle-drops-messages", place, problem, remedy);
    } else {
        let remedy = "let the dead letters of one of these queues go to a queue that is not on the cycle";
        findings.error("cycle-drops-messages", place, problem, remedy);
    }
}

/// A consumer on the cycle rejects, and nothing but the consumer can stop.
fn has_no_end(subject: &Subject<'_>, path: &[&str], findings: &mut Findings) {
    let Some(start) = path.first().filter(|name| subject.role(name) == Role::Work) else { return };
    // A queue that only somebody who names it reaches: where a consumer that gives up puts a message.
    let is_parking = |queue: &QueueView<'_>| {
        queue.inward.is_empty()
            && queue.settings.as_ref().is_some_and(|settings| settings.dead_letter.is_none())
            && !subject.letters.come_to(&queue.name)
    };
    if !subject.view.queues.iter().any(is_parking) {
        let problem = format!(
            "what consumers reject here goes {} for ever: nothing in the topology ends it, and a delivery limit does \
             not count rounds",
            written(path)
        );
        let remedy = "declare a queue for what is given up, beside the cycle; let consumers look at the count in \
                      x-death, publish there what came too often, and acknowledge it";
        findings.warning("retry-without-end", Place::queue(start), problem, remedy);
    }
}
