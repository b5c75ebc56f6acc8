//! What a topic exchange costs: a match, one more binding, one less; beside one look-up of the same key in a hash map.
//!
//! Three to five words of 400 for each level; 70 of 100 patterns are exact, 20 have one `*`, 10 end in `#`. The key
//! groups walk through many keys, so that no single path stays in the processor's cache.

#![allow(missing_docs, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hashbrown::HashMap;
use leveret::Name;
use leveret::internals::{
    Binding, Destination, ExchangeKind, ExchangeSpec, Graph, Hit, QueueId, Scratch, Targets, Topic, Walk,
};
use std::hint::black_box;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const WORDS: u64 = 400;
const KEYS: usize = 4_096;

/// A small generator of numbers with a fixed seed: every run measures the same patterns.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Patterns, and a key for each that fits it.
struct Workload {
    patterns: Vec<(Name, String)>,
    numbers: Numbers,
}

impl Workload {
    fn new(size: usize) -> Self {
        let mut workload = Self { patterns: Vec::new(), numbers: Numbers(7) };
        for _ in 0..size {
            let pattern = workload.pattern();
            workload.patterns.push(pattern);
        }
        workload
    }

    fn pattern(&mut self) -> (Name, String) {
        let levels = 3 + self.numbers.below(3) as usize;
        let key: Vec<String> = (0..levels).map(|level| format!("w{level}x{}", self.numbers.below(WORDS))).collect();
        let mut words: Vec<&str> = key.iter().map(String::as_str).collect();
        match self.numbers.below(10) {
            0 => words[levels - 1] = "#",
            1 | 2 => words[self.numbers.below(levels as u64) as usize] = "*",
            _ => {}
        }
        (Name::new(words.join(".")).unwrap(), key.join("."))
    }

    /// Keys that fit some pattern.
    fn hits(&self) -> Vec<String> {
        self.patterns.iter().cycle().step_by(7).take(KEYS).map(|(_, key)| key.clone()).collect()
    }

    /// Keys that mostly fit none: known words, put together anew, and a last one that no pattern has.
    fn misses(&mut self) -> Vec<String> {
        (0..KEYS).map(|n| format!("{}.z{n}", self.pattern().1)).collect()
    }

    fn topic(&self) -> Topic {
        let mut topic = Topic::new();
        for (born, (pattern, _)) in (0..).zip(&self.patterns) {
            topic.insert(pattern, hit(born));
        }
        topic
    }
}

fn hit(born: u64) -> Hit {
    Hit { born, to: Destination::Queue(QueueId(born as u32)) }
}

/// Calls `each` with one key after the other.
fn walk_keys(bench: &mut criterion::Bencher<'_>, keys: &[String], mut each: impl FnMut(&str)) {
    let mut at = 0;
    bench.iter(|| {
        at = (at + 1) % keys.len();
        each(&keys[at]);
    });
}

fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topic match");
    group.throughput(Throughput::Elements(1));
    for size in SIZES {
        let mut workload = Workload::new(size);
        let topic = workload.topic();
        let (mut walk, mut out) = (Walk::default(), Vec::new());
        for (what, keys) in [("one", workload.hits()), ("none", workload.misses())] {
            group.bench_with_input(BenchmarkId::new(what, size), &keys, |bench, keys| {
                walk_keys(bench, keys, |key| {
                    out.clear();
                    topic.matches(black_box(key), &mut walk, &mut out);
                    black_box(&out);
                });
            });
        }
        let keys = workload.hits();
        let map: HashMap<String, u64> = (0..).zip(&workload.patterns).map(|(n, (_, key))| (key.clone(), n)).collect();
        group.bench_with_input(BenchmarkId::new("hashbrown get", size), &keys, |bench, keys| {
            walk_keys(bench, keys, |key| {
                black_box(map.get(black_box(key)));
            });
        });
    }
    group.finish();
}

fn adding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topic add and remove");
    group.throughput(Throughput::Elements(1));
    for size in SIZES {
        let mut workload = Workload::new(size);
        let mut topic = workload.topic();
        let more: Vec<Name> = (0..KEYS).map(|_| workload.pattern().0).collect();
        let mut born = size as u64;
        let mut at = 0;
        group.bench_function(BenchmarkId::new("one", size), |bench| {
            bench.iter(|| {
                at = (at + 1) % more.len();
                born += 1;
                topic.insert(&more[at], hit(born));
                assert!(topic.remove(&more[at], born));
            });
        });
    }
    group.finish();
}

/// The same through the graph: exchange, order, each queue once.
fn routing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topic route");
    group.throughput(Throughput::Elements(1));
    for size in SIZES {
        let workload = Workload::new(size);
        let mut graph = Graph::new();
        let exchange = graph.insert(ExchangeSpec::new(Name::new("events").unwrap(), ExchangeKind::Topic));
        for (n, (pattern, _)) in (0..).zip(&workload.patterns) {
            graph.insert_queue(Name::new(format!("q{n}")).unwrap(), QueueId(n));
            let destination = Destination::Queue(QueueId(n));
            let arguments = leveret::Table::new();
            graph.bind(exchange, Binding { destination, key: pattern.clone(), arguments }).unwrap();
        }
        let (mut scratch, mut out) = (Scratch::new(), Targets::new());
        group.bench_with_input(BenchmarkId::new("one", size), &workload.hits(), |bench, keys| {
            walk_keys(bench, keys, |key| {
                graph.route(exchange, std::iter::once(black_box(key)), None, &mut scratch, &mut out);
                black_box(&out);
            });
        });
    }
    group.finish();
}

/// One pattern of many `#` against a key of 128 words that it does not fit.
fn adversary(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topic adversary");
    let key = ["a"; 128].join(".");
    for hashes in [2, 4, 33] {
        let mut topic = Topic::new();
        topic.insert(&Name::new("#.a.".repeat(hashes - 1) + "#.b").unwrap(), hit(1));
        let (mut walk, mut out) = (Walk::default(), Vec::new());
        group.bench_function(BenchmarkId::new("hashes", hashes), |bench| {
            bench.iter(|| topic.matches(black_box(&key), &mut walk, &mut out));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(20);
    targets = matching, adding, routing, adversary
}
criterion_main!(benches);
