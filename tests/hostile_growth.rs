//! What must not grow: whoever comes and goes leaves nothing behind. A broker shows all it holds when it is debug-printed,
//! so what is left behind is seen as text that gets longer.
//!
//! Seen to fail with: a quorum queue that does not forget the publishers whose channel is closed.

use leveret::{
    Acknowledge, Binding, Broker, Consume, ExchangeDeclare, ExchangeDelete, Message, Policy, Publish, QueueDeclare,
    QueueDelete, Requeue,
};

/// Runs a round often; after the first few, nothing may be left of one. Numbers get a few digits longer.
fn leaves_nothing(broker: &Broker, mut round: impl FnMut(usize)) {
    let size = || format!("{broker:?}").len();
    (0..64).for_each(&mut round);
    let before = size();
    (64..1_064).for_each(&mut round);
    let after = size();
    assert!(after < before + 500, "{before} characters became {after}");
    broker.check_invariants().unwrap();
}

/// A quorum queue that refuses publishes knows its publishers. Once, it knew those whose channel was long closed.
#[test]
fn channels_that_published_are_forgotten() {
    let broker = Broker::builder().manual_time().build();
    let full = QueueDeclare::new("q")
        .durable()
        .argument("x-queue-type", "quorum")
        .argument("x-max-length", 1)
        .argument("x-overflow", "reject-publish");
    broker.declare_queue(&full).unwrap();
    let connection = broker.connect().unwrap();
    leaves_nothing(&broker, |number| {
        let channel = connection.open_channel().unwrap();
        if number % 2 == 0 {
            channel.tx_select().unwrap();
        }
        channel.basic_publish(&Publish::new("", "q"), Message::new("m")).unwrap();
        if number % 2 == 0 {
            let _ = channel.tx_commit();
        }
    });
}

#[test]
fn connections_channels_and_consumers_leave_nothing() {
    let broker = Broker::builder().manual_time().build();
    for kind in ["classic", "quorum"] {
        broker.declare_queue(&QueueDeclare::new(kind).durable().argument("x-queue-type", kind)).unwrap();
        for _ in 0..3 {
            broker.publish("", kind, Message::new("m")).unwrap();
        }
    }
    leaves_nothing(&broker, |number| {
        let connection = broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.queue_declare(&QueueDeclare::new("").exclusive()).unwrap();
        channel.basic_consume(&Consume::new("amq.rabbitmq.reply-to").no_ack()).unwrap();
        for kind in ["classic", "quorum"] {
            let tag = channel.basic_consume(&Consume::new(kind)).unwrap();
            if number % 2 == 0 {
                channel.basic_cancel(&tag).unwrap();
            }
            channel.basic_get(kind, Acknowledge::Yes).unwrap();
            channel.basic_recover(Requeue::Yes).unwrap();
            drop(broker.consumer(kind).open().unwrap());
            broker.get(kind).unwrap().map(|delivery| delivery.requeue());
        }
    });
}

#[test]
fn names_are_not_kept() {
    let broker = Broker::builder().manual_time().build();
    leaves_nothing(&broker, |number| {
        let name = format!("{number}-{}", "n".repeat(200));
        broker.declare_queue(&QueueDeclare::new(&*name)).unwrap();
        broker.declare_exchange(&ExchangeDeclare::new(&*name, "topic")).unwrap();
        for exchange in ["amq.topic", "amq.direct", "amq.headers", "amq.fanout", &*name] {
            broker.bind(&name, &Binding::to(exchange).key(&*name).argument(&*name, &*name)).unwrap();
        }
        broker.set_policy(Policy::new(&*name, "^n").define("max-length", 1_i64)).unwrap();
        broker.publish("amq.topic", &name, Message::new("m").header(&*name, 1)).unwrap();
        broker.clear_policy(&name).unwrap();
        broker.delete_exchange(&ExchangeDelete::new(&*name)).unwrap();
        broker.delete_queue(&QueueDelete::new(&*name)).unwrap();
    });
}
