//! Drives: a simulated connection and its two ends.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::SimNet;
use crate::base::Instant;
use crate::io::sim::pipe::Pipe;
use crate::io::sim::task::SimRuntime;

/// A connection: the client's end is 0, the listener's 1.
pub(super) struct Wire {
    net: SimNet,
    ends: [SocketAddr; 2],
    /// By the end that writes.
    pipes: [RefCell<Pipe>; 2],
    is_lost: Cell<bool>,
}

/// One end of a connection; closed when it is dropped.
pub struct SimStream {
    wire: Rc<Wire>,
    end: usize,
}

// === impl Wire ===

impl Wire {
    /// A new connection of these two addresses; its ends.
    pub fn new(net: &SimNet, ends: [SocketAddr; 2]) -> (Rc<Wire>, [SimStream; 2]) {
        let wire = Rc::new(Wire {
            net: net.clone(),
            ends,
            pipes: Default::default(),
            is_lost: Cell::new(false),
        });
        let streams = [0, 1].map(|end| SimStream {
            wire: Rc::clone(&wire),
            end,
        });
        (wire, streams)
    }

    /// Where the listener is.
    pub fn address(&self) -> SocketAddr {
        self.ends[1]
    }

    fn is_cut(&self) -> bool {
        self.net.is_cut(self.ends[0].ip(), self.address())
    }

    /// When what is sent now arrives.
    fn arrival(&self) -> Instant {
        self.net.arrival(self.ends.map(|end| end.ip()))
    }

    /// Has both ends look again.
    pub fn wake(&self) {
        for pipe in &self.pipes {
            let waiting = pipe.borrow_mut().take_waiting();
            waiting.for_each(Waker::wake);
        }
    }

    /// Both ends find the connection lost.
    pub fn lose(&self) {
        self.is_lost.set(true);
        self.wake();
    }

    fn check(&self) -> io::Result<()> {
        match self.is_lost.get() {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

// === impl SimStream ===

impl SimStream {
    /// The other side's address.
    pub fn peer(&self) -> SocketAddr {
        self.wire.ends[1 - self.end]
    }

    /// This side's address.
    pub fn local(&self) -> SocketAddr {
        self.wire.ends[self.end]
    }

    /// The executor that moves its bytes.
    pub(in crate::io) fn runtime(&self) -> SimRuntime {
        SimRuntime::new(Rc::clone(&self.net().0.tasks))
    }

    fn net(&self) -> &SimNet {
        &self.wire.net
    }

    fn outgoing(&self) -> &RefCell<Pipe> {
        &self.wire.pipes[self.end]
    }

    fn incoming(&self) -> &RefCell<Pipe> {
        &self.wire.pipes[1 - self.end]
    }

    /// Whether chance has it, once in so many times.
    fn one_in(&self, every: usize) -> bool {
        every > 0 && self.net().0.random.borrow_mut().one_in(every)
    }

    /// A part of `len`, which is at least 1; most often all of it.
    fn some_of(&self, len: usize) -> usize {
        match self.one_in(4) {
            true => 1 + self.net().0.random.borrow_mut().below(len),
            false => len,
        }
    }

    /// Reads some of what has arrived; 0 at the end.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.wire.check()?;
        let mut pipe = self.incoming().borrow_mut();
        if pipe.is_reader_gone {
            return Poll::Ready(Ok(0));
        }
        let is_cut = self.wire.is_cut();
        if !is_cut {
            pipe.arrive(self.net().now());
        }
        let there = pipe.arrived().min(buffer.len());
        if there > 0 {
            let count = self.some_of(there);
            pipe.read(&mut buffer[..count]);
            let writer = pipe.writer.take();
            drop(pipe);
            if let Some(waker) = writer {
                waker.wake();
            }
            return Poll::Ready(Ok(count));
        }
        if pipe.is_read_to_its_end() || buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if let Some(at) = pipe.next_at().filter(|_| !is_cut) {
            self.net().0.tasks.time.wake_at(at, cx.waker());
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Sends some of `slices`, of which one is not empty.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wire.check()?;
        let weather = self.net().0.weather.get();
        if self.one_in(weather.lost_one_in) {
            self.wire.lose();
            self.wire.check()?;
        }
        let mut pipe = self.outgoing().borrow_mut();
        let is_cut = self.wire.is_cut();
        // Through a cut nothing is heard of an other side that is gone.
        if pipe.is_ended() || (pipe.is_reader_gone && !is_cut) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let space = weather.buffer_bytes.saturating_sub(pipe.bytes());
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        if len == 0 {
            return Poll::Ready(Ok(0));
        }
        if space == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = self.some_of(len.min(space));
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
        pipe.send(bytes.take(count).collect(), self.wire.arrival());
        self.tell_reader(&pipe, is_cut);
        Poll::Ready(Ok(count))
    }

    /// Has the reader look when the next piece arrives.
    fn tell_reader(&self, pipe: &Pipe, is_cut: bool) {
        if let (Some(at), Some(waker)) = (pipe.next_at(), &pipe.reader)
            && !is_cut
        {
            self.net().0.tasks.time.wake_at(at, waker);
        }
    }

    /// Ends one direction or both. What was sent before still arrives.
    pub fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Read {
            let mut pipe = self.outgoing().borrow_mut();
            pipe.end(self.wire.arrival());
            self.tell_reader(&pipe, self.wire.is_cut());
        }
        if how != Shutdown::Write {
            let waiting = {
                let mut pipe = self.incoming().borrow_mut();
                pipe.leave();
                pipe.take_waiting()
            };
            waiting.for_each(Waker::wake);
        }
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.shutdown(Shutdown::Both);
    }
}
