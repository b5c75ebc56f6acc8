//! What the engine does where a test asked for a fault: publishes that are refused, settlements that are lost, consumers
//! that die, and what was held back and is due.

use super::cell::QueueCell;
use super::faults::{AckFault, DeliveryFault, Hit, PublishFault, Publishing, Release};
use super::work::Work;
use super::{Engine, Outcome};
use crate::base::{Moment, SessionId};
use crate::message::{Envelope, SharedEnvelope};
use crate::port::{Cause, Injected, Refusing};
use crate::queue::effect::{DeliveryRef, Settlement};
use std::panic::resume_unwind;
use std::sync::Arc;

impl Engine {
    /// Asks what is to happen to a publish.
    pub(crate) fn publish_fault(
        &self,
        confirms: bool,
        envelope: &Envelope,
        cells: &[Arc<QueueCell>],
    ) -> Option<Hit<PublishFault>> {
        let injector = self.faults.injector()?;
        let queues = super::facts::names(cells);
        injector.publish(&Publishing { envelope, queues: &queues, confirms })
    }

    /// A fault of a publish comes true.
    pub(crate) fn note_fault(&self, envelope: &SharedEnvelope, hit: &Hit<PublishFault>) {
        hit.by.count();
        self.say_of(envelope, || hit.by.fact(hit.fault.injected()));
        self.tell();
    }

    /// No queue takes this message, as if all were full.
    pub(crate) fn refuse_all(
        &self,
        session: Option<SessionId>,
        envelope: &SharedEnvelope,
        cells: &[Arc<QueueCell>],
        hit: &Hit<PublishFault>,
    ) -> Outcome {
        self.announce(session, envelope, cells);
        self.note_fault(envelope, hit);
        let outcome = Outcome { refused: cells.len(), ..Outcome::default() };
        self.publishes.count(&outcome);
        cells.iter().for_each(|cell| _ = self.act(cell, |state, _| state.count_refusal()));
        self.refused(envelope, cells, Refusing::Overflow);
        outcome
    }

    /// As [`Engine::settle`], where dooms may lie on some of the deliveries.
    pub(super) fn settle_doomed(
        &self,
        cell: &Arc<QueueCell>,
        refs: &[DeliveryRef],
        settlement: Settlement,
        cause: Cause,
    ) -> bool {
        for doom in cell.take_dooms(refs, DeliveryFault::Kill) {
            // Channels die before they come here, and what was never received kills nobody.
            if !doom.of_channel && cause != Cause::ConsumerCancelled {
                self.say_with(cell, &doom.envelope, || doom.by.fact(Injected::KillConsumer));
                doom.by.count();
                self.kill(cell, doom.session);
            }
        }
        let mut lost = cell.take_dooms(refs, DeliveryFault::Twice);
        if settlement == Settlement::Requeue {
            return self.settle_now(cell, refs, settlement, cause);
        }
        if settlement == Settlement::Ack && lost.len() < refs.len() {
            match self.faults.injector().and_then(|injector| injector.ack(&cell.spec.name)) {
                None => {}
                Some(AckFault::Lost(by)) => {
                    let rest = refs.iter().filter(|one| lost.iter().all(|doom| doom.reference != **one));
                    lost.extend(cell.dooms_of(&rest.copied().collect::<Vec<_>>(), &by));
                }
                Some(AckFault::Dies(unwinding)) => {
                    self.kill_holders(cell, refs);
                    resume_unwind(unwinding);
                }
            }
        }
        let is_lost = |one: &DeliveryRef| lost.iter().any(|doom| doom.reference == *one);
        let (gone, rest): (Vec<DeliveryRef>, Vec<DeliveryRef>) = refs.iter().partition(|one| is_lost(one));
        let there = rest.is_empty() || self.settle_now(cell, &rest, settlement, cause);
        if gone.is_empty() {
            return there;
        }
        for doom in &lost {
            self.say_with(cell, &doom.envelope, || doom.by.fact(Injected::DeliverTwice));
            doom.by.count();
        }
        self.settle_now(cell, &gone, Settlement::Requeue, Cause::SettlementLost) && there
    }

    /// The programs die that have these deliveries. Channels end with their connection, which is not done from here.
    fn kill_holders(&self, cell: &Arc<QueueCell>, refs: &[DeliveryRef]) {
        for (_, session, _) in cell.look(|state| state.out(refs)) {
            if !cell.with_sinks(|sinks| sinks.iter().any(|sink| sink.session == session && sink.is_channel())) {
                self.kill(cell, session);
            }
        }
    }

    /// The program of a plain consumer dies.
    pub(super) fn kill(&self, cell: &Arc<QueueCell>, session: SessionId) {
        cell.end_mailboxes_of(self, session);
        self.close_session(cell, session, Cause::ProgramDied);
        self.auto_delete(cell);
    }

    /// Does what was held back until now.
    pub(super) fn release_held(&self, now: Moment) {
        while let Some(release) = self.faults.due(now) {
            match release {
                Release::Act(act) => act(),
                Release::Deliveries(queue) => {
                    let cell = self.topology.read().cell(queue).cloned();
                    if let Some(cell) = cell {
                        let mut work = Work::default();
                        cell.release_held(self, &mut work, now);
                        self.finish(work);
                    }
                }
            }
        }
    }
}
