//! Dead letters that do not arrive, or arrive where they came from.

use super::super::place::{Place, Quoted};
use super::super::topology_view::DyingOf;
use super::Subject;
use super::finding::Findings;

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    for dying in subject.letters.iter() {
        match subject.view.exchange(&dying.dead_letter.exchange) {
            None => missing_exchange(dying, findings),
            Some(_) if dying.targets.is_empty() => nowhere(subject, dying, findings),
            Some(_) => {
                some_nowhere(dying, findings);
                back_again(dying, findings);
            }
        }
    }
}

fn missing_exchange(dying: &DyingOf<'_>, findings: &mut Findings) {
    let exchange = Quoted(&dying.dead_letter.exchange);
    let problem =
        format!("its dead-letter exchange {exchange} does not exist, so every message that dies here is lost");
    let remedy = format!("declare the exchange {exchange} and bind a queue to it, or correct its name");
    findings.error("missing-dead-letter-exchange", Place::queue(&dying.queue.name), problem, remedy);
}

/// No queue is reached by any key that the dead letters can have.
fn nowhere(subject: &Subject<'_>, dying: &DyingOf<'_>, findings: &mut Findings) {
    if dying.is_vague {
        return;
    }
    let place = Place::queue(&dying.queue.name);
    let exchange = Quoted(&dying.dead_letter.exchange);
    let is_default = dying.dead_letter.exchange.is_empty();
    match &dying.dead_letter.routing_key {
        Some(key) if is_default => {
            let problem =
                format!("its dead letters go to the queue {}, which does not exist; so they are lost", Quoted(key));
            let remedy = format!("declare the queue {}, or correct the dead-letter routing key", Quoted(key));
            findings.error("missing-dead-letter-queue", place, problem, remedy);
        }
        Some(key) => {
            let problem = format!(
                "nothing is bound to its dead-letter exchange {exchange} with the key {}, which its dead letters get; \
                 so they are lost",
                Quoted(key)
            );
            let remedy = format!("bind a queue to {exchange} with the key {}", Quoted(key));
            findings.error("unroutable-dead-letters", place, problem, remedy);
        }
        None if is_default => {
            let problem = "its dead letters go through the default exchange with the keys they came with, and no \
                           queue is called so; so they are lost";
            let remedy = "set a dead-letter routing key: the name of the queue that is to get them";
            // Which of the keys that fit a pattern are names of queues, nobody can tell.
            match dying.has_open_keys {
                true => findings.warning("unroutable-dead-letters", place, problem.into(), remedy),
                false => findings.error("unroutable-dead-letters", place, problem.into(), remedy),
            }
        }
        None => {
            let bound = subject.view.exchange(&dying.dead_letter.exchange).is_some_and(|one| !one.outward.is_empty());
            let why = if bound { "with no key that messages come here with" } else { "at all" };
            let problem =
                format!("nothing is bound to its dead-letter exchange {exchange} {why}; so its dead letters are lost");
            let remedy = format!("bind a queue to {exchange}, or set a dead-letter routing key");
            findings.error("unroutable-dead-letters", place, problem, remedy);
        }
    }
}

/// Some arrive; but for a key that messages come here with, none does.
fn some_nowhere(dying: &DyingOf<'_>, findings: &mut Findings) {
    if dying.dead_letter.routing_key.is_some() || dying.is_vague {
        return;
    }
    let exchange = &dying.dead_letter.exchange;
    if let Some(key) = dying.unroutable.as_ref().filter(|_| !exchange.is_empty() || !dying.has_open_keys) {
        let problem = format!(
            "its dead letters keep their keys, and those that came with {} find nothing at the dead-letter exchange \
             {}; so they are lost",
            Quoted(key),
            Quoted(exchange)
        );
        let remedy = "set a dead-letter routing key, or bind a queue for these keys too";
        findings.warning("unroutable-dead-letters", Place::queue(&dying.queue.name), problem, remedy);
    }
}

/// What dies comes back at once.
fn back_again(dying: &DyingOf<'_>, findings: &mut Findings) {
    if !dying.targets.contains(&&*dying.queue.name) {
        return;
    }
    let place = Place::queue(&dying.queue.name);
    let remedy = "let its dead letters go to another queue";
    if dying.dead_letter.routing_key.is_some() {
        let problem = "its dead letters come back to it: what consumers reject goes round without end, and what \
                       expires or is over the length is lost";
        findings.error("dead-letters-come-back", place, problem.into(), remedy);
    } else {
        let problem = "its dead letters keep their keys, and with these can come back to it: what consumers reject \
                       goes round without end, and what expires or is over the length is lost";
        let remedy = "set a dead-letter routing key, or let its dead letters go through another exchange";
        findings.warning("dead-letters-come-back", place, problem.into(), remedy);
    }
}
