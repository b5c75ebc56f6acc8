//! The inventory service: puts goods aside, or cancels.

use super::order::crash;
use super::{Desk, Job, Service};
use crate::names::INVENTORY;
use crate::orders::What;
use crate::retry::{Failure, Handled};
use crate::shop::{Seen, lock};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// What the shop has enough of.
pub(crate) const CATALOGUE: [&str; 8] = ["chair", "clock", "desk", "kettle", "lamp", "mug", "rug", "teapot"];
/// What it has none of.
pub(crate) const SOLD_OUT: &str = "gramophone";
/// What it has few of.
pub(crate) const SCARCE: &str = "piano";

/// The inventory service.
#[derive(Debug)]
pub(crate) struct Inventory {
    seen: Seen,
    stock: Mutex<BTreeMap<&'static str, u32>>,
}

impl Default for Inventory {
    fn default() -> Self {
        let plenty = CATALOGUE.iter().map(|product| (*product, u32::MAX));
        Self { seen: Seen::default(), stock: Mutex::new(plenty.chain([(SOLD_OUT, 0), (SCARCE, 3)]).collect()) }
    }
}

impl Service for Inventory {
    fn name(&self) -> &'static str {
        INVENTORY
    }

    fn threads(&self) -> usize {
        1
    }

    fn handle(&self, desk: &mut Desk, job: &Job) -> Result<Handled, Failure> {
        let order = job.order()?;
        let Some(claim) = self.seen.claim(&order.id) else { return Ok(Handled::Duplicate) };
        if job.crashes < order.trouble_at(INVENTORY, What::Crash) {
            crash(INVENTORY, job);
        }
        desk.shop().pace.work(WORK);
        if job.attempt <= order.trouble_at(INVENTORY, What::Flaky) {
            return Err(Failure::Again("the stock database is away".into()));
        }
        match self.reserve(&order.product, order.quantity) {
            Ok(()) => desk.tell(job, "inventory.reserved", None)?,
            Err(reason) => desk.tell(job, &format!("order.{}.cancelled", order.region), Some(reason))?,
        }
        claim.done();
        Ok(Handled::Done)
    }
}

impl Inventory {
    fn reserve(&self, product: &str, quantity: u32) -> Result<(), &'static str> {
        let mut stock = lock(&self.stock);
        let left = stock.get_mut(product).ok_or("unknown product")?;
        *left = left.checked_sub(quantity).ok_or("out of stock")?;
        Ok(())
    }
}

/// How long an order takes it.
const WORK: Duration = Duration::from_millis(8);
