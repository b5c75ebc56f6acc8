//! Values nested without end. A field table of AMQP nests as deep as its sender likes, and recursion over one ended
//! RabbitMQ-family brokers (CVE-2026-69220). In a program it is built by a loop; whatever is done with it must fit a
//! small stack, and the broker must refuse it as it refuses all that is too much.
//!
//! Seen to fail with: a list that leaves it to its values to drop what lies in them.

use leveret::{
    Binding, Broker, Consume, ExchangeBinding, ExchangeDeclare, InvalidMessage, List, Message, NotPublished, Publish,
    PublishErrorKind, QueueBinding, QueueDeclare, ReplyCode, Scope, Table, TopologyError, Value,
};

/// Runs on a thread with a stack of 256 KiB.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 * 1_024).spawn(work).unwrap().join().unwrap();
}

/// Lists in lists.
fn lists(levels: usize) -> Value {
    (0..levels).fold(Value::Void, |inner, _| Value::from(vec![inner]))
}

/// Tables in tables, each with something beside.
fn tables(levels: usize) -> Value {
    (0..levels).fold(Value::Void, |inner, _| Table::new().with("beside", 1_i64).with("inner", inner).into())
}

/// Both in turn.
fn mixed(levels: usize) -> Value {
    (0..levels).fold(Value::from("end"), |inner, level| match level % 2 {
        0 => Value::from(vec![Value::Bool(true), inner, Value::from("more")]),
        _ => Table::new().with("inner", inner).into(),
    })
}

const DEEP: usize = 20_000;

#[test]
fn deep_values_are_copied_compared_shown_and_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        for build in [lists, tables, mixed] {
            let value = build(DEEP);
            let copy = value.clone();
            assert_eq!(copy, value);
            assert_ne!(copy, build(DEEP + 1));
            assert_ne!(copy, build(DEEP - 1));
            assert!(format!("{value:?}").len() < 4_096);
            assert!(format!("{value:#?}").contains('…'));
            assert!(value.to_string().len() < 100);
            drop(value);
            let message = Message::new("m").header("deep", copy);
            let same = message.clone();
            assert_eq!(message, same);
            assert!(format!("{message:?}").len() < 8_192);
        }
    });
}

#[test]
fn a_value_that_is_wide_and_deep_is_dropped_whole() {
    // Each body is counted by its references: none may leak.
    let body = bytes::Bytes::from(vec![7_u8; 64]);
    let mut value = Value::Void;
    for _ in 0..5_000 {
        value = vec![Value::ByteArray(body.clone()), value, Value::ByteArray(body.clone())].into();
    }
    let copy = value.clone();
    assert!(!body.is_unique());
    drop(value);
    assert!(!body.is_unique());
    drop(copy);
    assert!(body.is_unique());
}

#[test]
fn shallow_values_behave_as_ever() {
    let table = Table::new().with("n", 1_i32).with("list", vec![Value::F64(f64::NAN)]);
    assert_ne!(table, table.clone(), "NaN is not itself");
    assert_eq!(format!("{:?}", Table::new().with("a", 1_i32).with("b", Table::new())), r#"{"a": I32(1), "b": {}}"#);
    assert_eq!(format!("{:?}", Value::from(vec![Value::Void, lists(1)])), "Array([Void, [Void]])");
    let list: List = [Value::Void].into_iter().collect();
    assert_eq!(list.iter().count(), 1);
}

#[test]
fn deep_headers_are_refused_and_given_back() {
    on_a_small_stack(|| {
        let broker = Broker::builder().manual_time().build();
        broker.declare_queue(&QueueDeclare::new("q")).unwrap();
        let connection = broker.connect().unwrap();
        for build in [lists, tables, mixed] {
            let message = Message::new("m").header("deep", build(DEEP));
            let refused = broker.publish("", "q", message.clone()).unwrap_err();
            let levels = InvalidMessage::Headers { what: "levels", limit: 64 };
            assert_eq!(*refused.kind(), PublishErrorKind::Invalid(levels));
            assert_eq!(refused.into_message(), message);

            let channel = connection.open_channel().unwrap();
            let refused = channel.basic_publish(&Publish::new("", "q"), message.clone()).unwrap_err();
            assert_eq!(refused.message, message);
            let NotPublished::Closed(close) = refused.reason else { panic!("{:?}", refused.reason) };
            assert_eq!((close.scope, close.code), (Scope::Channel, ReplyCode::PreconditionFailed));
        }
        assert!(broker.get("q").unwrap().is_none());
    });
}

#[test]
fn deep_arguments_are_refused_wherever_arguments_are_taken() {
    on_a_small_stack(|| {
        let broker = Broker::builder().manual_time().build();
        broker.declare_queue(&QueueDeclare::new("q")).unwrap();
        let levels = TopologyError::LimitReached { what: "levels in arguments", limit: 64 };
        for build in [lists, tables, mixed] {
            let deep = || Table::new().with("deep", build(DEEP));
            let refused = broker.declare_queue(&QueueDeclare::new("new").arguments(deep())).unwrap_err();
            assert_eq!(refused, levels);
            let refused =
                broker.declare_exchange(&ExchangeDeclare::new("new", "direct").arguments(deep())).unwrap_err();
            assert_eq!(refused, levels);
            let binding = Binding::to("amq.headers").arguments(deep());
            assert_eq!(broker.bind("q", &binding).unwrap_err(), levels);
            assert_eq!(broker.unbind("q", &binding).unwrap_err(), levels);

            let on_a_channel = |work: &dyn Fn(&leveret::Channel) -> Result<(), leveret::Close>| {
                let connection = broker.connect().unwrap();
                let close = work(&connection.open_channel().unwrap()).unwrap_err();
                assert_eq!((close.scope, close.code), (Scope::Connection, ReplyCode::ResourceError), "{close}");
                assert!(close.text.contains("64 levels in arguments"), "{close}");
            };
            on_a_channel(&|c| c.queue_declare(&QueueDeclare::new("new").arguments(deep())).map(drop));
            on_a_channel(&|c| c.exchange_declare(&ExchangeDeclare::new("new", "fanout").arguments(deep())));
            on_a_channel(&|c| c.queue_bind(&QueueBinding::new("q", "amq.headers").arguments(deep())));
            on_a_channel(&|c| c.queue_unbind(&QueueBinding::new("q", "amq.headers").arguments(deep())));
            on_a_channel(&|c| c.exchange_bind(&ExchangeBinding::new("amq.topic", "amq.headers").arguments(deep())));
            on_a_channel(&|c| c.basic_consume(&Consume::new("q").arguments(deep())).map(drop));
        }
        broker.publish("", "q", Message::new("alive")).unwrap();
        assert!(broker.get("q").unwrap().is_some());
    });
}

/// A topology is data, which a program may build as it likes: it is refused whole, and written as far as JSON goes.
#[cfg(feature = "serde")]
#[test]
fn deep_topologies_are_refused_and_written_cut() {
    use leveret::{Exchange, Policy, Queue, Topology};
    for build in [lists, tables, mixed] {
        let deep = || Table::new().with("deep", build(DEEP));
        let topology = Topology::new()
            .queue(Queue::new("q").argument("deep", build(DEEP)).binding(Binding::to("amq.headers").arguments(deep())))
            .exchange(Exchange::topic("x").argument("deep", build(DEEP)))
            .policy(Policy::new("p", ".*").define("max-length", build(DEEP)));
        assert_eq!(topology, topology.clone());
        assert!(format!("{topology:?}").len() < 20_000);
        let written = topology.to_definitions();
        // It can be read again; only the policy's value is none that a policy may have.
        let error = Topology::from_definitions(&written).unwrap_err();
        assert!(error.to_string().contains("max-length"), "{error}");
        let broker = Broker::builder().manual_time().build();
        let refused = broker.declare(&topology).unwrap_err();
        assert_eq!(refused.problems.len(), 4, "{refused}");
        assert!(refused.to_string().len() < 2_000);
    }
}

// A serializer recurses by its nature; a refusal at 128 levels is what fits the stack of a thread as Rust makes them.
#[cfg(feature = "serde")]
#[test]
fn deep_values_are_not_serialized() {
    for build in [lists, tables, mixed] {
        assert!(serde_json::to_string(&build(128)).is_ok());
        for levels in [129, DEEP] {
            let error = serde_json::to_string(&build(levels)).unwrap_err();
            assert_eq!(error.to_string(), "the value has more than 128 levels");
        }
    }
}
