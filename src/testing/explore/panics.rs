//! Panics of a test that is run many times: kept, and not printed.
//!
//! The first exploration of a process puts itself before the panic hook that is there. It takes what panics on a thread
//! that runs a test just now, with the place; everything else goes to the hook of before.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

static HOOKED: Once = Once::new();

thread_local! {
    /// Whether a test is run on this thread, and what was said last.
    static SAID: RefCell<Option<Said>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Said {
    text: String,
    /// It is printed, too.
    aloud: bool,
}

/// Runs a test; where it panics, gives what it said and where. With `aloud`, that is printed as ever, too.
pub(super) fn caught<R>(aloud: bool, test: impl FnOnce() -> R) -> Result<R, String> {
    HOOKED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !keep(info) {
                before(info);
            }
        }));
    });
    let outer = SAID.replace(Some(Said { text: String::new(), aloud }));
    let result = catch_unwind(AssertUnwindSafe(test));
    let said = SAID.replace(outer).unwrap_or_default().text;
    result.map_err(|payload| match said.is_empty() {
        // Raised again without the hook.
        true => text(&*payload).to_owned(),
        false => said,
    })
}

/// Fails the test that called: for that it is here.
#[track_caller]
#[allow(clippy::panic)]
pub(super) fn fail(why: &dyn fmt::Display) -> ! {
    panic!("{why}")
}

/// Keeps what is said. True where it is not to be printed.
fn keep(info: &PanicHookInfo<'_>) -> bool {
    let kept = SAID.try_with(|said| {
        let mut said = said.try_borrow_mut().ok()?;
        let said = said.as_mut()?;
        let place = info.location().map(|place| format!(", at {place}")).unwrap_or_default();
        said.text = format!("{}{place}", text(info.payload()));
        Some(!said.aloud)
    });
    kept.ok().flatten() == Some(true)
}

/// What a panic said.
fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without words")
}
