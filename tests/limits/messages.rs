//! What a message may be at most, and the arguments of a declaration; and how many routes a publisher remembers.

use super::rig::{Rig, reached, rig};
use leveret::{
    Binding, InvalidMessage, Message, NotPublished, Publish, PublishErrorKind, QueueDeclare, ReplyCode, Scope, Table,
    Value,
};

#[test]
fn message_bytes() {
    let rig = rig(|limits| limits.message_bytes = 4);
    rig.declare("q");
    rig.broker.publish("", "q", Message::new("1234")).unwrap();
    let invalid = InvalidMessage::BodyTooLarge { bytes: 5, limit: 4 };
    refuses(&rig, Message::new("12345"), invalid, "message size 5 is larger than configured max size 4");
}

/// A message is refused as this and given back, with and without a channel.
fn refuses(rig: &Rig, message: Message, invalid: InvalidMessage, text: &str) {
    let refused = rig.broker.publish("", "q", message.clone()).unwrap_err();
    assert_eq!(*refused.kind(), PublishErrorKind::Invalid(invalid));
    assert_eq!(refused.into_message(), message);
    let channel = rig.connection.open_channel().unwrap();
    let refused = channel.basic_publish(&Publish::new("", "q"), message.clone()).unwrap_err();
    assert_eq!(refused.message, message);
    let NotPublished::Closed(close) = refused.reason else { panic!("{:?}", refused.reason) };
    assert_eq!((close.scope, close.code), (Scope::Channel, ReplyCode::PreconditionFailed));
    assert!(close.text.contains(text), "{close}");
    rig.is_well("q");
}

fn with_headers(headers: Table) -> Message {
    let mut message = Message::new("");
    message.properties_mut().headers = Some(headers);
    message
}

/// Arguments have the bounds of headers.
fn refuses_arguments(rig: &Rig, arguments: Table, what: &'static str, limit: usize) {
    let declare = QueueDeclare::new("new").arguments(arguments.clone());
    assert_eq!(rig.broker.declare_queue(&declare).unwrap_err(), reached(what, limit));
    let binding = Binding::to("amq.headers").arguments(arguments);
    assert_eq!(rig.broker.bind("q", &binding).unwrap_err(), reached(what, limit));
    rig.is_well("q");
}

#[test]
fn header_fields() {
    let rig = rig(|limits| limits.header_fields = 3);
    rig.declare("q");
    let two = Table::new().with("list", vec![Value::Void, Value::Void]);
    rig.broker.publish("", "q", with_headers(two.clone())).unwrap();
    let invalid = InvalidMessage::Headers { what: "fields", limit: 3 };
    let four = two.with("more", 1_i64);
    refuses(&rig, with_headers(four.clone()), invalid, "too many fields; at most 3");
    refuses_arguments(&rig, four, "fields in arguments", 3);
}

#[test]
fn header_bytes() {
    let rig = rig(|limits| limits.header_bytes = 10);
    rig.declare("q");
    rig.broker.publish("", "q", Message::new("").header("name", "123456")).unwrap();
    let invalid = InvalidMessage::Headers { what: "bytes", limit: 10 };
    refuses(&rig, Message::new("").header("name", "1234567"), invalid, "too many bytes; at most 10");
    refuses_arguments(&rig, Table::new().with("name", "1234567"), "bytes in arguments", 10);
}

#[test]
fn header_depth() {
    let nested = |levels| (2..levels).fold(Table::new().with("end", 1), |inner, _| Table::new().with("in", inner));
    let with = |levels| Message::new("").header("top", nested(levels));
    let rig_of = |depth| rig(|limits| limits.header_depth = depth);
    // However high it is set, 128 levels are the most.
    for (depth, most) in [(3, 3), (64, 64), (usize::MAX, 128)] {
        let rig = rig_of(depth);
        rig.declare("q");
        rig.broker.publish("", "q", with(most)).unwrap();
        let invalid = InvalidMessage::Headers { what: "levels", limit: most };
        refuses(&rig, with(most + 1), invalid, "too many levels");
        rig.broker.bind("q", &Binding::to("amq.headers").arguments(nested(most + 1))).unwrap();
        refuses_arguments(&rig, nested(most + 2), "levels in arguments", most);
    }
}

#[test]
fn carbon_copies() {
    let rig = rig(|limits| limits.carbon_copies = 3);
    rig.declare("q");
    let keys = |count: usize| vec![Value::from("q"); count];
    let of = |cc, bcc| Message::new("").header("CC", keys(cc)).header("BCC", keys(bcc));
    assert_eq!(rig.broker.publish("", "nowhere", of(1, 2)).unwrap().queues, 1);
    let reason = "4 keys; at most 3 are taken".to_owned();
    refuses(&rig, of(2, 2), InvalidMessage::CarbonCopy { header: "CC", reason }, "4 keys; at most 3");
}

#[test]
fn cached_routes() {
    for limit in [0, 1, 2, 3, 1_024] {
        let rig = rig(|limits| limits.cached_routes = limit);
        rig.declare("q");
        for key in ["a", "b", "c"] {
            rig.broker.bind("q", &Binding::to("amq.direct").key(key)).unwrap();
        }
        let mut publisher = rig.broker.publisher("amq.direct").unwrap();
        for _ in 0..3 {
            for key in ["a", "b", "c", "d"] {
                let routed = publisher.try_send(key, Message::new(key)).unwrap();
                assert_eq!(routed.queues, usize::from(key != "d"), "{limit} {key}");
            }
        }
        // What it remembers of keys that are hostile is bounded: as many keys as one likes, and the routes are right.
        for number in 0..5_000 {
            assert_eq!(publisher.try_send(&number.to_string(), Message::new("")).unwrap().queues, 0);
        }
        rig.broker.unbind("q", &Binding::to("amq.direct").key("a")).unwrap();
        assert_eq!(publisher.try_send("a", Message::new("")).unwrap().queues, 0);
        assert_eq!(rig.counts("q"), (9, 0));
    }
}
