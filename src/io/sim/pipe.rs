//! Pure: the bytes that go one way over a simulated connection.

use std::collections::VecDeque;
use std::task::Waker;

use crate::base::Instant;

/// One direction of a connection: what is under way, and what has arrived and was not read.
#[derive(Default)]
pub(super) struct Pipe {
    /// In order, with the time at which each arrives.
    under_way: VecDeque<(Instant, Piece)>,
    arrived: VecDeque<u8>,
    /// Bytes under way.
    bytes_under_way: usize,
    /// When the last piece arrives: none overtakes it.
    last_at: Instant,
    /// The writer sends no more.
    is_ended: bool,
    /// The end has arrived.
    has_end_arrived: bool,
    /// The reader takes no more.
    pub is_reader_gone: bool,
    /// Waits for something to read.
    pub reader: Option<Waker>,
    /// Waits for space.
    pub writer: Option<Waker>,
}

enum Piece {
    Bytes(Vec<u8>),
    End,
}

impl Pipe {
    /// Bytes that the writer has sent and the reader has not read.
    pub fn bytes(&self) -> usize {
        self.bytes_under_way + self.arrived.len()
    }

    /// Whether the writer has said that it sends no more.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Sends `bytes`, which arrive at `at` or behind what was sent before.
    pub fn send(&mut self, bytes: Vec<u8>, at: Instant) {
        self.bytes_under_way += bytes.len();
        self.push(Piece::Bytes(bytes), at);
    }

    /// Says that nothing more is sent.
    pub fn end(&mut self, at: Instant) {
        if !self.is_ended {
            self.is_ended = true;
            self.push(Piece::End, at);
        }
    }

    fn push(&mut self, piece: Piece, at: Instant) {
        self.last_at = self.last_at.max(at);
        self.under_way.push_back((self.last_at, piece));
    }

    /// When the next piece arrives.
    pub fn next_at(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    /// Takes in what arrives until `now`.
    pub fn arrive(&mut self, now: Instant) {
        while self.next_at().is_some_and(|at| at <= now)
            && let Some((_, piece)) = self.under_way.pop_front()
        {
            match piece {
                Piece::Bytes(bytes) => {
                    self.bytes_under_way -= bytes.len();
                    self.arrived.extend(bytes);
                }
                Piece::End => self.has_end_arrived = true,
            }
        }
    }

    /// Bytes that have arrived and were not read.
    pub fn arrived(&self) -> usize {
        self.arrived.len()
    }

    /// Whether all has been read that ever comes.
    pub fn is_read_to_its_end(&self) -> bool {
        self.arrived.is_empty() && self.has_end_arrived
    }

    /// Reads what has arrived into all of `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) {
        let arrived = self.arrived.drain(..buffer.len());
        for (place, byte) in buffer.iter_mut().zip(arrived) {
            *place = byte;
        }
    }

    /// The reader takes nothing any more, not even what has arrived.
    pub fn leave(&mut self) {
        self.is_reader_gone = true;
        self.arrived.clear();
        self.under_way.clear();
        self.bytes_under_way = 0;
    }

    /// The tasks that wait at either end.
    pub fn take_waiting(&mut self) -> impl Iterator<Item = Waker> + use<> {
        [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_arrive_in_their_order_and_the_end_comes_last() {
        let mut pipe = Pipe::default();
        pipe.send(vec![1, 2], Instant(50));
        pipe.send(vec![3], Instant(20));
        pipe.end(Instant(10));
        assert_eq!((pipe.bytes(), pipe.next_at()), (3, Some(Instant(50))));
        pipe.arrive(Instant(49));
        assert_eq!((pipe.arrived(), pipe.is_read_to_its_end()), (0, false));
        pipe.arrive(Instant(50));
        let mut read = [0; 2];
        pipe.read(&mut read);
        assert_eq!((read, pipe.bytes(), pipe.next_at()), ([1, 2], 1, None));
        assert!(!pipe.is_read_to_its_end());
        pipe.read(&mut read[..1]);
        assert!(read[0] == 3 && pipe.is_read_to_its_end() && pipe.is_ended());
        pipe.send(vec![4; 9], Instant(60));
        pipe.leave();
        assert_eq!((pipe.bytes(), pipe.next_at()), (0, None));
    }
}
