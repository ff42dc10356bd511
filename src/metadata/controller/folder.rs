//! Drives: the data folder: found as it was formatted, or formatted.
//!
//! `shard-0`, `shard-1`… are the nodes' folders, each with its `meta.properties`;
//! `__cluster_metadata-0` is the metadata log.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::NodeId;
use crate::base::ids::base64_url;
use crate::io::disk::Disk;
use crate::metadata::image::Image;
use crate::metadata::source::local::SourceError;

use super::decide::Chance;
use super::identity::{FILE, Identity, IdentityError};

/// Why the metadata could not be loaded. Each prints as one sentence that says what to do.
#[derive(Debug)]
pub enum LoadError {
    /// A file or folder cannot be read or written.
    Io(PathBuf, io::Error),
    /// A `meta.properties` cannot be understood.
    Identity(PathBuf, IdentityError),
    /// A node's folder is not the one that was formatted for it.
    Foreign(PathBuf, String),
    /// The folder was formatted with other nodes.
    Nodes {
        /// The nodes it was formatted with.
        formatted: Vec<NodeId>,
        /// The nodes that shall start.
        asked: Vec<NodeId>,
    },
    /// There are partitions, but nothing says what they are.
    MetadataLost(PathBuf),
    /// The metadata log cannot be used.
    Source(SourceError),
    /// The metadata log cannot be written.
    Write,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Io(path, error) => write!(f, "cannot use {}: {error}", path.display()),
            LoadError::Identity(path, error) => write!(f, "{}: {error}", path.display()),
            LoadError::Foreign(path, why) => write!(
                f,
                "{} is not the folder that was formatted for this node: {why}",
                path.display()
            ),
            LoadError::Nodes { formatted, asked } => f.write_str(&other_nodes(formatted, asked)),
            LoadError::MetadataLost(path) => write!(
                f,
                "{} holds partitions, but the metadata log that says what they are is gone; \
                 restore __cluster_metadata-0, or use another --data-dir",
                path.display()
            ),
            LoadError::Source(error) => error.fmt(f),
            LoadError::Write => {
                f.write_str("the metadata log cannot be written; the lines before this one say why")
            }
        }
    }
}

impl std::error::Error for LoadError {}

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

/// What the nodes' folders say they are; `None` for one that says nothing.
pub async fn read_identities(
    disk: &Disk,
    data_dir: &Path,
    count: usize,
) -> Result<Vec<Option<Identity>>, LoadError> {
    let mut identities = Vec::new();
    for index in 0..count {
        let path = shard_dir(data_dir, index).join(FILE);
        identities.push(match disk.read(&path).await {
            Ok(bytes) => {
                let identity = Identity::parse(&String::from_utf8_lossy(&bytes));
                Some(identity.map_err(|error| LoadError::Identity(path, error))?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(LoadError::Io(path, error)),
        });
    }
    Ok(identities)
}

/// Checks that the folders are those that were formatted for these nodes.
pub fn check_identities(
    data_dir: &Path,
    image: &Image,
    nodes: &[NodeId],
    identities: Vec<Option<Identity>>,
) -> Result<Vec<Identity>, LoadError> {
    let mut checked: Vec<Identity> = Vec::new();
    for (index, (node, identity)) in nodes.iter().zip(identities).enumerate() {
        let dir = shard_dir(data_dir, index);
        let Some(identity) = identity else {
            return Err(LoadError::Foreign(dir, format!("it has no {FILE}")));
        };
        let foreign = |why: String| Err(LoadError::Foreign(dir.clone(), why));
        if identity.node != *node {
            return foreign(format!("it is node {}'s, not node {node}'s", identity.node));
        }
        if let Some(first) = checked.first()
            && first.cluster_id != identity.cluster_id
        {
            return foreign(format!("it is of the cluster {}", identity.cluster_id));
        }
        let known = image.brokers.get(*node);
        if !known.is_some_and(|broker| broker.log_dirs.contains(&identity.directory)) {
            return foreign("the metadata log knows a folder with another directory.id".into());
        }
        checked.push(identity);
    }
    Ok(checked)
}

/// Gives every node's folder its identity. What an interrupted start has left is kept, so that
/// the next one ends what it began.
pub async fn format(
    disk: &Disk,
    data_dir: &Path,
    nodes: &[NodeId],
    found: Vec<Option<Identity>>,
    chance: &mut Chance,
) -> Result<Vec<Identity>, LoadError> {
    let known = found
        .iter()
        .flatten()
        .next()
        .map(|identity| identity.cluster_id.clone());
    let cluster_id = known.unwrap_or_else(|| base64_url(chance.uuid().as_bytes()));
    let mut identities = Vec::new();
    for (index, (node, found)) in nodes.iter().zip(found).enumerate() {
        let dir = shard_dir(data_dir, index);
        refuse_partitions(disk, &dir).await?;
        let directory = found.map_or_else(|| chance.uuid(), |identity| identity.directory);
        let identity = Identity {
            cluster_id: cluster_id.clone(),
            node: *node,
            directory,
        };
        let path = dir.join(FILE);
        let written = async {
            disk.create_dir(&dir).await?;
            disk.replace(&path, identity.text().into_bytes()).await
        };
        written.await.map_err(|error| LoadError::Io(path, error))?;
        identities.push(identity);
    }
    Ok(identities)
}

/// A folder with partitions in it is not formatted anew: somebody's records are in there.
async fn refuse_partitions(disk: &Disk, dir: &Path) -> Result<(), LoadError> {
    let entries = match disk.list(dir).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LoadError::Io(dir.to_owned(), error)),
    };
    let is_partition = |name: &str| {
        let index = name.rsplit_once('-').map(|(_, index)| index);
        index.is_some_and(|index| index.parse::<u32>().is_ok())
    };
    if entries
        .iter()
        .any(|entry| entry.is_dir && is_partition(&entry.name))
    {
        return Err(LoadError::MetadataLost(dir.to_owned()));
    }
    Ok(())
}
