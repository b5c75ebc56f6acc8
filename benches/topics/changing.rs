//! Changes: through the public API, on a broker with so many bindings.

use crate::matching::walk_keys;
use crate::support::bus::{Body, EXCHANGE, Messages};
use crate::support::memory::bytes_of;
use crate::support::mode::Asked;
use crate::support::patterns::{QUEUES, Workload};
use crate::support::pin::pin;
use crate::support::rounds::{Candidate, Plan, interleave, of};
use crate::support::row::Row;
use crate::support::tails::Tails;
use hashbrown::HashMap;
use leveret::internals::known_route;
use leveret::{Binding, Broker, Exchange, Publisher, Queue, Topology};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A broker with the workload bound over its queues; what it has for each binding.
pub(crate) fn bound_broker(workload: &Workload) -> (Broker, f64) {
    let broker = Broker::new();
    let topology = (0..QUEUES).fold(Topology::new().exchange(Exchange::topic(EXCHANGE)), |topology, n| {
        topology.queue(Queue::new(format!("q{n}")))
    });
    broker.declare(&topology).unwrap();
    let bind_all = || {
        let places = workload.patterns.iter().zip((0..QUEUES).cycle());
        places.for_each(|(pattern, n)| broker.bind(&format!("q{n}"), &binding(pattern)).unwrap());
    };
    let ((), bytes) = bytes_of(bind_all);
    (broker, bytes / workload.patterns.len() as f64)
}

pub(crate) fn binding(pattern: &str) -> Binding {
    Binding::to(EXCHANGE).key(pattern)
}

/// The rows of what changes.
pub(crate) fn rows(size: usize, asked: &Asked, broker: &Broker, workload: &Workload, more: &[Binding]) -> Vec<Row> {
    let wants = |kind: &str| asked.wants(&format!("topics {size} {kind}"));
    let mut rows = Vec::new();
    if wants("warm") {
        rows.push(warm(size, asked.plan(), broker, workload).print());
    }
    if wants("alternate") {
        rows.push(alternating(size, asked.plan(), broker, more).print());
    }
    if wants("stall") {
        rows.push(stall(size, asked, broker, more).print());
    }
    rows
}

/// Adds and removes bindings beside the same patterns in a map of the same size; the values go to `row`.
pub(crate) fn adding(row: Row, plan: Plan, broker: &Broker, workload: &Workload, more: &[Binding]) -> Row {
    let known = workload.patterns.iter().map(|pattern| (pattern.clone(), 0_u64));
    let map = RefCell::new(known.collect::<HashMap<String, u64>>());
    let insert = |binding: &Binding| {
        black_box(map.borrow_mut().insert(binding.routing_key().to_owned(), 1));
    };
    let erase = |binding: &Binding| {
        black_box(map.borrow_mut().remove(binding.routing_key()));
    };
    let add = |binding: &Binding| broker.bind("q0", binding).unwrap();
    let remove = |binding: &Binding| broker.unbind("q0", binding).unwrap();
    let measured = interleave(
        plan,
        vec![
            Candidate::new("insert", there_and_back(more, insert, erase, true)),
            Candidate::new("erase", there_and_back(more, insert, erase, false)),
            Candidate::new("add", there_and_back(more, add, remove, true)),
            Candidate::new("remove", there_and_back(more, add, remove, false)),
        ],
    );
    let (add, remove) = (of(&measured, "add"), of(&measured, "remove"));
    row.ns(add).ns(remove).ns(&measured[0]).ns(of(&measured, "erase")).with("add_ratio", add.ratio)
}

/// Does something with one binding after the other and then undoes it, round after round; the time of one of the two.
fn there_and_back<'a>(
    bindings: &'a [Binding],
    there: impl Fn(&Binding) + 'a,
    back: impl Fn(&Binding) + 'a,
    of_there: bool,
) -> impl FnMut(u64) -> Duration + 'a {
    move |mut times| {
        let (mut went, mut came) = (Duration::ZERO, Duration::ZERO);
        while times > 0 {
            let some = &bindings[..bindings.len().min(times as usize)];
            let begun = Instant::now();
            some.iter().for_each(&there);
            went += begun.elapsed();
            let begun = Instant::now();
            some.iter().for_each(&back);
            came += begun.elapsed();
            times -= some.len() as u64;
        }
        if of_there { went } else { came }
    }
}

/// The look-up of keys that a publisher remembers, with the queues they have, beside a look-up of the same keys in a map;
/// and whole publishes without queues, warm and cold.
fn warm(size: usize, plan: Plan, broker: &Broker, workload: &Workload) -> Row {
    const KNOWN: usize = 64;
    const OTHERS: usize = 1_000;
    let (mut knowing, mut made) = (broker.publisher(EXCHANGE).unwrap(), Messages::new());
    let mut keys: Vec<String> = workload.one().into_iter().take(KNOWN).collect();
    keys.iter().for_each(|key| _ = knowing.try_send(key, made.next(Body::Static.make())).unwrap());
    // A few of them have taken each other's places.
    keys.retain(|key| known_route(&knowing, key).is_some_and(|queues| queues > 0));
    assert!(keys.len() > KNOWN / 2);
    let others = (0..OTHERS).map(|n| format!("w0x{n}.w1x{n}.w2x{n}"));
    let map: HashMap<String, usize> = keys.iter().cloned().chain(others).zip(0..).collect();
    let lookup = walk_keys(&keys, |key| {
        black_box(map.get(black_box(key)));
    });
    let route = walk_keys(&keys, move |key| {
        black_box(known_route(&knowing, black_box(key)));
    });
    let nowhere: Vec<String> = (0..KNOWN).map(|n| format!("no{n}.such{n}.key{n}")).collect();
    let mut publisher = broker.publisher(EXCHANGE).unwrap();
    let publish = walk_keys(&nowhere, move |key| {
        assert_eq!(publisher.try_send(key, made.next(Body::Static.make())).unwrap().queues, 0);
    });
    let mut made_cold = Messages::new();
    let cold = walk_keys(&nowhere, move |key| {
        assert_eq!(broker.publish(EXCHANGE, key, made_cold.next(Body::Static.make())).unwrap().queues, 0);
    });
    let measured = interleave(
        plan,
        vec![
            Candidate::new("lookup", lookup),
            Candidate::new("route", route),
            Candidate::new("publish", publish),
            Candidate::new("cold", cold),
        ],
    );
    let row = measured.iter().fold(Row::new(format!("topics {size} warm")), Row::ns);
    row.with("ratio", of(&measured, "route").ratio)
}

/// A binding before every publish, beside binding alone.
fn alternating(size: usize, plan: Plan, broker: &Broker, more: &[Binding]) -> Row {
    let publisher = RefCell::new((broker.publisher(EXCHANGE).unwrap(), Messages::new()));
    let add = |binding: &Binding| broker.bind("q0", binding).unwrap();
    let remove = |binding: &Binding| broker.unbind("q0", binding).unwrap();
    let both = |binding: &Binding| {
        add(binding);
        let (publisher, made) = &mut *publisher.borrow_mut();
        publish_nowhere(publisher, made);
    };
    let measured = interleave(
        plan,
        vec![
            Candidate::new("bind", there_and_back(more, add, remove, true)),
            Candidate::new("bind_and_publish", there_and_back(more, both, remove, true)),
        ],
    );
    let (bind, both) = (&measured[0], of(&measured, "bind_and_publish"));
    Row::new(format!("topics {size} alternate")).ns(both).ns(bind).with("ratio", both.ratio)
}

fn publish_nowhere(publisher: &mut Publisher, made: &mut Messages) {
    let routed = publisher.try_send("no.such.key.here", made.next(Body::Static.make())).unwrap();
    assert_eq!(routed.queues, 0);
}

/// The times of publishes while another thread binds, beside the same while it is idle: what the machine itself does.
fn stall(size: usize, asked: &Asked, broker: &Broker, more: &[Binding]) -> Row {
    let publishes = if asked.is_test() { 100 } else { 200_000 };
    let times = |binding: bool| {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pin(1);
                while binding && !ended.load(Ordering::Relaxed) {
                    more.iter().for_each(|binding| broker.bind("q0", binding).unwrap());
                    more.iter().for_each(|binding| broker.unbind("q0", binding).unwrap());
                }
            });
            let (mut publisher, mut made) = (broker.publisher(EXCHANGE).unwrap(), Messages::new());
            let once = |_| {
                let begun = Instant::now();
                publish_nowhere(&mut publisher, &mut made);
                begun.elapsed()
            };
            let times: Vec<Duration> = (0..publishes).map(once).collect();
            ended.store(true, Ordering::Relaxed);
            times
        })
    };
    let long = |times: &[Duration]| times.iter().filter(|time| **time > Duration::from_micros(50)).count() as f64;
    let (idle, bound) = (times(false), times(true));
    let (idle_tails, tails) = (Tails::of(&idle), Tails::of(&bound));
    Row::new(format!("topics {size} stall"))
        .with("p50_ns", tails.p50)
        .with("p99_ns", tails.p99)
        .with("p999_ns", tails.p999)
        .with("max_ns", tails.max)
        .with("above_50us", long(&bound))
        .with("idle_max_ns", idle_tails.max)
        .with("idle_above_50us", long(&idle))
}
