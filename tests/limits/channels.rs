//! What a channel gathers at most: events that it does not receive, and an open transaction.

use super::rig::{bodies, drain, ends, rig};
use leveret::{
    Acknowledge, Consume, Message, NotPublished, Publish, QueueDeclare, QueueDelete, ReplyCode, Scope, Tags,
};

#[test]
fn channel_events() {
    let rig = rig(|limits| limits.channel_events = 2);
    rig.declare("q");
    let to = |key: &str| Publish::new("", key).mandatory();
    for _ in 0..2 {
        rig.channel.basic_publish(&to("nowhere"), Message::new("back")).unwrap();
    }
    let refused = rig.channel.basic_publish(&to("nowhere"), Message::new("more")).unwrap_err();
    assert_eq!((refused.reason, refused.message), (NotPublished::EventsFull, Message::new("more")));
    assert!(rig.channel.is_open());
    assert_eq!(drain(&rig.channel).len(), 2);
    rig.channel.basic_publish(&to("q"), Message::new("taken")).unwrap();
    rig.is_well("q");
}

#[test]
fn channel_events_of_direct_replies_are_dropped_at_the_bound() {
    let rig = rig(|limits| limits.channel_events = 2);
    rig.declare("requests");
    rig.channel.basic_consume(&Consume::new("amq.rabbitmq.reply-to").no_ack()).unwrap();
    let ask = Message::new("?").reply_to("amq.rabbitmq.reply-to");
    rig.channel.basic_publish(&Publish::new("", "requests"), ask).unwrap();
    let request = rig.broker.get("requests").unwrap().unwrap();
    let address = request.properties().reply_to.clone().unwrap();
    let server = rig.connection.open_channel().unwrap();
    for reply in ["1", "2", "3"] {
        server.basic_publish(&Publish::new("", &*address), Message::new(reply)).unwrap();
    }
    assert_eq!(bodies(&drain(&rig.channel)), ["1", "2"]);
}

/// A program that consumes from queues that are deleted, and never receives, gathers cancels without end.
#[test]
fn channel_events_of_cancels_end_with_a_refusal() {
    let rig = rig(|limits| limits.channel_events = 2);
    for _ in 0..2 {
        rig.channel.queue_declare(&QueueDeclare::new("gone")).unwrap();
        rig.channel.basic_consume(&Consume::new("gone")).unwrap();
        rig.channel.queue_delete(&QueueDelete::new("gone")).unwrap();
    }
    rig.channel.queue_declare(&QueueDeclare::new("gone")).unwrap();
    let close = rig.channel.basic_consume(&Consume::new("gone")).unwrap_err();
    ends(close, ReplyCode::ResourceError, "more than 2 events waiting on a channel");
    assert_eq!(drain(&rig.channel).len(), 3);
}

#[test]
fn transaction_operations() {
    let rig = rig(|limits| limits.transaction_operations = 2);
    rig.declare("q");
    rig.channel.tx_select().unwrap();
    for body in ["1", "2"] {
        rig.channel.basic_publish(&Publish::new("", "q"), Message::new(body)).unwrap();
    }
    let refused = rig.channel.basic_publish(&Publish::new("", "q"), Message::new("3")).unwrap_err();
    assert_eq!((refused.reason, refused.message), (NotPublished::TransactionFull, Message::new("3")));
    rig.channel.tx_commit().unwrap();
    assert_eq!(rig.counts("q"), (2, 0));
    rig.is_well("q");
}

/// Once, the settlement that was one too many was taken from the ledger before it was refused, so the close that
/// followed did not know of it, and its message stayed out for ever.
#[test]
fn transaction_operations_lose_no_settlement() {
    let rig = rig(|limits| limits.transaction_operations = 1);
    rig.declare("a");
    rig.declare("b");
    for tags in [Tags::One(2), Tags::UpTo(2)] {
        rig.fill("a", 1);
        rig.fill("b", 1);
        let channel = rig.connection.open_channel().unwrap();
        channel.tx_select().unwrap();
        channel.basic_get("a", Acknowledge::Yes).unwrap().unwrap();
        channel.basic_get("b", Acknowledge::Yes).unwrap().unwrap();
        if tags == Tags::One(2) {
            channel.basic_ack(1).unwrap();
        }
        let close = channel.basic_ack(tags).unwrap_err();
        assert_eq!((close.scope, close.code), (Scope::Channel, ReplyCode::PreconditionFailed));
        for queue in ["a", "b"] {
            assert_eq!(rig.counts(queue), (1, 0), "{queue} {tags:?}");
            rig.is_well(queue);
        }
    }
}
