//! Drives: compaction of a partition: its log with what its producers need of it.

use std::io;

use super::Partition;
use crate::base::config::CompactionConfig;
use crate::base::{Offset, WallMs};
use crate::log::{CleanError, Cleaned, Cleaning, Dirt, LastRecord, LastRecords};

impl Partition {
    /// What a compaction would have to do; `None` where the topic is not compacted. `cleaned` is
    /// the offset up to which the last compaction came.
    pub async fn dirt(&self, cleaned: Option<Offset>, now: WallMs) -> io::Result<Option<Dirt>> {
        if !self.config.borrow().cleanup_policy.compact || self.is_closed() {
            return Ok(None);
        }
        let stable = self.producers.borrow().first_open().unwrap_or(Offset::MAX);
        self.log.dirt(cleaned, stable, now).await
    }

    /// Whether there is enough of it for a compaction.
    pub fn is_due(&self, dirt: &Dirt) -> bool {
        dirt.is_due(self.log.min_dirty_ratio())
    }

    /// Compacts the log, in small steps beside everything else.
    pub async fn compact(
        &self,
        dirt: &Dirt,
        config: &CompactionConfig,
        now: WallMs,
    ) -> Result<Cleaned, CleanError> {
        let last_records = || self.last_records();
        let job = Cleaning {
            map_bytes_max: config.map_bytes,
            map_load_factor: config.map_load_factor,
            buffer_bytes: config.buffer_bytes,
            bytes_per_second: config.bytes_per_second,
            last_records: &last_records,
            now,
        };
        self.log.clean(dirt, &job).await
    }

    fn last_records(&self) -> LastRecords {
        let producers = self.producers.borrow();
        let each = producers.iter().map(|(id, producer)| {
            let last = LastRecord {
                data_offset: producer.last().map(|last| last.last_offset),
                epoch: producer.epoch(),
            };
            (id, last)
        });
        each.collect()
    }
}
