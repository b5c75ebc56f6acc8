//! JSON that is changed here and there, for the targets that read JSON: a tree, and changes that `arbitrary` reads from
//! bytes. Numbers and words are those that readers stumble over sooner than over others.

use arbitrary::{Arbitrary, Unstructured};
use serde_json::{Map, Value as Json, json};

/// One change of a tree. Places are counted in the order in which the tree is written.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Change {
    /// Puts something in the place of a value.
    Replace { place: u16, by: Bit },
    /// Takes an element or entry away.
    Remove { place: u16 },
    /// Puts an element or entry beside one.
    Insert { place: u16, name: Name, by: Bit },
    /// Puts a copy of one place's value at another.
    Copy { from: u16, to: u16 },
    /// Doubles an element of a list.
    Double { place: u16 },
}

/// A piece of JSON.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Bit {
    Null,
    Flag(bool),
    Small(u8),
    Number(u8),
    Float(f64),
    Word(u8),
    Text(String),
    Typed(u8, Box<Bit>),
    List(Vec<Bit>),
    Object(Vec<(Name, Bit)>),
    Deep(u8),
}

/// The name of an entry.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Name {
    Known(u8),
    Text(String),
}

/// The text that an input stands for: itself where it is an object, else one of the bases with changes.
pub(crate) fn text(input: &[u8], bases: &[&str], words: &[&str], most_changes: usize) -> String {
    if input.first() == Some(&b'{') {
        return String::from_utf8_lossy(input).into_owned();
    }
    let (base, changes) = changes(input, most_changes);
    let mut tree: Json = serde_json::from_str(bases[base % bases.len()]).expect("the bases are JSON");
    change(&mut tree, &changes, words);
    tree.to_string()
}

const NUMBERS: [i64; 14] = [
    0,
    1,
    -1,
    255,
    256,
    65_535,
    65_536,
    1 << 31,
    1 << 32,
    (1 << 53) + 1,
    9_223_372_036_854,
    i64::MAX - 1,
    i64::MAX,
    i64::MIN,
];
const TYPES: [&str; 14] = [
    "$i8",
    "$u8",
    "$i16",
    "$u16",
    "$i32",
    "$u32",
    "$f32",
    "$f64",
    "$timestamp",
    "$bytes",
    "$decimal",
    "$base64",
    "$repeat",
    "$none",
];

/// The number of a base, and as many changes as the bytes hold, but no more than that. (A `Vec` of them would end at
/// every second byte.)
fn changes(input: &[u8], most: usize) -> (usize, Vec<Change>) {
    let Some((base, rest)) = input.split_first() else { return (0, Vec::new()) };
    let mut bytes = Unstructured::new(rest);
    let more = || if bytes.is_empty() { None } else { Change::arbitrary(&mut bytes).ok() };
    (usize::from(*base), std::iter::from_fn(more).take(most).collect())
}

/// Changes a tree; words and names are those of the format.
fn change(tree: &mut Json, changes: &[Change], words: &[&str]) {
    for change in changes {
        let places = count(tree);
        match change {
            Change::Replace { place, by } => {
                at(tree, usize::from(*place) % places, |json| *json = by.json(words));
            }
            Change::Copy { from, to } => {
                let mut copied = Json::Null;
                at(tree, usize::from(*from) % places, |json| copied = json.clone());
                at(tree, usize::from(*to) % places, |json| *json = copied);
            }
            Change::Remove { place } => at(tree, usize::from(*place) % places, |json| match json {
                Json::Array(list) => _ = (!list.is_empty()).then(|| list.remove(usize::from(*place) % list.len())),
                Json::Object(map) => {
                    let name = map.keys().nth(usize::from(*place) % map.len().max(1)).cloned();
                    _ = name.and_then(|name| map.shift_remove(&name));
                }
                _ => {}
            }),
            Change::Double { place } => at(tree, usize::from(*place) % places, |json| {
                if let Json::Array(list) = json
                    && !list.is_empty()
                {
                    let which = usize::from(*place) % list.len();
                    list.insert(which, list[which].clone());
                }
            }),
            Change::Insert { place, name, by } => at(tree, usize::from(*place) % places, |json| match json {
                Json::Array(list) => list.insert(usize::from(*place) % (list.len() + 1), by.json(words)),
                Json::Object(map) => _ = map.insert(name.text(words), by.json(words)),
                _ => {}
            }),
        }
    }
}

/// How many places there are.
fn count(tree: &Json) -> usize {
    1 + match tree {
        Json::Array(list) => list.iter().map(count).sum::<usize>(),
        Json::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// Does something at a place.
fn at(tree: &mut Json, place: usize, work: impl FnOnce(&mut Json)) {
    let mut left = place;
    let mut here = tree;
    while left > 0 {
        left -= 1;
        let children: Box<dyn Iterator<Item = &mut Json>> = match here {
            Json::Array(list) => Box::new(list.iter_mut()),
            Json::Object(map) => Box::new(map.values_mut()),
            _ => return,
        };
        let mut next = None;
        for child in children {
            let size = count(child);
            if left < size {
                next = Some(child);
                break;
            }
            left -= size;
        }
        let Some(child) = next else { return };
        here = child;
    }
    work(here);
}

impl Bit {
    pub(crate) fn json(&self, words: &[&str]) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Flag(flag) => json!(flag),
            Self::Small(number) => json!(number % 6),
            Self::Number(which) if *which == u8::MAX => json!(u64::MAX),
            Self::Number(which) => json!(NUMBERS[usize::from(*which) % NUMBERS.len()]),
            Self::Float(number) => json!(number),
            Self::Word(word) => json!(words[usize::from(*word) % words.len()]),
            Self::Text(text) => json!(text),
            Self::Typed(kind, bit) => {
                let kind = TYPES[usize::from(*kind) % TYPES.len()];
                json!({ kind: bit.json(words) })
            }
            Self::List(bits) => bits.iter().take(8).map(|bit| bit.json(words)).collect(),
            Self::Object(entries) => {
                let entries = entries.iter().take(8).map(|(name, bit)| (name.text(words), bit.json(words)));
                Json::Object(entries.collect::<Map<_, _>>())
            }
            Self::Deep(levels) => (0..levels % 120).fold(Json::Null, |inner, level| match level % 2 {
                0 => json!([inner]),
                _ => json!({ "in": inner }),
            }),
        }
    }
}

impl Name {
    fn text(&self, words: &[&str]) -> String {
        match self {
            Self::Known(which) => words[usize::from(*which) % words.len()].to_owned(),
            Self::Text(text) => text.clone(),
        }
    }
}
