//! Parts of the engine for loom, as scenarios: a part of the crate itself where it is built for loom, since the parts are
//! private. `loom.rs` runs them.

use crate::base::{Limits, Moment, QueueId};
use crate::engine::Engine;
use crate::engine::acks::Acks;
use crate::engine::facts::Ear;
use crate::engine::waiter::{Waiter, block_until};
use crate::port::{Fact, ManualClock, Tap, What};
use crate::queue::effect::{ConsumerId, Done};
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::Arc;

fn engine() -> Arc<Engine> {
    let clock = ManualClock::new();
    Engine::new(Limits::default(), Arc::new(clock.clone()), Some(clock), false, None, None)
}

fn consumer() -> ConsumerId {
    ConsumerId { slot: 0, serial: std::num::NonZeroU64::MIN }
}

/// An engine whose timer was armed for a moment that has passed: it is about to be armed anew, and whoever sets a later
/// moment may still find the old one, for which nobody needs to be woken.
fn about_to_arm() -> Arc<Engine> {
    let engine = engine();
    engine.deadlines.reserve(QueueId(1));
    engine.deadlines.arm(Some(Moment::from_millis(1)));
    engine
}

/// `deadlines.rs`: who sets a deadline and who arms the timer cross over; the timer is woken, or it knows.
pub fn a_deadline_is_known_or_wakes_the_timer() {
    let engine = about_to_arm();
    let moment = Moment::from_millis(5);
    let setter = Arc::clone(&engine);
    let setter = loom::thread::spawn(move || setter.deadlines.set(QueueId(0), moment));
    let armed = engine.arm();
    let woken = setter.join().unwrap();
    assert!(woken || armed == Some(moment));
}

/// The same with an earlier deadline over a later one, which two queues have.
pub fn the_earlier_deadline_of_two_is_known_or_wakes_the_timer() {
    let engine = about_to_arm();
    let (early, late) = (Moment::from_millis(5), Moment::from_millis(9));
    let set = |queue, moment| {
        let engine = Arc::clone(&engine);
        loom::thread::spawn(move || engine.deadlines.set(queue, moment))
    };
    let setters = [set(QueueId(0), late), set(QueueId(1), early)];
    let armed = engine.arm();
    let [_, woken] = setters.map(|setter| setter.join().unwrap());
    assert!(woken || armed == Some(early));
}

/// The same for an alarm (`alarms.rs`, `wait.rs`).
pub fn an_alarm_is_known_or_wakes_the_timer() {
    let engine = about_to_arm();
    let moment = Moment::from_millis(5);
    let setter = Arc::clone(&engine);
    let setter = loom::thread::spawn(move || {
        setter.alarms.set(moment, Waiter::this_thread());
        setter.deadlines.is_before_armed(moment)
    });
    let armed = engine.arm();
    let woken = setter.join().unwrap();
    assert!(woken || armed == Some(moment));
}

/// `wait.rs`: who waits for a moment while the clock is moved past it wakes up.
pub fn a_moved_clock_ends_a_wait() {
    let engine = engine();
    let mover = Arc::clone(&engine);
    let mover = loom::thread::spawn(move || mover.advance_to(Moment::from_millis(5)));
    let waited = engine.block(Some(Moment::from_millis(5)), || None::<()>);
    assert_eq!(waited, None);
    assert!(mover.join().unwrap());
}

/// `acks.rs`: he who notes sees the flag, or he who sets it sees the note.
pub fn a_note_or_the_flag_is_seen() {
    let acks = Arc::new(Acks::default());
    let noter = Arc::clone(&acks);
    let noter = loom::thread::spawn(move || {
        let done = Done { consumer: consumer(), count: 1, bytes: 1 };
        noter.note(done, &mut std::iter::empty())
    });
    let seen = acks.set_prompt(true);
    let (mut list, mut dead) = (Vec::new(), Vec::new());
    if seen {
        acks.take(&mut list, &mut dead);
    }
    let at_once = noter.join().unwrap();
    assert!(seen || at_once);
    acks.take(&mut list, &mut dead);
    assert_eq!(acks.count(), 0);
}

/// `acks.rs`: nothing is taken twice or lost, and the count is that of the list.
pub fn notes_are_taken_once() {
    let acks = Arc::new(Acks::default());
    let note = |acks: &Acks, count| {
        let done = Done { consumer: consumer(), count, bytes: 1 };
        acks.note(done, &mut std::iter::empty())
    };
    let noter = Arc::clone(&acks);
    let noter = loom::thread::spawn(move || {
        note(&noter, 1);
        note(&noter, 2);
    });
    let mut sum = 0;
    let mut take = |acks: &Acks| {
        let mut list = Vec::new();
        acks.take(&mut list, &mut Vec::new());
        sum += list.iter().map(|done| done.count).sum::<u32>();
    };
    take(&acks);
    noter.join().unwrap();
    assert!(acks.count() <= 3);
    take(&acks);
    assert_eq!((sum, acks.count()), (3, 0));
}

/// `waiter.rs`: a thread that registers before it looks is woken, whenever that comes.
pub fn a_registered_waiter_is_woken() {
    let place = Arc::new(crate::base::sync::Mutex::new(crate::base::sync::Rank::Leaf, (false, None::<Waiter>)));
    let giver = Arc::clone(&place);
    let giver = loom::thread::spawn(move || {
        let waiter = {
            let mut place = giver.lock();
            place.0 = true;
            place.1.take()
        };
        waiter.into_iter().for_each(Waiter::wake);
    });
    let clock = ManualClock::new();
    let got = block_until(&clock, None, || {
        let mut place = place.lock();
        place.1 = Some(Waiter::this_thread());
        place.0.then_some(())
    });
    assert_eq!(got, Some(()));
    giver.join().unwrap();
}

/// A tap that sees that it is called by one thread at a time, with facts in their order.
#[derive(Debug, Default)]
struct Counting {
    inside: AtomicBool,
    seen: AtomicUsize,
    next: AtomicU32,
}

impl Tap for Arc<Counting> {
    fn saw(&self, facts: &[Fact]) {
        assert!(!self.inside.swap(true, Ordering::Relaxed), "one thread at a time");
        for fact in facts {
            assert_eq!(u64::from(self.next.fetch_add(1, Ordering::Relaxed)), fact.number);
        }
        self.seen.fetch_add(facts.len(), Ordering::Relaxed);
        self.inside.store(false, Ordering::Relaxed);
    }
}

/// `facts.rs`: whoever waits until the taps have seen what he noted finds that they have, whoever told it.
pub fn a_flush_has_told_what_was_noted() {
    let tap = Arc::new(Counting::default());
    let ear = Ear::new(vec![Arc::new(Arc::clone(&tap))], Arc::new(ManualClock::new()));
    let other = Arc::clone(&ear);
    let other = loom::thread::spawn(move || {
        other.note(None, None, What::Unroutable);
        other.tell();
    });
    ear.note(None, None, What::Unroutable);
    ear.catch_up();
    let seen = tap.seen.load(Ordering::Relaxed);
    assert!(seen >= 1, "its own fact");
    other.join().unwrap();
    ear.catch_up();
    assert_eq!(tap.seen.load(Ordering::Relaxed), 2);
}
