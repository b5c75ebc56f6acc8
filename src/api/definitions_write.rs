//! Writing a definitions file: the export of one virtual host, as RabbitMQ 4.0 has it.

use super::definitions_json::{table_to_json, to_json};
use super::topology::{Binding, Topology};
use crate::message::Table;
use crate::queue::Policy;
use serde_json::{Value as Json, json};

/// The version whose form this is; an import looks at it.
const VERSION: &str = "4.0.5";

/// The whole file.
pub(super) fn write(topology: &Topology) -> String {
    let exchanges = topology.exchanges().filter(|exchange| !exchange.name.starts_with("amq."));
    let exchanges: Vec<_> = exchanges
        .map(|exchange| {
            json!({
                "name": exchange.name,
                "type": exchange.kind.as_str(),
                "durable": exchange.durable,
                "auto_delete": exchange.auto_delete,
                "internal": exchange.internal,
                "arguments": table_to_json(&exchange.arguments),
            })
        })
        .collect();
    let queues: Vec<_> = topology
        .queues()
        .map(|queue| {
            json!({
                "name": queue.name,
                "durable": queue.durable,
                "auto_delete": queue.auto_delete,
                "arguments": table_to_json(&with_type(&queue.arguments)),
            })
        })
        .collect();
    let to_exchanges =
        topology.exchanges().flat_map(|exchange| bindings("exchange", &exchange.name, &exchange.bindings));
    let to_queues = topology.queues().flat_map(|queue| bindings("queue", &queue.name, &queue.bindings));
    let bindings: Vec<_> = to_exchanges.chain(to_queues).collect();
    let policies: Vec<_> = topology.policies().map(policy).collect();
    let file = json!({
        "rabbitmq_definition_format": "single_virtual_host",
        "rabbit_version": VERSION,
        "rabbitmq_version": VERSION,
        "parameters": [],
        "policies": policies,
        "exchanges": exchanges,
        "queues": queues,
        "bindings": bindings,
    });
    format!("{file:#}")
}

/// The arguments with the type said: the virtual host that imports them may have another default.
fn with_type(arguments: &Table) -> Table {
    match arguments.get("x-queue-type") {
        Some(_) => arguments.clone(),
        None => arguments.clone().with("x-queue-type", "classic"),
    }
}

fn bindings(kind: &'static str, destination: &str, bindings: &[Binding]) -> impl Iterator<Item = Json> {
    bindings.iter().map(move |binding| {
        json!({
            "source": binding.source,
            "destination": destination,
            "destination_type": kind,
            "routing_key": binding.key,
            "arguments": table_to_json(&binding.arguments),
        })
    })
}

fn policy(policy: &Policy) -> Json {
    let definition = policy.definition.iter().map(|(key, value)| (key.to_owned(), to_json(value)));
    json!({
        "name": policy.name,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to.as_str(),
        "priority": policy.priority,
        "definition": Json::Object(definition.collect()),
    })
}
