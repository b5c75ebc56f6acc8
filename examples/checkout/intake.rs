//! The customers: they send the lines of the orders file, whatever is in them, to the exchange `orders`.
//!
//! The queue behind it is bounded: who sends faster than the shop takes in waits in `blocking_send`. Now and then a
//! customer gets no answer in time and sends the same again.

use crate::names::{ORDER_CREATED, ORDERS};
use crate::services::correlation_id;
use crate::shop::Shop;
use leveret::{Message, PublishErrorKind};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Sends all lines, one after the other, until the broker closes.
///
/// # Errors
///
/// What the broker says where it does not take a line.
pub(crate) fn send(shop: &Shop, lines: &[Vec<u8>]) -> Result<(), String> {
    let orders = shop.broker.publisher(ORDERS).map_err(|error| format!("the customers: {error}"))?;
    let mut orders = orders.mandatory();
    for (number, line) in (1_u32..).zip(lines) {
        shop.pace.work(BETWEEN);
        let times = if number % SENT_AGAIN == 0 { 2 } else { 1 };
        for _ in 0..times {
            let message = Message::new(line.clone())
                .content_type("application/json")
                .correlation_id(correlation_id(number))
                .message_id(correlation_id(number))
                .app_id("customer");
            match orders.blocking_send(ORDER_CREATED, message) {
                Ok(_) => {}
                Err(error) if *error.kind() == PublishErrorKind::Closed => return Ok(()),
                Err(error) => return Err(format!("the customers, at line {number}: {error}")),
            }
        }
        shop.sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// How long it takes until the next order comes.
const BETWEEN: Duration = Duration::from_millis(5);
/// Every order with a number that this divides is sent twice.
const SENT_AGAIN: u32 = 50;
