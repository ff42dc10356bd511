//! Pure: the bytes of a connection that are not yet a whole request.

use std::ops::Range;

use crate::wire::frame::{self, FrameError, Next};

/// Room a connection starts with and falls back to.
const SMALL_BYTES: usize = 8 * 1024;

/// A receive buffer that grows with what has arrived, never with what was merely announced,
/// and gives the room back once a large request is through.
pub struct ReceiveBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReceiveBuffer {
    /// An empty buffer.
    pub fn new() -> ReceiveBuffer {
        ReceiveBuffer {
            bytes: vec![0; SMALL_BYTES],
            start: 0,
            end: 0,
        }
    }

    /// The next whole request, without its length prefix, as a range for [`Self::bytes`]; `None`
    /// when more must be read first. `max_bytes` is `socket.request.max.bytes`.
    pub fn next_frame(&mut self, max_bytes: usize) -> Result<Option<Range<usize>>, FrameError> {
        match frame::next(&self.bytes[self.start..self.end], max_bytes as i32)? {
            Next::Missing(_) => Ok(None),
            Next::Frame(frame) => {
                let from = self.start + frame::PREFIX_BYTES;
                self.start = from + frame.len();
                Ok(Some(from..self.start))
            }
        }
    }

    /// The bytes of a range that [`Self::next_frame`] gave.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Bytes that wait for the rest of their request.
    pub fn partial_bytes(&self) -> usize {
        self.end - self.start
    }

    /// Bytes this buffer occupies.
    #[cfg(test)]
    fn capacity_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the request that has begun to arrive, its length prefix included; 0 when none
    /// has, or its length is not known yet. [`Self::next_frame`] has checked the length.
    pub fn announced_bytes(&self) -> usize {
        let partial = &self.bytes[self.start..self.end];
        let length = partial.first_chunk().copied().map(i32::from_be_bytes);
        let length = length.and_then(|length| usize::try_from(length).ok());
        length.map_or(0, |length| length + frame::PREFIX_BYTES)
    }

    /// The API key of the request that has begun to arrive, as soon as it is there.
    pub fn announced_key(&self) -> Option<i16> {
        let partial = &self.bytes[self.start..self.end];
        let key = partial.get(frame::PREFIX_BYTES..)?.first_chunk().copied();
        key.map(i16::from_be_bytes)
    }

    /// Bytes it would occupy after [`Self::make_room`]: enough for twice what has arrived, as
    /// far as the request goes.
    pub fn wanted_bytes(&self) -> usize {
        let (partial, announced) = (self.partial_bytes(), self.announced_bytes());
        if partial.max(announced) <= SMALL_BYTES {
            return SMALL_BYTES;
        }
        if partial < self.bytes.len() {
            return self.bytes.len();
        }
        (self.bytes.len() * 2).min(announced.max(partial + 1))
    }

    /// Moves what is left to the front, and grows when the buffer is full of one partial request.
    pub fn make_room(&mut self) {
        let wanted = self.wanted_bytes();
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if wanted != self.bytes.len() {
            self.bytes.resize(wanted, 0);
            self.bytes.shrink_to_fit();
        }
    }

    /// The room to read into.
    pub fn spare(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// `count` bytes were read into the spare room.
    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(buffer: &mut ReceiveBuffer, mut bytes: &[u8], max: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            buffer.make_room();
            let spare = buffer.spare();
            let count = spare.len().min(bytes.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            buffer.filled(count);
            bytes = &bytes[count..];
            while let Some(range) = buffer.next_frame(max).unwrap() {
                frames.push(buffer.bytes(range).to_vec());
            }
        }
        frames
    }

    #[test]
    fn requests_come_out_whole_however_they_arrive() {
        let mut stream = Vec::new();
        let bodies: Vec<Vec<u8>> = [10, 0, 70_000, 3]
            .iter()
            .map(|n| vec![7u8; *n as usize])
            .collect();
        for body in &bodies {
            stream.extend_from_slice(&(body.len() as i32).to_be_bytes());
            stream.extend_from_slice(body);
        }
        for piece in [1, 3, 1_000, stream.len()] {
            let mut buffer = ReceiveBuffer::new();
            let frames: Vec<Vec<u8>> = stream
                .chunks(piece)
                .flat_map(|part| feed(&mut buffer, part, 100_000))
                .collect();
            assert_eq!(frames, bodies);
            buffer.make_room();
            assert_eq!(buffer.capacity_bytes(), SMALL_BYTES);
        }
    }

    #[test]
    fn an_announced_giant_takes_no_room_before_it_arrives() {
        let mut buffer = ReceiveBuffer::new();
        assert!(feed(&mut buffer, &90_000_000i32.to_be_bytes(), 100_000_000).is_empty());
        buffer.make_room();
        assert_eq!(buffer.capacity_bytes(), SMALL_BYTES);
    }
}
