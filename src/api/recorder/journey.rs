//! Journeys: the way of one message, from its publish (or from the death it is the letter of) through its queues.

use super::fate::Fate;
use crate::base::{Moment, Name};
use crate::message::{Reason, table_bytes};
use crate::port::{Fact, MessageRef, What};
use std::sync::Arc;

/// So many facts of one message are remembered, the first and the last ones.
const FACTS_PER_MESSAGE: usize = 256;

/// The way of one message, as far as it went when this was taken: what happened to it, in order, and its fate in each
/// queue. A dead letter is a message of its own, with a journey of its own ([`Journey::origin`]).
///
/// It is a snapshot, and cheap to clone.
#[derive(Clone, Debug)]
pub struct Journey {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    number: u64,
    begun: Moment,
    message: MessageRef,
    origin: Option<Origin>,
    facts: Vec<Fact>,
    omitted: u64,
    places: Vec<Place>,
    /// Its fate where it has to do with no queue.
    elsewhere: Option<Fate>,
}

/// A message in one queue.
#[derive(Clone, Debug)]
struct Place {
    queue: Name,
    fate: Fate,
    attempt: Option<Fate>,
}

/// The death that a dead letter comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The number of the journey of the message that died. It may be forgotten by now.
    pub journey: Option<u64>,
    /// The queue it died in, or that refused it.
    pub queue: Name,
    /// Why it died.
    pub reason: Reason,
}

impl Journey {
    /// A journey that begins with this fact.
    pub(super) fn begin(number: u64, begun: Moment, message: MessageRef, origin: Option<Origin>) -> Self {
        let (facts, places) = (Vec::new(), Vec::new());
        let inner = Inner { number, begun, message, origin, facts, omitted: 0, places, elsewhere: None };
        Self { inner: Arc::new(inner) }
    }

    /// The message goes to these queues.
    pub(super) fn sent_to(&mut self, queues: &[Name]) {
        let inner = Arc::make_mut(&mut self.inner);
        for queue in queues {
            if !inner.places.iter().any(|place| place.queue == *queue) {
                inner.places.push(Place { queue: queue.clone(), fate: Fate::OnItsWay, attempt: None });
            }
        }
    }

    /// Something happened to the message. Gives the fact that is left out for it, where there are too many.
    pub(super) fn take(&mut self, fact: &Fact) -> Option<Fact> {
        if let What::Published { queues, .. } = &fact.what {
            self.sent_to(queues);
        }
        let inner = Arc::make_mut(&mut self.inner);
        match &fact.queue {
            Some(queue) => {
                if let Some(place) = inner.places.iter_mut().find(|place| place.queue == *queue)
                    && let Some(fate) = Fate::after(&fact.what, &mut place.attempt)
                {
                    place.fate = fate;
                }
            }
            None => {
                if let Some(fate) = Fate::after(&fact.what, &mut None) {
                    inner.elsewhere = Some(fate);
                }
            }
        }
        let is_full = inner.facts.len() >= FACTS_PER_MESSAGE;
        let omitted = is_full.then(|| inner.facts.remove(FACTS_PER_MESSAGE / 2));
        inner.omitted += u64::from(is_full);
        inner.facts.push(fact.clone());
        omitted
    }

    /// Its number: that of the fact that it began with.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.inner.number
    }

    /// When it began: when the message was published, or the other one died.
    #[must_use]
    pub fn begun(&self) -> Moment {
        self.inner.begun
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &MessageRef {
        &self.inner.message
    }

    /// The exchange it was published to, or dead-lettered through.
    #[must_use]
    pub fn exchange(&self) -> &Name {
        self.inner.message.exchange()
    }

    /// The routing key it came with.
    #[must_use]
    pub fn routing_key(&self) -> &Name {
        self.inner.message.routing_key()
    }

    /// Its message id, if it has one. Its dead letters have the same.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.inner.message.properties().message_id.as_deref()
    }

    /// Its correlation id, if it has one.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.inner.message.properties().correlation_id.as_deref()
    }

    /// The death that it comes from; none for a published message.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.inner.origin.as_ref()
    }

    /// What happened to it, in order. Of a message to which very much happens, the middle is left out.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.inner.facts
    }

    /// How many facts were left out of the middle.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        self.inner.omitted
    }

    /// Its fate in each queue that it was sent to, in their order; or its one fate without any, beside no queue. Exactly
    /// one for each. Empty while its publish is under way.
    #[must_use]
    pub fn fates(&self) -> Vec<(Option<&Name>, &Fate)> {
        let places = self.inner.places.iter().map(|place| (Some(&place.queue), &place.fate));
        places.chain(self.inner.elsewhere.iter().map(|fate| (None, fate))).collect()
    }

    /// Its fate in one queue; `None` where it was not sent there.
    #[must_use]
    pub fn fate_in(&self, queue: &str) -> Option<&Fate> {
        self.inner.places.iter().find(|place| place.queue == *queue).map(|place| &place.fate)
    }

    /// Whether nothing more can happen to it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let Inner { places, elsewhere, .. } = &*self.inner;
        places.iter().all(|place| place.fate.is_final()) && !(places.is_empty() && elsewhere.is_none())
    }

    /// How many bytes the body and the headers have.
    pub(super) fn bytes(&self) -> u64 {
        let message = &self.inner.message;
        let headers = message.properties().headers.as_ref().map_or(0, table_bytes);
        (message.body().len() + headers) as u64
    }
}
