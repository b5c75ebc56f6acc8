//! What declaring would do, told before it is done.

use leveret::{Binding, Broker, Exchange, Overflow, Place, Policy, Queue, QueueDeclare, Topology, TopologyDiff, Value};

fn shop() -> Topology {
    Topology::new()
        .policy(Policy::new("cap", "^orders").define("max-length", 5_i64))
        .exchange(Exchange::topic("events").alternate("unrouted"))
        .exchange(Exchange::fanout("unrouted"))
        .exchange(Exchange::headers("by-tier").bind("events", "vip.#"))
        .queue(Queue::new("orders").bind("events", "order.#").dead_letter_to("orders.dlq"))
        .queue(Queue::new("orders.dlq").max_length(10, Overflow::DropHead))
        .queue(Queue::new("vip").binding(Binding::to("by-tier").argument("x-match", "any").argument("tier", "vip")))
}

fn declared(topology: &Topology) -> Broker {
    let broker = Broker::new();
    broker.declare(topology).expect("declared");
    broker
}

fn lines(places: &[Place]) -> Vec<String> {
    places.iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_broker_lacks_everything_and_declaring_creates_just_that() {
    let broker = Broker::new();
    let diff = shop().diff(&broker);
    let expected = [
        "policy 'cap'",
        "exchange 'events'",
        "exchange 'unrouted'",
        "exchange 'by-tier'",
        "queue 'orders'",
        "queue 'orders.dlq'",
        "queue 'vip'",
        "binding from 'events' to exchange 'by-tier' with key 'vip.#'",
        "binding from 'events' to queue 'orders' with key 'order.#'",
        "binding from 'by-tier' to queue 'vip' with key '' and arguments x-match: any, tier: vip",
    ];
    assert_eq!(lines(&diff.to_create), expected);
    assert!(!diff.is_declared() && diff.can_be_declared());
    assert!(diff.equal.is_empty() && diff.different.is_empty() && diff.beyond.is_empty());
    assert_eq!(broker.topology(), Topology::new(), "asking changes nothing");

    let report = broker.declare(&shop()).expect("declared");
    assert_eq!(report.created.len(), diff.to_create.len());
    let again = shop().diff(&broker);
    assert_eq!(again.equal, diff.to_create);
    assert!(again.is_declared() && again.to_create.is_empty() && again.beyond.is_empty());
    assert!(again.to_string().starts_with("equal:\n  = policy 'cap'\n"), "{again}");
    assert!(again.to_string().ends_with("\ndeclaring it would change nothing"), "{again}");
}

#[test]
fn every_field_that_differs_is_told_with_old_and_new_value() {
    let broker = declared(&shop());
    let wanted = Topology::new()
        .policy(Policy::new("cap", "^order").priority(2).define("max-length", 6_i64).define("overflow", "drop-head"))
        .exchange(Exchange::direct("events").internal().transient())
        .queue(Queue::new("orders").transient().max_length(7, Overflow::RejectPublish).dead_letter_to("orders.dlq"))
        .queue(Queue::new("vip").quorum());
    let diff = wanted.diff(&broker);
    assert_eq!(
        diff.to_string(),
        "\
different:
  ~ policy 'cap': pattern is '^orders', wanted '^order'; priority is 0, wanted 2; max-length is 5, wanted 6; \
overflow is not set, wanted 'drop-head'
  ~ exchange 'events': type is 'topic', wanted 'direct'; durable is true, wanted false; internal is false, wanted \
true; alternate-exchange is 'unrouted', wanted not set
  ~ queue 'orders': durable is true, wanted false; x-max-length is not set, wanted 7; x-overflow is not set, wanted \
'reject-publish'
  ~ queue 'vip': x-queue-type is 'classic', wanted 'quorum'
beyond the topology:
  - exchange 'unrouted'
  - exchange 'by-tier'
  - queue 'orders.dlq'
  - binding from 'events' to exchange 'by-tier' with key 'vip.#'
  - binding from 'events' to queue 'orders' with key 'order.#'
  - binding from 'by-tier' to queue 'vip' with key '' and arguments x-match: any, tier: vip
declaring it would be refused: delete and declare anew what is different, or want it as it is"
    );
    let orders = &diff.different[2].fields[1];
    assert_eq!((orders.current.clone(), orders.wanted.clone()), (None, Some(Value::I64(7))));
    // What it says of refusal is what declaring says.
    let error = broker.declare(&wanted).expect_err("refused");
    let fields: usize = diff.different[1..].iter().map(|difference| difference.fields.len()).sum();
    assert_eq!(error.problems.len(), fields);
    assert_eq!(broker.topology(), shop());
}

#[test]
fn a_policy_that_differs_keeps_nothing_from_being_declared() {
    let broker = declared(&shop());
    let wanted = Topology::new().policy(Policy::new("cap", "^orders").define("max-length-bytes", 5_i64));
    let diff = wanted.diff(&broker);
    assert!(diff.can_be_declared() && !diff.is_declared());
    let fields: Vec<_> = diff.different[0].fields.iter().map(ToString::to_string).collect();
    assert_eq!(fields, ["max-length is 5, wanted not set", "max-length-bytes is not set, wanted 5"]);
    assert_eq!(broker.declare(&wanted).expect("declared").replaced.len(), 1);
    assert!(wanted.diff(&broker).is_declared());
}

#[test]
fn bindings_are_told_apart_by_key_arguments_and_what_they_lead_to() {
    let by = |tier: &str| Binding::to("amq.headers").argument("x-match", "all").argument("tier", tier);
    let broker = declared(
        &Topology::new()
            .exchange(Exchange::fanout("audit").bind("amq.topic", "#"))
            .queue(Queue::new("audit").binding(by("vip")).binding(by("plain")).bind("audit", "")),
    );
    let swapped = Binding::to("amq.headers").argument("tier", "vip").argument("x-match", "all");
    let wanted = Topology::new()
        .exchange(Exchange::fanout("audit"))
        .queue(Queue::new("audit").binding(swapped).binding(by("silver")).bind("amq.topic", "#").bind("audit", ""));
    let diff = wanted.diff(&broker);
    assert_eq!(
        lines(&diff.to_create),
        [
            "binding from 'amq.headers' to queue 'audit' with key '' and arguments x-match: all, tier: silver",
            "binding from 'amq.topic' to queue 'audit' with key '#'",
        ]
    );
    assert_eq!(
        lines(&diff.beyond),
        [
            "binding from 'amq.topic' to exchange 'audit' with key '#'",
            "binding from 'amq.headers' to queue 'audit' with key '' and arguments x-match: all, tier: plain",
        ]
    );
    assert_eq!(diff.equal.len(), 4);
}

#[test]
fn what_the_broker_has_by_itself_is_not_beyond() {
    let broker = Broker::new();
    let connection = broker.connect().expect("connected");
    let channel = connection.open_channel().expect("a channel");
    let mine = QueueDeclare::new("mine").exclusive();
    channel.queue_declare(&mine).expect("declared");
    channel.queue_declare(&QueueDeclare::new("")).expect("named by the broker");
    assert_eq!(Topology::new().diff(&broker), TopologyDiff::default());
    let wanted = Topology::new().exchange(Exchange::topic("amq.topic")).queue(Queue::new("mine").transient());
    let diff = wanted.diff(&broker);
    assert_eq!(lines(&diff.equal), ["exchange 'amq.topic'"]);
    assert_eq!(diff.different[0].to_string(), "queue 'mine': exclusive is true, wanted false");
    assert!(broker.declare(&wanted).is_err());
}

#[test]
fn names_are_compared_as_they_are_declared() {
    let topology = Topology::new()
        .exchange(Exchange::topic("ev\r\nents"))
        .queue(Queue::new("or\nders").bind("ev\nents", "a\u{1b}[31m"))
        .queue(Queue::new("or\nders").bind("events", "a\u{1b}[31m"));
    let diff = topology.diff(&Broker::new());
    assert_eq!(lines(&diff.to_create)[..2], ["exchange 'events'", "queue 'orders'"]);
    assert_eq!(diff.to_create.len(), 3, "{diff}");
    assert!(diff.to_string().contains("with key 'a\\u{1b}[31m'"), "{diff}");
    assert!(topology.diff(&declared(&topology)).is_declared());
}

#[test]
fn what_cannot_be_declared_is_still_compared() {
    let long = "x".repeat(300);
    let topology =
        Topology::new().exchange(Exchange::topic("e")).queue(Queue::new(&*long).bind("e", "k").bind("", "k"));
    let broker = declared(&Topology::new().exchange(Exchange::topic("e")));
    let diff = topology.diff(&broker);
    assert_eq!((diff.equal.len(), diff.to_create.len()), (1, 3));
    drop(broker.shutdown().wait());
    assert_eq!(topology.diff(&broker).to_create.len(), 4);
}

#[cfg(feature = "serde")]
#[test]
fn a_diff_is_serde_data() {
    let broker = declared(&Topology::new().queue(Queue::new("a")));
    let wanted = Topology::new().queue(Queue::new("a").max_length(3, Overflow::DropHead).bind("amq.topic", "k"));
    let json = serde_json::to_value(wanted.diff(&broker)).expect("json");
    let expected = serde_json::json!({
        "to_create": [
            {"kind": "queue_binding", "source": "amq.topic", "queue": "a", "key": "k", "arguments": {}},
        ],
        "equal": [],
        "different": [{
            "place": {"kind": "queue", "name": "a"},
            "fields": [{"field": "x-max-length", "current": null, "wanted": 3}],
        }],
        "beyond": [],
    });
    assert_eq!(json, expected);
}
