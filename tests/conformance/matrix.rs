//! Matrices: one exchange, a queue for each binding, and for each message the queues that got it.

use super::adapter::{self, Outcome, Parameters};
use super::case::Matrix;
use super::compare::brief;
use leveret::Channel;
use serde_json::{Map, Value as Json, json};

/// The exchange of every matrix.
const EXCHANGE: &str = "matrix";

/// Binds all queues, publishes all messages, and empties the queues: each body is the number of its message.
pub(crate) fn replay(matrix: &Matrix) -> Result<(), String> {
    let broker = super::fresh_broker();
    let connection = broker.connect().map_err(|close| format!("does not connect: {close}"))?;
    let channel = connection.open_channel().map_err(|close| format!("no channel opens: {close}"))?;
    declare(&channel, matrix)?;
    for (at, message) in matrix.messages.iter().enumerate() {
        let properties = message.headers.as_ref().map_or_else(|| json!({}), |headers| json!({ "headers": headers }));
        let with = json!({
            "exchange": EXCHANGE,
            "routing_key": message.routing_key,
            "properties": properties,
            "body": at.to_string(),
        });
        perform(&channel, "basic.publish", with).map_err(|why| format!("message {}: {why}", at + 1))?;
    }
    let got = collect(&channel, matrix)?;
    let mut wrong = String::new();
    for (at, (message, got)) in matrix.messages.iter().zip(&got).enumerate().filter(|(_, (m, got))| m.matches != **got)
    {
        let headers = message.headers.as_ref().map(brief).unwrap_or_default();
        wrong.push_str(&format!("  message {}, key '{}' {headers}\n", at + 1, message.routing_key));
        wrong.push_str(&describe("expected, did not match", matrix, &message.matches, got));
        wrong.push_str(&describe("matched, not expected", matrix, got, &message.matches));
        wrong.push_str(&describe("matched more than once", matrix, &repeated(got), &[]));
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("the bindings that matched:\n{wrong}")) }
}

fn declare(channel: &Channel, matrix: &Matrix) -> Result<(), String> {
    perform(channel, "exchange.declare", json!({ "exchange": EXCHANGE, "type": matrix.exchange_type }))?;
    for (number, (routing_key, arguments)) in matrix.bindings.iter().enumerate() {
        let queue = number.to_string();
        let bind = json!({
            "queue": queue, "exchange": EXCHANGE, "routing_key": routing_key, "arguments": arguments,
        });
        perform(channel, "queue.declare", json!({ "queue": queue }))?;
        perform(channel, "queue.bind", bind).map_err(|why| format!("binding {number}: {why}"))?;
    }
    Ok(())
}

/// For each message the numbers of the queues that got it, sorted.
fn collect(channel: &Channel, matrix: &Matrix) -> Result<Vec<Vec<usize>>, String> {
    let mut got = vec![Vec::new(); matrix.messages.len()];
    for number in 0..matrix.bindings.len() {
        loop {
            let fields = perform(channel, "basic.get", json!({ "queue": number.to_string(), "no_ack": true }))?;
            let Some(body) = fields.get("body") else { break };
            let message = body.as_str().and_then(|body| body.parse::<usize>().ok());
            let place = message.and_then(|message| got.get_mut(message));
            place.ok_or_else(|| format!("queue {number} held what was not published: {}", brief(body)))?.push(number);
        }
    }
    Ok(got)
}

/// An operation that must succeed; gives the fields of its reply.
fn perform(channel: &Channel, operation: &str, with: Json) -> Result<Map<String, Json>, String> {
    let with = with.as_object().cloned().unwrap_or_default();
    match adapter::perform(channel, operation, &Parameters(&with)) {
        Outcome::Reply(_, fields) => Ok(fields),
        Outcome::Silent => Ok(Map::new()),
        Outcome::Closed(close) => Err(format!("{operation} was answered with {close}")),
        Outcome::Refused(why) => Err(format!("{operation} was refused: {why}")),
    }
}

/// One line with the bindings of `these` that are not in `those`; nothing where there are none.
fn describe(what: &str, matrix: &Matrix, these: &[usize], those: &[usize]) -> String {
    let missing = these.iter().filter(|number| !those.contains(number));
    let bindings = missing.filter_map(|number| Some((number, matrix.bindings.get(*number)?)));
    let bindings: Vec<String> = bindings.map(|(at, (key, table))| format!("{at} ('{key}' {table})")).collect();
    if bindings.is_empty() { String::new() } else { format!("    {what}: {}\n", bindings.join(", ")) }
}

fn repeated(sorted: &[usize]) -> Vec<usize> {
    sorted.windows(2).filter(|pair| pair.first() == pair.last()).filter_map(|pair| pair.first().copied()).collect()
}
