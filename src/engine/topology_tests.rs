//! The verbs on the topology, as a channel calls them: order of checks, texts, and what goes with what.

use super::request::{
    ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDeclared, QueueDelete,
};
use super::{Engine, TopologyError};
use crate::base::{Limits, Name, SessionId};
use crate::message::{Envelope, Message, Table, Value};
use crate::port::ManualClock;
use crate::queue::{ApplyTo, Policy};
use std::sync::Arc;
use std::time::Duration;

const ANNA: Option<SessionId> = Some(SessionId(1_000_001));
const BERT: Option<SessionId> = Some(SessionId(1_000_002));

fn engine() -> Arc<Engine> {
    let clock = ManualClock::new();
    Engine::new(Limits::default(), Arc::new(clock.clone()), Some(clock), false, None, None)
}

/// A code and a text, as a channel is closed with.
fn refused<T: std::fmt::Debug>(result: Result<T, TopologyError>) -> (u16, String) {
    let error = result.expect_err("refused");
    (error.reply_code().code(), error.to_string())
}

fn told(code: u16, text: &str) -> (u16, String) {
    (code, text.to_owned())
}

fn direct(name: &str) -> ExchangeDeclare {
    ExchangeDeclare::new(name, "direct")
}

fn publish(engine: &Engine, queue: &str, count: usize) {
    for _ in 0..count {
        let key = Name::new(queue).expect("short");
        let envelope = Envelope::freeze(&Name::default(), &key, Message::new("m"), &engine.limits).expect("valid");
        let cells = engine.route("", &envelope).expect("routed");
        assert_eq!(cells.len(), 1, "{queue}");
        engine.deliver(None, &envelope, &cells);
    }
}

#[test]
fn exchanges_are_checked_in_order() {
    let engine = engine();
    let declare = |request: &ExchangeDeclare| engine.exchange_declare(request);
    assert_eq!(refused(declare(&ExchangeDeclare::new("", "rope"))), told(406, "unknown exchange type 'rope'"));
    let default = told(403, "operation not permitted on the default exchange");
    assert_eq!(refused(declare(&direct("\r\n"))), default);
    assert_eq!(refused(declare(&direct("").passive())), default);
    assert_eq!(refused(declare(&direct("x").passive())), told(404, "no exchange 'x' in vhost '/'"));
    assert_eq!(
        refused(declare(&direct("amq.mine"))),
        told(403, "exchange name 'amq.mine' contains reserved prefix 'amq.*'")
    );
    assert_eq!(
        refused(declare(&direct("x").argument("alternate-exchange", 5_i64))),
        told(406, "invalid type 'long' for arg 'alternate-exchange' in exchange 'x' in vhost '/'")
    );
    assert_eq!(declare(&direct("x\n").argument("unknown", 1_i64)), Ok(()));
    assert_eq!(declare(&ExchangeDeclare::new("x", "rope").passive()), Ok(()));
    assert_eq!(declare(&direct("x")), Ok(()));
    assert_eq!(declare(&direct("amq.direct").durable()), Ok(()));
    let differs = |what: &str, received: &str, current: &str| {
        told(
            406,
            &format!(
                "inequivalent arg '{what}' for exchange 'x' in vhost '/': received {received} but current is {current}"
            ),
        )
    };
    let fanout = ExchangeDeclare::new("x", "fanout").durable();
    assert_eq!(refused(declare(&fanout)), differs("type", "'fanout'", "'direct'"));
    assert_eq!(refused(declare(&direct("x").internal())), differs("internal", "'true'", "'false'"));
    // What exists is compared and not validated.
    assert_eq!(
        refused(declare(&direct("x").argument("alternate-exchange", 5_i64))),
        differs("alternate-exchange", "the value '5' of type 'long'", "none")
    );
}

#[test]
fn exchanges_are_deleted() {
    let engine = engine();
    let delete = |request: ExchangeDelete| engine.exchange_delete(&request);
    assert_eq!(refused(delete(ExchangeDelete::new(""))).0, 403);
    assert_eq!(
        refused(delete(ExchangeDelete::new("amq.no-such"))),
        told(403, "deletion of system exchange 'amq.no-such' in vhost '/' not allowed")
    );
    assert_eq!(delete(ExchangeDelete::new("x").if_unused()), Ok(()));
    engine.exchange_declare(&direct("x")).expect("x");
    engine.exchange_declare(&direct("y").auto_delete()).expect("y");
    engine.exchange_bind(&ExchangeBinding::new("x", "y")).expect("bound");
    engine.exchange_bind(&ExchangeBinding::new("y", "x")).expect("bound");
    assert_eq!(refused(delete(ExchangeDelete::new("x").if_unused())), told(406, "exchange 'x' in vhost '/' in use"));
    assert_eq!(delete(ExchangeDelete::new("x")), Ok(()));
    // The last binding from y went with x.
    assert_eq!(refused(engine.exchange_check("y")).0, 404);
}

#[test]
fn bindings_are_checked_in_order() {
    let engine = engine();
    let bad = Table::new().with("x-match", 5_i64);
    let bind = |queue: &str, exchange: &str| {
        engine.queue_bind(BERT, &QueueBinding::new(queue, exchange).arguments(bad.clone()))
    };
    assert_eq!(refused(bind("noq", "")), told(403, "operation not permitted on the default exchange"));
    assert_eq!(refused(engine.exchange_bind(&ExchangeBinding::new("", "nox"))).0, 403);
    assert_eq!(refused(bind("noq", "nox")), told(404, "no exchange 'nox' in vhost '/'"));
    assert_eq!(refused(bind("noq", "amq.headers")), told(404, "no queue 'noq' in vhost '/'"));
    engine.queue_declare(ANNA, &QueueDeclare::new("e").exclusive()).expect("e");
    assert_eq!(
        refused(bind("e", "amq.headers")),
        told(406, "Invalid x-match field type long (value 5); expected longstr")
    );
    // Only headers exchanges read it; then it matters whose queue it is.
    assert_eq!(refused(bind("e", "amq.direct")).0, 405);
    let unbind = |owner, queue: &str, exchange: &str| engine.queue_unbind(owner, &QueueBinding::new(queue, exchange));
    assert_eq!(unbind(BERT, "e", "amq.direct"), Ok(()));
    assert_eq!(unbind(BERT, "noq", "nox"), Ok(()));
    assert_eq!(refused(unbind(BERT, "e", "")).0, 403);
    engine.queue_bind(ANNA, &QueueBinding::new("e", "amq.direct")).expect("own");
    assert_eq!(refused(unbind(BERT, "e", "amq.direct")).0, 405);
    assert_eq!(unbind(ANNA, "e", "amq.direct"), Ok(()));
    assert_eq!(engine.topology.read().graph.binding_count(), 0);
}

#[test]
fn queues_are_checked_in_order() {
    let engine = engine();
    let declare = |request: &QueueDeclare| engine.queue_declare(ANNA, request);
    assert_eq!(refused(declare(&QueueDeclare::new("").passive())), told(404, "no queue '' in vhost '/'"));
    let reserved = told(403, "queue name 'amq.q' contains reserved prefix 'amq.*'");
    assert_eq!(refused(declare(&QueueDeclare::new("amq.q").argument("x-expires", 0_i64))), reserved);
    let q = declare(&QueueDeclare::new("q\r")).expect("q");
    assert_eq!((&*q.queue, q.message_count, q.consumer_count), ("q", 0, 0));
    assert_eq!(refused(declare(&QueueDeclare::new("q").exclusive().durable())).0, 405);
    assert_eq!(
        refused(declare(&QueueDeclare::new("q").durable().auto_delete())),
        told(406, "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'")
    );
    // Nothing is validated at a redeclaration.
    assert_eq!(declare(&QueueDeclare::new("q").argument("x-delivery-limit", "odd")), Ok(q));
    let e = QueueDeclare::new("e").exclusive();
    declare(&e.clone().durable()).expect("e");
    assert_eq!(declare(&e).map(|_| ()), Ok(()));
    assert_eq!(refused(engine.queue_declare(BERT, &e)).0, 405);
    assert_eq!(refused(declare(&QueueDeclare::new("e"))).0, 405);
    assert_eq!(refused(engine.queue_check(BERT, "e")).0, 405);
    assert_eq!(refused(engine.lookup(BERT, "e")).0, 405);
    assert_eq!(refused(engine.queue_purge(BERT, "e")).0, 405);
    assert_eq!(refused(engine.queue_delete(BERT, &QueueDelete::new("e"))).0, 405);
    assert_eq!(engine.queue_delete(ANNA, &QueueDelete::new("e")), Ok(0));
    assert_eq!(refused(engine.lookup(ANNA, "e")), told(404, "no queue 'e' in vhost '/'"));
    assert!(engine.lookup(BERT, "q").is_ok());
}

#[test]
fn names_are_given_in_turn() {
    let engine = engine();
    let name = || engine.queue_declare(ANNA, &QueueDeclare::new("")).expect("named").queue;
    let names: Vec<_> = (0..100).map(|_| name()).collect();
    assert!(names.iter().all(|name| name.starts_with("amq.gen-") && name.len() == 30), "{names:?}");
    let unique: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    assert_eq!(engine.queue_check(ANNA, &names[3]).map(|declared| declared.queue), Ok(names[3].clone()));
    let again = engine.queue_declare(ANNA, &QueueDeclare::new(&*names[3]));
    assert_eq!(refused(again).0, 403);
    let quorum = QueueDeclare::new("").durable().argument("x-queue-type", "quorum");
    assert_eq!(
        refused(engine.queue_declare(ANNA, &quorum)),
        told(406, "Cannot declare a server-named queue for type rabbit_quorum_queue")
    );
}

#[test]
fn queues_are_purged_and_deleted() {
    let engine = engine();
    engine.queue_declare(None, &QueueDeclare::new("q")).expect("q");
    engine.queue_bind(None, &QueueBinding::new("q", "amq.fanout")).expect("bound");
    publish(&engine, "q", 3);
    assert_eq!(engine.queue_check(None, "q").map(|declared| declared.message_count), Ok(3));
    assert_eq!(engine.queue_purge(None, "q"), Ok(3));
    assert_eq!(engine.queue_purge(None, "q"), Ok(0));
    publish(&engine, "q", 2);
    let delete = |request: QueueDelete| engine.queue_delete(None, &request);
    let not_empty = refused(delete(QueueDelete::new("q").if_empty().if_unused()));
    assert_eq!(not_empty, told(406, "queue 'q' in vhost '/' not empty"));
    assert_eq!(delete(QueueDelete::new("q").if_unused()), Ok(2));
    assert_eq!(delete(QueueDelete::new("q")), Ok(0));
    assert_eq!(engine.topology.read().graph.binding_count(), 0);
    // Its slot is used again.
    engine.queue_declare(None, &QueueDeclare::new("r")).expect("r");
    assert_eq!(engine.topology.read().queues.len(), 1);
    let quorum = QueueDeclare::new("quorum").durable().argument("x-queue-type", "quorum");
    engine.queue_declare(None, &quorum).expect("quorum");
    assert_eq!(
        refused(delete(QueueDelete::new("quorum").if_empty())),
        told(
            540,
            "cannot delete queue 'quorum' in vhost '/'. queue.delete operations with if-empty flag set are not \
             supported by quorum queues"
        )
    );
    assert_eq!(delete(QueueDelete::new("quorum")), Ok(0));
}

#[test]
fn an_unused_queue_expires_unless_it_is_declared_again() {
    let engine = engine();
    let request = QueueDeclare::new("q").argument("x-expires", 1_000_i64);
    let step = Duration::from_millis(900);
    engine.queue_declare(None, &request).expect("q");
    engine.advance_to(engine.clock.now() + step);
    engine.queue_declare(None, &request).expect("again");
    engine.advance_to(engine.clock.now() + step);
    engine.queue_check(None, "q").expect("still there");
    engine.advance_to(engine.clock.now() + step + step);
    assert_eq!(refused(engine.queue_check(None, "q")).0, 404);
}

#[test]
fn policies_change_queues_and_exchanges_at_once() {
    let engine = engine();
    let counts = |name: &str| {
        let QueueDeclared { message_count, .. } = engine.queue_check(None, name).expect("there");
        message_count
    };
    engine.queue_declare(None, &QueueDeclare::new("orders")).expect("orders");
    engine.queue_declare(None, &QueueDeclare::new("dead")).expect("dead");
    engine.exchange_declare(&direct("x")).expect("x");
    publish(&engine, "orders", 5);
    let cap = Policy::new("cap", "^ord")
        .define("max-length", 2_i64)
        .define("dead-letter-exchange", "")
        .define("dead-letter-routing-key", "dead")
        .define("alternate-exchange", "amq.fanout");
    engine.set_policy(cap.clone()).expect("set");
    assert_eq!((counts("orders"), counts("dead")), (2, 3));
    // A higher one takes its place as a whole; exchanges are not meant by the first, since their names do not fit.
    engine.set_policy(Policy::new("wide", "").priority(1).alternate_exchange("amq.topic")).expect("set");
    publish(&engine, "orders", 3);
    assert_eq!((counts("orders"), counts("dead")), (5, 3));
    let alternate = |name: &str| {
        let topology = engine.topology.read();
        let id = topology.exchange(name).expect("there");
        topology.graph.exchange(id).and_then(|spec| spec.alternate.clone()).map(|name| name.to_string())
    };
    assert_eq!(alternate("x").as_deref(), Some("amq.topic"));
    assert_eq!(alternate(""), None);
    engine.exchange_declare(&direct("own").argument("alternate-exchange", "y")).expect("own");
    assert_eq!(alternate("own").as_deref(), Some("y"));
    assert_eq!(engine.clear_policy("wide"), Ok(true));
    assert_eq!((counts("orders"), counts("dead"), alternate("x")), (2, 6, None));
    // What is declared later is under it from the start.
    engine.queue_declare(None, &QueueDeclare::new("order.two")).expect("order.two");
    publish(&engine, "order.two", 3);
    assert_eq!((counts("order.two"), counts("dead")), (2, 7));
}

#[test]
fn the_best_policy_that_suits_the_queue_is_in_force() {
    let engine = engine();
    let quorum = |name: &str| QueueDeclare::new(name).durable().argument("x-queue-type", "quorum");
    engine.queue_declare(None, &QueueDeclare::new("classic")).expect("classic");
    engine.queue_declare(None, &quorum("quorum")).expect("quorum");
    let set = |name: &str, priority, key: &str, length: i64| {
        let policy = Policy::new(name, "").priority(priority).define("max-length", length);
        let value = if key == "queue-mode" { Value::from("lazy") } else { Value::from(7_i64) };
        engine.set_policy(if key.is_empty() { policy } else { policy.define(key, value) }).expect("set");
    };
    let length = |name: &str| engine.lookup(None, name).expect("there").look(|state| state.settings().max_length);
    set("b", 0, "", 1);
    set("a", 0, "", 2);
    assert_eq!((length("classic"), length("quorum")), (Some(2), Some(2)));
    // A key that a kind of queue lacks rules the policy out for it, as a whole.
    set("high", 5, "delivery-limit", 3);
    assert_eq!((length("classic"), length("quorum")), (Some(2), Some(3)));
    set("top", 9, "queue-mode", 4);
    assert_eq!((length("classic"), length("quorum")), (Some(4), Some(3)));
    let only = Policy::new("only", "^q").priority(99).apply_to(ApplyTo::ClassicQueues).define("max-length", 5_i64);
    engine.set_policy(only.clone()).expect("set");
    assert_eq!((length("classic"), length("quorum")), (Some(4), Some(3)));
    engine.set_policy(only.apply_to(ApplyTo::QuorumQueues)).expect("set");
    assert_eq!((length("classic"), length("quorum")), (Some(4), Some(5)));
}

#[test]
fn nothing_is_declared_after_the_end() {
    let engine = engine();
    engine.shut_down();
    assert_eq!(engine.exchange_declare(&direct("x")), Err(TopologyError::Closed));
    assert_eq!(engine.queue_declare(None, &QueueDeclare::new("q")), Err(TopologyError::Closed));
    assert_eq!(engine.set_policy(Policy::new("p", "").define("expires", 1_i64)), Err(TopologyError::Closed));
    assert_eq!(refused(engine.queue_check(None, "q")).0, 404);
}
