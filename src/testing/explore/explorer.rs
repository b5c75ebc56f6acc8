//! The explorer: one run after the other, and what comes of the first that fails.

use super::choices::{Choices, List};
use super::control::{Control, Step};
use super::exploration::Exploration;
use super::failure::{Explored, Failure, Told};
use super::shrink::shrink;
use super::{Chosen, Verdict, Which, panics};
use crate::port::Injected;
use std::time::Duration;

/// How explorations are made, where [`explore()`](super::explore()) as it is will not do.
///
/// ```
/// use leveret::Injected;
/// use leveret::testing::Explorer;
///
/// // Orders only.
/// Explorer::new().faults([]).explore(0..10, |t| t.run());
/// // Publishes that fail, in long runs.
/// Explorer::new().faults([Injected::RefusePublish, Injected::LoseConfirm]).most_faults(10).explore(0..10, |t| t.run());
/// ```
#[derive(Clone, Debug)]
pub struct Explorer {
    menu: Vec<Injected>,
    most_faults: u32,
    most_steps: u64,
    delay: Duration,
}

impl Default for Explorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Explorer {
    /// As [`explore()`](super::explore()) does it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            menu: vec![Injected::DeliverTwice, Injected::KillConsumer, Injected::KillLater],
            most_faults: 3,
            most_steps: 10_000,
            delay: Duration::from_secs(1),
        }
    }

    /// What may go wrong while somebody acts, in the place of what may otherwise. Those that are about publishes are errors of
    /// the worker or program that publishes. [`Injected::NackConfirm`] is the same as [`Injected::RefusePublish`] here, and not
    /// chosen.
    #[must_use]
    pub fn faults(mut self, faults: impl IntoIterator<Item = Injected>) -> Self {
        self.menu = faults.into_iter().collect();
        self
    }

    /// How often something goes wrong in one run at most; 3 unless set. A consumer that may die without end would never be
    /// done.
    #[must_use]
    pub fn most_faults(mut self, most: u32) -> Self {
        self.most_faults = most;
        self
    }

    /// How many steps a [`run`](Exploration::run) has at most before it fails as endless; 10,000 unless set.
    #[must_use]
    pub fn most_steps(mut self, most: u64) -> Self {
        self.most_steps = most;
        self
    }

    /// By how much a delivery or a confirm is delayed, where that is among the faults; one second unless set.
    #[must_use]
    pub fn delay(mut self, span: Duration) -> Self {
        self.delay = span;
        self
    }

    /// As [`explore()`](super::explore()).
    ///
    /// # Panics
    ///
    /// As [`explore()`](super::explore()).
    #[track_caller]
    pub fn explore<V: Verdict>(
        &self,
        seeds: impl IntoIterator<Item = u64>,
        test: impl Fn(&Exploration) -> V,
    ) -> Explored {
        let explored = self.try_explore(seeds, test);
        if let Err(failure) = &explored {
            panics::fail(failure);
        }
        explored.unwrap_or_default()
    }

    /// As [`try_explore`](super::try_explore).
    ///
    /// # Errors
    ///
    /// As [`try_explore`](super::try_explore).
    pub fn try_explore<V: Verdict>(
        &self,
        seeds: impl IntoIterator<Item = u64>,
        test: impl Fn(&Exploration) -> V,
    ) -> Result<Explored, Failure> {
        let mut explored = Explored::default();
        for seed in seeds {
            let ran = self.run(false, Choices::of_seed(seed), &test);
            explored.count(&ran);
            if let Some(message) = ran.failed.clone() {
                return Err(self.simplify(seed, explored.runs, message, ran, &test));
            }
        }
        Ok(explored)
    }

    /// As [`replay`](super::replay).
    ///
    /// # Panics
    ///
    /// As [`replay`](super::replay).
    #[track_caller]
    pub fn replay<V: Verdict>(&self, which: impl Into<Which>, test: impl Fn(&Exploration) -> V) {
        if let Err(failure) = self.replay_one(true, which.into(), &test) {
            panics::fail(&failure);
        }
    }

    /// As [`try_replay`](super::try_replay).
    ///
    /// # Errors
    ///
    /// As [`try_replay`](super::try_replay).
    pub fn try_replay<V: Verdict>(
        &self,
        which: impl Into<Which>,
        test: impl Fn(&Exploration) -> V,
    ) -> Result<Explored, Failure> {
        self.replay_one(false, which.into(), &test)
    }

    fn replay_one<V: Verdict>(
        &self,
        aloud: bool,
        which: Which,
        test: &impl Fn(&Exploration) -> V,
    ) -> Result<Explored, Failure> {
        let (seed, choices) = match which.0 {
            Chosen::Seed(seed) => (Some(seed), Ok(Choices::of_seed(seed))),
            Chosen::List(text) => (None, text.parse().map(|list: List| Choices::of_list(&list))),
        };
        let ran = match choices {
            Ok(choices) => self.run(aloud, choices, test),
            Err(no_list) => Ran { failed: Some(no_list.to_string()), ..Ran::default() },
        };
        let mut explored = Explored::default();
        explored.count(&ran);
        match ran.failed.clone() {
            None => Ok(explored),
            Some(message) => Err(ran.failure(seed, 1, message.clone(), message, None)),
        }
    }

    /// One run.
    fn run<V: Verdict>(&self, aloud: bool, choices: Choices, test: &impl Fn(&Exploration) -> V) -> Ran {
        let control = Control::new(choices, self.menu.clone(), self.most_faults, self.delay);
        let exploration = Exploration::new(&control, self.most_steps);
        let ended = panics::caught(aloud, || {
            let verdict = test(&exploration).verdict();
            exploration.end();
            verdict
        });
        // Also where the test panicked before it came to that.
        let let_go = panics::caught(aloud, || exploration.end());
        let failed = ended.and_then(|verdict| verdict).and(let_go).err();
        control.look(|state| Ran {
            made: state.choices.made(),
            steps: state.steps.clone(),
            history: state.facts.iter().map(ToString::to_string).collect(),
            faults: state.faults,
            failed,
        })
    }

    fn simplify<V: Verdict>(
        &self,
        seed: u64,
        runs: u64,
        message: String,
        ran: Ran,
        test: &impl Fn(&Exploration) -> V,
    ) -> Failure {
        let first = ran.made.clone();
        let (_, simple) = shrink(ran.made.clone(), ran, |list| {
            let ran = self.run(false, Choices::of_list(list), test);
            ran.failed.is_some().then(|| (ran.made.clone(), ran))
        });
        let said = simple.failed.clone().unwrap_or_default();
        simple.failure(Some(seed), runs, said, message, Some(first))
    }
}

/// What a run was.
#[derive(Debug, Default)]
struct Ran {
    made: List,
    steps: Vec<Step>,
    history: Vec<String>,
    faults: u64,
    failed: Option<String>,
}

impl Ran {
    fn failure(
        self,
        seed: Option<u64>,
        runs: u64,
        message: String,
        first_message: String,
        first: Option<List>,
    ) -> Failure {
        let Self { made: list, steps, history, .. } = self;
        let first = first.unwrap_or_else(|| list.clone());
        Failure::new(Told { seed, runs, message, first_message, first, list, steps, history })
    }
}

impl Explored {
    fn count(&mut self, ran: &Ran) {
        self.runs += 1;
        self.steps += ran.steps.len() as u64;
        self.faults += ran.faults;
    }
}
