//! Publishers: the confirm, the message given back, and routes that are never stale.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

use leveret::{
    Binding, Broker, ExchangeDeclare, ExchangeDelete, Limits, Message, PublishErrorKind, Publisher, QueueDeclare,
    QueueDelete, Value,
};
use std::time::Duration;

fn broker() -> Broker {
    Broker::builder().manual_time().build()
}

fn declare(broker: &Broker, queues: &[&str]) {
    for queue in queues {
        broker.declare_queue(&QueueDeclare::new(*queue)).unwrap();
    }
}

fn small(queue: &str, overflow: &str) -> QueueDeclare {
    QueueDeclare::new(queue).argument("x-max-length", 1).argument("x-overflow", overflow)
}

/// Sends and says how many queues took it.
fn send(publisher: &mut Publisher, key: &str) -> usize {
    publisher.try_send(key, Message::new("m")).unwrap().queues
}

#[test]
fn a_route_is_found_again_after_every_change() {
    let broker = broker();
    declare(&broker, &["a", "b"]);
    broker.declare_exchange(&ExchangeDeclare::new("events", "topic")).unwrap();
    let mut events = broker.publisher("events").unwrap();
    assert_eq!(send(&mut events, "x.y"), 0);
    broker.bind("a", &Binding::to("events").key("x.*")).unwrap();
    assert_eq!(send(&mut events, "x.y"), 1);
    broker.bind("b", &Binding::to("events").key("#")).unwrap();
    assert_eq!((send(&mut events, "x.y"), send(&mut events, "x.y")), (2, 2));
    broker.unbind("a", &Binding::to("events").key("x.*")).unwrap();
    assert_eq!(send(&mut events, "x.y"), 1);
    broker.delete_queue(&QueueDelete::new("b")).unwrap();
    assert_eq!(send(&mut events, "x.y"), 0);
}

#[test]
fn a_deleted_exchange_is_an_error_until_it_is_declared_again() {
    let broker = broker();
    declare(&broker, &["q"]);
    let declare = ExchangeDeclare::new("events", "fanout");
    broker.declare_exchange(&declare).unwrap();
    broker.bind("q", &Binding::to("events")).unwrap();
    let mut events = broker.publisher("events").unwrap();
    assert_eq!(send(&mut events, "k"), 1);
    broker.delete_exchange(&ExchangeDelete::new("events")).unwrap();
    let error = events.try_send("k", Message::new("kept")).unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::NoExchange("events".to_owned()));
    assert_eq!(error.into_message(), Message::new("kept"));
    broker.declare_exchange(&declare).unwrap();
    assert_eq!(send(&mut events, "k"), 0);
}

#[test]
fn a_headers_exchange_is_asked_for_every_message() {
    let broker = broker();
    declare(&broker, &["eu", "us"]);
    for queue in ["eu", "us"] {
        broker.bind(queue, &Binding::to("amq.headers").argument("region", queue)).unwrap();
    }
    let mut headers = broker.publisher("amq.headers").unwrap();
    for region in ["eu", "us", "eu"] {
        headers.try_send("same", Message::new("m").header("region", region)).unwrap();
    }
    assert_eq!(send(&mut headers, "same"), 0);
    let ready: Vec<u64> = broker.stats().queues.iter().map(|queue| queue.ready).collect();
    assert_eq!(ready, [2, 1]);
}

#[test]
fn carbon_copies_do_not_stick_to_the_key() {
    let broker = broker();
    declare(&broker, &["a", "b"]);
    let mut to_queues = broker.publisher("").unwrap();
    assert_eq!(send(&mut to_queues, "a"), 1);
    let copied = Message::new("m").header("CC", vec![Value::text("b")]);
    assert_eq!(to_queues.try_send("a", copied).unwrap().queues, 2);
    assert_eq!(send(&mut to_queues, "a"), 1);
}

#[test]
fn more_keys_than_the_cache_holds_are_routed_all_the_same() {
    for cached_routes in [0, 1, 3, 64] {
        let mut limits = Limits::default();
        limits.cached_routes = cached_routes;
        let broker = Broker::builder().limits(limits).manual_time().build();
        let keys: Vec<String> = (0..200).map(|n| format!("q{n}")).collect();
        declare(&broker, &keys.iter().map(String::as_str).collect::<Vec<_>>());
        let mut to_queues = broker.publisher("").unwrap().mandatory();
        for key in keys.iter().chain(&keys) {
            assert_eq!(send(&mut to_queues, key), 1);
        }
        assert!(broker.stats().queues.iter().all(|queue| queue.ready == 2));
    }
}

#[test]
fn an_unroutable_message_comes_back_where_it_is_mandatory() {
    let broker = broker();
    let blind = Message::new("m").header("n", 1).header("BCC", vec![Value::text("nobody")]);
    let error = broker.publisher("").unwrap().mandatory().try_send("k", blind.clone()).unwrap_err();
    assert!(matches!(error.kind(), PublishErrorKind::Unroutable { routing_key, .. } if routing_key == "k"));
    assert_eq!(error.into_message(), blind);
    assert_eq!(broker.publish("", "k", blind).unwrap().queues, 0);
}

#[test]
fn a_full_queue_refuses_while_the_others_take() {
    let broker = broker();
    broker.declare_queue(&small("full", "reject-publish")).unwrap();
    declare(&broker, &["open"]);
    for queue in ["full", "open"] {
        broker.bind(queue, &Binding::to("amq.fanout")).unwrap();
    }
    let mut fanout = broker.publisher("amq.fanout").unwrap();
    assert_eq!(send(&mut fanout, ""), 2);
    let error = fanout.try_send("", Message::new("second")).unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::Refused { refused: 1, taken: 1 });
    assert_eq!(error.into_message(), Message::new("second"));
    assert_eq!(broker.stats().publishes.refused, 1);
}

#[test]
fn the_publisher_that_hits_the_bound_gets_its_message_back() {
    let mut limits = Limits::default();
    limits.ready_messages = 1;
    let broker = Broker::builder().limits(limits).manual_time().build();
    declare(&broker, &["q"]);
    broker.publish("", "q", Message::new("first")).unwrap();
    let error = broker.publish("", "q", Message::new("second")).unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::Full { full: 1, taken: 0 });
    assert_eq!(error.into_message(), Message::new("second"));
}

#[test]
fn a_timed_out_send_leaves_nothing_anywhere() {
    let broker = broker();
    broker.declare_queue(&small("full", "reject-publish")).unwrap();
    declare(&broker, &["open"]);
    for queue in ["open", "full"] {
        broker.bind(queue, &Binding::to("amq.fanout")).unwrap();
    }
    broker.publish("", "full", Message::new("first")).unwrap();
    let mut fanout = broker.publisher("amq.fanout").unwrap();
    let error = fanout.send_timeout("", Message::new("second"), Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::Timeout { taken: 0 });
    assert_eq!(error.into_message(), Message::new("second"));
    assert_eq!(broker.queue("open").unwrap().stats().ready, 0);
}

#[test]
fn what_never_fits_is_refused_at_once() {
    let broker = broker();
    broker
        .declare_queue(&QueueDeclare::new("q").argument("x-max-length", 0).argument("x-overflow", "reject-publish"))
        .unwrap();
    let error = broker.publisher("").unwrap().blocking_send("q", Message::new("m")).unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::Refused { refused: 1, taken: 0 });
    // And so is what the broker's own bound keeps out even of an empty queue, for that reason.
    for kind in ["classic", "quorum"] {
        let mut limits = Limits::default();
        limits.ready_bytes = 4;
        let broker = Broker::builder().limits(limits).manual_time().build();
        broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
        let mut publisher = broker.publisher("").unwrap();
        let error = publisher.send_timeout("q", Message::new("large"), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), &PublishErrorKind::Full { full: 1, taken: 0 }, "{kind}");
    }
}

#[test]
fn wrong_addresses_and_messages_are_told_apart() {
    let broker = broker();
    let inner = ExchangeDeclare::new("inner", "fanout").internal();
    broker.declare_exchange(&inner).unwrap();
    let kind = |exchange: &str, key: &str, message: Message| {
        broker.publish(exchange, key, message).unwrap_err().into_parts().0
    };
    assert_eq!(kind("inner", "", Message::new("m")), PublishErrorKind::Internal("inner".to_owned()));
    assert_eq!(kind("none", "", Message::new("m")), PublishErrorKind::NoExchange("none".to_owned()));
    assert!(matches!(kind("", &"k".repeat(256), Message::new("m")), PublishErrorKind::NameTooLong(_)));
    let mut invalid = Message::new("m");
    invalid.properties_mut().expiration = Some("soon".into());
    assert!(matches!(kind("", "k", invalid), PublishErrorKind::Invalid(_)));
    assert_eq!(broker.publisher("inner").unwrap_err(), PublishErrorKind::Internal("inner".to_owned()));
    assert_eq!(broker.publisher("none").unwrap_err(), PublishErrorKind::NoExchange("none".to_owned()));
}

#[test]
fn a_closed_broker_gives_the_message_back() {
    let broker = broker();
    declare(&broker, &["q"]);
    let mut warm = broker.publisher("").unwrap();
    assert_eq!(send(&mut warm, "q"), 1);
    drop(broker);
    for sent in [warm.try_send("q", Message::new("m")), warm.blocking_send("q", Message::new("m"))] {
        let error = sent.unwrap_err();
        assert_eq!(error.kind(), &PublishErrorKind::Closed);
        assert_eq!(error.into_message(), Message::new("m"));
    }
}

#[test]
fn a_route_over_several_exchanges_follows_the_far_end() {
    let broker = broker();
    declare(&broker, &["q"]);
    broker.declare_exchange(&ExchangeDeclare::new("far", "fanout")).unwrap();
    let mut direct = broker.publisher("amq.direct").unwrap();
    assert_eq!(send(&mut direct, "k"), 0);
    broker.bind("q", &Binding::to("far")).unwrap();
    broker.bind_exchange("far", &Binding::to("amq.direct").key("k")).unwrap();
    assert_eq!(send(&mut direct, "k"), 1);
    broker.unbind("q", &Binding::to("far")).unwrap();
    assert_eq!(send(&mut direct, "k"), 0);
}

/// Two bindings lead to the far exchange. The one that stays is as good a reason as both to look again.
#[test]
fn a_route_follows_the_far_end_after_one_of_two_bindings_to_it_went() {
    let broker = broker();
    declare(&broker, &["q"]);
    broker.declare_exchange(&ExchangeDeclare::new("far", "fanout")).unwrap();
    for key in ["k", "other"] {
        broker.bind_exchange("far", &Binding::to("amq.direct").key(key)).unwrap();
    }
    broker.unbind_exchange("far", &Binding::to("amq.direct").key("other")).unwrap();
    let mut direct = broker.publisher("amq.direct").unwrap();
    assert_eq!(send(&mut direct, "k"), 0);
    broker.bind("q", &Binding::to("far")).unwrap();
    assert_eq!(send(&mut direct, "k"), 1);
}

#[test]
fn no_setter_hides_a_property_from_the_checks() {
    let broker = broker();
    declare(&broker, &["q"]);
    let mut queues = broker.publisher("").unwrap();
    let long = "x".repeat(256);
    let plain = || Message::new("m");
    let wrong = [
        plain().content_type(&long),
        plain().content_encoding(&long),
        plain().correlation_id(&long),
        plain().reply_to(&long),
        plain().message_id(&long),
        plain().kind(&long),
        plain().user_id(&long),
        plain().app_id(&long),
        plain().header(&long, 1),
        plain().header("CC", "no list"),
        Message::with_properties(plain().message_id(&long).into_parts().0, "m"),
        plain().app_id(&long).clone(),
        {
            let mut message = plain();
            message.properties_mut().expiration = Some("soon".into());
            message
        },
    ];
    for message in wrong {
        let error = queues.try_send("q", message.clone()).unwrap_err();
        assert!(matches!(error.kind(), PublishErrorKind::Invalid(_)), "{message:?}");
        // It is the message that is wrong, not the moment.
        let again = queues.try_send("q", error.into_message()).unwrap_err().into_message();
        assert_eq!(again, message);
    }
    let longest = "x".repeat(255);
    assert_eq!(queues.try_send("q", plain().message_id(&longest).kind(&*longest)).unwrap().queues, 1);
    assert_eq!(broker.stats().publishes.published, 1);
}

#[test]
fn a_message_that_came_back_can_be_changed_and_sent() {
    let broker = broker();
    broker.declare_queue(&small("q", "reject-publish")).unwrap();
    declare(&broker, &["other", "copy"]);
    let mut queues = broker.publisher("").unwrap();
    while queues.try_send("q", Message::new("fill")).is_ok() {}
    let message = Message::new("m").message_id("1").expires_in(Duration::from_secs(5));
    let back = queues.try_send("q", message.clone()).unwrap_err().into_message();
    assert_eq!(back, message);
    let copied = back.header("CC", vec![Value::text("copy")]);
    assert_eq!(queues.try_send("other", copied).unwrap().queues, 2);
    let delivery = broker.get("copy").unwrap().unwrap();
    assert_eq!((delivery.routing_key().as_str(), delivery.exchange().as_str()), ("other", ""));
    assert_eq!(delivery.properties().expiration.as_deref(), Some("5000"));
    delivery.ack();
}
