//! The routing graph, restated as lists that are looked through from end to end. Everything goes by name.

use super::{headers, topic};
use leveret::Table;
use leveret::internals::ExchangeKind;
use std::collections::VecDeque;

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq)]
pub enum To {
    Queue(String),
    Exchange(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    pub from: String,
    pub to: To,
    pub key: String,
    pub arguments: Table,
}

#[derive(Clone, Debug)]
pub struct Declared {
    pub name: String,
    pub kind: ExchangeKind,
    pub auto_delete: bool,
    pub alternate: Option<String>,
}

/// Exchanges, queues and bindings, each in the order in which they were made.
#[derive(Debug, Default)]
pub struct Naive {
    pub exchanges: Vec<Declared>,
    pub queues: Vec<String>,
    pub bindings: Vec<Bound>,
}

impl Naive {
    pub fn exchange(&self, name: &str) -> Option<&Declared> {
        self.exchanges.iter().find(|x| x.name == name)
    }

    pub fn bind(&mut self, bound: Bound) -> bool {
        let new = !self.bindings.contains(&bound);
        if new {
            self.bindings.push(bound);
        }
        new
    }

    /// Ends all bindings of which `which` says so, and tells what went.
    pub fn unbind(&mut self, which: impl Fn(&Bound) -> bool) -> Vec<String> {
        let mut due = VecDeque::new();
        self.end(which, &mut due);
        self.cascade(due)
    }

    pub fn remove(&mut self, name: &str) -> Vec<String> {
        self.cascade(VecDeque::from([name.to_owned()]))
    }

    pub fn remove_queue(&mut self, name: &str) -> Vec<String> {
        self.queues.retain(|queue| queue != name);
        self.unbind(|bound| bound.to == To::Queue(name.to_owned()))
    }

    pub fn route(&self, exchange: &str, keys: &[&str], table: &Table) -> Vec<String> {
        let mut found = Vec::new();
        let mut add = |queue: &str| {
            if !found.iter().any(|known| known == queue) {
                found.push(queue.to_owned());
            }
        };
        if exchange.is_empty() {
            keys.iter().filter(|key| self.queues.iter().any(|queue| queue == *key)).for_each(|key| add(key));
            return found;
        }
        let mut walk = vec![exchange.to_owned()];
        let mut at = 0;
        while at < walk.len() {
            let here = walk[at].clone();
            at += 1;
            let Some(declared) = self.exchange(&here) else { continue };
            let matches = |b: &&Bound| b.from == here && matches(declared.kind, b, keys, table);
            let hits: Vec<&Bound> = self.bindings.iter().filter(matches).collect();
            let mut next: Vec<String> = Vec::new();
            if hits.is_empty() {
                next.extend(declared.alternate.clone().filter(|name| !name.is_empty()));
            }
            for hit in hits {
                match &hit.to {
                    To::Queue(queue) => add(queue),
                    To::Exchange(name) => next.push(name.clone()),
                }
            }
            for name in next {
                if !walk.contains(&name) {
                    walk.push(name);
                }
            }
        }
        found
    }

    fn cascade(&mut self, mut due: VecDeque<String>) -> Vec<String> {
        let mut gone = Vec::new();
        while let Some(name) = due.pop_front() {
            if self.exchange(&name).is_none() {
                continue;
            }
            self.bindings.retain(|bound| bound.from != name);
            self.end(|bound| bound.to == To::Exchange(name.clone()), &mut due);
            self.exchanges.retain(|exchange| exchange.name != name);
            gone.push(name);
        }
        gone
    }

    fn end(&mut self, which: impl Fn(&Bound) -> bool, due: &mut VecDeque<String>) {
        while let Some(at) = self.bindings.iter().position(&which) {
            let from = self.bindings.remove(at).from;
            let last = !self.bindings.iter().any(|bound| bound.from == from);
            if last && self.exchange(&from).is_some_and(|exchange| exchange.auto_delete) {
                due.push_back(from);
            }
        }
    }
}

fn matches(kind: ExchangeKind, bound: &Bound, keys: &[&str], table: &Table) -> bool {
    match kind {
        ExchangeKind::Direct => keys.contains(&bound.key.as_str()),
        ExchangeKind::Fanout => true,
        ExchangeKind::Topic => keys.iter().any(|key| topic::fits(&bound.key, key)),
        ExchangeKind::Headers => headers::fits(&bound.arguments, table),
    }
}
