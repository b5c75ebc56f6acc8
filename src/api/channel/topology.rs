//! Exchanges, queues and bindings of a channel: each method is the engine's own, told as AMQP tells its faults.

use super::told::declared_fields;
use super::{Channel, Close, Fault, State};
use crate::api::recorded::requests::{
    binding_parameters, counted, delete_parameters, exchange_binding_parameters, exchange_delete_parameters,
    exchange_parameters, queue_parameters,
};
use crate::base::Name;
use crate::engine::replies::REPLY_TO;
use crate::engine::{
    ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDeclared, QueueDelete,
    TopologyError, With,
};

impl From<TopologyError> for Fault {
    fn from(error: TopologyError) -> Self {
        Self::new(error.reply_code(), error)
    }
}

impl Channel {
    /// Declares an exchange, or asks whether it exists (`exchange.declare`).
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 404 for a passive one that is not there, 406 for an unknown type or for an exchange
    /// that exists and differs, 403 for the default exchange and for a reserved name.
    pub fn exchange_declare(&self, request: &ExchangeDeclare) -> Result<(), Close> {
        let with = |with: &mut With| exchange_parameters(with, request);
        let work = || self.run("exchange.declare", |channel, _| Ok(channel.engine().exchange_declare(request)?));
        self.told_plainly("exchange.declare", Some("exchange.declare-ok"), with, work)
    }

    /// Deletes an exchange with its bindings (`exchange.delete`). One that is not there is no error.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 406 where only an unused one was to go, 403 for a predeclared one.
    pub fn exchange_delete(&self, request: &ExchangeDelete) -> Result<(), Close> {
        let with = |with: &mut With| exchange_delete_parameters(with, request);
        let work = || self.run("exchange.delete", |channel, _| Ok(channel.engine().exchange_delete(request)?));
        self.told_plainly("exchange.delete", Some("exchange.delete-ok"), with, work)
    }

    /// Binds an exchange to another (`exchange.bind`). A binding that is there already is no error.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 404 where one of them is not there, 406 for bad arguments, 403 for the default
    /// exchange.
    pub fn exchange_bind(&self, binding: &ExchangeBinding) -> Result<(), Close> {
        let with = |with: &mut With| exchange_binding_parameters(with, binding);
        let work = || self.run("exchange.bind", |channel, _| Ok(channel.engine().exchange_bind(binding)?));
        self.told_plainly("exchange.bind", Some("exchange.bind-ok"), with, work)
    }

    /// Undoes a binding between exchanges (`exchange.unbind`). One that is not there is no error.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 403 for the default exchange.
    pub fn exchange_unbind(&self, binding: &ExchangeBinding) -> Result<(), Close> {
        let with = |with: &mut With| exchange_binding_parameters(with, binding);
        let work = || self.run("exchange.unbind", |channel, _| Ok(channel.engine().exchange_unbind(binding)?));
        self.told_plainly("exchange.unbind", Some("exchange.unbind-ok"), with, work)
    }

    /// Declares a queue, or asks whether it exists and what it holds (`queue.declare`).
    ///
    /// The empty name asks the broker for one. The queue becomes the channel's last declared one, which the empty name
    /// means in other methods.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 404 for a passive one that is not there, 405 for another connection's exclusive
    /// queue, 406 for bad arguments or a queue that exists and differs, 403 for a reserved name.
    pub fn queue_declare(&self, request: &QueueDeclare) -> Result<QueueDeclared, Close> {
        let reply = |declared: &Result<QueueDeclared, Close>, fields: &mut With| {
            declared_fields(fields, declared.as_ref().ok()?);
            Some("queue.declare-ok")
        };
        self.told("queue.declare", |with| queue_parameters(with, request), reply, || self.declare(request))
    }

    fn declare(&self, request: &QueueDeclare) -> Result<QueueDeclared, Close> {
        self.run("queue.declare", |channel, state| {
            Name::check(&request.queue).map_err(TopologyError::from)?;
            let declared = if request.queue.starts_with(REPLY_TO) {
                channel.declare_reply_address(&request.queue)?
            } else {
                channel.engine().queue_declare(channel.owner(), request)?
            };
            if request.exclusive && !request.passive {
                channel.note_exclusive(&declared.queue);
            }
            state.session.last_queue = Some(declared.queue.clone());
            Ok(declared)
        })
    }

    /// Binds a queue to an exchange (`queue.bind`). A binding that is there already is no error.
    ///
    /// The empty queue name is the queue declared last; with it, the empty key is that queue's name.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 404 where one of them is not there, 406 for bad arguments, 405 for another
    /// connection's exclusive queue, 403 for the default exchange.
    pub fn queue_bind(&self, binding: &QueueBinding) -> Result<(), Close> {
        let work = |channel: &Self, _: &mut State, queue: &str| {
            Ok(channel.engine().queue_bind(channel.owner(), &expanded(binding, queue))?)
        };
        let with = |with: &mut With| binding_parameters(with, binding);
        self.told_plainly("queue.bind", Some("queue.bind-ok"), with, || {
            self.run_on_queue("queue.bind", &binding.queue, work)
        })
    }

    /// Undoes a binding of a queue (`queue.unbind`). One that is not there is no error. Empty names as in
    /// [`Channel::queue_bind`].
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 405 for another connection's exclusive queue, 403 for the default exchange, 404 for
    /// the empty name where no queue was declared.
    pub fn queue_unbind(&self, binding: &QueueBinding) -> Result<(), Close> {
        let work = |channel: &Self, _: &mut State, queue: &str| {
            Ok(channel.engine().queue_unbind(channel.owner(), &expanded(binding, queue))?)
        };
        let with = |with: &mut With| binding_parameters(with, binding);
        self.told_plainly("queue.unbind", Some("queue.unbind-ok"), with, || {
            self.run_on_queue("queue.unbind", &binding.queue, work)
        })
    }

    /// Throws away the ready messages of a queue and says how many they were (`queue.purge`). The empty name is the
    /// queue declared last.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 404 where it is not there, 405 for another connection's exclusive queue.
    pub fn queue_purge(&self, queue: &str) -> Result<u64, Close> {
        let work =
            |channel: &Self, _: &mut State, queue: &str| Ok(channel.engine().queue_purge(channel.owner(), queue)?);
        let with = |with: &mut With| {
            with.text("queue", queue);
        };
        let reply = |count: &Result<u64, Close>, fields: &mut With| {
            Some(counted(count.as_ref().ok()?, fields, "queue.purge-ok"))
        };
        self.told("queue.purge", with, reply, || self.run_on_queue("queue.purge", queue, work))
    }

    /// Deletes a queue with what is in it and says how many messages were ready (`queue.delete`). Its consumers are
    /// cancelled, and nothing is dead-lettered. One that is not there is no error. The empty name is the queue declared
    /// last.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 406 where only an empty or unused one was to go, 405 for another connection's
    /// exclusive queue, 404 for the empty name where no queue was declared.
    pub fn queue_delete(&self, request: &QueueDelete) -> Result<u64, Close> {
        let work = |channel: &Self, _: &mut State, queue: &str| {
            let request = QueueDelete { queue: queue.to_owned(), ..request.clone() };
            Ok(channel.engine().queue_delete(channel.owner(), &request)?)
        };
        let with = |with: &mut With| delete_parameters(with, request);
        let reply = |count: &Result<u64, Close>, fields: &mut With| {
            Some(counted(count.as_ref().ok()?, fields, "queue.delete-ok"))
        };
        self.told("queue.delete", with, reply, || self.run_on_queue("queue.delete", &request.queue, work))
    }
}

impl Channel {
    /// Has the connection remember a queue that goes with it.
    fn note_exclusive(&self, queue: &str) {
        if let Ok(cell) = self.engine().lookup(self.owner(), queue)
            && cell.owner.is_some()
        {
            self.cell.connection.own(cell);
        }
    }
}

/// The binding with the names that empty ones stand for.
fn expanded(binding: &QueueBinding, queue: &str) -> QueueBinding {
    let mut expanded = binding.clone();
    if binding.queue.is_empty() {
        queue.clone_into(&mut expanded.queue);
        if binding.key.is_empty() {
            queue.clone_into(&mut expanded.key);
        }
    }
    expanded
}
