//! What is done to both brokers: a world to begin with, and random operations on it, by profile.

use crate::naive::graph::Declared;
use crate::terms::Spec;
use leveret::Overflow;
use leveret::internals::ExchangeKind;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// Channels, each on a connection of its own.
pub(crate) const CHANNELS: usize = 3;

/// What is there in the beginning, and what of it can come again. Whatever an operation names is an index: past the end,
/// it is something that is not there.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) queues: Vec<Spec>,
    pub(crate) exchanges: Vec<(Declared, bool)>,
    /// From which exchange to which queue, with which key.
    pub(crate) bindings: Vec<(usize, usize, &'static str)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Publish { ch: usize, exchange: usize, key: &'static str, mandatory: bool, bytes: usize, headers: u8, timed: Timed },
    Get { ch: usize, queue: usize, no_ack: bool },
    Consume { ch: usize, queue: usize, prefetch: u16, no_ack: bool, exclusive: bool, priority: i64 },
    Cancel { which: usize },
    Settle { ch: usize, which: usize, multiple: bool, how: u8 },
    Recover { ch: usize },
    Close { ch: usize },
    Confirm { ch: usize },
    Purge { ch: usize, queue: usize },
    Delete { ch: usize, queue: usize, if_unused: bool, if_empty: bool },
    Declare { ch: usize, queue: usize },
    DeclareExchange { ch: usize, exchange: usize },
    DeleteExchange { ch: usize, exchange: usize, if_unused: bool },
    Bind { ch: usize, from: usize, queue: bool, to: usize, key: &'static str, arguments: u8, undo: bool },
    Advance { millis: u64 },
}

/// Priority and time to live of a message. No priority is above 4: a quorum queue has but one level up to there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timed {
    pub(crate) priority: Option<u8>,
    pub(crate) expiration: Option<u64>,
}

const KEYS: [&str; 11] = ["q0", "q1", "q2", "q3", "q0", "a", "a.b", "", "b.b", "q9", "c"];
const PATTERNS: [&str; 8] = ["a", "a.b", "#", "*", "*.b", "a.#", "", "q1"];

fn ch() -> impl Strategy<Value = usize> {
    0..CHANNELS
}

fn queue() -> impl Strategy<Value = usize> {
    prop_oneof![20 => 0..4_usize, 1 => Just(9_usize)]
}

fn exchange() -> impl Strategy<Value = usize> {
    prop_oneof![20 => 0..7_usize, 1 => Just(99_usize)]
}

fn publish(default_exchange: u32, timed: bool) -> impl Strategy<Value = Op> {
    let exchange = prop_oneof![default_exchange => Just(0_usize), 2 => exchange()];
    let timed =
        (weighted(0.5, 0..5_u8), weighted(0.3, 0..80_u64)).prop_map(move |(priority, expiration)| match timed {
            true => Timed { priority, expiration },
            false => Timed::default(),
        });
    (ch(), exchange, select(KEYS.to_vec()), any::<bool>(), 0..6_usize, 0..4_u8, timed).prop_map(
        |(ch, exchange, key, mandatory, bytes, headers, timed)| Op::Publish {
            ch,
            exchange,
            key,
            mandatory,
            bytes,
            headers,
            timed,
        },
    )
}

fn get() -> impl Strategy<Value = Op> {
    (ch(), queue(), any::<bool>()).prop_map(|(ch, queue, no_ack)| Op::Get { ch, queue, no_ack })
}

fn consume() -> impl Strategy<Value = Op> {
    let rare = || prop::bool::weighted(0.1);
    (ch(), queue(), 0..4_u16, prop::bool::weighted(0.2), rare(), select(vec![0_i64, 0, 0, 5])).prop_map(
        |(ch, queue, prefetch, no_ack, exclusive, priority)| Op::Consume {
            ch,
            queue,
            prefetch,
            no_ack,
            exclusive,
            priority,
        },
    )
}

fn settle() -> impl Strategy<Value = Op> {
    (ch(), any::<usize>(), prop::bool::weighted(0.3), 0..5_u8).prop_map(|(ch, which, multiple, how)| Op::Settle {
        ch,
        which,
        multiple,
        how,
    })
}

fn rest() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => any::<usize>().prop_map(|which| Op::Cancel { which }),
        1 => ch().prop_map(|ch| Op::Recover { ch }),
        1 => ch().prop_map(|ch| Op::Close { ch }),
        1 => ch().prop_map(|ch| Op::Confirm { ch }),
        1 => (ch(), queue()).prop_map(|(ch, queue)| Op::Purge { ch, queue }),
        1 => (ch(), queue(), any::<bool>(), any::<bool>())
            .prop_map(|(ch, queue, if_unused, if_empty)| Op::Delete { ch, queue, if_unused, if_empty }),
        4 => (ch(), queue()).prop_map(|(ch, queue)| Op::Declare { ch, queue }),
    ]
}

fn advance() -> impl Strategy<Value = Op> {
    (0..60_u64).prop_map(|millis| Op::Advance { millis })
}

fn change() -> impl Strategy<Value = Op> {
    let exchanges = (ch(), exchange(), any::<bool>());
    let binding = (ch(), exchange(), any::<bool>(), 0..7_usize, select(PATTERNS.to_vec()), 0..4_u8);
    prop_oneof![
        3 => (ch(), exchange()).prop_map(|(ch, exchange)| Op::DeclareExchange { ch, exchange }),
        1 => exchanges.prop_map(|(ch, exchange, if_unused)| Op::DeleteExchange { ch, exchange, if_unused }),
        8 => (binding, prop::bool::weighted(0.3)).prop_map(|((ch, from, queue, to, key, arguments), undo)| Op::Bind {
            ch, from, queue, to, key, arguments, undo
        }),
    ]
}

/// Publishing, fetching, consuming, settling.
pub(crate) fn acks() -> (impl Strategy<Value = World>, impl Strategy<Value = Op>) {
    let quorum = Spec { quorum: true, delivery_limit: Some(2), dead_letter: to_queue("q0"), ..Spec::default() };
    let single = Spec { single_active: true, ..Spec::default() };
    let queues = vec![Spec::default(), Spec::default(), quorum, single];
    let exchanges = vec![(declared("all", ExchangeKind::Fanout), false)];
    let world = World { queues, exchanges, bindings: vec![(0, 0, ""), (0, 1, ""), (0, 2, ""), (0, 3, "")] };
    (Just(world), prop_oneof![10 => publish(2, false), 4 => get(), 4 => consume(), 14 => settle(), 4 => rest()])
}

/// Times to live, lengths, what happens above them, priorities.
pub(crate) fn limits() -> (impl Strategy<Value = World>, impl Strategy<Value = Op>) {
    let exchanges = vec![(declared("all", ExchangeKind::Fanout), false)];
    let world = prop::collection::vec(spec(1), 4).prop_map(move |queues| World {
        queues,
        exchanges: exchanges.clone(),
        bindings: vec![(0, 0, ""), (0, 1, "")],
    });
    let ops =
        prop_oneof![14 => publish(8, true), 3 => get(), 2 => consume(), 6 => settle(), 3 => rest(), 6 => advance()];
    (world, ops)
}

/// Deaths for every reason, to exchanges of all sorts, in cycles too.
pub(crate) fn letters() -> (impl Strategy<Value = World>, impl Strategy<Value = Op>) {
    let quorum = (spec(9), 0..3_u32).prop_map(|(spec, limit)| Spec {
        quorum: true,
        delivery_limit: Some(limit),
        dead_letter: spec.dead_letter,
        ..Spec::default()
    });
    let exchanges = vec![
        (declared("dlx", ExchangeKind::Fanout), true),
        (declared("dead", ExchangeKind::Direct), false),
        (Declared { alternate: Some("dlx".to_owned()), ..declared("topics", ExchangeKind::Topic) }, false),
    ];
    let bindings = vec![(0, 0, ""), (0, 2, ""), (1, 1, "q0"), (1, 3, "a"), (2, 1, "a.#"), (1, 2, "q1")];
    let world = (prop::collection::vec(spec(9), 3), quorum).prop_map(move |(mut queues, quorum)| {
        queues.push(quorum);
        World { queues, exchanges: exchanges.clone(), bindings: bindings.clone() }
    });
    let ops =
        prop_oneof![12 => publish(6, true), 5 => get(), 2 => consume(), 12 => settle(), 2 => rest(), 4 => advance()];
    (world, ops)
}

/// Exchanges of four kinds, bindings between them, alternates, and all of it going again.
pub(crate) fn topology() -> (impl Strategy<Value = World>, impl Strategy<Value = Op>) {
    let kinds = [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic, ExchangeKind::Headers];
    let names = ["x1", "x2", "x3", "x4", "x5", "x6"];
    let one = (
        select(kinds.to_vec()),
        prop::bool::weighted(0.4),
        weighted(0.3, select(names.to_vec())),
        prop::bool::weighted(0.1),
    );
    let exchanges = prop::collection::vec(one, names.len()).prop_map(move |all| {
        let name = names.iter().map(ToString::to_string);
        name.zip(all)
            .map(|(name, (kind, auto_delete, alternate, internal))| {
                (Declared { name, kind, auto_delete, alternate: alternate.map(str::to_owned) }, internal)
            })
            .collect::<Vec<_>>()
    });
    let plain = || prop::bool::weighted(0.5).prop_map(|auto_delete| Spec { auto_delete, ..Spec::default() });
    let bindings = prop::collection::vec((0..6_usize, 0..4_usize, select(PATTERNS.to_vec())), 0..6);
    let world = (exchanges, prop::collection::vec(plain(), 4), bindings)
        .prop_map(|(exchanges, queues, bindings)| World { queues, exchanges, bindings });
    let ops =
        prop_oneof![12 => publish(1, false), 12 => change(), 2 => get(), 2 => consume(), 2 => settle(), 4 => rest()];
    (world, ops)
}

fn to_queue(name: &str) -> Option<(String, Option<String>)> {
    Some((String::new(), Some(name.to_owned())))
}

fn declared(name: &str, kind: ExchangeKind) -> Declared {
    Declared { name: name.to_owned(), kind, auto_delete: false, alternate: None }
}

/// A classic queue; of ten, so many dead-letter.
fn spec(letters_of_ten: u32) -> impl Strategy<Value = Spec> {
    let overflow =
        select(vec![Overflow::DropHead, Overflow::DropHead, Overflow::RejectPublish, Overflow::RejectPublishDlx]);
    let key = prop::option::of(select(vec!["q0", "q1", "q2", "q3", "a", "a.b"]).prop_map(str::to_owned));
    let exchange = select(vec!["", "", "", "dlx", "dead", "topics", "missing"]).prop_map(str::to_owned);
    let dead_letter = weighted(f64::from(letters_of_ten) / 10.0, (exchange, key));
    let times = (weighted(0.4, 0..60_u64), weighted(0.15, 40..300_u64));
    let lengths = (weighted(0.4, 0..5_u64), weighted(0.2, 0..30_u64), overflow);
    (times, lengths, weighted(0.3, 1..6_u8), any::<bool>(), dead_letter).prop_map(
        |((ttl, expires), (max_length, max_bytes, overflow), max_priority, rare, dead_letter)| Spec {
            ttl,
            expires,
            max_length,
            max_bytes,
            overflow,
            max_priority,
            dead_letter,
            single_active: rare && max_length == Some(1),
            ..Spec::default()
        },
    )
}
