//! What a queue holds at most: messages, consumers, what is out with them.

use super::rig::{Rig, bodies, drain, ends, reached, rig};
use crate::watched::watched;
use leveret::{
    Acknowledge, Channel, ChannelEvent, Close, Consume, ConsumeError, Message, NotPublished, Publish, PublishErrorKind,
    Queue, QueueDeclare, ReplyCode, Requeue, Tags, Topology, TryRecvError,
};
use std::time::Duration;

#[test]
fn consumers_per_queue() {
    for kind in ["classic", "quorum"] {
        let rig = rig(|limits| limits.consumers_per_queue = 2);
        rig.broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
        let _plain = rig.broker.consumer("q").open().unwrap();
        rig.channel.basic_consume(&Consume::new("q").tag("second")).unwrap();
        let refused = rig.broker.consumer("q").open().unwrap_err();
        assert_eq!(refused, ConsumeError::TooMany("q".to_owned()));
        let close = rig.channel.basic_consume(&Consume::new("q")).unwrap_err();
        ends(close, ReplyCode::ResourceError, "more than 2 consumers of a queue");
        // The second one went with its connection.
        assert!(rig.broker.consumer("q").open().is_ok());
        rig.broker.check_invariants().unwrap();
    }
}

#[test]
fn ready_messages() {
    let _watch = watched();
    for kind in ["classic", "quorum"] {
        let rig = rig(|limits| limits.ready_messages = 3);
        rig.broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
        rig.fill("q", 3);
        is_full(&rig, 3);
        // A consumer makes room, and whoever waits is let in.
        let mut publisher = rig.broker.publisher("").unwrap();
        let broker = rig.broker.clone();
        let waiting = std::thread::spawn(move || publisher.blocking_send("q", Message::new("waited")));
        broker.get("q").unwrap().unwrap().ack();
        assert_eq!(waiting.join().unwrap().unwrap().queues, 1);
        assert_eq!(rig.counts("q"), (3, 0));
        rig.is_well("q");
    }
}

#[test]
fn ready_bytes() {
    let _watch = watched();
    let rig = rig(|limits| limits.ready_bytes = 10);
    rig.declare("q");
    rig.broker.publish("", "q", Message::new("0123456789")).unwrap();
    is_full(&rig, 1);
    // An empty body takes no bytes; what could never come in is refused at once, not waited for.
    rig.broker.publish("", "q", Message::new("")).unwrap();
    let mut publisher = rig.broker.publisher("").unwrap();
    let never = publisher.blocking_send("q", Message::new("01234567890")).unwrap_err();
    assert_eq!(never.into_message().body().len(), 11);
    rig.is_well("q");
}

/// The queue `q` is at a bound of the broker: every way to publish says so and gives the message back.
fn is_full(rig: &Rig, ready: u64) {
    let message = || Message::new("more").header("kept", true);
    let refused = rig.broker.publish("", "q", message()).unwrap_err();
    assert_eq!(*refused.kind(), PublishErrorKind::Full { full: 1, taken: 0 });
    assert_eq!(refused.into_message(), message());
    let mut publisher = rig.broker.publisher("").unwrap();
    let late = publisher.send_timeout("q", message(), Duration::ZERO).unwrap_err();
    assert_eq!(*late.kind(), PublishErrorKind::Timeout { taken: 0 });
    assert_eq!(late.into_message(), message());
    let refused = rig.channel.basic_publish(&Publish::new("", "q"), message()).unwrap_err();
    assert_eq!((refused.reason, refused.message), (NotPublished::QueueFull, message()));
    assert!(rig.channel.is_open());

    let confirms = rig.connection.open_channel().unwrap();
    confirms.confirm_select().unwrap();
    confirms.basic_publish(&Publish::new("", "q"), message()).unwrap();
    assert_eq!(drain(&confirms), [ChannelEvent::Nack { tag: 1, multiple: false }]);
    let transaction = rig.connection.open_channel().unwrap();
    transaction.tx_select().unwrap();
    transaction.basic_publish(&Publish::new("", "q"), message()).unwrap();
    assert_eq!(transaction.tx_commit().unwrap_err().code, ReplyCode::PreconditionFailed);

    // A dead letter is dropped and counted.
    rig.broker.declare(&Topology::new().queue(Queue::new("dying").dead_letter_to("q"))).unwrap();
    rig.broker.publish("", "dying", Message::new("dead")).unwrap();
    rig.broker.get("dying").unwrap().unwrap().reject();
    assert_eq!(rig.broker.stats().dead_letters.refused, 1);
    assert_eq!(rig.counts("q"), (ready, 0));
}

#[test]
fn unacked_messages() {
    let rig = rig(|limits| limits.unacked_messages = 3);
    rig.declare("q");
    rig.fill("q", 10);
    // A consumer without prefetch: the queue waits for settlements.
    rig.channel.basic_consume(&Consume::new("q").tag("t")).unwrap();
    assert_eq!(bodies(&drain(&rig.channel)), ["0", "1", "2"]);
    rig.channel.basic_ack(1).unwrap();
    assert_eq!(bodies(&drain(&rig.channel)), ["3"]);
    assert_eq!(rig.counts("q"), (6, 3));
    // Cancelling and consuming anew does not get around it, whatever the prefetch; nor does a get.
    rig.channel.basic_cancel("t").unwrap();
    type Attempt = fn(&Channel) -> Result<(), Close>;
    let beyond: [Attempt; 3] = [
        |channel| channel.basic_consume(&Consume::new("q")).map(drop),
        |channel| {
            channel.basic_qos(leveret::Qos::new(1))?;
            channel.basic_consume(&Consume::new("q")).map(drop)
        },
        |channel| channel.basic_get("q", Acknowledge::Yes).map(drop),
    ];
    for ask in beyond {
        let connection = rig.broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.basic_recover(Requeue::Yes).unwrap();
        rig.broker.queue("q").unwrap().purge().unwrap();
        rig.fill("q", 5);
        for _ in 0..3 {
            channel.basic_get("q", Acknowledge::Yes).unwrap().unwrap();
        }
        // What needs no acknowledgement adds nothing.
        channel.basic_get("q", Acknowledge::No).unwrap().unwrap();
        ends(ask(&channel).unwrap_err(), ReplyCode::ResourceError, "more than 3 unsettled deliveries");
        assert_eq!(rig.counts("q").0, 4);
    }
    // A get without a channel looks at what the whole queue has out.
    assert_eq!(rig.broker.get("q").unwrap_err(), reached("unsettled deliveries", 3));
    rig.channel.basic_ack(Tags::UpTo(0)).unwrap();
    rig.broker.get("q").unwrap().unwrap().ack();
    rig.is_well("q");
}

#[test]
fn undrained_deliveries() {
    for kind in ["classic", "quorum"] {
        let rig = rig(|limits| limits.undrained_deliveries = 4);
        rig.broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
        rig.fill("q", 10);
        rig.channel.basic_consume(&Consume::new("q").no_ack()).unwrap();
        assert_eq!(rig.counts("q").0, 6, "{kind}");
        // It receives them all, in order, with the queue a window ahead.
        assert_eq!(bodies(&drain(&rig.channel)).concat(), "0123456789");
        let mut plain = rig.broker.consumer("q").prefetch(0).open().unwrap();
        rig.channel.close().unwrap();
        rig.fill("q", 10);
        assert_eq!(rig.counts("q"), (6, 4));
        let got: Vec<_> = std::iter::from_fn(|| plain.try_recv().ok()).collect();
        assert_eq!(got.len(), 10);
        drop((got, plain));
        assert_eq!(rig.counts("q"), (10, 0));
        rig.is_well("q");
    }
}

#[test]
fn default_prefetch() {
    let rig = rig(|limits| limits.default_prefetch = 2);
    rig.declare("q");
    rig.fill("q", 5);
    let mut consumer = rig.broker.consumer("q").open().unwrap();
    assert_eq!(rig.counts("q"), (3, 2));
    let first = consumer.try_recv().unwrap();
    let second = consumer.try_recv().unwrap();
    assert_eq!(consumer.try_recv().unwrap_err(), TryRecvError::Empty);
    first.ack();
    assert_eq!(&consumer.try_recv().unwrap().body()[..], b"2");
    drop(second);
    drop(consumer);
    // None is no limit but the broker's own.
    let rig = super::rig::rig(|limits| (limits.default_prefetch, limits.unacked_messages) = (0, 3));
    rig.declare("q");
    rig.fill("q", 5);
    let _consumer = rig.broker.consumer("q").open().unwrap();
    assert_eq!(rig.counts("q"), (2, 3));
}
