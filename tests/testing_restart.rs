//! A restart of the broker in a test, crashed consumers, closed connections: what is lost, what comes back, and how.
//!
//! Seen to fail with: transient messages that survive, an exchange that is auto-delete after a restart and was not before.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use leveret::testing::TestBroker;
use leveret::{
    Binding, ChannelEvent, Consume, Exchange, Message, Overflow, Publish, Queue, QueueDeclare, QueueHandle, ReplyCode,
    Topology,
};
use std::time::Duration;

fn broker(topology: Topology) -> TestBroker {
    let t = TestBroker::new();
    t.declare(&topology).unwrap();
    t
}

fn send(t: &TestBroker, queue: &str, message: Message) {
    assert_eq!(t.publish("", queue, message).unwrap().queues, 1);
}

/// Bodies that are ready, and whether each was out before.
fn ready(queue: &QueueHandle) -> Vec<(String, bool)> {
    let seen = queue.peek(100);
    seen.iter().map(|peeked| (String::from_utf8(peeked.message.body().to_vec()).unwrap(), peeked.redelivered)).collect()
}

fn of(seen: &[(&str, bool)]) -> Vec<(String, bool)> {
    seen.iter().map(|(body, redelivered)| ((*body).to_owned(), *redelivered)).collect()
}

#[test]
fn what_was_out_comes_back_to_its_place_as_redelivered() {
    for queue in [Queue::new("q"), Queue::new("q").quorum()] {
        let t = broker(Topology::new().queue(queue));
        ["a", "b", "c"].into_iter().for_each(|body| send(&t, "q", Message::new(body)));
        let mut consumer = t.consumer("q").prefetch(2).open().unwrap();
        let held = consumer.try_recv().unwrap();
        let report = t.restart();
        assert_eq!((report.queues[0].returned, report.lost()), (2, 0));
        assert_eq!(ready(&t.queue("q").unwrap()), of(&[("a", true), ("b", true), ("c", false)]));
        assert_eq!(t.queue("q").unwrap().stats().consumers, 0);
        t.check_invariants().unwrap();
        // Nothing that is left of before does anything.
        held.ack();
        drop(consumer);
        assert_eq!(t.queue("q").unwrap().stats().ready, 3);
        t.check_invariants().unwrap();
    }
}

#[test]
fn transient_messages_are_lost_from_classic_queues_only() {
    let t = broker(Topology::new().queue(Queue::new("classic")).queue(Queue::new("quorum").quorum()));
    for queue in ["classic", "quorum"] {
        send(&t, queue, Message::new("persistent"));
        send(&t, queue, Message::new("transient").transient());
    }
    // Also one that is out when it happens.
    let mut consumer = t.consumer("classic").open().unwrap();
    let both = [consumer.try_recv().unwrap(), consumer.try_recv().unwrap()];
    let report = t.restart();
    assert_eq!(report.queues.iter().map(|queue| (queue.returned, queue.lost)).collect::<Vec<_>>(), [(2, 1), (0, 0)]);
    assert_eq!(ready(&t.queue("classic").unwrap()), of(&[("persistent", true)]));
    assert_eq!(ready(&t.queue("quorum").unwrap()), of(&[("persistent", false), ("transient", false)]));
    assert_eq!(t.queue("classic").unwrap().stats().totals.lost, 1);
    drop(both);
    t.check_invariants().unwrap();
}

#[test]
fn what_is_not_durable_is_gone_with_its_bindings_and_is_not_dead_lettered() {
    let t = broker(
        Topology::new()
            .exchange(Exchange::topic("kept"))
            .exchange(Exchange::topic("lost").transient())
            .exchange(Exchange::fanout("last").auto_delete())
            .queue(Queue::new("dlq"))
            .queue(Queue::new("kept-queue").bind("kept", "#").bind("lost", "#"))
            .queue(Queue::new("lost-queue").transient().bind("kept", "#").bind("last", "").dead_letter_to("dlq")),
    );
    assert_eq!(t.publish("kept", "k", Message::new("x")).unwrap().queues, 2);
    let report = t.restart();
    assert_eq!(report.exchanges, ["lost"]);
    assert_eq!(
        report.queues.iter().map(|queue| (queue.stayed, queue.lost)).collect::<Vec<_>>(),
        [(true, 0), (true, 0), (false, 1)]
    );
    assert!(t.queue("lost-queue").is_err() && t.publisher("lost").is_err());
    assert_eq!(t.queue("dlq").unwrap().stats().ready, 0);
    assert_eq!(t.publish("kept", "k", Message::new("y")).unwrap().queues, 1);
    // Nobody unbound the last binding of the auto-delete exchange, so it is there, and still goes with its next last one.
    t.bind("kept-queue", &Binding::to("last")).unwrap();
    t.unbind("kept-queue", &Binding::to("last")).unwrap();
    assert!(t.publisher("last").is_err());
    // What was not auto-delete is not now.
    t.unbind("kept-queue", &Binding::to("kept").key("#")).unwrap();
    assert!(t.publisher("kept").is_ok());
}

#[test]
fn connections_end_with_320_and_take_exclusive_queues_with_them() {
    let t = broker(Topology::new().queue(Queue::new("q")));
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("mine").exclusive().durable()).unwrap();
    channel.basic_consume(&Consume::new("q").tag("tag")).unwrap();
    channel.basic_publish(&Publish::new("", "q"), Message::new("a")).unwrap();
    assert_eq!(t.queue("q").unwrap().stats().unacked, 1);
    let report = t.restart();
    assert_eq!(report.connections, 1);
    assert_eq!(connection.closed().unwrap().code, ReplyCode::ConnectionForced);
    // It is told that the connection ended, and not before that its consumer was cancelled.
    let events: Vec<_> = std::iter::from_fn(|| channel.try_recv().ok()).collect();
    assert!(!events.iter().any(|event| matches!(event, ChannelEvent::Cancel { .. })), "{events:?}");
    assert_eq!(
        t.connect().unwrap().open_channel().unwrap().queue_declare(&QueueDeclare::new("mine")).unwrap().message_count,
        0
    );
    assert_eq!(ready(&t.queue("q").unwrap()), of(&[("a", true)]));
}

#[test]
fn time_goes_on_for_messages_and_begins_anew_for_unused_queues() {
    let t = broker(
        Topology::new()
            .queue(Queue::new("ttl").message_ttl(Duration::from_secs(10)).dead_letter_to("dlq"))
            .queue(Queue::new("dlq"))
            .queue(Queue::new("lease").expires(Duration::from_secs(10))),
    );
    send(&t, "ttl", Message::new("a"));
    let out = t.get("ttl").unwrap().unwrap();
    t.advance_blocking(Duration::from_secs(6)).unwrap();
    t.restart();
    t.advance_blocking(Duration::from_secs(4)).unwrap();
    assert_eq!((t.queue("ttl").unwrap().stats().ready, t.queue("dlq").unwrap().stats().ready), (0, 1));
    assert!(t.queue("lease").is_ok());
    t.advance_blocking(Duration::from_secs(6)).unwrap();
    assert!(t.queue("lease").is_err());
    drop(out);
}

#[test]
fn an_auto_delete_queue_outlives_it_until_a_consumer_has_come_and_gone() {
    let t = broker(Topology::new().queue(Queue::new("q").auto_delete()));
    let consumer = t.consumer("q").open().unwrap();
    t.restart();
    drop(consumer);
    assert!(t.queue("q").is_ok());
    drop(t.consumer("q").open().unwrap());
    assert!(t.queue("q").is_err());
}

#[test]
fn a_crashed_consumer_gives_back_what_it_has_at_once_and_hears_no_more() {
    let t = broker(Topology::new().queue(Queue::new("q")));
    ["a", "b"].into_iter().for_each(|body| send(&t, "q", Message::new(body)));
    let mut first = t.consumer("q").tag("first").prefetch(1).open().unwrap();
    let mut second = t.consumer("q").tag("second").prefetch(1).open().unwrap();
    let (a, b) = (first.try_recv().unwrap(), second.try_recv().unwrap());
    assert_eq!((t.crash_consumer("nobody"), t.crash_consumer("first")), (0, 1));
    a.ack();
    assert_eq!(ready(&t.queue("q").unwrap()), of(&[("a", true)]));
    assert!(first.blocking_recv().is_none());
    b.ack();
    assert_eq!(second.try_recv().unwrap().body(), "a");
    t.check_invariants().unwrap();
}

#[test]
fn a_crashed_consumer_of_a_channel_takes_its_connection_with_it() {
    let t = broker(Topology::new().queue(Queue::new("q")).queue(Queue::new("other")));
    let (dying, staying) = (t.connect().unwrap(), t.connect_named("staying").unwrap());
    let channels = [dying.open_channel().unwrap(), dying.open_channel().unwrap(), staying.open_channel().unwrap()];
    channels[0].basic_consume(&Consume::new("q").tag("worker")).unwrap();
    channels[1].basic_consume(&Consume::new("other").tag("another")).unwrap();
    channels[2].basic_consume(&Consume::new("other").tag("another")).unwrap();
    assert_eq!(t.crash_consumer("worker"), 1);
    assert!(!dying.is_open() && staying.is_open());
    assert_eq!((t.queue("q").unwrap().stats().consumers, t.queue("other").unwrap().stats().consumers), (0, 1));
    assert_eq!((t.close_connection("dying"), t.close_connection("staying")), (0, 1));
    assert_eq!(staying.closed().unwrap().code, ReplyCode::ConnectionForced);
}

#[test]
fn a_quorum_queue_counts_what_a_crash_brings_back() {
    let topology = Topology::new()
        .queue(Queue::new("q").quorum().delivery_limit(1).dead_letter_to("dlq"))
        .queue(Queue::new("dlq").max_length(10, Overflow::DropHead));
    let t = broker(topology);
    send(&t, "q", Message::new("poison"));
    for round in 0..2 {
        let mut consumer = t.consumer("q").tag("worker").open().unwrap();
        let _held = consumer.try_recv().unwrap();
        if round == 0 {
            t.crash_consumer("worker")
        } else {
            t.restart().connections
        };
    }
    assert_eq!((t.queue("q").unwrap().stats().ready, t.queue("dlq").unwrap().stats().ready), (0, 1));
}

/// Nobody is served by a broker that ends, and so what was out of a quorum queue has one delivery behind it.
#[test]
fn what_a_restart_brings_back_goes_to_none_of_the_consumers_that_it_ends() {
    let t = broker(Topology::new().queue(Queue::new("q").quorum()));
    send(&t, "q", Message::new("x"));
    let mut busy = t.consumer("q").prefetch(1).open().unwrap();
    let _held = busy.try_recv().unwrap();
    let _idle = t.consumer("q").prefetch(1).open().unwrap();
    t.restart();
    let delivery = t.get("q").unwrap().unwrap();
    assert_eq!(delivery.attempt(), 2);
    assert_eq!(delivery.message().properties().headers.as_ref().unwrap().get("x-delivery-count"), Some(&1_i64.into()));
}

/// A durable queue that stays was once told as deleted, together with the messages that it lost.
#[test]
fn what_a_restart_loses_is_told_in_words_that_are_true() {
    let t = broker(Topology::new().queue(Queue::new("kept")).queue(Queue::new("gone").transient()));
    send(&t, "kept", Message::new("a").message_id("a").transient());
    send(&t, "gone", Message::new("b").message_id("b").persistent());
    t.restart();
    let history = |id: &str| t.history(id).unwrap();
    assert_eq!(
        history("a").losses(),
        [
            "#1 is lost: the broker restarted while it was in 'kept', and the message is transient (delivery mode 1), so a restart \
             loses it even in a durable queue"
        ]
    );
    assert_eq!(
        history("b").losses(),
        [
            "#1 is lost: the broker restarted while it was in 'gone', and the queue is not durable, so a restart ends it with all that \
             is in it"
        ]
    );
    let fate = |id: &str, queue: &str| history(id).journeys()[0].fate_in(queue).unwrap().to_string();
    assert_eq!(fate("a", "kept"), "lost in a restart: it is not persistent");
    assert_eq!(fate("b", "gone"), "lost with the queue: broker restarted");
    let ledger = t.ledger();
    assert_eq!(
        ledger.losses(),
        [
            "1 message: lost from 'kept' in a restart, not being persistent",
            "1 message: went with queue 'gone', which was not durable"
        ]
    );
    assert_eq!((ledger.total.lost, ledger.total.lost_transient), (2, 1));
}

/// Facts once said "connection closed" of a program that never had one.
#[test]
fn a_death_is_told_as_one() {
    let t = broker(Topology::new().queue(Queue::new("plain")).queue(Queue::new("channel")));
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&Consume::new("channel").tag("worker")).unwrap();
    let _consumer = t.consumer("plain").tag("worker").open().unwrap();
    for queue in ["plain", "channel"] {
        send(&t, queue, Message::new(queue).message_id(queue));
    }
    assert_eq!(t.crash_consumer("worker"), 2);
    for queue in ["plain", "channel"] {
        let history = t.history(queue).unwrap().to_string();
        assert!(history.contains("its program died") && !history.contains("connection closed"), "{history}");
    }
}

#[test]
fn a_restart_counts_the_consumers_that_end() {
    let t = broker(Topology::new().queue(Queue::new("a")).queue(Queue::new("b").quorum()));
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&Consume::new("a")).unwrap();
    let consumers = ["a", "a", "b"].map(|queue| t.consumer(queue).open().unwrap());
    let report = t.restart();
    assert_eq!((report.connections, report.consumers), (1, 3));
    assert!(report.to_string().starts_with("restarted: 1 connections closed, 3 consumers ended, 0 messages lost\n"));
    drop(consumers);
    assert_eq!(t.restart().consumers, 0);
}

/// A drain once waited for ever where a test kept a delivery: only the test moves time.
#[test]
fn a_drain_that_nothing_ends_fails_with_the_guard() {
    let kept = || {
        let t = broker(Topology::new().queue(Queue::new("q")));
        t.set_guard(Duration::from_millis(1));
        send(&t, "q", Message::new("kept").message_id("m-1"));
        let out = t.get("q").unwrap().unwrap();
        (t, out)
    };
    let text_of = |work: &mut dyn FnMut()| {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let (t, out) = kept();
    let text = text_of(&mut || drop(t.shutdown().drain(Duration::from_secs(10)).wait()));
    assert!(text.contains("drains without end") && text.contains("m-1 is out to get, not settled"), "{text}");
    drop((t, out));
    let (t, out) = kept();
    let text = text_of(&mut || drop(smol::block_on(t.shutdown().drain(Duration::from_secs(10)).into_future())));
    assert!(text.contains("drains without end") && text.contains("m-1 is out to get, not settled"), "{text}");
    drop((t, out));
    // Without a drain it takes no time, and a drain ends with a settlement or the test's time.
    let (t, out) = kept();
    assert!(!t.shutdown().wait().drained);
    drop((t, out));
    for settles in [true, false] {
        let (t, out) = kept();
        t.set_guard(Duration::from_secs(60));
        let mut draining = Box::pin(t.shutdown().drain(Duration::from_secs(10)).into_future());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(draining.as_mut().poll(&mut context).is_pending());
        if settles {
            out.ack();
        } else {
            t.advance_blocking(Duration::from_secs(10)).unwrap();
        }
        let std::task::Poll::Ready(report) = draining.as_mut().poll(&mut context) else { panic!("it is over") };
        assert_eq!(report.drained, settles);
    }
}
