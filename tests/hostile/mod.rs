//! What the hostile tests share: a broker with a bystander that must notice nothing, and the values that are thrown at
//! it.

// Each test binary takes what it needs.
#![allow(dead_code)]

use leveret::{
    Acknowledge, Broker, Channel, ChannelEvent, Close, Connection, Consume, Message, Publish, QueueBinding,
    QueueDeclare, ReplyCode, Requeue, Scope, Table, Tags, Value,
};

/// A broker under attack, and somebody on another connection who goes about his work.
pub(crate) struct Site {
    pub(crate) broker: Broker,
    bystander: Channel,
    _connection: Connection,
    probes: std::cell::Cell<u64>,
}

/// What a call is to come to: done, or this close.
pub(crate) type Outcome = Result<(), (Scope, ReplyCode)>;

/// Closes the channel with 403, 404 or 406; ends the connection with 502.
pub(crate) const REFUSED: Outcome = Err((Scope::Channel, ReplyCode::AccessRefused));
pub(crate) const MISSING: Outcome = Err((Scope::Channel, ReplyCode::NotFound));
pub(crate) const INVALID: Outcome = Err((Scope::Channel, ReplyCode::PreconditionFailed));
pub(crate) const TOO_LONG: Outcome = Err((Scope::Connection, ReplyCode::SyntaxError));

impl Site {
    pub(crate) fn new() -> Self {
        let broker = Broker::builder().manual_time().build();
        let connection = broker.connect().unwrap();
        let bystander = connection.open_channel().unwrap();
        bystander.queue_declare(&QueueDeclare::new("bystander")).unwrap();
        bystander.queue_bind(&QueueBinding::new("bystander", "amq.topic").key("by.#")).unwrap();
        bystander.basic_consume(&Consume::new("bystander")).unwrap();
        bystander.confirm_select().unwrap();
        Self { broker, bystander, _connection: connection, probes: std::cell::Cell::new(0) }
    }

    /// A channel of a connection of its own.
    pub(crate) fn attacker(&self) -> (Connection, Channel) {
        let connection = self.broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        (connection, channel)
    }

    /// The broker goes on: the bystander's consumer and confirms work, a fresh channel can do everything, and the
    /// invariants hold.
    pub(crate) fn is_well(&self, after: &str) {
        self.probes.set(self.probes.get() + 1);
        let number = self.probes.get();
        self.bystander.basic_publish(&Publish::new("amq.topic", "by.stander"), Message::new("still")).unwrap();
        let events: Vec<_> = std::iter::from_fn(|| self.bystander.try_recv().ok()).collect();
        let [ChannelEvent::Deliver(delivery), ChannelEvent::Ack { tag, multiple: false }] = &*events else {
            panic!("after {after}: the bystander got {events:?}");
        };
        assert_eq!((*tag, delivery.delivery_tag), (number, number), "after {after}");
        self.bystander.basic_ack(number).unwrap();

        let (_connection, channel) = self.attacker();
        let queue = channel.queue_declare(&QueueDeclare::new("").exclusive()).unwrap().queue;
        channel.basic_publish(&Publish::new("", &*queue), Message::new("probe")).unwrap();
        let got = channel.basic_get(&queue, Acknowledge::Yes).unwrap().unwrap();
        channel.basic_reject(got.delivery.delivery_tag, Requeue::Yes).unwrap();
        channel.basic_consume(&Consume::new(&*queue)).unwrap();
        let Ok(ChannelEvent::Deliver(again)) = channel.try_recv() else { panic!("after {after}: no delivery") };
        assert!(again.redelivered);
        channel.basic_ack(Tags::UpTo(0)).unwrap();
        self.broker.check_invariants().unwrap_or_else(|what| panic!("after {after}: {what}"));
    }

    /// One call on a channel of its own: what it comes to is what is expected, and the broker goes on.
    pub(crate) fn attack<T>(&self, what: &str, expected: Outcome, call: impl FnOnce(&Channel) -> Result<T, Close>) {
        let (connection, channel) = self.attacker();
        let outcome = call(&channel).map(drop);
        judge(what, &outcome, expected);
        let (alive, open) = match outcome {
            Ok(()) => (true, true),
            Err(close) => (close.scope == Scope::Channel, false),
        };
        assert_eq!((connection.is_open(), channel.is_open() && connection.is_open()), (alive, open), "{what}");
        drop((channel, connection));
        self.is_well(what);
    }
}

/// Compares, and looks at the text of a close: it has the code's name and fits a short string.
pub(crate) fn judge(what: &str, outcome: &Result<(), Close>, expected: Outcome) {
    let seen = outcome.as_ref().copied().map_err(|close| (close.scope, close.code));
    assert_eq!(seen, expected, "{what}: {outcome:?}");
    if let Err(close) = outcome {
        assert!(close.text.len() <= 255 && close.text.starts_with(close.code.name()), "{what}: {close}");
    }
}

/// Text in a failure's message, cut.
pub(crate) fn short(text: &impl std::fmt::Debug) -> String {
    let shown = format!("{text:?}");
    shown.chars().take(60).collect()
}

/// Names that somebody might send.
pub(crate) fn names() -> Vec<String> {
    let fixed = [
        "",
        "plain",
        "nul\0",
        "a\r\nb",
        "\r\n",
        "\u{1F407}",
        "e\u{301}",
        "\u{e9}",
        "\u{202e}rtl",
        "\u{5d0}\u{5d1}",
        " ",
        "amq.",
        "amq.mine",
        "amq.direct",
        "amq.gen-0",
        "AMQ.x",
        "amqp",
        "\ramq.hidden",
        "#",
        "*",
        ".",
        "a..b",
        "#.#.#",
        "'quoted'",
        "\"",
        "\\",
        "%s{}{0}",
        "../../etc/passwd",
        "\u{feff}bom",
        "\u{fffd}",
        "zero\u{200b}width",
    ];
    let mut names: Vec<String> = fixed.into_iter().map(str::to_owned).collect();
    names.extend(["x".repeat(255), format!("{}x", "\u{e9}".repeat(127)), "#.".repeat(127)]);
    names.extend(["x".repeat(256), "\u{e9}".repeat(128), format!("{}\r\n", "x".repeat(255)), "x".repeat(100_000)]);
    names
}

/// Whether AMQP can say it.
pub(crate) fn is_sayable(name: &str) -> bool {
    name.len() <= 255
}

/// Values of every type, with those at the bounds of each.
pub(crate) fn values() -> Vec<Value> {
    let mut values = vec![
        Value::Void,
        true.into(),
        false.into(),
        Value::F32(0.0),
        Value::F32(f32::NAN),
        Value::F32(f32::INFINITY),
        Value::F64(-0.0),
        Value::F64(f64::NAN),
        Value::F64(f64::NEG_INFINITY),
        Value::F64(f64::MAX),
        Value::F64(1.0),
        Value::Decimal(0, 0),
        Value::Decimal(u8::MAX, u32::MAX),
        Value::Timestamp(0),
        Value::Timestamp(1),
        Value::Timestamp(u64::MAX),
        Value::ByteArray(vec![0, 255].into()),
        Value::LongString(vec![0xff, 0xfe].into()),
        Value::text(""),
        Value::text("x".repeat(256)),
        Value::text("x".repeat(100_000)),
        Value::text("1"),
        Value::from(Vec::new()),
        Value::from(vec![Value::Void; 1_000]),
        Value::from(vec!["q".into(), 5.into()]),
        Table::new().into(),
        Table::new().with("", Value::Void).with("n".repeat(255), "v").into(),
        nested(63),
    ];
    values.extend([i8::MIN, -1, 0, 1, i8::MAX].map(Value::I8));
    values.extend([0, 1, u8::MAX].map(Value::U8));
    values.extend([i16::MIN, -1, 0, 256, i16::MAX].map(Value::I16));
    values.extend([0, 1, u16::MAX].map(Value::U16));
    values.extend([i32::MIN, -1, 0, 1, i32::MAX].map(Value::I32));
    values.extend([0, 2, u32::MAX].map(Value::U32));
    let powers = [1_i64 << 31, 1 << 32, 1 << 62].into_iter().flat_map(|n| [-n - 1, -n, -n + 1, n - 1, n, n + 1]);
    values.extend(powers.chain([i64::MIN, -1, 0, 1, 2, 255, 256, i64::MAX]).map(Value::I64));
    let words = [
        "classic",
        "quorum",
        "stream",
        "drop-head",
        "reject-publish",
        "reject-publish-dlx",
        "at-most-once",
        "at-least-once",
        "default",
        "lazy",
        "client-local",
        "balanced",
        "random",
        "least-leaders",
        "all",
        "any",
        "all-with-x",
        "any-with-x",
        "ALL",
        "amq.direct",
        "min-masters",
    ];
    values.extend(words.map(Value::text));
    values
}

/// A value of so many levels, one less than a table with it in has.
pub(crate) fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Void, |inner, level| match level % 2 {
        0 => Value::from(vec![inner]),
        _ => Table::new().with("in", inner).into(),
    })
}
