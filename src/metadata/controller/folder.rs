//! Drives: the data folders: formats new ones, and checks that old ones are those of this cluster.
//!
//! In each, `shard-0`, `shard-1`… are the nodes' folders with a `meta.properties`;
//! `__cluster_metadata-0` in one of them is the metadata log.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::NodeId;
use crate::base::ids::{Uuid, base64_url};
use crate::io::disk::{Disk, Entry};
use crate::log::CLEAN_SHUTDOWN;
use crate::metadata::image::Image;
use crate::metadata::source::local::SourceError;

use super::change::CannotWrite;
use super::decide::Random;
use super::identity::{FILE, Identity, IdentityError};

/// Why the metadata could not be loaded. Each prints as one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read or written.
    #[error("cannot use {}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// A `meta.properties` cannot be understood.
    #[error("{}: {}", .0.display(), .1)]
    Identity(PathBuf, IdentityError),
    /// A node's folder is not the one that was formatted for it.
    #[error("{} is not the folder that was formatted for this node: {}", .0.display(), .1)]
    Foreign(PathBuf, String),
    /// The folder was formatted with other nodes.
    #[error("{}", other_nodes(.formatted, .asked))]
    Nodes {
        /// The nodes it was formatted with.
        formatted: Vec<NodeId>,
        /// The nodes that shall start.
        asked: Vec<NodeId>,
    },
    /// A broker alone was to be started on the folder of a broker of a cluster.
    #[error(
        "{} is of a broker of the cluster {}, and would be lost to it here: start with \
         process.roles=broker, or use another --data-dir",
        .0.display(),
        .1
    )]
    OfCluster(PathBuf, String),
    /// A folder cannot be of a broker of this cluster.
    #[error("{} cannot be a folder of this broker: {}", .0.display(), .1)]
    Taken(PathBuf, String),
    /// A folder of a broker of a cluster was not formatted.
    #[error(
        "{} is not formatted: corelane format --cluster-id ID --config FILE formats a broker's \
         folders for its cluster{}",
        .0.display(),
        if *.1 { "; --ignore-formatted leaves the others as they are" } else { "" }
    )]
    Unformatted(PathBuf, bool),
    /// A folder is formatted already.
    #[error(
        "{} is formatted already; --ignore-formatted leaves it as it is and formats the others",
        .0.display()
    )]
    Formatted(PathBuf),
    /// There are partitions, but nothing says what they are.
    #[error(
        "{} holds partitions, but the metadata log that says what they are is gone; restore \
         __cluster_metadata-0, or use another --data-dir",
        .0.display()
    )]
    MetadataLost(PathBuf),
    /// The metadata log is gone, though the note beside it knows of one.
    #[error(
        "the metadata log {} is gone, though {} knows of one; put it back from a copy, or use \
         another --data-dir",
        .0.display(),
        .1.display()
    )]
    LogLost(PathBuf, PathBuf),
    /// The controller quorum does not let this broker in, or cannot be understood.
    #[error("{0}")]
    Quorum(String),
    /// The metadata log cannot be used.
    #[error("{0}")]
    Source(SourceError),
    /// The metadata log cannot be written.
    #[error("the metadata log cannot be written; the lines before this one say why")]
    Write,
}

impl From<CannotWrite> for LoadError {
    fn from(_: CannotWrite) -> LoadError {
        LoadError::Write
    }
}

fn other_nodes(formatted: &[NodeId], asked: &[NodeId]) -> String {
    if formatted.len() != asked.len() {
        let count = formatted.len();
        return format!(
            "this data folder was formatted with {count} shard(s) and cannot be served with \
             {}: each shard is a Kafka node that owns its partitions; start with \
             --shards {count}, or use another --data-dir",
            asked.len()
        );
    }
    let first = |nodes: &[NodeId]| nodes.first().map_or(0, |node| node.0);
    format!(
        "this data folder was formatted with node.id={} and cannot be served with node.id={}; \
         set it back, or use another data folder",
        first(formatted),
        first(asked)
    )
}

/// The folder of the shard at `index`.
pub fn shard_dir(data_dir: &Path, index: usize) -> PathBuf {
    data_dir.join(format!("shard-{index}"))
}

/// The folder of the metadata log.
pub fn metadata_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("__cluster_metadata-0")
}

/// Whether these nodes are those that the folder was formatted with.
pub fn check_nodes(image: &Image, asked: &[NodeId]) -> Result<(), LoadError> {
    let formatted: Vec<NodeId> = image.brokers.iter().map(|broker| broker.id).collect();
    if formatted == asked {
        return Ok(());
    }
    Err(LoadError::Nodes {
        formatted,
        asked: asked.to_vec(),
    })
}

/// A folder of one node: its part of one of the folders of `log.dirs`.
#[derive(Clone, Debug)]
pub struct NodeDir {
    /// Where it is.
    pub path: PathBuf,
    /// What its `meta.properties` says; `None` where it has none yet.
    pub identity: Option<Identity>,
    /// Whether it holds logs that were not closed cleanly: their ends may be lost.
    pub unclean: bool,
}

impl NodeDir {
    /// Its `directory.id`.
    pub fn id(&self) -> Option<Uuid> {
        self.identity.as_ref().map(|identity| identity.directory)
    }
}

/// Reads the `meta.properties` of each node's folders in `dirs`.
pub async fn read_identities(
    disk: &Disk,
    dirs: &[PathBuf],
    count: usize,
) -> Result<Vec<Vec<NodeDir>>, LoadError> {
    let mut nodes = Vec::new();
    for index in 0..count {
        let mut found = Vec::new();
        for dir in dirs {
            let path = shard_dir(dir, index);
            let identity = read_identity(disk, &path.join(FILE)).await?;
            let entries = list(disk, &path).await?;
            let clean = entries.iter().any(|entry| entry.name == CLEAN_SHUTDOWN);
            found.push(NodeDir {
                unclean: !clean && entries.iter().any(is_partition),
                path,
                identity,
            });
        }
        nodes.push(found);
    }
    Ok(nodes)
}

async fn read_identity(disk: &Disk, path: &Path) -> Result<Option<Identity>, LoadError> {
    match disk.read(path).await {
        Ok(bytes) => {
            let identity = Identity::parse(&String::from_utf8_lossy(&bytes));
            let refused = |error| LoadError::Identity(path.to_owned(), error);
            identity.map(Some).map_err(refused)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LoadError::Io(path.to_owned(), error)),
    }
}

/// Checks that the folders are those that were formatted for these nodes. One without a
/// `meta.properties` may be new beside others that the cluster knows, never instead of them.
pub fn check_identities(
    image: &Image,
    nodes: &[NodeId],
    found: &[Vec<NodeDir>],
) -> Result<(), LoadError> {
    let mut cluster_id = None;
    let mut seen = BTreeMap::new();
    for (node, dirs) in nodes.iter().zip(found) {
        let known = known_directories(image, *node);
        let mut is_known = false;
        for dir in dirs {
            let Some(identity) = &dir.identity else {
                continue;
            };
            let foreign = |why: String| Err(LoadError::Foreign(dir.path.clone(), why));
            if identity.node != *node {
                return foreign(format!("it is node {}'s, not node {node}'s", identity.node));
            }
            if *cluster_id.get_or_insert(&identity.cluster_id) != &identity.cluster_id {
                return foreign(format!("it is of the cluster {}", identity.cluster_id));
            }
            if let Some(other) = seen.insert(identity.directory, &dir.path) {
                let other = other.display();
                return foreign(format!("it has the directory.id of {other}"));
            }
            is_known |= known.contains(&identity.directory);
        }
        if is_known {
            continue;
        }
        let path = dirs.first().map(|dir| dir.path.clone()).unwrap_or_default();
        let why = match dirs.iter().any(|dir| dir.identity.is_some()) {
            true => "the metadata log knows a folder with another directory.id".to_owned(),
            false => format!("it has no {FILE}"),
        };
        return Err(LoadError::Foreign(path, why));
    }
    Ok(())
}

/// The directories that a node has registered, or has partitions in.
fn known_directories(image: &Image, node: NodeId) -> BTreeSet<Uuid> {
    let registered = image.brokers.get(node);
    let registered = registered.map(|broker| broker.log_dirs.clone());
    let mut known: BTreeSet<Uuid> = registered.into_iter().flatten().collect();
    for (topic, index) in image.topics.on(node) {
        let Some(partition) = topic.partition(index) else {
            continue;
        };
        let replicas = partition.replicas.iter().zip(&partition.directories);
        known.extend(replicas.filter(|(one, _)| **one == node).map(|(_, id)| *id));
    }
    known
}

/// Writes a `meta.properties` into every folder that has none; returns the cluster's id. Those that
/// an interrupted start has written are kept, so that the next start finishes its work.
pub async fn format(
    disk: &Disk,
    nodes: &[NodeId],
    found: &mut [Vec<NodeDir>],
    random: &mut Random,
) -> Result<Arc<str>, LoadError> {
    let known = found.iter().flatten().find_map(|dir| dir.identity.as_ref());
    let known = known.map(|identity| identity.cluster_id.clone());
    let cluster_id = known.unwrap_or_else(|| base64_url(random.uuid().as_bytes()));
    for (node, dirs) in nodes.iter().zip(found) {
        for dir in dirs.iter_mut().filter(|dir| dir.identity.is_none()) {
            refuse_partitions(disk, &dir.path).await?;
            let identity = Identity {
                cluster_id: cluster_id.clone(),
                node: *node,
                directory: random.uuid(),
                in_cluster: false,
            };
            let path = dir.path.join(FILE);
            let written = async {
                disk.create_dir(&dir.path).await?;
                disk.replace(&path, identity.text().into_bytes()).await
            };
            written.await.map_err(|error| LoadError::Io(path, error))?;
            dir.identity = Some(identity);
        }
    }
    Ok(cluster_id.into())
}

/// Checks that no folder holds partitions: where the metadata log is empty it is either new or
/// lost, and where there are partitions it was lost.
pub async fn check_unused(disk: &Disk, found: &[Vec<NodeDir>]) -> Result<(), LoadError> {
    for dir in found.iter().flatten() {
        refuse_partitions(disk, &dir.path).await?;
    }
    Ok(())
}

/// Refuses to format a folder with partitions in it: there are records in it.
async fn refuse_partitions(disk: &Disk, dir: &Path) -> Result<(), LoadError> {
    if list(disk, dir).await?.iter().any(is_partition) {
        return Err(LoadError::MetadataLost(dir.to_owned()));
    }
    Ok(())
}

/// Checks that no folder is of a broker of a cluster.
pub fn check_alone(found: &[Vec<NodeDir>]) -> Result<(), LoadError> {
    for dir in found.iter().flatten() {
        if let Some(identity) = dir.identity.as_ref().filter(|it| it.in_cluster) {
            let cluster = identity.cluster_id.clone();
            return Err(LoadError::OfCluster(dir.path.clone(), cluster));
        }
    }
    Ok(())
}

/// Lists a folder; one that does not exist is empty.
pub(super) async fn list(disk: &Disk, dir: &Path) -> Result<Vec<Entry>, LoadError> {
    match disk.list(dir).await {
        Ok(entries) => Ok(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(LoadError::Io(dir.to_owned(), error)),
    }
}

pub(super) fn is_partition(entry: &Entry) -> bool {
    let index = entry.name.rsplit_once('-').map(|(_, index)| index);
    entry.is_dir && index.is_some_and(|index| index.parse::<u32>().is_ok())
}
