//! Acknowledgements are carried out in batches, and nobody can tell: the same operations on two brokers, of which one is
//! looked at after each, which makes it carry out everything, have the same results.
//!
//! Seen to fail with: acknowledgements that are not carried out before a message comes in where somebody is full, or where
//! they are more than the messages that wait.

use leveret::{
    Broker, Consumer, Deliveries, Delivery, Exchange, Limits, Message, Overflow, Publisher, Queue, Topology,
};
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Op {
    Send { priority: u8, fleeting: bool },
    SendMany { count: u8 },
    Open { prefetch: u32, priority: i64 },
    Cancel { consumer: u8 },
    Recv { consumer: u8 },
    RecvMany { consumer: u8, limit: u8 },
    Get,
    Settle { which: u8, how: u8 },
    SettleMany { which: u8, how: u8, count: u8 },
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    DropHead,
    Reject,
    Priorities,
    SingleActive,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0_u8..3, prop::bool::weighted(0.2)).prop_map(|(priority, fleeting)| Op::Send { priority, fleeting }),
        1 => (0_u8..6).prop_map(|count| Op::SendMany { count }),
        1 => (0_u32..4, 0_i64..2).prop_map(|(prefetch, priority)| Op::Open { prefetch, priority }),
        1 => any::<u8>().prop_map(|consumer| Op::Cancel { consumer }),
        6 => any::<u8>().prop_map(|consumer| Op::Recv { consumer }),
        2 => (any::<u8>(), 0_u8..4).prop_map(|(consumer, limit)| Op::RecvMany { consumer, limit }),
        1 => Just(Op::Get),
        7 => (any::<u8>(), 0_u8..8).prop_map(|(which, how)| Op::Settle { which, how }),
        3 => (any::<u8>(), 0_u8..4, 0_u8..4).prop_map(|(which, how, count)| Op::SettleMany { which, how, count }),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Plain),
        Just(Kind::DropHead),
        Just(Kind::Reject),
        Just(Kind::Priorities),
        Just(Kind::SingleActive)
    ]
}

/// A broker with what is out of it.
struct Rig {
    broker: Broker,
    publisher: Publisher,
    consumers: Vec<Consumer>,
    singles: Vec<Delivery>,
    batches: Vec<Deliveries>,
    sent: u64,
    log: Vec<String>,
}

impl Rig {
    fn new(kind: Kind) -> Self {
        let queue = Queue::new("q").dead_letter_exchange("dead");
        let queue = match kind {
            Kind::Plain => queue,
            Kind::DropHead => queue.max_length(3, Overflow::DropHead),
            Kind::Reject => queue.max_length(3, Overflow::RejectPublish),
            Kind::Priorities => queue.max_priority(2),
            Kind::SingleActive => queue.single_active_consumer(),
        };
        let topology = Topology::new().exchange(Exchange::fanout("dead")).queue(Queue::new("dlq").bind("dead", ""));
        // A consumer without prefetch has a window of three, so that this matters, too.
        let mut limits = Limits::default();
        limits.undrained_deliveries = 3;
        let broker = Broker::builder().limits(limits).build();
        broker.declare(&topology.queue(queue)).unwrap();
        let publisher = broker.publisher("").unwrap();
        let (consumers, singles, batches) = (Vec::new(), Vec::new(), Vec::new());
        Self { broker, publisher, consumers, singles, batches, sent: 0, log: Vec::new() }
    }

    fn message(&mut self, priority: u8) -> Message {
        self.sent += 1;
        Message::new(self.sent.to_string()).priority(priority)
    }

    fn act(&mut self, op: &Op) {
        let pick = |which: u8, len: usize| (len > 0).then(|| usize::from(which) % len);
        let told = match op {
            Op::Send { priority, fleeting } => {
                let mut message = self.message(*priority);
                if *fleeting {
                    // Gone, unless somebody has room for it.
                    message = message.expires_in(Duration::ZERO);
                }
                format!("{:?}", self.publisher.try_send("q", message).map(|routed| routed.queues).is_ok())
            }
            Op::SendMany { count } => {
                let messages: Vec<_> = (0..*count).map(|_| self.message(0)).collect();
                format!("{:?}", self.publisher.try_send_many("q", messages).is_ok())
            }
            Op::Open { prefetch, priority } if self.consumers.len() < 4 => {
                let opened = self.broker.consumer("q").prefetch(*prefetch).priority(*priority).open();
                self.consumers.push(opened.unwrap());
                String::new()
            }
            Op::Open { .. } => String::new(),
            Op::Cancel { consumer } => {
                if let Some(at) = pick(*consumer, self.consumers.len()) {
                    drop(self.consumers.remove(at));
                }
                String::new()
            }
            Op::Recv { consumer } => {
                let received = pick(*consumer, self.consumers.len()).and_then(|at| self.consumers[at].try_recv().ok());
                self.received(received)
            }
            Op::RecvMany { consumer, limit } => {
                let at = pick(*consumer, self.consumers.len());
                let batch = at.and_then(|at| self.consumers[at].try_recv_many(usize::from(*limit)).ok());
                let told = batch.iter().flat_map(Deliveries::messages).map(|message| format!("{:?}", message.body()));
                let told = told.collect();
                self.batches.extend(batch);
                told
            }
            Op::Get => {
                let got = self.broker.get("q").unwrap();
                self.received(got)
            }
            Op::Settle { which, how } => match pick(*which, self.singles.len()) {
                None => String::new(),
                Some(at) => {
                    let delivery = self.singles.remove(at);
                    format!(
                        "{:?}",
                        match how {
                            0 => delivery.requeue(),
                            1 => delivery.reject(),
                            _ => delivery.ack(),
                        }
                    )
                }
            },
            Op::SettleMany { which, how, count } => match pick(*which, self.batches.len()) {
                None => String::new(),
                Some(at) if *how < 3 => {
                    let batch = self.batches.remove(at);
                    format!(
                        "{:?}",
                        match how {
                            0 => batch.requeue(),
                            1 => batch.reject(),
                            _ => batch.ack(),
                        }
                    )
                }
                Some(at) => {
                    let settled = self.batches[at].ack_up_to(usize::from(*count));
                    let next = self.batches[at].next();
                    format!("{settled:?} {}", self.received(next))
                }
            },
        };
        self.log.push(told);
    }

    fn received(&mut self, delivery: Option<Delivery>) -> String {
        let told = format!("{:?}", delivery.as_ref().map(|delivery| (delivery.body().clone(), delivery.attempt())));
        self.singles.extend(delivery);
        told
    }
}

proptest! {
    #[test]
    fn nobody_can_tell_that_they_wait(kind in kind(), ops in prop::collection::vec(op(), 0..120)) {
        compare(kind, &ops);
    }
}

fn compare(kind: Kind, ops: &[Op]) {
    let (mut lazy, mut eager) = (Rig::new(kind), Rig::new(kind));
    for (at, op) in ops.iter().enumerate() {
        lazy.act(op);
        eager.act(op);
        let _ = eager.broker.stats();
        assert_eq!(lazy.log.last(), eager.log.last(), "at {at}, {op:?}");
    }
    assert_eq!(lazy.broker.stats(), eager.broker.stats());
    lazy.broker.check_invariants().unwrap();
}

/// Found by the property above: what lay behind the window of a single active consumer that went.
#[test]
fn a_single_active_consumer_leaves_with_a_full_window() {
    let mut ops = vec![Op::Send { priority: 0, fleeting: false }; 9];
    ops.push(Op::Open { prefetch: 0, priority: 0 });
    ops.extend([Op::Recv { consumer: 0 }, Op::Settle { which: 0, how: 2 }, Op::Recv { consumer: 0 }]);
    ops.push(Op::Cancel { consumer: 0 });
    compare(Kind::SingleActive, &ops);
}

/// What acknowledgements give beyond the messages that wait is there before the next message comes, in their order.
#[test]
fn a_publish_comes_after_the_acknowledgements_before_it() {
    let broker = Broker::new();
    broker.declare(&Topology::new().queue(Queue::new("q"))).unwrap();
    let mut first = broker.consumer("q").prefetch(1).priority(1).open().unwrap();
    let mut second = broker.consumer("q").prefetch(2).open().unwrap();
    let mut publisher = broker.publisher("").unwrap();
    let mut send = |body: &'static str| publisher.try_send("q", Message::new(body)).unwrap();
    for body in ["1", "2", "3", "4"] {
        send(body);
    }
    // The fourth waits, since both are full. One of the second one's acknowledgements is for it, the other for the next.
    let one = first.try_recv().unwrap();
    for delivery in [second.try_recv().unwrap(), second.try_recv().unwrap()] {
        delivery.ack();
    }
    one.ack();
    // Both have room, and the first consumer goes first.
    send("5");
    let (five, four) = (first.try_recv().unwrap(), second.try_recv().unwrap());
    assert_eq!((five.body(), four.body()), (&"5".into(), &"4".into()));
    assert!(second.try_recv().is_err());
}

/// What waits when a message is acknowledged has the room of that, whatever comes next, and with whatever priority.
#[test]
fn an_urgent_publish_comes_after_the_acknowledgements_before_it() {
    let broker = Broker::new();
    broker.declare(&Topology::new().queue(Queue::new("q").max_priority(5))).unwrap();
    let mut consumer = broker.consumer("q").prefetch(1).open().unwrap();
    let mut publisher = broker.publisher("").unwrap();
    for body in ["1", "2", "3"] {
        publisher.try_send("q", Message::new(body)).unwrap();
    }
    consumer.try_recv().unwrap().ack();
    publisher.try_send("q", Message::new("urgent").priority(5)).unwrap();
    for body in ["2", "urgent", "3"] {
        let delivery = consumer.try_recv().unwrap();
        assert_eq!(delivery.body(), body);
        delivery.ack();
    }
}

/// The message that an acknowledgement sends on its way has left its room when the next publish asks for room.
#[test]
fn a_publish_finds_the_room_that_the_acknowledgements_before_it_made() {
    let bounds = [
        Queue::new("q").max_length(2, Overflow::RejectPublish),
        Queue::new("q").max_length_bytes(2, Overflow::RejectPublish),
    ];
    for queue in bounds {
        let broker = Broker::new();
        broker.declare(&Topology::new().queue(queue)).unwrap();
        let mut consumer = broker.consumer("q").prefetch(1).open().unwrap();
        let mut publisher = broker.publisher("").unwrap();
        for body in ["1", "2", "3"] {
            publisher.try_send("q", Message::new(body)).unwrap();
        }
        assert!(publisher.try_send("q", Message::new("4")).is_err());
        consumer.try_recv().unwrap().ack();
        publisher.try_send("q", Message::new("4")).unwrap();
    }
}
