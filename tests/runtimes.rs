//! One scenario under threads and under three runtimes: the core knows none of them.
//!
//! Two publishers send into a short queue that refuses when it is full, so that they must wait; two workers acknowledge
//! every message at its second delivery; then the broker is shut down, which ends the workers.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

mod watched;

use leveret::{Broker, Consumer, Delivery, Message, Publisher, QueueDeclare};
use std::collections::BTreeSet;
use std::time::Duration;
use watched::watched;

const EACH: usize = 200;

fn broker() -> Broker {
    let broker = Broker::new();
    let short = QueueDeclare::new("work").argument("x-max-length", 4).argument("x-overflow", "reject-publish");
    broker.declare_queue(&short).unwrap();
    broker.declare_queue(&QueueDeclare::new("done")).unwrap();
    broker
}

fn bodies(publisher: usize) -> impl Iterator<Item = Message> {
    (0..EACH).map(move |n| Message::new(format!("{publisher}/{n}")))
}

fn consumer(broker: &Broker) -> Consumer {
    broker.consumer("work").prefetch(2).open().unwrap()
}

/// Every message is tried twice.
fn work(broker: &Broker, delivery: Delivery) {
    if delivery.attempt() == 1 {
        delivery.requeue();
    } else {
        broker.publish("", "done", Message::new(delivery.body().clone())).unwrap();
        delivery.ack();
    }
}

/// All are done, each once.
fn check(broker: &Broker) {
    let done = broker.queue("done").unwrap().peek(4 * EACH);
    let distinct: BTreeSet<_> = done.iter().map(|seen| seen.message.body().clone()).collect();
    assert_eq!((done.len(), distinct.len()), (2 * EACH, 2 * EACH));
    let stats = broker.queue("work").unwrap().stats();
    assert_eq!((stats.ready, stats.unacked, stats.totals.acknowledged), (0, 0, 2 * EACH as u64));
}

async fn produce(mut publisher: Publisher, number: usize) {
    for message in bodies(number) {
        assert_eq!(publisher.send("work", message).await.unwrap().queues, 1);
    }
}

async fn consume(broker: Broker, mut consumer: Consumer) {
    while let Some(delivery) = consumer.recv().await {
        work(&broker, delivery);
    }
}

/// Waits as a task until everything was acknowledged.
async fn until_done(broker: &Broker) {
    let mut last = broker.consumer("done").no_ack().open().unwrap();
    for _ in 0..2 * EACH {
        let _done = last.recv().await.unwrap();
    }
}

#[test]
fn threads() {
    let _watch = watched();
    let broker = broker();
    std::thread::scope(|scope| {
        let workers = [consumer(&broker), consumer(&broker)].map(|mut consumer| {
            let broker = &broker;
            scope.spawn(move || consumer.iter().for_each(|delivery| work(broker, delivery)))
        });
        let publishers = [0, 1].map(|number| {
            let mut publisher = broker.publisher("").unwrap();
            scope.spawn(move || {
                for message in bodies(number) {
                    assert_eq!(publisher.blocking_send("work", message).unwrap().queues, 1);
                }
            })
        });
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        let mut done = broker.consumer("done").prefetch(0).open().unwrap();
        let seen: Vec<Delivery> = done.iter().take(2 * EACH).collect();
        seen.into_iter().rev().for_each(|delivery| _ = delivery.requeue());
        drop(done);
        while broker.queue("work").unwrap().stats().unacked > 0 {
            std::thread::yield_now();
        }
        check(&broker);
        assert!(broker.shutdown().drain(Duration::from_secs(60)).wait().drained);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// The scenario as tasks, spawned by whatever runtime there is.
async fn tasks<H, J>(spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> H, join: impl Fn(H) -> J)
where
    J: Future<Output = ()>,
{
    let broker = broker();
    let mut handles = Vec::new();
    for number in [0, 1] {
        handles.push(spawn(Box::pin(produce(broker.publisher("").unwrap(), number))));
        handles.push(spawn(Box::pin(consume(broker.clone(), consumer(&broker)))));
    }
    until_done(&broker).await;
    let report = broker.shutdown().drain(Duration::from_secs(60)).await;
    assert!(report.drained && report.left.is_empty());
    for handle in handles {
        join(handle).await;
    }
}

#[test]
fn tokio_on_one_thread() {
    let _watch = watched();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(tasks(tokio::spawn, |handle| async { handle.await.unwrap() }));
}

#[test]
fn tokio_on_many_threads() {
    let _watch = watched();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(tasks(tokio::spawn, |handle| async { handle.await.unwrap() }));
}

#[test]
fn smol_tasks() {
    let _watch = watched();
    smol::block_on(tasks(smol::spawn, |handle| handle));
}
