//! Sinks: where a queue's deliveries go, each consumer's own.

use super::cell::QueueCell;
use super::listening::Listening;
use super::mailbox::Mailbox;
use super::waiter::Waiter;
use crate::base::{Name, SessionId};
use crate::message::SharedEnvelope;
use crate::port::Cause;
use crate::queue::effect::{ConsumerId, Effect, Effects, Handout, Note, Offered, Outbox};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Whoever receives the deliveries of several queues: a channel. Its methods are called under the lock of a queue: they
/// only put something down, and return whoever waits for it, to be woken when the lock is free.
pub(crate) trait Sink: Send + Sync + fmt::Debug {
    /// A delivery for the consumer `tag` arrived. Deliveries of one queue arrive in their order.
    fn deliver(&self, queue: &Arc<QueueCell>, tag: &Name, handout: Handout) -> Option<Waiter>;

    /// What was put down here, and whether somebody waits for it.
    #[cfg(feature = "testing")]
    fn receiving(&self) -> Receiving;

    /// The queue cancelled a consumer: it was deleted.
    fn cancelled(&self, queue: &Arc<QueueCell>, consumer: ConsumerId, tag: &Name) -> Option<Waiter>;
}

/// What a receiver has before it.
#[cfg(feature = "testing")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiving {
    /// How many deliveries are here that it has not received.
    pub(crate) mail: usize,
    /// Somebody waits.
    pub(crate) waits: bool,
    /// Somebody was woken, and has not waited again.
    pub(crate) woken: bool,
}

/// Where the deliveries of a consumer go.
#[derive(Debug)]
pub(crate) enum Place {
    /// Into a mailbox of its own, which it empties itself.
    Mailbox(Mailbox),
    /// To a channel.
    Channel(Arc<dyn Sink>),
}

/// A consumer as its queue's cell knows it.
#[derive(Debug)]
pub(crate) struct SinkOf {
    /// Which consumer it is of.
    pub(crate) consumer: ConsumerId,
    /// Whose it is.
    pub(crate) session: SessionId,
    /// Its tag.
    pub(crate) tag: Name,
    /// Where its deliveries go.
    pub(crate) place: Place,
}

/// Whose consumers leave a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaver {
    /// This one's alone, which was cancelled.
    Consumer(ConsumerId),
    /// All of a session, which ends.
    Session(SessionId),
    /// All, since the broker restarts.
    #[cfg(feature = "testing")]
    Everybody,
}

impl Leaver {
    /// Whether it is this one's.
    pub(crate) fn is(self, sink: &SinkOf) -> bool {
        match self {
            Self::Consumer(consumer) => sink.consumer == consumer,
            Self::Session(session) => sink.session == session,
            #[cfg(feature = "testing")]
            Self::Everybody => true,
        }
    }
}

/// The sinks of one queue, and what its machine wants done. Deliveries to mailboxes are done at once; everything else is
/// kept, in order, for the cell to carry out.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    /// By the consumer's slot.
    sinks: Vec<Option<SinkOf>>,
    /// Those of before, if there are any.
    former: Option<Box<Former>>,
    /// What is to be done yet.
    pub(crate) effects: Effects,
    /// Those to be woken.
    pub(crate) woken: Vec<Waiter>,
    /// How many consumers wait at their mailboxes.
    awaited: usize,
    /// Whoever listens to what becomes of messages.
    listening: Option<Box<Listening>>,
    /// What goes wrong, for tests.
    #[cfg(feature = "testing")]
    pub(super) injecting: Option<Box<super::injecting::Injecting>>,
}

/// The sinks of those that the queue let go of by itself and that have not left yet, where somebody else came into their
/// place: what they have before them is theirs until they leave.
#[derive(Debug, Default)]
struct Former {
    sinks: Vec<SinkOf>,
}

impl Sinks {
    /// No sinks; and whoever listens.
    pub(crate) fn new(listening: Option<Listening>) -> Self {
        Self { listening: listening.map(Box::new), ..Self::default() }
    }

    /// Whoever listens to what becomes of messages.
    #[inline]
    pub(crate) fn listening(&mut self) -> Option<&mut Listening> {
        self.listening.as_deref_mut()
    }

    /// What comes back from now on comes back for this cause.
    #[inline]
    pub(crate) fn because(&mut self, cause: Cause) {
        if let Some(listening) = self.listening() {
            listening.because(cause);
        }
    }

    /// Lets the queue take in a message that goes to these queues, and says so where it takes it; or one of which it was
    /// said before (`None`). Says where the queue refuses it.
    #[inline]
    pub(crate) fn taking(
        &mut self,
        envelope: &SharedEnvelope,
        route: Option<&[Arc<QueueCell>]>,
        take: impl FnOnce(&mut Self) -> Offered,
    ) -> Offered {
        // Asked once where nobody listens.
        if self.listening.is_none() { take(self) } else { self.taking_heard(envelope, route, take) }
    }

    #[cold]
    fn taking_heard(
        &mut self,
        envelope: &SharedEnvelope,
        route: Option<&[Arc<QueueCell>]>,
        take: impl FnOnce(&mut Self) -> Offered,
    ) -> Offered {
        if let Some(listening) = self.listening() {
            listening.announce(route);
        }
        let offered = take(self);
        if let Some(listening) = self.listening() {
            listening.taken(envelope, offered);
        }
        offered
    }

    /// The sink of a consumer that the queue serves.
    #[inline(always)]
    pub(crate) fn of(&mut self, consumer: ConsumerId) -> Option<&mut SinkOf> {
        self.sinks.get_mut(consumer.slot as usize)?.as_mut().filter(|sink| sink.consumer == consumer)
    }

    /// The mailbox of a consumer, also of one that the queue does not serve any more.
    pub(crate) fn mailbox_until_it_leaves(&mut self, consumer: ConsumerId) -> Option<&mut Mailbox> {
        let is_its = |sink: &SinkOf| sink.consumer == consumer;
        if !self.former().any(is_its) {
            return self.mailbox(consumer);
        }
        self.former.as_mut()?.sinks.iter_mut().find(|sink| is_its(sink))?.place.mailbox()
    }

    fn former(&self) -> impl Iterator<Item = &SinkOf> {
        self.former.iter().flat_map(|former| &former.sinks)
    }

    /// The mailbox of a consumer that the queue serves.
    #[inline(always)]
    pub(crate) fn mailbox(&mut self, consumer: ConsumerId) -> Option<&mut Mailbox> {
        self.of(consumer)?.place.mailbox()
    }

    /// Whether a consumer waits at its mailbox.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited > 0
    }

    /// A consumer began to wait at its mailbox.
    pub(crate) fn awaited(&mut self) {
        self.awaited += 1;
    }

    /// Puts the sink of a new consumer into its place.
    pub(crate) fn insert(&mut self, sink: SinkOf) {
        let slot = sink.consumer.slot as usize;
        if self.sinks.len() <= slot {
            self.sinks.resize_with(slot + 1, || None);
        }
        if let Some(former) = self.sinks.get_mut(slot).and_then(|place| place.replace(sink)) {
            self.former.get_or_insert_default().sinks.push(former);
        }
    }

    /// Takes out the sinks of consumers that are `gone`.
    pub(crate) fn take(&mut self, gone: impl Fn(&SinkOf) -> bool) -> Vec<SinkOf> {
        let places = self.sinks.iter_mut().filter(|place| place.as_ref().is_some_and(&gone));
        let mut taken: Vec<SinkOf> = places.filter_map(Option::take).collect();
        if let Some(former) = &mut self.former {
            taken.extend(former.sinks.extract_if(.., |sink| gone(sink)));
            if former.sinks.is_empty() {
                self.former = None;
            }
        }
        self.awaited -= taken.iter().filter(|sink| sink.is_awaited()).count();
        taken
    }

    /// The consumers' sinks.
    #[cfg(feature = "testing")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SinkOf> {
        self.sinks.iter().flatten().chain(self.former())
    }

    /// Nothing more comes to the mailboxes of those that are `gone`.
    #[cfg(feature = "testing")]
    pub(crate) fn end_mailboxes(&mut self, gone: impl Fn(&SinkOf) -> bool) {
        let mut waiters: Vec<Option<Waiter>> = Vec::new();
        for sink in self.sinks.iter_mut().flatten().filter(|sink| gone(sink)) {
            if let Place::Mailbox(mailbox) = &mut sink.place {
                waiters.push(mailbox.end());
            }
        }
        waiters.into_iter().for_each(|waiter| self.wake(waiter));
    }

    /// Somebody waited, and need not any more.
    #[inline(always)]
    pub(crate) fn wake(&mut self, waiter: Option<Waiter>) {
        let Some(waiter) = waiter else { return };
        self.awaited -= 1;
        self.woken.push(waiter);
    }
}

impl Place {
    #[inline(always)]
    fn mailbox(&mut self) -> Option<&mut Mailbox> {
        match self {
            Self::Mailbox(mailbox) => Some(mailbox),
            Self::Channel(_) => None,
        }
    }
}

impl SinkOf {
    /// Whether it is that of a channel.
    pub(crate) fn is_channel(&self) -> bool {
        matches!(self.place, Place::Channel(_))
    }

    /// What was put down here, and whether somebody waits for it.
    #[cfg(feature = "testing")]
    pub(crate) fn receiving(&self) -> Receiving {
        match &self.place {
            Place::Mailbox(mailbox) => {
                Receiving { mail: mailbox.mail(), waits: mailbox.is_awaited(), woken: mailbox.is_woken() }
            }
            Place::Channel(sink) => sink.receiving(),
        }
    }

    /// Moves what was put down in a mailbox behind its ring to the end of `left`.
    pub(crate) fn left_to(mut self, left: &mut VecDeque<Handout>) -> Self {
        if let Place::Mailbox(mailbox) = &mut self.place {
            mailbox.empty_into(left);
        }
        self
    }

    fn is_awaited(&self) -> bool {
        matches!(&self.place, Place::Mailbox(mailbox) if mailbox.is_awaited())
    }
}

impl Outbox for Sinks {
    fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    #[inline(always)]
    fn deliver(&mut self, handout: Handout) {
        #[cfg(feature = "testing")]
        let handout = match handout.consumer.and_then(|consumer| self.mailbox(consumer)) {
            Some(_) => match self.held_back(handout) {
                Some(handout) => handout,
                None => return,
            },
            None => handout,
        };
        // A consumer that is just coming in has no sink yet: its first deliveries wait.
        match handout.consumer.and_then(|consumer| self.mailbox(consumer)) {
            Some(mailbox) => {
                let waiter = mailbox.put(handout);
                self.wake(waiter);
            }
            None => self.effects.push(Effect::Deliver(handout)),
        }
    }

    #[inline]
    fn is_heard(&self) -> bool {
        self.listening.is_some()
    }

    #[inline]
    fn note(&mut self, envelope: &SharedEnvelope, note: Note) {
        if let Some(listening) = self.listening() {
            listening.note(envelope, note);
        }
    }

    fn attached(&mut self, consumer: ConsumerId) {
        if let Some(listening) = self.listening() {
            listening.attached(consumer);
        }
    }
}
