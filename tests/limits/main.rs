//! Every field of `Limits` driven to its bound and one beyond: what the field's documentation promises is what happens,
//! nothing is lost, and the broker goes on. One test for each field, of its name; `every_field_has_a_test` sees to it.
//!
//! Seen to fail with: one ready message more than allowed, one byte more of a body, one level more of headers, names of
//! headers that are not counted, a death history that grows for ever.

mod channels;
mod deaths;
mod messages;
mod queues;
mod rig;
mod topology;
#[path = "../watched/mod.rs"]
mod watched;

use leveret::Limits;

#[test]
fn every_field_has_a_test() {
    let debug = format!("{:?}", Limits::default());
    let fields = debug.trim_start_matches("Limits {").trim_end_matches('}').split(',');
    let source = [
        include_str!("topology.rs"),
        include_str!("queues.rs"),
        include_str!("channels.rs"),
        include_str!("messages.rs"),
        include_str!("deaths.rs"),
    ]
    .concat();
    for field in fields.filter_map(|field| field.split(':').next()) {
        assert!(source.contains(&format!("fn {}()", field.trim())), "no test for {field}");
    }
}
