//! The example `checkout`, small: its modules are taken as they are, so that their own tests run here too, and a day of
//! the shop is lived with a few hundred orders as fast as the machine can.

#![allow(dead_code, missing_docs)]

#[path = "../examples/checkout/account.rs"]
mod account;
#[path = "../examples/checkout/args.rs"]
mod args;
#[path = "../examples/checkout/closing.rs"]
mod closing;
#[path = "../examples/checkout/house.rs"]
mod house;
#[path = "../examples/checkout/intake.rs"]
mod intake;
#[path = "../examples/checkout/journey.rs"]
mod journey;
#[path = "../examples/checkout/make.rs"]
mod make;
#[path = "../examples/checkout/names.rs"]
mod names;
#[path = "../examples/checkout/orders.rs"]
mod orders;
#[path = "../examples/checkout/pace.rs"]
mod pace;
#[path = "../examples/checkout/report.rs"]
mod report;
#[path = "../examples/checkout/retry.rs"]
mod retry;
#[path = "../examples/checkout/run.rs"]
mod run;
#[path = "../examples/checkout/services/mod.rs"]
mod services;
#[path = "../examples/checkout/shop.rs"]
mod shop;
#[path = "../examples/checkout/table.rs"]
mod table;
#[path = "../examples/checkout/topology.rs"]
mod topology;

use account::Fate;
use args::{Options, Pause};
use make::{Kind, Made};
use names::{EMAIL, FRAUD_CHECK, INVENTORY, ORDER, PAYMENT, SERVICES, SHIPPING};
use orders::{ALWAYS, What};
use run::{Day, Report};
use shop::lock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use table::Screen;

/// As fast as it goes, but payment waits for its answers: a busy machine must not change what becomes of an order.
fn options() -> Options {
    let patient = Duration::from_secs(60);
    let fast = pace::Pace::FASTEST;
    Options { speed: fast, quiet: true, stall_secs: 120, least_patience: patient, ..Options::default() }
}

fn lines(made: &[Made]) -> Vec<Vec<u8>> {
    made.iter().map(|made| made.line.clone().into_bytes()).collect()
}

fn live(made: &[Made], options: &Options) -> Report {
    run::hide_simulated_crashes();
    let mut day = Day::open(options, lines(made)).expect("the shop opens");
    day.send().expect("customers come");
    let complete = day.watch(&mut Screen::new(true), None);
    let report = day.close(complete);
    assert!(complete, "{report}");
    report
}

/// Whether the fraud check does not answer for an order of this kind at first, or at all.
fn is_unanswered(kind: Kind) -> bool {
    matches!(kind, Kind::Troubled(What::Silent | What::Crash, FRAUD_CHECK, _))
}

/// What is to become of an order of this kind.
fn expected(kind: Kind) -> Fate {
    let cancelled = |reason: &str| Fate::Cancelled(Arc::from(reason));
    let dead = |queue, reason: &str| Fate::Dead(queue, Arc::from(reason));
    match kind {
        Kind::Good => Fate::Completed,
        Kind::BrokenJson => dead("order-processing-dlq", "malformed: broken JSON"),
        Kind::MissingField => dead("order-processing-dlq", "malformed: missing field `product`"),
        Kind::BadValue => dead("order-processing-dlq", "malformed: quantity is zero"),
        Kind::UnknownProduct => cancelled("unknown product"),
        Kind::OutOfStock => cancelled("out of stock"),
        Kind::Declined => cancelled("card declined"),
        Kind::Fraud => cancelled("fraud suspected"),
        Kind::Repeated => cancelled(account::REPEATED),
        Kind::Troubled(What::Refused, EMAIL, _) => dead("email.dlq", "the address does not exist"),
        Kind::Troubled(What::Flaky, INVENTORY, ALWAYS) => dead("inventory.dlq", "the stock database is away, 4 times"),
        Kind::Troubled(What::Flaky, PAYMENT, ALWAYS) => dead("payment.dlq", "the card network is away, 4 times"),
        Kind::Troubled(What::Flaky, SHIPPING, ALWAYS) => dead("shipping.dlq", "the carrier is away, 4 times"),
        Kind::Troubled(What::Crash, INVENTORY, ALWAYS) => {
            dead("inventory.dlq", "poison: it crashed the service 3 times")
        }
        Kind::Troubled(What::Crash, SHIPPING, ALWAYS) => dead("shipping.dlq", "poison: it crashed the service 3 times"),
        Kind::Troubled(..) => Fate::Completed,
    }
}

/// Every kind at least twice, and good ones between: a small file has the rare kinds too.
fn some_of_all(count: u32) -> Vec<Made> {
    let mut kept = std::collections::BTreeMap::<String, u32>::new();
    let many = make::make(5_000, 77);
    let chosen = many.into_iter().filter(|made| {
        let number = kept.entry(format!("{:?}", made.kind)).or_default();
        *number += 1;
        *number <= if made.kind == Kind::Good { count } else { 2 }
    });
    chosen.collect()
}

#[test]
fn the_account_closes_with_every_order_where_it_belongs() {
    let mut made = some_of_all(260);
    // A repeated order is one only if the order whose id it has is there too; here it may have been left out. And those
    // that the fraud check does not answer would be waited for.
    made.retain(|made| made.kind != Kind::Repeated && !is_unanswered(made.kind));
    let twice = made.iter().find(|made| made.kind == Kind::Good).expect("a good one").line.clone();
    made.push(Made { kind: Kind::Repeated, line: twice });
    let report = live(&made, &options());
    assert!(report.closing.closes(), "{report}");
    assert!(report.faults.is_empty() && report.lost_letters() == 0, "{report}");
    let account = report.shop.account();
    for (line, made) in (1..).zip(&made) {
        assert_eq!(account.fate(line), expected(made.kind), "line {line}: {made:?}");
    }
    // Every letter that was read lies in its queue still: nothing was taken away.
    let left: u64 = report.left.left.iter().map(|left| left.ready).sum();
    assert_eq!(left, u64::from(report.closing.dead_sum()) + report.closing.aside.values().sum::<u64>(), "{report}");
    assert!(report.left.drained, "{report}");
}

#[test]
fn duplicates_and_crashes_are_met_and_change_nothing() {
    let mut made = some_of_all(200);
    made.retain(|made| !is_unanswered(made.kind));
    let report = live(&made, &options());
    assert!(report.closing.closes(), "{report}");
    let tally = |service: &str| {
        let (_, tally) = report.shop.tallies.iter().find(|(name, _)| *name == service).expect("a service");
        [&tally.duplicates, &tally.retries, &tally.crashes, &tally.given_up].map(|count| count.load(Ordering::Relaxed))
    };
    let [sent_twice, _, crashes, malformed] = tally(ORDER);
    assert_eq!((sent_twice, crashes, malformed), (made.len() as u64 / 50, 2, 6));
    // Two orders that crash it twice and then pass, two that crash it three times; their events came twice from ORDER.
    let [seen_twice, retries, crashes, given_up] = tally(INVENTORY);
    assert_eq!((seen_twice, retries, crashes, given_up), (2, 2 * 2 + 2 * 3, 2 * 2 + 2 * 3, 4));
}

/// Whether a question is answered in time is a matter of time; that each order is accounted for is not.
#[test]
fn questions_without_answers_end_in_time() {
    let unanswered: Vec<Made> = some_of_all(20).into_iter().filter(|made| is_unanswered(made.kind)).collect();
    assert_eq!(unanswered.len(), 4);
    let report = live(&unanswered, &Options { least_patience: Duration::from_millis(60), ..options() });
    assert!(report.closing.closes(), "{report}");
    let account = report.shop.account();
    let gone = Fate::Dead("payment.dlq", Arc::from("no answer from the fraud check, 4 times"));
    for (line, made) in (1..).zip(&unanswered) {
        let poison = matches!(made.kind, Kind::Troubled(What::Crash, ..));
        let fate = account.fate(line);
        // On a machine that is busy enough, no answer may come in time to a good question either.
        assert!(fate == gone || (!poison && fate == Fate::Completed), "line {line}: {fate}");
    }
    // Four questions for each of the two: the broker put them away, for their returns or for their age.
    let letters: u64 =
        report.closing.aside.iter().filter(|((queue, _), _)| *queue == "fraud-check.dlq").map(|(_, n)| n).sum();
    assert!(letters >= 8, "{report}");
}

#[test]
fn a_journey_has_its_steps_in_their_order() {
    let made: Vec<Made> = some_of_all(3)
        .into_iter()
        .filter(|made| matches!(made.kind, Kind::Good | Kind::Troubled(What::Flaky, INVENTORY, 2)))
        .collect();
    let report = live(&made, &options());
    let flaky = (1..).zip(&made).find(|(_, made)| made.kind != Kind::Good).map(|(line, _)| line).expect("one");
    let journeys = lock(&report.shop.journeys);
    let steps: Vec<(&str, Option<&str>)> =
        journeys.of(flaky).iter().map(|step| (step.key.as_str(), step.note.as_deref())).collect();
    let first: Vec<&str> = steps.iter().take(6).map(|(key, _)| *key).collect();
    assert!(first[0].starts_with("order.") && first[0].ends_with(".created"), "{steps:?}");
    let retried = "inventory.retried";
    assert_eq!(first[1..], [retried, retried, "inventory.reserved", "fraud-check.cleared", "payment.captured"]);
    assert_eq!(steps[1].1, Some("the stock database is away"));
    assert_eq!(steps[2].1, Some("attempt 2: the stock database is away"));
    let mut last: Vec<&str> = steps.iter().skip(6).map(|(key, _)| *key).collect();
    last.sort_unstable();
    assert_eq!(last, ["email.sent", "shipping.dispatched"]);
    let told = report.journey.as_deref().expect("a journey");
    assert!(told.contains(&format!("correlation id line-{flaky}")) && told.ends_with("end: completed"), "{told}");
}

/// While a service stands still, everything before it fills up to its bound and stops, and goes on afterwards.
#[test]
fn a_service_that_stands_still_holds_everybody_up_and_nothing_grows() {
    run::hide_simulated_crashes();
    let beyond = topology::QUEUE_BOUND + topology::HOUSE + 500;
    let made = make::make(u32::try_from(beyond).expect("small"), 5);
    for service in [SHIPPING, ORDER] {
        let pause = Some(Pause { service: service.into(), secs: 0 });
        let still = Options { pause, least_patience: Duration::from_millis(60), ..options() };
        let mut day = Day::open(&still, lines(&made)).expect("the shop opens");
        day.send().expect("customers come");
        let full = |day: &Day| day.shop.broker.queue("order-processing").expect("a queue").stats().ready as usize;
        while full(&day) < topology::QUEUE_BOUND {
            std::thread::yield_now();
        }
        // More would come if it could.
        (0..1_000).for_each(|_| std::thread::yield_now());
        let stats = day.shop.broker.stats();
        for queue in &stats.queues {
            assert!(queue.ready as usize <= topology::QUEUE_BOUND, "{queue:?}");
            assert!(queue.unacked <= 512 || queue.name.ends_with("dlq"), "{queue:?}");
        }
        assert!(day.shop.house.len() <= topology::HOUSE);
        assert!(day.shop.sent.load(Ordering::Relaxed) < made.len(), "the customers were not held up");
        let complete = day.watch(&mut Screen::new(true), Some(Duration::ZERO));
        let report = day.close(complete);
        assert!(complete && report.closing.closes(), "{report}");
    }
}

#[test]
fn an_account_that_does_not_close_says_what_is_missing() {
    let made: Vec<Made> = some_of_all(20).into_iter().filter(|made| made.kind == Kind::Good).collect();
    let pause = Some(Pause { service: SHIPPING.into(), secs: 0 });
    let mut day = Day::open(&Options { pause, stall_secs: 1, ..options() }, lines(&made)).expect("the shop opens");
    day.send().expect("customers come");
    // Nobody lets shipping go on.
    assert!(!day.watch(&mut Screen::new(true), None));
    let report = day.close(false);
    assert!(!report.closing.closes());
    assert_eq!(report.closing.missing.len(), made.len(), "{report}");
    let said = report.to_string();
    assert!(said.contains("missing: line 1: seen: order.created, inventory.reserved, payment.captured"), "{said}");
    assert!(said.contains("account does NOT close (20 missing, 0 double): 20 orders"), "{said}");
    assert!(said.contains("fault: no order came to its end for 1 s"), "{said}");
}

#[test]
fn the_orders_file_is_what_its_seed_makes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/orders.jsonl");
    let file = orders::read(&path).expect("an orders file");
    let mut written = Vec::new();
    make::write(5_000, args::SEED, &mut written).expect("written");
    assert_eq!(file.len(), 5_000);
    assert!(std::fs::read(&path).expect("read") == written, "make it anew: checkout --make-orders 5000");
    assert!(written.len() < 1_000_000);
}

#[test]
fn every_service_is_in_the_tallies() {
    assert_eq!(SERVICES.len(), 7);
    let shop = shop::Shop::open(pace::Pace::new(1.0), Duration::ZERO, journey::Journeys::new(1, None)).expect("open");
    assert!(shop.tallies.iter().zip(SERVICES).all(|((name, _), service)| *name == service));
}
