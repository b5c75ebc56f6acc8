//! Explaining: where a message would go, and why, before it is published.
//!
//! [`Broker::explain`] freezes the message as a publish would, has its route told (`route/explain/`), and asks each queue
//! that it reaches for a forecast (`queue/forecast.rs`). Nobody gets anything. What is said of a queue is in `queue.rs`,
//! the verdict over all is in `verdict.rs`.

mod queue;
mod verdict;

pub use queue::{DeadLetterEnd, Expiry, ExplainedDeadLetter, ExplainedQueue, MadeRoom};
pub use verdict::{Cause, Verdict};

use super::broker::Broker;
use crate::base::Name;
use crate::engine::{Engine, NoRoute, NoWay};
use crate::message::{Envelope, Message, SharedEnvelope};
use crate::route::{ExplainedExchange, Quoted};
use std::fmt;

/// Where a message would go, and why: the answer of [`Broker::explain`].
///
/// Displayed as lines: first the verdict, then each exchange on the way with its bindings, then each queue with what it
/// would do. The same broker gives the same text.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Explanation {
    /// The exchange that it would be published to.
    pub exchange: String,
    /// The routing key, then those of `CC` and `BCC`.
    pub keys: Vec<String>,
    /// What comes of it.
    pub verdict: Verdict,
    /// The exchanges that it comes to, in their order. Each is walked once, so cycles of bindings end.
    pub exchanges: Vec<ExplainedExchange>,
    /// The queues that it reaches, each once, in the order in which it comes to them.
    pub queues: Vec<ExplainedQueue>,
    /// Whether somebody waits for it as a direct reply, which is no queue.
    pub direct_reply: bool,
}

impl Broker {
    /// Where a message without headers and without a body would go, and why: every exchange on the way, its bindings with
    /// the word or header by which they match or miss, and what each queue would do with it. Publishes nothing and changes
    /// nothing.
    ///
    /// For a message with headers, an expiration, a priority or a size, see [`Broker::explain_message`].
    ///
    /// ```
    /// use leveret::{Broker, Exchange, Queue, Topology};
    ///
    /// let broker = Broker::new();
    /// let topology = Topology::new()
    ///     .exchange(Exchange::topic("events"))
    ///     .queue(Queue::new("all").bind("events", "order.*.created"))
    ///     .queue(Queue::new("eu").bind("events", "order.eu.*"));
    /// broker.declare(&topology)?;
    ///
    /// let explanation = broker.explain("events", "order.us.created");
    /// assert_eq!(explanation.to_string(), "\
    /// exchange 'events', key 'order.us.created': reaches 1 queue
    ///
    /// topic exchange 'events', published to
    ///   match 'order.*.created' -> queue 'all': '*' took 'us'
    ///   miss  'order.eu.*' -> queue 'eu': word 2 is 'us', the binding wants 'eu'
    ///
    /// classic queue 'all': ready, the next to be delivered; it has no consumers
    ///   dead letters: lost, the queue has no dead-letter exchange");
    ///
    /// let explanation = broker.explain("events", "order.us.creaetd");
    /// assert_eq!(explanation.verdict.to_string(), "\
    /// reaches no queue, so it is returned if mandatory and else dropped: the nearest binding is 'order.*.created' of topic \
    /// exchange 'events' -> queue 'all', and word 3 is 'creaetd', the binding wants 'created' (mistyped?)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain(&self, exchange: &str, key: &str) -> Explanation {
        self.explain_message(exchange, key, &Message::new(""))
    }

    /// Where this message would go, and why, as [`Broker::explain`] tells it.
    ///
    /// It is told for [`Broker::publish`] and [`Publisher::try_send`](crate::Publisher::try_send). A sender that waits for
    /// room waits where a queue is said to refuse; a channel is told more by a quorum queue with `reject-publish`, which
    /// remembers its publishers (see [`Overflow::RejectPublish`](crate::Overflow::RejectPublish)).
    ///
    /// Each queue is asked by itself, as it is now: consumers that share a channel's prefetch over several queues may have
    /// less room than each queue says. Where others publish or declare meanwhile, two parts of the answer may show two
    /// moments.
    ///
    /// It costs a look at every binding of the exchanges on the way, during which no binding can be made: a tool for
    /// people and tests, not for every message. Of each exchange all bindings are kept that match and the eight nearest that
    /// miss, whatever their number.
    ///
    /// ```
    /// use std::time::Duration;
    /// use leveret::explain::Fate;
    /// use leveret::{Binding, Broker, Exchange, Message, Queue, Topology};
    ///
    /// let broker = Broker::new();
    /// let eu = Binding::to("jobs").argument("x-match", "all").argument("region", "eu");
    /// broker.declare(&Topology::new().exchange(Exchange::headers("jobs")).queue(Queue::new("eu").binding(eu)))?;
    ///
    /// let message = Message::new("job").header("region", "eu").expires_in(Duration::ZERO);
    /// let explanation = broker.explain_message("jobs", "", &message);
    /// assert_eq!(explanation.queues[0].fate, Fate::Expired);
    ///
    /// let explanation = broker.explain_message("jobs", "", &Message::new("job").header("region", "us"));
    /// assert!(explanation.to_string().contains("x-match all: header 'region' is 'us', the binding wants 'eu'"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain_message(&self, exchange: &str, key: &str, message: &Message) -> Explanation {
        explain(self.engine(), exchange, key, message)
    }
}

fn explain(engine: &Engine, exchange: &str, key: &str, message: &Message) -> Explanation {
    let mut explanation = Explanation {
        exchange: exchange.to_owned(),
        keys: vec![key.to_owned()],
        verdict: Verdict::Closed,
        exchanges: Vec::new(),
        queues: Vec::new(),
        direct_reply: false,
    };
    if engine.is_stopped() {
        return explanation;
    }
    let envelope = match freeze(engine, exchange, key, message) {
        Ok(envelope) => envelope,
        Err(reason) => return Explanation { verdict: Verdict::Invalid { reason }, ..explanation },
    };
    explanation.keys = envelope.keys().map(ToString::to_string).collect();
    let (told, cells) = match engine.explain_route(exchange, &envelope) {
        Ok(told) => told,
        Err(NoWay { why, like }) => {
            let verdict = match why {
                _ if engine.is_closed() => Verdict::Closed,
                NoRoute::NoExchange => Verdict::NoExchange { like },
                NoRoute::Internal => Verdict::Internal,
            };
            return Explanation { verdict, ..explanation };
        }
    };
    explanation.queues = cells.iter().map(|cell| ExplainedQueue::of(engine, cell, &envelope)).collect();
    explanation.direct_reply = engine.is_reply(&envelope);
    explanation.verdict = Verdict::of(&explanation.keys, &told, &explanation.queues);
    explanation.exchanges = told.exchanges;
    explanation
}

/// The message as a publish would make it, or why it would not.
fn freeze(engine: &Engine, exchange: &str, key: &str, message: &Message) -> Result<SharedEnvelope, String> {
    let names = Name::new(exchange).and_then(|exchange| Ok((exchange, Name::new(key)?)));
    let (exchange, key) = names.map_err(|error| error.to_string())?;
    let frozen = Envelope::freeze(&exchange, &key, message.clone(), &engine.limits);
    frozen.map_err(|refused| refused.0.to_string())
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.exchange {
            "" => f.write_str("default exchange")?,
            name => write!(f, "exchange {}", Quoted(name))?,
        }
        f.write_str(if self.keys.len() == 1 { ", key" } else { ", keys" })?;
        for (at, key) in self.keys.iter().enumerate() {
            write!(f, "{} {}", if at == 0 { "" } else { "," }, Quoted(key))?;
        }
        write!(f, ": {}", self.verdict)?;
        if self.direct_reply {
            f.write_str("\nand goes to somebody who waits for it as a direct reply")?;
        }
        for exchange in &self.exchanges {
            write!(f, "\n\n{exchange}")?;
        }
        for queue in &self.queues {
            write!(f, "\n\n{queue}")?;
        }
        Ok(())
    }
}
