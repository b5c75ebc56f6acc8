//! Where deliveries come from: a queue and its broker, shared by a consumer and its deliveries.

use super::queue_error::QueueError;
use crate::engine::Engine;
use crate::engine::cell::QueueCell;
use std::sync::Arc;

/// A queue and the engine it belongs to.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) engine: Arc<Engine>,
    pub(crate) cell: Arc<QueueCell>,
}

impl Source {
    /// Finds a queue by its name.
    pub(crate) fn find(engine: &Arc<Engine>, queue: &str) -> Result<Self, QueueError> {
        let found = engine.topology.read().queue(queue).cloned();
        match found {
            Some(cell) => Ok(Self { engine: Arc::clone(engine), cell }),
            None if engine.is_closed() => Err(QueueError::Closed),
            None => Err(QueueError::NoQueue(queue.to_owned())),
        }
    }

    /// Finds a queue that is not exclusive to a connection.
    pub(crate) fn find_shared(engine: &Arc<Engine>, queue: &str) -> Result<Self, QueueError> {
        let source = Self::find(engine, queue)?;
        source.check_shared()?;
        Ok(source)
    }

    /// Refuses a queue that is exclusive to a connection.
    pub(crate) fn check_shared(&self) -> Result<(), QueueError> {
        match self.cell.owner {
            Some(_) => Err(QueueError::Locked(self.cell.spec.name.to_string())),
            None => Ok(()),
        }
    }

    /// Why the queue does not answer any more.
    pub(crate) fn gone(&self) -> QueueError {
        if self.engine.is_closed() {
            QueueError::Closed
        } else {
            QueueError::NoQueue(self.cell.spec.name.to_string())
        }
    }
}
