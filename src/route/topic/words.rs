//! Words as numbers, so that the trie compares and hashes eight bytes instead of a text.
//!
//! Words of up to seven bytes are their own number: nothing is looked up for them, and nothing kept. Longer ones are
//! interned, and live as long as some edge of the trie carries them.

use crate::route::hash::{Entry, TextHash};
use crate::route::key::Word as KeyWord;
use crate::route::slots::Slots;
use crate::route::table::Table;
use crate::route::text::Text;

/// The long words of one trie.
#[derive(Debug)]
pub(super) struct Vocabulary {
    texts: Slots<Option<Word>>,
    numbers: Table<Entry>,
    hash: TextHash,
}

#[derive(Debug)]
struct Word {
    text: Text,
    /// Edges that carry it.
    uses: u32,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self { texts: Slots::new(), numbers: Table::default(), hash: TextHash::default() }
    }
}

impl Vocabulary {
    /// The number of a word; `None` where it is long and no edge carries it.
    #[inline]
    pub(super) fn find(&self, word: KeyWord<'_>) -> Option<u64> {
        word.short().or_else(|| self.find_long(word.text()))
    }

    /// The number of a word, for one more edge.
    pub(super) fn acquire(&mut self, word: KeyWord<'_>) -> u64 {
        let text = word.text();
        if let Some(number) = self.find(word) {
            if number & LONG != 0
                && let Some(Some(word)) = self.texts.get_mut(slot(number))
            {
                word.uses += 1;
            }
            return number;
        }
        let slot = self.texts.insert(Some(Word { text: Text::new(text), uses: 1 }));
        self.numbers.insert(Entry::new(self.hash.of(text), slot));
        u64::from(slot) | LONG
    }

    /// One edge less carries the word; with the last one it goes.
    pub(super) fn release(&mut self, number: u64) {
        if number & LONG == 0 {
            return;
        }
        let slot = slot(number);
        let Some(Some(word)) = self.texts.get_mut(slot) else { return };
        word.uses -= 1;
        if word.uses == 0 {
            let hash = self.hash.of(word.text.bytes());
            self.numbers.remove(&Entry::new(hash, slot), |entry| entry.number == slot);
            self.texts.remove(slot);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.texts.is_empty()
    }

    fn find_long(&self, text: &[u8]) -> Option<u64> {
        if self.numbers.is_empty() {
            return None;
        }
        let hash = self.hash.of(text);
        let same =
            |entry: &Entry| matches!(self.texts.get(entry.number), Some(Some(word)) if word.text.bytes() == text);
        Some(u64::from(self.numbers.find(&Entry::like(hash), same)?.number) | LONG)
    }
}

/// The slot of a long word.
#[allow(clippy::cast_possible_truncation)]
fn slot(number: u64) -> u32 {
    number as u32
}

/// Marks the number of a long word; no short one reaches it.
const LONG: u64 = 1 << 63;
