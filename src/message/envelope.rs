//! The envelope: a message as the broker carries it, frozen at publish and shared between queues.
//!
//! Its one allocation is made with the [`Message`], which fills it; freezing writes the rest into it and makes it
//! shareable. Where it is given back and nobody else has it, it is a message again. A death makes a new envelope with
//! the history in its headers; the body stays shared.

use super::freeze::{Carbon, Given, normalise, parse_expiration, read_carbon};
use super::{Death, Deaths, InvalidMessage, Message, Properties, Reason, ShortStr, Value, check_table};
use crate::base::{Limits, Name};
use bytes::Bytes;

/// An envelope as it travels. Its last holder frees it.
pub type SharedEnvelope = triomphe::Arc<Envelope>;

/// The headers that hold a death history. What a publisher put there is thrown away at the first death.
const HELD_HEADERS: [&str; 7] = [
    "x-death",
    "x-first-death-reason",
    "x-first-death-queue",
    "x-first-death-exchange",
    "x-last-death-reason",
    "x-last-death-queue",
    "x-last-death-exchange",
];

/// A published message, immutable: where it was published to, its properties, its body, and the deaths it died.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    exchange: Name,
    routing_key: Name,
    properties: Properties,
    body: Bytes,
    expiration_millis: Option<u64>,
    carbon: Option<Box<Carbon>>,
    deaths: Option<Box<Deaths>>,
    failures: u32,
    /// Publishing must look at the properties: somebody set them where nobody looked, or there is something to read.
    /// Never set in a frozen envelope.
    unchecked: bool,
    given: Option<Box<Given>>,
}

impl Envelope {
    /// What a message is built in. `unchecked` where anything may be in the properties.
    #[inline]
    pub(super) fn unpublished(properties: Properties, body: Bytes, unchecked: bool) -> Self {
        Self {
            exchange: Name::default(),
            routing_key: Name::default(),
            properties,
            body,
            expiration_millis: None,
            carbon: None,
            deaths: None,
            failures: 0,
            unchecked,
            given: None,
        }
    }

    /// Freezes a message for its way through `exchange` under `routing_key`, or gives it back with what is wrong.
    #[inline]
    pub(crate) fn freeze(
        exchange: &Name,
        routing_key: &Name,
        message: Message,
        limits: &Limits,
    ) -> Result<SharedEnvelope, Box<(InvalidMessage, Message)>> {
        let mut envelope = message.into_envelope();
        if (envelope.unchecked || envelope.body.len() > limits.message_bytes)
            && let Err(invalid) = envelope.read_properties(limits)
        {
            return Err(Box::new((invalid, Message::of(envelope))));
        }
        envelope.exchange = exchange.clone();
        envelope.routing_key = routing_key.clone();
        Ok(envelope.shareable())
    }

    /// Checks, then reads the expiration and the carbon copies, where there are such, and writes them as queues see
    /// them. Changes nothing where something is not valid.
    #[inline(never)]
    fn read_properties(&mut self, limits: &Limits) -> Result<(), InvalidMessage> {
        self.check(limits)?;
        let expiration = parse_expiration(self.properties.expiration.as_deref())?;
        self.carbon = read_carbon(&self.properties, limits)?;
        self.expiration_millis = expiration;
        self.unchecked = false;
        // Nearly no message has anything to change.
        if expiration.is_some() || self.carbon.is_some() {
            self.given = normalise(&mut self.properties, self.carbon.is_some());
        }
        Ok(())
    }

    /// Checks against the limits, without recursion.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), InvalidMessage> {
        if self.body.len() > limits.message_bytes {
            return Err(InvalidMessage::BodyTooLarge { bytes: self.body.len(), limit: limits.message_bytes });
        }
        if let Some((property, bytes)) = self.properties.too_long() {
            return Err(InvalidMessage::PropertyTooLong { property, bytes });
        }
        match &self.properties.headers {
            Some(headers) => check_table(headers, limits),
            None => Ok(()),
        }
    }

    /// The exchange it was published to, or dead-lettered through.
    #[must_use]
    pub fn exchange(&self) -> &Name {
        &self.exchange
    }

    /// The routing key.
    #[must_use]
    pub fn routing_key(&self) -> &Name {
        &self.routing_key
    }

    /// The properties, a death history included in the headers.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Its deaths, if it died.
    #[must_use]
    pub fn deaths(&self) -> Option<&Deaths> {
        self.deaths.as_deref()
    }

    /// The message as it was published, or as its deaths made it.
    #[must_use]
    pub fn to_message(&self) -> Message {
        Message::with_properties(self.properties.clone(), self.body.clone())
    }

    /// The header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.properties.header(name)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// What serde_json says where the body is not JSON of that type.
    #[cfg(feature = "serde")]
    pub fn decode<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// The properties, to change in whatever way: of a message that is not published.
    #[inline]
    pub(super) fn properties_mut(&mut self) -> &mut Properties {
        self.unchecked = true;
        &mut self.properties
    }

    /// The properties, to set something that needs no look when it is published, or that is `unchecked`.
    #[inline]
    pub(super) fn set(&mut self, unchecked: bool) -> &mut Properties {
        self.unchecked |= unchecked;
        &mut self.properties
    }

    /// Properties and body.
    pub(super) fn into_parts(self) -> (Properties, Bytes) {
        (self.properties, self.body)
    }

    /// A copy of the message as its publisher gave it.
    pub(crate) fn as_given(&self) -> Message {
        let mut message = self.to_message();
        if let Some(given) = self.given.as_deref().cloned() {
            given.put_back(message.properties_mut());
        }
        message
    }

    /// The message as its publisher gave it. Where nobody else has the envelope nothing is copied.
    #[cold]
    pub(crate) fn give_back(shared: SharedEnvelope) -> Message {
        let mut envelope = match SharedEnvelope::try_unique(shared) {
            Ok(envelope) => envelope,
            Err(shared) => return shared.as_given(),
        };
        debug_assert!(envelope.deaths.is_none() && envelope.failures == 0, "given back after it went through a queue");
        if let Some(given) = envelope.given.take() {
            given.put_back(&mut envelope.properties);
        }
        envelope.unchecked = true;
        envelope.exchange = Name::default();
        envelope.routing_key = Name::default();
        envelope.expiration_millis = None;
        envelope.carbon = None;
        Message::of(envelope)
    }

    /// The message as a queue that counts returns hands it out.
    pub(crate) fn with_delivery_count(&self, returns: u32) -> Self {
        let mut shown = self.clone();
        let headers = shown.properties.headers.get_or_insert_default();
        headers.insert("x-delivery-count", i64::from(returns));
        shown
    }

    /// Its own time to live, in milliseconds.
    pub(crate) fn expiration_millis(&self) -> Option<u64> {
        self.expiration_millis
    }

    /// How often a delivery of it failed in the quorum queues that it came from: rejected there, or out with a channel
    /// that ended. The next quorum queue shows it as its delivery count until it has one of its own.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The message as a queue lets it go after so many failed deliveries.
    pub(crate) fn after_failures(self, failures: u32) -> Self {
        Self { failures, ..self }
    }

    /// Its priority; not set is 0.
    pub(crate) fn priority(&self) -> u8 {
        self.properties.priority.unwrap_or(0)
    }

    /// The keys it routes by: the routing key first, then those of `CC` and `BCC`.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Name> + Clone {
        std::iter::once(&self.routing_key).chain(self.carbon.iter().flat_map(|carbon| &carbon.keys))
    }

    /// Whether it has keys beside the routing key.
    pub(crate) fn has_carbon(&self) -> bool {
        self.carbon.as_ref().is_some_and(|carbon| !carbon.keys.is_empty())
    }

    /// Puts the address that the broker made in the place of the direct reply-to name.
    pub(crate) fn set_reply_to(&mut self, address: ShortStr) {
        self.properties.reply_to = Some(address);
    }

    /// The envelope that goes on through `exchange` after this one died in `queue` for `reason`.
    ///
    /// `routing_key` is the queue's dead-letter routing key: with one, the message routes by it alone; without, by the
    /// keys it had, blind ones included. Its `expiration` ends here and is kept in the record.
    pub(crate) fn died(
        &self,
        queue: &Name,
        reason: Reason,
        seconds: u64,
        exchange: Name,
        routing_key: Option<Name>,
        limits: &Limits,
    ) -> Self {
        let blind = self.carbon.as_ref().map_or(&[][..], |carbon| &carbon.blind);
        let death = Death {
            queue: queue.clone(),
            reason,
            count: 1,
            time: seconds,
            exchange: self.exchange.clone(),
            routing_keys: without(self.keys(), blind),
            original_expiration: self.properties.expiration.clone(),
        };
        let mut next = self.clone();
        next.given = None;
        next.exchange = exchange;
        if let Some(routing_key) = routing_key {
            next.routing_key = routing_key;
            if let Some(carbon) = &mut next.carbon {
                carbon.keys.clear();
            }
        }
        next.expiration_millis = None;
        next.properties.expiration = None;
        let headers = next.properties.headers.get_or_insert_default();
        let deaths = match next.deaths.take() {
            Some(mut deaths) => {
                deaths.record(death, limits.death_records);
                deaths
            }
            None => {
                for name in HELD_HEADERS {
                    headers.remove(name);
                }
                Box::new(Deaths::first(death))
            }
        };
        deaths.write_headers(headers);
        next.deaths = Some(deaths);
        next
    }
}

/// Keys less the blind ones: each blind key takes out one, the first.
fn without<'a>(keys: impl Iterator<Item = &'a Name>, blind: &[Name]) -> Vec<Name> {
    let mut keys: Vec<Name> = keys.cloned().collect();
    for key in blind {
        if let Some(at) = keys.iter().position(|known| known == key) {
            keys.remove(at);
        }
    }
    keys
}
