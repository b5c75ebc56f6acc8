//! Linting: good practice gives no finding; each rule has a topology that trips it, and a near miss that does not.

use leveret::{
    ApplyTo, Binding, Broker, Delivery, Exchange, Lint, Message, Overflow, Policy, Queue, Settled, Severity, Strategy,
    Topology,
};
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Exchanges with an alternate, work with dead letters and a bound, a retry queue, graves that cannot grow.
fn good() -> Topology {
    Topology::new()
        .policy(Policy::new("graves", "\\.dlq$").max_length(10_000, Overflow::DropHead))
        .exchange(Exchange::topic("events").alternate("unrouted"))
        .exchange(Exchange::fanout("unrouted").internal())
        .exchange(Exchange::direct("dead").internal())
        .exchange(Exchange::fanout("audit").bind("events", "#"))
        .queue(Queue::new("unrouted").bind("unrouted", "").max_length(10_000, Overflow::DropHead))
        .queue(
            Queue::new("orders")
                .quorum()
                .delivery_limit(5)
                .bind("events", "order.*.created")
                .max_length(100_000, Overflow::RejectPublish)
                .dead_letter_strategy(Strategy::AtLeastOnce)
                .dead_letter_exchange("dead")
                .dead_letter_routing_key("orders"),
        )
        .queue(Queue::new("orders.dlq").bind("dead", "orders"))
        .queue(Queue::new("orders.retry.5s").message_ttl(5 * SECOND).dead_letter_to("orders"))
        .queue(
            Queue::new("audit")
                .bind("audit", "")
                .max_length_bytes(1_000_000, Overflow::DropHead)
                .message_ttl(WEEK)
                .dead_letter_to("audit.dlq"),
        )
        .queue(Queue::new("audit.dlq"))
        .queue(Queue::new("replies.web-1").transient().auto_delete().bind("events", "reply.web-1"))
}

/// A work queue with nothing wrong with it, bound to `events`; its dead go to `NAME.dlq`.
fn work(name: &str) -> Queue {
    let dead = format!("{name}.dlq");
    Queue::new(name).bind("events", format!("{name}.#")).max_length(1_000, Overflow::DropHead).dead_letter_to(dead)
}

fn grave(name: &str) -> Queue {
    Queue::new(name).max_length(1_000, Overflow::DropHead)
}

/// A work queue, and where its dead lie.
fn with_grave(topology: Topology, queue: Queue) -> Topology {
    let dead = format!("{}.dlq", queue.name());
    topology.queue(queue).queue(grave(&dead))
}

fn told(topology: &Topology) -> Vec<String> {
    let report = topology.lint();
    report.findings.iter().map(|lint| format!("{} {} at {}", lint.severity, lint.code, lint.place)).collect()
}

/// Exactly this is found.
#[track_caller]
fn only(topology: &Topology, expected: &str) -> Lint {
    assert_eq!(told(topology), [expected], "{}", topology.lint());
    topology.lint().findings.remove(0)
}

/// Nothing is found.
#[track_caller]
fn clean(topology: &Topology) {
    assert!(topology.lint().is_empty(), "{}", topology.lint());
}

#[test]
fn good_practice_gives_no_finding() {
    clean(&good());
    clean(&with_grave(good(), work("payment")));
    clean(&Topology::new());
}

#[test]
fn the_worst_comes_first_and_the_text_is_stable() {
    let topology = Topology::new()
        .exchange(Exchange::direct("hub"))
        .queue(Queue::new("jobs").bind("hub", "job").dead_letter_exchange("gone"));
    assert_eq!(
        topology.lint().to_string(),
        "\
error[missing-dead-letter-exchange] queue 'jobs': its dead-letter exchange 'gone' does not exist, so every message that \
dies here is lost
  remedy: declare the exchange 'gone' and bind a queue to it, or correct its name
hint[unroutable-messages-dropped] exchange 'hub': what is published here with a key that no binding fits is dropped, \
unless it is mandatory
  remedy: give it an alternate exchange, a fanout with one queue, to see what goes astray
hint[unbounded-queue] queue 'jobs': it has no greatest length and no time to live: while consumers are away it grows \
until the broker stops publishers
  remedy: set max-length or max-length-bytes, with the overflow reject-publish where nothing may be lost
1 error, 2 hints"
    );
    let report = topology.lint();
    assert_eq!((report.worst(), report.count(Severity::Hint)), (Some(Severity::Error), 2));
    assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Hint);
}

// What a broker refuses.

#[test]
fn refused_parts() {
    let topology = good().queue(Queue::new("amq.mine"));
    let lint = only(&topology, "error refused at queue 'amq.mine'");
    assert!(lint.problem.contains("amq.mine"), "{lint}");
    only(&good().queue(grave("orders.x").argument("x-max-length", -1_i64)), "error refused at queue 'orders.x'");
    only(&good().exchange(Exchange::fanout("amq.mine").alternate("unrouted")), "error refused at exchange 'amq.mine'");
    only(&good().policy(Policy::new("odd", "(").define("max-length", 1_i64)), "error refused at policy 'odd'");
    let long = "x".repeat(256);
    assert_eq!(told(&good().queue(grave(&long))), [format!("error refused at queue '{long}'")]);
    clean(&good().queue(grave("orders.x")));
}

#[test]
fn refused_bindings() {
    let odd = Binding::to("amq.headers").argument("x-match", "some").argument("a", "b");
    only(
        &with_grave(good(), work("payment").binding(odd)),
        "error refused at binding from 'amq.headers' to queue 'payment' with key '' and arguments x-match: some, a: b",
    );
    let topology = with_grave(good(), work("payment").bind("", "k"));
    only(&topology, "error refused at binding from '' to queue 'payment' with key 'k'");
}

#[test]
fn wanted_twice_and_differently() {
    only(&good().exchange(Exchange::topic("events")), "error refused at exchange 'events'");
    clean(&good().exchange(Exchange::topic("events").alternate("unrouted")));
}

#[test]
fn a_binding_from_a_missing_exchange() {
    let topology = with_grave(good(), work("payment").bind("evnts", "payment.#"));
    let place = "binding from 'evnts' to queue 'payment' with key 'payment.#'";
    only(&topology, &format!("error binding-from-missing-exchange at {place}"));
    clean(&with_grave(good(), work("payment").bind("amq.topic", "payment.#")));
}

// Policies.

#[test]
fn a_policy_that_is_never_in_force() {
    let under = Policy::new("late", "^audit").priority(-1).define("max-length", 5_i64);
    let over = Policy::new("early", "^audit|^events$").define("max-length-bytes", 9_i64);
    let hidden = Policy::new("late", "^audit$").priority(-1).define("max-length", 5_i64);
    let topology = good().policy(over.clone()).policy(hidden);
    let lint = only(&topology, "warning policy-never-in-force at policy 'late'");
    assert!(lint.problem.contains("queue 'audit'") && lint.problem.contains("'early'"), "{lint}");
    // It is in force for an exchange, if for no queue.
    let hidden = Policy::new("late", "^audit$").priority(-1).define("max-length", 5_i64);
    clean(&good().policy(over.apply_to(ApplyTo::Queues)).policy(hidden));
    clean(&good().policy(under));
    // A policy for names that do not exist yet.
    clean(&good().policy(Policy::new("tmp", "^tmp\\.").expires(SECOND)));
}

#[test]
fn a_policy_with_a_key_that_a_type_of_queue_lacks() {
    let topology = good().policy(Policy::new("limit", "^audit$|^orders$").delivery_limit(9));
    only(&topology, "hint policy-does-not-suit at policy 'limit'");
    clean(&good().policy(Policy::new("limit", "^orders$").delivery_limit(9)));
}

// Exchanges.

#[test]
fn a_missing_alternate() {
    let topology =
        with_grave(good(), work("payment").bind("more", "")).exchange(Exchange::fanout("more").alternate("x"));
    only(&topology, "error missing-alternate-exchange at exchange 'more'");
    let by_policy = with_grave(good(), work("payment").bind("more", ""))
        .exchange(Exchange::fanout("more"))
        .policy(Policy::new("stray", "^more$").alternate_exchange("x"));
    only(&by_policy, "error missing-alternate-exchange at exchange 'more'");
    // The argument goes before the policy.
    clean(
        &with_grave(good(), work("payment").bind("more", ""))
            .exchange(Exchange::fanout("more").alternate("unrouted"))
            .policy(Policy::new("stray", "^more$").alternate_exchange("x")),
    );
}

#[test]
fn alternates_in_a_cycle() {
    let topology = with_grave(good(), work("payment").bind("one", "k").bind("two", "k"))
        .exchange(Exchange::direct("one").alternate("two"))
        .exchange(Exchange::direct("two").alternate("one"));
    let found = told(&topology);
    assert_eq!(found, ["warning alternate-cycle at exchange 'one'", "warning alternate-cycle at exchange 'two'"]);
    clean(
        &with_grave(good(), work("payment").bind("one", "k").bind("two", "k"))
            .exchange(Exchange::direct("one").alternate("two"))
            .exchange(Exchange::direct("two").alternate("unrouted")),
    );
}

#[test]
fn an_exchange_without_bindings() {
    only(&good().exchange(Exchange::topic("more")), "warning exchange-without-bindings at exchange 'more'");
    clean(&good().exchange(Exchange::topic("more").alternate("unrouted")));
    let by_policy = Policy::new("stray", "^more$").alternate_exchange("unrouted");
    clean(&good().exchange(Exchange::topic("more")).policy(by_policy));
}

#[test]
fn messages_without_a_binding_that_fits() {
    let bound =
        |exchange: Exchange, key: &str| with_grave(good().exchange(exchange), work("payment").bind("more", key));
    let expected = "hint unroutable-messages-dropped at exchange 'more'";
    only(&bound(Exchange::topic("more"), "a.#"), expected);
    only(&bound(Exchange::direct("more"), "a"), expected);
    let all = Binding::to("more").argument("x-match", "all");
    let vip = all.clone().argument("tier", "vip");
    only(&with_grave(good().exchange(Exchange::headers("more")), work("payment").binding(vip)), expected);
    clean(&bound(Exchange::topic("more"), "#"));
    clean(&bound(Exchange::topic("more"), "#.#"));
    clean(&bound(Exchange::fanout("more"), ""));
    clean(&bound(Exchange::direct("more").alternate("unrouted"), "a"));
    // Behind another exchange a key is a filter.
    clean(&bound(Exchange::direct("more").bind("events", "#"), "a"));
    clean(&with_grave(good().exchange(Exchange::headers("more")), work("payment").binding(all)));
}

#[test]
fn an_internal_exchange_that_nothing_leads_to() {
    let topology = |exchange: Exchange| with_grave(good().exchange(exchange), work("payment").bind("more", ""));
    only(&topology(Exchange::fanout("more").internal()), "warning unreachable-exchange at exchange 'more'");
    clean(&topology(Exchange::fanout("more").internal().bind("events", "x")));
    clean(&topology(Exchange::fanout("more")));
}

#[test]
fn a_queue_that_no_binding_leads_to() {
    let jobs = || Queue::new("jobs").max_length(10, Overflow::DropHead).dead_letter_to("jobs.dlq");
    only(&with_grave(good(), jobs()), "hint no-binding-leads-here at queue 'jobs'");
    clean(&with_grave(good(), jobs().bind("events", "job")));
    // Where nothing is bound at all, publishers name queues.
    clean(&with_grave(Topology::new(), jobs()));
}

// Keys.

#[test]
fn a_wildcard_at_a_direct_exchange() {
    let bound = |exchange: Exchange, key: &str| {
        with_grave(good().exchange(exchange.alternate("unrouted")), work("payment").bind("more", key))
    };
    let expected = "warning wildcard-in-direct-key at binding from 'more' to queue 'payment' with key 'order.*'";
    only(&bound(Exchange::direct("more"), "order.*"), expected);
    clean(&bound(Exchange::topic("more"), "order.*"));
    clean(&bound(Exchange::direct("more"), "order.a*"));
}

#[test]
fn a_wildcard_inside_a_word() {
    let bound = |key: &str| with_grave(good(), work("payment").bind("events", key));
    let place = "binding from 'events' to queue 'payment' with key 'order*.created'";
    let lint = only(&bound("order*.created"), &format!("warning wildcard-inside-word at {place}"));
    assert!(lint.problem.contains("'order*'"), "{lint}");
    clean(&bound("*.created.#"));
}

#[test]
fn a_key_at_a_headers_exchange() {
    let bound =
        |binding: Binding| with_grave(good().exchange(Exchange::headers("more")), work("payment").binding(binding));
    let place = "binding from 'more' to queue 'payment' with key 'vip'";
    only(&bound(Binding::to("more").key("vip")), &format!("warning key-at-headers-exchange at {place}"));
    clean(&bound(Binding::to("more")));
}

// Dead letters.

#[test]
fn a_missing_dead_letter_exchange() {
    let payment = || Queue::new("payment").bind("events", "payment").max_length(10, Overflow::DropHead);
    let topology = good().queue(payment().dead_letter_exchange("daed"));
    only(&topology, "error missing-dead-letter-exchange at queue 'payment'");
    let by_policy = good().queue(payment()).policy(Policy::new("dead", "^payment$").dead_letter_exchange("daed"));
    only(&by_policy, "error missing-dead-letter-exchange at queue 'payment'");
    clean(&with_grave(good(), work("payment")));
    let by_policy = good()
        .queue(payment())
        .policy(Policy::new("dead", "^payment$").dead_letter_exchange("dead").dead_letter_routing_key("orders"));
    clean(&by_policy);
}

#[test]
fn a_missing_dead_letter_queue() {
    only(&good().queue(work("payment")), "error missing-dead-letter-queue at queue 'payment'");
    clean(&with_grave(good(), work("payment")));
}

#[test]
fn dead_letters_that_find_nothing() {
    let payment = || Queue::new("payment").max_length(10, Overflow::DropHead).bind("events", "payment.#");
    let expected = "error unroutable-dead-letters at queue 'payment'";
    only(&good().queue(payment().dead_letter_exchange("dead").dead_letter_routing_key("payment")), expected);
    only(&good().queue(payment().dead_letter_exchange("dead")), expected);
    // An exchange to which nothing is bound is told of as well.
    let empty = good().exchange(Exchange::fanout("void")).queue(payment().dead_letter_exchange("void"));
    assert_eq!(told(&empty), [expected, "warning exchange-without-bindings at exchange 'void'"]);
    clean(&good().queue(payment().dead_letter_exchange("dead").dead_letter_routing_key("orders")));
    // An alternate takes them.
    let taken = good()
        .exchange(Exchange::direct("more").internal().alternate("unrouted"))
        .queue(payment().dead_letter_exchange("more"));
    assert!(!told(&taken).iter().any(|line| line.contains("dead-letters")), "{}", taken.lint());
}

#[test]
fn dead_letters_that_keep_keys_with_which_they_find_nothing() {
    let payment = || Queue::new("payment").max_length(10, Overflow::DropHead).dead_letter_exchange("graves");
    let topology = |key: &str| {
        good()
            .exchange(Exchange::topic("graves"))
            .queue(payment().bind("events", "payment.taken").bind("events", key))
            .queue(grave("payment.dlq").bind("graves", "payment.#"))
    };
    let lint = only(&topology("refund.*"), "warning unroutable-dead-letters at queue 'payment'");
    assert!(lint.problem.contains("'refund.*'"), "{lint}");
    clean(&topology("payment.*.refunded"));
    clean(&topology("*.refunded"));
}

#[test]
fn dead_letters_through_the_default_exchange_with_their_own_keys() {
    let payment = |key: &str| {
        let queue = Queue::new("payment").max_length(10, Overflow::DropHead).dead_letter_exchange("");
        good().queue(queue.bind("events", key))
    };
    only(&payment("payment.taken"), "error unroutable-dead-letters at queue 'payment'");
    // There may be queues called so; there hardly are.
    only(&payment("payment.#"), "warning unroutable-dead-letters at queue 'payment'");
    clean(&payment("orders.dlq"));
    only(&payment("payment"), "warning dead-letters-come-back at queue 'payment'");
}

#[test]
fn dead_letters_that_come_back() {
    let payment = || Queue::new("payment").max_length(10, Overflow::DropHead).bind("events", "payment.#");
    only(&good().queue(payment().dead_letter_to("payment")), "error dead-letters-come-back at queue 'payment'");
    let through_events = good().queue(payment().dead_letter_exchange("events"));
    assert!(
        told(&through_events).contains(&"warning dead-letters-come-back at queue 'payment'".to_owned()),
        "{}",
        through_events.lint()
    );
    clean(&good().queue(payment().dead_letter_to("payment.dlq")).queue(grave("payment.dlq")));
}

// Cycles.

/// `payment` dead-letters to a queue in which the dead wait, and back.
fn retrying(payment: Queue) -> Topology {
    good()
        .exchange(Exchange::direct("later").internal())
        .queue(payment.bind("events", "payment.#").dead_letter_exchange("later").dead_letter_routing_key("payment"))
        .queue(Queue::new("payment.later").bind("later", "payment").message_ttl(SECOND).dead_letter_to("payment"))
}

fn bounded(name: &str) -> Queue {
    Queue::new(name).max_length(10, Overflow::RejectPublish)
}

/// The hint that a full queue's refusals do not die; the cycles below need that overflow.
const REFUSED: &str = "hint refused-messages-do-not-dead-letter at queue 'payment'";

#[test]
fn a_retry_loop_that_nothing_ends() {
    let topology = retrying(bounded("payment"));
    assert_eq!(told(&topology), ["warning retry-without-end at queue 'payment'", REFUSED]);
    let problem = &topology.lint().findings[0].problem;
    assert!(problem.contains("'payment' → 'payment.later' → 'payment'"), "{problem}");
    // A queue for what is given up, which consumers name.
    let parked = retrying(bounded("payment")).queue(grave("payment.parked"));
    assert_eq!(told(&parked), [REFUSED]);
    // The consumer puts into the retry queue what is to be tried again, and rejects what is not.
    let straight = with_grave(good(), work("payment"))
        .queue(Queue::new("payment.later").message_ttl(SECOND).dead_letter_to("payment"));
    clean(&straight);
}

#[test]
fn a_retry_loop_that_keeps_its_keys() {
    let topology = good()
        .exchange(Exchange::topic("later").internal())
        .queue(bounded("payment").bind("events", "payment.#").dead_letter_exchange("later"))
        .queue(Queue::new("later").bind("later", "#").message_ttl(SECOND).dead_letter_exchange("events"));
    assert!(told(&topology).contains(&"warning retry-without-end at queue 'payment'".into()), "{}", topology.lint());
    // Dead letters of other keys do not come back here.
    let other = good()
        .exchange(Exchange::topic("later").internal())
        .queue(bounded("payment").bind("events", "payment.#").dead_letter_exchange("later"))
        .queue(grave("payment.dlq").bind("later", "payment.#"))
        .queue(Queue::new("later").bind("later", "order.#").message_ttl(SECOND).dead_letter_exchange("events"));
    assert_eq!(told(&other), [REFUSED], "{}", other.lint());
}

#[test]
fn a_cycle_that_drops_what_nobody_rejected() {
    let parked = |payment: Queue| retrying(payment).queue(grave("payment.parked"));
    let expected = "warning cycle-drops-messages at queue 'payment'";
    let lint = only(&parked(Queue::new("payment").max_length(10, Overflow::DropHead)), expected);
    assert!(lint.problem.contains("is over the length"), "{lint}");
    // What comes back too often dies without a rejection, so the second time round it is dropped.
    let limited = parked(Queue::new("payment").quorum().max_length_bytes(10, Overflow::RejectPublish));
    assert_eq!(told(&limited), [expected, REFUSED]);
    let unlimited = parked(Queue::new("payment").quorum().argument("x-delivery-limit", -1_i64).message_ttl(WEEK));
    assert_eq!(told(&unlimited), [expected, "warning no-delivery-limit at queue 'payment'"]);
    // Only a rejection sends it round: nothing is dropped.
    assert_eq!(told(&parked(bounded("payment"))), [REFUSED]);
}

/// A broker with this, one message in `payment`, and a consumer that settles what it gets so.
fn lived(topology: &Topology, rounds: usize, settle: fn(Delivery) -> Settled) -> u64 {
    let broker = Broker::builder().manual_time().build();
    broker.declare(topology).expect("declared");
    broker.publish("", "payment", Message::new("one")).expect("published");
    for _ in 0..rounds {
        broker.get("payment").expect("the queue").map(settle);
        broker.advance(SECOND);
    }
    topology.queues().map(|queue| broker.queue(queue.name()).expect("the queue").stats().ready).sum()
}

/// What the findings on cycles say, a broker does.
#[test]
fn what_is_said_of_cycles_is_so() {
    let limited =
        retrying(Queue::new("payment").quorum().delivery_limit(2).max_length_bytes(10, Overflow::RejectPublish));
    assert!(told(&limited).contains(&"warning cycle-drops-messages at queue 'payment'".into()));
    assert_eq!(lived(&limited, 20, Delivery::requeue), 0, "it came back too often, and was dropped");
    let endless = retrying(bounded("payment"));
    assert!(told(&endless).contains(&"warning retry-without-end at queue 'payment'".into()));
    assert_eq!(lived(&endless, 200, Delivery::reject), 1, "it still goes round");
    let alone = good().queue(bounded("payment").message_ttl(3 * SECOND).dead_letter_to("payment"));
    assert!(told(&alone).contains(&"error dead-letters-come-back at queue 'payment'".into()));
    assert_eq!(lived(&alone, 5, Delivery::requeue), 0, "it expired, and was dropped");
    assert_eq!(lived(&alone, 200, Delivery::reject), 1, "it still goes round");
}

#[test]
fn a_cycle_without_anybody_at_work() {
    let ring = |last: &str| {
        good()
            .queue(Queue::new("wait.1").message_ttl(SECOND).dead_letter_to("wait.2"))
            .queue(Queue::new("wait.2").message_ttl(SECOND).dead_letter_to(last))
    };
    only(&ring("wait.1"), "error cycle-drops-messages at queue 'wait.1'");
    clean(&ring("orders"));
}

// Work queues.

#[test]
fn a_work_queue_without_dead_letters() {
    let payment = Queue::new("payment").bind("events", "payment").max_length(10, Overflow::DropHead);
    only(&good().queue(payment.clone()), "warning work-queue-without-dead-letters at queue 'payment'");
    clean(&good().queue(payment.clone().dead_letter_to("orders.dlq")));
    // Temporary queues need none, nor do those in which the dead lie.
    clean(&good().queue(payment.transient().auto_delete()));
    clean(&good().queue(grave("more").bind("dead", "orders")));
}

#[test]
fn a_quorum_queue_whose_delivery_limit_drops() {
    let payment = Queue::new("payment").quorum().bind("events", "payment").max_length(10, Overflow::DropHead);
    let lint = only(&good().queue(payment.clone()), "warning delivery-limit-drops at queue 'payment'");
    assert!(lint.problem.contains("20 times"), "{lint}");
    clean(&good().queue(payment.dead_letter_to("orders.dlq")));
}

#[test]
fn a_quorum_queue_without_a_delivery_limit() {
    let payment = |limit: i64| with_grave(good(), work("payment").quorum().argument("x-delivery-limit", limit));
    only(&payment(-1), "warning no-delivery-limit at queue 'payment'");
    clean(&payment(3));
    // Of a limit and none, the limit counts.
    clean(&payment(-1).policy(Policy::new("limit", "^payment$").delivery_limit(3)));
}

#[test]
fn a_short_life_in_a_work_queue() {
    let payment = |ttl: Duration| with_grave(good(), work("payment").message_ttl(ttl));
    let lint = only(&payment(60 * SECOND), "warning short-life-in-work-queue at queue 'payment'");
    assert!(lint.problem.contains("60000 ms") && lint.problem.contains("are dead-lettered"), "{lint}");
    clean(&payment(WEEK));
    let policy = Policy::new("ttl", "^payment$").message_ttl(SECOND);
    only(&payment(WEEK).policy(policy), "warning short-life-in-work-queue at queue 'payment'");
    // A queue in which messages wait is meant to let them expire.
    clean(&good().queue(Queue::new("orders.retry.1s").message_ttl(SECOND).dead_letter_to("orders")));
}

#[test]
fn an_unbounded_queue() {
    let payment = || Queue::new("payment").bind("events", "payment").dead_letter_to("orders.dlq");
    only(&good().queue(payment()), "hint unbounded-queue at queue 'payment'");
    clean(&good().queue(payment().max_length_bytes(1, Overflow::DropHead)));
    clean(&good().queue(payment()).policy(Policy::new("cap", "^payment$").define("max-length", 1_i64)));
    clean(&good().queue(payment().message_ttl(WEEK)));
}

#[test]
fn many_priorities() {
    let payment = |highest: u8| with_grave(good(), work("payment").max_priority(highest));
    only(&payment(11), "hint many-priorities at queue 'payment'");
    clean(&payment(10));
}

// Graves.

#[test]
fn a_dead_letter_queue_without_bound() {
    let topology = |dead: Queue| good().queue(work("payment")).queue(dead);
    let plain = || Queue::new("payment.dlq");
    // The policy of the good topology bounds it; under another name it does not.
    clean(&topology(plain()));
    let other = |dead: Queue| {
        let payment = Queue::new("payment").bind("events", "payment").max_length(10, Overflow::DropHead);
        good().queue(payment.dead_letter_to("fallen")).queue(dead)
    };
    only(&other(Queue::new("fallen")), "warning unbounded-dead-letter-queue at queue 'fallen'");
    clean(&other(Queue::new("fallen").message_ttl(WEEK)));
    clean(&other(grave("fallen")));
    let stray = |queue: Queue| good().queue(queue.bind("unrouted", ""));
    only(&stray(Queue::new("stray")), "warning unbounded-dead-letter-queue at queue 'stray'");
    clean(&stray(grave("stray")));
}

#[test]
fn a_dead_letter_queue_that_does_not_last() {
    let topology = |dead: Queue| good().queue(work("payment")).queue(dead);
    let expected = "warning mortal-dead-letter-queue at queue 'payment.dlq'";
    only(&topology(Queue::new("payment.dlq").transient()), expected);
    only(&topology(Queue::new("payment.dlq").auto_delete()), expected);
    only(&topology(Queue::new("payment.dlq").expires(WEEK)), expected);
    clean(&topology(Queue::new("payment.dlq")));
}

// Limits.

#[test]
fn an_overflow_without_a_length() {
    let payment = |queue: Queue| good().queue(queue.bind("events", "p").message_ttl(WEEK).dead_letter_to("orders.dlq"));
    let with_word = || Queue::new("payment").argument("x-overflow", "reject-publish");
    only(&payment(with_word()), "warning overflow-without-length at queue 'payment'");
    only(&payment(with_word().argument("x-max-length", 5_i64)), REFUSED);
}

#[test]
fn refused_messages_do_not_dead_letter() {
    let payment = |overflow: Overflow| {
        let queue = Queue::new("payment").bind("events", "payment").max_length(10, overflow);
        good().queue(queue.dead_letter_to("orders.dlq"))
    };
    only(&payment(Overflow::RejectPublish), REFUSED);
    clean(&payment(Overflow::RejectPublishDlx));
    clean(&payment(Overflow::DropHead));
}

#[test]
fn reject_publish_dlx_without_dead_letters_or_in_a_quorum_queue() {
    let tmp = |queue: Queue| good().queue(queue.bind("events", "p").max_length(10, Overflow::RejectPublishDlx));
    let classic = tmp(Queue::new("payment").transient().auto_delete());
    only(&classic, "warning overflow-without-dead-letters at queue 'payment'");
    let quorum = tmp(Queue::new("payment").quorum().dead_letter_to("orders.dlq"));
    only(&quorum, "warning overflow-unknown-to-quorum at queue 'payment'");
    clean(&tmp(Queue::new("payment").dead_letter_to("orders.dlq")));
    let by_policy = Policy::new("full", "^payment$").max_length(10, Overflow::RejectPublishDlx);
    let payment = Queue::new("payment").quorum().bind("events", "p").dead_letter_to("orders.dlq");
    only(&good().queue(payment).policy(by_policy), "warning overflow-unknown-to-quorum at queue 'payment'");
}

#[test]
fn dead_letters_that_arrive_at_most_once() {
    let payment = |overflow: Overflow| {
        let queue = Queue::new("payment").quorum().bind("events", "p").dead_letter_to("orders.dlq");
        good().queue(queue.max_length(10, overflow).dead_letter_strategy(Strategy::AtLeastOnce))
    };
    only(&payment(Overflow::DropHead), "warning not-at-least-once at queue 'payment'");
    clean(&payment(Overflow::RejectPublish));
}

// What does not last.

#[test]
fn transient_exchanges() {
    let topology = |exchange: Exchange| with_grave(good().exchange(exchange), work("payment").bind("more", ""));
    only(&topology(Exchange::fanout("more").transient()), "warning transient-exchange at exchange 'more'");
    only(&topology(Exchange::fanout("more").auto_delete()), "warning durable-auto-delete at exchange 'more'");
    clean(&topology(Exchange::fanout("more").transient().auto_delete()));
    clean(&topology(Exchange::fanout("more")));
}

#[test]
fn transient_queues() {
    only(&with_grave(good(), work("payment").transient()), "warning transient-queue at queue 'payment'");
    clean(&with_grave(good(), work("payment").transient().auto_delete()));
    clean(&with_grave(good(), work("payment").transient().expires(WEEK)));
}

#[test]
fn durable_queues_that_go() {
    only(&with_grave(good(), work("payment").auto_delete()), "warning durable-auto-delete at queue 'payment'");
    only(&with_grave(good(), work("payment").expires(WEEK)), "hint durable-queue-expires at queue 'payment'");
    let delay = |unused: Duration| {
        good().queue(Queue::new("orders.retry.9s").message_ttl(9 * SECOND).expires(unused).dead_letter_to("orders"))
    };
    only(&delay(9 * SECOND), "hint durable-queue-expires at queue 'orders.retry.9s'");
    clean(&delay(10 * SECOND));
    clean(&with_grave(good(), work("payment")));
}

/// The table in the documentation has every code that the rules use, and no other.
#[test]
fn every_code_is_documented() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/lint");
    let (mut used, mut documented) = (BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("text");
        for call in ["findings.error(", "findings.warning(", "findings.hint("] {
            let codes = text.split(call).skip(1).map(|rest| rest.trim_start().trim_start_matches('"'));
            used.extend(codes.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
        let rows = text.lines().filter_map(|line| line.trim_start().strip_prefix("/// | `"));
        documented.extend(rows.filter_map(|row| row.split('`').next()).map(str::to_owned));
    }
    assert!(used.len() > 30);
    assert_eq!(used, documented);
}

#[test]
fn hostile_topologies_are_linted_to_an_end() {
    let chain =
        |at: usize| Queue::new(format!("c{at}")).message_ttl(SECOND).dead_letter_to(format!("c{}", (at + 1) % 500));
    let mut ring = (0..500).map(chain).fold(Topology::new(), Topology::queue);
    assert_eq!(ring.lint().count(Severity::Error), 1);
    for at in 0..200 {
        let bound = Exchange::topic(format!("e{at}")).bind(format!("e{}", (at + 1) % 200), "#.*.#").alternate("e0");
        ring = ring.exchange(bound);
    }
    let words = ["#.a", "*.b.#", "a.#.#.b"].map(|word| word.repeat(9).replace("a#", "a.#"));
    for (at, key) in words.iter().cycle().take(100).enumerate() {
        let next = Queue::new(format!("q{at}")).bind(format!("e{at}"), key.as_str()).dead_letter_exchange("e7");
        ring = ring.queue(next);
    }
    let escape = ring.queue(Queue::new("x\u{1b}[2J\u{202e}").dead_letter_exchange("\u{7}"));
    let text = escape.lint().to_string();
    assert!(text.contains("queue 'x\\u{1b}[2J\\u{202e}': its dead-letter exchange '\\u{7}' does not exist"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    assert_eq!(text, escape.clone().lint().to_string());
}

#[cfg(feature = "serde")]
mod files {
    use super::*;

    #[test]
    fn the_shops_export_has_these_findings() {
        let definitions =
            Topology::from_definitions(include_str!("../examples/data/shop.full.definitions.json")).expect("read");
        let mut lines = told(&definitions.topology);
        assert_eq!(lines.len(), definitions.lint().findings.len());
        lines.sort();
        let expected = "\
hint no-binding-leads-here at queue 'fraud-check'
hint unbounded-queue at queue 'email-service'
hint unbounded-queue at queue 'fraud-check'
hint unbounded-queue at queue 'push-service'
hint unbounded-queue at queue 'sms-service'
hint unbounded-queue at queue 'vip-orders'
hint unroutable-messages-dropped at exchange 'by-attributes'
hint unroutable-messages-dropped at exchange 'orders'
warning short-life-in-work-queue at queue 'analytics'
warning short-life-in-work-queue at queue 'email'
warning short-life-in-work-queue at queue 'fraud-check-log'
warning short-life-in-work-queue at queue 'inventory'
warning short-life-in-work-queue at queue 'order-processing'
warning short-life-in-work-queue at queue 'payment'
warning short-life-in-work-queue at queue 'shipping'
warning unbounded-dead-letter-queue at queue 'fraud-check.dlq'
warning unbounded-dead-letter-queue at queue 'order-processing-dlq'
warning work-queue-without-dead-letters at queue 'audit'
warning work-queue-without-dead-letters at queue 'email-service'
warning work-queue-without-dead-letters at queue 'push-service'
warning work-queue-without-dead-letters at queue 'sms-service'
warning work-queue-without-dead-letters at queue 'vip-orders'";
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn what_a_file_has_of_plugins_counts_as_there() {
        let json = r#"{
            "exchanges": [
                {"name": "later", "type": "x-delayed-message", "durable": true, "auto_delete": false,
                 "arguments": {"x-delayed-type": "direct", "alternate-exchange": "stray"}},
                {"name": "amq.rabbitmq.log", "type": "topic", "durable": true, "auto_delete": false, "internal": true},
                {"name": "stray", "type": "fanout", "durable": true, "auto_delete": false, "internal": true},
                {"name": "events", "type": "fanout", "durable": true, "auto_delete": false}
            ],
            "queues": [
                {"name": "jobs", "durable": true, "auto_delete": false,
                 "arguments": {"x-max-length": 9, "x-dead-letter-exchange": "later"}},
                {"name": "jobs.dlq", "durable": true, "auto_delete": false, "arguments": {"x-max-length": 9}},
                {"name": "stray", "durable": true, "auto_delete": false, "arguments": {"x-max-length": 9}},
                {"name": "amq.gen-x", "durable": true, "auto_delete": false, "arguments": {}},
                {"name": "log", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "stream"}}
            ],
            "bindings": [
                {"source": "later", "destination": "jobs", "destination_type": "queue", "routing_key": "jobs"},
                {"source": "amq.rabbitmq.log", "destination": "jobs", "destination_type": "queue", "routing_key": "x"},
                {"source": "amq.topic", "destination": "amq.gen-x", "destination_type": "queue", "routing_key": "x"},
                {"source": "events", "destination": "log", "destination_type": "queue", "routing_key": ""},
                {"source": "stray", "destination": "stray", "destination_type": "queue", "routing_key": ""}
            ]
        }"#;
        let definitions = Topology::from_definitions(json).expect("read");
        let found: Vec<_> =
            definitions.lint().findings.iter().map(|lint| (lint.code, lint.place.to_string())).collect();
        assert_eq!(found, [("dead-letters-come-back", "queue 'jobs'".to_owned())], "{}", definitions.lint());
        // The topology alone knows none of it.
        let bare: Vec<_> = definitions.topology.lint().findings.iter().map(|lint| lint.code).collect();
        assert!(
            bare.contains(&"missing-dead-letter-exchange") && bare.contains(&"exchange-without-bindings"),
            "{bare:?}"
        );
    }

    #[test]
    fn bindings_of_a_file_that_lack_an_end() {
        let json = r#"{
            "queues": [{"name": "jobs", "durable": true, "auto_delete": false, "arguments":
                            {"x-max-length": 9, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "jobs.dlq"}},
                       {"name": "jobs.dlq", "durable": true, "auto_delete": false, "arguments": {"x-max-length": 9}}],
            "bindings": [
                {"source": "gone", "destination": "jobs", "destination_type": "queue", "routing_key": "a"},
                {"source": "amq.topic", "destination": "gone", "destination_type": "exchange", "routing_key": "b"},
                {"source": "amq.topic", "destination": "jobs", "destination_type": "queue", "routing_key": "c"}
            ]
        }"#;
        let definitions = Topology::from_definitions(json).expect("read");
        let found: Vec<_> =
            definitions.lint().findings.iter().map(|lint| format!("{} {}", lint.code, lint.place)).collect();
        assert_eq!(
            found,
            [
                "binding-without-ends binding from 'gone' to queue 'jobs' with key 'a'",
                "binding-without-ends binding from 'amq.topic' to exchange 'gone' with key 'b'",
            ]
        );
    }

    #[test]
    fn a_report_is_serde_data() {
        let report = Topology::new().exchange(Exchange::fanout("void")).lint();
        let json = serde_json::to_value(&report).expect("json");
        let expected = serde_json::json!({"findings": [{
            "severity": "warning",
            "code": "exchange-without-bindings",
            "place": {"kind": "exchange", "name": "void"},
            "problem": "nothing is bound to it and it has no alternate exchange, so everything that comes here is dropped",
            "remedy": "bind a queue to it, or take the exchange out",
        }]});
        assert_eq!(json, expected);
    }
}
