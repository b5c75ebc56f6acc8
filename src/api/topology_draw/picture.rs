//! The picture: nodes and arrows, in an order that follows from the topology alone.
//!
//! Nodes: the topology's exchanges, then other ones that something uses, in the order of use; queues alike. Arrows:
//! bindings to exchanges, bindings to queues, alternates, dead letters.

use super::super::place::{Arguments, on_one_line};
use super::super::topology::Binding;
use super::super::topology_view::{Origin, View, declared_name};
use crate::engine::End;
use crate::route::ExchangeKind;
use hashbrown::HashMap;
use std::fmt::{self, Display};

/// What is to be drawn.
#[derive(Default)]
pub(super) struct Picture {
    pub(super) exchanges: Vec<Node>,
    pub(super) queues: Vec<Node>,
    pub(super) arrows: Vec<Arrow>,
    exchange_places: HashMap<String, usize>,
    queue_places: HashMap<String, usize>,
}

/// An exchange or a queue.
pub(super) struct Node {
    /// Its name, on one line.
    pub(super) name: String,
    /// What stands beneath: the kind, or that it does not exist.
    pub(super) note: Option<String>,
    pub(super) is_missing: bool,
}

/// A way that messages take.
pub(super) struct Arrow {
    pub(super) from: Spot,
    pub(super) to: Spot,
    /// What stands on it, on one line; may be empty.
    pub(super) label: String,
    /// An alternate or dead letters: a way that messages take only when something else fails.
    pub(super) is_dotted: bool,
}

/// A node by its place in the picture; displayed as its identifier.
#[derive(Clone, Copy)]
pub(super) enum Spot {
    Exchange(usize),
    Queue(usize),
}

impl Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(at) => write!(f, "e{at}"),
            Self::Queue(at) => write!(f, "q{at}"),
        }
    }
}

impl Picture {
    pub(super) fn of(view: &View<'_>) -> Self {
        let mut picture = Self::default();
        for exchange in view.wanted_exchanges() {
            picture.exchange(view, &exchange.name);
        }
        for queue in &view.queues {
            picture.queue(view, &queue.name);
        }
        picture.bindings(view);
        picture.alternates(view);
        picture.dead_letters(view);
        picture
    }

    fn exchange(&mut self, view: &View<'_>, name: &str) -> Spot {
        if let Some(at) = self.exchange_places.get(name) {
            return Spot::Exchange(*at);
        }
        let at = self.exchanges.len();
        self.exchange_places.insert(name.into(), at);
        let known = view.exchange(name);
        let note = known.map_or("does not exist", |known| known.kind.as_str());
        let shown = if name.is_empty() { "(default)" } else { name };
        self.exchanges.push(Node {
            name: on_one_line(shown).into_owned(),
            note: Some(note.into()),
            is_missing: known.is_none(),
        });
        Spot::Exchange(at)
    }

    fn queue(&mut self, view: &View<'_>, name: &str) -> Spot {
        if let Some(at) = self.queue_places.get(name) {
            return Spot::Queue(*at);
        }
        let at = self.queues.len();
        self.queue_places.insert(name.into(), at);
        let is_missing = view.queue(name).is_none();
        let note = is_missing.then(|| "does not exist".into());
        self.queues.push(Node { name: on_one_line(name).into_owned(), note, is_missing });
        Spot::Queue(at)
    }

    fn bindings(&mut self, view: &View<'_>) {
        for (end, binding) in view.all_bindings() {
            let source = declared_name(&binding.source);
            let kind = view.exchange(&source).map_or(ExchangeKind::Direct, |source| source.kind);
            let from = self.exchange(view, &source);
            let to = match end {
                End::Exchange(name) => self.exchange(view, &declared_name(name)),
                End::Queue(name) => self.queue(view, &declared_name(name)),
            };
            self.arrows.push(Arrow { from, to, label: binding_label(kind, binding), is_dotted: false });
        }
    }

    fn alternates(&mut self, view: &View<'_>) {
        for exchange in &view.exchanges {
            let Some(alternate) = &exchange.alternate else { continue };
            // A policy over everything gives alternates to exchanges that nobody uses.
            if exchange.origin != Origin::Wanted && !self.exchange_places.contains_key(&*exchange.name) {
                continue;
            }
            let from = self.exchange(view, &exchange.name);
            let to = self.exchange(view, alternate);
            self.arrows.push(Arrow { from, to, label: "alternate".into(), is_dotted: true });
        }
    }

    fn dead_letters(&mut self, view: &View<'_>) {
        for (queue, settings) in view.sound_queues() {
            let Some(dead_letter) = &settings.dead_letter else { continue };
            let from = self.queue(view, &queue.name);
            let (to, label) = match &dead_letter.routing_key {
                // Through the default exchange the key is the name of the queue that gets them.
                Some(key) if dead_letter.exchange.is_empty() => (self.queue(view, key), "dead letters".into()),
                Some(key) => {
                    (self.exchange(view, &dead_letter.exchange), format!("dead letters: {}", on_one_line(key)))
                }
                None => (self.exchange(view, &dead_letter.exchange), "dead letters".into()),
            };
            self.arrows.push(Arrow { from, to, label, is_dotted: true });
        }
    }
}

/// The key, unless the exchange does not look at it; arguments where they decide, or where there are any.
fn binding_label(kind: ExchangeKind, binding: &Binding) -> String {
    let key = on_one_line(&binding.key);
    let looks_at_keys = matches!(kind, ExchangeKind::Direct | ExchangeKind::Topic);
    let key = if key.is_empty() && looks_at_keys { "(empty)".into() } else { key };
    let arguments = Arguments(&binding.arguments).to_string();
    match (key.is_empty(), arguments.is_empty()) {
        (_, true) => key.into_owned(),
        (true, false) => arguments,
        (false, false) => format!("{key}; {arguments}"),
    }
}
