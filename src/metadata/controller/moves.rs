//! Drives: where the logs of partitions lie that go from one node of this machine to another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::ids::Uuid;
use crate::base::{NodeId, PartitionIndex, TopicId, WallMs};
use crate::io::disk::Disk;
use crate::metadata::image::{Image, Topic};

use super::change::CannotWrite;
use super::decide::{is_reserved, is_to_move};
use super::folder::NodeDir;
use super::local::LocalController;
use super::request::EndMove;

/// A partition that is to go from one node of this machine to another.
#[derive(Clone, Debug)]
pub struct Move {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub index: PartitionIndex,
    /// The node that has it.
    pub from: NodeId,
    /// The node that it goes to.
    pub to: NodeId,
    /// The folder of logs that it lies in.
    pub from_dir: PathBuf,
    /// The one of the other node in the same folder of `log.dirs`: a change of name is enough.
    pub to_dir: PathBuf,
    /// The id of that.
    pub directory: Uuid,
}

/// Why a partition cannot go to another node for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// It lies in a folder that cannot be used.
    #[error("the folder of log.dirs that it lies in cannot be used")]
    FolderLost,
    /// The other node cannot use its folder there.
    #[error("the other node cannot use its folder there")]
    NoFolder,
}

// === impl LocalController ===

impl LocalController {
    /// How a partition gets to the node that it is to go to; `None` where it is to go nowhere.
    pub fn next_move(
        &self,
        topic_id: TopicId,
        index: PartitionIndex,
    ) -> Option<Result<Move, MoveError>> {
        let image = self.image();
        let topic = image.topics.with_id(topic_id)?;
        let partition = topic.partition(index)?;
        let (from, to) = is_to_move(partition)?;
        let lies_in = partition.directories.first().copied().unwrap_or_default();
        Some(
            self.folders(&image, from, to, lies_in)
                .map(|(at, other)| Move {
                    topic: topic.name.clone(),
                    topic_id,
                    index,
                    from,
                    to,
                    from_dir: at.path.clone(),
                    to_dir: other.path.clone(),
                    directory: other.id().unwrap_or_default(),
                }),
        )
    }

    /// The folder of `from` with this id, and that of `to` beside it.
    fn folders(
        &self,
        image: &Image,
        from: NodeId,
        to: NodeId,
        id: Uuid,
    ) -> Result<(&NodeDir, &NodeDir), MoveError> {
        let works = |node: NodeId, dir: &&NodeDir| {
            let broker = image.brokers.get(node);
            broker.is_some_and(|broker| dir.id().is_some_and(|id| broker.log_dirs.contains(&id)))
        };
        let nodes = || image.brokers.iter().zip(self.directories());
        let of = |node| nodes().find(|(broker, _)| broker.id == node).map(|it| it.1);
        let mut dirs = of(from).into_iter().flatten();
        let at = dirs.find(|dir| dir.id() == Some(id) || is_reserved(id));
        let at = at
            .filter(|dir| works(from, dir))
            .ok_or(MoveError::FolderLost)?;
        let mut dirs = of(to).into_iter().flatten();
        let other = dirs.find(|dir| dir.path.parent() == at.path.parent());
        let other = other
            .filter(|dir| works(to, dir))
            .ok_or(MoveError::NoFolder)?;
        Ok((at, other))
    }
}

/// The partitions of these topics that are to go to other nodes.
pub fn moves_in<'a>(topics: impl Iterator<Item = &'a Topic>) -> Vec<(TopicId, PartitionIndex)> {
    let moves = topics.flat_map(|topic| {
        let partitions = topic.partitions.iter().zip(0..);
        let moving = partitions.filter(|(partition, _)| is_to_move(partition).is_some());
        moving.map(|(_, index)| (topic.id, index))
    });
    moves.collect()
}

/// To be called at a start. Has the other node lead each partition whose log had gone there before
/// the broker stopped. Returns the partitions that are still to go.
pub async fn finish_moves(
    controller: &LocalController,
    disk: &Disk,
    now: WallMs,
) -> Result<Vec<(TopicId, PartitionIndex)>, CannotWrite> {
    let image = controller.image();
    let mut planned_moves = moves_in(image.topics.iter().map(|topic| &**topic));
    planned_moves.sort_unstable();
    let mut left = Vec::new();
    for (topic_id, index) in planned_moves {
        let Some(Ok(planned)) = controller.next_move(topic_id, index) else {
            left.push((topic_id, index));
            continue;
        };
        let name = format!("{}-{index}", planned.topic);
        let has_gone = !is_there(disk, &planned.from_dir.join(&name)).await
            && is_there(disk, &planned.to_dir.join(&name)).await;
        if has_gone {
            let Move { topic, to, .. } = &planned;
            tracing::info!(%topic, partition = index, node = %to,
                "the partition was on its way when the broker stopped: its log is with this node");
            controller.handle(&planned.end(), now).await?;
        } else {
            left.push((topic_id, index));
        }
    }
    Ok(left)
}

async fn is_there(disk: &Disk, path: &Path) -> bool {
    match disk.list(path).await {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

// === impl Move ===

impl Move {
    /// Its end, once the log lies with the other node.
    pub fn end(&self) -> EndMove {
        EndMove {
            topic_id: self.topic_id,
            index: self.index,
            to: self.to,
            directory: self.directory,
        }
    }
}
