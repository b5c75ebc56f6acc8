//! Running: one acts at a time, until nobody can.
//!
//! Each step looks who can act, chooses one, and lets it. Those who can stand in the order in which they acted last, so the
//! plain choice is fair. Who dies unwinds to here.

use super::actors::{Can, Flag, Handler, Kind, Running};
use super::control::Crash;
use super::exploration::Exploration;
use super::panics::fail;
use crate::api::Consumer;
use crate::base::Moment;
use crate::port::{Injected, What};
use crate::testing::not_settled::label;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What may be done next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Act(usize),
    Begin(usize),
    Time(Moment),
}

impl Exploration {
    #[track_caller]
    pub(super) fn run_until(&self, until: Option<Moment>) {
        if self.inner.running.replace(true) {
            fail(&"a worker or a program called run, which is for the test");
        }
        let mut steps = 0;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            while steps < self.inner.most_steps && self.step(until) {
                steps += 1;
            }
        }));
        self.inner.control.acts(None);
        self.inner.running.set(false);
        if let Err(panic) = ended {
            resume_unwind(panic);
        }
        if steps >= self.inner.most_steps {
            fail(&format_args!("not quiet after {steps} steps: somebody always has something to do"));
        }
    }

    /// One step. False where there is none.
    fn step(&self, until: Option<Moment>) -> bool {
        self.run_due();
        let moves = self.moves(until);
        let picked = if moves.len() > 1 { self.inner.control.pick(moves.len()) } else { 0 };
        let Some(next) = moves.get(picked) else { return false };
        match *next {
            Move::Time(moment) => {
                self.inner.control.step(format!("time moves to {moment:?}"), picked > 0);
                self.set_clock(moment);
                self.run_due();
            }
            Move::Begin(at) => self.begin(at, picked > 0),
            Move::Act(at) => self.act(at, picked > 0),
        }
        true
    }

    /// What can be done now: first whoever has waited longest, last to move time.
    fn moves(&self, until: Option<Moment>) -> Vec<Move> {
        let mut actors = self.inner.actors.borrow_mut();
        let can = actors.iter_mut().enumerate().map(|(at, actor)| (actor.last, at, actor.can()));
        let mut can: Vec<(u64, usize, Can)> = can.collect();
        can.sort_unstable_by_key(|(last, at, _)| (*last, *at));
        let mut moves: Vec<Move> = can
            .into_iter()
            .filter_map(|(_, at, can)| match can {
                Can::Act => Some(Move::Act(at)),
                Can::Begin => Some(Move::Begin(at)),
                Can::Nothing => None,
            })
            .collect();
        let deadline = match until {
            Some(until) => self.next_deadline().filter(|next| *next <= until),
            None if moves.is_empty() => self.engine().faults.next_deadline().and(self.next_deadline()),
            None => None,
        };
        moves.extend(deadline.map(Move::Time));
        moves
    }

    /// An actor comes, or comes again.
    fn begin(&self, at: usize, chosen: bool) {
        let Some((name, worker, begin)) = self.with(at, |actor| match &actor.kind {
            Kind::Worker { worker, .. } => (actor.name.clone(), Some(worker.clone()), None),
            Kind::Program { begin, .. } => (actor.name.clone(), None, Some(Rc::clone(begin))),
        }) else {
            return;
        };
        self.inner.control.step(format!("'{name}' begins"), chosen);
        let opened = worker.map(|worker| self.open(&name, &worker).ok());
        let began = begin.map(|begin| begin(self.clone()));
        self.with(at, |actor| match &mut actor.kind {
            Kind::Worker { consumer, handler, .. } => {
                *consumer = opened.flatten();
                if consumer.is_none() {
                    // Its queue is gone, and so is its work.
                    *handler = None;
                }
            }
            Kind::Program { running, flag, .. } => {
                *running = began;
                *flag = Flag::woken();
            }
        });
    }

    /// An actor acts.
    fn act(&self, at: usize, chosen: bool) {
        enum Taken {
            Worker(Handler, Consumer),
            Program(Running, Arc<Flag>),
        }
        let taken = self.with(at, |actor| {
            let taken = match &mut actor.kind {
                Kind::Worker { handler, consumer, .. } => Taken::Worker(handler.take()?, consumer.take()?),
                Kind::Program { running, flag, .. } => Taken::Program(running.take()?, Arc::clone(flag)),
            };
            Some((actor.name.clone(), taken))
        });
        let Some((name, taken)) = taken.flatten() else { return };
        match taken {
            Taken::Worker(mut handler, mut consumer) => {
                let Ok(delivery) = consumer.try_recv() else { return };
                let again = if delivery.redelivered() { ", redelivered" } else { "" };
                let text = format!("'{name}' gets {} from '{}'{again}", label(delivery.message()), delivery.queue());
                self.inner.control.step(text, chosen);
                if let Some(crash) = self.acting(&name, || handler(delivery, self)) {
                    self.mourn(&name, &crash, consumer);
                    self.with(at, |actor| actor.give_back_worker(handler, None));
                    return;
                }
                self.with(at, |actor| actor.give_back_worker(handler, Some(consumer)));
            }
            Taken::Program(mut running, flag) => {
                if self.inner.control.dies(&name) {
                    self.mourn(&name, &Crash(Injected::KillLater), running);
                    return;
                }
                flag.clear();
                self.inner.control.step(format!("'{name}' goes on"), chosen);
                let waker = Waker::from(flag);
                let mut polled = Poll::Pending;
                let crash = self.acting(&name, || polled = running.as_mut().poll(&mut Context::from_waker(&waker)));
                match (crash, polled) {
                    (Some(crash), _) => self.mourn(&name, &crash, running),
                    (None, Poll::Ready(())) => {
                        drop(running);
                        self.with(at, |actor| actor.end());
                    }
                    (None, Poll::Pending) => {
                        self.with(at, |actor| actor.give_back_program(running));
                    }
                }
            }
        }
    }

    /// Runs an actor's code. Gives how it died, where it did.
    fn acting(&self, name: &str, act: impl FnOnce()) -> Option<Crash> {
        self.inner.control.acts(Some((name.to_owned(), (**self).clone())));
        let ended = catch_unwind(AssertUnwindSafe(act));
        self.inner.control.acts(None);
        let panic = ended.err()?;
        match panic.downcast() {
            Ok(crash) => Some(*crash),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// An actor is dead: the broker has back what it had out, and then it is dropped.
    fn mourn(&self, name: &str, crash: &Crash, body: impl Sized) {
        self.engine().say(|| What::Fault { fault: crash.0, rule: None });
        self.engine().tell();
        for tag in self.inner.control.take_tags(name) {
            self.crash_consumer(&tag);
        }
        drop(body);
    }
}
