//! Waiting until a broker has come to rest: counted, not guessed.
//!
//! The queues are looked at one after the other, so a message may move from one to another meanwhile; and what the watch was
//! told may end in the middle of an act. So nothing counts but a look during which nothing happened: the number of facts is
//! the same before and after it, and the watch was told all of them. Where it is not, the next fact wakes whoever waits.
//!
//! Two kinds of rest. *Settled*: nothing is out with anybody. *Calm*: nobody who was woken for a delivery is still on it:
//! he settled it, or waits again, whatever he keeps. Between two deadlines only calm can be waited for, since a delivery
//! may be kept on purpose, for a time to pass; and a consumer at which nobody ever waited is one that the test itself
//! looks into.
//!
//! Whoever waits stands in two lists before he looks: the watch's, which every fact wakes, and the engine's, which a
//! receiver wakes that begins to wait, for of that there is no fact. So nothing is polled. The guard wakes him in real
//! time: a thread by parking for so long, a task by an alarm of a broker on the system's clock.

use super::TestBroker;
use super::not_settled::{GivenUp, NotSettled};
use super::watch::Request;
use crate::base::Moment;
use crate::engine::motion::Receiver;
use crate::engine::sink::Receiving;
use crate::engine::waiter::{Waiter, block_until};
use crate::port::{Clock, SystemClock};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Nothing is out.
    Settled,
    /// Nobody was woken who is not done.
    Calm,
    /// Somebody waits at every consumer, or did before.
    Attended,
}

/// A place in both lists of those that wait; left when this is dropped.
#[derive(Debug)]
struct Place {
    t: TestBroker,
    watching: Option<u64>,
    resting: Option<u64>,
}

impl Place {
    fn new(t: &TestBroker) -> Self {
        t.shared().watch.begin();
        Self { t: t.clone(), watching: None, resting: None }
    }

    /// Looks, as somebody who is woken when it may be otherwise.
    fn look(&mut self, goal: Goal, waiter: Waiter) -> Option<Result<(), NotSettled>> {
        self.t.run_due();
        // Before this stands in the lists: it may wait itself, and be woken meanwhile.
        self.t.flush_taps();
        self.watching = Some(self.t.shared().watch.wait(self.watching, waiter.clone()));
        self.resting = Some(self.t.engine().rest(self.resting, waiter));
        self.t.look(goal)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.t.shared().watch.leave(self.watching);
        if let Some(number) = self.resting {
            self.t.engine().leave_resting(number);
        }
    }
}

impl TestBroker {
    /// Waits until everything has come to rest: no delivery is out, none waits to be received, nobody waits for the direct
    /// reply to a request, no [`activity`](TestBroker::activity) goes on, and no deadline is due now. Messages that nobody consumes may be ready, and
    /// deadlines may come later. It takes no longer than the handlers do, and moves no time.
    ///
    /// # Errors
    ///
    /// [`NotSettled`] where that does not come: a message goes round and round, or the [guard](TestBroker::set_guard) ended.
    /// It tells everything that is outstanding.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders")))?;
    /// # smol::block_on(async {
    /// let mut orders = t.consumer("orders").open()?;
    /// let worker = async {
    ///     while let Some(order) = orders.recv().await {
    ///         order.ack();
    ///     }
    /// };
    /// let test = async {
    ///     t.publish("", "orders", Message::new("one")).unwrap();
    ///     t.settle().await
    /// };
    /// smol::future::or(test, async { worker.await; Ok(()) }).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// assert_eq!(t.queue("orders")?.stats().totals.acknowledged, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn settle(&self) -> Result<(), NotSettled> {
        self.reach(Goal::Settled).await
    }

    /// As [`TestBroker::settle`], blocking the thread. For consumers on other threads; on the thread of an executor its tasks
    /// could not run meanwhile.
    ///
    /// # Errors
    ///
    /// As [`TestBroker::settle`].
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders")))?;
    /// let mut orders = t.consumer("orders").open()?;
    /// std::thread::spawn(move || orders.iter().for_each(|order| _ = order.ack()));
    /// t.publish("", "orders", Message::new("one"))?;
    /// t.settle_blocking()?;
    /// assert_eq!(t.queue("orders")?.stats().totals.acknowledged, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settle_blocking(&self) -> Result<(), NotSettled> {
        self.reach_blocking(Goal::Settled)
    }

    /// Waits until somebody waits at every consumer there is, or did before: that the threads and tasks a test has started
    /// have come to their first `recv`. After it, [`advance`](TestBroker::advance) knows whom it has to wait for.
    ///
    /// Tasks on the executor's own thread need it not.
    ///
    /// # Errors
    ///
    /// [`NotSettled`] with the consumers at which nobody waits, when the [guard](TestBroker::set_guard) ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn attended(&self) -> Result<(), NotSettled> {
        self.reach(Goal::Attended).await
    }

    /// As [`TestBroker::attended`], blocking the thread.
    ///
    /// # Errors
    ///
    /// As [`TestBroker::attended`].
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    /// use std::time::Duration;
    ///
    /// let t = TestBroker::new();
    /// let wait = Queue::new("wait").message_ttl(Duration::from_secs(60)).dead_letter_to("orders");
    /// t.declare(&Topology::new().queue(Queue::new("orders")).queue(wait))?;
    /// let mut orders = t.consumer("orders").open()?;
    /// std::thread::spawn(move || orders.iter().for_each(|order| _ = order.ack()));
    /// t.attended_blocking()?;
    /// t.publish("", "wait", Message::new("one"))?;
    /// t.advance_blocking(Duration::from_secs(60))?;
    /// assert_eq!(t.queue("orders")?.stats().totals.acknowledged, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attended_blocking(&self) -> Result<(), NotSettled> {
        self.reach_blocking(Goal::Attended)
    }

    pub(super) fn reach(&self, goal: Goal) -> Reach {
        let yields = if goal == Goal::Calm { YIELDS } else { 0 };
        Reach { t: self.clone(), goal, place: None, alarm: None, yields }
    }

    pub(super) fn reach_blocking(&self, goal: Goal) -> Result<(), NotSettled> {
        let clock = SystemClock::new();
        let deadline = clock.now() + self.guard();
        let mut place = Place::new(self);
        let reached = block_until(&clock, Some(deadline), || place.look(goal, Waiter::this_thread()));
        reached.unwrap_or_else(|| Err(self.given_up(goal)))
    }

    /// The requests for whose direct replies somebody waits.
    pub(super) fn pending(&self) -> Vec<Request> {
        let mut requests = self.shared().watch.requests();
        let replies = &self.engine().replies;
        requests
            .retain(|request| Request::address_of(&request.message).is_some_and(|address| replies.is_awaited(address)));
        requests
    }

    fn given_up(&self, goal: Goal) -> NotSettled {
        let why = GivenUp::Guard(self.guard());
        if goal == Goal::Attended { NotSettled::unattended(self, why) } else { NotSettled::new(self, why) }
    }

    /// Whether the goal is reached, or never will be.
    fn look(&self, goal: Goal) -> Option<Result<(), NotSettled>> {
        let noted = || self.engine().ear.as_ref().map_or(0, |ear| ear.noted());
        let watch = &self.shared().watch;
        let before = noted();
        if let Some(endless) = watch.endless() {
            return Some(Err(NotSettled::endless(self, &endless)));
        }
        let reached = match goal {
            Goal::Settled => {
                watch.is_empty()
                    && self.engine().unacked() == 0
                    && !self.engine().receivers().iter().any(|receiver| receiver.receiving.mail > 0)
                    && self.pending().is_empty()
                    && self.shared().activities.going().is_empty()
            }
            Goal::Attended => self.engine().receivers().iter().all(Receiver::is_attended),
            Goal::Calm => {
                let out = watch.out();
                let is_on_it = |session: u64| out.iter().any(|out| out.session == session);
                let is_busy = |receiver: &Receiver| {
                    let Receiving { mail, woken, .. } = receiver.receiving;
                    woken && (mail > 0 || is_on_it(receiver.session.0))
                };
                !watch.is_moving() && !self.engine().receivers().iter().any(is_busy)
            }
        };
        (reached && watch.until() == before && noted() == before).then_some(Ok(()))
    }
}

/// Waits, as a task.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub(super) struct Reach {
    t: TestBroker,
    goal: Goal,
    place: Option<Place>,
    alarm: Option<(Moment, u64)>,
    /// How often the executor's other tasks are let run first: one that was just spawned has not waited yet.
    yields: u32,
}

impl Future for Reach {
    type Output = Result<(), NotSettled>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.yields > 0 {
            this.yields -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let waiter = || Waiter::Task(context.waker().clone());
        let place = this.place.get_or_insert_with(|| Place::new(&this.t));
        if let Some(reached) = place.look(this.goal, waiter()) {
            return Poll::Ready(reached);
        }
        let timer = this.t.shared().timer();
        let deadline = match this.alarm.take() {
            Some((deadline, number)) => {
                drop(timer.engine().alarms.take_back(number));
                deadline
            }
            None => timer.now() + this.t.guard(),
        };
        if timer.now() >= deadline {
            return Poll::Ready(Err(this.t.given_up(this.goal)));
        }
        this.alarm = Some((deadline, timer.engine().set_alarm(deadline, waiter())));
        Poll::Pending
    }
}

impl Drop for Reach {
    fn drop(&mut self) {
        if let Some((_, number)) = self.alarm.take() {
            drop(self.t.shared().timer().engine().alarms.take_back(number));
        }
    }
}

/// How often other tasks are let run before calm is looked for.
const YIELDS: u32 = 2;
