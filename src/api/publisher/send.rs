//! Sending with back-pressure: wait until every queue has room, then give it to all.
//!
//! Mostly there is one queue and it has room: that is the first attempt, which needs nothing else. All that can wait is
//! built after it.
//!
//! The steps of one attempt, which threads and tasks share: find the route (anew each time, since the topology may have
//! changed while waiting); if a queue has no room, wait there; else offer it to each, with the room checked under the
//! same lock that takes it. Whoever lost its room in between is left over, and waited for alone.

#[cfg(feature = "testing")]
use super::faulty::Faulty;
use super::{At, PublishError, PublishErrorKind, Publisher, Routed, conclude, no_route};
use crate::base::Moment;
use crate::engine::cell::QueueCell;
use crate::engine::waiter::{Waiter, soon};
use crate::engine::{Cells, Engine, Outcome, Work};
use crate::message::{Message, SharedEnvelope};
use crate::port::{Refusing, What};
use crate::queue::effect::Offered;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// What came of the first attempt.
pub(super) enum First {
    /// The queue has it.
    Sent(Routed),
    /// There is not one queue, or it did not take it: the message and its route.
    Waits(SharedEnvelope, At),
}

/// A message that is being sent.
struct Sending {
    envelope: SharedEnvelope,
    /// Its route, where it was just found.
    at: Option<At>,
    /// How it was taken so far.
    outcome: Outcome,
    /// Queues that lost their room while others took the message. Empty while none has taken it.
    left: Cells,
    spot: Spot,
    /// It was said where it goes.
    announced: bool,
    engine: Arc<Engine>,
}

/// Where the sender waits.
#[derive(Default)]
struct Spot(Option<(Arc<QueueCell>, u64)>);

/// What a look for room gave.
enum Room {
    Yes,
    /// The waiter is registered.
    Wait,
    /// Not even if the queue were empty, and so would it be refused.
    Never(Offered),
}

impl Publisher {
    /// Gives the message to its queue at once, if it has one queue with room.
    #[inline]
    pub(super) fn send_first(&mut self, key: &str, message: Message) -> Result<First, PublishError> {
        if self.label.is_some() {
            return self.send_first_told(key, message);
        }
        self.send_first_untold(key, message)
    }

    /// As [`Publisher::send_first`], as a step of the log where it came to an end.
    #[cold]
    fn send_first_told(&mut self, key: &str, message: Message) -> Result<First, PublishError> {
        let (properties, body) = (message.properties().clone(), message.body().clone());
        self.told_of(key, &properties, &body, |publisher| publisher.send_first_untold(key, message), ended_first)
    }

    #[inline]
    fn send_first_untold(&mut self, key: &str, message: Message) -> Result<First, PublishError> {
        let (envelope, at) = self.prepare(key, message)?;
        let [cell] = self.routes.cells(at).as_slice() else { return Ok(First::Waits(envelope, at)) };
        match self.engine.give(envelope, cell) {
            Ok(()) => {
                self.release(at);
                Ok(First::Sent(Routed { queues: 1 }))
            }
            Err(envelope) => Ok(First::Waits(envelope, at)),
        }
    }

    /// Tries again for a while: room that is about to come is cheaper to wait for awake.
    fn send_soon(&mut self, envelope: SharedEnvelope, at: At) -> First {
        if self.label.is_some() {
            return First::Waits(envelope, at);
        }
        let [cell] = self.routes.cells(at).as_slice() else { return First::Waits(envelope, at) };
        let mut unsent = Some(envelope);
        soon(|| {
            unsent = self.engine.give(unsent.take()?, cell).err();
            unsent.is_none().then_some(())
        });
        if let Some(envelope) = unsent {
            return First::Waits(envelope, at);
        }
        self.release(at);
        First::Sent(Routed { queues: 1 })
    }

    pub(super) async fn send_waiting(&mut self, envelope: SharedEnvelope, at: At) -> Result<Routed, PublishError> {
        #[cfg(feature = "testing")]
        if let Some(faulty) = Faulty::of(&self.engine, &envelope, self.routes.cells(at)) {
            return match faulty.refuses(&self.engine, self.routes.cells(at), self.mandatory) {
                Some(refused) => refused,
                None => {
                    let sent = self.wait_and_send(envelope, at).await;
                    faulty.answer_task(&self.engine, sent).await
                }
            };
        }
        self.wait_and_send(envelope, at).await
    }

    async fn wait_and_send(&mut self, envelope: SharedEnvelope, at: At) -> Result<Routed, PublishError> {
        let mut sending = Sending::new(&self.engine, envelope, at);
        poll_fn(|context| {
            let sent = self.attempt(&mut sending, &|| Waiter::Task(context.waker().clone()));
            sent.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    pub(super) fn send_by(
        &mut self,
        envelope: SharedEnvelope,
        at: At,
        deadline: Option<Moment>,
    ) -> Result<Routed, PublishError> {
        #[cfg(feature = "testing")]
        if let Some(faulty) = Faulty::of(&self.engine, &envelope, self.routes.cells(at)) {
            return match faulty.refuses(&self.engine, self.routes.cells(at), self.mandatory) {
                Some(refused) => refused,
                None => {
                    let sent = self.wait_and_send_by(envelope, at, deadline);
                    faulty.answer_thread(&self.engine, sent, deadline)
                }
            };
        }
        self.wait_and_send_by(envelope, at, deadline)
    }

    fn wait_and_send_by(
        &mut self,
        envelope: SharedEnvelope,
        at: At,
        deadline: Option<Moment>,
    ) -> Result<Routed, PublishError> {
        let (envelope, at) = match self.send_soon(envelope, at) {
            First::Sent(routed) => return Ok(routed),
            First::Waits(envelope, at) => (envelope, at),
        };
        let mut sending = Sending::new(&self.engine, envelope, at);
        let engine = Arc::clone(&self.engine);
        let sent = engine.block(deadline, || self.attempt(&mut sending, &Waiter::this_thread));
        sent.unwrap_or_else(|| {
            let taken = sending.outcome.taken;
            sending.outcome.full = 1;
            engine.publishes.count(&sending.outcome);
            sending.given_up(Refusing::Timeout);
            Err(PublishError::new(PublishErrorKind::Timeout { taken }, sending.envelope.as_given()))
        })
    }

    /// One attempt. `None` where it waits: the waiter is registered.
    fn attempt(&mut self, sending: &mut Sending, waiter: &dyn Fn() -> Waiter) -> Option<Result<Routed, PublishError>> {
        if self.label.is_none() {
            return self.attempt_untold(sending, waiter);
        }
        let envelope = SharedEnvelope::clone(&sending.envelope);
        self.told(
            &envelope,
            |publisher| publisher.attempt_untold(sending, waiter),
            |sent| sent.as_ref().map(|sent| sent.as_ref().copied()),
        )
    }

    fn attempt_untold(
        &mut self,
        sending: &mut Sending,
        waiter: &dyn Fn() -> Waiter,
    ) -> Option<Result<Routed, PublishError>> {
        // A tap that panics comes after all of it is counted and told.
        let _deferred = self.engine.quietly();
        loop {
            if self.engine.is_stopped() {
                return Some(Err(PublishError::new(PublishErrorKind::Closed, sending.envelope.as_given())));
            }
            if sending.left.is_empty() {
                let at = match self.locate(sending) {
                    Ok(at) => at,
                    Err(error) => return Some(Err(error)),
                };
                let cells = self.routes.cells(at);
                // One queue says by itself whether it has room.
                let room = if cells.len() > 1 { sending.look(&self.engine, cells, waiter) } else { Room::Yes };
                match room {
                    Room::Yes => sending.offer(&self.engine, cells),
                    Room::Wait => return None,
                    Room::Never(why) => return Some(self.refuse(sending, why)),
                }
                self.routes.release();
            } else {
                let left = std::mem::take(&mut sending.left);
                sending.offer(&self.engine, &left);
            }
            if sending.left.is_empty() {
                self.engine.publishes.count(&sending.outcome);
                let is_reply = self.engine.reply(&sending.envelope);
                if sending.outcome == Outcome::default() && (self.mandatory || !is_reply) {
                    self.engine.unroutable(&sending.envelope, self.mandatory);
                }
                return Some(conclude(
                    &self.engine,
                    &sending.outcome,
                    SharedEnvelope::clone(&sending.envelope),
                    self.mandatory,
                ));
            }
            let left = std::mem::take(&mut sending.left);
            let room = sending.look(&self.engine, &left, waiter);
            if sending.outcome.taken > 0 {
                sending.left = left;
            }
            match room {
                Room::Yes => {}
                Room::Wait => return None,
                Room::Never(why) => return Some(self.refuse(sending, why)),
            }
        }
    }

    /// The route of a message, as it is now.
    fn locate(&mut self, sending: &mut Sending) -> Result<At, PublishError> {
        let found = match sending.at.take() {
            Some(at) => Some(at),
            None if sending.envelope.has_carbon() => None,
            None => self.routes.find(sending.envelope.routing_key()).map(|(_, at)| at),
        };
        match found {
            Some(at) => Ok(at),
            None => {
                let taken = self.routes.take(&self.engine, &self.exchange, &sending.envelope);
                taken.map_err(|why| no_route(&self.engine, why, SharedEnvelope::clone(&sending.envelope)))
            }
        }
    }

    /// A queue could never hold the message.
    fn refuse(&self, sending: &mut Sending, why: Offered) -> Result<Routed, PublishError> {
        match why {
            Offered::Full => sending.outcome.full += 1,
            _ => sending.outcome.refused += 1,
        }
        self.engine.publishes.count(&sending.outcome);
        sending.given_up(Refusing::TooLarge);
        conclude(&self.engine, &sending.outcome, SharedEnvelope::clone(&sending.envelope), self.mandatory)
    }
}

/// How a first attempt ended, if it did.
fn ended_first(first: &Result<First, PublishError>) -> Option<Result<Routed, &PublishError>> {
    match first {
        Ok(First::Sent(routed)) => Some(Ok(*routed)),
        Ok(First::Waits(..)) => None,
        Err(error) => Some(Err(error)),
    }
}

impl Sending {
    fn new(engine: &Arc<Engine>, envelope: SharedEnvelope, at: At) -> Self {
        let (outcome, left, spot) = (Outcome::default(), Cells::new(), Spot::default());
        Self { envelope, at: Some(at), outcome, left, spot, announced: false, engine: Arc::clone(engine) }
    }

    /// Says where the message goes, once.
    fn announce(&mut self, cells: &[Arc<QueueCell>]) {
        if !std::mem::replace(&mut self.announced, true) {
            self.engine.announce(None, &self.envelope, cells);
        }
    }

    /// Says that nobody waits any longer: for those queues that are left, or else, where none was asked for sure, for the
    /// one that was waited for.
    fn given_up(&mut self, why: Refusing) {
        let mut refusing = std::mem::take(&mut self.left);
        if !self.announced {
            refusing = self.spot.0.iter().map(|(cell, _)| Arc::clone(cell)).collect();
            self.announce(&refusing);
        }
        self.engine.refused(&self.envelope, &refusing, why);
    }

    /// Looks for room in all of these, and waits at the first that has none.
    fn look(&mut self, engine: &Engine, cells: &[Arc<QueueCell>], waiter: &dyn Fn() -> Waiter) -> Room {
        let bytes = self.envelope.body().len() as u64;
        for cell in cells {
            match self.spot.wait(engine, cell, bytes, waiter()) {
                Room::Yes => {}
                other => return other,
            }
        }
        Room::Yes
    }

    /// Offers the message to each of these; those without room are left.
    fn offer(&mut self, engine: &Engine, cells: &[Arc<QueueCell>]) {
        let mut work = Work::default();
        let mut gone = Cells::new();
        for cell in cells {
            let unsaid = (!self.announced).then_some(cells);
            let offered = cell.offer_into_room(engine, &mut work, &self.envelope, unsaid);
            // One that had room refuses it only where a test asked for that.
            self.announced |= matches!(offered, Some(Offered::Taken | Offered::Refused | Offered::Full));
            match offered {
                Some(Offered::Taken) => self.outcome.taken += 1,
                Some(Offered::Gone) => {
                    self.outcome.gone += 1;
                    gone.push(Arc::clone(cell));
                }
                Some(Offered::Refused) => self.outcome.refused += 1,
                Some(Offered::Full) => self.outcome.full += 1,
                None => self.left.push(Arc::clone(cell)),
            }
        }
        if self.left.is_empty() {
            self.announce(cells);
        }
        if self.announced {
            let why = Refusing::Gone;
            gone.iter().for_each(|cell| engine.say_with(cell, &self.envelope, || What::Refused { why }));
        }
        engine.finish(work);
    }
}

impl Drop for Sending {
    /// Queues that are left while others have the message: it does not come to them any more.
    fn drop(&mut self) {
        if self.announced && !self.left.is_empty() {
            self.given_up(Refusing::Timeout);
        }
    }
}

impl Spot {
    /// Waits at this queue if it has no room; waits nowhere if it has.
    fn wait(&mut self, engine: &Engine, cell: &Arc<QueueCell>, bytes: u64, waiter: Waiter) -> Room {
        let number = match &self.0 {
            Some((known, number)) if Arc::ptr_eq(known, cell) => Some(*number),
            _ => {
                self.leave();
                None
            }
        };
        match engine.wait_for_room(cell, number, bytes, waiter) {
            Ok((number, replaced)) => {
                drop(replaced);
                self.0 = Some((Arc::clone(cell), number));
                cell.look(|state| state.never_takes(bytes)).map_or(Room::Wait, Room::Never)
            }
            Err(_) => {
                self.leave();
                Room::Yes
            }
        }
    }

    fn leave(&mut self) {
        if let Some((cell, number)) = self.0.take() {
            drop(cell.leave_room(number));
        }
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        self.leave();
    }
}
