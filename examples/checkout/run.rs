//! One day of the shop: open, send the orders, watch, wait until all is quiet, close.
//!
//! Nothing here depends on how long anything takes. The day is over when every order came to its end and no queue but
//! those for the dead holds anything; only a shop in which nothing moves for a long while is given up.

use crate::args::Options;
use crate::closing::Closing;
use crate::intake;
use crate::journey::{Journeys, Told};
use crate::names::{ASIDE, DECIDING, NOTIFIERS, UNROUTED, VIP_ORDERS};
use crate::orders::Order;
use crate::pace::Pace;
use crate::services::analytics::Analytics;
use crate::services::email::Email;
use crate::services::fraud::FraudCheck;
use crate::services::inventory::Inventory;
use crate::services::notify::Listener;
use crate::services::order::Orders;
use crate::services::payment::Payment;
use crate::services::shipping::Shipping;
use crate::services::{self, Service, audit, undertaker};
use crate::shop::{Shop, lock};
use crate::table::{Picture, Row, Screen};
use leveret::{DeadLetterStats, ShutdownReport};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A shop that is open.
#[derive(Debug)]
pub(crate) struct Day {
    /// What the services share.
    pub(crate) shop: Arc<Shop>,
    lines: Arc<Vec<Vec<u8>>>,
    crew: Vec<JoinHandle<()>>,
    analytics: Arc<Analytics>,
    listeners: Vec<Arc<Listener>>,
    /// Tells the undertaker to leave.
    evening: Arc<AtomicBool>,
    undertaker: Option<JoinHandle<()>>,
    /// What went wrong with running the services themselves.
    faults: Arc<Mutex<Vec<String>>>,
    wanted: Option<u32>,
    stall: Duration,
}

/// What is left of a day.
#[derive(Debug)]
pub(crate) struct Report {
    /// The account.
    pub(crate) closing: Closing,
    /// The journey to be shown.
    pub(crate) journey: Option<String>,
    /// What the services did.
    pub(crate) shop: Arc<Shop>,
    /// What analytics counted.
    pub(crate) analytics: Arc<Analytics>,
    /// Those who only listened, with how much they heard.
    pub(crate) listeners: Vec<Arc<Listener>>,
    /// What became of the dead, as the broker counts.
    pub(crate) letters: DeadLetterStats,
    /// What the broker left behind.
    pub(crate) left: ShutdownReport,
    /// Why the day ended early, if it did.
    pub(crate) faults: Vec<String>,
}

impl Day {
    /// Opens the shop for these orders. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the definitions or the options, or a thread that does not start.
    pub(crate) fn open(options: &Options, lines: Vec<Vec<u8>>) -> Result<Self, String> {
        let wanted = options.journey.as_deref().map(|journey| find(journey, &lines)).transpose()?;
        let shop = Shop::open(Pace::new(options.speed), options.least_patience, Journeys::new(FOLLOWED, wanted))?;
        if let Some(pause) = &options.pause {
            shop.gate.shut(&pause.service);
        }
        let mut day = Self {
            shop: Arc::new(shop),
            lines: Arc::new(lines),
            crew: Vec::new(),
            analytics: Arc::default(),
            listeners: Vec::new(),
            evening: Arc::default(),
            undertaker: None,
            faults: Arc::default(),
            wanted,
            stall: Duration::from_secs(options.stall_secs),
        };
        day.hire_listeners()?;
        day.hire(Arc::new(Orders::default()))?;
        day.hire(Arc::new(Inventory::default()))?;
        day.hire(Arc::new(Payment::default()))?;
        day.hire(Arc::new(FraudCheck::default()))?;
        day.hire(Arc::new(Email::default()))?;
        day.hire(Arc::new(Shipping::default()))?;
        let analytics = Arc::clone(&day.analytics);
        day.hire(analytics)?;
        Ok(day)
    }

    /// Sends the orders, on a thread of its own.
    ///
    /// # Errors
    ///
    /// A thread that does not start.
    pub(crate) fn send(&mut self) -> Result<(), String> {
        let lines = Arc::clone(&self.lines);
        let customers = self.start("customers", move |shop| intake::send(shop, &lines))?;
        self.crew.push(customers);
        Ok(())
    }

    /// Watches until every order came to its end. `false` where the day ends early: nothing moved for too long, or a
    /// service could not be run.
    pub(crate) fn watch(&self, screen: &mut Screen, mut pause: Option<Duration>) -> bool {
        let orders = self.lines.len();
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let ended = self.shop.wait_for_end(orders, screen.interval());
            screen.show(&self.picture());
            if ended >= orders {
                return true;
            }
            if ended > before {
                (before, since) = (ended, Instant::now());
            }
            if pause.is_some_and(|pause| self.shop.age() >= pause) {
                self.shop.gate.open();
                pause = None;
            }
            if !lock(&self.faults).is_empty() {
                return false;
            }
            if since.elapsed() >= self.stall && pause.is_none() {
                let fault = format!("no order came to its end for {} s, with {ended} at it", self.stall.as_secs());
                lock(&self.faults).push(fault);
                return false;
            }
        }
    }

    /// Closes: waits until the queues are empty, puts the letters back, shuts the broker down, and adds up. A day that
    /// ended early is closed at once.
    pub(crate) fn close(mut self, complete: bool) -> Report {
        if complete {
            self.shop.gate.open();
            if !self.wait_until_quiet() {
                lock(&self.faults).push("the queues did not become empty".into());
            }
        }
        self.evening.store(true, Ordering::Release);
        if let Some(undertaker) = self.undertaker.take() {
            let _ = undertaker.join();
        }
        let letters = self.shop.broker.stats().dead_letters;
        let drain = Duration::from_secs(if complete { 5 } else { 0 });
        let left = self.shop.broker.shutdown().drain(drain).wait();
        // Whoever waits for something else than the broker.
        self.shop.gate.open();
        self.shop.house.close();
        for hand in self.crew.drain(..) {
            let _ = hand.join();
        }
        let closing = self.shop.account().close(u32::try_from(self.lines.len()).unwrap_or(u32::MAX));
        Report {
            closing,
            journey: self.journey(),
            letters,
            left,
            faults: std::mem::take(&mut *lock(&self.faults)),
            shop: self.shop,
            analytics: self.analytics,
            listeners: self.listeners,
        }
    }

    /// What everything looks like now.
    pub(crate) fn picture(&self) -> Picture {
        let stats = self.shop.broker.stats();
        let mut rows: Vec<Row> = stats
            .queues
            .iter()
            .map(|queue| Row {
                queue: queue.name.to_string(),
                ready: queue.ready,
                unacked: queue.unacked,
                consumers: queue.consumers,
                came: queue.totals.enqueued,
                went: queue.totals.enqueued.saturating_sub(queue.ready + queue.unacked),
                is_dead_letter: is_for_the_dead(&queue.name),
            })
            .collect();
        rows.sort_by(|a, b| (a.is_dead_letter, &a.queue).cmp(&(b.is_dead_letter, &b.queue)));
        Picture {
            at: self.shop.age(),
            rows,
            sent: (self.shop.sent.load(Ordering::Relaxed), self.lines.len()),
            ended: self.shop.account().ended(),
            inside: self.shop.house.len(),
        }
    }

    /// Waits until nothing is in any queue but those for the dead.
    ///
    /// The queues are read one after the other, so one look is not enough: a message could have moved from one not yet
    /// read to one that was. If nothing was published or died between two looks, nothing moved.
    fn wait_until_quiet(&self) -> bool {
        let start = Instant::now();
        let mut before = None;
        loop {
            let stats = self.shop.broker.stats();
            let work = stats.queues.iter().filter(|queue| !is_for_the_dead(&queue.name));
            let held: u64 = work.map(|queue| queue.ready + queue.unacked).sum();
            let moved = (stats.publishes.published, stats.dead_letters);
            if held == 0 && before == Some(moved) {
                return true;
            }
            before = (held == 0).then_some(moved);
            if start.elapsed() > self.stall {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The journey that was asked for, or that of the completed order that had the most to go through.
    fn journey(&self) -> Option<String> {
        let (journeys, account) = (lock(&self.shop.journeys), self.shop.account());
        let completed = |line| account.fate(line) == crate::account::Fate::Completed;
        let line = self.wanted.or_else(|| journeys.most_eventful(completed))?;
        let order = self.lines.get(line.checked_sub(1)? as usize).map(|line| Order::parse(line));
        let order = order.and_then(Result::ok).map_or_else(|| "(no order)".to_owned(), |order| order.id);
        let told = Told { line, order: &order, steps: journeys.of(line), end: account.fate(line).to_string() };
        Some(told.to_string())
    }

    /// Starts the threads of a service.
    fn hire(&mut self, service: Arc<dyn Service>) -> Result<(), String> {
        for number in 1..=service.threads() {
            let service = Arc::clone(&service);
            let name = format!("{}-{number}", service.name());
            let hand = self.start(&name, move |shop| services::run(shop, &*service))?;
            self.crew.push(hand);
        }
        Ok(())
    }

    /// Starts those who only listen: the first to be there, so that they miss nothing and hold nothing up.
    fn hire_listeners(&mut self) -> Result<(), String> {
        let evening = Arc::clone(&self.evening);
        self.undertaker = Some(self.start("undertaker", move |shop| undertaker::run(shop, &evening))?);
        let audit = self.start("audit", audit::keep_account)?;
        let log = self.start("log", audit::keep_journeys)?;
        self.crew.extend([audit, log]);
        for queue in NOTIFIERS.into_iter().chain([VIP_ORDERS, UNROUTED]) {
            let listener = Arc::new(Listener::new(queue));
            self.listeners.push(Arc::clone(&listener));
            let hand = self.start(queue, move |shop| listener.run(shop))?;
            self.crew.push(hand);
        }
        Ok(())
    }

    fn start(
        &self,
        name: &str,
        work: impl FnOnce(&Shop) -> Result<(), String> + Send + 'static,
    ) -> Result<JoinHandle<()>, String> {
        let (shop, faults) = (Arc::clone(&self.shop), Arc::clone(&self.faults));
        let run = move || {
            if let Err(fault) = work(&shop) {
                lock(&faults).push(fault);
            }
        };
        Builder::new().name(name.to_owned()).spawn(run).map_err(|error| format!("the thread '{name}': {error}"))
    }
}

/// Keeps crashes that orders ask for off the screen. Others are printed as ever.
pub(crate) fn hide_simulated_crashes() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload_as_str().is_some_and(|said| said.starts_with("simulated: ")) {
            usual(info);
        }
    }));
}

/// Whether this is a dead-letter queue.
fn is_for_the_dead(queue: &str) -> bool {
    DECIDING.contains(&queue) || ASIDE.contains(&queue)
}

/// The line that a journey was asked for by: `line-N`, or the id of an order.
fn find(journey: &str, lines: &[Vec<u8>]) -> Result<u32, String> {
    let is_it = |line: &Vec<u8>| Order::parse(line).is_ok_and(|order| order.id == journey);
    let by_number = journey.strip_prefix("line-").and_then(|number| number.parse::<u32>().ok());
    let by_id = || lines.iter().position(is_it).and_then(|at| u32::try_from(at + 1).ok());
    let line = by_number.filter(|line| (1..=lines.len()).contains(&(*line as usize))).or_else(by_id);
    line.ok_or_else(|| format!("--journey: no order '{journey}' among {} lines", lines.len()))
}

/// How many orders are followed on their journey, from the first.
const FOLLOWED: u32 = 10_000;
