//! Who gets what, and for how long one may hold up another: counted in messages and hops, never in wall time.
//!
//! The bounds that are stated here:
//!
//! - Of n messages, each of k equal consumers gets n/k, give or take its prefetch.
//! - A consumer of lower priority gets what those above have no room for, and nothing else.
//! - A call that is not about dead letters carries at most `hops_per_call` hops of a cascade before it returns.
//! - A purge, a hot queue, a consumer that never settles: another queue's publisher does its own work, and no more.
//!
//! Seen to fail with: turns that do not go round, a budget for hops that is not used up, priorities that are not looked at, a
//! single active consumer that is not the only one, bodies that are freed under the queue's lock, a consumer that is never
//! full, one that is, at the head, and stops the others.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

mod watched;

use leveret::{
    Broker, Channel, ChannelEvent, Connection, Consume, Consumer, Delivery, Limits, Message, Overflow, Policy, Qos,
    Queue, Topology,
};
use std::sync::mpsc;
use std::time::Duration;
use watched::watched;

/// A seeded sequence: the same for the same seed.
struct Seed(u64);

impl Seed {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn queue(kind: &str) -> Queue {
    let queue = Queue::new("q");
    if kind == "quorum" { queue.quorum() } else { queue }
}

fn broker_of(queue: Queue) -> Broker {
    let broker = Broker::builder().manual_time().build();
    broker.declare(&Topology::new().queue(queue)).unwrap();
    broker
}

/// Consumers that take one message and settle it the round after, in turn: all equally fast.
fn work_evenly(consumers: &mut [Consumer], counts: &mut [usize]) -> bool {
    let mut held: Vec<Delivery> = Vec::new();
    for (consumer, count) in consumers.iter_mut().zip(counts) {
        if let Ok(delivery) = consumer.try_recv() {
            *count += 1;
            held.push(delivery);
        }
    }
    let some = !held.is_empty();
    held.into_iter().for_each(|delivery| _ = delivery.ack());
    some
}

#[test]
fn equal_consumers_get_equal_shares() {
    for kind in ["classic", "quorum"] {
        for (consumers, prefetch, messages) in [(2, 1, 100), (3, 1, 100), (5, 10, 1_000), (7, 64, 2_000), (16, 3, 500)]
        {
            let broker = broker_of(queue(kind));
            let open = |_| broker.consumer("q").prefetch(prefetch).open().unwrap();
            let mut all: Vec<Consumer> = (0..consumers).map(open).collect();
            let mut counts = vec![0; consumers];
            for number in 0..messages {
                broker.publish("", "q", Message::new("m")).unwrap();
                if number % 3 == 0 {
                    work_evenly(&mut all, &mut counts);
                }
            }
            while work_evenly(&mut all, &mut counts) {}
            assert_eq!(counts.iter().sum::<usize>(), messages);
            let (share, prefetch) = (messages / consumers, prefetch as usize);
            for count in counts {
                let fair = share.saturating_sub(prefetch)..=share + prefetch + 1;
                assert!(fair.contains(&count), "{kind}: {count} of {messages}, {consumers} with {prefetch}");
            }
        }
    }
}

/// However unevenly they are scheduled, none that asks is left without for longer than the others' prefetches.
#[test]
fn whoever_is_scheduled_finds_work() {
    for seed in 1..=20 {
        let broker = broker_of(queue(if seed % 2 == 0 { "classic" } else { "quorum" }));
        let mut all: Vec<Consumer> = (0..4).map(|_| broker.consumer("q").prefetch(5).open().unwrap()).collect();
        (0..1_000).for_each(|_| _ = broker.publish("", "q", Message::new("m")).unwrap());
        let (mut seed, mut counts, mut asked) = (Seed(seed), [0_usize; 4], [0_usize; 4]);
        for _ in 0..900 {
            let who = seed.below(4);
            asked[who] += 1;
            if let Ok(delivery) = all[who].try_recv() {
                counts[who] += 1;
                delivery.ack();
            }
        }
        assert_eq!(counts, asked, "there was work, and each who asked got some");
    }
}

#[test]
fn a_lower_priority_gets_what_is_left_over() {
    for kind in ["classic", "quorum"] {
        let broker = broker_of(queue(kind));
        let mut low = broker.consumer("q").prefetch(2).open().unwrap();
        let mut high = broker.consumer("q").prefetch(2).priority(5).open().unwrap();
        let publish = |count: usize| (0..count).for_each(|_| _ = broker.publish("", "q", Message::new("m")).unwrap());
        publish(3);
        let mut held: Vec<Delivery> = std::iter::from_fn(|| high.try_recv().ok()).collect();
        let mut over: Vec<Delivery> = std::iter::from_fn(|| low.try_recv().ok()).collect();
        assert_eq!((held.len(), over.len()), (2, 1), "{kind}");
        // Room above is filled from above, however much room there is below.
        for _ in 0..50 {
            held.pop().unwrap().ack();
            publish(1);
            held.push(high.try_recv().unwrap());
            assert!(low.try_recv().is_err(), "{kind}");
        }
        // And nobody starves who has room where those above have none.
        publish(1);
        over.push(low.try_recv().unwrap());
        assert_eq!((held.len(), over.len()), (2, 2));
    }
}

/// One at a time, and the next one when its program ends, in the order of the queue.
#[test]
fn a_single_active_consumer_is_followed_by_the_next() {
    for kind in ["classic", "quorum"] {
        let broker = broker_of(queue(kind).single_active_consumer());
        let mut programs: Vec<(Connection, Channel)> = (0..5)
            .map(|_| {
                let connection = broker.connect().unwrap();
                let channel = connection.open_channel().unwrap();
                channel.basic_qos(Qos::new(3)).unwrap();
                channel.basic_consume(&Consume::new("q")).unwrap();
                (connection, channel)
            })
            .collect();
        (0..50).for_each(|number| _ = broker.publish("", "q", Message::new(number.to_string())).unwrap());
        let mut order = Vec::new();
        while !programs.is_empty() {
            for _ in 0..10 {
                let Ok(ChannelEvent::Deliver(delivery)) = programs[0].1.try_recv() else { panic!("{kind}") };
                order.push(String::from_utf8_lossy(delivery.message.body()).into_owned());
                programs[0].1.basic_ack(delivery.delivery_tag).unwrap();
                assert!(programs.iter().skip(1).all(|(_, other)| other.try_recv().is_err()), "{kind}");
            }
            // With three that it has not seen.
            programs.remove(0).0.close();
        }
        assert_eq!(order, (0..50).map(|number| number.to_string()).collect::<Vec<_>>(), "{kind}");
    }
}

/// A plain consumer that is dropped is cancelled, as by `basic.cancel`: the next one is served, and then gets what this one
/// had not received. Nothing is lost, and at no moment two get something.
#[test]
fn a_single_active_consumer_that_is_dropped_leaves_all_to_the_next() {
    for kind in ["classic", "quorum"] {
        let broker = broker_of(queue(kind).single_active_consumer());
        let mut all: Vec<Consumer> = (0..5).map(|_| broker.consumer("q").prefetch(3).open().unwrap()).collect();
        (0..50).for_each(|number| _ = broker.publish("", "q", Message::new(number.to_string())).unwrap());
        let mut seen = Vec::new();
        while !all.is_empty() {
            for _ in 0..10 {
                let delivery = all[0].try_recv().unwrap();
                seen.push(String::from_utf8_lossy(delivery.body()).parse::<u32>().unwrap());
                delivery.ack();
                assert!(all.iter_mut().skip(1).all(|other| other.try_recv().is_err()), "{kind}");
            }
            drop(all.remove(0));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>(), "{kind}");
    }
}

/// A cascade of ten thousand hops (a hundred thousand in release) holds up no call for more than `hops_per_call` of them.
#[test]
fn a_cascade_holds_up_another_publisher_for_its_budget_only() {
    const LETTERS: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
    const HOPS: usize = 100;
    let mut limits = Limits::default();
    limits.hops_per_call = HOPS;
    let broker = Broker::builder().limits(limits).manual_time().build();
    let chain = |from: &str, to: &str| Queue::new(from).dead_letter_to(to);
    let mut topology = Topology::new().queue(Queue::new("other")).queue(Queue::new("end")).queue(chain("start", "0"));
    for link in 0..9 {
        let to = if link == 8 { "end".to_owned() } else { (link + 1).to_string() };
        // Each link dies at once: it holds nothing.
        topology = topology.queue(chain(&link.to_string(), &to).max_length(0, Overflow::DropHead));
    }
    broker.declare(&topology).unwrap();
    (0..LETTERS).for_each(|_| _ = broker.publish("", "start", Message::new("m")).unwrap());
    let arrived = || broker.stats().dead_letters.arrived as usize;
    let before = arrived();
    broker.set_policy(Policy::new("p", "^start$").max_length(0, Overflow::DropHead)).unwrap();
    assert!(arrived() - before <= HOPS, "the call that lets them die carries its share");
    let mut calls = 0;
    while broker.queue("end").unwrap().stats().ready < LETTERS as u64 {
        let before = arrived();
        broker.publish("", "other", Message::new("m")).unwrap();
        let hops = arrived() - before;
        assert!(hops <= HOPS, "a publish to another queue carried {hops} hops");
        calls += 1;
        assert!(calls <= LETTERS * 10 / HOPS + 1, "the cascade does not come to its end");
    }
    assert_eq!(broker.queue("other").unwrap().stats().ready, calls as u64);
    broker.check_invariants().unwrap();
}

/// Bodies are freed without a lock, so another queue's publisher goes on in the middle of a purge, of a
/// million in release.
#[test]
fn a_purge_lets_others_publish_in_the_middle() {
    let _watch = watched();
    const MESSAGES: usize = if cfg!(debug_assertions) { 10_000 } else { 1_000_000 };
    struct Middle(mpsc::SyncSender<()>, std::sync::Mutex<mpsc::Receiver<()>>);
    impl AsRef<[u8]> for Middle {
        fn as_ref(&self) -> &[u8] {
            b"middle"
        }
    }
    impl Drop for Middle {
        /// Stops the purge in the middle until the other one has published.
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            self.1.lock().unwrap().recv_timeout(Duration::from_secs(30)).unwrap();
        }
    }
    for kind in ["classic", "quorum"] {
        let broker = broker_of(queue(kind));
        broker.declare(&Topology::new().queue(Queue::new("other"))).unwrap();
        let (in_the_middle, is_in_the_middle) = mpsc::sync_channel(1);
        let (go_on, may_go_on) = mpsc::sync_channel(1);
        let mut body = Some(bytes::Bytes::from_owner(Middle(in_the_middle, std::sync::Mutex::new(may_go_on))));
        for number in 0..MESSAGES {
            let message = match body.take_if(|_| number == MESSAGES / 2) {
                Some(body) => Message::new(body),
                None => Message::new("m"),
            };
            broker.publish("", "q", message).unwrap();
        }
        let purger = {
            let broker = broker.clone();
            std::thread::spawn(move || broker.queue("q").unwrap().purge().unwrap())
        };
        is_in_the_middle.recv_timeout(Duration::from_secs(30)).unwrap();
        // To the other queue, and to the one that is being purged: it is empty by now.
        for queue in ["other", "q"] {
            broker.publish("", queue, Message::new("m")).unwrap();
            assert!(broker.get(queue).unwrap().is_some());
        }
        go_on.send(()).unwrap();
        assert_eq!(purger.join().unwrap(), MESSAGES as u64);
    }
}

/// A queue whose consumer never settles, and a full one whose publisher waits, are their own business.
#[test]
fn who_never_settles_holds_up_nobody_else() {
    let _watch = watched();
    let broker = broker_of(Queue::new("q").max_length(3, Overflow::RejectPublish));
    broker.declare(&Topology::new().queue(Queue::new("other"))).unwrap();
    let mut stuck = broker.consumer("q").prefetch(3).open().unwrap();
    (0..6).for_each(|_| _ = broker.publish("", "q", Message::new("m")).unwrap());
    let kept: Vec<Delivery> = std::iter::from_fn(|| stuck.try_recv().ok()).collect();
    let mut publisher = broker.publisher("").unwrap();
    let waiting =
        std::thread::spawn(move || publisher.blocking_send("q", Message::new("waits")).map(|routed| routed.queues));
    let mut other = broker.consumer("other").open().unwrap();
    for _ in 0..1_000 {
        broker.publish("", "other", Message::new("m")).unwrap();
        other.try_recv().unwrap().ack();
    }
    let stats = broker.queue("q").unwrap().stats();
    assert_eq!((kept.len(), stats.ready, stats.unacked), (3, 3, 3));
    // A second consumer of the same queue gets what the first has no room for.
    let mut second = broker.consumer("q").prefetch(1).open().unwrap();
    second.try_recv().unwrap().ack();
    assert_eq!(waiting.join().unwrap().unwrap(), 1);
    drop(kept);
    broker.check_invariants().unwrap();
}
