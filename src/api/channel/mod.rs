//! The channel: AMQP's methods, in its order of checks, with its reply codes and texts.
//!
//! A method first finds the queue that an empty name stands for, then looks whether the channel is open, then does its
//! work under the channel's lock. A fault closes the channel, or ends the connection, before the method returns. The
//! lock is never held while another channel's is taken: what others do to this channel comes through its inbox.

mod arguments;
mod consume;
mod ending;
mod error;
mod event;
#[cfg(feature = "testing")]
mod faulty;
mod inbox;
mod publish;
mod receive;
mod reply;
mod settle;
mod told;
mod topology;
mod transact;

pub use arguments::{Acknowledge, Consume, Publish, Qos, Requeue, Tags};
pub(crate) use ending::Ending;
pub(crate) use error::Fault;
pub use error::{ChannelPublishError, Close, NotPublished, Scope, TryRecvError};
pub use event::{ChannelDelivery, ChannelEvent, GetOk, Returned};
pub use receive::RecvChannelEvent;
pub(crate) use told::{close_fields, declared_fields};

use super::connection::ConnectionCell;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Mutex, Rank};
use crate::base::{ReplyCode, SessionId};
use crate::engine::Engine;
use crate::engine::cell::QueueCell;
use crate::engine::waiter::Deferred;
use crate::port::Cause;
use crate::queue::effect::Settlement;
use crate::session::SessionState;
pub(crate) use inbox::Unreceived;
use inbox::{Inbox, Unsettled};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A channel: declares, publishes, consumes and settles as AMQP 0-9-1 has it.
///
/// All methods take `&self` and return once they are carried out; what follows from them for this channel is received
/// by [`Channel::try_recv`] and its kin, in one order. A method that fails closes the channel, or ends the connection,
/// as [`Close::scope`] says. On a closed channel every method is a mistake that ends the connection with 504, as in
/// RabbitMQ; dropping it is not. When the connection has ended, every method returns what ended it.
///
/// Where a mistake on one channel ends the connection, that channel ends first: what it held of classic queues is
/// delivered to others while the connection's other channels still live. Those receive what had come to them by then
/// before [`ChannelEvent::Closed`]. Such deliveries can no longer be settled and will come again elsewhere, as with any
/// AMQP client. In all other cases deliveries that were not received when a channel ends are dropped with it.
///
/// Dropping a channel closes it.
#[derive(Debug)]
pub struct Channel {
    cell: Arc<ChannelCell>,
}

impl Channel {
    pub(crate) fn new(cell: Arc<ChannelCell>) -> Self {
        Self { cell }
    }

    /// Its number within the connection.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.cell.number
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.cell.is_open()
    }

    /// Closes the channel (`channel.close`): its consumers end, what it held goes back to its queues, and an open
    /// transaction is lost. What waits to be received stays, except for deliveries.
    ///
    /// # Errors
    ///
    /// The [`Close`] that ended the connection, or ends it now: 504 where the channel is closed.
    pub fn close(&self) -> Result<(), Close> {
        self.told_plainly(
            "channel.close",
            Some("channel.close-ok"),
            |_| {},
            || {
                self.run("channel.close", |channel, state| {
                    channel.cell.shut(state, None);
                    Ok(())
                })?;
                self.cell.connection.forget(self.cell.number, &self.cell);
                Ok(())
            },
        )
    }

    fn engine(&self) -> &Engine {
        self.cell.connection.engine()
    }

    /// Whose exclusive queues this channel may use.
    fn owner(&self) -> Option<SessionId> {
        Some(self.cell.connection.id())
    }

    /// The queue of this name, where this channel may use it.
    fn lookup(&self, queue: &str) -> Result<Arc<QueueCell>, Fault> {
        Ok(self.engine().lookup(self.owner(), queue)?)
    }

    /// Carries out a method on an open channel, and what its fault leads to.
    fn run<T>(
        &self,
        method: &'static str,
        work: impl FnOnce(&Self, &mut State) -> Result<T, Fault>,
    ) -> Result<T, Close> {
        let _deferred = Deferred::begin();
        let mut state = self.cell.state.lock();
        if let Some(close) = self.cell.connection.closed() {
            return Err(close.clone());
        }
        let outcome = if self.cell.is_open() {
            work(self, &mut state)
        } else {
            Err(Fault::new(ReplyCode::ChannelError, "expected 'channel.open'"))
        };
        outcome.map_err(|fault| {
            let close = fault.into_close(method);
            match close.scope {
                Scope::Channel => {
                    self.cell.shut(&mut state, Some(close.clone()));
                    drop(state);
                    self.cell.connection.forget(self.cell.number, &self.cell);
                    close
                }
                Scope::Connection => {
                    drop(state);
                    self.cell.connection.fail(close, Some(&self.cell))
                }
            }
        })
    }

    /// As [`Channel::run`], for a method that names a queue: `""` is the one declared last. RabbitMQ looks for it before
    /// it looks whether the channel is open, and a closed channel has none.
    fn run_on_queue<T>(
        &self,
        method: &'static str,
        queue: &str,
        work: impl FnOnce(&Self, &mut State, &str) -> Result<T, Fault>,
    ) -> Result<T, Close> {
        if queue.is_empty() && !self.cell.is_open() && self.cell.connection.closed().is_none() {
            return Err(no_queue_declared().into_close(method));
        }
        self.run(method, |channel, state| {
            let named = match queue {
                "" => state.session.last_queue.clone().ok_or_else(no_queue_declared)?,
                _ => return work(channel, state, queue),
            };
            work(channel, state, &named)
        })
    }
}

impl Drop for Channel {
    /// Closes it, where it is open.
    fn drop(&mut self) {
        if self.cell.inbox.witness.is_some() && self.is_open() {
            let _ = self.close();
        }
        self.cell.end(None);
        self.cell.connection.forget(self.cell.number, &self.cell);
    }
}

fn no_queue_declared() -> Fault {
    Fault::new(ReplyCode::NotFound, "no previously declared queue")
}

/// What a channel and its connection share.
#[derive(Debug)]
pub(crate) struct ChannelCell {
    connection: Arc<ConnectionCell>,
    number: u16,
    open: AtomicBool,
    inbox: Arc<Inbox>,
    state: Mutex<State>,
}

/// What a channel's lock guards.
#[derive(Debug, Default)]
struct State {
    session: SessionState<publish::Held, Settlement, Unsettled>,
    reply: Option<reply::ReplyConsumer>,
    /// Quorum queues that it published to, by age: they keep account of their publishers.
    published: BTreeMap<u64, Arc<QueueCell>>,
}

impl ChannelCell {
    pub(crate) fn new(connection: Arc<ConnectionCell>, number: u16) -> Self {
        let engine = connection.engine();
        let witness = connection.witness(number);
        let inbox = Inbox::new(engine.next_session(), &engine.limits, witness);
        let state = Mutex::new(Rank::Channel, State::default());
        Self { connection, number, open: AtomicBool::new(true), inbox, state }
    }

    /// What the queues know it by.
    #[cfg(feature = "testing")]
    pub(crate) fn session(&self) -> SessionId {
        self.inbox.session
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Closes the channel, unless it is closed. With `close`, it is told of it in an event.
    pub(crate) fn end(&self, close: Option<Close>) {
        let _deferred = Deferred::begin();
        let mut state = self.state.lock();
        if self.is_open() {
            self.shut(&mut state, close);
        }
    }

    /// Begins to close the channel, unless it is closed. With `close`, it is told of it in an event.
    pub(crate) fn begin_end(&self, close: Option<Close>, unreceived: Unreceived) -> Option<Ending> {
        let mut state = self.state.lock();
        self.is_open().then(|| self.end_inbox(&mut state, close, unreceived))
    }

    /// Ends consumers, gives back what is out, forgets the transaction.
    fn shut(&self, state: &mut State, close: Option<Close>) {
        self.end_inbox(state, close, Unreceived::Dropped).finish(self.connection.engine(), Cause::ChannelClosed);
    }
}
