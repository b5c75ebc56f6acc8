//! Policies in force: which one is for a name, and what happens when one comes or goes.

use super::error::TopologyError;
use super::{Engine, Topology, Work};
use crate::base::{Limits, Name};
use crate::queue::{Policy, PolicyDefinition, QueueKind};
use regex_lite::Regex;

/// All policies of a broker, best first: by priority, then by name.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    policy: Policy,
    pattern: Regex,
}

impl Policies {
    /// The policies, best first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Policy> {
        self.entries.iter().map(|entry| &entry.policy)
    }

    /// The policy of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Policy> {
        self.iter().find(|policy| policy.name == name)
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// What is in force for a queue.
    pub(crate) fn for_queue(&self, name: &str, kind: QueueKind) -> Option<&PolicyDefinition> {
        self.over_queue(name, kind).map(|policy| &policy.definition).find(|definition| definition.suits(kind))
    }

    /// The policies that are laid over a queue, best first. The first that suits its kind is in force.
    pub(crate) fn over_queue(&self, name: &str, kind: QueueKind) -> impl Iterator<Item = &Policy> {
        let over = self.entries.iter().filter(move |entry| entry.policy.apply_to.covers(kind));
        over.filter(move |entry| entry.pattern.is_match(name)).map(|entry| &entry.policy)
    }

    /// The policies that are laid over an exchange, best first. The first is in force.
    pub(crate) fn over_exchange(&self, name: &str) -> impl Iterator<Item = &Policy> {
        let over = self.entries.iter().filter(|entry| entry.policy.apply_to.covers_exchanges());
        over.filter(move |entry| entry.pattern.is_match(name)).map(|entry| &entry.policy)
    }

    /// The alternate exchange that is in force for an exchange.
    pub(crate) fn alternate(&self, name: &str) -> Option<Name> {
        self.over_exchange(name).next()?.definition.name("alternate-exchange")
    }

    /// Policies without a broker; those that a broker refuses are left out.
    pub(crate) fn of<'p>(policies: impl Iterator<Item = &'p Policy>) -> Self {
        let mut all = Self::default();
        for policy in policies {
            if let Ok(pattern) = policy.compile() {
                all.put(policy.clone(), pattern);
            }
        }
        all
    }

    fn put(&mut self, policy: Policy, pattern: Regex) {
        self.entries.retain(|entry| entry.policy.name != policy.name);
        let before = |entry: &Entry| {
            let other = &entry.policy;
            (other.priority, &policy.name) > (policy.priority, &other.name)
        };
        let at = self.entries.partition_point(before);
        self.entries.insert(at, Entry { policy, pattern });
    }
}

impl Engine {
    /// Sets a policy, in the place of one of the same name. What it changes is in force at once.
    pub(crate) fn set_policy(&self, policy: Policy) -> Result<(), TopologyError> {
        let renewed = {
            let mut topology = self.changing()?;
            topology.put_policy(&self.limits, policy)?;
            self.renew(&mut topology)
        };
        self.finish(renewed);
        Ok(())
    }

    /// Removes a policy; false where there is none of this name.
    pub(crate) fn clear_policy(&self, name: &str) -> Result<bool, TopologyError> {
        let (existed, renewed) = {
            let mut topology = self.changing()?;
            let before = topology.policies.entries.len();
            topology.policies.entries.retain(|entry| entry.policy.name != name);
            (topology.policies.entries.len() < before, self.renew(&mut topology))
        };
        self.finish(renewed);
        Ok(existed)
    }

    /// Puts in force what the policies say now; what that leaves to do is for when the topology's lock is free. The
    /// topology stays locked meanwhile, so that of two changes the later one is in force everywhere in the end.
    pub(crate) fn renew(&self, topology: &mut Topology) -> Work {
        topology.renew_alternates();
        let mut work = Work::default();
        for cell in topology.queues.iter().flatten() {
            let spec = &cell.spec;
            let settings = spec.settings(topology.policies.for_queue(&spec.name, spec.kind));
            cell.act(self, &mut work, |state, effects| {
                if *state.settings() != settings {
                    state.apply_settings(self.clock.now(), settings, effects);
                }
            });
        }
        work
    }
}

impl Topology {
    /// Puts a policy among the others; [`Engine::renew`] puts it in force.
    pub(crate) fn put_policy(&mut self, limits: &Limits, policy: Policy) -> Result<(), TopologyError> {
        Name::check(&policy.name)?;
        let pattern = policy.compile()?;
        if self.policies.entries.len() >= limits.policies && self.policies.get(&policy.name).is_none() {
            return Err(TopologyError::LimitReached { what: "policies", limit: limits.policies });
        }
        self.policies.put(policy, pattern);
        Ok(())
    }
}
