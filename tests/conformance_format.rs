//! The judge judged: the conformance runner reads every case without loss, holds each to its own order, and sees every
//! change to what is expected. Needs no broker.

#[path = "conformance/case.rs"]
#[allow(dead_code)]
mod case;
#[path = "../src/testing/trace/compare.rs"]
#[allow(dead_code)]
mod compare;
#[path = "conformance/files.rs"]
mod files;
#[path = "../src/testing/trace/names.rs"]
mod names;
#[path = "../src/trace/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub)]
mod trace;

/// What the format stands on, as the public API shows it.
mod base {
    pub(crate) use leveret::Moment;
}

mod message {
    pub(crate) use leveret::{Properties, ShortStr, Table, Value};
}

use case::{Body, Case};
use compare::{Confirms, compare};
use files::case_files;
use names::Names;
use serde_json::{Map, Value as Json, json};
use std::fs;
use trace::order::{confirms_event, normalise};
use trace::step::{Event, Step};
use trace::value;

/// All steps of all scenarios, with what failures should say.
fn all_steps() -> Vec<(String, Step)> {
    let mut all = Vec::new();
    for path in case_files() {
        let case = Case::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        if let Body::Scenario(steps) = case.body {
            let numbered = steps.into_iter().enumerate();
            all.extend(numbered.map(|(at, step)| (format!("{}, step {}", path.display(), at + 1), step)));
        }
    }
    all
}

#[test]
fn every_case_is_read_and_named_as_its_file() {
    for path in case_files() {
        let case = Case::parse(&fs::read_to_string(&path).unwrap());
        let case = case.unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        assert_eq!(Some(case.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
    }
}

#[test]
fn tables_and_properties_are_read_and_written_without_loss() {
    let check_table =
        |at: &str, json: &Json| assert_eq!(value::table_to_json(&value::table_from_json(json).unwrap()), *json, "{at}");
    for (at, step) in all_steps() {
        if let Some(arguments) = step.with.get("arguments") {
            check_table(&at, arguments);
        }
        if let Some(properties) = step.with.get("properties") {
            assert_eq!(
                value::properties_to_json(&value::properties_from_json(properties).unwrap()),
                *properties,
                "{at}"
            );
        }
    }
    for path in case_files() {
        let case = Case::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        if let Body::Matrix(matrix) = case.body {
            let headers = matrix.messages.iter().filter_map(|message| message.headers.as_ref());
            matrix
                .bindings
                .iter()
                .map(|binding| &binding.1)
                .chain(headers)
                .for_each(|table| check_table("matrix", table));
        }
    }
}

#[test]
fn events_are_read_and_written_without_loss() {
    for path in case_files() {
        let text = fs::read_to_string(&path).unwrap();
        let json: Json = serde_json::from_str(&text).unwrap();
        let Body::Scenario(steps) = Case::parse(&text).unwrap().body else { continue };
        let raw = json["steps"].as_array().unwrap().iter().flat_map(|step| step["then"].as_array().unwrap());
        for (event, raw) in steps.iter().flat_map(|step| &step.then).zip(raw) {
            // A repeated body is written out; everything else stands as it stood.
            if raw["body"].get("$repeat").is_none() {
                assert_eq!(serde_json::from_str::<Json>(&event.describe()).unwrap(), *raw, "{}", path.display());
            }
        }
    }
}

/// Whether an event is the reply to the step's own method.
fn is_reply(step: &Step, event: &Event) -> bool {
    let answers = match step.operation.as_str() {
        "basic.get" => event.event == "basic.get-ok" || event.event == "basic.get-empty",
        operation => event.event.strip_suffix("-ok") == Some(operation),
    };
    answers && step.on.as_ref().is_some_and(|on| on.label() == event.on)
}

/// What the runner would have collected: the reply apart, channels in another order, each confirm alone and early.
fn unsorted(step: &Step) -> (Option<Event>, Vec<Event>) {
    let mut then = step.then.clone();
    let reply = then.iter().position(|event| is_reply(step, event)).map(|at| then.remove(at));
    let mut labels: Vec<String> = then.iter().map(|event| event.on.clone()).collect();
    labels.dedup();
    let mut arrived = Vec::new();
    for label in labels.iter().rev() {
        let group = then.iter().filter(|event| event.on == *label);
        let (confirms, others): (Vec<&Event>, Vec<&Event>) = group.partition(|event| event.event == "confirms");
        for event in confirms {
            for (field, acked) in [("nacked", false), ("acked", true)] {
                for number in event.fields[field].as_array().unwrap().iter().rev().map(|n| n.as_u64().unwrap()) {
                    let (acks, nacks) = if acked { (vec![number], vec![]) } else { (vec![], vec![number]) };
                    arrived.push(confirms_event(label, &acks, &nacks));
                }
            }
        }
        arrived.extend(others.into_iter().cloned());
    }
    (reply, arrived)
}

#[test]
fn every_expected_list_is_normalised() {
    for (at, step) in all_steps() {
        let (reply, arrived) = unsorted(&step);
        assert_eq!(normalise(reply, arrived), step.then, "{at}");
    }
}

/// The event as a broker would show it: placeholders become names, any time becomes a time.
fn shown(json: &Json) -> Json {
    match json {
        Json::Object(_) if value::is_any_time(json) => json!({ "$timestamp": 1_700_000_000 }),
        Json::Object(entries) => entries.iter().map(|(name, entry)| (name.clone(), shown(entry))).collect(),
        Json::Array(items) => items.iter().map(shown).collect(),
        Json::String(text) => match text.get(..2) {
            Some("$q") => json!(format!("amq.gen-{text}")),
            Some("$t") => json!(format!("amq.ctag-{text}")),
            Some("$r") => json!(format!("amq.rabbitmq.reply-to.{text}")),
            _ => json.clone(),
        },
        _ => json.clone(),
    }
}

fn shown_event(event: &Event) -> Event {
    let fields = event.fields.iter().map(|(name, field)| (name.clone(), shown(field)));
    Event::new(event.on.clone(), event.event.clone(), fields.collect::<Map<_, _>>())
}

/// Every value within, each once changed to one that is not the same.
fn changes(json: &Json) -> Vec<Json> {
    let mut all = vec![match json {
        Json::Bool(value) => json!(!value),
        Json::Number(number) => json!(number.as_f64().unwrap() + 1.0),
        Json::String(text) => json!(format!("{text}~")),
        Json::Null => json!(0),
        Json::Array(items) => items.iter().cloned().chain([json!(0)]).collect(),
        Json::Object(entries) => {
            let more = [("~".to_owned(), json!(0))];
            Json::Object(entries.iter().map(|(name, entry)| (name.clone(), entry.clone())).chain(more).collect())
        }
    }];
    match json {
        Json::Object(_) if value::is_time(json) => {}
        Json::Object(entries) => {
            for (name, entry) in entries {
                let with = |changed: Json| {
                    let mut entries = entries.clone();
                    entries.insert(name.clone(), changed);
                    Json::Object(entries)
                };
                all.extend(changes(entry).into_iter().map(with));
                let mut fewer = entries.clone();
                fewer.remove(name);
                all.push(Json::Object(fewer));
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let with = |changed: Json| {
                    let mut items = items.clone();
                    items[at] = changed;
                    Json::Array(items)
                };
                all.extend(changes(item).into_iter().map(with));
            }
        }
        _ => {}
    }
    all
}

#[test]
fn what_is_expected_is_accepted() {
    for (at, step) in all_steps() {
        let actual: Vec<Event> = step.then.iter().map(shown_event).collect();
        assert_eq!(compare(&step.then, &actual, &mut Names::default()), Ok(vec![]), "{at}");
    }
}

#[test]
fn every_changed_field_is_seen() {
    let mut seen = 0;
    for (at, step) in all_steps() {
        let actual: Vec<Event> = step.then.iter().map(shown_event).collect();
        let mut names = Names::default();
        compare(&step.then, &actual, &mut names).unwrap();
        for (place, event) in actual.iter().enumerate() {
            let is_text_of_close = |name: &String| name == "text" && event.event.ends_with(".close");
            for name in event.fields.keys().filter(|name| !is_text_of_close(name)) {
                for changed in changes(&event.fields[name]) {
                    let mut actual = actual.clone();
                    actual[place].fields.insert(name.clone(), changed);
                    let difference = compare(&step.then, &actual, &mut names.clone()).unwrap_err();
                    assert_eq!(difference.at, place, "{at}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 15_000, "{seen}");
}

#[test]
fn missing_and_further_events_are_seen() {
    for (at, step) in all_steps().iter().filter(|(_, step)| !step.then.is_empty()) {
        let actual: Vec<Event> = step.then.iter().map(shown_event).collect();
        let fewer = actual.get(1..).unwrap();
        assert!(compare(&step.then, fewer, &mut Names::default()).is_err(), "{at}");
        let more: Vec<Event> = actual.iter().chain(actual.last()).cloned().collect();
        assert!(compare(&step.then, &more, &mut Names::default()).is_err(), "{at}");
    }
}

#[test]
fn placeholders_stand_for_one_name_each() {
    let mut names = Names::default();
    assert_eq!(names.compare("$q1", "orders", false).ok(), None, "not a name that the broker makes");
    assert_eq!(names.compare("$q1", "amq.ctag-1", false).ok(), None, "not of a queue");
    assert_eq!(names.compare("$q1", "amq.gen-1", false), Ok(true));
    assert_eq!(names.compare("$q1", "amq.gen-1", false), Ok(true));
    assert!(names.compare("$q1", "amq.gen-2", false).is_err());
    assert!(names.compare("$q2", "amq.gen-1", false).is_err(), "two placeholders never stand for one name");
    assert_eq!(names.compare("$q2", "amq.gen-2", false), Ok(true));
    assert_eq!(names.compare("$qx", "amq.gen-2", false), Ok(false), "no placeholder");
    assert_eq!(names.compare("to $q1", "to amq.gen-1", false), Ok(false), "whole strings only");
    let with =
        json!({ "queue": "$q1", "properties": { "reply_to": "$q2", "headers": { "list": ["$q1"] } }, "body": "$t1" });
    let resolved = names.resolve(with.as_object().unwrap()).unwrap();
    let expected = json!({
        "queue": "amq.gen-1",
        "properties": { "reply_to": "amq.gen-2", "headers": { "list": ["amq.gen-1"] } },
        "body": "$t1",
    });
    assert_eq!(Json::Object(resolved), expected);
    assert!(names.resolve(json!({ "queue": "$q3" }).as_object().unwrap()).is_err(), "not bound");
}

#[test]
fn texts_of_closes_are_told_but_do_not_count() {
    let close = |code: u64, text: &str| {
        let fields = json!({ "code": code, "method": "queue.declare", "text": text });
        vec![Event::new("c1/a", "channel.close", fields.as_object().cloned().unwrap())]
    };
    let texts = compare(&close(404, "one"), &close(404, "two"), &mut Names::default()).unwrap();
    assert_eq!((texts[0].expected.as_str(), texts[0].actual.as_str()), ("one", "two"));
    assert!(compare(&close(404, "one"), &close(406, "one"), &mut Names::default()).is_err());
}

#[test]
fn a_multiple_confirm_stands_for_what_is_outstanding() {
    let mut confirms = Confirms::default();
    confirms.published();
    confirms.select();
    for _ in 0..5 {
        confirms.published();
    }
    assert_eq!(confirms.settle(2, false), [2]);
    assert_eq!(confirms.settle(4, true), [1, 3, 4]);
    assert_eq!(confirms.settle(4, false), [4], "a second confirm is seen");
    assert_eq!(confirms.settle(0, true), [5]);
}

#[test]
fn base64_goes_there_and_back() {
    for (text, bytes) in [("", &b""[..]), ("AA==", b"\0"), ("AP8Q", b"\0\xff\x10"), ("aGVsbG8=", b"hello")] {
        assert_eq!(value::base64_encode(bytes), text);
        assert_eq!(value::base64_decode(text).unwrap(), bytes);
    }
    for wrong in ["A", "AA", "A===", "AA=A", "A*AA"] {
        assert!(value::base64_decode(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn malformed_cases_are_refused_with_the_place() {
    let step = |step: &str| format!(r#"{{"name": "n", "about": "a", "recorded_on": "r", "steps": [{step}]}}"#);
    let refused = [
        ("{".to_owned(), "not JSON"),
        (step(""), "`steps` is empty"),
        (r#"{"about": "a", "recorded_on": "r", "steps": []}"#.to_owned(), "lacks 'name'"),
        (r#"{"name": "n", "about": "a", "recorded_on": "r"}"#.to_owned(), "neither"),
        (step(r#"{"on": "c1/a", "do": "queue.declare"}"#), "step 1: a step has `then`"),
        (step(r#"{"on": "c1/a", "do": "queue.make", "then": []}"#), "no operation 'queue.make'"),
        (step(r#"{"on": "c1", "do": "tx.select", "then": []}"#), "not where it is done"),
        (step(r#"{"on": "c1/a", "do": "queue.purge", "with": {"que": "q"}, "then": []}"#), "no parameter 'que'"),
        (step(r#"{"on": "c1/a", "do": "queue.purge", "with": {"queue": 1}, "then": []}"#), "1 is no text"),
        (
            step(r#"{"on": "c1/a", "do": "queue.declare", "with": {"arguments": {"x": {"$i8": 128}}}, "then": []}"#),
            "128 is no value for $i8",
        ),
        (
            step(
                r#"{"on": "c1/a", "do": "basic.publish", "with": {"body": {"$repeat": ["ab", 18446744073709551615]}}, "then": []}"#,
            ),
            "is more than the 33554432 bytes that a body may have",
        ),
        (
            step(r#"{"on": "c1/a", "do": "queue.purge", "then": [{"on": "c1/a", "event": "queue.purge-ok"}]}"#),
            "step 1: event 1: queue.purge-ok lacks 'message_count'",
        ),
        (
            step(r#"{"on": "c1/a", "do": "basic.get", "then": [{"on": "c1/a", "event": "basic.get-empty", "x": 1}]}"#),
            "basic.get-empty has no 'x'",
        ),
    ];
    for (text, expected) in refused {
        let why = Case::parse(&text).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
}
