//! Drives: what becomes of a leader's answer about one partition: records are appended, a log that
//! has parted from the leader's is cut, and after an error it is asked for again later.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::ask::{self, Asker, LIST_OFFSETS_VERSION};
use super::fetcher::{FetchError, Fetcher};
use super::reshape;
use super::session::Asked;
use crate::base::config::ReplicaConfig;
use crate::base::{ErrorCode, Offset};
use crate::io::peer::Peer;
use crate::io::turn;
use crate::partition::Partition;
use crate::partition::replication::{LeaderSays, ReplicateError};
use crate::shard::placing::Cut;
use crate::wire::codec::messages::ListOffsetsRequest;
use crate::wire::codec::messages::fetch_response::PartitionData;

/// Bytes that are appended in one turn.
const AT_ONCE_BYTES: usize = 128 << 10;

impl Fetcher {
    /// Takes what the leader says of one partition.
    pub(super) async fn take(
        &self,
        peer: &mut Peer,
        asker: Asker,
        asked: &Asked,
        partition: &Rc<Partition>,
        answered: PartitionData,
        config: &ReplicaConfig,
    ) -> Result<(), FetchError> {
        let key = &asked.key;
        let says = LeaderSays {
            leader_epoch: asked.leader_epoch,
            high_watermark: answered.high_watermark,
            start_offset: answered.log_start_offset,
        };
        let diverging = &answered.diverging_epoch;
        let went_well = match ErrorCode(answered.error_code) {
            ErrorCode::NONE if diverging.epoch >= 0 || diverging.end_offset >= 0 => {
                let end = partition.common_end(diverging.epoch, diverging.end_offset);
                // A leader that names the end of this very log could do so for ever.
                let cuts = end < partition.end_offset();
                cuts && self.cut(partition, asked, Cut::Back(end)).await
            }
            ErrorCode::NONE => {
                let records = answered.records.unwrap_or_default();
                self.spend(partition, records.len());
                self.append(partition, asked.offset, records, &says).await
            }
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                self.out_of_range(peer, asker, asked, partition).await?
            }
            ErrorCode::FENCED_LEADER_EPOCH => {
                self.following.borrow_mut().give_up(key);
                return Ok(());
            }
            error => {
                self.report(partition, error.name());
                false
            }
        };
        let mut following = self.following.borrow_mut();
        if went_well {
            following.went_well(key);
            return Ok(());
        }
        self.shard.replication.failures_count.add(1);
        let longest = Duration::from_millis(config.fetch_backoff_ms);
        following.pause(key, self.shard.runtime().now(), longest);
        Ok(())
    }

    fn report(&self, partition: &Partition, error: &str) {
        let (topic, partition) = (&partition.name().topic, partition.name().index);
        tracing::debug!(node = %self.shard.node, leader = %self.leader, %topic, partition, error,
            "a leader does not serve a partition: asking again");
    }

    /// Appends what was fetched from `from` on.
    async fn append(
        &self,
        partition: &Partition,
        from: Offset,
        records: Bytes,
        says: &LeaderSays,
    ) -> bool {
        if partition.end_offset() != from {
            return false;
        }
        let mut done = 0;
        while done < records.len() {
            let rest = &records[done..];
            let now = self.shard.runtime().wall_ms();
            let part = &rest[..rest.len().min(AT_ONCE_BYTES)];
            let appended = match partition.append_replicated(part, says, now) {
                Ok(0) => partition.append_replicated(rest, says, now),
                appended => appended,
            };
            match appended {
                // A batch that is cut off.
                Ok(0) => break,
                Ok(bytes) => done += bytes,
                Err(ReplicateError::Busy) => partition.wait_for_space().await,
                // The log has said that its device is full. Others go on.
                Err(ReplicateError::Outdated | ReplicateError::NoRoom) => return false,
                Err(error) => {
                    partition.name().report("cannot follow the leader", &error);
                    return false;
                }
            }
            turn::pace().await;
        }
        partition.leader_said(says);
        true
    }

    /// The leader's log does not reach to where this one ends: it ends before, or begins behind.
    async fn out_of_range(
        &self,
        peer: &mut Peer,
        asker: Asker,
        asked: &Asked,
        partition: &Rc<Partition>,
    ) -> Result<bool, FetchError> {
        let topic = partition.name().topic.clone();
        let ask = async |peer: &mut Peer, which| {
            let request = ask::list_offsets(asker, &topic, asked, which);
            let limit = Duration::from_millis(self.config().socket_timeout_ms);
            let call = peer.call::<ListOffsetsRequest>(LIST_OFFSETS_VERSION, &request, limit);
            let answer = call.await.map_err(FetchError::Peer)?;
            let found = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let found = found.map(|it| (it.error_code == 0).then_some(it.offset));
            Ok(found.flatten().next())
        };
        let Some(end) = ask(peer, ask::LATEST).await? else {
            return Ok(false);
        };
        if end < asked.offset {
            return Ok(self.cut(partition, asked, Cut::Back(end)).await);
        }
        match ask(peer, ask::EARLIEST).await? {
            Some(start) if start > asked.offset => {
                Ok(self.cut(partition, asked, Cut::Anew(start)).await)
            }
            _ => Ok(false),
        }
    }

    async fn cut(&self, partition: &Rc<Partition>, asked: &Asked, cut: Cut) -> bool {
        let shard = &self.shard;
        let done = reshape::cut(shard, partition, asked.leader_epoch, cut).await;
        if done {
            shard.replication.cuts_count.add(1);
        }
        done
    }
}
