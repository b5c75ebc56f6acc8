//! The shipping service: packs and sends. The slow one: everything before it waits for it in the end.

use super::order::crash;
use super::{Desk, Job, Service};
use crate::names::SHIPPING;
use crate::orders::What;
use crate::retry::{Failure, Handled};
use crate::shop::Seen;
use std::time::Duration;

/// The shipping service.
#[derive(Debug, Default)]
pub(crate) struct Shipping {
    seen: Seen,
}

impl Service for Shipping {
    fn name(&self) -> &'static str {
        SHIPPING
    }

    fn threads(&self) -> usize {
        4
    }

    fn handle(&self, desk: &mut Desk, job: &Job) -> Result<Handled, Failure> {
        let order = job.order()?;
        let Some(claim) = self.seen.claim(&order.id) else { return Ok(Handled::Duplicate) };
        if job.crashes < order.trouble_at(SHIPPING, What::Crash) {
            crash(SHIPPING, job);
        }
        desk.shop().pace.work(WORK);
        if job.attempt <= order.trouble_at(SHIPPING, What::Flaky) {
            return Err(Failure::Again("the carrier is away".into()));
        }
        desk.tell(job, "shipping.dispatched", None)?;
        claim.done();
        Ok(Handled::Done)
    }
}

/// How long a parcel takes it.
const WORK: Duration = Duration::from_millis(50);
