//! Drives: writes what logs have in the journal to their own files, all of them together from time
//! to time, and then lets that part of the circle be overwritten.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt};

use super::stage::Stage;
use super::writer::Shared;
use crate::base::Offset;
use crate::log::inner::{FailedOperation, Inner};

/// How long nothing is written to the logs' own files after a round of that has ended, where there
/// is room for more in the journal.
const AWAY: Duration = Duration::from_millis(100);
/// Over how long the writes of a round are spread: written all at once they are more than a device
/// takes in a few milliseconds, and every ack waits behind them.
const SPREAD: Duration = Duration::from_millis(400);
/// Shorter pauses between two writes are not worth a timer.
const PAUSE_MIN: Duration = Duration::from_micros(250);
/// Logs that are written to their own files at the same time where that is urgent.
const WRITES_AT_ONCE: usize = 8;
/// Pause before a log that could not be brought home is tried again.
const PINNED_PAUSE: Duration = Duration::from_secs(1);

fn flush_unless_home((log, target): &(Rc<Inner>, Offset)) {
    if log.stored_offset.get() < *target {
        log.flush();
    }
}

/// How fast a round writes.
#[derive(Clone, Copy)]
enum Pace {
    /// A few logs at a time.
    AtOnce,
    /// One after the other, with pauses, while nothing is urgent.
    Spread,
}

impl Shared {
    pub(super) async fn bring_home_on(self: Rc<Self>) {
        loop {
            self.due.wait().await;
            if self.stage() == Stage::Ended {
                return;
            }
            let runtime = self.disk().runtime();
            let mut pace = match self.is_urgent_within(AWAY).await {
                true => Pace::AtOnce,
                false => Pace::Spread,
            };
            while self.stage() != Stage::Ended && !self.bring_home_at(pace).await {
                self.is_pinned_now();
                runtime.sleep(PINNED_PAUSE).await;
                pace = Pace::AtOnce;
            }
        }
    }

    pub(super) async fn write_full_logs_on(self: Rc<Self>, number: usize) {
        while self.stage() != Stage::Ended {
            self.full.write(number).await;
        }
    }

    /// Waits so long, or until there is no time to lose.
    async fn is_urgent_within(&self, time: Duration) -> bool {
        let time = pin!(self.disk().runtime().sleep(time));
        let urgent = pin!(self.urgent.wait());
        matches!(select(time, urgent).await, Either::Right(_))
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
        // So that a round under way takes no pauses any more.
        self.urgent.call();
        self.bring_home_at(Pace::AtOnce).await
    }

    async fn bring_home_at(&self, pace: Pace) -> bool {
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
        let spread = match pace {
            Pace::AtOnce => 0,
            Pace::Spread => self.write_spread(&away).await,
        };
        if spread < away.len() {
            stream::iter(&away[spread..])
                .for_each_concurrent(WRITES_AT_ONCE, |(log, target)| log.write_out(*target))
                .await;
        }
        match self.flushes_each(away.len()) {
            true => away[spread..].iter().for_each(flush_unless_home),
            false => self.flush_file_system(&away).await,
        }
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
    /// Writes these logs to their own files, one after the other with pauses, and has them flushed
    /// where each gets a flush of its own; returns how many of them before it became urgent or the
    /// time was up.
    async fn write_spread(&self, away: &[(Rc<Inner>, Offset)]) -> usize {
        let runtime = self.disk().runtime();
        let begun = runtime.now();
        for (at, each) in away.iter().enumerate() {
            let left = SPREAD.saturating_sub(Duration::from_micros(runtime.us_since(begun)));
            let pause = left / u32::try_from(away.len() - at).unwrap_or(u32::MAX);
            if left.is_zero() || pause >= PAUSE_MIN && self.is_urgent_within(pause).await {
                return at;
            }
            each.0.write_out(each.1).await;
            if self.flushes_each(away.len()) {
                flush_unless_home(each);
            }
        }
        away.len()
    }

    /// Whether so many logs get flushes of their own files, and not one of the file system.
    fn flushes_each(&self, logs: usize) -> bool {
        // The other way flushes the journal's file, too, which may be what has failed.
        logs <= self.logs.options().flushed_each_max || self.is_over()
    }

    /// Has what these logs have written flushed with one flush of the file system.
    async fn flush_file_system(&self, away: &[(Rc<Inner>, Offset)]) {
        let behind: Vec<(&Rc<Inner>, Offset)> = away
            .iter()
            .filter(|(log, target)| log.stored_offset.get() < *target)
            .map(|(log, _)| (log, log.written_offset.get()))
            .collect();
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
