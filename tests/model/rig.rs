//! Does the same to the engine and to the reference broker, and compares all that can be seen of both.

use crate::broker::{Broker as Reference, consumer_count};
use crate::naive::graph::{Bound, To};
use crate::ops::{CHANNELS, Op, World};
use crate::terms::{Consumer, Kind, Msg, Reply, Spec, headers, shown};
use leveret::internals::ExchangeKind;
use leveret::{
    Acknowledge, Broker, Channel, ChannelDelivery, ChannelEvent, Close, Connection, Consume, Envelope, ExchangeBinding,
    ExchangeDeclare, ExchangeDelete, Message, NotPublished, Overflow, Publish, Qos, QueueBinding, QueueDeclare,
    QueueDelete, Requeue, Table, Tags, Value,
};
use proptest::prelude::*;
use std::time::Duration;

struct Rig {
    world: World,
    broker: Broker,
    channels: Vec<(Connection, Channel)>,
    reference: Reference,
    exchanges: u64,
    messages: u64,
    /// Tags of consumers ever started, with their channels.
    consumers: Vec<(usize, String)>,
}

/// Runs a list of operations.
pub(crate) fn run(world: &World, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut rig = Rig::new(world.clone());
    for (at, op) in ops.iter().enumerate() {
        rig.both(op, &format!("at {at}, {op:?}"))?;
    }
    Ok(())
}

impl Rig {
    fn new(world: World) -> Self {
        let broker = Broker::builder().manual_time().build();
        let exchanges = broker.stats().exchanges;
        let mut reference = Reference::default();
        let channels = (0..CHANNELS).map(|_| open(&broker)).collect();
        (0..CHANNELS).for_each(|_| reference.open_channel());
        let (messages, consumers) = (0, Vec::new());
        let mut rig = Self { world, broker, channels, reference, exchanges, messages, consumers };
        let setup =
            (0..rig.world.exchanges.len()).map(|exchange| Op::DeclareExchange { ch: 0, exchange: exchange + 1 });
        let queues = (0..rig.world.queues.len()).map(|queue| Op::Declare { ch: 0, queue });
        let bind = |(from, to, key): (usize, usize, &'static str)| Op::Bind {
            ch: 0,
            from: from + 1,
            queue: true,
            to,
            key,
            arguments: 0,
            undo: false,
        };
        let all: Vec<Op> = setup.chain(queues).chain(rig.world.bindings.clone().into_iter().map(bind)).collect();
        for op in all {
            rig.both(&op, "in the beginning").expect("the world can be made");
        }
        rig
    }

    fn both(&mut self, op: &Op, story: &str) -> Result<(), TestCaseError> {
        self.messages += 1;
        let (engine, model, ch) = self.act(op);
        prop_assert_eq!(&engine, &model, "{}: engine and model reply", story);
        if model.is_err() || matches!(op, Op::Close { .. }) {
            self.channels[ch] = open(&self.broker);
            // Not implemented: of the codes that the model gives the one that ends the connection.
            self.reference.close_channel(ch, model == Err(540));
        }
        self.compare(story)
    }

    fn compare(&mut self, story: &str) -> Result<(), TestCaseError> {
        for ch in 0..CHANNELS {
            let (events, mut answers) = self.drain(ch);
            let expected = &mut self.reference.channels[ch];
            prop_assert_eq!(events, std::mem::take(&mut expected.events), "{}: what channel {} receives", story, ch);
            answers.sort_unstable();
            prop_assert_eq!(answers, std::mem::take(&mut expected.answers), "{}: confirms of channel {}", story, ch);
        }
        let (stats, reference) = (self.broker.stats(), &self.reference);
        let names: Vec<&str> = stats.queues.iter().map(|queue| &*queue.name).collect();
        let expected: Vec<&str> = reference.queues.iter().map(|queue| &*queue.name).collect();
        prop_assert_eq!(names, expected, "{}: queues", story);
        for (seen, queue) in stats.queues.iter().zip(&reference.queues) {
            let out_bytes: u64 = queue.out.iter().map(|out| out.entry.msg.body.len() as u64).sum();
            let expected = (queue.ready.len() as u64, queue.bytes(), queue.out.len() as u64, out_bytes, 0);
            let found = (seen.ready, seen.ready_bytes, seen.unacked, seen.unacked_bytes, seen.dying);
            prop_assert_eq!(found, expected, "{}: counts of {}", story, queue.name);
            prop_assert_eq!(seen.consumers, consumer_count(queue), "{}: consumers of {}", story, queue.name);
            prop_assert_eq!(seen.totals, queue.totals, "{}: totals of {}", story, queue.name);
            let peeked = self.broker.peek(&queue.name, usize::MAX).expect("it is there");
            let peeked: Vec<_> = peeked.iter().map(|one| peek(&one.message, one.redelivered)).collect();
            let there: Vec<_> =
                queue.in_order().iter().map(|e| shown(&e.msg, e.count(queue.spec.quorum) > 0, None)).collect();
            prop_assert_eq!(peeked, there, "{}: content of {}", story, queue.name);
        }
        let graph = &reference.graph;
        prop_assert_eq!(stats.exchanges, self.exchanges + graph.exchanges.len() as u64, "{}: exchanges", story);
        prop_assert_eq!(stats.bindings, graph.bindings.len() as u64, "{}: bindings", story);
        prop_assert_eq!(stats.publishes, reference.publishes, "{}: publishes", story);
        prop_assert_eq!(stats.dead_letters, reference.letters, "{}: dead letters", story);
        prop_assert_eq!(self.broker.now().as_millis(), reference.now, "{}: the time", story);
        prop_assert_eq!(self.broker.check_invariants(), Ok(()), "{}", story);
        Ok(())
    }

    /// The engine's reply, the model's, and the channel.
    fn act(&mut self, op: &Op) -> (Reply, Reply, usize) {
        match op {
            Op::Publish { .. } => return self.publish(op),
            Op::Consume { .. } => return self.consume(op),
            Op::Bind { .. } => return self.bind(op),
            Op::DeclareExchange { ch, exchange } => return self.declare_exchange(*ch, *exchange),
            _ => {}
        }
        let queue_name = |queue: &usize| format!("q{queue}");
        let named = match op {
            Op::DeleteExchange { exchange, .. } => self.exchange(*exchange),
            _ => String::new(),
        };
        let (broker, reference, channels) = (&self.broker, &mut self.reference, &self.channels);
        match op {
            Op::Get { ch, queue, no_ack } => {
                let acknowledge = if *no_ack { Acknowledge::No } else { Acknowledge::Yes };
                let got = channels[*ch].1.basic_get(&queue_name(queue), acknowledge);
                let told = got.map_err(code).map(|got| match got {
                    None => "empty".to_owned(),
                    Some(got) => format!("{} {} {}", got.delivery.delivery_tag, seen(&got.delivery), got.message_count),
                });
                (told, reference.get(*ch, &queue_name(queue), *no_ack), *ch)
            }
            Op::Cancel { which } if !self.consumers.is_empty() => {
                let (ch, tag) = &self.consumers[which % self.consumers.len()];
                (plain(channels[*ch].1.basic_cancel(tag)), reference.cancel(*ch, tag), *ch)
            }
            Op::Settle { ch, which, multiple, how } => {
                let mut tags = reference.channels[*ch].tags();
                // Seldom one that is not out, or all.
                tags.extend([0, 999].iter().take(usize::from(which % 3 == 0) + usize::from(which % 17 == 0)));
                let Some(tag) = (!tags.is_empty()).then(|| tags[which / 64 % tags.len()]) else {
                    return (Ok(String::new()), Ok(String::new()), *ch);
                };
                let (channel, tags) = (&channels[*ch].1, if *multiple { Tags::UpTo(tag) } else { Tags::One(tag) });
                let (settled, kind) = match how {
                    0 => (channel.basic_nack(tags, Requeue::Yes), Kind::Requeue),
                    1 | 2 => (channel.basic_nack(tags, Requeue::No), Kind::Reject),
                    _ => (channel.basic_ack(tags), Kind::Ack),
                };
                (plain(settled), reference.settle(*ch, tag, *multiple, kind), *ch)
            }
            Op::Recover { ch } => (plain(channels[*ch].1.basic_recover(Requeue::Yes)), reference.recover(*ch), *ch),
            Op::Close { ch } => (plain(channels[*ch].1.close()), Ok(String::new()), *ch),
            Op::Confirm { ch } => (plain(channels[*ch].1.confirm_select()), reference.confirm_select(*ch), *ch),
            Op::Purge { ch, queue } => {
                let purged = channels[*ch].1.queue_purge(&queue_name(queue));
                (purged.map(|count| count.to_string()).map_err(code), reference.purge(&queue_name(queue)), *ch)
            }
            Op::Delete { ch, queue, if_unused, if_empty } => {
                let mut request = QueueDelete::new(queue_name(queue));
                request = if *if_unused { request.if_unused() } else { request };
                request = if *if_empty { request.if_empty() } else { request };
                let deleted = channels[*ch].1.queue_delete(&request).map(|count| count.to_string()).map_err(code);
                (deleted, reference.delete_queue(&queue_name(queue), *if_unused, *if_empty), *ch)
            }
            Op::Declare { ch, queue } => {
                let Some(spec) = self.world.queues.get(*queue) else {
                    return (Ok(String::new()), Ok(String::new()), *ch);
                };
                let declared = channels[*ch].1.queue_declare(&request(&queue_name(queue), spec));
                let told = declared.map(|declared| format!("{} {}", declared.message_count, declared.consumer_count));
                (told.map_err(code), reference.declare_queue(&queue_name(queue), spec), *ch)
            }
            Op::DeleteExchange { ch, exchange, if_unused } if *exchange > 0 => {
                let delete = ExchangeDelete::new(&named);
                let delete = if *if_unused { delete.if_unused() } else { delete };
                (plain(channels[*ch].1.exchange_delete(&delete)), reference.delete_exchange(&named, *if_unused), *ch)
            }
            Op::Advance { millis } => {
                broker.advance(Duration::from_millis(*millis));
                reference.advance(*millis);
                (Ok(String::new()), Ok(String::new()), 0)
            }
            _ => (Ok(String::new()), Ok(String::new()), 0),
        }
    }

    /// 0 is the default exchange.
    fn exchange(&self, which: usize) -> String {
        match which {
            0 => String::new(),
            _ => {
                self.world.exchanges.get(which - 1).map_or("missing".to_owned(), |(exchange, _)| exchange.name.clone())
            }
        }
    }

    fn publish(&mut self, op: &Op) -> (Reply, Reply, usize) {
        let Op::Publish { ch, exchange, key, mandatory, bytes, headers: which, timed } = op else { unreachable!() };
        let exchange = self.exchange(*exchange);
        let body = format!("m{}{}", self.messages, ".".repeat(*bytes));
        let table = headers(*which);
        let mut message = Message::new(body.clone());
        message.properties_mut().headers = (!table.is_empty()).then(|| table.clone());
        message.properties_mut().priority = timed.priority;
        message.properties_mut().expiration = timed.expiration.map(|millis| millis.to_string().into());
        let publish = Publish::new(&exchange, key);
        let publish = if *mandatory { publish.mandatory() } else { publish };
        let published = self.channels[*ch].1.basic_publish(&publish, message).map_err(|error| match error.reason {
            NotPublished::Closed(close) => code(close),
            _ => 0,
        });
        let (priority, expiration) = (timed.priority.unwrap_or(0), timed.expiration);
        let (deaths, failures) = (Vec::new(), 0);
        let msg =
            Msg { body, exchange, key: (*key).to_owned(), headers: table, priority, expiration, deaths, failures };
        (published.map(|()| String::new()), self.reference.publish(*ch, msg, *mandatory), *ch)
    }

    fn consume(&mut self, op: &Op) -> (Reply, Reply, usize) {
        let Op::Consume { ch, queue, prefetch, no_ack, exclusive, priority } = *op else { unreachable!() };
        let classic = self.world.queues.get(queue).is_some_and(|spec| !spec.quorum);
        let (no_ack, exclusive) = (no_ack && classic, exclusive && classic);
        let priority = if classic { priority } else { 0 };
        let tag = format!("t{:03}", self.messages);
        self.consumers.push((ch, tag.clone()));
        let mut request = Consume::new(format!("q{queue}")).tag(&tag).argument("x-priority", priority);
        request = if no_ack { request.no_ack() } else { request };
        request = if exclusive { request.exclusive() } else { request };
        let channel = &self.channels[ch].1;
        let consumed = channel.basic_qos(Qos::new(prefetch)).and_then(|()| channel.basic_consume(&request));
        // No limit for who acknowledges nothing.
        let prefetch = if no_ack { 0 } else { prefetch.into() };
        let consumer = Consumer { tag, channel: 0, prefetch, priority, no_ack, exclusive };
        (plain(consumed), self.reference.consume(ch, &format!("q{queue}"), consumer), ch)
    }

    fn declare_exchange(&mut self, ch: usize, which: usize) -> (Reply, Reply, usize) {
        let known = which.checked_sub(1).and_then(|at| self.world.exchanges.get(at));
        let Some((declared, internal)) = known.cloned() else { return (Ok(String::new()), Ok(String::new()), ch) };
        let kind = match declared.kind {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
        };
        let mut request = ExchangeDeclare::new(&declared.name, kind);
        request = if declared.auto_delete { request.auto_delete() } else { request };
        request = if internal { request.internal() } else { request };
        if let Some(alternate) = &declared.alternate {
            request = request.argument("alternate-exchange", alternate.as_str());
        }
        let engine = plain(self.channels[ch].1.exchange_declare(&request));
        (engine, self.reference.declare_exchange(declared, internal), ch)
    }

    fn bind(&mut self, op: &Op) -> (Reply, Reply, usize) {
        let Op::Bind { ch, from, queue, to, key, arguments, undo } = *op else { unreachable!() };
        let (from, to_queue, to_exchange) = (self.exchange(from.max(1)), format!("q{to}"), self.exchange(to.max(1)));
        let arguments = match arguments {
            0 => Table::new(),
            3 => headers(2).with("x-match", "any"),
            which => headers(which).with("x-match", "all"),
        };
        let channel = &self.channels[ch].1;
        let to_queue_bound = QueueBinding::new(&to_queue, &from).key(key).arguments(arguments.clone());
        let to_exchange_bound = ExchangeBinding::new(&to_exchange, &from).key(key).arguments(arguments.clone());
        let engine = match (queue, undo) {
            (true, false) => channel.queue_bind(&to_queue_bound),
            (true, true) => channel.queue_unbind(&to_queue_bound),
            (false, false) => channel.exchange_bind(&to_exchange_bound),
            (false, true) => channel.exchange_unbind(&to_exchange_bound),
        };
        let to = if queue { To::Queue(to_queue) } else { To::Exchange(to_exchange) };
        let bound = Bound { from, to, key: key.to_owned(), arguments };
        let model = if undo { self.reference.unbind(&bound) } else { self.reference.bind(bound) };
        (plain(engine), model, ch)
    }

    fn drain(&self, ch: usize) -> (Vec<String>, Vec<(u64, bool)>) {
        let (mut events, mut answers) = (Vec::new(), Vec::new());
        while let Ok(event) = self.channels[ch].1.try_recv() {
            match event {
                ChannelEvent::Deliver(delivery) => {
                    let tag = delivery.consumer_tag.as_deref().unwrap_or_default();
                    events.push(format!("deliver {tag} {} {}", delivery.delivery_tag, seen(&delivery)));
                }
                ChannelEvent::Return(returned) => {
                    let (exchange, key) = (&*returned.exchange, &*returned.routing_key);
                    let looks = look(&returned.message, false, exchange, key);
                    events.push(format!("return {looks}"));
                }
                ChannelEvent::Ack { tag, multiple: false } => answers.push((tag, true)),
                ChannelEvent::Nack { tag, multiple: false } => answers.push((tag, false)),
                ChannelEvent::Cancel { consumer_tag } => events.push(format!("cancel {consumer_tag}")),
                other => events.push(format!("{other:?}")),
            }
        }
        (events, answers)
    }
}

fn open(broker: &Broker) -> (Connection, Channel) {
    let connection = broker.connect().expect("there is room");
    let channel = connection.open_channel().expect("there is room");
    (connection, channel)
}

fn code(close: Close) -> u16 {
    close.code.code()
}

fn plain<T>(result: Result<T, Close>) -> Reply {
    result.map(|_| String::new()).map_err(code)
}

fn request(name: &str, spec: &Spec) -> QueueDeclare {
    let number = |n: u64| Value::I64(i64::try_from(n).expect("small"));
    let mut request = QueueDeclare::new(name);
    if spec.quorum {
        request = request.durable().argument("x-queue-type", "quorum");
    }
    request = if spec.auto_delete { request.auto_delete() } else { request };
    let numbers = [
        ("x-message-ttl", spec.ttl),
        ("x-expires", spec.expires),
        ("x-max-length", spec.max_length),
        ("x-max-length-bytes", spec.max_bytes),
        ("x-max-priority", spec.max_priority.map(u64::from)),
        ("x-delivery-limit", spec.delivery_limit.map(u64::from)),
    ];
    for (argument, value) in numbers {
        request = value.into_iter().fold(request, |request, value| request.argument(argument, number(value)));
    }
    if let Some((exchange, key)) = &spec.dead_letter {
        request = request.argument("x-dead-letter-exchange", exchange.as_str());
        request = key.iter().fold(request, |r, key| r.argument("x-dead-letter-routing-key", key.as_str()));
    }
    request = match spec.overflow {
        Overflow::RejectPublish => request.argument("x-overflow", "reject-publish"),
        Overflow::RejectPublishDlx => request.argument("x-overflow", "reject-publish-dlx"),
        _ => request,
    };
    if spec.single_active { request.argument("x-single-active-consumer", true) } else { request }
}

fn seen(delivery: &ChannelDelivery) -> String {
    look(&delivery.message, delivery.redelivered, &delivery.exchange, &delivery.routing_key)
}

/// A message as [`shown`] shows it, its deaths read from its headers.
fn look(message: &Message, redelivered: bool, exchange: &str, key: &str) -> String {
    let header = |name: &str| message.properties().header(name);
    let count = header("x-delivery-count").and_then(Value::as_integer);
    let body = String::from_utf8_lossy(message.body());
    let mut text = format!("{body} {redelivered} '{exchange}' '{key}' {count:?}");
    if let Some(Value::Array(deaths)) = header("x-death") {
        for death in deaths.iter() {
            let Value::Table(death) = death else { panic!("{death:?}") };
            let words = |name: &str| death.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
            let Some(Value::Array(keys)) = death.get("routing-keys") else { panic!("{death:?}") };
            let keys: Vec<_> = keys.iter().filter_map(Value::as_str).collect();
            let expiration = death.get("original-expiration").and_then(Value::as_str);
            let count = death.get("count").and_then(Value::as_integer).expect("a count");
            let (queue, reason, exchange) = (words("queue"), words("reason"), words("exchange"));
            text += &one_death(&queue, &reason, count, &exchange, &keys, expiration);
        }
    }
    text
}

fn peek(envelope: &Envelope, redelivered: bool) -> String {
    let body = String::from_utf8_lossy(envelope.body());
    let (exchange, key) = (envelope.exchange(), envelope.routing_key());
    let mut text = format!("{body} {redelivered} '{exchange}' '{key}' None");
    for death in envelope.deaths().iter().flat_map(|deaths| deaths.entries()) {
        let keys: Vec<_> = death.routing_keys.iter().map(|key| &**key).collect();
        let (reason, expiration) = (death.reason.as_str(), death.original_expiration.as_deref());
        text += &one_death(&death.queue, reason, death.count as i64, &death.exchange, &keys, expiration);
    }
    text
}

fn one_death(queue: &str, reason: &str, count: i64, exchange: &str, keys: &[&str], expiration: Option<&str>) -> String {
    let expiration: Option<u64> = expiration.map(|text| text.parse().expect("a number"));
    format!(" [{queue} {reason} {count} '{exchange}' '{}' {expiration:?}]", keys.join(","))
}
