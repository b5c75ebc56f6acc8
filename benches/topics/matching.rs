//! Matches: what is only looked at, through the router's own tables.

use crate::support::bus::EXCHANGE;
use crate::support::mode::Asked;
use crate::support::patterns::{QUEUES, Workload, hashes, long_key, mixes, tens, thousand};
use crate::support::rounds::{Candidate, interleave, of};
use crate::support::row::Row;
use hashbrown::HashMap;
use leveret::internals::{
    Binding, Destination, ExchangeId, ExchangeKind, ExchangeSpec, Graph, Hit, QueueId, Scratch, Targets, Topic, Walk,
};
use leveret::{Name, Table};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A topic and a graph with the workload and the planted groups, and as large a map.
pub(crate) struct Tables {
    topic: Topic,
    graph: Graph,
    exchange: ExchangeId,
    map: HashMap<String, u64>,
}

impl Tables {
    pub(crate) fn new(workload: &Workload) -> Self {
        let mut graph = Graph::new();
        let exchange = graph.insert(ExchangeSpec::new(Name::new(EXCHANGE).unwrap(), ExchangeKind::Topic));
        for n in 0..QUEUES as u32 {
            graph.insert_queue(Name::new(format!("q{n}")).unwrap(), QueueId(n));
        }
        let map = (0..).zip(workload.all_keys()).map(|(n, key)| (key.clone(), n)).collect();
        let mut tables = Self { topic: Topic::new(), graph, exchange, map };
        let planted = std::iter::repeat_n(thousand().0, QUEUES);
        let patterns = workload.patterns.iter().cloned().chain(tens().0).chain(planted);
        (0..).zip(patterns).for_each(|(born, pattern)| tables.bind(born, &Name::new(pattern).unwrap()));
        tables
    }

    fn bind(&mut self, born: u64, pattern: &Name) {
        let destination = Destination::Queue(QueueId((born % QUEUES as u64) as u32));
        self.topic.insert(pattern, Hit { born, to: destination });
        self.graph
            .bind(self.exchange, &Binding { destination, key: pattern.clone(), arguments: Table::new() })
            .unwrap();
    }

    /// Look-up, match and route of these keys, one after the other.
    pub(crate) fn candidates<'a>(&'a self, keys: &'a [String]) -> Vec<Candidate<'a>> {
        let (mut walk, mut hits) = (Walk::default(), Vec::new());
        let (mut scratch, mut targets) = (Scratch::new(), Targets::new());
        let lookup = walk_keys(keys, |key| {
            black_box(self.map.get(black_box(key)));
        });
        let matching = walk_keys(keys, move |key| {
            hits.clear();
            self.topic.matches(black_box(key), &mut walk, &mut hits);
            black_box(&hits);
        });
        let routing = walk_keys(keys, move |key| {
            let key = std::iter::once(black_box(key));
            self.graph.route(self.exchange, key, None, &mut scratch, &mut targets);
            black_box(&targets);
        });
        let candidates =
            [Candidate::new("lookup", lookup), Candidate::new("match", matching), Candidate::new("route", routing)];
        // Once through many keys is enough for each, and the same for all.
        let once = |candidate: Candidate<'a>| match keys.len() {
            many if many >= MANY => candidate.of_operations(many as u64),
            _ => candidate,
        };
        candidates.map(once).into()
    }
}

/// Does this with one key after the other.
pub(crate) fn walk_keys<'a>(keys: &'a [String], mut each: impl FnMut(&str) + 'a) -> impl FnMut(u64) -> Duration + 'a {
    let mut at = 0;
    move |times| {
        let begun = Instant::now();
        for _ in 0..times {
            at = if at + 1 == keys.len() { 0 } else { at + 1 };
            each(&keys[at]);
        }
        begun.elapsed()
    }
}

/// From so many keys on, what they lead to fills the caches.
const MANY: usize = 50_000;

/// How many bindings the keys of a row match.
pub(crate) const KINDS: [&str; 4] = ["none", "one", "ten", "thousand"];

/// Keys of each kind.
pub(crate) fn keys(workload: &mut Workload) -> [(&'static str, Vec<String>); 4] {
    let [none, one, ten, thousands] = KINDS;
    [(none, workload.none()), (one, workload.one()), (ten, tens().1), (thousands, thousand().1)]
}

/// A row for each kind of key, with what `more` has to add to it.
pub(crate) fn rows(size: usize, asked: &Asked, workload: &mut Workload, more: impl Fn(&str, Row) -> Row) -> Vec<Row> {
    let tables = Tables::new(workload);
    let mut one_ns = None;
    let mut rows = Vec::new();
    for (kind, keys) in &keys(workload) {
        let measured = interleave(asked.plan(), tables.candidates(keys));
        let (found, routed) = (of(&measured, "match"), of(&measured, "route"));
        let row = Row::new(format!("topics {size} {kind}")).ns(found).ns(routed).ns(&measured[0]);
        let row = match one_ns {
            // The planted keys are few, so a look-up of theirs is no measure for them; one match is.
            Some(one) => row.with("to_one_ratio", found.ns / one).with("route_to_one_ratio", routed.ns / one),
            None => row.with("ratio", found.ratio).with("route_ratio", routed.ratio),
        };
        if *kind == "one" {
            one_ns = Some(found.ns);
        }
        rows.push(more(kind, row).print());
    }
    rows
}

/// Patterns made to be expensive.
pub(crate) fn adversary(asked: &Asked) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut first_ns = None;
    for (name, topic, key) in adversaries().into_iter().filter(|(name, ..)| asked.wants(name)) {
        let measured = interleave(asked.plan(), vec![Candidate::new("match", missing(&topic, &key))]);
        let first = *first_ns.get_or_insert(measured[0].ns);
        rows.push(Row::new(format!("topics {name}")).ns(&measured[0]).with("to_first_ratio", measured[0].ns / first));
        rows.last().cloned().map(Row::print);
    }
    rows
}

pub(crate) fn adversaries() -> Vec<(String, Topic, String)> {
    let topic = |patterns: &[String]| {
        let mut topic = Topic::new();
        let hit = |born| Hit { born, to: Destination::Queue(QueueId(1)) };
        (1..).zip(patterns).for_each(|(born, pattern)| topic.insert(&Name::new(pattern.as_str()).unwrap(), hit(born)));
        topic
    };
    let of_hashes = |count: usize| (format!("hashes-{count}"), topic(&[hashes(count)]), long_key());
    let mut all: Vec<_> = [1, 2, 4, 8, 16, 32].into_iter().map(of_hashes).collect();
    all.push(("hashes-all-at-once".to_owned(), topic(&(1..=48).map(hashes).collect::<Vec<_>>()), long_key()));
    let (patterns, key) = mixes();
    all.push(("mixes-4096".to_owned(), topic(&patterns), key));
    all
}

/// Matches a key that fits nothing.
pub(crate) fn missing<'a>(topic: &'a Topic, key: &'a str) -> impl FnMut(u64) -> Duration + 'a {
    let (mut walk, mut hits) = (Walk::default(), Vec::new());
    move |times| {
        let begun = Instant::now();
        (0..times).for_each(|_| topic.matches(black_box(key), &mut walk, &mut hits));
        assert!(hits.is_empty());
        begun.elapsed()
    }
}
