//! The story that a failed assertion tells: what was expected, what there was, what nearly was, and why not.

use super::TestBroker;
use super::selected::{Chosen, queues_of};
use crate::api::Journey;
use crate::port::What;
use std::fmt;

/// Everything that an assertion knows when it fails. Its text is ordered and the same for the same test; its serde form
/// has the same parts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Story {
    /// What was asserted of which messages.
    pub asserted: String,
    /// What was expected, and what there was.
    pub expected: String,
    /// The messages that were chosen, a line each.
    pub found: Vec<String>,
    /// The messages that the filters left out, a line each with the reason.
    pub missed: Vec<String>,
    /// Everything that was published, a line each.
    pub published: Vec<String>,
    /// For messages that did not come where they were looked for: where they would go as the bindings are now, and which binding
    /// misses by which word.
    pub explained: Vec<String>,
    /// The histories of the nearest messages.
    pub histories: Vec<String>,
}

impl Story {
    pub(super) fn new(
        t: &TestBroker,
        (asserted, queue): (&str, Option<&str>),
        expected: &str,
        chosen: &[Chosen],
        missed: &[(Chosen, Option<String>)],
    ) -> Self {
        let all = t.recorder().journeys();
        let published = all.iter().filter_map(|journey| {
            let fact = journey.facts().iter().find(|fact| matches!(fact.what, What::Published { .. }))?;
            Some(Chosen { journey: journey.clone(), fact: fact.clone() })
        });
        let published: Vec<Chosen> = published.collect();
        let missed_lines = missed.iter().map(|(chosen, why)| match why {
            Some(why) => format!("{chosen}: {why}"),
            None => chosen.to_string(),
        });
        let near = nearest(queue, chosen, missed, &published);
        let unreached = near.iter().filter(|journey| went_elsewhere(queue, journey));
        let explained = unreached.map(|journey| {
            let told = t.explain_message(journey.exchange(), journey.routing_key(), &journey.message().to_message());
            told.to_string().trim_end().to_owned()
        });
        let history = t.history_of(near.iter());
        Self {
            asserted: asserted.to_owned(),
            expected: expected.to_owned(),
            found: some(chosen.iter().map(ToString::to_string)),
            missed: some(missed_lines),
            published: some(published.iter().map(ToString::to_string)),
            explained: explained.collect(),
            histories: history.iter().map(|history| history.to_string().trim_end().to_owned()).collect(),
        }
    }
}

/// The first of these lines, and how many more there are.
fn some(lines: impl Iterator<Item = String>) -> Vec<String> {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = lines.collect();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// The messages that the assertion was nearly, or wrongly, about: those found; else those left out; else those published
/// that did not come to the queue.
fn nearest(
    queue: Option<&str>,
    chosen: &[Chosen],
    missed: &[(Chosen, Option<String>)],
    published: &[Chosen],
) -> Vec<Journey> {
    const TOLD: usize = 3;
    let of = |chosen: &[Chosen]| chosen.iter().map(|chosen| chosen.journey.clone()).take(TOLD).collect::<Vec<_>>();
    if !chosen.is_empty() {
        return of(chosen);
    }
    if !missed.is_empty() {
        return missed.iter().map(|(chosen, _)| chosen.journey.clone()).take(TOLD).collect();
    }
    let elsewhere: Vec<Chosen> =
        published.iter().filter(|chosen| went_elsewhere(queue, &chosen.journey)).cloned().collect();
    of(if elsewhere.is_empty() { published } else { &elsewhere })
}

/// Whether a message did not come to this queue, or to none.
fn went_elsewhere(queue: Option<&str>, journey: &Journey) -> bool {
    if journey.origin().is_some() {
        return false;
    }
    match queue {
        Some(queue) => journey.fate_in(queue).is_none(),
        None => journey.facts().iter().all(|fact| queues_of(fact).is_empty()),
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.asserted, self.expected)?;
        let parts = [
            ("found", &self.found),
            ("left out", &self.missed),
            ("published", &self.published),
            ("where it would go now", &self.explained),
            ("what became of the nearest", &self.histories),
        ];
        for (title, lines) in parts.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            write!(f, "\n{title}:")?;
            for line in lines.iter().flat_map(|lines| lines.lines()) {
                let indent = if line.is_empty() { "" } else { "  " };
                write!(f, "\n{indent}{line}")?;
            }
        }
        Ok(())
    }
}
