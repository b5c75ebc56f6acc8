//! An incident in production becomes a test: recorded there, saved as JSON, replayed here.
//!
//! `cargo run --example testing_incident --features testing`

use leveret::{Broker, Message, Queue, Topology, Trace, TraceLog};
use std::error::Error;
use std::time::{Duration, Instant};

/// What the shop declares. The time a failed order waits is what went wrong.
fn shop(wait: Duration) -> Topology {
    Topology::new()
        .queue(Queue::new("orders").dead_letter_to("orders.retry"))
        .queue(Queue::new("orders.retry").message_ttl(wait).dead_letter_to("orders"))
}

/// How often the order fails, a second after the other.
const ATTEMPTS: u64 = 3;

/// The incident: an order fails again and again, and each time comes back too soon.
fn production(log: &TraceLog) -> Result<(), Box<dyn Error>> {
    // In production the clock would be the system's; here an hour is not to take one.
    let broker = Broker::builder().manual_time().trace(log).build();
    broker.declare(&shop(Duration::from_millis(500)))?;
    let mut orders = broker.consumer("orders").prefetch(1).tag("billing").open()?;
    broker.publish("", "orders", Message::new("book").message_id("o-1"))?;
    for attempt in 0..ATTEMPTS {
        let order = orders.try_recv()?;
        assert_eq!(order.deaths().len(), if attempt == 0 { 0 } else { 2 });
        order.reject();
        broker.advance(Duration::from_secs(1));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let log = TraceLog::new(64 << 20);
    production(&log)?;
    let incident = log.trace().named("too-soon", "a failed order comes back after half a second");
    let file = std::env::temp_dir().join("leveret-incident.json");
    std::fs::write(&file, incident.to_json())?;
    println!("{} steps are in {}", incident.len(), file.display());

    // In a test: the same steps lead to the same.
    let saved = Trace::parse(&std::fs::read_to_string(&file)?)?;
    let report = saved.replay(Broker::builder())?;
    println!("replayed: {} steps, {} events as they were", report.steps, report.events);

    // And with the wait that there should have been, the order does not come back within the second.
    let mended = saved.to_json().replace(r#""x-message-ttl":500"#, r#""x-message-ttl":60000"#);
    match Trace::parse(&mended)?.replay(Broker::builder()) {
        Ok(_) => Err("a minute is no half second".into()),
        Err(divergence) => {
            println!("with a minute to wait it goes otherwise:\n{divergence}");
            let slept = 3 * ATTEMPTS;
            println!("the same with real sleeps would take {slept} s; this took {:?}", begun.elapsed());
            Ok(())
        }
    }
}
