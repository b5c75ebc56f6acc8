//! A table as text: the first column to the left, the others to the right.

use std::fmt;

/// Writes a table with its heading, each column as wide as its widest cell.
pub(super) fn write_table(
    f: &mut fmt::Formatter<'_>,
    columns: &[&str],
    lines: impl Iterator<Item = Vec<String>>,
) -> fmt::Result {
    let heading = columns.iter().map(|column| (*column).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(lines).collect();
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|at| width(at).unwrap_or(0)).collect();
    for line in &lines {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            if at == 0 { write!(f, "{cell:<width$}")? } else { write!(f, "  {cell:>width$}")? }
        }
        writeln!(f)?;
    }
    Ok(())
}
