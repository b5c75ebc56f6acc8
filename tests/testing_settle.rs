//! Settling and time of the test double: counted rest, on threads and tasks; every wait that cannot end says why.
//!
//! No test here waits in real time but for other threads to do what they are about to do; where a wait is to fail, its
//! guard is a millisecond.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod watched;

use leveret::testing::{GivenUp, NotSettled, Outstanding, TestBroker};
use leveret::{
    Acknowledge, ChannelEvent, Consume, Delivery, Fact, Message, Moment, Publish, Queue, QueueDeclare, Tap, Topology,
};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use watched::watched;

const MINUTE: Duration = Duration::from_secs(60);

/// The facts as text, with their moments.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Tap for Lines {
    fn saw(&self, facts: &[Fact]) {
        self.0.lock().unwrap().extend(facts.iter().map(|fact| format!("{:?} {fact}", fact.at)));
    }
}

fn broker(topology: Topology) -> TestBroker {
    let t = TestBroker::new();
    t.declare(&topology).unwrap();
    t
}

/// Orders, and a queue from which rejected ones come back after a minute.
fn retrying() -> Topology {
    Topology::new()
        .queue(Queue::new("orders").dead_letter_to("retry"))
        .queue(Queue::new("retry").message_ttl(MINUTE).dead_letter_to("orders"))
}

fn send(t: &TestBroker, queue: &str, body: &'static str) {
    assert_eq!(t.publish("", queue, Message::new(body).message_id(body)).unwrap().queues, 1);
}

/// Receives on a thread of its own, until the broker has gone.
fn on_a_thread(t: &TestBroker, queue: &str, mut handle: impl FnMut(Delivery) + Send + 'static) {
    let mut consumer = t.consumer(queue).prefetch(1).tag(format!("{queue}-worker")).open().unwrap();
    std::thread::spawn(move || {
        while let Some(delivery) = consumer.blocking_recv() {
            handle(delivery);
        }
    });
}

fn count(t: &TestBroker, queue: &str) -> (u64, u64) {
    let stats = t.queue(queue).unwrap().stats();
    (stats.ready, stats.totals.acknowledged)
}

fn given_up(result: Result<impl std::fmt::Debug, NotSettled>) -> NotSettled {
    result.unwrap_err()
}

#[test]
fn settling_waits_for_all_that_follows() {
    let t = broker(Topology::new().queue(Queue::new("a")).queue(Queue::new("b")).queue(Queue::new("c")));
    for (from, to) in [("a", "b"), ("b", "c")] {
        let broker = (*t).clone();
        on_a_thread(&t, from, move |delivery| {
            broker.publish("", to, Message::new(delivery.body().clone())).unwrap();
            delivery.ack();
        });
    }
    for round in 1..=200 {
        send(&t, "a", "x");
        t.settle_blocking().unwrap();
        assert_eq!(count(&t, "c"), (round, 0));
    }
}

#[test]
fn nothing_ready_and_nobody_there_is_settled_at_once() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")));
    t.set_guard(Duration::ZERO);
    send(&t, "a", "x");
    t.settle_blocking().unwrap();
    smol::block_on(t.settle()).unwrap();
}

#[test]
fn a_wait_that_cannot_end_lists_what_is_outstanding() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")).queue(Queue::new("b")));
    t.set_guard(Duration::from_millis(1));
    ["one", "two", "three"].into_iter().for_each(|body| send(&t, "a", body));
    let mut consumer = t.consumer("a").tag("slow").prefetch(2).open().unwrap();
    let held = consumer.try_recv().unwrap();
    let got = t.get("a").unwrap().unwrap();
    let silent = t.consumer("b").tag("deaf").no_ack().open().unwrap();
    send(&t, "b", "unheard");
    let _activity = t.activity("counting stock");
    t.advance_blocking(Duration::from_secs(3)).unwrap();

    let error = given_up(t.settle_blocking());
    assert_eq!(error.why, GivenUp::Guard(Duration::from_millis(1)));
    let expected = "not settled: nothing came to rest in 1ms of real time
outstanding (5):
  queue 'a': one is out to 'slow', not settled, attempt 1, for 3s
  queue 'a': two is out to 'slow', not received, attempt 1, for 3s
  queue 'a': three is out to get, not settled, attempt 1, for 3s
  queue 'b': 'deaf' has not received what it need not acknowledge
  activity 'counting stock' goes on, for 3s";
    assert_eq!(error.to_string(), expected);
    assert_eq!(given_up(smol::block_on(t.settle())), error);
    assert!(serde_json::to_string(&error).unwrap().contains(r#""Unacked":{"queue":"a","consumer":"slow""#));
    drop((held, got, silent));
}

#[test]
fn a_message_that_is_requeued_for_ever_is_found_and_named() {
    let t = broker(Topology::new().queue(Queue::new("a")));
    on_a_thread(&t, "a", |delivery| _ = delivery.requeue());
    send(&t, "a", "poison");
    let error = given_up(t.settle_blocking());
    let GivenUp::Endless { queue, consumer, message, deliveries } = &error.why else { panic!("{error}") };
    assert_eq!((queue.as_str(), consumer.as_deref(), message.as_str()), ("a", Some("a-worker"), "poison"));
    assert!(*deliveries > 1_000);
}

#[test]
fn a_message_that_is_dead_lettered_round_and_round_is_found_and_named() {
    let t =
        broker(Topology::new().queue(Queue::new("a").dead_letter_to("b")).queue(Queue::new("b").dead_letter_to("a")));
    t.set_delivery_budget(20);
    on_a_thread(&t, "a", |delivery| _ = delivery.reject());
    on_a_thread(&t, "b", |delivery| _ = delivery.reject());
    send(&t, "a", "poison");
    let error = given_up(t.settle_blocking());
    assert!(matches!(&error.why, GivenUp::Endless { message, .. } if message == "poison"), "{error}");
}

#[test]
fn many_messages_are_not_one_that_goes_round() {
    let t = broker(Topology::new().queue(Queue::new("a")));
    t.set_delivery_budget(2);
    let mut returned = false;
    on_a_thread(&t, "a", move |delivery| {
        returned = !returned;
        _ = if returned { delivery.requeue() } else { delivery.ack() };
    });
    (0..100).for_each(|_| send(&t, "a", "x"));
    t.settle_blocking().unwrap();
    assert_eq!(count(&t, "a"), (0, 100));
}

#[test]
fn what_needs_no_acknowledgement_is_waited_for_until_it_is_received() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")));
    let seen = Arc::new(AtomicU64::new(0));
    let mut consumer = t.consumer("a").no_ack().open().unwrap();
    let counts = Arc::clone(&seen);
    std::thread::spawn(move || {
        while consumer.blocking_recv().is_some() {
            counts.fetch_add(1, Ordering::SeqCst);
        }
    });
    for sent in 1..=100 {
        send(&t, "a", "x");
        t.settle_blocking().unwrap();
        // The last one may be in its hands.
        assert!(seen.load(Ordering::SeqCst) + 1 >= sent);
    }
}

#[test]
fn channels_are_waited_for() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")));
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&Consume::new("a")).unwrap();
    std::thread::spawn(move || {
        let _connection = connection;
        while let Some(event) = channel.blocking_recv() {
            if let ChannelEvent::Deliver(delivery) = event {
                channel.basic_ack(delivery.delivery_tag).unwrap();
            }
        }
    });
    for acked in 1..=100 {
        send(&t, "a", "x");
        t.settle_blocking().unwrap();
        assert_eq!(count(&t, "a"), (0, acked));
    }
}

#[test]
fn tasks_of_any_executor_are_waited_for() {
    let _watch = watched();
    async fn body(t: TestBroker, spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>)) {
        let mut consumer = t.consumer("orders").open().unwrap();
        spawn(Box::pin(async move {
            while let Some(delivery) = consumer.recv().await {
                let last = delivery.deaths().iter().map(|death| death.count).max() == Some(3);
                _ = if last { delivery.ack() } else { delivery.reject() };
            }
        }));
        send(&t, "orders", "x");
        t.settle().await.unwrap();
        assert_eq!(count(&t, "retry"), (1, 0));
        let took = t.run_until_quiet(10 * MINUTE).await.unwrap();
        assert_eq!((took, count(&t, "orders")), (3 * MINUTE, (0, 1)));
    }
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(body(broker(retrying()), |task| executor.spawn(task).detach())));
    let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
    one.block_on(body(broker(retrying()), |task| _ = tokio::spawn(task)));
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    many.block_on(body(broker(retrying()), |task| _ = tokio::spawn(task)));
}

#[test]
fn what_follows_a_deadline_happens_before_the_next() {
    let _watch = watched();
    // A message comes every second, and what the consumer makes of it expires half a second later.
    for on_thread in [true, false] {
        let lines = Lines::default();
        let t = TestBroker::with(|builder| builder.tap(lines.clone()));
        let topology = Topology::new().queue(Queue::new("in")).queue(Queue::new("waiting").dead_letter_to("in"));
        t.declare(&topology.queue(Queue::new("out").message_ttl(Duration::from_millis(500)))).unwrap();
        for second in 1..=5 {
            let message = Message::new("x").expires_in(Duration::from_secs(second));
            t.publish("", "waiting", message).unwrap();
        }
        let (out, from) = ((*t).clone(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&from);
        let forward = move |delivery: Delivery| {
            seen.lock().unwrap().push(out.now());
            out.publish("", "out", Message::new("y")).unwrap();
            delivery.ack();
        };
        if on_thread {
            on_a_thread(&t, "in", forward);
            t.attended_blocking().unwrap();
            t.advance_blocking(Duration::from_secs(10)).unwrap();
        } else {
            let executor = smol::LocalExecutor::new();
            let mut consumer = t.consumer("in").open().unwrap();
            executor
                .spawn(async move {
                    while let Some(delivery) = consumer.recv().await {
                        forward(delivery)
                    }
                })
                .detach();
            smol::block_on(executor.run(t.advance(Duration::from_secs(10)))).unwrap();
        }
        let moments: Vec<Moment> = (1..=5).map(|second| Moment::from_millis(second * 1_000)).collect();
        assert_eq!(*from.lock().unwrap(), moments);
        let expired: Vec<String> =
            lines.0.lock().unwrap().iter().filter(|line| line.contains("died in 'out'")).cloned().collect();
        assert_eq!(expired.len(), 5);
        assert!(expired[0].starts_with(&format!("{:?}", Moment::from_millis(1_500))), "{}", expired[0]);
    }
}

#[test]
fn an_hour_advanced_is_an_hour_lived() {
    let _watch = watched();
    // As tasks, since threads would act at once within a moment.
    let lived = |steps: u32| {
        let lines = Lines::default();
        let t = TestBroker::with(|builder| builder.tap(lines.clone()));
        t.declare(&retrying().queue(Queue::new("lease").expires(7 * MINUTE))).unwrap();
        let mut consumer = t.consumer("orders").open().unwrap();
        let executor = smol::LocalExecutor::new();
        let worker = async move {
            for attempt in 1.. {
                let Some(delivery) = consumer.recv().await else { return };
                _ = if attempt % 4 == 0 { delivery.ack() } else { delivery.reject() };
            }
        };
        executor.spawn(worker).detach();
        smol::block_on(executor.run(async {
            ["a", "b", "c"].into_iter().for_each(|body| send(&t, "orders", body));
            t.settle().await.unwrap();
            for _ in 0..steps {
                t.advance(60 * MINUTE / steps).await.unwrap();
            }
        }));
        let lines = lines.0.lock().unwrap().clone();
        (lines, t.now())
    };
    let once = lived(1);
    assert!(once.0.len() > 40);
    assert_eq!(once, lived(3_600));
}

#[test]
fn a_delivery_that_is_kept_does_not_stop_time() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")).queue(Queue::new("ttl").message_ttl(MINUTE)));
    ["x", "y"].into_iter().for_each(|body| send(&t, "a", body));
    send(&t, "ttl", "z");
    let mut consumer = t.consumer("a").prefetch(2).open().unwrap();
    let kept = consumer.try_recv().unwrap();
    t.advance_blocking(MINUTE).unwrap();
    assert_eq!(count(&t, "ttl"), (0, 0));
    // Also where the one who keeps it was woken for it, and waits for more.
    let t = broker(Topology::new().queue(Queue::new("a")).queue(Queue::new("ttl").message_ttl(MINUTE)));
    let mut keeper = t.consumer("a").prefetch(2).open().unwrap();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        while let Some(delivery) = keeper.blocking_recv() {
            all.push(delivery);
        }
    });
    t.attended_blocking().unwrap();
    send(&t, "a", "x");
    send(&t, "ttl", "z");
    t.advance_blocking(MINUTE).unwrap();
    assert_eq!(count(&t, "ttl"), (0, 0));
    drop(kept);
}

#[test]
fn time_goes_from_deadline_to_deadline() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")));
    t.publish("", "a", Message::new("1").message_id("1").expires_in(Duration::from_secs(5))).unwrap();
    t.publish("", "a", Message::new("2").message_id("2").expires_in(Duration::from_secs(9))).unwrap();
    let fired = t.advance_to_next_blocking().unwrap().unwrap();
    assert_eq!(fired.to_string().lines().nth(1), Some("  died in 'a': expired"));
    assert_eq!((fired.at, fired.facts.len()), (Moment::from_millis(5_000), 2));
    let fired = smol::block_on(t.advance_to_next()).unwrap().unwrap();
    assert_eq!((fired.at, t.now()), (Moment::from_millis(9_000), Moment::from_millis(9_000)));
    assert!(smol::block_on(t.advance_to_next()).unwrap().is_none());
}

#[test]
fn deadlines_without_end_reach_the_limit() {
    let t = broker(retrying());
    on_a_thread(&t, "orders", |delivery| _ = delivery.reject());
    t.attended_blocking().unwrap();
    send(&t, "orders", "poison");
    let error = given_up(t.run_until_quiet_blocking(10 * MINUTE));
    assert_eq!(error.why, GivenUp::Deadline(11 * MINUTE));
    assert!(error.outstanding.is_empty());
    assert_eq!(t.now(), Moment::ZERO + 10 * MINUTE);
}

#[test]
fn quiet_is_settled_too() {
    let t = broker(Topology::new().queue(Queue::new("a")));
    t.set_guard(Duration::from_millis(1));
    send(&t, "a", "x");
    let held = t.get("a").unwrap().unwrap();
    let error = given_up(t.run_until_quiet_blocking(MINUTE));
    assert!(matches!(&error.outstanding[..], [Outstanding::Unacked { consumer: None, received: true, .. }]));
    held.ack();
    assert_eq!(t.run_until_quiet_blocking(MINUTE).unwrap(), Duration::ZERO);
}

#[test]
fn a_receive_timeout_ends_with_the_brokers_time() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")));
    let mut consumer = t.consumer("a").open().unwrap();
    let broker = (*t).clone();
    let waiting = std::thread::spawn(move || (consumer.recv_timeout(MINUTE).is_err(), broker.now()));
    // The deadline is there once the thread waits.
    while t.next_deadline().is_none() {
        std::thread::yield_now();
    }
    assert_eq!(t.run_until_quiet_blocking(10 * MINUTE).unwrap(), MINUTE);
    assert_eq!(waiting.join().unwrap(), (true, Moment::ZERO + MINUTE));
}

#[test]
fn a_consumer_nobody_waits_at_is_named() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")));
    t.set_guard(Duration::from_millis(1));
    let _idle = t.consumer("a").tag("idle").open().unwrap();
    let text = given_up(smol::block_on(t.attended())).to_string();
    assert!(text.ends_with("outstanding (1):\n  queue 'a': nobody has waited at 'idle' yet"), "{text}");
}

#[test]
fn dropping_a_wait_leaves_nothing_behind() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("a")));
    send(&t, "a", "x");
    let held = t.get("a").unwrap().unwrap();
    for polls in 0..5 {
        smol::block_on(async {
            let mut settle = Box::pin(t.settle());
            for _ in 0..polls {
                assert!(smol::future::poll_once(&mut settle).await.is_none());
            }
        });
    }
    held.ack();
    smol::block_on(t.settle()).unwrap();
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("b")).unwrap();
    assert!(channel.basic_get("b", Acknowledge::Yes).unwrap().is_none());
}

#[test]
fn a_request_over_a_channel_times_out_with_the_brokers_time() {
    let _watch = watched();
    // Nobody answers. The requester waits half an hour of the broker's time, and none of its own.
    let t = broker(Topology::new().queue(Queue::new("requests")));
    t.set_guard(Duration::from_secs(60));
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&Consume::new("amq.rabbitmq.reply-to").no_ack()).unwrap();
    let question = Message::new("?").reply_to("amq.rabbitmq.reply-to");
    channel.basic_publish(&Publish::new("", "requests"), question).unwrap();
    let broker = (*t).clone();
    let waiting = std::thread::spawn(move || {
        let answer = channel.recv_timeout(30 * MINUTE);
        drop(connection);
        (answer.is_err(), broker.now())
    });
    while t.next_deadline().is_none() {
        std::thread::yield_now();
    }
    t.advance_blocking(29 * MINUTE).unwrap();
    assert!(!waiting.is_finished());
    assert_eq!(t.run_until_quiet_blocking(60 * MINUTE).unwrap(), MINUTE);
    assert_eq!(waiting.join().unwrap(), (true, Moment::ZERO + 30 * MINUTE));
}

#[test]
fn a_request_that_is_waited_for_is_pending_until_its_reply_is_there() {
    let _watch = watched();
    let t = broker(Topology::new().queue(Queue::new("requests")));
    let connection = t.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&Consume::new("amq.rabbitmq.reply-to").no_ack()).unwrap();
    let question = Message::new("?").reply_to("amq.rabbitmq.reply-to").correlation_id("c-1");
    channel.basic_publish(&Publish::new("", "requests"), question).unwrap();
    // Nobody waits for the reply: it is no business of a wait.
    t.settle_blocking().unwrap();

    let waiting = std::thread::spawn(move || {
        let answer = channel.blocking_recv();
        (matches!(answer, Some(ChannelEvent::Deliver(_))), channel, connection)
    });
    t.set_guard(Duration::from_millis(1));
    // Once it is waited for, it is.
    let text = loop {
        match t.settle_blocking() {
            Ok(()) => std::thread::yield_now(),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        text.ends_with(
            "outstanding (1):\n  request \"?\" (correlation id c-1) to 'requests' has no reply yet, for 0ns"
        ),
        "{text}"
    );
    t.set_guard(Duration::from_secs(60));
    let responder = (*t).clone();
    let request = t.get("requests").unwrap().unwrap();
    std::thread::spawn(move || {
        let address = request.properties().reply_to.clone().unwrap();
        responder.publish("", &address, Message::new("!").correlation_id("c-1")).unwrap();
        request.ack();
    });
    t.settle_blocking().unwrap();
    let (answered, channel, connection) = waiting.join().unwrap();
    assert!(answered);
    drop((channel, connection));
    t.settle_blocking().unwrap();
}
