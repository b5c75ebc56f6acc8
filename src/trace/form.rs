//! The form of what a log takes down: whether it can be read again, what is left open in it, and how much it weighs.

use super::schema::{canonical, check, event_fields, parameters};
use super::step::Event;
use super::value;
use serde_json::{Map, Value as Json};

/// What a step, event or entry weighs beside its texts, in bytes.
pub(super) const WEIGHT: usize = 64;

/// Why these parameters cannot be read again.
pub(super) fn fault(operation: &str, with: &Map<String, Json>) -> Option<String> {
    let (_, known) = parameters(operation)?;
    with.iter().find_map(|(name, parameter)| {
        let kind = known.iter().find(|(known, _)| known == name)?;
        check(kind.1, parameter).err()
    })
}

/// Whether an event can be read again.
pub(super) fn readable(event: &Event) -> Result<(), String> {
    let (_, known) = event_fields(&event.event).ok_or("the format has no such event")?;
    let fields = known.iter().filter_map(|(name, kind)| Some((*kind, event.fields.get(*name)?)));
    fields.into_iter().try_for_each(|(kind, field)| canonical(kind, field).map(drop))
}

/// Lets the times of deaths stand for any time.
pub(super) fn any_times(event: &mut Event) {
    let headers = event.fields.get_mut("properties").and_then(|properties| properties.get_mut("headers"));
    if let Some(deaths) = headers.and_then(|headers| headers.get_mut("x-death")) {
        value::any_times(deaths);
    }
}

/// About how many bytes an event takes.
pub(super) fn weigh_event(event: &Event) -> usize {
    WEIGHT + event.on.len() + event.event.len() + weigh_table(&event.fields)
}

/// About how many bytes a table takes.
pub(super) fn weigh_table(entries: &Map<String, Json>) -> usize {
    entries.iter().map(|(name, entry)| name.len() + weigh(entry)).sum()
}

/// About how many bytes a value takes.
fn weigh(json: &Json) -> usize {
    let inner: usize = match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(weigh).sum(),
        Json::Object(entries) => weigh_table(entries),
        _ => 0,
    };
    WEIGHT + inner
}
