//! Request and reply: a question to the queue `fraud-check`, and the answer over direct reply-to.
//!
//! The question carries the address of the channel that asks, an id of its own, and a time to live as long as anyone
//! waits for the answer. An answer that comes too late belongs to no question any more and is passed over.

use super::{Job, correlation_id};
use crate::names::FRAUD_CHECK;
use crate::retry::Failure;
use leveret::{Broker, Channel, ChannelEvent, Close, Connection, Consume, Message, Publish, TryRecvError};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What the fraud check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Nothing speaks against the order.
    Clear,
    /// Something does.
    Suspect,
}

/// Whoever asks: a channel of its own, on which one question is open at a time.
#[derive(Debug)]
pub(super) struct Asker {
    channel: Channel,
    /// Held, for the channel ends with it.
    _connection: Connection,
}

impl Asker {
    /// Opens a channel and waits there for answers.
    ///
    /// # Errors
    ///
    /// [`Failure::Again`] with what the broker says.
    pub(super) fn open(broker: &Broker) -> Result<Self, Failure> {
        let open = || -> Result<Self, Close> {
            let connection = broker.connect()?;
            let channel = connection.open_channel()?;
            channel.basic_consume(&Consume::new(REPLY_TO).no_ack())?;
            Ok(Self { channel, _connection: connection })
        };
        open().map_err(|close| Failure::Again(close.to_string()))
    }

    /// Asks about an order and waits for the answer, at most so long.
    ///
    /// # Errors
    ///
    /// [`Failure::Again`] where no answer came, nobody takes questions, or the channel was closed.
    pub(super) fn ask(&mut self, job: &Job, patience: Duration) -> Result<Verdict, Failure> {
        let question = format!("{}/{}", correlation_id(job.line), job.attempt);
        let message = Message::new(job.body.clone())
            .content_type("application/json")
            .correlation_id(question.as_str())
            .reply_to(REPLY_TO)
            .header("attempt", i64::from(job.attempt))
            .expires_in(patience);
        let asked = self.channel.basic_publish(&Publish::new("", FRAUD_CHECK).mandatory(), message);
        asked.map_err(|error| Failure::Again(error.to_string()))?;
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.channel.recv_timeout(left) {
                Ok(ChannelEvent::Deliver(answer)) => {
                    if answer.message.properties().correlation_id.as_deref() == Some(question.as_str()) {
                        return answer.message.decode().map_err(|error| Failure::Again(error.to_string()));
                    }
                }
                Ok(ChannelEvent::Return(_)) => return Err(Failure::Again("nobody takes fraud checks".into())),
                Ok(ChannelEvent::Closed(close)) => return Err(Failure::Again(close.to_string())),
                Ok(_) => {}
                Err(TryRecvError::Closed) => return Err(Failure::Closing),
                Err(_) => return Err(Failure::Again("no answer from the fraud check".into())),
            }
        }
    }
}

/// The name that stands for the address of the channel that publishes it.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
