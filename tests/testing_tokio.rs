//! The broker on tokio's clock: driven by a task, paused, and moved by the test or by tokio itself.

#![cfg(all(feature = "testing", feature = "tokio"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use leveret::testing::{GivenUp, TestBroker};
use leveret::{Broker, Message, Moment, Queue, TokioClock, Topology, TraceLog};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

const MINUTE: Duration = Duration::from_secs(60);

fn retrying() -> Topology {
    Topology::new()
        .queue(Queue::new("orders").dead_letter_to("retry"))
        .queue(Queue::new("retry").message_ttl(MINUTE).dead_letter_to("orders"))
}

#[tokio::test(start_paused = true)]
async fn the_brokers_time_and_the_programs_are_one() {
    let t = TestBroker::on_tokio();
    t.declare(&retrying()).unwrap();
    let mut consumer = t.consumer("orders").open().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (list, clock) = (Arc::clone(&seen), (*t).clone());
    tokio::spawn(async move {
        while let Some(delivery) = consumer.recv().await {
            list.lock().unwrap().push(clock.now().as_millis() / 1_000);
            sleep(Duration::from_secs(10)).await;
            _ = if delivery.deaths().is_empty() { delivery.reject() } else { delivery.ack() };
        }
    });
    t.publish("", "orders", Message::new("one")).unwrap();
    // Ten seconds of work, a minute in the retry queue, ten seconds of work: tokio moves time where all tasks sleep.
    t.run_until_quiet(10 * MINUTE).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 70]);
    assert_eq!(t.queue("orders").unwrap().stats().totals.acknowledged, 1);
    t.ledger().assert_closed();
}

#[tokio::test(start_paused = true)]
async fn advancing_moves_both_and_fires_each_deadline_at_its_time() {
    let t = TestBroker::on_tokio();
    t.declare(&Topology::new().queue(Queue::new("a"))).unwrap();
    for seconds in [5, 9] {
        t.publish("", "a", Message::new("x").expires_in(Duration::from_secs(seconds))).unwrap();
    }
    let began = tokio::time::Instant::now();
    t.advance(Duration::from_secs(30)).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    let died: Vec<Moment> =
        t.recorder().facts().iter().filter(|fact| fact.what.name() == "died").map(|fact| fact.at).collect();
    assert_eq!(died, [Moment::from_millis(5_000), Moment::from_millis(9_000)]);
    assert!(t.advance_to_next().await.unwrap().is_none());
    assert_eq!(t.advance_blocking(MINUTE).unwrap_err().why, GivenUp::TokioTime);
}

#[tokio::test(start_paused = true)]
async fn a_driven_broker_wakes_who_waits_for_a_deadline_that_came_later() {
    let broker = Broker::builder().clock(TokioClock::new()).build();
    let driver = tokio::spawn(broker.drive());
    broker.declare(&retrying()).unwrap();
    let mut orders = broker.consumer("orders").open().unwrap();
    // The driver sleeps already, for nothing is due; then an earlier deadline comes, and a still earlier one.
    tokio::task::yield_now().await;
    broker.publish("", "retry", Message::new("late")).unwrap();
    tokio::task::yield_now().await;
    broker.publish("", "retry", Message::new("early").expires_in(Duration::from_secs(1))).unwrap();
    let began = tokio::time::Instant::now();
    // Time to live ends at the head only, so both come after a minute.
    for body in ["late", "early"] {
        let delivery = orders.recv().await.unwrap();
        assert_eq!((delivery.body().as_ref(), began.elapsed()), (body.as_bytes(), MINUTE));
        delivery.ack();
    }
    // It ends with the broker.
    drop((orders, broker));
    driver.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_recorded_broker_is_driven_as_well() {
    let log = TraceLog::new(1 << 20);
    let broker = Broker::builder().clock(TokioClock::new()).trace(&log).build();
    tokio::spawn(broker.drive());
    broker.declare(&retrying()).unwrap();
    let mut orders = broker.consumer("orders").open().unwrap();
    broker.publish("", "retry", Message::new("one")).unwrap();
    let began = tokio::time::Instant::now();
    let delivery = tokio::time::timeout(2 * MINUTE, orders.recv()).await.expect("in time").unwrap();
    assert_eq!(began.elapsed(), MINUTE);
    delivery.ack();
    drop((orders, broker));
    log.trace().replay(Broker::builder()).unwrap();
}
