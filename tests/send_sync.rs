//! What may be sent to and shared between threads: a table that the compiler checks.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

use leveret::{
    Broker, BrokerStats, Builder, ConsumeError, Consumer, ConsumerBuilder, Deliveries, Delivery, Fact, History, Iter,
    Journey, Ledger, Message, MessageRef, Peeked, PublishError, PublishErrorKind, Publisher, QueueHandle, QueueStats,
    Recorder, Routed, RoutedMany, SendManyError, Settled, Shutdown, ShutdownFuture, ShutdownReport, Topology,
    TopologyError, TryRecvError,
};
use std::panic::{RefUnwindSafe, UnwindSafe};

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn is_static<T: 'static>() {}
fn cloned<T: Clone>() {}

macro_rules! table {
    ($($type:ty: $($fact:ident)+;)+) => {
        $($($fact::<$type>();)+)+
    };
}

#[test]
fn values_and_handles() {
    table! {
        Broker: send sync unpin is_static cloned;
        Builder: send sync unpin is_static;
        Publisher: send sync unpin is_static cloned;
        Consumer: send sync unpin is_static;
        Deliveries: send sync unpin is_static;
        ConsumerBuilder<'static>: send sync unpin;
        Iter<'static>: send sync unpin;
        Delivery: send sync unpin is_static;
        QueueHandle: send sync unpin is_static;
        Shutdown: send sync unpin is_static;
        ShutdownFuture: send sync unpin is_static;
        Message: send sync unpin is_static cloned;
        Topology: send sync unpin is_static cloned;
        Peeked: send sync unpin is_static cloned;
        BrokerStats: send sync unpin is_static cloned;
        Fact: send sync unpin is_static cloned;
        MessageRef: send sync unpin is_static cloned;
        Recorder: send sync unpin is_static cloned;
        Journey: send sync unpin is_static cloned;
        History: send sync unpin is_static cloned;
        Ledger: send sync unpin is_static cloned;
        QueueStats: send sync unpin is_static cloned;
        ShutdownReport: send sync unpin is_static cloned;
        Routed: send sync unpin is_static cloned;
        RoutedMany: send sync unpin is_static cloned;
        SendManyError: send sync unpin is_static cloned;
        Settled: send sync unpin is_static cloned;
        PublishError: send sync unpin is_static cloned;
        PublishErrorKind: send sync unpin is_static cloned;
        ConsumeError: send sync unpin is_static cloned;
        TopologyError: send sync unpin is_static cloned;
        TryRecvError: send sync unpin is_static cloned;
    }
}

#[test]
fn futures_may_go_to_any_thread() {
    fn send_value<T: Send>(_: &T) {}
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&leveret::QueueDeclare::new("q")).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    let mut consumer = broker.consumer("q").open().unwrap();
    send_value(&publisher.send("q", Message::new("m")));
    send_value(&publisher.send_many("q", [Message::new("m")]));
    send_value(&consumer.recv());
}

#[test]
fn errors_are_small() {
    assert!(size_of::<Result<Routed, PublishError>>() <= 2 * size_of::<usize>());
    assert!(size_of::<PublishError>() == size_of::<usize>());
}

#[test]
fn data_outlives_a_panic() {
    fn unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    unwind_safe::<Message>();
    unwind_safe::<PublishError>();
    unwind_safe::<Topology>();
}
