//! Drives: flushes of the logs' own files, and what they make durable.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::{Rc, Weak};

use crate::base::Offset;
use crate::io::event::Event;
use crate::io::file::File;
use crate::io::runtime::Runtime;
use crate::log::inner::{FailedOperation, Inner};

/// Logs of one device that are flushed at the same time. The kernel serves the flushes that wait
/// for the device with one of its commands.
const AT_ONCE: usize = 16;

/// Where a log stands with its flushes.
#[derive(Default)]
pub struct Flushing {
    /// Whether what is written by now is to be flushed, and no flush of that has begun.
    is_wanted: Cell<bool>,
    is_under_way: Cell<bool>,
}

/// Tasks that flush logs, each one log at a time, in the order in which that was asked for.
#[derive(Default)]
pub struct Flushers {
    queue: RefCell<VecDeque<Rc<Inner>>>,
    /// Calls for those of the tasks that have nothing to do.
    idle: RefCell<Vec<Rc<Event>>>,
    count: Cell<usize>,
}

// === impl Flushers ===

impl Flushers {
    /// Logs whose flush has not begun.
    pub fn waiting_count(&self) -> usize {
        self.queue.borrow().len()
    }

    fn enlist(self: &Rc<Self>, log: &Rc<Inner>) {
        self.queue.borrow_mut().push_back(Rc::clone(log));
        let idle = self.idle.borrow_mut().pop();
        match idle {
            Some(called) => called.call(),
            None if self.count.get() < AT_ONCE => self.add_one(log.logs.disk().runtime()),
            None => {}
        }
    }

    fn add_one(self: &Rc<Self>, runtime: &Runtime) {
        self.count.set(self.count.get() + 1);
        // Weak, so that the task does not keep alive what it serves.
        let these = Rc::downgrade(self);
        runtime.spawn(async move { flush_on(these).await });
    }

    fn next(&self) -> Option<Rc<Inner>> {
        self.queue.borrow_mut().pop_front()
    }

    /// What the device has dropped is not known: every log that waits fails, and so does each that
    /// has written and begins to wait later (see [`Inner::after_flush`]).
    fn fail(&self, error: &io::Error) {
        while let Some(log) = self.next() {
            log.fail(FailedOperation::Flush, error);
        }
    }
}

impl Drop for Flushers {
    fn drop(&mut self) {
        // The tasks find that it is gone, and end.
        self.idle.borrow().iter().for_each(|it| it.call());
    }
}

async fn flush_on(flushers: Weak<Flushers>) {
    let called = Rc::new(Event::default());
    while let Some(these) = flushers.upgrade() {
        while let Some(log) = these.next() {
            log.flush_now(&these).await;
        }
        these.idle.borrow_mut().push(Rc::clone(&called));
        drop(these);
        called.wait().await;
    }
}

// === impl Inner ===

impl Inner {
    /// Has everything written so far flushed. A flush under way does not cover it; the next one
    /// does, together with what is written until that begins.
    pub fn flush(self: &Rc<Self>) {
        let Flushing {
            is_wanted,
            is_under_way,
        } = &self.flushing;
        if !is_wanted.replace(true) && !is_under_way.get() {
            self.logs.flushers().enlist(self);
        }
    }

    async fn flush_now(self: &Rc<Self>, flushers: &Rc<Flushers>) {
        self.flushing.is_under_way.set(true);
        self.flushing.is_wanted.set(false);
        let upto = self.written_offset.get();
        let flushed = self.flush_files(upto).await;
        self.flushing.is_under_way.set(false);
        match flushed {
            Ok(()) => self.after_flush(upto),
            Err(error) => {
                self.fail(FailedOperation::Flush, &error);
                flushers.fail(&error);
            }
        }
        if self.flushing.is_wanted.get() && !self.has_failed() {
            flushers.enlist(self);
        }
    }

    /// Flushes each file that holds something before `upto` which is not durable.
    async fn flush_files(&self, upto: Offset) -> io::Result<()> {
        let mut from = self.stored_offset.get();
        if planted!(OlderFileForgotten) {
            from = from.max(upto - 1);
        }
        while from < upto && !self.has_failed() {
            let (segment, end) = {
                let segments = &self.state.borrow().segments;
                // What retention has removed needs no flush: the first one is next then.
                let after = segments.partition_point(|it| it.base_offset <= from).max(1);
                let end = segments.get(after).map_or(upto, |next| next.base_offset);
                (Rc::clone(&segments[after - 1]), end)
            };
            let file = segment.file(self.logs.disk()).await?;
            self.flush_file(&file).await?;
            self.make_folder_last().await?;
            from = end;
        }
        Ok(())
    }

    async fn flush_file(&self, file: &File) -> io::Result<()> {
        let runtime = self.logs.disk().runtime();
        let begun = runtime.now();
        let result = self.logs.flush(file).await;
        let probe = self.logs.probe();
        probe.flushes_count.add(1);
        probe.flush_latency.record_us(runtime.us_since(begun));
        result
    }

    /// What had been written up to `offset` survives a power cut.
    pub(in crate::log) fn after_flush(&self, offset: Offset) {
        let is_news = offset > self.stored_offset.get();
        if is_news && self.failed_flushes.get() != self.logs.failed_flushes() {
            let error = io::Error::other("an earlier one failed and may have dropped a write");
            return self.fail(FailedOperation::Flush, &error);
        }
        for durable in [&self.stored_offset, &self.flushed_offset] {
            durable.set(durable.get().max(offset));
        }
        self.ack(offset);
        self.progress.ring();
        // A sealed segment gets its final form once all of it is flushed.
        let state = self.state.borrow();
        let sealed = state.segments.iter().rev().nth(1);
        if sealed.is_some_and(|it| !it.settled.get()) {
            self.upkeep.wake();
        }
    }
}
