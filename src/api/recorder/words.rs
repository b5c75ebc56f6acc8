//! Losses in words: what a person wants to hear who looks for a message.

use super::fate::Fate;
use super::journey::Journey;
use super::ledger::{DropCount, Ledger, QueueLedger};
use crate::message::Reason;
use crate::port::{Cause, Dropping};

/// Why a message is lost with this fate, which it has in this queue or without any; `None` where it is not lost. `nearest`
/// is said of the binding that comes nearest to its key.
pub(super) fn of_fate(journey: &Journey, queue: &str, fate: &Fate, nearest: Option<&str>) -> Option<String> {
    let (exchange, key) = (journey.exchange(), journey.routing_key());
    Some(match fate {
        Fate::Unroutable => {
            let nearest = nearest.map(|nearest| format!(" {nearest}")).unwrap_or_default();
            format!(
                "no queue is bound to exchange '{exchange}' for the routing key '{key}'.{nearest} A mandatory publish \
                 would have given it back"
            )
        }
        Fate::Dropped { reason, why } => format!("{}, and {}", died(*reason, queue), why_dropped(*why)),
        Fate::LostWithQueue { cause: cause @ (Cause::BrokerStopped | Cause::BrokerRestarted), durable } => {
            let transient = journey.message().properties().delivery_mode != Some(2);
            let survives = match (durable, transient) {
                (false, _) => "the queue is not durable, so a restart ends it with all that is in it",
                (true, true) => {
                    "the message is transient (delivery mode 1), so a restart loses it even in a durable queue"
                }
                (true, false) => "nothing keeps it on disk",
            };
            format!("the {cause} while it was in '{queue}', and {survives}")
        }
        Fate::LostWithQueue { cause, .. } => format!("queue '{queue}' was deleted with it ({cause})"),
        Fate::Cut => format!("it died in '{queue}' before, and would go round for ever"),
        Fate::Replied { taken: false } => "it was a direct reply, and its receiver had no room".to_owned(),
        _ => return None,
    })
}

/// All losses of a ledger.
pub(super) fn of_ledger(ledger: &Ledger) -> Vec<String> {
    let mut losses = Vec::new();
    if ledger.publishes.unroutable > 0 {
        losses.push(format!("{}: no queue is bound for their routing key", messages(ledger.publishes.unroutable)));
    }
    if ledger.publishes.replies_dropped > 0 {
        losses.push(format!("{}: direct replies without room", messages(ledger.publishes.replies_dropped)));
    }
    for line in &ledger.queues {
        of_queue(line, &mut losses);
    }
    losses
}

fn of_queue(line: &QueueLedger, losses: &mut Vec<String>) {
    let queue = &line.queue;
    for DropCount { reason, why, count } in &line.drops {
        losses.push(format!("{}: {}, and {}", messages(*count), died(*reason, queue), why_dropped(*why)));
    }
    let with_queue = line.lost.saturating_sub(line.lost_transient);
    if with_queue > 0 {
        let durable = if line.durable { "" } else { ", which was not durable" };
        losses.push(format!("{}: went with queue '{queue}'{durable}", messages(with_queue)));
    }
    if line.lost_transient > 0 {
        losses
            .push(format!("{}: lost from '{queue}' in a restart, not being persistent", messages(line.lost_transient)));
    }
    if line.cut > 0 {
        losses.push(format!("{}: died in '{queue}' before, and would go round for ever", messages(line.cut)));
    }
}

fn died(reason: Reason, queue: &str) -> String {
    match reason {
        Reason::Rejected => format!("rejected without requeueing in '{queue}'"),
        Reason::Expired => format!("expired in '{queue}'"),
        Reason::MaxLength => format!("over the length of '{queue}'"),
        Reason::DeliveryLimit => format!("came back too often to '{queue}'"),
    }
}

fn why_dropped(why: Dropping) -> &'static str {
    why.as_str()
}

fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}
