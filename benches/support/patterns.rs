//! Patterns and keys for the topic exchange, the same in every run.
//!
//! Three to five words of 400 for each level; 70 of 100 patterns are exact, 20 have one `*`, 10 end in `#`. Keys walk
//! through many values, so that no single path stays in the processor's cache. On top of them are groups planted so
//! that their keys match ten and a thousand bindings.

/// How many keys are walked through at most, where there are as many: more than a processor's caches hold.
const KEYS: usize = 262_144;
/// How many words each level has.
const WORDS: u64 = 400;
/// How many groups of ten are planted.
const TENS: usize = 64;
/// How many queues the bindings lead to.
pub(crate) const QUEUES: usize = 1_000;

/// A small generator of numbers with a fixed seed.
#[derive(Debug)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Patterns, each with a key that fits it.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) patterns: Vec<String>,
    keys: Vec<String>,
    numbers: Numbers,
}

impl Workload {
    /// So many patterns.
    pub(crate) fn new(size: usize) -> Self {
        let mut workload = Self { patterns: Vec::new(), keys: Vec::new(), numbers: Numbers(7) };
        for _ in 0..size {
            let (pattern, key) = workload.another();
            workload.patterns.push(pattern);
            workload.keys.push(key);
        }
        workload
    }

    /// One more pattern, and a key that fits it.
    pub(crate) fn another(&mut self) -> (String, String) {
        let levels = 3 + self.numbers.below(3) as usize;
        let key: Vec<String> = (0..levels).map(|level| format!("w{level}x{}", self.numbers.below(WORDS))).collect();
        let mut words: Vec<&str> = key.iter().map(String::as_str).collect();
        match self.numbers.below(10) {
            0 => words[levels - 1] = "#",
            1 | 2 => words[self.numbers.below(levels as u64) as usize] = "*",
            _ => {}
        }
        (words.join("."), key.join("."))
    }

    /// Patterns that are not among the first ones: a word more stands before them.
    pub(crate) fn fresh(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("f{}.{}", n % 64, self.another().0)).collect()
    }

    /// A key for every pattern.
    pub(crate) fn all_keys(&self) -> &[String] {
        &self.keys
    }

    /// Keys that fit some pattern, and mostly no other: from all over the patterns, in no order that the tables have.
    pub(crate) fn one(&self) -> Vec<String> {
        /// Has no divisor in common with any size.
        const STEP: usize = 618_033_989;
        let all = self.keys.len();
        (0..all.min(KEYS)).map(|n| self.keys[n * STEP % all].clone()).collect()
    }

    /// Keys that mostly fit none: known words, put together anew, and a last one that no pattern has.
    pub(crate) fn none(&mut self) -> Vec<String> {
        let count = self.keys.len().min(KEYS);
        (0..count).map(|n| format!("{}.z{n}", self.another().1)).collect()
    }
}

/// Patterns of groups of ten that all fit one key, and the keys.
pub(crate) fn tens() -> (Vec<String>, Vec<String>) {
    const SHAPES: [&str; 10] = ["a.b.c", "*.b.c", "a.*.c", "a.b.*", "*.*.c", "*.b.*", "a.*.*", "*.*.*", "#", "a.#"];
    let patterns = (0..TENS).flat_map(|group| SHAPES.iter().map(move |shape| format!("ten{group}.{shape}")));
    (patterns.collect(), (0..TENS).map(|group| format!("ten{group}.a.b.c")).collect())
}

/// A pattern that is to be bound to a thousand queues, and keys that fit it.
pub(crate) fn thousand() -> (String, Vec<String>) {
    ("thousand.*.#".to_owned(), (0..64).map(|n| format!("thousand.a{n}.b")).collect())
}

/// One pattern of so many `#` that a key of 128 words and 255 bytes, [`long_key`], does not fit.
pub(crate) fn hashes(count: usize) -> String {
    "#.a.".repeat(count - 1) + "#.b"
}

/// 128 words of one letter.
pub(crate) fn long_key() -> String {
    ["a"; 128].join(".")
}

/// Every mix of `a` and `*` over twelve words, and a key that fits all of them but for its last word.
pub(crate) fn mixes() -> (Vec<String>, String) {
    let mix = |bits: u32| {
        let words: Vec<&str> = (0..12).map(|bit| if bits >> bit & 1 == 0 { "a" } else { "*" }).collect();
        words.join(".") + ".b"
    };
    ((0..4_096).map(mix).collect(), ["a"; 13].join("."))
}
