//! Drives: DeleteRecords, versions 0 to 2 (KIP-107).
//!
//! Moves the start of a log forward, durably before that is answered, and waits until the logs of
//! the followers that are alive begin no earlier (Kafka's `DelayedDeleteRecords`). A partition that
//! is mentioned twice is done once, as its last mention says.

use std::rc::Rc;
use std::time::Duration;

use super::unique::unique;
use crate::base::ids::Uuid;
use crate::base::{ErrorCode, Offset};
use crate::partition::Partition;
use crate::server::api::{Api, Context, errors};
use crate::server::state::codes::codes;
use crate::shard::log_dirs::LogDir;
use crate::wire::codec::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use crate::wire::codec::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

/// The API.
pub struct DeleteRecords;

/// Stands for all that is acked.
const ALL: Offset = -1;
/// How often it is looked how far the followers are. What they are to delete they hear with the
/// next answer that they fetch, most often after `replica.fetch.wait.max.ms`.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Answered with an error.
const NO_LOW_WATERMARK: Offset = -1;

codes!(DeleteRecordsResponse: [topics partitions]);

impl Api for DeleteRecords {
    type Request = DeleteRecordsRequest;
    const VERSIONS: (i16, i16) = (0, 2);
    const NAME: &'static str = "DeleteRecords";

    async fn handle(cx: &Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
        let mentions = request
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|asked| (&topic.name, asked)));
        let mut topics = Vec::new();
        for (name, partitions) in unique(mentions, |asked| asked.partition_index).await {
            let mut answers = Vec::with_capacity(partitions.len());
            for asked in partitions {
                cx.pace().await;
                let (index, before) = (asked.last.partition_index, asked.last.offset);
                answers.push((index, delete(cx, name, index, before)));
            }
            topics.push((name, answers));
        }
        let unsaved = save(&topics).await;
        let limit = Duration::from_millis(request.timeout_ms.max(0) as u64);
        wait_for_followers(cx, &topics, limit).await;
        let answered = topics.into_iter().map(|(name, answers)| {
            let answers = answers.into_iter().map(|(index, deleted)| {
                let (error, low_watermark) = match deleted {
                    Ok(deleted) if unsaved.contains(&deleted.dir.id) => {
                        (ErrorCode::KAFKA_STORAGE_ERROR, NO_LOW_WATERMARK)
                    }
                    Ok(deleted) => deleted.outcome(cx),
                    Err(error) => (error, NO_LOW_WATERMARK),
                };
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(index)
                    .with_low_watermark(low_watermark)
                    .with_error_code(error.0)
            });
            let topic = DeleteRecordsTopicResult::default().with_name(name.clone());
            topic.with_partitions(answers.collect())
        });
        let answered = answered.collect();
        cx.drop_later(request);
        DeleteRecordsResponse::default().with_topics(answered)
    }
}

/// What becomes of the partitions of a topic.
type Answers = Vec<(i32, Result<Deleted, ErrorCode>)>;

/// A log whose records were deleted, which is not durable yet.
struct Deleted {
    partition: Rc<Partition>,
    /// Nothing before it shall be there on any replica.
    before: Offset,
    dir: Rc<LogDir>,
}

// === impl Deleted ===

impl Deleted {
    /// What there is to answer; a timeout where followers have not done it yet.
    fn outcome(&self, cx: &Context) -> (ErrorCode, Offset) {
        if let Err(error) = self.partition.check_leading() {
            return (errors::read(&error), NO_LOW_WATERMARK);
        }
        let image = cx.shard.image();
        let low = self
            .partition
            .low_watermark(|node| image.brokers.is_alive(node));
        match low < self.before {
            true => (ErrorCode::REQUEST_TIMED_OUT, low),
            false => (ErrorCode::NONE, low),
        }
    }
}

/// Waits until all replicas that are alive have deleted the records, or the time is up. A partition
/// that is no longer led here is not waited for.
async fn wait_for_followers<N>(cx: &Context, topics: &[(N, Answers)], limit: Duration) {
    let runtime = cx.shard.runtime();
    let until = runtime.now().after(limit);
    let deleted = topics.iter().flat_map(|(_, answers)| answers);
    for deleted in deleted.filter_map(|(_, deleted)| deleted.as_ref().ok()) {
        while deleted.outcome(cx).0 == ErrorCode::REQUEST_TIMED_OUT && runtime.now() < until {
            runtime.sleep(LOOK_AGAIN).await;
        }
        cx.pace().await;
    }
}

/// Makes durable what was deleted, with one write for all logs of a folder: what is answered must
/// not come back after a crash. The folders in which that failed.
async fn save<N>(topics: &[(N, Answers)]) -> Vec<Uuid> {
    let mut dirs: Vec<&Rc<LogDir>> = Vec::new();
    for (_, deleted) in topics.iter().flat_map(|(_, answers)| answers) {
        if let Ok(deleted) = deleted
            && !dirs.iter().any(|dir| dir.id == deleted.dir.id)
        {
            dirs.push(&deleted.dir);
        }
    }
    let mut failed = Vec::new();
    for dir in dirs {
        if let Err(error) = dir.folder.save_starts().await {
            tracing::error!(dir = %dir.path.display(), %error,
                "cannot write the checkpoint of deleted records: their deletion is refused");
            dir.suspect();
            failed.push(dir.id);
        }
    }
    failed
}

fn delete(cx: &Context, topic: &str, index: i32, before: Offset) -> Result<Deleted, ErrorCode> {
    let partition = cx.shard.partitions.lookup(topic, index);
    let partition = partition.map_err(errors::lookup)?;
    let before = match before {
        ALL => partition.high_watermark(),
        before => before,
    };
    let deleted = partition.delete_before(before);
    let start_offset = deleted.map_err(|error| errors::delete_records(&error))?;
    let dir = cx.shard.dirs.working().find(|dir| dir.holds(&partition));
    let dir = Rc::clone(dir.ok_or(ErrorCode::KAFKA_STORAGE_ERROR)?);
    // In the same turn: a topic of this name that is made later must not be given this.
    dir.folder.note_start(topic, index, start_offset);
    Ok(Deleted {
        partition,
        before,
        dir,
    })
}
