//! Explorations find the bugs that are planted here, by the same seeds each time, and tell them short; what is right
//! survives all seeds.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use leveret::testing::explore::{replay, try_replay};
use leveret::testing::{Exploration, Explorer, Failure, Worker, explore, try_explore};
use leveret::{ChannelEvent, Consume, Delivery, Exchange, Injected, Message, PublishErrorKind, Queue, Topology, What};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn orders(t: &Exploration) {
    t.declare(&Topology::new().queue(Queue::new("orders"))).unwrap();
}

fn send(t: &Exploration, ids: std::ops::Range<u32>) {
    for id in ids {
        t.publish("", "orders", Message::new(id.to_string()).message_id(id.to_string())).unwrap();
    }
}

fn id(delivery: &Delivery) -> String {
    delivery.properties().message_id.clone().unwrap().to_string()
}

/// Counts each order as often as it comes.
fn counts_each_time(t: &Exploration) {
    orders(t);
    let total = Rc::new(Cell::new(0));
    let sum = Rc::clone(&total);
    t.on("orders", move |order, _| {
        sum.set(sum.get() + 1);
        order.ack();
    });
    send(t, 0..5);
    t.run();
    assert_eq!(total.get(), 5, "orders were counted");
}

/// Acknowledges, and then works.
fn acknowledges_first(t: &Exploration) {
    orders(t);
    let done = Rc::new(RefCell::new(BTreeSet::new()));
    let work = Rc::clone(&done);
    t.on("orders", move |order, _| {
        let id = id(&order);
        order.ack();
        work.borrow_mut().insert(id);
    });
    send(t, 0..5);
    t.run();
    assert_eq!(done.borrow().len(), 5, "orders were done");
}

/// Works once for each order, and then acknowledges.
fn right(t: &Exploration) {
    orders(t);
    let done = Rc::new(RefCell::new(Vec::new()));
    for tag in ["a", "b"] {
        let work = Rc::clone(&done);
        t.work(Worker::on("orders").tag(tag).prefetch(2), move |order, _| {
            let id = id(&order);
            if !work.borrow().contains(&id) {
                work.borrow_mut().push(id);
            }
            order.ack();
        });
    }
    send(t, 0..5);
    t.run();
    let mut done = done.borrow().clone();
    done.sort();
    assert_eq!(done, ["0", "1", "2", "3", "4"]);
    let stats = t.queue("orders").unwrap().stats();
    assert_eq!((stats.ready, stats.unacked, stats.totals.acknowledged), (0, 0, 5));
    t.check_invariants().unwrap();
}

/// Two programs add to one number, and wait between reading and writing it.
fn adds_by_reading_and_writing(t: &Exploration) {
    orders(t);
    let number = Rc::new(Cell::new(0));
    for name in ["a", "b"] {
        let number = Rc::clone(&number);
        t.spawn(name, move |t| {
            let number = Rc::clone(&number);
            async move {
                let mut orders = t.consumer("orders").prefetch(1).open().unwrap();
                while let Some(order) = orders.recv().await {
                    let read = number.get();
                    t.pause().await;
                    number.set(read + 1);
                    order.ack();
                }
            }
        });
    }
    send(t, 0..2);
    t.run();
    assert_eq!(number.get(), 2, "both were added");
}

/// Two consumers, and a test that takes their deliveries to be done in the order in which they came.
fn takes_an_order_for_granted(t: &Exploration) {
    orders(t);
    let seen = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..2 {
        let seen = Rc::clone(&seen);
        t.on("orders", move |order, _| {
            seen.borrow_mut().push(id(&order));
            order.ack();
        });
    }
    send(t, 0..3);
    t.run();
    assert_eq!(*seen.borrow(), ["0", "1", "2"]);
}

fn only_orders() -> Explorer {
    Explorer::new().faults([])
}

fn history(failure: &Failure) -> String {
    failure.history().join("\n")
}

#[test]
fn a_consumer_that_is_not_idempotent_is_caught() {
    let failure = try_explore(0..20, counts_each_time).unwrap_err();
    assert!(failure.message().contains("orders were counted"), "{failure}");
    // One fault is enough to show it.
    assert_eq!(failure.choices().iter().filter(|choice| **choice != 0).count(), 1, "{failure}");
    let one_of = ["the acknowledgement is lost", "dies before its acknowledgement takes effect"];
    assert!(one_of.iter().any(|what| failure.to_string().contains(what)), "{failure}");
}

#[test]
fn an_acknowledgement_before_the_work_is_caught() {
    let failure = try_explore(0..20, acknowledges_first).unwrap_err();
    assert!(failure.message().contains("orders were done"), "{failure}");
    assert!(failure.steps().any(|step| step == "'orders-1' dies right after its acknowledgement"), "{failure}");
    assert_eq!(failure.choices().iter().filter(|choice| **choice != 0).count(), 1, "{failure}");
    assert!(history(&failure).contains("fault: the consumer dies between two of its steps"), "{failure}");
}

#[test]
fn a_lost_update_is_caught_without_any_fault() {
    let failure = only_orders().try_explore(0..50, adds_by_reading_and_writing).unwrap_err();
    assert!(failure.message().contains("both were added"), "{failure}");
}

#[test]
fn an_order_across_two_consumers_is_not_to_be_relied_on() {
    let failure = only_orders().try_explore(0..50, takes_an_order_for_granted).unwrap_err();
    assert!(failure.message().contains("left == right"), "{failure}");
    assert_eq!(failure.choices().iter().filter(|choice| **choice != 0).count(), 1, "{failure}");
    assert!(!failure.to_string().contains("dies"), "{failure}");
}

#[test]
fn what_is_right_survives_all_seeds_and_all_sorts_of_faults() {
    let explored = explore(0..300, right);
    assert_eq!(explored.runs, 300);
    assert!(explored.faults > 300, "{explored:?}");
    let delays = [Injected::DeliverTwice, Injected::KillConsumer, Injected::KillLater, Injected::DelayDelivery];
    Explorer::new().faults(delays).most_faults(6).explore(0..300, right);
}

#[test]
fn the_same_seed_is_the_same_history() {
    let run = |seed: u64| {
        let lines = RefCell::new(Vec::new());
        replay(seed, |t| {
            right(t);
            *lines.borrow_mut() =
                t.facts().iter().map(|fact| format!("{} {:?} {fact}", fact.number, fact.at)).collect();
        });
        lines.into_inner()
    };
    for seed in 0..10 {
        assert_eq!(run(seed), run(seed));
    }
    let different: BTreeSet<Vec<String>> = (0..10).map(run).collect();
    assert!(different.len() > 6, "{}", different.len());
    // And so with programs, and with failures as a whole.
    let fails = |_| only_orders().try_explore(0..50, adds_by_reading_and_writing).unwrap_err();
    assert_eq!(fails(1), fails(2));
}

#[test]
fn a_failure_is_run_again_by_its_seed_and_by_its_choices() {
    let failure = try_explore(0..20, acknowledges_first).unwrap_err();
    let by_seed = try_replay(failure.seed().unwrap(), acknowledges_first).unwrap_err();
    assert_eq!(by_seed.choices(), failure.first_choices());
    let by_choices = try_replay(failure.token(), acknowledges_first).unwrap_err();
    assert_eq!(by_choices.choices(), failure.choices());
    assert_eq!(by_choices.message(), failure.message());
    assert_eq!(history(&by_choices), history(&failure));
    assert!(by_choices.steps().eq(failure.steps()));
    // It is the fault that it needs: without it all is well.
    replay("", acknowledges_first);
    assert_eq!(
        failure.to_string().lines().last().unwrap(),
        format!("again: leveret::testing::explore::replay(\"{}\", |t| …)", failure.token())
    );
}

#[test]
fn shrinking_leaves_less_that_still_fails() {
    let most = Explorer::new().most_faults(20);
    let mut shorter = 0;
    for seed in 0..20 {
        let Err(failure) = most.try_explore([seed], counts_each_time) else { continue };
        let odd = |choices: &[u32]| choices.iter().filter(|choice| **choice != 0).count();
        assert!(odd(failure.choices()) <= odd(failure.first_choices()));
        assert_eq!(odd(failure.choices()), 1, "{failure}");
        shorter += usize::from(failure.choices().len() < failure.first_choices().len());
        assert!(most.try_replay(failure.token(), counts_each_time).is_err());
    }
    assert!(shorter > 5, "{shorter}");
}

#[test]
fn the_text_tells_the_run_step_by_step() {
    let failure = try_explore(0..20, |t| {
        orders(t);
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        t.work(Worker::on("orders").tag("billing"), move |order, _| {
            counted.set(counted.get() + 1);
            assert!(counted.get() < 2, "billed twice");
            order.ack();
        });
        send(t, 7..8);
        t.run();
    })
    .unwrap_err();
    let text = failure.to_string();
    let lines: Vec<&str> = text.lines().collect();
    let seed = failure.seed().unwrap();
    assert!(
        lines[0].starts_with(&format!(
            "seed {seed} fails, in run {}: billed twice, at tests/testing_explore.rs:",
            seed + 1
        )),
        "{text}"
    );
    let at = lines.iter().position(|line| line.starts_with("the simplest run")).unwrap();
    assert_eq!(
        lines[at + 1..],
        [
            "      1  'billing' gets 7 from 'orders'",
            "  *   2  'billing' acknowledges to 'orders': the acknowledgement is lost, and the message comes again",
            "      3  'billing' gets 7 from 'orders', redelivered",
            "again: leveret::testing::explore::replay(\"1\", |t| …)",
        ],
        "{text}"
    );
}

#[test]
fn errors_are_failures_and_explore_panics_with_the_text() {
    let failing = |t: &Exploration| -> Result<(), Box<dyn std::error::Error>> {
        t.queue("none")?;
        Ok(())
    };
    let failure = try_explore(5..6, failing).unwrap_err();
    assert_eq!(failure.message(), t_error());
    assert_eq!((failure.seed(), failure.choices()), (Some(5), &[][..]));
    let panic = std::panic::catch_unwind(|| explore(5..6, failing)).unwrap_err();
    assert_eq!(*panic.downcast::<String>().unwrap(), failure.to_string());
    assert_eq!(explore(0..0, failing).runs, 0);
    let no_list = try_replay("1,2", |_| ()).unwrap_err();
    assert!(no_list.message().starts_with("'1,2' is no list of choices"), "{no_list}");
}

fn t_error() -> String {
    leveret::testing::TestBroker::new().queue("none").unwrap_err().to_string()
}

#[test]
fn a_program_dies_between_its_steps_and_comes_again() {
    // Takes a note that it began, and that it ended: one without the other is a death in between.
    let halves = Rc::new(Cell::new(0));
    explore(0..100, |t| {
        orders(t);
        let (begun, ended) = (Rc::new(RefCell::new(BTreeSet::new())), Rc::new(RefCell::new(BTreeSet::new())));
        let tries = Rc::new(Cell::new(0));
        let (first, last, count) = (Rc::clone(&begun), Rc::clone(&ended), Rc::clone(&tries));
        t.spawn("worker", move |t| {
            let (first, last, count) = (Rc::clone(&first), Rc::clone(&last), Rc::clone(&count));
            async move {
                let mut orders = t.consumer("orders").prefetch(1).open().unwrap();
                while let Some(order) = orders.recv().await {
                    count.set(count.get() + 1);
                    first.borrow_mut().insert(id(&order));
                    t.pause().await;
                    last.borrow_mut().insert(id(&order));
                    order.ack();
                }
            }
        });
        send(t, 0..3);
        t.run();
        assert_eq!((begun.borrow().len(), ended.borrow().len()), (3, 3));
        halves.set(halves.get() + tries.get() - 3);
        assert_eq!(t.queue("orders").unwrap().stats().unacked, 0);
        t.check_invariants().unwrap();
    });
    assert!(halves.get() > 20, "{}", halves.get());
}

#[test]
fn work_before_an_await_that_is_done_twice_is_caught() {
    let failure = try_explore(0..50, |t| {
        orders(t);
        let billed = Rc::new(Cell::new(0));
        let bill = Rc::clone(&billed);
        t.spawn("billing", move |t| {
            let bill = Rc::clone(&bill);
            async move {
                let mut orders = t.consumer("orders").open().unwrap();
                while let Some(order) = orders.recv().await {
                    bill.set(bill.get() + 1);
                    t.pause().await;
                    order.ack();
                }
            }
        });
        send(t, 0..1);
        t.run();
        assert_eq!(billed.get(), 1);
    })
    .unwrap_err();
    assert_eq!(failure.choices().iter().filter(|choice| **choice != 0).count(), 1, "{failure}");
}

#[test]
fn publishes_of_actors_fail_where_that_is_asked_for_and_those_of_the_test_never() {
    let seen = Rc::new(RefCell::new(BTreeSet::new()));
    let faults = [Injected::RefusePublish, Injected::LoseConfirm, Injected::NackTaken, Injected::FillQueue];
    Explorer::new().faults(faults).explore(0..100, |t| {
        t.declare(&Topology::new().queue(Queue::new("orders")).queue(Queue::new("bills"))).unwrap();
        let kinds = Rc::clone(&seen);
        t.on("orders", move |order, t| {
            if let Err(error) = t.publish("", "bills", Message::new("bill")) {
                kinds.borrow_mut().insert(match error.kind() {
                    PublishErrorKind::Refused { taken: 0, .. } => "refused",
                    PublishErrorKind::Refused { .. } => "nacked",
                    PublishErrorKind::Timeout { taken: 1 } => "lost",
                    PublishErrorKind::Full { .. } => "full",
                    other => panic!("{other}"),
                });
            }
            order.ack();
        });
        send(t, 0..3);
        t.run();
        send(t, 3..4);
        t.run();
    });
    assert_eq!(seen.borrow().iter().copied().collect::<Vec<_>>(), ["full", "lost", "nacked", "refused"]);
}

#[test]
fn a_program_waits_for_its_late_confirm_and_time_moves_for_that_alone() {
    let late = Rc::new(Cell::new(0));
    let delays = Explorer::new().faults([Injected::DelayConfirm, Injected::DelayDelivery]).delay(5 * SECOND);
    delays.explore(0..60, |t| {
        t.declare(&Topology::new().queue(Queue::new("orders")).queue(Queue::new("slow").message_ttl(60 * SECOND)))
            .unwrap();
        t.publish("", "slow", Message::new("stays")).unwrap();
        let (sent, got) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (sends, gets) = (Rc::clone(&sent), Rc::clone(&got));
        t.spawn("sender", move |t| {
            let sends = Rc::clone(&sends);
            async move {
                let mut publisher = t.publisher("").unwrap();
                for _ in 0..2 {
                    publisher.send("orders", Message::new("x")).await.unwrap();
                    sends.set(sends.get() + 1);
                }
            }
        });
        t.on("orders", move |order, _| {
            gets.set(gets.get() + 1);
            order.ack();
        });
        t.run();
        assert_eq!((sent.get(), got.get()), (2, 2));
        let now = t.now().as_millis();
        assert!(now.is_multiple_of(5_000) && now <= 15_000, "{now}");
        late.set(late.get() + usize::from(now > 0));
        assert_eq!(t.queue("slow").unwrap().stats().ready, 1);
    });
    assert!((5..60).contains(&late.get()), "{}", late.get());
}

#[test]
fn time_is_a_choice_where_the_test_says_so() {
    let retry = |t: &Exploration| {
        t.declare(
            &Topology::new()
                .queue(Queue::new("orders").message_ttl(10 * SECOND).dead_letter_to("late"))
                .queue(Queue::new("late")),
        )
        .unwrap();
        let late = Rc::new(Cell::new(0));
        let counted = Rc::clone(&late);
        send(t, 0..2);
        t.work(Worker::on("late").tag("late"), move |order, _| {
            counted.set(counted.get() + 1);
            order.ack();
        });
        t.spawn("orders", |t| async move {
            t.pause().await;
            let mut orders = t.consumer("orders").open().unwrap();
            while let Some(order) = orders.recv().await {
                order.ack();
            }
        });
        t.run_for(60 * SECOND);
        assert_eq!(late.get(), 0, "nothing was late");
        assert_eq!(t.now().as_millis(), 0);
    };
    // The plain choice is that time waits for everybody.
    only_orders().replay("", retry);
    let failure = only_orders().try_explore(0..50, retry).unwrap_err();
    assert!(failure.message().contains("nothing was late"), "{failure}");
    assert_eq!(failure.choices().iter().filter(|choice| **choice != 0).count(), 1, "{failure}");
    // Without time in the run nothing is ever late.
    only_orders().explore(0..50, |t| {
        orders(t);
        send(t, 0..2);
        t.on("orders", |order, _| _ = order.ack());
        t.run();
        assert_eq!(t.now().as_millis(), 0);
    });
}

#[test]
fn what_never_ends_fails_at_a_bound() {
    let failure = Explorer::new()
        .faults([])
        .most_steps(100)
        .try_explore(0..1, |t| {
            orders(t);
            t.on("orders", |order, _| _ = order.requeue());
            send(t, 0..1);
            t.run();
        })
        .unwrap_err();
    assert!(failure.message().starts_with("not quiet after 100 steps"), "{failure}");
    assert!(failure.to_string().contains("… 20 steps …"), "{failure}");
}

#[test]
fn mistakes_of_the_test_are_failures_with_words() {
    let failure = try_explore(0..1, |t| t.on("none", |order, _| _ = order.ack())).unwrap_err();
    assert!(failure.message().starts_with("no consumer 'none-1': "), "{failure}");
    let failure = try_explore(0..1, |t| {
        orders(t);
        t.on("orders", |order, t| {
            order.ack();
            t.run();
        });
        send(t, 0..1);
        t.run();
    })
    .unwrap_err();
    assert!(failure.message().contains("called run, which is for the test"), "{failure}");
}

#[test]
fn a_death_is_one_attempt_and_leaves_nothing_behind() {
    // Each message outlives one death, whoever had it and however it was received.
    let one = Explorer::new().faults([Injected::KillConsumer, Injected::KillLater]).most_faults(1);
    let test = |t: &Exploration, how: &str| {
        let queue = Queue::new("orders").quorum().delivery_limit(1).dead_letter_to("dead");
        t.declare(&Topology::new().queue(queue).queue(Queue::new("dead"))).unwrap();
        match how {
            "function" => t.on("orders", |order, _| _ = order.ack()),
            "program" => t.spawn("worker", |t| async move {
                let mut orders = t.consumer("orders").tag("worker").open().unwrap();
                while let Some(order) = orders.recv().await {
                    t.pause().await;
                    order.ack();
                }
            }),
            "batch" => t.spawn("worker", |t| async move {
                let mut orders = t.consumer("orders").open().unwrap();
                while let Some(mut batch) = orders.recv_many(3).await {
                    t.pause().await;
                    batch.ack_up_to(2);
                    batch.ack();
                }
            }),
            "channel" => t.spawn("worker", |t| async move {
                let connection = t.connect().unwrap();
                let channel = connection.open_channel().unwrap();
                channel.basic_consume(&Consume::new("orders")).unwrap();
                while let Some(ChannelEvent::Deliver(order)) = channel.recv().await {
                    t.pause().await;
                    channel.basic_ack(order.delivery_tag).unwrap();
                }
            }),
            _ => t.spawn("worker", |t| async move {
                while let Some(order) = t.get("orders").unwrap() {
                    t.pause().await;
                    order.ack();
                }
            }),
        }
        send(t, 0..5);
        t.run();
        let (orders, dead) = (t.queue("orders").unwrap().stats(), t.queue("dead").unwrap().stats());
        assert_eq!((orders.ready, orders.unacked, orders.totals.acknowledged, dead.ready), (0, 0, 5, 0));
        t.check_invariants().unwrap();
    };
    for how in ["function", "program", "batch", "channel", "get"] {
        let explored = one.explore(0..60, |t| test(t, how));
        assert!(explored.faults > 20, "{how}: {explored:?}");
    }
}

#[test]
fn the_tests_own_rules_hold_too() {
    only_orders().explore(0..5, |t| {
        orders(t);
        let rule = t.faults().on("orders").nth(2).deliver_twice();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let see = Rc::clone(&seen);
        t.on("orders", move |order, _| {
            see.borrow_mut().push(id(&order));
            order.ack();
        });
        send(t, 0..2);
        t.run();
        assert_eq!(*seen.borrow(), ["0", "1", "1"]);
        assert_eq!(rule.fired(), 1);
        let faults = t.facts().into_iter().filter(|fact| matches!(fact.what, What::Fault { rule: Some(0), .. }));
        assert_eq!(faults.count(), 1);
    });
}

#[test]
fn a_chain_of_services_with_publishes_in_between_is_explored() {
    // Bills are made before the order is acknowledged, and paid once each by their id.
    explore(0..150, |t| {
        t.declare(
            &Topology::new()
                .exchange(Exchange::topic("events"))
                .queue(Queue::new("orders"))
                .queue(Queue::new("bills").quorum().bind("events", "bill.*")),
        )
        .unwrap();
        t.on("orders", |order, t| {
            let bill = Message::new("bill").message_id(format!("bill of {}", id(&order)));
            t.publish("events", "bill.made", bill).unwrap();
            order.ack();
        });
        let paid = Rc::new(RefCell::new(BTreeSet::new()));
        let pays = Rc::clone(&paid);
        t.on("bills", move |bill, _| {
            pays.borrow_mut().insert(id(&bill));
            bill.ack();
        });
        send(t, 0..4);
        t.run();
        assert_eq!(paid.borrow().len(), 4);
        t.check_invariants().unwrap();
    });
}
