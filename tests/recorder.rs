//! What the recorder tells: histories as text, as data and as a drawing, the ledger as a table, why a message is lost; and
//! that it keeps within its bound.
//!
//! Seen to fail with: journeys that are never forgotten, queues that were deleted and are told apart for ever, letters on their
//! way when the broker ends of which nobody is told.

mod watched;

use leveret::{
    Broker, Consume, Exchange, Fate, History, Limits, Message, Overflow, Policy, Publish, Qos, Queue, QueueDeclare,
    QueueDelete, Reason, Recorder, RecorderBound, Strategy, Topology, Value,
};
use std::time::Duration;
use watched::watched;

fn recorded() -> (Broker, Recorder) {
    let recorder = Recorder::default();
    (Broker::builder().manual_time().record(recorder.clone()).build(), recorder)
}

/// Orders, whose dead letters wait for a second and come back.
fn retrying() -> Topology {
    let orders = Queue::new("orders").dead_letter_exchange("").dead_letter_routing_key("wait");
    let wait = Queue::new("wait").message_ttl(Duration::from_secs(1)).dead_letter_exchange("");
    Topology::new()
        .exchange(Exchange::topic("events"))
        .queue(orders.bind("events", "order.*"))
        .queue(wait.dead_letter_routing_key("orders"))
        .queue(Queue::new("audit").bind("events", "#"))
}

fn lost(history: Option<History>) -> Vec<String> {
    history.expect("it is remembered").losses()
}

#[test]
fn a_history_goes_across_deaths() {
    let (broker, recorder) = recorded();
    broker.declare(&retrying()).unwrap();
    let mut consumer = broker.consumer("orders").tag("billing").prefetch(1).open().unwrap();
    let order = Message::new("{}").message_id("o-1").correlation_id("checkout-7");
    broker.publish("events", "order.made", order).unwrap();
    broker.advance(Duration::from_millis(5));
    consumer.try_recv().unwrap().reject();
    broker.advance(Duration::from_micros(1_000_500));
    consumer.try_recv().unwrap().ack();
    let history = broker.history("o-1").unwrap();
    assert!(!history.is_finished());
    assert_eq!(
        history.to_string(),
        "\
history of message id 'o-1': 1 message, 2 dead letters
#1 'o-1' published to 'events' with key 'order.made'
  0 ms: published to 'events' with key 'order.made', for 'orders', 'audit'
  0 ms: enqueued in 'orders'
  0 ms: delivered from 'orders' to 'billing', attempt 1
  0 ms: enqueued in 'audit'
  5 ms: died in 'orders': rejected
  5 ms: dead-lettered from 'orders' (rejected) to '' with key 'wait', for 'wait'
  fate in 'orders': dead-lettered (rejected) to '' with key 'wait'
  fate in 'audit': ready
#2 'o-1' died as #1 in 'orders' (rejected)
  5 ms: enqueued in 'wait'
  1005 ms: died in 'wait': expired
  1005 ms: dead-lettered from 'wait' (expired) to '' with key 'orders', for 'orders'
  fate in 'wait': dead-lettered (expired) to '' with key 'orders'
#3 'o-1' died as #2 in 'wait' (expired)
  1005 ms: enqueued in 'orders'
  1005 ms: delivered from 'orders' to 'billing', attempt 1
  1005.5 ms: acknowledged in 'orders'
  fate in 'orders': acknowledged
"
    );
    assert_eq!(recorder.conversation("checkout-7").unwrap().journeys().len(), 3);
    assert!(recorder.history("o-2").is_none() && recorder.conversation("checkout-8").is_none());
    let letters = recorder.history_where(|journey| journey.origin().is_some()).unwrap();
    let reasons: Vec<_> = letters.journeys().iter().map(|letter| letter.origin().unwrap().reason).collect();
    assert_eq!(reasons, [Reason::Rejected, Reason::Expired]);
    // All facts together are those of the journeys and those of queues, consumers and bindings.
    let facts = recorder.facts();
    assert!(facts.iter().enumerate().all(|(at, fact)| fact.number == at as u64));
}

#[test]
fn a_wrong_routing_key_is_told() {
    let (broker, recorder) = recorded();
    broker.declare(&retrying()).unwrap();
    broker.delete_queue(&QueueDelete::new("audit")).unwrap();
    broker.publish("events", "odrer.made", Message::new("{}").message_id("o-1")).unwrap();
    let history = broker.history("o-1").unwrap();
    let nearest = |message: &leveret::Envelope| Some(format!("'order.*' is near to '{}'.", message.routing_key()));
    assert_eq!(
        history.to_text_with(nearest),
        "\
history of message id 'o-1': 1 message
#1 'o-1' published to 'events' with key 'odrer.made'
  0 ms: published to 'events' with key 'odrer.made', for no queue
  0 ms: dropped: no queue is bound for it
  fate: dropped: no queue is bound for it
#1 is lost: no queue is bound to exchange 'events' for the routing key 'odrer.made'. 'order.*' is near to 'odrer.made'. \
A mandatory publish would have given it back
"
    );
    let mut publisher = broker.publisher("events").unwrap().mandatory();
    publisher.try_send("odrer.made", Message::new("{}").message_id("o-2")).unwrap_err();
    let history = broker.history("o-2").unwrap();
    assert_eq!(history.fates().map(|(.., fate)| fate.clone()).collect::<Vec<_>>(), [Fate::Returned]);
    assert!(history.losses().is_empty());
    assert_eq!(recorder.ledger().losses(), ["1 message: no queue is bound for their routing key"]);
}

#[test]
fn a_rejection_without_a_dead_letter_exchange_is_told() {
    let (broker, recorder) = recorded();
    let topology = Topology::new().queue(Queue::new("q")).queue(Queue::new("typo").dead_letter_exchange("daed"));
    broker.declare(&topology).unwrap();
    for queue in ["q", "typo"] {
        broker.publish("", queue, Message::new("{}").message_id(queue)).unwrap();
        broker.get(queue).unwrap().unwrap().reject();
    }
    let words = "#1 is lost: rejected without requeueing in 'q', and the queue has no dead-letter exchange";
    assert_eq!(lost(broker.history("q")), [words]);
    let words = "#1 is lost: rejected without requeueing in 'typo', and the dead-letter exchange does not exist";
    assert_eq!(lost(broker.history("typo")), [words]);
    assert_eq!(
        recorder.ledger().losses(),
        [
            "1 message: rejected without requeueing in 'q', and the queue has no dead-letter exchange",
            "1 message: rejected without requeueing in 'typo', and the dead-letter exchange does not exist",
        ]
    );
}

/// Of what a restart loses: all in a queue that is not durable, transient messages in one that is.
#[test]
fn what_ends_with_the_broker_is_told() {
    let (broker, recorder) = recorded();
    broker.declare_queue(&QueueDeclare::new("durable").durable()).unwrap();
    broker.declare_queue(&QueueDeclare::new("tmp")).unwrap();
    broker.publish("", "tmp", Message::new("{}").message_id("in tmp")).unwrap();
    broker.publish("", "durable", Message::new("{}").transient().message_id("transient")).unwrap();
    broker.publish("", "durable", Message::new("{}").message_id("persistent")).unwrap();
    broker.publish("", "tmp", Message::new("{}").message_id("deleted")).unwrap();
    drop(broker.get("tmp").unwrap());
    drop(broker);
    let told = |id: &str| lost(recorder.history(id));
    assert_eq!(
        told("in tmp"),
        [
            "#1 is lost: the broker stopped while it was in 'tmp', and the queue is not durable, so a restart ends it with all \
          that is in it"
        ]
    );
    assert_eq!(
        told("transient"),
        [
            "#1 is lost: the broker stopped while it was in 'durable', and the message is transient (delivery mode 1), so a \
          restart loses it even in a durable queue"
        ]
    );
    assert_eq!(
        told("persistent"),
        ["#1 is lost: the broker stopped while it was in 'durable', and nothing keeps it on disk"]
    );
    recorder.ledger().assert_closed();
    assert_eq!(
        recorder.ledger().losses(),
        ["2 messages: went with queue 'durable'", "2 messages: went with queue 'tmp', which was not durable"]
    );
}

#[test]
fn letters_on_their_way_when_the_broker_ends_are_told() {
    let recorder = Recorder::new(RecorderBound::default());
    let mut limits = Limits::default();
    limits.hops_per_call = 1;
    let broker = Broker::builder().limits(limits).manual_time().record(recorder.clone()).build();
    broker.declare(&Topology::new().queue(Queue::new("q").dead_letter_to("dead")).queue(Queue::new("dead"))).unwrap();
    for id in ["first", "second", "third"] {
        broker.publish("", "q", Message::new("x").message_id(id)).unwrap();
    }
    // All three die of it at once; one goes on with that call.
    broker.set_policy(Policy::new("p", "^q$").define("max-length", 0)).unwrap();
    assert_eq!(recorder.ledger().total.dying, 2);
    drop(broker);
    let ledger = recorder.ledger();
    ledger.assert_closed();
    assert_eq!((ledger.total.ready, ledger.total.unacked, ledger.total.dying), (0, 0, 0), "{ledger}");
    assert_eq!(
        ledger.losses(),
        [
            "2 messages: over the length of 'q', and the broker stopped before it could go on",
            "1 message: went with queue 'dead'"
        ]
    );
    assert_eq!(
        lost(recorder.history("third")),
        ["#1 is lost: over the length of 'q', and the broker stopped before it could go on"]
    );
}

/// A quorum queue keeps its dead letters until a queue has taken them. Here none does, and something else ends them.
#[test]
fn letters_that_a_queue_keeps_are_told_when_they_are_kept_no_longer() {
    let ends: [(&str, &dyn Fn(Broker)); 3] = [
        ("the queue that kept it was deleted", &|broker| _ = broker.queue("q").unwrap().delete().unwrap()),
        ("the queue need not keep it any more", &|broker| _ = broker.clear_policy("p").unwrap()),
        ("the broker stopped before it could go on", &drop),
    ];
    for (words, end) in ends {
        let (broker, recorder) = recorded();
        let queue = Queue::new("q").quorum().dead_letter_exchange("nowhere").max_length(9, Overflow::RejectPublish);
        broker.declare(&Topology::new().queue(queue)).unwrap();
        broker
            .set_policy(Policy::new("p", "^q$").define("dead-letter-strategy", Value::text("at-least-once")))
            .unwrap();
        broker.publish("", "q", Message::new("x").message_id("a")).unwrap();
        broker.get("q").unwrap().unwrap().reject();
        assert_eq!(recorder.ledger().total.dying, 1);
        end(broker);
        let ledger = recorder.ledger();
        ledger.assert_closed();
        assert_eq!(ledger.total.dying, 0);
        let lost = lost(recorder.history("a"));
        assert_eq!(lost, [format!("#1 is lost: rejected without requeueing in 'q', and {words}")]);
    }
}

#[test]
fn the_ledger_is_a_table() {
    let (broker, recorder) = recorded();
    let topology = retrying().queue(Queue::new("small").max_length(1, Overflow::RejectPublish));
    broker.declare(&topology).unwrap();
    let mut orders = broker.publisher("events").unwrap();
    orders.try_send_many("order.made", (0..6).map(|n| Message::new(n.to_string()))).unwrap();
    broker.get("orders").unwrap().unwrap().ack();
    broker.get("orders").unwrap().unwrap().reject();
    let out = broker.get("orders").unwrap().unwrap();
    broker.queue("audit").unwrap().purge().unwrap();
    for _ in 0..3 {
        let _ = broker.publish("", "small", Message::new("x"));
    }
    broker.publish("", "nowhere", Message::new("x")).unwrap();
    broker.get("small").unwrap().unwrap().reject();
    broker.publish("", "small", Message::new("x")).unwrap();
    broker.queue("small").unwrap().delete().unwrap();
    let ledger = recorder.ledger();
    ledger.assert_closed();
    assert!(ledger.compared);
    assert_eq!(
        ledger.to_string(),
        "\
published 11: 10 to queues (16 copies), 0 returned, 1 unroutable, 0 direct replies
queue            entered  ready  unacked  dying  acked  dead-lettered  dropped  purged  lost  refused  cut
orders                 6      3        1      0      1              1        0       0     0        0    0
wait                   1      1        0      0      0              0        0       0     0        0    0
audit                  6      0        0      0      0              0        0       6     0        0    0
small (deleted)        2      0        0      0      0              0        1       0     1        2    0
all queues            15      4        1      0      1              1        1       6     1        2    0
lost: 1 message: no queue is bound for their routing key
lost: 1 message: rejected without requeueing in 'small', and the queue has no dead-letter exchange
lost: 1 message: went with queue 'small'
"
    );
    assert_eq!(ledger.queue("orders").map(|line| (line.entered, line.acked)), Some((6, 1)));
    drop(out);
}

/// A queue that was declared again is compared with what it counts since then.
#[test]
fn a_queue_may_be_declared_again() {
    let (broker, recorder) = recorded();
    for round in 1..4 {
        broker.declare(&Topology::new().queue(Queue::new("q"))).unwrap();
        broker.publish("", "q", Message::new("a")).unwrap();
        broker.publish("", "q", Message::new("b")).unwrap();
        broker.get("q").unwrap().unwrap().ack();
        let ledger = recorder.ledger();
        ledger.assert_closed();
        assert_eq!(ledger.queue("q").map(|line| (line.entered, line.ready)), Some((2 * round, 1)));
        broker.delete_queue(&QueueDelete::new("q")).unwrap();
    }
    recorder.ledger().assert_closed();
}

/// At-least-once: the letter is dying until it has arrived, or until that is not asked for any more.
#[test]
fn a_letter_that_is_kept_is_dying() {
    let (broker, recorder) = recorded();
    let kept = Queue::new("kept").quorum().max_length(9, Overflow::RejectPublish).dead_letter_exchange("dead");
    let kept = kept.dead_letter_strategy(Strategy::AtLeastOnce);
    broker.declare(&Topology::new().queue(kept)).unwrap();
    broker.publish("", "kept", Message::new("a").message_id("a")).unwrap();
    broker.get("kept").unwrap().unwrap().reject();
    let dying = Fate::Dying { reason: Reason::Rejected };
    let fate = |id: &str| recorder.history(id).unwrap().journeys()[0].fate_in("kept").cloned();
    assert_eq!(fate("a"), Some(dying));
    recorder.ledger().assert_closed();
    assert_eq!(recorder.ledger().total.dying, 1);
    let there = Topology::new().exchange(Exchange::fanout("dead")).queue(Queue::new("parked").bind("dead", ""));
    broker.declare(&there).unwrap();
    broker.advance(Duration::from_secs(600));
    assert!(matches!(fate("a"), Some(Fate::DeadLettered { reason: Reason::Rejected, .. })));
    recorder.ledger().assert_closed();
    assert_eq!((recorder.ledger().total.dying, recorder.ledger().total.dead_lettered), (0, 1));
    broker.set_policy(Policy::new("other", "^nothing$").max_length(1, Overflow::DropHead)).unwrap();
    recorder.ledger().assert_closed();
}

/// Whatever a queue held goes with it: ready, out by `get` and by a consumer, and the letters that it keeps.
#[test]
fn all_that_a_queue_held_is_told_when_it_goes() {
    let (broker, recorder) = recorded();
    let kept = Queue::new("quorum").quorum().max_length(9, Overflow::RejectPublish).dead_letter_exchange("nowhere");
    let queues = [Queue::new("classic"), kept.dead_letter_strategy(Strategy::AtLeastOnce)];
    broker.declare(&queues.into_iter().fold(Topology::new(), Topology::queue)).unwrap();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    for (queue, dying) in [("classic", 0), ("quorum", 1)] {
        for body in ["1", "2", "3", "4"] {
            broker.publish("", queue, Message::new(body)).unwrap();
        }
        let _rejected = broker.get(queue).unwrap().unwrap().reject();
        let _out = broker.get(queue).unwrap().unwrap();
        channel.basic_qos(Qos::new(1)).unwrap();
        channel.basic_consume(&Consume::new(queue)).unwrap();
        let held = |of: &str| {
            let ledger = recorder.ledger();
            ledger.assert_closed();
            let of = ledger.queues.iter().find(|ledger| ledger.queue == of).unwrap().clone();
            [of.ready, of.unacked, of.dying, of.lost, of.dropped]
        };
        assert_eq!(held(queue), [1, 2, dying, 0, 1 - dying]);
        broker.delete_queue(&QueueDelete::new(queue)).unwrap();
        assert_eq!(held(queue), [0, 0, 0, 3, 1]);
    }
}

#[test]
fn a_conversation_is_drawn() {
    let (broker, recorder) = recorded();
    let queue = Queue::new("a;b #1 \"end\"").dead_letter_exchange("dead");
    let topology = Topology::new().exchange(Exchange::fanout("dead")).queue(queue);
    broker.declare(&topology.queue(Queue::new("parked").bind("dead", ""))).unwrap();
    let message = |id: &str| Message::new("{}").message_id(id).correlation_id("c");
    broker.publish("", "a;b #1 \"end\"", message("m<1>")).unwrap();
    broker.publish("", "nowhere", message("m2\nend")).unwrap();
    let mut consumer = broker.consumer("a;b #1 \"end\"").tag("billing").open().unwrap();
    consumer.try_recv().unwrap().requeue();
    consumer.try_recv().unwrap().reject();
    broker.queue("parked").unwrap().purge().unwrap();
    assert_eq!(
        recorder.conversation("c").unwrap().to_mermaid(),
        "\
sequenceDiagram
    participant p0 as publisher
    participant p1 as default exchange
    participant p2 as queue a#59;b #35;1 #34;e#110;d#34;
    participant p3 as consumer billing
    participant p4 as exchange dead
    participant p5 as queue parked
    p0->>p1: m#60;1#62;, key 'a#59;b #35;1 #34;e#110;d#34;'
    p1->>p2: m#60;1#62;
    p0->>p1: m2 e#110;d, key 'nowhere'
    Note over p1: m2 e#110;d dropped#58; no queue is bound for it
    p2->>p3: m#60;1#62;, attempt 1
    p3-->>p2: m#60;1#62; requeued#58; asked for
    p2->>p3: m#60;1#62;, attempt 2
    p3-->>p2: m#60;1#62; rejected
    p2->>p4: m#60;1#62; dead-lettered (rejected), key 'a#59;b #35;1 #34;e#110;d#34;'
    p4->>p5: m#60;1#62;
    Note over p5: m#60;1#62; purged from 'parked'
"
    );
}

#[cfg(feature = "serde")]
#[test]
fn a_history_and_a_ledger_are_data() {
    let (broker, recorder) = recorded();
    broker.declare(&retrying()).unwrap();
    broker.publish("", "audit", Message::new("{}").message_id("o-1")).unwrap();
    let history = serde_json::to_value(broker.history("o-1").unwrap()).unwrap();
    assert_eq!(history["about"], "message id 'o-1'");
    assert_eq!(history["journeys"][0]["facts"][1]["what"], "enqueued");
    assert_eq!(history["journeys"][0]["facts"][1]["queue"], "audit");
    let fates = serde_json::json!([
        {"queue": "audit", "fate": "ready", "text": "ready", "is_final": false, "is_loss": false}
    ]);
    assert_eq!(history["journeys"][0]["fates"], fates);
    let ledger = serde_json::to_value(recorder.ledger()).unwrap();
    assert_eq!(ledger["publishes"]["published"], 1);
    assert_eq!(ledger["queues"][2]["queue"], "audit");
    assert_eq!(ledger["total"]["ready"], 1);
}

#[test]
fn memory_is_bounded_and_what_was_forgotten_is_counted() {
    let mut bound = RecorderBound::messages(10);
    bound.facts = 200;
    bound.bytes = 1_000;
    let recorder = Recorder::new(bound);
    let broker = Broker::builder().manual_time().record(recorder.clone()).build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for number in 0..50 {
        broker.publish("", "q", Message::new("x").message_id(number.to_string())).unwrap();
        if number % 2 == 0 {
            broker.get("q").unwrap().unwrap().ack();
        }
        assert!(recorder.journeys().len() <= 10 && recorder.facts().len() <= 200);
    }
    // Those that are over go first, and there is one of these at a time.
    let ledger = recorder.ledger();
    ledger.assert_closed();
    assert_eq!((ledger.total.entered, ledger.total.acked, ledger.total.ready), (50, 25, 25));
    assert_eq!(ledger.forgotten.finished + ledger.forgotten.unfinished, 40);
    assert!(ledger.to_string().contains("counted without a history: "));
    assert!(broker.history("0").is_none());
    // Bytes count, too: of two large ones the first goes.
    for id in ["large", "larger"] {
        broker.publish("", "q", Message::new(vec![0; 600]).message_id(id)).unwrap();
    }
    assert!(broker.history("large").is_none() && broker.history("larger").is_some());
    // One message to which very much happens keeps its first and its last facts.
    broker.queue("q").unwrap().purge().unwrap();
    broker.publish("", "q", Message::new("x").message_id("loop")).unwrap();
    bound.facts = 1_000;
    let roomy = Recorder::new(bound);
    let broker = Broker::builder().manual_time().record(roomy.clone()).build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker.publish("", "q", Message::new("x").message_id("loop")).unwrap();
    for _ in 0..500 {
        broker.get("q").unwrap().unwrap().requeue();
    }
    let history = broker.history("loop").unwrap();
    let [journey] = history.journeys() else { panic!("one message") };
    assert_eq!((journey.facts().len(), journey.omitted()), (256, 1_002 - 256));
    assert_eq!(journey.fate_in("q"), Some(&Fate::Ready));
    assert!(history.to_string().contains("  (746 more)\n"));
    roomy.ledger().assert_closed();
}

/// Queues with generated names come and go; their lines are folded into the total.
#[test]
fn deleted_queues_are_bounded_as_well() {
    let (broker, recorder) = recorded();
    for number in 0..400 {
        let name = format!("q{number}");
        broker.declare_queue(&QueueDeclare::new(&name)).unwrap();
        broker.publish("", &name, Message::new("x")).unwrap();
        broker.delete_queue(&QueueDelete::new(&name)).unwrap();
    }
    let ledger = recorder.ledger();
    ledger.assert_closed();
    assert_eq!((ledger.queues.len(), ledger.folded_queues), (256, 144));
    assert_eq!((ledger.total.entered, ledger.total.lost), (400, 400));
}

#[test]
fn a_recorder_is_for_one_broker() {
    let (broker, recorder) = recorded();
    let other = Broker::builder().record(recorder.clone()).build();
    assert!(broker.recorder().is_some() && other.recorder().is_none());
    other.publish("", "nowhere", Message::new("x")).unwrap();
    assert_eq!(recorder.ledger().publishes.published, 0);
    assert!(Broker::new().history("x").is_none());
}

#[test]
fn many_threads_are_recorded_exactly() {
    let _watch = watched();
    let recorder = Recorder::new(RecorderBound::messages(50));
    let mut limits = Limits::default();
    limits.ready_messages = 20;
    let broker = Broker::builder().limits(limits).record(recorder.clone()).build();
    let topology = Topology::new().exchange(Exchange::fanout("all"));
    let topology = topology.queue(Queue::new("a").bind("all", "")).queue(Queue::new("b").quorum().bind("all", ""));
    broker.declare(&topology).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut publisher = broker.publisher("all").unwrap();
            scope.spawn(move || {
                for number in 0..300 {
                    publisher.blocking_send("", Message::new(number.to_string())).unwrap();
                }
            });
        }
        for queue in ["a", "b"] {
            let mut consumer = broker.consumer(queue).open().unwrap();
            scope.spawn(move || {
                for number in 0..600 {
                    let delivery = consumer.blocking_recv().unwrap();
                    let _settled = if number % 7 == 0 { delivery.reject() } else { delivery.ack() };
                }
            });
        }
        let _ = recorder.ledger().check();
    });
    let ledger = recorder.ledger();
    ledger.assert_closed();
    assert!(ledger.compared);
    assert_eq!((ledger.publishes.published, ledger.total.entered), (600, 1_200));
    assert_eq!(ledger.total.acked + ledger.total.dropped, 1_200);
}

/// A send that waits is a publish where it is given up, and none where its future is dropped before anybody has it.
#[test]
fn sends_that_wait_are_accounted_for() {
    let _watch = watched();
    let (broker, recorder) = recorded();
    let small = |name: &str| Queue::new(name).max_length(1, Overflow::RejectPublish).bind("all", "");
    let topology = Topology::new().exchange(Exchange::fanout("all")).queue(small("a")).queue(small("b"));
    broker.declare(&topology).unwrap();
    broker.publish("", "a", Message::new("first")).unwrap();
    let mut publisher = broker.publisher("all").unwrap();
    publisher.send_timeout("", Message::new("x").message_id("late"), Duration::ZERO).unwrap_err();
    let fates: Vec<_> = broker.history("late").unwrap().fates().map(|(.., fate)| fate.to_string()).collect();
    assert_eq!(fates, ["refused: it had no room in time"]);
    recorder.ledger().assert_closed();
    smol::block_on(async {
        let waiting = publisher.send("", Message::new("x").message_id("dropped"));
        assert!(smol::future::poll_once(waiting).await.is_none());
    });
    assert!(broker.history("dropped").is_none());
    recorder.ledger().assert_closed();
    broker.get("a").unwrap().unwrap().ack();
    publisher.blocking_send("", Message::new("x").message_id("sent")).unwrap();
    assert_eq!(broker.history("sent").unwrap().fates().filter(|(.., fate)| **fate == Fate::Ready).count(), 2);
    recorder.ledger().assert_closed();
}

#[test]
fn direct_replies_have_a_fate() {
    let (broker, recorder) = recorded();
    broker.declare_queue(&QueueDeclare::new("work")).unwrap();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    let reply_to = "amq.rabbitmq.reply-to";
    channel.basic_consume(&Consume::new(reply_to).no_ack().tag("asker")).unwrap();
    let request = Message::new("?").correlation_id("c").reply_to(reply_to);
    channel.basic_publish(&Publish::new("", "work"), request).unwrap();
    let request = broker.get("work").unwrap().unwrap();
    let address = request.properties().reply_to.clone().unwrap();
    broker.publish("", &address, Message::new("!").message_id("reply").correlation_id("c")).unwrap();
    request.ack();
    let history = broker.history("reply").unwrap();
    assert_eq!(history.journeys()[0].fates(), [(None, &Fate::Replied { taken: true })]);
    let drawing = recorder.conversation("c").unwrap().to_mermaid();
    assert!(drawing.ends_with("    p3-->>p2: message 1 acknowledged\n"), "{drawing}");
    assert!(drawing.contains(": reply, direct reply\n"), "{drawing}");
    recorder.ledger().assert_closed();
    assert_eq!(recorder.ledger().publishes.replies, 1);
}

#[test]
fn a_ledger_that_does_not_close_says_so() {
    let (broker, recorder) = recorded();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker.publish("", "q", Message::new("x")).unwrap();
    let mut ledger = recorder.ledger();
    ledger.queues[0].entered += 1;
    let imbalance = ledger.check().unwrap_err().to_string();
    let first = imbalance.lines().take(2).collect::<Vec<_>>();
    assert_eq!(first, ["the ledger does not close:", "- q: 2 entered, 1 are accounted for"]);
    let panicked = std::panic::catch_unwind(|| ledger.assert_closed()).unwrap_err();
    assert_eq!(panicked.downcast_ref::<String>(), Some(&imbalance));
}
