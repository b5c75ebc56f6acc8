//! Explanations as they are read: a golden text for everything that can be told. That what is told happens is in
//! `explain_oracle.rs`.

use leveret::explain::{Cause, ExplainedAlternate, Fate, Length, Verdict};
use leveret::{
    Binding, Broker, Consume, Exchange, Explanation, Limits, ManualClock, Message, Miss, Moment, Overflow, Publish,
    Queue, QueueDelete, Strategy, Table, Topology, Value,
};
use std::time::Duration;

fn broker(topology: &Topology) -> Broker {
    let broker = Broker::builder().manual_time().build();
    broker.declare(topology).unwrap();
    broker
}

#[track_caller]
fn is(found: impl std::fmt::Display, wanted: &str) {
    assert_eq!(found.to_string(), wanted, "found:\n{found}\n");
}

/// The part on queues: all behind the exchanges.
fn queues(explanation: &Explanation) -> String {
    let queues: Vec<String> = explanation.queues.iter().map(ToString::to_string).collect();
    queues.join("\n")
}

fn events() -> Broker {
    broker(
        &Topology::new()
            .exchange(Exchange::topic("events"))
            .queue(Queue::new("eu").bind("events", "order.eu.*"))
            .queue(Queue::new("all").bind("events", "order.#"))
            .queue(Queue::new("audit").bind("events", "#.created")),
    )
}

#[test]
fn a_topic_tells_the_words() {
    is(
        events().explain("events", "order.us.created"),
        "\
exchange 'events', key 'order.us.created': reaches 2 queues

topic exchange 'events', published to
  miss  'order.eu.*' -> queue 'eu': word 2 is 'us', the binding wants 'eu'
  match 'order.#' -> queue 'all': '#' took 'us.created'
  match '#.created' -> queue 'audit': '#' took 'order.us'

classic queue 'all': ready, the next to be delivered; it has no consumers
  dead letters: lost, the queue has no dead-letter exchange

classic queue 'audit': ready, the next to be delivered; it has no consumers
  dead letters: lost, the queue has no dead-letter exchange",
    );
    let word_for_word = Topology::new().queue(Queue::new("q").bind("amq.topic", "a.b"));
    let told = broker(&word_for_word).explain("amq.topic", "a.b");
    is(&told.exchanges[0].bindings[0], "match 'a.b' -> queue 'q': the key is the same");
    let only_first = &events().explain("events", "order").exchanges[0];
    is(&only_first.bindings[1], "match 'order.#' -> queue 'all': '#' took no word");
    is(
        events().explain("events", "odrer.eu"),
        "\
exchange 'events', key 'odrer.eu': reaches no queue, so it is returned if mandatory and else dropped: \
the nearest binding is 'order.#' of topic exchange 'events' -> queue 'all', \
and word 1 is 'odrer', the binding wants 'order' (mistyped?)

topic exchange 'events', published to
  miss  'order.eu.*' -> queue 'eu': word 1 is 'odrer', the binding wants 'order' (mistyped?); \
word 3 is missing, the binding wants any word ('*')
  miss  'order.#' -> queue 'all': word 1 is 'odrer', the binding wants 'order' (mistyped?)
  miss  '#.created' -> queue 'audit': word 2 is 'eu', the binding wants 'created'",
    );
}

#[test]
fn misses_of_patterns() {
    for (pattern, key, wanted) in [
        ("order.eu.*", "order.us.created", "word 2 is 'us', the binding wants 'eu'"),
        ("a.b", "a", "word 2 is missing, the binding wants 'b'"),
        (
            "a.*.c",
            "",
            "word 1 is missing, the binding wants 'a'; word 2 is missing, the binding wants any word ('*'); \
         word 3 is missing, the binding wants 'c'",
        ),
        ("", "a", "word 1 'a' is one too many"),
        ("*", "a.b", "word 2 'b' is one too many"),
        ("a.b", "a.x.b", "word 2 'x' is one too many"),
        ("#.b", "b.a", "word 2 'a' is one too many"),
        ("#.log", "a.b.lgo", "word 3 is 'lgo', the binding wants 'log'"),
        ("a.#.b", "a", "word 2 is missing, the binding wants 'b'"),
        ("*.b.#", "a", "word 2 is missing, the binding wants 'b'"),
        ("order", "Order", "word 1 is 'Order', the binding wants 'order' (only upper and lower case differ)"),
        ("order", " order", "word 1 is ' order', the binding wants 'order' (only white space differs)"),
        ("a.b", "a..b", "word 2 '' is one too many"),
        ("a", "a.", "word 2 '' is one too many"),
        ("a.b.c", "x.b.y", "word 1 is 'x', the binding wants 'a'; word 3 is 'y', the binding wants 'c'"),
        (
            "order*",
            "orders",
            "word 1 is 'orders', the binding wants 'order*' (mistyped?) \
             ('*' and '#' stand for words only where they are whole words)",
        ),
        ("a\nb", "a", "word 1 is 'a', the binding wants 'a\\nb'"),
    ] {
        is(Miss::of_topic(pattern, key).unwrap_or_else(|| panic!("{pattern} fits {key}")), wanted);
    }
    for (pattern, key) in [("#", ""), ("#.#", "a"), ("a.#", "a"), ("*.#", "a.b"), ("", ""), ("*", ""), ("a.*", "a.")] {
        // A key of no words has none for `*`.
        assert_eq!(Miss::of_topic(pattern, key).is_none(), pattern != "*", "{pattern} {key}");
    }
    is(Miss::of_topic("#", &"x".repeat(256)).unwrap(), "256 bytes are more than the 255 of any name");
    // The longest there can be.
    let (pattern, key) = (["#"; 128].join("."), ["a"; 128].join("."));
    assert_eq!(Miss::of_topic(&pattern, &key), None);
}

/// Without `-with-x`, what begins with `x-` is not asked for.
#[test]
fn headers_with_x_are_told_as_such() {
    let bound = |mode: &str| Binding::to("jobs").argument("x-match", mode).argument("x-region", "eu");
    let modes = ["all", "any", "all-with-x", "any-with-x"];
    let topology = modes.iter().fold(Topology::new().exchange(Exchange::headers("jobs")), |topology, mode| {
        topology.queue(Queue::new(*mode).binding(bound(mode)))
    });
    let told = broker(&topology).explain_message("jobs", "", &Message::new("").header("x-region", "us"));
    is(
        &told.exchanges[0],
        "\
headers exchange 'jobs', published to
  match {x-match: 'all', x-region: 'eu'} -> queue 'all': x-match all: the binding asks for no header
  miss  {x-match: 'any', x-region: 'eu'} -> queue 'any': x-match any: the binding asks for no header, so none fits
  miss  {x-match: 'all-with-x', x-region: 'eu'} -> queue 'all-with-x': x-match all-with-x: header 'x-region' is 'us', \
the binding wants 'eu'
  miss  {x-match: 'any-with-x', x-region: 'eu'} -> queue 'any-with-x': x-match any-with-x: header 'x-region' is 'us', \
the binding wants 'eu'",
    );
}

#[test]
fn headers_tell_what_differs() {
    let bound =
        |mode: &str| Binding::to("jobs").argument("x-match", mode).argument("region", "eu").argument("n", 1_i64);
    let broker = broker(
        &Topology::new()
            .exchange(Exchange::headers("jobs"))
            .queue(Queue::new("both").binding(bound("all")))
            .queue(Queue::new("either").binding(bound("any")))
            .queue(Queue::new("none").binding(Binding::to("jobs").argument("x-match", "any")))
            .queue(Queue::new("there").binding(Binding::to("jobs").argument("n", Value::Void))),
    );
    let tell = |message: Message| broker.explain_message("jobs", "", &message);
    is(
        &tell(Message::new("").header("region", "eu").header("n", "1")).exchanges[0],
        "\
headers exchange 'jobs', published to
  miss  {x-match: 'all', region: 'eu', n: 1} -> queue 'both': \
x-match all: header 'n' is '1' (longstr), the binding wants 1 (long)
  match {x-match: 'any', region: 'eu', n: 1} -> queue 'either': x-match any: header 'region' fits
  miss  {x-match: 'any'} -> queue 'none': x-match any: the binding asks for no header, so none fits
  match {n: undefined} -> queue 'there': x-match all: header 'n' fits",
    );
    let nothing = tell(Message::new(""));
    is(
        &nothing.verdict,
        "reaches no queue, so it is returned if mandatory and else dropped: the nearest binding is {n: undefined} of headers \
exchange 'jobs' -> queue 'there', and x-match all: header 'n' is missing, the binding wants it with any value",
    );
    is(
        &nothing.exchanges[0].bindings[1],
        "miss  {x-match: 'any', region: 'eu', n: 1} -> queue 'either': \
x-match any: header 'region' is missing, the binding wants 'eu'; header 'n' is missing, the binding wants 1",
    );
    let long = tell(Message::new("").header("n", 1_i64).header("region", "e".repeat(1_000)));
    let miss = long.exchanges[0].bindings[0].matching.to_string();
    assert_eq!(miss, format!("x-match all: header 'region' is '{}...', the binding wants 'eu'", "e".repeat(64)));
    // Letters, of however many bytes.
    let long = tell(Message::new("").header("n", 1_i64).header("region", "\u{1f407}".repeat(1_000)));
    let miss = long.exchanges[0].bindings[0].matching.to_string();
    assert!(miss.contains(&format!("is '{}...',", "\u{1f407}".repeat(64))), "{miss}");
}

#[test]
fn headers_that_ask_for_nothing() {
    let all = Queue::new("all").binding(Binding::to("jobs"));
    let broker = broker(&Topology::new().exchange(Exchange::headers("jobs")).queue(all));
    is(
        &broker.explain("jobs", "").exchanges[0],
        "\
headers exchange 'jobs', published to
  match {} -> queue 'all': x-match all: the binding asks for no header",
    );
}

#[test]
fn the_default_exchange_knows_names() {
    let broker = events();
    is(
        broker.explain("", "Audti"),
        "\
default exchange, key 'Audti': reaches no queue, so it is returned if mandatory and else dropped: \
there is no queue 'Audti'; perhaps 'audit'

default exchange, published to
  miss  'audit' -> queue 'audit': the key is 'Audti', the binding wants 'audit'",
    );
    is(
        broker.explain("", "zzz"),
        "\
default exchange, key 'zzz': reaches no queue, so it is returned if mandatory and else dropped: \
there is no queue 'zzz'

default exchange, published to
  no queue has a name like that",
    );
    let carbon = Message::new("").header("CC", vec![Value::text("no\nsuch")]).header("BCC", vec![Value::text("all")]);
    let told = broker.explain_message("", "eu", &carbon);
    assert_eq!(told.keys, ["eu", "no\nsuch", "all"]);
    is(
        &told.exchanges[0],
        "\
default exchange, published to
  match 'eu' -> queue 'eu': the key is the same (by the key 'eu')
  match 'all' -> queue 'all': the key is the same (by the key 'all')",
    );
    for (key, carbon) in [("x.y.z", "order.eu"), ("order.eu", "x.y.z")] {
        let carbon = Message::new("").header("CC", vec![Value::text(carbon)]);
        let by_nearest = broker.explain_message("events", key, &carbon).to_string();
        let wanted = "word 3 is missing, the binding wants any word ('*') (by the key 'order.eu')";
        assert!(by_nearest.contains(wanted), "{by_nearest}");
    }
}

#[test]
fn names_that_are_alike_are_told_the_nearest_first() {
    let names = ["orders-eu", "stock", "orders", "orderss", "ordery"];
    let broker = broker(&names.iter().fold(Topology::new(), |topology, name| topology.queue(Queue::new(*name))));
    let told = broker.explain("", "order");
    let keys: Vec<&str> = told.exchanges[0].bindings.iter().map(|binding| &*binding.key).collect();
    assert_eq!(keys, ["orders", "ordery", "orderss"]);
}

#[test]
fn what_cannot_be_published() {
    let topology = Topology::new().exchange(Exchange::topic("events")).exchange(Exchange::fanout("inner").internal());
    let broker = broker(&topology);
    is(
        broker.explain("evnets", "k"),
        "exchange 'evnets', key 'k': is not published, since there is no such exchange; perhaps 'events'",
    );
    is(broker.explain("q", "k"), "exchange 'q', key 'k': is not published, since there is no such exchange");
    is(
        broker.explain("inner", "k"),
        "exchange 'inner', key 'k': is not published, since the exchange is internal: only exchanges may feed it",
    );
    is(
        broker.explain_message("events", "k", &Message::new("").message_id("x".repeat(300))),
        "exchange 'events', key 'k': is not published: property 'message_id' has 300 bytes; at most 255 are allowed",
    );
    assert!(matches!(broker.explain("events", &"k".repeat(256)).verdict, Verdict::Invalid { .. }));
    drop(broker.shutdown().wait());
    is(broker.explain("events", "k"), "exchange 'events', key 'k': is not published, since the broker is closed");
}

#[test]
fn exchanges_lead_to_exchanges() {
    let topology = Topology::new()
        .exchange(Exchange::direct("orders").alternate("unrouted"))
        .exchange(Exchange::fanout("unrouted").alternate("orders"))
        .exchange(Exchange::direct("lost").alternate("nowhere"))
        .exchange(Exchange::direct("plain").alternate(""))
        .exchange(Exchange::fanout("inner").internal().bind("outer", "k"))
        .exchange(Exchange::direct("outer").bind("inner", ""))
        .queue(Queue::new("known").bind("orders", "new").bind("inner", ""));
    let broker = broker(&topology);
    is(
        &broker.explain("orders", "new").exchanges[0],
        "\
direct exchange 'orders', published to
  match 'new' -> queue 'known': the key is the same
  alternate exchange 'unrouted': not asked, a binding matches",
    );
    is(
        broker.explain("orders", "n"),
        "\
exchange 'orders', key 'n': reaches no queue, so it is returned if mandatory and else dropped: \
the nearest binding is 'new' of direct exchange 'orders' -> queue 'known', \
and the key is 'n', the binding wants 'new'

direct exchange 'orders', published to
  miss  'new' -> queue 'known': the key is 'n', the binding wants 'new'
  alternate exchange 'unrouted': asked, no binding matches

fanout exchange 'unrouted', the alternate of exchange 'orders'
  it has no bindings
  alternate exchange 'orders': asked before",
    );
    let alternate = |exchange: &str| broker.explain(exchange, "k").exchanges[0].alternate.clone();
    assert_eq!(alternate("lost"), Some(ExplainedAlternate::Missing("nowhere".to_owned())));
    is(alternate("lost").unwrap(), "alternate exchange 'nowhere': there is no such exchange");
    is(alternate("plain").unwrap(), "alternate exchange '': the default exchange finds no queue as an alternate");
    is(
        broker.explain("outer", "k"),
        "\
exchange 'outer', key 'k': reaches 1 queue

direct exchange 'outer', published to
  match 'k' -> exchange 'inner': the key is the same

fanout exchange 'inner', bound to exchange 'outer'
  match '' -> exchange 'outer': a fanout exchange asks for nothing
  match '' -> queue 'known': a fanout exchange asks for nothing

classic queue 'known': ready, the next to be delivered; it has no consumers
  dead letters: lost, the queue has no dead-letter exchange",
    );
    broker.delete_queue(&QueueDelete::new("known")).unwrap();
    let cause = |exchange: &str| match broker.explain(exchange, "k").verdict {
        Verdict::Unroutable { cause } => cause,
        other => panic!("{other}"),
    };
    is(cause("outer"), "every binding leads to another exchange, and none to a queue");
    assert_eq!(cause("orders"), Cause::NoBindings { exchange: "orders".to_owned() });
    is(cause("orders"), "exchange 'orders' has no bindings");
}

/// A queue that holds two bodies of four bytes, or as many as it takes.
fn filled(queue: Queue) -> Broker {
    let dead = Queue::new("dead").bind("dlx", "dead");
    let broker = broker(&Topology::new().exchange(Exchange::direct("dlx")).queue(dead).queue(queue));
    for _ in 0..2 {
        broker.publish("", "q", Message::new("1234")).ok();
    }
    broker
}

/// What it would do with a body of nine bytes.
#[track_caller]
fn does(queue: Queue, wanted: &str) {
    let told = filled(queue).explain_message("", "q", &Message::new("123456789"));
    is(queues(&told), wanted);
}

#[test]
fn full_queues() {
    does(
        Queue::new("q").max_length(1, Overflow::RejectPublish).dead_letter_to("dead"),
        "\
classic queue 'q': refuses it, held to 1 ready message
  dead letters: none, for it does not come in",
    );
    does(
        Queue::new("q").max_length(1, Overflow::RejectPublishDlx).dead_letter_to("dead"),
        "\
classic queue 'q': refuses it, held to 1 ready message, and dead-letters it
  dead letters: through the default exchange with 'dead' -> queue 'dead'",
    );
    // A quorum queue lets one in at its length.
    does(
        Queue::new("q").quorum().max_length(2, Overflow::RejectPublish),
        "\
quorum queue 'q': ready, behind 2 messages; it has no consumers
  dead letters: lost, the queue has no dead-letter exchange",
    );
    does(
        Queue::new("q").max_length(2, Overflow::DropHead).dead_letter_exchange("dlx"),
        "\
classic queue 'q': ready, behind 1 message; it has no consumers
  its head is dropped to make room, held to 2 ready messages: lost, no queue is bound: through exchange 'dlx' with 'q'
  dead letters: lost, no queue is bound: through exchange 'dlx' with 'q'",
    );
    does(
        Queue::new("q")
            .max_length_bytes(10, Overflow::DropHead)
            .dead_letter_exchange("dlx")
            .dead_letter_routing_key("dead"),
        "\
classic queue 'q': ready, the next to be delivered; it has no consumers
  its first 2 messages are dropped to make room, held to 10 bytes of ready bodies: \
through exchange 'dlx' with 'dead' -> queue 'dead'
  dead letters: through exchange 'dlx' with 'dead' -> queue 'dead'",
    );
    does(
        Queue::new("q").max_length(0, Overflow::DropHead).dead_letter_exchange("gone"),
        "\
classic queue 'q': takes it and drops it at once: held to 0 ready messages, and it is the head itself
  dead letters: lost, there is no exchange 'gone'",
    );
    let lost = filled(Queue::new("q").max_length(0, Overflow::DropHead)).explain("", "q");
    is(&lost.verdict, "reaches 1 queue, which loses it at once");
}

#[test]
fn the_brokers_own_bound() {
    let mut limits = Limits::default();
    (limits.ready_messages, limits.ready_bytes) = (2, 10);
    let broker = Broker::builder().manual_time().limits(limits).build();
    broker.declare(&Topology::new().queue(Queue::new("q"))).unwrap();
    broker.publish("", "q", Message::new("1")).unwrap();
    let bytes = broker.explain_message("", "q", &Message::new("0123456789"));
    assert_eq!(bytes.queues[0].fate, Fate::Full { length: Length::Bytes { most: 10 } });
    is(&bytes.verdict, "reaches 1 queue, which refuses it");
    broker.publish("", "q", Message::new("2")).unwrap();
    is(
        queues(&broker.explain("", "q")),
        "\
classic queue 'q': refuses it at the broker's own bound of 2 ready messages
  dead letters: none, for it does not come in",
    );
}

#[test]
fn times_to_live() {
    let looping = || Queue::new("q").message_ttl(Duration::from_millis(500)).dead_letter_to("q");
    does(
        looping(),
        "\
classic queue 'q': ready, behind 2 messages; it has no consumers
  expires after 500 ms, once it is the head: the queue's time, it has none of its own
  dead letters: through the default exchange with 'q', not to queue 'q' where it would go round for ever",
    );
    let broker = filled(looping().max_length(9, Overflow::DropHead));
    let own = broker.explain_message("", "q", &Message::new("").expires_in(Duration::from_millis(20)));
    assert!(
        queues(&own).contains("expires after 20 ms, once it is the head: its own time is 20 ms, the queue's 500 ms")
    );

    let broker = filled(Queue::new("q").message_ttl(Duration::ZERO));
    is(
        broker.explain("", "q"),
        "\
default exchange, key 'q': reaches 1 queue, which loses it at once

default exchange, published to
  match 'q' -> queue 'q': the key is the same

classic queue 'q': takes it and it expires at once: it may not wait, and no consumer has room
  dead letters: lost, the queue has no dead-letter exchange",
    );
    let mut consumer = broker.consumer("q").prefetch(1).tag("worker").open().unwrap();
    is(
        queues(&broker.explain("", "q")),
        "\
classic queue 'q': straight to its consumer 'worker'
  dead letters: lost, the queue has no dead-letter exchange",
    );
    broker.publish("", "q", Message::new("")).unwrap();
    assert_eq!(broker.explain("", "q").queues[0].fate, Fate::Expired);
    // An acknowledgement counts at once, here as everywhere.
    consumer.try_recv().unwrap().ack();
    assert!(matches!(broker.explain("", "q").queues[0].fate, Fate::Delivered { .. }));
}

/// Time went on, and the queue has not looked yet: what is overdue goes first, and then the message is taken or not.
#[test]
fn what_is_overdue_goes_first() {
    let late = |queue: Queue| {
        let clock = ManualClock::new();
        let broker = Broker::builder().manual_clock(clock.clone()).build();
        broker.declare(&Topology::new().queue(queue).queue(Queue::new("dead"))).unwrap();
        let five = Duration::from_millis(5);
        broker.publish("", "q", Message::new("").priority(3).expires_in(five)).unwrap();
        for _ in 0..2 {
            broker.publish("", "q", Message::new("")).unwrap();
        }
        clock.set(Moment::from_millis(10));
        broker
    };
    let told = late(Queue::new("q").max_priority(3)).explain_message("", "q", &Message::new("").priority(2));
    is(
        queues(&told),
        "\
classic queue 'q': ready, the next to be delivered; it has no consumers
  1 ready message has expired and goes first
  priority 2
  dead letters: lost, the queue has no dead-letter exchange",
    );
    // Its bytes go with it.
    let bounded = Queue::new("q").max_length_bytes(9, Overflow::RejectPublish);
    let clock = ManualClock::new();
    let broker = Broker::builder().manual_clock(clock.clone()).build();
    broker.declare(&Topology::new().queue(bounded)).unwrap();
    broker.publish("", "q", Message::new("late").expires_in(Duration::from_millis(5))).unwrap();
    broker.publish("", "q", Message::new("good")).unwrap();
    let more = Message::new("more");
    let refused = Fate::Refused { length: Length::Bytes { most: 9 }, dies: false };
    assert_eq!(broker.explain_message("", "q", &more).queues[0].fate, refused);
    clock.set(Moment::from_millis(10));
    assert_eq!(broker.explain_message("", "q", &more).queues[0].fate, Fate::Ready { ahead: 1 });
    broker.publish("", "q", more).unwrap();
    // What a queue keeps as a dead letter counts to its length.
    let keeps = Queue::new("q").quorum().max_length(2, Overflow::RejectPublish).dead_letter_to("dead");
    let broker = late(keeps.dead_letter_strategy(Strategy::AtLeastOnce));
    let told = broker.explain("", "q");
    assert_eq!(told.queues[0].fate, Fate::Refused { length: Length::Messages { most: 2 }, dies: false });
    assert_eq!(told.queues[0].expired_first, 1);
    assert!(broker.publish("", "q", Message::new("")).is_err());
    // So do its bytes: four that wait and four that died are not over ten.
    let keeps = Queue::new("q").quorum().max_length_bytes(10, Overflow::RejectPublish).dead_letter_to("nowhere");
    let keeps = keeps.dead_letter_strategy(Strategy::AtLeastOnce);
    let clock = ManualClock::new();
    let broker = Broker::builder().manual_clock(clock.clone()).build();
    broker.declare(&Topology::new().queue(keeps)).unwrap();
    broker.publish("", "q", Message::new("late").expires_in(Duration::from_millis(5))).unwrap();
    broker.publish("", "q", Message::new("good")).unwrap();
    clock.set(Moment::from_millis(10));
    assert_eq!(broker.explain("", "q").queues[0].fate, Fate::Ready { ahead: 1 });
    broker.publish("", "q", Message::new("more")).unwrap();
    let fate = broker.explain("", "q").queues[0].fate.clone();
    assert_eq!(fate, Fate::Refused { length: Length::Bytes { most: 10 }, dies: false });
    assert!(broker.publish("", "q", Message::new("")).is_err());
}

#[test]
fn consumers_without_room_and_priorities() {
    let broker = filled(Queue::new("q").max_priority(3));
    let _consumer = broker.consumer("q").prefetch(1).open().unwrap();
    let tell = |priority: u8| queues(&broker.explain_message("", "q", &Message::new("").priority(priority)));
    let end = "\n  dead letters: lost, the queue has no dead-letter exchange";
    is(tell(0), &format!("classic queue 'q': ready, behind 1 message; its consumer has no room now{end}"));
    is(
        tell(9),
        &format!(
            "classic queue 'q': ready, the next to be delivered; its consumer has no room now\n  priority 9, taken as 3{end}"
        ),
    );
    // Nothing waits, and whoever has all that its prefetch allows takes no more; of a quorum queue neither.
    for queue in [Queue::new("q"), Queue::new("q").quorum()] {
        let broker = filled(queue);
        let mut consumer = broker.consumer("q").prefetch(2).open().unwrap();
        let told = || broker.explain("", "q").queues[0].to_string();
        assert!(told().contains("ready, the next to be delivered; its consumer has no room now"), "{}", told());
        consumer.try_recv().unwrap().ack();
        assert!(told().contains("straight to its consumer"), "{}", told());
    }
    for _ in 0..2 {
        broker.publish("", "q", Message::new("").priority(3)).unwrap();
    }
    for (priority, behind) in [(9, "2 messages"), (3, "2 messages"), (2, "2 messages"), (0, "3 messages")] {
        let told = tell(priority);
        assert!(told.contains(&format!("ready, behind {behind};")), "{priority}: {told}");
    }
    let broker = filled(Queue::new("q"));
    let told = queues(&broker.explain_message("", "q", &Message::new("").priority(9)));
    assert!(told.contains("\n  priority 9 does not count: the queue has no x-max-priority\n"), "{told}");
    let broker = filled(Queue::new("q").quorum());
    let told = queues(&broker.explain_message("", "q", &Message::new("").priority(9)));
    assert!(
        told.contains("ready, the next to be delivered") && told.contains("\n  priority 9: a high one\n"),
        "{told}"
    );
}

#[test]
fn a_direct_reply_is_no_queue() {
    let broker = broker(&Topology::new().queue(Queue::new("requests")));
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&Consume::new("amq.rabbitmq.reply-to").no_ack()).unwrap();
    let request = Message::new("").reply_to("amq.rabbitmq.reply-to");
    channel.basic_publish(&Publish::new("", "requests"), request).unwrap();
    let address = broker.get("requests").unwrap().unwrap().properties().reply_to.clone().unwrap();
    let told = broker.explain("", &address);
    assert!(told.direct_reply && told.queues.is_empty());
    assert!(told.to_string().contains("\nand goes to somebody who waits for it as a direct reply\n"), "{told}");
    // Nothing was sent.
    assert!(channel.try_recv().is_err());
}

#[test]
fn of_many_bindings_the_nearest_are_told() {
    let broker = broker(&Topology::new().exchange(Exchange::direct("d")).queue(Queue::new("q")));
    for number in 0..2_000 {
        broker.bind("q", &Binding::to("d").key(format!("key-{number}-{}", "x".repeat(number % 7)))).unwrap();
    }
    let told = broker.explain("d", "key-1500-xx");
    assert_eq!((told.exchanges[0].bindings.len(), told.exchanges[0].more_misses), (9, 1_991));
    assert!(told.to_string().contains("\n  and 1991 more bindings that do not match"));
    let told = broker.explain("d", "key-1500-xxy");
    assert_eq!((told.exchanges[0].bindings.len(), told.exchanges[0].more_misses), (8, 1_992));
    // They stand in the order in which they were made, and the nearest is in the verdict.
    let keys: Vec<&str> = told.exchanges[0].bindings.iter().map(|binding| &*binding.key).collect();
    let number = |key: &str| key.split('-').nth(1).unwrap().parse::<u32>().unwrap();
    assert!(keys.is_sorted_by_key(|key| number(key)), "{keys:?}");
    let Verdict::Unroutable { cause: Cause::Nearest { binding, .. } } = told.verdict else {
        panic!("{}", told.verdict)
    };
    assert_eq!(binding.key, "key-1500-xx");
}

/// What the verdict names: of all exchanges the binding that comes nearest, and of two as near the first.
#[test]
fn the_nearest_of_all_is_in_the_verdict() {
    let nearest = |told: Explanation| match told.verdict {
        Verdict::Unroutable { cause: Cause::Nearest { binding, .. } } => binding.key,
        other => panic!("{other}"),
    };
    let outer = Exchange::direct("outer").alternate("inner");
    let exchanges = Topology::new().exchange(outer).exchange(Exchange::direct("inner"));
    let broker = broker(&exchanges.queue(Queue::new("orders")));
    for (exchange, key) in [("outer", "keyx"), ("inner", "keyy"), ("outer", "kexxx"), ("inner", "kez")] {
        broker.bind("orders", &Binding::to(exchange).key(key)).unwrap();
    }
    for (key, binding) in [("keyz", "keyx"), ("kexx", "keyx"), ("kexxxx", "kexxx"), ("ke", "kez")] {
        assert_eq!(nearest(broker.explain("outer", key)), binding, "{key}");
    }
    // Of patterns that miss by as many words the one whose words are more alike, wherever it stands.
    broker.declare(&Topology::new().exchange(Exchange::topic("events"))).unwrap();
    for pattern in ["order.shipped", "order.placed", "order.paid", "*.cancelled", "order.*.late"] {
        broker.bind("orders", &Binding::to("events").key(pattern)).unwrap();
    }
    for (key, pattern) in
        [("order.plaecd", "order.placed"), ("order.payd", "order.paid"), ("order.shiped", "order.shipped")]
    {
        assert_eq!(nearest(broker.explain("events", key)), pattern, "{key}");
    }
    // Of those that miss by as much, the one of which more words are there.
    broker.declare(&Topology::new().exchange(Exchange::topic("words"))).unwrap();
    for pattern in ["*.*.d", "a.*.d", "a.b.d", "*.b.d"] {
        broker.bind("orders", &Binding::to("words").key(pattern)).unwrap();
    }
    assert_eq!(nearest(broker.explain("words", "a.b.c")), "a.b.d");
}

#[test]
fn misses_know_no_broker() {
    assert_eq!(Miss::of_key("a", "a"), None);
    is(Miss::of_key("orders", "order").unwrap(), "the key is 'order', the binding wants 'orders' (mistyped?)");
    let arguments = Table::new().with("x-match", "sometimes");
    assert_eq!(Miss::of_headers(&arguments, None), None);
    assert_eq!(Miss::of_headers(&Table::new(), None), None);
}

#[cfg(feature = "serde")]
#[test]
fn it_is_data() {
    let told = events().explain("events", "order.us.created");
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(json["verdict"]["reaches"]["queues"], 2);
    let missed = &json["exchanges"][0]["bindings"][0];
    assert_eq!(missed["leads"]["queue"], "eu");
    let word = &missed["matching"]["missed"]["miss"]["words"][0]["differs"];
    assert_eq!((&word["number"], &word["wanted"], &word["is"]), (&2.into(), &"eu".into(), &"us".into()));
    assert_eq!(json["exchanges"][0]["kind"], "topic");
    assert_eq!(json["exchanges"][0]["bindings"][1]["matching"]["matched"]["pattern"]["took"][0]["words"], "us.created");
    assert_eq!(json["queues"][0]["fate"]["ready"]["ahead"], 0);
    assert_eq!(json["queues"][0]["kind"], "classic");
}
