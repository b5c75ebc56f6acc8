//! Publishes that go wrong, for tests: refused, or taken and answered wrongly, late or never.

use super::{PublishError, PublishErrorKind, Routed, conclude, deliver};
use crate::base::Moment;
use crate::engine::Engine;
use crate::engine::cell::QueueCell;
use crate::engine::faults::{Hit, PublishFault};
use crate::engine::waiter::Waiter;
use crate::message::SharedEnvelope;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// A publish, and what is to happen to it.
#[derive(Debug)]
pub(super) struct Faulty {
    hit: Hit<PublishFault>,
    envelope: SharedEnvelope,
}

impl Faulty {
    /// What is to happen to this publish, if something is.
    pub(super) fn of(engine: &Engine, envelope: &SharedEnvelope, cells: &[Arc<QueueCell>]) -> Option<Self> {
        let hit = engine.publish_fault(true, envelope, cells)?;
        Some(Self { hit, envelope: SharedEnvelope::clone(envelope) })
    }

    /// Publishes without waiting. A confirm that is late does not come in time.
    pub(super) fn publish(
        self,
        engine: &Engine,
        cells: &[Arc<QueueCell>],
        mandatory: bool,
    ) -> Result<Routed, PublishError> {
        if let Some(refused) = self.refuses(engine, cells, mandatory) {
            return refused;
        }
        let outcome = deliver(engine, &self.envelope, cells, mandatory);
        let sent = conclude(engine, &outcome, SharedEnvelope::clone(&self.envelope), mandatory);
        let routed = self.begin_answer(engine, sent)?;
        match self.hit.fault {
            PublishFault::Delay(_) => Err(self.unanswered(routed)),
            _ => self.answer(routed),
        }
    }

    /// Refuses the message, where that is what is to happen.
    pub(super) fn refuses(
        &self,
        engine: &Engine,
        cells: &[Arc<QueueCell>],
        mandatory: bool,
    ) -> Option<Result<Routed, PublishError>> {
        let refuses = self.hit.fault.refuses();
        refuses.then(|| {
            let outcome = engine.refuse_all(None, &self.envelope, cells, &self.hit);
            conclude(engine, &outcome, SharedEnvelope::clone(&self.envelope), mandatory)
        })
    }

    /// Answers a task whose message was sent.
    pub(super) async fn answer_task(
        self,
        engine: &Engine,
        sent: Result<Routed, PublishError>,
    ) -> Result<Routed, PublishError> {
        let routed = self.begin_answer(engine, sent)?;
        if let PublishFault::Delay(span) = self.hit.fault {
            let until = engine.clock.now() + span;
            // So that it is known as the end of a delay.
            engine.faults.hold_act(until, || ());
            let (mut alarm, mut resting) = (None, None);
            poll_fn(|context| {
                let waiter = || Waiter::Task(context.waker().clone());
                alarm = Some(engine.alarm(until, waiter()));
                // A shutdown stirs those that stand there.
                resting = Some(engine.rest(resting, waiter()));
                if engine.clock.now() >= until || engine.is_closed() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            resting.into_iter().for_each(|number| engine.leave_resting(number));
            if engine.clock.now() < until {
                return Err(self.unanswered(routed));
            }
        }
        self.answer(routed)
    }

    /// Answers a thread whose message was sent, until this deadline.
    pub(super) fn answer_thread(
        self,
        engine: &Engine,
        sent: Result<Routed, PublishError>,
        deadline: Option<Moment>,
    ) -> Result<Routed, PublishError> {
        let routed = self.begin_answer(engine, sent)?;
        if let PublishFault::Delay(span) = self.hit.fault {
            let until = engine.clock.now() + span;
            let mut resting = None;
            engine.block(Some(deadline.map_or(until, |deadline| deadline.min(until))), || {
                resting = Some(engine.rest(resting, Waiter::this_thread()));
                engine.is_closed().then_some(())
            });
            resting.into_iter().for_each(|number| engine.leave_resting(number));
            if engine.clock.now() < until {
                return Err(self.unanswered(routed));
            }
        }
        self.answer(routed)
    }

    /// What is not sent is not answered; what is, has its fault now.
    fn begin_answer(&self, engine: &Engine, sent: Result<Routed, PublishError>) -> Result<Routed, PublishError> {
        let routed = sent?;
        engine.note_fault(&self.envelope, &self.hit);
        Ok(routed)
    }

    fn answer(&self, routed: Routed) -> Result<Routed, PublishError> {
        match self.hit.fault {
            PublishFault::Lose => Err(self.unanswered(routed)),
            PublishFault::NackTaken => {
                let kind = PublishErrorKind::Refused { refused: 0, taken: routed.queues };
                Err(PublishError::new(kind, self.envelope.as_given()))
            }
            PublishFault::Refuse | PublishFault::Nack | PublishFault::Delay(_) => Ok(routed),
        }
    }

    /// The error of a publisher that waits for a confirm in vain.
    fn unanswered(&self, routed: Routed) -> PublishError {
        PublishError::new(PublishErrorKind::Timeout { taken: routed.queues }, self.envelope.as_given())
    }
}
