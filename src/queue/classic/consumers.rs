//! Consumers of a classic queue: who may take the next message.
//!
//! Consumers wait in turns. Whoever is next and has room is served and goes to the end of its priority. Whoever is
//! next and has no room leaves the turns and is blocked; when its session gets room again, all of the session's
//! consumers that have room come back to the *end* of their priority. So a full consumer loses its place, as in
//! RabbitMQ. Room has three gates: the consumer's own prefetch, the session's channel-wide limit, and the window of
//! deliveries that the session has not drained.
//!
//! With a single active consumer all stay in the turns, and only the active one is ever asked.

use crate::base::{Name, SessionId};
use crate::queue::effect::{ConsumerId, ConsumerSpec};
use crate::queue::turns::Turns;
use hashbrown::HashMap;
use std::num::NonZeroU64;

/// The consumers of a queue. Invariants: a place is free or taken; whoever has one stands in turn or among the blocked
/// of its session, once.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    places: Vec<Option<Consumer>>,
    /// Places that nobody has.
    free: Vec<u32>,
    /// How many there ever were.
    serials: u64,
    turns: Turns,
    /// Sessions that have consumers here.
    peers: HashMap<SessionId, Peer>,
    exclusive: Option<ConsumerId>,
    single_active: bool,
    active: Option<ConsumerId>,
    /// Consumers that were cancelled with deliveries out.
    departed: Vec<Departed>,
    /// How many have no room of their own.
    full: usize,
    /// How many have a window of undrained deliveries.
    windowed: usize,
}

/// One consumer.
#[derive(Debug)]
struct Consumer {
    id: ConsumerId,
    spec: ConsumerSpec,
    /// How many more it takes; `None` where it acknowledges nothing.
    room: Option<u32>,
    /// How many it has out.
    out: u32,
}

/// A consumer that was cancelled with deliveries out. Room is kept by tag, as in RabbitMQ: settling what it has out
/// gives room to a later consumer of the same tag.
#[derive(Debug)]
struct Departed {
    id: ConsumerId,
    session: SessionId,
    tag: Name,
    out: u32,
}

/// A session with consumers here.
#[derive(Debug, Default)]
struct Peer {
    consumers: usize,
    /// The channel-wide limit was reached when this queue last asked; nothing is tried until it is resumed.
    suspended: bool,
    /// Consumers without room, by priority and then by when they were blocked.
    blocked: Vec<(i64, ConsumerId)>,
}

impl Consumers {
    /// No consumers.
    pub(crate) fn new(single_active: bool) -> Self {
        Self { single_active, ..Self::default() }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether one more may come in, by the rules of exclusive consumers (AMQP 0-9-1, `basic.consume.exclusive`).
    pub(crate) fn admits(&self, exclusive: bool) -> bool {
        self.exclusive.is_none() && !(exclusive && (self.len() > 0 || self.single_active))
    }

    /// Lets a consumer in. `unlimited` is how many deliveries one without prefetch may have out.
    pub(crate) fn insert(&mut self, spec: ConsumerSpec, unlimited: u32) -> ConsumerId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        let serial = NonZeroU64::MIN.saturating_add(self.serials);
        self.serials += 1;
        let id = ConsumerId { slot, serial };
        let room = match (spec.no_ack, spec.prefetch) {
            (true, _) => None,
            (false, 0) => Some(unlimited),
            (false, prefetch) => Some(prefetch),
        };
        self.peers.entry(spec.session).or_default().consumers += 1;
        self.windowed += usize::from(spec.credit.has_window());
        self.turns.push(spec.priority, id);
        if spec.exclusive {
            self.exclusive = Some(id);
        }
        if let Some(place) = self.places.get_mut(slot as usize) {
            *place = Some(Consumer { id, spec, room, out: 0 });
        }
        self.elect();
        id
    }

    /// Takes a consumer out; what it has out stays out. False where it is not here.
    pub(crate) fn remove(&mut self, id: ConsumerId) -> bool {
        let Some(place) = self.places.get_mut(id.slot as usize).filter(|p| p.as_ref().is_some_and(|c| c.id == id))
        else {
            return false;
        };
        let Some(consumer) = place.take() else { return false };
        self.full -= usize::from(consumer.is_full());
        self.windowed -= usize::from(consumer.spec.credit.has_window());
        self.free.push(id.slot);
        self.turns.remove(id);
        if let Some(peer) = self.peers.get_mut(&consumer.spec.session) {
            peer.blocked.retain(|(_, blocked)| *blocked != id);
            peer.consumers -= 1;
            if peer.consumers == 0 {
                self.peers.remove(&consumer.spec.session);
            }
        }
        if consumer.out > 0 {
            let ConsumerSpec { session, tag, .. } = consumer.spec;
            self.departed.push(Departed { id, session, tag, out: consumer.out });
        }
        if self.exclusive == Some(id) {
            self.exclusive = None;
        }
        if self.active == Some(id) {
            self.active = None;
        }
        self.elect();
        true
    }

    /// The consumers of a session, in the order in which they came.
    pub(crate) fn of_session(&self, session: SessionId) -> Vec<ConsumerId> {
        self.ids(|consumer| consumer.spec.session == session)
    }

    /// All consumers and their sessions, in the order of their tags: in which they are told that the queue is gone.
    pub(crate) fn all(&self) -> Vec<(ConsumerId, SessionId)> {
        let mut all: Vec<&Consumer> = self.places.iter().flatten().collect();
        all.sort_by(|a, b| a.spec.tag.cmp(&b.spec.tag).then(a.id.serial.cmp(&b.id.serial)));
        all.iter().map(|consumer| (consumer.id, consumer.spec.session)).collect()
    }

    /// Whoever takes the next message: it is counted as having one more out (where it acknowledges) and goes to the end
    /// of its turns. `None` where nobody has room.
    #[inline(always)]
    pub(crate) fn serve(&mut self) -> Option<Served> {
        if self.single_active {
            let active = self.active?;
            return self.take(active);
        }
        while let Some(next) = self.turns.first() {
            if let Some(served) = self.take(next) {
                self.turns.rotate();
                return Some(served);
            }
            self.turns.pop();
            self.block(next);
        }
        None
    }

    /// The tag of whoever `serve` would choose. Changes nothing.
    pub(crate) fn next_served(&self) -> Option<&Name> {
        // Sessions whose limit is found to be reached on the way, of whom nobody is tried after that.
        let mut suspended: Vec<SessionId> = Vec::new();
        let mut takes = |id: ConsumerId| {
            let spec = &self.get(id).filter(|consumer| !consumer.is_full())?.spec;
            let tries = !spec.credit.is_window_full() && !suspended.contains(&spec.session);
            let is_known = self.peers.get(&spec.session).is_some_and(|peer| peer.suspended);
            match spec.credit.limit() {
                _ if !tries => None,
                0 => Some(&spec.tag),
                _ if !is_known && spec.credit.has_room() => Some(&spec.tag),
                _ => {
                    suspended.push(spec.session);
                    None
                }
            }
        };
        if self.single_active { takes(self.active?) } else { self.turns.iter().find_map(takes) }
    }

    /// Forgets what a session's cancelled consumers had out: the session has ended.
    pub(crate) fn forget_departed(&mut self, session: SessionId) {
        self.departed.retain(|departed| departed.session != session);
    }

    /// Forgets what all cancelled consumers had out.
    #[cfg(feature = "testing")]
    pub(crate) fn forget_all_departed(&mut self) {
        self.departed.clear();
    }

    /// Counts deliveries as settled. Gives the session where that gave a consumer of it room that had none.
    #[inline]
    pub(crate) fn settled(&mut self, id: ConsumerId, count: u32) -> Option<SessionId> {
        if let Some(consumer) = self.get_mut(id) {
            consumer.out = consumer.out.saturating_sub(count);
            if !consumer.give_room(count) {
                return None;
            }
            let session = consumer.spec.session;
            self.full -= 1;
            return Some(session);
        }
        let at = self.departed.iter().position(|departed| departed.id == id)?;
        let departed = self.departed.get_mut(at)?;
        departed.out = departed.out.saturating_sub(count);
        let (session, tag, left) = (departed.session, departed.tag.clone(), departed.out);
        if left == 0 {
            self.departed.remove(at);
        }
        let successor = |consumer: &&mut Consumer| consumer.spec.session == session && consumer.spec.tag == tag;
        let was_full = self.places.iter_mut().flatten().find(successor);
        let was_full = was_full.is_some_and(|consumer| consumer.give_room(count));
        self.full -= usize::from(was_full);
        was_full.then_some(session)
    }

    /// Whether one has no room of its own.
    pub(crate) fn has_full(&self) -> bool {
        self.full > 0
    }

    /// Whether one has a window of undrained deliveries.
    pub(crate) fn has_windows(&self) -> bool {
        self.windowed > 0
    }

    /// Brings back to the turns whoever of the session has room of its own.
    pub(crate) fn unblock(&mut self, session: SessionId) {
        let Self { peers, places, turns, .. } = self;
        let Some(peer) = peers.get_mut(&session) else { return };
        peer.blocked.retain(|(priority, id)| {
            let place = places.get(id.slot as usize).and_then(Option::as_ref);
            let stays = place.is_some_and(|consumer| consumer.id == *id && consumer.is_full());
            if !stays {
                turns.push(*priority, *id);
            }
            stays
        });
    }

    /// The session's shared credit has room again.
    pub(crate) fn resume(&mut self, session: SessionId) {
        if let Some(peer) = self.peers.get_mut(&session) {
            peer.suspended = false;
        }
        self.unblock(session);
    }

    /// Takes one for this consumer, if all three gates are open.
    #[inline(always)]
    fn take(&mut self, id: ConsumerId) -> Option<Served> {
        let places = &mut self.places;
        let consumer = places.get_mut(id.slot as usize)?.as_mut().filter(|consumer| consumer.id == id)?;
        let spec = &consumer.spec;
        if spec.credit.is_window_full() || consumer.is_full() {
            return None;
        }
        // Few channels have a limit of their own.
        if spec.credit.limit() > 0 {
            let peer = self.peers.get_mut(&spec.session)?;
            if peer.suspended || !spec.credit.try_take(!spec.no_ack) {
                peer.suspended = true;
                return None;
            }
        }
        if let Some(room) = &mut consumer.room {
            *room = room.saturating_sub(1);
            consumer.out += 1;
            self.full += usize::from(*room == 0);
        }
        spec.credit.enter_window();
        Some(Served { id, session: spec.session, no_ack: spec.no_ack, keeps: spec.keeps })
    }

    fn block(&mut self, id: ConsumerId) {
        let Some((session, priority)) = self.get(id).map(|c| (c.spec.session, c.spec.priority)) else { return };
        if let Some(peer) = self.peers.get_mut(&session) {
            let at = peer.blocked.partition_point(|(known, _)| *known >= priority);
            peer.blocked.insert(at, (priority, id));
        }
    }

    /// Makes the first in turn the active one, where there is none.
    fn elect(&mut self) {
        if self.single_active && self.active.is_none() {
            self.active = self.turns.first();
        }
    }

    fn get(&self, id: ConsumerId) -> Option<&Consumer> {
        self.places.get(id.slot as usize)?.as_ref().filter(|consumer| consumer.id == id)
    }

    fn get_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.places.get_mut(id.slot as usize)?.as_mut().filter(|consumer| consumer.id == id)
    }

    fn ids(&self, wanted: impl Fn(&Consumer) -> bool) -> Vec<ConsumerId> {
        let mut ids: Vec<_> = self.places.iter().flatten().filter(|c| wanted(c)).map(|c| c.id).collect();
        ids.sort_unstable_by_key(|id| id.serial);
        ids
    }

    /// How many deliveries are out with consumers that keep them themselves and are still here, and how many with
    /// others that left.
    pub(crate) fn lent(&self) -> (usize, usize) {
        let keepers = self.places.iter().flatten().filter(|consumer| consumer.spec.keeps && !consumer.spec.no_ack);
        let gone = self.departed.iter().map(|departed| departed.out as usize);
        (keepers.map(|consumer| consumer.out as usize).sum(), gone.sum())
    }

    /// What is wrong, if anything is. `kept` tells how many deliveries of a consumer the queue keeps; `waiting` whether
    /// messages wait.
    pub(crate) fn check(&self, kept: impl Fn(ConsumerId) -> usize, waiting: bool) -> Result<(), String> {
        for consumer in self.places.iter().flatten() {
            let id = consumer.id;
            if !consumer.spec.keeps && consumer.out as usize != kept(id) {
                return Err(format!("consumer {id:?} counts {} out, has {}", consumer.out, kept(id)));
            }
            let blocked = self.peers.values().flat_map(|peer| &peer.blocked).filter(|(_, b)| *b == id).count();
            let turns = self.turns.iter().filter(|t| *t == id).count();
            if blocked + turns != 1 {
                return Err(format!("consumer {id:?} stands {turns} times in turn and {blocked} times blocked"));
            }
        }
        let windowed = self.places.iter().flatten().filter(|consumer| consumer.spec.credit.has_window()).count();
        if self.windowed != windowed {
            return Err(format!("{} consumers are counted as having a window", self.windowed));
        }
        if self.full != self.places.iter().flatten().filter(|consumer| consumer.is_full()).count() {
            return Err(format!("{} consumers are counted as full", self.full));
        }
        if waiting && !self.single_active && self.turns.first().is_some() {
            return Err("a message waits while a consumer stands in turn".to_owned());
        }
        if self.single_active && self.len() > 0 && self.active.is_none() {
            return Err("there are consumers, and none is active".to_owned());
        }
        Ok(())
    }
}

impl Consumer {
    fn is_full(&self) -> bool {
        self.room == Some(0)
    }

    /// Gives room back for so many. True where there was none.
    fn give_room(&mut self, count: u32) -> bool {
        let was_full = self.is_full();
        self.room = self.room.map(|room| room.saturating_add(count));
        was_full
    }
}

/// Who was served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    /// Which consumer.
    pub(crate) id: ConsumerId,
    /// Whose it is.
    pub(crate) session: SessionId,
    /// Whether no acknowledgement is due.
    pub(crate) no_ack: bool,
    /// Whether it keeps what it has out.
    pub(crate) keeps: bool,
}
