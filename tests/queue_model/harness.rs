//! Drives a queue machine and a naive model through the same operations, and compares all that can be seen.

use super::ops::{Op, Setup};
use leveret::internals::effect::{
    AttachError, Claim, ConsumerId, ConsumerSpec, DeliveryRef, Done, Effect, Effects, Handout, Offered, QueueLimits,
    Settlement,
};
use leveret::internals::{Counts, Credit, QueueState, SessionId, Settings, SharedEnvelope, envelope};
use leveret::{Limits, Message, Moment, Name, Properties, QueueKind, Reason};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The session whose consumers keep what they have out, where the kind of queue lets them. As a plain consumer's session it
/// never closes.
const KEEPER: u64 = 2;

/// Milliseconds until a kept dead letter is tried again.
pub(crate) const RETRY: u64 = 25;

/// What is asked of the queue: an operation with everything picked. Consumers are numbered as they came, messages too;
/// a message is out at most once, so its number stands for its delivery.
#[derive(Clone, Debug)]
pub(crate) enum Verb {
    Offer { publisher: Option<u64>, letter: bool, id: u64, priority: u8, expiration: Option<u64>, bytes: u64 },
    Take { session: u64, no_ack: bool },
    Attach(Asked),
    Detach(usize),
    Settle(Vec<u64>, Settlement),
    CloseSession(u64),
    Resume(u64),
    Purge,
    Advance,
    Apply(Settings),
    Touch,
    Bury(u64),
    Close,
}

/// A consumer as it asks to be let in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) session: u64,
    pub(crate) tag: u8,
    pub(crate) prefetch: u32,
    pub(crate) priority: i64,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
}

/// What a verb gave back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Answer {
    #[default]
    Nothing,
    Offered(Offered),
    /// With how many are left.
    Took(Option<(Handed, usize)>),
    Attached(Result<usize, AttachError>),
    Detached(bool),
    Count(usize),
}

/// A message handed over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Handed {
    pub(crate) id: u64,
    pub(crate) session: u64,
    pub(crate) consumer: Option<usize>,
    /// Whether it is to be settled.
    pub(crate) owed: bool,
    pub(crate) returns: u32,
}

/// All that can be seen of a verb. Deliveries and deaths go different ways, so each has its own order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Step {
    pub(crate) answer: Answer,
    pub(crate) handed: Vec<Handed>,
    /// Which message, why, and whether the queue keeps it.
    pub(crate) died: Vec<(u64, Reason, bool)>,
    pub(crate) cancelled: Vec<usize>,
    pub(crate) expired: bool,
    pub(crate) counts: Counts,
    pub(crate) deadline: Option<u64>,
    /// Whether an empty body would be taken.
    pub(crate) room: bool,
}

/// A naive queue.
pub(crate) trait Model {
    fn new(setup: &Setup) -> Self;
    fn gates(&mut self) -> &mut BTreeMap<u64, Gate>;
    fn act(&mut self, now: u64, verb: &Verb) -> Step;
}

/// A session's shared credit, restated: a limit on what is unsettled, and a window on what is not yet received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    pub(crate) limit: u32,
    pub(crate) used: u32,
    pub(crate) window: u32,
    pub(crate) undrained: u32,
}

impl Gate {
    pub(crate) fn reached(&self) -> bool {
        self.limit > 0 && self.used >= self.limit
    }

    pub(crate) fn hand(&mut self, counted: bool) {
        self.used += u32::from(counted && self.limit > 0);
        self.undrained += 1;
    }

    fn give(&mut self, count: u32) -> bool {
        let before = self.reached();
        self.used = if self.limit > 0 { self.used.saturating_sub(count) } else { self.used };
        before && !self.reached()
    }

    fn drain(&mut self, count: u32) -> bool {
        let half = self.window / 2;
        let before = self.undrained > half;
        self.undrained -= count;
        before && self.undrained <= half
    }
}

/// Runs a list of operations; says where machine and model first differ.
pub(crate) fn run<M: Model>(setup: &Setup, ops: &[Op]) -> Result<Vec<(Step, String)>, String> {
    let mut harness = Harness::<M>::new(setup);
    for (at, op) in ops.iter().enumerate() {
        harness.perform(op).map_err(|difference| format!("at {at}, {op:?}: {difference}"))?;
        if matches!(op, Op::Close) {
            break;
        }
    }
    Ok(harness.log)
}

/// A delivery that is out, as whoever has it knows it.
#[derive(Clone, Debug)]
enum Held {
    Kept(DeliveryRef),
    Lent(Handout),
}

impl Held {
    fn reference(&self) -> Option<DeliveryRef> {
        match self {
            Self::Kept(reference) => Some(*reference),
            Self::Lent(_) => None,
        }
    }
}

struct Harness<M> {
    kind: QueueKind,
    state: QueueState,
    model: M,
    now: u64,
    window: usize,
    sessions: Vec<(u64, Arc<Credit>)>,
    next_session: u64,
    next_message: u64,
    /// Every consumer there ever was, by number.
    consumers: Vec<ConsumerId>,
    /// Those not cancelled: number, session, tag.
    live: Vec<(usize, u64, u8)>,
    out: Vec<(Handed, Held)>,
    stale: Vec<DeliveryRef>,
    letters: Vec<(u64, u64)>,
    log: Vec<(Step, String)>,
}

impl<M: Model> Harness<M> {
    fn new(setup: &Setup) -> Self {
        let limits = QueueLimits {
            ready_messages: setup.ready_messages,
            ready_bytes: u64::MAX,
            unacked_messages: setup.unacked,
            consumers: setup.consumers,
            dead_letter_retry_millis: RETRY,
        };
        let mut harness = Self {
            kind: setup.kind,
            state: QueueState::new(Moment::ZERO, setup.kind, setup.settings.clone(), limits),
            model: M::new(setup),
            now: 0,
            window: setup.window,
            sessions: Vec::new(),
            next_session: 0,
            next_message: 0,
            consumers: Vec::new(),
            live: Vec::new(),
            out: Vec::new(),
            stale: Vec::new(),
            letters: Vec::new(),
            log: Vec::new(),
        };
        for _ in 0..3 {
            let session = harness.open_session();
            harness.sessions.push(session);
        }
        harness
    }

    fn open_session(&mut self) -> (u64, Arc<Credit>) {
        let session = self.next_session;
        self.next_session += 1;
        self.model.gates().insert(session, Gate { window: self.window as u32, ..Gate::default() });
        (session, Arc::new(Credit::new(self.window)))
    }

    fn perform(&mut self, op: &Op) -> Result<(), String> {
        let session = |session: &u8| self.sessions[usize::from(*session)].0;
        let verb = match op {
            Op::Offer { session: by, letter, priority, expiration, bytes } => {
                self.next_message += 1;
                let (id, letter, expiration) = (self.next_message, *letter, *expiration);
                let (publisher, level) = (by.as_ref().map(session), priority.unwrap_or(0));
                let envelope = frozen(id, *priority, expiration, *bytes)?;
                let bytes = *bytes as u64;
                let verb = Verb::Offer { publisher, letter, id, priority: level, expiration, bytes };
                return self.both(&verb, Some(envelope), &[], Vec::new());
            }
            Op::Settle { out, mask, settlement, reverse, stale } => {
                return self.settle(usize::from(*out), *mask, *settlement, *reverse, *stale);
            }
            Op::SetLimit { session: of, limit } => return self.set_limit(usize::from(*of), *limit),
            Op::Drain { session: of, count } => return self.drain(usize::from(*of), *count),
            Op::CloseSession { session: of } => return self.close_session(usize::from(*of)),
            Op::Attach { session: of, tag, prefetch, priority, no_ack, exclusive } => {
                let (session, no_ack) = (session(of), *no_ack);
                // A channel refuses a tag in use before the queue sees it.
                let free = |tag: &u8| !self.live.iter().any(|(_, by, known)| (*by, *known) == (session, *tag));
                let Some(tag) = (0..4).map(|step| (tag + step) % 4).find(free) else { return Ok(()) };
                let (prefetch, priority, exclusive) = (*prefetch, *priority, *exclusive);
                Verb::Attach(Asked { session, tag, prefetch, priority, no_ack, exclusive })
            }
            Op::Detach { consumer } => match self.consumers.len() {
                0 => return Ok(()),
                count => Verb::Detach(usize::from(*consumer) % count),
            },
            Op::Wait { millis, fire } => {
                self.now += millis;
                if !fire {
                    return Ok(());
                }
                Verb::Advance
            }
            Op::Bury { letter } => match self.letters.len() {
                0 => return Ok(()),
                count => Verb::Bury(self.letters[usize::from(*letter) % count].1),
            },
            // A channel refuses this get.
            Op::Take { .. } if self.state.settings().single_active && self.kind == QueueKind::Quorum => return Ok(()),
            Op::Take { session: of, no_ack } => Verb::Take { session: session(of), no_ack: *no_ack },
            Op::Resume { session: of } => Verb::Resume(session(of)),
            Op::Apply { settings } => Verb::Apply(settings.clone()),
            Op::Touch => Verb::Touch,
            Op::Purge => Verb::Purge,
            Op::Close => Verb::Close,
        };
        self.both(&verb, None, &[], Vec::new())
    }

    /// Settles as a channel does: the queue first, then the channel's own limit, then whoever waited for that.
    fn settle(&mut self, pick: usize, mask: u8, kind: Settlement, reverse: bool, stale: bool) -> Result<(), String> {
        if self.out.is_empty() {
            return Ok(());
        }
        let first = self.out[pick % self.out.len()].0;
        let same = |handed: &Handed| match first.consumer {
            Some(_) => (handed.session, handed.consumer) == (first.session, first.consumer),
            None => handed.id == first.id,
        };
        let group: Vec<_> = self.out.iter().filter(|(handed, _)| same(handed)).cloned().collect();
        let picked = group.iter().enumerate().filter(|(at, _)| group.len() == 1 || mask >> (at % 8) & 1 == 1);
        let mut picked: Vec<_> = picked.map(|(_, out)| out.clone()).collect();
        if reverse {
            picked.reverse();
        }
        let known: Vec<DeliveryRef> = picked.iter().filter_map(|(_, held)| held.reference()).collect();
        let mut references = known.clone();
        if stale {
            references.splice(0..0, self.stale.iter().rev().take(5).copied());
            references.extend(&known);
        }
        let ids: Vec<u64> = picked.iter().map(|(handed, _)| handed.id).collect();
        self.out.retain(|(handed, _)| !ids.contains(&handed.id));
        self.stale.extend(known);
        let lent = picked.into_iter().filter_map(|(_, held)| match held {
            Held::Kept(_) => None,
            Held::Lent(handout) => Some(handout),
        });
        self.both(&Verb::Settle(ids.clone(), kind), None, &references, lent.collect())?;
        let count = if first.consumer.is_some() { ids.len() as u32 } else { 0 };
        let Some(at) = self.sessions.iter().position(|(known, _)| *known == first.session) else { return Ok(()) };
        self.opened(at, |credit| credit.give(count), |gate| count > 0 && gate.give(count))
    }

    fn set_limit(&mut self, at: usize, limit: u32) -> Result<(), String> {
        let (session, credit) = &self.sessions[at];
        let held = self.out.iter().filter(|(handed, _)| handed.session == *session).count();
        credit.set_limit(limit, held);
        let gate = self.model.gates().get_mut(session).ok_or("no gate")?;
        if gate.limit == 0 {
            gate.used = held as u32;
        }
        gate.limit = limit;
        let session = *session;
        self.both(&Verb::Resume(session), None, &[], Vec::new())
    }

    fn drain(&mut self, at: usize, count: u32) -> Result<(), String> {
        let undrained = self.model.gates()[&self.sessions[at].0].undrained;
        let count = count.min(undrained);
        self.opened(at, |credit| credit.leave_window(count), |gate| gate.drain(count))
    }

    fn opened(
        &mut self,
        at: usize,
        real: impl FnOnce(&Credit) -> bool,
        naive: impl FnOnce(&mut Gate) -> bool,
    ) -> Result<(), String> {
        let (session, credit) = &self.sessions[at];
        let session = *session;
        let (real, naive) = (real(credit), naive(self.model.gates().get_mut(&session).ok_or("no gate")?));
        if real != naive {
            return Err(format!("the credit says {real}, the model {naive}"));
        }
        if real { self.both(&Verb::Resume(session), None, &[], Vec::new()) } else { Ok(()) }
    }

    fn close_session(&mut self, at: usize) -> Result<(), String> {
        let session = self.sessions[at].0;
        if session == KEEPER && self.kind == QueueKind::Classic {
            return Ok(());
        }
        self.live.retain(|(_, by, _)| *by != session);
        let (gone, left) = std::mem::take(&mut self.out).into_iter().partition(|(h, _)| h.session == session);
        self.out = left;
        let gone: Vec<(Handed, Held)> = gone;
        self.stale.extend(gone.iter().filter_map(|(_, held)| held.reference()));
        self.both(&Verb::CloseSession(session), None, &[], Vec::new())?;
        self.sessions[at] = self.open_session();
        Ok(())
    }

    /// One verb on both sides.
    fn both(
        &mut self,
        verb: &Verb,
        envelope: Option<SharedEnvelope>,
        references: &[DeliveryRef],
        lent: Vec<Handout>,
    ) -> Result<(), String> {
        let mut effects = Effects::new();
        let answer = self.ask(verb, envelope, references, lent, &mut effects);
        let raw = format!("{effects:?}");
        let mut step = self.seen(answer, effects);
        if !matches!(verb, Verb::Close) {
            self.state.check().map_err(|broken| format!("{verb:?}: {broken}"))?;
        }
        let mut expected = self.model.act(self.now, verb);
        if matches!(verb, Verb::Close) {
            // Nobody looks at it again.
            for step in [&mut step, &mut expected] {
                (step.counts, step.deadline, step.room) = (Counts::default(), None, false);
            }
        }
        if step != expected {
            return Err(format!("{verb:?} at {} ms\n machine: {step:?}\n   model: {expected:?}", self.now));
        }
        self.log.push((step, raw));
        Ok(())
    }

    fn ask(
        &mut self,
        verb: &Verb,
        envelope: Option<SharedEnvelope>,
        references: &[DeliveryRef],
        lent: Vec<Handout>,
        fx: &mut Effects,
    ) -> Answer {
        // As the engine does: these verbs read no clock where the queue says that it needs none.
        let frugal = matches!(verb, Verb::Offer { .. } | Verb::Settle(..) | Verb::Resume(_));
        let needs_clock = !frugal || self.state.wants_clock(envelope.as_deref());
        let now = if needs_clock { Moment::from_millis(self.now) } else { Moment::ZERO };
        match verb {
            Verb::Offer { publisher, letter, .. } => match envelope {
                Some(envelope) if *letter => Answer::Offered(self.state.offer_letter(now, envelope, false, fx)),
                Some(envelope) => Answer::Offered(self.state.offer(now, publisher.map(SessionId), envelope, fx)),
                None => Answer::Nothing,
            },
            Verb::Take { session, no_ack } => {
                let handout = self.state.take(now, SessionId(*session), *no_ack, fx);
                Answer::Took(handout.map(|(handout, left)| (self.handed(&handout), left)))
            }
            Verb::Attach(asked) => Answer::Attached(self.attach(now, asked, fx)),
            Verb::Detach(number) => {
                self.live.retain(|(known, _, _)| known != number);
                Answer::Detached(self.state.detach(now, self.consumers[*number], fx))
            }
            // One consumer's deliveries, so they are all lent or all kept.
            Verb::Settle(_, Settlement::Ack) if !lent.is_empty() => {
                let bytes = lent.iter().map(|handout| handout.envelope.body().len() as u64).sum();
                let done = lent[0].consumer.map(|consumer| Done { consumer, count: lent.len() as u32, bytes });
                self.state.done(now, done.as_slice(), fx);
                Answer::Nothing
            }
            Verb::Settle(_, kind) if !lent.is_empty() => {
                self.state.give_back(now, lent, *kind, fx);
                Answer::Nothing
            }
            Verb::Settle(_, kind) => {
                self.state.settle(now, references, *kind, fx);
                Answer::Nothing
            }
            Verb::CloseSession(session) => {
                self.state.close_session(now, SessionId(*session), fx);
                Answer::Nothing
            }
            Verb::Resume(session) => {
                self.state.resume(now, SessionId(*session), fx);
                Answer::Nothing
            }
            Verb::Purge => Answer::Count(self.state.purge(now, fx)),
            Verb::Advance => {
                self.state.advance(now, fx);
                Answer::Nothing
            }
            Verb::Apply(settings) => {
                self.state.apply_settings(now, settings.clone(), fx);
                Answer::Nothing
            }
            Verb::Touch => {
                self.state.touch(now);
                Answer::Nothing
            }
            Verb::Bury(id) => {
                if let Some(at) = self.letters.iter().position(|(_, known)| known == id) {
                    self.state.bury(now, self.letters[at].0, fx);
                }
                Answer::Nothing
            }
            Verb::Close => Answer::Count(self.state.close(fx)),
        }
    }

    fn attach(&mut self, now: Moment, asked: &Asked, fx: &mut Effects) -> Result<usize, AttachError> {
        let credit = self.sessions.iter().find(|(session, _)| *session == asked.session).map(|(_, credit)| credit);
        let spec = ConsumerSpec {
            session: SessionId(asked.session),
            credit: credit.cloned().unwrap_or_else(|| Arc::new(Credit::new(1))),
            no_ack: asked.no_ack,
            exclusive: asked.exclusive,
            priority: asked.priority,
            prefetch: asked.prefetch,
            tag: Name::new(asked.tag.to_string()).unwrap_or_default(),
            keeps: asked.session == KEEPER,
        };
        let id = self.state.attach(now, spec, fx)?;
        let number = self.consumers.iter().position(|known| *known == id).unwrap_or(self.consumers.len());
        if number == self.consumers.len() {
            self.consumers.push(id);
        }
        self.live.push((number, asked.session, asked.tag));
        Ok(number)
    }

    fn number(&self, id: ConsumerId) -> usize {
        self.consumers.iter().position(|known| *known == id).unwrap_or(usize::MAX)
    }

    fn handed(&mut self, handout: &Handout) -> Handed {
        let handed = Handed {
            id: handout.envelope.properties().timestamp.unwrap_or(0),
            session: handout.session.0,
            consumer: handout.consumer.map(|id| self.number(id)),
            owed: handout.claim != Claim::None,
            returns: handout.returns,
        };
        assert_eq!(handout.redelivered, handout.returns > 0, "redelivered is having been back");
        match handout.claim {
            Claim::None => {}
            Claim::Kept(reference) => self.out.push((handed, Held::Kept(reference))),
            Claim::Lent(_) => self.out.push((handed, Held::Lent(handout.clone()))),
        }
        handed
    }

    /// Effects as the models say them.
    fn seen(&mut self, answer: Answer, effects: Effects) -> Step {
        let mut step = Step { answer, counts: self.state.counts(), room: self.state.has_room(0), ..Step::default() };
        step.deadline = self.state.next_deadline().map(Moment::as_millis);
        for effect in effects {
            match effect {
                Effect::Deliver(handout) => {
                    let handed = self.handed(&handout);
                    step.handed.push(handed);
                }
                Effect::Die { envelope, reason, burial, .. } => {
                    let id = envelope.properties().timestamp.unwrap_or(0);
                    step.died.push((id, reason, burial.is_some()));
                    if let Some(burial) = burial.filter(|_| !self.letters.iter().any(|(_, known)| *known == id)) {
                        self.letters.push((burial, id));
                    }
                }
                Effect::Detached { consumer, .. } => step.cancelled.push(self.number(consumer)),
                Effect::Expired => step.expired = true,
            }
        }
        step
    }
}

/// The message as a publish would freeze it.
fn frozen(id: u64, priority: Option<u8>, expiration: Option<u64>, bytes: usize) -> Result<SharedEnvelope, String> {
    let properties = Properties {
        priority,
        expiration: expiration.map(|millis| millis.to_string().into()),
        timestamp: Some(id),
        ..Properties::default()
    };
    let message = Message::with_properties(properties, vec![0; bytes]);
    let frozen = envelope(Name::default(), Name::default(), message, &Limits::default());
    frozen.map(SharedEnvelope::new).map_err(|invalid| invalid.to_string())
}
