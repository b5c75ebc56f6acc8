//! A broker with one changed limit, and what the tests of limits share.

use leveret::{
    Acknowledge, Broker, Channel, ChannelEvent, Close, Connection, Limits, Message, Publish, QueueDeclare, ReplyCode,
    Scope, TopologyError,
};

pub(crate) struct Rig {
    pub(crate) broker: Broker,
    pub(crate) connection: Connection,
    pub(crate) channel: Channel,
}

/// A broker with one changed limit, and a channel.
pub(crate) fn rig(change: impl FnOnce(&mut Limits)) -> Rig {
    let mut limits = Limits::default();
    change(&mut limits);
    let broker = Broker::builder().limits(limits).manual_time().build();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    Rig { broker, connection, channel }
}

impl Rig {
    pub(crate) fn declare(&self, queue: &str) {
        self.broker.declare_queue(&QueueDeclare::new(queue).durable()).unwrap();
    }

    pub(crate) fn fill(&self, queue: &str, count: usize) {
        for number in 0..count {
            self.broker.publish("", queue, Message::new(number.to_string())).unwrap();
        }
    }

    /// Ready and out.
    pub(crate) fn counts(&self, queue: &str) -> (u64, u64) {
        let stats = self.broker.queue(queue).unwrap().stats();
        (stats.ready, stats.unacked)
    }

    /// The broker goes on: a connection of its own can do everything.
    pub(crate) fn is_well(&self, queue: &str) {
        self.broker.check_invariants().unwrap();
        let connection = self.broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.queue_purge(queue).unwrap();
        channel.basic_publish(&Publish::new("", queue), Message::new("well")).unwrap();
        let got = channel.basic_get(queue, Acknowledge::Yes).unwrap().unwrap();
        channel.basic_ack(got.delivery.delivery_tag).unwrap();
    }
}

/// The connection ends, for this.
pub(crate) fn ends(close: Close, code: ReplyCode, text: &str) {
    assert_eq!((close.scope, close.code), (Scope::Connection, code), "{close}");
    assert!(close.text.contains(text), "{close}");
}

pub(crate) fn reached(what: &'static str, limit: usize) -> TopologyError {
    TopologyError::LimitReached { what, limit }
}

pub(crate) fn drain(channel: &Channel) -> Vec<ChannelEvent> {
    std::iter::from_fn(|| channel.try_recv().ok()).collect()
}

pub(crate) fn bodies(events: &[ChannelEvent]) -> Vec<String> {
    let body = |event: &ChannelEvent| match event {
        ChannelEvent::Deliver(delivery) => Some(String::from_utf8_lossy(delivery.message.body()).into_owned()),
        _ => None,
    };
    events.iter().filter_map(body).collect()
}
