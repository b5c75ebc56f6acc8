//! What goes back, and what goes, when channels and connections end, by a call, by a mistake or by being dropped.

use leveret::{
    Acknowledge, Broker, Channel, ChannelEvent, Close, Connection, Consume, Message, Publish, QueueDeclare, ReplyCode,
    Requeue, Scope, TryRecvError,
};

fn broker() -> Broker {
    Broker::builder().manual_time().build()
}

fn publish(channel: &Channel, queue: &str, body: &'static str) {
    channel.basic_publish(&Publish::new("", queue), Message::new(body)).unwrap();
}

/// A connection with one channel, a queue `q`, and these messages in it.
fn with_messages(broker: &Broker, bodies: &[&'static str]) -> (Connection, Channel) {
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    for body in bodies {
        publish(&channel, "q", body);
    }
    (connection, channel)
}

fn counts(channel: &Channel, queue: &str) -> (u64, u64) {
    let declared = channel.queue_declare(&QueueDeclare::new(queue).passive()).unwrap();
    (declared.message_count, declared.consumer_count)
}

#[test]
fn a_dropped_channel_gives_back_what_it_held_and_what_it_never_received() {
    let broker = broker();
    let (connection, watcher) = with_messages(&broker, &["1", "2", "3"]);
    let channel = connection.open_channel().unwrap();
    channel.basic_get("q", Acknowledge::Yes).unwrap().unwrap();
    channel.basic_consume(&Consume::new("q")).unwrap();
    assert_eq!(counts(&watcher, "q"), (0, 1));
    drop(channel);
    assert_eq!(counts(&watcher, "q"), (3, 0));
    let got = watcher.basic_get("q", Acknowledge::No).unwrap().unwrap();
    assert!(got.delivery.redelivered);
    assert_eq!(&got.delivery.message.body()[..], b"1");
}

#[test]
fn a_dropped_channel_loses_its_transaction() {
    let broker = broker();
    let (connection, watcher) = with_messages(&broker, &["1"]);
    let channel = connection.open_channel().unwrap();
    channel.tx_select().unwrap();
    let got = channel.basic_get("q", Acknowledge::Yes).unwrap().unwrap();
    channel.basic_ack(got.delivery.delivery_tag).unwrap();
    publish(&channel, "q", "2");
    drop(channel);
    assert_eq!(counts(&watcher, "q"), (1, 0));
}

#[test]
fn a_dropped_connection_takes_its_channels_and_exclusive_queues() {
    let broker = broker();
    let (_keeper, watcher) = with_messages(&broker, &["1"]);
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("mine").exclusive()).unwrap();
    channel.basic_consume(&Consume::new("q")).unwrap();
    drop(connection);
    assert_eq!(counts(&watcher, "q"), (1, 0));
    let close = channel.queue_declare(&QueueDeclare::new("q")).unwrap_err();
    assert_eq!((close.scope, close.code), (Scope::Connection, ReplyCode::Success));
    assert_eq!(channel.try_recv(), Err(TryRecvError::Closed));
    let gone = watcher.queue_declare(&QueueDeclare::new("mine").passive()).unwrap_err();
    assert_eq!(gone.code, ReplyCode::NotFound);
}

#[test]
fn the_last_broker_ends_every_connection() {
    let broker = broker();
    let (connection, channel) = with_messages(&broker, &["1"]);
    drop(broker);
    let close = connection.closed().unwrap();
    assert_eq!((close.scope, close.code), (Scope::Connection, ReplyCode::ConnectionForced));
    assert_eq!(channel.try_recv(), Ok(ChannelEvent::Closed(close.clone())));
    assert_eq!(channel.basic_get("q", Acknowledge::No).unwrap_err(), close);
    assert_eq!(connection.open_channel().unwrap_err(), close);
}

#[test]
fn a_mistake_is_returned_told_once_and_remembered_by_the_connection() {
    let broker = broker();
    let connection = broker.connect().unwrap();
    let (first, second) = (connection.open_channel().unwrap(), connection.open_channel().unwrap());
    let close = first.basic_ack(9).unwrap_err();
    assert_eq!(close.to_string(), "PRECONDITION_FAILED - unknown delivery tag 9");
    assert_eq!((close.scope, close.method), (Scope::Channel, "basic.ack"));
    assert_eq!(first.try_recv(), Ok(ChannelEvent::Closed(close)));
    assert_eq!(first.try_recv(), Err(TryRecvError::Closed));
    assert!(connection.is_open() && second.is_open() && !first.is_open());

    let close = first.tx_select().unwrap_err();
    assert_eq!(close.to_string(), "CHANNEL_ERROR - expected 'channel.open'");
    assert_eq!((close.scope, close.method), (Scope::Connection, "tx.select"));
    assert_eq!(second.try_recv(), Ok(ChannelEvent::Closed(close.clone())));
    assert_eq!(second.basic_recover(Requeue::Yes).unwrap_err(), close);
    assert_eq!(connection.closed(), Some(close));
}

/// A call that may close its channel.
type Call = fn(&Channel) -> Result<(), Close>;

/// RabbitMQ's texts, all with 406.
#[test]
fn modes_that_exclude_each_other_are_told() {
    let broker = broker();
    let connection = broker.connect().unwrap();
    let told = |before: Call, then: Call| {
        let channel = connection.open_channel().unwrap();
        before(&channel).unwrap();
        let close = then(&channel).unwrap_err();
        assert_eq!(close.code, ReplyCode::PreconditionFailed);
        close.text
    };
    let confirms_then_tx = told(Channel::confirm_select, Channel::tx_select);
    assert_eq!(confirms_then_tx, "PRECONDITION_FAILED - cannot switch from confirm to tx mode");
    let tx_then_confirms = told(Channel::tx_select, Channel::confirm_select);
    assert_eq!(tx_then_confirms, "PRECONDITION_FAILED - cannot switch from tx to confirm mode");
    let no_transaction = "PRECONDITION_FAILED - channel is not transactional";
    assert_eq!(told(Channel::confirm_select, Channel::tx_commit), no_transaction);
    assert_eq!(told(|_| Ok(()), Channel::tx_rollback), no_transaction);
}

#[test]
fn a_channel_that_fails_its_connection_ends_before_its_siblings() {
    let broker = broker();
    let (_keeper, watcher) = with_messages(&broker, &[]);
    let connection = broker.connect().unwrap();
    let channels = [(); 3].map(|()| connection.open_channel().unwrap());
    for channel in &channels {
        channel.basic_consume(&Consume::new("q")).unwrap();
    }
    for body in ["1", "2", "3"] {
        publish(&watcher, "q", body);
    }
    let [failing, second, third] = channels;
    let close = failing.basic_recover(Requeue::No).unwrap_err();
    assert_eq!((close.scope, close.code), (Scope::Connection, ReplyCode::NotImplemented));

    // The second gets what the failing one held; the third nothing of what the second held.
    let closed = ChannelEvent::Closed(close.clone());
    assert_eq!(all_received(&failing), (vec![], closed.clone()));
    let of_second = vec![("2".to_owned(), 1, false), ("1".to_owned(), 2, true)];
    assert_eq!(all_received(&second), (of_second, closed.clone()));
    assert_eq!(all_received(&third), (vec![("3".to_owned(), 1, false)], closed));
    assert_eq!(second.basic_ack(1).unwrap_err(), close);
    assert_eq!(counts(&watcher, "q"), (3, 0));
}

/// Body, tag and flag of the deliveries that wait on a channel that has ended, and its last event.
fn all_received(channel: &Channel) -> (Vec<(String, u64, bool)>, ChannelEvent) {
    let mut deliveries = Vec::new();
    loop {
        match channel.blocking_recv().unwrap() {
            ChannelEvent::Deliver(got) => {
                let body = String::from_utf8(got.message.body().to_vec()).unwrap();
                deliveries.push((body, got.delivery_tag, got.redelivered));
            }
            last => {
                assert_eq!(channel.try_recv(), Err(TryRecvError::Closed));
                return (deliveries, last);
            }
        }
    }
}

#[test]
fn a_close_that_was_asked_for_is_no_event() {
    let broker = broker();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.close().unwrap();
    assert_eq!(channel.try_recv(), Err(TryRecvError::Closed));
    assert!(connection.is_open());
    drop(channel);
    assert!(connection.is_open());
}

#[test]
fn a_number_may_be_opened_again_after_its_channel_closed() {
    let broker = broker();
    let connection = broker.connect().unwrap();
    let old = connection.open_channel_with_id(7).unwrap();
    old.basic_ack(1).unwrap_err();
    let new = connection.open_channel_with_id(7).unwrap();
    drop(old);
    assert!(new.is_open());
    assert_eq!(new.id(), 7);

    let close = connection.open_channel_with_id(7).unwrap_err();
    assert_eq!(close.to_string(), "CHANNEL_ERROR - second 'channel.open' seen");
    assert!(!new.is_open() && !connection.is_open());
}

#[test]
fn numbers_are_lowest_first_and_bounded() {
    let mut limits = leveret::Limits::default();
    limits.channels_per_connection = 2;
    let broker = Broker::builder().limits(limits).manual_time().build();
    let connection = broker.connect().unwrap();
    let one = connection.open_channel().unwrap();
    let two = connection.open_channel().unwrap();
    assert_eq!((one.id(), two.id()), (1, 2));
    drop(one);
    let one = connection.open_channel().unwrap();
    assert_eq!(one.id(), 1);
    let close: Close = connection.open_channel().unwrap_err();
    assert_eq!((close.scope, close.code), (Scope::Connection, ReplyCode::NotAllowed));
    assert!(!two.is_open());
}

#[test]
fn connections_are_bounded() {
    let mut limits = leveret::Limits::default();
    limits.connections = 1;
    let broker = Broker::builder().limits(limits).manual_time().build();
    let connection = broker.connect().unwrap();
    assert_eq!(broker.connect().unwrap_err().code, ReplyCode::NotAllowed);
    connection.close();
    assert!(broker.connect().is_ok());
}
