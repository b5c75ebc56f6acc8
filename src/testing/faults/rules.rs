//! The rules that are in force, and how they answer the engine.
//!
//! All rules that fit count what they see; of those whose turn it is, the first that was made wins.

use super::Rule;
use super::mix::{Rates, SplitMix};
use super::pattern::fits;
use super::report::{FaultReport, RuleReport};
use crate::base::Name;
use crate::base::sync::{Mutex, Rank};
use crate::engine::faults::{AckFault, By, Delivering, DeliveryFault, Hit, Inject, PublishFault, Publishing};
use crate::message::Envelope;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// All rules of a broker.
#[derive(Debug)]
pub(in crate::testing) struct Rules(Mutex<Vec<Known>>);

/// A rule, and what it has seen.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) fits: Fits,
    pub(super) when: When,
    what: Asked,
    pub(super) seen: u64,
    pub(super) by: By,
    removed: bool,
}

/// What a rule is about. What is not said fits all.
#[derive(Clone, Debug, Default)]
pub(super) struct Fits {
    pub(super) queue: Option<String>,
    pub(super) exchange: Option<String>,
    pub(super) key: Option<String>,
    pub(super) consumer: Option<String>,
}

/// Which of those that it fits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum When {
    #[default]
    Always,
    Nth(u64),
    Every(u64),
    First(u64),
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum Asked {
    Publish(PublishFault),
    Full,
    Delivery(DeliveryFault),
    Mix { seed: u64, rates: Rates, random: Box<SplitMix> },
}

impl Rules {
    pub(in crate::testing) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Rank::Leaf, Vec::new())))
    }

    /// Puts a rule in force.
    pub(super) fn add(self: &Arc<Self>, fits: Fits, when: When, what: Asked) -> Rule {
        let mut rules = self.0.lock();
        let number = u32::try_from(rules.len()).unwrap_or(u32::MAX);
        let by = By { rule: Some(number), ..By::default() };
        rules.push(Known { fits, when, what, seen: 0, by, removed: false });
        Rule { rules: Arc::clone(self), number }
    }

    /// Looks at a rule.
    pub(super) fn look(&self, number: u32, look: impl FnOnce(&Known) -> u64) -> u64 {
        self.0.lock().get(number as usize).map_or(0, look)
    }

    pub(super) fn remove(&self, number: u32) {
        if let Some(rule) = self.0.lock().get_mut(number as usize) {
            rule.removed = true;
        }
    }

    pub(super) fn clear(&self) {
        self.0.lock().iter_mut().for_each(|rule| rule.removed = true);
    }

    pub(super) fn report(&self) -> FaultReport {
        let rules = self.0.lock();
        let rules = rules.iter().zip(0..).map(|(rule, number)| RuleReport {
            number,
            rule: format!("{}{}{}", rule.fits, rule.when, rule.what),
            seen: rule.seen,
            fired: rule.by.fired.load(Ordering::Relaxed),
            removed: rule.removed,
        });
        FaultReport { rules: rules.collect() }
    }

    /// Asks all rules, in order, of which the first that answers wins.
    fn ask<F>(&self, mut ask: impl FnMut(&mut Known) -> Option<F>) -> Option<Hit<F>> {
        let mut won = None;
        for rule in self.0.lock().iter_mut().filter(|rule| !rule.removed) {
            let fault = ask(rule);
            if won.is_none() {
                won = fault.map(|fault| Hit { fault, by: rule.by.clone() });
            }
        }
        won
    }
}

impl Inject for Rules {
    fn publish(&self, publishing: &Publishing<'_>) -> Option<Hit<PublishFault>> {
        let can = |fault: PublishFault| match fault.is_of_confirm() {
            true => publishing.confirms && !(fault.refuses() && publishing.queues.is_empty()),
            false => !publishing.queues.is_empty(),
        };
        self.ask(|rule| match &mut rule.what {
            Asked::Publish(fault) if can(*fault) && rule.fits.publish(publishing) => {
                let fault = *fault;
                rule.counts().then_some(fault)
            }
            Asked::Mix { rates, random, .. } if rule.fits.publish(publishing) => {
                rule.seen += 1;
                rates.draw_publish(random).filter(|fault| can(*fault))
            }
            _ => None,
        })
    }

    fn offer(&self, queue: &Name, envelope: &Envelope) -> Option<By> {
        let hit = self.ask(|rule| {
            let fits = rule.fits.consumer.is_none() && rule.fits.message(queue, envelope);
            match &mut rule.what {
                Asked::Full if fits => rule.counts().then_some(()),
                Asked::Mix { rates, random, .. } if fits => {
                    rule.seen += 1;
                    rates.draw_full(random).then_some(())
                }
                _ => None,
            }
        });
        hit.map(|hit| hit.by)
    }

    fn delivery(&self, delivering: &Delivering<'_>) -> Option<Hit<DeliveryFault>> {
        let can = |fault: DeliveryFault| match fault {
            DeliveryFault::Twice => !delivering.no_ack && !delivering.redelivered,
            DeliveryFault::Kill => !delivering.no_ack && delivering.consumer.is_some(),
            DeliveryFault::Delay(_) => delivering.consumer.is_some(),
        };
        self.ask(|rule| match &mut rule.what {
            Asked::Delivery(fault) if can(*fault) && rule.fits.delivery(delivering) => {
                let fault = *fault;
                rule.counts().then_some(fault)
            }
            Asked::Mix { rates, random, .. } if rule.fits.delivery(delivering) => {
                rule.seen += 1;
                rates.draw_delivery(random).filter(|fault| can(*fault))
            }
            _ => None,
        })
    }

    fn ack(&self, _queue: &Name) -> Option<AckFault> {
        None
    }
}

impl Known {
    /// Counts one that fits; whether it is its turn.
    fn counts(&mut self) -> bool {
        self.seen += 1;
        match self.when {
            When::Always => true,
            When::Nth(nth) => self.seen == nth,
            When::Every(every) => every > 0 && self.seen.is_multiple_of(every),
            When::First(first) => self.seen <= first,
        }
    }
}

impl Fits {
    fn publish(&self, publishing: &Publishing<'_>) -> bool {
        let fits_queue = |queue: &String| publishing.queues.iter().any(|known| **known == **queue);
        self.consumer.is_none() && self.queue.as_ref().is_none_or(fits_queue) && self.route(publishing.envelope)
    }

    fn delivery(&self, delivering: &Delivering<'_>) -> bool {
        let is_his = |tag: &String| delivering.consumer.is_some_and(|known| **known == **tag);
        self.consumer.as_ref().is_none_or(is_his) && self.message(delivering.queue, delivering.envelope)
    }

    fn message(&self, queue: &Name, envelope: &Envelope) -> bool {
        self.queue.as_ref().is_none_or(|known| **known == **queue) && self.route(envelope)
    }

    fn route(&self, envelope: &Envelope) -> bool {
        self.exchange.as_ref().is_none_or(|exchange| **exchange == **envelope.exchange())
            && self.key.as_ref().is_none_or(|pattern| fits(pattern, envelope.routing_key()))
    }
}

impl fmt::Display for Fits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts =
            [("queue", &self.queue), ("exchange", &self.exchange), ("key", &self.key), ("consumer", &self.consumer)];
        let mut said = parts.iter().filter_map(|(what, of)| Some((what, of.as_ref()?))).peekable();
        if said.peek().is_none() {
            return f.write_str("of all");
        }
        f.write_str("of")?;
        said.enumerate().try_for_each(|(at, (what, of))| {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma} {what} '{of}'")
        })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str(": "),
            Self::Nth(nth) => write!(f, ", number {nth}: "),
            Self::Every(every) => write!(f, ", every {every}: "),
            Self::First(first) => write!(f, ", the first {first}: "),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(PublishFault::Refuse) => f.write_str("refuse the publish"),
            Self::Publish(PublishFault::Lose) => f.write_str("lose the confirm"),
            Self::Publish(PublishFault::Delay(span)) => write!(f, "delay the confirm by {span:?}"),
            Self::Publish(PublishFault::Nack) => f.write_str("nack, and do not take it"),
            Self::Publish(PublishFault::NackTaken) => f.write_str("nack, and take it"),
            Self::Full => f.write_str("answer as at the queue's limit"),
            Self::Delivery(DeliveryFault::Twice) => f.write_str("deliver twice"),
            Self::Delivery(DeliveryFault::Kill) => f.write_str("kill the consumer"),
            Self::Delivery(DeliveryFault::Delay(span)) => write!(f, "delay the delivery by {span:?}"),
            Self::Mix { seed, .. } => write!(f, "a mix with seed {seed}"),
        }
    }
}
