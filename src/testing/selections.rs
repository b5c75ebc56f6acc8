//! What can be asserted about: the messages of a test, by what happened to them.

use super::TestBroker;
use super::known::Kind;
use super::selected::Selection;
use crate::api::{History, Journey};
use crate::port::{Fact, What};

impl TestBroker {
    /// What was published to this exchange, in order; not what was refused for want of the exchange.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Exchange, Message, Queue, Topology};
    ///
    /// let t = TestBroker::new();
    /// let topology = Topology::new().exchange(Exchange::topic("events"));
    /// t.declare(&topology.queue(Queue::new("stock").bind("events", "order.#")))?;
    /// t.publish("events", "order.us.created", Message::json(&7)?)?;
    /// assert_eq!(t.published("events").key("order.*.created").assert_once().json::<u32>(), 7);
    /// t.published("events").key("payment.#").assert_none();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn published(&self, exchange: &str) -> Selection {
        let of = Some((Kind::Exchange, exchange));
        Selection::of(self, format!("published to '{exchange}'"), of, |journey, fact| {
            *journey.exchange() == *exchange && matches!(fact.what, What::Published { .. })
        })
    }

    /// What this queue handed out, each message once, in the order of their first deliveries.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Topology};
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders")))?;
    /// t.publish("", "orders", Message::new("one").message_id("o-1"))?;
    /// t.get("orders")?.ok_or("it is ready")?.ack();
    /// t.consumed("orders").assert_ids(["o-1"]).assert_all_acked();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn consumed(&self, queue: &str) -> Selection {
        Selection::of(self, format!("consumed from '{queue}'"), Some((Kind::Queue, queue)), |_, fact| {
            fact.queue.as_deref() == Some(queue) && matches!(fact.what, What::Delivered { .. })
        })
    }

    /// Dead letters: messages that died in a queue and went on, each death one.
    ///
    /// ```
    /// use leveret::testing::TestBroker;
    /// use leveret::{Message, Queue, Reason, Topology};
    ///
    /// let t = TestBroker::new();
    /// t.declare(&Topology::new().queue(Queue::new("orders").dead_letter_to("dlq")).queue(Queue::new("dlq")))?;
    /// t.dead_letters().assert_none();
    /// t.publish("", "orders", Message::new("one"))?;
    /// t.get("orders")?.ok_or("it is ready")?.reject();
    /// t.dead_letters().from("orders").to("dlq").reason(Reason::Rejected).assert_once();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn dead_letters(&self) -> Selection {
        Selection::of(self, "dead letters", None, |journey, _| journey.origin().is_some())
    }

    /// What was published as mandatory, and came back since no queue was bound for it.
    #[must_use]
    pub fn returned(&self) -> Selection {
        Selection::of(self, "returned", None, |_, fact| matches!(fact.what, What::Returned))
    }

    /// What no queue was bound for: what came back, and what is gone.
    #[must_use]
    pub fn unroutable(&self) -> Selection {
        let is = |_: &Journey, fact: &Fact| matches!(fact.what, What::Returned | What::Unroutable);
        Selection::of(self, "unroutable", None, is)
    }

    /// What is gone without that anybody processed it, has it as a dead letter or got it back: see
    /// [`Fate::is_loss`](crate::Fate::is_loss).
    #[must_use]
    pub fn lost(&self) -> Selection {
        let lost = |journey: &Journey| journey.fates().iter().any(|(_, fate)| fate.is_loss());
        Selection::of(self, "lost", None, |journey, fact| {
            let last = journey.facts().last().is_some_and(|last| last.number == fact.number);
            last && lost(journey)
        })
    }

    /// Asserts that there are no dead letters.
    ///
    /// # Panics
    ///
    /// Where there are some, with the story.
    #[track_caller]
    pub fn assert_no_dead_letters(&self) {
        self.dead_letters().assert_none();
    }

    /// Asserts that nothing was [lost](TestBroker::lost), and that the [ledger](TestBroker::ledger) closes.
    ///
    /// # Panics
    ///
    /// Where something was, with the story; or with the table.
    #[track_caller]
    pub fn assert_nothing_lost(&self) {
        self.ledger().assert_closed();
        self.lost().assert_none();
    }

    /// The histories of all messages that this broker has seen, as text and data.
    pub(super) fn history_of<'a>(&self, journeys: impl Iterator<Item = &'a Journey>) -> Option<History> {
        let numbers: Vec<u64> = journeys.map(Journey::number).collect();
        self.recorder().history_where(|journey| numbers.contains(&journey.number()))
    }
}
