//! The topology: the export of a real RabbitMQ broker, as it was written, and three queues beside it.
//!
//! The export gives `inventory` a queue in which failures wait, `inventory.retry.5s`; what waits there expires and comes
//! back through the default exchange. Payment, email and shipping get one of the same kind here. Everything else is as
//! exported: `events` with its alternate exchange, work queues whose messages expire after a minute, one dead-letter
//! queue for each of them behind the exchange `dead`, and the quorum queue `fraud-check` with its delivery limit.

use crate::names::{EMAIL, INVENTORY, PAYMENT, SHIPPING};
use leveret::{Broker, Limits, Queue, Topology};
use std::time::Duration;

/// The export.
const DEFINITIONS: &str = include_str!("../data/shop.vhost.definitions.json");

/// How long a failed order waits before it is tried again, in a real shop: what the export says for inventory.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How many orders may be inside the shop at once: taken in, and not yet at their end.
pub(crate) const HOUSE: usize = 100;

/// How many messages may wait in any queue. Publishers that meet this bound wait.
///
/// Room for everything that the orders inside can put into one queue, twenty events each at the very most: so a retry
/// that comes back by its time to live always finds room, and only the intake, which has no other bound, ever waits.
pub(crate) const QUEUE_BOUND: usize = 2_048;

/// Makes the shop's broker.
///
/// # Errors
///
/// What is wrong with the definitions, or with declaring them.
pub(crate) fn open() -> Result<Broker, String> {
    let definitions = Topology::from_definitions(DEFINITIONS).map_err(|error| format!("the definitions: {error}"))?;
    let topology = [PAYMENT, EMAIL, SHIPPING].iter().fold(definitions.topology, |topology, service| {
        let Some(name) = retry_queue(service) else { return topology };
        topology.queue(Queue::new(name).message_ttl(RETRY_AFTER).dead_letter_to(service))
    });
    let mut limits = Limits::default();
    limits.ready_messages = QUEUE_BOUND;
    let broker = Broker::builder().limits(limits).build();
    broker.declare(&topology).map_err(|error| format!("the topology: {error}"))?;
    Ok(broker)
}

/// Where what failed at a service waits to be tried again.
pub(crate) fn retry_queue(service: &str) -> Option<&'static str> {
    match service {
        INVENTORY => Some("inventory.retry.5s"),
        PAYMENT => Some("payment.retry.5s"),
        EMAIL => Some("email.retry.5s"),
        SHIPPING => Some("shipping.retry.5s"),
        _ => None,
    }
}
