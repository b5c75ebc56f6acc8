//! Every scenario of the conformance traces is replayed on a broker that is recorded, and the record is that scenario.

use crate::files::case_files;
use crate::normal::normal;
use leveret::{Broker, Trace, TraceLog};
use std::fs;

#[test]
fn a_recorded_replay_of_every_case_gives_the_case_back() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for path in case_files() {
        let text = fs::read_to_string(&path).unwrap();
        let Ok(case) = Trace::parse(&text) else {
            assert!(text.contains("\"matrix\""), "{}", path.display());
            continue;
        };
        let log = TraceLog::new(256 << 20);
        case.replay(Broker::builder().trace(&log)).unwrap_or_else(|diverged| panic!("{}: {diverged}", path.display()));
        let recorded = log.trace();
        if let Some(why) = difference(&case, &recorded) {
            wrong.push(format!("{}: {why}", path.display()));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 600, "{count}");
}

/// Where the record is not the case. The record also reads as what it was written from, and leads to the same again.
fn difference(case: &Trace, recorded: &Trace) -> Option<String> {
    let json = recorded.to_json();
    if !recorded.is_complete() {
        return Some(format!("omitted: {:?}", recorded.omitted()));
    }
    if Trace::parse(&json).as_ref() != Ok(recorded) {
        return Some(format!("{:?}", Trace::parse(&json).err()));
    }
    let (expected, seen) = (normal(&case.to_json()), normal(&json));
    let at = expected.iter().zip(&seen).position(|(expected, seen)| expected != seen);
    if let Some(at) = at {
        return Some(format!("step {}\n  case {}\n  record {}", at + 1, expected[at], seen[at]));
    }
    if expected.len() != seen.len() {
        return Some(format!("{} steps, not {}", seen.len(), expected.len()));
    }
    recorded.replay(Broker::builder()).err().map(|diverged| diverged.to_string())
}
