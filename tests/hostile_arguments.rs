//! Every argument that RabbitMQ knows, with a value of every type and at every bound: taken or refused with 406 as a
//! table here says, and what was taken works. The table is written anew from RabbitMQ's documentation and recorded
//! answers, not from the validators.
//!
//! Seen to fail with: times to live that no timer has.

mod hostile;

use hostile::{INVALID, Outcome, Site, nested, short, values};
use leveret::{
    Acknowledge, Binding, Consume, Exchange, ExchangeBinding, ExchangeDeclare, ExchangeKind, Message, Publish, Queue,
    QueueBinding, QueueDeclare, QueueDelete, ReplyCode, Scope, Table, Topology, Value,
};
use std::time::Duration;

/// Arguments of queues: each as it is in RabbitMQ's documentation, and one that nobody knows.
const OF_QUEUES: [&str; 24] = [
    "x-queue-type",
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-quorum-initial-group-size",
    "x-quorum-target-group-size",
    "x-delivery-limit",
    "x-queue-leader-locator",
    "x-queue-master-locator",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-initial-cluster-size",
    "x-nobody-knows",
];

/// A whole number within these, of whatever width.
fn is_number(value: &Value, least: i64, most: i64) -> bool {
    let number = match *value {
        Value::I8(n) => i64::from(n),
        Value::U8(n) => i64::from(n),
        Value::I16(n) => i64::from(n),
        Value::U16(n) => i64::from(n),
        Value::I32(n) => i64::from(n),
        Value::U32(n) => i64::from(n),
        Value::I64(n) => n,
        _ => return false,
    };
    (least..=most).contains(&number)
}

fn is_one_of(value: &Value, words: &[&str]) -> bool {
    words.iter().any(|word| *value == Value::text(word))
}

/// Whether a new queue of this kind may have this argument.
fn takes(kind: &str, argument: &str, value: &Value) -> bool {
    let (classic, most) = (kind == "classic", i64::MAX);
    match argument {
        "x-queue-type" => is_one_of(value, &["classic", "quorum"]),
        "x-expires" => is_number(value, 1, u32::MAX.into()),
        "x-message-ttl" => is_number(value, 0, u32::MAX.into()),
        "x-dead-letter-exchange" => matches!(value, Value::LongString(_)),
        // Without an exchange beside it.
        "x-dead-letter-routing-key" => false,
        "x-dead-letter-strategy" => !classic && is_one_of(value, &["at-most-once", "at-least-once"]),
        "x-max-length" | "x-max-length-bytes" => is_number(value, 0, most),
        "x-max-in-memory-length" | "x-max-in-memory-bytes" => !classic && is_number(value, 0, most),
        "x-max-priority" => classic && is_number(value, 0, 255),
        "x-overflow" => is_one_of(value, &["drop-head", "reject-publish", "reject-publish-dlx"]),
        "x-queue-mode" => classic && is_one_of(value, &["default", "lazy"]),
        "x-queue-version" => classic && is_number(value, 1, 2),
        "x-single-active-consumer" => matches!(value, Value::Bool(_)),
        "x-quorum-initial-group-size" | "x-quorum-target-group-size" => !classic && is_number(value, 1, most),
        "x-delivery-limit" => !classic,
        "x-queue-leader-locator" => is_one_of(value, &["client-local", "balanced", "random", "least-leaders"]),
        "x-queue-master-locator" => classic,
        "x-max-age" | "x-stream-max-segment-size-bytes" | "x-initial-cluster-size" => false,
        _ => true,
    }
}

fn of(taken: bool) -> Outcome {
    if taken { Ok(()) } else { INVALID }
}

#[test]
fn queues() {
    let site = Site::new();
    for kind in ["classic", "quorum"] {
        for argument in OF_QUEUES {
            for value in values() {
                let what = format!("{kind} {argument} {}", short(&value));
                let arguments = Table::new().with("x-queue-type", kind).with(argument, value.clone());
                let declare = QueueDeclare::new("new").durable().arguments(arguments.clone());
                let taken = takes(kind, argument, &value);
                site.attack(&what, of(taken), |channel| {
                    channel.queue_declare(&declare)?;
                    // It is a queue: it takes, hands out and takes back, whatever its limits make of that.
                    for body in ["1", "2"] {
                        channel.basic_publish(&Publish::new("", "new"), Message::new(body).priority(255)).unwrap();
                    }
                    // A quorum queue with a single active consumer has no `basic.get`.
                    let gets = kind == "classic" || argument != "x-single-active-consumer";
                    while gets && let Some(got) = channel.basic_get("new", Acknowledge::Yes)? {
                        channel.basic_ack(got.delivery.delivery_tag)?;
                    }
                    channel.basic_consume(&Consume::new("new"))?;
                    channel.queue_purge("new").map(drop)
                });
                // A topology says the same.
                let queue = arguments.iter().fold(Queue::new("new"), |q, (name, v)| q.argument(name, v.clone()));
                let declared = site.broker.declare(&Topology::new().queue(queue));
                let not_itself = format!("{value:?}").contains("NaN");
                assert!(declared.is_ok() == taken || not_itself, "{what}: {declared:?}");
                let deleted = site.broker.delete_queue(&QueueDelete::new("new"));
                assert!(deleted.is_ok(), "{what}");
            }
        }
    }
    site.broker.advance(Duration::from_secs(60 * 86_400));
    assert_eq!(site.broker.stats().queues.len(), 1);
}

/// A dead-letter routing key is any long string, beside an exchange. What no exchange or queue can be called leads
/// nowhere.
#[test]
fn dead_letter_arguments() {
    let site = Site::new();
    for value in values() {
        let what = short(&value);
        let is_text = matches!(value, Value::LongString(_));
        let declare = QueueDeclare::new("new")
            .argument("x-dead-letter-exchange", "amq.direct")
            .argument("x-dead-letter-routing-key", value.clone());
        site.attack(&what, of(is_text), |channel| channel.queue_declare(&declare));
        if is_text {
            site.broker.publish("", "new", Message::new("dies")).unwrap();
            site.broker.get("new").unwrap().unwrap().reject();
            site.is_well(&what);
        }
        site.broker.delete_queue(&QueueDelete::new("new")).unwrap();
    }
}

/// A redeclaration with any argument is equivalent or 406, never anything else; nothing is validated in it.
#[test]
fn redeclared_queues() {
    let site = Site::new();
    site.broker.declare_queue(&QueueDeclare::new("there").argument("x-max-length", 1_i64)).unwrap();
    // To Erlang a timestamp is a number like others.
    let same = |value: &Value| is_number(value, 1, 1) || *value == Value::Timestamp(1);
    for argument in OF_QUEUES {
        for value in values() {
            let declare = QueueDeclare::new("there").argument("x-max-length", 1_i64).argument(argument, value.clone());
            let expected = match argument {
                "x-max-length" => of(same(&value)),
                "x-queue-type" => of(is_one_of(&value, &["classic"])),
                // Not among what is compared for a classic queue.
                "x-dead-letter-strategy"
                | "x-max-in-memory-length"
                | "x-max-in-memory-bytes"
                | "x-quorum-initial-group-size"
                | "x-quorum-target-group-size"
                | "x-delivery-limit"
                | "x-max-age"
                | "x-stream-max-segment-size-bytes"
                | "x-initial-cluster-size"
                | "x-nobody-knows" => Ok(()),
                _ => INVALID,
            };
            site.attack(&format!("{argument} {}", short(&value)), expected, |channel| channel.queue_declare(&declare));
        }
    }
}

#[test]
fn exchanges() {
    let site = Site::new();
    for argument in ["alternate-exchange", "x-delayed-type", "x-nobody-knows", ""] {
        for value in values() {
            let what = format!("{argument} {}", short(&value));
            let taken = argument != "alternate-exchange" || matches!(value, Value::LongString(_));
            let declare = ExchangeDeclare::new("new", "topic").argument(argument, value.clone());
            site.attack(&what, of(taken), |channel| {
                channel.exchange_declare(&declare)?;
                // Unroutable here; the alternate, if there is one, gets it.
                channel.basic_publish(&Publish::new("new", "key"), Message::new("m")).unwrap();
                channel.exchange_declare(&declare.clone().passive())
            });
            site.broker.delete_exchange(&leveret::ExchangeDelete::new("new")).unwrap();
            let exchange = Exchange::new("new", ExchangeKind::Topic).argument(argument, value);
            let declared = site.broker.declare(&Topology::new().exchange(exchange));
            assert_eq!(declared.is_ok(), taken, "{what}");
            site.broker.delete_exchange(&leveret::ExchangeDelete::new("new")).unwrap();
        }
    }
}

#[test]
fn bindings() {
    let site = Site::new();
    site.broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for argument in ["x-match", "header", "x-header", ""] {
        for value in values() {
            for exchange in ["amq.headers", "amq.topic"] {
                let what = format!("{exchange} {argument} {}", short(&value));
                let words = ["all", "any", "all-with-x", "any-with-x"];
                let taken = exchange == "amq.topic" || argument != "x-match" || is_one_of(&value, &words);
                let arguments = Table::new().with(argument, value.clone());
                let binding = QueueBinding::new("q", exchange).arguments(arguments.clone());
                site.attack(&what, of(taken), |channel| {
                    channel.queue_bind(&binding)?;
                    let message = Message::new("m").header(argument, value.clone());
                    channel.basic_publish(&Publish::new(exchange, ""), message).unwrap();
                    // The same arguments are the same binding, whatever is in them.
                    let before = site.broker.stats().bindings;
                    channel.queue_bind(&binding)?;
                    assert_eq!(site.broker.stats().bindings, before, "{what}");
                    channel.queue_unbind(&binding)?;
                    assert_eq!(site.broker.stats().bindings, before - 1, "{what}");
                    Ok(())
                });
                // What cannot be bound cannot be bound now.
                site.attack(&what, Ok(()), |channel| channel.queue_unbind(&binding));
                let to_exchange = ExchangeBinding::new("amq.fanout", exchange).arguments(arguments.clone());
                site.attack(&what, of(taken), |channel| {
                    channel.exchange_bind(&to_exchange)?;
                    channel.exchange_unbind(&to_exchange)
                });
                let plain = Binding::to(exchange).arguments(arguments);
                assert_eq!(site.broker.bind("q", &plain).is_ok(), taken);
                site.broker.unbind("q", &plain).unwrap();
            }
        }
    }
    assert_eq!(site.broker.stats().bindings, 1);
}

#[test]
fn consumers() {
    let site = Site::new();
    for kind in ["classic", "quorum"] {
        site.broker.declare_queue(&QueueDeclare::new(kind).durable().argument("x-queue-type", kind)).unwrap();
        let known = ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"];
        for argument in known.into_iter().chain(["x-priority", "x-cancel-on-ha-failover", "x-nobody-knows"]) {
            for value in values() {
                let taken = match argument {
                    "x-priority" => is_number(&value, i64::MIN, i64::MAX),
                    other => !known.contains(&other),
                };
                let what = format!("{kind} {argument} {}", short(&value));
                site.attack(&what, of(taken), |channel| {
                    channel.basic_consume(&Consume::new(kind).argument(argument, value))?;
                    channel.basic_publish(&Publish::new("", kind), Message::new("m")).unwrap();
                    let Ok(leveret::ChannelEvent::Deliver(_)) = channel.try_recv() else { panic!("{what}") };
                    channel.basic_ack(1)
                });
            }
        }
    }
}

/// The bounds of what arguments may hold: 64 levels are taken, 65 and 20,000 are refused; so are names beyond 255 bytes.
#[test]
fn arguments_that_are_too_much() {
    const TOO_MUCH: Outcome = Err((Scope::Connection, ReplyCode::ResourceError));
    let site = Site::new();
    site.broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    let deep = |levels| Table::new().with("deep", nested(levels - 1_usize));
    let name = |bytes| Table::new().with("n".repeat(bytes), Value::Void);
    let many = |fields: usize| Table::new().with("many", vec![Value::Void; fields - 1]);
    let bytes = |bytes: usize| Table::new().with("1234", "x".repeat(bytes - 4));
    let cases = [
        (deep(64), Ok(())),
        (deep(65), TOO_MUCH),
        (deep(20_000), TOO_MUCH),
        (name(255), Ok(())),
        (name(256), TOO_MUCH),
        (many(4_096), Ok(())),
        (many(4_097), TOO_MUCH),
        (bytes(131_072), Ok(())),
        (bytes(131_073), TOO_MUCH),
    ];
    for (arguments, expected) in cases {
        let what = short(&arguments);
        let a = || arguments.clone();
        site.attack(&what, expected, |c| c.queue_declare(&QueueDeclare::new("new").exclusive().arguments(a())));
        site.attack(&what, expected, |c| {
            c.exchange_declare(&ExchangeDeclare::new("new", "headers").arguments(a()))?;
            c.exchange_delete(&leveret::ExchangeDelete::new("new"))
        });
        site.attack(&what, expected, |c| {
            c.queue_bind(&QueueBinding::new("q", "amq.headers").arguments(a()))?;
            c.queue_unbind(&QueueBinding::new("q", "amq.headers").arguments(a()))
        });
        site.attack(&what, expected, |c| {
            c.exchange_bind(&ExchangeBinding::new("amq.topic", "amq.direct").arguments(a()))?;
            c.exchange_unbind(&ExchangeBinding::new("amq.topic", "amq.direct").arguments(a()))
        });
        site.attack(&what, expected, |c| c.basic_consume(&Consume::new("q").arguments(a())));
    }
}
