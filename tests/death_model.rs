//! Death histories against a naive restatement: what `x-death` says after any sequence of deaths, and what a publisher
//! who forges one gets for it.
//!
//! Seen to fail with: a count that is not raised, a rejection after which a cycle is still cut, a history without bound.

use leveret::internals::{DeadLetter, died, envelope, keys};
use leveret::{Death, Envelope, Limits, Message, Name, Reason, Table, Value};
use proptest::collection::vec;
use proptest::prelude::*;

const REASONS: [Reason; 4] = [Reason::Rejected, Reason::Expired, Reason::MaxLength, Reason::DeliveryLimit];
const HELD: [&str; 7] = [
    "x-death",
    "x-first-death-reason",
    "x-first-death-queue",
    "x-first-death-exchange",
    "x-last-death-reason",
    "x-last-death-queue",
    "x-last-death-exchange",
];

/// One death: in which of six queues, why, where the letter goes, and under which key if under another.
#[derive(Clone, Debug)]
struct Dies {
    queue: usize,
    reason: Reason,
    exchange: usize,
    key: Option<String>,
}

/// A message and its history, restated: one list of deaths as they happened.
struct Naive {
    exchange: String,
    keys: Vec<String>,
    blind: Vec<String>,
    expiration: Option<String>,
    happened: Vec<Happened>,
}

/// One death as it happened: where, why and when, and what the message was then.
struct Happened {
    queue: String,
    reason: Reason,
    seconds: u64,
    exchange: String,
    keys: Vec<String>,
    expiration: Option<String>,
}

impl Naive {
    fn die(&mut self, death: &Dies, seconds: u64) {
        let mut shown = self.keys.clone();
        for key in &self.blind {
            if let Some(at) = shown.iter().position(|known| known == key) {
                shown.remove(at);
            }
        }
        self.happened.push(Happened {
            queue: queue(death.queue),
            reason: death.reason,
            seconds,
            exchange: std::mem::replace(&mut self.exchange, exchange(death.exchange)),
            keys: shown,
            expiration: self.expiration.take(),
        });
        if let Some(key) = &death.key {
            self.keys = vec![key.clone()];
        }
    }

    /// One entry for each queue and reason, as it was first, with how often; the latest death first.
    fn entries(&self) -> Vec<Value> {
        let mut pairs: Vec<(String, Reason)> = Vec::new();
        for death in self.happened.iter().rev() {
            let pair = (death.queue.clone(), death.reason);
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        let entry = |(queue, reason): &(String, Reason)| {
            let same = || self.happened.iter().filter(|death| (&death.queue, &death.reason) == (queue, reason));
            let first = same().next().expect("it died so");
            let mut table = Table::new()
                .with("count", i64::try_from(same().count()).expect("few"))
                .with("reason", word(*reason))
                .with("queue", queue.as_str())
                .with("time", Value::Timestamp(first.seconds))
                .with("exchange", first.exchange.as_str())
                .with("routing-keys", first.keys.iter().map(Value::text).collect::<Vec<_>>());
            if let Some(expiration) = &first.expiration {
                table.insert("original-expiration", expiration.as_str());
            }
            Value::Table(table)
        };
        pairs.iter().map(entry).collect()
    }

    /// It died there, and neither that latest death there nor any since was a rejection.
    fn is_cycle(&self, queue: &str) -> bool {
        let since = self.happened.iter().rposition(|death| death.queue == queue);
        since.is_some_and(|at| self.happened[at..].iter().all(|death| death.reason != Reason::Rejected))
    }
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Rejected => "rejected",
        Reason::Expired => "expired",
        Reason::MaxLength => "maxlen",
        Reason::DeliveryLimit => "delivery_limit",
    }
}

fn queue(number: usize) -> String {
    format!("q{number}")
}

fn exchange(number: usize) -> String {
    ["", "dlx", "amq.direct"][number].to_owned()
}

fn name(text: &str) -> Name {
    Name::new(text).expect("short")
}

fn dies() -> impl Strategy<Value = Dies> {
    let key = prop::option::weighted(0.2, prop::sample::select(vec!["", "k", "c1", "b1"]).prop_map(str::to_owned));
    (0..6_usize, prop::sample::select(REASONS.to_vec()), 0..3_usize, key)
        .prop_map(|(queue, reason, exchange, key)| Dies { queue, reason, exchange, key })
}

/// A value of every type there is, nested ones included.
fn hostile() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Void),
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        any::<i32>().prop_map(|n| Value::F32(n as f32)),
        any::<i64>().prop_map(|n| Value::F64(n as f64)),
        any::<(u8, u32)>().prop_map(|(scale, digits)| Value::Decimal(scale, digits)),
        vec(any::<u8>(), 0..8).prop_map(|bytes| Value::LongString(bytes.into())),
        vec(any::<u8>(), 0..8).prop_map(|bytes| Value::ByteArray(bytes.into())),
        any::<u64>().prop_map(Value::Timestamp),
        prop::sample::select(vec!["rejected", "q0", "expired"]).prop_map(Value::text),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let keys = prop::sample::select(vec!["count", "queue", "reason", "time", "exchange", "routing-keys"]);
        let entries = vec((keys, inner.clone()), 0..4);
        prop_oneof![vec(inner, 0..4).prop_map(Value::from), entries.prop_map(|e| Value::Table(e.into_iter().collect()))]
    })
}

/// A message with these further keys, and what the model knows of it.
fn published(cc: &[String], bcc: &[String], ttl: Option<u32>, forged: &[(usize, Value)]) -> (Envelope, Naive) {
    let mut message = Message::new("body").header("own", "kept");
    for (which, value) in forged {
        message = message.header(HELD[which % HELD.len()], value.clone());
    }
    for (header, keys) in [("CC", cc), ("BCC", bcc)] {
        if !keys.is_empty() {
            message = message.header(header, keys.iter().map(Value::text).collect::<Vec<_>>());
        }
    }
    message.properties_mut().expiration = ttl.map(|millis| format!("+0{millis}").into());
    let all = std::iter::once("key".to_owned()).chain(cc.iter().cloned()).chain(bcc.iter().cloned());
    let naive = Naive {
        exchange: "first".to_owned(),
        keys: all.collect(),
        blind: bcc.to_vec(),
        expiration: ttl.map(|millis| millis.to_string()),
        happened: Vec::new(),
    };
    (envelope(name("first"), name("key"), message, &Limits::default()).expect("a good message"), naive)
}

/// The letter that follows this death.
fn dead(message: &Envelope, death: &Dies, seconds: u64, limits: &Limits) -> Envelope {
    let routing_key = death.key.as_deref().map(name);
    let dead_letter = DeadLetter { exchange: name(&exchange(death.exchange)), routing_key };
    died(message, &name(&queue(death.queue)), death.reason, seconds, &dead_letter, limits)
}

fn compare(message: &Envelope, naive: &Naive) -> Result<(), TestCaseError> {
    let header = |name: &str| message.properties().header(name).cloned();
    let entries = naive.entries();
    prop_assert!(entries.len() <= 6 * REASONS.len(), "more entries than queues and reasons");
    prop_assert_eq!(header("x-death"), Some(Value::from(entries)));
    let ends = [("first", naive.happened.first()), ("last", naive.happened.last())];
    for (which, death) in ends {
        let death = death.expect("it died");
        prop_assert_eq!(header(&format!("x-{which}-death-queue")), Some(Value::text(&death.queue)));
        prop_assert_eq!(header(&format!("x-{which}-death-reason")), Some(Value::text(word(death.reason))));
        prop_assert_eq!(header(&format!("x-{which}-death-exchange")), Some(Value::text(&death.exchange)));
    }
    let routes: Vec<String> = keys(message).iter().map(|key| key.as_str().to_owned()).collect();
    prop_assert_eq!(&routes, &naive.keys);
    prop_assert_eq!(message.exchange().as_str(), naive.exchange.as_str());
    prop_assert_eq!(message.properties().expiration.as_deref(), None, "it expires no more");
    prop_assert_eq!(header("own"), Some(Value::text("kept")));
    prop_assert_eq!(header("BCC"), None);
    let deaths = message.deaths().expect("it died");
    prop_assert_eq!(deaths.total(), naive.happened.len() as u64);
    for number in 0..7 {
        prop_assert_eq!(deaths.is_cycle(&queue(number)), naive.is_cycle(&queue(number)), "cycle to q{}", number);
    }
    Ok(())
}

proptest! {
    /// Any sequence of deaths; some messages were published with `CC`, `BCC`, a time to live, and a forged history of
    /// any type, which counts for nothing from the first death on.
    #[test]
    fn histories_are_as_the_rules_say(
        deaths in vec(dies(), 1..200),
        cc in vec(prop::sample::select(vec!["c1", "c2", "key"]).prop_map(str::to_owned), 0..3),
        bcc in vec(prop::sample::select(vec!["b1", "c1", "key"]).prop_map(str::to_owned), 0..3),
        ttl in prop::option::of(0..99_u32),
        forged in vec((0..7_usize, hostile()), 0..8),
    ) {
        let (mut message, mut naive) = published(&cc, &bcc, ttl, &forged);
        for (seconds, death) in (1_000..).zip(&deaths) {
            message = dead(&message, death, seconds, &Limits::default());
            naive.die(death, seconds);
            compare(&message, &naive)?;
        }
    }

    /// Before the first death a forged history is a header as any other: it is passed on, and nothing reads it.
    #[test]
    fn a_forged_history_is_only_a_header_at_first(forged in vec((0..7_usize, hostile()), 1..8)) {
        let (message, _) = published(&[], &[], None, &forged);
        prop_assert!(message.deaths().is_none());
        let last = forged.iter().rev().find(|(which, _)| *which == forged[0].0).expect("itself");
        prop_assert_eq!(message.properties().header(HELD[last.0]), Some(&last.1));
    }

    /// At its bound a history forgets the oldest entry, and never the latest.
    #[test]
    fn a_bounded_history_keeps_the_latest(deaths in vec(dies(), 1..60), bound in 0..5_usize) {
        let mut limits = Limits::default();
        limits.death_records = bound;
        let (mut message, _) = published(&[], &[], None, &[]);
        for death in &deaths {
            message = dead(&message, death, 0, &limits);
            let entries: &[Death] = message.deaths().expect("it died").entries();
            prop_assert!(entries.len() <= bound.max(1));
            prop_assert_eq!((entries[0].queue.as_str(), entries[0].reason), (&*queue(death.queue), death.reason));
        }
    }
}
