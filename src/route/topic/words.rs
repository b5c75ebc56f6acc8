//! Words as numbers, so that the trie compares and hashes four bytes instead of a text.
//!
//! A word lives as long as some edge of the trie carries it.

use crate::route::hash::{TextHash, shrink};
use crate::route::slots::{Moves, Slots};
use hashbrown::HashTable;

/// The words of one trie.
#[derive(Debug)]
pub(super) struct Words {
    texts: Slots<Option<Word>>,
    numbers: HashTable<u32>,
    hash: TextHash,
}

#[derive(Debug)]
struct Word {
    text: Box<[u8]>,
    /// Edges that carry it.
    uses: u32,
}

impl Default for Words {
    fn default() -> Self {
        Self { texts: Slots::new(), numbers: HashTable::new(), hash: TextHash::default() }
    }
}

impl Words {
    /// The number of a word that some edge carries.
    #[inline]
    pub(super) fn find(&self, text: &[u8]) -> Option<u32> {
        self.numbers.find(self.hash.of(text), |number| self.is(*number, text)).copied()
    }

    /// The number of a word, for one more edge.
    pub(super) fn acquire(&mut self, text: &[u8]) -> u32 {
        if let Some(number) = self.find(text) {
            if let Some(Some(word)) = self.texts.get_mut(number) {
                word.uses += 1;
            }
            return number;
        }
        let number = self.texts.insert(Some(Word { text: text.into(), uses: 1 }));
        let (texts, hash) = (&self.texts, &self.hash);
        self.numbers.insert_unique(hash.of(text), number, |number| hash_of(texts, hash, *number));
        number
    }

    /// One edge less carries the word; with the last one it goes.
    pub(super) fn release(&mut self, number: u32) {
        let Some(Some(word)) = self.texts.get_mut(number) else { return };
        word.uses -= 1;
        if word.uses > 0 {
            return;
        }
        let hash = hash_of(&self.texts, &self.hash, number);
        if let Ok(entry) = self.numbers.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        self.texts.remove(number);
        let (texts, hash) = (&self.texts, &self.hash);
        shrink(&mut self.numbers, |number| hash_of(texts, hash, *number));
    }

    /// Gives words new numbers where few are left of many, and tells them.
    pub(super) fn compact(&mut self) -> Option<Moves> {
        if !self.texts.is_sparse() {
            return None;
        }
        let moves = self.texts.compact();
        self.numbers.iter_mut().for_each(|number| *number = moves.of(*number));
        Some(moves)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    fn is(&self, number: u32, text: &[u8]) -> bool {
        matches!(self.texts.get(number), Some(Some(word)) if *word.text == *text)
    }
}

fn hash_of(texts: &Slots<Option<Word>>, hash: &TextHash, number: u32) -> u64 {
    match texts.get(number) {
        Some(Some(word)) => hash.of(&word.text),
        _ => 0,
    }
}
