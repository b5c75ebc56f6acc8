//! A test that needed a RabbitMQ container, and is now a function call.
//!
//! ```text
//! cargo run --features testing --example testing_migrate
//! ```
//!
//! # Before
//!
//! With `testcontainers` and `lapin`, roughly this. It needs Docker, waits for the container to start, shares one broker
//! between all tests or starts one for each, sleeps until "everything has surely happened", and a minute of TTL is a minute:
//!
//! ```text
//! #[tokio::test]
//! async fn an_unpaid_order_is_cancelled() {
//!     let container = RabbitMq::default().start().await.unwrap();
//!     let port = container.get_host_port_ipv4(5672).await.unwrap();
//!     let connection = Connection::connect(&format!("amqp://127.0.0.1:{port}"), Default::default()).await.unwrap();
//!     let channel = connection.create_channel().await.unwrap();
//!     channel.exchange_declare("events", ExchangeKind::Topic, Default::default(), Default::default()).await.unwrap();
//!     // … queue_declare with x-message-ttl 60000 and x-dead-letter-exchange, queue_bind …
//!     tokio::spawn(cancel_unpaid(connection.create_channel().await.unwrap()));
//!     tokio::time::sleep(Duration::from_millis(500)).await;              // the consumer has surely started
//!     channel.basic_publish("events", "order.created", Default::default(), b"o-1", Default::default()).await.unwrap();
//!     tokio::time::sleep(Duration::from_secs(61)).await;                 // it has surely expired
//!     let cancelled = channel.basic_get("cancelled", Default::default()).await.unwrap().expect("one, hopefully");
//!     assert_eq!(cancelled.data, b"o-1");
//!     tokio::time::sleep(Duration::from_secs(2)).await;                  // and surely no second one
//!     assert!(channel.basic_get("cancelled", Default::default()).await.unwrap().is_none());
//! }
//! ```
//!
//! # After
//!
//! This program: the same methods with the same names ([`Channel`]), another line to connect, and no sleep.

use leveret::testing::TestBroker;
use leveret::{
    Acknowledge, Channel, ChannelEvent, Close, Consume, ExchangeDeclare, Message, Moment, Publish, Qos, QueueBinding,
    QueueDeclare,
};
use std::error::Error;
use std::time::{Duration, Instant};

/// The code under test: orders that were not paid within a minute come here, and are cancelled.
async fn cancel_unpaid(channel: Channel) -> Result<(), Box<dyn Error + Send + Sync>> {
    channel.basic_qos(Qos::new(10))?;
    channel.basic_consume(&Consume::new("unpaid").tag("canceller"))?;
    while let Some(event) = channel.recv().await {
        if let ChannelEvent::Deliver(order) = event {
            channel.basic_publish(&Publish::new("events", "order.cancelled"), order.message)?;
            channel.basic_ack(order.delivery_tag)?;
        }
    }
    Ok(())
}

/// The application's own set-up, method by method as with any AMQP client.
fn declare(channel: &Channel) -> Result<(), Close> {
    channel.exchange_declare(&ExchangeDeclare::new("events", "topic").durable())?;
    let waiting = QueueDeclare::new("waiting").durable().argument("x-message-ttl", 60_000);
    channel.queue_declare(
        &waiting.argument("x-dead-letter-exchange", "").argument("x-dead-letter-routing-key", "unpaid"),
    )?;
    channel.queue_declare(&QueueDeclare::new("unpaid").durable())?;
    channel.queue_declare(&QueueDeclare::new("cancelled").durable())?;
    channel.queue_bind(&QueueBinding::new("waiting", "events").key("order.created"))?;
    channel.queue_bind(&QueueBinding::new("cancelled", "events").key("order.cancelled"))?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let t = TestBroker::new(); // in the place of the container
    let connection = t.connect_named("test")?;
    let channel = connection.open_channel()?;
    declare(&channel)?;
    tokio::spawn(cancel_unpaid(connection.open_channel()?));
    t.settle().await?; // in the place of the first sleep

    let message = Message::new("o-1").message_id("o-1").correlation_id("order 1");
    channel.basic_publish(&Publish::new("events", "order.created").mandatory(), message)?;
    t.advance(Duration::from_millis(59_999)).await?; // in the place of the second; and what no sleep can say:
    assert!(channel.basic_get("cancelled", Acknowledge::Yes)?.is_none()); // not a millisecond too early
    t.advance(Duration::from_millis(1)).await?;
    let cancelled = channel.basic_get("cancelled", Acknowledge::Yes)?.ok_or("it is cancelled")?;
    assert_eq!((&cancelled.delivery.message.body()[..], cancelled.message_count), (&b"o-1"[..], 0));
    channel.basic_ack(cancelled.delivery.delivery_tag)?;

    // In the place of the third: nothing more will come, however long one waits.
    assert_eq!(t.run_until_quiet(Duration::from_secs(86_400)).await?, Duration::ZERO);
    t.published("events").key("order.cancelled").assert_ids(["o-1"]);
    t.published("events").key("order.created").assert_before(&t.published("events").key("order.cancelled"));
    t.consumed("unpaid").by("canceller").assert_count(1).assert_all_acked().assert_no_redelivery();
    t.assert_nothing_lost();

    println!("{}", t.conversation("order 1").ok_or("it was published")?);
    let slept = (t.now() - Moment::ZERO).as_secs();
    println!("the same with real sleeps would take {slept} s; this took {:?}", begun.elapsed());
    Ok(())
}
