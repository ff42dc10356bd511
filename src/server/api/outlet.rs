//! Drives: the way of answers to a client.

use std::cell::Cell;
use std::io::{self, IoSlice};

use crate::io::stream::Stream;

/// Where the answers of one connection go.
pub struct Outlet {
    stream: Stream,
    is_shut: Cell<bool>,
}

impl Outlet {
    /// The way to the client at the other end of `stream`.
    pub fn new(stream: Stream) -> Outlet {
        Outlet {
            stream,
            is_shut: Cell::new(false),
        }
    }

    /// The client's byte stream.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether the client still takes answers.
    pub fn takes_answers(&self) -> bool {
        !self.is_shut.get()
    }

    /// The client takes no more answers: from now on they are dropped. Its requests are still
    /// carried out.
    pub fn shut(&self) {
        self.is_shut.set(true);
    }

    /// Sends an answer.
    pub async fn send(&self, answer: &[u8]) -> io::Result<()> {
        match self.takes_answers() {
            true => self.stream.write_all(answer).await,
            false => Ok(()),
        }
    }

    /// As [`Self::send`], for an answer in several pieces.
    pub async fn send_vectored(&self, pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
        match self.takes_answers() {
            true => self.stream.write_all_vectored(pieces).await,
            false => Ok(()),
        }
    }
}
