//! Exchanges: messages that find no way on, and queues and exchanges that nothing leads to.

use super::super::place::{Place, Quoted};
use super::super::topology_view::{ExchangeView, QueueView, Role};
use super::Subject;
use super::finding::Findings;
use crate::route::ExchangeKind;
use hashbrown::HashSet;

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    for exchange in subject.view.wanted_exchanges() {
        missing_alternate(subject, exchange, findings);
        alternate_cycle(subject, exchange, findings);
        drops_all(exchange, findings);
        drops_some(subject, exchange, findings);
        unreachable(subject, exchange, findings);
    }
    // In a topology without a single binding publishers name queues, and nothing is wrong with that.
    if subject.view.queues.iter().any(|queue| !queue.inward.is_empty()) {
        for (queue, _) in subject.view.sound_queues() {
            nothing_bound(subject, queue, findings);
        }
    }
}

fn missing_alternate(subject: &Subject<'_>, exchange: &ExchangeView<'_>, findings: &mut Findings) {
    let Some(alternate) = exchange.alternate.as_deref() else { return };
    if subject.view.exchange(alternate).is_none() {
        let problem = format!(
            "its alternate exchange {} does not exist, so what finds no binding here is dropped",
            Quoted(alternate)
        );
        let remedy = format!("declare the exchange {} and bind a queue to it", Quoted(alternate));
        findings.error("missing-alternate-exchange", Place::exchange(&exchange.name), problem, remedy);
    }
}

/// Alternates that lead back to where they began.
fn alternate_cycle(subject: &Subject<'_>, exchange: &ExchangeView<'_>, findings: &mut Findings) {
    let mut seen = HashSet::new();
    let mut at = exchange.alternate.as_deref();
    while let Some(name) = at {
        if name == exchange.name {
            let problem = "its alternate exchange leads back to it, so what finds no binding on that way is dropped";
            let remedy =
                "let the last alternate be a fanout exchange with a queue, and without an alternate of its own";
            findings.warning("alternate-cycle", Place::exchange(&exchange.name), problem.into(), remedy);
            return;
        }
        if !seen.insert(name) {
            return;
        }
        at = subject.view.exchange(name).and_then(|next| next.alternate.as_deref());
    }
}

fn drops_all(exchange: &ExchangeView<'_>, findings: &mut Findings) {
    if exchange.outward.is_empty() && exchange.alternate.is_none() {
        let problem =
            "nothing is bound to it and it has no alternate exchange, so everything that comes here is dropped";
        let remedy = "bind a queue to it, or take the exchange out";
        findings.warning("exchange-without-bindings", Place::exchange(&exchange.name), problem.into(), remedy);
    }
}

/// Publishers may use a key that nothing is bound with. Behind bindings and dead letters that is choosing, not losing.
fn drops_some(subject: &Subject<'_>, exchange: &ExchangeView<'_>, findings: &mut Findings) {
    if exchange.outward.is_empty()
        || exchange.alternate.is_some()
        || exchange.internal
        || exchange.inward > 0
        || subject.letters.go_through(&exchange.name)
        || exchange.has_catch_all
    {
        return;
    }
    let by = if exchange.kind == ExchangeKind::Headers { "headers" } else { "a key" };
    let problem = format!("what is published here with {by} that no binding fits is dropped, unless it is mandatory");
    let remedy = "give it an alternate exchange, a fanout with one queue, to see what goes astray";
    findings.hint("unroutable-messages-dropped", Place::exchange(&exchange.name), problem, remedy);
}

/// An internal exchange takes nothing from publishers.
fn unreachable(subject: &Subject<'_>, exchange: &ExchangeView<'_>, findings: &mut Findings) {
    let is_alternate = || subject.view.exchanges.iter().any(|one| one.alternate.as_deref() == Some(&exchange.name));
    let carries_dead = || subject.letters.go_through(&exchange.name);
    if exchange.internal && exchange.inward == 0 && !is_alternate() && !carries_dead() {
        let problem =
            "it is internal, so no publisher may use it, and no binding, alternate or dead letter leads to it";
        let remedy = "bind it to another exchange, or declare it without internal";
        findings.warning("unreachable-exchange", Place::exchange(&exchange.name), problem.into(), remedy);
    }
}

fn nothing_bound(subject: &Subject<'_>, queue: &QueueView<'_>, findings: &mut Findings) {
    if queue.inward.is_empty() && subject.role(&queue.name) == Role::Work && !subject.letters.come_to(&queue.name) {
        let problem = "no binding leads here; only publishers that name the queue reach it";
        let remedy = "bind it to an exchange, unless publishers do name it";
        findings.hint("no-binding-leads-here", Place::queue(&queue.name), problem.into(), remedy);
    }
}
