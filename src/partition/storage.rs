//! Drives: what the shard and its periodic work ask of a partition's files: their space, their
//! checks, and their end.

use std::io;
use std::path::Path;
use std::rc::Rc;

use super::{Name, Partition};
use crate::base::{Offset, WallMs};
use crate::io::disk::Disk;
use crate::log::{BatchStream, Folder, LogFailure, Opening, Retired, Scrub};

impl Partition {
    /// Its folder, which need not be there before the first append.
    pub fn dir(&self) -> &Path {
        self.log.dir()
    }

    /// The disk that it lies on.
    pub fn disk(&self) -> &Disk {
        self.log.disk()
    }

    /// Bytes of all its batches.
    pub fn size_bytes(&self) -> u64 {
        self.log.size_bytes()
    }

    /// Bytes that are appended and not written yet.
    pub fn queued_bytes(&self) -> u64 {
        self.log.queued_bytes()
    }

    /// Why records that need new space on the disk are refused for now: the disk is full.
    pub fn lack_of_space(&self) -> Option<LogFailure> {
        self.log.lack_of_room()
    }

    /// Waits until an append may succeed again after [`super::append::AppendError::Busy`].
    pub async fn wait_for_space(&self) {
        self.wait_while_leaving().await;
        self.log.wait_for_room().await;
    }

    /// Whether so little of the shard's memory is left that readers must not hold what they do not
    /// send.
    pub fn is_memory_tight(&self) -> bool {
        self.log.is_tight()
    }

    /// Keeps a stream that was read to its end for the fetch that goes on there.
    pub async fn keep_stream(&self, stream: Box<BatchStream>) {
        self.log.keep_stream(stream).await;
    }

    /// Runs the periodic work: rolls and deletes segments, forgets idle producers.
    pub async fn maintain(&self, now: WallMs) {
        self.producers.borrow_mut().expire(now);
        if let Err(error) = self.log.maintain(now).await {
            self.name.report("cannot clean up", &error);
        }
    }

    /// Tries again to get the disk space that was lacking. To be called every few seconds.
    pub fn seek_space(&self) {
        self.log.seek_room();
    }

    /// Fails the partition where its data file was removed while it is open. One system call.
    pub fn look_for_file(&self) {
        self.log.look_for_file();
    }

    /// Closes the files of sealed segments that were not read since the last call.
    pub fn close_unused_files(&self) {
        self.log.close_unused();
    }

    /// The first sealed segment that begins behind the offset `after`, to be read and checked;
    /// `None` behind the last one.
    pub async fn scrub_after(&self, after: Offset) -> io::Result<Option<Scrub>> {
        self.log.scrub_after(after).await
    }

    /// Gives the log up because the folder that it lies in has failed: nothing is acked any more.
    pub fn abandon(&self) {
        self.log.abandon();
    }

    /// Whether [`Self::close_log`] would have nothing to write.
    pub fn is_as_closed(&self) -> bool {
        self.log.is_as_closed()
    }

    /// Closes the log cleanly, so that the next start checks nothing. `in_batch` leaves it to the
    /// batch of the disk that was begun before to make the files durable.
    pub async fn close_log(&self, in_batch: bool) -> io::Result<()> {
        match in_batch {
            true => self.log.close_in_batch().await.map(drop),
            false => self.log.close().await,
        }
    }

    /// Closes the log and prepares it for being opened again without what lies at or behind `to`;
    /// returns what it is to be opened with. See [`Folder::cut_back`].
    pub async fn cut_back(&self, folder: &Folder, to: Offset) -> io::Result<Opening> {
        self.log.close().await?;
        let Name { topic, index, .. } = &self.name;
        folder.cut_back(topic, *index, &self.log, to).await
    }

    /// As [`Self::cut_back`], where nothing stays: it begins anew at `at`.
    pub async fn begin_anew(&self, folder: &Folder, at: Offset) -> io::Result<Opening> {
        let Name {
            topic,
            topic_id,
            index,
        } = &self.name;
        let id = Some(*topic_id);
        folder
            .begin_anew(topic, *index, id, Some(&self.log), at)
            .await
    }

    /// Notes in the checkpoints of `folder` how far these partitions have come, and writes them.
    pub async fn checkpoint<'a>(
        folder: &Folder,
        partitions: impl Iterator<Item = &'a Rc<Partition>>,
    ) -> io::Result<()> {
        let logs = partitions.map(|partition| {
            let name = &partition.name;
            (&*name.topic, name.index, &partition.log)
        });
        folder.checkpoint(logs).await
    }

    /// The entry with which [`Folder::retire`] removes the log.
    pub fn retired(&self) -> Retired<'_> {
        Retired {
            topic: &self.name.topic,
            id: self.name.topic_id,
            index: self.name.index,
            log: Some(&self.log),
        }
    }
}
