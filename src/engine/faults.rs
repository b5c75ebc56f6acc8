//! Faults, for tests: where the engine asks whether something is to go wrong, and what is held back for later.
//!
//! Whoever decides is an [`Inject`], set by the test double. It is asked at four points: when a publish has its route,
//! when a message is offered to a queue, when a delivery is about to be put down for its receiver, and when something is
//! about to be acknowledged. While nobody injects, one flag is read. What is to happen at a settlement (a lost
//! acknowledgement, a death) is kept with the queue as a [`Doom`](super::injecting::Doom) until that comes.
//!
//! What is held back stands here with its moment, which is a deadline as any other: a delivery stays with its consumer's
//! sink, a confirm is an act of its channel.

use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::sync::{Mutex, Rank, RwLock};
use crate::base::{Moment, Name, QueueId};
use crate::message::Envelope;
use crate::port::{Injected, What};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Decides what goes wrong. Called under a queue's lock, so it calls nobody.
pub(crate) trait Inject: Send + Sync + fmt::Debug {
    /// A publish has its route.
    fn publish(&self, publishing: &Publishing<'_>) -> Option<Hit<PublishFault>>;

    /// A message is offered to a queue: whether that answers as at its limit.
    fn offer(&self, queue: &Name, envelope: &Envelope) -> Option<By>;

    /// A message goes out to a receiver.
    fn delivery(&self, delivering: &Delivering<'_>) -> Option<Hit<DeliveryFault>>;

    /// Deliveries are about to be acknowledged.
    fn ack(&self, queue: &Name) -> Option<AckFault>;
}

/// Who asked for a fault, and how often that came true.
#[derive(Clone, Debug, Default)]
pub(crate) struct By {
    pub(crate) rule: Option<u32>,
    pub(crate) fired: Arc<AtomicU64>,
}

/// A fault that is to happen.
#[derive(Clone, Debug)]
pub(crate) struct Hit<F> {
    pub(crate) fault: F,
    pub(crate) by: By,
}

/// What may happen to a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublishFault {
    Refuse,
    Lose,
    Delay(Duration),
    Nack,
    NackTaken,
}

impl PublishFault {
    /// What it is called.
    pub(crate) fn injected(self) -> Injected {
        match self {
            Self::Refuse => Injected::RefusePublish,
            Self::Lose => Injected::LoseConfirm,
            Self::Delay(_) => Injected::DelayConfirm,
            Self::Nack => Injected::NackConfirm,
            Self::NackTaken => Injected::NackTaken,
        }
    }

    /// Whether no queue takes the message.
    pub(crate) fn refuses(self) -> bool {
        matches!(self, Self::Refuse | Self::Nack)
    }

    /// Whether it is about the confirm, and so means nothing where none is asked for.
    pub(crate) fn is_of_confirm(self) -> bool {
        self != Self::Refuse
    }
}

/// What may happen to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryFault {
    /// Its settlement is lost.
    Twice,
    /// Its consumer dies when it settles it.
    Kill,
    /// It is held back for so long.
    Delay(Duration),
}

/// What may happen to an acknowledgement.
#[derive(Debug)]
pub(crate) enum AckFault {
    /// It is lost.
    Lost(By),
    /// Whoever sends it dies first: this unwinds through him.
    Dies(Box<dyn Any + Send>),
}

/// A publish that has its route.
#[derive(Debug)]
pub(crate) struct Publishing<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) queues: &'a [Name],
    /// Whether its publisher is told what became of it.
    pub(crate) confirms: bool,
}

/// A message on its way to a receiver.
#[derive(Debug)]
pub(crate) struct Delivering<'a> {
    pub(crate) queue: &'a Name,
    /// None for `get`.
    pub(crate) consumer: Option<&'a Name>,
    pub(crate) envelope: &'a Envelope,
    pub(crate) redelivered: bool,
    pub(crate) no_ack: bool,
}

/// What the engine has of faults.
#[derive(Debug)]
pub(crate) struct Faults {
    armed: AtomicBool,
    injector: RwLock<Option<Arc<dyn Inject>>>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// With a number each, so that those of one moment come in the order in which they were held back.
    list: Vec<(Moment, u64, Release)>,
    next: u64,
}

/// What is done when the moment has come.
pub(super) enum Release {
    /// This queue has deliveries that are due.
    Deliveries(QueueId),
    /// A channel is told something.
    Act(Box<dyn FnOnce() + Send>),
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deliveries(_) => "Deliveries",
            Self::Act(_) => "Act",
        })
    }
}

impl Faults {
    /// None, and nobody who asks for any.
    pub(crate) fn new() -> Self {
        let held = Mutex::new(Rank::Leaf, Held::default());
        Self { armed: AtomicBool::new(false), injector: RwLock::new(Rank::Leaf, None), held }
    }

    /// Has this one asked from now on.
    pub(crate) fn set(&self, injector: Arc<dyn Inject>) {
        let before = self.injector.write().replace(injector);
        self.armed.store(true, Ordering::SeqCst);
        drop(before);
    }

    #[inline]
    pub(crate) fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Relaxed)
    }

    /// Has this one asked from now on, if nobody is yet.
    pub(crate) fn set_if_none(&self, injector: Arc<dyn Inject>) {
        if !self.is_armed() {
            self.set(injector);
        }
    }

    /// Whoever is to be asked.
    pub(crate) fn injector(&self) -> Option<Arc<dyn Inject>> {
        if self.is_armed() { self.injector.read().clone() } else { None }
    }

    /// A queue holds a delivery back until then.
    pub(crate) fn hold_delivery(&self, until: Moment, queue: QueueId) {
        self.hold(until, Release::Deliveries(queue));
    }

    /// This is done then.
    pub(crate) fn hold_act(&self, until: Moment, act: impl FnOnce() + Send + 'static) {
        self.hold(until, Release::Act(Box::new(act)));
    }

    fn hold(&self, until: Moment, release: Release) {
        let mut held = self.held.lock();
        let number = held.next;
        held.next += 1;
        held.list.push((until, number, release));
    }

    /// When something is due next.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.held.lock().list.iter().map(|(until, ..)| *until).min()
    }

    /// Takes out what is due first, if it is due.
    pub(super) fn due(&self, now: Moment) -> Option<Release> {
        let mut held = self.held.lock();
        let first = held.list.iter().enumerate().min_by_key(|(_, (until, number, _))| (*until, *number))?;
        let (at, (until, ..)) = first;
        (*until <= now).then(|| held.list.remove(at).2)
    }
}

impl By {
    /// It came true.
    pub(crate) fn count(&self) {
        self.fired.fetch_add(1, Ordering::Relaxed);
    }

    /// The fact of it.
    pub(crate) fn fact(&self, fault: Injected) -> What {
        What::Fault { fault, rule: self.rule }
    }
}
