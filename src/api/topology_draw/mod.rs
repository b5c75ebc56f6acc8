//! Drawing a topology: as a Mermaid flowchart, which READMEs and issues show as a picture, or for Graphviz.
//!
//! `picture.rs` says what is in the picture, once for both; `mermaid.rs` and `dot.rs` write it down, each with its own
//! way to keep a hostile name from being taken for a part of the drawing.

mod dot;
mod mermaid;
mod picture;

use super::topology::Topology;
use super::topology_view::{Elsewhere, View};
use picture::Picture;

impl Topology {
    /// Draws the topology as a Mermaid flowchart.
    ///
    /// Exchanges are hexagons with their kind, queues are drums. Bindings are arrows with their keys, or their
    /// arguments at a headers exchange; alternates and dead letters are dotted arrows. Policies count. What is named
    /// and does not exist is drawn with a dashed border. Predeclared exchanges are drawn where something uses them. The
    /// same topology gives the same text.
    ///
    /// # Examples
    ///
    /// ```
    /// use leveret::{Exchange, Queue, Topology};
    ///
    /// let topology = Topology::new()
    ///     .exchange(Exchange::topic("events"))
    ///     .queue(Queue::new("orders").bind("events", "order.created").dead_letter_to("orders.dlq"))
    ///     .queue(Queue::new("orders.dlq"));
    /// assert_eq!(topology.to_mermaid(), r#"flowchart LR
    ///     e0{{"events<br>topic"}}
    ///     q0[("orders")]
    ///     q1[("orders.dlq")]
    ///     e0 -->|"order.created"| q0
    ///     q0 -.->|"dead letters"| q1
    /// "#);
    /// ```
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let elsewhere = Elsewhere::default();
        mermaid::write(&Picture::of(&View::new(self, &elsewhere)))
    }

    /// Draws the topology in Graphviz's language, for `dot -Tsvg`. What is in it is as in
    /// [`to_mermaid`](Self::to_mermaid).
    ///
    /// # Examples
    ///
    /// ```
    /// use leveret::{Exchange, Queue, Topology};
    ///
    /// let dot = Topology::new()
    ///     .exchange(Exchange::fanout("events"))
    ///     .queue(Queue::new("audit").bind("events", ""))
    ///     .to_dot();
    /// assert!(dot.contains(r#"e0 [label="events\nfanout", shape=hexagon];"#));
    /// assert!(dot.contains("e0 -> q0;"));
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        let elsewhere = Elsewhere::default();
        dot::write(&Picture::of(&View::new(self, &elsewhere)))
    }
}
