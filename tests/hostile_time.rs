//! Time at its bounds: times to live, expirations, unused queues and clocks at 0, 1, and around 2^31, 2^32, 2^63 and 2^64
//! milliseconds. The clock counts nanoseconds in 64 bits, 584 years; what lies beyond never comes, and nothing wraps.
//!
//! Seen to fail with: sums of moments that wrap, a settlement that does not look what time it is,
//! a quorum queue that hands out what is overdue.

use leveret::{
    ApplyTo, Broker, ManualClock, Message, Moment, Policy, Publish, Queue, QueueDeclare, Topology, TopologyError,
    TryRecvError,
};
use std::time::Duration;

/// The bounds, in milliseconds.
const BOUNDS: [u64; 13] = [
    0,
    1,
    2,
    (1 << 31) - 1,
    1 << 31,
    (1 << 31) + 1,
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    // The last whole millisecond of the clock.
    u64::MAX / 1_000_000,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// What the clock can reach.
fn comes(millis: u64) -> bool {
    millis <= u64::MAX / 1_000_000
}

fn broker() -> Broker {
    Broker::builder().manual_time().build()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// How many are ready, looked at without touching the queue.
fn ready(broker: &Broker, queue: &str) -> u64 {
    broker.queue(queue).unwrap().stats().ready
}

/// A message in `q` lives just so long.
fn lives(broker: &Broker, span: u64, what: &str) {
    if span == 0 {
        assert_eq!(ready(broker, "q"), 0, "{what}");
        return;
    }
    assert_eq!(ready(broker, "q"), 1, "{what}");
    if !comes(span) {
        assert_eq!(broker.next_deadline(), None, "{what}");
        broker.advance(Duration::MAX);
        assert_eq!((broker.now(), ready(broker, "q")), (Moment::MAX, 1), "{what}");
        return;
    }
    assert_eq!(broker.next_deadline(), Some(Moment::from_millis(span)), "{what}");
    broker.advance(millis(span - 1));
    assert_eq!(ready(broker, "q"), 1, "{what}");
    broker.advance(millis(1));
    assert_eq!(ready(broker, "q"), 0, "{what}");
}

#[test]
fn an_expiration_is_kept_to_the_millisecond() {
    for kind in ["classic", "quorum"] {
        for span in BOUNDS {
            // A quorum queue knows no time to live below 1.
            let least = if kind == "quorum" { span.max(1) } else { span };
            let broker = broker();
            broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
            let mut message = Message::new("m");
            message.properties_mut().expiration = Some(span.to_string().into());
            broker.publish("", "q", message).unwrap();
            lives(&broker, least, &format!("{kind} {span}"));
            broker.check_invariants().unwrap();
        }
    }
}

#[test]
fn a_queues_time_to_live_is_kept_to_the_millisecond() {
    for span in BOUNDS {
        let broker = broker();
        let Ok(argument) = i64::try_from(span) else { continue };
        let declared = broker.declare_queue(&QueueDeclare::new("q").argument("x-message-ttl", argument));
        if span > u32::MAX.into() {
            assert!(matches!(declared, Err(TopologyError::InvalidQueue(_))));
            // A policy has no such bound.
            broker.declare_queue(&QueueDeclare::new("q")).unwrap();
            broker.set_policy(Policy::new("p", "q").define("message-ttl", argument)).unwrap();
        }
        broker.publish("", "q", Message::new("m")).unwrap();
        lives(&broker, span, &format!("{span}"));
    }
}

#[test]
fn an_unused_queue_goes_to_the_millisecond() {
    for kind in ["classic", "quorum"] {
        for span in BOUNDS.into_iter().filter(|span| *span > 0) {
            let broker = broker();
            let Ok(argument) = i64::try_from(span) else { continue };
            let new = || QueueDeclare::new("q").durable().argument("x-queue-type", kind);
            let declared = broker.declare_queue(&new().argument("x-expires", argument));
            if span > u32::MAX.into() {
                assert!(matches!(declared, Err(TopologyError::InvalidQueue(_))));
                broker.declare_queue(&new()).unwrap();
                broker.set_policy(Policy::new("p", "q").define("expires", argument)).unwrap();
            }
            if !comes(span) {
                broker.advance(Duration::MAX);
                // At the end of time it is still there, whatever is done with it.
                broker.declare_queue(&QueueDeclare::new("q").passive()).unwrap();
                drop(broker.consumer("q").open().unwrap());
                broker.publish("", "q", Message::new("m")).unwrap();
                broker.get("q").unwrap().unwrap().ack();
                broker.run_due();
                assert!(broker.queue("q").is_ok(), "{kind} {span}");
                continue;
            }
            broker.advance(millis(span - 1));
            assert!(broker.queue("q").is_ok(), "{kind} {span}");
            broker.advance(millis(1));
            assert!(broker.queue("q").is_err(), "{kind} {span}");
        }
    }
}

#[test]
fn zero_expires_is_refused() {
    assert!(broker().declare_queue(&QueueDeclare::new("q").argument("x-expires", 0)).is_err());
    assert!(broker().set_policy(Policy::new("p", "q").define("expires", 0_i64)).is_err());
    assert!(broker().set_policy(Policy::new("p", "q").define("message-ttl", -1_i64)).is_err());
}

/// Spans as the plain API takes them: what does not fit is refused, or is for ever; it never wraps to something short.
#[test]
fn spans_of_the_plain_api() {
    let spans =
        BOUNDS.map(millis).into_iter().chain([Duration::MAX, Duration::from_nanos(1), Duration::from_micros(999)]);
    for span in spans {
        let broker = broker();
        let _ = broker.declare(&Topology::new().queue(Queue::new("ttl").message_ttl(span)));
        let _ = broker.declare(&Topology::new().queue(Queue::new("unused").expires(span)));
        broker.set_policy(Policy::new("p", "q").apply_to(ApplyTo::Queues).message_ttl(span)).unwrap();
        broker.declare_queue(&QueueDeclare::new("q")).unwrap();
        broker.publish("", "q", Message::new("m").expires_in(span)).unwrap();
        if span >= millis(2) {
            broker.advance(millis(1));
            assert_eq!(ready(&broker, "q"), 1, "{span:?}");
        }
        broker.advance(span);
        broker.advance(span);
        assert_eq!(ready(&broker, "q") == 0, comes(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)), "{span:?}");
    }
}

/// From any moment on: what is added to a late moment does not wrap.
#[test]
fn everything_works_at_the_end_of_time() {
    for start in BOUNDS.map(Moment::from_millis).into_iter().chain([Moment::MAX, Moment::from_nanos(u64::MAX - 1)]) {
        let clock = ManualClock::new();
        clock.set(start);
        let broker = Broker::builder().manual_clock(clock).build();
        assert_eq!(broker.now(), start);
        let dying = Queue::new("dying").dead_letter_to("grave").message_ttl(millis(5)).expires(millis(10));
        broker.declare(&Topology::new().queue(dying).queue(Queue::new("grave"))).unwrap();
        for span in BOUNDS {
            let mut message = Message::new("m");
            message.properties_mut().expiration = Some(span.to_string().into());
            broker.publish("", "dying", message.clone()).unwrap();
            broker.publish("", "grave", message).unwrap();
        }
        broker.run_due();
        broker.advance(millis(10));
        broker.advance(Duration::MAX);
        assert_eq!(broker.now(), Moment::MAX);
        broker.check_invariants().unwrap();
        // No deadline is left that could ever come.
        assert_eq!(broker.next_deadline(), None, "{start:?}");
        let connection = broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.queue_declare(&QueueDeclare::new("late").argument("x-message-ttl", 60_000)).unwrap();
        channel.basic_publish(&Publish::new("", "late"), Message::new("m")).unwrap();
        assert_eq!(channel.recv_timeout(Duration::ZERO).unwrap_err(), TryRecvError::Empty);
        assert_eq!(channel.recv_timeout(Duration::MAX).unwrap_err(), TryRecvError::Empty);
        let mut consumer = broker.consumer("late").open().unwrap();
        consumer.recv_timeout(Duration::MAX).unwrap().ack();
        assert_eq!(consumer.recv_timeout(Duration::MAX).unwrap_err(), TryRecvError::Empty);
    }
}

/// The broker's own thread sleeps until a moment hundreds of years ahead, and is woken for one that is near.
#[test]
fn the_timer_sleeps_however_long_it_must() {
    let broker = Broker::new();
    broker
        .declare(&Topology::new().queue(Queue::new("dying").dead_letter_to("grave")).queue(Queue::new("grave")))
        .unwrap();
    for span in BOUNDS.into_iter().rev() {
        let mut message = Message::new("m");
        message.properties_mut().expiration = Some(span.to_string().into());
        broker.publish("", if span > 2 { "grave" } else { "dying" }, message).unwrap();
    }
    let mut graves = broker.consumer("grave").prefetch(100).open().unwrap();
    let died = std::iter::repeat_with(|| graves.recv_timeout(Duration::from_secs(10)).unwrap());
    assert_eq!(died.filter(|delivery| !delivery.deaths().is_empty()).take(3).count(), 3);
}

/// A deadline fires when somebody drives time; but nobody sees what is overdue before that.
#[test]
fn what_is_overdue_is_seen_by_nobody() {
    for queue in [Queue::new("q"), Queue::new("q").quorum()] {
        let clock = ManualClock::new();
        let broker = Broker::builder().manual_clock(clock.clone()).build();
        broker.declare(&Topology::new().queue(queue)).unwrap();
        let publish = |broker: &Broker| {
            broker.publish("", "q", Message::new("m").expires_in(Duration::from_millis(5))).unwrap();
            clock.set(broker.now() + Duration::from_millis(10));
        };
        publish(&broker);
        assert!(broker.get("q").unwrap().is_none());
        publish(&broker);
        assert!(broker.consumer("q").open().unwrap().try_recv().is_err());
        publish(&broker);
        assert_eq!(broker.queue("q").unwrap().purge().unwrap(), 0);
        publish(&broker);
        broker.publish("", "q", Message::new("next")).unwrap();
        assert_eq!(broker.get("q").unwrap().unwrap().body(), "next");
        assert_eq!(broker.queue("q").unwrap().stats().totals.expired, 4);
    }
}

/// Whoever settles last what he fetched leaves a quorum queue, whose time without use begins then: also where it has none
/// yet, and a policy gives it one.
#[test]
fn the_last_settlement_is_a_use_of_the_queue() {
    let broker = Broker::builder().manual_time().build();
    broker.declare(&Topology::new().queue(Queue::new("q").quorum())).unwrap();
    broker.publish("", "q", Message::new("m")).unwrap();
    let got = broker.get("q").unwrap().unwrap();
    broker.advance(Duration::from_secs(1));
    got.ack();
    broker.set_policy(Policy::new("p", "").expires(Duration::from_millis(100))).unwrap();
    broker.advance(Duration::from_millis(99));
    assert!(broker.queue("q").is_ok());
    broker.advance(Duration::from_millis(1));
    assert!(broker.queue("q").is_err());
}
