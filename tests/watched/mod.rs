//! A watchdog for tests with threads: who waits for ever has the process end, with the name of the test, and does not
//! keep whoever runs the tests waiting.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// So long nothing takes here, on whatever machine: only a hang does.
const MOST: Duration = Duration::from_secs(300);

/// As long as this is there, the test is watched.
#[must_use = "the test is watched until this is dropped"]
pub(crate) struct Watch {
    _done: Sender<()>,
}

/// Watches the test that calls this.
pub(crate) fn watched() -> Watch {
    let (_done, over) = channel::<()>();
    let test = std::thread::current().name().unwrap_or("a test without a name").to_owned();
    std::thread::spawn(move || {
        if over.recv_timeout(MOST) == Err(RecvTimeoutError::Timeout) {
            // Not by `eprintln!`, which the test harness keeps to itself until the end that does not come.
            let _ = writeln!(std::io::stderr(), "{test}: not over after five minutes, so somebody waits for ever");
            std::process::exit(101);
        }
    });
    Watch { _done }
}
