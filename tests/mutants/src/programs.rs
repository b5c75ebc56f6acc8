//! The test programs of the copy, and which mutants they notice.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failure;
use crate::tree::{SWITCH, Tree};

/// Memory that a program may have, in KiB: a mutant may ask for all there is.
const MEMORY: usize = 4 << 20;

pub struct Program {
    pub name: String,
    path: String,
    /// How long it takes without a mutant.
    takes: Duration,
    /// How many mutants it has noticed.
    noticed: AtomicU64,
}

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum End {
    Passed,
    /// A test failed, or the program broke off.
    Failed,
    /// It was still running after many times the time it takes.
    Hung,
}

/// Builds all test programs, and runs each once without a mutant. Those that fail read the source, and are left out.
pub fn build(tree: &Tree) -> Result<Vec<Program>, Failure> {
    let output = tree
        .cargo()
        .args(["test", "--all-features", "--lib", "--tests", "--no-run", "--message-format=json"])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the test programs do not build".into());
    }
    let mut programs = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let report: Value = serde_json::from_str(line)?;
        let Some(path) = report["executable"].as_str() else { continue };
        let is_lib = report["target"]["kind"][0] == "lib";
        let name = if is_lib { "lib" } else { report["target"]["name"].as_str().unwrap_or_default() };
        let mut program = Program {
            name: name.to_owned(),
            path: path.to_owned(),
            takes: Duration::from_secs(60),
            noticed: AtomicU64::new(0),
        };
        let begun = Instant::now();
        if program.run(&tree.path, 0)? == End::Passed {
            program.takes = begun.elapsed();
            programs.push(program);
        } else {
            println!("without '{name}', which fails without a mutant");
        }
    }
    Ok(programs)
}

/// For each of these mutants the name of the program that noticed it, if one did. As many at once as there are CPUs.
pub fn try_all(tree: &Tree, programs: &[Program], numbers: &[usize]) -> Result<Vec<Option<String>>, Failure> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![None; numbers.len()]);
    let worker = || -> Result<(), String> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&number) = numbers.get(index) else { return Ok(()) };
            let noticed = try_one(&tree.path, programs, number).map_err(|failure| failure.to_string())?;
            found.lock().map_err(|_| "a worker panicked")?[index] = noticed;
            if index % 100 == 99 {
                println!("{} of {}", index + 1, numbers.len());
            }
        }
    };
    let workers = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        running.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked".to_owned())?)
    })?;
    Ok(found.into_inner()?)
}

/// Runs the programs until one notices the mutant: first those that notice most in the time that they take.
fn try_one(directory: &Path, programs: &[Program], number: usize) -> Result<Option<String>, Failure> {
    let mut order: Vec<&Program> = programs.iter().collect();
    order.sort_by_key(|program| {
        let noticed = program.noticed.load(Ordering::Relaxed);
        (program.takes + Duration::from_millis(5)).as_micros() / u128::from(noticed + 1)
    });
    for program in order {
        if program.run(directory, number)? != End::Passed {
            program.noticed.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(program.name.clone()));
        }
    }
    Ok(None)
}

impl Program {
    fn run(&self, directory: &Path, number: usize) -> Result<End, Failure> {
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -v {MEMORY} && exec \"$0\""), &self.path])
            .current_dir(directory)
            .env(SWITCH, number.to_string())
            // What fails under one mutant is no case for another, and nobody reads the smallest case.
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?);
        let (done, is_done) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            // Reads until the first test that failed, or to the end.
            scope.spawn(move || {
                let failed = lines.lines().map_while(Result::ok).any(|line| line.ends_with("... FAILED"));
                let _ = done.send(failed);
            });
            let end = match is_done.recv_timeout(self.takes * 20 + Duration::from_secs(20)) {
                Ok(true) => End::Failed,
                Ok(false) => return ended(&mut child),
                Err(_) => End::Hung,
            };
            child.kill()?;
            child.wait()?;
            Ok(end)
        })
    }
}

/// How a program that said all it had to say ended.
fn ended(child: &mut Child) -> Result<End, Failure> {
    Ok(if child.wait()?.success() { End::Passed } else { End::Failed })
}
