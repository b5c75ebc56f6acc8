//! What dead letters take at most: hops, records, and how soon they are tried again.

use super::rig::{Rig, rig};
use leveret::{Message, Overflow, Policy, Queue, QueueDeclare, Topology, Value};
use std::time::Duration;

#[test]
fn hops_per_call() {
    for hops in [0, 1, 3] {
        let rig = rig(|limits| limits.hops_per_call = hops);
        let dying = Queue::new("dying").dead_letter_to("grave").message_ttl(Duration::from_millis(5));
        rig.broker.declare(&Topology::new().queue(dying).queue(Queue::new("grave"))).unwrap();
        rig.fill("dying", 10);
        // All die within one call, which carries its share; each later call carries some more.
        let purged = rig.broker.set_policy(Policy::new("p", "dying").max_length(0, Overflow::DropHead));
        purged.unwrap();
        let share = hops.max(1) as u64;
        let arrived = |rig: &Rig| rig.broker.stats().dead_letters.arrived;
        assert_eq!(arrived(&rig), share);
        assert_eq!(rig.broker.next_deadline(), Some(rig.broker.now()));
        rig.broker.publish("", "nowhere", Message::new("")).unwrap();
        assert_eq!(arrived(&rig), 2 * share);
        rig.declare("elsewhere");
        assert_eq!(arrived(&rig), 3 * share);
        rig.broker.run_due();
        assert_eq!(arrived(&rig), 10);
        // Nothing was lost, and the order is kept.
        let order: Vec<_> = std::iter::from_fn(|| rig.broker.get("grave").unwrap())
            .map(|delivery| String::from_utf8_lossy(&{ delivery.body().clone() }).into_owned())
            .take(10)
            .collect();
        assert_eq!(order.len(), 10);
        rig.is_well("elsewhere");
    }
}

#[test]
fn death_records() {
    for limit in [0_usize, 1, 2] {
        let rig = rig(|limits| limits.death_records = limit);
        let chain = |from: &str, to: &str| Queue::new(from).dead_letter_to(to);
        let topology = Topology::new().queue(chain("a", "b")).queue(chain("b", "c")).queue(chain("c", "d"));
        rig.broker.declare(&topology.queue(Queue::new("d"))).unwrap();
        rig.fill("a", 1);
        for queue in ["a", "b", "c"] {
            rig.broker.get(queue).unwrap().unwrap().reject();
        }
        let last = rig.broker.get("d").unwrap().unwrap();
        let queues: Vec<&str> = last.deaths().iter().map(|death| &*death.queue).collect();
        assert_eq!(queues, &["c", "b"][..limit.max(1)]);
        let Some(Value::Array(shown)) = last.header("x-death") else { panic!("no x-death") };
        assert_eq!(shown.len(), limit.max(1));
        assert_eq!(last.header("x-first-death-queue"), Some(&Value::from("a")));
    }
}

#[test]
fn dead_letter_retry_millis() {
    for millis in [0, 1, 1_000, u64::MAX] {
        let rig = rig(|limits| limits.dead_letter_retry_millis = millis);
        let dying = QueueDeclare::new("dying")
            .durable()
            .argument("x-queue-type", "quorum")
            .argument("x-overflow", "reject-publish")
            .argument("x-dead-letter-exchange", "")
            .argument("x-dead-letter-routing-key", "late")
            .argument("x-dead-letter-strategy", "at-least-once");
        rig.broker.declare_queue(&dying).unwrap();
        rig.fill("dying", 1);
        rig.broker.get("dying").unwrap().unwrap().reject();
        assert_eq!(rig.broker.queue("dying").unwrap().stats().dying, 1);
        rig.declare("late");
        rig.broker.run_due();
        assert_eq!(rig.counts("late").0, 0);
        if millis > 1_000 {
            // Never, and no call hangs.
            rig.broker.advance(Duration::from_secs(1_000_000));
            assert_eq!(rig.broker.queue("dying").unwrap().stats().dying, 1);
            continue;
        }
        rig.broker.advance(Duration::from_millis(millis.max(1)));
        assert_eq!(rig.counts("late").0, 1);
        assert_eq!(rig.broker.queue("dying").unwrap().stats().dying, 0);
    }
}
