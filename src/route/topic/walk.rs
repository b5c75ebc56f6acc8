//! The walk of a key through the trie.
//!
//! The key's words are taken one after the other. `moving` holds the nodes reached by exactly the words so far; each
//! word moves them along an edge or along `*`, or ends them. A node behind a `#` is different: once reached it stays
//! reached, for `#` swallows whatever comes. So it is entered once for each key (a stamp tells), its bindings are
//! taken at once, and it waits in `staying` for every later word to start from it. A leaf is met at most once, since
//! no `#` leads to it, and the rest of the key is compared with the rest of the pattern.
//!
//! The trie is a tree, so a node gets into `moving` at most once for each word, and the work is at most words times
//! nodes; comparing takes at most the key's words times the pattern's. RabbitMQ's way, trying every length that each
//! `#` might have, takes half a minute for four of them.

use super::trie::{Child, Met, ROOT, Trie};
use crate::route::bindings::Bindings;
use crate::route::bunch::Bunch;
use crate::route::hits::Hit;
use crate::route::key::{Words, fits, words};
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

/// What a walk goes through, and where it puts what it finds.
struct Ground<'a> {
    trie: &'a Trie,
    bindings: &'a Bindings,
    /// The words that were not taken yet.
    ahead: Words<'a>,
    out: &'a mut Vec<Hit>,
}

impl Walk {
    /// How many states and words of patterns were looked at so far, over all keys: the measure of the work.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Appends the bindings of all patterns that fit the key, each once.
    pub(super) fn through(&mut self, trie: &Trie, bindings: &Bindings, key: &str, out: &mut Vec<Hit>) {
        if trie.is_empty() {
            return;
        }
        self.next.clear();
        self.staying.clear();
        self.entered.begin();
        let mut ground = Ground { trie, bindings, ahead: words(key.as_bytes()), out };
        self.come_to(&mut ground, ROOT);
        std::mem::swap(&mut self.moving, &mut self.next);
        while let Some(word) = ground.ahead.next() {
            if self.moving.is_empty() && self.staying.is_empty() {
                return;
            }
            self.take(&mut ground, trie.word(word));
        }
        for id in &self.moving {
            bindings.collect(trie.node(*id).ends, ground.out);
        }
    }

    /// Moves every state by one word.
    fn take(&mut self, ground: &mut Ground<'_>, word: Option<u64>) {
        // What is entered by this word must not take it as well.
        let standing = self.staying.len();
        self.steps += (self.moving.len() + standing) as u64;
        self.next.clear();
        for at in 0..self.moving.len() {
            self.leave(ground, self.moving.get(at).copied(), word);
        }
        for at in 0..standing {
            self.leave(ground, self.staying.get(at).copied(), word);
        }
        std::mem::swap(&mut self.moving, &mut self.next);
    }

    /// Follows the edge with the word and the one with `*`.
    #[inline]
    fn leave(&mut self, ground: &mut Ground<'_>, from: Option<u32>, word: Option<u64>) {
        let Some(from) = from else { return };
        let node = ground.trie.node(from);
        if let Some(word) = word {
            self.arrive(ground, ground.trie.step(from, &node, word));
        }
        self.arrive(ground, node.star);
    }

    /// Arrives, by a word, at what is behind an edge.
    #[inline]
    fn arrive(&mut self, ground: &mut Ground<'_>, child: Child) {
        match child.met() {
            Met::Nothing => {}
            Met::Node(id) => self.come_to(ground, id),
            Met::Leaf(bunch) => self.compare(ground, bunch, false),
        }
    }

    /// Comes to a node, and to the nodes behind its `#`, which needs no word.
    #[inline]
    fn come_to(&mut self, ground: &mut Ground<'_>, id: u32) {
        self.next.push(id);
        let mut hash = ground.trie.node(id).hash;
        loop {
            match hash.met() {
                Met::Node(id) if self.entered.enter(id) => {
                    self.steps += 1;
                    let node = ground.trie.node(id);
                    ground.bindings.collect(node.ends, ground.out);
                    if node.takes_words() {
                        self.staying.push(id);
                    }
                    hash = node.hash;
                }
                Met::Leaf(bunch) => return self.compare(ground, bunch, true),
                _ => return,
            }
        }
    }

    /// Compares the words ahead with the rest of a pattern.
    fn compare(&mut self, ground: &mut Ground<'_>, bunch: Bunch, behind_hash: bool) {
        let pattern = ground.bindings.key_of(bunch);
        let rest = Words::from(pattern.bytes(), pattern.mark() + 1);
        if fits(behind_hash, rest, ground.ahead.clone(), &mut self.steps) {
            ground.bindings.collect(bunch, ground.out);
        }
    }
}
