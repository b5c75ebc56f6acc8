//! Messages from some threads to others, and how long that took.

use super::bus::Body;
use super::pin::{on_first_cpu, pin};
use bytes::Bytes;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Where messages go in. Waits where there is no room.
pub(crate) trait Inlet: Send {
    /// Puts one in; an empty body is the mark that ends one receiver.
    fn send(&mut self, body: Bytes);
}

/// Where messages come out. Waits where there is none.
pub(crate) trait Outlet: Send {
    /// Takes one out, and settles it where that has to be. False for the mark.
    fn receive(&mut self) -> bool;
}

/// One thread: so many `at_once` in, and out again.
pub(crate) fn alone(
    mut sender: impl Inlet,
    mut receiver: impl Outlet,
    messages: u64,
    body: Body,
    at_once: usize,
) -> Duration {
    on_first_cpu(move || {
        let begun = Instant::now();
        for _ in 0..messages.div_ceil(at_once as u64) {
            (0..at_once).for_each(|_| sender.send(body.make()));
            (0..at_once).for_each(|_| _ = receiver.receive());
        }
        begun.elapsed()
    })
}

/// A thread for each: senders on the first CPU, receivers on the second. The last sender ends the receivers.
///
/// The time is from the first send to the last receive, each taken by who did it.
pub(crate) fn across<S: Inlet, R: Outlet>(senders: Vec<S>, receivers: Vec<R>, messages: u64, body: Body) -> Duration {
    let start = Barrier::new(senders.len() + receivers.len());
    let (sending, receiving) = (AtomicUsize::new(senders.len()), receivers.len());
    let share = messages.div_ceil(senders.len() as u64);
    let produce = |mut sender: S| {
        pin(0);
        start.wait();
        let begun = Instant::now();
        (0..share).for_each(|_| sender.send(body.make()));
        if sending.fetch_sub(1, Ordering::AcqRel) == 1 {
            (0..receiving).for_each(|_| sender.send(Bytes::new()));
        }
        begun
    };
    let consume = |mut receiver: R| {
        pin(1);
        start.wait();
        while receiver.receive() {}
        Instant::now()
    };
    std::thread::scope(|scope| {
        let (produce, consume) = (&produce, &consume);
        let producers: Vec<_> = senders.into_iter().map(|sender| scope.spawn(move || produce(sender))).collect();
        let consumers: Vec<_> = receivers.into_iter().map(|receiver| scope.spawn(move || consume(receiver))).collect();
        let begun = producers.into_iter().map(|thread| thread.join().expect("it does not panic")).min();
        let ended = consumers.into_iter().map(|thread| thread.join().expect("it does not panic")).max();
        ended.zip(begun).map_or(Duration::ZERO, |(ended, begun)| ended - begun)
    })
}
