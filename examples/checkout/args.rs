//! The command line: read once, checked as a whole, or refused with a sentence that says what would be right.

use crate::pace::Pace;
use std::path::PathBuf;
use std::time::Duration;

/// What the program was asked to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Run the shop.
    Run(Options),
    /// Write orders to standard output.
    MakeOrders {
        /// How many lines.
        count: u32,
        /// What the lines are made from.
        seed: u64,
    },
    /// Say how it is used.
    Help,
}

/// How the shop runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// The orders, one to a line.
    pub(crate) orders: PathBuf,
    /// How much faster than in a real shop everything takes place.
    pub(crate) speed: f64,
    /// Print the account only.
    pub(crate) quiet: bool,
    /// The order whose journey is printed: an order id, or `line-N`.
    pub(crate) journey: Option<String>,
    /// A service that stands still for a while, to watch its queue and everything before it fill and stop.
    pub(crate) pause: Option<Pause>,
    /// How long payment waits for the fraud check at the least, at whatever speed. Not on the command line.
    pub(crate) least_patience: Duration,
    /// Seconds without any order coming to its end after which the shop gives up.
    pub(crate) stall_secs: u64,
}

/// A service that stands still.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pause {
    /// Which: one of the names in [`crate::names::SERVICES`].
    pub(crate) service: String,
    /// For how many seconds of the wall clock.
    pub(crate) secs: u64,
}

/// What `--help` prints.
pub(crate) const HELP: &str = "\
checkout: a shop in one process, its services joined by a leveret broker

usage: checkout [--orders FILE] [--speed N] [--quiet] [--journey ID] [--pause SERVICE=SECONDS] [--stall SECONDS]
       checkout --make-orders N [--seed S]

  --orders FILE            orders, one JSON object to a line      (default: examples/data/orders.jsonl)
  --speed N                how much faster than a real shop, from 1 to 10000       (default: 10)
  --quiet                  no table while it runs, only the account
  --journey ID             print the journey of this order: its id, or line-N
  --pause SERVICE=SECONDS  let a service stand still for a while: order, inventory, payment, fraud-check, email,
                           shipping or analytics
  --stall SECONDS          give up when no order came to its end for so long       (default: 90)
  --make-orders N          write N orders to standard output instead, troubles included
  --seed S                 make them from this seed                                (default: 2026)

exit code: 0 the account closes, 1 it does not, 2 the command line or the orders file is wrong";

/// Reads the command line, without the program's name.
///
/// # Errors
///
/// A sentence that names the option and what it takes.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut words = words.into_iter();
    let mut options = Options::default();
    let (mut make, mut seed, mut run_only) = (None, None, None);
    while let Some(word) = words.next() {
        // Both `--speed 5` and `--speed=5` are understood.
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        let mut value =
            |what: &str| inline.clone().or_else(|| words.next()).ok_or_else(|| format!("{name} needs {what} after it"));
        match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--orders" => options.orders = PathBuf::from(value("a file")?),
            "--speed" => options.speed = speed(&value("a number")?)?,
            "--quiet" if inline.is_none() => options.quiet = true,
            "--journey" => options.journey = Some(value("an order")?),
            "--pause" => options.pause = Some(pause(&value("SERVICE=SECONDS")?)?),
            "--stall" => options.stall_secs = whole("--stall", &value("seconds")?, 1, 86_400)?,
            "--make-orders" => make = Some(whole("--make-orders", &value("a number")?, 1, 1_000_000)?),
            "--seed" => seed = Some(whole("--seed", &value("a number")?, 0, u64::MAX)?),
            _ => return Err(format!("there is no option '{name}'; --help lists those there are")),
        }
        if !matches!(name.as_str(), "--make-orders" | "--seed") {
            run_only = Some(name);
        }
    }
    match (make, seed, run_only) {
        (Some(_), _, Some(other)) => Err(format!("--make-orders only writes orders: {other} has no place beside it")),
        (Some(count), seed, None) => {
            Ok(Command::MakeOrders { count: u32::try_from(count).unwrap_or(u32::MAX), seed: seed.unwrap_or(SEED) })
        }
        (None, Some(_), _) => Err("--seed is for --make-orders".into()),
        (None, None, _) => Ok(Command::Run(options)),
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            orders: default_orders(),
            speed: 10.0,
            quiet: false,
            journey: None,
            pause: None,
            stall_secs: 90,
            least_patience: Duration::from_millis(150),
        }
    }
}

/// The orders that come with the example: from the working directory, or from where it was built.
fn default_orders() -> PathBuf {
    let near = PathBuf::from("examples/data/orders.jsonl");
    if near.exists() { near } else { PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(near) }
}

fn speed(text: &str) -> Result<f64, String> {
    let range = Pace::SLOWEST..=Pace::FASTEST;
    match text.parse::<f64>() {
        Ok(speed) if range.contains(&speed) => Ok(speed),
        _ => Err(format!("--speed takes a number from {} to {}, not '{text}'", Pace::SLOWEST, Pace::FASTEST)),
    }
}

fn whole(option: &str, text: &str, least: u64, most: u64) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{option} takes a whole number from {least} to {most}, not '{text}'")),
    }
}

fn pause(text: &str) -> Result<Pause, String> {
    let Some((service, secs)) = text.split_once('=') else {
        return Err(format!("--pause takes SERVICE=SECONDS, such as shipping=5, not '{text}'"));
    };
    if !crate::names::SERVICES.contains(&service) {
        return Err(format!("--pause knows no service '{service}'; there are {}", crate::names::SERVICES.join(", ")));
    }
    Ok(Pause { service: service.to_owned(), secs: whole("--pause", secs, 0, 3_600)? })
}

/// The seed of the orders file that comes with the example.
pub(crate) const SEED: u64 = 2026;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        assert_eq!(of("--help"), Ok(Command::Help));
        assert_eq!(of("--make-orders 7 --seed 3"), Ok(Command::MakeOrders { count: 7, seed: 3 }));
        let Ok(Command::Run(options)) = of("--orders a.jsonl --speed=2.5 --quiet --pause shipping=3 --journey line-4")
        else {
            panic!("not a run");
        };
        assert_eq!((options.orders, options.speed, options.quiet), (PathBuf::from("a.jsonl"), 2.5, true));
        assert_eq!(options.pause, Some(Pause { service: "shipping".into(), secs: 3 }));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("--sped 3", "there is no option '--sped'"),
            ("orders.jsonl", "there is no option 'orders.jsonl'"),
            ("--speed", "--speed needs a number"),
            ("--speed fast", "--speed takes a number from 1 to 10000, not 'fast'"),
            ("--speed NaN", "not 'NaN'"),
            ("--speed 0", "not '0'"),
            ("--make-orders -1", "--make-orders takes a whole number from 1"),
            ("--make-orders 5 --speed 3", "--speed has no place beside it"),
            ("--seed 5", "--seed is for --make-orders"),
            ("--pause bakery=3", "no service 'bakery'"),
            ("--quiet=yes", "there is no option '--quiet'"),
        ] {
            let error = of(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
