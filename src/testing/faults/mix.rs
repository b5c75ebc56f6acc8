//! Faults by chance, the same for the same seed.

use crate::engine::faults::{DeliveryFault, PublishFault};
use std::time::Duration;

/// How often each fault happens, as a share of all that it could happen to: 0 is never, 1 always. All are 0 at first.
///
/// Each publish, each message offered to a queue and each delivery draws one number; where the rates of one of them add up to
/// more than 1, those said last are cut.
///
/// ```
/// use leveret::testing::Rates;
///
/// let rates = Rates::new().refuse(0.01).lose_confirm(0.01).deliver_twice(0.05).kill_consumer(0.02);
/// # let _ = rates;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    publish: Vec<(f64, PublishFault)>,
    full: f64,
    delivery: Vec<(f64, DeliveryFault)>,
}

impl Rates {
    /// No faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of publishes: see [`Select::refuse`](super::Select::refuse).
    #[must_use]
    pub fn refuse(self, rate: f64) -> Self {
        self.publish(rate, PublishFault::Refuse)
    }

    /// Of publishes that are confirmed: see [`Select::lose_confirm`](super::Select::lose_confirm).
    #[must_use]
    pub fn lose_confirm(self, rate: f64) -> Self {
        self.publish(rate, PublishFault::Lose)
    }

    /// Of publishes that are confirmed: see [`Select::delay_confirm`](super::Select::delay_confirm).
    #[must_use]
    pub fn delay_confirm(self, rate: f64, span: Duration) -> Self {
        self.publish(rate, PublishFault::Delay(span))
    }

    /// Of publishes that are confirmed: see [`Select::nack_taken`](super::Select::nack_taken).
    #[must_use]
    pub fn nack_taken(self, rate: f64) -> Self {
        self.publish(rate, PublishFault::NackTaken)
    }

    /// Of messages offered to a queue: see [`Select::full`](super::Select::full).
    #[must_use]
    pub fn full(mut self, rate: f64) -> Self {
        self.full = rate;
        self
    }

    /// Of deliveries: see [`Select::deliver_twice`](super::Select::deliver_twice).
    #[must_use]
    pub fn deliver_twice(self, rate: f64) -> Self {
        self.delivery(rate, DeliveryFault::Twice)
    }

    /// Of deliveries: see [`Select::kill_consumer`](super::Select::kill_consumer).
    #[must_use]
    pub fn kill_consumer(self, rate: f64) -> Self {
        self.delivery(rate, DeliveryFault::Kill)
    }

    /// Of deliveries: see [`Select::delay_delivery`](super::Select::delay_delivery).
    #[must_use]
    pub fn delay_delivery(self, rate: f64, span: Duration) -> Self {
        self.delivery(rate, DeliveryFault::Delay(span))
    }

    fn publish(mut self, rate: f64, fault: PublishFault) -> Self {
        self.publish.push((rate, fault));
        self
    }

    fn delivery(mut self, rate: f64, fault: DeliveryFault) -> Self {
        self.delivery.push((rate, fault));
        self
    }

    /// What happens to a publish.
    pub(super) fn draw_publish(&self, random: &mut SplitMix) -> Option<PublishFault> {
        draw(&self.publish, random)
    }

    /// Whether a queue is full.
    pub(super) fn draw_full(&self, random: &mut SplitMix) -> bool {
        random.share() < self.full
    }

    /// What happens to a delivery.
    pub(super) fn draw_delivery(&self, random: &mut SplitMix) -> Option<DeliveryFault> {
        draw(&self.delivery, random)
    }
}

fn draw<F: Copy>(rates: &[(f64, F)], random: &mut SplitMix) -> Option<F> {
    let mut left = random.share();
    for (rate, fault) in rates {
        if left < *rate {
            return Some(*fault);
        }
        left -= rate;
    }
    None
}

/// SplitMix64: a small generator whose numbers depend on nothing but its seed.
#[derive(Clone, Debug)]
pub(in crate::testing) struct SplitMix(u64);

impl SplitMix {
    /// With this seed.
    pub(in crate::testing) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(in crate::testing) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where that is 0.
    pub(in crate::testing) fn below(&mut self, bound: u32) -> u32 {
        // The high bits, scaled: even enough for bounds this small.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u32
    }

    /// From 0 up to, but not including, 1.
    fn share(&mut self) -> f64 {
        // The 53 bits that a float has.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
