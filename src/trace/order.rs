//! The order in which a trace holds events: grouped by where they happened, and within a channel the reply first, then
//! what arrived in its order, then one event with all confirms.

use super::step::Event;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// An event that confirms these publishes; [`normalise`] puts several of a channel into one.
pub(crate) fn confirms_event(on: &str, acked: &[u64], nacked: &[u64]) -> Event {
    let fields = [("acked".to_owned(), json!(acked)), ("nacked".to_owned(), json!(nacked))];
    Event::new(on, "confirms", Map::from_iter(fields))
}

/// Brings events into their order. `arrived` is in order of arrival within each channel.
pub(crate) fn normalise(reply: Option<Event>, arrived: Vec<Event>) -> Vec<Event> {
    let mut groups: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    let mut confirmed: BTreeMap<String, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
    for event in reply.into_iter().chain(arrived) {
        let group = groups.entry(event.on.clone()).or_default();
        if event.event == "confirms" {
            let (acked, nacked) = confirmed.entry(event.on.clone()).or_default();
            acked.extend(numbers(&event, "acked"));
            nacked.extend(numbers(&event, "nacked"));
        } else {
            group.push(event);
        }
    }
    for (on, (mut acked, mut nacked)) in confirmed {
        acked.sort_unstable();
        nacked.sort_unstable();
        let event = confirms_event(&on, &acked, &nacked);
        groups.entry(on).or_default().push(event);
    }
    groups.into_values().flatten().collect()
}

fn numbers(event: &Event, field: &str) -> Vec<u64> {
    let list = event.fields.get(field).and_then(Json::as_array);
    list.into_iter().flatten().filter_map(Json::as_u64).collect()
}
