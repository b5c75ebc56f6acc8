//! Time, moved by the test: from deadline to deadline, with everything that follows from one before the next.

use super::TestBroker;
use super::not_settled::{GivenUp, NotSettled};
use super::settle::Goal;
use super::test_broker::Time;
use crate::base::Moment;
use crate::port::Fact;
use std::fmt;
use std::time::Duration;

/// What happened at one deadline; made by [`TestBroker::advance_to_next`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fired {
    /// When it was.
    pub at: Moment,
    /// Everything that happened then, also by consumers in consequence, in order.
    pub facts: Vec<Fact>,
}

impl fmt::Display for Fired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:?}", self.at)?;
        self.facts.iter().try_for_each(|fact| write!(f, "\n  {fact}"))
    }
}

impl TestBroker {
    /// Moves time by `span`: times to live, unused queues, dead-letter retries, timeouts of receivers. Each deadline on the way fires
    /// at its own moment, in due order, and whoever is woken by it has done with it before the next one: he has settled
    /// what he got, or waits again. An hour advanced gives the same history as an hour lived.
    ///
    /// A consumer at which nobody has waited yet is not waited for: it may be one that the test itself looks into later.
    /// Where threads were started that have to come to their first `recv`, call [`attended`](TestBroker::attended) first.
    /// ([`Broker::advance`](crate::Broker::advance), of the broker beneath, waits for nobody.)
    ///
    /// # Errors
    ///
    /// [`NotSettled`] where somebody who was woken does not come to rest; then time stands where that was.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves time where it is then, at a deadline.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    /// use std::time::Duration;
    ///
    /// let t = TestBroker::new();
    /// let wait = Queue::new("wait").message_ttl(Duration::from_secs(60)).dead_letter_to("orders");
    /// t.declare(&Topology::new().queue(Queue::new("orders")).queue(wait))?;
    /// t.publish("", "wait", Message::new("one"))?;
    /// # smol::block_on(async {
    /// t.advance(Duration::from_secs(59)).await?;
    /// assert_eq!(t.queue("orders")?.stats().ready, 0);
    /// t.advance(Duration::from_secs(1)).await?;
    /// assert_eq!(t.queue("orders")?.stats().ready, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn advance(&self, span: Duration) -> Result<(), NotSettled> {
        let target = self.now() + span;
        self.reach(Goal::Calm).await?;
        while self.step(target).await.is_some() {
            self.reach(Goal::Calm).await?;
        }
        self.move_to(target).await;
        self.reach(Goal::Calm).await
    }

    /// As [`TestBroker::advance`], blocking the thread: for consumers on other threads, or for none.
    ///
    /// # Errors
    ///
    /// As [`TestBroker::advance`].
    pub fn advance_blocking(&self, span: Duration) -> Result<(), NotSettled> {
        let target = self.now() + span;
        self.reach_blocking(Goal::Calm)?;
        while self.step_blocking(target)?.is_some() {
            self.reach_blocking(Goal::Calm)?;
        }
        self.move_to_blocking(target)?;
        self.reach_blocking(Goal::Calm)
    }

    /// Moves time to the next deadline, if there is one, and tells what happened there. `None` where time does nothing any
    /// more.
    ///
    /// # Errors
    ///
    /// As [`TestBroker::advance`].
    ///
    /// # Cancel safety
    ///
    /// As [`TestBroker::advance`].
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    /// use std::time::Duration;
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders").message_ttl(Duration::from_secs(60))))?;
    /// t.publish("", "orders", Message::new("one"))?;
    /// let fired = t.advance_to_next_blocking()?.ok_or("it expires")?;
    /// assert_eq!(fired.at, leveret::Moment::from_millis(60_000));
    /// assert_eq!(fired.facts[0].to_string(), "died in 'orders': expired");
    /// assert!(t.advance_to_next_blocking()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn advance_to_next(&self) -> Result<Option<Fired>, NotSettled> {
        self.reach(Goal::Calm).await?;
        self.shared().watch.begin_log();
        let stepped = self.step(Moment::MAX).await;
        let calm = self.reach(Goal::Calm).await;
        self.fired(stepped, calm)
    }

    /// As [`TestBroker::advance_to_next`], blocking the thread.
    ///
    /// # Errors
    ///
    /// As [`TestBroker::advance`].
    pub fn advance_to_next_blocking(&self) -> Result<Option<Fired>, NotSettled> {
        self.reach_blocking(Goal::Calm)?;
        self.shared().watch.begin_log();
        let stepped = self.step_blocking(Moment::MAX)?;
        let calm = self.reach_blocking(Goal::Calm);
        self.fired(stepped, calm)
    }

    /// Lets everything play out: moves time from deadline to deadline until there is none, at most by `limit`, and then
    /// [settles](TestBroker::settle). Returns how much time that took on the broker's clock. A queue that expires unused
    /// has a deadline as any other.
    ///
    /// # Errors
    ///
    /// [`NotSettled`]: as [`TestBroker::advance`] and [`TestBroker::settle`]; and where there is still a deadline at the
    /// limit ([`GivenUp::Deadline`] has it). Time stands where that was.
    ///
    /// # Cancel safety
    ///
    /// As [`TestBroker::advance`].
    pub async fn run_until_quiet(&self, limit: Duration) -> Result<Duration, NotSettled> {
        let begun = self.now();
        self.reach(Goal::Calm).await?;
        loop {
            while self.step(begun + limit).await.is_some() {
                self.reach(Goal::Calm).await?;
            }
            self.reach(Goal::Settled).await?;
            if !self.has_deadline_by(begun + limit) {
                return self.quiet_since(begun);
            }
        }
    }

    /// As [`TestBroker::run_until_quiet`], blocking the thread.
    ///
    /// # Errors
    ///
    /// As [`TestBroker::run_until_quiet`].
    pub fn run_until_quiet_blocking(&self, limit: Duration) -> Result<Duration, NotSettled> {
        let begun = self.now();
        self.reach_blocking(Goal::Calm)?;
        loop {
            while self.step_blocking(begun + limit)?.is_some() {
                self.reach_blocking(Goal::Calm)?;
            }
            self.reach_blocking(Goal::Settled)?;
            if !self.has_deadline_by(begun + limit) {
                return self.quiet_since(begun);
            }
        }
    }

    fn fired(&self, at: Option<Moment>, calm: Result<(), NotSettled>) -> Result<Option<Fired>, NotSettled> {
        let facts = self.shared().watch.take_log();
        calm.map(|()| at.map(|at| Fired { at, facts }))
    }

    /// Whether what was settled last has left a deadline.
    fn has_deadline_by(&self, limit: Moment) -> bool {
        self.next_deadline().is_some_and(|next| next <= limit)
    }

    fn quiet_since(&self, begun: Moment) -> Result<Duration, NotSettled> {
        match self.next_deadline() {
            None => Ok(self.now() - begun),
            Some(next) => Err(NotSettled::new(self, GivenUp::Deadline(next - Moment::ZERO))),
        }
    }

    /// Moves time to the next deadline, if that is not behind `target`, and fires it.
    async fn step(&self, target: Moment) -> Option<Moment> {
        let next = self.next_deadline().filter(|next| *next <= target)?;
        self.move_to(next).await;
        Some(next)
    }

    fn step_blocking(&self, target: Moment) -> Result<Option<Moment>, NotSettled> {
        let Some(next) = self.next_deadline().filter(|next| *next <= target) else { return Ok(None) };
        self.move_to_blocking(next)?;
        Ok(Some(next))
    }

    async fn move_to(&self, moment: Moment) {
        match self.time() {
            Time::Manual(clock) => clock.set(moment),
            #[cfg(feature = "tokio")]
            Time::Tokio => tokio::time::advance(moment - self.now()).await,
        }
        self.run_due();
    }

    fn move_to_blocking(&self, moment: Moment) -> Result<(), NotSettled> {
        if !self.set_clock(moment) {
            return Err(NotSettled::new(self, GivenUp::TokioTime));
        }
        self.run_due();
        Ok(())
    }

    /// Moves a clock that is the test's. False where it is tokio's.
    pub(super) fn set_clock(&self, moment: Moment) -> bool {
        match self.time() {
            Time::Manual(clock) => {
                clock.set(moment);
                true
            }
            #[cfg(feature = "tokio")]
            Time::Tokio => false,
        }
    }
}
