//! Lints a definitions file of RabbitMQ: says what in it will lose messages, grow without bound, or has no effect.
//!
//! ```text
//! cargo run --example lint -- definitions.json
//! cargo run --example lint -- --deny warnings --vhost shop definitions.json
//! cargo run --example lint
//! ```
//!
//! Without a file it lints the sample that lies beside it. The exit code is 0 where nothing is denied, 1 where
//! something is (errors, unless said), 2 where the file could not be read.

use leveret::{Definitions, DefinitionsError, LintReport, Severity, Topology};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

const HELP: &str = "\
lint [OPTIONS] [FILE]

  FILE                      a definitions file of RabbitMQ  (default: examples/data/shop.full.definitions.json)
  --deny warnings|hints     exit with 1 on these too, not on errors only
  --vhost NAME              lint this virtual host only     (default: each)
  --json                    print the findings as JSON
  --help                    print this";

/// What was asked for.
struct Options {
    file: PathBuf,
    deny: Severity,
    vhost: Option<String>,
    json: bool,
}

fn main() -> ExitCode {
    let options = match parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => return cannot(&format!("{problem}; see --help")),
    };
    let file = options.file.display();
    let json = match fs::read(&options.file).map(String::from_utf8) {
        Ok(Ok(json)) => json,
        Ok(Err(_)) => return cannot(&format!("{file} is not text in UTF-8")),
        Err(error) => return cannot(&format!("{file} cannot be read: {error}")),
    };
    // Some exports begin with a byte order mark, which JSON does not know.
    match read(json.trim_start_matches('\u{feff}'), options.vhost.as_deref()) {
        Ok(vhosts) => report(&vhosts, &options),
        Err(error) => cannot(&format!("{file} cannot be used as a definitions file: {error}")),
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/data/shop.full.definitions.json");
    let mut options = Options { file: sample, deny: Severity::Error, vhost: None, json: false };
    let mut files = 0;
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--json" => options.json = true,
            "--vhost" => options.vhost = Some(arguments.next().ok_or("--vhost needs a name")?),
            "--deny" => {
                options.deny = match arguments.next().as_deref() {
                    Some("errors") => Severity::Error,
                    Some("warnings") => Severity::Warning,
                    Some("hints") => Severity::Hint,
                    _ => return Err("--deny needs errors, warnings or hints".into()),
                }
            }
            option if option.starts_with('-') => return Err(format!("{option} is no option")),
            file => {
                options.file = PathBuf::from(file);
                files += 1;
            }
        }
    }
    if files > 1 { Err("one file at a time".into()) } else { Ok(Some(options)) }
}

/// Reads one virtual host, or each that has something in it.
fn read(json: &str, vhost: Option<&str>) -> Result<Vec<Definitions>, DefinitionsError> {
    if let Some(vhost) = vhost {
        return Topology::from_definitions_vhost(json, vhost).map(|one| vec![one]);
    }
    match Topology::from_definitions(json) {
        Err(DefinitionsError::SeveralVhosts { names }) => {
            names.iter().map(|name| Topology::from_definitions_vhost(json, name)).collect()
        }
        read => read.map(|one| vec![one]),
    }
}

fn report(vhosts: &[Definitions], options: &Options) -> ExitCode {
    let reports: Vec<LintReport> = vhosts.iter().map(Definitions::lint).collect();
    let printed = if options.json { as_json(vhosts, &reports) } else { as_text(vhosts, &reports) };
    // A reader that has seen enough, such as `head`, is no reason to fail otherwise than by what was found.
    let _ = io::Write::write_all(&mut io::stdout().lock(), printed.as_bytes());
    let denied = reports.iter().filter_map(LintReport::worst).any(|worst| worst >= options.deny);
    if denied { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

fn as_text(vhosts: &[Definitions], reports: &[LintReport]) -> String {
    let mut text = String::new();
    for (definitions, report) in vhosts.iter().zip(reports) {
        if let Some(vhost) = &definitions.vhost {
            text.push_str(&format!("virtual host '{}'\n", vhost.escape_debug()));
        }
        for notice in &definitions.notices {
            text.push_str(&format!("note: {notice}\n"));
        }
        text.push_str(&format!("{report}\n"));
    }
    text
}

fn as_json(vhosts: &[Definitions], reports: &[LintReport]) -> String {
    let all: Vec<_> = vhosts.iter().zip(reports).collect();
    let all = all
        .iter()
        .map(|(definitions, report)| serde_json::json!({ "vhost": definitions.vhost, "findings": report.findings }));
    format!("{:#}\n", serde_json::Value::Array(all.collect()))
}

fn cannot(problem: &str) -> ExitCode {
    eprintln!("lint: {problem}");
    ExitCode::from(2)
}
