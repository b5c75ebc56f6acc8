//! Changes of the graph: exchanges and queues come and go, bindings are made and ended.
//!
//! An auto-delete exchange goes with the last binding *from* it, however that ended: by an unbind, or because the
//! queue or exchange that it led to was deleted. One going may let another go; a worklist carries that on.

use super::{Exchange, Graph, Queue};
use crate::base::sync::atomic::AtomicU64;
use crate::base::{ExchangeId, Name, QueueId};
use crate::route::bindings::{List, Side};
use crate::route::matcher::Matcher;
use crate::route::spec::{BindError, Bound, Destination, ExchangeSpec, Unbound};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

impl Graph {
    /// Adds an exchange and tells its id. Where the name is taken, nothing changes and that exchange's id is told.
    pub fn insert(&mut self, spec: ExchangeSpec) -> ExchangeId {
        if let Some(known) = self.find(&spec.name) {
            return known;
        }
        let (name, alternate) = (spec.name.clone(), spec.alternate.clone());
        let born = self.bear();
        let id = ExchangeId(self.exchanges.insert(Some(Box::new(Exchange {
            matcher: Matcher::new(spec.kind),
            spec,
            from: List::EMPTY,
            to: List::EMPTY,
            feeders: BTreeMap::new(),
            generation: Arc::new(AtomicU64::new(0)),
            born,
            mark: 0,
        }))));
        self.order.insert(born, id);
        self.names.insert(name, id);
        self.point(id, alternate.as_ref());
        // Others may have named it as their alternate before it was there.
        self.touch([id]);
        id
    }

    /// Sets the alternate exchange, which need not exist. Of a missing exchange and of the default one, nothing.
    pub fn set_alternate(&mut self, id: ExchangeId, alternate: Option<Name>) {
        let Some(exchange) = self.at_mut(id).filter(|exchange| exchange.spec.alternate != alternate) else { return };
        let before = std::mem::replace(&mut exchange.spec.alternate, alternate.clone());
        self.unpoint(id, before.as_ref());
        self.point(id, alternate.as_ref());
        self.touch([id]);
    }

    /// Deletes an exchange and tells what went: itself first, then the auto-delete exchanges that went in consequence.
    ///
    /// The default exchange stays, and nothing is told for it or for one that is not there.
    pub fn remove(&mut self, id: ExchangeId) -> Vec<ExchangeSpec> {
        if id == Self::DEFAULT {
            return Vec::new();
        }
        self.touch([id]);
        self.cascade(VecDeque::from([id]))
    }

    /// Makes a binding; `false` where it was there already.
    ///
    /// # Errors
    ///
    /// [`BindError::NoSource`] and [`BindError::NoDestination`] where an end is missing; on a headers exchange
    /// [`BindError::MatchType`] and [`BindError::MatchValue`] where `x-match` is bad.
    pub fn bind<'b>(&mut self, source: ExchangeId, binding: impl Into<Bound<'b>>) -> Result<bool, BindError> {
        let binding = binding.into();
        if self.at(source).is_none() {
            return Err(BindError::NoSource(source));
        }
        if self.list_to(binding.destination).is_none() {
            return Err(BindError::NoDestination(binding.destination));
        }
        let sought = self.bindings.seek(source, binding);
        if sought.found().is_some() {
            return Ok(false);
        }
        let born = self.bear();
        if let Some(Some(exchange)) = self.exchanges.get_mut(source.0) {
            let asking = exchange.matcher.read(binding.arguments)?;
            let id = self.bindings.insert(source, binding, born, sought);
            exchange.matcher.insert(&mut self.bindings, binding.key, id, asking);
            self.hang(source, binding.destination, id);
        }
        self.touch([source]);
        Ok(true)
    }

    /// Ends a binding. That there was none is no error.
    pub fn unbind<'b>(&mut self, source: ExchangeId, binding: impl Into<Bound<'b>>) -> Unbound {
        let Some(id) = self.bindings.seek(source, binding.into()).found() else { return Unbound::default() };
        self.touch([source]);
        let mut due = VecDeque::new();
        self.end(id, &mut due);
        Unbound { existed: true, deleted: self.cascade(due) }
    }

    /// Makes a queue known, under an id that no queue has now. One of the same name or id is forgotten first.
    pub fn insert_queue(&mut self, name: Name, id: QueueId) {
        if let Some(known) = self.queue_name(id).cloned() {
            self.remove_queue(&known);
        }
        self.remove_queue(&name);
        let at = id.0 as usize;
        if self.queues.len() <= at {
            self.queues.resize_with(at + 1, || None);
        }
        if let Some(place) = self.queues.get_mut(at) {
            *place = Some(Queue { name: name.clone(), to: List::EMPTY });
        }
        self.queue_names.insert(name, id);
        self.touch([Self::DEFAULT]);
    }

    /// Forgets a queue and ends its bindings; tells the auto-delete exchanges that went in consequence.
    pub fn remove_queue(&mut self, name: &str) -> Vec<ExchangeSpec> {
        let Some(id) = self.queue_names.remove(name) else { return Vec::new() };
        let bindings = self.list_to(Destination::Queue(id)).unwrap_or(List::EMPTY);
        let sources = self.bindings.iter(bindings, Side::To).filter_map(|id| Some(self.bindings.get(id)?.source));
        let mut touched: Vec<ExchangeId> = sources.collect();
        touched.push(Self::DEFAULT);
        self.touch(touched);
        let mut due = VecDeque::new();
        while let Some(binding) = self.list_to(Destination::Queue(id)).and_then(|list| list.first()) {
            self.end(binding, &mut due);
        }
        if let Some(place) = self.queues.get_mut(id.0 as usize) {
            *place = None;
        }
        while self.queues.last().is_some_and(Option::is_none) {
            self.queues.pop();
        }
        if self.queues.len() < self.queues.capacity() / 4 {
            self.queues.shrink_to(self.queues.len() * 2);
        }
        self.cascade(due)
    }

    /// Deletes the exchanges that are due, and those that become due by that.
    ///
    /// The caller has touched the exchange or queue that it began with, and with it all that can become due: they are
    /// upstream of it.
    fn cascade(&mut self, mut due: VecDeque<ExchangeId>) -> Vec<ExchangeSpec> {
        let mut gone = Vec::new();
        while let Some(id) = due.pop_front() {
            gone.extend(self.take_exchange(id, &mut due));
        }
        gone
    }

    /// Takes one exchange out, with all bindings from it and to it.
    fn take_exchange(&mut self, id: ExchangeId, due: &mut VecDeque<ExchangeId>) -> Option<ExchangeSpec> {
        self.at(id)?;
        // Its own end is no reason for it to be due.
        let mut itself = VecDeque::new();
        while let Some(binding) = self.at(id).and_then(|exchange| exchange.from.first()) {
            self.end(binding, &mut itself);
        }
        while let Some(binding) = self.at(id).and_then(|exchange| exchange.to.first()) {
            self.end(binding, due);
        }
        let exchange = self.exchanges.remove(id.0).flatten()?;
        self.order.remove(&exchange.born);
        self.names.remove(&exchange.spec.name);
        self.unpoint(id, exchange.spec.alternate.as_ref());
        Some(exchange.spec)
    }

    /// Ends a binding. Its source becomes due where it is auto-delete and this was its last.
    fn end(&mut self, id: u32, due: &mut VecDeque<ExchangeId>) {
        let Some(record) = self.bindings.get(id) else { return };
        let (source, destination) = (record.source, record.destination());
        self.unhang(source, destination, id);
        let Some(Some(exchange)) = self.exchanges.get_mut(source.0) else { return };
        exchange.matcher.remove(&mut self.bindings, id);
        self.bindings.remove(id);
        if exchange.spec.auto_delete && exchange.from.is_empty() {
            due.push_back(source);
        }
    }

    /// Hangs a binding in the lists of both its ends.
    fn hang(&mut self, source: ExchangeId, destination: Destination, id: u32) {
        if let Some(Some(exchange)) = self.exchanges.get_mut(source.0) {
            self.bindings.link(&mut exchange.from, Side::From, id);
        }
        match destination {
            Destination::Queue(queue) => {
                if let Some(Some(queue)) = self.queues.get_mut(queue.0 as usize) {
                    self.bindings.link(&mut queue.to, Side::To, id);
                }
            }
            Destination::Exchange(exchange) => {
                if let Some(Some(exchange)) = self.exchanges.get_mut(exchange.0) {
                    self.bindings.link(&mut exchange.to, Side::To, id);
                    *exchange.feeders.entry(source).or_default() += 1;
                }
            }
        }
    }

    /// Takes a binding off the lists of both its ends.
    fn unhang(&mut self, source: ExchangeId, destination: Destination, id: u32) {
        if let Some(Some(exchange)) = self.exchanges.get_mut(source.0) {
            self.bindings.unlink(&mut exchange.from, Side::From, id);
        }
        match destination {
            Destination::Queue(queue) => {
                if let Some(Some(queue)) = self.queues.get_mut(queue.0 as usize) {
                    self.bindings.unlink(&mut queue.to, Side::To, id);
                }
            }
            Destination::Exchange(exchange) => {
                if let Some(Some(exchange)) = self.exchanges.get_mut(exchange.0) {
                    self.bindings.unlink(&mut exchange.to, Side::To, id);
                    exchange.feed_less(source);
                }
            }
        }
    }
}

impl Exchange {
    /// One binding less comes from this source.
    fn feed_less(&mut self, source: ExchangeId) {
        if let Some(count) = self.feeders.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.feeders.remove(&source);
            }
        }
    }
}
