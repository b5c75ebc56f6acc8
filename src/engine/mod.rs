//! Floor 4: the engine.

mod request;

pub use request::{
    ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDeclared, QueueDelete,
};
