//! Reading a definitions file: one pass for each section, in the order in which RabbitMQ imports them.
//!
//! Bindings come last, so that it is known by then which exchanges and queues there are. One that leads from or to
//! something that is not in the file is what RabbitMQ's import passes over too; here it leaves a notice.

use super::definitions::{Definitions, Notice};
use super::definitions_error::{DefinitionsError, shown};
use super::definitions_json::{Node, Read};
use super::exchange::Exchange;
use super::queue::Queue;
use super::topology::{Binding, Topology};
use super::topology_view::Elsewhere;
use crate::message::Table;
use crate::queue::{InvalidPolicy, Policy, PolicyDefinition, QueueFlags, QueueSpec, knows_policy_key};
use crate::route::ExchangeKind;
use hashbrown::{HashMap, HashSet};

/// The sections that hold what a virtual host has.
const OBJECTS: [&str; 5] = ["policies", "exchanges", "queues", "bindings", "parameters"];

/// What a file says about itself.
const REMARKS: [&str; 12] = [
    "rabbitmq_definition_format",
    "rabbit_version",
    "rabbitmq_version",
    "product_name",
    "product_version",
    "explanation",
    "original_cluster_name",
    "original_vhost_name",
    "description",
    "metadata",
    "tags",
    "default_queue_type",
];

/// The sections that have no counterpart here, and why.
const LEFT_OUT: [(&str, &str); 6] = [
    ("users", "there are no users here"),
    ("permissions", "there are no permissions here"),
    ("topic_permissions", "there are no permissions here"),
    ("global_parameters", "there are no parameters here"),
    ("limits", "limits of a virtual host have no counterpart; see Limits"),
    ("vhost_limits", "limits of a virtual host have no counterpart; see Limits"),
];

/// A file, and the virtual host that is read from it.
pub(super) struct Reader<'a> {
    root: Node<'a>,
    /// Whether nothing in it names a virtual host.
    single: bool,
    vhost: Option<String>,
    topology: Topology,
    notices: Vec<Notice>,
    elsewhere: Elsewhere,
    /// Where each policy, exchange and queue stands in the topology.
    policies: HashMap<String, usize>,
    exchanges: HashMap<String, usize>,
    queues: HashMap<String, usize>,
    /// The bindings read so far, see [`known_by`].
    bindings: HashSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: Node<'a>) -> Read<Self> {
        let format = root.find("rabbitmq_definition_format")?;
        let mut single = true;
        for object in objects(&root)? {
            single &= object.find("vhost")?.is_none();
        }
        if let Some(format) = format {
            single |= format.text()? == "single_virtual_host";
        }
        Ok(Self {
            root,
            single,
            vhost: None,
            topology: Topology::new(),
            notices: Vec::new(),
            elsewhere: Elsewhere::default(),
            policies: HashMap::new(),
            exchanges: HashMap::new(),
            queues: HashMap::new(),
            bindings: HashSet::new(),
        })
    }

    /// Takes the one virtual host that has something in it.
    pub(super) fn only_vhost(mut self) -> Read<Self> {
        if self.single {
            self.vhost =
                self.root.find("original_vhost_name")?.map(|name| name.text().map(str::to_owned)).transpose()?;
            return Ok(self);
        }
        let mut used = self.used_vhosts()?;
        match used.len() {
            0 | 1 => {
                self.vhost = used.pop();
                Ok(self)
            }
            _ => Err(DefinitionsError::SeveralVhosts { names: used }),
        }
    }

    /// Takes the virtual host of this name.
    pub(super) fn vhost(mut self, name: &str) -> Read<Self> {
        let mut known = Vec::new();
        if self.single {
            if let Some(original) = self.root.find("original_vhost_name")? {
                known.push(original.text()?.to_owned());
            }
        } else {
            known = self.used_vhosts()?;
            for vhost in section(&self.root, "vhosts")? {
                known.push(shown(vhost.get("name")?.text()?));
            }
        }
        if known.iter().any(|one| one == name) {
            self.vhost = Some(name.into());
            return Ok(self);
        }
        known.sort();
        known.dedup();
        Err(DefinitionsError::NoSuchVhost { name: shown(name), known })
    }

    /// The virtual hosts that hold something, sorted.
    fn used_vhosts(&self) -> Read<Vec<String>> {
        let mut used = Vec::new();
        for object in objects(&self.root)? {
            used.push(object.get("vhost")?.text()?.to_owned());
        }
        used.sort();
        used.dedup();
        Ok(used)
    }

    /// Reads it.
    pub(super) fn read(mut self) -> Read<Definitions> {
        self.other_sections()?;
        for node in self.ours("policies")? {
            self.policy(&node)?;
        }
        for node in self.ours("exchanges")? {
            self.exchange(&node)?;
        }
        for node in self.ours("queues")? {
            self.queue(&node)?;
        }
        for node in self.ours("bindings")? {
            self.binding(&node)?;
        }
        let Self { topology, vhost, notices, elsewhere, .. } = self;
        Ok(Definitions { topology, vhost, notices, elsewhere })
    }

    fn notice(&mut self, place: &str, reason: impl Into<String>) {
        self.notices.push(Notice { place: place.into(), reason: reason.into() });
    }

    /// Everything that is not part of a topology.
    fn other_sections(&mut self) -> Read<()> {
        for (name, node) in self.root.clone().entries()? {
            if let Some((_, why)) = LEFT_OUT.iter().find(|(section, _)| *section == name) {
                if !node.is_empty() {
                    self.notice(node.path(), format!("{} left out: {why}", node.len()));
                }
            } else if !OBJECTS.contains(&name) && !REMARKS.contains(&name) && name != "vhosts" {
                self.notice(node.path(), "not a section of RabbitMQ 4.0's definitions files; left out");
            }
        }
        for node in self.ours("parameters")? {
            let component = node.get("component")?.text()?;
            let what = match component {
                "operator_policy" => "operator policies are not provided".into(),
                other => format!("parameters of '{}' are a plugin's", shown(other)),
            };
            self.notice(node.path(), format!("left out: {what}"));
        }
        self.default_type()
    }

    /// A virtual host may have queues of another type by default.
    fn default_type(&mut self) -> Read<()> {
        let mut places = vec![self.root.clone()];
        for vhost in section(&self.root, "vhosts")? {
            if self.vhost.as_deref() == Some(vhost.get("name")?.text()?) {
                places.push(vhost);
            }
        }
        for place in places {
            if let Some(node) = place.find("default_queue_type")?
                && !matches!(node.text()?, "classic" | "undefined")
            {
                self.notice(node.path(), "left out: a queue declared without a type is classic here");
            }
        }
        Ok(())
    }

    /// The objects of a section that belong to the chosen virtual host.
    fn ours(&self, name: &str) -> Read<Vec<Node<'a>>> {
        let mut ours = Vec::new();
        for node in section(&self.root, name)? {
            let vhost = node.find("vhost")?.map(|vhost| vhost.text()).transpose()?;
            if self.single || vhost == self.vhost.as_deref() {
                ours.push(node);
            }
        }
        Ok(ours)
    }

    fn policy(&mut self, node: &Node<'_>) -> Read<()> {
        let name = node.get("name")?.name()?;
        let mut policy = Policy::new(&*name, node.get("pattern")?.text()?);
        if let Some(apply_to) = node.find("apply-to")? {
            policy.apply_to = apply_to.text()?.parse().map_err(|_| apply_to.not("a word of apply-to"))?;
        }
        if let Some(priority) = node.find("priority")? {
            policy.priority = priority.integer()?;
        }
        let mut definition = Table::new();
        for (key, value) in node.get("definition")?.table()?.iter() {
            if knows_policy_key(key) {
                definition.insert(key, value.clone());
            } else {
                self.notice(node.path(), format!("'{}' left out: no key of RabbitMQ's own policies", shown(key)));
            }
        }
        if definition.is_empty() {
            self.notice(node.path(), format!("policy '{name}' left out: nothing in it has a meaning here"));
            return Ok(());
        }
        policy.definition = PolicyDefinition::from(definition);
        match policy.check() {
            Ok(()) => {}
            // RabbitMQ's own expressions can do more; that is no fault of the file.
            Err(error @ InvalidPolicy::Pattern { .. }) => {
                self.notice(node.path(), format!("left out: {error}"));
                return Ok(());
            }
            Err(error) => return Err(DefinitionsError::Policy { path: node.path().into(), error: Box::new(error) }),
        }
        match self.policies.get(&*name).and_then(|at| self.topology.policies.get(*at)) {
            None => {
                self.policies.insert(policy.name.clone(), self.topology.policies.len());
                self.topology.policies.push(policy);
            }
            Some(known) if *known == policy => {}
            Some(_) => return Err(twice(node, &name)),
        }
        Ok(())
    }

    fn exchange(&mut self, node: &Node<'_>) -> Read<()> {
        let name = node.get("name")?.name()?;
        let word = node.get("type")?.text()?;
        if name.is_empty() || name.starts_with("amq.") {
            self.notice(node.path(), format!("exchange '{name}' left out: the broker has its own"));
            if !name.is_empty() && predeclared(&name).is_none() {
                self.exchange_elsewhere(&name, node)?;
            }
            return Ok(());
        }
        let Ok(kind) = word.parse::<ExchangeKind>() else {
            let word = shown(word);
            self.notice(node.path(), format!("exchange '{name}' left out: the type '{word}' is a plugin's"));
            return self.exchange_elsewhere(&name, node);
        };
        let mut exchange = Exchange::new(&*name, kind);
        exchange.durable = node.get("durable")?.boolean()?;
        exchange.auto_delete = node.get("auto_delete")?.boolean()?;
        if let Some(internal) = node.find("internal")? {
            exchange.internal = internal.boolean()?;
        }
        exchange.arguments = arguments(node)?;
        match self.exchanges.get(&*name).and_then(|at| self.topology.exchanges.get(*at)) {
            None => self.insert_exchange(exchange),
            Some(known) if *known == exchange => {}
            Some(_) => return Err(twice(node, &name)),
        }
        Ok(())
    }

    /// An exchange that is not in the topology, for a lint to know of.
    fn exchange_elsewhere(&mut self, name: &str, node: &Node<'_>) -> Read<()> {
        // The kind stands for one that nobody can tell the routes of.
        let exchange = Exchange { arguments: arguments(node)?, ..Exchange::headers(name) };
        self.elsewhere.exchanges.push(exchange);
        Ok(())
    }

    fn insert_exchange(&mut self, exchange: Exchange) {
        self.exchanges.insert(exchange.name.clone(), self.topology.exchanges.len());
        self.topology.exchanges.push(exchange);
    }

    fn queue(&mut self, node: &Node<'_>) -> Read<()> {
        let name = node.get("name")?.name()?;
        if name.is_empty() || name.starts_with("amq.") {
            self.notice(node.path(), format!("queue '{name}' left out: such names are the broker's own"));
            self.elsewhere.queues.push(name.to_string());
            return Ok(());
        }
        let mut queue = Queue::new(&*name);
        queue.durable = node.get("durable")?.boolean()?;
        queue.auto_delete = node.get("auto_delete")?.boolean()?;
        queue.arguments = arguments(node)?;
        match queue.arguments.get("x-queue-type").and_then(|kind| kind.as_str()) {
            Some("classic") => drop(queue.arguments.remove("x-queue-type")),
            Some("stream") => {
                self.notice(node.path(), format!("queue '{name}' left out: streams are not provided"));
                self.elsewhere.queues.push(name.to_string());
                return Ok(());
            }
            _ => {}
        }
        let flags = QueueFlags { durable: queue.durable, exclusive: false, auto_delete: queue.auto_delete };
        QueueSpec::check(name.clone(), flags, queue.arguments.clone())
            .map_err(|error| DefinitionsError::Queue { path: node.path().into(), error: Box::new(error) })?;
        match self.queues.get(&*name).and_then(|at| self.topology.queues.get(*at)) {
            None => {
                self.queues.insert(queue.name.clone(), self.topology.queues.len());
                self.topology.queues.push(queue);
            }
            Some(known) if *known == queue => {}
            Some(_) => return Err(twice(node, &name)),
        }
        Ok(())
    }

    fn binding(&mut self, node: &Node<'_>) -> Read<()> {
        let source = node.get("source")?.name()?;
        let destination = node.get("destination")?.name()?;
        let key = node.get("routing_key")?.name()?;
        let kind = node.get("destination_type")?;
        let binding = Binding::to(&*source).key(&*key).arguments(arguments(node)?);
        if source.is_empty() {
            self.notice(node.path(), "left out: every queue is bound to the default exchange by its name");
            return Ok(());
        }
        if !self.exchanges.contains_key(&*source) && predeclared(&source).is_none() {
            self.notice(node.path(), format!("left out: there is no exchange '{source}' to bind to"));
            self.left_out(kind.text()? == "queue", &destination, binding);
            return Ok(());
        }
        // A second one that is equal is the same binding.
        let known_by = known_by(kind.text()?, &destination, &binding).unwrap_or_else(|| node.to_string());
        if !self.bindings.insert(known_by) {
            return Ok(());
        }
        let bindings = match kind.text()? {
            "queue" => {
                self.queues.get(&*destination).and_then(|at| self.topology.queues.get_mut(*at)).map(|q| &mut q.bindings)
            }
            "exchange" => self.exchange_for(&destination).map(|exchange| &mut exchange.bindings),
            _ => return Err(kind.not("queue or exchange")),
        };
        match bindings {
            Some(bindings) => bindings.push(binding),
            None => {
                let kind = kind.text()?;
                self.notice(node.path(), format!("left out: there is no {kind} '{destination}' to bind"));
                self.left_out(kind == "queue", &destination, binding);
            }
        }
        Ok(())
    }

    /// A binding that is left out, for a lint to know of. Both its ends may be there all the same, one a plugin's.
    fn left_out(&mut self, to_queue: bool, destination: &str, binding: Binding) {
        let is_exchange = |name: &str| {
            self.exchanges.contains_key(name)
                || predeclared(name).is_some()
                || self.elsewhere.exchanges.iter().any(|exchange| exchange.name == *name)
        };
        let there = match to_queue {
            true => {
                self.queues.contains_key(destination) || self.elsewhere.queues.iter().any(|name| name == destination)
            }
            false => is_exchange(destination),
        };
        let list = match there && is_exchange(&binding.source) {
            true => &mut self.elsewhere.bindings,
            false => &mut self.elsewhere.lost,
        };
        list.push((to_queue, destination.to_owned(), binding));
    }

    /// The exchange of this name; a predeclared one comes into the topology when a binding leads to it.
    fn exchange_for(&mut self, name: &str) -> Option<&mut Exchange> {
        if !self.exchanges.contains_key(name) {
            self.insert_exchange(Exchange::new(name, predeclared(name)?));
        }
        self.exchanges.get(name).and_then(|at| self.topology.exchanges.get_mut(*at))
    }
}

/// The kind of an exchange that every broker has.
fn predeclared(name: &str) -> Option<ExchangeKind> {
    match name {
        "amq.direct" => Some(ExchangeKind::Direct),
        "amq.fanout" => Some(ExchangeKind::Fanout),
        "amq.topic" => Some(ExchangeKind::Topic),
        "amq.headers" | "amq.match" => Some(ExchangeKind::Headers),
        _ => None,
    }
}

/// The objects of a section; none where it is not there.
fn section<'a>(root: &Node<'a>, name: &str) -> Read<Vec<Node<'a>>> {
    root.find(name)?.map_or(Ok(Vec::new()), |node| node.items())
}

/// All that belongs to a virtual host.
fn objects<'a>(root: &Node<'a>) -> Read<Vec<Node<'a>>> {
    let mut all = Vec::new();
    for name in OBJECTS {
        all.append(&mut section(root, name)?);
    }
    Ok(all)
}

/// What tells a binding from every other: its ends, its key, and its arguments, in whatever order and however the file says
/// that there are none. Nothing where they are nested deeper than JSON is read.
fn known_by(kind: &str, destination: &str, binding: &Binding) -> Option<String> {
    let mut arguments: Vec<_> = binding.arguments.iter().collect();
    arguments.sort_unstable_by_key(|(name, _)| *name);
    serde_json::to_string(&(kind, destination, &*binding.source, &*binding.key, arguments)).ok()
}

fn arguments(node: &Node<'_>) -> Read<Table> {
    node.find("arguments")?.map_or(Ok(Table::new()), |node| node.table())
}

fn twice(node: &Node<'_>, name: &str) -> DefinitionsError {
    DefinitionsError::Twice { path: node.path().into(), name: name.into() }
}
