//! Consuming: qos, consume, cancel and get.

use super::event::delivery;
use super::inbox::{Consumer, Inbox};
use super::told::delivery_fields;
use super::{Acknowledge, Channel, Close, Consume, Fault, GetOk, Qos, State};
use crate::base::{Name, ReplyCode};
use crate::engine::cell::QueueCell;
use crate::engine::replies::REPLY_TO;
use crate::engine::sink::{Place, Sink};
use crate::engine::{GetMode, Got, TopologyError, With, check_arguments};
use crate::message::Table;
use crate::queue::QueueKind;
use crate::queue::effect::{AttachError, ConsumerSpec};
use std::collections::VecDeque;
use std::sync::Arc;

/// The arguments of consumers of streams, which RabbitMQ refuses elsewhere.
const STREAM_ARGUMENTS: [&str; 3] = ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"];

impl Channel {
    /// Limits how much the channel holds unsettled (`basic.qos`; RabbitMQ: "Consumer Prefetch").
    ///
    /// Without [`Qos::global`] it is for consumers that start later, each by itself, and it ends a global limit. A
    /// global one is for all consumers of the channel together, at once.
    ///
    /// # Errors
    ///
    /// The [`Close`] of the connection, 540, for a limit in bytes, which RabbitMQ does not implement.
    pub fn basic_qos(&self, qos: Qos) -> Result<(), Close> {
        let with = |with: &mut With| {
            with.number("prefetch_count", qos.count.into()).number("prefetch_size", qos.size.into());
            with.flag("global", qos.global);
        };
        self.told_plainly("basic.qos", Some("basic.qos-ok"), with, || self.limit(qos))
    }

    fn limit(&self, qos: Qos) -> Result<(), Close> {
        self.run("basic.qos", |channel, state| {
            let Inbox { credit, .. } = &*channel.cell.inbox;
            if qos.size != 0 {
                let text = format_args!("prefetch_size!=0 ({})", qos.size);
                return Err(Fault::new(ReplyCode::NotImplemented, text));
            }
            if !qos.global {
                state.session.prefetch = qos.count;
            }
            let limit = if qos.global { qos.count } else { 0 };
            let was_limited = credit.limit() > 0;
            credit.set_limit(limit.into(), channel.cell.inbox.unsettled());
            if was_limited {
                channel.resume();
            }
            Ok(())
        })
    }

    /// Starts a consumer and gives its tag (`basic.consume`). Deliveries come by [`Channel::try_recv`] and its kin.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 404 where the queue is not there, 405 for another connection's exclusive queue, 403
    /// where an exclusive consumer is in the way, 406 for bad arguments. Or of the connection: 530 for a tag in use,
    /// 540 for a quorum queue on a channel with a global limit, 506 at `Limits::consumers_per_queue`, or where the channel
    /// holds `Limits::unacked_messages` unsettled or leaves `Limits::channel_events` unreceived.
    pub fn basic_consume(&self, request: &Consume) -> Result<Name, Close> {
        let reply = |tag: &Result<Name, Close>, fields: &mut With| {
            fields.text("consumer_tag", tag.as_deref().unwrap_or_default());
            Some("basic.consume-ok")
        };
        self.told("basic.consume", |with| consume_parameters(with, request), reply, || self.start(request))
    }

    fn start(&self, request: &Consume) -> Result<Name, Close> {
        self.run_on_queue("basic.consume", &request.queue, |channel, state, queue| {
            check_arguments(&request.arguments, &channel.engine().limits)?;
            let tag = channel.free_tag(&request.tag)?;
            if queue == REPLY_TO {
                return channel.consume_replies(state, tag, request.no_ack);
            }
            let queue = channel.lookup(queue)?;
            channel.check_room(request.no_ack)?;
            channel.consume(state, request, &queue, tag)
        })
    }

    /// Ends a consumer (`basic.cancel`). What it holds stays outstanding. A tag that is not there is no error.
    ///
    /// # Errors
    ///
    /// The [`Close`] that ended the connection, or ends it now.
    pub fn basic_cancel(&self, consumer_tag: &str) -> Result<(), Close> {
        let work = |channel: &Self, state: &mut State| {
            if channel.cancel_replies(state, consumer_tag) {
                return Ok(());
            }
            if let Some(consumer) = channel.cell.inbox.remove_consumer(consumer_tag) {
                channel.engine().detach(&consumer.queue, consumer.id, &mut VecDeque::new());
            }
            Ok(())
        };
        let with = |with: &mut With| {
            with.text("consumer_tag", consumer_tag);
        };
        let reply = |_: &Result<(), Close>, fields: &mut With| {
            fields.text("consumer_tag", consumer_tag);
            Some("basic.cancel-ok")
        };
        self.told("basic.cancel", with, reply, || self.run("basic.cancel", work))
    }

    /// Fetches one message, if one is ready (`basic.get`). The empty name is the queue declared last.
    ///
    /// # Errors
    ///
    /// A [`Close`] of this channel: 404 where the queue is not there, 405 for another connection's exclusive queue and
    /// for a quorum queue with a single active consumer. Or of the connection: 506 where the channel holds
    /// `Limits::unacked_messages` unsettled.
    pub fn basic_get(&self, queue: &str, acknowledge: Acknowledge) -> Result<Option<GetOk>, Close> {
        let with = |with: &mut With| {
            with.text("queue", queue).flag("no_ack", acknowledge == Acknowledge::No);
        };
        self.told("basic.get", with, got_fields, || self.fetch(queue, acknowledge))
    }

    fn fetch(&self, queue: &str, acknowledge: Acknowledge) -> Result<Option<GetOk>, Close> {
        self.run_on_queue("basic.get", queue, |channel, _, queue| {
            let queue = channel.lookup(queue)?;
            if queue.spec.kind == QueueKind::Quorum && queue.look(|state| state.settings().single_active) {
                let text = format_args!(
                    "cannot obtain access to locked queue '{}' in vhost '/'. basic.get operations are not supported by \
                     quorum queues with single active consumer",
                    queue.spec.name
                );
                return Err(Fault::new(ReplyCode::ResourceLocked, text));
            }
            let inbox = &channel.cell.inbox;
            let no_ack = acknowledge == Acknowledge::No;
            channel.check_room(no_ack)?;
            // What a channel has out it has bounded itself.
            let mode = if no_ack { GetMode::NoAck } else { GetMode::Within(usize::MAX) };
            let got = channel.engine().get(&queue, inbox.session, mode, |handout, left| {
                (inbox.fetched(&queue, handout.claim.reference()), handout, left)
            });
            match got {
                Got::Message((tag, handout, left)) => {
                    Ok(Some(GetOk { delivery: delivery(None, tag, handout), message_count: left as u64 }))
                }
                Got::Nothing | Got::TooManyOut => Ok(None),
                Got::Gone => Err(no_queue(&queue)),
            }
        })
    }

    /// Refuses what would add to what the channel holds without a bound: deliveries that it does not settle, or events
    /// that it does not receive.
    fn check_room(&self, no_ack: bool) -> Result<(), Fault> {
        let (inbox, limits) = (&self.cell.inbox, &self.engine().limits);
        if !no_ack && inbox.unsettled() >= limits.unacked_messages {
            let (what, limit) = ("unsettled deliveries", limits.unacked_messages);
            return Err(TopologyError::LimitReached { what, limit }.into());
        }
        if inbox.is_full() {
            let (what, limit) = ("events waiting on a channel", limits.channel_events);
            return Err(TopologyError::LimitReached { what, limit }.into());
        }
        Ok(())
    }

    /// The tag that a consumer gets: the one it asks for, where that is free, or a new one.
    fn free_tag(&self, asked: &str) -> Result<Name, Fault> {
        let inbox = &self.cell.inbox;
        if asked.is_empty() {
            let mut tags = std::iter::repeat_with(|| Name::generated("amq.ctag-", self.engine().next_name()));
            let free = tags.find(|tag| !inbox.has_consumer(tag));
            return free.ok_or_else(|| Fault::precondition("no consumer tag is free"));
        }
        if inbox.has_consumer(asked) {
            return Err(Fault::new(ReplyCode::NotAllowed, format_args!("attempt to reuse consumer tag '{asked}'")));
        }
        Ok(Name::new(asked).map_err(TopologyError::from)?)
    }

    /// Lets a consumer in under a tag that is free.
    fn consume(&self, state: &State, request: &Consume, queue: &Arc<QueueCell>, tag: Name) -> Result<Name, Fault> {
        let inbox = &self.cell.inbox;
        let priority = priority(&request.arguments, queue)?;
        if queue.spec.kind == QueueKind::Quorum && inbox.credit.limit() > 0 {
            let text = format_args!("queue '{}' in vhost '/' does not support global qos", queue.spec.name);
            return Err(Fault::new(ReplyCode::NotImplemented, text));
        }
        let spec = ConsumerSpec {
            session: inbox.session,
            credit: Arc::clone(&inbox.credit),
            no_ack: request.no_ack,
            exclusive: request.exclusive,
            priority,
            prefetch: state.session.prefetch.into(),
            tag: tag.clone(),
            // Its ledger knows tags, by which it settles; messages stay with their queues.
            keeps: false,
        };
        let place = Place::Channel(Arc::clone(inbox) as Arc<dyn Sink>);
        let openings = inbox.openings();
        let id = self.engine().attach(queue, spec, place).map_err(|error| self.not_attached(queue, error))?;
        inbox.add_consumer(tag.clone(), Consumer { queue: Arc::clone(queue), id });
        // Another thread may have received what came at once, and did not know yet that this queue waits for that.
        if inbox.openings() != openings {
            self.engine().resume(queue, inbox.session);
        }
        Ok(tag)
    }

    /// Why a consumer was not let in.
    fn not_attached(&self, queue: &QueueCell, error: AttachError) -> Fault {
        let name = &queue.spec.name;
        match error {
            AttachError::Gone => no_queue(queue),
            AttachError::ExclusiveUse => {
                Fault::new(ReplyCode::AccessRefused, format_args!("queue '{name}' in vhost '/' in exclusive use"))
            }
            AttachError::TooMany => {
                let limit = self.engine().limits.consumers_per_queue;
                TopologyError::LimitReached { what: "consumers of a queue", limit }.into()
            }
        }
    }
}

fn consume_parameters(with: &mut With, request: &Consume) {
    with.text("queue", &request.queue).text("consumer_tag", &request.tag).flag("no_local", request.no_local);
    with.flag("no_ack", request.no_ack).flag("exclusive", request.exclusive).arguments(&request.arguments);
}

fn got_fields(got: &Result<Option<GetOk>, Close>, fields: &mut With) -> Option<&'static str> {
    let Ok(Some(got)) = got else { return Some("basic.get-empty") };
    delivery_fields(fields, &got.delivery);
    fields.number("message_count", got.message_count);
    Some("basic.get-ok")
}

fn no_queue(queue: &QueueCell) -> Fault {
    Fault::new(ReplyCode::NotFound, format_args!("no queue '{}' in vhost '/'", queue.spec.name))
}

/// Reads `x-priority`, and refuses what belongs to other kinds of queue.
fn priority(arguments: &Table, queue: &QueueCell) -> Result<i64, Fault> {
    let invalid = |name: &str, what: String| {
        Fault::precondition(format_args!("invalid arg '{name}' for queue '{}' in vhost '/'{what}", queue.spec.name))
    };
    let priority = match arguments.get("x-priority") {
        None => 0,
        Some(value) => value
            .as_integer()
            .ok_or_else(|| invalid("x-priority", format!(": \"expected integer, got {}\"", value.type_name())))?,
    };
    let foreign = arguments.iter().map(|(name, _)| name).find(|name| STREAM_ARGUMENTS.contains(name));
    match foreign {
        Some(name) => Err(invalid(name, format!(" of queue type {}", queue.spec.kind.module()))),
        None => Ok(priority),
    }
}
