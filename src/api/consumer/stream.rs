//! A consumer as an iterator and as a stream.

use super::Consumer;
use crate::api::delivery::Delivery;
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Deliveries one after the other, blocking for each; made by [`Consumer::iter`].
#[derive(Debug)]
pub struct Iter<'a> {
    consumer: &'a mut Consumer,
}

impl<'a> Iter<'a> {
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Self { consumer }
    }
}

impl Iterator for Iter<'_> {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        self.consumer.blocking_recv()
    }
}

impl<'a> IntoIterator for &'a mut Consumer {
    type Item = Delivery;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The deliveries, as [`Consumer::recv`] gives them. Ends with the consumer; polling it again then gives `None` again.
impl Stream for Consumer {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_recv(context)
    }
}
