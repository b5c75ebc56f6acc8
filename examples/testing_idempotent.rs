//! Three consumers that charge cards, of which two are wrong, and how a test finds that out.
//!
//! A message comes *at least* once (RabbitMQ: "Reliability Guide"): where an acknowledgement is lost, or a consumer dies
//! before it, it comes again. And it comes *at most* once where a consumer acknowledges before its work and dies in between.
//! Neither happens in a test that sends a message and looks what became of it; so both are found in production.
//!
//! `explore` runs such a test under many seeds. Each chooses who acts next and what goes wrong, and the first run that fails
//! is told in its simplest form.
//!
//! ```text
//! cargo run --features testing --example testing_idempotent
//! ```

use leveret::testing::{Exploration, Failure, Worker, explore, try_explore};
use leveret::{Delivery, Message, Queue, Topology};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

/// A wrong consumer is caught within so many seeds, and a right one survives ten times as many.
const SEEDS: u64 = 50;

/// The bank, which outlives the death of any consumer: how often it was charged for each order.
#[derive(Clone, Default)]
struct Bank(Rc<RefCell<BTreeMap<String, u32>>>);

impl Bank {
    fn charge(&self, order: &str) {
        *self.0.borrow_mut().entry(order.to_owned()).or_default() += 1;
    }

    fn has_charged(&self, order: &str) -> bool {
        self.0.borrow().contains_key(order)
    }
}

/// Charges whatever comes, and then says that it is done.
fn charges_whatever_comes(order: Delivery, bank: &Bank) {
    bank.charge(&id(&order));
    order.ack();
}

/// Says that it is done, and then charges.
fn acknowledges_first(order: Delivery, bank: &Bank) {
    let id = id(&order);
    order.ack();
    if !bank.has_charged(&id) {
        bank.charge(&id);
    }
}

/// Charges what was not charged before, and then says that it is done.
fn right(order: Delivery, bank: &Bank) {
    let id = id(&order);
    if !bank.has_charged(&id) {
        bank.charge(&id);
    }
    order.ack();
}

/// The test: three orders, two consumers, and each order is charged once.
fn charged_once(t: &Exploration, consumer: fn(Delivery, &Bank)) -> Result<(), Box<dyn std::error::Error>> {
    t.declare(&Topology::new().queue(Queue::new("orders")))?;
    let bank = Bank::default();
    for tag in ["till-1", "till-2"] {
        let bank = bank.clone();
        t.work(Worker::on("orders").tag(tag), move |order, _| consumer(order, &bank));
    }
    for order in ["book", "lamp", "chair"] {
        t.publish("", "orders", Message::new(order).message_id(order))?;
    }
    t.run();
    for order in ["book", "lamp", "chair"] {
        let times = bank.0.borrow().get(order).copied().unwrap_or_default();
        if times != 1 {
            return Err(format!("the {order} was charged {times} times").into());
        }
    }
    Ok(())
}

fn id(order: &Delivery) -> String {
    order.properties().message_id.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// Explores a wrong consumer; it must be found out.
fn caught(what: &str, consumer: fn(Delivery, &Bank)) -> Failure {
    let Err(failure) = try_explore(0..SEEDS, |t| charged_once(t, consumer)) else {
        panic!("{what} survived {SEEDS} seeds");
    };
    println!("== {what}\n{failure}\n");
    failure
}

fn main() {
    let begun = Instant::now();
    let twice = caught("a consumer that charges whatever comes", charges_whatever_comes);
    assert!(twice.message().ends_with("was charged 2 times"), "{twice}");

    let never = caught("a consumer that acknowledges before its work", acknowledges_first);
    assert!(never.message().ends_with("was charged 0 times"), "{never}");
    assert!(never.steps().any(|step| step.ends_with("dies right after its acknowledgement")), "{never}");

    // What failed for them does not for the right one, nor does anything else.
    leveret::testing::explore::replay(twice.token(), |t| charged_once(t, right));
    leveret::testing::explore::replay(never.token(), |t| charged_once(t, right));
    let explored = explore(0..10 * SEEDS, |t| charged_once(t, right));
    println!(
        "== the right one\n{} runs with {} faults, and each order was charged once",
        explored.runs, explored.faults
    );
    // Each run begins with an empty broker, and a container takes three seconds to start, at best.
    println!(
        "the same with a container for each run would take {} s; this took {:?}",
        explored.runs * 3,
        begun.elapsed()
    );
}
