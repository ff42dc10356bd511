//! Pure: what the logs of one shard count, in plain cells.

use super::opening::Recovered;
use crate::base::metrics::{Histogram, Snapshot};

crate::counters! {
    /// Counts of all logs that share one [`super::Logs`].
    pub struct Probe {
        appends_count: "corelane_log_appends_total",
            "Appends to logs, each of one or more batches.";
        append_bytes: "corelane_log_append_bytes_total",
            "Bytes of appended batches.";
        writes_count: "corelane_log_writes_total",
            "Writes to the device for appended batches.";
        write_bytes: "corelane_log_write_bytes_total",
            "Bytes of those writes, rewritten tail blocks included.";
        flushes_count: "corelane_log_flushes_total",
            "Flushes of logs' own files.";
        failed_flushes_count: "corelane_log_failed_flushes_total",
            "Flushes that failed, of logs' own files or of journals.";
        journal_entries_count: "corelane_journal_entries_total",
            "Writes to journals; each serves every log that had something to write by then.";
        journal_bytes: "corelane_journal_write_bytes_total",
            "Bytes of those writes.";
        journal_waits_count: "corelane_journal_waits_total",
            "Writes to journals that waited until older entries were in the logs' own files.";
        journal_pinned_count: "corelane_journal_pinned_total",
            "Times that journals were held up by a log which could not be written to its own \
             files; appends went past them meanwhile.";
        journal_failed_count: "corelane_journal_failed_total",
            "Journals that could not be written or flushed, and are not written to again until the \
             next start; appends go straight to the logs' own files.";
        journal_rounds_count: "corelane_journal_rounds_total",
            "Rounds in which what was in journals went to the logs' own files.";
        unprepared_waits_count: "corelane_log_unprepared_waits_total",
            "Writes to logs' own files that waited until these had room.";
        prepared_bytes: "corelane_log_prepared_bytes_total",
            "Bytes of room made in logs' own files ahead of the writes.";
        rolls_count: "corelane_log_rolls_total",
            "Segments closed because the next was due.";
        cached_reads_count: "corelane_log_cached_reads_total",
            "Reads answered from memory.";
        disk_reads_count: "corelane_log_disk_reads_total",
            "Reads from the device.";
        disk_read_bytes: "corelane_log_disk_read_bytes_total",
            "Bytes of reads from the device.";
        damaged_places_count: "corelane_log_damaged_places_total",
            "Places in data files that were found damaged; readers of them get CORRUPT_MESSAGE.";
        scrubbed_bytes: "corelane_log_scrubbed_bytes_total",
            "Bytes of sealed segments read through for damage.";
        scrubbed_segments_count: "corelane_log_scrubbed_segments_total",
            "Sealed segments read through for damage.";
        mended_lookups_count: "corelane_log_mended_indexes_total",
            "Segments whose index files were missing or did not fit them, and were made anew.";
        failed_logs_count: "corelane_log_failed_total",
            "Logs that take no more writes since a write, a flush or a preparation failed.";
        opened_count: "corelane_log_opened_total",
            "Logs opened.";
        recovered_bytes: "corelane_log_recovered_bytes_total",
            "Bytes that were read and checked to open logs: few after a clean stop.";
        cut_count: "corelane_log_cut_total",
            "Logs whose end was torn when they were opened, and cut off: no ack had been given \
             for it.";
        damaged_logs_count: "corelane_log_damaged_total",
            "Logs found damaged in their middle when they were opened: they are read, and take \
             no writes.";
    }
    and {
        /// How long writes of appended batches take.
        pub write_latency: Histogram,
        /// How long flushes take.
        pub flush_latency: Histogram,
        /// How long entries of journals take, their flushes included.
        pub journal_latency: Histogram,
    }
}

impl Probe {
    /// Counts a log that was opened.
    pub fn opened(&self, found: &Recovered) {
        self.opened_count.add(1);
        self.recovered_bytes.add(found.scanned_bytes);
        self.cut_count.add(u64::from(found.cut.is_some()));
        self.damaged_logs_count
            .add(u64::from(found.damage.is_some()));
    }

    /// Adds the times that the device at `dir` takes to a snapshot.
    pub fn export_latency(&self, dir: &str, to: &mut Snapshot) {
        let labels = || vec![("dir", dir.to_owned())];
        to.latency(
            "corelane_log_write_latency_seconds",
            "From a write given to the device to its completion, by the first folder on it.",
            labels(),
            self.write_latency.read(),
        );
        to.latency(
            "corelane_log_flush_latency_seconds",
            "From a flush given to the device to its completion, by the first folder on it. \
             Kafka: kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs",
            labels(),
            self.flush_latency.read(),
        );
        to.latency(
            "corelane_journal_entry_latency_seconds",
            "From an entry of the journal given to the device until it is there and, where an ack \
             waits for that, flushed; by the first folder on it.",
            labels(),
            self.journal_latency.read(),
        );
    }
}
