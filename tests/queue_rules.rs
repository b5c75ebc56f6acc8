//! Rules of queues that were once got wrong, each found by a model and told here as a story.
//!
//! The machines are driven directly: every verb gets its moment, and its effects are what it appended.

use leveret::internals::effect::{
    ConsumerId, ConsumerSpec, DeliveryRef, Effect, Effects, Handout, Offered, QueueLimits, Settlement,
};
use leveret::internals::{Credit, DeadLetter, QueueState, SessionId, Settings, SharedEnvelope, envelope};
use leveret::{Limits, Message, Moment, Name, Overflow, QueueKind, Reason, Strategy};
use std::sync::Arc;
use std::time::Duration;

const CLIENT: SessionId = SessionId(1);

/// A queue whose messages are told by their bodies.
struct Queue {
    state: QueueState,
    effects: Effects,
    now: Moment,
}

impl Queue {
    fn new(kind: QueueKind, settings: Settings) -> Self {
        let limits = QueueLimits::from(&Limits::default());
        let state = QueueState::new(Moment::ZERO, kind, settings, limits);
        Self { state, effects: Effects::new(), now: Moment::ZERO }
    }

    fn quorum(settings: Settings) -> Self {
        Self::new(QueueKind::Quorum, settings)
    }

    fn offer(&mut self, message: Message) -> Offered {
        self.offer_by(CLIENT, message)
    }

    fn offer_by(&mut self, publisher: SessionId, message: Message) -> Offered {
        let frozen = envelope(Name::default(), Name::default(), message, &Limits::default());
        self.state.offer(
            self.now,
            Some(publisher),
            SharedEnvelope::new(frozen.expect("a good message")),
            &mut self.effects,
        )
    }

    fn publish(&mut self, bodies: &[&str]) {
        for body in bodies {
            assert_eq!(self.offer(message(body)), Offered::Taken);
        }
    }

    fn consume(&mut self, tag: &str, prefetch: u32) -> ConsumerId {
        let spec = ConsumerSpec {
            session: CLIENT,
            credit: Arc::new(Credit::new(200)),
            no_ack: false,
            exclusive: false,
            priority: 0,
            prefetch,
            tag: Name::new(tag).expect("short"),
            keeps: false,
        };
        self.state.attach(self.now, spec, &mut self.effects).expect("let in")
    }

    fn get(&mut self) -> Option<(String, DeliveryRef)> {
        let (handout, _) = self.state.take(self.now, CLIENT, false, &mut self.effects)?;
        Some((body(&handout.envelope), handout.claim.reference()?))
    }

    fn settle(&mut self, refs: &[DeliveryRef], settlement: Settlement) {
        self.state.settle(self.now, refs, settlement, &mut self.effects);
    }

    fn apply(&mut self, settings: Settings) {
        self.state.apply_settings(self.now, settings, &mut self.effects);
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
    }

    /// What was handed over since the last look.
    fn handed(&mut self) -> Vec<Handout> {
        let handed = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Deliver(handout) => Some(handout),
            _ => None,
        });
        handed.collect()
    }

    /// What died since the last look.
    fn died(&mut self) -> Vec<(String, Reason)> {
        let died = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Die { envelope, reason, .. } => Some((body(&envelope), reason)),
            _ => None,
        });
        died.collect()
    }
}

fn message(body: &str) -> Message {
    Message::new(body.to_owned())
}

fn body(envelope: &leveret::Envelope) -> String {
    String::from_utf8_lossy(envelope.body()).into_owned()
}

fn bodies(handed: &[Handout]) -> Vec<String> {
    handed.iter().map(|handout| body(&handout.envelope)).collect()
}

fn refs(handed: &[Handout]) -> Vec<DeliveryRef> {
    handed.iter().filter_map(|handout| handout.claim.reference()).collect()
}

/// Without a delivery limit, each message that a client returns to a quorum queue is a command of its own: its room
/// comes back with it and is used before the next one is put back. The machine gave all room back at the end, so that
/// in between nobody could take the head, and a queue at its length dropped it.
#[test]
fn a_return_without_a_limit_frees_room_for_itself() {
    let mut queue = Queue::quorum(Settings { max_length: Some(1), ..Settings::default() });
    queue.consume("a", 2);
    queue.publish(&["1", "2", "3"]);
    let out = refs(&queue.handed());
    queue.settle(&out, Settlement::Requeue);
    let effects = std::mem::take(&mut queue.effects);
    assert!(effects.iter().all(|effect| matches!(effect, Effect::Deliver(_))), "nothing dies: {effects:?}");
    queue.effects = effects;
    assert_eq!(bodies(&queue.handed()), ["3", "1"]);
}

/// Such a message comes in as a new one, behind a high one that came in before. It kept its old number, and so looked
/// older than the high one when the normal level had its turn.
#[test]
fn a_return_without_a_limit_is_as_young_as_a_new_message() {
    let mut queue = Queue::quorum(Settings::default());
    queue.publish(&["old", "x"]);
    let (_, old) = queue.get().expect("old");
    let (_, x) = queue.get().expect("x");
    queue.settle(&[x], Settlement::Ack);
    queue.offer(message("high").priority(5));
    queue.settle(&[old], Settlement::Requeue);
    // Two were taken, so the normal level has its turn, unless the high head is older.
    assert_eq!(queue.get().map(|(body, _)| body).as_deref(), Some("high"));
}

/// RabbitMQ forgets the dead letters that it promised to deliver when the queue's strategy changes. The machine kept
/// them, counted them against the length, and tried for ever to bring them to an exchange that was no longer set.
#[test]
fn letters_are_forgotten_with_the_strategy_that_kept_them() {
    let dead_letter = Some(DeadLetter { exchange: Name::default(), routing_key: None });
    let sure = Settings {
        overflow: Overflow::RejectPublish,
        strategy: Strategy::AtLeastOnce,
        dead_letter,
        delivery_limit: Some(20),
        ..Settings::default()
    };
    let mut queue = Queue::quorum(sure);
    queue.publish(&["1"]);
    let (_, reference) = queue.get().expect("1");
    queue.settle(&[reference], Settlement::Reject);
    assert_eq!(queue.state.counts().dying, 1);
    queue.apply(Settings { delivery_limit: Some(20), ..Settings::default() });
    assert_eq!(queue.state.counts().dying, 0);
    assert_eq!(queue.state.next_deadline(), None, "nothing is tried again");
}

/// A get that is out is a consumer of a quorum queue; when it is settled, the queue's time without use begins. It began
/// with the get, and a queue whose message had been out for long was gone as soon as it was acknowledged.
#[test]
fn an_unused_quorum_queue_counts_from_the_last_settlement() {
    let mut queue =
        Queue::quorum(Settings { expires_millis: Some(10), delivery_limit: Some(20), ..Settings::default() });
    queue.publish(&["1", "2"]);
    let (_, by_get) = queue.get().expect("1");
    queue.wait(50);
    queue.settle(&[by_get], Settlement::Ack);
    assert_eq!(queue.state.next_deadline(), Some(queue.now + Duration::from_millis(10)));
    // The same with a consumer that was cancelled while it had a message out.
    let consumer = queue.consume("a", 1);
    let out = refs(&queue.handed());
    assert!(queue.state.detach(queue.now, consumer, &mut queue.effects));
    queue.wait(50);
    queue.settle(&out, Settlement::Ack);
    assert_eq!(queue.state.next_deadline(), Some(queue.now + Duration::from_millis(10)));
}

/// Cancelling a consumer that is not there is no use of the queue. It renewed the queue's time.
#[test]
fn cancelling_nobody_does_not_renew_a_queue() {
    for kind in [QueueKind::Classic, QueueKind::Quorum] {
        let mut queue = Queue::new(kind, Settings { expires_millis: Some(10), ..Settings::default() });
        let consumer = queue.consume("a", 1);
        assert!(queue.state.detach(queue.now, consumer, &mut queue.effects));
        queue.wait(5);
        assert!(!queue.state.detach(queue.now, consumer, &mut queue.effects));
        assert_eq!(queue.state.next_deadline(), Some(Moment::from_millis(10)));
    }
}

/// What is overdue has expired, whoever comes first: the timer or a verb. A session that closed, and a policy that
/// shortened the queue, saw an overdue head as live, and it died as one too many.
#[test]
fn an_overdue_head_expires_before_anything_else_happens() {
    for kind in [QueueKind::Classic, QueueKind::Quorum] {
        let mut queue = Queue::new(kind, Settings { delivery_limit: Some(20), ..Settings::default() });
        queue.offer(message("1").expires_in(Duration::from_millis(5)));
        queue.publish(&["2"]);
        queue.wait(5);
        queue.apply(Settings { max_length: Some(1), delivery_limit: Some(20), ..Settings::default() });
        assert_eq!(queue.died(), [("1".to_owned(), Reason::Expired)], "{kind:?}");
    }
}

/// A message returned to a quorum queue goes before all others. Where the head was overdue it is gone first; it was
/// hidden behind the returned one, alive again until that was settled.
#[test]
fn an_overdue_head_is_not_hidden_by_a_return() {
    let mut queue = Queue::quorum(Settings { delivery_limit: Some(20), ..Settings::default() });
    queue.publish(&["1"]);
    queue.offer(message("2").expires_in(Duration::from_millis(5)));
    let (_, first) = queue.get().expect("1");
    queue.wait(5);
    queue.settle(&[first], Settlement::Requeue);
    assert_eq!(queue.died(), [("2".to_owned(), Reason::Expired)]);
    assert_eq!(queue.state.counts().ready, 1);
}

/// A full queue whose head has expired is not full. The publisher of a quorum queue was refused, since only serving
/// consumers opened publishers again, not expiring.
#[test]
fn an_overdue_head_makes_room_for_the_publisher_that_finds_it() {
    let settings = Settings {
        overflow: Overflow::RejectPublish,
        max_length: Some(0),
        delivery_limit: Some(20),
        ..Settings::default()
    };
    let mut queue = Queue::quorum(settings);
    assert_eq!(queue.offer(message("1").expires_in(Duration::from_millis(5))), Offered::Taken);
    assert_eq!(queue.offer(message("2")), Offered::Refused);
    queue.wait(5);
    assert_eq!(queue.offer(message("3")), Offered::Taken);
}

/// RabbitMQ refuses the publishers of a full quorum queue at their channels. A dead letter comes through no channel, and
/// so always arrives, unless its own queue keeps it until it does. The machine refused it, and it was lost.
#[test]
fn a_full_quorum_queue_takes_dead_letters() {
    let settings = Settings {
        overflow: Overflow::RejectPublish,
        max_length: Some(0),
        delivery_limit: Some(20),
        ..Settings::default()
    };
    let mut queue = Queue::quorum(settings);
    queue.publish(&["1"]);
    let letter = envelope(Name::default(), Name::default(), message("2"), &Limits::default()).expect("a good message");
    let letter = SharedEnvelope::new(letter);
    let kept = queue.state.offer_letter(queue.now, SharedEnvelope::clone(&letter), true, &mut queue.effects);
    assert_eq!(kept, Offered::Refused, "its queue tries again");
    assert_eq!(queue.state.offer_letter(queue.now, letter, false, &mut queue.effects), Offered::Taken);
    assert_eq!(queue.state.counts().ready, 2);
}

/// A consumer of a quorum queue that comes back under its tag with a smaller prefetch gets room for what it settles,
/// though it still has more out than that: so RabbitMQ counts. The invariant said that this cannot be.
#[test]
fn a_revived_consumer_may_have_more_out_than_its_prefetch() {
    let mut queue = Queue::quorum(Settings { delivery_limit: Some(20), ..Settings::default() });
    let consumer = queue.consume("a", 0);
    queue.publish(&["1", "2", "3"]);
    let out = refs(&queue.handed());
    assert!(queue.state.detach(queue.now, consumer, &mut queue.effects));
    assert_eq!(queue.consume("a", 1), consumer, "the same consumer");
    queue.settle(out.get(..1).expect("three"), Settlement::Ack);
    queue.state.check().expect("two are out, and there is room for one");
    queue.publish(&["4", "5"]);
    assert_eq!(bodies(&queue.handed()), ["4"]);
}

/// A quorum queue shows the failed deliveries that a dead letter comes with, and delivers it as redelivered: so it is
/// peeked. Found by the comparison with the reference broker.
#[test]
fn a_dead_letter_is_peeked_as_it_will_be_delivered() {
    let broker = leveret::Broker::builder().manual_time().build();
    let first = leveret::Queue::new("first").quorum().dead_letter_to("second");
    broker.declare(&leveret::Topology::new().queue(first).queue(leveret::Queue::new("second").quorum())).unwrap();
    broker.publish("", "first", Message::new("poison")).unwrap();
    broker.get("first").unwrap().unwrap().reject();

    let peeked = broker.peek("second", 1).unwrap();
    let delivered = broker.get("second").unwrap().unwrap();
    assert!(delivered.redelivered());
    assert_eq!(peeked[0].redelivered, delivered.redelivered());
}

/// What a channel had out when it ended has failed, as what is rejected; what is given back has not. The number goes with
/// the message when it dies, and the next quorum queue shows it.
#[test]
fn what_a_closed_channel_had_has_failed() {
    let mut queue = Queue::quorum(Settings { delivery_limit: Some(20), ..Settings::default() });
    queue.publish(&["a"]);
    let (_, given_back) = queue.get().expect("one waits");
    queue.settle(&[given_back], Settlement::Requeue);
    for _ in 0..2 {
        queue.get().expect("one waits");
        queue.state.close_session(queue.now, CLIENT, &mut queue.effects);
    }
    let (_, last) = queue.get().expect("one waits");
    queue.settle(&[last], Settlement::Reject);
    let died = queue.effects.drain(..).find_map(|effect| match effect {
        Effect::Die { failures, reason, .. } => Some((failures, reason)),
        _ => None,
    });
    assert_eq!(died, Some((3, Reason::Rejected)));
}

/// The count of refused publishers is what tells that all of them are: one that is refused and leaves is in it no more.
#[test]
fn publishers_are_closed_together_after_a_refused_one_left() {
    let settings = Settings { max_length: Some(10), overflow: Overflow::RejectPublish, ..Settings::default() };
    let mut queue = Queue::quorum(settings);
    let offer = |queue: &mut Queue, number: u64| queue.offer_by(SessionId(number), message("x"));
    for _ in 0..11 {
        assert_eq!(offer(&mut queue, 10), Offered::Taken);
    }
    assert_eq!(offer(&mut queue, 10), Offered::Refused);
    // Nine are not over, nor down to four fifths; with two of other publishers there are eleven again.
    let gone: Vec<DeliveryRef> = (0..2).map(|_| queue.get().expect("there are eleven").1).collect();
    queue.settle(&gone, Settlement::Ack);
    queue.state.close_session(queue.now, SessionId(10), &mut queue.effects);
    assert_eq!([11, 12].map(|number| offer(&mut queue, number)), [Offered::Taken; 2]);
    assert_eq!([11, 12].map(|number| offer(&mut queue, number)), [Offered::Refused; 2]);
}

/// One acknowledgement of several gives each consumer the room that it had taken.
#[test]
fn deliveries_of_two_consumers_settled_together_give_each_its_own_room() {
    for kind in [QueueKind::Classic, QueueKind::Quorum] {
        let mut queue = Queue::new(kind, Settings::default());
        let both = ["first", "second"].map(|tag| queue.consume(tag, 1));
        queue.publish(&["a", "b", "c", "d"]);
        let handed = queue.handed();
        assert_eq!(bodies(&handed), ["a", "b"]);
        queue.settle(&refs(&handed), Settlement::Ack);
        let handed = queue.handed();
        assert_eq!(bodies(&handed), ["c", "d"]);
        assert_eq!(handed.iter().map(|handout| handout.consumer).collect::<Vec<_>>(), both.map(Some), "{kind:?}");
    }
}
