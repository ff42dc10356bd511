//! Drives: writes what logs have in the journal to their own files, all of them together from time
//! to time, and then lets that part of the circle be overwritten.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::select;
use futures_util::stream::{self, StreamExt};

use super::writer::{Shared, Stage};
use crate::base::Offset;
use crate::log::inner::{FailedOperation, Inner};

/// How long a record may be in the journal alone, where there is room for more.
const AWAY: Duration = Duration::from_secs(1);
/// Logs that are written to their own files at the same time.
const WRITES_AT_ONCE: usize = 8;
/// Pause before a log that could not be brought home is tried again.
const PINNED_PAUSE: Duration = Duration::from_secs(1);

impl Shared {
    pub(super) async fn bring_home_on(self: Rc<Self>) {
        loop {
            self.due.wait().await;
            if self.stage() == Stage::Ended {
                return;
            }
            let runtime = self.disk().runtime();
            let time = pin!(runtime.sleep(AWAY));
            select(time, pin!(self.urgent.wait())).await;
            while self.stage() != Stage::Ended && !self.bring_home().await {
                self.is_pinned_now();
                runtime.sleep(PINNED_PAUSE).await;
            }
        }
    }

    /// Appends go past the journal until the log that holds it up is home.
    fn is_pinned_now(&self) {
        // One that is being closed writes all of it itself.
        let holds_up = |log: &&Rc<Inner>| log.has_failed() || log.room.is_stuck();
        let away = self.away.borrow();
        let held_up: Vec<_> = away.iter().filter(holds_up).collect();
        let Some(first) = held_up.first() else {
            return;
        };
        if self.stage() == Stage::Open {
            self.logs.probe().journal_pinned_count.add(1);
            tracing::warn!(
                logs = held_up.len(),
                log = %first.dir.display(),
                "a log cannot be written to its own files: what \
                the journal holds of it stays there, and appends go past the journal until then"
            );
        }
        self.set_stage(Stage::Pinned);
    }

    /// Returns when everything in the journal is durable in the segments, too; fails where a log
    /// cannot be written.
    pub(super) async fn bring_all_home(&self) -> io::Result<()> {
        while self.freed() < self.written() || !self.away.borrow().is_empty() {
            if !self.bring_home().await {
                let reason = "records are in the journal that a log cannot be given: they are kept \
                              for the next start";
                return Err(io::Error::other(reason));
            }
        }
        Ok(())
    }

    /// Has all logs that have something in the journal by now write it to their segments, flushes
    /// these, and lets that part of the circle be overwritten; `false`, and nothing is given back,
    /// where a log cannot be written.
    pub(super) async fn bring_home(&self) -> bool {
        // One round at a time: what is in the hands of another is on no list, and not home yet.
        let _alone = self.bringing.take(1).await;
        let upto = self.written();
        let away: Vec<(Rc<Inner>, Offset)> = self
            .away
            .borrow_mut()
            .drain(..)
            .map(|log| {
                let target = log.side.sent_home();
                (log, target)
            })
            .collect();
        stream::iter(&away)
            .for_each_concurrent(WRITES_AT_ONCE, |(log, target)| log.write_out(*target))
            .await;
        self.flush(&away).await;
        if planted!(GivenBackEarly) {
            return self.give_back(upto).await.is_ok();
        }
        let mut held = Vec::new();
        for (log, target) in away {
            if !log.come_home(target).await {
                held.push(log);
            }
        }
        let held = self.keep(held, upto).await;
        let all_home = held.is_empty();
        for log in held {
            log.side.is_away_again();
            self.away.borrow_mut().push(log);
        }
        self.logs.probe().journal_rounds_count.add(1);
        if !all_home {
            return false;
        }
        self.give_back(upto).await.is_ok()
    }
}

impl Shared {
    /// Has what these logs have written flushed: each log's own files or, where that would be many
    /// flushes, the file system.
    async fn flush(&self, away: &[(Rc<Inner>, Offset)]) {
        let behind: Vec<(&Rc<Inner>, Offset)> = away
            .iter()
            .filter(|(log, target)| log.stored_offset.get() < *target)
            .map(|(log, _)| (log, log.written_offset.get()))
            .collect();
        // The other way flushes the journal's file, too, which may be what has failed.
        if behind.len() <= self.logs.options().flushed_each_max || self.is_over() {
            behind.iter().for_each(|(log, _)| log.flush());
            return;
        }
        let flushed = self.file.flush_file_system().await;
        for (log, upto) in behind {
            match &flushed {
                Ok(()) => {
                    // It was there before the log was written to.
                    log.upkeep.folder_lasts();
                    log.after_flush(upto);
                }
                Err(error) => log.fail(FailedOperation::Flush, error),
            }
        }
    }
}

impl Inner {
    /// Has everything before `target` written to the segments; returns when it is written, or there
    /// is no use in waiting.
    pub async fn write_out(self: &Rc<Self>, target: Offset) {
        while self.written_offset.get() < target && !self.is_pinned() {
            self.wake_writer();
            self.progress.wait().await;
        }
    }

    /// Once it is written and a flush asked for: waits until everything before `target` is durable
    /// in the segments; `false` where there is no use in waiting.
    async fn come_home(self: &Rc<Self>, target: Offset) -> bool {
        // A log that is being removed enters a cut before its folder goes.
        while self.stored_offset.get() < target && !self.side.is_let_go() {
            if self.is_pinned() {
                return false;
            }
            self.progress.wait().await;
        }
        true
    }

    /// Whether there is no use in waiting for the log's writes: it has failed, its disk is full, or
    /// it is being closed, which writes all of it anyway.
    pub(super) fn is_pinned(&self) -> bool {
        self.has_failed() || self.stopped.get() || self.room.is_stuck()
    }
}
