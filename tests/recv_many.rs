//! Deliveries received together: all in order, settled together or one by one, and never lost.
//!
//! Seen to fail with: an acknowledgement that takes one more than it was told.

mod watched;

use leveret::{Broker, Consumer, Limits, Message, Queue, QueueDelete, Settled, Topology, TryRecvError};
use watched::watched;

/// A broker with one queue of this kind that dead-letters to `dead`, and `count` messages in it.
fn rig(kind: &str, count: usize) -> (Broker, Consumer) {
    let broker = Broker::builder().manual_time().build();
    let queue = Queue::new("q").argument("x-queue-type", kind).dead_letter_to("dead");
    broker.declare(&Topology::new().queue(queue).queue(Queue::new("dead"))).unwrap();
    (0..count).for_each(|n| _ = broker.publish("", "q", Message::new(n.to_string())).unwrap());
    let consumer = broker.consumer("q").prefetch(100).open().unwrap();
    (broker, consumer)
}

fn bodies<'a>(messages: impl Iterator<Item = &'a leveret::Envelope>) -> Vec<String> {
    messages.map(|message| String::from_utf8(message.body().to_vec()).unwrap()).collect()
}

fn counts(broker: &Broker) -> (u64, u64, u64) {
    let stats = broker.queue("q").unwrap().stats();
    (stats.ready, stats.unacked, stats.totals.acknowledged)
}

#[test]
fn they_come_in_order_and_at_most_so_many() {
    for kind in ["classic", "quorum"] {
        let (broker, mut consumer) = rig(kind, 5);
        let first = consumer.try_recv_many(3).unwrap();
        assert_eq!((bodies(first.messages()), first.len()), (vec!["0".into(), "1".into(), "2".into()], 3), "{kind}");
        assert_eq!(first.get(2).map(|message| message.body().to_vec()), Some(b"2".to_vec()));
        assert!(first.get(3).is_none());
        let rest = consumer.try_recv_many(100).unwrap();
        assert_eq!(bodies(rest.messages()), ["3", "4"], "{kind}");
        assert_eq!(consumer.try_recv_many(100).unwrap_err(), TryRecvError::Empty);
        assert_eq!(first.ack(), Settled::Done);
        assert_eq!(rest.ack(), Settled::Done);
        assert_eq!(counts(&broker), (0, 0, 5), "{kind}");
        broker.check_invariants().unwrap();
    }
}

#[test]
fn no_limit_is_one() {
    let (_broker, mut consumer) = rig("classic", 2);
    let batch = consumer.try_recv_many(0).unwrap();
    assert_eq!(batch.len(), 1);
    batch.ack();
}

#[test]
fn what_is_left_comes_back_in_its_place() {
    for kind in ["classic", "quorum"] {
        let (broker, mut consumer) = rig(kind, 6);
        let mut batch = consumer.try_recv_many(6).unwrap();
        assert_eq!(batch.ack_up_to(2), Settled::Done);
        batch.next().unwrap().reject();
        assert_eq!((counts(&broker), bodies(batch.messages())), ((0, 3, 2), vec!["3".into(), "4".into(), "5".into()]));
        drop(batch);
        let again: Vec<_> = consumer.try_recv_many(6).unwrap().collect();
        let seen: Vec<_> = again.iter().map(|delivery| (delivery.body().to_vec(), delivery.attempt())).collect();
        assert_eq!(seen, [(b"3".to_vec(), 2), (b"4".to_vec(), 2), (b"5".to_vec(), 2)], "{kind}");
        again.into_iter().for_each(|delivery| _ = delivery.ack());
        assert_eq!(counts(&broker), (0, 0, 5), "{kind}");
        assert_eq!(broker.queue("dead").unwrap().stats().ready, 1, "{kind}");
        broker.check_invariants().unwrap();
    }
}

#[test]
fn all_of_them_die_or_return() {
    for kind in ["classic", "quorum"] {
        let (broker, mut consumer) = rig(kind, 4);
        assert_eq!(consumer.try_recv_many(2).unwrap().reject(), Settled::Done);
        assert_eq!(consumer.try_recv_many(2).unwrap().requeue(), Settled::Done);
        assert_eq!(broker.queue("dead").unwrap().stats().ready, 2, "{kind}");
        let again = consumer.try_recv_many(9).unwrap();
        assert_eq!(bodies(again.messages()), ["2", "3"], "{kind}");
        again.ack();
    }
}

/// More acknowledged than there are is all of them; none is nothing.
#[test]
fn counts_that_do_not_fit_are_taken_as_they_can_be() {
    let (broker, mut consumer) = rig("classic", 3);
    let mut batch = consumer.try_recv_many(3).unwrap();
    assert_eq!(batch.ack_up_to(0), Settled::Done);
    assert_eq!((batch.len(), counts(&broker)), (3, (0, 3, 0)));
    assert_eq!(batch.ack_up_to(usize::MAX), Settled::Done);
    assert!(batch.is_empty());
    assert_eq!(batch.requeue(), Settled::Done);
    assert_eq!(counts(&broker), (0, 0, 3));
}

#[test]
fn without_acknowledgement_nothing_is_due() {
    let (broker, consumer) = rig("classic", 0);
    drop(consumer);
    let mut consumer = broker.consumer("q").no_ack().open().unwrap();
    broker.publish("", "q", Message::new("m")).unwrap();
    drop(consumer.try_recv_many(3).unwrap());
    assert_eq!(counts(&broker), (0, 0, 1));
}

#[test]
fn a_deleted_queue_has_nothing_to_settle() {
    for kind in ["classic", "quorum"] {
        let (broker, mut consumer) = rig(kind, 3);
        let batch = consumer.try_recv_many(2).unwrap();
        broker.delete_queue(&QueueDelete::new("q")).unwrap();
        assert_eq!(batch.ack(), Settled::Gone, "{kind}");
        let late = consumer.try_recv_many(2).unwrap();
        assert_eq!((bodies(late.messages()), late.requeue()), (vec!["2".into()], Settled::Gone), "{kind}");
        assert_eq!(consumer.try_recv_many(2).unwrap_err(), TryRecvError::Closed);
    }
}

/// More than a consumer's ring holds, with a prefetch that lets it.
#[test]
fn what_finds_the_ring_full_comes_after_it() {
    let mut limits = Limits::default();
    limits.undrained_deliveries = 500;
    let broker = Broker::builder().limits(limits).build();
    broker.declare(&Topology::new().queue(Queue::new("q"))).unwrap();
    let mut consumer = broker.consumer("q").prefetch(300).open().unwrap();
    let mut publisher = broker.publisher("").unwrap();
    let mut sent = 0;
    let mut received = 0;
    for step in [10, 40, 100, 7, 143, 64, 200] {
        for _ in 0..step {
            publisher.try_send("q", Message::new(sent.to_string())).unwrap();
            sent += 1;
        }
        // Leaves some behind each time, so that the ring fills while older ones wait.
        for _ in 0..step / 2 {
            let delivery = consumer.try_recv().unwrap();
            assert_eq!(delivery.body(), received.to_string().as_bytes());
            received += 1;
            delivery.ack();
        }
    }
    while let Ok(batch) = consumer.try_recv_many(16) {
        for message in batch.messages() {
            assert_eq!(message.body(), received.to_string().as_bytes());
            received += 1;
        }
        batch.ack();
    }
    assert_eq!(received, sent);
    broker.check_invariants().unwrap();
}

#[test]
fn they_are_awaited() {
    let _watch = watched();
    let (broker, mut consumer) = rig("classic", 0);
    let receiving = std::thread::spawn(move || {
        let batch = consumer.blocking_recv_many(8).unwrap();
        let bodies = bodies(batch.messages());
        batch.ack();
        (consumer, bodies)
    });
    broker.publish("", "q", Message::new("m")).unwrap();
    let (mut consumer, received) = receiving.join().unwrap();
    assert_eq!(received, ["m"]);
    broker.publish("", "q", Message::new("n")).unwrap();
    let batch = smol::block_on(consumer.recv_many(8)).unwrap();
    assert_eq!(bodies(batch.messages()), ["n"]);
    batch.ack();
    consumer.cancel();
    assert!(smol::block_on(consumer.recv_many(8)).is_none());
    assert!(consumer.blocking_recv_many(8).is_none());
}
