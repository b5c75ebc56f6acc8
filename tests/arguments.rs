//! Queue arguments: what RabbitMQ 4.0 says of each that it refuses, and what follows from those it takes.

use leveret::internals::{DeadLetter, QueueFlags, QueueSpec, Settings};
use leveret::{Name, Overflow, Policy, Strategy, Table, Value};

fn named(name: &str) -> Name {
    Name::new(name).expect("short")
}

/// Declares a durable queue with these arguments.
fn declare(arguments: Table) -> Result<QueueSpec, String> {
    let flags = QueueFlags { durable: true, ..QueueFlags::default() };
    QueueSpec::check(named("q"), flags, arguments).map_err(|error| error.to_string())
}

fn classic(argument: &str, value: impl Into<Value>) -> Table {
    Table::new().with(argument, value)
}

fn quorum(argument: &str, value: impl Into<Value>) -> Table {
    Table::new().with("x-queue-type", "quorum").with(argument, value)
}

/// The text of an argument that has a value it may not have.
fn invalid(argument: &str, reason: &str) -> String {
    format!("invalid arg '{argument}' for queue 'q' in vhost '/': {reason}")
}

#[test]
fn values_that_are_refused() {
    for (argument, value, reason) in [
        ("x-expires", Value::I64(0), "{value_zero,0}"),
        ("x-expires", Value::I64(-5), "{value_negative,-5}"),
        ("x-expires", Value::I64(4_294_967_296), "{value_too_large,4294967296}"),
        ("x-expires", Value::text("5"), "\"expected integer, got longstr\""),
        ("x-message-ttl", Value::I8(-1), "{value_negative,-1}"),
        ("x-message-ttl", Value::I64(4_294_967_296), "{value_too_large,4294967296}"),
        ("x-message-ttl", Value::text("5000"), "\"expected integer, got longstr\""),
        ("x-message-ttl", Value::Timestamp(1), "\"expected integer, got timestamp\""),
        ("x-message-ttl", Value::F64(1.0), "\"expected integer, got double\""),
        ("x-dead-letter-routing-key", Value::text("k"), "routing_key_but_no_dlx_defined"),
        ("x-dead-letter-routing-key", Value::I64(1), "{unacceptable_type,long}"),
        ("x-max-length", Value::I64(-1), "{value_negative,-1}"),
        ("x-max-length", Value::text("10"), "\"expected integer, got longstr\""),
        ("x-max-length-bytes", Value::I64(-1), "{value_negative,-1}"),
        ("x-max-priority", Value::I64(-1), "{value_negative,-1}"),
        ("x-max-priority", Value::I64(256), "{max_value_exceeded,256}"),
        ("x-overflow", Value::text("spill"), "invalid_overflow"),
        ("x-overflow", Value::Bool(true), "{unacceptable_type,bool}"),
        ("x-queue-mode", Value::text("odd"), "\"unsupported queue mode 'odd'\""),
        ("x-queue-version", Value::I64(3), "\"unsupported queue version '3'\""),
        ("x-single-active-consumer", Value::text("yes"), "{unacceptable_type,longstr}"),
        ("x-queue-leader-locator", Value::text("moon"), "invalid_queue_locator_arg"),
        ("x-queue-type", Value::text("rope"), "\"unsupported queue type 'rope'\""),
        ("x-queue-type", Value::text("stream"), "\"unsupported queue type 'stream'\""),
        ("x-queue-type", Value::I64(1), "{unacceptable_type,long}"),
    ] {
        assert_eq!(declare(classic(argument, value)), Err(invalid(argument, reason)));
    }
    for (argument, value, reason) in [
        ("x-dead-letter-strategy", Value::text("never"), "invalid_dlx_strategy"),
        ("x-max-in-memory-length", Value::I64(-1), "{value_negative,-1}"),
        ("x-quorum-initial-group-size", Value::I64(0), "{value_zero,0}"),
    ] {
        assert_eq!(declare(quorum(argument, value)), Err(invalid(argument, reason)));
    }
    // RabbitMQ looks at the dead-letter exchange first, and says it in another way.
    let text = "invalid type 'long' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'";
    let both = classic("x-dead-letter-exchange", 5_i64).with("x-expires", 0_i64).with("x-queue-type", "rope");
    assert_eq!(declare(both), Err(text.into()));
}

#[test]
fn arguments_of_other_kinds() {
    let foreign = |argument: &str, module: &str| {
        Err(format!("invalid arg '{argument}' for queue 'q' in vhost '/' of queue type {module}"))
    };
    for argument in ["x-delivery-limit", "x-dead-letter-strategy", "x-quorum-initial-group-size", "x-max-age"] {
        assert_eq!(declare(classic(argument, "any")), foreign(argument, "rabbit_classic_queue"));
    }
    for argument in ["x-max-priority", "x-queue-mode", "x-queue-version", "x-queue-master-locator", "x-max-age"] {
        assert_eq!(declare(quorum(argument, "any")), foreign(argument, "rabbit_quorum_queue"));
    }
    // A bad value goes before an argument that does not belong here, wherever it stands.
    let both = classic("x-delivery-limit", 1_i64).with("x-max-length", -1_i64);
    assert_eq!(declare(both), Err(invalid("x-max-length", "{value_negative,-1}")));
}

#[test]
fn arguments_that_are_let_through() {
    for arguments in [
        classic("x-message-ttl", 0_i64),
        classic("x-expires", 4_294_967_295_i64),
        classic("x-max-length", i64::MAX),
        classic("x-max-priority", 255_u8),
        classic("x-queue-mode", "lazy"),
        classic("x-unknown", Value::Void),
        classic("x-queue-master-locator", 5_i64),
        quorum("x-delivery-limit", "3"),
        quorum("x-delivery-limit", -2_i64),
        quorum("x-overflow", "reject-publish-dlx"),
        quorum("x-unknown", 1_i64),
    ] {
        assert!(declare(arguments.clone()).is_ok(), "{arguments:?}");
    }
}

#[test]
fn flags_of_quorum_queues() {
    let declare = |durable, exclusive, auto_delete| {
        let arguments = Table::new().with("x-queue-type", "quorum");
        let flags = QueueFlags { durable, exclusive, auto_delete };
        QueueSpec::check(named("q"), flags, arguments).map(|_| ()).map_err(|error| error.to_string())
    };
    let property = |name: &str| Err(format!("invalid property '{name}' for queue 'q' in vhost '/'"));
    assert_eq!(declare(true, false, false), Ok(()));
    assert_eq!(declare(false, false, false), property("non-durable"));
    assert_eq!(declare(true, true, false), property("exclusive-owner"));
    assert_eq!(declare(false, true, true), property("auto-delete"));
    let nameless = QueueSpec::check_server_named(&Table::new().with("x-queue-type", "quorum"));
    let text = "Cannot declare a server-named queue for type rabbit_quorum_queue";
    assert_eq!(nameless.map_err(|error| error.to_string()), Err(text.into()));
}

#[test]
fn redeclarations() {
    let there = declare(classic("x-message-ttl", 60_000_i64).with("x-max-length", 5_i64)).expect("fine");
    let again = |arguments: Table| there.check_redeclared(true, false, &arguments).map_err(|error| error.to_string());
    let same = classic("x-max-length", 5_u8).with("x-message-ttl", 60_000_i32);
    assert_eq!(again(same.clone()), Ok(()));
    // A classic queue is one whether it is said or not, and arguments that are not its own are not looked at.
    assert_eq!(again(same.clone().with("x-queue-type", "classic").with("x-delivery-limit", 1_i64)), Ok(()));
    let text =
        |argument: &str, rest: &str| Err(format!("inequivalent arg '{argument}' for queue 'q' in vhost '/': {rest}"));
    assert_eq!(
        again(same.clone().with("x-message-ttl", 60_001_i64)),
        text("x-message-ttl", "received '60001' but current is '60000'")
    );
    assert_eq!(
        again(classic("x-message-ttl", 60_000_i64)),
        text("x-max-length", "received none but current is the value '5' of type 'long'")
    );
    assert_eq!(
        again(same.clone().with("x-dead-letter-exchange", "x")),
        text("x-dead-letter-exchange", "received the value 'x' of type 'longstr' but current is none")
    );
    assert_eq!(
        again(same.clone().with("x-max-length", 5.0)),
        text("x-max-length", "received '5.0' but current is '5'")
    );
    assert_eq!(
        again(same.clone().with("x-queue-type", "quorum")),
        text("x-queue-type", "received 'quorum' but current is 'classic'")
    );
    let durable = there.check_redeclared(false, true, &same).map_err(|error| error.to_string());
    assert_eq!(durable, text("durable", "received 'false' but current is 'true'"));
}

#[test]
fn what_is_in_force() {
    let settings = |arguments: Table, policy: Option<Policy>| {
        let policy = policy.map(|policy| policy.definition);
        declare(arguments).expect("fine").settings(policy.as_ref())
    };
    assert_eq!(settings(Table::new(), None), Settings::default());
    let policy = || Policy::new("p", "").define("max-length", 10_i64).define("message-ttl", 50_i64);
    // The lesser of two numbers, whoever says it.
    let both = settings(classic("x-max-length", 20_i64).with("x-message-ttl", 20_i64), Some(policy()));
    assert_eq!((both.max_length, both.message_ttl_millis), (Some(10), Some(20)));
    // Names and words: the argument's. A key may come from the policy all the same.
    let policy = policy().dead_letter_exchange("p").dead_letter_routing_key("k").define("overflow", "reject-publish");
    let argued = settings(classic("x-dead-letter-exchange", "a").with("x-overflow", "drop-head"), Some(policy.clone()));
    assert_eq!(argued.overflow, Overflow::DropHead);
    assert_eq!(argued.dead_letter, Some(DeadLetter { exchange: named("a"), routing_key: Some(named("k")) }));
    // But a quorum queue takes the policy's overflow.
    let ruled = settings(quorum("x-overflow", "drop-head"), Some(policy));
    assert_eq!(ruled.overflow, Overflow::RejectPublish);
    // A key alone leads nowhere.
    assert_eq!(settings(Table::new(), Some(Policy::new("p", "").dead_letter_routing_key("k"))).dead_letter, None);
}

#[test]
fn delivery_limits() {
    let limit = |argument: Option<Value>, policy: Option<i64>| {
        let arguments = match argument {
            Some(value) => quorum("x-delivery-limit", value),
            None => Table::new().with("x-queue-type", "quorum"),
        };
        let policy = policy.map(|limit| Policy::new("p", "").define("delivery-limit", limit).definition);
        declare(arguments).expect("fine").settings(policy.as_ref()).delivery_limit
    };
    assert_eq!(limit(None, None), Some(20));
    assert_eq!(limit(Some(Value::I64(0)), None), Some(0));
    assert_eq!(limit(Some(Value::I64(-1)), None), None);
    assert_eq!(limit(Some(Value::I64(5)), Some(3)), Some(3));
    assert_eq!(limit(Some(Value::I64(5)), Some(-1)), Some(5));
    assert_eq!(limit(None, Some(-1)), None);
    assert_eq!(limit(Some(Value::text("3")), None), Some(u64::MAX));
    assert_eq!(declare(Table::new()).expect("fine").settings(None).delivery_limit, None);
}

#[test]
fn at_least_once_needs_what_it_needs() {
    let strategy = |overflow: &str, exchange: bool| {
        let mut arguments = quorum("x-dead-letter-strategy", "at-least-once").with("x-overflow", overflow);
        if exchange {
            arguments.insert("x-dead-letter-exchange", "d");
        }
        declare(arguments).expect("fine").settings(None).strategy
    };
    assert_eq!(strategy("reject-publish", true), Strategy::AtLeastOnce);
    assert_eq!(strategy("reject-publish", false), Strategy::AtMostOnce);
    assert_eq!(strategy("drop-head", true), Strategy::AtMostOnce);
    assert_eq!(strategy("reject-publish-dlx", true), Strategy::AtMostOnce);
}

#[test]
fn words_are_read_as_they_are_written() {
    for overflow in [Overflow::DropHead, Overflow::RejectPublish, Overflow::RejectPublishDlx] {
        assert_eq!(overflow.to_string().parse(), Ok(overflow));
    }
    for strategy in [Strategy::AtMostOnce, Strategy::AtLeastOnce] {
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
    }
    assert_eq!("drop-tail".parse::<Overflow>().unwrap_err().to_string(), "none of the words known here");
}
