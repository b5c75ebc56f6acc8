//! A whole shop in one process: seven services on threads, joined by a leveret broker that has the topology of a real
//! RabbitMQ broker's definitions export. Orders in every state of disrepair go in; at the end an account says what
//! became of each.
//!
//! ```text
//! cargo run --release --example checkout
//! cargo run --release --example checkout -- --help
//! ```
//!
//! An order's way:
//!
//! ```text
//! customers ─ orders ─▶ order-processing ─▶ order ─ order.eu.created ─▶ inventory ─ inventory.reserved ─▶ payment
//!                                                         (asks fraud-check, waits for the answer)  ◀────────┘
//!             email, shipping, analytics  ◀─ payment.captured ─┘    cancelled: order.eu.cancelled ─▶ email, analytics
//! ```
//!
//! Read it in this order: [`topology`], [`services`] (the loop, then each service), [`retry`], [`account`], [`run`].

mod account;
mod args;
mod closing;
mod house;
mod intake;
mod journey;
mod make;
mod names;
mod orders;
mod pace;
mod report;
mod retry;
mod run;
mod services;
mod shop;
mod table;
mod topology;

use args::{Command, Options};
use run::Day;
use std::io::{self, BufWriter};
use std::process::ExitCode;
use std::time::Duration;
use table::{Screen, say};

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            say(args::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::MakeOrders { count, seed }) => {
            match make::write(count, seed, BufWriter::new(io::stdout().lock())) {
                Ok(kinds) => {
                    eprintln!("checkout: made {count} orders from seed {seed}: {kinds:?}");
                    ExitCode::SUCCESS
                }
                Err(error) => wrong(&format!("the orders cannot be written: {error}")),
            }
        }
        Ok(Command::Run(options)) => checkout(&options),
        Err(error) => wrong(&error),
    }
}

/// Runs the shop for a day.
fn checkout(options: &Options) -> ExitCode {
    let lines = match orders::read(&options.orders) {
        Ok(lines) => lines,
        Err(error) => return wrong(&error),
    };
    run::hide_simulated_crashes();
    let mut day = match Day::open(options, lines) {
        Ok(day) => day,
        Err(error) => return wrong(&error),
    };
    let complete = match day.send() {
        Ok(()) => {
            let pause = options.pause.as_ref().map(|pause| Duration::from_secs(pause.secs));
            day.watch(&mut Screen::new(options.quiet), pause)
        }
        Err(error) => {
            eprintln!("checkout: {error}");
            false
        }
    };
    let report = day.close(complete);
    say(&report.to_string());
    if report.closing.closes() && report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Something is wrong with what the program was given.
fn wrong(what: &str) -> ExitCode {
    eprintln!("checkout: {what}");
    ExitCode::from(2)
}
