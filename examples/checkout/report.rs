//! What is printed at the end of the day.

use crate::names::{ASIDE, DECIDING};
use crate::run::Report;
use std::fmt;
use std::sync::atomic::Ordering;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nservices:")?;
        writeln!(
            f,
            "  {:<14} {:>8} {:>10} {:>8} {:>8} {:>9}",
            "", "done", "duplicates", "retries", "crashes", "given up"
        )?;
        for (service, tally) in &self.shop.tallies {
            let [done, duplicates, retries, crashes, given_up] =
                [&tally.done, &tally.duplicates, &tally.retries, &tally.crashes, &tally.given_up]
                    .map(|number| number.load(Ordering::Relaxed));
            writeln!(f, "  {service:<14} {done:>8} {duplicates:>10} {retries:>8} {crashes:>8} {given_up:>9}")?;
        }
        let heard: Vec<String> =
            self.listeners.iter().map(|one| format!("{} {}", one.queue, one.heard.load(Ordering::Relaxed))).collect();
        writeln!(f, "  heard by {}", heard.join(", "))?;
        writeln!(f, "\nanalytics:\n{}", self.analytics)?;
        self.write_letters(f)?;
        if let Some(journey) = &self.journey {
            writeln!(f, "\n{journey}")?;
        }
        writeln!(f, "\naccount:\n{}", self.closing)?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "fault: {fault}"))?;
        write!(f, "shop was open for {:.1} s", self.shop.age().as_secs_f64())
    }
}

impl Report {
    /// What lies in the dead-letter queues, and whether the broker dropped a letter anywhere.
    fn write_letters(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_for_the_dead = |queue: &str| DECIDING.contains(&queue) || ASIDE.contains(&queue);
        let (dead, alive): (Vec<_>, Vec<_>) = self.left.left.iter().partition(|left| is_for_the_dead(&left.queue));
        writeln!(f, "\nleft in dead-letter queues:")?;
        for left in dead {
            writeln!(f, "{:>8}  {}", left.ready + left.unacked, left.queue)?;
        }
        for left in alive {
            writeln!(f, "left behind: {} ready and {} unacked in {}", left.ready, left.unacked, left.queue)?;
        }
        match self.lost_letters() {
            0 => Ok(()),
            lost => writeln!(f, "the broker dropped {lost} letters: {:?}", self.letters),
        }
    }

    /// Letters that the broker could not put anywhere.
    pub(crate) fn lost_letters(&self) -> u64 {
        let letters = &self.letters;
        letters.refused + letters.unroutable + letters.no_such_exchange + letters.cycles
    }
}
