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
    /// # Codes
    ///
    /// | code | what is wrong |
    /// |---|---|
    /// | `refused` | a broker refuses this |
    /// | `binding-from-missing-exchange` | a binding's source does not exist |
    /// | `binding-without-ends` | in a definitions file, a binding's source or destination does not exist |
    /// | `policy-never-in-force` | a better policy is in force for everything that this one fits |
    /// | `policy-does-not-suit` | a key keeps a policy off a queue that it fits |
    /// | `missing-alternate-exchange` | an alternate exchange does not exist |
    /// | `alternate-cycle` | alternates lead back to where they began |
    /// | `exchange-without-bindings` | everything that comes to an exchange is dropped |
    /// | `unroutable-messages-dropped` | an exchange drops what fits no binding |
    /// | `unreachable-exchange` | nothing leads to an internal exchange |
    /// | `no-binding-leads-here` | only publishers that name the queue reach it |
    /// | `wildcard-in-direct-key` | a direct exchange knows no wildcards |
    /// | `wildcard-inside-word` | a topic exchange knows no wildcards inside words |
    /// | `key-at-headers-exchange` | a headers exchange does not look at keys |
    /// | `missing-dead-letter-exchange` | a dead-letter exchange does not exist |
    /// | `missing-dead-letter-queue` | the queue to which dead letters go does not exist |
    /// | `unroutable-dead-letters` | dead letters find no queue |
    /// | `dead-letters-come-back` | dead letters go to the queue they died in |
    /// | `cycle-drops-messages` | dead letters come round without a rejection, and are dropped |
    /// | `retry-without-end` | rejected messages go round for ever |
    /// | `work-queue-without-dead-letters` | rejected messages are lost |
    /// | `delivery-limit-drops` | rejected messages are lost, and those over the delivery limit |
    /// | `no-delivery-limit` | a quorum queue's delivery limit is taken off |
    /// | `short-life-in-work-queue` | messages expire while consumers are slow |
    /// | `unbounded-queue` | neither length nor time bounds a queue |
    /// | `many-priorities` | more than 10 levels of priority |
    /// | `unbounded-dead-letter-queue` | neither length nor time bounds a queue that nobody works on |
    /// | `mortal-dead-letter-queue` | a dead-letter queue does not last |
    /// | `overflow-without-length` | what a full queue does is said, but it is never full |
    /// | `overflow-without-dead-letters` | refused messages are to be dead-lettered, but there is nowhere to |
    /// | `overflow-unknown-to-quorum` | quorum queues do not know `reject-publish-dlx` |
    /// | `refused-messages-do-not-dead-letter` | `reject-publish` beside a dead-letter exchange |
    /// | `not-at-least-once` | at-least-once dead letters lack what they need |
    /// | `transient-exchange` | an exchange is lost in a restart |
    /// | `transient-queue` | a queue is lost in a restart |
    /// | `durable-auto-delete` | durable and auto-delete at once |
    /// | `durable-queue-expires` | a durable queue is deleted while its consumers are away |
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
