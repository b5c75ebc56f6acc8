//! Connections: what owns channels and exclusive queues, and ends with all of them.

use super::channel::{Channel, ChannelCell, Close, Ending, Fault, Scope, Unreceived, close_fields};
use crate::base::sync::{Mutex, Rank};
use crate::base::{ReplyCode, SessionId};
use crate::engine::cell::QueueCell;
use crate::engine::waiter::Deferred;
use crate::engine::{Engine, Recording, With, Witness};
use crate::port::Cause;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock, Weak};

/// A connection of a program to the broker, as AMQP knows it: it has channels, and exclusive queues belong to it.
///
/// It ends when it is closed or dropped, or when one of its channels makes a mistake that AMQP punishes so. Then all its
/// channels end: their consumers are gone, what they held goes back to its queues, and the exclusive queues are deleted.
///
/// ```
/// use leveret::{Broker, Publish, QueueDeclare, Message, Acknowledge};
///
/// let broker = Broker::new();
/// let connection = broker.connect()?;
/// let channel = connection.open_channel()?;
/// channel.queue_declare(&QueueDeclare::new("orders"))?;
/// channel.basic_publish(&Publish::new("", "orders"), Message::new("book")).unwrap();
/// let got = channel.basic_get("orders", Acknowledge::Yes)?.unwrap();
/// assert_eq!(&got.delivery.message.body()[..], b"book");
/// channel.basic_ack(got.delivery.delivery_tag)?;
/// # Ok::<(), leveret::Close>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    cell: Arc<ConnectionCell>,
}

impl Connection {
    /// Opens a channel under the lowest number that is free.
    ///
    /// # Errors
    ///
    /// The [`Close`] that ended the connection, or ends it now: 530 where it has `Limits::channels_per_connection`
    /// already.
    pub fn open_channel(&self) -> Result<Channel, Close> {
        self.cell.open(None)
    }

    /// Opens a channel under this number, from 1 to `Limits::channels_per_connection`. One that was closed may be
    /// opened again; a [`Channel`] of before stays closed.
    ///
    /// # Errors
    ///
    /// The [`Close`] that ended the connection, or ends it now: 504 where the channel is open, 530 where the number is
    /// too high or 0.
    pub fn open_channel_with_id(&self, id: u16) -> Result<Channel, Close> {
        self.cell.open(Some(id))
    }

    /// Closes the connection with all its channels. One that is closed stays so.
    pub fn close(&self) {
        let Some(recording) = self.cell.engine.recording().filter(|_| self.is_open()) else {
            self.cell.end(asked_for(), false, None, Cause::ConnectionClosed);
            return;
        };
        let _turn = recording.turn(&self.cell.engine);
        recording.open(&self.cell.label, "connection.close", With::parameters());
        self.cell.end(asked_for(), false, None, Cause::ConnectionClosed);
        recording.reply("connection.close-ok", With::fields());
        recording.close();
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed().is_none()
    }

    /// What closed it: a mistake on one of its channels, the end of the broker, or (with reply code 200)
    /// [`Connection::close`].
    #[must_use]
    pub fn closed(&self) -> Option<Close> {
        self.cell.closed().cloned()
    }

    /// The user it was made for.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.cell.user
    }

    /// The name it was given, or `connection-` and a number that no other has.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.cell.name
    }
}

impl Drop for Connection {
    /// Closes it.
    fn drop(&mut self) {
        self.close();
    }
}

/// The close of a connection by its own program.
fn asked_for() -> Close {
    Close::new(Scope::Connection, ReplyCode::Success, "connection.close", "the connection was closed by its owner")
}

/// The close of a connection by the broker or its operator.
fn forced(text: impl std::fmt::Display) -> Close {
    Close::new(Scope::Connection, ReplyCode::ConnectionForced, "", text)
}

/// What a connection's channels share.
#[derive(Debug)]
pub(crate) struct ConnectionCell {
    engine: Arc<Engine>,
    id: SessionId,
    user: Arc<str>,
    name: Arc<str>,
    closed: OnceLock<Close>,
    /// Its open channels. One that closes takes itself out.
    channels: Mutex<BTreeMap<u16, Weak<ChannelCell>>>,
    /// Queues declared as exclusive, by age. Some may be deleted already.
    exclusive: Mutex<BTreeMap<u64, Arc<QueueCell>>>,
    registry: Weak<Connections>,
    /// What a log calls it; empty without one.
    label: String,
}

impl ConnectionCell {
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Whose the exclusive queues are.
    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    #[cfg(feature = "testing")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether one of its channels is this session.
    #[cfg(feature = "testing")]
    pub(crate) fn has_session(&self, session: SessionId) -> bool {
        let channels: Vec<_> = self.channels.lock().values().filter_map(Weak::upgrade).collect();
        channels.iter().any(|channel| channel.session() == session)
    }

    /// What closed it, if it is closed.
    pub(crate) fn closed(&self) -> Option<&Close> {
        self.closed.get()
    }

    /// Ends the connection for a mistake, unless it has ended; gives what ended it. `failing` is the channel that the
    /// mistake was found in.
    pub(crate) fn fail(&self, close: Close, failing: Option<&ChannelCell>) -> Close {
        self.end(close, true, failing, Cause::ConnectionClosed)
    }

    /// Ends the connection since its program died, unless it has ended.
    #[cfg(feature = "testing")]
    pub(crate) fn die(&self, text: String) {
        self.end(forced(text), true, None, Cause::ProgramDied);
    }

    /// Notes a queue that goes with the connection.
    pub(crate) fn own(&self, queue: Arc<QueueCell>) {
        let mut exclusive = self.exclusive.lock();
        exclusive.insert(queue.serial, queue);
        // At each power of two, so that deleted ones never make up more than half.
        if exclusive.len().is_power_of_two() {
            exclusive.retain(|_, queue| !queue.is_closed());
        }
    }

    /// Takes a channel out that has closed, unless another has its number by now.
    pub(crate) fn forget(&self, number: u16, channel: &ChannelCell) {
        let mut channels = self.channels.lock();
        if channels.get(&number).is_some_and(|known| std::ptr::eq(known.as_ptr(), channel)) {
            channels.remove(&number);
        }
    }

    fn open(self: &Arc<Self>, asked: Option<u16>) -> Result<Channel, Close> {
        match self.engine.recording() {
            None => self.open_now(asked),
            Some(recording) => self.open_recorded(recording, asked),
        }
    }

    /// As [`ConnectionCell::open`], as a step of a log.
    fn open_recorded(self: &Arc<Self>, recording: &Recording, asked: Option<u16>) -> Result<Channel, Close> {
        let _turn = recording.turn(&self.engine);
        if self.closed().is_some() {
            return self.open_now(asked);
        }
        let next = self.channels.lock().len() as u64 + 1;
        let most = self.engine.limits.channels_per_connection;
        let wrong = asked.is_some_and(|number| number == 0 || usize::from(number) > most);
        recording.open(&self.label_of(asked.map_or(next, u64::from)), "channel.open", With::parameters());
        let opened = self.open_now(asked);
        if let Ok(channel) = &opened {
            recording.place(&self.label_of(channel.id().into()));
            recording.reply("channel.open-ok", With::fields());
        }
        if wrong {
            recording.omit_step("a channel number that cannot be");
        } else {
            recording.close();
        }
        opened
    }

    /// What a log calls the channel of this number: a letter, or more of them.
    fn label_of(&self, number: u64) -> String {
        let mut letters = Vec::new();
        let mut rest = number;
        while rest > 0 {
            letters.push(char::from(b'a' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
            rest = (rest - 1) / 26;
        }
        format!("{}/{}", self.label, letters.into_iter().rev().collect::<String>())
    }

    /// Whoever writes down what comes to a channel, if that is done.
    pub(crate) fn witness(&self, number: u16) -> Option<Witness> {
        let recording = Arc::clone(self.engine.recording.as_ref()?);
        Some(Witness { recording, label: self.label_of(number.into()).into() })
    }

    fn open_now(self: &Arc<Self>, asked: Option<u16>) -> Result<Channel, Close> {
        let opened = self.try_open(asked);
        opened.map_err(|refused| self.fail(refused.fault.into_close("channel.open"), refused.failing.as_deref()))
    }

    fn try_open(self: &Arc<Self>, asked: Option<u16>) -> Result<Channel, Refused> {
        let most = self.engine.limits.channels_per_connection;
        let mut channels = self.channels.lock();
        let number = match asked {
            Some(number) if number == 0 || usize::from(number) > most => {
                let text = format!("channel {number} is not among the negotiated 1 to {most}");
                return Err(Fault::new(ReplyCode::NotAllowed, text).into());
            }
            Some(number) => number,
            None => (1..=u16::MAX)
                .take(most)
                .find(|number| !channels.contains_key(number))
                .ok_or_else(|| Fault::new(ReplyCode::NotAllowed, too_many(channels.len(), most)))?,
        };
        let failing = channels.get(&number).and_then(Weak::upgrade).filter(|channel| channel.is_open());
        if failing.is_some() {
            return Err(Refused { fault: Fault::new(ReplyCode::ChannelError, "second 'channel.open' seen"), failing });
        }
        let channel = Arc::new(ChannelCell::new(Arc::clone(self), number));
        channels.insert(number, Arc::downgrade(&channel));
        drop(channels);
        if let Some(close) = self.closed() {
            // It ended meanwhile, and may not have seen the new channel.
            channel.end(None);
            return Err(Fault::new(close.code, &close.text).into());
        }
        Ok(Channel::new(channel))
    }

    /// Ends the connection, unless it has ended; gives what ended it. With `told`, its channels are told of it in an
    /// event. The channel that is `failing` ends before the others.
    fn end(&self, close: Close, told: bool, failing: Option<&ChannelCell>, cause: Cause) -> Close {
        if let Err(late) = self.closed.set(close.clone()) {
            return self.closed.get().cloned().unwrap_or(late);
        }
        let _deferred = Deferred::begin();
        if told && let Some(recording) = self.engine.recording() {
            recording.event(&self.label, "connection.close", close_fields(&close));
        }
        self.end_channels(told.then_some(&close), failing, cause);
        let exclusive = std::mem::take(&mut *self.exclusive.lock());
        for queue in exclusive.values() {
            let removed = self.engine.remove_queue(queue, cause, |_| Ok::<(), Infallible>(()));
            debug_assert!(removed.is_ok());
        }
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(self.id);
        }
        close
    }

    /// Ends the channels. Where one is failing, its classic queues have back what it held, and hand it out, while the
    /// others still live. Then the others end all at once, so that none is handed what another held.
    fn end_channels(&self, close: Option<&Close>, failing: Option<&ChannelCell>, cause: Cause) {
        // One that is closed already did not make the mistake: whoever used it did, and no channel found it.
        let mut first = failing.and_then(|channel| channel.begin_end(close.cloned(), Unreceived::Dropped));
        let unreceived = if first.is_some() { Unreceived::Kept } else { Unreceived::Dropped };
        if let Some(first) = &mut first {
            first.leave_classic(&self.engine, cause);
        }
        let channels = std::mem::take(&mut *self.channels.lock());
        let others = channels.values().filter_map(Weak::upgrade);
        let others: Vec<Ending> = others.filter_map(|channel| channel.begin_end(close.cloned(), unreceived)).collect();
        for ending in first.into_iter().chain(others) {
            ending.finish(&self.engine, cause);
        }
    }
}

/// Why no channel was opened.
struct Refused {
    fault: Fault,
    /// The channel that found the mistake, where one did.
    failing: Option<Arc<ChannelCell>>,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { fault, failing: None }
    }
}

fn too_many(open: usize, most: usize) -> String {
    format!("number of channels opened ({open}) has reached the negotiated channel_max ({most})")
}

/// The connections of a broker that are open, so that all can be closed when it ends.
#[derive(Debug)]
pub(crate) struct Connections {
    /// None once all were closed: there are no more.
    open: Mutex<Option<BTreeMap<SessionId, Weak<ConnectionCell>>>>,
}

impl Connections {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { open: Mutex::new(Rank::Connection, Some(BTreeMap::new())) })
    }

    /// Opens a connection for `user`, under a name.
    pub(crate) fn connect(
        self: &Arc<Self>,
        engine: &Arc<Engine>,
        user: &str,
        name: Option<&str>,
    ) -> Result<Connection, Close> {
        let Some(recording) = engine.recording() else { return self.connect_now(engine, user, name, String::new()) };
        let _turn = recording.turn(engine);
        let label = recording.next_connection();
        recording.open(&label, "connection.open", With::parameters());
        let connected = self.connect_now(engine, user, name, label);
        match &connected {
            Ok(_) if user == "guest" => recording.close(),
            Ok(_) => {
                recording.close();
                recording.omit(&format!("that connection is for user '{user}'; in a trace all are for 'guest'"));
            }
            Err(close) => recording.omit_step(&close.text),
        }
        connected
    }

    fn connect_now(
        self: &Arc<Self>,
        engine: &Arc<Engine>,
        user: &str,
        name: Option<&str>,
        label: String,
    ) -> Result<Connection, Close> {
        let refuse = |code, what: String| Err(Close::new(Scope::Connection, code, "connection.open", what));
        let mut open = self.open.lock();
        let Some(open) = &mut *open else {
            return refuse(ReplyCode::ConnectionForced, SHUTDOWN.to_owned());
        };
        let most = engine.limits.connections;
        if open.len() >= most {
            return refuse(
                ReplyCode::NotAllowed,
                format!("connection refused: node connection limit ({most}) is reached"),
            );
        }
        let id = engine.next_session();
        let cell = Arc::new(ConnectionCell {
            engine: Arc::clone(engine),
            id,
            user: Arc::from(user),
            name: name.map_or_else(|| format!("connection-{}", id.0).into(), Arc::from),
            closed: OnceLock::new(),
            channels: Mutex::new(Rank::Connection, BTreeMap::new()),
            exclusive: Mutex::new(Rank::Leaf, BTreeMap::new()),
            registry: Arc::downgrade(self),
            label,
        });
        open.insert(cell.id, Arc::downgrade(&cell));
        Ok(Connection { cell })
    }

    /// Ends all of them, and lets none be opened any more, as an operator does with a broker that stops.
    pub(crate) fn close_all(&self) {
        let open = self.open.lock().take();
        for connection in open.iter().flat_map(BTreeMap::values).filter_map(Weak::upgrade) {
            connection.end(forced(SHUTDOWN), true, None, Cause::ConnectionClosed);
        }
    }

    /// Ends those that are wanted, for a reason of the broker's or its operator's; says how many that were. New ones may
    /// be opened.
    #[cfg(feature = "testing")]
    pub(crate) fn end_where(&self, reason: &str, cause: Cause, wanted: impl Fn(&ConnectionCell) -> bool) -> usize {
        let open: Vec<_> = self.open.lock().iter().flat_map(BTreeMap::values).filter_map(Weak::upgrade).collect();
        let wanted = open.iter().filter(|connection| wanted(connection));
        let ended = wanted.map(|connection| connection.end(forced(reason), true, None, cause));
        ended.count()
    }

    fn forget(&self, id: SessionId) {
        if let Some(open) = &mut *self.open.lock() {
            open.remove(&id);
        }
    }
}

/// Why connections end with their broker, in RabbitMQ's words.
pub(crate) const SHUTDOWN: &str = "broker forced connection closure with reason 'shutdown'";
