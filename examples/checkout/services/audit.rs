//! Two who only listen: the audit keeps the account, the log keeps the journeys. Both get every event.

use super::line_of;
use crate::account::Sign;
use crate::journey::Step;
use crate::names::{AUDIT, FRAUD_CHECK_LOG};
use crate::shop::{Shop, lock};
use leveret::{Delivery, Value};
use std::time::Duration;

/// Keeps the account until the broker ends.
///
/// # Errors
///
/// What the broker says where it cannot listen.
pub(crate) fn keep_account(shop: &Shop) -> Result<(), String> {
    listen(shop, AUDIT, |delivery| {
        let Some(line) = line_of(delivery.properties()) else { return };
        let reason = delivery.header("reason").and_then(Value::as_str);
        shop.record(line, Sign::of(delivery.routing_key(), reason));
    })
}

/// Keeps the journeys until the broker ends.
///
/// # Errors
///
/// What the broker says where it cannot listen.
pub(crate) fn keep_journeys(shop: &Shop) -> Result<(), String> {
    listen(shop, FRAUD_CHECK_LOG, |delivery| {
        let Some(line) = line_of(delivery.properties()) else { return };
        let number = |name: &str| delivery.header(name).and_then(Value::as_integer).unwrap_or_default();
        let note = delivery.header("reason").and_then(Value::as_str).map(str::to_owned);
        let note = match number("attempt-made") {
            0 | 1 => note,
            attempt => Some(format!("attempt {attempt}{}", note.map_or_else(String::new, |note| format!(": {note}")))),
        };
        let step = Step {
            at: Duration::from_micros(number("at-micros").unsigned_abs()),
            key: delivery.routing_key().to_string(),
            by: delivery.properties().app_id.as_deref().unwrap_or_default().to_owned(),
            note,
        };
        lock(&shop.journeys).record(line, step);
    })
}

/// Listens to a queue until the broker ends.
pub(super) fn listen(shop: &Shop, queue: &str, mut hear: impl FnMut(&Delivery)) -> Result<(), String> {
    let consumer = shop.broker.consumer(queue).prefetch(PREFETCH).open();
    let mut consumer = consumer.map_err(|error| format!("{queue}: {error}"))?;
    while let Some(delivery) = consumer.blocking_recv() {
        hear(&delivery);
        delivery.ack();
    }
    Ok(())
}

/// They are quick, so they may hold more.
const PREFETCH: u32 = 64;
