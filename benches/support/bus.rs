//! The bus that is measured: a topic exchange, a bound queue, publishers and consumers of the public API, all as a user
//! has them.

use super::threads::{Inlet, Outlet};
use bytes::Bytes;
use leveret::{Broker, Consumer, Deliveries, Exchange, Message, Overflow, Publisher, Queue, ShortStr, Topology};
use std::hint::black_box;

/// How many messages a queue and a floor hold before the publisher waits.
pub(crate) const BOUND: usize = 1_024;
/// The exchange.
pub(crate) const EXCHANGE: &str = "events";
/// The key of all messages.
pub(crate) const KEY: &str = "order.eu.created";
/// The pattern that the queue is bound by.
pub(crate) const PATTERN: &str = "order.*.created";
/// The queue.
pub(crate) const QUEUE: &str = "orders";

/// How a body of 64 bytes is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Always the same static bytes: no allocation.
    Static,
    /// Copied to the heap for each message.
    Fresh,
}

impl Body {
    /// A body.
    pub(crate) fn make(self) -> Bytes {
        static BYTES: [u8; 64] = [7; 64];
        match self {
            Self::Static => Bytes::from_static(&BYTES),
            Self::Fresh => Bytes::copy_from_slice(black_box(&BYTES)),
        }
    }
}

/// Makes messages as a program that publishes for a living would: persistent, with a content type it shares, an
/// identity from a stock made beforehand, and a time. So a message needs no allocation but what the bus needs.
#[derive(Debug)]
pub(crate) struct Messages {
    content_type: ShortStr,
    ids: Vec<ShortStr>,
    made: usize,
}

impl Messages {
    /// A maker with a stock of its own.
    pub(crate) fn new() -> Self {
        let ids = (0..BOUND).map(|n| ShortStr::from(format!("order-{n:08}"))).collect();
        Self { content_type: ShortStr::from("application/json"), ids, made: 0 }
    }

    /// The next message.
    pub(crate) fn next(&mut self, body: Bytes) -> Message {
        self.made += 1;
        Message::new(body)
            .content_type(self.content_type.clone())
            .message_id(self.ids[self.made % self.ids.len()].clone())
            .timestamp(1_700_000_000)
    }
}

/// A broker with one topic exchange, and one queue that holds [`BOUND`] messages and then makes publishers wait.
pub(crate) fn broker() -> Broker {
    let broker = Broker::new();
    let queue = Queue::new(QUEUE).bind(EXCHANGE, PATTERN).max_length(BOUND as u64, Overflow::RejectPublish);
    broker.declare(&Topology::new().exchange(Exchange::topic(EXCHANGE)).queue(queue)).expect("a new broker");
    broker
}

/// A publisher with its stock of messages.
pub(crate) struct BusSender {
    publisher: Publisher,
    messages: Messages,
}

impl BusSender {
    /// To the exchange of [`broker`].
    pub(crate) fn new(broker: &Broker) -> Self {
        Self { publisher: broker.publisher(EXCHANGE).expect("the exchange is there"), messages: Messages::new() }
    }

    /// Publishes as a task.
    pub(crate) async fn send_as_task(&mut self, body: Bytes) {
        let message = self.messages.next(body);
        let sent = self.publisher.send(KEY, message).await;
        assert_eq!(sent.expect("the queue is there").queues, 1);
    }
}

impl Inlet for BusSender {
    fn send(&mut self, body: Bytes) {
        let message = self.messages.next(body);
        let sent = self.publisher.blocking_send(KEY, message);
        assert_eq!(sent.expect("the queue is there").queues, 1);
    }
}

/// How many messages go at once where they go in batches.
pub(crate) const BATCH: usize = 32;

/// A publisher that gathers messages and sends [`BATCH`] at once.
pub(crate) struct BatchSender {
    sender: BusSender,
    gathered: Vec<Message>,
}

impl BatchSender {
    /// To the exchange of [`broker`].
    pub(crate) fn new(broker: &Broker) -> Self {
        Self { sender: BusSender::new(broker), gathered: Vec::with_capacity(BATCH) }
    }
}

impl Inlet for BatchSender {
    fn send(&mut self, body: Bytes) {
        let is_mark = body.is_empty();
        self.gathered.push(self.sender.messages.next(body));
        if is_mark || self.gathered.len() == BATCH {
            let sent = self.sender.publisher.blocking_send_many(KEY, self.gathered.drain(..));
            sent.expect("the queue is there");
        }
    }
}

/// A consumer that receives up to [`BATCH`] deliveries at once, and acknowledges them up to the last one.
pub(crate) struct BatchReceiver {
    consumer: Consumer,
    batch: Option<Deliveries>,
    used: usize,
}

impl BatchReceiver {
    /// Of the queue of [`broker`].
    pub(crate) fn new(broker: &Broker, prefetch: u32) -> Self {
        Self { consumer: BusReceiver::new(broker, prefetch).consumer, batch: None, used: 0 }
    }
}

impl Outlet for BatchReceiver {
    fn receive(&mut self) -> bool {
        let consumer = &mut self.consumer;
        let batch = self.batch.get_or_insert_with(|| consumer.blocking_recv_many(BATCH).expect("the queue is there"));
        let message = batch.get(self.used).expect("a batch is acknowledged with its last message");
        let goes_on = !black_box(message.body()).is_empty();
        self.used += 1;
        if self.used == batch.len() {
            self.used = 0;
            self.batch.take().map(Deliveries::ack);
        }
        goes_on
    }
}

/// A consumer that acknowledges each delivery.
pub(crate) struct BusReceiver {
    consumer: Consumer,
}

impl BusReceiver {
    /// Of the queue of [`broker`].
    pub(crate) fn new(broker: &Broker, prefetch: u32) -> Self {
        Self { consumer: broker.consumer(QUEUE).prefetch(prefetch).open().expect("the queue is there") }
    }

    /// Receives as a task, and acknowledges.
    pub(crate) async fn receive_as_task(&mut self) -> bool {
        let delivery = self.consumer.recv().await.expect("the queue is there");
        let goes_on = !black_box(delivery.body()).is_empty();
        delivery.ack();
        goes_on
    }
}

impl Outlet for BusReceiver {
    fn receive(&mut self) -> bool {
        let delivery = self.consumer.blocking_recv().expect("the queue is there");
        let goes_on = !black_box(delivery.body()).is_empty();
        delivery.ack();
        goes_on
    }
}
