//! Where deliveries come from: a queue and its broker, shared by a consumer and its deliveries.

use crate::base::Name;
use crate::engine::cell::QueueCell;
use crate::engine::proxy::Proxy;
use crate::engine::{Engine, TopologyError};
use std::sync::Arc;

/// A queue and the engine it belongs to.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) engine: Arc<Engine>,
    pub(crate) cell: Arc<QueueCell>,
    /// The channel that stands for the handle in a log.
    pub(crate) proxy: Option<Arc<Proxy>>,
}

impl Source {
    /// Finds a queue by its name.
    pub(crate) fn find(engine: &Arc<Engine>, queue: &str) -> Result<Self, TopologyError> {
        Name::check(queue)?;
        let found = engine.topology.read().queue(queue).cloned();
        match found {
            Some(cell) => Ok(Self { engine: Arc::clone(engine), cell, proxy: None }),
            None if engine.is_closed() => Err(TopologyError::Closed),
            None => Err(TopologyError::NoQueue { queue: queue.to_owned() }),
        }
    }

    /// Finds a queue that is not exclusive to a connection.
    pub(crate) fn find_shared(engine: &Arc<Engine>, queue: &str) -> Result<Self, TopologyError> {
        let source = Self::find(engine, queue)?;
        source.cell.check_owner(None)?;
        Ok(source)
    }

    /// Why the queue does not answer any more.
    pub(crate) fn gone(&self) -> TopologyError {
        match self.engine.is_closed() {
            true => TopologyError::Closed,
            false => TopologyError::NoQueue { queue: self.cell.spec.name.to_string() },
        }
    }
}
