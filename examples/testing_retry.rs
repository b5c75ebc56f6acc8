//! A retry with growing pauses, ten minutes long, tested in no time.
//!
//! ```text
//! cargo run --features testing --example testing_retry
//! ```
//!
//! The topology counts the attempts, so the worker only rejects what fails. A message keeps its routing key when it is
//! rejected, and the key leads to the pause that is due; the pause ends with the key of the next attempt:
//!
//! ```text
//! orders ─ attempt.1…4 ─▶ work ─ rejected ─▶ failed ─ attempt.1 ─▶ pause.30s  ─ expired ─▶ orders, as attempt.2
//!                                                   ─ attempt.2 ─▶ pause.90s  ─ expired ─▶ orders, as attempt.3
//!                                                   ─ attempt.3 ─▶ pause.480s ─ expired ─▶ orders, as attempt.4
//!                                                   ─ attempt.4 ─▶ dlq
//! ```

use leveret::testing::TestBroker;
use leveret::{Consumer, Delivery, Exchange, Message, Moment, Overflow, Queue, Reason, Topology};
use std::error::Error;
use std::time::{Duration, Instant};

/// How long each pause is, in seconds.
const PAUSES: [u64; 3] = [30, 90, 480];

fn topology() -> Topology {
    let mut work = Queue::new("work").dead_letter_exchange("failed").max_length(10_000, Overflow::RejectPublish);
    let mut topology = Topology::new().exchange(Exchange::direct("orders")).exchange(Exchange::direct("failed"));
    for (attempt, seconds) in (1..).zip(PAUSES) {
        work = work.bind("orders", format!("attempt.{attempt}"));
        let pause = Queue::new(format!("pause.{seconds}s"))
            .bind("failed", format!("attempt.{attempt}"))
            .message_ttl(Duration::from_secs(seconds))
            .dead_letter_exchange("orders")
            .dead_letter_routing_key(format!("attempt.{}", attempt + 1));
        topology = topology.queue(pause);
    }
    let dlq = Queue::new("dlq").bind("failed", "attempt.4").max_length(10_000, Overflow::DropHead);
    topology.queue(work.bind("orders", "attempt.4")).queue(dlq)
}

/// The code under test. It knows nothing of attempts and pauses.
async fn work(mut orders: Consumer) {
    while let Some(order) = orders.recv().await {
        let succeeds = match &order.body()[..] {
            b"good" => true,
            b"shaky" => rejections(&order) == 2, // what it needs is back at the third attempt
            _ => false,
        };
        _ = if succeeds { order.ack() } else { order.reject() };
    }
}

/// How often it was rejected before, as `x-death` counts it.
fn rejections(order: &Delivery) -> u64 {
    order.deaths().iter().filter(|death| death.reason == Reason::Rejected).map(|death| death.count).sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let t = TestBroker::new();
    t.declare(&topology())?;
    tokio::spawn(work(t.consumer("work").tag("worker").open()?));

    for body in ["good", "shaky", "poison"] {
        t.publish("orders", "attempt.1", Message::new(body).message_id(body))?;
    }
    // Everything that happens by itself happens now, each deadline at its moment.
    let took = t.run_until_quiet(Duration::from_secs(3_600)).await?;

    assert_eq!(took, Duration::from_secs(PAUSES.iter().sum()));
    t.consumed("work").message_id("good").assert_once();
    t.consumed("work").message_id("shaky").assert_count(3); // a dead letter that comes back is a message of its own
    t.dead_letters().to("dlq").reason(Reason::Rejected).assert_ids(["poison"]);
    // Each pause was as long as it should be, and came when it was due.
    let back = t.dead_letters().from("pause.480s").reason(Reason::Expired).assert_once();
    assert_eq!((back.journey().message_id(), back.at()), (Some("poison"), Moment::ZERO + took));
    // What RabbitMQ's consumers see in `x-death`: rejected four times.
    let dead = t.peek("dlq", 10)?.pop().ok_or("the poison message")?;
    let deaths = dead.message.deaths().ok_or("it died")?;
    assert_eq!((deaths.entries()[0].queue.as_str(), deaths.entries()[0].count), ("work", 4));
    t.assert_nothing_lost(); // and the ledger closes

    println!("{}", t.history("poison").ok_or("it was published")?);
    println!("{}", t.ledger());
    let slept = (t.now() - Moment::ZERO).as_secs();
    println!("the same with real sleeps would take {slept} s; this took {:?}", begun.elapsed());
    Ok(())
}
