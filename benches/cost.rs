//! What a message costs, exactly: how often memory is asked for, and how many instructions run, from publish to ack.
//!
//! No clock is read here. Allocations are counted by a global allocator, instructions by valgrind's callgrind, which
//! runs this very program again with so many and with three times so many messages; the difference is the messages'
//! alone. Where valgrind is not installed, a line says so and instructions are left out.
//!
//! * `cargo bench --bench cost` prints the rows;
//! * `cargo test --release --bench cost -- --check` compares them with `benches/cost.baseline`, and fails on one allocation
//!   more, or on 3 % more instructions by the same compiler, with both numbers;
//! * `cargo test --release --bench cost -- --record` writes that file.
//!
//! The baseline is of the release profile, in which everything else is tested: what the bench profile takes to build would be
//! spent for each change. Its own instructions are 3 to 10 % fewer.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod support;

use leveret::{Broker, Exchange, Queue, Topology};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use support::bus::{
    BATCH, BatchReceiver, BatchSender, Body, BusReceiver, BusSender, EXCHANGE, KEY, Messages, PATTERN, broker,
};
use support::memory::allocations_of;
use support::mode::Asked;
use support::row::Row;
use support::threads::{Inlet, Outlet};

#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Messages before anything is counted, so that all tables have their size.
const WARM_UP: u64 = 4_096;
/// Messages that are counted.
const MESSAGES: u64 = 4_096;
/// Instructions may grow by this part.
const TOLERANCE: f64 = 0.03;

/// A path of messages: takes so many from publish to ack.
type Path = Box<dyn FnMut(u64)>;

/// The name of a path, and how it is made.
type Named = (&'static str, fn() -> Path);

/// Every path.
const PATHS: [Named; 6] = [
    ("one-at-a-time", || one_at_a_time(Body::Static)),
    ("one-at-a-time-fresh", || one_at_a_time(Body::Fresh)),
    ("bursts-of-64", bursts),
    ("batches-of-32", batches),
    ("get", get),
    ("fanout-10", fanout),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |option: &str| arguments.iter().position(|argument| argument == option).map(|at| &arguments[at + 1..]);
    if let Some([path, messages, ..]) = after(RUN) {
        let make = PATHS.iter().find(|(name, _)| name == path).expect("a path of this name").1;
        make()(messages.parse().expect("a number of messages"));
        return ExitCode::SUCCESS;
    }
    let (checks, records) = (after("--check").is_some(), after("--record").is_some());
    let asked = Asked::from_arguments();
    if (checks || records) && (!asked.is_test() || cfg!(debug_assertions)) {
        println!("cost: the baseline is of the release profile: cargo test --release --bench cost -- --check");
        return ExitCode::FAILURE;
    }
    if asked.is_test() && !checks && !records {
        for (_, make) in PATHS {
            make()(64);
        }
        println!("cost: each path ran once");
        return ExitCode::SUCCESS;
    }
    let valgrind = has_valgrind();
    if !valgrind {
        println!("cost: valgrind is not installed; instructions are not counted");
    }
    let rows: Vec<Row> = PATHS.iter().map(|(name, make)| row(name, make(), valgrind).print()).collect();
    if records {
        std::fs::write(baseline(), recorded(&rows)).expect("the baseline can be written");
        println!("recorded: {}", baseline().display());
    }
    if checks { check(&rows) } else { ExitCode::SUCCESS }
}

fn row(name: &str, mut path: Path, valgrind: bool) -> Row {
    path(WARM_UP);
    let allocations = allocations_of(|| path(MESSAGES)) as f64 / MESSAGES as f64;
    let row = Row::new(format!("cost {name}")).with("allocations", allocations);
    if !valgrind {
        return row;
    }
    let (few, many) = (instructions(name, MESSAGES), instructions(name, 3 * MESSAGES));
    row.with("instructions", (many - few) / (2 * MESSAGES) as f64)
}

/// Publish, receive, ack.
fn one_at_a_time(body: Body) -> Path {
    let broker = broker();
    let (mut sender, mut receiver) = (BusSender::new(&broker), BusReceiver::new(&broker, 256));
    Box::new(move |messages| {
        let _alive = &broker;
        for _ in 0..messages {
            sender.send(body.make());
            receiver.receive();
        }
    })
}

/// Publish 64, then receive and ack them.
fn bursts() -> Path {
    let broker = broker();
    let (mut sender, mut receiver) = (BusSender::new(&broker), BusReceiver::new(&broker, 256));
    Box::new(move |messages| {
        let _alive = &broker;
        for _ in 0..messages / 64 {
            (0..64).for_each(|_| sender.send(Body::Static.make()));
            (0..64).for_each(|_| assert!(receiver.receive()));
        }
    })
}

/// Publish 32 at once, receive them at once, and ack up to the last.
fn batches() -> Path {
    let broker = broker();
    let (mut sender, mut receiver) = (BatchSender::new(&broker), BatchReceiver::new(&broker, 256));
    Box::new(move |messages| {
        let _alive = &broker;
        for _ in 0..messages / BATCH as u64 {
            (0..BATCH).for_each(|_| sender.send(Body::Static.make()));
            (0..BATCH).for_each(|_| assert!(receiver.receive()));
        }
    })
}

/// Publish, get, ack.
fn get() -> Path {
    let broker = broker();
    let mut sender = BusSender::new(&broker);
    Box::new(move |messages| {
        for _ in 0..messages {
            sender.send(Body::Static.make());
            broker.get(support::bus::QUEUE).unwrap().unwrap().ack();
        }
    })
}

/// Publish to ten queues, and receive and ack in each.
fn fanout() -> Path {
    let broker = Broker::new();
    let topology = (0..10).fold(Topology::new().exchange(Exchange::topic(EXCHANGE)), |topology, n| {
        topology.queue(Queue::new(format!("orders-{n}")).bind(EXCHANGE, PATTERN))
    });
    broker.declare(&topology).unwrap();
    let (mut publisher, mut made) = (broker.publisher(EXCHANGE).unwrap(), Messages::new());
    let mut consumers: Vec<_> = (0..10).map(|n| broker.consumer(&format!("orders-{n}")).open().unwrap()).collect();
    Box::new(move |messages| {
        let _alive = &broker;
        for _ in 0..messages {
            publisher.try_send(KEY, made.next(Body::Static.make())).unwrap();
            for consumer in &mut consumers {
                consumer.try_recv().unwrap().ack();
            }
        }
    })
}

fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Instructions of a run of this program that takes so many messages through a path.
fn instructions(path: &str, messages: u64) -> f64 {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([RUN, path, &messages.to_string()])
        .output()
        .expect("valgrind starts");
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.lines().find_map(|line| line.split("Collected :").nth(1));
    collected.and_then(|count| count.trim().parse().ok()).expect("valgrind tells how many instructions it collected")
}

fn baseline() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/cost.baseline")
}

/// The compiler, since counts of instructions of two compilers cannot be compared.
fn compiler() -> String {
    let told = Command::new("rustc").arg("--version").output();
    told.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The content of the baseline file.
fn recorded(rows: &[Row]) -> String {
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    format!(
        "# Written by `cargo test --release --bench cost -- --record`; compared by `-- --check`.\ncompiler {}\n{rows}",
        compiler()
    )
}

/// Compares with the baseline: prints each comparison, and fails if one is worse.
fn check(rows: &[Row]) -> ExitCode {
    let Ok(text) = std::fs::read_to_string(baseline()) else {
        println!("cost: there is no {}; record one with --record", baseline().display());
        return ExitCode::FAILURE;
    };
    let same_compiler = text.lines().any(|line| line.strip_prefix("compiler ") == Some(&compiler()));
    if !same_compiler {
        println!("cost: the baseline is of another compiler; instructions are not compared, record it anew");
    }
    let (mut passed, mut failed) = (0, 0);
    for row in rows {
        for (value, now) in &row.values {
            if value == "instructions" && !same_compiler {
                continue;
            }
            let Some(before) = known(&text, &row.name, value) else {
                println!("{} {value}: {now:.3} now, not in the baseline: FAILED", row.name);
                failed += 1;
                continue;
            };
            // Growth of tables at chance moments is below a hundredth of an allocation for each message.
            let bound = if value == "allocations" { before + 0.01 } else { before * (1.0 + TOLERANCE) };
            let good = *now <= bound;
            let verdict = if good { "ok" } else { "FAILED" };
            println!("{} {value}: {before:.3} in the baseline, {now:.3} now: {verdict}", row.name);
            if good { passed += 1 } else { failed += 1 }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A value of the baseline.
fn known(text: &str, row: &str, value: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '))?;
    rest.split(' ').find_map(|pair| pair.strip_prefix(value)?.strip_prefix('=')?.parse().ok())
}

/// The option by which this program runs itself under valgrind.
const RUN: &str = "--run";
