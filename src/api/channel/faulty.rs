//! What goes wrong on a channel, for tests: publishes refused, confirms wrong, late or never; a program that dies when it
//! settles.

use super::inbox::Unsettled;
use super::publish::{Held, Verdict};
use super::{Channel, ChannelCell, State, Tags};
use crate::engine::cell::QueueCell;
use crate::engine::faults::{DeliveryFault, Hit, PublishFault};
use crate::engine::waiter::{Deferred, wake_all};
use crate::message::SharedEnvelope;
use crate::port::Injected;
use crate::session::Confirms;
use std::sync::Arc;

impl Channel {
    /// What is to happen to a publish outside of a transaction.
    pub(super) fn publish_fault(
        &self,
        state: &mut State,
        envelope: &SharedEnvelope,
        cells: &[Arc<QueueCell>],
    ) -> Option<Hit<PublishFault>> {
        if state.session.transaction().is_some() {
            return None;
        }
        let confirms = state.session.confirms().is_some();
        self.engine().publish_fault(confirms, envelope, cells)
    }

    /// Publishes, with this fault.
    pub(super) fn publish_faulty(&self, state: &mut State, mut held: Held, hit: &Hit<PublishFault>) {
        let number = state.session.confirms().map(Confirms::publish);
        let envelope = SharedEnvelope::clone(&held.envelope);
        let taken = if hit.fault.refuses() {
            self.engine().refuse_all(Some(self.cell.inbox.session), &held.envelope, &held.cells, hit);
            false
        } else {
            self.announce(&held);
            held.is_reply = self.engine().reply(&held.envelope);
            self.give_back(&held);
            let verdict = self.deliver(held);
            self.engine().note_fault(&envelope, hit);
            matches!(verdict, Verdict::Taken | Verdict::Gone)
        };
        let Some(number) = number else { return };
        match hit.fault {
            PublishFault::Lose => {}
            PublishFault::Delay(span) => {
                let cell = Arc::downgrade(&self.cell);
                self.engine().faults.hold_act(self.engine().clock.now() + span, move || {
                    if let Some(cell) = cell.upgrade() {
                        // Whoever waits is woken when the lock is free.
                        let _deferred = Deferred::begin();
                        cell.answer(&mut cell.state.lock(), number, taken);
                    }
                });
            }
            PublishFault::Refuse | PublishFault::Nack => self.cell.answer(state, number, taken),
            PublishFault::NackTaken => self.cell.answer(state, number, false),
        }
    }

    /// Has the program die that has a delivery on which that lies, when it is about to settle it.
    pub(super) fn die_if_doomed(&self, tags: Tags) {
        let inbox = &self.cell.inbox;
        if !self.engine().faults.is_armed() {
            return;
        }
        let dooms = inbox.peek(tags).into_iter().flat_map(|Unsettled { queue, reference, consumer_tag }| {
            let dooms = queue.take_dooms(&[reference], DeliveryFault::Kill);
            dooms.into_iter().map(move |doom| (Arc::clone(&queue), consumer_tag.clone(), doom))
        });
        let dooms: Vec<_> = dooms.collect();
        let Some((.., tag, _)) = dooms.first() else { return };
        let tag = tag.clone().unwrap_or_default();
        let _deferred = Deferred::begin();
        for (queue, _, doom) in dooms {
            self.engine().say_with(&queue, &doom.envelope, || doom.by.fact(Injected::KillConsumer));
            doom.by.count();
        }
        let text = format_args!("the program of consumer '{tag}' died").to_string();
        self.cell.connection.die(text);
    }
}

impl ChannelCell {
    /// Answers a publish.
    fn answer(&self, state: &mut State, number: u64, taken: bool) {
        if let Some(answer) = state.session.confirms().and_then(|confirms| confirms.answer(number, taken)) {
            wake_all(self.inbox.put_answer(answer).into_iter().collect());
        }
    }
}
