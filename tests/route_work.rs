//! How much the router works, counted and not timed: the patterns and changes that would hurt a naive one.
//!
//! Seen to fail with: a walk that enters a node again, steps that nobody counts.

#![allow(unreachable_pub, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use leveret::internals::{
    Binding, Destination, ExchangeKind, ExchangeSpec, Graph, Hit, QueueId, Scratch, Targets, Topic, Walk,
};
use leveret::{Name, Table};

fn name(text: &str) -> Name {
    Name::new(text).expect("test names are short")
}

fn hit(born: u64) -> Hit {
    Hit { born, to: Destination::Queue(QueueId(0)) }
}

/// A key of 128 one-letter words, the most that fit.
fn longest() -> String {
    ["a"; 128].join(".")
}

/// RabbitMQ tries every length of every `#`, which takes half a minute for four of them.
#[test]
fn many_hashes_cost_words_times_nodes() {
    for hashes in [2_u64, 3, 5, 9, 33, 64] {
        let pattern = format!("{}b", "#.a.".repeat(usize::try_from(hashes).unwrap() - 1) + "#.");
        let mut topic = Topic::new();
        topic.insert(&name(&pattern), hit(1));
        let mut walk = Walk::default();
        let mut out = Vec::new();
        topic.matches(&longest(), &mut walk, &mut out);
        assert!(out.is_empty());
        let nodes = 2 * hashes + 1;
        let steps = walk.steps();
        assert!((128..=129 * nodes).contains(&steps), "{steps} steps for {hashes} hashes");
    }
}

/// 2^12 patterns of `a` and `*`, and a key that fails at the last word: a walk meets them all, but no node twice.
#[test]
fn every_mix_of_word_and_star_costs_its_nodes() {
    let mut topic = Topic::new();
    for mix in 0..4096_u64 {
        let words: Vec<&str> = (0..12).map(|bit| if mix >> bit & 1 == 0 { "a" } else { "*" }).collect();
        topic.insert(&name(&(words.join(".") + ".x")), hit(mix));
    }
    let (mut walk, mut out) = (Walk::default(), Vec::new());
    topic.matches(&(["a"; 12].join(".") + ".y"), &mut walk, &mut out);
    assert!(out.is_empty());
    assert!((4096..=2 * 4096 + 1).contains(&walk.steps()), "{} steps", walk.steps());
}

/// Thousands of such patterns at once still cost each node at most once for each word.
#[test]
fn a_forest_of_hashes_is_bounded() {
    let mut topic = Topic::new();
    let mut nodes = 1;
    for born in 0..2000_u64 {
        let pattern = format!("#.a.#.w{born}.#.a");
        topic.insert(&name(&pattern), hit(born));
        nodes += 6;
    }
    let (mut walk, mut out) = (Walk::default(), Vec::new());
    topic.matches(&longest(), &mut walk, &mut out);
    assert!(out.is_empty());
    assert!(walk.steps() <= 128 * 4, "{} steps: no edge of {nodes} nodes leads on, so few are met", walk.steps());
}

/// A hundred thousand bindings to one queue and one to another: the one comes and goes beside them, the graph finds it
/// by its identity, and deleting the queues gives everything back.
#[test]
fn bindings_do_not_stand_in_each_others_way() {
    let mut graph = Graph::new();
    let source = graph.insert(ExchangeSpec::new(name("x"), ExchangeKind::Topic));
    graph.insert_queue(name("many"), QueueId(0));
    graph.insert_queue(name("one"), QueueId(1));
    let to = |queue: u32, key: &str, tag: i64| Binding {
        destination: Destination::Queue(QueueId(queue)),
        key: name(key),
        arguments: Table::new().with("tag", tag),
    };
    for tag in 0..100_000 {
        assert!(graph.bind(source, &to(0, "a.*", tag)).unwrap());
    }
    for round in 0..10_000 {
        assert!(graph.bind(source, &to(1, "a.*", round)).unwrap());
        assert_eq!(graph.bindings_to(Destination::Queue(QueueId(1))).len(), 1);
        assert!(graph.unbind(source, &to(1, "a.*", round)).existed);
    }
    assert!(graph.bind(source, &to(1, "a.#", 0)).unwrap());
    let (mut scratch, mut out) = (Scratch::new(), Targets::new());
    graph.route(source, ["a.b"].into_iter(), None, &mut scratch, &mut out);
    assert_eq!(&out[..], [QueueId(0), QueueId(1)]);
    assert!(graph.remove_queue("many").is_empty());
    graph.route(source, ["a.b"].into_iter(), None, &mut scratch, &mut out);
    assert_eq!(&out[..], [QueueId(1)]);
    assert_eq!(graph.binding_count(), 1);
}

/// A chain of exchanges that each go with their last binding, long enough to end a stack that recursed.
#[test]
fn a_long_auto_delete_chain_goes_at_once() {
    let mut graph = Graph::new();
    graph.insert_queue(name("q"), QueueId(0));
    let mut next = Destination::Queue(QueueId(0));
    for link in 0..50_000 {
        let mut spec = ExchangeSpec::new(name(&format!("x{link}")), ExchangeKind::Fanout);
        spec.auto_delete = true;
        let id = graph.insert(spec);
        graph.bind(id, &Binding { destination: next, key: name(""), arguments: Table::new() }).unwrap();
        next = Destination::Exchange(id);
    }
    let head = graph.find("x49999").unwrap();
    let (mut scratch, mut out) = (Scratch::new(), Targets::new());
    graph.route(head, [""].into_iter(), None, &mut scratch, &mut out);
    assert_eq!(&out[..], [QueueId(0)]);
    let gone = graph.remove_queue("q");
    assert_eq!(gone.len(), 50_000);
    assert_eq!(&*gone[0].name, "x0");
    assert_eq!(graph.len(), 6);
}

/// More targets than are looked through one by one: each queue still comes once, in order, over all paths.
#[test]
fn many_targets_come_once_and_in_order() {
    let mut graph = Graph::new();
    let [top, side] = ["top", "side"].map(|x| graph.insert(ExchangeSpec::new(name(x), ExchangeKind::Topic)));
    let bind = |graph: &mut Graph, from, destination, key: &str| {
        graph.bind(from, &Binding { destination, key: name(key), arguments: Table::new() }).unwrap()
    };
    for id in 0..500 {
        graph.insert_queue(name(&format!("q{id}")), QueueId(id));
    }
    for id in (0..500).rev() {
        bind(&mut graph, side, Destination::Queue(QueueId(id)), "#");
        let key = if id % 2 == 0 { "a.*" } else { "*.b" };
        bind(&mut graph, top, Destination::Queue(QueueId(id)), key);
        bind(&mut graph, top, Destination::Exchange(side), key);
    }
    let (mut scratch, mut out) = (Scratch::new(), Targets::new());
    let expected: Vec<QueueId> = (0..500).rev().map(QueueId).collect();
    for _ in 0..3 {
        graph.route(top, ["a.b", "a.c"].into_iter(), None, &mut scratch, &mut out);
        assert_eq!(&out[..], expected);
    }
    // What matches at the first exchange comes before what comes over the second.
    graph.route(top, ["a.c"].into_iter(), None, &mut scratch, &mut out);
    let (even, odd): (Vec<QueueId>, Vec<QueueId>) = expected.iter().partition(|id| id.0 % 2 == 0);
    assert_eq!(&out[..], [even, odd].concat());
}
