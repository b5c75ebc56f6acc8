//! The undertaker: reads every letter in every dead-letter queue and enters it into the account.
//!
//! It settles nothing while the shop is open: a letter that it has read stays where it is, unacknowledged, and is ready
//! again when the undertaker's channel closes. One channel consumes from all the queues.

use super::line_of;
use crate::names::{ASIDE, DECIDING};
use crate::shop::Shop;
use leveret::{ChannelDelivery, ChannelEvent, Close, Consume, TryRecvError, Value};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Reads letters until it is told to stop, then leaves them all where they were.
///
/// # Errors
///
/// What the broker says where it cannot read.
pub(crate) fn run(shop: &Shop, stop: &AtomicBool) -> Result<(), String> {
    read(shop, stop).map_err(|close| format!("the undertaker: {close}"))
}

fn read(shop: &Shop, stop: &AtomicBool) -> Result<(), Close> {
    let connection = shop.broker.connect()?;
    let channel = connection.open_channel()?;
    for queue in DECIDING.iter().chain(&ASIDE) {
        channel.basic_consume(&Consume::new(*queue).tag(*queue))?;
    }
    let mut kept: BTreeMap<&str, u32> = BTreeMap::new();
    while !stop.load(Ordering::Acquire) {
        match channel.recv_timeout(LOOK_UP) {
            Ok(ChannelEvent::Deliver(letter)) => {
                let Some(queue) = enter(shop, &letter) else { continue };
                let kept = kept.entry(queue).or_default();
                *kept += 1;
                if *kept > KEPT {
                    // The queue's own bound would have dropped one by now. What it said is written down.
                    channel.basic_ack(letter.delivery_tag)?;
                }
            }
            Ok(ChannelEvent::Closed(close)) => return Err(close),
            Ok(_) | Err(TryRecvError::Empty) => {}
            Err(_) => return Ok(()),
        }
    }
    channel.close()
}

/// Enters a letter into the account. The queue it lies in.
fn enter(shop: &Shop, letter: &ChannelDelivery) -> Option<&'static str> {
    let tag = letter.consumer_tag.as_ref()?;
    let queue = DECIDING.into_iter().chain(ASIDE).find(|queue| *tag == *queue)?;
    let properties = letter.message.properties();
    let reason = properties.header("x-last-death-reason").and_then(Value::as_str).unwrap_or("put here by hand");
    shop.letter(line_of(properties), queue, reason);
    Some(queue)
}

/// How long it waits for a letter before it looks whether it is to stop.
const LOOK_UP: Duration = Duration::from_millis(20);
/// How many letters of each queue it leaves there.
const KEPT: u32 = 10_000;
