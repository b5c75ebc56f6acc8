//! What a topic exchange costs: a match, one binding more, one less, and the memory of one; beside one look-up and one
//! insertion of the same key in a hash map of the same size.
//!
//! Rows of a summary, for each number of bindings:
//! * `none`, `one`, `ten`, `thousand`: a key that matches so many bindings, no cache. `match_ns` is the trie alone,
//!   `route_ns` all of the graph's work up to the list of queues. `one` tells of bindings added and removed, too: through
//!   the public API, with the bytes that each has.
//! * `warm`: `route_ns` is the route of a key that a publisher remembers: the key is found, the exchange's counter of
//!   changes is read, the queues are at hand. `publish_ns` and `cold_ns` are whole publishes to keys without queues,
//!   through that memory and without it.
//! * `alternate`: a new binding before each publish, so that nothing stays warm.
//! * `stall`: publishes on one thread while another binds without end, and while another does not.
//!
//! And once: patterns made to be expensive.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod changing;
mod matching;
#[path = "../support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput};
use leveret::Binding;
use matching::{KINDS, Tables, adversaries, adversary, missing};
use support::figure::{Figure, Group};
use support::mode::{Asked, Mode, run_groups};
use support::patterns::Workload;
use support::pin::on_first_cpu;
use support::row::Row;

#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// So many bindings are added and removed again.
const MORE: usize = 4_096;

fn main() {
    let asked = Asked::from_arguments();
    if asked.mode == Mode::Groups {
        return run_groups(groups);
    }
    let sizes = if asked.is_test() { &SIZES[..1] } else { &SIZES[..] };
    let rows = on_first_cpu(|| {
        let mut rows: Vec<Row> = sizes.iter().flat_map(|size| of_size(*size, &asked)).collect();
        rows.extend(adversary(&asked));
        rows
    });
    if asked.mode == Mode::Figures {
        draw(&rows);
    }
}

/// All rows of one number of bindings.
fn of_size(size: usize, asked: &Asked) -> Vec<Row> {
    let wants = |kind: &&str| asked.wants(&format!("topics {size} {kind}"));
    let (looks, changes) = (KINDS.iter().any(wants), ["warm", "alternate", "stall"].iter().any(wants));
    if !looks && !changes {
        return Vec::new();
    }
    let mut workload = Workload::new(size);
    let (broker, bytes) = changing::bound_broker(&workload);
    let more: Vec<Binding> = workload.fresh(MORE).iter().map(|pattern| changing::binding(pattern)).collect();
    let mut rows = Vec::new();
    if looks {
        let copy = Workload::new(size);
        rows.extend(matching::rows(size, asked, &mut workload, |kind, row| match kind {
            "one" => changing::adding(row, asked.plan(), &broker, &copy, &more).with("bytes", bytes),
            _ => row,
        }));
    }
    rows.extend(changing::rows(size, asked, &broker, &workload, &more));
    rows
}

fn groups(criterion: &mut Criterion) {
    for size in SIZES {
        let mut workload = Workload::new(size);
        let tables = Tables::new(&workload);
        let keys = matching::keys(&mut workload);
        for (kind, keys) in &keys {
            let mut group = criterion.benchmark_group(format!("topics {size} {kind}"));
            group.throughput(Throughput::Elements(1));
            for mut candidate in tables.candidates(keys) {
                group.bench_function(candidate.name(), |bench| bench.iter_custom(|times| candidate.run(times)));
            }
            group.finish();
        }
    }
    let mut group = criterion.benchmark_group("topics adversary");
    for (name, topic, key) in adversaries() {
        let mut run = missing(&topic, &key);
        group.bench_function(name, |bench| bench.iter_custom(&mut run));
    }
    group.finish();
}

fn draw(rows: &[Row]) {
    let group = |size: &usize| {
        let of_kind = |kind: &str| rows.iter().find(|row| row.name == format!("topics {size} {kind}"));
        let found = KINDS
            .into_iter()
            .filter_map(|kind| Some((format!("leveret: {kind} matching"), of_kind(kind)?.value("match_ns")?)));
        let lookup =
            of_kind("one").and_then(|row| row.value("lookup_ns")).map(|ns| ("hash map look-up".to_owned(), ns));
        Group { label: format!("{size} bindings"), bars: found.chain(lookup).collect() }
    };
    let figure = Figure {
        title: "Matching a key against topic patterns, no cache".to_owned(),
        subtitle: "ns per key; shorter is better".to_owned(),
        groups: SIZES.iter().map(group).filter(|group| !group.bars.is_empty()).collect(),
    };
    figure.write("topics.svg");
}
