//! The walk of a key through the trie.
//!
//! The key's words are taken one after the other. `moving` holds the nodes reached by exactly the words so far; each
//! word moves them along an edge or along `*`, or ends them. A node behind a `#` is different: once reached it stays
//! reached, for `#` swallows whatever comes. So it is entered once for each key (a stamp tells), its bindings are
//! taken at once, and it waits in `staying` for every later word to start from it.
//!
//! The trie is a tree, so a node gets into `moving` at most once for each word, and the work is at most words times
//! nodes. RabbitMQ's way, trying every length that each `#` might have, takes half a minute for four of them.

use super::trie::{NONE, ROOT, Trie};
use crate::route::hits::Hit;
use crate::route::key::words;
use crate::route::scratch::Seen;

/// The states of a walk, reused from key to key and from trie to trie.
#[derive(Debug, Default)]
pub struct Walk {
    moving: Vec<u32>,
    next: Vec<u32>,
    staying: Vec<u32>,
    entered: Seen,
    steps: u64,
}

impl Walk {
    /// How many states were looked at so far, over all keys: the measure of the work.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Appends the bindings of all patterns that fit the key, each once.
    pub(super) fn through(&mut self, trie: &Trie, key: &str, out: &mut Vec<Hit>) {
        if trie.is_empty() {
            return;
        }
        self.next.clear();
        self.staying.clear();
        self.entered.begin();
        self.arrive(trie, ROOT, out);
        std::mem::swap(&mut self.moving, &mut self.next);
        for text in words(key) {
            if self.moving.is_empty() && self.staying.is_empty() {
                return;
            }
            self.take(trie, trie.word(text), out);
        }
        for id in self.moving.iter() {
            trie.collect(trie.node(*id), out);
        }
    }

    /// Moves every state by one word.
    fn take(&mut self, trie: &Trie, word: Option<u32>, out: &mut Vec<Hit>) {
        // What is entered by this word must not take it as well.
        let standing = self.staying.len();
        self.steps += (self.moving.len() + standing) as u64;
        self.next.clear();
        for at in 0..self.moving.len() {
            self.leave(trie, self.moving.get(at).copied(), word, out);
        }
        for at in 0..standing {
            self.leave(trie, self.staying.get(at).copied(), word, out);
        }
        std::mem::swap(&mut self.moving, &mut self.next);
    }

    /// Follows the edge with the word and the one with `*`.
    #[inline]
    fn leave(&mut self, trie: &Trie, from: Option<u32>, word: Option<u32>, out: &mut Vec<Hit>) {
        let Some(from) = from else { return };
        let node = trie.node(from);
        if node.edges > 0
            && let Some(to) = word.and_then(|word| trie.step(from, word))
        {
            self.arrive(trie, to, out);
        }
        if node.star != NONE {
            self.arrive(trie, node.star, out);
        }
    }

    /// Comes to a node by a word, and to the nodes behind its `#`, which needs none.
    #[inline]
    fn arrive(&mut self, trie: &Trie, id: u32, out: &mut Vec<Hit>) {
        self.next.push(id);
        let mut hash = trie.node(id).hash;
        while hash != NONE && self.entered.enter(hash) {
            self.steps += 1;
            let node = trie.node(hash);
            trie.collect(node, out);
            if node.edges > 0 || node.star != NONE {
                self.staying.push(hash);
            }
            hash = node.hash;
        }
    }
}
