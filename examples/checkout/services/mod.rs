//! The services, and the loop that each of their threads runs: receive, work, settle.
//!
//! A message is acknowledged after the work for it is done and told, never before. A service that panics takes its
//! consumer down with it; everything that it held goes back into its queue, and the thread starts it again.

pub(crate) mod analytics;
mod ask;
pub(crate) mod audit;
mod desk;
pub(crate) mod email;
pub(crate) mod fraud;
pub(crate) mod inventory;
pub(crate) mod notify;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod shipping;
pub(crate) mod undertaker;

pub(crate) use desk::{Desk, Job, correlation_id, line_of};

use crate::retry::{CRASHES, Failure, Handled, TRIES, next_try};
use crate::shop::Shop;
use crate::topology::{RETRY_AFTER, retry_queue};
use leveret::{ConsumeError, Delivery, PublishErrorKind, TopologyError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A service: what it does with one message. Shared by its threads.
pub(crate) trait Service: Send + Sync {
    /// Its name in events and tables.
    fn name(&self) -> &'static str;

    /// The queue it consumes from.
    fn queue(&self) -> &'static str {
        self.name()
    }

    /// How many threads it has.
    fn threads(&self) -> usize;

    /// How many messages each of them holds at most. Small, so that a slow one does not sit on what others could do.
    fn prefetch(&self) -> u32 {
        8
    }

    /// Does the work for one message and tells of it.
    ///
    /// # Errors
    ///
    /// Why it did not: to be tried again, or given up.
    fn handle(&self, desk: &mut Desk, job: &Job) -> Result<Handled, Failure>;

    /// Whether a message that crashed it too often is to be given up here, rather than by its queue.
    fn counts_crashes(&self) -> bool {
        true
    }

    /// Says why a message is given up that it cannot work for.
    ///
    /// # Errors
    ///
    /// Where the shop is closing.
    fn give_up(&self, desk: &mut Desk, job: &Job, reason: &str) -> Result<(), Failure> {
        desk.tell(job, &format!("{}.failed", self.name()), Some(reason))
    }
}

/// Runs one thread of a service until the broker ends.
///
/// # Errors
///
/// What the broker says where it cannot be run at all.
pub(crate) fn run(shop: &Shop, service: &dyn Service) -> Result<(), String> {
    loop {
        let shift = catch_unwind(AssertUnwindSafe(|| work(shop, service)));
        match shift {
            Ok(end) => return end,
            Err(_) => shop.count(service.name(), |tally| &tally.crashes),
        }
    }
}

/// Works until the broker ends, or until a panic.
fn work(shop: &Shop, service: &dyn Service) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", service.name());
    let mut desk = match Desk::open(shop, service.name()) {
        Ok(desk) => desk,
        // The broker was shut down while a crash was swept up.
        Err(PublishErrorKind::Closed) => return Ok(()),
        Err(error) => return Err(said(&error)),
    };
    // Declared before the consumer, so that in a panic the consumer goes first: what then goes back is not given to a
    // consumer that is going too.
    let mut in_hand = None;
    let mut consumer = match shop.broker.consumer(service.queue()).prefetch(service.prefetch()).open() {
        Ok(consumer) => consumer,
        Err(ConsumeError::Queue(TopologyError::Closed)) => return Ok(()),
        Err(error) => return Err(said(&error)),
    };
    while let Some(delivery) = consumer.blocking_recv() {
        shop.gate.pass(service.name());
        let verdict = one(&mut desk, service, in_hand.insert(delivery));
        let Some(delivery) = in_hand.take() else { continue };
        match verdict {
            Verdict::Acknowledge => delivery.ack(),
            Verdict::Reject => delivery.reject(),
            Verdict::PutBack => delivery.requeue(),
        };
    }
    Ok(())
}

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is dealt with.
    Acknowledge,
    /// To the dead-letter queue.
    Reject,
    /// The shop is closing: back to where it came from.
    PutBack,
}

/// Deals with one message, up to its settlement.
fn one(desk: &mut Desk, service: &dyn Service, delivery: &Delivery) -> Verdict {
    let shop = desk.shop();
    let line = line_of(delivery.properties()).unwrap_or_default();
    let job = Job::of(delivery, line, shop.crashes.of(service.name(), line));
    let handled = if service.counts_crashes() && job.crashes >= CRASHES {
        Err(Failure::Never(format!("poison: it crashed the service {} times", job.crashes)))
    } else {
        let _watch = shop.crashes.watch(service.name(), line);
        service.handle(desk, &job)
    };
    conclude(desk, service, &job, delivery, handled).unwrap_or(Verdict::PutBack)
}

/// Does what has to be done before a message is settled: sends the copy that is tried again, or says why it is not.
fn conclude(
    desk: &mut Desk,
    service: &dyn Service,
    job: &Job,
    delivery: &Delivery,
    handled: Result<Handled, Failure>,
) -> Result<Verdict, Failure> {
    let shop = desk.shop();
    let reason = match handled {
        Ok(Handled::Done) => {
            shop.count(service.name(), |tally| &tally.done);
            return Ok(Verdict::Acknowledge);
        }
        Ok(Handled::Duplicate) => {
            shop.count(service.name(), |tally| &tally.duplicates);
            return Ok(Verdict::Acknowledge);
        }
        Err(Failure::Closing) => return Err(Failure::Closing),
        Err(Failure::Never(reason)) => reason,
        Err(Failure::Again(reason)) => match retry_queue(service.name()).filter(|_| job.attempt < TRIES) {
            Some(queue) => {
                let wait = shop.pace.scaled(RETRY_AFTER);
                desk.tell(job, &format!("{}.retried", service.name()), Some(&reason))?;
                desk.send(queue, next_try(delivery, &job.key, job.attempt, &reason, wait))?;
                shop.count(service.name(), |tally| &tally.retries);
                return Ok(Verdict::Acknowledge);
            }
            None => format!("{reason}, {} times", job.attempt),
        },
    };
    service.give_up(desk, job, &reason)?;
    shop.count(service.name(), |tally| &tally.given_up);
    Ok(Verdict::Reject)
}
