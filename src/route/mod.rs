//! Floor 2, routing: which queues a message reaches. Pure: no lock, no clock, no queue is touched here.
//!
//! # The walk of a key through the graph
//!
//! 1. [`Graph::route`] (`graph/route.rs`) gets an exchange, the routing keys and the headers. It keeps a worklist of
//!    exchanges; each enters it once, so cycles of bindings end.
//! 2. The exchange's [`Matcher`](matcher::Matcher) collects [`Hit`]s: the bindings that match, each with its number
//!    of creation and its destination. One file for each kind: `direct.rs` looks the key up, `fanout.rs` takes all,
//!    `topic/` walks a trie, `headers.rs` compares tables.
//! 3. The hits are put in the order in which their bindings were made. Queues go to the [`Targets`], each once;
//!    exchanges go to the worklist.
//! 4. An exchange without a single hit hands over to its alternate exchange, if that exists. Leading nowhere later on
//!    is no reason: a matched exchange counts as a hit.
//! 5. The default exchange has no bindings. Its keys are names of queues. RabbitMQ looks only at stored bindings when
//!    it comes to the default exchange as an alternate, so the name `""` there is as no alternate at all.
//!
//! [`Broker::explain`](crate::Broker::explain) asks for the same walk with its reasons (`explain/`). It looks at every binding
//! by itself and at no matcher.
//!
//! # Changes
//!
//! The [`Graph`] holds every exchange, every queue's name and every binding. `bindings.rs` stores the bindings in one
//! slab with two linked lists through it (by source and by destination) and one index over it (by identity), so nothing
//! ever scans bindings of others; matchers hold their numbers. `graph/change.rs` binds, unbinds and deletes, with the
//! auto-delete cascade as a worklist. `graph/generation.rs` tells publishers that their cached routes are stale.
//!
//! Publishers wait while a binding is made or ended, so neither ever moves more than a small part of what there is:
//! hash tables split and join by parts (`table.rs`), slabs grow by segments (`slots.rs`), lists of hits by chunks
//! (`hits.rs`).
//!
//! # Order
//!
//! Nothing here walks a hash table. All that can be observed has the order in which bindings and exchanges were made.

mod bindings;
mod bunch;
mod compare;
mod direct;
mod explain;
mod fanout;
mod graph;
mod hash;
mod headers;
mod hits;
mod key;
mod matcher;
mod scratch;
mod slots;
mod spec;
mod table;
mod text;
mod topic;

pub(crate) use compare::same_arguments;
#[cfg(feature = "testing")]
pub(crate) use explain::like;
pub(crate) use explain::{Asked, ExchangeName, Quoted, Told};
pub use explain::{
    ExplainedAlternate, ExplainedBinding, ExplainedExchange, Fit, HeaderMiss, Leads, Likeness, MatchMode, Matching,
    Miss, Reached, Took, WordMiss,
};
pub use graph::Graph;
pub(crate) use graph::PREDECLARED;
pub use headers::Predicate;
pub use hits::Hit;
pub use scratch::Scratch;
pub use spec::{BindError, Binding, Bound, Destination, ExchangeKind, ExchangeSpec, Targets, Unbound, UnknownKind};
pub use topic::{Topic, Walk};
