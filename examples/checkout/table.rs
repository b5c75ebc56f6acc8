//! The picture of the queues while the shop runs: a table that is redrawn where there is a terminal, and one plain line
//! a second where there is a pipe. Pure but for [`Screen`], which writes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// What a queue looks like at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The queue.
    pub(crate) queue: String,
    /// Messages ready for delivery.
    pub(crate) ready: u64,
    /// Messages out and not settled.
    pub(crate) unacked: u64,
    /// Consumers.
    pub(crate) consumers: u64,
    /// Messages that ever came in.
    pub(crate) came: u64,
    /// Messages that ever went: acknowledged, dead or dropped.
    pub(crate) went: u64,
    /// Whether letters end here.
    pub(crate) is_dead_letter: bool,
}

/// Everything that is shown at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// Since the shop opened.
    pub(crate) at: Duration,
    /// The queues, in the order in which they are shown.
    pub(crate) rows: Vec<Row>,
    /// Orders sent so far, of how many.
    pub(crate) sent: (usize, usize),
    /// Orders that came to their end.
    pub(crate) ended: usize,
    /// Orders within the shop.
    pub(crate) inside: usize,
}

/// Makes text of pictures. Rates are between a picture and the one before.
#[derive(Debug, Default)]
pub(crate) struct Table {
    before: BTreeMap<String, (u64, u64)>,
    at: Duration,
}

impl Table {
    /// The whole table, and how many lines it has.
    pub(crate) fn draw(&mut self, picture: &Picture) -> (String, usize) {
        let span = self.span(picture);
        let mut text = format!(
            "{:>6.1} s   sent {} of {}   inside {}   ended {}\n",
            picture.at.as_secs_f64(),
            picture.sent.0,
            picture.sent.1,
            picture.inside,
            picture.ended
        );
        let _ = writeln!(
            text,
            "{:<22} {:>7} {:>8} {:>10} {:>9} {:>9}",
            "queue", "ready", "unacked", "consumers", "in/s", "out/s"
        );
        for row in &picture.rows {
            let (came, went) = self.rates(row, span);
            let _ = write!(
                text,
                "{:<22} {:>7} {:>8} {:>10} {came:>9.0} {went:>9.0}",
                row.queue, row.ready, row.unacked, row.consumers
            );
            if row.is_dead_letter {
                let _ = write!(text, "   {} letters", row.came);
            }
            text.push('\n');
        }
        self.remember(picture);
        let lines = text.lines().count();
        (text, lines)
    }

    /// The same in one line: only queues that hold something, and the letters.
    pub(crate) fn line(&mut self, picture: &Picture) -> String {
        let span = self.span(picture);
        let mut text = format!(
            "{:.1} s: sent {} of {}, inside {}, ended {}",
            picture.at.as_secs_f64(),
            picture.sent.0,
            picture.sent.1,
            picture.inside,
            picture.ended
        );
        let mut letters = (0, 0.0);
        for row in &picture.rows {
            let (came, went) = self.rates(row, span);
            if row.is_dead_letter {
                letters = (letters.0 + row.came, letters.1 + came);
            } else if row.ready + row.unacked > 0 {
                let _ = write!(text, " | {} {}+{} in {came:.0}/s out {went:.0}/s", row.queue, row.ready, row.unacked);
            }
        }
        let _ = write!(text, " | dead letters {} (+{:.0}/s)", letters.0, letters.1);
        self.remember(picture);
        text
    }

    fn span(&self, picture: &Picture) -> f64 {
        picture.at.saturating_sub(self.at).as_secs_f64().max(1e-3)
    }

    fn rates(&self, row: &Row, span: f64) -> (f64, f64) {
        let (came, went) = self.before.get(&row.queue).copied().unwrap_or_default();
        (row.came.saturating_sub(came) as f64 / span, row.went.saturating_sub(went) as f64 / span)
    }

    fn remember(&mut self, picture: &Picture) {
        self.at = picture.at;
        self.before = picture.rows.iter().map(|row| (row.queue.clone(), (row.came, row.went))).collect();
    }
}

/// Where pictures are shown.
#[derive(Debug)]
pub(crate) struct Screen {
    table: Table,
    terminal: bool,
    quiet: bool,
    /// Lines of the table that stands on the terminal.
    standing: usize,
}

impl Screen {
    /// Standard output: a terminal or a pipe. Nothing at all where it is to be quiet.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { table: Table::default(), terminal: io::stdout().is_terminal(), quiet, standing: 0 }
    }

    /// How long until the next picture.
    pub(crate) fn interval(&self) -> Duration {
        if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(1) }
    }

    /// Shows a picture: in the place of the one before on a terminal.
    pub(crate) fn show(&mut self, picture: &Picture) {
        if self.quiet {
            return;
        }
        if !self.terminal {
            say(&self.table.line(picture));
            return;
        }
        let (text, lines) = self.table.draw(picture);
        let mut frame = String::new();
        if self.standing > 0 {
            let _ = write!(frame, "\x1b[{}A", self.standing);
        }
        for line in text.lines() {
            // Each line ends the one that stood there.
            let _ = writeln!(frame, "{line}\x1b[K");
        }
        self.standing = lines;
        let mut out = io::stdout().lock();
        let _ = out.write_all(frame.as_bytes()).and_then(|()| out.flush());
    }
}

/// Prints a line. A reader that went away is no reason to stop the shop.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(secs: u64, came: u64) -> Picture {
        let queue = |queue: &str, is_dead_letter| Row {
            queue: queue.into(),
            ready: 3,
            unacked: 2,
            consumers: 1,
            came,
            went: came - 5,
            is_dead_letter,
        };
        let rows = vec![queue("inventory", false), queue("inventory.dlq", true)];
        Picture { at: Duration::from_secs(secs), rows, sent: (40, 50), ended: 30, inside: 10 }
    }

    #[test]
    fn rates_are_between_two_pictures() {
        let mut table = Table::default();
        table.draw(&picture(1, 10));
        let (text, lines) = table.draw(&picture(3, 30));
        assert_eq!(lines, 4);
        assert!(text.contains("sent 40 of 50   inside 10   ended 30"), "{text}");
        let rates: Vec<&str> = text.lines().filter(|line| line.starts_with("inventory ")).collect();
        assert_eq!(rates[0].split_whitespace().collect::<Vec<_>>(), ["inventory", "3", "2", "1", "10", "10"]);
        assert!(text.contains("30 letters"), "{text}");
    }

    #[test]
    fn a_pipe_gets_one_line() {
        let mut table = Table::default();
        table.line(&picture(1, 10));
        let line = table.line(&picture(2, 20));
        assert!(!line.contains('\n') && line.contains("inventory 3+2 in 10/s out 10/s"), "{line}");
        assert!(line.ends_with("dead letters 20 (+10/s)"), "{line}");
    }
}
