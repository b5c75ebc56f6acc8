//! Target `headers`: the predicate of a headers exchange, and what is told of its misses, against the naive restatement.
//!
//! Seen to fail on a planted bug: a void argument that asked for a void header, not for any.

#[path = "../naive/headers.rs"]
mod naive;

use arbitrary::{Arbitrary, Unstructured};
use leveret::internals::Predicate;
use leveret::{Miss, Table, Value};

/// More entries say nothing new.
const MOST: u8 = 16;

#[derive(Debug)]
struct Input {
    mode: Mode,
    arguments: Vec<(Field, Seed)>,
    headers: Vec<(Field, Seed)>,
    /// Headers that are the arguments again, so that they meet.
    copied: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
enum Mode {
    Absent,
    All,
    Any,
    AllWithX,
    AnyWithX,
    Other(Seed),
}

#[derive(Arbitrary, Debug)]
enum Field {
    /// So few that they meet.
    Few(u8),
    X(u8),
    Match,
    Text(String),
}

/// A value, of every type, most of them of the same few numbers.
#[derive(Arbitrary, Debug)]
enum Seed {
    Void,
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    F32(f32),
    F64(f64),
    Decimal(u8, u32),
    Timestamp(u64),
    Text(String),
    Bytes(Vec<u8>),
    LongString(Vec<u8>),
    Array(Vec<Seed>),
    Table(Vec<(Field, Seed)>),
    /// The same number in any type of integer.
    Small(u8, i8),
}

pub(crate) fn run(input: &[u8]) {
    let Ok(input) = Input::read(&mut Unstructured::new(input)) else { return };
    let mut arguments = table(&input.arguments);
    arguments.remove("x-match");
    let mut headers = table(&input.headers);
    for which in &input.copied {
        if let Some((name, seed)) = input.arguments.get(usize::from(*which)) {
            headers.insert(name.text(), seed.value());
        }
    }
    let mode = input.mode.value();
    let known = matches!(&mode, None | Some(Value::LongString(_))) && !matches!(input.mode, Mode::Other(_));
    if let Some(mode) = mode {
        arguments.insert("x-match", mode);
    }
    let Some(predicate) = read(&arguments, known) else { return };
    for headers in [&headers, &arguments, &Table::new()] {
        let fits = naive::fits(&arguments, headers);
        assert_eq!(predicate.matches(Some(headers)), fits, "{arguments:?}\n{headers:?}");
        let miss = Miss::of_headers(&arguments, Some(headers));
        assert_eq!(miss.is_none(), fits, "{arguments:?}\n{headers:?}\n{miss:?}");
        if let Some(miss) = miss {
            assert!(!miss.to_string().is_empty(), "a miss says something");
        }
    }
    assert_eq!(predicate.matches(None), naive::fits(&arguments, &Table::new()), "{arguments:?}");
}

impl Input {
    fn read(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let (mode, counts) = (Mode::arbitrary(bytes)?, <[u8; 3]>::arbitrary(bytes)?);
        let mut entries = |count: u8| -> arbitrary::Result<Vec<(Field, Seed)>> {
            (0..count % MOST).map(|_| <(Field, Seed)>::arbitrary(bytes)).collect()
        };
        let (arguments, headers) = (entries(counts[0])?, entries(counts[1])?);
        let copied = (0..counts[2] % MOST).map(|_| u8::arbitrary(bytes)).collect::<arbitrary::Result<_>>()?;
        Ok(Self { mode, arguments, headers, copied })
    }
}

/// The predicate, where `x-match` is one of the four words.
fn read(arguments: &Table, known: bool) -> Option<Predicate> {
    let predicate = Predicate::new(arguments);
    let word = arguments.get("x-match").map(|value| value.as_str());
    let said = matches!(word, None | Some(Some("all" | "any" | "all-with-x" | "any-with-x")));
    assert!(!known || said, "the modes of this target are known");
    assert_eq!(predicate.is_ok(), said, "{arguments:?}");
    predicate.ok()
}

fn table(entries: &[(Field, Seed)]) -> Table {
    entries.iter().map(|(name, seed)| (name.text(), seed.value())).collect()
}

impl Mode {
    fn value(&self) -> Option<Value> {
        let word = match self {
            Self::Absent => return None,
            Self::All => "all",
            Self::Any => "any",
            Self::AllWithX => "all-with-x",
            Self::AnyWithX => "any-with-x",
            Self::Other(seed) => return Some(seed.value()),
        };
        Some(word.into())
    }
}

impl Field {
    fn text(&self) -> String {
        match self {
            Self::Few(number) => format!("n{}", number % 12),
            Self::X(number) => format!("x-{}", number % 3),
            Self::Match => "x-match".to_owned(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Seed {
    fn value(&self) -> Value {
        match self {
            Self::Void => Value::Void,
            Self::Bool(value) => Value::Bool(*value),
            Self::I8(number) => Value::I8(*number),
            Self::U8(number) => Value::U8(*number),
            Self::I16(number) => Value::I16(*number),
            Self::U16(number) => Value::U16(*number),
            Self::I32(number) => Value::I32(*number),
            Self::U32(number) => Value::U32(*number),
            Self::I64(number) => Value::I64(*number),
            // Of those that are not numbers, one: a wider type keeps not all of them apart.
            Self::F32(number) => Value::F32(if number.is_nan() { f32::NAN } else { *number }),
            Self::F64(number) => Value::F64(if number.is_nan() { f64::NAN } else { *number }),
            Self::Decimal(scale, digits) => Value::Decimal(*scale, *digits),
            Self::Timestamp(seconds) => Value::Timestamp(*seconds),
            Self::Text(text) => Value::text(text),
            Self::Bytes(bytes) => Value::ByteArray(bytes.clone().into()),
            Self::LongString(bytes) => Value::LongString(bytes.clone().into()),
            Self::Array(seeds) => Value::Array(seeds.iter().map(Self::value).collect()),
            Self::Table(entries) => Value::Table(table(entries)),
            Self::Small(kind, number) => small(*kind, *number),
        }
    }
}

/// A small number in one of the types that hold it.
fn small(kind: u8, number: i8) -> Value {
    let wide = i64::from(number.rem_euclid(3));
    let narrow = number.rem_euclid(3).unsigned_abs();
    match kind % 9 {
        0 => Value::I8(number),
        1 => Value::U8(narrow),
        2 => Value::I16(i16::from(narrow)),
        3 => Value::U16(u16::from(narrow)),
        4 => Value::I32(i32::from(narrow)),
        5 => Value::U32(u32::from(narrow)),
        6 => Value::Timestamp(u64::from(narrow)),
        7 => Value::I64(wide * 1000),
        _ => Value::I64(wide),
    }
}
