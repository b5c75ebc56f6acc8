//! Replays what RabbitMQ 4.0.5 was seen to do, step by step, through the public API.
//!
//! `cargo test --test conformance -- dead-letters/` replays the cases whose name contains that text. Without, all of
//! `cases` and `own` are replayed; `LEVERET_CONFORMANCE_CASES=DIR` names another folder instead. With
//! `LEVERET_CONFORMANCE_TEXTS=1` the texts of closes that differ are printed; they are not part of the verdict. The
//! last line is always `conformance: N passed, M failed`. No case is treated apart from the others, and none is skipped.
//!
//! Seen to fail with: a rejection after which a cycle is still cut (10 cases), a returned message of a quorum queue that goes
//! behind the new ones (16).

mod case;
mod matrix;

// The runner is that of `leveret::testing`, and the format that of `leveret::Trace`: the same files. They are compiled here
// once more, over the public API, since neither needs a feature to be tested; a dev-dependency of the crate on itself would
// have every test build of the crate with all of its features.
#[path = "../../src/trace/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub)]
mod trace;

#[path = "../../src/testing/trace/adapter.rs"]
mod adapter;
#[path = "../../src/testing/trace/compare.rs"]
mod compare;
#[path = "../../src/testing/trace/names.rs"]
mod names;
#[path = "../../src/testing/trace/run.rs"]
#[allow(dead_code)]
mod run;

/// The floors that they stand on, as the public API shows them.
mod base {
    pub(crate) use leveret::Moment;
}

mod message {
    pub(crate) use leveret::{Message, Properties, ShortStr, Table, Value};
}

mod engine {
    pub(crate) use leveret::{
        ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDelete,
    };
}

mod api {
    pub(crate) use leveret::{
        Acknowledge, Broker, Channel, ChannelDelivery, ChannelEvent, ChannelPublishError, Close, Connection, Consume,
        NotPublished, Publish, Qos, Requeue, Scope, Tags,
    };
}

use case::{Body, Case};
use leveret::Broker;
use run::Report;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use std::{env, fs, thread};

/// A case that runs longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the last panic was, and what it said.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// A case file that was found.
#[derive(Clone)]
struct Found {
    /// Its path within the folder, without `.json`.
    name: String,
    path: PathBuf,
}

/// What the command line asks for.
#[derive(Default)]
struct Wanted {
    filters: Vec<String>,
    exact: bool,
    list: bool,
    ignored_only: bool,
}

fn main() -> ExitCode {
    let wanted = Wanted::read(env::args().skip(1));
    let (cases, problems) = find_all();
    let cases: Vec<Found> = cases.into_iter().filter(|case| wanted.takes(&case.name)).collect();
    if wanted.list {
        let listed = cases.iter().filter(|_| !wanted.ignored_only);
        listed.for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    for problem in &problems {
        println!("FAIL {problem}\n");
    }
    if cases.is_empty() && problems.is_empty() {
        println!("no case has a name with {:?} in it", wanted.filters);
    }
    let (passed, failed) = replay_all(cases);
    let failed = failed + problems.len();
    println!("conformance: {passed} passed, {failed} failed");
    if passed == 0 || failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

impl Wanted {
    /// Reads filters; libtest's options are accepted, and those that do not matter here are passed over.
    fn read(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut wanted = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--exact" => wanted.exact = true,
                "--list" => wanted.list = true,
                "--ignored" => wanted.ignored_only = true,
                "--skip" | "--test-threads" | "--format" | "--color" | "--logfile" | "--shuffle-seed" | "-Z" => {
                    arguments.next();
                }
                _ if argument.starts_with('-') => {}
                _ => wanted.filters.push(argument),
            }
        }
        wanted
    }

    fn takes(&self, name: &str) -> bool {
        let takes = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        self.filters.is_empty() || self.filters.iter().any(takes)
    }
}

/// All cases there are, and the folders that have none.
fn find_all() -> (Vec<Found>, Vec<String>) {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let folders = match env::var_os("LEVERET_CONFORMANCE_CASES") {
        Some(folder) => vec![(PathBuf::from(folder), "")],
        None => vec![(home.join("cases"), ""), (home.join("own"), "own/")],
    };
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    for (folder, prefix) in folders {
        let before = cases.len();
        match find(&folder, &folder, prefix, &mut cases) {
            Err(error) => problems.push(format!("the folder {} cannot be read: {error}", folder.display())),
            Ok(()) if cases.len() == before => {
                problems.push(format!("the folder {} holds no case: no *.json in it", folder.display()));
            }
            Ok(()) => {}
        }
    }
    cases.sort_by(|a: &Found, b: &Found| a.name.cmp(&b.name));
    (cases, problems)
}

fn find(root: &Path, folder: &Path, prefix: &str, cases: &mut Vec<Found>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(root, &path, prefix, cases)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let stem = path.with_extension("");
            let name = stem.strip_prefix(root).unwrap_or(&stem).to_string_lossy().replace('\\', "/");
            cases.push(Found { name: format!("{prefix}{name}"), path });
        }
    }
    Ok(())
}

/// Replays the cases on a thread of their own, so that one that hangs is told from one that is slow.
fn replay_all(cases: Vec<Found>) -> (usize, usize) {
    panic::set_hook(Box::new(|info| {
        if let Ok(mut last) = PANIC.lock() {
            *last = Some(info.to_string());
        }
    }));
    let (sender, results) = mpsc::channel();
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    thread::spawn(move || {
        for case in cases {
            if sender.send(replay_guarded(&case.path)).is_err() {
                return;
            }
        }
    });
    tell_all(&names, &results)
}

/// Prints what failed and counts.
fn tell_all(names: &[String], results: &Receiver<Result<Report, String>>) -> (usize, usize) {
    let print_texts = env::var_os("LEVERET_CONFORMANCE_TEXTS").is_some_and(|value| value != "0");
    let (mut passed, mut closes, mut differing) = (0, 0, 0);
    let mut failed: Vec<&str> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match results.recv_timeout(PATIENCE) {
            Ok(Ok(report)) => {
                passed += 1;
                closes += report.closes;
                differing += report.texts.len();
                for (step, text) in report.texts.iter().filter(|_| print_texts) {
                    println!("TEXT {name}, step {step}\n  RabbitMQ: {}\n  leveret:  {}", text.expected, text.actual);
                }
            }
            Ok(Err(why)) => {
                println!("FAIL {name}\n  {why}");
                failed.push(name);
            }
            Err(stopped) => {
                let hangs = stopped == RecvTimeoutError::Timeout;
                let why = if hangs { "still runs after" } else { "ended the runner within" };
                println!("FAIL {name}\n  {why} {PATIENCE:?}; the cases after it were not replayed\n");
                failed.extend(names.iter().skip(at).map(String::as_str));
                break;
            }
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    println!("texts of closes: {} of {closes} as RabbitMQ has them", closes - differing);
    (passed, failed.len())
}

/// Replays one case; a panic is a failure of that case.
fn replay_guarded(path: &Path) -> Result<Report, String> {
    let replayed = panic::catch_unwind(AssertUnwindSafe(|| replay(path)));
    replayed.unwrap_or_else(|_| {
        let said = PANIC.lock().ok().and_then(|mut last| last.take());
        Err(format!("{}\n", said.unwrap_or_else(|| "panicked".to_owned())))
    })
}

/// A broker as every case begins with it.
pub(crate) fn fresh_broker() -> Broker {
    Broker::builder().manual_time().build()
}

fn replay(path: &Path) -> Result<Report, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}\n", path.display()))?;
    let case = Case::parse(&text).map_err(|why| format!("{} is malformed: {why}\n", path.display()))?;
    let replayed = match &case.body {
        Body::Scenario(steps) => run::replay(fresh_broker(), steps).map_err(|stopped| stopped.to_string()),
        Body::Matrix(matrix) => matrix::replay(matrix).map(|()| Report::default()),
    };
    replayed.map_err(|why| format!("{}: {}\n  {why}", case.name, case.about))
}
