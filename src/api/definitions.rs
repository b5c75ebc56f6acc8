//! RabbitMQ's definitions files: what its management plugin exports and imports.
//!
//! There are two forms: a whole broker, where everything names its virtual host, and one virtual host. Both are read;
//! the second is written. What a file holds that has no counterpart here is not passed over in silence: it becomes a
//! [`Notice`]. What RabbitMQ itself would not import is an error that says where it stands.

use super::definitions_error::DefinitionsError;
use super::definitions_json::Node;
use super::definitions_read::Reader;
use super::definitions_write;
use super::lint::{self, LintReport};
use super::topology::Topology;
use super::topology_view::Elsewhere;
use std::fmt;

/// What was read from a definitions file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Definitions {
    /// What can be declared here.
    pub topology: Topology,
    /// The virtual host it comes from, if the file says so.
    pub vhost: Option<String>,
    /// What the file holds beside that, and why it is not in the topology.
    pub notices: Vec<Notice>,
    /// What of that a lint has to know of.
    pub(super) elsewhere: Elsewhere,
}

impl Definitions {
    /// Lints the topology, as [`Topology::lint`] does; but what the file has of plugins, such as an exchange of a type
    /// that is not known here, counts as being there. Bindings that lead from or to nothing are findings too.
    ///
    /// # Examples
    ///
    /// ```
    /// use leveret::Topology;
    ///
    /// let definitions = Topology::from_definitions(r#"{
    ///     "exchanges": [{"name": "later", "type": "x-delayed-message", "durable": true, "auto_delete": false}],
    ///     "queues": [{"name": "orders", "durable": true, "auto_delete": false, "arguments":
    ///         {"x-dead-letter-exchange": "later", "x-max-length": 10000}}],
    ///     "bindings": [{"source": "later", "destination": "orders", "destination_type": "queue", "routing_key": "go"},
    ///                  {"source": "gone", "destination": "orders", "destination_type": "queue", "routing_key": ""}]
    /// }"#)?;
    /// let report = definitions.lint();
    /// let places: Vec<_> = report.findings.iter().map(|finding| (finding.code, finding.place.to_string())).collect();
    /// assert_eq!(places[0], ("binding-without-ends", "binding from 'gone' to queue 'orders' with key ''".into()));
    /// # Ok::<(), leveret::DefinitionsError>(())
    /// ```
    #[must_use]
    pub fn lint(&self) -> LintReport {
        lint::lint(&self.topology, &self.elsewhere)
    }
}

/// Something in a definitions file that is not in the topology read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Where it stands, such as `queues[3]`.
    pub place: String,
    /// What it is and why it was left out.
    pub reason: String,
}

impl Topology {
    /// Reads a definitions file of RabbitMQ: the export of one virtual host, or that of a whole broker in which only one
    /// virtual host has anything in it.
    ///
    /// `x-queue-type: classic`, which RabbitMQ exports with every classic queue, is not kept: it is the default.
    ///
    /// # Errors
    ///
    /// [`DefinitionsError`]: the text is no JSON or nested too deep, something is missing or of the wrong type, RabbitMQ
    /// would refuse a queue or a policy, or several virtual hosts hold something
    /// (see [`from_definitions_vhost`](Self::from_definitions_vhost)).
    ///
    /// # Examples
    ///
    /// ```
    /// use leveret::Topology;
    ///
    /// let definitions = Topology::from_definitions(r#"{
    ///     "vhosts": [{"name": "/"}],
    ///     "users": [{"name": "guest"}],
    ///     "queues": [{"name": "orders", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}]
    /// }"#)?;
    /// assert_eq!(definitions.topology.queues().next().map(|queue| queue.name()), Some("orders"));
    /// assert_eq!(definitions.notices[0].place, "users");
    ///
    /// let error = Topology::from_definitions(r#"{"queues": [{"name": 5}]}"#).unwrap_err();
    /// assert_eq!(error.to_string(), "queues[0].name: a number stands where text is expected");
    /// # Ok::<(), leveret::DefinitionsError>(())
    /// ```
    pub fn from_definitions(json: &str) -> Result<Definitions, DefinitionsError> {
        let root = parse(json)?;
        Reader::new(Node::root(&root))?.only_vhost()?.read()
    }

    /// Reads one virtual host of a definitions file.
    ///
    /// # Errors
    ///
    /// As [`from_definitions`](Self::from_definitions), and [`DefinitionsError::NoSuchVhost`] where the file knows no
    /// virtual host of this name.
    pub fn from_definitions_vhost(json: &str, vhost: &str) -> Result<Definitions, DefinitionsError> {
        let root = parse(json)?;
        Reader::new(Node::root(&root))?.vhost(vhost)?.read()
    }

    /// Writes a definitions file of one virtual host, for RabbitMQ to import.
    ///
    /// Predeclared exchanges are left out, their bindings are not. JSON has fewer types than arguments have: integers of
    /// all widths and timestamps become numbers, byte arrays become text, and what lies deeper than 100 levels is null.
    ///
    /// # Examples
    ///
    /// ```
    /// use leveret::{Queue, Topology};
    ///
    /// let topology = Topology::new().queue(Queue::new("orders").quorum().bind("amq.topic", "order.#"));
    /// let read = Topology::from_definitions(&topology.to_definitions())?;
    /// assert_eq!(read.topology, topology);
    /// assert!(read.notices.is_empty());
    /// # Ok::<(), leveret::DefinitionsError>(())
    /// ```
    #[must_use]
    pub fn to_definitions(&self) -> String {
        definitions_write::write(self)
    }
}

/// The JSON text as a tree. Its parser bounds the depth.
fn parse(json: &str) -> Result<serde_json::Value, DefinitionsError> {
    serde_json::from_str(json).map_err(|error| DefinitionsError::Json {
        line: error.line(),
        column: error.column(),
        reason: error.to_string(),
    })
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}
