//! Direct reply-to: a consumer of the pseudo queue `amq.rabbitmq.reply-to`, and the address that the broker makes for
//! it (RabbitMQ: "Direct Reply-to").

use super::{Channel, Fault, State};
use crate::base::{Name, ReplyCode};
use crate::engine::QueueDeclared;
use crate::engine::replies::{REPLY_TO, ReplySink};
use std::sync::{Arc, Weak};

/// The channel's one consumer of direct replies. Its tag is not among those of the other consumers.
#[derive(Debug)]
pub(super) struct ReplyConsumer {
    pub(super) tag: Name,
    pub(super) address: Name,
}

impl Channel {
    /// Starts the consumer of direct replies under a tag that is free.
    pub(super) fn consume_replies(&self, state: &mut State, tag: Name, no_ack: bool) -> Result<Name, Fault> {
        if !no_ack {
            return Err(Fault::precondition("reply consumer cannot acknowledge"));
        }
        if state.reply.is_some() {
            return Err(Fault::precondition("reply consumer already set"));
        }
        let inbox = Arc::downgrade(&self.cell.inbox);
        let sink: Weak<dyn ReplySink> = inbox;
        let address = self.engine().replies.open(self.engine().next_name(), tag.clone(), sink);
        state.reply = Some(ReplyConsumer { tag: tag.clone(), address });
        Ok(tag)
    }

    /// Ends the consumer of direct replies, if it has this tag.
    pub(super) fn cancel_replies(&self, state: &mut State, tag: &str) -> bool {
        match state.reply.take_if(|reply| reply.tag == *tag) {
            Some(reply) => {
                self.engine().replies.close(&reply.address);
                true
            }
            None => false,
        }
    }

    /// The pseudo queue, or the address of a channel that consumes from it: neither can be declared, but asking whether
    /// it is there is answered.
    pub(super) fn declare_reply_address(&self, queue: &str) -> Result<QueueDeclared, Fault> {
        match Name::new(queue) {
            Ok(name) if queue == REPLY_TO || self.engine().replies.is_open(queue) => {
                Ok(QueueDeclared { queue: name, message_count: 0, consumer_count: 1 })
            }
            _ => Err(Fault::new(ReplyCode::NotFound, format_args!("no queue '{queue}' in vhost '/'"))),
        }
    }
}
