//! Letters: where the dead of each queue can go.
//!
//! Dead letters have the key that their queue sets, or the keys with which messages can be in the queue. Those follow
//! from its bindings, and from the dead letters of other queues that can come to it; so it is worked out in rounds
//! until nothing new is found.

use super::keys::{Keys, is_exact, lets_through};
use super::{ExchangeView, Origin, QueueView, View, declared_name};
use crate::engine::End;
use crate::queue::DeadLetter;
use crate::route::ExchangeKind;
use hashbrown::{HashMap, HashSet};
use std::borrow::Cow;

/// After so many rounds it is left at what is known: each round carries keys one dead-lettering further.
const MOST_ROUNDS: usize = 16;

/// The dead letters of one queue.
pub(in crate::api) struct DyingOf<'v> {
    /// The queue.
    pub(in crate::api) queue: &'v QueueView<'v>,
    /// What it says about them.
    pub(in crate::api) dead_letter: &'v DeadLetter,
    /// The keys that they can have.
    keys: Keys,
    /// The queues that they can come to, in the order of the bindings that lead there.
    pub(in crate::api) targets: Vec<&'v str>,
    /// Whether some of the keys are known by a pattern only.
    pub(in crate::api) has_open_keys: bool,
    /// A pattern among the keys with which they surely come to no queue.
    pub(in crate::api) unroutable: Option<String>,
    /// Whether an exchange on their way is a plugin's: then they can come to more.
    pub(in crate::api) is_vague: bool,
}

/// The dead letters of all queues, in the order of the queues.
pub(in crate::api) struct Letters<'v> {
    list: Vec<DyingOf<'v>>,
    places: HashMap<&'v str, usize>,
    /// The queues to which some of them can come.
    targets: HashSet<&'v str>,
    /// The exchanges through which they go first.
    exchanges: HashSet<&'v str>,
}

impl<'v> Letters<'v> {
    pub(in crate::api) fn of(view: &'v View<'v>) -> Self {
        let mut keys = keys_by_bindings(view);
        let mut routes = Routes { view, known: HashMap::new() };
        let mut list = collect(view, &mut routes, &keys);
        for _ in 0..MOST_ROUNDS {
            if !carry_on(&mut routes, &list, &mut keys) {
                break;
            }
            list = collect(view, &mut routes, &keys);
        }
        let places = list.iter().enumerate().map(|(at, dying)| (&*dying.queue.name, at)).collect();
        let targets = list.iter().flat_map(|dying| dying.targets.iter().copied()).collect();
        let exchanges = list.iter().map(|dying| dying.dead_letter.exchange.as_str()).collect();
        Self { list, places, targets, exchanges }
    }

    pub(in crate::api) fn iter(&self) -> impl Iterator<Item = &DyingOf<'v>> {
        self.list.iter()
    }

    /// The dead letters of the queue of this name, if it has a dead-letter exchange.
    pub(in crate::api) fn of_queue(&self, name: &str) -> Option<&DyingOf<'v>> {
        self.places.get(name).and_then(|at| self.list.get(*at))
    }

    /// Whether some can come to this queue.
    pub(in crate::api) fn come_to(&self, queue: &str) -> bool {
        self.targets.contains(queue)
    }

    /// Whether this is the dead-letter exchange of some queue.
    pub(in crate::api) fn go_through(&self, exchange: &str) -> bool {
        self.exchanges.contains(exchange)
    }
}

/// The keys with which messages come by the bindings of each queue; by its name where it has none.
fn keys_by_bindings<'v>(view: &'v View<'_>) -> HashMap<&'v str, Keys> {
    let mut all = HashMap::new();
    for queue in &view.queues {
        let mut keys = Keys::default();
        for binding in &queue.inward {
            // Behind another exchange the key that counts there is this binding's as well.
            let source = view.exchange(&declared_name(&binding.source));
            let kind = source.map_or(ExchangeKind::Fanout, ExchangeView::routes_as);
            keys.extend(&Keys::through(kind, binding));
        }
        if queue.inward.is_empty() {
            keys.extend(&Keys::one(&queue.name));
        }
        all.insert(&*queue.name, keys);
    }
    all
}

/// Where the dead letters go, if messages have these keys.
fn collect<'v>(view: &'v View<'v>, routes: &mut Routes<'v>, keys: &HashMap<&str, Keys>) -> Vec<DyingOf<'v>> {
    let dying = view.sound_queues().filter_map(|(queue, settings)| {
        let dead_letter = settings.dead_letter.as_ref()?;
        let keys = match &dead_letter.routing_key {
            Some(key) => Keys::one(key),
            None => keys.get(&*queue.name).cloned().unwrap_or_default(),
        };
        let (mut targets, mut seen) = (Vec::new(), HashSet::new());
        let (mut unroutable, mut is_vague) = (None, false);
        for pattern in keys.iter() {
            let route = routes.get(&dead_letter.exchange, pattern);
            targets.extend(route.queues.iter().copied().filter(|queue| seen.insert(*queue)));
            is_vague |= route.is_vague;
            if route.queues.is_empty() && !route.is_vague {
                unroutable = unroutable.or_else(|| Some(pattern.to_owned()));
            }
        }
        let has_open_keys = !keys.iter().all(is_exact);
        Some(DyingOf { queue, dead_letter, keys, targets, has_open_keys, unroutable, is_vague })
    });
    dying.collect()
}

/// Brings the keys of dead letters to where these go; says whether anything is new.
fn carry_on<'v>(routes: &mut Routes<'v>, list: &[DyingOf<'v>], keys: &mut HashMap<&'v str, Keys>) -> bool {
    let mut news = false;
    for dying in list {
        for pattern in dying.keys.iter() {
            let one = Keys::one(pattern);
            for target in &routes.get(&dying.dead_letter.exchange, pattern).queues {
                news |= keys.entry(*target).or_default().extend(&one);
            }
        }
    }
    news
}

/// Where messages go from an exchange whose keys fit one pattern.
#[derive(Default)]
struct Route<'v> {
    /// The queues, in the order of the bindings that lead there.
    queues: Vec<&'v str>,
    /// Whether an exchange on the way is a plugin's.
    is_vague: bool,
}

/// Routes by exchange and pattern, each worked out once: many queues have one dead-letter exchange.
struct Routes<'v> {
    view: &'v View<'v>,
    known: HashMap<(&'v str, String), Route<'v>>,
}

impl<'v> Routes<'v> {
    fn get(&mut self, exchange: &'v str, pattern: &str) -> &Route<'v> {
        let view = self.view;
        self.known.entry((exchange, pattern.to_owned())).or_insert_with(|| route(view, exchange, pattern))
    }
}

/// Walks exchanges, their bindings and alternates.
fn route<'v>(view: &'v View<'v>, exchange: &'v str, pattern: &str) -> Route<'v> {
    let mut route = Route::default();
    let (mut seen, mut arrived) = (HashSet::new(), HashSet::new());
    let mut left = vec![exchange];
    while let Some(exchange) = left.pop().and_then(|name| view.exchange(name)) {
        if !seen.insert(&*exchange.name) {
            continue;
        }
        route.is_vague |= exchange.origin == Origin::Elsewhere;
        let mut queues: Vec<&'v str> = Vec::new();
        for end in exchange.ends_for(pattern) {
            match end {
                End::Queue(name) => queues.push(name),
                End::Exchange(name) => left.extend(view.exchange(name).map(|exchange| &*exchange.name)),
            }
        }
        // The default exchange: the queue that has the key as its name.
        if exchange.name.is_empty() {
            queues.extend(view.queue(pattern).map(|queue| &*queue.name));
        }
        route.queues.extend(queues.into_iter().filter(|queue| arrived.insert(*queue)));
        let alternate = exchange.alternate.as_ref().filter(|_| !surely_goes_on(exchange, pattern));
        left.extend(alternate.and_then(|name| view.exchange(name)).map(|exchange| &*exchange.name));
    }
    route
}

/// Whether every message whose key fits the pattern finds a binding there.
fn surely_goes_on(exchange: &ExchangeView<'_>, pattern: &str) -> bool {
    let looks_at_keys = matches!(exchange.routes_as(), ExchangeKind::Direct | ExchangeKind::Topic);
    exchange.has_catch_all || looks_at_keys && is_exact(pattern) && exchange.ends_for(pattern).next().is_some()
}

impl<'a> ExchangeView<'a> {
    /// The ends of the bindings that can let a message through whose key fits the pattern.
    fn ends_for<'v, 'p>(&'v self, pattern: &'p str) -> impl Iterator<Item = &'v End<Cow<'a, str>>> + use<'a, 'v, 'p> {
        let kind = self.routes_as();
        let by_key = kind == ExchangeKind::Direct && is_exact(pattern);
        let exact = by_key.then(|| self.by_key.get(pattern)).flatten();
        let exact = exact.into_iter().flatten().filter_map(|at| self.outward.get(*at));
        let others = if by_key { &[] } else { self.outward.as_slice() };
        let others = others.iter().filter(move |(_, binding)| lets_through(kind, binding, pattern));
        exact.chain(others).map(|(end, _)| end)
    }
}
