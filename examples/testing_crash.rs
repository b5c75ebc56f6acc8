//! Proof that nothing is lost when a consumer dies, its connection is closed, or the broker is restarted; and what is lost
//! where it was not asked to be kept: the three classic causes, each with what the tool tells about it.
//!
//! ```text
//! cargo run --features testing --example testing_crash
//! ```

use leveret::testing::TestBroker;
use leveret::{
    ChannelEvent, Consume, Exchange, Fate, Lint, Message, Overflow, Queue, Reason, ReplyCode, Severity, Tags, Topology,
};
use std::error::Error;
use std::time::{Duration, Instant};

type Outcome = Result<(), Box<dyn Error>>;

fn topology() -> Topology {
    Topology::new()
        .exchange(Exchange::topic("events"))
        .queue(
            Queue::new("payments")
                .bind("events", "order.*.created")
                .dead_letter_to("payments.dlq")
                .max_length(10_000, Overflow::RejectPublish),
        )
        .queue(Queue::new("payments.dlq").max_length(10_000, Overflow::DropHead))
}

fn main() -> Outcome {
    let begun = Instant::now();
    let slept = nothing_is_lost()?;
    wrong_key()?;
    queue_that_is_not_durable()?;
    rejected_without_a_dead_letter_queue()?;
    println!("the same with real sleeps would take {} s; this took {:?}", slept.as_secs(), begun.elapsed());
    Ok(())
}

/// Three programs have a message out and end, each in its own way. The fourth finishes the work.
fn nothing_is_lost() -> Result<Duration, Box<dyn Error>> {
    let t = TestBroker::new();
    t.declare(&topology())?;
    let published = t.publish("events", "order.eu.created", Message::new("42 EUR").message_id("o-1").persistent())?;
    assert_eq!(published.queues, 1);

    // The program dies in the middle of its work.
    let mut first = t.consumer("payments").tag("first").open()?;
    let order = first.try_recv()?;
    t.advance_blocking(Duration::from_secs(45))?; // 45 s of work
    assert_eq!(t.crash_consumer("first"), 1);
    order.ack(); // too late: nobody hears it

    // An operator closes the connection of the next one, which speaks AMQP.
    let connection = t.connect_named("billing-7")?;
    let channel = connection.open_channel()?;
    channel.basic_consume(&Consume::new("payments").tag("second"))?;
    let Some(ChannelEvent::Deliver(order)) = channel.blocking_recv() else { return Err("it came back".into()) };
    assert!(order.redelivered);
    assert_eq!(t.close_connection("billing-7"), 1);
    let close = channel.basic_ack(Tags::One(order.delivery_tag)).expect_err("the connection is closed");
    assert_eq!(close.code, ReplyCode::ConnectionForced);

    // The broker itself is restarted while the third one works.
    let mut third = t.consumer("payments").tag("third").open()?;
    let order = third.try_recv()?;
    let report = t.restart();
    assert_eq!(report.lost(), 0);
    assert!(third.blocking_recv().is_none()); // its connection is gone
    drop(order);

    let mut fourth = t.consumer("payments").tag("fourth").open()?;
    let order = fourth.try_recv()?;
    assert_eq!((order.redelivered(), order.attempt()), (true, 4));
    order.ack();

    t.assert_nothing_lost(); // and the ledger closes
    t.consumed("payments").assert_ids(["o-1"]).assert_all_acked();
    println!("a message that four programs had out:\n{}", t.history("o-1").ok_or("it was published")?);
    print!("{report}");
    println!("{}", t.ledger());
    Ok(t.now() - leveret::Moment::ZERO)
}

/// The first cause: no binding fits the key. `explain` says so before anything is published, and which word it is.
fn wrong_key() -> Outcome {
    let t = TestBroker::new();
    t.declare(&topology())?;
    let explanation = t.explain("events", "order.eu.create");
    assert!(explanation.queues.is_empty());
    t.publish("events", "order.eu.create", Message::new("42 EUR").message_id("o-1"))?;
    t.unroutable().assert_ids(["o-1"]);
    t.ledger().assert_closed(); // it closes: that it was unroutable is an account of it
    println!("lost by a wrong key:");
    println!("  explain: {}", explanation.verdict);
    println!("  ledger:  {}\n", t.ledger().losses().join("; "));
    Ok(())
}

/// The second cause: the queue, or the message, was not to outlive a restart.
fn queue_that_is_not_durable() -> Outcome {
    let t = TestBroker::new();
    let wanted = topology().queue(Queue::new("cache").transient().bind("events", "order.#"));
    let warned = wanted.lint();
    let lint = warned.findings.iter().find(|lint| lint.code == "transient-queue").ok_or("lint warns of it")?;
    assert_eq!(lint.severity, Severity::Warning);
    t.declare(&wanted)?;
    t.publish("events", "order.eu.paid", Message::new("42 EUR").message_id("o-1").persistent())?;
    t.publish("events", "order.eu.created", Message::new("42 EUR").message_id("o-2").transient())?;
    let report = t.restart();
    assert_eq!(report.lost(), 3);
    // The second one was in both queues, and is in neither.
    t.lost().assert_count(2);
    println!("lost in a restart:");
    println!("  lint:    {}", indented(lint));
    print!("{}", report.to_string().lines().map(|line| format!("  restart: {line}\n")).collect::<String>());
    for id in ["o-1", "o-2"] {
        for loss in t.history(id).ok_or("it was published")?.losses() {
            println!("  history: {loss}");
        }
    }
    println!("  ledger:  {}\n", t.ledger().losses().join("; "));
    Ok(())
}

/// The third cause: rejected, in a queue that has no dead-letter exchange.
fn rejected_without_a_dead_letter_queue() -> Outcome {
    let t = TestBroker::new();
    let wanted = Topology::new().queue(Queue::new("payments").max_length(10_000, Overflow::RejectPublish));
    t.declare(&wanted)?;
    t.publish("", "payments", Message::new("42 EUR").message_id("o-1"))?;
    let explanation = t.explain("", "payments");
    t.get("payments")?.ok_or("it is ready")?.reject();
    let lost = t.lost().assert_once();
    assert!(matches!(lost.journey().fate_in("payments"), Some(Fate::Dropped { reason: Reason::Rejected, .. })));
    println!("lost by a rejection:");
    println!("  lint:    {}", indented(wanted.lint().findings.first().ok_or("lint warns of it")?));
    println!("  explain: {}", explanation.to_string().lines().last().unwrap_or_default().trim());
    println!("  history: {}", t.history("o-1").ok_or("it was published")?.losses().join("; "));
    println!("  ledger:  {}\n", t.ledger().losses().join("; "));
    Ok(())
}

fn indented(lint: &Lint) -> String {
    lint.to_string().replace('\n', "\n         ")
}
