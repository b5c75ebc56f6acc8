//! Queues that somebody works on: what happens to messages that are rejected, wait too long, or come back too often.

use super::super::place::Place;
use super::super::topology_view::{QueueView, Role};
use super::Subject;
use super::finding::Findings;
use crate::queue::{QueueKind, Settings};

/// A time to live of at least so long is a broom for what was forgotten, and nothing that a slow hour meets.
const LONG_MILLIS: u64 = 3_600_000;

/// RabbitMQ's documentation recommends at most this many priorities.
const MANY_PRIORITIES: u8 = 10;

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    for (queue, settings) in subject.view.sound_queues() {
        many_priorities(queue, settings, findings);
        if subject.role(&queue.name) == Role::Work && !is_temporary(queue, settings) {
            without_dead_letters(queue, settings, findings);
            short_life(queue, settings, findings);
            no_delivery_limit(queue, settings, findings);
            unbounded(queue, settings, findings);
        }
    }
}

/// It goes with its consumers, or with the broker, and its messages with it: nobody counts on them.
pub(super) const fn is_temporary(queue: &QueueView<'_>, settings: &Settings) -> bool {
    queue.auto_delete || !queue.durable || settings.expires_millis.is_some()
}

fn without_dead_letters(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    if settings.dead_letter.is_some() {
        return;
    }
    let place = Place::queue(&queue.name);
    let remedy = "give it a dead-letter exchange, and a queue behind that";
    match settings.delivery_limit {
        Some(limit) if queue.kind == QueueKind::Quorum => {
            let problem = format!(
                "it has no dead-letter exchange: what consumers reject is lost, and so is what came back more than \
                 {limit} times, the delivery limit"
            );
            findings.warning("delivery-limit-drops", place, problem, remedy);
        }
        _ => {
            let problem = "it has no dead-letter exchange, so what consumers reject is lost";
            findings.warning("work-queue-without-dead-letters", place, problem.into(), remedy);
        }
    }
}

fn short_life(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    let Some(millis) = settings.message_ttl_millis.filter(|millis| *millis < LONG_MILLIS) else { return };
    let fate = if settings.dead_letter.is_some() { "dead-lettered" } else { "dropped" };
    let problem = format!(
        "messages live {millis} ms here: when consumers are slow or away for that long, messages with nothing wrong \
         with them are {fate}"
    );
    let remedy = "leave the time to live to queues in which messages wait on purpose, or make it hours";
    findings.warning("short-life-in-work-queue", Place::queue(&queue.name), problem, remedy);
}

fn no_delivery_limit(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    if queue.kind == QueueKind::Quorum && settings.delivery_limit.is_none() {
        let problem = "its delivery limit is taken off: a message on which consumers fail comes back for ever";
        let remedy = "set a delivery limit, 20 being RabbitMQ's own";
        findings.warning("no-delivery-limit", Place::queue(&queue.name), problem.into(), remedy);
    }
}

fn unbounded(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    if is_unbounded(settings) {
        let problem = "it has no greatest length and no time to live: while consumers are away it grows until the \
                       broker stops publishers";
        let remedy = "set max-length or max-length-bytes, with the overflow reject-publish where nothing may be lost";
        findings.hint("unbounded-queue", Place::queue(&queue.name), problem.into(), remedy);
    }
}

/// Neither length nor time bounds it.
pub(super) const fn is_unbounded(settings: &Settings) -> bool {
    settings.max_length.is_none() && settings.max_length_bytes.is_none() && settings.message_ttl_millis.is_none()
}

fn many_priorities(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    if let Some(highest) = settings.max_priority.filter(|highest| *highest > MANY_PRIORITIES) {
        let problem =
            format!("it has {highest} levels of priority, and each costs memory and time as a queue of its own");
        let remedy = "let a few levels do, say 5";
        findings.hint("many-priorities", Place::queue(&queue.name), problem, remedy);
    }
}
