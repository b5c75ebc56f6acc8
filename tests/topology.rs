//! Topologies as data: declared as a whole or not at all.

use leveret::{
    Binding, Broker, DeclareError, Exchange, Inequivalent, Item, Limits, Overflow, Policy, Problem, Queue,
    QueueDeclare, ReplyCode, Table, Topology, TopologyError, Value,
};
use std::time::Duration;

fn shop() -> Topology {
    Topology::new()
        .policy(Policy::new("cap", "^orders").define("max-length", 5_i64))
        .exchange(Exchange::topic("events").alternate("unrouted"))
        .exchange(Exchange::fanout("unrouted"))
        .exchange(Exchange::headers("by-tier").bind("events", "vip.#"))
        .queue(Queue::new("orders").bind("events", "order.#").dead_letter_to("orders.dlq"))
        .queue(Queue::new("orders.dlq").max_length(10, Overflow::DropHead))
        .queue(
            Queue::new("vip")
                .quorum()
                .binding(Binding::to("by-tier").argument("x-match", "any").argument("tier", "vip")),
        )
}

fn problems(broker: &Broker, topology: &Topology) -> Vec<String> {
    let error: DeclareError = broker.declare(topology).expect_err("refused");
    assert_eq!(error.to_string(), {
        let all: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
        format!("nothing was declared: {}", all.join("; "))
    });
    error.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn declaring_twice_changes_nothing() {
    let broker = Broker::new();
    let first = broker.declare(&shop()).expect("declared");
    let names: Vec<_> = first.created.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "policy 'cap'",
            "exchange 'events'",
            "exchange 'unrouted'",
            "exchange 'by-tier'",
            "queue 'orders'",
            "queue 'orders.dlq'",
            "queue 'vip'",
            "binding from 'events' to 'by-tier' with key 'vip.#'",
            "binding from 'events' to 'orders' with key 'order.#'",
            "binding from 'by-tier' to 'vip' with key ''",
        ]
    );
    let second = broker.declare(&shop()).expect("declared again");
    assert_eq!(second.existing, first.created);
    assert!(second.created.is_empty() && second.replaced.is_empty());
    assert_eq!(broker.topology(), shop());
    let other = Topology::new().policy(Policy::new("cap", "^orders").define("max-length", 6_i64));
    assert_eq!(broker.declare(&other).expect("declared").replaced, [Item::Policy("cap".into())]);
}

#[test]
fn every_mismatch_is_told_and_nothing_is_declared() {
    let broker = Broker::new();
    broker.declare(&shop()).expect("declared");
    let other = Topology::new()
        .queue(Queue::new("new"))
        .exchange(Exchange::direct("events").transient())
        .queue(Queue::new("orders").quorum().dead_letter_to("other").max_priority(3).transient())
        .queue(Queue::new("vip").bind("nowhere", ""))
        .queue(Queue::new("bad").message_ttl(Duration::from_secs(5_000_000)))
        .queue(Queue::new("amq.own"))
        .queue(Queue::new(""))
        .queue(Queue::new("new").auto_delete())
        .queue(Queue::new("n".repeat(256)))
        .queue(Queue::new("odd").binding(Binding::to("by-tier").argument("x-match", "some")))
        .policy(Policy::new("lost", "(?=x)").define("max-length", 1_i64));
    let error = broker.declare(&other).expect_err("refused");
    let text = problems(&broker, &other);
    assert_eq!(
        text,
        [
            "policy 'lost': the pattern '(?=x)' cannot be used: look-around is not supported",
            "inequivalent arg 'type' for exchange 'events' in vhost '/': received 'direct' but current is 'topic'",
            "inequivalent arg 'durable' for exchange 'events' in vhost '/': received 'false' but current is 'true'",
            "inequivalent arg 'alternate-exchange' for exchange 'events' in vhost '/': received none but current is the \
             value 'unrouted' of type 'longstr'",
            "inequivalent arg 'durable' for queue 'orders' in vhost '/': received 'false' but current is 'true'",
            "inequivalent arg 'x-dead-letter-routing-key' for queue 'orders' in vhost '/': received 'other' but current \
             is 'orders.dlq'",
            "inequivalent arg 'x-max-priority' for queue 'orders' in vhost '/': received the value '3' of type 'long' \
             but current is none",
            "inequivalent arg 'x-queue-type' for queue 'orders' in vhost '/': received 'quorum' but current is 'classic'",
            "inequivalent arg 'x-queue-type' for queue 'vip' in vhost '/': received 'classic' but current is 'quorum'",
            "invalid arg 'x-message-ttl' for queue 'bad' in vhost '/': {value_too_large,5000000000}",
            "queue name 'amq.own' contains reserved prefix 'amq.*'",
            "a queue has no name; a topology must say it",
            "queue 'new' is wanted twice, and differently",
            &format!("the name '{}…' has 256 bytes; at most 255 are allowed", "n".repeat(32)),
            "no exchange 'nowhere' in vhost '/'",
            "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x",
        ]
    );
    let Some(Problem::Mismatch(Inequivalent { argument, received, current, .. })) = error.problems.get(1) else {
        panic!("{error:?}");
    };
    assert_eq!((*argument, received, current), ("type", &Some(Value::from("direct")), &Some(Value::from("topic"))));
    assert_eq!(broker.topology(), shop());
}

#[test]
fn limits_are_told_before_anything_is_made() {
    let mut limits = Limits::default();
    (limits.queues, limits.exchanges, limits.bindings, limits.policies) = (3, 9, 4, 1);
    let broker = Broker::builder().limits(limits).build();
    broker.declare(&shop()).expect("just fits");
    let more = Topology::new()
        .policy(Policy::new("more", "").define("expires", 1_i64))
        .exchange(Exchange::fanout("more"))
        .queue(Queue::new("orders").dead_letter_to("orders.dlq").bind("events", "1").bind("events", "2"))
        .queue(Queue::new("more"));
    let text = problems(&broker, &more);
    let limit = |what: &str, n: usize| {
        format!("more than {n} {what} are not allowed by the broker's limits; raise the limit or delete some")
    };
    assert_eq!(text, [limit("policies", 1), limit("exchanges", 9), limit("queues", 3), limit("bindings", 4)]);
    assert_eq!(broker.topology(), shop());
}

#[test]
fn predeclared_exchanges_are_there_as_they_are() {
    let broker = Broker::new();
    let bound = Topology::new()
        .exchange(Exchange::fanout("amq.fanout").bind("amq.topic", "a.#"))
        .queue(Queue::new("q").bind("amq.fanout", ""));
    let report = broker.declare(&bound).expect("declared");
    assert_eq!(report.existing, [Item::Exchange("amq.fanout".into())]);
    assert_eq!(broker.topology(), bound);
    let text =
        problems(&broker, &Topology::new().exchange(Exchange::direct("amq.fanout")).exchange(Exchange::direct("")));
    assert_eq!(
        text,
        [
            "inequivalent arg 'type' for exchange 'amq.fanout' in vhost '/': received 'direct' but current is 'fanout'",
            "operation not permitted on the default exchange",
        ]
    );
    let text = problems(&broker, &Topology::new().queue(Queue::new("q").bind("", "other")));
    assert_eq!(text, ["operation not permitted on the default exchange"]);
}

#[test]
fn errors_carry_rabbitmqs_codes() {
    let no_queue = TopologyError::NoQueue { queue: "q".into() };
    assert_eq!((no_queue.reply_code(), &*no_queue.to_string()), (ReplyCode::NotFound, "no queue 'q' in vhost '/'"));
    let locked = TopologyError::Locked { queue: "e".into() };
    assert_eq!(locked.reply_code(), ReplyCode::ResourceLocked);
    assert_eq!(
        locked.to_string(),
        "cannot obtain exclusive access to locked queue 'e' in vhost '/'. It could be originally declared on another \
         connection or the exclusive property value does not match that of the original declaration."
    );
    assert_eq!(TopologyError::DefaultExchange.reply_code(), ReplyCode::AccessRefused);
}

#[cfg(feature = "serde")]
#[test]
fn a_real_brokers_definitions_can_be_declared() {
    let broker = Broker::new();
    let read = Topology::from_definitions(include_str!("data/shop.full.definitions.json")).expect("read");
    let report = broker.declare(&read.topology).expect("declared");
    assert!(report.existing.is_empty());
    assert_eq!(report.created.len(), 1 + 7 + 23 + 23);
    let written = broker.topology().to_definitions();
    assert_eq!(Topology::from_definitions(&written).expect("read back").topology, read.topology);
}

/// It would have no end: it ends with its connection.
#[test]
fn an_exclusive_queue_needs_a_connection() {
    let broker = Broker::new();
    let refused = broker.declare_queue(&QueueDeclare::new("mine").exclusive()).unwrap_err();
    assert_eq!((refused.reply_code().code(), broker.queue("mine").is_err()), (405, true));
    assert!(refused.to_string().contains("declare it on a channel"), "{refused}");
}

/// RabbitMQ's texts about bindings have values as Erlang prints them.
#[test]
fn values_that_are_refused_are_told_as_erlang_prints_them() {
    let broker = Broker::new();
    broker.declare(&Topology::new().exchange(Exchange::headers("x")).queue(Queue::new("q"))).unwrap();
    let refused =
        |value: Value| broker.bind("q", &Binding::to("x").argument("x-match", value)).unwrap_err().to_string();
    for (value, told) in [
        (Value::from("so\"me"), "value <<\"so\\\"me\">>; expected all, any, all-with-x, or any-with-x"),
        (Value::from("é"), "value <<\"é\"/utf8>>; expected all, any, all-with-x, or any-with-x"),
        (Value::from("a\n"), "value <<97,10>>; expected all, any, all-with-x, or any-with-x"),
        (Value::from(5_i64), "type long (value 5); expected longstr"),
        (
            Value::from(vec![Value::from("a"), Value::from(1_i64), Value::Array(leveret::List::new())]),
            "type array (value [{longstr,<<\"a\">>},{long,1},{array,[]}]); expected longstr",
        ),
        (
            Table::new().with("a", 1_i64).with("b", true).with("c", "d").into(),
            "type table (value [{<<\"a\">>,long,1},{<<\"b\">>,bool,true},{<<\"c\">>,longstr,<<\"d\">>}]); expected longstr",
        ),
    ] {
        assert_eq!(refused(value), format!("Invalid x-match field {told}"));
    }
}
