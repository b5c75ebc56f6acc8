//! What a test does to a broker and its clients: restart, kill, disconnect.

use super::TestBroker;
use crate::api::{ConnectionCell, SHUTDOWN};
use crate::base::Name;
use crate::port::Cause;
use std::fmt;

/// What a restart did; made by [`TestBroker::restart`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RestartReport {
    /// Connections that were open, and are closed.
    pub connections: usize,
    /// Plain consumers ([`Broker::consumer`](crate::Broker::consumer)) that ended. Those of channels end with their connections.
    pub consumers: usize,
    /// To each queue, in the order in which they were declared.
    pub queues: Vec<RestartedQueue>,
    /// Exchanges that are gone, since they were not durable, in the order in which they were declared.
    pub exchanges: Vec<String>,
}

/// What a restart did to one queue.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RestartedQueue {
    /// Its name.
    pub queue: String,
    /// Whether it is still there: it is durable, and was not exclusive.
    pub stayed: bool,
    /// Messages that were out and came back, to be delivered again as redelivered.
    pub returned: usize,
    /// Messages that are lost: all where the queue is gone, else the transient ones.
    pub lost: usize,
}

impl RestartReport {
    /// How many messages are lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.queues.iter().map(|queue| queue.lost).sum()
    }
}

impl fmt::Display for RestartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "restarted: {} connections closed, {} consumers ended, {} messages lost",
            self.connections,
            self.consumers,
            self.lost()
        )?;
        for RestartedQueue { queue, stayed, returned, lost } in &self.queues {
            let what = if *stayed { "durable, stayed" } else { "not durable or exclusive, gone" };
            writeln!(f, "  queue '{queue}': {what}; {returned} returned, {lost} lost")?;
        }
        self.exchanges.iter().try_for_each(|exchange| writeln!(f, "  exchange '{exchange}': not durable, gone"))
    }
}

impl TestBroker {
    /// Restarts the broker, in no time: what a RabbitMQ node loses is lost, what it keeps is there (RabbitMQ: "Queues",
    /// "Publishers", "Exchanges", each under durability).
    ///
    /// Connections are closed with 320 (`CONNECTION_FORCED`), consumers end, exclusive queues are deleted. Queues and
    /// exchanges that are not durable are gone, with their messages and bindings; nothing of it is dead-lettered. A
    /// durable classic queue loses its transient messages; a quorum queue loses none. What was out comes back, and is
    /// delivered again with `redelivered` set; a delivery that a consumer still has is settled without effect. The time
    /// without use (`x-expires`) begins anew, times to live go on. Policies stay. An auto-delete queue that is durable stays,
    /// as after a crash, until a consumer has come and gone.
    ///
    /// Publishers and other handles of the [`Broker`](crate::Broker) go on working, as those of a client that connects again.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders")).queue(Queue::new("cache").transient()))?;
    /// t.publish("", "orders", Message::new("kept"))?;
    /// t.publish("", "orders", Message::new("lost").transient())?;
    /// let out = t.get("orders")?.ok_or("one is ready")?;
    ///
    /// let report = t.restart();
    /// assert_eq!(report.lost(), 1);
    /// assert!(t.queue("cache").is_err());
    /// out.ack(); // Too late: the broker has it back.
    /// let again = t.get("orders")?.ok_or("it came back")?;
    /// assert!(again.redelivered());
    /// # again.ack();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restart(&self) -> RestartReport {
        let mut connections = 0;
        let restarted = self.engine().restart(|| {
            connections = self.connections().end_where(SHUTDOWN, Cause::ConnectionClosed, |_| true);
        });
        let text = |name: &Name| name.as_str().to_owned();
        let queues = restarted.queues.iter().map(|queue| RestartedQueue {
            queue: text(&queue.name),
            stayed: queue.stayed,
            returned: queue.returned,
            lost: queue.lost,
        });
        RestartReport {
            connections,
            consumers: restarted.consumers,
            queues: queues.collect(),
            exchanges: restarted.exchanges.iter().map(text).collect(),
        }
    }

    /// Kills the programs whose consumers have this tag: what they have out comes back at once, as redelivered, and they
    /// receive nothing more. What they still do with deliveries they have is without effect. A consumer of a channel dies
    /// with the whole connection, which is closed with 320. Facts give [`Cause::ProgramDied`](crate::Cause::ProgramDied).
    ///
    /// Returns how many consumers and connections that ended: 0 where no consumer has this tag.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders")))?;
    /// t.publish("", "orders", Message::new("one"))?;
    /// let mut worker = t.consumer("orders").tag("worker").open()?;
    /// let taken = worker.try_recv()?;
    /// assert_eq!(t.crash_consumer("worker"), 1);
    /// assert!(t.get("orders")?.ok_or("it came back")?.redelivered());
    /// # drop(taken);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn crash_consumer(&self, tag: &str) -> usize {
        let (sessions, crashed) = self.engine().crash(tag);
        let reason = format!("the program of consumer '{tag}' died");
        let has_one = |connection: &ConnectionCell| sessions.iter().any(|session| connection.has_session(*session));
        crashed + self.connections().end_where(&reason, Cause::ProgramDied, has_one)
    }

    /// Closes the connections of this name, as an operator does in RabbitMQ's management: with 320 and "CONNECTION_FORCED -
    /// Closed via management plugin". Their channels end, what they had out comes back, exclusive queues are deleted.
    ///
    /// Returns how many there were. Connections get their names from [`Broker::connect_named`](crate::Broker::connect_named).
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    ///
    /// let t = TestBroker::new();
    /// let connection = t.connect_named("billing")?;
    /// assert_eq!(t.close_connection("billing"), 1);
    /// let close = connection.closed().ok_or("it is closed")?;
    /// assert_eq!((close.code.code(), close.text.as_str()), (320, "CONNECTION_FORCED - Closed via management plugin"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_connection(&self, name: &str) -> usize {
        let named = |connection: &ConnectionCell| connection.name() == name;
        self.connections().end_where("Closed via management plugin", Cause::ConnectionClosed, named)
    }
}
