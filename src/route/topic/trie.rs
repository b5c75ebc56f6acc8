//! The trie of the patterns that have wildcards.
//!
//! A node is sixteen bytes: its child for `*`, its child for `#`, how many edges with words leave it, and its list of
//! bindings. The edges with words of the whole trie lie in one flat hash table, (node, word) to node; most nodes have
//! one edge or none, and a table of their own would cost them more than they hold.

use super::words::Words;
use crate::route::hash::{pair, shrink};
use crate::route::hits::{Hit, Hits};
use crate::route::key::{Part, parts};
use crate::route::slots::{Slot, Slots};
use hashbrown::HashTable;
use smallvec::SmallVec;

/// No node, or no list.
pub(super) const NONE: u32 = u32::MAX;

/// The number of the root, which is always there.
pub(super) const ROOT: u32 = 0;

/// Patterns with wildcards, and their bindings.
///
/// Invariants: every node but the root has a binding or a child; a word is interned once for each edge that carries it.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Slots<Node>,
    edges: HashTable<Edge>,
    lists: Slots<Option<Hits>>,
    words: Words,
}

/// A place in the trie. All numbers may be [`NONE`], except that this marks a free slot in `edges`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) star: u32,
    pub(super) hash: u32,
    /// How many edges with words leave here.
    pub(super) edges: u32,
    hits: u32,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    from: u32,
    word: u32,
    to: u32,
}

/// How a pattern's path leaves a node.
#[derive(Clone, Copy)]
enum Exit {
    Star,
    Hash,
    Word(u32),
}

/// The nodes that a pattern's path leaves, and how.
type Path = SmallVec<[(u32, Exit); 16]>;

impl Slot for Node {
    const FREE: Self = Self { star: NONE, hash: NONE, edges: NONE, hits: NONE };

    fn is_free(&self) -> bool {
        self.edges == NONE
    }
}

impl Node {
    const EMPTY: Self = Self { star: NONE, hash: NONE, edges: 0, hits: NONE };

    /// Whether nothing leaves here.
    #[inline]
    pub(super) const fn is_leaf(&self) -> bool {
        self.edges == 0 && self.star == NONE && self.hash == NONE
    }
}

impl Edge {
    fn hash(&self) -> u64 {
        pair(self.from, self.word)
    }
}

impl Default for Trie {
    fn default() -> Self {
        let mut nodes = Slots::new();
        nodes.insert(Node::EMPTY);
        Self { nodes, edges: HashTable::new(), lists: Slots::new(), words: Words::default() }
    }
}

impl Trie {
    /// Adds a binding with this pattern.
    pub(super) fn insert(&mut self, pattern: &str, hit: Hit) {
        let end = parts(pattern).fold(ROOT, |node, part| self.child_or_new(node, part));
        let Some(node) = self.nodes.get_mut(end) else { return };
        if node.hits == NONE {
            node.hits = self.lists.insert(Some(Hits::default()));
        }
        if let Some(Some(hits)) = self.lists.get_mut(node.hits) {
            hits.push(hit);
        }
    }

    /// Takes out the binding with this pattern that was born under this number; whether it was there.
    pub(super) fn remove(&mut self, pattern: &str, born: u64) -> bool {
        let Some((path, end)) = self.path(pattern) else { return false };
        let Some(node) = self.nodes.get_mut(end) else { return false };
        let Some(Some(hits)) = self.lists.get_mut(node.hits) else { return false };
        let existed = hits.remove(born);
        if hits.is_empty() {
            self.lists.remove(node.hits);
            node.hits = NONE;
            self.prune(path, end);
            self.compact();
        }
        existed
    }

    /// Whether there is no pattern.
    pub(super) fn is_empty(&self) -> bool {
        self.node(ROOT).is_leaf()
    }

    /// A node; an empty one where there is none.
    #[inline]
    pub(super) fn node(&self, id: u32) -> Node {
        self.nodes.get(id).copied().unwrap_or(Node::EMPTY)
    }

    /// The number of a word that some pattern has.
    #[inline]
    pub(super) fn word(&self, text: &[u8]) -> Option<u32> {
        self.words.find(text)
    }

    /// The node that the edge with this word leads to.
    #[inline]
    pub(super) fn step(&self, from: u32, word: u32) -> Option<u32> {
        self.edges.find(pair(from, word), |edge| edge.from == from && edge.word == word).map(|edge| edge.to)
    }

    /// Appends the bindings of a node.
    #[inline]
    pub(super) fn collect(&self, node: Node, out: &mut Vec<Hit>) {
        if let Some(Some(hits)) = self.lists.get(node.hits) {
            hits.append_to(out);
        }
    }

    fn child_or_new(&mut self, from: u32, part: Part<'_>) -> u32 {
        let known = match part {
            Part::Star => self.node(from).star,
            Part::Hash => self.node(from).hash,
            Part::Word(text) => self.words.find(text).and_then(|word| self.step(from, word)).unwrap_or(NONE),
        };
        if known != NONE {
            return known;
        }
        let to = self.nodes.insert(Node::EMPTY);
        let Some(node) = self.nodes.get_mut(from) else { return to };
        match part {
            Part::Star => node.star = to,
            Part::Hash => node.hash = to,
            Part::Word(text) => {
                node.edges += 1;
                let edge = Edge { from, word: self.words.acquire(text), to };
                self.edges.insert_unique(edge.hash(), edge, Edge::hash);
            }
        }
        to
    }

    /// The path of a pattern and the node it ends in; `None` where it is not in the trie.
    fn path(&self, pattern: &str) -> Option<(Path, u32)> {
        let mut path = Path::new();
        let mut at = ROOT;
        for part in parts(pattern) {
            let (exit, to) = match part {
                Part::Star => (Exit::Star, self.node(at).star),
                Part::Hash => (Exit::Hash, self.node(at).hash),
                Part::Word(text) => {
                    let word = self.words.find(text)?;
                    (Exit::Word(word), self.step(at, word)?)
                }
            };
            if to == NONE {
                return None;
            }
            path.push((at, exit));
            at = to;
        }
        Some((path, at))
    }

    /// Gives nodes, lists and words new numbers where few are left of many, so that one young pattern does not keep
    /// the memory of all that were there before it. The removals that led here have paid for it.
    fn compact(&mut self) {
        if self.lists.is_sparse() {
            let moves = self.lists.compact();
            self.nodes.iter_mut().for_each(|node| node.hits = moves.of(node.hits));
        }
        if let Some(moves) = self.words.compact() {
            self.renumber(|edge| edge.word = moves.of(edge.word));
        }
        if self.nodes.is_sparse() {
            // The root is the first and keeps its number.
            let moves = self.nodes.compact();
            for node in self.nodes.iter_mut() {
                node.star = moves.of(node.star);
                node.hash = moves.of(node.hash);
            }
            self.renumber(|edge| (edge.from, edge.to) = (moves.of(edge.from), moves.of(edge.to)));
        }
    }

    /// Changes the numbers in all edges.
    fn renumber(&mut self, change: impl Fn(&mut Edge)) {
        let mut edges = HashTable::with_capacity(self.edges.len());
        for mut edge in self.edges.drain() {
            change(&mut edge);
            edges.insert_unique(edge.hash(), edge, Edge::hash);
        }
        self.edges = edges;
    }

    /// Takes nodes that hold nothing off the end of a path.
    fn prune(&mut self, mut path: Path, mut end: u32) {
        while let Some((from, exit)) = path.pop() {
            let node = self.node(end);
            if node.hits != NONE || !node.is_leaf() {
                return;
            }
            self.nodes.remove(end);
            let Some(parent) = self.nodes.get_mut(from) else { return };
            match exit {
                Exit::Star => parent.star = NONE,
                Exit::Hash => parent.hash = NONE,
                Exit::Word(word) => {
                    parent.edges -= 1;
                    let same = |edge: &Edge| edge.from == from && edge.word == word;
                    if let Ok(edge) = self.edges.find_entry(pair(from, word), same) {
                        edge.remove();
                    }
                    shrink(&mut self.edges, Edge::hash);
                    self.words.release(word);
                }
            }
            end = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::QueueId;
    use crate::route::Destination;

    #[test]
    fn memory_goes_back_with_the_patterns() {
        let mut trie = Trie::default();
        let patterns: Vec<String> = (0..20_000).map(|n| format!("w{n}.*.x{}.#", n % 7)).collect();
        for (born, pattern) in (0..).zip(&patterns) {
            trie.insert(pattern, Hit { born, to: Destination::Queue(QueueId(1)) });
        }
        assert!(!trie.remove("w1.*", 1) && !trie.remove("w1.*.x1.#", 2));
        for (born, pattern) in (0..).zip(&patterns) {
            assert!(trie.remove(pattern, born));
        }
        assert!(trie.is_empty() && trie.words.is_empty() && trie.edges.is_empty());
        assert!(trie.edges.capacity() <= 64);
        trie.insert("a.*", Hit { born: 99_999, to: Destination::Queue(QueueId(1)) });
        assert_eq!(trie.node(ROOT).edges, 1);
        assert!(trie.remove("a.*", 99_999));
        assert_eq!(trie.nodes.insert(Node::EMPTY), 1);
        assert_eq!(trie.lists.insert(Some(Hits::default())), 0);
    }

    #[test]
    fn the_youngest_patterns_do_not_keep_the_memory_of_the_old() {
        let mut trie = Trie::default();
        let patterns: Vec<String> = (0..20_000).map(|n| format!("w{n}.*.x.#")).collect();
        for (born, pattern) in (0..).zip(&patterns) {
            trie.insert(pattern, Hit { born, to: Destination::Queue(QueueId(1)) });
        }
        for (born, pattern) in (0..19_900).zip(&patterns) {
            assert!(trie.remove(pattern, born));
        }
        assert!(trie.nodes.iter_mut().count() == 401 && !trie.nodes.is_sparse());
        assert!(!trie.lists.is_sparse() && trie.edges.len() == 200);
        for (born, pattern) in (19_900..).zip(&patterns[19_900..]) {
            assert!(trie.remove(pattern, born));
        }
        assert!(trie.is_empty() && trie.words.is_empty() && trie.edges.is_empty());
    }
}
