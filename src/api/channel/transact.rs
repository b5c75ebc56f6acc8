//! Confirm mode and transactions.

use super::inbox::Unsettled;
use super::publish::Verdict;
use super::{Channel, Close, Fault, State};
use crate::port::Cause;
use crate::queue::QueueKind;
use crate::queue::effect::Settlement;
use crate::session::ModeError;

impl From<ModeError> for Fault {
    fn from(error: ModeError) -> Self {
        Self::precondition(error)
    }
}

impl Channel {
    /// Has each publish from now on answered by an ack or a nack (`confirm.select`; RabbitMQ: "Publisher Confirms").
    /// Publishes are numbered from 1. Once more changes nothing.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 406 on a transactional one.
    pub fn confirm_select(&self) -> Result<(), Close> {
        let work = || self.run("confirm.select", |_, state| Ok(state.session.confirm_select()?));
        self.told_plainly("confirm.select", Some("confirm.select-ok"), |_| {}, work)
    }

    /// Opens a transaction (`tx.select`): publishes and settlements take effect with the commit. Once more changes
    /// nothing. Declares, gets and `basic_recover` take effect at once.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 406 in confirm mode.
    pub fn tx_select(&self) -> Result<(), Close> {
        let work = || self.run("tx.select", |_, state| Ok(state.session.tx_select()?));
        self.told_plainly("tx.select", Some("tx.select-ok"), |_| {}, work)
    }

    /// Carries out what the transaction holds, the publishes first, and opens the next one (`tx.commit`).
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 406 where no transaction is open, or where a queue refused a message; then all else
    /// has taken effect.
    pub fn tx_commit(&self) -> Result<(), Close> {
        self.told_plainly("tx.commit", Some("tx.commit-ok"), |_| {}, || self.commit())
    }

    fn commit(&self) -> Result<(), Close> {
        self.run("tx.commit", |channel, state| {
            let committed = state.session.transactional()?.commit();
            // What the channel says itself comes before what its queues do.
            for held in &committed.publishes {
                channel.announce(held);
                channel.give_back(held);
            }
            // An ack is urgent to a classic queue: RabbitMQ's takes it before the publishes of the same commit.
            let mut runs = committed.runs;
            for run in runs.iter_mut().filter(|run| run.kind == Settlement::Ack) {
                let is_urgent = |(_, entry): &mut (u64, Unsettled)| entry.queue.spec.kind == QueueKind::Classic;
                channel.settle_now(run.entries.extract_if(.., is_urgent).collect(), run.kind, Cause::Asked);
            }
            let mut partial = false;
            for held in committed.publishes {
                partial |= channel.deliver(held) != Verdict::Taken;
            }
            for run in runs {
                channel.settle_now(run.entries, run.kind, Cause::Asked);
            }
            if partial { Err(Fault::precondition("partial tx completion")) } else { Ok(()) }
        })
    }

    /// Drops what the transaction holds and opens the next one (`tx.rollback`). What was settled in it is outstanding
    /// again, under the same tags.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 406 where no transaction is open.
    pub fn tx_rollback(&self) -> Result<(), Close> {
        let work = |channel: &Self, state: &mut State| {
            let entries = state.session.transactional()?.rollback();
            channel.cell.inbox.restore(entries);
            Ok(())
        };
        self.told_plainly("tx.rollback", Some("tx.rollback-ok"), |_| {}, || self.run("tx.rollback", work))
    }
}
