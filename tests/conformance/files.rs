//! The files of all cases, in order, for tests that read them beside the runner.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn case_files() -> Vec<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut folders = vec![home.join("cases"), home.join("own")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 320, "only {} cases", files.len());
    files
}
