//! The email service: writes to customers whose money was taken, and to those whose order was cancelled.

use super::{Desk, Job, Service};
use crate::names::{EMAIL, NOTIFICATIONS};
use crate::orders::What;
use crate::retry::{Failure, Handled};
use crate::shop::Seen;
use leveret::Message;
use std::time::Duration;

/// The email service.
#[derive(Debug, Default)]
pub(crate) struct Email {
    seen: Seen,
}

impl Service for Email {
    fn name(&self) -> &'static str {
        EMAIL
    }

    fn threads(&self) -> usize {
        2
    }

    fn handle(&self, desk: &mut Desk, job: &Job) -> Result<Handled, Failure> {
        let order = job.order()?;
        let Some(claim) = self.seen.claim(&order.id) else { return Ok(Handled::Duplicate) };
        desk.shop().pace.work(WORK);
        if order.trouble_at(EMAIL, What::Refused) > 0 {
            return Err(Failure::Never("the address does not exist".into()));
        }
        if job.attempt <= order.trouble_at(EMAIL, What::Flaky) {
            return Err(Failure::Again("the mail server is away".into()));
        }
        let what = if job.key == "payment.captured" { "thank you" } else { "we are sorry" };
        notify(desk, job, what)?;
        desk.tell(job, "email.sent", Some(what))?;
        claim.done();
        Ok(Handled::Done)
    }
}

/// The same to every telephone.
fn notify(desk: &Desk, job: &Job, what: &str) -> Result<(), Failure> {
    let message = Message::new(what.to_owned()).correlation_id(super::correlation_id(job.line)).transient();
    let sent = desk.shop().broker.publish(NOTIFICATIONS, "", message);
    sent.map(drop).map_err(|error| Failure::Again(error.to_string()))
}

/// How long a letter takes it.
const WORK: Duration = Duration::from_millis(10);
