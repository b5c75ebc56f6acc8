//! What a full queue does: words without effect, and words that promise more than they do.

use super::super::place::Place;
use super::super::topology_view::QueueView;
use super::Subject;
use super::finding::Findings;
use crate::queue::{Overflow, QueueKind, Settings, Strategy};

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    for (queue, settings) in subject.view.sound_queues() {
        without_limit(queue, settings, findings);
        refused_do_not_die(queue, settings, findings);
        unknown_to_quorum(queue, findings);
        not_at_least_once(queue, settings, findings);
    }
}

/// The word that is asked for, whatever is in force: a quorum queue's policy goes before its argument.
fn asked<'v>(queue: &'v QueueView<'_>, key: &str) -> Option<&'v str> {
    let argument = || queue.queue?.arguments().get(&format!("x-{key}"))?.as_str();
    queue.policy.as_ref().and_then(|policy| policy.text(key)).or_else(argument)
}

fn without_limit(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    let has_limit = settings.max_length.is_some() || settings.max_length_bytes.is_some();
    if !has_limit && settings.overflow != Overflow::DropHead {
        let problem =
            format!("its overflow is {}, but it has no greatest length, so it is never full", settings.overflow);
        let remedy = "set max-length or max-length-bytes, or leave the overflow out";
        findings.warning("overflow-without-length", Place::queue(&queue.name), problem, remedy);
    }
}

/// With at-least-once dead letters `reject-publish` is what RabbitMQ asks for.
fn refused_do_not_die(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    let has_limit = settings.max_length.is_some() || settings.max_length_bytes.is_some();
    let place = Place::queue(&queue.name);
    match (settings.overflow, &settings.dead_letter) {
        (Overflow::RejectPublish, Some(_)) if has_limit && settings.strategy == Strategy::AtMostOnce => {
            let problem = "when it is full it refuses new messages, and these do not go to the dead-letter exchange: \
                           they are lost where publishers do not wait for confirms";
            let remedy = match queue.kind {
                QueueKind::Quorum => {
                    "publish with confirms; or let the dead-letter strategy be at-least-once, for which this overflow \
                     is meant"
                }
                QueueKind::Classic => "publish with confirms; or let the overflow be reject-publish-dlx",
            };
            findings.hint("refused-messages-do-not-dead-letter", place, problem.into(), remedy);
        }
        (Overflow::RejectPublishDlx, None) => {
            let problem = "its overflow is reject-publish-dlx, but it has no dead-letter exchange, so what is refused \
                           is only refused";
            findings.warning(
                "overflow-without-dead-letters",
                place,
                problem.into(),
                "give it a dead-letter exchange, or let the overflow be reject-publish",
            );
        }
        _ => {}
    }
}

fn unknown_to_quorum(queue: &QueueView<'_>, findings: &mut Findings) {
    let word = asked(queue, "overflow");
    if queue.kind == QueueKind::Quorum && word == Some(Overflow::RejectPublishDlx.as_str()) {
        let problem = "quorum queues do not know the overflow reject-publish-dlx and drop the head instead";
        let remedy = "let the overflow be reject-publish or drop-head";
        findings.warning("overflow-unknown-to-quorum", Place::queue(&queue.name), problem.into(), remedy);
    }
}

fn not_at_least_once(queue: &QueueView<'_>, settings: &Settings, findings: &mut Findings) {
    if asked(queue, "dead-letter-strategy") == Some(Strategy::AtLeastOnce.as_str())
        && settings.strategy == Strategy::AtMostOnce
    {
        let lacks =
            if settings.dead_letter.is_none() { "a dead-letter exchange" } else { "the overflow reject-publish" };
        let problem =
            format!("its dead letters are to arrive at least once, but it lacks {lacks}, so they arrive at most once");
        let remedy = format!("give it {lacks}, or leave the strategy out");
        findings.warning("not-at-least-once", Place::queue(&queue.name), problem, remedy);
    }
}
