//! Foreign code that the broker runs: the owner of a body may do what it likes when it is freed, also call the broker.
//!
//! A purge, a deletion and acknowledgements carried out in batches once freed bodies under the queue's lock, so such a
//! call never came back.
//!
//! Seen to fail with: bodies that are freed under the queue's lock.

use bytes::Bytes;
use leveret::{Acknowledge, Broker, Message, QueueDeclare, QueueDelete};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Looks at every queue of the broker when it is freed.
struct Owner {
    broker: Broker,
    freed: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        b"body"
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.broker.stats();
        let _ = self.broker.declare_queue(&QueueDeclare::new("other"));
        let _ = self.broker.publish("", "q", Message::new("from a drop"));
        self.freed.fetch_add(1, Ordering::Relaxed);
    }
}

fn rig(kind: &str) -> (Broker, impl Fn(usize), Arc<AtomicUsize>) {
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
    let freed = Arc::new(AtomicUsize::new(0));
    let (same, counter) = (broker.clone(), Arc::clone(&freed));
    let publish = move |count| {
        for _ in 0..count {
            let owner = Owner { broker: same.clone(), freed: Arc::clone(&counter) };
            same.publish("", "q", Message::new(Bytes::from_owner(owner))).unwrap();
        }
    };
    (broker, publish, freed)
}

#[test]
fn a_purge_frees_without_a_lock() {
    for kind in ["classic", "quorum"] {
        let (broker, publish, freed) = rig(kind);
        publish(3);
        assert_eq!(broker.queue("q").unwrap().purge().unwrap(), 3);
        assert_eq!(freed.load(Ordering::Relaxed), 3, "{kind}");
    }
}

#[test]
fn a_deletion_frees_without_a_lock() {
    for kind in ["classic", "quorum"] {
        let (broker, publish, freed) = rig(kind);
        publish(3);
        let out = broker.get("q").unwrap().unwrap();
        broker.delete_queue(&QueueDelete::new("q")).unwrap();
        drop(out);
        assert_eq!(freed.load(Ordering::Relaxed), 3, "{kind}");
    }
}

#[test]
fn a_shutdown_frees_without_a_lock() {
    for kind in ["classic", "quorum"] {
        let (broker, publish, freed) = rig(kind);
        publish(3);
        let _ = broker.shutdown().wait();
        assert_eq!(freed.load(Ordering::Relaxed), 3, "{kind}");
    }
}

#[test]
fn acknowledgements_free_without_a_lock() {
    for kind in ["classic", "quorum"] {
        let (broker, publish, freed) = rig(kind);
        let mut consumer = broker.consumer("q").open().unwrap();
        // By a look at the queue, by a publish, and by the acknowledgement that is one too many.
        for (count, wanted) in [(10, 10), (50, 60), (100, 160)] {
            publish(count);
            for _ in 0..count {
                consumer.try_recv().unwrap().ack();
            }
            if count == 50 {
                broker.publish("", "q", Message::new("plain")).unwrap();
            }
            let _ = broker.stats();
            while let Ok(delivery) = consumer.try_recv() {
                delivery.ack();
            }
            assert_eq!(freed.load(Ordering::Relaxed), wanted, "{kind}");
        }
    }
}

#[test]
fn a_channel_frees_without_a_lock() {
    for kind in ["classic", "quorum"] {
        let (broker, publish, freed) = rig(kind);
        publish(2);
        let connection = broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        for _ in 0..2 {
            let tag = channel.basic_get("q", Acknowledge::Yes).unwrap().unwrap().delivery.delivery_tag;
            channel.basic_ack(tag).unwrap();
        }
        let _ = broker.stats();
        assert_eq!(freed.load(Ordering::Relaxed), 2, "{kind}");
    }
}

struct Nobody;

impl std::task::Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// The queue once kept the place where a consumer's deliveries went, and with it the consumer's waker, until another
/// consumer came.
#[test]
fn a_consumer_that_went_leaves_no_waker() {
    for kind in ["classic", "quorum"] {
        let (broker, ..) = rig(kind);
        let task = Arc::new(Nobody);
        let waker = std::task::Waker::from(Arc::clone(&task));
        let mut consumer = broker.consumer("q").open().unwrap();
        assert!(consumer.poll_recv(&mut std::task::Context::from_waker(&waker)).is_pending());
        drop(waker);
        drop(consumer);
        assert_eq!(Arc::strong_count(&task), 1, "{kind}");
    }
}
