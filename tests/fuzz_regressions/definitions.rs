//! Target `definitions`: definitions files that were changed, read, written, judged, drawn and declared.
//!
//! An input that begins with `{` is a file itself; any other says which file is changed, and how. What is read is a typed
//! error that says where, or a topology that comes back as it was when it is written and read again. Linting, drawing
//! and comparing it with a broker never panic, and once it is declared it is as wanted.
//!
//! Seen to fail on a planted bug: an internal exchange written as one that is not. Found by it: a binding that was read as
//! two, since the file said in two ways that it has no arguments (`bug-binding-twice-…`).

use super::json;
use super::memory::Watch;
use leveret::{Broker, Definitions, DefinitionsError, Limits, Topology};
use serde_json::Value as Json;

/// The files that are changed, the small one more often. What their numbers mean in a kept input is their order here.
const BASES: [&str; 8] = [
    SMALL,
    include_str!("../data/shop.vhost.definitions.json"),
    include_str!("../data/shop.full.definitions.json"),
    SMALL,
    SMALL,
    SMALL,
    SMALL,
    SMALL,
];

/// Everything that a file of one virtual host can have, once.
const SMALL: &str = r#"{
    "default_queue_type": "classic", "original_vhost_name": "/", "parameters": [],
    "policies": [{"name": "p", "pattern": "^q", "apply-to": "queues", "priority": 1,
        "definition": {"max-length": 5, "overflow": "reject-publish", "message-ttl": 60000, "dead-letter-exchange": "x"}}],
    "exchanges": [{"name": "x", "type": "topic", "durable": true, "auto_delete": false, "internal": true,
        "arguments": {"alternate-exchange": "h"}},
        {"name": "h", "type": "headers", "durable": true, "auto_delete": false, "arguments": {}}],
    "queues": [{"name": "q", "durable": true, "auto_delete": false,
        "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 3, "x-dead-letter-exchange": "x"}},
        {"name": "r", "durable": true, "auto_delete": false, "arguments": {"x-max-priority": 5, "x-expires": 1000}}],
    "bindings": [{"source": "x", "destination": "q", "destination_type": "queue", "routing_key": "a.#", "arguments": {}},
        {"source": "h", "destination": "x", "destination_type": "exchange", "routing_key": "",
            "arguments": {"x-match": "any", "n": 1}},
        {"source": "amq.topic", "destination": "r", "destination_type": "queue", "routing_key": "*", "arguments": {}}]}"#;

const WORDS: [&str; 50] = [
    "name",
    "vhost",
    "type",
    "durable",
    "auto_delete",
    "internal",
    "arguments",
    "source",
    "destination",
    "destination_type",
    "routing_key",
    "queue",
    "exchange",
    "queues",
    "exchanges",
    "bindings",
    "policies",
    "parameters",
    "pattern",
    "apply-to",
    "priority",
    "definition",
    "x-match",
    "any",
    "all-with-x",
    "x-queue-type",
    "quorum",
    "stream",
    "classic",
    "x-max-length",
    "x-overflow",
    "reject-publish-dlx",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "at-least-once",
    "alternate-exchange",
    "topic",
    "headers",
    "fanout",
    "x-delayed-message",
    "amq.topic",
    "amq.mine",
    "q",
    "x",
    "#",
    "((a{1000}){1000}){1000}",
    "/",
    "",
];

/// More changes say nothing new.
const MOST_CHANGES: usize = 12;
/// A file is not written deeper than this, so one that is comes back otherwise.
const MOST_LEVELS: usize = 100;
/// What reading may allocate in all, for each byte of a file and whatever it holds. Expressions of policies are the most.
const BYTES_PER_BYTE: usize = 2 << 10;
const STANDING_BYTES: usize = 4 << 20;

pub(crate) fn run(input: &[u8]) {
    let text = json::text(input, &BASES, &WORDS, MOST_CHANGES);
    let watch = Watch::new();
    let read = Topology::from_definitions(&text);
    watch.assert_allocated_at_most(STANDING_BYTES + BYTES_PER_BYTE * text.len(), "reading a file");
    match read {
        Ok(read) => look_at(&read, &text),
        Err(DefinitionsError::SeveralVhosts { names }) => {
            assert!(names.len() > 1 && names.is_sorted(), "{names:?}");
            for name in names {
                match Topology::from_definitions_vhost(&text, &name) {
                    Ok(read) => look_at(&read, &text),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(topology) = serde_json::from_str::<Topology>(&text) {
        look_at_topology(&topology);
    }
}

fn look_at(read: &Definitions, text: &str) {
    read.notices.iter().for_each(|notice| assert!(notice.to_string().starts_with(&notice.place)));
    assert!(read.lint().to_string().len() < 1 << 24);
    comes_back(&read.topology, text);
    look_at_topology(&read.topology);
}

/// Written and read again, it is the same.
fn comes_back(topology: &Topology, text: &str) {
    let written = topology.to_definitions();
    let again = match Topology::from_definitions(&written) {
        Ok(again) => again,
        Err(error) => panic!("{error}, though it was written:\n{written}\nfrom\n{text}"),
    };
    let deep = depth(&serde_json::from_str(text).expect("it was read just now")) > MOST_LEVELS;
    assert!(deep || again.topology == *topology, "it came back otherwise:\n{written}\nfrom\n{text}");
    assert!(again.notices.is_empty(), "{:?}\n{written}\nfrom\n{text}", again.notices);
    assert_eq!(again.topology.to_definitions(), written, "written again, it is otherwise");
}

/// What can be done with a topology, none of which may panic; and once declared, it is as wanted.
fn look_at_topology(topology: &Topology) {
    assert!(topology.lint().to_string().len() < 1 << 24);
    assert!(topology.to_mermaid().starts_with("flowchart"));
    assert!(topology.to_dot().starts_with("digraph"));
    let mut limits = Limits::default();
    (limits.queues, limits.exchanges, limits.bindings) = (100, 100, 200);
    let broker = Broker::builder().limits(limits).manual_time().build();
    let before = topology.diff(&broker);
    assert!(!before.to_string().is_empty());
    match broker.declare(topology) {
        Ok(_) => {
            assert!(before.can_be_declared(), "{before}");
            let after = topology.diff(&broker);
            assert!(after.is_declared(), "{after}\n{topology:#?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    broker.check_invariants().expect("whatever is declared");
}

fn depth(tree: &Json) -> usize {
    match tree {
        Json::Array(list) => 1 + list.iter().map(depth).max().unwrap_or_default(),
        Json::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
