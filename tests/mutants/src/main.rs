//! Every mutant that `cargo mutants` lists, tried against every test program, with one build for all of them.
//!
//! ```sh
//! cargo run --release --manifest-path tests/mutants/Cargo.toml                 # queue, route and session
//! cargo run --release --manifest-path tests/mutants/Cargo.toml -- session      # only this folder of src/
//! ```
//!
//! Needs `cargo-mutants` (for the list), git and a Unix shell. `cargo mutants` itself builds once for each mutant, which
//! for thousands of them is a day. Here the way of a mutant is:
//!
//! 1. `list`: `cargo mutants` lists it, with its place and what stands there instead.
//! 2. `place`: the place is found in the syntax tree of its file; there goes a switch, `(if on(7) { a != b } else { a == b })`.
//!    What has no place for one (functions that may be called for a constant, other types behind `impl Trait`, fields that
//!    are left out) is for `cargo mutants` itself: `elsewhere.toml` is a configuration for it.
//! 3. `tree`: a copy of the crate is written with all switches. The compiler checks it, and mutants that it refuses are taken
//!    out: they are not Rust. The error must lie within the mutant's own text, or all ends here.
//! 4. `programs`: the tests of the copy are built once, with a debug build's checks. For each mutant they run, in an order of
//!    what they noticed so far, with its number in the environment, until one fails, breaks off or does not end.
//! 5. The sums are printed; `target/mutants/report.txt` has a line for each mutant, those that nobody noticed first. It fails
//!    where fewer than 85 % of a folder's were noticed.

mod list;
mod place;
mod programs;
mod source;
mod tree;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use list::Mutant;
use tree::{Missing, Tree};

/// So many of a hundred mutants of each folder must be noticed.
const LEAST: usize = 85;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut folders: Vec<String> = std::env::args().skip(1).collect();
    if folders.is_empty() {
        folders = ["queue", "route", "session"].map(String::from).into();
    }
    let place = root.join("target/mutants");
    let tree = Tree::new(place.join("tree"), place.join("build"));
    let mutants = list::list(&root, &folders)?;
    println!("{} mutants in {}", mutants.len(), folders.join(", "));
    let missing = tree.plant(&root, &mutants)?;
    println!("{} are not Rust, {} have no place for a switch", missing.unviable.len(), missing.elsewhere.len());
    fs::write(place.join("elsewhere.toml"), elsewhere(&mutants, &missing))?;
    let programs = programs::build(&tree)?;
    let numbers: Vec<usize> = (1..=mutants.len())
        .filter(|number| !missing.unviable.contains(number) && !missing.elsewhere.contains_key(number))
        .collect();
    println!("{} against {} test programs", numbers.len(), programs.len());
    let noticed = programs::try_all(&tree, &programs, &numbers)?;
    tell(&place, &mutants, &numbers, &noticed)
}

/// A configuration of `cargo mutants` for those that have no place for a switch.
fn elsewhere(mutants: &[Mutant], missing: &Missing) -> String {
    let mut out = String::from("# cargo mutants --config target/mutants/elsewhere.toml\nexamine_re = [\n");
    for (number, why) in &missing.elsewhere {
        // What is no letter may mean something in an expression, or to TOML.
        let expression = mutants[number - 1].name.replace(|c: char| !c.is_alphanumeric(), ".");
        let _ = writeln!(out, "    '^{expression}$', # {why:?}");
    }
    out.push_str("]\n");
    out
}

/// Prints the sums, and writes what became of each. Fails where too many were not noticed.
fn tell(place: &Path, mutants: &[Mutant], numbers: &[usize], noticed: &[Option<String>]) -> Result<(), Failure> {
    let mut sums: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut left, mut report) = (String::new(), String::new());
    for (number, by) in numbers.iter().zip(noticed) {
        let mutant = &mutants[number - 1];
        let (tried, caught) = sums.entry(mutant.folder()).or_default();
        *tried += 1;
        match by {
            Some(program) => {
                *caught += 1;
                writeln!(report, "{program}: {}", mutant.name)?;
            }
            None => writeln!(left, "nobody: {}", mutant.name)?,
        }
    }
    fs::write(place.join("report.txt"), left + &report)?;
    let mut is_enough = true;
    for (folder, (tried, caught)) in sums {
        println!("{folder}: {tried} tried, {caught} caught, {} %", caught * 100 / tried);
        is_enough &= caught * 100 >= tried * LEAST;
    }
    if is_enough { Ok(()) } else { Err(format!("fewer than {LEAST} % were noticed").into()) }
}
