//! Policies: which are accepted, which are in force, and how they are kept as data.

use leveret::internals::{QueueFlags, QueueSpec};
use leveret::{ApplyTo, Broker, InvalidPolicy, Limits, Name, Overflow, Policy, ReplyCode, Table, TopologyError, Value};
use std::time::Duration;

fn refused(policy: &Policy) -> String {
    policy.check().expect_err("refused").to_string()
}

#[test]
fn keys_and_values_are_rabbitmqs() {
    let define = |key: &str, value: Value| Policy::new("p", "").define(key, value);
    for (key, value) in [
        ("message-ttl", Value::I64(0)),
        ("expires", Value::I64(1)),
        ("max-length", Value::U8(0)),
        ("max-length-bytes", Value::I64(i64::MAX)),
        ("overflow", Value::text("reject-publish-dlx")),
        ("dead-letter-exchange", Value::text("")),
        ("dead-letter-routing-key", Value::text("k")),
        ("dead-letter-strategy", Value::text("at-least-once")),
        ("delivery-limit", Value::I64(-1)),
        ("alternate-exchange", Value::text("ae")),
        ("queue-mode", Value::text("lazy")),
        ("queue-version", Value::I64(2)),
        ("max-age", Value::text("1D")),
    ] {
        assert_eq!(define(key, value.clone()).check(), Ok(()), "{key} {value}");
    }
    for (key, value, text) in [
        ("message-ttl", Value::I64(-1), "'message-ttl' is '-1' but must be a whole number, not negative"),
        ("expires", Value::I64(0), "'expires' is '0' but must be a whole number above 0"),
        ("max-length", Value::text("5"), "'max-length' is '5' but must be a whole number, not negative"),
        ("max-length", Value::F64(5.0), "'max-length' is '5.0' but must be a whole number, not negative"),
        (
            "overflow",
            Value::text("spill"),
            "'overflow' is 'spill' but must be drop-head, reject-publish or reject-publish-dlx",
        ),
        ("dead-letter-exchange", Value::I64(1), "'dead-letter-exchange' is '1' but must be text of at most 255 bytes"),
        ("max-priority", Value::I64(5), "'max-priority' is not a key of RabbitMQ 4.0's policies"),
        ("ha-mode", Value::text("all"), "'ha-mode' is not a key of RabbitMQ 4.0's policies"),
    ] {
        assert_eq!(refused(&define(key, value)), format!("policy 'p': {text}"));
    }
    assert_eq!(refused(&Policy::new("p", "x")), "policy 'p' defines nothing; give it at least one key");
}

#[test]
fn patterns_are_regular_expressions_without_the_rarest_parts() {
    let pattern = |pattern: &str| Policy::new("p", pattern).define("expires", 1_i64).check();
    for fine in ["", ".*", "^a\\.b$", "(?i)x|y", "[^.]+", "^.{0,5}$"] {
        assert_eq!(pattern(fine), Ok(()), "{fine}");
    }
    for odd in ["(", "(?=x)", "(?<!x)y", "(x)\\1", "\\p{Greek}", "((a{1000}){1000}){1000}"] {
        let Err(InvalidPolicy::Pattern { policy, pattern, reason }) = pattern(odd) else { panic!("{odd}") };
        assert_eq!((&*policy, &*pattern), ("p", odd));
        assert!(!reason.is_empty());
    }
}

#[test]
fn a_policys_builders_say_rabbitmqs_words() {
    let policy = Policy::new("p", "")
        .message_ttl(Duration::from_micros(1_999))
        .expires(Duration::from_secs(2))
        .max_length(3, Overflow::RejectPublish)
        .dead_letter_exchange("d")
        .dead_letter_routing_key("k")
        .delivery_limit(4)
        .alternate_exchange("a");
    let entries: Vec<_> = policy.definition.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        entries,
        [
            "message-ttl=1",
            "expires=2000",
            "max-length=3",
            "overflow=reject-publish",
            "dead-letter-exchange=d",
            "dead-letter-routing-key=k",
            "delivery-limit=4",
            "alternate-exchange=a",
        ]
    );
    assert_eq!(policy.check(), Ok(()));
    let flags = QueueFlags { durable: true, ..QueueFlags::default() };
    let spec = QueueSpec::check(Name::new("q").expect("short"), flags, Table::new()).expect("fine");
    let settings = spec.settings(Some(&policy.definition));
    assert_eq!(
        (settings.message_ttl_millis, settings.expires_millis, settings.max_length),
        (Some(1), Some(2_000), Some(3))
    );
}

/// The lesser of two limits is in force, and one below zero is none at all.
#[test]
fn a_delivery_limit_is_the_lesser_one() {
    let in_force = |argument: Option<i64>, policy: Option<i64>| {
        let arguments = Table::new().with("x-queue-type", "quorum");
        let arguments = argument.into_iter().fold(arguments, |table, limit| table.with("x-delivery-limit", limit));
        let flags = QueueFlags { durable: true, ..QueueFlags::default() };
        let spec = QueueSpec::check(Name::new("q").expect("short"), flags, arguments).expect("fine");
        let policy = policy.map(|limit| Policy::new("p", "").define("delivery-limit", limit));
        spec.settings(policy.as_ref().map(|policy| &policy.definition)).delivery_limit
    };
    for (argument, policy, limit) in [
        (None, None, Some(20)),
        (Some(3), None, Some(3)),
        (None, Some(4), Some(4)),
        (Some(3), Some(5), Some(3)),
        (Some(5), Some(3), Some(3)),
        (Some(0), Some(5), Some(0)),
        (Some(5), Some(0), Some(0)),
        (Some(-1), Some(5), Some(5)),
        (Some(5), Some(-1), Some(5)),
        (Some(-1), Some(-2), None),
        (Some(-1), None, None),
        (None, Some(-1), None),
    ] {
        assert_eq!(in_force(argument, policy), limit, "{argument:?} and {policy:?}");
    }
}

#[test]
fn a_broker_keeps_the_best_first() {
    let mut limits = Limits::default();
    limits.policies = 3;
    let broker = Broker::builder().limits(limits).build();
    let policy = |name: &str, priority: i64| Policy::new(name, ".*").priority(priority).define("expires", 60_000_i64);
    for (name, priority) in [("b", 0), ("c", 5), ("a", 0)] {
        broker.set_policy(policy(name, priority)).expect("set");
    }
    let names = || broker.topology().policies().map(|policy| policy.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(), ["c", "a", "b"]);
    // One of the same name is replaced, which the limit does not mind.
    broker.set_policy(policy("b", 9).apply_to(ApplyTo::Queues)).expect("replaced");
    assert_eq!(names(), ["b", "c", "a"]);
    let error = broker.set_policy(policy("d", 0)).expect_err("one too many");
    assert_eq!(error, TopologyError::LimitReached { what: "policies", limit: 3 });
    let error = broker.set_policy(Policy::new("a", "(").define("expires", 1_i64)).expect_err("no pattern");
    assert_eq!(error.reply_code(), ReplyCode::PreconditionFailed);
    assert_eq!(broker.clear_policy("c"), Ok(true));
    assert_eq!(broker.clear_policy("c"), Ok(false));
    assert_eq!(names(), ["b", "a"]);
}

#[test]
fn words_of_apply_to() {
    for (word, value) in [
        ("all", ApplyTo::All),
        ("exchanges", ApplyTo::Exchanges),
        ("queues", ApplyTo::Queues),
        ("classic_queues", ApplyTo::ClassicQueues),
        ("quorum_queues", ApplyTo::QuorumQueues),
        ("streams", ApplyTo::Streams),
    ] {
        assert_eq!((word.parse(), value.as_str()), (Ok(value), word));
    }
    assert!("cats".parse::<ApplyTo>().is_err());
}
