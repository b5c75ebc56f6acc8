//! What a channel receives: one order, bounded, by thread and by task; and what a publish that is not taken gives back.

mod watched;

use leveret::{
    Acknowledge, Broker, Channel, ChannelEvent, Connection, Consume, Limits, Message, NotPublished, Publish, Qos,
    QueueDeclare, ReplyCode, Tags, TryRecvError,
};
use std::time::Duration;
use watched::watched;

fn open(change: impl FnOnce(&mut Limits)) -> (Broker, Connection, Channel) {
    let mut limits = Limits::default();
    change(&mut limits);
    let broker = Broker::builder().limits(limits).manual_time().build();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    // A connection ends with the last broker.
    (broker, connection, channel)
}

fn publish(channel: &Channel, queue: &str, body: &'static str) {
    channel.basic_publish(&Publish::new("", queue).mandatory(), Message::new(body)).unwrap();
}

/// An event in short.
fn short(event: ChannelEvent) -> String {
    match event {
        ChannelEvent::Deliver(delivery) => format!("deliver {}", delivery.delivery_tag),
        ChannelEvent::Return(returned) => format!("return {} {}", returned.code, returned.text),
        ChannelEvent::Ack { tag, multiple } => format!("ack {tag} {multiple}"),
        ChannelEvent::Nack { tag, .. } => format!("nack {tag}"),
        ChannelEvent::Cancel { consumer_tag } => format!("cancel {consumer_tag}"),
        other => format!("{other:?}"),
    }
}

fn drain(channel: &Channel) -> Vec<String> {
    std::iter::from_fn(|| channel.try_recv().ok()).map(short).collect()
}

#[test]
fn events_of_all_kinds_come_in_one_order() {
    let (_broker, connection, channel) = open(|_| ());
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    channel.basic_consume(&Consume::new("q").tag("t")).unwrap();
    channel.confirm_select().unwrap();
    publish(&channel, "q", "1");
    publish(&channel, "nowhere", "2");
    publish(&channel, "q", "3");
    connection.open_channel().unwrap().queue_delete(&leveret::QueueDelete::new("q")).unwrap();
    let expected =
        ["deliver 1", "ack 1 false", "return 312 NO_ROUTE", "ack 2 false", "deliver 2", "ack 3 false", "cancel t"];
    assert_eq!(drain(&channel), expected);
}

#[test]
fn acks_in_a_row_are_told_as_one() {
    let (_broker, _connection, channel) = open(|limits| limits.channel_events = 2);
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    channel.confirm_select().unwrap();
    for _ in 0..1_000 {
        publish(&channel, "q", "m");
    }
    assert_eq!(drain(&channel), ["ack 1000 true"]);
}

#[test]
fn publishes_that_would_add_to_a_full_inbox_give_the_message_back() {
    let (_broker, _connection, channel) = open(|limits| limits.channel_events = 2);
    publish(&channel, "nowhere", "1");
    publish(&channel, "nowhere", "2");
    let refused = channel.basic_publish(&Publish::new("", "nowhere").mandatory(), Message::new("3")).unwrap_err();
    assert_eq!((refused.message, refused.reason), (Message::new("3"), NotPublished::EventsFull));
    assert!(channel.is_open());
    assert_eq!(drain(&channel).len(), 2);
    publish(&channel, "nowhere", "3");
}

#[test]
fn a_queue_at_the_brokers_own_bound_gives_the_message_back_or_a_nack() {
    let (_broker, _connection, channel) = open(|limits| limits.ready_messages = 1);
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    publish(&channel, "q", "1");
    let full = channel.basic_publish(&Publish::new("", "q"), Message::new("2")).unwrap_err();
    assert_eq!((full.message, full.reason), (Message::new("2"), NotPublished::QueueFull));
    channel.confirm_select().unwrap();
    publish(&channel, "q", "3");
    assert_eq!(drain(&channel), ["nack 1"]);
    assert!(channel.is_open());
}

#[test]
fn a_transaction_is_bounded() {
    let (_broker, _connection, channel) = open(|limits| limits.transaction_operations = 1);
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    publish(&channel, "q", "0");
    channel.tx_select().unwrap();
    publish(&channel, "q", "1");
    let full = channel.basic_publish(&Publish::new("", "q"), Message::new("2")).unwrap_err();
    assert_eq!((full.message, full.reason), (Message::new("2"), NotPublished::TransactionFull));
    channel.tx_commit().unwrap();
    publish(&channel, "q", "2");
    let got = channel.basic_get("q", Acknowledge::Yes).unwrap().unwrap();
    let close = channel.basic_ack(got.delivery.delivery_tag).unwrap_err();
    assert_eq!(close.code, ReplyCode::PreconditionFailed);
}

#[test]
fn a_close_gives_the_message_back_as_it_was() {
    let (_broker, connection, channel) = open(|_| ());
    let bcc = leveret::Value::from(vec![leveret::Value::from("other")]);
    let message = Message::new("m").header("BCC", bcc).reply_to("amq.rabbitmq.reply-to.x");
    let refused = channel.basic_publish(&Publish::new("nowhere", "k"), message.clone()).unwrap_err();
    assert!(matches!(&refused.reason, NotPublished::Closed(close) if close.code == ReplyCode::NotFound));
    assert_eq!(refused.message, message);

    let channel = connection.open_channel().unwrap();
    let message = Message::new("m").user_id("somebody");
    let refused = channel.basic_publish(&Publish::new("", "k"), message.clone()).unwrap_err();
    assert_eq!(refused.message, message);
    let refused = channel.basic_publish(&Publish::new("", "k"), Message::new("m")).unwrap_err();
    assert!(matches!(refused.reason, NotPublished::Closed(close) if close.code == ReplyCode::ChannelError));
    assert_eq!(refused.message, Message::new("m"));
}

#[test]
fn a_window_of_deliveries_waits_and_the_rest_follows_as_they_are_received() {
    let (_broker, _connection, channel) = open(|limits| limits.undrained_deliveries = 4);
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    for _ in 0..20 {
        publish(&channel, "q", "m");
    }
    channel.basic_consume(&Consume::new("q")).unwrap();
    let ready = channel.queue_declare(&QueueDeclare::new("q").passive()).unwrap().message_count;
    assert_eq!(ready, 16);
    assert_eq!(drain(&channel).len(), 20);
    channel.basic_ack(Tags::UpTo(20)).unwrap();
}

#[test]
fn a_global_limit_moves_between_queues() {
    let (_broker, _connection, channel) = open(|_| ());
    channel.basic_qos(Qos::new(1).global()).unwrap();
    for queue in ["a", "b"] {
        channel.queue_declare(&QueueDeclare::new(queue)).unwrap();
        channel.basic_consume(&Consume::new(queue).tag(queue)).unwrap();
        publish(&channel, queue, "m");
    }
    assert_eq!(drain(&channel), ["deliver 1"]);
    channel.basic_ack(1).unwrap();
    assert_eq!(drain(&channel), ["deliver 2"]);
}

#[test]
fn a_blocked_thread_is_woken_by_a_delivery_and_by_the_end() {
    let _watch = watched();
    let (_broker, connection, channel) = open(|_| ());
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    channel.basic_consume(&Consume::new("q").no_ack()).unwrap();
    std::thread::scope(|scope| {
        let receivers: Vec<_> =
            (0..3).map(|_| scope.spawn(|| std::iter::from_fn(|| channel.blocking_recv()).map(short).count())).collect();
        let publisher = connection.open_channel().unwrap();
        for _ in 0..300 {
            publish(&publisher, "q", "m");
        }
        while publisher.queue_declare(&QueueDeclare::new("q").passive()).unwrap().message_count > 0 {
            std::thread::yield_now();
        }
        while channel.recv_timeout(Duration::ZERO).is_ok() {}
        channel.close().unwrap();
        let received: usize = receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum();
        assert!(received <= 300);
    });
    assert_eq!(channel.recv_timeout(Duration::ZERO), Err(TryRecvError::Closed));
}

#[test]
fn a_task_is_woken_and_a_dropped_future_loses_nothing() {
    let _watch = watched();
    let (_broker, connection, channel) = open(|_| ());
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    channel.basic_consume(&Consume::new("q")).unwrap();
    smol::block_on(async {
        let mut given_up = Box::pin(channel.recv());
        assert!(smol::future::poll_once(&mut given_up).await.is_none());
        let mut polled = std::future::poll_fn(|context| channel.poll_recv(context));
        assert!(smol::future::poll_once(&mut polled).await.is_none());
        std::thread::scope(|scope| {
            scope.spawn(|| publish(&connection.open_channel().unwrap(), "q", "m"));
        });
        // It was woken first, and passes it on.
        drop(given_up);
        assert_eq!(polled.await.map(short).as_deref(), Some("deliver 1"));

        let waiting = channel.recv();
        smol::future::zip(waiting, async {
            publish(&connection.open_channel().unwrap(), "q", "m");
        })
        .await;
        channel.basic_ack(99).unwrap_err();
        assert!(matches!(channel.recv().await, Some(ChannelEvent::Closed(_))));
        assert_eq!(channel.recv().await, None);
    });
}
