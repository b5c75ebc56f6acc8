//! A message in a queue, what is out, and what is done with.

use super::effect::{Claim, ConsumerId, DeliveryRef, Handout, Loan, Note, Outbox};
use super::spec::Settings;
use crate::base::{Moment, SessionId};
use crate::message::SharedEnvelope;
use smallvec::SmallVec;

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place: counts what came into the queue.
    pub(crate) seq: u64,
    /// When it expires; [`Moment::MAX`] where it does not.
    pub(crate) expires: Moment,
    /// How often it came back.
    pub(crate) returns: u32,
    /// How often its delivery failed, here and in the quorum queues it died in before. Quorum queues only.
    pub(crate) failures: u32,
    /// The message.
    pub(crate) envelope: SharedEnvelope,
}

impl Entry {
    /// An entry that starts its time now. `least` is the shortest time to live that the kind of queue knows.
    #[inline(always)]
    pub(crate) fn new(seq: u64, envelope: SharedEnvelope, settings: &Settings, least: u64, now: Moment) -> Self {
        let expires = expiry(&envelope, settings, least, now);
        Self { seq, expires, returns: 0, failures: 0, envelope }
    }

    /// Bytes of the body: what length limits count.
    pub(crate) fn bytes(&self) -> u64 {
        self.envelope.body().len() as u64
    }

    /// Whether its time has ended.
    pub(crate) fn is_expired(&self, now: Moment) -> bool {
        self.expires <= now && self.expires != Moment::MAX
    }

    /// The count of deliveries that is shown: its own returns, or else the failures that it came with.
    pub(crate) fn shown(&self) -> u32 {
        if self.returns > 0 { self.returns } else { self.failures }
    }

    /// That it goes out, for whoever listens; and that it is done with that, where no acknowledgement is due.
    #[inline]
    pub(crate) fn note_delivery(
        &self,
        session: SessionId,
        consumer: Option<ConsumerId>,
        no_ack: bool,
        fx: &mut impl Outbox,
    ) {
        if fx.is_heard() {
            let attempt = self.shown().saturating_add(1);
            fx.note(&self.envelope, Note::Delivered { session, consumer, attempt, no_ack });
            if no_ack {
                fx.note(&self.envelope, Note::Acknowledged { automatic: true });
            }
        }
    }

    /// The entry on its way to somebody, who need not settle it as far as this says.
    pub(crate) fn handout(&self, session: SessionId, consumer: Option<ConsumerId>, counted: bool) -> Handout {
        Handout {
            session,
            consumer,
            claim: Claim::None,
            envelope: SharedEnvelope::clone(&self.envelope),
            redelivered: self.shown() > 0,
            returns: self.shown(),
            counted,
        }
    }
}

/// Says, to whoever listens, what becomes of all of these.
pub(crate) fn note_all<'a>(entries: impl Iterator<Item = &'a Entry>, note: Note, fx: &mut impl Outbox) {
    if fx.is_heard() {
        entries.for_each(|entry| fx.note(&entry.envelope, note));
    }
}

/// When a message that comes in now expires: after its own time to live or the queue's, whichever is shorter.
#[inline]
pub(crate) fn expiry(envelope: &SharedEnvelope, settings: &Settings, least: u64, now: Moment) -> Moment {
    let ttl = match (settings.message_ttl_millis, envelope.expiration_millis()) {
        (Some(queue), Some(own)) => Some(queue.min(own)),
        (queue, own) => queue.or(own),
    };
    ttl.map_or(Moment::MAX, |millis| now.plus_millis(millis.max(least)))
}

/// Messages that the queue is done with, to be freed by whoever holds no lock: the owner of a body may run foreign code.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    envelopes: FreedEnvelopes,
}

/// A list of them. Most are of one.
pub(crate) type FreedEnvelopes = SmallVec<[SharedEnvelope; 2]>;

impl Freed {
    /// Expects so many.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.envelopes.reserve(count);
    }

    /// One more. Where somebody else still has it, it is he who frees it.
    pub(crate) fn put(&mut self, envelope: SharedEnvelope) {
        if envelope.is_unique() {
            self.envelopes.push(envelope);
        } else if let Some(last) = SharedEnvelope::into_unique(envelope) {
            // He let go in between.
            self.envelopes.push(last.shareable());
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.envelopes.is_empty()
    }

    /// All of them, to be dropped without a lock.
    pub(crate) fn take(&mut self) -> FreedEnvelopes {
        std::mem::take(&mut self.envelopes)
    }
}

/// An entry that is out.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    /// The entry.
    pub(crate) entry: Entry,
    /// Who has it.
    pub(crate) session: SessionId,
    /// Through which consumer; none by `basic.get`.
    pub(crate) consumer: Option<ConsumerId>,
    serial: u64,
}

impl Out {
    /// What was lent, come back. `None` for what the queue kept or gave away.
    pub(crate) fn returned(handout: Handout) -> Option<Self> {
        let Handout { session, consumer, claim, envelope, returns, .. } = handout;
        let Claim::Lent(Loan { seq, expires }) = claim else { return None };
        let entry = Entry { seq, expires, returns, failures: 0, envelope };
        Some(Self { entry, session, consumer, serial: 0 })
    }
}

/// What is out: entries handed over and not yet settled, each in a place of its own.
///
/// Invariants: `count` and `bytes` are those of the taken places; a place is free or taken, never both.
#[derive(Debug, Default)]
pub(crate) struct Unacked {
    places: Vec<Option<Out>>,
    free: Vec<u32>,
    next: u64,
    bytes: u64,
}

impl Unacked {
    /// How many are out.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Bytes of their bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts an entry out.
    pub(crate) fn put(&mut self, entry: Entry, session: SessionId, consumer: Option<ConsumerId>) -> DeliveryRef {
        let serial = self.next;
        self.next += 1;
        self.bytes += entry.bytes();
        let out = Some(Out { entry, session, consumer, serial });
        let free = self.free.pop();
        match free.and_then(|slot| self.places.get_mut(slot as usize).map(|place| (slot, place))) {
            Some((slot, place)) => {
                *place = out;
                DeliveryRef { slot, serial }
            }
            None => {
                self.places.push(out);
                DeliveryRef { slot: (self.places.len() - 1) as u32, serial }
            }
        }
    }

    /// Takes an entry back; none where it is not out any more.
    pub(crate) fn take(&mut self, reference: DeliveryRef) -> Option<Out> {
        let place = self.places.get_mut(reference.slot as usize)?;
        if place.as_ref()?.serial != reference.serial {
            return None;
        }
        let out = place.take()?;
        self.bytes -= out.entry.bytes();
        self.free.push(reference.slot);
        if self.free.len() == self.places.len() && self.places.len() > 1_024 {
            self.places = Vec::new();
            self.free = Vec::new();
        }
        Some(out)
    }

    /// An entry that is out.
    #[cfg(feature = "testing")]
    pub(crate) fn get(&self, reference: DeliveryRef) -> Option<&Out> {
        self.places.get(reference.slot as usize)?.as_ref().filter(|out| out.serial == reference.serial)
    }

    /// What one session has out, in the order in which it was handed over.
    pub(crate) fn of_session(&self, session: SessionId) -> Vec<(DeliveryRef, Option<ConsumerId>)> {
        let mut found: Vec<_> = (self.iter())
            .filter(|(_, out)| out.session == session)
            .map(|(reference, out)| (reference, out.consumer))
            .collect();
        found.sort_unstable_by_key(|(reference, _)| reference.serial);
        found
    }

    /// Says, to whoever listens, that everything is lost, in the order in which it was handed over.
    pub(crate) fn note_lost(&self, fx: &mut impl Outbox) {
        if fx.is_heard() {
            let mut outs: Vec<_> = self.iter().collect();
            outs.sort_unstable_by_key(|(reference, _)| reference.serial);
            outs.into_iter().for_each(|(_, out)| fx.note(&out.entry.envelope, Note::Lost { unacked: true }));
        }
    }

    /// All that is out, in the order in which it was handed over.
    #[cfg(feature = "testing")]
    pub(crate) fn in_order(&self) -> Vec<DeliveryRef> {
        let mut all: Vec<DeliveryRef> = self.iter().map(|(reference, _)| reference).collect();
        all.sort_unstable_by_key(|reference| reference.serial);
        all
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, freed: &mut Freed) {
        freed.reserve(self.len());
        let places = std::mem::take(self).places;
        places.into_iter().flatten().for_each(|out| freed.put(out.entry.envelope));
    }

    /// Everything that is out, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (DeliveryRef, &Out)> {
        self.places.iter().enumerate().filter_map(|(slot, place)| {
            let out = place.as_ref()?;
            Some((DeliveryRef { slot: slot as u32, serial: out.serial }, out))
        })
    }
}
