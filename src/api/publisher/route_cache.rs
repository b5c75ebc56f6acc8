//! The route cache: what a publisher remembers of where its keys lead.
//!
//! Direct mapped: the hash of a key says its only place, a newcomer takes the place of whoever is there. So a look is
//! one hash, one comparison and one atomic load, with no lock. The table doubles while keys collide, up to its bound.
//! Everything is forgotten when the exchange's generation moves, for then any route may have changed.
//!
//! Only what the key alone decides is remembered: not a route past a headers exchange, and not one of a message with
//! `CC` or `BCC`.

use crate::base::Name;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::engine::{Cells, Engine, NoRoute, Route};
use crate::message::Envelope;
use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher;
use std::sync::Arc;

/// How many places the first table has.
const FIRST: usize = 8;

/// Routes of one exchange by key.
#[derive(Debug)]
pub(super) struct RouteCache {
    places: Vec<Option<Place>>,
    limit: usize,
    hasher: DefaultHashBuilder,
    /// Counts the exchange's changes, and what it counted when the places were filled.
    generation: Option<(Arc<AtomicU64>, u64)>,
    /// The route of the message that is being published, where it is not remembered.
    passing: Cells,
}

#[derive(Debug)]
struct Place {
    key: Name,
    cells: Cells,
}

/// Where the cells of a route are.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Place(usize),
    Passing,
}

impl RouteCache {
    /// Remembers nothing yet; `limit` places at most.
    pub(super) fn new(limit: usize) -> Self {
        // The largest power of two within the limit; none where the limit is none.
        let limit = if limit == 0 { 0 } else { 1 << limit.ilog2() };
        Self {
            places: Vec::new(),
            limit,
            hasher: DefaultHashBuilder::default(),
            generation: None,
            passing: Cells::new(),
        }
    }

    /// An empty cache of the same bound.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.limit)
    }

    /// Finds a key that is remembered, if nothing changed since: the key as a name, and where its route is.
    pub(super) fn find(&self, key: &str) -> Option<(&Name, At)> {
        let (generation, counted) = self.generation.as_ref()?;
        if generation.load(Ordering::Acquire) != *counted {
            return None;
        }
        let at = self.place_of(key)?;
        let place = self.places.get(at)?.as_ref().filter(|place| *place.key == *key)?;
        Some((&place.key, At::Place(at)))
    }

    /// Takes the route of a message anew, and remembers it where that may be.
    pub(super) fn take(&mut self, engine: &Engine, exchange: &str, envelope: &Envelope) -> Result<At, NoRoute> {
        let route = engine.route_to_keep(exchange, envelope)?;
        self.renew(&route);
        let Route { cells, by_key, .. } = route;
        if !by_key || envelope.has_carbon() || self.limit == 0 {
            self.passing = cells;
            return Ok(At::Passing);
        }
        Ok(At::Place(self.put(envelope.routing_key(), cells)))
    }

    /// The cells of a route.
    pub(super) fn cells(&self, at: At) -> &Cells {
        match at {
            At::Place(at) => self.places.get(at).and_then(Option::as_ref).map_or(&self.passing, |place| &place.cells),
            At::Passing => &self.passing,
        }
    }

    /// Lets go of a route that is not remembered, so that it keeps no queue alive.
    pub(super) fn release(&mut self) {
        self.passing.clear();
    }

    /// Forgets everything where the exchange changed, or is another one of the same name.
    fn renew(&mut self, route: &Route) {
        let same = self.generation.as_ref().is_some_and(|(generation, counted)| {
            Arc::ptr_eq(generation, &route.generation) && *counted == route.counted
        });
        if !same {
            self.places.iter_mut().for_each(|place| *place = None);
            self.generation = Some((Arc::clone(&route.generation), route.counted));
        }
    }

    fn place_of(&self, key: &str) -> Option<usize> {
        let mask = self.places.len().checked_sub(1)?;
        #[allow(clippy::cast_possible_truncation)]
        let hash = self.hasher.hash_one(key) as usize;
        Some(hash & mask)
    }

    fn put(&mut self, key: &Name, cells: Cells) -> usize {
        if self.places.is_empty() {
            self.places.resize_with(FIRST.min(self.limit), || None);
        }
        let taken = |cache: &Self, at: usize| {
            cache.places.get(at).and_then(Option::as_ref).is_some_and(|place| place.key != *key)
        };
        let mut at = self.place_of(key).unwrap_or(0);
        if taken(self, at) && self.places.len() < self.limit {
            self.double();
            at = self.place_of(key).unwrap_or(0);
        }
        if let Some(place) = self.places.get_mut(at) {
            *place = Some(Place { key: key.clone(), cells });
        }
        at
    }

    /// Doubles the table. No two collide that did not before.
    fn double(&mut self) {
        let doubled = self.places.len() * 2;
        let old = std::mem::take(&mut self.places);
        self.places.resize_with(doubled, || None);
        for place in old.into_iter().flatten() {
            if let Some(slot) = self.place_of(&place.key).and_then(|at| self.places.get_mut(at)) {
                *slot = Some(place);
            }
        }
    }
}
