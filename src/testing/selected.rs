//! Selections: the messages that an assertion is about, each with the moment that makes it one of them.

use super::TestBroker;
use super::known::{Kind, Named};
use super::story::Story;
use crate::api::{Fate, Journey};
use crate::base::{Moment, Name};
use crate::message::{Reason, Value};
use crate::port::{Fact, What};
use crate::route::Miss;
use std::fmt;

/// Messages of a test, chosen by what happened to them: made by [`TestBroker::published`] and its siblings, narrowed by its
/// filters, and asserted.
///
/// It is a snapshot of what has happened so far, which is exact: [settle](TestBroker::settle) first where others act. Its
/// text and its serde form list the messages in the order in which it happened, and are the same for the same test:
/// made for snapshots (`insta::assert_snapshot!(t.published("events"))`).
///
/// Every assertion, [`assert_none`](Selection::assert_none) and [`json`](Selection::json) too, fails where the selection or
/// one of its filters names a queue or an exchange that never was in this broker's life: a name that is mistyped proves
/// nothing. Those that were deleted are known (100,000 names of each kind; where there were more, no name is doubted).
///
/// An assertion that fails panics with the whole story: what was asked for, what there was instead, by which word a key
/// missed, which binding missed by which word, and the histories of the nearest messages.
#[derive(Clone, Debug)]
pub struct Selection {
    t: TestBroker,
    about: String,
    /// The queue it is about, if it is about one.
    queue: Option<String>,
    /// The names that it is about, its filters' as well.
    named: Vec<Named>,
    chosen: Vec<Chosen>,
    /// Those that were left out by the filters, and why where that is known.
    missed: Vec<(Chosen, Option<String>)>,
}

/// A message that was chosen.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) journey: Journey,
    /// The fact that makes it one.
    pub(super) fact: Fact,
}

/// The one message of a selection; made by [`Selection::assert_once`]. It derefs to the message.
#[derive(Clone, Debug)]
pub struct Once {
    chosen: Chosen,
}

impl Selection {
    /// All journeys that have such a fact: the first of it counts.
    pub(super) fn of(
        t: &TestBroker,
        about: impl Into<String>,
        named: Option<(Kind, &str)>,
        is: impl Fn(&Journey, &Fact) -> bool,
    ) -> Self {
        let journeys = t.recorder().journeys().into_iter();
        let mut chosen: Vec<Chosen> = journeys
            .filter_map(|journey| {
                let fact = journey.facts().iter().find(|fact| is(&journey, fact))?.clone();
                Some(Chosen { journey, fact })
            })
            .collect();
        chosen.sort_by_key(|chosen| chosen.fact.number);
        let queue = named.filter(|(kind, _)| *kind == Kind::Queue).map(|(_, name)| name.to_owned());
        let named = named.map(|(kind, name)| Named { kind, name: name.to_owned() }).into_iter().collect();
        Self { t: t.clone(), about: about.into(), queue, named, chosen, missed: Vec::new() }
    }

    /// Narrows it. `why` says what a message that is left out has instead, where that can be said.
    fn narrowed(mut self, about: &str, why: impl Fn(&Chosen) -> Result<(), Option<String>>) -> Self {
        self.about.push_str(about);
        for chosen in std::mem::take(&mut self.chosen) {
            match why(&chosen) {
                Ok(()) => self.chosen.push(chosen),
                Err(why) => self.missed.push((chosen, why)),
            }
        }
        self
    }

    fn narrowed_if(self, about: &str, is: impl Fn(&Chosen) -> bool) -> Self {
        self.narrowed(about, |chosen| if is(chosen) { Ok(()) } else { Err(None) })
    }

    /// It is about this queue too.
    fn naming(mut self, queue: &str) -> Self {
        self.named.push(Named { kind: Kind::Queue, name: queue.to_owned() });
        self
    }

    /// Those whose routing key fits this pattern of words, `*` and `#`.
    #[must_use]
    pub fn key(self, pattern: &str) -> Self {
        self.narrowed(&format!(" with key '{pattern}'"), |chosen| {
            let key = chosen.journey.routing_key();
            Miss::of_topic(pattern, key).map_or(Ok(()), |miss| Err(Some(format!("key '{key}': {miss}"))))
        })
    }

    /// Those with this message id.
    #[must_use]
    pub fn message_id(self, id: &str) -> Self {
        self.narrowed_if(&format!(" with message id '{id}'"), |chosen| chosen.journey.message_id() == Some(id))
    }

    /// Those with this correlation id.
    #[must_use]
    pub fn correlation_id(self, id: &str) -> Self {
        self.narrowed_if(&format!(" with correlation id '{id}'"), |chosen| chosen.journey.correlation_id() == Some(id))
    }

    /// Those with this header and value.
    #[must_use]
    pub fn header(self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.narrowed(&format!(" with header '{name}' {value}"), |chosen| match chosen.journey.message().header(name) {
            Some(header) if *header == value => Ok(()),
            Some(header) => Err(Some(format!("header '{name}' is {header}"))),
            None => Err(Some(format!("there is no header '{name}'"))),
        })
    }

    /// Those that came, or were to come, to this queue.
    #[must_use]
    pub fn to(self, queue: &str) -> Self {
        self.naming(queue).narrowed_if(&format!(" to '{queue}'"), |chosen| chosen.journey.fate_in(queue).is_some())
    }

    /// Those that a consumer with this tag got.
    #[must_use]
    pub fn by(self, consumer: &str) -> Self {
        let got_it =
            |fact: &Fact| matches!(&fact.what, What::Delivered { consumer: Some(tag), .. } if **tag == *consumer);
        self.narrowed_if(&format!(" by '{consumer}'"), |chosen| chosen.journey.facts().iter().any(got_it))
    }

    /// Dead letters that died in this queue.
    #[must_use]
    pub fn from(self, queue: &str) -> Self {
        self.naming(queue).narrowed(&format!(" from '{queue}'"), |chosen| match chosen.journey.origin() {
            Some(origin) if *origin.queue == *queue => Ok(()),
            Some(origin) => Err(Some(format!("it died in '{}'", origin.queue))),
            None => Err(Some("it is no dead letter".to_owned())),
        })
    }

    /// Dead letters that died for this reason.
    #[must_use]
    pub fn reason(self, reason: Reason) -> Self {
        self.narrowed(&format!(" for '{reason}'"), |chosen| match chosen.journey.origin() {
            Some(origin) if origin.reason == reason => Ok(()),
            Some(origin) => Err(Some(format!("it died for '{}'", origin.reason))),
            None => Err(Some("it is no dead letter".to_owned())),
        })
    }

    /// Those that `wanted` agrees to; `about` says in the story what that is.
    #[must_use]
    pub fn filter(self, about: &str, wanted: impl Fn(&Journey) -> bool) -> Self {
        self.narrowed_if(&format!(" {about}"), |chosen| wanted(&chosen.journey))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Their journeys, in order.
    pub fn journeys(&self) -> impl ExactSizeIterator<Item = &Journey> {
        self.chosen.iter().map(|chosen| &chosen.journey)
    }

    /// Their bodies from JSON, in order.
    ///
    /// # Panics
    ///
    /// Where one is not what `T` wants, with the story.
    #[track_caller]
    #[must_use]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Vec<T> {
        self.check_names();
        let read = |chosen: &Chosen| {
            let decoded = chosen.journey.message().decode();
            decoded.unwrap_or_else(|error| self.fail(&format!("expected bodies that can be read: {error}")))
        };
        self.chosen.iter().map(read).collect()
    }

    /// Asserts that there are so many.
    ///
    /// # Panics
    ///
    /// Where there are not, with the story.
    #[track_caller]
    pub fn assert_count(&self, count: usize) -> &Self {
        self.check(self.len() == count, || format!("expected {count}, found {}", self.len()));
        self
    }

    /// Asserts that there are none. It is exact and takes no time.
    ///
    /// # Panics
    ///
    /// Where there are some, with the story.
    #[track_caller]
    pub fn assert_none(&self) {
        self.check(self.is_empty(), || format!("expected none, found {}", self.len()));
    }

    /// Asserts that there is exactly one, and gives it.
    ///
    /// # Panics
    ///
    /// Where there is not, with the story.
    #[track_caller]
    pub fn assert_once(&self) -> Once {
        self.check_names();
        match &self.chosen[..] {
            [chosen] => Once { chosen: chosen.clone() },
            others => self.fail(&format!("expected exactly 1, found {}", others.len())),
        }
    }

    /// Asserts that these are the message ids, in this order, and no others.
    ///
    /// # Panics
    ///
    /// Where they are not, with the story.
    #[track_caller]
    pub fn assert_ids<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> &Self {
        let (wanted, found): (Vec<&str>, Vec<&str>) =
            (ids.into_iter().collect(), self.journeys().map(|journey| journey.message_id().unwrap_or("")).collect());
        self.check(wanted == found, || format!("expected the message ids {wanted:?}, found {found:?}"));
        self
    }

    /// Asserts that these are the bodies, in this order, and no others.
    ///
    /// # Panics
    ///
    /// Where they are not, with the story.
    #[track_caller]
    pub fn assert_bodies<B: AsRef<[u8]>>(&self, bodies: impl IntoIterator<Item = B>) -> &Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let wanted: Vec<String> = bodies.into_iter().map(|body| text(body.as_ref())).collect();
        let found: Vec<String> = self.journeys().map(|journey| text(journey.message().body())).collect();
        self.check(wanted == found, || format!("expected the bodies {wanted:?}, found {found:?}"));
        self
    }

    /// Asserts that there are some of both, and that all of these came before the first of those.
    ///
    /// # Panics
    ///
    /// Where that is not so, with the story.
    #[track_caller]
    pub fn assert_before(&self, later: &Self) -> &Self {
        later.check_names();
        let (last, first) = (self.chosen.last(), later.chosen.first());
        let is_before = |(last, first): (&Chosen, &Chosen)| last.fact.number < first.fact.number;
        let there = last.zip(first);
        self.check(there.is_some_and(is_before), || match there {
            Some((last, first)) => format!(
                "expected all before {}; but '{}' was fact {}, and '{}' fact {}",
                later.about, last.fact, last.fact.number, first.fact, first.fact.number
            ),
            None => {
                format!("expected some, and some {} after them; found {} and {}", later.about, self.len(), later.len())
            }
        });
        self
    }

    /// Asserts that there are some, and that each was acknowledged in the queue that this is about, or in all of its queues.
    ///
    /// # Panics
    ///
    /// Where there are none or one was not, with the story.
    #[track_caller]
    pub fn assert_all_acked(&self) -> &Self {
        self.check(!self.is_empty(), || "expected some, all acknowledged; there are none".to_owned());
        let is_acked = |fate: &Fate| matches!(fate, Fate::Acked { .. });
        let open = self.journeys().filter(|journey| match &self.queue {
            Some(queue) => !journey.fate_in(queue).is_some_and(is_acked),
            None => !journey.fates().iter().all(|(_, fate)| is_acked(fate)),
        });
        let open = open.count();
        self.check(open == 0, || format!("expected all acknowledged; {open} of {} are not", self.len()));
        self
    }

    /// Asserts that there are some, and that none was delivered more than once.
    ///
    /// # Panics
    ///
    /// Where there are none or one was, with the story.
    #[track_caller]
    pub fn assert_no_redelivery(&self) -> &Self {
        self.check(!self.is_empty(), || "expected some, none delivered again; there are none".to_owned());
        let again = |fact: &Fact| matches!(fact.what, What::Delivered { attempt, .. } if attempt > 1);
        let count = self.journeys().filter(|journey| journey.facts().iter().any(again)).count();
        self.check(count == 0, || format!("expected no redelivery; {count} of {} were delivered again", self.len()));
        self
    }

    #[track_caller]
    fn check(&self, holds: bool, expected: impl FnOnce() -> String) {
        self.check_names();
        if !holds {
            self.fail(&expected());
        }
    }

    /// Fails where it is about a queue or exchange that never was.
    #[track_caller]
    fn check_names(&self) {
        if let Some(unknown) = self.named.iter().find_map(|named| self.t.shared().watch.miss(named)) {
            self.fail(&unknown.to_string());
        }
    }

    #[track_caller]
    #[allow(clippy::panic)] // It is what an assertion is for.
    fn fail(&self, expected: &str) -> ! {
        panic!("{}", self.story(expected));
    }

    /// The story that an assertion would tell that had expected this and failed: ordered, and the same for the same test.
    #[must_use]
    pub fn story(&self, expected: &str) -> Story {
        Story::new(&self.t, (&self.about, self.queue.as_deref()), expected, &self.chosen, &self.missed)
    }
}

impl Once {
    /// Its body from JSON.
    ///
    /// # Panics
    ///
    /// Where that is not what `T` wants.
    #[track_caller]
    #[must_use]
    #[allow(clippy::panic)]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        let decoded = self.chosen.journey.message().decode();
        decoded.unwrap_or_else(|error| panic!("the body of '{}' cannot be read: {error}", self.chosen.fact))
    }

    /// Its journey.
    #[must_use]
    pub fn journey(&self) -> &Journey {
        &self.chosen.journey
    }

    /// When it was.
    #[must_use]
    pub fn at(&self) -> Moment {
        self.chosen.fact.at
    }
}

impl std::ops::Deref for Once {
    type Target = crate::message::Envelope;

    fn deref(&self) -> &Self::Target {
        self.chosen.journey.message()
    }
}

/// One line for each message.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.about, self.len())?;
        self.chosen.iter().try_for_each(|chosen| write!(f, "\n  {chosen}"))
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = super::not_settled::label(self.journey.message());
        write!(f, "#{} {label} at {:?}: {}", self.fact.number, self.fact.at - Moment::ZERO, self.fact)?;
        let fates = self.journey.fates();
        fates.iter().try_for_each(|(queue, fate)| match queue {
            Some(queue) => write!(f, "; in '{queue}' {fate}"),
            None => write!(f, "; {fate}"),
        })
    }
}

/// The messages as their histories are: see [`History`](crate::History).
impl serde::Serialize for Selection {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.journeys())
    }
}

/// The names of queues that a fact says a message goes to.
pub(super) fn queues_of(fact: &Fact) -> &[Name] {
    match &fact.what {
        What::Published { queues, .. } | What::DeadLettered { queues, .. } => queues,
        _ => &[],
    }
}
