//! Whoever acts in an exploration: workers, which are functions, and programs, which are futures.
//!
//! While one acts, it is out of its place: what it calls may look at all the others.

use super::exploration::Exploration;
use crate::api::{Consumer, Delivery};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

/// A consumer of an exploration, to be given a function by [`Exploration::work`].
///
/// ```
/// use leveret::testing::Worker;
///
/// let worker = Worker::on("orders").tag("billing").prefetch(1);
/// # let _ = worker;
/// ```
#[derive(Clone, Debug)]
pub struct Worker {
    pub(super) queue: String,
    pub(super) tag: Option<String>,
    pub(super) prefetch: Option<u32>,
}

impl Worker {
    /// A consumer of this queue.
    #[must_use]
    pub fn on(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), tag: None, prefetch: None }
    }

    /// Names it: its consumer tag, and what it is called in reports. No two should have the same. Else it has the name of its
    /// queue and a number: `orders-1`.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// How many deliveries it takes at a time; else as a [`Consumer`](crate::Consumer) does.
    #[must_use]
    pub fn prefetch(mut self, count: u32) -> Self {
        self.prefetch = Some(count);
        self
    }
}

/// What a worker does with a delivery.
pub(super) type Handler = Box<dyn FnMut(Delivery, &Exploration)>;
/// How a program is begun.
pub(super) type Begin = Rc<dyn Fn(Exploration) -> Running>;
/// A program that runs.
pub(super) type Running = Pin<Box<dyn Future<Output = ()>>>;

/// An actor in its place.
pub(super) struct Actor {
    pub(super) name: String,
    /// When it acted last, or came.
    pub(super) last: u64,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Worker {
        worker: Worker,
        /// None while it acts, and once its queue is gone.
        handler: Option<Handler>,
        /// None while it acts, and where it died.
        consumer: Option<Consumer>,
    },
    Program {
        begin: Begin,
        /// None while it acts, where it died, and where it has ended.
        running: Option<Running>,
        flag: Arc<Flag>,
        ended: bool,
    },
}

/// What an actor can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Can {
    Act,
    Begin,
    Nothing,
}

impl Actor {
    pub(super) fn can(&mut self) -> Can {
        match &mut self.kind {
            Kind::Worker { handler: None, .. } | Kind::Program { ended: true, .. } => Can::Nothing,
            Kind::Worker { consumer: None, .. } | Kind::Program { running: None, .. } => Can::Begin,
            Kind::Worker { consumer: Some(consumer), handler, .. } => match consumer.has_mail() {
                Ok(true) => Can::Act,
                Ok(false) => Can::Nothing,
                Err(_) => {
                    *handler = None;
                    Can::Nothing
                }
            },
            Kind::Program { flag, .. } => match flag.is_set() {
                true => Can::Act,
                false => Can::Nothing,
            },
        }
    }
}

impl Actor {
    /// A worker has acted, and lives where it has its consumer.
    pub(super) fn give_back_worker(&mut self, did: Handler, has: Option<Consumer>) {
        if let Kind::Worker { handler, consumer, .. } = &mut self.kind {
            (*handler, *consumer) = (Some(did), has);
        }
    }

    /// A program has acted, and waits.
    pub(super) fn give_back_program(&mut self, waits: Running) {
        if let Kind::Program { running, .. } = &mut self.kind {
            *running = Some(waits);
        }
    }

    /// A program has ended.
    pub(super) fn end(&mut self) {
        if let Kind::Program { ended, .. } = &mut self.kind {
            *ended = true;
        }
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether a program was woken.
#[derive(Debug, Default)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn woken() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
