//! The mutants, as `cargo mutants` lists them.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::Failure;

/// One change to the source that some test should notice.
#[derive(Deserialize)]
pub struct Mutant {
    /// Where it is and what it does: `src/a.rs:1:2: replace == with != in f`.
    pub name: String,
    /// The file, from the root of the crate.
    pub file: String,
    pub genre: Genre,
    /// What is put in the place of the span.
    pub replacement: String,
    pub span: Span,
    pub function: Option<Function>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Deserialize)]
pub struct Function {
    /// With its arrow; empty for `()`.
    pub return_type: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: Position,
    pub end: Position,
}

/// A place in a file, both counted from 1, columns in characters.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Mutant {
    /// The folder below `src/` in which it is.
    pub fn folder(&self) -> &str {
        self.file.split('/').nth(1).unwrap_or_default()
    }
}

/// All mutants of these folders below `src/`.
pub fn list(root: &Path, folders: &[String]) -> Result<Vec<Mutant>, Failure> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["mutants", "--list", "--json"]);
    for folder in folders {
        command.arg("-f").arg(format!("src/{folder}/**"));
    }
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`cargo mutants --list` failed (`cargo install --locked cargo-mutants`): {said}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
