//! Drives: the folders of a broker of a cluster: a command formats them, each start checks them.
//!
//! In each folder of `log.dirs`, `shard-0`, `shard-1`… are the nodes' folders. Their
//! `meta.properties` say how many shards there are, and of which cluster they are nodes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::NodeId;
use crate::io::disk::Disk;

use super::decide::Random;
use super::folder::{self, LoadError, NodeDir, list, metadata_dir, shard_dir};
use super::identity::{FILE, Identity};

/// The longest cluster id taken, in bytes; Kafka's own have 22.
const CLUSTER_ID_BYTES_MAX: usize = 64;

/// What is to be formatted, and how.
#[derive(Clone, Debug)]
pub struct Format {
    /// The folders of `log.dirs`; they are there.
    pub dirs: Vec<PathBuf>,
    /// The nodes, one for each shard.
    pub nodes: Vec<NodeId>,
    /// The cluster.
    pub cluster_id: String,
    /// Whether folders that are formatted for it already are left as they are; an error else.
    pub ignore_formatted: bool,
}

/// A node's folder after it was formatted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Formatted {
    /// Where it is.
    pub path: PathBuf,
    /// What its `meta.properties` says.
    pub identity: Identity,
    /// Whether this was written just now.
    pub is_new: bool,
}

/// What the folders of a broker say at its start.
#[derive(Clone, Debug)]
pub struct Found {
    /// The cluster that it is formatted for.
    pub cluster_id: Arc<str>,
    /// Each node's folders, in the order of the nodes.
    pub nodes: Vec<Vec<NodeDir>>,
}

/// Whether a text can be a cluster's id; the error is a sentence. Kafka's own are 16 bytes in
/// URL-safe base64, but it compares them as texts and takes others.
pub fn check_cluster_id(id: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !id.is_empty() && id.len() <= CLUSTER_ID_BYTES_MAX && id.chars().all(fits) {
        return Ok(());
    }
    Err(format!(
        "'{}' is no cluster id: kafka-storage random-uuid prints one, and kafka-cluster \
         cluster-id that of a cluster that runs",
        id.escape_default()
    ))
}

/// Formats the folders: each gets its `meta.properties`. Before anything is written all of them
/// are checked: none may hold anything of another broker. The first shard's are written last, so
/// that an interrupted `format` leaves folders that count as not formatted.
pub async fn format(
    disk: &Disk,
    asked: &Format,
    random: &mut Random,
) -> Result<Vec<Formatted>, LoadError> {
    let mut found = read(disk, &asked.dirs, &asked.nodes).await?;
    check_known(&asked.nodes, &found, Some(&asked.cluster_id))?;
    for dir in found.iter().flatten() {
        match dir.identity {
            Some(_) if !asked.ignore_formatted => {
                return Err(LoadError::Formatted(dir.path.clone()));
            }
            Some(_) => {}
            None if list(disk, &dir.path)
                .await?
                .iter()
                .any(folder::is_partition) =>
            {
                let why = format!("it holds partitions, and no {FILE} says whose they are");
                return Err(LoadError::Taken(dir.path.clone(), why));
            }
            None => {}
        }
    }
    let mut formatted = Vec::new();
    for (node, dirs) in asked.nodes.iter().zip(&mut found).rev() {
        for dir in dirs {
            let is_new = dir.identity.is_none();
            let identity = dir.identity.take().unwrap_or_else(|| Identity {
                cluster_id: asked.cluster_id.clone(),
                node: *node,
                directory: random.uuid(),
                in_cluster: true,
            });
            if is_new {
                write(disk, &dir.path, &identity).await?;
            }
            formatted.push(Formatted {
                path: dir.path.clone(),
                identity,
                is_new,
            });
        }
    }
    formatted.sort_by_key(|one| one.identity.node);
    Ok(formatted)
}

/// Reads what the folders of `dirs` were formatted for, and checks that it is this broker.
pub async fn check(disk: &Disk, dirs: &[PathBuf], nodes: &[NodeId]) -> Result<Found, LoadError> {
    let found = read(disk, dirs, nodes).await?;
    check_known(nodes, &found, None)?;
    let is_new = |dir: &&NodeDir| dir.identity.is_none();
    if let Some(new) = found.iter().flatten().find(is_new) {
        let is_partly = found.iter().flatten().any(|dir| dir.identity.is_some());
        return Err(LoadError::Unformatted(new.path.clone(), is_partly));
    }
    let first = found.iter().flatten().find_map(|dir| dir.identity.as_ref());
    let cluster_id = first.map(|identity| identity.cluster_id.as_str().into());
    let none = || LoadError::Unformatted(dirs.first().cloned().unwrap_or_default(), false);
    Ok(Found {
        cluster_id: cluster_id.ok_or_else(none)?,
        nodes: found,
    })
}

/// Reads the nodes' folders; refuses what another kind of broker has left beside them, and
/// another number of nodes.
async fn read(
    disk: &Disk,
    dirs: &[PathBuf],
    nodes: &[NodeId],
) -> Result<Vec<Vec<NodeDir>>, LoadError> {
    let mut formatted = 0;
    for dir in dirs {
        let entries = list(disk, dir).await?;
        let has = |name: &str| entries.iter().any(|entry| entry.name == name);
        let taken = |why: &str| Err(LoadError::Taken(dir.clone(), why.to_owned()));
        if has(FILE) {
            return taken("it is of a broker or a controller of Apache Kafka's (meta.properties)");
        }
        let metadata = metadata_dir(dir);
        if metadata
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(has)
        {
            return taken(
                "it holds the metadata of a broker that runs alone (__cluster_metadata-0)",
            );
        }
        formatted = formatted.max(shards_in(disk, dir).await?);
    }
    let found = folder::read_identities(disk, dirs, nodes.len().max(formatted)).await?;
    if formatted > 0 && formatted != nodes.len() {
        let known = found.iter().map_while(|dirs| {
            let known = dirs.iter().find_map(|dir| dir.identity.as_ref());
            known.map(|identity| identity.node)
        });
        return Err(LoadError::Nodes {
            formatted: known.collect(),
            asked: nodes.to_vec(),
        });
    }
    Ok(found)
}

/// How many shards a folder was formatted with: 0 for one that was not, or not to the end.
async fn shards_in(disk: &Disk, dir: &Path) -> Result<usize, LoadError> {
    let mut count = 0;
    loop {
        let entries = list(disk, &shard_dir(dir, count)).await?;
        if !entries.iter().any(|entry| entry.name == FILE) {
            return Ok(count);
        }
        count += 1;
    }
}

/// Checks that what is formatted is formatted for these nodes, and for one cluster: `cluster`,
/// where one is given.
fn check_known(
    nodes: &[NodeId],
    found: &[Vec<NodeDir>],
    cluster: Option<&str>,
) -> Result<(), LoadError> {
    let mut cluster = cluster;
    let mut seen = BTreeMap::new();
    for (node, dirs) in nodes.iter().zip(found) {
        for dir in dirs {
            let Some(identity) = &dir.identity else {
                continue;
            };
            let taken = |why: String| Err(LoadError::Taken(dir.path.clone(), why));
            if !identity.in_cluster {
                return taken("it is of a broker that runs alone".to_owned());
            }
            let expected = *cluster.get_or_insert(&identity.cluster_id);
            if expected != identity.cluster_id {
                let other = &identity.cluster_id;
                return taken(format!("it is of the cluster {other}, not of {expected}"));
            }
            if identity.node != *node {
                let formatted = identity.node;
                return taken(format!(
                    "it was formatted for node {formatted}, not for node {node}: set node.id back"
                ));
            }
            if let Some(other) = seen.insert(identity.directory, &dir.path) {
                let other = other.display();
                return taken(format!("it has the directory.id of {other}"));
            }
        }
    }
    Ok(())
}

async fn write(disk: &Disk, dir: &Path, identity: &Identity) -> Result<(), LoadError> {
    let path = dir.join(FILE);
    let written = async {
        disk.create_dir(dir).await?;
        disk.replace(&path, identity.text().into_bytes()).await
    };
    written.await.map_err(|error| LoadError::Io(path, error))
}

#[cfg(test)]
mod tests;
