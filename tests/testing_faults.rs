//! Faults on demand: each does what it says, to the one that it was asked for, and to no other.
//!
//! Seen to fail with: a publish refused by two queues that counts as refused by one, an acknowledgement that is to be lost and
//! is not.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod watched;

use leveret::testing::{Rates, TestBroker};
use leveret::{
    Acknowledge, Channel, ChannelEvent, Consume, Consumer, Exchange, Fact, Injected, Message, MessageRef, Overflow,
    Publish, PublishErrorKind, Queue, ReplyCode, Settled, Tags, Tap, Topology, What,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use watched::watched;

const SECOND: Duration = Duration::from_secs(1);

/// Everything that happened.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<Fact>>>);

impl Tap for Seen {
    fn saw(&self, facts: &[Fact]) {
        self.0.lock().unwrap().extend_from_slice(facts);
    }
}

impl Seen {
    /// About messages, in words.
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|fact| fact.message.is_some()).map(ToString::to_string).collect()
    }

    fn faults(&self) -> Vec<Injected> {
        let facts = self.0.lock().unwrap();
        facts
            .iter()
            .filter_map(|fact| if let What::Fault { fault, .. } = fact.what { Some(fault) } else { None })
            .collect()
    }

    /// Every message that came into a queue left it once, or is ready or out there as the queue says.
    fn check_ledger(&self, t: &TestBroker) {
        let mut inside: HashMap<(String, MessageRef), i32> = HashMap::new();
        for fact in self.0.lock().unwrap().iter() {
            let (Some(queue), Some(message)) = (&fact.queue, &fact.message) else { continue };
            let count = inside.entry((queue.to_string(), message.clone())).or_default();
            match fact.what {
                What::Enqueued => *count += 1,
                What::Acknowledged { .. } | What::Died { .. } | What::Purged | What::Lost { .. } => *count -= 1,
                _ => {}
            }
            assert!((0..=1).contains(count), "{fact}");
        }
        let mut held: HashMap<String, u64> = HashMap::new();
        inside.iter().for_each(|((queue, _), count)| *held.entry(queue.clone()).or_default() += *count as u64);
        for (queue, held) in held {
            let stats = t.queue(&queue).unwrap().stats();
            assert_eq!(held, stats.ready + stats.unacked, "in {queue}");
        }
        t.check_invariants().unwrap();
    }
}

fn broker(topology: Topology) -> (TestBroker, Seen) {
    let seen = Seen::default();
    let t = TestBroker::with(|builder| builder.tap(seen.clone()));
    t.declare(&topology).unwrap();
    (t, seen)
}

fn orders() -> (TestBroker, Seen) {
    broker(Topology::new().queue(Queue::new("orders")))
}

fn send(t: &TestBroker, body: &str) -> Result<usize, PublishErrorKind> {
    let sent = t.publish("", "orders", Message::new(body.to_owned()));
    sent.map(|routed| routed.queues).map_err(|error| {
        // The message comes back as it was.
        assert_eq!(error.message().body(), body.as_bytes());
        error.kind().clone()
    })
}

fn ready(t: &TestBroker, queue: &str) -> Vec<String> {
    let seen = t.queue(queue).unwrap().peek(100);
    seen.iter().map(|peeked| String::from_utf8(peeked.message.body().to_vec()).unwrap()).collect()
}

/// Receives and acknowledges all: bodies, and whether each came again.
fn drain(consumer: &mut Consumer) -> Vec<(String, bool)> {
    std::iter::from_fn(|| {
        let delivery = consumer.try_recv().ok()?;
        let what = (String::from_utf8(delivery.body().to_vec()).unwrap(), delivery.redelivered());
        delivery.ack();
        Some(what)
    })
    .collect()
}

fn of(seen: &[(&str, bool)]) -> Vec<(String, bool)> {
    seen.iter().map(|(body, redelivered)| ((*body).to_owned(), *redelivered)).collect()
}

fn confirming(t: &TestBroker) -> (leveret::Connection, Channel) {
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.confirm_select().unwrap();
    (connection, channel)
}

fn publish_on(channel: &Channel, body: &str) {
    channel.basic_publish(&Publish::new("", "orders"), Message::new(body.to_owned())).unwrap();
}

/// Answers in words: `+2` an ack of 2, `+*2` of all up to 2, `-2` a nack.
fn answers(channel: &Channel) -> Vec<String> {
    let events = std::iter::from_fn(|| channel.try_recv().ok());
    events
        .map(|event| match event {
            ChannelEvent::Ack { tag: number, multiple } => format!("+{}{number}", if multiple { "*" } else { "" }),
            ChannelEvent::Nack { tag: number, .. } => format!("-{number}"),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_refused_publish_is_in_no_queue_and_the_next_one_is() {
    let (t, seen) = broker(
        Topology::new()
            .exchange(Exchange::fanout("all"))
            .queue(Queue::new("a").bind("all", ""))
            .queue(Queue::new("b").bind("all", "")),
    );
    let rule = t.faults().exchange("all").nth(2).refuse();
    let results: Vec<_> =
        (0..3).map(|_| t.publish("all", "", Message::new("x")).map_err(|e| e.kind().clone())).collect();
    assert_eq!(results[1].as_ref().unwrap_err(), &PublishErrorKind::Refused { refused: 2, taken: 0 });
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!((ready(&t, "a").len(), ready(&t, "b").len()), (2, 2));
    assert_eq!((rule.fired(), rule.seen()), (1, 3));
    assert_eq!(t.stats().publishes.refused, 1);
    assert_eq!(
        seen.lines()[3..7],
        [
            "published to 'all' with key '', for 'a', 'b'",
            "fault: the publish is refused",
            "refused by 'a': it is full",
            "refused by 'b': it is full",
        ]
    );
    seen.check_ledger(&t);
}

#[test]
fn selectors_leave_the_near_misses_alone() {
    let (t, _) = broker(
        Topology::new()
            .exchange(Exchange::topic("events"))
            .exchange(Exchange::topic("others"))
            .queue(Queue::new("q").bind("events", "#").bind("others", "#"))
            .queue(Queue::new("p").bind("events", "order.#")),
    );
    let rule = t.faults().exchange("events").key("order.*").on("q").refuse();
    let publish = |exchange: &str, key: &str| t.publish(exchange, key, Message::new("x")).is_ok();
    assert!(!publish("events", "order.new"));
    assert!(publish("events", "order.new.eu") && publish("events", "invoice.new") && publish("others", "order.new"));
    // Nobody is bound: there is nobody to refuse.
    assert!(publish("", "order.new"));
    rule.remove();
    assert!(publish("events", "order.new"));
    assert_eq!((rule.fired(), rule.seen()), (1, 1));
    // A publish has no consumer.
    t.faults().consumer("c").refuse();
    assert!(publish("events", "order.new"));
}

#[test]
fn every_way_to_publish_is_refused_alike() {
    let _watch = watched();
    let (t, seen) = orders();
    t.faults().on("orders").refuse();
    let refused = PublishErrorKind::Refused { refused: 1, taken: 0 };
    let mut publisher = t.publisher("").unwrap();
    let one = || Message::new("one");
    assert_eq!(send(&t, "one").unwrap_err(), refused);
    assert_eq!(publisher.try_send("orders", one()).unwrap_err().kind(), &refused);
    assert_eq!(publisher.blocking_send("orders", one()).unwrap_err().kind(), &refused);
    assert_eq!(publisher.send_timeout("orders", one(), SECOND).unwrap_err().kind(), &refused);
    assert_eq!(smol::block_on(publisher.send("orders", one())).unwrap_err().kind(), &refused);
    let many = publisher.try_send_many("orders", [one(), one()]).unwrap_err();
    assert_eq!((many.kind(), many.unsent().len()), (&refused, 2));
    let many = publisher.blocking_send_many("orders", [one(), one()]).unwrap_err();
    assert_eq!((many.kind(), many.unsent().len()), (&refused, 2));
    let many = smol::block_on(publisher.send_many("orders", [one(), one()])).unwrap_err();
    assert_eq!((many.kind(), many.unsent().len()), (&refused, 2));
    assert_eq!(seen.faults(), [Injected::RefusePublish; 8]);
    assert_eq!(t.faults().report().fired(), 8);
    assert!(ready(&t, "orders").is_empty());
    t.faults().clear();
    assert_eq!(publisher.try_send_many("orders", [one(), one()]).unwrap().messages, 2);
    seen.check_ledger(&t);
}

#[test]
fn a_lost_confirm_is_an_error_though_the_message_was_taken() {
    let _watch = watched();
    let (t, seen) = orders();
    let rule = t.faults().on("orders").nth(1).lose_confirm();
    assert_eq!(send(&t, "one").unwrap_err(), PublishErrorKind::Timeout { taken: 1 });
    assert_eq!(send(&t, "one"), Ok(1));
    // Sent again, it is there twice: that is what a publisher has to live with.
    assert_eq!(ready(&t, "orders"), ["one", "one"]);
    assert_eq!(rule.fired(), 1);
    assert_eq!(
        seen.lines()[..3],
        ["published to '' with key 'orders', for 'orders'", "enqueued in 'orders'", "fault: the confirm is lost",]
    );
    let mut publisher = t.publisher("").unwrap();
    t.faults().on("orders").lose_confirm();
    let lost = PublishErrorKind::Timeout { taken: 1 };
    assert_eq!(publisher.blocking_send("orders", Message::new("x")).unwrap_err().kind(), &lost);
    assert_eq!(smol::block_on(publisher.send("orders", Message::new("x"))).unwrap_err().kind(), &lost);
    let many = publisher.try_send_many("orders", ["y", "z"].map(Message::new)).unwrap_err();
    assert_eq!((many.kind(), many.published().messages, many.unsent().len()), (&lost, 0, 2));
    assert_eq!(ready(&t, "orders"), ["one", "one", "x", "x", "y"]);
    seen.check_ledger(&t);
}

#[test]
fn a_channel_never_hears_of_a_lost_confirm_and_later_acks_do_not_stand_for_it() {
    let (t, seen) = orders();
    let rule = t.faults().on("orders").nth(2).lose_confirm();
    // Without confirms it is not counted.
    let plain = t.connect().unwrap();
    let channel = plain.open_channel().unwrap();
    publish_on(&channel, "zero");
    assert_eq!(rule.seen(), 0);
    let (_connection, channel) = confirming(&t);
    ["one", "two", "three", "four"].into_iter().for_each(|body| publish_on(&channel, body));
    assert_eq!(answers(&channel), ["+1", "+3", "+4"]);
    assert_eq!(ready(&t, "orders"), ["zero", "one", "two", "three", "four"]);
    assert_eq!(seen.faults(), [Injected::LoseConfirm]);
}

#[test]
fn a_delayed_confirm_comes_when_the_clock_has_moved_so_far() {
    let (t, _) = orders();
    t.faults().on("orders").nth(1).delay_confirm(5 * SECOND);
    let (_connection, channel) = confirming(&t);
    publish_on(&channel, "one");
    publish_on(&channel, "two");
    assert_eq!(answers(&channel), ["+2"]);
    assert_eq!(t.next_deadline(), Some(t.now() + 5 * SECOND));
    t.advance_blocking(4 * SECOND).unwrap();
    assert!(answers(&channel).is_empty());
    t.advance_blocking(SECOND).unwrap();
    assert_eq!(answers(&channel), ["+1"]);
    assert_eq!(ready(&t, "orders"), ["one", "two"]);
    assert_eq!(t.next_deadline(), None);
}

#[test]
fn a_delayed_confirm_of_a_channel_that_closed_is_gone() {
    let (t, _) = orders();
    t.faults().on("orders").delay_confirm(SECOND);
    let (connection, channel) = confirming(&t);
    publish_on(&channel, "one");
    connection.close();
    t.advance_blocking(SECOND).unwrap();
    assert!(!std::iter::from_fn(|| channel.try_recv().ok()).any(|event| matches!(event, ChannelEvent::Ack { .. })));
}

#[test]
fn a_publisher_waits_for_a_delayed_confirm_or_has_waited_in_vain() {
    let _watch = watched();
    let (t, _) = orders();
    t.faults().on("orders").delay_confirm(5 * SECOND);
    assert_eq!(send(&t, "one").unwrap_err(), PublishErrorKind::Timeout { taken: 1 });
    let mut publisher = t.publisher("").unwrap();
    let sent = smol::block_on(async {
        let sending = async { (publisher.send("orders", Message::new("two")).await, t.now()) };
        let moving = async {
            smol::future::yield_now().await;
            assert_eq!(ready(&t, "orders"), ["one", "two"]);
            t.advance(10 * SECOND).await.unwrap();
            t.now()
        };
        smol::future::zip(sending, moving).await
    });
    assert_eq!((sent.0.0.unwrap().queues, sent.1.as_millis()), (1, 10_000));
    // The wait of a thread ends before the confirm comes.
    let moved = t.clone();
    let mover = std::thread::spawn(move || {
        // It waits when its message is there.
        while moved.next_deadline().is_none() {
            std::thread::yield_now();
        }
        moved.advance_blocking(3 * SECOND).unwrap();
    });
    let error = publisher.send_timeout("orders", Message::new("three"), 3 * SECOND).unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::Timeout { taken: 1 });
    mover.join().unwrap();
    assert_eq!(ready(&t, "orders"), ["one", "two", "three"]);
}

#[test]
fn nobody_waits_for_a_confirm_of_a_broker_that_has_ended() {
    let _watch = watched();
    let (t, _) = orders();
    t.faults().on("orders").delay_confirm(SECOND);
    let (mut task, mut thread) = (t.publisher("").unwrap(), t.publisher("").unwrap());
    let queue = t.queue("orders").unwrap();
    let mut sending = Box::pin(task.send("orders", Message::new("one")));
    assert!(smol::block_on(smol::future::poll_once(&mut sending)).is_none());
    let blocked = std::thread::spawn(move || thread.blocking_send("orders", Message::new("two")).unwrap_err());
    while queue.stats().ready < 2 {
        std::thread::yield_now();
    }
    drop(t);
    let unanswered = PublishErrorKind::Timeout { taken: 1 };
    assert_eq!(smol::block_on(sending).unwrap_err().kind(), &unanswered);
    assert_eq!(blocked.join().unwrap().kind(), &unanswered);
}

#[test]
fn a_nack_comes_with_the_message_taken_or_not() {
    let (t, seen) = orders();
    t.faults().on("orders").nth(1).nack_confirm();
    t.faults().on("orders").nth(2).nack_taken();
    let plain = t.connect().unwrap();
    publish_on(&plain.open_channel().unwrap(), "zero");
    let (_connection, channel) = confirming(&t);
    ["one", "two", "three"].into_iter().for_each(|body| publish_on(&channel, body));
    assert_eq!(answers(&channel), ["-1", "-2", "+3"]);
    assert_eq!(ready(&t, "orders"), ["zero", "two", "three"]);
    t.faults().clear();
    t.faults().on("orders").nth(1).nack_confirm();
    t.faults().on("orders").nth(2).nack_taken();
    assert_eq!(send(&t, "four").unwrap_err(), PublishErrorKind::Refused { refused: 1, taken: 0 });
    assert_eq!(send(&t, "five").unwrap_err(), PublishErrorKind::Refused { refused: 0, taken: 1 });
    assert_eq!(ready(&t, "orders"), ["zero", "two", "three", "five"]);
    let both = [Injected::NackConfirm, Injected::NackTaken];
    assert_eq!(seen.faults(), [both, both].concat());
    seen.check_ledger(&t);
}

#[test]
fn a_transaction_is_left_alone() {
    let (t, seen) = orders();
    let rule = t.faults().on("orders").refuse();
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.tx_select().unwrap();
    publish_on(&channel, "one");
    channel.tx_commit().unwrap();
    assert_eq!((ready(&t, "orders").len(), rule.seen(), seen.faults().len()), (1, 0, 0));
}

#[test]
fn delivered_twice_is_a_lost_acknowledgement_and_the_ledger_closes() {
    for queue in [Queue::new("orders"), Queue::new("orders").quorum()] {
        let (t, seen) = broker(Topology::new().queue(queue));
        let rule = t.faults().on("orders").nth(2).deliver_twice();
        let mut consumer = t.consumer("orders").prefetch(1).tag("worker").open().unwrap();
        ["one", "two", "three"].into_iter().for_each(|body| assert_eq!(send(&t, body), Ok(1)));
        assert_eq!(drain(&mut consumer), of(&[("one", false), ("two", false), ("two", true), ("three", false)]));
        assert_eq!((rule.fired(), rule.seen()), (1, 3));
        let about = |line: &&String| line.contains("fault") || line.contains("requeued");
        assert_eq!(
            seen.lines().iter().filter(about).collect::<Vec<_>>(),
            [
                "fault in 'orders': the acknowledgement is lost, and the message comes again",
                "requeued in 'orders': its settlement was lost",
            ]
        );
        assert_eq!(t.queue("orders").unwrap().stats().totals.acknowledged, 3);
        seen.check_ledger(&t);
        t.settle_blocking().unwrap();
    }
}

#[test]
fn delivered_twice_goes_for_get_rejections_batches_and_channels() {
    let (t, seen) = orders();
    t.faults().on("orders").deliver_twice();
    send(&t, "got").unwrap();
    assert_eq!(t.get("orders").unwrap().unwrap().ack(), Settled::Done);
    let again = t.get("orders").unwrap().unwrap();
    assert!(again.redelivered());
    again.ack();
    send(&t, "rejected").unwrap();
    t.get("orders").unwrap().unwrap().reject();
    t.get("orders").unwrap().unwrap().reject();
    // Requeued by its receiver, it comes again as it is, and no fault was needed for that.
    send(&t, "requeued").unwrap();
    t.get("orders").unwrap().unwrap().requeue();
    t.get("orders").unwrap().unwrap().ack();
    assert_eq!(t.faults().report().fired(), 2);
    let mut consumer = t.consumer("orders").open().unwrap();
    ["a", "b", "c"].into_iter().for_each(|body| _ = send(&t, body).unwrap());
    consumer.try_recv_many(10).unwrap().ack();
    assert_eq!(drain(&mut consumer), of(&[("a", true), ("b", true), ("c", true)]));
    drop(consumer);
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&Consume::new("orders").tag("c")).unwrap();
    ["a", "b"].into_iter().for_each(|body| publish_on(&channel, body));
    let mut tags = Vec::new();
    while let Ok(ChannelEvent::Deliver(delivery)) = channel.try_recv() {
        tags.push((delivery.delivery_tag, delivery.redelivered));
        if delivery.delivery_tag % 2 == 0 {
            channel.basic_ack(Tags::UpTo(delivery.delivery_tag)).unwrap();
        }
    }
    assert_eq!(tags, [(1, false), (2, false), (3, true), (4, true)]);
    // Where none is due, none is lost.
    let rule = t.faults().on("orders").deliver_twice();
    send(&t, "x").unwrap();
    assert!(channel.basic_get("orders", Acknowledge::No).unwrap().is_none());
    drop(channel);
    let mut consumer = t.consumer("orders").no_ack().open().unwrap();
    send(&t, "y").unwrap();
    assert_eq!(drain(&mut consumer).len(), 2);
    assert_eq!(rule.seen(), 1);
    seen.check_ledger(&t);
}

#[test]
fn delivered_twice_is_for_whom_it_was_asked() {
    let (t, _) = broker(Topology::new().queue(Queue::new("orders")).queue(Queue::new("others")));
    let rule = t.faults().on("orders").consumer("a").key("orders").exchange("").deliver_twice();
    let mut misses = [t.consumer("orders").tag("b").open().unwrap(), t.consumer("others").tag("a").open().unwrap()];
    send(&t, "one").unwrap();
    t.publish("", "others", Message::new("one")).unwrap();
    misses.iter_mut().for_each(|consumer| assert_eq!(drain(consumer), of(&[("one", false)])));
    assert_eq!(rule.seen(), 0);
    drop(misses);
    let mut a = t.consumer("orders").tag("a").open().unwrap();
    send(&t, "two").unwrap();
    assert_eq!(drain(&mut a), of(&[("two", false), ("two", true)]));
}

#[test]
fn delivered_twice_counts_as_an_attempt() {
    let queue = Queue::new("orders").quorum().delivery_limit(0).dead_letter_to("dead");
    let (t, seen) = broker(Topology::new().queue(queue).queue(Queue::new("dead")));
    t.faults().on("orders").deliver_twice();
    let mut consumer = t.consumer("orders").open().unwrap();
    send(&t, "one").unwrap();
    assert_eq!(drain(&mut consumer), of(&[("one", false)]));
    assert_eq!(ready(&t, "dead"), ["one"]);
    seen.check_ledger(&t);
}

#[test]
fn a_killed_consumer_has_done_its_work_and_the_message_goes_to_the_next() {
    let _watch = watched();
    for queue in [Queue::new("orders"), Queue::new("orders").quorum()] {
        let (t, seen) = broker(Topology::new().queue(queue));
        let rule = t.faults().consumer("a").nth(2).kill_consumer();
        let mut a = t.consumer("orders").tag("a").prefetch(3).open().unwrap();
        ["one", "two", "three"].into_iter().for_each(|body| _ = send(&t, body).unwrap());
        assert_eq!(a.try_recv().unwrap().ack(), Settled::Done);
        let mut b = t.consumer("orders").tag("b").open().unwrap();
        let second = a.try_recv().unwrap();
        assert_eq!(rule.fired(), 0);
        second.ack();
        assert_eq!(rule.fired(), 1);
        assert_eq!(drain(&mut b), of(&[("two", true), ("three", true)]));
        // What it had received before comes to nothing.
        assert_eq!(drain(&mut a), of(&[("three", false)]));
        assert!(a.blocking_recv().is_none());
        assert_eq!(seen.faults(), [Injected::KillConsumer]);
        assert_eq!(t.queue("orders").unwrap().stats().consumers, 1);
        seen.check_ledger(&t);
    }
}

#[test]
fn what_was_never_received_kills_nobody() {
    let (t, seen) = orders();
    let rule = t.faults().on("orders").kill_consumer();
    let consumer = t.consumer("orders").tag("a").open().unwrap();
    send(&t, "one").unwrap();
    drop(consumer);
    assert_eq!((rule.seen(), rule.fired(), seen.faults().len()), (1, 0, 0));
    assert_eq!(ready(&t, "orders"), ["one"]);
}

#[test]
fn a_killed_channel_ends_with_its_connection() {
    let (t, seen) = orders();
    t.faults().consumer("c").nth(2).kill_consumer();
    let connection = t.connect().unwrap();
    let (channel, other) = (connection.open_channel().unwrap(), connection.open_channel().unwrap());
    channel.basic_consume(&Consume::new("orders").tag("c")).unwrap();
    ["one", "two", "three"].into_iter().for_each(|body| publish_on(&channel, body));
    channel.basic_ack(1).unwrap();
    let close = channel.basic_ack(Tags::UpTo(3)).unwrap_err();
    assert_eq!(close.code, ReplyCode::ConnectionForced);
    assert!(!connection.is_open() && !other.is_open());
    assert_eq!(ready(&t, "orders"), ["two", "three"]);
    assert_eq!(seen.faults(), [Injected::KillConsumer]);
    seen.check_ledger(&t);
}

#[test]
fn a_full_queue_refuses_by_its_own_rule_and_others_take_it() {
    let _watch = watched();
    let (t, seen) = broker(
        Topology::new()
            .exchange(Exchange::fanout("all"))
            .queue(Queue::new("plain").bind("all", ""))
            .queue(Queue::new("rejects").bind("all", "").max_length(10, Overflow::RejectPublish))
            .queue(
                Queue::new("buries").bind("all", "").max_length(10, Overflow::RejectPublishDlx).dead_letter_to("dead"),
            )
            .queue(Queue::new("dead")),
    );
    let mut expected = Vec::new();
    for queue in ["rejects", "buries", "plain"] {
        let rule = t.faults().on(queue).first(1).full();
        expected.push(t.publish("all", "", Message::new(queue)).unwrap_err().kind().clone());
        assert_eq!((rule.fired(), rule.seen()), (1, 1));
    }
    assert_eq!(
        expected,
        [
            PublishErrorKind::Refused { refused: 1, taken: 2 },
            PublishErrorKind::Refused { refused: 1, taken: 2 },
            PublishErrorKind::Full { full: 1, taken: 2 },
        ]
    );
    assert_eq!(ready(&t, "plain"), ["rejects", "buries"]);
    assert_eq!(ready(&t, "rejects"), ["buries", "plain"]);
    assert_eq!(ready(&t, "buries"), ["rejects", "plain"]);
    assert_eq!(ready(&t, "dead"), ["buries"]);
    assert_eq!(seen.faults(), [Injected::FillQueue; 3]);
    assert_eq!(t.queue("rejects").unwrap().stats().totals.refused, 1);
    assert_eq!(t.queue("plain").unwrap().stats().totals.full, 1);
    seen.check_ledger(&t);
    // A sender that waits for room is told at once.
    t.faults().on("rejects").full();
    let mut publisher = t.publisher("all").unwrap();
    let error = publisher.blocking_send("", Message::new("x")).unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::Refused { refused: 1, taken: 2 });
    let error = smol::block_on(publisher.send("", Message::new("x"))).unwrap_err();
    assert_eq!(error.kind(), &PublishErrorKind::Refused { refused: 1, taken: 2 });
}

#[test]
fn a_full_queue_refuses_dead_letters() {
    let (t, seen) = broker(
        Topology::new()
            .queue(Queue::new("orders").dead_letter_to("dead"))
            .queue(Queue::new("dead").max_length(9, Overflow::RejectPublish)),
    );
    t.faults().on("dead").nth(2).full();
    for body in ["one", "two", "three"] {
        send(&t, body).unwrap();
        t.get("orders").unwrap().unwrap().reject();
    }
    assert_eq!(ready(&t, "dead"), ["one", "three"]);
    assert_eq!(seen.faults(), [Injected::FillQueue]);
    seen.check_ledger(&t);
}

#[test]
fn a_delayed_delivery_holds_up_its_consumer_and_nobody_else() {
    let (t, seen) = orders();
    let rule = t.faults().consumer("a").nth(1).delay_delivery(5 * SECOND);
    let mut a = t.consumer("orders").tag("a").open().unwrap();
    let mut b = t.consumer("orders").tag("b").open().unwrap();
    ["1", "2", "3", "4"].into_iter().for_each(|body| _ = send(&t, body).unwrap());
    assert_eq!(drain(&mut a), of(&[]));
    assert_eq!(drain(&mut b), of(&[("2", false), ("4", false)]));
    assert_eq!(t.queue("orders").unwrap().stats().unacked, 2);
    assert_eq!(rule.fired(), 1);
    // It is on its way, so nothing has come to rest.
    t.set_guard(Duration::from_millis(1));
    let outstanding = t.settle_blocking().unwrap_err().to_string();
    assert!(outstanding.contains("not received"), "{outstanding}");
    t.advance_blocking(5 * SECOND).unwrap();
    assert_eq!(drain(&mut a), of(&[("1", false), ("3", false)]));
    t.settle_blocking().unwrap();
    assert_eq!(seen.faults(), [Injected::DelayDelivery]);
    seen.check_ledger(&t);
}

#[test]
fn a_delayed_delivery_wakes_its_task_and_fires_in_due_order() {
    let _watch = watched();
    let (t, seen) = broker(
        Topology::new()
            .queue(Queue::new("orders"))
            .queue(Queue::new("wait").message_ttl(3 * SECOND).dead_letter_to("orders")),
    );
    t.faults().on("orders").nth(1).delay_delivery(5 * SECOND);
    t.publish("", "wait", Message::new("later")).unwrap();
    let mut consumer = t.consumer("orders").open().unwrap();
    send(&t, "now").unwrap();
    smol::block_on(async {
        let mut got = Vec::new();
        let worker = async {
            while got.len() < 2 {
                let delivery = consumer.recv().await.unwrap();
                got.push((String::from_utf8(delivery.body().to_vec()).unwrap(), t.now().as_millis()));
                delivery.ack();
            }
        };
        let quiet = async { t.run_until_quiet(60 * SECOND).await.unwrap() };
        let ((), took) = smol::future::zip(worker, quiet).await;
        assert_eq!(took, 5 * SECOND);
        assert_eq!(got, [("now".to_owned(), 5_000), ("later".to_owned(), 5_000)]);
    });
    seen.check_ledger(&t);
}

#[test]
fn what_is_on_its_way_comes_back_with_a_crash_and_arrives_before_a_cancel() {
    let (t, seen) = orders();
    t.faults().on("orders").first(2).delay_delivery(5 * SECOND);
    let a = t.consumer("orders").tag("a").open().unwrap();
    send(&t, "one").unwrap();
    assert_eq!(t.crash_consumer("a"), 1);
    assert_eq!(ready(&t, "orders"), ["one"]);
    drop(a);
    let mut b = t.consumer("orders").tag("b").open().unwrap();
    assert!(b.try_recv().is_err());
    b.cancel();
    assert_eq!(drain(&mut b), of(&[("one", true)]));
    t.advance_blocking(10 * SECOND).unwrap();
    assert!(ready(&t, "orders").is_empty());
    // To a channel as well.
    t.faults().on("orders").nth(1).delay_delivery(SECOND);
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&Consume::new("orders").tag("c")).unwrap();
    publish_on(&channel, "two");
    assert!(channel.try_recv().is_err());
    channel.basic_cancel("c").unwrap();
    assert!(matches!(channel.try_recv(), Ok(ChannelEvent::Deliver(_))));
    channel.basic_ack(1).unwrap();
    seen.check_ledger(&t);
}

#[test]
fn a_restart_and_a_deleted_queue_forget_what_is_on_its_way() {
    let _watch = watched();
    let (t, seen) = orders();
    t.faults().on("orders").delay_delivery(SECOND);
    let _gone = t.consumer("orders").open().unwrap();
    send(&t, "one").unwrap();
    t.restart();
    assert_eq!(ready(&t, "orders"), ["one"]);
    seen.check_ledger(&t);
    let mut consumer = t.consumer("orders").open().unwrap();
    t.queue("orders").unwrap().delete().unwrap();
    t.advance_blocking(5 * SECOND).unwrap();
    assert!(consumer.blocking_recv().is_none());
}

#[test]
fn when_says_which_ones_and_the_first_rule_wins() {
    let fired = |rule: &dyn Fn(&TestBroker)| {
        let (t, _) = orders();
        rule(&t);
        (1..=7).map(|n| (n, send(&t, "x").is_err())).filter(|(_, e)| *e).map(|(n, _)| n).collect::<Vec<u64>>()
    };
    assert_eq!(fired(&|t| _ = t.faults().on("orders").nth(3).refuse()), [3]);
    assert_eq!(fired(&|t| _ = t.faults().on("orders").every(3).refuse()), [3, 6]);
    assert_eq!(fired(&|t| _ = t.faults().on("orders").every(0).refuse()), [0; 0]);
    assert_eq!(fired(&|t| _ = t.faults().on("orders").first(2).refuse()), [1, 2]);
    assert_eq!(fired(&|t| _ = t.faults().any().refuse()), [1, 2, 3, 4, 5, 6, 7]);
    let (t, _) = orders();
    let first = t.faults().on("orders").nth(1).refuse();
    let second = t.faults().on("orders").first(2).lose_confirm();
    assert_eq!(send(&t, "x").unwrap_err(), PublishErrorKind::Refused { refused: 1, taken: 0 });
    assert_eq!(send(&t, "x").unwrap_err(), PublishErrorKind::Timeout { taken: 1 });
    assert_eq!((first.fired(), second.fired(), second.seen()), (1, 1, 2));
    first.remove();
    assert_eq!(
        t.faults().report().to_string(),
        "faults:\n  rule 0, of queue 'orders', number 1: refuse the publish; fired 1 of 2, removed\n  \
         rule 1, of queue 'orders', the first 2: lose the confirm; fired 1 of 2"
    );
}

#[test]
fn a_mix_is_the_same_for_the_same_seed() {
    let history = |seed: u64| {
        let (t, seen) = orders();
        let rates = Rates::new()
            .refuse(0.1)
            .lose_confirm(0.1)
            .nack_taken(0.1)
            .delay_confirm(0.1, SECOND)
            .full(0.1)
            .deliver_twice(0.2)
            .kill_consumer(0.1)
            .delay_delivery(0.1, SECOND);
        let rule = t.faults().on("orders").mix(seed, rates);
        for n in 0..60 {
            let mut consumer = t.consumer("orders").open().unwrap();
            let _ = send(&t, &n.to_string());
            drain(&mut consumer);
            t.advance_blocking(SECOND).unwrap();
            drain(&mut consumer);
        }
        seen.check_ledger(&t);
        assert_eq!(rule.fired(), seen.faults().len() as u64);
        (seen.lines(), seen.faults(), t.faults().report())
    };
    let (first, second) = (history(1), history(1));
    assert_eq!(first, second);
    assert_ne!(first.0, history(2).0);
    let mut kinds = (0..8).flat_map(|seed| history(seed).1).collect::<Vec<_>>();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

#[test]
fn without_rules_there_are_no_faults() {
    let (t, seen) = orders();
    let mut consumer = t.consumer("orders").open().unwrap();
    for n in 0..10 {
        send(&t, &n.to_string()).unwrap();
    }
    assert_eq!(drain(&mut consumer).len(), 10);
    assert!(seen.faults().is_empty());
    assert_eq!(t.faults().report().to_string(), "faults: none asked for");
}

#[test]
fn the_ledger_closes_over_every_kind_of_publish_that_goes_wrong() {
    let t = TestBroker::new();
    t.declare(&Topology::new().queue(Queue::new("a")).queue(Queue::new("b").quorum())).unwrap();
    t.faults().any().nth(1).refuse();
    t.faults().any().nth(2).full();
    t.faults().any().nth(3).nack_confirm();
    t.faults().any().nth(4).nack_taken();
    t.faults().any().nth(5).lose_confirm();
    for queue in ["a", "b"] {
        for _ in 0..3 {
            drop(t.publish("", queue, Message::new("x")));
            t.ledger().assert_closed();
        }
    }
    let refused: u64 = ["a", "b"].map(|queue| t.queue(queue).unwrap().stats().totals.refused).iter().sum();
    assert!(refused >= 2, "{refused}");
}
