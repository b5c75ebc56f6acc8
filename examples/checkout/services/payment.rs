//! The payment service: asks for a fraud check, waits for the answer for a while, and charges the card.

use super::ask::{Asker, Verdict};
use super::{Desk, Job, Service};
use crate::names::PAYMENT;
use crate::orders::What;
use crate::retry::{Failure, Handled};
use crate::shop::{Seen, Shop, lock};
use std::sync::Mutex;
use std::time::Duration;

/// The card that is always declined.
pub(crate) const DECLINED_CARD: &str = "visa-0002";

/// The payment service.
#[derive(Debug, Default)]
pub(crate) struct Payment {
    seen: Seen,
    /// Askers that no thread uses now.
    askers: Mutex<Vec<Asker>>,
}

impl Service for Payment {
    fn name(&self) -> &'static str {
        PAYMENT
    }

    fn threads(&self) -> usize {
        4
    }

    fn handle(&self, desk: &mut Desk, job: &Job) -> Result<Handled, Failure> {
        let order = job.order()?;
        let Some(claim) = self.seen.claim(&order.id) else { return Ok(Handled::Duplicate) };
        let cancelled = format!("order.{}.cancelled", order.region);
        match self.check(desk.shop(), job)? {
            Verdict::Suspect => desk.tell(job, &cancelled, Some("fraud suspected"))?,
            Verdict::Clear => {
                desk.shop().pace.work(WORK);
                if job.attempt <= order.trouble_at(PAYMENT, What::Flaky) {
                    return Err(Failure::Again("the card network is away".into()));
                }
                if order.card == DECLINED_CARD {
                    desk.tell(job, "payment.declined", Some(&order.card))?;
                    desk.tell(job, &cancelled, Some("card declined"))?;
                } else {
                    desk.tell(job, "payment.captured", None)?;
                }
            }
        }
        claim.done();
        Ok(Handled::Done)
    }
}

impl Payment {
    /// Asks, with an asker that no other thread uses.
    fn check(&self, shop: &Shop, job: &Job) -> Result<Verdict, Failure> {
        let idle = lock(&self.askers).pop();
        let mut asker = match idle {
            Some(asker) => asker,
            None => Asker::open(&shop.broker)?,
        };
        let patience = shop.pace.scaled(PATIENCE).max(shop.least_patience);
        let answer = asker.ask(job, patience);
        lock(&self.askers).push(asker);
        answer
    }
}

/// How long an order takes it.
const WORK: Duration = Duration::from_millis(20);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
