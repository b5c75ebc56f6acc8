//! Queues in which the dead or what went astray lies: nobody works on them, so nothing empties them in time.

use super::super::place::Place;
use super::super::topology_view::{QueueView, Role};
use super::Subject;
use super::finding::Findings;
use super::work::is_unbounded;
use crate::queue::Settings;

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    for (queue, settings) in subject.view.sound_queues() {
        let what = match subject.role(&queue.name) {
            Role::DeadLetters => "dead letters",
            Role::Parking => "what went astray",
            Role::Work | Role::Delay => continue,
        };
        unbounded(queue, settings, what, findings);
        mortal(queue, settings, what, findings);
    }
}

fn unbounded(queue: &QueueView<'_>, settings: &Settings, what: &str, findings: &mut Findings) {
    if is_unbounded(settings) {
        let problem = format!("{what} gather here, nobody works on them, and neither length nor time bounds the queue");
        let remedy = "set max-length, max-length-bytes or a time to live, and watch how long it is";
        findings.warning("unbounded-dead-letter-queue", Place::queue(&queue.name), problem, remedy);
    }
}

fn mortal(queue: &QueueView<'_>, settings: &Settings, what: &str, findings: &mut Findings) {
    let fate = if !queue.durable {
        "is lost in a restart"
    } else if queue.auto_delete {
        "goes with its last consumer"
    } else if settings.expires_millis.is_some() {
        "is deleted when nobody used it for a while, consumers or not"
    } else {
        return;
    };
    let problem = format!("{what} gather here, and the queue {fate}, with all that is in it");
    let remedy = "declare it durable, and without auto-delete and expires";
    findings.warning("mortal-dead-letter-queue", Place::queue(&queue.name), problem, remedy);
}
