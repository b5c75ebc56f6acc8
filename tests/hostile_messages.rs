//! Every property of a message with hostile content: taken and delivered as it was, or refused with 406 and given back.
//!
//! Seen to fail with: one level more of headers, names of headers that are not counted, a key of 256 bytes, an expiration of
//! -1 that is taken, a message that comes back with its expiration rewritten.

mod hostile;

use hostile::{INVALID, Outcome, Site, names, nested, short, values};
use leveret::{
    Acknowledge, Message, NotPublished, Properties, Publish, PublishErrorKind, QueueBinding, QueueDeclare, ShortStr,
    Table, Value,
};

/// Publishes to `q`, with and without a channel: refused, and given back as it was; or taken, and delivered as `as_is`.
fn publish(site: &Site, what: &str, message: Message, expected: Outcome, delivered: impl Fn(&Properties)) {
    site.attack(what, expected, |channel| match channel.basic_publish(&Publish::new("", "q"), message.clone()) {
        Ok(()) => {
            let got = channel.basic_get("q", Acknowledge::No)?.unwrap();
            delivered(got.delivery.message.properties());
            Ok(())
        }
        Err(error) => {
            assert!(same(&error.message, &message), "{what}");
            let NotPublished::Closed(close) = error.reason else { panic!("{what}: {:?}", error.reason) };
            Err(close)
        }
    });
    match site.broker.publish("", "q", message.clone()) {
        Ok(routed) => {
            assert_eq!((routed.queues, expected), (1, Ok(())), "{what}");
            let got = site.broker.get("q").unwrap().unwrap();
            delivered(got.properties());
            got.ack();
        }
        Err(error) => {
            assert!(expected.is_err() && matches!(error.kind(), PublishErrorKind::Invalid(_)), "{what}: {error}");
            assert!(same(error.message(), &message), "{what}");
        }
    }
}

/// Equal, or as equal as something can be that is not equal to itself.
fn same(one: &Message, other: &Message) -> bool {
    one == other || format!("{one:?}") == format!("{other:?}")
}

fn site() -> Site {
    let site = Site::new();
    site.broker.declare_queue(&QueueDeclare::new("q").argument("x-max-priority", 255)).unwrap();
    site
}

fn with(change: impl FnOnce(&mut Properties)) -> Message {
    let mut message = Message::new("body");
    change(message.properties_mut());
    message
}

type Setter = fn(&mut Properties, ShortStr);

/// The short strings, but for `expiration` and `user_id`, which have rules of their own.
const SHORT_STRINGS: [(&str, Setter); 8] = [
    ("content_type", |p, text| p.content_type = Some(text)),
    ("content_encoding", |p, text| p.content_encoding = Some(text)),
    ("correlation_id", |p, text| p.correlation_id = Some(text)),
    ("reply_to", |p, text| p.reply_to = Some(text)),
    ("message_id", |p, text| p.message_id = Some(text)),
    ("type", |p, text| p.kind = Some(text)),
    ("app_id", |p, text| p.app_id = Some(text)),
    ("cluster_id", |p, text| p.cluster_id = Some(text)),
];

#[test]
fn short_strings() {
    let site = site();
    for (property, set) in SHORT_STRINGS {
        for text in names() {
            let what = format!("{property} {}", short(&text));
            let message = with(|properties| set(properties, text.as_str().into()));
            let sent = message.properties().clone();
            let expected = if text.len() <= 255 { Ok(()) } else { INVALID };
            publish(&site, &what, message, expected, |got| assert_eq!(*got, sent));
        }
    }
}

#[test]
fn numbers() {
    let site = site();
    for number in [0, 1, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX] {
        let message = with(|properties| properties.timestamp = Some(number));
        publish(&site, "timestamp", message, Ok(()), |got| assert_eq!(got.timestamp, Some(number)));
    }
    for number in [0, 1, 2, 3, 127, 128, 255] {
        let message = with(|properties| {
            properties.priority = Some(number);
            properties.delivery_mode = Some(number);
        });
        let both = (Some(number), Some(number));
        publish(&site, "u8", message, Ok(()), |got| assert_eq!((got.priority, got.delivery_mode), both));
    }
    let nothing = with(|properties| *properties = Properties::default());
    publish(&site, "nothing", nothing, Ok(()), |got| assert_eq!(*got, Properties::default()));
}

#[test]
fn users() {
    let site = site();
    let attack = |user: &str, expected| {
        let message = with(|properties| properties.user_id = Some(user.into()));
        site.attack(&short(&user), expected, |channel| {
            channel.basic_publish(&Publish::new("", "q"), message.clone()).map_err(|error| {
                assert_eq!(error.message, message);
                let NotPublished::Closed(close) = error.reason else { panic!("{:?}", error.reason) };
                close
            })
        });
    };
    attack("guest", Ok(()));
    for user in names() {
        attack(&user, INVALID);
    }
}

/// An expiration is decimal digits, perhaps with a sign, without an upper bound; it is delivered as the plain number.
#[test]
fn expirations() {
    let site = site();
    let digits = "9".repeat(255);
    let zeros = format!("{}7", "0".repeat(254));
    let taken = [
        ("1", "1"),
        ("007", "7"),
        ("+5", "5"),
        (zeros.as_str(), "7"),
        ("2147483647", "2147483647"),
        ("2147483648", "2147483648"),
        ("4294967296", "4294967296"),
        ("9223372036854775808", "9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709551616"),
        (digits.as_str(), digits.as_str()),
    ];
    for (text, shown) in taken {
        let message = with(|properties| properties.expiration = Some(text.into()));
        publish(&site, text, message, Ok(()), |got| assert_eq!(got.expiration.as_deref(), Some(shown)));
    }
    // Zero is gone at once.
    for text in ["0", "00", "+0", "-0"] {
        site.broker.publish("", "q", with(|properties| properties.expiration = Some(text.into()))).unwrap();
        assert!(site.broker.get("q").unwrap().is_none(), "{text}");
    }
    let one_too_many = "1".repeat(256);
    let refused = [
        "",
        " ",
        "soon",
        "-",
        "+",
        "-1",
        "-0001",
        "1.5",
        "1e3",
        "1 ",
        " 1",
        "0x10",
        "1\0",
        "\u{661}",
        "++1",
        "+-1",
        "1_000",
        "NaN",
        "inf",
        "1\n",
        one_too_many.as_str(),
    ];
    for text in refused {
        let message = with(|properties| properties.expiration = Some(text.into()));
        publish(&site, &short(&text), message, INVALID, |_| panic!("taken: {text:?}"));
    }
}

#[test]
fn headers_of_every_type() {
    let site = site();
    for name in ["h", "", "x-death", "x-delivery-count", "x-first-death-queue", "x-match", "\0"] {
        for value in values() {
            // Beside its bytes a header has a bound that one of these meets nearly.
            let what = format!("{name:?} {}", short(&value));
            let message = Message::new("body").header(name, value.clone());
            publish(&site, &what, message, Ok(()), |got| {
                let there = got.header(name).unwrap();
                assert!(*there == value || format!("{value:?}").contains("NaN"), "{what}: {there:?}");
            });
        }
    }
}

#[test]
fn headers_that_are_too_much() {
    let site = site();
    let table = |headers| with(|properties| properties.headers = Some(headers));
    let cases = [
        (table(Table::new()), Ok(())),
        (table(Table::new().with("n".repeat(255), Value::Void)), Ok(())),
        (table(Table::new().with("n".repeat(256), Value::Void)), INVALID),
        (table(Table::new().with("t", Table::new().with("n".repeat(256), 1))), INVALID),
        (table(Table::new().with("deep", nested(63))), Ok(())),
        (table(Table::new().with("deep", nested(64))), INVALID),
        (table(Table::new().with("deep", nested(20_000))), INVALID),
        (table(Table::new().with("wide", vec![Value::Void; 4_095])), Ok(())),
        (table(Table::new().with("wide", vec![Value::Void; 4_096])), INVALID),
        (table(Table::new().with("long", "x".repeat(131_068))), Ok(())),
        (table(Table::new().with("long", "x".repeat(131_069))), INVALID),
    ];
    for (message, expected) in cases {
        publish(&site, &short(&message), message, expected, |_| ());
    }
}

/// `CC` and `BCC` must be lists; in them, what is no text is passed over, and a key too long for a key is refused.
#[test]
fn carbon_copies() {
    let site = site();
    for header in ["CC", "BCC"] {
        for value in values() {
            let what = format!("{header} {}", short(&value));
            let expected = if matches!(value, Value::Array(_)) { Ok(()) } else { INVALID };
            publish(&site, &what, Message::new("body").header(header, value.clone()), expected, |got| {
                assert_eq!(got.header(header).is_some(), header == "CC", "{what}");
            });
            let inside = Message::new("body").header(header, vec![value.clone(), "q".into()]);
            let too_long = value.as_str().is_some_and(|key| key.len() > 255);
            let too_deep = value == nested(63);
            let expected = if too_long || too_deep { INVALID } else { Ok(()) };
            publish(&site, &what, inside, expected, |_| ());
        }
        for count in [1_024, 1_025] {
            let copies = Message::new("body").header(header, vec![Value::from("q"); count]);
            publish(&site, header, copies, if count == 1_024 { Ok(()) } else { INVALID }, |_| ());
        }
    }
    // Not the header's own name in other letters, and not a longer one.
    publish(&site, "cc", Message::new("body").header("cc", "q").header("CCC", "q"), Ok(()), |_| ());
}

/// A death history that a publisher made up is carried as it is, and thrown away at the first death.
#[test]
fn made_up_death_histories() {
    let site = site();
    let dying =
        QueueDeclare::new("dying").argument("x-dead-letter-exchange", "").argument("x-dead-letter-routing-key", "q");
    site.broker.declare_queue(&dying).unwrap();
    let lie = Table::new().with("count", i64::MAX).with("queue", "q").with("reason", "expired").with("time", "never");
    let lies = values().into_iter().chain([vec![Value::from(lie.clone()), lie.into()].into()]);
    for value in lies {
        let what = short(&value);
        let mut message = Message::new("body");
        for name in ["x-death", "x-first-death-queue", "x-last-death-reason", "x-delivery-count"] {
            message = message.header(name, value.clone());
        }
        // As much as fits beside itself four times.
        let fits = site.broker.publish("", "dying", message).is_ok();
        assert!(fits || value.as_str().is_some_and(|text| text.len() > 30_000), "{what}");
        if !fits {
            continue;
        }
        site.broker.get("dying").unwrap().unwrap().reject();
        let got = site.broker.get("q").unwrap().unwrap();
        assert_eq!(got.deaths().len(), 1, "{what}");
        assert_eq!(got.header("x-first-death-queue"), Some(&Value::from("dying")), "{what}");
        got.ack();
        site.is_well(&what);
    }
}

/// Keys of all shapes through every kind of exchange, with patterns of all shapes bound.
#[test]
fn keys_and_patterns() {
    let site = Site::new();
    let (_connection, channel) = site.attacker();
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    let sayable: Vec<String> = names().into_iter().filter(|name| name.len() <= 255).collect();
    let exchanges = ["amq.direct", "amq.topic", "amq.fanout", "amq.headers"];
    for exchange in exchanges {
        for key in &sayable {
            channel.queue_bind(&QueueBinding::new("q", exchange).key(key)).unwrap();
        }
    }
    for exchange in exchanges {
        for key in &sayable {
            channel.basic_publish(&Publish::new(exchange, key), Message::new("m")).unwrap();
            let got = channel.basic_get("q", Acknowledge::No).unwrap().unwrap();
            assert_eq!(&*got.delivery.routing_key, key.as_str());
            assert_eq!(got.message_count, 0, "once, though many bindings lead there");
        }
    }
    for exchange in exchanges {
        for key in &sayable {
            channel.queue_unbind(&QueueBinding::new("q", exchange).key(key)).unwrap();
            site.is_well(&short(key));
        }
    }
    assert_eq!(site.broker.stats().bindings, 1);
}

/// A message that found no way, or no room, comes back as it was given: nothing that the broker reads out of it, and
/// writes otherwise on delivery, is lost. Once, what is no text was missing in the `BCC` that came back.
#[test]
fn messages_come_back_as_they_were_given() {
    let mut limits = leveret::Limits::default();
    limits.ready_messages = 0;
    let broker = leveret::Broker::builder().limits(limits).manual_time().build();
    broker.declare_queue(&QueueDeclare::new("full")).unwrap();
    let channel_of = broker.connect().unwrap();
    let blind = vec![Value::from("full"), 5.into(), Value::Void, Table::new().into(), "full".into()];
    let given = with(|properties| {
        properties.expiration = Some("+007".into());
        properties.reply_to = Some("amq.rabbitmq.reply-to".into());
        properties.headers = Some(Table::new().with("BCC", blind).with("CC", Vec::new()).with("x-death", 1_i64));
    });
    let blind_alone = Message::new("body").header("BCC", Vec::new());
    for message in [given, blind_alone] {
        for (exchange, key) in [("nowhere", "full"), ("", "full")] {
            let error = broker.publish(exchange, key, message.clone()).unwrap_err();
            assert_eq!(*error.message(), message);
            let channel = channel_of.open_channel().unwrap();
            channel.basic_consume(&leveret::Consume::new("amq.rabbitmq.reply-to").no_ack()).unwrap();
            let error = channel.basic_publish(&Publish::new(exchange, key), message.clone()).unwrap_err();
            assert_eq!(error.message, message, "{:?}", error.reason);
        }
        let mut publisher = broker.publisher("").unwrap().mandatory();
        let error = publisher.try_send("nowhere", message.clone()).map(drop);
        assert_eq!(error.unwrap_err().into_message(), message);
    }
}
