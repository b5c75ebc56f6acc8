//! Where the traces meet the public API: one operation in, its reply or its failure out; one polled event in, its
//! trace form out. Nothing here knows what is expected.

use crate::api::{
    Acknowledge, Channel, ChannelDelivery, ChannelEvent, ChannelPublishError, Close, Consume, NotPublished, Publish,
    Qos, Requeue, Scope, Tags,
};
use crate::engine::{ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDelete};
use crate::message::{Message, Table};
use crate::trace::value;
use serde_json::{Map, Value as Json, json};

/// The parameters of one operation, placeholders replaced. What is not given is empty by its kind.
pub(crate) struct Parameters<'a>(pub(crate) &'a Map<String, Json>);

/// What came of an operation.
pub(crate) enum Outcome {
    /// The reply to it.
    Reply(&'static str, Map<String, Json>),
    /// It has no reply on the wire.
    Silent,
    /// The channel or the connection was closed for it.
    Closed(Close),
    /// The API refused it in a way that RabbitMQ does not know.
    Refused(String),
}

/// What a poll gave.
pub(crate) enum Arrival {
    Event(&'static str, Map<String, Json>),
    Ack { tag: u64, multiple: bool },
    Nack { tag: u64, multiple: bool },
    Closed(Close),
}

/// What `?` carries out of an operation.
struct Stop(Outcome);

impl From<Close> for Stop {
    fn from(close: Close) -> Self {
        Self(Outcome::Closed(close))
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self(Outcome::Refused(why))
    }
}

impl Parameters<'_> {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Json::as_bool).unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.0.get(name).and_then(Json::as_u64).unwrap_or_default()
    }

    /// A number of a width that the API asks for.
    fn narrow<T: TryFrom<u64>>(&self, name: &str) -> Result<T, String> {
        T::try_from(self.number(name)).map_err(|_| format!("{name} is too large: {}", self.number(name)))
    }

    fn arguments(&self) -> Result<Table, String> {
        self.0.get("arguments").map_or_else(|| Ok(Table::new()), value::table_from_json)
    }

    fn message(&self) -> Result<Message, String> {
        let properties = self.0.get("properties").map(value::properties_from_json).transpose()?;
        let body = self.0.get("body").map(value::body_from_json).transpose()?;
        Ok(Message::with_properties(properties.unwrap_or_default(), body.unwrap_or_default()))
    }

    fn requeue(&self) -> Requeue {
        if self.flag("requeue") { Requeue::Yes } else { Requeue::No }
    }

    fn tags(&self) -> Tags {
        let tag = self.number("delivery_tag");
        if self.flag("multiple") { Tags::UpTo(tag) } else { Tags::One(tag) }
    }
}

/// Carries out one operation on a channel, open or closed.
pub(crate) fn perform(channel: &Channel, operation: &str, with: &Parameters<'_>) -> Outcome {
    let done = match operation.split_once('.') {
        Some(("exchange", verb)) => exchange(channel, verb, with),
        Some(("queue", verb)) => queue(channel, verb, with),
        Some(("basic", "consume" | "cancel" | "get" | "publish" | "qos")) => traffic(channel, operation, with),
        Some(("basic", verb)) => settle(channel, verb, with),
        _ => mode(channel, operation),
    };
    done.unwrap_or_else(|stop| stop.0)
}

fn exchange(channel: &Channel, verb: &str, with: &Parameters<'_>) -> Result<Outcome, Stop> {
    let binding = || -> Result<ExchangeBinding, Stop> {
        let binding = ExchangeBinding::new(with.text("destination"), with.text("source"));
        Ok(binding.key(with.text("routing_key")).arguments(with.arguments()?))
    };
    let reply = match verb {
        "declare" => {
            let mut declare = ExchangeDeclare::new(with.text("exchange"), with.text("type"));
            declare = if with.flag("passive") { declare.passive() } else { declare };
            declare = if with.flag("durable") { declare.durable() } else { declare };
            declare = if with.flag("auto_delete") { declare.auto_delete() } else { declare };
            declare = if with.flag("internal") { declare.internal() } else { declare };
            channel.exchange_declare(&declare.arguments(with.arguments()?))?;
            "exchange.declare-ok"
        }
        "delete" => {
            let delete = ExchangeDelete::new(with.text("exchange"));
            channel.exchange_delete(&if with.flag("if_unused") { delete.if_unused() } else { delete })?;
            "exchange.delete-ok"
        }
        "bind" => {
            channel.exchange_bind(&binding()?)?;
            "exchange.bind-ok"
        }
        "unbind" => {
            channel.exchange_unbind(&binding()?)?;
            "exchange.unbind-ok"
        }
        _ => return Err(unknown(verb)),
    };
    Ok(Outcome::Reply(reply, Map::new()))
}

fn queue(channel: &Channel, verb: &str, with: &Parameters<'_>) -> Result<Outcome, Stop> {
    let binding = || -> Result<QueueBinding, Stop> {
        let binding = QueueBinding::new(with.text("queue"), with.text("exchange"));
        Ok(binding.key(with.text("routing_key")).arguments(with.arguments()?))
    };
    Ok(match verb {
        "declare" => {
            let mut declare = QueueDeclare::new(with.text("queue"));
            declare = if with.flag("passive") { declare.passive() } else { declare };
            declare = if with.flag("durable") { declare.durable() } else { declare };
            declare = if with.flag("exclusive") { declare.exclusive() } else { declare };
            declare = if with.flag("auto_delete") { declare.auto_delete() } else { declare };
            let declared = channel.queue_declare(&declare.arguments(with.arguments()?))?;
            reply(
                "queue.declare-ok",
                json!({
                    "queue": declared.queue.as_str(),
                    "message_count": declared.message_count,
                    "consumer_count": declared.consumer_count,
                }),
            )
        }
        "bind" => {
            channel.queue_bind(&binding()?)?;
            reply("queue.bind-ok", json!({}))
        }
        "unbind" => {
            channel.queue_unbind(&binding()?)?;
            reply("queue.unbind-ok", json!({}))
        }
        "purge" => reply("queue.purge-ok", json!({ "message_count": channel.queue_purge(with.text("queue"))? })),
        "delete" => {
            let mut delete = QueueDelete::new(with.text("queue"));
            delete = if with.flag("if_unused") { delete.if_unused() } else { delete };
            delete = if with.flag("if_empty") { delete.if_empty() } else { delete };
            reply("queue.delete-ok", json!({ "message_count": channel.queue_delete(&delete)? }))
        }
        _ => return Err(unknown(verb)),
    })
}

fn traffic(channel: &Channel, operation: &str, with: &Parameters<'_>) -> Result<Outcome, Stop> {
    Ok(match operation {
        "basic.qos" => {
            let qos = Qos::new(with.narrow("prefetch_count")?).size(with.narrow("prefetch_size")?);
            channel.basic_qos(if with.flag("global") { qos.global() } else { qos })?;
            reply("basic.qos-ok", json!({}))
        }
        "basic.consume" => {
            let mut consume = Consume::new(with.text("queue")).tag(with.text("consumer_tag"));
            consume = if with.flag("no_local") { consume.no_local() } else { consume };
            consume = if with.flag("no_ack") { consume.no_ack() } else { consume };
            consume = if with.flag("exclusive") { consume.exclusive() } else { consume };
            let tag = channel.basic_consume(&consume.arguments(with.arguments()?))?;
            reply("basic.consume-ok", json!({ "consumer_tag": tag.as_str() }))
        }
        "basic.cancel" => {
            let tag = with.text("consumer_tag");
            channel.basic_cancel(tag)?;
            reply("basic.cancel-ok", json!({ "consumer_tag": tag }))
        }
        "basic.get" => {
            let acknowledge = if with.flag("no_ack") { Acknowledge::No } else { Acknowledge::Yes };
            match channel.basic_get(with.text("queue"), acknowledge)? {
                Some(got) => {
                    let mut fields = delivery_fields(&got.delivery);
                    fields.insert("message_count".to_owned(), json!(got.message_count));
                    Outcome::Reply("basic.get-ok", fields)
                }
                None => reply("basic.get-empty", json!({})),
            }
        }
        "basic.publish" => {
            let mut publish = Publish::new(with.text("exchange"), with.text("routing_key"));
            publish = if with.flag("mandatory") { publish.mandatory() } else { publish };
            publish = if with.flag("immediate") { publish.immediate() } else { publish };
            match channel.basic_publish(&publish, with.message()?) {
                Ok(()) => Outcome::Silent,
                Err(error) => failed_publish(error),
            }
        }
        _ => return Err(unknown(operation)),
    })
}

fn settle(channel: &Channel, verb: &str, with: &Parameters<'_>) -> Result<Outcome, Stop> {
    match verb {
        "ack" => channel.basic_ack(with.tags())?,
        "nack" => channel.basic_nack(with.tags(), with.requeue())?,
        "reject" => channel.basic_reject(with.number("delivery_tag"), with.requeue())?,
        "recover-async" => channel.basic_recover_async(with.requeue())?,
        "recover" => {
            channel.basic_recover(with.requeue())?;
            return Ok(reply("basic.recover-ok", json!({})));
        }
        _ => return Err(unknown(verb)),
    }
    Ok(Outcome::Silent)
}

fn mode(channel: &Channel, operation: &str) -> Result<Outcome, Stop> {
    let (done, name) = match operation {
        "confirm.select" => (channel.confirm_select(), "confirm.select-ok"),
        "tx.select" => (channel.tx_select(), "tx.select-ok"),
        "tx.commit" => (channel.tx_commit(), "tx.commit-ok"),
        "tx.rollback" => (channel.tx_rollback(), "tx.rollback-ok"),
        "channel.close" => (channel.close(), "channel.close-ok"),
        _ => return Err(unknown(operation)),
    };
    done?;
    Ok(reply(name, json!({})))
}

/// What waits next on a channel, if anything does.
pub(crate) fn poll(channel: &Channel) -> Option<Arrival> {
    Some(match channel.try_recv().ok()? {
        ChannelEvent::Deliver(delivery) => {
            let mut fields = delivery_fields(&delivery);
            let tag = delivery.consumer_tag.as_ref().map(|tag| tag.as_str().to_owned());
            fields.insert("consumer_tag".to_owned(), json!(tag));
            Arrival::Event("basic.deliver", fields)
        }
        ChannelEvent::Return(returned) => Arrival::Event(
            "basic.return",
            object(json!({
                "code": returned.code,
                "text": returned.text,
                "exchange": returned.exchange.as_str(),
                "routing_key": returned.routing_key.as_str(),
                "properties": value::properties_to_json(returned.message.properties()),
                "body": value::body_to_json(returned.message.body()),
            })),
        ),
        ChannelEvent::Cancel { consumer_tag } => {
            Arrival::Event("basic.cancel", object(json!({ "consumer_tag": consumer_tag.as_str() })))
        }
        ChannelEvent::Ack { tag, multiple } => Arrival::Ack { tag, multiple },
        ChannelEvent::Nack { tag, multiple } => Arrival::Nack { tag, multiple },
        ChannelEvent::Closed(close) => Arrival::Closed(close),
        #[allow(unreachable_patterns)] // Of another crate the events may become more.
        other => Arrival::Event("unknown", object(json!({ "event": format!("{other:?}") }))),
    })
}

/// Whether a close ends the whole connection.
pub(crate) fn ends_connection(close: &Close) -> bool {
    matches!(close.scope, Scope::Connection)
}

/// The fields of a close.
pub(crate) fn close_fields(close: &Close) -> Map<String, Json> {
    object(json!({ "code": close.code.code(), "method": close.method, "text": close.text }))
}

fn delivery_fields(delivery: &ChannelDelivery) -> Map<String, Json> {
    object(json!({
        "delivery_tag": delivery.delivery_tag,
        "redelivered": delivery.redelivered,
        "exchange": delivery.exchange.as_str(),
        "routing_key": delivery.routing_key.as_str(),
        "properties": value::properties_to_json(delivery.message.properties()),
        "body": value::body_to_json(delivery.message.body()),
    }))
}

fn failed_publish(error: ChannelPublishError) -> Outcome {
    match error.reason {
        NotPublished::Closed(close) => Outcome::Closed(close),
        _ => Outcome::Refused(error.to_string()),
    }
}

fn reply(name: &'static str, fields: Json) -> Outcome {
    Outcome::Reply(name, object(fields))
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(entries) => entries,
        _ => Map::new(),
    }
}

fn unknown(operation: &str) -> Stop {
    Stop(Outcome::Refused(format!("the runner does not know '{operation}'")))
}
