//! Settling: ack, nack, reject and recover, by delivery tags.

use super::inbox::Unsettled;
use super::told::{requeue_parameter, tags_parameters};
use super::{Channel, Close, Fault, Requeue, State, Tags};
use crate::base::ReplyCode;
use crate::engine::With;
use crate::port::Cause;
use crate::queue::effect::{DeliveryRef, Settlement};
use crate::session::{Groups, UnknownTag};

impl From<UnknownTag> for Fault {
    fn from(unknown: UnknownTag) -> Self {
        Self::precondition(unknown)
    }
}

impl From<Requeue> for Settlement {
    fn from(requeue: Requeue) -> Self {
        match requeue {
            Requeue::Yes => Self::Requeue,
            Requeue::No => Self::Reject,
        }
    }
}

impl Channel {
    /// Acknowledges deliveries (`basic.ack`): one by its tag, or [`Tags::UpTo`] a tag.
    ///
    /// In a transaction the tags are settled at once and the effect comes with the commit; so with nack and reject.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 406 for a tag that is not outstanding, with [`Tags::UpTo`] too, or for a
    /// transaction that holds `Limits::transaction_operations`.
    pub fn basic_ack(&self, tags: impl Into<Tags>) -> Result<(), Close> {
        let tags = tags.into();
        let with = |with: &mut With| tags_parameters(with, tags);
        self.told_plainly("basic.ack", None, with, || self.settle("basic.ack", tags, Settlement::Ack))
    }

    /// Gives deliveries back to their queues, or lets them die (`basic.nack`): one by its tag, or [`Tags::UpTo`] a tag.
    ///
    /// # Errors
    ///
    /// As [`Channel::basic_ack`].
    pub fn basic_nack(&self, tags: impl Into<Tags>, requeue: Requeue) -> Result<(), Close> {
        let tags = tags.into();
        let with = |with: &mut With| {
            tags_parameters(with, tags);
            requeue_parameter(with, requeue);
        };
        self.told_plainly("basic.nack", None, with, || self.settle("basic.nack", tags, requeue.into()))
    }

    /// Gives one delivery back to its queue, or lets it die (`basic.reject`).
    ///
    /// # Errors
    ///
    /// As [`Channel::basic_ack`].
    pub fn basic_reject(&self, tag: u64, requeue: Requeue) -> Result<(), Close> {
        let tags = Tags::One(tag);
        let with = |with: &mut With| {
            tags_parameters(with, tags);
            requeue_parameter(with, requeue);
        };
        self.told_plainly("basic.reject", None, with, || self.settle("basic.reject", tags, requeue.into()))
    }

    /// Gives everything outstanding back to its queues (`basic.recover`), in a transaction too.
    ///
    /// # Errors
    ///
    /// The [`Close`] of the connection, 540, for [`Requeue::No`], which RabbitMQ does not implement.
    pub fn basic_recover(&self, requeue: Requeue) -> Result<(), Close> {
        self.recover("basic.recover", Some("basic.recover-ok"), requeue)
    }

    /// As [`Channel::basic_recover`]; on the wire it has no reply (`basic.recover-async`).
    ///
    /// # Errors
    ///
    /// As [`Channel::basic_recover`].
    pub fn basic_recover_async(&self, requeue: Requeue) -> Result<(), Close> {
        self.recover("basic.recover-async", None, requeue)
    }

    fn recover(&self, method: &'static str, reply: Option<&'static str>, requeue: Requeue) -> Result<(), Close> {
        let work = |channel: &Self, _: &mut State| {
            if requeue == Requeue::No {
                return Err(Fault::new(ReplyCode::NotImplemented, "requeue=false"));
            }
            let entries = channel.cell.inbox.take_all();
            channel.settle_now(entries, Settlement::Requeue, Cause::Recovered);
            Ok(())
        };
        self.told_plainly(method, reply, |with| requeue_parameter(with, requeue), || self.run(method, work))
    }

    fn settle(&self, method: &'static str, tags: Tags, settlement: Settlement) -> Result<(), Close> {
        #[cfg(feature = "testing")]
        self.die_if_doomed(tags);
        self.run(method, |channel, state| {
            let inbox = &channel.cell.inbox;
            let entries = match tags {
                Tags::One(tag) => vec![(tag, inbox.take(tag)?)],
                Tags::UpTo(tag) => inbox.take_up_to(tag)?,
            };
            channel.settle_or_hold(state, entries, settlement)
        })
    }

    fn settle_or_hold(
        &self,
        state: &mut State,
        entries: Vec<(u64, Unsettled)>,
        settlement: Settlement,
    ) -> Result<(), Fault> {
        let Some(transaction) = state.session.transaction() else {
            self.settle_now(entries, settlement, Cause::Asked);
            return Ok(());
        };
        let most = self.engine().limits.transaction_operations;
        if transaction.operations().saturating_add(entries.len()) > most {
            // Outstanding again, so that the close gives them back to their queues.
            self.cell.inbox.restore(entries);
            return Err(Fault::precondition(format_args!("a transaction may hold {most} operations at most")));
        }
        transaction.settle(settlement, entries);
        Ok(())
    }

    /// Settles deliveries that have left the ledger, group by group as RabbitMQ does.
    pub(super) fn settle_now(&self, entries: Vec<(u64, Unsettled)>, settlement: Settlement, cause: Cause) {
        // The channel-wide limit has room again before a queue asks for it; queues that were refused are resumed after.
        // `basic.get` takes nothing from the limit, so it gives nothing back.
        let given = entries.iter().filter(|(_, entry)| entry.consumer_tag.is_some()).count();
        let opened = self.cell.inbox.credit.give(u32::try_from(given).unwrap_or(u32::MAX));
        if let [(_, entry)] = &*entries {
            self.engine().settle(&entry.queue, &[entry.reference], settlement, cause);
        } else {
            for group in Groups::new(entries, |entry| (&entry.queue.spec.name, entry.consumer_tag.as_ref())) {
                // A queue that was deleted and declared again has the same name.
                for same in group.chunk_by(|(_, a), (_, b)| a.queue.serial == b.queue.serial) {
                    let refs: Vec<DeliveryRef> = same.iter().map(|(_, entry)| entry.reference).collect();
                    if let [(_, entry), ..] = same {
                        self.engine().settle(&entry.queue, &refs, settlement, cause);
                    }
                }
            }
        }
        if opened {
            self.resume();
        }
    }

    /// Lets the queues know that the channel has room again.
    pub(super) fn resume(&self) {
        for queue in self.cell.inbox.consumed() {
            self.engine().resume(&queue, self.cell.inbox.session);
        }
    }
}
