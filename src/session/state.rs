//! The state of a channel beside its ledger: mode, prefetch, last declared queue.
//!
//! Its consumers stand in its inbox, since queues end them.

use super::{Confirms, Transaction};
use crate::base::Name;
use std::fmt;

/// What a channel remembers: `P` is a held publish, `K` a way to settle, `T` a settled delivery.
#[derive(Clone, Debug)]
pub struct SessionState<P, K, T> {
    mode: Mode<P, K, T>,
    /// Prefetch of consumers that start from now on; 0 is no limit.
    pub prefetch: u16,
    /// The queue that was declared last on this channel.
    pub last_queue: Option<Name>,
}

#[derive(Clone, Debug)]
enum Mode<P, K, T> {
    Plain,
    Confirm(Confirms),
    Transactional(Transaction<P, K, T>),
}

/// A mode that this channel cannot have. The texts are RabbitMQ's, all with 406.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeError {
    /// `tx.select` in confirm mode.
    ConfirmToTx,
    /// `confirm.select` in a transaction.
    TxToConfirm,
    /// Commit or rollback without `tx.select`.
    NotTransactional,
}

impl fmt::Display for ModeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfirmToTx => "cannot switch from confirm to tx mode",
            Self::TxToConfirm => "cannot switch from tx to confirm mode",
            Self::NotTransactional => "channel is not transactional",
        })
    }
}

impl std::error::Error for ModeError {}

impl<P, K, T> Default for SessionState<P, K, T> {
    fn default() -> Self {
        Self { mode: Mode::Plain, prefetch: 0, last_queue: None }
    }
}

impl<P, K: PartialEq, T> SessionState<P, K, T> {
    /// Enters confirm mode; nothing changes where the channel is in it.
    ///
    /// # Errors
    ///
    /// [`ModeError::TxToConfirm`].
    pub fn confirm_select(&mut self) -> Result<(), ModeError> {
        match self.mode {
            Mode::Transactional(_) => return Err(ModeError::TxToConfirm),
            Mode::Confirm(_) => {}
            Mode::Plain => self.mode = Mode::Confirm(Confirms::default()),
        }
        Ok(())
    }

    /// Opens a transaction; nothing changes where one is open.
    ///
    /// # Errors
    ///
    /// [`ModeError::ConfirmToTx`].
    pub fn tx_select(&mut self) -> Result<(), ModeError> {
        match self.mode {
            Mode::Confirm(_) => return Err(ModeError::ConfirmToTx),
            Mode::Transactional(_) => {}
            Mode::Plain => self.mode = Mode::Transactional(Transaction::default()),
        }
        Ok(())
    }

    /// The publish numbers, in confirm mode.
    pub fn confirms(&mut self) -> Option<&mut Confirms> {
        match &mut self.mode {
            Mode::Confirm(confirms) => Some(confirms),
            _ => None,
        }
    }

    /// The open transaction, if there is one.
    pub fn transaction(&mut self) -> Option<&mut Transaction<P, K, T>> {
        match &mut self.mode {
            Mode::Transactional(transaction) => Some(transaction),
            _ => None,
        }
    }

    /// The open transaction, for commit and rollback.
    ///
    /// # Errors
    ///
    /// [`ModeError::NotTransactional`].
    pub fn transactional(&mut self) -> Result<&mut Transaction<P, K, T>, ModeError> {
        self.transaction().ok_or(ModeError::NotTransactional)
    }
}
