//! A copy of the crate with every mutant in it, each behind a switch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Failure;
use crate::list::Mutant;
use crate::place::{Misplaced, Places};
use crate::source::{Edit, Source, edited};

/// The environment variable with the number of the mutant that acts.
pub const SWITCH: &str = "LEVERET_MUTANT";

/// What is added to the crate.
const MODULE: &str = r#"//! Which mutant acts.

static ACTIVE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();

#[inline]
pub(crate) fn on(number: usize) -> bool {
    let read = || std::env::var("LEVERET_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    *ACTIVE.get_or_init(read) == number
}
"#;

pub struct Tree {
    /// Where the copy is.
    pub path: PathBuf,
    /// Where cargo builds it.
    target: PathBuf,
}

/// The mutants that are not in the programs, by number.
#[derive(Default)]
pub struct Missing {
    /// Not Rust: the compiler refuses them, or would.
    pub unviable: BTreeSet<usize>,
    /// Nothing for a switch.
    pub elsewhere: BTreeMap<usize, Misplaced>,
}

impl Tree {
    pub fn new(path: PathBuf, target: PathBuf) -> Self {
        Self { path, target }
    }

    /// A cargo that builds the copy: whatever the mutants make the compiler warn of, with little optimisation, but with
    /// the checks of a debug build.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(&self.path).env("CARGO_TARGET_DIR", &self.target).env("RUSTFLAGS", "--cap-lints allow");
        for profile in ["DEV", "TEST"] {
            command.env(format!("CARGO_PROFILE_{profile}_OPT_LEVEL"), "1");
            command.env(format!("CARGO_PROFILE_{profile}_DEBUG"), "0");
        }
        command
    }

    /// Copies the crate and puts all mutants in. Those that the compiler refuses are taken out, until it refuses none.
    pub fn plant(&self, root: &Path, mutants: &[Mutant]) -> Result<Missing, Failure> {
        self.copy(root)?;
        let mut missing = Missing::default();
        loop {
            self.write(root, mutants, &mut missing)?;
            let refused = self.refused(mutants)?;
            if refused.is_empty() {
                return Ok(missing);
            }
            missing.unviable.extend(refused);
        }
    }

    /// Every file that git knows, as it is now.
    fn copy(&self, root: &Path) -> Result<(), Failure> {
        let known = Command::new("git").current_dir(root).args(["ls-files", "-z"]).output()?;
        if self.path.exists() {
            fs::remove_dir_all(&self.path)?;
        }
        for file in String::from_utf8(known.stdout)?.split_terminator('\0').filter(|file| root.join(file).is_file()) {
            let to = self.path.join(file);
            fs::create_dir_all(to.parent().ok_or("a file has no folder")?)?;
            fs::copy(root.join(file), to)?;
        }
        let lock = root.join("Cargo.lock");
        if lock.is_file() {
            fs::copy(lock, self.path.join("Cargo.lock"))?;
        }
        fs::write(self.path.join("src/mutant.rs"), MODULE)?;
        let lib = fs::read_to_string(root.join("src/lib.rs"))?;
        fs::write(self.path.join("src/lib.rs"), lib.replacen("\nmod base;", "\nmod mutant;\nmod base;", 1))?;
        Ok(())
    }

    /// Each file with its mutants, but for those that are missing.
    fn write(&self, root: &Path, mutants: &[Mutant], missing: &mut Missing) -> Result<(), Failure> {
        let mut files: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
        for (index, mutant) in mutants.iter().enumerate() {
            files.entry(&mutant.file).or_default().push((index + 1, mutant));
        }
        for (file, mutants) in files {
            let source = Source::new(fs::read_to_string(root.join(file))?);
            let places = Places::of(&syn::parse_file(&source.text)?);
            let mut edits: Vec<Edit> = Vec::new();
            for (number, mutant) in mutants {
                if missing.unviable.contains(&number) {
                    continue;
                }
                match places.edit(&source, number, mutant) {
                    Ok(edit) => edits.push(edit),
                    Err(Misplaced::Unviable) => drop(missing.unviable.insert(number)),
                    Err(why) => drop(missing.elsewhere.insert(number, why)),
                }
            }
            fs::write(self.path.join(file), edited(&source.text, &edits))?;
        }
        Ok(())
    }

    /// The mutants in whose text the compiler finds an error.
    fn refused(&self, mutants: &[Mutant]) -> Result<BTreeSet<usize>, Failure> {
        let output = self
            .cargo()
            .args(["check", "--lib", "--all-features", "--message-format=json"])
            .stderr(Stdio::null())
            .output()?;
        let mut refused = BTreeSet::new();
        let mut texts: HashMap<String, String> = HashMap::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let report: Value = serde_json::from_str(line)?;
            let message = &report["message"];
            let spans = message["spans"].as_array().map_or(&[][..], Vec::as_slice);
            if message["level"] != "error" || spans.is_empty() {
                continue;
            }
            let mut at_fault = None;
            for span in spans.iter().filter(|span| span["is_primary"] == true) {
                let file = span["file_name"].as_str().unwrap_or_default();
                if !texts.contains_key(file) {
                    texts.insert(file.to_owned(), fs::read_to_string(self.path.join(file))?);
                }
                let end = span["byte_end"].as_u64().unwrap_or_default() as usize;
                at_fault = at_fault.or_else(|| mutant_at(&texts[file], end));
            }
            let Some(number) = at_fault.filter(|number| (1..=mutants.len()).contains(number)) else {
                return Err(format!("the compiler refuses what is no mutant: {}", message["rendered"]).into());
            };
            refused.insert(number);
        }
        if refused.is_empty() && !output.status.success() {
            return Err("cargo check failed and did not say where".into());
        }
        Ok(refused)
    }
}

/// The mutant whose text, between its marks, has this place in it.
fn mutant_at(text: &str, at: usize) -> Option<usize> {
    let end = at + text.get(at..)?.find(">*/")?;
    let number: usize = text[..end].rsplit("/*").next()?.parse().ok()?;
    let begin = text[..at].rfind(&format!("/*<{number}*/"))?;
    text[begin..at].find(&format!("/*{number}>*/")).is_none().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_their_mutants() {
        let text = "a (if on(7) { /*<7*/b < c/*7>*/ } else { b > c }) d";
        assert_eq!(mutant_at(text, text.find("< c").unwrap()), Some(7));
        assert_eq!(mutant_at(text, text.find("> c").unwrap()), None);
        assert_eq!(mutant_at(text, 1), None);
    }
}
