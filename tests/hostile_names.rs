//! Every method with every hostile name in each of its places: the reply code that RabbitMQ gives (or, where AMQP could
//! not even say the name, 502), a broker that goes on, and a bystander who notices nothing.
//!
//! Seen to fail with: names of 256 bytes.

mod hostile;

use hostile::{INVALID, MISSING, Outcome, REFUSED, Site, TOO_LONG, is_sayable, names, short};
use leveret::{
    Acknowledge, Binding, Broker, Consume, ConsumeError, ExchangeBinding, ExchangeDeclare, ExchangeDelete, Message,
    NotPublished, Publish, PublishErrorKind, QueueBinding, QueueDeclare, QueueDelete, ReplyCode, TopologyError,
};

/// What is left of a name where RabbitMQ takes line breaks out.
fn stripped(name: &str) -> String {
    name.replace(['\r', '\n'], "")
}

/// An exchange of this name is asked for: `missing` where there is none.
fn exchange(name: &str, missing: Outcome) -> Outcome {
    match stripped(name).as_str() {
        _ if !is_sayable(name) => TOO_LONG,
        "" => REFUSED,
        "amq.direct" => Ok(()),
        _ => missing,
    }
}

/// A queue of this name, which is not there, is asked for.
fn queue(name: &str, missing: Outcome) -> Outcome {
    match name {
        _ if !is_sayable(name) => TOO_LONG,
        // The one declared last; there is none.
        "" => MISSING,
        _ => missing,
    }
}

#[test]
fn exchange_methods() {
    let site = Site::new();
    for name in &names() {
        let what = |method: &str| format!("{method} {}", short(name));
        let taken = stripped(name).starts_with("amq.");
        let declared = exchange(name, if taken { REFUSED } else { Ok(()) });
        site.attack(&what("passive"), exchange(name, MISSING), |channel| {
            channel.exchange_declare(&ExchangeDeclare::new(name, "direct").passive())
        });
        site.attack(&what("declare"), declared, |channel| {
            channel.exchange_declare(&ExchangeDeclare::new(name, "direct").durable())
        });
        site.attack(&what("kind"), INVALID, |channel| {
            channel.exchange_declare(&ExchangeDeclare::new("k", &**name).durable())
        });
        let deleted = if is_sayable(name) && taken { REFUSED } else { exchange(name, Ok(())) };
        site.attack(&what("delete"), deleted, |channel| channel.exchange_delete(&ExchangeDelete::new(name)));
        let bound = exchange(name, MISSING);
        site.attack(&what("to"), bound, |channel| channel.exchange_bind(&ExchangeBinding::new(name, "amq.topic")));
        site.attack(&what("from"), bound, |channel| channel.exchange_bind(&ExchangeBinding::new("amq.topic", name)));
        let unbound = exchange(name, Ok(()));
        let binding = ExchangeBinding::new(name, "amq.topic");
        site.attack(&what("unbind"), unbound, |channel| channel.exchange_unbind(&binding));
        let binding = ExchangeBinding::new("amq.topic", name);
        site.attack(&what("unbind"), unbound, |channel| channel.exchange_unbind(&binding));
        let key = if is_sayable(name) { Ok(()) } else { TOO_LONG };
        let binding = ExchangeBinding::new("amq.topic", "amq.direct").key(name);
        site.attack(&what("key"), key, |channel| {
            channel.exchange_bind(&binding)?;
            channel.exchange_unbind(&binding)
        });
    }
    assert_eq!(site.broker.stats().exchanges, Broker::new().stats().exchanges);
}

#[test]
fn queue_methods() {
    let site = Site::new();
    site.broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for name in &names() {
        let what = |method: &str| format!("{method} {}", short(name));
        let passive = if is_sayable(name) { MISSING } else { TOO_LONG };
        site.attack(&what("passive"), passive, |channel| channel.queue_declare(&QueueDeclare::new(name).passive()));
        site.attack(&what("purge"), queue(name, MISSING), |channel| channel.queue_purge(name));
        site.attack(&what("get"), queue(name, MISSING), |channel| channel.basic_get(name, Acknowledge::Yes));
        site.attack(&what("consume"), queue(name, MISSING), |channel| channel.basic_consume(&Consume::new(name)));
        site.attack(&what("delete"), queue(name, Ok(())), |channel| channel.queue_delete(&QueueDelete::new(name)));
        let binding = QueueBinding::new(name, "amq.topic");
        site.attack(&what("bind"), queue(name, MISSING), |channel| channel.queue_bind(&binding));
        site.attack(&what("unbind"), queue(name, Ok(())), |channel| channel.queue_unbind(&binding));
        let binding = QueueBinding::new("q", name);
        site.attack(&what("bind from"), exchange(name, MISSING), |channel| channel.queue_bind(&binding));
        site.attack(&what("unbind from"), exchange(name, Ok(())), |channel| channel.queue_unbind(&binding));
        let key = if is_sayable(name) { Ok(()) } else { TOO_LONG };
        for from in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers"] {
            let binding = QueueBinding::new("q", from).key(name);
            site.attack(&what("key"), key, |channel| {
                channel.queue_bind(&binding)?;
                channel.queue_unbind(&binding)
            });
        }
        site.attack(&what("tag"), key, |channel| {
            let tag = channel.basic_consume(&Consume::new("q").tag(name))?;
            assert!(name.is_empty() || tag == name.as_str());
            channel.basic_cancel(&tag)
        });
        site.attack(&what("cancel"), Ok(()), |channel| channel.basic_cancel(name));
        let reserved = stripped(name).starts_with("amq.");
        let declared = match (is_sayable(name), reserved) {
            (false, _) => TOO_LONG,
            (_, true) => REFUSED,
            _ => Ok(()),
        };
        site.attack(&what("declare"), declared, |channel| {
            let declared = channel.queue_declare(&QueueDeclare::new(name))?;
            let given = stripped(name);
            assert!(declared.queue == given.as_str() || given.is_empty() && declared.queue.starts_with("amq.gen-"));
            goes_through(channel, &declared.queue);
            channel.queue_delete(&QueueDelete::new(&*declared.queue))
        });
    }
    assert_eq!(site.broker.stats().queues.len(), 2);
}

/// A message comes through a queue of this name, by the name itself and by a binding under it.
fn goes_through(channel: &leveret::Channel, name: &str) {
    channel.queue_bind(&QueueBinding::new(name, "amq.direct").key(name)).unwrap();
    channel.basic_publish(&Publish::new("", name), Message::new("1")).unwrap();
    channel.basic_publish(&Publish::new("amq.direct", name), Message::new("2")).unwrap();
    for exchange in ["", "amq.direct"] {
        let got = channel.basic_get(name, Acknowledge::No).unwrap().unwrap().delivery;
        assert_eq!((&*got.exchange, &*got.routing_key), (exchange, name));
    }
}

#[test]
fn publishing() {
    let site = Site::new();
    for name in &names() {
        let what = |method: &str| format!("{method} {}", short(name));
        let to = match name.as_str() {
            _ if !is_sayable(name) => TOO_LONG,
            "" | "amq.direct" => Ok(()),
            _ => MISSING,
        };
        let key = if is_sayable(name) { Ok(()) } else { TOO_LONG };
        let mut tries = vec![(Publish::new(name, "key"), to)];
        tries.extend(["", "amq.direct", "amq.fanout", "amq.topic"].map(|x| (Publish::new(x, name), key)));
        for (publish, expected) in tries {
            site.attack(&what("publish"), expected, |channel| {
                let message = Message::new("kept").header("h", 1_i64);
                match channel.basic_publish(&publish, message.clone()) {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        assert_eq!(error.message, message);
                        let NotPublished::Closed(close) = error.reason else { panic!("{:?}", error.reason) };
                        Err(close)
                    }
                }
            });
        }
    }
}

/// The plain API says the same in its own types.
#[test]
fn without_a_channel() {
    let site = Site::new();
    let broker = &site.broker;
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    let code = |outcome: Result<(), TopologyError>| outcome.map_err(|error| error.reply_code());
    let expected = |outcome: Outcome| outcome.map_err(|(_, code)| code);
    for name in &names() {
        let what = short(name);
        let there = exchange(name, MISSING);
        let lookup = if is_sayable(name) { Err(ReplyCode::NotFound) } else { Err(ReplyCode::SyntaxError) };
        assert_eq!(code(broker.bind("q", &Binding::to(name))), expected(there), "{what}");
        assert_eq!(code(broker.bind_exchange(name, &Binding::to("amq.topic"))), expected(there), "{what}");
        assert_eq!(code(broker.bind(name, &Binding::to("amq.topic"))), lookup, "{what}");
        assert_eq!(code(broker.get(name).map(drop)), lookup, "{what}");
        assert_eq!(code(broker.queue(name).map(drop)), lookup, "{what}");
        let refused = broker.consumer(name).open().map(drop).unwrap_err();
        let ConsumeError::Queue(error) = refused else { panic!("{what}: {refused:?}") };
        assert_eq!(Err(error.reply_code()), lookup);
        let tag = broker.consumer("q").tag(name).open().map(drop);
        assert_eq!(tag.is_ok(), is_sayable(name), "{what}");
        assert!(tag.is_ok() || matches!(tag, Err(ConsumeError::Tag(_))));

        let published = broker.publish(name, "key", Message::new("kept")).map(drop);
        let publisher = broker.publisher(name).map(drop);
        match name.as_str() {
            "" | "amq.direct" => assert!(published.is_ok() && publisher.is_ok()),
            _ => {
                let error = published.unwrap_err();
                match error.kind() {
                    PublishErrorKind::NameTooLong(_) => assert!(!is_sayable(name)),
                    PublishErrorKind::NoExchange(given) => assert!(is_sayable(name) && given == name),
                    other => panic!("{what}: {other:?}"),
                }
                assert_eq!(publisher.unwrap_err(), *error.kind());
                assert_eq!(error.into_message(), Message::new("kept"));
            }
        }
        let keyed = broker.publish("amq.topic", name, Message::new("kept"));
        assert_eq!(keyed.is_ok(), is_sayable(name), "{what}");
        site.is_well(&what);
    }
}

/// Unicode is compared byte by byte: two ways to write one letter are two names.
#[test]
fn names_are_not_normalised() {
    let site = Site::new();
    for name in ["\u{e9}", "e\u{301}"] {
        site.broker.declare_queue(&QueueDeclare::new(name)).unwrap();
        site.broker.publish("", name, Message::new(name)).unwrap();
    }
    for name in ["\u{e9}", "e\u{301}"] {
        let got = site.broker.get(name).unwrap().unwrap();
        assert_eq!(got.body(), name.as_bytes());
        got.ack();
        assert!(site.broker.get(name).unwrap().is_none());
    }
}

/// A topology is refused as a whole, with every name that is wrong. Once, a name with a line break was checked as it
/// was given and declared as it is stripped, so a topology could fail half way.
#[test]
fn a_topology_with_hostile_names_is_declared_whole_or_not_at_all() {
    use leveret::{Exchange, ExchangeKind, Policy, Queue, Topology};
    let site = Site::new();
    let before = site.broker.stats();
    let first = || Topology::new().queue(Queue::new("first").bind("amq.topic", "#"));
    let exchange = |name: &str, kind| Exchange::new(name, kind);
    let long = "x".repeat(256);
    let bad = [
        first().queue(Queue::new(&*long)),
        first().queue(Queue::new("\r\n")),
        first().queue(Queue::new("amq.q")),
        first().queue(Queue::new("\ramq.q")),
        first().exchange(exchange(&long, ExchangeKind::Direct)),
        first().exchange(exchange("\n", ExchangeKind::Direct)),
        first().exchange(exchange("a\r", ExchangeKind::Direct)).exchange(exchange("a", ExchangeKind::Topic)),
        first().exchange(exchange("amq.dir\nect", ExchangeKind::Topic)),
        first().queue(Queue::new("b\n")).queue(Queue::new("b").argument("x-max-length", 1_i64)),
        first().queue(Queue::new("c").bind("amq.topic", &*long)),
        first().queue(Queue::new("c").bind(&*long, "")),
        first().policy(Policy::new(&*long, ".*").define("max-length", 1_i64)),
        first().policy(Policy::new("p", "(".repeat(10_000)).define("max-length", 1_i64)),
    ];
    for topology in bad {
        let error = site.broker.declare(&topology).unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        let after = site.broker.stats();
        assert_eq!((after.exchanges, after.bindings), (before.exchanges, before.bindings), "{error}");
        assert_eq!(after.queues.len(), before.queues.len(), "{error}");
        site.is_well("a topology");
    }
    site.broker.declare(&first().queue(Queue::new("d\r\ne"))).unwrap();
    assert!(site.broker.queue("de").is_ok());
}
