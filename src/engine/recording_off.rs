//! Recording, in a build without the feature `serde`: there is none. Of these types no value exists but an empty [`With`],
//! so that everything which is told to them compiles to nothing.

use super::Engine;
use crate::base::Moment;
use crate::message::{Properties, Table};
use crate::port::Clock;
use std::sync::Arc;

pub(crate) type Key = (u64, u8, u64, u64);

#[derive(Debug)]
pub(crate) enum Recording {}

#[derive(Debug)]
pub(crate) struct Turn;

#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) recording: Arc<Recording>,
    pub(crate) label: Arc<str>,
}

#[derive(Debug, Default)]
pub(crate) struct With;

impl Recording {
    pub(crate) fn turn(&self, _: &Engine) -> Turn {
        match *self {}
    }

    pub(crate) fn aside<T>(&self, _: &Engine, _: impl FnOnce() -> T) -> T {
        match *self {}
    }

    pub(crate) fn advance_to(&self, _: &Engine, _: Moment) -> bool {
        match *self {}
    }

    pub(crate) fn real(&self) -> Option<&Arc<dyn Clock>> {
        match *self {}
    }

    pub(crate) fn end(&self) {
        match *self {}
    }

    pub(crate) fn next_connection(&self) -> String {
        match *self {}
    }

    pub(crate) fn open(&self, _: &str, _: &'static str, _: With) {
        match *self {}
    }

    pub(crate) fn place(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn reply(&self, _: &str, _: With) {
        match *self {}
    }

    pub(crate) fn event(&self, _: &str, _: &str, _: With) {
        match *self {}
    }

    pub(crate) fn has_seen(&self, _: &str, _: &str) -> bool {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }

    pub(crate) fn omit_step(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn forget_step(&self) {
        match *self {}
    }

    pub(crate) fn omit(&self, _: &str) {
        match *self {}
    }
}

impl Recording {
    pub(crate) fn next_proxy(&self, _: char) -> String {
        match *self {}
    }

    pub(crate) fn ready(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn renew(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn ready_to_publish(&self, _: &str) -> u64 {
        match *self {}
    }

    pub(crate) fn take_back_publish(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn lost(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn delivered(&self, _: &str, _: Option<Key>) -> u64 {
        match *self {}
    }

    pub(crate) fn settled(&self, _: &str, _: Key) -> Option<u64> {
        match *self {}
    }

    pub(crate) fn settled_up_to(&self, _: &str, _: &[Key]) -> Option<u64> {
        match *self {}
    }

    pub(crate) fn forget(&self, _: &str) {
        match *self {}
    }
}

impl Witness {
    pub(crate) fn event(&self, _: &str, _: With) {
        match *self.recording {}
    }

    pub(crate) fn drop_deliveries(&self) {
        match *self.recording {}
    }
}

impl With {
    pub(crate) fn parameters() -> Self {
        Self
    }

    pub(crate) fn fields() -> Self {
        Self
    }

    pub(crate) fn text(&mut self, _: &str, _: &str) -> &mut Self {
        self
    }

    pub(crate) fn flag(&mut self, _: &str, _: bool) -> &mut Self {
        self
    }

    pub(crate) fn number(&mut self, _: &str, _: u64) -> &mut Self {
        self
    }

    pub(crate) fn numbers(&mut self, _: &str, _: &[u64]) -> &mut Self {
        self
    }

    pub(crate) fn arguments(&mut self, _: &Table) -> &mut Self {
        self
    }

    pub(crate) fn has(&self, _: &str) -> bool {
        true
    }

    pub(crate) fn message(&mut self, _: &Properties, _: &[u8]) -> &mut Self {
        self
    }
}
