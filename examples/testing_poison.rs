//! Proof that a message which can never be processed ends in the dead-letter queue, and that the good ones behind it are
//! not held up: once for a classic queue, whose worker counts `x-death`, and once for a quorum queue, which counts itself.
//!
//! ```text
//! cargo run --features testing --example testing_poison
//! ```

use leveret::testing::{GivenUp, TestBroker};
use leveret::{Broker, Delivery, Message, Moment, Overflow, Queue, Reason, Topology};
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

/// How often a message may fail.
const TRIES: u64 = 5;

/// Orders that fail wait a minute and come back; those that failed too often are for people to look at.
fn classic() -> Topology {
    Topology::new()
        .queue(Queue::new("orders").dead_letter_to("orders.retry"))
        .queue(Queue::new("orders.retry").message_ttl(Duration::from_secs(60)).dead_letter_to("orders"))
        .queue(Queue::new("orders.dlq").max_length(10_000, Overflow::DropHead))
}

/// The queue itself gives up on what comes back more than four times.
fn quorum() -> Topology {
    Topology::new()
        .queue(Queue::new("orders").quorum().delivery_limit(4).dead_letter_to("orders.dlq"))
        .queue(Queue::new("orders.dlq").quorum())
}

fn is_good(order: &Delivery) -> bool {
    order.body().starts_with(b"good")
}

/// The worker of the classic queue.
fn count_deaths(broker: &Broker, order: Delivery) {
    let rejected = order.deaths().iter().find(|death| *death.queue == *"orders" && death.reason == Reason::Rejected);
    let failed_before = rejected.map_or(0, |death| death.count);
    if is_good(&order) {
        order.ack();
    } else if failed_before + 1 < TRIES {
        order.reject(); // to orders.retry
    } else if broker.publish("", "orders.dlq", order.message().to_message()).is_ok() {
        order.ack(); // only now: had the worker died before, the order would have come back
    }
}

/// The worker of the quorum queue.
fn requeue(_: &Broker, order: Delivery) {
    _ = if is_good(&order) { order.ack() } else { order.requeue() };
}

/// A broker with a worker on a thread of its own, who takes one order at a time.
fn shop(topology: &Topology, work: fn(&Broker, Delivery)) -> Result<TestBroker, Box<dyn Error>> {
    let t = TestBroker::new();
    t.declare(topology)?;
    let mut orders = t.consumer("orders").tag("worker").prefetch(1).open()?;
    let broker = (*t).clone();
    thread::spawn(move || orders.iter().for_each(|order| work(&broker, order)));
    t.attended_blocking()?; // the thread has come to its first receive
    Ok(t)
}

fn send(t: &TestBroker) -> Result<(), Box<dyn Error>> {
    for id in ["poison", "good-1", "good-2"] {
        t.publish("", "orders", Message::new(id).message_id(id))?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();

    println!("a classic queue whose worker requeues what fails:");
    let t = shop(&classic(), requeue)?;
    t.publish("", "orders", Message::new("poison").message_id("poison"))?;
    t.set_delivery_budget(100);
    let never = t.settle_blocking().expect_err("a message goes round and round");
    assert!(matches!(&never.why, GivenUp::Endless { message, .. } if message == "poison"));
    println!("  {}\n", never.to_string().lines().next().unwrap_or_default());

    println!("a classic queue whose worker counts deaths:");
    let t = shop(&classic(), count_deaths)?;
    send(&t)?;
    t.settle_blocking()?;
    t.consumed("orders").message_id("good-2").assert_count(1).assert_all_acked(); // no time has passed
    assert_eq!(t.now(), Moment::ZERO);
    let took = t.run_until_quiet_blocking(Duration::from_secs(3_600))?;
    t.published("").key("orders.dlq").assert_ids(["poison"]);
    t.dead_letters().from("orders").reason(Reason::Rejected).assert_count(4);
    assert_eq!(t.queue("orders.dlq")?.stats().ready, 1);
    t.assert_nothing_lost();
    println!("  {}", t.published("").key("orders.dlq"));
    println!("  after {took:?} of the broker's time\n");
    let slept = took;

    println!("a quorum queue with a delivery limit:");
    let t = shop(&quorum(), requeue)?;
    send(&t)?;
    t.settle_blocking()?;
    t.dead_letters().from("orders").to("orders.dlq").reason(Reason::DeliveryLimit).assert_ids(["poison"]);
    t.consumed("orders").assert_ids(["poison", "good-1", "good-2"]);
    let good = t.consumed("orders").filter("good ones", |journey| journey.message_id() != Some("poison"));
    good.assert_count(2).assert_all_acked();
    t.assert_nothing_lost();
    println!("{}", t.history("poison").ok_or("it was published")?);

    println!("the same with real sleeps would take {} s; this took {:?}", slept.as_secs(), begun.elapsed());
    Ok(())
}
