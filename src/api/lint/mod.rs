//! Linting: what in a topology will go wrong, though RabbitMQ would take it; and what it would not take.
//!
//! A topology is first made a view (`topology_view/`): policies applied, dead letters followed, each queue's role found
//! by its shape. Then every family of rules, one file each, looks at it. A rule says nothing unless it is sure: what
//! depends on consumers or on what will be published is worded so, or left alone. Findings have the order of severity,
//! then of the families, then of the topology.

mod cycles;
mod dead_letters;
mod finding;
mod graves;
mod keys;
mod lasting;
mod limits;
mod policies;
mod refused;
mod routing;
mod work;

pub use finding::{Lint, LintReport, Severity};

use super::topology::Topology;
use super::topology_view::{Elsewhere, Letters, Role, Roles, View};
use finding::Findings;

/// What the rules look at.
struct Subject<'v> {
    view: &'v View<'v>,
    letters: &'v Letters<'v>,
    roles: &'v Roles<'v>,
}

impl Subject<'_> {
    fn role(&self, queue: &str) -> Role {
        self.roles.role(queue)
    }
}

impl Topology {
    /// Looks for mistakes: messages that would be dropped or go round without end, queues that grow without bound,
    /// settings without effect, and what a broker would refuse. Policies count. An empty report means good practice.
    ///
    /// The topology is taken as all there is: for one that builds on what a broker has already, lint that broker's
    /// [`topology`](crate::Broker::topology). What consumers do and what is published is not known here; findings that
    /// depend on it say so, or are hints.
    ///
    /// # Examples
    ///
    /// ```
    /// use leveret::{Exchange, Overflow, Queue, Severity, Topology};
    ///
    /// let topology = Topology::new()
    ///     .exchange(Exchange::topic("events").alternate("unrouted"))
    ///     .exchange(Exchange::fanout("unrouted"))
    ///     .queue(Queue::new("unrouted").bind("unrouted", "").max_length(10_000, Overflow::DropHead))
    ///     .queue(Queue::new("orders").bind("events", "order.#").max_length(10_000, Overflow::RejectPublish));
    /// let report = topology.lint();
    /// assert_eq!(report.worst(), Some(Severity::Warning));
    /// assert_eq!(report.findings[0].code, "work-queue-without-dead-letters");
    /// assert_eq!(report.findings[0].place.to_string(), "queue 'orders'");
    /// ```
    #[must_use]
    pub fn lint(&self) -> LintReport {
        lint(self, &Elsewhere::default())
    }
}

/// Lints a topology, knowing what else there is beside it.
pub(super) fn lint(topology: &Topology, elsewhere: &Elsewhere) -> LintReport {
    let view = View::new(topology, elsewhere);
    let letters = Letters::of(&view);
    let roles = Roles::of(&view, &letters);
    let subject = Subject { view: &view, letters: &letters, roles: &roles };
    let mut findings = Findings::default();
    refused::lint(topology, elsewhere, &mut findings);
    policies::lint(topology, &subject, &mut findings);
    routing::lint(&subject, &mut findings);
    keys::lint(topology, &subject, &mut findings);
    dead_letters::lint(&subject, &mut findings);
    cycles::lint(&subject, &mut findings);
    work::lint(&subject, &mut findings);
    graves::lint(&subject, &mut findings);
    limits::lint(&subject, &mut findings);
    lasting::lint(&subject, &mut findings);
    findings.report()
}
