//! The order service: takes in what customers send, one line each, and says that an order was created.
//!
//! What is no order goes to the dead-letter queue with what is wrong with it. An order that carries the id of an earlier
//! one is not carried out; the same line sent twice, by a customer who got no answer in time, is a duplicate. While the
//! house is full it waits, and with it the queue, and with that whoever sends.

use super::{Desk, Job, Service};
use crate::names::{BY_ATTRIBUTES, ORDER, ORDER_PROCESSING};
use crate::orders::{Order, What};
use crate::retry::{Failure, Handled};
use crate::shop::lock;
use leveret::Message;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

/// The order service.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// The line that an id came with first.
    lines: HashMap<String, u32>,
    /// Lines that are dealt with.
    done: HashSet<u32>,
}

impl Service for Orders {
    fn name(&self) -> &'static str {
        ORDER
    }

    fn queue(&self) -> &'static str {
        ORDER_PROCESSING
    }

    fn threads(&self) -> usize {
        1
    }

    fn handle(&self, desk: &mut Desk, job: &Job) -> Result<Handled, Failure> {
        if lock(&self.books).done.contains(&job.line) {
            return Ok(Handled::Duplicate);
        }
        desk.shop().pace.work(WORK);
        let order = job.order()?;
        let first = *lock(&self.books).lines.entry(order.id.clone()).or_insert(job.line);
        if first == job.line {
            if !desk.shop().house.enter(job.line) {
                return Err(Failure::Closing);
            }
            desk.tell(job, &format!("order.{}.created", order.region), None)?;
            sort(desk, job, &order)?;
        } else {
            let note = format!("order {} came with line {first}", order.id);
            desk.tell(job, &format!("order.{}.repeated", order.region), Some(&note))?;
        }
        if job.crashes < order.trouble_at(ORDER, What::Crash) {
            // The event is out and nothing is written down: inventory will see this order twice.
            crash(ORDER, job);
        }
        lock(&self.books).done.insert(job.line);
        Ok(Handled::Done)
    }

    fn give_up(&self, desk: &mut Desk, job: &Job, reason: &str) -> Result<(), Failure> {
        desk.tell(job, "order.failed", Some(reason))?;
        lock(&self.books).done.insert(job.line);
        Ok(())
    }
}

/// Shows the order to those who sort by region and tier. Whom nobody looks for goes nowhere, which is no mistake.
fn sort(desk: &mut Desk, job: &Job, order: &Order) -> Result<(), Failure> {
    let priority = u8::try_from(order.cents / 1_000).unwrap_or(u8::MAX);
    let message = Message::new(job.body.clone())
        .correlation_id(super::correlation_id(job.line))
        .priority(priority)
        .header("region", order.region.as_str())
        .header("tier", order.tier.as_str());
    match desk.shop().broker.publish(BY_ATTRIBUTES, "", message) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Again(error.to_string())),
    }
}

/// The crash that an order asks for: what a bug would do. Everything that the service holds goes back to its queue.
#[allow(clippy::panic)]
pub(super) fn crash(service: &str, job: &Job) -> ! {
    panic!("simulated: {service} crashes at line {}, for the {}. time", job.line, job.crashes + 1)
}

/// How long an order takes it.
const WORK: Duration = Duration::from_millis(4);
