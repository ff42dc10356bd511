//! Pure: the bytes of a connection that are not yet a whole request.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::rc::Rc;

use crate::base::limits;
use crate::wire::frame::{self, FrameError, Next};

/// Bytes of the buffer that a connection always has.
const SMALL_BYTES: usize = 8 * 1024;
/// Buffers of large requests have a multiple of this many bytes.
const STEP_BYTES: usize = 16 * 1024;
/// A new buffer of a large request is cleared as it fills, so many bytes at a time: the kernel
/// finds pages for them then, which takes some 100 µs.
const TOUCH_BYTES: usize = 256 * 1024;

/// A connection's receive buffer: small while requests are small. When [`SMALL_BYTES`] of a larger
/// one have arrived, it gets a buffer of its own, which it has until it is begun.
pub struct ReceiveBuffer {
    bytes: Vec<u8>,
    /// The small buffer, while `bytes` is a large one.
    small: Vec<u8>,
    start: usize,
    end: usize,
    large: Rc<LargeBuffers>,
}

/// Buffers of large requests that were answered, for the next ones on any connection of a core.
/// Their memory has been written to: it need not be cleared, and the kernel has pages for it.
#[derive(Default)]
pub struct LargeBuffers {
    idle: RefCell<VecDeque<Vec<u8>>>,
    idle_bytes: Cell<usize>,
}

// === impl ReceiveBuffer ===

impl ReceiveBuffer {
    /// An empty buffer. Buffers of large requests come from `large`.
    pub fn new(large: &Rc<LargeBuffers>) -> ReceiveBuffer {
        ReceiveBuffer {
            bytes: vec![0; SMALL_BYTES],
            small: Vec::new(),
            start: 0,
            end: 0,
            large: Rc::clone(large),
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

    /// Bytes it would occupy after [`Self::make_space`]: those of the whole request, once it is
    /// known to be large and has not only been announced.
    pub fn wanted_bytes(&self) -> usize {
        let announced = self.announced_bytes();
        match announced > SMALL_BYTES && self.partial_bytes() >= SMALL_BYTES {
            true => announced,
            false => SMALL_BYTES,
        }
    }

    /// Moves the bytes that are left to the front of a buffer that is large enough for the rest. A
    /// buffer that is too large to be kept is returned, to be freed in steps.
    #[must_use]
    pub fn make_space(&mut self) -> Option<Vec<u8>> {
        let mut left_over = None;
        let (wanted, partial) = (self.wanted_bytes(), self.start..self.end);
        let count = partial.len();
        if wanted <= SMALL_BYTES && self.is_large() {
            let large = mem::replace(&mut self.bytes, mem::take(&mut self.small));
            // A large buffer ends with its request: nothing of the next one is in it.
            debug_assert_eq!(count, 0);
            left_over = self.large.keep(large);
        } else if wanted > self.bytes.capacity() {
            let mut larger = self.large.take(wanted);
            larger.resize(larger.len().max(count), 0);
            larger[..count].copy_from_slice(&self.bytes[partial]);
            let old = mem::replace(&mut self.bytes, larger);
            match self.small.is_empty() {
                true => self.small = old,
                false => left_over = self.large.keep(old),
            }
        } else if self.start > 0 {
            self.bytes.copy_within(partial, 0);
        }
        self.start = 0;
        self.end = count;
        left_over
    }

    /// Gives up the buffer of a large request. One that is too large to be kept is returned, to be
    /// freed in steps.
    #[must_use]
    pub fn end(&mut self) -> Option<Vec<u8>> {
        if !self.is_large() {
            return None;
        }
        (self.start, self.end) = (0, 0);
        let large = mem::replace(&mut self.bytes, mem::take(&mut self.small));
        self.large.keep(large)
    }

    fn is_large(&self) -> bool {
        !self.small.is_empty()
    }

    /// Where to read into. In the buffer of a large request there is no space for the next one: it
    /// would have to be moved out.
    pub fn spare(&mut self) -> &mut [u8] {
        if !self.is_large() {
            return &mut self.bytes[self.end..];
        }
        let to = self.start + self.announced_bytes();
        if self.bytes.len() < to {
            let touched = to.min(self.end + TOUCH_BYTES).max(self.bytes.len());
            self.bytes.resize(touched, 0);
        }
        let to = to.min(self.bytes.len());
        &mut self.bytes[self.end..to]
    }

    /// `count` bytes were read into [`Self::spare`].
    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }
}

impl Drop for ReceiveBuffer {
    fn drop(&mut self) {
        // One that is too large to be kept is freed at once here: see `end`.
        drop(self.end());
    }
}

// === impl LargeBuffers ===

impl LargeBuffers {
    /// A buffer with memory for at least `bytes`. It may hold bytes of an earlier request.
    fn take(&self, bytes: usize) -> Vec<u8> {
        let mut idle = self.idle.borrow_mut();
        let fits = |buffer: &Vec<u8>| buffer.capacity() >= bytes && buffer.capacity() / 2 <= bytes;
        let found = idle.iter().rposition(fits);
        match found.and_then(|at| idle.remove(at)) {
            Some(buffer) => {
                self.idle_bytes
                    .set(self.idle_bytes.get() - buffer.capacity());
                buffer
            }
            // It is cleared as it fills.
            None => Vec::with_capacity(bytes.next_multiple_of(STEP_BYTES)),
        }
    }

    /// Keeps a buffer for the next request. Where there are too many bytes, those that were not
    /// used for longest are freed; one that is too large by itself is returned.
    fn keep(&self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        if buffer.capacity() > limits::RECEIVE_IDLE_BYTES_MAX {
            return Some(buffer);
        }
        let mut idle = self.idle.borrow_mut();
        let mut idle_bytes = self.idle_bytes.get() + buffer.capacity();
        idle.push_back(buffer);
        while idle_bytes > limits::RECEIVE_IDLE_BYTES_MAX
            && let Some(oldest) = idle.pop_front()
        {
            idle_bytes -= oldest.capacity();
        }
        self.idle_bytes.set(idle_bytes);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buffers that are used again are touched already.
    const RECYCLED_MAX: usize = limits::RECEIVE_IDLE_BYTES_MAX;

    fn feed(buffer: &mut ReceiveBuffer, mut bytes: &[u8], max: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let _ = buffer.make_space();
            let spare = buffer.spare();
            let count = spare.len().min(bytes.len());
            assert!(count > 0 && spare.len() <= TOUCH_BYTES.max(RECYCLED_MAX));
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
            let mut buffer = ReceiveBuffer::new(&Rc::default());
            let frames: Vec<Vec<u8>> = stream
                .chunks(piece)
                .flat_map(|part| feed(&mut buffer, part, 100_000))
                .collect();
            assert_eq!(frames, bodies);
            let _ = buffer.make_space();
            assert_eq!(buffer.capacity_bytes(), SMALL_BYTES);
        }
    }

    #[test]
    fn an_announced_giant_takes_no_memory_before_it_arrives() {
        let mut buffer = ReceiveBuffer::new(&Rc::default());
        assert!(feed(&mut buffer, &90_000_000i32.to_be_bytes(), 100_000_000).is_empty());
        let _ = buffer.make_space();
        assert_eq!(buffer.capacity_bytes(), SMALL_BYTES);
    }

    #[test]
    fn a_new_buffer_is_touched_as_it_fills_and_comes_back_to_be_freed_if_it_is_huge() {
        let large = Rc::new(LargeBuffers::default());
        let mut buffer = ReceiveBuffer::new(&large);
        let mut request = 20_000_000i32.to_be_bytes().to_vec();
        request.resize(10_000_000, 1);
        assert!(feed(&mut buffer, &request, 100_000_000).is_empty());
        let touched = buffer.bytes.len();
        assert!(touched < request.len() + 2 * TOUCH_BYTES, "{touched}");
        let large_one = buffer.end().expect("nothing as large is kept");
        assert!(large_one.capacity() >= 20_000_004);
        assert_eq!(buffer.capacity_bytes(), SMALL_BYTES);
        assert!(buffer.end().is_none() && large.idle.borrow().is_empty());
    }

    #[test]
    fn buffers_of_large_requests_are_used_again_and_bounded() {
        let large = Rc::new(LargeBuffers::default());
        let sizes = [
            9_000, 70_000, 70_100, 900_000, 1_000_000, 5_000_000, 800_000,
        ];
        for count in 1..=8 {
            let mut buffers: Vec<ReceiveBuffer> =
                (0..count).map(|_| ReceiveBuffer::new(&large)).collect();
            for size in sizes {
                let body = vec![count as u8; size];
                let mut request = (size as i32).to_be_bytes().to_vec();
                request.extend_from_slice(&body);
                let (most, last) = request.split_at(size / 2 + 4_500);
                for buffer in &mut buffers {
                    assert!(feed(buffer, most, 10_000_000).is_empty());
                }
                for buffer in &mut buffers {
                    assert_eq!(feed(buffer, last, 10_000_000), [body.as_slice()]);
                    let _ = buffer.make_space();
                    assert_eq!(buffer.capacity_bytes(), SMALL_BYTES);
                }
                let idle: usize = large.idle.borrow().iter().map(Vec::capacity).sum();
                assert_eq!(idle, large.idle_bytes.get());
                assert!(idle <= limits::RECEIVE_IDLE_BYTES_MAX, "{idle}");
            }
        }
        let buffer = large.take(790_000);
        let idle = large.idle_bytes.get();
        drop(buffer);
        assert!(large.take(40_000_000).capacity() >= 40_000_000);
        assert_eq!(
            large.idle_bytes.get(),
            idle,
            "nothing of that size lay there"
        );
        let mut buffer = ReceiveBuffer::new(&large);
        feed(
            &mut buffer,
            &[0x00, 0x00, 0xff, 0xff].repeat(5_000),
            10_000_000,
        );
        drop(buffer);
        assert!(
            large.idle_bytes.get() >= idle,
            "one that goes leaves its buffer"
        );
    }
}
