//! The control: what is chosen while the broker works, and what happened so far.
//!
//! It is the broker's injector, and so is asked where something may go wrong; and a tap, and so knows when somebody has
//! acknowledged. Whoever is to die unwinds from there with a [`Crash`], out of the middle of his own code as a real program
//! would stop; the run loop catches it.

use super::choices::Choices;
use crate::base::Name;
use crate::base::sync::{Mutex, Rank};
use crate::engine::faults::{AckFault, By, Delivering, DeliveryFault, Hit, Inject, PublishFault, Publishing};
use crate::engine::waiter::Me;
use crate::message::Envelope;
use crate::port::{Fact, Injected, Tap, What};
use crate::testing::TestBroker;
use crate::testing::faults::Rules;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What unwinds out of a program that dies, and how.
#[derive(Debug)]
pub(super) struct Crash(pub(super) Injected);

/// What all parts of a run share.
#[derive(Clone, Debug)]
pub(super) struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The test's own rules, which go first.
    rules: OnceLock<Arc<Rules>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) choices: Choices,
    /// What happened, and whether it was not the plain way.
    pub(super) steps: Vec<Step>,
    pub(super) facts: Vec<Fact>,
    pub(super) faults: u64,
    menu: Vec<Injected>,
    faults_left: u32,
    delay: Duration,
    /// Who acts, and on what.
    actor: Option<(String, TestBroker)>,
    /// The tags of the consumers that each actor opened.
    tags: BTreeMap<String, Vec<Name>>,
}

/// One line of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) text: String,
    /// It was chosen otherwise than plainly.
    pub(super) chosen: bool,
}

impl Control {
    pub(super) fn new(choices: Choices, menu: Vec<Injected>, most_faults: u32, delay: Duration) -> Self {
        let state = State {
            choices,
            steps: Vec::new(),
            facts: Vec::new(),
            faults: 0,
            menu,
            faults_left: most_faults,
            delay,
            actor: None,
            tags: BTreeMap::new(),
        };
        Self(Arc::new(Shared { state: Mutex::new(Rank::Leaf, state), rules: OnceLock::new() }))
    }

    /// The rules of the broker, which go first.
    pub(super) fn set_rules(&self, rules: &Arc<Rules>) {
        let _first = self.0.rules.set(Arc::clone(rules));
    }

    /// Whoever acts from now on. Gives who did before.
    pub(super) fn acts(&self, actor: Option<(String, TestBroker)>) -> Option<(String, TestBroker)> {
        std::mem::replace(&mut self.0.state.lock().actor, actor)
    }

    /// Takes one of so many ways.
    pub(super) fn pick(&self, ways: usize) -> usize {
        self.0.state.lock().choices.pick(ways)
    }

    /// Something happened.
    pub(super) fn step(&self, text: String, chosen: bool) {
        self.0.state.lock().steps.push(Step { text, chosen });
    }

    /// Whether this actor dies here, between two of its steps.
    pub(super) fn dies(&self, actor: &str) -> bool {
        let mut state = self.0.state.lock();
        state.fault(&[Injected::KillLater], || format!("'{actor}' dies between two steps")).is_some()
    }

    /// The tags of the consumers that an actor opened, which are forgotten.
    pub(super) fn take_tags(&self, actor: &str) -> Vec<Name> {
        self.0.state.lock().tags.remove(actor).unwrap_or_default()
    }

    /// The broker has back what the one who acts had out, before anything of his is dropped.
    fn crash(&self) {
        let actor = self.0.state.lock().actor.clone();
        let Some((name, t)) = actor else { return };
        for tag in self.take_tags(&name) {
            t.crash_consumer(&tag);
        }
    }

    /// All that happened so far.
    pub(super) fn facts(&self) -> Vec<Fact> {
        self.0.state.lock().facts.clone()
    }

    /// Looks at the end of a run.
    pub(super) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.0.state.lock())
    }

    fn rules(&self) -> Option<&Arc<Rules>> {
        self.0.rules.get()
    }

    /// Asks for one of these faults of what an actor does.
    fn fault(&self, can: &[Injected], text: impl FnOnce(&str, Injected) -> String) -> Option<Injected> {
        let mut state = self.0.state.lock();
        let (actor, _) = state.actor.as_ref()?;
        let actor = actor.clone();
        state.fault_as(can, |fault| text(&actor, fault))
    }
}

impl State {
    fn fault(&mut self, can: &[Injected], text: impl FnOnce() -> String) -> Option<Injected> {
        self.fault_as(can, |_| text())
    }

    fn fault_as(&mut self, can: &[Injected], text: impl FnOnce(Injected) -> String) -> Option<Injected> {
        let can: Vec<Injected> = can.iter().filter(|fault| self.menu.contains(fault)).copied().collect();
        if self.faults_left == 0 || can.is_empty() {
            return None;
        }
        let picked = self.choices.pick_fault(can.len()).checked_sub(1)?;
        let fault = can.get(picked).copied()?;
        self.faults_left -= 1;
        self.faults += 1;
        self.steps.push(Step { text: text(fault), chosen: true });
        Some(fault)
    }
}

impl Inject for Control {
    fn publish(&self, publishing: &Publishing<'_>) -> Option<Hit<PublishFault>> {
        if let Some(hit) = self.rules().and_then(|rules| rules.publish(publishing)) {
            return Some(hit);
        }
        let mut can = Vec::new();
        if !publishing.queues.is_empty() {
            can.push(Injected::RefusePublish);
        }
        if publishing.confirms {
            can.extend([Injected::LoseConfirm, Injected::DelayConfirm, Injected::NackTaken]);
        }
        let key = publishing.envelope.routing_key();
        let fault = self.fault(&can, |actor, fault| format!("'{actor}' publishes with key '{key}': {fault}"))?;
        let fault = match fault {
            Injected::RefusePublish => PublishFault::Refuse,
            Injected::LoseConfirm => PublishFault::Lose,
            Injected::NackTaken => PublishFault::NackTaken,
            _ => PublishFault::Delay(self.0.state.lock().delay),
        };
        Some(Hit { fault, by: By::default() })
    }

    fn offer(&self, queue: &Name, envelope: &Envelope) -> Option<By> {
        if let Some(by) = self.rules().and_then(|rules| rules.offer(queue, envelope)) {
            return Some(by);
        }
        self.fault(&[Injected::FillQueue], |_, fault| format!("'{queue}' is offered a message: {fault}"))?;
        Some(By::default())
    }

    fn delivery(&self, delivering: &Delivering<'_>) -> Option<Hit<DeliveryFault>> {
        if let Some(hit) = self.rules().and_then(|rules| rules.delivery(delivering)) {
            return Some(hit);
        }
        let (queue, consumer) = (delivering.queue, delivering.consumer?);
        self.fault(&[Injected::DelayDelivery], |_, fault| format!("'{queue}' serves '{consumer}': {fault}"))?;
        let fault = DeliveryFault::Delay(self.0.state.lock().delay);
        Some(Hit { fault, by: By::default() })
    }

    fn ack(&self, queue: &Name) -> Option<AckFault> {
        let can = [Injected::DeliverTwice, Injected::KillConsumer];
        match self.fault(&can, |actor, fault| format!("'{actor}' acknowledges to '{queue}': {fault}"))? {
            Injected::DeliverTwice => Some(AckFault::Lost(By::default())),
            fault => Some(AckFault::Dies(Box::new(Crash(fault)))),
        }
    }
}

impl Tap for Control {
    fn saw(&self, facts: &[Fact]) {
        let mut acknowledged = false;
        {
            let mut state = self.0.state.lock();
            for fact in facts {
                let actor = state.actor.as_ref().map(|(name, _)| name.clone());
                match (&fact.what, actor) {
                    (What::ConsumerAttached { tag, .. }, Some(actor)) => {
                        state.tags.entry(actor).or_default().push(tag.clone());
                    }
                    (What::Acknowledged { automatic: false }, _) => acknowledged = true,
                    _ => {}
                }
            }
            state.facts.extend_from_slice(facts);
        }
        let dies = || {
            let text = |actor: &str, _| format!("'{actor}' dies right after its acknowledgement");
            self.fault(&[Injected::KillLater], text).is_some()
        };
        if acknowledged && !Me::is_panicking() && dies() {
            self.crash();
            resume_unwind(Box::new(Crash(Injected::KillLater)));
        }
    }
}
