//! What does not last as long as it looks: in a restart, or when its last user goes.

use super::super::place::Place;
use super::super::topology_view::{ExchangeView, Origin, QueueView, Role};
use super::Subject;
use super::finding::Findings;
use crate::queue::Settings;

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    for exchange in subject.view.wanted_exchanges() {
        transient_exchange(exchange, findings);
    }
    for (queue, settings) in subject.view.sound_queues().filter(|(queue, _)| queue.origin == Origin::Wanted) {
        // Those in which the dead lie have a rule of their own.
        if matches!(subject.role(&queue.name), Role::Work | Role::Delay) {
            transient_queue(queue, settings, findings);
            half_lasting(queue, findings);
            expiring(queue, settings, findings);
        }
    }
}

fn transient_exchange(exchange: &ExchangeView<'_>, findings: &mut Findings) {
    let place = Place::exchange(&exchange.name);
    match (exchange.durable, exchange.auto_delete) {
        (false, false) => {
            let problem = "it is not durable: a restart takes it and all bindings from it, and publishers then fail";
            findings.warning(
                "transient-exchange",
                place,
                problem.into(),
                "declare it durable, or auto-delete where it is meant to go",
            );
        }
        (true, true) => {
            let problem = "it is durable and auto-delete: it outlives a restart, but not the last binding from it";
            findings.warning(
                "durable-auto-delete",
                place,
                problem.into(),
                "choose one: durable to stay, auto-delete to go",
            );
        }
        _ => {}
    }
}

/// One that expires or goes with its consumers is meant to go.
fn transient_queue(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    if !queue.durable && !queue.auto_delete && settings.expires_millis.is_none() {
        let problem = "it is not durable: a restart takes it and what is in it, persistent or not";
        let remedy = "declare it durable; or auto-delete or exclusive where it is meant to go";
        findings.warning("transient-queue", Place::queue(&queue.name), problem.into(), remedy);
    }
}

fn half_lasting(queue: &QueueView<'_>, findings: &mut Findings) {
    if queue.durable && queue.auto_delete {
        let problem = "it is durable and auto-delete: it outlives a restart, but goes with its last consumer, and \
                       what is in it is lost";
        let remedy = "choose one: durable to stay, auto-delete to go";
        findings.warning("durable-auto-delete", Place::queue(&queue.name), problem.into(), remedy);
    }
}

/// One in which messages do not live as long as the queue without use loses none.
fn expiring(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    let Some(millis) = settings.expires_millis.filter(|_| queue.durable && !queue.auto_delete) else { return };
    if settings.message_ttl_millis.is_some_and(|life| life < millis) {
        return;
    }
    let problem = format!(
        "it is durable, and deleted when it had no consumer for {millis} ms: what is in it is lost and goes to no \
         dead-letter exchange"
    );
    let remedy = "leave expires to queues that are meant to go, and declare these auto-delete or not durable";
    findings.hint("durable-queue-expires", Place::queue(&queue.name), problem, remedy);
}
