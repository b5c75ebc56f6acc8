//! What a broker has at most: exchanges, queues, bindings, policies, connections and their channels.

use super::rig::{ends, reached, rig};
use leveret::{
    Binding, Exchange, ExchangeDeclare, ExchangeKind, Message, Policy, Queue, QueueBinding, QueueDeclare, QueueDelete,
    ReplyCode, Topology, TopologyError,
};

#[test]
fn exchanges() {
    let rig = rig(|limits| limits.exchanges = 8 + 2);
    let there = rig.broker.stats().exchanges as usize;
    for number in there..10 {
        rig.broker.declare_exchange(&ExchangeDeclare::new(format!("x{number}"), "direct")).unwrap();
    }
    let more = ExchangeDeclare::new("more", "direct");
    assert_eq!(rig.broker.declare_exchange(&more).unwrap_err(), reached("exchanges", 10));
    // One that is there is no new one.
    rig.broker.declare_exchange(&ExchangeDeclare::new("x9", "direct")).unwrap();
    let topology = Topology::new().exchange(Exchange::new("more", ExchangeKind::Direct));
    assert!(rig.broker.declare(&topology).unwrap_err().to_string().contains("more than 10 exchanges"));
    ends(rig.channel.exchange_declare(&more).unwrap_err(), ReplyCode::ResourceError, "more than 10 exchanges");
    rig.broker.delete_exchange(&leveret::ExchangeDelete::new("x9")).unwrap();
    rig.broker.declare_exchange(&more).unwrap();
}

#[test]
fn queues() {
    let rig = rig(|limits| limits.queues = 2);
    rig.declare("a");
    rig.declare("b");
    let more = QueueDeclare::new("c");
    assert_eq!(rig.broker.declare_queue(&more).unwrap_err(), reached("queues", 2));
    assert_eq!(rig.broker.declare_queue(&QueueDeclare::new("")).unwrap_err(), reached("queues", 2));
    rig.declare("a");
    assert!(rig.broker.declare(&Topology::new().queue(Queue::new("c"))).is_err());
    ends(rig.channel.queue_declare(&more).unwrap_err(), ReplyCode::ResourceError, "more than 2 queues");
    rig.is_well("a");
    rig.broker.delete_queue(&QueueDelete::new("a")).unwrap();
    rig.broker.declare_queue(&more).unwrap();
}

#[test]
fn bindings() {
    let rig = rig(|limits| limits.bindings = 2);
    rig.declare("q");
    for key in ["a", "b"] {
        rig.broker.bind("q", &Binding::to("amq.direct").key(key)).unwrap();
    }
    let more = Binding::to("amq.topic").key("c");
    assert_eq!(rig.broker.bind("q", &more).unwrap_err(), reached("bindings", 2));
    assert_eq!(rig.broker.bind_exchange("amq.fanout", &more).unwrap_err(), reached("bindings", 2));
    rig.broker.bind("q", &Binding::to("amq.direct").key("a")).unwrap();
    let close = rig.channel.queue_bind(&QueueBinding::new("q", "amq.topic").key("c")).unwrap_err();
    ends(close, ReplyCode::ResourceError, "more than 2 bindings");
    assert_eq!(rig.broker.publish("amq.topic", "c", Message::new("")).unwrap().queues, 0);
    rig.broker.unbind("q", &Binding::to("amq.direct").key("a")).unwrap();
    rig.broker.bind("q", &more).unwrap();
    rig.is_well("q");
}

#[test]
fn policies() {
    let rig = rig(|limits| limits.policies = 1);
    rig.declare("q");
    rig.broker.set_policy(Policy::new("one", ".*").define("max-length", 5_i64)).unwrap();
    let more = Policy::new("two", ".*").define("max-length", 1_i64);
    assert_eq!(rig.broker.set_policy(more.clone()).unwrap_err(), reached("policies", 1));
    assert!(rig.broker.declare(&Topology::new().policy(more)).is_err());
    rig.broker.set_policy(Policy::new("one", ".*").define("max-length", 3_i64)).unwrap();
    rig.fill("q", 5);
    assert_eq!(rig.counts("q"), (3, 0));
    // A name is a name: it has an end.
    let long = Policy::new("n".repeat(256), ".*").define("max-length", 1_i64);
    rig.broker.clear_policy("one").unwrap();
    assert!(matches!(rig.broker.set_policy(long).unwrap_err(), TopologyError::NameTooLong(_)));
}

#[test]
fn connections() {
    let rig = rig(|limits| limits.connections = 2);
    let second = rig.broker.connect().unwrap();
    ends(rig.broker.connect().unwrap_err(), ReplyCode::NotAllowed, "connection limit (2)");
    assert!(second.is_open() && rig.connection.is_open());
    second.close();
    assert!(rig.broker.connect().is_ok());
}

#[test]
fn channels_per_connection() {
    let rig = rig(|limits| limits.channels_per_connection = 2);
    let other = rig.broker.connect().unwrap();
    let second = rig.connection.open_channel().unwrap();
    drop(second);
    let _second = rig.connection.open_channel().unwrap();
    ends(rig.connection.open_channel().unwrap_err(), ReplyCode::NotAllowed, "channel_max (2)");
    assert!(!rig.connection.is_open() && other.is_open());
    for id in [0, 3, u16::MAX] {
        let connection = rig.broker.connect().unwrap();
        ends(connection.open_channel_with_id(id).unwrap_err(), ReplyCode::NotAllowed, "1 to 2");
    }
}
