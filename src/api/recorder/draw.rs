//! Drawings: a history as a Mermaid sequence diagram.
//!
//! Publishers, exchanges, queues and consumers are participants, in the order in which the story comes to them. Names are
//! whatever clients gave, so all text is escaped: the characters that Mermaid reads as its own become entities.

use super::history::History;
use crate::base::Name;
use crate::port::{Fact, MessageRef, What};
use std::fmt::Write;

/// Who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Publisher(Option<u64>),
    Exchange(Name),
    Queue(Name),
    Consumer(Name),
    /// Whoever fetches with `get`.
    Get,
}

/// A drawing that is being made.
struct Drawing<'a> {
    history: &'a History,
    /// In the order in which they come in.
    who: Vec<Who>,
    /// Who has a message out of a queue.
    out: Vec<(MessageRef, Name, Who)>,
    lines: String,
}

/// The history as a sequence diagram.
pub(super) fn sequence(history: &History) -> String {
    let mut drawing = Drawing { history, who: Vec::new(), out: Vec::new(), lines: String::new() };
    for fact in &history.facts() {
        drawing.draw(fact);
    }
    let mut text = String::from("sequenceDiagram\n");
    for (at, who) in drawing.who.iter().enumerate() {
        let _ = writeln!(text, "    participant p{at} as {}", escaped(&who.name()));
    }
    text.push_str(&drawing.lines);
    text
}

impl Drawing<'_> {
    fn draw(&mut self, fact: &Fact) {
        let Some(message) = &fact.message else { return };
        let label = self.label(message);
        let exchange = || Who::Exchange(message.exchange().clone());
        match (&fact.what, &fact.queue) {
            (What::Published { session, .. }, _) => {
                let text = format!("{label}, key '{}'", message.routing_key());
                self.arrow(&Who::Publisher(*session), "->>", &exchange(), &text);
            }
            (What::Unpublished { .. }, _) => self.arrow(&Who::Publisher(None), "-x", &exchange(), &fact.to_string()),
            (What::Returned, _) => self.arrow(&exchange(), "-->>", &Who::Publisher(None), &format!("{label} returned")),
            (What::Unroutable, _) => self.note(&exchange(), &format!("{label} {fact}")),
            (What::Replied { consumer, .. }, _) => {
                self.arrow(&exchange(), "->>", &Who::Consumer(consumer.clone()), &format!("{label}, direct reply"));
            }
            (what, Some(queue)) => self.draw_in_queue(what, queue, fact, message, &label),
            _ => {}
        }
    }

    fn draw_in_queue(&mut self, what: &What, name: &Name, fact: &Fact, message: &MessageRef, label: &str) {
        let (queue, exchange) = (Who::Queue(name.clone()), Who::Exchange(message.exchange().clone()));
        match what {
            What::Enqueued => self.arrow(&exchange, "->>", &queue, label),
            What::Refused { why } => self.arrow(&exchange, "-x", &queue, &format!("{label} refused: {why}")),
            What::Cut => self.arrow(&exchange, "-x", &queue, &format!("{label} would go round for ever")),
            What::Delivered { consumer, attempt, .. } => {
                let who = consumer.clone().map_or(Who::Get, Who::Consumer);
                self.out.retain(|(known, from, _)| known != message || from != name);
                self.out.push((message.clone(), name.clone(), who.clone()));
                self.arrow(&queue, "->>", &who, &format!("{label}, attempt {attempt}"));
            }
            What::Acknowledged { .. } => self.back(message, name, &format!("{label} acknowledged")),
            What::Requeued { cause } => self.back(message, name, &format!("{label} requeued: {cause}")),
            What::Died { reason } => self.back(message, name, &format!("{label} {reason}")),
            What::DeadLettered { next, reason, .. } => {
                let text = format!("{label} dead-lettered ({reason}), key '{}'", next.routing_key());
                self.arrow(&queue, "->>", &Who::Exchange(next.exchange().clone()), &text);
            }
            What::Dropped { .. } | What::Purged | What::Lost { .. } => self.note(&queue, &format!("{label} {fact}")),
            _ => {}
        }
    }

    /// Something that whoever has the message does to it; or the queue itself, where nobody has it.
    fn back(&mut self, message: &MessageRef, queue: &Name, text: &str) {
        let known = self.out.iter().position(|(known, from, _)| known == message && from == queue);
        let to = Who::Queue(queue.clone());
        match known.map(|at| self.out.remove(at)) {
            Some((.., who)) => self.arrow(&who, "-->>", &to, text),
            None => self.note(&to, text),
        }
    }

    fn arrow(&mut self, from: &Who, arrow: &str, to: &Who, text: &str) {
        let (from, to) = (self.place(from), self.place(to));
        let _ = writeln!(self.lines, "    p{from}{arrow}p{to}: {}", escaped(text));
    }

    fn note(&mut self, over: &Who, text: &str) {
        let over = self.place(over);
        let _ = writeln!(self.lines, "    Note over p{over}: {}", escaped(text));
    }

    fn place(&mut self, who: &Who) -> usize {
        // Where it comes back to is where it came from, whatever the channel.
        let same = |known: &Who| known == who || matches!((known, who), (Who::Publisher(_), Who::Publisher(None)));
        self.who.iter().position(same).unwrap_or_else(|| {
            self.who.push(who.clone());
            self.who.len() - 1
        })
    }

    /// What a message is called: by its id, or by its place in the story.
    fn label(&self, message: &MessageRef) -> String {
        let id = message.properties().message_id.as_deref().map(ToOwned::to_owned);
        id.unwrap_or_else(|| {
            let at = self.history.journeys().iter().position(|journey| journey.message() == message);
            format!("message {}", at.unwrap_or(0) + 1)
        })
    }
}

impl Who {
    fn name(&self) -> String {
        match self {
            Self::Publisher(None) => "publisher".to_owned(),
            Self::Publisher(Some(session)) => format!("channel {session}"),
            Self::Exchange(name) if name.is_empty() => "default exchange".to_owned(),
            Self::Exchange(name) => format!("exchange {name}"),
            Self::Queue(name) => format!("queue {name}"),
            Self::Consumer(tag) => format!("consumer {tag}"),
            Self::Get => "get".to_owned(),
        }
    }
}

/// Text that Mermaid shows as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut word = String::new();
    for letter in text.chars() {
        match letter {
            letter if letter.is_alphanumeric() => word.push(letter),
            letter => {
                put_word(&mut escaped, &mut word);
                match letter {
                    '#' | ';' | '<' | '>' | '"' | '{' | '}' | '%' | ':' | '\\' | '`' => {
                        let _ = write!(escaped, "#{};", u32::from(letter));
                    }
                    letter if letter.is_control() => escaped.push(' '),
                    letter => escaped.push(letter),
                }
            }
        }
    }
    put_word(&mut escaped, &mut word);
    escaped
}

/// A word, as it is but for `end`, which Mermaid would take for its own.
fn put_word(escaped: &mut String, word: &mut String) {
    if word.eq_ignore_ascii_case("end") {
        escaped.extend(word.chars().next());
        escaped.push_str("#110;d");
    } else {
        escaped.push_str(word);
    }
    word.clear();
}
