//! Requests as a log writes them: their parameters by the names that AMQP has.

use crate::api::topology::Binding;
use crate::engine::{
    End, ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDelete, With,
};

pub(in crate::api) fn exchange_parameters(with: &mut With, request: &ExchangeDeclare) {
    with.text("exchange", &request.exchange).text("type", &request.kind).flag("passive", request.passive);
    with.flag("durable", request.durable).flag("auto_delete", request.auto_delete).flag("internal", request.internal);
    with.arguments(&request.arguments);
}

pub(in crate::api) fn exchange_delete_parameters(with: &mut With, request: &ExchangeDelete) {
    with.text("exchange", &request.exchange).flag("if_unused", request.if_unused);
}

pub(in crate::api) fn exchange_binding_parameters(with: &mut With, binding: &ExchangeBinding) {
    with.text("destination", &binding.destination).text("source", &binding.source).text("routing_key", &binding.key);
    with.arguments(&binding.arguments);
}

pub(in crate::api) fn queue_parameters(with: &mut With, request: &QueueDeclare) {
    with.text("queue", &request.queue).flag("passive", request.passive).flag("durable", request.durable);
    with.flag("exclusive", request.exclusive).flag("auto_delete", request.auto_delete).arguments(&request.arguments);
}

pub(in crate::api) fn binding_parameters(with: &mut With, binding: &QueueBinding) {
    with.text("queue", &binding.queue).text("exchange", &binding.exchange).text("routing_key", &binding.key);
    with.arguments(&binding.arguments);
}

pub(in crate::api) fn delete_parameters(with: &mut With, request: &QueueDelete) {
    with.text("queue", &request.queue).flag("if_unused", request.if_unused).flag("if_empty", request.if_empty);
}

pub(in crate::api) fn bind_parameters(with: &mut With, end: End<&str>, binding: &Binding) {
    with.text("routing_key", binding.routing_key()).arguments(binding.table());
    match end {
        End::Queue(queue) => with.text("queue", queue).text("exchange", binding.source()),
        End::Exchange(exchange) => with.text("destination", exchange).text("source", binding.source()),
    };
}

pub(in crate::api) fn counted(count: &u64, fields: &mut With, event: &'static str) -> &'static str {
    fields.number("message_count", *count);
    event
}
