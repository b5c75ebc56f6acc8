//! The router against naive restatements of itself: topic patterns, header arguments, the whole graph.
//!
//! Seen to fail with: a `#` that needs a word.

#![allow(unreachable_pub, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod naive;

use leveret::explain::WordMiss;
use leveret::internals::{
    Binding, Destination, ExchangeId, ExchangeKind, ExchangeSpec, Graph, Hit, Predicate, QueueId, Scratch, Targets,
    Topic, Walk,
};
use leveret::{Miss, Name, Table, Value};
use naive::graph::{Bound, Declared, Naive, To};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn name(text: &str) -> Name {
    Name::new(text).expect("test names are short")
}

/// Words so few that they meet often, wildcards more than enough; short words and long ones.
fn pattern() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!["a", "b", "", "*", "#", "#", "a*", "abcdefg", "abcdefgh"]), 0..7)
        .prop_map(|words| words.join("."))
}

fn key() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!["a", "b", "", "c", "*", "#", "abcdefg", "abcdefgh", "abcdefgi"]), 0..8)
        .prop_map(|words| words.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Patterns come and go; at every moment a key finds those that fit it, each once.
    #[test]
    fn topic_finds_what_fits(
        steps in vec((pattern(), any::<prop::sample::Index>(), prop::bool::weighted(0.3)), 1..40),
        keys in vec(key(), 1..6),
    ) {
        let mut topic = Topic::new();
        let mut walk = Walk::default();
        let mut held: Vec<(u64, String)> = Vec::new();
        for (born, (pattern, which, remove)) in (0..).zip(steps) {
            if remove && !held.is_empty() {
                let (born, pattern) = held.remove(which.index(held.len()));
                prop_assert!(topic.remove(&pattern, born));
                prop_assert!(!topic.remove(&pattern, born));
            } else {
                topic.insert(&name(&pattern), Hit { born, to: Destination::Queue(QueueId(0)) });
                held.push((born, pattern));
            }
            for key in &keys {
                let mut hits = Vec::new();
                topic.matches(key, &mut walk, &mut hits);
                let mut found: Vec<u64> = hits.iter().map(|hit| hit.born).collect();
                found.sort_unstable();
                let fits = held.iter().filter(|(_, pattern)| naive::topic::fits(pattern, key));
                prop_assert_eq!(found, fits.map(|(born, _)| *born).collect::<Vec<_>>(), "key {:?} of {:?}", key, held);
            }
        }
    }

    /// A miss is told where a key does not fit and nowhere else; a key that is mended by what it tells fits.
    #[test]
    fn misses_are_told_and_can_be_mended(pattern in pattern(), key in key()) {
        let miss = Miss::of_topic(&pattern, &key);
        prop_assert_eq!(miss.is_none(), naive::topic::fits(&pattern, &key));
        if let Some(miss) = miss {
            let mended = mend(&key, &miss);
            // A lone empty word cannot be written: an empty key has none.
            prop_assume!(mended != [""]);
            let mended = mended.join(".");
            prop_assert!(naive::topic::fits(&pattern, &mended), "{:?} is mended to {:?}: {}", key, mended, miss);
        }
    }

    #[test]
    fn headers_fit_as_restated(arguments in arguments(), headers in vec((field(), value()), 0..14)) {
        let headers: Table = headers.into_iter().collect();
        let predicate = Predicate::new(&arguments).expect("x-match is one of the four");
        let miss = Miss::of_headers(&arguments, Some(&headers));
        prop_assert_eq!(miss.is_none(), naive::headers::fits(&arguments, &headers));
        prop_assert_eq!(predicate.matches(Some(&headers)), naive::headers::fits(&arguments, &headers));
        prop_assert_eq!(predicate.matches(None), naive::headers::fits(&arguments, &Table::new()));
    }

    #[test]
    fn graph_does_as_restated(steps in vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            let before = world.look();
            world.take(&step)?;
            world.compare(&before)?;
        }
    }
}

/// The key with every word changed, put in and taken out as a miss tells it.
fn mend(key: &str, miss: &Miss) -> Vec<String> {
    let Miss::Words(misses) = miss else { panic!("{miss}") };
    let mut words: Vec<Option<String>> =
        naive::topic::words(key).into_iter().map(|word| Some(word.to_owned())).collect();
    let mut put_in: Vec<(usize, String)> = Vec::new();
    for miss in misses {
        match miss {
            WordMiss::Differs { number, wanted, is, .. } => {
                assert_eq!(words[number - 1].replace(wanted.clone()).as_ref(), Some(is));
            }
            WordMiss::Extra { number, is } => assert_eq!(words[number - 1].take().as_ref(), Some(is)),
            WordMiss::Missing { behind, wanted, .. } => put_in.push((*behind, wanted.clone())),
            other => panic!("{other:?}"),
        }
    }
    let mut mended = Vec::new();
    for at in 0..=words.len() {
        mended.extend(put_in.iter().filter(|(place, _)| *place == at).map(|(_, word)| word.clone()));
        mended.extend(words.get_mut(at).and_then(Option::take));
    }
    mended
}

fn field() -> impl Strategy<Value = String> {
    // Some names more than a few, so that headers are sorted at times.
    prop_oneof![
        prop::sample::select(vec!["a", "b", "x-c"]).prop_map(str::to_owned),
        (0..9).prop_map(|n| format!("n{n}"))
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        Value::Void,
        Value::Bool(true),
        Value::Bool(false),
        Value::I8(1),
        Value::U8(1),
        Value::I16(1),
        Value::U16(1),
        Value::I32(1),
        Value::U32(1),
        Value::I64(1),
        Value::I64(0),
        Value::I64(1000),
        Value::I8(-1),
        Value::F32(1.0),
        Value::F64(1.0),
        Value::F32(0.1),
        Value::F64(0.1),
        Value::F64(0.0),
        Value::F64(-0.0),
        Value::Decimal(1, 10),
        Value::Decimal(2, 100),
        Value::text(""),
        Value::text("1"),
        Value::ByteArray("1".into()),
        Value::text("true"),
        Value::Timestamp(0),
        Value::Timestamp(1),
        Value::Timestamp(1000),
        Value::Timestamp(u64::MAX),
    ]);
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((prop::sample::select(vec!["p", "q"]), inner), 0..3)
                .prop_map(|entries| Value::Table(entries.into_iter().collect())),
        ]
    })
}

fn arguments() -> impl Strategy<Value = Table> {
    let modes = vec!["all", "any", "all-with-x", "any-with-x"];
    (prop::option::of(prop::sample::select(modes)), vec((field(), value()), 0..4)).prop_map(|(mode, entries)| {
        let mut table: Table = entries.into_iter().collect();
        if let Some(mode) = mode {
            table.insert("x-match", mode);
        }
        table
    })
}

/// One change of the graph, by small numbers that stand for names.
#[derive(Clone, Debug)]
enum Step {
    Declare {
        exchange: u8,
        kind: ExchangeKind,
        auto_delete: bool,
        alternate: Option<u8>,
    },
    Delete {
        exchange: u8,
    },
    SetAlternate {
        exchange: u8,
        alternate: Option<u8>,
    },
    Bind {
        from: u8,
        to_queue: Option<u8>,
        to: u8,
        key: String,
        arguments: Table,
    },
    /// Ends the binding of this place in the list of all.
    Unbind {
        which: prop::sample::Index,
    },
    UnbindMissing {
        from: u8,
        queue: u8,
    },
    DeclareQueue {
        queue: u8,
    },
    DeleteQueue {
        queue: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    use ExchangeKind::{Direct, Fanout, Headers, Topic};
    let kind = prop::sample::select(vec![Direct, Fanout, Topic, Topic, Headers]);
    let keys = prop::sample::select(vec!["", "a", "a.b", "#", "*.b", "a.#"]).prop_map(str::to_owned);
    let tables = prop_oneof![3 => Just(Table::new()), 1 => arguments(), 1 => Just(Table::new().with("n", 1_i64))];
    let alternate = prop::option::of(0..7_u8);
    prop_oneof![
        3 => (0..6_u8, kind, any::<bool>(), alternate.clone()).prop_map(|(exchange, kind, auto_delete, alternate)| {
            Step::Declare { exchange, kind, auto_delete, alternate }
        }),
        1 => (0..6_u8).prop_map(|exchange| Step::Delete { exchange }),
        1 => (0..6_u8, alternate).prop_map(|(exchange, alternate)| Step::SetAlternate { exchange, alternate }),
        9 => (0..6_u8, prop::option::of(0..5_u8), 0..6_u8, keys, tables).prop_map(
            |(from, to_queue, to, key, arguments)| Step::Bind { from, to_queue, to, key, arguments }
        ),
        2 => any::<prop::sample::Index>().prop_map(|which| Step::Unbind { which }),
        1 => (0..6_u8, 0..5_u8).prop_map(|(from, queue)| Step::UnbindMissing { from, queue }),
        3 => (0..5_u8).prop_map(|queue| Step::DeclareQueue { queue }),
        1 => (0..5_u8).prop_map(|queue| Step::DeleteQueue { queue }),
    ]
}

/// The graph, its restatement, and the counters of exchanges that once were.
struct World {
    graph: Graph,
    naive: Naive,
    scratch: Scratch,
    next_queue: u32,
}

/// What every exchange's routes and counter were.
type Look = Vec<(String, Arc<AtomicU64>, u64, Vec<Vec<String>>)>;

impl World {
    fn new() -> Self {
        let graph = Graph::new();
        let mut naive = Naive::default();
        for (_, spec) in graph.exchanges() {
            let (name, kind) = (spec.name.to_string(), spec.kind);
            naive.exchanges.push(Declared { name, kind, auto_delete: false, alternate: None });
        }
        Self { graph, naive, scratch: Scratch::new(), next_queue: 0 }
    }

    /// Takes one step in both worlds and compares what they answer.
    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Declare { exchange, kind, auto_delete, alternate } => {
                let declared = Declared {
                    name: format!("x{exchange}"),
                    kind: *kind,
                    auto_delete: *auto_delete,
                    alternate: alternate.map(alternate_name),
                };
                let mut spec = ExchangeSpec::new(name(&declared.name), *kind);
                spec.auto_delete = *auto_delete;
                spec.alternate = declared.alternate.as_deref().map(name);
                self.graph.insert(spec);
                if self.naive.exchange(&declared.name).is_none() {
                    self.naive.exchanges.push(declared);
                }
            }
            Step::Delete { exchange } => {
                let exchange = format!("x{exchange}");
                if let Some(id) = self.graph.find(&exchange) {
                    let gone = names(&self.graph.remove(id));
                    prop_assert_eq!(gone, self.naive.remove(&exchange));
                }
            }
            Step::SetAlternate { exchange, alternate } => {
                let exchange = format!("x{exchange}");
                let alternate = alternate.map(alternate_name);
                if let Some(id) = self.graph.find(&exchange) {
                    self.graph.set_alternate(id, alternate.as_deref().map(name));
                }
                if let Some(declared) = self.naive.exchanges.iter_mut().find(|x| x.name == exchange) {
                    declared.alternate = alternate;
                }
            }
            Step::Bind { from, to_queue, to, key, arguments } => {
                let to = to_queue.map_or(To::Exchange(format!("x{to}")), |queue| To::Queue(format!("q{queue}")));
                let bound = Bound { from: format!("x{from}"), to, key: key.clone(), arguments: arguments.clone() };
                if let Some((source, binding)) = self.binding(&bound) {
                    let new = self.graph.bind(source, &binding).expect("both ends are there");
                    prop_assert_eq!(new, self.naive.bind(bound));
                }
            }
            Step::Unbind { which } => {
                if self.naive.bindings.is_empty() {
                    return Ok(());
                }
                let bound = self.naive.bindings[which.index(self.naive.bindings.len())].clone();
                let (source, binding) = self.binding(&bound).expect("bound, so both ends are there");
                let unbound = self.graph.unbind(source, &binding);
                prop_assert!(unbound.existed);
                prop_assert_eq!(names(&unbound.deleted), self.naive.unbind(|known| *known == bound));
            }
            Step::UnbindMissing { from, queue } => {
                let to = To::Queue(format!("q{queue}"));
                let bound = Bound { from: format!("x{from}"), to, key: "never".into(), arguments: Table::new() };
                if let Some((source, binding)) = self.binding(&bound) {
                    prop_assert!(!self.graph.unbind(source, &binding).existed);
                }
            }
            Step::DeclareQueue { queue } => {
                let queue = format!("q{queue}");
                if self.graph.queue(&queue).is_none() {
                    self.graph.insert_queue(name(&queue), QueueId(self.next_queue));
                    self.next_queue += 1;
                    self.naive.queues.push(queue);
                }
            }
            Step::DeleteQueue { queue } => {
                let queue = format!("q{queue}");
                prop_assert_eq!(names(&self.graph.remove_queue(&queue)), self.naive.remove_queue(&queue));
            }
        }
        Ok(())
    }

    /// Compares all that can be seen, and that every route that changed was announced by its counter.
    fn compare(&mut self, before: &Look) -> Result<(), TestCaseError> {
        let exchanges: Vec<String> = self.graph.exchanges().map(|(_, spec)| spec.name.to_string()).collect();
        prop_assert_eq!(&exchanges, &self.naive.exchanges.iter().map(|x| x.name.clone()).collect::<Vec<_>>());
        prop_assert_eq!(self.graph.binding_count(), self.naive.bindings.len());
        for exchange in &exchanges {
            let id = self.graph.find(exchange).expect("listed");
            let from: Vec<&Bound> = self.naive.bindings.iter().filter(|bound| bound.from == *exchange).collect();
            let listed: Vec<Bound> = self.graph.bindings_of(id).map(|b| self.bound(id, &b)).collect();
            prop_assert_eq!(listed.iter().collect::<Vec<_>>(), from);
            prop_assert_eq!(self.graph.in_use(id), !listed.is_empty());
            let to = To::Exchange(exchange.clone());
            self.compare_to(Destination::Exchange(id), &to)?;
        }
        for queue in &self.naive.queues {
            let id = self.graph.queue(queue).expect("declared");
            prop_assert_eq!(self.graph.queue_name(id), Some(&name(queue)));
            self.compare_to(Destination::Queue(id), &To::Queue(queue.clone()))?;
        }
        let now = self.look();
        for (exchange, cell, count, routes) in before {
            let after = now.iter().find(|(_, other, ..)| Arc::ptr_eq(cell, other));
            let changed = after.is_none_or(|(_, _, _, after)| after != routes);
            let counted = cell.load(Ordering::Acquire) != *count;
            prop_assert!(counted || !changed, "routes of {:?} changed, its generation did not", exchange);
        }
        for (exchange, _, _, routes) in now {
            for ((keys, table), route) in probes().iter().zip(routes) {
                prop_assert_eq!(&route, &self.naive.route(&exchange, keys, table), "{:?} {:?}", exchange, keys);
            }
        }
        Ok(())
    }

    fn compare_to(&self, destination: Destination, to: &To) -> Result<(), TestCaseError> {
        let listed: Vec<Bound> = self
            .graph
            .bindings_to(destination)
            .into_iter()
            .map(|(source, binding)| self.bound(source, &binding))
            .collect();
        let known: Vec<Bound> = self.naive.bindings.iter().filter(|bound| bound.to == *to).cloned().collect();
        prop_assert_eq!(listed, known);
        Ok(())
    }

    fn look(&mut self) -> Look {
        let ids: Vec<(ExchangeId, String)> =
            self.graph.exchanges().map(|(id, spec)| (id, spec.name.to_string())).collect();
        ids.into_iter()
            .map(|(id, exchange)| {
                let cell = self.graph.generation(id);
                let count = cell.load(Ordering::Acquire);
                let routes = probes().iter().map(|(keys, table)| self.route(id, keys, table)).collect();
                (exchange, cell, count, routes)
            })
            .collect()
    }

    fn route(&mut self, id: ExchangeId, keys: &[&str], table: &Table) -> Vec<String> {
        let mut out = Targets::new();
        self.graph.route(id, keys.iter().copied(), Some(table), &mut self.scratch, &mut out);
        out.iter().map(|queue| self.graph.queue_name(*queue).expect("a target is there").to_string()).collect()
    }

    fn binding(&self, bound: &Bound) -> Option<(ExchangeId, Binding)> {
        let destination = match &bound.to {
            To::Queue(queue) => Destination::Queue(self.graph.queue(queue)?),
            To::Exchange(exchange) => Destination::Exchange(self.graph.find(exchange)?),
        };
        let binding = Binding { destination, key: name(&bound.key), arguments: bound.arguments.clone() };
        Some((self.graph.find(&bound.from)?, binding))
    }

    fn bound(&self, source: ExchangeId, binding: &Binding) -> Bound {
        let to = match binding.destination {
            Destination::Queue(id) => To::Queue(self.graph.queue_name(id).expect("bound").to_string()),
            Destination::Exchange(id) => To::Exchange(self.graph.exchange(id).expect("bound").name.to_string()),
        };
        let from = self.graph.exchange(source).expect("bound").name.to_string();
        Bound { from, to, key: binding.key.to_string(), arguments: binding.arguments.clone() }
    }
}

/// The messages whose routes are compared.
fn probes() -> [(Vec<&'static str>, Table); 6] {
    let one = Table::new().with("a", 1_i64).with("n", 1_i32);
    [
        (vec![""], Table::new()),
        (vec!["a"], one.clone()),
        (vec!["a.b"], Table::new().with("b", "1").with("x-c", Value::Void)),
        (vec!["c.b", "a"], Table::new()),
        (vec!["q1"], one),
        (vec!["q3", "q0", "q3"], Table::new()),
    ]
}

/// Numbers past the exchanges stand for the default exchange.
fn alternate_name(number: u8) -> String {
    if number == 6 { String::new() } else { format!("x{number}") }
}

fn names(specs: &[ExchangeSpec]) -> Vec<String> {
    specs.iter().map(|spec| spec.name.to_string()).collect()
}
