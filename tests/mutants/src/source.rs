//! The text of a file, and what is added to it.

use std::cmp::Reverse;

use crate::list::Position;

/// A file, by line and column.
pub struct Source {
    pub text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Source {
    pub fn new(text: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// Where a position is, in bytes.
    pub fn offset(&self, position: Position) -> usize {
        let line = self.lines[position.line - 1];
        let column = self.text[line..].char_indices().nth(position.column - 1);
        column.map_or(self.text.len(), |(at, _)| line + at)
    }
}

/// Text around a range of the source. Ranges lie beside each other or one in the other.
pub struct Edit {
    from: usize,
    to: usize,
    open: String,
    close: &'static str,
}

impl Edit {
    pub fn around(from: usize, to: usize, open: String, close: &'static str) -> Self {
        Self { from, to, open, close }
    }

    /// A statement before the one that begins here, or a guard behind the pattern that ends here.
    pub fn before(at: usize, text: String) -> Self {
        Self { from: at, to: at, open: text, close: "" }
    }
}

/// The source with all edits. What is around less lies within.
pub fn edited(source: &str, edits: &[Edit]) -> String {
    // At one place: first what ends there, the inner first; then what stands before; then what begins, the outer first.
    let closes = edits
        .iter()
        .enumerate()
        .map(|(number, edit)| (edit.to, 0, Reverse(edit.from), usize::MAX - number, edit.close));
    let opens = edits.iter().enumerate().map(|(number, edit)| {
        let rank = if edit.from == edit.to { 1 } else { 2 };
        (edit.from, rank, Reverse(edit.to), number, edit.open.as_str())
    });
    let mut pieces: Vec<_> = closes.chain(opens).collect();
    pieces.sort();
    let mut out = String::new();
    let mut at = 0;
    for (offset, .., piece) in pieces {
        out.push_str(&source[at..offset]);
        out.push_str(piece);
        at = offset;
    }
    out.push_str(&source[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bracket(from: usize, to: usize, name: &str) -> Edit {
        Edit::around(from, to, format!("({name}"), ")")
    }

    #[test]
    fn ranges_nest_whatever_their_order() {
        let edits = [bracket(0, 1, "b"), bracket(0, 5, "a"), bracket(4, 5, "c"), Edit::before(0, "first;".into())];
        assert_eq!(edited("x + y", &edits), "first;(a(bx) + (cy))");
        let edits = [bracket(2, 3, "outer"), bracket(2, 3, "inner")];
        assert_eq!(edited("a b c", &edits), "a (outer(innerb)) c");
    }

    #[test]
    fn columns_are_characters() {
        let source = Source::new("é\nab–c".into());
        assert_eq!(source.offset(Position { line: 2, column: 4 }), "é\nab–".len());
        assert_eq!(source.offset(Position { line: 2, column: 5 }), source.text.len());
    }
}
