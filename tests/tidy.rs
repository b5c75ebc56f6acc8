//! Reads `src/` and fails where the design leaks: an import that climbs a floor or crosses between siblings; time,
//! threads, locks or chance outside the few files that may have them; a file that the map in `lib.rs` does not name;
//! leftovers.
//!
//! The floors are in `lib.rs`. What each line of the tables below forbids was seen to fail on a planted line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/` from the ground up. Those of one line are siblings and do not know each other.
const FLOORS: [&[&str]; 7] =
    [&["base"], &["message"], &["queue", "route", "session", "trace"], &["port"], &["engine"], &["api"], &["testing"]];

/// What only these files (or folders, ending in `/`) may say.
const RESERVED: [(&str, &[&str]); 13] = [
    ("Instant", &["port/clock.rs", "port/tokio_clock.rs"]),
    ("SystemTime", &["port/clock.rs", "port/tokio_clock.rs"]),
    ("thread::", &["engine/drive.rs", "engine/waiter.rs", "base/sync.rs", "base/explored.rs"]),
    ("thread_local!", &["base/sync.rs", "base/explored.rs", "engine/waiter.rs", "testing/explore/panics.rs"]),
    ("sleep", &["api/drive.rs"]),
    ("parking_lot", &["base/sync.rs"]),
    ("sync::Mutex", &["base/sync.rs", "base/explored.rs", "engine/", "api/"]),
    ("sync::RwLock", &["base/sync.rs", "base/explored.rs", "engine/"]),
    ("Condvar", &[]),
    ("RandomState", &[]),
    ("rand::", &[]),
    ("std::fs", &[]),
    ("std::env", &[]),
];

/// What nobody may say.
const FORBIDDEN: [&str; 8] = ["unsafe", "dbg!", "println!", "eprintln!", "todo!", "unimplemented!", "FIXME", "XXX"];

#[test]
fn imports_never_climb_a_floor_nor_cross_between_siblings() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let Some((folder, _)) = path.split_once('/') else { continue };
        let Some(floor) = floor_of(folder) else {
            faults.push(format!("{path}: folder '{folder}' stands on no floor"));
            continue;
        };
        for (number, line) in code(&text) {
            for target in crate_paths(&line).into_iter().chain(super_paths(&path, &line)) {
                let Some(other) = floor_of(&target) else { continue };
                if target != folder && other >= floor {
                    faults.push(format!("{path}:{number}: '{folder}' may not import '{target}': {}", line.trim()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_root_is_reached_only_through_floors() {
    let known: BTreeSet<&str> = FLOORS.iter().flat_map(|floor| floor.iter().copied()).collect();
    let mut faults = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| path != "lib.rs") {
        for (number, line) in code(&text) {
            for target in crate_paths(&line).into_iter().filter(|target| !known.contains(target.as_str())) {
                faults.push(format!("{path}:{number}: 'crate::{target}' goes around the floors"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn time_threads_locks_and_chance_stay_where_they_belong() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (number, line) in code(&text) {
            for (word, places) in RESERVED {
                let allowed =
                    places.iter().any(|place| path == *place || place.ends_with('/') && path.starts_with(place));
                if !allowed && says(&line, word) {
                    faults.push(format!("{path}:{number}: '{word}' belongs to {places:?}: {}", line.trim()));
                }
            }
            for word in FORBIDDEN.iter().filter(|word| says(&line, word)) {
                faults.push(format!("{path}:{number}: '{word}': {}", line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_map_names_every_file_and_no_other() {
    let sources = sources();
    let lib = &sources.iter().find(|(path, _)| path == "lib.rs").expect("lib.rs").1;
    let there: BTreeSet<String> =
        sources.iter().map(|(path, _)| path.clone()).filter(|path| path != "lib.rs").collect();
    let named: BTreeSet<String> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(path, _)| path.to_owned())
        .filter(|path| path.ends_with(".rs"))
        .collect();
    let missing: Vec<_> = there.difference(&named).collect();
    let stale: Vec<_> = named.difference(&there).collect();
    assert!(missing.is_empty() && stale.is_empty(), "not in the map: {missing:#?}; in the map only: {stale:#?}");
}

/// Every source file: its path below `src/` with slashes, and its text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> =
            fs::read_dir(&folder).expect("src").map(|entry| entry.expect("entry").path()).collect();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).expect("source")));
            }
        }
    }
    found.sort();
    assert!(found.len() > 20, "only {} source files found", found.len());
    found
}

/// The lines of code with their numbers: no comments, no text in quotes.
fn code(text: &str) -> impl Iterator<Item = (usize, String)> {
    text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(number, line)| {
        let line = line.split(" // ").next().unwrap_or(line);
        let bare: String = line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
        (number + 1, bare)
    })
}

/// Whether the line says the word, and not a longer one that ends or begins with it.
fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        let before = line[..at].chars().next_back().is_some_and(letter);
        let after = word.ends_with(letter) && line[at + word.len()..].chars().next().is_some_and(letter);
        !before && !after
    })
}

/// The folders that `crate::…` paths of this line begin with.
fn crate_paths(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        if line[..at].ends_with('$') {
            continue;
        }
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list.split(',').map(first_word).filter(|word| !word.is_empty())),
            None => found.push(first_word(rest)),
        }
    }
    found
}

/// The folders that `super::super::…` paths of this line come to where they leave their own folder.
fn super_paths(path: &str, line: &str) -> Vec<String> {
    let depth = path.matches('/').count() + usize::from(!path.ends_with("mod.rs"));
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("super::") {
        let mut tail = &rest[at..];
        let mut ups = 0;
        while let Some(next) = tail.strip_prefix("super::") {
            ups += 1;
            tail = next;
        }
        if ups >= depth {
            found.push(first_word(tail));
        }
        rest = tail;
    }
    found
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn floor_of(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}
