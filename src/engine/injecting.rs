//! Faults of one queue, for tests: what is to happen to its deliveries, and those that it holds back.
//!
//! A delivery that is held back is out, as far as the queue knows: it is on its way. What comes after it for the same
//! consumer waits behind it, since a connection keeps its order; other consumers get theirs.

use super::Engine;
use super::cell::QueueCell;
use super::faults::{By, Delivering, DeliveryFault, Faults, Hit};
use super::sink::Sinks;
use crate::base::{Moment, Name, QueueId, SessionId};
use crate::message::SharedEnvelope;
use crate::port::{Clock, Injected};
use crate::queue::effect::{ConsumerId, DeliveryRef, Handout};
use std::sync::Arc;

/// What a queue knows of faults.
#[derive(Debug)]
pub(crate) struct Injecting {
    faults: Arc<Faults>,
    clock: Arc<dyn Clock>,
    queue: Name,
    id: QueueId,
    dooms: Vec<Doom>,
    /// Held back, each consumer's in order.
    held: Vec<(ConsumerId, Moment, Handout)>,
}

/// Something that is to happen when a delivery is settled.
#[derive(Clone, Debug)]
pub(crate) struct Doom {
    pub(crate) reference: DeliveryRef,
    pub(crate) session: SessionId,
    /// Whether a channel has it.
    pub(crate) of_channel: bool,
    pub(crate) envelope: SharedEnvelope,
    pub(crate) by: By,
    fault: DeliveryFault,
}

impl Injecting {
    /// For this queue.
    pub(crate) fn new(faults: &Arc<Faults>, clock: &Arc<dyn Clock>, queue: &Name, id: QueueId) -> Self {
        let (faults, clock, queue) = (Arc::clone(faults), Arc::clone(clock), queue.clone());
        Self { faults, clock, queue, id, dooms: Vec::new(), held: Vec::new() }
    }

    /// Whether anything may happen, or is held.
    fn is_idle(&self) -> bool {
        self.held.is_empty() && !self.faults.is_armed()
    }

    /// Whether the queue answers as at its limit.
    fn full(&self, envelope: &SharedEnvelope) -> Option<By> {
        self.faults.injector()?.offer(&self.queue, envelope)
    }

    /// A message goes out.
    fn ask(&self, consumer: Option<&Name>, handout: &Handout) -> Option<Hit<DeliveryFault>> {
        self.faults.injector()?.delivery(&Delivering {
            queue: &self.queue,
            consumer,
            envelope: &handout.envelope,
            redelivered: handout.redelivered,
            no_ack: handout.claim.reference().is_none(),
        })
    }

    fn doom(&mut self, handout: &Handout, of_channel: bool, hit: Hit<DeliveryFault>) {
        let Some(reference) = handout.claim.reference() else { return };
        let (session, envelope) = (handout.session, SharedEnvelope::clone(&handout.envelope));
        self.dooms.push(Doom { reference, session, of_channel, envelope, by: hit.by, fault: hit.fault });
    }
}

impl Sinks {
    /// Those of this queue, asking for faults.
    pub(super) fn with_faults(mut self, engine: &Engine, queue: &Name, id: QueueId) -> Self {
        self.injecting = Some(Box::new(Injecting::new(&engine.faults, &engine.clock, queue, id)));
        self
    }

    /// Whether the queue answers a message as at its limit. Then that was said.
    pub(super) fn full(&mut self, envelope: &SharedEnvelope) -> bool {
        let Some(by) = self.injecting.as_ref().and_then(|injecting| injecting.full(envelope)) else { return false };
        by.count();
        if let Some(listening) = self.listening() {
            listening.say(Some(envelope), by.fact(Injected::FillQueue));
        }
        true
    }

    /// A delivery is about to be put down: given back where it is not held back.
    pub(super) fn held_back(&mut self, handout: Handout) -> Option<Handout> {
        if self.injecting.as_ref().is_none_or(|own| own.is_idle()) {
            return Some(handout);
        }
        let Some(consumer) = handout.consumer else { return Some(handout) };
        let Some((tag, of_channel)) = self.of(consumer).map(|sink| (sink.tag.clone(), sink.is_channel())) else {
            return Some(handout);
        };
        let injecting = self.injecting.as_mut()?;
        let behind = injecting.held.iter().rev().find(|(known, ..)| *known == consumer).map(|(_, until, _)| *until);
        let hit = injecting.ask(Some(&tag), &handout);
        let mut until = behind;
        match hit {
            Some(Hit { fault: DeliveryFault::Delay(span), by }) => {
                by.count();
                let own = injecting.clock.now() + span;
                until = Some(behind.map_or(own, |behind| behind.max(own)));
                let fact = by.fact(Injected::DelayDelivery);
                if let Some(listening) = self.listening() {
                    listening.say(Some(&handout.envelope), fact);
                }
            }
            Some(hit) => injecting.doom(&handout, of_channel, hit),
            None => {}
        }
        let Some(until) = until else { return Some(handout) };
        let injecting = self.injecting.as_mut()?;
        injecting.held.push((consumer, until, handout));
        injecting.faults.hold_delivery(until, injecting.id);
        None
    }

    /// A message was fetched by `get`.
    pub(super) fn fetched(&mut self, handout: &Handout) {
        let Some(injecting) = self.injecting.as_mut().filter(|injecting| !injecting.is_idle()) else { return };
        if let Some(hit) = injecting.ask(None, handout) {
            injecting.doom(handout, false, hit);
        }
    }

    /// Takes out what was held back and is due.
    pub(super) fn take_due(&mut self, now: Moment) -> Vec<Handout> {
        let Some(injecting) = self.injecting.as_mut() else { return Vec::new() };
        injecting.held.extract_if(.., |(_, until, _)| *until <= now).map(|(.., handout)| handout).collect()
    }

    /// How many deliveries are held back for a consumer.
    pub(crate) fn held(&self, consumer: ConsumerId) -> usize {
        self.injecting.as_ref().map_or(0, |own| own.held.iter().filter(|(known, ..)| *known == consumer).count())
    }

    /// Takes out what is held back for these consumers.
    pub(super) fn take_held(&mut self, of: impl Fn(ConsumerId) -> bool) -> Vec<Handout> {
        let Some(injecting) = self.injecting.as_mut() else { return Vec::new() };
        let held = injecting.held.extract_if(.., |(consumer, ..)| of(*consumer));
        held.map(|(.., handout)| handout).collect()
    }

    fn dooms(&mut self, wanted: impl Fn(&Doom) -> bool) -> Vec<Doom> {
        self.injecting.as_mut().map(|own| own.dooms.extract_if(.., |doom| wanted(doom)).collect()).unwrap_or_default()
    }
}

impl QueueCell {
    /// Takes out the dooms of one kind that lie on these deliveries.
    pub(crate) fn take_dooms(&self, refs: &[DeliveryRef], fault: DeliveryFault) -> Vec<Doom> {
        self.with_sinks_mut(|sinks| sinks.dooms(|doom| doom.fault == fault && refs.contains(&doom.reference)))
    }

    /// Dooms for these deliveries, by somebody who just asked for it.
    pub(super) fn dooms_of(&self, refs: &[DeliveryRef], by: &By) -> Vec<Doom> {
        let out = self.look(|state| state.out(refs));
        let doom = |(reference, session, envelope)| {
            let by = By { rule: by.rule, fired: Arc::clone(&by.fired) };
            Doom { reference, session, of_channel: false, envelope, by, fault: DeliveryFault::Twice }
        };
        out.into_iter().map(doom).collect()
    }
}
