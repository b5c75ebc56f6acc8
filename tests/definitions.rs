//! Definitions files: real exports, both ways, and hostile ones.

#![cfg(feature = "serde")]

use leveret::{
    ApplyTo, Binding, Definitions, DefinitionsError, Exchange, Overflow, Policy, Queue, Strategy, Table, Topology,
    Value,
};
use proptest::prelude::{Just, ProptestConfig, Strategy as Generate, any, prop, prop_oneof, proptest};
use std::time::Duration;

const VHOST_EXPORT: &str = include_str!("data/shop.vhost.definitions.json");
const BROKER_EXPORT: &str = include_str!("data/shop.full.definitions.json");

fn read(json: &str) -> Definitions {
    Topology::from_definitions(json).unwrap_or_else(|error| panic!("{error}\n{json}"))
}

fn fails(json: &str) -> DefinitionsError {
    match Topology::from_definitions(json) {
        Ok(read) => panic!("accepted: {read:?}"),
        Err(error) => error,
    }
}

#[test]
fn a_virtual_hosts_export_is_read_whole() {
    let Definitions { topology, vhost, notices, .. } = read(VHOST_EXPORT);
    assert_eq!(vhost.as_deref(), Some("shop"));
    assert_eq!(notices, []);
    assert_eq!((topology.exchanges().len(), topology.queues().len(), topology.policies().len()), (7, 23, 1));
    let audit = topology.exchanges().find(|exchange| exchange.name() == "audit").expect("audit");
    assert_eq!(audit.bindings().collect::<Vec<_>>(), [&Binding::to("events").key("#")]);
    let check = topology.queues().find(|queue| queue.name() == "fraud-check").expect("fraud-check");
    let quorum = Queue::new("fraud-check").dead_letter_exchange("dead").dead_letter_routing_key("fraud-check");
    assert_eq!(*check, quorum.delivery_limit(5).quorum());
    let vip = topology.queues().find(|queue| queue.name() == "vip-orders").expect("vip-orders");
    let match_all = Table::new().with("region", "eu").with("tier", "vip").with("x-match", "all");
    assert_eq!(
        *vip,
        Queue::new("vip-orders").max_priority(10).binding(Binding::to("by-attributes").arguments(match_all))
    );
    let policy = topology.policies().next().expect("a policy");
    let expected = Policy::new("expire-unrouted", "^unrouted$")
        .apply_to(ApplyTo::Queues)
        .priority(1)
        .message_ttl(Duration::from_secs(86_400))
        .define("max-length", 100_000_i64);
    assert_eq!(*policy, expected);
}

#[test]
fn a_brokers_export_is_the_same_topology_with_notices() {
    let broker = read(BROKER_EXPORT);
    assert_eq!(broker.topology, read(VHOST_EXPORT).topology);
    assert_eq!(broker.vhost.as_deref(), Some("shop"));
    let places: Vec<_> = broker.notices.iter().map(|notice| &*notice.place).collect();
    assert_eq!(places, ["global_parameters", "permissions"]);
    let named = Topology::from_definitions_vhost(BROKER_EXPORT, "shop").expect("named");
    assert_eq!(named, broker);
    let root = Topology::from_definitions_vhost(BROKER_EXPORT, "/").expect("the empty one");
    assert_eq!(root.topology, Topology::new());
    let error = Topology::from_definitions_vhost(BROKER_EXPORT, "store").expect_err("none such");
    assert_eq!(error.to_string(), "there is no virtual host 'store' in it, only: /, shop");
}

#[test]
fn what_is_written_says_what_was_read() {
    let topology = read(VHOST_EXPORT).topology;
    let written = topology.to_definitions();
    assert_eq!(read(&written).topology, topology);
    // Section by section, and regardless of order, it is what RabbitMQ itself wrote.
    let (ours, theirs): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&written).expect("ours"), serde_json::from_str(VHOST_EXPORT).expect("theirs"));
    for section in ["exchanges", "queues", "bindings", "policies"] {
        let sorted = |file: &serde_json::Value| {
            let mut lines: Vec<_> = file[section].as_array().expect("a list").iter().map(canonical).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&ours), sorted(&theirs), "{section}");
    }
}

/// A JSON value as text with sorted names.
fn canonical(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().map(|(name, value)| format!("{name}={}", canonical(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
        other => other.to_string(),
    }
}

#[test]
fn what_has_no_counterpart_is_told() {
    let read = read(
        r#"{
        "rabbitmq_definition_format": "single_virtual_host", "rabbit_version": "4.0.5", "shards": [1],
        "default_queue_type": "quorum",
        "users": [{"name": "guest"}, {"name": "app"}],
        "parameters": [
            {"component": "operator_policy", "name": "cap", "value": {}},
            {"component": "shovel", "name": "s", "value": {}}
        ],
        "policies": [
            {"name": "lookahead", "pattern": "^(?!amq)", "definition": {"max-length": 5}},
            {"name": "federated", "pattern": ".*", "definition": {"federation-upstream-set": "all"}},
            {"name": "half", "pattern": ".*", "definition": {"ha-mode": "all", "expires": 9}, "apply-to": "queues"}
        ],
        "exchanges": [
            {"name": "later", "type": "x-delayed-message", "durable": true, "auto_delete": false, "arguments": {}},
            {"name": "amq.topic", "type": "topic", "durable": true, "auto_delete": false, "arguments": {}}
        ],
        "queues": [
            {"name": "log", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "stream"}},
            {"name": "amq.gen-1", "durable": true, "auto_delete": false, "arguments": {}},
            {"name": "q", "durable": true, "auto_delete": false, "arguments": []}
        ],
        "bindings": [
            {"source": "", "destination": "q", "destination_type": "queue", "routing_key": "q", "arguments": {}},
            {"source": "later", "destination": "q", "destination_type": "queue", "routing_key": "", "arguments": {}},
            {"source": "amq.topic", "destination": "log", "destination_type": "queue", "routing_key": "", "arguments": {}},
            {"source": "amq.topic", "destination": "q", "destination_type": "queue", "routing_key": "a", "arguments": {}},
            {"source": "amq.topic", "destination": "q", "destination_type": "queue", "routing_key": "a", "arguments": {}}
        ]}"#,
    );
    let told: Vec<_> = read.notices.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 16, "{told:#?}");
    for (place, words) in [
        ("shards", "not a section"),
        ("users", "2 left out"),
        ("default_queue_type", "classic here"),
        ("parameters[0]", "operator policies"),
        ("parameters[1]", "'shovel'"),
        ("policies[0]", "'^(?!amq)' cannot be used"),
        ("policies[1]", "'federation-upstream-set'"),
        ("policies[1]", "nothing in it"),
        ("policies[2]", "'ha-mode'"),
        ("exchanges[0]", "'x-delayed-message'"),
        ("exchanges[1]", "has its own"),
        ("queues[0]", "streams"),
        ("queues[1]", "broker's own"),
        ("bindings[0]", "by its name"),
        ("bindings[1]", "no exchange 'later'"),
        ("bindings[2]", "no queue 'log'"),
    ] {
        let known = told.iter().any(|line| line.starts_with(&format!("{place}: ")) && line.contains(words));
        assert!(known, "{place}: {words}: {told:#?}");
    }
    let expected = Topology::new()
        .policy(Policy::new("half", ".*").apply_to(ApplyTo::Queues).define("expires", 9_i64))
        .queue(Queue::new("q").bind("amq.topic", "a"));
    assert_eq!(read.topology, expected);
}

/// As RabbitMQ's import has it: binding once more what is bound changes nothing.
#[test]
fn a_binding_that_is_there_twice_is_one() {
    let bound = |arguments: &str| {
        format!(r#"{{"source":"x","destination":"q","destination_type":"queue","routing_key":"k"{arguments}}}"#)
    };
    let bindings = |arguments: &[&str]| {
        let bindings: Vec<String> = arguments.iter().map(|arguments| bound(arguments)).collect();
        let file = format!(
            r#"{{"exchanges":[{{"name":"x","type":"headers","durable":true,"auto_delete":false,"arguments":{{}}}}],
                "queues":[{{"name":"q","durable":true,"auto_delete":false,"arguments":{{}}}}],"bindings":[{}]}}"#,
            bindings.join(",")
        );
        let topology = read(&file).topology;
        assert_eq!(read(&topology.to_definitions()).topology, topology);
        topology.queues().map(|queue| queue.bindings().len()).sum::<usize>()
    };
    assert_eq!(bindings(&["", r#","arguments":{}"#, r#","arguments":null"#]), 1);
    assert_eq!(bindings(&[r#","arguments":{"a":1,"b":2}"#, r#","arguments":{"b":2,"a":1}"#]), 1);
    assert_eq!(bindings(&[r#","arguments":{"a":1}"#, r#","arguments":{"a":1.0}"#, r#","arguments":{"b":1}"#, ""]), 4);
}

#[test]
fn several_virtual_hosts_must_be_told_apart() {
    let json = r#"{"vhosts": [{"name": "a"}, {"name": "b"}, {"name": "c"}], "queues": [
        {"name": "q", "vhost": "b", "durable": true, "auto_delete": false, "arguments": {}},
        {"name": "q", "vhost": "a", "durable": false, "auto_delete": false, "arguments": {}}]}"#;
    assert_eq!(fails(json), DefinitionsError::SeveralVhosts { names: vec!["a".into(), "b".into()] });
    let a = Topology::from_definitions_vhost(json, "a").expect("a");
    assert_eq!(a.topology, Topology::new().queue(Queue::new("q").transient()));
    let c = Topology::from_definitions_vhost(json, "c").expect("c");
    assert_eq!(c.topology, Topology::new());
}

#[test]
fn mistakes_are_told_with_their_place() {
    let queue = |rest: &str| format!(r#"{{"queues": [{{"name": "q", "durable": true, {rest}}}]}}"#);
    let long = "n".repeat(256);
    for (json, text) in [
        ("".into(), "this cannot be read as JSON: EOF while parsing a value at line 1 column 0".into()),
        ("[]".into(), "the file: a list stands where an object is expected".into()),
        (r#"{"queues": 5}"#.into(), "queues: a number stands where a list is expected".into()),
        (r#"{"queues": [5]}"#.into(), "queues[0]: a number stands where an object is expected".into()),
        (r#"{"queues": [{}]}"#.into(), "queues[0].name is missing".into()),
        (queue(r#""auto_delete": "no""#), "queues[0].auto_delete: text stands where true or false is expected".into()),
        (queue(r#""auto_delete": null"#), "queues[0].auto_delete is missing".into()),
        (
            queue(r#""auto_delete": false, "arguments": {"x-max-length": 18446744073709551615}"#),
            "queues[0].arguments.x-max-length: 18446744073709551615 is no whole number of at most 64 bits with a sign"
                .into(),
        ),
        (
            queue(r#""auto_delete": false, "arguments": {"x-max-length": "10"}"#),
            "queues[0]: RabbitMQ would refuse this queue: invalid arg 'x-max-length' for queue 'q' in vhost '/': \
             \"expected integer, got longstr\""
                .into(),
        ),
        (
            format!(r#"{{"queues": [{{"name": "{long}"}}]}}"#),
            format!("queues[0].name: the name '{}…' has 256 bytes; at most 255 are allowed", "n".repeat(32)),
        ),
        (
            r#"{"policies": [{"name": "p", "pattern": "x", "definition": {"expires": 0}}]}"#.into(),
            "policies[0]: RabbitMQ would refuse this policy: policy 'p': 'expires' is '0' but must be a whole number \
             above 0"
                .into(),
        ),
        (
            r#"{"policies": [{"name": "p", "pattern": "x", "apply-to": "cats", "definition": {}}]}"#.into(),
            "policies[0].apply-to: text stands where a word of apply-to is expected".into(),
        ),
        (
            r#"{"exchanges": [{"name": "x", "type": "topic", "durable": true, "auto_delete": false, "internal": 1}]}"#
                .into(),
            "exchanges[0].internal: a number stands where true or false is expected".into(),
        ),
        (
            r#"{"queues": [
                {"name": "q", "durable": true, "auto_delete": false}, {"name": "q", "durable": false, "auto_delete": false}
            ]}"#
            .into(),
            "queues[1]: 'q' stands here again, and not as before; remove one of the two".into(),
        ),
    ] {
        assert_eq!(fails(&json).to_string(), text as String);
    }
}

#[test]
fn hostile_files_are_refused_quickly() {
    let deep = format!(r#"{{"queues": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(fails(&deep), DefinitionsError::Json { .. }));
    let many: Vec<_> = (0..5_000).map(|n| format!(r#""k{n}": 1"#)).collect();
    let json = format!(
        r#"{{"queues": [{{"name": "q", "durable": true, "auto_delete": false, "arguments": {{{}}}}}]}}"#,
        many.join(",")
    );
    assert!(matches!(fails(&json), DefinitionsError::TooMany { limit: 1_024, .. }));
    assert!(matches!(
        fails(r#"{"policies": [{"name": "p", "pattern": "x", "priority": 1e400}]}"#),
        DefinitionsError::Json { .. }
    ));
    assert!(matches!(
        fails(r#"{"policies": [{"name": "p", "pattern": "x", "priority": 1e40, "definition": {}}]}"#),
        DefinitionsError::Number { .. }
    ));
    let bomb =
        r#"{"policies": [{"name": "p", "pattern": "((a{1000}){1000}){1000}", "definition": {"max-length": 1}}]}"#;
    assert!(read(bomb).notices[0].reason.contains("cannot be used"));
}

/// Texts that JSON, names and patterns stumble over sooner than over others.
fn name() -> impl Generate<Value = String> {
    prop_oneof!["[a-z.]{1,12}", "\\PC{1,20}", Just("q\"\\\u{7f}".to_owned())]
        .prop_filter("reserved", |name| !name.starts_with("amq.") && name.len() <= 255)
}

/// Values that come back from JSON as they were.
fn value() -> impl Generate<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Void),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::F64),
        "\\PC{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,5}", inner), 1..4)
                .prop_map(|entries| Value::Table(entries.into_iter().collect())),
        ]
    })
}

fn queue() -> impl Generate<Value = Queue> {
    (name(), any::<(bool, bool, u8, u32)>(), value()).prop_map(
        |(name, (classic, auto_delete, priority, number), value)| {
            let queue = Queue::new(name).max_length(number.into(), Overflow::RejectPublish).argument("custom", value);
            match (classic, auto_delete) {
                (true, true) => queue.max_priority(priority).auto_delete().transient(),
                (true, false) => queue.message_ttl(Duration::from_millis(number.into())).dead_letter_to("d"),
                (false, _) => queue.quorum().dead_letter_exchange("d").dead_letter_strategy(Strategy::AtLeastOnce),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_topology_comes_back_as_it_was(
        queues in prop::collection::vec(queue(), 0..5),
        exchange in name(),
        key in name(),
        argument in value(),
        priority in any::<i64>(),
    ) {
        let mut topology = Topology::new()
            .policy(Policy::new(key.clone(), "^a.*b$").priority(priority).apply_to(ApplyTo::QuorumQueues).delivery_limit(3))
            .exchange(Exchange::headers(exchange.clone()).alternate("other").internal())
            .exchange(Exchange::fanout("amq.fanout").bind(exchange.clone(), key.clone()));
        let mut known = std::collections::HashSet::new();
        for queue in queues {
            if known.insert(queue.name().to_owned()) {
                let binding = Binding::to(exchange.clone()).key(key.clone()).argument("a", argument.clone());
                topology = topology.queue(queue.binding(binding));
            }
        }
        let written = topology.to_definitions();
        let read = Topology::from_definitions(&written).unwrap();
        assert_eq!(read.notices, []);
        assert_eq!(read.topology, topology);
        assert_eq!(read.topology.to_definitions(), written);
        // And as serde data, where nothing is lost at all.
        let text = serde_json::to_string(&topology).unwrap();
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), topology);
    }

    #[test]
    fn broken_files_never_panic(at in 0..VHOST_EXPORT.len(), byte in 32_u8..127) {
        let mut text = VHOST_EXPORT.as_bytes().to_vec();
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        if let Ok(read) = Topology::from_definitions(&text) {
            let _ = read.topology.to_definitions();
        }
    }
}

#[test]
fn every_type_of_value_survives_serde() {
    let table = Table::new()
        .with("i8", -1_i8)
        .with("u8", 1_u8)
        .with("i16", -2_i16)
        .with("u16", 2_u16)
        .with("i32", -3_i32)
        .with("u32", 3_u32)
        .with("f32", 0.1_f32)
        .with("inf", f64::INFINITY)
        .with("decimal", Value::Decimal(2, 314))
        .with("bytes", Value::ByteArray(vec![0, 255].into()))
        .with("raw", Value::LongString(vec![0, 255].into()))
        .with("time", Value::Timestamp(u64::MAX))
        .with("tag", Value::Table(Table::new().with("$i32", "not a number")))
        .with("nested", Value::Table(Table::new().with("$x", Value::Void)));
    let queue = Queue::new("q").argument("all", table);
    let text = serde_json::to_string(&queue).expect("written");
    assert_eq!(serde_json::from_str::<Queue>(&text).expect("read"), queue, "{text}");
}
