//! The exploration as its test has it: a broker, and those who act on it.

use super::actors::{Actor, Flag, Handler, Kind, Running, Worker};
use super::control::Control;
use super::panics::fail;
use crate::api::{Consumer, Delivery};
use crate::engine::faults::Inject;
use crate::port::Fact;
use crate::testing::TestBroker;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// A broker whose consumers act in an order that is chosen; given to the test by [`explore`](super::explore). It derefs to
/// [`TestBroker`]; clones are handles to the same one.
///
/// All of it is one thread: what a worker or a program shares with its test can be an [`Rc`] of a [`Cell`]. Nothing in it may
/// block: no `blocking_recv`, no `settle_blocking` with something out.
#[derive(Clone)]
pub struct Exploration {
    pub(super) inner: Rc<Inner>,
}

pub(super) struct Inner {
    t: TestBroker,
    pub(super) control: Control,
    pub(super) actors: RefCell<Vec<Actor>>,
    /// Counts what was done.
    clock: Cell<u64>,
    pub(super) most_steps: u64,
    pub(super) running: Cell<bool>,
}

impl Exploration {
    pub(super) fn new(control: &Control, most_steps: u64) -> Self {
        let t = TestBroker::with(|builder| builder.tap(control.clone()));
        control.set_rules(&t.shared().rules);
        t.engine().faults.set(Arc::new(control.clone()) as Arc<dyn Inject>);
        let inner = Inner {
            t,
            control: control.clone(),
            actors: RefCell::default(),
            clock: Cell::new(0),
            most_steps,
            running: Cell::new(false),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Has a function receive from a queue, from now on: it is called for one delivery at a time, by [`Exploration::run`]. The
    /// consumer is there at once. Where it dies of a fault, it comes again later; what the function keeps outlives that, as a
    /// database would.
    ///
    /// # Panics
    ///
    /// Where there is no such queue: the test fails.
    #[track_caller]
    pub fn on(&self, queue: &str, handler: impl FnMut(Delivery, &Self) + 'static) {
        self.work(Worker::on(queue), handler);
    }

    /// As [`Exploration::on`], with a tag or prefetch of its own.
    ///
    /// # Panics
    ///
    /// As [`Exploration::on`].
    #[track_caller]
    pub fn work(&self, worker: Worker, handler: impl FnMut(Delivery, &Self) + 'static) {
        let name = match &worker.tag {
            Some(tag) => tag.clone(),
            None => {
                let actors = self.inner.actors.borrow();
                let is_same = |actor: &&Actor| matches!(&actor.kind, Kind::Worker { worker: other, .. } if other.queue == worker.queue);
                format!("{}-{}", worker.queue, actors.iter().filter(is_same).count() + 1)
            }
        };
        let consumer = match self.open(&name, &worker) {
            Ok(consumer) => Some(consumer),
            Err(why) => fail(&format_args!("no consumer '{name}': {why}")),
        };
        let handler: Option<Handler> = Some(Box::new(handler));
        self.add(name, Kind::Worker { worker, handler, consumer });
    }

    /// Has a program run: a future, made by `program`, that [`Exploration::run`] polls when it was woken. It begins there, too.
    /// Where it dies of a fault, it is dropped at an await or in the middle of a poll, what it had out comes back, and `program`
    /// is called again later.
    ///
    /// It may wait for whatever wakes a task: [`Consumer::recv`](crate::Consumer::recv),
    /// [`Publisher::send`](crate::Publisher::send), [`Exploration::pause`].
    ///
    /// ```
    /// use leveret::testing::explore;
    /// use leveret::{Message, Queue, Topology};
    ///
    /// explore(0..20, |t| {
    ///     t.declare(&Topology::new().queue(Queue::new("orders"))).unwrap();
    ///     t.spawn("worker", |t| async move {
    ///         let mut orders = t.consumer("orders").open().unwrap();
    ///         while let Some(order) = orders.recv().await {
    ///             t.pause().await;
    ///             order.ack();
    ///         }
    ///     });
    ///     t.publish("", "orders", Message::new("one")).unwrap();
    ///     t.run();
    ///     assert_eq!(t.queue("orders").unwrap().stats().ready, 0);
    /// });
    /// ```
    pub fn spawn<F: Future<Output = ()> + 'static>(
        &self,
        name: impl Into<String>,
        program: impl Fn(Self) -> F + 'static,
    ) {
        let begin = Rc::new(move |t: Self| Box::pin(program(t)) as Running);
        self.add(name.into(), Kind::Program { begin, running: None, flag: Flag::woken(), ended: false });
    }

    /// Lets others act first: where a program reads something here and writes it there, they come in between.
    pub async fn pause(&self) {
        let mut first = true;
        poll_fn(|context| {
            if std::mem::replace(&mut first, false) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Lets all act, one at a time, in an order that is chosen, until nobody has anything to do. Time stands still, but for
    /// deliveries and confirms that a fault delays: where nobody else can go on, it moves to their end.
    ///
    /// # Panics
    ///
    /// Where a worker or a program panics, with what it said; where it does not end
    /// ([`Explorer::most_steps`](super::Explorer::most_steps)); where it is called by a worker or a program.
    #[track_caller]
    pub fn run(&self) {
        self.run_until(None);
    }

    /// As [`Exploration::run`], with time: moving it to the next deadline is one of the choices, until `span` has passed. The
    /// plain choice is that it moves when nobody can act. It ends when nobody has anything to do and no deadline comes within
    /// `span`; the clock stands at the last one.
    ///
    /// # Panics
    ///
    /// As [`Exploration::run`].
    #[track_caller]
    pub fn run_for(&self, span: Duration) {
        self.run_until(Some(self.now() + span));
    }

    /// Everything that happened so far.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        self.inner.control.facts()
    }

    pub(super) fn open(&self, name: &str, worker: &Worker) -> Result<Consumer, crate::api::ConsumeError> {
        let builder = self.consumer(&worker.queue).tag(name);
        let builder = match worker.prefetch {
            Some(count) => builder.prefetch(count),
            None => builder,
        };
        // One that acts may open another.
        let outer = self.inner.control.acts(Some((name.to_owned(), self.inner.t.clone())));
        let opened = builder.open();
        self.inner.control.acts(outer);
        opened
    }

    fn add(&self, name: String, kind: Kind) {
        let last = self.tick();
        self.inner.actors.borrow_mut().push(Actor { name, last, kind });
    }

    /// Changes an actor that stands in its place; nothing else is called meanwhile.
    pub(super) fn with<R>(&self, at: usize, change: impl FnOnce(&mut Actor) -> R) -> Option<R> {
        let now = self.tick();
        let mut actors = self.inner.actors.borrow_mut();
        let actor = actors.get_mut(at)?;
        actor.last = now;
        Some(change(actor))
    }

    fn tick(&self) -> u64 {
        let now = self.inner.clock.get();
        self.inner.clock.set(now + 1);
        now
    }

    /// Lets go of all actors, which may hold this.
    pub(super) fn end(&self) {
        let actors = std::mem::take(&mut *self.inner.actors.borrow_mut());
        drop(actors);
    }
}

impl Deref for Exploration {
    type Target = TestBroker;

    fn deref(&self) -> &TestBroker {
        &self.inner.t
    }
}

impl fmt::Debug for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exploration").field("broker", &self.inner.t).finish_non_exhaustive()
    }
}
