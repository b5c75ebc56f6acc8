//! The trie of the patterns that have wildcards.
//!
//! A node has its child for `*`, its child for `#`, and the bindings of the pattern that ends there. The edges with
//! words of the whole trie lie in one flat hash table, (node, word) to child; most nodes have few edges, and a table of
//! their own would cost them more than they hold.
//!
//! A pattern that is alone behind an edge hangs there as a leaf, whatever is left of it, and a key that comes by is
//! compared with the whole of it. So the trie has nodes only where patterns part: most of a million patterns cost an
//! edge each. Behind a `#` there are no leaves, for a key would come by once for each of its words.

use super::words::Vocabulary;
use crate::route::bindings::Bindings;
use crate::route::bunch::Bunch;
use crate::route::hash::pair;
use crate::route::key::{Part, Word, Words, words};
use crate::route::slots::{Slot, Slots};
use crate::route::table::{Item, Table};
use smallvec::SmallVec;

/// The number of the root, which is always there.
pub(super) const ROOT: u32 = 0;

/// Patterns with wildcards, and their bindings.
///
/// Invariants: every node but the root has a bunch or a child; leaves are only where no `#` leads; a word is acquired
/// once for each edge that carries it.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Slots<Node>,
    edges: Table<Edge>,
    words: Vocabulary,
}

/// A place where patterns part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) star: Child,
    pub(super) hash: Child,
    /// How many edges with words leave here.
    edges: u32,
    /// The bindings of the pattern that ends here.
    pub(super) ends: Bunch,
    /// A bit for each word that leaves, and maybe for some that no longer do: most that cannot leave are told by it.
    leaving: u64,
}

/// What an edge leads to, in four bytes: nothing, a node, or the bunch of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Child(u32);

/// What a child is.
pub(super) enum Met {
    Nothing,
    Node(u32),
    Leaf(Bunch),
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    word: u64,
    from: u32,
    to: Child,
}

/// How a pattern's path leaves a node.
#[derive(Clone, Copy)]
enum Exit {
    Star,
    Hash,
    Word(u64),
}

/// The nodes that a pattern's path leaves, and how.
type Path = SmallVec<[(u32, Exit); 16]>;

impl Slot for Node {
    const FREE: Self = Self { edges: u32::MAX, ..Self::EMPTY };

    fn is_free(&self) -> bool {
        self.edges == u32::MAX
    }
}

impl Node {
    const EMPTY: Self = Self { star: Child::NOTHING, hash: Child::NOTHING, edges: 0, ends: Bunch::NONE, leaving: 0 };

    /// Whether nothing leaves here.
    #[inline]
    pub(super) fn is_last(&self) -> bool {
        self.edges == 0 && self.star == Child::NOTHING && self.hash == Child::NOTHING
    }

    /// Whether a word or `*` leads on.
    #[inline]
    pub(super) fn takes_words(&self) -> bool {
        self.edges > 0 || self.star != Child::NOTHING
    }
}

impl Child {
    const NOTHING: Self = Self(u32::MAX);

    fn leaf(bunch: Bunch) -> Self {
        Self(bunch.number())
    }

    #[inline]
    pub(super) fn met(self) -> Met {
        match Bunch::from_number(self.0) {
            None => Met::Node(self.0),
            Some(bunch) if bunch.is_none() => Met::Nothing,
            Some(bunch) => Met::Leaf(bunch),
        }
    }
}

impl Edge {
    /// Such an edge, wherever it leads.
    #[inline]
    fn like(from: u32, word: u64) -> Self {
        Self { word, from, to: Child::NOTHING }
    }
}

impl Item for Edge {
    const NONE: Self = Self { word: 0, from: u32::MAX, to: Child::NOTHING };

    #[inline]
    fn is_none(&self) -> bool {
        self.from == u32::MAX
    }

    #[inline]
    fn is_like(&self, other: &Self) -> bool {
        self.from == other.from && self.word == other.word
    }

    #[inline]
    fn hash(&self, seed: u64) -> u64 {
        pair(seed, self.from, self.word)
    }
}

impl Default for Trie {
    fn default() -> Self {
        let mut nodes = Slots::new();
        nodes.insert(Node::EMPTY);
        Self { nodes, edges: Table::default(), words: Vocabulary::default() }
    }
}

impl Trie {
    /// Adds a binding with this pattern.
    pub(super) fn insert(&mut self, bindings: &mut Bindings, pattern: &[u8], id: u32) {
        let (mut at, mut free_of_hash) = (ROOT, true);
        let mut rest = words(pattern);
        loop {
            let from_here = rest.clone();
            let Some(part) = rest.next().map(Word::part) else { break };
            let exit = self.exit(part);
            let child = exit.map_or(Child::NOTHING, |exit| self.child(at, exit));
            match (child.met(), exit) {
                (Met::Node(node), _) => at = node,
                (Met::Leaf(leaf), Some(exit)) if bindings.key_of(leaf).bytes() == pattern => {
                    return self.lead(at, exit, Child::leaf(bindings.join(leaf, id)));
                }
                (Met::Leaf(leaf), Some(exit)) => {
                    // Two meet here: a node takes the place, and the leaf moves behind it.
                    let node = self.nodes.insert(Node::EMPTY);
                    self.lead(at, exit, Child(node));
                    let place = bindings.key_of(leaf).mark() + 1;
                    self.hang(bindings, node, place, free_of_hash && part != Part::Hash, leaf);
                    at = node;
                }
                _ => {
                    let bunch = bindings.join(Bunch::NONE, id);
                    return self.hang(bindings, at, from_here.place(), free_of_hash, bunch);
                }
            }
            free_of_hash &= part != Part::Hash;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.ends = bindings.join(node.ends, id);
        }
    }

    /// Takes out this binding, which has this pattern.
    pub(super) fn remove(&mut self, bindings: &mut Bindings, pattern: &[u8], id: u32) {
        let (mut path, mut at) = (Path::new(), ROOT);
        for part in words(pattern).map(Word::part) {
            let Some(exit) = self.exit(part) else { return };
            match self.child(at, exit).met() {
                Met::Nothing => return,
                Met::Leaf(leaf) => {
                    let left = bindings.part(leaf, id);
                    if !left.is_none() {
                        return self.lead(at, exit, Child::leaf(left));
                    }
                    self.cut(at, exit);
                    return self.prune(path, at);
                }
                Met::Node(node) => {
                    path.push((at, exit));
                    at = node;
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.ends = bindings.part(node.ends, id);
        }
        self.prune(path, at);
    }

    /// Whether there is no pattern.
    pub(super) fn is_empty(&self) -> bool {
        self.node(ROOT).is_none_or(Node::is_last)
    }

    /// The node of this number.
    #[inline]
    pub(super) fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The number of a word that some pattern may have.
    #[inline]
    pub(super) fn word(&self, word: Word<'_>) -> Option<u64> {
        self.words.find(word)
    }

    /// What the edge with this word leads to.
    #[inline]
    pub(super) fn step(&self, from: u32, node: &Node, word: u64) -> Child {
        if node.leaving & bit(word) == 0 {
            return Child::NOTHING;
        }
        self.edges.find(&Edge::like(from, word), |_| true).map_or(Child::NOTHING, |edge| edge.to)
    }

    /// How a part of a pattern leaves nodes; `None` where it is a word that leaves none.
    fn exit(&self, part: Part<'_>) -> Option<Exit> {
        Some(match part {
            Part::Star => Exit::Star,
            Part::Hash => Exit::Hash,
            Part::Word(word) => Exit::Word(self.words.find(word)?),
        })
    }

    fn child(&self, from: u32, exit: Exit) -> Child {
        let Some(node) = self.node(from) else { return Child::NOTHING };
        match exit {
            Exit::Star => node.star,
            Exit::Hash => node.hash,
            Exit::Word(word) => self.step(from, node, word),
        }
    }

    /// Hangs a bunch behind a node where nothing is yet in its way, with what its pattern has from `place` on: as a leaf,
    /// or at the end of nodes of its own.
    fn hang(&mut self, bindings: &mut Bindings, mut at: u32, place: usize, free_of_hash: bool, bunch: Bunch) {
        let pattern = bindings.key_of(bunch).clone();
        let mut rest = Words::from(pattern.bytes(), place);
        while let Some(part) = rest.next().map(Word::part) {
            let child = if free_of_hash { Child::leaf(bunch) } else { Child(self.nodes.insert(Node::EMPTY)) };
            let Some(node) = self.nodes.get_mut(at) else { return };
            match part {
                Part::Star => node.star = child,
                Part::Hash => node.hash = child,
                Part::Word(word) => {
                    let word = self.words.acquire(word);
                    node.edges += 1;
                    node.leaving |= bit(word);
                    self.edges.insert(Edge { word, from: at, to: child });
                }
            }
            match child.met() {
                Met::Node(next) => at = next,
                // The end of the part: what is behind it is compared with the keys that come by.
                _ => return bindings.mark(bunch, rest.place() - 1),
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.ends = bunch;
        }
    }

    /// Lets an exit that there is lead to something else.
    fn lead(&mut self, from: u32, exit: Exit, to: Child) {
        let Some(node) = self.nodes.get_mut(from) else { return };
        match exit {
            Exit::Star => node.star = to,
            Exit::Hash => node.hash = to,
            Exit::Word(word) => {
                let edge = self.edges.find_mut(&Edge::like(from, word), |_| true);
                edge.into_iter().for_each(|edge| edge.to = to);
            }
        }
    }

    /// Takes an exit away.
    fn cut(&mut self, from: u32, exit: Exit) {
        let Some(node) = self.nodes.get_mut(from) else { return };
        match exit {
            Exit::Star => node.star = Child::NOTHING,
            Exit::Hash => node.hash = Child::NOTHING,
            Exit::Word(word) => {
                node.edges -= 1;
                if node.edges == 0 {
                    node.leaving = 0;
                }
                self.edges.remove(&Edge::like(from, word), |_| true);
                self.words.release(word);
            }
        }
    }

    /// Takes nodes that hold nothing off the end of a path.
    fn prune(&mut self, mut path: Path, mut end: u32) {
        while let Some((from, exit)) = path.pop() {
            if self.node(end).is_some_and(|node| !node.ends.is_none() || !node.is_last()) {
                return;
            }
            self.nodes.remove(end);
            self.cut(from, exit);
            end = from;
        }
    }
}

/// The bit of a word among those that leave a node.
#[inline]
fn bit(word: u64) -> u64 {
    1 << (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ExchangeId, QueueId};
    use crate::message::Table as Arguments;
    use crate::route::{Bound, Destination};

    fn add(trie: &mut Trie, bindings: &mut Bindings, pattern: &str, born: u64) -> u32 {
        let destination = Destination::Queue(QueueId(1));
        let binding = Bound { destination, key: pattern, arguments: &Arguments::new() };
        let sought = bindings.seek(ExchangeId(0), binding);
        let id = bindings.insert(ExchangeId(0), binding, born, sought);
        trie.insert(bindings, pattern.as_bytes(), id);
        id
    }

    #[test]
    fn memory_goes_back_with_the_patterns() {
        let (mut trie, mut bindings) = (Trie::default(), Bindings::default());
        let shape = |n: u64| match n % 4 {
            // Long words have their numbers before a short one comes.
            kind if kind == 0 || n < 4 => format!("a-long-word-{n}.*.x{}.#", n % 7),
            1 => format!("#.w{}.x{n}", n % 1_000),
            2 => format!("*..x{n}"),
            _ => format!("*.w{}.*.x{n}", n % 1_000),
        };
        let patterns: Vec<String> = (0..20_000).map(shape).collect();
        let ids: Vec<u32> = (0..).zip(&patterns).map(|(n, p)| add(&mut trie, &mut bindings, p, n)).collect();
        assert!(!trie.words.is_empty());
        // The youngest stay for a while, and keep little.
        for (pattern, id) in patterns.iter().zip(&ids).take(19_900) {
            trie.remove(&mut bindings, pattern.as_bytes(), *id);
        }
        assert!(!trie.is_empty() && trie.edges.len() < 400);
        for (pattern, id) in patterns.iter().zip(&ids).skip(19_900) {
            trie.remove(&mut bindings, pattern.as_bytes(), *id);
        }
        assert!(trie.is_empty() && trie.words.is_empty() && trie.edges.is_empty());
        add(&mut trie, &mut bindings, "a.*", 99_999);
        assert_eq!((trie.node(ROOT).unwrap().edges, trie.nodes.insert(Node::EMPTY)), (1, 1));
    }

    #[test]
    fn nodes_are_only_where_patterns_part() {
        let (mut trie, mut bindings) = (Trie::default(), Bindings::default());
        for n in 0..1_000 {
            add(&mut trie, &mut bindings, &format!("w{n}.*.b.c"), n);
        }
        assert_eq!(trie.nodes.insert(Node::EMPTY), 1);
    }
}
