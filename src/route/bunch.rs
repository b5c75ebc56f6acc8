//! Bunches: all bindings of one exchange that have the same key or pattern.
//!
//! Most have a single binding, and then the bunch is the number of that binding and needs no memory. Several have a
//! list, which keeps its hits at hand and in order.

use super::bindings::Record;
use super::hits::{Hit, Hits};
use super::slots::Slots;
use super::text::Text;

/// The bindings with one key, in four bytes: none, the number of one, or the number of a list. The highest bit is always
/// set, so that a number without it can mean something else in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bunch(u32);

/// The lists of the bunches that have several bindings.
#[derive(Debug)]
pub(super) struct Bunches(Slots<Option<Several>>);

/// Several bindings; the mark of their key is theirs together.
#[derive(Debug)]
struct Several {
    key: Text,
    hits: Hits,
}

type Records = Slots<Option<Record>>;

/// What a bunch's number says.
enum Kind {
    None,
    One(u32),
    List(u32),
}

impl Bunch {
    /// Without bindings.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// What a number of four bytes means where it might be a bunch.
    #[inline]
    pub(super) fn from_number(number: u32) -> Option<Self> {
        (number & BUNCH != 0).then_some(Self(number))
    }

    #[inline]
    pub(super) fn number(self) -> u32 {
        self.0
    }

    #[inline]
    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    #[inline]
    fn kind(self) -> Kind {
        match self.0 & LIST {
            _ if self.is_none() => Kind::None,
            0 => Kind::One(self.0 & !BUNCH),
            _ => Kind::List(self.0 & !BUNCH & !LIST),
        }
    }
}

impl Default for Bunches {
    fn default() -> Self {
        Self(Slots::new())
    }
}

impl Bunches {
    pub(super) fn join(&mut self, records: &Records, bunch: Bunch, id: u32) -> Bunch {
        let Some(new) = record(records, id) else { return bunch };
        match bunch.kind() {
            Kind::None => Bunch(id | BUNCH),
            Kind::One(first) => {
                let Some(first) = record(records, first) else { return bunch };
                let mut several = Several { key: first.key.clone(), hits: Hits::default() };
                [first, new].into_iter().for_each(|record| several.hits.push(record.hit()));
                Bunch(self.0.insert(Some(several)) | BUNCH | LIST)
            }
            Kind::List(list) => {
                if let Some(Some(several)) = self.0.get_mut(list) {
                    several.hits.push(new.hit());
                }
                bunch
            }
        }
    }

    pub(super) fn part(&mut self, records: &Records, bunch: Bunch, id: u32) -> Bunch {
        match bunch.kind() {
            Kind::One(known) if known == id => Bunch::NONE,
            Kind::List(list) => {
                let Some(Some(several)) = self.0.get_mut(list) else { return bunch };
                record(records, id).into_iter().for_each(|record| _ = several.hits.remove(record.born));
                if !several.hits.is_empty() {
                    return bunch;
                }
                self.0.remove(list);
                Bunch::NONE
            }
            Kind::None | Kind::One(_) => bunch,
        }
    }

    #[inline]
    pub(super) fn key_of<'a>(&'a self, records: &'a Records, bunch: Bunch) -> &'a Text {
        let key = match bunch.kind() {
            Kind::None => None,
            Kind::One(id) => record(records, id).map(|record| &record.key),
            Kind::List(list) => self.list(list).map(|several| &several.key),
        };
        key.unwrap_or(&Text::EMPTY)
    }

    pub(super) fn mark(&mut self, records: &mut Records, bunch: Bunch, place: usize) {
        let key = match bunch.kind() {
            Kind::None => None,
            Kind::One(id) => records.get_mut(id).and_then(Option::as_mut).map(|record| &mut record.key),
            Kind::List(list) => self.0.get_mut(list).and_then(Option::as_mut).map(|several| &mut several.key),
        };
        key.into_iter().for_each(|key| key.set_mark(place));
    }

    #[inline]
    pub(super) fn collect(&self, records: &Records, bunch: Bunch, out: &mut Vec<Hit>) {
        match bunch.kind() {
            Kind::None => {}
            Kind::One(id) => {
                if let Some(record) = record(records, id) {
                    out.push(record.hit());
                }
            }
            Kind::List(list) => self.list(list).into_iter().for_each(|several| several.hits.append_to(out)),
        }
    }

    fn list(&self, list: u32) -> Option<&Several> {
        self.0.get(list)?.as_ref()
    }
}

#[inline]
fn record(records: &Records, id: u32) -> Option<&Record> {
    records.get(id)?.as_ref()
}

/// Marks a bunch.
const BUNCH: u32 = 1 << 31;
/// Marks a bunch with a list.
const LIST: u32 = 1 << 30;
