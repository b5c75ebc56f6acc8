//! What a broker would refuse: asked of the very check that comes before a declaration, for each part alone, against a
//! broker that has nothing.

use super::super::broker::Broker;
use super::super::declare_check::{self, Problem};
use super::super::exchange::Exchange;
use super::super::place::{Place, Quoted};
use super::super::queue::Queue;
use super::super::topology::{Binding, Topology};
use super::super::topology_view::{Elsewhere, declared_name};
use super::finding::Findings;
use crate::engine::{End, TopologyError};
use hashbrown::HashMap;
use std::borrow::Cow;

pub(super) fn lint(topology: &Topology, elsewhere: &Elsewhere, findings: &mut Findings) {
    let mut check = Check { empty: Broker::new(), sound: Sound::default(), findings };
    for policy in topology.policies() {
        let alone = Topology::new().policy(policy.clone());
        check.part(Place::policy(&policy.name), &alone);
    }
    for exchange in topology.exchanges() {
        check.exchange(exchange);
    }
    for queue in topology.queues() {
        check.queue(queue);
    }
    check.twice(topology);
    for (end, binding) in topology.all_bindings() {
        check.binding(end, binding);
    }
    for (to_queue, destination, binding) in &elsewhere.lost {
        lost(*to_queue, destination, binding, check.findings);
    }
}

/// What can be declared, without its bindings.
#[derive(Default)]
struct Sound<'a> {
    exchanges: HashMap<Cow<'a, str>, Exchange>,
    queues: HashMap<Cow<'a, str>, Queue>,
}

struct Check<'a, 'f> {
    empty: Broker,
    sound: Sound<'a>,
    findings: &'f mut Findings,
}

impl<'a> Check<'a, '_> {
    /// Everything for which declaring these would be refused.
    fn problems(&self, topology: &Topology) -> Vec<Problem> {
        let engine = self.empty.engine();
        let checked = declare_check::check(&engine.topology.read(), &engine.limits, topology);
        checked.err().map(|error| error.problems).unwrap_or_default()
    }

    /// Whether a part by itself can be declared.
    fn part(&mut self, place: Place, alone: &Topology) -> bool {
        let problems = self.problems(alone);
        for problem in &problems {
            let problem = format!("it would be refused: {problem}");
            self.findings.error("refused", place.clone(), problem, "correct what the refusal names, or take it out");
        }
        problems.is_empty()
    }

    fn exchange(&mut self, exchange: &'a Exchange) {
        let bare = Exchange { bindings: Vec::new(), ..exchange.clone() };
        let name = declared_name(&exchange.name);
        if self.part(Place::exchange(&name), &Topology::new().exchange(bare.clone())) {
            self.sound.exchanges.entry(name).or_insert(bare);
        }
    }

    fn queue(&mut self, queue: &'a Queue) {
        let bare = Queue { bindings: Vec::new(), ..queue.clone() };
        let name = declared_name(&queue.name);
        if self.part(Place::queue(&name), &Topology::new().queue(bare.clone())) {
            self.sound.queues.entry(name).or_insert(bare);
        }
    }

    /// What is wanted twice, and differently, shows only in the whole.
    fn twice(&mut self, topology: &Topology) {
        for problem in self.problems(topology) {
            let Problem::Twice(item) = &problem else { continue };
            let place = match item {
                super::super::declare::Item::Policy(name) => Place::policy(name),
                super::super::declare::Item::Exchange(name) => Place::exchange(name),
                super::super::declare::Item::Queue(name) => Place::queue(name),
                super::super::declare::Item::Binding { .. } => continue,
            };
            self.findings.error(
                "refused",
                place,
                "it is wanted twice, and differently".into(),
                "remove one of the two",
            );
        }
    }

    /// A binding between parts that are sound by themselves.
    fn binding(&mut self, end: End<&'a str>, binding: &Binding) {
        let mut alone = Topology::new();
        if let Some(source) = self.sound.exchanges.get(&declared_name(&binding.source)) {
            alone = alone.exchange(source.clone());
        }
        match end {
            End::Queue(name) => {
                let Some(queue) = self.sound.queues.get(&declared_name(name)) else { return };
                alone = alone.queue(queue.clone().binding(binding.clone()));
            }
            End::Exchange(name) => {
                let Some(exchange) = self.sound.exchanges.get(&declared_name(name)) else { return };
                let bound = exchange.clone().binding(binding.clone());
                // An exchange that is bound to itself is there once.
                alone.exchanges.retain(|other| other.name != bound.name);
                alone = alone.exchange(bound);
            }
        }
        for problem in self.problems(&alone) {
            let place = Place::binding(end, binding);
            if let Problem::Refused(TopologyError::NoExchange { exchange }) = &problem {
                from_nowhere(place, exchange, self.findings);
                continue;
            }
            let problem = format!("it would be refused: {problem}");
            self.findings.error("refused", place, problem, "correct what the refusal names, or take it out");
        }
    }
}

fn from_nowhere(place: Place, exchange: &str, findings: &mut Findings) {
    let problem = format!("there is no exchange {} to bind to, so nothing comes this way", Quoted(exchange));
    let remedy = format!("declare the exchange {}, or correct its name in the binding", Quoted(exchange));
    findings.error("binding-from-missing-exchange", place, problem, remedy);
}

/// A binding that a definitions file has without both its ends.
fn lost(to_queue: bool, destination: &str, binding: &Binding, findings: &mut Findings) {
    let end = if to_queue { End::Queue(destination) } else { End::Exchange(destination) };
    let what = if to_queue { "queue" } else { "exchange" };
    let problem = format!(
        "the file has not both its ends: no exchange {}, or no {what} {}",
        Quoted(&binding.source),
        Quoted(destination)
    );
    let remedy = "declare what is missing, or take the binding out";
    findings.error("binding-without-ends", Place::binding(end, binding), problem, remedy);
}
