//! Makes orders from a seed: mostly good ones, and some of every kind of trouble, spread evenly. The same number and
//! seed always give the same lines.

use crate::names::{EMAIL, FRAUD_CHECK, INVENTORY, ORDER, PAYMENT, SHIPPING};
use crate::orders::{ALWAYS, Order, Trouble, What};
use crate::services::inventory::{CATALOGUE, SCARCE, SOLD_OUT};
use crate::services::payment::DECLINED_CARD;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// What is to become of a made order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing is wrong with it.
    Good,
    /// No JSON at all.
    BrokenJson,
    /// A field is not there.
    MissingField,
    /// A field makes no sense.
    BadValue,
    /// Orders what the shop does not have at all.
    UnknownProduct,
    /// Orders what is sold out.
    OutOfStock,
    /// Pays with a card that is declined.
    Declined,
    /// Pays much for a customer whom nobody knows.
    Fraud,
    /// Carries the id of an earlier order.
    Repeated,
    /// Makes this trouble at this service, so many times.
    Troubled(What, &'static str, u32),
}

/// How many of a thousand orders are of which kind; the rest is good.
pub(crate) const MIX: [(u32, Kind); 22] = [
    (8, Kind::BrokenJson),
    (8, Kind::MissingField),
    (4, Kind::BadValue),
    (10, Kind::UnknownProduct),
    (15, Kind::OutOfStock),
    (20, Kind::Declined),
    (10, Kind::Fraud),
    (5, Kind::Repeated),
    (10, Kind::Troubled(What::Flaky, INVENTORY, 2)),
    (3, Kind::Troubled(What::Flaky, INVENTORY, ALWAYS)),
    (8, Kind::Troubled(What::Flaky, PAYMENT, 1)),
    (3, Kind::Troubled(What::Flaky, PAYMENT, ALWAYS)),
    (8, Kind::Troubled(What::Flaky, EMAIL, 1)),
    (4, Kind::Troubled(What::Refused, EMAIL, ALWAYS)),
    (6, Kind::Troubled(What::Flaky, SHIPPING, 2)),
    (3, Kind::Troubled(What::Flaky, SHIPPING, ALWAYS)),
    (2, Kind::Troubled(What::Crash, ORDER, 1)),
    (3, Kind::Troubled(What::Crash, INVENTORY, 2)),
    (2, Kind::Troubled(What::Crash, INVENTORY, ALWAYS)),
    (2, Kind::Troubled(What::Crash, SHIPPING, ALWAYS)),
    (2, Kind::Troubled(What::Silent, FRAUD_CHECK, 1)),
    (1, Kind::Troubled(What::Crash, FRAUD_CHECK, ALWAYS)),
];

/// A made line.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// What is to become of it.
    pub(crate) kind: Kind,
    /// The line, without its end.
    pub(crate) line: String,
}

/// Makes `count` orders.
pub(crate) fn make(count: u32, seed: u64) -> Vec<Made> {
    let mut dice = Dice(seed);
    let mut earlier: Vec<String> = Vec::new();
    (1..=count)
        .map(|number| {
            let kind = match kind_of(dice.below(1_000)) {
                // There must be an earlier one.
                Kind::Repeated if earlier.is_empty() => Kind::Good,
                kind => kind,
            };
            let mut order = good(number, &mut dice);
            if kind == Kind::Repeated {
                let which = dice.below(earlier.len() as u64) as usize;
                order.id = earlier.get(which).cloned().unwrap_or_default();
            } else if !matches!(kind, Kind::BrokenJson | Kind::MissingField | Kind::BadValue) {
                earlier.push(order.id.clone());
            }
            Made { kind, line: line(order, kind) }
        })
        .collect()
}

/// Writes `count` orders, one to a line. How many are of which kind.
///
/// # Errors
///
/// What writing says.
pub(crate) fn write(count: u32, seed: u64, mut out: impl Write) -> io::Result<BTreeMap<Kind, u32>> {
    let mut kinds = BTreeMap::new();
    for made in make(count, seed) {
        writeln!(out, "{}", made.line)?;
        *kinds.entry(made.kind).or_default() += 1;
    }
    out.flush()?;
    Ok(kinds)
}

fn kind_of(mut roll: u64) -> Kind {
    for (share, kind) in MIX {
        match roll.checked_sub(share.into()) {
            None => return kind,
            Some(rest) => roll = rest,
        }
    }
    Kind::Good
}

fn good(number: u32, dice: &mut Dice) -> Order {
    let product = pick(&CATALOGUE, dice);
    let quantity = 1 + dice.below(3) as u32;
    Order {
        id: format!("A-{number:05}"),
        region: pick(&["eu", "us", "apac"], dice).to_owned(),
        tier: pick(&["plain", "plain", "plain", "vip"], dice).to_owned(),
        customer: format!("c-{:04}", 1 + dice.below(2_000)),
        product: product.to_owned(),
        quantity,
        cents: u64::from(quantity) * (500 + 10 * dice.below(900)),
        card: pick(&["visa-4242", "amex-0005"], dice).to_owned(),
        trouble: None,
    }
}

/// Spoils a good order as its kind demands, and writes it.
fn line(mut order: Order, kind: Kind) -> String {
    match kind {
        Kind::UnknownProduct => order.product = "perpetuum-mobile".into(),
        Kind::OutOfStock if order.quantity == 1 => order.product = SOLD_OUT.into(),
        Kind::OutOfStock => (order.product, order.quantity) = (SCARCE.into(), 500),
        Kind::Declined => order.card = DECLINED_CARD.into(),
        Kind::Fraud => (order.customer, order.cents) = ("c-0000".into(), 999_900),
        Kind::Troubled(what, at, times) => order.trouble = Some(Trouble { at: at.into(), what, times }),
        Kind::BadValue => order.quantity = 0,
        Kind::Good | Kind::Repeated | Kind::BrokenJson | Kind::MissingField => {}
    }
    let mut line = serde_json::to_string(&order).unwrap_or_default();
    match kind {
        Kind::BrokenJson => line.truncate(line.len() / 2),
        Kind::MissingField => line = line.replace("\"product\":", "\"produkt\":"),
        _ => {}
    }
    line
}

fn pick<'a>(from: &[&'a str], dice: &mut Dice) -> &'a str {
    from.get(dice.below(from.len() as u64) as usize).copied().unwrap_or_default()
}

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_gives_the_same_orders_again_and_every_kind() {
        let lines = |seed| make(5_000, seed).into_iter().map(|made| made.line).collect::<Vec<_>>();
        assert_eq!(lines(7), lines(7));
        assert_ne!(lines(7), lines(8));
        let kinds: BTreeSet<String> = make(5_000, 7).iter().map(|made| format!("{:?}", made.kind)).collect();
        assert_eq!(kinds.len(), MIX.len() + 1);
    }

    #[test]
    fn lines_are_what_their_kind_says() {
        for made in make(2_000, 1) {
            let malformed = matches!(made.kind, Kind::BrokenJson | Kind::MissingField | Kind::BadValue);
            assert_eq!(Order::parse(made.line.as_bytes()).is_err(), malformed, "{made:?}");
        }
    }
}
