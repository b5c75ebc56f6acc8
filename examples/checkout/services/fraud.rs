//! The fraud check: answers questions about orders.
//!
//! Its queue is a quorum queue with a delivery limit: a question that crashes it comes back five times and then goes to
//! `fraud-check.dlq` by itself. So this service counts no crashes.

use super::ask::Verdict;
use super::order::crash;
use super::{Desk, Job, Service};
use crate::names::FRAUD_CHECK;
use crate::orders::What;
use crate::retry::{Failure, Handled};
use leveret::{Channel, Close, Connection, Message, Publish};
use std::sync::OnceLock;
use std::time::Duration;

/// The fraud check.
#[derive(Debug, Default)]
pub(crate) struct FraudCheck {
    /// Where answers go out, for all its threads.
    answers: OnceLock<(Connection, Channel)>,
}

impl Service for FraudCheck {
    fn name(&self) -> &'static str {
        FRAUD_CHECK
    }

    fn threads(&self) -> usize {
        2
    }

    /// One: what a crash takes down with it is counted as returned, and others' questions are not to suffer for it.
    fn prefetch(&self) -> u32 {
        1
    }

    fn handle(&self, desk: &mut Desk, job: &Job) -> Result<Handled, Failure> {
        let order = job.order()?;
        if order.trouble_at(FRAUD_CHECK, What::Crash) > 0 {
            crash(FRAUD_CHECK, job);
        }
        desk.shop().pace.work(WORK);
        if job.attempt <= order.trouble_at(FRAUD_CHECK, What::Silent) {
            return Ok(Handled::Done);
        }
        let suspect = order.customer == UNKNOWN_CUSTOMER && order.cents > MUCH;
        let (verdict, key) =
            if suspect { (Verdict::Suspect, "fraud-check.suspect") } else { (Verdict::Clear, "fraud-check.cleared") };
        desk.tell(job, key, None)?;
        let Some(reply_to) = &job.reply_to else { return Err(Failure::Never("nobody waits for an answer".into())) };
        let mut answer = Message::json(&verdict).map_err(|error| Failure::Never(error.to_string()))?;
        answer.properties_mut().correlation_id = job.correlation_id.as_deref().map(Into::into);
        // Whoever asked may have gone meanwhile; then nobody wants the answer.
        let sent = self.answers(desk)?.basic_publish(&Publish::new("", reply_to), answer);
        sent.map(|()| Handled::Done).map_err(|error| Failure::Never(error.to_string()))
    }

    /// A question is no order: whoever asked asks again, or gives the order up.
    fn give_up(&self, _desk: &mut Desk, _job: &Job, _reason: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn counts_crashes(&self) -> bool {
        false
    }
}

impl FraudCheck {
    /// The channel for answers, opened for the first of them.
    fn answers(&self, desk: &Desk) -> Result<&Channel, Failure> {
        if let Some((_, channel)) = self.answers.get() {
            return Ok(channel);
        }
        let never = |close: Close| Failure::Never(close.to_string());
        let connection = desk.shop().broker.connect().map_err(never)?;
        let channel = connection.open_channel().map_err(never)?;
        // If another thread was faster, its channel is taken and this one goes.
        Ok(&self.answers.get_or_init(|| (connection, channel)).1)
    }
}

/// How long a question takes it.
const WORK: Duration = Duration::from_millis(8);
/// A customer of whom nothing is known.
const UNKNOWN_CUSTOMER: &str = "c-0000";
/// From how many cents on that matters.
const MUCH: u64 = 500_000;
