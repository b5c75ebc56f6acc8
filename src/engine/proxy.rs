//! A plain consumer of a recorded broker, and the channel that stands for it in the log.

use super::recording::{Key, Recording, With, Witness};
use crate::base::Name;
use crate::message::Value;
use crate::queue::effect::{Claim, Handout};
use std::sync::Arc;

/// The channel that stands for a handle of the plain API.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) witness: Witness,
    /// The age of the queue that it is for.
    queue: u64,
    tag: Name,
    /// Whether it is of this handle alone, and is forgotten with it.
    owned: bool,
}

impl Proxy {
    /// For a consumer of this tag.
    pub(crate) fn of_consumer(recording: &Arc<Recording>, label: &str, queue: u64, tag: Name) -> Self {
        let witness = Witness { recording: Arc::clone(recording), label: label.into() };
        Self { witness, queue, tag, owned: true }
    }

    /// For whatever shares the channel of this label.
    pub(crate) fn shared(recording: &Arc<Recording>, label: &str, queue: u64) -> Self {
        let witness = Witness { recording: Arc::clone(recording), label: label.into() };
        Self { witness, queue, tag: Name::default(), owned: false }
    }

    /// A delivery was put down.
    #[cold]
    pub(crate) fn delivered(&self, handout: &Handout) {
        let mut fields = With::fields();
        fields.text("consumer_tag", &self.tag);
        self.got(handout, &mut fields);
        self.witness.event("basic.deliver", fields);
    }

    /// Gives a delivery its tag, and writes what there is to say of it.
    pub(crate) fn got(&self, handout: &Handout, fields: &mut With) {
        let Witness { recording, label } = &self.witness;
        let tag = recording.delivered(label, self.key(handout));
        let Handout { envelope, redelivered, returns, counted, .. } = handout;
        fields.number("delivery_tag", tag).flag("redelivered", *redelivered);
        fields.text("exchange", envelope.exchange()).text("routing_key", envelope.routing_key());
        let mut message = envelope.to_message();
        if *counted && *returns > 0 {
            let headers = message.properties_mut().headers.get_or_insert_default();
            headers.insert("x-delivery-count", Value::I64((*returns).into()));
        }
        fields.message(message.properties(), message.body());
    }

    /// The queue has cancelled the consumer.
    #[cold]
    pub(crate) fn cancelled(&self) {
        let mut fields = With::fields();
        fields.text("consumer_tag", &self.tag);
        self.witness.event("basic.cancel", fields);
    }

    /// By what a delivery is known, if it is to be settled.
    pub(crate) fn key(&self, handout: &Handout) -> Option<Key> {
        match handout.claim {
            Claim::None => None,
            Claim::Kept(reference) => Some((self.queue, 0, reference.slot.into(), reference.serial)),
            Claim::Lent(loan) => Some((self.queue, 1, loan.seq, 0)),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if self.owned {
            self.witness.recording.forget(&self.witness.label);
        }
    }
}
