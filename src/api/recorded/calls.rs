//! What a broker does once, as a log has it: on `plain/calls`, and what it fetches on `plain/gets`.

use super::requests::{bind_parameters, exchange_parameters, queue_parameters};
use crate::api::channel::{Close, Scope, close_fields};
use crate::api::source::Source;
use crate::api::topology::Topology;
use crate::engine::proxy::Proxy;
use crate::engine::{End, Engine, QueueDeclare, Recording, TopologyError, With};
use crate::queue::effect::Handout;
use crate::queue::{QueueKind, QueueState};
use std::sync::Arc;

/// The channel of what a broker does once.
pub(super) const CALLS: &str = "plain/calls";
/// The channel of what it fetches: no mistake is made there, which would give back what is out.
const GETS: &str = "plain/gets";

/// Carries out a method of the topology. `reply` names its reply and writes the fields.
pub(in crate::api) fn told_call<T>(
    engine: &Engine,
    operation: &'static str,
    with: impl FnOnce(&mut With),
    reply: impl FnOnce(&T, &mut With) -> &'static str,
    work: impl FnOnce() -> Result<T, TopologyError>,
) -> Result<T, TopologyError> {
    match engine.recording() {
        None => work(),
        Some(recording) => {
            let _turn = recording.turn(engine);
            recording.ready(CALLS);
            let mut parameters = With::parameters();
            with(&mut parameters);
            // To a channel the empty name is the queue declared last.
            let is_unnamed =
                operation.starts_with("queue.") && operation != "queue.declare" && !parameters.has("queue");
            recording.open(CALLS, operation, parameters);
            let done = work();
            if is_unnamed {
                recording.omit_step("without the name of a queue");
                return done;
            }
            conclude(recording, operation, &done, reply);
            done
        }
    }
}

/// Closes the step of a method with what came of it.
fn conclude<T>(
    recording: &Recording,
    operation: &'static str,
    done: &Result<T, TopologyError>,
    reply: impl FnOnce(&T, &mut With) -> &'static str,
) {
    match done {
        Ok(value) => {
            let mut fields = With::fields();
            let event = reply(value, &mut fields);
            recording.reply(event, fields);
            recording.close();
        }
        Err(error) if is_unsaid(error) => recording.omit_step(&error.to_string()),
        Err(error) => fail(recording, CALLS, &Close::new(Scope::Channel, error.reply_code(), operation, error)),
    }
}

/// Closes the step of a proxy that made a mistake, and so the proxy.
pub(super) fn fail(recording: &Recording, label: &str, close: &Close) {
    recording.event(label, "channel.close", close_fields(close));
    recording.close();
    recording.lost(label);
}

/// Whether a channel would have done otherwise than to close.
fn is_unsaid(error: &TopologyError) -> bool {
    error.reply_code().is_hard() || matches!(error, TopologyError::ExclusiveWithoutConnection { .. })
}

/// Does something that a trace has no word for.
pub(in crate::api) fn told_unsaid<T>(
    engine: &Engine,
    operation: &'static str,
    why: impl FnOnce() -> String,
    work: impl FnOnce() -> T,
) -> T {
    let Some(recording) = engine.recording() else { return work() };
    let _turn = recording.turn(engine);
    recording.open(CALLS, operation, With::parameters());
    let done = work();
    recording.omit_step(&why());
    done
}

/// Fetches one message.
pub(in crate::api) fn told_get(
    engine: &Arc<Engine>,
    queue: &str,
    get: impl FnOnce(&Source, &mut dyn FnMut(&Source, &Handout, usize)) -> Result<Option<Handout>, TopologyError>,
) -> Result<Option<(Arc<Source>, Handout)>, TopologyError> {
    let Some(recording) = &engine.recording else {
        let source = Source::find_shared(engine, queue)?;
        let handout = get(&source, &mut |_, _, _| {})?;
        return Ok(handout.map(|handout| (Arc::new(source), handout)));
    };
    let _turn = recording.turn(engine);
    let mut with = With::parameters();
    with.text("queue", queue);
    let mut source = match Source::find_shared(engine, queue) {
        Ok(source) => source,
        Err(error) if queue.is_empty() => return Err(error),
        Err(error) => {
            recording.ready(CALLS);
            recording.open(CALLS, "basic.get", with);
            conclude(recording, "basic.get", &Err::<(), _>(error.clone()), |(), _| "basic.get-ok");
            return Err(error);
        }
    };
    let is_refused = |state: &QueueState| source.cell.spec.kind == QueueKind::Quorum && state.settings().single_active;
    if source.cell.look(is_refused) {
        let got = get(&source, &mut |_, _, _| {})?;
        recording
            .omit(&format!("a get from '{queue}', which a channel is refused while it has a single active consumer"));
        return Ok(got.map(|handout| (Arc::new(source), handout)));
    }
    source.proxy = Some(Arc::new(Proxy::shared(recording, GETS, source.cell.serial)));
    recording.open(GETS, "basic.get", with);
    let mut tell = |source: &Source, handout: &Handout, left: usize| {
        let mut fields = With::fields();
        if let Some(proxy) = &source.proxy {
            proxy.got(handout, &mut fields);
        }
        fields.number("message_count", left as u64);
        recording.reply("basic.get-ok", fields);
    };
    let got = get(&source, &mut tell);
    match &got {
        Ok(Some(_)) => recording.close(),
        Ok(None) => {
            recording.reply("basic.get-empty", With::fields());
            recording.close();
        }
        Err(error) => recording.omit_step(&error.to_string()),
    }
    Ok(got?.map(|handout| (Arc::new(source), handout)))
}

/// Declares a topology: what was declared is written down thing by thing.
pub(in crate::api) fn told_declare<T, E: ToString>(
    engine: &Engine,
    topology: &Topology,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let Some(recording) = engine.recording() else { return work() };
    let _turn = recording.turn(engine);
    recording.ready(CALLS);
    recording.open(CALLS, "the declaration of a topology", With::parameters());
    let declared = work();
    if let Err(error) = &declared {
        recording.omit_step(&error.to_string());
        return declared;
    }
    match topology.policies.as_slice() {
        [] => recording.forget_step(),
        policies => {
            let names: Vec<_> = policies.iter().map(|policy| policy.name.as_str()).collect();
            recording.omit_step(&format!("policies: {}", names.join(", ")));
        }
    }
    for exchange in &topology.exchanges {
        let mut with = With::parameters();
        exchange_parameters(&mut with, &exchange.request());
        plain(recording, "exchange.declare", with, "exchange.declare-ok", With::fields());
    }
    for queue in &topology.queues {
        let (mut with, mut fields) = (With::parameters(), With::fields());
        queue_parameters(&mut with, &queue.request());
        // As it is now: bindings and settings let nothing come to it.
        if let Ok(there) = engine.queue_declare(None, &QueueDeclare::new(queue.name()).passive()) {
            crate::api::channel::declared_fields(&mut fields, &there);
        }
        plain(recording, "queue.declare", with, "queue.declare-ok", fields);
    }
    for (end, binding) in topology.all_bindings() {
        let mut with = With::parameters();
        bind_parameters(&mut with, end, binding);
        let (operation, reply) = match end {
            End::Queue(_) => ("queue.bind", "queue.bind-ok"),
            End::Exchange(_) => ("exchange.bind", "exchange.bind-ok"),
        };
        plain(recording, operation, with, reply, With::fields());
    }
    declared
}

fn plain(recording: &Recording, operation: &'static str, with: With, reply: &str, fields: With) {
    recording.open(CALLS, operation, with);
    recording.reply(reply, fields);
    recording.close();
}
