//! Drives: one partition's records on disk, in Kafka's own files, under direct I/O.
//! May use: `base`, `wire`, `io`. Never: knows of topics' settings beyond [`LogConfig`], of
//! replicas, of clients.
//!
//! Its rooms: `format` (what the bytes of its files mean), `segment` (a data file, its lookups, the
//! files beside it), `append` (batches in, and the acks), `journal` (one durable write for many
//! logs, whose own files get it later), `space` (made ready for them), `read` (batches out),
//! `maintenance` (periodic work), `compaction`, `recovery` (opening a log), `folder` (many logs and
//! their checkpoints). What they share stands beside them: `inner` is a log's state.

/// Whether a test has planted this bug; a plain `false` in all other builds.
macro_rules! planted {
    ($bug:ident) => {{
        #[cfg(test)]
        let planted = crate::log::mutant::is_planted(crate::log::mutant::Mutant::$bug);
        #[cfg(not(test))]
        let planted = false;
        planted
    }};
}

mod append;
mod close;
mod compaction;
mod config;
mod folder;
mod format;
mod inner;
mod journal;
mod maintenance;
#[cfg(test)]
mod mutant;
mod opening;
mod probe;
mod read;
mod recovery;
mod segment;
mod space;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::iter;
use std::path::Path;
use std::rc::Rc;

pub use append::{AppendError, Appended, Logs, LogsOptions};
pub use compaction::{CleanError, Cleaned, Cleaning, Dirt, LastRecord, LastRecords};
pub use config::LogConfig;
pub use folder::{
    CLEAN_SHUTDOWN, CopyError, Folder, FutureLog, HandedOver, NotHandedOver, Retired, checkpoint,
    future_name,
};
pub use format::{AbortedTransaction, Stop, aborted};
pub use inner::{FailedOperation, LogFailure};
pub use maintenance::{DeleteError, Scrub, Scrubbed};
pub use opening::{Cut, Damage, OpenError, Opening, Recovered, Replay};
pub use probe::Probe;
pub use read::{BatchStream, Cached, Found, MemoryWait, Planned, ReadError, Stretch};

use crate::base::{LeaderEpoch, Offset, WallMs};
use crate::io::disk::Disk;
use crate::io::durable::Durable;
use crate::wire::batch::{self, BatchView};
use inner::Inner;

/// A log. One owner on one core; dropping it stops its background work without closing it
/// cleanly, as a crash would.
pub struct Log(Rc<Inner>);

// === impl Log ===

impl Log {
    /// Opens the log in the folder `dir`, which need not exist: nothing is created before the
    /// first append. After an unclean stop everything behind the recovery point is checked and
    /// a torn end cut off. `replay` is shown what a rebuild of producer state needs.
    pub async fn open(
        logs: &Logs,
        dir: &Path,
        config: LogConfig,
        opening: Opening,
        now: WallMs,
        replay: &mut dyn FnMut(Replay<'_>),
    ) -> Result<(Log, Recovered), OpenError> {
        let (inner, recovered) = recovery::open(logs, dir, config, opening, now, replay).await?;
        logs.probe().opened(&recovered);
        Ok((Log(inner), recovered))
    }

    /// Appends whole, validated batches of format v2 that stand back to back in `batches`.
    /// They are copied and stamped with offsets and `epoch`, and with `log_append_time` where
    /// given; never waits. What is appended becomes durable in order, see
    /// [`Log::acked_offset`]. Nothing is appended when this fails.
    pub fn append(
        &self,
        batches: &[u8],
        epoch: LeaderEpoch,
        log_append_time: Option<WallMs>,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        self.0
            .append(batch::batches(batches), epoch, log_append_time, now)
    }

    /// As [`Log::append`], for one batch that was parsed before.
    pub fn append_batch(
        &self,
        batch: BatchView<'_>,
        epoch: LeaderEpoch,
        log_append_time: Option<WallMs>,
        now: WallMs,
    ) -> Result<Appended, AppendError> {
        self.0
            .append(iter::once(Ok(batch)), epoch, log_append_time, now)
    }

    /// Appends whole batches of format v2 that stand back to back in `batches`, as a leader sent
    /// them: with the offsets, epochs and timestamps that they have. They must continue the log;
    /// offsets may be missing in front of each, as compaction at the leader leaves it, in a log
    /// that was opened with [`Opening::gaps`]. Their checksums are compared here. A last batch
    /// that is not whole is left out.
    ///
    /// What does not fit into one segment goes into several. Where too much is queued already only
    /// the first batches are taken: `last_offset` says how far that came, and the rest may be given
    /// again after [`Log::wait_for_room`]; [`AppendError::Busy`] where not even one was. For all
    /// other errors nothing was appended. Like [`Log::append`] it never waits.
    pub fn append_replicated(&self, batches: &[u8], now: WallMs) -> Result<Appended, AppendError> {
        self.0.append_replicated(batches, now)
    }

    /// Bytes that are appended and not written yet.
    pub fn queued_bytes(&self) -> u64 {
        self.0.state.borrow().queued_bytes
    }

    /// The offset that the next appended record gets.
    pub fn end_offset(&self) -> Offset {
        self.0.end_offset.get()
    }

    /// The first offset that may be read.
    pub fn start_offset(&self) -> Offset {
        self.0.start_offset.get()
    }

    /// Every record before this offset is as durable as the configuration asks: flushed for
    /// `flush_messages` of 1, else written.
    pub fn acked_offset(&self) -> Offset {
        self.0.acked_offset.get()
    }

    /// Waits until everything before `offset` is acked; fails where the log does first.
    pub async fn wait_acked(&self, offset: Offset) -> Result<(), LogFailure> {
        while self.acked_offset() < offset {
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
            self.0.progress.wait().await;
        }
        Ok(())
    }

    /// Waits until everything before `offset` is acked; `false` when that takes room which the
    /// device does not have: it is acked later, if there is some.
    pub async fn wait_acked_or_stuck(&self, offset: Offset) -> Result<bool, LogFailure> {
        while self.acked_offset() < offset {
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
            if offset > self.written_offset() && self.stuck().is_some() {
                return Ok(false);
            }
            self.0.progress.wait().await;
        }
        Ok(true)
    }

    /// Calls `callback` with the new acked offset whenever it has moved, and once when the log
    /// has failed (see [`Log::failure`]), or when room on the device begins or ends to lack (see
    /// [`Log::lack_of_room`]); in the task turn in which that became known.
    pub fn on_acked(&self, callback: Rc<dyn Fn(Offset)>) {
        *self.0.on_acked.borrow_mut() = Some(callback);
    }

    /// Calls `callback` with the new start offset whenever it has moved, in the task turn in which
    /// it does.
    pub fn on_start(&self, callback: Rc<dyn Fn(Offset)>) {
        *self.0.on_start.borrow_mut() = Some(callback);
    }

    /// Calls `callback` with a segment's base offset when the segment is begun; what it returns
    /// is stored as the producer state up to there (`<offset>.snapshot`).
    pub fn on_roll(&self, callback: Rc<dyn Fn(Offset) -> Vec<u8>>) {
        *self.0.on_roll.borrow_mut() = Some(callback);
    }

    /// Whether transactions were aborted whose end lies at or behind `offset`.
    pub fn has_aborted(&self, offset: Offset) -> bool {
        self.0.aborted.borrow().any_from(offset)
    }

    /// Shows the aborted transactions that have records from `from` to before `upto`.
    pub fn aborted(&self, from: Offset, upto: Offset, show: impl FnMut(&AbortedTransaction)) {
        self.0.aborted.borrow().among(from, upto).for_each(show);
    }

    /// Takes in a transaction whose abort marker was just appended, so that readers of committed
    /// records are told of it, also after a start.
    pub fn note_aborted(&self, one: AbortedTransaction) {
        self.0.aborted.borrow_mut().push(one);
    }

    /// The disk that it lies on.
    pub fn disk(&self) -> &Disk {
        self.0.logs.disk()
    }

    /// Its folder, which need not be there yet.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Gives the log up because the folder it lies in has failed: nothing is acked any more.
    pub fn abandon(&self) {
        let error = io::Error::other("its folder has failed");
        self.0.fail(FailedOperation::Folder, &error);
        self.0.stop();
    }

    /// Why the log takes no more appends, for good.
    pub fn failure(&self) -> Option<LogFailure> {
        self.0.failure.borrow().clone()
    }

    /// Why records that need new space are refused for the time being: the device is full. What
    /// fits into prepared space is taken, reads go on, and all goes on once there is room.
    pub fn lack_of_room(&self) -> Option<LogFailure> {
        self.0.room.lack()
    }

    /// Why what is appended and not written waits, if it waits for room on the device.
    pub fn stuck(&self) -> Option<LogFailure> {
        self.0.room.is_stuck().then(|| self.0.room.lack()).flatten()
    }

    /// Everything before this offset survives a power cut.
    pub fn flushed_offset(&self) -> Offset {
        self.0.flushed_offset.get()
    }

    /// Everything before this offset is written.
    pub fn written_offset(&self) -> Offset {
        self.0.written_offset.get()
    }

    /// Tries again to get the room that lacks; to be called every few seconds.
    pub fn seek_room(&self) {
        self.0.seek_room();
    }

    /// Fails the log where its data file was removed while it is open; to be called now and then,
    /// also for a log without writers. One system call.
    pub fn look_for_file(&self) {
        self.0.look_for_file();
    }

    /// Closes the files of sealed segments that were not read since the last call.
    pub fn close_unused(&self) {
        self.0.close_unused();
    }

    /// Waits until all that was appended lies in the segments, flushed; `false` where it cannot be:
    /// the log has failed, or the device has no room. It goes on taking appends.
    pub async fn settle(&self) -> bool {
        self.0.drain().await
    }

    /// Waits until an append may succeed again after [`AppendError::Busy`].
    pub async fn wait_for_room(&self) {
        self.0.wait_for_room().await;
    }

    /// The first sealed segment that begins behind the offset `after`, to be read through and
    /// checked step by step; `None` behind the last one.
    pub async fn scrub_after(&self, after: Offset) -> io::Result<Option<Scrub>> {
        self.0.scrub_after(after).await
    }

    /// Bytes of the batches in all segments.
    pub fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    /// The newest leader epoch that wrote.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.0.state.borrow().epochs.latest()
    }

    /// The largest epoch not above `epoch` and the offset at which it ended; (-1, -1) where
    /// that is unknown (KIP-101).
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let state = self.0.state.borrow();
        state.epochs.end_of(epoch, self.end_offset())
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.0.state.borrow().epochs.epoch_at(offset)
    }

    /// Closes the log cleanly: everything appended is flushed, the segments have their true
    /// length and their lookups on disk, so that the next start scans nothing. No appends from
    /// here on. Fails where the log had failed or the device does now.
    pub async fn close(&self) -> io::Result<()> {
        self.0.close(Durable::Now).await.map(drop)
    }

    /// As [`Log::close`], but the files are durable with the batch that was begun before: until it
    /// is synced no checkpoint may say how far this log has come. Whether anything was written.
    pub async fn close_in_batch(&self) -> io::Result<bool> {
        self.0.close(Durable::WithBatch).await
    }

    /// Whether [`Log::close`] has nothing to write.
    pub fn is_as_closed(&self) -> bool {
        self.0.is_as_closed()
    }

    /// Ends the log for good and gives its folder the name `trash`, of the same file system;
    /// `false` where it has none yet. The name is durable once the folder above is synced.
    pub async fn retire(&self, trash: &Path) -> io::Result<bool> {
        self.0.retire(trash).await
    }

    /// Runs the periodic work: late flushes, deletion by age and size, release of files and memory
    /// that are not used. To be called every few seconds to minutes.
    pub async fn maintain(&self, now: WallMs) -> io::Result<()> {
        self.0.maintain(now).await
    }

    /// Makes the records before `offset` unreadable at once; they are deleted later. Returns the
    /// start offset, which may lie behind `offset` already.
    pub fn delete_records_before(&self, offset: Offset) -> Result<Offset, DeleteError> {
        self.0.delete_records_before(offset)
    }

    /// Nothing at or behind `offset`, the high watermark of its replicas, is deleted or compacted
    /// from now on. Without this call, in a log that has no replicas, what is acked may be.
    pub fn set_committed(&self, offset: Offset) {
        self.0.committed.set(offset);
    }

    /// Everything before this offset needs no check at the next start
    /// (`recovery-point-offset-checkpoint`).
    pub fn recovery_point(&self) -> Offset {
        self.0.recovery_point()
    }

    /// Replaces the settings; they hold from the next append on.
    pub fn set_config(&self, config: LogConfig) {
        *self.0.config.borrow_mut() = Rc::new(config);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("dir", &self.0.dir)
            .field("start_offset", &self.start_offset())
            .field("acked_offset", &self.acked_offset())
            .field("end_offset", &self.end_offset())
            .finish_non_exhaustive()
    }
}
