//! What the whole path costs beside a bare channel: publish through a topic exchange, route, queue, consumer, ack each;
//! against channels that only move a value. One thread, threads in four shapes, and two tasks; with a body that needs
//! no allocation and with one allocated for each message; with a small and with a large prefetch.
//!
//! The base line is crossbeam-channel, bounded as the queue is (tokio's where tasks are measured), with the same body.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod support;

use criterion::{Criterion, Throughput};
use std::time::{Duration, Instant};
use support::bus::{BATCH, BOUND, BatchReceiver, BatchSender, Body, BusReceiver, BusSender, broker};
use support::figure::{Figure, Group};
use support::floors::{Deque, Parcel};
use support::mode::{Asked, Mode, run_groups};
use support::rounds::{Candidate, interleave, of};
use support::row::Row;
use support::threads::{Inlet, Outlet, across, alone};

/// One question: who sends to whom, and how.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    shape: Shape,
    body: Body,
    prefetch: u32,
    /// Whether messages are sent and received 32 at a time, and acknowledged up to the last.
    batches: bool,
    /// Whether all peers run beside the base line.
    peers: bool,
}

/// Who sends to whom.
#[derive(Clone, Copy)]
enum Shape {
    /// One thread.
    Alone,
    /// So many sending and so many receiving threads.
    Threads(usize, usize),
    /// Two tasks on one thread.
    Tasks,
}

const fn case(name: &'static str, shape: Shape, body: Body) -> Case {
    Case { name, shape, body, prefetch: 256, batches: false, peers: true }
}

/// As [`case`], with this prefetch, beside the base line only.
const fn with_prefetch(name: &'static str, shape: Shape, prefetch: u32) -> Case {
    Case { name, shape, body: Body::Fresh, prefetch, batches: false, peers: false }
}

/// As [`case`], in batches, beside the base line only, which moves one at a time.
const fn in_batches(name: &'static str, shape: Shape, body: Body) -> Case {
    Case { name, shape, body, prefetch: 256, batches: true, peers: false }
}

/// All of them: acknowledged each, or 32 up to the last one.
const CASES: [Case; 28] = [
    case("one-ack1", Shape::Alone, Body::Fresh),
    case("one-ack1-static", Shape::Alone, Body::Static),
    case("1p1c-ack1", Shape::Threads(1, 1), Body::Fresh),
    case("1p1c-ack1-static", Shape::Threads(1, 1), Body::Static),
    case("2p1c-ack1", Shape::Threads(2, 1), Body::Fresh),
    case("2p1c-ack1-static", Shape::Threads(2, 1), Body::Static),
    case("1p2c-ack1", Shape::Threads(1, 2), Body::Fresh),
    case("1p2c-ack1-static", Shape::Threads(1, 2), Body::Static),
    case("2p2c-ack1", Shape::Threads(2, 2), Body::Fresh),
    case("2p2c-ack1-static", Shape::Threads(2, 2), Body::Static),
    case("tasks-ack1", Shape::Tasks, Body::Fresh),
    case("tasks-ack1-static", Shape::Tasks, Body::Static),
    with_prefetch("1p1c-ack1-prefetch16", Shape::Threads(1, 1), 16),
    with_prefetch("1p1c-ack1-prefetch1", Shape::Threads(1, 1), 1),
    with_prefetch("2p1c-ack1-prefetch16", Shape::Threads(2, 1), 16),
    with_prefetch("2p1c-ack1-prefetch1", Shape::Threads(2, 1), 1),
    with_prefetch("1p2c-ack1-prefetch16", Shape::Threads(1, 2), 16),
    with_prefetch("1p2c-ack1-prefetch1", Shape::Threads(1, 2), 1),
    with_prefetch("2p2c-ack1-prefetch16", Shape::Threads(2, 2), 16),
    with_prefetch("2p2c-ack1-prefetch1", Shape::Threads(2, 2), 1),
    in_batches("one-ack32", Shape::Alone, Body::Fresh),
    in_batches("one-ack32-static", Shape::Alone, Body::Static),
    in_batches("1p1c-ack32", Shape::Threads(1, 1), Body::Fresh),
    in_batches("1p1c-ack32-static", Shape::Threads(1, 1), Body::Static),
    in_batches("2p1c-ack32", Shape::Threads(2, 1), Body::Fresh),
    in_batches("2p1c-ack32-static", Shape::Threads(2, 1), Body::Static),
    in_batches("1p2c-ack32", Shape::Threads(1, 2), Body::Fresh),
    in_batches("1p2c-ack32-static", Shape::Threads(1, 2), Body::Static),
];

fn main() {
    let asked = Asked::from_arguments();
    if asked.mode == Mode::Groups {
        return run_groups(groups);
    }
    let wanted = CASES.iter().filter(|case| asked.wants(case.name));
    let rows: Vec<Row> = wanted.map(|case| row(case, &asked).print()).collect();
    if asked.mode == Mode::Figures {
        draw(&rows);
    }
}

/// Measures a case: ours and the floor first, then the peers.
fn row(case: &Case, asked: &Asked) -> Row {
    let measured = interleave(asked.plan(), candidates(case));
    let (floor, ours) = (&measured[0], of(&measured, "leveret"));
    let row = Row::new(format!("versus {}", case.name))
        .ns(ours)
        .with("floor_ns", floor.ns)
        .with("ratio", ours.ratio)
        .with("floor_spread_percent", floor.spread);
    let peers = measured.iter().skip(1).filter(|peer| peer.name != "leveret");
    peers.fold(row, Row::ns)
}

fn candidates(case: &Case) -> Vec<Candidate<'static>> {
    match case.shape {
        Shape::Alone => threads(*case, 1, 1, true),
        Shape::Threads(senders, receivers) => threads(*case, senders, receivers, false),
        Shape::Tasks => tasks(*case),
    }
}

/// The base line, ours, and the peers, each with new channels for every run.
fn threads(case: Case, senders: usize, receivers: usize, one_thread: bool) -> Vec<Candidate<'static>> {
    // Runs a pair of ends with as many clones of each as there are threads.
    macro_rules! run {
        ($ends:expr) => {
            move |messages| {
                let (sender, receiver) = $ends;
                if one_thread {
                    return alone(sender, receiver, messages, case.body, 1);
                }
                let (senders, receivers) = (vec![sender; senders], vec![receiver; receivers]);
                across(senders, receivers, messages, case.body)
            }
        };
    }
    let mut all = vec![Candidate::new("crossbeam", run!(crossbeam_channel::bounded::<Parcel>(BOUND)))];
    all.push(Candidate::new("leveret", move |messages| {
        let broker = broker();
        let at_once = if case.batches { BATCH } else { 1 };
        let ours = Ours { at_once, senders, receivers, one_thread, messages, body: case.body };
        if case.batches {
            return ours.run(|| BatchSender::new(&broker), || BatchReceiver::new(&broker, case.prefetch));
        }
        ours.run(|| BusSender::new(&broker), || BusReceiver::new(&broker, case.prefetch))
    }));
    if case.peers {
        all.push(Candidate::new("crossbeam_unbounded", run!(crossbeam_channel::unbounded::<Parcel>())));
        all.push(Candidate::new("flume", run!(flume::bounded::<Parcel>(BOUND))));
        all.push(Candidate::new("kanal", run!(kanal::bounded::<Parcel>(BOUND))));
        all.push(Candidate::new("mutex_deque", run!(Deque::ends())));
        // Its receiver cannot be shared.
        if receivers == 1 {
            all.push(Candidate::new("tokio", move |messages| {
                let (sender, receiver) = tokio::sync::mpsc::channel::<Parcel>(BOUND);
                if one_thread {
                    return alone(sender, receiver, messages, case.body, 1);
                }
                across(vec![sender; senders], vec![receiver], messages, case.body)
            }));
        }
    }
    all
}

/// A run of the bus.
struct Ours {
    at_once: usize,
    senders: usize,
    receivers: usize,
    one_thread: bool,
    messages: u64,
    body: Body,
}

impl Ours {
    fn run<S: Inlet, R: Outlet>(self, sender: impl Fn() -> S, receiver: impl Fn() -> R) -> Duration {
        let Self { at_once, senders, receivers, one_thread, messages, body } = self;
        if one_thread {
            return alone(sender(), receiver(), messages, body, at_once);
        }
        let (senders, receivers) = ((0..senders).map(|_| sender()), (0..receivers).map(|_| receiver()));
        across(senders.collect(), receivers.collect(), messages, body)
    }
}

/// A task that sends and a task that receives, on one thread.
fn tasks(case: Case) -> Vec<Candidate<'static>> {
    let tokio = Candidate::new("tokio", move |messages| {
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Parcel>(BOUND);
        on_one_thread(
            async move {
                for _ in 0..messages {
                    sender.send(Parcel::new(case.body.make())).await.unwrap();
                }
            },
            async move {
                while let Some(parcel) = receiver.recv().await {
                    parcel.use_up();
                }
            },
        )
    });
    let ours = Candidate::new("leveret", move |messages| {
        let broker = broker();
        let (mut sender, mut receiver) = (BusSender::new(&broker), BusReceiver::new(&broker, case.prefetch));
        on_one_thread(
            async move {
                for _ in 0..messages {
                    sender.send_as_task(case.body.make()).await;
                }
            },
            async move {
                for _ in 0..messages {
                    receiver.receive_as_task().await;
                }
            },
        )
    });
    vec![tokio, ours]
}

/// Runs both tasks to their ends on one thread, on the first CPU.
fn on_one_thread(
    sends: impl Future<Output = ()> + Send + 'static,
    receives: impl Future<Output = ()> + Send + 'static,
) -> Duration {
    support::pin::on_first_cpu(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let begun = Instant::now();
            let receiving = tokio::spawn(receives);
            tokio::spawn(sends).await.unwrap();
            receiving.await.unwrap();
            begun.elapsed()
        })
    })
}

fn groups(criterion: &mut Criterion) {
    for case in &CASES {
        let mut group = criterion.benchmark_group(format!("versus {}", case.name));
        group.throughput(Throughput::Elements(1));
        for mut candidate in candidates(case) {
            group.bench_function(candidate.name(), |bench| bench.iter_custom(|messages| candidate.run(messages)));
        }
        group.finish();
    }
}

fn draw(rows: &[Row]) {
    let group = |row: &Row| {
        let times = row.values.iter().filter_map(|(name, ns)| Some((name.strip_suffix("_ns")?, *ns)));
        let bars = times.map(|(name, ns)| match name {
            "leveret" => ("leveret: routed, acked".to_owned(), ns),
            "floor" => ("base line: crossbeam".to_owned(), ns),
            peer => (peer.replace('_', " "), ns),
        });
        Group { label: label(&row.name), bars: bars.collect() }
    };
    let shown = rows.iter().filter(|row| row.value("kanal_ns").is_some() && !row.name.ends_with("static"));
    let figure = Figure {
        title: "The whole path beside bare channels".to_owned(),
        subtitle: "ns per message, body of 64 bytes allocated for each; shorter is better".to_owned(),
        groups: shown.map(group).collect(),
    };
    figure.write("versus.svg");
}

/// What a row is called in the figure.
fn label(row: &str) -> String {
    let words = row.trim_start_matches("versus ").trim_end_matches("-ack1");
    match words.strip_suffix('c').and_then(|words| words.split_once('p')) {
        Some((producers, consumers)) => format!("threads: {producers} publishing, {consumers} consuming"),
        None => format!("{words} thread"),
    }
}
