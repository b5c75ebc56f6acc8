//! Assertions of the test double: exact where they hold, and a whole story where they do not.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use leveret::testing::{Selection, TestBroker};
use leveret::{Exchange, ExchangeDelete, Message, Queue, QueueDelete, Reason, Topology};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// A shop: orders go to stock, and what stock rejects to the morgue.
fn shop() -> TestBroker {
    let t = TestBroker::new();
    let topology = Topology::new()
        .exchange(Exchange::topic("events"))
        .queue(Queue::new("stock").bind("events", "order.*.created").bind("events", "stock.#").dead_letter_to("morgue"))
        .queue(Queue::new("morgue"));
    t.declare(&topology).unwrap();
    t
}

fn event(t: &TestBroker, key: &str, id: &str) {
    let message = Message::json(&id).unwrap().message_id(id).correlation_id("c-1").header("tier", "vip");
    t.publish("events", key, message).unwrap();
}

/// What an assertion says when it fails.
fn said(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("it should fail");
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap()
}

#[test]
fn what_holds_is_passed_over_and_gives_the_messages() {
    let t = shop();
    event(&t, "order.us.created", "o-1");
    event(&t, "order.eu.created", "o-2");
    t.publish("", "stock", Message::new("bare")).unwrap();
    let published = t.published("events");
    assert_eq!(published.assert_count(2).json::<String>(), ["o-1", "o-2"]);
    let once = published.clone().key("order.us.*").assert_once();
    assert_eq!((once.json::<String>().as_str(), once.routing_key().as_str()), ("o-1", "order.us.created"));
    published.clone().key("order.#").to("stock").header("tier", "vip").correlation_id("c-1").assert_ids(["o-1", "o-2"]);
    published.clone().message_id("o-2").assert_before(&t.published(""));
    published.key("payment.#").assert_none();
    t.published("").assert_bodies(["bare"]);
    t.consumed("stock").assert_none();
    t.assert_no_dead_letters();
    t.assert_nothing_lost();

    let mut consumer = t.consumer("stock").tag("worker").prefetch(1).open().unwrap();
    consumer.try_recv().unwrap().ack();
    consumer.try_recv().unwrap().reject();
    consumer.try_recv().unwrap().requeue();
    consumer.try_recv().unwrap().ack();
    t.consumed("stock").by("worker").assert_count(3);
    t.consumed("stock").by("nobody").assert_none();
    t.consumed("stock").message_id("o-1").assert_all_acked().assert_no_redelivery();
    t.dead_letters().from("stock").reason(Reason::Rejected).to("morgue").assert_ids(["o-2"]);
    t.dead_letters().reason(Reason::Expired).assert_none();
    t.published("events").message_id("o-2").assert_before(&t.dead_letters());
}

#[test]
fn returned_and_unroutable_are_told_apart() {
    let t = shop();
    let publisher = t.publisher("events").unwrap();
    publisher.mandatory().try_send("nowhere.1", Message::new("a").message_id("a")).unwrap_err();
    event(&t, "nowhere.2", "b");
    t.returned().assert_ids(["a"]);
    t.unroutable().assert_ids(["a", "b"]);
    t.lost().assert_ids(["b"]);
    let text = said(|| t.assert_nothing_lost());
    assert!(text.starts_with("lost: expected none, found 1"), "{text}");
}

#[test]
fn a_missed_key_is_told_with_the_word_that_differs() {
    let t = shop();
    event(&t, "order.us.create", "o-1");
    let text = said(|| _ = t.published("events").key("order.*.created").assert_once());
    let expected = "\
published to 'events' with key 'order.*.created': expected exactly 1, found 0
left out:
  #5 o-1 at 0ns: published to 'events' with key 'order.us.create', for no queue; dropped: no queue is bound for it: key 'order.us.create': word 3 is 'create', the binding wants 'created' (mistyped?)
published:
  #5 o-1 at 0ns: published to 'events' with key 'order.us.create', for no queue; dropped: no queue is bound for it
where it would go now:
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("what became of the nearest:\n  history of some messages: 1 message"), "{text}");
}

#[test]
fn a_binding_that_missed_is_told_with_the_word_that_differs() {
    let t = shop();
    event(&t, "order.us.create", "o-1");
    event(&t, "stock.counted", "s-1");
    let text = said(|| _ = t.consumed("stock").message_id("o-1").assert_once());
    // Nothing was consumed at all, so the nearest is what did not come to the queue.
    assert!(text.contains("where it would go now:"), "{text}");
    assert!(text.contains("word 3 is 'create'"), "{text}");
    assert!(text.contains("#1 'o-1' published to 'events' with key 'order.us.create'"), "{text}");
    assert!(!text.contains("#1 's-1'"), "{text}");
}

#[test]
fn order_and_before_say_what_was_instead() {
    let t = shop();
    event(&t, "order.us.created", "o-1");
    event(&t, "stock.counted", "s-1");
    let (orders, stock) = (t.published("events").key("order.#"), t.published("events").key("stock.#"));
    orders.assert_before(&stock);
    let text = said(|| _ = stock.assert_before(&orders));
    assert!(text.starts_with("published to 'events' with key 'stock.#': expected all before published to 'events' with key 'order.#'; but"), "{text}");
    let text = said(|| _ = orders.assert_before(&t.dead_letters()));
    assert!(text.contains("expected some, and some dead letters after them; found 1 and 0"), "{text}");
    let text = said(|| _ = t.published("events").assert_ids(["s-1", "o-1"]));
    assert!(text.contains(r#"expected the message ids ["s-1", "o-1"], found ["o-1", "s-1"]"#), "{text}");
    let text = said(|| _ = t.published("events").json::<u32>());
    assert!(text.contains("expected bodies that can be read"), "{text}");
}

#[test]
fn what_is_not_acknowledged_or_came_twice_is_told() {
    let t = shop();
    event(&t, "stock.counted", "s-1");
    let out = t.get("stock").unwrap().unwrap();
    let text = said(|| _ = t.consumed("stock").assert_all_acked());
    assert!(text.contains("expected all acknowledged; 1 of 1 are not"), "{text}");
    assert!(text.contains("in 'stock' unacknowledged, taken by get"), "{text}");
    out.requeue();
    t.get("stock").unwrap().unwrap().ack();
    let text = said(|| _ = t.consumed("stock").assert_no_redelivery());
    assert!(text.contains("1 of 1 were delivered again"), "{text}");
}

#[test]
fn dead_letters_are_told_with_what_they_are_instead() {
    let t = shop();
    event(&t, "stock.counted", "s-1");
    t.get("stock").unwrap().unwrap().reject();
    let text = said(|| _ = t.dead_letters().from("morgue").assert_once());
    assert!(text.contains("it died in 'stock'"), "{text}");
    let text = said(|| t.assert_no_dead_letters());
    assert!(text.contains("dead letters: expected none, found 1") && text.contains("#1 's-1'"), "{text}");
    let text = said(|| _ = t.dead_letters().reason(Reason::Expired).assert_once());
    assert!(text.contains("it died for 'rejected'"), "{text}");
    let text = said(|| _ = t.published("events").header("tier", "gold").assert_once());
    assert!(text.contains("header 'tier' is "), "{text}");
}

#[test]
fn text_and_data_are_the_same_each_time() {
    let run = || {
        let t = shop();
        event(&t, "order.us.created", "o-1");
        event(&t, "order.us.create", "o-2");
        t.get("stock").unwrap().unwrap().reject();
        t.advance_blocking(Duration::from_millis(1_500)).unwrap();
        t.publish("", "morgue", Message::new("a body without an id, and a long one")).unwrap();
        let selections = [t.published("events"), t.published(""), t.dead_letters(), t.consumed("stock")];
        let text: Vec<String> = selections.iter().map(ToString::to_string).collect();
        let story = serde_json::to_string_pretty(&selections[0].story("expected 3, found 2")).unwrap();
        (text.join("\n"), serde_json::to_string_pretty(&selections).unwrap(), story)
    };
    let (text, data, story) = run();
    assert_eq!(run(), (text.clone(), data.clone(), story.clone()));
    let expected = "\
published to 'events' (2)
  #5 o-1 at 0ns: published to 'events' with key 'order.us.created', for 'stock'; in 'stock' dead-lettered (rejected) to '' with key 'morgue'
  #7 o-2 at 0ns: published to 'events' with key 'order.us.create', for no queue; dropped: no queue is bound for it
published to '' (1)
  #13 \"a body without an id, an\"… at 1.5s: published to '' with key 'morgue', for 'morgue'; in 'morgue' ready
dead letters (1)
  #12 o-1 at 0ns: enqueued in 'morgue'; in 'morgue' ready
consumed from 'stock' (1)
  #9 o-1 at 0ns: delivered from 'stock' by get, attempt 1; in 'stock' dead-lettered (rejected) to '' with key 'morgue'";
    assert_eq!(text, expected);
    assert!(data.contains("\"message_id\": \"o-1\"") && story.contains("\"expected\": \"expected 3, found 2\""));
}

#[test]
fn many_messages_do_not_make_a_story_without_end() {
    let t = shop();
    for n in 0..1_000 {
        event(&t, "order.us.created", &format!("o-{n}"));
    }
    let text = said(|| _ = t.published("events").assert_count(7));
    assert!(text.lines().count() < 120, "{}", text.lines().count());
    assert!(text.contains("and 980 more"));
}

/// A mistyped name once made `assert_none` and `json` pass for ever.
#[test]
fn a_name_that_never_was_fails_every_assertion() {
    let t = shop();
    event(&t, "stock.counted", "s-1");
    type Assertion = (&'static str, fn(&Selection));
    let every: [Assertion; 9] = [
        ("assert_none", |about| about.assert_none()),
        ("assert_count", |about| _ = about.assert_count(0)),
        ("assert_once", |about| _ = about.assert_once()),
        ("assert_ids", |about| _ = about.assert_ids([])),
        ("assert_bodies", |about| _ = about.assert_bodies::<&str>([])),
        ("assert_before", |about| _ = about.assert_before(about)),
        ("assert_all_acked", |about| _ = about.assert_all_acked()),
        ("assert_no_redelivery", |about| _ = about.assert_no_redelivery()),
        ("json", |about| _ = about.json::<String>()),
    ];
    for (name, assertion) in every {
        for (about, wanted) in [
            (t.consumed("stokc"), "there is no queue 'stokc' (nearest: 'stock')"),
            (t.published("evnts"), "there is no exchange 'evnts' (nearest: 'events')"),
            (t.published("amq.topik"), "there is no exchange 'amq.topik' (nearest: 'amq.topic')"),
            (t.published("events").to("mrogue"), "there is no queue 'mrogue' (nearest: 'morgue')"),
            (t.dead_letters().from("sotck"), "there is no queue 'sotck' (nearest: 'stock')"),
            (t.consumed("quite-another"), "there is no queue 'quite-another'"),
        ] {
            let text = said(|| assertion(&about));
            assert!(text.contains(&format!(": {wanted}\n")), "{name}: {text}");
        }
    }
    let text = said(|| _ = t.published("events").assert_before(&t.consumed("stokc")));
    assert!(text.contains("there is no queue 'stokc'"), "{text}");
}

#[test]
fn a_name_that_was_is_known_and_so_are_predeclared_ones() {
    let t = shop();
    t.delete_queue(&QueueDelete::new("stock")).unwrap();
    t.delete_exchange(&ExchangeDelete::new("events")).unwrap();
    t.consumed("stock").assert_none();
    t.published("events").to("stock").assert_none();
    for exchange in ["", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.topic"] {
        t.published(exchange).assert_none();
    }
    // A selection of before is about what is now.
    let early = t.consumed("later");
    t.declare(&Topology::new().queue(Queue::new("later"))).unwrap();
    early.assert_none();
    t.restart();
    early.assert_none();
}

/// What nobody did says nothing of how it was done.
#[test]
fn all_of_none_is_no_proof() {
    let t = shop();
    event(&t, "stock.counted", "s-1");
    let text = said(|| _ = t.consumed("stock").assert_all_acked());
    assert!(text.starts_with("consumed from 'stock': expected some, all acknowledged; there are none"), "{text}");
    let text = said(|| _ = t.consumed("stock").assert_no_redelivery());
    assert!(text.starts_with("consumed from 'stock': expected some, none delivered again; there are none"), "{text}");
}
