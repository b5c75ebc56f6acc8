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
    /// One word's nodes behind the other's.
    moving: Vec<u32>,
    staying: Vec<u32>,
    entered: Seen,
    steps: u64,
}

/// What a walk goes through, and where it puts what it finds.
struct Ground<'a> {
    trie: &'a Trie,
    bindings: &'a Bindings,
    out: &'a mut Vec<Hit>,
}

impl Walk {
    /// How many states and words of patterns were looked at so far, over all keys: the measure of the work.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Appends the bindings of all patterns that fit the key, each once.
    pub(super) fn through(&mut self, trie: &Trie, bindings: &Bindings, key: &[u8], out: &mut Vec<Hit>) {
        if trie.is_empty() {
            return;
        }
        self.moving.clear();
        self.moving.push(ROOT);
        self.staying.clear();
        self.entered.begin();
        let mut ground = Ground { trie, bindings, out };
        let (mut ahead, mut begin) = (words(key), 0);
        loop {
            let end = self.moving.len();
            for at in begin..end {
                self.pass_hash(&mut ground, self.moving.get(at).copied(), &ahead);
            }
            if begin == end && self.staying.is_empty() {
                return;
            }
            let Some(word) = ahead.next().map(|word| trie.word(word)) else { break };
            self.steps += (end - begin + self.staying.len()) as u64;
            for at in begin..end {
                self.leave(&mut ground, self.moving.get(at).copied(), word, &ahead);
            }
            for at in 0..self.staying.len() {
                self.leave(&mut ground, self.staying.get(at).copied(), word, &ahead);
            }
            begin = end;
        }
        for id in self.moving.get(begin..).unwrap_or_default() {
            let ends = trie.node(*id).map_or(Bunch::NONE, |node| node.ends);
            bindings.collect(ends, ground.out);
        }
    }

    /// Follows the edge with the word and the one with `*`. `ahead` is behind the word.
    #[inline]
    fn leave(&mut self, ground: &mut Ground<'_>, from: Option<u32>, word: Option<u64>, ahead: &Words<'_>) {
        let Some((from, node)) = from.and_then(|id| Some((id, ground.trie.node(id)?))) else { return };
        if let Some(word) = word {
            self.arrive(ground, ground.trie.step(from, node, word), ahead);
        }
        self.arrive(ground, node.star, ahead);
    }

    #[inline]
    fn arrive(&mut self, ground: &mut Ground<'_>, child: Child, ahead: &Words<'_>) {
        match child.met() {
            Met::Nothing => {}
            Met::Node(id) => self.moving.push(id),
            Met::Leaf(bunch) => self.compare(ground, bunch, false, ahead),
        }
    }

    /// Enters the nodes behind a node's `#`, which needs no word.
    #[inline]
    fn pass_hash(&mut self, ground: &mut Ground<'_>, id: Option<u32>, ahead: &Words<'_>) {
        let Some(mut node) = id.and_then(|id| ground.trie.node(id)) else { return };
        loop {
            match node.hash.met() {
                Met::Nothing => return,
                Met::Leaf(bunch) => return self.compare(ground, bunch, true, ahead),
                Met::Node(id) if !self.entered.enter(id) => return,
                Met::Node(id) => {
                    self.steps += 1;
                    let Some(entered) = ground.trie.node(id) else { return };
                    ground.bindings.collect(entered.ends, ground.out);
                    if entered.takes_words() {
                        self.staying.push(id);
                    }
                    node = entered;
                }
            }
        }
    }

    /// Compares the words ahead with the rest of a pattern.
    fn compare(&mut self, ground: &mut Ground<'_>, bunch: Bunch, behind_hash: bool, ahead: &Words<'_>) {
        let pattern = ground.bindings.key_of(bunch);
        let rest = Words::from(pattern.bytes(), pattern.mark() + 1);
        if fits(behind_hash, rest, ahead.clone(), &mut self.steps) {
            ground.bindings.collect(bunch, ground.out);
        }
    }
}
