//! What the format knows: operations with their parameters, events with their fields, and the kinds of both.

use super::value;
use serde_json::Value as Json;

/// The kind of a parameter or field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Flag,
    Table,
    Properties,
    Body,
    Numbers,
}

/// Where a step or an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    Connection,
    Channel,
}

pub(crate) type Fields = &'static [(&'static str, Kind)];

/// Whether a parameter or field is of its kind.
pub(crate) fn check(kind: Kind, json: &Json) -> Result<(), String> {
    let fits = match kind {
        Kind::Text => json.is_string(),
        Kind::Number => json.is_u64(),
        Kind::Flag => json.is_boolean(),
        Kind::Numbers => json.as_array().is_some_and(|list| list.iter().all(Json::is_u64)),
        Kind::Table => return value::table_from_json(json).map(drop),
        Kind::Properties => return value::properties_from_json(json).map(drop),
        Kind::Body => return value::body_from_json(json).map(drop),
    };
    if fits { Ok(()) } else { Err(format!("{json} is no {kind:?}").to_lowercase()) }
}

/// The canonical form of a field that is expected.
pub(crate) fn canonical(kind: Kind, json: &Json) -> Result<Json, String> {
    match kind {
        Kind::Properties => value::canonical_properties(json),
        Kind::Body => value::body_from_json(json).map(|body| value::body_to_json(&body)),
        _ => check(kind, json).map(|()| json.clone()),
    }
}

/// Where an operation is done and what it may be given.
pub(crate) fn parameters(operation: &str) -> Option<(Place, Fields)> {
    use Kind::{Body, Flag, Number, Properties, Table, Text};
    let fields: Fields = match operation {
        "connection.open" | "connection.close" => return Some((Place::Connection, &[])),
        "clock.advance" => return Some((Place::Nowhere, &[("ms", Number)])),
        "channel.open" | "channel.close" | "confirm.select" | "tx.select" | "tx.commit" | "tx.rollback" => &[],
        "exchange.declare" => &[
            ("exchange", Text),
            ("type", Text),
            ("passive", Flag),
            ("durable", Flag),
            ("auto_delete", Flag),
            ("internal", Flag),
            ("arguments", Table),
        ],
        "exchange.delete" => &[("exchange", Text), ("if_unused", Flag)],
        "exchange.bind" | "exchange.unbind" => {
            &[("destination", Text), ("source", Text), ("routing_key", Text), ("arguments", Table)]
        }
        "queue.declare" => &[
            ("queue", Text),
            ("passive", Flag),
            ("durable", Flag),
            ("exclusive", Flag),
            ("auto_delete", Flag),
            ("arguments", Table),
        ],
        "queue.bind" | "queue.unbind" => {
            &[("queue", Text), ("exchange", Text), ("routing_key", Text), ("arguments", Table)]
        }
        "queue.purge" => &[("queue", Text)],
        "queue.delete" => &[("queue", Text), ("if_unused", Flag), ("if_empty", Flag)],
        "basic.qos" => &[("prefetch_count", Number), ("prefetch_size", Number), ("global", Flag)],
        "basic.publish" => &[
            ("exchange", Text),
            ("routing_key", Text),
            ("mandatory", Flag),
            ("immediate", Flag),
            ("properties", Properties),
            ("body", Body),
        ],
        "basic.get" => &[("queue", Text), ("no_ack", Flag)],
        "basic.consume" => &[
            ("queue", Text),
            ("consumer_tag", Text),
            ("no_local", Flag),
            ("no_ack", Flag),
            ("exclusive", Flag),
            ("arguments", Table),
        ],
        "basic.cancel" => &[("consumer_tag", Text)],
        "basic.ack" => &[("delivery_tag", Number), ("multiple", Flag)],
        "basic.nack" => &[("delivery_tag", Number), ("multiple", Flag), ("requeue", Flag)],
        "basic.reject" => &[("delivery_tag", Number), ("requeue", Flag)],
        "basic.recover" | "basic.recover-async" => &[("requeue", Flag)],
        _ => return None,
    };
    Some((Place::Channel, fields))
}

/// Where an event happens and what it tells.
pub(crate) fn event_fields(event: &str) -> Option<(Place, Fields)> {
    use Kind::{Body, Flag, Number, Numbers, Properties, Text};
    const CLOSE: Fields = &[("code", Number), ("method", Text), ("text", Text)];
    let fields: Fields = match event {
        "connection.close-ok" => return Some((Place::Connection, &[])),
        "connection.close" => return Some((Place::Connection, CLOSE)),
        "channel.close" => CLOSE,
        "queue.declare-ok" => &[("queue", Text), ("message_count", Number), ("consumer_count", Number)],
        "queue.purge-ok" | "queue.delete-ok" => &[("message_count", Number)],
        "basic.consume-ok" | "basic.cancel-ok" | "basic.cancel" => &[("consumer_tag", Text)],
        "basic.get-ok" => &[
            ("delivery_tag", Number),
            ("redelivered", Flag),
            ("exchange", Text),
            ("routing_key", Text),
            ("message_count", Number),
            ("properties", Properties),
            ("body", Body),
        ],
        "basic.deliver" => &[
            ("consumer_tag", Text),
            ("delivery_tag", Number),
            ("redelivered", Flag),
            ("exchange", Text),
            ("routing_key", Text),
            ("properties", Properties),
            ("body", Body),
        ],
        "basic.return" => &[
            ("code", Number),
            ("text", Text),
            ("exchange", Text),
            ("routing_key", Text),
            ("properties", Properties),
            ("body", Body),
        ],
        "confirms" => &[("acked", Numbers), ("nacked", Numbers)],
        "basic.get-empty"
        | "exchange.declare-ok"
        | "exchange.delete-ok"
        | "exchange.bind-ok"
        | "exchange.unbind-ok"
        | "queue.bind-ok"
        | "queue.unbind-ok"
        | "basic.qos-ok"
        | "basic.recover-ok"
        | "confirm.select-ok"
        | "tx.select-ok"
        | "tx.commit-ok"
        | "tx.rollback-ok"
        | "channel.open-ok"
        | "channel.close-ok" => &[],
        _ => return None,
    };
    Some((Place::Channel, fields))
}
