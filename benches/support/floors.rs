//! Floors and peers: channels that move a value as large as performance work on this bus always moved, 56 bytes: a body
//! and three words. They route nothing, acknowledge nothing and give nothing back.

use super::bus::BOUND;
use super::threads::{Inlet, Outlet};
use bytes::Bytes;
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Arc, Condvar, Mutex};
use tokio::sync::mpsc;

/// What is moved.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    body: Bytes,
    words: [usize; 3],
}

impl Parcel {
    /// Around this body.
    pub(crate) fn new(body: Bytes) -> Self {
        Self { body, words: black_box([1, 2, 3]) }
    }

    /// Looks at it and drops it. False for the mark that ends a run, which has no body.
    pub(crate) fn use_up(self) -> bool {
        black_box(&self.words);
        !black_box(&self.body).is_empty()
    }
}

impl Inlet for crossbeam_channel::Sender<Parcel> {
    fn send(&mut self, body: Bytes) {
        crossbeam_channel::Sender::send(self, Parcel::new(body)).expect("a receiver is there");
    }
}

impl Outlet for crossbeam_channel::Receiver<Parcel> {
    fn receive(&mut self) -> bool {
        self.recv().expect("a sender is there").use_up()
    }
}

impl Inlet for flume::Sender<Parcel> {
    fn send(&mut self, body: Bytes) {
        flume::Sender::send(self, Parcel::new(body)).expect("a receiver is there");
    }
}

impl Outlet for flume::Receiver<Parcel> {
    fn receive(&mut self) -> bool {
        self.recv().expect("a sender is there").use_up()
    }
}

impl Inlet for kanal::Sender<Parcel> {
    fn send(&mut self, body: Bytes) {
        kanal::Sender::send(self, Parcel::new(body)).expect("a receiver is there");
    }
}

impl Outlet for kanal::Receiver<Parcel> {
    fn receive(&mut self) -> bool {
        self.recv().expect("a sender is there").use_up()
    }
}

/// Tries first: blocking at once would enter tokio's blocking context for every message.
impl Inlet for mpsc::Sender<Parcel> {
    fn send(&mut self, body: Bytes) {
        match self.try_send(Parcel::new(body)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(parcel)) => self.blocking_send(parcel).expect("a receiver is there"),
            Err(mpsc::error::TrySendError::Closed(_)) => unreachable!("a receiver is there"),
        }
    }
}

impl Outlet for mpsc::Receiver<Parcel> {
    fn receive(&mut self) -> bool {
        let parcel = self.try_recv().or_else(|_| self.blocking_recv().ok_or(()));
        parcel.expect("a sender is there").use_up()
    }
}

/// The queue that everybody writes first: a mutex, a deque, two condition variables, and who waits at them, since
/// notifying nobody is a system call too.
#[derive(Debug, Default)]
pub(crate) struct Deque {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    parcels: VecDeque<Parcel>,
    receivers_waiting: usize,
    senders_waiting: usize,
}

impl Deque {
    /// Both its ends.
    pub(crate) fn ends() -> (Arc<Self>, Arc<Self>) {
        let deque = Arc::<Self>::default();
        (Arc::clone(&deque), deque)
    }
}

impl Inlet for Arc<Deque> {
    fn send(&mut self, body: Bytes) {
        let parcel = Parcel::new(body);
        let mut state = self.state.lock().expect("nobody panics");
        while state.parcels.len() >= BOUND {
            state.senders_waiting += 1;
            state = self.emptied.wait(state).expect("nobody panics");
            state.senders_waiting -= 1;
        }
        state.parcels.push_back(parcel);
        let somebody_waits = state.receivers_waiting > 0;
        drop(state);
        if somebody_waits {
            self.filled.notify_one();
        }
    }
}

impl Outlet for Arc<Deque> {
    fn receive(&mut self) -> bool {
        let mut state = self.state.lock().expect("nobody panics");
        let parcel = loop {
            if let Some(parcel) = state.parcels.pop_front() {
                break parcel;
            }
            state.receivers_waiting += 1;
            state = self.filled.wait(state).expect("nobody panics");
            state.receivers_waiting -= 1;
        };
        let somebody_waits = state.senders_waiting > 0;
        drop(state);
        if somebody_waits {
            self.emptied.notify_one();
        }
        parcel.use_up()
    }
}
