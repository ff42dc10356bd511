//! Drives: logs as a shard has them: in one folder, with a journal in use.

use std::path::Path;
use std::time::Duration;

use corelane::io::cores;
use corelane::io::disk::Disk;
use corelane::log::{Folder, Logs, LogsOptions};

/// The file that is made last: from then on appends go into the journal.
const IN_USE: &str = "corelane-journal-in-use";

/// The folder `dir`, with a journal of so many bytes (0 for none), and what its logs are to be
/// opened with. To be called on an executor.
pub async fn folder(dir: &Path, journal_bytes: usize, options: LogsOptions) -> (Folder, Logs) {
    std::fs::create_dir_all(dir).unwrap();
    let disk = Disk::direct();
    let folder = Folder::open(&disk, dir).await.unwrap();
    let logs = folder.begin_journal(&Logs::new(&disk, options), journal_bytes);
    while journal_bytes > 0 && !dir.join(IN_USE).exists() {
        cores::sleep(Duration::from_millis(10)).await;
    }
    (folder, logs)
}
